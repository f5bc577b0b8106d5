//! [`Log`]: one partition as the broker sees it.

use crate::{
    settings::LogSettings,
    waiter::{WaiterList, WatchGuard, Waiter},
};
use arc_swap::ArcSwap;
use bytes::Bytes;
use levada_model::{LeaderEpoch, LogId, Offset, Timestamp, TopicName};
use std::sync::{
    Arc,
    atomic::{AtomicI32, AtomicI64, Ordering},
};

/// Where a log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Offset of the first record that is kept.
    pub log_start_offset: Offset,
    /// Consumers see what is below.
    pub high_watermark: Offset,
    /// Consumers that read only committed records see what is below.
    pub last_stable_offset: Offset,
    /// Under which new records are appended.
    pub leader_epoch: LeaderEpoch,
}

/// How far a read may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadUntil {
    /// `read_uncommitted`.
    HighWatermark,
    /// `read_committed`.
    LastStable,
}

/// What a read brought.
#[derive(Clone, Debug, Default)]
pub struct ReadOut {
    /// Whole batches, one after the other, in one or more pieces. A piece need not end where a batch ends.
    pub pieces: Vec<Bytes>,
    /// Bytes in all pieces.
    pub size: usize,
}

/// Why nothing was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The offset is outside the log.
    #[error("offset {offset} is outside the log, which goes from {start} to {end}")]
    OutOfRange {
        /// What was asked for.
        offset: Offset,
        /// The first there is.
        start: Offset,
        /// One past the last that may be seen.
        end: Offset,
    },
    /// The files are damaged or cannot be read.
    #[error("partition cannot be read: {0}")]
    Storage(String),
    /// The topic was deleted.
    #[error("log is closed")]
    Closed,
}
