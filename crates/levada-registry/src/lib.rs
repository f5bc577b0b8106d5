//! The schema registry at work: [`Service`] owns its state and its topic, [`router`] is Confluent's REST API over it.
//!
//! The meaning of requests is `levada-schema`'s; here they are kept durable before they are answered, one after the
//! other, many at a time.

mod records;
mod rest;
mod service;
mod state;

pub use records::{RegisteredSchemas, Understood};
pub use rest::{Peer, router};
pub use service::{Readiness, Service, WriteError};
pub use state::State;
