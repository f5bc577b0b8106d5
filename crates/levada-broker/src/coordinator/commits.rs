//! Committed offsets: taking, showing, deleting and expiring them; deleting groups.

use crate::{
    auth::{Grant, op, res},
    consumer_group::CommitRule,
    coordinator::{
        Coordinator, CoordinatorError, consumer_records,
        journal::{Completion, KeyValue},
        records,
        shard::Slot,
    },
    group::{
        HeartbeatError, Now,
        offsets::{CommittedOffset, Committer, OffsetDeleteError, TopicPartition},
    },
};
use levada_model::{LeaderEpoch, Offset, PartitionIndex, Str, TopicName};
use std::time::Duration;
use tokio::sync::oneshot;

/// The longest note that a record can carry.
const METADATA_SIZE_MAX: usize = 32_000;

/// Positions that one request commits.
#[derive(Clone, Debug)]
pub struct OffsetCommit {
    /// Who commits.
    pub committer: Committer,
    /// What the request says about who that is.
    pub rule: CommitRule,
    /// How long to keep them, where the client says so (v2 to v4).
    pub retention: Option<Duration>,
    /// The positions.
    pub topics: Vec<CommitTopic>,
}

/// Positions in one topic.
#[derive(Clone, Debug)]
pub struct CommitTopic {
    /// The topic.
    pub topic: Grant<op::Read, res::Topic>,
    /// Its partitions.
    pub partitions: Vec<CommitPartition>,
}

/// A position in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitPartition {
    /// Which.
    pub partition: PartitionIndex,
    /// The next record to read.
    pub offset: Offset,
    /// Leader epoch of the record before it.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The client's own note.
    pub metadata: Str,
}

/// Why a position was not committed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OffsetCommitError {
    /// The topic or partition does not exist.
    #[error("topic or partition does not exist")]
    UnknownTopicOrPartition,
    /// The note is too long.
    #[error("note of {size} bytes exceeds `offset.metadata.max.bytes` ({limit})")]
    MetadataTooLarge {
        /// How long it is.
        size: usize,
        /// How long it may be.
        limit: usize,
    },
    /// The group does not take it from this committer, or not now.
    #[error(transparent)]
    Group(#[from] HeartbeatError),
}

/// Which positions to show.
#[derive(Clone, Debug)]
pub struct FetchOffsets {
    /// The topic.
    pub topic: Grant<op::Describe, res::Topic>,
    /// Its partitions.
    pub partitions: Vec<PartitionIndex>,
}

/// Which positions to delete.
#[derive(Clone, Debug)]
pub struct DeleteOffsets {
    /// The topic.
    pub topic: Grant<op::Read, res::Topic>,
    /// Its partitions.
    pub partitions: Vec<PartitionIndex>,
}

/// Why no position was deleted at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeleteOffsetsError {
    /// No group has this id.
    #[error("group does not exist")]
    UnknownGroup,
    /// The group has members, and which topics they read cannot be known.
    #[error("the group has members")]
    NonEmptyGroup,
    /// The coordinator could not take the request.
    #[error(transparent)]
    Coordinator(#[from] CoordinatorError),
}

/// Why one position was not deleted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeleteOffsetError {
    /// The topic or partition does not exist.
    #[error("topic or partition does not exist")]
    UnknownTopicOrPartition,
    /// A member reads the topic.
    #[error("the group has members that subscribe to the topic")]
    Subscribed,
}

/// Why a group was not deleted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeleteGroupError {
    /// No group has this id.
    #[error("group does not exist")]
    UnknownGroup,
    /// It has members.
    #[error("the group has members")]
    NonEmptyGroup,
    /// The coordinator could not take the request.
    #[error(transparent)]
    Coordinator(#[from] CoordinatorError),
}

/// Resolves when a write is durable and visible, or has failed.
pub(crate) type Written = oneshot::Receiver<Result<(), CoordinatorError>>;

/// What comes of each position, and the write to wait for.
type Deleting = (Vec<Result<(), DeleteOffsetError>>, Option<Written>);
type Positions = Vec<(TopicPartition, Option<CommittedOffset>)>;

impl Coordinator {
    /// Commits `positions`, all or none; resolves when they are durable and visible.
    pub(crate) async fn commit(
        &self,
        group_id: &Str,
        committer: &Committer,
        rule: CommitRule,
        positions: Vec<(TopicPartition, CommittedOffset)>,
    ) -> Result<(), HeartbeatError> {
        let Some(done) = self.begin_commit(group_id, committer, rule, positions)? else { return Ok(()) };
        done.await.unwrap_or_else(|_| Err(CoordinatorError::not_available("the group is gone")))?;
        Ok(())
    }

    fn begin_commit(
        &self,
        group_id: &Str,
        committer: &Committer,
        rule: CommitRule,
        positions: Vec<(TopicPartition, CommittedOffset)>,
    ) -> Result<Option<Written>, HeartbeatError> {
        self.check_offsets(group_id)?;
        let now = self.now();
        let mut shard = self.shard(group_id).lock();
        let slot = match shard.slot(group_id)? {
            Some(_) => shard.slot(group_id)?,
            None if committer.generation < 0 => Some(shard.slot_or_new(group_id, now)?),
            None => None,
        };
        let sent = committer.generation;
        let missing = match rule {
            CommitRule::MemberEpochs => HeartbeatError::UnknownGroup,
            CommitRule::Generations | CommitRule::Transaction => HeartbeatError::IllegalGeneration { sent, current: 0 },
        };
        let slot = slot.ok_or(missing)?;
        let topics = self.topics();
        let partitions = positions.iter().map(|(partition, _)| partition);
        slot.group.check_commit(self.sight(&topics, group_id, now).view, committer, rule, partitions)?;
        let outcome = if positions.is_empty() {
            Ok(None)
        } else {
            let positions = positions.into_iter().map(|(partition, committed)| (partition, Some(committed))).collect();
            self.write_positions(group_id, slot, positions).map(Some).map_err(HeartbeatError::from)
        };
        self.refresh(shard, group_id);
        outcome
    }

    fn write_positions(
        &self,
        group_id: &Str,
        slot: &mut Slot,
        changes: Positions,
    ) -> Result<Written, CoordinatorError> {
        let (sender, done) = oneshot::channel();
        let record = |(partition, committed): &(TopicPartition, Option<CommittedOffset>)| {
            (records::offset_key(group_id, partition), committed.as_ref().map(records::offset_value))
        };
        let records: Vec<KeyValue> = changes.iter().map(record).collect();
        let completion = Completion::Offsets { changes, done: sender };
        self.write(group_id, slot.written + 1, &records, completion)?;
        slot.written += 1;
        Ok(done)
    }

    /// The positions of a group in `partitions`, in their order.
    pub(crate) fn committed(
        &self,
        group_id: &Str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Option<CommittedOffset>>, CoordinatorError> {
        self.check_offsets(group_id)?;
        let shard = self.shard(group_id).lock();
        let slot = shard.groups.get(group_id);
        Ok(partitions.iter().map(|partition| slot?.offsets.get(partition).cloned()).collect())
    }

    /// All positions of a group.
    pub(crate) fn all_committed(
        &self,
        group_id: &Str,
    ) -> Result<Vec<(TopicPartition, CommittedOffset)>, CoordinatorError> {
        self.check_offsets(group_id)?;
        let shard = self.shard(group_id).lock();
        let all = shard.groups.get(group_id).into_iter().flat_map(|slot| slot.offsets.iter());
        Ok(all.map(|(partition, committed)| (partition.clone(), committed.clone())).collect())
    }

    /// Deletes positions; outcomes come in the order of `partitions`.
    pub(crate) async fn delete_committed(
        &self,
        group_id: &Str,
        partitions: Vec<TopicPartition>,
    ) -> Result<Vec<Result<(), DeleteOffsetError>>, DeleteOffsetsError> {
        let (outcomes, done) = self.begin_delete_committed(group_id, partitions)?;
        if let Some(done) = done {
            done.await.unwrap_or_else(|_| Err(CoordinatorError::not_available("the group is gone")))?;
        }
        Ok(outcomes)
    }

    fn begin_delete_committed(
        &self,
        group_id: &Str,
        partitions: Vec<TopicPartition>,
    ) -> Result<Deleting, DeleteOffsetsError> {
        self.check(group_id)?;
        let mut shard = self.shard(group_id).lock();
        let slot = shard.slot(group_id)?.ok_or(DeleteOffsetsError::UnknownGroup)?;
        let mut outcomes = Vec::with_capacity(partitions.len());
        let mut changes = Vec::new();
        for partition in partitions {
            match slot.group.check_offset_delete(partition.topic.as_str()) {
                Err(OffsetDeleteError::NonEmptyGroup) => return Err(DeleteOffsetsError::NonEmptyGroup),
                Err(OffsetDeleteError::Subscribed) => outcomes.push(Err(DeleteOffsetError::Subscribed)),
                Ok(()) => {
                    outcomes.push(Ok(()));
                    if slot.offsets.get(&partition).is_some() {
                        changes.push((partition, None));
                    }
                }
            }
        }
        let done = if changes.is_empty() { None } else { Some(self.write_positions(group_id, slot, changes)?) };
        Ok((outcomes, done))
    }

    /// Deletes a group without members, with all its positions.
    pub(crate) async fn delete_group(&self, group_id: &Str) -> Result<(), DeleteGroupError> {
        let done = self.begin_delete_group(group_id)?;
        done.await.unwrap_or_else(|_| Err(CoordinatorError::not_available("the store is closed")))?;
        Ok(())
    }

    fn begin_delete_group(&self, group_id: &Str) -> Result<Written, DeleteGroupError> {
        self.check_offsets(group_id)?;
        let mut shard = self.shard(group_id).lock();
        let slot = shard.slot(group_id)?.ok_or(DeleteGroupError::UnknownGroup)?;
        if !slot.group.is_empty() {
            return Err(DeleteGroupError::NonEmptyGroup);
        }
        Ok(self.write_tombstones(group_id, slot)?)
    }

    fn write_tombstones(&self, group_id: &Str, slot: &mut Slot) -> Result<Written, CoordinatorError> {
        let (sender, written) = oneshot::channel();
        let positions = slot.offsets.iter().map(|(partition, _)| (records::offset_key(group_id, partition), None));
        let group = slot.group.tombstones().into_iter().map(|record| consumer_records::write(group_id, &record));
        let records: Vec<KeyValue> = positions.chain(group).collect();
        self.write(group_id, slot.written + 1, &records, Completion::Deleted { done: sender })?;
        slot.written += 1;
        slot.is_going = true;
        Ok(written)
    }

    /// Forgets positions that expired, and groups of which nothing is left.
    pub(super) fn expire(&self, now: Now, retention: Duration) {
        // Nobody waits for it; what fails stays for the next time.
        drop(self.sweep(|slot| slot.group.expired(&slot.offsets, now.wall_ms, retention), RemoveEmptied::Yes));
    }

    /// Forgets all positions in a topic that was deleted; resolves when they are gone.
    pub(crate) async fn forget_topic(&self, topic: &TopicName) {
        for written in self.forget_topics(|other| other == topic) {
            if !matches!(written.await, Ok(Ok(()))) {
                tracing::warn!(%topic, "offsets of a deleted topic stay until the next start");
            }
        }
    }

    pub(super) fn forget_topics(&self, is_gone: impl Fn(&TopicName) -> bool) -> Vec<Written> {
        self.sweep(|slot| slot.offsets.of_topics(&is_gone), RemoveEmptied::No)
    }

    fn sweep(&self, which: impl Fn(&Slot) -> Vec<TopicPartition>, remove: RemoveEmptied) -> Vec<Written> {
        let mut writes = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.lock();
            let group_ids: Vec<Str> = shard.groups.keys().cloned().collect();
            for group_id in group_ids {
                let Ok(Some(slot)) = shard.slot(&group_id) else { continue };
                let gone = which(slot);
                let is_idle = slot.group.is_unused();
                let is_settled = slot.written == slot.settled && slot.pending.is_empty();
                let nothing_left = is_idle && gone.len() == slot.offsets.iter().count() && is_settled;
                let written = if remove == RemoveEmptied::Yes && nothing_left {
                    self.write_tombstones(&group_id, slot)
                } else if gone.is_empty() {
                    continue;
                } else {
                    let changes = gone.into_iter().map(|partition| (partition, None)).collect();
                    self.write_positions(&group_id, slot, changes)
                };
                match written {
                    Ok(written) => writes.push(written),
                    Err(error) => tracing::warn!(group = %group_id, %error, "offsets that are to go stay for now"),
                }
            }
        }
        writes
    }
}

/// Whether a group without positions goes altogether.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RemoveEmptied {
    Yes,
    No,
}

/// Checks what one partition brings, apart from its group.
pub(crate) fn check_metadata(commit: &CommitPartition, limit: usize) -> Result<(), OffsetCommitError> {
    let (size, limit) = (commit.metadata.len(), limit.min(METADATA_SIZE_MAX));
    if size > limit { Err(OffsetCommitError::MetadataTooLarge { size, limit }) } else { Ok(()) }
}
