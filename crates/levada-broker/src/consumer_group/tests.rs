//! Scenarios, told call by call; [`rig`] tells how. After each, what is in memory is what the records add up to.

mod classic;
mod members;
mod reconcile;
pub(super) mod rig;
mod subscribe;
