//! What a topology has told so far, to whoever reads only what was committed, and how it differs from what is due.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::process::Process;

const READ_LIMIT: Duration = Duration::from_secs(60);
/// How many differences an error message shows of each kind.
const SHOWN: usize = 5;

/// How often each result is there.
pub(super) type Outcome = BTreeMap<String, u64>;

/// What of an output topic is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Every result, by key and value.
    Every,
    /// Every result, by key, value and time.
    EveryWithItsTime,
    /// The last value of each key, unless it is null: the table that the topic describes.
    LastOfEachKey,
}

/// What was read.
pub(super) struct Seen {
    /// How many records there are.
    pub(super) records: u64,
    /// What of them is compared.
    pub(super) outcome: Outcome,
}

/// How a result is written down for the comparison.
pub(super) fn line(key: &str, value: &str, timestamp_ms: Option<i64>) -> String {
    match timestamp_ms {
        Some(time) => format!("{key}\t{value}\t{time}"),
        None => format!("{key}\t{value}"),
    }
}

/// Reads what is committed in `topic`; `folder` takes a file in between.
pub(super) fn read(bootstrap: &str, topic: &str, reading: Reading, folder: &Path) -> Result<Seen> {
    let path = folder.join("out");
    let mut kcat = Command::new("kcat");
    kcat.args(["-b", bootstrap, "-C", "-t", topic, "-o", "beginning", "-e", "-q"]);
    kcat.args(["-X", "isolation.level=read_committed", "-f", "%k\t%S\t%T\t%s\n"]);
    kcat.stdin(Stdio::null()).stdout(File::create(&path)?).stderr(File::create(folder.join("kcat.log"))?);
    let status = Process::spawn("kcat -C", &mut kcat)?.wait(READ_LIMIT)?;
    ensure!(status.success(), "kcat cannot read `{topic}`: {status}");
    let lines = BufReader::new(File::open(&path)?).lines().collect::<std::io::Result<Vec<String>>>()?;
    fs::remove_file(&path)?;
    Ok(Seen { records: u64::try_from(lines.len())?, outcome: gather(&lines, reading)? })
}

fn gather(lines: &[String], reading: Reading) -> Result<Outcome> {
    let (mut every, mut last) = (Outcome::new(), BTreeMap::new());
    for text in lines {
        let mut fields = text.splitn(4, '\t');
        let mut field = || fields.next().with_context(|| format!("`{text}` is no result"));
        let (key, size, time, value) = (field()?, field()?, field()?, field()?);
        match reading {
            Reading::Every => *every.entry(line(key, value, None)).or_default() += 1,
            Reading::EveryWithItsTime => *every.entry(line(key, value, Some(time.parse()?))).or_default() += 1,
            // A key stays in its partition, and kcat prints a partition in its order.
            Reading::LastOfEachKey => drop(last.insert(key, (size != "-1").then_some(value))),
        }
    }
    for (key, value) in last {
        if let Some(value) = value {
            every.insert(line(key, value, None), 1);
        }
    }
    Ok(every)
}

/// What `seen` has too little and too much, or `None` where it is what is due.
pub(super) fn difference(due: &Outcome, seen: &Outcome) -> Option<String> {
    let beyond = |one: &Outcome, other: &Outcome| -> Vec<String> {
        let more = |(line, count): (&String, &u64)| {
            let known = other.get(line).copied().unwrap_or_default();
            (*count > known).then(|| format!("{} × `{}`", count - known, line.replace('\t', " ")))
        };
        one.iter().filter_map(more).collect()
    };
    let (missing, extra) = (beyond(due, seen), beyond(seen, due));
    let first = |lines: &[String]| lines.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    (!missing.is_empty() || !extra.is_empty()).then(|| {
        format!(
            "{} results are missing ({}), {} are too many ({})",
            missing.len(),
            first(&missing),
            extra.len(),
            first(&extra)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Reading, difference, gather};

    fn lines(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_result_that_is_there_twice_or_has_another_time_is_a_difference() {
        let due = gather(&lines(&["a\t1\t10\tx", "b\t1\t20\ty"]), Reading::EveryWithItsTime).unwrap();
        assert_eq!(difference(&due, &due.clone()), None);
        let twice = gather(&lines(&["a\t1\t10\tx", "b\t1\t20\ty", "a\t1\t10\tx"]), Reading::EveryWithItsTime).unwrap();
        assert!(difference(&due, &twice).unwrap().contains("1 are too many (1 × `a x 10`)"));
        let later = gather(&lines(&["a\t1\t10\tx", "b\t1\t21\ty"]), Reading::EveryWithItsTime).unwrap();
        assert!(difference(&due, &later).unwrap().contains("1 results are missing (1 × `b y 20`)"));
    }

    #[test]
    fn a_table_is_the_last_value_of_each_key_that_is_not_null() {
        let table = gather(&lines(&["a\t1\t1\tx", "b\t1\t1\ty", "a\t1\t2\tz", "b\t-1\t2\t"]), Reading::LastOfEachKey);
        assert_eq!(table.unwrap(), Outcome::from([("a\tz".to_owned(), 1)]));
    }
}
