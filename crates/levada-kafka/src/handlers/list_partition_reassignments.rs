//! ListPartitionReassignments · key 46 · version 0
//!
//! - Nothing is ever being moved: there is one broker.
//!
//! Source: KIP-455.

use crate::call::Context;
use levada_broker::auth::op;
use levada_protocol::messages::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};

pub(crate) async fn handle(
    context: Context,
    _: ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    let denied = context.ask_cluster::<op::Describe>().err();
    ListPartitionReassignmentsResponse {
        error_code: denied.map_or(0, |error| error.code()),
        error_message: denied.map(|_| "may not see reassignments".into()),
        ..ListPartitionReassignmentsResponse::default()
    }
}
