//! `xtask avro-judge`: random pairs of Avro schemas, judged by us and by Apache Avro's own Java. They must agree in
//! every word, and then 16 bits of each of Java's verdicts are kept for the crate's own tests.

// The same files as of the test that replays the verdicts.
#[path = "../../crates/levada-avro/tests/judged/pairs.rs"]
mod pairs;
#[path = "../../crates/levada-avro/tests/judged/values.rs"]
mod values;
#[path = "../../crates/levada-avro/tests/judged/verdict.rs"]
mod verdict;

use std::fs;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;

use anyhow::{Context, Result, ensure};
use levada_avro::parse;

use crate::cache::Cache;
use crate::clients::Toolbox;
use pairs::Pair;

const KEPT: u64 = 110_000;
const TOLD_MAX: u64 = 10;

/// Options of `xtask avro-judge`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many pairs
    #[arg(long, default_value_t = KEPT)]
    pairs: u64,
    /// The number of the first; only from 0 on are verdicts kept
    #[arg(long, default_value_t = 0)]
    first: u64,
}

/// Compares, tells where they differ, and keeps the verdicts where they do not.
pub(crate) fn run(args: &Args) -> Result<()> {
    let toolbox = Toolbox::new(Cache::open()?)?;
    let mut judge = toolbox.java_avro("Judge")?;
    let mut judge = judge.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot start java")?;
    let stdin = judge.stdin.take().context("stdin is a pipe")?;
    let stdout = judge.stdout.take().context("stdout is a pipe")?;
    let numbers = args.first..args.first.saturating_add(args.pairs);
    let asked = numbers.clone();
    let asker = thread::spawn(move || -> Result<()> {
        let mut stdin = BufWriter::new(stdin);
        for number in asked {
            writeln!(stdin, "{}", question(number, &pairs::pair(number)))?;
        }
        Ok(stdin.flush()?)
    });
    let mut kept = Vec::new();
    let mut differences = 0;
    let mut compatible = 0;
    let mut unread = 0;
    let mut lines = BufReader::new(stdout).lines();
    for number in numbers {
        let java = lines.next().with_context(|| format!("java ended before pair {number}"))??;
        let pair = pairs::pair(number);
        let ours = verdict::verdict(number, &pair);
        unread += u64::from(java.ends_with("\tunreadable") || java.ends_with("\tcompatible\t"));
        let java = comparable(&java, &ours);
        kept.extend(verdict::digest(&java).to_le_bytes());
        compatible += u64::from(java.contains("\tcompatible\t"));
        if ours != java {
            differences += 1;
            if differences <= TOLD_MAX {
                println!("pair {number}\n  reader {}\n  writer {}", pair.reader, pair.writer);
                for (java, ours) in java.split('\t').zip(ours.split('\t')).filter(|(java, ours)| java != ours) {
                    println!("  java {java}\n  ours {ours}");
                }
            }
        }
    }
    asker.join().map_err(|_| anyhow::anyhow!("the thread that asks panicked"))??;
    ensure!(judge.wait()?.success(), "java failed");
    println!(
        "{} pairs, {compatible} compatible, {unread} values that Java has not, {differences} disagreements",
        args.pairs
    );
    ensure!(differences == 0, "we and Java disagree");
    if args.first == 0 && args.pairs == KEPT {
        let path: PathBuf = toolbox.repository().join("crates/levada-avro/testdata/verdicts.bin");
        fs::write(&path, &kept).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(())
}

/// A pair as it is put to Java: the reader's schema, the writer's, and a value that was written, in hexadecimal.
fn question(number: u64, pair: &Pair) -> String {
    let bytes = parse(&pair.writer, &[]).ok().and_then(|writer| verdict::written(number, pair, &writer));
    let value: Option<String> = bytes.map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect());
    format!("{}\t{}\t{}", pair.reader, pair.writer, value.unwrap_or_else(|| "-".to_owned()))
}

/// Java's verdict with its JSON written as ours is: the order of members and the notation of numbers say nothing.
///
/// Of some values Java has none, though it calls the schemas compatible: its JSON encoder writes nothing for an empty
/// record that is all there is; its decoder recurses without end into types that contain themselves with no way out,
/// even where none is written; and what it makes of the writer's schema by the reader's aliases may be no schema any
/// more. Then ours stands.
fn comparable(java: &str, ours: &str) -> String {
    let (rest, value) = java.rsplit_once('\t').unwrap_or((java, ""));
    let (_, our_value) = ours.rsplit_once('\t').unwrap_or((ours, ""));
    match serde_json::from_str::<serde_json::Value>(value) {
        Ok(value) => format!("{rest}\t{value}"),
        Err(_) => format!("{rest}\t{our_value}"),
    }
}
