//! Throws mutated scripts at the parser for as long as it is told to, and ends badly where one costs more than an
//! error: a panic, a stack that overflows, seconds, or a statement that is printed and comes to something else.
//!
//! ```text
//! cargo run --release --package levada-sql-syntax --example fuzz -- [SECONDS] [SEED]
//! ```
//!
//! What is tried lies in a file before it is tried, so that it is there also when the process is not any more.
#![expect(clippy::print_stdout, reason = "its result is what it prints")]

use fuzz::mutation::{Dice, mutated};
use levada_model::{Clock as _, SystemClock};
use levada_sql_syntax::{is_complete, parse_script, parse_statement};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    time::Duration,
};

mod fuzz {
    pub(crate) mod mutation;
}

/// As much as the threads of a server have.
const STACK_SIZE: usize = 2 << 20;
/// Nothing may take longer.
const SPAN_MAX: Duration = Duration::from_secs(5);
const CORPUS_MAX: usize = 3_000;

const SCRIPTS: [&str; 5] = [
    include_str!("../tests/golden/errors.sql"),
    include_str!("../tests/golden/queries.sql"),
    include_str!("../tests/golden/statements.sql"),
    include_str!("../tests/golden/tables.sql"),
    include_str!("../tests/golden/windows.sql"),
];

fn main() -> ExitCode {
    let arguments: Vec<u64> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let span = Duration::from_secs(arguments.first().copied().unwrap_or(60));
    let seed = arguments.get(1).copied().unwrap_or_else(|| u64::from(std::process::id()));
    let file = std::env::temp_dir().join("levada-fuzz-sql-last.txt");
    println!("seed {seed}, {} s; what is tried lies in {}", span.as_secs(), file.display());
    let runner = std::thread::Builder::new().stack_size(STACK_SIZE).spawn(move || run(span, seed, &file));
    match runner.map(std::thread::JoinHandle::join) {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn run(span: Duration, seed: u64, file: &std::path::Path) -> bool {
    let mut dice = Dice::new(seed);
    let mut corpus: Vec<String> = SCRIPTS.iter().flat_map(|script| script.split("\n\n")).map(str::to_owned).collect();
    let begun = SystemClock.monotonic();
    let (mut tried, mut understood, mut slowest) = (0_u64, 0_u64, Duration::ZERO);
    while SystemClock.monotonic().saturating_sub(begun) < span {
        let text = mutated(&mut dice, &corpus);
        if std::fs::write(file, &text).is_err() {
            println!("cannot write {}", file.display());
            return false;
        }
        let started = SystemClock.monotonic();
        let outcome = catch_unwind(AssertUnwindSafe(|| try_one(&text)));
        let took = SystemClock.monotonic().saturating_sub(started);
        slowest = slowest.max(took);
        tried += 1;
        let wrong = match outcome {
            Err(_) => Some("it panicked".to_owned()),
            Ok(Err(wrong)) => Some(wrong),
            Ok(Ok(_)) if took > SPAN_MAX => Some(format!("it took {:.1} s", took.as_secs_f64())),
            Ok(Ok(false)) => None,
            Ok(Ok(true)) => {
                understood += 1;
                if corpus.len() < CORPUS_MAX {
                    corpus.push(text.clone());
                } else {
                    let at = dice.below(corpus.len());
                    corpus[at].clone_from(&text);
                }
                None
            }
        };
        if let Some(wrong) = wrong {
            println!("after {tried} tries: {wrong}\n{text}");
            return false;
        }
    }
    println!("{tried} tried, {understood} understood, the slowest took {} ms: nothing wrong", slowest.as_millis());
    true
}

/// Everything that is done with a text. Gives whether it is understood.
fn try_one(text: &str) -> Result<bool, String> {
    let is_complete = is_complete(text);
    let parsed = match parse_script(text) {
        Ok(parsed) => parsed,
        Err(error) => {
            let rendered = error.render(text);
            let is_sound = rendered.contains('^') && !(is_complete && error.message.contains("has no end"));
            return if is_sound { Ok(false) } else { Err(format!("an error is not sound: {rendered}")) };
        }
    };
    for parsed in &parsed {
        match parse_statement(&parsed.text) {
            Ok(own) if own.statement.to_string() == parsed.statement.to_string() => {}
            outcome => return Err(format!("its own text comes to something else: {outcome:?}")),
        }
        let printed = parsed.statement.to_string();
        match parse_statement(&printed) {
            Ok(again) if again.statement.to_string() == printed => {}
            Ok(again) => return Err(format!("it is printed as\n{printed}\nand then as\n{}", again.statement)),
            // What is printed has some brackets that were not there.
            Err(error) if ["deeper", "operators", "larger"].iter().any(|text| error.message.contains(text)) => {}
            Err(error) => return Err(format!("what is printed is not understood: {}", error.render(&printed))),
        }
    }
    Ok(!parsed.is_empty())
}
