//! [`Portion`]: how much of a long way an epoch goes. What comes in is read to its end; whoever is far behind goes on
//! in epochs that take about as long as one may.

use levada_model::{Offset, Timestamp};
use levada_stream::{Inputs, Span};

/// An epoch takes about this long at most.
const EPOCH_MS: i64 = 100;
/// So many records are read in one, where nothing is known of how long that takes.
const RECORDS: i64 = 65_536;
const RECORDS_MIN: i64 = 1_024;
const RECORDS_MAX: i64 = 1 << 20;
/// So many bytes of records are read in one.
const SIZE_MAX: usize = 16 << 20;

/// See the module.
pub(super) struct Portion {
    /// How many records an epoch reads.
    records: i64,
    /// When the last one began, where it was but a part of what there was, and the next one follows at once.
    begun_ms: Option<Timestamp>,
}

impl Default for Portion {
    fn default() -> Self {
        Self { records: RECORDS, begun_ms: None }
    }
}

impl Portion {
    /// Where an epoch ends that begins at `position`, on the way to the cut `to`. As far as nothing is part of a
    /// transaction, wherever batches end is a cut; else there is none to be known but `to`. Rows that are made up are
    /// no way.
    pub(super) fn end(
        &mut self,
        inputs: &Inputs,
        position: &[Offset],
        to: Vec<Offset>,
        now_ms: Timestamp,
    ) -> Vec<Offset> {
        if let Some(begun_ms) = self.begun_ms.take() {
            self.learn(now_ms.saturating_sub(begun_ms));
        }
        let (topics, made) = to.split_at(inputs.partitions().len());
        let ways: Vec<i64> = topics.iter().zip(position).map(|(to, from)| to.saturating_sub(*from).max(0)).collect();
        let all = ways.iter().fold(0_i64, |all, way| all.saturating_add(*way));
        if all <= self.records {
            return to;
        }
        let mut ends = Vec::with_capacity(to.len());
        for (partition, way) in ways.into_iter().enumerate() {
            let from = position[partition];
            if way == 0 {
                ends.push(from);
                continue;
            }
            // All partitions come to their ends together.
            let goal = from + share(way, self.records, all);
            let size_max =
                usize::try_from(share(way, SIZE_MAX.try_into().unwrap_or(i64::MAX), all)).unwrap_or(SIZE_MAX);
            match inputs.span(partition, from, goal, size_max) {
                Ok(Span { next, has_transactions: false }) => ends.push(next.min(to[partition])),
                // What is wrong is found again where records are read.
                Ok(_) | Err(_) => return to,
            }
        }
        self.begun_ms = Some(now_ms);
        ends.extend_from_slice(made);
        ends
    }

    /// The last epoch took so long.
    fn learn(&mut self, took_ms: i64) {
        self.records = match took_ms {
            ..0 => self.records,
            0..50 => self.records.saturating_mul(2),
            50..=EPOCH_MS => self.records,
            _ => share(self.records, EPOCH_MS, took_ms),
        };
        self.records = self.records.clamp(RECORDS_MIN, RECORDS_MAX);
    }
}

/// So much of `way` as `part` is of `all`, rounded up.
fn share(way: i64, part: i64, all: i64) -> i64 {
    let all = i128::from(all.max(1));
    let share = (i128::from(way) * i128::from(part) + all - 1) / all;
    i64::try_from(share).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_take_as_long_as_one_may() {
        let mut portion = Portion::default();
        portion.learn(400);
        assert_eq!(portion.records, 16_384);
        portion.learn(70);
        assert_eq!(portion.records, 16_384);
        portion.learn(20);
        assert_eq!(portion.records, 32_768);
        // The clock was set back.
        portion.learn(-5_000);
        assert_eq!(portion.records, 32_768);
        portion.learn(60_000);
        assert_eq!(portion.records, RECORDS_MIN);
        (0..20).for_each(|_| portion.learn(0));
        assert_eq!(portion.records, RECORDS_MAX);
    }

    #[test]
    fn shares_are_no_less_than_they_should_be() {
        assert_eq!(share(10, 65_536, 1_000_000), 1);
        assert_eq!(share(i64::MAX, 3, i64::MAX), 3);
        assert_eq!(share(7, 7, 0), 49);
    }
}
