//! OffsetDelete · key 47 · version 0
//!
//! - Positions in topics to which the group's members subscribe stay.
//!
//! Source: KIP-496.

use crate::{call::Context, errors};
use levada_broker::{
    auth::{Grant, op, res},
    coordinator::{DeleteOffsetError, DeleteOffsets},
};
use levada_protocol::{
    ErrorCode,
    messages::{
        OffsetDeleteRequest, OffsetDeleteResponse,
        offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic},
    },
};

pub(crate) async fn handle(context: Context, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let refuse =
        |error: ErrorCode| OffsetDeleteResponse { error_code: error.code(), ..OffsetDeleteResponse::default() };
    let group = match context.ask::<op::Delete, res::Group>(&request.group_id) {
        Ok(grant) => grant,
        Err(error) => return refuse(error),
    };
    let mut asked = Vec::with_capacity(request.topics.len());
    let mut deletes = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let partitions: Vec<i32> = topic.partitions.iter().map(|partition| partition.partition_index).collect();
        let granted: Result<Grant<op::Read, res::Topic>, ErrorCode> = context.ask_topic(&topic.name);
        let is_known = granted.as_ref().is_ok_and(|granted| context.broker().topic_id(granted).is_some());
        // Of a topic without partitions there is nothing to say, unless it is unknown.
        if partitions.is_empty() && is_known {
            continue;
        }
        asked.push((topic.name, granted.as_ref().err().copied(), partitions.clone()));
        deletes.extend(granted.map(|grant| DeleteOffsets { topic: grant, partitions }));
    }
    let mut outcomes = match context.broker().delete_offsets(&group, deletes).await {
        Ok(outcomes) => outcomes.into_iter(),
        Err(error) => return refuse(errors::delete_offsets(&error)),
    };
    let topics = asked.into_iter().map(|(name, refusal, partitions)| {
        let of_topic = if refusal.is_none() { outcomes.next() } else { None };
        let mut of_topic = of_topic.unwrap_or_default().into_iter();
        let partitions = partitions.into_iter().map(|index| OffsetDeleteResponsePartition {
            partition_index: index,
            error_code: refusal.unwrap_or_else(|| code(of_topic.next())).code(),
        });
        OffsetDeleteResponseTopic { partitions: partitions.collect(), name }
    });
    OffsetDeleteResponse { topics: topics.collect(), ..OffsetDeleteResponse::default() }
}

fn code(outcome: Option<Result<(), DeleteOffsetError>>) -> ErrorCode {
    match outcome {
        Some(Ok(())) => ErrorCode::None,
        Some(Err(error)) => errors::delete_offset(&error),
        None => ErrorCode::UnknownServerError,
    }
}
