//! strace, attached to a running broker, as the one who makes system calls fail or dawdle.

use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::report::Skipped;
use crate::process::Process;

const ATTACH_LIMIT: Duration = Duration::from_secs(5);
const DETACH_LIMIT: Duration = Duration::from_secs(5);

/// Says so where strace is missing.
pub(super) fn require() -> Result<(), Skipped> {
    match Command::new("strace").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        _ => Err(Skipped::Impossible("strace is missing".to_owned())),
    }
}

/// An attached strace. Dropping it without [`Self::detach`] kills it, which detaches, too.
#[derive(Debug)]
pub(super) struct Strace {
    process: Process,
}

impl Strace {
    /// Attaches to all threads of `pid` and does `inject` to each of `calls`, say `error=EIO`.
    pub(super) fn attach(pid: u32, calls: &str, inject: &str) -> Result<Self> {
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "-p", &pid.to_string()]);
        command.args(["-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:{inject}")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut strace = Self { process: Process::spawn("strace", &mut command)? };
        let deadline = Instant::now() + ATTACH_LIMIT;
        while !is_traced(pid)? {
            ensure!(strace.process.exited()?.is_none(), "strace cannot attach to process {pid}");
            ensure!(Instant::now() < deadline, "strace did not attach to process {pid} in {ATTACH_LIMIT:?}");
            sleep(Duration::from_millis(5));
        }
        Ok(strace)
    }

    /// Lets the broker go.
    pub(super) fn detach(mut self) -> Result<()> {
        self.process.terminate(DETACH_LIMIT)?;
        Ok(())
    }
}

/// Whether every thread of the process is traced.
fn is_traced(pid: u32) -> Result<bool> {
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let Ok(status) = fs::read_to_string(thread?.path().join("status")) else { continue };
        if status.lines().any(|line| line == "TracerPid:\t0") {
            return Ok(false);
        }
    }
    Ok(true)
}
