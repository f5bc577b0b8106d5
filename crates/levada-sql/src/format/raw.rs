//! Raw: one column, whose value is the record's bytes.
//!
//! As Flink's format `raw` reads and writes it: text is UTF-8, numbers have their size in bytes, a boolean is one byte
//! that is not 0. A record that is absent is NULL, and NULL is written as an absent record. Text that is not UTF-8 is
//! an error.
//!
//! Source: Flink 2.x, `RawFormatDeserializationSchema`.

use super::column::{Column, Scalar};
use super::error::{DecodeError, EncodeError, FormatError, Problem};
use super::gather::{Gather, OnError, Reader};
use super::leaf::Leaf;
use super::{Columns, Decoded, Decoder, Encoded, Encoder, row};
use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Fields};

pub(super) const NAME: &str = "raw";

/// Flink's options of `raw`; its charset is UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RawOptions {
    /// In which order the bytes of a number come.
    pub endianness: Endianness,
}

/// In which order the bytes of a number come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Endianness {
    /// The most significant first.
    #[default]
    Big,
    /// The least significant first.
    Little,
}

pub(super) fn decoder(options: RawOptions, columns: &Columns) -> Result<Box<dyn Decoder>, FormatError> {
    let (leaf, is_nullable) = column(&columns.fields)?;
    Ok(Box::new(Gather::new(Raw { leaf, is_nullable, endianness: options.endianness }, OnError::Fail, columns)?))
}

pub(super) fn encoder(options: RawOptions, fields: &Fields) -> Result<Box<dyn Encoder>, FormatError> {
    let (leaf, is_nullable) = column(fields)?;
    let types = fields.iter().map(|field| field.data_type().clone()).collect();
    Ok(Box::new(Writer { raw: Raw { leaf, is_nullable, endianness: options.endianness }, types }))
}

/// The one column's type, and whether it may be NULL.
fn column(fields: &Fields) -> Result<(Leaf, bool), FormatError> {
    let [field] = fields.as_ref() else {
        return Err(FormatError::OneColumn { format: NAME, count: fields.len() });
    };
    let item = row::item(field)?;
    match Leaf::of(&item.value) {
        Some(
            leaf @ (Leaf::Boolean
            | Leaf::I8
            | Leaf::I16
            | Leaf::I32
            | Leaf::I64
            | Leaf::F32
            | Leaf::F64
            | Leaf::Text
            | Leaf::Bytes),
        ) => Ok((leaf, item.is_nullable)),
        _ => Err(FormatError::ColumnType {
            format: NAME,
            column: field.name().clone(),
            found: item.value.to_string(),
            reason: "it has text, bytes, a boolean, an integer or a floating point number; declare BYTES and cast",
        }),
    }
}

struct Raw {
    leaf: Leaf,
    is_nullable: bool,
    endianness: Endianness,
}

impl Raw {
    fn scalar<'a>(&self, bytes: &'a [u8]) -> Option<Scalar<'a>> {
        let is_big = self.endianness == Endianness::Big;
        Some(match self.leaf {
            Leaf::Bytes => Scalar::Bytes(bytes),
            Leaf::Text => Scalar::Bytes(simdutf8::basic::from_utf8(bytes).ok()?.as_bytes()),
            Leaf::Boolean => Scalar::Boolean(<[u8; 1]>::try_from(bytes).ok()? != [0]),
            Leaf::I8 => Scalar::I8(i8::from_be_bytes(bytes.try_into().ok()?)),
            Leaf::I16 => {
                let bytes = bytes.try_into().ok()?;
                Scalar::I16(if is_big { i16::from_be_bytes(bytes) } else { i16::from_le_bytes(bytes) })
            }
            Leaf::I32 => {
                let bytes = bytes.try_into().ok()?;
                Scalar::I32(if is_big { i32::from_be_bytes(bytes) } else { i32::from_le_bytes(bytes) })
            }
            Leaf::I64 => {
                let bytes = bytes.try_into().ok()?;
                Scalar::I64(if is_big { i64::from_be_bytes(bytes) } else { i64::from_le_bytes(bytes) })
            }
            Leaf::F32 => {
                let bytes = bytes.try_into().ok()?;
                Scalar::F32(if is_big { f32::from_be_bytes(bytes) } else { f32::from_le_bytes(bytes) })
            }
            Leaf::F64 => {
                let bytes = bytes.try_into().ok()?;
                Scalar::F64(if is_big { f64::from_be_bytes(bytes) } else { f64::from_le_bytes(bytes) })
            }
            Leaf::Decimal { .. } | Leaf::Date | Leaf::Time { .. } | Leaf::Timestamp { .. } => return None,
        })
    }

    fn put<const N: usize>(&self, mut big_endian: [u8; N], out: &mut Vec<u8>) {
        if self.endianness == Endianness::Little {
            big_endian.reverse();
        }
        out.extend_from_slice(&big_endian);
    }
}

impl Reader for Raw {
    fn read(&mut self, bytes: Option<&[u8]>, columns: &mut [Column], _row: usize) -> Result<Decoded, Box<DecodeError>> {
        let scalar = match bytes {
            None if !self.is_nullable => return Err(Box::new(DecodeError::new(Problem::Null))),
            None => Scalar::Null,
            Some(bytes) => {
                let mismatch = || Box::new(DecodeError::new(Problem::mismatch(bytes, self.leaf)));
                self.scalar(bytes).ok_or_else(mismatch)?
            }
        };
        for column in columns {
            column.push(scalar).map_err(|problem| Box::new(DecodeError::new(problem)))?;
        }
        Ok(Decoded::Row)
    }
}

struct Writer {
    raw: Raw,
    types: Vec<DataType>,
}

impl Encoder for Writer {
    fn encode(&mut self, columns: &[ArrayRef], row: usize, out: &mut Vec<u8>) -> Result<Encoded, EncodeError> {
        row::check(&self.types, columns, row)?;
        let scalar = columns.first().and_then(|column| row::scalar(column, row));
        match scalar {
            None => return Err(EncodeError::Columns { reason: "no column".to_owned() }),
            Some(Scalar::Null) => return Ok(Encoded::Absent),
            Some(Scalar::Boolean(value)) => out.push(u8::from(value)),
            Some(Scalar::I8(value)) => self.raw.put(value.to_be_bytes(), out),
            Some(Scalar::I16(value)) => self.raw.put(value.to_be_bytes(), out),
            Some(Scalar::I32(value)) => self.raw.put(value.to_be_bytes(), out),
            Some(Scalar::I64(value)) => self.raw.put(value.to_be_bytes(), out),
            Some(Scalar::I128(value)) => self.raw.put(value.to_be_bytes(), out),
            Some(Scalar::F32(value)) => self.raw.put(value.to_be_bytes(), out),
            Some(Scalar::F64(value)) => self.raw.put(value.to_be_bytes(), out),
            Some(Scalar::Bytes(bytes)) => out.extend_from_slice(bytes),
        }
        Ok(Encoded::Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Type;

    fn fields(of: &Type) -> Fields {
        Fields::from(vec![of.clone().nullable().field("v")])
    }

    /// The bytes after they were decoded and encoded again; an error as its text.
    fn round_trip(of: &Type, endianness: Endianness, bytes: Option<&[u8]>) -> Result<Option<Vec<u8>>, String> {
        let columns = Columns { fields: fields(of), wanted: vec![0] };
        let mut decoder = decoder(RawOptions { endianness }, &columns).unwrap();
        decoder.decode(bytes).map_err(|error| error.to_string())?;
        let mut out = Vec::new();
        let mut encoder = encoder(RawOptions { endianness: Endianness::Big }, &columns.fields).unwrap();
        let encoded = encoder.encode(&decoder.finish().unwrap(), 0, &mut out).unwrap();
        Ok((encoded == Encoded::Bytes).then_some(out))
    }

    #[test]
    fn bytes_are_values_and_back() {
        for (of, bytes) in [
            (Type::Bytes, b"\xff\0".as_slice()),
            (Type::String, "é".as_bytes()),
            (Type::String, b""),
            (Type::Boolean, &[1]),
            (Type::TinyInt, &[0x80]),
            (Type::SmallInt, &[1, 2]),
            (Type::Int, &[1, 2, 3, 4]),
            (Type::BigInt, &[1, 2, 3, 4, 5, 6, 7, 8]),
            (Type::Float, &[0x3f, 0x80, 0, 0]),
            (Type::Double, &[0x3f, 0xf0, 0, 0, 0, 0, 0, 0]),
        ] {
            assert_eq!(round_trip(&of, Endianness::Big, Some(bytes)), Ok(Some(bytes.to_vec())), "{of}");
            assert_eq!(round_trip(&of, Endianness::Big, None), Ok(None), "{of}");
        }
        assert_eq!(round_trip(&Type::Int, Endianness::Little, Some(&[1, 2, 3, 4])), Ok(Some(vec![4, 3, 2, 1])));
    }

    #[test]
    fn bytes_of_another_size_and_text_that_is_none_are_refused() {
        assert_eq!(round_trip(&Type::Int, Endianness::Big, Some(b"abc")), Err("`abc` is no INT".to_owned()));
        assert!(round_trip(&Type::String, Endianness::Big, Some(b"\xff")).is_err());
    }

    #[test]
    fn columns_that_raw_cannot_hold_are_refused() {
        let refused = |fields: Fields| encoder(RawOptions::default(), &fields).err().unwrap().to_string();
        assert!(refused(fields(&Type::Date)).contains("declare BYTES and cast"));
        assert_eq!(refused(Fields::empty()), "`raw` holds exactly one column, not 0");
    }
}
