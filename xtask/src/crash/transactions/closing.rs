//! The end of a run: what was left open must end by itself, then everything is read, by readers of the committed and by
//! those who read everything, and every committed offset is looked at.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use levada_protocol::ErrorCode;

use super::lane::{Kind, Lane};
use super::reader::{read as read_of, take};
use super::{Home, LIVENESS_LIMIT, Shared};
use crate::crash::course::RETRY_INTERVAL;
use crate::history::{Action, Op, Outcome, Process, Read};
use crate::kafka_client::{Connection, Isolation, error_name};

const PROCESS: Process = Process(3_000);
/// How long the last transactions may take to be timed out, above their own limit.
const SETTLE_LIMIT: Duration = Duration::from_secs(20);
const SETTLE_INTERVAL: Duration = Duration::from_millis(200);
/// How often nothing is read below the end of a log before that is believed.
const SILENCES_MAX: u32 = 3;

/// Waits until nothing is open any more, and says how each log ends.
pub(super) fn settle(shared: &Shared) -> Vec<Op> {
    let deadline = Instant::now() + SETTLE_LIMIT;
    loop {
        let begun_ns = shared.course.now_ns();
        let last = Instant::now() > deadline;
        match ends(shared) {
            Ok(ends) if last || ends.iter().all(|&(_, stable, high)| stable == high) => {
                let action = |(home, stable, high): (&Home, i64, i64)| Action::Ends { log: home.log, stable, high };
                return ends.into_iter().map(|end| op(shared, begun_ns, action(end))).collect();
            }
            Err(error) if last => {
                shared.course.problem(format!("the ends of the logs cannot be read: {error:#}"));
                return Vec::new();
            }
            Ok(_) | Err(_) => sleep(SETTLE_INTERVAL),
        }
    }
}

fn ends(shared: &Shared) -> Result<Vec<(&Home, i64, i64)>> {
    let mut connection = Connection::open(shared.course.address)?;
    let mut ends = Vec::new();
    for home in &shared.homes {
        // Above the end there is nothing to be had, and the answer still says where the end is.
        let fetched = connection.fetch_as(Isolation::Committed, &[(home.partition.clone(), 0)])?;
        let part = fetched.into_iter().next().context("an answer without a partition")?;
        ensure!(part.error == 0, "{}", error_name(part.error));
        ends.push((home, part.last_stable_offset, part.high_watermark));
    }
    Ok(ends)
}

/// Reads everything; notes what cannot be read within the time in which everyone makes progress.
pub(super) fn read(shared: &Shared) -> Vec<Op> {
    let deadline = Instant::now() + LIVENESS_LIMIT;
    loop {
        let mut ops = Vec::new();
        match attempt(shared, &mut ops) {
            Ok(()) => return ops,
            Err(error) if Instant::now() > deadline => {
                shared.course.problem(format!("not everything can be read: {error:#}"));
                return ops;
            }
            Err(_) => sleep(RETRY_INTERVAL),
        }
    }
}

fn attempt(shared: &Shared, ops: &mut Vec<Op>) -> Result<()> {
    let mut connection = Connection::open(shared.course.address)?;
    for isolation in [Isolation::Committed, Isolation::Uncommitted] {
        for home in &shared.homes {
            let begun_ns = shared.course.now_ns();
            let reads = read_log(shared, &mut connection, isolation, home)?;
            let logs = vec![home.log];
            let action = match isolation {
                Isolation::Committed => Action::FullRead { logs, reads },
                Isolation::Uncommitted => Action::RawRead { logs, reads },
            };
            ops.push(op(shared, begun_ns, action));
        }
    }
    for (writer, kind) in (0..shared.plan.writers).flat_map(|writer| Kind::ALL.map(|kind| (writer, kind))) {
        let lane = Lane::new(shared, writer, kind);
        let begun_ns = shared.course.now_ns();
        if let Some(value) = look(shared, &mut connection, &lane)? {
            ops.push(op(shared, begun_ns, Action::See { mark: lane.mark, value }));
        }
    }
    Ok(())
}

/// The offset that counts for the lane's group.
pub(super) fn look(shared: &Shared, connection: &mut Connection, lane: &Lane) -> Result<Option<i64>> {
    match connection.committed_as(Isolation::Committed, &lane.group, &lane.at)? {
        Ok(value) => Ok(Some(value)),
        Err(code) if code == ErrorCode::UnstableOffsetCommit.code() => {
            shared.course.problem(format!(
                "the offset of `{}` waits for the end of a transaction, and none goes on",
                lane.group
            ));
            Ok(None)
        }
        Err(code) => bail!("the offset of `{}`: {}", lane.group, error_name(code)),
    }
}

fn read_log(shared: &Shared, connection: &mut Connection, isolation: Isolation, home: &Home) -> Result<Vec<Read>> {
    let mut reads = Vec::new();
    let (mut position, mut silences) = (0, 0);
    loop {
        let fetched = connection.fetch_as(isolation, &[(home.partition.clone(), position)])?;
        let part = fetched.into_iter().next().context("an answer without a partition")?;
        let end = if isolation == Isolation::Committed { part.last_stable_offset } else { part.high_watermark };
        let found = take(shared, &part).with_context(|| error_name(part.error))?;
        if found.next_offset > position {
            position = found.next_offset;
            silences = 0;
        } else if position >= end || silences == SILENCES_MAX {
            // Below the end there may be nothing: offsets that were leased before a crash, and not given out since.
            return Ok(reads);
        } else {
            silences += 1;
        }
        reads.extend(found.records.iter().map(|(offset, value)| read_of(home, *offset, value)));
    }
}

fn op(shared: &Shared, begun_ns: u64, action: Action) -> Op {
    Op { process: PROCESS, begun_ns, ended_ns: shared.course.now_ns(), outcome: Outcome::Ok, action }
}
