//! DescribeProducers · key 61 · versions 0
//!
//! - Those that a partition remembers, with their last sequence, their last batch's time and, where a transaction is
//!   open, its first offset.
//!
//! Source: KIP-664.

use crate::call::Context;
use levada_broker::{
    ProducerState as Remembered,
    auth::{Grant, op, res},
};
use levada_model::{ProducerId, Str};
use levada_protocol::{
    ErrorCode,
    messages::{
        DescribeProducersRequest, DescribeProducersResponse,
        describe_producers_response::{PartitionResponse, ProducerState, TopicResponse},
    },
};

pub(crate) async fn handle(context: Context, request: DescribeProducersRequest) -> DescribeProducersResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partition_indexes.into_iter().map(|index| describe(&context, &topic.name, index));
        TopicResponse { partitions: partitions.collect(), name: topic.name }
    });
    DescribeProducersResponse { topics: topics.collect(), ..DescribeProducersResponse::default() }
}

fn describe(context: &Context, topic: &Str, index: i32) -> PartitionResponse {
    let grant: Result<Grant<op::Read, res::Topic>, ErrorCode> = context.ask_topic(topic);
    let found =
        grant.and_then(|grant| context.broker().producers_of(&grant, index).ok_or(ErrorCode::UnknownTopicOrPartition));
    match found {
        Ok(producers) => PartitionResponse {
            partition_index: index,
            active_producers: producers.into_iter().map(producer).collect(),
            ..PartitionResponse::default()
        },
        Err(error) => PartitionResponse {
            partition_index: index,
            error_code: error.code(),
            error_message: Some(error.name().into()),
            ..PartitionResponse::default()
        },
    }
}

fn producer((ProducerId(producer_id), state): (ProducerId, Remembered)) -> ProducerState {
    let last = state.batches.back();
    ProducerState {
        producer_id,
        producer_epoch: i32::from(state.epoch),
        last_sequence: last.map_or(-1, |batch| batch.last_sequence),
        last_timestamp: last.map_or(state.last_active, |batch| batch.timestamp),
        coordinator_epoch: state.coordinator_epoch,
        current_txn_start_offset: state.transaction_first_offset.unwrap_or(-1),
    }
}
