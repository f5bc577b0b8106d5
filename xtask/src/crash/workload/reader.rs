//! The full read after the faults healed: every log from its first offset to its end, and the list of
//! topics against what their maker knows.

use std::thread::sleep;
use std::time::Instant;

use anyhow::{Context, Result};

use super::consumer::take;
use super::{Home, LIVENESS_LIMIT, Presence, Shared, Topic};
use crate::crash::course::RETRY_INTERVAL;
use crate::history::{Action, Mark, Op, Outcome, Process, Read};
use crate::kafka_client::Connection;
use crate::kafka_client::error_name;

const PROCESS: Process = Process(3_000);
/// How often nothing is read below the end of a log before that is believed.
const SILENCES_MAX: u32 = 3;

/// Reads everything; notes what cannot be read within the time in which everyone makes progress.
pub(super) fn run(shared: &Shared) -> Vec<Op> {
    let deadline = Instant::now() + LIVENESS_LIMIT;
    let mut ops = Vec::new();
    loop {
        match attempt(shared, &mut ops) {
            Ok(()) => return ops,
            Err(error) if Instant::now() > deadline => {
                shared.course.problem(format!("the full read failed: {error:#}"));
                return ops;
            }
            Err(_) => sleep(RETRY_INTERVAL),
        }
    }
}

fn attempt(shared: &Shared, ops: &mut Vec<Op>) -> Result<()> {
    ops.clear();
    let mut connection = Connection::open(shared.course.address)?;
    let names = connection.topics()?;
    let topics = shared.topics();
    for topic in &topics {
        let is_last = topics.iter().rfind(|other| other.name == topic.name).is_some_and(|last| same(last, topic));
        match (topic.presence, names.contains(&topic.name)) {
            (Presence::There, false) => {
                shared.course.problem(format!("topic `{}` was created, and is gone", topic.name));
            }
            (Presence::Gone, true) if is_last => {
                shared.course.problem(format!("topic `{}` was deleted, and is back", topic.name));
            }
            (Presence::There, true) if is_last => {
                for home in &topic.homes {
                    read_log(shared, &mut connection, home, ops)?;
                }
            }
            (Presence::There | Presence::Gone | Presence::Unknown, _) => {}
        }
    }
    Ok(())
}

fn same(one: &Topic, other: &Topic) -> bool {
    one.homes.first().map(|home| home.log) == other.homes.first().map(|home| home.log)
}

fn read_log(shared: &Shared, connection: &mut Connection, home: &Home, ops: &mut Vec<Op>) -> Result<()> {
    let begun_ns = shared.course.now_ns();
    let mut reads: Vec<Read> = Vec::new();
    let mut position = 0;
    let mut silences = 0;
    let high_watermark = loop {
        let fetched = connection.fetch(&[(home.partition.clone(), position)])?;
        let part = fetched.into_iter().next().context("an answer without a partition")?;
        let read = take(shared, home, &part).with_context(|| error_name(part.error))?;
        let end = part.high_watermark;
        match read.last() {
            Some(last) => position = last.offset + 1,
            // Below the end there may be nothing: offsets that were leased before a crash, and not given out since.
            None if position >= end || silences == SILENCES_MAX => break end,
            None => silences += 1,
        }
        reads.extend(read);
    };
    let ended_ns = shared.course.now_ns();
    let mut record = |action| ops.push(Op { process: PROCESS, begun_ns, ended_ns, outcome: Outcome::Ok, action });
    record(Action::See { mark: Mark::High(home.log), value: high_watermark });
    record(Action::FullRead { logs: vec![home.log], reads });
    Ok(())
}
