//! Streaming SQL at work: [`Service`] owns the definitions of tables, views and statements and runs the statements;
//! [`router`] is its HTTP API, and [`Session`] what other faces ask through.
//!
//! What a definition means and how a statement runs is `levada-sql`'s. Here definitions are kept, each durable before
//! it is answered, statements are started again at every start, and texts of SQL are carried out one statement after
//! the other.

mod catalog;
mod execute;
mod read_after;
mod refusal;
mod rest;
mod running;
mod service;
mod session;
mod settings;
mod undeclared;
mod views;

pub use execute::Outcome;
pub use read_after::Offsets;
pub use refusal::{Refusal, RefusalKind};
pub use rest::{Peer, router};
pub use service::{Parts, Service, Spawn};
pub use session::{Described, Room, Session};
