//! Where logs and cluster metadata live, and the one surface through which the broker reaches them.
//!
//! Calls are request-sized and multi-partition, and may complete later ([`Ticket`] is a plain future that
//! needs no runtime). [`local`] keeps everything in files of this machine.
//!
//! The broker decides what is right; the store keeps it, in order, as durably as the topic asks.

pub mod append;
pub mod cluster;
pub mod cut;
pub mod local;
pub mod log;
pub mod settings;
pub mod ticket;
pub mod waiter;

pub use append::{Acks, AppendEntry, AppendError, AppendOutcome, AppendSet, Appended, Origin};
pub use cluster::{Change, ClusterImage, Topic};
pub use cut::{Cut, Hold};
pub use levada_log::partition::{AbortedTransaction, FileSlice, producer::ProducerState};
pub use local::{CommitError, Store, StoreConfig, StoreError};
pub use log::{ABORTED_LISTED_MAX, Log, OpenTransaction, ReadError, ReadOut, ReadUntil, Tail};
pub use settings::{Durability, LogSettings, TimestampKind};
pub use ticket::Ticket;
pub use waiter::{Waiter, WatchGuard};
