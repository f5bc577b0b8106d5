//! A broker that dies again and again under a load, by SIGKILL or at a call to its disk, some of them of a recovery.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use levada_model::{Rng, SeededRng};

use super::Stage;
use crate::broker::{Broker, Recipe};

/// The variable that the binary obeys with the feature `fault-injection`.
const KILL_AT: &str = "LEVADA_FAULT_KILL_AT";
const MOMENT_MS_MAX: u64 = 120;
/// A first guess at how many calls to the disk a start makes.
const START_CALLS: u64 = 256;
/// How many more a life may have.
const CALLS_MAX: u64 = 400;
const PROGRESS_LIMIT: Duration = Duration::from_secs(60);

/// The broker that dies.
pub(super) struct Victim {
    pub(super) broker: Broker,
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
    /// Starts it with more settings than the stage's own.
    pub(super) fn start(stage: &Stage, settings: &[(&str, &str)]) -> Result<Self> {
        let broker = match &stage.recipe {
            Recipe::Levada(_) => {
                let settings: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
                let (mut broker, _) = stage.broker_with(&stage.folder, &settings)?;
                broker.start_again()?;
                Broker::Levada(broker)
            }
            Recipe::Kafka(_) => stage.recipe.start_with(&stage.folder, settings)?,
        };
        let rng = SeededRng::new(stage.seed);
        let (start_calls, deaths, at_calls, at_starts) = (START_CALLS, 0, 0, 0);
        Ok(Self { broker, rng, is_doomed: false, start_calls, deaths, at_calls, at_starts, slowest: Duration::ZERO })
    }

    /// Waits until the load has done so much, or this life has ended.
    pub(super) fn wait_for(&mut self, done: impl Fn() -> u64, count: u64) -> Result<()> {
        let mut last = (done(), Instant::now());
        while done() < count && self.broker.exited()?.is_none() {
            if done() != last.0 {
                last = (done(), Instant::now());
            }
            ensure!(last.1.elapsed() < PROGRESS_LIMIT, "the load made no progress for {PROGRESS_LIMIT:?}");
            sleep(Duration::from_millis(5));
        }
        ensure!(self.is_doomed || self.broker.exited()?.is_none(), "the broker ended by itself");
        Ok(())
    }

    /// Ends this life and begins another; every second one that can be is doomed.
    pub(super) fn die_and_return(&mut self) -> Result<()> {
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

    /// Ends this life, if it is doomed, for one that is not.
    pub(super) fn live_on(&mut self) -> Result<()> {
        if !self.is_doomed {
            return Ok(());
        }
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

    /// How often it died.
    pub(super) const fn deaths(&self) -> u64 {
        self.deaths
    }

    /// How it died, in words.
    pub(super) fn tell(&self) -> String {
        format!(
            "{} deaths by SIGKILL, {} at a disk call, {} of them before the start was done; the slowest start took {} ms",
            self.deaths - self.at_calls,
            self.at_calls,
            self.at_starts,
            self.slowest.as_millis()
        )
    }
}
