//! JoinGroup · key 11 · versions 0–9
//!
//! - 1: rebalance timeout. 4: a new member gets its id first and joins with it (KIP-394). 5: static members
//!   (KIP-345). 6: flexible. 7: protocol type. 8: reason. 9: `skip_assignment` (KIP-814).
//! - Versions 0 and 1 stay for librdkafka, which looks for them (KAFKA-19444).
//! - The answer comes when the members of the next generation are known.
//!
//! Source: KIP-62, KIP-134, KIP-345, KIP-394, KIP-814.

use crate::{call::Context, errors};
use levada_broker::group::{
    Join, JoinError, Joined,
    messages::{RoundTrip, SkipsAssignment},
};
use levada_model::Str;
use levada_protocol::{
    ErrorCode,
    messages::{JoinGroupRequest, JoinGroupResponse, join_group_response::JoinGroupResponseMember},
};
use std::time::Duration;

/// From this version on a new member joins in two steps.
const ROUND_TRIP_FROM: i16 = 4;
/// From this version on the protocol's name may be null.
const NULL_PROTOCOL_FROM: i16 = 7;
/// From this version on a leader may be told to keep the assignment.
const SKIP_FROM: i16 = 9;

pub(crate) async fn handle(context: Context, request: JoinGroupRequest) -> JoinGroupResponse {
    let member_id = request.member_id.clone();
    let response = match join(&context, request).await {
        Ok(joined) => accepted(joined),
        Err((error, given)) => JoinGroupResponse {
            error_code: error.code(),
            generation_id: -1,
            member_id: given.unwrap_or(member_id),
            protocol_name: None,
            ..JoinGroupResponse::default()
        },
    };
    let protocol_name = response.protocol_name.or_else(|| (context.version < NULL_PROTOCOL_FROM).then(Str::new));
    JoinGroupResponse { protocol_name, ..response }
}

/// An error, and the id that the member is given with it, if it is.
async fn join(context: &Context, request: JoinGroupRequest) -> Result<Joined, (ErrorCode, Option<Str>)> {
    let grant = context.ask(&request.group_id).map_err(|error| (error, None))?;
    let join = translate(context, request);
    let limits = context.broker().config().group_limits();
    let is_bounded = (limits.session_timeout_min..=limits.session_timeout_max).contains(&join.session_timeout);
    if !grant.name().is_empty() && !is_bounded {
        return Err((ErrorCode::InvalidSessionTimeout, None));
    }
    context.broker().join_group(&grant, join).await.map_err(|error| {
        let given = match &error {
            JoinError::MemberIdRequired { member_id } => Some(member_id.clone()),
            _ => None,
        };
        (errors::join(&error), given)
    })
}

fn translate(context: &Context, request: JoinGroupRequest) -> Join {
    let session_timeout = millis(request.session_timeout_ms);
    let rebalance_timeout = if context.version == 0 { session_timeout } else { millis(request.rebalance_timeout_ms) };
    let is_stepwise = context.version >= ROUND_TRIP_FROM && request.group_instance_id.is_none();
    Join {
        member_id: request.member_id,
        instance_id: request.group_instance_id,
        client_id: context.caller.client_id.clone(),
        client_host: context.caller.client_host.clone(),
        session_timeout,
        rebalance_timeout,
        protocol_type: request.protocol_type,
        protocols: request.protocols.into_iter().map(|protocol| (protocol.name, protocol.metadata)).collect(),
        member_id_round_trip: if is_stepwise { RoundTrip::Required } else { RoundTrip::Not },
        skips_assignment: if context.version >= SKIP_FROM { SkipsAssignment::Understood } else { SkipsAssignment::Not },
        fresh_member_id: Str::new(),
    }
}

fn millis(milliseconds: i32) -> Duration {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
}

fn accepted(joined: Joined) -> JoinGroupResponse {
    let members = joined.members.into_iter().map(|member| JoinGroupResponseMember {
        member_id: member.member_id,
        group_instance_id: member.instance_id,
        metadata: member.metadata,
    });
    JoinGroupResponse {
        generation_id: joined.generation,
        protocol_type: joined.protocol_type,
        protocol_name: joined.protocol,
        leader: joined.leader,
        skip_assignment: joined.skip_assignment,
        member_id: joined.member_id,
        members: members.collect(),
        ..JoinGroupResponse::default()
    }
}
