//! What the broker asks its schema registry about records, and what is asked of a topic's records.
//!
//! The registry stands above the broker; it comes in as [`Schemas`].

use levada_model::{TopicName, schema_id::SchemaId};
use std::sync::{OnceLock, Weak};

/// A part of a record that has a schema of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The key.
    Key,
    /// The value.
    Value,
}

impl Part {
    /// Its name, as subjects have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Value => "value",
        }
    }
}

/// Under which subject a schema has to be registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubjectNameStrategy {
    /// `<topic>-key` or `<topic>-value`.
    #[default]
    TopicName,
    /// The full name of the record or message, or the title.
    RecordName,
    /// `<topic>-` and that name.
    TopicRecordName,
}

impl SubjectNameStrategy {
    /// By the name of the class that does so in Confluent's serialisers, with or without its package.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let class = name.strip_prefix("io.confluent.kafka.serializers.subject.").unwrap_or(name);
        match class {
            "TopicNameStrategy" => Some(Self::TopicName),
            "RecordNameStrategy" => Some(Self::RecordName),
            "TopicRecordNameStrategy" => Some(Self::TopicRecordName),
            _ => None,
        }
    }
}

/// What is asked of the keys, or of the values, of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaRule {
    /// Where their schemas are registered.
    pub strategy: SubjectNameStrategy,
    /// Whether they must be data of their schema, too.
    pub checks_data: bool,
}

/// What is asked of the records of a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SchemaRules {
    /// Of their keys.
    pub key: Option<SchemaRule>,
    /// Of their values.
    pub value: Option<SchemaRule>,
}

impl SchemaRules {
    /// Whether nothing is asked.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.key.is_none() && self.value.is_none()
    }
}

/// What a record says of its key or value.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Where it is going to.
    pub topic: &'a TopicName,
    /// Which part.
    pub part: Part,
    /// What is asked of it.
    pub rule: SchemaRule,
    /// The schema it names.
    pub schema: SchemaId,
    /// What follows that name, where it is in a header. Protobuf has there which message it is; else before the data.
    pub header: Option<&'a [u8]>,
    /// The data, behind the name where that is before them.
    pub data: &'a [u8],
}

/// For which records an answer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// All that name the schema for the same part.
    ForSchema,
    /// This one.
    Once,
}

/// Why a record is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It never will be.
    Invalid(String),
    /// What is registered is not known at this moment.
    ForNow(String),
}

/// A schema registry, as the broker knows it.
pub trait Schemas: Send + Sync {
    /// Whether a record may say so.
    ///
    /// # Errors
    /// [`Refused`] says why not.
    fn check(&self, claim: &Claim<'_>) -> Result<Holds, Refused>;
}

/// The registry of a broker, once there is one.
#[derive(Default)]
pub(crate) struct Registry(OnceLock<Weak<dyn Schemas>>);

impl Registry {
    pub(crate) fn set(&self, schemas: Weak<dyn Schemas>) {
        // There is one at most, and it is set before clients come.
        self.0.get_or_init(|| schemas);
    }

    pub(crate) fn check(&self, claim: &Claim<'_>) -> Result<Holds, Refused> {
        let Some(schemas) = self.0.get() else {
            let part = claim.part.name();
            let reason = format!(
                "`confluent.{part}.schema.validation` needs the broker's schema registry, which is off (`--registry off`)"
            );
            return Err(Refused::Invalid(reason));
        };
        match schemas.upgrade() {
            Some(schemas) => schemas.check(claim),
            None => Err(Refused::ForNow("the schema registry is closed".to_owned())),
        }
    }
}
