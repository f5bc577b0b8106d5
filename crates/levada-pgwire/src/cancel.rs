//! [`Cancels`]: how another connection stops what one does.

use levada_model::Rng;
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::watch;

/// Who can be cancelled, by number.
#[derive(Debug, Default)]
pub(crate) struct Cancels {
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    last: i32,
    entries: BTreeMap<i32, (i32, watch::Sender<u64>)>,
}

/// A connection that can be cancelled, for as long as this is kept.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) backend: i32,
    pub(crate) secret: i32,
    /// How often it was asked for.
    pub(crate) cancel: watch::Receiver<u64>,
    known: Arc<Mutex<Known>>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.known.lock().entries.remove(&self.backend);
    }
}

impl Cancels {
    /// A new connection.
    pub(crate) fn enter(&self, rng: &dyn Rng) -> Entry {
        let mut bytes = [0; 4];
        rng.fill(&mut bytes);
        let (secret, (tell, cancel)) = (i32::from_le_bytes(bytes), watch::channel(0));
        let mut known = self.known.lock();
        let mut backend = known.last;
        loop {
            backend = backend.checked_add(1).unwrap_or(1);
            if !known.entries.contains_key(&backend) {
                break;
            }
        }
        known.last = backend;
        known.entries.insert(backend, (secret, tell));
        drop(known);
        Entry { backend, secret, cancel, known: Arc::clone(&self.known) }
    }

    /// Stops what a connection does now, if anything, for whoever knows its secret.
    pub(crate) fn cancel(&self, backend: i32, secret: i32) {
        let known = self.known.lock();
        if let Some((known_secret, cancel)) = known.entries.get(&backend)
            && *known_secret == secret
        {
            cancel.send_modify(|times| *times += 1);
        }
    }
}
