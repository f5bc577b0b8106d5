//! Avro behind the id of its schema, as Confluent's serialisers write it.
//!
//! ```text
//! 00 · u32 id · the value in Avro's binary encoding
//! ```
//!
//! A record is read with the schema that its id names and becomes columns by the names of its fields: what the columns
//! do not want is passed over, a field that was not written is NULL. Where the outermost type is no record, it is the
//! one column. Numbers widen as in Avro's schema resolution, decimals take the column's scale, timestamps its
//! precision; another type is an error that names both.
//!
//! Source: Avro 1.12, "Binary encoding" and "Schema resolution".

mod cursor;
mod plan;
mod read;
mod schema;
mod write;

pub use schema::avro_schema_of;

use super::column::Column;
use super::error::{DecodeError, FormatError, Problem};
use super::gather::{Gather, OnError, Reader};
use super::registry::{self, RegisteredSchema, RegistryOptions, SchemaSource};
use super::{Columns, Decoded, Decoder, Encoder, row};
use crate::types::Item;
use arrow::datatypes::Fields;
use levada_avro::Schema;
use levada_model::schema_id::SchemaId;
use plan::{Root, root};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const NAME: &str = "avro-confluent";

/// How many schemas a decoder keeps ready.
const SCHEMAS_MAX: usize = 256;

pub(super) fn decoder(options: &RegistryOptions, columns: &Columns) -> Result<Box<dyn Decoder>, FormatError> {
    let named = |index: &usize| columns.fields.get(*index);
    let wanted = columns.wanted.iter().filter_map(named).map(|field| Ok((field.name().clone(), row::item(field)?)));
    let reader = Avro {
        source: options.source(NAME)?,
        wanted: wanted.collect::<Result<_, FormatError>>()?,
        is_single: columns.fields.len() == 1,
        known: BTreeMap::new(),
        last: None,
    };
    Ok(Box::new(Gather::new(reader, OnError::Fail, columns)?))
}

pub(super) fn encoder(options: &RegistryOptions, fields: &Fields) -> Result<Box<dyn Encoder>, FormatError> {
    let writer = options.writer(NAME)?;
    let RegisteredSchema::Avro(schema) = &writer.schema else {
        return Err(FormatError::Schema { reason: "it is no Avro schema".to_owned() });
    };
    Ok(Box::new(write::Avro::new(writer.id, schema, fields)?))
}

struct Avro {
    source: Arc<dyn SchemaSource>,
    wanted: Vec<(String, Item)>,
    /// Whether the table has one column, which is what is no record.
    is_single: bool,
    known: BTreeMap<SchemaId, Arc<Known>>,
    last: Option<(SchemaId, Arc<Known>)>,
}

/// A schema, and how its values become columns.
struct Known {
    schema: Arc<Schema>,
    root: Root,
}

impl Avro {
    fn known(&mut self, id: SchemaId) -> Result<Arc<Known>, Box<DecodeError>> {
        if let Some((last, known)) = &self.last
            && *last == id
        {
            return Ok(Arc::clone(known));
        }
        let known = match self.known.get(&id) {
            Some(known) => Arc::clone(known),
            None => {
                let schema = self.source.schema(id).map_err(|error| registry::failed(id, error))?;
                let RegisteredSchema::Avro(schema) = schema else {
                    return Err(registry::useless(id, "it is no Avro schema"));
                };
                let root = root(&schema, &self.wanted, self.is_single);
                let known = Arc::new(Known { schema, root });
                if self.known.len() >= SCHEMAS_MAX {
                    self.known.pop_first();
                }
                self.known.insert(id, Arc::clone(&known));
                known
            }
        };
        self.last = Some((id, Arc::clone(&known)));
        Ok(known)
    }
}

impl Reader for Avro {
    fn read(&mut self, bytes: Option<&[u8]>, columns: &mut [Column], row: usize) -> Result<Decoded, Box<DecodeError>> {
        let Some(bytes) = bytes else { return Ok(Decoded::Skipped) };
        let (id, data) = registry::split(bytes)?;
        let known = self.known(id)?;
        let mut reading = read::Reading::new(&known.schema, data);
        match reading.root(&known.root, columns) {
            Ok(()) => {}
            Err(mut error) => {
                error.offset = Some(reading.at() + bytes.len() - data.len());
                return Err(error);
            }
        }
        for (column, (name, item)) in columns.iter_mut().zip(&self.wanted) {
            if column.len() == row {
                column.push_null();
            }
            if !item.is_nullable && column.is_null(row) {
                return Err(Box::new(DecodeError { problem: Problem::Null, path: vec![name.clone()], offset: None }));
            }
        }
        Ok(Decoded::Row)
    }
}

#[cfg(test)]
mod tests;
