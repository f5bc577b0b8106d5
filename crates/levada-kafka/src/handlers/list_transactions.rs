//! ListTransactions · key 66 · versions 0–2
//!
//! - 1: by duration (KIP-994). 2: by a pattern of the whole id (KIP-1152).
//!
//! Source: KIP-664, KIP-994, KIP-1152.

use crate::{call::Context, errors};
use levada_broker::{
    consumer_group::topics::Pattern,
    transaction::Status,
    transactions::{DescribedTransaction, ListTransactions},
};
use levada_model::{ProducerId, Str};
use levada_protocol::{
    ErrorCode,
    messages::{ListTransactionsRequest, ListTransactionsResponse, list_transactions_response::TransactionState},
};

pub(crate) async fn handle(context: Context, request: ListTransactionsRequest) -> ListTransactionsResponse {
    let named = |name: &Str| Status::ALL.into_iter().find(|status| status.name() == &**name);
    let (known, unknown): (Vec<Str>, Vec<Str>) =
        request.state_filters.into_iter().partition(|name| named(name).is_some());
    // Where a filter names nothing that there is, nothing passes it.
    if known.is_empty() && !unknown.is_empty() {
        return ListTransactionsResponse { unknown_state_filters: unknown, ..ListTransactionsResponse::default() };
    }
    let pattern = match request.transactional_id_pattern.filter(|pattern| !pattern.is_empty()) {
        None => None,
        Some(pattern) => match Pattern::new(&pattern) {
            Ok(pattern) => Some(pattern),
            Err(_) => {
                let error_code = ErrorCode::InvalidRegularExpression.code();
                return ListTransactionsResponse { error_code, ..ListTransactionsResponse::default() };
            }
        },
    };
    let list = ListTransactions {
        pattern,
        states: known.iter().filter_map(named).collect(),
        producers: request.producer_id_filters.into_iter().map(ProducerId).collect(),
        longer_than_ms: (request.duration_filter >= 0).then_some(request.duration_filter),
    };
    match context.broker().list_transactions(&context.caller, &list) {
        Ok(listed) => ListTransactionsResponse {
            unknown_state_filters: unknown,
            transaction_states: listed.into_iter().map(state).collect(),
            ..ListTransactionsResponse::default()
        },
        Err(error) => ListTransactionsResponse {
            error_code: errors::transact(&error).code(),
            ..ListTransactionsResponse::default()
        },
    }
}

fn state(described: DescribedTransaction) -> TransactionState {
    TransactionState {
        transactional_id: described.id,
        producer_id: described.transaction.producer.id.0,
        transaction_state: described.transaction.status.name().into(),
    }
}
