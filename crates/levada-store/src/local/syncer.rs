//! The syncer: makes a checkpoint's segments durable, writes the checkpoint, then lets the journal go.
//!
//! It also unlinks what was deleted, because unlinking a large file can take long.

use super::{
    checkpoint::Checkpoint,
    shared::{AppenderCommand, Shared, Stats},
    space::Lack,
};
use crate::{log::Log, ticket::Promise};
use levada_log::{disk::OpenMode, partition::DirtyFile};
use levada_model::LogId;
use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Large files are cut in steps of this size before they are unlinked: unlinking at once stalls the journal.
const UNLINK_STEP: u64 = 32 << 20;

/// So many logs are synced at a time.
const SYNCED_AT_A_TIME: usize = 8;

/// A checkpoint that is durable once its files are.
#[derive(Debug)]
pub(crate) struct CheckpointJob {
    pub(crate) files: Vec<DirtyFile>,
    pub(crate) checkpoint: Checkpoint,
    /// Logs that the checkpoint calls direct, and that are not yet.
    pub(crate) to_be_direct: Vec<Arc<Log>>,
    /// Files that no checkpoint needs after this one.
    pub(crate) doomed: Vec<PathBuf>,
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
        if let Err(reason) = self.sync_all(&job.files) {
            self.shared.set_poisoned(reason);
            return;
        }
        match self.shared.write_checkpoint(&job.checkpoint) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                // The old checkpoint stands, and the journal that it needs.
                self.shared.set_lack(Lack::Files);
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
        for promise in job.promises {
            promise.fulfil(());
        }
        for path in &job.doomed {
            self.unlink(path);
        }
    }

    /// Syncs the files, those of one log in their order. Of many logs several are synced at a time: the file system
    /// commits its journal once for all that wait.
    fn sync_all(&self, files: &[DirtyFile]) -> Result<(), String> {
        let logs: Vec<&[DirtyFile]> = files.chunk_by(|left, right| Arc::ptr_eq(left.log(), right.log())).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some(files) = logs.get(next.fetch_add(1, Ordering::Relaxed)) {
                self.sync_log(files)?;
            }
            Ok(())
        };
        if logs.len() < SYNCED_AT_A_TIME {
            return work();
        }
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..SYNCED_AT_A_TIME).map(|_| scope.spawn(work)).collect();
            // The scope waits for those that are not joined here.
            threads.into_iter().try_for_each(|thread| {
                thread.join().unwrap_or_else(|_| Err("a thread that synced segments panicked".to_owned()))
            })
        })
    }

    fn sync_log(&self, files: &[DirtyFile]) -> Result<(), String> {
        for file in files {
            match file.sync() {
                Ok(()) => Stats::add(&self.shared.stats.segment_syncs, 1_u64),
                Err(_) if self.is_deleted(file.log().id()) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }

    /// Whether the topic was deleted since its files were handed out: they went out from under us.
    fn is_deleted(&self, id: LogId) -> bool {
        let image = self.shared.image.load();
        let log = image.topic_by_id(id.topic).and_then(|topic| topic.log(id.partition));
        log.is_none_or(|log| log.is_closed())
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
