//! `levada log`: a stopped broker's journal and segments as they lie on disk. Works without a broker; only `repair`
//! changes anything.

mod dump;
mod journal;
mod repair;
mod verify;

use anyhow::Context as _;
use clap::Subcommand;
use levada_log::{Disk, LogFiles, disk::RealDisk};
use levada_store::local::Inspection;
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The files of a stopped broker.
#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Check every batch: checksums, offsets, indexes
    #[command(
        after_help = "Ends with an error where something is wrong. After an unclean end the journal holds batches that no
segment has yet; the next start brings them there.

Examples:
  levada log verify --data-dir ./levada-data
  levada log verify orders flights-0 --records"
    )]
    Verify(verify::Verify),
    /// Print the batches of a partition, or its records
    #[command(after_help = "Examples:
  levada log dump flights-0
  levada log dump flights-0 --from-offset 100 --max-batches 5 --records")]
    Dump(dump::Dump),
    /// Cut a damaged partition where the damage begins, so that it is served again
    #[command(
        after_help = "Without --accept-loss it says which offsets would be lost, changes nothing and ends with an error.
What is cut is kept under `repaired` in the data directory.

Example:
  levada log repair orders-0 --data-dir ./levada-data --accept-loss"
    )]
    Repair(repair::Repair),
}

impl LogCommand {
    /// Does what was asked.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Verify(args) => args.run(),
            Self::Dump(args) => args.run(),
            Self::Repair(args) => args.run(),
        }
    }
}

/// Where the files are.
#[derive(Clone, Debug, clap::Args)]
struct DataDir {
    /// The broker's data directory
    #[arg(long, value_name = "DIR", env = "LEVADA_DATA_DIR", default_value = "./levada-data")]
    data_dir: PathBuf,
}

/// A data directory that no broker has open, nor opens while this lives.
struct Offline {
    data_dir: PathBuf,
    logs: PathBuf,
    files: Arc<LogFiles>,
    _lock: Box<dyn Send + Sync>,
}

impl DataDir {
    /// Makes sure that it is one, before anything is made in it.
    fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            RealDisk.exists(&self.data_dir.join("logs")),
            "`{}` is no data directory of levada: it has no `logs`; name one with --data-dir",
            self.data_dir.display()
        );
        Ok(())
    }

    fn open(&self) -> anyhow::Result<Offline> {
        self.check()?;
        let disk = RealDisk;
        let dir = &self.data_dir;
        let logs = dir.join("logs");
        let lock = match disk.lock(&dir.join("lock")) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                anyhow::bail!("`{}` is in use by a running broker; stop it first", dir.display())
            }
            lock => lock.with_context(|| format!("cannot lock `{}`", dir.display()))?,
        };
        Ok(Offline { data_dir: dir.clone(), logs, files: LogFiles::new(Arc::new(disk)), _lock: lock })
    }
}

impl Offline {
    /// Partitions in the order of names; those of `wanted` topics and partitions only, if any. Those that only the
    /// journal knows have no directory yet.
    fn partitions(&self, wanted: &[String], journal: Option<&Inspection>) -> anyhow::Result<Vec<Partition>> {
        let entries =
            self.files.disk().list(&self.logs).with_context(|| format!("cannot list `{}`", self.logs.display()))?;
        let mut partitions: Vec<Partition> = entries
            .into_iter()
            .filter(|entry| entry.is_dir)
            .filter_map(|entry| Partition::named(&self.logs, &entry.name))
            .collect();
        for (topic, (_, count)) in journal.iter().flat_map(|journal| &journal.topics) {
            let names = (0..*count).map(|partition| format!("{topic}-{partition}"));
            let unknown = names.filter(|name| !partitions.iter().any(|partition| partition.name() == *name));
            let unknown: Vec<Partition> = unknown.filter_map(|name| Partition::named(&self.logs, &name)).collect();
            partitions.extend(unknown);
        }
        partitions.sort_by(|left, right| (&left.topic, left.partition).cmp(&(&right.topic, right.partition)));
        if wanted.is_empty() {
            return Ok(partitions);
        }
        if let Some(absent) = wanted.iter().find(|name| !partitions.iter().any(|partition| partition.is_meant_by(name)))
        {
            anyhow::bail!(
                "`{}` has no topic or partition `{absent}`; `levada log verify` lists what is there",
                self.logs.display()
            );
        }
        partitions.retain(|partition| wanted.iter().any(|name| partition.is_meant_by(name)));
        Ok(partitions)
    }
}

/// One partition's directory.
struct Partition {
    topic: String,
    partition: i32,
    dir: PathBuf,
}

impl Partition {
    /// `topic-0`; other names are no partitions (deleted ones have a suffix).
    fn named(logs: &Path, name: &str) -> Option<Self> {
        let (topic, partition) = name.rsplit_once('-')?;
        Some(Self { topic: topic.to_owned(), partition: partition.parse().ok()?, dir: logs.join(name) })
    }

    fn name(&self) -> String {
        format!("{}-{}", self.topic, self.partition)
    }

    fn is_meant_by(&self, name: &str) -> bool {
        name == self.topic || name == self.name()
    }
}

#[cfg(test)]
mod tests;
