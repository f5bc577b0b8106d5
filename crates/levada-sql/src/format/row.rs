//! The values of one row of Arrow columns, and how each is written as text.

use super::clock::{self, NANOS_OF_SECOND, TimestampFormat};
use super::column::Scalar;
use super::error::{EncodeError, FormatError};
use super::leaf::{BASE64, Leaf, units_of_second};
use super::number::{self, Notation};
use crate::types::{Item, UnsupportedType};
use arrow::array::{Array, ArrayRef, AsArray as _};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType,
};
use base64::Engine as _;

/// The value of a leaf; `None`: the array is not of that type.
pub(crate) fn scalar(array: &dyn Array, row: usize) -> Option<Scalar<'_>> {
    if array.is_null(row) {
        return Some(Scalar::Null);
    }
    Some(match array.data_type() {
        DataType::Boolean => Scalar::Boolean(array.as_boolean().value(row)),
        DataType::Int8 => Scalar::I8(array.as_primitive::<Int8Type>().value(row)),
        DataType::Int16 => Scalar::I16(array.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => Scalar::I32(array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => Scalar::I64(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float32 => Scalar::F32(array.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => Scalar::F64(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(..) => Scalar::I128(array.as_primitive::<Decimal128Type>().value(row)),
        DataType::Date32 => Scalar::I32(array.as_primitive::<Date32Type>().value(row)),
        DataType::Time32(TimeUnit::Millisecond) => {
            Scalar::I32(array.as_primitive::<Time32MillisecondType>().value(row))
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            Scalar::I64(array.as_primitive::<Time64MicrosecondType>().value(row))
        }
        DataType::Time64(TimeUnit::Nanosecond) => Scalar::I64(array.as_primitive::<Time64NanosecondType>().value(row)),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            Scalar::I64(array.as_primitive::<TimestampMillisecondType>().value(row))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Scalar::I64(array.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            Scalar::I64(array.as_primitive::<TimestampNanosecondType>().value(row))
        }
        DataType::Utf8 => Scalar::Bytes(array.as_string::<i32>().value(row).as_bytes()),
        DataType::LargeUtf8 => Scalar::Bytes(array.as_string::<i64>().value(row).as_bytes()),
        DataType::Utf8View => Scalar::Bytes(array.as_string_view().value(row).as_bytes()),
        DataType::Binary => Scalar::Bytes(array.as_binary::<i32>().value(row)),
        DataType::LargeBinary => Scalar::Bytes(array.as_binary::<i64>().value(row)),
        DataType::BinaryView => Scalar::Bytes(array.as_binary_view().value(row)),
        _ => return None,
    })
}

/// The types of fields that are to be written: those of [`crate::types::Type`], text and bytes in any of Arrow's
/// layouts.
pub(super) fn item(field: &Field) -> Result<Item, FormatError> {
    let item = Item::of(field)?;
    match field.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => {
            Err(UnsupportedType::Unknown { name: field.name().clone(), found: field.data_type().to_string() }.into())
        }
        _ => Ok(item),
    }
}

/// Checks that there is such a row in columns of these types.
pub(super) fn check(types: &[DataType], columns: &[ArrayRef], row: usize) -> Result<(), EncodeError> {
    let differs = |reason: String| Err(EncodeError::Columns { reason });
    if columns.len() != types.len() {
        return differs(format!("{} columns, not {}", columns.len(), types.len()));
    }
    for (column, expected) in columns.iter().zip(types) {
        if column.data_type() != expected {
            return differs(format!("{} is {}", expected, column.data_type()));
        }
        if row >= column.len() {
            return differs(format!("row {row} of {}", column.len()));
        }
    }
    Ok(())
}

/// How leaves are written as text.
#[derive(Clone, Copy)]
pub(super) struct Style {
    pub(super) timestamp_format: TimestampFormat,
    pub(super) decimals: Notation,
}

/// Appends a value as text, without quotes; false: it is a date that cannot be written.
pub(super) fn write(leaf: Leaf, value: Scalar<'_>, style: Style, out: &mut Vec<u8>) -> bool {
    match (leaf, value) {
        (_, Scalar::Null) => {}
        (_, Scalar::Boolean(value)) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        (Leaf::Date, Scalar::I32(days)) => return clock::write_date(i64::from(days), out),
        (Leaf::Time { .. }, Scalar::I32(millis)) => return clock::write_time(i64::from(millis) * 1_000_000, out),
        (Leaf::Time { precision }, Scalar::I64(value)) => {
            let nanos = value.checked_mul(NANOS_OF_SECOND / units_of_second(precision));
            return nanos.is_some_and(|nanos| clock::write_time(nanos, out));
        }
        (Leaf::Timestamp { precision, is_moment }, Scalar::I64(value)) => {
            let split = clock::split(value, units_of_second(precision));
            return clock::write_timestamp(split, style.timestamp_format, is_moment, out);
        }
        (Leaf::Decimal { scale, .. }, Scalar::I128(value)) => {
            number::write_decimal(value, usize::from(scale), style.decimals, out);
        }
        (Leaf::Bytes, Scalar::Bytes(bytes)) => out.extend_from_slice(BASE64.encode(bytes).as_bytes()),
        (_, Scalar::Bytes(text)) => out.extend_from_slice(text),
        (_, Scalar::I8(value)) => write_integer(i64::from(value), out),
        (_, Scalar::I16(value)) => write_integer(i64::from(value), out),
        (_, Scalar::I32(value)) => write_integer(i64::from(value), out),
        (_, Scalar::I64(value)) => write_integer(value, out),
        (_, Scalar::I128(value)) => out.extend_from_slice(value.to_string().as_bytes()),
        (_, Scalar::F32(value)) => number::write_f32(value, out),
        (_, Scalar::F64(value)) => number::write_f64(value, out),
    }
    true
}

fn write_integer(value: i64, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        start -= 1;
        digits[start] = b'0' + u8::try_from(rest % 10).unwrap_or_default();
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[start..]);
}
