//! System calls that fail or dawdle, by strace attached to the running broker.

use std::fs;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Stage;
use crate::crash::report::{Row, Skipped};
use crate::crash::strace::{Strace, require};
use crate::crash::workload::Workload;
use crate::kafka_client::Connection;
use crate::kafka_client::Partition;
use crate::levada_rig::Levada;

const PROGRESS: u64 = 50;
const SYNCS: &str = "fdatasync,fsync,sync_file_range";
/// What takes space. Cutting a file gives some back, and does not fail for want of it.
const WRITES: &str = "pwrite64,pwritev,pwritev2,fallocate";
const REFUSAL_LIMIT: Duration = Duration::from_secs(10);
/// How long a poisoned broker is watched: long enough for a thousand syncs.
const POISON_WATCH: Duration = Duration::from_millis(500);

/// EIO: the broker refuses writes and says so, serves reads, never trusts a later sync; a restart heals
/// it and loses nothing.
pub(super) fn fail(stage: &Stage) -> Result<Row, Skipped> {
    require()?;
    let (mut broker, address, workload) = begin(stage)?;
    let mut row = Row { rounds: stage.rounds(2, 10), ..Row::default() };
    for _ in 0..row.rounds {
        workload.wait_for(PROGRESS)?;
        let log_size = fs::metadata(broker.log_file()).map_err(anyhow::Error::from)?.len();
        let strace = attach(&broker, SYNCS, "error=EIO")?;
        let is_refused = wait_for_refusal(&workload);
        strace.detach()?;
        if !is_refused {
            row.problems.push("syncs fail with EIO, and nothing was refused".to_owned());
        }
        let before = workload.acknowledged();
        sleep(POISON_WATCH);
        if workload.acknowledged() != before {
            row.problems.push("after a failed sync writes went on without a restart".to_owned());
        }
        if let Err(error) = read_something(address, &workload) {
            row.problems.push(format!("after a failed sync reads failed: {error:#}"));
        }
        if !says_so(&broker, log_size)? {
            row.problems.push("a failed sync left no error in the broker's log".to_owned());
        }
        broker.kill()?;
        broker.start_again()?;
    }
    end(broker, workload, &mut row)?;
    Ok(row)
}

/// 20 ms more for each sync: slower, and nothing else.
pub(super) fn slow(stage: &Stage) -> Result<Row, Skipped> {
    require()?;
    let (broker, _, workload) = begin(stage)?;
    let mut row = Row { rounds: 1, ..Row::default() };
    let refused = workload.refused();
    let strace = attach(&broker, SYNCS, "delay_enter=20000")?;
    let begun = Instant::now();
    workload.wait_for(PROGRESS * stage.rounds(4, 20))?;
    let took = begun.elapsed();
    strace.detach()?;
    if workload.refused() != refused {
        row.problems.push("slow syncs made the broker refuse writes".to_owned());
    }
    row.notes.push(format!("{} records acknowledged in {} ms", PROGRESS * stage.rounds(4, 20), took.as_millis()));
    end(broker, workload, &mut row)?;
    Ok(row)
}

/// ENOSPC: refused with a retriable error, reads go on, and writes resume by themselves.
pub(super) fn no_space(stage: &Stage) -> Result<Row, Skipped> {
    require()?;
    let (broker, address, workload) = begin(stage)?;
    let mut row = Row { rounds: stage.rounds(2, 10), ..Row::default() };
    for _ in 0..row.rounds {
        workload.wait_for(PROGRESS)?;
        let strace = attach(&broker, WRITES, "error=ENOSPC")?;
        let is_refused = wait_for_refusal(&workload);
        let read = read_something(address, &workload);
        strace.detach()?;
        if !is_refused {
            row.problems.push("writes fail with ENOSPC, and nothing was refused".to_owned());
        }
        if let Err(error) = read {
            row.problems.push(format!("reads failed while there was no space: {error:#}"));
        }
        if let Err(error) = workload.wait_for(PROGRESS) {
            row.problems.push(format!("writes did not resume when space returned: {error:#}"));
            break;
        }
    }
    end(broker, workload, &mut row)?;
    Ok(row)
}

fn begin(stage: &Stage) -> Result<(Levada, SocketAddr, Workload)> {
    let (mut broker, address) = stage.broker(&stage.folder)?;
    broker.start_again()?;
    let workload = Workload::start(stage.plan("fsync"), address)?;
    workload.wait_for(PROGRESS)?;
    Ok((broker, address, workload))
}

fn end(mut broker: Levada, workload: Workload, row: &mut Row) -> Result<()> {
    if let Some(status) = broker.exited()? {
        row.problems.push(format!("the broker ended: {status}"));
        broker.start_again()?;
    }
    if let Err(error) = workload.wait_for(PROGRESS) {
        row.problems.push(format!("after the last fault: {error:#}"));
    }
    row.judge(&workload.finish());
    broker.stop()
}

fn attach(broker: &Levada, calls: &str, inject: &str) -> Result<Strace> {
    Strace::attach(broker.pid().context("the broker does not run")?, calls, inject)
}

fn wait_for_refusal(workload: &Workload) -> bool {
    let before = workload.refused();
    let deadline = Instant::now() + REFUSAL_LIMIT;
    while workload.refused() == before && Instant::now() < deadline {
        sleep(Duration::from_millis(5));
    }
    workload.refused() != before
}

/// Reads the first records of the lasting topics over a fresh connection.
pub(super) fn read_something(address: SocketAddr, workload: &Workload) -> Result<()> {
    let asked: Vec<(Partition, i64)> = workload.lasting().into_iter().map(|partition| (partition, 0)).collect();
    let mut count = 0;
    for part in Connection::open(address)?.fetch(&asked)? {
        ensure!(part.error == 0, "{}", crate::kafka_client::error_name(part.error));
        count += part.records?.records.len();
    }
    ensure!(count > 0, "nothing was read");
    Ok(())
}

/// Whether the broker logged an error since its log had `from` bytes.
fn says_so(broker: &Levada, from: u64) -> Result<bool> {
    let log = fs::read(broker.log_file())?;
    let new = log.get(usize::try_from(from)?..).unwrap_or_default();
    Ok(String::from_utf8_lossy(new).contains("ERROR"))
}
