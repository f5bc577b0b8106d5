//! A group with a clock, topics, and all that was ever kept of it.

use crate::{
    any_group::{AnyGroup, Sight},
    consumer_group::{
        Assignment, Beat, BeatError, Beaten, ConsumerGroup, ConsumerGroupState, Image, MemberIdRule, Record,
        TopicShape, Topics, View,
    },
    group::{
        Effect, Group, GroupLimits, Heartbeat, HeartbeatError, Join, JoinError, Joined, Leave, LeaveError, Now,
        RequestId, Sync, SyncError, Synced,
        messages::{RoundTrip, SkipsAssignment},
    },
};
use bytes::{BufMut, Bytes, BytesMut};
use levada_model::{PartitionIndex, Str, TopicId, Uuid};
use std::{collections::BTreeMap, time::Duration};

/// Topics by name.
#[derive(Clone, Debug, Default)]
pub(in crate::consumer_group) struct TestTopics {
    pub(in crate::consumer_group) shapes: BTreeMap<Str, TopicShape>,
    pub(in crate::consumer_group) version: u64,
}

impl TestTopics {
    pub(in crate::consumer_group) fn put(&mut self, name: &str, id: u8, partitions: PartitionIndex) {
        let shape = TopicShape { id: Uuid::from_bytes([id; 16]), partitions };
        self.shapes.insert(name.into(), shape);
        self.version += 1;
    }

    pub(in crate::consumer_group) fn remove(&mut self, name: &str) {
        self.shapes.remove(name);
        self.version += 1;
    }
}

impl Topics for TestTopics {
    fn version(&self) -> u64 {
        self.version
    }

    fn find(&self, name: &str) -> Option<TopicShape> {
        self.shapes.get(name).copied()
    }

    fn name_of(&self, id: TopicId) -> Option<Str> {
        self.shapes.iter().find(|(_, shape)| shape.id == id).map(|(name, _)| name.clone())
    }

    fn for_each_visible(&self, with: &mut dyn FnMut(&Str)) {
        self.shapes.keys().for_each(with);
    }
}

pub(in crate::consumer_group) struct Story {
    pub(in crate::consumer_group) group: AnyGroup,
    pub(in crate::consumer_group) topics: TestTopics,
    pub(in crate::consumer_group) limits: GroupLimits,
    pub(in crate::consumer_group) now: Now,
    /// What all records add up to.
    pub(in crate::consumer_group) kept: Image,
    /// Records of the last call.
    pub(in crate::consumer_group) records: Vec<Record>,
    pub(in crate::consumer_group) answers: Vec<Effect>,
    requests: u64,
}

pub(in crate::consumer_group) fn str(text: &str) -> Str {
    Str::from(text)
}

impl Story {
    /// A group without members; topics `foo` of six partitions and `bar` of three.
    pub(in crate::consumer_group) fn new() -> Self {
        let now = Now { monotonic: Duration::from_secs(1), wall_ms: 1_000_000 };
        let mut topics = TestTopics::default();
        topics.put("foo", 1, 6);
        topics.put("bar", 2, 3);
        Self {
            group: AnyGroup::Classic(Group::new(str("g"), now)),
            topics,
            limits: limits(),
            now,
            kept: Image::default(),
            records: Vec::new(),
            answers: Vec::new(),
            requests: 0,
        }
    }

    /// Makes a call on the group, keeps what is to be kept and returns the answers.
    pub(in crate::consumer_group) fn call(
        &mut self,
        call: impl FnOnce(&mut AnyGroup, Sight<'_>, RequestId) -> Vec<Effect>,
    ) -> RequestId {
        self.requests += 1;
        let request = RequestId(self.requests);
        let pace = self.limits.consumer.paces.usual;
        let view = View { now: self.now, limits: &self.limits.consumer, pace, topics: &self.topics };
        let effects = call(&mut self.group, Sight { view, limits: &self.limits }, request);
        self.records.clear();
        self.answers.clear();
        for effect in effects {
            match effect {
                Effect::Change(records) => self.records.extend(records),
                Effect::Save(snapshot) => self.kept.classic = Some(snapshot),
                answer => self.answers.push(answer),
            }
        }
        for record in &self.records {
            self.kept.apply(record);
        }
        self.check();
        request
    }

    fn check(&self) {
        if let AnyGroup::Consumer(group) = &self.group {
            assert_eq!(Image { classic: None, ..self.kept.clone() }, *group.image(), "records add up to the group");
        }
    }

    pub(in crate::consumer_group) fn consumer(&self) -> &ConsumerGroup {
        match &self.group {
            AnyGroup::Consumer(group) => group,
            AnyGroup::Classic(group) => panic!("{group:?} is classic"),
        }
    }

    pub(in crate::consumer_group) fn send(&mut self, beat: &Beat) -> Result<Beaten, BeatError> {
        let request = self.call(|group, sight, request| group.beat(sight, request, beat));
        let answer = self.answers.iter().find_map(|effect| match effect {
            Effect::Beaten { request: of, outcome } if *of == request => Some(outcome.clone()),
            _ => None,
        });
        answer.expect("a heartbeat is answered at once")
    }

    /// Joins as `member`, subscribing to `topics`; returns its epoch and what it has.
    pub(in crate::consumer_group) fn join(&mut self, member: &str, topics: &[&str]) -> (i32, Vec<String>) {
        let beaten = self.send(&joining(member, topics)).unwrap();
        assert_eq!(beaten.member_id, member);
        (beaten.member_epoch, self.shown(&beaten.assignment.unwrap()))
    }

    /// A heartbeat that says what the member has; returns its epoch and what it has, if that is news.
    pub(in crate::consumer_group) fn beat(
        &mut self,
        member: &str,
        epoch: i32,
        owned: &[&str],
    ) -> Result<(i32, Option<Vec<String>>), BeatError> {
        let owned = Some(self.parse(owned));
        let beaten = self.send(&Beat { member_epoch: epoch, owned, ..quiet(member) })?;
        Ok((beaten.member_epoch, beaten.assignment.map(|assignment| self.shown(&assignment))))
    }

    pub(in crate::consumer_group) fn leave(&mut self, member: &str, epoch: i32) -> Result<Beaten, BeatError> {
        self.send(&Beat { member_epoch: epoch, ..quiet(member) })
    }

    pub(in crate::consumer_group) fn pass(&mut self, span: Duration) {
        self.now.monotonic += span;
        self.now.wall_ms += i64::try_from(span.as_millis()).unwrap();
        self.call(|group, sight, _| group.tick(sight));
    }

    pub(in crate::consumer_group) fn state(&self) -> ConsumerGroupState {
        self.consumer().state()
    }

    /// Group epoch and assignment epoch.
    pub(in crate::consumer_group) fn epochs(&self) -> (i32, i32) {
        (self.consumer().image().epoch(), self.consumer().image().assignment_epoch())
    }

    /// Partitions like `foo-1`, as a heartbeat says them.
    pub(in crate::consumer_group) fn parse(&self, partitions: &[&str]) -> Vec<(TopicId, Vec<PartitionIndex>)> {
        let one = |text: &&str| {
            let (topic, partition) = text.rsplit_once('-').unwrap();
            (self.topics.find(topic).unwrap().id, vec![partition.parse().unwrap()])
        };
        partitions.iter().map(one).collect()
    }

    pub(in crate::consumer_group) fn shown(&self, assignment: &Assignment) -> Vec<String> {
        let name = |id| self.topics.name_of(id).map_or_else(|| "gone".to_owned(), String::from);
        assignment.iter().map(|(topic, partition)| format!("{}-{partition}", name(topic))).collect()
    }

    pub(in crate::consumer_group) fn restart(&mut self) {
        let kept = Image { classic: None, ..self.kept.clone() };
        let group = ConsumerGroup::restore(str("g"), kept, self.now, self.limits.consumer.paces.usual);
        self.group = AnyGroup::Consumer(group);
        self.check();
    }

    pub(in crate::consumer_group) fn classic_join(&mut self, join: &Join) -> Option<Result<Joined, JoinError>> {
        let request = self.call(|group, sight, request| group.join(sight, request, join));
        self.joined(request)
    }

    pub(in crate::consumer_group) fn joined(&self, request: RequestId) -> Option<Result<Joined, JoinError>> {
        self.answers.iter().find_map(|effect| match effect {
            Effect::Joined { request: of, outcome } if *of == request => Some(outcome.clone()),
            _ => None,
        })
    }

    pub(in crate::consumer_group) fn classic_sync(
        &mut self,
        member: &str,
        generation: i32,
    ) -> Result<Synced, SyncError> {
        let sync = Sync {
            member_id: str(member),
            instance_id: None,
            generation,
            protocol_type: None,
            protocol: None,
            assignments: vec![(str(member), Bytes::new())],
        };
        self.call(|group, sight, request| group.sync(sight, request, &sync));
        let answer = self.answers.iter().find_map(|effect| match effect {
            Effect::Synced { outcome, .. } => Some(outcome.clone()),
            _ => None,
        });
        answer.expect("it is answered at once")
    }

    pub(in crate::consumer_group) fn classic_beat(
        &mut self,
        member: &str,
        generation: i32,
    ) -> Result<(), HeartbeatError> {
        let beat = Heartbeat { member_id: str(member), instance_id: None, generation };
        let mut outcome = Ok(());
        self.call(|group, sight, _| {
            outcome = group.heartbeat(sight, &beat);
            Vec::new()
        });
        outcome
    }

    pub(in crate::consumer_group) fn classic_leave(
        &mut self,
        member: &str,
        instance: Option<&str>,
    ) -> Result<(), LeaveError> {
        let leave = Leave { member_id: str(member), instance_id: instance.map(str) };
        let mut outcomes = Vec::new();
        self.call(|group, sight, _| {
            let (all, effects) = group.leave(sight, &[leave]);
            outcomes = all;
            effects
        });
        outcomes.pop().unwrap()
    }
}

/// A heartbeat that says nothing new.
pub(in crate::consumer_group) fn quiet(member: &str) -> Beat {
    Beat {
        member_id: str(member),
        member_id_rule: MemberIdRule::Own,
        member_epoch: 0,
        instance_id: None,
        rack_id: None,
        rebalance_timeout: None,
        topics: None,
        pattern: None,
        assignor: None,
        owned: None,
        client_id: str("client"),
        client_host: str("/127.0.0.1"),
        fresh_member_id: str("fresh"),
    }
}

/// The heartbeat by which a member joins.
pub(in crate::consumer_group) fn joining(member: &str, topics: &[&str]) -> Beat {
    Beat {
        rebalance_timeout: Some(Duration::from_secs(30)),
        topics: Some(topics.iter().map(|&topic| str(topic)).collect()),
        owned: Some(Vec::new()),
        ..quiet(member)
    }
}

pub(in crate::consumer_group) fn static_joining(member: &str, instance: &str, topics: &[&str]) -> Beat {
    Beat { instance_id: Some(str(instance)), ..joining(member, topics) }
}

/// What a member of the classic protocol says of itself.
pub(in crate::consumer_group) fn subscription(topics: &[&str], owned: &[(&str, &[PartitionIndex])]) -> Bytes {
    let mut bytes = BytesMut::new();
    let text = |bytes: &mut BytesMut, text: &str| {
        bytes.put_i16(i16::try_from(text.len()).unwrap());
        bytes.put_slice(text.as_bytes());
    };
    bytes.put_i16(1);
    bytes.put_i32(i32::try_from(topics.len()).unwrap());
    topics.iter().for_each(|topic| text(&mut bytes, topic));
    bytes.put_i32(-1);
    bytes.put_i32(i32::try_from(owned.len()).unwrap());
    for (topic, partitions) in owned {
        text(&mut bytes, topic);
        bytes.put_i32(i32::try_from(partitions.len()).unwrap());
        partitions.iter().for_each(|&partition| bytes.put_i32(partition));
    }
    bytes.freeze()
}

pub(in crate::consumer_group) fn classic_joining(member: &str, fresh: &str, says: Bytes) -> Join {
    Join {
        member_id: str(member),
        instance_id: None,
        client_id: str("client"),
        client_host: str("/127.0.0.1"),
        session_timeout: Duration::from_secs(10),
        rebalance_timeout: Duration::from_secs(30),
        protocol_type: str("consumer"),
        protocols: vec![(str("cooperative-sticky"), says.clone()), (str("range"), says)],
        member_id_round_trip: RoundTrip::Not,
        skips_assignment: SkipsAssignment::Understood,
        fresh_member_id: str(fresh),
    }
}

/// As by default, but that whoever comes is assigned at once.
fn limits() -> GroupLimits {
    let mut limits = GroupLimits::default();
    limits.consumer.paces.usual.assignment_interval = Duration::ZERO;
    limits
}
