//! A group as it is kept, and its return from there.

use crate::group::{Group, GroupState, Now, member::Member};
use bytes::Bytes;
use levada_model::{Str, Timestamp};
use std::time::Duration;

/// A group as it is kept in `__consumer_offsets`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSnapshot {
    /// What kind of group; empty for one that only keeps offsets.
    pub protocol_type: Str,
    /// Its generation.
    pub generation: i32,
    /// The chosen protocol.
    pub protocol: Option<Str>,
    /// Who assigns.
    pub leader: Option<Str>,
    /// Since when it is in its state.
    pub state_since_ms: Timestamp,
    /// Its members, by id.
    pub members: Vec<MemberSnapshot>,
}

/// A member as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberSnapshot {
    /// Its id.
    pub id: Str,
    /// Its static name.
    pub instance_id: Option<Str>,
    /// The client's own name.
    pub client_id: Str,
    /// Where it connects from.
    pub client_host: Str,
    /// How long it may take to join again.
    pub rebalance_timeout: Duration,
    /// How long it may be silent.
    pub session_timeout: Duration,
    /// What it says under the chosen protocol.
    pub subscription: Bytes,
    /// What it was assigned.
    pub assignment: Bytes,
}

impl Group {
    /// The group as it now is.
    #[must_use]
    pub fn snapshot(&self) -> GroupSnapshot {
        let member = |member: &Member| MemberSnapshot {
            id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            rebalance_timeout: member.rebalance_timeout,
            session_timeout: member.session_timeout,
            subscription: member.metadata(self.protocol.as_ref()),
            assignment: member.assignment.clone(),
        };
        GroupSnapshot {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            state_since_ms: self.state_since_ms,
            members: self.members.values().map(member).collect(),
        }
    }

    /// The group as it was kept; every member has a whole session to be heard of.
    #[must_use]
    pub fn restore(id: Str, snapshot: GroupSnapshot, now: Now) -> Self {
        let mut group = Self::new(id, now);
        group.generation = snapshot.generation;
        group.protocol_type = (!snapshot.protocol_type.is_empty()).then_some(snapshot.protocol_type);
        group.state_since_ms = snapshot.state_since_ms;
        if snapshot.members.is_empty() {
            return group;
        }
        group.state = GroupState::Stable;
        for kept in snapshot.members {
            let member = Member::restored(kept, snapshot.protocol.as_ref(), now.monotonic);
            if let Some(instance_id) = &member.instance_id {
                group.static_members.insert(instance_id.clone(), member.id.clone());
            }
            group.members.insert(member.id.clone(), member);
        }
        group.protocol = snapshot.protocol;
        let kept_leader = snapshot.leader.filter(|leader| group.members.contains_key(leader));
        group.leader = kept_leader.or_else(|| group.members.keys().next().cloned());
        group
    }
}
