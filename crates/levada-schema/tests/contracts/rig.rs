//! A registry whose requests take effect at once.

use levada_schema::{
    Associate, AssociateOne, Associated, AssociationFilter, Context, Deleted, Dissociate, Entity, EntityType, Error,
    Lifecycle, Mode, Record, Register, Registered, Registry, Schema, SchemaTags, SchemaType, Subject, Version,
    VersionId, Write,
};
use serde_json::Value;
use std::sync::Arc;

/// One field.
pub(crate) const USER_1: &str = r#"{"type":"record","name":"User","fields":[{"name":"id","type":"long"}]}"#;
/// Two; it reads the first.
pub(crate) const USER_2: &str = r#"{"type":"record","name":"User","fields":[{"name":"id","type":"long"},{"name":"mail","type":"string","default":""}]}"#;

pub(crate) fn subject(name: &str) -> Subject {
    Subject::parse(name)
}

pub(crate) fn avro(text: &str) -> Register {
    of(SchemaType::Avro, text)
}

pub(crate) fn of(schema_type: SchemaType, text: &str) -> Register {
    Register { schema: Schema { schema_type, text: text.into(), ..Schema::default() }, ..Register::default() }
}

/// Properties of metadata.
pub(crate) fn with_property(mut request: Register, name: &str, value: &str) -> Register {
    let metadata = request.schema.metadata.get_or_insert_default();
    metadata.properties.insert(name.to_owned(), value.to_owned());
    request
}

pub(crate) fn field(path: &str, tags: &[&str]) -> SchemaTags {
    part(EntityType::Field, path, tags)
}

pub(crate) fn record(path: &str, tags: &[&str]) -> SchemaTags {
    part(EntityType::Record, path, tags)
}

fn part(entity_type: EntityType, path: &str, tags: &[&str]) -> SchemaTags {
    let tags = tags.iter().map(ToString::to_string).collect();
    SchemaTags { schema_entity: Entity { entity_path: path.to_owned(), entity_type }, tags }
}

#[derive(Default)]
pub(crate) struct Rig {
    pub(crate) registry: Registry,
    pub(crate) written: Vec<Record>,
}

impl Rig {
    pub(crate) fn write(&mut self, records: Vec<Record>) {
        for record in records {
            self.registry.apply(&record);
            self.written.push(record);
        }
    }

    pub(crate) fn register(&mut self, name: &str, request: &Register) -> Result<Registered, Error> {
        let registered = self.registry.register(&subject(name), request)?;
        self.write(registered.records.clone());
        Ok(registered)
    }

    pub(crate) fn configure(&mut self, name: Option<&str>, changes: Value) -> Result<(), Error> {
        let Value::Object(changes) = changes else { panic!("settings are an object") };
        let (records, _) = self.registry.set_config(name.map(subject).as_ref(), changes)?;
        self.write(records);
        Ok(())
    }

    pub(crate) fn set_mode(&mut self, name: &str, mode: Mode) {
        let records = self.registry.set_mode(Some(&subject(name)), mode, true).unwrap();
        self.write(records);
    }

    pub(crate) fn delete(&mut self, name: &str, for_good: bool) -> Result<Vec<i32>, Error> {
        let (records, numbers) = self.registry.delete_subject(&subject(name), for_good)?;
        self.write(records);
        Ok(numbers)
    }

    pub(crate) fn delete_version(&mut self, name: &str, number: i32, for_good: bool) -> Result<i32, Error> {
        let (records, number) = self.registry.delete_version(&subject(name), VersionId::Number(number), for_good)?;
        self.write(records);
        Ok(number)
    }

    pub(crate) fn latest(&self, name: &str) -> Arc<Version> {
        Arc::clone(self.registry.get(&subject(name), VersionId::Latest, Deleted::No).unwrap())
    }

    /// Associates one subject with the resource `id`, a topic of the namespace `ns` that is called so, too.
    pub(crate) fn associate(&mut self, id: &str, one: AssociateOne, write: Write) -> Result<Associated, Error> {
        let request = topic(id, vec![one]);
        let associated = self.registry.associate(&Context::default_context(), &request, write)?;
        self.write(associated.records.clone());
        Ok(associated)
    }

    pub(crate) fn dissociate(&mut self, id: &str, cascade: bool) -> Result<(), Error> {
        let request = Dissociate { resource_id: id.to_owned(), cascade, ..Dissociate::default() };
        let records = self.registry.dissociate(&request)?;
        self.write(records);
        Ok(())
    }

    /// Type, subject, lifecycle and whether they are frozen, of the associations of a resource.
    pub(crate) fn associations(&self, id: &str) -> Vec<(String, String, Lifecycle, bool)> {
        let found = self.registry.associations_of_resource(id, &AssociationFilter::default());
        let shown = found
            .iter()
            .map(|it| (it.key.association_type.clone(), it.key.subject.qualified(), it.lifecycle, it.frozen));
        shown.collect()
    }

    /// What a start makes of the records, of which compaction keeps the last of each key.
    pub(crate) fn restarted(&self) -> Registry {
        let mut last: Vec<(Vec<u8>, Option<Vec<u8>>)> = Vec::new();
        for record in &self.written {
            let (key, value) = record.encode();
            last.retain(|(other, _)| *other != key);
            last.push((key, value));
        }
        let mut registry = Registry::default();
        for (key, value) in last.iter().filter(|(_, value)| value.is_some()) {
            registry.apply(&Record::decode(key, value.as_deref()).unwrap());
        }
        registry
    }
}

pub(crate) fn topic(id: &str, associations: Vec<AssociateOne>) -> Associate {
    Associate {
        resource_name: id.to_owned(),
        resource_namespace: "ns".to_owned(),
        resource_id: id.to_owned(),
        associations,
        ..Associate::default()
    }
}

/// A subject for a resource's values.
pub(crate) fn to(name: &str, lifecycle: Lifecycle) -> AssociateOne {
    AssociateOne { subject: Some(name.to_owned()), lifecycle: Some(lifecycle), ..AssociateOne::default() }
}
