//! The load generator: built once into the cache, run once a measurement.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cache::Cache;
use crate::process::{Process, run_logged};

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench/driver/Cargo.toml");
const BUILD_LIMIT: Duration = Duration::from_secs(900);
const RUN_LIMIT: Duration = Duration::from_secs(600);

/// The built program.
#[derive(Debug)]
pub(super) struct Driver {
    binary: PathBuf,
}

impl Driver {
    /// Builds it, librdkafka included, unless that was done before.
    pub(super) fn build(cache: &Cache) -> Result<Self> {
        let folder = cache.folder("bench-driver")?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["build", "--release", "--locked", "--manifest-path", MANIFEST]).env("CARGO_TARGET_DIR", &folder);
        eprintln!("building the load generator");
        run_logged("cargo build", &mut command, &folder.join("build.log"), BUILD_LIMIT)?;
        Ok(Self { binary: folder.join("release/driver") })
    }

    /// Runs one measurement and answers its line of JSON.
    pub(super) fn run(&self, folder: &Path, arguments: &[String]) -> Result<Value> {
        self.spawn(folder, arguments, Stdio::null())?.finish()
    }

    /// Starts a measurement that ends when it is asked for what came of it.
    pub(super) fn start(&self, folder: &Path, arguments: &[String]) -> Result<Running> {
        self.spawn(folder, arguments, Stdio::piped())
    }

    fn spawn(&self, folder: &Path, arguments: &[String], stdin: Stdio) -> Result<Running> {
        fs::create_dir_all(folder)?;
        let (out, log) = (folder.join("driver.json"), folder.join("driver.log"));
        let mut command = Command::new(&self.binary);
        // What failed fits on the last lines of its log.
        command
            .env("RUST_BACKTRACE", "0")
            .args(arguments)
            .stdin(stdin)
            .stdout(fs::File::create(&out)?)
            .stderr(fs::File::create(&log)?);
        let mut process = Process::spawn("the load generator", &mut command)?;
        let stdin = process.child().stdin.take();
        Ok(Running { process, stdin, out, log, name: arguments.join(" ") })
    }
}

/// A measurement under way; it ends with this.
#[derive(Debug)]
pub(super) struct Running {
    process: Process,
    /// Closed, it tells a measurement without an end of its own to end.
    stdin: Option<ChildStdin>,
    out: PathBuf,
    log: PathBuf,
    name: String,
}

impl Running {
    /// Waits for the end and answers the line of JSON.
    pub(super) fn finish(mut self) -> Result<Value> {
        drop(self.stdin.take());
        let status = self.process.wait(RUN_LIMIT)?;
        let tail = crate::process::tail(&self.log, 5);
        ensure!(status.success(), "`driver {}`: {status}\n{tail}", self.name);
        let text = fs::read_to_string(&self.out)?;
        serde_json::from_str(&text).with_context(|| format!("`{text}` is not JSON"))
    }
}

/// A number of the answer.
pub(super) fn number(answer: &Value, name: &str) -> Result<f64> {
    answer.get(name).and_then(Value::as_f64).with_context(|| format!("the load generator answered no `{name}`"))
}
