//! The Kafka listener over real sockets, spoken to in raw frames.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests")]

mod client;
mod framing;
