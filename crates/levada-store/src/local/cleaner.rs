//! The cleaner: keeps of each key of compacted topics only the last record, beside everything else.
//!
//! It looks at all logs at an interval and compacts those with enough dirty bytes, the dirtiest first, one at a time,
//! in steps that can be slowed down. It takes a log's lock only to begin, to claim the old segments and to show a new
//! one.

use super::{
    shared::{Shared, Stats},
    space::Lack,
};
use crate::{log::Log, settings::LogSettings, ticket::Promise};
use levada_log::{
    DiskError,
    partition::{
        AppendError, CompactError, CompactLimits, CompactReport, CompactRequest, Compaction, LogReader, Progress,
        Rewritten, compact::swap::is_settled,
    },
};
use levada_model::{LogId, Offset};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::ControlFlow,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// Where processors are short, a producer gets nine parts of ten.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// It sleeps no longer without looking whether the store closes.
const NAP_MAX: Duration = Duration::from_millis(50);

/// A request to the cleaner.
#[derive(Debug)]
pub(crate) enum CleanerCommand {
    /// Compact all that can be, however little it is.
    Clean(Promise<()>),
    Close,
}

/// Which logs are compacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    /// Those with enough dirty bytes, or old ones.
    Due,
    All,
}

pub(crate) struct Cleaner {
    shared: Arc<Shared>,
    progress: BTreeMap<LogId, Progress>,
    /// What keeps a log, or some of its segments, from being compacted.
    troubles: BTreeMap<LogId, String>,
}

/// Why a log was not compacted to its end.
enum Trouble {
    /// The store closes, or the topic is gone: nothing to be told.
    None,
    /// It is told, and tried again.
    Passing(String),
    /// The log takes no more writes.
    Poisoned(String),
}

impl From<CompactError> for Trouble {
    fn from(error: CompactError) -> Self {
        match error {
            CompactError::Stopped => Self::None,
            CompactError::Disk(error) => error.into(),
        }
    }
}

impl From<DiskError> for Trouble {
    /// Nothing was committed: what was written is given up. A write or a sync that failed says more of the disk.
    fn from(error: DiskError) -> Self {
        let is_final = error.action == "write" || error.action.starts_with("sync");
        let passes = !is_final || error.is_full();
        if passes { Self::Passing(error.to_string()) } else { Self::Poisoned(error.to_string()) }
    }
}

impl Cleaner {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared, progress: BTreeMap::new(), troubles: BTreeMap::new() }
    }

    /// Serves until it is told to close.
    pub(crate) fn run(mut self) {
        // On Linux it is this thread alone that stands back.
        #[cfg(target_os = "linux")]
        if let Err(error) = rustix::process::nice(NICENESS) {
            tracing::debug!(%error, "compaction runs with the priority of producers");
        }
        let mut waiting = VecDeque::new();
        loop {
            self.shared.cleans.drain_into(&mut waiting, Some(self.shared.config.compaction_interval));
            let mut promises = Vec::new();
            for command in waiting.drain(..) {
                match command {
                    CleanerCommand::Clean(promise) => promises.push(promise),
                    CleanerCommand::Close => return,
                }
            }
            self.clean_logs(if promises.is_empty() { Which::Due } else { Which::All });
            for promise in promises {
                promise.fulfil(());
            }
        }
    }

    /// Compacts what is due, the dirtiest first.
    fn clean_logs(&mut self, which: Which) {
        for log in self.due(which) {
            let may_write = self.shared.poison().is_none() && !self.shared.lacks(Lack::Files);
            if !may_write || self.shared.cleaner_ends.load(Ordering::Acquire) {
                break;
            }
            if !log.is_closed() {
                self.clean(&log);
            }
        }
        let stats = &self.shared.stats;
        let now = self.shared.clock.monotonic().as_millis();
        stats.compaction_looked_ms.store(u64::try_from(now).unwrap_or(u64::MAX), Ordering::Relaxed);
        let troubled = u64::try_from(self.troubles.len()).unwrap_or(u64::MAX);
        stats.compaction_troubled.store(troubled, Ordering::Relaxed);
    }

    /// The logs to compact, those that have waited for too long and then the dirtiest first.
    fn due(&mut self, which: Which) -> Vec<Arc<Log>> {
        let image = self.shared.image.load_full();
        let compacted = |log: &&Arc<Log>| log.settings().compacts && log.quarantine().is_none() && !log.is_closed();
        let logs: Vec<Arc<Log>> = image.logs().filter(compacted).cloned().collect();
        let known: BTreeSet<LogId> = logs.iter().map(|log| log.id()).collect();
        self.progress.retain(|id, _| known.contains(id));
        self.troubles.retain(|id, _| known.contains(id));
        let (mut ratio_max, mut due) = (0, Vec::new());
        for log in logs {
            let Some(reader) = log.reader() else { continue };
            self.roll(&log, &reader);
            let settings = log.settings();
            let limits = self.limits(&log, &settings);
            let cleanable = reader.cleanable(self.progress_of(&reader), &limits);
            let ratio = cleanable.dirty_ratio_ppm();
            ratio_max = ratio.max(ratio_max);
            let lag_max_ms = i64::try_from(settings.compaction_lag_max_ms).unwrap_or(i64::MAX);
            let is_overdue = cleanable.is_overdue(limits.now_ms, lag_max_ms);
            let is_dirty = cleanable.dirty_bytes > 0 && ratio > settings.dirty_ratio_min_ppm;
            if is_overdue || is_dirty || (which == Which::All && cleanable.end > 0) {
                due.push(((is_overdue, ratio), log));
            }
        }
        self.shared.stats.compaction_dirty_ppm.store(ratio_max, Ordering::Relaxed);
        due.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
        due.into_iter().map(|(_, log)| log).collect()
    }

    /// Begins a new segment where the active one is old: it would never be compacted.
    fn roll(&self, log: &Log, reader: &LogReader) {
        let Some(active) = reader.segments().pop().filter(|active| active.size_bytes > 0) else { return };
        if self.shared.poison().is_some() || self.shared.lacks(Lack::Files) {
            return;
        }
        let now = self.shared.clock.wall_ms();
        let age_max_ms = i64::try_from(log.settings().segment_age_max_ms()).unwrap_or(i64::MAX);
        if now.saturating_sub(active.first_append_time) < age_max_ms {
            return;
        }
        match log.files.lock().as_mut().map(|files| files.roll_if_due(now)) {
            None | Some(Ok(_)) => {}
            Some(Err(AppendError::NoSpace { .. })) => self.shared.set_lack(Lack::Files),
            Some(Err(_)) if log.is_closed() => {}
            Some(Err(error)) => self.shared.set_poisoned(error.to_string()),
        }
    }

    fn limits(&self, log: &Log, settings: &LogSettings) -> CompactLimits {
        let tail = log.tail();
        let stable = tail.last_stable_offset.min(tail.high_watermark);
        CompactLimits {
            upper_offset: log.holds.first().unwrap_or(Offset::MAX).min(stable),
            lag_min_ms: i64::try_from(settings.compaction_lag_min_ms).unwrap_or(i64::MAX),
            now_ms: self.shared.clock.wall_ms(),
        }
    }

    fn progress_of(&mut self, reader: &LogReader) -> Progress {
        if let Some(progress) = self.progress.get(&reader.id()) {
            return *progress;
        }
        let read = Progress::read(&self.shared.files, reader.dir(), reader.id().topic);
        let progress = read.unwrap_or_else(|error| {
            tracing::warn!(dir = %reader.dir().display(), %error, "up to where a log is compacted cannot be read");
            Progress::default()
        });
        self.progress.insert(reader.id(), progress);
        progress
    }

    fn clean(&mut self, log: &Arc<Log>) {
        let (id, name) = (log.id(), format!("{}-{}", log.topic(), log.partition()));
        match self.try_clean(log) {
            Ok(left) if left.is_empty() => drop(self.troubles.remove(&id)),
            Ok(left) => self.tell(id, &name, left),
            Err(Trouble::None) => {}
            Err(_) if log.is_closed() => {}
            Err(Trouble::Passing(reason)) => self.tell(id, &name, reason),
            Err(Trouble::Poisoned(reason)) => self.shared.set_poisoned(reason),
        }
    }

    /// Says once what keeps a log from being compacted.
    fn tell(&mut self, id: LogId, partition: &str, reason: String) {
        if self.troubles.get(&id) != Some(&reason) {
            tracing::error!(%partition, %reason, "a partition cannot be compacted: what cannot be read stays as it is");
            self.troubles.insert(id, reason);
        }
    }

    /// Says what was left, if anything.
    fn try_clean(&mut self, log: &Arc<Log>) -> Result<String, Trouble> {
        let Some(reader) = log.reader() else { return Ok(String::new()) };
        if !is_settled(&self.shared.files, reader.dir())? {
            self.shared.inbox.request_checkpoint(None);
            return Err(Trouble::None);
        }
        let progress = self.progress_of(&reader);
        let request = self.request(log);
        let begun = log.files.lock().as_ref().and_then(|files| files.compaction(progress, request));
        let Some(mut compaction) = begun else { return Ok(String::new()) };
        let outcome = self.carry_out(log, &mut compaction);
        self.count(compaction.report());
        let shown = outcome?;
        let progress = compaction.progress();
        let written = progress.write(&self.shared.files, reader.dir(), reader.id().topic);
        written.map_err(|error| Trouble::Passing(error.to_string()))?;
        self.progress.insert(log.id(), progress);
        let CompactReport { read_bytes, written_bytes, records_dropped, left } = compaction.report();
        tracing::debug!(topic = %log.topic(), partition = log.partition(), read_bytes, written_bytes, records_dropped,
            "a partition is compacted");
        if shown > 0 {
            // Memory still has them as they were.
            let freed = log.tail.lock().forget_below(progress.first_dirty);
            self.shared.forgotten.fetch_add(freed, Ordering::AcqRel);
            // Old files go, and the log is compacted again, once it is durable.
            self.shared.inbox.request_checkpoint(None);
        }
        Ok(left.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }

    fn request(&self, log: &Log) -> CompactRequest {
        let settings = log.settings();
        let limits = self.limits(log, &settings);
        CompactRequest {
            limits,
            delete_retention_ms: i64::try_from(settings.delete_retention_ms).unwrap_or(i64::MAX),
            map_size_max: self.shared.config.compaction_map_size_max,
            hash_key: [self.shared.rng.next_u64(), self.shared.rng.next_u64()],
            aborted: log.aborted_transactions(0, limits.upper_offset),
        }
    }

    /// Compacts segment by segment; returns how many new ones were shown.
    fn carry_out(&self, log: &Log, compaction: &mut Compaction) -> Result<usize, Trouble> {
        let mut pace = |bytes| self.pace(bytes);
        compaction.map(&mut pace)?;
        let mut shown = 0;
        while let Some(rewritten) = compaction.rewrite(&mut pace)? {
            self.put_in_place(log, rewritten)?;
            shown += 1;
        }
        Ok(shown)
    }

    fn put_in_place(&self, log: &Log, rewritten: Rewritten) -> Result<(), Trouble> {
        let claimed = log.files.lock().as_mut().is_some_and(|files| files.claim(&rewritten));
        if !claimed {
            // Retention was there meanwhile, or the topic is gone.
            rewritten.discard();
            return Err(Trouble::None);
        }
        let committed = rewritten.commit();
        let mut files = log.files.lock();
        let Some(files) = files.as_mut() else { return Err(Trouble::None) };
        let outcome = match committed {
            Ok(()) => {
                log.forget_aborted(rewritten.gone_markers());
                files.show(rewritten)
            }
            Err(error) => {
                files.unclaim();
                Err(error)
            }
        };
        outcome.map_err(|error| Trouble::Poisoned(error.to_string()))
    }

    /// Slows down to the rate that is set, and ends where the store closes.
    fn pace(&self, bytes: u64) -> ControlFlow<()> {
        let ends = || self.shared.cleaner_ends.load(Ordering::Acquire);
        let rate = self.shared.config.compaction_bytes_per_second_max.map(|rate| rate.max(1));
        let owed_ms = rate.map_or(0, |rate| u128::from(bytes) * 1_000 / u128::from(rate));
        let mut left = Duration::from_millis(u64::try_from(owed_ms).unwrap_or(u64::MAX));
        while !left.is_zero() && !ends() {
            let nap = left.min(NAP_MAX);
            std::thread::sleep(nap);
            left -= nap;
        }
        if ends() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn count(&self, report: &CompactReport) {
        let stats = &self.shared.stats;
        Stats::add(&stats.compactions, 1_u64);
        Stats::add(&stats.compaction_read_bytes, report.read_bytes);
        Stats::add(&stats.compaction_written_bytes, report.written_bytes);
        Stats::add(&stats.compaction_records_dropped, report.records_dropped);
    }
}
