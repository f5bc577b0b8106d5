//! strace, attached to a running broker, as the one who makes system calls fail or dawdle.

use std::fs;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::report::Skipped;
use crate::process::Process;

const ATTACH_LIMIT: Duration = Duration::from_secs(5);
const DETACH_LIMIT: Duration = Duration::from_secs(5);
const STOP_LIMIT: Duration = Duration::from_secs(5);
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// So often in a row all threads are seen stopped: strace stops them, too, but for moments.
const LOOKS: u32 = 4;

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
    traced: Pid,
}

impl Strace {
    /// Attaches to all threads of `pid` and does `inject` to each of `calls`, say `error=EIO`.
    pub(super) fn attach(pid: u32, calls: &str, inject: &str) -> Result<Self> {
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "-p", &pid.to_string()]);
        command.args(["-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:{inject}")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let traced = Pid::from_raw(i32::try_from(pid)?).context("process id 0")?;
        let mut strace = Self { process: Process::spawn("strace", &mut command)?, traced };
        let deadline = Instant::now() + ATTACH_LIMIT;
        while !is_traced(pid)? {
            ensure!(strace.process.exited()?.is_none(), "strace cannot attach to process {pid}");
            ensure!(Instant::now() < deadline, "strace did not attach to process {pid} in {ATTACH_LIMIT:?}");
            sleep(LOOK_INTERVAL);
        }
        Ok(strace)
    }

    /// Lets the broker go.
    ///
    /// It is stopped meanwhile: a thread that is let go in the middle of a call that fails would get ENOSYS, which is
    /// how strace keeps the kernel from carrying the call out.
    pub(super) fn detach(mut self) -> Result<()> {
        kill_process(self.traced, Signal::STOP)?;
        let deadline = Instant::now() + STOP_LIMIT;
        let mut looks = 0;
        while looks < LOOKS {
            ensure!(
                Instant::now() < deadline,
                "process {} does not stop in {STOP_LIMIT:?}",
                self.traced.as_raw_nonzero()
            );
            sleep(LOOK_INTERVAL);
            looks = if is_stopped(self.traced)? { looks + 1 } else { 0 };
        }
        self.process.terminate(DETACH_LIMIT)?;
        kill_process(self.traced, Signal::CONT)?;
        Ok(())
    }
}

/// Whether every thread of the process is stopped.
fn is_stopped(pid: Pid) -> Result<bool> {
    for thread in fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero()))? {
        let Ok(stat) = fs::read_to_string(thread?.path().join("stat")) else { continue };
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        if !matches!(state, Some('t' | 'T')) {
            return Ok(false);
        }
    }
    Ok(true)
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
