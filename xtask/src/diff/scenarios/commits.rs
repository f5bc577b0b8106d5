//! Offsets of groups: committed, fetched, deleted.

use levada_protocol::ApiKey;
use serde_json::{Value, json};

use super::groups::first_member;
use crate::diff::script::Scenario;

const TOPIC: &str = "commits";
/// From this version on topics have ids.
const IDS_FROM: i16 = 10;
/// From this version on several groups are asked for at once.
const MANY_FROM: i16 = 8;

fn commit(group: &str, version: i16, partitions: &Value) -> Value {
    let mut topic = if version >= IDS_FROM { json!({ "topic_id": "$commits" }) } else { json!({ "name": TOPIC }) };
    topic["partitions"] = partitions.clone();
    json!({ "group_id": group, "topics": [topic] })
}

fn at(index: i32, offset: i64, metadata: &Value) -> Value {
    json!({ "partition_index": index, "committed_offset": offset, "committed_leader_epoch": 0, "committed_metadata": metadata })
}

fn fetch(group: &str, version: i16, partitions: &Value) -> Value {
    let mut topics = Value::Null;
    if !partitions.is_null() {
        let name = if version >= IDS_FROM { json!({ "topic_id": "$commits" }) } else { json!({ "name": TOPIC }) };
        topics = json!([name]);
        topics[0]["partition_indexes"] = partitions.clone();
    }
    if version >= MANY_FROM {
        json!({ "groups": [{ "group_id": group, "topics": topics }] })
    } else {
        json!({ "group_id": group, "topics": topics })
    }
}

pub(in crate::diff) fn versions() -> Scenario {
    let mut s = Scenario::new("commits-versions");
    s.topic(TOPIC, 3);
    s.settle_coordinator("commits");
    for version in ApiKey::OffsetCommit.versions() {
        let group = &format!("commits-{version}");
        let both = json!([at(0, 5, &json!("note")), at(2, 6, &Value::Null), at(9, 1, &json!(""))]);
        s.call(ApiKey::OffsetCommit, version, commit(group, version, &both));
        for fetched in ApiKey::OffsetFetch.versions() {
            s.call(ApiKey::OffsetFetch, fetched, fetch(group, fetched, &json!([0, 1, 2, 9])));
            if fetched >= 2 {
                s.call(ApiKey::OffsetFetch, fetched, fetch(group, fetched, &Value::Null)).about("all");
            }
        }
        for (offset, metadata) in
            [(0, json!("")), (-1, json!("")), (-2, json!("")), (i64::MAX, json!("x".repeat(5_000)))]
        {
            let one = json!([at(1, offset, &metadata)]);
            s.call(ApiKey::OffsetCommit, version, commit(group, version, &one)).about(&format!("offset {offset}"));
        }
        s.call(ApiKey::OffsetFetch, 8, fetch(group, 8, &Value::Null)).about("after odd ones");
        s.call(ApiKey::DescribeGroups, 5, json!({ "groups": [group] })).about("a group of offsets alone");
    }
    members(&mut s);
    s
}

/// Commits of a member.
fn members(s: &mut Scenario) {
    let group = "commits-member";
    first_member(s, group, 9, "one", "generation");
    let assignments = json!([{ "member_id": "$one", "assignment": "all" }]);
    let sync =
        json!({ "group_id": group, "generation_id": "$generation", "member_id": "$one", "assignments": assignments });
    s.call(ApiKey::SyncGroup, 3, sync);
    for version in ApiKey::OffsetCommit.versions() {
        for (member, generation, about) in [
            ("$one", json!("$generation"), "sound"),
            ("$one", json!(99), "a wrong generation"),
            ("unknown", json!("$generation"), "an unknown member"),
            ("", json!("$generation"), "no member"),
            ("", json!(-1), "an outsider"),
            ("$one", json!(-1), "no generation"),
        ] {
            let mut body = commit(group, version, &json!([at(0, 7, &json!("m"))]));
            body["member_id"] = json!(member);
            body["generation_id_or_member_epoch"] = generation;
            s.call(ApiKey::OffsetCommit, version, body).about(about);
        }
        if version >= 7 {
            let mut body = commit(group, version, &json!([at(0, 7, &json!("m"))]));
            body["member_id"] = json!("$one");
            body["generation_id_or_member_epoch"] = json!("$generation");
            body["group_instance_id"] = json!("unknown");
            s.call(ApiKey::OffsetCommit, version, body).about("an unknown instance");
        }
    }
    for (topic, index) in [(TOPIC, 0), (TOPIC, 9), ("commits-unknown", 0)] {
        let topics = json!([{ "name": topic, "partitions": [{ "partition_index": index }] }]);
        s.call(ApiKey::OffsetDelete, 0, json!({ "group_id": group, "topics": topics })).about("while it has members");
    }
}

pub(in crate::diff) fn refused() -> Scenario {
    let mut s = Scenario::new("commits-refused");
    s.call(ApiKey::Metadata, 12, json!({ "topics": [{ "name": TOPIC }] })).bind(TOPIC, "topics[0].topic_id");
    for version in ApiKey::OffsetCommit.versions() {
        s.call(ApiKey::OffsetCommit, version, commit("", version, &json!([at(0, 1, &json!(""))]))).about("no group");
        let mut unknown = commit("commits-refused", version, &json!([at(0, 1, &json!(""))]));
        if version >= IDS_FROM {
            unknown["topics"][0]["topic_id"] = json!("1".repeat(32));
        } else {
            unknown["topics"][0]["name"] = json!("commits-unknown");
        }
        s.call(ApiKey::OffsetCommit, version, unknown).about("no such topic");
        s.call(ApiKey::OffsetCommit, version, json!({ "group_id": "commits-refused" })).about("nothing");
        let twice = json!([at(0, 1, &json!("")), at(0, 2, &json!(""))]);
        s.call(ApiKey::OffsetCommit, version, commit("commits-refused", version, &twice)).about("twice");
    }
    for version in ApiKey::OffsetFetch.versions() {
        for group in ["", "commits-unknown"] {
            s.call(ApiKey::OffsetFetch, version, fetch(group, version, &json!([0]))).about(&format!("group `{group}`"));
            if version >= 2 {
                s.call(ApiKey::OffsetFetch, version, fetch(group, version, &Value::Null))
                    .about(&format!("all of `{group}`"));
            }
        }
        let mut unknown = fetch("commits-refused", version, &json!([0]));
        let place = if version >= MANY_FROM { "/groups/0/topics/0" } else { "/topics/0" };
        if let Some(topic) = unknown.pointer_mut(place) {
            if version >= IDS_FROM {
                topic["topic_id"] = json!("1".repeat(32));
            } else {
                topic["name"] = json!("commits-unknown");
            }
        }
        s.call(ApiKey::OffsetFetch, version, unknown).about("no such topic");
        if version >= 7 {
            let mut stable = fetch("commits-refused", version, &json!([0]));
            stable["require_stable"] = json!(true);
            s.call(ApiKey::OffsetFetch, version, stable).about("stable");
        }
        if version >= 9 {
            for (member, epoch) in [(json!("m"), 1), (Value::Null, 1), (json!("m"), -1), (json!(""), -1)] {
                let mut body = fetch("commits-refused", version, &json!([0]));
                body["groups"][0]["member_id"] = member.clone();
                body["groups"][0]["member_epoch"] = json!(epoch);
                s.call(ApiKey::OffsetFetch, version, body).about(&format!("member {member} of epoch {epoch}"));
            }
        }
        if version >= MANY_FROM {
            s.call(ApiKey::OffsetFetch, version, json!({ "groups": [] })).about("no groups");
        }
    }
    // A group whose last offset is deleted is remembered by Kafka until it starts again.
    s.call(ApiKey::OffsetCommit, 9, commit("commits-refused", 9, &json!([at(1, 1, &json!(""))])));
    let one = json!([{ "name": TOPIC, "partitions": [{ "partition_index": 0 }, { "partition_index": 9 }] }]);
    for group in ["", "commits-unknown", "commits-refused", "commits-refused"] {
        let body = json!({ "group_id": group, "topics": one });
        s.call(ApiKey::OffsetDelete, 0, body).about(&format!("group `{group}`"));
    }
    s.call(ApiKey::OffsetDelete, 0, json!({ "group_id": "commits-refused", "topics": [] })).about("nothing");
    s.call(ApiKey::OffsetFetch, 8, fetch("commits-refused", 8, &Value::Null)).about("after the deletion");
    s
}
