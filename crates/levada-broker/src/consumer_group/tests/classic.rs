//! Members of the classic protocol beside those of the new one, and groups on their way between the two.

use super::rig::*;
use crate::{
    any_group::AnyGroup,
    consumer_group::{Beat, BeatError, ConsumerGroupState, Migration, embedded, messages::LEAVE_EPOCH},
    group::{Effect, GroupState, HeartbeatError, Join, JoinError, LeaveError, SyncError},
};
use std::time::Duration;

/// A classic group of one, which has all of `foo`.
fn classic_group() -> Story {
    let mut story = Story::new();
    let joined = story.classic_join(&classic_joining("", "old", subscription(&["foo"], &[]))).unwrap().unwrap();
    let assignment = embedded::assignment(1, &[(str("foo"), vec![0, 1, 2, 3, 4, 5])]);
    let sync = crate::group::Sync {
        member_id: joined.member_id,
        instance_id: None,
        generation: 1,
        protocol_type: None,
        protocol: None,
        assignments: vec![(str("old"), assignment)],
    };
    story.call(|group, sight, request| group.sync(sight, request, &sync));
    story
}

fn assigned(bytes: bytes::Bytes) -> Vec<i32> {
    let assigned = embedded::read_assignment(bytes).unwrap();
    assigned.partitions.into_iter().flat_map(|(_, partitions)| partitions).collect()
}

#[test]
fn a_member_of_the_new_protocol_upgrades_a_classic_group() {
    let mut story = classic_group();
    let (epoch, has) = story.join("new", &["foo"]);
    assert_eq!((epoch, has.len(), story.epochs()), (2, 0, (2, 2)));
    assert_eq!(story.kept.classic, None, "its classic record is deleted with the same write");

    // The old member keeps what it has until it hears of it, gives half up, and the new one takes that.
    assert_eq!(story.classic_beat("old", 1), Err(HeartbeatError::RebalanceInProgress));
    assert_eq!(story.classic_sync("old", 1), Err(SyncError::RebalanceInProgress));
    let owned: &[(&str, &[i32])] = &[("foo", &[0, 1, 2, 3, 4, 5])];
    let joined = story.classic_join(&classic_joining("old", "", subscription(&["foo"], owned))).unwrap().unwrap();
    assert_eq!((joined.generation, joined.protocol.unwrap().as_str()), (1, "cooperative-sticky"));
    assert_eq!(assigned(story.classic_sync("old", 1).unwrap().assignment), [0, 1, 2]);
    assert_eq!(
        story.classic_beat("old", 1),
        Err(HeartbeatError::RebalanceInProgress),
        "it is to give up and come back"
    );
    let owned: &[(&str, &[i32])] = &[("foo", &[0, 1, 2])];
    let joined = story.classic_join(&classic_joining("old", "", subscription(&["foo"], owned))).unwrap().unwrap();
    assert_eq!(joined.generation, 2);
    assert_eq!(assigned(story.classic_sync("old", 2).unwrap().assignment), [0, 1, 2]);
    assert_eq!(story.classic_beat("old", 2), Ok(()));
    assert_eq!(story.beat("new", 2, &[]).unwrap().1.unwrap(), ["foo-3", "foo-4", "foo-5"]);
    assert_eq!(story.state(), ConsumerGroupState::Stable);
    story.restart();
    assert_eq!(story.classic_beat("old", 2), Ok(()), "nobody notices a restart");
    assert_eq!(story.classic_beat("old", 1), Err(HeartbeatError::IllegalGeneration { sent: 1, current: 2 }));
    assert_eq!(story.classic_beat("new", 2), Err(HeartbeatError::UnknownMember(str("new"))));
}

#[test]
fn the_last_member_of_the_new_protocol_downgrades_the_group_when_it_leaves() {
    let mut story = classic_group();
    story.join("new", &["foo"]);
    story.leave("new", LEAVE_EPOCH).unwrap();
    let AnyGroup::Classic(group) = &story.group else { panic!("it is classic again") };
    assert_eq!((group.state(), group.generation()), (GroupState::PreparingRebalance, 3));
    let kept = story.kept.classic.as_ref().unwrap();
    assert_eq!((kept.generation, kept.members.len(), story.kept.group), (3, 1, None), "all with one write");
    assert_eq!(assigned(kept.members[0].assignment.clone()).len(), 6);
    assert_eq!(story.classic_beat("old", 3), Err(HeartbeatError::RebalanceInProgress));
    let joined = story.classic_join(&classic_joining("old", "", subscription(&["foo"], &[]))).unwrap().unwrap();
    assert_eq!((joined.generation, joined.leader.as_str()), (4, "old"), "members assign again");
}

#[test]
fn a_session_that_ends_downgrades_as_well() {
    let mut story = classic_group();
    story.join("new", &["foo"]);
    for _ in 0..9 {
        story.pass(Duration::from_secs(5));
        let joined = story.classic_join(&classic_joining("old", "", subscription(&["foo"], &[])));
        if let Some(Ok(joined)) = joined {
            story.classic_sync("old", joined.generation).ok();
        }
    }
    assert!(matches!(story.group, AnyGroup::Classic(_)), "the new one was silent for 45 seconds");
}

#[test]
fn a_policy_may_forbid_either_way() {
    let mut story = classic_group();
    story.limits.consumer.migration = Migration { upgrade: false, downgrade: false };
    let told = "Cannot upgrade classic group g to consumer group because online upgrade is disabled.";
    assert_eq!(story.send(&joining("new", &["foo"])), Err(BeatError::UnknownGroup(told.into())));
    assert!(matches!(story.group, AnyGroup::Classic(_)));
    story.limits.consumer.migration.upgrade = true;
    story.join("new", &["foo"]);
    story.leave("new", LEAVE_EPOCH).unwrap();
    assert_eq!(story.consumer().image().members.len(), 1, "it stays of the new protocol");
}

#[test]
fn groups_that_cannot_be_understood_are_not_upgraded() {
    let mut story = Story::new();
    let connect = Join { protocol_type: str("connect"), ..classic_joining("", "w", bytes::Bytes::new()) };
    story.classic_join(&connect);
    let refused = story.send(&joining("new", &["foo"])).unwrap_err().to_string();
    assert!(refused.contains("does not use the consumer embedded protocol"), "{refused}");
    let mut story = Story::new();
    story.classic_join(&classic_joining("", "w", bytes::Bytes::from_static(b"gibberish")));
    let refused = story.send(&joining("new", &["foo"])).unwrap_err().to_string();
    assert!(refused.contains("malformed"), "{refused}");
    assert!(matches!(story.group, AnyGroup::Classic(_)));
}

#[test]
fn who_waits_in_a_classic_rebalance_is_told_to_join_again_by_an_upgrade() {
    let mut story = classic_group();
    let waiting = story.call(|group, sight, request| {
        group.join(sight, request, &classic_joining("", "late", subscription(&["foo"], &[])))
    });
    assert_eq!(story.joined(waiting), None, "it waits for the other");
    story.join("new", &["foo"]);
    assert_eq!(story.joined(waiting), Some(Err(JoinError::RebalanceInProgress)));
    assert_eq!(story.consumer().image().members.len(), 3);
}

#[test]
fn an_empty_group_takes_the_protocol_of_whoever_comes() {
    let mut story = Story::new();
    story.join("new", &["foo"]);
    story.leave("new", LEAVE_EPOCH).unwrap();
    story.classic_join(&classic_joining("", "old", subscription(&["foo"], &[]))).unwrap().unwrap();
    assert!(matches!(story.group, AnyGroup::Classic(_)));
    assert_eq!(story.kept.group, None);
    story.classic_sync("old", 1).unwrap();
    story.classic_leave("old", None).unwrap();
    assert!(story.kept.classic.is_some());
    story.join("new", &["foo"]);
    assert_eq!((story.kept.classic.clone(), story.epochs()), (None, (2, 2)));
}

#[test]
fn a_classic_member_joins_a_group_of_the_new_protocol() {
    let mut story = Story::new();
    story.join("new", &["foo"]);
    let says = subscription(&["foo"], &[]);
    let step = Join {
        member_id_round_trip: crate::group::messages::RoundTrip::Required,
        ..classic_joining("", "given", says.clone())
    };
    assert_eq!(story.classic_join(&step), Some(Err(JoinError::MemberIdRequired { member_id: str("given") })));
    let joined = story.classic_join(&classic_joining("given", "", says.clone())).unwrap().unwrap();
    assert_eq!((joined.generation, story.epochs()), (3, (3, 3)));
    assert_eq!(assigned(story.classic_sync("given", 3).unwrap().assignment), [0; 0]);
    assert_eq!(story.classic_beat("given", 3), Ok(()), "what it waits for is not free");
    let all = ["foo-0", "foo-1", "foo-2", "foo-3", "foo-4", "foo-5"];
    story.beat("new", 2, &all).unwrap();
    story.beat("new", 2, &all[..3]).unwrap();
    assert_eq!(story.classic_beat("given", 3), Err(HeartbeatError::RebalanceInProgress), "now it is");
    story.classic_join(&classic_joining("given", "", says.clone())).unwrap().unwrap();
    assert_eq!(assigned(story.classic_sync("given", 3).unwrap().assignment), [3, 4, 5]);
    let late = classic_joining("put-out", "", subscription(&["foo"], &[("foo", &[0])]));
    assert_eq!(story.classic_join(&late), Some(Err(JoinError::UnknownMember(str("put-out")))));
    let other = Join { protocols: vec![(str("else"), says)], ..classic_joining("third", "", bytes::Bytes::new()) };
    assert_eq!(story.classic_join(&other), Some(Err(JoinError::InconsistentProtocol)));
    let malformed = classic_joining("third", "", bytes::Bytes::from_static(b"\0"));
    assert_eq!(story.classic_join(&malformed), Some(Err(JoinError::InconsistentProtocol)));
    assert_eq!(story.classic_leave("new", None), Err(LeaveError::UnknownMember(str("new"))), "not by LeaveGroup");
    assert_eq!(story.classic_leave("given", None), Ok(()));
    assert_eq!(story.beat("new", 3, &all[..3]).unwrap().1.unwrap().len(), 6);
}

#[test]
fn a_classic_member_that_does_not_come_back_in_time_is_put_out() {
    let mut story = Story::new();
    story.join("new", &["foo"]);
    let says = subscription(&["foo"], &[]);
    story.classic_join(&classic_joining("never-syncs", "", says.clone())).unwrap().unwrap();
    for _ in 0..6 {
        story.pass(Duration::from_secs(5));
        story.classic_beat("never-syncs", 2).ok();
        story.beat("new", 1, &[]).ok();
    }
    assert!(!story.consumer().image().members.contains_key("never-syncs"));
    let joined = story.classic_join(&classic_joining("never-joins", "", says)).unwrap().unwrap();
    story.classic_sync("never-joins", joined.generation).unwrap();
    story.join("third", &["foo"]);
    for _ in 0..6 {
        assert_eq!(story.classic_beat("never-joins", joined.generation), Err(HeartbeatError::RebalanceInProgress));
        story.pass(Duration::from_secs(5));
        story.send(&Beat { ..joining("third", &["foo"]) }).unwrap();
    }
    assert!(!story.consumer().image().members.contains_key("never-joins"));
}

#[test]
fn a_static_member_changes_its_protocol_back_and_forth() {
    let mut story = Story::new();
    let says = subscription(&["foo"], &[]);
    let old = Join { instance_id: Some(str("i")), ..classic_joining("", "old", says.clone()) };
    story.classic_join(&old).unwrap().unwrap();
    // Its successor speaks the new protocol, and needs no leave before.
    let taken = story.send(&static_joining("new", "i", &["foo"])).unwrap();
    assert_eq!((taken.assignment.unwrap().len(), story.consumer().image().members.len()), (6, 1));
    story.join("other", &["foo"]);
    story.classic_leave("", Some("i")).unwrap();
    assert_eq!(story.consumer().image().members.len(), 1, "an administrator takes it out by its name");
    story.leave("other", LEAVE_EPOCH).unwrap();
    story.send(&static_joining("new", "i", &["foo"])).unwrap();
    let back = Join { instance_id: Some(str("i")), ..classic_joining("", "back", says) };
    let joined = story.classic_join(&back).unwrap().unwrap();
    let AnyGroup::Classic(group) = &story.group else { panic!("the last of the new protocol is gone") };
    assert_eq!((joined.member_id.as_str(), group.member_ids().count()), ("back", 1));
    assert!(story.answers.iter().filter(|effect| matches!(effect, Effect::Joined { .. })).count() == 1);
}
