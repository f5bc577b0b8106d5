//! `range`: each topic's partitions in order, in pieces of one size, to its subscribers in order.
//!
//! Topics with as many partitions and the same subscribers are cut alike: a member has the same partitions of each.
//! Static members come first, by their names, so that they have the same after a return under another id.

use super::{Assignment, Candidate, Spec};
use levada_model::{Str, TopicId};

pub(super) fn assign(spec: &Spec<'_>) -> Vec<Assignment> {
    let mut order: Vec<usize> = (0..spec.candidates.len()).collect();
    order.sort_by_key(|&index| spec.candidates.get(index).map(rank));
    let mut targets = vec![Assignment::default(); spec.candidates.len()];
    let everyone = spec.is_homogeneous();
    for &topic in spec.topics.keys() {
        if everyone {
            cut(spec, topic, &order, &mut targets);
            continue;
        }
        let subscribes = |index: &usize| spec.candidates.get(*index).is_some_and(|one| one.topics.contains(&topic));
        let subscribers: Vec<usize> = order.iter().copied().filter(subscribes).collect();
        cut(spec, topic, &subscribers, &mut targets);
    }
    targets
}

fn rank<'a>(candidate: &Candidate<'a>) -> (bool, &'a Str) {
    (candidate.instance_id.is_none(), candidate.instance_id.unwrap_or(candidate.id))
}

fn cut(spec: &Spec<'_>, topic: TopicId, subscribers: &[usize], targets: &mut [Assignment]) {
    let mut partitions = spec.partitions(topic);
    let Some(each) = partitions.len().checked_div(subscribers.len()) else { return };
    let extra = partitions.len() % subscribers.len();
    for (place, &index) in subscribers.iter().enumerate() {
        let size = each + usize::from(place < extra);
        let Some(target) = targets.get_mut(index) else { continue };
        for partition in partitions.by_ref().take(size) {
            target.insert(topic, partition);
        }
    }
}
