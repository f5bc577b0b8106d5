//! Reading all transactions back from `__transaction_state` at start, and bringing the logs in line with them.

use crate::{
    group::offsets::TopicPartition,
    internal_log::{self, Item},
    transaction::{Generation, Producer, Status, Transaction, records},
    transactions::{Shared, Slot, Transactions, requests::NO_NEW_ID},
};
use levada_model::{Outcome, ProducerId, Str, Timestamp};
use levada_store::{Acks, AppendEntry, AppendSet, Log, OpenTransaction};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
};

impl Transactions {
    /// Reads all transactions back; until then every request is put off. Blocks.
    pub(crate) fn load(&self) {
        let started = self.clock.monotonic();
        let image = self.store.image();
        let logs: Vec<Arc<Log>> = image.topic(self.topic.as_str()).map_or_else(Vec::new, |topic| topic.logs.clone());
        let mut found: BTreeMap<Str, Transaction> = BTreeMap::new();
        let partitions = i32::try_from(logs.len()).unwrap_or(i32::MAX);
        for log in logs {
            if self.is_closed() {
                return;
            }
            let (mut skipped, mut here) = (0_u64, BTreeMap::new());
            let mut take = |item| skipped += u64::from(take(&mut here, item).is_none());
            let read = internal_log::read(&log, &mut take);
            here.keys().for_each(|id| self.places.found(id, log.partition(), partitions));
            found.extend(here);
            if let Err(reason) = read {
                tracing::error!(partition = log.partition(), %reason, "transactions of this partition cannot be read");
                self.unreadable.lock().insert(log.partition(), reason);
                continue;
            }
            if skipped > 0 {
                tracing::warn!(partition = log.partition(), records = skipped, "records are not understood");
            }
        }
        let count = found.len();
        for (id, transaction) in found {
            let slot = Slot { transaction: Some(transaction), ..Slot::default() };
            self.slots.lock().insert(id, Arc::new(Mutex::new(slot)));
        }
        self.settle_logs();
        self.loaded.store(true, Ordering::Release);
        let took = self.clock.monotonic().saturating_sub(started);
        tracing::info!(transactions = count, ?took, "transactions are loaded");
    }

    /// What a crash left open: decided ends are carried out, records of no transaction are aborted, and a transaction
    /// that goes on has all partitions in which it has records. Where records of a producer's current epoch are
    /// aborted, the producer is fenced: it may believe that they are in its transaction, and commit the others alone.
    fn settle_logs(&self) {
        let mut by_producer: BTreeMap<ProducerId, (Str, Shared)> = BTreeMap::new();
        for (id, slot) in self.all() {
            let transaction = slot.lock().transaction.clone();
            let Some(transaction) = transaction else { continue };
            by_producer.insert(transaction.producer.id, (id, slot));
        }
        let image = self.store.image();
        let now = self.clock.wall_ms();
        let (mut orphans, mut doubtful) = (Vec::new(), BTreeMap::new());
        for log in image.logs() {
            for open in log.open_transactions() {
                let owner = by_producer.get(&open.producer);
                match owner.map_or(Adopted::No, |(_, slot)| adopt(&mut slot.lock(), log, open, now)) {
                    Adopted::Yes => {}
                    Adopted::InDoubt => drop(owner.map(|(id, slot)| doubtful.insert(id.clone(), Arc::clone(slot)))),
                    Adopted::No => orphans.push((Arc::clone(log), open)),
                }
            }
        }
        for (id, slot) in doubtful {
            tracing::warn!(transactional_id = %id, "records of a transaction that is not known are aborted");
            if let Err(error) = self.abort(&id, &slot, NO_NEW_ID) {
                tracing::warn!(transactional_id = %id, %error, "they stay open until its time is up");
            }
        }
        if !self.unreadable.lock().is_empty() {
            // They may belong to a transaction that cannot be read.
            tracing::warn!(count = orphans.len(), "transactions without a known owner stay open");
        } else if !orphans.is_empty() {
            tracing::warn!(count = orphans.len(), "transactions without an owner are aborted");
            let entries = orphans.iter().map(|(log, open)| self.abort_orphan(log, *open)).collect();
            drop(self.store.append(AppendSet { entries, acks: Acks::Durable }));
        }
        self.finish_decided();
    }

    fn abort_orphan(&self, log: &Arc<Log>, open: OpenTransaction) -> AppendEntry {
        if *log.topic() == crate::coordinator::topic_name() {
            self.groups.end_transaction(open.producer, Outcome::Abort, Box::new(|| {}));
        }
        self.marker(log, Producer { id: open.producer, epoch: open.epoch }, Outcome::Abort)
    }

    /// Carries out the ends that are decided and not written to the last.
    pub(super) fn finish_decided(&self) {
        for (id, slot) in self.all() {
            let decided = {
                let slot = slot.lock();
                slot.transaction.clone().filter(|_| !slot.pending)
            };
            let Some(prepared) = decided else { continue };
            if let Some(after) = Self::after(&prepared, self.clock.wall_ms()) {
                self.finish(&id, &slot, &prepared, after, None);
            }
        }
    }
}

fn take(found: &mut BTreeMap<Str, Transaction>, item: Item) -> Option<()> {
    let Item::Record { key, value, .. } = item else { return Some(()) };
    let id = records::read_key(key?).ok()??;
    let transaction = match value {
        Some(value) => records::read(value).ok()?,
        None => None,
    };
    match transaction {
        Some(transaction) => drop(found.insert(id, transaction)),
        None => drop(found.remove(&id)),
    }
    Some(())
}

/// What a start makes of records that are open in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Adopted {
    /// They belong to the transaction that goes on, or whose end is decided; their partition is a part of it.
    Yes,
    /// Their epoch is the producer's current one, and no transaction of it is known. The transaction has them until
    /// the caller aborts it.
    InDoubt,
    /// They are of an epoch that is over.
    No,
}

/// Finds out whether what is open in `log` belongs to the transaction of `slot`.
fn adopt(slot: &mut Slot, log: &Log, open: OpenTransaction, now: Timestamp) -> Adopted {
    let Some(transaction) = &mut slot.transaction else { return Adopted::No };
    let partition = TopicPartition { topic: log.topic().clone(), partition: log.partition() };
    let is_current = open.epoch == transaction.producer.epoch;
    match transaction.status {
        Status::Ongoing if is_current => {
            transaction.partitions.insert(partition);
            Adopted::Yes
        }
        // Markers carry a later epoch than the records.
        Status::Prepare(_) if transaction.partitions.contains(&partition) => Adopted::Yes,
        // The log is not journalled, and was ahead of the journal. A fresh epoch has not ended any transaction yet; in
        // the first generation an old one may have, and its marker was lost with the power.
        Status::Empty | Status::Complete(_) if is_current => {
            let is_fresh = transaction.status == Status::Empty || transaction.generation == Generation::Second;
            transaction.status = Status::Ongoing;
            transaction.partitions = BTreeSet::from([partition]);
            transaction.started_ms = now;
            if is_fresh { Adopted::Yes } else { Adopted::InDoubt }
        }
        Status::Prepare(_) | Status::Ongoing | Status::Empty | Status::Complete(_) => Adopted::No,
    }
}
