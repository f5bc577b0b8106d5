//! PostgreSQL's protocol over SQL over a broker over a simulated disk: what clients see, byte for byte.

#[cfg(test)]
mod asked;
#[cfg(test)]
#[path = "../../../levada-stream/tests/stream/rig.rs"]
#[allow(dead_code, reason = "a rig of several suites")]
mod broker;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod prepared;
#[cfg(test)]
mod read_after;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod stops;
