//! [`EpochTable`]: at which offset each leader epoch began.
//!
//! Source: KIP-101, KIP-320; the file is Kafka's `leader-epoch-checkpoint`, version 0.

use levada_model::{LeaderEpoch, Offset};
use std::fmt::Write;

/// One leader epoch and the offset of its first record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStart {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// Its first offset.
    pub start_offset: Offset,
}

/// Leader epochs in order; both epochs and start offsets strictly increase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EpochTable(Vec<EpochStart>);

impl EpochTable {
    /// Notes that `epoch` begins at `start_offset`, unless it, or a later one, began already.
    ///
    /// Epochs that began at or beyond `start_offset` have no record and are dropped. Returns whether anything changed.
    pub fn assign(&mut self, epoch: LeaderEpoch, start_offset: Offset) -> bool {
        if epoch < 0 || self.latest().is_some_and(|latest| latest >= epoch) {
            return false;
        }
        self.truncate_from_end(start_offset);
        self.0.push(EpochStart { epoch, start_offset });
        true
    }

    /// The latest epoch.
    #[must_use]
    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.0.last().map(|entry| entry.epoch)
    }

    /// The epochs in order.
    #[must_use]
    pub fn entries(&self) -> &[EpochStart] {
        &self.0
    }

    /// The epoch under which `offset` was written.
    #[must_use]
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        let after = self.0.partition_point(|entry| entry.start_offset <= offset);
        after.checked_sub(1).and_then(|index| self.0.get(index)).map(|entry| entry.epoch)
    }

    /// What OffsetForLeaderEpoch answers: the largest epoch at or below `epoch`, and the offset at which it ends.
    ///
    /// The latest epoch ends at `log_end`. An epoch older than the first entry ends where that begins, and is named
    /// itself. `None` where `epoch` is unknown because it is later than the latest, or no epoch is known.
    #[must_use]
    pub fn end_offset_for(&self, epoch: LeaderEpoch, log_end: Offset) -> Option<(LeaderEpoch, Offset)> {
        let latest = self.latest()?;
        if epoch == -1 || epoch > latest {
            return None;
        }
        if epoch == latest {
            return Some((epoch, log_end));
        }
        let after = self.0.partition_point(|entry| entry.epoch <= epoch);
        let end = self.0.get(after)?.start_offset;
        let found = after.checked_sub(1).and_then(|index| self.0.get(index)).map_or(epoch, |entry| entry.epoch);
        Some((found, end))
    }

    /// Forgets epochs that lie wholly below `log_start`; the one that contains it now starts there.
    pub fn truncate_from_start(&mut self, log_start: Offset) {
        let after = self.0.partition_point(|entry| entry.start_offset <= log_start);
        if let Some(keep_from) = after.checked_sub(1) {
            self.0.drain(..keep_from);
            if let Some(first) = self.0.first_mut() {
                first.start_offset = log_start;
            }
        }
    }

    /// Forgets epochs that began at or beyond `log_end`.
    pub fn truncate_from_end(&mut self, log_end: Offset) {
        self.0.retain(|entry| entry.start_offset < log_end);
    }

    /// Kafka's text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("0\n{}\n", self.0.len());
        for entry in &self.0 {
            writeln!(text, "{} {}", entry.epoch, entry.start_offset).expect("writing to a string cannot fail");
        }
        text
    }

    /// Reads Kafka's text; `None` where it is not whole, or its entries do not increase.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()?.trim() != "0" {
            return None;
        }
        let count: usize = lines.next()?.trim().parse().ok()?;
        let mut entries: Vec<EpochStart> = Vec::new();
        for line in lines {
            let (epoch, start) = line.trim().split_once(' ')?;
            let entry = EpochStart { epoch: epoch.parse().ok()?, start_offset: start.parse().ok()? };
            let increases = |last: &EpochStart| last.epoch < entry.epoch && last.start_offset < entry.start_offset;
            if !entries.last().is_none_or(increases) {
                return None;
            }
            entries.push(entry);
        }
        (entries.len() == count).then_some(Self(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(entries: &[(i32, i64)]) -> EpochTable {
        let mut table = EpochTable::default();
        for &(epoch, start) in entries {
            assert!(table.assign(epoch, start));
        }
        table
    }

    #[test]
    fn an_epoch_ends_where_the_next_begins_and_the_latest_at_the_log_end() {
        let table = table(&[(2, 10), (4, 20), (7, 35)]);
        for (asked, answer) in [
            (7, Some((7, 50))),
            (4, Some((4, 35))),
            (5, Some((4, 35))),
            (2, Some((2, 20))),
            (1, Some((1, 10))),
            (8, None),
            (-1, None),
            (-2, Some((-2, 10))),
        ] {
            assert_eq!(table.end_offset_for(asked, 50), answer, "epoch {asked}");
        }
        assert_eq!(EpochTable::default().end_offset_for(0, 5), None);
    }

    #[test]
    fn epochs_without_records_are_replaced() {
        let mut table = table(&[(1, 0), (2, 10)]);
        assert!(table.assign(3, 10));
        assert!(!table.assign(3, 12), "known");
        assert!(!table.assign(2, 12), "older");
        assert_eq!(table.entries().iter().map(|entry| entry.epoch).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn the_start_of_the_log_cuts_old_epochs() {
        let mut table = table(&[(1, 0), (2, 10), (3, 20)]);
        table.truncate_from_start(15);
        assert_eq!(table.entries().first(), Some(&EpochStart { epoch: 2, start_offset: 15 }));
        assert_eq!(table.entries().len(), 2);
        table.truncate_from_end(20);
        assert_eq!(table.latest(), Some(2));
        assert_eq!((table.epoch_at(14), table.epoch_at(15), table.epoch_at(99)), (None, Some(2), Some(2)));
    }

    #[test]
    fn the_text_is_kafkas_and_round_trips() {
        let table = table(&[(0, 0), (5, 123)]);
        assert_eq!(table.to_text(), "0\n2\n0 0\n5 123\n");
        assert_eq!(EpochTable::parse(&table.to_text()), Some(table));
        for broken in ["", "1\n0\n", "0\n2\n0 0\n", "0\n1\n0 x\n", "0\n2\n5 3\n4 9\n", "0\n2\n4 9\n5 9\n"] {
            assert_eq!(EpochTable::parse(broken), None, "{broken:?}");
        }
    }
}
