//! What Kafka *means*: topics, producers and consumer groups, in terms of this crate's own types.
//!
//! Knows no wire format: errors are enums, arguments plain structs; `levada-kafka` translates both ways.
//! State machines are pure; their owners keep effects durable through `levada-store` before anyone sees them.
//! [`Broker`] is the one handle: a method a request. What touches a resource takes a [`auth::Grant`].

pub mod admin;
mod any_group;
pub mod auth;
mod broker;
pub mod config;
pub mod consumer_group;
pub mod coordinator;
pub mod fetch;
pub mod group;
mod groups;
mod internal_log;
mod nap;
pub mod own_producer;
pub mod own_topic;
pub mod produce;
pub mod producers;
pub mod quotas;
pub mod schemas;
pub mod scram;
pub mod streams;
pub mod topics;
pub mod transaction;
pub mod transactional;
pub mod transactions;

pub use broker::{Broker, BrokerParts, ClusterView, Runtime, ValidateOnly};
pub use levada_store::{
    AbortedTransaction, AppendError, Appended, CommitError, FileSlice, ProducerState, ReadUntil, Waiter, WatchGuard,
};
