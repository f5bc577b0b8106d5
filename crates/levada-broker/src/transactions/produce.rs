//! Producing and committing offsets as part of a transaction: what is written goes to the store while the
//! transaction is locked, so that no end of it can come in between.

use crate::{
    coordinator::CoordinatorError,
    group::offsets::TopicPartition,
    transaction::{Generation, Producer},
    transactions::{TransactError, Transactions},
};
use levada_model::Str;
use levada_store::{Acks, AppendEntry, AppendSet};
use std::collections::BTreeSet;

/// What a transaction says to partitions that a producer writes to.
#[derive(Debug)]
pub(crate) enum Admitted {
    /// They are part of it.
    Known,
    /// They are part of it once this is written, before anything else.
    Added(AppendEntry),
}

impl Transactions {
    /// Runs `write` if `producer` may write to `partitions` now, while nothing can end the transaction of `id`. The
    /// second generation adds what is missing.
    pub(crate) fn with<T>(
        &self,
        id: &Str,
        producer: Producer,
        partitions: &BTreeSet<TopicPartition>,
        generation: Generation,
        write: impl FnOnce(Admitted) -> T,
    ) -> Result<T, TransactError> {
        let shared = self.known(id)?;
        let mut slot = shared.lock();
        let transaction = slot.of(producer)?;
        match generation {
            Generation::First => {
                partitions.iter().try_for_each(|partition| transaction.verify(producer, partition))?;
                Ok(write(Admitted::Known))
            }
            Generation::Second => {
                let now = self.clock.wall_ms();
                let Some(next) = transaction.add(now, producer, partitions, Generation::Second)? else {
                    return Ok(write(Admitted::Known));
                };
                let state = self.state(id, Some(&next))?;
                slot.transaction = Some(next);
                Ok(write(Admitted::Added(state)))
            }
        }
    }

    /// Writes what makes partitions part of a transaction ahead of what follows in the journal.
    pub(crate) fn write_first(&self, admitted: Admitted) {
        if let Admitted::Added(state) = admitted {
            // Nobody waits for it: what follows it in the journal is not durable before it is.
            drop(self.store.append(AppendSet { entries: vec![state], acks: Acks::Durable }));
        }
    }

    /// Where the offsets of `group_id` are kept, as a part of transactions.
    pub(crate) fn offsets_partition(&self, group_id: &Str) -> Result<TopicPartition, TransactError> {
        let missing = || CoordinatorError::NotAvailable("the topic of offsets does not exist yet".to_owned());
        let partition = self.groups.partition_of(group_id).ok_or_else(missing)?;
        Ok(TopicPartition { topic: crate::coordinator::topic_name(), partition })
    }
}
