//! Consumers go forward without a gap: invariants 7 (within one poll) and 8 (from poll to poll).

use std::collections::{BTreeMap, HashMap};

use super::order::Index;
use super::{Action, Anomaly, Log, Op, Process, Value};

/// Invariants 7 and 8.
pub(super) fn check(ops: &[Op], index: &Index, found: &mut Vec<Anomaly>) {
    for (process, ops) in by_process(ops) {
        let mut last: HashMap<Log, Value> = HashMap::new();
        for op in ops {
            match &op.action {
                Action::Poll { moved, .. } => last.retain(|log, _| !moved.contains(log)),
                Action::FullRead { .. } => last.clear(),
                Action::Transaction { .. } => {}
                Action::Send { .. }
                | Action::RawRead { .. }
                | Action::Ends { .. }
                | Action::Move { .. }
                | Action::See { .. } => continue,
            }
            for read in op.reads() {
                let Ok(next) = read.seen else { continue };
                if let Some(after) = last.insert(read.log, next) {
                    found.extend(step(index, process, read.log, after, next));
                }
            }
            if matches!(op.action, Action::FullRead { .. }) {
                last.clear();
            }
        }
    }
}

fn step(index: &Index, process: Process, log: Log, after: Value, next: Value) -> Option<Anomaly> {
    let order = index.order(log);
    let (from, to) = (order.place(after)?, order.place(next)?);
    if to <= from {
        Some(Anomaly::Repeated { process, log, after, next })
    } else if to > from + 1 {
        Some(Anomaly::Skipped { process, log, after, next })
    } else {
        None
    }
}

/// The operations of each process, in the order in which it began them.
pub(super) fn by_process(ops: &[Op]) -> BTreeMap<Process, Vec<&Op>> {
    let mut processes: BTreeMap<Process, Vec<&Op>> = BTreeMap::new();
    for op in ops {
        processes.entry(op.process).or_default().push(op);
    }
    for ops in processes.values_mut() {
        ops.sort_by_key(|op| op.begun_ns);
    }
    processes
}
