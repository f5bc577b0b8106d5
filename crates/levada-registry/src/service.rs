//! The owner of a topic and of the [`State`] that its records come to: reads the topic, decides one change after the
//! other, and shows what is durable.
//!
//! Readers hold a state that was durable when they came ([`Service::state`]). Changes wait in a queue; all that wait
//! are decided on a copy of the state, each seeing those before it, and written as one batch. When that is durable the
//! copy becomes the state, and they are answered. Deciding reads and compares schemas: it has a thread for itself.

use crate::state::State;
use arc_swap::ArcSwapOption;
use bytes::Bytes;
use levada_broker::{
    Broker,
    own_topic::{OwnRecord, OwnTopic, OwnTopicError},
};
use levada_model::{Offset, Timestamp, TopicId, TopicName};
use levada_schema::Registry;
use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::sync::{SetOnce, mpsc, oneshot};

/// Changes that wait; those beyond wait outside.
const WAITING_MAX: usize = 1_000;
/// So many are decided and written together, or fewer, once their records have so many bytes.
const TOGETHER_MAX: usize = 256;
const TOGETHER_SIZE_MAX: usize = 256 << 10;
/// Who asks while the topic is first read waits so long at most.
const LOAD_WAIT_MAX: Duration = Duration::from_secs(10);
/// So often another's topic is looked at.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(200);

/// Whether the registry answers, and whether it takes changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It still reads its topic, or cannot.
    Loading,
    /// It answers, and takes changes.
    Writer,
    /// It answers; others write the topic.
    Follower,
}

/// Why a change was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError<E> {
    /// The request is at fault.
    #[error(transparent)]
    Refused(E),
    /// The topic did not take it.
    #[error(transparent)]
    Topic(OwnTopicError),
    /// The registry does not run.
    #[error("the registry is closed")]
    Closed,
}

/// Decides on a state, at a time, what to write, and hands back what to answer once that is durable.
type Decide<S> = Box<dyn FnOnce(&S, Timestamp) -> Vec<<S as State>::Record> + Send>;

struct Change<S: State> {
    decide: Decide<S>,
    done: oneshot::Sender<Result<(), OwnTopicError>>,
}

/// A registry: of schemas, where nothing else is said.
pub struct Service<S: State = Registry> {
    topic: OwnTopic,
    state: ArcSwapOption<S>,
    /// Why there is no state and will be none.
    trouble: OnceLock<String>,
    /// Set once it is known which of the two.
    was_read: SetOnce<()>,
    changes: mpsc::Sender<Change<S>>,
}

impl<S: State> Service<S> {
    /// A registry that reads its topic and then serves, as a task that `spawn` starts, until it is dropped.
    ///
    /// # Panics
    /// Never: the topic's name is legal.
    pub fn start(
        broker: &Arc<Broker>,
        spawn: impl FnOnce(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>),
    ) -> Arc<Self> {
        let name = TopicName::new(S::TOPIC).expect("the name is legal");
        let topic = OwnTopic::new(Arc::clone(broker), name);
        let (changes, waiting) = mpsc::channel(WAITING_MAX);
        let service = Arc::new(Self {
            topic,
            state: ArcSwapOption::empty(),
            trouble: OnceLock::new(),
            was_read: SetOnce::new(),
            changes,
        });
        let place = Place { id: service.topic.id(), next: 0 };
        let owner = Owner { service: Arc::downgrade(&service), topic: service.topic.clone(), place };
        spawn(Box::pin(owner.run(waiting)));
        service
    }

    /// Waits until the topic was read, or cannot be, but not for ever: many clients take an answer that comes too early
    /// for the last word.
    pub async fn settled(&self) {
        // Whoever waited asks for the state, and learns there what became of it.
        drop(tokio::time::timeout(LOAD_WAIT_MAX, self.was_read.wait()).await);
    }

    /// The state, once the topic was read.
    #[must_use]
    pub fn state(&self) -> Option<Arc<S>> {
        self.state.load_full()
    }

    /// Why there is no state and will be none.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.get().map(String::as_str)
    }

    /// Whether it answers, and whether it takes changes.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        match (self.state.load().is_some(), self.topic.is_ours()) {
            (false, _) => Readiness::Loading,
            (true, true) => Readiness::Writer,
            (true, false) => Readiness::Follower,
        }
    }

    /// Decides a change on the newest state and answers when it is durable.
    ///
    /// # Errors
    /// [`WriteError::Refused`] with what `decide` answers; the others where it was not written.
    pub async fn change<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&S) -> Result<(Vec<S::Record>, T), S::Refusal> + Send + 'static,
    ) -> Result<T, WriteError<S::Refusal>> {
        self.change_at(|state, _| decide(state)).await
    }

    /// As [`Self::change`]; `decide` also gets the time at which its records are said to be written.
    ///
    /// # Errors
    /// As [`Self::change`].
    pub async fn change_at<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&S, Timestamp) -> Result<(Vec<S::Record>, T), S::Refusal> + Send + 'static,
    ) -> Result<T, WriteError<S::Refusal>> {
        let (tell, told) = oneshot::channel();
        let decide: Decide<S> = Box::new(move |state, now| match decide(state, now) {
            Ok((records, answer)) => {
                // Whoever asked may be gone.
                drop(tell.send(Ok(answer)));
                records
            }
            Err(error) => {
                drop(tell.send(Err(error)));
                Vec::new()
            }
        });
        let (done, written) = oneshot::channel();
        self.changes.send(Change { decide, done }).await.map_err(|_| WriteError::Closed)?;
        written.await.map_err(|_| WriteError::Closed)?.map_err(WriteError::Topic)?;
        told.await.map_err(|_| WriteError::Closed)?.map_err(WriteError::Refused)
    }
}

/// Up to where the topic was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// Another topic of the same name is read from its beginning.
    id: Option<TopicId>,
    next: Offset,
}

/// Changes that were decided, each on what those before it come to.
struct Round<S: State> {
    after: S,
    batches: Vec<Batch>,
    /// Those whose turn comes next.
    left: VecDeque<Change<S>>,
}

/// What is written at once, and who waits for it.
#[derive(Default)]
struct Batch {
    records: Vec<OwnRecord>,
    size: usize,
    told: Vec<oneshot::Sender<Result<(), OwnTopicError>>>,
}

/// The one who reads and writes the topic.
struct Owner<S: State> {
    service: std::sync::Weak<Service<S>>,
    topic: OwnTopic,
    place: Place,
}

impl<S: State> Owner<S> {
    async fn run(mut self, mut waiting: mpsc::Receiver<Change<S>>) {
        let mut state = match self.caught_up(S::default()).await {
            Ok(state) => state,
            Err(error) => {
                tracing::error!(%error, topic = S::TOPIC, "a registry does not start");
                if let Some(service) = self.service.upgrade() {
                    service.trouble.get_or_init(|| error.to_string());
                    drop(service.was_read.set(()));
                }
                return;
            }
        };
        tracing::info!(records = self.place.next, "{} are loaded", S::HOLDS);
        self.show(&state);
        loop {
            let mut changes = Vec::new();
            tokio::select! {
                count = waiting.recv_many(&mut changes, TOGETHER_MAX) => {
                    if count == 0 {
                        return;
                    }
                    let mut left = VecDeque::from(changes);
                    while !left.is_empty() {
                        (state, left) = self.carry_out(state, left).await;
                    }
                }
                // Another may make the topic at any time as long as there is none.
                () = tokio::time::sleep(FOLLOW_INTERVAL), if self.topic.log().is_none() || !self.topic.is_ours() => {
                    if !self.is_caught_up() {
                        state = self.follow(state).await;
                        self.show(&state);
                    }
                }
            }
        }
    }

    fn show(&self, state: &S) {
        if let Some(service) = self.service.upgrade() {
            service.state.store(Some(Arc::new(state.clone())));
            // It is set already but for the first time.
            drop(service.was_read.set(()));
        }
    }

    fn is_caught_up(&self) -> bool {
        let end = self.topic.log().map_or(0, |log| log.tail().high_watermark);
        self.place == Place { id: self.topic.id(), next: end }
    }

    /// The state with what the topic has beyond it.
    async fn caught_up(&mut self, state: S) -> Result<S, OwnTopicError> {
        let id = self.topic.id();
        let (state, from) = if id == self.place.id { (state, self.place.next) } else { (S::default(), 0) };
        let (state, next) = read(self.topic.clone(), state, from).await?;
        self.place = Place { id, next };
        Ok(state)
    }

    /// As [`Self::caught_up`]; where the topic cannot be read, the state stays.
    async fn follow(&mut self, state: S) -> S {
        match self.caught_up(state.clone()).await {
            Ok(state) => state,
            Err(error) => {
                tracing::warn!(%error, topic = S::TOPIC, "a registry's topic cannot be followed");
                state
            }
        }
    }

    /// Decides some, writes them, and answers them; gives back those that are left.
    async fn carry_out(&mut self, state: S, left: VecDeque<Change<S>>) -> (S, VecDeque<Change<S>>) {
        // Another may have written until the topic was claimed.
        let state = if self.is_caught_up() { state } else { self.follow(state).await };
        let (before, size_max, now) = (state.clone(), self.topic.batch_size_max(), self.topic.now());
        let deciding = tokio::task::spawn_blocking(move || decide(before, left, size_max, now));
        let Round { after, batches, left } = match deciding.await {
            Ok(round) => round,
            // Those that waited learn it from their channels.
            Err(error) => {
                tracing::error!(%error, topic = S::TOPIC, "changes could not be decided");
                return (state, VecDeque::new());
            }
        };
        let start = self.place;
        let mut outcomes = Vec::with_capacity(batches.len());
        let mut is_whole = true;
        for Batch { records, told, .. } in batches {
            let written = self.write(&records).await;
            is_whole &= matches!(written, Ok(true));
            outcomes.push((written.map(drop), told));
        }
        let state = if is_whole {
            after
        } else {
            // What was written, by whom ever, is what counts.
            self.place = start;
            self.follow(state).await
        };
        self.show(&state);
        for (outcome, told) in outcomes {
            told.into_iter().for_each(|done| drop(done.send(outcome.clone())));
        }
        (state, left)
    }

    /// Writes records; says whether they lie behind all that the state knows.
    async fn write(&mut self, records: &[OwnRecord]) -> Result<bool, OwnTopicError> {
        if records.is_empty() {
            return Ok(true);
        }
        let written = self.topic.append(records).await;
        let base = written.inspect_err(|error| tracing::warn!(%error, "{} were not written", S::HOLDS))?;
        let is_next = base == self.place.next;
        if !is_next {
            let expected = self.place.next;
            tracing::error!(base, expected, topic = S::TOPIC, "somebody else wrote to a registry's topic");
        }
        let count = i64::try_from(records.len()).unwrap_or(i64::MAX);
        self.place = Place { id: self.topic.id(), next: base.saturating_add(count) };
        Ok(is_next)
    }
}

/// Decides changes until their records are many. Takes its time.
fn decide<S: State>(state: S, mut left: VecDeque<Change<S>>, size_max: usize, now: Timestamp) -> Round<S> {
    let mut after = state;
    let mut batches = vec![Batch::default()];
    let mut size = 0;
    while size < TOGETHER_SIZE_MAX
        && let Some(Change { decide, done }) = left.pop_front()
    {
        let records = decide(&after, now);
        let encoded: Vec<OwnRecord> = records.iter().map(|record| encoded::<S>(record, now)).collect();
        let own_size = encoded.iter().map(size_of).sum::<usize>();
        if own_size > size_max {
            drop(done.send(Err(OwnTopicError::TooLarge { size: own_size, limit: size_max })));
            continue;
        }
        records.iter().for_each(|record| after.apply(record, now));
        size += own_size;
        // A change is written wholly or not at all.
        if batches.last().is_none_or(|batch| batch.size + own_size > size_max) {
            batches.push(Batch::default());
        }
        if let Some(batch) = batches.last_mut() {
            batch.records.extend(encoded);
            batch.size += own_size;
            batch.told.push(done);
        }
    }
    Round { after, batches, left }
}

fn encoded<S: State>(record: &S::Record, timestamp: Timestamp) -> OwnRecord {
    let (key, value) = S::encode(record);
    OwnRecord { timestamp, key: key.into(), value: value.map(Bytes::from) }
}

/// Bytes that a record takes in a batch, at most.
fn size_of(record: &OwnRecord) -> usize {
    const OVERHEAD_MAX: usize = 40;
    record.key.len() + record.value.as_ref().map_or(0, Bytes::len) + OVERHEAD_MAX
}

/// Applies what lies in the topic from `offset` on; answers where to go on.
async fn read<S: State>(topic: OwnTopic, mut state: S, offset: Offset) -> Result<(S, Offset), OwnTopicError> {
    let reading = tokio::task::spawn_blocking(move || {
        let mut skipped = 0_u64;
        let mut take = |OwnRecord { timestamp, key, value }: OwnRecord| match S::decode(&key, value.as_deref()) {
            Ok(record) => state.apply(&record, timestamp),
            Err(error) => {
                skipped += 1;
                tracing::debug!(%error, topic = S::TOPIC, "a record of a registry's topic is not understood");
            }
        };
        let next = topic.read(offset, &mut take)?;
        if skipped > 0 {
            tracing::warn!(records = skipped, topic = S::TOPIC, "records are not understood, and left alone");
        }
        Ok((state, next))
    });
    reading.await.unwrap_or_else(|error| Err(OwnTopicError::Unreadable(error.to_string())))
}
