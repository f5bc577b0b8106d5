//! Random histories: members of both protocols that crash, pause, lose answers and come back; topics that come, grow
//! and go; restarts. After every step nobody has what another has, and in the end everyone has their share.

use super::tests::rig::*;
use crate::{
    any_group::AnyGroup,
    consumer_group::{Beat, BeatError, ConsumerGroupState, Migration, Topics, embedded, messages::*},
    group::{HeartbeatError, Join},
};
use bytes::Bytes;
use levada_model::{PartitionIndex, Rng, SeededRng, Str, TopicId};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

type Partitions = BTreeSet<(TopicId, PartitionIndex)>;

const NAMES: [&str; 4] = ["foo", "bar", "baz", "qux"];

/// Which protocol a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    Consumer,
    Classic,
}

/// A client as it sees itself.
#[derive(Clone, Debug)]
struct Client {
    speaks: Speaks,
    instance: Option<Str>,
    /// Its id; empty if it is no member.
    id: Str,
    epoch: i32,
    topics: Vec<&'static str>,
    pattern: Option<&'static str>,
    /// What it works on.
    owned: Partitions,
    /// What it was told to have.
    told: Partitions,
    /// What it last said that it works on.
    said: Option<Partitions>,
    /// It is to say everything, because it does not know what was heard of its last words.
    is_unsure: bool,
    is_paused: bool,
}

struct World {
    rng: SeededRng,
    story: Story,
    clients: Vec<Client>,
    ids: u64,
    /// Whether answers arrive.
    is_peace: bool,
    /// How often something of this kind happened.
    seen: BTreeMap<&'static str, usize>,
}

impl World {
    fn new(seed: u64) -> Self {
        let rng = SeededRng::new(seed);
        let mut story = Story::new();
        story.limits.consumer.migration = Migration { upgrade: true, downgrade: false };
        let client = |index: usize| Client {
            speaks: if index == 5 { Speaks::Classic } else { Speaks::Consumer },
            instance: (index < 2).then(|| Str::from(format!("i-{index}"))),
            id: Str::new(),
            epoch: 0,
            topics: NAMES[..2].to_vec(),
            pattern: None,
            owned: Partitions::new(),
            told: Partitions::new(),
            said: None,
            is_unsure: true,
            is_paused: false,
        };
        story.join("first", &["foo"]);
        let clients = (0..6).map(client).collect();
        Self { rng, story, clients, ids: seed << 32, is_peace: false, seen: BTreeMap::new() }
    }

    fn below(&self, bound: usize) -> usize {
        usize::try_from(self.rng.next_u64() % bound as u64).unwrap()
    }

    fn saw(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    fn step(&mut self) {
        let client = self.below(self.clients.len());
        match self.below(100) {
            0..=59 => self.say(client),
            60..=69 => self.revoke(client),
            70..=77 => self.pass(self.below(4_000)),
            78 => self.pass(20_000 + self.below(40_000)),
            79..=81 => self.clients[client].is_paused ^= true,
            82 | 83 => self.crash(client),
            84 | 85 => self.leave(client, LEAVE_EPOCH),
            86 => self.leave(client, LEAVE_STATIC_EPOCH),
            87..=89 => self.resubscribe(client),
            90..=94 => self.change_topics(),
            95 | 96 => {
                self.story.restart();
                self.saw("restart");
            }
            _ => {}
        }
        self.check();
    }

    fn fresh_id(&mut self) -> Str {
        self.ids += 1;
        Str::from(format!("m-{:x}", self.ids.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    fn pass(&mut self, milliseconds: usize) {
        self.story.pass(Duration::from_millis(milliseconds as u64));
    }

    fn crash(&mut self, index: usize) {
        let client = &mut self.clients[index];
        client.forget();
        client.id = Str::new();
        self.saw("crash");
    }

    /// A heartbeat, whose answer may be lost.
    fn say(&mut self, index: usize) {
        if self.clients[index].is_paused {
            return;
        }
        if self.clients[index].speaks == Speaks::Classic {
            return self.say_classic(index);
        }
        if self.clients[index].id.is_empty() {
            self.clients[index].id = self.fresh_id();
            self.clients[index].epoch = JOIN_EPOCH;
        }
        let beat = self.clients[index].beat();
        let outcome = self.story.send(&beat);
        self.clients[index].said = Some(self.clients[index].owned.clone());
        if !self.is_peace && self.below(12) == 0 {
            self.clients[index].is_unsure = true;
            self.saw("lost answer");
            return;
        }
        match outcome {
            Ok(beaten) => {
                let client = &mut self.clients[index];
                client.epoch = beaten.member_epoch;
                client.is_unsure = false;
                if let Some(assignment) = beaten.assignment {
                    client.told = assignment.iter().collect();
                    self.saw("assignment");
                }
            }
            Err(BeatError::FencedEpoch { .. } | BeatError::UnknownMember(_)) => {
                self.clients[index].forget();
                self.saw("fenced");
            }
            Err(BeatError::UnreleasedInstance { .. } | BeatError::FencedInstance { .. }) => {
                // Its predecessor has not been given up for lost.
                self.clients[index].forget();
                self.clients[index].id = Str::new();
                self.saw("instance in use");
            }
            Err(other) => panic!("{other}"),
        }
    }

    /// Gives up what it is not to have, then takes what it is to have: in two steps, like a client with listeners.
    fn revoke(&mut self, index: usize) {
        let client = &mut self.clients[index];
        if client.is_paused || client.id.is_empty() {
            return;
        }
        let kept: Partitions = client.owned.intersection(&client.told).copied().collect();
        client.owned = if kept == client.owned { client.told.clone() } else { kept };
    }

    fn leave(&mut self, index: usize, epoch: i32) {
        let client = self.clients[index].clone();
        let is_temporary = epoch == LEAVE_STATIC_EPOCH;
        if client.id.is_empty() || client.is_paused || (is_temporary && client.instance.is_none()) {
            return;
        }
        if client.speaks == Speaks::Classic {
            if !is_temporary {
                self.story.classic_leave(&client.id, None).ok();
                self.crash(index);
            }
            return;
        }
        let beat = Beat { member_epoch: epoch, instance_id: client.instance.clone(), ..quiet(&client.id) };
        let left = self.story.send(&beat).is_ok();
        self.clients[index].forget();
        self.clients[index].id = Str::new();
        self.saw(if left && is_temporary { "away" } else { "left" });
    }

    fn resubscribe(&mut self, index: usize) {
        let first = self.below(NAMES.len());
        let topics = NAMES[first.min(2)..].to_vec();
        let pattern = [None, None, Some("ba."), Some(".*")][self.below(4)];
        let client = &mut self.clients[index];
        client.topics = topics;
        client.pattern = if client.speaks == Speaks::Classic { None } else { pattern };
        client.is_unsure = true;
    }

    fn change_topics(&mut self) {
        let name = NAMES[self.below(NAMES.len())];
        if self.below(3) == 0 {
            self.story.topics.remove(name);
            return self.saw("topic gone");
        }
        let before = self.story.topics.shapes.get(&str(name)).copied();
        match before {
            Some(shape) => {
                let grown = (shape.partitions + 2).min(12);
                self.story.topics.put(name, shape.id.as_bytes()[0], grown);
            }
            None => {
                self.ids += 1;
                let id = u8::try_from(self.ids % 200).unwrap() + 10;
                self.story.topics.put(name, id, 3);
            }
        }
    }

    fn say_classic(&mut self, index: usize) {
        if self.story.group.is_empty() {
            // It would make the group a classic one.
            return;
        }
        let client = self.clients[index].clone();
        if !client.id.is_empty() && !client.is_unsure {
            match self.story.classic_beat(&client.id, client.epoch) {
                Ok(()) => return,
                Err(HeartbeatError::RebalanceInProgress) => {}
                Err(_) => return self.crash(index),
            }
        }
        let owned: Vec<(Str, Vec<PartitionIndex>)> = client.owned_by_name(&self.story.topics);
        let borrowed: Vec<(&str, &[PartitionIndex])> =
            owned.iter().map(|(name, partitions)| (name.as_str(), &partitions[..])).collect();
        let says: Bytes = subscription(&client.topics, &borrowed);
        let fresh = self.fresh_id();
        let join: Join = classic_joining(&client.id, &fresh, says);
        let Some(Ok(joined)) = self.story.classic_join(&join) else { return self.crash(index) };
        self.saw("classic join");
        let client = &mut self.clients[index];
        (client.id, client.epoch, client.is_unsure) = (joined.member_id.clone(), joined.generation, false);
        if !self.is_peace && self.below(8) == 0 {
            self.clients[index].is_unsure = true;
            return;
        }
        let Ok(synced) = self.story.classic_sync(&joined.member_id, joined.generation) else {
            self.clients[index].is_unsure = true;
            return;
        };
        let assigned = embedded::read_assignment(synced.assignment).unwrap();
        let topics = &self.story.topics.shapes;
        let told = assigned.partitions.into_iter().flat_map(|(name, partitions)| {
            let id = topics[&name].id;
            partitions.into_iter().map(move |partition| (id, partition))
        });
        let client = &mut self.clients[index];
        client.told = told.collect();
        // It hands over at once, and comes back by its next heartbeat.
        client.owned = client.told.clone();
    }

    /// What the group takes its members to have is apart, and what members work on is within it.
    fn check(&self) {
        let AnyGroup::Consumer(group) = &self.story.group else { panic!("the group is of the new protocol") };
        let image = group.image();
        let mut owners: BTreeMap<(TopicId, PartitionIndex), &Str> = BTreeMap::new();
        for (id, current) in &image.currents {
            assert!(image.members.contains_key(id));
            assert!(current.epoch <= image.epoch(), "no member is ahead of its group");
            for (topic, partition, _) in current.assigned.iter().chain(current.revoking.iter()) {
                let other = owners.insert((topic, partition), id);
                assert_eq!(other, None, "{topic}-{partition} is of {id}, too");
            }
        }
        for client in self.clients.iter().filter(|client| image.currents.contains_key(&client.id)) {
            // Of a topic that is gone nobody works on anything.
            let exists = |at: &&(TopicId, PartitionIndex)| self.story.topics.name_of(at.0).is_some();
            for at in client.owned.iter().filter(exists) {
                assert_eq!(owners.get(at), Some(&&client.id), "{client:?} works on {at:?} of another");
            }
        }
        let mut assigned = BTreeSet::new();
        for target in image.targets.values() {
            assert!(target.iter().all(|at| assigned.insert(at)), "a target is of two");
        }
    }

    /// Peace: everyone speaks and does as told until nothing is left to do.
    fn settle(&mut self) {
        self.is_peace = true;
        for client in &mut self.clients {
            client.is_paused = false;
        }
        for _ in 0..60 {
            self.pass(1_100);
            for index in 0..self.clients.len() {
                self.say(index);
                self.check();
                self.revoke(index);
                self.revoke(index);
                self.check();
            }
        }
    }

    fn check_settled(&self) {
        let group = self.story.consumer();
        assert_eq!(group.state(), ConsumerGroupState::Stable, "{:?}", self.clients);
        let image = group.image();
        let mut partitions = Partitions::new();
        for current in image.currents.values() {
            partitions.extend(current.assigned.iter().map(|(topic, partition, _)| (topic, partition)));
        }
        let shapes = group.all_subscribed().into_iter().filter_map(|name| self.story.topics.shapes.get(name));
        let all: Partitions =
            shapes.flat_map(|shape| (0..shape.partitions).map(|partition| (shape.id, partition))).collect();
        assert_eq!(partitions, all, "nothing is left out");
        let members: BTreeSet<&Str> = image.members.keys().collect();
        let clients: BTreeSet<&Str> = self.clients.iter().map(|client| &client.id).collect();
        assert_eq!(members, clients, "who is gone is gone");
    }
}

impl Client {
    fn forget(&mut self) {
        self.epoch = JOIN_EPOCH;
        self.owned.clear();
        self.told.clear();
        self.is_unsure = true;
    }

    fn beat(&self) -> Beat {
        let joins = self.epoch == JOIN_EPOCH;
        let says_all = joins || self.is_unsure;
        let mut owned: BTreeMap<TopicId, Vec<PartitionIndex>> = BTreeMap::new();
        for (topic, partition) in &self.owned {
            owned.entry(*topic).or_default().push(*partition);
        }
        let says_owned = says_all || self.said.as_ref() != Some(&self.owned);
        Beat {
            member_epoch: self.epoch,
            instance_id: self.instance.clone(),
            rebalance_timeout: says_all.then_some(Duration::from_secs(20)),
            topics: says_all.then(|| self.topics.iter().map(|&topic| str(topic)).collect()),
            pattern: says_all.then(|| str(self.pattern.unwrap_or(""))),
            owned: if joins { Some(Vec::new()) } else { says_owned.then(|| owned.into_iter().collect()) },
            ..quiet(&self.id)
        }
    }

    fn owned_by_name(&self, topics: &TestTopics) -> Vec<(Str, Vec<PartitionIndex>)> {
        let mut owned: BTreeMap<Str, Vec<PartitionIndex>> = BTreeMap::new();
        for (topic, partition) in &self.owned {
            let name = topics.shapes.iter().find(|(_, shape)| shape.id == *topic).map(|(name, _)| name.clone());
            if let Some(name) = name {
                owned.entry(name).or_default().push(*partition);
            }
        }
        owned.into_iter().collect()
    }
}

#[test]
fn random_histories_never_give_a_partition_to_two_and_come_to_an_end() {
    let mut seen: BTreeMap<&'static str, usize> = BTreeMap::new();
    for seed in 0..150 {
        let mut world = World::new(seed);
        for _ in 0..400 {
            world.step();
        }
        world.settle();
        world.check_settled();
        for (what, count) in world.seen {
            *seen.entry(what).or_default() += count;
        }
    }
    let kinds = [
        "restart",
        "crash",
        "lost answer",
        "assignment",
        "fenced",
        "instance in use",
        "away",
        "left",
        "topic gone",
        "classic join",
    ];
    for kind in kinds {
        assert!(seen.get(kind).is_some_and(|&count| count > 50), "{kind} is hardly ever seen: {seen:?}");
    }
}
