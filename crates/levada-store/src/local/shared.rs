//! What the store's threads share.

use super::{
    Resolve, StoreConfig, StoreError, StoreParts,
    appender::Appender,
    checkpoint::LogEntry,
    cleaner::{Cleaner, CleanerCommand},
    flusher::{Answer, Flusher, FlusherCommand},
    inbox::{Inbox, WriterCommand},
    queue::Queue,
    space::{Lack, Space},
    syncer::{Doomed, Syncer, SyncerCommand},
    writer::Writer,
};
use crate::{
    CommitError, LogSettings,
    append::{AppendOutcome, AppendSet},
    cluster::{Change, ClusterImage},
    cut::spans::Spans,
    log::Log,
    ticket::{Promise, pair},
};
use arc_swap::ArcSwap;
use levada_log::{
    Disk, DiskError,
    partition::{self, LogFiles},
};
use levada_model::{Clock, LogId, Rng, TopicName, record::StoredBatch};
use parking_lot::{Condvar, Mutex};
use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// A request to the appender.
#[derive(Debug)]
pub(crate) enum AppenderCommand {
    Append {
        /// Of entries that were carried out before.
        answer: Answer,
        set: AppendSet,
        promise: Promise<Vec<AppendOutcome>>,
    },
    Commit {
        changes: Vec<Change>,
        promise: Promise<Result<(), CommitError>>,
    },
    /// A checkpoint says that these logs are direct.
    MakeDirect(Vec<Arc<Log>>),
    Close {
        promise: Promise<()>,
    },
}

/// Whether the store takes writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// It does.
    pub writable: bool,
    /// Why not.
    pub reason: Option<String>,
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Rounds of the journal.
    pub journal_rounds: u64,
    /// Bytes of batches journalled.
    pub journal_bytes: u64,
    /// Bytes of batches that were synced in their segments instead.
    pub placed_bytes: u64,
    /// Batches appended.
    pub batches: u64,
    /// Records appended.
    pub records: u64,
    /// Bytes appended.
    pub bytes: u64,
    /// Checkpoints taken.
    pub checkpoints: u64,
    /// Files synced for checkpoints.
    pub segment_syncs: u64,
    /// Nanoseconds spent waiting for syncs of the journal.
    pub journal_sync_nanos: u64,
    /// Partitions compacted, each pass over one counted.
    pub compactions: u64,
    /// Bytes that compaction read.
    pub compaction_read_bytes: u64,
    /// Bytes that compaction wrote.
    pub compaction_written_bytes: u64,
    /// Records that compaction dropped.
    pub compaction_records_dropped: u64,
    /// The largest share of bytes that wait for compaction of any partition, in millionths.
    pub compaction_dirty_ppm: u64,
    /// Partitions that cannot be compacted, or not wholly.
    pub compaction_troubled: u64,
    /// Time since it was last looked what is to be compacted.
    pub compaction_idle: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) journal_rounds: AtomicU64,
    pub(crate) journal_bytes: AtomicU64,
    pub(crate) placed_bytes: AtomicU64,
    pub(crate) batches: AtomicU64,
    pub(crate) records: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) segment_syncs: AtomicU64,
    pub(crate) journal_sync_nanos: AtomicU64,
    pub(crate) compactions: AtomicU64,
    pub(crate) compaction_read_bytes: AtomicU64,
    pub(crate) compaction_written_bytes: AtomicU64,
    pub(crate) compaction_records_dropped: AtomicU64,
    pub(crate) compaction_dirty_ppm: AtomicU64,
    pub(crate) compaction_troubled: AtomicU64,
    /// When the cleaner last looked, in milliseconds of the monotonic clock.
    pub(crate) compaction_looked_ms: AtomicU64,
}

impl Stats {
    pub(crate) fn add(counter: &AtomicU64, count: impl TryInto<u64>) {
        counter.fetch_add(count.try_into().unwrap_or(0), Ordering::Relaxed);
    }

    /// Counts an appended batch.
    pub(crate) fn count(&self, batch: &StoredBatch, records: u64) {
        Self::add(&self.batches, 1_u64);
        Self::add(&self.records, records);
        Self::add(&self.bytes, batch.size());
    }

    pub(crate) fn read(&self, now: Duration) -> StoreStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StoreStats {
            journal_rounds: get(&self.journal_rounds),
            journal_bytes: get(&self.journal_bytes),
            placed_bytes: get(&self.placed_bytes),
            batches: get(&self.batches),
            records: get(&self.records),
            bytes: get(&self.bytes),
            checkpoints: get(&self.checkpoints),
            segment_syncs: get(&self.segment_syncs),
            journal_sync_nanos: get(&self.journal_sync_nanos),
            compactions: get(&self.compactions),
            compaction_read_bytes: get(&self.compaction_read_bytes),
            compaction_written_bytes: get(&self.compaction_written_bytes),
            compaction_records_dropped: get(&self.compaction_records_dropped),
            compaction_dirty_ppm: get(&self.compaction_dirty_ppm),
            compaction_troubled: get(&self.compaction_troubled),
            compaction_idle: now.saturating_sub(Duration::from_millis(get(&self.compaction_looked_ms))),
        }
    }
}

/// Shared by the threads and by every handle.
pub(crate) struct Shared {
    pub(crate) config: StoreConfig,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) files: Arc<LogFiles>,
    pub(crate) clock: Arc<dyn Clock>,
    resolve: Arc<Resolve>,
    pub(crate) image: ArcSwap<ClusterImage>,
    pub(crate) appends: Queue<AppenderCommand>,
    pub(crate) inbox: Inbox,
    pub(crate) syncs: Queue<SyncerCommand>,
    pub(crate) flushes: Queue<FlusherCommand>,
    pub(crate) cleans: Queue<CleanerCommand>,
    /// Bytes of memory tails that were let go because they were compacted; the writer counts what is left.
    pub(crate) forgotten: AtomicUsize,
    /// The cleaner is to stop in the middle of what it does.
    pub(crate) cleaner_ends: AtomicBool,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) stats: Stats,
    /// The journal's last position whose effects are published.
    pub(crate) published: AtomicU64,
    /// Below this position the journal is no longer needed.
    released: Mutex<u64>,
    released_bell: Condvar,
    poison: OnceLock<String>,
    pub(crate) space: Space,
    checkpoint_runs: AtomicBool,
    /// Held while a round with transactions is published.
    pub(crate) spans: Mutex<Spans>,
    /// Bytes that went to segments past the journal since they last asked for a checkpoint.
    direct_bytes: AtomicU64,
    /// Files whose turn to be unlinked did not come: the checkpoint could not be written.
    spared: Mutex<Vec<Doomed>>,
    /// What the checkpoint said of partitions that are quarantined: later ones say it again.
    kept_entries: Mutex<BTreeMap<LogId, LogEntry>>,
    /// Held while the directory of a partition changes hands.
    places: Mutex<()>,
    /// Keeps other processes away from the directory until the store is closed.
    lock: Mutex<Option<Box<dyn Send + Sync>>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.config.data_dir.display())
    }
}

impl Shared {
    pub(crate) fn new(
        config: StoreConfig,
        parts: StoreParts,
        image: ClusterImage,
        released: u64,
        lock: Box<dyn Send + Sync>,
    ) -> Arc<Self> {
        Arc::new(Self {
            config,
            files: LogFiles::new(Arc::clone(&parts.disk)),
            disk: parts.disk,
            clock: parts.clock,
            resolve: parts.resolve,
            image: ArcSwap::from_pointee(image),
            appends: Queue::default(),
            inbox: Inbox::default(),
            syncs: Queue::default(),
            flushes: Queue::default(),
            cleans: Queue::default(),
            forgotten: AtomicUsize::new(0),
            cleaner_ends: AtomicBool::new(false),
            rng: parts.rng,
            stats: Stats::default(),
            published: AtomicU64::new(0),
            released: Mutex::new(released),
            released_bell: Condvar::new(),
            poison: OnceLock::new(),
            space: Space::default(),
            checkpoint_runs: AtomicBool::new(false),
            spans: Mutex::default(),
            direct_bytes: AtomicU64::new(0),
            spared: Mutex::default(),
            kept_entries: Mutex::default(),
            places: Mutex::default(),
            lock: Mutex::new(Some(lock)),
        })
    }

    /// Keeps what a checkpoint says of a partition that is quarantined.
    pub(crate) fn keep_entry(&self, entry: LogEntry) {
        self.kept_entries.lock().insert(entry.id, entry);
    }

    /// What was kept of a partition.
    pub(crate) fn kept_entry(&self, id: LogId) -> Option<LogEntry> {
        self.kept_entries.lock().get(&id).cloned()
    }

    pub(crate) fn settings(&self, topic: &TopicName, configs: &BTreeMap<String, String>) -> LogSettings {
        (self.resolve)(topic, configs)
    }

    /// After an error of the disk that cannot be undone: no write is taken any more.
    pub(crate) fn set_poisoned(&self, reason: String) {
        if self.poison.set(reason).is_ok() {
            let reason = self.poison().unwrap_or_default();
            tracing::error!(%reason, "the disk failed: writes are refused from now on, reads go on");
        }
        self.inbox.set_stuck(true);
        self.released_bell.notify_all();
    }

    pub(crate) fn poison(&self) -> Option<&str> {
        self.poison.get().map(String::as_str)
    }

    pub(crate) fn health(&self) -> Health {
        let reason = match self.poison() {
            Some(reason) => Some(reason.to_owned()),
            None if self.lacks_space() => Some("no space is left in the data directory".to_owned()),
            None => None,
        };
        Health { writable: reason.is_none(), reason }
    }

    /// A checkpoint no longer needs the journal below `position`.
    pub(crate) fn release(&self, position: u64) {
        let mut released = self.released.lock();
        *released = position.max(*released);
        self.released_bell.notify_all();
    }

    pub(crate) fn released(&self) -> u64 {
        *self.released.lock()
    }

    /// Has a checkpoint taken and waits until more than `position` is released; false where that will not come about
    /// soon, or at all: what is not published is not released.
    pub(crate) fn wait_for_release(&self, position: u64) -> bool {
        let mut released = self.released.lock();
        while *released <= position {
            let in_vain = self.published.load(Ordering::Acquire) <= position || self.lacks(Lack::Files);
            if in_vain || self.inbox.is_stuck() || self.poison().is_some() {
                return false;
            }
            // One that could not be taken is forgotten.
            self.inbox.request_checkpoint(None);
            self.released_bell.wait_for(&mut released, Duration::from_millis(100));
        }
        true
    }
}

/// The store's threads.
#[derive(Debug)]
pub(crate) struct Threads {
    handles: Mutex<Vec<JoinHandle<()>>>,
}

impl Threads {
    pub(crate) fn start(shared: &Arc<Shared>, appender: Appender, writer: Writer) -> Result<Self, StoreError> {
        let syncer = Syncer::new(Arc::clone(shared));
        let flusher = Flusher::new(Arc::clone(shared));
        let cleaner = Cleaner::new(Arc::clone(shared));
        let handles = vec![
            spawn("levada-append", move || appender.run())?,
            spawn("levada-write", move || writer.run())?,
            spawn("levada-sync", move || syncer.run())?,
            spawn("levada-flush", move || flusher.run())?,
            spawn("levada-clean", move || cleaner.run())?,
        ];
        Ok(Self { handles: Mutex::new(handles) })
    }

    /// Ends the threads, each after all that was handed to it.
    pub(crate) fn close(&self, shared: &Shared) {
        let mut handles = self.handles.lock();
        if handles.is_empty() {
            return;
        }
        shared.cleaner_ends.store(true, Ordering::Release);
        shared.cleans.push(CleanerCommand::Close);
        let (promise, appender_closed) = pair();
        shared.appends.push(AppenderCommand::Close { promise });
        if appender_closed.wait().is_none() {
            tracing::error!("the appender ended before it was told to");
        }
        let (promise, writer_closed) = pair();
        shared.inbox.push(WriterCommand::Close(promise));
        if writer_closed.wait().is_none() {
            tracing::error!("the writer ended before it was told to");
        }
        shared.syncs.push(SyncerCommand::Close);
        shared.flushes.push(FlusherCommand::Close);
        for handle in handles.drain(..) {
            if handle.join().is_err() {
                tracing::error!("a thread of the store panicked");
            }
        }
        drop(shared.lock.lock().take());
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if !self.handles.lock().is_empty() {
            tracing::warn!("the store was dropped without being closed: the next start recovers it");
        }
    }
}

fn spawn(name: &'static str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(body).map_err(|source| StoreError::Thread { name, source })
}

/// Which checkpoint runs, and what goes with it.
impl Shared {
    /// Files that go with the next checkpoint instead.
    pub(crate) fn spare(&self, doomed: Vec<Doomed>) {
        self.spared.lock().extend(doomed);
    }

    pub(crate) fn take_spared(&self) -> Vec<Doomed> {
        std::mem::take(&mut *self.spared.lock())
    }

    pub(crate) fn checkpoint_runs(&self) -> bool {
        self.checkpoint_runs.load(Ordering::Acquire)
    }

    /// Counts bytes that no replay of the journal brings back; enough of them ask for a checkpoint.
    pub(crate) fn count_direct(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let limit = self.config.checkpoint_direct_bytes;
        let before = self.direct_bytes.fetch_add(bytes, Ordering::AcqRel);
        if before < limit && before.saturating_add(bytes) >= limit {
            self.direct_bytes.store(0, Ordering::Release);
            self.inbox.request_checkpoint(None);
        }
    }

    pub(crate) fn checkpoint_begins(&self) {
        self.checkpoint_runs.store(true, Ordering::Release);
    }

    pub(crate) fn checkpoint_ended(&self) {
        self.checkpoint_runs.store(false, Ordering::Release);
        self.inbox.ring();
    }

    /// Takes the directory of a deleted partition out of the way, unless its place is another's by now.
    pub(crate) fn discard_own_dir(&self, dir: &Path, id: LogId) -> io::Result<()> {
        let _turn = self.places.lock();
        match partition::topic_of(&self.files, dir).map_err(|error| error.source)? {
            Some(topic) if topic != id.topic => Ok(()),
            _ => self.discard_dir(dir, id),
        }
    }

    /// Takes out of the way what a deleted topic of that name has left in the place of partition `id`.
    pub(crate) fn clear_place(&self, dir: &Path, id: LogId) -> Result<(), DiskError> {
        let _turn = self.places.lock();
        match partition::topic_of(&self.files, dir)? {
            Some(topic) if topic != id.topic => {
                let before = LogId { topic, ..id };
                let path = dir.to_owned();
                self.discard_dir(dir, before).map_err(|source| DiskError { action: "move away", path, source })
            }
            _ => Ok(()),
        }
    }

    /// Takes the directory of a deleted partition out of the way and has it removed.
    pub(crate) fn discard_dir(&self, dir: &Path, id: LogId) -> io::Result<()> {
        let Some(parent) = dir.parent() else { return Ok(()) };
        let name = format!("{}-{}-{}-delete", id.topic, id.partition, self.clock.monotonic().as_nanos());
        let target = parent.join(name);
        self.disk.rename(dir, &target)?;
        self.disk.sync_dir(parent)?;
        self.syncs.push(SyncerCommand::RemoveDir(target));
        Ok(())
    }
}
