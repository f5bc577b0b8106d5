//! What members ask of their group, and what it answers.

use crate::{consumer_group::Assignment, coordinator::CoordinatorError};
use levada_model::{PartitionIndex, Str, TopicId};
use std::time::Duration;

/// The epoch of a member that joins.
pub const JOIN_EPOCH: i32 = 0;
/// The epoch of a member that leaves.
pub const LEAVE_EPOCH: i32 = -1;
/// The epoch of a static member that leaves for a while.
pub const LEAVE_STATIC_EPOCH: i32 = -2;
/// The longest name that a member may bring: its own, its assignor's, its rack's.
const NAME_SIZE_MAX: usize = 4096;
/// The most bytes of topic names.
const SUBSCRIPTION_SIZE_MAX: usize = 1 << 20;
/// The most partitions that a member may say it has.
const OWNED_MAX: usize = 100_000;

/// Whether a member brings its id or may be given one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberIdRule {
    /// It brings its own (v1, KIP-1082).
    Own,
    /// It may join without one.
    MayBeGiven,
}

/// A member's heartbeat, by which it joins, goes on, and leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Its id; may be empty in the first one.
    pub member_id: Str,
    /// Whether it must bring one.
    pub member_id_rule: MemberIdRule,
    /// Its epoch; 0 joins, −1 leaves, −2 leaves for a while.
    pub member_epoch: i32,
    /// Its static name.
    pub instance_id: Option<Str>,
    /// Where it says that it stands.
    pub rack_id: Option<Str>,
    /// How long it may take to give partitions up; none where it did not change.
    pub rebalance_timeout: Option<Duration>,
    /// The topics it subscribes to by name; none where they did not change.
    pub topics: Option<Vec<Str>>,
    /// The regular expression it subscribes to; none where it did not change.
    pub pattern: Option<Str>,
    /// The assignor it wants; none where that did not change.
    pub assignor: Option<Str>,
    /// The partitions it has; none where they did not change.
    pub owned: Option<Vec<(TopicId, Vec<PartitionIndex>)>>,
    /// The client's own name.
    pub client_id: Str,
    /// Where it connects from.
    pub client_host: Str,
    /// The id to give, should one be needed.
    pub fresh_member_id: Str,
}

impl Beat {
    /// Whether it says everything, so that it is told everything.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let subscribes = self.topics.is_some() || self.pattern.is_some();
        self.rebalance_timeout.is_some() && subscribes && self.owned.is_some()
    }

    /// Whether the member leaves, for good or for a while.
    #[must_use]
    pub const fn leaves(&self) -> bool {
        matches!(self.member_epoch, LEAVE_EPOCH | LEAVE_STATIC_EPOCH)
    }

    /// Checks what can be checked without the group.
    ///
    /// # Errors
    /// [`BeatError::Invalid`], [`BeatError::UnsupportedAssignor`].
    pub fn check(&self, group_id: &Str, assignors: &[Str]) -> Result<(), BeatError> {
        let is_blank = |name: &Str| name.trim().is_empty();
        let invalid = |reason: &'static str| Err(BeatError::Invalid(reason));
        let needs_id = self.member_id_rule == MemberIdRule::Own || self.member_epoch > 0;
        if (needs_id || self.member_epoch == LEAVE_EPOCH) && is_blank(&self.member_id) {
            return invalid("MemberId can't be empty.");
        }
        if is_blank(group_id) {
            return invalid("GroupId can't be empty.");
        }
        if self.instance_id.as_ref().is_some_and(is_blank) {
            return invalid("InstanceId can't be empty.");
        }
        if self.rack_id.as_ref().is_some_and(is_blank) {
            return invalid("RackId can't be empty.");
        }
        match self.member_epoch {
            JOIN_EPOCH => self.check_join()?,
            LEAVE_STATIC_EPOCH if self.instance_id.is_none() => return invalid("InstanceId can't be null."),
            ..LEAVE_STATIC_EPOCH => return invalid("MemberEpoch is invalid."),
            _ => {}
        }
        self.check_sizes()?;
        match &self.assignor {
            Some(name) if !assignors.contains(name) => {
                Err(BeatError::UnsupportedAssignor { name: name.detached(), supported: assignors.to_vec() })
            }
            _ => Ok(()),
        }
    }

    fn check_join(&self) -> Result<(), BeatError> {
        if self.rebalance_timeout.is_none() {
            return Err(BeatError::Invalid("RebalanceTimeoutMs must be provided in first request."));
        }
        if self.owned.as_ref().is_none_or(|owned| !owned.is_empty()) {
            return Err(BeatError::Invalid("TopicPartitions must be empty when (re-)joining."));
        }
        if self.topics.is_none() && self.pattern.is_none() {
            let reason = "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.";
            return Err(BeatError::Invalid(reason));
        }
        Ok(())
    }

    fn check_sizes(&self) -> Result<(), BeatError> {
        let optional = [&self.instance_id, &self.rack_id, &self.assignor];
        let names = [&self.member_id, &self.client_id, &self.client_host];
        let mut names = names.into_iter().chain(optional.into_iter().flatten());
        if names.any(|name| name.len() > NAME_SIZE_MAX) {
            return Err(BeatError::Invalid("A name is longer than 4096 bytes."));
        }
        let size: usize = self.topics.iter().flatten().map(|name| name.len() + 4).sum();
        if size > SUBSCRIPTION_SIZE_MAX {
            return Err(BeatError::Invalid("SubscribedTopicNames are longer than a mebibyte."));
        }
        let count: usize = self.owned.iter().flatten().map(|(_, partitions)| 1 + partitions.len()).sum();
        if count > OWNED_MAX {
            return Err(BeatError::Invalid("TopicPartitions are more than 100000."));
        }
        Ok(())
    }
}

/// What a member is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beaten {
    /// Its id.
    pub member_id: Str,
    /// Its epoch.
    pub member_epoch: i32,
    /// How often it is to be heard of; zero for one that leaves.
    pub heartbeat_interval: Duration,
    /// What it has from now on; none where that did not change.
    pub assignment: Option<Assignment>,
}

/// Why a heartbeat does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BeatError {
    /// The request is not sound. Kafka's words, which clients may know.
    #[error("{0}")]
    Invalid(&'static str),
    /// No assignor has this name.
    #[error("ServerAssignor {name} is not supported. Supported assignors: {}.", join(.supported))]
    UnsupportedAssignor {
        /// The name.
        name: Str,
        /// Those that there are.
        supported: Vec<Str>,
    },
    /// No consumer group has this id.
    #[error("{0}")]
    UnknownGroup(String),
    /// No member has this id.
    #[error("{0}")]
    UnknownMember(String),
    /// The member's epoch is not what the group knows: it has to give everything up and join again.
    #[error(
        "The consumer group member has a {} member epoch ({sent}) than the one known by the group coordinator \
        ({current}). The member must abandon all its partitions and rejoin.",
        if sent > current { "greater" } else { "smaller" }
    )]
    FencedEpoch {
        /// The member's.
        sent: i32,
        /// The group's.
        current: i32,
    },
    /// A later version wrote a state of the member that is not known here.
    #[error("The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin.")]
    UnknownState,
    /// Another member has this instance id, and has not left.
    #[error(
        "Static member {member_id} with instance id {instance_id} cannot join the group because the instance id is \
        owned by {owner} member."
    )]
    UnreleasedInstance {
        /// Who wants it.
        member_id: Str,
        /// The static name.
        instance_id: Str,
        /// Who has it.
        owner: Str,
    },
    /// Another member has this instance id now.
    #[error("Static member {member_id} with instance id {instance_id} was fenced by member {owner}.")]
    FencedInstance {
        /// Who had it.
        member_id: Str,
        /// The static name.
        instance_id: Str,
        /// Who has it.
        owner: Str,
    },
    /// No more members fit.
    #[error("The consumer group has reached its maximum capacity of {limit} members.")]
    GroupFull {
        /// How many there may be.
        limit: usize,
    },
    /// The regular expression is malformed or too large.
    #[error("SubscribedTopicRegex `{pattern}` is not a valid regular expression: {reason}.")]
    InvalidPattern {
        /// Its beginning.
        pattern: String,
        /// What is wrong.
        reason: String,
    },
    /// The coordinator could not take the request.
    #[error(transparent)]
    Coordinator(#[from] CoordinatorError),
}

fn join(names: &[Str]) -> String {
    names.iter().map(Str::as_str).collect::<Vec<_>>().join(", ")
}
