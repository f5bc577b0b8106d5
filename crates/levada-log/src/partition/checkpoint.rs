//! [`LogCheckpoint`]: how far one partition's log is durable, as plain data.
//!
//! ```text
//! offset size field                                   version 1
//!      0    2 version
//!      2   16 topic id
//!     18    4 partition
//!     22    8 log start offset
//!     30    4 segment count                           at least 1; the last is the active one
//!     34   56 a segment: base · size · next offset · largest timestamp (−1: none) · last offset of its batch ·
//!             first append time · last append time
//!      …    4 leader epoch count
//!      …   12 an epoch: epoch (4) · start offset (8)
//!      …    4 size of the producers
//!      …    … the producers, see `producer::encoding`
//! ```
//!
//! The file that holds these entries, and its checksum, is the caller's.

use super::{
    epochs::{EpochStart, EpochTable},
    segment::SegmentMark,
};
use bytes::{BufMut, Bytes, BytesMut};
use levada_model::{LogId, NO_OFFSET, NO_TIMESTAMP, Offset, Uuid, reader};

const VERSION: i16 = 1;
const MARK_SIZE: usize = 56;
const EPOCH_SIZE: usize = 12;

/// How far a log reaches. Durable state once all files that were dirty when it was taken are synced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogCheckpoint {
    /// Whose log.
    pub id: LogId,
    /// The first offset that may be read.
    pub log_start_offset: Offset,
    /// The segments that take no more appends, oldest first.
    pub sealed: Vec<SegmentMark>,
    /// The segment that is being written.
    pub active: SegmentMark,
    /// The leader epochs.
    pub epochs: EpochTable,
    /// The idempotent producers at the end of the log, as [`super::producer::ProducerTable::encode`] writes them.
    pub producers: Bytes,
}

/// Why bytes are no checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// They end too early.
    #[error("log checkpoint: {0}")]
    Read(#[from] reader::ReadError),
    /// Written by another release.
    #[error("log checkpoint has version {0}, 1 is supported")]
    Version(i16),
    /// A count beyond the bytes, no active segment, or order that is none.
    #[error("log checkpoint contradicts itself")]
    Inconsistent,
}

impl LogCheckpoint {
    /// Offset after the last record.
    #[must_use]
    pub const fn next_offset(&self) -> Offset {
        self.active.next_offset
    }

    /// All segments, oldest first.
    pub fn segments(&self) -> impl Iterator<Item = &SegmentMark> {
        self.sealed.iter().chain(std::iter::once(&self.active))
    }

    /// Appends the entry to `target`.
    pub fn encode(&self, target: &mut BytesMut) {
        target.put_i16(VERSION);
        target.put_slice(self.id.topic.as_bytes());
        target.put_i32(self.id.partition);
        target.put_i64(self.log_start_offset);
        target.put_u32(count(self.sealed.len() + 1));
        for mark in self.segments() {
            put_mark(target, mark);
        }
        target.put_u32(count(self.epochs.entries().len()));
        for entry in self.epochs.entries() {
            target.put_i32(entry.epoch);
            target.put_i64(entry.start_offset);
        }
        target.put_u32(count(self.producers.len()));
        target.put_slice(&self.producers);
    }

    /// Reads one entry and moves `source` behind it.
    ///
    /// # Errors
    /// [`CheckpointError`]; `source` then stands anywhere.
    pub fn decode(source: &mut reader::Reader) -> Result<Self, CheckpointError> {
        let version = source.i16()?;
        if version != VERSION {
            return Err(CheckpointError::Version(version));
        }
        let topic = Uuid::from_bytes(source.array()?);
        let id = LogId { topic, partition: source.i32()? };
        let log_start_offset = source.i64()?;
        let mut sealed = Vec::new();
        for _ in 0..bounded(source, MARK_SIZE)? {
            sealed.push(decode_mark(source)?);
        }
        let active = sealed.pop().ok_or(CheckpointError::Inconsistent)?;
        let mut epochs = EpochTable::default();
        for _ in 0..bounded(source, EPOCH_SIZE)? {
            let entry = EpochStart { epoch: source.i32()?, start_offset: source.i64()? };
            if !epochs.assign(entry.epoch, entry.start_offset) {
                return Err(CheckpointError::Inconsistent);
            }
        }
        let size = bounded(source, 1)?;
        let producers = source.take(size)?;
        let checkpoint = Self { id, log_start_offset, sealed, active, epochs, producers };
        if checkpoint.is_ordered() { Ok(checkpoint) } else { Err(CheckpointError::Inconsistent) }
    }

    fn is_ordered(&self) -> bool {
        let sound = |mark: &SegmentMark| mark.base_offset >= 0 && mark.next_offset >= mark.base_offset;
        let follows =
            self.segments().zip(self.segments().skip(1)).all(|(one, next)| one.next_offset <= next.base_offset);
        self.segments().all(sound) && follows
    }
}

/// Writes a segment's mark, 56 bytes.
pub(super) fn put_mark(target: &mut BytesMut, mark: &SegmentMark) {
    let (timestamp, offset) = mark.max_timestamp.unwrap_or((NO_TIMESTAMP, NO_OFFSET));
    target.put_i64(mark.base_offset);
    target.put_u64(mark.size_bytes);
    target.put_i64(mark.next_offset);
    target.put_i64(timestamp);
    target.put_i64(offset);
    target.put_i64(mark.first_append_time);
    target.put_i64(mark.append_time);
}

/// Reads what [`put_mark`] wrote.
pub(super) fn decode_mark(source: &mut reader::Reader) -> Result<SegmentMark, reader::ReadError> {
    let base_offset = source.i64()?;
    let size_bytes = source.i64()?.cast_unsigned();
    let next_offset = source.i64()?;
    let (timestamp, offset) = (source.i64()?, source.i64()?);
    Ok(SegmentMark {
        base_offset,
        size_bytes,
        next_offset,
        max_timestamp: (timestamp >= 0).then_some((timestamp, offset)),
        first_append_time: source.i64()?,
        append_time: source.i64()?,
    })
}

/// A count of items of `item_size` bytes that can be there.
fn bounded(source: &mut reader::Reader, item_size: usize) -> Result<usize, CheckpointError> {
    let count = usize::try_from(source.u32()?).unwrap_or(usize::MAX);
    let fits = count.checked_mul(item_size).is_some_and(|size| size <= source.remaining());
    if fits { Ok(count) } else { Err(CheckpointError::Inconsistent) }
}

fn count(items: usize) -> u32 {
    u32::try_from(items).expect("a log has fewer than four billion segments, epochs and bytes of producers")
}
