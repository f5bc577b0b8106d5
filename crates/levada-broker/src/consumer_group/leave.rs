//! Leaving, for good or for a while, and being put out.

use crate::consumer_group::{
    Beat, BeatError, Beaten, ConsumerGroup, Current, GroupEpoch, Owned, Record, View, messages::LEAVE_STATIC_EPOCH,
};
use levada_model::Str;
use std::{collections::BTreeSet, sync::Arc, time::Duration};

impl ConsumerGroup {
    pub(super) fn leave(
        &mut self,
        view: View<'_>,
        beat: &Beat,
        records: &mut Vec<Record>,
    ) -> Result<Beaten, BeatError> {
        let member_id = &beat.member_id;
        if let Some(instance_id) = &beat.instance_id {
            self.check_instance(member_id, instance_id)?;
        } else if !self.image.members.contains_key(member_id) {
            return Err(self.unknown(member_id));
        }
        if beat.member_epoch == LEAVE_STATIC_EPOCH {
            self.go_away(member_id, records);
        } else {
            self.put_out(view, &[member_id.detached()], records);
        }
        Ok(Beaten {
            member_id: member_id.detached(),
            member_epoch: beat.member_epoch,
            heartbeat_interval: Duration::ZERO,
            assignment: None,
        })
    }

    /// A static member will be back: it keeps what it has until its session ends.
    fn go_away(&mut self, member_id: &Str, records: &mut Vec<Record>) {
        let current = self.image.currents.get(member_id).cloned().unwrap_or_default();
        let away = Current { epoch: LEAVE_STATIC_EPOCH, revoking: Owned::default(), ..Current::clone(&current) };
        self.change(records, Record::Current(member_id.detached(), Some(Arc::new(away))));
        if let Some(deadlines) = self.deadlines.get_mut(member_id) {
            deadlines.rebalance = None;
        }
    }

    /// Puts members out; the others are to be assigned anew.
    pub(super) fn put_out(&mut self, view: View<'_>, member_ids: &[Str], records: &mut Vec<Record>) {
        if member_ids.is_empty() {
            return;
        }
        for member_id in member_ids {
            let pattern = self.image.members.get(member_id).and_then(|member| member.pattern().cloned());
            self.take_out(member_id, records);
            if let Some(pattern) = pattern {
                self.forget_unused_pattern(&pattern, records);
            }
        }
        let metadata_hash = self.metadata_hash(view.topics);
        self.topics_seen = Some(view.topics.version());
        let group = GroupEpoch { epoch: self.image.epoch().saturating_add(1), metadata_hash };
        self.change(records, Record::Group(Some(group)));
    }

    /// Puts everyone out: what was kept does not fit together. No epoch that a member may have comes again.
    pub fn start_over(&mut self, view: View<'_>) -> Vec<Record> {
        let mut records = Vec::new();
        let known = self.image.members.keys().chain(self.image.currents.keys()).chain(self.image.targets.keys());
        let everyone: BTreeSet<Str> = known.cloned().collect();
        let told = self.image.currents.values().map(|current| current.epoch).max().unwrap_or(0);
        let group = GroupEpoch { epoch: self.image.epoch().max(told), metadata_hash: 0 };
        self.change(&mut records, Record::Group(Some(group)));
        self.put_out(view, &everyone.into_iter().collect::<Vec<_>>(), &mut records);
        records
    }
}
