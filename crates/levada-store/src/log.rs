//! [`Log`]: one partition as the broker sees it.

use crate::{
    cut::Holds,
    settings::LogSettings,
    waiter::{Waiter, WaiterList, WatchGuard},
};
use arc_swap::ArcSwap;
use bytes::Bytes;
use levada_model::{LeaderEpoch, LogId, Offset, TopicName, batch::BatchHeader};
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

/// Where a log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Offset of the first record that is kept.
    pub log_start_offset: Offset,
    /// Consumers see what is below.
    pub high_watermark: Offset,
    /// Consumers that read only committed records see what is below.
    pub last_stable_offset: Offset,
    /// Under which new records are appended.
    pub leader_epoch: LeaderEpoch,
}

/// How far a read may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadUntil {
    /// `read_uncommitted`.
    HighWatermark,
    /// `read_committed`.
    LastStable,
}

/// What a read brought.
#[derive(Clone, Debug, Default)]
pub struct ReadOut {
    /// Whole batches, one after the other, in one or more pieces. A piece need not end where a batch ends.
    pub pieces: Vec<Bytes>,
    /// Instead of pieces: batches to be sent from the file in which they are.
    pub slice: Option<FileSlice>,
    /// Bytes in all pieces, or in the slice.
    pub size: usize,
}

impl ReadOut {
    fn of(bytes: Bytes) -> Self {
        let size = bytes.len();
        Self { pieces: if size == 0 { Vec::new() } else { vec![bytes] }, slice: None, size }
    }

    fn of_slice(slice: FileSlice) -> Self {
        Self { pieces: Vec::new(), size: slice.size(), slice: Some(slice) }
    }
}

/// Up to so many aborted transactions are named to a reader, whether their records were read or come later.
pub const ABORTED_LISTED_MAX: usize = 1_000;

/// Why nothing was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The offset is outside the log.
    #[error("offset {offset} is outside the log, which goes from {start} to {end}")]
    OutOfRange {
        /// What was asked for.
        offset: Offset,
        /// The first there is.
        start: Offset,
        /// One past the last that may be seen.
        end: Offset,
    },
    /// The files are damaged or cannot be read.
    #[error("partition cannot be read: {0}")]
    Storage(String),
    /// The topic was deleted.
    #[error("log is closed")]
    Closed,
}

mod read;
mod tail;
mod times;
mod transactions;

pub(crate) use tail::MemoryTail;
pub(crate) use transactions::Noted;
pub use transactions::OpenTransaction;
use transactions::Transactions;

use crate::append::AppendError;
use arc_swap::ArcSwapOption;
use levada_log::partition::{
    AbortedTransaction, EpochTable, FileSlice, LogReader, PartitionLog, ProducerTable, producer::ProducerState,
};
use levada_model::{PartitionIndex, ProducerId, record::StoredBatch};
use parking_lot::Mutex;
use std::{collections::BTreeSet, path::PathBuf, sync::atomic::AtomicBool, time::Duration};

/// What the next append needs to know. The appender changes it; the writer copies it into checkpoints.
#[derive(Debug)]
pub(crate) struct AppendState {
    /// The next record gets this offset.
    pub(crate) next_offset: Offset,
    /// Idempotent producers and their last batches.
    pub(crate) producers: ProducerTable,
    /// Offsets below may be given away without a promise in the journal; only for direct logs.
    pub(crate) lease_ceiling: Offset,
    /// Batches go straight to the segment instead of through the journal.
    pub(crate) direct: bool,
    /// Records appended directly since the last sync.
    pub(crate) unsynced_records: u64,
    /// When the first of them was appended.
    pub(crate) unsynced_since: Option<Duration>,
    /// Why nothing is appended any more.
    pub(crate) closed: Option<AppendError>,
}

/// Room that appends leave below the end of a lease, so that it is renewed in time.
const LEASE_RESERVE: Offset = 1 << 16;

impl AppendState {
    /// Whether `records` more offsets are covered by the log's lease, with room to spare.
    pub(crate) const fn has_lease_for(&self, records: i64) -> bool {
        self.next_offset.saturating_add(records).saturating_add(LEASE_RESERVE) <= self.lease_ceiling
    }
}

/// One partition.
#[derive(Debug)]
pub struct Log {
    id: LogId,
    topic: TopicName,
    dir: PathBuf,
    settings: ArcSwap<LogSettings>,
    leader_epoch: LeaderEpoch,
    /// Where this life of the broker, and so its leader epoch, began.
    epoch_start: AtomicI64,
    log_start: AtomicI64,
    high_watermark: AtomicI64,
    /// The first record whose transaction has not ended for readers, the largest offset if there is none.
    first_unstable: AtomicI64,
    transactions: Mutex<Transactions>,
    closed: AtomicBool,
    quarantined: ArcSwapOption<String>,
    pub(crate) append: Mutex<AppendState>,
    pub(crate) tail: Mutex<MemoryTail>,
    /// The files; none before the first flush.
    pub(crate) files: Mutex<Option<PartitionLog>>,
    reader: ArcSwapOption<LogReader>,
    waiters: WaiterList,
    pub(crate) holds: Holds,
}

/// What a [`Log`] is made from.
#[derive(Debug)]
pub(crate) struct NewLog {
    pub(crate) id: LogId,
    pub(crate) topic: TopicName,
    pub(crate) dir: PathBuf,
    pub(crate) settings: LogSettings,
    pub(crate) leader_epoch: LeaderEpoch,
    pub(crate) producers_max: usize,
}

impl Log {
    /// An empty log without files.
    pub(crate) fn new(new: NewLog) -> Arc<Self> {
        let direct = new.settings.durability != crate::Durability::Fsync;
        Arc::new(Self {
            id: new.id,
            topic: new.topic,
            dir: new.dir,
            settings: ArcSwap::from_pointee(new.settings),
            leader_epoch: new.leader_epoch,
            epoch_start: AtomicI64::new(0),
            log_start: AtomicI64::new(0),
            high_watermark: AtomicI64::new(0),
            first_unstable: AtomicI64::new(Offset::MAX),
            transactions: Mutex::default(),
            closed: AtomicBool::new(false),
            quarantined: ArcSwapOption::empty(),
            append: Mutex::new(AppendState {
                next_offset: 0,
                producers: ProducerTable::new(new.producers_max),
                lease_ceiling: 0,
                direct,
                unsynced_records: 0,
                unsynced_since: None,
                closed: None,
            }),
            tail: Mutex::new(MemoryTail::at(0)),
            files: Mutex::new(None),
            reader: ArcSwapOption::empty(),
            waiters: WaiterList::default(),
            holds: Holds::default(),
        })
    }

    /// Its identity.
    pub const fn id(&self) -> LogId {
        self.id
    }

    /// The topic's name.
    pub const fn topic(&self) -> &TopicName {
        &self.topic
    }

    /// The partition's number.
    pub const fn partition(&self) -> PartitionIndex {
        self.id.partition
    }

    /// Its settings at this moment.
    pub fn settings(&self) -> Arc<LogSettings> {
        self.settings.load_full()
    }

    /// Its directory.
    pub(crate) const fn dir(&self) -> &PathBuf {
        &self.dir
    }

    pub(crate) const fn waiters(&self) -> &WaiterList {
        &self.waiters
    }

    /// Under which it appends.
    pub const fn leader_epoch(&self) -> LeaderEpoch {
        self.leader_epoch
    }

    /// Where it stands.
    pub fn tail(&self) -> Tail {
        // In this order: a transaction is marked as open before its records are below the high watermark.
        let high_watermark = self.high_watermark.load(Ordering::Acquire);
        let first_unstable = self.first_unstable.load(Ordering::Acquire);
        let log_start_offset = self.log_start.load(Ordering::Acquire);
        Tail {
            log_start_offset,
            high_watermark,
            // Retention may have taken the first records of an open transaction.
            last_stable_offset: high_watermark.min(first_unstable.max(log_start_offset)),
            leader_epoch: self.leader_epoch,
        }
    }

    /// Whether the topic was deleted or the store closed.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Why the partition is quarantined, if it is.
    pub fn quarantine(&self) -> Option<Arc<String>> {
        self.quarantined.load_full()
    }

    /// Wakes `waiter` when the high watermark moves, once until the guard is rearmed or dropped.
    ///
    /// The waiter is told `token`: [`Waiter::take_moved`].
    pub fn watch(self: &Arc<Self>, waiter: &Arc<Waiter>, token: u32) -> WatchGuard {
        WatchGuard::new(Arc::clone(self), self.waiters.add(waiter, token))
    }

    /// The largest epoch at or below `epoch` that has records, and the offset after its last one.
    ///
    /// Source: KIP-279, KIP-320.
    pub fn epoch_end_offset(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        let tail = self.tail();
        if epoch == self.leader_epoch {
            return Some((epoch, tail.high_watermark));
        }
        if epoch > self.leader_epoch {
            return None;
        }
        self.epochs().end_offset_for(epoch, tail.high_watermark)
    }

    /// The epoch under which the record at `offset` was written; that of now where there is none.
    #[must_use]
    pub fn epoch_at(&self, offset: Offset) -> LeaderEpoch {
        if offset >= self.epoch_start.load(Ordering::Acquire) {
            return self.leader_epoch;
        }
        self.epochs().epoch_at(offset).unwrap_or(self.leader_epoch)
    }

    /// The epochs that have records, and this one.
    fn epochs(&self) -> EpochTable {
        let epoch_start = self.epoch_start.load(Ordering::Acquire);
        // What was replayed may still wait for its segment. Memory is looked at first: what moves meanwhile is
        // then seen twice, not missed.
        let in_memory = self.tail.lock().epochs_below(epoch_start);
        let mut epochs = self.reader.load().as_ref().map(|reader| reader.epochs()).unwrap_or_default();
        for (epoch, base_offset) in in_memory {
            epochs.assign(epoch, base_offset);
        }
        epochs.assign(self.leader_epoch, epoch_start);
        epochs
    }

    /// The transactions that are open.
    pub fn open_transactions(&self) -> Vec<OpenTransaction> {
        self.transactions.lock().open()
    }

    /// Aborted transactions with records between `from` and `to`, by first offset.
    pub fn aborted_transactions(&self, from: Offset, to: Offset) -> Vec<AbortedTransaction> {
        self.transactions.lock().aborted_within(from, to)
    }

    /// What is remembered of those that produce to it, by id.
    pub fn producers(&self) -> Vec<(ProducerId, ProducerState)> {
        self.append.lock().producers.iter().map(|(id, state)| (id, state.clone())).collect()
    }

    /// A client's batch got a retriable error; see [`levada_log::partition::producer::ProducerTable::expect_again`].
    pub fn expect_again(&self, header: &BatchHeader) {
        self.append.lock().producers.expect_again(header);
    }

    /// Whether batches pass the journal by.
    pub fn is_direct(&self) -> bool {
        self.append.lock().direct
    }

    /// Bytes in segments and memory that is not in a segment yet.
    pub fn size_bytes(&self) -> u64 {
        // Memory first: what is written meanwhile is then in the files, and told from their end.
        let unflushed = self.tail.lock().unflushed();
        let reader = self.reader.load();
        let (files, end) = reader.as_ref().map_or((0, 0), |reader| (reader.size_bytes(), reader.next_offset()));
        let unwritten = unflushed.iter().filter(|batch| batch.base_offset >= end);
        let unflushed: usize = unwritten.map(levada_model::record::StoredBatch::size).sum();
        files + u64::try_from(unflushed).unwrap_or(0)
    }

    pub(crate) fn reader(&self) -> Option<Arc<LogReader>> {
        self.reader.load_full()
    }
}

/// What the store's threads do to a log.
impl Log {
    /// The log has files now.
    pub(crate) fn set_reader(&self, reader: Arc<LogReader>) {
        self.reader.store(Some(reader));
    }

    /// What `files` say of transactions is all there is, for now.
    pub(crate) fn start_transactions(&self, files: &PartitionLog) {
        let open = files.producers().iter().filter_map(|(producer, state)| {
            let first_offset = state.transaction_first_offset?;
            Some(OpenTransaction { producer, epoch: state.epoch, first_offset })
        });
        let mut transactions = self.transactions.lock();
        *transactions = Transactions::of_files(open, files.aborted());
        self.first_unstable.store(transactions.first_unstable(), Ordering::Release);
    }

    /// Starts this life of the log at `end`: everything below is in segments.
    pub(crate) fn start_at(&self, start: Offset, end: Offset) {
        self.epoch_start.store(end, Ordering::Release);
        self.log_start.store(start, Ordering::Release);
        self.high_watermark.store(end, Ordering::Release);
        self.append.lock().next_offset = end;
        *self.tail.lock() = MemoryTail::at(end);
    }

    /// The journal's replay ends here: the epoch of this life begins.
    pub(crate) fn begin_epoch(&self) {
        self.epoch_start.store(self.high_watermark.load(Ordering::Acquire), Ordering::Release);
    }

    /// Shows everything below `end` to consumers.
    pub(crate) fn advance_high_watermark(&self, end: Offset) {
        let before = self.high_watermark.fetch_max(end, Ordering::AcqRel);
        if self.first_unstable.load(Ordering::Acquire) != Offset::MAX {
            let mut transactions = self.transactions.lock();
            transactions.settle(before.max(end));
            self.first_unstable.store(transactions.first_unstable(), Ordering::Release);
        }
        self.waiters.wake();
    }

    /// The markers at these offsets are about to go, and what they marked is gone.
    pub(crate) fn forget_aborted(&self, markers: &BTreeSet<Offset>) {
        self.transactions.lock().forget(markers);
    }

    /// Takes note of a batch that may be part of a transaction, before the high watermark passes it.
    pub(crate) fn note_transaction(&self, batch: &StoredBatch) -> Option<Noted> {
        if !batch.attributes().is_transactional() {
            return None;
        }
        let mut transactions = self.transactions.lock();
        let noted = transactions.note(batch);
        self.first_unstable.store(transactions.first_unstable(), Ordering::Release);
        noted
    }

    /// Records below `offset` are gone.
    pub(crate) fn advance_log_start(&self, offset: Offset) {
        self.log_start.fetch_max(offset, Ordering::AcqRel);
        self.transactions.lock().forget_below(offset);
        self.waiters.wake();
    }

    pub(crate) fn set_settings(&self, settings: LogSettings) {
        self.settings.store(Arc::new(settings));
    }

    /// Nothing is appended any more.
    pub(crate) fn close_for_append(&self, reason: AppendError) {
        self.append.lock().closed.get_or_insert(reason);
    }

    /// The topic is gone: reads and appends fail, and who waits is woken to notice.
    pub(crate) fn close(&self) {
        self.close_for_append(AppendError::Closed);
        self.closed.store(true, Ordering::Release);
        self.waiters.wake();
    }

    /// The files are damaged: neither read nor written until an operator has looked.
    pub(crate) fn set_quarantined(&self, reason: String) {
        self.close_for_append(AppendError::Quarantined(reason.clone()));
        self.quarantined.store(Some(Arc::new(reason)));
    }
}
