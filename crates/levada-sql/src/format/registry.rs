//! Schemas of a registry, by the ids that records begin with.

use super::error::{DecodeError, FormatError, Problem};
use super::{
    ColumnsError, avro, columns_of_avro, columns_of_json_schema, columns_of_protobuf, json_registry, protobuf,
};
use crate::types::Item;
use arrow::datatypes::FieldRef;
use levada_model::schema_id::SchemaId;
use levada_stream::Caller;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

/// A schema as a registry has it.
#[derive(Clone, Debug)]
pub enum RegisteredSchema {
    /// An Avro schema.
    Avro(Arc<levada_avro::Schema>),
    /// A JSON Schema.
    Json {
        /// Its text with all that it refers to, of which columns are made. Records are read without it.
        text: Arc<str>,
        /// What records that are written must be.
        schema: Arc<levada_json_schema::Schema>,
    },
    /// A Protobuf schema.
    Protobuf(Arc<levada_protobuf::Schema>),
}

impl RegisteredSchema {
    /// The format of records with this schema, by the name that a table says.
    #[must_use]
    pub const fn format(&self) -> &'static str {
        match self {
            Self::Avro(_) => avro::NAME,
            Self::Json { .. } => json_registry::NAME,
            Self::Protobuf(_) => protobuf::NAME,
        }
    }

    /// The columns of its records, of Protobuf's first message; of an Avro schema that is no record, the one called
    /// `unnamed`.
    ///
    /// # Errors
    /// [`ColumnsError`].
    pub fn columns(&self, unnamed: &str) -> Result<Vec<(String, Item)>, ColumnsError> {
        let wrong = |reason: String| ColumnsError::Schema { reason };
        let fields = match self {
            Self::Avro(schema) => columns_of_avro(schema, unnamed),
            Self::Json { text, .. } => columns_of_json_schema(text, &[]),
            Self::Protobuf(schema) => {
                let name = schema.name().ok_or_else(|| wrong("it has no message".to_owned()))?;
                columns_of_protobuf(schema, &name)
            }
        }?;
        let column =
            |field: &FieldRef| Ok((field.name().clone(), Item::of(field).map_err(|error| wrong(error.to_string()))?));
        fields.iter().map(column).collect()
    }
}

/// Why a schema cannot be had, or not be registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// What is registered is not known at this moment: the same may succeed later.
    #[error("{0}")]
    Unavailable(String),
    /// There is no such schema, or it is of no use, or the registry refuses it: asked again, it says the same.
    #[error("{0}")]
    Refused(String),
}

/// The id that a schema gets.
pub type Registering<'a> = Pin<Box<dyn Future<Output = Result<SchemaId, SourceError>> + Send + 'a>>;

/// Where schemas come from, and where they are registered.
pub trait SchemaSource: fmt::Debug + Send + Sync {
    /// Resolves when what is registered is known, or cannot be; also where that takes too long.
    fn settled(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// The schema of that name. It is asked once for each that a decoder meets, and must not wait.
    ///
    /// # Errors
    /// [`SourceError`]; it is asked again for the next record.
    fn schema(&self, id: SchemaId) -> Result<RegisteredSchema, SourceError>;

    /// The latest schema of a subject, if it has one; asks whether `caller` may see it.
    ///
    /// # Errors
    /// [`SourceError`].
    fn latest(&self, caller: &Caller, subject: &str) -> Result<Option<(SchemaId, RegisteredSchema)>, SourceError>;

    /// Registers an Avro schema under a subject, where it is not there already; asks whether `caller` may. Resolves
    /// when it is durable.
    fn register_avro<'a>(&'a self, caller: &'a Caller, subject: &'a str, text: String) -> Registering<'a>;
}

/// The schema that records are written with.
#[derive(Clone, Debug)]
pub struct Writer {
    /// What it is called in the registry.
    pub id: SchemaId,
    /// What it is.
    pub schema: RegisteredSchema,
    /// For Protobuf, the full name of the message; otherwise the first is meant.
    pub message: Option<String>,
}

/// The options of the formats that use a registry. `schemas` and `writer` are not among a table's options: whoever
/// makes a decoder or an encoder of the format sets them.
#[derive(Clone, Debug, Default)]
pub struct RegistryOptions {
    /// The subject of the schema that records are written with, where it is not the topic's usual one.
    pub subject: Option<String>,
    /// Where the schemas of records come from: what a decoder needs.
    pub schemas: Option<Arc<dyn SchemaSource>>,
    /// What records are written with: what an encoder needs.
    pub writer: Option<Writer>,
}

impl RegistryOptions {
    pub(super) fn source(&self, format: &'static str) -> Result<Arc<dyn SchemaSource>, FormatError> {
        self.schemas.clone().ok_or(FormatError::NoRegistry { format })
    }

    pub(super) fn writer(&self, format: &'static str) -> Result<&Writer, FormatError> {
        self.writer.as_ref().ok_or(FormatError::NoRegistry { format })
    }
}

/// Splits a record into the id of its schema and what follows.
pub(super) fn split(bytes: &[u8]) -> Result<(SchemaId, &[u8]), Box<DecodeError>> {
    SchemaId::split(bytes).ok_or_else(|| Box::new(DecodeError::new(Problem::NoSchemaId)))
}

/// The error for a schema that could not be had.
pub(super) fn failed(id: SchemaId, error: SourceError) -> Box<DecodeError> {
    match error {
        SourceError::Unavailable(reason) => Box::new(DecodeError::new(Problem::Unavailable { reason })),
        SourceError::Refused(reason) => useless(id, reason),
    }
}

/// The error for a schema that is of no use.
pub(super) fn useless(id: SchemaId, reason: impl fmt::Display) -> Box<DecodeError> {
    Box::new(DecodeError::new(Problem::Schema { id: shown(id), reason: reason.to_string() }))
}

/// A schema's name, in messages.
pub(crate) fn shown(id: SchemaId) -> String {
    match id {
        SchemaId::Id(id) => id.to_string(),
        SchemaId::Guid(guid) => guid.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")),
    }
}

/// Schemas for tests of formats, by their ids; nothing is registered there.
#[cfg(test)]
pub(super) struct Known(pub(super) Box<dyn Fn(SchemaId) -> Result<RegisteredSchema, SourceError> + Send + Sync>);

#[cfg(test)]
impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Known")
    }
}

#[cfg(test)]
impl SchemaSource for Known {
    fn settled(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }

    fn schema(&self, id: SchemaId) -> Result<RegisteredSchema, SourceError> {
        (self.0)(id)
    }

    fn latest(&self, _: &Caller, _: &str) -> Result<Option<(SchemaId, RegisteredSchema)>, SourceError> {
        Ok(None)
    }

    fn register_avro<'a>(&'a self, _: &'a Caller, _: &'a str, _: String) -> Registering<'a> {
        Box::pin(std::future::ready(Err(SourceError::Refused("nothing is registered here".to_owned()))))
    }
}
