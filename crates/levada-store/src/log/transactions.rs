//! Which transactions of a log are open, which ended and are not visible yet, which were aborted.
//!
//! A transaction ends for readers when its marker is below the high watermark: only then does the last stable offset
//! pass its first record. Aborted ones are listed before that, so that whoever may read the records can leave them out.

use levada_log::partition::AbortedTransaction;
use levada_model::{Offset, ProducerEpoch, ProducerId, record::StoredBatch};
use std::collections::{BTreeMap, BTreeSet};

/// A transaction without a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenTransaction {
    /// Whose.
    pub producer: ProducerId,
    /// Its epoch.
    pub epoch: ProducerEpoch,
    /// Offset of the first record.
    pub first_offset: Offset,
}

/// What a batch was for its producer's transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Noted {
    /// It is part of one.
    Begun(ProducerId),
    /// It ends one, which began at `first` here.
    Ended { producer: ProducerId, first: Offset, marker: Offset },
}

/// The transactions of one log.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    open: BTreeMap<ProducerId, OpenTransaction>,
    /// First offsets of those that are open.
    open_from: BTreeSet<Offset>,
    /// Those whose marker consumers do not see yet: by first offset, where the marker is.
    ended: BTreeMap<Offset, Offset>,
    /// In the order of their markers.
    aborted: Vec<AbortedTransaction>,
}

impl Transactions {
    /// What files hold.
    pub(crate) fn of_files(open: impl Iterator<Item = OpenTransaction>, aborted: &[AbortedTransaction]) -> Self {
        let open: BTreeMap<_, _> = open.map(|open| (open.producer, open)).collect();
        let open_from = open.values().map(|open| open.first_offset).collect();
        Self { open, open_from, ended: BTreeMap::new(), aborted: aborted.to_vec() }
    }

    /// Takes note of a transactional batch that is about to be visible.
    pub(crate) fn note(&mut self, batch: &StoredBatch) -> Option<Noted> {
        let header = batch.header()?;
        let producer = header.producer()?;
        if !header.attributes.is_control() {
            let (epoch, first_offset) = (header.producer_epoch, batch.base_offset);
            self.open.entry(producer).or_insert_with(|| {
                self.open_from.insert(first_offset);
                OpenTransaction { producer, epoch, first_offset }
            });
            return Some(Noted::Begun(producer));
        }
        let OpenTransaction { first_offset, .. } = self.open.remove(&producer)?;
        self.open_from.remove(&first_offset);
        self.ended.insert(first_offset, batch.base_offset);
        if batch.marker().is_some_and(|marker| marker.outcome == levada_model::Outcome::Abort) {
            let stable = self.open_from.first().copied().unwrap_or(batch.base_offset + 1);
            let last_offset = batch.base_offset;
            self.aborted.push(AbortedTransaction { producer, first_offset, last_offset, last_stable_offset: stable });
        }
        Some(Noted::Ended { producer, first: first_offset, marker: batch.base_offset })
    }

    /// Consumers see what is below `high_watermark`.
    pub(crate) fn settle(&mut self, high_watermark: Offset) {
        self.ended.retain(|_, marker| *marker >= high_watermark);
    }

    /// The first record whose transaction has not ended for readers; the largest offset where there is none.
    pub(crate) fn first_unstable(&self) -> Offset {
        let first = |offset: Option<&Offset>| offset.copied().unwrap_or(Offset::MAX);
        first(self.open_from.first()).min(first(self.ended.keys().next()))
    }

    /// Records below `start` are gone.
    pub(crate) fn forget_below(&mut self, start: Offset) {
        let gone = self.aborted.partition_point(|entry| entry.last_offset < start);
        self.aborted.drain(..gone);
    }

    /// The markers at these offsets are about to go.
    pub(crate) fn forget(&mut self, markers: &BTreeSet<Offset>) {
        self.aborted.retain(|entry| !markers.contains(&entry.last_offset));
    }

    pub(crate) fn open(&self) -> Vec<OpenTransaction> {
        self.open.values().copied().collect()
    }

    /// Aborted transactions with records between `from` and `to`, by first offset.
    pub(crate) fn aborted_within(&self, from: Offset, to: Offset) -> Vec<AbortedTransaction> {
        let first = self.aborted.partition_point(|entry| entry.last_offset < from);
        let mut within: Vec<_> =
            self.aborted.iter().skip(first).filter(|entry| entry.first_offset < to).copied().collect();
        within.sort_by_key(|entry| entry.first_offset);
        within
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use levada_model::{
        Marker, Outcome,
        batch::{Attributes, Batch},
        record::{BatchBuilder, NewRecord, ProducerStamp},
    };

    fn begin(transactions: &mut Transactions, producer: i64, offset: Offset) {
        let stamp = ProducerStamp { id: ProducerId(producer), epoch: 0, base_sequence: 0 };
        let mut builder = BatchBuilder::new().with_producer(stamp).with_attributes(Attributes::TRANSACTIONAL);
        builder.push(&NewRecord::default());
        let batch = Batch::check(builder.finish()).unwrap();
        transactions.note(&StoredBatch::new(&batch, offset, 0));
    }

    fn end(transactions: &mut Transactions, producer: i64, offset: Offset, outcome: Outcome) {
        let batch = Marker { outcome, coordinator_epoch: 0 }.batch(ProducerId(producer), 0, 0);
        transactions.note(&StoredBatch::new(&batch, offset, 0));
    }

    #[test]
    fn a_transaction_is_unstable_until_its_marker_is_visible() {
        let mut transactions = Transactions::default();
        assert_eq!(transactions.first_unstable(), Offset::MAX);
        begin(&mut transactions, 1, 4);
        begin(&mut transactions, 2, 6);
        begin(&mut transactions, 1, 8);
        assert_eq!(transactions.first_unstable(), 4);
        end(&mut transactions, 1, 9, Outcome::Commit);
        transactions.settle(9);
        assert_eq!(transactions.first_unstable(), 4, "nobody sees the marker yet");
        transactions.settle(10);
        assert_eq!(transactions.first_unstable(), 6);
        end(&mut transactions, 2, 10, Outcome::Abort);
        transactions.settle(11);
        assert_eq!(transactions.first_unstable(), Offset::MAX);
        let within = |from, to| transactions.aborted_within(from, to).len();
        assert_eq!((within(0, 6), within(0, 7), within(10, 20), within(11, 20)), (0, 1, 1, 0));
    }
}
