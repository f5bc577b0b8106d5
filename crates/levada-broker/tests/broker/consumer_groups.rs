//! Groups of KIP-848: what members were told survives a power cut, and what could not be kept was not told.

use crate::rig::{Rig, caller, join};
use levada_broker::{
    ValidateOnly,
    admin::AlterConfigsError,
    auth::{op, res},
    config::{AlterConfigs, ConfigOp},
    consumer_group::{Beat, BeatError, Beaten, CommitRule, ConsumerGroupState, MemberIdRule},
    coordinator::{
        CommitPartition, CommitTopic, CoordinatorError, DeleteGroupError, DeleteOffsetError, DeleteOffsets,
        FetchOffsets, OffsetCommit, OffsetCommitError,
    },
    group::{GroupState, Heartbeat, HeartbeatError, Join, offsets::Committer},
};
use levada_log::disk::sim::{Call, Rule};
use levada_model::{PartitionIndex, Str};
use std::{io::ErrorKind, time::Duration};

fn joining(member: &str, topics: &[&str]) -> Beat {
    Beat {
        member_id: member.into(),
        member_id_rule: MemberIdRule::Own,
        member_epoch: 0,
        instance_id: None,
        rack_id: None,
        rebalance_timeout: Some(Duration::from_secs(60)),
        topics: Some(topics.iter().map(|&topic| topic.into()).collect()),
        pattern: None,
        assignor: None,
        owned: Some(Vec::new()),
        client_id: "test".into(),
        client_host: "/127.0.0.1".into(),
        fresh_member_id: Str::new(),
    }
}

/// A heartbeat of one who has `owned` of the topic `orders`.
fn beat(rig: &Rig, member: &str, member_epoch: i32, owned: &[PartitionIndex]) -> Beat {
    let id = rig.store.image().topic("orders").unwrap().id;
    let owned = if owned.is_empty() { Vec::new() } else { vec![(id, owned.to_vec())] };
    Beat { member_epoch, rebalance_timeout: None, topics: None, owned: Some(owned), ..joining(member, &[]) }
}

fn leaving(member: &str) -> Beat {
    Beat { member_epoch: -1, rebalance_timeout: None, topics: None, owned: None, ..joining(member, &[]) }
}

fn has(beaten: &Beaten) -> Vec<PartitionIndex> {
    beaten.assignment.iter().flat_map(|assignment| assignment.iter()).map(|(_, partition)| partition).collect()
}

impl Rig {
    async fn beat(&self, beat: Beat) -> Result<Beaten, BeatError> {
        self.broker.consumer_heartbeat(&self.grant("g"), &caller(), beat).await
    }

    async fn commit_as(&self, member: &str, epoch: i32, offset: i64) -> Result<(), OffsetCommitError> {
        let position = CommitPartition { partition: 0, offset, leader_epoch: None, metadata: "".into() };
        let topics = vec![CommitTopic { topic: self.grant("orders"), partitions: vec![position] }];
        let committer = Committer { member_id: member.into(), instance_id: None, generation: epoch };
        let commit = OffsetCommit { committer, rule: CommitRule::MemberEpochs, retention: None, topics };
        self.broker.commit_offsets(&self.grant("g"), commit).await.pop().unwrap().pop().unwrap()
    }

    fn committed_at(&self) -> Option<i64> {
        let wanted = [FetchOffsets { topic: self.grant("orders"), partitions: vec![0] }];
        self.broker.fetch_offsets(&self.grant("g"), &wanted).unwrap()[0][0].as_ref().map(|committed| committed.offset)
    }

    /// State, epoch, assignment epoch, number of members.
    fn described(&self) -> Option<(ConsumerGroupState, i32, i32, usize)> {
        let group = self.broker.describe_consumer_group(&self.grant("g")).unwrap()?;
        Some((group.state, group.epoch, group.assignment_epoch, group.members.len()))
    }

    /// `a` and `b` share the four partitions of `orders`, both in epoch 3.
    async fn stable_pair() -> Self {
        let rig = Self::with(&[("group.consumer.assignment.interval.ms", "0")]);
        rig.create("orders", 4, &[]).await.unwrap();
        assert_eq!(has(&rig.beat(joining("a", &["orders"])).await.unwrap()), [0, 1, 2, 3]);
        assert_eq!(has(&rig.beat(joining("b", &["orders"])).await.unwrap()), [0; 0]);
        assert_eq!(has(&rig.beat(beat(&rig, "a", 2, &[0, 1, 2, 3])).await.unwrap()), [0, 1]);
        assert_eq!(rig.beat(beat(&rig, "a", 2, &[0, 1])).await.unwrap().member_epoch, 3);
        assert_eq!(has(&rig.beat(beat(&rig, "b", 3, &[])).await.unwrap()), [2, 3]);
        assert_eq!(rig.described(), Some((ConsumerGroupState::Stable, 3, 3, 2)));
        rig
    }
}

#[tokio::test]
async fn a_group_outlives_power_cuts() {
    for seed in 0..3 {
        let rig = Rig::stable_pair().await;
        rig.commit_as("a", 3, 41).await.unwrap();
        let rig = rig.power_cut(seed);
        assert_eq!(rig.described(), Some((ConsumerGroupState::Stable, 3, 3, 2)));
        assert_eq!(rig.committed_at(), Some(41));
        let quiet = rig.beat(beat(&rig, "a", 3, &[0, 1])).await.unwrap();
        assert_eq!((quiet.member_epoch, quiet.assignment), (3, None), "nobody notices");
        rig.commit_as("a", 3, 42).await.unwrap();
        rig.beat(leaving("b")).await.unwrap();
        let rig = rig.power_cut(seed);
        assert_eq!(rig.described(), Some((ConsumerGroupState::Assigning, 4, 3, 1)));
        rig.pass(Duration::from_secs(1)).await;
        assert_eq!(has(&rig.beat(beat(&rig, "a", 3, &[0, 1])).await.unwrap()), [0, 1, 2, 3]);
    }
}

#[tokio::test]
async fn a_change_that_finds_no_space_was_never_there() {
    let rig = Rig::stable_pair().await;
    let full = Rule { call: Call::Write, path_contains: "journal".to_owned(), after: 0, error: ErrorKind::StorageFull };
    rig.disk.add_rule(full);
    for _ in 0..3 {
        let refused = rig.beat(joining("c", &["orders"])).await;
        assert!(matches!(refused, Err(BeatError::Coordinator(CoordinatorError::NotAvailable(_)))), "{refused:?}");
        let refused = rig.beat(leaving("b")).await;
        assert!(matches!(refused, Err(BeatError::Coordinator(CoordinatorError::NotAvailable(_)))), "{refused:?}");
        assert_eq!(rig.described(), Some((ConsumerGroupState::Stable, 3, 3, 2)));
        assert_eq!(rig.beat(beat(&rig, "a", 3, &[0, 1])).await.unwrap().member_epoch, 3, "who changes nothing goes on");
    }
    // Both at once: what the second builds on is lost.
    let (one, two) = tokio::join!(rig.beat(joining("c", &["orders"])), rig.beat(joining("d", &["orders"])));
    assert!(one.is_err() && two.is_err());
    assert_eq!(rig.described(), Some((ConsumerGroupState::Stable, 3, 3, 2)));
    rig.disk.clear_rules();
    assert_eq!(rig.beat(joining("c", &["orders"])).await.unwrap().member_epoch, 4);
    let rig = rig.power_cut(0);
    assert_eq!(rig.described(), Some((ConsumerGroupState::Reconciling, 4, 4, 3)));
}

#[tokio::test]
async fn whatever_is_lost_of_many_changes_the_group_goes_on_from_what_was_kept() {
    for after in 0..6 {
        let rig = Rig::stable_pair().await;
        let error = ErrorKind::StorageFull;
        rig.disk.add_rule(Rule { call: Call::Write, path_contains: "journal".to_owned(), after, error });
        {
            let [c, d, e, f] = ["c", "d", "e", "f"].map(|id| rig.beat(joining(id, &["orders"])));
            let clear = async {
                for _ in 0..after {
                    tokio::task::yield_now().await;
                }
                rig.disk.clear_rules();
            };
            // Each may be kept or lost.
            let (c, d, e, f, ()) = tokio::join!(c, d, e, f, clear);
            drop((c, d, e, f));
        }
        let epoch = loop {
            match rig.beat(joining("z", &["orders"])).await {
                Ok(beaten) => break beaten.member_epoch,
                Err(BeatError::Coordinator(_)) => tokio::task::yield_now().await,
                Err(other) => panic!("{other}"),
            }
        };
        let before = rig.described();
        let rig = rig.power_cut(after);
        assert_eq!(rig.described(), before, "what is in memory is what was kept");
        assert_eq!(rig.beat(beat(&rig, "z", epoch, &[])).await.unwrap().member_epoch, epoch);
    }
}

#[tokio::test]
async fn groups_go_from_one_protocol_to_the_other_and_back_and_survive_power_cuts_on_the_way() {
    for seed in 0..3 {
        let rig = Rig::new();
        rig.create("orders", 4, &[]).await.unwrap();
        let grant = rig.grant::<op::Read, res::Group>("g");
        let joined = rig.broker.join_group(&grant, cooperative("", &[])).await.unwrap();
        let sync = levada_broker::group::Sync {
            member_id: joined.member_id.clone(),
            instance_id: None,
            generation: 1,
            protocol_type: None,
            protocol: None,
            assignments: vec![(joined.member_id.clone(), assignment(&[0, 1, 2, 3]))],
        };
        rig.broker.sync_group(&grant, sync).await.unwrap();
        let old = joined.member_id;

        assert_eq!(rig.beat(joining("new", &["orders"])).await.unwrap().member_epoch, 2);
        let rig = rig.power_cut(seed);
        assert_eq!(rig.described(), Some((ConsumerGroupState::Reconciling, 2, 2, 2)));
        let grant = rig.grant::<op::Read, res::Group>("g");
        assert!(rig.broker.describe_group(&rig.grant("g")).unwrap().is_none(), "it is no classic group");
        assert_eq!(rig.broker.heartbeat(&grant, &alive(&old, 1)), Err(HeartbeatError::RebalanceInProgress));
        let again = rig.broker.join_group(&grant, cooperative(&old, &[0, 1, 2, 3])).await.unwrap();
        assert_eq!(again.generation, 1, "it has to give up half first");
        let again = rig.broker.join_group(&grant, cooperative(&old, &[0, 1])).await.unwrap();
        assert_eq!(again.generation, 2);
        assert_eq!(has(&rig.beat(beat(&rig, "new", 2, &[])).await.unwrap()), [2, 3]);

        rig.beat(leaving("new")).await.unwrap();
        let rig = rig.power_cut(seed);
        assert_eq!(rig.described(), None);
        let described = rig.broker.describe_group(&rig.grant("g")).unwrap().unwrap();
        assert_eq!((described.state, described.members.len()), (GroupState::Stable, 1));
        assert_eq!(described.members[0].assignment, assignment(&[0, 1]));
        let listed = rig.broker.list_groups(&caller()).unwrap();
        assert_eq!((listed.len(), listed[0].group_type.name()), (1, "classic"));
    }
}

fn cooperative(member: &str, owned: &[PartitionIndex]) -> Join {
    let mut says = b"\0\x01\0\0\0\x01\0\x06orders\xff\xff\xff\xff".to_vec();
    says.extend(if owned.is_empty() { b"\0\0\0\0".to_vec() } else { b"\0\0\0\x01\0\x06orders".to_vec() });
    if !owned.is_empty() {
        says.extend(i32::try_from(owned.len()).unwrap().to_be_bytes());
        owned.iter().for_each(|partition| says.extend(partition.to_be_bytes()));
    }
    Join { protocols: vec![("cooperative-sticky".into(), says.into())], ..join(member) }
}

fn assignment(partitions: &[PartitionIndex]) -> bytes::Bytes {
    levada_broker::consumer_group::embedded::assignment(1, &[("orders".into(), partitions.to_vec())])
}

fn alive(member_id: &Str, generation: i32) -> Heartbeat {
    Heartbeat { member_id: member_id.clone(), instance_id: None, generation }
}

#[tokio::test]
async fn only_groups_without_members_are_deleted_and_stay_so() {
    let rig = Rig::stable_pair().await;
    rig.commit_as("a", 3, 1).await.unwrap();
    let refused = rig.broker.delete_group(&rig.grant("g")).await;
    assert!(matches!(refused, Err(DeleteGroupError::NonEmptyGroup)));
    let deletes = || vec![DeleteOffsets { topic: rig.grant("orders"), partitions: vec![0] }];
    let refused = rig.broker.delete_offsets(&rig.grant("g"), deletes()).await.unwrap();
    assert_eq!(refused, [[Err(DeleteOffsetError::Subscribed)]]);
    rig.beat(leaving("a")).await.unwrap();
    rig.beat(leaving("b")).await.unwrap();
    assert_eq!(rig.described(), Some((ConsumerGroupState::Empty, 5, 3, 0)));
    let listed = rig.broker.list_groups(&caller()).unwrap();
    assert_eq!((listed[0].group_type.name(), listed[0].state.name()), ("consumer", "Empty"));
    assert_eq!(listed[0].protocol_type, "consumer");
    rig.broker.delete_group(&rig.grant("g")).await.unwrap();
    assert_eq!((rig.described(), rig.committed_at()), (None, None));
    let rig = rig.power_cut(1);
    assert_eq!((rig.described(), rig.committed_at()), (None, None));
    assert!(rig.broker.list_groups(&caller()).unwrap().is_empty());
}

#[tokio::test]
async fn commits_of_strangers_and_of_the_past_are_refused() {
    let rig = Rig::stable_pair().await;
    let group = |outcome: Result<(), OffsetCommitError>| match outcome {
        Err(OffsetCommitError::Group(error)) => Some(error),
        Err(other) => panic!("{other}"),
        Ok(()) => None,
    };
    assert_eq!(group(rig.commit_as("a", 3, 1).await), None);
    assert_eq!(group(rig.commit_as("a", 2, 2).await), None, "it has had that partition since");
    let stale = HeartbeatError::StaleMemberEpoch { sent: 2, current: 3 };
    assert_eq!(group(rig.commit_as("b", 2, 3).await), Some(stale));
    assert_eq!(group(rig.commit_as("x", 3, 4).await), Some(HeartbeatError::UnknownMember("x".into())));
    assert_eq!(rig.committed_at(), Some(2));
    assert_eq!(rig.broker.check_offset_fetch(&rig.grant("g"), Some(&"a".into()), 3), Ok(()));
    let stale = HeartbeatError::StaleMemberEpoch { sent: 2, current: 3 };
    assert_eq!(rig.broker.check_offset_fetch(&rig.grant("g"), Some(&"a".into()), 2), Err(stale));
    let missing = rig.broker.commit_offsets(&rig.grant("none"), commit_in_epoch_1(&rig)).await;
    assert_eq!(missing, [[Err(OffsetCommitError::Group(HeartbeatError::UnknownGroup))]]);
}

fn commit_in_epoch_1(rig: &Rig) -> OffsetCommit {
    let position = CommitPartition { partition: 0, offset: 1, leader_epoch: None, metadata: "".into() };
    let topics = vec![CommitTopic { topic: rig.grant("orders"), partitions: vec![position] }];
    let committer = Committer { member_id: "a".into(), instance_id: None, generation: 1 };
    OffsetCommit { committer, rule: CommitRule::MemberEpochs, retention: None, topics }
}

#[tokio::test]
async fn silence_is_noticed_by_the_clock_and_topics_by_the_next_heartbeat() {
    let rig = Rig::stable_pair().await;
    rig.pass(Duration::from_secs(30)).await;
    rig.beat(beat(&rig, "a", 3, &[0, 1])).await.unwrap();
    rig.pass(Duration::from_secs(16)).await;
    assert_eq!(rig.described(), Some((ConsumerGroupState::Assigning, 4, 3, 1)));
    assert_eq!(has(&rig.beat(beat(&rig, "a", 3, &[0, 1])).await.unwrap()), [0, 1, 2, 3]);
    rig.broker.create_partitions(&rig.grant("orders"), 6, None, levada_broker::ValidateOnly::No).await.unwrap();
    let grown = rig.beat(beat(&rig, "a", 4, &[0, 1, 2, 3])).await.unwrap();
    assert_eq!((grown.member_epoch, has(&grown).len()), (5, 6));
    rig.broker.delete_topic(&rig.grant("orders")).await.unwrap();
    let gone = Beat { member_epoch: 5, ..leaving("a") };
    assert_eq!(rig.beat(gone).await.unwrap().assignment.map(|assignment| assignment.len()), Some(0));
}

#[tokio::test]
async fn positions_expire_only_where_nobody_reads() {
    let settings = [("offsets.retention.minutes", "1"), ("offsets.retention.check.interval.ms", "1000")];
    let rig = Rig::with(&settings);
    rig.create("orders", 4, &[]).await.unwrap();
    rig.beat(joining("a", &["orders"])).await.unwrap();
    rig.commit_as("a", 2, 5).await.unwrap();
    for _ in 0..10 {
        rig.pass(Duration::from_secs(10)).await;
        rig.beat(beat(&rig, "a", 2, &[0, 1, 2, 3])).await.unwrap();
    }
    assert_eq!(rig.committed_at(), Some(5));
    rig.beat(leaving("a")).await.unwrap();
    while rig.described().is_some() {
        rig.pass(Duration::from_secs(1)).await;
    }
    assert_eq!(rig.committed_at(), None, "the group goes with the last of its positions");
    assert!(rig.power_cut(0).described().is_none());
}

#[tokio::test]
async fn the_log_of_groups_stays_short_and_whole() {
    let rig = Rig::stable_pair().await;
    let kept = |rig: &Rig| -> i64 {
        let image = rig.store.image();
        let logs = &image.topic("__consumer_offsets").unwrap().logs;
        logs.iter().map(|log| log.tail().high_watermark - log.tail().log_start_offset).sum()
    };
    while kept(&rig) < 6_000 {
        rig.beat(joining("c", &["orders"])).await.unwrap();
        rig.beat(leaving("c")).await.unwrap();
    }
    let mut epoch = rig.beat(beat(&rig, "a", 3, &[0, 1])).await.unwrap().member_epoch;
    let mut told = rig.beat(beat(&rig, "b", 3, &[2, 3])).await.unwrap();
    while kept(&rig) > 200 {
        rig.pass(Duration::from_secs(1)).await;
        epoch = rig.beat(beat(&rig, "a", epoch, &[0, 1])).await.unwrap().member_epoch;
        told = rig.beat(beat(&rig, "b", told.member_epoch, &[2, 3])).await.unwrap();
    }
    let before = rig.described();
    for seed in 0..2 {
        let rig = rig.copy_after_power_cut(seed);
        assert_eq!(rig.described(), before);
        assert_eq!(rig.beat(beat(&rig, "a", epoch, &[0, 1])).await.unwrap().member_epoch, epoch);
    }
}

#[tokio::test]
async fn settings_of_a_group_hold_from_the_next_heartbeat_on_and_outlive_power_cuts() {
    let rig = Rig::new();
    rig.create("orders", 4, &[]).await.unwrap();
    let beaten = rig.beat(joining("a", &["orders"])).await.unwrap();
    assert_eq!((beaten.member_epoch, beaten.heartbeat_interval), (2, Duration::from_secs(5)));
    let set =
        |name: &str, value: &str| AlterConfigs::Incremental(vec![(name.into(), ConfigOp::Set, Some(value.into()))]);
    let interval = set("consumer.heartbeat.interval.ms", "7000");
    let group = rig.grant("g");
    rig.broker.alter_group_configs(&group, &interval, ValidateOnly::Yes).await.unwrap();
    assert_eq!(rig.broker.configured_groups(), [""; 0], "it was only looked at");
    rig.broker.alter_group_configs(&group, &interval, ValidateOnly::No).await.unwrap();
    rig.broker
        .alter_group_configs(&group, &set("consumer.session.timeout.ms", "60000"), ValidateOnly::No)
        .await
        .unwrap();
    let beaten = rig.beat(beat(&rig, "a", 2, &[0, 1, 2, 3])).await.unwrap();
    assert_eq!(beaten.heartbeat_interval, Duration::from_secs(7));
    rig.pass(Duration::from_secs(59)).await;
    assert_eq!(rig.described().unwrap().3, 1, "it may be silent for longer now");
    let rig = rig.power_cut(0);
    assert_eq!(rig.broker.configured_groups(), ["g"]);
    rig.pass(Duration::from_secs(59)).await;
    assert_eq!(rig.described().unwrap().3, 1);
    rig.pass(Duration::from_secs(1)).await;
    assert_eq!(rig.described().unwrap().3, 0);
    let group = rig.grant("g");
    for (name, value) in [("share.auto.offset.reset", "earliest"), ("no.such.setting", "1")] {
        let refused = rig.broker.alter_group_configs(&group, &set(name, value), ValidateOnly::No).await;
        assert!(matches!(refused, Err(AlterConfigsError::Config(_))), "{name}: {refused:?}");
    }
    rig.broker.alter_group_configs(&group, &AlterConfigs::Replace(Vec::new()), ValidateOnly::No).await.unwrap();
    assert_eq!(rig.broker.configured_groups(), [""; 0]);
}
