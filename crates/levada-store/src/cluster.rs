//! Cluster metadata: an immutable [`ClusterImage`], and the [`Change`]s that lead from one to the next.

use crate::log::Log;
use levada_model::{LeaderEpoch, NodeId, Offset, PartitionIndex, TopicId, TopicName, Uuid};
use std::{collections::BTreeMap, sync::Arc};

/// A topic as it is at one moment.
#[derive(Clone, Debug)]
pub struct Topic {
    /// Its identity.
    pub id: TopicId,
    /// Its name.
    pub name: TopicName,
    /// The settings that were set for it, by Kafka's names.
    pub configs: BTreeMap<String, String>,
    /// Its logs, by partition number.
    pub logs: Vec<Arc<Log>>,
}

impl Topic {
    /// The log of `partition`.
    #[must_use]
    pub fn log(&self, partition: PartitionIndex) -> Option<&Arc<Log>> {
        self.logs.get(usize::try_from(partition).ok()?)
    }
}

/// All cluster metadata at one moment. Never changes; a change makes the next image.
#[derive(Clone, Debug)]
pub struct ClusterImage {
    /// The cluster's identity, in Kafka's text form.
    pub cluster_id: Uuid,
    /// This broker.
    pub node_id: NodeId,
    /// Rises by one at every start.
    pub leader_epoch: LeaderEpoch,
    /// Every producer id below is given away.
    pub next_producer_id: i64,
    /// The broker's dynamic settings, by Kafka's names.
    pub broker_configs: BTreeMap<String, String>,
    /// Topics by name.
    pub topics: BTreeMap<TopicName, Arc<Topic>>,
    /// Topics by id.
    pub topics_by_id: BTreeMap<TopicId, Arc<Topic>>,
    /// Counts the changes.
    pub version: u64,
}

impl ClusterImage {
    /// The topic of that name.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topics.get(name)
    }

    /// The topic of that id.
    #[must_use]
    pub fn topic_by_id(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.topics_by_id.get(&id)
    }
}

/// One change of cluster metadata. Validation is the broker's; the store keeps what it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new topic, all its partitions empty.
    CreateTopic {
        /// Its identity.
        id: TopicId,
        /// Its name.
        name: TopicName,
        /// How many partitions.
        partitions: PartitionIndex,
        /// Its settings.
        configs: BTreeMap<String, String>,
    },
    /// The topic and its data go.
    DeleteTopic {
        /// Which.
        id: TopicId,
    },
    /// The topic has this many partitions from now on.
    SetPartitions {
        /// Which.
        id: TopicId,
        /// How many, more than before.
        partitions: PartitionIndex,
    },
    /// The topic's settings are these from now on.
    SetTopicConfigs {
        /// Which.
        id: TopicId,
        /// All that are set.
        configs: BTreeMap<String, String>,
    },
    /// The broker's dynamic settings are these from now on.
    SetBrokerConfigs {
        /// All that are set.
        configs: BTreeMap<String, String>,
    },
    /// Producer ids below this are given away.
    SetNextProducerId {
        /// The first that is free.
        next: i64,
    },
    /// The broker starts its next life.
    SetLeaderEpoch {
        /// The epoch.
        epoch: LeaderEpoch,
    },
    /// Records below this are gone (DeleteRecords).
    SetLogStart {
        /// The topic.
        id: TopicId,
        /// The partition.
        partition: PartitionIndex,
        /// The first that stays.
        offset: Offset,
    },
}
