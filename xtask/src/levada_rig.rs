//! Levada as a rig: builds the binary or takes a given one, serves a data directory on loopback,
//! stops, kills and starts it again on the same addresses. What is asked of it is the caller's.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::process::{Process, append_to, free_port, tail};

const START_LIMIT: Duration = Duration::from_secs(30);
/// How long a process takes to be gone after its last word.
const END_LIMIT: Duration = Duration::from_secs(2);
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Builds the release binary and answers where it is.
pub(crate) fn build() -> Result<PathBuf> {
    build_with(&["--release"])
}

/// Builds the binary with these arguments of `cargo build` and answers where it is.
pub(crate) fn build_with(arguments: &[&str]) -> Result<PathBuf> {
    build_named("levada", &[&["--package", "levada"], arguments].concat())
}

/// Builds what these arguments of `cargo build` ask for, and answers where the binary of this name is.
pub(crate) fn build_named(name: &str, arguments: &[&str]) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--message-format=json-render-diagnostics"])
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "`cargo build {}` failed", arguments.join(" "));
    let messages = String::from_utf8(output.stdout)?;
    let mut executables = messages.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let named = message.get("target")?.get("name")? == name;
        let path = message.get("executable")?.as_str()?;
        named.then(|| PathBuf::from(path))
    });
    executables.next_back().with_context(|| format!("cargo built no executable named `{name}`"))
}

/// What a broker is started with.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The binary.
    pub(crate) binary: PathBuf,
    /// Holds `data/` and `levada.log`.
    pub(crate) data_dir: PathBuf,
    /// Flags beyond `--data-dir`, `--kafka`, `--http`, `--registry`, `--sql` and `--pgwire`.
    pub(crate) flags: Vec<String>,
    /// Environment variables beyond our own.
    pub(crate) variables: Vec<(String, String)>,
}

impl Config {
    /// `binary` on `data_dir` with its defaults.
    pub(crate) fn new(binary: &Path, data_dir: &Path) -> Self {
        Self { binary: binary.to_owned(), data_dir: data_dir.to_owned(), flags: Vec::new(), variables: Vec::new() }
    }
}

/// One running, stopped or killed broker.
#[derive(Debug)]
pub(crate) struct Levada {
    config: Config,
    addresses: Addresses,
    process: Option<Process>,
}

#[derive(Clone, Debug)]
struct Addresses {
    kafka: String,
    http: String,
    /// Older binaries have no schema registry.
    registry: Option<String>,
    /// Nor SQL.
    sql: Option<String>,
    /// Nor PostgreSQL's protocol.
    pgwire: Option<String>,
}

impl Levada {
    /// Starts the broker on free ports and waits until it accepts.
    pub(crate) fn start(config: Config) -> Result<Self> {
        let mut levada = Self::prepare(config)?;
        levada.start_again()?;
        Ok(levada)
    }

    /// A broker that is still to be started, by [`Self::start_again`].
    pub(crate) fn prepare(config: Config) -> Result<Self> {
        fs::create_dir_all(&config.data_dir)?;
        let options = options_of(&config.binary)?;
        let free = || Ok::<_, anyhow::Error>(format!("127.0.0.1:{}", free_port()?));
        let registry = options.contains("--registry").then(free).transpose()?;
        let sql = options.contains("--sql").then(free).transpose()?;
        let pgwire = options.contains("--pgwire").then(free).transpose()?;
        Ok(Self {
            config,
            addresses: Addresses { kafka: free()?, http: free()?, registry, sql, pgwire },
            process: None,
        })
    }

    /// Sets the environment variables of the next start.
    pub(crate) fn set_variables(&mut self, variables: Vec<(String, String)>) {
        self.config.variables = variables;
    }

    /// `host:port` for Kafka clients.
    pub(crate) fn bootstrap(&self) -> String {
        self.addresses.kafka.clone()
    }

    /// `host:port` for clients of the schema registry, where the binary has one.
    pub(crate) fn registry(&self) -> Option<String> {
        self.addresses.registry.clone()
    }

    /// `host:port` for clients of SQL, where the binary has it.
    pub(crate) fn sql(&self) -> Option<String> {
        self.addresses.sql.clone()
    }

    /// `host:port` for clients of PostgreSQL, where the binary serves them.
    pub(crate) fn pgwire(&self) -> Option<String> {
        self.addresses.pgwire.clone()
    }

    /// The process id while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// How the broker exited, or `None` while it runs or after a stop that was asked for.
    pub(crate) fn exited(&mut self) -> Result<Option<ExitStatus>> {
        self.process.as_mut().map_or(Ok(None), Process::exited)
    }

    /// SIGTERM, then waits for a clean shutdown.
    pub(crate) fn stop(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            let status = process.terminate(STOP_LIMIT)?;
            ensure!(status.success(), "levada ended its shutdown with {status}; {}", self.log_tail());
        }
        Ok(())
    }

    /// SIGSTOP: from when this returns the broker answers nobody.
    pub(crate) fn freeze(&mut self) -> Result<()> {
        self.process.as_mut().map_or(Ok(()), Process::freeze)
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), |mut process| process.kill())
    }

    /// Starts a stopped or killed broker on the same addresses and directory; answers how long it
    /// took until it accepted.
    pub(crate) fn start_again(&mut self) -> Result<Duration> {
        let log = append_to(&self.log_file())?;
        let mut command = Command::new(&self.config.binary);
        command.arg("serve").arg("--data-dir").arg(self.config.data_dir.join("data"));
        command.args(["--kafka", &self.addresses.kafka, "--http", &self.addresses.http]);
        if let Some(registry) = &self.addresses.registry {
            command.args(["--registry", registry]);
        }
        if let Some(sql) = &self.addresses.sql {
            command.args(["--sql", sql]);
        }
        if let Some(pgwire) = &self.addresses.pgwire {
            command.args(["--pgwire", pgwire]);
        }
        command.args(&self.config.flags).envs(self.config.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let started = Instant::now();
        let mut process = Process::spawn("levada", &mut command)?;
        let stdout = process.child().stdout.take().context("stdout is not piped")?;
        let Some(line) = ready_line(stdout)? else {
            // It closed its stdout, which it does when it ends, or it has had its time.
            let state = match process.wait(END_LIMIT) {
                Ok(status) => format!("levada exited at start: {status}"),
                Err(_) => format!("levada is not ready after {START_LIMIT:?}"),
            };
            bail!("{state}; {}", self.log_tail());
        };
        let took = started.elapsed();
        self.addresses = parse_ready(&line).with_context(|| format!("`{line}` names no addresses"))?;
        self.process = Some(process);
        Ok(took)
    }

    /// What the broker wrote to stderr.
    pub(crate) fn log_file(&self) -> PathBuf {
        self.config.data_dir.join("levada.log")
    }

    fn log_tail(&self) -> String {
        format!("the end of its log:\n{}", tail(&self.log_file(), 30))
    }
}

/// What a binary says of the options of its server.
fn options_of(binary: &Path) -> Result<String> {
    let help = Command::new(binary).args(["serve", "--help"]).output()?;
    Ok(String::from_utf8_lossy(&help.stdout).into_owned())
}

/// The first line of stdout, or `None` when it ends or stays silent. A thread keeps reading, so that
/// the broker never blocks on a full pipe.
fn ready_line(stdout: ChildStdout) -> Result<Option<String>> {
    let (sender, receiver) = sync_channel(1);
    thread::Builder::new().name("levada stdout".to_owned()).spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // Only the first line is awaited; later ones find the receiver gone.
            drop(sender.try_send(line));
        }
    })?;
    match receiver.recv_timeout(START_LIMIT) {
        Ok(line) => Ok(Some(line)),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(None),
    }
}

/// Reads `levada ready kafka=HOST:PORT http=HOST:PORT …`.
fn parse_ready(line: &str) -> Option<Addresses> {
    let fields = line.strip_prefix("levada ready ")?;
    let field = |name: &str| fields.split(' ').find_map(|field| field.strip_prefix(name)).map(str::to_owned);
    let (registry, sql, pgwire) = (field("registry="), field("sql="), field("pgwire="));
    Some(Addresses { kafka: field("kafka=")?, http: field("http=")?, registry, sql, pgwire })
}

#[cfg(test)]
mod tests {
    use super::parse_ready;

    #[test]
    fn the_ready_line_names_all_addresses() {
        let addresses = parse_ready("levada ready kafka=127.0.0.1:9092 http=127.0.0.1:8080 registry=127.0.0.1:8081");
        let addresses = addresses.unwrap();
        assert_eq!((addresses.kafka.as_str(), addresses.http.as_str()), ("127.0.0.1:9092", "127.0.0.1:8080"));
        assert_eq!(addresses.registry.as_deref(), Some("127.0.0.1:8081"));
        assert_eq!(parse_ready("levada ready kafka=a:1 http=b:2").unwrap().registry, None);
        assert!(parse_ready("levada starting").is_none());
    }
}
