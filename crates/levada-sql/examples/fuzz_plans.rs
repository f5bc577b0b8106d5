//! Throws queries at the planner and at what it plans, in a stream and in batch, for as long as it is told to, and ends
//! badly where one costs more than an error: a panic, a stack that overflows, seconds, or a stream that comes to
//! something else than batch.
//!
//! ```text
//! cargo run --release --package levada-sql --example fuzz_plans -- [SECONDS] [SEED]
//! ```
//!
//! Each query has a seed of its own, which is one more than that of the query before: a finding is there again at once
//! where its seed is given. What is tried lies in a file before it is tried, so that it is there also when the process
//! is not any more.
#![expect(clippy::print_stdout, reason = "its result is what it prints")]

use fuzz_plans::{
    judge::Verdict,
    tries::{STACK_SIZE, Try},
};
use levada_model::{Clock as _, SystemClock};
use std::{path::Path, process::ExitCode, time::Duration};

mod fuzz_plans {
    mod expressions;
    pub(crate) mod judge;
    mod literals;
    mod queries;
    mod tables;
    pub(crate) mod tries;
}
#[path = "../../levada-sql-syntax/examples/fuzz/mutation.rs"]
mod mutation;

fn main() -> ExitCode {
    let arguments: Vec<u64> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let span = Duration::from_secs(arguments.first().copied().unwrap_or(60));
    let seed = arguments.get(1).copied().unwrap_or_else(|| u64::from(std::process::id()) << 32);
    let file = std::env::temp_dir().join(format!("levada-fuzz-plan-{}.txt", std::process::id()));
    println!("seed {seed}, {} s; what is tried lies in {}", span.as_secs(), file.display());
    let runner = std::thread::Builder::new().stack_size(STACK_SIZE).spawn(move || run(span, seed, &file));
    match runner.map(std::thread::JoinHandle::join) {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn run(span: Duration, first: u64, file: &Path) -> bool {
    let begun = SystemClock.monotonic();
    let (mut seed, mut counts, mut slowest) = (first, [0_u64; 3], Duration::ZERO);
    loop {
        let started = SystemClock.monotonic();
        let mut tried = Try::new(seed);
        if std::fs::write(file, format!("-- seed {seed}\n{}\n", tried.sql)).is_err() {
            println!("cannot write {}", file.display());
            return false;
        }
        match tried.run() {
            Ok(Verdict::Refused) => counts[0] += 1,
            Ok(Verdict::Failed) => counts[1] += 1,
            Ok(Verdict::Answered) => counts[2] += 1,
            Err(wrong) => {
                println!("seed {seed}: {wrong}\n{}", tried.sql);
                return false;
            }
        }
        let now = SystemClock.monotonic();
        slowest = slowest.max(now.saturating_sub(started));
        if now.saturating_sub(begun) >= span {
            break;
        }
        seed = seed.wrapping_add(1);
    }
    let ([refused, failed, answered], slowest) = (counts, slowest.as_millis());
    println!("{refused} refused, {failed} failed, {answered} answered, the slowest took {slowest} ms: nothing wrong");
    true
}
