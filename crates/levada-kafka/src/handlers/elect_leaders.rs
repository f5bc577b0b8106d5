//! ElectLeaders · key 43 · versions 0–2
//!
//! - 1: elections beyond preferred ones (KIP-460). 2: flexible.
//! - This node leads every partition: no election is needed. When all are asked for, none is worth mention.
//!
//! Source: KIP-183, KIP-460.

use crate::call::Context;
use levada_broker::auth::op;
use levada_model::Str;
use levada_protocol::{
    ErrorCode,
    messages::{
        ElectLeadersRequest, ElectLeadersResponse,
        elect_leaders_response::{PartitionResult, ReplicaElectionResult},
    },
};

/// The kinds of elections: of the preferred leader, and of any.
const KINDS: std::ops::RangeInclusive<i8> = 0..=1;

pub(crate) async fn handle(context: Context, request: ElectLeadersRequest) -> ElectLeadersResponse {
    let grant = context.ask_cluster::<op::Alter>();
    let whole = match &grant {
        Err(error) => Some((*error, "may not elect leaders")),
        Ok(_) if !KINDS.contains(&request.election_type) => {
            Some((ErrorCode::InvalidRequest, "no such kind of election"))
        }
        Ok(_) => None,
    };
    let outcome = |topic: &Str, partition: i32| match (&whole, &grant) {
        (Some(refused), _) => *refused,
        (None, Ok(grant)) if context.broker().has_partition(grant, topic, partition) => {
            (ErrorCode::ElectionNotNeeded, "the partition is led by the one broker there is")
        }
        _ => (ErrorCode::UnknownTopicOrPartition, "no such partition"),
    };
    // Of all partitions those that need no election are not told.
    let is_all = request.topic_partitions.is_none() && whole.is_none();
    let all = context.broker().topic_names().into_iter().filter(|_| is_all);
    let all = all.map(|name| ReplicaElectionResult { topic: name.as_shared().clone(), partition_result: Vec::new() });
    let results = request.topic_partitions.into_iter().flatten().map(|topic| ReplicaElectionResult {
        partition_result: topic
            .partitions
            .iter()
            .map(|&partition_id| {
                let (error, message) = outcome(&topic.topic, partition_id);
                PartitionResult { partition_id, error_code: error.code(), error_message: Some(message.into()) }
            })
            .collect(),
        topic: topic.topic.clone(),
    });
    let replica_election_results = results.chain(all).collect();
    let error_code = whole.map_or(0, |(error, _)| error.code());
    ElectLeadersResponse { error_code, replica_election_results, ..ElectLeadersResponse::default() }
}
