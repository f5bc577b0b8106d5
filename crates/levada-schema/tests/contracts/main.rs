//! Tags, switches and associations, as clients see them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod associations;
mod replay;
mod rig;
mod switches;
mod tags;
