//! Syncing what logs hand out, several of them at a time.

use super::shared::{Shared, Stats};
use levada_log::partition::DirtyFile;
use levada_model::LogId;
use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// So many logs are synced at a time.
const SYNCED_AT_A_TIME: usize = 8;

impl Shared {
    /// Syncs everything. A directory that many new logs share is synced once, after the rest.
    pub(crate) fn sync_files(&self, files: &[DirtyFile]) -> Result<(), String> {
        let (shared, own): (Vec<_>, Vec<_>) = files.iter().partition(|file| file.shared_dir().is_some());
        self.sync_logs(&own)?;
        let dirs: BTreeSet<&Path> = shared.iter().filter_map(|file| file.shared_dir()).collect();
        for dir in dirs {
            let synced = self.disk.sync_dir(dir);
            synced.map_err(|error| format!("cannot sync directory `{}`: {error}", dir.display()))?;
        }
        shared.into_iter().for_each(DirtyFile::settle);
        Ok(())
    }

    /// Syncs the files, those of one log in their order. Of many logs several are synced at a time: the file system
    /// commits its journal once for all that wait.
    fn sync_logs(&self, files: &[&DirtyFile]) -> Result<(), String> {
        let logs: Vec<&[&DirtyFile]> = files.chunk_by(|left, right| Arc::ptr_eq(left.log(), right.log())).collect();
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

    fn sync_log(&self, files: &[&DirtyFile]) -> Result<(), String> {
        for file in files {
            match file.sync() {
                Ok(()) => Stats::add(&self.stats.segment_syncs, 1_u64),
                Err(_) if self.is_deleted(file.log().id()) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }

    /// Whether the topic was deleted since its files were handed out: they went out from under us.
    fn is_deleted(&self, id: LogId) -> bool {
        let image = self.image.load();
        let log = image.topic_by_id(id.topic).and_then(|topic| topic.log(id.partition));
        log.is_none_or(|log| log.is_closed())
    }
}
