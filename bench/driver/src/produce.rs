//! Throughput of a producer: whole batches, partition after partition, as fast as they are acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use crate::payload;

const DISTINCT_RECORDS: usize = 4_096;
/// What librdkafka counts for a batch and for each of its records beyond their bytes, at most.
const BATCH_OVERHEAD: usize = 256;
const RECORD_OVERHEAD: usize = 24;
const POLL: Duration = Duration::from_millis(5);
/// However slow the broker is, the clock starts after this.
const WARM_LIMIT: Duration = Duration::from_secs(30);
const FLUSH_LIMIT: Duration = Duration::from_secs(120);

/// What is produced.
#[derive(clap::Args)]
pub struct Args {
    /// The broker
    #[arg(long)]
    brokers: String,
    #[arg(long)]
    topic: String,
    #[arg(long)]
    partitions: i32,
    /// Bytes a record
    #[arg(long)]
    record_size: usize,
    /// Bytes a batch
    #[arg(long)]
    batch_size: usize,
    #[arg(long, default_value = "none")]
    compression: String,
    /// Draws a key for each record from this many
    #[arg(long)]
    keys: Option<u64>,
    /// What is sent before the clock starts
    #[arg(long, default_value_t = 1.0)]
    warmup_seconds: f64,
    /// How long the clock runs
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Ends when this many bytes were sent, whatever the clock says
    #[arg(long)]
    bytes: Option<u64>,
}

#[derive(Default)]
struct Counts {
    acknowledged: AtomicU64,
    failed: AtomicU64,
}

struct Context(Arc<Counts>);

impl ClientContext for Context {}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let count = if result.is_ok() { &self.0.acknowledged } else { &self.0.failed };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Produces and answers what was measured.
pub fn run(args: &Args) -> Result<Value> {
    let counts = Arc::new(Counts::default());
    let producer: BaseProducer<Context> = config(args).create_with_context(Context(Arc::clone(&counts)))?;
    let records = payload::records(DISTINCT_RECORDS, args.record_size);
    // A batch's worth for one partition, then for the next: batches are whole at any number of partitions.
    let run_length = u64::try_from(batch_records(args))?;
    let record_size = u64::try_from(args.record_size)?;
    let partitions = u64::try_from(args.partitions)?;
    let mut keys = args.keys.map(payload::Keys::new);
    let mut clock = Clock::new(args, run_length * partitions);
    let mut sent = 0_u64;
    while !clock.is_over(counts.acknowledged.load(Ordering::Relaxed), sent * record_size) {
        let partition = i32::try_from(sent / run_length % partitions)?;
        for _ in 0..run_length {
            let record = &records[usize::try_from(sent)? % DISTINCT_RECORDS];
            let key = keys.as_mut().map(payload::Keys::next);
            while !is_sent(&producer, &args.topic, partition, key.as_ref(), record)? {
                producer.poll(POLL);
                if clock.is_over(counts.acknowledged.load(Ordering::Relaxed), sent * record_size) {
                    break;
                }
            }
            sent += 1;
        }
        producer.poll(Duration::ZERO);
    }
    producer.flush(FLUSH_LIMIT)?;
    let failed = counts.failed.load(Ordering::Relaxed);
    ensure!(failed == 0, "{failed} records were not acknowledged");
    let acknowledged = counts.acknowledged.load(Ordering::Relaxed);
    let (seconds, counted) = clock.measured(acknowledged);
    Ok(json!({
        "records_per_second": counted as f64 / seconds,
        "bytes_per_second": (counted * record_size) as f64 / seconds,
        "acknowledged_records": acknowledged,
        "acknowledged_bytes": acknowledged * record_size,
        "client_cpu_seconds": client_cpu().as_secs_f64(),
    }))
}

/// How many records fill a batch, their framing included.
fn batch_records(args: &Args) -> usize {
    (args.batch_size.saturating_sub(BATCH_OVERHEAD) / (args.record_size + RECORD_OVERHEAD)).max(1)
}

fn config(args: &Args) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &args.brokers).set("acks", "all");
    // A batch leaves when it has this many records; the pause is for the last one.
    config.set("batch.num.messages", batch_records(args).to_string());
    config.set("batch.size", args.batch_size.to_string());
    config.set("message.max.bytes", "2000000").set("linger.ms", "50");
    config.set("compression.type", &args.compression);
    config.set("queue.buffering.max.messages", "2000000").set("queue.buffering.max.kbytes", "131072");
    config.set("request.timeout.ms", "120000").set("message.timeout.ms", "240000");
    config
}

/// What this process has used of the processors.
fn client_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
}

/// Whether there was room for the record.
fn is_sent(
    producer: &BaseProducer<Context>,
    topic: &str,
    partition: i32,
    key: Option<&payload::Key>,
    record: &[u8],
) -> Result<bool> {
    let mut record = BaseRecord::to(topic).partition(partition).payload(record);
    if let Some(key) = key {
        record = record.key(key);
    }
    match producer.send(record) {
        Ok(()) => Ok(true),
        Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Ok(false),
        Err((error, _)) => bail!(error),
    }
}

/// Decides when the measured time begins and ends.
struct Clock {
    begun: Instant,
    warm: Duration,
    /// Acknowledged records before which it does not begin: a batch for each partition.
    warm_records: u64,
    seconds: Duration,
    bytes: Option<u64>,
    /// When the measured time began, and what was acknowledged then.
    from: Option<(Instant, u64)>,
    to: Option<(Instant, u64)>,
}

impl Clock {
    fn new(args: &Args, warm_records: u64) -> Self {
        Self {
            begun: Instant::now(),
            warm: Duration::from_secs_f64(args.warmup_seconds),
            warm_records,
            seconds: Duration::from_secs_f64(args.seconds),
            bytes: args.bytes,
            from: None,
            to: None,
        }
    }

    fn is_over(&mut self, acknowledged: u64, sent_bytes: u64) -> bool {
        if let Some(bytes) = self.bytes {
            return sent_bytes >= bytes;
        }
        let now = Instant::now();
        let is_warm = now - self.begun >= self.warm && acknowledged >= self.warm_records;
        if self.from.is_none() && (is_warm || now - self.begun > WARM_LIMIT) {
            self.from = Some((now, acknowledged));
        }
        if self.to.is_none() && self.from.is_some_and(|(from, _)| now - from >= self.seconds) {
            self.to = Some((now, acknowledged));
        }
        self.to.is_some()
    }

    /// Seconds, and records acknowledged in them. A run that ends by its size is measured as a whole.
    fn measured(&self, acknowledged: u64) -> (f64, u64) {
        match (self.from, self.to) {
            (Some((from, before)), Some((to, after))) => ((to - from).as_secs_f64(), after - before),
            _ => (self.begun.elapsed().as_secs_f64(), acknowledged),
        }
    }
}
