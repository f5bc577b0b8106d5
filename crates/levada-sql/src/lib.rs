//! Streaming SQL: a query is planned, kept up to date epoch by epoch, and recovered after a crash.
//!
//! An epoch's input is a *cut* through the topics that a statement reads: each producer transaction lies wholly in or
//! out. What a statement shows is always the answer for one cut. Between operators go [`changes::Changes`]: rows with
//! weights, positive where they come and negative where they go; at the end of an epoch only the net change remains.
//!
//! This is the only crate of what ships that names Arrow or DataFusion. It reaches the broker through
//! `levada-stream` alone.

mod answer;
pub mod changes;
pub mod dataflow;
mod datagen;
pub mod epoch;
mod explain;
pub mod format;
mod late;
mod left_out;
mod operator;
pub mod pg_catalog;
pub mod plan;
pub mod query;
mod reading;
mod sink;
pub mod snapshot;
mod source;
mod state;
pub mod statement;
pub mod table;
pub mod types;
mod value;
pub mod view;
mod writers;

pub use answer::{Answer, Cell};
pub use dataflow::RunError;
pub use query::Query;
pub use statement::{Statement, StatementError};
pub use table::Table;
pub use value::{Signature, Value};
pub use view::View;
pub use writers::{WriterError, Writers};
