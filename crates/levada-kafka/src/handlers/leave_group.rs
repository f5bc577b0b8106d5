//! LeaveGroup · key 13 · versions 0–5
//!
//! - 3: several members, static ones by their instance (KIP-345). 4: flexible. 5: reason (KIP-800), which is
//!   not kept.
//!
//! Source: KIP-62, KIP-345, KIP-800.

use crate::{call::Context, errors};
use levada_broker::{
    coordinator::GroupError,
    group::{Leave, LeaveError},
};
use levada_model::Str;
use levada_protocol::{
    ErrorCode,
    messages::{LeaveGroupRequest, LeaveGroupResponse, leave_group_response::MemberResponse},
};

/// From this version on there are several members, each with its own error.
const BATCHED_FROM: i16 = 3;

pub(crate) async fn handle(context: Context, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let is_batched = context.version >= BATCHED_FROM;
    let leaves: Vec<Leave> = if is_batched {
        let leave = |member: &levada_protocol::messages::leave_group_request::MemberIdentity| Leave {
            member_id: member.member_id.clone(),
            instance_id: member.group_instance_id.clone(),
        };
        request.members.iter().map(leave).collect()
    } else {
        vec![Leave { member_id: request.member_id.clone(), instance_id: None }]
    };
    match leave(&context, &request.group_id, &leaves) {
        Err(error) => refused(error),
        Ok(outcomes) if is_batched => {
            let members = leaves.into_iter().zip(outcomes).map(|(leave, outcome)| MemberResponse {
                member_id: leave.member_id,
                group_instance_id: leave.instance_id,
                error_code: code(&outcome).code(),
            });
            LeaveGroupResponse { members: members.collect(), ..LeaveGroupResponse::default() }
        }
        Ok(outcomes) => refused(outcomes.first().map(code).unwrap_or_default()),
    }
}

fn leave(context: &Context, group_id: &Str, leaves: &[Leave]) -> Result<Vec<Result<(), LeaveError>>, ErrorCode> {
    let grant = context.ask(group_id)?;
    match context.broker().leave_group(&grant, leaves) {
        Ok(outcomes) => Ok(outcomes),
        // Nobody is a member of a group that does not exist.
        Err(GroupError::UnknownGroup) => {
            Ok(leaves.iter().map(|leave| Err(LeaveError::UnknownMember(leave.member_id.clone()))).collect())
        }
        Err(GroupError::Coordinator(error)) => Err(errors::coordinator(&error)),
    }
}

fn code(outcome: &Result<(), LeaveError>) -> ErrorCode {
    outcome.as_ref().err().map(errors::leave).unwrap_or_default()
}

fn refused(error: ErrorCode) -> LeaveGroupResponse {
    LeaveGroupResponse { error_code: error.code(), ..LeaveGroupResponse::default() }
}
