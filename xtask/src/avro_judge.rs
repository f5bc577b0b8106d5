//! `xtask avro-judge`: random pairs of Avro schemas, judged by us and by Apache Avro's own Java. They must agree in
//! every word, and then 16 bits of each of Java's verdicts are kept for the crate's own tests.

// The same files as of the test that replays the verdicts.
#[path = "../../crates/levada-avro/tests/judged/pairs.rs"]
mod pairs;
#[path = "../../crates/levada-avro/tests/judged/verdict.rs"]
mod verdict;

use std::fs;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;

use anyhow::{Context, Result, ensure};

use crate::cache::Cache;
use crate::clients::Toolbox;

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
            let pair = pairs::pair(number);
            writeln!(stdin, "{}\t{}", pair.reader, pair.writer)?;
        }
        Ok(stdin.flush()?)
    });
    let mut kept = Vec::new();
    let mut differences = 0;
    let mut compatible = 0;
    let mut lines = BufReader::new(stdout).lines();
    for number in numbers {
        let java = lines.next().with_context(|| format!("java ended before pair {number}"))??;
        let pair = pairs::pair(number);
        let ours = verdict::verdict(&pair);
        kept.extend(verdict::digest(&java).to_le_bytes());
        compatible += u64::from(java.ends_with("\tcompatible"));
        if ours != java {
            differences += 1;
            if differences <= TOLD_MAX {
                println!(
                    "pair {number}\n  reader {}\n  writer {}\n  java {java}\n  ours {ours}",
                    pair.reader, pair.writer
                );
            }
        }
    }
    asker.join().map_err(|_| anyhow::anyhow!("the thread that asks panicked"))??;
    ensure!(judge.wait()?.success(), "java failed");
    println!("{} pairs, {compatible} compatible, {differences} disagreements", args.pairs);
    ensure!(differences == 0, "we and Java disagree");
    if args.first == 0 && args.pairs == KEPT {
        let path: PathBuf = toolbox.repository().join("crates/levada-avro/testdata/verdicts.bin");
        fs::write(&path, &kept).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(())
}
