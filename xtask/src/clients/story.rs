//! One client's story: its program started, its lines read, the broker restarted when it asks.
//! What the steps mean is in `clients/README.md`; what a result is worth is the caller's to say.

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::broker::Broker;
use crate::process::{Process, append_to};

/// Every step of the general story, in the order in which it reports them.
const STEPS: [&str; 18] = [
    "create_topic",
    "codec_none",
    "codec_gzip",
    "codec_snappy",
    "codec_lz4",
    "codec_zstd",
    "headers",
    "null_key",
    "null_value",
    "empty_value",
    "large_record",
    "group",
    "resume",
    "timestamp",
    "end_offsets",
    "describe_configs",
    "alter_configs",
    "delete_topic",
];

/// The steps of the story of `group.protocol=consumer`.
const CONSUMER_STEPS: [&str; 8] =
    ["two_members", "late_member", "describe", "leave", "kill", "pause", "restart", "leave_all"];

/// The steps of the story of schemas.
const REGISTRY_STEPS: [&str; 17] = [
    "register",
    "look_up",
    "avro",
    "json",
    "protobuf",
    "references",
    "guid",
    "forward",
    "backward",
    "refuse",
    "config",
    "mode",
    "contract",
    "encrypt",
    "delete",
    "context",
    "restart",
];

/// The steps of the story of PostgreSQL's clients.
const SQL_STEPS: [&str; 11] = [
    "connect",
    "define",
    "select",
    "types",
    "parameters",
    "catalog",
    "errors",
    "transaction",
    "read_after",
    "cancel",
    "restart",
];

/// Whom a story judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    Broker,
    Registry,
    Sql,
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Broker => "broker",
            Self::Registry => "schema registry",
            Self::Sql => "SQL server",
        })
    }
}

/// What a story is about: its steps, and the broker it wants, by settings that both brokers know.
#[derive(Debug)]
pub(crate) struct Plot {
    pub(crate) judged: Judged,
    pub(crate) steps: &'static [&'static str],
    pub(crate) settings: &'static [(&'static str, &'static str)],
}

/// What every client can do.
pub(crate) static GENERAL: Plot = Plot { judged: Judged::Broker, steps: &STEPS, settings: &[] };

/// Schemas, and records written with them.
pub(crate) static REGISTRY: Plot = Plot { judged: Judged::Registry, steps: &REGISTRY_STEPS, settings: &[] };

/// Tables, views and topics, asked as if they were PostgreSQL's.
pub(crate) static SQL: Plot = Plot { judged: Judged::Sql, steps: &SQL_STEPS, settings: &[] };

/// Groups of KIP-848, whose silent members are noticed soon.
pub(crate) static CONSUMER: Plot = Plot {
    judged: Judged::Broker,
    steps: &CONSUMER_STEPS,
    settings: &[
        ("group.consumer.min.session.timeout.ms", "1000"),
        ("group.consumer.session.timeout.ms", "6000"),
        ("group.consumer.min.heartbeat.interval.ms", "100"),
        ("group.consumer.heartbeat.interval.ms", "500"),
    ],
};

const STORY_LIMIT: Duration = Duration::from_secs(300);
const EXIT_LIMIT: Duration = Duration::from_secs(15);
const LINES_IN_FLIGHT: usize = 64;

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum Status {
    #[serde(rename = "pass")]
    Pass,
    #[serde(rename = "fail")]
    Fail,
    #[serde(rename = "n/a")]
    NotApplicable,
}

/// One reported step.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Step {
    pub(crate) step: String,
    pub(crate) status: Status,
    #[serde(default)]
    pub(crate) detail: String,
}

/// What a program said.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) version: String,
    pub(crate) steps: Vec<Step>,
    pub(crate) took: Duration,
    /// How many steps there are.
    pub(crate) total: usize,
}

impl Told {
    /// How many steps ended with `status`.
    pub(crate) fn count(&self, status: Status) -> usize {
        self.steps.iter().filter(|step| step.status == status).count()
    }

    /// Whether a step failed.
    pub(crate) fn failed(&self) -> bool {
        self.count(Status::Fail) > 0
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Step(Step),
    Ask { ask: Ask },
    Client { version: String },
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Ask {
    Restart,
}

/// How the broker is brought down where a story asks for a restart.
#[derive(Clone, Copy)]
pub(crate) enum Restart {
    /// SIGTERM, and a clean shutdown.
    Clean,
    /// SIGKILL.
    Kill,
}

impl Restart {
    fn perform(self, broker: &mut Broker) -> Result<()> {
        match self {
            Self::Clean => broker.stop()?,
            Self::Kill => broker.kill()?,
        }
        broker.start_again()?;
        Ok(())
    }
}

/// Runs the program `command` against `broker`; its stderr goes to a file in `folder`.
///
/// # Errors
/// When the program cannot start or the broker does not come back. A program that breaks off, hangs or
/// misreports is a story with failed steps, not an error.
pub(crate) fn tell(
    name: &str,
    plot: &Plot,
    mut command: Command,
    broker: &mut Broker,
    restart: Restart,
    folder: &Path,
) -> Result<Told> {
    let started = Instant::now();
    command
        .env("BOOTSTRAP", broker.bootstrap())
        .env("BROKER_FOLDER", folder)
        .envs(broker.registry().map(|address| ("REGISTRY", format!("http://{address}"))))
        .envs(broker.pgwire().map(|address| ("PGWIRE", address)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command.stderr(append_to(&folder.join("client.log"))?);
    let mut process = Process::spawn(name, &mut command)?;
    let mut stdin = process.child().stdin.take().context("stdin is not piped")?;
    let lines = lines(process.child().stdout.take().context("stdout is not piped")?)?;
    let mut told = Told { version: "?".to_owned(), steps: Vec::new(), took: Duration::ZERO, total: plot.steps.len() };
    let broken = loop {
        match next(&lines, started + STORY_LIMIT) {
            Ok(Some(Line::Client { version })) => told.version = version,
            Ok(Some(Line::Step(step))) => told.steps.push(step),
            Ok(Some(Line::Ask { ask: Ask::Restart })) => {
                restart.perform(broker)?;
                if let Err(error) = writeln!(stdin, "restarted") {
                    break Some(format!("does not listen for the restart it asked for: {error}"));
                }
            }
            Ok(None) => break None,
            Err(error) => break Some(error.to_string()),
        }
    };
    let broken = broken.or_else(|| ending(&mut process, &told));
    if let Some(status) = broker.exited()? {
        told.steps.push(failure("broker", format!("the broker exited: {status}")));
    }
    close(&mut told, plot.steps, broken);
    told.took = started.elapsed();
    Ok(told)
}

/// What is wrong with how the program ended, if anything is.
fn ending(process: &mut Process, told: &Told) -> Option<String> {
    match process.wait(EXIT_LIMIT) {
        Ok(status) if status.success() || told.failed() => None,
        Ok(status) => Some(format!("the program ended with {status}")),
        Err(error) => Some(error.to_string()),
    }
}

/// Holds the story against the list of steps: what was not reported has failed.
fn close(told: &mut Told, steps: &[&str], broken: Option<String>) {
    let absent = steps.iter().filter(|name| !told.steps.iter().any(|step| step.step == **name));
    let absent: Vec<Step> = absent.map(|name| failure(name, "not reported".to_owned())).collect();
    told.steps.extend(absent);
    for step in &mut told.steps {
        if step.step != "broker" && !steps.contains(&step.step.as_str()) {
            step.status = Status::Fail;
            step.detail = format!("no such step; {}", step.detail);
        }
    }
    told.steps.extend(broken.map(|reason| failure("program", reason)));
}

fn failure(step: &str, detail: String) -> Step {
    Step { step: step.to_owned(), status: Status::Fail, detail }
}

/// The next line, `None` at the end.
fn next(lines: &Receiver<String>, deadline: Instant) -> Result<Option<Line>> {
    match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        Ok(text) => {
            Ok(Some(serde_json::from_str(&text).with_context(|| format!("`{text}` is not a line of the story"))?))
        }
        Err(RecvTimeoutError::Timeout) => bail!("the program still runs after {STORY_LIMIT:?}"),
        Err(RecvTimeoutError::Disconnected) => Ok(None),
    }
}

fn lines(stdout: ChildStdout) -> Result<Receiver<String>> {
    let (sender, receiver) = sync_channel(LINES_IN_FLIGHT);
    thread::Builder::new().name("story".to_owned()).spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    })?;
    Ok(receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[&str]) -> Told {
        let steps = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        Told { version: "1".to_owned(), steps, took: Duration::ZERO, total: STEPS.len() }
    }

    #[test]
    fn a_step_that_is_not_reported_has_failed() {
        let mut told = told(&[r#"{"step":"create_topic","status":"pass"}"#]);
        close(&mut told, &STEPS, None);
        assert_eq!(told.count(Status::Pass), 1);
        assert_eq!(told.count(Status::Fail), STEPS.len() - 1);
    }

    #[test]
    fn an_unknown_step_cannot_pass() {
        let mut told = told(&[r#"{"step":"make_coffee","status":"pass"}"#]);
        close(&mut told, &STEPS, None);
        assert_eq!(told.count(Status::Pass), 0);
    }

    #[test]
    fn a_program_that_breaks_off_has_failed() {
        let steps: Vec<String> =
            STEPS.iter().map(|step| format!(r#"{{"step":"{step}","status":"n/a","detail":"why"}}"#)).collect();
        let mut told = told(&steps.iter().map(String::as_str).collect::<Vec<_>>());
        close(&mut told, &STEPS, None);
        assert!(!told.failed());
        close(&mut told, &STEPS, Some("it ended with exit status 1".to_owned()));
        assert!(told.failed());
    }
}
