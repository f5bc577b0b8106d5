//! Throughput of a consumer that reads a topic from its beginning.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::{Value, json};

const SILENCE_LIMIT: Duration = Duration::from_secs(30);

/// What is consumed.
#[derive(clap::Args)]
pub struct Args {
    /// The broker
    #[arg(long)]
    brokers: String,
    #[arg(long)]
    topic: String,
    #[arg(long)]
    partitions: i32,
    /// How many records there are
    #[arg(long)]
    records: u64,
}

/// Consumes and answers what was measured.
pub fn run(args: &Args) -> Result<Value> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &args.brokers).set("group.id", "bench").set("enable.auto.commit", "false");
    config.set("fetch.message.max.bytes", "1048576").set("queued.min.messages", "1000000");
    let consumer: BaseConsumer = config.create()?;
    let mut partitions = TopicPartitionList::new();
    for partition in 0..args.partitions {
        partitions.add_partition_offset(&args.topic, partition, Offset::Beginning)?;
    }
    let begun = Instant::now();
    consumer.assign(&partitions)?;
    let (mut records, mut bytes) = (0_u64, 0_u64);
    let mut heard = Instant::now();
    while records < args.records {
        match consumer.poll(Duration::from_millis(100)) {
            Some(message) => {
                bytes += u64::try_from(message?.payload_len())?;
                records += 1;
                heard = Instant::now();
            }
            None => ensure!(heard.elapsed() < SILENCE_LIMIT, "silence after {records} of {} records", args.records),
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    Ok(json!({
        "records_per_second": records as f64 / seconds,
        "bytes_per_second": bytes as f64 / seconds,
        "bytes": bytes,
    }))
}
