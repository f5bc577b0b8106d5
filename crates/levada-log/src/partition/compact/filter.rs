//! [`Filter`]: what of a batch stays, as KIP-534 has it.
//!
//! A record goes when a later one has its key, when its transaction was aborted, or when it is a tombstone whose time
//! has passed. A batch of which nothing stays goes, unless it has the last sequence of a producer or the last offset
//! of what is compacted: then its header stays alone. Base and last offset, producer fields and codec never change.
//!
//! Source: KIP-98, KIP-534, `Cleaner` of Kafka 4.3.1.

use super::{
    key_map::KeyMap,
    records::{Kept, RecordsError, RisingRecords, emptied, put_batch},
    transactions::{Marker, Transactions},
};
use crate::partition::{AbortedTransaction, error::Defect};
use bytes::Bytes;
use levada_compress::{compress, decompress};
use levada_model::{
    Offset, ProducerEpoch, ProducerId, Timestamp,
    batch::{BatchHeader, Codec, HEADER_SIZE},
};
use std::{borrow::Cow, collections::BTreeMap};

/// What one batch may unfold to.
const OPENED_SIZE_MAX: usize = 256 << 20;

impl From<RecordsError> for Defect {
    fn from(error: RecordsError) -> Self {
        Self::Records(error.to_string())
    }
}

/// What must stay of a producer so that its next batch is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LastOfProducer {
    /// Of its last batch; `None` where only a marker was seen.
    pub(super) last_offset: Option<Offset>,
    pub(super) epoch: ProducerEpoch,
}

/// Whether tombstones and markers may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tombstones {
    /// Once `delete.retention.ms` has passed since their keys were compacted.
    Age,
    /// Never: a segment that could not be read may have older records of their keys.
    Stay,
}

/// The uncompressed records of the batch `bytes`.
fn open<'a>(header: &BatchHeader, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, Defect> {
    let block = bytes.get(HEADER_SIZE..).unwrap_or_default();
    match header.attributes.codec() {
        Some(Codec::None) => Ok(Cow::Borrowed(block)),
        // No encoder writes nothing.
        Some(_) if header.record_count == 0 => Ok(Cow::Borrowed(block)),
        Some(codec) => {
            let opened = decompress(codec, block, OPENED_SIZE_MAX);
            opened.map(|block: Bytes| Cow::Owned(block.into())).map_err(|error| Defect::Records(error.to_string()))
        }
        None => Err(Defect::Records("the codec does not exist".to_owned())),
    }
}

fn marker(header: &BatchHeader, bytes: &[u8]) -> Result<Marker, Defect> {
    let block = open(header, bytes)?;
    match RisingRecords::new(header, &block).next() {
        None => Ok(Marker::Emptied),
        Some(record) => Ok(Marker::of_key(record?.key)),
    }
}

/// Fills a [`KeyMap`] with the keys of a log.
pub(super) struct Mapper {
    pub(super) map: KeyMap,
    transactions: Transactions,
    /// Keys below are known to be the latest among themselves.
    from: Offset,
}

/// Whether a batch went into the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mapped {
    Whole,
    /// There is no room for it.
    Full,
}

impl Mapper {
    pub(super) fn new(map: KeyMap, aborted: &[AbortedTransaction], from: Offset) -> Self {
        Self { map, transactions: Transactions::new(aborted), from }
    }

    /// Notes the keys of the next batch. Control batches have none, and aborted records never were.
    pub(super) fn add(&mut self, header: &BatchHeader, bytes: &[u8]) -> Result<Mapped, Defect> {
        if header.attributes.is_control() {
            let marker = marker(header, bytes)?;
            self.transactions.marks_nothing(header, marker);
            return Ok(Mapped::Whole);
        }
        let count = usize::try_from(header.record_count).unwrap_or(0);
        // One batch alone may exceed the limit: there is no other way on.
        if !self.map.has_room_for(count) && !self.map.is_empty() {
            return Ok(Mapped::Full);
        }
        if self.transactions.is_aborted(header) {
            return Ok(Mapped::Whole);
        }
        let block = open(header, bytes)?;
        // All of it is looked at first: of a batch that is not sound nothing counts.
        RisingRecords::new(header, &block).try_for_each(|record| record.map(drop))?;
        for record in RisingRecords::new(header, &block) {
            let record = record?;
            let offset = header.base_offset.saturating_add(i64::from(record.offset_delta));
            if let Some(key) = record.key.filter(|_| offset >= self.from) {
                self.map.put(key, offset);
            }
        }
        Ok(Mapped::Whole)
    }
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) records_dropped: u64,
    /// Whether it is no longer as it was.
    pub(super) is_changed: bool,
}

/// Decides batch by batch, in the order of the log.
pub(super) struct Filter<'a> {
    pub(super) map: &'a KeyMap,
    /// Batches that reach this offset are not in the map: they stay as they are.
    pub(super) map_end: Offset,
    pub(super) transactions: Transactions,
    pub(super) producers: &'a BTreeMap<ProducerId, LastOfProducer>,
    /// The batch that ends here stays, if only its header.
    pub(super) keep_end: Offset,
    pub(super) now_ms: Timestamp,
    pub(super) delete_retention_ms: i64,
    pub(super) tombstones: Tombstones,
    /// Which records of the batch at hand stay.
    pub(super) stays: Vec<bool>,
}

/// What is decided of a batch before its records are seen.
#[derive(Clone, Copy)]
struct Before {
    /// No record stays.
    is_gone: bool,
    marks_nothing: bool,
    header_stays: bool,
}

impl Filter<'_> {
    /// Appends to `target` what stays of the batch `bytes`.
    pub(super) fn judge(&mut self, header: &BatchHeader, bytes: &[u8], target: &mut Vec<u8>) -> Result<Judged, Defect> {
        let before = self.look(header, bytes)?;
        if header.last_offset() >= self.map_end {
            target.extend_from_slice(bytes);
            return Ok(Judged::default());
        }
        let all = u64::try_from(header.record_count).unwrap_or(0);
        if before.is_gone {
            self.leave_header(before, header, target)?;
            return Ok(Judged { records_dropped: all, is_changed: !before.header_stays || all > 0 });
        }
        let block = open(header, bytes)?;
        let has_tombstone = self.choose(header, &block)?;
        let kept_count = self.stays.iter().filter(|stays| **stays).count();
        let dropped = all.saturating_sub(u64::try_from(kept_count).unwrap_or(u64::MAX));
        if kept_count == 0 {
            self.leave_header(before, header, target)?;
            return Ok(Judged { records_dropped: dropped, is_changed: !before.header_stays || all > 0 });
        }
        let is_horizon_due = (has_tombstone || before.marks_nothing)
            && !header.attributes.has_delete_horizon()
            && self.tombstones == Tombstones::Age;
        if dropped == 0 && !is_horizon_due {
            target.extend_from_slice(bytes);
            return Ok(Judged::default());
        }
        let horizon = if is_horizon_due {
            Some(self.now_ms.saturating_add(self.delete_retention_ms))
        } else {
            header.attributes.has_delete_horizon().then_some(header.base_timestamp)
        };
        self.put_kept(header, &block, horizon, target)?;
        Ok(Judged { records_dropped: dropped, is_changed: true })
    }

    fn look(&mut self, header: &BatchHeader, bytes: &[u8]) -> Result<Before, Defect> {
        let (is_gone, marks_nothing) = if header.attributes.is_control() {
            let marker = marker(header, bytes)?;
            let marks_nothing = self.transactions.marks_nothing(header, marker);
            let is_gone = marks_nothing && self.horizon_has_passed(header);
            if is_gone && header.last_offset() < self.map_end {
                self.transactions.note_gone(header, marker);
            }
            (is_gone, marks_nothing)
        } else {
            (self.transactions.is_aborted(header), false)
        };
        let header_stays = self.is_last_of_producer(header) || header.next_offset() == self.keep_end;
        Ok(Before { is_gone, marks_nothing, header_stays })
    }

    fn horizon_has_passed(&self, header: &BatchHeader) -> bool {
        self.tombstones == Tombstones::Age
            && header.attributes.has_delete_horizon()
            && header.base_timestamp <= self.now_ms
    }

    fn is_last_of_producer(&self, header: &BatchHeader) -> bool {
        let last = header.producer().and_then(|producer| self.producers.get(&producer));
        last.is_some_and(|last| match last.last_offset {
            Some(offset) => offset == header.last_offset(),
            None => header.attributes.is_control() && header.producer_epoch == last.epoch,
        })
    }

    fn leave_header(&self, before: Before, header: &BatchHeader, target: &mut Vec<u8>) -> Result<(), Defect> {
        if before.header_stays { put(target, &emptied(header), &[]) } else { Ok(()) }
    }

    /// Says of each record whether it stays; and whether one of those is a tombstone.
    fn choose(&mut self, header: &BatchHeader, block: &[u8]) -> Result<bool, Defect> {
        let (is_control, passed) = (header.attributes.is_control(), self.horizon_has_passed(header));
        let mut has_tombstone = false;
        self.stays.clear();
        for record in RisingRecords::new(header, block) {
            let record = record?;
            let offset = header.base_offset.saturating_add(i64::from(record.offset_delta));
            // Without a key it has no place in a compacted log: as in Kafka, it goes.
            let is_latest = |key| self.map.get(key).is_none_or(|latest| offset >= latest);
            let stays = is_control || (record.key.is_some_and(is_latest) && (record.value.is_some() || !passed));
            has_tombstone |= stays && record.value.is_none() && !is_control;
            self.stays.push(stays);
        }
        Ok(has_tombstone)
    }

    fn put_kept(
        &self,
        header: &BatchHeader,
        block: &[u8],
        horizon: Option<Timestamp>,
        target: &mut Vec<u8>,
    ) -> Result<(), Defect> {
        let mut kept = Kept::new(header, horizon, block.len());
        for (record, stays) in RisingRecords::new(header, block).zip(&self.stays) {
            let record = record?;
            if *stays {
                kept.push(&record);
            }
        }
        let after = kept.header(header);
        match header.attributes.codec().unwrap_or_default() {
            Codec::None => put(target, &after, kept.block()),
            codec => {
                let packed = compress(codec, kept.block()).map_err(|error| Defect::Records(error.to_string()))?;
                put(target, &after, &packed)
            }
        }
    }
}

fn put(target: &mut Vec<u8>, header: &BatchHeader, block: &[u8]) -> Result<(), Defect> {
    put_batch(target, header, block).ok_or_else(|| Defect::Records("the batch would exceed 2 GiB".to_owned()))
}
