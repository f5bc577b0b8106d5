//! The owner of all groups: carries out what they decide, durably, and answers when it is.
//!
//! Groups and committed offsets live in `__consumer_offsets`, in Kafka's record formats ([`records`]). A call
//! locks its group's shard shortly, lets the pure state machine decide, hands records to the store in the same
//! breath (so that the log has them in the order of the decisions) and waits without the lock. The [`journal`]
//! follows the writes in order: when one is durable, its offsets become visible and the answers behind it leave.
//!
//! ```text
//! request ─▶ shard lock ─▶ Group::… ─▶ effects ─▶ store.append ─▶ journal ─▶ durable ─▶ apply, answer
//! ```

pub mod commits;
pub(crate) mod consumer;
pub mod consumer_records;
mod journal;
mod load;
pub(crate) mod places;
pub mod records;
mod requests;
mod shard;
pub(crate) mod timers;
mod transactional;
mod trim;

pub use commits::{
    CommitPartition, CommitTopic, DeleteGroupError, DeleteOffsetError, DeleteOffsets, DeleteOffsetsError, FetchOffsets,
    OffsetCommit, OffsetCommitError,
};
pub use requests::GroupError;

use crate::{
    Runtime,
    group::{GroupLimits, Now},
};
use journal::Journal;
use levada_model::{Clock, PartitionIndex, ProducerId, Rng, Str, TopicName};
use levada_store::{Log, Store};
use parking_lot::Mutex;
use places::Places;
use shard::Shard;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use tokio::sync::Notify;

/// Groups are spread over this many locks.
const SHARDS: usize = 16;
/// The longest group id, in bytes.
pub const GROUP_ID_SIZE_MAX: usize = 1024;
/// The most groups of a shard.
const GROUPS_PER_SHARD_MAX: usize = 10_000;

/// Why the coordinator could not take a request at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoordinatorError {
    /// The group id is empty or too long.
    #[error("group id is empty or longer than {limit} bytes")]
    InvalidGroupId {
        /// How long it may be.
        limit: usize,
    },
    /// Groups are still being read from the log.
    #[error("groups are being loaded")]
    LoadInProgress,
    /// The state could not be kept, or there is no room for more. Trying again later may succeed.
    #[error("coordinator is not available: {0}")]
    NotAvailable(String),
}

impl CoordinatorError {
    fn not_available(reason: &str) -> Self {
        Self::NotAvailable(reason.to_owned())
    }
}

/// The name of the topic in which groups and offsets are kept.
pub(crate) fn topic_name() -> TopicName {
    TopicName::new("__consumer_offsets").expect("the name is legal")
}

/// The owner of all groups.
pub(crate) struct Coordinator {
    store: Store,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    limits: GroupLimits,
    topic: TopicName,
    places: Places,
    shards: Vec<Mutex<Shard>>,
    journal: Journal,
    /// Groups with offsets in open transactions.
    in_transactions: Mutex<BTreeMap<ProducerId, BTreeSet<Str>>>,
    requests: AtomicU64,
    loaded: AtomicBool,
    /// Told when loading is over.
    load_ended: Notify,
    /// Partitions that could not be read, and why: groups in them are refused, lest they seem to be new.
    unreadable: Mutex<BTreeMap<PartitionIndex, String>>,
    closed: AtomicBool,
    /// A deadline came nearer, or the coordinator closes.
    earlier: Notify,
    /// Told when this ends.
    ending: Notify,
}

impl Coordinator {
    pub(crate) fn new(store: Store, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>, limits: GroupLimits) -> Arc<Self> {
        Arc::new(Self {
            store,
            clock,
            rng,
            limits,
            topic: topic_name(),
            places: Places::default(),
            shards: (0..SHARDS).map(|_| Mutex::new(Shard::default())).collect(),
            journal: Journal::default(),
            in_transactions: Mutex::default(),
            requests: AtomicU64::new(0),
            loaded: AtomicBool::new(false),
            load_ended: Notify::new(),
            unreadable: Mutex::default(),
            closed: AtomicBool::new(false),
            earlier: Notify::new(),
            ending: Notify::new(),
        })
    }

    /// Starts what runs beside the requests: loading, with `then` behind it, the journal's follower, the timers.
    pub(crate) fn start(
        self: &Arc<Self>,
        runtime: &Arc<dyn Runtime>,
        settings: timers::ExpirySettings,
        then: Box<dyn FnOnce() + Send>,
    ) {
        let this = Arc::clone(self);
        let load = move || {
            this.load();
            then();
        };
        runtime.spawn_blocking("group-load", Box::new(load));
        let this = Arc::clone(self);
        runtime.spawn("group-journal", Box::pin(async move { this.follow_journal().await }));
        let (this, sleeper) = (Arc::clone(self), Arc::clone(runtime));
        runtime.spawn("group-trim", Box::pin(async move { this.run_trims(&*sleeper).await }));
        let this = Arc::clone(self);
        let sleeper = Arc::clone(runtime);
        runtime.spawn("group-timers", Box::pin(async move { this.run_timers(&*sleeper, settings).await }));
    }

    /// Ends what [`Self::start`] began, once all writes are answered.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.earlier.notify_one();
        self.ending.notify_waiters();
        self.load_ended.notify_waiters();
        self.journal.close();
        for shard in &self.shards {
            // Whoever waits is told that the group is gone from here, and asks again elsewhere or later.
            shard.lock().waiting.clear();
        }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn now(&self) -> Now {
        Now { monotonic: self.clock.monotonic(), wall_ms: self.clock.wall_ms() }
    }

    /// Whether a request about `group_id` can be taken.
    fn check(&self, group_id: &Str) -> Result<(), CoordinatorError> {
        if group_id.is_empty() {
            return Err(CoordinatorError::InvalidGroupId { limit: GROUP_ID_SIZE_MAX });
        }
        self.check_offsets(group_id)
    }

    /// Whether a request about the offsets of `group_id` can be taken. They may be of the group without a name.
    fn check_offsets(&self, group_id: &Str) -> Result<(), CoordinatorError> {
        if group_id.len() > GROUP_ID_SIZE_MAX {
            return Err(CoordinatorError::InvalidGroupId { limit: GROUP_ID_SIZE_MAX });
        }
        self.check_loaded()?;
        let unreadable = self.unreadable.lock();
        if unreadable.is_empty() {
            return Ok(());
        }
        let reason = self.log(group_id).and_then(|log| unreadable.get(&log.partition()));
        reason.map_or(Ok(()), |reason| Err(CoordinatorError::NotAvailable(reason.clone())))
    }

    /// Resolves when loading is over.
    pub(crate) async fn loaded(&self) {
        loop {
            let mut ended = std::pin::pin!(self.load_ended.notified());
            ended.as_mut().enable();
            if self.is_loaded() || self.is_closed() {
                return;
            }
            ended.await;
        }
    }

    pub(crate) fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }

    fn check_loaded(&self) -> Result<(), CoordinatorError> {
        if self.is_closed() {
            return Err(CoordinatorError::not_available("the broker is shutting down"));
        }
        if self.is_loaded() { Ok(()) } else { Err(CoordinatorError::LoadInProgress) }
    }

    /// Whether the topic is there that groups are kept in.
    pub(crate) fn has_topic(&self) -> bool {
        self.store.image().topic(self.topic.as_str()).is_some()
    }

    fn shard(&self, group_id: &str) -> &Mutex<Shard> {
        let hash = usize::try_from(records::java_hash(group_id)).unwrap_or(0);
        self.shards.get(hash % SHARDS).expect("a remainder of the number of shards")
    }

    /// The partition in which `group_id` is kept.
    pub(crate) fn partition_of(&self, group_id: &str) -> Option<PartitionIndex> {
        self.log(group_id).map(|log| log.partition())
    }

    /// The log in which `group_id` is kept.
    fn log(&self, group_id: &str) -> Option<Arc<Log>> {
        let image = self.store.image();
        let topic = image.topic(self.topic.as_str())?;
        let count = i32::try_from(topic.logs.len()).ok().filter(|&count| count > 0)?;
        topic.log(self.places.of(group_id, count)).cloned()
    }
}
