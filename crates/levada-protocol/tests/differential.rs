//! Our bytes against those of two independent implementations, message by message and version by version.
//!
//! Random messages are written by us, read and written by them, and must come back as the same bytes. Versions that
//! only one side knows are left out; what else is left out stands in `EXCEPTIONS` with the reason.

use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::{Decodable, Encodable};
use kafka_wire_core::{ApiVersion, DecodeLimits, KafkaDecode, KafkaEncode};
use levada_protocol::{
    Message,
    arbitrary::{Arbitrary, Source},
    messages as ours,
};
use std::ops::RangeInclusive;

/// Random messages for each message and version.
const SAMPLES: u64 = 20;

/// Messages that are not compared with `kafka-protocol`, and why.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("LeaderChangeMessage", "it takes the value of the field `version` for the version of what follows"),
    ("VotersRecord", "it takes the value of the field `version` for the version of what follows"),
];

/// Writes random messages of each version that `theirs` has, passes the bytes through `their_round_trip`, and wants
/// them back unchanged. Returns how many were compared.
fn compare<M: Message + Arbitrary>(
    theirs: RangeInclusive<i16>,
    their_round_trip: impl Fn(Bytes, i16) -> Result<Bytes, String>,
) -> u64 {
    let mut compared = 0;
    for version in M::VERSIONS.filter(|version| theirs.contains(version)) {
        for seed in 0..SAMPLES {
            let message = M::arbitrary(&mut Source::new(seed), version);
            let bytes = message.to_bytes(version).expect("an arbitrary message fits its version");
            let place = format!("{} version {version} seed {seed}: {message:?}", M::NAME);
            let answer = their_round_trip(bytes.clone(), version).expect(&place);
            assert_eq!(answer, bytes, "{place}");
            assert_eq!(M::from_bytes(answer, version).as_ref(), Ok(&message), "{place}");
            compared += 1;
        }
    }
    compared
}

fn through_kafka_protocol<T: Decodable + Encodable>(mut bytes: Bytes, version: i16) -> Result<Bytes, String> {
    let message = T::decode(&mut bytes, version).map_err(|error| error.to_string())?;
    if !bytes.is_empty() {
        return Err(format!("{} bytes left", bytes.len()));
    }
    let mut answer = BytesMut::new();
    message.encode(&mut answer, version).map_err(|error| error.to_string())?;
    Ok(answer.freeze())
}

fn through_kafka_wire<T: KafkaDecode + KafkaEncode>(bytes: Bytes, version: i16) -> Result<Bytes, String> {
    let version = ApiVersion::new(version);
    let message =
        T::decode_from_bytes(bytes, version, DecodeLimits::default()).map_err(|error| format!("{error:?}"))?;
    message.encode_to_bytes(version).map_err(|error| format!("{error:?}"))
}

macro_rules! against_kafka_protocol {
    ($($message:ident,)*) => {{
        let mut compared = 0;
        $({
            use kafka_protocol::{messages::$message, protocol::Message as _};
            let versions = $message::VERSIONS;
            if EXCEPTIONS.iter().all(|(name, _)| *name != stringify!($message)) {
                let round_trip = through_kafka_protocol::<$message>;
                compared += compare::<ours::$message>(versions.min..=versions.max, round_trip);
            }
        })*
        compared
    }};
}

macro_rules! against_kafka_wire {
    ($($message:ident,)*) => {{
        let mut compared = 0;
        $({
            use kafka_wire::{KafkaMessage as _, $message};
            let versions = $message::SUPPORTED_VERSIONS;
            compared += compare::<ours::$message>(
                versions.min().value()..=versions.max().value(),
                through_kafka_wire::<$message>,
            );
        })*
        compared
    }};
}

/// The messages that we and both others have.
macro_rules! in_both {
    ($compare:ident) => {
        $compare! {
        AddOffsetsToTxnRequest,
        AddOffsetsToTxnResponse,
        AddPartitionsToTxnRequest,
        AddPartitionsToTxnResponse,
        AddRaftVoterRequest,
        AddRaftVoterResponse,
        AlterClientQuotasRequest,
        AlterClientQuotasResponse,
        AlterConfigsRequest,
        AlterConfigsResponse,
        AlterPartitionReassignmentsRequest,
        AlterPartitionReassignmentsResponse,
        AlterReplicaLogDirsRequest,
        AlterReplicaLogDirsResponse,
        AlterShareGroupOffsetsRequest,
        AlterShareGroupOffsetsResponse,
        AlterUserScramCredentialsRequest,
        AlterUserScramCredentialsResponse,
        ApiVersionsRequest,
        ApiVersionsResponse,
        ConsumerGroupDescribeRequest,
        ConsumerGroupDescribeResponse,
        ConsumerGroupHeartbeatRequest,
        ConsumerGroupHeartbeatResponse,
        ConsumerProtocolAssignment,
        ConsumerProtocolSubscription,
        CreateAclsRequest,
        CreateAclsResponse,
        CreateDelegationTokenRequest,
        CreateDelegationTokenResponse,
        CreatePartitionsRequest,
        CreatePartitionsResponse,
        CreateTopicsRequest,
        CreateTopicsResponse,
        DeleteAclsRequest,
        DeleteAclsResponse,
        DeleteGroupsRequest,
        DeleteGroupsResponse,
        DeleteRecordsRequest,
        DeleteRecordsResponse,
        DeleteShareGroupOffsetsRequest,
        DeleteShareGroupOffsetsResponse,
        DeleteShareGroupStateRequest,
        DeleteShareGroupStateResponse,
        DeleteTopicsRequest,
        DeleteTopicsResponse,
        DescribeAclsRequest,
        DescribeAclsResponse,
        DescribeClientQuotasRequest,
        DescribeClientQuotasResponse,
        DescribeClusterRequest,
        DescribeClusterResponse,
        DescribeConfigsRequest,
        DescribeConfigsResponse,
        DescribeDelegationTokenRequest,
        DescribeDelegationTokenResponse,
        DescribeGroupsRequest,
        DescribeGroupsResponse,
        DescribeLogDirsRequest,
        DescribeLogDirsResponse,
        DescribeProducersRequest,
        DescribeProducersResponse,
        DescribeQuorumRequest,
        DescribeQuorumResponse,
        DescribeShareGroupOffsetsRequest,
        DescribeShareGroupOffsetsResponse,
        DescribeTopicPartitionsRequest,
        DescribeTopicPartitionsResponse,
        DescribeTransactionsRequest,
        DescribeTransactionsResponse,
        DescribeUserScramCredentialsRequest,
        DescribeUserScramCredentialsResponse,
        ElectLeadersRequest,
        ElectLeadersResponse,
        EndTxnMarker,
        EndTxnRequest,
        EndTxnResponse,
        ExpireDelegationTokenRequest,
        ExpireDelegationTokenResponse,
        FetchRequest,
        FetchResponse,
        FindCoordinatorRequest,
        FindCoordinatorResponse,
        GetTelemetrySubscriptionsRequest,
        GetTelemetrySubscriptionsResponse,
        HeartbeatRequest,
        HeartbeatResponse,
        IncrementalAlterConfigsRequest,
        IncrementalAlterConfigsResponse,
        InitProducerIdRequest,
        InitProducerIdResponse,
        InitializeShareGroupStateRequest,
        InitializeShareGroupStateResponse,
        JoinGroupRequest,
        JoinGroupResponse,
        KRaftVersionRecord,
        LeaderChangeMessage,
        LeaveGroupRequest,
        LeaveGroupResponse,
        ListConfigResourcesRequest,
        ListConfigResourcesResponse,
        ListGroupsRequest,
        ListGroupsResponse,
        ListOffsetsRequest,
        ListOffsetsResponse,
        ListPartitionReassignmentsRequest,
        ListPartitionReassignmentsResponse,
        ListTransactionsRequest,
        ListTransactionsResponse,
        MetadataRequest,
        MetadataResponse,
        OffsetCommitRequest,
        OffsetCommitResponse,
        OffsetDeleteRequest,
        OffsetDeleteResponse,
        OffsetFetchRequest,
        OffsetFetchResponse,
        OffsetForLeaderEpochRequest,
        OffsetForLeaderEpochResponse,
        ProduceRequest,
        ProduceResponse,
        PushTelemetryRequest,
        PushTelemetryResponse,
        ReadShareGroupStateRequest,
        ReadShareGroupStateResponse,
        ReadShareGroupStateSummaryRequest,
        ReadShareGroupStateSummaryResponse,
        RemoveRaftVoterRequest,
        RemoveRaftVoterResponse,
        RenewDelegationTokenRequest,
        RenewDelegationTokenResponse,
        SaslAuthenticateRequest,
        SaslAuthenticateResponse,
        SaslHandshakeRequest,
        SaslHandshakeResponse,
        ShareAcknowledgeRequest,
        ShareAcknowledgeResponse,
        ShareFetchRequest,
        ShareFetchResponse,
        ShareGroupDescribeRequest,
        ShareGroupDescribeResponse,
        ShareGroupHeartbeatRequest,
        ShareGroupHeartbeatResponse,
        SnapshotFooterRecord,
        SnapshotHeaderRecord,
        SyncGroupRequest,
        SyncGroupResponse,
        TxnOffsetCommitRequest,
        TxnOffsetCommitResponse,
        UnregisterBrokerRequest,
        UnregisterBrokerResponse,
        UpdateFeaturesRequest,
        UpdateFeaturesResponse,
        VotersRecord,
        WriteShareGroupStateRequest,
        WriteShareGroupStateResponse,
        WriteTxnMarkersRequest,
        WriteTxnMarkersResponse,
            }
    };
}

#[test]
fn kafka_protocol_reads_and_writes_the_same_bytes() {
    let compared: u64 = in_both!(against_kafka_protocol);
    assert!(compared > 5_000, "only {compared} messages were compared");
}

#[test]
fn kafka_wire_reads_and_writes_the_same_bytes() {
    let mut compared: u64 = in_both!(against_kafka_wire);
    compared += against_kafka_wire! {
        StreamsGroupDescribeRequest,
        StreamsGroupDescribeResponse,
        StreamsGroupHeartbeatRequest,
        StreamsGroupHeartbeatResponse,
    };
    assert!(compared > 5_000, "only {compared} messages were compared");
}
