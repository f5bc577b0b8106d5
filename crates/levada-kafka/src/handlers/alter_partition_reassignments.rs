//! AlterPartitionReassignments · key 45 · versions 0–1
//!
//! - 1: whether the replication factor may change (KIP-860).
//! - The one place where a replica can be is where it is: that is granted, anything else cannot be.
//!
//! Source: KIP-455, KIP-860.

use crate::call::Context;
use levada_broker::auth::{Grant, op, res};
use levada_model::Str;
use levada_protocol::{
    ErrorCode,
    messages::{
        AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
        alter_partition_reassignments_request::ReassignablePartition,
        alter_partition_reassignments_response::{ReassignablePartitionResponse, ReassignableTopicResponse},
    },
};

pub(crate) async fn handle(
    context: Context,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let allow_replication_factor_change = request.allow_replication_factor_change;
    let grant = match context.ask_cluster() {
        Ok(grant) => grant,
        Err(error) => {
            return AlterPartitionReassignmentsResponse {
                allow_replication_factor_change,
                error_code: error.code(),
                error_message: Some("may not move partitions".into()),
                ..AlterPartitionReassignmentsResponse::default()
            };
        }
    };
    // Kafka's controller has no words where there is nothing to do, and an empty text.
    let error_message = request.topics.is_empty().then(Str::new);
    let topics = request.topics;
    let responses = topics.into_iter().map(|topic| ReassignableTopicResponse {
        partitions: topic
            .partitions
            .iter()
            .map(|partition| {
                let outcome = check(&context, &grant, &topic.name, partition);
                ReassignablePartitionResponse {
                    partition_index: partition.partition_index,
                    error_code: outcome.err().map_or(0, |(error, _)| error.code()),
                    error_message: outcome.err().map(|(_, message)| message.into()),
                }
            })
            .collect(),
        name: topic.name,
    });
    AlterPartitionReassignmentsResponse {
        allow_replication_factor_change,
        error_message,
        responses: responses.collect(),
        ..AlterPartitionReassignmentsResponse::default()
    }
}

fn check(
    context: &Context,
    grant: &Grant<op::Alter, res::Cluster>,
    topic: &Str,
    partition: &ReassignablePartition,
) -> Result<(), (ErrorCode, &'static str)> {
    if !context.broker().has_partition(grant, topic, partition.partition_index) {
        return Err((ErrorCode::UnknownTopicOrPartition, "no such partition"));
    }
    let here = context.broker().cluster().node_id;
    match &partition.replicas {
        None => Err((ErrorCode::NoReassignmentInProgress, "the partition is not being moved")),
        Some(replicas) if replicas[..] == [here] => Ok(()),
        Some(_) => Err((ErrorCode::InvalidReplicaAssignment, "replicas can only be on the one broker there is")),
    }
}
