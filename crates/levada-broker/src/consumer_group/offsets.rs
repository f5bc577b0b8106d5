//! Who may commit, fetch and delete positions of a group of this protocol.

use crate::{
    consumer_group::{ConsumerGroup, Topics},
    group::{
        HeartbeatError,
        offsets::{Committer, OffsetDeleteError, TopicPartition},
    },
};
use levada_model::Str;
use std::cmp::Ordering;

/// What a commit's request says about its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitRule {
    /// Generations only (OffsetCommit before v9): no members of this protocol.
    Generations,
    /// Generations or member epochs (OffsetCommit from v9 on).
    MemberEpochs,
    /// On behalf of a transaction; may name no member at all.
    Transaction,
}

impl ConsumerGroup {
    /// Whether `committer` may commit positions in `partitions` now.
    ///
    /// A member whose epoch has risen meanwhile may commit what it was assigned no later than in the epoch that it
    /// knows (KIP-1251).
    ///
    /// # Errors
    /// [`HeartbeatError::UnknownMember`], [`HeartbeatError::FencedInstance`], [`HeartbeatError::UnsupportedCommit`],
    /// [`HeartbeatError::StaleMemberEpoch`], [`HeartbeatError::IllegalGeneration`].
    pub fn check_commit<'a>(
        &self,
        committer: &Committer,
        rule: CommitRule,
        mut partitions: impl Iterator<Item = &'a TopicPartition>,
        topics: &dyn Topics,
    ) -> Result<(), HeartbeatError> {
        let Committer { member_id, instance_id, generation: sent } = committer;
        if *sent < 0 && self.is_empty() {
            return Ok(());
        }
        let is_nobody = *sent == -1 && member_id.is_empty() && instance_id.is_none();
        if rule == CommitRule::Transaction && is_nobody {
            return Ok(());
        }
        let unknown = || HeartbeatError::UnknownMember(member_id.detached());
        let member = self.image.members.get(member_id).ok_or_else(unknown)?;
        if member.classic.is_none() && rule == CommitRule::Generations {
            return Err(HeartbeatError::UnsupportedCommit);
        }
        if member.classic.is_some() && instance_id.is_some() && *instance_id != member.instance_id {
            return Err(unknown());
        }
        let current = self.image.currents.get(member_id).ok_or_else(unknown)?;
        let stale = || {
            let (sent, current) = (*sent, current.epoch);
            if member.classic.is_some() {
                HeartbeatError::IllegalGeneration { sent, current }
            } else {
                HeartbeatError::StaleMemberEpoch { sent, current }
            }
        };
        match sent.cmp(&current.epoch) {
            Ordering::Equal => Ok(()),
            Ordering::Greater => Err(stale()),
            Ordering::Less => {
                let may = |partition: &TopicPartition| {
                    let Some(shape) = topics.find(partition.topic.as_str()) else { return false };
                    let (topic, partition) = (shape.id, partition.partition);
                    let assigned = current.assigned.epoch(topic, partition);
                    let epoch = assigned.or_else(|| current.revoking.epoch(topic, partition));
                    epoch.is_some_and(|epoch| epoch <= *sent)
                };
                if partitions.all(may) { Ok(()) } else { Err(stale()) }
            }
        }
    }

    /// Whether a member, or someone who names none, may see positions.
    ///
    /// # Errors
    /// [`HeartbeatError::UnknownMember`], [`HeartbeatError::StaleMemberEpoch`],
    /// [`HeartbeatError::IllegalGeneration`].
    pub fn check_fetch(&self, member_id: Option<&Str>, epoch: i32) -> Result<(), HeartbeatError> {
        if member_id.is_none_or(|id| id.is_empty()) && epoch < 0 {
            return Ok(());
        }
        let member_id = member_id.cloned().unwrap_or_default();
        let current = self.image.currents.get(&member_id);
        let current = current.ok_or_else(|| HeartbeatError::UnknownMember(member_id.detached()))?.epoch;
        if epoch == current {
            Ok(())
        } else if self.speaks_classic(&member_id) {
            Err(HeartbeatError::IllegalGeneration { sent: epoch, current })
        } else {
            Err(HeartbeatError::StaleMemberEpoch { sent: epoch, current })
        }
    }

    /// Whether a member reads `topic`.
    #[must_use]
    pub fn subscribes_to(&self, topic: &str) -> bool {
        self.image.members.values().any(|member| {
            let matched = member.pattern().and_then(|pattern| self.image.resolved.get(pattern));
            member.topics.contains(topic) || matched.is_some_and(|matched| matched.topics.contains(topic))
        })
    }

    /// Whether positions in `topic` may be deleted.
    ///
    /// # Errors
    /// [`OffsetDeleteError::Subscribed`].
    pub fn check_offset_delete(&self, topic: &str) -> Result<(), OffsetDeleteError> {
        if self.subscribes_to(topic) { Err(OffsetDeleteError::Subscribed) } else { Ok(()) }
    }
}
