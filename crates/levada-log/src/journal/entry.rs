//! [`Entry`]: what a frame holds, and its bytes.

use super::{JournalError, layout::PAYLOAD_SIZE_MAX};
use bytes::{BufMut, Bytes};
use levada_model::{
    LogId, Offset, Uuid,
    batch::PATCHED_SIZE,
    reader::{ReadError, Reader},
};

/// Kind, padding and size.
const PREFIX_SIZE: usize = 8;
const LOG_ID_SIZE: usize = 20;
const OFFSET_SIZE: usize = 8;

// Kind 2 was never in a release, and is not given to another.
const KIND_BATCH: u8 = 1;
const KIND_OFFSET_LEASE: u8 = 3;
const KIND_META: u8 = 4;
const KIND_PLACED: u8 = 5;

/// One thing that must survive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A stored batch of a partition: its first 16 bytes as the broker set them, and the rest as it came.
    Batch {
        /// Whose batch.
        log: LogId,
        /// Base offset, length and leader epoch.
        head: [u8; PATCHED_SIZE],
        /// All after the head.
        body: Bytes,
    },
    /// Offsets below `ceiling` may have been seen, whether or not their records survive.
    OffsetLease {
        /// Whose.
        log: LogId,
        /// The first offset that an unclean start may give out.
        ceiling: Offset,
    },
    /// The log is durable in its segments below `end`: what was appended there went past the journal.
    Placed {
        /// Whose.
        log: LogId,
        /// Offset after the last record.
        end: Offset,
    },
    /// A change of cluster metadata, in the store's own format.
    Meta {
        /// The change.
        bytes: Bytes,
    },
    /// Entries of one frame, one after the other: after a crash all are there or none. Read back as what they are.
    Unit(Vec<Entry>),
}

impl Entry {
    /// The entry itself, or those of the unit.
    pub(super) fn parts(&self) -> &[Self] {
        match self {
            Self::Unit(entries) => entries,
            single => std::slice::from_ref(single),
        }
    }

    /// Bytes of the entry in a frame.
    pub(super) fn size(&self) -> u64 {
        let body_size = match self {
            Self::Unit(entries) => return entries.iter().map(Self::size).sum(),
            Self::Batch { body, .. } => body.len() + PATCHED_SIZE,
            Self::OffsetLease { .. } | Self::Placed { .. } => OFFSET_SIZE,
            Self::Meta { bytes } => return u64::try_from(bytes.len() + PREFIX_SIZE).unwrap_or(u64::MAX),
        };
        u64::try_from(body_size + PREFIX_SIZE + LOG_ID_SIZE).unwrap_or(u64::MAX)
    }

    /// Appends all but the body to `target`.
    pub(super) fn put_head(&self, target: &mut Vec<u8>) {
        let kind = match self {
            Self::Batch { .. } => KIND_BATCH,
            Self::OffsetLease { .. } => KIND_OFFSET_LEASE,
            Self::Placed { .. } => KIND_PLACED,
            Self::Meta { .. } => KIND_META,
            Self::Unit(_) => unreachable!("a unit is written part by part"),
        };
        let size = u32::try_from(self.size() - PREFIX_SIZE as u64).expect("checked against the limit of a frame");
        target.put_u8(kind);
        target.put_bytes(0, 3);
        target.put_u32(size);
        match self {
            Self::Batch { log, head, .. } => {
                put_log(target, *log);
                target.put_slice(head);
            }
            Self::OffsetLease { log, ceiling: offset } | Self::Placed { log, end: offset } => {
                put_log(target, *log);
                target.put_i64(*offset);
            }
            Self::Meta { .. } | Self::Unit(_) => {}
        }
    }

    /// The bytes that follow the head; they are written from where they are.
    pub(super) fn body(&self) -> &[u8] {
        match self {
            Self::Batch { body, .. } | Self::Meta { bytes: body } => body,
            Self::OffsetLease { .. } | Self::Placed { .. } | Self::Unit(_) => &[],
        }
    }

    /// Takes the next entry of frame `sequence` from `reader`; its body shares the frame's memory.
    pub(super) fn read(reader: &mut Reader, sequence: u64) -> Result<Self, JournalError> {
        let bad = |_: ReadError| JournalError::BadEntries { sequence };
        let kind = reader.u8().map_err(bad)?;
        reader.skip(3).map_err(bad)?;
        let size = usize::try_from(reader.u32().map_err(bad)?).map_err(|_| JournalError::BadEntries { sequence })?;
        let mut fields = Reader::new(reader.take(size).map_err(bad)?);
        let known = Self::fields(kind, &mut fields).map_err(bad)?;
        let entry = known.ok_or(JournalError::UnknownEntry { sequence, kind })?;
        if fields.is_empty() { Ok(entry) } else { Err(JournalError::BadEntries { sequence }) }
    }

    fn fields(kind: u8, fields: &mut Reader) -> Result<Option<Self>, ReadError> {
        Ok(Some(match kind {
            KIND_BATCH => {
                let (log, head) = (take_log(fields)?, fields.array()?);
                Self::Batch { log, head, body: fields.take(fields.remaining())? }
            }
            KIND_OFFSET_LEASE => Self::OffsetLease { log: take_log(fields)?, ceiling: fields.i64()? },
            KIND_PLACED => Self::Placed { log: take_log(fields)?, end: fields.i64()? },
            KIND_META => Self::Meta { bytes: fields.take(fields.remaining())? },
            _ => return Ok(None),
        }))
    }
}

/// The largest body of a batch that any frame holds.
pub const BODY_SIZE_MAX: u64 = PAYLOAD_SIZE_MAX - (PREFIX_SIZE + LOG_ID_SIZE + PATCHED_SIZE) as u64;

fn put_log(target: &mut Vec<u8>, log: LogId) {
    target.put_slice(log.topic.as_bytes());
    target.put_i32(log.partition);
}

fn take_log(fields: &mut Reader) -> Result<LogId, ReadError> {
    Ok(LogId { topic: Uuid::from_bytes(fields.array()?), partition: fields.i32()? })
}
