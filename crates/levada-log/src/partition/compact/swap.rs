//! Putting a compacted segment in the place of the old ones, so that it can be cut off anywhere.
//!
//! 1. [`PartitionLog::claim`], under the log's lock: the old segments are still there, and stay until it is done.
//! 2. [`Rewritten::commit`], without it: `.cleaned` is synced and becomes `.swap`; then `.replaces`, written and
//!    synced beside, gets its name. Each name is synced before the next step. From here on a start finishes what was
//!    begun: see `settle`.
//! 3. [`PartitionLog::show`], under the lock: the old `.log` files become `.replaced.deleted`, `.swap` becomes `.log`,
//!    readers get the new segment. Those in the middle of an old one have it open, and go on.
//! 4. The next checkpoint names the new segment. Once it is durable, the old files and `.replaces` are unlinked
//!    ([`PartitionLog::take_leftovers`]), and the log may be compacted again ([`is_settled`]).

use super::{Rewritten, manifest::Manifest};
use crate::{
    disk::DiskFile,
    error::DiskError,
    partition::{
        AppendError, LogFiles, LogReader, PartitionLog, aborted,
        inventory::Inventory,
        layout::{
            CLEANED_SUFFIX, FileKind, REPLACED_SUFFIX, SWAP_SUFFIX, Sidecar, TMP_SUFFIX, replaces_path, segment_path,
            with_suffix,
        },
        segment::Segment,
        sync::Work,
    },
};
use bytes::Bytes;
use levada_model::Timestamp;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Weak},
};

/// A file to unlink once a checkpoint taken after this is durable.
#[derive(Clone, Debug)]
pub struct Leftover {
    /// Which.
    pub path: PathBuf,
    /// Whether the log waits for it to go.
    pub is_awaited: bool,
    /// Who has it open still reads it: it must not be cut short before it is unlinked.
    pub readers: Option<Weak<dyn DiskFile>>,
}

impl Leftover {
    pub(in crate::partition) const fn awaited(path: PathBuf) -> Self {
        Self { path, is_awaited: true, readers: None }
    }
}

/// Whether the replacements of an earlier compaction are in a durable checkpoint, and what described them is gone for
/// good. Before that the log is not compacted again.
///
/// # Errors
/// Where the disk fails.
pub fn is_settled(files: &LogFiles, dir: &Path) -> Result<bool, DiskError> {
    if !Inventory::list(files, dir)?.replaces.is_empty() {
        return Ok(false);
    }
    // An unlink that a power cut undoes would leave a description of the past beside a segment of the future.
    files.sync_dir(dir)?;
    Ok(true)
}

impl Rewritten {
    /// Makes the new segment durable under a name that a start understands. Blocks.
    ///
    /// # Errors
    /// What is on disk is not known then: the log takes no more appends before it is opened again.
    pub fn commit(&self) -> Result<(), DiskError> {
        let committed = self.try_commit();
        if let Err(error) = &committed {
            self.log.poison(&error.to_string());
        }
        committed
    }

    fn try_commit(&self) -> Result<(), DiskError> {
        let (files, cleaned, swap) = (&self.log.files, self.path(CLEANED_SUFFIX), self.path(SWAP_SUFFIX));
        self.file.sync_data().map_err(DiskError::at("sync", &cleaned))?;
        if !self.aborted.is_empty() || !self.gone.is_empty() {
            // Right for the old segment, too: what it names beyond is not looked at, what it leaves out has no records.
            let index = segment_path(&self.log.dir, self.new.base(), FileKind::Transactions);
            files.replace(&index, &aborted::encode(self.aborted.iter()))?;
        }
        let replaces = replaces_path(&self.log.dir, self.new.base());
        let tmp = with_suffix(&replaces, TMP_SUFFIX);
        let manifest = Manifest { id: self.log.id, mark: self.new.mark(), end: self.end };
        let file = files.write(&tmp, &manifest.encode())?;
        file.sync_data().map_err(DiskError::at("sync", &tmp))?;
        // Each name is durable before the next: a description without `.swap` says that all is done.
        for (from, to) in [(&cleaned, &swap), (&tmp, &replaces)] {
            files.disk().rename(from, to).map_err(DiskError::at("rename", from))?;
            files.sync_dir(&self.log.dir)?;
        }
        for old in &self.old {
            // Whoever still reads it reads what it was: its name will be another's.
            old.pin();
            old.file(files)?;
            old.distrust_index_files();
        }
        Ok(())
    }
}

impl LogReader {
    fn replace(&self, old: &[Arc<Segment>], new: &Arc<Segment>) {
        let mut segments = self.segments.write();
        let is_old = |segment: &Arc<Segment>| old.iter().any(|old| Arc::ptr_eq(old, segment));
        let at = segments.iter().position(is_old).unwrap_or(0);
        let mut next: Vec<Arc<Segment>> = segments.iter().filter(|segment| !is_old(segment)).cloned().collect();
        next.insert(at, Arc::clone(new));
        *segments = Arc::new(next);
    }
}

impl PartitionLog {
    /// Keeps the old segments of `rewritten` until it is shown or [`Self::unclaim`]ed; false where some are gone.
    #[must_use]
    pub fn claim(&mut self, rewritten: &Rewritten) -> bool {
        let segments = self.shared.snapshot();
        let old = &rewritten.old;
        let is_first = |segment: &Arc<Segment>| old.first().is_some_and(|first| Arc::ptr_eq(first, segment));
        let Some(at) = segments.iter().position(is_first) else { return false };
        let are_there = segments.get(at..at + old.len()).is_some_and(|present| {
            present.iter().zip(old).all(|(present, old)| Arc::ptr_eq(present, old)) && at + old.len() < segments.len()
        });
        if are_there {
            self.replacing = Some(rewritten.new.base());
        }
        are_there
    }

    /// The claim is void.
    pub fn unclaim(&mut self) {
        self.replacing = None;
    }

    /// Shows a committed segment to readers, in the place of the old ones.
    ///
    /// # Errors
    /// The log is poisoned then; readers keep the old segments, and the next start finishes what was begun.
    pub fn show(&mut self, rewritten: Rewritten) -> Result<(), DiskError> {
        self.replacing = None;
        let renamed = self.rename_replaced(&rewritten);
        let mut leftovers = match renamed {
            Ok(leftovers) => leftovers,
            Err(error) => {
                self.shared.poison(&error.to_string());
                return Err(error);
            }
        };
        let Rewritten { old, new, file, producers, gone, .. } = rewritten;
        self.aborted.retain(|entry| !gone.contains(&entry.last_offset));
        new.pin();
        new.adopt(&file);
        self.shared.files.opened(&new);
        self.shared.replace(&old, &new);
        let sidecar = Sidecar { append_time: new.mark().append_time, producers };
        self.dirty.push(Work::Sealed { segment: Arc::clone(&new), sidecar: Bytes::from(sidecar.encode()) });
        self.names_dirty = true;
        self.touched = true;
        leftovers.push(self.awaited(new.base()));
        self.leftovers.append(&mut leftovers);
        Ok(())
    }

    fn rename_replaced(&self, rewritten: &Rewritten) -> Result<Vec<Leftover>, DiskError> {
        let disk = self.shared.files.disk();
        let rename = |from: &Path, to: &Path| disk.rename(from, to).map_err(DiskError::at("rename", from));
        let mut leftovers = Vec::new();
        for old in &rewritten.old {
            let replaced = with_suffix(old.path(), REPLACED_SUFFIX);
            rename(old.path(), &replaced)?;
            let readers = Some(Arc::downgrade(&old.file(&self.shared.files)?));
            leftovers.push(Leftover { path: replaced, is_awaited: false, readers });
            if old.base() != rewritten.new.base() {
                let beside = FileKind::ALL.into_iter().filter(|kind| *kind != FileKind::Log);
                leftovers.extend(beside.map(|kind| Leftover {
                    path: segment_path(&self.shared.dir, old.base(), kind),
                    is_awaited: false,
                    readers: None,
                }));
            }
        }
        rename(&rewritten.path(SWAP_SUFFIX), rewritten.new.path())?;
        Ok(leftovers)
    }

    /// What describes the segment at `base`, which goes with the next checkpoint.
    pub(in crate::partition) fn awaited(&self, base: levada_model::Offset) -> Leftover {
        Leftover::awaited(replaces_path(&self.shared.dir, base))
    }

    /// Whether files wait for a checkpoint to go.
    #[must_use]
    pub const fn has_leftovers(&self) -> bool {
        !self.leftovers.is_empty()
    }

    /// Files that no checkpoint taken from now on needs; unlink them when the next one is durable.
    pub fn take_leftovers(&mut self) -> Vec<Leftover> {
        std::mem::take(&mut self.leftovers)
    }

    /// Begins a new segment where the active one is older than its age allows, whether or not anything is appended:
    /// the active segment is never compacted. Returns whether it did.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn roll_if_due(&mut self, now_ms: Timestamp) -> Result<bool, AppendError> {
        if let Some(reason) = self.shared.poisoned() {
            return Err(AppendError::Poisoned(reason.to_owned()));
        }
        let is_due = self.active.is_old(now_ms, &self.config);
        if is_due {
            self.roll(self.next_offset())?;
        }
        Ok(is_due)
    }
}
