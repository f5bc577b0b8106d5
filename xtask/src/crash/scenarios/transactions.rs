//! Transactions while the broker dies again and again, by SIGKILL or at a call to its disk, some of them of a recovery.
//! Both leave the page cache: this proves that transactions are whole after a crash, not that they are durable.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use levada_model::{Rng, SeededRng};

use super::Stage;
use crate::broker::{Broker, Recipe};
use crate::crash::report::Row;
use crate::crash::transactions::{Load, Plan, TopicPlan};

/// The variable that the binary obeys with the feature `fault-injection`.
const KILL_AT: &str = "LEVADA_FAULT_KILL_AT";
/// The broker looks for transactions whose time is up this often.
const SETTING: (&str, &str) = ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "300");
const WRITERS: u32 = 12;
const MOMENT_MS_MAX: u64 = 120;
/// A first guess at how many calls to the disk a start makes.
const START_CALLS: u64 = 256;
/// How many more a life may have.
const CALLS_MAX: u64 = 400;
const PROGRESS_LIMIT: Duration = Duration::from_secs(60);

pub(super) fn run(stage: &Stage) -> Result<Row> {
    let transactions = stage.rounds(1_500, 20_000);
    let deaths = stage.rounds(16, 200);
    let mut victim = Victim::start(stage)?;
    let mut load = Load::start(plan(stage, transactions), victim.broker.bootstrap().parse()?)?;
    let begun = Instant::now();
    // The last tenth is left in peace, so that what the deaths left has some transactions behind it.
    let step = transactions * 9 / 10 / deaths;
    for death in 1..=deaths {
        victim.wait_for(&load, death * step)?;
        victim.die_and_return()?;
    }
    if victim.is_doomed {
        victim.kill_and_return()?;
    }
    victim.wait_for(&load, transactions)?;
    let took = begun.elapsed();
    let finished = load.finish();
    let mut row = Row { rounds: victim.deaths, ..Row::default() };
    row.judge(&finished);
    victim.broker.stop()?;
    row.notes.push(format!("{transactions} transactions in {:.0} s: {}", took.as_secs_f64(), load.tally()));
    row.notes.push(format!(
        "{} deaths by SIGKILL, {} at a disk call, {} of them before the start was done; the slowest start took {} ms",
        victim.deaths - victim.at_calls,
        victim.at_calls,
        victim.at_starts,
        victim.slowest.as_millis()
    ));
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

/// The broker that dies.
struct Victim {
    broker: Broker,
    rng: SeededRng,
    /// Whether this life ends at a disk call.
    is_doomed: bool,
    /// About how many calls to the disk a start makes.
    start_calls: u64,
    deaths: u64,
    at_calls: u64,
    at_starts: u64,
    slowest: Duration,
}

impl Victim {
    fn start(stage: &Stage) -> Result<Self> {
        let broker = match &stage.recipe {
            Recipe::Levada(_) => {
                let (mut broker, _) = stage.broker_with(&stage.folder, &[format!("{}={}", SETTING.0, SETTING.1)])?;
                broker.start_again()?;
                Broker::Levada(broker)
            }
            Recipe::Kafka(_) => stage.recipe.start_with(&stage.folder, &[SETTING])?,
        };
        let rng = SeededRng::new(stage.seed);
        let (start_calls, deaths, at_calls, at_starts) = (START_CALLS, 0, 0, 0);
        Ok(Self { broker, rng, is_doomed: false, start_calls, deaths, at_calls, at_starts, slowest: Duration::ZERO })
    }

    /// Waits until so many transactions have ended, or this life has.
    fn wait_for(&mut self, load: &Load, count: u64) -> Result<()> {
        let mut last = (load.ended(), Instant::now());
        while load.ended() < count && self.broker.exited()?.is_none() {
            if load.ended() != last.0 {
                last = (load.ended(), Instant::now());
            }
            ensure!(last.1.elapsed() < PROGRESS_LIMIT, "no transaction ended for {PROGRESS_LIMIT:?}");
            sleep(Duration::from_millis(5));
        }
        ensure!(self.is_doomed || self.broker.exited()?.is_none(), "the broker ended by itself");
        Ok(())
    }

    /// Ends this life and begins another; every second one that can be is doomed.
    fn die_and_return(&mut self) -> Result<()> {
        sleep(Duration::from_millis(self.rng.next_u64() % MOMENT_MS_MAX));
        let has_ended = self.broker.exited()?.is_some();
        self.at_calls += u64::from(has_ended);
        self.deaths += 1;
        self.broker.kill()?;
        let call = match self.rng.next_u64() % 4 {
            0 => 1 + self.rng.next_u64() % self.start_calls,
            _ => self.start_calls + 1 + self.rng.next_u64() % CALLS_MAX,
        };
        let is_wanted = self.rng.next_u64().is_multiple_of(2);
        self.is_doomed = is_wanted && matches!(self.broker, Broker::Levada(_));
        self.set_fate(self.is_doomed.then_some(call));
        match self.broker.start_again() {
            Ok(took) => {
                self.slowest = self.slowest.max(took);
                if self.is_doomed {
                    self.start_calls = self.start_calls.min(call);
                }
            }
            Err(_) if self.is_doomed => {
                self.start_calls = self.start_calls.max(call);
                self.deaths += 1;
                self.at_calls += 1;
                self.at_starts += 1;
                self.is_doomed = false;
                self.start_undoomed()?;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn kill_and_return(&mut self) -> Result<()> {
        self.at_calls += u64::from(self.broker.exited()?.is_some());
        self.deaths += 1;
        self.broker.kill()?;
        self.is_doomed = false;
        self.start_undoomed()
    }

    fn start_undoomed(&mut self) -> Result<()> {
        self.set_fate(None);
        self.slowest = self.slowest.max(self.broker.start_again()?);
        Ok(())
    }

    fn set_fate(&mut self, call: Option<u64>) {
        if let Broker::Levada(broker) = &mut self.broker {
            broker.set_variables(call.map(|call| (KILL_AT.to_owned(), call.to_string())).into_iter().collect());
        }
    }
}
