//! `uniform`: as many partitions for everyone, and as few of them moved as that allows.
//!
//! Where all subscribe to the same, numbers differ by at most one and no assignment of such numbers would move
//! fewer partitions. Where they do not, no partition can be handed from a member to another subscriber that would
//! still have fewer.

use super::{Assignment, Spec};
use levada_model::{PartitionIndex, TopicId};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque},
};

/// How often topics are gone through to even loads out where members subscribe to different topics. Each time
/// evens out more; a few are enough but for odd subscriptions, and this bounds those.
const PASSES_MAX: usize = 64;

pub(super) fn assign(spec: &Spec<'_>) -> Vec<Assignment> {
    if spec.candidates.is_empty() {
        return Vec::new();
    }
    if spec.is_homogeneous() { homogeneous(spec) } else { heterogeneous(spec) }
}

type Partition = (TopicId, PartitionIndex);

fn homogeneous(spec: &Spec<'_>) -> Vec<Assignment> {
    let total: usize = spec.topics.keys().map(|&topic| spec.partitions(topic).len()).sum();
    let count = spec.candidates.len();
    let (each, mut extra) = (total / count, total % count);
    let mut taken = BTreeSet::new();
    let mut targets = Vec::with_capacity(count);
    let mut quotas = Vec::with_capacity(count);
    for candidate in &spec.candidates {
        let exists = |&(topic, partition): &Partition| spec.partitions(topic).contains(&partition);
        let had: Vec<Partition> = candidate.has.iter().filter(exists).filter(|at| !taken.contains(at)).collect();
        // Who has more than each is to have keeps one more, as long as there are such.
        let keeps_extra = had.len() > each && extra > 0;
        extra -= usize::from(keeps_extra);
        let quota = each + usize::from(keeps_extra);
        let kept: Assignment = had.into_iter().take(quota).collect();
        taken.extend(kept.iter());
        targets.push(kept);
        quotas.push(quota);
    }
    let mut receivers = VecDeque::new();
    for (index, (target, quota)) in targets.iter().zip(&quotas).enumerate() {
        let takes_extra = *quota == each && extra > 0;
        extra -= usize::from(takes_extra);
        let lacks = (quota + usize::from(takes_extra)).saturating_sub(target.len());
        if lacks > 0 {
            receivers.push_back((index, lacks));
        }
    }
    let all = spec.topics.keys().flat_map(|&topic| spec.partitions(topic).map(move |partition| (topic, partition)));
    for (topic, partition) in all.filter(|at| !taken.contains(at)) {
        // In turn, so that each topic is spread.
        let Some((index, lacks)) = receivers.pop_front() else { break };
        if let Some(target) = targets.get_mut(index) {
            target.insert(topic, partition);
        }
        if lacks > 1 {
            receivers.push_back((index, lacks - 1));
        }
    }
    targets
}

fn heterogeneous(spec: &Spec<'_>) -> Vec<Assignment> {
    let mut loads = Loads { spec, targets: Vec::new(), counts: Vec::new() };
    let mut taken = BTreeSet::new();
    for candidate in &spec.candidates {
        let is_sound = |&(topic, partition): &Partition| {
            candidate.topics.contains(&topic) && spec.partitions(topic).contains(&partition)
        };
        let kept: Assignment = candidate.has.iter().filter(is_sound).filter(|at| !taken.contains(at)).collect();
        taken.extend(kept.iter());
        loads.counts.push(kept.len());
        loads.targets.push(kept);
    }
    let mut subscribers: BTreeMap<TopicId, Vec<usize>> = BTreeMap::new();
    for (index, candidate) in spec.candidates.iter().enumerate() {
        for &topic in &*candidate.topics {
            subscribers.entry(topic).or_default().push(index);
        }
    }
    // Topics that few can take come first.
    let mut order: Vec<(TopicId, Vec<usize>)> = subscribers.into_iter().collect();
    order.sort_by_key(|(_, subscribers)| subscribers.len());
    for (topic, subscribers) in &order {
        let free = spec.partitions(*topic).filter(|&partition| !taken.contains(&(*topic, partition)));
        loads.hand_out(*topic, subscribers, free);
    }
    for _ in 0..PASSES_MAX {
        let moved: usize = order.iter().map(|(topic, subscribers)| loads.even_out(*topic, subscribers)).sum();
        if moved == 0 {
            break;
        }
    }
    loads.targets
}

/// What members have while it is being worked out.
struct Loads<'a> {
    spec: &'a Spec<'a>,
    targets: Vec<Assignment>,
    counts: Vec<usize>,
}

impl Loads<'_> {
    fn count(&self, index: usize) -> usize {
        self.counts.get(index).copied().unwrap_or(usize::MAX)
    }

    /// Gives each partition to the subscriber that has least.
    fn hand_out(&mut self, topic: TopicId, subscribers: &[usize], free: impl Iterator<Item = PartitionIndex>) {
        let mut least: BinaryHeap<_> = subscribers.iter().map(|&index| Reverse((self.count(index), index))).collect();
        for partition in free {
            let Some(Reverse((count, index))) = least.pop() else { return };
            self.give(index, topic, partition);
            least.push(Reverse((count + 1, index)));
        }
    }

    /// Hands partitions of a topic from who has most to who has least, until that evens nothing out; how many.
    fn even_out(&mut self, topic: TopicId, subscribers: &[usize]) -> usize {
        let mut all: BTreeSet<(usize, usize)> = subscribers.iter().map(|&index| (self.count(index), index)).collect();
        let has_some = |&(_, index): &(usize, usize)| {
            self.targets.get(index).is_some_and(|target| target.of_topic(topic).next().is_some())
        };
        let mut owners: BTreeSet<(usize, usize)> = all.iter().copied().filter(has_some).collect();
        let mut moved = 0;
        while let (Some(&least), Some(&most)) = (all.first(), owners.last()) {
            if most.0 <= least.0 + 1 {
                break;
            }
            let Some(partition) = self.take(most.1, topic) else { break };
            self.give(least.1, topic, partition);
            all.remove(&least);
            all.remove(&most);
            owners.remove(&least);
            owners.remove(&most);
            all.extend([(least.0 + 1, least.1), (most.0 - 1, most.1)]);
            owners.insert((least.0 + 1, least.1));
            if self.targets.get(most.1).is_some_and(|target| target.of_topic(topic).next().is_some()) {
                owners.insert((most.0 - 1, most.1));
            }
            moved += 1;
        }
        moved
    }

    fn give(&mut self, index: usize, topic: TopicId, partition: PartitionIndex) {
        if let (Some(target), Some(count)) = (self.targets.get_mut(index), self.counts.get_mut(index)) {
            *count += usize::from(target.insert(topic, partition));
        }
    }

    /// Takes a partition of a topic from a member, rather one that it did not have before.
    fn take(&mut self, index: usize, topic: TopicId) -> Option<PartitionIndex> {
        let (target, count) = (self.targets.get_mut(index)?, self.counts.get_mut(index)?);
        let had = self.spec.candidates.get(index)?.has;
        let is_new = |partition: &PartitionIndex| !had.contains(topic, *partition);
        let found = target.of_topic(topic).find(is_new).or_else(|| target.of_topic(topic).last())?;
        target.remove(topic, found);
        *count = count.saturating_sub(1);
        Some(found)
    }
}
