//! Rows as CSV.

use super::{CsvOptions, FieldOf, Shape};
use crate::format::clock::TimestampFormat;
use crate::format::column::Scalar;
use crate::format::error::{EncodeError, shown};
use crate::format::leaf::Leaf;
use crate::format::number::Notation;
use crate::format::row::{self, Style};
use crate::format::{Encoded, Encoder};
use arrow::array::{Array, ArrayRef, AsArray as _};
use arrow::datatypes::DataType;
use std::sync::Arc;

/// Text that is longer is quoted without a look, as Jackson does it.
const UNQUOTED_BYTES_MAX: usize = 24;

/// Writes rows as lines, without the line's end.
pub(super) struct Csv {
    options: CsvOptions,
    types: Vec<DataType>,
    fields: Arc<[FieldOf]>,
    style: Style,
    text: Vec<u8>,
}

impl Csv {
    pub(super) fn new(options: &CsvOptions, types: Vec<DataType>, fields: Vec<FieldOf>) -> Self {
        let is_scientific = options.write_bigdecimal_in_scientific_notation;
        let decimals = if is_scientific { Notation::Scientific } else { Notation::Plain };
        let style = Style { timestamp_format: TimestampFormat::Sql, decimals };
        Self { options: options.clone(), types, fields: fields.into(), style, text: Vec::new() }
    }
}

impl Csv {
    /// Appends a value of an array or a row.
    fn inner(&mut self, leaf: Leaf, name: &str, array: &dyn Array, at: usize) -> Result<(), EncodeError> {
        if array.is_null(at) {
            let null = self.options.null_literal.as_deref().unwrap_or_default();
            self.text.extend_from_slice(null.as_bytes());
            return Ok(());
        }
        let start = self.text.len();
        one(leaf, self.style, name, array, at, &mut self.text)?;
        let delimiter = self.options.array_element_delimiter.as_bytes();
        let written = self.text.get(start..).unwrap_or_default();
        // It would be read as two.
        if memchr::memmem::find(written, delimiter).is_some() {
            let expected = "an array or a row: it holds `csv.array-element-delimiter`".to_owned();
            return Err(EncodeError::Value { column: name.to_owned(), found: shown(written), expected });
        }
        Ok(())
    }

    /// Appends `text`, between quotes where that is needed.
    fn put(&self, name: &str, is_text: bool, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let text = self.text.as_slice();
        let delimiter = self.options.field_delimiter;
        let Some(quote) = self.options.quote_character else {
            let is_special = |byte: &u8| {
                matches!(byte, b'\r' | b'\n') || *byte == delimiter || Some(*byte) == self.options.escape_character
            };
            if text.iter().any(is_special) {
                let expected = "a field without quotes: set `csv.quote-character`".to_owned();
                return Err(EncodeError::Value { column: name.to_owned(), found: shown(text), expected });
            }
            out.extend_from_slice(text);
            return Ok(());
        };
        // Jackson's quick look: what is not above all special characters may be one of them.
        let last_special = delimiter.max(quote).max(self.options.escape_character.unwrap_or_default()).max(b'\r');
        let is_quoted = is_text && (text.len() > UNQUOTED_BYTES_MAX || text.iter().any(|byte| *byte <= last_special));
        // A number is not looked at; but it may hold a strange delimiter.
        if !is_quoted && !text.contains(&delimiter) && !text.contains(&quote) {
            out.extend_from_slice(text);
            return Ok(());
        }
        out.push(quote);
        for &byte in text {
            if byte == quote {
                out.push(quote);
            } else if Some(byte) == self.options.escape_character {
                out.push(byte);
            }
            out.push(byte);
        }
        out.push(quote);
        Ok(())
    }
}

const fn is_number(leaf: Leaf) -> bool {
    !matches!(leaf, Leaf::Text | Leaf::Bytes | Leaf::Date | Leaf::Time { .. } | Leaf::Timestamp { .. })
}

/// Appends a value that is not NULL.
fn one(
    leaf: Leaf,
    style: Style,
    name: &str,
    array: &dyn Array,
    row: usize,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let value: Scalar<'_> = row::scalar(array, row).ok_or_else(|| EncodeError::Columns { reason: name.to_owned() })?;
    if row::write(leaf, value, style, out) { Ok(()) } else { Err(EncodeError::Date { column: name.to_owned() }) }
}

impl Csv {
    fn line(&mut self, columns: &[ArrayRef], row: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let fields = Arc::clone(&self.fields);
        let delimiter = self.options.array_element_delimiter.clone();
        for (index, (field, column)) in fields.iter().zip(columns).enumerate() {
            if index > 0 {
                out.push(self.options.field_delimiter);
            }
            if column.is_null(row) {
                out.extend_from_slice(self.options.null_literal.as_deref().unwrap_or_default().as_bytes());
                continue;
            }
            self.text.clear();
            let separate = |at: usize, text: &mut Vec<u8>| {
                text.extend_from_slice(if at > 0 { delimiter.as_bytes() } else { b"" });
            };
            match &field.shape {
                Shape::Leaf(leaf) => one(*leaf, self.style, &field.name, column, row, &mut self.text)?,
                Shape::Array(leaf, _) => {
                    let elements = column.as_list::<i32>().value(row);
                    for at in 0..elements.len() {
                        separate(at, &mut self.text);
                        self.inner(*leaf, &field.name, &elements, at)?;
                    }
                }
                Shape::Row(leaves) => {
                    for (at, (inner, (leaf, _))) in column.as_struct().columns().iter().zip(leaves).enumerate() {
                        separate(at, &mut self.text);
                        self.inner(*leaf, &field.name, inner, row)?;
                    }
                }
            }
            let is_text = !matches!(&field.shape, Shape::Leaf(leaf) if is_number(*leaf));
            self.put(&field.name, is_text, out)?;
        }
        Ok(())
    }
}

impl Encoder for Csv {
    fn encode(&mut self, columns: &[ArrayRef], row: usize, out: &mut Vec<u8>) -> Result<Encoded, EncodeError> {
        row::check(&self.types, columns, row)?;
        let start = out.len();
        let written = self.line(columns, row, out);
        if written.is_err() {
            out.truncate(start);
        }
        written.map(|()| Encoded::Bytes)
    }
}
