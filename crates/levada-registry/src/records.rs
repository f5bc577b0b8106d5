//! Whether a record names a schema that is registered for its topic: what the broker asks.

use crate::service::Service;
use levada_broker::schemas::{Claim, Holds, Refused, SchemaRule, Schemas, SubjectNameStrategy};
use levada_model::schema_id::SchemaId;
use levada_schema::{Context, Data, Guid, Parsed, Registry, SchemaType, Subject, Version};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};

/// So many schemas are kept as they were understood.
const PARSED_MAX: usize = 1_000;

/// The schemas of a registry, as a broker asks for them.
pub struct RegisteredSchemas {
    service: Arc<Service>,
    /// Those that were understood, by their id in the default context.
    understood: Mutex<BTreeMap<i32, (Guid, Arc<Parsed>)>>,
}

impl RegisteredSchemas {
    /// Of this registry.
    #[must_use]
    pub fn of(service: &Arc<Service>) -> Arc<Self> {
        Arc::new(Self { service: Arc::clone(service), understood: Mutex::default() })
    }

    fn understood(&self, registry: &Registry, id: i32, version: &Version) -> Result<Arc<Parsed>, Refused> {
        let guid = version.schema.guid();
        let known = self.understood.lock().get(&id).filter(|(of, _)| *of == guid).map(|(_, parsed)| Arc::clone(parsed));
        if let Some(known) = known {
            return Ok(known);
        }
        let parsed = registry
            .parse(&Context::default_context(), &version.schema)
            .map_err(|error| Refused::Invalid(format!("schema {id} is not understood: {error}")))?;
        let parsed = Arc::new(parsed);
        let mut all = self.understood.lock();
        if all.len() >= PARSED_MAX {
            all.pop_first();
        }
        all.insert(id, (guid, Arc::clone(&parsed)));
        Ok(parsed)
    }
}

impl Schemas for RegisteredSchemas {
    fn check(&self, claim: &Claim<'_>) -> Result<Holds, Refused> {
        let Some(registry) = self.service.state() else {
            let reason = self.service.trouble().unwrap_or("the schemas are being read");
            return Err(Refused::ForNow(reason.to_owned()));
        };
        let (id, version) = named(&registry, claim.schema)?;
        let is_by_name = claim.rule.strategy != SubjectNameStrategy::TopicName;
        let checks_data = claim.rule.checks_data && !is_encoded(version);
        let parsed = match is_by_name || checks_data {
            true => Some(self.understood(&registry, id, version)?),
            false => None,
        };
        let data = parsed.as_ref().map(|parsed| parsed.data(claim.header, claim.data)).transpose();
        let data = data.map_err(Refused::Invalid)?;
        let subject = subject(claim, parsed.as_deref().zip(data.as_ref()))?;
        let subject = registry.resolve_alias(&subject);
        let is_there = registry.versions(&subject, levada_schema::Deleted::No).any(|version| version.id == id);
        if !is_there {
            return Err(Refused::Invalid(format!("schema {id} is not registered under subject `{subject}`")));
        }
        if let Some((parsed, data)) = parsed.as_ref().zip(data.as_ref()).filter(|_| checks_data) {
            let part = claim.part.name();
            let refuse = |reason| Refused::Invalid(format!("the {part} is not data of schema {id}: {reason}"));
            parsed.check(data).map_err(refuse)?;
        }
        let depends = checks_data || (is_by_name && version.schema.schema_type == SchemaType::Protobuf);
        Ok(if depends { Holds::Once } else { Holds::ForSchema })
    }
}

/// The schema that a record names.
fn named(registry: &Registry, schema: SchemaId) -> Result<(i32, &Arc<Version>), Refused> {
    let context = Context::default_context();
    let (id, name) = match schema {
        SchemaId::Id(id) => (i32::try_from(id).ok(), id.to_string()),
        SchemaId::Guid(bytes) => (registry.by_guid(&context, Guid(bytes)), Guid(bytes).to_string()),
    };
    let found = id.and_then(|id| Some((id, registry.by_id(id, &Subject::of_context(context))?.1)));
    found.ok_or_else(|| Refused::Invalid(format!("schema {name} is not registered")))
}

/// The subject under which the topic asks for it.
fn subject(claim: &Claim<'_>, understood: Option<(&Parsed, &Data<'_>)>) -> Result<Subject, Refused> {
    let SchemaRule { strategy, .. } = claim.rule;
    let record_name = || {
        let name = understood.map_or(Ok(None), |(parsed, data)| parsed.name_of(data)).map_err(Refused::Invalid)?;
        name.ok_or_else(|| Refused::Invalid("its schema has no name, which its subject is made of".to_owned()))
    };
    let name = match strategy {
        SubjectNameStrategy::TopicName => format!("{}-{}", claim.topic, claim.part.name()),
        SubjectNameStrategy::RecordName => record_name()?,
        SubjectNameStrategy::TopicRecordName => format!("{}-{}", claim.topic, record_name()?),
    };
    Ok(Subject::in_context(Context::default_context(), &name))
}

/// Whether a rule of the schema encrypts the payload as a whole, so that nobody but its readers can look into it.
fn is_encoded(version: &Version) -> bool {
    let rules = version.schema.rule_set.as_ref().map(|rules| rules.encoding_rules.as_slice());
    rules.unwrap_or_default().iter().any(|rule| !rule.disabled)
}
