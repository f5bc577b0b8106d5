//! What was read against what was sent: nothing made up, damaged or aborted is seen (3, 4), and nothing
//! acknowledged is missing (5, 6).

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::order::Index;
use super::{Action, Anomaly, Log, Op, Outcome, Value};

/// Invariants 3 to 6.
pub(super) fn check(ops: &[Op], index: &Index, found: &mut Vec<Anomaly>) {
    sources(ops, index, found);
    losses(ops, index, found);
    full_reads(ops, found);
}

fn sources(ops: &[Op], index: &Index, found: &mut Vec<Anomaly>) {
    for read in ops.iter().flat_map(Op::reads) {
        let (log, offset) = (read.log, read.offset);
        let value = match read.seen {
            Ok(value) => value,
            Err(damage) => {
                found.push(Anomaly::Damaged { log, offset, damage });
                continue;
            }
        };
        match index.writer(log, value).and_then(|writer| ops.get(writer)) {
            None => found.push(Anomaly::Phantom { log, offset, value }),
            Some(writer) if writer.outcome == Outcome::Fail => {
                found.push(Anomaly::AbortedRead { log, offset, value });
            }
            Some(_) => {}
        }
    }
}

/// Below the highest place that anyone read, everything acknowledged must have been read: consumers
/// start at the first offset of a log.
fn losses(ops: &[Op], index: &Index, found: &mut Vec<Anomaly>) {
    for (log, order) in index.orders() {
        let read = order.versions.iter().rposition(|&(_, value)| index.was_read(log, value));
        let Some(highest) = read else { continue };
        for &(_, value) in order.versions.iter().take(highest) {
            let writer = index.writer(log, value).and_then(|writer| ops.get(writer));
            if !index.was_read(log, value) && writer.is_some_and(|writer| index.took_place(writer)) {
                found.push(Anomaly::Lost { log, value });
            }
        }
    }
}

/// A full read shows all that was acknowledged or read before it began.
fn full_reads(ops: &[Op], found: &mut Vec<Anomaly>) {
    let mut full: BTreeMap<Log, Vec<(u64, HashSet<Value>)>> = BTreeMap::new();
    for op in ops {
        let Action::FullRead { logs, reads } = &op.action else { continue };
        let mut shown: BTreeMap<Log, HashSet<Value>> = BTreeMap::new();
        for read in reads {
            shown.entry(read.log).or_default().extend(read.seen.ok());
        }
        for &log in logs.iter().collect::<BTreeSet<_>>() {
            full.entry(log).or_default().push((op.begun_ns, shown.remove(&log).unwrap_or_default()));
        }
    }
    let missing = |log: Log, value: Value, ended_ns: u64| {
        let full = full.get(&log).map(Vec::as_slice).unwrap_or_default();
        full.iter().any(|(begun_ns, shown)| *begun_ns > ended_ns && !shown.contains(&value))
    };
    for op in ops {
        if op.outcome == Outcome::Ok {
            for sent in op.sends().iter().filter(|sent| missing(sent.log, sent.value, op.ended_ns)) {
                found.push(Anomaly::Unseen { log: sent.log, value: sent.value });
            }
        }
        for read in op.reads() {
            if let Ok(value) = read.seen
                && missing(read.log, value, op.ended_ns)
            {
                found.push(Anomaly::Vanished { log: read.log, value });
            }
        }
    }
}
