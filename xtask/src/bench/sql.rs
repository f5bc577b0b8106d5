//! `cargo xtask bench --sql`: the queries of Nexmark over the same events on Levada's streaming SQL and on Apache
//! Flink, one after the other, and what each took of the processors, in `docs/benchmarks-sql.md`.
//!
//! Only engines are compared: events lie decoded in memory before a clock starts, and results are counted and dropped.

mod chart;
pub(crate) mod events;
mod flink;
mod levada;
mod page;
mod record;

use std::cmp::Ordering;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::scratch;
use crate::cache::Cache;
use crate::process::{Process, tail};
pub(super) use chart::bars;
pub(crate) use flink::Flink;
pub(super) use flink::{Mode, VERSION};
use levada::Levada;
pub(super) use page::grouped;
use record::Record;

/// Queries that the plan of the benchmark has: those that depend on the time of processing are left out.
const QUERIES: [&str; 16] =
    ["q0", "q1", "q2", "q3", "q4", "q5", "q7", "q8", "q9", "q11", "q14", "q15", "q16", "q17", "q18", "q20"];
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench/sql");
const SEED: u64 = 1;
const EVENTS_QUICK: u64 = 200_000;
const RUN_LIMIT: Duration = Duration::from_secs(1_200);

/// The page of record.
const PAGE: &str = "docs/benchmarks-sql.md";

/// Options of `xtask bench --sql`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many events: of 50, 46 are bids, 3 auctions, 1 a person
    #[arg(long, default_value_t = 3_000_000)]
    events: u64,
    /// How often each query is measured; the median counts
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Only these queries, `q0` for instance
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Keep what the page has of other queries, where it is of as many events on this machine
    #[arg(long)]
    keep: bool,
    /// A few events, to see that it works
    #[arg(long)]
    quick: bool,
    /// The `levada-sql-bench` to measure, instead of a release build of this tree
    #[arg(long, value_name = "PATH")]
    levada: Option<PathBuf>,
    /// Where events and snapshots go [default: the system's folder for temporary files]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// The page that is written; its chart lies beside it
    #[arg(long, value_name = "FILE", default_value = PAGE)]
    page: PathBuf,
}

impl Args {
    const fn event_count(&self) -> u64 {
        if self.quick { EVENTS_QUICK } else { self.events }
    }

    /// The command that they are the options of.
    fn command(&self) -> String {
        let mut command = match self.quick {
            true => "cargo xtask bench --sql --quick".to_owned(),
            false => format!("cargo xtask bench --sql --events {}", self.events),
        };
        if self.rounds != 1 {
            command += &format!(" --rounds {}", self.rounds);
        }
        if !self.only.is_empty() {
            command += &format!(" --only={}", self.only.join(","));
        }
        command + if self.keep { " --keep" } else { "" }
    }
}

/// One query on both sides.
#[derive(Debug)]
struct Row {
    query: &'static str,
    levada: Outcome,
    /// In each of its modes.
    flink: Vec<(Mode, Outcome)>,
}

/// How a query fared on one side.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Outcome {
    Measured(Measured),
    /// The engine does not run it, and says why.
    Refused(String),
    Failed(String),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Measured {
    /// Rows that were read while the clock ran, for each second of a processor.
    rate: f64,
    peak_bytes: f64,
    /// Rows that came, changed or went.
    result_rows: f64,
    /// What the result is in the end.
    net: Net,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Net {
    rows: i64,
    checksum: String,
}

impl Outcome {
    fn of(measured: Result<Self>) -> Self {
        measured.unwrap_or_else(|error| Self::Failed(format!("{error:#}")))
    }

    const fn measured(&self) -> Option<&Measured> {
        if let Self::Measured(measured) = self { Some(measured) } else { None }
    }
}

impl Row {
    /// The mode of Flink that counts: of those that come to what Levada comes to, or of all where none does, the one
    /// that takes the most events.
    fn flink(&self) -> Option<(Mode, &Measured)> {
        let ours = self.levada.measured().map(|ours| &ours.net);
        let measured = self.flink.iter().filter_map(|(mode, outcome)| Some((*mode, outcome.measured()?)));
        measured.max_by(|(_, left), (_, right)| {
            let agrees = |it: &Measured| Some(&it.net) == ours;
            (agrees(left), left.rate).partial_cmp(&(agrees(right), right.rate)).unwrap_or(Ordering::Equal)
        })
    }

    /// How many times as many events Levada takes for a second of a processor.
    fn ratio(&self) -> Option<f64> {
        Some(self.levada.measured()?.rate / self.flink()?.1.rate)
    }

    /// Whether both come to the same.
    fn agrees(&self) -> Option<bool> {
        Some(self.levada.measured()?.net == self.flink()?.1.net)
    }
}

/// The query in which columns are handed on as they are: our operators do nothing for its rows, and no ratio means
/// anything.
const PASSED_ON: &str = "q0";

/// The geometric mean of all ratios but that of [`PASSED_ON`].
fn mean(rows: &[Row]) -> Option<f64> {
    geometric_mean(rows.iter().filter(|row| row.query != PASSED_ON).filter_map(Row::ratio))
}

/// The geometric mean, where there is any number.
pub(super) fn geometric_mean(ratios: impl Iterator<Item = f64>) -> Option<f64> {
    let ratios: Vec<f64> = ratios.collect();
    let count = f64::from(u32::try_from(ratios.len()).ok().filter(|count| *count > 0)?);
    Some((ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / count).exp())
}

/// Where a run finds what it needs.
struct Files {
    events: PathBuf,
    tables: PathBuf,
    folder: PathBuf,
}

impl Files {
    fn query(name: &str) -> PathBuf {
        Path::new(FOLDER).join(format!("queries/{name}.sql"))
    }

    /// The query whose result is compared: another where a query leaves open what some of its columns are.
    fn check(name: &str) -> PathBuf {
        let other = Path::new(FOLDER).join(format!("queries/{name}.check.sql"));
        if other.is_file() { other } else { Self::query(name) }
    }
}

/// Measures all queries and writes the page.
pub(super) fn run(args: &Args) -> Result<()> {
    for name in &args.only {
        ensure!(QUERIES.contains(&name.as_str()), "there is no query `{name}`, but {}", QUERIES.join(", "));
    }
    let is_part = args.quick || !args.only.is_empty() && !args.keep;
    ensure!(
        !is_part || args.page != Path::new(PAGE),
        "a part of the queries, or a few events, make no page of record: add --keep, or name another one, `--page FILE`"
    );
    ensure!(args.rounds > 0, "--rounds is 1 at least");
    let count = args.event_count();
    let flink = Flink::fetch(&Cache::open()?, count)?;
    let levada = Levada::new(args.levada.as_deref())?;
    let folder = scratch(args.folder.as_deref())?;
    let mut record = Record::open(args, folder.path())?;
    let files = Files {
        events: folder.path().join("events.bin"),
        tables: Path::new(FOLDER).join("tables.sql"),
        folder: folder.path().to_owned(),
    };
    eprintln!("writing {count} events");
    let mut to = BufWriter::with_capacity(1 << 20, File::create(&files.events)?);
    events::write(count, SEED, &mut to)?;
    to.flush()?;
    drop(to);
    for query in QUERIES.into_iter().filter(|name| args.only.is_empty() || args.only.iter().any(|it| it == name)) {
        record.put(&compare(query, args.rounds, &levada, &flink, &files));
        // After each query, so that a run that is cut short has not been for nothing.
        record.write(args)?;
        page::write(args, &record)?;
    }
    println!("written: {}", args.page.display());
    Ok(())
}

fn compare(query: &'static str, rounds: usize, levada: &Levada, flink: &Flink, files: &Files) -> Row {
    let ours = levada.measure(query, rounds, files);
    show(query, "levada", &ours);
    let theirs = flink.measure(query, rounds, files);
    theirs.iter().for_each(|(mode, outcome)| show(query, &format!("flink, {}", mode.name()), outcome));
    Row { query, levada: ours, flink: theirs }
}

fn show(query: &str, side: &str, outcome: &Outcome) {
    match outcome {
        Outcome::Measured(it) => {
            let (rate, megabytes, net) = (it.rate, it.peak_bytes / 1e6, &it.net);
            eprintln!(
                "  {query:<4} {side:<18} {rate:>12.0} events a CPU second, {megabytes:.0} MB, {} rows in the end, {}",
                net.rows, net.checksum
            );
        }
        Outcome::Refused(why) => eprintln!("  {query:<4} {side:<18} refused: {why}"),
        Outcome::Failed(why) => eprintln!("  {query:<4} {side:<18} FAILED: {why}"),
    }
}

/// Measures some rounds, of which the median counts.
fn measured(rounds: usize, ask: impl Fn() -> Result<Value>) -> Result<Outcome> {
    let mut answers = Vec::new();
    for _ in 0..rounds.max(1) {
        let answer = ask()?;
        if let Some(why) = answer.get("refused").and_then(Value::as_str) {
            return Ok(Outcome::Refused(why.to_owned()));
        }
        answers.push((number(&answer, "events")? / number(&answer, "cpu_seconds")?, answer));
    }
    answers.sort_by(|(left, _), (right, _)| left.total_cmp(right));
    let (rate, answer) = answers.get(answers.len() / 2).context("no answer")?;
    let checksum = answer.get("checksum").and_then(Value::as_str).context("no `checksum`")?.to_owned();
    let rows = answer.get("net_rows").and_then(Value::as_i64).context("no `net_rows`")?;
    Ok(Outcome::Measured(Measured {
        rate: *rate,
        peak_bytes: number(answer, "peak_bytes")?,
        result_rows: number(answer, "result_rows")?,
        net: Net { rows, checksum },
    }))
}

pub(super) fn number(answer: &Value, name: &str) -> Result<f64> {
    answer.get(name).and_then(Value::as_f64).with_context(|| format!("no `{name}` in `{answer}`"))
}

/// Runs a program that answers with a line of JSON, the last that it prints.
pub(super) fn ask(name: &str, command: &mut Command, folder: &Path) -> Result<Value> {
    let (out, log) = (folder.join("answer.json"), folder.join(format!("{name}.log")));
    command.stdin(Stdio::null()).stdout(File::create(&out)?).stderr(File::create(&log)?);
    let status = Process::spawn(name, command)?.wait(RUN_LIMIT)?;
    if !status.success() {
        bail!("{name}: {status}\n{}", tail(&log, 20));
    }
    let text = fs::read_to_string(&out)?;
    let line = text.lines().next_back().with_context(|| format!("{name} answered nothing\n{}", tail(&log, 20)))?;
    serde_json::from_str(line).with_context(|| format!("`{line}` is not JSON"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn outcome(rate: f64, checksum: &str) -> Outcome {
        let net = Net { rows: 1, checksum: checksum.to_owned() };
        Outcome::Measured(Measured { rate, peak_bytes: 0.0, result_rows: 0.0, net })
    }

    fn row(levada: Outcome, plain: Outcome, mini_batch: Outcome) -> Row {
        Row { query: "q1", levada, flink: vec![(Mode::Plain, plain), (Mode::MiniBatch, mini_batch)] }
    }

    #[test]
    fn the_mean_leaves_out_what_was_not_measured_on_both_sides() {
        let refused = Outcome::Refused("no".to_owned());
        let rows = [
            row(outcome(40.0, "a"), outcome(10.0, "a"), outcome(9.0, "a")),
            row(refused.clone(), outcome(10.0, "a"), outcome(10.0, "a")),
            row(outcome(90.0, "a"), outcome(7.0, "b"), outcome(10.0, "b")),
        ];
        assert!((mean(&rows).unwrap() - 6.0).abs() < 1e-9);
        assert_eq!(rows.iter().map(Row::agrees).collect::<Vec<_>>(), [Some(true), None, Some(false)]);
        assert_eq!(mean(&[row(refused.clone(), refused.clone(), refused)]), None);
    }

    #[test]
    fn the_better_mode_counts_unless_it_comes_to_something_else() {
        let mode = |row: Row| row.flink().unwrap().0;
        assert_eq!(mode(row(outcome(1.0, "a"), outcome(2.0, "a"), outcome(3.0, "a"))), Mode::MiniBatch);
        assert_eq!(mode(row(outcome(1.0, "a"), outcome(2.0, "a"), outcome(3.0, "b"))), Mode::Plain);
        assert_eq!(mode(row(outcome(1.0, "a"), outcome(2.0, "b"), outcome(3.0, "b"))), Mode::MiniBatch);
    }

    #[test]
    fn of_several_rounds_the_median_counts() {
        let seconds = std::cell::Cell::new(0);
        let ask = || {
            seconds.set(seconds.get() + 1);
            Ok(json!({
                "events": 60,
                "cpu_seconds": seconds.get(),
                "result_rows": 1,
                "peak_bytes": 1,
                "net_rows": 1,
                "checksum": "00",
            }))
        };
        let outcome = measured(3, ask).unwrap();
        assert!((outcome.measured().unwrap().rate - 30.0).abs() < 1e-9);
    }

    #[test]
    fn each_query_has_its_text() {
        assert!(QUERIES.iter().all(|query| Files::query(query).is_file() && Files::check(query).is_file()));
    }
}
