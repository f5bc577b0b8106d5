//! Batches that gather and wait, per partition. Pure: knows neither the network nor a runtime, only how
//! batches follow each other.

use super::{Delivery, ProduceConfig};
use crate::{ClientError, ProduceRecord, TopicPartition};
use bytes::Bytes;
use levada_model::{
    Offset, PartitionIndex, ProducerEpoch, ProducerId, Rng, Timestamp,
    batch::add_sequence,
    record::{BatchBuilder, NewRecord, ProducerStamp},
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::sync::Notify;

/// What became of a batch: its base offset, where one is known.
#[derive(Debug, Default)]
pub(super) struct BatchResult {
    outcome: OnceLock<Result<Option<Offset>, ClientError>>,
    done: Notify,
}

impl BatchResult {
    pub(super) fn set(&self, outcome: Result<Option<Offset>, ClientError>) {
        // The first outcome stands; there is only one.
        self.outcome.set(outcome).ok();
        self.done.notify_waiters();
    }

    pub(super) async fn wait(&self) -> Result<Option<Offset>, ClientError> {
        loop {
            let done = self.done.notified();
            let mut done = std::pin::pin!(done);
            done.as_mut().enable();
            if let Some(outcome) = self.outcome.get() {
                return outcome.clone();
            }
            done.await;
        }
    }
}

/// A batch on its way: gathered, closed, and once sent, frozen.
#[derive(Debug)]
pub(super) struct Gathered {
    /// Empty once the batch is frozen.
    pub(super) builder: BatchBuilder,
    /// How many records it has.
    pub(super) count: i32,
    /// Bytes of its records, uncompressed.
    pub(super) size: usize,
    pub(super) opened_at: Duration,
    pub(super) result: Arc<BatchResult>,
    /// The bytes as they were first sent: a retry sends the same.
    pub(super) frozen: Option<Bytes>,
    /// Who it was stamped by, once it was.
    pub(super) stamp: Option<ProducerStamp>,
    pub(super) attempts: u32,
}

impl Gathered {
    fn new(now: Duration) -> Self {
        Self {
            builder: BatchBuilder::new(),
            count: 0,
            size: 0,
            opened_at: now,
            result: Arc::default(),
            frozen: None,
            stamp: None,
            attempts: 0,
        }
    }

    /// Adds a record; answers its place and the bytes it took.
    fn push(&mut self, record: &NewRecord<'_>) -> (i32, usize) {
        let (index, before) = (self.count, self.size);
        self.builder.push(record);
        (self.count, self.size) = (self.builder.count(), self.builder.records_size());
        (index, self.size - before)
    }
}

/// One partition's batches, in order.
#[derive(Debug, Default)]
struct Queue {
    open: Option<Gathered>,
    closed: VecDeque<Gathered>,
    in_flight: Option<Arc<BatchResult>>,
    not_before: Duration,
    /// The next sequence number under this producer id and epoch.
    sequence: Option<(ProducerId, ProducerEpoch, i32)>,
}

#[derive(Debug, Default)]
struct TopicQueues {
    count: i32,
    sticky: Option<PartitionIndex>,
    partitions: BTreeMap<PartitionIndex, Queue>,
}

/// Sums over all batches that were finished.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) acked_records: u64,
    pub(super) acked_bytes: u64,
    pub(super) failed_records: u64,
    /// The first failure since it was last taken.
    pub(super) failure: Option<ClientError>,
}

/// Every partition's batches.
#[derive(Debug, Default)]
pub(super) struct Queues {
    topics: BTreeMap<String, TopicQueues>,
    pub(super) buffered_bytes: usize,
    pub(super) totals: Totals,
}

/// What can be sent now, and when there may be more.
#[derive(Debug, Default)]
pub(super) struct Ready {
    pub(super) batches: Vec<(TopicPartition, Gathered)>,
    pub(super) next_at: Option<Duration>,
}

impl Queues {
    pub(super) fn partition_count(&self, topic: &str) -> Option<i32> {
        self.topics.get(topic).map(|queues| queues.count).filter(|&count| count > 0)
    }

    pub(super) fn set_partition_count(&mut self, topic: &str, count: i32) {
        self.topics.entry(topic.to_owned()).or_default().count = count;
    }

    /// The partition that records without a key go to until its batch is closed.
    pub(super) fn sticky(&mut self, topic: &str, count: i32, rng: &dyn Rng) -> PartitionIndex {
        let choose = || {
            let count = u64::try_from(count).unwrap_or(1).max(1);
            PartitionIndex::try_from(rng.next_u64() % count).unwrap_or(0)
        };
        self.topics.get_mut(topic).map_or_else(choose, |queues| *queues.sticky.get_or_insert_with(choose))
    }

    /// Adds a record to its partition's open batch; the second value says whether the sender should look.
    pub(super) fn push(
        &mut self,
        record: &ProduceRecord<'_>,
        partition: PartitionIndex,
        timestamp: Timestamp,
        now: Duration,
        config: &ProduceConfig,
    ) -> (Delivery, bool) {
        let queues = self.topics.get_mut(record.topic).expect("the partition count was set before");
        let queue = queues.partitions.entry(partition).or_default();
        // A batch that this record would carry beyond its size goes without it.
        let overflows = |open: &Gathered| open.size + super::record_size(record) > config.batch_bytes;
        if queue.open.as_ref().is_some_and(overflows) {
            queue.closed.extend(queue.open.take());
        }
        let is_new = queue.open.is_none();
        let open = queue.open.get_or_insert_with(|| Gathered::new(now));
        let (key, value) = (record.key, record.value);
        let (index, taken) = open.push(&NewRecord { timestamp, key, value, headers: record.headers });
        self.buffered_bytes += taken;
        let delivery = Delivery { batch: Arc::clone(&open.result), partition, index };
        let is_full = open.size >= config.batch_bytes;
        if is_full {
            queue.closed.extend(queue.open.take());
            queues.sticky = None;
        }
        (delivery, is_full || is_new)
    }

    /// Closes every open batch.
    pub(super) fn close_all(&mut self) {
        for queues in self.topics.values_mut() {
            queues.sticky = None;
            for queue in queues.partitions.values_mut() {
                queue.closed.extend(queue.open.take());
            }
        }
    }

    /// The results of every batch that is closed or under way.
    pub(super) fn unfinished(&self) -> Vec<Arc<BatchResult>> {
        let queues = self.topics.values().flat_map(|queues| queues.partitions.values());
        queues
            .flat_map(|queue| {
                queue.in_flight.iter().cloned().chain(queue.closed.iter().map(|batch| Arc::clone(&batch.result)))
            })
            .collect()
    }

    /// Nothing more will be sent: who waits for a batch learns it.
    pub(super) fn abandon(&mut self) {
        self.close_all();
        for result in self.unfinished() {
            result.set(Err(ClientError::ProducerClosed));
        }
    }

    /// Takes the next batch of each partition that has none under way and whose time has come.
    pub(super) fn take_ready(&mut self, now: Duration, linger: Duration, bytes_max: usize) -> Ready {
        let mut ready = Ready::default();
        let mut size = 0;
        for (topic, queues) in &mut self.topics {
            for (partition, queue) in &mut queues.partitions {
                if queue.in_flight.is_some() {
                    continue;
                }
                let due = if queue.closed.is_empty() {
                    queue.open.as_ref().map(|open| open.opened_at + linger)
                } else {
                    Some(queue.not_before)
                };
                let Some(due) = due.map(|due| due.max(queue.not_before)) else { continue };
                if due > now || size >= bytes_max {
                    ready.next_at = Some(ready.next_at.map_or(due, |next| next.min(due)));
                    continue;
                }
                if queue.closed.is_empty() {
                    queue.closed.extend(queue.open.take());
                    queues.sticky = None;
                }
                if let Some(batch) = queue.closed.pop_front() {
                    size += batch.size;
                    queue.in_flight = Some(Arc::clone(&batch.result));
                    ready.batches.push((TopicPartition::new(topic, *partition), batch));
                }
            }
        }
        ready
    }

    /// Stamps a batch with the producer's next sequence numbers, unless it has its stamp already.
    pub(super) fn stamp(&mut self, key: &TopicPartition, batch: &mut Gathered, producer: (ProducerId, ProducerEpoch)) {
        let Some(queue) = self.queue(key) else { return };
        if batch.stamp.is_some() {
            return;
        }
        let (id, epoch) = producer;
        let known = queue.sequence.filter(|(known, of, _)| (*known, *of) == producer);
        let base_sequence = known.map_or(0, |(_, _, next)| next);
        queue.sequence = Some((id, epoch, add_sequence(base_sequence, batch.count)));
        batch.stamp = Some(ProducerStamp { id, epoch, base_sequence });
    }

    /// A batch was stored, or never will be.
    pub(super) fn finish(
        &mut self,
        key: &TopicPartition,
        batch: &Gathered,
        outcome: Result<Option<Offset>, ClientError>,
    ) {
        let size = batch.size;
        self.buffered_bytes = self.buffered_bytes.saturating_sub(size);
        let records = u64::try_from(batch.count).unwrap_or(0);
        match &outcome {
            Ok(_) => {
                self.totals.acked_records += records;
                self.totals.acked_bytes += u64::try_from(size).unwrap_or(u64::MAX);
            }
            Err(error) => {
                self.totals.failed_records += records;
                self.totals.failure.get_or_insert_with(|| error.clone());
            }
        }
        if let Some(queue) = self.queue(key) {
            queue.in_flight = None;
            if outcome.is_err() {
                // Sequence numbers have a hole now; the next batch starts under a new id.
                queue.sequence = None;
            }
        }
        batch.result.set(outcome);
    }

    /// A batch will be sent again, not before `at`.
    pub(super) fn put_back(&mut self, key: &TopicPartition, mut batch: Gathered, at: Duration) {
        batch.attempts += 1;
        if let Some(queue) = self.queue(key) {
            queue.in_flight = None;
            queue.not_before = at;
            queue.closed.push_front(batch);
        }
    }

    fn queue(&mut self, key: &TopicPartition) -> Option<&mut Queue> {
        self.topics.get_mut(&key.topic)?.partitions.get_mut(&key.partition)
    }
}

#[cfg(test)]
mod tests;
