//! A reader of the committed that follows all partitions from their first offset on while the broker is hurt.

use std::collections::BTreeMap;
use std::thread::sleep;

use anyhow::Result;
use levada_protocol::ErrorCode;

use super::{Home, Shared};
use crate::crash::course::RETRY_INTERVAL;
use crate::history::payload::decode;
use crate::history::{Action, Mark, Op, Outcome, Process, Read};
use crate::kafka_client::{Connection, Fetched, Found, Isolation, Partition, error_name};

const FIRST_PROCESS: u32 = 1_000;

/// Reads until the run finishes.
pub(super) fn run(shared: &Shared, index: u32) -> Vec<Op> {
    let mut reader = Reader {
        shared,
        process: Process(FIRST_PROCESS + index),
        positions: BTreeMap::new(),
        marks: BTreeMap::new(),
        ops: Vec::new(),
    };
    while !shared.course.is_finishing() {
        let Some(mut connection) = shared.course.connect() else { continue };
        while !shared.course.is_finishing() {
            if reader.poll(&mut connection).is_err() {
                sleep(RETRY_INTERVAL);
                break;
            }
        }
    }
    reader.ops
}

struct Reader<'a> {
    shared: &'a Shared,
    process: Process,
    positions: BTreeMap<Partition, i64>,
    /// What was seen last, so that only news are recorded.
    marks: BTreeMap<Mark, i64>,
    ops: Vec<Op>,
}

impl Reader<'_> {
    fn poll(&mut self, connection: &mut Connection) -> Result<()> {
        let position = |home: &Home| self.positions.get(&home.partition).copied().unwrap_or(0);
        let asked: Vec<(Partition, i64)> =
            self.shared.homes.iter().map(|home| (home.partition.clone(), position(home))).collect();
        let begun_ns = self.shared.course.now_ns();
        let fetched = connection.fetch_as(Isolation::Committed, &asked)?;
        let mut reads = Vec::new();
        for part in fetched {
            let Some(home) = self.shared.homes.iter().find(|home| home.partition == part.partition) else { continue };
            let Some(found) = take(self.shared, &part) else { continue };
            reads.extend(found.records.iter().map(|(offset, value)| read(home, *offset, value)));
            self.positions.insert(part.partition.clone(), found.next_offset);
            for (mark, value) in
                [(Mark::High(home.log), part.high_watermark), (Mark::Stable(home.log), part.last_stable_offset)]
            {
                if self.marks.insert(mark, value) != Some(value) {
                    self.record(begun_ns, Action::See { mark, value });
                }
            }
        }
        if !reads.is_empty() {
            self.record(begun_ns, Action::Poll { reads, moved: Vec::new() });
        }
        Ok(())
    }

    fn record(&mut self, begun_ns: u64, action: Action) {
        let ended_ns = self.shared.course.now_ns();
        self.ops.push(Op { process: self.process, begun_ns, ended_ns, outcome: Outcome::Ok, action });
    }
}

/// What one partition's answer holds, or `None` where there is an error, which is noted unless it passes by itself.
pub(super) fn take<'a>(shared: &Shared, part: &'a Fetched) -> Option<&'a Found> {
    if part.error != 0 {
        if !ErrorCode::from_code(part.error).is_some_and(ErrorCode::is_retriable) {
            shared.course.problem(format!("fetch of {:?} was refused: {}", part.partition, error_name(part.error)));
        }
        return None;
    }
    part.records
        .as_ref()
        .map_err(|error| shared.course.problem(format!("fetch of {:?}: {error:#}", part.partition)))
        .ok()
}

/// One record, as the history has it.
pub(super) fn read(home: &Home, offset: i64, value: &[u8]) -> Read {
    Read { log: home.log, offset, seen: decode(home.place, value) }
}
