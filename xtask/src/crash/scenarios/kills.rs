//! SIGKILL at random moments: the page cache survives, so this proves recovery, not durability.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use levada_model::{Rng, SeededRng};

use super::Stage;
use crate::crash::report::Row;
use crate::crash::workload::Workload;

/// How many records are acknowledged between two kills, at least.
const PROGRESS: u64 = 50;
const MOMENT_MS_MAX: u64 = 250;

pub(super) fn run(stage: &Stage) -> Result<Row> {
    let rng = SeededRng::new(stage.seed);
    let mut broker = stage.recipe.start(&stage.folder)?;
    let address = broker.bootstrap().parse()?;
    let workload = Workload::start(stage.plan("fsync"), address)?;
    let mut row = Row { rounds: stage.rounds(12, 100), ..Row::default() };
    let mut slowest = Duration::ZERO;
    for _ in 0..row.rounds {
        workload.wait_for(PROGRESS)?;
        sleep(Duration::from_millis(rng.next_u64() % MOMENT_MS_MAX));
        broker.kill()?;
        slowest = slowest.max(broker.start_again()?);
    }
    workload.wait_for(PROGRESS)?;
    row.judge(&workload.finish());
    broker.stop()?;
    row.notes.push(format!("slowest start after a kill: {} ms", slowest.as_millis()));
    Ok(row)
}
