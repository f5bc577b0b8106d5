//! [`Writers`]: the schemas that a statement writes its records with.
//!
//! They are found once, when a statement is created: Avro's is made of the columns and registered, unless the subject's
//! latest says the same already; of other languages the subject's latest is taken, for nothing in columns says all that
//! their schemas do. A statement keeps to them.

use crate::{
    format::{
        Encoder, Format, FormatError, RegisteredSchema, SchemaSource, SourceError, Writer, avro_schema_of, encoder,
        shown_id,
    },
    statement::{StatementError, Surroundings},
    table::{Origin, Table},
    types::Item,
};
use datafusion::arrow::datatypes::{Field, Fields};
use levada_model::schema_id::SchemaId;
use levada_stream::Caller;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What Flink calls the record of a schema that it makes of columns.
const RECORD_NAME: &str = "org.apache.flink.avro.generated.record";

/// The schemas of the records that a statement writes, by their ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writers {
    /// Of their keys, where they need one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<u32>,
    /// Of their values, where they need one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<u32>,
}

impl Writers {
    /// Whether there is none.
    #[must_use]
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    pub const fn is_empty(&self) -> bool {
        self.key.is_none() && self.value.is_none()
    }
}

/// Why there is no schema to write with.
#[derive(Debug, thiserror::Error)]
pub enum WriterError {
    /// The registry refuses it.
    #[error("the schema of the {side} cannot be registered under subject `{subject}`: {reason}")]
    Refused {
        /// `key` or `value`.
        side: &'static str,
        /// Where it was to be registered.
        subject: String,
        /// Why not.
        reason: String,
    },
    /// None is registered that could be taken.
    #[error(
        "`{format}` writes with the latest schema of subject `{subject}`, and it has none: register one, or use \
         'avro-confluent', whose schema is made of the columns"
    )]
    Missing {
        /// The format.
        format: &'static str,
        /// The subject.
        subject: String,
    },
    /// The one that is registered is of no use.
    #[error("schema {id} of subject `{subject}` cannot be written with: {reason}")]
    Useless {
        /// Its id.
        id: String,
        /// The subject.
        subject: String,
        /// Why not.
        reason: String,
    },
    /// The one that the statement was created with is gone.
    #[error(
        "schema {id}, with which the statement writes, cannot be had: {reason}; drop the statement, and create it again"
    )]
    Gone {
        /// Its id.
        id: u32,
        /// Why not.
        reason: String,
    },
}

/// The key or the value of the records of a table that is written.
pub(crate) struct Part<'a> {
    side: Side,
    format: &'a Format,
    /// The columns that it is of.
    pub(crate) columns: Vec<usize>,
    fields: Fields,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Key,
    Value,
}

impl Side {
    const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Value => "value",
        }
    }
}

/// The value of a table's records, and the key, where there is one.
pub(crate) fn parts(table: &Table) -> Vec<Part<'_>> {
    let fields = |columns: &[usize]| columns.iter().map(|at| Arc::clone(&table.schema.fields()[*at])).collect();
    let part = |side, format, columns: Vec<usize>| Part { side, format, fields: fields(&columns), columns };
    // Flink's default: the key's columns are part of the value, too.
    let is_of_value = |column: &usize| matches!(table.origins[*column], Origin::Key | Origin::Value);
    let values = (0..table.origins.len()).filter(is_of_value).collect();
    let keys = table.columns_of(Origin::Key);
    let key = table.key_format.as_ref().filter(|_| !keys.is_empty());
    let key = key.map(|format| part(Side::Key, format, keys));
    std::iter::once(part(Side::Value, &table.value_format, values)).chain(key).collect()
}

impl Part<'_> {
    /// Makes rows into bytes, with these schemas.
    pub(crate) fn encoder(
        &self,
        writers: Writers,
        schemas: Option<&Arc<dyn SchemaSource>>,
    ) -> Result<Box<dyn Encoder>, StatementError> {
        let Some(name) = self.format.of_registry() else { return Ok(encoder(self.format, &self.fields)?) };
        let schemas = schemas.ok_or(FormatError::NoRegistry { format: name })?;
        let id = match self.side {
            Side::Key => writers.key,
            Side::Value => writers.value,
        };
        let id = id.ok_or_else(|| StatementError::Internal(format!("no schema for the {}", self.side.name())))?;
        let schema = schemas.schema(SchemaId::Id(id)).map_err(|error| match error {
            SourceError::Unavailable(reason) => StatementError::Unavailable(reason),
            SourceError::Refused(reason) => WriterError::Gone { id, reason }.into(),
        })?;
        Ok(self.encoder_with(SchemaId::Id(id), schema)?)
    }

    fn encoder_with(&self, id: SchemaId, schema: RegisteredSchema) -> Result<Box<dyn Encoder>, FormatError> {
        encoder(&self.format.with(None, Some(Writer { id, schema, message: None })), &self.fields)
    }

    /// Where its schemas are registered.
    fn subject(&self, topic: &str) -> String {
        self.format.subject().map_or_else(|| format!("{topic}-{}", self.side.name()), str::to_owned)
    }

    /// The id of the schema to write with; `None` where it needs none.
    async fn registered(
        &self,
        topic: &str,
        schemas: Option<&Arc<dyn SchemaSource>>,
        caller: &Caller,
    ) -> Result<Option<u32>, StatementError> {
        let Some(format) = self.format.of_registry() else { return Ok(None) };
        let schemas = schemas.ok_or(FormatError::NoRegistry { format })?;
        let subject = self.subject(topic);
        let refused = |error: SourceError| match error {
            SourceError::Unavailable(reason) => StatementError::Unavailable(reason),
            SourceError::Refused(reason) => {
                WriterError::Refused { side: self.side.name(), subject: subject.clone(), reason }.into()
            }
        };
        let latest = schemas.latest(caller, &subject).map_err(refused)?;
        let id = match (latest, self.format) {
            (Some((id, schema)), _) if self.is_said_by(&schema) => id,
            (latest, Format::Avro(_)) => {
                let text = avro_schema_of(&self.fields, &record_name(latest.map(|(_, schema)| schema)))?;
                schemas.register_avro(caller, &subject, text).await.map_err(refused)?
            }
            (Some((id, schema)), _) => {
                let useless = |error: FormatError| WriterError::Useless {
                    id: shown_id(id),
                    subject: subject.clone(),
                    reason: error.to_string(),
                };
                self.encoder_with(id, schema).map_err(useless)?;
                id
            }
            (None, _) => return Err(WriterError::Missing { format, subject }.into()),
        };
        match id {
            SchemaId::Id(id) => Ok(Some(id)),
            SchemaId::Guid(_) => Err(StatementError::Internal("the registry names a schema by its content".to_owned())),
        }
    }

    /// Whether a schema describes the very columns. Those of a key are not NULL, whether they are declared so or not.
    fn is_said_by(&self, schema: &RegisteredSchema) -> bool {
        let is_ours = self.format.of_registry() == Some(schema.format());
        let unnamed = self.fields.first().map_or("", |field| field.name());
        let Ok(columns) = schema.columns(unnamed) else { return false };
        let is_there = |field: &Arc<Field>| {
            let there = columns.iter().find(|(name, _)| name == field.name());
            let (Ok(ours), Some((_, theirs))) = (Item::of(field), there) else { return false };
            ours.value == theirs.value && (ours.is_nullable == theirs.is_nullable || self.side == Side::Key)
        };
        is_ours && columns.len() == self.fields.len() && self.fields.iter().all(is_there)
    }
}

/// What the record of a new Avro schema is called: as in the one before it, or as Flink does it.
fn record_name(latest: Option<RegisteredSchema>) -> String {
    let named = match latest {
        Some(RegisteredSchema::Avro(schema)) => match schema.kind(schema.root()) {
            levada_avro::Kind::Record(record) => Some(record.name.full().to_owned()),
            _ => None,
        },
        _ => None,
    };
    named.unwrap_or_else(|| RECORD_NAME.to_owned())
}

/// The schemas to write a table's records with, each as it is registered.
pub(crate) async fn registered(table: &Table, surroundings: &Surroundings) -> Result<Writers, StatementError> {
    let Surroundings { caller, schemas, .. } = surroundings;
    let Some(topic) = table.topic() else { return Ok(Writers::default()) };
    let mut writers = Writers::default();
    for part in parts(table) {
        let id = part.registered(topic, schemas.as_ref(), caller).await?;
        match part.side {
            Side::Key => writers.key = id,
            Side::Value => writers.value = id,
        }
    }
    Ok(writers)
}
