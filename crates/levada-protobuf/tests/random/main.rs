//! Random schemas: they are printed and read again, evolve and are judged by data, and are mutilated.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

mod data;
mod draw;
mod edits;
mod evolution;
mod hostile;
mod model;
mod printing;
