//! Scenarios, told call by call.

use super::*;
use crate::group::messages::{RoundTrip, SkipsAssignment};
use bytes::Bytes;

/// A group with a clock and a count of requests.
struct Story {
    group: Group,
    limits: GroupLimits,
    now: Now,
    requests: u64,
}

fn str(text: &str) -> Str {
    Str::from(text)
}

impl Story {
    fn new() -> Self {
        let now = Now { monotonic: Duration::from_secs(1), wall_ms: 1_000_000 };
        Self { group: Group::new(str("g"), now), limits: GroupLimits::default(), now, requests: 0 }
    }

    fn pass(&mut self, span: Duration) -> Vec<Effect> {
        self.now.monotonic += span;
        self.now.wall_ms += i64::try_from(span.as_millis()).unwrap();
        self.group.tick(self.now, &self.limits)
    }

    fn request(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }

    fn join(&mut self, join: &Join) -> (RequestId, Vec<Effect>) {
        let request = self.request();
        (request, self.group.join(self.now, &self.limits, request, join))
    }

    fn sync(&mut self, member: &str, assignments: &[(&str, &'static str)]) -> (RequestId, Vec<Effect>) {
        let request = self.request();
        let sync = Sync {
            member_id: str(member),
            instance_id: None,
            generation: self.group.generation(),
            protocol_type: None,
            protocol: None,
            assignments: assignments.iter().map(|&(id, a)| (str(id), Bytes::from_static(a.as_bytes()))).collect(),
        };
        (request, self.group.sync(self.now, &self.limits, request, &sync))
    }

    fn heartbeat(&mut self, member: &str, generation: i32) -> Result<(), HeartbeatError> {
        self.group.heartbeat(self.now, &Heartbeat { member_id: str(member), instance_id: None, generation })
    }

    /// Two members, `a` leads, in a stable generation.
    fn stable_pair() -> Self {
        let mut story = Self::new();
        story.join(&join("", "a"));
        let (_, effects) = story.join(&join("", "b"));
        assert!(effects.is_empty());
        let (_, effects) = story.join(&join("a", ""));
        assert_eq!(joined(&effects).len(), 2);
        story.sync("b", &[]);
        let (_, effects) = story.sync("a", &[("a", "1"), ("b", "2")]);
        assert_eq!(synced(&effects).len(), 2);
        story
    }
}

fn join(member_id: &str, fresh: &str) -> Join {
    Join {
        member_id: str(member_id),
        instance_id: None,
        client_id: str("client"),
        client_host: str("/127.0.0.1"),
        session_timeout: Duration::from_secs(10),
        rebalance_timeout: Duration::from_secs(60),
        protocol_type: str("consumer"),
        protocols: vec![(str("range"), Bytes::from_static(b"\0\x01\0\0\0\x01\0\x01t\xff\xff\xff\xff"))],
        member_id_round_trip: RoundTrip::Not,
        skips_assignment: SkipsAssignment::Understood,
        fresh_member_id: str(fresh),
    }
}

fn static_join(member_id: &str, fresh: &str, instance: &str) -> Join {
    Join { instance_id: Some(str(instance)), ..join(member_id, fresh) }
}

fn joined(effects: &[Effect]) -> Vec<(RequestId, Result<Joined, JoinError>)> {
    let answer = |effect: &Effect| match effect {
        Effect::Joined { request, outcome } => Some((*request, outcome.clone())),
        Effect::Save(_) | Effect::Change(_) | Effect::Beaten { .. } | Effect::Synced { .. } => None,
    };
    effects.iter().filter_map(answer).collect()
}

fn synced(effects: &[Effect]) -> Vec<(RequestId, Result<Synced, SyncError>)> {
    let answer = |effect: &Effect| match effect {
        Effect::Synced { request, outcome } => Some((*request, outcome.clone())),
        Effect::Save(_) | Effect::Change(_) | Effect::Beaten { .. } | Effect::Joined { .. } => None,
    };
    effects.iter().filter_map(answer).collect()
}

fn saves(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::Save(_))).count()
}

#[test]
fn a_lone_member_leads_the_first_generation() {
    let mut story = Story::new();
    let (request, effects) = story.join(&join("", "a"));
    let answers = joined(&effects);
    let (answered, Ok(joined)) = &answers[0] else { panic!("{answers:?}") };
    assert_eq!(*answered, request);
    assert_eq!((joined.generation, joined.leader.as_str(), joined.members.len()), (1, "a", 1));
    let (_, effects) = story.sync("a", &[("a", "all")]);
    assert_eq!(saves(&effects), 1);
    assert!(matches!(effects[0], Effect::Save(_)), "the assignment is kept before it is told");
    assert_eq!(synced(&effects)[0].1.as_ref().unwrap().assignment, "all");
    assert_eq!(story.group.state(), GroupState::Stable);
}

#[test]
fn a_new_member_is_told_its_id_first() {
    let mut story = Story::new();
    let round_trip = Join { member_id_round_trip: RoundTrip::Required, ..join("", "fresh") };
    let (_, effects) = story.join(&round_trip);
    let required = Err(JoinError::MemberIdRequired { member_id: str("fresh") });
    assert_eq!(joined(&effects)[0].1, required);
    let (_, effects) = story.join(&Join { member_id: str("fresh"), ..round_trip.clone() });
    assert_eq!(joined(&effects)[0].1.as_ref().unwrap().member_id, "fresh");
    let (_, effects) = story.join(&Join { member_id: str("made-up"), ..round_trip });
    assert_eq!(joined(&effects)[0].1, Err(JoinError::UnknownMember(str("made-up"))));
}

#[test]
fn an_id_that_nobody_came_for_is_forgotten() {
    let mut story = Story::new();
    let round_trip = Join { member_id_round_trip: RoundTrip::Required, ..join("", "fresh") };
    story.join(&round_trip);
    assert_eq!(story.group.next_deadline(), Some(story.now.monotonic + Duration::from_secs(10)));
    story.pass(Duration::from_secs(10));
    let (_, effects) = story.join(&Join { member_id: str("fresh"), ..round_trip });
    assert_eq!(joined(&effects)[0].1, Err(JoinError::UnknownMember(str("fresh"))));
}

#[test]
fn the_first_rebalance_waits_for_company() {
    let mut story = Story::new();
    story.limits.initial_rebalance_delay = Duration::from_secs(3);
    assert!(joined(&story.join(&join("", "a")).1).is_empty());
    assert!(joined(&story.pass(Duration::from_secs(2))).is_empty());
    story.join(&join("", "b"));
    assert!(joined(&story.pass(Duration::from_secs(1))).is_empty(), "a newcomer prolongs the wait");
    assert_eq!(joined(&story.pass(Duration::from_secs(3))).len(), 2);
    assert_eq!(story.group.generation(), 1);
}

#[test]
fn a_late_joiner_makes_the_others_join_again() {
    let mut story = Story::stable_pair();
    let generation = story.group.generation();
    assert!(joined(&story.join(&join("", "c")).1).is_empty());
    assert_eq!(story.heartbeat("a", generation), Err(HeartbeatError::RebalanceInProgress));
    story.join(&join("a", ""));
    let (_, effects) = story.join(&join("b", ""));
    let answers = joined(&effects);
    assert_eq!(answers.len(), 3);
    let leaders = answers.iter().filter(|(_, answer)| !answer.as_ref().unwrap().members.is_empty()).count();
    assert_eq!((leaders, story.group.generation()), (1, generation + 1));
}

#[test]
fn whoever_does_not_join_again_in_time_is_out() {
    let mut story = Story::stable_pair();
    story.join(&join("", "c"));
    story.join(&join("a", ""));
    for _ in 0..12 {
        drop(story.heartbeat("b", story.group.generation()));
        story.pass(Duration::from_secs(5));
    }
    assert_eq!(story.group.state(), GroupState::CompletingRebalance);
    assert_eq!(story.group.member_ids().map(Str::as_str).collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!(story.heartbeat("b", 3), Err(HeartbeatError::UnknownMember(str("b"))));
}

#[test]
fn a_silent_member_loses_its_session() {
    let mut story = Story::stable_pair();
    let generation = story.group.generation();
    story.pass(Duration::from_secs(6));
    story.heartbeat("a", generation).unwrap();
    story.pass(Duration::from_secs(5));
    assert_eq!(story.group.state(), GroupState::PreparingRebalance);
    assert_eq!(story.heartbeat("b", generation), Err(HeartbeatError::UnknownMember(str("b"))));
}

#[test]
fn a_member_that_never_syncs_is_out() {
    let mut story = Story::new();
    story.join(&join("", "a"));
    story.join(&join("", "b"));
    story.join(&join("a", ""));
    let (_, effects) = story.sync("a", &[("a", "1")]);
    assert_eq!(synced(&effects).len(), 1);
    for _ in 0..12 {
        let generation = story.group.generation();
        drop(story.heartbeat("a", generation));
        drop(story.heartbeat("b", generation));
        story.pass(Duration::from_secs(5));
    }
    assert_eq!(story.heartbeat("b", story.group.generation()), Err(HeartbeatError::UnknownMember(str("b"))));
}

#[test]
fn the_last_one_to_leave_empties_the_group() {
    let mut story = Story::stable_pair();
    let leave = |id| Leave { member_id: str(id), instance_id: None };
    let (outcomes, effects) = story.group.leave(story.now, &story.limits, &[leave("a"), leave("x"), leave("b")]);
    assert_eq!(outcomes, [Ok(()), Err(LeaveError::UnknownMember(str("x"))), Ok(())]);
    assert_eq!((saves(&effects), story.group.state()), (1, GroupState::Empty));
}

#[test]
fn a_static_member_returns_without_a_rebalance_and_fences_its_former_self() {
    let mut story = Story::new();
    story.join(&static_join("", "a-1", "a"));
    let first = static_join("", "b-1", "b");
    story.join(&first);
    story.join(&static_join("a-1", "", "a"));
    story.sync("b-1", &[]);
    story.sync("a-1", &[("a-1", "1"), ("b-1", "2")]);
    let generation = story.group.generation();

    let (_, effects) = story.join(&static_join("", "a-2", "a"));
    assert_eq!(saves(&effects), 1);
    let leader = joined(&effects)[0].1.clone().unwrap();
    assert_eq!((leader.generation, leader.skip_assignment, leader.leader.as_str()), (generation, true, "a-2"));
    assert_eq!(story.group.state(), GroupState::Stable);
    let (_, effects) = story.sync("a-2", &[]);
    assert_eq!(synced(&effects)[0].1.as_ref().unwrap().assignment, "1", "the assignment moved to the new id");

    let fenced = Heartbeat { member_id: str("a-1"), instance_id: Some(str("a")), generation };
    assert_eq!(story.group.heartbeat(story.now, &fenced), Err(HeartbeatError::FencedInstance(str("a"))));
    let commit = offsets::Committer { member_id: str("a-1"), instance_id: Some(str("a")), generation };
    assert_eq!(story.group.check_commit(story.now, &commit), Err(HeartbeatError::FencedInstance(str("a"))));
}

#[test]
fn an_old_client_that_returns_as_leader_does_not_take_itself_for_it() {
    let mut story = Story::new();
    story.join(&static_join("", "a-1", "a"));
    story.sync("a-1", &[("a-1", "1")]);
    let old = Join { skips_assignment: SkipsAssignment::Not, ..static_join("", "a-2", "a") };
    let answer = joined(&story.join(&old).1)[0].1.clone().unwrap();
    assert_eq!((answer.leader.as_str(), answer.member_id.as_str(), answer.members.len()), ("a-1", "a-2", 0));
}

#[test]
fn an_administrator_removes_a_static_member_by_its_name() {
    let mut story = Story::new();
    story.join(&static_join("", "a-1", "a"));
    story.sync("a-1", &[("a-1", "1")]);
    let leave = Leave { member_id: Str::new(), instance_id: Some(str("a")) };
    let (outcomes, _) = story.group.leave(story.now, &story.limits, &[leave]);
    assert_eq!((outcomes, story.group.state()), (vec![Ok(())], GroupState::Empty));
}

#[test]
fn static_members_survive_a_rebalance_that_they_miss() {
    let mut story = Story::new();
    story.join(&static_join("", "a-1", "a"));
    story.join(&static_join("", "b-1", "b"));
    story.join(&static_join("a-1", "", "a"));
    story.sync("b-1", &[]);
    story.sync("a-1", &[]);
    // Sessions longer than the rebalance: silence alone does not end them.
    for member in story.group.members.values_mut() {
        member.session_timeout = Duration::from_secs(600);
        member.deadline = Some(story.now.monotonic + Duration::from_secs(600));
    }
    story.join(&join("", "c"));
    let effects = story.pass(Duration::from_secs(60));
    assert_eq!(joined(&effects).len(), 1);
    assert_eq!(story.group.members.len(), 3);
    assert_eq!(story.group.leader().map(Str::as_str), Some("c"), "the leader is one who came");
}

#[test]
fn the_protocol_is_one_that_all_have_and_most_prefer() {
    let with = |names: &[&str], join: Join| Join {
        protocols: names.iter().map(|name| (str(name), Bytes::from_static(b"m"))).collect(),
        ..join
    };
    let mut story = Story::new();
    story.limits.initial_rebalance_delay = Duration::from_secs(3);
    story.join(&with(&["sticky", "range"], join("", "a")));
    story.join(&with(&["range", "sticky", "x"], join("", "b")));
    story.join(&with(&["range", "sticky"], join("", "c")));
    let (_, effects) = story.join(&with(&["x"], join("", "d")));
    assert_eq!(joined(&effects)[0].1, Err(JoinError::InconsistentProtocol));
    story.pass(Duration::from_secs(3));
    let effects = story.pass(Duration::from_secs(3));
    assert_eq!(joined(&effects)[0].1.as_ref().unwrap().protocol, Some(str("range")));
}

#[test]
fn commits_follow_generation_and_state() {
    let mut story = Story::new();
    let anyone = offsets::Committer { member_id: Str::new(), instance_id: None, generation: -1 };
    assert_eq!(story.group.check_commit(story.now, &anyone), Ok(()), "a consumer without a group");
    story.join(&join("", "a"));
    let member = |generation| offsets::Committer { member_id: str("a"), instance_id: None, generation };
    assert_eq!(story.group.check_commit(story.now, &member(1)), Err(HeartbeatError::RebalanceInProgress));
    story.sync("a", &[]);
    assert_eq!(story.group.check_commit(story.now, &member(1)), Ok(()));
    let stale = Err(HeartbeatError::IllegalGeneration { sent: 0, current: 1 });
    assert_eq!(story.group.check_commit(story.now, &member(0)), stale);
    assert_eq!(story.group.check_commit(story.now, &anyone), Err(HeartbeatError::UnknownMember(Str::new())));
}

#[test]
fn offsets_of_topics_that_are_read_are_not_deleted() {
    let story = Story::stable_pair();
    assert_eq!(story.group.check_offset_delete("t"), Err(offsets::OffsetDeleteError::Subscribed));
    assert_eq!(story.group.check_offset_delete("other"), Ok(()));
}

#[test]
fn a_group_that_could_not_be_kept_joins_again() {
    let mut story = Story::stable_pair();
    let generation = story.group.generation();
    story.group.save_failed(story.now, &story.limits, generation);
    assert_eq!(story.group.state(), GroupState::PreparingRebalance);
    assert_eq!(story.heartbeat("a", generation), Err(HeartbeatError::RebalanceInProgress));
}

#[test]
fn a_restored_group_goes_on_where_it_was() {
    let story = Story::stable_pair();
    let mut restored = Group::restore(str("g"), story.group.snapshot(), story.now);
    assert_eq!(restored.snapshot(), story.group.snapshot());
    let heartbeat = Heartbeat { member_id: str("b"), instance_id: None, generation: story.group.generation() };
    assert_eq!(restored.heartbeat(story.now, &heartbeat), Ok(()));
}

#[test]
fn session_timeouts_and_sizes_are_bounded() {
    let mut story = Story::new();
    let short = Join { session_timeout: Duration::from_secs(1), ..join("", "a") };
    assert!(matches!(joined(&story.join(&short).1)[0].1, Err(JoinError::InvalidSessionTimeout { .. })));
    let large = Join { protocols: vec![(str("range"), Bytes::from(vec![0; 2 << 20]))], ..join("", "a") };
    assert!(matches!(joined(&story.join(&large).1)[0].1, Err(JoinError::MetadataTooLarge { .. })));
    story.limits.members_max = 1;
    story.join(&join("", "a"));
    story.sync("a", &[]);
    assert_eq!(joined(&story.join(&join("", "b")).1)[0].1, Err(JoinError::GroupFull { limit: 1 }));
}
