//! Appends of topics that do not ask for durability: straight to the segment, answered after the write.
//!
//! Where nothing stands in the way the write happens on the thread that asked ([`try_now`]); a lease that has
//! to be journalled first, or a request that also has durable batches, goes through the appender.

use super::{
    flusher::{Answer, Flush},
    round::{Admission, admit, undo},
    shared::Shared,
    space::Lack,
};
use crate::{
    append::{AppendEntry, AppendError, AppendOutcome, AppendSet, Origin},
    log::{Log, Noted},
    settings::Durability,
};
use levada_log::partition::{self, LogConfig, PartitionLog};
use levada_model::{Offset, record::StoredBatch};
use std::{sync::Arc, time::Duration};

/// A batch that was written, or refused.
#[derive(Debug)]
pub(crate) struct Written {
    /// What the producer is told, once `flush` is done.
    pub(crate) outcome: AppendOutcome,
    /// What has to be durable first.
    pub(crate) flush: Option<Flush>,
}

impl From<AppendOutcome> for Written {
    fn from(outcome: AppendOutcome) -> Self {
        Self { outcome, flush: None }
    }
}

/// What [`try_now`] left to the appender.
#[derive(Debug)]
pub(crate) struct Rest {
    /// To the entries that were carried out.
    pub(crate) answer: Answer,
    /// The others.
    pub(crate) set: AppendSet,
}

/// Appends on this thread as long as the batches of `set` go straight to their segments; gives back the rest.
pub(crate) fn try_now(shared: &Shared, mut set: AppendSet) -> Result<Answer, Rest> {
    let direct = |log: &Log| log.append.lock().direct;
    let mut answer = Answer::default();
    if shared.poison().is_some() || set.entries.first().is_none_or(|entry| !direct(&entry.log)) {
        return Err(Rest { answer, set });
    }
    let mut entries = std::mem::take(&mut set.entries).into_iter();
    while let Some(entry) = entries.next() {
        match append(shared, entry) {
            Ok(written) => answer.push(written),
            Err(entry) => {
                let entries = std::iter::once(entry).chain(entries).collect();
                return Err(Rest { answer, set: AppendSet { entries, ..set } });
            }
        }
    }
    Ok(answer)
}

/// Admits one batch and writes it to its segment; gives it back where the log is not direct or lacks a lease.
pub(crate) fn append(shared: &Shared, entry: AppendEntry) -> Result<Written, AppendEntry> {
    let log = Arc::clone(&entry.log);
    if entry.origin == Origin::Client && shared.lacks_space() {
        log.expect_again(entry.batch.header());
        return Ok(Err(AppendError::NoSpace).into());
    }
    // Held across the write: batches must reach the segment in the order of their offsets.
    let mut files = log.files.lock();
    let admitted = {
        let mut state = log.append.lock();
        if !state.direct || !state.has_lease_for(i64::from(entry.batch.header().record_count)) {
            return Err(entry);
        }
        admit(&mut state, entry, shared.clock.wall_ms())
    };
    let (batch, appended) = match admitted {
        Err(error) => return Ok(Err(error).into()),
        Ok(Admission::Duplicate(appended)) => {
            // Its original may still be on its way to the disk.
            let flushes = log.settings().flush_messages.is_some();
            let flush = files.as_mut().filter(|_| flushes).map(|files| take_flush(&log, files));
            return Ok(Written { outcome: Ok(appended), flush });
        }
        Ok(Admission::New(batch, appended)) => (batch, appended),
    };
    let flush = match write_to(shared, &log, &mut files, &batch.stored) {
        Ok(flush) => flush,
        Err(error) => {
            undo(&batch);
            return Ok(Err(error).into());
        }
    };
    // Before another batch of the log can pass: they are noted in the order of their offsets.
    if let Some(Noted::Ended { producer, .. }) = log.note_transaction(&batch.stored) {
        // What is not journalled goes its own way.
        shared.spans.lock().end(producer, Vec::new());
    }
    drop(files);
    shared.stats.count(&batch.stored, batch.records);
    if flush.is_none() {
        log.advance_high_watermark(batch.stored.next_offset());
    }
    Ok(Written { outcome: Ok(appended), flush })
}

/// Writes a batch to the log's files, which are made if there are none; says what to sync where `flush.messages` does.
fn write_to(
    shared: &Shared,
    log: &Arc<Log>,
    files: &mut Option<PartitionLog>,
    batch: &StoredBatch,
) -> Result<Option<Flush>, AppendError> {
    let partition = open_files(shared, log, files).map_err(|error| failure(shared, &error))?;
    let now = shared.clock.wall_ms();
    partition.append(std::slice::from_ref(batch), now).map_err(|error| match error {
        partition::AppendError::NoSpace { .. } => {
            shared.set_lack(Lack::Files);
            AppendError::NoSpace
        }
        other => {
            shared.set_poisoned(other.to_string());
            AppendError::Poisoned(other.to_string())
        }
    })?;
    shared.count_direct(batch.size());
    let records = batch.next_offset() - batch.base_offset;
    let unsynced = {
        let mut state = log.append.lock();
        state.unsynced_records += u64::try_from(records).unwrap_or(0);
        state.unsynced_since.get_or_insert_with(|| shared.clock.monotonic());
        state.unsynced_records
    };
    let is_due = log.settings().flush_messages.is_some_and(|limit| unsynced >= limit);
    Ok(is_due.then(|| take_flush(log, partition)))
}

/// Takes out what makes all durable that was written to a direct log. `partition` is that log's, locked.
pub(crate) fn take_flush(log: &Arc<Log>, partition: &mut PartitionLog) -> Flush {
    {
        let mut state = log.append.lock();
        state.unsynced_records = 0;
        state.unsynced_since = None;
    }
    Flush { log: Arc::clone(log), end: partition.next_offset(), files: partition.dirty_files() }
}

/// The log's files, made if there are none.
pub(crate) fn open_files<'a>(
    shared: &Shared,
    log: &Log,
    files: &'a mut Option<PartitionLog>,
) -> Result<&'a mut PartitionLog, partition::OpenError> {
    if files.is_none() {
        shared.clear_place(log.dir(), log.id())?;
        let config = log_config(&log.settings());
        // Records may have been deleted before they came here; the files begin where their batches do.
        let first = log.tail.lock().unflushed().first().map(|batch| batch.base_offset);
        let start = first.unwrap_or(Offset::MAX).min(log.tail().log_start_offset);
        let (files_of_all, dir) = (&shared.files, log.dir().clone());
        // Until a checkpoint knows the log, the journal has it, unless its batches do not go there.
        let is_journalled = log.settings().durability == Durability::Fsync && !log.append.lock().direct;
        let created = if is_journalled {
            PartitionLog::create_dirty(files_of_all, dir, log.id(), config, start)?
        } else {
            PartitionLog::create(files_of_all, dir, log.id(), config, start)?
        };
        log.set_reader(created.reader());
        *files = Some(created);
    }
    Ok(files.as_mut().expect("made above"))
}

/// What the settings of a log mean for its files.
pub(crate) fn log_config(settings: &crate::LogSettings) -> LogConfig {
    LogConfig {
        segment_bytes: u32::try_from(settings.segment_bytes).unwrap_or(u32::MAX),
        segment_age_max: Duration::from_millis(settings.segment_age_max_ms()),
        ..LogConfig::default()
    }
}

fn failure(shared: &Shared, error: &partition::OpenError) -> AppendError {
    if error.is_full() {
        shared.set_lack(Lack::Files);
        return AppendError::NoSpace;
    }
    shared.set_poisoned(error.to_string());
    AppendError::Poisoned(error.to_string())
}
