//! Producers that write on at a steady rate, and when each record was acknowledged: what a broker does meanwhile is
//! the caller's, who tells by the times which records met it.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use serde_json::{Value, json};

use crate::payload;

const DISTINCT_RECORDS: usize = 4_096;
const FLUSH_LIMIT: Duration = Duration::from_secs(60);

/// What is sent.
#[derive(clap::Args)]
pub struct Args {
    /// The broker
    #[arg(long)]
    brokers: String,
    /// Topics of one partition, which take turns
    #[arg(long, value_delimiter = ',')]
    topics: Vec<String>,
    /// Records a second
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    #[arg(long, default_value_t = 100)]
    record_size: usize,
    /// How many keys a topic has
    #[arg(long)]
    keys: u64,
    /// Ends then at the latest; before, when its standard input is closed
    #[arg(long, default_value_t = 300.0)]
    seconds: f64,
}

/// When records were due and how long after that they were acknowledged, in microseconds.
#[derive(Default)]
struct Times {
    acknowledged: Vec<(usize, u128)>,
    failed: u64,
}

struct Context {
    origin: Instant,
    times: Arc<Mutex<Times>>,
}

impl ClientContext for Context {}

impl ProducerContext for Context {
    /// Microseconds from the origin to when the record was due.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, due: usize) {
        let now = self.origin.elapsed().as_micros();
        let mut times = self.times.lock().expect("nobody panics under this lock");
        match result {
            Ok(_) => times.acknowledged.push((due, now.saturating_sub(due as u128))),
            Err(_) => times.failed += 1,
        }
    }
}

/// Sends until it is told to end, and answers when it began and all times in milliseconds.
pub fn run(args: &Args) -> Result<Value> {
    let ends = end_of_input();
    let begun_unix_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64() * 1e3;
    let origin = Instant::now();
    let times = Arc::new(Mutex::new(Times::default()));
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &args.brokers).set("acks", "all").set("linger.ms", "0");
    let context = Context { origin, times: Arc::clone(&times) };
    let producer: ThreadedProducer<Context> = config.create_with_context(context)?;
    let records = payload::records(DISTINCT_RECORDS, args.record_size);
    let mut keys = payload::Keys::new(args.keys);
    let interval = Duration::from_secs(1) / args.rate;
    for nth in 0_u32.. {
        let due = interval * nth;
        if ends.load(Ordering::SeqCst) || due.as_secs_f64() > args.seconds {
            break;
        }
        // Behind its time a record counts from when it should have been sent.
        if let Some(early) = due.checked_sub(origin.elapsed()) {
            thread::sleep(early);
        }
        let topic = &args.topics[nth as usize % args.topics.len()];
        let key = keys.next();
        let record = BaseRecord::with_opaque_to(topic, usize::try_from(due.as_micros())?);
        let record = record.partition(0).key(&key).payload(&records[nth as usize % DISTINCT_RECORDS]);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    producer.flush(FLUSH_LIMIT)?;
    let times = times.lock().expect("nobody panics under this lock");
    ensure!(times.failed == 0, "{} records were not acknowledged", times.failed);
    let samples: Vec<[f64; 2]> =
        times.acknowledged.iter().map(|&(due, took)| [due as f64 / 1e3, took as f64 / 1e3]).collect();
    Ok(json!({ "begun_unix_ms": begun_unix_ms, "due_and_took_ms": samples }))
}

/// Becomes true when whoever started this closes its standard input.
fn end_of_input() -> Arc<AtomicBool> {
    let ends = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&ends);
    thread::spawn(move || {
        let mut byte = [0];
        while std::io::stdin().read(&mut byte).is_ok_and(|count| count > 0) {}
        flag.store(true, Ordering::SeqCst);
    });
    ends
}
