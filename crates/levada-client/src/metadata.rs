//! What a cluster consists of: brokers, topics, partitions and who leads them.

use crate::error::ClientError;
use levada_model::{LeaderEpoch, NodeId, PartitionIndex, TopicId};
use levada_protocol::{
    ErrorCode,
    messages::{
        MetadataResponse,
        metadata_response::{MetadataResponsePartition, MetadataResponseTopic},
    },
};
use std::collections::BTreeMap;

/// One partition of one topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: String,
    /// The partition within it.
    pub partition: PartitionIndex,
}

impl TopicPartition {
    /// Partition `partition` of `topic`.
    #[must_use]
    pub fn new(topic: &str, partition: PartitionIndex) -> Self {
        Self { topic: topic.to_owned(), partition }
    }
}

/// A broker and where clients reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Its number.
    pub id: NodeId,
    /// The host that it advertises.
    pub host: String,
    /// The port that it advertises.
    pub port: i32,
    /// Its rack, where it has one.
    pub rack: Option<String>,
}

impl Broker {
    /// `HOST:PORT`, with brackets around IPv6.
    #[must_use]
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// A partition and its replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// Its number within the topic.
    pub index: PartitionIndex,
    /// The broker that leads it, if one does.
    pub leader: Option<NodeId>,
    /// The generation of that leadership; −1 where the broker does not say.
    pub leader_epoch: LeaderEpoch,
    /// The brokers that have a copy.
    pub replicas: Vec<NodeId>,
    /// The brokers whose copy is up to date.
    pub in_sync: Vec<NodeId>,
}

/// A topic and its partitions, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicMetadata {
    /// Its name.
    pub name: String,
    /// Its identity; zero where the broker does not say.
    pub id: TopicId,
    /// Whether the cluster itself uses it.
    pub is_internal: bool,
    /// Its partitions.
    pub partitions: Vec<PartitionMetadata>,
}

impl TopicMetadata {
    /// The partition of that number.
    ///
    /// # Errors
    /// [`ClientError::NoPartition`].
    pub fn partition(&self, partition: PartitionIndex) -> Result<&PartitionMetadata, ClientError> {
        self.partitions.iter().find(|known| known.index == partition).ok_or_else(|| ClientError::NoPartition {
            topic: self.name.clone(),
            partition,
            count: self.partitions.len(),
        })
    }

    /// Who leads that partition.
    ///
    /// # Errors
    /// [`ClientError::NoPartition`], [`ClientError::NoLeader`].
    pub fn leader(&self, partition: PartitionIndex) -> Result<NodeId, ClientError> {
        let leader = self.partition(partition)?.leader;
        leader.ok_or_else(|| ClientError::NoLeader { topic: self.name.clone(), partition })
    }
}

/// What a cluster consists of, as one of its brokers said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The cluster's identity.
    pub cluster_id: Option<String>,
    /// The broker that takes admin requests.
    pub controller: Option<NodeId>,
    /// The brokers by number.
    pub brokers: BTreeMap<NodeId, Broker>,
    /// The topics that were asked for and exist, by name.
    pub topics: BTreeMap<String, TopicMetadata>,
    /// The topics that were asked for and cannot be described, with Kafka's error code.
    pub failed: BTreeMap<String, i16>,
}

impl Metadata {
    pub(crate) fn new(response: MetadataResponse) -> Self {
        let brokers = response.brokers.into_iter().map(|broker| {
            let rack = broker.rack.map(String::from);
            (broker.node_id, Broker { id: broker.node_id, host: broker.host.into(), port: broker.port, rack })
        });
        let mut metadata = Self {
            cluster_id: response.cluster_id.map(String::from),
            controller: (response.controller_id >= 0).then_some(response.controller_id),
            brokers: brokers.collect(),
            ..Self::default()
        };
        for topic in response.topics {
            let name = topic.name.clone().map(String::from).unwrap_or_default();
            match ErrorCode::from_code(topic.error_code) {
                // Some partitions lack a leader; the topic is described all the same.
                Some(ErrorCode::None | ErrorCode::LeaderNotAvailable) if !topic.partitions.is_empty() => {
                    metadata.topics.insert(name.clone(), read_topic(name, topic));
                }
                Some(ErrorCode::None) => {
                    metadata.failed.insert(name, ErrorCode::LeaderNotAvailable.code());
                }
                _ => {
                    metadata.failed.insert(name, topic.error_code);
                }
            }
        }
        metadata
    }

    /// The topic of that name.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the broker's code.
    pub fn topic(&self, name: &str) -> Result<&TopicMetadata, ClientError> {
        self.topics.get(name).ok_or_else(|| ClientError::Refused {
            what: format!("topic `{name}`"),
            code: self.failed.get(name).copied().unwrap_or(ErrorCode::UnknownTopicOrPartition.code()),
            message: None,
        })
    }
}

fn read_topic(name: String, topic: MetadataResponseTopic) -> TopicMetadata {
    let mut partitions: Vec<PartitionMetadata> = topic.partitions.into_iter().map(read_partition).collect();
    partitions.sort_by_key(|partition| partition.index);
    TopicMetadata { name, id: topic.topic_id, is_internal: topic.is_internal, partitions }
}

fn read_partition(partition: MetadataResponsePartition) -> PartitionMetadata {
    PartitionMetadata {
        index: partition.partition_index,
        leader: (partition.leader_id >= 0).then_some(partition.leader_id),
        leader_epoch: partition.leader_epoch,
        replicas: partition.replica_nodes,
        in_sync: partition.isr_nodes,
    }
}
