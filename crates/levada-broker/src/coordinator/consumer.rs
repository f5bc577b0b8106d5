//! Groups of KIP-848: heartbeats, looking at them, and what becomes of one whose change could not be kept.
//!
//! A change is decided on what is in memory, which may be ahead of what is durable; [`Slot::kept`] follows behind.
//! When a change is lost, the group takes no requests until nothing of it is under way, and goes on from there as
//! after a start. If a later change was kept that built on the lost one, the two do not fit together, and all
//! members have to join again.

use crate::{
    any_group::{AnyGroup, Sight},
    auth::{Caller, Gate, op, res},
    config,
    consumer_group::{
        Beat, BeatError, Beaten, ConsumerGroup, DescribedConsumerGroup, Image, Pace, Record, TopicShape, Topics, View,
        messages::JOIN_EPOCH,
    },
    coordinator::{
        Coordinator, CoordinatorError,
        requests::hyphenated,
        shard::{Slot, Waiting},
    },
    group::{Effect, Group, HeartbeatError, Now},
};
use levada_model::{PartitionIndex, Str, TopicId, Uuid};
use levada_store::ClusterImage;
use std::{mem, sync::Arc};
use tokio::sync::oneshot;

/// What became of changes that could not be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// They are lost, and all that came after them.
    Lost,
    /// Later ones were kept.
    Torn,
}

/// The topics, as far as someone may see them.
pub(super) struct SeenTopics<'a> {
    image: Arc<ClusterImage>,
    /// Who asks; none where nothing is matched against names.
    viewer: Option<(&'a Gate, &'a Caller)>,
}

impl Topics for SeenTopics<'_> {
    fn version(&self) -> u64 {
        self.image.version
    }

    fn find(&self, name: &str) -> Option<TopicShape> {
        let topic = self.image.topic(name)?;
        let partitions = PartitionIndex::try_from(topic.logs.len()).unwrap_or(PartitionIndex::MAX);
        Some(TopicShape { id: topic.id, partitions })
    }

    fn name_of(&self, id: TopicId) -> Option<Str> {
        self.image.topic_by_id(id).map(|topic| topic.name.as_shared().clone())
    }

    fn for_each_visible(&self, with: &mut dyn FnMut(&Str)) {
        let Some((gate, caller)) = self.viewer else { return };
        for name in self.image.topics.keys().map(|name| name.as_shared()) {
            if gate.ask::<op::Describe, res::Topic>(caller, name).is_ok() {
                with(name);
            }
        }
    }
}

/// Who sends a heartbeat, and what decides what they may see.
pub(crate) struct Sender<'a> {
    pub(crate) gate: &'a Gate,
    pub(crate) caller: &'a Caller,
}

impl Slot {
    /// A change is durable.
    pub(super) fn keep(&mut self, records: &[Record]) {
        records.iter().for_each(|record| self.kept.apply(record));
        if self.trouble.is_some() {
            self.trouble = Some(Trouble::Torn);
        }
    }
}

impl Coordinator {
    /// The topics, for calls that match no names.
    pub(super) fn topics(&self) -> SeenTopics<'static> {
        SeenTopics { image: self.store.image(), viewer: None }
    }

    /// What a call on a group may look at.
    pub(super) fn sight<'a>(&'a self, topics: &'a SeenTopics<'a>, group_id: &str, now: Now) -> Sight<'a> {
        let pace = self.pace(&topics.image, group_id);
        Sight { view: View { now, limits: &self.limits.consumer, pace, topics }, limits: &self.limits }
    }

    /// The times of a group, by its own settings where it has any.
    pub(super) fn pace(&self, image: &ClusterImage, group_id: &str) -> Pace {
        config::group::pace(image.group_configs.get(group_id), &self.limits.consumer.paces)
    }

    /// Takes a member's heartbeat; resolves when what it changed is durable.
    pub(crate) async fn beat(&self, group_id: &Str, sender: Sender<'_>, beat: Beat) -> Result<Beaten, BeatError> {
        let answer = self.begin_beat(group_id, &sender, beat)?;
        answer.await.unwrap_or_else(|_| Err(CoordinatorError::not_available("the group is gone").into()))
    }

    fn begin_beat(
        &self,
        group_id: &Str,
        sender: &Sender<'_>,
        mut beat: Beat,
    ) -> Result<oneshot::Receiver<Result<Beaten, BeatError>>, BeatError> {
        beat.check(group_id, &self.limits.consumer.assignors)?;
        self.check(group_id)?;
        self.log(group_id).ok_or_else(|| CoordinatorError::not_available("its topic does not exist yet"))?;
        beat.fresh_member_id = Str::from(hyphenated(Uuid::random(&*self.rng)));
        let now = self.now();
        let (request, (answer, answered)) = (self.request(), oneshot::channel());
        let mut shard = self.shard(group_id).lock();
        let slot = if beat.member_epoch == JOIN_EPOCH {
            shard.slot_or_new(group_id, now)?
        } else {
            let unknown = || BeatError::UnknownGroup(format!("Group {group_id} not found."));
            shard.slot(group_id)?.ok_or_else(unknown)?
        };
        let before = match &slot.group {
            AnyGroup::Classic(group) if group.generation() > 0 => Some(Box::new(group.snapshot())),
            AnyGroup::Classic(_) | AnyGroup::Consumer(_) => None,
        };
        let topics = SeenTopics { image: self.store.image(), viewer: Some((sender.gate, sender.caller)) };
        let effects = slot.group.beat(self.sight(&topics, group_id, now), request, &beat);
        if before.is_some() && matches!(slot.group, AnyGroup::Consumer(_)) {
            slot.kept = Image { classic: before, ..Image::default() };
        }
        let is_quiet = effects.len() == 1 && beat.member_epoch != JOIN_EPOCH;
        shard.waiting.insert(request, Waiting::Beat(answer));
        self.carry_out(&mut shard, group_id, now, effects);
        // A heartbeat that changes nothing moves a deadline away, and the timers need not know.
        if !is_quiet {
            self.refresh(shard, group_id);
        }
        Ok(answered)
    }

    /// A group of KIP-848 and its members; `None` where there is none of this id.
    pub(crate) fn describe_consumer(&self, group_id: &Str) -> Result<Option<DescribedConsumerGroup>, CoordinatorError> {
        self.check(group_id)?;
        let topics = self.topics();
        let shard = self.shard(group_id).lock();
        Ok(shard.groups.get(group_id).and_then(|slot| match &slot.group {
            AnyGroup::Classic(_) => None,
            AnyGroup::Consumer(group) => Some(group.describe(&self.limits.consumer.assignors, &topics)),
        }))
    }

    /// Whether there is a group of this id under either protocol.
    pub(crate) fn exists(&self, group_id: &Str) -> bool {
        self.shard(group_id).lock().groups.contains_key(group_id)
    }

    /// Whether a member may see the group's positions.
    pub(crate) fn check_fetch(
        &self,
        group_id: &Str,
        member_id: Option<&Str>,
        epoch: i32,
    ) -> Result<(), HeartbeatError> {
        self.check_offsets(group_id)?;
        let shard = self.shard(group_id).lock();
        match shard.groups.get(group_id).map(|slot| &slot.group) {
            Some(AnyGroup::Consumer(group)) => group.check_fetch(member_id, epoch),
            Some(AnyGroup::Classic(_)) | None => Ok(()),
        }
    }

    /// A change could not even be handed to the store.
    pub(super) fn lose(&self, slot: &mut Slot, now: Now) -> Vec<Effect> {
        slot.trouble.get_or_insert(Trouble::Lost);
        self.recover(slot, now)
    }

    /// Goes on from what is durable, once nothing of a group in trouble is under way.
    pub(super) fn recover(&self, slot: &mut Slot, now: Now) -> Vec<Effect> {
        if slot.written != slot.settled {
            return Vec::new();
        }
        let Some(trouble) = slot.trouble.take() else {
            if matches!(slot.group, AnyGroup::Classic(_)) {
                slot.kept = Image::default();
            }
            return Vec::new();
        };
        let mut effects = match &mut slot.group {
            AnyGroup::Classic(group) => group.abandon(),
            AnyGroup::Consumer(_) => Vec::new(),
        };
        let id = slot.group.id().clone();
        tracing::warn!(group = %id, ?trouble, "the group goes on from what was kept");
        if slot.kept.group.is_some() {
            let topics = self.topics();
            let sight = self.sight(&topics, &id, now);
            let mut group = ConsumerGroup::restore(id.clone(), slot.kept.clone(), now, sight.view.pace);
            if trouble == Trouble::Torn {
                effects.push(Effect::Change(group.start_over(sight.view)));
            }
            slot.group = AnyGroup::Consumer(group);
            return effects;
        }
        let mut group = match mem::take(&mut slot.kept).classic {
            Some(snapshot) => Group::restore(id, *snapshot, now),
            None => Group::new(id, now),
        };
        effects.extend(group.ask_to_join_again(now, &self.limits));
        slot.group = AnyGroup::Classic(group);
        effects
    }
}
