//! Quotas over the wire: the answer says for how long, and the connection is muted for so long.

use crate::{
    batches,
    client::{Client, TestServer},
    requests,
};
use levada_protocol::{
    ErrorCode,
    messages::{
        AlterClientQuotasRequest, ApiVersionsRequest, CreateTopicsRequest, FetchRequest,
        alter_client_quotas_request::{EntityData, EntryData, OpData},
        create_topics_request::CreatableTopic,
    },
};
use std::time::{Duration, Instant};

/// Sets a quota of an entity.
async fn set(client: &mut Client, entity: (&str, Option<&str>), key: &str, value: f64) {
    let entity = EntityData { entity_type: entity.0.into(), entity_name: entity.1.map(Into::into) };
    let entry = EntryData { entity: vec![entity], ops: vec![OpData { key: key.into(), value, remove: false }] };
    let request = AlterClientQuotasRequest { entries: vec![entry], validate_only: false };
    let response = client.call(1, &request).await;
    assert_eq!(response.entries[0].error_code, 0, "{response:?}");
}

#[allow(clippy::disallowed_methods, reason = "the harness of a test")]
fn now() -> Instant {
    Instant::now()
}

#[tokio::test]
async fn who_sends_too_much_is_answered_and_then_muted() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    client.create_topic("orders", 1).await;
    let batch = batches::batch(&[&"x".repeat(2_000)]);
    // Ten seconds' worth at once is let through; two batches are half a second more.
    let rate = f64::from(u32::try_from(2 * batch.len()).unwrap()) / 10.5;
    set(&mut client, ("client-id", Some("test")), "producer_byte_rate", rate.floor()).await;
    let first = client.call(9, &requests::produce("orders", 0, batch.clone())).await;
    assert_eq!(first.throttle_time_ms, 0);
    let second = client.call(9, &requests::produce("orders", 0, batch)).await;
    assert_eq!(second.responses[0].partition_responses[0].error_code, 0, "it is taken all the same");
    assert!((300..=900).contains(&second.throttle_time_ms), "{}", second.throttle_time_ms);
    let muted = now();
    client.call(0, &ApiVersionsRequest::default()).await;
    assert!(muted.elapsed() >= Duration::from_millis(250), "{:?}", muted.elapsed());
    // Others are not muted.
    let mut other = server.client().await;
    let begun = now();
    other.call(0, &ApiVersionsRequest::default()).await;
    assert!(begun.elapsed() < Duration::from_millis(250), "{:?}", begun.elapsed());
    server.stop().await;
}

#[tokio::test]
async fn who_fetches_too_much_is_answered_without_records_and_then_muted() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    client.create_topic("orders", 1).await;
    let batch = batches::batch(&[&"x".repeat(2_000)]);
    client.produce("orders", 0, batch.clone()).await;
    // Ten seconds' worth at once is let through, which one batch is, and two are half a second more.
    let rate = f64::from(u32::try_from(2 * batch.len()).unwrap()) / 10.5;
    set(&mut client, ("client-id", Some("test")), "consumer_byte_rate", rate.floor()).await;
    let first = client.call(12, &FetchRequest { session_epoch: 0, ..requests::fetch("orders", 0, 0) }).await;
    assert_eq!((first.throttle_time_ms, requests::only(&first).records.len()), (0, batch.len()));
    assert_ne!(first.session_id, 0);
    let again = FetchRequest { session_id: first.session_id, session_epoch: 1, ..requests::fetch("orders", 0, 0) };
    let second = client.call(12, &again).await;
    assert!((300..=900).contains(&second.throttle_time_ms), "{}", second.throttle_time_ms);
    assert_eq!((second.error_code, second.session_id, second.responses.len()), (0, first.session_id, 0), "nothing");
    let muted = now();
    client.call(0, &ApiVersionsRequest::default()).await;
    assert!(muted.elapsed() >= Duration::from_millis(250), "{:?}", muted.elapsed());
    // Without a session, and where one is only begun, there is none afterwards.
    for session_epoch in [-1, 0] {
        let mut other = server.client().await;
        let third = other.call(12, &FetchRequest { session_epoch, ..requests::fetch("orders", 0, 0) }).await;
        assert_eq!((third.error_code, third.session_id, third.responses.len()), (0, 0, 0));
        assert!(third.throttle_time_ms > 0);
    }
    // The session goes on where it was, once there is room.
    set(&mut client, ("client-id", Some("test")), "consumer_byte_rate", 1e9).await;
    let on = FetchRequest { session_id: first.session_id, session_epoch: 2, topics: Vec::new(), ..again };
    let fourth = client.call(12, &on).await;
    assert_eq!((fourth.throttle_time_ms, requests::only(&fourth).records.len()), (0, batch.len()));
    server.stop().await;
}

#[tokio::test]
async fn who_creates_too_many_topics_is_refused_from_the_version_that_understands_it() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    set(&mut client, ("user", None), "controller_mutation_rate", 1.0).await;
    let create = |name: &str, partitions: i32| {
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: 1,
            ..Default::default()
        };
        CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() }
    };
    let first = client.call(7, &create("a", 11)).await;
    assert_eq!((first.topics[0].error_code, first.throttle_time_ms > 0), (0, true));
    let mut client = server.client().await;
    let second = client.call(7, &create("b", 1)).await;
    assert_eq!(second.topics[0].error_code, ErrorCode::ThrottlingQuotaExceeded.code());
    let mut client = server.client().await;
    let third = client.call(5, &create("b", 1)).await;
    assert_eq!((third.topics[0].error_code, third.throttle_time_ms > 0), (0, true), "muted, not refused");
    server.stop().await;
}

#[tokio::test]
async fn an_address_that_connects_too_often_waits() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    set(&mut client, ("ip", None), "connection_creation_rate", 1.0).await;
    // Ten are let through at once; the twelfth waits for two seconds.
    let mut connections = Vec::new();
    for _ in 0..11 {
        connections.push(server.client().await);
    }
    let begun = now();
    let mut last = connections.pop().unwrap();
    last.call(0, &ApiVersionsRequest::default()).await;
    assert!(begun.elapsed() >= Duration::from_millis(500), "{:?}", begun.elapsed());
    server.stop().await;
}
