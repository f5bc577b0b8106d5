//! What is on disk: the journal, and one partition's segments and indexes.
//!
//! Synchronous, and without a runtime, so that a simulator can cut its power after any call. Knows batches,
//! not requests. Every access to the disk goes through [`disk::Disk`], each call of which is a fault point.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod disk;
pub mod error;
pub mod journal;
pub mod partition;

pub use disk::{Disk, DiskFile};
pub use error::{DiskError, ErrorKind};
pub use journal::{Journal, JournalConfig, JournalError, JournalPosition};
pub use partition::{LogConfig, LogFiles, LogReader, PartitionLog};
