//! AddPartitionsToTxn · key 24 · versions 0–5
//!
//! - 2: PRODUCER_FENCED. 3: flexible. 4: several transactions, for brokers, which may also only verify (KIP-890).
//!   5: nothing: TRANSACTION_ABORTABLE is told in 4, too.
//! - All partitions of a transaction are added or none: where one is not there or not allowed, the others are told
//!   OPERATION_NOT_ATTEMPTED.
//!
//! Source: KIP-98, KIP-588, KIP-890.

use crate::{call::Context, errors};
use levada_broker::{
    auth::{Grant, op, res},
    group::offsets::TopicPartition,
    transaction::{Producer, TransactionError},
};
use levada_model::{ProducerId, Str, TopicName};
use levada_protocol::{
    ErrorCode,
    messages::{
        AddPartitionsToTxnRequest, AddPartitionsToTxnResponse,
        add_partitions_to_txn_request::AddPartitionsToTxnTopic,
        add_partitions_to_txn_response::{
            AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
        },
    },
};
use std::collections::BTreeSet;

/// From this version on clients know PRODUCER_FENCED.
const FENCED_FROM: i16 = 2;
/// From this version on there are several transactions.
const BATCHED_FROM: i16 = 4;

/// What is asked of one transaction.
struct Asked {
    id: Str,
    producer: Producer,
    verify_only: bool,
    topics: Vec<AddPartitionsToTxnTopic>,
}

pub(crate) async fn handle(context: Context, request: AddPartitionsToTxnRequest) -> AddPartitionsToTxnResponse {
    if context.version < BATCHED_FROM {
        let producer =
            Producer { id: ProducerId(request.v3_and_below_producer_id), epoch: request.v3_and_below_producer_epoch };
        let (id, topics) = (request.v3_and_below_transactional_id, request.v3_and_below_topics);
        let results = add(&context, Asked { id, producer, verify_only: false, topics }).await;
        return AddPartitionsToTxnResponse {
            results_by_topic_v3_and_below: results,
            ..AddPartitionsToTxnResponse::default()
        };
    }
    // Clients use the versions before; these are for brokers.
    if let Err(error) = context.ask_cluster::<op::ClusterAction>() {
        return AddPartitionsToTxnResponse { error_code: error.code(), ..AddPartitionsToTxnResponse::default() };
    }
    let mut results = Vec::with_capacity(request.transactions.len());
    for transaction in request.transactions {
        let producer = Producer { id: ProducerId(transaction.producer_id), epoch: transaction.producer_epoch };
        let (id, verify_only, topics) = (transaction.transactional_id, transaction.verify_only, transaction.topics);
        let topic_results = add(&context, Asked { id: id.clone(), producer, verify_only, topics }).await;
        results.push(AddPartitionsToTxnResult { transactional_id: id, topic_results });
    }
    AddPartitionsToTxnResponse { results_by_transaction: results, ..AddPartitionsToTxnResponse::default() }
}

async fn add(context: &Context, asked: Asked) -> Vec<AddPartitionsToTxnTopicResult> {
    let all = |error: ErrorCode| answer(&asked.topics, &mut |_, _| error);
    let grant: Grant<op::Write, res::TransactionalId> = match context.ask(&asked.id) {
        Ok(grant) => grant,
        Err(error) => return all(error),
    };
    let mut partitions = Vec::new();
    let mut refused = Vec::new();
    for topic in &asked.topics {
        for &partition in &topic.partitions {
            match exists(context, &topic.name, partition) {
                Ok(it) => partitions.push(it),
                Err(error) => refused.push((topic.name.clone(), partition, error)),
            }
        }
    }
    if !refused.is_empty() {
        return answer(&asked.topics, &mut |name, partition| {
            let refusal = refused.iter().find(|(topic, index, _)| topic == name && *index == partition);
            refusal.map_or(ErrorCode::OperationNotAttempted, |(.., error)| *error)
        });
    }
    let translate = |code: ErrorCode| if context.version < FENCED_FROM { errors::before_fencing(code) } else { code };
    if !asked.verify_only {
        let set: BTreeSet<TopicPartition> = partitions.into_iter().collect();
        let added = context.broker().add_partitions(&grant, asked.producer, set).await;
        return all(added.err().map_or(ErrorCode::None, |error| translate(errors::transact(&error))));
    }
    match context.broker().verify_partitions(&grant, asked.producer, &partitions) {
        Err(error) => all(translate(errors::transact(&error))),
        Ok(verified) => {
            let mut verified = verified.into_iter();
            answer(&asked.topics, &mut |_, _| match verified.next() {
                Some(Err(TransactionError::NotAdded)) => ErrorCode::TransactionAbortable,
                Some(Err(error)) => errors::transaction(&error),
                Some(Ok(())) | None => ErrorCode::None,
            })
        }
    }
}

fn exists(context: &Context, topic: &Str, partition: i32) -> Result<TopicPartition, ErrorCode> {
    let grant: Grant<op::Write, res::Topic> = context.ask_topic(topic)?;
    let unknown = ErrorCode::UnknownTopicOrPartition;
    let count = context.broker().partition_count(&grant).ok_or(unknown)?;
    let name = TopicName::new(topic.as_ref()).map_err(|_| unknown)?;
    if (0..count).contains(&partition) { Ok(TopicPartition { topic: name, partition }) } else { Err(unknown) }
}

fn answer(
    topics: &[AddPartitionsToTxnTopic],
    outcome: &mut dyn FnMut(&Str, i32) -> ErrorCode,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let mut results = Vec::with_capacity(topics.len());
    for topic in topics {
        let partitions = topic.partitions.iter().map(|&partition_index| AddPartitionsToTxnPartitionResult {
            partition_index,
            partition_error_code: outcome(&topic.name, partition_index).code(),
        });
        let results_by_partition = partitions.collect();
        results.push(AddPartitionsToTxnTopicResult { name: topic.name.clone(), results_by_partition });
    }
    results
}
