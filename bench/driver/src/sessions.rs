//! Consumers of many partitions of which few have anything new, each with a fetch session: after the first fetch a
//! request names only partitions whose position moved.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use levada_model::batch::{Batch, split};
use levada_model::record::Records;
use levada_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use levada_protocol::messages::{FetchRequest, FetchResponse};
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use serde_json::{Map, Value};

use crate::wire::{Connection, check, retry};
use crate::{broker_cpu, percentiles};

/// The last version that names topics.
const FETCH_VERSION: i16 = 12;
/// What Java's consumer asks for.
const FETCH_WAIT_MS: i32 = 500;
const FETCH_SIZE_MAX: i32 = 50 << 20;
const PARTITION_SIZE_MAX: i32 = 1 << 20;
const RECORD_SIZE: usize = 128;
/// A step that visits all partitions in no order that a broker could guess; a prime.
const STEP: u64 = 7_919;
/// Neither a session nor one to begin.
const NO_SESSION_EPOCH: i32 = -1;
const FLUSH_LIMIT: Duration = Duration::from_secs(30);

/// Who fetches, and how little there is.
#[derive(clap::Args)]
pub struct Args {
    /// The broker
    #[arg(long)]
    brokers: String,
    /// The broker's process
    #[arg(long)]
    pid: u32,
    /// A fresh topic
    #[arg(long)]
    topic: String,
    #[arg(long, default_value_t = 1_000)]
    partitions: u16,
    #[arg(long, default_value_t = 10)]
    consumers: u16,
    /// Records a second over all partitions
    #[arg(long, default_value_t = 100)]
    rate: u32,
    #[arg(long, default_value_t = 3.0)]
    warmup_seconds: f64,
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

/// Sends, fetches, and answers what was measured.
pub fn run(args: &Args) -> Result<Value> {
    await_leaders(args)?;
    let origin = Instant::now();
    let (warm, seconds) = (Duration::from_secs_f64(args.warmup_seconds), Duration::from_secs_f64(args.seconds));
    let span = Span { origin, warm, end: warm + seconds };
    let stop = AtomicBool::new(false);
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &args.brokers).set("acks", "all").set("linger.ms", "0");
    let producer: ThreadedProducer<DefaultProducerContext> = config.create()?;
    let (cpu_seconds, outcomes) = thread::scope(|scope| -> Result<_> {
        let sender = scope.spawn(|| send(&producer, args, origin, &stop));
        let consumers: Vec<_> = (0..args.consumers).map(|_| scope.spawn(|| consume(args, &span))).collect();
        thread::sleep(warm);
        let before = broker_cpu::seconds(args.pid)?;
        thread::sleep(seconds);
        let cpu_seconds = broker_cpu::seconds(args.pid)? - before;
        let outcomes: Vec<Result<Fetched>> =
            consumers.into_iter().map(|consumer| consumer.join().expect("a consumer does not panic")).collect();
        stop.store(true, Ordering::SeqCst);
        sender.join().expect("the sender does not panic")?;
        Ok((cpu_seconds, outcomes))
    })?;
    let (mut fetches, mut micros) = (0, Vec::new());
    for outcome in outcomes {
        let fetched = outcome?;
        fetches += fetched.fetches;
        micros.extend(fetched.micros);
    }
    let due = f64::from(args.rate) * args.seconds * f64::from(args.consumers);
    ensure!(micros.len() as f64 > due * 0.9, "only {} of {due} records came", micros.len());
    let mut answer = Map::new();
    answer.insert("fetches".to_owned(), fetches.into());
    answer.insert("fetches_per_second".to_owned(), (fetches as f64 / args.seconds).into());
    answer.insert("cpu_seconds".to_owned(), cpu_seconds.into());
    percentiles::add(&mut answer, micros);
    Ok(answer.into())
}

/// What is measured: from the warm-up's end on.
struct Span {
    origin: Instant,
    warm: Duration,
    end: Duration,
}

/// What one consumer saw after the warm-up.
#[derive(Default)]
struct Fetched {
    fetches: u64,
    /// From when a record was due to be sent until it was here.
    micros: Vec<u64>,
}

/// Waits until each partition of the fresh topic is served.
fn await_leaders(args: &Args) -> Result<()> {
    let mut connection = Connection::open(&args.brokers)?;
    let mut request = request(&args.topic, &beginnings(args.partitions), 0, NO_SESSION_EPOCH);
    request.max_wait_ms = 0;
    retry(|| {
        let response = connection.call(&request, FETCH_VERSION)?;
        let mut codes = response.responses.iter().flat_map(|topic| &topic.partitions).map(|data| data.error_code);
        Ok((codes.find(|&code| code != 0).unwrap_or(response.error_code), ()))
    })
}

fn beginnings(partitions: u16) -> BTreeMap<i32, i64> {
    (0..i32::from(partitions)).map(|partition| (partition, 0)).collect()
}

fn consume(args: &Args, span: &Span) -> Result<Fetched> {
    let mut connection = Connection::open(&args.brokers)?;
    let mut fetched = Fetched::default();
    // The first request names all partitions, each later one those that moved.
    let mut named = beginnings(args.partitions);
    let (mut session_id, mut session_epoch) = (0, 0);
    while span.origin.elapsed() < span.end {
        let request = request(&args.topic, &named, session_id, session_epoch);
        let response = connection.call(&request, FETCH_VERSION)?;
        let now = span.origin.elapsed();
        check(response.error_code)?;
        ensure!(response.session_id != 0, "the broker keeps no fetch session");
        (session_id, session_epoch) = (response.session_id, session_epoch + 1);
        named.clear();
        let counts = now >= span.warm && now < span.end;
        fetched.fetches += u64::from(counts);
        for (partition, position, stamps) in read(response)? {
            named.insert(partition, position);
            let after_warm_up = stamps.into_iter().filter(|sent| counts && *sent >= span.warm);
            fetched.micros.extend(after_warm_up.map(|sent| now.saturating_sub(sent).as_micros() as u64));
        }
    }
    Ok(fetched)
}

fn request(topic: &str, named: &BTreeMap<i32, i64>, session_id: i32, session_epoch: i32) -> FetchRequest {
    let partition = |(&partition, &fetch_offset): (&i32, &i64)| FetchPartition {
        partition,
        fetch_offset,
        partition_max_bytes: PARTITION_SIZE_MAX,
        ..FetchPartition::default()
    };
    let topic =
        FetchTopic { topic: topic.into(), partitions: named.iter().map(partition).collect(), ..FetchTopic::default() };
    FetchRequest {
        max_wait_ms: FETCH_WAIT_MS,
        min_bytes: 1,
        max_bytes: FETCH_SIZE_MAX,
        session_id,
        session_epoch,
        topics: if named.is_empty() { Vec::new() } else { vec![topic] },
        ..FetchRequest::default()
    }
}

/// Of each partition with records: the next offset, and when each record was due.
fn read(response: FetchResponse) -> Result<Vec<(i32, i64, Vec<Duration>)>> {
    let mut partitions = Vec::new();
    for data in response.responses.into_iter().flat_map(|topic| topic.partitions) {
        check(data.error_code)?;
        let mut stamps = Vec::new();
        let mut position = None;
        for batch in split(data.records.into_bytes().unwrap_or_default()) {
            let (header, bytes) = batch?;
            position = Some(header.next_offset());
            for record in Records::new(Batch::check(bytes)?.records(), header.record_count) {
                stamps.push(stamp(&record?.value.unwrap_or_default())?);
            }
        }
        if let Some(position) = position {
            partitions.push((data.partition_index, position, stamps));
        }
    }
    Ok(partitions)
}

fn stamp(value: &Bytes) -> Result<Duration> {
    let nanos = value.first_chunk::<8>().context("a short record")?;
    Ok(Duration::from_nanos(u64::from_be_bytes(*nanos)))
}

fn send(
    producer: &ThreadedProducer<DefaultProducerContext>,
    args: &Args,
    origin: Instant,
    stop: &AtomicBool,
) -> Result<()> {
    let mut record = vec![b'x'; RECORD_SIZE];
    let interval = Duration::from_secs(1) / args.rate;
    let begun = origin.elapsed();
    for nth in 0_u32.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let due = begun + interval * nth;
        if let Some(early) = due.checked_sub(origin.elapsed()) {
            thread::sleep(early);
        }
        let partition = i32::try_from(u64::from(nth) * STEP % u64::from(args.partitions))?;
        record[..8].copy_from_slice(&u64::try_from(due.as_nanos())?.to_be_bytes());
        let sent = producer.send(BaseRecord::<(), [u8]>::to(&args.topic).partition(partition).payload(&record));
        sent.map_err(|(error, _)| error)?;
    }
    producer.flush(FLUSH_LIMIT)?;
    Ok(())
}
