//! Groups of KIP-848: members that come, hand partitions over and go, and those that are refused.
//!
//! Left out: what a regular expression matches, which Kafka finds out behind the answer, in epochs of its own.

use levada_protocol::ApiKey;
use serde_json::{Value, json};

use super::group_configs::set;
use crate::diff::script::Scenario;

const TOPIC: &str = "consumers";
const ASSIGNMENT_INTERVAL: &str = "consumer.assignment.interval.ms";
/// From this version on members choose their ids, and may subscribe by regular expression.
const OWN_IDS_FROM: i16 = 1;

fn beat(group: &str, member: &str, epoch: i32) -> Value {
    json!({ "group_id": group, "member_id": member, "member_epoch": epoch })
}

fn joining(group: &str, member: &str, topic: &str) -> Value {
    json!({
        "group_id": group, "member_id": member, "member_epoch": 0, "rebalance_timeout_ms": 60_000,
        "subscribed_topic_names": [topic], "topic_partitions": [],
    })
}

/// A heartbeat of a member that has these partitions.
fn having(group: &str, member: &str, epoch: i32, partitions: &Value) -> Value {
    let mut body = beat(group, member, epoch);
    body["rebalance_timeout_ms"] = json!(60_000);
    body["subscribed_topic_names"] = json!([TOPIC]);
    body["topic_partitions"] = json!([{ "topic_id": "$consumers", "partitions": partitions }]);
    body
}

fn describe(s: &mut Scenario, group: &str, about: &str) {
    for version in ApiKey::ConsumerGroupDescribe.versions() {
        let body = json!({ "group_ids": [group], "include_authorized_operations": version == 1 });
        s.call(ApiKey::ConsumerGroupDescribe, version, body).about(about);
    }
    s.call(ApiKey::DescribeGroups, 6, json!({ "groups": [group] })).about(about);
}

fn prepared(name: &str) -> Scenario {
    let mut s = Scenario::new(name);
    s.call(
        ApiKey::CreateTopics,
        7,
        json!({ "topics": [{ "name": TOPIC, "num_partitions": 4, "replication_factor": 1 }], "timeout_ms": 10_000 }),
    );
    s.settle(TOPIC, 4);
    s.call(ApiKey::Metadata, 12, json!({ "topics": [{ "name": TOPIC }] })).bind(TOPIC, "topics[0].topic_id");
    s.settle_coordinator(name);
    s
}

pub(in crate::diff) fn refused() -> Scenario {
    let mut s = prepared("consumers-refused");
    let owned = json!([{ "topic_id": "$consumers", "partitions": [0] }]);
    let tries = [
        ("group_id", json!("")),
        ("member_id", json!("")),
        ("member_epoch", json!(-1)),
        ("member_epoch", json!(-2)),
        ("member_epoch", json!(-3)),
        ("member_epoch", json!(1)),
        ("instance_id", json!("")),
        ("rack_id", json!("")),
        ("rebalance_timeout_ms", json!(-1)),
        ("rebalance_timeout_ms", json!(0)),
        ("subscribed_topic_names", Value::Null),
        ("subscribed_topic_names", json!([])),
        ("subscribed_topic_names", json!(["nowhere"])),
        ("topic_partitions", Value::Null),
        ("topic_partitions", owned),
        ("server_assignor", json!("")),
        ("server_assignor", json!("odd")),
        ("server_assignor", json!("range")),
        ("subscribed_topic_regex", json!("(")),
    ];
    for version in ApiKey::ConsumerGroupHeartbeat.versions() {
        for (number, (field, value)) in tries.iter().enumerate() {
            // An id that the broker makes is another story, and before it was the client's there was no expression.
            if version < OWN_IDS_FROM && matches!(*field, "member_id" | "subscribed_topic_regex") {
                continue;
            }
            let group = format!("consumers-refused-{version}-{number}");
            let mut body = joining(&group, "some-member", TOPIC);
            body[*field] = value.clone();
            s.call(ApiKey::ConsumerGroupHeartbeat, version, body).about(&format!("{field} = {value}"));
        }
    }
    for version in ApiKey::ConsumerGroupDescribe.versions() {
        s.call(ApiKey::ConsumerGroupDescribe, version, json!({ "group_ids": ["consumers-nobody", ""] }));
        s.call(ApiKey::ConsumerGroupDescribe, version, json!({ "group_ids": [] }));
    }
    s
}

pub(in crate::diff) fn life() -> Scenario {
    let mut s = prepared("consumers-life");
    for version in ApiKey::ConsumerGroupHeartbeat.versions() {
        let group = &format!("consumers-life-{version}");
        set(&mut s, group, ASSIGNMENT_INTERVAL, "0");
        set(&mut s, group, "consumer.heartbeat.interval.ms", "6000");
        two_members(&mut s, group, version);
        positions(&mut s, group);
        others(&mut s, group);
        departures(&mut s, group, version);
    }
    s
}

/// One has everything, and hands half of it over to another.
fn two_members(s: &mut Scenario, group: &str, version: i16) {
    let api = ApiKey::ConsumerGroupHeartbeat;
    s.call(api, version, joining(group, "member-one", TOPIC)).about("one joins");
    s.call(api, version, beat(group, "member-one", 2)).about("nothing is new");
    s.call(api, version, having(group, "member-one", 2, &json!([0, 1, 2, 3]))).about("has all");
    s.call(api, version, joining(group, "member-one", TOPIC)).about("joins again");
    describe(s, group, "one member");
    s.call(api, version, joining(group, "member-two", TOPIC)).about("two joins");
    describe(s, group, "two members, nothing handed over");
    let kept = "assignment.topic_partitions[0].partitions";
    s.call(api, version, beat(group, "member-one", 2))
        .bind("first", &format!("{kept}[0]"))
        .bind("second", &format!("{kept}[1]"))
        .about("one is to give up half");
    s.call(api, version, beat(group, "member-two", 3)).about("two waits");
    describe(s, group, "one is to give up half");
    s.call(api, version, having(group, "member-one", 2, &json!([0, 1, 2, 3]))).about("one still has all");
    s.call(api, version, having(group, "member-one", 2, &json!(["$first", "$second"]))).about("one gave up half");
    s.call(api, version, beat(group, "member-two", 3)).about("two is given half");
    describe(s, group, "each has half");
    s.call(api, version, beat(group, "member-one", 2)).about("an epoch that was");
    s.call(api, version, beat(group, "member-one", 9)).about("an epoch that is to be");
    s.call(api, version, beat(group, "stranger", 3)).about("a stranger");
}

/// Offsets, committed and fetched as a member.
fn positions(s: &mut Scenario, group: &str) {
    for version in [2, 8, 9] {
        for (member, epoch) in [("member-one", 3), ("member-one", 2), ("member-one", 7), ("stranger", 3), ("", -1)] {
            let partitions = json!([{ "partition_index": 0, "committed_offset": 7 }]);
            let topics = json!([{ "name": TOPIC, "partitions": partitions }]);
            let body = json!({
                "group_id": group, "generation_id_or_member_epoch": epoch, "member_id": member, "topics": topics,
            });
            s.call(ApiKey::OffsetCommit, version, body).about(&format!("{member} {epoch}"));
        }
    }
    for (member, epoch) in [("member-one", 3), ("member-one", 2), ("member-one", 7), ("stranger", 3)] {
        let topics = json!([{ "name": TOPIC, "partition_indexes": [0, 1] }]);
        let one = json!({ "group_id": group, "member_id": member, "member_epoch": epoch, "topics": topics });
        s.call(ApiKey::OffsetFetch, 9, json!({ "groups": [one] })).about(&format!("{member} {epoch}"));
    }
}

/// Who speaks the classic protocol, or is no member at all.
fn others(s: &mut Scenario, group: &str) {
    s.call(ApiKey::JoinGroup, 9, super::groups::join(group, ""))
        .about("no consumer's metadata")
        .bind("id", "member_id");
    s.call(ApiKey::JoinGroup, 9, super::groups::join(group, "$id")).about("no consumer's metadata");
    let body = json!({ "group_id": group, "generation_id": 3, "member_id": "member-one" });
    s.call(ApiKey::Heartbeat, 4, body.clone()).about("in the other protocol");
    s.call(ApiKey::SyncGroup, 5, body).about("in the other protocol");
    let leave = json!({ "group_id": group, "members": [{ "member_id": "stranger" }] });
    s.call(ApiKey::LeaveGroup, 5, leave).about("in the other protocol");
    s.call(ApiKey::DeleteGroups, 2, json!({ "groups_names": [group] })).about("with members");
    let topics = json!([{ "name": TOPIC, "partitions": [{ "partition_index": 0 }] }]);
    s.call(ApiKey::OffsetDelete, 0, json!({ "group_id": group, "topics": topics })).about("subscribed to");
    for state in ["Stable", "Reconciling", "Assigning", "Empty"] {
        let body = json!({ "states_filter": [state], "types_filter": ["consumer"] });
        s.call(ApiKey::ListGroups, 5, body).about(state);
    }
}

fn departures(s: &mut Scenario, group: &str, version: i16) {
    let api = ApiKey::ConsumerGroupHeartbeat;
    s.call(api, version, beat(group, "member-two", -1)).about("two leaves");
    s.call(api, version, beat(group, "member-two", -1)).about("and again");
    s.call(api, version, beat(group, "member-two", 3)).about("and is not gone");
    describe(s, group, "one is left");
    s.call(api, version, beat(group, "member-one", 3)).about("one is given all");
    let mut body = beat(group, "member-one", 4);
    body["subscribed_topic_names"] = json!(["nowhere"]);
    s.call(api, version, body.clone()).about("reads something else");
    body["topic_partitions"] = json!([]);
    s.call(api, version, body).about("and gave up all");
    describe(s, group, "nothing to read");
    s.call(api, version, beat(group, "member-one", -1)).about("one leaves");
    describe(s, group, "nobody");
    s.call(ApiKey::DeleteGroups, 2, json!({ "groups_names": [group] })).about("without members");
    describe(s, group, "gone");
}

/// Members with an instance id, which go for a while and come back under another.
pub(in crate::diff) fn fixed_members() -> Scenario {
    let mut s = prepared("consumers-fixed-members");
    let api = ApiKey::ConsumerGroupHeartbeat;
    for version in api.versions() {
        let group = &format!("consumers-fixed-members-{version}");
        set(&mut s, group, ASSIGNMENT_INTERVAL, "0");
        let fixed = |mut body: Value| {
            body["instance_id"] = json!("desk");
            body
        };
        s.call(api, version, fixed(joining(group, "member-one", TOPIC))).about("joins");
        s.call(api, version, fixed(having(group, "member-one", 2, &json!([0, 1, 2, 3])))).about("has all");
        s.call(api, version, fixed(joining(group, "member-two", TOPIC))).about("the desk is taken");
        s.call(api, version, fixed(beat(group, "member-two", 2))).about("a stranger at the desk");
        s.call(api, version, fixed(beat(group, "member-one", -2))).about("goes for a while");
        describe(&mut s, group, "away for a while");
        s.call(api, version, fixed(beat(group, "member-one", 2))).about("is away");
        s.call(api, version, fixed(joining(group, "member-two", TOPIC))).about("comes back as another");
        describe(&mut s, group, "back as another");
        s.call(api, version, fixed(beat(group, "member-one", 2))).about("who it was");
        s.call(api, version, fixed(beat(group, "member-one", -1))).about("who it was leaves");
        s.call(api, version, fixed(beat(group, "member-two", -1))).about("leaves for good");
        describe(&mut s, group, "nobody");
    }
    s
}

/// Members that come shortly after an assignment wait for the next.
pub(in crate::diff) fn intervals() -> Scenario {
    let mut s = prepared("consumers-intervals");
    let api = ApiKey::ConsumerGroupHeartbeat;
    let group = "consumers-intervals";
    set(&mut s, group, ASSIGNMENT_INTERVAL, "15000");
    s.call(api, 1, joining(group, "member-one", TOPIC)).about("the first is assigned at once");
    s.call(api, 1, having(group, "member-one", 2, &json!([0, 1, 2, 3]))).about("has all");
    s.call(api, 1, joining(group, "member-two", TOPIC)).about("the second waits");
    s.call(api, 1, beat(group, "member-one", 2)).about("nothing is new");
    s.call(api, 1, beat(group, "member-two", 2)).about("still waits");
    describe(&mut s, group, "not assigned yet");
    set(&mut s, group, ASSIGNMENT_INTERVAL, "0");
    s.call(api, 1, beat(group, "member-two", 2)).about("it is time");
    describe(&mut s, group, "assigned");
    s.call(api, 1, beat(group, "member-one", 2)).about("is to give up half");
    s
}
