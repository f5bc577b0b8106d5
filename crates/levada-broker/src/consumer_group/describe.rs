//! A group as administrators see it.

use crate::consumer_group::{Assignment, ConsumerGroup, Topics};
use levada_model::{PartitionIndex, Str, TopicId};

/// Where a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsumerGroupState {
    /// No members.
    Empty,
    /// Members are to be assigned anew.
    Assigning,
    /// Members are on their way to what they were assigned.
    Reconciling,
    /// Everyone has what they were assigned.
    Stable,
}

impl ConsumerGroupState {
    /// Kafka's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::Stable => "Stable",
        }
    }
}

/// A group and its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedConsumerGroup {
    /// Its id.
    pub id: Str,
    /// Where it stands.
    pub state: ConsumerGroupState,
    /// Its epoch.
    pub epoch: i32,
    /// The epoch for which members were assigned.
    pub assignment_epoch: i32,
    /// Who assigns.
    pub assignor: Str,
    /// Its members, by id.
    pub members: Vec<DescribedConsumer>,
}

/// Topics by id and name, with partitions.
pub type NamedPartitions = Vec<(TopicId, Str, Vec<PartitionIndex>)>;

/// A member as administrators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedConsumer {
    /// Its id.
    pub id: Str,
    /// Its static name.
    pub instance_id: Option<Str>,
    /// Where it says that it stands.
    pub rack_id: Option<Str>,
    /// Its epoch.
    pub epoch: i32,
    /// The client's own name.
    pub client_id: Str,
    /// Where it connects from.
    pub client_host: Str,
    /// The topics it subscribes to by name.
    pub topics: Vec<Str>,
    /// The regular expression it subscribes to.
    pub pattern: Option<Str>,
    /// What it has, and is still to give up.
    pub assignment: NamedPartitions,
    /// What it is to have.
    pub target: NamedPartitions,
    /// Whether it speaks the classic protocol.
    pub is_classic: bool,
}

impl ConsumerGroup {
    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> ConsumerGroupState {
        let epoch = self.image.assignment_epoch();
        let is_reconciled =
            |id: &Str| self.image.currents.get(id).is_some_and(|current| current.is_reconciled_to(epoch));
        if self.is_empty() {
            ConsumerGroupState::Empty
        } else if self.image.epoch() > epoch {
            ConsumerGroupState::Assigning
        } else if self.image.members.keys().all(is_reconciled) {
            ConsumerGroupState::Stable
        } else {
            ConsumerGroupState::Reconciling
        }
    }

    /// The group and its members; topics that are gone are left out.
    #[must_use]
    pub fn describe(&self, assignors: &[Str], topics: &dyn Topics) -> DescribedConsumerGroup {
        let members = self.image.members.iter().map(|(id, member)| {
            let current = self.image.currents.get(id);
            let target = self.image.targets.get(id);
            DescribedConsumer {
                id: id.clone(),
                instance_id: member.instance_id.clone(),
                rack_id: member.rack_id.clone(),
                epoch: current.map_or(0, |current| current.epoch),
                client_id: member.client_id.clone(),
                client_host: member.client_host.clone(),
                topics: member.topics.iter().cloned().collect(),
                pattern: member.pattern().cloned(),
                assignment: current.map_or_else(Vec::new, |current| named(&current.held(), topics)),
                target: target.map_or_else(Vec::new, |target| named(target, topics)),
                is_classic: member.classic.is_some(),
            }
        });
        DescribedConsumerGroup {
            id: self.id.clone(),
            state: self.state(),
            epoch: self.image.epoch(),
            assignment_epoch: self.image.assignment_epoch(),
            assignor: self.preferred_assignor(assignors),
            members: members.collect(),
        }
    }
}

fn named(assignment: &Assignment, topics: &dyn Topics) -> NamedPartitions {
    let name = |(id, partitions): (TopicId, &std::collections::BTreeSet<PartitionIndex>)| {
        Some((id, topics.name_of(id)?, partitions.iter().copied().collect()))
    };
    assignment.topics().filter_map(name).collect()
}
