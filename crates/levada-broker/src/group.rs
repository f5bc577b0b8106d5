//! One consumer group under the classic protocol, as a pure state machine.
//!
//! Owns membership, generations, rebalances and every timeout. No clock, no lock, no I/O: calls say what
//! time it is and hand back [`Effect`]s. Who carries the effects out, keeps them durable and answers the
//! clients is [`crate::coordinator`]; committed offsets are [`offsets`].
//!
//! ```text
//!            join                      all joined, or time is up
//!   Empty ─────────▶ PreparingRebalance ─────────▶ CompletingRebalance
//!     ▲               ▲        │ nobody left          │ leader's SyncGroup
//!     └───────────────┼────────┘                      ▼
//!                     └──────────────────────────── Stable
//!                       join, leave, expiry
//! ```
//!
//! Source: KIP-62, KIP-134, KIP-345, KIP-394, KIP-800, KIP-814.

pub mod describe;
mod join;
pub mod member;
pub mod messages;
pub(crate) mod migration;
pub mod offsets;
mod rebalance;
mod session;
pub mod snapshot;
mod subscription;
mod sync;

pub use describe::{DescribedGroup, DescribedMember, ListedGroup};
pub use messages::{
    Heartbeat, HeartbeatError, Join, JoinError, Joined, JoinedMember, Leave, LeaveError, RequestId, Sync, SyncError,
    Synced,
};
pub use snapshot::{GroupSnapshot, MemberSnapshot};

pub(crate) use join::check_join_bounds;

use crate::consumer_group::{BeatError, Beaten, ConsumerLimits, Record};
use levada_model::{Str, Timestamp};
use member::Member;
use std::{collections::BTreeMap, time::Duration};

/// What time it is, on both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Never goes back; deadlines count on it.
    pub monotonic: Duration,
    /// Milliseconds since 1970; what is kept counts on it.
    pub wall_ms: Timestamp,
}

/// Where a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupState {
    /// No members; committed offsets may exist.
    Empty,
    /// Members are to join again.
    PreparingRebalance,
    /// Members have joined; the leader's assignment is awaited.
    CompletingRebalance,
    /// Everyone has their assignment.
    Stable,
}

impl GroupState {
    /// Kafka's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// The bounds that groups keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupLimits {
    /// How long the first rebalance of an empty group waits for more members.
    pub initial_rebalance_delay: Duration,
    /// The shortest session timeout a member may ask for.
    pub session_timeout_min: Duration,
    /// The longest.
    pub session_timeout_max: Duration,
    /// The most members.
    pub members_max: usize,
    /// The most bytes of protocol metadata a member may bring, over all its protocols.
    pub metadata_size_max: usize,
    /// The most bytes of assignments that a leader may hand out.
    pub assignments_size_max: usize,
    /// How long a member may wait in its first join.
    pub new_member_timeout: Duration,
    /// The bounds of groups of KIP-848.
    pub consumer: ConsumerLimits,
}

impl Default for GroupLimits {
    fn default() -> Self {
        Self {
            initial_rebalance_delay: Duration::ZERO,
            session_timeout_min: Duration::from_secs(6),
            session_timeout_max: Duration::from_secs(30 * 60),
            members_max: 10_000,
            metadata_size_max: 1 << 20,
            assignments_size_max: 8 << 20,
            new_member_timeout: Duration::from_secs(5 * 60),
            consumer: ConsumerLimits::default(),
        }
    }
}

/// What is to happen because of a call.
///
/// Effects are carried out in order; an answer leaves when every [`Effect::Save`] and [`Effect::Change`] before it
/// is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Keep the group as it now is.
    Save(Box<GroupSnapshot>),
    /// Keep these changes of a group of KIP-848, all or none.
    Change(Vec<Record>),
    /// Answer a heartbeat of KIP-848.
    Beaten {
        /// Which.
        request: RequestId,
        /// With what.
        outcome: Result<Beaten, BeatError>,
    },
    /// Answer a join.
    Joined {
        /// Which.
        request: RequestId,
        /// With what.
        outcome: Result<Joined, JoinError>,
    },
    /// Answer a sync.
    Synced {
        /// Which.
        request: RequestId,
        /// With what.
        outcome: Result<Synced, SyncError>,
    },
}

/// How a rebalance that is being prepared will end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct JoinPhase {
    /// When it ends at the latest.
    deadline: Duration,
    /// For the first rebalance of an empty group: how much longer newcomers may put it off.
    initial_left: Option<Duration>,
    /// Whether someone came since the deadline was set.
    newcomer: bool,
}

/// One consumer group.
#[derive(Clone, Debug)]
pub struct Group {
    id: Str,
    state: GroupState,
    generation: i32,
    protocol_type: Option<Str>,
    protocol: Option<Str>,
    leader: Option<Str>,
    members: BTreeMap<Str, Member>,
    /// Member id by instance id.
    static_members: BTreeMap<Str, Str>,
    /// Ids that were given out and not yet used, and until when they are good.
    pending: BTreeMap<Str, Duration>,
    join_phase: Option<JoinPhase>,
    /// Until when every member must have sent its SyncGroup.
    sync_deadline: Option<Duration>,
    state_since_ms: Timestamp,
}

/// An id is given out at most this often per member of a full group: hostile joiners do not fill memory.
const PENDING_PER_MEMBER: usize = 2;

impl Group {
    /// A group without members.
    #[must_use]
    pub const fn new(id: Str, now: Now) -> Self {
        Self {
            id,
            state: GroupState::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            pending: BTreeMap::new(),
            join_phase: None,
            sync_deadline: None,
            state_since_ms: now.wall_ms,
        }
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> &Str {
        &self.id
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> GroupState {
        self.state
    }

    /// Which generation it is in.
    #[must_use]
    pub const fn generation(&self) -> i32 {
        self.generation
    }

    /// The member that assigns.
    #[must_use]
    pub const fn leader(&self) -> Option<&Str> {
        self.leader.as_ref()
    }

    /// What kind of group: `consumer`, `connect`; none for one that only keeps offsets.
    #[must_use]
    pub const fn protocol_type(&self) -> Option<&Str> {
        self.protocol_type.as_ref()
    }

    /// Whether it has neither members nor ids given out.
    #[must_use]
    pub fn is_unused(&self) -> bool {
        self.members.is_empty() && self.pending.is_empty()
    }

    /// Ids of its members.
    pub fn member_ids(&self) -> impl Iterator<Item = &Str> {
        self.members.keys()
    }

    /// Since when it is in its state, by the wall clock.
    #[must_use]
    pub const fn state_since_ms(&self) -> Timestamp {
        self.state_since_ms
    }

    fn enter(&mut self, now: Now, state: GroupState) {
        self.state = state;
        self.state_since_ms = now.wall_ms;
    }

    fn is_leader(&self, member_id: &Str) -> bool {
        self.leader.as_ref() == Some(member_id)
    }

    /// Whether `member_id`, under `instance_id` if it has one, is a member.
    fn check_member(&self, member_id: &Str, instance_id: Option<&Str>) -> Result<(), MembershipError> {
        if let Some(instance_id) = instance_id {
            match self.static_members.get(instance_id) {
                None => return Err(MembershipError::Unknown),
                Some(current) if current != member_id => return Err(MembershipError::Fenced),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) { Ok(()) } else { Err(MembershipError::Unknown) }
    }

    /// The longest that a member may take to join again.
    fn rebalance_timeout(&self) -> Duration {
        self.members.values().map(|member| member.rebalance_timeout).max().unwrap_or_default()
    }
}

/// Why someone is no member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MembershipError {
    Unknown,
    Fenced,
}

#[cfg(test)]
mod histories;
#[cfg(test)]
mod tests;
