//! Tasks of this crate: started in one place, and ended with the handle that owns them.

use std::future::Future;
use tokio::task::JoinHandle;

/// A running task that is aborted when this handle goes.
#[derive(Debug)]
pub(crate) struct Task<T>(JoinHandle<T>);

impl<T: Send + 'static> Task<T> {
    /// Starts `future`.
    #[expect(clippy::disallowed_methods, reason = "the one place of this crate that starts tasks")]
    pub(crate) fn spawn(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(tokio::spawn(future))
    }

    /// Ends the task where it stands.
    pub(crate) fn abort(&self) {
        self.0.abort();
    }

    /// Whether the task has ended.
    pub(crate) fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
