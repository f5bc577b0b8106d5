//! The history of a run, as its clients saw it, and the checker that judges it. The faults that were
//! injected, and the clients that recorded the history, are elsewhere: the checker knows only what was
//! sent, what was answered and what was read.
//!
//! Offsets give the version order of each log, so every check is near-linear in the records.

mod anomaly;
mod graph;
mod marks;
mod offsets;
mod order;
pub(crate) mod payload;
mod polls;
mod raw;
mod reads;
mod sends;
mod transactions;

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

pub(crate) use anomaly::{Anomaly, Verdict};
use order::Index;
use payload::Damage;

/// One partition of one incarnation of a topic, by its place in [`History::logs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Log(pub(crate) u32);

/// One client thread that does one thing after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Process(pub(crate) u32);

/// What a test record carries: unique in its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Value {
    /// The producer that made it.
    pub(crate) producer: u32,
    /// Counts that producer's records in that log from 0.
    pub(crate) sequence: u64,
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.producer, self.sequence)
    }
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// Acknowledged, or committed.
    Ok,
    /// Refused: it certainly did not happen.
    Fail,
    /// Nobody knows: the connection broke, or the broker died.
    Unknown,
}

/// One record sent.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Sent {
    pub(crate) log: Log,
    pub(crate) value: Value,
    /// The offset in the acknowledgement.
    pub(crate) offset: Option<i64>,
}

/// One record read.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Read {
    pub(crate) log: Log,
    pub(crate) offset: i64,
    pub(crate) seen: Result<Value, Damage>,
}

/// Something that may only grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Mark {
    /// A log's high watermark.
    High(Log),
    /// A log's last stable offset.
    Stable(Log),
    /// The offset that a group, by its number, committed. The test's clients only ever go forward.
    Committed(u32, Log),
}

/// What a client did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Action {
    /// Sends outside a transaction.
    Send { sends: Vec<Sent> },
    /// A poll. `moved` lists logs whose position was changed since the last one, by a seek or a rebalance.
    Poll { reads: Vec<Read>, moved: Vec<Log> },
    /// A transaction that read, wrote and committed offsets.
    Transaction { sends: Vec<Sent>, reads: Vec<Read>, offsets: Vec<(Mark, i64)> },
    /// A read of these logs from their first offset to their end, after the faults healed.
    FullRead { logs: Vec<Log>, reads: Vec<Read> },
    /// The same for who reads everything, committed or not.
    RawRead { logs: Vec<Log>, reads: Vec<Read> },
    /// A log's last stable offset and high watermark once nobody writes any more, and all time limits have passed.
    Ends { log: Log, stable: i64, high: i64 },
    /// Asks for the mark to move to `value`.
    Move { mark: Mark, value: i64 },
    /// Sees the mark at `value`.
    See { mark: Mark, value: i64 },
}

/// One operation: from its call to its answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Op {
    pub(crate) process: Process,
    pub(crate) begun_ns: u64,
    pub(crate) ended_ns: u64,
    pub(crate) outcome: Outcome,
    pub(crate) action: Action,
}

impl Op {
    fn sends(&self) -> &[Sent] {
        match &self.action {
            Action::Send { sends } | Action::Transaction { sends, .. } => sends,
            Action::Poll { .. }
            | Action::FullRead { .. }
            | Action::RawRead { .. }
            | Action::Ends { .. }
            | Action::Move { .. }
            | Action::See { .. } => &[],
        }
    }

    /// What was read and may not go away again, nor be of an aborted transaction.
    fn reads(&self) -> &[Read] {
        match &self.action {
            Action::Poll { reads, .. } | Action::Transaction { reads, .. } | Action::FullRead { reads, .. } => reads,
            Action::Send { .. }
            | Action::RawRead { .. }
            | Action::Ends { .. }
            | Action::Move { .. }
            | Action::See { .. } => &[],
        }
    }

    fn is_transaction(&self) -> bool {
        matches!(self.action, Action::Transaction { .. })
    }
}

/// Everything that the clients of one run did.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// The names of the logs, for people.
    pub(crate) logs: Vec<String>,
    /// In any order; each process does one thing after the other, in the order of `begun_ns`.
    pub(crate) ops: Vec<Op>,
}

impl History {
    /// Judges the history.
    pub(crate) fn check(&self) -> Verdict {
        let index = Index::new(&self.ops);
        let mut found = Vec::new();
        order::check(&index, &mut found);
        reads::check(&self.ops, &index, &mut found);
        polls::check(&self.ops, &index, &mut found);
        sends::check(&self.ops, &index, &mut found);
        transactions::check(&self.ops, &mut found);
        marks::check(&self.ops, &mut found);
        raw::check(&self.ops, &index, &mut found);
        offsets::check(&self.ops, &mut found);
        Verdict::new(found)
    }

    /// Records sent that were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.ops.iter().filter(|op| op.outcome == Outcome::Ok).map(|op| op.sends().len()).sum()
    }

    /// Writes one line for the names, then one a line for each operation.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let mut file = BufWriter::new(File::create(path).with_context(|| path.display().to_string())?);
        serde_json::to_writer(&mut file, &self.logs)?;
        for op in &self.ops {
            file.write_all(b"\n")?;
            serde_json::to_writer(&mut file, op)?;
        }
        file.write_all(b"\n")?;
        file.flush()?;
        Ok(())
    }

    /// Reads what [`Self::save`] wrote.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let mut lines = BufReader::new(File::open(path).with_context(|| path.display().to_string())?).lines();
        let logs = serde_json::from_str(&lines.next().context("the history is empty")??)?;
        let ops = lines.map(|line| Ok(serde_json::from_str(&line?)?)).collect::<Result<_>>()?;
        Ok(Self { logs, ops })
    }
}

/// Options of `xtask history`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A history that `xtask crash` kept
    file: std::path::PathBuf,
}

/// Judges a history that was kept, and fails where it holds an anomaly.
pub(crate) fn run(args: &Args) -> Result<()> {
    let history = History::load(&args.file)?;
    let verdict = history.check();
    println!("{} operations, {} records acknowledged", history.ops.len(), history.acknowledged());
    print!("{}", verdict.describe(&history.logs));
    anyhow::ensure!(verdict.is_clean(), "the history holds {} anomalies", verdict.count());
    println!("no anomaly");
    Ok(())
}

#[cfg(test)]
mod tests;
