//! Opening: checkpoint, files, journal, in this order.
//!
//! Nothing that the journal replays needs to be synced again before the store serves: it goes the way of fresh
//! batches, from memory to its segment, and the journal keeps it until the next checkpoint.

use super::{
    Recovery, StoreConfig, StoreError, StoreParts,
    appender::{Appender, new_log},
    checkpoint::{self, Checkpoint, LogEntry},
    direct,
    shared::Shared,
    stranded::{self, Stranded},
    syncer::SyncerCommand,
    writer::{Writer, new_checkpoint},
};
use crate::{
    cluster::{Change, ClusterImage, Consequence, codec},
    log::Log,
};
use levada_log::{
    Disk, DiskError,
    journal::{Entry, Journal, JournalConfig, JournalPosition},
    partition::{self, EpochTable, LogCheckpoint, OpenError, PartitionLog, ProducerTable, RecoverMode, SegmentMark},
};
use levada_model::{
    LogId, NO_TIMESTAMP, Offset, PartitionIndex, TopicId, TopicName, Uuid,
    batch::{Batch, BatchHeader},
    reader::Reader,
    record::StoredBatch,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
    sync::{Arc, atomic::Ordering},
};

/// A store whose threads have not been started.
pub(crate) struct Opened {
    pub(crate) shared: Arc<Shared>,
    pub(crate) appender: Appender,
    pub(crate) writer: Writer,
    pub(crate) recovery: Recovery,
}

pub(crate) fn open(config: StoreConfig, parts: StoreParts) -> Result<Opened, StoreError> {
    let lock = prepare_dir(&*parts.disk, &config.data_dir)?;
    let found = checkpoint::read(&*parts.disk, &config.data_dir)?;
    let first_start = found.is_none();
    let before = match found {
        Some(checkpoint) => checkpoint,
        None => first_checkpoint(&parts, &config)?,
    };
    let journal_config = JournalConfig {
        file_size: config.journal_file_size,
        files_max: config.journal_files_max,
        key: parts.rng.next_u64(),
    };
    let from = JournalPosition(before.journal_position);
    let journal_dir = config.data_dir.join("journal");
    let (journal, replay) = Journal::open(Arc::clone(&parts.disk), &journal_dir, from, journal_config)?;
    let summary = replay.summary();

    let image = ClusterImage::empty(before.cluster_id, before.node_id);
    let shared = Shared::new(config, parts, image, before.journal_position, lock);
    let mut recovering = Recovering::new(&shared, &before, replay.placed().clone());
    recovering.open_logs(&before)?;
    let mut batches = 0;
    for item in replay {
        let (_, entry) = item?;
        batches += u64::from(matches!(entry, Entry::Batch { .. }));
        recovering.replay(entry)?;
    }
    recovering.clear_places()?;
    recovering.settle_stranded()?;
    recovering.finish();
    recovering.remove_leftovers();
    let Recovering { image, writer, quarantined, .. } = recovering;
    shared.published.store(journal.durable_position().0, Ordering::Release);
    let started = new_checkpoint(&image, before.journal_position, before.logs, false);
    shared.image.store(Arc::new(image));
    shared.begin_reserve();
    write_checkpoint(&shared, &started)?;
    let recovery = Recovery {
        clean: before.clean && !first_start,
        first_start,
        frames: summary.frames,
        batches,
        torn_bytes: summary.torn_bytes,
        quarantined,
    };
    let appender = Appender::new(Arc::clone(&shared), journal);
    Ok(Opened { shared, appender, writer, recovery })
}

fn prepare_dir(disk: &dyn Disk, data_dir: &Path) -> Result<Box<dyn Send + Sync>, StoreError> {
    let error = |action, path: &Path| {
        let path = path.to_owned();
        move |source| StoreError::Io { action, path, source }
    };
    let logs = data_dir.join("logs");
    disk.create_dir_all(&logs).map_err(error("create directory", &logs))?;
    // A life that was cut short may have left names that only memory has: what is seen from now on stays.
    disk.sync_dir(&logs).map_err(error("sync directory", &logs))?;
    disk.sync_dir(data_dir).map_err(error("sync directory", data_dir))?;
    if let Some(parent) = data_dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        disk.sync_dir(parent).map_err(error("sync directory", parent))?;
    }
    lock_dir(disk, data_dir)
}

/// Keeps other processes away from the directory.
pub(super) fn lock_dir(disk: &dyn Disk, data_dir: &Path) -> Result<Box<dyn Send + Sync>, StoreError> {
    let lock = data_dir.join("lock");
    disk.lock(&lock).map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => StoreError::InUse { path: data_dir.to_owned() },
        _ => StoreError::Io { action: "lock", path: lock, source },
    })
}

/// The checkpoint of a store that begins: made durable before the journal is, so that a journal without a
/// checkpoint is known for what it is, a loss.
fn first_checkpoint(parts: &StoreParts, config: &StoreConfig) -> Result<Checkpoint, StoreError> {
    let journal_dir = config.data_dir.join("journal");
    if parts.disk.exists(&journal_dir) {
        let path = checkpoint::path(&config.data_dir);
        let reason = "it is missing, though there is a journal; put it back, or start on an empty directory".to_owned();
        return Err(StoreError::Checkpoint { path, reason });
    }
    let image = ClusterImage::empty(Uuid::random(&*parts.rng), config.node_id);
    let first = new_checkpoint(&image, 1, Vec::new(), false);
    let path = checkpoint::path(&config.data_dir);
    checkpoint::write(&*parts.disk, &config.data_dir, &first).map_err(|source| StoreError::Io {
        action: "write",
        path,
        source,
    })?;
    Ok(first)
}

fn write_checkpoint(shared: &Shared, checkpoint: &Checkpoint) -> Result<(), StoreError> {
    let data_dir = &shared.config.data_dir;
    shared.write_checkpoint(checkpoint).map_err(|source| StoreError::Io {
        action: "write",
        path: checkpoint::path(data_dir),
        source,
    })
}

/// Why a log could not be opened.
enum Trouble {
    /// Its files are not what they were: it is quarantined, the others are served.
    Damage(String),
    /// The disk failed: nothing is known to be wrong with the files, and a later start may succeed.
    Disk(StoreError),
}

impl From<OpenError> for Trouble {
    fn from(error: OpenError) -> Self {
        match error {
            // What is not there may be of a topic that the journal goes on to delete.
            OpenError::Disk(DiskError { action, path, source }) if source.kind() != io::ErrorKind::NotFound => {
                Self::Disk(StoreError::Io { action, path, source })
            }
            OpenError::Disk(_)
            | OpenError::Config(_)
            | OpenError::Corrupt(_)
            | OpenError::Producers(_)
            | OpenError::WrongTopic { .. } => Self::Damage(error.to_string()),
        }
    }
}

fn stranded_error(data_dir: &Path, id: LogId, source: io::Error) -> StoreError {
    let path = stranded::path_of(data_dir, id);
    StoreError::Io { action: "keep batches of a quarantined partition in", path, source }
}

struct Recovering<'a> {
    shared: &'a Arc<Shared>,
    image: ClusterImage,
    /// Under which this life appends.
    leader_epoch: i32,
    writer: Writer,
    quarantined: Vec<(String, String)>,
    clean: bool,
    /// Logs in whose place stands the directory of another topic, of one that the journal goes on to create, perhaps.
    displaced: Vec<Arc<Log>>,
    /// How far logs are durable in their segments, as the journal says.
    placed: BTreeMap<LogId, Offset>,
    /// Batches of quarantined partitions.
    stranded: Stranded,
}

impl<'a> Recovering<'a> {
    fn new(shared: &'a Arc<Shared>, before: &Checkpoint, placed: BTreeMap<LogId, Offset>) -> Self {
        let epoch = |change: &Change| match change {
            Change::SetLeaderEpoch { epoch } => Some(*epoch),
            _ => None,
        };
        let leader_epoch = before.changes.iter().filter_map(epoch).max().unwrap_or(0) + 1;
        let mut recovering = Self {
            shared,
            image: ClusterImage::clone(&shared.image.load()),
            leader_epoch,
            writer: Writer::new(Arc::clone(shared)),
            quarantined: Vec::new(),
            clean: before.clean,
            displaced: Vec::new(),
            placed,
            stranded: Stranded::default(),
        };
        for change in &before.changes {
            recovering.apply(change);
        }
        recovering.apply(&Change::SetLeaderEpoch { epoch: leader_epoch });
        recovering
    }

    fn apply(&mut self, change: &Change) -> Option<Consequence> {
        let (shared, leader_epoch) = (self.shared, self.leader_epoch);
        let make = |name: &TopicName, id: TopicId, partition: PartitionIndex, configs: &BTreeMap<String, String>| {
            new_log(shared, name, id, partition, shared.settings(name, configs), leader_epoch)
        };
        self.image.apply(change, &make)
    }

    /// Opens the files that the checkpoint names, cut to what it says.
    fn open_logs(&mut self, before: &Checkpoint) -> Result<(), StoreError> {
        for entry in &before.logs {
            let Some(log) = self.log(entry.id) else { continue };
            match self.open_log(&log, entry) {
                Ok(()) => {}
                Err(Trouble::Disk(error)) => return Err(error),
                Err(Trouble::Damage(reason)) => {
                    // The journal may be let go before anybody looks at it.
                    let placed = self.placed_of(entry);
                    self.shared.keep_entry(LogEntry { placed, ..entry.clone() });
                    log.set_quarantined(reason);
                }
            }
        }
        // Those that had no files yet may have got some since.
        let named: BTreeSet<LogId> = before.logs.iter().map(|entry| entry.id).collect();
        let others: Vec<Arc<Log>> = self.image.logs().filter(|log| !named.contains(&log.id())).cloned().collect();
        others.iter().try_for_each(|log| self.adopt_or_discard(log))
    }

    fn log(&self, id: LogId) -> Option<Arc<Log>> {
        self.image.topic_by_id(id.topic)?.log(id.partition).cloned()
    }

    fn open_log(&self, log: &Log, entry: &LogEntry) -> Result<(), Trouble> {
        log.append.lock().lease_ceiling = entry.lease_ceiling;
        if let Some(bytes) = &entry.files {
            let checkpoint = LogCheckpoint::decode(&mut Reader::new(bytes.clone()))
                .map_err(|error| Trouble::Damage(error.to_string()))?;
            let config = direct::log_config(&log.settings());
            let (files, dir) = (&self.shared.files, log.dir().clone());
            let opened = if self.clean {
                PartitionLog::open_clean(files, dir, log.id(), config, &checkpoint)
            } else {
                let placed = self.placed_of(entry).filter(|end| *end > checkpoint.next_offset());
                let mode = match placed {
                    _ if entry.direct => RecoverMode::ScanBeyond,
                    Some(end) => RecoverMode::ScanTo(end),
                    None => RecoverMode::CutAtCheckpoint,
                };
                let recovered = PartitionLog::recover(files, dir, log.id(), config, &checkpoint, mode, &mut |_| {});
                recovered.map(|recovered| recovered.log)
            };
            self.take_files(log, opened?);
        } else if (entry.direct || self.placed_of(entry).is_some()) && !self.is_displaced(log)? {
            self.rebuild(log, self.placed_of(entry))?;
        }
        self.check_placed(log, self.placed_of(entry))?;
        log.advance_log_start(entry.log_start);
        Ok(())
    }

    /// Up to where the journal says that a log is durable in its segments, but for what was given up in a repair.
    fn placed_of(&self, entry: &LogEntry) -> Option<Offset> {
        let placed = self.placed.get(&entry.id).copied().max(entry.placed);
        placed.filter(|end| !entry.repaired || *end > entry.lease_ceiling)
    }

    /// All is there that was placed, unless the directory is another topic's by now: this one was deleted then.
    fn check_placed(&self, log: &Log, placed: Option<Offset>) -> Result<(), Trouble> {
        let Some(end) = placed else { return Ok(()) };
        let found = log.files.lock().as_ref().map_or(0, PartitionLog::next_offset);
        if found >= end || self.is_displaced(log)? {
            return Ok(());
        }
        Err(Trouble::Damage(format!("its segments end at offset {found}, they were synced up to {end}")))
    }

    /// Whether what stands in the place of `log` is of another topic of that name.
    fn is_displaced(&self, log: &Log) -> Result<bool, Trouble> {
        let found = partition::topic_of(&self.shared.files, log.dir());
        Ok(found.map_err(|error| Trouble::from(OpenError::Disk(error)))?.is_some_and(|topic| topic != log.id().topic))
    }

    /// Direct logs, and those where batches were placed, have files of which no checkpoint knows.
    fn rebuild(&self, log: &Log, placed: Option<Offset>) -> Result<(), Trouble> {
        let (disk, dir) = (&self.shared.disk, log.dir());
        if !disk.exists(dir) {
            return Ok(());
        }
        let found = partition::first_segment(&self.shared.files, dir);
        let base = match found.map_err(|error| Trouble::from(OpenError::Disk(error)))? {
            Some(base) if base == 0 || placed.is_some() => base,
            // Created and never filled, or not even that: its names may have been lost on their own.
            _ => return self.discard(log),
        };
        let config = direct::log_config(&log.settings());
        let nothing = LogCheckpoint {
            id: log.id(),
            log_start_offset: 0,
            sealed: Vec::new(),
            active: SegmentMark::empty(base),
            epochs: EpochTable::default(),
            producers: ProducerTable::new(config.producers_max).encode(),
        };
        let placed = placed.filter(|_| !log.append.lock().direct);
        let mode = placed.map_or(RecoverMode::ScanBeyond, RecoverMode::ScanTo);
        let files = &self.shared.files;
        match PartitionLog::recover(files, dir.clone(), log.id(), config, &nothing, mode, &mut |_| {}) {
            Ok(recovered) => {
                self.take_files(log, recovered.log);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn discard(&self, log: &Log) -> Result<(), Trouble> {
        self.shared
            .discard_dir(log.dir(), log.id())
            .map_err(|source| Trouble::Disk(StoreError::Io { action: "move away", path: log.dir().clone(), source }))
    }

    fn take_files(&self, log: &Log, files: PartitionLog) {
        log.start_at(files.reader().log_start_offset(), files.next_offset());
        log.append.lock().producers = files.producers().clone();
        log.start_transactions(&files);
        log.set_reader(files.reader());
        if files.has_leftovers() {
            // They go with a checkpoint, and it may be long until there is another reason for one.
            self.shared.inbox.request_checkpoint(None);
        }
        *log.files.lock() = Some(files);
    }

    fn replay(&mut self, entry: Entry) -> Result<(), StoreError> {
        match entry {
            Entry::Meta { bytes } => {
                let path = self.shared.config.data_dir.join("journal");
                let changes =
                    codec::decode(bytes).map_err(|error| StoreError::Checkpoint { path, reason: error.to_string() })?;
                changes.iter().try_for_each(|change| self.replay_change(change))?;
            }
            Entry::Batch { log, head, body } => self.replay_batch(log, head, &body)?,
            Entry::Unit(parts) => parts.into_iter().try_for_each(|part| self.replay(part))?,
            // Known since before the log was opened.
            Entry::Placed { .. } => {}
            Entry::OffsetLease { log, ceiling } => {
                if let Some(log) = self.log(log) {
                    let mut state = log.append.lock();
                    state.lease_ceiling = state.lease_ceiling.max(ceiling);
                }
            }
        }
        Ok(())
    }

    fn replay_change(&mut self, change: &Change) -> Result<(), StoreError> {
        let known = |image: &ClusterImage, change: &Change| match change {
            Change::CreateTopic { id, .. } | Change::SetPartitions { id, .. } => {
                image.topic_by_id(*id).map_or(0, |topic| topic.logs.len())
            }
            _ => 0,
        };
        let before = known(&self.image, change);
        let consequence = self.apply(change);
        if let Change::CreateTopic { id, .. } | Change::SetPartitions { id, .. } = change {
            let logs = self.image.topic_by_id(*id).map(|topic| topic.logs.clone()).unwrap_or_default();
            logs.iter().skip(before).try_for_each(|log| self.adopt_or_discard(log))?;
        }
        match consequence {
            Some(Consequence::Deleted(logs)) => logs.iter().for_each(|log| self.delete(log)),
            Some(Consequence::Configured(logs, configs)) => {
                for log in logs {
                    log.set_settings(self.shared.settings(log.topic(), &configs));
                }
            }
            Some(Consequence::Started(log, offset)) => log.advance_log_start(offset),
            None => {}
        }
        Ok(())
    }

    /// A log of which the checkpoint does not know: its directory is its own, from before the crash, or was left by
    /// a deleted topic of that name.
    fn adopt_or_discard(&mut self, log: &Arc<Log>) -> Result<(), StoreError> {
        let result = match self.is_displaced(log) {
            Ok(true) => {
                self.displaced.push(Arc::clone(log));
                Ok(())
            }
            Ok(false) if log.append.lock().direct || self.placed.contains_key(&log.id()) => {
                let placed = self.placed.get(&log.id()).copied();
                self.rebuild(log, placed).and_then(|()| self.check_placed(log, placed))
            }
            // All that it holds is in the journal.
            Ok(false) if self.shared.disk.exists(log.dir()) => self.discard(log),
            Ok(false) => Ok(()),
            Err(trouble) => Err(trouble),
        };
        match result {
            Ok(()) => Ok(()),
            Err(Trouble::Disk(error)) => Err(error),
            Err(Trouble::Damage(reason)) => {
                let (id, direct) = (log.id(), true);
                let placed = self.placed.get(&id).copied();
                let (lease_ceiling, log_start, files, repaired) = (0, 0, None, false);
                self.shared.keep_entry(LogEntry { id, direct, lease_ceiling, log_start, files, placed, repaired });
                log.set_quarantined(reason);
                Ok(())
            }
        }
    }

    fn delete(&mut self, log: &Arc<Log>) {
        log.close();
        drop(self.writer.forget(log));
        if self.shared.disk.exists(log.dir())
            && !self.is_displaced(log).unwrap_or(true)
            && let Err(error) = self.shared.discard_dir(log.dir(), log.id())
        {
            tracing::warn!(dir = %log.dir().display(), %error, "the directory of a deleted partition stays for now");
        }
    }

    fn replay_batch(&mut self, id: LogId, head: [u8; 16], body: &[u8]) -> Result<(), StoreError> {
        // The topic was deleted later: nobody can ask for the batch.
        let Some(log) = self.log(id) else { return Ok(()) };
        let whole = [&head[..], body].concat();
        let Ok(batch) = Batch::check(whole.into()) else {
            log.set_quarantined("a batch in the journal is damaged".to_owned());
            return Ok(());
        };
        if log.quarantine().is_some() {
            let data_dir = &self.shared.config.data_dir;
            let added = self.stranded.add(&*self.shared.disk, data_dir, id, &batch);
            return added.map_err(|error| stranded_error(data_dir, id, error));
        }
        let header: BatchHeader = *batch.header();
        {
            let mut state = log.append.lock();
            if header.base_offset < state.next_offset {
                return Ok(());
            }
            state.producers.apply(&header, header.base_offset, NO_TIMESTAMP.max(header.max_timestamp));
            state.next_offset = header.next_offset();
        }
        let stored = StoredBatch::new(&batch, header.base_offset, header.partition_leader_epoch);
        let _noted = log.note_transaction(&stored);
        let size = stored.size();
        let newly_dirty = {
            let mut tail = log.tail.lock();
            let newly_dirty = !tail.is_dirty();
            tail.push(stored);
            newly_dirty
        };
        log.advance_high_watermark(header.next_offset());
        self.shared.inbox.count_unflushed(size, usize::MAX);
        if newly_dirty {
            self.writer.add_dirty(vec![log], self.shared.clock.monotonic());
        }
        if self.shared.inbox.unflushed_bytes() >= self.shared.config.flush_bytes {
            self.writer.flush_all();
        }
        Ok(())
    }

    /// What the journal has of quarantined partitions is durable elsewhere before it can be let go.
    fn settle_stranded(&self) -> Result<(), StoreError> {
        let known = self.image.logs().map(|log| log.id()).collect();
        let data_dir = &self.shared.config.data_dir;
        self.stranded.settle(&*self.shared.disk, data_dir, &known).map_err(|source| {
            let path = data_dir.join("quarantine");
            StoreError::Io { action: "keep batches of quarantined partitions in", path, source }
        })
    }

    /// Directories that were taken out of the way before the crash, and not removed yet.
    fn remove_leftovers(&self) {
        let logs = self.shared.config.data_dir.join("logs");
        for entry in self.shared.disk.list(&logs).unwrap_or_default() {
            if entry.is_dir && entry.name.ends_with("-delete") {
                self.shared.syncs.push(SyncerCommand::RemoveDir(logs.join(entry.name)));
            }
        }
    }

    /// All topics are known now: what stands in the place of another is of one that was deleted.
    fn clear_places(&self) -> Result<(), StoreError> {
        for log in self.displaced.iter().filter(|log| !log.is_closed()) {
            match self.is_displaced(log).and_then(|displaced| if displaced { self.discard(log) } else { Ok(()) }) {
                Ok(()) | Err(Trouble::Damage(_)) => {}
                Err(Trouble::Disk(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Offsets that someone may have seen are not given out again; the epoch of this life begins.
    fn finish(&mut self) {
        for log in self.image.logs() {
            let ceiling = {
                let mut state = log.append.lock();
                let ceiling = state.lease_ceiling;
                if ceiling > state.next_offset {
                    state.next_offset = ceiling;
                }
                ceiling
            };
            if ceiling > 0 {
                log.advance_high_watermark(ceiling);
            }
            log.begin_epoch();
            let mut spans = self.shared.spans.lock();
            log.open_transactions().iter().for_each(|open| spans.inherit(open.producer));
            drop(spans);
            // Only now: the journal may have gone on to delete the topic.
            if let Some(reason) = log.quarantine() {
                let name = format!("{}-{}", log.topic(), log.partition());
                tracing::error!(partition = %name, %reason, "partition is quarantined: its files are damaged");
                self.quarantined.push((name, String::clone(&reason)));
            }
        }
    }
}
