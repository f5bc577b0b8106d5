//! A client of schema registries that speak Confluent's REST API, ours and others, and what is done with the schemas:
//! records are encoded and decoded by them.
//!
//! Calls block: a request that asks for a schema comes once a schema, not once a record.

mod codec;
mod error;
mod rest;
mod shapes;

pub use codec::{Decoder, Encoder};
pub use error::ClientError;
pub use rest::{RegistryClient, RegistryConfig, Versions};
pub use shapes::{Checked, Content, Registered};
