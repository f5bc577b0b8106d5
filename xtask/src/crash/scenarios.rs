//! The faults. Each hurts the broker for some rounds under load, lets it heal, and hands what the
//! clients saw to the judge.

mod disk_calls;
mod disk_full;
mod kills;
mod power;
mod registrations;
mod syncs;
mod transactions;
mod victim;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use clap::ValueEnum;

use super::report::{Row, Skipped};
use super::workload::Plan;
use crate::broker::Recipe;
use crate::levada_rig::{Config, Levada};
use crate::process::tail;

/// What is done to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Fault {
    /// Ends the process at its k-th disk call, for k = 1, 2, …
    DiskCall,
    /// SIGKILL at random moments
    Kill,
    /// Transactions of many producers, under SIGKILL and ends at disk calls
    Transactions,
    /// Registrations of schemas by many clients, under SIGKILL and ends at disk calls
    Registrations,
    /// Power cuts: what was not synced is gone
    PowerCut,
    /// Power cuts with `durability=os`, which must lose data, or the cut cuts nothing
    PowerCutOs,
    /// Power cuts that keep a random half of the unflushed sectors
    TornSectors,
    /// SIGKILL, a start, and a power cut right after it
    KillThenCut,
    /// A flush fails and loses its writes, which still read back from memory; a restart; a power cut
    LostFlush,
    /// Syncs fail with EIO
    SyncFails,
    /// Syncs take 20 ms longer
    SyncSlow,
    /// Writes fail with ENOSPC for a while
    NoSpace,
    /// A small file system fills up, and space returns
    DiskFull,
}

impl Fault {
    /// Its name on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::DiskCall => "disk-call",
            Self::Kill => "kill",
            Self::Transactions => "transactions",
            Self::Registrations => "registrations",
            Self::PowerCut => "power-cut",
            Self::PowerCutOs => "power-cut-os",
            Self::TornSectors => "torn-sectors",
            Self::KillThenCut => "kill-then-cut",
            Self::LostFlush => "lost-flush",
            Self::SyncFails => "sync-fails",
            Self::SyncSlow => "sync-slow",
            Self::NoSpace => "no-space",
            Self::DiskFull => "disk-full",
        }
    }

    /// Whether it mounts something.
    pub(super) fn needs_root(self) -> bool {
        match self {
            Self::PowerCut
            | Self::PowerCutOs
            | Self::TornSectors
            | Self::KillThenCut
            | Self::LostFlush
            | Self::DiskFull => true,
            Self::DiskCall
            | Self::Kill
            | Self::Transactions
            | Self::Registrations
            | Self::SyncFails
            | Self::SyncSlow
            | Self::NoSpace => false,
        }
    }

    /// Whether it needs tools that not every system packages.
    pub(super) fn needs_nbdkit(self) -> bool {
        matches!(self, Self::TornSectors | Self::LostFlush)
    }

    /// Hurts a fresh broker.
    pub(super) fn run(self, stage: &Stage) -> Result<Row, Skipped> {
        let stage = stage.of(self)?;
        let mut row = match self {
            Self::DiskCall => disk_calls::run(&stage)?,
            Self::Kill => kills::run(&stage)?,
            Self::Transactions => transactions::run(&stage)?,
            Self::Registrations => registrations::run(&stage)?,
            Self::PowerCut => power::cuts(&stage, power::Device::Whole)?,
            Self::PowerCutOs => power::control(&stage)?,
            Self::TornSectors => power::cuts(&stage, power::Device::Torn)?,
            Self::KillThenCut => power::kill_then_cut(&stage)?,
            Self::LostFlush => power::lost_flush(&stage)?,
            Self::SyncFails => syncs::fail(&stage)?,
            Self::SyncSlow => syncs::slow(&stage)?,
            Self::NoSpace => syncs::no_space(&stage)?,
            Self::DiskFull => disk_full::run(&stage)?,
        };
        if !row.problems.is_empty() {
            let log = tail(&stage.folder.join("levada.log"), LOG_LINES);
            row.problems.extend(log.lines().map(|line| format!("levada.log: {}", line.trim())));
        }
        fs::remove_dir_all(&stage.folder).map_err(anyhow::Error::from)?;
        Ok(row)
    }
}

/// Where and with what a fault is played.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) recipe: Recipe,
    /// Holds everything that the fault leaves behind.
    pub(super) folder: PathBuf,
    pub(super) seed: u64,
    pub(super) quick: bool,
}

impl Stage {
    fn of(&self, fault: Fault) -> Result<Self> {
        let folder = self.folder.join(fault.name());
        fs::create_dir_all(&folder)?;
        Ok(Self { folder, ..self.clone() })
    }

    /// `quick` rounds in a quick run, else `full`.
    fn rounds(&self, quick: u64, full: u64) -> u64 {
        if self.quick { quick } else { full }
    }

    /// A Levada, still to be started, that keeps everything in `folder`; its port stays the same.
    fn broker(&self, folder: &Path) -> Result<(Levada, SocketAddr)> {
        self.broker_with(folder, &[])
    }

    /// As [`Self::broker`], with more settings.
    fn broker_with(&self, folder: &Path, settings: &[String]) -> Result<(Levada, SocketAddr)> {
        let Recipe::Levada(binary) = &self.recipe else { bail!("Apache Kafka can only be killed") };
        let settings = SETTINGS.iter().copied().chain(settings.iter().map(String::as_str));
        let flags = settings.flat_map(|setting| ["--set", setting]).map(str::to_owned).collect();
        let levada = Levada::prepare(Config { flags, ..Config::new(binary, folder) })?;
        let address = levada.bootstrap().parse()?;
        Ok((levada, address))
    }

    /// Where the broker of `folder` keeps its data.
    fn data_dir(folder: &Path) -> PathBuf {
        folder.join("data")
    }

    /// The load: small segments, so that they roll.
    fn plan(&self, durability: &str) -> Plan {
        let mut configs = vec![("segment.bytes", SEGMENT_BYTES), ("retention.ms", "-1")];
        if matches!(self.recipe, Recipe::Levada(_)) {
            configs.push(("durability", durability));
        }
        Plan {
            seed: self.seed,
            producers: 3,
            topics: 2,
            partitions: 3,
            configs: configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            requests_max: None,
            record_size_max: RECORD_SIZE_MAX,
            rest: Duration::from_micros(500),
            promises_durability: durability == "fsync",
        }
    }
}

/// How much of a broker's log is shown where it broke a promise.
const LOG_LINES: usize = 12;
const RECORD_SIZE_MAX: u64 = 2_000;
/// A small journal and frequent checkpoints, so that short runs have all of them; and large batches are synced in their
/// segments first.
const SETTINGS: [&str; 4] =
    ["journal-file-size=1MiB", "checkpoint-interval=300ms", "file.delete.delay.ms=200ms", "journal-bypass-min=12KiB"];
/// Kafka's smallest.
const SEGMENT_BYTES: &str = "1048576";
