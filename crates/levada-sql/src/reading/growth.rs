//! [`Grown`]: when partitions were last seen to grow, and which of them nobody waits for.

use levada_model::{Offset, Timestamp};

/// A partition from which nothing came for this long, and of which all was read, is not waited for.
const IDLE_AFTER_MS: i64 = 5_000;

/// Of each partition: when it was last seen to grow. No later than now, also where the clock was set back.
pub(super) struct Grown(Vec<Timestamp>);

impl Grown {
    /// All of so many partitions have just grown.
    pub(super) fn new(partitions: usize, now_ms: Timestamp) -> Self {
        Self(vec![now_ms; partitions])
    }

    /// What was read up to `position` is there up to `cut`.
    pub(super) fn see(&mut self, position: &[Offset], cut: &[Offset], now_ms: Timestamp) {
        for ((grown_ms, at), cut) in self.0.iter_mut().zip(position).zip(cut) {
            *grown_ms = if cut > at { now_ms } else { now_ms.min(*grown_ms) };
        }
    }

    /// Whether nobody waits for a partition.
    pub(super) fn is_idle(&self, partition: usize, now_ms: Timestamp) -> bool {
        self.0.get(partition).is_some_and(|grown_ms| now_ms.saturating_sub(*grown_ms) >= IDLE_AFTER_MS)
    }

    /// In how long nobody waits any more for those that are waited for.
    pub(super) fn idle_in_ms(&self, now_ms: Timestamp) -> impl Iterator<Item = i64> + '_ {
        let left = self.0.iter().map(move |grown_ms| IDLE_AFTER_MS - now_ms.saturating_sub(*grown_ms).max(0));
        left.filter(|left| *left > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_idle_in_time_also_where_the_clock_was_set_back() {
        let mut grown = Grown::new(2, 90_000);
        grown.see(&[0, 0], &[0, 7], 93_000);
        assert_eq!(grown.idle_in_ms(93_000).collect::<Vec<_>>(), [2_000, 5_000]);
        assert_eq!([0, 1].map(|partition| grown.is_idle(partition, 95_000)), [true, false]);
        assert_eq!(grown.idle_in_ms(20_000).max(), Some(5_000));
        grown.see(&[0, 7], &[0, 7], 20_000);
        assert_eq!([0, 1].map(|partition| grown.is_idle(partition, 24_999)), [false, false]);
        assert_eq!([0, 1].map(|partition| grown.is_idle(partition, 25_000)), [true, true]);
        assert_eq!(grown.idle_in_ms(25_000).next(), None);
    }
}
