//! The writer: brings journalled batches to their segments, applies retention, takes checkpoints.

use super::{
    checkpoint::{Checkpoint, LogEntry},
    direct,
    flusher::FlusherCommand,
    inbox::{Work, WriterCommand},
    shared::Shared,
    space::Lack,
    syncer::{CheckpointJob, Doomed, SyncerCommand},
};
use crate::{append::AppendError, cluster::ClusterImage, log::Log, settings::Durability, ticket::Promise};
use bytes::BytesMut;
use levada_log::{
    LogReader,
    partition::{self, Leftover, PartitionLog, Retention},
};
use levada_model::{Offset, record::StoredBatch};
use std::{
    collections::VecDeque,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// How often the writer looks by itself.
const TICK: Duration = Duration::from_millis(250);
/// Batches wait this long for their segment at most.
const FLUSH_AGE_MAX: Duration = Duration::from_secs(1);
/// `durability=interval` without `flush.ms` and `flush.messages` syncs at this age.
const INTERVAL_DEFAULT: Duration = Duration::from_secs(1);

pub(crate) struct Writer {
    shared: Arc<Shared>,
    /// Logs with batches that are in no segment.
    dirty: Vec<Arc<Log>>,
    /// When the first of them became dirty.
    dirty_since: Option<Duration>,
    /// Logs whose tails hold flushed batches, oldest first.
    retained: VecDeque<Arc<Log>>,
    retained_bytes: usize,
    last_checkpoint: Duration,
    written_since_checkpoint: u64,
    last_expiry: Duration,
    /// Renamed segments, and what else goes with a checkpoint.
    doomed: Vec<Doomed>,
}

/// What a checkpoint is made of.
struct Capture {
    checkpoint: Checkpoint,
    files: Vec<partition::DirtyFile>,
    flushed: Flushed,
    named: Vec<(Arc<LogReader>, Offset)>,
}

/// Whether all that is in the journal is in segments, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flushed {
    All,
    /// The disk is full.
    Some,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let now = shared.clock.monotonic();
        Self {
            shared,
            dirty: Vec::new(),
            dirty_since: None,
            retained: VecDeque::new(),
            retained_bytes: 0,
            last_checkpoint: now,
            written_since_checkpoint: 0,
            last_expiry: now,
            doomed: Vec::new(),
        }
    }

    /// Serves until it is told to close.
    pub(crate) fn run(mut self) {
        loop {
            let may_checkpoint = !self.shared.checkpoint_runs();
            let work = self.shared.inbox.wait(TICK, may_checkpoint);
            if let Some(promise) = self.carry_out(work) {
                self.close();
                promise.fulfil(());
                return;
            }
        }
    }

    fn carry_out(&mut self, work: Work) -> Option<Promise<()>> {
        let now = self.shared.clock.monotonic();
        self.add_dirty(work.dirty, now);
        let close = self.obey(work.commands);
        let due = self.dirty_since.is_some_and(|since| now.saturating_sub(since) >= FLUSH_AGE_MAX);
        let lacks_space = self.shared.lacks(Lack::Files);
        let is_due = due || self.shared.inbox.unflushed_bytes() >= self.shared.config.flush_bytes;
        if is_due || lacks_space {
            let flushed = self.flush_all();
            if flushed && lacks_space && self.shared.has_room() {
                self.shared.end_lack(Lack::Files);
            }
        }
        self.sync_intervals(now);
        // Where there is no space, retention is what may bring some.
        if lacks_space || now.saturating_sub(self.last_expiry) >= self.shared.config.retention_check_interval {
            self.expire();
        }
        let waited_long = now.saturating_sub(self.last_checkpoint) >= self.shared.config.checkpoint_interval;
        let is_due = (waited_long && self.has_news()) || (lacks_space && self.may_unlink(now));
        if close.is_none() && (work.checkpoint || (is_due && !self.shared.checkpoint_runs())) {
            self.start_checkpoint(work.checkpoint_promises);
        }
        close
    }

    fn obey(&mut self, commands: Vec<WriterCommand>) -> Option<Promise<()>> {
        let mut close = None;
        for command in commands {
            match command {
                WriterCommand::Delete(logs) => logs.iter().for_each(|log| self.delete(log)),
                WriterCommand::SetStart(log) => raise_start(&log, &mut log.files.lock()),
                WriterCommand::Configure(logs) => self.configure(&logs),
                WriterCommand::Expire(promise) => {
                    self.flush_all();
                    self.expire();
                    promise.fulfil(());
                }
                WriterCommand::Close(promise) => close = Some(promise),
            }
        }
        close
    }

    pub(crate) fn add_dirty(&mut self, logs: Vec<Arc<Log>>, now: Duration) {
        if !logs.is_empty() {
            self.dirty_since.get_or_insert(now);
            self.dirty.extend(logs);
        }
    }

    /// Brings all that is journalled to its segments; false where the disk does not take it.
    pub(crate) fn flush_all(&mut self) -> bool {
        let mut left = Vec::new();
        let mut more = Vec::new();
        // Should the disk be nearly full, offsets come before records.
        self.dirty.sort_by_key(|log| !log.topic().is_internal());
        for log in std::mem::take(&mut self.dirty) {
            let flushed = flush(&self.shared, &log, &mut log.files.lock());
            match flushed {
                Ok(bytes) => {
                    self.written_since_checkpoint += u64::try_from(bytes).unwrap_or(0);
                    // Batches that came meanwhile: the appender found the log dirty, and did not hand it over again.
                    if log.tail.lock().is_dirty() {
                        more.push(Arc::clone(&log));
                    }
                    self.retain(log, bytes);
                }
                Err(()) => left.push(log),
            }
        }
        let done = left.is_empty();
        self.dirty = left;
        self.dirty.append(&mut more);
        if self.dirty.is_empty() {
            self.dirty_since = None;
        }
        self.shared.inbox.set_stuck(!done || self.shared.poison().is_some());
        done
    }

    /// Keeps the newest flushed batches in memory, up to the configured size in all.
    fn retain(&mut self, log: Arc<Log>, bytes: usize) {
        self.retained.push_back(log);
        let forgotten = self.shared.forgotten.swap(0, Ordering::AcqRel);
        self.retained_bytes = self.retained_bytes.saturating_sub(forgotten) + bytes;
        while self.retained_bytes > self.shared.config.tail_bytes_max {
            let Some(oldest) = self.retained.pop_front() else {
                self.retained_bytes = 0;
                break;
            };
            let freed = oldest.tail.lock().trim();
            self.retained_bytes = self.retained_bytes.saturating_sub(freed);
        }
    }

    fn delete(&mut self, log: &Arc<Log>) {
        if self.forget(log).is_some()
            && let Err(error) = self.shared.discard_own_dir(log.dir(), log.id())
        {
            tracing::warn!(dir = %log.dir().display(), %error, "the directory of a deleted partition stays for now");
        }
    }

    /// Batches of a deleted log that are in no segment go nowhere: its place may be another's by then. Gives its files.
    pub(crate) fn forget(&mut self, log: &Arc<Log>) -> Option<PartitionLog> {
        self.dirty.retain(|other| !Arc::ptr_eq(other, log));
        self.retained.retain(|other| !Arc::ptr_eq(other, log));
        let mut files = log.files.lock();
        let unflushed: usize = {
            let mut tail = log.tail.lock();
            let unflushed = tail.unflushed().iter().map(StoredBatch::size).sum();
            tail.clear();
            unflushed
        };
        self.shared.inbox.flushed(unflushed);
        files.take()
    }

    fn configure(&self, logs: &[Arc<Log>]) {
        for log in logs {
            if let Some(files) = log.files.lock().as_mut()
                && let Err(error) = files.set_config(direct::log_config(&log.settings()))
            {
                tracing::warn!(topic = %log.topic(), %error, "a topic's segments keep their settings");
            }
            if (log.settings().durability == Durability::Fsync) == log.append.lock().direct {
                self.shared.inbox.request_checkpoint(None);
            }
        }
    }

    /// Syncs direct logs whose `flush.ms` has passed.
    fn sync_intervals(&mut self, now: Duration) {
        for log in self.shared.image.load().logs() {
            let settings = log.settings();
            let every = match (settings.flush_ms, settings.durability) {
                (_, Durability::Fsync) => continue,
                (Some(flush_ms), _) => Duration::from_millis(flush_ms),
                (None, Durability::Interval) if settings.flush_messages.is_none() => INTERVAL_DEFAULT,
                (None, _) => continue,
            };
            let due = log.append.lock().unsynced_since.is_some_and(|since| now.saturating_sub(since) >= every);
            if !due {
                continue;
            }
            if let Some(files) = log.files.lock().as_mut() {
                let flush = direct::take_flush(log, files);
                self.shared.flushes.push(FlusherCommand::Flush(flush));
            }
        }
    }

    fn expire(&mut self) {
        let now = self.shared.clock.monotonic();
        self.last_expiry = now;
        let wall = self.shared.clock.wall_ms();
        let age_max_ms = i64::try_from(self.shared.config.producer_expiration.as_millis()).unwrap_or(i64::MAX);
        for log in self.shared.image.load().logs() {
            log.append.lock().producers.expire(wall, age_max_ms);
            let settings = log.settings();
            let mut files = log.files.lock();
            let Some(files) = files.as_mut() else { continue };
            files.expire_producers(wall, age_max_ms);
            // Where nothing is deleted by age and size, there is still what lies below the start of the log.
            let (age, bytes_max) =
                if settings.deletes { (settings.retention_ms, settings.retention_bytes) } else { (None, None) };
            let retention = Retention {
                age_max_ms: age.map(|age| i64::try_from(age).unwrap_or(i64::MAX)),
                bytes_max,
                upper_offset: log.holds.first().unwrap_or(Offset::MAX).min(log.tail().high_watermark),
            };
            match files.expire(wall, &retention) {
                Ok(removed) => {
                    log.advance_log_start(files.reader().log_start_offset());
                    let doomed = |path| Doomed { since: now, path, is_awaited: false, readers: None };
                    self.doomed.extend(removed.paths.into_iter().map(doomed));
                }
                // It is tried again soon, and the lack of space was told.
                Err(partition::AppendError::NoSpace { .. }) if self.shared.lacks(Lack::Files) => {}
                Err(error) => tracing::warn!(topic = %log.topic(), %error, "retention could not be applied"),
            }
        }
    }

    fn has_news(&self) -> bool {
        self.written_since_checkpoint > 0
            || !self.doomed.is_empty()
            || self.shared.published.load(Ordering::Acquire) > self.shared.released()
            || self
                .shared
                .image
                .load()
                .logs()
                .any(|log| log.files.lock().as_ref().is_some_and(|files| files.unsynced_bytes() > 0))
    }

    /// Whether files wait to be unlinked, and may be once a checkpoint is durable.
    fn may_unlink(&self, now: Duration) -> bool {
        let delay = self.shared.config.file_delete_delay;
        self.doomed.iter().any(|doomed| doomed.is_due(now, delay))
    }

    /// Hands a checkpoint of this moment to the syncer.
    fn start_checkpoint(&mut self, promises: Vec<Promise<()>>) {
        let now = self.shared.clock.monotonic();
        let spared = self.shared.take_spared();
        self.doomed.extend(spared);
        let Some(Capture { checkpoint, files, flushed, named }) = self.capture(now) else {
            // After an error of the disk there are no checkpoints any more: who waits for one learns it.
            if self.shared.poison().is_none() {
                self.shared.inbox.put_off_checkpoint(promises);
            }
            return;
        };
        let promises = if flushed == Flushed::All {
            promises
        } else {
            self.shared.inbox.put_off_checkpoint(promises);
            Vec::new()
        };
        let image = self.shared.image.load_full();
        let wants = |log: &&Arc<Log>| log.settings().durability != Durability::Fsync && !log.append.lock().direct;
        let to_be_direct = image.logs().filter(wants).cloned().collect();
        let delay = self.shared.config.file_delete_delay;
        let (doomed, young) =
            std::mem::take(&mut self.doomed).into_iter().partition(|doomed| doomed.is_due(now, delay));
        self.doomed = young;
        self.last_checkpoint = now;
        self.written_since_checkpoint = 0;
        self.shared.checkpoint_begins();
        let job = CheckpointJob { files, checkpoint, to_be_direct, doomed, named, promises };
        self.shared.syncs.push(SyncerCommand::Checkpoint(Box::new(job)));
    }

    /// Flushes all and says what will be durable once the files are synced.
    ///
    /// Where the disk is full, nothing of the journal can be let go. A checkpoint is taken then only if it lets
    /// files go; else `None`.
    fn capture(&mut self, now: Duration) -> Option<Capture> {
        // The order matters: what the position and the image promise is flushed and carried out after they are read.
        let position = self.shared.published.load(Ordering::Acquire);
        let image = self.shared.image.load_full();
        let work = self.shared.inbox.take_commands();
        self.add_dirty(work.dirty, now);
        let close = self.obey(work.commands);
        if let Some(promise) = close {
            self.shared.inbox.push(WriterCommand::Close(promise));
        }
        let (flushed, position) = match self.flush_all() {
            true => (Flushed::All, position),
            false if self.shared.poison().is_none() && self.may_unlink(now) => (Flushed::Some, self.shared.released()),
            false => return None,
        };
        let checkpoint = new_checkpoint(&image, position, Vec::new(), false);
        let mut capture = Capture { checkpoint, files: Vec::new(), flushed, named: Vec::new() };
        for log in image.logs() {
            let kept = self.shared.kept_entry(log.id());
            let entry = kept.or_else(|| self.capture_log(log, &mut capture, now));
            capture.checkpoint.logs.extend(entry);
        }
        Some(capture)
    }

    /// What the checkpoint says of one log; `None` where there is nothing to say.
    fn capture_log(&mut self, log: &Log, capture: &mut Capture, now: Duration) -> Option<LogEntry> {
        let mut files = log.files.lock();
        let state = log.append.lock();
        let checkpoint = files.as_mut().map(|files| {
            capture.files.extend(files.dirty_files());
            let checkpoint = files.checkpoint();
            if log.settings().compacts {
                capture.named.push((files.reader(), checkpoint.active.base_offset));
            }
            let doomed = |Leftover { path, is_awaited, readers }| Doomed { since: now, path, is_awaited, readers };
            self.doomed.extend(files.take_leftovers().into_iter().map(doomed));
            let mut bytes = BytesMut::new();
            checkpoint.encode(&mut bytes);
            bytes.freeze()
        });
        let log_start = log.tail().log_start_offset;
        if checkpoint.is_none() && state.lease_ceiling == 0 && log_start == 0 {
            return None;
        }
        let direct = state.direct || log.settings().durability != Durability::Fsync;
        let (id, lease_ceiling) = (log.id(), state.lease_ceiling);
        Some(LogEntry { id, direct, lease_ceiling, log_start, files: checkpoint, placed: None, repaired: false })
    }

    /// The last thing: files closed in Kafka's formats, a checkpoint that needs no recovery.
    fn close(&mut self) {
        while self.shared.checkpoint_runs() {
            let work = self.shared.inbox.wait(TICK, false);
            self.add_dirty(work.dirty, self.shared.clock.monotonic());
        }
        if self.shared.poison().is_some() {
            tracing::error!("closed after an error of the disk: the next start recovers from the journal");
            return;
        }
        for log in self.shared.image.load().logs() {
            // What is on its way to a segment arrives first.
            let files = log.files.lock();
            log.close_for_append(AppendError::Closed);
            drop(files);
        }
        let captured = self.capture(self.shared.clock.monotonic());
        let Some(Capture { mut checkpoint, files, flushed: Flushed::All, .. }) = captured else {
            tracing::error!("closed on a full disk: the next start recovers from the journal");
            return;
        };
        let closed = self.shared.sync_files(&files).and_then(|()| self.close_files());
        if let Err(error) = closed {
            tracing::error!(%error, "files could not be closed: the next start recovers from the journal");
            return;
        }
        checkpoint.clean = true;
        self.end_leases(&mut checkpoint);
        match self.shared.write_checkpoint(&checkpoint) {
            Ok(()) => self.unlink_awaited(),
            Err(error) => tracing::error!(%error, "the last checkpoint could not be written: the next start recovers"),
        }
    }

    /// The next start need not look at what compaction left. What stays all the same is swept up then.
    fn unlink_awaited(&self) {
        for doomed in self.doomed.iter().filter(|doomed| doomed.is_awaited) {
            drop(self.shared.disk.remove_file(&doomed.path));
        }
    }

    /// The next start goes on where this one ended: behind the last record, or where an unclean start skipped to.
    fn end_leases(&self, checkpoint: &mut Checkpoint) {
        let image = self.shared.image.load();
        for entry in &mut checkpoint.logs {
            let log = image.topic_by_id(entry.id.topic).and_then(|topic| topic.log(entry.id.partition));
            if let Some(log) = log.filter(|log| log.quarantine().is_none()) {
                entry.lease_ceiling = entry.lease_ceiling.min(log.append.lock().next_offset);
            }
        }
    }

    fn close_files(&self) -> Result<(), String> {
        for log in self.shared.image.load().logs() {
            if let Some(files) = log.files.lock().take() {
                files.close().map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }
}

/// Lets the files know that records below the start of the log are gone, as far as the files have come.
fn raise_start(log: &Log, files: &mut Option<PartitionLog>) {
    if let Some(files) = files
        && let Err(error) = files.set_log_start(log.tail().log_start_offset.min(files.next_offset()))
    {
        tracing::warn!(topic = %log.topic(), %error, "the start of a log could not be moved");
    }
}

/// A checkpoint of `image` and `logs`.
pub(crate) fn new_checkpoint(image: &ClusterImage, position: u64, logs: Vec<LogEntry>, clean: bool) -> Checkpoint {
    Checkpoint {
        clean,
        cluster_id: image.cluster_id,
        node_id: image.node_id,
        journal_position: position,
        changes: image.as_changes(),
        logs,
    }
}

/// Brings a log's journalled batches to its segments; returns their bytes.
///
/// The disk being full is not an error of the log: the batches stay in memory and in the journal.
pub(crate) fn flush(shared: &Shared, log: &Log, files: &mut Option<PartitionLog>) -> Result<usize, ()> {
    let batches = log.tail.lock().unflushed();
    let Some(last) = batches.last() else { return Ok(0) };
    let end = last.next_offset();
    let bytes: usize = batches.iter().map(StoredBatch::size).sum();
    let result = direct::open_files(shared, log, files).map_err(|error| (error.is_full(), error.to_string())).and_then(
        |files| {
            let appended = files.append(&batches, shared.clock.wall_ms());
            appended.map(|_| ()).map_err(|error| {
                if let partition::AppendError::NoSpace { next_offset, .. } = &error {
                    log.tail.lock().set_flushed(*next_offset);
                    let written: usize =
                        batches.iter().filter(|batch| batch.base_offset < *next_offset).map(StoredBatch::size).sum();
                    shared.inbox.flushed(written);
                    return (true, error.to_string());
                }
                (false, error.to_string())
            })
        },
    );
    match result {
        Ok(()) => {
            raise_start(log, files);
            log.tail.lock().set_flushed(end);
            shared.inbox.flushed(bytes);
            Ok(bytes)
        }
        Err((true, _)) => {
            shared.set_lack(Lack::Files);
            Err(())
        }
        Err((false, reason)) => {
            shared.set_poisoned(reason);
            Err(())
        }
    }
}
