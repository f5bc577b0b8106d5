//! Ending a transaction: markers, state and committed offsets, all or nothing.

use crate::{
    group::offsets::TopicPartition,
    transaction::{End, Generation, Producer, Status, Transaction, TransactionError},
    transactions::{
        Shared, Slot, TransactError, Transactions,
        follow::{Completion, Done},
    },
};
use levada_model::{Marker, Outcome, ProducerId, Str, Timestamp};
use levada_store::{Acks, AppendEntry, AppendError, AppendSet, Log, Origin};
use std::{collections::BTreeSet, sync::Arc};
use tokio::sync::oneshot;

/// The end of a transaction that is being written.
pub(super) struct Ending {
    id: Str,
    slot: Shared,
    outcome: Outcome,
    marker: Producer,
    prepared: Transaction,
    after: Transaction,
    /// Whether the state that is being written is the last one, and not just the decision.
    at_once: bool,
    done: Option<Done<Producer>>,
}

/// An end that is decided, with markers under way where the journal does not keep them.
pub(super) struct Marking {
    id: Str,
    slot: Shared,
    outcome: Outcome,
    prepared: Transaction,
    after: Transaction,
    done: Option<Done<Producer>>,
}

impl Marking {
    /// The timers come by again, or the next start does.
    fn put_off(self, error: TransactError) {
        self.slot.lock().pending = false;
        if let Some(done) = self.done {
            drop(done.send(Err(error)));
        }
    }
}

/// A transaction that has ended.
struct Completed {
    slot: Shared,
    after: Transaction,
    done: Option<Done<Producer>>,
}

impl Completed {
    fn tell(self) {
        let producer = self.after.producer;
        {
            let mut slot = self.slot.lock();
            slot.pending = false;
            slot.transaction = Some(self.after);
        }
        if let Some(done) = self.done {
            // Whoever asked may be gone.
            drop(done.send(Ok(producer)));
        }
    }
}

/// Where an end leads.
pub(super) enum Ended {
    /// It was so before.
    Already(Producer),
    /// It is being written.
    Writing(oneshot::Receiver<Result<Producer, TransactError>>),
}

impl Transactions {
    /// Ends the transaction of `id` for its producer.
    pub(super) fn begin_end(
        &self,
        id: &Str,
        producer: Producer,
        outcome: Outcome,
        generation: Generation,
        new_id: ProducerId,
    ) -> Result<Ended, TransactError> {
        let shared = self.known(id)?;
        let mut slot = shared.lock();
        let transaction = slot.transaction.as_ref().ok_or(TransactionError::InvalidMapping)?;
        if producer.id == transaction.producer.id && slot.pending {
            return Err(TransactionError::Concurrent.into());
        }
        match transaction.end(self.clock.wall_ms(), producer, outcome, generation, new_id)? {
            End::Done(producer) => Ok(Ended::Already(producer)),
            end @ End::Write { .. } => self.write_end(id, &shared, &mut slot, outcome, end).map(Ended::Writing),
        }
    }

    /// Aborts what goes on under `id`, and fences its producer.
    pub(super) fn abort(
        &self,
        id: &Str,
        shared: &Shared,
        new_id: ProducerId,
    ) -> Result<Option<oneshot::Receiver<Result<Producer, TransactError>>>, TransactError> {
        self.abort_if(id, shared, new_id, |_| true)
    }

    /// As [`Self::abort`], of a transaction of which `is_meant` holds: another may have begun since the caller looked.
    pub(super) fn abort_if(
        &self,
        id: &Str,
        shared: &Shared,
        new_id: ProducerId,
        is_meant: impl FnOnce(&Transaction) -> bool,
    ) -> Result<Option<oneshot::Receiver<Result<Producer, TransactError>>>, TransactError> {
        let mut slot = shared.lock();
        let now = self.clock.wall_ms();
        let current = slot.transaction.as_ref().filter(|it| !slot.pending && is_meant(it));
        let abort = current.and_then(|it| it.abort(now, new_id));
        abort.map(|end| self.write_end(id, shared, &mut slot, Outcome::Abort, end)).transpose()
    }

    fn write_end(
        &self,
        id: &Str,
        shared: &Shared,
        slot: &mut Slot,
        outcome: Outcome,
        end: End,
    ) -> Result<oneshot::Receiver<Result<Producer, TransactError>>, TransactError> {
        let End::Write { marker, prepared, after } = end else { unreachable!("only what is to be written comes here") };
        if self.follower.is_full() {
            return Err(TransactError::not_available("too many writes are under way"));
        }
        let logs = self.logs(&prepared.partitions);
        let at_once = logs.iter().all(|log| !log.is_direct());
        let (sender, done) = oneshot::channel();
        let id = id.clone();
        let slot_of = Arc::clone(shared);
        let ending = Ending { id, slot: slot_of, outcome, marker, prepared, after, at_once, done: Some(sender) };
        self.write_decision(ending, &logs)?;
        slot.pending = true;
        Ok(done)
    }

    /// Writes the markers of journalled logs and the state, together.
    fn write_decision(&self, ending: Ending, logs: &[Arc<Log>]) -> Result<(), TransactError> {
        let state = if ending.at_once { &ending.after } else { &ending.prepared };
        let state = self.state(&ending.id, Some(state))?;
        let journalled = logs.iter().filter(|log| ending.at_once || !log.is_direct());
        let mut entries: Vec<AppendEntry> =
            journalled.map(|log| self.marker(log, ending.marker, ending.outcome)).collect();
        entries.push(state);
        let ticket = self.store.append(AppendSet { entries, acks: Acks::Together });
        self.follower.push(ticket, Completion::End(ending));
        Ok(())
    }

    /// The end, or the decision, is durable, or not.
    pub(super) fn settle_end(&self, mut ending: Ending, outcome: Result<(), AppendError>) {
        if let Err(error) = outcome {
            if ending.at_once && error == AppendError::NotJournalled {
                // A topic changed its durability meanwhile.
                ending.at_once = false;
                let logs = self.logs(&ending.prepared.partitions);
                let (slot, retry) = (Arc::clone(&ending.slot), self.write_decision(ending, &logs));
                if retry.is_err() {
                    slot.lock().pending = false;
                }
                return;
            }
            ending.slot.lock().pending = false;
            if let Some(done) = ending.done {
                drop(done.send(Err(error.into())));
            }
            return;
        }
        if ending.at_once {
            let Ending { slot, outcome, marker, prepared, after, done, .. } = ending;
            self.complete(&prepared.partitions, marker.id, outcome, Completed { slot, after, done });
        } else {
            let Ending { id, slot, prepared, after, done, .. } = ending;
            slot.lock().transaction = Some(prepared.clone());
            self.finish(&id, &slot, &prepared, after, done);
        }
    }

    /// All of an end is durable: offsets that were part of the transaction count, or are forgotten. Only then the
    /// producer hears of it.
    fn complete(
        &self,
        partitions: &BTreeSet<TopicPartition>,
        producer: ProducerId,
        outcome: Outcome,
        completed: Completed,
    ) {
        let then = move || completed.tell();
        let topic = crate::coordinator::topic_name();
        if partitions.iter().any(|partition| partition.topic == topic) {
            self.groups.end_transaction(producer, outcome, Box::new(then));
        } else {
            then();
        }
    }

    /// What is left to do when the end of a transaction is decided: markers where there are none yet, then the last
    /// state.
    pub(super) fn finish(
        &self,
        id: &Str,
        slot: &Shared,
        prepared: &Transaction,
        after: Transaction,
        done: Option<Done<Producer>>,
    ) {
        let Status::Prepare(outcome) = prepared.status else { return };
        slot.lock().pending = true;
        let producer = prepared.producer;
        let open = |log: &&Arc<Log>| log.open_transactions().iter().any(|open| open.producer == producer.id);
        let logs = self.logs(&prepared.partitions);
        let entries: Vec<_> = logs.iter().filter(open).map(|log| self.marker(log, producer, outcome)).collect();
        let (id, slot, prepared) = (id.clone(), Arc::clone(slot), prepared.clone());
        let marking = Marking { id, slot, outcome, prepared, after, done };
        if entries.is_empty() {
            self.settle_markers(marking, Ok(()));
        } else {
            let ticket = self.store.append(AppendSet { entries, acks: Acks::Durable });
            self.follower.push(ticket, Completion::Marked(marking));
        }
    }

    /// All markers are written, or not. The last state comes behind them: a start takes records that are still open
    /// behind it for those of no transaction, and aborts them.
    pub(super) fn settle_markers(&self, marking: Marking, written: Result<(), AppendError>) {
        let state = written.map_err(TransactError::from).and_then(|()| self.state(&marking.id, Some(&marking.after)));
        match state {
            Ok(state) => {
                let ticket = self.store.append(AppendSet { entries: vec![state], acks: Acks::Durable });
                self.follower.push(ticket, Completion::Ended(marking));
            }
            Err(error) => marking.put_off(error),
        }
    }

    /// The last state is durable, or not.
    pub(super) fn settle_ended(&self, marking: Marking, written: Result<(), AppendError>) {
        if let Err(error) = written {
            return marking.put_off(error.into());
        }
        let Marking { slot, outcome, prepared, after, done, .. } = marking;
        self.complete(&prepared.partitions, prepared.producer.id, outcome, Completed { slot, after, done });
    }

    /// The state behind a decision that was read back.
    pub(super) fn after(prepared: &Transaction, now: Timestamp) -> Option<Transaction> {
        let Status::Prepare(outcome) = prepared.status else { return None };
        let mut after = Transaction { status: Status::Complete(outcome), updated_ms: now, ..prepared.clone() };
        after.partitions.clear();
        Some(after)
    }

    pub(super) fn marker(&self, log: &Arc<Log>, producer: Producer, outcome: Outcome) -> AppendEntry {
        let marker = Marker { outcome, coordinator_epoch: self.store.image().leader_epoch };
        let batch = marker.batch(producer.id, producer.epoch, self.clock.wall_ms());
        AppendEntry { log: Arc::clone(log), batch, origin: Origin::Coordinator }
    }

    /// The logs of partitions that are still there.
    pub(super) fn logs(&self, partitions: &BTreeSet<TopicPartition>) -> Vec<Arc<Log>> {
        let image = self.store.image();
        let log = |it: &TopicPartition| image.topic(it.topic.as_str())?.log(it.partition).cloned();
        partitions.iter().filter_map(log).filter(|log| !log.is_closed() && log.quarantine().is_none()).collect()
    }
}
