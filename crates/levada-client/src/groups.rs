//! Consumer groups from outside: list, describe, their offsets, delete.

use crate::{Client, ClientError, TopicPartition, admin::only, client::Target, error::refused, membership};
use levada_model::{LeaderEpoch, NodeId, Offset, Str};
use levada_protocol::{
    ErrorCode,
    messages::{
        ConsumerGroupDescribeRequest, DeleteGroupsRequest, DescribeGroupsRequest, FindCoordinatorRequest,
        ListGroupsRequest, OffsetCommitRequest, OffsetFetchRequest, consumer_group_describe_response as modern,
        describe_groups_response as classic,
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_fetch_request::OffsetFetchRequestGroup,
        offset_fetch_response::{OffsetFetchResponsePartition, OffsetFetchResponsePartitions},
    },
};
use std::collections::BTreeMap;

/// The last versions of OffsetCommit and OffsetFetch that call topics by name.
pub(crate) const OFFSETS_BY_NAME: i16 = 9;

/// A group in a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupListing {
    /// Its name.
    pub group: String,
    /// `consumer`, `connect`, …; empty for groups that only ever committed offsets.
    pub protocol_type: String,
    /// Kafka's name of its state; empty where the broker does not say.
    pub state: String,
    /// `classic`, `consumer`, `share`, `streams`; empty where the broker does not say.
    pub kind: String,
    /// The broker that coordinates it.
    pub coordinator: NodeId,
}

/// A group and its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    /// Its name.
    pub group: String,
    /// Kafka's name of its state.
    pub state: String,
    /// Which protocol its members follow: `classic`, or `consumer` where the broker assigns.
    pub kind: &'static str,
    /// Where the broker assigns: the group's epoch, and the one for which its members were assigned.
    pub epochs: Option<(i32, i32)>,
    /// `consumer`, `connect`, ….
    pub protocol_type: String,
    /// How partitions are assigned: the assignor's name.
    pub assignor: String,
    /// The broker that coordinates it.
    pub coordinator: NodeId,
    /// Its members.
    pub members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// The identity that the coordinator gave it.
    pub member_id: String,
    /// The identity that it keeps over restarts, where it has one.
    pub instance_id: Option<String>,
    /// What the client calls itself.
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
    /// Its epoch, where the broker assigns.
    pub epoch: Option<i32>,
    /// The partitions that it was given; empty where they cannot be read.
    pub assignment: Vec<TopicPartition>,
    /// The partitions that it is to have, where the broker assigns and that is known.
    pub target: Option<Vec<TopicPartition>>,
}

/// An offset that a group committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The offset of the next record to be read.
    pub offset: Offset,
    /// The leader epoch of the last one that was read; −1 where it is not known.
    pub leader_epoch: LeaderEpoch,
    /// What the member wrote beside it.
    pub metadata: Option<String>,
}

/// An offset to be committed for a group without members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetToCommit {
    /// The partition.
    pub partition: TopicPartition,
    /// The offset of the next record to be read.
    pub offset: Offset,
}

impl Client {
    /// Every group of the cluster, in the order of names.
    ///
    /// # Errors
    /// [`ClientError`]; one broker that does not answer fails the call.
    pub async fn list_groups(&self) -> Result<Vec<GroupListing>, ClientError> {
        let mut groups = self
            .retrying(|_| async move {
                let mut groups = Vec::new();
                for node in self.broker_ids() {
                    let response = self.ask(Target::Node(node), &ListGroupsRequest::default()).await?;
                    refused(response.error_code, None, || format!("the groups of broker {node}"))?;
                    groups.extend(response.groups.into_iter().map(|group| GroupListing {
                        group: group.group_id.into(),
                        protocol_type: group.protocol_type.into(),
                        state: group.group_state.into(),
                        kind: group.group_type.into(),
                        coordinator: node,
                    }));
                }
                Ok(groups)
            })
            .await?;
        groups.sort();
        groups.dedup();
        Ok(groups)
    }

    /// The broker that coordinates `group`.
    pub(crate) async fn coordinator(&self, group: &str) -> Result<NodeId, ClientError> {
        let build = |version| {
            let (key, coordinator_keys) =
                if version >= 4 { (Str::new(), vec![Str::from(group)]) } else { (Str::from(group), vec![]) };
            FindCoordinatorRequest { key, coordinator_keys, ..Default::default() }
        };
        let response = self.ask_built(Target::Any, i16::MAX, build).await?;
        let what = || format!("the coordinator of group `{group}`");
        if let Some(found) = response.coordinators.first() {
            refused(found.error_code, found.error_message.as_deref(), what)?;
            return Ok(found.node_id);
        }
        refused(response.error_code, response.error_message.as_deref(), what)?;
        Ok(response.node_id)
    }

    /// A group's state and members.
    ///
    /// # Errors
    /// [`ClientError::Refused`] where there is no such group.
    pub async fn describe_group(&self, group: &str) -> Result<GroupDescription, ClientError> {
        self.retrying(|_| async move {
            let coordinator = self.coordinator(group).await?;
            let target = Target::Node(coordinator);
            let request = DescribeGroupsRequest { groups: vec![Str::from(group)], ..Default::default() };
            let described = only::<DescribeGroupsRequest, _>(self.ask(target, &request).await?.groups)?;
            // Groups of the newer protocol are no classic groups: brokers deny them here, older ones call them dead.
            let is_absent =
                described.error_code == ErrorCode::GroupIdNotFound.code() || described.group_state == "Dead";
            if is_absent {
                let request = ConsumerGroupDescribeRequest { group_ids: vec![Str::from(group)], ..Default::default() };
                match self.ask(target, &request).await {
                    Ok(response) => {
                        let described = only::<ConsumerGroupDescribeRequest, _>(response.groups)?;
                        refused(described.error_code, described.error_message.as_deref(), || named(group))?;
                        return Ok(read_modern(described, coordinator));
                    }
                    Err(ClientError::Unsupported { .. }) => {
                        refused(ErrorCode::GroupIdNotFound.code(), None, || named(group))?;
                    }
                    Err(error) => return Err(error),
                }
            }
            refused(described.error_code, described.error_message.as_deref(), || named(group))?;
            Ok(read_classic(described, coordinator))
        })
        .await
    }

    /// Every offset that a group committed.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the coordinator's reason.
    pub async fn committed_offsets(
        &self,
        group: &str,
    ) -> Result<BTreeMap<TopicPartition, CommittedOffset>, ClientError> {
        self.retrying(|_| async move {
            let coordinator = self.coordinator(group).await?;
            let build = |version| {
                let wanted = OffsetFetchRequestGroup { group_id: Str::from(group), topics: None, ..Default::default() };
                if version >= 8 {
                    OffsetFetchRequest { groups: vec![wanted], ..Default::default() }
                } else {
                    OffsetFetchRequest { group_id: Str::from(group), topics: None, ..Default::default() }
                }
            };
            let response = self.ask_built(Target::Node(coordinator), OFFSETS_BY_NAME, build).await?;
            refused(response.error_code, None, || named(group))?;
            let mut offsets = BTreeMap::new();
            for topic in response.topics {
                for partition in topic.partitions {
                    insert_committed(&mut offsets, &topic.name, read_old(partition))?;
                }
            }
            for found in response.groups {
                refused(found.error_code, None, || named(group))?;
                for topic in found.topics {
                    for partition in topic.partitions {
                        insert_committed(&mut offsets, &topic.name, partition)?;
                    }
                }
            }
            Ok(offsets)
        })
        .await
    }

    /// Commits offsets for a group that has no members now.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the coordinator's reason.
    pub async fn commit_offsets(&self, group: &str, offsets: &[OffsetToCommit]) -> Result<(), ClientError> {
        let mut topics: BTreeMap<&str, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
        for OffsetToCommit { partition, offset } in offsets {
            topics.entry(&partition.topic).or_default().push(OffsetCommitRequestPartition {
                partition_index: partition.partition,
                committed_offset: *offset,
                committed_metadata: Some(Str::new()),
                ..OffsetCommitRequestPartition::default()
            });
        }
        let topics = topics.into_iter().map(|(name, partitions)| OffsetCommitRequestTopic {
            name: Str::from(name),
            partitions,
            ..OffsetCommitRequestTopic::default()
        });
        let request =
            &OffsetCommitRequest { group_id: Str::from(group), topics: topics.collect(), ..Default::default() };
        self.retrying(|_| async move {
            let coordinator = Target::Node(self.coordinator(group).await?);
            let response = self.ask_built(coordinator, OFFSETS_BY_NAME, |_| request.clone()).await?;
            for topic in response.topics {
                for partition in topic.partitions {
                    let what =
                        || format!("group `{group}`, topic `{}` partition {}", topic.name, partition.partition_index);
                    refused(partition.error_code, None, what)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// Deletes a group without members, and its offsets.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the coordinator's reason.
    pub async fn delete_group(&self, group: &str) -> Result<(), ClientError> {
        let request = &DeleteGroupsRequest { groups_names: vec![Str::from(group)] };
        self.retrying(|_| async move {
            let coordinator = Target::Node(self.coordinator(group).await?);
            let result = only::<DeleteGroupsRequest, _>(self.ask(coordinator, request).await?.results)?;
            refused(result.error_code, None, || named(group))
        })
        .await
    }
}

fn named(group: &str) -> String {
    format!("group `{group}`")
}

fn read_old(partition: OffsetFetchResponsePartition) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: partition.error_code,
    }
}

fn insert_committed(
    offsets: &mut BTreeMap<TopicPartition, CommittedOffset>,
    topic: &str,
    partition: OffsetFetchResponsePartitions,
) -> Result<(), ClientError> {
    let key = TopicPartition::new(topic, partition.partition_index);
    refused(partition.error_code, None, || format!("offset of `{topic}` partition {}", key.partition))?;
    if partition.committed_offset >= 0 {
        let committed = CommittedOffset {
            offset: partition.committed_offset,
            leader_epoch: partition.committed_leader_epoch,
            metadata: partition.metadata.map(String::from).filter(|text| !text.is_empty()),
        };
        offsets.insert(key, committed);
    }
    Ok(())
}

fn read_classic(group: classic::DescribedGroup, coordinator: NodeId) -> GroupDescription {
    let is_consumer = group.protocol_type == "consumer";
    let members = group.members.into_iter().map(|member| GroupMember {
        member_id: member.member_id.into(),
        instance_id: member.group_instance_id.map(String::from),
        client_id: member.client_id.into(),
        host: member.client_host.into(),
        epoch: None,
        assignment: if is_consumer { membership::partitions(&member.member_assignment) } else { Vec::new() },
        target: None,
    });
    GroupDescription {
        group: group.group_id.into(),
        state: group.group_state.into(),
        kind: "classic",
        epochs: None,
        protocol_type: group.protocol_type.into(),
        assignor: group.protocol_data.into(),
        coordinator,
        members: members.collect(),
    }
}

fn read_modern(group: modern::DescribedGroup, coordinator: NodeId) -> GroupDescription {
    let members = group.members.into_iter().map(|member| {
        let partitions = |assignment: &modern::Assignment| {
            let of_topic = |topic: &modern::TopicPartitions| {
                let name = topic.topic_name.clone();
                let partitions: Vec<_> =
                    topic.partitions.iter().map(|&partition| TopicPartition::new(&name, partition)).collect();
                partitions
            };
            assignment.topic_partitions.iter().flat_map(of_topic).collect()
        };
        GroupMember {
            member_id: member.member_id.into(),
            instance_id: member.instance_id.map(String::from),
            client_id: member.client_id.into(),
            host: member.client_host.into(),
            epoch: Some(member.member_epoch),
            assignment: partitions(&member.assignment),
            target: Some(partitions(&member.target_assignment)),
        }
    });
    GroupDescription {
        group: group.group_id.into(),
        state: group.group_state.into(),
        kind: "consumer",
        epochs: Some((group.group_epoch, group.assignment_epoch)),
        protocol_type: "consumer".to_owned(),
        assignor: group.assignor_name.into(),
        coordinator,
        members: members.collect(),
    }
}
