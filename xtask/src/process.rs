//! Child processes that cannot outlive the command: bounded waits, signals by process id, and a
//! kill on drop. What is started, and what its output means, is the caller's.

use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

const FREEZE_LIMIT: Duration = Duration::from_secs(5);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// One child process, killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
}

impl Process {
    /// Starts `command`; `name` is what errors call it.
    pub(crate) fn spawn(name: &str, command: &mut Command) -> Result<Self> {
        let child = command.spawn().with_context(|| format!("cannot start {name}: `{command:?}`"))?;
        Ok(Self { name: name.to_owned(), child })
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The child, for its pipes.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// How it exited, or `None` while it runs.
    pub(crate) fn exited(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits for the process to exit by itself.
    ///
    /// # Errors
    /// When it still runs after `limit`.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.exited()? {
                return Ok(status);
            }
            ensure!(Instant::now() < deadline, "{} still runs after {limit:?}", self.name);
            sleep(POLL_INTERVAL);
        }
    }

    /// Sends SIGTERM and waits.
    ///
    /// # Errors
    /// When the process still runs after `grace`; it is killed then.
    pub(crate) fn terminate(&mut self, grace: Duration) -> Result<ExitStatus> {
        if let Some(status) = self.exited()? {
            return Ok(status);
        }
        kill_process(self.pid()?, Signal::TERM)?;
        match self.wait(grace) {
            Ok(status) => Ok(status),
            Err(error) => {
                self.kill()?;
                Err(error.context("it was sent SIGTERM, then killed"))
            }
        }
    }

    /// Sends SIGSTOP: once it took effect, no thread of it runs its own code any more.
    pub(crate) fn freeze(&mut self) -> Result<()> {
        kill_process(self.pid()?, Signal::STOP)?;
        let deadline = Instant::now() + FREEZE_LIMIT;
        while self.has_running_thread()? {
            ensure!(Instant::now() < deadline, "{} does not freeze in {FREEZE_LIMIT:?}", self.name);
        }
        Ok(())
    }

    /// Whether a thread is neither stopped nor waiting for the kernel, from where it comes back stopped.
    fn has_running_thread(&self) -> Result<bool> {
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let Ok(stat) = std::fs::read_to_string(thread?.path().join("stat")) else { continue };
            let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
            if !matches!(state, Some('T' | 'D')) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Sends SIGKILL and reaps.
    pub(crate) fn kill(&mut self) -> Result<()> {
        if self.exited()?.is_none() {
            self.child.kill()?;
            self.child.wait()?;
        }
        Ok(())
    }

    fn pid(&self) -> Result<Pid> {
        let id = i32::try_from(self.child.id())?;
        Pid::from_raw(id).context("process id 0")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("cannot kill {} (process {}): {error}", self.name, self.child.id());
        }
    }
}

/// Runs `command` to its end with its output in `log`, and fails with the end of that log where the
/// command fails.
pub(crate) fn run_logged(name: &str, command: &mut Command, log: &Path, limit: Duration) -> Result<()> {
    let file = File::create(log).with_context(|| format!("cannot create `{}`", log.display()))?;
    command.stdin(std::process::Stdio::null()).stdout(file.try_clone()?).stderr(file);
    let status = Process::spawn(name, command)?.wait(limit)?;
    if !status.success() {
        bail!("{name}: {status}; the end of `{}`:\n{}", log.display(), tail(log, 30));
    }
    Ok(())
}

/// Opens `path` to append a process's output to it.
pub(crate) fn append_to(path: &Path) -> Result<File> {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.with_context(|| format!("cannot open `{}`", path.display()))
}

/// The last `count` lines of a log, for an error message.
pub(crate) fn tail(path: &Path, count: usize) -> String {
    let text = std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(count);
    lines.iter().skip(first).map(|line| format!("  {line}\n")).collect()
}

/// A loopback port that nothing listens on now, below those that systems hand out by themselves (from 32768 on Linux):
/// a broker that is down for a moment would else lose its port to the local end of some connection, even to a client's
/// that tries to reach this very port.
pub(crate) fn free_port() -> Result<u16> {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 22_000;
    static TRIED: AtomicU32 = AtomicU32::new(0);
    // Runs beside this one begin elsewhere.
    let start = std::process::id().wrapping_mul(64) % COUNT;
    for _ in 0..COUNT {
        let port = u16::try_from(FIRST + (start + TRIED.fetch_add(1, Relaxed)) % COUNT)?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port from {FIRST} to {} is free", FIRST + COUNT - 1);
}
