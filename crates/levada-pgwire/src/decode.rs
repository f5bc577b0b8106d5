//! Values of parameters as clients send them.

use crate::{
    calendar::{DAYS_TO_2000, MICROS_OF_DAY, MICROS_TO_2000, date, time, timestamp},
    numeric::Decimal,
    out::Format,
    problem::Problem,
};
use levada_sql::{Value, pg_catalog::oid, types::Type};

/// Digits that a decimal of nobody knows which has.
const DECIMAL: Type = Type::Decimal { precision: 38, scale: 18 };

/// Whether a client says nothing of a parameter by that.
pub(crate) const fn is_unknown(oid: u32) -> bool {
    matches!(oid, 0 | oid::UNKNOWN)
}

/// The type that a client gives a parameter; none where it gives none.
pub(crate) fn type_of(oid: u32, number: usize) -> Result<Option<Type>, Problem> {
    Ok(Some(match oid {
        unknown if is_unknown(unknown) => return Ok(None),
        oid::BOOL => Type::Boolean,
        oid::INT2 => Type::SmallInt,
        oid::INT4 => Type::Int,
        oid::INT8 | oid::OID => Type::BigInt,
        oid::FLOAT4 => Type::Float,
        oid::FLOAT8 => Type::Double,
        oid::NUMERIC => DECIMAL,
        // Among them json, jsonb and uuid, which are text here.
        18 | oid::NAME | oid::TEXT | oid::BPCHAR | oid::VARCHAR | oid::JSON | 2950 | 3802 => Type::String,
        oid::BYTEA => Type::Bytes,
        oid::DATE => Type::Date,
        oid::TIME => Type::Time(6),
        oid::TIMESTAMP => Type::Timestamp(6),
        oid::TIMESTAMPTZ => Type::TimestampLtz(6),
        other => {
            let problem = Problem::new("0A000", format!("the type {other} of ${number} is not supported"));
            return Err(problem.with_hint("give the value as text, and CAST it"));
        }
    }))
}

/// A value of that type.
pub(crate) fn value(
    bytes: Option<&[u8]>,
    of: &Type,
    oid: u32,
    format: Format,
    number: usize,
) -> Result<Value, Problem> {
    let Some(bytes) = bytes else { return Ok(Value::Null(of.clone())) };
    let read = match format {
        Format::Text => std::str::from_utf8(bytes).ok().and_then(|text| of_text(text, of)),
        Format::Binary => of_binary(bytes, of, oid),
    };
    read.ok_or_else(|| {
        let shown = String::from_utf8_lossy(bytes.get(..40).unwrap_or(bytes)).into_owned();
        let code = if format == Format::Text { "22P02" } else { "22P03" };
        Problem::new(code, format!("the value of ${number} is no {of}: `{}`", shown.escape_default()))
    })
}

fn of_text(text: &str, of: &Type) -> Option<Value> {
    let trimmed = text.trim();
    Some(match of {
        Type::Boolean => Value::Boolean(match trimmed.to_ascii_lowercase().as_str() {
            "t" | "true" | "y" | "yes" | "on" | "1" => true,
            "f" | "false" | "n" | "no" | "off" | "0" => false,
            _ => return None,
        }),
        Type::TinyInt | Type::SmallInt => Value::SmallInt(trimmed.parse().ok()?),
        Type::Int => Value::Int(trimmed.parse().ok()?),
        Type::BigInt => Value::BigInt(trimmed.parse().ok()?),
        Type::Float => Value::Float(trimmed.parse().ok()?),
        Type::Double => Value::Double(trimmed.parse().ok()?),
        Type::Decimal { .. } => decimal(Decimal::of_text(trimmed)?),
        Type::Char(_) | Type::Varchar(_) | Type::String => Value::Text(text.to_owned()),
        Type::Binary(_) | Type::Varbinary(_) | Type::Bytes => Value::Bytes(bytes(text)?),
        Type::Date => Value::Date(date(trimmed)?),
        Type::Time(_) => Value::Time(time(trimmed)?),
        Type::Timestamp(_) => Value::Timestamp(timestamp(trimmed, false)?),
        Type::TimestampLtz(_) => Value::TimestampLtz(timestamp(trimmed, true)?),
        Type::Array(_) | Type::Map(..) | Type::Row(_) => return None,
    })
}

fn decimal(decimal: Decimal) -> Value {
    Value::Decimal { unscaled: decimal.unscaled, precision: decimal.precision(), scale: decimal.scale }
}

/// Bytes in hexadecimal behind `\x`, or as PostgreSQL wrote them before: `\` and three octal digits, or two `\`.
fn bytes(text: &str) -> Option<Vec<u8>> {
    if let Some(digits) = text.strip_prefix("\\x") {
        let pairs = digits.as_bytes().chunks(2);
        let byte = |pair: &[u8]| match pair {
            [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
            _ => None,
        };
        return pairs.map(byte).collect();
    }
    let mut rest = text.as_bytes();
    let mut out = Vec::with_capacity(rest.len());
    while let Some((first, behind)) = rest.split_first() {
        rest = match (first, behind) {
            (b'\\', [b'\\', behind @ ..]) => {
                out.push(b'\\');
                behind
            }
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', behind @ ..]) => {
                out.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                behind
            }
            (b'\\', _) => return None,
            (byte, behind) => {
                out.push(*byte);
                behind
            }
        };
    }
    Some(out)
}

fn digit(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(16)
}

fn of_binary(bytes: &[u8], of: &Type, oid: u32) -> Option<Value> {
    let whole = || -> Option<i64> {
        Some(match bytes.len() {
            2 => i64::from(i16::from_be_bytes(bytes.try_into().ok()?)),
            4 if oid == oid::OID => i64::from(u32::from_be_bytes(bytes.try_into().ok()?)),
            4 => i64::from(i32::from_be_bytes(bytes.try_into().ok()?)),
            8 => i64::from_be_bytes(bytes.try_into().ok()?),
            _ => return None,
        })
    };
    let eight = || Some(i64::from_be_bytes(bytes.try_into().ok()?));
    Some(match of {
        Type::Boolean => match bytes {
            [0] => Value::Boolean(false),
            [1] => Value::Boolean(true),
            _ => return None,
        },
        Type::TinyInt | Type::SmallInt => Value::SmallInt(i16::try_from(whole()?).ok()?),
        Type::Int => Value::Int(i32::try_from(whole()?).ok()?),
        Type::BigInt => Value::BigInt(whole()?),
        Type::Float => Value::Float(f32::from_be_bytes(bytes.try_into().ok()?)),
        Type::Double => Value::Double(f64::from_be_bytes(bytes.try_into().ok()?)),
        Type::Decimal { .. } => decimal(Decimal::read(bytes)?),
        // What is binary of these is no text.
        Type::Char(_) | Type::Varchar(_) | Type::String if matches!(oid, 2950 | 3802) => return None,
        Type::Char(_) | Type::Varchar(_) | Type::String => Value::Text(std::str::from_utf8(bytes).ok()?.to_owned()),
        Type::Binary(_) | Type::Varbinary(_) | Type::Bytes => Value::Bytes(bytes.to_vec()),
        Type::Date => {
            let days = i32::from_be_bytes(bytes.try_into().ok()?);
            Value::Date(days.checked_add(DAYS_TO_2000)?)
        }
        Type::Time(_) => Value::Time(eight().filter(|micros| (0..MICROS_OF_DAY).contains(micros))?),
        Type::Timestamp(_) => Value::Timestamp(eight()?.checked_add(MICROS_TO_2000)?),
        Type::TimestampLtz(_) => Value::TimestampLtz(eight()?.checked_add(MICROS_TO_2000)?),
        Type::Array(_) | Type::Map(..) | Type::Row(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_their_types() {
        let read = |text: &str, of: Type| value(Some(text.as_bytes()), &of, 0, Format::Text, 1);
        assert_eq!(read(" TRUE ", Type::Boolean).unwrap(), Value::Boolean(true));
        assert_eq!(read("-5", Type::BigInt).unwrap(), Value::BigInt(-5));
        let decimal = Value::Decimal { unscaled: -150, precision: 3, scale: 2 };
        assert_eq!(read("-1.50", DECIMAL).unwrap(), decimal);
        assert_eq!(read("\\x00fF", Type::Bytes).unwrap(), Value::Bytes(vec![0, 255]));
        assert_eq!(read("a\\\\\\001", Type::Bytes).unwrap(), Value::Bytes(vec![b'a', b'\\', 1]));
        assert_eq!(read("1970-01-02", Type::Date).unwrap(), Value::Date(1));
        assert_eq!(read("23:59:59.999999", Type::Time(6)).unwrap(), Value::Time(MICROS_OF_DAY - 1));
        assert_eq!(read("24:00:00", Type::Time(6)).unwrap_err().code, "22P02");
        assert_eq!(read("70000", Type::SmallInt).unwrap_err().code, "22P02");
        assert_eq!(value(None, &Type::Int, 0, Format::Text, 1).unwrap(), Value::Null(Type::Int));
    }

    #[test]
    fn binary_values_are_read_by_their_width() {
        let read = |bytes: &[u8], of: Type, oid| value(Some(bytes), &of, oid, Format::Binary, 1);
        assert_eq!(read(&[0, 5], Type::BigInt, oid::INT2).unwrap(), Value::BigInt(5));
        assert_eq!(read(&[255; 4], Type::BigInt, oid::OID).unwrap(), Value::BigInt(i64::from(u32::MAX)));
        assert_eq!(
            read(&[0; 8], Type::TimestampLtz(6), oid::TIMESTAMPTZ).unwrap(),
            Value::TimestampLtz(MICROS_TO_2000)
        );
        assert_eq!(read(&MICROS_OF_DAY.to_be_bytes(), Type::Time(6), oid::TIME).unwrap_err().code, "22P03");
        assert_eq!(read(&[0; 3], Type::Int, oid::INT4).unwrap_err().code, "22P03");
        assert_eq!(read(&[2], Type::Boolean, oid::BOOL).unwrap_err().code, "22P03");
        assert_eq!(type_of(1007, 3).unwrap_err().code, "0A000");
    }
}
