//! Transactions of both generations: who may do what when, and what readers see of it.

use levada_protocol::ApiKey;
use serde_json::{Value, json};

use crate::diff::script::{Scenario, batch};

const THEN: i64 = 1_700_000_000_000;
/// From this version on AddPartitionsToTxn is for brokers.
const BROKERS_FROM: i16 = 4;

pub(super) fn settle(s: &mut Scenario, id: &str) {
    let body = json!({ "key_type": 1, "coordinator_keys": [id] });
    s.call(ApiKey::FindCoordinator, 4, body).until("coordinators[0].error_code", 0);
}

/// Asks for a producer id until nothing stands in the way, and binds it under `name`.
pub(super) fn init(s: &mut Scenario, version: i16, id: &str, name: &str) {
    let body = json!({ "transactional_id": id, "transaction_timeout_ms": 60_000 });
    s.call(ApiKey::InitProducerId, version, body).bind(name, "producer_id").until("error_code", 0);
}

pub(super) fn add(s: &mut Scenario, version: i16, id: &str, producer: &str, epoch: i16, topics: &Value, about: &str) {
    let body = json!({
        "v3_and_below_transactional_id": id, "v3_and_below_producer_id": producer,
        "v3_and_below_producer_epoch": epoch, "v3_and_below_topics": topics,
    });
    s.call(ApiKey::AddPartitionsToTxn, version, body).about(about);
}

/// Writes one record of a transaction.
pub(super) fn produce(
    s: &mut Scenario,
    version: i16,
    id: &Value,
    (producer, epoch): (&str, i16),
    to: (&str, i32),
    sequence: i32,
) {
    let mut spec = batch(1, THEN);
    spec["producer_id"] = json!(producer);
    spec["producer_epoch"] = json!(epoch);
    spec["base_sequence"] = json!(sequence);
    spec["attributes"] = json!(16);
    let data = json!({ "name": to.0, "partition_data": [{ "index": to.1, "records": [spec] }] });
    let body = json!({ "transactional_id": id, "acks": -1, "timeout_ms": 10_000, "topic_data": [data] });
    s.call(ApiKey::Produce, version, body);
}

pub(super) fn end(
    s: &mut Scenario,
    version: i16,
    id: &str,
    (producer, epoch): (&str, i16),
    committed: bool,
    about: &str,
) {
    let body =
        json!({ "transactional_id": id, "producer_id": producer, "producer_epoch": epoch, "committed": committed });
    s.call(ApiKey::EndTxn, version, body).about(about);
}

/// Ends a transaction, and asks for as long as an end before is still on its way.
pub(super) fn end_at_last(s: &mut Scenario, version: i16, id: &str, who: (&str, i16), committed: bool) {
    end(s, version, id, who, committed, "until it is done");
    if let Some(step) = s.steps.last_mut() {
        step.until("error_code", 0);
    }
}

/// What readers of all, and of committed records, are given, batch by batch: Apache Kafka's fetches end at the first
/// marker, Levada's go on.
pub(super) fn look(s: &mut Scenario, topic: &str, end: i64) {
    for isolation in [0, 1] {
        for offset in 0..=end {
            let partition = json!({ "partition": 0, "fetch_offset": offset, "partition_max_bytes": 1 });
            let topics = json!([{ "topic": topic, "partitions": [partition] }]);
            let body = json!({
                "max_wait_ms": 0, "min_bytes": 0, "max_bytes": 1 << 20, "isolation_level": isolation, "topics": topics,
            });
            s.call(ApiKey::Fetch, 12, body).about(&format!("isolation {isolation}, offset {offset}"));
        }
        let topics = json!([{ "name": topic, "partitions": [{ "partition_index": 0, "timestamp": -1 }] }]);
        let body = json!({ "replica_id": -1, "isolation_level": isolation, "topics": topics });
        s.call(ApiKey::ListOffsets, 7, body).about(&format!("isolation {isolation}"));
    }
}

pub(super) fn describe(s: &mut Scenario, id: &str) {
    s.call(ApiKey::DescribeTransactions, 0, json!({ "transactional_ids": [id] })).about("how it stands");
}

pub(super) fn in_topic(topic: &str) -> Value {
    json!([{ "name": topic, "partitions": [0] }])
}

pub(in crate::diff) fn first() -> Scenario {
    let mut s = Scenario::new("transactions-first");
    s.topic("transactions-first", 2);
    settle(&mut s, "transactions-first");
    for version in 0..BROKERS_FROM {
        let (id, producer) = (&format!("transactions-first-{version}"), &format!("$first-{version}"));
        init(&mut s, version + 1, id, &format!("first-{version}"));
        let who = (producer.as_str(), 0);
        describe(&mut s, id);
        let unknown =
            json!([{ "name": "transactions-first", "partitions": [0, 9] }, { "name": "nowhere", "partitions": [0] }]);
        add(&mut s, version, id, producer, 0, &unknown, "what is not there");
        add(&mut s, version, id, producer, 1, &in_topic("transactions-first"), "an epoch of the future");
        add(&mut s, version, "nobody", producer, 0, &in_topic("transactions-first"), "an unknown id");
        add(&mut s, version, id, producer, 0, &in_topic("transactions-first"), "the first");
        add(&mut s, version, id, producer, 0, &in_topic("transactions-first"), "again");
        describe(&mut s, id);
        produce(&mut s, 9, &json!(id), who, ("transactions-first", 0), 0);
        let offset = 2 * i64::from(version);
        look(&mut s, "transactions-first", offset + 1);
        end(&mut s, version, id, (producer, 1), true, "an epoch of the future");
        end(&mut s, version, "nobody", who, true, "an unknown id");
        end(&mut s, version, id, who, version % 2 == 0, "the end");
        end_at_last(&mut s, version, id, who, version % 2 == 0);
        end(&mut s, version, id, who, version % 2 == 1, "the other end");
        look(&mut s, "transactions-first", offset + 2);
        describe(&mut s, id);
    }
    s
}

pub(in crate::diff) fn second() -> Scenario {
    let mut s = Scenario::new("transactions-second");
    let (topic, id) = ("transactions-second", "transactions-second");
    s.topic(topic, 2);
    settle(&mut s, id);
    init(&mut s, 5, id, "second");
    end(&mut s, 5, id, ("$second", 0), true, "a commit of nothing");
    for epoch in 0..4 {
        let who = ("$second", epoch);
        produce(&mut s, 12, &json!(id), who, (topic, 0), 0);
        produce(&mut s, 12, &json!(id), who, (topic, 1), 0);
        produce(&mut s, 12, &json!(id), who, (topic, 0), 1);
        describe(&mut s, id);
        end(&mut s, 5, id, who, epoch % 2 == 0, "the end");
        end_at_last(&mut s, 5, id, who, epoch % 2 == 0);
        end(&mut s, 5, id, who, epoch % 2 == 1, "the other end, too late");
        produce(&mut s, 12, &json!(id), who, (topic, 0), 2);
        look(&mut s, topic, 3 * i64::from(epoch) + 4);
    }
    end_at_last(&mut s, 5, id, ("$second", 4), false);
    describe(&mut s, id);
    if let Some(step) = s.steps.last_mut() {
        // Apache Kafka writes its markers behind the answer.
        step.until("transaction_states[0].transaction_state", "CompleteAbort");
    }
    s
}

pub(in crate::diff) fn refused() -> Scenario {
    let mut s = Scenario::new("transactions-refused");
    let (topic, id) = ("transactions-refused", "transactions-refused");
    s.topic(topic, 2);
    settle(&mut s, id);
    for version in ApiKey::InitProducerId.versions() {
        for timeout in [0, -1, i32::MAX] {
            let body = json!({ "transactional_id": id, "transaction_timeout_ms": timeout });
            s.call(ApiKey::InitProducerId, version, body).about(&format!("timeout {timeout}"));
        }
    }
    init(&mut s, 4, id, "refused");
    let who = ("$refused", 0);
    for version in [9, 11] {
        produce(&mut s, version, &json!(id), who, (topic, 0), 0);
        produce(&mut s, version, &Value::Null, who, (topic, 0), 0);
        produce(&mut s, version, &json!("nobody"), who, (topic, 0), 0);
    }
    for version in [0, 3, 4] {
        end(&mut s, version, id, who, true, "nothing began");
        end(&mut s, version, "", who, true, "no id");
    }
    for (id_of, epoch) in [("$refused", 0), ("$refused", 5)] {
        let body = json!({
            "transactional_id": id, "transaction_timeout_ms": 60_000, "producer_id": id_of, "producer_epoch": epoch,
        });
        s.call(ApiKey::InitProducerId, 4, body).about("goes on, or does not");
    }
    for version in ApiKey::ListTransactions.versions() {
        let mut body = json!({ "state_filters": ["Odd"], "producer_id_filters": [] });
        s.call(ApiKey::ListTransactions, version, body.clone()).about("a state that is none");
        body["state_filters"] = json!([]);
        body["producer_id_filters"] = json!(["$refused"]);
        s.call(ApiKey::ListTransactions, version, body.clone()).about("by producer");
        if version >= 2 {
            for pattern in ["transactions-refuse.", "transactions-refuse", "(", ""] {
                body["transactional_id_pattern"] = json!(pattern);
                s.call(ApiKey::ListTransactions, version, body.clone()).about(pattern);
            }
        }
    }
    let topics =
        json!([{ "name": topic, "partition_indexes": [0, 9] }, { "name": "nowhere", "partition_indexes": [0] }]);
    s.call(ApiKey::DescribeProducers, 0, json!({ "topics": topics }));
    s.call(ApiKey::DescribeTransactions, 0, json!({ "transactional_ids": ["nobody", ""] }));
    s
}

pub(in crate::diff) fn offsets() -> Scenario {
    let mut s = Scenario::new("transactions-offsets");
    let (topic, group) = ("transactions-offsets", "transactions-offsets");
    s.topic(topic, 1);
    s.settle_coordinator(group);
    settle(&mut s, topic);
    for version in ApiKey::TxnOffsetCommit.versions() {
        let (id, name) = (&format!("transactions-offsets-{version}"), &format!("offsets-{version}"));
        let producer = &format!("${name}");
        init(&mut s, 4, id, name);
        let commit = |partition: i32, offset: i64| {
            let partitions =
                json!([{ "partition_index": partition, "committed_offset": offset, "committed_metadata": "m" }]);
            json!({
                "transactional_id": id, "group_id": group, "producer_id": producer, "producer_epoch": 0,
                "topics": [{ "name": topic, "partitions": partitions }],
            })
        };
        if version < 5 {
            let body = json!({
                "transactional_id": id, "producer_id": producer, "producer_epoch": 0, "group_id": group,
            });
            s.call(ApiKey::AddOffsetsToTxn, version.min(4), body);
        }
        s.call(ApiKey::TxnOffsetCommit, version, commit(0, 7 + i64::from(version)));
        s.call(ApiKey::TxnOffsetCommit, version, commit(9, 7)).about("a partition that is not there");
        for stable in [true, false] {
            let topics = json!([{ "name": topic, "partition_indexes": [0] }]);
            let body = json!({ "groups": [{ "group_id": group, "topics": topics }], "require_stable": stable });
            s.call(ApiKey::OffsetFetch, 8, body).about(&format!("stable {stable}"));
        }
        end(&mut s, version.min(5), id, (producer, 0), version % 2 == 0, "the end");
        end_at_last(&mut s, version.min(5), id, (producer, 0), version % 2 == 0);
        let topics = json!([{ "name": topic, "partition_indexes": [0] }]);
        let body = json!({ "groups": [{ "group_id": group, "topics": topics }], "require_stable": true });
        s.call(ApiKey::OffsetFetch, 8, body).until("groups[0].topics[0].partitions[0].error_code", 0).about("after it");
    }
    s
}
