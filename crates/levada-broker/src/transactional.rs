//! The broker's methods about transactions: existence of what is named, then the owner.

use crate::{
    Broker,
    auth::{Grant, op, res},
    coordinator::{
        CoordinatorError, OffsetCommitError,
        commits::{CommitTopic, Written},
    },
    group::offsets::{Committer, TopicPartition},
    producers::InitProducerError,
    transaction::{Generation, Producer, TransactionError},
    transactions::{DescribedTransaction, ListTransactions, ListedTransactions, TransactError, TransactionSettings},
};
use levada_model::{Marker, Outcome, ProducerId, Str, TopicName};
use levada_store::{Acks, AppendEntry, AppendError, AppendSet, Origin, ProducerState};
use std::{collections::BTreeSet, sync::Arc};

type TransactionalId<O> = Grant<O, res::TransactionalId>;

/// Positions that are committed as part of a transaction.
#[derive(Clone, Debug)]
pub struct TransactionOffsets {
    /// Who commits, as a member of the group.
    pub committer: Committer,
    /// Who commits, as a producer.
    pub producer: Producer,
    /// The second generation makes the group's offsets part of the transaction.
    pub generation: Generation,
    /// The positions.
    pub topics: Vec<CommitTopic>,
}

/// Why positions were not committed as part of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionOffsetsError {
    /// Its topic, its group or its note.
    #[error(transparent)]
    Commit(#[from] OffsetCommitError),
    /// The transaction.
    #[error(transparent)]
    Transact(#[from] TransactError),
}

/// A marker that an administrator writes.
#[derive(Clone, Debug)]
pub struct ForcedMarker {
    /// Whose transaction ends.
    pub producer: Producer,
    /// How.
    pub outcome: Outcome,
    /// By which coordinator.
    pub coordinator_epoch: i32,
    /// Where.
    pub partitions: Vec<TopicPartition>,
}

/// Why a marker was not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarkerError {
    /// The topic or partition does not exist.
    #[error("topic or partition does not exist")]
    UnknownTopicOrPartition,
    /// The producer has a newer epoch there.
    #[error("producer has a newer epoch")]
    InvalidProducerEpoch,
    /// A newer coordinator wrote markers there.
    #[error("coordinator has a newer epoch")]
    CoordinatorFenced,
    /// The store did not take it.
    #[error(transparent)]
    Append(#[from] AppendError),
}

impl From<InitProducerError> for TransactError {
    fn from(error: InitProducerError) -> Self {
        Self::Coordinator(CoordinatorError::NotAvailable(error.to_string()))
    }
}

impl Broker {
    pub(crate) fn start_transactions(self: &Arc<Self>) {
        let weak = Arc::downgrade(self);
        let default = self.config();
        let config = move || weak.upgrade().map_or_else(|| Arc::clone(&default), |broker| broker.config());
        let (expiry_interval, expiry) = (config.clone(), config.clone());
        let settings = TransactionSettings {
            abort_interval: Box::new(move || config().transaction_abort_interval()),
            expiry_interval: Box::new(move || expiry_interval().transactional_id_check_interval()),
            expiry: Box::new(move || expiry().transactional_id_expiration()),
        };
        self.transactions.start(&self.runtime, settings);
    }

    /// Makes sure that the coordinator of transactions can take requests.
    ///
    /// # Errors
    /// [`CoordinatorError`].
    pub async fn find_transaction_coordinator(
        &self,
        _: &TransactionalId<op::Describe>,
    ) -> Result<(), CoordinatorError> {
        self.prepare_transactions().await
    }

    pub(crate) async fn prepare_transactions(&self) -> Result<(), CoordinatorError> {
        if self.transactions.has_topic() {
            return Ok(());
        }
        self.create_transactions_topic().await.map_err(|error| CoordinatorError::NotAvailable(error.to_string()))
    }

    /// A producer id that nobody has, where the next step of the transactional id may need one.
    pub(crate) async fn spare_id(&self, id: &Str) -> Result<Option<ProducerId>, TransactError> {
        if self.transactions.needs_new_id(id) { Ok(Some(self.new_producer_id().await?)) } else { Ok(None) }
    }

    /// Gives a transactional producer its id and epoch; whoever had the transactional id before is fenced.
    ///
    /// # Errors
    /// [`TransactError`]. Where a transaction goes on it is aborted, and [`TransactionError::Concurrent`] says to ask
    /// again.
    ///
    /// Source: KIP-98, KIP-360, KIP-890.
    pub async fn init_transactional_producer(
        &self,
        id: &TransactionalId<op::Write>,
        timeout_ms: i32,
        expected: Option<Producer>,
    ) -> Result<Producer, TransactError> {
        let max_ms = self.config().transaction_timeout_max_ms();
        if !(1..=max_ms).contains(&timeout_ms) {
            return Err(TransactError::InvalidTimeout { max_ms });
        }
        self.prepare_transactions().await?;
        let new_id = self.spare_id(id.name()).await?;
        self.transactions.init(id.name(), timeout_ms, expected, new_id).await
    }

    /// Makes partitions part of a producer's transaction.
    ///
    /// # Errors
    /// [`TransactError`].
    pub async fn add_partitions(
        &self,
        id: &TransactionalId<op::Write>,
        producer: Producer,
        partitions: BTreeSet<TopicPartition>,
    ) -> Result<(), TransactError> {
        self.transactions.add(id.name(), producer, partitions, Generation::First).await
    }

    /// Whether partitions are part of a producer's transaction, one by one.
    ///
    /// # Errors
    /// [`TransactError`].
    pub fn verify_partitions(
        &self,
        id: &TransactionalId<op::Write>,
        producer: Producer,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Result<(), TransactionError>>, TransactError> {
        self.transactions.verify(id.name(), producer, partitions)
    }

    /// Makes a group's offsets part of a producer's transaction.
    ///
    /// # Errors
    /// [`TransactError`].
    pub async fn add_offsets(
        &self,
        id: &TransactionalId<op::Write>,
        group: &Grant<op::Read, res::Group>,
        producer: Producer,
    ) -> Result<(), TransactError> {
        self.prepare_coordinator().await?;
        let partition = self.transactions.offsets_partition(group.name())?;
        self.transactions.add(id.name(), producer, BTreeSet::from([partition]), Generation::First).await
    }

    /// Ends a transaction; resolves to the producer that goes on.
    ///
    /// # Errors
    /// [`TransactError`].
    pub async fn end_transaction(
        &self,
        id: &TransactionalId<op::Write>,
        producer: Producer,
        outcome: Outcome,
        generation: Generation,
    ) -> Result<Producer, TransactError> {
        let new_id = if generation == Generation::Second { self.spare_id(id.name()).await? } else { None };
        self.transactions.end(id.name(), producer, outcome, generation, new_id).await
    }

    /// Commits positions as part of a transaction; outcomes come in the order of topics and partitions, when durable.
    pub async fn commit_transaction_offsets(
        &self,
        id: &TransactionalId<op::Write>,
        group: &Grant<op::Read, res::Group>,
        commit: TransactionOffsets,
    ) -> Vec<Vec<Result<(), TransactionOffsetsError>>> {
        let now_ms = self.clock.wall_ms();
        let (outcomes, positions) = self.sound_positions(&commit.topics, now_ms, None);
        let mut outcomes: Vec<Vec<Result<(), TransactionOffsetsError>>> = outcomes
            .into_iter()
            .map(|topic| topic.into_iter().map(|outcome| outcome.map_err(Into::into)).collect())
            .collect();
        let committed = match self.prepare_coordinator().await {
            Ok(()) if positions.is_empty() => Ok(()),
            Ok(()) => match self.begin_pending(id, group, &commit, positions) {
                Ok(written) => written
                    .await
                    .unwrap_or_else(|_| Err(CoordinatorError::NotAvailable("the group is gone".to_owned())))
                    .map_err(|error| TransactError::from(error).into()),
                Err(error) => Err(error),
            },
            Err(error) => Err(TransactError::from(error).into()),
        };
        if let Err(error) = committed {
            for outcome in outcomes.iter_mut().flatten().filter(|outcome| outcome.is_ok()) {
                *outcome = Err(error.clone());
            }
        }
        outcomes
    }

    fn begin_pending(
        &self,
        id: &TransactionalId<op::Write>,
        group: &Grant<op::Read, res::Group>,
        commit: &TransactionOffsets,
        positions: Vec<(TopicPartition, crate::group::offsets::CommittedOffset)>,
    ) -> Result<Written, TransactionOffsetsError> {
        let partitions = BTreeSet::from([self.transactions.offsets_partition(group.name())?]);
        let (producer, generation) = (commit.producer, commit.generation);
        let written = self.transactions.with(id.name(), producer, &partitions, generation, |admitted| {
            self.transactions.write_first(admitted);
            self.coordinator.begin_pending_commit(group.name(), &commit.committer, producer, positions)
        })?;
        written.map_err(|error| OffsetCommitError::from(error).into())
    }

    /// A transactional id's state; `None` where it is not known.
    ///
    /// # Errors
    /// [`TransactError`].
    pub fn describe_transaction(
        &self,
        id: &TransactionalId<op::Describe>,
    ) -> Result<Option<DescribedTransaction>, TransactError> {
        self.transactions.describe(id.name())
    }

    /// Transactional ids that the caller may see and `list` does not exclude.
    ///
    /// # Errors
    /// [`TransactError`].
    pub fn list_transactions(
        &self,
        caller: &crate::auth::Caller,
        list: &ListTransactions,
    ) -> Result<ListedTransactions, TransactError> {
        let mut listed = self.transactions.list(list)?;
        listed.retain(|it| self.gate.ask::<op::Describe, res::TransactionalId>(caller, &it.id).is_ok());
        Ok(listed)
    }

    /// Those that produce to a partition; `None` where it does not exist.
    #[must_use]
    pub fn producers_of(
        &self,
        topic: &Grant<op::Read, res::Topic>,
        partition: i32,
    ) -> Option<Vec<(ProducerId, ProducerState)>> {
        let image = self.store.image();
        Some(image.topic(topic.name())?.log(partition)?.producers())
    }

    /// Writes a marker whatever the coordinator of the transaction says: the way out of a transaction that hangs.
    pub async fn write_marker(
        &self,
        _: &Grant<op::ClusterAction, res::Cluster>,
        forced: &ForcedMarker,
    ) -> Vec<Result<(), MarkerError>> {
        let mut outcomes = Vec::with_capacity(forced.partitions.len());
        for partition in &forced.partitions {
            outcomes.push(self.write_marker_to(forced, partition).await);
        }
        if outcomes.iter().zip(&forced.partitions).any(|(outcome, it)| outcome.is_ok() && is_offsets(&it.topic)) {
            let (done, ended) = tokio::sync::oneshot::channel::<()>();
            // Dropped when it was carried out, or the coordinator closes.
            let then = Box::new(move || drop(done));
            self.coordinator.end_transaction(forced.producer.id, forced.outcome, then);
            drop(ended.await);
        }
        outcomes
    }

    async fn write_marker_to(&self, forced: &ForcedMarker, partition: &TopicPartition) -> Result<(), MarkerError> {
        let image = self.store.image();
        let log = image.topic(partition.topic.as_str()).and_then(|topic| topic.log(partition.partition));
        let log = log.ok_or(MarkerError::UnknownTopicOrPartition)?;
        let known = log.producers().into_iter().find(|(id, _)| *id == forced.producer.id).map(|(_, state)| state);
        if let Some(state) = known {
            if forced.producer.epoch < state.epoch {
                return Err(MarkerError::InvalidProducerEpoch);
            }
            if forced.coordinator_epoch < state.coordinator_epoch {
                return Err(MarkerError::CoordinatorFenced);
            }
        }
        let marker = Marker { outcome: forced.outcome, coordinator_epoch: forced.coordinator_epoch };
        let batch = marker.batch(forced.producer.id, forced.producer.epoch, self.clock.wall_ms());
        let entries = vec![AppendEntry { log: Arc::clone(log), batch, origin: Origin::Coordinator }];
        let outcomes = self.store.append(AppendSet { entries, acks: Acks::Durable }).await;
        outcomes.and_then(|outcomes| outcomes.into_iter().next()).unwrap_or(Err(AppendError::Closed))?;
        Ok(())
    }
}

fn is_offsets(topic: &TopicName) -> bool {
    *topic == crate::coordinator::topic_name()
}
