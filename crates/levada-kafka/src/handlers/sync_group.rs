//! SyncGroup · key 14 · versions 0–5
//!
//! - 3: static members (KIP-345). 4: flexible. 5: protocol type and name (KIP-559).
//! - The answer comes when the leader has brought the assignments.
//!
//! Source: KIP-62, KIP-345, KIP-559.

use crate::{call::Context, errors};
use levada_broker::group::{Sync, Synced};
use levada_protocol::{
    ErrorCode,
    messages::{SyncGroupRequest, SyncGroupResponse},
};

/// From this version on the protocol is named.
const PROTOCOL_FROM: i16 = 5;

pub(crate) async fn handle(context: Context, request: SyncGroupRequest) -> SyncGroupResponse {
    match sync(&context, request).await {
        Ok(Synced { protocol_type, protocol, assignment }) => {
            SyncGroupResponse { protocol_type, protocol_name: protocol, assignment, ..SyncGroupResponse::default() }
        }
        Err(error) => SyncGroupResponse { error_code: error.code(), ..SyncGroupResponse::default() },
    }
}

async fn sync(context: &Context, request: SyncGroupRequest) -> Result<Synced, ErrorCode> {
    let grant = context.ask(&request.group_id)?;
    let is_named = request.protocol_type.is_some() && request.protocol_name.is_some();
    if context.version >= PROTOCOL_FROM && !is_named {
        return Err(ErrorCode::InconsistentGroupProtocol);
    }
    let assignments = request.assignments.into_iter().map(|one| (one.member_id, one.assignment));
    let sync = Sync {
        member_id: request.member_id,
        instance_id: request.group_instance_id,
        generation: request.generation_id,
        protocol_type: request.protocol_type,
        protocol: request.protocol_name,
        assignments: assignments.collect(),
    };
    context.broker().sync_group(&grant, sync).await.map_err(|error| errors::sync(&error))
}
