//! Looking up offsets by position or by time.

use crate::{
    Client, ClientError, TopicPartition,
    client::{MissingTopics, Target},
    error::refused,
};
use levada_model::{LeaderEpoch, NodeId, Offset, PartitionIndex, Str, Timestamp};
use levada_protocol::{
    ApiKey,
    messages::{
        ListOffsetsRequest,
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
    },
};
use std::collections::BTreeMap;

/// Which offset is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The first that is still there.
    Earliest,
    /// The one that the next record will have.
    Latest,
    /// That of the first record with this timestamp or a later one.
    Timestamp(Timestamp),
}

impl OffsetSpec {
    const fn code(self) -> i64 {
        match self {
            Self::Latest => -1,
            Self::Earliest => -2,
            Self::Timestamp(timestamp) => timestamp,
        }
    }
}

/// An offset that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundOffset {
    /// The offset; `None` where no record is that late.
    pub offset: Option<Offset>,
    /// The record's timestamp, where one was asked for and found.
    pub timestamp: Option<Timestamp>,
    /// The leader epoch of that offset; −1 where the broker does not say.
    pub leader_epoch: LeaderEpoch,
}

/// Partitions by topic, each with what is asked of it.
pub(crate) type ByTopic<T> = BTreeMap<String, Vec<(PartitionIndex, T)>>;

impl Client {
    /// The offset of each `(partition, spec)`, in the order of partitions.
    ///
    /// # Errors
    /// [`ClientError`]; one partition that cannot be looked up fails the call.
    pub async fn list_offsets(
        &self,
        wanted: &[(TopicPartition, OffsetSpec)],
    ) -> Result<BTreeMap<TopicPartition, FoundOffset>, ClientError> {
        self.retrying(|count| async move {
            if count > 0 {
                wanted.iter().for_each(|(partition, _)| self.forget_topic(&partition.topic));
            }
            let mut found = BTreeMap::new();
            for (leader, topics) in self.by_leader(wanted).await? {
                self.list_offsets_of(leader, topics, &mut found).await?;
            }
            Ok(found)
        })
        .await
    }

    /// Sorts partitions by the brokers that lead them.
    pub(crate) async fn by_leader<T: Copy>(
        &self,
        wanted: &[(TopicPartition, T)],
    ) -> Result<BTreeMap<NodeId, ByTopic<T>>, ClientError> {
        let mut sorted: BTreeMap<NodeId, ByTopic<T>> = BTreeMap::new();
        for (partition, what) in wanted {
            let topic = self.cached_topic(&partition.topic, MissingTopics::Refuse).await?;
            let leader = topic.leader(partition.partition)?;
            let topics = sorted.entry(leader).or_default();
            topics.entry(partition.topic.clone()).or_default().push((partition.partition, *what));
        }
        Ok(sorted)
    }

    async fn list_offsets_of(
        &self,
        leader: NodeId,
        topics: ByTopic<OffsetSpec>,
        found: &mut BTreeMap<TopicPartition, FoundOffset>,
    ) -> Result<(), ClientError> {
        let asked = |(partition_index, spec): (PartitionIndex, OffsetSpec)| ListOffsetsPartition {
            partition_index,
            timestamp: spec.code(),
            ..ListOffsetsPartition::default()
        };
        let expected: usize = topics.values().map(Vec::len).sum();
        let topics = topics.into_iter().map(|(name, partitions)| ListOffsetsTopic {
            name: Str::from(name),
            partitions: partitions.into_iter().map(asked).collect(),
        });
        let request = ListOffsetsRequest { replica_id: -1, topics: topics.collect(), ..Default::default() };
        let response = self.ask(Target::Node(leader), &request).await?;
        let mut answered = 0;
        for topic in response.topics {
            for partition in topic.partitions {
                let key = TopicPartition::new(&topic.name, partition.partition_index);
                refused(partition.error_code, None, || {
                    format!("offsets of `{}` partition {}", key.topic, key.partition)
                })?;
                let offset = FoundOffset {
                    offset: (partition.offset >= 0).then_some(partition.offset),
                    timestamp: (partition.timestamp >= 0).then_some(partition.timestamp),
                    leader_epoch: partition.leader_epoch,
                };
                found.insert(key, offset);
                answered += 1;
            }
        }
        if answered < expected {
            let what = format!("{} of {expected} partitions", expected - answered);
            return Err(ClientError::Incomplete {
                address: format!("broker {leader}"),
                api: ApiKey::ListOffsets,
                what,
            });
        }
        Ok(())
    }
}
