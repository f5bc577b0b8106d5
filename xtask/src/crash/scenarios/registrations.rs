//! Schemas are registered while the broker dies again and again, by SIGKILL or at a call to its disk.

use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::Stage;
use super::victim::Victim;
use crate::broker::Broker;
use crate::crash::registrations::Load;
use crate::crash::report::Row;

/// Small segments that are compacted often: deaths meet that, too.
const SETTINGS: [(&str, &str); 3] =
    [("log.segment.bytes", "1048576"), ("log.cleaner.backoff.ms", "300"), ("log.cleaner.min.cleanable.ratio", "0.1")];

pub(super) fn run(stage: &Stage) -> Result<Row> {
    let registrations = stage.rounds(3_000, 40_000);
    let deaths = stage.rounds(16, 200);
    let mut victim = Victim::start(stage, &SETTINGS)?;
    let Broker::Levada(levada) = &victim.broker else { bail!("Apache Kafka has no schema registry") };
    let address = levada.registry().context("the binary has no schema registry")?;
    let load = Load::start(stage.seed, &address)?;
    let begun = Instant::now();
    // The last tenth is left in peace, so that what the deaths left has something behind it.
    let step = registrations * 9 / 10 / deaths;
    for death in 1..=deaths {
        victim.wait_for(|| load.answered(), death * step)?;
        victim.die_and_return()?;
    }
    victim.live_on()?;
    victim.wait_for(|| load.answered(), registrations)?;
    let took = begun.elapsed();
    let (tally, problems) = load.finish()?;
    victim.broker.stop()?;
    let mut row = Row { rounds: victim.deaths(), acknowledged: tally.registered, problems, ..Row::default() };
    row.lost = tally.lost;
    row.notes.push(format!("{tally} in {:.0} s", took.as_secs_f64()));
    row.notes.push(victim.tell());
    Ok(row)
}
