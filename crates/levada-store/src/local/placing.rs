//! Placing: large batches are synced in their segment, and the journal has only where the log then ends.
//!
//! They are written once instead of twice. It is the journal's frame that makes them count: a crash before it leaves
//! bytes behind the end of the log, which the next start cuts. Whatever stands in the way (no room, two segments) has
//! the batches journalled like all others.

use super::{appender::Appender, direct, round::Admitted, round::Round, shared::Stats, space::Lack, writer};
use crate::{
    append::{AppendError, Origin},
    log::Log,
};
use levada_log::{
    journal::Entry,
    partition::{self, PartitionLog, Placement},
};
use levada_model::{LogId, record::StoredBatch};
use parking_lot::MutexGuard;
use std::{collections::BTreeMap, sync::Arc};

/// A batch that was taken out of a round, and its places among the entries and the batches.
#[derive(Debug)]
struct Chosen {
    entry: usize,
    index: usize,
    batch: Admitted,
}

/// The batches of one log that are placed, in their order.
#[derive(Debug)]
pub(super) struct Placing {
    log: Arc<Log>,
    batches: Vec<Chosen>,
}

impl Placing {
    fn stored(&self) -> Vec<StoredBatch> {
        self.batches.iter().map(|chosen| chosen.batch.stored.clone()).collect()
    }
}

/// What a log has in a round, as far as it may be placed.
#[derive(Debug, Default)]
struct Prefix {
    batches: Vec<usize>,
    bytes: usize,
    ended: bool,
}

impl Round {
    /// Takes out the batches that are worth a sync of their own: of `bytes_min` each, before any other of their log,
    /// and, those of one log together, at least half of the round.
    fn take_placing(&mut self, bytes_min: usize) -> Vec<Placing> {
        if self.largest < bytes_min {
            return Vec::new();
        }
        let mut logs: BTreeMap<LogId, Prefix> = BTreeMap::new();
        for (index, batch) in self.journalled.iter().enumerate() {
            let prefix = logs.entry(batch.log.id()).or_default();
            prefix.ended |= batch.origin != Origin::Client || batch.stored.size() < bytes_min;
            if !prefix.ended {
                prefix.batches.push(index);
                prefix.bytes += batch.stored.size();
            }
        }
        logs.retain(|_, prefix| prefix.bytes > 0 && prefix.bytes >= self.bytes / 2);
        self.bytes -= logs.values().map(|prefix| prefix.bytes).sum::<usize>();
        if logs.is_empty() {
            return Vec::new();
        }
        self.take_out(&logs)
    }

    fn take_out(&mut self, logs: &BTreeMap<LogId, Prefix>) -> Vec<Placing> {
        let chosen = |index: usize, id: LogId| logs.get(&id).is_some_and(|prefix| prefix.batches.contains(&index));
        let mut entries = Vec::with_capacity(self.entries.len());
        let mut places = Vec::new();
        let mut index = 0;
        for (place, entry) in std::mem::take(&mut self.entries).into_iter().enumerate() {
            let is_chosen = matches!(&entry, Entry::Batch { log, .. } if chosen(index, *log));
            index += match &entry {
                Entry::Batch { .. } => 1,
                Entry::Unit(parts) => parts.len(),
                Entry::OffsetLease { .. } | Entry::Meta { .. } | Entry::Placed { .. } => 0,
            };
            if is_chosen {
                places.push((place, index - 1));
            } else {
                entries.push(entry);
            }
        }
        self.entries = entries;
        let mut placing: Vec<Placing> = Vec::new();
        // From the end, so that places stay what they are.
        for (entry, index) in places.into_iter().rev() {
            let batch = self.journalled.remove(index);
            let chosen = Chosen { entry, index, batch };
            match placing.iter_mut().find(|placing| Arc::ptr_eq(&placing.log, &chosen.batch.log)) {
                Some(placing) => placing.batches.push(chosen),
                None => placing.push(Placing { log: Arc::clone(&chosen.batch.log), batches: vec![chosen] }),
            }
        }
        placing.iter_mut().for_each(|placing| placing.batches.reverse());
        placing
    }

    /// Has all that was taken out journalled in its place.
    fn put_back(&mut self, placing: Vec<Placing>) {
        self.entries.retain(|entry| !matches!(entry, Entry::Placed { .. }));
        let mut all: Vec<Chosen> = placing.into_iter().flat_map(|placing| placing.batches).collect();
        all.sort_by_key(|chosen| chosen.index);
        for Chosen { entry, index, batch } in all {
            self.bytes += batch.stored.size();
            let (head, body) = (batch.stored.head, batch.stored.body.clone());
            self.entries.insert(entry, Entry::Batch { log: batch.log.id(), head, body });
            self.journalled.insert(index, batch);
        }
    }
}

/// A log with batches behind its end. Whoever wants its files waits for the journal.
struct Placed<'a> {
    files: MutexGuard<'a, Option<PartitionLog>>,
    placement: Placement,
}

impl Placed<'_> {
    fn end(mut self, count: bool) -> Result<(), partition::AppendError> {
        match self.files.as_mut() {
            Some(files) if count => {
                files.take(self.placement);
                Ok(())
            }
            Some(files) => files.give_up(self.placement),
            None => Ok(()),
        }
    }
}

impl Appender {
    /// Makes the round durable with its large batches in their segments, if it has some; gives those. Where that does
    /// not come about, `None`: the round is whole again, to be journalled.
    ///
    /// # Errors
    /// Where the disk failed.
    pub(super) fn make_durable_placed(&mut self, round: &mut Round) -> Result<Option<Vec<Placing>>, AppendError> {
        let placing = round.take_placing(self.shared.config.placed_bytes_min);
        if placing.is_empty() {
            return Ok(None);
        }
        let ends = placing.iter().filter_map(|placing| {
            let end = placing.batches.last()?.batch.stored.next_offset();
            Some(Entry::Placed { log: placing.log.id(), end })
        });
        round.entries.extend(ends);
        let done = self.place_and_journal(&placing, round);
        match done {
            Ok(true) => Ok(Some(placing)),
            Ok(false) => {
                round.put_back(placing);
                Ok(None)
            }
            Err(error) => {
                round.put_back(placing);
                Err(error)
            }
        }
    }

    fn place_and_journal(&mut self, placing: &[Placing], round: &Round) -> Result<bool, AppendError> {
        // Before any log is locked: a checkpoint, which may have to bring room, needs the logs.
        if !self.has_room_for(round)? {
            return Ok(false);
        }
        let mut placed = Vec::with_capacity(placing.len());
        let journalled = self
            .place_all(placing, &mut placed)
            .and_then(|all| if all { self.journal_at_once(round) } else { Ok(false) });
        // After an error of the journal its frame may be durable, and the batches with it: they stay where they are.
        if let Ok(counts) = &journalled {
            let ended = placed.into_iter().try_for_each(|placed| placed.end(*counts));
            ended.map_err(|error| self.poisoned(&error.to_string()))?;
        }
        journalled
    }

    /// Writes and syncs the batches; false where not all could be placed.
    fn place_all<'a>(&self, placing: &'a [Placing], placed: &mut Vec<Placed<'a>>) -> Result<bool, AppendError> {
        let shared = &self.shared;
        let mut dirty = Vec::new();
        for placing in placing {
            let log = &*placing.log;
            let mut files = log.files.lock();
            // What was journalled comes first in the segment.
            if writer::flush(shared, log, &mut files).is_err() {
                return shared.poison().map_or(Ok(false), |reason| Err(AppendError::Poisoned(reason.to_owned())));
            }
            let partition = match direct::open_files(shared, log, &mut files) {
                Ok(partition) => partition,
                Err(error) if error.is_full() => return self.lacks_files(),
                Err(error) => return Err(self.poisoned(&error.to_string())),
            };
            match partition.place(&placing.stored(), shared.clock.wall_ms()) {
                Ok(Some(placement)) => {
                    dirty.extend(partition.data_files());
                    placed.push(Placed { files, placement });
                }
                Ok(None) => return Ok(false),
                Err(partition::AppendError::NoSpace { .. }) => return self.lacks_files(),
                Err(error) => return Err(self.poisoned(&error.to_string())),
            }
        }
        shared.sync_files(&dirty).map_err(|reason| self.poisoned(&reason))?;
        Ok(true)
    }

    fn lacks_files(&self) -> Result<bool, AppendError> {
        self.shared.set_lack(Lack::Files);
        Ok(false)
    }

    /// Shows what was placed to consumers, as far as it is not the journal's.
    pub(super) fn placed_batches(&self, placing: Vec<Placing>) -> Vec<Admitted> {
        let mut batches = Vec::new();
        for Placing { log, batches: chosen } in placing {
            let bytes: usize = chosen.iter().map(|chosen| chosen.batch.stored.size()).sum();
            if let Some(last) = chosen.last() {
                log.tail.lock().set_flushed(last.batch.stored.next_offset());
            }
            Stats::add(&self.shared.stats.placed_bytes, bytes);
            self.shared.count_direct(bytes);
            batches.extend(chosen.into_iter().map(|chosen| chosen.batch));
        }
        batches
    }
}
