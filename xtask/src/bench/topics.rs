//! `cargo xtask bench sql-topics`: the queries of Nexmark from topics of JSON to topics of JSON, on Levada and on
//! Apache Flink with Apache Kafka, exactly once, and what each took of the processors, in
//! `docs/benchmarks-sql-topics.md`.
//!
//! `cargo xtask bench bank` is here, too: it needs the same of both sides.

pub(super) mod bank;
mod content;
mod events;
mod flink;
mod levada;
mod page;
mod queries;

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use levada_model::{Clock as _, SystemClock};

use super::scratch;
use super::sql::{Flink, Mode, geometric_mean};
use crate::cache::Cache;
use crate::kafka_client::{Connection, Partition, error_name};
use crate::kafka_rig::Jars;
use crate::levada_rig;
use content::Content;
use queries::{QUERIES, Query, Rows};

const TABLES: [&str; 3] = ["person", "auction", "bid"];
const EVENTS_QUICK: u64 = 100_000;
const PATIENCE: Duration = Duration::from_secs(15);
const RUN_LIMIT: Duration = Duration::from_secs(1_800);
/// What names of topics begin with that are read to get warm.
const WARM: &str = "warm-";

/// The page of record.
const PAGE: &str = "docs/benchmarks-sql-topics.md";

/// Options of `xtask bench sql-topics`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many events: of 50, 46 are bids, 3 auctions, 1 a person
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// How often each query is measured; the median counts
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Only these queries, `q0` for instance
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// A few events, to see that it works
    #[arg(long)]
    quick: bool,
    /// The Levada to measure, instead of a release build of this tree
    #[arg(long, value_name = "PATH")]
    levada: Option<PathBuf>,
    /// Where brokers keep their data [default: the system's folder for temporary files]
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
}

/// What one run took and came to.
#[derive(Clone, Debug)]
struct Measured {
    /// Processor seconds of the engine; Levada's are the broker's, too.
    engine_seconds: f64,
    /// Of the broker, where that is another process.
    broker_seconds: f64,
    wall_seconds: f64,
    content: Content,
}

impl Measured {
    fn all_seconds(&self) -> f64 {
        self.engine_seconds + self.broker_seconds
    }
}

/// A run, or why there is none.
type Outcome = std::result::Result<Measured, String>;

/// One query on both sides.
#[derive(Debug)]
struct Row {
    query: &'static str,
    /// Records that it reads.
    events: u64,
    levada: Outcome,
    /// In each of its modes.
    flink: Vec<(Mode, Outcome)>,
}

impl Row {
    /// The mode of Flink that counts: of those that come to what Levada comes to, or of all where none does, the one
    /// that takes the least of the processors.
    fn flink(&self) -> Option<(Mode, &Measured)> {
        let ours = self.levada.as_ref().ok().map(|ours| &ours.content);
        let measured = self.flink.iter().filter_map(|(mode, outcome)| Some((*mode, outcome.as_ref().ok()?)));
        measured.min_by(|(_, left), (_, right)| {
            let differs = |it: &Measured| !ours.is_some_and(|ours| ours.agrees(&it.content));
            let key = |it: &Measured| (differs(it), it.all_seconds());
            key(left).partial_cmp(&key(right)).unwrap_or(Ordering::Equal)
        })
    }

    /// How many times as much of the processors Flink and its broker take.
    fn ratio(&self) -> Option<f64> {
        Some(self.flink()?.1.all_seconds() / self.levada.as_ref().ok()?.all_seconds())
    }

    /// The same of Flink alone, beside Levada with its broker.
    fn ratio_alone(&self) -> Option<f64> {
        Some(self.flink()?.1.engine_seconds / self.levada.as_ref().ok()?.all_seconds())
    }

    /// Whether both come to the same.
    fn agrees(&self) -> Option<bool> {
        Some(self.levada.as_ref().ok()?.content.agrees(&self.flink()?.1.content))
    }
}

/// Measures all queries and writes the page.
pub(super) fn run(args: &Args) -> Result<()> {
    for name in &args.only {
        ensure!(QUERIES.iter().any(|query| query.name == name), "there is no query `{name}` here");
    }
    let is_part = args.quick || !args.only.is_empty();
    ensure!(
        !is_part || args.page != Path::new(PAGE),
        "a part of the queries, or a few events, make no page of record: name another one, `--page FILE`"
    );
    ensure!(args.rounds > 0, "--rounds is 1 at least");
    let (cache, count) = (Cache::open()?, args.event_count());
    let program = Flink::fetch(&cache, count)?.with_topics(&cache)?;
    let jars = Jars::fetch(&cache)?;
    let binary = match &args.levada {
        Some(path) => path.canonicalize()?,
        None => levada_rig::build()?,
    };
    let folder = scratch(args.folder.as_deref())?;
    let written_ms = SystemClock.wall_ms();
    eprintln!("writing {count} events, twice");
    let mut ours = levada::Levada::start(&binary, &folder.path().join("levada"), count, written_ms)?;
    let mut theirs = flink::Side::start(&program, &jars, folder.path(), count, written_ms)?;
    let mut rows = Vec::new();
    let is_asked = |query: &&Query| args.only.is_empty() || args.only.iter().any(|it| it == query.name);
    for query in QUERIES.iter().filter(is_asked) {
        let levada = median(args.rounds, || ours.measure(query));
        show(query.name, "levada", &levada);
        let mut flink = Vec::new();
        for mode in Mode::ALL {
            let outcome = median(args.rounds, || theirs.measure(query, mode));
            show(query.name, &format!("flink, {}", mode.name()), &outcome);
            flink.push((mode, outcome));
        }
        rows.push(Row { query: query.name, events: query.events(ours.counts()), levada, flink });
        // After each query, so that a run that is cut short has not been for nothing.
        page::write(args, &rows)?;
    }
    println!("written: {}", args.page.display());
    Ok(())
}

/// Measures some rounds, of which the median counts.
fn median(rounds: usize, mut measure: impl FnMut() -> Result<Measured>) -> Outcome {
    let mut measured = Vec::new();
    for _ in 0..rounds {
        measured.push(measure().map_err(|error| format!("{error:#}"))?);
    }
    measured.sort_by(|left, right| left.all_seconds().total_cmp(&right.all_seconds()));
    let middle = measured.len() / 2;
    measured.into_iter().nth(middle).ok_or_else(|| "no round".to_owned())
}

fn show(query: &str, side: &str, outcome: &Outcome) {
    match outcome {
        Ok(Measured { engine_seconds, broker_seconds, wall_seconds, content }) => eprintln!(
            "  {query:<4} {side:<18} {engine_seconds:.2} s and {broker_seconds:.2} s of the processors in \
             {wall_seconds:.2} s; {} records, {} rows in the end, {:016x}",
            content.records, content.rows, content.checksum
        ),
        Err(why) => eprintln!("  {query:<4} {side:<18} FAILED: {why}"),
    }
}

/// Creates a topic and waits until it can be written: a broker may answer before.
fn create_topic(kafka: &mut Connection, topic: &str, partitions: i32, rows: Rows) -> Result<()> {
    // Where rows change the last one of a key counts.
    let compacted = ("cleanup.policy".to_owned(), "compact".to_owned());
    let configs = if rows == Rows::Change { vec![compacted] } else { Vec::new() };
    let error = kafka.create_topic(topic, partitions, &configs)?;
    ensure!(error == 0, "topic `{topic}`: {}", error_name(error));
    let all: Vec<_> = (0..partitions).map(|index| (Partition { topic: topic.to_owned(), index }, 0)).collect();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let Some(missing) = kafka.fetch(&all)?.into_iter().find(|part| part.error != 0) else { return Ok(()) };
        ensure!(Instant::now() < deadline, "{:?}: {}", missing.partition, error_name(missing.error));
        thread::sleep(Duration::from_millis(50));
    }
}

fn connect(bootstrap: &str) -> Result<Connection> {
    Connection::open_patiently(bootstrap.parse()?, PATIENCE)
}

/// The geometric mean of ratios.
fn mean(rows: &[Row], ratio: fn(&Row) -> Option<f64>) -> Option<f64> {
    geometric_mean(rows.iter().filter_map(ratio))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(engine_seconds: f64, broker_seconds: f64, checksum: u64) -> Outcome {
        let content = Content { records: 1, rows: 1, checksum };
        Ok(Measured { engine_seconds, broker_seconds, wall_seconds: 1.0, content })
    }

    fn row(levada: Outcome, plain: Outcome, mini_batch: Outcome) -> Row {
        Row { query: "q1", events: 1, levada, flink: vec![(Mode::Plain, plain), (Mode::MiniBatch, mini_batch)] }
    }

    #[test]
    fn the_broker_counts_with_flink_and_is_told_apart() {
        let row = row(measured(2.0, 0.0, 7), measured(6.0, 2.0, 7), measured(9.0, 2.0, 7));
        assert!((row.ratio().unwrap() - 4.0).abs() < 1e-9);
        assert!((row.ratio_alone().unwrap() - 3.0).abs() < 1e-9);
        assert_eq!(row.agrees(), Some(true));
        assert!((mean(&[row], Row::ratio).unwrap() - 4.0).abs() < 1e-9);
    }

    #[test]
    fn the_better_mode_counts_unless_it_comes_to_something_else() {
        let mode = |row: Row| row.flink().unwrap().0;
        let of = |plain, mini_batch| mode(row(measured(1.0, 0.0, 7), plain, mini_batch));
        assert_eq!(of(measured(3.0, 0.0, 7), measured(2.0, 0.5, 7)), Mode::MiniBatch);
        assert_eq!(of(measured(3.0, 0.0, 7), measured(2.0, 0.5, 8)), Mode::Plain);
        assert_eq!(of(Err("no".to_owned()), measured(2.0, 0.5, 8)), Mode::MiniBatch);
    }

    #[test]
    fn of_several_rounds_the_median_counts_and_a_failure_is_one() {
        let mut seconds = [3.0, 1.0, 2.0].into_iter();
        let outcome = median(3, || measured(seconds.next().unwrap(), 0.0, 1).map_err(|why| anyhow::anyhow!(why)));
        assert!((outcome.unwrap().engine_seconds - 2.0).abs() < 1e-9);
        assert!(median(2, || anyhow::bail!("no")).is_err());
    }
}
