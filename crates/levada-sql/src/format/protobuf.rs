//! Protobuf behind the id of its schema and the place of the message in it, as Confluent's serialisers write it.
//!
//! ```text
//! 00 · u32 id · message indexes · the message
//! ```
//!
//! A record is read with the schema that its id names and becomes columns by the names of its fields; a field that is
//! not there, or that knows that it was not set, is NULL, any other has its default. What is NULL is written by not
//! being set: so it is read as the default again, unless the field is `optional`, a message, or in a `oneof`.
//!
//! Source: Confluent's wire format; Flink 2.x, `flink-protobuf`, for values.

mod read;
mod write;

use super::column::Column;
use super::error::{DecodeError, FormatError, Problem};
use super::gather::{Gather, OnError, Reader};
use super::registry::{self, RegisteredSchema, RegistryOptions, SchemaSource};
use super::{Columns, Decoded, Decoder, Encoder, row};
use crate::types::Item;
use arrow::datatypes::Fields;
use levada_model::schema_id::SchemaId;
use levada_protobuf::{MessageIndexes, Schema};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const NAME: &str = "protobuf";

/// How many schemas a decoder keeps ready.
const SCHEMAS_MAX: usize = 256;

pub(super) fn decoder(options: &RegistryOptions, columns: &Columns) -> Result<Box<dyn Decoder>, FormatError> {
    let named = |index: &usize| columns.fields.get(*index);
    let wanted = columns.wanted.iter().filter_map(named).map(|field| Ok((field.name().clone(), row::item(field)?)));
    let wanted = wanted.collect::<Result<_, FormatError>>()?;
    let reader = Protobuf { source: options.source(NAME)?, wanted, known: BTreeMap::new() };
    Ok(Box::new(Gather::new(reader, OnError::Fail, columns)?))
}

pub(super) fn encoder(options: &RegistryOptions, fields: &Fields) -> Result<Box<dyn Encoder>, FormatError> {
    let writer = options.writer(NAME)?;
    let RegisteredSchema::Protobuf(schema) = &writer.schema else {
        return Err(FormatError::Schema { reason: "it is no Protobuf schema".to_owned() });
    };
    Ok(Box::new(write::Protobuf::new(writer.id, schema, writer.message.as_deref(), fields)?))
}

struct Protobuf {
    source: Arc<dyn SchemaSource>,
    wanted: Vec<(String, Item)>,
    known: BTreeMap<SchemaId, Arc<Schema>>,
}

impl Protobuf {
    fn schema(&mut self, id: SchemaId) -> Result<Arc<Schema>, Box<DecodeError>> {
        if let Some(schema) = self.known.get(&id) {
            return Ok(Arc::clone(schema));
        }
        let schema = self.source.schema(id).map_err(|error| registry::failed(id, error))?;
        let RegisteredSchema::Protobuf(schema) = schema else {
            return Err(registry::useless(id, "it is no Protobuf schema"));
        };
        if self.known.len() >= SCHEMAS_MAX {
            self.known.pop_first();
        }
        self.known.insert(id, Arc::clone(&schema));
        Ok(schema)
    }
}

impl Reader for Protobuf {
    fn read(&mut self, bytes: Option<&[u8]>, columns: &mut [Column], _row: usize) -> Result<Decoded, Box<DecodeError>> {
        let Some(bytes) = bytes else { return Ok(Decoded::Skipped) };
        let (id, rest) = registry::split(bytes)?;
        let schema = self.schema(id)?;
        let wrong = |reason: String| Box::new(DecodeError::new(Problem::Data { reason }));
        let (indexes, data) = MessageIndexes::decode(rest).map_err(|error| wrong(error.to_string()))?;
        let name = schema.message_name(&indexes);
        let name = name.ok_or_else(|| registry::useless(id, "it has no message at the place that the record names"))?;
        let message = schema.decode(&name, data).map_err(|error| wrong(error.to_string()))?;
        read::message(&message, &self.wanted, columns)?;
        Ok(Decoded::Row)
    }
}

#[cfg(test)]
mod tests;
