//! The owner of all transactions: carries out what they decide, durably, and answers when it is.
//!
//! Their state lives in `__transaction_state`, in Kafka's record format. A call locks its transactional id shortly,
//! lets the pure [`Transaction`] decide and hands what is to be written to the store in the same breath; [`follow`]
//! takes the writes up in their order when they are durable.
//!
//! The end of a transaction is one piece of the journal: markers of all partitions, `__consumer_offsets` among them,
//! and the state, so that a crash leaves all or nothing. Only where a topic is not journalled is the decision written
//! first (`Prepare…`), then its markers, then the end.
//!
//! ```text
//! request ─▶ slot lock ─▶ Transaction::… ─▶ store.append ─▶ follow ─▶ durable ─▶ offsets visible ─▶ answer
//! ```

mod end;
mod follow;
mod load;
mod produce;
mod requests;
mod timers;

pub(crate) use produce::Admitted;
pub use requests::{DescribedTransaction, ListTransactions, ListedTransactions};
pub(crate) use timers::TransactionSettings;

use crate::{
    Runtime,
    coordinator::{Coordinator, CoordinatorError, places::Places},
    transaction::{Producer, Status, Transaction, TransactionError, records},
};
use follow::Follower;
use levada_model::{
    Clock, PartitionIndex, Str, TopicName,
    batch::Batch,
    record::{BatchBuilder, NewRecord},
};
use levada_store::{AppendEntry, AppendError, Log, Origin, Store};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::Notify;

/// The longest transactional id, in bytes.
pub const TRANSACTIONAL_ID_SIZE_MAX: usize = 1024;
/// The most transactional ids.
const IDS_MAX: usize = 200_000;

/// Why a request about a transaction was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactError {
    /// The transaction does not allow it.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// The transactional id is empty or too long.
    #[error("transactional id is empty or longer than {limit} bytes")]
    InvalidId {
        /// How long it may be.
        limit: usize,
    },
    /// The timeout is not positive, or longer than `transaction.max.timeout.ms`.
    #[error("transaction timeout is not between 1 and {max_ms} ms (`transaction.max.timeout.ms`)")]
    InvalidTimeout {
        /// How long it may be.
        max_ms: i32,
    },
    /// The coordinator could not take the request.
    #[error(transparent)]
    Coordinator(#[from] CoordinatorError),
}

impl TransactError {
    /// Whether the same request may succeed later.
    pub(crate) const fn is_passing(&self) -> bool {
        matches!(self, Self::Transaction(TransactionError::Concurrent) | Self::Coordinator(_))
    }

    fn not_available(reason: &str) -> Self {
        Self::Coordinator(CoordinatorError::NotAvailable(reason.to_owned()))
    }
}

/// The name of the topic in which transactions are kept.
pub(crate) fn topic_name() -> TopicName {
    TopicName::new("__transaction_state").expect("the name is legal")
}

/// One transactional id.
#[derive(Debug, Default)]
struct Slot {
    /// `None` until it was written for the first time.
    transaction: Option<Transaction>,
    /// A write is under way on which the next step depends.
    pending: bool,
    /// It was taken out of the table: look it up again.
    gone: bool,
}

impl Slot {
    /// The transaction as `producer` may use it.
    fn of(&self, producer: Producer) -> Result<&Transaction, TransactError> {
        let transaction = self.transaction.as_ref().ok_or(TransactionError::InvalidMapping)?;
        transaction.check(producer)?;
        if self.pending { Err(TransactionError::Concurrent.into()) } else { Ok(transaction) }
    }
}

type Shared = Arc<Mutex<Slot>>;

/// The owner of all transactions.
pub(crate) struct Transactions {
    store: Store,
    clock: Arc<dyn Clock>,
    topic: TopicName,
    places: Places,
    groups: Arc<Coordinator>,
    slots: Mutex<BTreeMap<Str, Shared>>,
    follower: Follower,
    /// Partitions that could not be read, and why: their ids are refused, lest they seem to be new.
    unreadable: Mutex<BTreeMap<PartitionIndex, String>>,
    loaded: AtomicBool,
    closed: AtomicBool,
    ending: Notify,
}

impl Transactions {
    pub(crate) fn new(store: Store, clock: Arc<dyn Clock>, groups: Arc<Coordinator>) -> Arc<Self> {
        Arc::new(Self {
            store,
            clock,
            topic: topic_name(),
            places: Places::default(),
            groups,
            slots: Mutex::default(),
            follower: Follower::default(),
            unreadable: Mutex::default(),
            loaded: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            ending: Notify::new(),
        })
    }

    /// Starts what runs beside the requests: the follower of writes, the timers. [`Self::load`] comes before the first.
    pub(crate) fn start(self: &Arc<Self>, runtime: &Arc<dyn Runtime>, settings: TransactionSettings) {
        let this = Arc::clone(self);
        runtime.spawn("transaction-follow", Box::pin(async move { this.follow().await }));
        let (this, sleeper) = (Arc::clone(self), Arc::clone(runtime));
        runtime.spawn("transaction-timers", Box::pin(async move { this.run_timers(&*sleeper, settings).await }));
    }

    /// Ends what [`Self::start`] began, once all writes are answered.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.ending.notify_waiters();
        self.follower.close();
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }

    /// Whether a request about `id` can be taken.
    fn check(&self, id: &Str) -> Result<(), TransactError> {
        if id.is_empty() || id.len() > TRANSACTIONAL_ID_SIZE_MAX {
            return Err(TransactError::InvalidId { limit: TRANSACTIONAL_ID_SIZE_MAX });
        }
        self.check_loaded()?;
        let unreadable = self.unreadable.lock();
        if unreadable.is_empty() {
            return Ok(());
        }
        let reason = self.log(id).and_then(|log| unreadable.get(&log.partition()));
        reason.map_or(Ok(()), |reason| Err(TransactError::not_available(reason)))
    }

    fn check_loaded(&self) -> Result<(), TransactError> {
        if self.is_closed() {
            return Err(TransactError::not_available("the broker is shutting down"));
        }
        if self.is_loaded() { Ok(()) } else { Err(CoordinatorError::LoadInProgress.into()) }
    }

    /// Whether the topic is there that transactions are kept in.
    pub(crate) fn has_topic(&self) -> bool {
        self.store.image().topic(self.topic.as_str()).is_some()
    }

    /// Whether a transaction of `id` goes on.
    pub(crate) fn is_ongoing(&self, id: &str) -> Result<bool, TransactError> {
        self.check_loaded()?;
        let is_ongoing = |slot: Shared| slot.lock().transaction.as_ref().is_some_and(|it| it.status == Status::Ongoing);
        Ok(self.slot(id).is_some_and(is_ongoing))
    }

    fn slot(&self, id: &str) -> Option<Shared> {
        self.slots.lock().get(id).cloned()
    }

    fn known(&self, id: &Str) -> Result<Shared, TransactError> {
        self.check(id)?;
        self.slot(id).ok_or_else(|| TransactionError::InvalidMapping.into())
    }

    fn slot_or_new(&self, id: &Str) -> Result<Shared, TransactError> {
        let mut slots = self.slots.lock();
        if let Some(slot) = slots.get(id) {
            return Ok(Arc::clone(slot));
        }
        if slots.len() >= IDS_MAX {
            return Err(TransactError::not_available("there are too many transactional ids"));
        }
        let slot = Shared::default();
        slots.insert(id.detached(), Arc::clone(&slot));
        Ok(slot)
    }

    /// All transactional ids, in their order.
    fn all(&self) -> Vec<(Str, Shared)> {
        self.slots.lock().iter().map(|(id, slot)| (id.clone(), Arc::clone(slot))).collect()
    }

    /// The log in which `id` is kept.
    fn log(&self, id: &str) -> Option<Arc<Log>> {
        let image = self.store.image();
        let topic = image.topic(self.topic.as_str())?;
        let count = i32::try_from(topic.logs.len()).ok().filter(|&count| count > 0)?;
        topic.log(self.places.of(id, count)).cloned()
    }

    /// The write that keeps the state of `id`; without one it is forgotten.
    fn state(&self, id: &str, transaction: Option<&Transaction>) -> Result<AppendEntry, TransactError> {
        let log = self.log(id).ok_or_else(|| TransactError::not_available("its topic does not exist yet"))?;
        let (key, value) = (records::key(id), transaction.map(records::value));
        let timestamp = self.clock.wall_ms();
        let mut builder = BatchBuilder::new();
        builder.push(&NewRecord { timestamp, key: Some(&key), value: value.as_deref(), headers: &[] });
        let batch = Batch::check(builder.finish()).expect("a batch that was just built is sound");
        Ok(AppendEntry { log, batch, origin: Origin::Coordinator })
    }
}

impl From<AppendError> for TransactError {
    fn from(error: AppendError) -> Self {
        Self::Coordinator(CoordinatorError::NotAvailable(error.to_string()))
    }
}
