//! [`Producer`]: gathers records into batches and sends them to their leaders, in order, until acknowledged.
//!
//! Each partition has at most one batch under way, and gathers the next meanwhile: order holds over retries,
//! and batches grow with the load. With idempotence a retried batch is stored once.

mod batches;
mod sender;

use crate::{Client, ClientError, ProduceRecord, client::MissingTopics, config::ClientConfig, tasks::Task};
use batches::{BatchResult, Queues, Totals};
use levada_model::{Offset, PartitionIndex, batch::Codec, partition_of_key};
use levada_protocol::ErrorCode;
use std::{
    sync::{Arc, Mutex as SyncMutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, time::sleep};

/// When a broker answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acks {
    /// Never: nothing is known of what becomes of records.
    None,
    /// When the leader has them.
    Leader,
    /// When all replicas in sync have them.
    #[default]
    All,
}

impl Acks {
    const fn code(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

/// How a producer works.
#[derive(Clone, Debug)]
pub struct ProduceConfig {
    /// When a broker answers.
    pub acks: Acks,
    /// How batches are compressed.
    pub codec: Codec,
    /// Bytes of records, uncompressed, at which a batch is closed.
    pub batch_bytes: usize,
    /// How long a batch waits for more records.
    pub linger: Duration,
    /// Whether retried batches are stored once. Needs [`Acks::All`], and is off with less.
    pub is_idempotent: bool,
    /// Bytes of records that may wait to be acknowledged; then `send` waits.
    pub buffer_bytes: usize,
    /// How long a batch is tried.
    pub delivery_timeout: Duration,
    /// Whether missing topics are created, where the cluster allows it.
    pub creates_topics: bool,
}

impl Default for ProduceConfig {
    fn default() -> Self {
        Self {
            acks: Acks::All,
            codec: Codec::None,
            batch_bytes: 64 << 10,
            linger: Duration::from_millis(5),
            is_idempotent: true,
            buffer_bytes: 32 << 20,
            delivery_timeout: Duration::from_secs(120),
            creates_topics: true,
        }
    }
}

/// Where a record was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acked {
    /// The partition.
    pub partition: PartitionIndex,
    /// The offset; `None` with [`Acks::None`], and for a duplicate whose place the broker no longer knows.
    pub offset: Option<Offset>,
}

/// The promise that a record is stored; may be dropped by those who only flush.
#[derive(Clone, Debug)]
pub struct Delivery {
    batch: Arc<BatchResult>,
    partition: PartitionIndex,
    index: i32,
}

impl Delivery {
    /// Waits until the record is acknowledged, as [`Acks`] says.
    ///
    /// # Errors
    /// Why the batch could not be stored.
    pub async fn acked(&self) -> Result<Acked, ClientError> {
        let base = self.batch.wait().await?;
        Ok(Acked { partition: self.partition, offset: base.map(|base| base + i64::from(self.index)) })
    }
}

/// Sends records. Clones share buffers and order.
#[derive(Clone, Debug)]
pub struct Producer {
    shared: Arc<Shared>,
    sender: Arc<Task<()>>,
}

/// What the callers and the sending task share.
#[derive(Debug)]
struct Shared {
    client: Client,
    config: ProduceConfig,
    queues: SyncMutex<Queues>,
    /// Told when there may be something to send.
    work: Notify,
    /// Told when batches were finished.
    space: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.client.config().clock.monotonic()
    }
}

/// How long a topic may take to appear after it was asked to be created.
const CREATION_LIMIT: Duration = Duration::from_secs(5);

impl Producer {
    /// Starts a producer. Must be called within a Tokio runtime.
    #[must_use]
    pub fn new(client: Client, config: ProduceConfig) -> Self {
        let shared = Arc::new(Shared {
            client,
            config,
            queues: SyncMutex::default(),
            work: Notify::new(),
            space: Notify::new(),
        });
        let sender = Arc::new(Task::spawn(sender::run(Arc::clone(&shared))));
        Self { shared, sender }
    }

    /// Takes `record` into its batch; waits while the buffer is full.
    ///
    /// # Errors
    /// [`ClientError::Refused`] where the topic does not exist, [`ClientError::NoPartition`],
    /// [`ClientError::RecordTooLarge`], [`ClientError::ProducerClosed`].
    pub async fn send(&self, record: &ProduceRecord<'_>) -> Result<Delivery, ClientError> {
        let size = record_size(record);
        let limit = self.shared.config.buffer_bytes.max(self.shared.config.batch_bytes);
        if size > limit {
            return Err(ClientError::RecordTooLarge { size, limit });
        }
        let count = self.partition_count(record.topic).await?;
        if record.partition.is_some_and(|partition| !(0..count).contains(&partition)) {
            return Err(ClientError::NoPartition {
                topic: record.topic.to_owned(),
                partition: record.partition.unwrap_or_default(),
                count: usize::try_from(count).unwrap_or_default(),
            });
        }
        loop {
            let space = self.shared.space.notified();
            if let Some(delivery) = self.try_send(record, size, count)? {
                return Ok(delivery);
            }
            space.await;
        }
    }

    /// Takes `record` if there is room.
    fn try_send(&self, record: &ProduceRecord<'_>, size: usize, count: i32) -> Result<Option<Delivery>, ClientError> {
        if self.sender.is_finished() {
            return Err(ClientError::ProducerClosed);
        }
        let Shared { client, config, .. } = &*self.shared;
        let mut queues = self.shared.lock();
        if queues.buffered_bytes > 0 && queues.buffered_bytes + size > config.buffer_bytes {
            queues.close_all();
            self.shared.work.notify_one();
            return Ok(None);
        }
        let chosen = record.partition.or_else(|| record.key.map(|key| partition_of_key(key, count)));
        let partition = chosen.unwrap_or_else(|| queues.sticky(record.topic, count, &*client.config().rng));
        let timestamp = record.timestamp.unwrap_or_else(|| client.config().clock.wall_ms());
        let (delivery, wakes) = queues.push(record, partition, timestamp, self.shared.now(), config);
        drop(queues);
        if wakes {
            self.shared.work.notify_one();
        }
        Ok(Some(delivery))
    }

    /// How many partitions `topic` has; creates it where it is missing and that is wished.
    async fn partition_count(&self, topic: &str) -> Result<i32, ClientError> {
        if let Some(count) = self.shared.lock().partition_count(topic) {
            return Ok(count);
        }
        let Shared { client, config, .. } = &*self.shared;
        let missing = if config.creates_topics { MissingTopics::Create } else { MissingTopics::Refuse };
        let started = self.shared.now();
        let mut attempt = 0;
        let described = loop {
            let error = match client.cached_topic(topic, missing).await {
                Ok(described) => break described,
                Err(error) => error,
            };
            let is_new =
                matches!(error.code(), Some(ErrorCode::UnknownTopicOrPartition | ErrorCode::LeaderNotAvailable));
            let limit = if is_new { CREATION_LIMIT } else { client.config().retry_limit };
            let is_hopeless = is_new && !config.creates_topics;
            if is_hopeless || !error.may_retry() || self.shared.now().saturating_sub(started) > limit {
                return Err(error);
            }
            sleep(ClientConfig::backoff(client.config(), attempt)).await;
            attempt += 1;
        };
        let count = i32::try_from(described.partitions.len()).unwrap_or(i32::MAX);
        self.shared.lock().set_partition_count(topic, count);
        Ok(count)
    }

    /// Sends what was gathered, and waits until everything handed over so far is acknowledged or has failed.
    ///
    /// # Errors
    /// The first failure since the last flush.
    pub async fn flush(&self) -> Result<(), ClientError> {
        let unfinished = {
            let mut queues = self.shared.lock();
            queues.close_all();
            queues.unfinished()
        };
        self.shared.work.notify_one();
        for batch in unfinished {
            // Failures are remembered below, also those of batches that were finished before.
            batch.wait().await.ok();
        }
        self.shared.lock().totals.failure.take().map_or(Ok(()), Err)
    }

    /// The first failure since it was last asked for, or since the last flush, without waiting.
    #[must_use]
    pub fn take_failure(&self) -> Option<ClientError> {
        self.shared.lock().totals.failure.take()
    }

    /// Records and bytes that were acknowledged, and records that failed.
    #[must_use]
    pub fn totals(&self) -> ProduceTotals {
        let Totals { acked_records, acked_bytes, failed_records, .. } = self.shared.lock().totals;
        ProduceTotals { acked_records, acked_bytes, failed_records }
    }
}

/// What a producer did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProduceTotals {
    /// Records that were acknowledged.
    pub acked_records: u64,
    /// Bytes of their batches, uncompressed.
    pub acked_bytes: u64,
    /// Records that could not be stored.
    pub failed_records: u64,
}

/// What a record takes in a batch, and a little more.
fn record_size(record: &ProduceRecord<'_>) -> usize {
    const FIXED: usize = 24;
    let headers = record.headers.iter();
    let headers_size: usize =
        headers.map(|header| 10 + header.key.len() + header.value.as_ref().map_or(0, bytes::Bytes::len)).sum();
    FIXED + record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len) + headers_size
}
