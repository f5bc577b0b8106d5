//! DeleteRecords · key 21 · versions 0–2
//!
//! - 2: flexible.
//! - Answered when the new start of the log is durable; the timeout is not needed.
//!
//! Source: KIP-107.

use crate::{call::Context, errors};
use levada_broker::auth::{Grant, op, res};
use levada_model::NO_OFFSET;
use levada_protocol::{
    ErrorCode,
    messages::{
        DeleteRecordsRequest, DeleteRecordsResponse,
        delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult},
    },
};

pub(crate) async fn handle(context: Context, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let granted: Result<Grant<op::Delete, res::Topic>, ErrorCode> = context.ask_topic(&topic.name);
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in topic.partitions {
            let deleted = match &granted {
                Err(error) => Err(*error),
                Ok(grant) => {
                    let deleted = context.broker().delete_records(grant, partition.partition_index, partition.offset);
                    deleted.await.map_err(|error| errors::delete_records(&error))
                }
            };
            partitions.push(DeleteRecordsPartitionResult {
                partition_index: partition.partition_index,
                low_watermark: deleted.unwrap_or(NO_OFFSET),
                error_code: deleted.err().unwrap_or_default().code(),
            });
        }
        topics.push(DeleteRecordsTopicResult { name: topic.name, partitions });
    }
    DeleteRecordsResponse { topics, ..DeleteRecordsResponse::default() }
}
