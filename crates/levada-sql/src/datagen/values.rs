//! [`Values`]: the values of one column, by the numbers of their rows.

use datafusion::arrow::{
    array::{
        Array as _, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
        StringArray, TimestampMillisecondArray,
    },
    compute::{CastOptions, cast_with_options, nullif},
    datatypes::DataType,
    error::ArrowError,
};
use levada_model::{Offset, Timestamp};
use std::{ops::Range, sync::Arc};
use twox_hash::XxHash3_64;

/// How a value comes about.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Rule {
    /// One more with each row.
    Sequence {
        start: i64,
    },
    Boolean,
    Whole {
        min: i64,
        max: i64,
    },
    Real {
        min: f64,
        max: f64,
    },
    /// Of so many units of the last digit.
    Decimal {
        min: i128,
        max: i128,
        precision: u8,
        scale: u8,
    },
    /// Hexadecimal digits.
    Text {
        length: usize,
        varies: bool,
    },
    Bytes {
        length: usize,
        varies: bool,
    },
    /// At most so long before the row comes.
    Past {
        max_ms: i64,
    },
    Today,
}

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Values {
    /// What the column's name comes to: columns differ by it.
    seed: u64,
    rule: Rule,
    null_rate: f64,
}

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;
/// Which of a row's random numbers says whether its value is NULL, and how long it is.
const OF_NULL: u64 = u64::MAX;
const OF_LENGTH: u64 = u64::MAX - 1;

impl Values {
    pub(super) fn new(name: &str, rule: Rule, null_rate: f64) -> Self {
        Self { seed: XxHash3_64::oneshot(name.as_bytes()), rule, null_rate }
    }

    /// Bytes of a value, at most about.
    pub(super) const fn size(&self) -> usize {
        match self.rule {
            Rule::Text { length, .. } | Rule::Bytes { length, .. } => length + 4,
            _ => 16,
        }
    }

    /// The `part`-th random number of a row.
    fn random(&self, row: Offset, part: u64) -> u64 {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&row.to_le_bytes());
        bytes[8..].copy_from_slice(&part.to_le_bytes());
        XxHash3_64::oneshot_with_seed(self.seed, &bytes)
    }

    /// From 0 on and below 1.
    fn fraction(&self, row: Offset, part: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
        let fraction = (self.random(row, part) >> 11) as f64 / (1_u64 << 53) as f64;
        fraction
    }

    /// Below `end`, which is more than 0 and at most 2^64.
    fn below(&self, row: Offset, part: u64, end: u128) -> u64 {
        let below = (u128::from(self.random(row, part)) * end) >> 64;
        u64::try_from(below).unwrap_or(u64::MAX)
    }

    fn whole(&self, row: Offset, min: i64, max: i64) -> i64 {
        let end = u128::from(max.abs_diff(min)) + 1;
        min.wrapping_add_unsigned(self.below(row, 0, end))
    }

    fn decimal(&self, row: Offset, min: i128, max: i128) -> i128 {
        let end = max.abs_diff(min) + 1;
        let random = (u128::from(self.random(row, 0)) << 64) | u128::from(self.random(row, 1));
        min.wrapping_add_unsigned(random % end)
    }

    fn length(&self, row: Offset, length: usize, varies: bool) -> usize {
        if !varies {
            return length;
        }
        let end = u128::try_from(length).unwrap_or(1);
        usize::try_from(self.below(row, OF_LENGTH, end)).unwrap_or(0) + 1
    }

    fn bytes(&self, row: Offset, length: usize) -> Vec<u8> {
        let parts = (0_u64..).flat_map(|part| self.random(row, part).to_le_bytes());
        parts.take(length).collect()
    }

    fn text(&self, row: Offset, length: usize) -> String {
        let mut text = String::with_capacity(length + 1);
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
        for byte in self.bytes(row, length.div_ceil(2)) {
            text.extend([digit(byte >> 4), digit(byte & 15)]);
        }
        text.truncate(length);
        text
    }

    /// The values of these rows, which come at `now_ms`.
    pub(super) fn array(&self, rows: Range<Offset>, now_ms: Timestamp, of: &DataType) -> Result<ArrayRef, ArrowError> {
        let each = rows.clone();
        let array: ArrayRef = match self.rule {
            Rule::Sequence { start } => Arc::new(Int64Array::from_iter_values(each.map(|row| start.wrapping_add(row)))),
            Rule::Boolean => Arc::new(BooleanArray::from_iter(each.map(|row| Some(self.random(row, 0) >> 63 == 1)))),
            Rule::Whole { min, max } => {
                Arc::new(Int64Array::from_iter_values(each.map(|row| self.whole(row, min, max))))
            }
            Rule::Real { min, max } => {
                let real = |row| {
                    let at = self.fraction(row, 0);
                    (min * (1.0 - at) + max * at).clamp(min, max)
                };
                Arc::new(Float64Array::from_iter_values(each.map(real)))
            }
            Rule::Decimal { min, max, precision, scale } => {
                let decimals = Decimal128Array::from_iter_values(each.map(|row| self.decimal(row, min, max)));
                Arc::new(decimals.with_precision_and_scale(precision, i8::try_from(scale).unwrap_or(0))?)
            }
            Rule::Text { length, varies } => {
                let text = |row| self.text(row, self.length(row, length, varies));
                Arc::new(StringArray::from_iter_values(each.map(text)))
            }
            Rule::Bytes { length, varies } => {
                let bytes = |row| self.bytes(row, self.length(row, length, varies));
                Arc::new(BinaryArray::from_iter_values(each.map(bytes)))
            }
            Rule::Past { max_ms } => {
                let past = each.map(|row| now_ms.saturating_sub(self.whole(row, 0, max_ms)));
                let times = TimestampMillisecondArray::from_iter_values(past);
                match of {
                    DataType::Timestamp(_, Some(zone)) => Arc::new(times.with_timezone(Arc::clone(zone))),
                    _ => Arc::new(times),
                }
            }
            Rule::Today => {
                let day = i32::try_from(now_ms.div_euclid(DAY_MS)).unwrap_or(i32::MAX);
                Arc::new(Date32Array::from_iter_values(each.map(|_| day)))
            }
        };
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        let array = if array.data_type() == of { array } else { cast_with_options(&array, of, &strict)? };
        if self.null_rate == 0.0 {
            return Ok(array);
        }
        let is_null = |row| Some(self.fraction(row, OF_NULL) < self.null_rate);
        nullif(&array, &BooleanArray::from_iter(rows.map(is_null)))
    }
}
