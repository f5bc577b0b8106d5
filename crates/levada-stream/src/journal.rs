//! [`Journal`]: a statement's memory, and the one who writes for it.
//!
//! It is a topic of its own, `_sql_<statement>`, which nobody else writes and which loses only what a snapshot stands
//! for. An epoch is one transaction, of the transactional id `levada-sql-<statement>`: outputs and the epoch's record
//! together. Parts of a snapshot are outside of transactions, lest one is open for long; the record that makes them a
//! snapshot is a transaction, so that nobody who was fenced can bring one about.

pub(crate) mod batches;
mod record;
mod recover;

pub use batches::{Output, OutputRecord};
pub use recover::Recovered;

use crate::{
    handle::HandleError,
    transacting::{TIMEOUT_MS, Transacting},
};
use batches::Plan;
use bytes::Bytes;
use levada_broker::{
    Broker,
    auth::{Caller, Denied, RESERVED_TRANSACTIONAL_PREFIX},
    own_producer::OwnProducer,
    own_topic::{OwnTopic, RESERVED_PREFIX},
};
use levada_model::{
    PartitionIndex, Str, TopicName,
    batch::Attributes,
    record::{BatchBuilder, NewRecord, ProducerStamp},
};
use levada_store::Log;
use record::{Head, Seal, Writer};
use std::sync::Arc;

/// What the names of journals begin with.
pub const JOURNAL_PREFIX: &str = RESERVED_PREFIX;

/// So many bytes of a snapshot are written at once.
const PART_SIZE: usize = 1 << 20;

/// Why an epoch or a snapshot was not committed. Nothing of it is visible, now or after a crash, unless it is
/// [`CommitError::InDoubt`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The statement's owner may not write to a topic.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// A topic does not take a record.
    #[error("partition {partition} of topic `{topic}` takes not what is written: {reason}")]
    Refused {
        /// Which.
        topic: TopicName,
        /// Which of its partitions.
        partition: PartitionIndex,
        /// Why.
        reason: String,
    },
    /// The epoch's record is too large.
    #[error("record of an epoch takes {size} bytes, at most {limit} can be written")]
    TooLarge {
        /// How many it takes.
        size: usize,
        /// How many it may take.
        limit: usize,
    },
    /// The store did not take it: the disk is full, say.
    #[error("it could not be written: {0}")]
    NotKept(String),
    /// Somebody else opened the journal, or it was not used for so long that its transactional id was forgotten.
    #[error("somebody else has opened the journal of the statement")]
    Fenced,
    /// Whether it is committed shows only when the journal is opened again.
    #[error("it is not known whether it was written: {0}; open the journal again")]
    InDoubt(String),
    /// An earlier commit ended so that the journal has to be opened again.
    #[error("an earlier commit failed: open the journal again")]
    Unusable,
}

/// The journal of one statement, open for its owner.
pub struct Journal {
    broker: Arc<Broker>,
    caller: Caller,
    topic: OwnTopic,
    log: Arc<Log>,
    transacting: Transacting,
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal")
            .field("topic", self.topic.name())
            .field("transacting", &self.transacting)
            .finish_non_exhaustive()
    }
}

impl Journal {
    pub(crate) async fn open(
        broker: &Arc<Broker>,
        caller: &Caller,
        statement: &str,
    ) -> Result<(Self, Recovered), HandleError> {
        let topic = topic_of(broker, statement)?;
        // Before anybody is fenced for a topic that is another's.
        topic.made().await?;
        let producer = OwnProducer::open(Arc::clone(broker), transactional_id(statement), TIMEOUT_MS).await?;
        // It may have been deleted meanwhile: its records are read behind the fence.
        let log = topic.made().await?;
        let read = Arc::clone(&log);
        let recovered = broker.run_blocking("sql-journal", move || recover::read(&read)).await;
        let recovered = recovered.ok_or(HandleError::Closed)??;
        let (broker, caller) = (Arc::clone(broker), caller.clone());
        Ok((Self { broker, caller, topic, log, transacting: Transacting::new(producer) }, recovered))
    }

    pub(crate) async fn delete(broker: &Arc<Broker>, statement: &str) -> Result<(), HandleError> {
        let topic = topic_of(broker, statement)?;
        if topic.id().is_none() {
            return Ok(());
        }
        // What goes on ends, in the topics that it writes, too.
        OwnProducer::open(Arc::clone(broker), transactional_id(statement), TIMEOUT_MS).await?;
        Ok(topic.delete().await?)
    }

    /// Whether it can be written to; where not, it has to be opened again.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.transacting.is_usable()
    }

    /// Commits an epoch: all of `outputs` and its record, in one transaction. Resolves when it is visible, and durable
    /// as far as the outputs' topics ask for that.
    ///
    /// Dropped before it resolves it is as after [`CommitError::InDoubt`].
    ///
    /// # Errors
    /// [`CommitError`].
    pub async fn commit(&mut self, outputs: Vec<Output>, epoch: Bytes) -> Result<(), CommitError> {
        self.check_usable()?;
        let plan = Plan::of(&self.broker, &self.caller, self.transacting.producer.producer(), outputs)?;
        let record = self.transactional(&Head::Epoch, &epoch);
        self.check_size(record.records_size())?;
        self.transacting.transact(plan.requests, Some((&self.log, record))).await
    }

    /// Writes a snapshot of any size that stands for all epochs so far. When it is durable, what lies before it goes.
    ///
    /// # Errors
    /// [`CommitError`]: snapshot and epochs before it are as they were.
    pub async fn snapshot(&mut self, chunks: impl Iterator<Item = Bytes>) -> Result<(), CommitError> {
        self.check_usable()?;
        // All epochs of this owner are below; somebody else's are not, but then this one is fenced.
        let covers = self.log.tail().high_watermark;
        let writer = Writer::from(self.transacting.producer.producer());
        let mut seal = Seal { writer, covers, part_count: 0, size: 0, checksum: 0 };
        let part_size = PART_SIZE.min(self.topic.batch_size_max() / 2).max(1);
        let mut builder = BatchBuilder::new();
        for mut chunk in chunks {
            loop {
                let part = chunk.split_to(chunk.len().min(part_size));
                let head = Head::Part { writer, index: seal.part_count, continues: !chunk.is_empty() };
                push(&mut builder, self.broker.wall_ms(), &head, &part);
                seal.add(&part);
                if builder.records_size() >= part_size {
                    self.append(std::mem::take(&mut builder)).await?;
                }
                if chunk.is_empty() {
                    break;
                }
            }
        }
        if builder.count() > 0 {
            self.append(builder).await?;
        }
        let record = self.transactional(&Head::Seal(seal), &Bytes::new());
        self.transacting.transact(Vec::new(), Some((&self.log, record))).await?;
        if let Err(error) = self.topic.trim(self.log.id().topic, covers).await {
            // It goes with the next one.
            tracing::warn!(topic = %self.topic.name(), %error, "what lies before a snapshot is still there");
        }
        Ok(())
    }

    /// Writes what counts only when a transaction says so.
    async fn append(&self, builder: BatchBuilder) -> Result<(), CommitError> {
        let appended = self.topic.append_to(Arc::clone(&self.log), builder).await;
        appended.map(drop).map_err(|error| CommitError::NotKept(error.to_string()))
    }

    fn transactional(&self, head: &Head, value: &Bytes) -> BatchBuilder {
        let producer = self.transacting.producer.producer();
        let stamp = ProducerStamp { id: producer.id, epoch: producer.epoch, base_sequence: 0 };
        let mut builder = BatchBuilder::new().with_producer(stamp).with_attributes(Attributes::TRANSACTIONAL);
        push(&mut builder, self.broker.wall_ms(), head, value);
        builder
    }

    fn check_usable(&self) -> Result<(), CommitError> {
        if self.is_usable() { Ok(()) } else { Err(CommitError::Unusable) }
    }

    fn check_size(&self, size: usize) -> Result<(), CommitError> {
        let limit = self.topic.batch_size_max() - levada_model::batch::HEADER_SIZE;
        if size > limit { Err(CommitError::TooLarge { size, limit }) } else { Ok(()) }
    }
}

fn push(builder: &mut BatchBuilder, timestamp: levada_model::Timestamp, head: &Head, value: &Bytes) {
    builder.push(&NewRecord { timestamp, key: Some(&head.encode()), value: Some(value), headers: &[] });
}

fn topic_of(broker: &Arc<Broker>, statement: &str) -> Result<OwnTopic, HandleError> {
    let name = TopicName::new(&format!("{JOURNAL_PREFIX}{statement}"))?;
    Ok(OwnTopic::journal(Arc::clone(broker), name))
}

fn transactional_id(statement: &str) -> Str {
    Str::from(format!("{RESERVED_TRANSACTIONAL_PREFIX}{statement}").as_str())
}
