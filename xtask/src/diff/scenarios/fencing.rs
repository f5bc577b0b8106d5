//! Transactional producers that were overtaken by another of their id, in both generations, and what only brokers ask.

use levada_protocol::ApiKey;
use serde_json::{Value, json};

use super::transactions::{add, describe, end, end_at_last, in_topic, init, look, produce, settle};
use crate::diff::script::Scenario;

/// Asks for the producer id again, as one who knows which it was or as one who does not, until no transaction of
/// before stands in the way.
fn init_again(s: &mut Scenario, version: i16, id: &str, (producer, epoch): (Value, i16), about: &str) {
    let body = json!({
        "transactional_id": id, "transaction_timeout_ms": 60_000, "producer_id": producer, "producer_epoch": epoch,
    });
    s.call(ApiKey::InitProducerId, version, body).about(about);
}

fn add_offsets(s: &mut Scenario, version: i16, id: &str, (producer, epoch): (&str, i16), about: &str) {
    let body =
        json!({ "transactional_id": id, "producer_id": producer, "producer_epoch": epoch, "group_id": "fencing" });
    s.call(ApiKey::AddOffsetsToTxn, version, body).about(about);
}

fn commit_offset(s: &mut Scenario, version: i16, id: &str, (producer, epoch): (&str, i16), about: &str) {
    let partitions = json!([{ "partition_index": 0, "committed_offset": 7 }]);
    let body = json!({
        "transactional_id": id, "group_id": "fencing", "producer_id": producer, "producer_epoch": epoch,
        "topics": [{ "name": "fencing", "partitions": partitions }],
    });
    s.call(ApiKey::TxnOffsetCommit, version, body).about(about);
}

pub(in crate::diff) fn first() -> Scenario {
    let mut s = Scenario::new("fencing-first");
    let (topic, id) = ("fencing", "fencing-first");
    s.topic(topic, 2);
    s.settle_coordinator("fencing");
    settle(&mut s, id);
    init(&mut s, 4, id, "fencing-first");
    let old = ("$fencing-first", 0);
    add(&mut s, 3, id, old.0, 0, &in_topic(topic), "begins");
    produce(&mut s, 9, &json!(id), old, (topic, 0), 0);
    s.call(ApiKey::InitProducerId, 4, json!({ "transactional_id": id, "transaction_timeout_ms": 60_000 }))
        .about("another one of this id")
        .until("error_code", 0)
        .bind("epoch", "producer_epoch");
    look(&mut s, topic, 2);
    describe(&mut s, id);
    let versions = ApiKey::Produce.versions().filter(|version| (9..=12).contains(version));
    for version in versions {
        produce(&mut s, version, &json!(id), old, (topic, 0), 1);
    }
    for version in 0..4 {
        add(&mut s, version, id, old.0, 0, &in_topic(topic), "was overtaken");
    }
    for version in ApiKey::AddOffsetsToTxn.versions() {
        add_offsets(&mut s, version, id, old, "was overtaken");
    }
    for version in ApiKey::TxnOffsetCommit.versions() {
        commit_offset(&mut s, version, id, old, "was overtaken");
    }
    for version in ApiKey::EndTxn.versions() {
        end(&mut s, version, id, old, true, "was overtaken");
    }
    for version in ApiKey::InitProducerId.versions().filter(|version| *version >= 3) {
        init_again(&mut s, version, id, (json!(old.0), 0), "was overtaken");
    }
    describe(&mut s, id);
    s
}

pub(in crate::diff) fn second() -> Scenario {
    let mut s = Scenario::new("fencing-second");
    let (topic, id) = ("fencing", "fencing-second");
    s.settle(topic, 2);
    settle(&mut s, id);
    init(&mut s, 5, id, "fencing-second");
    let producer = "$fencing-second";
    produce(&mut s, 12, &json!(id), (producer, 0), (topic, 1), 0);
    describe(&mut s, id);
    end(&mut s, 5, id, (producer, 0), true, "ends");
    end_at_last(&mut s, 5, id, (producer, 0), true);
    describe(&mut s, id);
    produce(&mut s, 12, &json!(id), (producer, 0), (topic, 1), 1);
    produce(&mut s, 12, &json!(id), (producer, 7), (topic, 1), 0);
    end(&mut s, 5, id, (producer, 7), true, "an epoch that is to be");
    add_offsets(&mut s, 4, id, (producer, 0), "an epoch that was");
    commit_offset(&mut s, 5, id, (producer, 0), "an epoch that was");
    commit_offset(&mut s, 5, id, (producer, 1), "in the transaction at once");
    describe(&mut s, id);
    end(&mut s, 5, id, (producer, 1), false, "aborts");
    end_at_last(&mut s, 5, id, (producer, 1), false);
    init_again(&mut s, 5, id, (json!(producer), 2), "goes on from its epoch");
    init_again(&mut s, 5, id, (json!(producer), 0), "an epoch that was");
    init_again(&mut s, 5, id, (json!(7_777), 2), "an id that is another's");
    describe(&mut s, id);
    s
}

/// What brokers ask each other: partitions of many transactions at once, and markers.
pub(in crate::diff) fn brokers() -> Scenario {
    let mut s = Scenario::new("fencing-brokers");
    let (topic, id) = ("fencing", "fencing-brokers");
    s.settle(topic, 2);
    settle(&mut s, id);
    init(&mut s, 4, id, "fencing-brokers");
    for version in 4..=5 {
        let one = |id: &str, epoch: i16, verify_only: bool, partitions: &Value| {
            json!({
                "transactional_id": id, "producer_id": "$fencing-brokers", "producer_epoch": epoch,
                "verify_only": verify_only, "topics": [{ "name": topic, "partitions": partitions }],
            })
        };
        // To no transactions at all Kafka never answers.
        for (about, transactions) in [
            ("verifies what is not there", json!([one(id, 0, true, &json!([0]))])),
            ("an epoch that is to be", json!([one(id, 3, false, &json!([0]))])),
            ("an unknown id", json!([one("nobody", 0, false, &json!([0]))])),
            ("an unknown partition", json!([one(id, 0, false, &json!([0, 9]))])),
            ("adds", json!([one(id, 0, false, &json!([0]))])),
            ("verifies what is there", json!([one(id, 0, true, &json!([0]))])),
            ("verifies one of two", json!([one(id, 0, true, &json!([0, 1]))])),
        ] {
            s.call(ApiKey::AddPartitionsToTxn, version, json!({ "transactions": transactions })).about(about);
        }
        end(&mut s, 4, id, ("$fencing-brokers", 0), true, "ends");
        end_at_last(&mut s, 4, id, ("$fencing-brokers", 0), true);
    }
    for version in ApiKey::WriteTxnMarkers.versions() {
        for (epoch, partitions) in [(0, json!([0])), (5, json!([0])), (5, json!([9])), (0, json!([]))] {
            let topics = json!([{ "name": topic, "partition_indexes": partitions }]);
            let marker = json!({
                "producer_id": "$fencing-brokers", "producer_epoch": epoch, "transaction_result": false,
                "topics": topics, "coordinator_epoch": 0,
            });
            s.call(ApiKey::WriteTxnMarkers, version, json!({ "markers": [marker] }))
                .about(&format!("epoch {epoch}, partitions {partitions}"));
        }
        s.call(ApiKey::WriteTxnMarkers, version, json!({ "markers": [] })).about("nothing");
    }
    s
}
