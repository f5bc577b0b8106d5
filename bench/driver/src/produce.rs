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
    let begun = Instant::now();
    let warm = Duration::from_secs_f64(args.warmup_seconds);
    let end = warm + Duration::from_secs_f64(args.seconds);
    let (mut sent, mut warm_at) = (0_u64, None);
    let measured = loop {
        let elapsed = begun.elapsed();
        let acknowledged = counts.acknowledged.load(Ordering::Relaxed);
        if warm_at.is_none() && elapsed >= warm {
            warm_at = Some((elapsed, acknowledged));
        }
        if elapsed >= end || args.bytes.is_some_and(|bytes| sent * record_size >= bytes) {
            break (elapsed, acknowledged);
        }
        let partition = i32::try_from(sent / run_length % partitions)?;
        for _ in 0..run_length {
            send(&producer, &args.topic, partition, &records[usize::try_from(sent)? % DISTINCT_RECORDS])?;
            sent += 1;
        }
        producer.poll(Duration::ZERO);
    };
    producer.flush(FLUSH_LIMIT)?;
    let all = begun.elapsed();
    let failed = counts.failed.load(Ordering::Relaxed);
    ensure!(failed == 0, "{failed} records were not acknowledged");
    let acknowledged = counts.acknowledged.load(Ordering::Relaxed);
    // A run that ends by its size is measured as a whole.
    let (seconds, counted) = match (args.bytes, warm_at) {
        (None, Some((at, before))) => ((measured.0 - at).as_secs_f64(), measured.1 - before),
        (Some(_), _) | (None, None) => (all.as_secs_f64(), acknowledged),
    };
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

fn send(producer: &BaseProducer<Context>, topic: &str, partition: i32, record: &[u8]) -> Result<()> {
    loop {
        let record = BaseRecord::<(), [u8]>::to(topic).partition(partition).payload(record);
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => drop(producer.poll(POLL)),
            Err((error, _)) => bail!(error),
        }
    }
}
