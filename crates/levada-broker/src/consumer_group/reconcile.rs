//! A member's way from what it has to its target: give up, then take what is free.
//!
//! ```text
//!              target moved, something to give up             given up
//!    Stable ───────────────────────────────▶ UnrevokedPartitions ───┐
//!      ▲  │ nothing to give up                                      │
//!      │  └───────────────┬─────────────────────────────────────────┘
//!      │ all of it is free│ others have some of it still
//!      └──────────────────┴──▶ UnreleasedPartitions
//! ```
//!
//! A member keeps its epoch until it has given up what it must: with an epoch it holds nothing that the epoch
//! does not give it. A partition is given to a member only when nobody has it.

use crate::consumer_group::{Assignment, ConsumerGroup, Current, MemberState, Owned, Record, View};
use levada_model::{PartitionIndex, Str, TopicId};
use std::{collections::BTreeSet, sync::Arc};

/// What a member says that it has; `None` where it says that nothing changed.
pub(super) type Said<'a> = Option<&'a [(TopicId, Vec<PartitionIndex>)]>;

impl ConsumerGroup {
    /// Brings a member nearer to its target, as far as it can come now.
    pub(super) fn reconcile(
        &mut self,
        view: View<'_>,
        member_id: &Str,
        subscription_changed: bool,
        said: Said<'_>,
        records: &mut Vec<Record>,
    ) {
        let before = self.image.currents.get(member_id).cloned().unwrap_or_default();
        let epoch = self.image.assignment_epoch();
        if !subscription_changed && before.is_reconciled_to(epoch) {
            return;
        }
        let subscribed = self.subscribed_ids(member_id, view.topics);
        let next = match before.state {
            MemberState::Stable if before.epoch == epoch => without_unsubscribed(&before, &subscribed, said),
            MemberState::UnrevokedPartitions if has_any(&before.revoking, said) => {
                if !subscription_changed {
                    return;
                }
                without_unsubscribed(&before, &subscribed, said)
            }
            MemberState::Stable
            | MemberState::UnrevokedPartitions
            | MemberState::UnreleasedPartitions
            | MemberState::Unknown => self.next(member_id, &before, epoch, &subscribed, said),
        };
        if next == *before && self.image.currents.contains_key(member_id) {
            return;
        }
        self.set_rebalance_deadline(view, member_id, &next);
        self.change(records, Record::Current(member_id.clone(), Some(Arc::new(next))));
    }

    fn next(
        &self,
        member_id: &Str,
        before: &Current,
        epoch: i32,
        subscribed: &BTreeSet<TopicId>,
        said: Said<'_>,
    ) -> Current {
        let none = Assignment::default();
        let target = self.image.targets.get(member_id).map_or(&none, |target| target);
        let is_wanted = |topic, partition| subscribed.contains(&topic) && target.contains(topic, partition);
        let (mut keeps, revokes): (Vec<_>, Vec<_>) =
            before.assigned.iter().partition(|&(topic, partition, _)| is_wanted(topic, partition));
        let revoking: Owned = revokes.into_iter().collect();
        if has_any(&revoking, said) {
            return Current {
                epoch: before.epoch,
                previous_epoch: before.epoch,
                state: MemberState::UnrevokedPartitions,
                assigned: keeps.into_iter().collect(),
                revoking,
            };
        }
        let mut waits = false;
        for (topic, partition) in target.iter().filter(|(topic, _)| subscribed.contains(topic)) {
            if before.assigned.epoch(topic, partition).is_some() {
                continue;
            }
            let is_free = self.owners.get(&(topic, partition)).is_none_or(|owner| owner == member_id);
            if is_free {
                keeps.push((topic, partition, epoch));
            } else {
                waits = true;
            }
        }
        Current {
            epoch,
            previous_epoch: before.epoch,
            state: if waits { MemberState::UnreleasedPartitions } else { MemberState::Stable },
            assigned: keeps.into_iter().collect(),
            revoking: Owned::default(),
        }
    }

    /// Whether a partition that the member waits for is free by now.
    pub(super) fn can_go_on(&self, member_id: &Str) -> bool {
        let Some(current) = self.image.currents.get(member_id) else { return false };
        let Some(target) = self.image.targets.get(member_id) else { return false };
        let waits = |(topic, partition): (TopicId, PartitionIndex)| {
            current.assigned.epoch(topic, partition).is_none() && self.owners.contains_key(&(topic, partition))
        };
        current.state == MemberState::UnreleasedPartitions && !target.iter().any(waits)
    }
}

/// The member in its epoch, but to give up at once what it does not subscribe to any more.
fn without_unsubscribed(before: &Current, subscribed: &BTreeSet<TopicId>, said: Said<'_>) -> Current {
    let (keeps, drops): (Vec<_>, Vec<_>) = before.assigned.iter().partition(|(topic, _, _)| subscribed.contains(topic));
    if drops.is_empty() {
        return before.clone();
    }
    let revoking: Owned = before.revoking.iter().chain(drops).collect();
    let has_to_revoke = has_any(&revoking, said);
    Current {
        epoch: before.epoch,
        previous_epoch: before.epoch,
        state: if has_to_revoke { MemberState::UnrevokedPartitions } else { before.state },
        assigned: keeps.into_iter().collect(),
        revoking: if has_to_revoke { revoking } else { before.revoking.clone() },
    }
}

/// Whether the member may have any of `partitions` still: it does until it says what it has without them.
fn has_any(partitions: &Owned, said: Said<'_>) -> bool {
    if partitions.is_empty() {
        return false;
    }
    let Some(said) = said else { return true };
    said.iter().any(|(topic, indexes)| indexes.iter().any(|&index| partitions.epoch(*topic, index).is_some()))
}
