//! [`Metrics`]: what the Kafka listener counts, under the names that Kafka dashboards know.

use crate::apis::APIS;
use levada_protocol::ApiKey;
use std::{
    fmt::{self, Write},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Buckets of a histogram: four to each power of two of microseconds, up to half an hour.
const BUCKET_COUNT: usize = 31 * 4;

/// Counters of one Kafka listener; [`Metrics::render`] writes them as Prometheus text.
#[derive(Debug)]
pub struct Metrics {
    apis: Vec<ApiMetrics>,
    messages_in: Counter,
    bytes_in: Counter,
    bytes_out: Counter,
    failed_produce: Counter,
    failed_fetch: Counter,
    connections_open: Counter,
    connections_closed: Counter,
    connections_refused: Counter,
    received_size: Counter,
    sent_size: Counter,
}

#[derive(Debug)]
struct ApiMetrics {
    key: ApiKey,
    requests: Counter,
    time: Histogram,
}

/// A count that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: usize) {
        self.0.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct Histogram {
    buckets: Vec<AtomicU64>,
    sum_us: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: (0..BUCKET_COUNT).map(|_| AtomicU64::new(0)).collect(), sum_us: AtomicU64::new(0) }
    }
}

impl Histogram {
    fn record(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.sum_us.fetch_add(micros, Ordering::Relaxed);
        if let Some(bucket) = self.buckets.get(bucket_of(micros)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The upper bounds, in milliseconds, below which these shares of all recorded times lie; and the count.
    fn quantiles(&self, shares: &[f64]) -> (Vec<f64>, u64) {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        let bound = |share: f64| {
            let mut seen = 0;
            for (index, count) in counts.iter().enumerate() {
                seen += count;
                if seen > 0 && as_f64(seen) >= share * as_f64(total) {
                    return upper_bound_ms(index);
                }
            }
            0.0
        };
        (shares.iter().map(|&share| bound(share)).collect(), total)
    }
}

fn bucket_of(micros: u64) -> usize {
    let micros = micros.max(4);
    let power = 63 - micros.leading_zeros();
    let quarter = (micros >> (power - 2)) & 3;
    let index = u64::from(power - 2) * 4 + quarter;
    usize::try_from(index).unwrap_or(BUCKET_COUNT).min(BUCKET_COUNT - 1)
}

fn upper_bound_ms(bucket: usize) -> f64 {
    let (power, quarter) = (bucket / 4, bucket % 4);
    let quarters = as_f64(u64::try_from(quarter + 5).unwrap_or(0));
    quarters * 2_f64.powi(i32::try_from(power).unwrap_or(0)) / 1_000.0
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people to read")]
const fn as_f64(value: u64) -> f64 {
    value as f64
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            apis: APIS
                .iter()
                .map(|api| ApiMetrics { key: api.key, requests: Counter::default(), time: Histogram::default() })
                .collect(),
            messages_in: Counter::default(),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            failed_produce: Counter::default(),
            failed_fetch: Counter::default(),
            connections_open: Counter::default(),
            connections_closed: Counter::default(),
            connections_refused: Counter::default(),
            received_size: Counter::default(),
            sent_size: Counter::default(),
        }
    }
}

impl Metrics {
    /// A request of the API at `index` of [`APIS`] was answered after `time`.
    pub(crate) fn answered(&self, index: usize, time: Duration) {
        if let Some(api) = self.apis.get(index) {
            api.requests.add(1);
            api.time.record(time);
        }
    }

    /// Records were appended.
    pub(crate) fn produced(&self, records: usize, size: usize) {
        self.messages_in.add(records);
        self.bytes_in.add(size);
    }

    /// Records were sent to consumers.
    pub(crate) fn fetched(&self, size: usize) {
        self.bytes_out.add(size);
    }

    pub(crate) fn produce_failed(&self) {
        self.failed_produce.add(1);
    }

    pub(crate) fn fetch_failed(&self) {
        self.failed_fetch.add(1);
    }

    pub(crate) fn connection_opened(&self) {
        self.connections_open.add(1);
    }

    pub(crate) fn connection_closed(&self) {
        self.connections_closed.add(1);
    }

    pub(crate) fn connection_refused(&self) {
        self.connections_refused.add(1);
    }

    pub(crate) fn received(&self, size: usize) {
        self.received_size.add(size);
    }

    pub(crate) fn sent(&self, size: usize) {
        self.sent_size.add(size);
    }

    /// Connections that are open now.
    #[must_use]
    pub fn connection_count(&self) -> u64 {
        self.connections_open.value().saturating_sub(self.connections_closed.value())
    }

    /// Records appended since the start.
    #[must_use]
    pub fn message_count(&self) -> u64 {
        self.messages_in.value()
    }

    /// Appends everything to `text` in Prometheus' text format.
    ///
    /// # Errors
    /// None: writing to a `String` cannot fail.
    ///
    /// Source: the rules by which Prometheus' JMX exporter names Kafka's beans.
    pub fn render(&self, text: &mut String) -> fmt::Result {
        let topics = "kafka_server_brokertopicmetrics";
        let produces = self.requests_of(ApiKey::Produce);
        let fetches = self.requests_of(ApiKey::Fetch);
        counter(text, &format!("{topics}_messagesin_total"), "Records appended.", self.messages_in.value())?;
        counter(text, &format!("{topics}_bytesin_total"), "Bytes of records appended.", self.bytes_in.value())?;
        counter(text, &format!("{topics}_bytesout_total"), "Bytes of records fetched.", self.bytes_out.value())?;
        counter(text, &format!("{topics}_totalproducerequests_total"), "Produce requests.", produces)?;
        counter(text, &format!("{topics}_totalfetchrequests_total"), "Fetch requests.", fetches)?;
        let failed = self.failed_produce.value();
        counter(text, &format!("{topics}_failedproducerequests_total"), "Partitions that refused a batch.", failed)?;
        let failed = self.failed_fetch.value();
        counter(text, &format!("{topics}_failedfetchrequests_total"), "Partitions that refused a fetch.", failed)?;
        let sockets = "kafka_server_socketservermetrics";
        gauge(text, &format!("{sockets}_connection_count"), "Open connections.", self.connection_count())?;
        let opened = self.connections_open.value();
        counter(text, &format!("{sockets}_connection_creation_total"), "Connections accepted.", opened)?;
        let closed = self.connections_closed.value();
        counter(text, &format!("{sockets}_connection_close_total"), "Connections closed.", closed)?;
        let refused = self.connections_refused.value();
        counter(text, &format!("{sockets}_connection_refused_total"), "Connections over the limit.", refused)?;
        let received = self.received_size.value();
        counter(text, &format!("{sockets}_incoming_byte_total"), "Bytes received.", received)?;
        counter(text, &format!("{sockets}_outgoing_byte_total"), "Bytes sent.", self.sent_size.value())?;
        self.render_requests(text)
    }

    fn render_requests(&self, text: &mut String) -> fmt::Result {
        const QUANTILES: [f64; 5] = [0.5, 0.75, 0.95, 0.99, 0.999];
        let name = "kafka_network_requestmetrics_requests_total";
        writeln!(text, "# HELP {name} Requests answered.\n# TYPE {name} counter")?;
        for api in &self.apis {
            writeln!(text, "{name}{{request=\"{}\"}} {}", api.key.name(), api.requests.value())?;
        }
        let name = "kafka_network_requestmetrics_totaltimems";
        writeln!(text, "# HELP {name} Milliseconds from a request's arrival to its response.\n# TYPE {name} summary")?;
        for api in self.apis.iter().filter(|api| api.requests.value() > 0) {
            let request = api.key.name();
            let (bounds, count) = api.time.quantiles(&QUANTILES);
            for (quantile, bound) in QUANTILES.iter().zip(bounds) {
                writeln!(text, "{name}{{request=\"{request}\",quantile=\"{quantile}\"}} {bound}")?;
            }
            let sum_ms = as_f64(api.time.sum_us.load(Ordering::Relaxed)) / 1_000.0;
            writeln!(text, "{name}_sum{{request=\"{request}\"}} {sum_ms}")?;
            writeln!(text, "{name}_count{{request=\"{request}\"}} {count}")?;
        }
        Ok(())
    }

    fn requests_of(&self, key: ApiKey) -> u64 {
        self.apis.iter().filter(|api| api.key == key).map(|api| api.requests.value()).sum()
    }
}

fn counter(text: &mut String, name: &str, help: &str, value: u64) -> fmt::Result {
    writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {value}")
}

fn gauge(text: &mut String, name: &str, help: &str, value: u64) -> fmt::Result {
    writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_bounds_the_times_in_it() {
        for micros in [4_u64, 5, 7, 8, 100, 999, 1_000, 1_000_000, 59_000_000] {
            let bound_ms = upper_bound_ms(bucket_of(micros));
            let ms = as_f64(micros) / 1_000.0;
            assert!(bound_ms >= ms && bound_ms <= ms * 1.26, "{micros} µs in a bucket up to {bound_ms} ms");
        }
    }

    #[test]
    fn quantiles_follow_what_was_recorded() {
        let histogram = Histogram::default();
        (1..=100).for_each(|ms| histogram.record(Duration::from_millis(ms)));
        let (bounds, count) = histogram.quantiles(&[0.5, 0.99]);
        assert_eq!(count, 100);
        assert!((50.0..63.0).contains(&bounds[0]), "{bounds:?}");
        assert!((99.0..125.0).contains(&bounds[1]), "{bounds:?}");
    }

    #[test]
    fn the_names_that_dashboards_know_are_there() {
        let metrics = Metrics::default();
        metrics.produced(3, 300);
        let mut text = String::new();
        metrics.render(&mut text).unwrap();
        assert!(text.contains("\nkafka_server_brokertopicmetrics_messagesin_total 3\n"), "{text}");
        assert!(text.contains("kafka_network_requestmetrics_requests_total{request=\"Produce\"} 0"), "{text}");
    }
}
