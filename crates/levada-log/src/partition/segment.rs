//! A segment: one `.log` with its indexes, shared by the writer and all readers.
//!
//! Its file is opened, and its indexes are loaded, when they are first needed; those of sealed segments may be
//! dropped again at any time.

use super::{
    error::{Corruption, Defect, ReadError},
    files::LogFiles,
    index::{Entries, IndexBuilder, Indexed, Indexes, Place, relative},
    layout::{FileKind, OFFSET_ENTRY_SIZE, TIME_ENTRY_SIZE, segment_path},
    scan::{Depth, Scan, Stop},
};
use crate::disk::{DiskFile, OpenMode};
use crate::error::DiskError;
use levada_model::{NO_TIMESTAMP, Offset, Timestamp};
use parking_lot::{Mutex, RwLock};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};

/// A segment as it is described to others, and as a checkpoint remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentMark {
    /// Offset of its first record, or of the first that it will get.
    pub base_offset: Offset,
    /// Bytes of its `.log`.
    pub size_bytes: u64,
    /// Offset after its last record.
    pub next_offset: Offset,
    /// Its largest record timestamp, and the last offset of the batch that has it.
    pub max_timestamp: Option<(Timestamp, Offset)>,
    /// When the broker first appended to it; −1: not yet.
    pub first_append_time: Timestamp,
    /// When the broker last appended to it; −1: not yet.
    pub append_time: Timestamp,
}

impl SegmentMark {
    /// A segment without batches.
    #[must_use]
    pub const fn empty(base_offset: Offset) -> Self {
        Self {
            base_offset,
            size_bytes: 0,
            next_offset: base_offset,
            max_timestamp: None,
            first_append_time: NO_TIMESTAMP,
            append_time: NO_TIMESTAMP,
        }
    }

    /// The moment from which retention counts: the largest record timestamp, unless that lies beyond the
    /// broker's own append time, which then counts.
    ///
    /// Producers whose clocks run ahead would otherwise keep segments forever.
    #[must_use]
    pub fn retention_time(&self) -> Timestamp {
        match self.max_timestamp {
            Some((timestamp, _)) if self.append_time >= 0 => timestamp.min(self.append_time),
            Some((timestamp, _)) => timestamp,
            None => self.append_time,
        }
    }
}

/// The times of a segment, which change together.
#[derive(Clone, Copy, Debug)]
struct Times {
    max_timestamp: Option<(Timestamp, Offset)>,
    first_append_time: Timestamp,
    append_time: Timestamp,
}

/// Where its index files stand with the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IndexFiles {
    /// They were written for just this log.
    Trusted,
    /// They may be old, or not there.
    Ignored,
}

#[derive(Debug)]
pub(crate) struct Segment {
    base: Offset,
    path: PathBuf,
    interval_bytes: u32,
    size: AtomicU64,
    next_offset: AtomicI64,
    times: Mutex<Times>,
    indexes: RwLock<Indexes>,
    index_files_trusted: AtomicBool,
    handle: Mutex<Option<Arc<dyn DiskFile>>>,
    last_used: AtomicU64,
    /// Being written, or its indexes are: must stay open.
    pinned: AtomicBool,
}

impl Segment {
    /// A segment of `dir` as `mark` describes it; nothing is opened.
    pub(crate) fn new(dir: &Path, mark: &SegmentMark, interval_bytes: u32, index_files: IndexFiles) -> Arc<Self> {
        let times = Times {
            max_timestamp: mark.max_timestamp,
            first_append_time: mark.first_append_time,
            append_time: mark.append_time,
        };
        Arc::new(Self {
            base: mark.base_offset,
            path: segment_path(dir, mark.base_offset, FileKind::Log),
            interval_bytes,
            size: AtomicU64::new(mark.size_bytes),
            next_offset: AtomicI64::new(mark.next_offset),
            times: Mutex::new(times),
            indexes: RwLock::new(Indexes {
                missing_below: Place { position: mark.size_bytes, offset: mark.next_offset },
                ..Indexes::default()
            }),
            index_files_trusted: AtomicBool::new(index_files == IndexFiles::Trusted),
            handle: Mutex::new(None),
            last_used: AtomicU64::new(0),
            pinned: AtomicBool::new(false),
        })
    }

    pub(crate) const fn base(&self) -> Offset {
        self.base
    }

    /// Bytes of log between two index entries, about.
    pub(crate) const fn interval_bytes(&self) -> u32 {
        self.interval_bytes
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that hold whole batches.
    pub(crate) fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    pub(crate) fn next_offset(&self) -> Offset {
        self.next_offset.load(Ordering::Acquire)
    }

    pub(crate) fn mark(&self) -> SegmentMark {
        let times = *self.times.lock();
        SegmentMark {
            base_offset: self.base,
            size_bytes: self.size(),
            next_offset: self.next_offset(),
            max_timestamp: times.max_timestamp,
            first_append_time: times.first_append_time,
            append_time: times.append_time,
        }
    }

    /// Shows readers what the writer wrote.
    pub(crate) fn publish(&self, mark: &SegmentMark, entries: &[Entries]) {
        if !entries.is_empty() {
            let mut indexes = self.indexes.write();
            entries.iter().for_each(|&entry| indexes.push(entry));
        }
        *self.times.lock() = Times {
            max_timestamp: mark.max_timestamp,
            first_append_time: mark.first_append_time,
            append_time: mark.append_time,
        };
        self.size.store(mark.size_bytes, Ordering::Release);
        self.next_offset.store(mark.next_offset, Ordering::Release);
    }

    /// Keeps it open until [`Self::unpin`].
    pub(crate) fn pin(&self) {
        self.pinned.store(true, Ordering::Release);
    }

    pub(crate) fn unpin(&self) {
        self.pinned.store(false, Ordering::Release);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.handle.lock().is_some()
    }

    pub(crate) fn may_close(&self) -> bool {
        !self.pinned.load(Ordering::Acquire)
    }

    pub(crate) fn last_used(&self) -> u64 {
        self.last_used.load(Ordering::Relaxed)
    }

    /// Drops the file and the indexes from memory.
    pub(crate) fn close(&self) {
        if self.may_close() {
            let missing_below = Place { position: self.size(), offset: self.next_offset() };
            *self.indexes.write() = Indexes { missing_below, ..Indexes::default() };
            *self.handle.lock() = None;
        }
    }

    /// The writer's handle, which readers then share.
    pub(crate) fn adopt(self: &Arc<Self>, file: &Arc<dyn DiskFile>) {
        *self.handle.lock() = Some(Arc::clone(file));
    }

    /// The open file.
    pub(crate) fn file(self: &Arc<Self>, files: &LogFiles) -> Result<Arc<dyn DiskFile>, DiskError> {
        self.last_used.store(files.tick(), Ordering::Relaxed);
        let mut handle = self.handle.lock();
        if let Some(file) = &*handle {
            return Ok(Arc::clone(file));
        }
        let file = files.open(&self.path, OpenMode::Read)?;
        *handle = Some(Arc::clone(&file));
        drop(handle);
        files.opened(self);
        Ok(file)
    }

    /// The file, if it is open.
    pub(crate) fn open_file(&self, files: &LogFiles) -> Option<Arc<dyn DiskFile>> {
        self.last_used.store(files.tick(), Ordering::Relaxed);
        self.handle.lock().clone()
    }

    /// A position at or before the batch that contains `offset`: a hint.
    pub(crate) fn position_for(self: &Arc<Self>, files: &LogFiles, offset: Offset) -> Result<u64, ReadError> {
        if let Some(position) = self.known_position_for(offset) {
            return Ok(position);
        }
        self.load_indexes(files)?;
        Ok(relative(self.base, offset).map_or(0, |relative| self.indexes.read().position_for(relative)))
    }

    /// As [`Self::position_for`], from what is in memory. Readers of the tail need not wait for what lies before it.
    pub(crate) fn known_position_for(&self, offset: Offset) -> Option<u64> {
        let Some(relative) = relative(self.base, offset) else { return Some(0) };
        let indexes = self.indexes.read();
        (offset >= indexes.missing_below.offset).then(|| indexes.position_for(relative))
    }

    /// The start of the last batch between two positions, both included, that the indexes in memory know.
    pub(crate) fn batch_between(&self, from: u64, to: u64) -> Option<u64> {
        self.indexes.read().position_between(from, to)
    }

    /// An offset below which every timestamp is below `timestamp`: a hint.
    pub(crate) fn offset_before(self: &Arc<Self>, files: &LogFiles, timestamp: Timestamp) -> Result<Offset, ReadError> {
        self.load_indexes(files)?;
        let relative = self.indexes.read().offset_before(timestamp).unwrap_or(0);
        Ok(self.base.saturating_add(i64::from(relative)))
    }

    /// Makes the indexes complete in memory: from their files, or by walking the headers.
    pub(crate) fn load_indexes(self: &Arc<Self>, files: &LogFiles) -> Result<(), ReadError> {
        let missing_below = {
            let indexes = self.indexes.read();
            if indexes.is_complete() {
                return Ok(());
            }
            indexes.missing_below
        };
        let older = match self.read_trusted_files(files)? {
            Some(indexes) => indexes,
            None => self.walk(files, missing_below.position)?,
        };
        self.complete_indexes(missing_below, older);
        Ok(())
    }

    /// As [`Self::load_indexes`] where their files can be trusted; elsewhere nothing.
    pub(crate) fn load_index_files(&self, files: &LogFiles) -> Result<(), DiskError> {
        let missing_below = self.indexes.read().missing_below;
        if missing_below.position > 0
            && let Some(older) = self.read_trusted_files(files)?
        {
            self.complete_indexes(missing_below, older);
        }
        Ok(())
    }

    /// Puts what was loaded before what memory has, unless somebody else has done so meanwhile.
    fn complete_indexes(&self, missing_below: Place, older: Indexes) {
        let mut indexes = self.indexes.write();
        if indexes.missing_below == missing_below {
            indexes.prepend(older);
        }
    }

    fn read_trusted_files(&self, files: &LogFiles) -> Result<Option<Indexes>, DiskError> {
        if self.index_files_trusted.load(Ordering::Acquire) { self.read_files(files) } else { Ok(None) }
    }

    fn read_files(&self, files: &LogFiles) -> Result<Option<Indexes>, DiskError> {
        let size = self.size();
        let size_max = size.saturating_add(16 << 20);
        let path = |kind| self.path.with_extension(kind);
        let Some(offsets) = files.read_all(&path("index"), size_max)? else { return Ok(None) };
        let Some(times) = files.read_all(&path("timeindex"), size_max)? else { return Ok(None) };
        if offsets.len() % OFFSET_ENTRY_SIZE != 0 || times.len() % TIME_ENTRY_SIZE != 0 {
            return Ok(None);
        }
        // Written for a log with batches, the time index has its last entry, unless no batch has a timestamp.
        if size > 0 && times.is_empty() && self.times.lock().max_timestamp.is_some() {
            return Ok(None);
        }
        Ok(Indexes::decode(&offsets, &times, size))
    }

    fn walk(self: &Arc<Self>, files: &LogFiles, end: u64) -> Result<Indexes, ReadError> {
        let file = self.file(files)?;
        let mut builder = IndexBuilder::new(self.base, self.interval_bytes);
        let mut indexes = Indexes::default();
        let mut scan = Scan::new(file, &self.path, self.base, Depth::Headers, 0..end, self.base);
        for found in scan.by_ref() {
            let found = match found {
                Ok(found) => found,
                Err(Stop::Disk(error)) => return Err(error.into()),
                Err(Stop::Defect(defect)) => return Err(self.corrupt(scan.position(), scan.expected(), defect).into()),
            };
            if let Some(entries) = builder.note(Indexed::of(found.position, found.size, &found.header)) {
                indexes.push(entries);
            }
        }
        builder.time_entry().into_iter().for_each(|entry| indexes.push_time(entry));
        Ok(indexes)
    }

    /// The bytes of both index files. The indexes must be loaded.
    pub(crate) fn encoded_indexes(&self) -> (Vec<u8>, Vec<u8>) {
        let indexes = self.indexes.read();
        (indexes.encode_offsets(), indexes.encode_times())
    }

    /// Adds the last entry of the time index.
    pub(crate) fn seal(&self, builder: &IndexBuilder) {
        if let Some(entry) = builder.time_entry() {
            self.indexes.write().push_time(entry);
        }
    }

    /// The index files are no longer those of this log: another takes its place.
    pub(crate) fn distrust_index_files(&self) {
        self.index_files_trusted.store(false, Ordering::Release);
    }

    /// The index files are now those of this log.
    pub(crate) fn trust_index_files(&self) {
        self.index_files_trusted.store(true, Ordering::Release);
    }

    pub(crate) const fn corrupt(&self, position: u64, offset_from: Offset, defect: Defect) -> Corruption {
        Corruption { segment_base: self.base, position, offset_from, defect }
    }
}
