//! One transactional id of a writer: who it is now, what its next batches are, where it commits offsets.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use levada_model::batch::Attributes;
use levada_model::record::{BatchBuilder, NewRecord, ProducerStamp};
use levada_model::{Clock, ProducerId, Rng, SeededRng, SystemClock};

use super::{Home, Shared};
use crate::history::payload::encode;
use crate::history::{Action, Log, Mark, Op, Outcome, Process, Sent, Value};
use crate::kafka_client::Partition;
use crate::kafka_client::transactions::{Generation, Identity, Transactor};

const RECORDS_MAX: u64 = 3;
const RECORD_SIZE_MAX: u64 = 600;
/// Longer than any run.
const LONG: Duration = Duration::from_secs(600);
/// Shorter than most of the ways back of a producer that walks away.
const SHORT: Duration = Duration::from_millis(1_500);

/// What may happen to the transactions of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nobody else has it, and it has time.
    Steady,
    /// Its transactions may last too long.
    Hasty,
    /// A rival takes it now and then.
    Contested,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Steady, Self::Hasty, Self::Contested];

    pub(super) fn timeout(self) -> Duration {
        match self {
            Self::Steady | Self::Contested => LONG,
            Self::Hasty => SHORT,
        }
    }

    /// The transactional id of a writer.
    pub(super) fn id(self, writer: u32) -> String {
        let name = match self {
            Self::Steady => "steady",
            Self::Hasty => "hasty",
            Self::Contested => "contested",
        };
        format!("{name}-{writer}")
    }
}

/// A transaction that goes on, or went.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) begun_ns: u64,
    pub(super) since: Instant,
    pub(super) who: Identity,
    pub(super) sends: Vec<Sent>,
    pub(super) offset: Option<i64>,
}

/// One batch of it.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) log: Log,
    pub(super) partition: Partition,
    pub(super) values: Vec<Value>,
    pub(super) bytes: Bytes,
}

/// One transactional id.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) kind: Kind,
    pub(super) id: String,
    /// Its group, which nobody else commits to.
    pub(super) group: String,
    pub(super) mark: Mark,
    pub(super) at: Partition,
    pub(super) generation: Generation,
    /// `None`: it is to be asked for.
    pub(super) identity: Option<Identity>,
    /// Who ended the transaction before.
    pub(super) previous: Option<Identity>,
    /// A transaction that its producer walked away from.
    pub(super) left: Option<Open>,
    /// Counts its transactions; what they commit as an offset.
    count: i64,
    sequences: BTreeMap<Log, i32>,
}

impl Lane {
    pub(super) fn new(shared: &Shared, writer: u32, kind: Kind) -> Self {
        let id = kind.id(writer);
        let homes = shared.homes.len();
        let home = &shared.homes[usize::try_from(writer).unwrap_or(0) % homes];
        let number =
            writer * 3 + Kind::ALL.iter().position(|&it| it == kind).map_or(0, |at| u32::try_from(at).unwrap_or(0));
        Self {
            kind,
            group: format!("of-{id}"),
            id,
            mark: Mark::Committed(number, home.log),
            at: home.partition.clone(),
            generation: if writer.is_multiple_of(2) { Generation::Second } else { Generation::First },
            identity: None,
            previous: None,
            left: None,
            count: 0,
            sequences: BTreeMap::new(),
        }
    }

    /// The same producer, as `who`.
    pub(super) fn as_who(&self, who: Identity) -> Transactor<'_> {
        Transactor { id: &self.id, who, generation: self.generation }
    }

    /// Takes another identity: sequences begin anew where its epoch or id is another.
    pub(super) fn become_who(&mut self, who: Identity) {
        if self.identity != Some(who) {
            self.sequences.clear();
        }
        self.identity = Some(who);
    }

    pub(super) fn forget(&mut self) {
        self.identity = None;
        self.previous = None;
        self.sequences.clear();
    }

    pub(super) fn next_offset(&mut self) -> i64 {
        self.count += 1;
        self.count
    }

    /// A batch for one partition.
    pub(super) fn fill(
        &mut self,
        rng: &SeededRng,
        who: Identity,
        home: &Home,
        next_value: &mut dyn FnMut() -> Value,
    ) -> Batch {
        let sequence = self.sequences.entry(home.log).or_default();
        let stamp = ProducerStamp { id: ProducerId(who.id), epoch: who.epoch, base_sequence: *sequence };
        let mut builder = BatchBuilder::new().with_producer(stamp).with_attributes(Attributes::TRANSACTIONAL);
        let mut values = Vec::new();
        for _ in 0..=rng.next_u64() % RECORDS_MAX {
            let value = next_value();
            let size = usize::try_from(rng.next_u64() % RECORD_SIZE_MAX).unwrap_or(0);
            let bytes = encode(home.place, value, size);
            builder.push(&NewRecord { timestamp: SystemClock.wall_ms(), value: Some(&bytes), ..NewRecord::default() });
            values.push(value);
            *sequence = sequence.checked_add(1).unwrap_or(0);
        }
        Batch { log: home.log, partition: home.partition.clone(), values, bytes: builder.finish() }
    }

    /// What the history says of a transaction.
    pub(super) fn op(&self, process: Process, open: Open, ended_ns: u64, outcome: Outcome) -> Op {
        let offsets = open.offset.map(|offset| (self.mark, offset)).into_iter().collect();
        let action = Action::Transaction { sends: open.sends, reads: Vec::new(), offsets };
        Op { process, begun_ns: open.begun_ns, ended_ns, outcome, action }
    }
}
