//! The load under which the broker is hurt: idempotent producers, a consumer that commits, topics that
//! come and go. The threads outlive the broker: they reconnect and go on until they are told to finish.
//! When and how the broker is hurt is the scenarios'.

mod admin;
mod consumer;
mod producer;
mod reader;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::course::{Course, RETRY_INTERVAL};
use crate::history::payload::{Place, topic_hash};
use crate::history::{History, Log, Op};
use crate::kafka_client::Partition;

/// 30 s after the last fault everyone makes progress.
const LIVENESS_LIMIT: Duration = Duration::from_secs(30);

/// What the load is.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Decides every random choice, and marks the records of this run.
    pub(super) seed: u64,
    /// How many producers there are; each writes to every partition.
    pub(super) producers: u32,
    /// How many topics with how many partitions each.
    pub(super) topics: u32,
    pub(super) partitions: i32,
    /// The topics' settings.
    pub(super) configs: Vec<(String, String)>,
    /// After how many requests each producer is done; `None` goes on until told to finish.
    pub(super) requests_max: Option<u32>,
    /// Records have up to this many bytes.
    pub(super) record_size_max: u64,
    /// How long a producer rests between requests.
    pub(super) rest: Duration,
    /// Whether what was acknowledged is promised to survive: with it, what the broker knows of a producer.
    pub(super) promises_durability: bool,
}

/// One partition of one incarnation of a topic.
#[derive(Clone, Debug)]
struct Home {
    log: Log,
    partition: Partition,
    place: Place,
}

/// Whether a topic is there, as far as its maker knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    /// Creation was acknowledged.
    There,
    /// Deletion was acknowledged.
    Gone,
    /// The answer was lost.
    Unknown,
}

#[derive(Clone, Debug)]
struct Topic {
    name: String,
    presence: Presence,
    homes: Vec<Home>,
}

/// What the threads share.
#[derive(Debug)]
struct Shared {
    plan: Plan,
    course: Course,
    /// Whether the lasting topics exist.
    ready: AtomicBool,
    acknowledged: AtomicU64,
    refused: AtomicU64,
    producers_done: AtomicU64,
    topics: Mutex<Vec<Topic>>,
}

impl Shared {
    /// Waits for the lasting topics; `false` where the run ends before.
    fn wait_until_ready(&self) -> bool {
        while !self.ready.load(Ordering::SeqCst) {
            if self.course.is_given_up() {
                return false;
            }
            sleep(RETRY_INTERVAL);
        }
        true
    }

    /// Makes places for a topic that is about to be created; answers its place in the list.
    fn register(&self, name: &str, incarnation: u32, partitions: i32) -> usize {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        let known: usize = topics.iter().map(|topic| topic.homes.len()).sum();
        let homes = (0..partitions).zip(known..).map(|(index, log)| Home {
            log: Log(u32::try_from(log).expect("a run has few logs")),
            partition: Partition { topic: name.to_owned(), index },
            place: Place {
                run: self.plan.seed,
                topic: topic_hash(name, incarnation),
                partition: u32::try_from(index).expect("counted from 0"),
            },
        });
        topics.push(Topic { name: name.to_owned(), presence: Presence::Unknown, homes: homes.collect() });
        topics.len() - 1
    }

    fn set_presence(&self, topic: usize, presence: Presence) {
        if let Some(topic) = self.topics.lock().unwrap_or_else(PoisonError::into_inner).get_mut(topic) {
            topic.presence = presence;
        }
    }

    fn topics(&self) -> Vec<Topic> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The partitions of the lasting topics, which are the first in the list.
    fn lasting(&self) -> Vec<Home> {
        let count = usize::try_from(self.plan.topics).unwrap_or(usize::MAX);
        self.topics().into_iter().take(count).flat_map(|topic| topic.homes).collect()
    }
}

/// The running load.
#[derive(Debug)]
pub(super) struct Workload {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Vec<Op>>>,
}

/// What a run came to.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) history: History,
    /// Broken promises that are not about records.
    pub(super) problems: Vec<String>,
}

impl Workload {
    /// The partitions of the lasting topics.
    pub(super) fn lasting(&self) -> Vec<Partition> {
        self.shared.lasting().into_iter().map(|home| home.partition).collect()
    }

    /// Starts the load against a broker that is, or soon will be, at `address`.
    pub(super) fn start(plan: Plan, address: SocketAddr) -> Result<Self> {
        let shared = Arc::new(Shared {
            plan,
            course: Course::new(address),
            ready: AtomicBool::new(false),
            acknowledged: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            producers_done: AtomicU64::new(0),
            topics: Mutex::new(Vec::new()),
        });
        let mut workload = Self { shared, threads: Vec::new() };
        workload.spawn("admin", admin::run)?;
        workload.spawn("consumer", consumer::run)?;
        for index in 0..workload.shared.plan.producers {
            workload.spawn(&format!("producer {index}"), move |shared| producer::run(shared, index))?;
        }
        Ok(workload)
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce(&Shared) -> Vec<Op> + Send + 'static) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        self.threads.push(thread::Builder::new().name(name.to_owned()).spawn(move || run(&shared))?);
        Ok(())
    }

    /// Records acknowledged so far.
    pub(super) fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::SeqCst)
    }

    /// Batches refused with a retriable error so far.
    pub(super) fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::SeqCst)
    }

    /// Whether all producers have sent what the plan wants and have it acknowledged.
    pub(super) fn is_done(&self) -> bool {
        self.shared.producers_done.load(Ordering::SeqCst) == u64::from(self.shared.plan.producers)
    }

    /// Waits until `count` more records are acknowledged.
    pub(super) fn wait_for(&self, count: u64) -> Result<()> {
        let wanted = self.acknowledged() + count;
        let deadline = Instant::now() + LIVENESS_LIMIT;
        while self.acknowledged() < wanted {
            ensure!(Instant::now() < deadline, "no progress for {LIVENESS_LIMIT:?}");
            sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Ends the load against a healed broker, reads everything, and answers what was seen.
    pub(super) fn finish(self) -> Finished {
        self.shared.course.give_up_in(LIVENESS_LIMIT);
        self.shared.course.begin_finishing();
        let mut ops = Vec::new();
        for thread in self.threads {
            match thread.join() {
                Ok(recorded) => ops.extend(recorded),
                Err(_) => self.shared.course.problem("a client of the test panicked".to_owned()),
            }
        }
        ops.extend(reader::run(&self.shared));
        let name = |home: Home| format!("{}-{}", home.partition.topic, home.partition.index);
        let logs = self.shared.topics().into_iter().flat_map(|topic| topic.homes).map(name).collect();
        let problems = self.shared.course.problems();
        Finished { history: History { logs, ops }, problems }
    }
}
