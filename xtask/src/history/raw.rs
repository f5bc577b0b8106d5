//! What readers of everything see against what readers of the committed see: nothing is only in the second (15). In
//! the end nothing is left open (16).

use std::collections::{BTreeMap, HashMap};

use super::order::Index;
use super::{Action, Anomaly, Log, Op, Outcome, Value};

/// Invariants 15 and 16.
pub(super) fn check(ops: &[Op], index: &Index, found: &mut Vec<Anomaly>) {
    let mut raw: BTreeMap<Log, HashMap<Value, i64>> = BTreeMap::new();
    for op in ops {
        match &op.action {
            Action::RawRead { logs, reads } => {
                for &log in logs {
                    raw.entry(log).or_default();
                }
                for read in reads {
                    let (log, offset) = (read.log, read.offset);
                    match read.seen {
                        Err(damage) => found.push(Anomaly::Damaged { log, offset, damage }),
                        Ok(value) if index.writer(log, value).is_none() => {
                            found.push(Anomaly::Phantom { log, offset, value });
                        }
                        Ok(value) => match raw.entry(log).or_default().insert(value, offset) {
                            Some(first) if first != offset => {
                                found.push(Anomaly::Duplicate { log, value, first, second: offset });
                            }
                            _ => {}
                        },
                    }
                }
            }
            Action::Ends { log, stable, high } if stable < high => {
                found.push(Anomaly::Hanging { log: *log, stable: *stable, high: *high });
            }
            _ => {}
        }
    }
    for op in ops {
        for read in op.reads() {
            let (log, offset) = (read.log, read.offset);
            let (Ok(value), Some(raw)) = (read.seen, raw.get(&log)) else { continue };
            match raw.get(&value) {
                Some(&first) if first != offset => {
                    found.push(Anomaly::Duplicate { log, value, first, second: offset });
                }
                Some(_) => {}
                None => found.push(Anomaly::OnlyCommitted { log, value }),
            }
        }
        for sent in op.sends().iter().filter(|_| op.outcome == Outcome::Ok) {
            if raw.get(&sent.log).is_some_and(|raw| !raw.contains_key(&sent.value)) {
                found.push(Anomaly::OnlyCommitted { log: sent.log, value: sent.value });
            }
        }
    }
}
