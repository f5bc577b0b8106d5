//! Some of the groups, under one lock: carrying out effects, holding answers back until they are due.

use crate::{
    any_group::AnyGroup,
    consumer_group::{BeatError, Beaten, Image},
    coordinator::{
        Coordinator, CoordinatorError, GROUPS_PER_SHARD_MAX,
        consumer::Trouble,
        consumer_records,
        journal::{Completion, InFlight},
        records,
        transactional::Pending,
    },
    group::{Effect, Group, JoinError, Joined, Now, RequestId, SyncError, Synced, offsets::Offsets},
};
use levada_model::Str;
use parking_lot::MutexGuard;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};
use tokio::sync::oneshot;

/// Who waits for an answer.
pub(super) enum Waiting {
    Join(oneshot::Sender<Result<Joined, JoinError>>),
    Sync(oneshot::Sender<Result<Synced, SyncError>>),
    Beat(oneshot::Sender<Result<Beaten, BeatError>>),
}

/// Some of the groups.
#[derive(Default)]
pub(super) struct Shard {
    pub(super) groups: BTreeMap<Str, Slot>,
    pub(super) waiting: BTreeMap<RequestId, Waiting>,
    /// When which group is to be looked at; one entry a group.
    pub(super) timers: BTreeSet<(Duration, Str)>,
}

/// A group, its offsets, and what was written of them.
pub(super) struct Slot {
    pub(super) group: AnyGroup,
    /// What is durable of a group of KIP-848, or of one on its way to or from there.
    pub(super) kept: Image,
    /// A change of it could not be kept.
    pub(super) trouble: Option<Trouble>,
    pub(super) offsets: Offsets,
    /// Positions in transactions that have not ended, in the order of their writes.
    pub(super) pending: Pending,
    /// Writes handed to the store.
    pub(super) written: u64,
    /// Writes that are durable, or have failed.
    pub(super) settled: u64,
    /// Answers, each with the write that it waits for.
    held: VecDeque<(u64, Effect)>,
    /// Its entry among the timers.
    timer: Option<Duration>,
    /// Its tombstone is written.
    pub(super) is_going: bool,
}

impl Slot {
    pub(super) fn new(group: AnyGroup, offsets: Offsets, kept: Image) -> Self {
        Self {
            group,
            kept,
            trouble: None,
            offsets,
            pending: Pending::default(),
            written: 0,
            settled: 0,
            held: VecDeque::new(),
            timer: None,
            is_going: false,
        }
    }

    /// Whether nothing would be lost without it.
    fn is_trivial(&self) -> bool {
        let is_settled = self.written == self.settled;
        self.group.is_fresh() && self.offsets.is_empty() && self.pending.is_empty() && is_settled
    }
}

impl Shard {
    /// The group of this id, where it is not about to go.
    pub(super) fn slot(&mut self, group_id: &str) -> Result<Option<&mut Slot>, CoordinatorError> {
        match self.groups.get_mut(group_id) {
            Some(slot) if slot.is_going => Err(CoordinatorError::not_available("the group is being deleted")),
            Some(slot) if slot.trouble.is_some() => {
                Err(CoordinatorError::not_available("a change of the group could not be kept"))
            }
            found => Ok(found),
        }
    }

    /// The group of this id, new if there is none.
    pub(super) fn slot_or_new(&mut self, group_id: &Str, now: Now) -> Result<&mut Slot, CoordinatorError> {
        if !self.groups.contains_key(group_id) {
            if self.groups.len() >= GROUPS_PER_SHARD_MAX {
                return Err(CoordinatorError::not_available("there are too many groups"));
            }
            let id = group_id.detached();
            let group = AnyGroup::Classic(Group::new(id.clone(), now));
            self.groups.insert(id, Slot::new(group, Offsets::default(), Image::default()));
        }
        self.slot(group_id)?.ok_or_else(|| CoordinatorError::not_available("the group is gone"))
    }

    fn answer(&mut self, effect: Effect) {
        match effect {
            Effect::Save(_) | Effect::Change(_) => {}
            Effect::Beaten { request, outcome } => {
                if let Some(Waiting::Beat(sender)) = self.waiting.remove(&request) {
                    drop(sender.send(outcome));
                }
            }
            Effect::Joined { request, outcome } => {
                if let Some(Waiting::Join(sender)) = self.waiting.remove(&request) {
                    // Whoever asked may be gone.
                    drop(sender.send(outcome));
                }
            }
            Effect::Synced { request, outcome } => {
                if let Some(Waiting::Sync(sender)) = self.waiting.remove(&request) {
                    drop(sender.send(outcome));
                }
            }
        }
    }
}

impl Coordinator {
    /// Carries out what a group decided: writes what is to be kept, answers what waits for no write.
    pub(super) fn carry_out(&self, shard: &mut Shard, group_id: &Str, now: Now, effects: Vec<Effect>) {
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            let Some(slot) = shard.groups.get_mut(group_id) else { return };
            let (records, completion) = match effect {
                Effect::Save(snapshot) => {
                    let record = (records::group_key(group_id), Some(records::group_value(&snapshot)));
                    (vec![record], Completion::Group { generation: snapshot.generation })
                }
                Effect::Change(changes) => {
                    let records = changes.iter().map(|change| consumer_records::write(group_id, change)).collect();
                    (records, Completion::Change { records: changes })
                }
                answer if slot.settled == slot.written => {
                    shard.answer(answer);
                    continue;
                }
                answer => {
                    slot.held.push_back((slot.written, answer));
                    continue;
                }
            };
            let generation = match &completion {
                Completion::Group { generation } => Some(*generation),
                Completion::Change { .. }
                | Completion::Offsets { .. }
                | Completion::Pending { .. }
                | Completion::Deleted { .. } => None,
            };
            match self.write(group_id, slot.written + 1, &records, completion) {
                Ok(()) => slot.written += 1,
                Err(error) => {
                    tracing::warn!(group = %group_id, %error, "group state was not written");
                    let later: Vec<_> = effects.drain(..).map(|effect| failed(effect, &error)).collect();
                    let further = match generation {
                        Some(generation) => slot.group.save_failed(now, &self.limits, generation),
                        None => self.lose(slot, now),
                    };
                    effects.extend(later.into_iter().chain(further));
                }
            }
        }
    }

    /// A write is durable, or has failed: makes it visible and lets the answers go that waited for it.
    pub(super) fn settle(&self, write: InFlight, outcome: Result<(), CoordinatorError>) {
        let InFlight { group_id, sequence, completion, .. } = write;
        let now = self.now();
        let mut shard = self.shard(&group_id).lock();
        let Some(slot) = shard.groups.get_mut(&group_id) else { return };
        slot.settled = sequence;
        let due = slot.held.partition_point(|(waits_for, _)| *waits_for <= sequence);
        let mut answers: Vec<Effect> = slot.held.drain(..due).map(|(_, effect)| effect).collect();
        let mut further = Vec::new();
        match completion {
            Completion::Group { generation } => {
                if let Err(error) = &outcome {
                    answers = answers.into_iter().map(|effect| failed(effect, error)).collect();
                    further = slot.group.save_failed(now, &self.limits, generation);
                }
            }
            Completion::Change { records } => {
                match &outcome {
                    Ok(()) => slot.keep(&records),
                    Err(error) => {
                        answers = answers.into_iter().map(|effect| failed(effect, error)).collect();
                        slot.trouble.get_or_insert(Trouble::Lost);
                    }
                }
                further = self.recover(slot, now);
            }
            Completion::Offsets { changes, done } => {
                if outcome.is_ok() {
                    for (partition, committed) in changes {
                        slot.offsets.apply(partition, committed);
                    }
                }
                // Whoever asked may be gone.
                drop(done.send(outcome));
                if slot.trouble.is_some() {
                    further = self.recover(slot, now);
                }
            }
            Completion::Pending { producer, changes, done } => {
                if outcome.is_ok() {
                    slot.pending.add(producer, changes);
                }
                drop(done.send(outcome));
                if slot.trouble.is_some() {
                    further = self.recover(slot, now);
                }
            }
            Completion::Deleted { done } => {
                slot.is_going = false;
                if outcome.is_ok() {
                    shard.groups.remove(&group_id);
                }
                // Whoever asked may be gone.
                drop(done.send(outcome));
            }
        }
        for answer in answers {
            shard.answer(answer);
        }
        self.carry_out(&mut shard, &group_id, now, further);
        self.refresh(shard, &group_id);
    }

    /// Sets the group's timer anew, forgets the group if nothing is left of it, and lets go of the shard.
    pub(super) fn refresh(&self, mut shard: MutexGuard<'_, Shard>, group_id: &Str) {
        let Shard { groups, timers, .. } = &mut *shard;
        let Some(slot) = groups.get_mut(group_id) else {
            timers.retain(|(_, id)| id != group_id);
            return;
        };
        let next = slot.group.next_deadline().filter(|_| slot.trouble.is_none());
        let before = slot.timer;
        if next != before {
            if let Some(before) = before {
                timers.remove(&(before, group_id.clone()));
            }
            if let Some(next) = next {
                timers.insert((next, slot.group.id().clone()));
            }
            slot.timer = next;
        }
        if slot.is_trivial() {
            groups.remove(group_id);
        }
        drop(shard);
        if next.is_some_and(|next| before.is_none_or(|before| next < before)) {
            self.earlier.notify_one();
        }
    }
}

/// What waited for a write that failed is told so; bad news stays as it was.
fn failed(effect: Effect, error: &CoordinatorError) -> Effect {
    match effect {
        Effect::Joined { request, outcome: Ok(_) } => {
            Effect::Joined { request, outcome: Err(JoinError::Coordinator(error.clone())) }
        }
        Effect::Synced { request, outcome: Ok(_) } => {
            Effect::Synced { request, outcome: Err(SyncError::Coordinator(error.clone())) }
        }
        Effect::Beaten { request, outcome: Ok(_) } => {
            Effect::Beaten { request, outcome: Err(BeatError::Coordinator(error.clone())) }
        }
        other => other,
    }
}
