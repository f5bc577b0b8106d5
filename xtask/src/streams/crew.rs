//! The programs around a topology: the instances of the application, each with a disk of its own, and the feeder.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::input::{self, Record};
use crate::clients::Toolbox;
use crate::process::{Process, append_to, tail};

/// Two, so that a death moves work from one to the other and back.
pub(super) const INSTANCES: usize = 2;
/// What an instance writes where it replaces a thread.
const REPLACED: &str = "a thread is replaced after";
/// How long a portion of the input takes to be sent.
const PORTION_SECONDS: u64 = 3;
const FEED_LIMIT: Duration = Duration::from_secs(120);

/// The instances of one application.
pub(super) struct Crew<'a> {
    toolbox: &'a Toolbox,
    topology: &'static str,
    guarantee: &'a str,
    folder: &'a Path,
    instances: [Option<Process>; INSTANCES],
    /// How many ended without having been killed.
    pub(super) unasked: u64,
}

impl<'a> Crew<'a> {
    pub(super) fn new(
        toolbox: &'a Toolbox,
        topology: &'static str,
        guarantee: &'a str,
        folder: &'a Path,
    ) -> Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { toolbox, topology, guarantee, folder, instances: [const { None }; INSTANCES], unasked: 0 })
    }

    pub(super) fn start(&mut self, number: usize, bootstrap: &str) -> Result<()> {
        let log = append_to(&self.log(number))?;
        // Its store in C++ would otherwise leave a library behind with each death.
        let library = self.folder.join(format!("library-{number}"));
        fs::create_dir_all(&library)?;
        let mut command = self.toolbox.java_streams("Instance")?;
        command.arg(self.topology).env("BOOTSTRAP", bootstrap).env("GUARANTEE", self.guarantee);
        command.env("STATE", self.disk(number)).env("ROCKSDB_SHAREDLIB_DIR", library);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = Process::spawn("an instance", &mut command)?;
        *self.place(number)? = Some(process);
        Ok(())
    }

    pub(super) fn kill(&mut self, number: usize) -> Result<()> {
        self.place(number)?.take().map_or(Ok(()), |mut process| process.kill())
    }

    pub(super) fn kill_all(&mut self) -> Result<()> {
        (0..INSTANCES).try_for_each(|number| self.kill(number))
    }

    /// Removes what a killed instance kept: its stores, how far they are, and its name in transactions.
    pub(super) fn lose_disk(&self, number: usize) -> Result<()> {
        let disk = self.disk(number);
        fs::remove_dir_all(&disk).with_context(|| format!("cannot remove `{}`", disk.display()))
    }

    /// Starts again who ended by itself, and counts it.
    pub(super) fn replace_ended(&mut self, bootstrap: &str) -> Result<()> {
        for number in 0..INSTANCES {
            let ended = self.place(number)?.as_mut().map_or(Ok(None), Process::exited)?;
            if ended.is_some() {
                self.unasked += 1;
                self.start(number, bootstrap)?;
            }
        }
        Ok(())
    }

    /// How many threads of the instances failed and were replaced.
    pub(super) fn replaced_threads(&self) -> Result<usize> {
        let count = |number| {
            let text = fs::read(self.log(number))?;
            Ok(String::from_utf8_lossy(&text).lines().filter(|line| line.starts_with(REPLACED)).count())
        };
        (0..INSTANCES).map(count).sum()
    }

    fn log(&self, number: usize) -> PathBuf {
        self.folder.join(format!("instance-{number}.log"))
    }

    fn place(&mut self, number: usize) -> Result<&mut Option<Process>> {
        self.instances.get_mut(number).context("no such instance")
    }

    fn disk(&self, number: usize) -> PathBuf {
        self.folder.join(format!("state-{number}"))
    }
}

/// The program that sends the input. It is never killed: what it was told is sent must be there once.
pub(super) struct Feeder {
    process: Process,
    log: PathBuf,
}

impl Feeder {
    /// Gets ready to send `records` in so many portions.
    pub(super) fn start(
        crew: &Crew<'_>,
        bootstrap: &str,
        name: &str,
        records: &[Record],
        portions: u64,
    ) -> Result<Self> {
        let (file, log) = (crew.folder.join(name), crew.folder.join(format!("{name}.log")));
        input::write(records, &file)?;
        let output = append_to(&log)?;
        let portion = u64::try_from(records.len())?.div_ceil(portions);
        // One portion alone is nothing that anybody waits to disturb.
        let rate = if portions == 1 { 0 } else { portion / PORTION_SECONDS };
        let mut command = crew.toolbox.java_streams("Feeder")?;
        command.arg(&file).args([portion.to_string(), rate.to_string()]).env("BOOTSTRAP", bootstrap);
        command.stdin(Stdio::piped()).stdout(output.try_clone()?).stderr(output);
        Ok(Self { process: Process::spawn("the feeder", &mut command)?, log })
    }

    /// Has it send the next portion. Where it has ended, [`Self::finish`] says how.
    pub(super) fn feed(&mut self) {
        if let Some(stdin) = self.process.child().stdin.as_mut() {
            drop(writeln!(stdin));
        }
    }

    /// Waits until all is sent and acknowledged.
    pub(super) fn finish(mut self) -> Result<()> {
        let status = self.process.wait(FEED_LIMIT)?;
        ensure!(status.success(), "the feeder failed, {status}; the end of its log:\n{}", tail(&self.log, 20));
        Ok(())
    }
}
