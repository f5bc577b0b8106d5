//! What time brings about: transactions that last too long, transactional ids that nobody uses.

use crate::{
    Runtime,
    nap::nap,
    transactions::{
        Transactions,
        follow::{Completion, settled},
        requests::NO_NEW_ID,
    },
};
use levada_model::Str;
use levada_store::{Acks, AppendSet};
use std::{sync::Arc, time::Duration};

/// What the settings say; asked each time, because they can change.
pub(crate) struct TransactionSettings {
    /// How often overdue transactions are looked for.
    pub(crate) abort_interval: Box<dyn Fn() -> Duration + Send + Sync>,
    /// How often unused transactional ids are looked for.
    pub(crate) expiry_interval: Box<dyn Fn() -> Duration + Send + Sync>,
    /// After which time an unused transactional id is forgotten.
    pub(crate) expiry: Box<dyn Fn() -> Duration + Send + Sync>,
}

impl Transactions {
    pub(super) async fn run_timers(self: &Arc<Self>, runtime: &dyn Runtime, settings: TransactionSettings) {
        let mut last_expiry = self.clock.monotonic();
        while !self.is_closed() {
            nap(runtime, (settings.abort_interval)(), &self.ending, &self.closed).await;
            if self.check_loaded().is_err() {
                continue;
            }
            self.abort_overdue().await;
            self.finish_decided();
            let now = self.clock.monotonic();
            if now.saturating_sub(last_expiry) >= (settings.expiry_interval)() {
                last_expiry = now;
                self.expire((settings.expiry)());
            }
        }
    }

    /// Aborts transactions that have gone on for longer than their producers said.
    pub(crate) async fn abort_overdue(&self) {
        let now = self.clock.wall_ms();
        for (id, slot) in self.all() {
            match self.abort_if(&id, &slot, NO_NEW_ID, |it| it.is_overdue(now)) {
                Ok(Some(done)) => {
                    tracing::info!(transactional_id = %id, "transaction is aborted: it lasts longer than its timeout");
                    drop(settled(done).await);
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(transactional_id = %id, %error, "an overdue transaction goes on for now"),
            }
        }
    }

    /// Forgets transactional ids that were not used for `age`.
    pub(crate) fn expire(&self, age: Duration) {
        let now = self.clock.wall_ms();
        let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        for (id, slot) in self.all() {
            let mut locked = slot.lock();
            let is_unused = locked.transaction.as_ref().is_some_and(|it| it.is_unused(now, age_ms));
            if locked.pending || !is_unused || self.follower.is_full() {
                continue;
            }
            if let Ok(state) = self.state(&id, None) {
                locked.pending = true;
                drop(locked);
                self.forget(id, Arc::clone(&slot), state);
            }
        }
    }

    fn forget(&self, id: Str, slot: super::Shared, state: levada_store::AppendEntry) {
        let ticket = self.store.append(AppendSet { entries: vec![state], acks: Acks::Durable });
        self.follower.push(ticket, Completion::Forgotten { id, slot });
    }
}
