//! A small client that asks a broker plainly and hides nothing, for tests that judge the answers. It
//! retries nothing: what a failure means is its user's to say.

mod admin;
pub(crate) mod transactions;
mod wire;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use levada_model::batch::{Batch, BatchHeader, split};
use levada_model::record::Records;
use levada_model::{Marker, Outcome, ProducerId, Uuid};
use levada_protocol::ErrorCode;
use levada_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use levada_protocol::messages::delete_topics_request::DeleteTopicState;
use levada_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use levada_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use levada_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use levada_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use levada_protocol::messages::{
    CreateTopicsRequest, DeleteTopicsRequest, FetchRequest, FindCoordinatorRequest, InitProducerIdRequest,
    MetadataRequest, OffsetCommitRequest, OffsetFetchRequest, ProduceRequest, ProduceResponse,
};

pub(crate) use wire::Connection;

const PRODUCE_VERSION: i16 = 9;
const FETCH_VERSION: i16 = 12;
const METADATA_VERSION: i16 = 9;
const CREATE_TOPICS_VERSION: i16 = 7;
const DELETE_TOPICS_VERSION: i16 = 6;
const OFFSET_COMMIT_VERSION: i16 = 8;
const OFFSET_FETCH_VERSION: i16 = 7;
const INIT_PRODUCER_ID_VERSION: i16 = 4;
const FIND_COORDINATOR_VERSION: i16 = 3;

const TIMEOUT_MS: i32 = 10_000;
const FETCH_WAIT_MS: i32 = 100;
const FETCH_SIZE_MAX: i32 = 8 << 20;
const ACKS_ALL: i16 = -1;

/// A partition by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Partition {
    pub(crate) topic: String,
    pub(crate) index: i32,
}

/// The broker's answer for one partition of a produce request.
#[derive(Clone, Debug)]
pub(crate) struct Produced {
    pub(crate) error: i16,
    pub(crate) base_offset: i64,
}

/// One partition's part of a fetch answer.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) partition: Partition,
    pub(crate) error: i16,
    pub(crate) high_watermark: i64,
    pub(crate) last_stable_offset: i64,
    /// What was asked for, or what is wrong with the bytes.
    pub(crate) records: Result<Found>,
}

/// What one partition's part of a fetch answer holds.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Offsets and values from the asked offset on.
    pub(crate) records: Vec<(i64, Bytes)>,
    /// The key of each of them.
    pub(crate) keys: Vec<Option<Bytes>>,
    /// Where to go on, behind markers and what a reader is not shown.
    pub(crate) next_offset: i64,
}

/// What a reader wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// All that was written.
    Uncommitted,
    /// No record of a transaction that goes on, or that was aborted.
    Committed,
}

/// The error's name, for a message.
pub(crate) fn error_name(code: i16) -> String {
    ErrorCode::from_code(code).map_or_else(|| format!("error {code}"), |code| code.name().to_owned())
}

impl Connection {
    /// Creates a topic; answers the error code.
    pub(crate) fn create_topic(&mut self, name: &str, partitions: i32, configs: &[(String, String)]) -> Result<i16> {
        let config = |(name, value): &(String, String)| CreatableTopicConfig {
            name: name.as_str().into(),
            value: Some(value.as_str().into()),
        };
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: 1,
            configs: configs.iter().map(config).collect(),
            ..CreatableTopic::default()
        };
        let request =
            CreateTopicsRequest { topics: vec![topic], timeout_ms: TIMEOUT_MS, ..CreateTopicsRequest::default() };
        let response = self.call(&request, CREATE_TOPICS_VERSION)?;
        Ok(response.topics.first().context("an answer without a topic")?.error_code)
    }

    /// Deletes a topic; answers the error code.
    pub(crate) fn delete_topic(&mut self, name: &str) -> Result<i16> {
        let topic = DeleteTopicState { name: Some(name.into()), topic_id: Uuid::default() };
        let request =
            DeleteTopicsRequest { topics: vec![topic], timeout_ms: TIMEOUT_MS, ..DeleteTopicsRequest::default() };
        let response = self.call(&request, DELETE_TOPICS_VERSION)?;
        Ok(response.responses.first().context("an answer without a topic")?.error_code)
    }

    /// The names of all topics.
    pub(crate) fn topics(&mut self) -> Result<Vec<String>> {
        let request = MetadataRequest { topics: None, ..MetadataRequest::default() };
        let response = self.call(&request, METADATA_VERSION)?;
        Ok(response.topics.into_iter().filter_map(|topic| Some(topic.name?.as_str().to_owned())).collect())
    }

    /// A fresh producer id and its epoch.
    pub(crate) fn init_producer(&mut self) -> Result<(i64, i16)> {
        let request = InitProducerIdRequest { transactional_id: None, ..InitProducerIdRequest::default() };
        let response = self.call(&request, INIT_PRODUCER_ID_VERSION)?;
        if response.error_code != 0 {
            bail!("no producer id: {}", error_name(response.error_code));
        }
        Ok((response.producer_id, response.producer_epoch))
    }

    /// Writes a produce request of one batch a partition.
    pub(crate) fn send_batches(&mut self, batches: &[(Partition, Bytes)]) -> Result<i32> {
        self.send(&produce_request(batches), PRODUCE_VERSION)
    }

    /// Reads the answer to [`Self::send_batches`].
    pub(crate) fn receive_produced(&mut self, correlation_id: i32) -> Result<Vec<(Partition, Produced)>> {
        Ok(outcomes(self.receive::<ProduceRequest>(correlation_id, PRODUCE_VERSION)?))
    }

    /// Fetches all that was written from each partition at its offset; waits a little where there is nothing.
    pub(crate) fn fetch(&mut self, positions: &[(Partition, i64)]) -> Result<Vec<Fetched>> {
        self.fetch_as(Isolation::Uncommitted, positions)
    }

    /// As [`Self::fetch`], for a reader that may not want to see everything.
    pub(crate) fn fetch_as(&mut self, isolation: Isolation, positions: &[(Partition, i64)]) -> Result<Vec<Fetched>> {
        let partition = |(partition, offset): &(Partition, i64)| FetchPartition {
            partition: partition.index,
            fetch_offset: *offset,
            partition_max_bytes: FETCH_SIZE_MAX,
            ..FetchPartition::default()
        };
        let topic = |(name, positions): (&str, Vec<&(Partition, i64)>)| FetchTopic {
            topic: name.into(),
            partitions: positions.into_iter().map(partition).collect(),
            ..FetchTopic::default()
        };
        let request = FetchRequest {
            max_wait_ms: FETCH_WAIT_MS,
            min_bytes: 1,
            max_bytes: FETCH_SIZE_MAX,
            isolation_level: i8::from(isolation == Isolation::Committed),
            topics: by_topic(positions).into_iter().map(topic).collect(),
            ..FetchRequest::default()
        };
        let response = self.call(&request, FETCH_VERSION)?;
        if response.error_code != 0 {
            bail!("fetch: {}", error_name(response.error_code));
        }
        let mut fetched = Vec::new();
        for topic in response.responses {
            for data in topic.partitions {
                let partition = Partition { topic: topic.topic.as_str().to_owned(), index: data.partition_index };
                let asked = positions.iter().find(|(asked, _)| *asked == partition);
                let &(_, from) = asked.with_context(|| format!("nobody asked for {partition:?}"))?;
                let aborted = data.aborted_transactions.unwrap_or_default();
                let aborted =
                    aborted.into_iter().map(|aborted| (aborted.first_offset, ProducerId(aborted.producer_id)));
                fetched.push(Fetched {
                    partition,
                    error: data.error_code,
                    high_watermark: data.high_watermark,
                    last_stable_offset: data.last_stable_offset,
                    records: records(data.records.into_bytes().unwrap_or_default(), from, aborted.collect()),
                });
            }
        }
        Ok(fetched)
    }

    /// Finds the group's coordinator, which creates the place for its offsets where that is missing.
    pub(crate) fn find_coordinator(&mut self, group: &str) -> Result<i16> {
        let request = FindCoordinatorRequest { key: group.into(), ..FindCoordinatorRequest::default() };
        Ok(self.call(&request, FIND_COORDINATOR_VERSION)?.error_code)
    }

    /// Commits an offset without being a member; answers the error code.
    pub(crate) fn commit(&mut self, group: &str, partition: &Partition, offset: i64) -> Result<i16> {
        let topic = OffsetCommitRequestTopic {
            name: partition.topic.as_str().into(),
            partitions: vec![OffsetCommitRequestPartition {
                partition_index: partition.index,
                committed_offset: offset,
                ..OffsetCommitRequestPartition::default()
            }],
            ..OffsetCommitRequestTopic::default()
        };
        let request =
            OffsetCommitRequest { group_id: group.into(), topics: vec![topic], ..OffsetCommitRequest::default() };
        let response = self.call(&request, OFFSET_COMMIT_VERSION)?;
        let partition = response.topics.first().and_then(|topic| topic.partitions.first());
        Ok(partition.context("an answer without a partition")?.error_code)
    }

    /// The committed offset, −1 for none, or the error code.
    pub(crate) fn committed(&mut self, group: &str, partition: &Partition) -> Result<Result<i64, i16>> {
        self.committed_as(Isolation::Uncommitted, group, partition)
    }

    /// As [`Self::committed`]; refused with UNSTABLE_OFFSET_COMMIT where only what is committed is wanted and a
    /// transaction may still change it.
    pub(crate) fn committed_as(
        &mut self,
        isolation: Isolation,
        group: &str,
        partition: &Partition,
    ) -> Result<Result<i64, i16>> {
        let topic =
            OffsetFetchRequestTopic { name: partition.topic.as_str().into(), partition_indexes: vec![partition.index] };
        let request = OffsetFetchRequest {
            group_id: group.into(),
            topics: Some(vec![topic]),
            require_stable: isolation == Isolation::Committed,
            ..OffsetFetchRequest::default()
        };
        let response = self.call(&request, OFFSET_FETCH_VERSION)?;
        if response.error_code != 0 {
            return Ok(Err(response.error_code));
        }
        let partition = response.topics.first().and_then(|topic| topic.partitions.first());
        let partition = partition.context("an answer without a partition")?;
        Ok(if partition.error_code == 0 { Ok(partition.committed_offset) } else { Err(partition.error_code) })
    }
}

/// Groups what is about partitions by their topics: a request names each topic once.
fn by_topic<T>(items: &[(Partition, T)]) -> BTreeMap<&str, Vec<&(Partition, T)>> {
    let mut topics: BTreeMap<&str, Vec<&(Partition, T)>> = BTreeMap::new();
    for item in items {
        topics.entry(item.0.topic.as_str()).or_default().push(item);
    }
    topics
}

/// A request of one batch a partition, outside a transaction.
fn produce_request(batches: &[(Partition, Bytes)]) -> ProduceRequest {
    let partition = |(partition, bytes): &(Partition, Bytes)| PartitionProduceData {
        index: partition.index,
        records: bytes.clone().into(),
    };
    let topic = |(name, batches): (&str, Vec<&(Partition, Bytes)>)| TopicProduceData {
        name: name.into(),
        partition_data: batches.into_iter().map(partition).collect(),
        ..TopicProduceData::default()
    };
    ProduceRequest {
        transactional_id: None,
        acks: ACKS_ALL,
        timeout_ms: TIMEOUT_MS,
        topic_data: by_topic(batches).into_iter().map(topic).collect(),
    }
}

fn outcomes(response: ProduceResponse) -> Vec<(Partition, Produced)> {
    let mut produced = Vec::new();
    for topic in response.responses {
        for answer in topic.partition_responses {
            let partition = Partition { topic: topic.name.as_str().to_owned(), index: answer.index };
            produced.push((partition, Produced { error: answer.error_code, base_offset: answer.base_offset }));
        }
    }
    produced
}

/// The records of uncompressed batches from offset `from` on, but for those of aborted transactions, which are
/// named by their first offsets; the last batch may be cut short.
fn records(bytes: Bytes, from: i64, mut aborted: Vec<(i64, ProducerId)>) -> Result<Found> {
    aborted.sort_unstable();
    let mut aborted = aborted.into_iter().peekable();
    let mut aborting = BTreeSet::new();
    let mut found = Found { next_offset: from, ..Found::default() };
    for batch in split(bytes) {
        let (header, bytes) = batch?;
        let batch = Batch::check(bytes)?;
        let next_offset = header.next_offset();
        while let Some((_, producer)) = aborted.next_if(|&(first, _)| first < next_offset) {
            aborting.insert(producer);
        }
        found.next_offset = found.next_offset.max(next_offset);
        if header.attributes.is_control() {
            if let Some(producer) = header.producer()
                && Marker::read(batch.records()).is_some_and(|marker| marker.outcome == Outcome::Abort)
            {
                aborting.remove(&producer);
            }
        } else if !is_of(&header, &aborting) {
            for record in Records::new(batch.records(), header.record_count) {
                let record = record?;
                let offset = header.base_offset + i64::from(record.offset_delta);
                if offset >= from {
                    found.records.push((offset, record.value.unwrap_or_default()));
                    found.keys.push(record.key);
                }
            }
        }
    }
    Ok(found)
}

/// Whether a batch is part of a transaction of one of `producers`.
fn is_of(header: &BatchHeader, producers: &BTreeSet<ProducerId>) -> bool {
    header.attributes.is_transactional() && header.producer().is_some_and(|producer| producers.contains(&producer))
}
