//! Topics from creation to deletion.

use levada_protocol::ApiKey;
use serde_json::{Value, json};

use crate::diff::script::Scenario;

fn create(name: &str, partitions: i32, replication: i16) -> Value {
    json!({ "name": name, "num_partitions": partitions, "replication_factor": replication })
}

fn request(topics: &[Value], validate_only: bool) -> Value {
    json!({ "topics": topics, "timeout_ms": 10_000, "validate_only": validate_only })
}

pub(in crate::diff) fn life() -> Scenario {
    let mut s = Scenario::new("topics-life");
    for version in ApiKey::CreateTopics.versions() {
        let name = format!("topics-life-{version}");
        let topic = create(&name, 3, 1);
        s.call(ApiKey::CreateTopics, version, request(std::slice::from_ref(&topic), true)).about("validates only");
        s.call(ApiKey::CreateTopics, version, request(std::slice::from_ref(&topic), false))
            .bind("id", "topics[0].topic_id");
        s.settle(&name, 3);
        s.call(ApiKey::CreateTopics, version, request(std::slice::from_ref(&topic), false)).about("again");
        s.call(ApiKey::CreateTopics, version, request(&[topic], true)).about("again, validates only");
    }
    let name = "topics-life-7";
    let unknown = "topics-life-unknown";
    for version in ApiKey::Metadata.versions() {
        let topics = json!([{ "name": name }, { "name": unknown }]);
        let mut body = json!({ "topics": topics, "allow_auto_topic_creation": false });
        if version >= 8 {
            body["include_topic_authorized_operations"] = json!(true);
        }
        if (8..=10).contains(&version) {
            body["include_cluster_authorized_operations"] = json!(true);
        }
        if version >= 4 {
            s.call(ApiKey::Metadata, version, body);
        }
        s.call(ApiKey::Metadata, version, json!({ "topics": [{ "name": name }] }));
        if version >= 1 {
            s.call(ApiKey::Metadata, version, json!({ "topics": [], "allow_auto_topic_creation": false }))
                .about("none");
        }
    }
    for (topic, about) in [
        (json!({ "topic_id": "$id", "name": null }), "by id"),
        (json!({ "topic_id": "1".repeat(32), "name": null }), "by an unknown id"),
        (json!({ "topic_id": "$id", "name": name }), "by both"),
    ] {
        for version in [12, 13] {
            s.call(ApiKey::Metadata, version, json!({ "topics": [topic] })).about(about);
        }
    }
    for name in ["", ".", "..", "a b", "x/y", &"x".repeat(250)] {
        let body = json!({ "topics": [{ "name": name }], "allow_auto_topic_creation": true });
        s.call(ApiKey::Metadata, 12, body).about("a name that cannot be");
    }
    delete(&mut s);
    s
}

fn delete(s: &mut Scenario) {
    for version in ApiKey::DeleteTopics.versions() {
        let name = format!("topics-life-{}", version + 1);
        let body = |name: &str| match version {
            6 => json!({ "topics": [{ "name": name }], "timeout_ms": 10_000 }),
            _ => json!({ "topic_names": [name], "timeout_ms": 10_000 }),
        };
        s.call(ApiKey::DeleteTopics, version, body("topics-life-unknown")).about("unknown");
        if version > 1 {
            s.call(ApiKey::DeleteTopics, version, body(&name));
            s.settle_deleted(&name);
            s.call(ApiKey::DeleteTopics, version, body(&name)).about("again");
        }
    }
    s.topic("topics-life-again", 1);
    for (topics, about) in [
        (json!([{ "topic_id": "1".repeat(32), "name": null }]), "an unknown id"),
        (json!([{ "topic_id": "0".repeat(32), "name": null }]), "neither name nor id"),
        (json!([{ "topic_id": "$topics-life-again", "name": "topics-life-again" }]), "both name and id"),
        (json!([{ "name": "topics-life-unknown" }, { "name": "topics-life-unknown" }]), "an unknown name twice"),
        (json!([{ "name": "topics-life-again" }, { "name": "topics-life-again" }]), "a name twice"),
        (
            json!([{ "topic_id": "$topics-life-again", "name": null }, { "name": "topics-life-again" }]),
            "twice, by both",
        ),
        (json!([{ "topic_id": "$topics-life-again", "name": null }]), "by id"),
    ] {
        s.call(ApiKey::DeleteTopics, 6, json!({ "topics": topics, "timeout_ms": 10_000 })).about(about);
    }
    s.settle_deleted("topics-life-again");
    s.topic("topics-life-again", 2);
    s.call(ApiKey::Metadata, 12, json!({ "topics": [{ "name": "topics-life-again" }] })).about("after it came again");
}

pub(in crate::diff) fn refused() -> Scenario {
    let mut s = Scenario::new("topics-refused");
    s.topic("topics-refused.a", 1);
    for version in [2, 4, 7] {
        for name in ["", ".", "..", "a b", "x/y", "caf\u{e9}", &"x".repeat(249), &"x".repeat(250), "topics-refused_a"] {
            s.call(ApiKey::CreateTopics, version, request(&[create(name, 1, 1)], true)).about("the name");
        }
        for name in ["topics-refused.a", "__consumer_offsets", "__transaction_state"] {
            s.call(ApiKey::CreateTopics, version, request(&[create(name, 0, 1)], true)).about("taken or internal");
        }
        for (partitions, replication) in [(0, 1), (-2, 1), (1, 0), (1, -2), (1, 2), (1, 3), (-1, 1), (1, -1), (-1, -1)]
        {
            let topic = create("topics-refused-b", partitions, replication);
            s.call(ApiKey::CreateTopics, version, request(&[topic], true)).about("the numbers");
        }
        let twice =
            [create("topics-refused-b", 1, 1), create("topics-refused-c", 1, 1), create("topics-refused-b", 2, 1)];
        s.call(ApiKey::CreateTopics, version, request(&twice, true)).about("one twice");
        for assignments in assignments() {
            for (partitions, replication) in [(-1, -1), (1, 1), (2, -1)] {
                let mut topic = create("topics-refused-b", partitions, replication);
                topic["assignments"] = assignments.clone();
                s.call(ApiKey::CreateTopics, version, request(&[topic], true)).about("assignments");
            }
        }
        for (name, value) in CONFIGS {
            let mut topic = create("topics-refused-b", 1, 1);
            topic["configs"] = json!([{ "name": name, "value": value }]);
            s.call(ApiKey::CreateTopics, version, request(&[topic], true)).about(&format!("{name} = {value:?}"));
        }
    }
    s.call(ApiKey::CreateTopics, 7, request(&[], false)).about("none");
    s
}

fn assignments() -> [Value; 7] {
    [
        json!([{ "partition_index": 0, "broker_ids": [1] }]),
        json!([{ "partition_index": 0, "broker_ids": [1] }, { "partition_index": 1, "broker_ids": [1] }]),
        json!([{ "partition_index": 1, "broker_ids": [1] }]),
        json!([{ "partition_index": 0, "broker_ids": [] }]),
        json!([{ "partition_index": 0, "broker_ids": [2] }]),
        json!([{ "partition_index": 0, "broker_ids": [1, 1] }]),
        json!([{ "partition_index": 0, "broker_ids": [1] }, { "partition_index": 0, "broker_ids": [1] }]),
    ]
}

const CONFIGS: [(&str, Option<&str>); 22] = [
    ("no.such.setting", Some("1")),
    ("cleanup.policy", Some("compact")),
    ("cleanup.policy", Some("compact,delete")),
    ("cleanup.policy", Some("")),
    ("cleanup.policy", Some("odd")),
    ("cleanup.policy", None),
    ("retention.ms", Some("-1")),
    ("retention.ms", Some("-2")),
    ("retention.ms", Some("odd")),
    ("retention.ms", Some(" 7 ")),
    ("retention.bytes", Some("1")),
    ("segment.bytes", Some("1048576")),
    ("segment.bytes", Some("1048575")),
    ("segment.ms", Some("0")),
    ("max.message.bytes", Some("-1")),
    ("max.message.bytes", Some("0")),
    ("compression.type", Some("zstd")),
    ("compression.type", Some("odd")),
    ("min.insync.replicas", Some("0")),
    ("min.insync.replicas", Some("2")),
    ("message.timestamp.type", Some("LogAppendTime")),
    ("unclean.leader.election.enable", Some("odd")),
];

pub(in crate::diff) fn partitions() -> Scenario {
    let mut s = Scenario::new("topics-partitions");
    s.topic("topics-partitions", 1);
    let mut count = 1;
    for version in ApiKey::CreatePartitions.versions() {
        let body = |name: &str, count: i32, assignments: Value, validate_only: bool| {
            let topic = json!({ "name": name, "count": count, "assignments": assignments });
            json!({ "topics": [topic], "timeout_ms": 10_000, "validate_only": validate_only })
        };
        for (name, count, about) in [
            ("topics-partitions", count + 1, "validates only"),
            ("topics-partitions", count, "as many as there are"),
            ("topics-partitions", 0, "none"),
            ("topics-partitions", -1, "fewer than none"),
            ("topics-partitions-unknown", 3, "unknown"),
            ("", 3, "no name"),
        ] {
            s.call(ApiKey::CreatePartitions, version, body(name, count, Value::Null, true)).about(about);
        }
        for brokers in [json!([1]), json!([2]), json!([]), json!([1, 2]), json!([1, 1])] {
            let assignments = json!([{ "broker_ids": brokers }]);
            let body = body("topics-partitions", count + 1, assignments, true);
            s.call(ApiKey::CreatePartitions, version, body).about("assignments");
        }
        let two = json!([{ "broker_ids": [1] }, { "broker_ids": [1] }]);
        s.call(ApiKey::CreatePartitions, version, body("topics-partitions", count + 1, two, true)).about("too many");
        let mut twice = body("topics-partitions", count + 1, Value::Null, true);
        twice["topics"] = json!([twice["topics"][0], twice["topics"][0]]);
        s.call(ApiKey::CreatePartitions, version, twice).about("twice");
        count += 1;
        s.call(ApiKey::CreatePartitions, version, body("topics-partitions", count, Value::Null, false));
        s.settle("topics-partitions", count);
    }
    s
}
