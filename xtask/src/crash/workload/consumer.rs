//! A consumer of the lasting topics: it reads each partition from its first offset on, remembers where it
//! is across restarts of the broker, commits what it read and looks at what is committed.

use std::collections::BTreeMap;
use std::thread::sleep;

use anyhow::Result;
use bytes::Bytes;

use super::{Home, Shared};
use crate::crash::course::RETRY_INTERVAL;
use crate::history::payload::decode;
use crate::history::{Action, Log, Mark, Op, Outcome, Process, Read};
use crate::kafka_client::Connection;
use crate::kafka_client::{Fetched, Partition, error_name};

const PROCESS: Process = Process(1_000);
const GROUP: &str = "crash";
const GROUP_NUMBER: u32 = 0;
/// After how many polls an offset is committed.
const POLLS_PER_COMMIT: u32 = 5;

/// Consumes until the run finishes.
pub(super) fn run(shared: &Shared) -> Vec<Op> {
    if !shared.wait_until_ready() {
        return Vec::new();
    }
    let mut consumer = Consumer {
        shared,
        homes: shared.lasting(),
        positions: BTreeMap::new(),
        marks: BTreeMap::new(),
        polls: 0,
        ops: Vec::new(),
    };
    while !shared.course.is_finishing() {
        let Some(mut connection) = shared.course.connect() else { continue };
        consumer.marks.clear();
        if consumer.consume(&mut connection).is_err() {
            sleep(RETRY_INTERVAL);
        }
    }
    consumer.ops
}

struct Consumer<'a> {
    shared: &'a Shared,
    homes: Vec<Home>,
    positions: BTreeMap<Partition, i64>,
    /// What was seen last, so that only news are recorded.
    marks: BTreeMap<Mark, i64>,
    polls: u32,
    ops: Vec<Op>,
}

impl Consumer<'_> {
    fn consume(&mut self, connection: &mut Connection) -> Result<()> {
        connection.find_coordinator(GROUP)?;
        for home in self.homes.clone() {
            self.look_at_commit(connection, &home)?;
        }
        while !self.shared.course.is_finishing() {
            self.poll(connection)?;
            self.polls += 1;
            if self.polls.is_multiple_of(POLLS_PER_COMMIT) {
                let turn = usize::try_from(self.polls / POLLS_PER_COMMIT).unwrap_or(0) % self.homes.len().max(1);
                let Some(home) = self.homes.get(turn).cloned() else { continue };
                self.commit(connection, &home)?;
                self.look_at_commit(connection, &home)?;
            }
        }
        Ok(())
    }

    fn position(&self, partition: &Partition) -> i64 {
        self.positions.get(partition).copied().unwrap_or(0)
    }

    fn poll(&mut self, connection: &mut Connection) -> Result<()> {
        let asked = |home: &Home| (home.partition.clone(), self.position(&home.partition));
        let asked: Vec<(Partition, i64)> = self.homes.iter().map(asked).collect();
        let begun_ns = self.shared.course.now_ns();
        let fetched = connection.fetch(&asked)?;
        let mut reads = Vec::new();
        for part in fetched {
            let Some(home) = self.homes.iter().find(|home| home.partition == part.partition).cloned() else { continue };
            self.see(Mark::High(home.log), part.high_watermark, begun_ns, part.error);
            self.see(Mark::Stable(home.log), part.last_stable_offset, begun_ns, part.error);
            if let Some(read) = take(self.shared, &home, &part) {
                if let Some(last) = read.last() {
                    self.positions.insert(part.partition, last.offset + 1);
                }
                reads.extend(read);
            }
        }
        if !reads.is_empty() {
            self.record(begun_ns, Outcome::Ok, Action::Poll { reads, moved: Vec::new() });
        }
        Ok(())
    }

    fn see(&mut self, mark: Mark, value: i64, begun_ns: u64, error: i16) {
        if error == 0 && self.marks.insert(mark, value) != Some(value) {
            self.record(begun_ns, Outcome::Ok, Action::See { mark, value });
        }
    }

    fn commit(&mut self, connection: &mut Connection, home: &Home) -> Result<()> {
        let value = self.position(&home.partition);
        let mark = Mark::Committed(GROUP_NUMBER, home.log);
        let begun_ns = self.shared.course.now_ns();
        let answer = connection.commit(GROUP, &home.partition, value);
        let outcome = match answer {
            Ok(0) => Outcome::Ok,
            Ok(_) | Err(_) => Outcome::Unknown,
        };
        self.record(begun_ns, outcome, Action::Move { mark, value });
        answer.map(drop)
    }

    fn look_at_commit(&mut self, connection: &mut Connection, home: &Home) -> Result<()> {
        let begun_ns = self.shared.course.now_ns();
        if let Ok(value) = connection.committed(GROUP, &home.partition)? {
            self.record(begun_ns, Outcome::Ok, Action::See { mark: Mark::Committed(GROUP_NUMBER, home.log), value });
        }
        Ok(())
    }

    fn record(&mut self, begun_ns: u64, outcome: Outcome, action: Action) {
        self.ops.push(Op { process: PROCESS, begun_ns, ended_ns: self.shared.course.now_ns(), outcome, action });
    }
}

/// The records of one partition's answer, or `None` where there is an error, which is noted unless it
/// passes by itself.
pub(super) fn take(shared: &Shared, home: &Home, part: &Fetched) -> Option<Vec<Read>> {
    let error = levada_protocol::ErrorCode::from_code(part.error);
    if part.error != 0 {
        if !error.is_some_and(levada_protocol::ErrorCode::is_retriable) {
            shared.course.problem(format!("fetch of {:?} was refused: {}", home.partition, error_name(part.error)));
        }
        return None;
    }
    match &part.records {
        Ok(found) => Some(found.records.iter().map(|(offset, value)| read(home, home.log, *offset, value)).collect()),
        Err(error) => {
            shared.course.problem(format!("fetch of {:?}: {error:#}", home.partition));
            None
        }
    }
}

fn read(home: &Home, log: Log, offset: i64, value: &Bytes) -> Read {
    Read { log, offset, seen: decode(home.place, value) }
}
