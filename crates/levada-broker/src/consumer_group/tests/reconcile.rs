//! From what members have to what they are to have.

use super::rig::*;
use crate::consumer_group::{Beat, ConsumerGroupState, MemberState, messages::LEAVE_EPOCH};

#[test]
fn a_partition_goes_over_only_when_it_was_given_up() {
    let mut story = Story::new();
    let all = ["foo-0", "foo-1", "foo-2", "foo-3", "foo-4", "foo-5"];
    assert_eq!(story.join("a", &["foo"]).1, all);
    let (epoch, has) = story.join("b", &["foo"]);
    assert_eq!((epoch, has.len()), (3, 0), "it is in the new epoch and waits");
    let state = |story: &Story, id: &str| story.consumer().image().currents[&str(id)].state;
    assert_eq!(state(&story, "b"), MemberState::UnreleasedPartitions);
    assert_eq!(story.state(), ConsumerGroupState::Reconciling);

    assert_eq!(story.beat("b", 3, &[]), Ok((3, None)));
    let (epoch, keeps) = story.beat("a", 2, &all).unwrap();
    assert_eq!((epoch, keeps.unwrap()), (2, vec!["foo-0".into(), "foo-1".into(), "foo-2".to_owned()]));
    assert_eq!(state(&story, "a"), MemberState::UnrevokedPartitions);
    assert_eq!(story.beat("a", 2, &all), Ok((2, None)), "it is still giving up");
    let silent = Beat { member_epoch: 2, ..quiet("a") };
    assert_eq!(story.send(&silent).unwrap().member_epoch, 2, "who says nothing still has it");
    assert_eq!(story.beat("b", 3, &[]), Ok((3, None)));
    assert_eq!(story.beat("a", 2, &all[..3]), Ok((3, None)));
    assert_eq!(story.beat("b", 3, &[]).unwrap().1.unwrap(), all[3..]);
    assert_eq!(story.state(), ConsumerGroupState::Stable);
}

#[test]
fn three_members_come_to_an_end_one_by_one() {
    let mut story = Story::new();
    story.join("a", &["foo", "bar"]);
    story.join("b", &["foo", "bar"]);
    let has = |story: &Story, id: &str| story.shown(&story.consumer().image().currents[&str(id)].assigned.assignment());
    let texts = |has: &[String]| has.iter().map(String::as_str).map(str::to_owned).collect::<Vec<_>>();
    for _ in 0..2 {
        let mine = texts(&has(&story, "a"));
        let epoch = story.consumer().image().currents[&str("a")].epoch;
        story.beat("a", epoch, &mine.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    }
    story.join("c", &["foo", "bar"]);
    assert_eq!(story.epochs(), (4, 4));
    // `b` takes part of what `a` gave up for it; of the rest it knows nothing yet.
    for _ in 0..3 {
        for id in ["a", "b", "c"] {
            let mine = texts(&has(&story, id));
            let epoch = story.consumer().image().currents[&str(id)].epoch;
            story.beat(id, epoch, &mine.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        }
    }
    assert_eq!(story.state(), ConsumerGroupState::Stable);
    assert_eq!(["a", "b", "c"].map(|id| has(&story, id).len()), [3, 3, 3]);
}

#[test]
fn what_a_member_gave_up_and_gets_back_is_not_lost() {
    let mut story = Story::new();
    let all = ["foo-0", "foo-1", "foo-2", "foo-3", "foo-4", "foo-5"];
    story.join("a", &["foo"]);
    story.join("b", &["foo"]);
    story.beat("a", 2, &all).unwrap();
    story.leave("b", LEAVE_EPOCH).unwrap();
    // It is still giving up, by its own account; what comes next needs all six again.
    assert_eq!(story.beat("a", 2, &all), Ok((2, None)));
    assert_eq!(story.beat("a", 2, &all[..3]).unwrap(), (4, Some(all.map(str::to_owned).into())));
}

#[test]
fn a_member_that_joins_again_has_given_everything_up() {
    let mut story = Story::new();
    let all = ["foo-0", "foo-1", "foo-2", "foo-3", "foo-4", "foo-5"];
    story.join("a", &["foo"]);
    story.join("b", &["foo"]);
    story.beat("a", 2, &all).unwrap();
    let (epoch, has) = story.join("a", &["foo"]);
    assert_eq!((epoch, has), (3, vec!["foo-0".into(), "foo-1".into(), "foo-2".into()]));
    assert_eq!(story.beat("b", 3, &[]).unwrap().1.unwrap(), all[3..]);
}

#[test]
fn whoever_reads_a_topic_no_more_gives_it_up_at_once() {
    let mut story = Story::new();
    story.join("a", &["foo", "bar"]);
    let narrower = Beat { member_epoch: 2, topics: Some(vec![str("bar")]), ..quiet("a") };
    let beaten = story.send(&narrower).unwrap();
    let keeps = story.shown(&beaten.assignment.unwrap());
    assert_eq!((beaten.member_epoch, keeps), (2, vec!["bar-0".into(), "bar-1".into(), "bar-2".into()]));
    assert_eq!(story.beat("a", 2, &["bar-0", "bar-1", "bar-2"]), Ok((3, None)));
}

#[test]
fn an_epoch_of_assignment_stays_with_a_partition() {
    let mut story = Story::new();
    let all = ["foo-0", "foo-1", "foo-2", "foo-3", "foo-4", "foo-5"];
    story.join("a", &["foo"]);
    story.join("b", &["foo"]);
    story.beat("a", 2, &all).unwrap();
    story.beat("a", 2, &all[..3]).unwrap();
    story.beat("b", 3, &[]).unwrap();
    story.leave("b", LEAVE_EPOCH).unwrap();
    story.beat("a", 3, &all[..3]).unwrap();
    let owned = &story.consumer().image().currents[&str("a")].assigned;
    let epochs: Vec<i32> = owned.iter().map(|(_, _, epoch)| epoch).collect();
    assert_eq!(epochs, [2, 2, 2, 4, 4, 4]);
}

#[test]
fn who_comes_soon_after_an_assignment_waits_for_the_next() {
    let mut story = Story::new();
    story.limits.consumer.paces.usual.assignment_interval = std::time::Duration::from_secs(1);
    let all = ["foo-0", "foo-1", "foo-2", "foo-3", "foo-4", "foo-5"];
    assert_eq!(story.join("a", &["foo"]).1, all, "the first is assigned at once");
    assert_eq!(story.join("b", &["foo"]), (2, Vec::new()), "in the epoch that is assigned");
    assert_eq!((story.epochs(), story.state()), ((3, 2), ConsumerGroupState::Assigning));
    assert_eq!(story.beat("a", 2, &all), Ok((2, None)));
    story.now.wall_ms += 999;
    assert_eq!(story.beat("b", 2, &[]), Ok((2, None)));
    story.now.wall_ms += 1;
    assert_eq!(story.beat("b", 2, &[]), Ok((3, None)));
    assert_eq!(story.beat("a", 2, &all).unwrap().1.unwrap(), all[..3]);
    assert_eq!(story.epochs(), (3, 3));
}
