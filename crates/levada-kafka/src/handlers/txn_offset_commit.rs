//! TxnOffsetCommit · key 28 · versions 0–5
//!
//! - 2: leader epochs. 3: flexible; who commits in the group (KIP-447). 4: TRANSACTION_ABORTABLE. 5: makes the
//!   group's offsets part of the transaction (KIP-890); before, AddOffsetsToTxn has to.
//! - Durable when answered, visible when the transaction is committed.
//!
//! Source: KIP-98, KIP-447, KIP-890.

use crate::{call::Context, errors};
use levada_broker::{
    auth::{Grant, op, res},
    coordinator::{CommitPartition, CommitTopic},
    group::offsets::Committer,
    transaction::{Generation, Producer},
    transactional::{TransactionOffsets, TransactionOffsetsError},
};
use levada_model::ProducerId;
use levada_protocol::{
    ErrorCode,
    messages::{
        TxnOffsetCommitRequest, TxnOffsetCommitResponse,
        txn_offset_commit_request::TxnOffsetCommitRequestTopic,
        txn_offset_commit_response::{TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic},
    },
};

/// From this version on committing makes the group's offsets part of the transaction.
const ADDED_FROM: i16 = 5;

type Id = Grant<op::Write, res::TransactionalId>;
type Group = Grant<op::Read, res::Group>;

pub(crate) async fn handle(context: Context, request: TxnOffsetCommitRequest) -> TxnOffsetCommitResponse {
    let granted = context.ask(&request.transactional_id).and_then(|id: Id| Ok((id, context.ask(&request.group_id)?)));
    let (id, group): (Id, Group) = match granted {
        Ok(granted) => granted,
        Err(error) => return respond(&request.topics, &mut |_, _| error),
    };
    let mut topics = Vec::with_capacity(request.topics.len());
    let mut refusals = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let grant = context.ask_topic(&topic.name);
        refusals.push(grant.as_ref().err().copied());
        topics.extend(grant.map(|grant| wanted(grant, topic)));
    }
    let commit = TransactionOffsets {
        committer: Committer {
            member_id: request.member_id.clone(),
            instance_id: request.group_instance_id.clone(),
            generation: request.generation_id,
        },
        producer: Producer { id: ProducerId(request.producer_id), epoch: request.producer_epoch },
        generation: if context.version < ADDED_FROM { Generation::First } else { Generation::Second },
        topics,
    };
    let mut outcomes = context.broker().commit_transaction_offsets(&id, &group, commit).await.into_iter();
    let mut by_topic: Vec<Vec<ErrorCode>> = Vec::with_capacity(refusals.len());
    for (refusal, topic) in refusals.into_iter().zip(&request.topics) {
        by_topic.push(match refusal {
            Some(error) => vec![error; topic.partitions.len()],
            None => outcomes.next().unwrap_or_default().iter().map(code).collect(),
        });
    }
    respond(&request.topics, &mut |topic, partition| {
        let of_topic = by_topic.get(topic).and_then(|of_topic| of_topic.get(partition));
        of_topic.copied().unwrap_or(ErrorCode::UnknownServerError)
    })
}

fn code(outcome: &Result<(), TransactionOffsetsError>) -> ErrorCode {
    outcome.as_ref().err().map_or(ErrorCode::None, errors::transaction_offsets)
}

fn wanted(topic: Grant<op::Read, res::Topic>, asked: &TxnOffsetCommitRequestTopic) -> CommitTopic {
    let partitions = asked.partitions.iter().map(|partition| CommitPartition {
        partition: partition.partition_index,
        offset: partition.committed_offset,
        leader_epoch: (partition.committed_leader_epoch >= 0).then_some(partition.committed_leader_epoch),
        metadata: partition.committed_metadata.clone().unwrap_or_default(),
    });
    CommitTopic { topic, partitions: partitions.collect() }
}

fn respond(
    topics: &[TxnOffsetCommitRequestTopic],
    outcome: &mut dyn FnMut(usize, usize) -> ErrorCode,
) -> TxnOffsetCommitResponse {
    let mut answered = Vec::with_capacity(topics.len());
    for (index, topic) in topics.iter().enumerate() {
        let partitions = topic.partitions.iter().enumerate().map(|(nth, partition)| TxnOffsetCommitResponsePartition {
            partition_index: partition.partition_index,
            error_code: outcome(index, nth).code(),
        });
        let partitions = partitions.collect();
        answered.push(TxnOffsetCommitResponseTopic { name: topic.name.clone(), partitions });
    }
    TxnOffsetCommitResponse { topics: answered, ..TxnOffsetCommitResponse::default() }
}
