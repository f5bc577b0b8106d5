//! Joining, leaving, fencing, static members, sessions.

use super::rig::*;
use crate::{
    any_group::AnyGroup,
    consumer_group::{Beat, BeatError, ConsumerGroupState, MemberIdRule, messages::*},
};
use std::time::Duration;

fn invalid(beat: &Beat) -> Option<&'static str> {
    let limits = crate::consumer_group::ConsumerLimits::default();
    match beat.check(&str("g"), &limits.assignors) {
        Err(BeatError::Invalid(reason)) => Some(reason),
        Err(other) => panic!("{other}"),
        Ok(()) => None,
    }
}

#[test]
fn what_is_not_sound_is_refused_in_kafkas_words() {
    let good = joining("a", &["foo"]);
    assert_eq!(invalid(&good), None);
    let cases = [
        (Beat { member_id: str(" "), ..good.clone() }, "MemberId can't be empty."),
        (Beat { instance_id: Some(str("")), ..good.clone() }, "InstanceId can't be empty."),
        (Beat { rack_id: Some(str("")), ..good.clone() }, "RackId can't be empty."),
        (Beat { rebalance_timeout: None, ..good.clone() }, "RebalanceTimeoutMs must be provided in first request."),
        (Beat { owned: None, ..good.clone() }, "TopicPartitions must be empty when (re-)joining."),
        (
            Beat { topics: None, ..good.clone() },
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
        ),
        (Beat { member_epoch: LEAVE_STATIC_EPOCH, ..good.clone() }, "InstanceId can't be null."),
        (Beat { member_epoch: -3, ..good.clone() }, "MemberEpoch is invalid."),
        (Beat { member_epoch: i32::MIN, ..good.clone() }, "MemberEpoch is invalid."),
        (Beat { member_id: str(&"x".repeat(5_000)), ..good.clone() }, "A name is longer than 4096 bytes."),
        (
            Beat { topics: Some(vec![str(&"x".repeat(200)); 6_000]), ..good.clone() },
            "SubscribedTopicNames are longer than a mebibyte.",
        ),
        (
            Beat { member_epoch: 1, owned: Some(vec![(levada_model::Uuid::ZERO, vec![0; 200_000])]), ..good.clone() },
            "TopicPartitions are more than 100000.",
        ),
    ];
    for (beat, reason) in cases {
        assert_eq!(invalid(&beat), Some(reason));
    }
    let given = Beat { member_id: str(""), member_id_rule: MemberIdRule::MayBeGiven, ..good.clone() };
    assert_eq!(invalid(&given), None, "before v1 the broker gives ids");
    assert_eq!(invalid(&Beat { member_epoch: 3, ..given.clone() }), Some("MemberId can't be empty."));
    let names = crate::consumer_group::ConsumerLimits::default().assignors;
    let other = Beat { assignor: Some(str("sticky")), ..good }.check(&str("g"), &names).unwrap_err();
    let told = "ServerAssignor sticky is not supported. Supported assignors: uniform, range.";
    assert_eq!(other.to_string(), told);
}

#[test]
fn the_first_member_has_everything_in_epoch_two() {
    let mut story = Story::new();
    assert!(matches!(story.beat("a", 2, &[]), Err(BeatError::UnknownGroup(_))));
    assert!(matches!(story.leave("a", LEAVE_EPOCH), Err(BeatError::UnknownGroup(_))));
    assert!(matches!(story.group, AnyGroup::Classic(_)), "who is refused changes nothing");
    let (epoch, has) = story.join("a", &["bar"]);
    assert_eq!((epoch, has), (2, vec!["bar-0".into(), "bar-1".into(), "bar-2".into()]));
    assert_eq!((story.epochs(), story.state()), ((2, 2), ConsumerGroupState::Stable));
    assert_eq!(story.beat("a", 2, &["bar-0", "bar-1", "bar-2"]), Ok((2, None)), "nothing is new");
    assert!(story.records.is_empty(), "and nothing is to be kept");
    let full = Beat { member_epoch: 2, owned: Some(Vec::new()), ..joining("a", &["bar"]) };
    assert!(story.send(&full).unwrap().assignment.is_some(), "who says everything is told everything");
    let again = story.join("a", &["bar"]);
    assert_eq!((again.0, again.1.len(), story.epochs()), (2, 3, (2, 2)), "joining again changes nothing");
}

#[test]
fn the_broker_gives_an_id_to_who_may_have_none() {
    let mut story = Story::new();
    let beat = Beat { member_id_rule: MemberIdRule::MayBeGiven, ..joining("", &["foo"]) };
    assert_eq!(story.send(&beat).unwrap().member_id, "fresh");
}

#[test]
fn only_the_present_epoch_counts_or_the_one_before_if_its_answer_was_lost() {
    let mut story = Story::new();
    story.join("a", &["foo"]);
    story.join("b", &["foo"]);
    let all = ["foo-0", "foo-1", "foo-2", "foo-3", "foo-4", "foo-5"];
    assert_eq!(story.beat("a", 2, &all).unwrap().1.unwrap().len(), 3);
    assert_eq!(story.beat("a", 2, &["foo-0", "foo-1", "foo-2"]), Ok((3, None)));
    assert_eq!(story.beat("a", 4, &[]), Err(BeatError::FencedEpoch { sent: 4, current: 3 }));
    assert_eq!(story.beat("a", 2, &["foo-0"]), Ok((3, None)), "the answer with the new epoch was lost");
    assert_eq!(story.beat("a", 2, &["foo-5"]), Err(BeatError::FencedEpoch { sent: 2, current: 3 }));
    let silent = Beat { member_epoch: 2, ..quiet("a") };
    assert_eq!(story.send(&silent), Err(BeatError::FencedEpoch { sent: 2, current: 3 }));
    let unknown = BeatError::UnknownMember("Member c is not a member of group g.".into());
    assert_eq!(story.beat("c", 2, &[]), Err(unknown));
    let told = BeatError::FencedEpoch { sent: 2, current: 3 }.to_string();
    assert!(told.starts_with("The consumer group member has a smaller member epoch (2) than the one known"), "{told}");
}

#[test]
fn who_leaves_is_gone_at_once_and_the_group_goes_on() {
    let mut story = Story::new();
    story.join("a", &["foo"]);
    story.join("b", &["foo"]);
    let left = story.leave("b", LEAVE_EPOCH).unwrap();
    assert_eq!((left.member_epoch, left.assignment), (LEAVE_EPOCH, None));
    assert_eq!((story.epochs(), story.state()), ((4, 3), ConsumerGroupState::Assigning));
    assert!(matches!(story.leave("b", LEAVE_EPOCH), Err(BeatError::UnknownMember(_))));
    let all = ["foo-0", "foo-1", "foo-2", "foo-3", "foo-4", "foo-5"];
    assert_eq!(story.beat("a", 2, &all), Ok((4, None)), "it never came to give anything up");
    story.leave("a", LEAVE_EPOCH).unwrap();
    assert_eq!((story.state(), story.group.is_empty()), (ConsumerGroupState::Empty, true));
    let (epoch, has) = story.join("c", &["foo"]);
    assert_eq!((epoch, has.len()), (6, 6), "epochs go on");
}

#[test]
fn silence_ends_a_membership() {
    let mut story = Story::new();
    story.join("a", &["foo"]);
    story.pass(Duration::from_secs(30));
    story.join("b", &["foo"]);
    story.pass(Duration::from_secs(14));
    assert_eq!(story.consumer().image().members.len(), 2);
    story.pass(Duration::from_secs(1));
    assert!(!story.consumer().image().members.contains_key("a"), "45 seconds after it was heard of");
    assert!(matches!(story.beat("a", 2, &[]), Err(BeatError::UnknownMember(_))));
    assert_eq!(story.beat("b", 3, &[]).unwrap().1.unwrap().len(), 6);
}

#[test]
fn who_does_not_give_up_in_time_is_put_out() {
    let mut story = Story::new();
    story.join("a", &["foo"]);
    story.join("b", &["foo"]);
    let all = ["foo-0", "foo-1", "foo-2", "foo-3", "foo-4", "foo-5"];
    assert_eq!(story.beat("a", 2, &all).unwrap().1.unwrap().len(), 3);
    for _ in 0..29 {
        story.pass(Duration::from_secs(1));
        assert_eq!(story.beat("a", 2, &all), Ok((2, None)));
        story.beat("b", 3, &[]).unwrap();
    }
    story.pass(Duration::from_secs(1));
    assert!(matches!(story.beat("a", 2, &all), Err(BeatError::UnknownMember(_))));
    assert_eq!(story.beat("b", 3, &[]).unwrap().1.unwrap().len(), 6);
}

#[test]
fn a_deadline_of_an_epoch_that_is_past_puts_nobody_out() {
    let mut story = Story::new();
    story.join("a", &["foo"]);
    story.join("b", &["foo"]);
    let all = ["foo-0", "foo-1", "foo-2", "foo-3", "foo-4", "foo-5"];
    story.beat("a", 2, &all).unwrap();
    assert_eq!(story.beat("a", 2, &["foo-0", "foo-1", "foo-2"]), Ok((3, None)));
    story.pass(Duration::from_secs(31));
    assert_eq!(story.consumer().image().members.len(), 2);
}

#[test]
fn a_full_group_takes_nobody_new() {
    let mut story = Story::new();
    story.limits.consumer.members_max = 2;
    story.join("a", &["foo"]);
    story.join("b", &["foo"]);
    assert_eq!(story.send(&joining("c", &["foo"])), Err(BeatError::GroupFull { limit: 2 }));
    assert!(story.send(&joining("a", &["foo"])).is_ok());
    assert_eq!(story.consumer().image().members.len(), 2);
}

#[test]
fn a_static_member_that_leaves_for_a_while_has_its_partitions_back() {
    let mut story = Story::new();
    story.send(&static_joining("a", "i", &["foo"])).unwrap();
    story.join("b", &["foo"]);
    let all = ["foo-0", "foo-1", "foo-2", "foo-3", "foo-4", "foo-5"];
    story.beat("a", 2, &all).unwrap();
    assert_eq!(story.beat("a", 2, &all[..3]), Ok((3, None)));
    assert_eq!(story.beat("b", 3, &[]).unwrap().1.unwrap().len(), 3);
    let stranger = story.send(&static_joining("c", "i", &["foo"])).unwrap_err();
    let (member_id, instance_id, owner) = (str("c"), str("i"), str("a"));
    assert_eq!(stranger, BeatError::UnreleasedInstance { member_id, instance_id, owner });

    let away = Beat { instance_id: Some(str("i")), member_epoch: LEAVE_STATIC_EPOCH, ..quiet("a") };
    assert_eq!(story.send(&away).unwrap().member_epoch, LEAVE_STATIC_EPOCH);
    assert_eq!(story.epochs(), (3, 3), "nobody else is told");
    assert_eq!(story.beat("b", 3, &["foo-3", "foo-4", "foo-5"]), Ok((3, None)));
    story.restart();
    let back = story.send(&static_joining("c", "i", &["foo"])).unwrap();
    assert_eq!((back.member_epoch, story.shown(&back.assignment.unwrap()).len()), (3, 3));
    assert_eq!(story.epochs(), (3, 3));
    let old = Beat { instance_id: Some(str("i")), member_epoch: 3, ..quiet("a") };
    let (member_id, instance_id, owner) = (str("a"), str("i"), str("c"));
    assert_eq!(story.send(&old), Err(BeatError::FencedInstance { member_id, instance_id, owner }));
    let unknown = Beat { instance_id: Some(str("j")), member_epoch: 3, ..quiet("a") };
    assert_eq!(story.send(&unknown), Err(BeatError::UnknownMember("Instance id j is unknown.".into())));
}

#[test]
fn a_static_member_that_stays_away_is_put_out() {
    let mut story = Story::new();
    story.send(&static_joining("a", "i", &["foo"])).unwrap();
    let away = Beat { instance_id: Some(str("i")), member_epoch: LEAVE_STATIC_EPOCH, ..quiet("a") };
    story.send(&away).unwrap();
    story.pass(Duration::from_secs(45));
    assert!(story.group.is_empty());
    let fresh = story.send(&static_joining("b", "i", &["foo"])).unwrap();
    assert_eq!(fresh.assignment.unwrap().len(), 6);
}

#[test]
fn a_static_member_that_comes_back_with_another_subscription_is_assigned_anew() {
    let mut story = Story::new();
    story.send(&static_joining("a", "i", &["foo"])).unwrap();
    let away = Beat { instance_id: Some(str("i")), member_epoch: LEAVE_STATIC_EPOCH, ..quiet("a") };
    story.send(&away).unwrap();
    let back = story.send(&static_joining("b", "i", &["bar"])).unwrap();
    let (epoch, has) = (back.member_epoch, story.shown(&back.assignment.unwrap()));
    assert_eq!((epoch, has), (3, vec!["bar-0".into(), "bar-1".into(), "bar-2".into()]));
    let left = Beat { instance_id: Some(str("i")), member_epoch: LEAVE_EPOCH, ..quiet("b") };
    story.send(&left).unwrap();
    assert!(story.group.is_empty());
}

#[test]
fn a_static_member_may_repeat_its_join() {
    let mut story = Story::new();
    let join = static_joining("a", "i", &["foo"]);
    story.send(&join).unwrap();
    assert_eq!(story.send(&join).unwrap().assignment.unwrap().len(), 6);
}

#[test]
fn members_have_a_whole_session_after_a_restart() {
    let mut story = Story::new();
    story.join("a", &["foo"]);
    story.join("b", &["foo"]);
    let all = ["foo-0", "foo-1", "foo-2", "foo-3", "foo-4", "foo-5"];
    story.beat("a", 2, &all).unwrap();
    story.now.monotonic += Duration::from_secs(40);
    story.restart();
    story.pass(Duration::from_secs(29));
    assert_eq!(story.beat("a", 2, &all), Ok((2, None)));
    story.pass(Duration::from_secs(1));
    assert!(!story.consumer().image().members.contains_key("a"), "its rebalance timeout goes on");
    story.pass(Duration::from_secs(15));
    assert!(story.group.is_empty());
}

#[test]
fn a_group_that_does_not_fit_together_starts_over() {
    let mut story = Story::new();
    story.join("a", &["foo"]);
    // What a later change left, while the one that let the member in was lost.
    let stray = crate::consumer_group::Current { epoch: 9, ..crate::consumer_group::Current::default() };
    story.kept.apply(&crate::consumer_group::Record::Current(str("b"), Some(stray.into())));
    story.restart();
    story.call(|group, sight, _| {
        let AnyGroup::Consumer(group) = group else { panic!("it is of this protocol") };
        vec![crate::group::Effect::Change(group.start_over(sight.view))]
    });
    let image = story.consumer().image();
    assert!(image.members.is_empty() && image.currents.is_empty() && image.targets.is_empty());
    assert!(matches!(story.beat("a", 1, &[]), Err(BeatError::UnknownMember(_))));
    assert!(story.join("a", &["foo"]).0 > 9, "no epoch that anyone was told comes again");
}
