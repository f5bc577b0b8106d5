//! What became of the transactions of a run, counted.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts by end. Each transaction is in one of the first six.
#[derive(Debug, Default)]
pub(in crate::crash) struct Tally {
    /// Committed, and told so.
    pub(super) committed: AtomicU64,
    /// Aborted by its producer, and told so.
    pub(super) aborted: AtomicU64,
    /// Its producer asked for the end and was never told of it.
    pub(super) unknown: AtomicU64,
    /// Another producer, or the same in a new life, took its transactional id.
    pub(super) fenced: AtomicU64,
    /// Its producer walked away, came back later, and was told that its time was up.
    pub(super) timed_out: AtomicU64,
    /// Its producer walked away and never came back.
    pub(super) abandoned: AtomicU64,
    /// Requests to end a transaction that was over, sent again while the next one went on.
    pub(super) delayed_ends: AtomicU64,
}

/// Counts one more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::SeqCst);
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        write!(
            f,
            "{} committed, {} aborted, {} fenced, {} timed out, {} abandoned, {} with an end that nobody was told of; \
             {} delayed requests to end one were refused",
            of(&self.committed),
            of(&self.aborted),
            of(&self.fenced),
            of(&self.timed_out),
            of(&self.abandoned),
            of(&self.unknown),
            of(&self.delayed_ends),
        )
    }
}
