//! The process ends at its k-th disk call, for every k of a short run that rolls segments, commits offsets
//! and creates and deletes topics; some restarts end early, too. A quick run takes a sample of the calls.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use levada_model::{Rng, SeededRng};

use super::Stage;
use crate::crash::report::Row;
use crate::crash::workload::{Plan, Workload};
use crate::levada_rig::Levada;

/// The variable that the binary obeys with the feature `fault-injection`.
const KILL_AT: &str = "LEVADA_FAULT_KILL_AT";
/// How a process ends at that call.
const ABORTED: &str = "signal: 6";
const PRODUCERS: u32 = 2;
const REQUESTS: u32 = 50;
/// Large enough that every partition rolls its segment.
const RECORD_SIZE_MAX: u64 = 24_000;
/// How many disk calls of a recovery may be the last one.
const RECOVERY_CALLS: u64 = 40;
const ROUND_LIMIT: Duration = Duration::from_secs(60);
const CALLS_MAX: u64 = 100_000;

pub(super) fn run(stage: &Stage) -> Result<Row> {
    let mut row = Row::default();
    let last = count_calls(stage, &mut row)?;
    let step = if stage.quick { last.div_ceil(60) } else { 1 };
    let first = 1 + stage.seed % step;
    let mut call = first;
    while call <= last && row.problems.is_empty() {
        play(stage, call, &mut row)?;
        call += step;
    }
    row.notes.push(format!("every {step}. of about {last} disk calls, from the {first}. on"));
    Ok(row)
}

/// About how many disk calls a run makes: the calls from which on it survives, by halving.
fn count_calls(stage: &Stage, row: &mut Row) -> Result<u64> {
    let (mut low, mut high) = (1, 64);
    while play(stage, high, row)? {
        low = high;
        high *= 2;
        ensure!(high < CALLS_MAX, "the broker makes disk calls without end");
    }
    while high - low > low / 8 + 1 {
        let middle = low + (high - low) / 2;
        if play(stage, middle, row)? { low = middle } else { high = middle }
    }
    Ok(high)
}

/// Plays the run once; answers whether the broker ended at that call.
fn play(stage: &Stage, call: u64, row: &mut Row) -> Result<bool> {
    let folder = stage.folder.join(format!("call-{call}"));
    let rng = SeededRng::new(stage.seed ^ call);
    let was_killed = play_in(stage, &folder, call, &rng, row)?;
    row.rounds += u64::from(was_killed);
    std::fs::remove_dir_all(&folder)?;
    Ok(was_killed)
}

fn play_in(stage: &Stage, folder: &Path, call: u64, rng: &SeededRng, row: &mut Row) -> Result<bool> {
    let (mut broker, address) = stage.broker(folder)?;
    let plan = Plan {
        producers: PRODUCERS,
        topics: 1,
        partitions: 2,
        requests_max: Some(REQUESTS),
        record_size_max: RECORD_SIZE_MAX,
        rest: Duration::ZERO,
        seed: stage.seed ^ call,
        ..stage.plan("fsync")
    };
    let workload = Workload::start(plan, address)?;
    let mut was_killed = !start_to_die_at(&mut broker, call)?;
    let deadline = Instant::now() + ROUND_LIMIT;
    while !was_killed && !workload.is_done() {
        ensure!(Instant::now() < deadline, "call {call}: no end in {ROUND_LIMIT:?}");
        was_killed = broker.exited()?.is_some();
        sleep(Duration::from_millis(1));
    }
    was_killed = was_killed || !stop_or_die(&mut broker)?;
    if was_killed {
        // A recovery that is cut short, too, where the number is small enough.
        let again = 1 + rng.next_u64() % (2 * RECOVERY_CALLS);
        if again > RECOVERY_CALLS || start_to_die_at(&mut broker, again)? {
            broker.kill()?;
        }
    }
    broker.set_variables(Vec::new());
    broker.start_again()?;
    let finished = workload.finish();
    let problems = row.problems.len();
    row.judge(&finished);
    if row.problems.len() > problems {
        row.problems.push(format!("at disk call {call}"));
    }
    broker.kill()?;
    Ok(was_killed)
}

/// Starts the broker; answers whether it lived to accept.
fn start_to_die_at(broker: &mut Levada, call: u64) -> Result<bool> {
    broker.set_variables(vec![(KILL_AT.to_owned(), call.to_string())]);
    match broker.start_again() {
        Ok(_) => Ok(true),
        Err(error) if format!("{error:#}").contains(ABORTED) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Stops the broker; answers whether it ended in good order.
fn stop_or_die(broker: &mut Levada) -> Result<bool> {
    match broker.stop() {
        Ok(()) => Ok(true),
        Err(error) if format!("{error:#}").contains(ABORTED) => Ok(false),
        Err(error) => Err(error),
    }
}
