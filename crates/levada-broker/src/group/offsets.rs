//! The offsets that a group has committed: who may commit, what is kept, what expires.
//!
//! Pure, like [`Group`]. A commit is first checked ([`Group::check_commit`]), then kept durably by the owner,
//! and only then applied ([`Offsets::apply`]): nobody reads an offset that a crash could take back.

use crate::group::{Group, GroupState, HeartbeatError, Now};
use levada_model::{LeaderEpoch, Offset, PartitionIndex, Str, Timestamp, TopicName};
use std::{collections::BTreeMap, time::Duration};

/// One committed position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next record to read.
    pub offset: Offset,
    /// Leader epoch of the record before it, where the client says so.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The client's own note.
    pub metadata: Str,
    /// When it was committed.
    pub committed_ms: Timestamp,
    /// When it expires, where the client says so (v2 to v4).
    pub expires_ms: Option<Timestamp>,
}

/// Who commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committer {
    /// Its id; empty for a consumer outside any group protocol, and for administrators.
    pub member_id: Str,
    /// Its static name.
    pub instance_id: Option<Str>,
    /// Its generation; negative for those without.
    pub generation: i32,
}

/// A partition of a topic, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicName,
    /// Its partition.
    pub partition: PartitionIndex,
}

/// All positions of one group.
#[derive(Clone, Debug, Default)]
pub struct Offsets {
    committed: BTreeMap<TopicPartition, CommittedOffset>,
}

impl Offsets {
    /// The position in `partition`.
    #[must_use]
    pub fn get(&self, partition: &TopicPartition) -> Option<&CommittedOffset> {
        self.committed.get(partition)
    }

    /// All positions, by topic and partition.
    pub fn iter(&self) -> impl Iterator<Item = (&TopicPartition, &CommittedOffset)> {
        self.committed.iter()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.committed.is_empty()
    }

    /// Takes over a position that is kept durably; `None` forgets it.
    pub fn apply(&mut self, partition: TopicPartition, committed: Option<CommittedOffset>) {
        match committed {
            Some(committed) => {
                self.committed.insert(partition, committed);
            }
            None => {
                self.committed.remove(&partition);
            }
        }
    }

    /// Positions in topics that `is_gone`.
    pub fn of_topics(&self, is_gone: impl Fn(&TopicName) -> bool) -> Vec<TopicPartition> {
        self.committed.keys().filter(|partition| is_gone(&partition.topic)).cloned().collect()
    }

    /// Positions that nobody has used for `retention`.
    ///
    /// Those of a group with members count from their commit, if nobody subscribes to their topic; those of
    /// an empty group from when it became empty; those of consumers without a group from their commit.
    ///
    /// Source: KIP-211, KIP-496.
    #[must_use]
    pub fn expired(&self, group: &Group, now_ms: Timestamp, retention: Duration) -> Vec<TopicPartition> {
        let retention_ms = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
        let subscribed = group.subscribed_topics();
        let is_expired = |partition: &TopicPartition, committed: &CommittedOffset| {
            let since_ms = match (group.protocol_type(), group.state()) {
                (None, _) => committed.committed_ms,
                (Some(_), GroupState::Empty) => group.state_since_ms().max(committed.committed_ms),
                (Some(_), GroupState::Stable) => match &subscribed {
                    Some(topics) if !topics.contains(partition.topic.as_str()) => committed.committed_ms,
                    _ => return false,
                },
                (Some(_), GroupState::PreparingRebalance | GroupState::CompletingRebalance) => return false,
            };
            match committed.expires_ms {
                Some(expires_ms) => now_ms >= expires_ms,
                None => now_ms.saturating_sub(since_ms) >= retention_ms,
            }
        };
        let expired = self.committed.iter().filter(|(partition, committed)| is_expired(partition, committed));
        expired.map(|(partition, _)| partition.clone()).collect()
    }
}

impl Offsets {
    /// Positions in topics that nobody reads, committed longer than `retention` ago.
    #[must_use]
    pub fn unread(
        &self,
        is_read: impl Fn(&str) -> bool,
        now_ms: Timestamp,
        retention: Duration,
    ) -> Vec<TopicPartition> {
        let retention_ms = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
        let is_expired = |committed: &CommittedOffset| match committed.expires_ms {
            Some(expires_ms) => now_ms >= expires_ms,
            None => now_ms.saturating_sub(committed.committed_ms) >= retention_ms,
        };
        // Whether a topic is read takes longer to find out than whether a position is old.
        let old = self.committed.iter().filter(|(_, committed)| is_expired(committed));
        old.filter(|(partition, _)| !is_read(partition.topic.as_str()))
            .map(|(partition, _)| partition.clone())
            .collect()
    }
}

impl Group {
    /// Whether `committer` may commit now; its session is prolonged.
    ///
    /// # Errors
    /// As for a heartbeat; during a rebalance only until the new generation is known.
    pub fn check_commit(&mut self, now: Now, committer: &Committer) -> Result<(), HeartbeatError> {
        if committer.generation < 0 && self.state == GroupState::Empty {
            return Ok(());
        }
        let Committer { member_id, instance_id, generation } = committer;
        if *generation < 0 && member_id.is_empty() && instance_id.is_none() {
            return Err(HeartbeatError::UnknownMember(Str::new()));
        }
        self.check_member(member_id, instance_id.as_ref())
            .map_err(|error| HeartbeatError::membership(error, member_id, instance_id.as_ref()))?;
        if *generation != self.generation {
            return Err(HeartbeatError::IllegalGeneration { sent: *generation, current: self.generation });
        }
        match self.state {
            GroupState::CompletingRebalance => Err(HeartbeatError::RebalanceInProgress),
            GroupState::Empty | GroupState::PreparingRebalance | GroupState::Stable => {
                self.heard_of(now, member_id);
                Ok(())
            }
        }
    }

    /// Whether offsets of `topic` may be deleted.
    ///
    /// # Errors
    /// [`OffsetDeleteError`].
    pub fn check_offset_delete(&self, topic: &str) -> Result<(), OffsetDeleteError> {
        if self.state == GroupState::Empty {
            return Ok(());
        }
        if !self.is_consumers() {
            return Err(OffsetDeleteError::NonEmptyGroup);
        }
        if self.may_read(topic) { Err(OffsetDeleteError::Subscribed) } else { Ok(()) }
    }
}

/// Why a group's offset is not deleted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OffsetDeleteError {
    /// The group has members, and which topics they read cannot be known.
    #[error("the group has members")]
    NonEmptyGroup,
    /// A member reads the topic.
    #[error("the group has members that subscribe to the topic")]
    Subscribed,
}
