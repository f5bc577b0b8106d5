//! The appender: the one thread that writes the journal.
//!
//! Group commit without a timer: it takes all that waits, journals it in one go, syncs, answers; meanwhile the
//! next round gathers.

use super::{
    direct,
    inbox::WriterCommand,
    round::{Admitted, Round},
    shared::{AppenderCommand, Shared, Stats},
    space::{Lack, Spare},
    writer,
};
use crate::{
    append::AppendError,
    cluster::{Change, ClusterImage, Consequence, codec},
    cut::spans::{Span, Spans},
    log::{Log, NewLog, Noted},
    settings::{Durability, LogSettings},
    ticket::Promise,
};
use levada_log::journal::{Entry, Journal, JournalError, JournalPosition};
use levada_model::{PartitionIndex, ProducerId, TopicId, TopicName};
use parking_lot::MutexGuard;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// A round takes no more requests beyond this many bytes, so that the first of them need not wait long.
const ROUND_BYTES_MAX: usize = 4 << 20;

/// How often a journal without room is tried again while nobody asks.
const SPACE_RETRY: Duration = Duration::from_millis(250);

type CommitPromise = Promise<Result<(), crate::CommitError>>;

/// Owns the journal.
pub(crate) struct Appender {
    pub(super) shared: Arc<Shared>,
    journal: Journal,
}

/// Cluster changes of a round, and what they make of the image.
struct Commits {
    image: ClusterImage,
    consequences: Vec<Consequence>,
    promises: Vec<CommitPromise>,
}

impl Appender {
    pub(crate) const fn new(shared: Arc<Shared>, journal: Journal) -> Self {
        Self { shared, journal }
    }

    /// Serves until it is told to close.
    pub(crate) fn run(mut self) {
        let mut waiting = VecDeque::new();
        loop {
            let timeout = self.shared.lacks(Lack::Journal).then_some(SPACE_RETRY);
            self.shared.appends.drain_into(&mut waiting, timeout);
            while !waiting.is_empty() {
                let (round, commits, close) = self.gather(&mut waiting);
                self.execute(round, commits);
                if let Some(promise) = close {
                    promise.fulfil(());
                    return;
                }
            }
            self.prepare_journal();
        }
    }

    /// Readies the journal's next file while nobody waits, and finds out whether there is room again.
    fn prepare_journal(&mut self) {
        let prepared = if self.shared.lacks(Lack::Journal) {
            let spare = Spare::Broker.bytes(self.shared.config.journal_file_size);
            let position = JournalPosition(self.shared.released());
            let readied = self.journal.release_before(position).and_then(|()| self.journal.ensure_spare(spare));
            readied.map(|()| self.shared.end_lack(Lack::Journal))
        } else {
            self.journal.prepare()
        };
        match prepared {
            // Whoever needs the file will hear of it.
            Ok(()) | Err(JournalError::NoSpace(_) | JournalError::Full { .. }) => {}
            Err(error) => self.shared.set_poisoned(error.to_string()),
        }
    }

    fn gather(&self, waiting: &mut VecDeque<AppenderCommand>) -> (Round, Option<Commits>, Option<Promise<()>>) {
        let mut round = Round::default();
        let mut commits = None;
        // What is larger than the journal would never find room in it.
        let bytes_max = usize::try_from(self.journal.capacity() / 4).unwrap_or(usize::MAX).min(ROUND_BYTES_MAX);
        while round.bytes < bytes_max {
            match waiting.pop_front() {
                None => break,
                Some(AppenderCommand::Append { answer, set, promise }) => {
                    round.admit(&self.shared, answer, set, promise);
                }
                Some(AppenderCommand::Commit { changes, promise }) => {
                    self.admit_commit(&mut round, &mut commits, &changes, promise);
                }
                Some(AppenderCommand::MakeDirect(logs)) => {
                    // Batches of this round that were admitted before go through the journal.
                    if !round.is_empty() {
                        waiting.push_front(AppenderCommand::MakeDirect(logs));
                        break;
                    }
                    logs.iter().for_each(|log| make_direct(&self.shared, log));
                }
                Some(AppenderCommand::Close { promise }) => return (round, commits, Some(promise)),
            }
        }
        (round, commits, None)
    }

    fn admit_commit(
        &self,
        round: &mut Round,
        commits: &mut Option<Commits>,
        changes: &[Change],
        promise: CommitPromise,
    ) {
        if let Some(reason) = self.shared.poison() {
            promise.fulfil(Err(crate::CommitError::Poisoned(reason.to_owned())));
            return;
        }
        let needs_files = |change: &Change| matches!(change, Change::CreateTopic { .. } | Change::SetPartitions { .. });
        if self.shared.lacks_space() && changes.iter().any(needs_files) {
            promise.fulfil(Err(crate::CommitError::NoSpace));
            return;
        }
        let commits = commits.get_or_insert_with(|| Commits {
            image: ClusterImage::clone(&self.shared.image.load()),
            consequences: Vec::new(),
            promises: Vec::new(),
        });
        let leader_epoch = commits.image.leader_epoch;
        let shared = &self.shared;
        for change in changes {
            let make =
                |name: &TopicName, id: TopicId, partition: PartitionIndex, configs: &BTreeMap<String, String>| {
                    new_log(shared, name, id, partition, shared.settings(name, configs), leader_epoch)
                };
            commits.consequences.extend(commits.image.apply(change, &make));
        }
        round.entries.push(Entry::Meta { bytes: codec::encode(changes) });
        commits.promises.push(promise);
    }

    fn execute(&mut self, mut round: Round, commits: Option<Commits>) {
        if round.is_empty() {
            return;
        }
        round.seal();
        if !round.waits_for_journal() {
            self.write_direct(&mut round);
        }
        if round.entries.is_empty() {
            round.answer(&self.shared);
            return;
        }
        let durable = match self.make_durable_placed(&mut round) {
            Ok(Some(placed)) => Ok(placed),
            Ok(None) => self.journal_what_fits(&mut round).map(|()| Vec::new()),
            Err(error) => Err(error),
        };
        match durable {
            Ok(placed) => {
                self.publish(self.placed_batches(placed), round.take_journalled());
                if let Some(commits) = commits {
                    self.publish_commits(commits);
                }
                self.shared.published.store(self.journal.durable_position().0, Ordering::Release);
                round.grant_leases();
                self.write_direct(&mut round);
            }
            Err(error) => {
                round.fail_journalled(&error);
                for promise in commits.into_iter().flat_map(|commits| commits.promises) {
                    promise.fulfil(Err(commit_error(&error)));
                }
            }
        }
        round.answer(&self.shared);
        if self.journal.bytes_used() >= self.shared.config.checkpoint_bytes {
            self.shared.inbox.request_checkpoint(None);
        }
        self.shared.inbox.wait_for_room(self.shared.config.unflushed_bytes_max);
    }

    fn write_direct(&self, round: &mut Round) {
        round.write_direct(|entry| match direct::append(&self.shared, entry) {
            Ok(written) => written,
            // Only this thread takes a log's directness away, and leases were granted.
            Err(_) => Err(AppendError::Closed).into(),
        });
    }

    /// Makes the round durable; where there is no room for all of it, first without what clients sent, then without
    /// batches altogether.
    fn journal_what_fits(&mut self, round: &mut Round) -> Result<(), AppendError> {
        loop {
            let spare = round.spare();
            match self.make_durable(round, spare) {
                Err(AppendError::NoSpace) if spare != Spare::Starts && round.fail_for_space(spare) => {}
                result => return result,
            }
        }
    }

    /// Writes and syncs the round's entries.
    fn make_durable(&mut self, round: &Round, spare: Spare) -> Result<(), AppendError> {
        let spare_bytes = spare.bytes(self.shared.config.journal_file_size);
        self.with_room(|appender| appender.journal_round(round, spare_bytes))?;
        if spare == Spare::Broker {
            self.shared.end_lack(Lack::Journal);
        }
        Ok(())
    }

    /// Waits for a checkpoint to bring room where it takes one.
    fn with_room(&mut self, act: impl Fn(&mut Self) -> Result<(), JournalError>) -> Result<(), AppendError> {
        loop {
            let released = self.shared.released();
            self.journal.release_before(JournalPosition(released)).map_err(|error| self.failure(&error))?;
            match act(self) {
                Ok(()) => return Ok(()),
                Err(JournalError::Full { .. }) => {
                    if !self.shared.wait_for_release(released) {
                        if let Some(reason) = self.shared.poison() {
                            return Err(AppendError::Poisoned(reason.to_owned()));
                        }
                        self.shared.set_lack(Lack::Journal);
                        return Err(AppendError::NoSpace);
                    }
                }
                Err(error) => return Err(self.failure(&error)),
            }
        }
    }

    fn journal_round(&mut self, round: &Round, spare_bytes: u64) -> Result<(), JournalError> {
        self.journal.append_leaving(spare_bytes, &round.entries)?;
        let before = self.shared.clock.monotonic();
        if is_sync_due(&self.shared) {
            self.journal.sync()?;
        }
        let waited = self.shared.clock.monotonic().saturating_sub(before);
        let stats = &self.shared.stats;
        Stats::add(&stats.journal_sync_nanos, waited.as_nanos());
        Stats::add(&stats.journal_rounds, 1_u64);
        Stats::add(&stats.journal_bytes, round.bytes);
        Ok(())
    }

    /// Sees to it that there is room for the round, which then waits for nothing; false where there is none.
    pub(super) fn has_room_for(&mut self, round: &Round) -> Result<bool, AppendError> {
        let spare_bytes = Spare::Broker.bytes(self.shared.config.journal_file_size);
        match self.with_room(|appender| appender.journal.make_room(spare_bytes, &round.entries)) {
            Ok(()) => Ok(true),
            Err(AppendError::NoSpace) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes the round durable, for which there is room; false where there is none all the same.
    pub(super) fn journal_at_once(&mut self, round: &Round) -> Result<bool, AppendError> {
        let spare_bytes = Spare::Broker.bytes(self.shared.config.journal_file_size);
        match self.journal_round(round, spare_bytes) {
            Ok(()) => Ok(true),
            Err(JournalError::Full { .. } | JournalError::NoSpace(_)) => Ok(false),
            Err(error) => Err(self.failure(&error)),
        }
    }

    pub(super) fn poisoned(&self, reason: &str) -> AppendError {
        self.shared.set_poisoned(reason.to_owned());
        AppendError::Poisoned(reason.to_owned())
    }

    fn failure(&self, error: &JournalError) -> AppendError {
        if matches!(error, JournalError::NoSpace(_)) {
            self.shared.set_lack(Lack::Journal);
            return AppendError::NoSpace;
        }
        self.shared.set_poisoned(error.to_string());
        AppendError::Poisoned(error.to_string())
    }

    /// Shows durable batches to consumers and hands those that are in no segment to the writer.
    fn publish(&self, placed: Vec<Admitted>, journalled: Vec<Admitted>) {
        let is_part = |admitted: &Admitted| admitted.stored.attributes().is_transactional();
        let mut noting = Noting::begin(&self.shared, placed.iter().chain(&journalled).any(is_part));
        for admitted in placed {
            self.shared.stats.count(&admitted.stored, admitted.records);
            noting.note(&admitted);
            admitted.log.advance_high_watermark(admitted.stored.next_offset());
        }
        let mut dirty = Vec::new();
        let bytes = journalled.iter().map(|admitted| admitted.stored.size()).sum();
        let ring = self.shared.inbox.count_unflushed(bytes, self.shared.config.flush_bytes);
        let mut rest = journalled.into_iter().peekable();
        while let Some(first) = rest.next() {
            let log = Arc::clone(&first.log);
            let mut end = first.stored.next_offset();
            {
                let mut tail = log.tail.lock();
                if !tail.is_dirty() {
                    dirty.push(Arc::clone(&log));
                }
                let mut batch = Some(first);
                while let Some(admitted) = batch {
                    self.shared.stats.count(&admitted.stored, admitted.records);
                    noting.note(&admitted);
                    end = admitted.stored.next_offset();
                    tail.push(admitted.stored);
                    batch = rest.next_if(|next| Arc::ptr_eq(&next.log, &log));
                }
            }
            log.advance_high_watermark(end);
        }
        noting.end();
        self.shared.inbox.add_dirty(dirty, ring);
    }

    fn publish_commits(&self, commits: Commits) {
        // In this order: a checkpoint reads the image first and then carries out what waits.
        for consequence in commits.consequences {
            carry_out(&self.shared, consequence);
        }
        self.shared.image.store(Arc::new(commits.image));
        for promise in commits.promises {
            promise.fulfil(Ok(()));
        }
    }
}

/// What a round does to transactions, for those who cut between them: a cut sees all of a round or nothing.
struct Noting<'a> {
    /// Locked where there is something to note.
    spans: Option<MutexGuard<'a, Spans>>,
    ended: BTreeMap<ProducerId, Vec<Span>>,
}

impl<'a> Noting<'a> {
    fn begin(shared: &'a Shared, has_transactions: bool) -> Self {
        let mut spans = has_transactions.then(|| shared.spans.lock());
        if let Some(spans) = &mut spans {
            spans.begin_round();
        }
        Self { spans, ended: BTreeMap::new() }
    }

    /// The next batch of its log is there.
    fn note(&mut self, admitted: &Admitted) {
        match (admitted.log.note_transaction(&admitted.stored), &mut self.spans) {
            (Some(Noted::Begun(producer)), Some(spans)) => spans.begin(producer),
            (Some(Noted::Ended { producer, first, marker }), Some(_)) => {
                let span = Span { log: Arc::clone(&admitted.log), first, marker };
                self.ended.entry(producer).or_default().push(span);
            }
            _ => {}
        }
    }

    fn end(self) {
        if let Some(mut spans) = self.spans {
            self.ended.into_iter().for_each(|(producer, ended)| spans.end(producer, ended));
            spans.forget();
        }
    }
}

/// Every round is synced before it is answered.
#[cfg(not(feature = "plant-ack-before-sync"))]
const fn is_sync_due(_: &Shared) -> bool {
    true
}

/// The planted bug: every 50th round is synced, the others are answered all the same.
#[cfg(feature = "plant-ack-before-sync")]
fn is_sync_due(shared: &Shared) -> bool {
    shared.stats.journal_rounds.load(Ordering::Relaxed).is_multiple_of(50)
}

/// Makes a log without files.
pub(crate) fn new_log(
    shared: &Shared,
    topic: &TopicName,
    id: TopicId,
    partition: PartitionIndex,
    settings: LogSettings,
    leader_epoch: i32,
) -> Arc<Log> {
    Log::new(NewLog {
        id: levada_model::LogId { topic: id, partition },
        topic: topic.clone(),
        dir: shared.config.data_dir.join("logs").join(format!("{topic}-{partition}")),
        settings,
        leader_epoch,
        producers_max: shared.config.producers_max,
    })
}

fn carry_out(shared: &Shared, consequence: Consequence) {
    match consequence {
        Consequence::Deleted(logs) => {
            for log in &logs {
                log.close();
            }
            shared.inbox.push(WriterCommand::Delete(logs));
        }
        Consequence::Configured(logs, configs) => {
            for log in &logs {
                log.set_settings(shared.settings(log.topic(), &configs));
                if log.settings().durability == Durability::Fsync {
                    // A batch on its way to the segment arrives, or is undone, before the next one is admitted.
                    let files = log.files.lock();
                    log.append.lock().direct = false;
                    drop(files);
                }
            }
            shared.inbox.push(WriterCommand::Configure(logs));
        }
        Consequence::Started(log, offset) => {
            log.advance_log_start(offset);
            shared.inbox.push(WriterCommand::SetStart(log));
        }
    }
}

/// A checkpoint says that the log is direct: from now on it is, if its settings still say so.
fn make_direct(shared: &Shared, log: &Log) {
    let mut files = log.files.lock();
    if log.settings().durability == Durability::Fsync || log.is_closed() {
        return;
    }
    // What was journalled comes first in the segment.
    if writer::flush(shared, log, &mut files).is_ok() {
        log.append.lock().direct = true;
    }
}

fn commit_error(error: &AppendError) -> crate::CommitError {
    match error {
        AppendError::NoSpace => crate::CommitError::NoSpace,
        AppendError::Closed => crate::CommitError::Closed,
        other => crate::CommitError::Poisoned(other.to_string()),
    }
}
