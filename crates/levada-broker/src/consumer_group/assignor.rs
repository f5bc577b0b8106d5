//! Assignors: who gets which partitions.

mod range;
mod uniform;

use crate::consumer_group::Assignment;
use levada_model::{PartitionIndex, Str, TopicId};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// The one that gives everyone as many partitions, and moves few.
pub const UNIFORM: &str = "uniform";
/// The one that gives neighbouring partitions, the same of each topic, to one member.
pub const RANGE: &str = "range";
/// All of them, the default first.
pub const NAMES: [&str; 2] = [UNIFORM, RANGE];

/// Who is to be assigned what.
#[derive(Clone, Debug)]
pub struct Spec<'a> {
    /// The members, by id.
    pub candidates: Vec<Candidate<'a>>,
    /// All topics that anyone subscribes to, with their numbers of partitions.
    pub topics: BTreeMap<TopicId, PartitionIndex>,
}

/// One member.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    /// Its id.
    pub id: &'a Str,
    /// Its static name.
    pub instance_id: Option<&'a Str>,
    /// The topics that it subscribes to; shared among those who subscribe to the same.
    pub topics: Rc<BTreeSet<TopicId>>,
    /// What it was to have so far. No partition is so of two members.
    pub has: &'a Assignment,
}

impl Spec<'_> {
    /// The partitions of a topic.
    fn partitions(&self, topic: TopicId) -> std::ops::Range<PartitionIndex> {
        0..self.topics.get(&topic).copied().unwrap_or(0)
    }

    /// Whether all members subscribe to the same.
    fn is_homogeneous(&self) -> bool {
        let Some(first) = self.candidates.first() else { return true };
        let like_first =
            |other: &Candidate<'_>| Rc::ptr_eq(&first.topics, &other.topics) || first.topics == other.topics;
        self.candidates.iter().all(like_first)
    }
}

/// Assigns with the assignor called `name`; the result is in the order of the members.
#[must_use]
pub fn assign(name: &str, spec: &Spec<'_>) -> Vec<Assignment> {
    if name == RANGE { range::assign(spec) } else { uniform::assign(spec) }
}

#[cfg(test)]
mod tests;
