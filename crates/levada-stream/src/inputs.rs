//! [`Inputs`]: a fixed list of partitions that a statement reads, as of one moment after the other.

use crate::read::{self, Batches, ReadError, Span};
use levada_broker::Broker;
use levada_model::{Offset, PartitionIndex, TopicId, TopicName};
use levada_store::{Hold, Log, Waiter, WatchGuard};
use std::{future::poll_fn, sync::Arc};

/// A partition that is read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InputPartition {
    /// Its topic's name.
    pub topic: TopicName,
    /// Its topic.
    pub id: TopicId,
    /// Its number there.
    pub partition: PartitionIndex,
}

/// Partitions in a fixed order; lists of offsets are in that order. Clones read the same.
#[derive(Clone, Debug)]
pub struct Inputs {
    broker: Arc<Broker>,
    partitions: Arc<[InputPartition]>,
    logs: Arc<[Arc<Log>]>,
}

impl Inputs {
    pub(crate) fn new(broker: Arc<Broker>, partitions: Vec<(InputPartition, Arc<Log>)>) -> Self {
        let (partitions, logs): (Vec<_>, Vec<_>) = partitions.into_iter().unzip();
        Self { broker, partitions: partitions.into(), logs: logs.into() }
    }

    /// The partitions, in order.
    #[must_use]
    pub fn partitions(&self) -> &[InputPartition] {
        &self.partitions
    }

    /// The first offset that each has.
    #[must_use]
    pub fn start(&self) -> Vec<Offset> {
        self.logs.iter().map(|log| log.tail().log_start_offset).collect()
    }

    /// Where each ends for who reads what is committed: its last stable offset. Not a cut.
    #[must_use]
    pub fn end(&self) -> Vec<Offset> {
        self.logs.iter().map(|log| log.tail().last_stable_offset).collect()
    }

    /// The latest cut, at or above `from` everywhere, which is a cut or [`Self::start`]. `None` where there is none: a
    /// transaction is still open that was so when the broker started.
    ///
    /// Offsets that `from` lacks are 0.
    #[must_use]
    pub fn cut(&self, from: &[Offset]) -> Option<Vec<Offset>> {
        let cut = self.broker.cut(self.logs.iter().cloned())?;
        let from = from.iter().copied().chain(std::iter::repeat(0));
        // Of two cuts the larger offset of each partition is a cut, too.
        Some(cut.offsets().zip(from).map(|((_, offset), from)| offset.max(from)).collect())
    }

    /// Keeps retention and compaction from what lies at or above `offsets`, and compaction from what lies below for the
    /// sake of what comes later, until it is dropped. Partitions that `offsets` lacks are not held.
    ///
    /// Deleting records and topics, which somebody asks for, is carried out all the same: [`Self::read`] tells.
    #[must_use]
    pub fn hold(&self, offsets: &[Offset]) -> Hold {
        Hold::of(self.logs.iter().cloned().zip(offsets.iter().copied()))
    }

    /// Reads committed batches of the `partition`-th partition from `from` on and below `to`, an offset of a cut.
    ///
    /// Brings about `bytes_max` bytes at most, but one batch at least, unless there is none below `to`. Blocks.
    ///
    /// # Errors
    /// [`ReadError`].
    ///
    /// # Panics
    /// Where there is no such partition.
    pub fn read(&self, partition: usize, from: Offset, to: Offset, bytes_max: usize) -> Result<Batches, ReadError> {
        let log = self.logs.get(partition).expect("a partition is one of these");
        read::committed(log, from, to, bytes_max)
    }

    /// Looks how far batches from `from` on come to `goal`, an offset, or to about `bytes_max` bytes, and what they
    /// are. Blocks.
    ///
    /// # Errors
    /// [`ReadError`].
    ///
    /// # Panics
    /// Where there is no such partition.
    pub fn span(&self, partition: usize, from: Offset, goal: Offset, bytes_max: usize) -> Result<Span, ReadError> {
        let log = self.logs.get(partition).expect("a partition is one of these");
        read::span(log, from, goal, bytes_max)
    }

    /// Watches the partitions from now on.
    #[must_use]
    pub fn growth(&self) -> Growth {
        let waiter = Waiter::new();
        let watch = |(index, log): (u32, &Arc<Log>)| log.watch(&waiter, index);
        let watches = (0..).zip(self.logs.iter()).map(watch).collect();
        Growth { waiter, watches }
    }
}

/// Watches partitions grow.
#[derive(Debug)]
pub struct Growth {
    waiter: Arc<Waiter>,
    watches: Vec<WatchGuard>,
}

impl Growth {
    /// Resolves when partitions moved since the last call, or since [`Inputs::growth`]: they have more records, or
    /// fewer, or their topic is gone. Says which, in no order. Nothing is missed where it is dropped unresolved.
    ///
    /// What moved need not be committed, and a cut need not show it.
    pub async fn grown(&mut self) -> Vec<usize> {
        loop {
            poll_fn(|context| self.waiter.poll_woken(context)).await;
            let moved: Vec<usize> =
                self.waiter.take_moved().into_iter().filter_map(|index| usize::try_from(index).ok()).collect();
            // Before anybody looks at the logs: what moves from now on wakes again.
            moved.iter().filter_map(|index| self.watches.get(*index)).for_each(WatchGuard::rearm);
            if !moved.is_empty() {
                return moved;
            }
        }
    }
}
