//! What streaming SQL asks of the broker beside what clients do: what a topic is as a table, logs to read by itself,
//! cuts through them and holds on them.

use crate::{
    Broker,
    auth::{Grant, Op, op, res},
    topics::{TopicView, view},
};
use levada_store::{Cut, Hold, Log, TimestampKind};
use std::sync::Arc;
use tokio::sync::oneshot;

/// A topic as a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamTopic {
    /// As clients see it.
    pub view: TopicView,
    /// Whether of each key the last record counts (`cleanup.policy` has `compact`).
    pub is_compacted: bool,
    /// Whose clock stamps its records.
    pub timestamps: TimestampKind,
    /// Whether the platform itself writes it, and nobody else.
    pub is_own: bool,
}

impl Broker {
    /// A topic as a table; `None` where it does not exist.
    #[must_use]
    pub fn stream_topic<O: Op>(&self, topic: &Grant<O, res::Topic>) -> Option<StreamTopic> {
        let image = self.store.image();
        let topic = image.topic(topic.name())?;
        let config = self.topic_config(topic);
        let is_own = self.is_own(topic);
        let (is_compacted, timestamps) = (config.is_compacted, config.log.timestamps);
        Some(StreamTopic { view: view(topic), is_compacted, timestamps, is_own })
    }

    /// The partitions of a topic, in their order; `None` where it does not exist.
    #[must_use]
    pub fn logs(&self, topic: &Grant<op::Read, res::Topic>) -> Option<Vec<Arc<Log>>> {
        self.store.image().topic(topic.name()).map(|topic| topic.logs.clone())
    }

    /// The latest cut through `logs`; `None` while a transaction is open that was so when the broker started.
    #[must_use]
    pub fn cut(&self, logs: impl IntoIterator<Item = Arc<Log>>) -> Option<Cut> {
        self.store.cut(logs)
    }

    /// Keeps retention and compaction from all that there is now.
    #[must_use]
    pub fn hold_all(&self) -> Hold {
        Hold::of(self.store.image().logs().map(|log| (Arc::clone(log), 0)))
    }

    /// Does work that blocks where it may; `None` where the runtime ends before.
    pub async fn run_blocking<T: Send + 'static>(
        &self,
        name: &'static str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (sender, done) = oneshot::channel();
        // Whoever asked may be gone.
        self.runtime.spawn_blocking(name, Box::new(move || drop(sender.send(work()))));
        done.await.ok()
    }

    /// The largest batch that a topic takes, in bytes; `None` where it does not exist.
    #[must_use]
    pub fn batch_size_max(&self, topic: &Grant<op::Write, res::Topic>) -> Option<usize> {
        let image = self.store.image();
        let config = self.topic_config(image.topic(topic.name())?);
        Some(config.message_size_max.min(self.store.batch_size_max()))
    }
}
