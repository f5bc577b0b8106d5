//! A transactional producer of a part of the platform: what it writes to the topics of others and to its own journal
//! counts together, or not at all.
//!
//! It speaks the second generation of the protocol: every end raises its epoch, so that nothing of an owner that was
//! fenced can reach the transactions of the next.
//!
//! Source: KIP-98, KIP-890.

use crate::{
    Broker,
    group::offsets::TopicPartition,
    produce::{ProduceError, ProduceTopic},
    transaction::{Generation, Producer, TransactionError},
    transactions::{Admitted, TransactError},
};
use levada_model::{Outcome, PartitionIndex, Str, batch::Batch, record::BatchBuilder};
use levada_store::{Acks, AppendEntry, AppendError, AppendSet, Log, Origin};
use std::sync::Arc;

/// How often a transition that is under way is waited for.
const TRIES_MAX: usize = 50;

/// Why something was not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OwnProduceError {
    /// A batch may not be appended; none of the request was.
    #[error("partition {partition} of topic `{topic}`: {error}")]
    Refused {
        /// Of which topic.
        topic: Str,
        /// To which partition.
        partition: PartitionIndex,
        /// Why.
        error: ProduceError,
    },
    /// The transaction does not allow it; nothing of the request was appended.
    #[error(transparent)]
    Transact(#[from] TransactError),
    /// The store did not take all of it: the transaction can only be aborted.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// The holder of a transactional id.
pub struct OwnProducer {
    broker: Arc<Broker>,
    id: Str,
    producer: Producer,
}

impl OwnProducer {
    /// Takes the transactional id `id` from whoever had it, who is fenced; a transaction that goes on is aborted.
    ///
    /// A transaction that lasts longer than `timeout_ms`, or than `transaction.max.timeout.ms`, is aborted.
    ///
    /// # Errors
    /// [`TransactError`]: the same may succeed later.
    pub async fn open(broker: Arc<Broker>, id: Str, timeout_ms: i32) -> Result<Self, TransactError> {
        broker.prepare_transactions().await?;
        let timeout_ms = timeout_ms.clamp(1, broker.config().transaction_timeout_max_ms().max(1));
        let mut tries = 0;
        loop {
            let new_id = broker.spare_id(&id).await?;
            match broker.transactions.init(&id, timeout_ms, None, new_id).await {
                Ok(producer) => return Ok(Self { broker, id, producer }),
                Err(error) if is_passing(&error) && tries < TRIES_MAX => {
                    tries += 1;
                    broker.transactions.caught_up().await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether the last holder of `id` left a transaction without an end.
    ///
    /// # Errors
    /// [`TransactError::Coordinator`] while transactions are loaded.
    pub fn has_left_open(broker: &Broker, id: &str) -> Result<bool, TransactError> {
        broker.transactions.is_ongoing(id)
    }

    /// Who it is in its next transaction: what batches must be stamped with, sequences from 0 in each partition.
    #[must_use]
    pub const fn producer(&self) -> Producer {
        self.producer
    }

    /// Appends batches as part of its transaction, to topics as a client would, and to `journal`, a log of the
    /// platform's own; resolves when they are durable. Appends when first polled, all of them or, where one is refused,
    /// none.
    ///
    /// # Errors
    /// [`OwnProduceError`].
    pub async fn write(
        &self,
        outputs: Vec<ProduceTopic>,
        journal: Option<(&Arc<Log>, BatchBuilder)>,
    ) -> Result<(), OwnProduceError> {
        let mut entries = self.checked(outputs)?;
        if let Some((log, builder)) = journal {
            let batch = Batch::check(builder.finish()).expect("a batch that was just built is sound");
            entries.push(AppendEntry { log: Arc::clone(log), batch, origin: Origin::Client });
        }
        let of =
            |entry: &AppendEntry| TopicPartition { topic: entry.log.topic().clone(), partition: entry.log.partition() };
        let partitions = entries.iter().map(of).collect();
        let append = |admitted| {
            if let Admitted::Added(state) = admitted {
                entries.insert(0, state);
            }
            self.broker.store.append(AppendSet { entries, acks: Acks::Durable })
        };
        let ticket = self.broker.transactions.with(&self.id, self.producer, &partitions, Generation::Second, append)?;
        let outcomes = ticket.await.ok_or(AppendError::Closed)?;
        outcomes.into_iter().find_map(Result::err).map_or(Ok(()), |error| Err(error.into()))
    }

    fn checked(&self, outputs: Vec<ProduceTopic>) -> Result<Vec<AppendEntry>, OwnProduceError> {
        let now = self.broker.clock.wall_ms();
        let image = self.broker.store.image();
        let mut entries = Vec::with_capacity(outputs.len() + 2);
        for ProduceTopic { topic: grant, partitions } in outputs {
            let topic = image.topic(grant.name());
            let config = topic.map(|topic| self.broker.topic_config(topic));
            for partition in partitions {
                let index = partition.partition;
                let checked = match (topic, &config) {
                    (Some(topic), Some(config)) => self.broker.checked(topic, config, partition, now),
                    _ => Err(ProduceError::UnknownTopic),
                };
                let refused = |error| OwnProduceError::Refused { topic: grant.name().clone(), partition: index, error };
                entries.push(checked.map_err(refused)?);
            }
        }
        Ok(entries)
    }

    /// Ends its transaction; resolves when that is durable and visible. Its next transaction is under another epoch.
    ///
    /// # Errors
    /// [`TransactError::Transaction`] where the transaction has not ended so and will not;
    /// [`TransactError::Coordinator`] where that is not known until somebody takes the transactional id.
    pub async fn end(&mut self, outcome: Outcome) -> Result<(), TransactError> {
        let mut tries = 0;
        loop {
            let new_id = self.broker.spare_id(&self.id).await?;
            let ended = self.broker.transactions.end(&self.id, self.producer, outcome, Generation::Second, new_id);
            match ended.await {
                Ok(producer) => {
                    self.producer = producer;
                    return Ok(());
                }
                Err(error) if is_passing(&error) && tries < TRIES_MAX => {
                    tries += 1;
                    self.broker.transactions.caught_up().await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether it is enough to wait for what was handed over before.
const fn is_passing(error: &TransactError) -> bool {
    matches!(error, TransactError::Transaction(TransactionError::Concurrent))
}
