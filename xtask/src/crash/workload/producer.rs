//! An idempotent producer that keeps several requests in flight and, after any failure, sends again what
//! is not settled, under the same sequence numbers, for as long as the run lasts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::Ordering;
use std::thread::sleep;

use anyhow::{Context, Result};
use bytes::Bytes;
use levada_model::record::{BatchBuilder, NewRecord, ProducerStamp};
use levada_model::{Clock, ProducerId, Rng, SeededRng, SystemClock};
use levada_protocol::ErrorCode;

use super::{Home, Shared};
use crate::crash::course::RETRY_INTERVAL;
use crate::history::payload::encode;
use crate::history::{Action, Log, Op, Outcome, Process, Sent, Value};
use crate::kafka_client::Connection;
use crate::kafka_client::{Partition, Produced, error_name};

/// Requests in flight; a broker remembers five batches of a producer.
const DEPTH: usize = 3;
const RECORDS_MAX: u64 = 5;
/// The same of a large one, of which one request in so many has just one.
const RECORDS_LARGE_MAX: u64 = 60;
const LARGE_EVERY: u64 = 6;
/// How often a sequence number is refused before the broker is held to have forgotten the producer.
const REFUSALS_MAX: u32 = 5;

/// Runs producer `index` until the run finishes.
pub(super) fn run(shared: &Shared, index: u32) -> Vec<Op> {
    if !shared.wait_until_ready() {
        return Vec::new();
    }
    let mut producer = Producer::new(shared, index);
    while !producer.is_done() {
        let Some(mut connection) = shared.course.connect() else {
            if shared.course.is_given_up() {
                break;
            }
            continue;
        };
        while !producer.is_done() {
            if shared.course.is_given_up() {
                break;
            }
            if producer.turn(&mut connection).is_err() {
                producer.requests.iter_mut().for_each(|request| request.sent = None);
                sleep(RETRY_INTERVAL);
                break;
            }
        }
        if shared.course.is_given_up() {
            break;
        }
    }
    shared.producers_done.fetch_add(1, Ordering::SeqCst);
    producer.end()
}

/// A batch that is not settled.
struct Batch {
    log: Log,
    partition: Partition,
    values: Vec<Value>,
    bytes: Bytes,
    begun_ns: u64,
    refusals: u32,
}

struct Request {
    batches: Vec<Batch>,
    /// The correlation id under which it is on its way.
    sent: Option<i32>,
}

/// What is next for one partition.
struct Lane {
    home: Home,
    sequence: i32,
    value: u64,
}

struct Producer<'a> {
    shared: &'a Shared,
    index: u32,
    rng: SeededRng,
    identity: Option<(i64, i16)>,
    lanes: Vec<Lane>,
    requests: VecDeque<Request>,
    made: u32,
    ops: Vec<Op>,
}

impl<'a> Producer<'a> {
    fn new(shared: &'a Shared, index: u32) -> Self {
        let lanes = shared.lasting().into_iter().map(|home| Lane { home, sequence: 0, value: 0 }).collect();
        let rng = SeededRng::new(shared.plan.seed.wrapping_mul(1_000).wrapping_add(u64::from(index)));
        let (requests, ops) = (VecDeque::new(), Vec::new());
        Self { shared, index, rng, identity: None, lanes, requests, made: 0, ops }
    }

    fn is_done(&self) -> bool {
        self.requests.is_empty() && !self.makes_more()
    }

    fn makes_more(&self) -> bool {
        !self.shared.course.is_finishing() && self.shared.plan.requests_max.is_none_or(|most| self.made < most)
    }

    /// Fills the pipeline, then takes one answer.
    fn turn(&mut self, connection: &mut Connection) -> Result<()> {
        let identity = match self.identity {
            Some(identity) => identity,
            None => *self.identity.insert(connection.init_producer()?),
        };
        while self.requests.len() < DEPTH && self.makes_more() {
            let request = self.make(identity);
            self.requests.push_back(request);
            sleep(self.shared.plan.rest);
        }
        for request in self.requests.iter_mut().filter(|request| request.sent.is_none()) {
            let batches: Vec<(Partition, Bytes)> =
                request.batches.iter().map(|batch| (batch.partition.clone(), batch.bytes.clone())).collect();
            request.sent = Some(connection.send_batches(&batches)?);
        }
        if self.take_answer(connection, 0)? {
            self.requests.pop_front();
            return Ok(());
        }
        // One failed: those behind it in its partitions fail, too. All answers first, then all again.
        for index in 1..self.requests.len() {
            self.take_answer(connection, index)?;
        }
        self.requests.retain(|request| !request.batches.is_empty());
        self.requests.iter_mut().for_each(|request| request.sent = None);
        if self.is_forgotten() {
            self.renew();
        }
        sleep(RETRY_INTERVAL);
        Ok(())
    }

    /// Takes the answer to a request; answers whether everything in it is settled.
    fn take_answer(&mut self, connection: &mut Connection, index: usize) -> Result<bool> {
        let sent = self.requests.get(index).and_then(|request| request.sent).context("a request that was not sent")?;
        let answers: BTreeMap<Partition, Produced> = connection.receive_produced(sent)?.into_iter().collect();
        // A batch behind one that is open is refused for the gap, whatever the broker remembers.
        let blocked: BTreeSet<Partition> = self
            .requests
            .iter()
            .take(index)
            .flat_map(|request| &request.batches)
            .map(|b| b.partition.clone())
            .collect();
        let request = self.requests.get_mut(index).context("a request that is there")?;
        let batches = std::mem::take(&mut request.batches);
        let mut open = Vec::new();
        for mut batch in batches {
            let answer = answers.get(&batch.partition).context("an answer without one of the partitions")?;
            match verdict(answer) {
                Settled::Yes(offset) => self.record(&batch, Outcome::Ok, offset),
                Settled::Retry => {
                    self.shared.refused.fetch_add(1, Ordering::SeqCst);
                    open.push(batch);
                }
                Settled::Sequence => {
                    batch.refusals += u32::from(!blocked.contains(&batch.partition));
                    open.push(batch);
                }
                Settled::Never => {
                    let name = error_name(answer.error);
                    self.shared.course.problem(format!("produce to {:?} was refused: {name}", batch.partition));
                    batch.refusals = REFUSALS_MAX;
                    open.push(batch);
                }
            }
        }
        let is_settled = open.is_empty();
        self.requests.get_mut(index).context("a request that is there")?.batches = open;
        Ok(is_settled)
    }

    /// Whether the first open batch of some partition was refused again and again.
    fn is_forgotten(&self) -> bool {
        self.requests.iter().flat_map(|request| &request.batches).any(|batch| batch.refusals >= REFUSALS_MAX)
    }

    /// Starts anew under another producer id: what is open will never be known.
    fn renew(&mut self) {
        if self.shared.plan.promises_durability {
            self.shared.course.problem("the broker forgot an idempotent producer's sequence numbers".to_owned());
        }
        self.abandon();
        self.identity = None;
        self.lanes.iter_mut().for_each(|lane| lane.sequence = 0);
    }

    fn abandon(&mut self) {
        for request in std::mem::take(&mut self.requests) {
            for batch in request.batches {
                self.record(&batch, Outcome::Unknown, None);
            }
        }
    }

    fn record(&mut self, batch: &Batch, outcome: Outcome, base_offset: Option<i64>) {
        let sends = batch.values.iter().zip(0..).map(|(&value, delta)| Sent {
            log: batch.log,
            value,
            offset: base_offset.map(|base| base + delta),
        });
        let action = Action::Send { sends: sends.collect() };
        let (begun_ns, ended_ns) = (batch.begun_ns, self.shared.course.now_ns());
        self.ops.push(Op { process: Process(self.index), begun_ns, ended_ns, outcome, action });
        if outcome == Outcome::Ok {
            let count = u64::try_from(batch.values.len()).unwrap_or(u64::MAX);
            self.shared.acknowledged.fetch_add(count, Ordering::SeqCst);
        }
    }

    fn make(&mut self, (id, epoch): (i64, i16)) -> Request {
        self.made += 1;
        let mut batches = Vec::new();
        let begun_ns = self.shared.course.now_ns();
        // Now and then a batch that is most of its round, and goes to its segment first.
        let is_large = self.rng.next_u64().is_multiple_of(LARGE_EVERY);
        let (wanted, records_max) =
            if is_large { (1, RECORDS_LARGE_MAX) } else { (1 + self.rng.next_u64() % 3, RECORDS_MAX) };
        let first = self.rng.next_u64();
        let lanes = u64::try_from(self.lanes.len()).unwrap_or(u64::MAX);
        for nth in 0..wanted.min(lanes) {
            let index = usize::try_from((first.wrapping_add(nth)) % lanes).unwrap_or(0);
            let Some(lane) = self.lanes.get_mut(index) else { continue };
            let size_max = self.shared.plan.record_size_max;
            batches.push(lane.fill(&self.rng, (records_max, size_max), self.index, (ProducerId(id), epoch), begun_ns));
        }
        Request { batches, sent: None }
    }

    fn end(mut self) -> Vec<Op> {
        if !self.requests.is_empty() {
            let count = self.requests.len();
            self.shared.course.problem(format!("producer {}: {count} requests were never acknowledged", self.index));
            self.abandon();
        }
        self.ops
    }
}

impl Lane {
    fn fill(
        &mut self,
        rng: &SeededRng,
        (records_max, size_max): (u64, u64),
        producer: u32,
        (id, epoch): (ProducerId, i16),
        begun_ns: u64,
    ) -> Batch {
        let stamp = ProducerStamp { id, epoch, base_sequence: self.sequence };
        let mut builder = BatchBuilder::new().with_producer(stamp);
        let mut values = Vec::new();
        for _ in 0..=rng.next_u64() % records_max {
            let value = Value { producer, sequence: self.value };
            let size = usize::try_from(rng.next_u64() % size_max).unwrap_or(0);
            let bytes = encode(self.home.place, value, size);
            builder.push(&NewRecord { timestamp: SystemClock.wall_ms(), value: Some(&bytes), ..NewRecord::default() });
            values.push(value);
            self.value += 1;
            self.sequence = self.sequence.checked_add(1).unwrap_or(0);
        }
        let partition = self.home.partition.clone();
        Batch { log: self.home.log, partition, values, bytes: builder.finish(), begun_ns, refusals: 0 }
    }
}

enum Settled {
    Yes(Option<i64>),
    Retry,
    Sequence,
    Never,
}

fn verdict(answer: &Produced) -> Settled {
    match ErrorCode::from_code(answer.error) {
        Some(ErrorCode::None) => Settled::Yes(Some(answer.base_offset)),
        Some(ErrorCode::DuplicateSequenceNumber) => Settled::Yes(None),
        Some(ErrorCode::OutOfOrderSequenceNumber | ErrorCode::UnknownProducerId | ErrorCode::InvalidProducerEpoch) => {
            Settled::Sequence
        }
        Some(code) if code.is_retriable() => Settled::Retry,
        Some(_) | None => Settled::Never,
    }
}
