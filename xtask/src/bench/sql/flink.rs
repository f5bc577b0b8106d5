//! Flink's side: its jars as its Python package brings them, and `clients/java/flink`, a program that runs one query
//! on a cluster within its own process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Files, Outcome, ask, measured};
use crate::cache::Cache;
use crate::kafka_rig::Jars;
use crate::process::run_logged;

/// The release that Levada is compared with.
pub(crate) const VERSION: &str = "2.3.0";
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../clients/java/flink");
const LOGGING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../clients/java/log4j2.properties");
/// By which Flink finds what the program brings.
const SERVICES: [&str; 2] = [
    "META-INF/services/org.apache.flink.table.factories.Factory",
    "META-INF/services/org.apache.flink.metrics.reporter.MetricReporterFactory",
];
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(1_200);
const COMPILE_LIMIT: Duration = Duration::from_secs(300);
/// The heap without any events, and what an event and what is remembered of it may take.
const HEAP_BASE_MB: u64 = 2_048;
const HEAP_EVENTS_PER_MB: u64 = 1_400;
/// Packages of Java that Flink looks into.
const OPENED: [&str; 10] = [
    "java.lang",
    "java.lang.reflect",
    "java.net",
    "java.nio",
    "java.text",
    "java.time",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "sun.nio.ch",
];

/// How aggregations take rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Mode {
    /// One by one, as Flink comes.
    Plain,
    /// Together, those of 100 ms.
    MiniBatch,
}

impl Mode {
    pub(crate) const ALL: [Self; 2] = [Self::Plain, Self::MiniBatch];

    /// As the program and the page have it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::MiniBatch => "mini-batch",
        }
    }
}

/// The heap that it has for so many events.
pub(super) const fn heap_mb(events: u64) -> u64 {
    HEAP_BASE_MB + events / HEAP_EVENTS_PER_MB
}

/// The program with its jars.
pub(crate) struct Flink {
    classpath: String,
    heap_mb: u64,
}

impl Flink {
    /// Downloads the jars and compiles the program, unless the cache has both.
    pub(crate) fn fetch(cache: &Cache, events: u64) -> Result<Self> {
        let package = format!("apache-flink-libraries=={VERSION}");
        let folder = cache.install("flink", &package, |folder| {
            eprintln!("downloading {package}");
            let mut pip = Command::new("python3");
            pip.args(["-m", "pip", "download", &package, "--no-deps", "--no-binary", ":all:", "--dest"]).arg(folder);
            run_logged("pip", &mut pip, &folder.join("pip.log"), DOWNLOAD_LIMIT)?;
            let name = format!("apache_flink_libraries-{VERSION}");
            let archive = folder.join(format!("{name}.tar.gz"));
            let mut tar = Command::new("tar");
            tar.arg("-xzf").arg(&archive).arg("-C").arg(folder);
            tar.args(["--no-same-owner", "--strip-components=2"]).arg(format!("{name}/deps/lib"));
            run_logged("tar", &mut tar, &folder.join("tar.log"), DOWNLOAD_LIMIT)?;
            Ok(fs::remove_file(&archive)?)
        })?;
        let jars = files(&folder.join("lib"), "jar")?;
        let jars: Vec<String> = jars.iter().map(|jar| jar.display().to_string()).collect();
        let classes = compiled(cache, &jars.join(":"))?;
        let classpath = format!("{}:{}", classes.display(), jars.join(":"));
        Ok(Self { classpath, heap_mb: heap_mb(events) })
    }

    /// With what reads and writes topics, too.
    pub(crate) fn with_topics(mut self, cache: &Cache) -> Result<Self> {
        self.classpath = format!("{}:{}", self.classpath, Jars::fetch_flink_connector(cache)?.classpath());
        Ok(self)
    }

    /// Measures a query in both modes.
    pub(super) fn measure(&self, query: &str, rounds: usize, files: &Files) -> Vec<(Mode, Outcome)> {
        let of = |mode| (mode, Outcome::of(measured(rounds, || self.ask(query, mode, files))));
        Mode::ALL.map(of).to_vec()
    }

    /// Runs one of the program's classes.
    pub(crate) fn command(&self, class: &str) -> Command {
        let mut command = Command::new("java");
        command.args([format!("-Xms{}M", self.heap_mb), format!("-Xmx{}M", self.heap_mb)]);
        command.args(OPENED.map(|package| format!("--add-opens=java.base/{package}=ALL-UNNAMED")));
        command.arg(format!("-Dlog4j2.configurationFile={LOGGING}")).args(["-cp", &self.classpath, class]);
        command
    }

    fn ask(&self, query: &str, mode: Mode, files: &Files) -> Result<Value> {
        let checkpoints = files.folder.join("checkpoints");
        if checkpoints.exists() {
            fs::remove_dir_all(&checkpoints)?;
        }
        fs::create_dir_all(&checkpoints)?;
        let mut command = self.command("Nexmark");
        command.arg(&files.events).arg(&files.tables).arg(Files::query(query)).arg(Files::check(query));
        command.arg(&checkpoints).arg(mode.name());
        ask("flink", &mut command, &files.folder)
    }
}

fn compiled(cache: &Cache, jars: &str) -> Result<PathBuf> {
    let sources = files(Path::new(SOURCES), "java")?;
    let services = SERVICES.map(|name| Path::new(SOURCES).join(name));
    let texts = sources.iter().chain(&services).map(fs::read_to_string).collect::<Result<String, _>>()?;
    let folder = cache.install("flink-program", &format!("{VERSION}\n{texts}"), |folder| {
        let classes = folder.join("classes");
        let mut javac = Command::new("javac");
        javac.arg("-d").arg(&classes).args(["-cp", jars]).args(&sources);
        run_logged("javac", &mut javac, &folder.join("javac.log"), COMPILE_LIMIT)?;
        for (name, from) in SERVICES.iter().zip(&services) {
            let to = classes.join(name);
            fs::create_dir_all(to.parent().context("it lies in a folder")?)?;
            fs::copy(from, to)?;
        }
        Ok(())
    })?;
    Ok(folder.join("classes"))
}

/// The files of a folder that end so, sorted.
fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("no folder `{}`", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == ending) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
