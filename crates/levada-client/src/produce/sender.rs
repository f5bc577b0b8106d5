//! The task that sends batches: groups them by leader, judges the answers, tries again.

use super::{
    Acks, Shared,
    batches::{Gathered, Ready},
};
use crate::{
    Client, ClientError, TopicPartition,
    client::{MissingTopics, Target},
    error::refused,
};
use bytes::Bytes;
use levada_compress::compress;
use levada_model::{NodeId, Offset, ProducerEpoch, ProducerId, Str, batch::Codec};
use levada_protocol::{
    ErrorCode, Records,
    messages::{
        InitProducerIdRequest, ProduceRequest, ProduceResponse,
        produce_request::{PartitionProduceData, TopicProduceData},
        produce_response::PartitionProduceResponse,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::{task::JoinSet, time::sleep};

/// The last version of Produce that calls topics by name.
const PRODUCE_BY_NAME: i16 = 12;
/// Bytes of batches that one round of requests takes.
const ROUND_BYTES: usize = 8 << 20;
/// How long a broker may wait for replicas.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A batch and where it goes.
type Addressed = (TopicPartition, Gathered);
/// What came of each batch of a request.
type Outcomes = Vec<(TopicPartition, Gathered, Result<Option<Offset>, ClientError>)>;

/// Sends until the producer goes.
pub(super) async fn run(shared: Arc<Shared>) {
    let _closer = Closer(Arc::clone(&shared));
    let is_idempotent = shared.config.is_idempotent && shared.config.acks == Acks::All;
    let mut producer: Option<(ProducerId, ProducerEpoch)> = None;
    let mut requests: JoinSet<Outcomes> = JoinSet::new();
    loop {
        let Ready { batches, next_at } = shared.lock().take_ready(shared.now(), shared.config.linger, ROUND_BYTES);
        if !batches.is_empty() {
            if is_idempotent && producer.is_none() {
                match producer_id(&shared.client).await {
                    Ok(fresh) => producer = Some(fresh),
                    Err(error) => {
                        give_back(
                            &shared,
                            batches.into_iter().map(|(key, batch)| (key, batch, Err(error.clone()))).collect(),
                        );
                        continue;
                    }
                }
            }
            for (leader, batches) in by_leader(&shared, batches, producer) {
                requests.spawn(send(Arc::clone(&shared), leader, batches));
            }
            continue;
        }
        let pause = next_at.map(|at| at.saturating_sub(shared.now()));
        tokio::select! {
            () = shared.work.notified() => {}
            Some(joined) = requests.join_next(), if !requests.is_empty() => {
                let outcomes = joined.expect("a request neither panics nor is aborted while its producer lives");
                if give_back(&shared, outcomes) == Verdict::IdSpent {
                    producer = None;
                }
            }
            () = sleep(pause.unwrap_or_default()), if pause.is_some() => {}
        }
    }
}

/// Tells those who wait that nothing more will be sent, however the task ends.
struct Closer(Arc<Shared>);

impl Drop for Closer {
    fn drop(&mut self) {
        self.0.lock().abandon();
        self.0.space.notify_waiters();
    }
}

/// An id for idempotence. Source: KIP-98.
async fn producer_id(client: &Client) -> Result<(ProducerId, ProducerEpoch), ClientError> {
    let request =
        InitProducerIdRequest { transactional_id: None, transaction_timeout_ms: i32::MAX, ..Default::default() };
    let response = client.ask(Target::Any, &request).await?;
    refused(response.error_code, None, || "a producer id".to_owned())?;
    Ok((ProducerId(response.producer_id), response.producer_epoch))
}

/// Stamps batches and sorts them by leader; `None` where that is not known.
fn by_leader(
    shared: &Shared,
    batches: Vec<Addressed>,
    producer: Option<(ProducerId, ProducerEpoch)>,
) -> BTreeMap<Option<NodeId>, Vec<Addressed>> {
    let mut sorted: BTreeMap<Option<NodeId>, Vec<Addressed>> = BTreeMap::new();
    let mut queues = shared.lock();
    for (key, mut batch) in batches {
        if let Some(producer) = producer {
            queues.stamp(&key, &mut batch, producer);
        }
        sorted.entry(shared.client.cached_leader(&key.topic, key.partition)).or_default().push((key, batch));
    }
    sorted
}

async fn send(shared: Arc<Shared>, leader: Option<NodeId>, mut batches: Vec<Addressed>) -> Outcomes {
    let Some(leader) = leader else {
        let topics: BTreeSet<&str> = batches.iter().map(|(key, _)| key.topic.as_str()).collect();
        let names: Vec<&str> = topics.into_iter().collect();
        let fresh = shared.client.fetch_metadata(Some(&names), MissingTopics::Refuse).await;
        let no_leader = |key: &TopicPartition| match &fresh {
            Err(error) => error.clone(),
            Ok(metadata) => {
                let (topic, partition) = (key.topic.clone(), key.partition);
                metadata.topic(&key.topic).err().unwrap_or(ClientError::NoLeader { topic, partition })
            }
        };
        return batches
            .into_iter()
            .map(|(key, batch)| (no_leader(&key), key, batch))
            .map(|(error, key, batch)| (key, batch, Err(error)))
            .collect();
    };
    for (_, batch) in &mut batches {
        if let Err(error) = freeze(batch, shared.config.codec) {
            return batches.into_iter().map(|(key, batch)| (key, batch, Err(error.clone()))).collect();
        }
    }
    let request = request(&batches, shared.config.acks);
    let answer = exchange(&shared, leader, request).await;
    judge(batches, answer)
}

/// Compresses a batch and gives it its header, once.
fn freeze(batch: &mut Gathered, codec: Codec) -> Result<(), ClientError> {
    if batch.frozen.is_some() {
        return Ok(());
    }
    let block = compress(codec, batch.builder.records()).map_err(|error| ClientError::Compress(Arc::new(error)))?;
    let builder = std::mem::take(&mut batch.builder);
    let builder = match batch.stamp {
        Some(stamp) => builder.with_producer(stamp),
        None => builder,
    };
    batch.frozen = Some(builder.finish_with(codec, &block));
    Ok(())
}

fn request(batches: &[Addressed], acks: Acks) -> ProduceRequest {
    let mut topics: BTreeMap<&str, Vec<PartitionProduceData>> = BTreeMap::new();
    for (key, batch) in batches {
        let bytes: Bytes = batch.frozen.clone().unwrap_or_default();
        let data = PartitionProduceData { index: key.partition, records: Records::from(bytes) };
        topics.entry(&key.topic).or_default().push(data);
    }
    let topic_data = topics.into_iter().map(|(name, partition_data)| TopicProduceData {
        name: Str::from(name),
        partition_data,
        ..TopicProduceData::default()
    });
    ProduceRequest {
        acks: acks.code(),
        timeout_ms: i32::try_from(TIMEOUT.as_millis()).unwrap_or(i32::MAX),
        topic_data: topic_data.collect(),
        ..ProduceRequest::default()
    }
}

/// The broker's answer; none with `acks=0`.
async fn exchange(
    shared: &Shared,
    leader: NodeId,
    request: ProduceRequest,
) -> Result<Option<ProduceResponse>, ClientError> {
    let connection = shared.client.connection(Target::Node(leader)).await?;
    let version = connection.version::<ProduceRequest>(PRODUCE_BY_NAME)?;
    if shared.config.acks == Acks::None {
        connection.tell(&request, version).await?;
        return Ok(None);
    }
    connection.ask(&request, version, TIMEOUT).await.map(Some)
}

fn judge(batches: Vec<Addressed>, answer: Result<Option<ProduceResponse>, ClientError>) -> Outcomes {
    let mut parts: BTreeMap<TopicPartition, PartitionProduceResponse> = BTreeMap::new();
    let verdict = match answer {
        Ok(Some(response)) => {
            for topic in response.responses {
                for part in topic.partition_responses {
                    parts.insert(TopicPartition::new(&topic.name, part.index), part);
                }
            }
            None
        }
        Ok(None) => Some(Ok(None)),
        Err(error) => Some(Err(error)),
    };
    let judged = |(key, batch): Addressed| {
        let outcome = match (&verdict, parts.get(&key)) {
            (Some(verdict), _) => verdict.clone(),
            (None, Some(part)) => judge_part(&key, part),
            (None, None) => Err(crate::admin::incomplete(levada_protocol::ApiKey::Produce, "one of the partitions")),
        };
        (key, batch, outcome)
    };
    batches.into_iter().map(judged).collect()
}

fn judge_part(key: &TopicPartition, part: &PartitionProduceResponse) -> Result<Option<Offset>, ClientError> {
    if part.error_code == ErrorCode::DuplicateSequenceNumber.code() {
        // It is stored; the broker no longer knows where.
        return Ok(None);
    }
    let message = part
        .error_message
        .as_deref()
        .or_else(|| part.record_errors.first().and_then(|error| error.batch_index_error_message.as_deref()));
    refused(part.error_code, message, || format!("topic `{}` partition {}", key.topic, key.partition))?;
    Ok((part.base_offset >= 0).then_some(part.base_offset))
}

/// Whether the producer id can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    GoOn,
    IdSpent,
}

/// Finishes batches, or puts them back for another try.
fn give_back(shared: &Shared, outcomes: Outcomes) -> Verdict {
    let now = shared.now();
    let mut verdict = Verdict::GoOn;
    let mut queues = shared.lock();
    for (key, batch, outcome) in outcomes {
        match outcome {
            Err(error) if may_retry(&error) && now.saturating_sub(batch.opened_at) < shared.config.delivery_timeout => {
                tracing::debug!(%error, attempts = batch.attempts, "sending a batch again");
                // Where no leader was found, metadata is fresh; whatever it has by then is used next time.
                if !matches!(error, ClientError::NoLeader { .. }) {
                    shared.client.forget_topic(&key.topic);
                }
                let at = now + shared.client.config().backoff(batch.attempts);
                queues.put_back(&key, batch, at);
            }
            outcome => {
                if outcome.is_err() {
                    verdict = Verdict::IdSpent;
                }
                queues.finish(&key, &batch, outcome);
            }
        }
    }
    drop(queues);
    shared.space.notify_waiters();
    verdict
}

/// A batch under its sequence number can be sent again after anything that passes.
fn may_retry(error: &ClientError) -> bool {
    error.kind() == crate::ErrorKind::Unavailable
}
