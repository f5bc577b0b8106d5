//! JSON: an object for each record, its members the columns.
//!
//! As Flink's format `json` reads and writes it. Coercions are Flink's: a number may be a string, a string may be any
//! value, a fraction is cut off where an `INT` or a `BIGINT` is wanted, a decimal that is too large is NULL. It differs
//! in these, on purpose:
//!
//! * of a member that comes twice, the last counts, always;
//! * what follows the object is an error, and so is the half of a surrogate pair;
//! * the fraction of a `TIME(p)` is kept as far as `p` says, and an integer with a fraction is cut off exactly;
//! * a member that is neither a string nor a boolean is no `BOOLEAN` if it is an array or an object;
//! * a column that is NOT NULL is never NULL.
//!
//! Source: Flink 2.x, `flink-json`.

mod encode;
mod keys;
mod reader;
mod scan;
mod tree;

pub(super) use reader::Json;

use super::clock::TimestampFormat;
use super::error::FormatError;
use super::gather::{Gather, OnError};
use super::leaf::Leaf;
use super::row;
use super::{Columns, Decoder, Encoder};
use crate::types::{Item, Type};
use arrow::datatypes::{Field, Fields};
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) const NAME: &str = "json";

/// Flink's options of `json`.
///
/// `map-null-key.mode` and `map-null-key.literal` are not among them: no map has a key that is NULL here, so that they
/// are checked and there is nothing to keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JsonOptions {
    /// Whether a record without one of the wanted columns is an error, not NULL.
    pub fail_on_missing_field: bool,
    /// Whether a value that does not parse is NULL, and a record that does not is skipped.
    pub ignore_parse_errors: bool,
    /// How timestamps are written.
    pub timestamp_format: TimestampFormat,
    /// Whether decimals are written without exponents.
    pub encode_decimal_as_plain_number: bool,
    /// Whether what is NULL is left out.
    pub encode_ignore_null_fields: bool,
}

/// Why a map's key is text.
const TEXT_KEYS: &str = "the keys of a map are strings in JSON: use MAP<STRING, …>";

pub(super) fn decoder(options: &JsonOptions, columns: &Columns) -> Result<Box<dyn Decoder>, FormatError> {
    let on_error = if options.ignore_parse_errors { OnError::Skip } else { OnError::Fail };
    Ok(Box::new(Gather::new(reader::Json::new(options, columns)?, on_error, columns)?))
}

pub(super) fn encoder(options: &JsonOptions, fields: &Fields) -> Result<Box<dyn Encoder>, FormatError> {
    Ok(Box::new(encode::Json::new(options, fields)?))
}

/// A type that is no leaf, as JSON has it.
enum Shape<'a> {
    Leaf(Leaf),
    Array(&'a Item),
    Map(&'a Item),
    Row(&'a [(String, Item)]),
}

/// What a type is in JSON.
fn shape<'a>(of: &'a Type, column: &str) -> Result<Shape<'a>, FormatError> {
    Ok(match of {
        Type::Array(element) => Shape::Array(element),
        Type::Map(key, value) if Leaf::of(&key.value) == Some(Leaf::Text) => Shape::Map(value),
        Type::Row(fields) => {
            distinct(fields)?;
            Shape::Row(fields)
        }
        _ => match Leaf::of(of) {
            Some(leaf) => Shape::Leaf(leaf),
            None => {
                return Err(FormatError::ColumnType {
                    format: NAME,
                    column: column.to_owned(),
                    found: of.to_string(),
                    reason: TEXT_KEYS,
                });
            }
        },
    })
}

/// Names and types of fields, no name twice on any level.
fn items<'a>(fields: impl IntoIterator<Item = &'a Arc<Field>>) -> Result<Vec<(String, Item)>, FormatError> {
    let items = fields.into_iter().map(|field| Ok((field.name().clone(), row::item(field)?)));
    let items: Vec<(String, Item)> = items.collect::<Result<_, FormatError>>()?;
    distinct(&items)?;
    Ok(items)
}

fn distinct(fields: &[(String, Item)]) -> Result<(), FormatError> {
    let mut seen = BTreeSet::new();
    match fields.iter().find(|(name, _)| !seen.insert(name)) {
        Some((name, _)) => Err(FormatError::DuplicateColumn { column: name.clone() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
