//! Transactions: none reads its own uncommitted writes (10), each is all or nothing (11), and what they
//! saw of each other goes one way (12).

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Action, Anomaly, Log, Op, Outcome, Sent, Value, graph};

/// Invariants 10 to 12.
pub(super) fn check(ops: &[Op], found: &mut Vec<Anomaly>) {
    own_reads(ops, found);
    atomicity(ops, found);
    cycles(ops, found);
}

fn own_reads(ops: &[Op], found: &mut Vec<Anomaly>) {
    for op in ops.iter().filter(|op| op.is_transaction()) {
        let own: HashSet<(Log, Value)> = op.sends().iter().map(|sent| (sent.log, sent.value)).collect();
        for read in op.reads() {
            if let Ok(value) = read.seen
                && own.contains(&(read.log, value))
            {
                found.push(Anomaly::ReadOwnWrite { process: op.process, log: read.log, value });
            }
        }
    }
}

/// Judged by full reads, and only over the logs that were read in full after the transaction ended.
fn atomicity(ops: &[Op], found: &mut Vec<Anomaly>) {
    let mut full_at: HashMap<Log, u64> = HashMap::new();
    let mut shown: HashSet<(Log, Value)> = HashSet::new();
    for op in ops {
        let Action::FullRead { logs, reads } = &op.action else { continue };
        for &log in logs {
            let at = full_at.entry(log).or_default();
            *at = op.begun_ns.max(*at);
        }
        shown.extend(reads.iter().filter_map(|read| Some((read.log, read.seen.ok()?))));
    }
    for op in ops.iter().filter(|op| op.is_transaction() && op.outcome != Outcome::Fail) {
        let judged = op.sends().iter().filter(|sent| full_at.get(&sent.log).is_some_and(|&at| at > op.ended_ns));
        let (seen, unseen): (Vec<&Sent>, Vec<&Sent>) = judged.partition(|sent| shown.contains(&(sent.log, sent.value)));
        if let (Some(seen), Some(unseen)) = (seen.first(), unseen.first()) {
            found.push(Anomaly::Torn { process: op.process, seen: seen.value, unseen: unseen.value });
        }
    }
}

/// A transaction comes after another where it read what that one wrote. A cycle means that no order of
/// them explains what was seen.
fn cycles(ops: &[Op], found: &mut Vec<Anomaly>) {
    let mut writers: HashMap<(Log, Value), usize> = HashMap::new();
    for (index, op) in ops.iter().enumerate().filter(|(_, op)| op.outcome != Outcome::Fail) {
        writers.extend(op.sends().iter().map(|sent| ((sent.log, sent.value), index)));
    }
    let mut edges: Vec<Vec<usize>> = vec![Vec::new(); ops.len()];
    for (reader, op) in ops.iter().enumerate().filter(|(_, op)| op.is_transaction() && op.outcome != Outcome::Fail) {
        let read = op.reads().iter().filter_map(|read| writers.get(&(read.log, read.seen.ok()?)));
        for &writer in read.collect::<BTreeSet<_>>() {
            if writer != reader
                && let Some(edges) = edges.get_mut(writer)
            {
                edges.push(reader);
            }
        }
    }
    found.extend(graph::cycles(&edges).into_iter().map(|ops| Anomaly::Cycle { ops }));
}
