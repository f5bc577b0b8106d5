//! Flink's side: Apache Kafka in one process, and Flink in another, on a cluster within `clients/java/flink`'s program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::content::Content;
use super::queries::{Options, Query, Rows};
use super::{Measured, WARM, connect, create_topic, events};
use crate::bench::sql::{Flink, Mode, ask, number};
use crate::kafka_client::error_name;
use crate::kafka_rig::{Config, Jars, Kafka};

/// Between two checkpoints.
const CHECKPOINTS: Duration = Duration::from_secs(10);
/// A broker takes no more.
const TRANSACTION_MS: u32 = 900_000;

/// The broker with all events in its topics, and the program.
pub(super) struct Side<'a> {
    flink: &'a Flink,
    kafka: Kafka,
    folder: PathBuf,
    /// Of topics of results, whose transactions are told apart by it, too.
    made: u32,
}

/// How Flink reads and writes topics of a broker.
pub(super) struct Tables {
    pub(super) bootstrap: String,
    pub(super) mode: Mode,
    /// Where a topic is read to.
    pub(super) bounds: Bounds,
}

/// Where a topic is read to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bounds {
    /// What is there at the start.
    End,
    /// Whatever comes.
    None,
}

impl Options for Tables {
    fn source(&self, topic: &str) -> String {
        let bound = match self.bounds {
            Bounds::End => ", 'scan.bounded.mode' = 'latest-offset'",
            Bounds::None => "",
        };
        format!(
            "'connector' = 'kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = '{}', 'format' = 'json', \
             'properties.group.id' = 'flink', 'properties.isolation.level' = 'read_committed', \
             'scan.startup.mode' = 'earliest-offset'{bound}",
            self.bootstrap
        )
    }

    fn sink(&self, topic: &str, rows: Rows) -> String {
        let kind = match rows {
            Rows::Come => "'connector' = 'kafka', 'format' = 'json'".to_owned(),
            Rows::Change => {
                let mut kind =
                    "'connector' = 'upsert-kafka', 'key.format' = 'json', 'value.format' = 'json'".to_owned();
                if self.mode == Mode::MiniBatch {
                    // Of a key's rows within the time the last one is written, as an epoch of ours does.
                    kind.push_str(", 'sink.buffer-flush.interval' = '100 ms', 'sink.buffer-flush.max-rows' = '50000'");
                }
                kind
            }
        };
        format!(
            "{kind}, 'topic' = '{topic}', 'properties.bootstrap.servers' = '{}', \
             'properties.transaction.timeout.ms' = '{TRANSACTION_MS}', 'sink.delivery-guarantee' = 'exactly-once', \
             'sink.transactional-id-prefix' = '{topic}'",
            self.bootstrap
        )
    }
}

impl<'a> Side<'a> {
    /// Starts the broker and writes the events.
    pub(super) fn start(flink: &'a Flink, jars: &Jars, folder: &Path, count: u64, written_ms: i64) -> Result<Self> {
        let kafka = Kafka::start(jars, Config::new(&folder.join("kafka")))?;
        let mut connection = connect(&kafka.bootstrap())?;
        events::load(&mut connection, WARM, count / 4, written_ms)?;
        events::load(&mut connection, "", count, written_ms)?;
        Ok(Self { flink, kafka, folder: folder.to_owned(), made: 0 })
    }

    /// Runs a query to the end of its topics, after a quarter of the events to get warm.
    pub(super) fn measure(&mut self, query: &Query, mode: Mode) -> Result<Measured> {
        let tables = Tables { bootstrap: self.kafka.bootstrap(), mode, bounds: Bounds::End };
        let mut connection = connect(&self.kafka.bootstrap())?;
        let mut command = command(self.flink, &self.folder, mode, CHECKPOINTS, self.kafka.pid())?;
        let mut topics = Vec::new();
        for prefix in [WARM, ""] {
            self.made += 1;
            let results = format!("results-{}-{}", query.name, self.made);
            create_topic(&mut connection, &results, 1, query.rows)?;
            let script = self.folder.join(format!("{results}.sql"));
            fs::write(&script, query.script(&tables, prefix, &results)?)?;
            command.arg(script);
            topics.push(results);
        }
        let answer = ask("flink", &mut command, &self.folder)?;
        // Waiting for the next checkpoint would count as time of the query.
        ensure!(answer["was_seen"] == Value::Bool(true), "nobody saw the end of the input: {answer}");
        let content = Content::of(&mut connection, topics.last().context("two topics")?, query)?;
        for topic in topics {
            let error = connection.delete_topic(&topic)?;
            ensure!(error == 0, "topic `{topic}` cannot be deleted: {}", error_name(error));
        }
        let (engine_seconds, broker_seconds) = (number(&answer, "engine_seconds")?, number(&answer, "broker_seconds")?);
        Ok(Measured { engine_seconds, broker_seconds, wall_seconds: number(&answer, "wall_seconds")?, content })
    }
}

/// The program, but for its scripts.
pub(super) fn command(
    flink: &Flink,
    folder: &Path,
    mode: Mode,
    checkpoints: Duration,
    broker: Option<u32>,
) -> Result<Command> {
    let place = folder.join("checkpoints");
    if place.exists() {
        fs::remove_dir_all(&place)?;
    }
    fs::create_dir_all(&place)?;
    let mut command = flink.command("Topics");
    command.arg(place).arg(checkpoints.as_millis().to_string()).arg(mode.name());
    command.arg(broker.context("Kafka does not run")?.to_string());
    Ok(command)
}
