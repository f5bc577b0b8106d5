//! Whether a record names a schema that is registered for its topic: what the broker asks. And the schemas themselves,
//! for those who read and write records.

use crate::service::{Service, WriteError};
use levada_broker::schemas::{Claim, Holds, Refused, SchemaRule, Schemas, SubjectNameStrategy};
use levada_model::schema_id::SchemaId;
use levada_schema::{
    Context, Data, Deleted, Error, Guid, Parsed, Register, Registry, Schema, SchemaType, Subject, Version, VersionId,
};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};

/// So many schemas are kept as they were understood.
const PARSED_MAX: usize = 1_000;

/// A schema of the default context, as it was understood.
#[derive(Clone, Debug)]
pub struct Understood {
    /// Its id.
    pub id: i32,
    /// What it says.
    pub parsed: Parsed,
    /// Of a JSON Schema: its text with all that it refers to.
    pub resolved: Option<String>,
}

/// The schemas of a registry, as a broker asks for them, and as readers and writers of records do.
pub struct RegisteredSchemas {
    service: Arc<Service>,
    /// Those that were understood, by their id in the default context.
    understood: Mutex<BTreeMap<i32, (Guid, Parsed)>>,
}

impl RegisteredSchemas {
    /// Of this registry.
    #[must_use]
    pub fn of(service: &Arc<Service>) -> Arc<Self> {
        Arc::new(Self { service: Arc::clone(service), understood: Mutex::default() })
    }

    /// Waits until the registry has read its topic, or cannot, but not for ever.
    pub async fn settled(&self) {
        self.service.settled().await;
    }

    /// The schema that a record names.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn schema(&self, id: SchemaId) -> Result<Understood, Refused> {
        let registry = self.registry()?;
        let (id, version) = named(&registry, id)?;
        self.whole(&registry, id, version)
    }

    /// The latest schema of a subject of the default context, if there is such a subject.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn latest(&self, subject: &str) -> Result<Option<Understood>, Refused> {
        let registry = self.registry()?;
        let subject = meant(&registry, subject).map_err(|error| Refused::Invalid(error.to_string()))?;
        let version = registry.get(&subject, VersionId::Latest, Deleted::No);
        version.map(|version| self.whole(&registry, version.id, version)).transpose()
    }

    /// Registers a schema under a subject of the default context, unless it is there; answers its id once that is
    /// durable.
    ///
    /// # Errors
    /// [`Refused`].
    pub async fn register(&self, subject: &str, schema: Schema) -> Result<i32, Refused> {
        let subject = subject.to_owned();
        let change = move |registry: &Registry| {
            let subject = meant(registry, &subject)?;
            // What is there is there, also where nothing may be registered any more.
            if let Some(known) = registry.lookup(&subject, &schema, false, Deleted::No)? {
                return Ok((Vec::new(), known.id));
            }
            let registered = registry.register(&subject, &Register { schema, ..Register::default() })?;
            Ok((registered.records, registered.version.id))
        };
        self.service.change(change).await.map_err(|error| match error {
            WriteError::Refused(error) => Refused::Invalid(error.to_string()),
            error @ (WriteError::Topic(_) | WriteError::Closed) => Refused::ForNow(error.to_string()),
        })
    }

    fn registry(&self) -> Result<Arc<Registry>, Refused> {
        self.service.state().ok_or_else(|| {
            let reason = self.service.trouble().unwrap_or("the schemas are being read");
            Refused::ForNow(reason.to_owned())
        })
    }

    fn whole(&self, registry: &Registry, id: i32, version: &Version) -> Result<Understood, Refused> {
        let parsed = self.understood(registry, id, version)?;
        let resolved = match &parsed {
            Parsed::Json(_) => {
                let resolved = registry.resolved(&Context::default_context(), &version.schema);
                Some(resolved.map_err(|error| not_understood(id, &error))?)
            }
            Parsed::Avro(_) | Parsed::Protobuf(_) => None,
        };
        Ok(Understood { id, parsed, resolved })
    }

    fn understood(&self, registry: &Registry, id: i32, version: &Version) -> Result<Parsed, Refused> {
        let guid = version.schema.guid();
        let known = self.understood.lock().get(&id).filter(|(of, _)| *of == guid).map(|(_, parsed)| parsed.clone());
        if let Some(known) = known {
            return Ok(known);
        }
        let parsed =
            registry.parse(&Context::default_context(), &version.schema).map_err(|error| not_understood(id, &error))?;
        let mut all = self.understood.lock();
        if all.len() >= PARSED_MAX {
            all.pop_first();
        }
        all.insert(id, (guid, parsed.clone()));
        Ok(parsed)
    }
}

fn not_understood(id: i32, error: &Error) -> Refused {
    Refused::Invalid(format!("schema {id} is not understood: {error}"))
}

/// The subject that is meant where one of the default context is named: records name schemas of no other.
fn meant(registry: &Registry, subject: &str) -> Result<Subject, Error> {
    let named = Subject::parse(subject);
    let meant = registry.resolve_alias(&named);
    if meant.context().is_default() {
        return Ok(meant);
    }
    Err(Error::NotPermitted(format!("subject `{meant}` is not in the default context, whose schemas records name")))
}

impl Schemas for RegisteredSchemas {
    fn check(&self, claim: &Claim<'_>) -> Result<Holds, Refused> {
        let registry = self.registry()?;
        let (id, version) = named(&registry, claim.schema)?;
        let is_by_name = claim.rule.strategy != SubjectNameStrategy::TopicName;
        let checks_data = claim.rule.checks_data && !is_encoded(version);
        let parsed = match is_by_name || checks_data {
            true => Some(self.understood(&registry, id, version)?),
            false => None,
        };
        let data = parsed.as_ref().map(|parsed| parsed.data(claim.header, claim.data)).transpose();
        let data = data.map_err(Refused::Invalid)?;
        let subject = subject(claim, parsed.as_ref().zip(data.as_ref()))?;
        let subject = registry.resolve_alias(&subject);
        let is_there = registry.versions(&subject, Deleted::No).any(|version| version.id == id);
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
