//! [`ProducerTable`]: what one partition remembers of its idempotent producers, and what it makes of a batch.
//!
//! Pure. Five batches a producer are remembered, so that a retried one is answered with its original offset.
//!
//! Source: KIP-98, KIP-360, `ProducerAppendInfo` of Kafka 4.3.1; KAFKA-14359 for what must not overtake a refused
//! batch.

mod encoding;
pub mod snapshot;

pub use encoding::ProducersError;

use levada_model::{
    NO_TIMESTAMP, Offset, ProducerEpoch, ProducerId, Timestamp,
    batch::{BatchHeader, add_sequence},
};
use std::collections::{BTreeMap, VecDeque};

/// How many batches of a producer are remembered; clients keep at most as many in flight.
pub const BATCHES_REMEMBERED: usize = 5;
/// The epoch of a producer of which nothing is known.
const NO_EPOCH: ProducerEpoch = -1;

/// A batch of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RememberedBatch {
    /// Sequence number of its last record.
    pub last_sequence: i32,
    /// How many sequence numbers before that its first record has.
    pub delta: i32,
    /// Offset of its last record.
    pub last_offset: Offset,
    /// Its largest timestamp.
    pub timestamp: Timestamp,
}

impl RememberedBatch {
    /// Sequence number of its first record.
    #[must_use]
    pub fn base_sequence(&self) -> i32 {
        if self.last_sequence >= self.delta {
            self.last_sequence - self.delta
        } else {
            // The batch spans the wrap from `i32::MAX` to 0.
            i32::MAX - (self.delta - self.last_sequence - 1)
        }
    }

    /// Offset of its first record.
    #[must_use]
    pub fn base_offset(&self) -> Offset {
        self.last_offset.saturating_sub(i64::from(self.delta))
    }
}

/// What is remembered of one producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerState {
    /// Its latest epoch.
    pub epoch: ProducerEpoch,
    /// Its latest batches, oldest first, [`BATCHES_REMEMBERED`] at most.
    pub batches: VecDeque<RememberedBatch>,
    /// Epoch of the transaction coordinator that wrote its last marker, −1: none did.
    pub coordinator_epoch: i32,
    /// First offset of its open transaction.
    pub transaction_first_offset: Option<Offset>,
    /// When the broker last appended a batch of it.
    pub last_active: Timestamp,
}

impl ProducerState {
    const fn new(epoch: ProducerEpoch) -> Self {
        Self {
            epoch,
            batches: VecDeque::new(),
            coordinator_epoch: -1,
            transaction_first_offset: None,
            last_active: NO_TIMESTAMP,
        }
    }

    /// Whether it has an open transaction.
    #[must_use]
    pub const fn is_in_transaction(&self) -> bool {
        self.transaction_first_offset.is_some()
    }

    fn duplicate_of(&self, header: &BatchHeader) -> Option<&RememberedBatch> {
        if header.producer_epoch != self.epoch {
            return None;
        }
        let (first, last) = (header.base_sequence, header.last_sequence());
        self.batches.iter().find(|batch| batch.base_sequence() == first && batch.last_sequence == last)
    }
}

/// What to do with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the next.
    Append,
    /// It was appended before; answer with where it is.
    Duplicate {
        /// Offset of its first record.
        base_offset: Offset,
        /// Offset of its last record.
        last_offset: Offset,
        /// Its largest timestamp.
        timestamp: Timestamp,
    },
    /// It must not be appended.
    Refused(ProducerError),
}

/// Why a producer's batch is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProducerError {
    /// A sequence number was left out, or lies too far back to be recognised.
    #[error("producer `{producer}` sent sequence {sent}, {expected} is next")]
    OutOfOrderSequence {
        /// The producer.
        producer: ProducerId,
        /// The first sequence number of its batch.
        sent: i32,
        /// The one that may follow.
        expected: i32,
    },
    /// A newer instance of the producer was seen.
    #[error("producer `{producer}` sent epoch {sent}, {current} is current")]
    InvalidEpoch {
        /// The producer.
        producer: ProducerId,
        /// The epoch of its batch.
        sent: ProducerEpoch,
        /// The latest that was seen.
        current: ProducerEpoch,
    },
    /// The producer has an open transaction, of which the batch is not part.
    #[error("producer `{producer}` has an open transaction, and the batch is not part of it")]
    OutsideTransaction {
        /// The producer.
        producer: ProducerId,
    },
}

/// The idempotent producers of one partition, at most so many; the least recently active is forgotten first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProducerTable {
    count_max: usize,
    producers: BTreeMap<ProducerId, Entry>,
    /// Who was active when: the first is the first to be forgotten.
    by_activity: BTreeMap<u64, ProducerId>,
    activity: u64,
    /// Unknown producers whose first batch got a retriable error, at most `count_max`: what they must send first.
    expected: BTreeMap<ProducerId, Expected>,
}

/// The earliest batch of a producer that got a retriable error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Expected {
    epoch: ProducerEpoch,
    base_sequence: i32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    state: ProducerState,
    activity: u64,
}

impl ProducerTable {
    /// No producer; remembers `count_max` of them.
    #[must_use]
    pub const fn new(count_max: usize) -> Self {
        Self {
            count_max,
            producers: BTreeMap::new(),
            by_activity: BTreeMap::new(),
            activity: 0,
            expected: BTreeMap::new(),
        }
    }

    /// How many producers are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.producers.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.producers.is_empty()
    }

    /// What is remembered of `producer`.
    #[must_use]
    pub fn get(&self, producer: ProducerId) -> Option<&ProducerState> {
        self.producers.get(&producer).map(|entry| &entry.state)
    }

    /// The producers by id.
    pub fn iter(&self) -> impl Iterator<Item = (ProducerId, &ProducerState)> {
        self.producers.iter().map(|(&id, entry)| (id, &entry.state))
    }

    /// First offset of the earliest transaction that is open.
    #[must_use]
    pub fn first_open_transaction(&self) -> Option<Offset> {
        self.producers.values().filter_map(|entry| entry.state.transaction_first_offset).min()
    }

    /// What to do with a client's batch.
    ///
    /// A producer that is not known may begin with any sequence: its records may have fallen to retention. Where
    /// its first batch got a retriable error, it begins with that batch.
    #[must_use]
    pub fn check(&self, header: &BatchHeader) -> Verdict {
        let Some(producer) = header.producer() else { return Verdict::Append };
        let Some(state) = self.get(producer) else { return self.check_first(producer, header) };
        if let Some(batch) = state.duplicate_of(header) {
            return Verdict::Duplicate {
                base_offset: batch.base_offset(),
                last_offset: batch.last_offset,
                timestamp: batch.timestamp,
            };
        }
        let (sent, current) = (header.producer_epoch, state.epoch);
        if sent < current {
            return Verdict::Refused(ProducerError::InvalidEpoch { producer, sent, current });
        }
        if state.transaction_first_offset.is_some() && !header.attributes.is_transactional() {
            return Verdict::Refused(ProducerError::OutsideTransaction { producer });
        }
        let expected = match state.batches.back() {
            Some(last) if sent == current => add_sequence(last.last_sequence, 1),
            // A new epoch begins anew, and so does one of which only a marker was seen.
            _ => 0,
        };
        if header.base_sequence == expected || current == NO_EPOCH {
            Verdict::Append
        } else {
            Verdict::Refused(ProducerError::OutOfOrderSequence { producer, sent: header.base_sequence, expected })
        }
    }

    fn check_first(&self, producer: ProducerId, header: &BatchHeader) -> Verdict {
        let sent = header.base_sequence;
        match self.expected.get(&producer) {
            Some(&Expected { epoch, base_sequence: expected }) if epoch == header.producer_epoch && sent > expected => {
                Verdict::Refused(ProducerError::OutOfOrderSequence { producer, sent, expected })
            }
            _ => Verdict::Append,
        }
    }

    /// A client's batch got a retriable error. Where its producer is unknown, batches behind it are refused until it
    /// comes again: taken before it, they would make its sequence out of order for good.
    ///
    /// Not encoded: after a restart clients send again in order.
    pub fn expect_again(&mut self, header: &BatchHeader) {
        let Some(producer) = header.producer().filter(|producer| !self.producers.contains_key(producer)) else {
            return;
        };
        if header.attributes.is_control() {
            return;
        }
        let refused = Expected { epoch: header.producer_epoch, base_sequence: header.base_sequence };
        let earliest = self.expected.entry(producer).or_insert(refused);
        if refused.epoch > earliest.epoch {
            *earliest = refused;
        } else if refused.epoch == earliest.epoch {
            earliest.base_sequence = earliest.base_sequence.min(refused.base_sequence);
        }
        if self.expected.len() > self.count_max {
            self.expected.pop_first();
        }
    }

    /// Takes note of a batch that was appended at `base_offset` at the broker's time `now_ms`. Where it is a marker,
    /// returns the first offset of the transaction that it ends.
    pub fn apply(&mut self, header: &BatchHeader, base_offset: Offset, now_ms: Timestamp) -> Option<Offset> {
        let producer = header.producer()?;
        self.expected.remove(&producer);
        let mut ended = None;
        let mut state = self.remove(producer).unwrap_or_else(|| ProducerState::new(header.producer_epoch));
        if state.epoch != header.producer_epoch {
            state.epoch = header.producer_epoch;
            state.batches.clear();
        }
        if header.attributes.is_control() {
            ended = state.transaction_first_offset.take();
        } else {
            if state.batches.len() >= BATCHES_REMEMBERED {
                state.batches.pop_front();
            }
            state.batches.push_back(RememberedBatch {
                last_sequence: header.last_sequence(),
                delta: header.last_offset_delta,
                last_offset: base_offset.saturating_add(i64::from(header.last_offset_delta)),
                timestamp: header.max_timestamp,
            });
            if header.attributes.is_transactional() {
                state.transaction_first_offset.get_or_insert(base_offset);
            }
        }
        state.last_active = state.last_active.max(now_ms);
        self.insert(producer, state);
        ended
    }

    /// Puts back what was remembered of `producer` before a batch that was not written after all.
    pub fn restore(&mut self, producer: ProducerId, before: Option<ProducerState>) {
        match before {
            Some(state) => self.insert(producer, state),
            None => drop(self.remove(producer)),
        }
    }

    /// Forgets producers that were last active longer ago than `age_max_ms`; those with an open transaction stay.
    /// Returns how many went.
    pub fn expire(&mut self, now_ms: Timestamp, age_max_ms: i64) -> usize {
        let is_old = |state: &ProducerState| {
            state.transaction_first_offset.is_none() && now_ms.saturating_sub(state.last_active) > age_max_ms
        };
        let old: Vec<ProducerId> = self.iter().filter(|(_, state)| is_old(state)).map(|(id, _)| id).collect();
        old.iter().for_each(|&id| drop(self.remove(id)));
        old.len()
    }

    fn remove(&mut self, producer: ProducerId) -> Option<ProducerState> {
        let entry = self.producers.remove(&producer)?;
        self.by_activity.remove(&entry.activity);
        Some(entry.state)
    }

    /// Adds a producer as the most recently active one. Those with an open transaction are not forgotten.
    fn insert(&mut self, producer: ProducerId, state: ProducerState) {
        self.remove(producer);
        self.activity += 1;
        self.by_activity.insert(self.activity, producer);
        self.producers.insert(producer, Entry { state, activity: self.activity });
        while self.producers.len() > self.count_max {
            let may_go = |id: &ProducerId| *id != producer && self.get(*id).is_none_or(|it| !it.is_in_transaction());
            let Some(oldest) = self.by_activity.values().copied().find(may_go) else { break };
            self.remove(oldest);
        }
    }
}

#[cfg(test)]
mod tests;
