//! Offsets that are committed as part of a producer's transaction: they are kept at once, and count when it ends.

use crate::{
    consumer_group::CommitRule,
    coordinator::{
        Coordinator, CoordinatorError,
        commits::Written,
        journal::{Completion, KeyValue, Step},
        records,
    },
    group::{
        HeartbeatError,
        offsets::{CommittedOffset, Committer, TopicPartition},
    },
    transaction::Producer,
};
use levada_model::{Outcome, ProducerId, Str};
use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// A group's positions in transactions that have not ended.
#[derive(Debug, Default)]
pub(super) struct Pending {
    by_producer: BTreeMap<ProducerId, Vec<(TopicPartition, CommittedOffset)>>,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.by_producer.is_empty()
    }

    pub(super) fn add(&mut self, producer: ProducerId, positions: Vec<(TopicPartition, CommittedOffset)>) {
        if !positions.is_empty() {
            self.by_producer.entry(producer).or_default().extend(positions);
        }
    }

    fn take(&mut self, producer: ProducerId) -> Vec<(TopicPartition, CommittedOffset)> {
        self.by_producer.remove(&producer).unwrap_or_default()
    }

    /// Whether the position of `partition` may still change by the end of a transaction.
    fn holds(&self, partition: &TopicPartition) -> bool {
        self.by_producer.values().flatten().any(|(held, _)| held == partition)
    }

    /// The partitions whose positions may still change.
    fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.by_producer.values().flatten().map(|(held, _)| held)
    }
}

impl Coordinator {
    /// Hands positions to the store as part of the transaction of `producer`, all or none. Whoever calls keeps the
    /// transaction from ending meanwhile.
    pub(crate) fn begin_pending_commit(
        &self,
        group_id: &Str,
        committer: &Committer,
        producer: Producer,
        positions: Vec<(TopicPartition, CommittedOffset)>,
    ) -> Result<Written, HeartbeatError> {
        self.check_offsets(group_id)?;
        let now = self.now();
        let mut shard = self.shard(group_id).lock();
        let slot = match shard.slot(group_id)? {
            Some(_) => shard.slot(group_id)?,
            None if committer.generation < 0 => Some(shard.slot_or_new(group_id, now)?),
            None => None,
        };
        let sent = committer.generation;
        let slot = slot.ok_or(HeartbeatError::IllegalGeneration { sent, current: 0 })?;
        // Clients before KIP-447 do not say who they are in the group; their transactional id fences them.
        let is_anonymous = sent < 0 && committer.member_id.is_empty() && committer.instance_id.is_none();
        let topics = self.topics();
        let partitions = positions.iter().map(|(partition, _)| partition);
        let view = self.sight(&topics, group_id, now).view;
        match slot.group.check_commit(view, committer, CommitRule::Transaction, partitions) {
            Ok(()) | Err(HeartbeatError::RebalanceInProgress) => {}
            Err(_) if is_anonymous => {}
            // Producers know of generations only.
            Err(HeartbeatError::StaleMemberEpoch { sent, current }) => {
                return Err(HeartbeatError::IllegalGeneration { sent, current });
            }
            Err(error) => {
                self.refresh(shard, group_id);
                return Err(error);
            }
        }
        let (done, written) = oneshot::channel();
        let record = |(partition, committed): &(TopicPartition, CommittedOffset)| {
            (records::offset_key(group_id, partition), Some(records::offset_value(committed)))
        };
        let records: Vec<KeyValue> = positions.iter().map(record).collect();
        let completion = Completion::Pending { producer: producer.id, changes: positions, done };
        self.write_as(Some(producer), group_id, slot.written + 1, &records, completion)?;
        slot.written += 1;
        self.in_transactions.lock().entry(producer.id).or_default().insert(group_id.detached());
        self.refresh(shard, group_id);
        Ok(written)
    }

    /// The transaction of `producer` has ended: its offsets count, or are forgotten, after all writes before; then
    /// `then` is done.
    pub(crate) fn end_transaction(&self, producer: ProducerId, outcome: Outcome, then: Box<dyn FnOnce() + Send>) {
        self.journal.push(Step::End { producer, outcome, then });
    }

    pub(super) fn settle_transaction(&self, producer: ProducerId, outcome: Outcome) {
        let groups = self.in_transactions.lock().remove(&producer).unwrap_or_default();
        for group_id in groups {
            let mut shard = self.shard(&group_id).lock();
            if let Some(slot) = shard.groups.get_mut(&group_id) {
                let positions = slot.pending.take(producer);
                for (partition, committed) in positions.into_iter().filter(|_| outcome == Outcome::Commit) {
                    slot.offsets.apply(partition, Some(committed));
                }
            }
            self.refresh(shard, &group_id);
        }
    }

    /// What was read back of transactions that have not ended.
    pub(super) fn remember_transactions(
        &self,
        pending: &BTreeMap<ProducerId, Vec<(Str, TopicPartition, CommittedOffset)>>,
    ) {
        let mut in_transactions = self.in_transactions.lock();
        for (producer, positions) in pending {
            let groups = positions.iter().map(|(group_id, ..)| group_id.clone());
            in_transactions.entry(*producer).or_default().extend(groups);
        }
    }

    /// Which of `partitions` have positions that may still change by the end of a transaction.
    pub(crate) fn unstable(
        &self,
        group_id: &Str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<bool>, CoordinatorError> {
        self.check_offsets(group_id)?;
        let shard = self.shard(group_id).lock();
        let slot = shard.groups.get(group_id);
        Ok(partitions.iter().map(|partition| slot.is_some_and(|slot| slot.pending.holds(partition))).collect())
    }

    /// All partitions whose positions may still change by the end of a transaction.
    pub(crate) fn all_unstable(&self, group_id: &Str) -> Result<Vec<TopicPartition>, CoordinatorError> {
        self.check_offsets(group_id)?;
        let shard = self.shard(group_id).lock();
        let slot = shard.groups.get(group_id);
        Ok(slot.into_iter().flat_map(|slot| slot.pending.partitions()).cloned().collect())
    }
}
