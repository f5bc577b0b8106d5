//! Space on the disk: who lacks it, and the reserve that lets deletions go on when there is none.
//!
//! While space is lacking, batches of clients are refused before anything is tried. Cluster changes and the broker's
//! own batches go on, in the room that the journal keeps for them ([`Spare`]). The reserve is for what frees space:
//! segments go only after a checkpoint without them, and a checkpoint needs room to be written.

use super::{
    checkpoint::{self, Checkpoint},
    shared::Shared,
};
use levada_log::{Disk, disk::OpenMode};
use parking_lot::Mutex;
use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

/// Bytes set aside: a checkpoint of some ten thousand partitions.
const RESERVE_SIZE: u64 = 4 << 20;

/// What there is no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    /// The journal's next file. The appender finds out, and whether there is room again.
    Journal,
    /// Segments and checkpoints. Whoever writes them finds out; the writer, whether there is room again.
    Files,
}

/// Bytes of the journal that must be left by an append, so that others can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spare {
    /// By batches of clients: for the broker's own batches and for cluster changes.
    Broker,
    /// By the broker's own batches, offsets say: for cluster changes, which free space.
    Changes,
    /// By cluster changes: for the frames that the next starts write.
    Starts,
}

impl Spare {
    /// How much that is with journal files of `file_size`. Every frame takes at least 4 KiB.
    pub(crate) const fn bytes(self, file_size: u64) -> u64 {
        match self {
            Self::Broker => file_size / 4,
            Self::Changes => file_size / 16,
            Self::Starts => file_size / 64,
        }
    }
}

/// What is known of the space, and what is set aside.
#[derive(Debug, Default)]
pub(crate) struct Space {
    journal: AtomicBool,
    files: AtomicBool,
    /// Whether the reserve is there.
    reserve: Mutex<bool>,
}

impl Space {
    const fn flag(&self, lack: Lack) -> &AtomicBool {
        match lack {
            Lack::Journal => &self.journal,
            Lack::Files => &self.files,
        }
    }
}

impl Shared {
    /// Whether there is no room for `lack`.
    pub(crate) fn lacks(&self, lack: Lack) -> bool {
        self.space.flag(lack).load(Ordering::Acquire)
    }

    /// Whether batches of clients are refused for want of space.
    pub(crate) fn lacks_space(&self) -> bool {
        self.lacks(Lack::Journal) || self.lacks(Lack::Files)
    }

    /// Remembers, and says once, that there is no room.
    pub(crate) fn set_lack(&self, lack: Lack) {
        let lacked = self.lacks_space();
        self.space.flag(lack).store(true, Ordering::Release);
        if !lacked {
            let data_dir = self.config.data_dir.display();
            tracing::error!(%data_dir, "no space is left: produce requests are refused until there is some; topics and records can be deleted");
        }
    }

    /// There is room again.
    pub(crate) fn end_lack(&self, lack: Lack) {
        if self.space.flag(lack).swap(false, Ordering::AcqRel) && !self.lacks_space() {
            tracing::info!(data_dir = %self.config.data_dir.display(), "there is space again: writes resume");
        }
    }

    /// At the start: sets the reserve aside, or remembers that there is no room for it.
    pub(crate) fn begin_reserve(&self) {
        // A life that was cut short may have left it.
        if self.disk.exists(&self.probe_path()) {
            remove(&*self.disk, &self.probe_path());
        }
        if !self.keep_reserve() {
            self.set_lack(Lack::Files);
        }
    }

    /// Sets the reserve aside, unless it is; false where there is no room for it.
    fn keep_reserve(&self) -> bool {
        let mut kept = self.space.reserve.lock();
        *kept = *kept || allocate(&*self.disk, &self.reserve_path());
        *kept
    }

    /// Gives the reserve up for something that frees space; whether there was one.
    fn release_reserve(&self) -> bool {
        let mut kept = self.space.reserve.lock();
        std::mem::take(&mut *kept) && remove(&*self.disk, &self.reserve_path())
    }

    /// Puts `checkpoint` in the place of the one that is there; gives the reserve up for it: it may be what lets
    /// segments go.
    pub(crate) fn write_checkpoint(&self, checkpoint: &Checkpoint) -> io::Result<()> {
        let write = || checkpoint::write(&*self.disk, &self.config.data_dir, checkpoint);
        match write() {
            Err(error) if error.kind() == io::ErrorKind::StorageFull && self.release_reserve() => {
                self.set_lack(Lack::Files);
                write()
            }
            result => result,
        }
    }

    /// Whether there is as much room again as is set aside, and that set aside as well.
    pub(crate) fn has_room(&self) -> bool {
        let probe = self.probe_path();
        self.keep_reserve() && allocate(&*self.disk, &probe) && remove(&*self.disk, &probe)
    }

    fn probe_path(&self) -> PathBuf {
        self.config.data_dir.join("reserve.probe")
    }

    fn reserve_path(&self) -> PathBuf {
        self.config.data_dir.join("reserve")
    }
}

/// Makes a file of the reserve's size; false where there is no room. Where the disk fails otherwise there is no
/// reserve, and whatever matters will meet the same error.
fn allocate(disk: &dyn Disk, path: &Path) -> bool {
    let allocated = disk.open(path, OpenMode::Create).and_then(|file| {
        file.allocate(RESERVE_SIZE)?;
        file.sync_data()
    });
    match allocated {
        Ok(()) => true,
        Err(error) => {
            remove(disk, path);
            let is_full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
            if !is_full {
                tracing::warn!(path = %path.display(), %error, "no space could be set aside");
            }
            !is_full
        }
    }
}

fn remove(disk: &dyn Disk, path: &Path) -> bool {
    match disk.remove_file(path) {
        Ok(()) => true,
        Err(error) => {
            tracing::debug!(path = %path.display(), %error, "a reserve could not be removed");
            false
        }
    }
}
