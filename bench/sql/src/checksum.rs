//! What a result comes to: how many rows there are in the end, and a sum over their hashes, whatever the order in which
//! they came and went. `clients/java/flink/Results.java` adds up the same.

use anyhow::{Context as _, Result, bail};
use arrow::{
    array::{Array, AsArray as _},
    datatypes::{DataType, Decimal128Type, Int32Type, Int64Type, TimeUnit, TimestampMillisecondType},
};
use levada_sql::changes::Changes;

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;
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
        let mut hashes = vec![FNV_START; changes.len()];
        for column in changes.rows().columns() {
            for (row, hash) in hashes.iter_mut().enumerate() {
                let text = if column.is_null(row) { vec![0] } else { text(column, row)? };
                text.into_iter()
                    .chain([END])
                    .for_each(|byte| *hash = (*hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME));
            }
        }
        for (row, hash) in hashes.into_iter().enumerate() {
            let weight = changes.weight(row);
            self.net_rows += weight;
            self.sum = self.sum.wrapping_add(mixed(hash).wrapping_mul(weight.cast_unsigned()));
        }
        Ok(())
    }
}

/// As splitmix64 ends: sums of such numbers tell little about their parts.
const fn mixed(hash: u64) -> u64 {
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A value as text; moments as milliseconds since 1970, decimals without zeros at their end.
fn text(column: &dyn Array, row: usize) -> Result<Vec<u8>> {
    Ok(match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(row).into(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).to_string().into(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string().into(),
        DataType::Timestamp(TimeUnit::Millisecond, None) => {
            column.as_primitive::<TimestampMillisecondType>().value(row).to_string().into()
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
    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
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
