//! Partitions by topic: what a member is to have, and what it has.

use levada_model::{PartitionIndex, TopicId};
use std::collections::{BTreeMap, BTreeSet};

/// Some partitions, by topic. No topic is without one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignment {
    topics: BTreeMap<TopicId, BTreeSet<PartitionIndex>>,
}

impl Assignment {
    /// Puts a partition in; whether it was not there.
    pub fn insert(&mut self, topic: TopicId, partition: PartitionIndex) -> bool {
        self.topics.entry(topic).or_default().insert(partition)
    }

    /// Takes a partition out; whether it was there.
    pub fn remove(&mut self, topic: TopicId, partition: PartitionIndex) -> bool {
        let Some(partitions) = self.topics.get_mut(&topic) else { return false };
        let was_there = partitions.remove(&partition);
        if partitions.is_empty() {
            self.topics.remove(&topic);
        }
        was_there
    }

    /// Whether a partition is there.
    #[must_use]
    pub fn contains(&self, topic: TopicId, partition: PartitionIndex) -> bool {
        self.topics.get(&topic).is_some_and(|partitions| partitions.contains(&partition))
    }

    /// The partitions of a topic, in order.
    pub fn of_topic(&self, topic: TopicId) -> impl Iterator<Item = PartitionIndex> {
        self.topics.get(&topic).into_iter().flatten().copied()
    }

    /// Topics and their partitions, in order.
    pub fn topics(&self) -> impl Iterator<Item = (TopicId, &BTreeSet<PartitionIndex>)> {
        self.topics.iter().map(|(topic, partitions)| (*topic, partitions))
    }

    /// All partitions, in order.
    pub fn iter(&self) -> impl Iterator<Item = (TopicId, PartitionIndex)> {
        self.topics().flat_map(|(topic, partitions)| partitions.iter().map(move |&partition| (topic, partition)))
    }

    /// How many partitions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.topics.values().map(BTreeSet::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }
}

impl FromIterator<(TopicId, PartitionIndex)> for Assignment {
    fn from_iter<I: IntoIterator<Item = (TopicId, PartitionIndex)>>(partitions: I) -> Self {
        let mut assignment = Self::default();
        for (topic, partition) in partitions {
            assignment.insert(topic, partition);
        }
        assignment
    }
}

/// Partitions that a member has, each with the epoch in which it was assigned. No topic is without one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owned {
    topics: BTreeMap<TopicId, BTreeMap<PartitionIndex, i32>>,
}

impl Owned {
    /// Puts a partition in that was assigned in `epoch`.
    pub fn insert(&mut self, topic: TopicId, partition: PartitionIndex, epoch: i32) {
        self.topics.entry(topic).or_default().insert(partition, epoch);
    }

    /// The epoch in which a partition was assigned.
    #[must_use]
    pub fn epoch(&self, topic: TopicId, partition: PartitionIndex) -> Option<i32> {
        self.topics.get(&topic)?.get(&partition).copied()
    }

    /// Topics and their partitions with epochs, in order.
    pub fn topics(&self) -> impl Iterator<Item = (TopicId, &BTreeMap<PartitionIndex, i32>)> {
        self.topics.iter().map(|(topic, partitions)| (*topic, partitions))
    }

    /// All partitions with their epochs, in order.
    pub fn iter(&self) -> impl Iterator<Item = (TopicId, PartitionIndex, i32)> {
        let of_topic = |(topic, partitions): (TopicId, &BTreeMap<PartitionIndex, i32>)| {
            let partitions: Vec<_> = partitions.iter().map(|(&partition, &epoch)| (topic, partition, epoch)).collect();
            partitions
        };
        self.topics().flat_map(of_topic)
    }

    /// The same without the epochs.
    #[must_use]
    pub fn assignment(&self) -> Assignment {
        self.iter().map(|(topic, partition, _)| (topic, partition)).collect()
    }

    /// Whether the same partitions are here as there, whatever their epochs.
    #[must_use]
    pub fn has_same_partitions(&self, other: &Self) -> bool {
        let bare = |owned: &Self| owned.iter().map(|(topic, partition, _)| (topic, partition)).collect::<Vec<_>>();
        bare(self) == bare(other)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }
}

impl FromIterator<(TopicId, PartitionIndex, i32)> for Owned {
    fn from_iter<I: IntoIterator<Item = (TopicId, PartitionIndex, i32)>>(partitions: I) -> Self {
        let mut owned = Self::default();
        for (topic, partition, epoch) in partitions {
            owned.insert(topic, partition, epoch);
        }
        owned
    }
}
