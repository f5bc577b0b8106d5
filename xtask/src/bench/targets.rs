//! What Levada set out to reach, each as a number of this run and the bound it is held to.

use super::cases::{Case, Commits, Compression, Load};
use super::machine::{DISK, FLOOR};
use super::results::{Metric, Results};
use super::systems::System;

/// One target.
pub(super) struct Target {
    pub(super) what: &'static str,
    pub(super) wanted: &'static str,
    /// What this run came to, where it measured enough.
    pub(super) reached: Option<f64>,
    pub(super) is_met: fn(f64) -> bool,
}

impl Target {
    fn new(what: &'static str, wanted: &'static str, reached: Option<f64>, is_met: fn(f64) -> bool) -> Self {
        Self { what, wanted, reached, is_met }
    }
}

const FSYNC: System = System::LevadaFsync;
const OS: System = System::LevadaOs;
const KAFKA: System = System::Kafka;

/// All targets.
pub(super) fn all(results: &Results) -> Vec<Target> {
    let mut targets = produce(results);
    targets.extend(consume_and_latency(results));
    targets.extend(coordinators(results));
    targets.extend(footprint(results));
    targets
}

/// Records of 1 KiB in batches of 16 KiB.
fn plain(partitions: i32) -> Case {
    Case::Produce(Load { record_size: 1_024, compression: Compression::None, batch_size: 16 << 10, partitions })
}

fn ratio(results: &Results, case: &Case, metric: Metric, one: System, other: System) -> Option<f64> {
    Some(results.median(case, one, metric)? / results.median(case, other, metric)?)
}

fn over(value: Option<f64>, by: Option<f64>) -> Option<f64> {
    Some(value? / by?)
}

fn produce(results: &Results) -> Vec<Target> {
    let hundred = plain(100);
    let throughput = |one, other| ratio(results, &hundred, Metric::Throughput, one, other);
    let cpu = results.median(&hundred, OS, Metric::CpuPerGb);
    let fsync = |partitions| results.median(&plain(partitions), FSYNC, Metric::Throughput);
    vec![
        Target::new(
            "produce 1 KiB, 16 KiB batches, 100 partitions: `os` throughput over Kafka's",
            "≥ 1.5",
            throughput(OS, KAFKA),
            |value| value >= 1.5,
        ),
        Target::new(
            "the same: `os` CPU per GB over Kafka's",
            "≤ 0.5",
            ratio(results, &hundred, Metric::CpuPerGb, OS, KAFKA),
            |value| value <= 0.5,
        ),
        Target::new(
            "the same: `os` CPU per GB over the floor's",
            "≤ 2",
            over(cpu, results.machine_median(FLOOR, Metric::CpuPerGb)),
            |value| value <= 2.0,
        ),
        Target::new(
            "the same: `fsync` throughput over Kafka's without fsync",
            "≥ 1",
            throughput(FSYNC, KAFKA),
            |value| value >= 1.0,
        ),
        Target::new(
            "the same: `fsync` throughput over Kafka's with `flush.messages=1`",
            "≥ 5",
            throughput(FSYNC, System::KafkaFlush),
            |value| value >= 5.0,
        ),
        Target::new(
            "`fsync` throughput with 1,000 partitions over that with 1",
            "≥ 0.67",
            over(fsync(1_000), fsync(1)),
            |value| value >= 0.667,
        ),
    ]
}

fn consume_and_latency(results: &Results) -> Vec<Target> {
    let consumed = results.cases().into_iter().find(|case| matches!(case, Case::Consume(_)));
    let p99 = results.median(&Case::Latency, FSYNC, Metric::Latency99);
    vec![
        Target::new(
            "consume: `fsync` CPU per GB over Kafka's",
            "≤ 0.33",
            consumed.and_then(|case| ratio(results, &case, Metric::CpuPerGb, FSYNC, KAFKA)),
            |value| value <= 0.334,
        ),
        Target::new(
            "p99 at 1,000 records/s: `fsync` over Kafka's without fsync",
            "< 1",
            ratio(results, &Case::Latency, Metric::Latency99, FSYNC, KAFKA),
            |value| value < 1.0,
        ),
        Target::new(
            "p99 at 1,000 records/s: `fsync` over one sync",
            "< 5",
            over(p99, results.machine_median(DISK, Metric::Sync)),
            |value| value < 5.0,
        ),
    ]
}

fn coordinators(results: &Results) -> Vec<Target> {
    let over_kafka = |case: Case, metric| ratio(results, &case, metric, FSYNC, KAFKA);
    let compaction = results.median(&Case::Compaction, FSYNC, Metric::With99Ratio);
    vec![
        Target::new(
            "transactions, a commit every 100 ms: `fsync` throughput over Kafka's without fsync",
            "≥ 1",
            over_kafka(Case::Transact(Commits::Timed), Metric::Throughput),
            |value| value >= 1.0,
        ),
        Target::new(
            "transactions, a commit every 10 records: `fsync` commits a second over Kafka's without fsync",
            "≥ 1",
            over_kafka(Case::Transact(Commits::Counted), Metric::Rate),
            |value| value >= 1.0,
        ),
        Target::new(
            "groups: `fsync` commits a second over Kafka's without fsync",
            "≥ 1",
            over_kafka(Case::Groups, Metric::Rate),
            |value| value >= 1.0,
        ),
        Target::new(
            "fetch sessions: `fsync` CPU a fetch over Kafka's",
            "≤ 0.5",
            over_kafka(Case::Sessions, Metric::CpuEach),
            |value| value <= 0.5,
        ),
        Target::new(
            "compaction: `fsync` p99 of producers while it goes on over that without",
            "≤ 1.5",
            compaction,
            |value| value <= 1.5,
        ),
    ]
}

fn footprint(results: &Results) -> Vec<Target> {
    let value = |case: Case, metric| results.median(&case, FSYNC, metric);
    let megabytes = |case| value(case, Metric::Resident).map(|bytes| bytes / 1e6);
    vec![
        Target::new("resident when idle, MB", "≤ 20", megabytes(Case::Start), |value| value <= 20.0),
        Target::new("resident after much was produced and consumed, MB", "≤ 120", megabytes(Case::Memory), |value| {
            value <= 120.0
        }),
        Target::new("ready on an empty directory, ms", "≤ 100", value(Case::Start, Metric::Ready), |value| {
            value <= 100.0
        }),
        Target::new(
            "ready after SIGKILL, page cache dropped, ms",
            "≤ 2,000",
            value(Case::Recovery, Metric::Ready),
            |value| value <= 2_000.0,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_of_coordinators_are_ratios_to_kafka_as_shipped() {
        let mut results = Results::default();
        let counted = Case::Transact(Commits::Counted);
        for (case, metric, ours, theirs) in [
            (&counted, Metric::Rate, 300.0, 200.0),
            (&Case::Groups, Metric::Rate, 90.0, 100.0),
            (&Case::Sessions, Metric::CpuEach, 20.0, 80.0),
        ] {
            results.add(case, FSYNC, &metric, ours);
            results.add(case, KAFKA, &metric, theirs);
        }
        results.add(&Case::Compaction, FSYNC, &Metric::With99Ratio, 1.6);
        let targets = coordinators(&results);
        let reached: Vec<Option<f64>> = targets.iter().map(|target| target.reached).collect();
        assert_eq!(reached, [None, Some(1.5), Some(0.9), Some(0.25), Some(1.6)]);
        let verdicts: Vec<bool> =
            targets.iter().filter_map(|target| target.reached.map(|value| (target.is_met)(value))).collect();
        assert_eq!(verdicts, [true, false, true, false]);
    }
}
