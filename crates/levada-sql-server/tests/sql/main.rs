//! SQL over HTTP: definitions that last, statements that go on, answers and errors.

#[cfg(test)]
mod alters;
#[cfg(test)]
mod answers;
#[cfg(test)]
#[path = "../../../levada-stream/tests/stream/rig.rs"]
#[allow(dead_code, reason = "a rig of several suites")]
mod broker;
#[cfg(test)]
mod chain;
#[cfg(test)]
mod inserts;
#[cfg(test)]
mod lives;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod registry;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod rowtime;
#[cfg(test)]
#[path = "../../../levada/src/serve/schemas.rs"]
mod schemas;
#[cfg(test)]
mod views;
