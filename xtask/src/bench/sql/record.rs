//! What has been measured, beside the page: a run of some queries takes their places and leaves the others.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::{Args, Mode, Outcome, QUERIES, Row};
use crate::bench::machine;

/// Rows of one number of events on one machine.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    events: u64,
    rounds: usize,
    /// As the page describes it.
    machine: Vec<(String, String)>,
    /// The commands that measured them, the latest last.
    pub(super) runs: Vec<String>,
    rows: Vec<Kept>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    query: String,
    levada: Outcome,
    flink: Vec<(Mode, Outcome)>,
}

impl Record {
    /// An empty one, or with `--keep` the one beside the page.
    pub(super) fn open(args: &Args, folder: &Path) -> Result<Self> {
        let machine: Vec<(String, String)> =
            machine::describe(folder)?.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let new =
            Self { events: args.event_count(), rounds: args.rounds, machine, runs: vec![args.command()], rows: vec![] };
        if !args.keep {
            return Ok(new);
        }
        let path = args.page.with_extension("json");
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(new),
            Err(error) => return Err(error).with_context(|| format!("cannot open `{}`", path.display())),
        };
        let mut kept: Self = serde_json::from_reader(file).with_context(|| format!("`{}`", path.display()))?;
        ensure!(
            (kept.events, kept.rounds, &kept.machine) == (new.events, new.rounds, &new.machine),
            "`{}` has what was measured with {} events in {} rounds, or on another machine: leave out --keep",
            path.display(),
            kept.events,
            kept.rounds
        );
        kept.runs.extend(new.runs);
        Ok(kept)
    }

    /// Puts a query's row in its place.
    pub(super) fn put(&mut self, row: &Row) {
        self.rows.retain(|kept| kept.query != row.query);
        self.rows.push(Kept { query: row.query.to_owned(), levada: row.levada.clone(), flink: row.flink.clone() });
    }

    /// In the order of the queries.
    pub(super) fn rows(&self) -> Vec<Row> {
        let kept = |query: &'static str| {
            let kept = self.rows.iter().find(|kept| kept.query == query)?;
            Some(Row { query, levada: kept.levada.clone(), flink: kept.flink.clone() })
        };
        QUERIES.into_iter().filter_map(kept).collect()
    }

    pub(super) fn write(&self, args: &Args) -> Result<()> {
        fs::write(args.page.with_extension("json"), serde_json::to_string_pretty(self)? + "\n")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(query: &'static str, why: &str) -> Row {
        let refused = |why: &str| Outcome::Refused(why.to_owned());
        Row { query, levada: refused(why), flink: vec![(Mode::MiniBatch, refused(why))] }
    }

    #[test]
    fn a_later_row_takes_the_place_of_an_earlier_one() {
        let mut record = Record { events: 1, rounds: 1, machine: vec![], runs: vec![], rows: vec![] };
        [row("q5", "first"), row("q0", "first"), row("q5", "second")].iter().for_each(|row| record.put(row));
        let read: Record = serde_json::from_str(&serde_json::to_string(&record).unwrap()).unwrap();
        let told: Vec<String> = read.rows().iter().map(|row| format!("{} {:?}", row.query, row.levada)).collect();
        assert_eq!(told, ["q0 Refused(\"first\")", "q5 Refused(\"second\")"]);
    }
}
