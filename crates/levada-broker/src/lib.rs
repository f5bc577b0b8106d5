//! What Kafka *means*: topics, producers and consumer groups, in terms of this crate's own types.
//!
//! Knows no wire format: errors are enums, arguments plain structs; `levada-kafka` translates both ways.
//! State machines are pure; their owners keep effects durable through `levada-store` before anyone sees them.

pub mod coordinator;
pub mod group;
