//! Heartbeat · key 12 · versions 0–4
//!
//! - 3: static members (KIP-345). 4: flexible.
//!
//! Source: KIP-62, KIP-345.

use crate::{call::Context, errors};
use levada_broker::group::Heartbeat;
use levada_protocol::{
    ErrorCode,
    messages::{HeartbeatRequest, HeartbeatResponse},
};

pub(crate) async fn handle(context: Context, request: HeartbeatRequest) -> HeartbeatResponse {
    let error = heartbeat(&context, request).err().unwrap_or_default();
    HeartbeatResponse { error_code: error.code(), ..HeartbeatResponse::default() }
}

fn heartbeat(context: &Context, request: HeartbeatRequest) -> Result<(), ErrorCode> {
    let grant = context.ask(&request.group_id)?;
    let heartbeat = Heartbeat {
        member_id: request.member_id,
        instance_id: request.group_instance_id,
        generation: request.generation_id,
    };
    context.broker().heartbeat(&grant, &heartbeat).map_err(|error| errors::heartbeat(&error))
}
