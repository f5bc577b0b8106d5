//! Requests that decode and mean harm: each gets an error code or a closed connection, and others go on.

use crate::{
    batches::{NOBODY, Producer, batch, batch_at, batch_of},
    client::{Client, TestServer},
    requests::{fetch, produce},
};
use bytes::{BufMut, Bytes, BytesMut};
use levada_model::{batch::Codec, crc::crc32c};
use levada_protocol::{
    ErrorCode, Request,
    messages::{
        CreatePartitionsRequest, CreateTopicsRequest, DescribeGroupsRequest, FetchRequest, FindCoordinatorRequest,
        JoinGroupRequest, MetadataRequest, OffsetCommitRequest, create_partitions_request::CreatePartitionsTopic,
        create_topics_request::CreatableTopic, join_group_request::JoinGroupRequestProtocol,
        metadata_request::MetadataRequestTopic,
    },
};
use tokio::io::AsyncWriteExt;

/// Another client, for whom nothing must change.
async fn assert_serves(server: &TestServer) {
    let response = server.client().await.metadata(12, None).await;
    assert_eq!(response.error_code, 0);
}

/// Sends a frame of these bytes and says whether the server closes the connection.
async fn closes(server: &TestServer, body: &[u8]) -> bool {
    let mut client = server.client().await;
    client.stream.write_i32(i32::try_from(body.len()).unwrap()).await.unwrap();
    client.stream.write_all(body).await.unwrap();
    client.is_closed().await
}

#[tokio::test]
async fn counts_that_the_frame_cannot_hold_close_the_connection() {
    let server = TestServer::start().await;
    // Header: key, version, correlation id, no client id. Then a count of 2^31 − 1 where an array stands.
    let metadata = [&[0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff][..], &i32::MAX.to_be_bytes()].concat();
    assert!(closes(&server, &metadata).await);
    let fetch = [&[0, 1, 0, 4, 0, 0, 0, 1, 0xff, 0xff][..], &[0; 17], &i32::MAX.to_be_bytes()].concat();
    assert!(closes(&server, &fetch).await);
    // The compact form: a varint of 2^32 − 1.
    let compact = [&[0, 3, 0, 12, 0, 0, 0, 1, 0xff, 0xff, 0][..], &[0xff, 0xff, 0xff, 0xff, 0x0f]].concat();
    assert!(closes(&server, &compact).await);
    assert_serves(&server).await;
}

#[tokio::test]
async fn names_that_are_none_are_refused() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    let long = "x".repeat(30_000);
    for name in ["../etc/passwd", "..", ".", "", "nul\0byte", "a b", "ümlaut", &long] {
        let topic =
            CreatableTopic { name: name.into(), num_partitions: 1, replication_factor: 1, ..Default::default() };
        let created = client.call(7, &CreateTopicsRequest { topics: vec![topic], ..Default::default() }).await;
        assert_eq!(created.topics[0].error_code, ErrorCode::InvalidTopicException.code(), "{name:?}");
        let topic = MetadataRequestTopic { name: Some(name.into()), ..Default::default() };
        let found = client.call(12, &MetadataRequest { topics: Some(vec![topic]), ..Default::default() }).await;
        assert_eq!(found.topics[0].error_code, ErrorCode::InvalidTopicException.code(), "{name:?}");
    }
    let group_id: levada_model::Str = "g".repeat(10 << 20).into();
    let described = client.call(5, &DescribeGroupsRequest { groups: vec![group_id], ..Default::default() }).await;
    assert_eq!(described.groups[0].error_code, ErrorCode::InvalidGroupId.code());
    assert_serves(&server).await;
}

#[tokio::test]
async fn a_million_partitions_are_refused() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    let topic = |name: &str, num_partitions| CreatableTopic {
        name: name.into(),
        num_partitions,
        replication_factor: 1,
        ..Default::default()
    };
    for count in [1_000_000, i32::MAX, 0, -2] {
        let request = CreateTopicsRequest { topics: vec![topic("many", count)], ..Default::default() };
        let response = client.call(7, &request).await;
        assert_eq!(response.topics[0].error_code, ErrorCode::InvalidPartitions.code(), "{count}");
    }
    client.create_topic("t", 1).await;
    for count in [i32::MAX, 1, 0, -1] {
        let topic = CreatePartitionsTopic { name: "t".into(), count, assignments: None };
        let response = client.call(3, &CreatePartitionsRequest { topics: vec![topic], ..Default::default() }).await;
        assert_eq!(response.results[0].error_code, ErrorCode::InvalidPartitions.code(), "{count}");
    }
    let twice = CreateTopicsRequest { topics: vec![topic("twin", 1), topic("twin", 1)], ..Default::default() };
    let response = client.call(7, &twice).await;
    assert!(response.topics.iter().all(|topic| topic.error_code == ErrorCode::InvalidRequest.code()));
    assert_serves(&server).await;
}

#[tokio::test]
async fn odd_producers_and_timestamps_get_the_right_code() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    client.create_topic("t", 1).await;
    let before = client.produce("t", 0, batch(&["before"])).await;
    assert_eq!(before.error_code, 0);
    for (name, records, error) in [
        (
            "an id without a sequence",
            batch_of(Producer { id: 5, epoch: 0, sequence: -1 }, &["x"]),
            ErrorCode::InvalidRecord,
        ),
        (
            "an id without an epoch",
            batch_of(Producer { id: 5, epoch: -1, sequence: 0 }, &["x"]),
            ErrorCode::InvalidProducerEpoch,
        ),
        ("far in the future", batch_at(NOBODY, i64::MAX, &["x"]), ErrorCode::InvalidTimestamp),
    ] {
        let response = client.produce("t", 0, records).await;
        assert_eq!(response.error_code, error.code(), "{name}: {:?}", response.error_message);
    }
    let last = Producer { id: 6, epoch: i16::MAX, sequence: i32::MAX };
    assert_eq!(client.produce("t", 0, batch_of(last, &["x"])).await.error_code, 0, "the last of everything is legal");
    let wrapped = Producer { sequence: 0, ..last };
    assert_eq!(client.produce("t", 0, batch_of(wrapped, &["x"])).await.error_code, 0, "and 0 comes after it");
    let older = Producer { epoch: 3, ..last };
    let fenced = client.produce("t", 0, batch_of(older, &["x"])).await;
    assert_eq!(fenced.error_code, ErrorCode::InvalidProducerEpoch.code());
    assert_serves(&server).await;
}

/// A batch of one record block, compressed, that says it holds one record.
fn compressed(codec: Codec, block: &[u8]) -> Bytes {
    let now = levada_model::Clock::wall_ms(&levada_model::SystemClock);
    let mut body = BytesMut::new();
    body.put_i16(codec.id());
    body.put_i32(0);
    body.put_i64(now);
    body.put_i64(now);
    body.put_i64(-1);
    body.put_i16(-1);
    body.put_i32(-1);
    body.put_i32(1);
    body.put_slice(&levada_compress::compress(codec, &Bytes::copy_from_slice(block)).unwrap());
    let mut bytes = BytesMut::new();
    bytes.put_i64(0);
    bytes.put_i32(i32::try_from(body.len() + 9).unwrap());
    bytes.put_i32(-1);
    bytes.put_i8(2);
    bytes.put_u32(crc32c(&body));
    bytes.put_slice(&body);
    bytes.freeze()
}

#[tokio::test]
async fn decompression_bombs_are_refused_where_batches_are_opened() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    let settings = [("cleanup.policy", "compact"), ("max.message.bytes", "33000000")];
    client.create_topic_with("compacted", 1, &settings).await;
    let zeros = vec![0; 100 << 20];
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let bomb = compressed(codec, &zeros);
        let response = client.produce("compacted", 0, bomb).await;
        assert_ne!(response.error_code, 0, "{}", codec.name());
        assert_ne!(response.error_code, ErrorCode::UnknownServerError.code(), "{}", codec.name());
    }
    let rubbish = compressed(Codec::None, b"this is no record");
    assert_ne!(client.produce("compacted", 0, rubbish).await.error_code, 0);
    let no_key = client.produce("compacted", 0, batch(&["a"])).await;
    assert_eq!(no_key.error_code, ErrorCode::InvalidRecord.code(), "compacted topics need keys");
    assert_serves(&server).await;
}

#[tokio::test]
async fn a_fetch_of_ten_thousand_partitions_for_everything_is_answered() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    client.create_topic("t", 10).await;
    let value = "x".repeat(50_000);
    for partition in 0..10 {
        client.produce("t", partition, batch(&[&value])).await;
    }
    let mut request = FetchRequest { max_bytes: i32::MAX, session_epoch: 0, ..fetch("t", 0, 0) };
    let one = request.topics[0].partitions[0].clone();
    request.topics[0].partitions = (0..10_000)
        .map(|partition| levada_protocol::messages::fetch_request::FetchPartition {
            partition: partition % 11,
            partition_max_bytes: i32::MAX,
            ..one.clone()
        })
        .collect();
    let response = client.call(12, &request).await;
    let size: usize =
        response.responses.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.records.len()).sum();
    assert!((500_000..600_000).contains(&size), "each partition once in a session, not {size} bytes");
    let sessionless = client.call(12, &FetchRequest { session_epoch: -1, ..request }).await;
    let size: usize =
        sessionless.responses.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.records.len()).sum();
    assert!(size < 56 << 20, "at most `fetch.max.bytes` and a batch, not {size}");
    assert_serves(&server).await;
}

#[tokio::test]
async fn a_group_protocol_of_ten_megabytes_is_refused() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    client.call(4, &FindCoordinatorRequest { coordinator_keys: vec!["g".into()], ..Default::default() }).await;
    let join = JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol { name: "range".into(), metadata: vec![0; 10 << 20].into() }],
        ..Default::default()
    };
    let response = client.call(3, &join).await;
    assert_eq!(response.error_code, ErrorCode::InvalidRequest.code());
    for timeout_ms in [-1, 0, i32::MAX] {
        let response = client.call(3, &JoinGroupRequest { session_timeout_ms: timeout_ms, ..join.clone() }).await;
        assert_eq!(response.error_code, ErrorCode::InvalidSessionTimeout.code());
    }
    assert_serves(&server).await;
}

#[tokio::test]
async fn strangers_commit_nothing() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    client.create_topic("t", 1).await;
    client.call(4, &FindCoordinatorRequest { coordinator_keys: vec!["g".into()], ..Default::default() }).await;
    let commit = OffsetCommitRequest {
        group_id: "g".into(),
        generation_id_or_member_epoch: 7,
        member_id: "nobody".into(),
        topics: vec![levada_protocol::messages::offset_commit_request::OffsetCommitRequestTopic {
            name: "t".into(),
            partitions: vec![Default::default()],
            ..Default::default()
        }],
        ..Default::default()
    };
    let response = client.call(8, &commit).await;
    assert_eq!(response.topics[0].partitions[0].error_code, ErrorCode::IllegalGeneration.code());
}

#[tokio::test]
async fn bytes_at_random_harm_no_one() {
    let server = TestServer::start().await;
    let rng = levada_model::SeededRng::new(42);
    let mut kept_open = 0;
    for _ in 0..300 {
        let mut body = vec![0; usize::try_from(levada_model::Rng::next_u64(&rng) % 200 + 1).unwrap()];
        levada_model::Rng::fill(&rng, &mut body);
        let mut client = server.client().await;
        client.stream.write_i32(i32::try_from(body.len()).unwrap()).await.unwrap();
        client.stream.write_all(&body).await.unwrap();
        client.stream.shutdown().await.unwrap();
        // Either closed at once, or answered and then closed.
        kept_open += usize::from(!client.is_closed().await);
    }
    assert!(kept_open < 300);
    assert_serves(&server).await;
}

#[tokio::test]
async fn requests_cut_off_anywhere_harm_no_one() {
    let server = TestServer::start().await;
    let mut whole = Client::connect(server.address).await;
    whole.create_topic("t", 1).await;
    let (_, frame) = whole.frame(13.min(<FetchRequest as Request>::KEY.versions().last().unwrap_or(13)), &by_id());
    let (_, produce) = whole.frame(9, &produce("t", 0, batch(&["a"])));
    for frame in [frame, produce] {
        for end in (5..frame.len()).step_by(3) {
            let body = &frame[4..end];
            assert!(closes(&server, body).await, "cut at {end} of {}", frame.len());
        }
    }
    assert_serves(&server).await;
}

fn by_id() -> FetchRequest {
    let mut request = fetch("", 0, 0);
    request.topics[0].topic_id = levada_model::Uuid::from_bytes([1; 16]);
    request
}
