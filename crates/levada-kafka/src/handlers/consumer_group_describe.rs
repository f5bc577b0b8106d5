//! ConsumerGroupDescribe · key 69 · versions 0–1
//!
//! - 1: whether a member speaks the classic protocol (KIP-1099).
//! - A classic group counts as one that does not exist: DescribeGroups shows it.
//! - A group with a topic that the caller may not see is refused, as its members' assignments name it.
//!
//! Source: KIP-848, KIP-1099.

use crate::{authorised, call::Context, errors};
use levada_broker::{
    auth::{Grant, op, res},
    consumer_group::{DescribedConsumer, DescribedConsumerGroup},
};
use levada_model::{PartitionIndex, Str, TopicId};
use levada_protocol::{
    ErrorCode,
    messages::{
        ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse,
        consumer_group_describe_response::{Assignment, DescribedGroup, Member, TopicPartitions},
    },
};

/// What a member is shown as that speaks the classic protocol, and one that does not.
const CLASSIC: i8 = 0;
const CONSUMER: i8 = 1;

pub(crate) async fn handle(context: Context, request: ConsumerGroupDescribeRequest) -> ConsumerGroupDescribeResponse {
    let include_operations = request.include_authorized_operations;
    let groups = request.group_ids.into_iter().map(|group_id| match describe(&context, &group_id) {
        Err((error, message)) => DescribedGroup {
            error_code: error.code(),
            error_message: message.map(Str::from),
            group_id,
            ..DescribedGroup::default()
        },
        Ok(group) => {
            let mut shown = show(group);
            if include_operations {
                shown.authorized_operations = authorised::group(&context, &group_id);
            }
            shown
        }
    });
    ConsumerGroupDescribeResponse { groups: groups.collect(), ..ConsumerGroupDescribeResponse::default() }
}

fn describe(context: &Context, group_id: &Str) -> Result<DescribedConsumerGroup, (ErrorCode, Option<String>)> {
    let grant: Grant<op::Describe, res::Group> = context.ask(group_id).map_err(|error| (error, None))?;
    let found = context.broker().describe_consumer_group(&grant);
    let found = found.map_err(|error| (errors::coordinator(&error), Some(error.to_string())))?;
    let Some(group) = found else {
        let reason = if context.broker().group_exists(&grant) { "is not a consumer group" } else { "not found" };
        return Err((ErrorCode::GroupIdNotFound, Some(format!("Group {group_id} {reason}."))));
    };
    for member in &group.members {
        let assigned = member.assignment.iter().chain(&member.target).map(|(_, name, _)| name);
        for name in member.topics.iter().chain(assigned) {
            let denied = |error| {
                (
                    error,
                    Some("The group has described topic(s) that the client is not authorized to describe.".to_owned()),
                )
            };
            context.ask_topic::<op::Describe>(name).map_err(denied)?;
        }
    }
    Ok(group)
}

fn show(group: DescribedConsumerGroup) -> DescribedGroup {
    DescribedGroup {
        group_id: group.id,
        group_state: group.state.name().into(),
        group_epoch: group.epoch,
        assignment_epoch: group.assignment_epoch,
        assignor_name: group.assignor,
        members: group.members.into_iter().map(member).collect(),
        ..DescribedGroup::default()
    }
}

fn member(member: DescribedConsumer) -> Member {
    Member {
        member_id: member.id,
        instance_id: member.instance_id,
        rack_id: member.rack_id,
        member_epoch: member.epoch,
        client_id: member.client_id,
        client_host: member.client_host,
        subscribed_topic_names: member.topics,
        // Without an expression it is empty, never null.
        subscribed_topic_regex: Some(member.pattern.unwrap_or_default()),
        assignment: assignment(member.assignment),
        target_assignment: assignment(member.target),
        member_type: if member.is_classic { CLASSIC } else { CONSUMER },
    }
}

fn assignment(partitions: Vec<(TopicId, Str, Vec<PartitionIndex>)>) -> Assignment {
    let topics = partitions.into_iter().map(|(topic_id, topic_name, partitions)| TopicPartitions {
        topic_id,
        topic_name,
        partitions,
    });
    Assignment { topic_partitions: topics.collect() }
}
