//! OffsetForLeaderEpoch · key 23 · versions 2–4
//!
//! - 3: replica id. 4: flexible.
//! - Left out: questions of followers, which are refused.
//!
//! Source: KIP-279, KIP-320.

use crate::{call::Context, errors};
use levada_broker::{
    auth::{Grant, op, res},
    fetch::EpochEnd,
};
use levada_model::NO_OFFSET;
use levada_protocol::{
    ErrorCode,
    messages::{
        OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
        offset_for_leader_epoch_request::OffsetForLeaderPartition,
        offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult},
    },
};

pub(crate) async fn handle(context: Context, request: OffsetForLeaderEpochRequest) -> OffsetForLeaderEpochResponse {
    let is_follower = request.replica_id >= 0;
    let topics = request.topics.into_iter().map(|topic| {
        let granted: Result<Grant<op::Describe, res::Topic>, _> =
            if is_follower { Err(ErrorCode::ClusterAuthorizationFailed) } else { context.ask_topic(&topic.topic) };
        let partitions = topic.partitions.iter().map(|partition| {
            let granted = granted.as_ref().map_err(|error| *error);
            epoch_end(partition.partition, granted.and_then(|grant| look_up(&context, grant, partition)))
        });
        OffsetForLeaderTopicResult { partitions: partitions.collect(), topic: topic.topic }
    });
    OffsetForLeaderEpochResponse { topics: topics.collect(), ..OffsetForLeaderEpochResponse::default() }
}

fn look_up(
    context: &Context,
    grant: &Grant<op::Describe, res::Topic>,
    partition: &OffsetForLeaderPartition,
) -> Result<Option<EpochEnd>, ErrorCode> {
    let known = (partition.current_leader_epoch != -1).then_some(partition.current_leader_epoch);
    let found = context.broker().epoch_end(grant, partition.partition, known, partition.leader_epoch);
    found.map_err(|error| errors::fetch(&error))
}

fn epoch_end(partition: i32, found: Result<Option<EpochEnd>, ErrorCode>) -> EpochEndOffset {
    let none = EpochEndOffset { partition, leader_epoch: -1, end_offset: NO_OFFSET, ..EpochEndOffset::default() };
    match found {
        Ok(Some(EpochEnd { epoch, end_offset })) => EpochEndOffset { leader_epoch: epoch, end_offset, ..none },
        Ok(None) => none,
        Err(error) => EpochEndOffset { error_code: error.code(), ..none },
    }
}
