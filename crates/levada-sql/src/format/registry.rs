//! Schemas of a registry, by the ids that records begin with.

use super::error::{DecodeError, FormatError, Problem};
use levada_model::schema_id::SchemaId;
use std::fmt;
use std::sync::Arc;

/// A schema as a registry has it.
#[derive(Clone, Debug)]
pub enum RegisteredSchema {
    /// An Avro schema.
    Avro(Arc<levada_avro::Schema>),
    /// A JSON Schema: records are read without it.
    Json,
    /// A Protobuf schema.
    Protobuf(Arc<levada_protobuf::Schema>),
}

/// Why a schema cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct SourceError {
    /// Why not.
    pub reason: String,
}

/// Where schemas come from.
pub trait SchemaSource: fmt::Debug + Send + Sync {
    /// The schema of that name. It is asked once for each that a decoder meets, and must not wait for long.
    ///
    /// # Errors
    /// [`SourceError`]; it is asked again for the next record.
    fn schema(&self, id: SchemaId) -> Result<RegisteredSchema, SourceError>;
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
    /// Where the registry is; it is up to `schemas` to be that one.
    pub url: Option<String>,
    /// The subject under which schemas are registered that records are written with; it is up to whoever sets
    /// `writer` to do so.
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

/// The error for a schema that could not be had or is of no use.
pub(super) fn failed(id: SchemaId, reason: impl fmt::Display) -> Box<DecodeError> {
    let id = match id {
        SchemaId::Id(id) => id.to_string(),
        SchemaId::Guid(guid) => guid.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")),
    };
    Box::new(DecodeError::new(Problem::Schema { id, reason: reason.to_string() }))
}
