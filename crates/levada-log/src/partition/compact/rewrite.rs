//! Writing one segment in the place of some: `<base>.log.cleaned`.

use super::{
    CompactError, Compaction, Go, Halt, Meter, PACE_BYTES, Pace, Step,
    filter::{Filter, Judged},
};
use crate::{
    disk::{DiskFile, OpenMode},
    error::DiskError,
    partition::{
        AbortedTransaction, LogReader, SegmentMark,
        error::Defect,
        index::{IndexBuilder, Indexed, relative},
        layout::{CLEANED_SUFFIX, FileKind, segment_path, with_suffix},
        recovery::sidecar,
        scan::Found,
        segment::{IndexFiles, Segment},
    },
};
use bytes::Bytes;
use levada_model::{NO_TIMESTAMP, Offset, batch::BatchHeader};
use std::{collections::BTreeSet, ops::Range, path::PathBuf, sync::Arc};

/// So much is written before it is synced: a large sync at once would hold up those of the journal.
const SYNC_BYTES: u64 = 8 << 20;

/// A new segment, and those in whose place it is to stand. Nobody sees it yet.
#[derive(Debug)]
pub struct Rewritten {
    pub(super) log: Arc<LogReader>,
    pub(super) old: Vec<Arc<Segment>>,
    pub(super) new: Arc<Segment>,
    pub(super) file: Arc<dyn DiskFile>,
    /// Where the segment behind them begins.
    pub(super) end: Offset,
    /// The producers at its base, as they stood beside the first of the old ones.
    pub(super) producers: Bytes,
    /// Aborted transactions whose markers are in it.
    pub(super) aborted: Vec<AbortedTransaction>,
    /// Offsets of markers of aborts that are no longer there.
    pub(super) gone: BTreeSet<Offset>,
}

impl Rewritten {
    /// Offsets of markers of aborts that are no longer there: readers must not be told of their transactions any more
    /// when they get the new segment.
    #[must_use]
    pub const fn gone_markers(&self) -> &BTreeSet<Offset> {
        &self.gone
    }

    /// How the new segment is described.
    #[must_use]
    pub fn mark(&self) -> SegmentMark {
        self.new.mark()
    }

    pub(super) fn path(&self, suffix: &str) -> PathBuf {
        with_suffix(self.new.path(), suffix)
    }

    /// Gives it up; nothing was committed.
    pub fn discard(self) {
        discard(&self.log, &self.path(CLEANED_SUFFIX));
    }
}

fn discard(log: &LogReader, path: &std::path::Path) {
    // What stays is removed at the next start, or written over.
    if let Err(error) = log.files.disk().remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %path.display(), "a compacted segment that came to nothing could not be removed");
    }
}

/// A segment that is being written.
struct Target {
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    builder: IndexBuilder,
    segment: Arc<Segment>,
    mark: SegmentMark,
    /// Batches that are not in the file yet.
    buffer: Vec<u8>,
    written: u64,
    synced: u64,
}

impl Target {
    /// A segment that begins where `first` does.
    fn begin(log: &LogReader, first: &Segment) -> Result<Self, CompactError> {
        let (base, interval) = (first.base(), first.interval_bytes());
        let mark = SegmentMark::empty(base);
        let path = with_suffix(&segment_path(&log.dir, base, FileKind::Log), CLEANED_SUFFIX);
        let file = log.files.open(&path, OpenMode::Create)?;
        file.set_len(0).map_err(DiskError::at("truncate", &path))?;
        // Empty at first, so that all of its index is what is noted here.
        let segment = Segment::new(&log.dir, &mark, interval, IndexFiles::Ignored);
        let builder = IndexBuilder::new(base, interval);
        Ok(Self { path, file, builder, segment, mark, buffer: Vec::new(), written: 0, synced: 0 })
    }

    /// It stands for `old`, too.
    fn cover(&mut self, old: &SegmentMark) {
        self.mark = SegmentMark {
            next_offset: old.next_offset,
            first_append_time: earlier(self.mark.first_append_time, old.first_append_time),
            append_time: self.mark.append_time.max(old.append_time),
            ..self.mark
        };
    }

    /// Whether as many bytes as `next` has surely fit in, too.
    fn has_room_for(&self, next: &SegmentMark, segment_bytes: u32) -> bool {
        let size = self.written.saturating_add(next.size_bytes);
        size <= u64::from(segment_bytes) && relative(self.mark.base_offset, next.next_offset).is_some()
    }

    /// The batch that was put into the buffer from `start` on.
    fn note(&mut self, start: usize) -> Result<(), Defect> {
        let bytes = self.buffer.get(start..).unwrap_or_default();
        let Ok(header) = BatchHeader::parse(bytes) else { return Ok(()) };
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let position = self.written + u64::try_from(start).unwrap_or(u64::MAX);
        if position + size > u64::from(i32::MAX.unsigned_abs()) {
            return Err(Defect::Records("the compacted segment would exceed 2 GiB".to_owned()));
        }
        if let Some(entries) = self.builder.note(Indexed::of(position, size, &header)) {
            self.segment.publish(&SegmentMark::empty(self.mark.base_offset), &[entries]);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<u64, DiskError> {
        let size = u64::try_from(self.buffer.len()).unwrap_or(u64::MAX);
        self.file.write_all_at(&self.buffer, self.written).map_err(DiskError::at("write", &self.path))?;
        self.buffer.clear();
        self.written += size;
        if self.written - self.synced >= SYNC_BYTES {
            self.file.sync_data().map_err(DiskError::at("sync", &self.path))?;
            self.synced = self.written;
        }
        Ok(size)
    }

    /// Everything is in the file; its description is complete.
    fn finish(&mut self) {
        self.mark.size_bytes = self.written;
        self.mark.max_timestamp = self.builder.max_timestamp();
        self.segment.publish(&self.mark, &[]);
        self.segment.seal(&self.builder);
    }
}

/// The earlier of two times, one of which may not be known.
const fn earlier(one: i64, other: i64) -> i64 {
    if one == NO_TIMESTAMP || (other != NO_TIMESTAMP && other < one) { other } else { one }
}

impl Compaction {
    /// Writes a group of segments anew, and those behind it as long as what stays of them fits in; `None` where that
    /// changed nothing, or was split into smaller ones.
    pub(super) fn rewrite_group(
        &mut self,
        group: Range<usize>,
        pace: &mut Pace<'_>,
    ) -> Result<Option<Rewritten>, CompactError> {
        let mut group = group;
        let Some(first) = self.sources.get(group.start) else { return Ok(None) };
        let mut target = Target::begin(&self.log, &first.segment)?;
        let (before, dropped_before) = (self.transactions.clone(), self.report.records_dropped);
        let (mut from, mut is_changed) = (group.start, false);
        while from < group.end {
            match self.fill(&mut target, from..group.end, pace) {
                Ok(judged) => {
                    is_changed |= judged.is_changed;
                    self.report.records_dropped += judged.records_dropped;
                }
                Err((index, halt)) => {
                    discard(&self.log, &target.path);
                    match halt {
                        Halt::Ended(error) => return Err(error),
                        Halt::Left(corruption) => {
                            self.transactions = before;
                            self.report.records_dropped = dropped_before;
                            self.split(&group, index, corruption);
                            return Ok(None);
                        }
                    }
                }
            }
            from = group.end;
            group.end = self.take_following(&target, from);
        }
        if group.len() == 1 && !is_changed {
            discard(&self.log, &target.path);
            return Ok(None);
        }
        target.finish();
        Ok(Some(self.rewritten(target, group)))
    }

    /// The end of the next group, if it begins at `from` and fits into `target`; else `from`.
    fn take_following(&mut self, target: &Target, from: usize) -> usize {
        let Some(Step::Rewrite(next)) = self.steps.front().filter(|_| from < self.sources.len()) else { return from };
        let sources = self.sources.get(next.clone()).unwrap_or_default();
        let size_bytes = sources.iter().map(|source| source.segment.size()).sum();
        let end = sources.last().map_or(SegmentMark::empty(0), |last| last.segment.mark());
        let fits = next.start == from && target.has_room_for(&SegmentMark { size_bytes, ..end }, self.segment_bytes);
        if !fits {
            return from;
        }
        let end = next.end;
        self.steps.pop_front();
        end
    }

    fn rewritten(&self, target: Target, group: Range<usize>) -> Rewritten {
        let sources = self.sources.get(group).unwrap_or_default();
        let beside = sidecar(&self.log.files, &self.log.dir, target.mark.base_offset);
        let end = sources.last().map_or(target.mark.next_offset, |last| last.end);
        let (base, gone) = (target.mark.base_offset, self.transactions.gone());
        let is_here = |entry: &&AbortedTransaction| (base..end).contains(&entry.last_offset);
        let is_there = |entry: &&AbortedTransaction| !gone.contains(&entry.last_offset);
        Rewritten {
            log: Arc::clone(&self.log),
            end,
            aborted: self.request.aborted.iter().filter(is_here).filter(is_there).copied().collect(),
            gone: gone.range(base..end).copied().collect(),
            old: sources.iter().map(|source| Arc::clone(&source.segment)).collect(),
            new: target.segment,
            file: target.file,
            producers: beside.map(|sidecar| sidecar.producers).unwrap_or_default(),
        }
    }

    /// Puts what stays of some segments into `target`; an error says at which of them.
    fn fill(&mut self, target: &mut Target, range: Range<usize>, pace: &mut Pace<'_>) -> Result<Judged, (usize, Halt)> {
        let mut all = Judged::default();
        let mut meter = Meter { pace, bytes: 0 };
        let mut filter = Filter {
            map: &self.map,
            map_end: self.map_end,
            transactions: std::mem::take(&mut self.transactions),
            producers: &self.producers,
            keep_end: self.sources.last().map_or(0, |last| last.segment.next_offset()),
            now_ms: self.request.limits.now_ms,
            delete_retention_ms: self.request.delete_retention_ms,
            tombstones: self.tombstones,
            stays: Vec::new(),
        };
        let report = &mut self.report;
        for (index, source) in self.sources.iter().enumerate().take(range.end).skip(range.start) {
            let mut each = |found: &Found, bytes: &[u8]| {
                meter.add(found.size)?;
                report.read_bytes += found.size;
                let start = target.buffer.len();
                let judged = filter.judge(&found.header, bytes, &mut target.buffer);
                match judged.and_then(|judged| target.note(start).map(|()| judged)) {
                    Ok(judged) => {
                        all.records_dropped += judged.records_dropped;
                        all.is_changed |= judged.is_changed;
                    }
                    Err(defect) => return Ok(Go::Left(defect)),
                }
                if target.buffer.len() >= usize::try_from(PACE_BYTES).unwrap_or(usize::MAX) {
                    let written = target.flush()?;
                    report.written_bytes += written;
                    meter.add(written)?;
                }
                Ok(Go::On)
            };
            source.walk(&self.log, &mut each).map_err(|halt| (index, halt))?;
            target.cover(&source.segment.mark());
        }
        report.written_bytes += target.flush().map_err(|error| (range.start, error.into()))?;
        self.transactions = filter.transactions;
        Ok(all)
    }
}
