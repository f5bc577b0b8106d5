//! What is kept of a group, and the records that change it.
//!
//! A group's kept state is the sum of its records, in their order: at a start, in memory, and in the copy that
//! follows what is durable.

use crate::{
    consumer_group::{Assignment, Owned},
    group::GroupSnapshot,
};
use bytes::Bytes;
use levada_model::{Str, Timestamp};
use std::{collections::BTreeMap, collections::BTreeSet, sync::Arc, time::Duration};

/// What a member says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberMetadata {
    /// Its static name.
    pub instance_id: Option<Str>,
    /// Where it says that it stands; shown, and of no effect.
    pub rack_id: Option<Str>,
    /// The client's own name.
    pub client_id: Str,
    /// Where it connects from.
    pub client_host: Str,
    /// The topics that it subscribes to by name.
    pub topics: BTreeSet<Str>,
    /// The regular expression that it subscribes to.
    pub pattern: Option<Str>,
    /// How long it may take to give partitions up.
    pub rebalance_timeout: Option<Duration>,
    /// The assignor that it wants.
    pub assignor: Option<Str>,
    /// For a member that speaks the classic protocol.
    pub classic: Option<ClassicMetadata>,
}

impl MemberMetadata {
    /// The regular expression, if there is one and it is not empty.
    #[must_use]
    pub fn pattern(&self) -> Option<&Str> {
        self.pattern.as_ref().filter(|pattern| !pattern.is_empty())
    }
}

/// What a member of the classic protocol says in addition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassicMetadata {
    /// Silence beyond this ends its membership.
    pub session_timeout: Duration,
    /// Assignment protocols by name, best first, with what the member says under each.
    pub protocols: Vec<(Str, Bytes)>,
}

/// How far a member is on its way to its target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MemberState {
    /// It has what its epoch gives it.
    #[default]
    Stable,
    /// It is to give partitions up before it goes on.
    UnrevokedPartitions,
    /// It waits for partitions that others have not given up yet.
    UnreleasedPartitions,
    /// Written by a later version.
    Unknown,
}

impl MemberState {
    /// Kafka's number.
    #[must_use]
    pub const fn code(self) -> i8 {
        match self {
            Self::Stable => 0,
            Self::UnrevokedPartitions => 1,
            Self::UnreleasedPartitions => 2,
            Self::Unknown => 127,
        }
    }

    /// The state with this number.
    #[must_use]
    pub const fn of_code(code: i8) -> Self {
        match code {
            0 => Self::Stable,
            1 => Self::UnrevokedPartitions,
            2 => Self::UnreleasedPartitions,
            _ => Self::Unknown,
        }
    }
}

/// What a member has, and in which epoch it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Current {
    /// Its epoch; −2 for a static member that is away.
    pub epoch: i32,
    /// Its epoch before.
    pub previous_epoch: i32,
    /// How far it is.
    pub state: MemberState,
    /// What it has.
    pub assigned: Owned,
    /// What it is to give up.
    pub revoking: Owned,
}

impl Current {
    /// What the member has, whether it is to keep it or to give it up.
    #[must_use]
    pub fn held(&self) -> Assignment {
        self.assigned.iter().chain(self.revoking.iter()).map(|(topic, partition, _)| (topic, partition)).collect()
    }
}

impl Current {
    /// Whether it has all that the target of `epoch` gives it.
    #[must_use]
    pub fn is_reconciled_to(&self, epoch: i32) -> bool {
        self.state == MemberState::Stable && self.epoch == epoch
    }
}

/// The group's epoch, and what its topics were then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupEpoch {
    /// Rises whenever members are to be assigned anew.
    pub epoch: i32,
    /// Tells whether a topic that members subscribe to came, grew or went.
    pub metadata_hash: u64,
}

/// For which epoch the targets were worked out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssignmentEpoch {
    /// The group's epoch then.
    pub epoch: i32,
    /// When.
    pub at_ms: Timestamp,
}

/// The topics that a regular expression matched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Their names.
    pub topics: BTreeSet<Str>,
    /// The version of the cluster's metadata that was looked at.
    pub version: u64,
    /// When.
    pub at_ms: Timestamp,
}

/// One record: a part of a group's state, or none any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The group under the classic protocol.
    Classic(Option<Box<GroupSnapshot>>),
    /// The group's epoch; the group exists while it has one.
    Group(Option<GroupEpoch>),
    /// What a member says.
    Member(Str, Option<Arc<MemberMetadata>>),
    /// For which epoch the targets hold.
    AssignmentEpoch(Option<AssignmentEpoch>),
    /// What a member is to have.
    Target(Str, Option<Arc<Assignment>>),
    /// What a member has.
    Current(Str, Option<Arc<Current>>),
    /// What a regular expression matched.
    Resolved(Str, Option<Arc<Resolved>>),
}

/// What is kept of a group of this protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Its epoch; none if there is no such group.
    pub group: Option<GroupEpoch>,
    /// For which epoch the targets hold.
    pub assignment: Option<AssignmentEpoch>,
    /// What members say, by id.
    pub members: BTreeMap<Str, Arc<MemberMetadata>>,
    /// What members are to have, by id.
    pub targets: BTreeMap<Str, Arc<Assignment>>,
    /// What members have, by id.
    pub currents: BTreeMap<Str, Arc<Current>>,
    /// What regular expressions matched.
    pub resolved: BTreeMap<Str, Arc<Resolved>>,
    /// The group under the classic protocol, which it was or became.
    pub classic: Option<Box<GroupSnapshot>>,
}

impl Image {
    /// Takes a record over.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Classic(snapshot) => self.classic.clone_from(snapshot),
            Record::Group(group) => self.group = *group,
            Record::AssignmentEpoch(assignment) => self.assignment = *assignment,
            Record::Member(id, value) => put(&mut self.members, id, value.as_ref()),
            Record::Target(id, value) => put(&mut self.targets, id, value.as_ref()),
            Record::Current(id, value) => put(&mut self.currents, id, value.as_ref()),
            Record::Resolved(pattern, value) => put(&mut self.resolved, pattern, value.as_ref()),
        }
    }

    /// The group's epoch; 0 for one that is new.
    #[must_use]
    pub fn epoch(&self) -> i32 {
        self.group.map_or(0, |group| group.epoch)
    }

    /// The epoch for which the targets hold; 0 where there are none.
    #[must_use]
    pub fn assignment_epoch(&self) -> i32 {
        self.assignment.map_or(0, |assignment| assignment.epoch)
    }

    /// Records that lead from nothing to this.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        records.extend(self.members.iter().map(|(id, value)| Record::Member(id.clone(), Some(Arc::clone(value)))));
        records.extend(self.group.map(|group| Record::Group(Some(group))));
        let resolved = self.resolved.iter();
        records.extend(resolved.map(|(id, value)| Record::Resolved(id.clone(), Some(Arc::clone(value)))));
        records.extend(self.targets.iter().map(|(id, value)| Record::Target(id.clone(), Some(Arc::clone(value)))));
        records.extend(self.assignment.map(|assignment| Record::AssignmentEpoch(Some(assignment))));
        records.extend(self.currents.iter().map(|(id, value)| Record::Current(id.clone(), Some(Arc::clone(value)))));
        records
    }

    /// Records that lead from this to nothing.
    #[must_use]
    pub fn tombstones(&self) -> Vec<Record> {
        let mut records = Vec::new();
        records.extend(self.currents.keys().map(|id| Record::Current(id.clone(), None)));
        records.extend(self.targets.keys().map(|id| Record::Target(id.clone(), None)));
        records.extend(self.assignment.map(|_| Record::AssignmentEpoch(None)));
        records.extend(self.members.keys().map(|id| Record::Member(id.clone(), None)));
        records.extend(self.resolved.keys().map(|pattern| Record::Resolved(pattern.clone(), None)));
        records.extend(self.group.map(|_| Record::Group(None)));
        records
    }
}

fn put<T>(map: &mut BTreeMap<Str, Arc<T>>, id: &Str, value: Option<&Arc<T>>) {
    match value {
        Some(value) => {
            map.insert(id.clone(), Arc::clone(value));
        }
        None => {
            map.remove(id);
        }
    }
}
