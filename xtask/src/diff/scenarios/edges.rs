//! Every API at the boundaries of its fields. A new API is one more family here.

use anyhow::Result;
use levada_protocol::ApiKey;
use serde_json::{Value, json};

use super::groups::join;
use crate::diff::boundaries::{Family, add};
use crate::diff::script::{Scenario, batch};
use crate::diff::wire::Wire;

const THEN: i64 = 1_700_000_000_000;
const TOPIC: &str = "edges";

/// The topic in both ways in which it can be named; a version takes the one that it has.
fn named(mut topic: Value) -> Value {
    topic["topic_id"] = json!("$edges");
    topic
}

pub(super) fn scenarios(wire: &Wire, seed: u64) -> Result<Vec<Scenario>> {
    Ok(vec![records(wire, seed)?, topics(wire, seed)?, groups(wire, seed)?, cluster(wire, seed)?])
}

fn prepared(name: &str) -> Scenario {
    let mut s = Scenario::new(name);
    let body = json!({ "topics": [{ "name": TOPIC, "num_partitions": 2, "replication_factor": 1 }] });
    s.call(ApiKey::CreateTopics, 7, body);
    s.settle(TOPIC, 2);
    s.call(ApiKey::Metadata, 12, json!({ "topics": [{ "name": TOPIC }] })).bind(TOPIC, "topics[0].topic_id");
    s.settle_coordinator("edges");
    s
}

fn records(wire: &Wire, seed: u64) -> Result<Scenario> {
    let mut s = prepared("edges-records");
    let produce = |_| {
        let topic = json!({ "name": TOPIC, "partition_data": [{ "index": 0, "records": [batch(1, THEN)] }] });
        json!({ "acks": 1, "timeout_ms": 1_000, "topic_data": [named(topic)] })
    };
    // A transactional id needs transactions; without acks there is no answer.
    let only = [
        ("acks", json!([-1, 2, -2, i16::MIN, i16::MAX])),
        ("transactional_id", json!([null])),
        // A partition twice: each batch is appended, by Kafka only the last.
        ("topic_data", json!([[]])),
        ("topic_data.partition_data", json!([[]])),
        ("topic_data.partition_data.records", json!(["", "odd", "hex:00000000000000000000"])),
    ];
    let family = Family { api: ApiKey::Produce, base: &produce, only: &only, except: &[], bind: &[] };
    add(&mut s, wire, &family, seed)?;
    let fetch = |_| {
        let partition = json!({ "partition": 0, "fetch_offset": 1, "partition_max_bytes": 1_000 });
        let topic = json!({ "topic": TOPIC, "partitions": [partition] });
        json!({ "max_wait_ms": 0, "min_bytes": 0, "max_bytes": 10_000, "topics": [named(topic)] })
    };
    // Who says that it is a follower is another protocol.
    let only = [
        ("max_wait_ms", json!([-1, 0, 1])),
        ("min_bytes", json!([-1, 0, 1])),
        ("replica_id", json!([])),
        ("session_id", json!([0, -1])),
        ("session_epoch", json!([-1])),
        // A partition twice: it is read twice, by Kafka once.
        ("topics", json!([[]])),
        ("topics.partitions", json!([[]])),
        // Negative sizes: at least one batch is sent, by Kafka an unexpected error.
        ("max_bytes", json!([0, 1, i32::MAX])),
        ("topics.partitions.partition_max_bytes", json!([0, 1, i32::MAX])),
        // What the epoch of now is, is each broker's own.
        ("topics.partitions.current_leader_epoch", json!([-1, -2, 99])),
        ("topics.partitions.last_fetched_epoch", json!([-1, 99])),
    ];
    add(&mut s, wire, &Family { api: ApiKey::Fetch, base: &fetch, only: &only, except: &[], bind: &[] }, seed)?;
    let list = |_| {
        let partition = json!({ "partition_index": 0, "timestamp": -1 });
        json!({ "replica_id": -1, "topics": [{ "name": TOPIC, "partitions": [partition] }] })
    };
    let only = [("replica_id", json!([-1])), ("topics.partitions.current_leader_epoch", json!([-1, -2, 99]))];
    add(&mut s, wire, &Family { api: ApiKey::ListOffsets, base: &list, only: &only, except: &[], bind: &[] }, seed)?;
    let epochs = |_| {
        let partition = json!({ "partition": 0, "leader_epoch": "$edges.epoch" });
        json!({ "topics": [{ "topic": TOPIC, "partitions": [partition] }] })
    };
    let only = [
        ("replica_id", json!([-1, -2])),
        ("topics.partitions.current_leader_epoch", json!([-1, -2, 99])),
        ("topics.partitions.leader_epoch", json!([i32::MIN, -2, -1, 99, i32::MAX])),
    ];
    add(
        &mut s,
        wire,
        &Family { api: ApiKey::OffsetForLeaderEpoch, base: &epochs, only: &only, except: &[], bind: &[] },
        seed,
    )?;
    let delete = |_| {
        let partitions = json!([{ "partition_index": 0, "offset": 0 }]);
        json!({ "topics": [{ "name": TOPIC, "partitions": partitions }], "timeout_ms": 1_000 })
    };
    let only = [("timeout_ms", json!([1_000]))];
    add(
        &mut s,
        wire,
        &Family { api: ApiKey::DeleteRecords, base: &delete, only: &only, except: &[], bind: &[] },
        seed,
    )?;
    Ok(s)
}

fn topics(wire: &Wire, seed: u64) -> Result<Scenario> {
    let mut s = prepared("edges-topics");
    let patient = [("timeout_ms", json!([10_000])), ("validate_only", json!([true]))];
    let create = |number| {
        let config = json!({ "name": "retention.ms", "value": "7" });
        let topic = json!({
            "name": format!("edges-create-{number}"), "num_partitions": 1, "replication_factor": 1, "configs": [config],
        });
        json!({ "topics": [topic], "timeout_ms": 10_000, "validate_only": true })
    };
    let few = json!([i32::MIN, -2, -1, 0, 1, 2]);
    let only = [&patient[..], &[("topics.num_partitions", few)]].concat();
    add(&mut s, wire, &Family { api: ApiKey::CreateTopics, base: &create, only: &only, except: &[], bind: &[] }, seed)?;
    let partitions = |_| {
        let topic = json!({ "name": TOPIC, "count": 3, "assignments": [{ "broker_ids": [1] }] });
        json!({ "topics": [topic], "timeout_ms": 10_000, "validate_only": true })
    };
    let only = [&patient[..], &[("topics.count", json!([i32::MIN, -1, 0, 1, 2, 3, 4]))]].concat();
    add(
        &mut s,
        wire,
        &Family { api: ApiKey::CreatePartitions, base: &partitions, only: &only, except: &[], bind: &[] },
        seed,
    )?;
    let delete =
        |_| json!({ "topics": [{ "name": "edges-unknown" }], "topic_names": ["edges-unknown"], "timeout_ms": 10_000 });
    // One name and one id at a time: what Kafka takes for whole is told in `topics-life`.
    let only = [("timeout_ms", json!([10_000])), ("topics.topic_id", json!([]))];
    add(&mut s, wire, &Family { api: ApiKey::DeleteTopics, base: &delete, only: &only, except: &[], bind: &[] }, seed)?;
    let metadata = |_| json!({ "topics": [{ "name": TOPIC }], "allow_auto_topic_creation": false });
    // All topics are another scenario's; a topic that is made by asking for it is nobody's.
    let names = json!(["", ".", "unknown", "o d/d\u{e9}", "x".repeat(250)]);
    let only = [
        ("topics", json!([])),
        ("topics.topic_id", json!([])),
        ("topics.name", names),
        ("allow_auto_topic_creation", json!([])),
    ];
    let family = Family { api: ApiKey::Metadata, base: &metadata, only: &only, except: &[0, 1, 2, 3], bind: &[] };
    add(&mut s, wire, &family, seed)?;
    let describe = |_| json!({ "topics": [{ "name": TOPIC }], "response_partition_limit": 10 });
    let family = Family {
        api: ApiKey::DescribeTopicPartitions,
        base: &describe,
        only: &[("topics", json!([])), ("topics.name", json!(["unknown", "."]))],
        except: &[],
        bind: &[],
    };
    add(&mut s, wire, &family, seed)?;
    settings(&mut s, wire, seed)?;
    Ok(s)
}

fn settings(s: &mut Scenario, wire: &Wire, seed: u64) -> Result<()> {
    let resource = |configs: Value| json!([{ "resource_type": 2, "resource_name": TOPIC, "configs": configs }]);
    let describe = |_| {
        let resource = json!({ "resource_type": 2, "resource_name": TOPIC, "configuration_keys": ["retention.ms"] });
        json!({ "resources": [resource] })
    };
    add(s, wire, &Family { api: ApiKey::DescribeConfigs, base: &describe, only: &[], except: &[], bind: &[] }, seed)?;
    let only = [("validate_only", json!([true]))];
    // To one resource twice Kafka never answers.
    let once = [&only[..], &[("resources", json!([[]]))]].concat();
    let alter = |_| {
        let configs = json!([{ "name": "retention.ms", "value": "7" }]);
        json!({ "resources": resource(configs), "validate_only": true })
    };
    add(s, wire, &Family { api: ApiKey::AlterConfigs, base: &alter, only: &once, except: &[], bind: &[] }, seed)?;
    let alter = |_| {
        let configs = json!([{ "name": "retention.ms", "config_operation": 0, "value": "7" }]);
        json!({ "resources": resource(configs), "validate_only": true })
    };
    add(
        s,
        wire,
        &Family { api: ApiKey::IncrementalAlterConfigs, base: &alter, only: &only, except: &[], bind: &[] },
        seed,
    )
}

fn groups(wire: &Wire, seed: u64) -> Result<Scenario> {
    let mut s = prepared("edges-groups");
    let joins = |number| join(&format!("edges-join-{number}"), "");
    // A join of a group with members waits for them; here every group is new, and named by its number.
    let only = [
        ("group_id", json!([""])),
        ("rebalance_timeout_ms", json!([-1, 0, 1, 60_000])),
        ("protocols.name", json!(["", "odd"])),
        // To one protocol twice Kafka never answers.
        ("protocols", json!([[]])),
    ];
    add(
        &mut s,
        wire,
        &Family { api: ApiKey::JoinGroup, base: &joins, only: &only, except: &[], bind: &[("member", "member_id")] },
        seed,
    )?;
    let syncs = |_| {
        let assignments = json!([{ "member_id": "m", "assignment": "x" }]);
        json!({
            "group_id": "edges", "generation_id": 1, "member_id": "m", "assignments": assignments,
            "protocol_type": "consumer", "protocol_name": "range",
        })
    };
    add(&mut s, wire, &Family { api: ApiKey::SyncGroup, base: &syncs, only: &[], except: &[], bind: &[] }, seed)?;
    let beats = |_| json!({ "group_id": "edges", "generation_id": 1, "member_id": "m" });
    add(&mut s, wire, &Family { api: ApiKey::Heartbeat, base: &beats, only: &[], except: &[], bind: &[] }, seed)?;
    let leaves = |_| json!({ "group_id": "edges", "member_id": "m", "members": [{ "member_id": "m" }] });
    add(&mut s, wire, &Family { api: ApiKey::LeaveGroup, base: &leaves, only: &[], except: &[], bind: &[] }, seed)?;
    offsets(&mut s, wire, seed)?;
    Ok(s)
}

fn offsets(s: &mut Scenario, wire: &Wire, seed: u64) -> Result<()> {
    let commits = |number| {
        let partition = json!({ "partition_index": 0, "committed_offset": 1, "committed_metadata": "m" });
        let topics = json!([named(json!({ "name": TOPIC, "partitions": [partition] }))]);
        json!({ "group_id": format!("edges-commit-{}", number % 3), "topics": topics })
    };
    // A committed offset expires by the wall clock when its retention is set.
    let only = [("retention_time_ms", json!([-1]))];
    add(s, wire, &Family { api: ApiKey::OffsetCommit, base: &commits, only: &only, except: &[], bind: &[] }, seed)?;
    let fetches = |number| {
        let group = format!("edges-commit-{}", number % 4);
        let topics = json!([named(json!({ "name": TOPIC, "partition_indexes": [0] }))]);
        let old = json!([{ "name": TOPIC, "partition_indexes": [0] }]);
        json!({ "group_id": group, "topics": old, "groups": [{ "group_id": group, "topics": topics }] })
    };
    add(s, wire, &Family { api: ApiKey::OffsetFetch, base: &fetches, only: &[], except: &[], bind: &[] }, seed)?;
    // A group whose last offset is deleted is remembered by Kafka until it starts again.
    let only = [("topics.partitions.partition_index", json!([i32::MIN, -1, 1, 2, i32::MAX]))];
    let deletes = |number| {
        let topics = json!([{ "name": TOPIC, "partitions": [{ "partition_index": 1 }] }]);
        json!({ "group_id": format!("edges-commit-{}", number % 4), "topics": topics })
    };
    add(s, wire, &Family { api: ApiKey::OffsetDelete, base: &deletes, only: &only, except: &[], bind: &[] }, seed)?;
    let describes = |_| json!({ "groups": ["edges-commit-1", "edges-unknown"] });
    add(s, wire, &Family { api: ApiKey::DescribeGroups, base: &describes, only: &[], except: &[], bind: &[] }, seed)?;
    let deletes = |number| json!({ "groups_names": [format!("edges-commit-{}", number % 9)] });
    add(s, wire, &Family { api: ApiKey::DeleteGroups, base: &deletes, only: &[], except: &[], bind: &[] }, seed)?;
    let finds = |_| json!({ "key": "edges", "coordinator_keys": ["edges"] });
    let only = [("key_type", json!([0, 3, -1, i8::MIN, i8::MAX]))];
    add(s, wire, &Family { api: ApiKey::FindCoordinator, base: &finds, only: &only, except: &[], bind: &[] }, seed)?;
    Ok(())
}

fn cluster(wire: &Wire, seed: u64) -> Result<Scenario> {
    let mut s = prepared("edges-cluster");
    let plain = |_| json!({});
    add(&mut s, wire, &Family { api: ApiKey::DescribeCluster, base: &plain, only: &[], except: &[], bind: &[] }, seed)?;
    let client = |_| json!({ "client_software_name": "judge", "client_software_version": "1.0" });
    add(&mut s, wire, &Family { api: ApiKey::ApiVersions, base: &client, only: &[], except: &[], bind: &[] }, seed)?;
    let dirs = |_| json!({ "topics": [{ "topic": TOPIC, "partitions": [0] }] });
    // What else is there is no business of this scenario.
    let only = [("topics", json!([[]]))];
    add(
        &mut s,
        wire,
        &Family { api: ApiKey::DescribeLogDirs, base: &dirs, only: &only, except: &[], bind: &[] },
        seed,
    )?;
    Ok(s)
}
