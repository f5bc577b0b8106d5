//! What the story in Rust needs besides a client: its records, its checks, and how it reports to xtask.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{BufRead, stdin};
use std::process::exit;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What a step ends with: the detail of its report, or what went wrong.
pub type Outcome<T = String> = Result<T, String>;

pub const RECORDS: usize = 20_000;
pub const WAVE: usize = 1_000;
pub const LARGE_BYTES: usize = 1_048_576;
pub const TOPIC_CONFIG: [(&str, &str); 2] = [("max.message.bytes", "2097152"), ("retention.ms", "86400000")];
pub const LIMIT: Duration = Duration::from_secs(60);
const KEYS: usize = 97;

pub fn key(index: usize) -> Vec<u8> {
    format!("key-{}", index % KEYS).into_bytes()
}

pub fn value(label: &str, index: usize) -> Vec<u8> {
    format!("{label}-{index:06}-{}", "abcdefghij".repeat(8)).into_bytes()
}

/// Fails the step with `message` unless `condition` holds.
pub fn expect(condition: bool, message: impl Display) -> Outcome<()> {
    if condition { Ok(()) } else { Err(message.to_string()) }
}

/// Calls `done` until it holds, for a minute at most.
pub fn until(what: &str, mut done: impl FnMut() -> Outcome<bool>) -> Outcome<()> {
    let end = Instant::now() + LIMIT;
    while !done()? {
        expect(Instant::now() < end, format!("waited {LIMIT:?} for {what}"))?;
        sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The records of one run as they were read.
pub struct Seen {
    label: String,
    count: BTreeMap<usize, usize>,
    last: BTreeMap<Vec<u8>, usize>,
    disorder: Option<String>,
}

impl Seen {
    pub fn new(label: &str) -> Self {
        Self { label: label.to_owned(), count: BTreeMap::new(), last: BTreeMap::new(), disorder: None }
    }

    /// Takes one record in, answers its index, and fails on one that was never sent.
    pub fn add(&mut self, record_key: &[u8], record_value: &[u8]) -> Outcome<usize> {
        let begin = self.label.len() + 1;
        let digits = record_value.get(begin..begin + 6).and_then(|digits| std::str::from_utf8(digits).ok());
        let index: usize = digits.and_then(|digits| digits.parse().ok()).ok_or("a value that was never sent")?;
        expect(record_value == value(&self.label, index), format!("record {index} came back with another value"))?;
        expect(record_key == key(index), format!("record {index} came back with another key"))?;
        if let Some(before) = self.last.insert(record_key.to_vec(), index)
            && index <= before
        {
            self.disorder.get_or_insert(format!("record {index} came after {before} of the same key"));
        }
        *self.count.entry(index).or_default() += 1;
        Ok(index)
    }

    pub fn len(&self) -> usize {
        self.count.len()
    }

    pub fn repeats(&self) -> usize {
        self.count.values().sum::<usize>() - self.len()
    }

    /// Fails unless each of `total` records was seen.
    pub fn check_all(&self, total: usize) -> Outcome<()> {
        match (0..total).find(|index| !self.count.contains_key(index)) {
            Some(first) => {
                Err(format!("{} of {total} records were not seen, the first is {first}", total - self.len()))
            }
            None => Ok(()),
        }
    }

    /// Fails unless each record was seen once and every key's records came in order.
    pub fn check_exactly_once(&self, total: usize) -> Outcome<()> {
        self.check_all(total)?;
        expect(self.repeats() == 0, format!("{} records were seen more than once", self.repeats()))?;
        self.disorder.clone().map_or(Ok(()), Err)
    }
}

/// Reports the steps.
pub struct Story {
    failed: bool,
}

impl Story {
    pub fn begin(client: &str, version: &str) -> Self {
        say(&json!({"client": client, "version": version}));
        Self { failed: false }
    }

    /// Runs one step and reports it.
    pub fn step(&mut self, name: &str, action: impl FnOnce() -> Outcome) {
        let (status, detail) = match action() {
            Ok(detail) => ("pass", detail),
            Err(reason) => {
                self.failed = true;
                ("fail", reason)
            }
        };
        say(&json!({"step": name, "status": status, "detail": detail}));
    }

    /// Ends the program with its exit status.
    pub fn end(self) -> ! {
        exit(i32::from(self.failed))
    }
}

/// Has the broker restarted.
pub fn restart() -> Outcome<()> {
    say(&json!({"ask": "restart"}));
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer).map_err(|error| error.to_string())?;
    expect(answer.trim() == "restarted", format!("asked for a restart, was answered `{answer}`"))
}

fn say(line: &Value) {
    println!("{line}");
}
