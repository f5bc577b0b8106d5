//! FindCoordinator · key 10 · versions 0–6
//!
//! - 1: key types, error message. 3: flexible. 4: several keys (KIP-699). 5: KIP-890. 6: share groups (KIP-932).
//! - This broker coordinates every group and every transaction.
//! - Left out: share groups (type 2), an invalid request while no share groups exist, as in Kafka.
//!
//! Source: KIP-98, KIP-699.

use crate::{call::Context, errors};
use levada_model::Str;
use levada_protocol::{
    ErrorCode,
    messages::{FindCoordinatorRequest, FindCoordinatorResponse, find_coordinator_response::Coordinator},
};

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

/// From this version on there are several keys.
const BATCHED_FROM: i16 = 4;

pub(crate) async fn handle(context: Context, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    if context.version >= BATCHED_FROM {
        let mut coordinators = Vec::with_capacity(request.coordinator_keys.len());
        for key in &request.coordinator_keys {
            coordinators.push(find(&context, request.key_type, key).await);
        }
        return FindCoordinatorResponse { coordinators, ..FindCoordinatorResponse::default() };
    }
    let Coordinator { node_id, host, port, error_code, error_message, .. } =
        find(&context, request.key_type, &request.key).await;
    FindCoordinatorResponse { error_code, error_message, node_id, host, port, ..FindCoordinatorResponse::default() }
}

async fn find(context: &Context, key_type: i8, key: &Str) -> Coordinator {
    let refuse = |error: ErrorCode, message: &str| Coordinator {
        key: key.clone(),
        node_id: -1,
        port: -1,
        error_code: error.code(),
        error_message: Some(message.into()),
        ..Coordinator::default()
    };
    match key_type {
        GROUP => match find_group(context, key).await {
            Err(error) => refuse(error, error.name()),
            Ok(()) => here(context, key),
        },
        TRANSACTION => match find_transaction(context, key).await {
            Err(error) => refuse(error, error.name()),
            Ok(()) => here(context, key),
        },
        _ => refuse(ErrorCode::InvalidRequest, "unknown type of coordinator"),
    }
}

async fn find_group(context: &Context, key: &Str) -> Result<(), ErrorCode> {
    let grant = context.ask(key)?;
    context.broker().find_coordinator(&grant).await.map_err(|error| errors::coordinator(&error))
}

async fn find_transaction(context: &Context, key: &Str) -> Result<(), ErrorCode> {
    let grant = context.ask(key)?;
    context.broker().find_transaction_coordinator(&grant).await.map_err(|error| errors::coordinator(&error))
}

fn here(context: &Context, key: &Str) -> Coordinator {
    let endpoint = context.endpoint();
    Coordinator {
        key: key.clone(),
        node_id: context.broker().cluster().node_id,
        host: endpoint.host.into(),
        port: i32::from(endpoint.port),
        error_message: Some(Str::from_static("NONE")),
        ..Coordinator::default()
    }
}
