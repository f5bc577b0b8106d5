//! [`Transacting`]: whoever writes one transaction after the other, and knows what became of the last one.

use crate::journal::{CommitError, batches};
use levada_broker::{
    own_producer::{OwnProduceError, OwnProducer},
    produce::ProduceTopic,
    transactions::TransactError,
};
use levada_model::{Outcome, record::BatchBuilder};
use levada_store::{AppendError, Log};
use std::sync::Arc;

/// A transaction that lasts longer is aborted, lest it stands in the way of cuts.
pub(crate) const TIMEOUT_MS: i32 = 60_000;

/// Whether there can be another transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Usable,
    /// A transaction is under way, or nobody knows how it ended.
    InTransaction,
    /// It is over: fenced, or without an end of its transaction.
    Lost,
}

/// The holder of a transactional id, and whether they can go on.
pub(crate) struct Transacting {
    pub(crate) producer: OwnProducer,
    state: State,
}

impl std::fmt::Debug for Transacting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transacting").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Transacting {
    pub(crate) const fn new(producer: OwnProducer) -> Self {
        Self { producer, state: State::Usable }
    }

    pub(crate) fn is_usable(&self) -> bool {
        self.state == State::Usable
    }

    /// Writes requests and, with the last of them, a record of a journal, and ends the transaction.
    pub(crate) async fn transact(
        &mut self,
        mut requests: Vec<Vec<ProduceTopic>>,
        record: Option<(&Arc<Log>, BatchBuilder)>,
    ) -> Result<(), CommitError> {
        self.state = State::InTransaction;
        let last = requests.pop().unwrap_or_default();
        for request in requests {
            if let Err(error) = self.producer.write(request, None).await {
                return Err(self.give_up(error).await);
            }
        }
        if let Err(error) = self.producer.write(last, record).await {
            return Err(self.give_up(error).await);
        }
        match self.producer.end(Outcome::Commit).await {
            Ok(()) => {
                self.state = State::Usable;
                Ok(())
            }
            Err(TransactError::Coordinator(error)) => Err(CommitError::InDoubt(error.to_string())),
            Err(_) => Err(self.fenced()),
        }
    }

    /// Aborts a transaction of which something was not written.
    async fn give_up(&mut self, error: OwnProduceError) -> CommitError {
        let given_up = match error {
            OwnProduceError::Transact(TransactError::Coordinator(error)) => CommitError::NotKept(error.to_string()),
            OwnProduceError::Transact(_) => return self.fenced(),
            OwnProduceError::Append(AppendError::InvalidProducerEpoch { .. }) => return self.fenced(),
            OwnProduceError::Append(error) => CommitError::NotKept(error.to_string()),
            OwnProduceError::Refused { topic, partition, error } => batches::refused(&topic, partition, &error),
        };
        match self.producer.end(Outcome::Abort).await {
            Ok(()) => {
                self.state = State::Usable;
                given_up
            }
            // Nobody commits it any more.
            Err(TransactError::Coordinator(_)) => {
                self.state = State::Lost;
                given_up
            }
            Err(_) => self.fenced(),
        }
    }

    const fn fenced(&mut self) -> CommitError {
        self.state = State::Lost;
        CommitError::Fenced
    }
}
