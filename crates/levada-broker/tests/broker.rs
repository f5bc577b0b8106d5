//! The broker over a real store on a simulated disk: what was answered survives a power cut.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "broker/consumer_groups.rs"]
mod consumer_groups;
#[path = "broker/groups.rs"]
mod groups;
#[path = "broker/records.rs"]
mod records;
#[path = "broker/rig.rs"]
mod rig;
#[path = "broker/topics.rs"]
mod topics;
#[path = "broker/transactions.rs"]
mod transactions;
