//! Looking up and cutting off offsets.

use levada_protocol::ApiKey;
use serde_json::{Value, json};

use crate::diff::script::{Scenario, batch};

const THEN: i64 = 1_700_000_000_000;

pub(in crate::diff) fn list() -> Scenario {
    let mut s = Scenario::new("offsets-list");
    s.topic("offsets-list", 2);
    for index in 0..3 {
        s.append("offsets-list", &json!([batch(4, THEN + index * 1_000)]));
    }
    s.append("offsets-list", &json!([batch(1, THEN + 500)])).about("out of order");
    let with_epoch = |timestamp: i64, index: i32, epoch: Value| {
        let partition = json!({ "partition_index": index, "timestamp": timestamp, "current_leader_epoch": epoch });
        json!({ "replica_id": -1, "topics": [{ "name": "offsets-list", "partitions": [partition] }] })
    };
    let ask = |timestamp: i64, index: i32| with_epoch(timestamp, index, json!(-1));
    for version in ApiKey::ListOffsets.versions() {
        for timestamp in
            [-1, -2, -3, -4, -5, -6, -7, i64::MIN, 0, THEN, THEN + 2, THEN + 501, THEN + 1_003, THEN + 9_999]
        {
            s.call(ApiKey::ListOffsets, version, ask(timestamp, 0)).about(&format!("timestamp {timestamp}"));
        }
        for timestamp in [-1, -2, -3, 0] {
            s.call(ApiKey::ListOffsets, version, ask(timestamp, 1)).about("an empty partition");
        }
        s.call(ApiKey::ListOffsets, version, ask(-1, 7)).about("no such partition");
        for epoch in [json!("$offsets-list.epoch"), json!(99), json!(-2)] {
            s.call(ApiKey::ListOffsets, version, with_epoch(-1, 0, epoch.clone()))
                .about(&format!("leader epoch {epoch}"));
        }
        for (field, value) in [("isolation_level", 1), ("isolation_level", 2), ("replica_id", -2)] {
            let mut body = ask(-1, 0);
            body[field] = json!(value);
            s.call(ApiKey::ListOffsets, version, body).about(&format!("{field} {value}"));
        }
        let mut twice = ask(-1, 0);
        let first = twice["topics"][0]["partitions"][0].clone();
        twice["topics"][0]["partitions"] = json!([first, first]);
        s.call(ApiKey::ListOffsets, version, twice).about("a partition twice");
        let mut unknown = ask(-1, 0);
        unknown["topics"][0]["name"] = json!("offsets-list-unknown");
        s.call(ApiKey::ListOffsets, version, unknown).about("no such topic");
    }
    s
}

pub(in crate::diff) fn epochs() -> Scenario {
    let mut s = Scenario::new("offsets-epochs");
    s.topic("offsets-epochs", 2);
    s.append("offsets-epochs", &json!([batch(3, THEN)]));
    for version in ApiKey::OffsetForLeaderEpoch.versions() {
        let now = "$offsets-epochs.epoch";
        for (index, current, epoch) in [
            (0, json!(-1), json!(now)),
            (0, json!(now), json!(now)),
            (0, json!(99), json!(now)),
            (0, json!(-1), json!(99)),
            (0, json!(-1), json!(-1)),
            (0, json!(-2), json!(now)),
            (1, json!(-1), json!(now)),
            (5, json!(-1), json!(now)),
        ] {
            let partition = json!({ "partition": index, "current_leader_epoch": current, "leader_epoch": epoch });
            let topics = json!([{ "topic": "offsets-epochs", "partitions": [partition] }]);
            let about = format!("partition {index}, current {current}, epoch {epoch}");
            s.call(ApiKey::OffsetForLeaderEpoch, version, json!({ "topics": topics })).about(&about);
        }
        let unknown =
            json!([{ "topic": "offsets-epochs-unknown", "partitions": [{ "partition": 0, "leader_epoch": now }] }]);
        s.call(ApiKey::OffsetForLeaderEpoch, version, json!({ "topics": unknown })).about("no such topic");
    }
    s
}

pub(in crate::diff) fn delete_records() -> Scenario {
    let mut s = Scenario::new("offsets-delete-records");
    let name = "offsets-delete-records";
    s.topic(name, 1);
    s.topic_with("offsets-delete-records-compact", 1, &[("cleanup.policy", "compact")]);
    s.append(name, &json!([batch(5, THEN)]));
    s.append(name, &json!([batch(5, THEN + 10)]));
    let body = |topic: &str, index: i32, offset: i64| {
        let partitions = json!([{ "partition_index": index, "offset": offset }]);
        json!({ "topics": [{ "name": topic, "partitions": partitions }], "timeout_ms": 10_000 })
    };
    for version in ApiKey::DeleteRecords.versions() {
        for (offset, about) in
            [(2 + i64::from(version), "some"), (1, "fewer"), (99, "more than there are"), (-2, "odd")]
        {
            s.call(ApiKey::DeleteRecords, version, body(name, 0, offset)).about(about);
        }
        s.call(ApiKey::DeleteRecords, version, body(name, 3, 0)).about("no such partition");
        s.call(ApiKey::DeleteRecords, version, body("offsets-delete-records-unknown", 0, 0)).about("no such topic");
        s.call(ApiKey::DeleteRecords, version, body("offsets-delete-records-compact", 0, 0)).about("compacted");
    }
    s.call(ApiKey::DeleteRecords, 2, body(name, 0, -1)).about("all");
    let look = |s: &mut Scenario| {
        for offset in [0, 4, 9, 10, 11] {
            let partition = json!({ "partition": 0, "fetch_offset": offset, "partition_max_bytes": 1 << 20 });
            let topics: Value = json!([{ "topic": name, "partitions": [partition] }]);
            let body = json!({ "max_wait_ms": 0, "min_bytes": 0, "max_bytes": 1 << 20, "topics": topics });
            s.call(ApiKey::Fetch, 12, body).about(&format!("from {offset}"));
        }
        for timestamp in [-1, -2, -3, 0] {
            let partitions = json!([{ "partition_index": 0, "timestamp": timestamp }]);
            let topics = json!([{ "name": name, "partitions": partitions }]);
            s.call(ApiKey::ListOffsets, 7, json!({ "replica_id": -1, "topics": topics }))
                .about(&format!("{timestamp}"));
        }
    };
    look(&mut s);
    s.append(name, &json!([batch(2, THEN)]));
    look(&mut s);
    s
}
