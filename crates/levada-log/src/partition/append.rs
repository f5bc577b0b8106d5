//! Appending: whole runs in one vectored write, rolling between them.

use super::{
    AbortedTransaction, Active, AppendError, LogConfig, PartitionLog,
    index::{Entries, IndexBuilder, Indexed, relative},
    layout::{FileKind, Sidecar, segment_path},
    producer::snapshot,
    reader::LogReader,
    recovery::sidecar,
    segment::{IndexFiles, Segment, SegmentMark},
    sync::Work,
};
use crate::{
    disk::{DiskFile, OpenMode},
    error::DiskError,
};
use bytes::Bytes;
use levada_model::{LeaderEpoch, Marker, Offset, Timestamp, batch::BatchHeader, record::StoredBatch};
use std::{io::IoSlice, sync::Arc};

/// Where an append left the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendedTo {
    /// Base offset of the active segment.
    pub segment_base: Offset,
    /// Its size.
    pub size_bytes: u64,
    /// Offset after the last record.
    pub next_offset: Offset,
    /// How many segments were begun.
    pub rolled_count: u32,
}

/// Whether the segment has been written to for as long as it may.
fn is_old(mark: &SegmentMark, now_ms: Timestamp, config: &LogConfig) -> bool {
    let age_ms = now_ms.saturating_sub(mark.first_append_time);
    mark.size_bytes > 0 && mark.first_append_time >= 0 && age_ms >= config.segment_age_max_ms()
}

impl Active {
    pub(super) fn is_old(&self, now_ms: Timestamp, config: &LogConfig) -> bool {
        is_old(&self.mark, now_ms, config)
    }
}

impl LogReader {
    /// Marks the log as unfit for writing; the first reason stays.
    pub(super) fn poison(&self, reason: &str) {
        if self.poison.set(reason.to_owned()).is_ok() {
            tracing::error!(dir = %self.dir.display(), reason, "the log is poisoned and takes no more appends");
        }
    }
}

impl PartitionLog {
    /// Appends batches in order; their offsets rise, gaps are allowed.
    ///
    /// `now_ms` is the broker's wall clock. Readers see a batch once it is written; durable it is when synced.
    ///
    /// # Errors
    /// [`AppendError`]. After [`AppendError::NoSpace`] the batches below its offset are in the log, the others are
    /// not. A poisoned log takes nothing more.
    pub fn append(&mut self, batches: &[StoredBatch], now_ms: Timestamp) -> Result<AppendedTo, AppendError> {
        if let Some(reason) = self.shared.poisoned() {
            return Err(AppendError::Poisoned(reason.to_owned()));
        }
        let headers = self.check(batches)?;
        let mut rolled_count = 0;
        let mut rest = batches.iter().zip(&headers).peekable();
        while let Some((first, _)) = rest.peek() {
            if self.must_roll(&self.active.mark, first, now_ms) {
                self.roll(self.base_for(first))?;
                rolled_count += 1;
            }
            let mut run = Run::new(&self.active, now_ms);
            while let Some((batch, header)) =
                rest.next_if(|(batch, _)| run.slices.is_empty() || !self.must_roll(&run.effect.mark, batch, now_ms))
            {
                run.add(batch, header);
            }
            self.write(run)?;
        }
        let mark = &self.active.mark;
        Ok(AppendedTo {
            segment_base: mark.base_offset,
            size_bytes: mark.size_bytes,
            next_offset: mark.next_offset,
            rolled_count,
        })
    }

    /// The headers of `batches`, all of which may be appended one after the other.
    pub(super) fn check(&self, batches: &[StoredBatch]) -> Result<Vec<BatchHeader>, AppendError> {
        let mut next = self.active.mark.next_offset;
        let mut headers = Vec::with_capacity(batches.len());
        for batch in batches {
            let (base, last) = (batch.base_offset, batch.last_offset);
            if base < next || last < base || last == Offset::MAX || relative(base, last).is_none() {
                return Err(AppendError::OutOfOrder { base, last, next });
            }
            let header = batch.header().filter(|header| {
                header.size() == Some(batch.size()) && header.base_offset == base && header.last_offset() == last
            });
            headers.push(header.ok_or(AppendError::Malformed { base })?);
            next = batch.next_offset();
        }
        Ok(headers)
    }

    /// As Kafka rolls: by size, by age in the broker's time, where offsets would not fit the index.
    pub(super) fn must_roll(&self, mark: &SegmentMark, batch: &StoredBatch, now_ms: Timestamp) -> bool {
        let size = mark.size_bytes.saturating_add(u64::try_from(batch.size()).unwrap_or(u64::MAX));
        let full = mark.size_bytes > 0 && size > u64::from(self.config.segment_bytes);
        full || is_old(mark, now_ms, &self.config) || relative(mark.base_offset, batch.last_offset).is_none()
    }

    /// Where a segment begins whose first batch is `batch`: at the end of the log, so that a segment that is lost
    /// shows as a gap; further on only where the gap exceeds what an index can hold.
    pub(super) fn base_for(&self, batch: &StoredBatch) -> Offset {
        let end = self.next_offset();
        if relative(end, batch.last_offset).is_some() { end } else { batch.base_offset }
    }

    /// Seals the active segment and begins one at `base`.
    pub(super) fn roll(&mut self, base: Offset) -> Result<(), AppendError> {
        if base == self.active.mark.base_offset {
            return Ok(());
        }
        let path = segment_path(&self.shared.dir, base, FileKind::Log);
        let created = self.shared.files.open(&path, OpenMode::Create).and_then(|file| {
            file.set_len(0).map_err(DiskError::at("truncate", &path))?;
            Ok(file)
        });
        let file = created.map_err(|error| self.failed(error))?;
        let mark = SegmentMark::empty(base);
        let interval_bytes = self.config.index_interval_bytes;
        let segment = Segment::new(&self.shared.dir, &mark, interval_bytes, IndexFiles::Ignored);
        segment.pin();
        segment.adopt(&file);
        self.seal();
        self.publish_segment(&segment);
        self.active = Active::new(segment, &self.config, Some(self.producers.encode()));
        self.active.file = Some(file);
        self.note_producers(base);
        self.names_dirty = true;
        self.segment_names_dirty = true;
        Ok(())
    }

    fn publish_segment(&self, segment: &Arc<Segment>) {
        let mut segments = self.shared.segments.write();
        let mut longer = Vec::with_capacity(segments.len() + 1);
        longer.extend(segments.iter().cloned());
        longer.push(Arc::clone(segment));
        *segments = Arc::new(longer);
    }

    pub(super) fn seal(&mut self) {
        self.active.segment.seal(&self.active.builder);
        let data = self.unsynced_data();
        self.dirty.extend(data);
        let aborted = self.unsynced_aborted();
        self.dirty.extend(aborted);
        let segment = Arc::clone(&self.active.segment);
        self.dirty.push(Work::Sealed { segment, sidecar: self.sidecar() });
    }

    /// What stands beside the active segment.
    pub(super) fn sidecar(&self) -> Bytes {
        let Active { mark, base_producers, .. } = &self.active;
        let beside =
            || sidecar(&self.shared.files, &self.shared.dir, mark.base_offset).map(|sidecar| sidecar.producers);
        let producers = base_producers.clone().or_else(beside).unwrap_or_default();
        Bytes::from(Sidecar { append_time: mark.append_time, producers }.encode())
    }

    /// Writes down who the producers are at the end of the log, `base`.
    fn note_producers(&mut self, base: Offset) {
        let snapshot = snapshot::encode(&self.producers);
        self.dirty.push(Work::Beside { base, kind: FileKind::Snapshot, bytes: snapshot });
        self.dirty.push(Work::Beside { base, kind: FileKind::Sidecar, bytes: self.sidecar() });
    }

    fn active_file(&mut self) -> Result<Arc<dyn DiskFile>, DiskError> {
        if let Some(file) = &self.active.file {
            return Ok(Arc::clone(file));
        }
        let file = self.shared.files.open(self.active.segment.path(), OpenMode::Write)?;
        self.active.segment.adopt(&file);
        self.active.file = Some(Arc::clone(&file));
        Ok(file)
    }

    fn write(&mut self, run: Run<'_>) -> Result<(), AppendError> {
        self.put(&run)?;
        self.adopt(run.effect);
        Ok(())
    }

    /// Writes a run behind the end of the active segment, where nobody reads it before it is adopted.
    pub(super) fn put(&mut self, run: &Run<'_>) -> Result<(), AppendError> {
        let file = self.active_file().map_err(|error| self.failed(error))?;
        let start = self.active.mark.size_bytes;
        if let Err(error) = file.write_vectored_all_at(&run.slices, start) {
            let error = DiskError::at("write", self.active.segment.path())(error);
            if error.is_full()
                && let Err(error) = file.set_len(start)
            {
                let error = DiskError::at("cut", self.active.segment.path())(error);
                self.shared.poison(&error.to_string());
                return Err(AppendError::Poisoned(error.to_string()));
            }
            return Err(self.failed(error));
        }
        self.touched = true;
        self.active.unsynced_bytes += run.effect.mark.size_bytes - start;
        Ok(())
    }

    /// Makes what was put part of the log.
    pub(super) fn adopt(&mut self, effect: Effect) {
        for &(epoch, offset) in &effect.epochs {
            self.epochs_dirty |= self.shared.epochs.write().assign(epoch, offset);
        }
        for (header, marker) in &effect.produced {
            let ended = self.producers.apply(header, header.base_offset, effect.now_ms);
            let aborted = AbortedTransaction::ended(header, *marker, ended, &self.producers);
            self.aborted_dirty |= aborted.is_some();
            self.aborted.extend(aborted);
        }
        self.active.mark = effect.mark;
        self.active.builder = effect.builder;
        self.active.segment.publish(&self.active.mark, &effect.entries);
        self.shared.next_offset.store(self.active.mark.next_offset, std::sync::atomic::Ordering::Release);
    }

    /// A full disk is for later; anything else ends the log.
    fn failed(&self, error: DiskError) -> AppendError {
        if error.is_full() {
            return AppendError::NoSpace { next_offset: self.next_offset(), source: error };
        }
        self.shared.poison(&error.to_string());
        AppendError::Poisoned(error.to_string())
    }
}

/// Batches that go to one segment in one write.
pub(super) struct Run<'a> {
    slices: Vec<IoSlice<'a>>,
    pub(super) effect: Effect,
}

/// What a run makes of the log.
#[derive(Debug)]
pub(super) struct Effect {
    pub(super) mark: SegmentMark,
    builder: IndexBuilder,
    entries: Vec<Entries>,
    epochs: Vec<(LeaderEpoch, Offset)>,
    /// The batches of idempotent producers, and what they say where they are markers.
    produced: Vec<(BatchHeader, Option<Marker>)>,
    now_ms: Timestamp,
}

impl<'a> Run<'a> {
    pub(super) fn new(active: &Active, now_ms: Timestamp) -> Self {
        let (mark, builder) = (active.mark, active.builder.clone());
        let (entries, epochs, produced) = (Vec::new(), Vec::new(), Vec::new());
        Self { slices: Vec::new(), effect: Effect { mark, builder, entries, epochs, produced, now_ms } }
    }

    pub(super) fn add(&mut self, batch: &'a StoredBatch, header: &BatchHeader) {
        self.slices.push(IoSlice::new(&batch.head));
        self.slices.push(IoSlice::new(&batch.body));
        let size = u64::try_from(batch.size()).expect("sizes in memory fit 64 bits");
        self.effect.add(batch, size, header);
    }
}

impl Effect {
    fn add(&mut self, batch: &StoredBatch, size: u64, header: &BatchHeader) {
        let indexed = Indexed::of(self.mark.size_bytes, size, header);
        self.entries.extend(self.builder.note(indexed));
        if self.epochs.last().is_none_or(|&(epoch, _)| epoch < header.partition_leader_epoch) {
            self.epochs.push((header.partition_leader_epoch, batch.base_offset));
        }
        if header.producer().is_some() {
            self.produced.push((*header, batch.marker()));
        }
        let mark = &mut self.mark;
        mark.size_bytes += size;
        mark.next_offset = batch.next_offset();
        mark.max_timestamp = self.builder.max_timestamp();
        mark.append_time = mark.append_time.max(self.now_ms);
        if mark.first_append_time < 0 {
            mark.first_append_time = self.now_ms;
        }
    }
}
