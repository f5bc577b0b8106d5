//! The newest batches of one log in memory: all that are not in a segment yet, and some that are.

use crate::log::ReadOut;
use bytes::{BufMut, Bytes, BytesMut};
use levada_model::{LeaderEpoch, Offset, Timestamp, record::StoredBatch};
use std::collections::VecDeque;

/// Bodies up to this size are copied into one piece with their heads: cheaper to write than two pieces.
const COPIED_BODY_MAX: usize = 2048;

/// Batches in offset order, without gaps to what the segments hold.
#[derive(Debug, Default)]
pub(crate) struct MemoryTail {
    batches: VecDeque<StoredBatch>,
    size: usize,
    /// Everything below is in a segment.
    flushed_to: Offset,
}

impl MemoryTail {
    /// An empty tail of a log whose segments end at `end`.
    pub(crate) fn at(end: Offset) -> Self {
        Self { flushed_to: end, ..Self::default() }
    }

    /// Adds the next batch.
    ///
    /// Where it does not follow the last one, others may have gone straight to the segments in between: what is in
    /// segments is forgotten, so that no read of memory passes over them.
    pub(crate) fn push(&mut self, batch: StoredBatch) {
        let follows = self.batches.back().is_none_or(|last| last.next_offset() == batch.base_offset);
        if !follows && !self.is_dirty() {
            self.clear();
        }
        self.size += batch.size();
        self.batches.push_back(batch);
    }

    /// What is not in a segment yet.
    pub(crate) fn unflushed(&self) -> Vec<StoredBatch> {
        let first = self.batches.partition_point(|batch| batch.base_offset < self.flushed_to);
        self.batches.range(first..).cloned().collect()
    }

    /// The leader epochs of what is not in a segment yet, up to `end`, each with a base offset.
    pub(crate) fn epochs_below(&self, end: Offset) -> Vec<(LeaderEpoch, Offset)> {
        let first = self.batches.partition_point(|batch| batch.base_offset < self.flushed_to);
        let batches = self.batches.range(first..).take_while(|batch| batch.base_offset < end);
        let mut epochs: Vec<_> = batches.map(|batch| (batch.leader_epoch, batch.base_offset)).collect();
        epochs.dedup_by_key(|(epoch, _)| *epoch);
        epochs
    }

    /// Whether something is not in a segment yet.
    pub(crate) fn is_dirty(&self) -> bool {
        self.batches.back().is_some_and(|batch| batch.base_offset >= self.flushed_to)
    }

    /// Everything below `end` is in a segment now.
    pub(crate) fn set_flushed(&mut self, end: Offset) {
        self.flushed_to = self.flushed_to.max(end);
    }

    /// Forgets what is in a segment; returns how many bytes that freed.
    pub(crate) fn trim(&mut self) -> usize {
        let before = self.size;
        while let Some(batch) = self.batches.front() {
            if batch.base_offset >= self.flushed_to {
                break;
            }
            self.size -= batch.size();
            self.batches.pop_front();
        }
        if self.batches.is_empty() {
            self.batches.shrink_to_fit();
        }
        before - self.size
    }

    /// Forgets what is in a segment and ends below `end`: it was compacted there. Returns how many bytes that freed.
    pub(crate) fn forget_below(&mut self, end: Offset) -> usize {
        let before = self.size;
        let end = end.min(self.flushed_to);
        while let Some(batch) = self.batches.pop_front_if(|batch| batch.last_offset < end) {
            self.size -= batch.size();
        }
        before - self.size
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) -> usize {
        self.batches.clear();
        std::mem::take(&mut self.size)
    }

    /// Reads whole batches from the one that contains `offset`, below `upper`; `None` where memory does not
    /// reach back that far.
    pub(crate) fn read(&self, offset: Offset, upper: Offset, bytes_max: usize, at_least_one: bool) -> Option<ReadOut> {
        if self.batches.front().is_none_or(|first| first.base_offset > offset) {
            return None;
        }
        let from = self.batches.partition_point(|batch| batch.last_offset < offset);
        if from == self.batches.len() {
            return None;
        }
        let mut pieces = Pieces::default();
        for batch in self.batches.range(from..) {
            let full = pieces.size + batch.size() > bytes_max && !(at_least_one && pieces.size == 0);
            if full || batch.base_offset >= upper {
                break;
            }
            pieces.push(batch);
        }
        Some(pieces.finish())
    }

    /// Where memory begins.
    pub(crate) fn first_offset(&self) -> Option<Offset> {
        self.batches.front().map(|first| first.base_offset)
    }

    /// The batches in no segment whose largest timestamp is at or after `timestamp`.
    pub(crate) fn at_or_after(&self, timestamp: Timestamp) -> Vec<StoredBatch> {
        let is_late = |batch: &&StoredBatch| batch.base_offset >= self.flushed_to && batch.max_timestamp >= timestamp;
        self.batches.iter().filter(is_late).cloned().collect()
    }

    /// The first of the batches with the largest timestamp.
    pub(crate) fn newest(&self) -> Option<StoredBatch> {
        let mut newest: Option<&StoredBatch> = None;
        for batch in &self.batches {
            if newest.is_none_or(|other| batch.max_timestamp > other.max_timestamp) {
                newest = Some(batch);
            }
        }
        newest.cloned()
    }
}

#[derive(Default)]
struct Pieces {
    done: Vec<Bytes>,
    small: BytesMut,
    size: usize,
}

impl Pieces {
    fn push(&mut self, batch: &StoredBatch) {
        self.size += batch.size();
        self.small.put_slice(&batch.head);
        if batch.body.len() <= COPIED_BODY_MAX {
            self.small.put_slice(&batch.body);
        } else {
            self.done.push(self.small.split().freeze());
            self.done.push(batch.body.clone());
        }
    }

    fn finish(mut self) -> ReadOut {
        if !self.small.is_empty() {
            self.done.push(self.small.freeze());
        }
        ReadOut { pieces: self.done, slice: None, size: self.size }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use levada_model::{
        batch::Batch,
        record::{BatchBuilder, NewRecord},
    };

    fn tail(value_size: usize) -> MemoryTail {
        let mut tail = MemoryTail::at(0);
        for index in 0..10 {
            let mut builder = BatchBuilder::new();
            for _ in 0..3 {
                let value = vec![7; value_size];
                builder.push(&NewRecord { timestamp: index, key: None, value: Some(&value), headers: &[] });
            }
            let batch = Batch::check(builder.finish()).unwrap();
            tail.push(StoredBatch::new(&batch, index * 3, 0));
        }
        tail
    }

    fn base_offsets(out: &ReadOut) -> Vec<Offset> {
        let joined: Vec<u8> = out.pieces.iter().flatten().copied().collect();
        assert_eq!(joined.len(), out.size);
        levada_model::batch::split(Bytes::from(joined)).map(|batch| batch.unwrap().0.base_offset).collect()
    }

    #[test]
    fn reads_start_with_the_batch_that_contains_the_offset() {
        for value_size in [10, 5_000] {
            let tail = tail(value_size);
            let all = tail.read(4, 30, usize::MAX, true).unwrap();
            assert_eq!(base_offsets(&all), (1..10).map(|index| index * 3).collect::<Vec<_>>());
            let one = tail.read(4, 30, 1, true).unwrap();
            assert_eq!(base_offsets(&one), [3]);
            assert_eq!(tail.read(4, 30, 1, false).unwrap().size, 0);
            assert_eq!(base_offsets(&tail.read(4, 9, usize::MAX, true).unwrap()), [3, 6]);
        }
    }

    #[test]
    fn memory_does_not_answer_for_what_went_past_it() {
        let mut tail = tail(10);
        assert!(tail.read(30, 60, usize::MAX, true).is_none(), "30 may be in a segment");
        tail.set_flushed(30);
        // Batches 30 to 59 went straight to the segment.
        let later = StoredBatch { base_offset: 60, last_offset: 62, ..tail.newest().unwrap() };
        tail.push(later);
        assert!(tail.read(0, 63, usize::MAX, true).is_none() && tail.read(29, 63, usize::MAX, true).is_none());
        assert_eq!(tail.read(60, 63, usize::MAX, true).unwrap().size, tail.newest().unwrap().size());
        assert_eq!((tail.first_offset(), tail.unflushed().len()), (Some(60), 1));
    }

    #[test]
    fn what_was_compacted_is_forgotten_and_no_more() {
        let mut tail = tail(10);
        assert_eq!(tail.forget_below(30), 0, "nothing is in a segment");
        tail.set_flushed(15);
        assert!(tail.forget_below(9) > 0);
        assert_eq!(tail.first_offset(), Some(9));
        assert!(tail.forget_below(30) > 0);
        assert_eq!((tail.first_offset(), tail.unflushed().len()), (Some(15), 5));
    }

    #[test]
    fn only_what_is_in_a_segment_is_forgotten() {
        let mut tail = tail(10);
        assert_eq!(tail.trim(), 0);
        tail.set_flushed(15);
        assert!(tail.trim() > 0);
        assert!(tail.read(14, 30, 100, true).is_none());
        assert_eq!(base_offsets(&tail.read(15, 30, 1, true).unwrap()), [15]);
        assert_eq!(tail.unflushed().len(), 5);
    }
}
