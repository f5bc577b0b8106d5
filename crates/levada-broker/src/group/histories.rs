//! Random histories: clients of all manners against one group, and what must hold after every step.

use super::*;
use crate::group::{
    messages::{RoundTrip, SkipsAssignment},
    offsets::Committer,
};
use bytes::Bytes;
use levada_model::{Rng, SeededRng};
use std::collections::{BTreeMap, BTreeSet};

/// What a request was for, until it is answered.
enum Asked {
    Join { client: usize },
    Sync { member_id: Str, instance_id: Option<Str>, generation: i32 },
}

/// A client as it sees itself.
#[derive(Default)]
struct Client {
    instance_id: Option<Str>,
    member_id: Str,
    generation: i32,
    /// The members to assign to, while it leads.
    to_assign: Option<Vec<(Str, Option<Str>)>>,
    is_waiting: bool,
}

struct World {
    rng: SeededRng,
    group: Group,
    limits: GroupLimits,
    now: Now,
    clients: Vec<Client>,
    asked: BTreeMap<RequestId, Asked>,
    requests: u64,
    generation_seen: i32,
    leaders: BTreeMap<i32, BTreeSet<Str>>,
    fenced: BTreeSet<(Str, Str)>,
    stable_generations: usize,
}

/// What the leader assigns: told apart by generation and by whom it is for.
fn assignment(generation: i32, member_id: &Str, instance_id: Option<&Str>) -> Bytes {
    Bytes::from(format!("{generation}:{}", instance_id.unwrap_or(member_id)))
}

impl World {
    fn new(seed: u64) -> Self {
        let now = Now { monotonic: Duration::from_secs(1), wall_ms: 1_000 };
        let clients = (0..6).map(|index| Client {
            instance_id: (index < 2).then(|| Str::from(format!("static-{index}"))),
            ..Client::default()
        });
        let rng = SeededRng::new(seed);
        let delay = Duration::from_secs(rng.next_u64() % 2 * 3);
        Self {
            rng,
            group: Group::new("g".into(), now),
            limits: GroupLimits { initial_rebalance_delay: delay, members_max: 5, ..GroupLimits::default() },
            now,
            clients: clients.collect(),
            asked: BTreeMap::new(),
            requests: 0,
            generation_seen: 0,
            leaders: BTreeMap::new(),
            fenced: BTreeSet::new(),
            stable_generations: 0,
        }
    }

    fn below(&self, bound: u64) -> usize {
        usize::try_from(self.rng.next_u64() % bound).unwrap()
    }

    fn ask(&mut self, asked: Asked) -> RequestId {
        self.requests += 1;
        self.asked.insert(RequestId(self.requests), asked);
        RequestId(self.requests)
    }

    fn step(&mut self) {
        let client = self.below(6);
        match self.below(40) {
            0..=11 => self.join(client),
            12..=25 => self.sync(client),
            26..=33 => self.heartbeat(client),
            34 => self.leave(client),
            35 => self.forget(client),
            36..=38 => self.pass(Duration::from_millis(self.rng.next_u64() % 12_000)),
            _ => {
                let generation = self.group.generation();
                let effects = self.group.save_failed(self.now, &self.limits, generation);
                self.take(effects);
            }
        }
        self.check();
    }

    fn join(&mut self, client: usize) {
        let settled = matches!(self.group.state, GroupState::Stable | GroupState::CompletingRebalance)
            && self.group.members.contains_key(&self.clients[client].member_id);
        // Most clients are patient and join only when they must.
        if (self.clients[client].is_waiting || settled) && self.below(8) != 0 {
            return;
        }
        let round_trip = if self.below(2) == 0 { RoundTrip::Required } else { RoundTrip::Not };
        let skips = if self.below(2) == 0 { SkipsAssignment::Understood } else { SkipsAssignment::Not };
        let Client { instance_id, member_id, .. } = &self.clients[client];
        if member_id.is_empty()
            && let Some(instance_id) = instance_id
            && let Some(old) = self.group.static_members.get(instance_id)
        {
            self.fenced.insert((instance_id.clone(), old.clone()));
        }
        let join = Join {
            member_id: member_id.clone(),
            instance_id: instance_id.clone(),
            client_id: "c".into(),
            client_host: "/h".into(),
            session_timeout: Duration::from_secs(10),
            rebalance_timeout: Duration::from_secs(20),
            protocol_type: "consumer".into(),
            protocols: vec![("range".into(), Bytes::from(format!("m{}", self.below(10) / 9)))],
            member_id_round_trip: round_trip,
            skips_assignment: skips,
            fresh_member_id: Str::from(format!("id-{}", self.requests)),
        };
        self.clients[client].is_waiting = true;
        let request = self.ask(Asked::Join { client });
        let effects = self.group.join(self.now, &self.limits, request, &join);
        self.take(effects);
    }

    fn sync(&mut self, client: usize) {
        let Client { instance_id, member_id, generation, to_assign, .. } = &self.clients[client];
        let (member_id, generation) = (member_id.clone(), *generation);
        let assign = |(id, instance): &(Str, Option<Str>)| (id.clone(), assignment(generation, id, instance.as_ref()));
        let assignments = to_assign.iter().flatten().map(assign).collect();
        let sync = Sync {
            member_id,
            instance_id: instance_id.clone(),
            generation,
            protocol_type: None,
            protocol: None,
            assignments,
        };
        let (member_id, instance_id) = (sync.member_id.clone(), sync.instance_id.clone());
        let request = self.ask(Asked::Sync { member_id, instance_id, generation });
        let effects = self.group.sync(self.now, &self.limits, request, &sync);
        self.take(effects);
    }

    fn heartbeat(&mut self, client: usize) {
        let Client { instance_id, member_id, generation, .. } = &self.clients[client];
        let (member_id, instance_id, generation) = (member_id.clone(), instance_id.clone(), *generation);
        let heartbeat = Heartbeat { member_id, instance_id, generation };
        if let Err(HeartbeatError::UnknownMember(_)) = self.group.heartbeat(self.now, &heartbeat) {
            self.clients[client].member_id = Str::new();
        }
    }

    fn leave(&mut self, client: usize) {
        let Client { instance_id, member_id, .. } = &self.clients[client];
        let leave = Leave { member_id: member_id.clone(), instance_id: instance_id.clone() };
        let (_, effects) = self.group.leave(self.now, &self.limits, &[leave]);
        self.clients[client].member_id = Str::new();
        self.take(effects);
    }

    /// The process ends without a word and starts anew.
    fn forget(&mut self, client: usize) {
        let Client { member_id, to_assign, .. } = &mut self.clients[client];
        *member_id = Str::new();
        *to_assign = None;
    }

    fn pass(&mut self, span: Duration) {
        self.now.monotonic += span;
        let effects = self.group.tick(self.now, &self.limits);
        self.take(effects);
        let next = self.group.next_deadline();
        assert!(next.is_none_or(|next| next > self.now.monotonic), "what is due is done");
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Save(snapshot) => {
                    let restored = Group::restore("g".into(), (*snapshot).clone(), self.now);
                    assert_eq!(restored.generation(), snapshot.generation);
                    assert_eq!(restored.members.len(), snapshot.members.len());
                    self.stable_generations += usize::from(!snapshot.members.is_empty());
                }
                Effect::Joined { request, outcome } => self.joined(request, outcome),
                Effect::Synced { request, outcome } => self.synced(request, &outcome),
                Effect::Change(_) | Effect::Beaten { .. } => panic!("a classic group has no part in KIP-848"),
            }
        }
    }

    fn joined(&mut self, request: RequestId, outcome: Result<Joined, JoinError>) {
        let asked = self.asked.remove(&request);
        let Some(Asked::Join { client }) = asked else { panic!("{request:?} was answered twice, or never asked") };
        let me = &mut self.clients[client];
        me.is_waiting = false;
        match outcome {
            Ok(joined) => {
                assert!(joined.generation >= me.generation || joined.member_id != me.member_id);
                me.member_id = joined.member_id.clone();
                me.generation = joined.generation;
                if joined.members.is_empty() {
                    me.to_assign = None;
                } else {
                    assert_eq!(joined.leader, joined.member_id, "only the leader is told the members");
                    if !joined.skip_assignment {
                        self.leaders.entry(joined.generation).or_default().insert(joined.leader.clone());
                    }
                    let who = |member: JoinedMember| (member.member_id, member.instance_id);
                    me.to_assign = Some(joined.members.into_iter().map(who).collect());
                }
            }
            Err(JoinError::MemberIdRequired { member_id }) => me.member_id = member_id,
            Err(JoinError::UnknownMember(_) | JoinError::FencedInstance(_)) => me.member_id = Str::new(),
            Err(_) => {}
        }
    }

    fn synced(&mut self, request: RequestId, outcome: &Result<Synced, SyncError>) {
        let asked = self.asked.remove(&request);
        let Some(Asked::Sync { member_id, instance_id, generation }) = asked else {
            panic!("{request:?} was answered twice")
        };
        if let Ok(synced) = outcome {
            assert_eq!(generation, self.group.generation(), "an assignment is of the generation it was asked for");
            let mine = assignment(generation, &member_id, instance_id.as_ref());
            assert!(synced.assignment == mine || synced.assignment.is_empty(), "{synced:?} is not for {mine:?}");
        }
    }

    fn check(&mut self) {
        let group = &self.group;
        assert!(group.generation() >= self.generation_seen, "generations do not go back");
        self.generation_seen = group.generation();
        for leaders in self.leaders.values() {
            assert_eq!(leaders.len(), 1, "a generation has one leader: {leaders:?}");
        }
        assert_eq!(group.members.is_empty(), group.leader.is_none());
        assert!(group.leader.iter().all(|leader| group.members.contains_key(leader)));
        assert!(group.static_members.values().all(|member_id| group.members.contains_key(member_id)));
        let statics = group.members.values().filter(|member| member.instance_id.is_some()).count();
        assert_eq!(statics, group.static_members.len());
        assert!(group.members.len() <= self.limits.members_max + self.limits.members_max);
        assert_eq!(group.join_phase.is_some(), group.state == GroupState::PreparingRebalance);
        assert_eq!(group.state == GroupState::Empty, group.members.is_empty() && group.join_phase.is_none());
        let generation = group.generation();
        let mut probe = group.clone();
        for (instance_id, member_id) in &self.fenced {
            if self.group.static_members.get(instance_id) != Some(member_id) {
                let (member_id, instance_id) = (member_id.clone(), Some(instance_id.clone()));
                let stale = Committer { member_id, instance_id, generation };
                assert!(probe.check_commit(self.now, &stale).is_err(), "a fenced member does not commit");
            }
        }
    }
}

#[test]
fn invariants_hold_in_random_histories() {
    let mut stable_generations = 0;
    for seed in 0..400 {
        let mut world = World::new(seed);
        for _ in 0..300 {
            world.step();
        }
        // Everyone falls silent: all that waits is answered, and the group comes to rest.
        for _ in 0..100 {
            world.pass(Duration::from_secs(10));
        }
        assert!(world.asked.is_empty(), "seed {seed}: requests were never answered");
        assert_eq!(world.group.state(), GroupState::Empty, "seed {seed}");
        stable_generations += world.stable_generations;
    }
    assert!(stable_generations > 1_000, "histories get somewhere: {stable_generations}");
}
