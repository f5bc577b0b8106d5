//! Statements of SQL under deaths of the broker: what they write is there exactly once.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::events::{self, Event};
use super::{Args, Dice, LOAD_LIMIT, committed};
use crate::http_client::HttpConnection;
use crate::levada_rig::{Config, Levada};
use crate::process::Process;

/// Between a start and the death that follows.
const LIFE_MIN: Duration = Duration::from_millis(300);
const LIFE_SPAN_MS: u64 = 1_200;
/// A late copy would come within it.
const LATE_COPIES: Duration = Duration::from_secs(3);
const TOPICS: [&str; 2] = ["orders", "payments"];
const PARTITIONS: u32 = 3;

/// Runs the statements and answers what was seen.
pub(super) fn run(args: &Args, binary: &Path, folder: &Path) -> Result<String> {
    let begun = Instant::now();
    let mut config = Config::new(binary, &folder.join("broker"));
    config.flags = vec!["--set".to_owned(), format!("num.partitions={PARTITIONS}")];
    let mut broker = Levada::start(config)?;
    let answer = ask(&broker, "POST", "/v1/sql", Some(&json!({ "sql": events::SCRIPT })))?;
    ensure!(answer["error"].is_null(), "the statements are refused: {answer}");
    let orders = args.records / 2;
    ensure!(orders > 0, "--records is 2 at least: an order, and its payment");
    let all = events::events(orders);
    let chunk_size = all.len().div_ceil(usize::try_from(args.kills)?.max(1));
    let middle = usize::try_from(args.kills / 2)?;
    let mut dice = Dice(args.seed);
    for (number, chunk) in all.chunks(chunk_size).enumerate() {
        let mut producers = produce(&broker, folder, number, chunk)?;
        sleep(LIFE_MIN + Duration::from_millis(dice.below(LIFE_SPAN_MS)));
        if args.kills > 0 {
            broker.kill()?;
            broker.start_again()?;
        }
        if number == middle {
            // A good end takes snapshots, which deaths from here on go on from.
            broker.stop()?;
            broker.start_again()?;
        }
        for producer in &mut producers {
            let status = producer.wait(LOAD_LIMIT)?;
            ensure!(status.success(), "kcat cannot write: {status}");
        }
    }
    for mut producer in produce(&broker, folder, all.len(), &events::closing(orders))? {
        ensure!(producer.wait(LOAD_LIMIT)?.success(), "kcat cannot write");
    }
    let deadline = begun + Duration::from_secs(args.limit);
    let rows = settle(&broker, folder, orders, deadline)?;
    // Whatever is written twice is so after a last death, and within the time of a transaction.
    broker.kill()?;
    broker.start_again()?;
    sleep(LATE_COPIES);
    ensure!(settle(&broker, folder, orders, deadline)? == rows, "there are other rows after a last death");
    broker.stop()?;
    let kills = if args.kills > 0 { all.len().div_ceil(chunk_size) + 1 } else { 1 };
    let seconds = begun.elapsed().as_secs_f64();
    Ok(format!("{} events came to {rows} rows exactly once, {kills} deaths of the broker, {seconds:.0} s", all.len()))
}

/// Writes events, a client a topic, which try until the broker is there again.
fn produce(broker: &Levada, folder: &Path, number: usize, events: &[Event]) -> Result<Vec<Process>> {
    let producer = |topic: &&str| {
        let path = folder.join(format!("{topic}-{number}"));
        let mut file = BufWriter::new(File::create(&path)?);
        for event in events.iter().filter(|event| event.topic == *topic) {
            writeln!(file, "{}:{}", event.key, event.value)?;
        }
        file.flush()?;
        let log = File::options().create(true).append(true).open(folder.join(format!("{topic}.log")))?;
        let mut kcat = Command::new("kcat");
        kcat.args(["-b", &broker.bootstrap(), "-P", "-t", topic, "-K:", "-X", "enable.idempotence=true", "-l"]);
        kcat.arg(path).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Process::spawn("kcat -P", &mut kcat)
    };
    TOPICS.iter().map(producer).collect()
}

/// Waits until the statements have written all that is expected, and answers how many rows that is.
fn settle(broker: &Levada, folder: &Path, orders: u64, deadline: Instant) -> Result<usize> {
    let expected = events::expected(orders);
    loop {
        for name in events::STATEMENTS {
            let shown = ask(broker, "GET", &format!("/v1/statements/{name}"), None)?;
            ensure!(shown["state"] == "running", "statement `{name}` does not run: {shown}");
            ensure!(shown["late_rows"] == 0, "statement `{name}` has left rows out as late: {shown}");
        }
        let outcome = judge(broker, folder, &expected)?;
        match outcome {
            Outcome::Whole => return Ok(expected.values().map(BTreeMap::len).sum()),
            Outcome::Missing(what) if Instant::now() > deadline => bail!("{what}"),
            Outcome::Missing(_) => sleep(Duration::from_millis(500)),
        }
    }
}

enum Outcome {
    Whole,
    /// What is not there yet.
    Missing(String),
}

/// Compares what the topics have with what they are to have; a row that is there and should not be, or is there twice,
/// is an error at once.
fn judge(broker: &Levada, folder: &Path, expected: &BTreeMap<&'static str, BTreeMap<String, u64>>) -> Result<Outcome> {
    for (topic, rows) in expected {
        let seen = read_out(broker, folder, topic)?;
        let wrong: Vec<_> = seen.iter().filter(|(row, count)| rows.get(*row) != Some(count)).take(5).collect();
        ensure!(wrong.is_empty(), "topic `{topic}` has rows that are wrong, or there more than once: {wrong:?}");
        let missing: Vec<_> = rows.keys().filter(|row| !seen.contains_key(*row)).take(5).collect();
        if !missing.is_empty() {
            let (count, all) = (rows.len() - seen.len(), rows.len());
            let what = format!("topic `{topic}` lacks {count} of {all} rows, the first are {missing:?}");
            return Ok(Outcome::Missing(what));
        }
    }
    Ok(Outcome::Whole)
}

/// How often each row is in a topic, for who reads only what was committed.
fn read_out(broker: &Levada, folder: &Path, topic: &str) -> Result<BTreeMap<String, u64>> {
    let mut seen = BTreeMap::new();
    committed(&broker.bootstrap(), topic, folder, |line| {
        let row = events::shown(&serde_json::from_str(line)?).with_context(|| format!("`{line}` is no row"))?;
        *seen.entry(row).or_default() += 1;
        Ok(())
    })?;
    Ok(seen)
}

fn ask(broker: &Levada, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
    let address = broker.sql().context("this Levada has no SQL")?;
    let body = body.map(Value::to_string);
    HttpConnection::open(&address)?.ask(method, path, body.as_deref())?.json()
}
