//! [`Store`]: everything in files of this machine, behind one journal.
//!
//! Five threads own what changes. The *appender* ([`appender`]) admits batches and cluster changes, journals
//! them a round at a time and answers when the round is durable. The *writer* ([`writer`]) brings journalled
//! batches to their segments in large writes, applies retention and takes checkpoints. The *syncer*
//! ([`syncer`]) makes a checkpoint's segments durable, writes the checkpoint and lets the journal go. The *flusher*
//! ([`flusher`]) syncs logs that are not journalled, as `flush.messages` and `flush.ms` say. The *cleaner*
//! ([`cleaner`]) compacts topics with `cleanup.policy=compact`.

mod appender;
mod checkpoint;
mod cleaner;
mod direct;
mod flusher;
mod inbox;
mod inspect;
mod placing;
mod queue;
mod recovery;
mod repair;
mod round;
mod shared;
mod space;
mod stranded;
mod sync;
mod syncer;
mod writer;

use crate::{
    append::{AppendOutcome, AppendSet},
    cluster::{Change, ClusterImage},
    cut::Cut,
    log::Log,
    settings::LogSettings,
    ticket::{Ticket, pair},
};
use levada_log::{
    Disk,
    journal::{BODY_SIZE_MAX, JournalError},
};
use levada_model::{Clock, NodeId, Rng, TopicName};
use shared::{AppenderCommand, Shared};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

pub use inspect::Inspection;
pub use repair::{Repair, RepairError};
pub use shared::{Health, StoreStats};

/// Where and how a store keeps its data.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The data directory.
    pub data_dir: PathBuf,
    /// This broker's number.
    pub node_id: NodeId,
    /// Bytes of one journal file.
    pub journal_file_size: u64,
    /// How many journal files there may be.
    pub journal_files_max: usize,
    /// A checkpoint begins when this many bytes of the journal are in use.
    pub checkpoint_bytes: u64,
    /// A checkpoint begins when so many bytes went to segments past the journal: after a crash they are read.
    pub checkpoint_direct_bytes: u64,
    /// Batches of at least so many bytes go to their segment first, and the journal only says so, where those of one
    /// partition are half of a round.
    pub placed_bytes_min: usize,
    /// A checkpoint begins at the latest after this time, if anything was written.
    pub checkpoint_interval: Duration,
    /// Journalled batches go to their segments when this many bytes wait.
    pub flush_bytes: usize,
    /// Appends wait while this many bytes wait for their segments.
    pub unflushed_bytes_max: usize,
    /// Batches that are in segments stay in memory up to this many bytes.
    pub tail_bytes_max: usize,
    /// Producers remembered in one partition.
    pub producers_max: usize,
    /// Producers are forgotten when silent for this long.
    pub producer_expiration: Duration,
    /// How often retention looks.
    pub retention_check_interval: Duration,
    /// Deleted segments are unlinked after this time.
    pub file_delete_delay: Duration,
    /// How often it is looked what is to be compacted.
    pub compaction_interval: Duration,
    /// Memory for the keys of the log that is compacted.
    pub compaction_map_size_max: usize,
    /// Compaction reads and writes so much a second at most; `None`: as fast as it can.
    pub compaction_bytes_per_second_max: Option<u64>,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("levada-data"),
            node_id: 1,
            journal_file_size: 64 << 20,
            journal_files_max: 8,
            checkpoint_bytes: 320 << 20,
            checkpoint_direct_bytes: 512 << 20,
            placed_bytes_min: 256 << 10,
            checkpoint_interval: Duration::from_secs(60),
            flush_bytes: 8 << 20,
            unflushed_bytes_max: 32 << 20,
            tail_bytes_max: 8 << 20,
            producers_max: 10_000,
            producer_expiration: Duration::from_hours(24),
            retention_check_interval: Duration::from_secs(30),
            file_delete_delay: Duration::from_secs(10),
            compaction_interval: Duration::from_secs(15),
            compaction_map_size_max: 128 << 20,
            compaction_bytes_per_second_max: None,
        }
    }
}

impl StoreConfig {
    /// The largest batch that can be appended: it has to fit into a file of the journal, frame and all.
    #[must_use]
    pub fn batch_size_max(&self) -> usize {
        const OVERHEAD_MAX: u64 = 64 << 10;
        let room = self.journal_file_size.saturating_sub(OVERHEAD_MAX);
        usize::try_from(room).unwrap_or(usize::MAX).min(BATCH_SIZE_MAX)
    }
}

/// No batch can be larger, whatever the size of the journal's files.
#[expect(clippy::cast_possible_truncation, reason = "below 64 MiB")]
pub const BATCH_SIZE_MAX: usize = BODY_SIZE_MAX as usize;

/// Derives a log's settings from what was set for its topic.
pub type Resolve = dyn Fn(&TopicName, &BTreeMap<String, String>) -> LogSettings + Send + Sync;

/// What a store needs from outside.
#[derive(Clone)]
pub struct StoreParts {
    /// Where bytes go.
    pub disk: Arc<dyn Disk>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// What topic settings mean.
    pub resolve: Arc<Resolve>,
}

impl std::fmt::Debug for StoreParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreParts")
    }
}

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the directory.
    #[error("data directory `{}` is in use by another levada; stop it, or choose another with --data-dir", path.display())]
    InUse {
        /// Which.
        path: PathBuf,
    },
    /// The operating system refused something.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// The checkpoint is damaged.
    #[error("checkpoint `{}` cannot be read: {reason}", path.display())]
    Checkpoint {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The journal is damaged.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A thread could not be started.
    #[error("cannot start the `{name}` thread: {source}")]
    Thread {
        /// Which.
        name: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// Why a change of cluster metadata was not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The disk is full.
    #[error("no space is left in the data directory")]
    NoSpace,
    /// A write or sync failed; nothing is taken any more.
    #[error("store is closed for writing after an error of the disk: {0}")]
    Poisoned(String),
    /// The store is shutting down.
    #[error("store is closed")]
    Closed,
}

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Whether the store was closed in good order before.
    pub clean: bool,
    /// Whether the directory was empty.
    pub first_start: bool,
    /// Frames read from the journal.
    pub frames: u64,
    /// Batches brought back from the journal.
    pub batches: u64,
    /// Bytes after the last whole frame; kept in a side file.
    pub torn_bytes: u64,
    /// Partitions whose files are damaged, and how.
    pub quarantined: Vec<(String, String)>,
}

/// A handle to the store; clones are the same store.
#[derive(Clone, Debug)]
pub struct Store {
    shared: Arc<Shared>,
    threads: Arc<shared::Threads>,
}

impl Store {
    /// Opens the store in `config.data_dir`, which is made if it is not there, and recovers what a crash left.
    ///
    /// Blocks. Reads the checkpoint, the journal and the tails of segments, whatever the data size.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(config: StoreConfig, parts: StoreParts) -> Result<(Self, Recovery), StoreError> {
        let opened = recovery::open(config, parts)?;
        let threads = shared::Threads::start(&opened.shared, opened.appender, opened.writer)?;
        Ok((Self { shared: opened.shared, threads: Arc::new(threads) }, opened.recovery))
    }

    /// Appends the batches of one request; each is taken or refused by itself, results in their order.
    ///
    /// The ticket resolves when every batch is as durable as its topic's setting promises.
    #[must_use]
    pub fn append(&self, set: AppendSet) -> Ticket<Vec<AppendOutcome>> {
        let direct::Rest { answer, set } = match direct::try_now(&self.shared, set) {
            Ok(answer) if answer.is_known() => return Ticket::ready(answer.outcomes),
            Ok(answer) => {
                let (promise, ticket) = pair();
                answer.give(&self.shared, promise);
                return ticket;
            }
            Err(rest) => rest,
        };
        let (promise, ticket) = pair();
        self.shared.appends.push(AppenderCommand::Append { answer, set, promise });
        ticket
    }

    /// The largest batch that can be appended: [`StoreConfig::batch_size_max`].
    #[must_use]
    pub fn batch_size_max(&self) -> usize {
        self.shared.config.batch_size_max()
    }

    /// The latest cut through `logs`; `None` while a transaction is open that was so when the store was opened.
    #[must_use]
    pub fn cut(&self, logs: impl IntoIterator<Item = Arc<Log>>) -> Option<Cut> {
        Cut::of(&self.shared.spans, logs)
    }

    /// All cluster metadata at this moment.
    #[must_use]
    pub fn image(&self) -> Arc<ClusterImage> {
        self.shared.image.load_full()
    }

    /// Keeps `changes`, all or none. Resolves when they are durable and in [`Self::image`].
    ///
    /// # Errors
    /// The ticket resolves to [`CommitError`] where nothing was kept.
    #[must_use]
    pub fn commit(&self, changes: Vec<Change>) -> Ticket<Result<(), CommitError>> {
        let (promise, ticket) = pair();
        self.shared.appends.push(AppenderCommand::Commit { changes, promise });
        ticket
    }

    /// Brings everything to its segments and takes a checkpoint. Resolves when it is durable.
    #[must_use]
    pub fn checkpoint(&self) -> Ticket<()> {
        let (promise, ticket) = pair();
        self.shared.inbox.request_checkpoint(Some(promise));
        ticket
    }

    /// Applies retention now instead of at its next interval. Resolves when it is done.
    #[must_use]
    pub fn expire(&self) -> Ticket<()> {
        let (promise, ticket) = pair();
        self.shared.inbox.push(inbox::WriterCommand::Expire(promise));
        ticket
    }

    /// Compacts now all that can be compacted, however little it is: what lies in segments that a checkpoint names, is
    /// not being written, and is old enough. Resolves when it is done.
    #[must_use]
    pub fn compact(&self) -> Ticket<()> {
        let (promise, ticket) = pair();
        self.shared.cleans.push(cleaner::CleanerCommand::Clean(promise));
        ticket
    }

    /// Whether writes are taken, and why not.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared.health()
    }

    /// Counters since the start.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        self.shared.stats.read(self.shared.clock.monotonic())
    }

    /// Closes in good order: everything in segments, in Kafka's formats, and the next start has nothing to do.
    ///
    /// Blocks. Later calls do nothing.
    pub fn close(&self) {
        self.threads.close(&self.shared);
    }
}

#[cfg(test)]
mod tests;
