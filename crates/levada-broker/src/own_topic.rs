//! A topic in which a part of the platform keeps its state, the schema registry or a statement of SQL say: made when it
//! is first needed, durable, and written by nobody else.
//!
//! It is compacted, or a journal, which loses only what its owner takes away. Another's topic of that name, one that is
//! mirrored in, is not ours until it is claimed ([`WRITER`]): two writers would contradict each
//! other. Names that begin with [`RESERVED_PREFIX`] cannot be another's.

use crate::{
    Broker,
    config::WRITER,
    internal_log::{self, Item},
};
use bytes::Bytes;
use levada_model::{
    Offset, Timestamp, TopicId, TopicName,
    batch::Batch,
    record::{BatchBuilder, NewRecord},
};
use levada_store::{Acks, AppendEntry, AppendError, AppendSet, Change, CommitError, Log, Origin};
use std::{collections::BTreeMap, sync::Arc};

/// Topics whose names begin so are made, written and deleted by the platform alone.
pub const RESERVED_PREFIX: &str = "_sql_";

/// Whether nobody but the platform makes, writes, changes or deletes the topic `name`.
pub(crate) fn is_reserved(name: &str) -> bool {
    name.starts_with(RESERVED_PREFIX)
}

/// No batch is larger, however much the journal holds.
const BATCH_SIZE_MAX: usize = 16 << 20;

/// A record of a topic of the platform's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnRecord {
    /// Milliseconds since 1970.
    pub timestamp: Timestamp,
    /// The key.
    pub key: Bytes,
    /// The value; without one it is a tombstone.
    pub value: Option<Bytes>,
}

/// Why nothing was written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OwnTopicError {
    /// The topic is another's.
    #[error("topic `{0}` is not ours: set `{WRITER}` to `true` once nobody else writes to it")]
    NotOurs(TopicName),
    /// The records do not fit into a batch.
    #[error("the records take {size} bytes, at most {limit} are written at once")]
    TooLarge {
        /// How many they take.
        size: usize,
        /// How many they may take.
        limit: usize,
    },
    /// The topic could not be made.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The records could not be written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The topic cannot be read.
    #[error("topic cannot be read: {0}")]
    Unreadable(String),
}

/// What becomes of records that nobody takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeps {
    /// Of each key the last one stays.
    LastOfKey,
    /// All stay.
    All,
}

impl Keeps {
    /// The settings of a topic that keeps so.
    fn configs(self) -> BTreeMap<String, String> {
        let configs: &[(&str, &str)] = match self {
            Self::LastOfKey => &[("cleanup.policy", "compact")],
            Self::All => &[
                ("cleanup.policy", "delete"),
                ("retention.ms", "-1"),
                ("retention.bytes", "-1"),
                // What is taken away goes a segment at a time.
                ("segment.bytes", "16777216"),
            ],
        };
        let all = configs.iter().chain(&[("durability", "fsync"), (WRITER, "true")]);
        all.map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

/// One topic of one partition.
#[derive(Clone)]
pub struct OwnTopic {
    broker: Arc<Broker>,
    name: TopicName,
    keeps: Keeps,
}

impl OwnTopic {
    /// The compacted topic `name`, which need not exist yet.
    #[must_use]
    pub const fn new(broker: Arc<Broker>, name: TopicName) -> Self {
        Self { broker, name, keeps: Keeps::LastOfKey }
    }

    /// The journal `name`, which need not exist yet: all records stay until [`Self::trim`].
    #[must_use]
    pub const fn journal(broker: Arc<Broker>, name: TopicName) -> Self {
        Self { broker, name, keeps: Keeps::All }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &TopicName {
        &self.name
    }

    /// Its partition, where it exists.
    #[must_use]
    pub fn log(&self) -> Option<Arc<Log>> {
        self.broker.store.image().topic(self.name.as_str()).and_then(|topic| topic.log(0).cloned())
    }

    /// Which topic of the name it is, where it exists.
    #[must_use]
    pub fn id(&self) -> Option<TopicId> {
        self.broker.store.image().topic(self.name.as_str()).map(|topic| topic.id)
    }

    /// So many bytes of records are written at once.
    #[must_use]
    pub fn batch_size_max(&self) -> usize {
        self.broker.store.batch_size_max().min(BATCH_SIZE_MAX)
    }

    /// Whether we write to it: it does not exist yet, or was claimed.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        let image = self.broker.store.image();
        let Some(topic) = image.topic(self.name.as_str()) else { return true };
        topic.configs.get(WRITER).is_some_and(|value| value == "true")
    }

    /// What the clock shows now, in milliseconds since 1970.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.broker.clock.wall_ms()
    }

    /// Hands records that lie from `offset` on, below the high watermark, to `take`; answers where to go on. Blocks.
    /// Records without a key, which a compacted topic does not take, are left out.
    ///
    /// # Errors
    /// [`OwnTopicError::Unreadable`].
    pub fn read(&self, offset: Offset, take: &mut dyn FnMut(OwnRecord)) -> Result<Offset, OwnTopicError> {
        let Some(log) = self.log() else { return Ok(0) };
        let mut each = |item| match item {
            Item::Record { timestamp, key: Some(key), value, .. } => take(OwnRecord { timestamp, key, value }),
            Item::Record { key: None, .. } | Item::End { .. } => {}
        };
        internal_log::read_from(&log, offset, &mut each).map_err(OwnTopicError::Unreadable)
    }

    /// Writes records, all or none, and answers with the offset of the first when they are durable; the topic is made
    /// where it is missing.
    ///
    /// # Errors
    /// [`OwnTopicError`].
    pub async fn append(&self, records: &[OwnRecord]) -> Result<Offset, OwnTopicError> {
        let log = self.made().await?;
        let mut builder = BatchBuilder::new();
        for OwnRecord { timestamp, key, value } in records {
            builder.push(&NewRecord { timestamp: *timestamp, key: Some(key), value: value.as_deref(), headers: &[] });
        }
        let (size, limit) = (builder.records_size(), self.batch_size_max());
        if size > limit {
            return Err(OwnTopicError::TooLarge { size, limit });
        }
        Ok(self.append_to(log, builder).await?)
    }

    /// Writes a batch of a journal to `log`, which is [`Self::made`]'s: should the topic be another by now, nothing is
    /// written.
    ///
    /// # Errors
    /// [`AppendError`].
    pub async fn append_to(&self, log: Arc<Log>, builder: BatchBuilder) -> Result<Offset, AppendError> {
        let batch = Batch::check(builder.finish()).expect("a batch that was just built is sound");
        let entries = vec![AppendEntry { log, batch, origin: Origin::Coordinator }];
        let ticket = self.broker.store.append(AppendSet { entries, acks: Acks::Durable });
        let outcome = ticket.await.and_then(|mut outcomes| outcomes.pop());
        Ok(outcome.unwrap_or(Err(AppendError::Closed))?.base_offset)
    }

    /// Takes away what lies below `offset` in the topic `id`, for good.
    ///
    /// # Errors
    /// [`CommitError`].
    pub async fn trim(&self, id: TopicId, offset: Offset) -> Result<(), CommitError> {
        let _one_at_a_time = self.broker.admin.lock().await;
        match self.log() {
            Some(log) if log.id().topic == id && offset > log.tail().log_start_offset => {
                self.broker.commit(vec![Change::SetLogStart { id, partition: 0, offset }]).await
            }
            _ => Ok(()),
        }
    }

    /// Deletes the topic with all that it has; well where there is none.
    ///
    /// # Errors
    /// [`OwnTopicError::NotOurs`], [`OwnTopicError::Commit`].
    pub async fn delete(&self) -> Result<(), OwnTopicError> {
        let _one_at_a_time = self.broker.admin.lock().await;
        if !self.is_ours() {
            return Err(OwnTopicError::NotOurs(self.name.clone()));
        }
        if let Some(id) = self.id() {
            self.broker.commit(vec![Change::DeleteTopic { id }]).await?;
            // Somebody may have read it in a group.
            self.broker.coordinator.forget_topic(&self.name).await;
        }
        Ok(())
    }

    /// Its partition; the topic is made where it is missing.
    ///
    /// # Errors
    /// [`OwnTopicError::NotOurs`], [`OwnTopicError::Commit`].
    pub async fn made(&self) -> Result<Arc<Log>, OwnTopicError> {
        if let Some(log) = self.log().filter(|_| self.is_ours()) {
            return Ok(log);
        }
        {
            // A topic must not inherit the offsets of one that was deleted just before a crash.
            self.broker.coordinator.loaded().await;
            let _one_at_a_time = self.broker.admin.lock().await;
            if self.log().is_none() {
                let configs = self.keeps.configs();
                let id = TopicId::random(&*self.broker.rng);
                let create = Change::CreateTopic { id, name: self.name.clone(), partitions: 1, configs };
                self.broker.commit(vec![create]).await?;
            }
        }
        self.log().filter(|_| self.is_ours()).ok_or_else(|| OwnTopicError::NotOurs(self.name.clone()))
    }
}
