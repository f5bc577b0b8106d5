//! Producing: which batches are taken, and what comes of them.
//!
//! Checks what can be checked without opening a batch; opens it only for compacted topics (every record needs a
//! key) and where the topic compresses otherwise than the producer did. Sequences, offsets and durability are
//! the store's.

use crate::{
    Broker,
    auth::{Grant, op, res},
    config::TopicConfig,
    group::offsets::TopicPartition,
    transaction::{Generation, Producer, TransactionError},
    transactions::{Admitted, TransactError},
};
use bytes::{BufMut, Bytes, BytesMut};
use levada_model::{
    NO_TIMESTAMP, PartitionIndex, ProducerId, Timestamp,
    batch::{Attributes, Batch, BatchError, CRC_FROM, Codec, HEADER_SIZE, LOG_OVERHEAD, MAGIC},
    crc::crc32c,
    record::Records,
};
use levada_store::{AppendEntry, AppendError, AppendOutcome, AppendSet, Appended, Log, Origin, Ticket, TimestampKind};
use std::{
    collections::BTreeSet,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// How much a batch may grow when it is opened.
const OPENED_SIZE_MAX: usize = 32 << 20;

/// No batch is smaller than its header.
const SIZE_MIN: i64 = 61;

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
            for ProducePartition { partition, records } in partitions {
                let checked = match (topic, &config) {
                    (Some(topic), Some(config)) => {
                        topic.log(partition).ok_or(ProduceError::UnknownPartition(partition)).and_then(|log| {
                            let batch = check(log, config, records, now)?;
                            check_size(batch.bytes().len(), self.store.batch_size_max())?;
                            if batch.header().attributes.is_transactional() && transaction.is_none() {
                                return Err(ProduceError::NoTransactionalId);
                            }
                            Ok((Arc::clone(log), batch))
                        })
                    }
                    _ => Err(ProduceError::UnknownTopic),
                };
                taken.push(match checked {
                    Err(error) => Slot::Refused(error),
                    Ok((log, batch)) => {
                        entries.push(AppendEntry { log, batch, origin: Origin::Client });
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

fn check(log: &Log, config: &TopicConfig, records: Option<Bytes>, now: Timestamp) -> Result<Batch, ProduceError> {
    if log.topic().is_internal() || config.is_ours {
        return Err(ProduceError::InvalidRecord(format!("`{}` is written by the broker alone", log.topic())));
    }
    let records = records.ok_or_else(|| ProduceError::Corrupt("no record batch".to_owned()))?;
    check_size(records.len(), config.message_size_max)?;
    let batch = Batch::check(records).map_err(|error| batch_error(&error))?;
    let header = batch.header();
    if header.base_offset != 0 {
        return Err(ProduceError::InvalidRecord("a producer's batch begins at offset 0".to_owned()));
    }
    if header.attributes.is_control() {
        return Err(ProduceError::InvalidRecord("control records are written by the broker alone".to_owned()));
    }
    if config.log.timestamps == TimestampKind::CreateTime {
        check_timestamp(header.base_timestamp, config, now)?;
        check_timestamp(header.max_timestamp, config, now)?;
    }
    let codec = header.attributes.codec().unwrap_or_default();
    let target = config.compression.filter(|&wanted| wanted != codec);
    if !config.is_compacted && target.is_none() {
        return Ok(batch);
    }
    let opened = levada_compress::decompress(codec, &batch.records(), OPENED_SIZE_MAX)
        .map_err(|error| ProduceError::Corrupt(error.to_string()))?;
    check_records(&opened, header.record_count, config)?;
    match target {
        None => Ok(batch),
        Some(target) => {
            let batch = recompressed(&batch, target, &opened)?;
            check_size(batch.bytes().len(), config.message_size_max)?;
            Ok(batch)
        }
    }
}

fn check_size(size: usize, limit: usize) -> Result<(), ProduceError> {
    if size > limit { Err(ProduceError::TooLarge { size, limit }) } else { Ok(()) }
}

fn batch_error(error: &BatchError) -> ProduceError {
    match error {
        BatchError::Length { claimed, .. } if *claimed < SIZE_MIN => ProduceError::Corrupt(error.to_string()),
        BatchError::Length { claimed, actual } if i64::try_from(*actual).is_ok_and(|actual| actual > *claimed) => {
            ProduceError::InvalidRecord("a partition takes one record batch a request".to_owned())
        }
        BatchError::Magic(magic) if *magic > MAGIC => ProduceError::Corrupt(error.to_string()),
        BatchError::Producer { id, epoch, .. } if *id >= 0 && *epoch < 0 => {
            let producer = ProducerId(*id);
            ProduceError::Append(AppendError::InvalidProducerEpoch { producer, sent: *epoch, current: 0 })
        }
        BatchError::Crc { .. } => ProduceError::Corrupt(error.to_string()),
        BatchError::Truncated(_)
        | BatchError::Length { .. }
        | BatchError::Magic(_)
        | BatchError::Codec(_)
        | BatchError::Count { .. }
        | BatchError::Producer { .. } => ProduceError::InvalidRecord(error.to_string()),
    }
}

fn check_timestamp(timestamp: Timestamp, config: &TopicConfig, now: Timestamp) -> Result<(), ProduceError> {
    if timestamp == NO_TIMESTAMP {
        return Ok(());
    }
    let too_old = now.saturating_sub(timestamp) > config.timestamp_before_max_ms;
    let too_new = timestamp.saturating_sub(now) > config.timestamp_after_max_ms;
    if too_old || too_new { Err(ProduceError::InvalidTimestamp { timestamp, now }) } else { Ok(()) }
}

fn check_records(opened: &Bytes, count: i32, config: &TopicConfig) -> Result<(), ProduceError> {
    for (index, record) in (0..).zip(Records::new(opened.clone(), count)) {
        let record = record.map_err(|error| ProduceError::Corrupt(error.to_string()))?;
        if config.is_compacted && record.offset_delta != index {
            // Compaction goes by the offset of each record.
            return Err(ProduceError::InvalidRecord("offset deltas count from 0".to_owned()));
        }
        if config.is_compacted && record.key.is_none() {
            return Err(ProduceError::InvalidRecord("a compacted topic needs a key in every record".to_owned()));
        }
    }
    Ok(())
}

/// The same records under another codec. Offsets, timestamps and producer fields stay.
fn recompressed(batch: &Batch, codec: Codec, opened: &Bytes) -> Result<Batch, ProduceError> {
    let block =
        levada_compress::compress(codec, opened).map_err(|error| ProduceError::InvalidRecord(error.to_string()))?;
    let size = HEADER_SIZE + block.len();
    let length =
        i32::try_from(size - LOG_OVERHEAD).map_err(|_| ProduceError::TooLarge { size, limit: OPENED_SIZE_MAX })?;
    let sent = batch.bytes();
    let attributes = Attributes((batch.header().attributes.0 & !7) | codec.id());
    let mut body = BytesMut::with_capacity(size - CRC_FROM);
    body.put_i16(attributes.0);
    body.put_slice(&sent.slice(CRC_FROM + 2..HEADER_SIZE));
    body.put_slice(&block);
    let mut bytes = BytesMut::with_capacity(size);
    bytes.put_slice(&sent.slice(..8));
    bytes.put_i32(length);
    bytes.put_slice(&sent.slice(LOG_OVERHEAD..17));
    bytes.put_u32(crc32c(&body));
    bytes.put_slice(&body);
    Batch::check(bytes.freeze()).map_err(|error| batch_error(&error))
}
