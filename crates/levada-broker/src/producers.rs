//! Producer ids: each is given once, ever.

use crate::{
    Broker,
    auth::{Grant, op, res},
};
use levada_model::{ProducerEpoch, ProducerId};
use levada_store::{Change, CommitError, Store};
use std::ops::Range;

/// Ids reserved at once; those of a block that a crash cuts short are not given.
const BLOCK: i64 = 1_000;

/// The ids that are reserved and not yet given.
#[derive(Debug, Default)]
pub(crate) struct ProducerIds {
    reserved: tokio::sync::Mutex<Range<i64>>,
}

/// Why no producer id was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InitProducerError {
    /// All ids are given away.
    #[error("no producer id is left")]
    Exhausted,
    /// A block of ids could not be reserved.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl ProducerIds {
    async fn next(&self, store: &Store) -> Result<ProducerId, InitProducerError> {
        let mut reserved = self.reserved.lock().await;
        if reserved.is_empty() {
            let start = store.image().next_producer_id;
            let next = start.checked_add(BLOCK).ok_or(InitProducerError::Exhausted)?;
            let committed = store.commit(vec![Change::SetNextProducerId { next }]).await;
            committed.unwrap_or(Err(CommitError::Closed))?;
            *reserved = start..next;
        }
        reserved.next().map(ProducerId).ok_or(InitProducerError::Exhausted)
    }
}

impl Broker {
    /// Gives an idempotent producer its id, and epoch 0.
    ///
    /// A producer without a transactional id gets a new one each time: it raises its epoch itself, and asks
    /// only when it has run out of epochs.
    ///
    /// # Errors
    /// [`InitProducerError`].
    ///
    /// Source: KIP-98, KIP-360.
    pub async fn init_producer_id(
        &self,
        _: &Grant<op::IdempotentWrite, res::Cluster>,
    ) -> Result<(ProducerId, ProducerEpoch), InitProducerError> {
        Ok((self.producer_ids.next(&self.store).await?, 0))
    }

    /// A producer id that nobody has.
    pub(crate) async fn new_producer_id(&self) -> Result<ProducerId, InitProducerError> {
        self.producer_ids.next(&self.store).await
    }
}
