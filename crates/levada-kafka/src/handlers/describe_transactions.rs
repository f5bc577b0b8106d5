//! DescribeTransactions · key 65 · versions 0
//!
//! - Topics of a transaction that the caller may not see are left out.
//!
//! Source: KIP-664.

use crate::{call::Context, errors};
use levada_broker::{
    auth::{Grant, op, res},
    transaction::Transaction,
};
use levada_model::Str;
use levada_protocol::{
    ErrorCode,
    messages::{
        DescribeTransactionsRequest, DescribeTransactionsResponse,
        describe_transactions_response::{TopicData, TransactionState},
    },
};

pub(crate) async fn handle(context: Context, request: DescribeTransactionsRequest) -> DescribeTransactionsResponse {
    let states = request.transactional_ids.into_iter().map(|id| match describe(&context, &id) {
        Ok(transaction) => state(&context, id, &transaction),
        Err(error) => {
            TransactionState { transactional_id: id, error_code: error.code(), ..TransactionState::default() }
        }
    });
    DescribeTransactionsResponse { transaction_states: states.collect(), ..DescribeTransactionsResponse::default() }
}

fn describe(context: &Context, id: &Str) -> Result<Transaction, ErrorCode> {
    let grant = context.ask(id)?;
    let found = context.broker().describe_transaction(&grant).map_err(|error| errors::transact(&error))?;
    found.map(|described| described.transaction).ok_or(ErrorCode::TransactionalIdNotFound)
}

fn state(context: &Context, id: Str, transaction: &Transaction) -> TransactionState {
    let mut topics: Vec<TopicData> = Vec::new();
    for partition in &transaction.partitions {
        let name = partition.topic.as_shared();
        if let Some(last) = topics.last_mut().filter(|last| last.topic == *name) {
            last.partitions.push(partition.partition);
            continue;
        }
        let may_see: Result<Grant<op::Describe, res::Topic>, _> = context.ask_topic(name);
        if may_see.is_ok() {
            topics.push(TopicData { topic: name.clone(), partitions: vec![partition.partition] });
        }
    }
    TransactionState {
        error_code: 0,
        transactional_id: id,
        transaction_state: transaction.status.name().into(),
        transaction_timeout_ms: transaction.timeout_ms,
        transaction_start_time_ms: transaction.started_ms,
        producer_id: transaction.producer.id.0,
        producer_epoch: transaction.producer.epoch,
        topics,
    }
}
