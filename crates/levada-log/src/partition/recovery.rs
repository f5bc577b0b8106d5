//! Opening a log: trusting a checkpoint, recovering from it, or building everything again from the batches.

use super::{
    AbortedTransaction, EpochTable, LogCheckpoint, LogConfig, LogFiles, OpenError, PartitionLog, Parts, SegmentMark,
    aborted,
    compact::{settle::settle, swap::Leftover},
    error::{Corruption, Defect},
    index::{IndexBuilder, Indexed, relative},
    inventory::Inventory,
    layout::{FileKind, Sidecar, segment_path},
    producer::{ProducerTable, snapshot},
    scan::{Depth, Scan, Stop},
    segment::{IndexFiles, Segment},
    sync::Work,
};
use crate::{
    disk::{DiskFile, OpenMode, read_exact_at},
    error::DiskError,
};
use bytes::Bytes;
use levada_model::{LogId, Marker, NO_OFFSET, NO_TIMESTAMP, Offset, batch::BatchHeader};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Files beside the log are not larger.
const SMALL_SIZE_MAX: u64 = 64 << 20;
/// How much is rewritten at a time.
const REWRITE_SIZE: u64 = 4 << 20;

/// What lies above the checkpoint after an unclean end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecoverMode {
    /// The journal has it: cut the log at its checkpoint, to be appended again.
    CutAtCheckpoint,
    /// Only the log has it: keep what is sound.
    ScanBeyond,
    /// Below this offset all was synced to the log, and what follows is in the journal: cut the log there.
    ScanTo(Offset),
}

/// A log that was opened after an unclean end.
#[derive(Debug)]
pub struct Recovered {
    /// The log.
    pub log: PartitionLog,
    /// Batches above the checkpoint that were kept; those that may not have been synced were written again, and are
    /// now.
    pub kept_batch_count: u64,
    /// Bytes that were cut off.
    pub cut_bytes: u64,
    /// What stood where the log was cut, if not its end.
    pub cut_at: Option<Corruption>,
}

impl PartitionLog {
    /// Opens a log after a clean end: the checkpoint is trusted, no segment is read.
    ///
    /// # Errors
    /// [`OpenError::Corrupt`] where files are missing or shorter than they were.
    pub fn open_clean(
        files: &Arc<LogFiles>,
        dir: PathBuf,
        id: LogId,
        config: LogConfig,
        checkpoint: &LogCheckpoint,
    ) -> Result<Self, OpenError> {
        let (mut opening, active) = Opening::begin(files, dir, id, config, checkpoint)?;
        let active = match active {
            Some(active) => active,
            None => opening.begin_anew(checkpoint.next_offset())?,
        };
        opening.cut(&active)?;
        opening.finish(active, IndexFiles::Trusted).map(|recovered| recovered.log)
    }

    /// Opens a log after an unclean end. `on_batch` sees the batches above the checkpoint that are kept.
    ///
    /// Reads nothing below the checkpoint. The caller syncs nothing: what is kept is durable when this returns.
    ///
    /// # Errors
    /// [`OpenError::Corrupt`] where what was durable is missing or short: rot.
    pub fn recover(
        files: &Arc<LogFiles>,
        dir: PathBuf,
        id: LogId,
        config: LogConfig,
        checkpoint: &LogCheckpoint,
        mode: RecoverMode,
        on_batch: &mut dyn FnMut(&BatchHeader),
    ) -> Result<Recovered, OpenError> {
        let (mut opening, active) = Opening::begin(files, dir, id, config, checkpoint)?;
        let rolled = opening.inventory.logs.range(checkpoint.next_offset()..).next().map(|(&base, _)| base);
        let active = match (active, mode, rolled) {
            (Some(active), ..) => active,
            (None, RecoverMode::ScanBeyond | RecoverMode::ScanTo(_), Some(base)) => opening.beginning(base),
            (None, ..) => opening.begin_anew(checkpoint.next_offset())?,
        };
        let active = match mode {
            RecoverMode::CutAtCheckpoint => {
                opening.cut(&active)?;
                active
            }
            RecoverMode::ScanBeyond => opening.scan_from(active, Keep::Sound, on_batch)?,
            RecoverMode::ScanTo(end) => opening.scan_from(active, Keep::Below(end), on_batch)?,
        };
        opening.finish(active, IndexFiles::Ignored)
    }

    /// Opens a log of which nothing is known but its files: an adopted directory, or a lost checkpoint. Reads all.
    ///
    /// # Errors
    /// [`OpenError::Corrupt`] where a segment other than the last is not sound, or there is none.
    pub fn rebuild(files: &Arc<LogFiles>, dir: PathBuf, id: LogId, config: LogConfig) -> Result<Recovered, OpenError> {
        config.validate()?;
        let mut inventory = Inventory::take(files, &dir, id)?;
        settle(files, &dir, id, &mut inventory)?;
        // All is read: nothing has to be known of what was replaced.
        inventory.abandon_replacements();
        let Some((&first, _)) = inventory.logs.first_key_value() else {
            let defect = Defect::Missing;
            return Err(Corruption { segment_base: 0, position: 0, offset_from: 0, defect }.into());
        };
        let producers = producers_beside(files, &dir, first, config.producers_max);
        let mut opening = Opening::new(files, dir, id, config, inventory, producers);
        opening.start_offset = first;
        let mark = opening.beginning(first);
        let active = opening.scan_from(mark, Keep::Whole, &mut |_| {})?;
        opening.finish(active, IndexFiles::Ignored)
    }
}

/// What may be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    /// All that is sound up to the first defect, whatever follows.
    Sound,
    /// Every segment but the last must be sound: there is no checkpoint that says otherwise.
    Whole,
    /// All below this offset must be there, and was synced; the rest is cut.
    Below(Offset),
}

impl Keep {
    /// Whether a log that ends at `next_offset` has all that is kept.
    fn is_done(self, next_offset: Offset) -> bool {
        matches!(self, Self::Below(end) if next_offset >= end)
    }
}

/// A log that is being opened.
struct Opening {
    files: Arc<LogFiles>,
    dir: PathBuf,
    id: LogId,
    config: LogConfig,
    inventory: Inventory,
    /// Segments before the active one, and whether their index files are theirs.
    sealed: Vec<(SegmentMark, IndexFiles)>,
    start_offset: Offset,
    epochs: EpochTable,
    producers: ProducerTable,
    /// The producers at the base of the active segment, where we came past it.
    base_producers: Option<Bytes>,
    /// Transactions that were aborted, in the order of their markers.
    aborted: Vec<AbortedTransaction>,
    /// Where the active segment of the checkpoint begins.
    checkpointed: Offset,
    /// Bases of segments in the place of others, of which no checkpoint may know.
    replaced: Vec<Offset>,
    /// Files that the checkpoint needs, and a later one will not.
    gone: Vec<String>,
    kept_batch_count: u64,
    cut_bytes: u64,
    cut_at: Option<Corruption>,
}

impl Opening {
    fn new(
        files: &Arc<LogFiles>,
        dir: PathBuf,
        id: LogId,
        config: LogConfig,
        inventory: Inventory,
        producers: ProducerTable,
    ) -> Self {
        Self {
            files: Arc::clone(files),
            dir,
            id,
            config,
            inventory,
            sealed: Vec::new(),
            start_offset: 0,
            epochs: EpochTable::default(),
            producers,
            base_producers: None,
            aborted: Vec::new(),
            checkpointed: NO_OFFSET,
            replaced: Vec::new(),
            gone: Vec::new(),
            kept_batch_count: 0,
            cut_bytes: 0,
            cut_at: None,
        }
    }

    /// Checks the files against the checkpoint. Gives the active segment, unless it was let go since.
    fn begin(
        files: &Arc<LogFiles>,
        dir: PathBuf,
        id: LogId,
        config: LogConfig,
        checkpoint: &LogCheckpoint,
    ) -> Result<(Self, Option<SegmentMark>), OpenError> {
        config.validate()?;
        let mut inventory = Inventory::take(files, &dir, id)?;
        let mut checkpoint = checkpoint.clone();
        let manifests = settle(files, &dir, id, &mut inventory)?;
        manifests.iter().try_for_each(|manifest| manifest.apply(&mut checkpoint))?;
        let gone_count = inventory.gone_count(&checkpoint)?;
        let gone = inventory.keep_gone(&checkpoint);
        let producers = ProducerTable::decode(checkpoint.producers.clone(), config.producers_max)?;
        let mut opening = Self::new(files, dir, id, config, inventory, producers);
        let mut left: Vec<SegmentMark> = checkpoint.segments().skip(gone_count).copied().collect();
        opening.epochs = checkpoint.epochs.clone();
        opening.start_offset = checkpoint.log_start_offset.max(checkpoint.next_offset());
        for mark in left.iter().filter(|mark| opening.inventory.has(mark.base_offset, FileKind::Transactions)) {
            let beside = aborted::read(files, &opening.dir, mark)?;
            opening.aborted.extend(beside);
        }
        if let Some(first) = left.first() {
            opening.start_offset = checkpoint.log_start_offset.max(first.base_offset);
        }
        let active = left.pop();
        opening.checkpointed = checkpoint.active.base_offset;
        opening.gone = gone;
        opening.replaced = manifests.iter().map(|manifest| manifest.mark.base_offset).collect();
        let index_files = |mark: &SegmentMark| {
            if opening.replaced.contains(&mark.base_offset) { IndexFiles::Ignored } else { IndexFiles::Trusted }
        };
        opening.sealed = left.into_iter().map(|mark| (mark, index_files(&mark))).collect();
        Ok((opening, active))
    }

    /// An empty segment where all that the checkpoint names was let go.
    fn begin_anew(&mut self, base: Offset) -> Result<SegmentMark, DiskError> {
        let path = segment_path(&self.dir, base, FileKind::Log);
        let file = self.files.open(&path, OpenMode::Create)?;
        file.set_len(0).map_err(DiskError::at("truncate", &path))?;
        file.sync_data().map_err(DiskError::at("sync", &path))?;
        self.files.sync_dir(&self.dir)?;
        self.inventory.logs.insert(base, 0);
        Ok(SegmentMark::empty(base))
    }

    /// Cuts the active segment at `active`, and removes what follows.
    fn cut(&mut self, active: &SegmentMark) -> Result<(), OpenError> {
        self.cut_tail(active)?;
        self.cut_bytes += self.inventory.remove_logs(&self.files, &self.dir, |base| base > active.base_offset)?;
        Ok(())
    }

    /// Cuts a segment at `mark`.
    fn cut_tail(&mut self, mark: &SegmentMark) -> Result<(), OpenError> {
        let actual = self.inventory.check_size(mark)?;
        if actual > mark.size_bytes {
            let path = segment_path(&self.dir, mark.base_offset, FileKind::Log);
            let file = self.files.open(&path, OpenMode::Write)?;
            file.set_len(mark.size_bytes).map_err(DiskError::at("cut", &path))?;
            file.sync_data().map_err(DiskError::at("sync", &path))?;
            self.cut_bytes += actual - mark.size_bytes;
        }
        Ok(())
    }

    /// A segment of which only its file, and perhaps its sidecar, is known.
    fn beginning(&self, base: Offset) -> SegmentMark {
        let append_time = sidecar(&self.files, &self.dir, base).map_or(NO_TIMESTAMP, |sidecar| sidecar.append_time);
        SegmentMark { append_time, ..SegmentMark::empty(base) }
    }

    /// Keeps sound batches from the end of `mark` on, through the segments that follow. Returns the last one.
    fn scan_from(
        &mut self,
        mark: SegmentMark,
        keep: Keep,
        on_batch: &mut dyn FnMut(&BatchHeader),
    ) -> Result<SegmentMark, OpenError> {
        let mut mark = mark;
        let bases: Vec<Offset> = self.inventory.logs.range(mark.base_offset..).map(|(&base, _)| base).collect();
        let last = bases.last().copied();
        for base in bases {
            if keep.is_done(mark.next_offset) {
                break;
            }
            if base > mark.base_offset {
                // A roll begins at the end of the log: a gap is a segment that is lost, unless it is a large one.
                let is_gap = base > mark.next_offset && relative(mark.next_offset, base).is_some();
                if base < mark.next_offset || (is_gap && keep != Keep::Whole) {
                    let (expected, defect_base) = (mark.next_offset, base);
                    let defect = Defect::Offsets { base, last: base, expected };
                    let rot = Corruption { segment_base: defect_base, position: 0, offset_from: base, defect };
                    self.stop_at(&mark, rot, keep, Some(base) == last)?;
                    break;
                }
                self.sealed.push((mark, IndexFiles::Ignored));
                self.base_producers = Some(self.producers.encode());
                mark = self.beginning(base);
            }
            let kept_from = mark.size_bytes;
            let stopped = self.scan_segment(&mut mark, keep, on_batch)?;
            if keep.is_done(mark.next_offset) {
                break;
            }
            let rewrite = keep == Keep::Sound || (keep == Keep::Whole && Some(base) == last);
            if stopped.is_some() && self.inventory.logs.contains_key(&mark.next_offset) && base < mark.next_offset {
                // The next segment goes on where this one ends: nothing is lost, what stands here never was a batch.
                self.cut_tail(&mark)?;
            } else if let Some(rot) = stopped {
                self.stop_at(&mark, rot, keep, Some(base) == last)?;
                self.make_durable(&mark, kept_from, rewrite)?;
                break;
            }
            self.make_durable(&mark, kept_from, rewrite)?;
        }
        if let Keep::Below(end) = keep {
            if mark.next_offset < end {
                let (segment_base, position, offset_from) = (mark.base_offset, mark.size_bytes, mark.next_offset);
                let defect = Defect::EndsEarly { actual: offset_from, synced: end };
                return Err(Corruption { segment_base, position, offset_from, defect }.into());
            }
            self.cut(&mark)?;
        }
        Ok(mark)
    }

    /// Cuts the log behind `mark`, where `rot` stands.
    fn stop_at(&mut self, mark: &SegmentMark, rot: Corruption, keep: Keep, is_last: bool) -> Result<(), OpenError> {
        if matches!(keep, Keep::Below(_)) || (keep == Keep::Whole && !is_last) {
            return Err(rot.into());
        }
        self.cut(mark)?;
        // Zeros are how a file that was extended and not written ends.
        self.cut_at = Some(rot).filter(|rot| rot.defect != Defect::Zeros);
        Ok(())
    }

    fn scan_segment(
        &mut self,
        mark: &mut SegmentMark,
        keep: Keep,
        on_batch: &mut dyn FnMut(&BatchHeader),
    ) -> Result<Option<Corruption>, OpenError> {
        let end = self.inventory.check_size(mark)?;
        let path = segment_path(&self.dir, mark.base_offset, FileKind::Log);
        let file = self.files.open(&path, OpenMode::Read)?;
        let mut builder = IndexBuilder::new(mark.base_offset, self.config.index_interval_bytes);
        builder = builder.resume(mark.max_timestamp);
        let range = mark.size_bytes..end;
        // What was synced is trusted as what lies below a checkpoint is.
        let depth = if matches!(keep, Keep::Below(_)) { Depth::Headers } else { Depth::Checksums };
        let mut scan = Scan::new(file, &path, mark.base_offset, depth, range, mark.next_offset);
        while let Some(found) = scan.next() {
            match found {
                Ok(found) => {
                    let header = &found.header;
                    builder.note(Indexed::of(found.position, found.size, header));
                    self.apply(header, scan.records(&found)?);
                    self.epochs.assign(header.partition_leader_epoch, header.base_offset);
                    self.kept_batch_count += 1;
                    mark.size_bytes = found.position + found.size;
                    mark.next_offset = header.next_offset();
                    mark.max_timestamp = builder.max_timestamp();
                    on_batch(header);
                    if keep.is_done(mark.next_offset) {
                        return Ok(None);
                    }
                }
                Err(Stop::Disk(error)) => return Err(error.into()),
                Err(Stop::Defect(defect)) => {
                    let (segment_base, position) = (mark.base_offset, scan.position());
                    let offset_from = scan.expected();
                    return Ok(Some(Corruption { segment_base, position, offset_from, defect }));
                }
            }
        }
        Ok(None)
    }

    /// Takes note of the producer of a batch. `control` has its records where it is a control batch.
    fn apply(&mut self, header: &BatchHeader, control: Option<Bytes>) {
        let ended = self.producers.apply(header, header.base_offset, header.max_timestamp);
        let marker = control.and_then(Marker::read);
        self.aborted.extend(AbortedTransaction::ended(header, marker, ended, &self.producers));
    }

    /// Syncs a segment, from `from` on written again first: a page that failed to reach the disk may still read
    /// back clean, and a sync would pass it over.
    fn make_durable(&self, mark: &SegmentMark, from: u64, rewrite: bool) -> Result<(), DiskError> {
        let path = segment_path(&self.dir, mark.base_offset, FileKind::Log);
        let file = self.files.open(&path, OpenMode::Write)?;
        if rewrite {
            write_again(&*file, from, mark.size_bytes).map_err(DiskError::at("rewrite", &path))?;
            // The length, too, may be one that failed to reach the disk.
            file.set_len(mark.size_bytes + 1).map_err(DiskError::at("extend", &path))?;
            file.set_len(mark.size_bytes).map_err(DiskError::at("cut", &path))?;
        }
        file.sync_data().map_err(DiskError::at("sync", &path))
    }

    fn finish(mut self, active: SegmentMark, active_index: IndexFiles) -> Result<Recovered, OpenError> {
        let first = self.sealed.first().map_or(active.base_offset, |(mark, _)| mark.base_offset);
        self.start_offset = self.start_offset.max(first);
        self.epochs.truncate_from_start(self.start_offset);
        // Renames and unlinks that were not synced come back after a power cut.
        self.inventory.remove_logs(&self.files, &self.dir, |base| base < first)?;
        let interval_bytes = self.config.index_interval_bytes;
        let new = |mark: &SegmentMark, index| Segment::new(&self.dir, mark, interval_bytes, index);
        let mut segments: Vec<Arc<Segment>> = self.sealed.iter().map(|(mark, index)| new(mark, *index)).collect();
        let unindexed: Vec<_> = self.sealed.iter().map(|(mark, index)| (*mark, *index)).zip(&segments).collect();
        let mut dirty = Vec::new();
        let mut scanned = Vec::new();
        for ((mark, _), segment) in unindexed.into_iter().filter(|((_, index), _)| *index == IndexFiles::Ignored) {
            segment.pin();
            let producers = sidecar(&self.files, &self.dir, mark.base_offset).map(|sidecar| sidecar.producers);
            let sidecar = Sidecar { append_time: mark.append_time, producers: producers.unwrap_or_default() };
            dirty.push(Work::Sealed { segment: Arc::clone(segment), sidecar: Bytes::from(sidecar.encode()) });
            if self.aborted.iter().any(|entry| (mark.base_offset..mark.next_offset).contains(&entry.last_offset)) {
                scanned.push((mark.base_offset, mark.next_offset));
            }
        }
        segments.push(new(&active, active_index));
        let bases = segments.iter().map(|segment| segment.base()).collect();
        let tidied = self.inventory.tidy(&self.files, &self.dir, &bases, active.next_offset);
        if tidied || active_index == IndexFiles::Ignored {
            self.files.sync_dir(&self.dir)?;
        }
        let parts = Parts {
            dir: self.dir,
            id: self.id,
            segments,
            start_offset: self.start_offset,
            epochs: self.epochs,
            producers: self.producers,
            base_producers: self.base_producers,
            aborted: self.aborted,
        };
        let mut log = PartitionLog::assemble(&self.files, self.config, parts);
        log.touched = active_index == IndexFiles::Ignored;
        for (base, end) in scanned {
            dirty.push(log.aborted_work(base, end));
        }
        log.dirty = dirty;
        // What was read above the checkpoint may not stand beside the segment yet.
        log.aborted_dirty = log.touched && log.aborted.iter().any(|entry| entry.last_offset >= active.base_offset);
        let gone = self.gone.iter().map(|name| Leftover::awaited(log.shared.dir.join(name)));
        log.leftovers = self.replaced.iter().map(|&base| log.awaited(base)).chain(gone).collect();
        log.shared.note_checkpoint(self.checkpointed);
        let Self { kept_batch_count, cut_bytes, cut_at, .. } = self;
        Ok(Recovered { log, kept_batch_count, cut_bytes, cut_at })
    }
}

fn write_again(file: &dyn DiskFile, from: u64, to: u64) -> std::io::Result<()> {
    let mut position = from;
    let mut buffer = Vec::new();
    while position < to {
        let size = (to - position).min(REWRITE_SIZE);
        buffer.resize(usize::try_from(size).unwrap_or(0), 0);
        read_exact_at(file, &mut buffer, position)?;
        file.write_all_at(&buffer, position)?;
        position += size;
    }
    Ok(())
}

/// The sidecar of the segment at `base`, where there is a sound one.
pub(super) fn sidecar(files: &LogFiles, dir: &Path, base: Offset) -> Option<Sidecar> {
    let bytes = files.read_all(&segment_path(dir, base, FileKind::Sidecar), SMALL_SIZE_MAX).ok()??;
    Sidecar::decode(&bytes)
}

/// The producers at `base` as our sidecar or Kafka's snapshot has them; none where neither is sound.
fn producers_beside(files: &LogFiles, dir: &Path, base: Offset, count_max: usize) -> ProducerTable {
    let ours = sidecar(files, dir, base).and_then(|sidecar| ProducerTable::decode(sidecar.producers, count_max).ok());
    let kafkas = || {
        let bytes = files.read_all(&segment_path(dir, base, FileKind::Snapshot), SMALL_SIZE_MAX).ok()??;
        snapshot::decode(Bytes::from(bytes), count_max).ok()
    };
    ours.or_else(kafkas).unwrap_or_else(|| ProducerTable::new(count_max))
}
