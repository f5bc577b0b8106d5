//! Kafka's face: listeners, framing, sessions, and one handler per API.
//!
//! The only crate that knows both the wire and the domain. A request comes in through [`server`] and its
//! connection, is decoded by `levada-protocol`, finds its handler in `apis.rs`, is answered by one call of
//! `levada-broker`, and leaves in the order in which it came.

mod apis;
mod authorised;
mod call;
mod complaints;
mod config;
mod configs;
mod connection;
mod errors;
mod features;
mod fetch;
mod handlers;
mod memory;
mod metrics;
pub mod server;
mod stream;
mod tasks;
mod throttle;

pub use apis::{TABLE_MARKERS, compatibility_table};
pub use config::{ConfigError, Endpoint, ServerConfig};
pub use metrics::Metrics;
pub use server::{BindError, Server};
pub use tasks::{StopSignal, Tasks};
