//! Topics whose records need schemas.

use super::{
    USER_1, USER_2,
    rig::{Rig, START_MS},
};
use bytes::Bytes;
use levada_broker::{
    ValidateOnly,
    auth::{Caller, Principal, op, res},
    produce::{Acks, ERRORS_MAX, ProduceError, ProduceOutcome, ProducePartition, ProduceTopic},
    topics::CreateTopic,
};
use levada_model::{
    Str,
    batch::Codec,
    record::{BatchBuilder, NewRecord, RecordHeader},
};
use serde_json::json;

const VALUES: (&str, &str) = ("confluent.value.schema.validation", "true");

fn caller() -> Caller {
    Caller { principal: Principal::anonymous(), client_id: "test".into(), client_host: "/127.0.0.1".into() }
}

async fn create(rig: &Rig, topic: &str, configs: &[(&str, &str)]) {
    let topic = CreateTopic {
        topic: rig.broker.authorize_create(&caller(), &Str::from(topic)).unwrap(),
        partitions: 1,
        replication_factor: 1,
        assignments: Vec::new(),
        configs: configs.iter().map(|&(name, value)| (name.into(), Some(value.into()))).collect(),
    };
    rig.broker.create_topics(vec![topic], ValidateOnly::No).await.pop().unwrap().unwrap();
}

async fn produce(rig: &Rig, topic: &str, batch: Bytes) -> ProduceOutcome {
    let grant = rig.broker.authorize::<op::Write, res::Topic>(&caller(), &Str::from(topic)).unwrap();
    let partitions = vec![ProducePartition { partition: 0, records: Some(batch) }];
    let produced = rig.broker.produce(Acks::All, None, vec![ProduceTopic { topic: grant, partitions }]);
    produced.await.pop().unwrap().pop().unwrap()
}

#[derive(Default)]
struct Sent<'a> {
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: Vec<RecordHeader>,
}

fn batch(codec: Codec, records: &[Sent<'_>]) -> Bytes {
    let mut builder = BatchBuilder::new();
    for Sent { key, value, headers } in records {
        builder.push(&NewRecord { timestamp: START_MS, key: *key, value: *value, headers });
    }
    let block = levada_compress::compress(codec, builder.records()).unwrap();
    builder.finish_with(codec, &block)
}

fn values(values: &[&[u8]]) -> Bytes {
    let records: Vec<_> = values.iter().map(|value| Sent { value: Some(value), ..Sent::default() }).collect();
    batch(Codec::None, &records)
}

/// Data behind the id of their schema.
fn with_id(id: i64, data: &[u8]) -> Vec<u8> {
    [[0].as_slice(), &u32::try_from(id).unwrap().to_be_bytes(), data].concat()
}

/// The records that were refused, and the first reason.
fn refused(outcome: ProduceOutcome) -> (Vec<i32>, String) {
    let why = format!("{outcome:?}");
    let records = match outcome {
        Err(ProduceError::InvalidRecords { records, .. }) => records,
        _ => Vec::new(),
    };
    assert!(!records.is_empty(), "{why}");
    let reason = records[0].1.clone();
    (records.into_iter().map(|(index, _)| index).collect(), reason)
}

#[tokio::test]
async fn a_topic_takes_records_whose_schema_is_registered_for_it() {
    let rig = Rig::new().await;
    create(&rig, "users", &[VALUES]).await;
    create(&rig, "free", &[]).await;
    let ours = rig.register("users-value", USER_1).await;
    let other = rig.register("orders-value", r#""string""#).await;
    let (good, foreign, unknown) = (with_id(ours, &[2]), with_id(other, &[0]), with_id(99, &[]));
    assert!(produce(&rig, "users", values(&[&good, &good])).await.is_ok());
    assert!(produce(&rig, "free", values(&[&foreign, b"anything"])).await.is_ok());

    let mixed = values(&[&good, &foreign, &good, &unknown, b"{}", b""]);
    let outcome = produce(&rig, "users", mixed).await;
    let message = outcome.as_ref().unwrap_err().to_string();
    let first = format!("schema {other} is not registered under subject `users-value`");
    assert_eq!(message, format!("4 of 6 records are refused; record 1: {first}"));
    let Err(ProduceError::InvalidRecords { records, .. }) = outcome else { panic!("{outcome:?}") };
    let none = "its value names no schema";
    let reasons = [(1, first.as_str()), (3, "schema 99 is not registered"), (4, none), (5, none)];
    assert_eq!(records.len(), reasons.len());
    for ((index, reason), (expected, beginning)) in records.iter().zip(reasons) {
        assert_eq!(*index, expected);
        assert!(reason.starts_with(beginning), "{reason}");
    }
    let appended = produce(&rig, "users", values(&[&good])).await.unwrap();
    assert_eq!(appended.base_offset, 2, "nothing of a refused batch was taken");
}

#[tokio::test]
async fn tombstones_and_missing_keys_pass_and_keys_are_looked_at_where_it_is_asked_for() {
    let rig = Rig::new().await;
    create(&rig, "users", &[VALUES, ("confluent.key.schema.validation", "true")]).await;
    let key = with_id(rig.register("users-key", r#""long""#).await, &[2]);
    let value = with_id(rig.register("users-value", USER_1).await, &[2]);
    for codec in Codec::ALL {
        let sound = [
            Sent { key: Some(&key), value: Some(&value), ..Sent::default() },
            Sent { key: Some(&key), ..Sent::default() },
            Sent { value: Some(&value), ..Sent::default() },
        ];
        assert!(produce(&rig, "users", batch(codec, &sound)).await.is_ok(), "{codec:?}");
        let swapped = [Sent { key: Some(&value), value: Some(&key), ..Sent::default() }];
        let (records, reason) = refused(produce(&rig, "users", batch(codec, &swapped)).await);
        assert_eq!((records, reason.contains("`users-key`")), (vec![0], true), "{reason}");
    }
}

#[tokio::test]
async fn a_guid_in_a_header_names_a_schema_too() {
    let rig = Rig::new().await;
    create(&rig, "users", &[VALUES]).await;
    rig.register("users-value", USER_1).await;
    let guid = rig.get("/subjects/users-value/versions/1").await.1["guid"].as_str().unwrap().to_owned();
    let guid = u128::from_str_radix(&guid.replace('-', ""), 16).unwrap().to_be_bytes();
    let named = |bytes: Vec<u8>| RecordHeader { key: "__value_schema_id".into(), value: Some(bytes.into()) };
    let sent = |header| [Sent { value: Some(&[2]), headers: vec![header], ..Sent::default() }];
    let good = sent(named([[1].as_slice(), &guid].concat()));
    assert!(produce(&rig, "users", batch(Codec::None, &good)).await.is_ok());
    let (_, reason) = refused(produce(&rig, "users", batch(Codec::None, &sent(named(vec![1; 17])))).await);
    assert_eq!(reason, "schema 01010101-0101-0101-0101-010101010101 is not registered");
    let (_, reason) = refused(produce(&rig, "users", batch(Codec::None, &sent(named(vec![1, 2])))).await);
    assert!(reason.contains("header"), "{reason}");
}

#[tokio::test]
async fn subjects_may_be_named_after_records() {
    const PROTO: &str = "syntax = \"proto3\"; package shop; message A { int32 id = 1; } message B { int32 id = 1; }";
    let rig = Rig::new().await;
    let strategy = |name| ("confluent.value.subject.name.strategy", name);
    create(&rig, "by-record", &[VALUES, strategy("io.confluent.kafka.serializers.subject.RecordNameStrategy")]).await;
    create(&rig, "by-both", &[VALUES, strategy("TopicRecordNameStrategy")]).await;
    let user = with_id(rig.register("User", USER_1).await, &[2]);
    assert!(produce(&rig, "by-record", values(&[&user])).await.is_ok());
    let (_, reason) = refused(produce(&rig, "by-both", values(&[&user])).await);
    assert!(reason.ends_with("under subject `by-both-User`"), "{reason}");
    rig.register("by-both-User", USER_1).await;
    assert!(produce(&rig, "by-both", values(&[&user])).await.is_ok());

    let body = json!({ "schema": PROTO, "schemaType": "PROTOBUF" });
    let (_, registered) = rig.ask("POST", "/subjects/shop.B/versions", Some(body)).await;
    let id = registered["id"].as_i64().unwrap();
    let (first, second) = (with_id(id, &[0, 8, 1]), with_id(id, &[2, 2, 8, 1]));
    let (records, reason) = refused(produce(&rig, "by-record", values(&[&second, &first, &second])).await);
    assert_eq!(records, [1], "one schema, and it depends on which of its messages a record is");
    assert!(reason.ends_with("under subject `shop.A`"), "{reason}");
}

#[tokio::test]
async fn payloads_are_looked_into_where_it_is_asked_for() {
    let rig = Rig::new().await;
    create(&rig, "users", &[VALUES, ("levada.value.schema.validation.mode", "payload")]).await;
    let id = rig.register("users-value", USER_2).await;
    let (good, bad) = (with_id(id, &[2, 2, b'x']), with_id(id, &[2]));
    assert!(produce(&rig, "users", values(&[&good])).await.is_ok());
    let (records, reason) = refused(produce(&rig, "users", values(&[&good, &bad])).await);
    assert_eq!(records, [1]);
    assert!(reason.starts_with("the value is not data of schema 1: "), "{reason}");
}

#[tokio::test]
async fn a_deleted_version_is_not_written_any_more_and_an_alias_is_followed() {
    let rig = Rig::new().await;
    create(&rig, "users", &[VALUES]).await;
    let id = rig.register("users-value", USER_1).await;
    let value = with_id(id, &[2]);
    assert_eq!(rig.ask("DELETE", "/subjects/users-value", None).await.0, 200);
    assert_eq!(refused(produce(&rig, "users", values(&[&value])).await).0, [0]);
    rig.register("people", USER_1).await;
    rig.ask("PUT", "/config/users-value", Some(json!({ "alias": "people" }))).await;
    assert!(produce(&rig, "users", values(&[&value])).await.is_ok());
}

#[tokio::test]
async fn of_many_refused_records_some_are_named_and_all_are_counted() {
    let rig = Rig::new().await;
    create(&rig, "users", &[VALUES]).await;
    let many: Vec<&[u8]> = vec![b"x"; 1_000];
    let Err(ProduceError::InvalidRecords { message, records }) = produce(&rig, "users", values(&many)).await else {
        panic!("refused")
    };
    assert_eq!(records.len(), ERRORS_MAX);
    assert!(message.starts_with("1000 of 1000 records are refused"), "{message}");
}

#[tokio::test]
async fn while_schemas_are_read_producers_are_told_to_come_again() {
    let rig = Rig::stuck();
    create(&rig, "users", &[VALUES]).await;
    create(&rig, "free", &[]).await;
    let value = with_id(1, &[2]);
    let told = produce(&rig, "users", values(&[&value])).await;
    assert!(matches!(told, Err(ProduceError::SchemasUnknown(_))), "{told:?}");
    assert!(produce(&rig, "free", values(&[&value])).await.is_ok(), "nobody else waits");
}
