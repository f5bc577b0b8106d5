//! DescribeGroups · key 15 · versions 0–6
//!
//! - 3: authorised operations (KIP-430). 4: static members (KIP-345). 5: flexible. 6: an error for a group that
//!   does not exist (KIP-1043), which before is shown as dead.
//! - A group of KIP-848 counts as one that does not exist: ConsumerGroupDescribe shows it.
//!
//! Source: KIP-430, KIP-1043.

use crate::{authorised, call::Context, errors};
use levada_broker::group::DescribedGroup as Described;
use levada_model::Str;
use levada_protocol::{
    ErrorCode,
    messages::{
        DescribeGroupsRequest, DescribeGroupsResponse,
        describe_groups_response::{DescribedGroup, DescribedGroupMember},
    },
};

/// From this version on a missing group is an error.
const MISSING_FROM: i16 = 6;

pub(crate) async fn handle(context: Context, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let include_operations = request.include_authorized_operations;
    let groups = request.groups.into_iter().map(|group_id| {
        let mut group = match find(&context, &group_id) {
            Err(error) => DescribedGroup { error_code: error.code(), group_id, ..DescribedGroup::default() },
            Ok(Some(group)) => show(group),
            Ok(None) => missing(&context, group_id),
        };
        if include_operations && group.error_code == 0 {
            group.authorized_operations = authorised::group(&context, &group.group_id);
        }
        group
    });
    DescribeGroupsResponse { groups: groups.collect(), ..DescribeGroupsResponse::default() }
}

fn find(context: &Context, group_id: &Str) -> Result<Option<Described>, ErrorCode> {
    let grant = context.ask(group_id)?;
    if group_id.is_empty() {
        return Ok(None);
    }
    context.broker().describe_group(&grant).map_err(|error| errors::coordinator(&error))
}

fn missing(context: &Context, group_id: Str) -> DescribedGroup {
    let is_error = context.version >= MISSING_FROM;
    let is_other = context.ask(&group_id).is_ok_and(|grant| context.broker().group_exists(&grant));
    let reason = if is_other { "is not a classic group" } else { "not found" };
    DescribedGroup {
        error_code: if is_error { ErrorCode::GroupIdNotFound.code() } else { 0 },
        error_message: is_error.then(|| format!("Group {group_id} {reason}.").into()),
        group_state: Str::from_static("Dead"),
        group_id,
        ..DescribedGroup::default()
    }
}

fn show(group: Described) -> DescribedGroup {
    let members = group.members.into_iter().map(|member| DescribedGroupMember {
        member_id: member.id,
        group_instance_id: member.instance_id,
        client_id: member.client_id,
        client_host: member.client_host,
        member_metadata: member.metadata,
        member_assignment: member.assignment,
    });
    DescribedGroup {
        group_id: group.id,
        group_state: group.state.name().into(),
        protocol_type: group.protocol_type,
        protocol_data: group.protocol,
        members: members.collect(),
        ..DescribedGroup::default()
    }
}
