//! [`Leaf`]: a type without types in it, and how text becomes a value of it.

use super::clock::{self, NANOS_OF_SECOND, Seconds, TimestampFormat};
use super::column::Scalar;
use super::number::{self, Rounding};
use crate::types::{TIME_PRECISION_MAX, Type};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::fmt;

/// Base64 as Jackson reads it: bits that the last character has beyond the bytes do not matter.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// A type without types in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaf {
    Boolean,
    I8,
    I16,
    I32,
    I64,
    F32,
    F64,
    Decimal { precision: u8, scale: u8 },
    Text,
    Bytes,
    Date,
    Time { precision: u8 },
    Timestamp { precision: u8, is_moment: bool },
}

impl Leaf {
    /// The leaf of a type; `None`: it has types in it.
    pub(super) fn of(of: &Type) -> Option<Self> {
        Some(match of {
            Type::Boolean => Self::Boolean,
            Type::TinyInt => Self::I8,
            Type::SmallInt => Self::I16,
            Type::Int => Self::I32,
            Type::BigInt => Self::I64,
            Type::Float => Self::F32,
            Type::Double => Self::F64,
            &Type::Decimal { precision, scale } => Self::Decimal { precision, scale },
            Type::Char(_) | Type::Varchar(_) | Type::String => Self::Text,
            Type::Binary(_) | Type::Varbinary(_) | Type::Bytes => Self::Bytes,
            Type::Date => Self::Date,
            &Type::Time(precision) => Self::Time { precision },
            &Type::Timestamp(precision) => Self::Timestamp { precision, is_moment: false },
            &Type::TimestampLtz(precision) => Self::Timestamp { precision, is_moment: true },
            Type::Array(_) | Type::Map(..) | Type::Row(_) => return None,
        })
    }

    /// Whether text becomes a value without the blanks around it, as far as Flink's JSON and CSV agree.
    const fn is_trimmed(self) -> bool {
        matches!(
            self,
            Self::Boolean | Self::I8 | Self::I16 | Self::I32 | Self::I64 | Self::F32 | Self::F64 | Self::Decimal { .. }
        )
    }

    /// The value that `text` stands for, `None`: it stands for none. Bytes are base64, and are put into `scratch`.
    pub(super) fn read<'a>(
        self,
        text: &'a [u8],
        format: TimestampFormat,
        scratch: &'a mut Vec<u8>,
    ) -> Option<Scalar<'a>> {
        let text = if self.is_trimmed() { trimmed(text) } else { text };
        Some(match self {
            Self::Text => Scalar::Bytes(text),
            Self::Boolean => Scalar::Boolean(text.eq_ignore_ascii_case(b"true")),
            Self::I8 | Self::I16 | Self::I32 | Self::I64 => self.integer(number::parse_i64(text)?)?,
            Self::F32 => Scalar::F32(number::parse_float(text)?),
            Self::F64 => Scalar::F64(number::parse_float(text)?),
            Self::Decimal { precision, scale } => self.decimal(text, precision, scale)?,
            Self::Bytes => {
                scratch.clear();
                let packed: Vec<u8> = text.iter().copied().filter(|byte| *byte > b' ').collect();
                BASE64.decode_vec(packed, scratch).ok()?;
                Scalar::Bytes(scratch)
            }
            Self::Date => Scalar::I32(i32::try_from(clock::parse_date(text)?).ok()?),
            Self::Time { .. } => self.time(clock::parse_time(text, Seconds::Required)?)?,
            Self::Timestamp { is_moment, .. } => {
                let (days, nanos) = clock::parse_timestamp(text, format, is_moment)?;
                self.timestamp(days, nanos)?
            }
        })
    }

    /// A decimal that is too large for its type is NULL, as in Flink.
    pub(super) fn decimal(self, text: &[u8], precision: u8, scale: u8) -> Option<Scalar<'static>> {
        let value = number::parse_decimal(text, precision, scale, Rounding::HalfUp)?;
        Some(value.map_or(Scalar::Null, Scalar::I128))
    }

    /// An integer, if it fits.
    #[inline]
    pub(super) fn integer(self, value: i64) -> Option<Scalar<'static>> {
        match self {
            Self::I64 => Some(Scalar::I64(value)),
            Self::I32 => i32::try_from(value).ok().map(Scalar::I32),
            Self::I16 => i16::try_from(value).ok().map(Scalar::I16),
            Self::I8 => i8::try_from(value).ok().map(Scalar::I8),
            _ => None,
        }
    }

    /// A time of day, cut off at the type's precision.
    pub(super) fn time(self, nanos: i64) -> Option<Scalar<'static>> {
        let Self::Time { precision } = self else { return None };
        let nanos = cut(nanos, precision);
        match units_of_second(precision) {
            1_000 => i32::try_from(nanos / 1_000_000).ok().map(Scalar::I32),
            units => Some(Scalar::I64(nanos / (NANOS_OF_SECOND / units))),
        }
    }

    /// A timestamp, cut off at the type's precision; `None`: it is beyond what the type can hold.
    pub(super) fn timestamp(self, days: i64, nanos: i64) -> Option<Scalar<'static>> {
        let Self::Timestamp { precision, .. } = self else { return None };
        clock::units(days, cut(nanos, precision), units_of_second(precision)).map(Scalar::I64)
    }
}

/// Cuts a fraction off at so many digits.
fn cut(nanos: i64, precision: u8) -> i64 {
    let step = 10_i64.pow(u32::from(TIME_PRECISION_MAX.saturating_sub(precision)));
    nanos - nanos % step
}

/// How many units a second has in the type of that precision.
pub(super) const fn units_of_second(precision: u8) -> i64 {
    match precision {
        0..=3 => 1_000,
        4..=6 => 1_000_000,
        _ => NANOS_OF_SECOND,
    }
}

/// As Java's `String.trim` does it.
pub(super) fn trimmed(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| *byte > b' ').unwrap_or(text.len());
    let end = text.iter().rposition(|byte| *byte > b' ').map_or(start, |last| last + 1);
    &text[start..end]
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = match *self {
            Self::Boolean => Type::Boolean,
            Self::I8 => Type::TinyInt,
            Self::I16 => Type::SmallInt,
            Self::I32 => Type::Int,
            Self::I64 => Type::BigInt,
            Self::F32 => Type::Float,
            Self::F64 => Type::Double,
            Self::Decimal { precision, scale } => Type::Decimal { precision, scale },
            Self::Text => Type::String,
            Self::Bytes => Type::Bytes,
            Self::Date => Type::Date,
            Self::Time { precision } => Type::Time(precision),
            Self::Timestamp { precision, is_moment: false } => Type::Timestamp(precision),
            Self::Timestamp { precision, is_moment: true } => Type::TimestampLtz(precision),
        };
        of.fmt(f)
    }
}
