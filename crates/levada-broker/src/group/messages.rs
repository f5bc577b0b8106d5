//! What members ask of their group, and what it answers.

use crate::group::MembershipError;
use bytes::Bytes;
use levada_model::Str;
use std::time::Duration;

/// Names a request whose answer may come later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A member wants in, or in again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// Its id; empty on the first join.
    pub member_id: Str,
    /// The name of a static member (KIP-345).
    pub instance_id: Option<Str>,
    /// The client's own name.
    pub client_id: Str,
    /// Where it connects from.
    pub client_host: Str,
    /// Silence beyond this ends its membership.
    pub session_timeout: Duration,
    /// How long it may take to join again.
    pub rebalance_timeout: Duration,
    /// What kind of group it takes this for: `consumer`, say.
    pub protocol_type: Str,
    /// Assignment protocols by name, best first, with what the member says under each.
    pub protocols: Vec<(Str, Bytes)>,
    /// Whether a new dynamic member is to come back with the id that it is given (v4, KIP-394).
    pub member_id_round_trip: RoundTrip,
    /// Whether a returning static leader may be told that the assignment stands (v9, KIP-814).
    pub skips_assignment: SkipsAssignment,
    /// The id to give, should one be needed.
    pub fresh_member_id: Str,
}

/// Whether a new member joins in two steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoundTrip {
    /// It is told its id first, and joins with it.
    Required,
    /// It joins at once.
    Not,
}

/// Whether the member understands `skip_assignment`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipsAssignment {
    /// It does.
    Understood,
    /// It does not.
    Not,
}

/// What a member is told when the members of a generation are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The generation.
    pub generation: i32,
    /// The kind of group.
    pub protocol_type: Option<Str>,
    /// The protocol that everyone has and most want.
    pub protocol: Option<Str>,
    /// Who assigns.
    pub leader: Str,
    /// Whether the leader leaves the assignment as it is.
    pub skip_assignment: bool,
    /// The member's id.
    pub member_id: Str,
    /// All members; only for the leader.
    pub members: Vec<JoinedMember>,
}

/// A member as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub member_id: Str,
    /// Its static name.
    pub instance_id: Option<Str>,
    /// What it says under the chosen protocol.
    pub metadata: Bytes,
}

/// Why someone did not join.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The session timeout is out of bounds.
    #[error("session timeout of {sent:?} is not within {min:?} and {max:?}")]
    InvalidSessionTimeout {
        /// What was asked for.
        sent: Duration,
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// No protocol that all members have, or another kind of group.
    #[error("protocols do not fit those of the group's members")]
    InconsistentProtocol,
    /// No member has this id.
    #[error("`{0}` is no member of the group")]
    UnknownMember(Str),
    /// Another member has this instance id now.
    #[error("instance `{0}` was taken over by another member")]
    FencedInstance(Str),
    /// Join again with this id.
    #[error("join again as `{member_id}`")]
    MemberIdRequired {
        /// The id.
        member_id: Str,
    },
    /// No more members fit.
    #[error("group has reached its {limit} members")]
    GroupFull {
        /// How many there may be.
        limit: usize,
    },
    /// The member says too much about itself.
    #[error("protocol metadata of {size} bytes exceeds the limit of {limit}")]
    MetadataTooLarge {
        /// How much.
        size: usize,
        /// How much it may be.
        limit: usize,
    },
    /// The same member joined again meanwhile.
    #[error("a later join of the same member took the place of this one")]
    Superseded,
    /// The group changed its protocol; the member is to join again.
    #[error("the group is rebalancing")]
    RebalanceInProgress,
    /// The coordinator could not take the request.
    #[error(transparent)]
    Coordinator(#[from] crate::coordinator::CoordinatorError),
}

/// A member wants its assignment; the leader brings everyone's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sync {
    /// The member.
    pub member_id: Str,
    /// Its static name.
    pub instance_id: Option<Str>,
    /// The generation it takes itself to be in.
    pub generation: i32,
    /// What it takes the group for, where the client says so (v5).
    pub protocol_type: Option<Str>,
    /// What it takes for the chosen protocol (v5).
    pub protocol: Option<Str>,
    /// Assignments by member id; from the leader.
    pub assignments: Vec<(Str, Bytes)>,
}

/// A member's assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synced {
    /// The kind of group.
    pub protocol_type: Option<Str>,
    /// The chosen protocol.
    pub protocol: Option<Str>,
    /// What the leader assigned.
    pub assignment: Bytes,
}

/// Why a member got no assignment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyncError {
    /// No member has this id.
    #[error("`{0}` is no member of the group")]
    UnknownMember(Str),
    /// Another member has this instance id now.
    #[error("instance `{0}` was taken over by another member")]
    FencedInstance(Str),
    /// The group is in another generation.
    #[error("generation {sent} is not the group's, {current}")]
    IllegalGeneration {
        /// The member's.
        sent: i32,
        /// The group's.
        current: i32,
    },
    /// The member takes the group for something else.
    #[error("protocol type or name is not the group's")]
    InconsistentProtocol,
    /// Members are joining again.
    #[error("the group is rebalancing")]
    RebalanceInProgress,
    /// The leader's assignments are too large.
    #[error("assignments of {size} bytes exceed the limit of {limit}")]
    AssignmentsTooLarge {
        /// How large.
        size: usize,
        /// How large they may be.
        limit: usize,
    },
    /// The coordinator could not take the request.
    #[error(transparent)]
    Coordinator(#[from] crate::coordinator::CoordinatorError),
}

/// A member says that it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// The member.
    pub member_id: Str,
    /// Its static name.
    pub instance_id: Option<Str>,
    /// The generation it takes itself to be in.
    pub generation: i32,
}

/// Why a sign of life does not count, or what to do upon it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeartbeatError {
    /// No member has this id.
    #[error("`{0}` is no member of the group")]
    UnknownMember(Str),
    /// Another member has this instance id now.
    #[error("instance `{0}` was taken over by another member")]
    FencedInstance(Str),
    /// The group is in another generation.
    #[error("generation {sent} is not the group's, {current}")]
    IllegalGeneration {
        /// The member's.
        sent: i32,
        /// The group's.
        current: i32,
    },
    /// The session goes on; the member is to join again.
    #[error("the group is rebalancing")]
    RebalanceInProgress,
    /// The member of a group of KIP-848 is in another epoch.
    #[error("member epoch {sent} is not the member's, {current}")]
    StaleMemberEpoch {
        /// The member's.
        sent: i32,
        /// The group's.
        current: i32,
    },
    /// A member of a group of KIP-848 commits by a request that cannot carry its epoch.
    #[error("members of the consumer protocol commit by OffsetCommit from version 9 on")]
    UnsupportedCommit,
    /// No group has this id, and the sender takes itself for a member.
    #[error("group does not exist")]
    UnknownGroup,
    /// The coordinator could not take the request.
    #[error(transparent)]
    Coordinator(#[from] crate::coordinator::CoordinatorError),
}

/// A member leaves, or is made to by its static name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leave {
    /// Its id; empty where an administrator names only the instance.
    pub member_id: Str,
    /// Its static name.
    pub instance_id: Option<Str>,
}

/// Why someone did not leave.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaveError {
    /// No member has this id.
    #[error("`{0}` is no member of the group")]
    UnknownMember(Str),
    /// Another member has this instance id now.
    #[error("instance `{0}` was taken over by another member")]
    FencedInstance(Str),
}

macro_rules! from_membership {
    ($($error:ty),*) => {$(
        impl $error {
            pub(crate) fn membership(error: MembershipError, member_id: &Str, instance_id: Option<&Str>) -> Self {
                match (error, instance_id) {
                    (MembershipError::Fenced, Some(instance_id)) => Self::FencedInstance(instance_id.detached()),
                    (MembershipError::Fenced | MembershipError::Unknown, _) => {
                        Self::UnknownMember(member_id.detached())
                    }
                }
            }
        }
    )*};
}

from_membership!(JoinError, SyncError, HeartbeatError, LeaveError);
