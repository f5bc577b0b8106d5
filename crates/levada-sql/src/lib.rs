//! Streaming SQL.

pub mod format;
pub mod types;
