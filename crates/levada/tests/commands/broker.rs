//! A server process on free ports and a directory of its own, and commands run against it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    thread::sleep,
    time::Duration,
};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_levada");

pub(crate) struct Broker {
    dir: TempDir,
    options: Vec<String>,
    process: Child,
    pub(crate) address: String,
    pub(crate) registry: String,
    pub(crate) sql: String,
}

impl Broker {
    pub(crate) fn start(options: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let [address, registry, sql] = [free_address(), free_address(), free_address()];
        let process = serve(dir.path(), [&address, &registry, &sql], &options);
        Self { dir, options, process, address, registry, sql }
    }

    pub(crate) fn data_dir(&self) -> String {
        self.dir.path().to_str().unwrap().to_owned()
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// On the same address and directory.
    pub(crate) fn start_again(&mut self) {
        self.process = serve(self.dir.path(), [&self.address, &self.registry, &self.sql], &self.options);
    }

    /// SIGTERM, and a clean end.
    pub(crate) fn stop(&mut self) {
        signal(&self.process, "TERM");
        assert!(self.process.wait().unwrap().success());
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(arguments);
        command.env("LEVADA_BOOTSTRAP_SERVER", &self.address);
        command.env("LEVADA_SCHEMA_REGISTRY", format!("http://{}", self.registry));
        command.env("LEVADA_SQL_SERVER", &self.sql);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        succeeded(arguments, &self.command(arguments).output().unwrap())
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let arguments = [arguments, &["--output", "json"]].concat();
        serde_json::from_str(&self.run(&arguments)).unwrap()
    }

    pub(crate) fn fails(&self, arguments: &[&str]) -> String {
        failed(arguments, &self.command(arguments).output().unwrap())
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    }

    /// Runs a command with `input` on its stdin.
    pub(crate) fn feed(&self, arguments: &[&str], input: &[u8]) -> String {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        succeeded(arguments, &child.wait_with_output().unwrap())
    }

    /// As [`Self::feed`], of a command that fails; answers what it said of it.
    pub(crate) fn feed_fails(&self, arguments: &[&str], input: &[u8]) -> String {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        failed(arguments, &child.wait_with_output().unwrap())
    }

    /// Waits until `topic` has at least `count` records.
    pub(crate) fn wait_for_records(&self, topic: &str, count: i64) {
        self.wait_for(&["topic", "describe", topic], |described| {
            let partitions = described[0]["partitions"].as_array().unwrap().iter();
            partitions.map(|partition| partition["end_offset"].as_i64().unwrap()).sum::<i64>() >= count
        });
    }

    /// Waits until what a command shows is as `is_so` says.
    pub(crate) fn wait_for(&self, arguments: &[&str], is_so: impl Fn(&serde_json::Value) -> bool) {
        for _ in 0..300 {
            let output = self.command(&[arguments, &["--output", "json"]].concat()).output().unwrap();
            if serde_json::from_slice(&output.stdout).is_ok_and(|shown| is_so(&shown)) {
                return;
            }
            sleep(Duration::from_millis(100));
        }
        panic!("levada {} does not show what it should after 30 s", arguments.join(" "));
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended already.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Starts a server and waits for its ready line.
fn serve(dir: &Path, [kafka, registry, sql]: [&str; 3], options: &[String]) -> Child {
    let mut command = command(&["serve", "--kafka", kafka, "--http", "127.0.0.1:0", "--registry", registry]);
    command.args(["--sql", sql, "--data-dir"]);
    let mut process = command.arg(dir).args(options).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("levada ready "), "no ready line: `{line}`");
    for (name, address) in [("kafka=", kafka), ("registry=", registry), ("sql=", sql)] {
        assert!(line.split_whitespace().any(|word| word.strip_prefix(name) == Some(address)), "`{line}`");
    }
    process
}

/// A loopback address that nothing listens on now, below the ports that systems hand out by themselves (from 32768 on
/// Linux): a broker that is down for a moment would else lose its port to the local end of some connection.
fn free_address() -> String {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 22_000;
    static TRIED: AtomicU32 = AtomicU32::new(0);
    // Tests beside these begin elsewhere.
    let start = std::process::id().wrapping_mul(64) % COUNT;
    let ports = (0..COUNT).map(|_| FIRST + (start + TRIED.fetch_add(1, Relaxed)) % COUNT);
    let mut addresses = ports.map(|port| format!("127.0.0.1:{port}"));
    addresses.find(|address| TcpListener::bind(address).is_ok()).unwrap()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(arguments).stdin(Stdio::null()).env_remove("LEVADA_CONFIG").env_remove("LEVADA_BOOTSTRAP_SERVER");
    command.env_remove("LEVADA_SCHEMA_REGISTRY").env_remove("LEVADA_SCHEMA_REGISTRY_USER");
    command.env_remove("LEVADA_SCHEMA_REGISTRY_CA").env_remove("LEVADA_SQL_SERVER");
    command
}

pub(crate) fn levada(arguments: &[&str]) -> String {
    succeeded(arguments, &command(arguments).output().unwrap())
}

pub(crate) fn levada_fails(arguments: &[&str]) -> String {
    failed(arguments, &command(arguments).output().unwrap())
}

fn succeeded(arguments: &[&str], output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "levada {}: {errors}", arguments.join(" "));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn failed(arguments: &[&str], output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "levada {}", arguments.join(" "));
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

pub(crate) fn signal(process: &Child, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &process.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Changes one byte in the middle of a partition's first segment.
pub(crate) fn flip_a_byte(data_dir: &str, partition: &str) {
    let path = Path::new(data_dir).join("logs").join(partition).join("00000000000000000000.log");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
}

/// Takes the second half of a partition's first segment away.
pub(crate) fn cut_a_segment(data_dir: &str, partition: &str) {
    let path = Path::new(data_dir).join("logs").join(partition).join("00000000000000000000.log");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
}

/// Every file under `dir`, with its bytes.
pub(crate) fn files_in(dir: &str) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut dirs = vec![std::path::PathBuf::from(dir)];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                found.push((path.clone(), fs::read(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}
