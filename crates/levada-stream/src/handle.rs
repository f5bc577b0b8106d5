//! [`Handle`]: topics as tables, and the way to everything else.

use crate::{
    catalog::Catalog,
    inputs::{InputPartition, Inputs},
    journal::{Journal, Recovered},
    read::ReadError,
    writer::Writer,
};
use levada_broker::{
    Broker, ValidateOnly,
    auth::{Caller, Denied, op, res},
    own_topic::OwnTopicError,
    streams::StreamTopic,
    topics::{AdminError, CreateTopic, CreateTopicError},
    transactions::TransactError,
};
use levada_model::{Offset, PartitionIndex, Str, Timestamp, TopicId, TopicName, ids::TopicNameError};
use levada_store::{Hold, TimestampKind};
use std::sync::Arc;

/// Why the broker did not do something for a statement.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// The caller may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// No topic has this name.
    #[error("topic `{0}` does not exist")]
    UnknownTopic(TopicName),
    /// The name cannot be a topic's.
    #[error(transparent)]
    InvalidName(#[from] TopicNameError),
    /// The topic could not be made.
    #[error(transparent)]
    Create(#[from] CreateTopicError),
    /// The topic could not be deleted.
    #[error("topic `{topic}` cannot be deleted: {error}")]
    Delete {
        /// The topic.
        topic: TopicName,
        /// Why not.
        error: AdminError,
    },
    /// The statement's journal is another's topic, or could not be made or deleted.
    #[error(transparent)]
    Journal(#[from] OwnTopicError),
    /// The statement could not be taken from whoever had it; the same may succeed later.
    #[error("statement cannot be taken over now: {0}")]
    Unavailable(#[from] TransactError),
    /// The journal cannot be read.
    #[error("journal of the statement cannot be read: {0}")]
    Read(#[from] ReadError),
    /// The journal has what this version does not understand.
    #[error("journal of the statement has a record at offset {offset} that is not understood: {reason}")]
    Record {
        /// Where.
        offset: Offset,
        /// What is wrong.
        reason: String,
    },
    /// The broker ends.
    #[error("broker is shutting down")]
    Closed,
}

/// A topic as a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its name.
    pub name: TopicName,
    /// Its identity: another topic of the name has another.
    pub id: TopicId,
    /// How many partitions it has.
    pub partition_count: PartitionIndex,
    /// Whether of each key the last record counts.
    pub is_compacted: bool,
    /// Whose clock stamps its records.
    pub timestamps: TimestampKind,
    /// Whether the platform itself writes it, and nobody else can.
    pub is_own: bool,
}

impl From<StreamTopic> for TopicInfo {
    fn from(topic: StreamTopic) -> Self {
        let StreamTopic { view, is_compacted, timestamps, is_own } = topic;
        let (name, id, partition_count) = (view.name, view.id, view.partitions);
        Self { name, id, partition_count, is_compacted, timestamps, is_own }
    }
}

/// The broker, as streaming SQL sees it. Clones are the same.
#[derive(Clone, Debug)]
pub struct Handle {
    broker: Arc<Broker>,
}

impl Handle {
    /// A handle to `broker`.
    #[must_use]
    pub const fn new(broker: Arc<Broker>) -> Self {
        Self { broker }
    }

    /// What the topic `name` is; asks whether `caller` may see it.
    ///
    /// # Errors
    /// [`HandleError::InvalidName`], [`HandleError::Denied`], [`HandleError::UnknownTopic`].
    pub fn topic(&self, caller: &Caller, name: &str) -> Result<TopicInfo, HandleError> {
        let name = TopicName::new(name)?;
        let grant = self.broker.authorize::<op::Describe, res::Topic>(caller, name.as_shared())?;
        self.broker.stream_topic(&grant).map(TopicInfo::from).ok_or(HandleError::UnknownTopic(name))
    }

    /// Bytes that a record may take, as [`OutputRecord::size_at_most`](crate::OutputRecord::size_at_most) counts them,
    /// so that `topic` takes it; asks whether `caller` may write there.
    ///
    /// # Errors
    /// [`HandleError::Denied`], [`HandleError::UnknownTopic`].
    pub fn record_size_max(&self, caller: &Caller, topic: &TopicName) -> Result<usize, HandleError> {
        let grant = self.broker.authorize::<op::Write, res::Topic>(caller, topic.as_shared())?;
        let batch = self.broker.batch_size_max(&grant).ok_or_else(|| HandleError::UnknownTopic(topic.clone()))?;
        // Compressed, which the topic may ask for, what cannot be is a little larger.
        Ok((batch - batch / 64).saturating_sub(levada_model::batch::HEADER_SIZE))
    }

    /// All topics that `caller` may see, by name.
    #[must_use]
    pub fn topics(&self, caller: &Caller) -> Vec<TopicInfo> {
        let names = self.broker.topic_names();
        let seen = |name: &TopicName| {
            let grant = self.broker.authorize::<op::Describe, res::Topic>(caller, name.as_shared()).ok()?;
            self.broker.stream_topic(&grant).map(TopicInfo::from)
        };
        names.iter().filter_map(seen).collect()
    }

    /// Opens all partitions of `topics` for reading, in the order of `topics`; asks whether `caller` may read them.
    ///
    /// Partitions that a topic gets later are not part of it.
    ///
    /// # Errors
    /// [`HandleError::Denied`], [`HandleError::UnknownTopic`].
    pub fn inputs(&self, caller: &Caller, topics: &[TopicName]) -> Result<Inputs, HandleError> {
        let mut partitions = Vec::new();
        for topic in topics {
            let grant = self.broker.authorize::<op::Read, res::Topic>(caller, topic.as_shared())?;
            let logs = self.broker.logs(&grant).ok_or_else(|| HandleError::UnknownTopic(topic.clone()))?;
            let named = |log: &Arc<levada_store::Log>| {
                let (topic, id) = (log.topic().clone(), log.id());
                InputPartition { topic, id: id.topic, partition: id.partition }
            };
            partitions.extend(logs.into_iter().map(|log| (named(&log), log)));
        }
        Ok(Inputs::new(Arc::clone(&self.broker), partitions))
    }

    /// Keeps retention and compaction from all that there is now.
    ///
    /// For the start: until each statement's journal has said what it needs, and [`Inputs::hold`] has it.
    #[must_use]
    pub fn hold_all(&self) -> Hold {
        self.broker.hold_all()
    }

    /// Creates a topic, for a table or a sink; asks whether `caller` may. −1 partitions are the broker's default.
    ///
    /// # Errors
    /// [`HandleError::Denied`], [`HandleError::Create`].
    pub async fn create_topic(
        &self,
        caller: &Caller,
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> Result<TopicInfo, HandleError> {
        let topic = self.broker.authorize_create(caller, &Str::from(name))?;
        let configs = configs.iter().map(|&(name, value)| (Str::from(name), Some(Str::from(value)))).collect();
        let create =
            CreateTopic { topic: topic.clone(), partitions, replication_factor: -1, assignments: Vec::new(), configs };
        self.broker.create_topics(vec![create], ValidateOnly::No).await.pop().ok_or(HandleError::Closed)??;
        let created = self.broker.stream_topic(&topic).map(TopicInfo::from);
        // It may be gone already.
        created.ok_or(HandleError::UnknownTopic(TopicName::new(name)?))
    }

    /// Deletes a topic with all its records; asks whether `caller` may.
    ///
    /// # Errors
    /// [`HandleError::InvalidName`], [`HandleError::Denied`], [`HandleError::UnknownTopic`], [`HandleError::Delete`].
    pub async fn delete_topic(&self, caller: &Caller, name: &str) -> Result<(), HandleError> {
        let name = TopicName::new(name)?;
        let grant = self.broker.authorize::<op::Delete, res::Topic>(caller, name.as_shared())?;
        match self.broker.delete_topic(&grant).await {
            Ok(_) => Ok(()),
            Err(AdminError::UnknownTopic) => Err(HandleError::UnknownTopic(name)),
            Err(error) => Err(HandleError::Delete { topic: name, error }),
        }
    }

    /// Opens the journal of `statement`, which is made where it is missing, and reads back what it has. Whoever had it
    /// open is fenced, and what they were about to commit is not there.
    ///
    /// What is written to topics is written in the name of `caller`.
    ///
    /// # Errors
    /// [`HandleError`].
    pub async fn journal(&self, caller: &Caller, statement: &str) -> Result<(Journal, Recovered), HandleError> {
        Journal::open(&self.broker, caller, statement).await
    }

    /// Deletes the journal of `statement`, and fences whoever has it open; well where there is none.
    ///
    /// # Errors
    /// [`HandleError`].
    pub async fn drop_journal(&self, statement: &str) -> Result<(), HandleError> {
        Journal::delete(&self.broker, statement).await
    }

    /// Who writes rows at once, without a journal; there is to be one.
    #[must_use]
    pub fn writer(&self) -> Writer {
        Writer::of(Arc::clone(&self.broker))
    }

    /// The topic with definitions of tables, views and statements.
    ///
    /// # Errors
    /// Never: the topic's name is legal.
    pub fn catalog(&self) -> Result<Catalog, HandleError> {
        Catalog::of(&self.broker)
    }

    /// What the broker's clock shows, in milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> Timestamp {
        self.broker.wall_ms()
    }
}
