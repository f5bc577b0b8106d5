//! Outputs of an epoch as batches that their topics take, and as requests that the store takes at once.

use super::CommitError;
use bytes::Bytes;
use levada_broker::{
    Broker,
    auth::{Caller, Grant, op, res},
    produce::{ProduceError, ProducePartition, ProduceTopic},
    transaction::Producer,
};
use levada_model::{
    PartitionIndex, Timestamp, TopicName,
    batch::{Attributes, HEADER_SIZE, add_sequence},
    record::{BatchBuilder, NewRecord, ProducerStamp, RecordHeader},
};
use std::collections::BTreeMap;

/// Batches are filled up to this size, where their topic takes as much.
const BATCH_SIZE: usize = 1 << 20;
/// Requests are filled up to this size.
const REQUEST_SIZE: usize = 2 << 20;

/// A record that a statement writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutputRecord {
    /// Milliseconds since 1970.
    pub timestamp: Timestamp,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; without one it is a tombstone.
    pub value: Option<Bytes>,
    /// The headers, in order.
    pub headers: Vec<RecordHeader>,
}

impl OutputRecord {
    /// Bytes that it takes at most, in a batch with others.
    #[must_use]
    pub fn size_at_most(&self) -> usize {
        /// Length, attributes, timestamp, offset, lengths of key and value, count of headers.
        const FIXED: usize = 5 + 1 + 10 + 5 + 5 + 5 + 5;
        let size = |field: &Option<Bytes>| field.as_ref().map_or(0, Bytes::len);
        let headers: usize =
            self.headers.iter().map(|header| 10 + header.key.as_bytes().len() + size(&header.value)).sum();
        FIXED + size(&self.key) + size(&self.value) + headers
    }
}

/// What a statement writes to a partition in one epoch, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The topic.
    pub topic: TopicName,
    /// Its partition.
    pub partition: PartitionIndex,
    /// The records.
    pub records: Vec<OutputRecord>,
}

/// What an epoch's outputs come to.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// In order; the record of the epoch goes with the last.
    pub(crate) requests: Vec<Vec<ProduceTopic>>,
    /// Bytes in the last request.
    size: usize,
}

/// A topic that is written to.
struct Target {
    topic: Grant<op::Write, res::Topic>,
    batch_size_max: usize,
}

impl Plan {
    /// Asks whether `caller` may write all of `outputs`, and makes batches of them.
    pub(crate) fn of(
        broker: &Broker,
        caller: &Caller,
        producer: Producer,
        outputs: Vec<Output>,
    ) -> Result<Self, CommitError> {
        let mut plan = Self::default();
        let mut targets: BTreeMap<TopicName, Target> = BTreeMap::new();
        let mut sequences: BTreeMap<(TopicName, PartitionIndex), i32> = BTreeMap::new();
        for Output { topic, partition, records } in outputs {
            if !targets.contains_key(&topic) {
                let grant = broker.authorize::<op::Write, res::Topic>(caller, topic.as_shared())?;
                let batch_size_max = broker
                    .batch_size_max(&grant)
                    .ok_or_else(|| refused(topic.as_str(), partition, &ProduceError::UnknownTopic))?;
                targets.insert(topic.clone(), Target { topic: grant, batch_size_max });
            }
            let Some(target) = targets.get(&topic) else { continue };
            let sequence = sequences.entry((topic, partition)).or_default();
            let mut batch = begin(producer, *sequence);
            for record in &records {
                // Compressed, which the topic may ask for, records that cannot be are larger.
                let limit = target.batch_size_max.min(BATCH_SIZE) / 8 * 7;
                if batch.count() > 0 && HEADER_SIZE + batch.records_size() + record.size_at_most() > limit {
                    *sequence = add_sequence(*sequence, batch.count());
                    let full = std::mem::replace(&mut batch, begin(producer, *sequence));
                    plan.add(target, partition, full.finish());
                }
                batch.push(&NewRecord {
                    timestamp: record.timestamp,
                    key: record.key.as_deref(),
                    value: record.value.as_deref(),
                    headers: &record.headers,
                });
            }
            if batch.count() > 0 {
                *sequence = add_sequence(*sequence, batch.count());
                plan.add(target, partition, batch.finish());
            }
        }
        Ok(plan)
    }

    fn add(&mut self, target: &Target, partition: PartitionIndex, batch: Bytes) {
        if self.size + batch.len() > REQUEST_SIZE && self.size > 0 {
            self.requests.push(Vec::new());
            self.size = 0;
        }
        self.size += batch.len();
        let partition = ProducePartition { partition, records: Some(batch) };
        if self.requests.is_empty() {
            self.requests.push(Vec::new());
        }
        let Some(request) = self.requests.last_mut() else { return };
        match request.last_mut() {
            Some(last) if last.topic.name() == target.topic.name() => last.partitions.push(partition),
            _ => request.push(ProduceTopic { topic: target.topic.clone(), partitions: vec![partition] }),
        }
    }
}

pub(crate) fn refused(topic: &str, partition: PartitionIndex, error: &ProduceError) -> CommitError {
    let topic = TopicName::new(topic).expect("what was granted was the name of a topic");
    CommitError::Refused { topic, partition, reason: error.to_string() }
}

fn begin(producer: Producer, base_sequence: i32) -> BatchBuilder {
    let stamp = ProducerStamp { id: producer.id, epoch: producer.epoch, base_sequence };
    BatchBuilder::new().with_producer(stamp).with_attributes(Attributes::TRANSACTIONAL)
}
