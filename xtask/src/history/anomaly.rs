//! What can be wrong in a history, each with its evidence, and the verdict that lists it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::payload::Damage;
use super::{Log, Mark, Process, Value};

/// How many anomalies of one kind are described.
const EXAMPLES_MAX: usize = 5;

/// One broken promise. The number is the invariant's, as `docs/durability.md` counts them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Anomaly {
    /// 1: an offset held two values.
    TwoValues { log: Log, offset: i64, first: Value, second: Value },
    /// 2: a value lies at two offsets.
    Duplicate { log: Log, value: Value, first: i64, second: i64 },
    /// 3: a value was read that nobody sent there.
    Phantom { log: Log, offset: i64, value: Value },
    /// 3: a record was read that is not what a test record looks like.
    Damaged { log: Log, offset: i64, damage: Damage },
    /// 4: a value was read whose send was refused or whose transaction was aborted.
    AbortedRead { log: Log, offset: i64, value: Value },
    /// 5: an acknowledged value below something that was read was itself never read.
    Lost { log: Log, value: Value },
    /// 6: a full read does not show what was acknowledged before it.
    Unseen { log: Log, value: Value },
    /// 6: a full read does not show what someone had read before it.
    Vanished { log: Log, value: Value },
    /// 7, 8: a consumer passed over a value.
    Skipped { process: Process, log: Log, after: Value, next: Value },
    /// 7, 8: a consumer read a value again, or an earlier one.
    Repeated { process: Process, log: Log, after: Value, next: Value },
    /// 9: one producer's sends lie in another order than it sent them.
    SendsReordered { process: Process, log: Log, earlier: Value, later: Value },
    /// 10: a transaction read what it had not yet committed.
    ReadOwnWrite { process: Process, log: Log, value: Value },
    /// 11: a part of a transaction shows, another does not.
    Torn { process: Process, seen: Value, unseen: Value },
    /// 12: transactions each saw what a later one wrote.
    Cycle { ops: Vec<usize> },
    /// 13: a send that began after another was acknowledged got the smaller offset.
    OffsetWentBack { log: Log, value: Value, offset: i64, earlier: i64 },
    /// 14: a watermark or committed offset went back.
    MarkWentBack { mark: Mark, before: i64, after: i64 },
    /// 14: a committed offset that nobody committed.
    PhantomMark { mark: Mark, value: i64 },
    /// 15: readers of the committed see a value, or its transaction was acknowledged, and readers of everything do not.
    OnlyCommitted { log: Log, value: Value },
    /// 16: a transaction is open when none should be.
    Hanging { log: Log, stable: i64, high: i64 },
    /// 17: an offset counts that was committed in a transaction that was aborted.
    OffsetOfAborted { mark: Mark, value: i64 },
    /// 17: an offset counts, and a record of its transaction does not.
    OffsetAlone { mark: Mark, value: i64, unseen: Value },
    /// 17: a record counts, and the offset that was committed with it does not.
    OffsetMissing { mark: Mark, value: i64, looked: i64, seen: Value },
}

impl Anomaly {
    /// The kind, for counting.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::TwoValues { .. } => "two values at one offset",
            Self::Duplicate { .. } => "duplicate",
            Self::Phantom { .. } => "phantom",
            Self::Damaged { .. } => "damaged",
            Self::AbortedRead { .. } => "aborted read",
            Self::Lost { .. } => "lost",
            Self::Unseen { .. } => "acknowledged but gone",
            Self::Vanished { .. } => "read but gone",
            Self::Skipped { .. } => "skipped by a poll",
            Self::Repeated { .. } => "repeated by a poll",
            Self::SendsReordered { .. } => "sends reordered",
            Self::ReadOwnWrite { .. } => "read own write",
            Self::Torn { .. } => "torn transaction",
            Self::Cycle { .. } => "cycle",
            Self::OffsetWentBack { .. } => "offset went back",
            Self::MarkWentBack { .. } => "mark went back",
            Self::PhantomMark { .. } => "phantom mark",
            Self::OnlyCommitted { .. } => "not there for who reads everything",
            Self::Hanging { .. } => "hanging transaction",
            Self::OffsetOfAborted { .. } => "offset of an aborted transaction",
            Self::OffsetAlone { .. } => "offset without its records",
            Self::OffsetMissing { .. } => "records without their offset",
        }
    }

    fn describe(&self, logs: &[String]) -> String {
        let name = |log: &Log| name(logs, *log);
        match self {
            Self::TwoValues { log, offset, first, second } => {
                format!("{} offset {offset} held {first} and {second}", name(log))
            }
            Self::Duplicate { log, value, first, second } => {
                format!("{} has {value} at offset {first} and at {second}", name(log))
            }
            Self::Phantom { log, offset, value } => format!("{} offset {offset}: nobody sent {value}", name(log)),
            Self::Damaged { log, offset, damage } => format!("{} offset {offset}: {damage}", name(log)),
            Self::AbortedRead { log, offset, value } => {
                format!("{} offset {offset}: {value} was refused or aborted", name(log))
            }
            Self::Lost { log, value } => format!("{} lacks {value} below what was read", name(log)),
            Self::Unseen { log, value } => format!("{} lacks {value}, which was acknowledged", name(log)),
            Self::Vanished { log, value } => format!("{} lacks {value}, which had been read", name(log)),
            Self::Skipped { process, log, after, next } => {
                format!("client {} read {next} of {} right after {after}", process.0, name(log))
            }
            Self::Repeated { process, log, after, next } => {
                format!("client {} went back to {next} of {} after {after}", process.0, name(log))
            }
            Self::SendsReordered { process, log, earlier, later } => {
                format!("client {}: {} has {later} before {earlier}", process.0, name(log))
            }
            Self::ReadOwnWrite { process, log, value } => {
                format!("client {} read its own uncommitted {value} in {}", process.0, name(log))
            }
            Self::Torn { process, seen, unseen } => {
                format!("a transaction of client {} shows {seen} but not {unseen}", process.0)
            }
            Self::Cycle { ops } => format!("operations {ops:?} each saw the next one's writes"),
            Self::OffsetWentBack { log, value, offset, earlier } => {
                format!("{}: {value} got offset {offset} after {earlier} was acknowledged", name(log))
            }
            Self::MarkWentBack { .. }
            | Self::PhantomMark { .. }
            | Self::OnlyCommitted { .. }
            | Self::Hanging { .. }
            | Self::OffsetOfAborted { .. }
            | Self::OffsetAlone { .. }
            | Self::OffsetMissing { .. } => self.describe_mark(logs),
        }
    }

    /// Those about watermarks, committed offsets and what is open.
    fn describe_mark(&self, logs: &[String]) -> String {
        let at = |mark: &Mark| match *mark {
            Mark::High(log) => format!("the high watermark of {}", name(logs, log)),
            Mark::Stable(log) => format!("the last stable offset of {}", name(logs, log)),
            Mark::Committed(group, log) => format!("the offset of group {group} in {}", name(logs, log)),
        };
        match self {
            Self::MarkWentBack { mark, before, after } => format!("{} was {before}, then {after}", at(mark)),
            Self::PhantomMark { mark, value } => format!("{} is {value}, which nobody asked for", at(mark)),
            Self::OnlyCommitted { log, value } => {
                format!("{} lacks {value} for who reads everything", name(logs, *log))
            }
            Self::Hanging { log, stable, high } => {
                format!("{} is stable to {stable} only, and ends at {high}", name(logs, *log))
            }
            Self::OffsetOfAborted { mark, value } => {
                format!("{} is {value}, whose transaction was aborted", at(mark))
            }
            Self::OffsetAlone { mark, value, unseen } => {
                format!("{} is {value}, and {unseen} of the same transaction does not show", at(mark))
            }
            Self::OffsetMissing { mark, value, looked, seen } => {
                format!("{} is {looked}, not {value}, and {seen} of the same transaction shows", at(mark))
            }
            _ => String::new(),
        }
    }
}

fn name(logs: &[String], log: Log) -> String {
    let index = usize::try_from(log.0).unwrap_or(usize::MAX);
    logs.get(index).cloned().unwrap_or_else(|| format!("log {}", log.0))
}

/// All anomalies of one history.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    found: Vec<Anomaly>,
}

impl Verdict {
    pub(super) fn new(mut found: Vec<Anomaly>) -> Self {
        found.sort_unstable();
        found.dedup();
        Self { found }
    }

    /// Whether every promise held.
    pub(crate) fn is_clean(&self) -> bool {
        self.found.is_empty()
    }

    /// How many promises were broken.
    pub(crate) fn count(&self) -> usize {
        self.found.len()
    }

    /// Values that were acknowledged or read, and are gone.
    pub(crate) fn lost(&self) -> usize {
        let mut gone: Vec<(Log, Value)> = self
            .found
            .iter()
            .filter_map(|anomaly| match anomaly {
                Anomaly::Lost { log, value } | Anomaly::Unseen { log, value } | Anomaly::Vanished { log, value } => {
                    Some((*log, *value))
                }
                _ => None,
            })
            .collect();
        gone.sort_unstable();
        gone.dedup();
        gone.len()
    }

    /// The anomalies, sorted.
    #[cfg(test)]
    pub(crate) fn anomalies(&self) -> &[Anomaly] {
        &self.found
    }

    /// How many of each kind.
    pub(crate) fn kinds(&self) -> BTreeMap<&'static str, usize> {
        let mut kinds = BTreeMap::new();
        for anomaly in &self.found {
            *kinds.entry(anomaly.kind()).or_insert(0) += 1;
        }
        kinds
    }

    /// Counts and a few examples of each kind, one a line.
    pub(crate) fn describe(&self, logs: &[String]) -> String {
        let mut text = String::new();
        for (kind, count) in self.kinds() {
            let written = writeln!(text, "{kind}: {count}");
            written.expect("a string takes all that is written");
            for anomaly in self.found.iter().filter(|anomaly| anomaly.kind() == kind).take(EXAMPLES_MAX) {
                let written = writeln!(text, "  {}", anomaly.describe(logs));
                written.expect("a string takes all that is written");
            }
        }
        text
    }
}
