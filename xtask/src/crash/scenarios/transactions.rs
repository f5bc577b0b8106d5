//! Transactions while the broker dies again and again, by SIGKILL or at a call to its disk, some of them of a recovery.
//! Both leave the page cache: this proves that transactions are whole after a crash, not that they are durable.

use std::time::Instant;

use anyhow::Result;

use super::Stage;
use super::victim::Victim;
use crate::broker::Recipe;
use crate::crash::report::Row;
use crate::crash::transactions::{Load, Plan, TopicPlan};

/// The broker looks for transactions whose time is up this often.
const SETTING: (&str, &str) = ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "300");
const WRITERS: u32 = 12;

pub(super) fn run(stage: &Stage) -> Result<Row> {
    let transactions = stage.rounds(1_500, 20_000);
    let deaths = stage.rounds(16, 200);
    let mut victim = Victim::start(stage, &[SETTING])?;
    let mut load = Load::start(plan(stage, transactions), victim.broker.bootstrap().parse()?)?;
    let begun = Instant::now();
    // The last tenth is left in peace, so that what the deaths left has some transactions behind it.
    let step = transactions * 9 / 10 / deaths;
    for death in 1..=deaths {
        victim.wait_for(|| load.ended(), death * step)?;
        victim.die_and_return()?;
    }
    victim.live_on()?;
    victim.wait_for(|| load.ended(), transactions)?;
    let took = begun.elapsed();
    let finished = load.finish();
    let mut row = Row { rounds: victim.deaths(), ..Row::default() };
    row.judge(&finished);
    victim.broker.stop()?;
    row.notes.push(format!("{transactions} transactions in {:.0} s: {}", took.as_secs_f64(), load.tally()));
    row.notes.push(victim.tell());
    Ok(row)
}

/// Topics of every durability: a kill takes nothing of any.
fn plan(stage: &Stage, transactions: u64) -> Plan {
    let topic = |name: &str, partitions: i32, configs: &[(&str, &str)]| {
        let configs = [("segment.bytes", "1048576"), ("retention.ms", "-1")].iter().chain(configs);
        let configs = configs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        TopicPlan { name: name.to_owned(), partitions, configs }
    };
    let mut topics = vec![topic("orders", 4, &[]), topic("refunds", 2, &[])];
    if matches!(stage.recipe, Recipe::Levada(_)) {
        topics.push(topic("fast", 2, &[("durability", "os")]));
        topics.push(topic("steady", 1, &[("durability", "interval"), ("flush.messages", "10")]));
    }
    Plan { seed: stage.seed, writers: WRITERS, transactions, topics }
}
