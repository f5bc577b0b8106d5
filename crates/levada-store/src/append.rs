//! What an append asks for, and what comes of it.

use crate::log::Log;
use levada_model::{NO_TIMESTAMP, Offset, ProducerEpoch, ProducerId, Timestamp, batch::Batch};
use std::sync::Arc;

/// How far a batch must have come before its append is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// Not at all: nobody waits.
    None,
    /// As durable as the topic's setting promises. One node: `acks=1` and `acks=all` are the same promise.
    Durable,
    /// Durable, and after a crash all batches of the request are there or none. Refused as a whole where a batch is
    /// refused, with [`AppendError::NotJournalled`] where one would pass the journal by.
    Together,
}

/// Who wrote a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A producer.
    Client,
    /// The broker itself: group state, say.
    Coordinator,
}

/// One batch for one log.
#[derive(Clone, Debug)]
pub struct AppendEntry {
    /// Where it goes.
    pub log: Arc<Log>,
    /// The checked batch; its base offset is not looked at.
    pub batch: Batch,
    /// Who wrote it.
    pub origin: Origin,
}

/// The batches of one request; each is taken or refused by itself.
#[derive(Clone, Debug)]
pub struct AppendSet {
    /// In the order in which results come.
    pub entries: Vec<AppendEntry>,
    /// When to answer.
    pub acks: Acks,
}

/// A batch was appended, now or, where it was sent again, earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of its first record.
    pub base_offset: Offset,
    /// The broker's time where the topic stamps batches with it, else −1.
    pub log_append_time: Timestamp,
    /// The log's first offset.
    pub log_start_offset: Offset,
}

impl Appended {
    /// An append without a broker timestamp.
    #[must_use]
    pub const fn at(base_offset: Offset, log_start_offset: Offset) -> Self {
        Self { base_offset, log_append_time: NO_TIMESTAMP, log_start_offset }
    }
}

/// Why a batch was not appended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// A batch of this producer is missing before this one.
    #[error("producer `{producer}` sent sequence {sent}, {expected} was next")]
    OutOfOrderSequence {
        /// Who.
        producer: ProducerId,
        /// The batch's first sequence.
        sent: i32,
        /// The one that was due.
        expected: i32,
    },
    /// A newer epoch of this producer was seen.
    #[error("producer `{producer}` was fenced: epoch {sent} is older than {current}")]
    InvalidProducerEpoch {
        /// Who.
        producer: ProducerId,
        /// The batch's epoch.
        sent: ProducerEpoch,
        /// The newest.
        current: ProducerEpoch,
    },
    /// The producer has an open transaction, of which the batch is not part.
    #[error("producer `{producer}` has an open transaction, and the batch is not part of it")]
    OutsideTransaction {
        /// Who.
        producer: ProducerId,
    },
    /// The log is not journalled, and a batch for it cannot go together with others.
    #[error("log is not journalled")]
    NotJournalled,
    /// The disk is full. Trying again later may succeed.
    #[error("no space is left in the data directory")]
    NoSpace,
    /// A write or sync failed; nothing is taken any more.
    #[error("log is closed for writing after an error of the disk: {0}")]
    Poisoned(String),
    /// The partition's files are damaged.
    #[error("partition is quarantined: {0}")]
    Quarantined(String),
    /// The topic was deleted meanwhile, or the store is shutting down.
    #[error("log is closed")]
    Closed,
}

/// What came of one entry.
pub type AppendOutcome = Result<Appended, AppendError>;
