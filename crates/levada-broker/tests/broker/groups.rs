//! Groups and committed offsets.

use crate::rig::{Rig, caller, join, sync_alone};
use levada_broker::{
    auth::{op, res},
    consumer_group::CommitRule,
    coordinator::{
        CommitPartition, CommitTopic, CoordinatorError, DeleteGroupError, DeleteOffsetError, DeleteOffsets,
        FetchOffsets, OffsetCommit, OffsetCommitError,
    },
    group::{GroupState, Heartbeat, HeartbeatError, JoinError, Leave, SyncError, offsets::Committer},
};
use levada_log::disk::sim::{Call, Rule};
use levada_model::Str;
use std::{io::ErrorKind, time::Duration};

fn simple() -> Committer {
    Committer { member_id: Str::new(), instance_id: None, generation: -1 }
}

fn member(member_id: &Str, generation: i32) -> Committer {
    Committer { member_id: member_id.clone(), instance_id: None, generation }
}

impl Rig {
    async fn commit(
        &self,
        group: &str,
        committer: Committer,
        partition: i32,
        offset: i64,
    ) -> Result<(), OffsetCommitError> {
        let position = CommitPartition { partition, offset, leader_epoch: Some(1), metadata: "note".into() };
        let topics = vec![CommitTopic { topic: self.grant("orders"), partitions: vec![position] }];
        let commit = OffsetCommit { committer, rule: CommitRule::MemberEpochs, retention: None, topics };
        self.broker.commit_offsets(&self.grant(group), commit).await.pop().unwrap().pop().unwrap()
    }

    fn committed(&self, group: &str, partition: i32) -> Option<i64> {
        let wanted = [FetchOffsets { topic: self.grant("orders"), partitions: vec![partition] }];
        let found = self.broker.fetch_offsets(&self.grant(group), &wanted).unwrap();
        found[0][0].as_ref().map(|committed| committed.offset)
    }

    fn heartbeat(&self, group: &str, member_id: &Str, generation: i32) -> Result<(), HeartbeatError> {
        let heartbeat = Heartbeat { member_id: member_id.clone(), instance_id: None, generation };
        self.broker.heartbeat(&self.grant(group), &heartbeat)
    }
}

#[tokio::test]
async fn groups_and_offsets_outlive_power_cuts() {
    for seed in 0..3 {
        let rig = Rig::new();
        rig.create("orders", 2, &[]).await.unwrap();
        let (id, generation) = rig.lone_member("g").await;
        rig.commit("g", member(&id, generation), 0, 41).await.unwrap();
        rig.commit("g", member(&id, generation), 0, 42).await.unwrap();
        rig.commit("simple", simple(), 1, 7).await.unwrap();

        let rig = rig.power_cut(seed);
        assert_eq!(
            (rig.committed("g", 0), rig.committed("g", 1), rig.committed("simple", 1)),
            (Some(42), None, Some(7))
        );
        assert_eq!(rig.heartbeat("g", &id, generation), Ok(()), "the member need not join again");
        let described = rig.broker.describe_group(&rig.grant("g")).unwrap().unwrap();
        assert_eq!(
            (described.state, described.members[0].assignment.as_ref()),
            (GroupState::Stable, &b"all of it"[..])
        );
        let all = rig.broker.fetch_all_offsets(&rig.grant("g"), &caller()).unwrap();
        assert_eq!((all.len(), all[0].1.metadata.as_str(), all[0].1.leader_epoch), (1, "note", Some(1)));
    }
}

#[tokio::test]
async fn only_members_of_the_generation_commit() {
    let rig = Rig::new();
    rig.create("orders", 1, &[]).await.unwrap();
    let (id, generation) = rig.lone_member("g").await;
    let stranger = rig.commit("g", member(&"stranger".into(), generation), 0, 1).await;
    assert_eq!(stranger, Err(HeartbeatError::UnknownMember("stranger".into()).into()));
    let stale = rig.commit("g", member(&id, generation + 1), 0, 1).await;
    let expected = HeartbeatError::IllegalGeneration { sent: generation + 1, current: generation };
    assert_eq!(stale, Err(expected.into()));
    assert_eq!(rig.commit("g", simple(), 0, 1).await, Err(HeartbeatError::UnknownMember(Str::new()).into()));
    assert_eq!(rig.commit("g", member(&id, generation), 1, 1).await, Err(OffsetCommitError::UnknownTopicOrPartition));
    let nobody = rig.commit("none", member(&id, 1), 0, 1).await;
    assert_eq!(nobody, Err(HeartbeatError::UnknownGroup.into()));
    assert_eq!(rig.committed("g", 0), None);
}

#[tokio::test]
async fn a_silent_member_is_out_and_its_group_empties() {
    let rig = Rig::new();
    let (id, generation) = rig.lone_member("g").await;
    rig.pass(Duration::from_secs(9)).await;
    rig.heartbeat("g", &id, generation).unwrap();
    rig.pass(Duration::from_secs(9)).await;
    rig.heartbeat("g", &id, generation).unwrap();
    rig.pass(Duration::from_secs(11)).await;
    assert_eq!(rig.heartbeat("g", &id, generation), Err(HeartbeatError::UnknownMember(id)));
    let listed = rig.broker.list_groups(&caller()).unwrap();
    assert_eq!(listed[0].state.name(), "Empty");
}

#[tokio::test]
async fn two_members_meet_in_one_generation() {
    let rig = Rig::new();
    let (first, generation) = rig.lone_member("g").await;
    let grant = rig.grant::<op::Read, res::Group>("g");
    let second = rig.broker.join_group(&grant, join(""));
    let first_again = async {
        while rig.heartbeat("g", &first, generation) != Err(HeartbeatError::RebalanceInProgress) {
            tokio::task::yield_now().await;
        }
        rig.broker.join_group(&grant, join(&first)).await
    };
    let (second, first_again) = tokio::join!(second, first_again);
    let (second, first_again) = (second.unwrap(), first_again.unwrap());
    assert_eq!((second.generation, first_again.generation), (generation + 1, generation + 1));
    assert_eq!((second.members.len(), first_again.members.len()), (0, 2));
    assert_eq!(second.leader, first);
}

#[tokio::test]
async fn a_group_is_deleted_when_it_is_empty_and_stays_deleted() {
    let rig = Rig::new();
    rig.create("orders", 1, &[]).await.unwrap();
    let (id, generation) = rig.lone_member("g").await;
    rig.commit("g", member(&id, generation), 0, 5).await.unwrap();
    assert_eq!(rig.broker.delete_group(&rig.grant("g")).await, Err(DeleteGroupError::NonEmptyGroup));
    let leave = Leave { member_id: id.clone(), instance_id: None };
    assert_eq!(rig.broker.leave_group(&rig.grant("g"), &[leave]).unwrap(), [Ok(())]);
    assert_eq!(rig.broker.delete_group(&rig.grant("g")).await, Ok(()));
    assert_eq!(rig.broker.delete_group(&rig.grant("g")).await, Err(DeleteGroupError::UnknownGroup));
    let rig = rig.power_cut(1);
    assert_eq!((rig.committed("g", 0), rig.broker.list_groups(&caller()).unwrap().len()), (None, 0));
}

#[tokio::test]
async fn offsets_are_deleted_unless_they_are_in_use() {
    let rig = Rig::new();
    rig.create("orders", 1, &[]).await.unwrap();
    let (id, generation) = rig.lone_member("g").await;
    rig.commit("g", member(&id, generation), 0, 5).await.unwrap();
    rig.commit("simple", simple(), 0, 6).await.unwrap();
    let deletes = |rig: &Rig| vec![DeleteOffsets { topic: rig.grant("orders"), partitions: vec![0, 9] }];
    let missing = Err(DeleteOffsetError::UnknownTopicOrPartition);
    let outcome = rig.broker.delete_offsets(&rig.grant("g"), deletes(&rig)).await.unwrap();
    assert_eq!(outcome, [[Err(DeleteOffsetError::Subscribed), missing.clone()]]);
    let outcome = rig.broker.delete_offsets(&rig.grant("simple"), deletes(&rig)).await.unwrap();
    assert_eq!(outcome, [[Ok(()), missing]]);
    assert_eq!((rig.committed("g", 0), rig.committed("simple", 0)), (Some(5), None));
}

#[tokio::test]
async fn unused_offsets_expire() {
    let settings = [("offsets.retention.minutes", "1"), ("offsets.retention.check.interval.ms", "1000")];
    let rig = Rig::with(&settings);
    rig.create("orders", 1, &[]).await.unwrap();
    rig.commit("simple", simple(), 0, 6).await.unwrap();
    rig.pass(Duration::from_secs(50)).await;
    assert_eq!(rig.committed("simple", 0), Some(6));
    rig.pass(Duration::from_secs(20)).await;
    while !rig.broker.list_groups(&caller()).unwrap().is_empty() {
        rig.pass(Duration::from_secs(1)).await;
    }
    assert_eq!(rig.committed("simple", 0), None);
    let rig = rig.power_cut(0);
    assert_eq!(rig.committed("simple", 0), None);
}

#[tokio::test]
async fn offsets_of_a_deleted_topic_are_forgotten() {
    let rig = Rig::new();
    rig.create("orders", 1, &[]).await.unwrap();
    rig.commit("simple", simple(), 0, 6).await.unwrap();
    rig.broker.delete_topic(&rig.grant("orders")).await.unwrap();
    while rig.committed("simple", 0).is_some() {
        tokio::task::yield_now().await;
    }
    rig.create("orders", 1, &[]).await.unwrap();
    assert_eq!(rig.committed("simple", 0), None, "the new topic has nothing to do with the old one");
}

#[tokio::test]
async fn bad_group_ids_and_closed_brokers_are_told_so() {
    let rig = Rig::new();
    let nameless = rig.broker.join_group(&rig.grant(""), join("")).await;
    assert!(matches!(nameless, Err(JoinError::Coordinator(CoordinatorError::InvalidGroupId { .. }))));
    rig.broker.close();
    let closed = rig.broker.join_group(&rig.grant("g"), join("")).await;
    assert!(matches!(closed, Err(JoinError::Coordinator(CoordinatorError::NotAvailable(_)))));
}

fn journal_rule(call: Call, error: ErrorKind) -> Rule {
    Rule { call, path_contains: "journal".to_owned(), after: 0, error }
}

#[tokio::test]
async fn a_full_disk_refuses_commits_for_as_long_as_it_is_full() {
    let rig = Rig::new();
    rig.create("orders", 1, &[]).await.unwrap();
    rig.commit("g", simple(), 0, 1).await.unwrap();
    rig.disk.add_rule(journal_rule(Call::Write, ErrorKind::StorageFull));
    let refused = rig.commit("g", simple(), 0, 2).await;
    let Err(OffsetCommitError::Group(HeartbeatError::Coordinator(CoordinatorError::NotAvailable(_)))) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(rig.committed("g", 0), Some(1), "what is not durable is not seen");
    let joined = rig.broker.join_group(&rig.grant("members"), join("")).await.unwrap();
    let sync = sync_alone(&joined.member_id, joined.generation);
    let refused = rig.broker.sync_group(&rig.grant("members"), sync).await;
    assert!(matches!(refused, Err(SyncError::Coordinator(CoordinatorError::NotAvailable(_)))), "{refused:?}");
    rig.disk.clear_rules();
    rig.commit("g", simple(), 0, 3).await.unwrap();
    let (id, generation) = rig.lone_member("others").await;
    assert_eq!(rig.heartbeat("others", &id, generation), Ok(()));
    let rig = rig.power_cut(0);
    assert_eq!(rig.committed("g", 0), Some(3));
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged_and_what_was_is_there() {
    let rig = Rig::new();
    rig.create("orders", 1, &[]).await.unwrap();
    rig.commit("g", simple(), 0, 1).await.unwrap();
    rig.disk.add_rule(journal_rule(Call::Sync, ErrorKind::Other));
    assert!(rig.commit("g", simple(), 0, 2).await.is_err());
    rig.disk.clear_rules();
    assert!(rig.commit("g", simple(), 0, 3).await.is_err(), "a later sync may lie");
    assert!(!rig.broker.health().writable);
    assert_eq!(rig.committed("g", 0), Some(1));
    for seed in 0..3 {
        let rig = Rig::new();
        rig.create("orders", 1, &[]).await.unwrap();
        rig.commit("g", simple(), 0, 1).await.unwrap();
        rig.disk.add_rule(journal_rule(Call::Sync, ErrorKind::Other));
        assert!(rig.commit("g", simple(), 0, 2).await.is_err());
        let rig = rig.power_cut(seed);
        assert!(matches!(rig.committed("g", 0), Some(1 | 2)), "not acknowledged: either is right");
        rig.commit("g", simple(), 0, 4).await.unwrap();
    }
}

#[tokio::test]
async fn whoever_waits_is_answered_when_the_broker_closes() {
    let rig = Rig::new();
    let (_, _) = rig.lone_member("g").await;
    let grant = rig.grant::<op::Read, res::Group>("g");
    let (waited, ()) = tokio::join!(rig.broker.join_group(&grant, join("")), async { rig.broker.close() });
    assert!(matches!(waited, Err(JoinError::Coordinator(CoordinatorError::NotAvailable(_)))));
}

#[tokio::test]
async fn a_deleted_topics_offsets_do_not_come_back_after_a_crash() {
    for seed in 0..4 {
        let rig = Rig::new();
        rig.create("orders", 1, &[]).await.unwrap();
        rig.commit("g", simple(), 0, 9).await.unwrap();
        rig.broker.delete_topic(&rig.grant("orders")).await.unwrap();
        let rig = rig.power_cut(seed);
        rig.create("orders", 1, &[]).await.unwrap();
        assert_eq!(rig.committed("g", 0), None);
    }
}

#[tokio::test]
async fn the_log_of_groups_stays_short() {
    let rig = Rig::new();
    rig.create("orders", 100, &[]).await.unwrap();
    let (id, generation) = rig.lone_member("g").await;
    for round in 0..80 {
        let position =
            |partition| CommitPartition { partition, offset: round, leader_epoch: None, metadata: "".into() };
        let partitions = (0..100).map(position).collect();
        let topics = vec![CommitTopic { topic: rig.grant("orders"), partitions }];
        let (committer, rule) = (member(&id, generation), CommitRule::MemberEpochs);
        let commit = OffsetCommit { committer, rule, retention: None, topics };
        assert!(rig.broker.commit_offsets(&rig.grant("g"), commit).await[0].iter().all(Result::is_ok));
    }
    let kept = |rig: &Rig| -> i64 {
        let image = rig.store.image();
        let logs = &image.topic("__consumer_offsets").unwrap().logs;
        logs.iter().map(|log| log.tail().high_watermark - log.tail().log_start_offset).sum()
    };
    assert!(kept(&rig) > 8_000);
    while kept(&rig) > 200 {
        rig.pass(Duration::from_secs(1)).await;
        rig.heartbeat("g", &id, generation).unwrap();
    }
    assert_eq!(kept(&rig), 101, "the group and its positions");
    rig.commit("g", member(&id, generation), 0, 1_000).await.unwrap();
    for seed in 0..2 {
        let rig = rig.copy_after_power_cut(seed);
        assert_eq!((rig.committed("g", 0), rig.committed("g", 99)), (Some(1_000), Some(79)));
        assert_eq!(rig.heartbeat("g", &id, generation), Ok(()));
    }
}

#[tokio::test]
async fn groups_are_read_back_from_a_log_that_compaction_left_gaps_in() {
    let rig = Rig::with(&[("log.roll.ms", "5000"), ("offsets.topic.num.partitions", "1")]);
    rig.create("orders", 4, &[]).await.unwrap();
    let (id, generation) = rig.lone_member("g").await;
    rig.commit("gone", simple(), 0, 1).await.unwrap();
    rig.broker.delete_group(&rig.grant("gone")).await.unwrap();
    for round in 0..60 {
        rig.commit("g", member(&id, generation), round % 4, i64::from(round)).await.unwrap();
        rig.commit("simple", simple(), 1, i64::from(round)).await.unwrap();
        if round % 10 == 9 {
            // What is in memory goes to its segment, whose age counts from then.
            rig.store.checkpoint().await.unwrap();
            rig.pass(Duration::from_secs(6)).await;
            rig.heartbeat("g", &id, generation).unwrap();
        }
    }
    for _ in 0..2 {
        rig.store.compact().await.unwrap();
        rig.store.checkpoint().await.unwrap();
    }
    assert!(rig.store.stats().compaction_records_dropped > 80, "{:?}", rig.store.stats());
    for seed in 0..4 {
        let rig = rig.copy_after_power_cut(seed);
        let found: Vec<_> = (0..4).map(|partition| rig.committed("g", partition)).collect();
        assert_eq!(found, [Some(56), Some(57), Some(58), Some(59)]);
        assert_eq!((rig.committed("simple", 1), rig.committed("gone", 0)), (Some(59), None));
        assert_eq!(rig.heartbeat("g", &id, generation), Ok(()));
    }
}
