//! Cluster metadata: an immutable [`ClusterImage`], and the [`Change`]s that lead from one to the next.

mod clients;
pub mod codec;

use crate::log::Log;
use levada_model::{LeaderEpoch, NodeId, Offset, PartitionIndex, TopicId, TopicName, Uuid};
use std::{collections::BTreeMap, sync::Arc};

pub use clients::{EntityName, QuotaEntity, QuotaValue, Quotas, ScramCredential, ScramKey};

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
    /// The settings of groups that have any, by Kafka's names.
    pub group_configs: BTreeMap<String, BTreeMap<String, String>>,
    /// What clients may take.
    pub client_quotas: BTreeMap<QuotaEntity, Quotas>,
    /// What proves users.
    pub scram_credentials: BTreeMap<ScramKey, ScramCredential>,
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
    /// A group's settings are these from now on; none are no entry.
    SetGroupConfigs {
        /// Which.
        group_id: String,
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
    /// The quotas of an entity are these from now on; none are no entry.
    SetClientQuotas {
        /// Whose.
        entity: QuotaEntity,
        /// All that are set.
        quotas: Quotas,
    },
    /// A user is proved by this from now on, and by nothing without it.
    SetScramCredential {
        /// The user and the mechanism.
        key: ScramKey,
        /// What proves the user.
        credential: Option<ScramCredential>,
    },
}

/// Makes the [`Log`]s of topics as changes create them.
pub(crate) type MakeLog<'a> = dyn Fn(&TopicName, TopicId, PartitionIndex, &BTreeMap<String, String>) -> Arc<Log> + 'a;

/// What applying a change asks of those who hold logs.
#[derive(Debug)]
pub(crate) enum Consequence {
    /// The logs of a topic that is gone.
    Deleted(Vec<Arc<Log>>),
    /// The logs of a topic whose settings changed.
    Configured(Vec<Arc<Log>>, BTreeMap<String, String>),
    /// A log whose first records are gone.
    Started(Arc<Log>, Offset),
}

impl ClusterImage {
    /// An image without topics.
    #[must_use]
    pub(crate) const fn empty(cluster_id: Uuid, node_id: NodeId) -> Self {
        Self {
            cluster_id,
            node_id,
            leader_epoch: 0,
            next_producer_id: 0,
            broker_configs: BTreeMap::new(),
            group_configs: BTreeMap::new(),
            client_quotas: BTreeMap::new(),
            scram_credentials: BTreeMap::new(),
            topics: BTreeMap::new(),
            topics_by_id: BTreeMap::new(),
            version: 0,
        }
    }

    /// Applies `change`. What does not fit (a topic that is already there, or gone) changes nothing, so that
    /// replaying a change twice is harmless.
    pub(crate) fn apply(&mut self, change: &Change, make_log: &MakeLog<'_>) -> Option<Consequence> {
        self.version += 1;
        match change {
            Change::CreateTopic { id, name, partitions, configs } => {
                if !self.topics.contains_key(name) && !self.topics_by_id.contains_key(id) {
                    let logs = (0..*partitions).map(|partition| make_log(name, *id, partition, configs)).collect();
                    self.put(Topic { id: *id, name: name.clone(), configs: configs.clone(), logs });
                }
                None
            }
            Change::DeleteTopic { id } => {
                let topic = self.topics_by_id.remove(id)?;
                self.topics.remove(&topic.name);
                Some(Consequence::Deleted(topic.logs.clone()))
            }
            Change::SetPartitions { id, partitions } => {
                let mut topic = Topic::clone(self.topics_by_id.get(id)?);
                let first = PartitionIndex::try_from(topic.logs.len()).unwrap_or(PartitionIndex::MAX);
                let (name, configs) = (topic.name.clone(), topic.configs.clone());
                topic.logs.extend((first..*partitions).map(|partition| make_log(&name, *id, partition, &configs)));
                self.put(topic);
                None
            }
            Change::SetTopicConfigs { id, configs } => {
                let mut topic = Topic::clone(self.topics_by_id.get(id)?);
                topic.configs.clone_from(configs);
                let logs = topic.logs.clone();
                self.put(topic);
                Some(Consequence::Configured(logs, configs.clone()))
            }
            Change::SetBrokerConfigs { configs } => {
                self.broker_configs.clone_from(configs);
                None
            }
            Change::SetGroupConfigs { group_id, configs } => {
                self.group_configs.remove(group_id);
                if !configs.is_empty() {
                    self.group_configs.insert(group_id.clone(), configs.clone());
                }
                None
            }
            Change::SetNextProducerId { next } => {
                self.next_producer_id = self.next_producer_id.max(*next);
                None
            }
            Change::SetLeaderEpoch { epoch } => {
                self.leader_epoch = self.leader_epoch.max(*epoch);
                None
            }
            Change::SetLogStart { id, partition, offset } => {
                let log = self.topics_by_id.get(id)?.log(*partition)?;
                Some(Consequence::Started(Arc::clone(log), *offset))
            }
            Change::SetClientQuotas { entity, quotas } => {
                self.client_quotas.remove(entity);
                if !quotas.is_empty() {
                    self.client_quotas.insert(entity.clone(), quotas.clone());
                }
                None
            }
            Change::SetScramCredential { key, credential } => {
                self.scram_credentials.remove(key);
                self.scram_credentials.extend(credential.clone().map(|credential| (key.clone(), credential)));
                None
            }
        }
    }

    fn put(&mut self, topic: Topic) {
        let topic = Arc::new(topic);
        self.topics.insert(topic.name.clone(), Arc::clone(&topic));
        self.topics_by_id.insert(topic.id, topic);
    }

    /// The changes that lead from an empty image to this one.
    pub(crate) fn as_changes(&self) -> Vec<Change> {
        let mut changes = vec![
            Change::SetLeaderEpoch { epoch: self.leader_epoch },
            Change::SetNextProducerId { next: self.next_producer_id },
            Change::SetBrokerConfigs { configs: self.broker_configs.clone() },
        ];
        changes.extend(self.topics.values().map(|topic| Change::CreateTopic {
            id: topic.id,
            name: topic.name.clone(),
            partitions: PartitionIndex::try_from(topic.logs.len()).unwrap_or(PartitionIndex::MAX),
            configs: topic.configs.clone(),
        }));
        changes.extend(self.group_configs.iter().map(|(group_id, configs)| Change::SetGroupConfigs {
            group_id: group_id.clone(),
            configs: configs.clone(),
        }));
        changes.extend(
            self.client_quotas
                .iter()
                .map(|(entity, quotas)| Change::SetClientQuotas { entity: entity.clone(), quotas: quotas.clone() }),
        );
        changes.extend(self.scram_credentials.iter().map(|(key, credential)| Change::SetScramCredential {
            key: key.clone(),
            credential: Some(credential.clone()),
        }));
        changes
    }

    /// Every log, topics in order of their names.
    pub fn logs(&self) -> impl Iterator<Item = &Arc<Log>> {
        self.topics.values().flat_map(|topic| topic.logs.iter())
    }
}
