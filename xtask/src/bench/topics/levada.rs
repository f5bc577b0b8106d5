//! Our side: one server, which is broker and SQL in one process.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::content::Content;
use super::events::{self, Counts};
use super::queries::{Options, Query, Rows};
use super::{Measured, RUN_LIMIT, WARM, connect};
use crate::bench::machine::Usage;
use crate::http_client::HttpConnection;
use crate::kafka_client::error_name;
use crate::levada_rig::{self, Config};

/// What the statements of some queries remember is more than the default, 1 GiB, with many events.
const STATE: &str = "sql.state.bytes.max=8GiB";
const POLL: Duration = Duration::from_millis(20);

/// The server, with all events in its topics.
pub(super) struct Levada {
    server: levada_rig::Levada,
    counts: Counts,
    warm_counts: Counts,
    /// Of topics of results.
    made: u32,
}

/// How statements read and write topics of their own server.
pub(super) struct Tables;

impl Options for Tables {
    fn source(&self, topic: &str) -> String {
        format!("'topic' = '{topic}', 'format' = 'json'")
    }

    fn sink(&self, topic: &str, rows: Rows) -> String {
        match rows {
            Rows::Come => format!("'topic' = '{topic}', 'format' = 'json'"),
            Rows::Change => format!(
                "'connector' = 'upsert-kafka', 'topic' = '{topic}', 'key.format' = 'json', 'value.format' = 'json'"
            ),
        }
    }
}

impl Levada {
    /// Starts it and writes the events.
    pub(super) fn start(binary: &Path, folder: &Path, events: u64, written_ms: i64) -> Result<Self> {
        let mut config = Config::new(binary, folder);
        config.flags = vec!["--set".to_owned(), STATE.to_owned()];
        let server = levada_rig::Levada::start(config)?;
        let mut kafka = connect(&server.bootstrap())?;
        let warm_counts = events::load(&mut kafka, WARM, events / 4, written_ms)?;
        let counts = events::load(&mut kafka, "", events, written_ms)?;
        Ok(Self { server, counts, warm_counts, made: 0 })
    }

    /// How many records each table has.
    pub(super) const fn counts(&self) -> Counts {
        self.counts
    }

    /// Runs a query to the end of its topics, after a quarter of the events to get warm.
    pub(super) fn measure(&mut self, query: &Query) -> Result<Measured> {
        self.run(query, WARM)?;
        self.run(query, "")
    }

    fn run(&mut self, query: &Query, prefix: &str) -> Result<Measured> {
        self.made += 1;
        let results = format!("results-{}-{}", query.name, self.made);
        let script = query.script(&Tables, prefix, &results)?;
        let (create, insert) = script.split_at(script.find("INSERT").context("a script without INSERT")?);
        let mut sql = HttpConnection::open(&self.server.sql().context("the binary has no SQL")?)?;
        carry_out(&mut sql, create)?;
        let measured = self.insert(&mut sql, query, insert, prefix);
        // Also where it failed: the next one has tables of these names, too.
        let statements = sql.ask("GET", "/v1/statements", None)?.json()?;
        let mut drops = String::new();
        for statement in statements.as_array().into_iter().flatten().filter_map(|it| it["name"].as_str()) {
            drops.push_str(&format!("DROP STATEMENT `{statement}`;"));
        }
        for table in query.tables.iter().chain([&query.name]) {
            drops.push_str(&format!("DROP TABLE {table};"));
        }
        carry_out(&mut sql, &drops)?;
        let (engine_seconds, wall_seconds) = measured?;
        let mut kafka = connect(&self.server.bootstrap())?;
        let content = Content::of(&mut kafka, &results, query)?;
        let error = kafka.delete_topic(&results)?;
        ensure!(error == 0, "topic `{results}` cannot be deleted: {}", error_name(error));
        Ok(Measured { engine_seconds, broker_seconds: 0.0, wall_seconds, content })
    }

    /// Seconds of the processors, and on the wall, of a statement that reads topics with this prefix.
    fn insert(&self, sql: &mut HttpConnection, query: &Query, insert: &str, prefix: &str) -> Result<(f64, f64)> {
        let pid = self.server.pid().context("the server does not run")?;
        let (started, before) = (Instant::now(), Usage::of(pid)?.cpu_seconds);
        let answer = carry_out(sql, insert)?;
        let statement = answer["results"][0]["name"].as_str().with_context(|| format!("no statement: {answer}"))?;
        let read = query.events(if prefix == WARM { self.warm_counts } else { self.counts });
        finish(sql, statement, read)?;
        Ok((Usage::of(pid)?.cpu_seconds - before, started.elapsed().as_secs_f64()))
    }
}

/// Waits until a statement has read so many records and committed what comes of them.
fn finish(sql: &mut HttpConnection, statement: &str, read: u64) -> Result<()> {
    let deadline = Instant::now() + RUN_LIMIT;
    loop {
        let shown = sql.ask("GET", &format!("/v1/statements/{statement}"), None)?.json()?;
        ensure!(shown["state"] == "running" && shown["error"].is_null(), "`{statement}` does not run: {shown}");
        // Both are told of an epoch once it is committed.
        if shown["lag"] == 0 && shown["rows_read"].as_u64().is_some_and(|rows| rows >= read) {
            ensure!(shown["late_rows"] == 0, "rows of `{statement}` came too late: {shown}");
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "`{statement}` is not done after {RUN_LIMIT:?}: {shown}");
        thread::sleep(POLL);
    }
}

/// Carries out a text of SQL.
pub(super) fn carry_out(sql: &mut HttpConnection, text: &str) -> Result<Value> {
    let answer = sql.ask("POST", "/v1/sql", Some(&json!({ "sql": text }).to_string()))?.json()?;
    ensure!(answer["error"].is_null(), "refused: {}", answer["error"]);
    Ok(answer)
}
