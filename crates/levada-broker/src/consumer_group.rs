//! One consumer group under the protocol of KIP-848, as a pure state machine.
//!
//! The broker assigns: whenever members, what they subscribe to, or topics change, the group's epoch rises, and
//! [`assignor`] works out for each member a *target*. Each member then goes from what it has to its target by
//! itself ([`reconcile`]): it first gives up what it is not to have any more, and is given what is free. Members
//! learn of it by their heartbeats, the one request of this protocol; members of the classic protocol can take
//! part ([`classic`]).
//!
//! ```text
//!  members or topics change   group epoch ▶ targets, assignment epoch ▶ each member: revoke, then take, own epoch
//! ```
//!
//! No clock, no lock, no I/O: calls say what time it is and which topics there are, and hand back effects. All
//! that is kept is an [`Image`], changed by [`Record`]s alone.
//!
//! Source: KIP-848, KIP-1082, KIP-1251.

pub mod assignment;
pub mod assignor;
mod classic;
mod convert;
mod describe;
pub mod embedded;
mod heartbeat;
pub mod image;
mod leave;
mod members;
pub mod messages;
mod offsets;
pub mod pace;
mod reconcile;
mod target;
mod timers;
pub mod topics;

pub use assignment::{Assignment, Owned};
pub use convert::Upgrade;
pub use describe::{ConsumerGroupState, DescribedConsumer, DescribedConsumerGroup, NamedPartitions};
pub use image::{
    AssignmentEpoch, ClassicMetadata, Current, GroupEpoch, Image, MemberMetadata, MemberState, Record, Resolved,
};
pub use messages::{Beat, BeatError, Beaten, MemberIdRule};
pub use offsets::CommitRule;
pub use pace::{Pace, Paces};
pub use topics::{Pattern, TopicShape, Topics};

use crate::group::{Effect, Now};
use levada_model::{PartitionIndex, Str, TopicId};
use std::{collections::BTreeMap, time::Duration};

/// What may become of groups by members of the other protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Whether a classic group becomes one of this protocol when a member of this protocol joins.
    pub upgrade: bool,
    /// Whether a group becomes classic when the last member of this protocol leaves.
    pub downgrade: bool,
}

/// The bounds that groups of this protocol keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumerLimits {
    /// The times of groups.
    pub paces: Paces,
    /// The most members.
    pub members_max: usize,
    /// The most members of a classic group, for one that becomes such.
    pub classic_members_max: usize,
    /// The assignors that members may want, the default first.
    pub assignors: Vec<Str>,
    /// What may become of groups.
    pub migration: Migration,
}

impl Default for ConsumerLimits {
    fn default() -> Self {
        Self {
            paces: Paces::default(),
            members_max: 10_000,
            classic_members_max: 10_000,
            assignors: assignor::NAMES.iter().map(|&name| Str::from_static(name)).collect(),
            migration: Migration { upgrade: true, downgrade: true },
        }
    }
}

/// What a call may look at: the time, the bounds, the topics.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// What time it is.
    pub now: Now,
    /// The bounds.
    pub limits: &'a ConsumerLimits,
    /// The times of the group that is called.
    pub pace: Pace,
    /// The topics.
    pub topics: &'a dyn Topics,
}

/// When a member's time is up, for one reason or another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Deadlines {
    /// It was not heard of.
    session: Duration,
    /// It did not give up its partitions, in this epoch.
    rebalance: Option<(i32, Duration)>,
    /// A member of the classic protocol did not join again.
    join: Option<Duration>,
    /// A member of the classic protocol did not ask for its assignment.
    sync: Option<Duration>,
}

/// When a regular expression was last looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PatternCheck {
    version: u64,
    at: Duration,
}

/// One consumer group.
#[derive(Clone, Debug)]
pub struct ConsumerGroup {
    id: Str,
    image: Image,
    /// Who has each partition, or is still to give it up.
    owners: BTreeMap<(TopicId, PartitionIndex), Str>,
    /// Member id by instance id.
    static_members: BTreeMap<Str, Str>,
    deadlines: BTreeMap<Str, Deadlines>,
    pattern_checks: BTreeMap<Str, PatternCheck>,
    /// The version of the topics for which the metadata hash is known to hold.
    topics_seen: Option<u64>,
}

impl ConsumerGroup {
    /// A group without members, which is not kept until one joins.
    #[must_use]
    pub const fn new(id: Str) -> Self {
        Self {
            id,
            image: Image {
                group: None,
                assignment: None,
                members: BTreeMap::new(),
                targets: BTreeMap::new(),
                currents: BTreeMap::new(),
                resolved: BTreeMap::new(),
                classic: None,
            },
            owners: BTreeMap::new(),
            static_members: BTreeMap::new(),
            deadlines: BTreeMap::new(),
            pattern_checks: BTreeMap::new(),
            topics_seen: None,
        }
    }

    /// The group as it was kept; every member has a whole session to be heard of.
    #[must_use]
    pub fn restore(id: Str, image: Image, now: Now, pace: Pace) -> Self {
        let mut group = Self::new(id);
        group.image = Image { classic: None, ..image };
        for (member_id, member) in &group.image.members {
            if let Some(instance_id) = &member.instance_id {
                group.static_members.insert(instance_id.clone(), member_id.clone());
            }
            let session = member.classic.as_ref().map_or(pace.session_timeout, |classic| classic.session_timeout);
            let revoking = group
                .image
                .currents
                .get(member_id)
                .filter(|current| current.state == MemberState::UnrevokedPartitions && member.classic.is_none());
            let rebalance = revoking.map(|current| {
                (current.epoch, now.monotonic + member.rebalance_timeout.unwrap_or(pace.session_timeout))
            });
            let deadlines = Deadlines { session: now.monotonic + session, rebalance, join: None, sync: None };
            group.deadlines.insert(member_id.clone(), deadlines);
        }
        let currents: Vec<_> = group.image.currents.iter().map(|(id, current)| (id.clone(), current.clone())).collect();
        for (member_id, current) in currents {
            group.own(&member_id, &current);
        }
        group
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> &Str {
        &self.id
    }

    /// What is kept of it.
    #[must_use]
    pub const fn image(&self) -> &Image {
        &self.image
    }

    /// Whether it has no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.image.members.is_empty()
    }

    /// Whether nothing of it was ever kept.
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.image.group.is_none()
    }

    fn speaks_classic(&self, member_id: &str) -> bool {
        self.image.members.get(member_id).is_some_and(|member| member.classic.is_some())
    }

    /// Takes a record over, in memory and for keeping.
    fn change(&mut self, records: &mut Vec<Record>, record: Record) {
        match &record {
            Record::Member(id, value) => {
                let before = self.image.members.get(id).and_then(|member| member.instance_id.clone());
                if let Some(instance_id) = before
                    && self.static_members.get(&instance_id) == Some(id)
                {
                    self.static_members.remove(&instance_id);
                }
                if let Some(instance_id) = value.as_ref().and_then(|member| member.instance_id.clone()) {
                    self.static_members.insert(instance_id, id.clone());
                }
            }
            Record::Current(id, value) => {
                self.disown(id);
                if let Some(current) = value {
                    self.own(id, current);
                }
            }
            Record::Classic(_)
            | Record::Group(_)
            | Record::AssignmentEpoch(_)
            | Record::Target(..)
            | Record::Resolved(..) => {}
        }
        self.image.apply(&record);
        records.push(record);
    }

    fn own(&mut self, member_id: &Str, current: &Current) {
        for (topic, partition, _) in current.assigned.iter().chain(current.revoking.iter()) {
            self.owners.insert((topic, partition), member_id.clone());
        }
    }

    fn disown(&mut self, member_id: &Str) {
        let Some(current) = self.image.currents.get(member_id) else { return };
        for (topic, partition, _) in current.assigned.iter().chain(current.revoking.iter()) {
            if self.owners.get(&(topic, partition)) == Some(member_id) {
                self.owners.remove(&(topic, partition));
            }
        }
    }
}

/// The effects of a call: its records to be kept, if there are any, then its answer.
fn effects(records: Vec<Record>, answer: Option<Effect>) -> Vec<Effect> {
    let change = (!records.is_empty()).then_some(Effect::Change(records));
    change.into_iter().chain(answer).collect()
}

#[cfg(test)]
mod histories;
#[cfg(test)]
mod tests;
