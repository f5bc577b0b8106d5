//! The one handle through which streaming SQL reaches the broker: *cut, hold, read, commit*.
//!
//! [`Inputs`] are partitions that are read up to cuts: offsets that have each producer's transaction wholly below or
//! wholly above them. A [`Journal`] is a statement's memory: one transaction an epoch holds all that the statement
//! writes and a record of the epoch, and a snapshot stands for the epochs before it. What a statement's state is, and
//! what an epoch's record says, is the engine's.
//!
//! ```text
//! cut ─▶ hold ─▶ read ─▶ (the engine) ─▶ commit ─▶ …
//! after a crash: journal ─▶ snapshot and epochs ─▶ hold ─▶ read ─▶ …
//! ```

mod catalog;
mod handle;
mod inputs;
mod journal;
mod read;
mod transacting;
mod writer;

pub use catalog::{CATALOG_TOPIC, Catalog};
pub use handle::{Handle, HandleError, TopicInfo};
pub use inputs::{Growth, InputPartition, Inputs};
pub use journal::{CommitError, JOURNAL_PREFIX, Journal, Output, OutputRecord, Recovered};
pub use levada_broker::auth::{Caller, Denied, Principal};
pub use levada_store::{Hold, TimestampKind};
pub use read::{Batches, InputBatch, ReadError, Span};
pub use writer::Writer;
