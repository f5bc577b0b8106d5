//! Compaction while producers write on. Topics that are full of old values lie ready; one after the other is
//! compacted while a steady producer writes to all of them, and before each the producer writes alone: what it waits
//! for its answers is compared between times that lie side by side.

use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::cases::{Bench, Measured, connect};
use super::coordinators::Arguments;
use super::driver::number;
use super::machine::thread_seconds;
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
/// A thread that uses this share of the time is at work.
const WORK_SHARE_MIN: f64 = 0.1;

/// A time in which something was or was not compacted, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Window {
    begun_ms: f64,
    ended_ms: f64,
}

/// One topic's part.
#[derive(Clone, Copy, Debug)]
struct Turn {
    without: Window,
    with: Window,
    /// What the threads that compact used.
    cpu_seconds: f64,
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
            turns.push(self.turn(broker, topic)?);
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

    /// Lets the producer write alone, then compacts the topic.
    fn turn(&self, broker: &Broker, topic: &str) -> Result<Turn> {
        let pid = broker.pid().context("the broker does not run")?;
        let mut connection = connect(broker)?;
        let cleaner = self.system.cleaner();
        let alone = Duration::from_secs_f64(self.scale.compaction.alone_seconds);
        let (begun, begun_ms) = (Instant::now(), unix_ms()?);
        // Looking takes time, too: both times have the same of it.
        while begun.elapsed() < alone {
            sleep(POLL_INTERVAL);
            connection.log_size(topic, 0)?;
            thread_seconds(pid, cleaner)?;
        }
        let without = Window { begun_ms, ended_ms: unix_ms()? };
        let size_before = connection.log_size(topic, 0)?;
        let cpu_before = thread_seconds(pid, cleaner)?;
        let code = connection.set_topic_config(topic, "cleanup.policy", "compact")?;
        ensure!(code == 0, "`{topic}` is not to be compacted: {}", error_name(code));
        let begun_ms = unix_ms()?;
        let mut with = Window { begun_ms, ended_ms: begun_ms };
        let (mut works, mut cpu_seen, mut seen_ms) = (false, cpu_before, begun_ms);
        let mut size_after = size_before;
        let begun = Instant::now();
        let mut shrunk = begun;
        while shrunk.elapsed() < QUIET || size_after as f64 > size_before as f64 * SHARE_MAX {
            if begun.elapsed() > COMPACTION_LIMIT {
                bail!(
                    "`{topic}` went from {size_before} to {size_after} bytes in {COMPACTION_LIMIT:?}, and no further"
                );
            }
            sleep(POLL_INTERVAL);
            let (size, cpu, now_ms) = (connection.log_size(topic, 0)?, thread_seconds(pid, cleaner)?, unix_ms()?);
            // A broker may let a topic wait for something else before it compacts it: that is not yet the time with.
            works |= is_work(cpu - cpu_seen, now_ms - seen_ms) || size < size_after;
            if !works {
                with.begun_ms = now_ms;
            }
            (cpu_seen, seen_ms) = (cpu, now_ms);
            if size < size_after {
                (size_after, shrunk) = (size, Instant::now());
                with.ended_ms = now_ms;
            }
        }
        let cpu_seconds = thread_seconds(pid, cleaner)? - cpu_before;
        Ok(Turn { without, with, cpu_seconds, size_before, size_after })
    }
}

/// Whether a thread did more than to look whether there is anything to do.
fn is_work(cpu_seconds: f64, elapsed_ms: f64) -> bool {
    cpu_seconds * 1e3 > elapsed_ms * WORK_SHARE_MIN
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

/// All turns together.
fn judge(turns: &[Turn], samples: &Samples) -> Result<Measured> {
    let without: Vec<Window> = turns.iter().map(|turn| turn.without).collect();
    let with: Vec<Window> = turns.iter().map(|turn| turn.with).collect();
    let cpu_seconds: f64 = turns.iter().map(|turn| turn.cpu_seconds).sum();
    ensure!(cpu_seconds > 0.0, "compaction used no processor time");
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

fn unix_ms() -> Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(measured: &Measured, wanted: Metric) -> f64 {
        measured.iter().find(|(metric, _)| *metric == wanted).unwrap().1
    }

    #[test]
    fn times_with_and_without_are_compared_over_all_turns() {
        let turn = |from: f64| Turn {
            without: Window { begun_ms: from, ended_ms: from + 400.0 },
            with: Window { begun_ms: from + 400.0, ended_ms: from + 600.0 },
            cpu_seconds: 1.5,
            size_before: 300,
            size_after: 20,
        };
        // A record each millisecond; every 50th takes longer, and more so while something is compacted.
        let took = |nth: u32| match (nth % 50, nth % 1_000 < 400) {
            (0, true) => 10.0,
            (0, false) => 12.0,
            _ => 1.0,
        };
        let samples = Samples((0..2_000).map(|nth| (f64::from(nth), took(nth))).collect());
        let measured = judge(&[turn(0.0), turn(1_000.0)], &samples).unwrap();
        assert_eq!(value(&measured, Metric::SizeBefore), 600.0);
        assert_eq!(value(&measured, Metric::SizeAfter), 40.0);
        assert_eq!(value(&measured, Metric::CompactedPerCpu), 200.0);
        assert_eq!(value(&measured, Metric::Without99), 10.0);
        assert_eq!(value(&measured, Metric::With99), 12.0);
        assert_eq!(value(&measured, Metric::With99Ratio), 1.2);
    }

    #[test]
    fn a_look_is_no_work() {
        assert!(!is_work(0.001, 50.0), "1 ms of 50");
        assert!(is_work(0.020, 50.0), "20 ms of 50");
    }

    #[test]
    fn a_time_in_which_nothing_was_sent_has_no_percentile() {
        let samples = Samples(vec![(5.0, 1.0)]);
        assert_eq!(samples.p99(&[Window { begun_ms: 0.0, ended_ms: 6.0 }]).unwrap(), 1.0);
        assert!(samples.p99(&[Window { begun_ms: 6.0, ended_ms: 9.0 }]).is_err());
    }

    #[test]
    fn times_of_the_load_generator_become_times_of_the_clock() {
        let answer = serde_json::json!({ "begun_unix_ms": 1_000.0, "due_and_took_ms": [[1.5, 0.25]] });
        assert_eq!(Samples::read(&answer).unwrap().0, [(1_001.5, 0.25)]);
        assert!(Samples::read(&serde_json::json!({ "begun_unix_ms": 1.0, "due_and_took_ms": [["x"]] })).is_err());
    }
}
