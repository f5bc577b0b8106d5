//! The heartbeat: a member joins, says what is new, and is told what it has.

use crate::{
    consumer_group::{
        Beat, BeatError, Beaten, ConsumerGroup, Current, GroupEpoch, MemberMetadata, Record, View, effects,
        messages::JOIN_EPOCH, topics::Pattern,
    },
    group::{Effect, RequestId},
};
use levada_model::Str;
use std::sync::Arc;

/// Errors repeat no more than this of a regular expression.
const SHOWN_MAX: usize = 100;

impl ConsumerGroup {
    /// Takes a heartbeat, checked by [`Beat::check`].
    pub fn beat(&mut self, view: View<'_>, request: RequestId, beat: &Beat) -> Vec<Effect> {
        let mut records = Vec::new();
        let outcome =
            if beat.leaves() { self.leave(view, beat, &mut records) } else { self.try_beat(view, beat, &mut records) };
        effects(records, Some(Effect::Beaten { request, outcome }))
    }

    fn try_beat(&mut self, view: View<'_>, beat: &Beat, records: &mut Vec<Record>) -> Result<Beaten, BeatError> {
        // What can fail comes before what changes anything.
        self.check_room(view, &beat.member_id)?;
        self.check_pattern(beat)?;
        let member_id =
            if beat.member_id.is_empty() { beat.fresh_member_id.detached() } else { beat.member_id.detached() };
        self.admit(&member_id, beat, records)?;
        let before = self.image.currents.get(&member_id).cloned().unwrap_or_default();
        if before.state == super::MemberState::Unknown && beat.owned.as_ref().is_none_or(|owned| !owned.is_empty()) {
            return Err(BeatError::UnknownState);
        }

        let member = self.image.members.get(&member_id).cloned().unwrap_or_default();
        let says = updated(&member, beat);
        let subscription = self.subscribe(view, &member_id, &member, says, records);
        self.refresh_epoch(view, subscription.bumps, records);
        self.refresh_targets(view, records);
        self.reconcile(view, &member_id, subscription.changed, beat.owned.as_deref(), records);
        self.heard_of(view, &member_id);

        let current = self.image.currents.get(&member_id).cloned().unwrap_or_default();
        let is_told = beat.member_epoch == JOIN_EPOCH || beat.is_full() || has_changed(&before, &current);
        Ok(Beaten {
            member_epoch: current.epoch,
            heartbeat_interval: view.pace.heartbeat_interval,
            assignment: is_told.then(|| current.assigned.assignment()),
            member_id,
        })
    }

    fn check_room(&self, view: View<'_>, member_id: &Str) -> Result<(), BeatError> {
        let limit = view.limits.members_max;
        let is_full = self.image.members.len() >= limit && !self.image.members.contains_key(member_id);
        if is_full { Err(BeatError::GroupFull { limit }) } else { Ok(()) }
    }

    /// Whether a regular expression that the group does not know yet is sound.
    fn check_pattern(&self, beat: &Beat) -> Result<(), BeatError> {
        let Some(pattern) = beat.pattern.as_ref().filter(|pattern| !pattern.is_empty()) else { return Ok(()) };
        if self.image.resolved.contains_key(pattern) {
            return Ok(());
        }
        Pattern::new(pattern)
            .map(|_| ())
            .map_err(|reason| BeatError::InvalidPattern { pattern: pattern.chars().take(SHOWN_MAX).collect(), reason })
    }

    /// Takes over what the member says, and works out what of it asks for a new assignment.
    pub(super) fn subscribe(
        &mut self,
        view: View<'_>,
        member_id: &Str,
        member: &MemberMetadata,
        says: MemberMetadata,
        records: &mut Vec<Record>,
    ) -> Subscription {
        let is_known = self.image.members.contains_key(member_id);
        let names_changed = member.topics != says.topics;
        let pattern_changed = member.pattern() != says.pattern();
        let pattern = says.pattern().cloned();
        if !is_known || *member != says {
            self.change(records, Record::Member(member_id.clone(), Some(Arc::new(says))));
        }
        if pattern_changed && let Some(former) = member.pattern() {
            self.forget_unused_pattern(former, records);
        }
        let resolved_anew = pattern.is_some_and(|pattern| self.refresh_pattern(view, &pattern, records));
        Subscription {
            changed: names_changed || pattern_changed,
            bumps: names_changed || pattern_changed || resolved_anew,
        }
    }

    /// Raises the group's epoch if it must: members are new, or the topics that they read are not what they were.
    pub(super) fn refresh_epoch(&mut self, view: View<'_>, must_rise: bool, records: &mut Vec<Record>) {
        let epoch = self.image.epoch();
        let version = view.topics.version();
        if !must_rise && epoch != 0 && self.topics_seen == Some(version) {
            return;
        }
        let metadata_hash = self.metadata_hash(view.topics);
        self.topics_seen = Some(version);
        let is_other = self.image.group.map_or(0, |group| group.metadata_hash) != metadata_hash;
        if must_rise || epoch == 0 || is_other {
            // A group begins with 1, and what its first member reads makes that 2.
            let epoch = epoch.max(1).saturating_add(i32::from(must_rise || is_other));
            let group = GroupEpoch { epoch, metadata_hash };
            self.change(records, Record::Group(Some(group)));
        }
    }
}

/// What a heartbeat changed of what the member subscribes to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subscription {
    /// The member itself subscribes to something else.
    pub(super) changed: bool,
    /// The group is to be assigned anew.
    pub(super) bumps: bool,
}

fn updated(member: &MemberMetadata, beat: &Beat) -> MemberMetadata {
    let said = |new: &Option<Str>, old: &Option<Str>| new.as_ref().map(Str::detached).or_else(|| old.clone());
    let topics = beat.topics.as_ref().map(|names| names.iter().map(Str::detached).collect());
    MemberMetadata {
        instance_id: said(&beat.instance_id, &member.instance_id),
        rack_id: said(&beat.rack_id, &member.rack_id),
        client_id: beat.client_id.detached(),
        client_host: beat.client_host.detached(),
        topics: topics.unwrap_or_else(|| member.topics.clone()),
        pattern: said(&beat.pattern, &member.pattern),
        rebalance_timeout: beat.rebalance_timeout.or(member.rebalance_timeout),
        assignor: said(&beat.assignor, &member.assignor),
        classic: None,
    }
}

fn has_changed(before: &Current, after: &Current) -> bool {
    !before.assigned.has_same_partitions(&after.assigned)
}
