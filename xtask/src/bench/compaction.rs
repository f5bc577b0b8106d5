//! Compaction while producers write on. Topics that are full of old values lie ready; one after the other is
//! compacted while a steady producer writes to all of them, and before each the producer writes alone: what it waits
//! for its answers is compared between times that lie side by side.

use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::cases::{Bench, Measured, connect, usage};
use super::coordinators::Arguments;
use super::driver::number;
use super::results::Metric;
use crate::broker::Broker;
use crate::kafka_client::error_name;

const RECORD_SIZE: u64 = 100;
/// Small enough for a topic to have many segments; the last one is never compacted.
const SEGMENT_SIZE: &str = "4194304";
const RATE: u32 = 2_000;
const WARM_UP: Duration = Duration::from_secs(3);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// A log that has not become smaller for this long is compacted.
const QUIET: Duration = Duration::from_secs(2);
const COMPACTION_LIMIT: Duration = Duration::from_secs(90);
/// What has not shrunk to this share is not compacted yet.
const SHARE_MAX: f64 = 0.5;

/// A time in which something was or was not compacted.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Window {
    /// Milliseconds since 1970.
    begun_ms: f64,
    ended_ms: f64,
    /// What the broker used meanwhile.
    cpu_seconds: f64,
}

/// One topic's part.
#[derive(Clone, Copy, Debug)]
struct Turn {
    without: Window,
    with: Window,
    size_before: u64,
    size_after: u64,
}

impl Bench<'_> {
    /// Fills topics, then compacts them in turn under a steady load.
    pub(super) fn compaction(&self, broker: &Broker) -> Result<Measured> {
        let scale = self.scale.compaction;
        let topics: Vec<String> = (0..scale.topics).map(|nth| format!("compacted-{nth}")).collect();
        let keys = (scale.keys / scale.topics).max(1);
        for topic in &topics {
            self.fill(broker, topic, scale.records / scale.topics * RECORD_SIZE, keys)?;
        }
        let mut arguments = Arguments::on("steady", broker);
        arguments.add("topics", &topics.join(","));
        arguments.add("keys", &keys);
        arguments.add("rate", &RATE);
        arguments.add("record-size", &RECORD_SIZE);
        let producer = self.driver.start(self.folder, &arguments.0)?;
        sleep(WARM_UP);
        let mut turns = Vec::new();
        for topic in &topics {
            turns.push(turn(broker, topic, Duration::from_secs_f64(scale.alone_seconds))?);
        }
        let samples = Samples::read(&producer.finish()?)?;
        judge(&turns, &samples)
    }

    /// A topic that is not compacted yet, and is full of old values.
    fn fill(&self, broker: &Broker, topic: &str, bytes: u64, keys: u64) -> Result<()> {
        self.create_with(broker, topic, 1, &[("segment.bytes", SEGMENT_SIZE), ("cleanup.policy", "delete")])?;
        let mut arguments = Arguments::on("produce", broker);
        arguments.add("topic", &topic);
        arguments.add("partitions", &1);
        arguments.add("record-size", &RECORD_SIZE);
        arguments.add("batch-size", &(1 << 20));
        arguments.add("keys", &keys);
        arguments.add("bytes", &bytes);
        arguments.add("seconds", &1e6);
        self.driver.run(self.folder, &arguments.0)?;
        Ok(())
    }
}

/// Lets the producer write alone, then compacts the topic.
fn turn(broker: &Broker, topic: &str, alone: Duration) -> Result<Turn> {
    let (begun_ms, cpu) = (unix_ms()?, usage(broker)?.cpu_seconds);
    sleep(alone);
    let without = Window { begun_ms, ended_ms: unix_ms()?, cpu_seconds: usage(broker)?.cpu_seconds - cpu };
    let mut connection = connect(broker)?;
    let size_before = connection.log_size(topic, 0)?;
    let (begun_ms, cpu) = (unix_ms()?, usage(broker)?.cpu_seconds);
    let code = connection.set_topic_config(topic, "cleanup.policy", "compact")?;
    ensure!(code == 0, "`{topic}` is not to be compacted: {}", error_name(code));
    let mut with = Window { begun_ms, ended_ms: begun_ms, cpu_seconds: 0.0 };
    let mut size_after = size_before;
    let begun = Instant::now();
    let mut shrunk = begun;
    while shrunk.elapsed() < QUIET || size_after as f64 > size_before as f64 * SHARE_MAX {
        if begun.elapsed() > COMPACTION_LIMIT {
            bail!("`{topic}` went from {size_before} to {size_after} bytes in {COMPACTION_LIMIT:?}, and no further");
        }
        sleep(POLL_INTERVAL);
        let size = connection.log_size(topic, 0)?;
        if size < size_after {
            (size_after, shrunk) = (size, Instant::now());
            (with.ended_ms, with.cpu_seconds) = (unix_ms()?, usage(broker)?.cpu_seconds - cpu);
        }
    }
    Ok(Turn { without, with, size_before, size_after })
}

/// When records were due and how long their acknowledgements took, in milliseconds.
#[derive(Debug, Default)]
struct Samples(Vec<(f64, f64)>);

impl Samples {
    fn read(answer: &Value) -> Result<Self> {
        let begun_ms = number(answer, "begun_unix_ms")?;
        let pairs =
            answer.get("due_and_took_ms").and_then(Value::as_array).context("the load generator timed nothing")?;
        let sample = |pair: &Value| Some((begun_ms + pair.get(0)?.as_f64()?, pair.get(1)?.as_f64()?));
        let samples: Option<Vec<_>> = pairs.iter().map(sample).collect();
        Ok(Self(samples.context("a time is no number")?))
    }

    /// What 99 of 100 did not exceed of the records that were due in any of the windows.
    fn p99(&self, windows: &[Window]) -> Result<f64> {
        let is_in = |due: f64| windows.iter().any(|window| (window.begun_ms..window.ended_ms).contains(&due));
        let mut took: Vec<f64> = self.0.iter().filter(|(due, _)| is_in(*due)).map(|&(_, took)| took).collect();
        took.sort_by(f64::total_cmp);
        took.get(took.len().saturating_sub(1) * 99 / 100).copied().context("nothing was sent meanwhile")
    }
}

/// All turns together. What the producer costs the broker is taken off what compaction does.
fn judge(turns: &[Turn], samples: &Samples) -> Result<Measured> {
    let without: Vec<Window> = turns.iter().map(|turn| turn.without).collect();
    let with: Vec<Window> = turns.iter().map(|turn| turn.with).collect();
    let (without_seconds, without_cpu) = total(&without);
    let (with_seconds, with_cpu) = total(&with);
    ensure!(without_seconds > 0.0, "the producer never wrote alone");
    let cpu_seconds = with_cpu - without_cpu / without_seconds * with_seconds;
    ensure!(cpu_seconds > 0.0, "compaction used no processor time that could be told apart");
    let size_before = turns.iter().map(|turn| turn.size_before).sum::<u64>() as f64;
    let size_after = turns.iter().map(|turn| turn.size_after).sum::<u64>() as f64;
    let (without99, with99) = (samples.p99(&without)?, samples.p99(&with)?);
    Ok(vec![
        (Metric::SizeBefore, size_before),
        (Metric::SizeAfter, size_after),
        (Metric::CompactedPerCpu, size_before / cpu_seconds),
        (Metric::Without99, without99),
        (Metric::With99, with99),
        (Metric::With99Ratio, with99 / without99),
    ])
}

/// Seconds of the clock and of the broker's processors.
fn total(windows: &[Window]) -> (f64, f64) {
    let seconds = windows.iter().map(|window| (window.ended_ms - window.begun_ms) / 1e3).sum();
    (seconds, windows.iter().map(|window| window.cpu_seconds).sum())
}

fn unix_ms() -> Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(begun_ms: f64, ended_ms: f64, cpu_seconds: f64) -> Window {
        Window { begun_ms, ended_ms, cpu_seconds }
    }

    fn value(measured: &Measured, wanted: Metric) -> f64 {
        measured.iter().find(|(metric, _)| *metric == wanted).unwrap().1
    }

    #[test]
    fn the_producers_own_cost_is_not_the_compactions() {
        let turn = Turn {
            without: window(0.0, 4_000.0, 1.0),
            with: window(4_000.0, 6_000.0, 1.5),
            size_before: 300,
            size_after: 20,
        };
        // A record each millisecond; every 50th takes longer, and more so while something is compacted.
        let took = |nth: u32| match (nth % 50, nth < 4_000) {
            (0, true) => 10.0,
            (0, false) => 12.0,
            _ => 1.0,
        };
        let samples = Samples((0..10_000).map(|nth| (f64::from(nth), took(nth))).collect());
        let measured = judge(&[turn, turn], &samples).unwrap();
        // Alone it costs a quarter of a second each second: 1.5 less 0.5 are left for 300 bytes, twice.
        assert_eq!(value(&measured, Metric::CompactedPerCpu), 300.0);
        assert_eq!(value(&measured, Metric::SizeBefore), 600.0);
        assert_eq!(value(&measured, Metric::SizeAfter), 40.0);
        assert_eq!(value(&measured, Metric::With99Ratio), 1.2);
    }

    #[test]
    fn a_time_in_which_nothing_was_sent_has_no_percentile() {
        let samples = Samples(vec![(5.0, 1.0)]);
        assert_eq!(samples.p99(&[window(0.0, 6.0, 0.0)]).unwrap(), 1.0);
        assert!(samples.p99(&[window(6.0, 9.0, 0.0)]).is_err());
    }

    #[test]
    fn times_of_the_load_generator_become_times_of_the_clock() {
        let answer = serde_json::json!({ "begun_unix_ms": 1_000.0, "due_and_took_ms": [[1.5, 0.25]] });
        assert_eq!(Samples::read(&answer).unwrap().0, [(1_001.5, 0.25)]);
        assert!(Samples::read(&serde_json::json!({ "begun_unix_ms": 1.0, "due_and_took_ms": [["x"]] })).is_err());
    }
}
