//! What Kafka *means*: topics, producers and consumer groups, in terms of this crate's own types.
//!
//! Knows no wire format: errors are enums, arguments plain structs; `levada-kafka` translates both ways.
//! State machines are pure; their owners keep effects durable through `levada-store` before anyone sees them.
//! [`Broker`] is the one handle: a method a request. What touches a resource takes a [`auth::Grant`].

pub mod admin;
pub mod auth;
mod broker;
pub mod config;
pub mod coordinator;
pub mod fetch;
pub mod group;
mod groups;
pub mod produce;
pub mod producers;
pub mod quotas;
pub mod scram;
pub mod topics;

pub use broker::{Broker, BrokerParts, ClusterView, Runtime, ValidateOnly};
pub use levada_store::{AppendError, Appended, CommitError, FileSlice, ReadUntil, Waiter, WatchGuard};
