//! [`Progress`]: figures of a running statement.

use super::Positions;
use datafusion::arrow::temporal_conversions::timestamp_ms_to_datetime;
use levada_model::Timestamp;
use std::collections::VecDeque;

/// Figures of a running statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Whether it is where it was when it ran last, and keeps what it needs from retention and compaction.
    pub is_recovered: bool,
    /// Epochs since it was created.
    pub epochs: u64,
    /// Rows written since it was started.
    pub rows_written: u64,
    /// Rows read since it was started.
    pub rows_read: u64,
    /// Those of the last seconds.
    pub rate: Rate,
    /// Rows that came too late.
    pub late_rows: u64,
    /// Records that could not be decoded, and rows that could not be computed, since it was started.
    pub undecodable_records: u64,
    /// Bytes remembered, about.
    pub state_bytes: usize,
    /// Records of its topics that it has not read.
    pub lag: i64,
    /// Of each partition of its topics: the first offset that its answer does not have.
    pub read: Positions,
    /// The earliest watermark of its tables, in milliseconds since 1970.
    pub watermark: Option<Timestamp>,
}

impl Progress {
    /// The watermark as SQL shows times, in UTC; milliseconds where it is beyond what that shows.
    #[must_use]
    pub fn watermark_text(&self) -> Option<String> {
        let text = |ms| timestamp_ms_to_datetime(ms).map_or_else(|| format!("{ms} ms"), |time| time.to_string());
        self.watermark.map(text)
    }
}

/// A rate is that of so many seconds.
const SECONDS: i64 = 10;

/// Rows of the last ten seconds, second by second.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// Each with its number since 1970, ascending.
    seconds: VecDeque<(i64, u64)>,
}

impl Rate {
    pub(crate) fn add(&mut self, now_ms: Timestamp, rows: u64) {
        let now = now_ms.div_euclid(1_000);
        // What is later is so by a clock that was set back.
        self.seconds.retain(|(second, _)| (now - SECONDS..=now).contains(second));
        match self.seconds.back_mut() {
            Some((second, count)) if *second == now => *count += rows,
            _ => self.seconds.push_back((now, rows)),
        }
    }

    /// Rows a second, over the last ten whole seconds before a moment, in milliseconds since 1970.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate is shown with few digits")]
    pub fn per_second(&self, now_ms: Timestamp) -> f64 {
        let now = now_ms.div_euclid(1_000);
        let of_last = self.seconds.iter().filter(|(second, _)| (now - SECONDS..now).contains(second));
        of_last.map(|(_, rows)| *rows).sum::<u64>() as f64 / SECONDS as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_the_last_ten_seconds() {
        let mut rate = Rate::default();
        (0..30).for_each(|half_second| rate.add(500 * half_second, 50));
        assert!((rate.per_second(15_000) - 100.0).abs() < 1e-9, "{rate:?}");
        assert!((rate.per_second(20_999) - 50.0).abs() < 1e-9, "five of the ten seconds had rows");
        assert!(rate.per_second(40_000).abs() < 1e-9);
        assert!(rate.seconds.len() <= 11);
        // The clock is set back.
        rate.add(3_000, 7);
        assert_eq!(rate.seconds, [(3, 7)]);
    }

    #[test]
    fn watermarks_are_shown_as_times() {
        let of = |watermark| Progress { watermark, ..Progress::default() }.watermark_text();
        assert_eq!(of(Some(1_767_225_600_123)).as_deref(), Some("2026-01-01 00:00:00.123"));
        assert_eq!(of(Some(i64::MAX)).as_deref(), Some("9223372036854775807 ms"));
        assert_eq!(of(None), None);
    }
}
