//! The loads that meet a broker's coordinators and sessions rather than its logs: transactions, many groups, fetches
//! of many partitions.

use anyhow::{Context, Result};

use super::cases::{Bench, Commits, Measured, usage};
use super::driver::number;
use super::results::Metric;
use crate::broker::Broker;

const TRANSACT_PARTITIONS: i32 = 10;
const GROUPS_PARTITIONS: i32 = 100;
/// Few enough for Kafka, to which each fetch means all partitions of its session, not to be overloaded.
pub(super) const SESSIONS_CONSUMERS: u32 = 5;
/// Records a second.
pub(super) const SESSIONS_RATE: u32 = 40;

impl Bench<'_> {
    /// One transactional producer as fast as it can.
    pub(super) fn transact(&self, broker: &Broker, commits: Commits) -> Result<Measured> {
        let topic = match commits {
            Commits::Timed => "committed-by-time",
            Commits::Counted => "committed-by-count",
        };
        self.create(broker, topic, TRANSACT_PARTITIONS)?;
        let mut arguments = Arguments::of("transact", broker, topic);
        arguments.add("partitions", &TRANSACT_PARTITIONS);
        match commits {
            Commits::Timed => arguments.add("commit-ms", &100),
            Commits::Counted => arguments.add("commit-records", &10),
        }
        arguments.add("seconds", &self.scale.transact_seconds);
        let before = usage(broker)?.cpu_seconds;
        let answer = self.driver.run(self.folder, &arguments.0)?;
        let cpu_seconds = usage(broker)?.cpu_seconds - before;
        self.forget(broker, topic)?;
        Ok(vec![
            (Metric::Throughput, number(&answer, "bytes_per_second")?),
            (Metric::Rate, number(&answer, "transactions_per_second")?),
            (Metric::LatencyMedian, number(&answer, "p50_ms")?),
            (Metric::Latency99, number(&answer, "p99_ms")?),
            (Metric::CpuPerGb, cpu_seconds / (number(&answer, "acknowledged_bytes")? / 1e9)),
            (Metric::CpuEach, cpu_seconds * 1e6 / number(&answer, "transactions")?),
        ])
    }

    /// Groups that commit as fast as they are answered.
    pub(super) fn groups(&self, broker: &Broker) -> Result<Measured> {
        let topic = "committed-by-groups";
        self.create(broker, topic, GROUPS_PARTITIONS)?;
        let mut arguments = Arguments::of("groups", broker, topic);
        arguments.add("pid", &broker.pid().context("the broker does not run")?);
        arguments.add("partitions", &GROUPS_PARTITIONS);
        arguments.add("groups", &self.scale.groups);
        arguments.add("seconds", &self.scale.groups_seconds);
        let answer = self.driver.run(self.folder, &arguments.0)?;
        Ok(vec![
            (Metric::Rate, number(&answer, "commits_per_second")?),
            (Metric::LatencyMedian, number(&answer, "p50_ms")?),
            (Metric::Latency99, number(&answer, "p99_ms")?),
            (Metric::CpuEach, number(&answer, "cpu_seconds")? * 1e6 / number(&answer, "commits")?),
            (Metric::Resident, usage(broker)?.resident_bytes),
        ])
    }

    /// Consumers of many partitions that little is sent to.
    pub(super) fn sessions(&self, broker: &Broker) -> Result<Measured> {
        let topic = "fetched-in-sessions";
        self.create(broker, topic, self.scale.sessions_partitions)?;
        let mut arguments = Arguments::of("sessions", broker, topic);
        arguments.add("pid", &broker.pid().context("the broker does not run")?);
        arguments.add("partitions", &self.scale.sessions_partitions);
        arguments.add("consumers", &SESSIONS_CONSUMERS);
        arguments.add("rate", &SESSIONS_RATE);
        arguments.add("seconds", &self.scale.sessions_seconds);
        let answer = self.driver.run(self.folder, &arguments.0)?;
        Ok(vec![
            (Metric::Rate, number(&answer, "fetches_per_second")?),
            (Metric::LatencyMedian, number(&answer, "p50_ms")?),
            (Metric::Latency99, number(&answer, "p99_ms")?),
            (Metric::CpuEach, number(&answer, "cpu_seconds")? * 1e6 / number(&answer, "fetches")?),
        ])
    }
}

/// What the load generator is called with.
pub(super) struct Arguments(pub(super) Vec<String>);

impl Arguments {
    /// A measurement of one topic.
    fn of(command: &str, broker: &Broker, topic: &str) -> Self {
        let mut arguments = Self::on(command, broker);
        arguments.add("topic", &topic);
        arguments
    }

    /// A measurement of a broker.
    pub(super) fn on(command: &str, broker: &Broker) -> Self {
        let mut arguments = Self(vec![command.to_owned()]);
        arguments.add("brokers", &broker.bootstrap());
        arguments
    }

    /// Adds `--name value`.
    pub(super) fn add(&mut self, name: &str, value: &impl ToString) {
        self.0.extend([format!("--{name}"), value.to_string()]);
    }
}
