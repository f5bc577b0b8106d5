//! Watermarks and committed offsets never go back (14), and nobody sees one that was not asked for.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Anomaly, Mark, Op, Outcome};

#[derive(Default)]
struct Observed {
    /// Known to have held: when that was known at the latest, and the value.
    bounds: Vec<(u64, i64)>,
    /// Looks: when the look began, and what it saw.
    looks: Vec<(u64, i64)>,
    asked: BTreeSet<i64>,
}

/// Invariant 14.
pub(super) fn check(ops: &[Op], found: &mut Vec<Anomaly>) {
    let mut marks: BTreeMap<Mark, Observed> = BTreeMap::new();
    let ask = |marks: &mut BTreeMap<Mark, Observed>, op: &Op, mark: Mark, value: i64| {
        let observed = marks.entry(mark).or_default();
        observed.asked.insert(value);
        if op.outcome == Outcome::Ok {
            observed.bounds.push((op.ended_ns, value));
        }
    };
    for op in ops {
        match op.action {
            Action::Move { mark, value } if op.outcome != Outcome::Fail => ask(&mut marks, op, mark, value),
            Action::Transaction { ref offsets, .. } => {
                offsets.iter().for_each(|&(mark, value)| ask(&mut marks, op, mark, value));
            }
            Action::See { mark, value } if op.outcome == Outcome::Ok => {
                let observed = marks.entry(mark).or_default();
                observed.bounds.push((op.ended_ns, value));
                observed.looks.push((op.begun_ns, value));
            }
            _ => {}
        }
    }
    for (mark, mut observed) in marks {
        observed.bounds.sort_unstable();
        observed.looks.sort_unstable();
        let mut bounds = observed.bounds.into_iter().peekable();
        let mut highest = None;
        for (begun_ns, after) in observed.looks {
            while let Some((_, value)) = bounds.next_if(|&(ended_ns, _)| ended_ns < begun_ns) {
                highest = highest.max(Some(value));
            }
            if let Some(before) = highest.filter(|&before| after < before) {
                found.push(Anomaly::MarkWentBack { mark, before, after });
            }
            // A group that never committed is seen at -1.
            if matches!(mark, Mark::Committed(..)) && after >= 0 && !observed.asked.contains(&after) {
                found.push(Anomaly::PhantomMark { mark, value: after });
            }
        }
    }
}
