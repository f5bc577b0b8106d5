//! [`Writer`]: rows that are written once, all of them or none, by somebody who remembers nothing.
//!
//! It has no journal: whether a transaction was committed is known while it lives, and what it left open when it died
//! is aborted by the next one.

use crate::{
    handle::HandleError,
    journal::{CommitError, Output, batches::Plan},
    transacting::{TIMEOUT_MS, Transacting},
};
use levada_broker::{
    Broker,
    auth::{Caller, RESERVED_TRANSACTIONAL_PREFIX},
    own_producer::OwnProducer,
    transactions::TransactError,
};
use levada_model::Str;
use std::sync::Arc;

/// Behind the prefix of transactional ids: no statement has a name with a blank.
const NAME: &str = "rows at once";

/// Who writes rows at once. There is one, which writes one transaction after the other.
#[derive(Debug)]
pub struct Writer {
    broker: Arc<Broker>,
    /// Taken when it is first needed, and again where a transaction ended so that nothing can follow it.
    transacting: Option<Transacting>,
}

impl Writer {
    pub(crate) const fn of(broker: Arc<Broker>) -> Self {
        Self { broker, transacting: None }
    }

    /// Commits all of `outputs` in one transaction, in the name of `caller`. Resolves when they are visible, and
    /// durable as far as their topics ask for that.
    ///
    /// # Errors
    /// [`CommitError`]. Nothing of it is visible, now or later, unless it is [`CommitError::InDoubt`].
    pub async fn write(&mut self, caller: &Caller, outputs: Vec<Output>) -> Result<(), CommitError> {
        // One that was not used for long is forgotten, which shows only now: nothing is written then.
        if self.transacting.is_some() {
            match self.write_once(caller, outputs.clone()).await {
                Err(CommitError::Fenced) => {}
                outcome => return outcome,
            }
        }
        self.write_once(caller, outputs).await
    }

    /// Aborts the transaction that whoever wrote before left open, if one did.
    ///
    /// # Errors
    /// [`HandleError::Unavailable`]: the same may succeed later.
    pub async fn abort_what_is_left(&mut self) -> Result<(), HandleError> {
        if self.transacting.is_none() && OwnProducer::has_left_open(&self.broker, &transactional_id())? {
            self.transacting = Some(self.taken().await?);
        }
        Ok(())
    }

    async fn write_once(&mut self, caller: &Caller, outputs: Vec<Output>) -> Result<(), CommitError> {
        let mut transacting = match self.transacting.take() {
            Some(transacting) => transacting,
            None => self.taken().await.map_err(|error| CommitError::NotKept(error.to_string()))?,
        };
        let plan = Plan::of(&self.broker, caller, transacting.producer.producer(), outputs);
        let outcome = match plan {
            Ok(plan) if plan.requests.is_empty() => Ok(()),
            Ok(plan) => transacting.transact(plan.requests, None).await,
            Err(error) => Err(error),
        };
        self.transacting = Some(transacting).filter(Transacting::is_usable);
        outcome
    }

    async fn taken(&self) -> Result<Transacting, TransactError> {
        let producer = OwnProducer::open(Arc::clone(&self.broker), transactional_id(), TIMEOUT_MS).await?;
        Ok(Transacting::new(producer))
    }
}

fn transactional_id() -> Str {
    Str::from(format!("{RESERVED_TRANSACTIONAL_PREFIX}{NAME}").as_str())
}
