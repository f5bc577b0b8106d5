//! One round: what the appender admits, before any of it is written.
//!
//! Admission is in memory only: the producer's sequence is checked, offsets are assigned. What was admitted
//! is either published, when it is as durable as promised, or undone, newest first.

use super::{direct::Written, flusher::Answer, shared::Shared, space::Spare};
use crate::{
    append::{Acks, AppendEntry, AppendError, AppendOutcome, AppendSet, Appended, Origin},
    log::{AppendState, Log},
    settings::TimestampKind,
    ticket::Promise,
};
use levada_log::{
    journal::Entry,
    partition::{ProducerError, Verdict, producer::ProducerState},
};
use levada_model::{NO_TIMESTAMP, Offset, ProducerId, Timestamp, record::StoredBatch};
use std::{collections::BTreeSet, sync::Arc};

/// A lease covers this many offsets beyond those that asked for it.
const LEASE_SIZE: Offset = 1 << 20;

/// A batch that has its offset and is not written yet.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) log: Arc<Log>,
    pub(crate) stored: StoredBatch,
    pub(crate) records: u64,
    pub(super) origin: Origin,
    slot: Slot,
    next_offset_before: Offset,
    producer_before: Option<(ProducerId, Option<ProducerState>)>,
}

/// Where an outcome goes: which request, which of its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    request: usize,
    entry: usize,
}

#[derive(Debug)]
struct Request {
    promise: Promise<Vec<AppendOutcome>>,
    answer: Answer,
}

/// What is admitted together and answered together.
#[derive(Debug, Default)]
pub(crate) struct Round {
    requests: Vec<Request>,
    /// For the journal, in its order.
    pub(crate) entries: Vec<Entry>,
    /// Batches in the journal's entries.
    pub(super) journalled: Vec<Admitted>,
    /// Batches that go straight to their segments; they get their offsets when they are written.
    direct: Vec<(Slot, AppendEntry)>,
    /// Offsets that direct logs may use once the journal has this round.
    leases: Vec<(Arc<Log>, Offset)>,
    /// Duplicates: they are answered when the round is durable, for their original may be in it.
    duplicates: Vec<Slot>,
    /// Whether a request has batches of both kinds: the state of a transaction, say, and what it is about.
    is_mixed: bool,
    pub(crate) bytes: usize,
    /// Of the largest batch for the journal.
    pub(super) largest: usize,
}

impl Round {
    pub(crate) fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.entries.is_empty()
    }

    /// Admits all entries of `set`; each has its outcome afterwards, which holds if the round succeeds.
    ///
    /// `answer` has those of the request's entries that were carried out before.
    pub(crate) fn admit(
        &mut self,
        shared: &Shared,
        mut answer: Answer,
        set: AppendSet,
        promise: Promise<Vec<AppendOutcome>>,
    ) {
        let request = self.requests.len();
        let now = shared.clock.wall_ms();
        if set.acks == Acks::Together {
            answer.outcomes = self.admit_together(shared, set.entries, request, now);
            self.requests.push(Request { promise, answer });
            return;
        }
        let (journalled, direct) = (self.journalled.len(), self.direct.len());
        for append in set.entries {
            let entry = answer.outcomes.len();
            let outcome = match shared.poison() {
                Some(reason) => Err(AppendError::Poisoned(reason.to_owned())),
                None if append.origin == Origin::Client && shared.lacks_space() => {
                    append.log.expect_again(append.batch.header());
                    Err(AppendError::NoSpace)
                }
                None => self.admit_one(append, Slot { request, entry }, now),
            };
            answer.outcomes.push(outcome);
        }
        self.is_mixed |= self.journalled.len() > journalled && self.direct.len() > direct;
        self.requests.push(Request { promise, answer });
    }

    /// Admits all entries, as one unit of the journal, or none.
    fn admit_together(
        &mut self,
        shared: &Shared,
        appends: Vec<AppendEntry>,
        request: usize,
        now: Timestamp,
    ) -> Vec<AppendOutcome> {
        let (count, entries, journalled) = (appends.len(), self.entries.len(), self.journalled.len());
        let mut outcomes = Vec::with_capacity(count);
        for (entry, append) in appends.into_iter().enumerate() {
            let outcome = match shared.poison() {
                Some(reason) => Err(AppendError::Poisoned(reason.to_owned())),
                None if append.log.append.lock().direct => Err(AppendError::NotJournalled),
                None => self.admit_one(append, Slot { request, entry }, now),
            };
            if let Err(error) = outcome {
                self.entries.truncate(entries);
                for batch in self.journalled.drain(journalled..).rev() {
                    self.bytes -= batch.stored.size();
                    undo(&batch);
                }
                return vec![Err(error); count];
            }
            outcomes.push(outcome);
        }
        let unit = self.entries.split_off(entries);
        self.entries.push(Entry::Unit(unit));
        outcomes
    }

    fn admit_one(&mut self, append: AppendEntry, slot: Slot, now: Timestamp) -> AppendOutcome {
        let log = Arc::clone(&append.log);
        let mut state = log.append.lock();
        if state.direct {
            self.lease(&log, &state, i64::from(append.batch.header().record_count));
            self.direct.push((slot, append));
            // Stands until it is written.
            return Err(AppendError::Closed);
        }
        match admit(&mut state, append, now)? {
            Admission::Duplicate(appended) => {
                self.duplicates.push(slot);
                Ok(appended)
            }
            Admission::New(batch, appended) => {
                let batch = Admitted { slot, ..batch };
                self.bytes += batch.stored.size();
                self.largest = self.largest.max(batch.stored.size());
                let (head, body) = (batch.stored.head, batch.stored.body.clone());
                self.entries.push(Entry::Batch { log: log.id(), head, body });
                self.journalled.push(batch);
                Ok(appended)
            }
        }
    }

    /// Asks the journal for offsets where the log comes near the end of its lease.
    fn lease(&mut self, log: &Arc<Log>, state: &AppendState, records: i64) {
        let leased = self.leases.iter_mut().find(|(other, _)| Arc::ptr_eq(other, log));
        if let Some((_, ceiling)) = leased {
            *ceiling = ceiling.saturating_add(records);
        } else if !state.has_lease_for(records) {
            let ceiling = state.next_offset.saturating_add(records).saturating_add(LEASE_SIZE);
            self.leases.push((Arc::clone(log), ceiling));
        }
    }

    /// Puts the leases among the journal's entries: the round is complete.
    pub(crate) fn seal(&mut self) {
        for (log, ceiling) in &self.leases {
            self.entries.push(Entry::OffsetLease { log: log.id(), ceiling: *ceiling });
        }
    }

    /// What the round must leave in the journal.
    pub(crate) fn spare(&self) -> Spare {
        if self.needs_leases() || self.journalled.iter().any(|batch| batch.origin == Origin::Client) {
            Spare::Broker
        } else if self.journalled.is_empty() {
            Spare::Starts
        } else {
            Spare::Changes
        }
    }

    /// The journal has no room for those that must leave `spare` in it: they are undone, newest first, and fail. Says
    /// whether others are left.
    pub(crate) fn fail_for_space(&mut self, spare: Spare) -> bool {
        let stays = self.those_that_stay(spare);
        let mut kept = stays.iter().copied();
        self.entries.retain(|entry| match entry {
            Entry::Batch { .. } => kept.next().unwrap_or(false),
            Entry::Unit(parts) => kept.by_ref().take(parts.len()).all(|kept| kept),
            Entry::OffsetLease { .. } => false,
            // Those of batches that were placed are taken away before.
            Entry::Meta { .. } | Entry::Placed { .. } => true,
        });
        let mut kept = stays.into_iter();
        let (kept, failed) = self.take_journalled().into_iter().partition(|_| kept.next().unwrap_or(false));
        self.journalled = failed;
        self.fail_journalled(&AppendError::NoSpace);
        self.journalled = kept;
        !self.entries.is_empty()
    }

    /// Of each journalled batch: whether it stays where those go that must leave `spare` in the journal. One that comes
    /// behind one that goes, in its log, has an offset that others will get: it goes, too, and so does its whole unit.
    fn those_that_stay(&self, spare: Spare) -> Vec<bool> {
        let mut going = BTreeSet::new();
        let mut stays = Vec::with_capacity(self.journalled.len());
        for entry in &self.entries {
            let count = match entry {
                Entry::Batch { .. } => 1,
                Entry::Unit(parts) => parts.len(),
                Entry::OffsetLease { .. } | Entry::Meta { .. } | Entry::Placed { .. } => 0,
            };
            let batches = self.journalled.get(stays.len()..stays.len() + count).unwrap_or_default();
            let can_stay = |batch: &Admitted| {
                spare == Spare::Broker && batch.origin == Origin::Coordinator && !going.contains(&batch.log.id())
            };
            let stay = batches.iter().all(can_stay);
            if !stay {
                going.extend(batches.iter().map(|batch| batch.log.id()));
            }
            stays.extend(std::iter::repeat_n(stay, count));
        }
        stays
    }

    /// Whether direct batches lack leases.
    const fn needs_leases(&self) -> bool {
        !self.leases.is_empty()
    }

    /// Whether direct batches wait for the journal: for their leases, or for what comes before them in their request.
    pub(crate) const fn waits_for_journal(&self) -> bool {
        self.is_mixed || self.needs_leases()
    }

    /// The leases are durable.
    pub(crate) fn grant_leases(&mut self) {
        for (log, ceiling) in self.leases.drain(..) {
            let mut state = log.append.lock();
            state.lease_ceiling = state.lease_ceiling.max(ceiling);
        }
    }

    /// Carries out the direct batches.
    pub(crate) fn write_direct(&mut self, write: impl Fn(AppendEntry) -> Written) {
        for (slot, entry) in std::mem::take(&mut self.direct) {
            let written = write(entry);
            self.set_outcome(slot, written);
        }
    }

    pub(crate) fn take_journalled(&mut self) -> Vec<Admitted> {
        std::mem::take(&mut self.journalled)
    }

    /// The journal did not take the round: what depends on it is undone, newest first, and fails.
    pub(crate) fn fail_journalled(&mut self, error: &AppendError) {
        for batch in self.take_journalled().into_iter().rev() {
            self.set_outcome(batch.slot, Written::from(Err(error.clone())));
            undo(&batch);
        }
        self.leases.clear();
        let direct = std::mem::take(&mut self.direct).into_iter().map(|(slot, _)| slot);
        for slot in direct.chain(std::mem::take(&mut self.duplicates)) {
            self.set_outcome(slot, Written::from(Err(error.clone())));
        }
    }

    fn set_outcome(&mut self, slot: Slot, written: Written) {
        if let Some(request) = self.requests.get_mut(slot.request) {
            request.answer.set(slot.entry, written);
        }
    }

    /// Answers all requests, those that wait for the disk when it is done.
    pub(crate) fn answer(self, shared: &Shared) {
        for request in self.requests {
            request.answer.give(shared, request.promise);
        }
    }
}

/// What admission makes of a batch.
pub(crate) enum Admission {
    /// It is there already.
    Duplicate(Appended),
    /// It has its offset now.
    New(Admitted, Appended),
}

/// Takes back one batch that was admitted and not written; the newest of its log. Its producer sends it again.
pub(crate) fn undo(batch: &Admitted) {
    let mut state = batch.log.append.lock();
    state.next_offset = batch.next_offset_before;
    if let Some((producer, before)) = &batch.producer_before {
        state.producers.restore(*producer, before.clone());
    }
    if let Some(header) = batch.stored.header() {
        state.producers.expect_again(&header);
    }
}

/// Checks the producer's sequence and gives the batch its offset.
pub(crate) fn admit(state: &mut AppendState, append: AppendEntry, now: Timestamp) -> Result<Admission, AppendError> {
    if let Some(reason) = &state.closed {
        return Err(reason.clone());
    }
    let AppendEntry { log, batch, origin } = append;
    let stamps = log.settings().timestamps == TimestampKind::LogAppendTime;
    let log_start_offset = log.tail().log_start_offset;
    let header = *batch.header();
    // The broker's own batches are in order, and markers have no sequence.
    let verdict = if origin == Origin::Client { state.producers.check(&header) } else { Verdict::Append };
    match verdict {
        Verdict::Append => {}
        Verdict::Duplicate { base_offset, timestamp, .. } => {
            let log_append_time = if stamps { timestamp } else { NO_TIMESTAMP };
            return Ok(Admission::Duplicate(Appended { base_offset, log_append_time, log_start_offset }));
        }
        Verdict::Refused(error) => return Err(refusal(&error)),
    }
    let batch = if stamps { batch.with_log_append_time(now) } else { batch };
    let base_offset = state.next_offset;
    let stored = StoredBatch::new(&batch, base_offset, log.leader_epoch());
    let producer_before = header.producer().map(|producer| (producer, state.producers.get(producer).cloned()));
    state.producers.apply(batch.header(), base_offset, now);
    state.next_offset = stored.next_offset();
    let appended = Appended { base_offset, log_append_time: if stamps { now } else { NO_TIMESTAMP }, log_start_offset };
    let admitted = Admitted {
        log,
        stored,
        records: u64::try_from(header.record_count).unwrap_or(0),
        origin,
        slot: Slot { request: 0, entry: 0 },
        next_offset_before: base_offset,
        producer_before,
    };
    Ok(Admission::New(admitted, appended))
}

fn refusal(error: &ProducerError) -> AppendError {
    match *error {
        ProducerError::OutOfOrderSequence { producer, sent, expected } => {
            AppendError::OutOfOrderSequence { producer, sent, expected }
        }
        ProducerError::InvalidEpoch { producer, sent, current } => {
            AppendError::InvalidProducerEpoch { producer, sent, current }
        }
        ProducerError::OutsideTransaction { producer } => AppendError::OutsideTransaction { producer },
    }
}
