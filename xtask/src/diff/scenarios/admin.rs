//! What one node says where clusters of many have something to do: quorum, features, elections, reassignments.

use levada_protocol::ApiKey;
use serde_json::{Value, json};

use crate::diff::script::Scenario;

const TOPIC: &str = "admin";
const UNKNOWN: &str = "admin-unknown";

pub(in crate::diff) fn one_node() -> Scenario {
    let mut s = Scenario::new("admin-one-node");
    s.topic(TOPIC, 2);
    quorum(&mut s);
    features(&mut s);
    elections(&mut s);
    reassignments(&mut s);
    for version in ApiKey::AlterReplicaLogDirs.versions() {
        for (path, topic, index) in [
            ("relative", TOPIC, 0),
            ("/no/such/folder", TOPIC, 0),
            ("/no/such/folder", TOPIC, 9),
            ("/no/such/folder", UNKNOWN, 0),
            ("", TOPIC, 0),
        ] {
            let topics = json!([{ "name": topic, "partitions": [index] }]);
            let body = json!({ "dirs": [{ "path": path, "topics": topics }] });
            s.call(ApiKey::AlterReplicaLogDirs, version, body).about(&format!("`{path}` {topic} {index}"));
        }
        s.call(ApiKey::AlterReplicaLogDirs, version, json!({})).about("nothing");
    }
    for broker in [7, -1, i32::MAX] {
        s.call(ApiKey::UnregisterBroker, 0, json!({ "broker_id": broker })).about(&format!("broker {broker}"));
    }
    s
}

fn quorum(s: &mut Scenario) {
    for version in ApiKey::DescribeQuorum.versions() {
        for (topic, index) in [("__cluster_metadata", 0), ("__cluster_metadata", 1), (TOPIC, 0), ("", 0)] {
            let topics = json!([{ "topic_name": topic, "partitions": [{ "partition_index": index }] }]);
            s.call(ApiKey::DescribeQuorum, version, json!({ "topics": topics })).about(&format!("`{topic}` {index}"));
        }
        s.call(ApiKey::DescribeQuorum, version, json!({})).about("nothing");
    }
}

fn features(s: &mut Scenario) {
    for version in ApiKey::UpdateFeatures.versions() {
        let mut ask = |feature: &str, level: i16, kind: i8, validate_only: bool| {
            let mut update = json!({ "feature": feature, "max_version_level": level });
            if version == 0 {
                update["allow_downgrade"] = json!(kind > 1);
            } else {
                update["upgrade_type"] = json!(kind);
            }
            let body = json!({ "timeout_ms": 10_000, "feature_updates": [update], "validate_only": validate_only });
            s.call(ApiKey::UpdateFeatures, version, body).about(&format!("{feature} {level}, type {kind}"));
        };
        for kind in [0, 1, 2, 3, 4] {
            ask("no.such.feature", 1, kind, version >= 1);
            ask("metadata.version", 99, kind, version >= 1);
            ask("metadata.version", 0, kind, version >= 1);
        }
        ask("", 1, 1, version >= 1);
        ask("metadata.version", -1, 1, version >= 1);
        s.call(ApiKey::UpdateFeatures, version, json!({ "timeout_ms": 10_000 })).about("nothing");
    }
}

fn elections(s: &mut Scenario) {
    for version in ApiKey::ElectLeaders.versions() {
        for kind in [0, 1, 2, -1] {
            for (topic, index) in [(TOPIC, 0), (TOPIC, 9), (UNKNOWN, 0)] {
                let topics = json!([{ "topic": topic, "partitions": [index] }]);
                let mut body = json!({ "topic_partitions": topics, "timeout_ms": 10_000 });
                if version >= 1 {
                    body["election_type"] = json!(kind);
                }
                s.call(ApiKey::ElectLeaders, version, body).about(&format!("type {kind}, {topic} {index}"));
            }
        }
        s.call(ApiKey::ElectLeaders, version, json!({ "topic_partitions": null, "timeout_ms": 10_000 })).about("all");
        s.call(ApiKey::ElectLeaders, version, json!({ "topic_partitions": [], "timeout_ms": 10_000 })).about("none");
    }
}

fn reassignments(s: &mut Scenario) {
    for version in ApiKey::AlterPartitionReassignments.versions() {
        for replicas in [json!([1]), json!([2]), json!([1, 2]), json!([1, 1]), json!([]), json!([-1]), Value::Null] {
            for (topic, index) in [(TOPIC, 0), (TOPIC, 9), (UNKNOWN, 0)] {
                let partitions = json!([{ "partition_index": index, "replicas": replicas }]);
                let topics = json!([{ "name": topic, "partitions": partitions }]);
                let mut body = json!({ "timeout_ms": 10_000, "topics": topics });
                let about = format!("{topic} {index} to {replicas}");
                s.call(ApiKey::AlterPartitionReassignments, version, body.clone()).about(&about);
                if version >= 1 {
                    body["allow_replication_factor_change"] = json!(false);
                    s.call(ApiKey::AlterPartitionReassignments, version, body).about(&about);
                }
            }
        }
        s.call(ApiKey::AlterPartitionReassignments, version, json!({ "timeout_ms": 10_000 })).about("nothing");
    }
    for topics in [
        Value::Null,
        json!([]),
        json!([{ "name": TOPIC, "partition_indexes": [0, 9] }]),
        json!([{ "name": UNKNOWN, "partition_indexes": [0] }]),
    ] {
        let body = json!({ "timeout_ms": 10_000, "topics": topics });
        s.call(ApiKey::ListPartitionReassignments, 0, body).about(&topics.to_string());
    }
}

/// An entity by its parts.
fn entity(parts: &[(&str, Option<&str>)]) -> Value {
    parts.iter().map(|(kind, name)| json!({ "entity_type": kind, "entity_name": name })).collect()
}

pub(in crate::diff) fn quotas() -> Scenario {
    let mut s = Scenario::new("admin-quotas");
    let (user, client, ip) = ("user", "client-id", "ip");
    let entities = [
        entity(&[(user, Some("u"))]),
        entity(&[(user, None)]),
        entity(&[(client, Some("c"))]),
        entity(&[(client, None)]),
        entity(&[(user, Some("u")), (client, Some("c"))]),
        entity(&[(user, None), (client, None)]),
        entity(&[(user, Some("u")), (client, None)]),
        entity(&[(ip, Some("127.0.0.9"))]),
        entity(&[(ip, None)]),
        entity(&[(ip, Some("127.0.0.9")), (user, Some("u"))]),
        entity(&[("group", Some("g"))]),
        entity(&[(user, Some(""))]),
        entity(&[]),
        entity(&[(user, Some("u")), (user, Some("u"))]),
    ];
    let keys =
        ["producer_byte_rate", "request_percentage", "controller_mutation_rate", "connection_creation_rate", "odd"];
    for version in ApiKey::AlterClientQuotas.versions() {
        for entity in &entities {
            let mut ask = |ops: Value, validate_only: bool| {
                let entries = json!([{ "entity": entity, "ops": ops }]);
                let body = json!({ "entries": entries, "validate_only": validate_only });
                s.call(ApiKey::AlterClientQuotas, version, body).about(&format!("{entity} {ops}"));
            };
            for key in keys {
                ask(json!([{ "key": key, "value": 1e9 }]), true);
            }
            for value in [0.0, -1.0, 1.5, 1e300] {
                ask(json!([{ "key": "producer_byte_rate", "value": value }]), true);
                ask(json!([{ "key": "connection_creation_rate", "value": value }]), true);
            }
            ask(json!([{ "key": "odd", "value": 0.0, "remove": true }]), true);
            ask(json!([]), true);
            ask(
                json!([{ "key": "consumer_byte_rate", "value": 1e9 }, { "key": "consumer_byte_rate", "value": 2e9 }]),
                true,
            );
        }
    }
    for (index, entity) in entities.iter().take(9).enumerate() {
        let key = if index < 7 { "consumer_byte_rate" } else { "connection_creation_rate" };
        let ops = json!([{ "key": key, "value": 1e9 }]);
        s.call(ApiKey::AlterClientQuotas, 1, json!({ "entries": [{ "entity": entity, "ops": ops }] })).about("sets");
    }
    described_quotas(&mut s);
    for (index, entity) in entities.iter().take(9).enumerate() {
        let key = if index < 7 { "consumer_byte_rate" } else { "connection_creation_rate" };
        let ops = json!([{ "key": key, "value": 0.0, "remove": true }]);
        s.call(ApiKey::AlterClientQuotas, 1, json!({ "entries": [{ "entity": entity, "ops": ops }] })).about("removes");
    }
    let all = json!({ "components": [], "strict": false });
    s.call(ApiKey::DescribeClientQuotas, 1, all).until("entries", json!([])).about("waits until none is left");
    s
}

fn described_quotas(s: &mut Scenario) {
    let (user, client, ip) = ("user", "client-id", "ip");
    let component = |kind: &str, how: i8, name: Value| json!({ "entity_type": kind, "match_type": how, "match": name });
    let all = json!({ "components": [], "strict": false });
    s.call(ApiKey::DescribeClientQuotas, 1, all).until("entries[8].values[0].value", 1e9).about("waits for the last");
    for version in ApiKey::DescribeClientQuotas.versions() {
        for components in [
            json!([]),
            json!([component(user, 0, json!("u"))]),
            json!([component(user, 1, Value::Null)]),
            json!([component(user, 2, Value::Null)]),
            json!([component(client, 2, Value::Null)]),
            json!([component(user, 0, json!("u")), component(client, 0, json!("c"))]),
            json!([component(user, 2, Value::Null), component(client, 2, Value::Null)]),
            json!([component(ip, 2, Value::Null)]),
            json!([component(user, 0, json!("other"))]),
            json!([component(user, 3, Value::Null)]),
            json!([component(user, 0, Value::Null)]),
            json!([component(user, 1, json!("x"))]),
            json!([component("group", 0, json!("x"))]),
            json!([component("", 0, json!("x"))]),
            json!([component(user, 0, json!("u")), component(user, 0, json!("u"))]),
            json!([component(ip, 0, json!("127.0.0.9")), component(user, 0, json!("u"))]),
        ] {
            for strict in [true, false] {
                let body = json!({ "components": components, "strict": strict });
                s.call(ApiKey::DescribeClientQuotas, version, body).about(&format!("{components}, strict {strict}"));
            }
        }
    }
}

pub(in crate::diff) fn scram() -> Scenario {
    let mut s = Scenario::new("admin-scram");
    let describe = |s: &mut Scenario, users: Value| {
        s.call(ApiKey::DescribeUserScramCredentials, 0, json!({ "users": users })).about(&users.to_string());
    };
    describe(&mut s, Value::Null);
    let upsert = |name: &str, mechanism: i8, iterations: i32| json!({ "name": name, "mechanism": mechanism, "iterations": iterations, "salt": "salt", "salted_password": "x".repeat(32) });
    for (name, mechanism, iterations) in [
        ("scram-a", 1, 4096),
        ("scram-b", 2, 16_384),
        ("scram-a", 2, 5_000),
        ("scram-a", 1, 4_095),
        ("scram-a", 1, 16_385),
        ("scram-a", 0, 4_096),
        ("scram-a", 3, 4_096),
        ("", 1, 4_096),
    ] {
        let body = json!({ "upsertions": [upsert(name, mechanism, iterations)] });
        s.call(ApiKey::AlterUserScramCredentials, 0, body).about(&format!("`{name}` {mechanism} {iterations}"));
    }
    let twice = json!({ "upsertions": [upsert("scram-c", 1, 4_096), upsert("scram-c", 2, 4_096)] });
    s.call(ApiKey::AlterUserScramCredentials, 0, twice).about("a user twice");
    let both = json!({
        "deletions": [{ "name": "scram-a", "mechanism": 1 }], "upsertions": [upsert("scram-a", 1, 4_096), upsert("scram-d", 1, 4_096)],
    });
    s.call(ApiKey::AlterUserScramCredentials, 0, both).about("deleted and set");
    s.call(ApiKey::DescribeUserScramCredentials, 0, json!({ "users": [{ "name": "scram-d" }] }))
        .until("results[0].credential_infos[0].iterations", 4_096);
    for users in [
        Value::Null,
        json!([]),
        json!([{ "name": "scram-a" }, { "name": "scram-unknown" }]),
        json!([{ "name": "scram-a" }, { "name": "scram-a" }]),
        json!([{ "name": "" }]),
    ] {
        describe(&mut s, users);
    }
    for (name, mechanism) in [("scram-a", 1), ("scram-a", 1), ("scram-a", 0), ("scram-unknown", 1), ("", 1)] {
        let body = json!({ "deletions": [{ "name": name, "mechanism": mechanism }] });
        s.call(ApiKey::AlterUserScramCredentials, 0, body).about(&format!("deletes `{name}` {mechanism}"));
    }
    s
}
