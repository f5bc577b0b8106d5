//! Who is a member: newcomers, those who return, static ones who take a place over, and who is fenced.

use crate::consumer_group::{
    Beat, BeatError, ConsumerGroup, Current, Record,
    messages::{JOIN_EPOCH, LEAVE_STATIC_EPOCH},
};
use levada_model::{PartitionIndex, Str, TopicId};
use std::sync::Arc;

impl ConsumerGroup {
    /// Lets the sender of a heartbeat pass if it is a member, or becomes one; a static member may take the place
    /// of the one before it.
    pub(super) fn admit(&mut self, member_id: &Str, beat: &Beat, records: &mut Vec<Record>) -> Result<(), BeatError> {
        let Some(instance_id) = &beat.instance_id else {
            return match self.image.members.get(member_id) {
                Some(_) => self.check_epoch(member_id, beat),
                None if beat.member_epoch == JOIN_EPOCH => Ok(()),
                None => Err(self.unknown(member_id)),
            };
        };
        let owner = self.static_members.get(instance_id).cloned();
        if beat.member_epoch != JOIN_EPOCH {
            self.check_instance(member_id, instance_id)?;
            return self.check_epoch(member_id, beat);
        }
        match owner {
            None => Ok(()),
            // The answer to its join was lost.
            Some(owner) if owner == *member_id => Ok(()),
            Some(owner) => {
                let current = self.image.currents.get(&owner);
                let is_away = current.is_some_and(|current| current.epoch == LEAVE_STATIC_EPOCH);
                if !is_away && !self.speaks_classic(&owner) {
                    return Err(BeatError::UnreleasedInstance {
                        member_id: member_id.clone(),
                        instance_id: instance_id.detached(),
                        owner,
                    });
                }
                self.replace(&owner, member_id, records);
                Ok(())
            }
        }
    }

    pub(super) fn unknown(&self, member_id: &Str) -> BeatError {
        BeatError::UnknownMember(format!("Member {member_id} is not a member of group {}.", self.id))
    }

    /// Whether `member_id` is who has the instance id.
    pub(super) fn check_instance(&self, member_id: &Str, instance_id: &Str) -> Result<(), BeatError> {
        match self.static_members.get(instance_id) {
            None => Err(BeatError::UnknownMember(format!("Instance id {instance_id} is unknown."))),
            Some(owner) if owner != member_id => Err(BeatError::FencedInstance {
                member_id: member_id.detached(),
                instance_id: instance_id.detached(),
                owner: owner.clone(),
            }),
            Some(_) => Ok(()),
        }
    }

    /// Whether the member's epoch is the one that the group knows, or the one before it whose successor it was
    /// not told of.
    fn check_epoch(&self, member_id: &Str, beat: &Beat) -> Result<(), BeatError> {
        let known = Current::default();
        let current = self.image.currents.get(member_id).map_or(&known, |current| current);
        let sent = beat.member_epoch;
        if sent == JOIN_EPOCH || sent == current.epoch {
            return Ok(());
        }
        let missed_answer = sent < current.epoch
            && sent == current.previous_epoch
            && beat.owned.as_ref().is_some_and(|owned| has_all(current, owned));
        if missed_answer { Ok(()) } else { Err(BeatError::FencedEpoch { sent, current: current.epoch }) }
    }

    /// Gives the place of `old_id`, with all that belongs to it, to `new_id`.
    pub(super) fn replace(&mut self, old_id: &Str, new_id: &Str, records: &mut Vec<Record>) {
        let member = self.image.members.get(old_id).cloned();
        let target = self.image.targets.get(old_id).cloned();
        let current = self.image.currents.get(old_id).map(|current| Current {
            epoch: JOIN_EPOCH,
            previous_epoch: JOIN_EPOCH,
            ..Current::clone(current)
        });
        self.take_out(old_id, records);
        self.change(records, Record::Member(new_id.clone(), member));
        self.change(records, Record::Target(new_id.clone(), Some(target.unwrap_or_default())));
        self.change(records, Record::Current(new_id.clone(), Some(Arc::new(current.unwrap_or_default()))));
    }

    /// Forgets a member, with all that it had.
    pub(super) fn take_out(&mut self, member_id: &Str, records: &mut Vec<Record>) {
        self.change(records, Record::Current(member_id.clone(), None));
        self.change(records, Record::Target(member_id.clone(), None));
        self.change(records, Record::Member(member_id.clone(), None));
        self.deadlines.remove(member_id);
    }
}

fn has_all(current: &Current, owned: &[(TopicId, Vec<PartitionIndex>)]) -> bool {
    let has = |topic: TopicId, partition: PartitionIndex| current.assigned.epoch(topic, partition).is_some();
    owned.iter().all(|(topic, partitions)| partitions.iter().all(|&partition| has(*topic, partition)))
}
