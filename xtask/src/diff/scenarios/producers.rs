//! Idempotent producers: their ids, and the order of their batches.

use levada_protocol::ApiKey;
use serde_json::{Value, json};

use crate::diff::script::{Scenario, batch};

const THEN: i64 = 1_700_000_000_000;

pub(in crate::diff) fn life() -> Scenario {
    let mut s = Scenario::new("producers-life");
    let fresh = || json!({ "transactional_id": null, "transaction_timeout_ms": 60_000 });
    for version in ApiKey::InitProducerId.versions() {
        let id = format!("id-{version}");
        s.call(ApiKey::InitProducerId, version, fresh()).bind(&id, "producer_id").until("error_code", 0);
        if version >= 3 {
            let with = |id: Value, epoch: i16| {
                let mut body = fresh();
                body["producer_id"] = id;
                body["producer_epoch"] = json!(epoch);
                body
            };
            for (id, epoch) in [(json!(-1), 0), (json!(5), -1), (json!(-2), -1), (json!(-1), -2)] {
                s.call(ApiKey::InitProducerId, version, with(id, epoch)).about("half an identity");
            }
            s.call(ApiKey::InitProducerId, version, with(json!(format!("$id-{version}")), 0))
                .about("an identity without a transactional id")
                .bind(&format!("next-{version}"), "producer_id");
        }
        let mut body = fresh();
        body["transaction_timeout_ms"] = json!(-1);
        s.call(ApiKey::InitProducerId, version, body)
            .about("an odd timeout")
            .bind(&format!("odd-{version}"), "producer_id");
        s.call(ApiKey::InitProducerId, version, json!({ "transactional_id": "", "transaction_timeout_ms": 60_000 }))
            .about("an empty transactional id");
    }
    s
}

pub(in crate::diff) fn sequences() -> Scenario {
    let mut s = Scenario::new("producers-sequences");
    s.topic("producers-sequences", 1);
    let fresh = json!({ "transactional_id": null, "transaction_timeout_ms": 60_000 });
    s.call(ApiKey::InitProducerId, 4, fresh.clone()).bind("id", "producer_id");
    s.call(ApiKey::InitProducerId, 4, fresh).bind("wrap", "producer_id");
    let mut step = |id: &str, epoch: i16, sequence: i32, count: u32, about: &str| {
        let mut spec = batch(count, THEN);
        spec["producer_id"] = json!(id);
        spec["producer_epoch"] = json!(epoch);
        spec["base_sequence"] = json!(sequence);
        for version in [3, 8, 12] {
            let data = json!({ "name": "producers-sequences", "partition_data": [{ "index": 0, "records": [spec] }] });
            let body = json!({ "acks": -1, "timeout_ms": 10_000, "topic_data": [data] });
            s.call(ApiKey::Produce, version, body).about(about);
        }
    };
    // Each is sent three times: what comes after the first is a repetition.
    step("$id", 0, 0, 2, "the first");
    step("$id", 0, 2, 2, "the next");
    step("$id", 0, 5, 1, "a gap");
    step("$id", 0, 0, 2, "an old one");
    step("$id", 0, 3, 1, "a part of an old one");
    for sequence in 4..9 {
        step("$id", 0, sequence, 1, "further");
    }
    step("$id", 0, 0, 2, "one that is forgotten");
    step("$id", 1, 3, 1, "a new epoch from the middle");
    step("$id", 1, 0, 1, "a new epoch");
    step("$id", 0, 9, 1, "an old epoch");
    step("$id", -1, 0, 1, "no epoch");
    step("$id", 1, -1, 1, "no sequence");
    step("$wrap", 0, i32::MAX - 1, 2, "up to the last sequence");
    step("$wrap", 0, 0, 1, "after the last sequence");
    step("$wrap", 0, 1, 1, "and on");
    let partition = json!({ "partition": 0, "fetch_offset": 0, "partition_max_bytes": 1 << 20 });
    let topics = json!([{ "topic": "producers-sequences", "partitions": [partition] }]);
    s.call(ApiKey::Fetch, 12, json!({ "max_wait_ms": 0, "min_bytes": 0, "max_bytes": 1 << 20, "topics": topics }));
    s
}
