//! Streaming SQL.
