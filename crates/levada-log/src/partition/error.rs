//! What can go wrong with a partition's files: one enum an operation, and [`Corruption`], the fact of rot.

use super::{config::LogConfigError, producer::ProducersError};
use crate::error::{DiskError, ErrorKind};
use levada_model::Offset;
use std::path::PathBuf;

/// What is wrong with the bytes at one place of a segment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// The segment's file, or one that must stand there, is not.
    #[error("the file is missing")]
    Missing,
    /// The file ends below what was synced.
    #[error("the file has {actual} bytes, {synced} were synced")]
    Short {
        /// What is there.
        actual: u64,
        /// What was synced.
        synced: u64,
    },
    /// Fewer bytes than a header.
    #[error("{0} bytes are left, fewer than a batch header")]
    HeaderTorn(u64),
    /// Zeros where a batch should be.
    #[error("zeros instead of a batch")]
    Zeros,
    /// The length field is impossible, or reaches beyond the end.
    #[error("batch length {claimed} with {left} bytes left")]
    Length {
        /// The field.
        claimed: i32,
        /// Bytes from the start of the batch to the end.
        left: u64,
    },
    /// Not a version 2 batch.
    #[error("magic {0} instead of 2")]
    Magic(i8),
    /// Offsets go back, or beyond what a segment can hold.
    #[error("offsets {base} to {last} where {expected} or more was expected")]
    Offsets {
        /// Of the first record.
        base: Offset,
        /// Of the last record.
        last: Offset,
        /// The smallest that may follow.
        expected: Offset,
    },
    /// The bytes are not what was written.
    #[error("checksum {actual:#010x} instead of {claimed:#010x}")]
    Crc {
        /// In the header.
        claimed: u32,
        /// Of the bytes.
        actual: u32,
    },
    /// Records that do not decompress, or are none.
    #[error("records that cannot be read: {0}")]
    Records(String),
    /// What a compaction wrote about the segments it replaced is not sound, or does not fit the log.
    #[error("the description of a compacted segment is not sound: {0}")]
    Replacement(String),
    /// The segments end below what was synced.
    #[error("the log ends at offset {actual}, it was synced up to {synced}")]
    EndsEarly {
        /// Where it ends.
        actual: Offset,
        /// Where it should.
        synced: Offset,
    },
}

/// Rot: bytes that were durable are not what they were.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("segment {segment_base} at position {position}, offsets from {offset_from}: {defect}")]
pub struct Corruption {
    /// The segment's base offset.
    pub segment_base: Offset,
    /// Where in its `.log`.
    pub position: u64,
    /// The first offset that is not sound.
    pub offset_from: Offset,
    /// What is wrong.
    pub defect: Defect,
}

/// Why a log could not be created or opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A setting is out of range.
    #[error(transparent)]
    Config(#[from] LogConfigError),
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Durable bytes rotted: quarantine the partition.
    #[error("the log is corrupt: {0}")]
    Corrupt(#[from] Corruption),
    /// The checkpoint's producers cannot be read.
    #[error(transparent)]
    Producers(#[from] ProducersError),
    /// The directory belongs to another topic.
    #[error("directory `{}` belongs to topic id `{found}`", dir.display())]
    WrongTopic {
        /// The directory.
        dir: PathBuf,
        /// The id in its `partition.metadata`.
        found: String,
    },
}

impl OpenError {
    /// Whether the disk is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Disk(error) if error.is_full())
    }

    /// What the caller can do.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Config(_) => ErrorKind::Invalid,
            Self::Disk(_) => ErrorKind::Unavailable,
            Self::Corrupt(_) | Self::Producers(_) | Self::WrongTopic { .. } => ErrorKind::Corrupt,
        }
    }
}

/// Why batches could not be appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Offsets must not go back.
    #[error("batch has base offset {base} and last offset {last}, the log ends at {next}")]
    OutOfOrder {
        /// Of the first record.
        base: Offset,
        /// Of the last record.
        last: Offset,
        /// The smallest that may follow.
        next: Offset,
    },
    /// A batch whose head and body disagree.
    #[error("batch at offset {base} is malformed")]
    Malformed {
        /// Its base offset.
        base: Offset,
    },
    /// The disk is full; what is below `next_offset` was appended, nothing of the rest. Try again later.
    #[error("no space for offset {next_offset}: {source}")]
    NoSpace {
        /// The first offset that is not in the log.
        next_offset: Offset,
        /// What the disk said.
        source: DiskError,
    },
    /// A write or sync failed earlier or now: this log takes no more before it is opened again.
    #[error("the log is poisoned: {0}")]
    Poisoned(String),
}

impl AppendError {
    /// What the caller can do.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::OutOfOrder { .. } | Self::Malformed { .. } => ErrorKind::Invalid,
            Self::NoSpace { .. } => ErrorKind::Unavailable,
            Self::Poisoned(_) => ErrorKind::Closed,
        }
    }
}

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Below the start or beyond the end.
    #[error("offset {offset} is outside {start}..={end}")]
    OutOfRange {
        /// What was asked for.
        offset: Offset,
        /// The log's first offset.
        start: Offset,
        /// The log's next offset.
        end: Offset,
    },
    /// The bytes there are no batches.
    #[error("the log is corrupt: {0}")]
    Corrupt(#[from] Corruption),
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl ReadError {
    /// What the caller can do.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::OutOfRange { .. } => ErrorKind::Invalid,
            Self::Corrupt(_) => ErrorKind::Corrupt,
            Self::Disk(_) => ErrorKind::Unavailable,
        }
    }
}

/// A sync that failed; the log is poisoned, and no later sync of it will be tried.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The disk failed now.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// It failed earlier.
    #[error("the log is poisoned: {0}")]
    Poisoned(String),
}
