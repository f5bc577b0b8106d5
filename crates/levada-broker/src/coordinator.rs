//! The owner of all groups.

/// Why the coordinator could not take a request at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoordinatorError {
    /// The group id is empty or too long.
    #[error("group id is empty or longer than {limit} bytes")]
    InvalidGroupId {
        /// How long it may be.
        limit: usize,
    },
    /// Groups are still being read from the log.
    #[error("groups are being loaded")]
    LoadInProgress,
    /// The state could not be kept, or there is no room for more. Trying again later may succeed.
    #[error("coordinator is not available: {0}")]
    NotAvailable(String),
}
