//! CSV: a line for each record, its fields the columns in their order.
//!
//! As Flink's format `csv` reads and writes it: a field between quotes may hold delimiters and line ends, and a quote
//! written twice; an array's or a row's values lie in one field, separated by another delimiter; bytes are base64. It
//! differs in these, on purpose: what follows the first line is an error but for a line end, a quote that is not closed
//! is one, and so is text behind a closing quote.
//!
//! Source: Flink 2.x, `flink-csv`; what is written is quoted where Jackson's `CsvGenerator` does it.

mod read;
mod write;

use super::error::FormatError;
use super::gather::{Gather, OnError};
use super::leaf::Leaf;
use super::row;
use super::{Columns, Decoder, Encoder};
use crate::types::{Item, Type};
use arrow::datatypes::{Field, Fields};
use std::sync::Arc;

pub(super) const NAME: &str = "csv";

/// Flink's options of `csv`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvOptions {
    /// What separates fields, one character of ASCII.
    pub field_delimiter: u8,
    /// What encloses fields that hold a delimiter, if there is such.
    pub quote_character: Option<u8>,
    /// Whether a record that begins with `#` is skipped.
    pub allow_comments: bool,
    /// Whether a value that does not parse is NULL, and a record that does not is skipped.
    pub ignore_parse_errors: bool,
    /// What separates the values of an array or a row.
    pub array_element_delimiter: String,
    /// What stands before a character that is to be taken as it is, if there is such.
    pub escape_character: Option<u8>,
    /// The text of a field that is NULL, if there is such.
    pub null_literal: Option<String>,
    /// Whether decimals may be written with exponents.
    pub write_bigdecimal_in_scientific_notation: bool,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self {
            field_delimiter: b',',
            quote_character: Some(b'"'),
            allow_comments: false,
            ignore_parse_errors: false,
            array_element_delimiter: ";".to_owned(),
            escape_character: None,
            null_literal: None,
            write_bigdecimal_in_scientific_notation: true,
        }
    }
}

pub(super) fn decoder(options: &CsvOptions, columns: &Columns) -> Result<Box<dyn Decoder>, FormatError> {
    let on_error = if options.ignore_parse_errors { OnError::Skip } else { OnError::Fail };
    let fields = fields(&columns.fields)?;
    Ok(Box::new(Gather::new(read::Csv::new(options, fields, &columns.wanted), on_error, columns)?))
}

pub(super) fn encoder(options: &CsvOptions, fields_of: &Fields) -> Result<Box<dyn Encoder>, FormatError> {
    let types = fields_of.iter().map(|field| field.data_type().clone()).collect();
    Ok(Box::new(write::Csv::new(options, types, fields(fields_of)?)))
}

/// A column as CSV has it.
struct FieldOf {
    name: String,
    is_nullable: bool,
    shape: Shape,
}

enum Shape {
    Leaf(Leaf),
    /// Values of one type, and whether they may be NULL.
    Array(Leaf, bool),
    Row(Vec<(Leaf, bool)>),
}

fn fields(fields: &Fields) -> Result<Vec<FieldOf>, FormatError> {
    fields.iter().map(field).collect()
}

fn field(field: &Arc<Field>) -> Result<FieldOf, FormatError> {
    let item = row::item(field)?;
    let refused = || FormatError::ColumnType {
        format: NAME,
        column: field.name().clone(),
        found: item.value.to_string(),
        reason: "a field holds a value, or an array or a row of values that are neither; TIME has 3 digits at most",
    };
    // Flink's times in CSV have milliseconds at most.
    let leaf = |item: &Item| {
        let leaf = Leaf::of(&item.value).filter(|leaf| !matches!(leaf, Leaf::Time { precision: 4.. }));
        leaf.map(|leaf| (leaf, item.is_nullable))
    };
    let shape = match &item.value {
        Type::Array(element) => leaf(element).map(|(leaf, is_nullable)| Shape::Array(leaf, is_nullable)),
        Type::Row(fields) => fields.iter().map(|(_, item)| leaf(item)).collect::<Option<_>>().map(Shape::Row),
        _ => leaf(&item).map(|(leaf, _)| Shape::Leaf(leaf)),
    };
    Ok(FieldOf { name: field.name().clone(), is_nullable: item.is_nullable, shape: shape.ok_or_else(refused)? })
}

#[cfg(test)]
mod tests;
