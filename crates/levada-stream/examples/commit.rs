//! What an epoch's commit costs: `commit [JOURNALS] [SECONDS] [PAUSE_MS]`.
//!
//! Each of so many statements commits an epoch with one record of 200 bytes to a shared topic, flat out or with a pause
//! between two epochs, on a store in a temporary directory. CPU is that of the whole process.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement says what it found, or fails")]

use bytes::Bytes;
use levada_broker::{
    Broker, BrokerParts, Runtime,
    auth::AllowAll,
    config::{BrokerConfig, TopicDefaults},
};
use levada_log::disk::RealDisk;
use levada_model::{Clock as _, SeededRng, SystemClock, TopicName};
use levada_store::{Store, StoreConfig, local::StoreParts};
use levada_stream::{Caller, Handle, Journal, Output, OutputRecord, Principal};
use std::{pin::Pin, sync::Arc, time::Duration};

struct Tokio;

impl Runtime for Tokio {
    fn spawn(&self, _: &'static str, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        drop(tokio::runtime::Handle::current().spawn(task));
    }

    fn spawn_blocking(&self, _: &'static str, work: Box<dyn FnOnce() + Send>) {
        drop(tokio::runtime::Handle::current().spawn_blocking(work));
    }

    fn sleep(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(span))
    }
}

fn broker(dir: &std::path::Path) -> (Arc<Broker>, Store) {
    let config = BrokerConfig::from_settings([]).unwrap();
    let defaults = TopicDefaults::of(&config);
    let rng = Arc::new(SeededRng::new(1));
    let parts = StoreParts {
        disk: Arc::new(RealDisk),
        clock: Arc::new(SystemClock),
        rng: Arc::clone(&rng) as _,
        resolve: Arc::new(move |name, configs| defaults.resolve(name, configs)),
    };
    let (store, _) = Store::open(StoreConfig { data_dir: dir.to_owned(), ..StoreConfig::default() }, parts).unwrap();
    let parts = BrokerParts {
        store: store.clone(),
        clock: Arc::new(SystemClock),
        rng,
        authorizer: Arc::new(AllowAll),
        runtime: Arc::new(Tokio),
        log_dir: String::new(),
    };
    (Broker::new(config, parts), store)
}

fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap(), u32::try_from(time.tv_nsec).unwrap())
}

fn caller() -> Caller {
    Caller { principal: Principal::anonymous(), client_id: "sql".into(), client_host: "/127.0.0.1".into() }
}

/// Commits until `end`; says how often it did.
async fn run(mut journal: Journal, partition: i32, (wait, pause): (Duration, Duration), end: Duration) -> u64 {
    let topic = TopicName::new("sink").unwrap();
    let (value, epoch) = (Bytes::from(vec![b'x'; 200]), Bytes::from(vec![b'e'; 100]));
    let mut commits = 0;
    tokio::time::sleep(wait).await;
    while SystemClock.monotonic() < end {
        let record =
            OutputRecord { timestamp: SystemClock.wall_ms(), value: Some(value.clone()), ..OutputRecord::default() };
        let output = Output { topic: topic.clone(), partition, records: vec![record] };
        journal.commit(vec![output], epoch.clone()).await.unwrap();
        commits += 1;
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
    commits
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>().unwrap());
    let mut next = |default| args.next().unwrap_or(default);
    let (journals, seconds, pause_ms) = (next(100), next(10), next(0));
    let dir = tempfile::tempdir_in(".").unwrap();
    let (broker, store) = broker(dir.path());
    while !broker.is_ready() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let handle = Handle::new(Arc::clone(&broker));
    handle.create_topic(&caller(), "sink", 8, &[]).await.unwrap();
    let mut open = Vec::new();
    for number in 0..journals {
        open.push(handle.journal(&caller(), &format!("statement-{number}")).await.unwrap().0);
    }
    let (before, begun) = (cpu(), SystemClock.monotonic());
    let (end, pause) = (begun + Duration::from_secs(seconds), Duration::from_millis(pause_ms));
    let rounds = store.stats().journal_rounds;
    let mut tasks = tokio::task::JoinSet::new();
    let count = u32::try_from(journals.max(1)).unwrap();
    for ((journal, number), partition) in open.into_iter().zip(0..).zip((0..8).cycle()) {
        // They do not all begin at one moment.
        tasks.spawn(run(journal, partition, (pause * number / count, pause), end));
    }
    let commits: u64 = tasks.join_all().await.into_iter().sum();
    let (used, took) = (cpu() - before, SystemClock.monotonic() - begun);
    let rounds = store.stats().journal_rounds - rounds;
    let micros = used.as_micros() / u128::from(commits.max(1));
    println!("{journals} journals, {commits} commits in {took:.1?}: {} a second", commits / seconds.max(1));
    println!(
        "{micros} us of CPU a commit, {:.3} cores, {rounds} rounds of the journal",
        used.as_secs_f64() / took.as_secs_f64()
    );
    broker.close();
    store.close();
}
