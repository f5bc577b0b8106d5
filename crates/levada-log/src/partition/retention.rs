//! Letting go of old records: whole segments, oldest first.

use super::{
    AppendError, PartitionLog, ReadError,
    layout::{DELETED_SUFFIX, FileKind, segment_path, with_suffix},
    reader::LogReader,
    segment::{Segment, SegmentMark},
};
use levada_model::{Offset, Timestamp};
use std::{
    io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Records for at least so long (`retention.ms`); `None`: for ever.
    pub age_max_ms: Option<i64>,
    /// At least so many bytes (`retention.bytes`); `None`: all.
    pub bytes_max: Option<u64>,
    /// No record at or beyond this offset goes: the high watermark, or what someone holds.
    pub upper_offset: Offset,
}

/// What was let go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// The segments.
    pub segments: Vec<SegmentMark>,
    /// Files to unlink, off the writer's thread, large ones truncated in steps; **not before a checkpoint taken
    /// after this is durable**, or the log would be opened with segments missing.
    pub paths: Vec<PathBuf>,
}

impl PartitionLog {
    /// Moves the start of the log up to `offset` (DeleteRecords). Records below are not read again; their segments
    /// go with the next [`Self::expire`]. Durable with the next checkpoint.
    ///
    /// # Errors
    /// [`ReadError::OutOfRange`] beyond the end.
    pub fn set_log_start(&mut self, offset: Offset) -> Result<(), ReadError> {
        let (start, end) = (self.shared.log_start_offset(), self.next_offset());
        if offset > end {
            return Err(ReadError::OutOfRange { offset, start, end });
        }
        self.raise_log_start(offset);
        Ok(())
    }

    fn raise_log_start(&mut self, offset: Offset) {
        if self.shared.log_start.fetch_max(offset, Ordering::AcqRel) < offset {
            self.shared.epochs.write().truncate_from_start(offset);
            self.epochs_dirty = true;
            self.touched = true;
        }
    }

    /// Lets go of the oldest segments that retention does not keep, or that lie below the start of the log.
    ///
    /// The active segment goes only where all of it may; a new one is begun then. Names end in `.deleted` afterwards.
    ///
    /// # Errors
    /// Where a new segment is needed and cannot be begun, as [`Self::append`].
    pub fn expire(&mut self, now_ms: Timestamp, retention: &Retention) -> Result<Removed, AppendError> {
        let marks = self.shared.segments();
        // What is just being replaced goes another time.
        let upper_offset = retention.upper_offset.min(self.replacing.unwrap_or(Offset::MAX));
        let retention = &Retention { upper_offset, ..*retention };
        let count = expired_count(&marks, now_ms, retention, self.shared.log_start_offset());
        if count == 0 {
            return Ok(Removed::default());
        }
        if count == marks.len() {
            self.roll(self.next_offset())?;
        }
        let segments = self.shared.forget_oldest(count);
        let start = self.shared.snapshot().first().map_or(self.next_offset(), |segment| segment.base());
        self.raise_log_start(start);
        self.aborted.retain(|entry| entry.last_offset >= start);
        self.names_dirty = true;
        self.touched = true;
        let paths = segments.iter().flat_map(|segment| self.rename_deleted(segment)).collect();
        Ok(Removed { segments: segments.iter().map(|segment| segment.mark()).collect(), paths })
    }

    fn rename_deleted(&self, segment: &Segment) -> Vec<PathBuf> {
        let mut renamed = Vec::new();
        for kind in FileKind::ALL {
            let path = segment_path(&self.shared.dir, segment.base(), kind);
            let deleted = with_suffix(&path, DELETED_SUFFIX);
            match self.shared.files.disk().rename(&path, &deleted) {
                Ok(()) => renamed.push(deleted),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    tracing::warn!(%error, path = %path.display(), "an expired file could not be renamed");
                    renamed.push(path);
                }
            }
        }
        renamed
    }
}

impl LogReader {
    /// Takes the first `count` segments out of the log, never the last.
    fn forget_oldest(&self, count: usize) -> Vec<Arc<Segment>> {
        let mut segments = self.segments.write();
        let mut rest = segments.to_vec();
        let gone = rest.drain(..count.min(rest.len().saturating_sub(1))).collect();
        *segments = Arc::new(rest);
        gone
    }
}

/// How many of the oldest segments may go.
fn expired_count(marks: &[SegmentMark], now_ms: Timestamp, retention: &Retention, log_start: Offset) -> usize {
    let mut surplus_bytes = retention.bytes_max.map_or(0, |bytes_max| {
        let total: u64 = marks.iter().map(|mark| mark.size_bytes).sum();
        total.saturating_sub(bytes_max)
    });
    let mut count = 0;
    for (index, mark) in marks.iter().enumerate() {
        let too_old = retention.age_max_ms.is_some_and(|age_max_ms| {
            mark.retention_time() >= 0 && now_ms.saturating_sub(mark.retention_time()) > age_max_ms
        });
        let too_much = retention.bytes_max.is_some() && surplus_bytes >= mark.size_bytes;
        let below_start = mark.next_offset <= log_start;
        let is_new = mark.size_bytes == 0 && index + 1 == marks.len();
        let allowed = mark.next_offset <= retention.upper_offset && !is_new;
        if !allowed || !(too_old || too_much || below_start) {
            break;
        }
        surplus_bytes = surplus_bytes.saturating_sub(mark.size_bytes);
        count += 1;
    }
    count
}
