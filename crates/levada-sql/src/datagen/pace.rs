//! [`Pace`]: when which row of a table that is made up is due.

use super::DataGen;
use levada_model::{Offset, Timestamp};
use std::sync::Arc;

/// Rows of an epoch, at most.
const EPOCH_ROWS_MAX: i64 = 1 << 16;
/// The pause between two epochs with rows, unless one had as many as it may.
const EPOCH_MS: i64 = 100;
/// What was not made for longer is not made up for: nobody read the table.
const PAUSE_MS_MAX: i64 = 1_000;

/// The pace of one reader.
#[derive(Debug)]
pub(crate) struct Pace {
    datagen: Arc<DataGen>,
    /// All at once.
    is_whole: bool,
    /// The row that was due at a moment, once it was asked for.
    since: Option<(Offset, Timestamp)>,
    /// When rows were given last.
    given_ms: Timestamp,
}

impl Pace {
    pub(crate) const fn new(datagen: Arc<DataGen>) -> Self {
        Self { datagen, is_whole: false, since: None, given_ms: 0 }
    }

    /// All rows are due at once; says whether there is an end to them.
    pub(crate) fn make_whole(&mut self) -> bool {
        self.is_whole = true;
        self.datagen.row_count.is_some()
    }

    /// Up to which row there is to be read, where it was read up to `at`.
    pub(crate) fn due(&mut self, at: Offset, now_ms: Timestamp) -> Offset {
        let end = self.datagen.row_count.unwrap_or(Offset::MAX);
        if self.is_whole {
            return end;
        }
        self.step_back(at, now_ms);
        let due = self.due_by(at, now_ms).min(end);
        if due > at && (due - at >= EPOCH_ROWS_MAX || now_ms.saturating_sub(self.given_ms) >= EPOCH_MS) {
            self.given_ms = now_ms;
            return due.min(at + EPOCH_ROWS_MAX);
        }
        at
    }

    /// A clock that was set back is counted from anew, lest no row comes until it is where it was.
    fn step_back(&mut self, at: Offset, now_ms: Timestamp) {
        if self.since.is_some_and(|(_, since_ms)| now_ms < since_ms) {
            self.since = Some((at, now_ms));
        }
        self.given_ms = self.given_ms.min(now_ms);
    }

    fn due_by(&mut self, at: Offset, now_ms: Timestamp) -> Offset {
        let rate = self.datagen.rows_per_second;
        let (row, since_ms) = *self.since.get_or_insert((at, now_ms));
        let passed_ms = i128::from(now_ms) - i128::from(since_ms);
        let due = i128::from(row) + i128::from(rate) * passed_ms.max(0) / 1_000;
        let most = at.saturating_add(rate.saturating_mul(PAUSE_MS_MAX) / 1_000).max(at.saturating_add(1));
        match i64::try_from(due).ok().filter(|due| *due <= most) {
            Some(due) => due.max(at),
            None => {
                self.since = Some((most, now_ms));
                most
            }
        }
    }

    /// When to look again; `None` where no row comes any more.
    pub(crate) fn again_in_ms(&self, at: Offset, now_ms: Timestamp) -> Option<i64> {
        if self.datagen.has_ended(at) {
            return None;
        }
        let Some((row, since_ms)) = self.since else { return Some(EPOCH_MS) };
        let rate = i128::from(self.datagen.rows_per_second);
        let ahead = i128::from(at) + 1 - i128::from(row);
        let next_ms = i128::from(since_ms) + (ahead.max(0) * 1_000 + rate - 1) / rate;
        let next_ms = i64::try_from(next_ms).unwrap_or(i64::MAX).max(self.given_ms.saturating_add(EPOCH_MS));
        // It may have been set back since.
        let longest_ms = (1_000 / self.datagen.rows_per_second).saturating_add(EPOCH_MS);
        Some(next_ms.saturating_sub(now_ms).clamp(1, longest_ms))
    }
}
