//! Statements on a real broker whose disk loses its power.

#[cfg(test)]
mod statement {
    mod bank;
    mod computed;
    mod late;
    mod made;
    mod poison;
    mod portions;
    #[path = "../../../levada-stream/tests/stream/rig.rs"]
    #[allow(dead_code, reason = "a rig of several suites")]
    mod rig;
    mod sql;
    mod times;
    mod view;
    mod windows;
}
