//! [`Consumer`]: reads assigned partitions from given offsets on, batch by batch.
//!
//! One request a leader is under way at a time, and the next is sent before what came is handed out, so that
//! the broker reads while the caller works. Membership of groups is not here.

mod decode;

use crate::{
    Client, ClientError, ConsumedRecord, TopicPartition,
    client::{MissingTopics, Target},
    error::refused,
};
use decode::{Batches, Passed};
use levada_model::{NodeId, Offset, Str};
use levada_protocol::{
    ErrorCode,
    messages::{
        FetchRequest, FetchResponse,
        fetch_request::{FetchPartition, FetchTopic},
        fetch_response::PartitionData,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::{task::JoinSet, time::sleep};

/// The last version of Fetch that calls topics by name.
const FETCH_BY_NAME: i16 = 12;

/// Which records are seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// All.
    #[default]
    ReadUncommitted,
    /// Those of aborted or open transactions are left out.
    ReadCommitted,
}

/// How a consumer reads.
#[derive(Clone, Debug)]
pub struct ConsumeConfig {
    /// Bytes that one answer should have at most; a larger batch comes all the same.
    pub bytes_max: i32,
    /// Bytes of one partition in one answer, likewise.
    pub partition_bytes_max: i32,
    /// How long a broker waits for new records.
    pub wait_max: Duration,
    /// Bytes that are worth an answer before `wait_max` is over.
    pub bytes_min: i32,
    /// Which records are seen.
    pub isolation: Isolation,
    /// Bytes that one batch may unfold to.
    pub batch_bytes_max: usize,
}

impl Default for ConsumeConfig {
    fn default() -> Self {
        Self {
            bytes_max: 16 << 20,
            partition_bytes_max: 4 << 20,
            wait_max: Duration::from_millis(500),
            bytes_min: 1,
            isolation: Isolation::default(),
            batch_bytes_max: 128 << 20,
        }
    }
}

/// What one answer had of one partition.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The partition.
    pub partition: TopicPartition,
    /// The offset after the last record that any consumer may see now.
    pub high_watermark: Offset,
    /// The position after this: the next fetch starts here.
    pub next_offset: Offset,
    /// The records in order; empty where the partition had nothing new.
    pub records: Vec<ConsumedRecord>,
}

/// A partition that is read.
#[derive(Debug)]
struct Assigned {
    position: Offset,
    /// Whether a request for it is under way.
    is_asked: bool,
}

/// Reads assigned partitions.
#[derive(Debug)]
pub struct Consumer {
    client: Client,
    config: ConsumeConfig,
    assigned: BTreeMap<TopicPartition, Assigned>,
    /// Leaders that have a request under way.
    asked: BTreeSet<NodeId>,
    answers: JoinSet<Answer>,
    failures: u32,
    failing_since: Option<Duration>,
}

/// What came of one request.
#[derive(Debug)]
struct Answer {
    leader: NodeId,
    partitions: Vec<TopicPartition>,
    response: Result<FetchResponse, ClientError>,
}

impl Consumer {
    /// A consumer of nothing yet, on connections of its own.
    #[must_use]
    pub fn new(client: &Client, config: ConsumeConfig) -> Self {
        Self {
            client: client.separate(),
            config,
            assigned: BTreeMap::new(),
            asked: BTreeSet::new(),
            answers: JoinSet::new(),
            failures: 0,
            failing_since: None,
        }
    }

    /// Reads `partition` from `offset` on.
    pub fn assign(&mut self, partition: TopicPartition, offset: Offset) {
        self.assigned.insert(partition, Assigned { position: offset, is_asked: false });
    }

    /// Reads `partition` no longer.
    pub fn unassign(&mut self, partition: &TopicPartition) {
        self.assigned.remove(partition);
    }

    /// The partitions and the offsets at which they are read next.
    pub fn positions(&self) -> impl Iterator<Item = (&TopicPartition, Offset)> {
        self.assigned.iter().map(|(partition, assigned)| (partition, assigned.position))
    }

    /// Waits for one broker's answer; may have no records where nothing is new.
    ///
    /// Cancel-safe: what a dropped call waited for is handed out by the next.
    ///
    /// # Errors
    /// [`ClientError::Refused`] for partitions that are gone or offsets out of range;
    /// [`ClientError::Batch`] for bytes that are no batch; failures that pass only after the retry limit.
    pub async fn poll(&mut self) -> Result<Vec<Fetched>, ClientError> {
        loop {
            if let Err(error) = self.ask_leaders().await {
                self.back_off(error).await?;
                continue;
            }
            let Some(joined) = self.answers.join_next().await else { return Ok(Vec::new()) };
            let answer = joined.expect("a fetch neither panics nor is aborted while its consumer lives");
            self.asked.remove(&answer.leader);
            for partition in &answer.partitions {
                if let Some(assigned) = self.assigned.get_mut(partition) {
                    assigned.is_asked = false;
                }
            }
            let taken = answer.response.and_then(|response| self.take(response));
            match taken {
                Ok(fetched) => {
                    self.failures = 0;
                    self.failing_since = None;
                    // The broker works on the next answer while the caller reads this one.
                    if let Err(error) = self.ask_leaders().await {
                        tracing::debug!(%error, "the next fetch waits for the next poll");
                    }
                    return Ok(fetched);
                }
                Err(error) => self.back_off(error).await?,
            }
        }
    }

    /// Sends a request to each leader that has none under way.
    async fn ask_leaders(&mut self) -> Result<(), ClientError> {
        let mut by_leader: BTreeMap<NodeId, Vec<TopicPartition>> = BTreeMap::new();
        for (partition, assigned) in &self.assigned {
            if !assigned.is_asked {
                let topic = self.client.cached_topic(&partition.topic, MissingTopics::Refuse).await?;
                by_leader.entry(topic.leader(partition.partition)?).or_default().push(partition.clone());
            }
        }
        for (leader, partitions) in by_leader {
            if !self.asked.insert(leader) {
                continue;
            }
            let request = self.request(&partitions);
            for partition in &partitions {
                self.assigned.get_mut(partition).expect("it was just listed").is_asked = true;
            }
            let client = self.client.clone();
            self.answers.spawn(async move {
                let response = client.ask_built(Target::Node(leader), FETCH_BY_NAME, |_| request).await;
                Answer { leader, partitions, response }
            });
        }
        Ok(())
    }

    fn request(&self, partitions: &[TopicPartition]) -> FetchRequest {
        let mut topics: BTreeMap<&str, Vec<FetchPartition>> = BTreeMap::new();
        for partition in partitions {
            let position = self.assigned.get(partition).map_or(0, |assigned| assigned.position);
            topics.entry(&partition.topic).or_default().push(FetchPartition {
                partition: partition.partition,
                fetch_offset: position,
                partition_max_bytes: self.config.partition_bytes_max,
                ..FetchPartition::default()
            });
        }
        let topics = topics.into_iter().map(|(topic, partitions)| FetchTopic {
            topic: Str::from(topic),
            partitions,
            ..FetchTopic::default()
        });
        FetchRequest {
            max_wait_ms: i32::try_from(self.config.wait_max.as_millis()).unwrap_or(i32::MAX),
            min_bytes: self.config.bytes_min,
            max_bytes: self.config.bytes_max,
            isolation_level: i8::from(self.config.isolation == Isolation::ReadCommitted),
            topics: topics.collect(),
            ..FetchRequest::default()
        }
    }

    fn take(&mut self, response: FetchResponse) -> Result<Vec<Fetched>, ClientError> {
        refused(response.error_code, None, || "a fetch".to_owned())?;
        let mut fetched = Vec::new();
        let mut failure = None;
        for topic in response.responses {
            for data in topic.partitions {
                let key = TopicPartition::new(&topic.topic, data.partition_index);
                match self.take_partition(key, data) {
                    Ok(Some(part)) => fetched.push(part),
                    Ok(None) => {}
                    Err(error) => failure = Some(error),
                }
            }
        }
        // What came is handed out first; a partition that failed fails again at its next fetch.
        match failure {
            Some(error) if fetched.iter().all(|part| part.records.is_empty()) => Err(error),
            _ => Ok(fetched),
        }
    }

    fn take_partition(&mut self, key: TopicPartition, data: PartitionData) -> Result<Option<Fetched>, ClientError> {
        let Some(assigned) = self.assigned.get_mut(&key) else { return Ok(None) };
        let code = ErrorCode::from_code(data.error_code);
        if code.is_some_and(ErrorCode::is_retriable) {
            self.client.forget_topic(&key.topic);
        }
        let position = assigned.position;
        refused(data.error_code, None, || format!("offset {position} of `{}` partition {}", key.topic, key.partition))?;
        let high_watermark = data.high_watermark;
        let aborted = data.aborted_transactions.unwrap_or_default();
        let bytes = data.records.into_bytes().unwrap_or_default();
        let read_committed = self.config.isolation == Isolation::ReadCommitted;
        let batches = Batches::new(bytes, if read_committed { aborted } else { Vec::new() });
        let Passed { records, next_offset } = batches.read(position, self.config.batch_bytes_max, &key)?;
        assigned.position = next_offset;
        Ok(Some(Fetched { partition: key, high_watermark, next_offset, records }))
    }

    /// Waits before another try, or gives up with `error`.
    async fn back_off(&mut self, error: ClientError) -> Result<(), ClientError> {
        let config = self.client.config();
        let now = config.clock.monotonic();
        let since = *self.failing_since.get_or_insert(now);
        if !error.may_retry() || now.saturating_sub(since) > config.retry_limit {
            return Err(error);
        }
        tracing::debug!(%error, "fetching again");
        let pause = config.backoff(self.failures);
        self.failures = self.failures.saturating_add(1);
        let topics: BTreeSet<&str> = self.assigned.keys().map(|partition| partition.topic.as_str()).collect();
        topics.into_iter().for_each(|topic| self.client.forget_topic(topic));
        sleep(pause).await;
        Ok(())
    }
}
