//! A group as administrators see it.

use crate::{
    consumer_group::ConsumerGroupState,
    group::{Group, GroupState},
};
use bytes::Bytes;
use levada_model::Str;

/// Which protocol a group follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupType {
    /// Its members assign.
    Classic,
    /// The broker assigns (KIP-848).
    Consumer,
}

impl GroupType {
    /// Kafka's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
        }
    }
}

/// Where a group of either protocol stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListedState {
    /// A classic one.
    Classic(GroupState),
    /// One of KIP-848.
    Consumer(ConsumerGroupState),
}

impl ListedState {
    /// Kafka's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classic(state) => state.name(),
            Self::Consumer(state) => state.name(),
        }
    }
}

/// A group in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedGroup {
    /// Its id.
    pub id: Str,
    /// What kind of group; empty for one that only keeps offsets.
    pub protocol_type: Str,
    /// Which protocol it follows.
    pub group_type: GroupType,
    /// Where it stands.
    pub state: ListedState,
}

/// A group and its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedGroup {
    /// Its id.
    pub id: Str,
    /// Where it stands.
    pub state: GroupState,
    /// What kind of group; empty for one that only keeps offsets.
    pub protocol_type: Str,
    /// The chosen protocol; empty unless the group is stable.
    pub protocol: Str,
    /// Its members, by id.
    pub members: Vec<DescribedMember>,
}

/// A member as administrators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedMember {
    /// Its id.
    pub id: Str,
    /// Its static name.
    pub instance_id: Option<Str>,
    /// The client's own name.
    pub client_id: Str,
    /// Where it connects from.
    pub client_host: Str,
    /// What it says under the chosen protocol; empty unless the group is stable.
    pub metadata: Bytes,
    /// What it was assigned; empty unless the group is stable.
    pub assignment: Bytes,
}

impl Group {
    /// The group in a list.
    #[must_use]
    pub fn list(&self) -> ListedGroup {
        let protocol_type = self.protocol_type.clone().unwrap_or_default();
        let (group_type, state) = (GroupType::Classic, ListedState::Classic(self.state));
        ListedGroup { id: self.id.clone(), protocol_type, group_type, state }
    }

    /// The group and its members.
    #[must_use]
    pub fn describe(&self) -> DescribedGroup {
        let is_stable = self.state == GroupState::Stable;
        let members = self.members.values().map(|member| DescribedMember {
            id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: if is_stable { member.metadata(self.protocol.as_ref()) } else { Bytes::new() },
            assignment: if is_stable { member.assignment.clone() } else { Bytes::new() },
        });
        DescribedGroup {
            id: self.id.clone(),
            state: self.state,
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol: if is_stable { self.protocol.clone().unwrap_or_default() } else { Str::new() },
            members: members.collect(),
        }
    }
}
