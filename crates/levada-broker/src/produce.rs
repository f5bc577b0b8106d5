//! Producing: which batches are taken, and what comes of them.
//!
//! Checks what can be checked without opening a batch; opens it only for compacted topics (every record needs a
//! key), where the topic compresses otherwise than the producer did, and where it asks for schemas. Sequences, offsets
//! and durability are the store's.

mod check;
mod schemas;

use crate::{
    Broker,
    auth::{Grant, op, res},
    config::TopicConfig,
    group::offsets::TopicPartition,
    transaction::{Generation, Producer, TransactionError},
    transactions::{Admitted, TransactError},
};
use bytes::Bytes;
use check::{check, check_size};
use levada_model::{PartitionIndex, ProducerId, Timestamp};
use levada_store::{AppendEntry, AppendError, AppendOutcome, AppendSet, Appended, Origin, Ticket, Topic};
use std::{
    collections::BTreeSet,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// How far a batch must have come before it is acknowledged, as the producer asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// `0`: nobody waits.
    None,
    /// `1`.
    Leader,
    /// `-1` or `all`.
    All,
}

/// What one request brings for one topic.
#[derive(Clone, Debug)]
pub struct ProduceTopic {
    /// The topic.
    pub topic: Grant<op::Write, res::Topic>,
    /// Its partitions.
    pub partitions: Vec<ProducePartition>,
}

/// What one request brings for one partition.
#[derive(Clone, Debug)]
pub struct ProducePartition {
    /// Which.
    pub partition: PartitionIndex,
    /// One record batch.
    pub records: Option<Bytes>,
}

pub use schemas::ERRORS_MAX;

/// What came of one batch.
pub type ProduceOutcome = Result<Appended, ProduceError>;

/// Why a batch was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProduceError {
    /// No topic has this name.
    #[error("topic does not exist")]
    UnknownTopic,
    /// The topic has no such partition.
    #[error("topic has no partition {0}")]
    UnknownPartition(PartitionIndex),
    /// The bytes are not a batch, or not the one that was sent.
    #[error("{0}")]
    Corrupt(String),
    /// The batch says what a producer may not say.
    #[error("{0}")]
    InvalidRecord(String),
    /// Some of the batch's records have not the schemas that the topic asks for.
    #[error("{message}")]
    InvalidRecords {
        /// The first of them, and how many there are.
        message: String,
        /// Which, counted from 0, and why; the first [`ERRORS_MAX`] of them.
        records: Vec<(i32, String)>,
    },
    /// The topic asks for schemas, and what is registered is not known at this moment.
    #[error("{0}")]
    SchemasUnknown(String),
    /// The batch is too large for the topic.
    #[error("batch of {size} bytes exceeds the limit of {limit} (`max.message.bytes`, or what fits into the journal)")]
    TooLarge {
        /// How large it is.
        size: usize,
        /// How large it may be.
        limit: usize,
    },
    /// A timestamp is too far from now.
    #[error("timestamp {timestamp} is out of bounds: now is {now}")]
    InvalidTimestamp {
        /// The batch's.
        timestamp: Timestamp,
        /// The broker's.
        now: Timestamp,
    },
    /// The batch is part of a transaction, and the request names no transactional id that the client may use.
    #[error("a batch of a transaction needs a request with its transactional id")]
    NoTransactionalId,
    /// The transaction does not allow it.
    #[error(transparent)]
    Transact(#[from] TransactError),
    /// The store did not take it.
    #[error(transparent)]
    Append(#[from] AppendError),
}

enum Slot {
    Refused(ProduceError),
    Waiting,
}

/// The outcomes of one request, in its order of topics and partitions, as soon as they are known.
pub struct Produced {
    slots: Vec<Vec<Slot>>,
    /// Whether the first outcome is of the transaction's own state.
    begins_with_state: bool,
    ticket: Option<Ticket<Vec<AppendOutcome>>>,
}

/// The transaction that a request is part of.
#[derive(Clone, Debug)]
pub struct ProduceTransaction {
    /// Its transactional id.
    pub id: Grant<op::Write, res::TransactionalId>,
    /// The second generation makes the partitions part of it.
    pub generation: Generation,
}

impl Future for Produced {
    type Output = Vec<Vec<ProduceOutcome>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let outcomes = match &mut this.ticket {
            None => Vec::new(),
            Some(ticket) => match Pin::new(ticket).poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(outcomes) => outcomes.unwrap_or_default(),
            },
        };
        let mut outcomes = outcomes.into_iter();
        let state =
            if this.begins_with_state { outcomes.next().unwrap_or(Err(AppendError::Closed)).err() } else { None };
        let mut settle = |slot| match (slot, &state) {
            (Slot::Refused(error), _) => Err(error),
            (Slot::Waiting, Some(error)) => Err(error.clone().into()),
            (Slot::Waiting, None) => outcomes.next().unwrap_or(Err(AppendError::Closed)).map_err(ProduceError::from),
        };
        let slots = std::mem::take(&mut this.slots);
        Poll::Ready(slots.into_iter().map(|topic| topic.into_iter().map(&mut settle).collect()).collect())
    }
}

impl Broker {
    /// Appends the batches of one request, each by itself, and resolves when they are as durable as promised.
    ///
    /// Appends now, not when first polled: the order of calls is the order of records. With [`Acks::None`]
    /// the outcomes say only what was refused at once.
    pub fn produce(&self, acks: Acks, transaction: Option<&ProduceTransaction>, topics: Vec<ProduceTopic>) -> Produced {
        let now = self.clock.wall_ms();
        let image = self.store.image();
        let mut entries = Vec::new();
        let mut slots = Vec::with_capacity(topics.len());
        for ProduceTopic { topic: grant, partitions } in topics {
            let topic = image.topic(grant.name());
            let config = topic.map(|topic| self.topic_config(topic));
            let mut taken = Vec::with_capacity(partitions.len());
            for partition in partitions {
                let checked = match (topic, &config) {
                    (Some(topic), Some(config)) => self.checked(topic, config, partition, now).and_then(|entry| {
                        if entry.batch.header().attributes.is_transactional() && transaction.is_none() {
                            return Err(ProduceError::NoTransactionalId);
                        }
                        Ok(entry)
                    }),
                    _ => Err(ProduceError::UnknownTopic),
                };
                taken.push(match checked {
                    Err(error) => Slot::Refused(error),
                    Ok(entry) => {
                        entries.push(entry);
                        Slot::Waiting
                    }
                });
            }
            slots.push(taken);
        }
        let wanted = match acks {
            Acks::None => levada_store::Acks::None,
            Acks::Leader | Acks::All => levada_store::Acks::Durable,
        };
        let is_transactional = |entry: &AppendEntry| entry.batch.header().attributes.is_transactional();
        match transaction.filter(|_| entries.iter().any(is_transactional)) {
            None => {
                let ticket = (!entries.is_empty()).then(|| self.store.append(AppendSet { entries, acks: wanted }));
                Produced { slots, begins_with_state: false, ticket }
            }
            Some(transaction) => self.produce_in(transaction, wanted, entries, slots),
        }
    }

    /// What is to be appended, where a producer may do that.
    pub(crate) fn checked(
        &self,
        topic: &Topic,
        config: &TopicConfig,
        partition: ProducePartition,
        now: Timestamp,
    ) -> Result<AppendEntry, ProduceError> {
        let ProducePartition { partition, records } = partition;
        let log = topic.log(partition).ok_or(ProduceError::UnknownPartition(partition))?;
        let batch = check(log, config, &self.registry, records, now)?;
        check_size(batch.bytes().len(), self.store.batch_size_max())?;
        Ok(AppendEntry { log: Arc::clone(log), batch, origin: Origin::Client })
    }

    fn produce_in(
        &self,
        transaction: &ProduceTransaction,
        acks: levada_store::Acks,
        mut entries: Vec<AppendEntry>,
        slots: Vec<Vec<Slot>>,
    ) -> Produced {
        let mut partitions = BTreeSet::new();
        let mut producers = BTreeSet::new();
        for entry in entries.iter().filter(|entry| entry.batch.header().attributes.is_transactional()) {
            let header = entry.batch.header();
            producers.insert(Producer { id: ProducerId(header.producer_id), epoch: header.producer_epoch });
            partitions.insert(TopicPartition { topic: entry.log.topic().clone(), partition: entry.log.partition() });
        }
        let append = |admitted| {
            let mut entries = std::mem::take(&mut entries);
            let begins_with_state = matches!(admitted, Admitted::Added(_));
            if let Admitted::Added(state) = admitted {
                entries.insert(0, state);
            }
            (self.store.append(AppendSet { entries, acks }), begins_with_state)
        };
        let mut producers = producers.into_iter();
        let (id, generation) = (transaction.id.name(), transaction.generation);
        let appended = match (producers.next(), producers.next()) {
            (Some(producer), None) => self.transactions.with(id, producer, &partitions, generation, append),
            // The transactional id belongs to one of them at most.
            _ => Err(TransactionError::InvalidMapping.into()),
        };
        match appended {
            Ok((ticket, begins_with_state)) => Produced { slots, begins_with_state, ticket: Some(ticket) },
            Err(error) => {
                if error.is_passing() {
                    entries.iter().for_each(|entry| entry.log.expect_again(entry.batch.header()));
                }
                let refuse = |slot| match slot {
                    Slot::Waiting => Slot::Refused(ProduceError::Transact(error.clone())),
                    refused @ Slot::Refused(_) => refused,
                };
                let slots = slots.into_iter().map(|topic| topic.into_iter().map(refuse).collect()).collect();
                Produced { slots, begins_with_state: false, ticket: None }
            }
        }
    }
}
