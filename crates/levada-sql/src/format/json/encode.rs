//! Rows as JSON.

use super::{JsonOptions, Shape, items, shape, tree};
use crate::format::column::Scalar;
use crate::format::error::{EncodeError, FormatError};
use crate::format::leaf::Leaf;
use crate::format::number::Notation;
use crate::format::row::{self, Style};
use crate::format::{Encoded, Encoder};
use crate::types::Item;
use arrow::array::{Array, ArrayRef, AsArray as _};
use arrow::datatypes::{DataType, Fields};

/// Writes rows as objects.
pub(super) struct Json {
    types: Vec<DataType>,
    members: Vec<Member>,
    manner: Manner,
}

/// How all values are written.
struct Manner {
    style: Style,
    ignores_nulls: bool,
}

struct Member {
    name: String,
    /// The name as it is written, with quotes and a colon.
    key: Vec<u8>,
    value: Value,
}

enum Value {
    Leaf(Leaf),
    Array(Box<Value>),
    Map(Box<Value>),
    Row(Vec<Member>),
}

impl Json {
    pub(super) fn new(options: &JsonOptions, fields: &Fields) -> Result<Self, FormatError> {
        let items = items(fields)?;
        let decimals = match options.encode_decimal_as_plain_number {
            true => Notation::Plain,
            false => Notation::Scientific,
        };
        Ok(Self {
            types: fields.iter().map(|field| field.data_type().clone()).collect(),
            members: members(&items)?,
            manner: Manner {
                style: Style { timestamp_format: options.timestamp_format, decimals },
                ignores_nulls: options.encode_ignore_null_fields,
            },
        })
    }
}

fn members(items: &[(String, Item)]) -> Result<Vec<Member>, FormatError> {
    let member = |(name, item): &(String, Item)| {
        let mut key = Vec::new();
        write_string(name.as_bytes(), &mut key);
        key.push(b':');
        Ok(Member { name: name.clone(), key, value: value(item, name)? })
    };
    items.iter().map(member).collect()
}

fn value(item: &Item, column: &str) -> Result<Value, FormatError> {
    Ok(match shape(&item.value, column)? {
        Shape::Leaf(leaf) => Value::Leaf(leaf),
        Shape::Array(element) => Value::Array(Box::new(value(element, column)?)),
        Shape::Map(inner) => Value::Map(Box::new(value(inner, column)?)),
        Shape::Row(fields) => Value::Row(members(fields)?),
    })
}

impl Encoder for Json {
    fn encode(&mut self, columns: &[ArrayRef], row: usize, out: &mut Vec<u8>) -> Result<Encoded, EncodeError> {
        row::check(&self.types, columns, row)?;
        let start = out.len();
        let written = self.manner.object(&self.members, columns, row, out);
        if written.is_err() {
            out.truncate(start);
        }
        written.map(|()| Encoded::Bytes)
    }
}

impl Manner {
    fn object(
        &self,
        members: &[Member],
        columns: &[ArrayRef],
        row: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        out.push(b'{');
        let mut is_first = true;
        for (member, column) in members.iter().zip(columns) {
            if self.ignores_nulls && column.is_null(row) {
                continue;
            }
            if !std::mem::take(&mut is_first) {
                out.push(b',');
            }
            out.extend_from_slice(&member.key);
            self.value(&member.value, column, row, &member.name, out)?;
        }
        out.push(b'}');
        Ok(())
    }

    fn value(
        &self,
        of: &Value,
        array: &dyn Array,
        row: usize,
        column: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        if array.is_null(row) {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        match of {
            Value::Leaf(leaf) => self.leaf(*leaf, array, row, column, out),
            Value::Row(members) => self.object(members, array.as_struct().columns(), row, out),
            Value::Array(of) => {
                let element = array.as_list::<i32>().value(row);
                out.push(b'[');
                for index in 0..element.len() {
                    if index > 0 {
                        out.push(b',');
                    }
                    self.value(of, &element, index, column, out)?;
                }
                out.push(b']');
                Ok(())
            }
            Value::Map(of) => {
                let entries = array.as_map().value(row);
                let (keys, values) = (entries.column(0), entries.column(1));
                out.push(b'{');
                for index in 0..entries.len() {
                    // Arrow's maps have no key that is NULL.
                    let Some(Scalar::Bytes(key)) = row::scalar(keys, index) else {
                        return Err(EncodeError::Columns { reason: format!("`{column}` has keys that are no text") });
                    };
                    if index > 0 {
                        out.push(b',');
                    }
                    write_string(key, out);
                    out.push(b':');
                    self.value(of, values, index, column, out)?;
                }
                out.push(b'}');
                Ok(())
            }
        }
    }

    fn leaf(
        &self,
        leaf: Leaf,
        array: &dyn Array,
        row: usize,
        column: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let is_quoted = matches!(leaf, Leaf::Bytes | Leaf::Date | Leaf::Time { .. } | Leaf::Timestamp { .. });
        let value = row::scalar(array, row).ok_or_else(|| EncodeError::Columns { reason: column.to_owned() })?;
        match value {
            Scalar::Bytes(text) if leaf == Leaf::Text => write_string(text, out),
            Scalar::F64(value) => tree::write_double(value, out),
            Scalar::F32(value) if !value.is_finite() => tree::write_double(f64::from(value), out),
            _ => {
                if is_quoted {
                    out.push(b'"');
                }
                if !row::write(leaf, value, self.style, out) {
                    return Err(EncodeError::Date { column: column.to_owned() });
                }
                if is_quoted {
                    out.push(b'"');
                }
            }
        }
        Ok(())
    }
}

/// Appends text in quotes, escaped as Jackson does it.
pub(super) fn write_string(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((&byte, behind)) = special.split_first() else { break };
        let short = match byte {
            b'"' | b'\\' => byte,
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x8 => b'b',
            0xc => b'f',
            _ => 0,
        };
        if short == 0 {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 0xf));
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', HEX[high], HEX[low]]);
        } else {
            out.extend_from_slice(&[b'\\', short]);
        }
        rest = behind;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}
