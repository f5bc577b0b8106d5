//! One transactional producer, as a pure state machine: who may act, what a transaction spans, how it ends.
//!
//! No clock, no lock, no I/O: calls say what time it is and hand back the state to be written. Who writes it, with the
//! markers in one piece of the journal, is [`crate::transactions`].
//!
//! ```text
//!            add                end                    markers
//!   Empty ─────────▶ Ongoing ─────────▶ Prepare… ─────────────▶ Complete…
//!     ▲                 ▲                  (only where logs are not journalled,
//!     │ init            │ add               else Ongoing goes straight to Complete…)
//!     └──── any but Prepare… and Ongoing ◀─────────────────────────┘
//! ```
//!
//! There are two generations of the protocol: in the first a producer keeps its epoch from one transaction to the
//! next; in the second every end of a transaction raises it, so that a delayed request of one transaction can never
//! touch the next.
//!
//! Source: KIP-98, KIP-360, KIP-588, KIP-890; the transaction coordinator of Kafka 4.3.

pub mod records;

use crate::group::offsets::TopicPartition;
use levada_model::{Outcome, ProducerEpoch, ProducerId, Timestamp};
use std::collections::BTreeSet;

/// The epoch of a producer that was never given one.
pub const NO_EPOCH: ProducerEpoch = -1;
/// Producers are not given a higher epoch, so that they can always be fenced with one more.
const EPOCH_MAX: ProducerEpoch = ProducerEpoch::MAX - 1;

/// Which generation of the protocol a producer speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Generation {
    /// Partitions are added by request; the epoch stays.
    #[default]
    First,
    /// Partitions are added by producing; every end raises the epoch.
    Second,
}

/// Where a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Nothing was ever part of it.
    Empty,
    /// It has partitions and no end.
    Ongoing,
    /// Its end is decided; markers may be missing.
    Prepare(Outcome),
    /// It has ended.
    Complete(Outcome),
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 6] = [
        Self::Empty,
        Self::Ongoing,
        Self::Prepare(Outcome::Commit),
        Self::Prepare(Outcome::Abort),
        Self::Complete(Outcome::Commit),
        Self::Complete(Outcome::Abort),
    ];

    /// Kafka's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::Prepare(Outcome::Commit) => "PrepareCommit",
            Self::Prepare(Outcome::Abort) => "PrepareAbort",
            Self::Complete(Outcome::Commit) => "CompleteCommit",
            Self::Complete(Outcome::Abort) => "CompleteAbort",
        }
    }
}

/// Who acts: a producer id and its epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Producer {
    /// The id.
    pub id: ProducerId,
    /// The epoch.
    pub epoch: ProducerEpoch,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// The transactional id is not known, or belongs to another producer id.
    #[error("producer id does not belong to the transactional id")]
    InvalidMapping,
    /// Another producer with the same transactional id is newer.
    #[error("producer was fenced: there is a newer one with its transactional id")]
    Fenced,
    /// A transition is under way; try again.
    #[error("a transition of the transaction is under way")]
    Concurrent,
    /// The transaction is not in a state for that.
    #[error("transaction is `{}`, which does not allow that", .0.name())]
    InvalidState(Status),
    /// A partition was not added.
    #[error("partition is not part of the transaction")]
    NotAdded,
}

/// One transactional producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The producer of this moment.
    pub producer: Producer,
    /// Who it was before the last change of its epoch or id, for requests that are sent again.
    pub previous: Option<Producer>,
    /// A transaction that lasts longer is aborted.
    pub timeout_ms: i32,
    /// Where it stands.
    pub status: Status,
    /// Where its records are.
    pub partitions: BTreeSet<TopicPartition>,
    /// When it began; −1: it did not.
    pub started_ms: Timestamp,
    /// When its state last changed.
    pub updated_ms: Timestamp,
    /// How the producer speaks.
    pub generation: Generation,
}

/// What becomes of a request for a producer id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Init {
    /// Write this and answer with its producer.
    Ready(Transaction),
    /// Abort what goes on first, as this fenced producer; the client asks again.
    AbortFirst(Transaction),
}

/// What becomes of a request to end a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It was ended so before: answer with the producer of this moment.
    Done(Producer),
    /// Write markers as `marker` for all partitions, then `after` is the state.
    Write {
        /// What markers carry.
        marker: Producer,
        /// Decided, with the partitions that get markers.
        prepared: Transaction,
        /// Ended.
        after: Transaction,
    },
}

/// Who asks for the end of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// The producer.
    Client,
    /// The coordinator: time is up, or the producer was fenced.
    Coordinator,
}

impl Transaction {
    /// A producer without an epoch yet.
    #[must_use]
    pub const fn new(id: ProducerId, timeout_ms: i32, now: Timestamp) -> Self {
        Self {
            producer: Producer { id, epoch: NO_EPOCH },
            previous: None,
            timeout_ms,
            status: Status::Empty,
            partitions: BTreeSet::new(),
            started_ms: -1,
            updated_ms: now,
            generation: Generation::First,
        }
    }

    /// Whether the producer id has no epochs left: the next change of producer needs a new id.
    #[must_use]
    pub const fn is_exhausted(&self) -> bool {
        self.producer.epoch >= EPOCH_MAX
    }

    /// Gives a producer its next epoch; `expected` is who it says it is. `new_id` is taken where no epoch is left.
    ///
    /// # Errors
    /// [`TransactionError::Concurrent`], [`TransactionError::Fenced`].
    pub fn init(
        &self,
        now: Timestamp,
        timeout_ms: i32,
        expected: Option<Producer>,
        new_id: ProducerId,
    ) -> Result<Init, TransactionError> {
        let is_known = |expected: Producer| {
            self.producer.epoch == NO_EPOCH
                || expected.id == self.producer.id
                || (self.previous.is_some_and(|previous| previous.id == expected.id) && expected.epoch >= EPOCH_MAX)
        };
        if expected.is_some_and(|expected| !is_known(expected)) {
            return Err(TransactionError::Fenced);
        }
        match self.status {
            Status::Prepare(_) => return Err(TransactionError::Concurrent),
            Status::Ongoing => return Ok(Init::AbortFirst(self.fenced())),
            Status::Empty | Status::Complete(_) => {}
        }
        let current = self.producer;
        let mut next = Self {
            timeout_ms,
            status: Status::Empty,
            partitions: BTreeSet::new(),
            started_ms: -1,
            updated_ms: now,
            ..self.clone()
        };
        if self.is_exhausted() && expected.is_none_or(|expected| expected.epoch == current.epoch) {
            next.producer = Producer { id: new_id, epoch: 0 };
            next.previous = expected.map(|_| current);
            return Ok(Init::Ready(next));
        }
        match expected {
            None => next.previous = None,
            Some(expected) if current.epoch == NO_EPOCH || expected.epoch == current.epoch => {
                next.previous = Some(current);
            }
            // Sent again: its first answer was lost.
            Some(expected) if self.previous.is_some_and(|previous| previous.epoch == expected.epoch) => {
                return Ok(Init::Ready(next));
            }
            Some(_) => return Err(TransactionError::Fenced),
        }
        next.producer.epoch += 1;
        Ok(Init::Ready(next))
    }

    /// The same, under an epoch that no producer has.
    fn fenced(&self) -> Self {
        let producer = Producer { epoch: self.producer.epoch.saturating_add(1), ..self.producer };
        Self { producer, previous: None, ..self.clone() }
    }

    /// Whether `producer` is the one of this moment.
    ///
    /// # Errors
    /// [`TransactionError::InvalidMapping`], [`TransactionError::Fenced`].
    pub fn check(&self, producer: Producer) -> Result<(), TransactionError> {
        if producer.id != self.producer.id {
            Err(TransactionError::InvalidMapping)
        } else if producer.epoch != self.producer.epoch {
            Err(TransactionError::Fenced)
        } else {
            Ok(())
        }
    }

    /// Makes partitions part of the transaction, and begins it if there is none. `None` where they are already.
    ///
    /// # Errors
    /// [`TransactionError`].
    pub fn add(
        &self,
        now: Timestamp,
        producer: Producer,
        partitions: &BTreeSet<TopicPartition>,
        generation: Generation,
    ) -> Result<Option<Self>, TransactionError> {
        self.check(producer)?;
        let started_ms = match self.status {
            Status::Prepare(_) => return Err(TransactionError::Concurrent),
            Status::Ongoing if partitions.is_subset(&self.partitions) => return Ok(None),
            Status::Ongoing => self.started_ms,
            Status::Empty | Status::Complete(_) => now,
        };
        let partitions = self.partitions.union(partitions).cloned().collect();
        let status = Status::Ongoing;
        Ok(Some(Self { status, partitions, started_ms, updated_ms: now, generation, ..self.clone() }))
    }

    /// Whether `producer` may write to `partition` without adding it.
    ///
    /// # Errors
    /// [`TransactionError`].
    pub fn verify(&self, producer: Producer, partition: &TopicPartition) -> Result<(), TransactionError> {
        self.check(producer)?;
        match self.status {
            Status::Prepare(_) => Err(TransactionError::Concurrent),
            Status::Ongoing if self.partitions.contains(partition) => Ok(()),
            _ => Err(TransactionError::NotAdded),
        }
    }

    /// Ends the transaction. `new_id` is taken where the second generation has no epoch left.
    ///
    /// # Errors
    /// [`TransactionError`].
    pub fn end(
        &self,
        now: Timestamp,
        producer: Producer,
        outcome: Outcome,
        generation: Generation,
        new_id: ProducerId,
    ) -> Result<End, TransactionError> {
        let raises = generation == Generation::Second;
        let sent_again = raises && self.was_before(producer);
        if producer.id != self.producer.id && !sent_again {
            return Err(TransactionError::InvalidMapping);
        }
        if producer.epoch != self.producer.epoch && !sent_again {
            return Err(TransactionError::Fenced);
        }
        let invalid = Err(TransactionError::InvalidState(self.status));
        match self.status {
            Status::Ongoing if sent_again => Err(TransactionError::Fenced),
            Status::Ongoing => Ok(self.ended(now, outcome, generation, new_id)),
            Status::Prepare(decided) if decided == outcome => Err(TransactionError::Concurrent),
            Status::Complete(before) if raises && !sent_again => match outcome {
                // Nothing was added since: there is nothing to abort, but a new epoch to be had.
                Outcome::Abort => Ok(self.ended(now, outcome, generation, new_id)),
                Outcome::Commit => Err(TransactionError::InvalidState(Status::Complete(before))),
            },
            Status::Complete(before) if before == outcome => Ok(End::Done(self.producer)),
            Status::Empty if raises && !sent_again && outcome == Outcome::Abort => {
                Ok(self.ended(now, outcome, generation, new_id))
            }
            Status::Prepare(_) | Status::Complete(_) | Status::Empty => invalid,
        }
    }

    /// Whether `producer` is the one that ended the last transaction.
    fn was_before(&self, producer: Producer) -> bool {
        let raised = producer.id == self.producer.id && producer.epoch.checked_add(1) == Some(self.producer.epoch);
        let renewed = self.producer.epoch == 0
            && producer.epoch == EPOCH_MAX
            && self.previous.is_some_and(|previous| previous.id == producer.id);
        raised || renewed
    }

    /// Aborts the transaction for the coordinator: the producer is fenced. `None` where there is nothing to abort.
    #[must_use]
    pub fn abort(&self, now: Timestamp, new_id: ProducerId) -> Option<End> {
        if self.status != Status::Ongoing {
            return None;
        }
        Some(self.fenced().ended(now, Outcome::Abort, self.generation, new_id))
    }

    fn ended(&self, now: Timestamp, outcome: Outcome, generation: Generation, new_id: ProducerId) -> End {
        let started_ms = if self.started_ms < 0 || self.partitions.is_empty() { now } else { self.started_ms };
        let mut prepared = Self { generation, started_ms, updated_ms: now, ..self.clone() };
        prepared.status = Status::Prepare(outcome);
        if generation == Generation::Second {
            prepared.previous = Some(self.producer);
            prepared.producer.epoch = self.producer.epoch.saturating_add(1);
        }
        let mut after = prepared.clone();
        after.status = Status::Complete(outcome);
        after.partitions.clear();
        // Without a new id its next producer gets one.
        if generation == Generation::Second && prepared.producer.epoch > EPOCH_MAX && new_id.0 >= 0 {
            after.producer = Producer { id: new_id, epoch: 0 };
        }
        End::Write { marker: prepared.producer, prepared, after }
    }

    /// Whether the transaction has lasted longer than its producer said it would.
    #[must_use]
    pub const fn is_overdue(&self, now: Timestamp) -> bool {
        matches!(self.status, Status::Ongoing) && now.saturating_sub(self.started_ms) > self.timeout_ms as i64
    }

    /// Whether it has not been used for `age_ms`, and nothing goes on.
    #[must_use]
    pub const fn is_unused(&self, now: Timestamp, age_ms: i64) -> bool {
        let is_idle = matches!(self.status, Status::Empty | Status::Complete(_));
        is_idle && now.saturating_sub(self.updated_ms) >= age_ms
    }
}

#[cfg(test)]
mod tests;
