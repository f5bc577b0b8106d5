//! Value types that lie under every crate: ids and offsets, the record batch codec, bounded readers and
//! writers, and the traits through which time and randomness come in.
//!
//! No I/O, no async, no serialisation framework.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod batch;
pub mod calendar;
pub mod clock;
pub mod crc;
pub mod ids;
pub mod marker;
mod nearest;
mod partition;
pub mod reader;
pub mod record;
pub mod rng;
pub mod schema_id;
mod span;
mod str;
pub mod writer;

pub use clock::{Clock, ManualClock, SystemClock};
pub use ids::{
    LeaderEpoch, LogId, NO_OFFSET, NO_TIMESTAMP, NodeId, Offset, PartitionIndex, ProducerEpoch, ProducerId, Timestamp,
    TopicId, TopicName, Uuid,
};
pub use marker::{Marker, Outcome};
pub use nearest::{distance, nearest};
pub use partition::partition_of_key;
pub use rng::{Rng, SeededRng};
pub use span::span_ms;
pub use str::Str;
