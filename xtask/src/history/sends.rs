//! Where sends land: one producer's in its order (9), and all in the order of real time (13).

use std::collections::{BTreeMap, HashMap};

use super::order::Index;
use super::polls::by_process;
use super::{Anomaly, Log, Op, Outcome, Value};

/// Invariants 9 and 13.
pub(super) fn check(ops: &[Op], index: &Index, found: &mut Vec<Anomaly>) {
    program_order(ops, index, found);
    real_time(ops, found);
}

fn program_order(ops: &[Op], index: &Index, found: &mut Vec<Anomaly>) {
    for (process, ops) in by_process(ops) {
        let mut last: HashMap<Log, (usize, Value)> = HashMap::new();
        for op in ops.into_iter().filter(|op| index.took_place(op)) {
            for sent in op.sends() {
                let (log, later) = (sent.log, sent.value);
                let Some(place) = index.order(log).place(later) else { continue };
                if let Some((before, earlier)) = last.insert(log, (place, later))
                    && place <= before
                {
                    found.push(Anomaly::SendsReordered { process, log, earlier, later });
                }
            }
        }
    }
}

struct Landed {
    begun_ns: u64,
    ended_ns: u64,
    offset: i64,
    value: Value,
}

/// A sweep over begins and ends: whatever was acknowledged before a send began lies below it.
fn real_time(ops: &[Op], found: &mut Vec<Anomaly>) {
    let mut logs: BTreeMap<Log, Vec<Landed>> = BTreeMap::new();
    for op in ops.iter().filter(|op| op.outcome == Outcome::Ok) {
        for sent in op.sends() {
            let Some(offset) = sent.offset else { continue };
            let (begun_ns, ended_ns, value) = (op.begun_ns, op.ended_ns, sent.value);
            logs.entry(sent.log).or_default().push(Landed { begun_ns, ended_ns, offset, value });
        }
    }
    for (log, mut landed) in logs {
        let mut ends: Vec<(u64, i64)> = landed.iter().map(|landed| (landed.ended_ns, landed.offset)).collect();
        ends.sort_unstable();
        landed.sort_by_key(|landed| landed.begun_ns);
        let mut ends = ends.into_iter().peekable();
        let mut highest = None;
        for send in landed {
            while let Some((_, offset)) = ends.next_if(|&(ended_ns, _)| ended_ns < send.begun_ns) {
                highest = highest.max(Some(offset));
            }
            if let Some(earlier) = highest.filter(|&earlier| send.offset <= earlier) {
                found.push(Anomaly::OffsetWentBack { log, value: send.value, offset: send.offset, earlier });
            }
        }
    }
}
