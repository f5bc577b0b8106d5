//! DeleteGroups · key 42 · versions 0–2
//!
//! - 2: flexible.
//! - Only groups without members are deleted; answered when that is durable.
//!
//! Source: KIP-229.

use crate::{call::Context, errors};
use levada_model::Str;
use levada_protocol::{
    ErrorCode,
    messages::{DeleteGroupsRequest, DeleteGroupsResponse, delete_groups_response::DeletableGroupResult},
};
use std::collections::BTreeSet;

pub(crate) async fn handle(context: Context, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut results = Vec::with_capacity(request.groups_names.len());
    let mut seen = BTreeSet::new();
    for group_id in request.groups_names {
        if !seen.insert(group_id.clone()) {
            continue;
        }
        let error = delete(&context, &group_id).await.err().unwrap_or_default();
        results.push(DeletableGroupResult { group_id, error_code: error.code() });
    }
    DeleteGroupsResponse { results, ..DeleteGroupsResponse::default() }
}

async fn delete(context: &Context, group_id: &Str) -> Result<(), ErrorCode> {
    let grant = context.ask(group_id)?;
    if group_id.is_empty() {
        return Err(ErrorCode::GroupIdNotFound);
    }
    context.broker().delete_group(&grant).await.map_err(|error| errors::delete_group(&error))
}
