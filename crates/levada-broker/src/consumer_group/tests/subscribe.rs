//! What members subscribe to, topics that come, grow and go, and positions.

use super::rig::*;
use crate::{
    consumer_group::{Beat, BeatError, CommitRule, messages::LEAVE_EPOCH},
    group::{
        HeartbeatError,
        offsets::{Committer, OffsetDeleteError, TopicPartition},
    },
};
use levada_model::{Str, TopicName};
use std::time::Duration;

fn matching(member: &str, pattern: &str) -> Beat {
    Beat { topics: None, pattern: Some(str(pattern)), ..joining(member, &[]) }
}

#[test]
fn a_topic_that_grows_is_assigned_anew() {
    let mut story = Story::new();
    story.join("a", &["bar"]);
    story.topics.put("bar", 2, 5);
    let (epoch, has) = story.beat("a", 2, &["bar-0", "bar-1", "bar-2"]).unwrap();
    assert_eq!((epoch, has.unwrap().len()), (3, 5));
    story.topics.put("other", 9, 1);
    assert_eq!(story.beat("a", 3, &[]), Ok((3, None)), "others are of no concern");
    assert!(story.records.is_empty());
}

#[test]
fn a_topic_that_comes_later_is_assigned_when_it_is_there() {
    let mut story = Story::new();
    assert_eq!(story.join("a", &["later"]), (2, Vec::new()));
    story.topics.put("later", 7, 2);
    assert_eq!(story.beat("a", 2, &[]), Ok((3, Some(vec!["later-0".into(), "later-1".into()]))));
}

#[test]
fn a_topic_that_goes_is_given_up_and_its_successor_is_another() {
    let mut story = Story::new();
    story.join("a", &["foo", "bar"]);
    let gone = story.parse(&["foo-0", "foo-1"]);
    story.topics.remove("foo");
    let (epoch, has) = story.beat("a", 2, &["bar-0", "bar-1", "bar-2"]).unwrap();
    assert_eq!((epoch, has.unwrap().len()), (3, 3));
    story.topics.put("foo", 8, 1);
    let stale = Beat { member_epoch: 3, owned: Some(gone), ..quiet("a") };
    let beaten = story.send(&stale).unwrap();
    assert_eq!((beaten.member_epoch, beaten.assignment.unwrap().len()), (4, 4));
}

#[test]
fn a_regular_expression_reads_what_it_matches() {
    let mut story = Story::new();
    let beaten = story.send(&matching("a", "ba.")).unwrap();
    assert_eq!(story.shown(&beaten.assignment.unwrap()), ["bar-0", "bar-1", "bar-2"]);
    assert_eq!(story.epochs(), (2, 2));
    story.topics.put("baz", 3, 1);
    assert_eq!(story.beat("a", 2, &[]), Ok((2, None)), "topics are matched once a second");
    story.pass(Duration::from_secs(1));
    assert_eq!(story.beat("a", 2, &[]).unwrap().1.unwrap().len(), 4);
    story.send(&matching("b", "ba.")).unwrap();
    story.leave("a", LEAVE_EPOCH).unwrap();
    assert_eq!(story.consumer().image().resolved.len(), 1, "another member needs it");
    let wider = Beat { member_epoch: 4, pattern: Some(str(".*")), ..quiet("b") };
    story.send(&wider).unwrap();
    let known: Vec<&Str> = story.consumer().image().resolved.keys().collect();
    assert_eq!(known, [".*"]);
    story.leave("b", LEAVE_EPOCH).unwrap();
    assert!(story.consumer().image().resolved.is_empty());
}

#[test]
fn names_and_a_regular_expression_add_up() {
    let mut story = Story::new();
    let both = Beat { pattern: Some(str("ba.")), ..joining("a", &["foo"]) };
    assert_eq!(story.send(&both).unwrap().assignment.unwrap().len(), 9);
    let names_only = Beat { member_epoch: 2, pattern: Some(str("")), ..quiet("a") };
    story.send(&names_only).unwrap();
    let all = ["foo-0", "foo-1", "foo-2", "foo-3", "foo-4", "foo-5"];
    assert_eq!(story.beat("a", 2, &all), Ok((3, None)));
}

#[test]
fn a_malformed_expression_changes_nothing() {
    let mut story = Story::new();
    let error = story.send(&matching("a", "(")).unwrap_err();
    assert!(matches!(error, BeatError::InvalidPattern { .. }), "{error}");
    assert!(story.records.is_empty());
    story.join("a", &["foo"]);
    let worse = Beat { member_epoch: 2, pattern: Some(str("[")), ..quiet("a") };
    assert!(matches!(story.send(&worse), Err(BeatError::InvalidPattern { .. })));
    assert!(story.records.is_empty());
    assert_eq!(story.beat("a", 2, &[]), Ok((2, None)));
}

#[test]
fn most_members_decide_who_assigns() {
    let mut story = Story::new();
    let wants = |member: &str, assignor: &str| Beat { assignor: Some(str(assignor)), ..joining(member, &["foo"]) };
    story.send(&wants("a", "range")).unwrap();
    let assignor = |story: &Story| story.consumer().describe(&story.limits.consumer.assignors, &story.topics).assignor;
    assert_eq!(assignor(&story), "range");
    story.send(&wants("b", "uniform")).unwrap();
    assert_eq!(assignor(&story), "uniform", "among equals the one configured first");
    story.send(&wants("c", "range")).unwrap();
    assert_eq!(assignor(&story), "range");
}

fn partition(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition { topic: TopicName::new(topic).unwrap(), partition }
}

impl Story {
    fn commit(
        &mut self,
        member: &str,
        epoch: i32,
        rule: CommitRule,
        at: &[TopicPartition],
    ) -> Result<(), HeartbeatError> {
        let committer = Committer { member_id: str(member), instance_id: None, generation: epoch };
        self.consumer().check_commit(&committer, rule, at.iter(), &self.topics)
    }
}

#[test]
fn members_commit_in_their_epoch_or_what_they_had_in_an_earlier_one() {
    use CommitRule::{Generations, MemberEpochs, Transaction};
    let mut story = Story::new();
    let all = ["foo-0", "foo-1", "foo-2", "foo-3", "foo-4", "foo-5"];
    story.join("a", &["foo"]);
    story.join("b", &["foo"]);
    story.beat("a", 2, &all).unwrap();
    let (kept, given_up) = ([partition("foo", 0)], [partition("foo", 5)]);
    assert_eq!(story.commit("a", 2, MemberEpochs, &given_up), Ok(()), "it is still giving it up");
    story.beat("a", 2, &all[..3]).unwrap();
    assert_eq!(story.commit("a", 3, MemberEpochs, &kept), Ok(()));
    assert_eq!(story.commit("a", 2, MemberEpochs, &kept), Ok(()), "it has had it since");
    let stale = Err(HeartbeatError::StaleMemberEpoch { sent: 2, current: 3 });
    assert_eq!(story.commit("a", 2, MemberEpochs, &given_up), stale);
    assert_eq!(story.commit("a", 2, MemberEpochs, &[partition("gone", 0)]), stale);
    let ahead = Err(HeartbeatError::StaleMemberEpoch { sent: 4, current: 3 });
    assert_eq!(story.commit("a", 4, MemberEpochs, &kept), ahead);
    let unknown = |id: &str| Err(HeartbeatError::UnknownMember(str(id)));
    assert_eq!(story.commit("c", 3, MemberEpochs, &kept), unknown("c"));
    assert_eq!(story.commit("", -1, MemberEpochs, &kept), unknown(""));
    assert_eq!(story.commit("", -1, Transaction, &kept), Ok(()), "a producer that names no member");
    assert_eq!(story.commit("a", 2, Transaction, &given_up), stale);
    assert_eq!(story.commit("a", 3, Generations, &kept), Err(HeartbeatError::UnsupportedCommit));
    story.leave("a", LEAVE_EPOCH).unwrap();
    story.leave("b", LEAVE_EPOCH).unwrap();
    assert_eq!(story.commit("", -1, MemberEpochs, &kept), Ok(()), "administrators commit for an empty group");
    assert_eq!(story.commit("a", 3, MemberEpochs, &kept), unknown("a"));
}

#[test]
fn members_fetch_in_their_epoch_and_who_is_none_at_any_time() {
    let mut story = Story::new();
    story.join("a", &["foo"]);
    let check = |member: Option<&str>, epoch| story.consumer().check_fetch(member.map(str).as_ref(), epoch);
    assert_eq!(check(None, -1), Ok(()));
    assert_eq!(check(Some("a"), 2), Ok(()));
    assert_eq!(check(Some("a"), 3), Err(HeartbeatError::StaleMemberEpoch { sent: 3, current: 2 }));
    assert_eq!(check(Some("b"), 2), Err(HeartbeatError::UnknownMember(str("b"))));
}

#[test]
fn positions_in_use_are_not_deleted() {
    let mut story = Story::new();
    story.send(&Beat { pattern: Some(str("ba.")), ..joining("a", &["foo"]) }).unwrap();
    for (topic, answer) in [("foo", Err(OffsetDeleteError::Subscribed)), ("bar", Err(OffsetDeleteError::Subscribed))] {
        assert_eq!(story.consumer().check_offset_delete(topic), answer);
    }
    assert_eq!(story.consumer().check_offset_delete("else"), Ok(()));
}
