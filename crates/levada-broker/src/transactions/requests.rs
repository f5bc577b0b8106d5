//! What clients and administrators ask of transactions.

use crate::{
    consumer_group::topics::Pattern,
    group::offsets::TopicPartition,
    transaction::{Generation, Init, Producer, Status, Transaction, TransactionError},
    transactions::{
        TransactError, Transactions,
        end::Ended,
        follow::{Completion, settled},
    },
};
use levada_model::{Outcome, ProducerId, Str, Timestamp};
use levada_store::{Acks, AppendSet, Ticket};
use std::collections::BTreeSet;
use tokio::sync::oneshot;

/// A transactional id, as an administrator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedTransaction {
    /// The id.
    pub id: Str,
    /// Its state.
    pub transaction: Transaction,
}

/// Which transactional ids to list. Empty lists and `None` exclude nothing.
#[derive(Clone, Debug, Default)]
pub struct ListTransactions {
    /// Those in one of these states.
    pub states: Vec<Status>,
    /// Those of one of these producer ids.
    pub producers: Vec<ProducerId>,
    /// Those whose transaction has gone on for longer than this.
    pub longer_than_ms: Option<i64>,
    /// Those whose whole id matches this.
    pub pattern: Option<Pattern>,
}

/// What a list brings.
pub type ListedTransactions = Vec<DescribedTransaction>;

/// The id that is handed over where none is needed.
pub(super) const NO_NEW_ID: ProducerId = ProducerId(-1);

impl Transactions {
    /// Whether the next step of `id` may need a producer id that nobody has.
    pub(crate) fn needs_new_id(&self, id: &Str) -> bool {
        let slot = self.slot(id);
        slot.is_none_or(|slot| slot.lock().transaction.as_ref().is_none_or(Transaction::is_exhausted))
    }

    /// Gives the producer of `id` its epoch; a transaction that goes on is aborted first, and the client asks again.
    pub(crate) async fn init(
        &self,
        id: &Str,
        timeout_ms: i32,
        expected: Option<Producer>,
        new_id: Option<ProducerId>,
    ) -> Result<Producer, TransactError> {
        self.check(id)?;
        match self.begin_init(id, timeout_ms, expected, new_id)? {
            Begun::Writing(done) => settled(done).await,
            Begun::Aborting(done) => {
                if let Some(done) = done {
                    settled(done).await?;
                }
                Err(TransactionError::Concurrent.into())
            }
        }
    }

    fn begin_init(
        &self,
        id: &Str,
        timeout_ms: i32,
        expected: Option<Producer>,
        new_id: Option<ProducerId>,
    ) -> Result<Begun, TransactError> {
        let shared = self.slot_or_new(id)?;
        let now = self.clock.wall_ms();
        {
            let mut slot = shared.lock();
            if slot.pending || slot.gone {
                return Err(TransactionError::Concurrent.into());
            }
            let current = match (&slot.transaction, new_id) {
                (Some(current), _) => current.clone(),
                (None, Some(new_id)) => Transaction::new(new_id, timeout_ms, now),
                (None, None) => return Err(TransactionError::Concurrent.into()),
            };
            if current.is_exhausted() && new_id.is_none() {
                return Err(TransactionError::Concurrent.into());
            }
            match current.init(now, timeout_ms, expected, new_id.unwrap_or(NO_NEW_ID))? {
                Init::AbortFirst(_) => {}
                Init::Ready(next) => {
                    let state = self.state(id, Some(&next))?;
                    let (sender, done) = oneshot::channel();
                    let ticket = self.store.append(AppendSet { entries: vec![state], acks: Acks::Durable });
                    slot.pending = true;
                    let slot = shared.clone();
                    self.follower.push(ticket, Completion::State { slot, next, done: sender });
                    return Ok(Begun::Writing(done));
                }
            }
        }
        self.abort(id, &shared, new_id.unwrap_or(NO_NEW_ID)).map(Begun::Aborting)
    }

    /// Makes partitions part of the transaction of `id`; resolves when that is durable.
    pub(crate) async fn add(
        &self,
        id: &Str,
        producer: Producer,
        partitions: BTreeSet<TopicPartition>,
        generation: Generation,
    ) -> Result<(), TransactError> {
        settled(self.begin_add(id, producer, &partitions, generation)?).await
    }

    fn begin_add(
        &self,
        id: &Str,
        producer: Producer,
        partitions: &BTreeSet<TopicPartition>,
        generation: Generation,
    ) -> Result<oneshot::Receiver<Result<(), TransactError>>, TransactError> {
        let shared = self.known(id)?;
        let mut slot = shared.lock();
        let current = slot.of(producer)?;
        // Those that are part of it already are written once more: the first time may have failed, or be under way.
        let next = current.add(self.clock.wall_ms(), producer, partitions, generation)?;
        let next = next.unwrap_or_else(|| current.clone());
        let state = self.state(id, Some(&next))?;
        let (sender, done) = oneshot::channel();
        let ticket = self.store.append(AppendSet { entries: vec![state], acks: Acks::Durable });
        self.follower.push(ticket, Completion::Added { done: sender });
        // Should the write fail, the next one brings it: every state names all partitions.
        slot.transaction = Some(next);
        Ok(done)
    }

    /// Whether partitions are part of the transaction of `id`, one by one.
    pub(crate) fn verify(
        &self,
        id: &Str,
        producer: Producer,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Result<(), TransactionError>>, TransactError> {
        let shared = self.known(id)?;
        let slot = shared.lock();
        let transaction = slot.of(producer)?;
        Ok(partitions.iter().map(|partition| transaction.verify(producer, partition)).collect())
    }

    /// Ends the transaction of `id`; resolves to the producer that goes on when all of it is durable and visible.
    pub(crate) async fn end(
        &self,
        id: &Str,
        producer: Producer,
        outcome: Outcome,
        generation: Generation,
        new_id: Option<ProducerId>,
    ) -> Result<Producer, TransactError> {
        if generation == Generation::Second && new_id.is_none() && self.needs_new_id(id) {
            self.known(id)?;
            return Err(TransactionError::Concurrent.into());
        }
        match self.begin_end(id, producer, outcome, generation, new_id.unwrap_or(NO_NEW_ID))? {
            Ended::Already(producer) => Ok(producer),
            Ended::Writing(done) => settled(done).await,
        }
    }

    /// Resolves when all that was handed over before is settled.
    pub(crate) async fn caught_up(&self) {
        let (sender, done) = oneshot::channel();
        self.follower.push(Ticket::ready(Vec::new()), Completion::Added { done: sender });
        // Whether it was, or the broker closes: there is nothing to wait for.
        drop(settled(done).await);
    }

    /// The transaction of `id`.
    pub(crate) fn describe(&self, id: &Str) -> Result<Option<DescribedTransaction>, TransactError> {
        self.check(id)?;
        let transaction = self.slot(id).and_then(|slot| slot.lock().transaction.clone());
        Ok(transaction.map(|transaction| DescribedTransaction { id: id.clone(), transaction }))
    }

    /// Transactional ids that `list` does not exclude.
    pub(crate) fn list(&self, list: &ListTransactions) -> Result<ListedTransactions, TransactError> {
        self.check_loaded()?;
        let named = |id: &Str| list.pattern.as_ref().is_none_or(|pattern| pattern.is_match(id));
        let now: Timestamp = self.clock.wall_ms();
        let wanted = |it: &Transaction| {
            let lasted = now.saturating_sub(it.started_ms);
            (list.states.is_empty() || list.states.contains(&it.status))
                && (list.producers.is_empty() || list.producers.contains(&it.producer.id))
                && list.longer_than_ms.is_none_or(|limit| limit < 0 || (it.started_ms >= 0 && lasted > limit))
        };
        let all = self.all().into_iter().filter_map(|(id, slot)| Some((id, slot.lock().transaction.clone()?)));
        let listed = all.filter(|(id, transaction)| wanted(transaction) && named(id));
        Ok(listed.map(|(id, transaction)| DescribedTransaction { id, transaction }).collect())
    }
}

enum Begun {
    Writing(oneshot::Receiver<Result<Producer, TransactError>>),
    Aborting(Option<oneshot::Receiver<Result<Producer, TransactError>>>),
}
