//! The syncer: makes a checkpoint's segments durable, writes the checkpoint, then lets the journal go.
//!
//! It also unlinks what was deleted, because unlinking a large file can take long.

use super::{
    checkpoint::Checkpoint,
    shared::{AppenderCommand, Shared, Stats},
    space::Lack,
};
use crate::{log::Log, ticket::Promise};
use levada_log::{DiskFile, LogReader, disk::OpenMode, partition::DirtyFile};
use levada_model::Offset;
use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::Duration,
};

/// Large files are cut in steps of this size before they are unlinked: unlinking at once stalls the journal.
const UNLINK_STEP: u64 = 32 << 20;

/// A file that goes when a checkpoint is durable.
#[derive(Debug)]
pub(crate) struct Doomed {
    /// Since when.
    pub(crate) since: Duration,
    pub(crate) path: PathBuf,
    /// Somebody waits for it to go.
    pub(crate) is_awaited: bool,
    /// Who still reads it, if that is allowed: it is not cut short then.
    pub(crate) readers: Option<Weak<dyn DiskFile>>,
}

impl Doomed {
    /// Whether it has waited for long enough.
    pub(crate) fn is_due(&self, now: Duration, delay: Duration) -> bool {
        self.is_awaited || now.saturating_sub(self.since) >= delay
    }
}

/// A checkpoint that is durable once its files are.
#[derive(Debug)]
pub(crate) struct CheckpointJob {
    pub(crate) files: Vec<DirtyFile>,
    pub(crate) checkpoint: Checkpoint,
    /// Logs that the checkpoint calls direct, and that are not yet.
    pub(crate) to_be_direct: Vec<Arc<Log>>,
    /// Files that no checkpoint needs after this one.
    pub(crate) doomed: Vec<Doomed>,
    /// Logs whose segments before an offset may be compacted once it is durable: it names them, whole.
    pub(crate) named: Vec<(Arc<LogReader>, Offset)>,
    pub(crate) promises: Vec<Promise<()>>,
}

/// A request to the syncer.
#[derive(Debug)]
pub(crate) enum SyncerCommand {
    Checkpoint(Box<CheckpointJob>),
    RemoveDir(PathBuf),
    Close,
}

pub(crate) struct Syncer {
    shared: Arc<Shared>,
}

impl Syncer {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Serves until it is told to close.
    pub(crate) fn run(self) {
        let mut waiting = VecDeque::new();
        loop {
            self.shared.syncs.drain_into(&mut waiting, None);
            while let Some(command) = waiting.pop_front() {
                match command {
                    SyncerCommand::Checkpoint(job) => {
                        self.checkpoint(*job);
                        self.shared.checkpoint_ended();
                    }
                    SyncerCommand::RemoveDir(path) => self.remove_dir(&path),
                    SyncerCommand::Close => return,
                }
            }
        }
    }

    /// After an error no checkpoint is written any more: files of an earlier job were handed out, and not synced.
    fn checkpoint(&self, job: CheckpointJob) {
        if self.shared.poison().is_some() {
            return;
        }
        if let Err(reason) = self.shared.sync_files(&job.files) {
            self.shared.set_poisoned(reason);
            return;
        }
        match self.shared.write_checkpoint(&job.checkpoint) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                // The old checkpoint stands, and the journal that it needs.
                self.shared.set_lack(Lack::Files);
                self.shared.spare(job.doomed);
                return;
            }
            Err(error) => {
                self.shared.set_poisoned(format!("cannot write the checkpoint: {error}"));
                return;
            }
        }
        Stats::add(&self.shared.stats.checkpoints, 1_u64);
        self.shared.release(job.checkpoint.journal_position);
        if !job.to_be_direct.is_empty() {
            self.shared.appends.push(AppenderCommand::MakeDirect(job.to_be_direct));
        }
        for (log, active_base) in &job.named {
            log.note_checkpoint(*active_base);
        }
        let (awaited, others): (Vec<_>, Vec<_>) = job.doomed.into_iter().partition(|doomed| doomed.is_awaited);
        awaited.iter().for_each(|doomed| self.remove(&doomed.path));
        for promise in job.promises {
            promise.fulfil(());
        }
        for doomed in others {
            if doomed.readers.is_some_and(|readers| readers.strong_count() > 0) {
                self.remove(&doomed.path);
            } else {
                self.unlink(&doomed.path);
            }
        }
    }

    fn remove(&self, path: &Path) {
        if let Err(error) = self.shared.disk.remove_file(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "a replaced file could not be unlinked");
        }
    }

    fn unlink(&self, path: &Path) {
        let cut = || {
            let file = self.shared.disk.open(path, OpenMode::Write)?;
            let mut size = file.len()?;
            while size > UNLINK_STEP {
                size -= UNLINK_STEP;
                file.set_len(size)?;
            }
            self.shared.disk.remove_file(path)
        };
        if let Err(error) = cut()
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "a deleted segment could not be unlinked");
        }
    }

    fn remove_dir(&self, path: &Path) {
        let files = self.shared.disk.list(path).unwrap_or_default();
        for file in files {
            self.unlink(&path.join(file.name));
        }
        if let Err(error) = self.shared.disk.remove_dir_all(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "the directory of a deleted partition could not be removed");
        }
    }
}
