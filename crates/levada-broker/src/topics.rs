//! Topics: seeing, creating, growing and deleting them.
//!
//! Changes are made one after the other and answered when durable.

use crate::{
    Broker, ValidateOnly,
    auth::{Grant, Op, op, res},
    config::{
        BrokerConfig, ConfigError, DescribedConfig, TopicDefaults, WRITER, alter, describe, topic::check_batch_size,
    },
    own_topic::{RESERVED_PREFIX, is_reserved},
};
use levada_model::{LeaderEpoch, NodeId, PartitionIndex, Str, TopicId, TopicName, ids::TopicNameError};
use levada_store::{Change, ClusterImage, CommitError, Topic};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// A topic as clients see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicView {
    /// Its identity.
    pub id: TopicId,
    /// Its name.
    pub name: TopicName,
    /// How many partitions.
    pub partitions: PartitionIndex,
    /// Whether the broker itself writes it.
    pub is_internal: bool,
    /// Under which its partitions append.
    pub leader_epoch: LeaderEpoch,
}

/// A topic to be created.
#[derive(Clone, Debug)]
pub struct CreateTopic {
    /// Its name.
    pub topic: Grant<op::Create, res::Topic>,
    /// How many partitions; −1 for the default, or where replicas are assigned.
    pub partitions: i32,
    /// How many replicas; −1 for the default, or where replicas are assigned.
    pub replication_factor: i16,
    /// Which brokers keep which partition; none leaves it to the cluster.
    pub assignments: Vec<(PartitionIndex, Vec<NodeId>)>,
    /// Its settings.
    pub configs: Vec<(Str, Option<Str>)>,
}

/// A topic that was created, or would have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its identity; zero where it was only checked.
    pub id: TopicId,
    /// How many partitions.
    pub partitions: i32,
    /// How many replicas.
    pub replication_factor: i16,
    /// All its settings.
    pub configs: Vec<DescribedConfig>,
}

/// Why a topic was not created or not grown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateTopicError {
    /// It exists.
    #[error("topic `{0}` already exists")]
    AlreadyExists(TopicName),
    /// The name is not legal.
    #[error(transparent)]
    InvalidName(#[from] TopicNameError),
    /// The name differs from another only by `.` and `_`, which metric names cannot tell apart.
    #[error("topic `{name}` collides with `{existing}`: `.` and `_` are the same in the names of metrics")]
    Collision {
        /// The name.
        name: TopicName,
        /// The topic that exists.
        existing: TopicName,
    },
    /// The name is the platform's own.
    #[error("topic `{0}` is not yours to create: names that begin with `{RESERVED_PREFIX}` are the platform's own")]
    Reserved(TopicName),
    /// The number of partitions is not legal.
    #[error("{0}")]
    InvalidPartitions(String),
    /// There is one broker.
    #[error(
        "replication factor {sent} is larger than the number of brokers, 1; `replication.factor.clamp=true` takes it for 1"
    )]
    InvalidReplicationFactor {
        /// What was asked for.
        sent: i32,
    },
    /// The assignment of replicas is not legal.
    #[error("{0}")]
    InvalidAssignment(String),
    /// Numbers beside an assignment, which has them already.
    #[error("with assignments, partitions and replication factor are -1")]
    NumbersBesideAssignment,
    /// A setting is not legal.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It could not be kept.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Why a topic was not changed or deleted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// No topic has this name.
    #[error("topic does not exist")]
    UnknownTopic,
    /// `delete.topic.enable` is off.
    #[error("`delete.topic.enable` is off")]
    DeletionDisabled,
    /// The broker itself needs it.
    #[error("topic `{0}` is the broker's own")]
    InternalTopic(TopicName),
    /// It could not be kept.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Why a topic did not grow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreatePartitionsError {
    /// No topic has this name.
    #[error("topic does not exist")]
    UnknownTopic,
    /// The broker itself places its groups by the number of partitions.
    #[error("topic `{0}` is the broker's own")]
    InternalTopic(TopicName),
    /// The number is not legal.
    #[error("{0}")]
    InvalidPartitions(String),
    /// The assignment of replicas is not legal.
    #[error("{0}")]
    InvalidAssignment(String),
    /// It could not be kept.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl Broker {
    /// Names of all topics: what a client may see of them is asked for each.
    #[must_use]
    pub fn topic_names(&self) -> Vec<TopicName> {
        self.store.image().topics.keys().cloned().collect()
    }

    /// The name of the topic with this id.
    #[must_use]
    pub fn name_of(&self, id: TopicId) -> Option<TopicName> {
        self.store.image().topic_by_id(id).map(|topic| topic.name.clone())
    }

    /// The id of a topic.
    #[must_use]
    pub fn topic_id<O: Op>(&self, topic: &Grant<O, res::Topic>) -> Option<TopicId> {
        self.store.image().topic(topic.name()).map(|topic| topic.id)
    }

    /// How many partitions a topic has, if it exists.
    #[must_use]
    pub fn partition_count<O: Op>(&self, topic: &Grant<O, res::Topic>) -> Option<PartitionIndex> {
        let image = self.store.image();
        image.topic(topic.name()).map(|topic| PartitionIndex::try_from(topic.logs.len()).unwrap_or(PartitionIndex::MAX))
    }

    /// A topic as clients see it.
    #[must_use]
    pub fn topic(&self, topic: &Grant<op::Describe, res::Topic>) -> Option<TopicView> {
        self.store.image().topic(topic.name()).map(view)
    }

    /// Creates topics, each by itself; outcomes come in the order of `topics`.
    pub async fn create_topics(
        &self,
        topics: Vec<CreateTopic>,
        validate_only: ValidateOnly,
    ) -> Vec<Result<CreatedTopic, CreateTopicError>> {
        // A topic must not inherit the offsets of one that was deleted just before a crash.
        self.coordinator.loaded().await;
        let _one_at_a_time = self.admin.lock().await;
        let image = self.store.image();
        let config = self.config();
        let mut names = Names::of(&image, self.store.batch_size_max());
        let plans: Vec<_> = topics.iter().map(|topic| names.plan(topic, &config)).collect();
        let mut changes = Vec::new();
        let mut outcomes = Vec::with_capacity(plans.len());
        for plan in plans {
            outcomes.push(plan.map(|plan| {
                let id = TopicId::random(&*self.rng);
                let Plan { name, partitions, configs } = plan;
                let shown = describe::topic(&configs, &config, None);
                changes.push(Change::CreateTopic { id, name, partitions, configs });
                CreatedTopic { id, partitions, replication_factor: 1, configs: shown }
            }));
        }
        if validate_only == ValidateOnly::Yes || changes.is_empty() {
            return outcomes;
        }
        match self.commit(changes).await {
            Ok(()) => outcomes,
            Err(error) => {
                let fail = |outcome: Result<_, _>| outcome.and(Err(CreateTopicError::from(error.clone())));
                outcomes.into_iter().map(fail).collect()
            }
        }
    }

    /// Creates a topic that a client asked about, with the defaults; well if it exists meanwhile.
    ///
    /// # Errors
    /// [`CreateTopicError`].
    pub async fn create_automatically(&self, topic: Grant<op::Create, res::Topic>) -> Result<(), CreateTopicError> {
        let create =
            CreateTopic { topic, partitions: -1, replication_factor: -1, assignments: Vec::new(), configs: Vec::new() };
        match self.create_topics(vec![create], ValidateOnly::No).await.pop() {
            None | Some(Ok(_) | Err(CreateTopicError::AlreadyExists(_))) => Ok(()),
            Some(Err(error)) => Err(error),
        }
    }

    /// Deletes a topic, its records and the offsets committed in it.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn delete_topic(&self, topic: &Grant<op::Delete, res::Topic>) -> Result<TopicId, AdminError> {
        let _one_at_a_time = self.admin.lock().await;
        if !self.config().delete_topics() {
            return Err(AdminError::DeletionDisabled);
        }
        let image = self.store.image();
        let topic = image.topic(topic.name()).ok_or(AdminError::UnknownTopic)?;
        if self.is_own(topic) {
            return Err(AdminError::InternalTopic(topic.name.clone()));
        }
        self.commit(vec![Change::DeleteTopic { id: topic.id }]).await?;
        self.coordinator.forget_topic(&topic.name).await;
        Ok(topic.id)
    }

    /// Whether the broker, or a part of the platform, keeps its state in a topic: it is not taken away under it.
    pub(crate) fn is_own(&self, topic: &Topic) -> bool {
        topic.name.is_internal()
            || is_reserved(topic.name.as_str())
            || topic.configs.get(WRITER).is_some_and(|value| value == "true")
    }

    /// Gives a topic more partitions, so that it has `count`.
    ///
    /// # Errors
    /// [`CreatePartitionsError`].
    pub async fn create_partitions(
        &self,
        topic: &Grant<op::Alter, res::Topic>,
        count: i32,
        assignments: Option<&[Vec<NodeId>]>,
        validate_only: ValidateOnly,
    ) -> Result<(), CreatePartitionsError> {
        let _one_at_a_time = self.admin.lock().await;
        let image = self.store.image();
        let topic = image.topic(topic.name()).ok_or(CreatePartitionsError::UnknownTopic)?;
        if self.is_own(topic) {
            return Err(CreatePartitionsError::InternalTopic(topic.name.clone()));
        }
        let present = count_of(topic);
        if count <= present {
            let reason = format!("topic has {present} partitions, {count} is not more");
            return Err(CreatePartitionsError::InvalidPartitions(reason));
        }
        let config = self.config();
        check_partitions(count, count - present, total(&image), &config)
            .map_err(CreatePartitionsError::InvalidPartitions)?;
        if let Some(assignments) = assignments {
            if i32::try_from(assignments.len()) != Ok(count - present) {
                let reason = format!("{} new partitions, but {} assignments", count - present, assignments.len());
                return Err(CreatePartitionsError::InvalidAssignment(reason));
            }
            for replicas in assignments {
                check_replicas(replicas, image.node_id).map_err(CreatePartitionsError::InvalidAssignment)?;
            }
        }
        if validate_only == ValidateOnly::No {
            self.commit(vec![Change::SetPartitions { id: topic.id, partitions: count }]).await?;
        }
        Ok(())
    }

    /// Makes sure that the broker's own topic of committed offsets exists.
    pub(crate) async fn create_offsets_topic(&self) -> Result<(), CommitError> {
        let _one_at_a_time = self.admin.lock().await;
        let name = crate::coordinator::topic_name();
        if self.store.image().topic(name.as_str()).is_some() {
            return Ok(());
        }
        let configs = [("cleanup.policy", "compact"), ("segment.bytes", "16777216"), ("max.message.bytes", "33554432")];
        let configs = configs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let partitions = self.config().offsets_topic_partitions();
        let id = TopicId::random(&*self.rng);
        self.commit(vec![Change::CreateTopic { id, name, partitions, configs: BTreeMap::from(configs) }]).await
    }

    /// Makes sure that the broker's own topic of transactions exists.
    pub(crate) async fn create_transactions_topic(&self) -> Result<(), CommitError> {
        let _one_at_a_time = self.admin.lock().await;
        let name = crate::transactions::topic_name();
        if self.store.image().topic(name.as_str()).is_some() {
            return Ok(());
        }
        let configs = [("cleanup.policy", "compact"), ("segment.bytes", "16777216"), ("max.message.bytes", "33554432")];
        let configs = configs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let partitions = self.config().transactions_topic_partitions();
        let id = TopicId::random(&*self.rng);
        self.commit(vec![Change::CreateTopic { id, name, partitions, configs: BTreeMap::from(configs) }]).await
    }
}

pub(crate) fn view(topic: &Arc<Topic>) -> TopicView {
    TopicView {
        id: topic.id,
        name: topic.name.clone(),
        partitions: count_of(topic),
        is_internal: topic.name.is_internal(),
        leader_epoch: topic.log(0).map_or(0, |log| log.tail().leader_epoch),
    }
}

fn count_of(topic: &Topic) -> i32 {
    i32::try_from(topic.logs.len()).unwrap_or(i32::MAX)
}

fn total(image: &ClusterImage) -> i32 {
    image.topics.values().map(|topic| count_of(topic)).fold(0, i32::saturating_add)
}

/// What creating a topic comes to.
struct Plan {
    name: TopicName,
    partitions: i32,
    configs: BTreeMap<String, String>,
}

/// The names and partitions that there are, with those that one request adds.
struct Names {
    taken: BTreeSet<TopicName>,
    /// Names as metrics show them, and whose they are.
    shown: BTreeMap<String, TopicName>,
    partitions: i32,
    node_id: NodeId,
    batch_size_max: usize,
}

impl Names {
    fn of(image: &ClusterImage, batch_size_max: usize) -> Self {
        let taken: BTreeSet<TopicName> = image.topics.keys().cloned().collect();
        let shown = taken.iter().map(|name| (name.as_str().replace('.', "_"), name.clone())).collect();
        Self { taken, shown, partitions: total(image), node_id: image.node_id, batch_size_max }
    }

    fn plan(&mut self, create: &CreateTopic, config: &BrokerConfig) -> Result<Plan, CreateTopicError> {
        let name = TopicName::new(create.topic.name())?;
        if self.taken.contains(&name) {
            return Err(CreateTopicError::AlreadyExists(name));
        }
        if is_reserved(name.as_str()) {
            return Err(CreateTopicError::Reserved(name));
        }
        let shown = name.as_str().replace('.', "_");
        if let Some(existing) = self.shown.get(&shown) {
            return Err(CreateTopicError::Collision { name, existing: existing.clone() });
        }
        let settings = alter::AlterConfigs::Replace(create.configs.clone());
        if let Some((name, _)) = create.configs.iter().find(|(_, value)| value.is_none()) {
            return Err(ConfigError::NoValue { name: name.as_str().to_owned() }.into());
        }
        let configs = alter::apply(alter::Table::Topic, &BTreeMap::new(), &settings, |_| String::new())?;
        check_batch_size(&BTreeMap::new(), &configs, self.batch_size_max)?;
        TopicDefaults::of(config).check_together(&configs)?;
        let partitions = self.partitions_of(create, config)?;
        self.taken.insert(name.clone());
        self.shown.insert(shown, name.clone());
        self.partitions = self.partitions.saturating_add(partitions);
        Ok(Plan { name, partitions, configs })
    }

    fn partitions_of(&self, create: &CreateTopic, config: &BrokerConfig) -> Result<i32, CreateTopicError> {
        let partitions = if create.assignments.is_empty() {
            let factor = match create.replication_factor {
                -1 => config.default_replication_factor(),
                sent => i32::from(sent),
            };
            if factor < 1 || (factor > 1 && !config.clamp_replication_factor()) {
                return Err(CreateTopicError::InvalidReplicationFactor { sent: factor });
            }
            if create.partitions == -1 { config.default_partitions() } else { create.partitions }
        } else {
            self.assigned(create)?
        };
        check_partitions(partitions, partitions, self.partitions, config)
            .map_err(CreateTopicError::InvalidPartitions)?;
        Ok(partitions)
    }

    fn assigned(&self, create: &CreateTopic) -> Result<i32, CreateTopicError> {
        if create.partitions != -1 || create.replication_factor != -1 {
            return Err(CreateTopicError::NumbersBesideAssignment);
        }
        let mut assignments: Vec<_> = create.assignments.iter().collect();
        assignments.sort_by_key(|(partition, _)| *partition);
        for (index, (partition, replicas)) in assignments.iter().enumerate() {
            if i32::try_from(index) != Ok(*partition) {
                let reason = "partitions in an assignment count from 0 without gaps".to_owned();
                return Err(CreateTopicError::InvalidAssignment(reason));
            }
            check_replicas(replicas, self.node_id).map_err(CreateTopicError::InvalidAssignment)?;
        }
        Ok(i32::try_from(assignments.len()).unwrap_or(i32::MAX))
    }
}

fn check_replicas(replicas: &[NodeId], node_id: NodeId) -> Result<(), String> {
    if replicas == [node_id] { Ok(()) } else { Err(format!("replicas can only be on the one broker, {node_id}")) }
}

fn check_partitions(count: i32, added: i32, present: i32, config: &BrokerConfig) -> Result<(), String> {
    if count < 1 {
        return Err(format!("a topic has at least one partition, not {count}"));
    }
    let max = config.partitions_per_topic_max();
    if count > max {
        return Err(format!("{count} partitions exceed `partitions.per.topic.max` ({max})"));
    }
    let max = config.partitions_max();
    if present.saturating_add(added) > max {
        return Err(format!("{added} more partitions than the {present} there are exceed `partitions.max` ({max})"));
    }
    Ok(())
}
