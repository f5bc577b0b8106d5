//! DescribeTopicPartitions · key 75 · version 0
//!
//! - Topics in the order of their names, at most so many partitions; a cursor says where the next page begins.
//! - Left out: eligible leader replicas, of which one broker has none.
//!
//! Source: KIP-966.

use crate::{authorised, call::Context};
use levada_broker::topics::TopicView;
use levada_model::{Str, TopicName};
use levada_protocol::{
    ErrorCode,
    messages::{
        DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
        describe_topic_partitions_request::Cursor as RequestCursor,
        describe_topic_partitions_response::{
            Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
        },
    },
};
use std::collections::BTreeSet;

/// Kafka: `max.request.partition.size.limit`.
const PARTITION_COUNT_MAX: i32 = 2_000;

pub(crate) async fn handle(
    context: Context,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let asks_all = request.topics.is_empty();
    let mut names: BTreeSet<Str> = if asks_all {
        context.broker().topic_names().iter().map(|name| name.as_shared().clone()).collect()
    } else {
        request.topics.into_iter().map(|topic| topic.name).collect()
    };
    let mut first_partition = 0;
    let asked = names.clone();
    let is_odd = |cursor: &RequestCursor, left: &BTreeSet<Str>| cursor.partition_index < 0 || left.is_empty();
    if let Some(cursor) = request.cursor {
        names = names.split_off(&cursor.topic_name);
        if is_odd(&cursor, &names) {
            let topics = asked.into_iter().map(|name| refused(name, ErrorCode::InvalidRequest));
            return DescribeTopicPartitionsResponse { topics: topics.collect(), ..Default::default() };
        }
        if names.first() == Some(&cursor.topic_name) {
            first_partition = cursor.partition_index;
        }
    }
    let mut left = request.response_partition_limit.clamp(1, PARTITION_COUNT_MAX);
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in names {
        let view = match find(&context, &name) {
            Ok(view) => view,
            // Of all topics a client sees those that it may see.
            Err(_) if asks_all => continue,
            Err(error) => {
                response.topics.push(missing(&context, name, error));
                continue;
            }
        };
        if left == 0 {
            response.next_cursor = Some(Cursor { topic_name: name, partition_index: 0 });
            break;
        }
        let end = view.partitions.min(first_partition.saturating_add(left));
        response.topics.push(describe(&context, &view, first_partition..end));
        if end < view.partitions {
            response.next_cursor = Some(Cursor { topic_name: name, partition_index: end });
            break;
        }
        left -= (end - first_partition).max(0);
        first_partition = 0;
    }
    response
}

fn find(context: &Context, name: &Str) -> Result<TopicView, ErrorCode> {
    let grant = context.ask_topic(name)?;
    if let Some(view) = context.broker().topic(&grant) {
        return Ok(view);
    }
    let is_legal = TopicName::new(name).is_ok();
    Err(if is_legal { ErrorCode::UnknownTopicOrPartition } else { ErrorCode::InvalidTopicException })
}

/// A topic that is not there, with what could be done to it if it were.
fn missing(context: &Context, name: Str, error: ErrorCode) -> DescribeTopicPartitionsResponseTopic {
    let topic_authorized_operations = authorised::topic(context, &name);
    DescribeTopicPartitionsResponseTopic { topic_authorized_operations, ..refused(name, error) }
}

fn refused(name: Str, error: ErrorCode) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic {
        error_code: error.code(),
        name: Some(name),
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}

fn describe(
    context: &Context,
    view: &TopicView,
    partitions: std::ops::Range<i32>,
) -> DescribeTopicPartitionsResponseTopic {
    let node_id = context.broker().cluster().node_id;
    let partitions = partitions.map(|index| DescribeTopicPartitionsResponsePartition {
        partition_index: index,
        leader_id: node_id,
        leader_epoch: view.leader_epoch,
        replica_nodes: vec![node_id],
        isr_nodes: vec![node_id],
        eligible_leader_replicas: Some(Vec::new()),
        last_known_elr: Some(Vec::new()),
        ..DescribeTopicPartitionsResponsePartition::default()
    });
    DescribeTopicPartitionsResponseTopic {
        name: Some(view.name.as_shared().clone()),
        topic_id: view.id,
        is_internal: view.is_internal,
        partitions: partitions.collect(),
        topic_authorized_operations: authorised::topic(context, view.name.as_shared()),
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}
