//! Producing and fetching, and what clients trip over.

use crate::{
    batches::{NOBODY, Producer, batch, batch_at, batch_of, offsets},
    client::TestServer,
    requests::{fetch, only, produce},
};
use bytes::{Bytes, BytesMut};
use levada_protocol::{
    ErrorCode, Records,
    messages::{
        FetchRequest, InitProducerIdRequest, ListOffsetsRequest, ProduceRequest,
        fetch_request::ForgottenTopic,
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
    },
};
use std::time::Duration;

fn code(error: ErrorCode) -> i16 {
    error.code()
}

#[tokio::test]
async fn every_version_of_produce_and_fetch_round_trips() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    let id = client.create_topic("t", 1).await;
    for version in 3..=13 {
        let mut request = produce("t", 0, batch(&["a", "b"]));
        request.topic_data[0].topic_id = id;
        let response = client.call(version, &request).await;
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!((partition.error_code, partition.base_offset), (0, i64::from(version - 3) * 2), "version {version}");
    }
    for version in 4..=18 {
        let mut request = fetch("t", 0, 5);
        request.topics[0].topic_id = id;
        let response = client.call(version, &request).await;
        let partition = only(&response);
        assert_eq!(partition.error_code, 0, "version {version}");
        assert_eq!(offsets(&partition.records)[0], (4, 2), "the whole batch that holds the offset, version {version}");
        assert_eq!(offsets(&partition.records).len(), 9);
        assert_eq!((partition.high_watermark, partition.last_stable_offset), (22, 22));
        if version >= 13 {
            assert_eq!(response.responses[0].topic_id, id);
        }
    }
    assert_eq!(server.stop().await, 0);
}

#[tokio::test]
async fn pipelined_produce_requests_keep_their_order_in_log_and_answers() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    client.create_topic("t", 1).await;
    let mut sent = Vec::new();
    for index in 0..500 {
        sent.push(client.send(9, &produce("t", 0, batch(&[&index.to_string()]))).await);
    }
    for (index, id) in sent.into_iter().enumerate() {
        let (answered, response) = client.receive::<ProduceRequest>(9).await;
        assert_eq!(answered, id);
        assert_eq!(response.responses[0].partition_responses[0].base_offset, i64::try_from(index).unwrap());
    }
}

#[tokio::test]
async fn acks_0_is_silent_and_what_follows_is_answered() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    client.create_topic("t", 1).await;
    let request = ProduceRequest { acks: 0, ..produce("t", 0, batch(&["quiet"])) };
    client.send(9, &request).await;
    let response = client.produce("t", 0, batch(&["loud"])).await;
    assert_eq!((response.error_code, response.base_offset), (0, 1));
    let request = ProduceRequest { acks: 0, ..produce("missing", 0, batch(&["quiet"])) };
    client.send(9, &request).await;
    assert!(client.is_closed().await, "a failure without a response ends the connection");
}

#[tokio::test]
async fn broken_batches_are_refused_by_the_right_code() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    client.create_topic_with("t", 1, &[("max.message.bytes", "1000")]).await;
    let good = batch(&["value"]);
    let flipped = |at: usize| {
        let mut bytes = BytesMut::from(&good[..]);
        bytes[at] ^= 0x40;
        bytes.freeze()
    };
    let with = |at: usize, value: &[u8]| {
        let mut bytes = BytesMut::from(&good[..]);
        bytes[at..at + value.len()].copy_from_slice(value);
        let crc = levada_model::crc::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        bytes.freeze()
    };
    let two = [&good[..], &good[..]].concat();
    let large = "x".repeat(2_000);
    for (name, records, error) in [
        ("crc", flipped(good.len() - 1), ErrorCode::CorruptMessage),
        ("cut", good.slice(..good.len() - 1), ErrorCode::InvalidRecord),
        ("header only in part", good.slice(..40), ErrorCode::InvalidRecord),
        ("nothing", Bytes::new(), ErrorCode::InvalidRecord),
        ("magic 1", with(16, &[1]), ErrorCode::InvalidRecord),
        ("count", with(57, &7_i32.to_be_bytes()), ErrorCode::InvalidRecord),
        ("two batches", two.into(), ErrorCode::InvalidRecord),
        ("control", with(21, &0x20_i16.to_be_bytes()), ErrorCode::InvalidRecord),
        ("too large", batch(&[&large]), ErrorCode::MessageTooLarge),
    ] {
        let response = client.produce("t", 0, records).await;
        assert_eq!(response.error_code, code(error), "{name}: {:?}", response.error_message);
        assert!(response.error_message.is_some_and(|message| !message.is_empty()), "{name}");
    }
    let zstd = client.call(6, &produce("t", 0, with(21, &4_i16.to_be_bytes()))).await;
    assert_eq!(zstd.responses[0].partition_responses[0].error_code, code(ErrorCode::UnsupportedCompressionType));
    for (topic, partition) in [("missing", 0), ("t", 1), ("t", -1), ("../t", 0)] {
        let response = client.produce(topic, partition, good.clone()).await;
        assert_eq!(response.error_code, code(ErrorCode::UnknownTopicOrPartition), "{topic} {partition}");
    }
    let odd = client.call(9, &ProduceRequest { acks: 7, ..produce("t", 0, good.clone()) }).await;
    assert_eq!(odd.responses[0].partition_responses[0].error_code, code(ErrorCode::InvalidRequiredAcks));
    assert_eq!(client.produce("t", 0, good).await.base_offset, 0, "nothing of it was appended");
}

#[tokio::test]
async fn idempotent_batches_are_appended_once() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    client.create_topic("t", 1).await;
    let init = client.call(5, &InitProducerIdRequest::default_idempotent()).await;
    assert_eq!((init.error_code, init.producer_epoch), (0, 0));
    let producer = |sequence| Producer { id: init.producer_id, epoch: 0, sequence };
    assert_eq!(client.produce("t", 0, batch_of(producer(0), &["a", "b"])).await.base_offset, 0);
    assert_eq!(client.produce("t", 0, batch_of(producer(2), &["c"])).await.base_offset, 2);
    let again = client.produce("t", 0, batch_of(producer(0), &["a", "b"])).await;
    assert_eq!((again.error_code, again.base_offset), (0, 0), "sent again: the first answer again");
    let gap = client.produce("t", 0, batch_of(producer(9), &["z"])).await;
    assert_eq!(gap.error_code, code(ErrorCode::OutOfOrderSequenceNumber));
    let other = client.call(5, &InitProducerIdRequest::default_idempotent()).await;
    assert_ne!(other.producer_id, init.producer_id);
}

trait Idempotent {
    fn default_idempotent() -> Self;
}

impl Idempotent for InitProducerIdRequest {
    fn default_idempotent() -> Self {
        Self { transactional_id: None, transaction_timeout_ms: i32::MAX, producer_id: -1, producer_epoch: -1 }
    }
}

#[tokio::test]
async fn a_fetch_waits_for_records_and_leaves_with_the_first() {
    let server = TestServer::start().await;
    let (mut consumer, mut producer) = (server.client().await, server.client().await);
    producer.create_topic("t", 1).await;
    for round in 0..20 {
        let request = FetchRequest { max_wait_ms: 30_000, ..fetch("t", 0, round) };
        let sent = consumer.send(12, &request).await;
        assert_eq!(producer.produce("t", 0, batch(&["news"])).await.base_offset, round);
        let (id, response) = consumer.receive::<FetchRequest>(12).await;
        assert_eq!(id, sent);
        assert_eq!(offsets(&only(&response).records), [(round, 1)]);
    }
}

#[tokio::test]
async fn a_fetch_waits_for_as_many_bytes_as_it_asks_for() {
    let server = TestServer::start().await;
    let (mut consumer, mut producer) = (server.client().await, server.client().await);
    producer.create_topic("t", 2).await;
    let one = batch(&["value"]);
    let min_bytes = i32::try_from(one.len() * 3).unwrap();
    let mut request = FetchRequest { max_wait_ms: 30_000, min_bytes, ..fetch("t", 0, 0) };
    let mut second = request.topics[0].partitions[0].clone();
    second.partition = 1;
    request.topics[0].partitions.push(second);
    consumer.send(12, &request).await;
    for partition in [0, 1, 0] {
        producer.produce("t", partition, one.clone()).await;
    }
    let (_, response) = consumer.receive::<FetchRequest>(12).await;
    let partitions = &response.responses[0].partitions;
    assert_eq!(offsets(&partitions[0].records), [(0, 1), (1, 1)]);
    assert_eq!(offsets(&partitions[1].records), [(0, 1)]);
}

#[tokio::test]
async fn a_fetch_without_news_returns_when_its_time_is_up() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    client.create_topic("t", 1).await;
    let request = FetchRequest { max_wait_ms: 20, ..fetch("t", 0, 0) };
    let response = client.call(12, &request).await;
    let partition = only(&response);
    assert_eq!((partition.error_code, partition.high_watermark), (0, 0));
    assert!(partition.records.is_empty() && !partition.records.is_null());
}

#[tokio::test]
async fn at_least_one_batch_comes_whatever_the_limits() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    client.create_topic("t", 2).await;
    let large = "x".repeat(100_000);
    for partition in [0, 1] {
        client.produce("t", partition, batch(&[&large])).await;
        client.produce("t", partition, batch(&[&large])).await;
    }
    let mut request = FetchRequest { max_bytes: 1, ..fetch("t", 0, 0) };
    let mut second = request.topics[0].partitions[0].clone();
    second.partition = 1;
    request.topics[0].partitions.push(second);
    let response = client.call(12, &request).await;
    assert_eq!(offsets(&response.responses[0].partitions[0].records), [(0, 1)]);
    assert!(response.responses[0].partitions[1].records.is_empty(), "and no more than that");
    assert_eq!(response.responses[0].partitions[1].high_watermark, 2);
}

#[tokio::test]
async fn impossible_fetches_get_the_right_code() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    client.create_topic("t", 1).await;
    client.produce("t", 0, batch(&["a"])).await;
    for (topic, partition, offset, error) in [
        ("t", 0, 2, ErrorCode::OffsetOutOfRange),
        ("t", 0, -1, ErrorCode::OffsetOutOfRange),
        ("t", 0, i64::MAX, ErrorCode::OffsetOutOfRange),
        ("t", 1, 0, ErrorCode::UnknownTopicOrPartition),
        ("missing", 0, 0, ErrorCode::UnknownTopicOrPartition),
    ] {
        let request = FetchRequest { max_wait_ms: 30_000, ..fetch(topic, partition, offset) };
        let response = client.call(12, &request).await;
        assert_eq!(only(&response).error_code, code(error), "{topic} {partition} {offset}");
        assert_eq!(only(&response).high_watermark, -1);
    }
    let unknown_id = client.call(13, &FetchRequest { ..by_id(7) }).await;
    assert_eq!(only(&unknown_id).error_code, code(ErrorCode::UnknownTopicId));
    let mut request = fetch("t", 0, 0);
    request.topics[0].partitions[0].current_leader_epoch = 1_000;
    assert_eq!(only(&client.call(12, &request).await).error_code, code(ErrorCode::UnknownLeaderEpoch));
    request.topics[0].partitions[0].current_leader_epoch = 0;
    assert_eq!(only(&client.call(12, &request).await).error_code, code(ErrorCode::FencedLeaderEpoch));
    let follower = client.call(12, &FetchRequest { replica_id: 1, ..fetch("t", 0, 0) }).await;
    assert_eq!(follower.error_code, code(ErrorCode::ClusterAuthorizationFailed));
}

fn by_id(id: u8) -> FetchRequest {
    let mut request = fetch("", 0, 0);
    request.topics[0].topic_id = levada_model::Uuid::from_bytes([id; 16]);
    request
}

#[tokio::test]
async fn a_session_tells_only_what_is_new() {
    let server = TestServer::start().await;
    let (mut consumer, mut producer) = (server.client().await, server.client().await);
    let id = producer.create_topic("t", 3).await;
    let mut open = FetchRequest { session_epoch: 0, ..fetch("", 0, 0) };
    open.topics[0].topic_id = id;
    for partition in [1, 2] {
        let mut more = open.topics[0].partitions[0].clone();
        more.partition = partition;
        open.topics[0].partitions.push(more);
    }
    let opened = consumer.call(17, &open).await;
    assert_ne!(opened.session_id, 0);
    assert_eq!(opened.responses[0].partitions.len(), 3, "a full fetch names all");
    let next = |epoch, wait| FetchRequest {
        session_id: opened.session_id,
        session_epoch: epoch,
        max_wait_ms: wait,
        topics: Vec::new(),
        ..fetch("", 0, 0)
    };
    assert!(consumer.call(17, &next(1, 0)).await.responses.is_empty(), "nothing is new");
    consumer.send(17, &next(2, 30_000)).await;
    producer.produce("t", 1, batch(&["a"])).await;
    let (_, response) = consumer.receive::<FetchRequest>(17).await;
    assert_eq!((only(&response).partition_index, offsets(&only(&response).records)), (1, vec![(0, 1)]));
    let again = consumer.call(17, &next(3, 0)).await;
    assert_eq!(offsets(&only(&again).records), [(0, 1)], "the offset was not moved: the records come again");
    let mut moved = next(4, 0);
    moved.topics = open.topics.clone();
    moved.topics[0].partitions = vec![open.topics[0].partitions[1].clone()];
    moved.topics[0].partitions[0].fetch_offset = 1;
    assert!(consumer.call(17, &moved).await.responses.is_empty());
    let mut forget = next(5, 0);
    forget.forgotten_topics_data =
        vec![ForgottenTopic { topic_id: id, partitions: vec![2], ..ForgottenTopic::default() }];
    assert!(consumer.call(17, &forget).await.responses.is_empty());
    for partition in [0, 1, 2] {
        producer.produce("t", partition, batch(&["b"])).await;
    }
    let response = consumer.call(17, &next(6, 0)).await;
    let named: Vec<i32> = response.responses[0].partitions.iter().map(|partition| partition.partition_index).collect();
    assert_eq!(named, [0, 1], "what was forgotten stays so");
    let stale = consumer.call(17, &next(6, 0)).await;
    assert_eq!(stale.error_code, code(ErrorCode::InvalidFetchSessionEpoch));
    let unknown = consumer.call(17, &FetchRequest { session_id: 12_345, ..next(1, 0) }).await;
    assert_eq!(unknown.error_code, code(ErrorCode::FetchSessionIdNotFound));
}

#[tokio::test]
async fn a_waiting_fetch_hears_that_its_topic_is_gone() {
    let server = TestServer::start().await;
    let (mut consumer, mut admin) = (server.client().await, server.client().await);
    admin.create_topic("t", 1).await;
    consumer.send(12, &FetchRequest { max_wait_ms: 30_000, ..fetch("t", 0, 0) }).await;
    let delete = levada_protocol::messages::DeleteTopicsRequest {
        topic_names: vec!["t".into()],
        timeout_ms: 1_000,
        ..Default::default()
    };
    assert_eq!(admin.call(4, &delete).await.responses[0].error_code, 0);
    let (_, response) = consumer.receive::<FetchRequest>(12).await;
    assert_eq!(only(&response).error_code, code(ErrorCode::UnknownTopicOrPartition));
}

#[tokio::test]
async fn offsets_are_found_by_time_and_at_both_ends() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    client.create_topic_with("t", 1, &[("message.timestamp.before.max.ms", "9223372036854775807")]).await;
    for timestamp in [1_000, 3_000, 2_000] {
        client.produce("t", 0, batch_at(NOBODY, timestamp, &["a", "b"])).await;
    }
    for (timestamp, version, expected) in [
        (-1, 1, (0, 6)),
        (-2, 1, (0, 0)),
        (-3, 7, (0, 2)),
        (-4, 8, (0, 0)),
        (-5, 9, (0, -1)),
        (500, 1, (0, 0)),
        (1_001, 5, (0, 2)),
        (3_001, 6, (0, -1)),
        (-3, 6, (code(ErrorCode::UnsupportedVersion), -1)),
        (-77, 11, (code(ErrorCode::UnsupportedVersion), -1)),
    ] {
        let partition = ListOffsetsPartition { partition_index: 0, current_leader_epoch: -1, timestamp };
        let topic = ListOffsetsTopic { name: "t".into(), partitions: vec![partition] };
        let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
        let response = client.call(version, &request).await;
        let found = &response.topics[0].partitions[0];
        assert_eq!((found.error_code, found.offset), expected, "timestamp {timestamp} version {version}");
    }
}

#[tokio::test]
async fn large_records_pass_and_others_are_not_held_up() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    client.create_topic_with("t", 1, &[("max.message.bytes", "20000000")]).await;
    let large = "x".repeat(16 << 20);
    let response = client.produce("t", 0, batch(&[&large])).await;
    assert_eq!(response.base_offset, 0, "{:?}", response.error_message);
    let mut request = fetch("t", 0, 0);
    request.topics[0].partitions[0].partition_max_bytes = 1;
    let response = client.call(12, &request).await;
    let Records::Whole(bytes) = &only(&response).records else { panic!("one piece") };
    assert!(bytes.len() > 16 << 20);
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_refused_and_the_next_is_taken() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    client.create_topic_with("t", 1, &[("max.message.bytes", "33000000")]).await;
    let huge = "x".repeat(33 << 20);
    let refused = client.produce("t", 0, batch(&[&huge])).await;
    assert_eq!(refused.error_code, code(ErrorCode::MessageTooLarge), "{:?}", refused.error_message);
    let next = client.produce("t", 0, batch(&["small"])).await;
    assert_eq!((next.error_code, next.base_offset), (0, 0), "{:?}", next.error_message);
}

#[tokio::test]
async fn what_memory_has_forgotten_is_read_from_files() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    let id = client.create_topic("t", 2).await;
    let value = "x".repeat(100_000);
    for index in 0..120 {
        let response = client.produce("t", index % 2, batch(&[&value])).await;
        assert_eq!(response.error_code, 0, "{:?}", response.error_message);
    }
    let mut request = FetchRequest { session_epoch: 0, ..fetch("", 0, 0) };
    request.topics[0].topic_id = id;
    let mut second = request.topics[0].partitions[0].clone();
    second.partition = 1;
    request.topics[0].partitions.push(second);
    let mut next_offsets = [0, 0];
    for round in 0..200 {
        let response = client.call(16, &request).await;
        assert_eq!(response.error_code, 0);
        for partition in response.responses.iter().flat_map(|topic| &topic.partitions) {
            let next = &mut next_offsets[usize::try_from(partition.partition_index).unwrap()];
            for (base_offset, count) in offsets(&partition.records) {
                assert_eq!((base_offset, count), (*next, 1), "no gap and no repetition");
                *next += 1;
            }
        }
        if next_offsets == [60, 60] {
            break;
        }
        assert!(round < 199, "only {next_offsets:?} after 200 fetches");
        request.session_id = response.session_id;
        request.session_epoch = round + 1;
        for (partition, next) in request.topics[0].partitions.iter_mut().zip(next_offsets) {
            partition.fetch_offset = next;
        }
    }
}

#[tokio::test]
async fn a_stop_leaves_no_fetch_waiting() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    client.create_topic("t", 1).await;
    client.send(12, &FetchRequest { max_wait_ms: 600_000, ..fetch("t", 0, 0) }).await;
    // Only once the request was read does the stop find it waiting.
    tokio::time::timeout(Duration::from_secs(10), async {
        while !waits(&server) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert_eq!(server.stop().await, 0);
    assert!(client.is_closed().await);
}

fn waits(server: &TestServer) -> bool {
    let mut text = String::new();
    server.metrics.render(&mut text).unwrap();
    text.contains("kafka_network_requestmetrics_requests_total{request=\"CreateTopics\"} 1")
}

#[tokio::test]
async fn what_is_sent_from_files_is_what_was_produced() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    client.create_topic("t", 2).await;
    let value = |partition: i32, index: i64| format!("{partition}-{index}-").repeat(6_000);
    // Beyond what memory keeps, so that most of it is only in files.
    for index in 0..200 {
        for partition in 0..2 {
            let response = client.produce("t", partition, batch(&[&value(partition, index)])).await;
            assert_eq!((response.error_code, response.base_offset), (0, index));
        }
    }
    let mut next = [0_i64; 2];
    while next != [200; 2] {
        let mut request = fetch("t", 0, next[0]);
        let mut other = request.topics[0].partitions[0].clone();
        (other.partition, other.fetch_offset) = (1, next[1]);
        request.topics[0].partitions.push(other);
        request.topics[0].partitions.iter_mut().for_each(|partition| partition.partition_max_bytes = 300_000);
        let response = client.call(12, &request).await;
        for partition in &response.responses[0].partitions {
            let index = usize::try_from(partition.partition_index).unwrap();
            for batch in levada_model::batch::split(partition.records.clone().into_bytes().unwrap()) {
                let (header, bytes) = batch.unwrap();
                assert_eq!(header.base_offset, next[index]);
                let expected = value(partition.partition_index, next[index]);
                let found = bytes.windows(expected.len()).any(|window| window == expected.as_bytes());
                assert!(found, "record {} of partition {index} is another", next[index]);
                next[index] = header.next_offset();
            }
        }
    }
}
