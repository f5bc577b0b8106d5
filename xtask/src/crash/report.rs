//! What each fault came to, as a table or as JSON. Progress goes to stderr.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use clap::ValueEnum;
use serde_json::json;

use super::scenarios::Fault;
use super::workload::Finished;

/// How the result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Table,
    /// For machines
    Json,
}

/// What one fault came to.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// How often the broker was hurt.
    pub(super) rounds: u64,
    /// Records acknowledged.
    pub(super) acknowledged: usize,
    /// Records that were acknowledged or read, and are gone.
    pub(super) lost: usize,
    /// Every broken promise.
    pub(super) problems: Vec<String>,
    /// What else is worth a line.
    pub(super) notes: Vec<String>,
}

impl Row {
    /// Adds what a run came to, judged.
    pub(super) fn judge(&mut self, finished: &Finished) {
        let verdict = finished.history.check();
        self.acknowledged += finished.history.acknowledged();
        self.lost += verdict.lost();
        self.problems.extend(finished.problems.iter().cloned());
        self.problems.extend(verdict.describe(&finished.history.logs).lines().map(str::to_owned));
        if !(verdict.is_clean() && finished.problems.is_empty()) {
            self.keep(finished);
        }
    }

    /// Keeps a history that is not clean for `xtask history`.
    fn keep(&mut self, finished: &Finished) {
        self.problems.push(match save(finished) {
            Ok(path) => format!("its history is kept: cargo xtask history {}", path.display()),
            Err(error) => format!("its history could not be kept: {error:#}"),
        });
    }
}

fn save(finished: &Finished) -> Result<PathBuf> {
    let file = tempfile::Builder::new().prefix("levada-").suffix(".history").tempfile()?;
    finished.history.save(file.path())?;
    let (_, path) = file.keep()?;
    Ok(path)
}

/// Why a fault did not run.
#[derive(Debug)]
pub(super) enum Skipped {
    /// The machine cannot make it.
    Impossible(String),
    /// Something went wrong in the test itself.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for Skipped {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

/// All rows.
#[derive(Debug)]
pub(super) struct Report {
    seed: u64,
    format: Format,
    begun: Instant,
    rows: Vec<(Fault, f64, Result<Row, Skipped>)>,
}

impl Report {
    pub(super) fn new(seed: u64, format: Format) -> Self {
        Self { seed, format, begun: Instant::now(), rows: Vec::new() }
    }

    /// Says that a fault is next.
    pub(super) fn begin(&mut self, fault: Fault) {
        self.begun = Instant::now();
        if std::io::stderr().is_terminal() {
            eprint!("{} …\r", fault.name());
        }
    }

    /// Adds its row and says how it went.
    pub(super) fn add(&mut self, fault: Fault, row: Result<Row, Skipped>) -> Result<()> {
        let seconds = self.begun.elapsed().as_secs_f64();
        let mut stderr = std::io::stderr();
        writeln!(stderr, "{:<16} {} in {seconds:.1} s", fault.name(), verdict(&row))?;
        for problem in row.iter().flat_map(|row| &row.problems) {
            writeln!(stderr, "    {problem}")?;
        }
        self.rows.push((fault, seconds, row));
        Ok(())
    }

    /// How many faults broke a promise, or could not be tested to the end.
    pub(super) fn red(&self) -> usize {
        let is_red = |row: &Result<Row, Skipped>| match row {
            Ok(row) => !row.problems.is_empty(),
            Err(Skipped::Failed(_)) => true,
            Err(Skipped::Impossible(_)) => false,
        };
        self.rows.iter().filter(|(_, _, row)| is_red(row)).count()
    }

    /// Faults that did not run although every machine, or root on it, can make them.
    pub(super) fn missing_though_possible(&self) -> Vec<&'static str> {
        let is_root = rustix::process::geteuid().is_root();
        let is_missing = |fault: Fault, row: &Result<Row, Skipped>| {
            matches!(row, Err(Skipped::Impossible(_))) && (!fault.needs_root() || is_root) && !fault.needs_nbdkit()
        };
        self.rows.iter().filter(|(fault, _, row)| is_missing(*fault, row)).map(|(fault, ..)| fault.name()).collect()
    }

    /// Prints everything on stdout.
    pub(super) fn print(&self) -> Result<()> {
        let mut out = std::io::stdout().lock();
        match self.format {
            Format::Table => self.print_table(&mut out)?,
            Format::Json => {
                let rows: Vec<serde_json::Value> =
                    self.rows.iter().map(|(fault, s, row)| json_row(*fault, *s, row)).collect();
                writeln!(out, "{}", serde_json::to_string_pretty(&json!({ "seed": self.seed, "faults": rows }))?)?;
            }
        }
        Ok(())
    }

    fn print_table(&self, out: &mut impl Write) -> Result<()> {
        writeln!(out, "{:<16} {:>7} {:>9} {:>7}  verdict", "fault", "rounds", "acked", "lost")?;
        for (fault, _, row) in &self.rows {
            match row {
                Ok(Row { rounds, acknowledged, lost, problems, notes }) => {
                    writeln!(
                        out,
                        "{:<16} {rounds:>7} {acknowledged:>9} {lost:>7}  {}",
                        fault.name(),
                        verdict_of(problems)
                    )?;
                    for line in problems.iter().chain(notes) {
                        writeln!(out, "    {line}")?;
                    }
                }
                Err(skipped) => {
                    writeln!(out, "{:<16} {:>7} {:>9} {:>7}  {}", fault.name(), "-", "-", "-", reason(skipped))?;
                }
            }
        }
        writeln!(out, "seed {}", self.seed)?;
        Ok(())
    }
}

fn verdict(row: &Result<Row, Skipped>) -> String {
    match row {
        Ok(row) => verdict_of(&row.problems).to_owned(),
        Err(skipped) => reason(skipped),
    }
}

fn verdict_of(problems: &[String]) -> &'static str {
    if problems.is_empty() { "ok" } else { "RED" }
}

fn reason(skipped: &Skipped) -> String {
    match skipped {
        Skipped::Impossible(reason) => format!("not run: {reason}"),
        Skipped::Failed(error) => format!("RED: {}", ends(&format!("{error:#}"))),
    }
}

/// The first and the last line of a long text: what happened, and the last word of the log behind it.
fn ends(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default().to_owned();
    match lines.next_back() {
        Some(last) => format!("{first} … {last}"),
        None => first,
    }
}

fn json_row(fault: Fault, seconds: f64, row: &Result<Row, Skipped>) -> serde_json::Value {
    match row {
        Ok(row) => json!({
            "fault": fault.name(), "seconds": seconds, "rounds": row.rounds, "acknowledged": row.acknowledged,
            "lost": row.lost, "verdict": verdict_of(&row.problems), "problems": row.problems, "notes": row.notes,
        }),
        Err(skipped) => json!({ "fault": fault.name(), "seconds": seconds, "verdict": reason(skipped) }),
    }
}
