//! Known bytes of the messages that every client depends on. Each line of hex was read by Apache Kafka 4.3.1's own
//! classes, shown to hold these values, and written by them as the same bytes.

use bytes::Bytes;
use levada_model::{Str, Uuid};
use levada_protocol::{
    Message, RecordKey, Records,
    arbitrary::{Arbitrary, Visitor, visit_every_message},
    messages::{
        api_versions_response::{ApiVersion, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey},
        consumer_group_heartbeat_response::{Assignment, ConsumerGroupHeartbeatResponse, TopicPartitions},
        consumer_group_member_metadata_value::{ClassicMemberMetadata, ConsumerGroupMemberMetadataValue},
        consumer_protocol_subscription::{ConsumerProtocolSubscription, TopicPartition},
        create_topics_request::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest},
        fetch_request::{FetchPartition, FetchRequest, FetchTopic, ReplicaState},
        fetch_response::{
            AbortedTransaction, FetchResponse, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint, PartitionData,
        },
        find_coordinator_response::{Coordinator, FindCoordinatorResponse},
        join_group_response::{JoinGroupResponse, JoinGroupResponseMember},
        list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsResponse, ListOffsetsTopicResponse},
        metadata_request::{MetadataRequest, MetadataRequestTopic},
        metadata_response::{
            MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
        },
        offset_commit_key::OffsetCommitKey,
        offset_commit_value::OffsetCommitValue,
        offset_fetch_request::{OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics},
        produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData},
        produce_response::{PartitionProduceResponse, ProduceResponse, TopicProduceResponse},
        transaction_log_value::{PartitionsSchema, TransactionLogValue},
    },
};

const ID: Uuid = Uuid::from_bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);

/// `message` has these bytes in `version`, and these bytes are `message`.
fn check<M: Message>(message: &M, version: i16, hex: &str) {
    let bytes = message.to_bytes(version).expect("the version can carry the message");
    let ours: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(ours, hex, "{} version {version}", M::NAME);
    assert_eq!(M::from_bytes(bytes, version).as_ref(), Ok(message), "{} version {version}", M::NAME);
}

fn text(text: &'static str) -> Str {
    Str::from_static(text)
}

#[test]
fn produce() {
    let records = Records::from(Bytes::from_static(b"batch"));
    let partition_data = vec![PartitionProduceData { index: 3, records }];
    let named = TopicProduceData { name: text("orders"), partition_data, ..Default::default() };
    let identified = TopicProduceData { name: Str::new(), topic_id: ID, ..named.clone() };
    let request = ProduceRequest { acks: -1, timeout_ms: 1_500, topic_data: vec![named], ..Default::default() };
    check(&request, 3, "ffffffff000005dc0000000100066f72646572730000000100000003000000056261746368");
    check(&request, 9, "00ffff000005dc02076f72646572730200000003066261746368000000");
    let request = ProduceRequest { transactional_id: Some(text("t")), topic_data: vec![identified], ..request };
    check(&request, 13, "0274ffff000005dc02000102030405060708090a0b0c0d0e0f0200000003066261746368000000");
    let partition = PartitionProduceResponse {
        index: 3,
        base_offset: 42,
        log_append_time_ms: 1_700_000_000_000,
        log_start_offset: 7,
        error_message: Some(text("no")),
        ..Default::default()
    };
    let topic =
        TopicProduceResponse { name: text("orders"), partition_responses: vec![partition], ..Default::default() };
    let response = ProduceResponse { responses: vec![topic], throttle_time_ms: 9, ..Default::default() };
    check(
        &response,
        8,
        "0000000100066f726465727300000001000000030000000000000000002a0000018bcfe5680000000000000000070000000000026e6f00000009",
    );
    check(
        &response,
        9,
        "02076f726465727302000000030000000000000000002a0000018bcfe56800000000000000000701036e6f00000000000900",
    );
}

#[test]
fn fetch() {
    let partition = FetchPartition { partition: 1, fetch_offset: 5, partition_max_bytes: 1_000, ..Default::default() };
    let topic = FetchTopic { topic: text("orders"), partitions: vec![partition.clone()], ..Default::default() };
    let request = FetchRequest { max_wait_ms: 500, min_bytes: 1, topics: vec![topic], ..Default::default() };
    check(
        &request,
        4,
        "ffffffff000001f4000000017fffffff000000000100066f726465727300000001000000010000000000000005000003e8",
    );
    check(
        &FetchRequest { rack_id: text("r1"), ..request.clone() },
        11,
        "ffffffff000001f4000000017fffffff0000000000ffffffff0000000100066f72646572730000000100000001ffffffff0000000000000005ffffffffffffffff000003e80000000000027231",
    );
    let partitions = vec![FetchPartition { high_watermark: 6, replica_directory_id: ID, ..partition }];
    let topics = vec![FetchTopic { topic: Str::new(), topic_id: ID, partitions }];
    let replica_state = ReplicaState { replica_id: 2, replica_epoch: 3 };
    check(
        &FetchRequest { cluster_id: Some(text("c")), replica_state, topics, ..request },
        18,
        "000001f4000000017fffffff0000000000ffffffff02000102030405060708090a0b0c0d0e0f0200000001ffffffff0000000000000005ffffffffffffffffffffffff000003e8020010000102030405060708090a0b0c0d0e0f010800000000000000060001010200020263010d00000002000000000000000300",
    );

    let partition = PartitionData {
        partition_index: 1,
        high_watermark: 10,
        last_stable_offset: 9,
        aborted_transactions: Some(vec![AbortedTransaction { producer_id: 4, first_offset: 8 }]),
        records: Records::from(Bytes::from_static(b"batch")),
        ..Default::default()
    };
    let topic =
        FetchableTopicResponse { topic: text("orders"), partitions: vec![partition.clone()], ..Default::default() };
    let response = FetchResponse { throttle_time_ms: 1, responses: vec![topic], ..Default::default() };
    check(
        &response,
        4,
        "000000010000000100066f726465727300000001000000010000000000000000000a00000000000000090000000100000000000000040000000000000008000000056261746368",
    );
    let current_leader = LeaderIdAndEpoch { leader_id: 1, leader_epoch: 2 };
    let partition = PartitionData { current_leader, records: Records::Null, ..partition };
    let topic = FetchableTopicResponse { topic: Str::new(), topic_id: ID, partitions: vec![partition] };
    let node = NodeEndpoint { node_id: 1, host: text("h"), port: 9_092, rack: None };
    check(
        &FetchResponse { responses: vec![topic], node_endpoints: vec![node], ..response },
        17,
        "0000000100000000000002000102030405060708090a0b0c0d0e0f02000000010000000000000000000a0000000000000009ffffffffffffffff020000000000000004000000000000000800ffffffff000101090000000100000002000001000d02000000010268000023840000",
    );
}

#[test]
fn list_offsets() {
    let partition = ListOffsetsPartitionResponse { partition_index: 2, timestamp: 3, offset: 4, ..Default::default() };
    let topic = ListOffsetsTopicResponse { name: text("orders"), partitions: vec![partition] };
    let response = ListOffsetsResponse { throttle_time_ms: 0, topics: vec![topic] };
    check(&response, 1, "0000000100066f72646572730000000100000002000000000000000000030000000000000004");
    check(&response, 6, "0000000002076f72646572730200000002000000000000000000030000000000000004ffffffff000000");
}

#[test]
fn metadata() {
    check(&MetadataRequest { topics: None, ..Default::default() }, 1, "ffffffff");
    let topic = MetadataRequestTopic { topic_id: ID, name: None };
    check(
        &MetadataRequest { topics: Some(vec![topic]), ..Default::default() },
        12,
        "02000102030405060708090a0b0c0d0e0f0000010000",
    );
    let partition = MetadataResponsePartition {
        partition_index: 0,
        leader_id: 1,
        leader_epoch: 5,
        replica_nodes: vec![1],
        isr_nodes: vec![1],
        ..Default::default()
    };
    let topic = MetadataResponseTopic {
        name: Some(text("orders")),
        topic_id: ID,
        partitions: vec![partition],
        ..Default::default()
    };
    let broker = MetadataResponseBroker { node_id: 1, host: text("h"), port: 9_092, rack: None };
    let response = MetadataResponse {
        brokers: vec![broker],
        cluster_id: Some(text("c")),
        controller_id: 1,
        topics: vec![topic],
        ..Default::default()
    };
    check(
        &response,
        12,
        "0000000002000000010268000023840000026300000001020000076f7264657273000102030405060708090a0b0c0d0e0f00020000000000000000000100000005020000000102000000010100800000000000",
    );
}

#[test]
fn api_versions() {
    let api_keys = vec![ApiVersion { api_key: 18, min_version: 0, max_version: 4 }];
    let response = ApiVersionsResponse { error_code: 35, api_keys, ..Default::default() };
    check(&response, 0, "002300000001001200000004");
    let features = SupportedFeatureKey { name: text("group.version"), min_version: 0, max_version: 1 };
    let finalized = FinalizedFeatureKey { name: text("group.version"), max_version_level: 1, min_version_level: 1 };
    let response = ApiVersionsResponse {
        error_code: 0,
        supported_features: vec![features],
        finalized_features_epoch: 8,
        finalized_features: vec![finalized],
        ..response
    };
    check(
        &response,
        4,
        "0000020012000000040000000000030014020e67726f75702e76657273696f6e0000000100010800000000000000080214020e67726f75702e76657273696f6e0001000100",
    );
}

#[test]
fn groups() {
    let coordinator =
        Coordinator { key: text("g"), node_id: 1, host: text("h"), port: 9_092, error_message: None, error_code: 0 };
    check(
        &FindCoordinatorResponse { coordinators: vec![coordinator], ..Default::default() },
        4,
        "00000000020267000000010268000023840000000000",
    );
    let old = FindCoordinatorResponse { node_id: 1, host: text("h"), port: 9_092, ..Default::default() };
    check(&old, 1, "00000000000000000000000100016800002384");
    let member = JoinGroupResponseMember {
        member_id: text("m"),
        group_instance_id: None,
        metadata: Bytes::from_static(b"\x00\x01"),
    };
    let join = JoinGroupResponse {
        generation_id: 3,
        protocol_type: Some(text("consumer")),
        protocol_name: Some(text("range")),
        leader: text("m"),
        member_id: text("m"),
        members: vec![member],
        ..Default::default()
    };
    check(&join, 9, "0000000000000000000309636f6e73756d65720672616e6765026d00026d02026d000300010000");
    let topics =
        Some(vec![OffsetFetchRequestTopics { name: text("t"), partition_indexes: vec![0, 1], topic_id: Uuid::ZERO }]);
    let group = OffsetFetchRequestGroup { group_id: text("g"), topics, ..Default::default() };
    check(
        &OffsetFetchRequest { groups: vec![group], require_stable: true, ..Default::default() },
        8,
        "02026702027403000000000000000100000100",
    );
    let partitions = vec![TopicPartitions { topic_id: ID, partitions: vec![0] }];
    let heartbeat = ConsumerGroupHeartbeatResponse {
        member_id: Some(text("m")),
        member_epoch: 2,
        heartbeat_interval_ms: 5_000,
        assignment: Some(Assignment { topic_partitions: partitions }),
        ..Default::default()
    };
    check(&heartbeat, 0, "00000000000000026d00000002000013880102000102030405060708090a0b0c0d0e0f0200000000000000");
    check(
        &ConsumerGroupHeartbeatResponse { assignment: None, ..heartbeat },
        1,
        "00000000000000026d0000000200001388ff00",
    );
    let owned_partitions = vec![TopicPartition { topic: text("t"), partitions: vec![1] }];
    let topics = vec![text("t")];
    let subscription =
        ConsumerProtocolSubscription { topics, owned_partitions, generation_id: 4, ..Default::default() };
    check(&subscription, 3, "00000001000174ffffffff00000001000174000000010000000100000004ffff");
}

#[test]
fn create_topics() {
    let config = CreatableTopicConfig { name: text("retention.ms"), value: Some(text("1000")) };
    let topic = CreatableTopic {
        name: text("t"),
        num_partitions: 3,
        replication_factor: -1,
        configs: vec![config],
        ..Default::default()
    };
    check(
        &CreateTopicsRequest { topics: vec![topic], ..Default::default() },
        7,
        "02027400000003ffff01020d726574656e74696f6e2e6d73053130303000000000ea600000",
    );
}

#[test]
fn internal_records() {
    let commit = OffsetCommitValue { offset: 5, metadata: text("m"), commit_timestamp: 6, ..Default::default() };
    check(&commit, 3, "0000000000000005ffffffff00016d0000000000000006");
    check(
        &OffsetCommitValue { topic_id: ID, ..commit },
        4,
        "0000000000000005ffffffff026d0000000000000006010010000102030405060708090a0b0c0d0e0f",
    );
    let transaction = TransactionLogValue {
        producer_id: 1,
        producer_epoch: 2,
        transaction_timeout_ms: 60_000,
        transaction_status: 1,
        transaction_partitions: Some(vec![PartitionsSchema { topic: text("t"), partition_ids: vec![0] }]),
        transaction_start_timestamp_ms: 7,
        transaction_last_update_timestamp_ms: 8,
        ..Default::default()
    };
    check(
        &transaction,
        0,
        "000000000000000100020000ea600100000001000174000000010000000000000000000000080000000000000007",
    );
    check(
        &TransactionLogValue { previous_producer_id: 9, client_transaction_version: 2, ..transaction },
        1,
        "000000000000000100020000ea600102027402000000000000000000000000080000000000000007020008000000000000000902020002",
    );
    let member = ConsumerGroupMemberMetadataValue { client_id: text("c"), ..Default::default() };
    check(&member, 0, "01010263010101ffffffff0100");
    check(
        &ConsumerGroupMemberMetadataValue { classic_member_metadata: None, ..member.clone() },
        0,
        "01010263010101ffffffff0101000100",
    );
    let classic = ClassicMemberMetadata { session_timeout_ms: 9, ..Default::default() };
    check(
        &ConsumerGroupMemberMetadataValue { classic_member_metadata: Some(classic), ..member },
        0,
        "01010263010101ffffffff0101000701000000090100",
    );
}

#[test]
fn records_start_with_their_type_or_version() {
    let key = OffsetCommitKey { group: text("g"), topic: text("t"), partition: 2 };
    let bytes = key.to_key_bytes().unwrap();
    assert_eq!(bytes, &[0, 1, 0, 1, b'g', 0, 1, b't', 0, 0, 0, 2][..]);
    assert_eq!(OffsetCommitKey::from_key_bytes(bytes), Ok(Some(key)));
    assert_eq!(OffsetCommitKey::from_key_bytes(Bytes::from_static(&[0, 2, 0, 1, b'g'])), Ok(None));

    let commit = OffsetCommitValue { offset: 5, ..Default::default() };
    let bytes = commit.to_versioned_bytes(3).unwrap();
    assert_eq!(bytes[..10], [0, 3, 0, 0, 0, 0, 0, 0, 0, 5]);
    assert_eq!(OffsetCommitValue::from_versioned_bytes(bytes), Ok(commit));
    assert!(OffsetCommitValue::from_versioned_bytes(Bytes::from_static(&[0, 5])).is_err());
}

/// Looks up each message among lines of `name version hex`.
struct Lines {
    lines: Vec<(&'static str, i16, Vec<u8>)>,
    checked: usize,
}

impl Visitor for Lines {
    fn visit<M: Message + Arbitrary>(&mut self) {
        for (_, version, bytes) in self.lines.iter().filter(|(name, ..)| *name == M::NAME) {
            let message = M::from_bytes(Bytes::from(bytes.clone()), *version).expect("Kafka wrote these bytes");
            assert_eq!(message.to_bytes(*version), Ok(Bytes::from(bytes.clone())), "{message:?}");
            self.checked += 1;
        }
    }
}

/// No other implementation that we know has the records of the internal topics, so their bytes are kept:
/// Apache Kafka 4.3.1's own classes read each of these random records and wrote the same bytes.
#[test]
fn internal_records_are_kafkas() {
    let byte = |digits: &[u8]| u8::from_str_radix(str::from_utf8(digits).unwrap(), 16).unwrap();
    let line = |line: &'static str| {
        let mut words = line.split(' ');
        let (name, version) = (words.next().unwrap(), words.next().unwrap());
        (name, version.parse().unwrap(), words.next().unwrap().as_bytes().chunks(2).map(byte).collect())
    };
    let text = include_str!("../testdata/internal_records.txt");
    let mut lines = Lines { lines: text.lines().map(line).collect(), checked: 0 };
    visit_every_message(&mut lines);
    assert_eq!(lines.checked, lines.lines.len());
    assert!(lines.checked >= 50, "only {} records", lines.checked);
}
