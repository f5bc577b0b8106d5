//! A producer with three transactional ids. It asks again whatever was not answered, as a client does, and knows of
//! each transaction whether it was committed, whether it was certainly not, or that nobody can know.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Instant;

use bytes::Bytes;
use levada_model::{Rng, SeededRng};
use levada_protocol::ErrorCode;

use super::closing::look;
use super::lane::{Batch, Kind, Lane, Open};
use super::tally::count;
use super::{Home, Shared};
use crate::crash::course::RETRY_INTERVAL;
use crate::history::{Action, Op, Outcome, Process, Sent, Value};
use crate::kafka_client::transactions::{Answer, Identity};
use crate::kafka_client::{Connection, Partition, Produced, error_name};

/// A transaction writes to at most this many partitions at a time, this many times.
const PARTITIONS_MAX: u64 = 4;
const REQUESTS_MAX: u64 = 3;

/// Runs writer `index` until all transactions of the plan are begun, and then ends what it left open.
pub(super) fn run(shared: &Shared, index: u32) -> Vec<Op> {
    let rng = SeededRng::new(shared.plan.seed.wrapping_mul(1_000).wrapping_add(u64::from(index)));
    let lanes = Kind::ALL.map(|kind| Lane::new(shared, index, kind));
    let mut writer = Writer { shared, index, rng, connection: None, values: 0, ops: Vec::new() };
    let [mut steady, mut hasty, mut contested] = lanes;
    while !shared.course.is_given_up() && shared.take_turn() {
        let lane = match writer.below(10) {
            0..2 if writer.is_free(&hasty) => &mut hasty,
            7.. => &mut contested,
            _ => &mut steady,
        };
        writer.transact(lane);
        count(&shared.ended);
    }
    [steady, hasty, contested].iter_mut().for_each(|lane| writer.close(lane));
    writer.ops
}

/// What a producer has in mind for a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Intent {
    Commit,
    Abort,
    /// Asks for the end, and does not wait for the answer.
    HangUp,
    /// Walks away without a word.
    WalkAway,
    /// Goes on after another took its id.
    GoOnFenced,
}

/// Why a transaction cannot be gone on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    /// Somebody newer has the id, or time was up.
    Fenced,
    /// The broker refuses, and should not.
    Refused,
    /// The run is over.
    GivenUp,
}

/// How a request to end a transaction went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// As asked; this one goes on.
    As(Identity),
    /// Refused at the first time of asking: it was not carried out.
    Refused(Lost),
    /// Refused, but it was asked before without an answer.
    Unknown(Lost),
}

struct Writer<'a> {
    shared: &'a Shared,
    index: u32,
    rng: SeededRng,
    connection: Option<Connection>,
    values: u64,
    ops: Vec<Op>,
}

impl Writer<'_> {
    fn below(&self, limit: u64) -> u64 {
        self.rng.next_u64() % limit
    }

    fn transact(&mut self, lane: &mut Lane) {
        if let Some(open) = lane.left.take() {
            self.come_back(lane, open);
        }
        let Some(who) = self.identity(lane) else { return };
        let intent = match (self.below(100), lane.kind) {
            (0..66, _) => Intent::Commit,
            (66..86, _) => Intent::Abort,
            (86..90, _) => Intent::HangUp,
            (90..93, Kind::Steady) => Intent::GoOnFenced,
            (93..98, Kind::Steady) => Intent::Commit,
            (90.., _) => Intent::WalkAway,
        };
        let offset = (self.below(5) < 3).then(|| lane.next_offset());
        let begun_ns = self.shared.course.now_ns();
        let mut open = Open { begun_ns, since: Instant::now(), who, sends: Vec::new(), offset };
        match self.write(lane, &mut open) {
            Err(lost) => self.give_up(lane, open, lost),
            Ok(()) => self.end(lane, open, intent),
        }
    }

    /// Whether the lane's producer has not walked away, or has been away for longer than its transaction may last.
    fn is_free(&self, lane: &Lane) -> bool {
        lane.left.as_ref().is_none_or(|open| open.since.elapsed() > 2 * lane.kind.timeout())
    }

    /// Goes back to an id that was walked away from. Where time should be up, asks for a commit all the same.
    fn come_back(&mut self, lane: &mut Lane, open: Open) {
        if lane.kind == Kind::Hasty {
            return self.commit_late(lane, open);
        }
        // The id itself, in its new life, aborts what went on.
        count(&self.shared.tally.fenced);
        self.record(lane, open, Outcome::Fail);
        lane.forget();
    }

    fn commit_late(&mut self, lane: &mut Lane, open: Open) {
        let outcome = match self.ask_to_end(lane, open.who, true) {
            Ended::As(_) => {
                count(&self.shared.tally.committed);
                Outcome::Ok
            }
            Ended::Refused(_) => {
                count(&self.shared.tally.timed_out);
                Outcome::Fail
            }
            Ended::Unknown(_) => {
                count(&self.shared.tally.unknown);
                Outcome::Unknown
            }
        };
        self.record(lane, open, outcome);
        lane.forget();
    }

    /// Who the lane's producer is, asked for where that is not known.
    fn identity(&mut self, lane: &mut Lane) -> Option<Identity> {
        if let Some(who) = lane.identity {
            return Some(who);
        }
        let asked = self.ask(lane, |connection, lane| connection.init_transactional(&lane.id, lane.kind.timeout()));
        match asked.outcome {
            Ok(who) => {
                lane.become_who(who);
                Some(who)
            }
            Err(_) => None,
        }
    }

    fn write(&mut self, lane: &mut Lane, open: &mut Open) -> Result<(), Lost> {
        for nth in 0..=self.below(REQUESTS_MAX) {
            let batches = self.fill(lane, open.who);
            self.add(lane, open.who, &batches)?;
            self.produce(lane, open, batches)?;
            if nth == 0 && lane.previous.is_some_and(|_| self.below(8) == 0) {
                self.end_again(lane);
            }
        }
        if let Some(offset) = open.offset {
            let who = open.who;
            if lane.generation.adds() {
                self.ask(lane, |connection, lane| connection.add_offsets(lane.as_who(who), &lane.group)).outcome?;
            }
            let commit = |connection: &mut Connection, lane: &Lane| {
                connection.commit_in(lane.as_who(who), &lane.group, &lane.at, offset)
            };
            self.ask(lane, commit).outcome?;
        }
        Ok(())
    }

    fn fill(&mut self, lane: &mut Lane, who: Identity) -> Vec<Batch> {
        let shared = self.shared;
        let homes = u64::try_from(shared.homes.len()).unwrap_or(1);
        let (wanted, first) = (1 + self.below(PARTITIONS_MAX), self.rng.next_u64());
        let mut batches = Vec::new();
        for nth in 0..wanted.min(homes) {
            let index = usize::try_from(first.wrapping_add(nth) % homes).unwrap_or(0);
            let Some(home): Option<&Home> = shared.homes.get(index) else { continue };
            let (producer, values) = (self.index, &mut self.values);
            let mut next_value = || {
                *values += 1;
                Value { producer, sequence: *values - 1 }
            };
            batches.push(lane.fill(&self.rng, who, home, &mut next_value));
        }
        batches
    }

    fn add(&mut self, lane: &Lane, who: Identity, batches: &[Batch]) -> Result<(), Lost> {
        if !lane.generation.adds() {
            return Ok(());
        }
        let partitions: Vec<Partition> = batches.iter().map(|batch| batch.partition.clone()).collect();
        self.ask(lane, |connection, lane| connection.add_partitions(lane.as_who(who), &partitions)).outcome
    }

    /// Sends batches until each is taken; the history has them as soon as they were sent.
    fn produce(&mut self, lane: &Lane, open: &mut Open, batches: Vec<Batch>) -> Result<(), Lost> {
        let first = open.sends.len();
        for batch in &batches {
            open.sends.extend(batch.values.iter().map(|&value| Sent { log: batch.log, value, offset: None }));
        }
        let mut left = batches;
        while !left.is_empty() {
            let sent: Vec<(Partition, Bytes)> =
                left.iter().map(|batch| (batch.partition.clone(), batch.bytes.clone())).collect();
            let who = open.who;
            let produced = self.ask(lane, |connection, lane| connection.produce_in(lane.as_who(who), &sent).map(Ok));
            let answers: BTreeMap<Partition, Produced> = produced.outcome?.into_iter().collect();
            let mut again = Vec::new();
            for batch in left {
                let answer = answers
                    .get(&batch.partition)
                    .map_or((ErrorCode::UnknownServerError.code(), -1), |answer| (answer.error, answer.base_offset));
                match self.verdict(lane, "produce", answer.0) {
                    Verdict::Done => note_offsets(open.sends.get_mut(first..), &batch, answer.1),
                    Verdict::Again => again.push(batch),
                    Verdict::Lost(lost) => return Err(lost),
                }
            }
            left = again;
            if !left.is_empty() {
                self.rest()?;
            }
        }
        Ok(())
    }

    /// Sends the request that ended the last transaction once more, and its opposite, both of an epoch that is gone.
    fn end_again(&mut self, lane: &Lane) {
        let Some(previous) = lane.previous else { return };
        let Some(connection) = &mut self.connection else { return };
        for committed in [true, false] {
            match connection.end_transaction(lane.as_who(previous), committed) {
                Ok(Err(_)) => count(&self.shared.tally.delayed_ends),
                Ok(Ok(_)) => {
                    self.shared.course.problem(format!("`{}`: a delayed end of a transaction was carried out", lane.id))
                }
                Err(_) => {
                    self.connection = None;
                    return;
                }
            }
        }
    }

    fn end(&mut self, lane: &mut Lane, open: Open, intent: Intent) {
        match intent {
            Intent::Commit | Intent::Abort => self.end_as(lane, open, intent == Intent::Commit),
            Intent::HangUp => {
                let (who, committed) = (open.who, self.below(4) > 0);
                if let Some(mut connection) = self.connection.take() {
                    // Nobody waits for the answer.
                    drop(connection.send_end(lane.as_who(who), committed));
                }
                count(if committed { &self.shared.tally.unknown } else { &self.shared.tally.aborted });
                self.record(lane, open, if committed { Outcome::Unknown } else { Outcome::Fail });
                lane.forget();
            }
            Intent::WalkAway => {
                lane.left = Some(open);
                lane.identity = None;
            }
            Intent::GoOnFenced => self.go_on_fenced(lane, open),
        }
    }

    fn end_as(&mut self, lane: &mut Lane, open: Open, committed: bool) {
        let tally = &self.shared.tally;
        match self.ask_to_end(lane, open.who, committed) {
            Ended::As(next) => {
                count(if committed { &tally.committed } else { &tally.aborted });
                let offset = open.offset.filter(|_| committed);
                lane.previous = Some(open.who).filter(|before| *before != next);
                lane.become_who(next);
                self.record(lane, open, if committed { Outcome::Ok } else { Outcome::Fail });
                if offset.is_some() {
                    self.look_at_offset(lane);
                }
            }
            Ended::Refused(lost) => self.give_up(lane, open, lost),
            Ended::Unknown(_) => {
                count(if committed { &tally.unknown } else { &tally.aborted });
                self.record(lane, open, if committed { Outcome::Unknown } else { Outcome::Fail });
                lane.forget();
            }
        }
    }

    /// A second producer takes the id; the first must not get anywhere any more.
    fn go_on_fenced(&mut self, lane: &mut Lane, open: Open) {
        let asked = self.ask(lane, |connection, lane| connection.init_transactional(&lane.id, lane.kind.timeout()));
        let Ok(newer) = asked.outcome else { return self.give_up(lane, open, Lost::GivenUp) };
        let batches = self.fill(lane, open.who);
        let late: Vec<(Partition, Bytes)> = batches.into_iter().map(|batch| (batch.partition, batch.bytes)).collect();
        let mut outcome = Outcome::Fail;
        if let Some(connection) = &mut self.connection {
            let zombie = lane.as_who(open.who);
            let produced = connection.produce_in(zombie, &late).unwrap_or_default();
            if produced.iter().any(|(_, produced)| produced.error == 0) {
                self.shared.course.problem(format!("`{}`: a producer that was fenced could write", lane.id));
            }
            if let Ok(Ok(_)) = connection.end_transaction(zombie, true) {
                self.shared.course.problem(format!("`{}`: a producer that was fenced could commit", lane.id));
                outcome = Outcome::Ok;
            }
        }
        // Whatever became of it, the next request has another.
        self.connection = None;
        count(&self.shared.tally.fenced);
        self.record(lane, open, outcome);
        lane.forget();
        lane.become_who(newer);
    }

    fn look_at_offset(&mut self, lane: &Lane) {
        let Some(connection) = &mut self.connection else { return };
        let begun_ns = self.shared.course.now_ns();
        match look(self.shared, connection, lane) {
            Ok(Some(value)) => {
                let action = Action::See { mark: lane.mark, value };
                self.push(Op {
                    process: self.process(),
                    begun_ns,
                    ended_ns: self.shared.course.now_ns(),
                    outcome: Outcome::Ok,
                    action,
                });
            }
            Ok(None) => {}
            Err(_) => self.connection = None,
        }
    }

    /// The transaction came to nothing, and nobody asked for its commit.
    fn give_up(&mut self, lane: &mut Lane, open: Open, lost: Lost) {
        let tally = &self.shared.tally;
        count(match (lost, lane.kind) {
            (Lost::Fenced, Kind::Hasty) => &tally.timed_out,
            (Lost::Fenced, _) => &tally.fenced,
            (Lost::Refused | Lost::GivenUp, _) => &tally.abandoned,
        });
        self.record(lane, open, Outcome::Fail);
        lane.forget();
    }

    /// Ends what was left open, but for that which ends by itself.
    fn close(&mut self, lane: &mut Lane) {
        if let Some(open) = lane.left.take() {
            count(&self.shared.tally.abandoned);
            self.record(lane, open, Outcome::Fail);
        }
        if lane.kind != Kind::Hasty {
            lane.forget();
            if self.identity(lane).is_none() {
                self.shared.course.problem(format!("`{}`: no producer could be had in the end", lane.id));
            }
        }
    }

    fn ask_to_end(&mut self, lane: &Lane, who: Identity, committed: bool) -> Ended {
        let asked = self.ask(lane, |connection, lane| connection.end_transaction(lane.as_who(who), committed));
        match asked.outcome {
            Ok(next) => Ended::As(next),
            Err(lost) if asked.broke => Ended::Unknown(lost),
            Err(lost) => Ended::Refused(lost),
        }
    }

    /// Asks until there is an answer that stands.
    fn ask<T>(&mut self, lane: &Lane, request: impl Fn(&mut Connection, &Lane) -> Answer<T>) -> Asked<T> {
        let mut broke = false;
        loop {
            if let Err(lost) = self.connect() {
                return Asked { outcome: Err(lost), broke };
            }
            let Some(connection) = &mut self.connection else { continue };
            match request(connection, lane) {
                Ok(Ok(answer)) => return Asked { outcome: Ok(answer), broke },
                Ok(Err(code)) => match self.verdict(lane, "a request", code) {
                    Verdict::Lost(lost) => return Asked { outcome: Err(lost), broke },
                    Verdict::Done | Verdict::Again => {
                        // Only this one says that nothing was done.
                        broke |= code != ErrorCode::ConcurrentTransactions.code();
                        if let Err(lost) = self.rest() {
                            return Asked { outcome: Err(lost), broke };
                        }
                    }
                },
                Err(_) => {
                    self.connection = None;
                    broke = true;
                }
            }
        }
    }

    fn connect(&mut self) -> Result<(), Lost> {
        while self.connection.is_none() {
            if self.shared.course.is_given_up() {
                return Err(Lost::GivenUp);
            }
            self.connection = self.shared.course.connect();
        }
        Ok(())
    }

    fn rest(&self) -> Result<(), Lost> {
        sleep(RETRY_INTERVAL);
        if self.shared.course.is_given_up() { Err(Lost::GivenUp) } else { Ok(()) }
    }

    fn verdict(&self, lane: &Lane, what: &str, code: i16) -> Verdict {
        match ErrorCode::from_code(code) {
            Some(ErrorCode::None | ErrorCode::DuplicateSequenceNumber) => Verdict::Done,
            Some(ErrorCode::ConcurrentTransactions) => Verdict::Again,
            Some(ErrorCode::ProducerFenced | ErrorCode::InvalidProducerEpoch) if lane.kind != Kind::Steady => {
                Verdict::Lost(Lost::Fenced)
            }
            Some(code) if code.is_retriable() => Verdict::Again,
            _ => {
                self.shared.course.problem(format!("`{}`: {what} was refused with {}", lane.id, error_name(code)));
                Verdict::Lost(Lost::Refused)
            }
        }
    }

    fn process(&self) -> Process {
        Process(self.index)
    }

    fn record(&mut self, lane: &Lane, open: Open, outcome: Outcome) {
        let op = lane.op(self.process(), open, self.shared.course.now_ns(), outcome);
        self.push(op);
    }

    fn push(&mut self, op: Op) {
        self.ops.push(op);
    }
}

/// What came of asking.
struct Asked<T> {
    outcome: Result<T, Lost>,
    /// Whether it is not known what a request before the last one did.
    broke: bool,
}

enum Verdict {
    Done,
    Again,
    Lost(Lost),
}

fn note_offsets(sends: Option<&mut [Sent]>, batch: &Batch, base_offset: i64) {
    let of_batch = sends.into_iter().flatten().filter(|sent| sent.log == batch.log);
    for (sent, delta) in of_batch.filter(|sent| batch.values.contains(&sent.value)).zip(0..) {
        sent.offset = (base_offset >= 0).then_some(base_offset + delta);
    }
}
