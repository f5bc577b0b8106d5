//! Throughput and commits of one transactional producer. A commit counts from when the application asks for it
//! until it is done, what is still on its way included: that is how long an application waits.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Map, Value};

use crate::{payload, percentiles};

const DISTINCT_RECORDS: usize = 4_096;
/// As many as fit into 16 KiB.
const BATCH_RECORDS: u64 = 15;
const LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(1);

/// What is produced, and when it is committed.
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
    #[arg(long, default_value_t = 1_024)]
    record_size: usize,
    /// Commits after this many records
    #[arg(long, conflicts_with = "commit_ms", required_unless_present = "commit_ms")]
    commit_records: Option<u64>,
    /// Commits after this time
    #[arg(long)]
    commit_ms: Option<u64>,
    /// What is sent before the clock starts
    #[arg(long, default_value_t = 1.0)]
    warmup_seconds: f64,
    /// How long the clock runs
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

/// Produces, commits, and answers what was measured.
pub fn run(args: &Args) -> Result<Value> {
    let producer = producer(args)?;
    producer.init_transactions(LIMIT)?;
    let records = payload::records(DISTINCT_RECORDS, args.record_size);
    let begun = Instant::now();
    let warm = Duration::from_secs_f64(args.warmup_seconds);
    let end = warm + Duration::from_secs_f64(args.seconds);
    let (mut all_records, mut all_transactions) = (0_u64, 0_u64);
    let mut measured = Measured::default();
    while begun.elapsed() < end {
        let counts = begun.elapsed() >= warm;
        let transaction_begun = Instant::now();
        producer.begin_transaction()?;
        let mut sent = 0;
        while !is_due(args, sent, transaction_begun.elapsed()) {
            let record = &records[usize::try_from(all_records)? % DISTINCT_RECORDS];
            // Whole batches, partition after partition; a transaction that is smaller than a batch has one partition.
            let turn = args.commit_records.map_or(all_records / BATCH_RECORDS, |_| all_transactions);
            let partition = i32::try_from(turn % u64::try_from(args.partitions)?)?;
            send(&producer, &args.topic, partition, record)?;
            (sent, all_records) = (sent + 1, all_records + 1);
        }
        let asked = Instant::now();
        // The wrapper's own flush would look only every now and then.
        while producer.in_flight_count() > 0 {
            producer.poll(POLL);
            ensure!(asked.elapsed() < LIMIT, "what was sent is not acknowledged after {LIMIT:?}");
        }
        producer.commit_transaction(LIMIT)?;
        all_transactions += 1;
        if counts {
            measured.records += sent;
            measured.commit_micros.push(u64::try_from(asked.elapsed().as_micros())?);
            measured.seconds += transaction_begun.elapsed().as_secs_f64();
        }
    }
    ensure!(!measured.commit_micros.is_empty(), "no transaction ended in time");
    let record_size = args.record_size as f64;
    let mut answer = Map::new();
    answer.insert("bytes_per_second".to_owned(), (measured.records as f64 * record_size / measured.seconds).into());
    let per_second = measured.commit_micros.len() as f64 / measured.seconds;
    answer.insert("transactions_per_second".to_owned(), per_second.into());
    answer.insert("acknowledged_bytes".to_owned(), (all_records as f64 * record_size).into());
    answer.insert("transactions".to_owned(), all_transactions.into());
    percentiles::add(&mut answer, measured.commit_micros);
    Ok(answer.into())
}

/// What came after the warm-up.
#[derive(Default)]
struct Measured {
    records: u64,
    seconds: f64,
    commit_micros: Vec<u64>,
}

fn is_due(args: &Args, sent: u64, elapsed: Duration) -> bool {
    match args.commit_records {
        Some(records) => sent >= records,
        None => sent > 0 && elapsed >= Duration::from_millis(args.commit_ms.unwrap_or_default()),
    }
}

fn producer(args: &Args) -> Result<BaseProducer> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &args.brokers).set("transactional.id", format!("bench-{}", args.topic));
    config.set("batch.num.messages", BATCH_RECORDS.to_string()).set("linger.ms", "1");
    // Enough to keep the broker busy, and little enough for a commit not to wait for a long queue.
    config.set("queue.buffering.max.kbytes", "2048");
    Ok(config.create()?)
}

fn send(producer: &BaseProducer, topic: &str, partition: i32, record: &[u8]) -> Result<()> {
    let begun = Instant::now();
    loop {
        match producer.send(BaseRecord::<(), [u8]>::to(topic).partition(partition).payload(record)) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => producer.poll(POLL),
            Err((error, _)) => bail!(error),
        }
        ensure!(begun.elapsed() < LIMIT, "nothing was acknowledged for {LIMIT:?}");
    }
}
