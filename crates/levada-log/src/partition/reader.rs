//! [`LogReader`]: reads one partition's log beside its writer, without a lock across I/O.

use super::{
    epochs::EpochTable,
    error::ReadError,
    files::LogFiles,
    scan::{Depth, Found, Scan, Stop},
    segment::{Segment, SegmentMark},
    source::{Exactness, SegmentRead, Source, Start, Wait},
};
use bytes::Bytes;
use levada_model::{LeaderEpoch, LogId, NO_OFFSET, Offset, Timestamp, batch::BatchHeader};
use parking_lot::{Mutex, RwLock};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicI64, Ordering},
    },
};

/// Sequential readers whose place is remembered.
const CURSORS: usize = 16;

/// What to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Read {
    /// The first offset wanted; the batch that contains it comes whole.
    pub offset: Offset,
    /// Only batches with a base offset below this.
    pub upper_offset: Offset,
    /// Bytes at most.
    pub bytes_max: usize,
    /// What holds where the first batch alone is larger.
    pub at_least: AtLeast,
}

/// What a read returns where the first batch is larger than its budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtLeast {
    /// Nothing.
    Nothing,
    /// That batch, so that its reader gets on (KIP-74).
    OneBatch,
}

/// Whole batches, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadBatches {
    /// The batches as they are stored; may be empty.
    pub bytes: Bytes,
    /// Base offset of the first batch; where there is none, the offset asked for.
    pub first_offset: Offset,
    /// Where to read on.
    pub next_offset: Offset,
}

impl ReadBatches {
    pub(super) const fn none(offset: Offset) -> Self {
        Self { bytes: Bytes::new(), first_offset: offset, next_offset: offset }
    }
}

/// A batch found by its timestamp.
#[derive(Clone, Debug)]
pub struct TimestampHit {
    /// Its header.
    pub header: BatchHeader,
    /// All of it.
    pub batch: Bytes,
}

/// Reads a partition's log. Shared by all who read; the writer publishes what it wrote here.
#[derive(Debug)]
pub struct LogReader {
    pub(super) id: LogId,
    pub(super) dir: PathBuf,
    pub(super) files: Arc<LogFiles>,
    pub(super) segments: RwLock<Arc<Vec<Arc<Segment>>>>,
    pub(super) log_start: AtomicI64,
    pub(super) next_offset: AtomicI64,
    pub(super) epochs: RwLock<EpochTable>,
    pub(super) poison: OnceLock<String>,
    /// Segments below this are named, whole, by a checkpoint that is durable.
    pub(super) checkpointed: AtomicI64,
    cursors: Mutex<Cursors>,
}

impl LogReader {
    pub(super) fn new(
        id: LogId,
        dir: PathBuf,
        files: &Arc<LogFiles>,
        segments: Vec<Arc<Segment>>,
        start_offset: Offset,
        epochs: EpochTable,
    ) -> Arc<Self> {
        let next_offset = segments.last().map_or(start_offset, |active| active.next_offset());
        Arc::new(Self {
            id,
            dir,
            files: Arc::clone(files),
            segments: RwLock::new(Arc::new(segments)),
            log_start: AtomicI64::new(start_offset),
            next_offset: AtomicI64::new(next_offset),
            epochs: RwLock::new(epochs),
            poison: OnceLock::new(),
            checkpointed: AtomicI64::new(NO_OFFSET),
            cursors: Mutex::default(),
        })
    }

    /// Whose log it is.
    #[must_use]
    pub const fn id(&self) -> LogId {
        self.id
    }

    /// Its directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The first offset that may be read.
    #[must_use]
    pub fn log_start_offset(&self) -> Offset {
        self.log_start.load(Ordering::Acquire)
    }

    /// The offset after the last record that was written.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        self.next_offset.load(Ordering::Acquire)
    }

    /// Why the log takes no more appends, if it does not.
    #[must_use]
    pub fn poisoned(&self) -> Option<&str> {
        self.poison.get().map(String::as_str)
    }

    /// A checkpoint is durable in which the active segment begins at `active_base`: those before it may be compacted.
    pub fn note_checkpoint(&self, active_base: Offset) {
        self.checkpointed.fetch_max(active_base, Ordering::AcqRel);
    }

    pub(super) fn snapshot(&self) -> Arc<Vec<Arc<Segment>>> {
        Arc::clone(&self.segments.read())
    }

    /// The segments, oldest first; the last is being written.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentMark> {
        self.snapshot().iter().map(|segment| segment.mark()).collect()
    }

    /// Bytes of all `.log` files.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.snapshot().iter().map(|segment| segment.size()).sum()
    }

    /// The leader epochs.
    #[must_use]
    pub fn epochs(&self) -> EpochTable {
        self.epochs.read().clone()
    }

    /// What OffsetForLeaderEpoch answers; see [`EpochTable::end_offset_for`].
    #[must_use]
    pub fn epoch_end_offset(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        self.epochs.read().end_offset_for(epoch, self.next_offset())
    }

    /// The largest record timestamp and the last offset of the first batch that has it.
    #[must_use]
    pub fn max_timestamp(&self) -> Option<(Timestamp, Offset)> {
        let marks = self.snapshot();
        let all = marks.iter().filter_map(|segment| segment.mark().max_timestamp);
        all.reduce(|best, next| if next.0 > best.0 { next } else { best })
    }

    /// Reads whole batches, beginning with the one that contains `read.offset`, or the first beyond it.
    ///
    /// Reads to the end of a segment at most. Checksums are not looked at.
    ///
    /// # Errors
    /// [`ReadError`] where the offset is out of range, the disk fails, or no batches stand where they should.
    pub fn read(&self, read: &Read) -> Result<ReadBatches, ReadError> {
        self.read_waiting(read, Wait::ForDisk).map(|batches| batches.unwrap_or_else(|| ReadBatches::none(read.offset)))
    }

    /// As [`Self::read`], but never waits for the disk: `None` where it would have to.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_cached(&self, read: &Read) -> Result<Option<ReadBatches>, ReadError> {
        self.read_waiting(read, Wait::Never)
    }

    fn read_waiting(&self, read: &Read, wait: Wait) -> Result<Option<ReadBatches>, ReadError> {
        self.check_range(read.offset)?;
        let upper_offset = read.upper_offset.min(self.next_offset());
        let read = Read { upper_offset, ..*read };
        if read.offset >= upper_offset {
            return Ok(Some(ReadBatches::none(read.offset)));
        }
        let segments = self.snapshot();
        let first = segments.partition_point(|segment| segment.base() <= read.offset).saturating_sub(1);
        for segment in segments.iter().skip(first) {
            if segment.base() >= upper_offset {
                break;
            }
            if segment.next_offset() <= read.offset {
                continue;
            }
            match self.read_segment(segment, &read, wait).map_err(|error| self.unless_removed(error, read.offset))? {
                SegmentRead::Found { batches, .. } => return Ok(Some(batches)),
                SegmentRead::TooLarge => break,
                SegmentRead::PastEnd => {}
                SegmentRead::WouldWait => return Ok(None),
            }
        }
        Ok(Some(ReadBatches::none(read.offset)))
    }

    fn check_range(&self, offset: Offset) -> Result<(), ReadError> {
        let (start, end) = (self.log_start_offset(), self.next_offset());
        if (start..=end).contains(&offset) { Ok(()) } else { Err(ReadError::OutOfRange { offset, start, end }) }
    }

    /// A segment that is gone because retention passed by is no fault of the disk.
    fn unless_removed(&self, error: ReadError, offset: Offset) -> ReadError {
        match &error {
            ReadError::Disk(disk) if disk.source.kind() == io::ErrorKind::NotFound => {
                self.check_range(offset).err().unwrap_or(error)
            }
            _ => error,
        }
    }

    fn read_segment(&self, segment: &Arc<Segment>, read: &Read, wait: Wait) -> Result<SegmentRead, ReadError> {
        let file = match wait {
            Wait::ForDisk => {
                let file = segment.file(&self.files)?;
                if file.can_send() {
                    // What follows can then be sent from where it lies: see `slice`.
                    segment.load_index_files(&self.files)?;
                }
                file
            }
            Wait::Never => match segment.open_file(&self.files) {
                Some(file) => file,
                None => return Ok(SegmentRead::WouldWait),
            },
        };
        let source = Source { segment, file: &*file, files: &self.files, wait };
        let known = if read.offset <= segment.base() { Some(0) } else { self.known_position(segment, read.offset) };
        let start = match known {
            Some(position) => Start { position, exactness: Exactness::Exact },
            None => {
                let position = match (wait, segment.known_position_for(read.offset)) {
                    (_, Some(position)) => position,
                    (Wait::ForDisk, None) => segment.position_for(&self.files, read.offset)?,
                    (Wait::Never, None) => return Ok(SegmentRead::WouldWait),
                };
                Start { position, exactness: Exactness::Before { by_bytes: segment.interval_bytes() } }
            }
        };
        let outcome = match source.read(read, start) {
            // The way there was a hint; from the start of the segment the batches themselves lead.
            Err(ReadError::Corrupt(_)) if start.position > 0 => {
                source.read(read, Start { position: 0, exactness: Exactness::Before { by_bytes: 0 } })
            }
            outcome => outcome,
        }?;
        if let SegmentRead::Found { batches, end_position } = &outcome {
            self.remember(segment, batches.next_offset, *end_position);
        }
        Ok(outcome)
    }

    /// Where the batch that begins at `offset` lies, if a recent read ended there.
    pub(super) fn known_position(&self, segment: &Arc<Segment>, offset: Offset) -> Option<u64> {
        self.cursors.lock().find(segment, offset)
    }

    pub(super) fn remember(&self, segment: &Arc<Segment>, offset: Offset, position: u64) {
        self.cursors.lock().remember(segment, offset, position);
    }

    /// The first batch from `from_offset` on, below `upper_offset`, that has a timestamp of at least `timestamp`.
    ///
    /// Which of its records has it, the caller finds by opening it. That none has is possible: the header is the
    /// producer's. Then ask again from the batch's next offset.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn batch_for_timestamp(
        &self,
        timestamp: Timestamp,
        from_offset: Offset,
        upper_offset: Offset,
    ) -> Result<Option<TimestampHit>, ReadError> {
        let upper_offset = upper_offset.min(self.next_offset());
        let from_offset = from_offset.max(self.log_start_offset());
        for segment in self.snapshot().iter() {
            let mark = segment.mark();
            if mark.base_offset >= upper_offset {
                break;
            }
            if mark.next_offset <= from_offset || mark.max_timestamp.is_none_or(|(max, _)| max < timestamp) {
                continue;
            }
            let found = self.find_timestamp(segment, timestamp, from_offset);
            match found.map_err(|error| self.unless_removed(error, from_offset))? {
                Some(hit) if hit.header.base_offset < upper_offset => return Ok(Some(hit)),
                Some(_) => break,
                None => {}
            }
        }
        Ok(None)
    }

    fn find_timestamp(
        &self,
        segment: &Arc<Segment>,
        timestamp: Timestamp,
        from_offset: Offset,
    ) -> Result<Option<TimestampHit>, ReadError> {
        let file = segment.file(&self.files)?;
        let hint = segment.offset_before(&self.files, timestamp)?.max(from_offset);
        let mut position = segment.position_for(&self.files, hint)?;
        loop {
            let range = position..segment.size();
            let mut scan =
                Scan::new(Arc::clone(&file), segment.path(), segment.base(), Depth::Headers, range, segment.base());
            let wanted =
                |found: &Found| found.header.max_timestamp >= timestamp && found.header.last_offset() >= from_offset;
            let hit = scan.find(|found| found.as_ref().is_ok_and(wanted) || found.is_err());
            match hit {
                None => return Ok(None),
                Some(Ok(found)) => {
                    let source = Source { segment, file: &*file, files: &self.files, wait: Wait::ForDisk };
                    let batch = source.exactly(found.position, found.size)?;
                    return Ok(batch.map(|batch| TimestampHit { header: found.header, batch }));
                }
                Some(Err(Stop::Disk(error))) => return Err(error.into()),
                Some(Err(Stop::Defect(_))) if position > 0 => position = 0,
                Some(Err(Stop::Defect(defect))) => {
                    return Err(segment.corrupt(scan.position(), scan.expected(), defect).into());
                }
            }
        }
    }
}

/// Where recent reads ended, so that a sequential reader starts exactly where it left off.
#[derive(Debug, Default)]
struct Cursors {
    ring: [Option<Cursor>; CURSORS],
    next: usize,
}

#[derive(Clone, Debug)]
struct Cursor {
    /// This very one: another of its base, a compacted one, has its batches elsewhere.
    segment: Weak<Segment>,
    offset: Offset,
    position: u64,
}

impl Cursors {
    fn find(&self, segment: &Arc<Segment>, offset: Offset) -> Option<u64> {
        let is_it = |cursor: &&Cursor| cursor.offset == offset && Weak::as_ptr(&cursor.segment) == Arc::as_ptr(segment);
        self.ring.iter().flatten().find(is_it).map(|cursor| cursor.position)
    }

    fn remember(&mut self, segment: &Arc<Segment>, offset: Offset, position: u64) {
        if self.find(segment, offset).is_some() {
            return;
        }
        if let Some(slot) = self.ring.get_mut(self.next) {
            *slot = Some(Cursor { segment: Arc::downgrade(segment), offset, position });
        }
        self.next = (self.next + 1) % CURSORS;
    }
}
