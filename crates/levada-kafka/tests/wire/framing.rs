//! Frames, pipelining and hostile clients, on the one API that needs no data.

use crate::client::{Client, TestServer};
use levada_kafka::ServerConfig;
use levada_protocol::{
    ApiKey, Decoder, ErrorCode, Message, RequestHeader,
    messages::{ApiVersionsRequest, ApiVersionsResponse, api_versions_response::ApiVersion},
};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

fn hello() -> ApiVersionsRequest {
    ApiVersionsRequest { client_software_name: "test".into(), client_software_version: "1.0".into() }
}

fn row(response: &ApiVersionsResponse, key: ApiKey) -> Option<&ApiVersion> {
    response.api_keys.iter().find(|row| row.api_key == key.code())
}

/// A client that must go on working whatever others do.
async fn assert_serves(server: &TestServer) {
    let response = server.client().await.call(4, &hello()).await;
    assert_eq!(response.error_code, 0);
}

#[tokio::test]
async fn every_version_of_api_versions_is_answered() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    for version in 0..=4 {
        let response = client.call(version, &hello()).await;
        assert_eq!(response.error_code, 0, "version {version}");
        let own = row(&response, ApiKey::ApiVersions).unwrap();
        assert_eq!((own.min_version, own.max_version), (0, 4));
        // Before version 4 nobody can read a feature that is supported from level 0 (KAFKA-17492).
        let counts = [(0, 0), (0, 0), (0, 0), (3, 1), (3, 3)][usize::try_from(version).unwrap()];
        let shown = (response.finalized_features.len(), response.supported_features.len());
        assert_eq!(shown, counts, "version {version}");
    }
    assert_eq!(server.stop().await, 0);
}

#[tokio::test]
async fn an_unknown_version_of_api_versions_gets_a_v0_body_with_error_35() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    // Version 77 of the header and body as a client of the future would write them.
    let frame: &[u8] = &[0, 0, 0, 14, 0, 18, 0, 77, 0, 0, 0, 9, 0, 2, b'm', b'e', 0, 9];
    client.stream.write_all(frame).await.unwrap();
    let mut decoder = Decoder::new(client.frame_in().await.unwrap());
    let header = levada_protocol::ResponseHeader::decode(&mut decoder, ApiKey::ApiVersions, 0).unwrap();
    let response = ApiVersionsResponse::decode(&mut decoder, 0).unwrap();
    assert_eq!((header.correlation_id, decoder.remaining()), (9, 0));
    assert_eq!(response.error_code, ErrorCode::UnsupportedVersion.code());
    let own = row(&response, ApiKey::ApiVersions).unwrap();
    assert_eq!((own.min_version, own.max_version), (0, 4));
    assert_eq!(client.call(3, &hello()).await.error_code, 0, "the connection goes on");
}

#[tokio::test]
async fn an_illegal_software_name_is_an_invalid_request() {
    let server = TestServer::start().await;
    let request = ApiVersionsRequest { client_software_name: "-rude-".into(), ..hello() };
    let response = server.client().await.call(3, &request).await;
    assert_eq!(response.error_code, ErrorCode::InvalidRequest.code());
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    let mut frames = Vec::new();
    for _ in 0..1_000 {
        frames.extend_from_slice(&client.frame(3, &hello()).1);
    }
    client.stream.write_all(&frames).await.unwrap();
    for expected in 1..=1_000 {
        let (id, _) = client.receive::<ApiVersionsRequest>(3).await;
        assert_eq!(id, expected);
    }
}

#[tokio::test]
async fn a_frame_may_arrive_byte_by_byte() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    let (id, frame) = client.frame(3, &hello());
    for byte in frame {
        client.stream.write_all(&[byte]).await.unwrap();
        client.stream.flush().await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(client.receive::<ApiVersionsRequest>(3).await.0, id);
}

#[tokio::test]
async fn impossible_lengths_close_the_connection() {
    let server = TestServer::start().await;
    for length in [-1, 0, i32::MIN, i32::MAX, (100 << 20) + 1] {
        let mut client = server.client().await;
        client.stream.write_i32(length).await.unwrap();
        assert!(client.is_closed().await, "length {length}");
    }
    for greeting in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]] {
        let mut client = server.client().await;
        client.stream.write_all(greeting).await.unwrap();
        assert!(client.is_closed().await);
    }
    assert_serves(&server).await;
}

#[tokio::test]
async fn unknown_apis_and_versions_close_the_connection() {
    let server = TestServer::start().await;
    for (api_key, api_version) in [(-1, 0), (999, 0), (i16::MAX, i16::MAX), (4, 0), (3, 99), (0, 2), (1, -1)] {
        let mut client = server.client().await;
        let header = RequestHeader { api_key, api_version, correlation_id: 1, client_id: None };
        let mut encoder = levada_protocol::Encoder::new();
        header.encode(&mut encoder).unwrap();
        let body = encoder.into_bytes();
        client.stream.write_i32(i32::try_from(body.len()).unwrap()).await.unwrap();
        client.stream.write_all(&body).await.unwrap();
        assert!(client.is_closed().await, "key {api_key} version {api_version}");
    }
    assert_serves(&server).await;
}

#[tokio::test]
async fn malformed_requests_close_the_connection() {
    let server = TestServer::start().await;
    let bodies: [&[u8]; 5] = [
        // One byte: not even a key.
        &[0],
        // A client id longer than the frame.
        &[0, 18, 0, 0, 0, 0, 0, 1, 0x7f, 0xff],
        // ApiVersions v3 with 2^31 tagged fields.
        &[0, 18, 0, 3, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0xff, 0xff, 0xff, 0xff, 0x07],
        // A software name that is not UTF-8.
        &[0, 18, 0, 3, 0, 0, 0, 1, 0, 0, 0, 3, 0xff, 0xfe, 1, 0],
        // A varint that never ends.
        &[0, 18, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ];
    for body in bodies {
        let mut client = server.client().await;
        client.stream.write_i32(i32::try_from(body.len()).unwrap()).await.unwrap();
        client.stream.write_all(body).await.unwrap();
        assert!(client.is_closed().await, "{body:?}");
    }
    assert_serves(&server).await;
}

#[tokio::test]
async fn lengths_without_bytes_cost_no_memory_and_no_one() {
    let config = ServerConfig { request_memory_size_max: 64 << 10, ..ServerConfig::default() };
    let server = TestServer::with(config).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        let mut client = server.client().await;
        client.stream.write_i32(100 << 20).await.unwrap();
        silent.push(client);
    }
    assert_serves(&server).await;
}

#[tokio::test]
async fn half_sent_requests_that_take_all_memory_leave_others_working() {
    let config = ServerConfig { request_memory_size_max: 256 << 10, ..ServerConfig::default() };
    let server = TestServer::with(config).await;
    let mut greedy = Vec::new();
    for _ in 0..8 {
        let mut client = server.client().await;
        client.stream.write_i32(1 << 20).await.unwrap();
        client.stream.write_all(&[0; 200 << 10]).await.unwrap();
        greedy.push(client);
    }
    assert_serves(&server).await;
    // None of them has enough to go on with the others; all finish on the overdraft in turn, and are rubbish.
    let mut finishing = tokio::task::JoinSet::new();
    for mut client in greedy {
        finishing.spawn(async move {
            client.stream.write_all(&vec![0; 824 << 10]).await.unwrap();
            client.is_closed().await
        });
    }
    assert!(finishing.join_all().await.into_iter().all(|closed| closed));
    assert_serves(&server).await;
}

#[tokio::test]
async fn silent_requests_that_hold_memory_give_way_to_one_that_arrives() {
    let config = ServerConfig { request_memory_size_max: 256 << 10, ..ServerConfig::default() };
    let server = TestServer::with(config).await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        let mut client = server.client().await;
        client.stream.write_i32(1 << 20).await.unwrap();
        client.stream.write_all(&[0; 200 << 10]).await.unwrap();
        silent.push(client);
    }
    let mut large = server.client().await;
    large.stream.write_i32(1 << 20).await.unwrap();
    large.stream.write_all(&vec![0; 1 << 20]).await.unwrap();
    assert!(large.is_closed().await, "its bytes came through, and were rubbish");
}

#[tokio::test]
async fn a_client_that_reads_nothing_does_not_hold_up_others() {
    let server = TestServer::start().await;
    let mut deaf = server.client().await;
    let (_, frame) = deaf.frame(3, &hello());
    let flood = frame.repeat(1_000_000);
    // It stops taking them when its answers are not taken.
    let taken = tokio::time::timeout(Duration::from_secs(2), deaf.stream.write_all(&flood)).await;
    assert!(taken.is_err(), "the flood is larger than what is read ahead and buffered");
    assert_serves(&server).await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed() {
    let server = TestServer::with(ServerConfig { connection_count_max: 2, ..ServerConfig::default() }).await;
    let mut first = server.client().await;
    first.call(3, &hello()).await;
    let mut second = server.client().await;
    second.call(3, &hello()).await;
    assert!(server.client().await.is_closed().await);
    drop(first);
    // The place is free again as soon as the server has seen the end.
    let mut served = false;
    for _ in 0..100 {
        let mut next = Client::connect(server.address).await;
        next.send(3, &hello()).await;
        served = next.frame_in().await.is_some();
        if served {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(served);
}

#[tokio::test]
async fn idle_connections_are_closed() {
    let config = ServerConfig { connection_idle_max: Duration::from_millis(50), ..ServerConfig::default() };
    let server = TestServer::with(config).await;
    let mut client = server.client().await;
    assert_eq!(client.call(3, &hello()).await.error_code, 0);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_storm_of_connections_passes() {
    let server = TestServer::start().await;
    for round in 0..500 {
        let mut client = server.client().await;
        if round % 3 == 0 {
            client.send(3, &hello()).await;
        }
    }
    assert_serves(&server).await;
    assert_eq!(server.stop().await, 0, "no connection outlives the stop");
}

#[tokio::test]
async fn what_is_served_is_counted() {
    let server = TestServer::start().await;
    server.client().await.call(3, &hello()).await;
    let mut text = String::new();
    server.metrics.render(&mut text).unwrap();
    assert!(text.contains("kafka_network_requestmetrics_requests_total{request=\"ApiVersions\"} 1"), "{text}");
}
