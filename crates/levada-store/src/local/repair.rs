//! Repairing a partition of a stopped store: for `levada log repair`.
//!
//! The log is cut at its first damage, its entry in the checkpoint follows, and what comes next gets offsets beyond
//! all that the log had: no offset that somebody may have seen is given to another record.

use super::{
    StoreError,
    checkpoint::{self, LogEntry},
    inspect::Inspection,
    recovery::lock_dir,
    stranded,
};
use bytes::BytesMut;
use levada_log::{
    Disk, DiskError, LogConfig, LogFiles,
    disk::OpenMode,
    partition::{
        AppendError, LogCheckpoint, OpenError, PartitionLog, SyncError,
        repair::{Rot, cut, find_rot, has_segments},
    },
};
use levada_model::{LogId, Offset, PartitionIndex, reader::Reader, record::StoredBatch};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Why a partition is not repaired.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The store's own files cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such partition, or nothing of it is durable yet.
    #[error("the checkpoint names no files of partition `{0}`: there is nothing to cut")]
    NoFiles(String),
    /// What is wrong is not in the segments.
    #[error("what the checkpoint says of the partition cannot be read: {0}")]
    Entry(String),
    /// What is left does not open.
    #[error("the log does not open after the cut: {0}")]
    Open(#[from] OpenError),
    /// What is left cannot be made durable.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// What starts put beside cannot be appended.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DiskError {
    let path = path.to_owned();
    move |source| DiskError { action, path, source }
}

/// A stopped store, and one of its partitions.
pub struct Repair {
    disk: Arc<dyn Disk>,
    files: Arc<LogFiles>,
    data_dir: PathBuf,
    name: String,
    entry: LogEntry,
    before: LogCheckpoint,
    /// Up to where the journal says that the log is durable in its segments.
    placed_to: Offset,
    _lock: Box<dyn Send + Sync>,
}

impl std::fmt::Debug for Repair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Repair({})", self.name)
    }
}

impl Repair {
    /// Looks at a partition; keeps brokers away from the directory until it is dropped.
    ///
    /// # Errors
    /// [`StoreError::InUse`] where a broker runs, [`RepairError::NoFiles`], [`RepairError::Entry`].
    pub fn open(
        disk: Arc<dyn Disk>,
        data_dir: &Path,
        topic: &str,
        partition: PartitionIndex,
    ) -> Result<Self, RepairError> {
        let name = format!("{topic}-{partition}");
        let lock = lock_dir(&*disk, data_dir)?;
        let no_files = || RepairError::NoFiles(name.clone());
        let inspection = Inspection::open(Arc::clone(&disk), data_dir)?.ok_or_else(no_files)?;
        let known = inspection.topics.iter().find(|(known, _)| known.as_str() == topic);
        let id = known.map(|(_, (id, _))| LogId { topic: *id, partition }).ok_or_else(no_files)?;
        let checkpoint = checkpoint::read(&*disk, data_dir)?.ok_or_else(no_files)?;
        let entry = checkpoint.logs.into_iter().find(|entry| entry.id == id).ok_or_else(no_files)?;
        let bytes = entry.files.clone().ok_or_else(no_files)?;
        let before = LogCheckpoint::decode(&mut Reader::new(bytes));
        let before = before.map_err(|error| RepairError::Entry(error.to_string()))?;
        let files = LogFiles::new(Arc::clone(&disk));
        let placed = inspection.placed.get(&id).copied().max(entry.placed);
        let placed_to = placed.filter(|end| !entry.repaired || *end > entry.lease_ceiling).unwrap_or(0);
        Ok(Self { disk, files, data_dir: data_dir.to_owned(), name, entry, before, placed_to, _lock: lock })
    }

    /// What a repair would cut; `None` where nothing is damaged.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn rot(&self) -> Result<Option<Rot>, RepairError> {
        Ok(find_rot(&self.files, &self.dir(), &self.before, self.placed_to)?)
    }

    /// Cuts the log at `rot` and puts the cut bytes beside; gives the files that hold them.
    ///
    /// # Errors
    /// [`RepairError`]; it can be tried again.
    pub fn cut(&self, rot: &Rot) -> Result<Vec<PathBuf>, RepairError> {
        let dir = self.dir();
        // It names the cut: a second repair keeps its bytes apart.
        let side = self.data_dir.join("repaired").join(format!("{}-at-{}", self.name, rot.at.offset_from));
        let kept = cut(&self.files, &dir, rot, &side)?;
        let (id, config) = (self.entry.id, LogConfig::default());
        let mut log = if has_segments(&self.files, &dir)? {
            PartitionLog::rebuild(&self.files, dir, id, config)?.log
        } else {
            PartitionLog::create(&self.files, dir, id, config, rot.at.offset_from)?
        };
        let stranded = self.bring_back(&mut log)?;
        let after = log.close()?;
        self.write_entry(&after, rot.offset_to.max(after.next_offset()))?;
        if let Some(path) = stranded {
            self.disk.remove_file(&path).map_err(at("remove", &path))?;
        }
        Ok(kept)
    }

    /// Appends what starts put beside while the partition was quarantined; gives the file, which goes once the log is
    /// durable.
    fn bring_back(&self, log: &mut PartitionLog) -> Result<Option<PathBuf>, RepairError> {
        let path = stranded::path_of(&self.data_dir, self.entry.id);
        if !self.disk.exists(&path) {
            return Ok(None);
        }
        let file = self.disk.open(&path, OpenMode::Read).map_err(at("open", &path))?;
        let mut appended = Ok(());
        let read = stranded::read(&*file, &mut |batch| {
            let header = *batch.header();
            if appended.is_ok() && header.base_offset >= log.next_offset() {
                let stored = StoredBatch::new(&batch, header.base_offset, header.partition_leader_epoch);
                appended = log.append(&[stored], header.max_timestamp).map(drop);
            }
        });
        read.map_err(at("read", &path))?;
        appended?;
        Ok(Some(path))
    }

    fn write_entry(&self, after: &LogCheckpoint, end: Offset) -> Result<(), RepairError> {
        let mut bytes = BytesMut::new();
        after.encode(&mut bytes);
        let path = checkpoint::path(&self.data_dir);
        let missing = || StoreError::Checkpoint { path: path.clone(), reason: "it is gone".to_owned() };
        let mut checkpoint = checkpoint::read(&*self.disk, &self.data_dir)?.ok_or_else(missing)?;
        for entry in checkpoint.logs.iter_mut().filter(|entry| entry.id == self.entry.id) {
            entry.files = Some(bytes.clone().freeze());
            entry.lease_ceiling = entry.lease_ceiling.max(end);
            entry.repaired = true;
        }
        checkpoint::write(&*self.disk, &self.data_dir, &checkpoint).map_err(|source| StoreError::Io {
            action: "write",
            path,
            source,
        })?;
        Ok(())
    }

    fn dir(&self) -> PathBuf {
        self.data_dir.join("logs").join(&self.name)
    }
}
