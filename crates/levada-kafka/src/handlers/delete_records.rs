//! DeleteRecords · key 21 · versions 0–2
//!
//! - 2: flexible.
//! - Answered when the new start of the log is durable; the timeout is not needed.
//!
//! Source: KIP-107.

use crate::{call::Context, errors};
use levada_broker::auth::{Grant, op, res};
use levada_model::{NO_OFFSET, Offset, Str};
use levada_protocol::{
    ErrorCode,
    messages::{
        DeleteRecordsRequest, DeleteRecordsResponse,
        delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult},
    },
};
use std::collections::BTreeMap;

pub(crate) async fn handle(context: Context, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let mut topics = Vec::with_capacity(request.topics.len());
    // The last word on a partition counts, and topics without partitions are not answered.
    let mut asked: BTreeMap<Str, BTreeMap<i32, Offset>> = BTreeMap::new();
    for topic in request.topics.into_iter().filter(|topic| !topic.partitions.is_empty()) {
        let offsets = topic.partitions.iter().map(|partition| (partition.partition_index, partition.offset));
        asked.entry(topic.name).or_default().extend(offsets);
    }
    for (name, offsets) in asked {
        let granted: Result<Grant<op::Delete, res::Topic>, ErrorCode> = context.ask_topic(&name);
        let mut partitions = Vec::with_capacity(offsets.len());
        for (partition_index, offset) in offsets {
            let deleted = match &granted {
                Err(error) => Err(*error),
                Ok(grant) => {
                    let deleted = context.broker().delete_records(grant, partition_index, offset);
                    deleted.await.map_err(|error| errors::delete_records(&error))
                }
            };
            partitions.push(DeleteRecordsPartitionResult {
                partition_index,
                low_watermark: deleted.unwrap_or(NO_OFFSET),
                error_code: deleted.err().unwrap_or_default().code(),
            });
        }
        topics.push(DeleteRecordsTopicResult { name, partitions });
    }
    DeleteRecordsResponse { topics, ..DeleteRecordsResponse::default() }
}
