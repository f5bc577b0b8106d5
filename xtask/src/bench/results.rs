//! What was measured: every value of every round, and what the page needs of them.

use std::collections::BTreeMap;

use super::cases::Case;
use super::systems::System;

/// What a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Metric {
    /// Bytes of records a second.
    Throughput,
    /// Processor seconds of the broker for 10⁹ bytes of records.
    CpuPerGb,
    /// What the case counts, a second.
    Rate,
    /// Microseconds of the broker's processors for each of what the case counts.
    CpuEach,
    /// Bytes of a log before it was compacted.
    SizeBefore,
    /// Bytes of a log after it was compacted.
    SizeAfter,
    /// Bytes of a log that a second of the broker's processors compacts.
    CompactedPerCpu,
    /// Milliseconds that 99 of 100 acknowledgements do not exceed while nothing is compacted.
    Without99,
    /// The same while something is.
    With99,
    /// The latter over the former.
    With99Ratio,
    /// Milliseconds from send to receipt, at the median.
    LatencyMedian,
    /// Milliseconds from send to receipt that 99 of 100 records do not exceed.
    Latency99,
    /// Milliseconds that 999 of 1,000 do not exceed.
    Latency999,
    /// Milliseconds from the start of the process until it accepts.
    Ready,
    /// Resident bytes.
    Resident,
    /// Bytes that were read from the disk.
    BytesRead,
    /// Milliseconds for one sync, at the median.
    Sync,
    /// Milliseconds that 99 of 100 syncs do not exceed.
    Sync99,
}

impl Metric {
    /// The column's heading.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Throughput => "MB/s",
            Self::CpuPerGb => "broker CPU s/GB",
            Self::Rate => "per second",
            Self::CpuEach => "broker CPU µs each",
            Self::SizeBefore => "MB before",
            Self::SizeAfter => "MB after",
            Self::CompactedPerCpu => "MB per CPU second",
            Self::Without99 => "p99 ms without",
            Self::With99 => "p99 ms with",
            Self::With99Ratio => "p99 with over without",
            Self::LatencyMedian => "p50 ms",
            Self::Latency99 => "p99 ms",
            Self::Latency999 => "p99.9 ms",
            Self::Ready => "ready after ms",
            Self::Resident => "resident MB",
            Self::BytesRead => "read MB",
            Self::Sync => "sync ms",
            Self::Sync99 => "sync p99 ms",
        }
    }

    /// The number in the unit of the heading.
    pub(super) fn scale(self, value: f64) -> f64 {
        match self {
            Self::Throughput
            | Self::Resident
            | Self::BytesRead
            | Self::SizeBefore
            | Self::SizeAfter
            | Self::CompactedPerCpu => value / 1e6,
            Self::CpuPerGb
            | Self::Rate
            | Self::CpuEach
            | Self::Without99
            | Self::With99
            | Self::With99Ratio
            | Self::LatencyMedian
            | Self::Latency99
            | Self::Latency999
            | Self::Ready
            | Self::Sync
            | Self::Sync99 => value,
        }
    }

    /// The number with as many digits as mean something.
    pub(super) fn format(self, value: f64) -> String {
        let value = self.scale(value);
        match value.abs() {
            large if large >= 100.0 => format!("{value:.0}"),
            medium if medium >= 10.0 => format!("{value:.1}"),
            _ => format!("{value:.2}"),
        }
    }

    /// The number with its unit.
    pub(super) fn show(self, value: f64) -> String {
        format!("{} {}", self.format(value), self.title())
    }
}

/// All values by case, system and metric.
#[derive(Debug, Default)]
pub(super) struct Results {
    values: BTreeMap<(Case, System, Metric), Vec<f64>>,
    failures: BTreeMap<(Case, System), String>,
    /// What the machine did by itself: name, metric, values.
    machine: BTreeMap<(&'static str, Metric), Vec<f64>>,
}

impl Results {
    /// Adds one round's value.
    pub(super) fn add(&mut self, case: &Case, system: System, metric: &Metric, value: f64) {
        self.values.entry((case.clone(), system, *metric)).or_default().push(value);
    }

    /// Notes that a case could not be measured.
    pub(super) fn fail(&mut self, case: &Case, system: System, why: &str) {
        self.failures.insert((case.clone(), system), why.to_owned());
    }

    /// Adds a value of the machine itself.
    pub(super) fn add_machine(&mut self, name: &'static str, metric: Metric, value: f64) {
        self.machine.entry((name, metric)).or_default().push(value);
    }

    /// The median over the rounds.
    pub(super) fn median(&self, case: &Case, system: System, metric: Metric) -> Option<f64> {
        self.values.get(&(case.clone(), system, metric)).map(|values| median(values))
    }

    /// The median with the spread where there were several rounds, or why there is none.
    pub(super) fn cell(&self, case: &Case, system: System, metric: Metric) -> String {
        match self.values.get(&(case.clone(), system, metric)) {
            Some(values) => show(values, metric),
            None if self.failures.contains_key(&(case.clone(), system)) => "failed".to_owned(),
            None => "–".to_owned(),
        }
    }

    /// The machine's figures: name, what they are, the median with its spread.
    pub(super) fn machine(&self) -> impl Iterator<Item = (&'static str, Metric, String)> {
        self.machine.iter().map(|(&(name, metric), values)| (name, metric, show(values, metric)))
    }

    /// One median of the machine's figures.
    pub(super) fn machine_median(&self, name: &'static str, metric: Metric) -> Option<f64> {
        self.machine.get(&(name, metric)).map(|values| median(values))
    }

    /// The cases that were measured on any system.
    pub(super) fn cases(&self) -> Vec<Case> {
        let measured = self.values.keys().map(|(case, ..)| case);
        let mut cases: Vec<Case> = measured.chain(self.failures.keys().map(|(case, _)| case)).cloned().collect();
        cases.sort();
        cases.dedup();
        cases
    }

    /// What failed and why.
    pub(super) fn failures(&self) -> impl Iterator<Item = (&Case, System, &str)> {
        self.failures.iter().map(|((case, system), why)| (case, *system, why.as_str()))
    }
}

fn show(values: &[f64], metric: Metric) -> String {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let middle = metric.format(median(values));
    match values.len() {
        1 => middle,
        _ => format!("{middle} ({}–{})", metric.format(low), metric.format(high)),
    }
}

/// The middle value; of an even number the mean of both.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let half = sorted.len() / 2;
    match (sorted.get(half), half.checked_sub(1).and_then(|below| sorted.get(below))) {
        (Some(&upper), Some(&lower)) if sorted.len().is_multiple_of(2) => f64::midpoint(lower, upper),
        (Some(&middle), _) => middle,
        (None, _) => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_rounds_comes_with_its_spread() {
        assert_eq!(show(&[3e6, 1e6, 2e6], Metric::Throughput), "2.00 (1.00–3.00)");
        assert_eq!(show(&[4.0, 2.0], Metric::Latency99), "3.00 (2.00–4.00)");
        assert_eq!(show(&[123.4], Metric::Ready), "123");
    }
}
