//! The registry's owner: reads the topic, decides one change after the other, and shows what is durable.
//!
//! Readers hold a state that was durable when they came ([`Service::registry`]). Changes wait in a queue; all that wait
//! are decided on a copy of the state, each seeing those before it, and written as one batch. When that is durable the
//! copy becomes the state, and they are answered.

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use levada_broker::{
    Broker,
    own_topic::{OwnRecord, OwnTopic, OwnTopicError},
};
use levada_model::{Offset, TopicName};
use levada_schema::{Error, Record, Registry};
use std::{sync::Arc, time::Duration};
use tokio::sync::{mpsc, oneshot};

/// Where schemas are kept.
const TOPIC: &str = "_schemas";
/// Changes that wait; those beyond wait outside.
const WAITING_MAX: usize = 1_000;
/// So many are decided and written together.
const TOGETHER_MAX: usize = 256;
/// So often another's topic is looked at.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(200);

/// Whether the registry answers, and whether it takes changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It still reads its topic.
    Loading,
    /// It answers, and takes changes.
    Writer,
    /// It answers; others write the topic.
    Follower,
}

/// Why a change was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The request is at fault.
    #[error(transparent)]
    Refused(#[from] Error),
    /// The topic did not take it.
    #[error(transparent)]
    Topic(#[from] OwnTopicError),
    /// The registry does not run.
    #[error("the registry is closed")]
    Closed,
}

/// Decides on a state what to write, and hands back what to answer once that is durable.
type Decide = Box<dyn FnOnce(&Registry) -> Vec<Record> + Send>;

struct Change {
    decide: Decide,
    done: oneshot::Sender<Result<(), OwnTopicError>>,
}

/// The schema registry.
pub struct Service {
    topic: OwnTopic,
    state: ArcSwapOption<Registry>,
    changes: mpsc::Sender<Change>,
}

impl Service {
    /// A registry that reads its topic and then serves, as tasks that `spawn` starts, until it is dropped.
    ///
    /// # Panics
    /// Never: the topic's name is legal.
    pub fn start(
        broker: &Arc<Broker>,
        spawn: impl FnOnce(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>),
    ) -> Arc<Self> {
        let name = TopicName::new(TOPIC).expect("the name is legal");
        let topic = OwnTopic::new(Arc::clone(broker), name);
        let (changes, waiting) = mpsc::channel(WAITING_MAX);
        let service = Arc::new(Self { topic, state: ArcSwapOption::empty(), changes });
        let owner = Owner { service: Arc::downgrade(&service), topic: service.topic.clone(), next: 0 };
        spawn(Box::pin(owner.run(waiting)));
        service
    }

    /// The state, once the topic was read.
    #[must_use]
    pub fn registry(&self) -> Option<Arc<Registry>> {
        self.state.load_full()
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
        decide: impl FnOnce(&Registry) -> Result<(Vec<Record>, T), Error> + Send + 'static,
    ) -> Result<T, WriteError> {
        let (tell, told) = oneshot::channel();
        let decide: Decide = Box::new(move |registry| match decide(registry) {
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
        written.await.map_err(|_| WriteError::Closed)??;
        Ok(told.await.map_err(|_| WriteError::Closed)??)
    }
}

/// The one who reads and writes the topic.
struct Owner {
    service: std::sync::Weak<Service>,
    topic: OwnTopic,
    /// Where the topic is read on.
    next: Offset,
}

impl Owner {
    async fn run(mut self, mut waiting: mpsc::Receiver<Change>) {
        let mut state = match self.load().await {
            Ok(state) => state,
            Err(error) => {
                tracing::error!(%error, "the schema registry does not start");
                return;
            }
        };
        self.show(&state);
        loop {
            let mut changes = Vec::new();
            tokio::select! {
                count = waiting.recv_many(&mut changes, TOGETHER_MAX) => {
                    if count == 0 {
                        return;
                    }
                    state = self.carry_out(state, changes).await;
                }
                // Another may make the topic at any time as long as there is none.
                () = tokio::time::sleep(FOLLOW_INTERVAL), if self.topic.log().is_none() || !self.topic.is_ours() => {
                    state = self.follow(state).await;
                }
            }
            self.show(&state);
        }
    }

    fn show(&self, state: &Registry) {
        if let Some(service) = self.service.upgrade() {
            service.state.store(Some(Arc::new(state.clone())));
        }
    }

    async fn load(&mut self) -> Result<Registry, OwnTopicError> {
        let (state, next) = read(self.topic.clone(), Registry::default(), 0).await?;
        self.next = next;
        tracing::info!(records = next, "schemas are loaded");
        Ok(state)
    }

    /// What others wrote meanwhile.
    async fn follow(&mut self, state: Registry) -> Registry {
        match read(self.topic.clone(), state.clone(), self.next).await {
            Ok((next_state, next)) => {
                self.next = next;
                next_state
            }
            Err(error) => {
                tracing::warn!(%error, "the topic of schemas cannot be followed");
                state
            }
        }
    }

    /// Decides all, writes all, and answers all.
    async fn carry_out(&mut self, state: Registry, changes: Vec<Change>) -> Registry {
        // Another may have written until the topic was claimed.
        let state = if self.topic.log().is_some_and(|log| log.tail().high_watermark > self.next) {
            self.follow(state).await
        } else {
            state
        };
        let mut after = state.clone();
        let mut records: Vec<OwnRecord> = Vec::new();
        let mut told = Vec::with_capacity(changes.len());
        for Change { decide, done } in changes {
            for record in decide(&after) {
                after.apply(&record);
                let (key, value) = record.encode();
                records.push((key.into(), value.map(Bytes::from)));
            }
            told.push(done);
        }
        let outcome = if records.is_empty() { Ok(()) } else { self.topic.append(&records).await };
        let state = match &outcome {
            Ok(()) => {
                self.next = self.next.saturating_add(i64::try_from(records.len()).unwrap_or(i64::MAX));
                after
            }
            Err(error) => {
                tracing::warn!(%error, "schemas were not written");
                state
            }
        };
        self.show(&state);
        for done in told {
            drop(done.send(outcome.clone()));
        }
        state
    }
}

/// Applies what lies in the topic from `offset` on; answers where to go on.
async fn read(topic: OwnTopic, mut state: Registry, offset: Offset) -> Result<(Registry, Offset), OwnTopicError> {
    let reading = tokio::task::spawn_blocking(move || {
        let mut skipped = 0_u64;
        let next = topic.read(offset, &mut |key, value| {
            let Some(key) = key else { return };
            match Record::decode(&key, value.as_deref()) {
                Ok(record) => state.apply(&record),
                Err(error) => {
                    skipped += 1;
                    tracing::debug!(%error, "a record of the topic of schemas is not understood");
                }
            }
        })?;
        if skipped > 0 {
            tracing::warn!(records = skipped, "records of the topic of schemas are not understood, and left alone");
        }
        Ok((state, next))
    });
    reading.await.unwrap_or_else(|error| Err(OwnTopicError::Unreadable(error.to_string())))
}
