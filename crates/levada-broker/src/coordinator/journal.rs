//! Writing to `__consumer_offsets`, and following the writes until they are durable.

use crate::{
    consumer_group::Record,
    coordinator::{Coordinator, CoordinatorError},
    group::offsets::{CommittedOffset, TopicPartition},
    transaction::Producer,
};
use bytes::Bytes;
use levada_model::{
    Outcome, ProducerId, Str,
    batch::{Attributes, Batch},
    record::{BatchBuilder, NewRecord, ProducerStamp},
};
use levada_store::{Acks, AppendEntry, AppendOutcome, AppendSet, Origin, Ticket};
use parking_lot::Mutex;
use std::{collections::VecDeque, sync::atomic::AtomicBool, sync::atomic::Ordering};
use tokio::sync::{Notify, oneshot};

/// Writes under way at one moment; more are refused.
const IN_FLIGHT_MAX: usize = 50_000;
/// The largest batch: a group with everything its members say and were assigned.
const BATCH_SIZE_MAX: usize = 24 << 20;

/// Where to tell how a write went.
pub(super) type Done = oneshot::Sender<Result<(), CoordinatorError>>;

/// What to do when a write is durable, or has failed.
pub(super) enum Completion {
    /// The group was kept, at this generation.
    Group { generation: i32 },
    /// Changes of a group of KIP-848 were kept.
    Change { records: Vec<Record> },
    /// Positions were kept or forgotten: they become visible, and whoever waits is told.
    Offsets { changes: Vec<(TopicPartition, Option<CommittedOffset>)>, done: Done },
    /// Positions were kept as part of a producer's transaction: they wait for its end.
    Pending { producer: ProducerId, changes: Vec<(TopicPartition, CommittedOffset)>, done: Done },
    /// The group was forgotten.
    Deleted { done: Done },
}

/// What follows the writes before it.
pub(super) enum Step {
    /// A write.
    Write(InFlight),
    /// A transaction has ended: what it held counts, or does not; then the rest.
    End { producer: ProducerId, outcome: Outcome, then: Box<dyn FnOnce() + Send> },
}

/// A write under way.
pub(super) struct InFlight {
    pub(super) group_id: Str,
    pub(super) sequence: u64,
    pub(super) completion: Completion,
    ticket: Ticket<Vec<AppendOutcome>>,
}

/// The writes under way, in the order in which they were handed to the store.
#[derive(Default)]
pub(super) struct Journal {
    in_flight: Mutex<VecDeque<Step>>,
    grown: Notify,
    closed: AtomicBool,
}

/// A record to be written: a key, and a value or a tombstone.
pub(super) type KeyValue = (Bytes, Option<Bytes>);

impl Journal {
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.grown.notify_one();
    }

    pub(super) fn push(&self, step: Step) {
        self.in_flight.lock().push_back(step);
        self.grown.notify_one();
    }

    async fn next(&self) -> Option<Step> {
        loop {
            if let Some(step) = self.in_flight.lock().pop_front() {
                return Some(step);
            }
            if self.closed.load(Ordering::Acquire) {
                return None;
            }
            self.grown.notified().await;
        }
    }
}

impl Coordinator {
    /// Hands `records` to the store. Called with the group's shard locked, so that the order of writes is the
    /// order of decisions.
    pub(super) fn write(
        &self,
        group_id: &Str,
        sequence: u64,
        records: &[KeyValue],
        completion: Completion,
    ) -> Result<(), CoordinatorError> {
        self.write_as(None, group_id, sequence, records, completion)
    }

    /// As [`Self::write`], as part of the transaction of `producer`, if there is one.
    pub(super) fn write_as(
        &self,
        producer: Option<Producer>,
        group_id: &Str,
        sequence: u64,
        records: &[KeyValue],
        completion: Completion,
    ) -> Result<(), CoordinatorError> {
        let log = self.log(group_id).ok_or_else(|| CoordinatorError::not_available("its topic does not exist yet"))?;
        if self.journal.in_flight.lock().len() >= IN_FLIGHT_MAX {
            return Err(CoordinatorError::not_available("too many writes are under way"));
        }
        let timestamp = self.clock.wall_ms();
        let mut builder = BatchBuilder::new();
        if let Some(Producer { id, epoch }) = producer {
            let stamp = ProducerStamp { id, epoch, base_sequence: 0 };
            builder = builder.with_producer(stamp).with_attributes(Attributes::TRANSACTIONAL);
        }
        for (key, value) in records {
            builder.push(&NewRecord { timestamp, key: Some(key), value: value.as_deref(), headers: &[] });
        }
        if builder.records_size() > BATCH_SIZE_MAX {
            return Err(CoordinatorError::not_available("the group is too large to be kept"));
        }
        let batch = Batch::check(builder.finish()).expect("a batch that was just built is sound");
        let entries = vec![AppendEntry { log, batch, origin: Origin::Coordinator }];
        let ticket = self.store.append(AppendSet { entries, acks: Acks::Durable });
        self.journal.push(Step::Write(InFlight { group_id: group_id.clone(), sequence, completion, ticket }));
        Ok(())
    }

    /// Settles writes in their order, until the coordinator closes and none is left.
    pub(super) async fn follow_journal(&self) {
        while let Some(step) = self.journal.next().await {
            let mut write = match step {
                Step::Write(write) => write,
                Step::End { producer, outcome, then } => {
                    self.settle_transaction(producer, outcome);
                    then();
                    continue;
                }
            };
            let outcome = match (&mut write.ticket).await.and_then(|outcomes| outcomes.into_iter().next()) {
                Some(Ok(_)) => Ok(()),
                Some(Err(error)) => {
                    tracing::warn!(group = %write.group_id, %error, "group state was not kept");
                    Err(CoordinatorError::NotAvailable(error.to_string()))
                }
                None => Err(CoordinatorError::not_available("the store is closed")),
            };
            self.settle(write, outcome);
        }
    }
}
