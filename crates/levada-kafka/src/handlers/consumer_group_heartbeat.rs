//! ConsumerGroupHeartbeat · key 68 · versions 0–1
//!
//! - 1: a regular expression as subscription; the member brings its own id (KIP-1082).
//! - The one request by which a member joins (epoch 0), goes on, leaves (−1), and leaves for a while (−2).
//! - Answered when what it changed is durable.
//!
//! Source: KIP-848, KIP-1082.

use crate::{call::Context, errors};
use levada_broker::{
    auth::{Grant, op, res},
    consumer_group::{Assignment as Assigned, Beat, Beaten, MemberIdRule},
};
use levada_model::Str;
use levada_protocol::{
    ErrorCode,
    messages::{
        ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
        consumer_group_heartbeat_response::{Assignment, TopicPartitions},
    },
};
use std::time::Duration;

/// From this version on the member brings its own id.
const OWN_ID_FROM: i16 = 1;

pub(crate) async fn handle(context: Context, request: ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse {
    match beat(&context, request).await {
        Ok(beaten) => accepted(beaten),
        Err((error, message)) => ConsumerGroupHeartbeatResponse {
            error_code: error.code(),
            error_message: message.map(Str::from),
            ..ConsumerGroupHeartbeatResponse::default()
        },
    }
}

async fn beat(
    context: &Context,
    request: ConsumerGroupHeartbeatRequest,
) -> Result<Beaten, (ErrorCode, Option<String>)> {
    let group: Grant<op::Read, res::Group> = context.ask(&request.group_id).map_err(|error| (error, None))?;
    for name in request.subscribed_topic_names.iter().flatten() {
        context.ask_topic::<op::Describe>(name).map_err(|error| (error, None))?;
    }
    let beat = translate(context, request);
    let beaten = context.broker().consumer_heartbeat(&group, &context.caller, beat).await;
    beaten.map_err(|error| (errors::beat(&error), Some(error.to_string())))
}

fn translate(context: &Context, request: ConsumerGroupHeartbeatRequest) -> Beat {
    let timeout = u64::try_from(request.rebalance_timeout_ms).ok().map(Duration::from_millis);
    let owned = request.topic_partitions.map(|topics| topics.into_iter().map(|one| (one.topic_id, one.partitions)));
    Beat {
        member_id: request.member_id,
        member_id_rule: if context.version >= OWN_ID_FROM { MemberIdRule::Own } else { MemberIdRule::MayBeGiven },
        member_epoch: request.member_epoch,
        instance_id: request.instance_id,
        rack_id: request.rack_id,
        rebalance_timeout: timeout,
        topics: request.subscribed_topic_names,
        pattern: request.subscribed_topic_regex,
        assignor: request.server_assignor,
        owned: owned.map(Iterator::collect),
        client_id: context.caller.client_id.clone(),
        client_host: context.caller.client_host.clone(),
        fresh_member_id: Str::new(),
    }
}

fn accepted(beaten: Beaten) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse {
        member_id: Some(beaten.member_id),
        member_epoch: beaten.member_epoch,
        heartbeat_interval_ms: i32::try_from(beaten.heartbeat_interval.as_millis()).unwrap_or(i32::MAX),
        assignment: beaten.assignment.as_ref().map(assignment),
        ..ConsumerGroupHeartbeatResponse::default()
    }
}

fn assignment(assigned: &Assigned) -> Assignment {
    let topics = assigned
        .topics()
        .map(|(topic_id, partitions)| TopicPartitions { topic_id, partitions: partitions.iter().copied().collect() });
    Assignment { topic_partitions: topics.collect() }
}
