//! [`LogFiles`]: what all logs of a store share: the disk, a bound on open files, buffers to read into.

use super::{
    layout::{TMP_SUFFIX, with_suffix},
    segment::Segment,
};
use crate::error::DiskError;
use crate::{
    Disk,
    disk::{DiskFile, OpenMode, read_exact_at},
};
use bytes::Bytes;
use parking_lot::Mutex;
use std::{
    io,
    path::Path,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

/// Sealed segments that are kept open at most, unless [`LogFiles::with_open_max`] says otherwise.
const OPEN_MAX: usize = 512;
/// Room for what lies between an index entry and the batch it leads to.
const SLACK: usize = 64 << 10;
/// Buffers are pooled in these sizes, so many of each: about 14 MiB in all.
const POOL: [(usize, usize); 4] =
    [(SLACK, 16), ((256 << 10) + SLACK, 8), ((1 << 20) + SLACK, 6), ((4 << 20) + SLACK, 1)];

/// The disk, shared by many logs, with a bound on the files and indexes of sealed segments in memory.
#[derive(Debug)]
pub struct LogFiles {
    disk: Arc<dyn Disk>,
    open_max: usize,
    open: Mutex<Vec<Weak<Segment>>>,
    uses: AtomicU64,
    pool: Arc<BufferPool>,
}

impl LogFiles {
    /// All logs on `disk`.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>) -> Arc<Self> {
        Self::with_open_max(disk, OPEN_MAX)
    }

    /// As [`Self::new`], with at most `open_max` sealed segments open at a time.
    #[must_use]
    pub fn with_open_max(disk: Arc<dyn Disk>, open_max: usize) -> Arc<Self> {
        let pool = Arc::default();
        Arc::new(Self { disk, open_max: open_max.max(1), open: Mutex::default(), uses: AtomicU64::new(0), pool })
    }

    /// The disk.
    #[must_use]
    pub fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// The disk, to keep.
    #[must_use]
    pub fn shared_disk(&self) -> Arc<dyn Disk> {
        Arc::clone(&self.disk)
    }

    /// A number that rises with every use of a file.
    pub(crate) fn tick(&self) -> u64 {
        self.uses.fetch_add(1, Ordering::Relaxed)
    }

    /// Notes that `segment` was opened; closes the sealed segment that was not used for longest if there are too many.
    pub(crate) fn opened(&self, segment: &Arc<Segment>) {
        let evicted = {
            let mut open = self.open.lock();
            open.retain(|other| other.upgrade().is_some_and(|other| other.is_open() && !Arc::ptr_eq(&other, segment)));
            open.push(Arc::downgrade(segment));
            if open.len() > self.open_max { oldest(&open) } else { None }
        };
        if let Some(segment) = evicted {
            segment.close();
        }
    }

    /// A buffer of at least `size` bytes; what is in it is of no meaning.
    pub(crate) fn buffer(&self, size: usize) -> Buffer {
        self.pool.take(size)
    }

    pub(crate) fn open(&self, path: &Path, mode: OpenMode) -> Result<Arc<dyn DiskFile>, DiskError> {
        self.disk.open(path, mode).map_err(DiskError::at("open", path))
    }

    /// All bytes of a small file; `None` where it is not there.
    pub(crate) fn read_all(&self, path: &Path, size_max: u64) -> Result<Option<Vec<u8>>, DiskError> {
        let file = match self.disk.open(path, OpenMode::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(DiskError::at("open", path)(error)),
        };
        let size = file.len().map_err(DiskError::at("stat", path))?;
        if size > size_max {
            return Ok(None);
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        read_exact_at(&*file, &mut bytes, 0).map_err(DiskError::at("read", path))?;
        Ok(Some(bytes))
    }

    /// Writes a small file in place. It is the caller's to sync, and its directory, too.
    pub(crate) fn write(&self, path: &Path, bytes: &[u8]) -> Result<Arc<dyn DiskFile>, DiskError> {
        let file = self.open(path, OpenMode::Create)?;
        file.set_len(0).map_err(DiskError::at("truncate", path))?;
        file.write_all_at(bytes, 0).map_err(DiskError::at("write", path))?;
        Ok(file)
    }

    /// Replaces a small file as a whole: `.tmp`, sync, rename. The directory is the caller's to sync.
    pub(crate) fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
        let tmp = with_suffix(path, TMP_SUFFIX);
        let written = self.write(&tmp, bytes).and_then(|file| file.sync_data().map_err(DiskError::at("sync", &tmp)));
        match written {
            Ok(()) => self.disk.rename(&tmp, path).map_err(DiskError::at("rename", path)),
            Err(error) => {
                // It may not be there; if it stays it is overwritten next time.
                drop(self.disk.remove_file(&tmp));
                Err(error)
            }
        }
    }

    pub(crate) fn sync_dir(&self, path: &Path) -> Result<(), DiskError> {
        self.disk.sync_dir(path).map_err(DiskError::at("sync directory", path))
    }
}

fn oldest(open: &[Weak<Segment>]) -> Option<Arc<Segment>> {
    open.iter()
        .filter_map(Weak::upgrade)
        .filter(|segment| segment.may_close())
        .min_by_key(|segment| segment.last_used())
}

/// Buffers that were used before, so that nobody pays for zeros and page faults again.
#[derive(Debug, Default)]
struct BufferPool {
    classes: [Mutex<Vec<Vec<u8>>>; POOL.len()],
}

impl BufferPool {
    fn take(self: &Arc<Self>, size: usize) -> Buffer {
        let class = POOL.iter().position(|&(class_size, _)| size <= class_size);
        let pooled = class.and_then(|class| self.classes.get(class)).and_then(|free| free.lock().pop());
        let full_size = class.and_then(|class| POOL.get(class)).map_or(size, |&(class_size, _)| class_size);
        let bytes = pooled.unwrap_or_else(|| vec![0; full_size]);
        Buffer { bytes, size, class, pool: Arc::clone(self) }
    }
}

/// A buffer on loan; returns to its pool when the last [`Bytes`] of it are dropped.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    size: usize,
    class: Option<usize>,
    pool: Arc<BufferPool>,
}

impl Buffer {
    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        let size = self.size;
        self.bytes.get_mut(..size).unwrap_or_default()
    }

    /// Keeps the first `size` bytes.
    pub(crate) fn truncate(&mut self, size: usize) {
        self.size = self.size.min(size);
    }

    pub(crate) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.size).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let Some(class) = self.class else { return };
        let (Some(free), Some(&(_, count_max))) = (self.pool.classes.get(class), POOL.get(class)) else { return };
        let mut free = free.lock();
        if free.len() < count_max {
            free.push(std::mem::take(&mut self.bytes));
        }
    }
}
