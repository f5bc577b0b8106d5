//! Appending records, sound and not.

use levada_protocol::ApiKey;
use serde_json::{Value, json};

use crate::diff::script::{Scenario, batch};

/// A moment that neither side finds too far away.
const THEN: i64 = 1_700_000_000_000;

fn request(acks: i16, topic: &Value, partitions: &Value) -> Value {
    let mut data = topic.clone();
    data["partition_data"] = partitions.clone();
    json!({ "acks": acks, "timeout_ms": 10_000, "topic_data": [data] })
}

/// The topic of the scenario, as `version` names it.
fn named(name: &str, version: i16) -> Value {
    if version >= 13 { json!({ "topic_id": format!("${name}") }) } else { json!({ "name": name }) }
}

fn one(index: i32, batch: &Value) -> Value {
    json!([{ "index": index, "records": [batch] }])
}

pub(in crate::diff) fn versions() -> Scenario {
    let name = "produce-versions";
    let mut s = Scenario::new(name);
    s.topic(name, 3);
    s.topic_with("produce-append-time", 1, &[("message.timestamp.type", "LogAppendTime")]);
    for version in ApiKey::Produce.versions() {
        let topic = named(name, version);
        for acks in [-1, 1] {
            s.call(ApiKey::Produce, version, request(acks, &topic, &one(0, &batch(2, THEN))));
        }
        s.unanswered(ApiKey::Produce, version, request(0, &topic, &one(0, &batch(1, THEN))));
        s.unanswered(ApiKey::Produce, version, request(0, &topic, &one(9, &batch(1, THEN)))).about("no such partition");
        for acks in [2, -2] {
            s.call(ApiKey::Produce, version, request(acks, &topic, &one(0, &batch(1, THEN)))).about("odd acks");
        }
        let many = json!([
            { "index": 2, "records": [batch(1, THEN)] },
            { "index": 0, "records": [batch(3, THEN)] },
            { "index": 7, "records": [batch(1, THEN)] },
        ]);
        s.call(ApiKey::Produce, version, request(-1, &topic, &many)).about("several partitions");
        let unknown =
            if version >= 13 { json!({ "topic_id": "1".repeat(32) }) } else { json!({ "name": "produce-unknown" }) };
        s.call(ApiKey::Produce, version, request(-1, &unknown, &one(0, &batch(1, THEN)))).about("no such topic");
        s.call(ApiKey::Produce, version, json!({ "acks": -1, "timeout_ms": 10_000 })).about("nothing");
        s.call(ApiKey::Produce, version, request(-1, &topic, &json!([]))).about("no partition");
        let topic = named("produce-append-time", version);
        s.call(ApiKey::Produce, version, request(-1, &topic, &one(0, &batch(1, THEN)))).about("LogAppendTime");
    }
    s
}

pub(in crate::diff) fn codecs() -> Scenario {
    let mut s = Scenario::new("produce-codecs");
    s.topic("produce-codecs", 1);
    for codec in ["gzip", "snappy", "lz4", "zstd"] {
        let mut spec = batch(5, THEN);
        spec["codec"] = json!(codec);
        for version in [3, 6, 7, 9, 12] {
            let topic = named("produce-codecs", version);
            s.call(ApiKey::Produce, version, request(-1, &topic, &one(0, &spec))).about(codec);
        }
    }
    let partition = json!({ "partition": 0, "fetch_offset": 0, "partition_max_bytes": 1 << 20 });
    let topics = json!([{ "topic": "produce-codecs", "partitions": [partition] }]);
    s.call(ApiKey::Fetch, 12, json!({ "max_wait_ms": 0, "min_bytes": 0, "max_bytes": 1 << 20, "topics": topics }));
    s
}

pub(in crate::diff) fn refused() -> Scenario {
    let mut s = Scenario::new("produce-refused");
    s.topic("produce-refused", 1);
    s.topic_with("produce-refused-small", 1, &[("max.message.bytes", "100")]);
    s.topic_with("produce-refused-keys", 1, &[("cleanup.policy", "compact")]);
    s.topic_with("produce-refused-replicas", 1, &[("min.insync.replicas", "2")]);
    s.topic_with("produce-refused-early", 1, &[("message.timestamp.before.max.ms", "1000")]);
    let keyless =
        json!({ "records": [{ "key": "k", "value": "v", "timestamp": THEN }, { "value": "v", "timestamp": THEN }] });
    for version in [3, 7, 8, 9, 12, 13] {
        let topic = named("produce-refused", version);
        for (field, value) in ODD {
            let mut spec = batch(2, THEN);
            spec[field] = json!(value);
            s.call(ApiKey::Produce, version, request(-1, &topic, &one(0, &spec))).about(&format!("{field} = {value}"));
        }
        let mut spoilt = batch(2, THEN);
        spoilt["crc"] = json!("wrong");
        s.call(ApiKey::Produce, version, request(-1, &topic, &one(0, &spoilt))).about("a wrong checksum");
        let mut short = batch(2, THEN);
        short["cut"] = json!(3);
        s.call(ApiKey::Produce, version, request(-1, &topic, &one(0, &short))).about("a batch that was cut");
        // Kafka never answers to records that are null.
        for records in [json!(""), json!("odd"), json!([batch(1, THEN), batch(1, THEN)])] {
            let partitions = json!([{ "index": 0, "records": records }]);
            s.call(ApiKey::Produce, version, request(-1, &topic, &partitions)).about("odd records");
        }
        let early = json!({ "records": [{ "value": "v", "timestamp": 1 }] });
        let unset = json!({ "records": [{ "value": "v", "timestamp": -1 }] });
        let late = json!({ "records": [{ "value": "v", "timestamp": 99_000_000_000_000_i64 }] });
        for (name, spec) in [
            ("produce-refused-small", &batch(9, THEN)),
            ("produce-refused-keys", &keyless),
            ("produce-refused-replicas", &batch(1, THEN)),
            ("produce-refused-early", &batch(1, THEN)),
            ("produce-refused", &early),
            ("produce-refused", &unset),
            ("produce-refused", &late),
        ] {
            s.call(ApiKey::Produce, version, request(-1, &named(name, version), &one(0, spec))).about(name);
        }
    }
    s
}

/// Fields of the header that cannot be so.
const ODD: [(&str, i64); 14] = [
    ("magic", 0),
    ("magic", 1),
    ("magic", 3),
    ("attributes", 5),
    ("attributes", 0x20),
    ("attributes", 0x10),
    ("last_offset_delta", 7),
    ("last_offset_delta", -1),
    ("record_count", 0),
    ("record_count", 3),
    ("record_count", -1),
    ("base_sequence", 5),
    ("batch_length", 10),
    ("base_offset", 99),
];
