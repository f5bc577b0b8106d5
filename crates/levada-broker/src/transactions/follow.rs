//! Following writes until they are durable, in the order in which they were handed to the store.

use crate::{
    coordinator::CoordinatorError,
    transaction::{Producer, Transaction},
    transactions::{
        Shared, TransactError, Transactions,
        end::{Ending, Marking},
    },
};
use levada_model::Str;
use levada_store::{AppendError, AppendOutcome, Ticket};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    sync::atomic::{AtomicBool, Ordering},
};
use tokio::sync::{Notify, oneshot};

/// Writes under way at one moment; more are refused.
const IN_FLIGHT_MAX: usize = 50_000;

/// Where to tell how a write went.
pub(super) type Done<T> = oneshot::Sender<Result<T, TransactError>>;

/// What to do when a write is durable, or has failed.
pub(super) enum Completion {
    /// The state was kept; it is what it is now.
    State { slot: Shared, next: Transaction, done: Done<Producer> },
    /// Partitions were added: they were taken note of when they were decided.
    Added { done: Done<()> },
    /// A transaction was ended, or its end decided.
    End(Ending),
    /// The markers of a decided end were written where the journal does not keep them.
    Marked(Marking),
    /// The last word on a transaction whose end was decided before.
    Ended(Marking),
    /// The transactional id was forgotten.
    Forgotten { id: Str, slot: Shared },
}

struct InFlight {
    ticket: Ticket<Vec<AppendOutcome>>,
    completion: Completion,
}

/// The writes under way.
#[derive(Default)]
pub(super) struct Follower {
    in_flight: Mutex<VecDeque<InFlight>>,
    grown: Notify,
    closed: AtomicBool,
}

impl Follower {
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.grown.notify_one();
    }

    /// Whether no more can be taken up for now.
    pub(super) fn is_full(&self) -> bool {
        self.in_flight.lock().len() >= IN_FLIGHT_MAX
    }

    pub(super) fn push(&self, ticket: Ticket<Vec<AppendOutcome>>, completion: Completion) {
        self.in_flight.lock().push_back(InFlight { ticket, completion });
        self.grown.notify_one();
    }

    async fn next(&self) -> Option<InFlight> {
        loop {
            if let Some(write) = self.in_flight.lock().pop_front() {
                return Some(write);
            }
            if self.closed.load(Ordering::Acquire) {
                return None;
            }
            self.grown.notified().await;
        }
    }
}

impl Transactions {
    /// Settles writes in their order, until this closes and none is left.
    pub(super) async fn follow(&self) {
        while let Some(InFlight { mut ticket, completion }) = self.follower.next().await {
            let outcome = match (&mut ticket).await {
                Some(outcomes) => outcomes.into_iter().find_map(Result::err).map_or(Ok(()), Err),
                None => Err(AppendError::Closed),
            };
            if let Err(error) = &outcome {
                tracing::warn!(%error, "the state of a transaction was not kept");
            }
            self.settle(completion, outcome);
        }
    }

    fn settle(&self, completion: Completion, outcome: Result<(), AppendError>) {
        let kept = outcome.clone().map_err(TransactError::from);
        match completion {
            Completion::End(ending) => self.settle_end(ending, outcome),
            Completion::Marked(marking) => self.settle_markers(marking, outcome),
            Completion::State { slot, next, done } => {
                let producer = next.producer;
                {
                    let mut slot = slot.lock();
                    slot.pending = false;
                    if kept.is_ok() {
                        slot.transaction = Some(next);
                    }
                }
                // Whoever asked may be gone.
                drop(done.send(kept.map(|()| producer)));
            }
            Completion::Added { done } => drop(done.send(kept)),
            Completion::Ended(marking) => self.settle_ended(marking, outcome),
            Completion::Forgotten { id, slot } => {
                let mut slots = self.slots.lock();
                let mut slot = slot.lock();
                slot.pending = false;
                if kept.is_ok() {
                    slot.gone = true;
                    slots.remove(&id);
                }
            }
        }
    }
}

/// Waits for a write that was handed over.
pub(super) async fn settled<T>(done: oneshot::Receiver<Result<T, TransactError>>) -> Result<T, TransactError> {
    done.await.unwrap_or_else(|_| Err(CoordinatorError::NotAvailable("the broker is shutting down".to_owned()).into()))
}
