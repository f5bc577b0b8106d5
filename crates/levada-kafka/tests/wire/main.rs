//! The Kafka listener over real sockets, spoken to in raw frames.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod batches;
mod client;
mod consumer_groups;
mod framing;
mod groups;
mod hostile;
mod produce_fetch;
mod quotas;
mod requests;
mod transactions;
mod versions;
