//! Compaction: keeping of each key only its last record.
//!
//! [`Compaction`] reads the dirty segments for their keys ([`Compaction::map`]), then writes segments anew, oldest
//! first ([`Compaction::rewrite`]), without any lock of the log. Each result is claimed, committed and shown: see
//! [`swap`]. When to compact what, and how fast, is the caller's.
//!
//! | part | what |
//! |---|---|
//! | `plan` | which segments, and which become one |
//! | `key_map`, `siphash` | the last offset of each key, bounded |
//! | `filter`, `records`, `transactions` | what of a batch stays |
//! | `rewrite` | one new segment |
//! | `manifest`, `swap`, `settle` | putting it in the place of the old ones, whatever is cut off when |
//! | `progress` | up to where the log is compacted |
//!
//! Source: KIP-534, `Cleaner` and `LogCleanerManager` of Kafka 4.3.1.

mod filter;
mod key_map;
pub(super) mod manifest;
mod plan;
mod progress;
mod records;
mod rewrite;
pub(super) mod settle;
mod siphash;
pub mod swap;
mod transactions;

pub use plan::Cleanable;
pub use progress::Progress;
pub use rewrite::Rewritten;

use super::{
    AbortedTransaction, LogReader, PartitionLog,
    error::{Corruption, Defect},
    scan::{Depth, Found, Scan, Stop},
    segment::Segment,
};
use crate::error::DiskError;
use filter::{LastOfProducer, Mapped, Mapper, Tombstones};
use key_map::KeyMap;
use levada_model::{Offset, ProducerId, Timestamp};
use std::{
    collections::{BTreeMap, VecDeque},
    ops::{ControlFlow, Range},
    sync::{Arc, atomic::Ordering},
};
use transactions::Transactions;

/// The caller hears about this many bytes read or written, or a few more.
const PACE_BYTES: u64 = 1 << 20;

/// Which segments may be compacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompactLimits {
    /// No record at or beyond this is touched, nor makes an older one go: the last stable offset, or what is held.
    pub upper_offset: Offset,
    /// Segments with younger records stay as they are (`min.compaction.lag.ms`).
    pub lag_min_ms: i64,
    /// The broker's clock.
    pub now_ms: Timestamp,
}

/// How to compact a log.
#[derive(Clone, Debug)]
pub struct CompactRequest {
    /// Which segments.
    pub limits: CompactLimits,
    /// How long tombstones, and markers of transactions that are gone, stay once their keys are compacted.
    pub delete_retention_ms: i64,
    /// Bytes for the map of keys. What does not fit waits for another time.
    pub map_size_max: usize,
    /// Randomness under which keys are hashed.
    pub hash_key: [u64; 2],
    /// The transactions that were aborted below the upper offset.
    pub aborted: Vec<AbortedTransaction>,
}

/// Why a compaction ended early. What was committed by then stays.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// The caller said so.
    #[error("stopped")]
    Stopped,
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Hears how many bytes were read or written, and says whether to go on. May take its time.
pub type Pace<'a> = dyn FnMut(u64) -> ControlFlow<()> + 'a;

/// What a compaction did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompactReport {
    /// Bytes read, for the map and for the rewriting.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Records that went.
    pub records_dropped: u64,
    /// Segments that could not be read, or not be written anew, and were left as they are.
    pub left: Vec<Corruption>,
}

/// One segment of a compaction.
#[derive(Clone, Debug)]
struct Source {
    segment: Arc<Segment>,
    /// Where the next one begins.
    end: Offset,
}

/// What is done next.
#[derive(Clone, Debug)]
enum Step {
    /// These become one.
    Rewrite(Range<usize>),
    /// This one stays as it is.
    Leave(Corruption),
}

/// One pass over a log.
#[derive(Debug)]
pub struct Compaction {
    log: Arc<LogReader>,
    sources: Vec<Source>,
    request: CompactRequest,
    segment_bytes: u32,
    producers: BTreeMap<ProducerId, LastOfProducer>,
    /// Keys from here on are mapped.
    map_from: Offset,
    map: KeyMap,
    /// Keys of batches that reach this offset are not mapped.
    map_end: Offset,
    steps: VecDeque<Step>,
    tombstones: Tombstones,
    transactions: Transactions,
    report: CompactReport,
}

impl LogReader {
    /// What may be compacted of a log that is compacted below `progress`: nothing that no durable checkpoint names.
    #[must_use]
    pub fn cleanable(&self, progress: Progress, limits: &CompactLimits) -> Cleanable {
        Cleanable::of(&self.segments(), self.first_dirty(progress), &self.bounded(limits))
    }

    fn bounded(&self, limits: &CompactLimits) -> CompactLimits {
        let upper_offset = limits.upper_offset.min(self.checkpointed.load(Ordering::Acquire));
        CompactLimits { upper_offset, ..*limits }
    }

    fn first_dirty(&self, progress: Progress) -> Offset {
        // One that lies beyond the end is of another life.
        if progress.first_dirty > self.next_offset() { 0 } else { progress.first_dirty }
    }
}

impl PartitionLog {
    /// Begins a compaction; `None` where nothing can be compacted. Reads nothing.
    ///
    /// The caller first asks [`swap::is_settled`].
    #[must_use]
    pub fn compaction(&self, progress: Progress, request: CompactRequest) -> Option<Compaction> {
        let segments = self.shared.snapshot();
        let limits = self.shared.bounded(&request.limits);
        let first_dirty = self.shared.first_dirty(progress);
        let marks: Vec<_> = segments.iter().map(|segment| segment.mark()).collect();
        let cleanable = Cleanable::of(&marks, first_dirty, &limits);
        let ends = segments.iter().skip(1).map(|segment| segment.base());
        let sources: Vec<Source> = segments
            .iter()
            .zip(ends)
            .take(cleanable.segment_count)
            .map(|(segment, end)| Source { segment: Arc::clone(segment), end })
            .collect();
        if sources.is_empty() || self.shared.poisoned().is_some() {
            return None;
        }
        let last = |(id, state): (ProducerId, &super::producer::ProducerState)| {
            let last_offset = state.batches.back().map(|batch| batch.last_offset);
            (id, LastOfProducer { last_offset, epoch: state.epoch })
        };
        Some(Compaction {
            log: Arc::clone(&self.shared),
            sources,
            segment_bytes: self.config.segment_bytes,
            producers: self.producers.iter().map(last).collect(),
            // What was left may be readable by now, and have older records of keys that count as compacted.
            map_from: if progress.left_segments > 0 { 0 } else { first_dirty },
            map: KeyMap::new(request.hash_key, request.map_size_max),
            map_end: first_dirty,
            steps: VecDeque::new(),
            tombstones: Tombstones::Age,
            transactions: Transactions::new(&request.aborted),
            report: CompactReport::default(),
            request,
        })
    }
}

/// Counts bytes until the caller is to hear of them.
struct Meter<'a, 'b> {
    pace: &'a mut Pace<'b>,
    bytes: u64,
}

impl Meter<'_, '_> {
    fn add(&mut self, bytes: u64) -> Result<(), CompactError> {
        self.bytes += bytes;
        if self.bytes < PACE_BYTES {
            return Ok(());
        }
        match (self.pace)(std::mem::take(&mut self.bytes)) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(CompactError::Stopped),
        }
    }
}

/// How a walk through a segment goes on after a batch.
enum Go {
    On,
    /// No more is wanted.
    Enough,
    /// It cannot be read from here on.
    Left(Defect),
}

/// Sees a batch and all its bytes.
type Each<'a> = dyn FnMut(&Found, &[u8]) -> Result<Go, Halt> + 'a;

/// Why a walk through a segment ended early.
enum Halt {
    /// It cannot be read, from here on.
    Left(Corruption),
    Ended(CompactError),
}

impl From<CompactError> for Halt {
    fn from(error: CompactError) -> Self {
        Self::Ended(error)
    }
}

impl From<DiskError> for Halt {
    fn from(error: DiskError) -> Self {
        Self::Ended(error.into())
    }
}

impl Source {
    /// Shows every batch, whole and with its checksum compared, until `each` says to end.
    fn walk(&self, log: &LogReader, each: &mut Each<'_>) -> Result<(), Halt> {
        let (segment, base) = (&self.segment, self.segment.base());
        let file = segment.file(&log.files)?;
        let mut scan = Scan::new(file, segment.path(), base, Depth::Checksums, 0..segment.size(), base);
        while let Some(found) = scan.next() {
            let defect = match found {
                Ok(found) => match each(&found, scan.bytes(&found))? {
                    Go::On => continue,
                    Go::Enough => return Ok(()),
                    Go::Left(defect) => {
                        let (position, offset_from) = (found.position, found.header.base_offset);
                        return Err(Halt::Left(Corruption { segment_base: base, position, offset_from, defect }));
                    }
                },
                Err(Stop::Disk(error)) => return Err(error.into()),
                Err(Stop::Defect(defect)) => defect,
            };
            return Err(Halt::Left(segment.corrupt(scan.position(), scan.expected(), defect)));
        }
        Ok(())
    }
}

impl Compaction {
    /// Reads the dirty segments for their keys, as many as the map holds.
    ///
    /// # Errors
    /// [`CompactError`]. What cannot be read otherwise is left, and reported.
    pub fn map(&mut self, pace: &mut Pace<'_>) -> Result<(), CompactError> {
        let mut meter = Meter { pace, bytes: 0 };
        let empty = KeyMap::new(self.request.hash_key, 0);
        let map = std::mem::replace(&mut self.map, empty);
        let mut mapper = Mapper::new(map, &self.request.aborted, self.map_from);
        let mut left = BTreeMap::new();
        let mut full_at = None;
        for (index, source) in self.sources.iter().enumerate() {
            if source.end <= self.map_from {
                continue;
            }
            let mut each = |found: &Found, bytes: &[u8]| {
                meter.add(found.size)?;
                self.report.read_bytes += found.size;
                Ok(match mapper.add(&found.header, bytes) {
                    Ok(Mapped::Whole) => Go::On,
                    Ok(Mapped::Full) => {
                        full_at = Some(found.header.base_offset);
                        Go::Enough
                    }
                    Err(defect) => Go::Left(defect),
                })
            };
            match source.walk(&self.log, &mut each) {
                Ok(()) if full_at.is_some() => break,
                Ok(()) => {}
                Err(Halt::Ended(error)) => return Err(error),
                Err(Halt::Left(corruption)) => drop(left.insert(index, corruption)),
            }
        }
        let end = self.sources.last().map_or(self.map_end, |last| last.segment.next_offset());
        self.map = mapper.map;
        self.map_end = full_at.unwrap_or(end);
        self.sources.retain(|source| source.segment.base() < self.map_end);
        self.plan_steps(&left);
        Ok(())
    }

    fn plan_steps(&mut self, left: &BTreeMap<usize, Corruption>) {
        let marks: Vec<_> = self.sources.iter().map(|source| source.segment.mark()).collect();
        let mut from = 0;
        for (&index, corruption) in left.range(..marks.len()) {
            self.plan_groups(from..index);
            self.steps.push_back(Step::Leave(corruption.clone()));
            from = index + 1;
        }
        self.plan_groups(from..marks.len());
    }

    /// Plans the segments of `range`, behind what is planned.
    fn plan_groups(&mut self, range: Range<usize>) {
        let sources = self.sources.get(range.clone()).unwrap_or_default();
        let marks: Vec<_> = sources.iter().map(|source| source.segment.mark()).collect();
        let groups = plan::groups(&marks, self.segment_bytes);
        let shift = |group: Range<usize>| Step::Rewrite(group.start + range.start..group.end + range.start);
        self.steps.extend(groups.into_iter().map(shift));
    }

    /// What of a group of segments stays, as a new segment that nobody sees yet; `None` once all are done.
    ///
    /// Groups come oldest first. A next one is written only after this one was shown, or given up with the whole
    /// compaction: a tombstone must not go before the older records of its key.
    ///
    /// # Errors
    /// [`CompactError`]; nothing of this group is left then.
    pub fn rewrite(&mut self, pace: &mut Pace<'_>) -> Result<Option<Rewritten>, CompactError> {
        while let Some(step) = self.steps.pop_front() {
            match step {
                Step::Leave(corruption) => {
                    self.tombstones = Tombstones::Stay;
                    self.report.left.push(corruption);
                }
                Step::Rewrite(group) => {
                    if let Some(rewritten) = self.rewrite_group(group, pace)? {
                        return Ok(Some(rewritten));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Takes `group` apart at the segment `index`, which cannot be read.
    fn split(&mut self, group: &Range<usize>, index: usize, corruption: Corruption) {
        let before = (group.start < index).then_some(Step::Rewrite(group.start..index));
        let after = (index + 1 < group.end).then_some(Step::Rewrite(index + 1..group.end));
        let steps = before.into_iter().chain([Step::Leave(corruption)]).chain(after);
        steps.rev().for_each(|step| self.steps.push_front(step));
    }

    /// How far the log is compacted once all groups were shown.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let left_segments = u64::try_from(self.report.left.len()).unwrap_or(u64::MAX);
        Progress { first_dirty: self.map_end, left_segments }
    }

    /// What was done so far.
    #[must_use]
    pub const fn report(&self) -> &CompactReport {
        &self.report
    }
}
