//! Offsets that are committed in transactions: they count when the records of the transaction do, and only then (17).
//! That they never go back is the business of the marks.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Action, Anomaly, Log, Mark, Op, Outcome, Value};

/// Full reads, put together.
#[derive(Default)]
struct Shown {
    /// When the last full read of a log began.
    at: HashMap<Log, u64>,
    values: HashSet<(Log, Value)>,
}

/// Invariant 17.
pub(super) fn check(ops: &[Op], found: &mut Vec<Anomaly>) {
    let shown = shown(ops);
    let looks = looks(ops);
    let nobody = Vec::new();
    for op in ops {
        let Action::Transaction { sends, offsets, .. } = &op.action else { continue };
        let judged = |log: Log| shown.at.get(&log).filter(|&&at| at > op.ended_ns).copied();
        let is_shown = |log: Log, value: Value| shown.values.contains(&(log, value));
        let seen = sends.iter().find(|sent| is_shown(sent.log, sent.value));
        let unseen = sends.iter().find(|sent| judged(sent.log).is_some() && !is_shown(sent.log, sent.value));
        for &(mark, value) in offsets {
            for &(begun_ns, looked) in looks.get(&mark).unwrap_or(&nobody) {
                if looked == value && op.outcome == Outcome::Fail {
                    found.push(Anomaly::OffsetOfAborted { mark, value });
                } else if let Some(unseen) = unseen.filter(|_| looked == value) {
                    found.push(Anomaly::OffsetAlone { mark, value, unseen: unseen.value });
                }
                // Offsets only rise: whatever was committed since is above.
                if let Some(seen) = seen.filter(|seen| judged(seen.log).is_some_and(|at| at < begun_ns))
                    && looked < value
                    && op.outcome != Outcome::Fail
                {
                    found.push(Anomaly::OffsetMissing { mark, value, looked, seen: seen.value });
                }
            }
        }
    }
}

fn shown(ops: &[Op]) -> Shown {
    let mut shown = Shown::default();
    for op in ops {
        let Action::FullRead { logs, reads } = &op.action else { continue };
        for &log in logs {
            let at = shown.at.entry(log).or_default();
            *at = op.begun_ns.max(*at);
        }
        shown.values.extend(reads.iter().filter_map(|read| Some((read.log, read.seen.ok()?))));
    }
    shown
}

/// When each look at a committed offset began, and what it saw.
fn looks(ops: &[Op]) -> BTreeMap<Mark, Vec<(u64, i64)>> {
    let mut looks: BTreeMap<Mark, Vec<(u64, i64)>> = BTreeMap::new();
    for op in ops.iter().filter(|op| op.outcome == Outcome::Ok) {
        if let Action::See { mark: mark @ Mark::Committed(..), value } = op.action {
            looks.entry(mark).or_default().push((op.begun_ns, value));
        }
    }
    looks
}
