//! Writing one segment in the place of some: `<base>.log.cleaned`.

use super::{
    CompactError, Compaction, Go, Halt, Meter, PACE_BYTES, Pace, Source,
    filter::{Filter, Judged},
};
use crate::{
    disk::{DiskFile, OpenMode},
    error::DiskError,
    partition::{
        LogReader, SegmentMark,
        error::Defect,
        index::{IndexBuilder, Indexed},
        layout::{CLEANED_SUFFIX, FileKind, segment_path, with_suffix},
        recovery::sidecar,
        scan::Found,
        segment::{IndexFiles, Segment},
    },
};
use bytes::Bytes;
use levada_model::{NO_TIMESTAMP, Offset, batch::BatchHeader};
use std::{ops::Range, path::PathBuf, sync::Arc};

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
}

impl Rewritten {
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
    fn begin(log: &LogReader, sources: &[Source]) -> Result<Self, CompactError> {
        let marks = sources.iter().map(|source| source.segment.mark());
        let base = sources.first().map_or(0, |source| source.segment.base());
        let interval = sources.first().map_or(1 << 14, |source| source.segment.interval_bytes());
        let empty = SegmentMark::empty(base);
        let mark = marks.fold(empty, |mark, old| SegmentMark {
            next_offset: old.next_offset,
            first_append_time: earlier(mark.first_append_time, old.first_append_time),
            append_time: mark.append_time.max(old.append_time),
            ..mark
        });
        let path = with_suffix(&segment_path(&log.dir, base, FileKind::Log), CLEANED_SUFFIX);
        let file = log.files.open(&path, OpenMode::Create)?;
        file.set_len(0).map_err(DiskError::at("truncate", &path))?;
        // Empty at first, so that all of its index is what is noted here.
        let segment = Segment::new(&log.dir, &empty, interval, IndexFiles::Ignored);
        let builder = IndexBuilder::new(base, interval);
        Ok(Self { path, file, builder, segment, mark, buffer: Vec::new(), written: 0, synced: 0 })
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

/// What the segments of a group came to.
struct Outcome {
    judged: Judged,
    read_bytes: u64,
    written_bytes: u64,
}

impl Compaction {
    /// Writes a group of segments anew; `None` where that changed nothing, or was split into smaller ones.
    pub(super) fn rewrite_group(
        &mut self,
        group: Range<usize>,
        pace: &mut Pace<'_>,
    ) -> Result<Option<Rewritten>, CompactError> {
        let sources = self.sources.get(group.clone()).unwrap_or_default().to_vec();
        let mut target = Target::begin(&self.log, &sources)?;
        let before = self.transactions.clone();
        let outcome = match self.fill(&mut target, &sources, pace) {
            Ok(outcome) => outcome,
            Err((index, halt)) => {
                discard(&self.log, &target.path);
                match halt {
                    Halt::Ended(error) => return Err(error),
                    Halt::Left(corruption) => {
                        self.transactions = before;
                        self.split(&group, group.start + index, corruption);
                        return Ok(None);
                    }
                }
            }
        };
        self.report.read_bytes += outcome.read_bytes;
        self.report.written_bytes += outcome.written_bytes;
        self.report.records_dropped += outcome.judged.records_dropped;
        if sources.len() == 1 && !outcome.judged.is_changed {
            discard(&self.log, &target.path);
            return Ok(None);
        }
        target.finish();
        let base = target.mark.base_offset;
        let beside = sidecar(&self.log.files, &self.log.dir, base);
        Ok(Some(Rewritten {
            log: Arc::clone(&self.log),
            end: sources.last().map_or(target.mark.next_offset, |last| last.end),
            old: sources.into_iter().map(|source| source.segment).collect(),
            new: target.segment,
            file: target.file,
            producers: beside.map(|sidecar| sidecar.producers).unwrap_or_default(),
        }))
    }

    /// Puts what stays of `sources` into `target`; an error says at which of them.
    fn fill(&mut self, target: &mut Target, sources: &[Source], pace: &mut Pace<'_>) -> Result<Outcome, (usize, Halt)> {
        let mut outcome = Outcome { judged: Judged::default(), read_bytes: 0, written_bytes: 0 };
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
        for (index, source) in sources.iter().enumerate() {
            let mut each = |found: &Found, bytes: &[u8]| {
                meter.add(found.size)?;
                outcome.read_bytes += found.size;
                let start = target.buffer.len();
                let judged = filter.judge(&found.header, bytes, &mut target.buffer);
                match judged.and_then(|judged| target.note(start).map(|()| judged)) {
                    Ok(judged) => {
                        outcome.judged.records_dropped += judged.records_dropped;
                        outcome.judged.is_changed |= judged.is_changed;
                    }
                    Err(defect) => return Ok(Go::Left(defect)),
                }
                if target.buffer.len() >= usize::try_from(PACE_BYTES).unwrap_or(usize::MAX) {
                    let written = target.flush()?;
                    outcome.written_bytes += written;
                    meter.add(written)?;
                }
                Ok(Go::On)
            };
            source.walk(&self.log, &mut each).map_err(|halt| (index, halt))?;
        }
        let last = sources.len().saturating_sub(1);
        outcome.written_bytes += target.flush().map_err(|error| (last, error.into()))?;
        self.transactions = filter.transactions;
        Ok(outcome)
    }
}
