//! One partition's log: [`PartitionLog`] writes it, [`LogReader`] reads it beside.
//!
//! Owns the files of one directory in Kafka's formats. The journal before it, acknowledgements, watermarks and
//! when to sync are the store's; see [`PartitionLog::dirty_files`] and [`PartitionLog::checkpoint`].

mod aborted;
mod append;
pub mod checkpoint;
mod close;
pub mod compact;
pub mod config;
pub mod epochs;
pub mod error;
pub mod files;
mod index;
mod inventory;
mod layout;
pub mod place;
pub mod producer;
pub mod reader;
mod recovery;
pub mod repair;
mod retention;
mod scan;
pub mod segment;
mod slice;
mod source;
pub mod sync;
pub mod verify;

pub use aborted::AbortedTransaction;
pub use append::AppendedTo;
pub use checkpoint::LogCheckpoint;
pub use compact::{
    Cleanable, CompactError, CompactLimits, CompactReport, CompactRequest, Compaction, Progress, Rewritten,
    swap::Leftover,
};
pub use config::LogConfig;
pub use epochs::EpochTable;
pub use error::{AppendError, Corruption, Defect, OpenError, ReadError, SyncError};
pub use files::LogFiles;
pub use inventory::{first_segment, topic_of};
pub use layout::parse_metadata;
pub use place::Placement;
pub use producer::{ProducerError, ProducerTable, Verdict};
pub use reader::{AtLeast, LogReader, Read, ReadBatches, TimestampHit};
pub use recovery::{RecoverMode, Recovered};
pub use retention::{Removed, Retention};
pub use segment::SegmentMark;
pub use slice::FileSlice;
pub use sync::DirtyFile;

use crate::{
    disk::{DiskFile, OpenMode},
    error::DiskError,
};
use bytes::Bytes;
use index::IndexBuilder;
use inventory::Inventory;
use layout::{EPOCHS_FILE, FileKind, METADATA_FILE, metadata_text, segment_path};
use levada_model::{LogId, NO_OFFSET, Offset, Timestamp};
use segment::{IndexFiles, Segment};
use std::{collections::BTreeSet, path::PathBuf, sync::Arc};
use sync::Work;

/// Writes one partition's log. One thread owns it.
#[derive(Debug)]
pub struct PartitionLog {
    shared: Arc<LogReader>,
    config: LogConfig,
    active: Active,
    /// The idempotent producers at the end of the log.
    producers: ProducerTable,
    /// Transactions that were aborted, in the order of their markers.
    aborted: Vec<AbortedTransaction>,
    /// Whether the active segment has some that are not beside it yet.
    aborted_dirty: bool,
    /// What waits to be synced, besides the active segment.
    dirty: Vec<Work>,
    /// What was handed out to be synced, oldest first.
    outstanding: Vec<DirtyFile>,
    epochs_dirty: bool,
    /// Whether there are new names in the directory, and whether there are segments among them.
    names_dirty: bool,
    segment_names_dirty: bool,
    /// Base of the segments that a compacted one is about to replace.
    replacing: Option<Offset>,
    /// Files that go when a checkpoint taken from now on is durable.
    leftovers: Vec<Leftover>,
    /// Whether anything changed since it was opened.
    touched: bool,
}

/// The segment that is being written.
#[derive(Debug)]
struct Active {
    segment: Arc<Segment>,
    /// Opened at the first append.
    file: Option<Arc<dyn DiskFile>>,
    mark: SegmentMark,
    builder: IndexBuilder,
    /// The producers at its base, encoded; `None`: as its sidecar has them.
    base_producers: Option<Bytes>,
    /// Bytes written since they were last handed to be synced.
    unsynced_bytes: u64,
}

/// What a log is put together from.
struct Parts {
    dir: PathBuf,
    id: LogId,
    /// The last one is active; there is at least one.
    segments: Vec<Arc<Segment>>,
    start_offset: Offset,
    epochs: EpochTable,
    producers: ProducerTable,
    base_producers: Option<Bytes>,
    aborted: Vec<AbortedTransaction>,
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Data { .. } => "Data",
            Self::Sealed { .. } => "Sealed",
            Self::Beside { .. } => "Beside",
            Self::Epochs { .. } => "Epochs",
            Self::Identity { .. } => "Identity",
            Self::Names => "Names",
            Self::Place => "Place",
        })
    }
}

impl Active {
    fn new(segment: Arc<Segment>, config: &LogConfig, base_producers: Option<Bytes>) -> Self {
        let mark = segment.mark();
        let builder = IndexBuilder::new(mark.base_offset, config.index_interval_bytes).resume(mark.max_timestamp);
        Self { segment, file: None, mark, builder, base_producers, unsynced_bytes: 0 }
    }
}

impl PartitionLog {
    /// Creates an empty log that starts at `start_offset`, durably: directory, identity, first segment. Files of a log
    /// that was there before are removed: one that no checkpoint knows is in the journal, or goes to [`Self::rebuild`].
    ///
    /// # Errors
    /// [`OpenError`]; what was created by then stays.
    pub fn create(
        files: &Arc<LogFiles>,
        dir: PathBuf,
        id: LogId,
        config: LogConfig,
        start_offset: Offset,
    ) -> Result<Self, OpenError> {
        let mut log = Self::create_dirty(files, dir, id, config, start_offset)?;
        let works = std::mem::take(&mut log.dirty).into_iter().chain([Work::Names]);
        works.into_iter().try_for_each(|work| work.run(&log.shared))?;
        log.names_dirty = false;
        log.segment_names_dirty = false;
        Ok(log)
    }

    /// As [`Self::create`], but nothing is durable yet: what that takes is among the dirty files. For a log that can be
    /// made again from elsewhere until a checkpoint names it.
    ///
    /// # Errors
    /// [`OpenError`]; what was created by then stays.
    pub fn create_dirty(
        files: &Arc<LogFiles>,
        dir: PathBuf,
        id: LogId,
        config: LogConfig,
        start_offset: Offset,
    ) -> Result<Self, OpenError> {
        config.validate()?;
        files.disk().create_dir_all(&dir).map_err(DiskError::at("create directory", &dir))?;
        let mut before = Inventory::list(files, &dir)?;
        before.remove_logs(files, &dir, |_| true)?;
        before.abandon_replacements();
        before.tidy(files, &dir, &BTreeSet::new(), NO_OFFSET);
        let epochs = dir.join(EPOCHS_FILE);
        if files.disk().exists(&epochs) {
            files.disk().remove_file(&epochs).map_err(DiskError::at("remove", &epochs))?;
        }
        let identity = files.write(&dir.join(METADATA_FILE), metadata_text(id).as_bytes())?;
        files.open(&segment_path(&dir, start_offset, FileKind::Log), OpenMode::Create)?;
        let mark = SegmentMark::empty(start_offset);
        let segment = Segment::new(&dir, &mark, config.index_interval_bytes, IndexFiles::Ignored);
        let producers = ProducerTable::new(config.producers_max);
        let base_producers = Some(producers.encode());
        let parts = Parts {
            dir,
            id,
            segments: vec![segment],
            start_offset,
            epochs: EpochTable::default(),
            producers,
            base_producers,
            aborted: Vec::new(),
        };
        let mut log = Self::assemble(files, config, parts);
        log.touched = true;
        log.names_dirty = true;
        log.segment_names_dirty = true;
        log.dirty = vec![Work::Identity { file: identity }, Work::Place];
        Ok(log)
    }

    fn assemble(files: &Arc<LogFiles>, config: LogConfig, parts: Parts) -> Self {
        let segment = Arc::clone(parts.segments.last().expect("a log has an active segment"));
        segment.pin();
        let active = Active::new(segment, &config, parts.base_producers);
        let shared = LogReader::new(parts.id, parts.dir, files, parts.segments, parts.start_offset, parts.epochs);
        Self {
            shared,
            config,
            active,
            producers: parts.producers,
            aborted: parts.aborted,
            aborted_dirty: false,
            dirty: Vec::new(),
            outstanding: Vec::new(),
            epochs_dirty: false,
            names_dirty: false,
            segment_names_dirty: false,
            replacing: None,
            leftovers: Vec::new(),
            touched: false,
        }
    }

    /// A handle for those who read.
    #[must_use]
    pub fn reader(&self) -> Arc<LogReader> {
        Arc::clone(&self.shared)
    }

    /// The settings in force.
    #[must_use]
    pub const fn config(&self) -> &LogConfig {
        &self.config
    }

    /// Changes the settings from the next append on.
    ///
    /// # Errors
    /// [`config::LogConfigError`]; nothing changes then.
    pub fn set_config(&mut self, config: LogConfig) -> Result<(), config::LogConfigError> {
        config.validate()?;
        self.config = config;
        Ok(())
    }

    /// Offset after the last record.
    #[must_use]
    pub const fn next_offset(&self) -> Offset {
        self.active.mark.next_offset
    }

    /// Bytes that were written and not yet handed out to be synced.
    #[must_use]
    pub const fn unsynced_bytes(&self) -> u64 {
        self.active.unsynced_bytes
    }

    /// Hands out everything that was written and is not durable, to be synced by any thread, in this order.
    ///
    /// What was handed out before and not synced yet is handed out again: once all of them are, all is durable that
    /// the log holds at this moment.
    pub fn dirty_files(&mut self) -> Vec<DirtyFile> {
        let mut works = std::mem::take(&mut self.dirty);
        works.extend(self.unsynced_data());
        works.extend(self.unsynced_aborted());
        if std::mem::take(&mut self.epochs_dirty) {
            works.push(Work::Epochs { text: self.shared.epochs.read().to_text() });
            self.names_dirty = true;
        }
        if std::mem::take(&mut self.names_dirty) {
            works.push(Work::Names);
            self.segment_names_dirty = false;
        }
        self.hand_out(works);
        self.outstanding.clone()
    }

    /// The aborted transactions whose markers are in the active segment, where there are new ones.
    fn unsynced_aborted(&mut self) -> Option<Work> {
        let base = self.active.mark.base_offset;
        std::mem::take(&mut self.aborted_dirty).then(|| {
            self.names_dirty = true;
            self.aborted_work(base, Offset::MAX)
        })
    }

    fn aborted_work(&self, base: Offset, end: Offset) -> Work {
        let within = self.aborted.iter().filter(|entry| (base..end).contains(&entry.last_offset));
        Work::Beside { base, kind: FileKind::Transactions, bytes: aborted::encode(within) }
    }

    fn unsynced_data(&mut self) -> Option<Work> {
        let bytes = std::mem::take(&mut self.active.unsynced_bytes);
        let file = self.active.file.as_ref().filter(|_| bytes > 0)?;
        Some(Work::Data { file: Arc::clone(file), base: self.active.mark.base_offset, bytes })
    }

    /// How far the log reaches now. Durable once all that was dirty up to now is synced: call
    /// [`Self::dirty_files`] right before.
    #[must_use]
    pub fn checkpoint(&self) -> LogCheckpoint {
        let mut sealed = self.shared.segments();
        sealed.pop();
        LogCheckpoint {
            id: self.shared.id,
            log_start_offset: self.shared.log_start_offset(),
            sealed,
            active: self.active.mark,
            epochs: self.shared.epochs(),
            producers: self.producers.encode(),
        }
    }

    /// The idempotent producers at the end of the log.
    #[must_use]
    pub const fn producers(&self) -> &ProducerTable {
        &self.producers
    }

    /// The transactions that were aborted, in the order of their markers.
    #[must_use]
    pub fn aborted(&self) -> &[AbortedTransaction] {
        &self.aborted
    }

    /// Forgets producers that were last active longer ago than `age_max_ms`; returns how many.
    pub fn expire_producers(&mut self, now_ms: Timestamp, age_max_ms: i64) -> usize {
        self.producers.expire(now_ms, age_max_ms)
    }
}

#[cfg(test)]
mod tests;
