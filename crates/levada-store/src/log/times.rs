//! Finding records by time: looks inside the one batch that can hold the answer.

use crate::log::{Log, ReadError, ReadUntil, Tail};
use bytes::Bytes;
use levada_compress::decompress;
use levada_model::{
    LeaderEpoch, Offset, Timestamp,
    batch::{Attributes, BatchHeader, HEADER_SIZE},
    record::Records,
};

/// A batch is opened only up to this size; beyond, its first record stands for it.
const OPENED_MAX: usize = 256 << 20;

/// A record found by its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordAt {
    /// Its timestamp.
    pub timestamp: Timestamp,
    /// Its offset.
    pub offset: Offset,
    /// The epoch under which it was appended.
    pub leader_epoch: LeaderEpoch,
}

impl Log {
    /// The first record whose timestamp is at or after `timestamp`.
    ///
    /// # Errors
    /// [`ReadError::Storage`] where files cannot be read.
    pub fn offset_for_timestamp(&self, timestamp: Timestamp) -> Result<Option<RecordAt>, ReadError> {
        let Tail { log_start_offset: start, high_watermark: end, .. } = self.tail();
        let wanted = |at: Timestamp, offset: Offset| at >= timestamp && offset >= start;
        let mut from = start;
        while let Some(reader) = self.reader() {
            let hit = reader.batch_for_timestamp(timestamp, from, end);
            let Some(hit) = hit.map_err(|error| ReadError::Storage(error.to_string()))? else { break };
            if let Some(record) = record_in(&hit.batch, wanted) {
                return Ok(Some(record));
            }
            // The header promised a timestamp that no record has.
            from = hit.header.next_offset();
        }
        let batches = self.tail.lock().at_or_after(timestamp);
        Ok(batches.into_iter().find_map(|batch| record_in(&batch.to_bytes(), wanted)))
    }

    /// The first of the records with the largest timestamp.
    ///
    /// # Errors
    /// [`ReadError::Storage`] where files cannot be read.
    pub fn newest_record(&self) -> Result<Option<RecordAt>, ReadError> {
        let in_memory = self.tail.lock().newest();
        let files_max = self.reader().and_then(|reader| reader.max_timestamp());
        let batch: Bytes = match (in_memory, files_max) {
            (Some(memory), Some((timestamp, _))) if memory.max_timestamp > timestamp => memory.to_bytes(),
            (_, Some((_, offset))) => self.read(offset, 1, ReadUntil::HighWatermark, true)?.pieces.concat().into(),
            (Some(memory), None) => memory.to_bytes(),
            (None, None) => return Ok(None),
        };
        let Ok(header) = BatchHeader::parse(&batch) else { return Ok(None) };
        Ok(record_in(&batch, |at, _| at >= header.max_timestamp))
    }
}

/// The first record of `batch` that `wanted` accepts.
fn record_in(batch: &Bytes, wanted: impl Fn(Timestamp, Offset) -> bool) -> Option<RecordAt> {
    let header = BatchHeader::parse(batch).ok()?;
    let found = |timestamp, offset| RecordAt { timestamp, offset, leader_epoch: header.partition_leader_epoch };
    let records = open(batch, header.attributes)?;
    for record in Records::new(records, header.record_count) {
        let record = record.ok()?;
        let timestamp = if header.attributes.is_log_append_time() {
            header.max_timestamp
        } else {
            header.base_timestamp.saturating_add(record.timestamp_delta)
        };
        let offset = header.base_offset.saturating_add(i64::from(record.offset_delta));
        if wanted(timestamp, offset) {
            return Some(found(timestamp, offset));
        }
    }
    None
}

fn open(batch: &Bytes, attributes: Attributes) -> Option<Bytes> {
    let block = batch.slice(HEADER_SIZE.min(batch.len())..);
    match attributes.codec()? {
        levada_model::batch::Codec::None => Some(block),
        codec => decompress(codec, &block, OPENED_MAX).ok(),
    }
}
