//! Produce · key 0 · versions 3–13 (announced from 0: see `apis.rs`)
//!
//! - 3: record batches of magic 2, transactional id. 5: log start offset. 7: zstd. 8: errors of records, error
//!   messages. 9: flexible. 10: current leader (KIP-951). 11, 12: transactions of KIP-890. 13: topic ids
//!   instead of names (KIP-516).
//! - `acks=0` is not answered; if something is wrong with it the connection is closed, as Kafka does.
//! - Requests are pipelined: batches of one connection are appended in the order in which they arrive.
//! - From version 12 on producing makes a partition part of the transaction; before, it has to be already.
//! - A batch is taken or refused as a whole. Errors of single records say which of them name no schema that their topic
//!   lets in, the first hundred of them.
//! - Left out: current leader and node endpoints: this broker leads everything.
//!
//! Source: KIP-98, KIP-467, KIP-516, KIP-890.

use crate::{
    call::{Answer, Context},
    errors,
};
use bytes::Bytes;
use levada_broker::{
    Appended,
    auth::{Grant, op, res},
    produce::{Acks, ProduceError, ProduceOutcome, ProducePartition, ProduceTopic, ProduceTransaction},
    quotas::usage::Used,
    transaction::{Generation, TransactionError},
    transactions::TransactError,
};
use levada_model::{
    NO_OFFSET, Str, TopicId,
    batch::{BatchHeader, Codec},
};
use levada_protocol::{
    ErrorCode,
    messages::{
        ProduceRequest, ProduceResponse,
        produce_request::TopicProduceData,
        produce_response::{BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse},
    },
};

/// From this version on topics have ids.
const IDS_FROM: i16 = 13;
/// From this version on producing makes a partition part of the transaction.
const ADDED_FROM: i16 = 12;
/// From this version on clients know TRANSACTION_ABORTABLE.
const ABORTABLE_FROM: i16 = 11;
/// From this version on clients know zstd.
const ZSTD_FROM: i16 = 7;

/// What a client is told of a batch that was not taken.
struct Refusal {
    error: ErrorCode,
    message: String,
    /// What is wrong with single records, by their place in the batch.
    records: Vec<(i32, String)>,
}

impl Refusal {
    fn of(error: ErrorCode, message: impl Into<String>) -> Self {
        Self { error, message: message.into(), records: Vec::new() }
    }

    fn in_version(version: i16, error: ProduceError) -> Self {
        let not_added = ProduceError::Transact(TransactError::Transaction(TransactionError::NotAdded));
        let code = match errors::produce(&error) {
            ErrorCode::InvalidTxnState if error == not_added && version >= ABORTABLE_FROM => {
                ErrorCode::TransactionAbortable
            }
            // Clients of the first generation do not expect it here; they do try again.
            ErrorCode::ConcurrentTransactions if version < ADDED_FROM => ErrorCode::NotEnoughReplicas,
            code => code,
        };
        let message = error.to_string();
        let records = if let ProduceError::InvalidRecords { records, .. } = error { records } else { Vec::new() };
        Self { error: code, message, records }
    }
}

/// One partition of the request.
struct Asked {
    index: i32,
    /// It did not even get to the broker.
    refusal: Option<Refusal>,
    record_count: usize,
    size: usize,
}

/// One topic of the request.
struct AskedTopic {
    name: Str,
    id: TopicId,
    partitions: Vec<Asked>,
}

/// Appends before it returns, so that the order of requests is the order of records.
pub(crate) fn handle(context: Context, request: ProduceRequest) -> impl Future<Output = Answer> + Send {
    let acks = match request.acks {
        0 => Some(Acks::None),
        1 => Some(Acks::Leader),
        -1 => Some(Acks::All),
        _ => None,
    };
    let (transaction, general) = match (acks, &request.transactional_id) {
        (None, _) => {
            let message = format!("acks can be -1, 0 or 1, not {}", request.acks);
            (None, Some((ErrorCode::InvalidRequiredAcks, message)))
        }
        (_, Some(id)) => match transaction(&context, id) {
            Ok(transaction) => (Some(transaction), None),
            Err(error) => (None, Some((error, format!("may not write as `{id}`")))),
        },
        (Some(_), None) => (None, None),
    };
    let (asked, topics) = plan(&context, request.topic_data, general.as_ref());
    let size_of_records: f64 = asked.iter().flat_map(|topic| &topic.partitions).map(|one| as_f64(one.size)).sum();
    let acks = acks.unwrap_or(Acks::All);
    let produced = context.broker().produce(acks, transaction.as_ref(), topics);
    async move {
        let outcomes = produced.await;
        let mut response = respond(&context, asked, outcomes);
        let mute = context.throttle(&mut response, Some((Used::Produced, size_of_records)));
        if acks != Acks::None {
            return context.reply(&response).muting(mute);
        }
        let failed = response.responses.iter().flat_map(|topic| &topic.partition_responses);
        match failed.filter_map(|partition| ErrorCode::from_code(partition.error_code)).find(|error| !error.is_none()) {
            None => Answer::Silence { mute },
            Some(error) => Answer::Close(format!("Produce with acks=0 failed: {error}")),
        }
    }
}

fn transaction(context: &Context, id: &Str) -> Result<ProduceTransaction, ErrorCode> {
    let generation = if context.version < ADDED_FROM { Generation::First } else { Generation::Second };
    Ok(ProduceTransaction { id: context.ask(id)?, generation })
}

/// A size as quotas count it.
fn as_f64(size: usize) -> f64 {
    f64::from(u32::try_from(size).unwrap_or(u32::MAX))
}

/// Splits the request into what is answered and what the broker is asked to append, both in the same order.
fn plan(
    context: &Context,
    topics: Vec<TopicProduceData>,
    general: Option<&(ErrorCode, String)>,
) -> (Vec<AskedTopic>, Vec<ProduceTopic>) {
    let mut asked = Vec::with_capacity(topics.len());
    let mut wanted = Vec::with_capacity(topics.len());
    for topic in topics.into_iter().filter(|topic| !topic.partition_data.is_empty()) {
        let granted = grant(context, &topic);
        let count = granted.as_ref().ok().and_then(|granted| context.broker().partition_count(granted));
        let is_there = |index: i32| (0..count.unwrap_or(0)).contains(&index);
        let granted = granted.and_then(|granted| match general {
            Some((error, message)) if count.is_some() => Err((*error, message.clone())),
            _ => Ok(granted),
        });
        let mut partitions = Vec::with_capacity(topic.partition_data.len());
        let mut appended = Vec::with_capacity(topic.partition_data.len());
        for partition in topic.partition_data {
            let records = partition.records.into_bytes();
            let header = records.as_ref().and_then(|records| BatchHeader::parse(records).ok());
            let refusal = match &granted {
                // A partition that is not there, and what is no batch at all, are seen before the acks.
                Err((ErrorCode::InvalidRequiredAcks, _)) if !is_there(partition.index) => {
                    Some(Refusal::of(ErrorCode::UnknownTopicOrPartition, "no such partition"))
                }
                Err((ErrorCode::InvalidRequiredAcks, _)) if header.is_none() => {
                    Some(Refusal::of(ErrorCode::InvalidRecord, "no record batch"))
                }
                Err((error, message)) => Some(Refusal::of(*error, message.clone())),
                Ok(_) => refuse_zstd(context.version, header.as_ref()),
            };
            partitions.push(Asked {
                index: partition.index,
                record_count: header.map_or(0, |header| usize::try_from(header.record_count).unwrap_or(0)),
                size: records.as_ref().map_or(0, Bytes::len),
                refusal,
            });
            if partitions.last().is_some_and(|asked| asked.refusal.is_none()) {
                appended.push(ProducePartition { partition: partition.index, records });
            }
        }
        if let Ok(grant) = granted {
            wanted.push(ProduceTopic { topic: grant, partitions: appended });
        }
        asked.push(AskedTopic { name: topic.name, id: topic.topic_id, partitions });
    }
    (asked, wanted)
}

fn grant(context: &Context, topic: &TopicProduceData) -> Result<Grant<op::Write, res::Topic>, (ErrorCode, String)> {
    let name = if context.version < IDS_FROM {
        topic.name.clone()
    } else {
        let named = context.broker().name_of(topic.topic_id);
        let missing = || (ErrorCode::UnknownTopicId, format!("no topic has the id {}", topic.topic_id));
        named.ok_or_else(missing)?.as_shared().clone()
    };
    context.ask_topic(&name).map_err(|error| (error, format!("may not write topic `{name}`")))
}

/// Clients from before zstd could not read it. Source: KIP-110.
fn refuse_zstd(version: i16, header: Option<&BatchHeader>) -> Option<Refusal> {
    let is_zstd = header.is_some_and(|header| header.attributes.codec() == Some(Codec::Zstd));
    let message = "zstd needs Produce version 7 or later";
    (version < ZSTD_FROM && is_zstd).then(|| Refusal::of(ErrorCode::UnsupportedCompressionType, message))
}

fn respond(context: &Context, asked: Vec<AskedTopic>, outcomes: Vec<Vec<ProduceOutcome>>) -> ProduceResponse {
    let mut outcomes = outcomes.into_iter().flatten();
    let mut responses = Vec::with_capacity(asked.len());
    let (mut records, mut size) = (0, 0);
    for AskedTopic { name, id, partitions } in asked {
        let mut partition_responses = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let outcome = match partition.refusal {
                Some(refusal) => Err(refusal),
                None => outcomes.next().map_or_else(
                    || Err(Refusal::of(ErrorCode::UnknownServerError, "the broker gave no outcome")),
                    |outcome| outcome.map_err(|error| Refusal::in_version(context.version, error)),
                ),
            };
            if outcome.is_ok() {
                records += partition.record_count;
                size += partition.size;
            } else {
                context.shared.metrics.produce_failed();
            }
            partition_responses.push(partition_response(partition.index, outcome));
        }
        responses.push(TopicProduceResponse { name, topic_id: id, partition_responses });
    }
    context.shared.metrics.produced(records, size);
    ProduceResponse { responses, ..ProduceResponse::default() }
}

fn partition_response(index: i32, outcome: Result<Appended, Refusal>) -> PartitionProduceResponse {
    match outcome {
        Ok(Appended { base_offset, log_append_time, log_start_offset }) => PartitionProduceResponse {
            index,
            base_offset,
            log_append_time_ms: log_append_time,
            log_start_offset,
            ..PartitionProduceResponse::default()
        },
        Err(Refusal { error, message, records }) => PartitionProduceResponse {
            index,
            error_code: error.code(),
            base_offset: NO_OFFSET,
            record_errors: records.into_iter().map(record_error).collect(),
            error_message: Some(message.into()),
            ..PartitionProduceResponse::default()
        },
    }
}

fn record_error((index, message): (i32, String)) -> BatchIndexAndErrorMessage {
    BatchIndexAndErrorMessage { batch_index: index, batch_index_error_message: Some(message.into()) }
}
