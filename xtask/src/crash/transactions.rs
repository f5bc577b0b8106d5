//! The load of transactions under which the broker is hurt: producers of both generations that commit, abort, walk
//! away, are fenced and are never told how it ended; readers of the committed beside them. As with the other load,
//! the threads outlive the broker. When and how it is hurt is the scenario's.

mod closing;
mod lane;
mod reader;
mod rival;
mod tally;
mod writer;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use levada_protocol::ErrorCode;

use super::course::{Course, RETRY_INTERVAL};
use super::workload::Finished;
use crate::history::payload::{Place, topic_hash};
use crate::history::{History, Log, Op};
use crate::kafka_client::{Connection, Partition, error_name};
pub(super) use tally::Tally;

/// After the last fault everyone makes progress within this time.
const LIVENESS_LIMIT: Duration = Duration::from_secs(60);
/// Readers of the committed.
const READERS: u32 = 2;

/// A topic of the load.
#[derive(Clone, Debug)]
pub(super) struct TopicPlan {
    pub(super) name: String,
    pub(super) partitions: i32,
    pub(super) configs: Vec<(String, String)>,
}

/// What the load is.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Decides every random choice, and marks the records of this run.
    pub(super) seed: u64,
    pub(super) writers: u32,
    /// How many transactions are begun, all in all.
    pub(super) transactions: u64,
    pub(super) topics: Vec<TopicPlan>,
}

/// One partition.
#[derive(Clone, Debug)]
struct Home {
    log: Log,
    partition: Partition,
    place: Place,
}

/// What the threads share.
#[derive(Debug)]
struct Shared {
    plan: Plan,
    course: Course,
    homes: Vec<Home>,
    begun: AtomicU64,
    ended: AtomicU64,
    tally: Tally,
}

impl Shared {
    /// Whether one more transaction is to be begun.
    fn take_turn(&self) -> bool {
        self.begun.fetch_add(1, Ordering::SeqCst) < self.plan.transactions
    }
}

/// The running load.
#[derive(Debug)]
pub(super) struct Load {
    shared: Arc<Shared>,
    writers: Vec<JoinHandle<Vec<Op>>>,
    others: Vec<JoinHandle<Vec<Op>>>,
}

impl Load {
    /// Creates the topics on the broker at `address`, which must be up, and starts the load.
    pub(super) fn start(plan: Plan, address: SocketAddr) -> Result<Self> {
        create_topics(&plan, address)?;
        let homes = homes(&plan);
        let shared = Arc::new(Shared {
            plan,
            course: Course::new(address),
            homes,
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            tally: Tally::default(),
        });
        let mut load = Self { shared, writers: Vec::new(), others: Vec::new() };
        for index in 0..load.shared.plan.writers {
            let writer = load.spawn(&format!("writer {index}"), move |shared| writer::run(shared, index))?;
            load.writers.push(writer);
        }
        for index in 0..READERS {
            let reader = load.spawn(&format!("reader {index}"), move |shared| reader::run(shared, index))?;
            load.others.push(reader);
        }
        let rival = load.spawn("rival", rival::run)?;
        load.others.push(rival);
        Ok(load)
    }

    fn spawn(&self, name: &str, run: impl FnOnce(&Shared) -> Vec<Op> + Send + 'static) -> Result<JoinHandle<Vec<Op>>> {
        let shared = Arc::clone(&self.shared);
        Ok(thread::Builder::new().name(name.to_owned()).spawn(move || run(&shared))?)
    }

    /// Transactions that have come to an end so far, one way or another.
    pub(super) fn ended(&self) -> u64 {
        self.shared.ended.load(Ordering::SeqCst)
    }

    /// What became of the transactions.
    pub(super) fn tally(&self) -> &Tally {
        &self.shared.tally
    }

    /// Waits until the writers are through against a healed broker, ends what they left open, reads everything, and
    /// answers what was seen.
    pub(super) fn finish(&mut self) -> Finished {
        self.shared.course.give_up_in(LIVENESS_LIMIT);
        let mut ops = self.join(true);
        ops.extend(closing::settle(&self.shared));
        self.shared.course.begin_finishing();
        ops.extend(self.join(false));
        ops.extend(closing::read(&self.shared));
        let name = |home: &Home| format!("{}-{}", home.partition.topic, home.partition.index);
        let logs = self.shared.homes.iter().map(name).collect();
        let problems = self.shared.course.problems();
        Finished { history: History { logs, ops }, problems }
    }

    fn join(&mut self, writers: bool) -> Vec<Op> {
        let threads = std::mem::take(if writers { &mut self.writers } else { &mut self.others });
        let mut ops = Vec::new();
        for thread in threads {
            match thread.join() {
                Ok(recorded) => ops.extend(recorded),
                Err(_) => self.shared.course.problem("a client of the test panicked".to_owned()),
            }
        }
        ops
    }
}

fn create_topics(plan: &Plan, address: SocketAddr) -> Result<()> {
    let mut connection = Connection::open_patiently(address, LIVENESS_LIMIT)?;
    for topic in &plan.topics {
        let code = connection.create_topic(&topic.name, topic.partitions, &topic.configs)?;
        ensure!(code == 0, "topic `{}` was refused: {}", topic.name, error_name(code));
    }
    let deadline = Instant::now() + LIVENESS_LIMIT;
    let is_ready = |connection: &mut Connection| -> Result<bool> {
        let is_group_ready = connection.find_coordinator("any")? == ErrorCode::None.code();
        Ok(connection.find_transaction_coordinator("any")?.is_ok() && is_group_ready)
    };
    while !is_ready(&mut connection)? {
        ensure!(Instant::now() < deadline, "no coordinator after {LIVENESS_LIMIT:?}");
        sleep(RETRY_INTERVAL);
    }
    Ok(())
}

fn homes(plan: &Plan) -> Vec<Home> {
    let partitions =
        plan.topics.iter().flat_map(|topic| (0..topic.partitions).map(|index| (topic.name.clone(), index)));
    let home = |(log, (topic, index)): (u32, (String, i32))| Home {
        log: Log(log),
        place: Place {
            run: plan.seed,
            topic: topic_hash(&topic, 0),
            partition: u32::try_from(index).expect("counted from 0"),
        },
        partition: Partition { topic, index },
    };
    (0..).zip(partitions).map(home).collect()
}
