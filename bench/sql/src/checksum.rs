//! What a result comes to: how many rows there are in the end, and a sum over their hashes, whatever the order in which
//! they came and went. `clients/java/flink/Results.java` adds up the same.

use anyhow::{Context as _, Result, bail};
use arrow::{
    array::{Array as _, ArrayRef, AsArray as _},
    compute::cast,
    datatypes::{DataType, Decimal128Type, Float32Type, Float64Type, Int64Type, TimeUnit},
};
use levada_sql::changes::Changes;

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;
/// Stands for a value that is not there.
const NULL: u8 = 0;
/// Behind each value.
const END: u8 = 0x1f;

/// The sum so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checksum {
    pub(crate) net_rows: i64,
    pub(crate) sum: u64,
}

impl Checksum {
    /// Adds rows that come, and takes away those that go.
    pub(crate) fn add(&mut self, changes: &Changes) -> Result<()> {
        for (row, text) in texts(changes)?.into_iter().enumerate() {
            let hash = text.iter().fold(FNV_START, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME));
            let weight = changes.weight(row);
            self.net_rows += weight;
            self.sum = self.sum.wrapping_add(mixed(hash).wrapping_mul(weight.cast_unsigned()));
        }
        Ok(())
    }
}

/// The text of each row.
pub(crate) fn texts(changes: &Changes) -> Result<Vec<Vec<u8>>> {
    let mut texts = vec![Vec::new(); changes.len()];
    for column in changes.rows().columns() {
        for (row, to) in texts.iter_mut().enumerate() {
            if column.is_null(row) {
                to.push(NULL)
            } else {
                to.extend(text(column, row)?)
            }
            to.push(END);
        }
    }
    Ok(texts)
}

/// As splitmix64 ends: sums of such numbers tell little about their parts.
const fn mixed(hash: u64) -> u64 {
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A value as text; moments as milliseconds since 1970, decimals without zeros at their end, floating point numbers by
/// their bits.
fn text(column: &ArrayRef, row: usize) -> Result<Vec<u8>> {
    let number = |column: &ArrayRef| column.as_primitive::<Int64Type>().value(row).to_string().into_bytes();
    Ok(match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(row).into(),
        DataType::Boolean => column.as_boolean().value(row).to_string().into(),
        DataType::Int64 => number(column),
        DataType::Int8 | DataType::Int16 | DataType::Int32 => number(&cast(column, &DataType::Int64)?),
        DataType::Float32 => format!("{:08x}", column.as_primitive::<Float32Type>().value(row).to_bits()).into(),
        DataType::Float64 => format!("{:016x}", column.as_primitive::<Float64Type>().value(row).to_bits()).into(),
        DataType::Timestamp(TimeUnit::Millisecond, _) => number(&cast(column, &DataType::Int64)?),
        DataType::Date32 | DataType::Time32(_) => {
            let milliseconds = if let DataType::Time32(TimeUnit::Second) = column.data_type() { 1_000 } else { 1 };
            let of = cast(&cast(column, &DataType::Int32)?, &DataType::Int64)?;
            (milliseconds * of.as_primitive::<Int64Type>().value(row)).to_string().into()
        }
        DataType::Timestamp(_, zone) => {
            let milliseconds = cast(column, &DataType::Timestamp(TimeUnit::Millisecond, zone.clone()))?;
            number(&cast(&milliseconds, &DataType::Int64)?)
        }
        DataType::Decimal128(_, scale) => {
            let scale = usize::try_from(*scale).context("a scale below zero")?;
            decimal(column.as_primitive::<Decimal128Type>().value(row), scale).into()
        }
        other => bail!("no text is agreed on for {other}"),
    })
}

fn decimal(unscaled: i128, scale: usize) -> String {
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    let part = part.trim_end_matches('0');
    let sign = if unscaled < 0 { "-" } else { "" };
    if part.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{part}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, RecordBatch, StringArray};
    use std::sync::Arc;

    fn rows(weights: &[(i64, &str, i64)]) -> Changes {
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values(weights.iter().map(|(_, text, _)| text)));
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(weights.iter().map(|(_, _, number)| *number)));
        let batch = RecordBatch::try_from_iter([("text", texts), ("number", numbers)]).unwrap();
        Changes::weighted(batch, weights.iter().map(|(weight, ..)| *weight).collect()).unwrap()
    }

    #[test]
    fn what_came_and_went_leaves_nothing() {
        let (mut whole, mut left) = (Checksum::default(), Checksum::default());
        whole.add(&rows(&[(1, "a", 1), (1, "b", 2), (-1, "a", 1), (2, "c", 3)])).unwrap();
        left.add(&rows(&[(2, "c", 3)])).unwrap();
        left.add(&rows(&[(1, "b", 2)])).unwrap();
        assert_eq!(whole, left);
        assert_eq!(whole.net_rows, 3);
        let mut other = Checksum::default();
        other.add(&rows(&[(2, "c", 3), (1, "b", 3)])).unwrap();
        assert_ne!(whole.sum, other.sum);
    }

    #[test]
    fn decimals_have_no_zeros_at_their_end() {
        let texts = [(0, 3), (908, 3), (-1_500, 3), (100_000, 3), (5, 0)].map(|(it, scale)| decimal(it, scale));
        assert_eq!(texts, ["0", "0.908", "-1.5", "100", "5"]);
    }
}
