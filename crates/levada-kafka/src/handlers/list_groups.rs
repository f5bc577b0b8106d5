//! ListGroups · key 16 · versions 0–5
//!
//! - 3: flexible. 4: states, asked for and shown (KIP-518). 5: types, asked for and shown (KIP-848).
//! - Types: `classic` and `consumer`. Names of states and types may be asked for in either case.
//!
//! Source: KIP-518, KIP-848.

use crate::{call::Context, errors};
use levada_model::Str;
use levada_protocol::messages::{ListGroupsRequest, ListGroupsResponse, list_groups_response::ListedGroup};

pub(crate) async fn handle(context: Context, request: ListGroupsRequest) -> ListGroupsResponse {
    let groups = match context.broker().list_groups(&context.caller) {
        Ok(groups) => groups,
        Err(error) => {
            return ListGroupsResponse {
                error_code: errors::coordinator(&error).code(),
                ..ListGroupsResponse::default()
            };
        }
    };
    let is_among =
        |wanted: &[Str], name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
    let wanted = groups.into_iter().filter(|group| {
        is_among(&request.states_filter, group.state.name()) && is_among(&request.types_filter, group.group_type.name())
    });
    let groups = wanted.map(|group| ListedGroup {
        group_id: group.id,
        protocol_type: group.protocol_type,
        group_state: group.state.name().into(),
        group_type: group.group_type.name().into(),
    });
    ListGroupsResponse { groups: groups.collect(), ..ListGroupsResponse::default() }
}
