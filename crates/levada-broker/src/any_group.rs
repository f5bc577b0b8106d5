//! A group under either protocol, and how it goes from one to the other.

use crate::consumer_group::CommitRule;
use crate::{
    consumer_group::{Beat, BeatError, ConsumerGroup, Record, View},
    group::{
        Effect, Group, GroupLimits, GroupState, Heartbeat, HeartbeatError, Join, Leave, LeaveError, ListedGroup, Now,
        RequestId, Sync,
        describe::{GroupType, ListedState},
        offsets::{Committer, OffsetDeleteError, Offsets, TopicPartition},
    },
};
use levada_model::{Str, Timestamp};
use std::time::Duration;

/// A group under the classic protocol, or under that of KIP-848.
#[derive(Clone, Debug)]
pub(crate) enum AnyGroup {
    Classic(Group),
    Consumer(ConsumerGroup),
}

/// What a call may look at.
#[derive(Clone, Copy)]
pub(crate) struct Sight<'a> {
    /// For groups of KIP-848.
    pub(crate) view: View<'a>,
    /// For classic ones.
    pub(crate) limits: &'a GroupLimits,
}

impl AnyGroup {
    /// Takes a heartbeat of KIP-848. An empty group becomes one of this protocol by it, and so does a classic one
    /// with members.
    pub(crate) fn beat(&mut self, sight: Sight<'_>, request: RequestId, beat: &Beat) -> Vec<Effect> {
        match self {
            Self::Consumer(group) => {
                let effects = group.beat(sight.view, request, beat);
                self.settle(sight, effects)
            }
            Self::Classic(group) => match from_classic(group, sight.view, beat) {
                Err(error) => vec![Effect::Beaten { request, outcome: Err(error) }],
                Ok((mut upgraded, before)) => {
                    let effects = upgraded.beat(sight.view, request, beat);
                    if effects.iter().any(|effect| matches!(effect, Effect::Beaten { outcome: Err(_), .. })) {
                        // Who is refused changes nothing.
                        return effects.into_iter().filter(|effect| !matches!(effect, Effect::Change(_))).collect();
                    }
                    let mut all = group.abandon();
                    *self = Self::Consumer(upgraded);
                    all.extend(after(before, effects));
                    all
                }
            },
        }
    }

    /// Lets a member of the classic protocol in. An empty group becomes classic by it.
    pub(crate) fn join(&mut self, sight: Sight<'_>, request: RequestId, join: &Join) -> Vec<Effect> {
        let now = sight.view.now;
        match self {
            Self::Classic(group) => group.join(now, sight.limits, request, join),
            Self::Consumer(group) if group.is_empty() => {
                let mut classic = Group::new(group.id().clone(), now);
                let effects = classic.join(now, sight.limits, request, join);
                if classic.is_unused() {
                    return effects;
                }
                let before = group.image().tombstones();
                *self = Self::Classic(classic);
                after(before, effects)
            }
            Self::Consumer(group) => {
                let effects = group.join(sight.view, sight.limits, request, join);
                self.settle_join(sight, effects, request, join)
            }
        }
    }

    /// Gives a member of the classic protocol its assignment.
    pub(crate) fn sync(&mut self, sight: Sight<'_>, request: RequestId, sync: &Sync) -> Vec<Effect> {
        match self {
            Self::Classic(group) => group.sync(sight.view.now, sight.limits, request, sync),
            Self::Consumer(group) => group.sync(sight.view, request, sync),
        }
    }

    /// Prolongs the session of a member of the classic protocol.
    pub(crate) fn heartbeat(&mut self, sight: Sight<'_>, heartbeat: &Heartbeat) -> Result<(), HeartbeatError> {
        match self {
            Self::Classic(group) => group.heartbeat(sight.view.now, heartbeat),
            Self::Consumer(group) => group.heartbeat(sight.view, heartbeat),
        }
    }

    /// Lets members of the classic protocol go, and static ones of either by their names.
    pub(crate) fn leave(&mut self, sight: Sight<'_>, leaves: &[Leave]) -> (Vec<Result<(), LeaveError>>, Vec<Effect>) {
        match self {
            Self::Classic(group) => group.leave(sight.view.now, sight.limits, leaves),
            Self::Consumer(group) => {
                let (outcomes, effects) = group.leave_classic(sight.view, leaves);
                (outcomes, self.settle(sight, effects))
            }
        }
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, sight: Sight<'_>) -> Vec<Effect> {
        match self {
            Self::Classic(group) => group.tick(sight.view.now, sight.limits),
            Self::Consumer(group) => {
                let effects = group.tick(sight.view);
                self.settle(sight, effects)
            }
        }
    }

    /// When [`Self::tick`] will have something to do, as things stand.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        match self {
            Self::Classic(group) => group.next_deadline(),
            Self::Consumer(group) => group.next_deadline(),
        }
    }

    /// The generation of a classic group could not be kept.
    pub(crate) fn save_failed(&mut self, now: Now, limits: &GroupLimits, generation: i32) -> Vec<Effect> {
        match self {
            Self::Classic(group) => group.save_failed(now, limits, generation),
            Self::Consumer(_) => Vec::new(),
        }
    }

    /// Makes a group classic in which only members of that protocol are left; its last records and those of the
    /// change are kept together.
    fn settle(&mut self, sight: Sight<'_>, effects: Vec<Effect>) -> Vec<Effect> {
        let Self::Consumer(group) = self else { return effects };
        let has_changed = effects.iter().any(|effect| matches!(effect, Effect::Change(_)));
        if !has_changed || !group.is_to_downgrade(sight.view) {
            return effects;
        }
        let (mut classic, records) = group.downgrade(sight.view);
        let further = classic.ask_to_join_again(sight.view.now, sight.limits);
        *self = Self::Classic(classic);
        effects_with(effects, records).chain(further).collect()
    }

    /// As [`Self::settle`]; the member that took the place of the last one of the other protocol joins the classic
    /// group at once.
    fn settle_join(&mut self, sight: Sight<'_>, effects: Vec<Effect>, request: RequestId, join: &Join) -> Vec<Effect> {
        let mut effects = self.settle(sight, effects);
        let Self::Classic(classic) = self else { return effects };
        let answer = effects.iter().position(|effect| matches!(effect, Effect::Joined { outcome: Ok(_), .. }));
        if let Some(Effect::Joined { outcome: Ok(joined), .. }) = answer.map(|at| effects.remove(at)) {
            let again = Join { member_id: joined.member_id, ..join.clone() };
            effects.extend(classic.join(sight.view.now, sight.limits, request, &again));
        }
        effects
    }

    /// Whether there are no members.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Classic(group) => group.state() == GroupState::Empty,
            Self::Consumer(group) => group.is_empty(),
        }
    }

    /// Whether there are neither members nor ids given out.
    pub(crate) fn is_unused(&self) -> bool {
        match self {
            Self::Classic(group) => group.is_unused() && group.state() == GroupState::Empty,
            Self::Consumer(group) => group.is_empty(),
        }
    }

    /// Whether nothing of it was ever kept.
    pub(crate) fn is_fresh(&self) -> bool {
        self.is_unused()
            && match self {
                Self::Classic(group) => group.generation() == 0,
                Self::Consumer(group) => group.is_new(),
            }
    }

    /// Its id.
    pub(crate) fn id(&self) -> &Str {
        match self {
            Self::Classic(group) => group.id(),
            Self::Consumer(group) => group.id(),
        }
    }

    /// Whether `committer` may commit positions in `partitions` now.
    pub(crate) fn check_commit<'a>(
        &mut self,
        view: View<'_>,
        committer: &Committer,
        rule: CommitRule,
        partitions: impl Iterator<Item = &'a TopicPartition>,
    ) -> Result<(), HeartbeatError> {
        match self {
            Self::Classic(group) => group.check_commit(view.now, committer),
            Self::Consumer(group) => group.check_commit(committer, rule, partitions, view.topics),
        }
    }

    /// Whether offsets of `topic` may be deleted.
    pub(crate) fn check_offset_delete(&self, topic: &str) -> Result<(), OffsetDeleteError> {
        match self {
            Self::Classic(group) => group.check_offset_delete(topic),
            Self::Consumer(group) => group.check_offset_delete(topic),
        }
    }

    /// Positions that nobody has used for `retention`.
    pub(crate) fn expired(&self, offsets: &Offsets, now_ms: Timestamp, retention: Duration) -> Vec<TopicPartition> {
        match self {
            Self::Classic(group) => offsets.expired(group, now_ms, retention),
            Self::Consumer(group) => offsets.unread(|topic| group.subscribes_to(topic), now_ms, retention),
        }
    }

    /// The group in a list.
    pub(crate) fn list(&self) -> ListedGroup {
        match self {
            Self::Classic(group) => group.list(),
            Self::Consumer(group) => ListedGroup {
                id: group.id().clone(),
                protocol_type: Str::from_static(crate::consumer_group::embedded::CONSUMER),
                group_type: GroupType::Consumer,
                state: ListedState::Consumer(group.state()),
            },
        }
    }

    /// Records of all that is kept of it; none for one that never was.
    pub(crate) fn records(&self) -> Vec<Record> {
        match self {
            Self::Classic(group) if group.generation() == 0 => Vec::new(),
            Self::Classic(group) => vec![Record::Classic(Some(Box::new(group.snapshot())))],
            Self::Consumer(group) => group.image().records(),
        }
    }

    /// Records that forget it.
    pub(crate) fn tombstones(&self) -> Vec<Record> {
        match self {
            Self::Classic(_) => vec![Record::Classic(None)],
            Self::Consumer(group) => group.image().tombstones(),
        }
    }
}

/// The group of KIP-848 that a classic one becomes by a member that joins, and the records of that.
fn from_classic(classic: &Group, view: View<'_>, beat: &Beat) -> Result<(ConsumerGroup, Vec<Record>), BeatError> {
    let id = classic.id();
    if beat.member_epoch != crate::consumer_group::messages::JOIN_EPOCH {
        let is_there = classic.generation() > 0 || !classic.is_unused();
        let reason = if is_there { "is not a consumer group" } else { "not found" };
        return Err(BeatError::UnknownGroup(format!("Group {id} {reason}.")));
    }
    if classic.state() == GroupState::Empty {
        let was_kept = (classic.generation() > 0).then_some(Record::Classic(None));
        return Ok((ConsumerGroup::new(id.clone()), was_kept.into_iter().collect()));
    }
    let upgrade = ConsumerGroup::upgrade(classic, view).map_err(BeatError::UnknownGroup)?;
    Ok((upgrade.group, upgrade.records))
}

/// `effects` with `before` kept together with their first change.
fn after(mut before: Vec<Record>, mut effects: Vec<Effect>) -> Vec<Effect> {
    if before.is_empty() {
        return effects;
    }
    for effect in &mut effects {
        if let Effect::Change(records) = effect {
            before.append(records);
            *records = before;
            return effects;
        }
    }
    effects.insert(0, Effect::Change(before));
    effects
}

/// `effects` with `more` kept together with their change.
fn effects_with(effects: Vec<Effect>, more: Vec<Record>) -> impl Iterator<Item = Effect> {
    let mut more = Some(more);
    effects.into_iter().map(move |effect| match effect {
        Effect::Change(mut records) => {
            records.extend(more.take().unwrap_or_default());
            Effect::Change(records)
        }
        other => other,
    })
}
