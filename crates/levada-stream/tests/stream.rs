//! The handle over a real broker on a simulated disk: what a statement reads and writes, whatever the disk does.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "stream/commits.rs"]
mod commits;
#[path = "stream/crash.rs"]
mod crash;
#[path = "stream/inputs.rs"]
mod inputs;
#[path = "stream/rig.rs"]
mod rig;
#[path = "stream/snapshots.rs"]
mod snapshots;
