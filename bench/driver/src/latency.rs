//! The time from send to receipt at a steady rate, producer and consumer in one process and on one clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde_json::{Value, json};

const RECORD_SIZE: usize = 1_024;

/// How records are sent.
#[derive(clap::Args)]
pub struct Args {
    /// The broker
    #[arg(long)]
    brokers: String,
    /// A topic of one partition
    #[arg(long)]
    topic: String,
    /// Records a second
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    #[arg(long, default_value_t = 3.0)]
    warmup_seconds: f64,
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

/// Sends, receives, and answers the percentiles in milliseconds.
pub fn run(args: &Args) -> Result<Value> {
    let origin = Instant::now();
    let stop = Arc::new(AtomicBool::new(false));
    let consumer = consumer(args)?;
    let sender = {
        let (stop, producer, topic, rate) = (Arc::clone(&stop), producer(args)?, args.topic.clone(), args.rate);
        thread::spawn(move || send(&producer, &topic, rate, origin, &stop))
    };
    let warm = Duration::from_secs_f64(args.warmup_seconds);
    let end = warm + Duration::from_secs_f64(args.seconds);
    let mut micros = Vec::new();
    while origin.elapsed() < end {
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let now = origin.elapsed();
        let message = message?;
        let stamp = message.payload().and_then(|payload| payload.first_chunk::<8>()).context("a short record")?;
        let sent = Duration::from_nanos(u64::from_be_bytes(*stamp));
        if sent >= warm {
            micros.push((now - sent).as_micros());
        }
    }
    stop.store(true, Ordering::SeqCst);
    sender.join().expect("the sender does not panic")?;
    ensure!(micros.len() as f64 > f64::from(args.rate) * args.seconds * 0.9, "only {} records came", micros.len());
    micros.sort_unstable();
    let percentile = |share: f64| micros[((micros.len() - 1) as f64 * share) as usize] as f64 / 1_000.0;
    Ok(json!({
        "p50_ms": percentile(0.5), "p99_ms": percentile(0.99), "p999_ms": percentile(0.999), "max_ms": percentile(1.0),
        "records": micros.len(),
    }))
}

fn producer(args: &Args) -> Result<ThreadedProducer<DefaultProducerContext>> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &args.brokers).set("acks", "all").set("linger.ms", "0");
    Ok(config.create()?)
}

fn consumer(args: &Args) -> Result<BaseConsumer> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &args.brokers).set("group.id", "bench").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create()?;
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_offset(&args.topic, 0, Offset::Beginning)?;
    consumer.assign(&partitions)?;
    Ok(consumer)
}

fn send(
    producer: &ThreadedProducer<DefaultProducerContext>,
    topic: &str,
    rate: u32,
    origin: Instant,
    stop: &AtomicBool,
) -> Result<()> {
    let mut record = vec![b'x'; RECORD_SIZE];
    let interval = Duration::from_secs(1) / rate;
    let begun = origin.elapsed();
    for nth in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        // Behind its time a record counts from when it should have been sent.
        let due = begun + interval * nth;
        if let Some(early) = due.checked_sub(origin.elapsed()) {
            thread::sleep(early);
        }
        record[..8].copy_from_slice(&u64::try_from(due.as_nanos())?.to_be_bytes());
        let sent = producer.send(BaseRecord::<(), [u8]>::to(topic).partition(0).payload(&record));
        sent.map_err(|(error, _)| error)?;
    }
    producer.flush(Duration::from_secs(10))?;
    Ok(())
}
