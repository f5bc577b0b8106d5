//! DescribeQuorum · key 55 · versions 0–2
//!
//! - 1: when replicas last fetched and caught up (KIP-836). 2: directories, nodes, error messages (KIP-853).
//! - The quorum is this node: it leads, it has voted, and it has everything.
//! - Left out: a listener of the controller, which there is none of: the node is shown without listeners.
//!
//! Source: KIP-595, KIP-836, KIP-853.

use crate::call::Context;
use levada_broker::auth::op;
use levada_protocol::{
    ErrorCode,
    messages::{
        DescribeQuorumRequest, DescribeQuorumResponse,
        describe_quorum_response::{Node, PartitionData, ReplicaState, TopicData},
    },
};

/// From this version on the nodes of the quorum are told.
const NODES_FROM: i16 = 2;
/// The name of Kafka's metadata log.
const METADATA_TOPIC: &str = "__cluster_metadata";

pub(crate) async fn handle(context: Context, request: DescribeQuorumRequest) -> DescribeQuorumResponse {
    if let Err(error) = context.ask_cluster::<op::Describe>() {
        return DescribeQuorumResponse {
            error_code: error.code(),
            error_message: Some("may not see the quorum".into()),
            ..DescribeQuorumResponse::default()
        };
    }
    let is_the_one = matches!(&request.topics[..], [topic] if topic.topic_name == METADATA_TOPIC
        && matches!(&topic.partitions[..], [partition] if partition.partition_index == 0));
    let topics = request.topics.into_iter().map(|topic| TopicData {
        partitions: topic
            .partitions
            .iter()
            .map(|partition| if is_the_one { quorum(&context) } else { unknown(partition.partition_index) })
            .collect(),
        topic_name: topic.topic_name,
    });
    let node_id = context.broker().cluster().node_id;
    let nodes = if is_the_one && context.version >= NODES_FROM {
        vec![Node { node_id, ..Node::default() }]
    } else {
        Vec::new()
    };
    DescribeQuorumResponse { topics: topics.collect(), nodes, ..DescribeQuorumResponse::default() }
}

fn quorum(context: &Context) -> PartitionData {
    let view = context.broker().cluster();
    let end = i64::try_from(context.broker().metadata_version()).unwrap_or(i64::MAX);
    let now = context.broker().wall_ms();
    let voter = ReplicaState {
        replica_id: view.node_id,
        log_end_offset: end,
        last_fetch_timestamp: now,
        last_caught_up_timestamp: now,
        ..ReplicaState::default()
    };
    PartitionData {
        leader_id: view.node_id,
        leader_epoch: view.leader_epoch,
        high_watermark: end,
        current_voters: vec![voter],
        ..PartitionData::default()
    }
}

fn unknown(partition_index: i32) -> PartitionData {
    let error = ErrorCode::UnknownTopicOrPartition;
    PartitionData {
        partition_index,
        error_code: error.code(),
        error_message: Some("only partition 0 of the metadata log has a quorum".into()),
        ..PartitionData::default()
    }
}
