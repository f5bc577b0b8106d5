//! Reading: batches, offsets by time, where epochs end. Sessions and long polls are the listener's.

use crate::{
    Broker,
    auth::{Grant, Op, op, res},
};
use bytes::Bytes;
use levada_model::{LeaderEpoch, NO_OFFSET, NO_TIMESTAMP, Offset, PartitionIndex, Timestamp, batch};
use levada_store::{
    ABORTED_LISTED_MAX, AbortedTransaction, FileSlice, Log, ReadError, ReadOut, ReadUntil, Waiter, WatchGuard,
};
use std::sync::Arc;

/// No epoch.
pub const NO_EPOCH: LeaderEpoch = -1;

/// What to read of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchPartition {
    /// Which.
    pub partition: PartitionIndex,
    /// From where.
    pub offset: Offset,
    /// How many bytes at most.
    pub max_bytes: usize,
    /// The leader epoch that the client knows.
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// The epoch of the last record it has.
    pub last_fetched_epoch: Option<LeaderEpoch>,
    /// How far.
    pub isolation: ReadUntil,
    /// Whether the first batch comes even where it is larger.
    pub at_least_one: bool,
}

/// What was read.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Whole batches, the first of which contains the offset.
    pub pieces: Vec<Bytes>,
    /// Instead of pieces: batches to be sent from the file in which they are.
    pub slice: Option<FileSlice>,
    /// Bytes in all pieces, or in the slice.
    pub size: usize,
    /// Consumers see what is below.
    pub high_watermark: Offset,
    /// Consumers that read only committed records see what is below.
    pub last_stable_offset: Offset,
    /// The first record there is.
    pub log_start_offset: Offset,
    /// Where the client's log and this one part ways.
    pub diverging: Option<EpochEnd>,
    /// Transactions with records among these that do not count; only for who reads committed records. There may be
    /// some that begin further on.
    pub aborted: Vec<AbortedTransaction>,
}

/// Where an epoch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// The offset after its last record.
    pub end_offset: Offset,
}

/// Which offset to look up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListOffset {
    /// Of which partition.
    pub partition: PartitionIndex,
    /// The leader epoch that the client knows.
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// The first record at or after this time; negative for the special ones.
    pub timestamp: Timestamp,
    /// What the end is.
    pub isolation: ReadUntil,
}

/// An offset that was looked up; −1 where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedOffset {
    /// The record's timestamp.
    pub timestamp: Timestamp,
    /// Its offset.
    pub offset: Offset,
    /// Its epoch.
    pub leader_epoch: LeaderEpoch,
}

/// Why nothing was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// No topic has this name.
    #[error("topic does not exist")]
    UnknownTopic,
    /// The topic has no such partition.
    #[error("topic has no partition {0}")]
    UnknownPartition(PartitionIndex),
    /// The offset is outside the log.
    #[error("offset {offset} is outside the log, which goes from {start} to {end}")]
    OffsetOutOfRange {
        /// What was asked for.
        offset: Offset,
        /// The first there is.
        start: Offset,
        /// One past the last.
        end: Offset,
    },
    /// The client knows an older epoch.
    #[error("leader epoch {sent} is older than {current}")]
    FencedLeaderEpoch {
        /// The client's.
        sent: LeaderEpoch,
        /// The partition's.
        current: LeaderEpoch,
    },
    /// The client knows an epoch that has not been.
    #[error("leader epoch {sent} is newer than {current}")]
    UnknownLeaderEpoch {
        /// The client's.
        sent: LeaderEpoch,
        /// The partition's.
        current: LeaderEpoch,
    },
    /// A negative timestamp without meaning.
    #[error("timestamp {0} means nothing")]
    UnsupportedTimestamp(Timestamp),
    /// The files are damaged or cannot be read.
    #[error("partition cannot be read: {0}")]
    Storage(String),
}

impl From<ReadError> for FetchError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::OutOfRange { offset, start, end } => Self::OffsetOutOfRange { offset, start, end },
            ReadError::Storage(reason) => Self::Storage(reason),
            ReadError::Closed => Self::UnknownTopic,
        }
    }
}

/// Reads one partition, fetch after fetch. Made by [`Broker::reader`] for someone who may read the topic.
#[derive(Clone, Debug)]
pub struct PartitionReader {
    log: Arc<Log>,
}

impl PartitionReader {
    /// Reads whole batches.
    ///
    /// # Errors
    /// [`FetchError`].
    pub fn fetch(&self, fetch: &FetchPartition) -> Result<Fetched, FetchError> {
        if let Some(diverging) = self.check(fetch)? {
            return Ok(self.fetched(fetch, ReadOut::default(), Some(diverging)));
        }
        let read = self.log.read(fetch.offset, fetch.max_bytes, fetch.isolation, fetch.at_least_one)?;
        Ok(self.fetched(fetch, read, None))
    }

    /// As [`Self::fetch`], but never waits for the disk: `None` where it would have to. What lies in a file may be left
    /// there, to be sent from it.
    ///
    /// # Errors
    /// [`FetchError`].
    pub fn fetch_cached(&self, fetch: &FetchPartition) -> Result<Option<Fetched>, FetchError> {
        if let Some(diverging) = self.check(fetch)? {
            return Ok(Some(self.fetched(fetch, ReadOut::default(), Some(diverging))));
        }
        let read = self.log.read_cached(fetch.offset, fetch.max_bytes, fetch.isolation, fetch.at_least_one)?;
        Ok(read.map(|read| self.fetched(fetch, read, None)))
    }

    /// Checks the client's epoch; says where its log and this one part ways, if they do.
    fn check(&self, fetch: &FetchPartition) -> Result<Option<EpochEnd>, FetchError> {
        check_epoch(&self.log, fetch.current_leader_epoch)?;
        let Some(epoch) = fetch.last_fetched_epoch else { return Ok(None) };
        let Some((found, end_offset)) = self.log.epoch_end_offset(epoch) else {
            // Nobody wrote under such an epoch.
            let tail = self.log.tail();
            let (start, end) = (tail.log_start_offset, tail.high_watermark);
            return Err(FetchError::OffsetOutOfRange { offset: fetch.offset, start, end });
        };
        Ok((found < epoch || end_offset < fetch.offset).then_some(EpochEnd { epoch: found, end_offset }))
    }

    fn fetched(&self, fetch: &FetchPartition, read: ReadOut, diverging: Option<EpochEnd>) -> Fetched {
        // After the read: the high watermark is never below a record that goes with it.
        let tail = self.log.tail();
        let aborted = match fetch.isolation {
            ReadUntil::LastStable if read.size > 0 => self.aborted(fetch.offset, &read, tail.last_stable_offset),
            _ => Vec::new(),
        };
        Fetched {
            aborted,
            pieces: read.pieces,
            slice: read.slice,
            size: read.size,
            high_watermark: tail.high_watermark,
            last_stable_offset: tail.last_stable_offset,
            log_start_offset: tail.log_start_offset,
            diverging,
        }
    }

    /// The aborted transactions that whoever gets `read` has to leave out.
    fn aborted(&self, offset: Offset, read: &ReadOut, stable: Offset) -> Vec<AbortedTransaction> {
        let aborted = self.log.aborted_transactions(offset, stable);
        if aborted.is_empty() || (read.slice.is_some() && aborted.len() <= ABORTED_LISTED_MAX) {
            return aborted;
        }
        // Of one who is far behind most begin beyond what was read.
        let bytes = Bytes::from(read.pieces.concat());
        let last = batch::split(bytes).filter_map(Result::ok).last();
        let end = last.map_or(stable, |(header, _)| header.next_offset());
        aborted.into_iter().filter(|aborted| aborted.first_offset < end).collect()
    }

    /// What is visible: to all, and to those that read committed records.
    #[must_use]
    pub fn ends(&self) -> (Offset, Offset) {
        let tail = self.log.tail();
        (tail.high_watermark, tail.last_stable_offset)
    }

    /// Whether the topic was deleted: a new reader may find another log under its name.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.log.is_closed()
    }

    /// Wakes `waiter`, telling it `token`, when the partition grows or goes: see [`levada_store::Log::watch`].
    #[must_use]
    pub fn watch(&self, waiter: &Arc<Waiter>, token: u32) -> WatchGuard {
        self.log.watch(waiter, token)
    }
}

fn check_epoch(log: &Log, known: Option<LeaderEpoch>) -> Result<(), FetchError> {
    let current = log.tail().leader_epoch;
    match known {
        Some(sent) if sent < current => Err(FetchError::FencedLeaderEpoch { sent, current }),
        Some(sent) if sent > current => Err(FetchError::UnknownLeaderEpoch { sent, current }),
        _ => Ok(()),
    }
}

/// Timestamps that are not times.
mod special {
    pub(super) const LATEST: i64 = -1;
    pub(super) const EARLIEST: i64 = -2;
    pub(super) const MAX_TIMESTAMP: i64 = -3;
    pub(super) const EARLIEST_LOCAL: i64 = -4;
    pub(super) const LATEST_TIERED: i64 = -5;
    pub(super) const EARLIEST_PENDING_UPLOAD: i64 = -6;
}

impl Broker {
    fn log<O: Op>(
        &self,
        topic: &Grant<O, res::Topic>,
        partition: PartitionIndex,
        known_epoch: Option<LeaderEpoch>,
    ) -> Result<Arc<Log>, FetchError> {
        let image = self.store.image();
        let topic = image.topic(topic.name()).ok_or(FetchError::UnknownTopic)?;
        let log = topic.log(partition).ok_or(FetchError::UnknownPartition(partition))?;
        check_epoch(log, known_epoch)?;
        Ok(Arc::clone(log))
    }

    /// A reader of one partition, which looks its log up only once.
    ///
    /// # Errors
    /// [`FetchError::UnknownTopic`], [`FetchError::UnknownPartition`].
    pub fn reader(
        &self,
        topic: &Grant<op::Read, res::Topic>,
        partition: PartitionIndex,
    ) -> Result<PartitionReader, FetchError> {
        Ok(PartitionReader { log: self.log(topic, partition, None)? })
    }

    /// Reads whole batches of one partition.
    ///
    /// # Errors
    /// [`FetchError`].
    pub fn fetch(&self, topic: &Grant<op::Read, res::Topic>, fetch: &FetchPartition) -> Result<Fetched, FetchError> {
        self.reader(topic, fetch.partition)?.fetch(fetch)
    }

    /// Looks up an offset by time, or one of the special ones.
    ///
    /// # Errors
    /// [`FetchError`].
    ///
    /// Source: KIP-79, KIP-734, KIP-405, KIP-1005, KIP-1023.
    pub fn list_offset(
        &self,
        topic: &Grant<op::Describe, res::Topic>,
        list: &ListOffset,
    ) -> Result<ListedOffset, FetchError> {
        let log = self.log(topic, list.partition, list.current_leader_epoch)?;
        let tail = log.tail();
        let end = match list.isolation {
            ReadUntil::HighWatermark => tail.high_watermark,
            ReadUntil::LastStable => tail.last_stable_offset,
        };
        let at = |offset, leader_epoch| ListedOffset { timestamp: NO_TIMESTAMP, offset, leader_epoch };
        let none = at(NO_OFFSET, NO_EPOCH);
        let visible = |timestamp, offset, leader_epoch| {
            if offset < end { ListedOffset { timestamp, offset, leader_epoch } } else { none }
        };
        match list.timestamp {
            special::LATEST => Ok(at(end, tail.leader_epoch)),
            special::EARLIEST | special::EARLIEST_LOCAL => {
                Ok(at(tail.log_start_offset, log.epoch_at(tail.log_start_offset)))
            }
            special::MAX_TIMESTAMP => {
                Ok(log.newest_record()?.map_or(none, |at| visible(at.timestamp, at.offset, at.leader_epoch)))
            }
            // Nothing is tiered.
            special::LATEST_TIERED | special::EARLIEST_PENDING_UPLOAD => Ok(none),
            timestamp if timestamp < 0 => Err(FetchError::UnsupportedTimestamp(timestamp)),
            timestamp => {
                let found = log.offset_for_timestamp(timestamp)?;
                Ok(found.map_or(none, |at| visible(at.timestamp, at.offset, at.leader_epoch)))
            }
        }
    }

    /// Where the largest epoch at or below `epoch` ends; `None` where there is none.
    ///
    /// # Errors
    /// [`FetchError`].
    ///
    /// Source: KIP-279, KIP-320.
    pub fn epoch_end(
        &self,
        topic: &Grant<op::Describe, res::Topic>,
        partition: PartitionIndex,
        current_leader_epoch: Option<LeaderEpoch>,
        epoch: LeaderEpoch,
    ) -> Result<Option<EpochEnd>, FetchError> {
        let log = self.log(topic, partition, current_leader_epoch)?;
        Ok(log.epoch_end_offset(epoch).map(|(epoch, end_offset)| EpochEnd { epoch, end_offset }))
    }
}
