//! Finding records by time: looks inside the one batch that can hold the answer.

use crate::log::{Log, ReadError};
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
        let storage = |error: &dyn std::error::Error| ReadError::Storage(error.to_string());
        let from_files = match self.reader() {
            Some(reader) => reader.batch_for_timestamp(timestamp).map_err(|error| storage(&error))?,
            None => None,
        };
        let batch = match from_files {
            Some(batch) => Some(batch),
            None => self.tail.lock().first_at(timestamp).map(|batch| batch.to_bytes()),
        };
        let Some(batch) = batch else { return Ok(None) };
        let start = self.tail().log_start_offset;
        Ok(record_in(&batch, |at, offset| at >= timestamp && offset >= start))
    }

    /// The first of the records with the largest timestamp.
    ///
    /// # Errors
    /// [`ReadError::Storage`] where files cannot be read.
    pub fn newest_record(&self) -> Result<Option<RecordAt>, ReadError> {
        let in_memory = self.tail.lock().newest();
        let from_files = match self.reader() {
            Some(reader) => reader.newest_batch().map_err(|error| ReadError::Storage(error.to_string()))?,
            None => None,
        };
        let files_max = from_files.as_deref().and_then(|bytes| BatchHeader::parse(bytes).ok());
        let batch = match (in_memory, files_max) {
            (Some(memory), Some(files)) if files.max_timestamp >= memory.max_timestamp => from_files,
            (Some(memory), _) => Some(memory.to_bytes()),
            (None, _) => from_files,
        };
        let Some(batch) = batch else { return Ok(None) };
        let Ok(header) = BatchHeader::parse(&batch) else { return Ok(None) };
        Ok(record_in(&batch, |at, _| at >= header.max_timestamp))
    }
}

/// The first record of `batch` that `wanted` accepts.
fn record_in(batch: &Bytes, wanted: impl Fn(Timestamp, Offset) -> bool) -> Option<RecordAt> {
    let header = BatchHeader::parse(batch).ok()?;
    let found = |timestamp, offset| RecordAt { timestamp, offset, leader_epoch: header.partition_leader_epoch };
    if header.attributes.is_log_append_time() {
        return Some(found(header.max_timestamp, header.base_offset));
    }
    let records = open(batch, header.attributes)?;
    for record in Records::new(records, header.record_count) {
        let record = record.ok()?;
        let timestamp = header.base_timestamp.saturating_add(record.timestamp_delta);
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
