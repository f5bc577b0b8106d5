//! Which queries are run from topic to topic, and the text that each side is given for one.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::TABLES;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench/sql");

/// How the rows of an answer come to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// They come and stay.
    Come,
    /// They change, by a key.
    Change,
}

/// One of Nexmark's.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) name: &'static str,
    /// What it reads.
    pub(super) tables: &'static [&'static str],
    pub(super) rows: Rows,
    /// Columns of which the query does not say what they are: of bids of one millisecond any may be the last.
    pub(super) left_open: &'static [&'static str],
}

const fn query(name: &'static str, tables: &'static [&'static str], rows: Rows) -> Query {
    Query { name, tables, rows, left_open: &[] }
}

/// Those of the benchmark of engines.
pub(super) const QUERIES: [Query; 16] = [
    query("q0", &["bid"], Rows::Come),
    query("q1", &["bid"], Rows::Come),
    query("q2", &["bid"], Rows::Come),
    query("q3", &["auction", "person"], Rows::Come),
    query("q4", &["auction", "bid"], Rows::Change),
    query("q5", &["bid"], Rows::Come),
    query("q7", &["bid"], Rows::Come),
    query("q8", &["person", "auction"], Rows::Come),
    query("q9", &["auction", "bid"], Rows::Change),
    query("q11", &["bid"], Rows::Come),
    query("q14", &["bid"], Rows::Come),
    query("q15", &["bid"], Rows::Change),
    query("q16", &["bid"], Rows::Change),
    query("q17", &["bid"], Rows::Change),
    Query { name: "q18", tables: &["bid"], rows: Rows::Change, left_open: &["price", "channel", "url", "extra"] },
    query("q20", &["bid", "auction"], Rows::Come),
];

/// What a side adds to the tables' columns.
pub(super) trait Options {
    /// Of a table that is read.
    fn source(&self, topic: &str) -> String;
    /// Of one that is written.
    fn sink(&self, topic: &str, rows: Rows) -> String;
}

impl Query {
    /// `CREATE TABLE` of what is read and written, and the `INSERT`.
    pub(super) fn script(&self, options: &impl Options, prefix: &str, results: &str) -> Result<String> {
        let (sources, sinks) = (text("tables.sql")?, text("results.sql")?);
        let mut script = String::new();
        for table in self.tables {
            let create = declared(&sources, table)?;
            writeln!(script, "{create} WITH ({});", options.source(&format!("{prefix}{table}")))?;
        }
        writeln!(script, "{} WITH ({});", declared(&sinks, self.name)?, options.sink(results, self.rows))?;
        writeln!(script, "INSERT INTO {} {}", self.name, text(&format!("queries/{}.sql", self.name))?)?;
        Ok(script)
    }

    /// How many records it reads.
    pub(super) fn events(&self, counts: super::events::Counts) -> u64 {
        let of = |(table, count): (&&str, u64)| if self.tables.contains(table) { count } else { 0 };
        TABLES.iter().zip(counts.0).map(of).sum()
    }
}

/// `CREATE TABLE` of one of a file's tables, without the semicolon.
fn declared<'a>(file: &'a str, table: &str) -> Result<&'a str> {
    let start = format!("CREATE TABLE {table} (");
    let found = file.split(';').find_map(|part| part.find(&start).and_then(|at| part.get(at..)));
    found.map(str::trim_end).with_context(|| format!("no table `{table}` is declared"))
}

fn text(name: &str) -> Result<String> {
    let path = Path::new(FOLDER).join(name);
    fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Named;

    impl Options for Named {
        fn source(&self, topic: &str) -> String {
            format!("'from' = '{topic}'")
        }

        fn sink(&self, topic: &str, _: Rows) -> String {
            format!("'to' = '{topic}'")
        }
    }

    #[test]
    fn each_query_has_its_tables_and_a_key_where_its_rows_change() {
        for query in &QUERIES {
            let script = query.script(&Named, "warm-", "results").unwrap();
            assert!(query.tables.iter().all(|table| script.contains(&format!("'from' = 'warm-{table}'"))), "{script}");
            assert_eq!(script.contains("PRIMARY KEY"), query.rows == Rows::Change, "{script}");
            assert_eq!(script.matches(';').count(), query.tables.len() + 1, "{script}");
        }
    }
}
