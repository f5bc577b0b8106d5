//! Every message of the protocol, and the keys and values of Kafka's internal topics, generated from
//! `schema/*.kafka` (the notation is described in `xtask/src/codegen/schema.rs`).
//!
//! A message is a struct with the fields of all its versions; reading or writing names the version. `Default`
//! gives Kafka's defaults (a nullable field is not null by default unless Kafka says so). Structs inside a message
//! live in its module: [`produce_request::TopicProduceData`].

pub use crate::generated::*;
