//! One partition of a fetch: what the client asks of it, and what is found when it is looked at.

use crate::errors;
use levada_broker::{
    ReadUntil, Waiter, WatchGuard,
    fetch::{FetchPartition, Fetched, PartitionReader},
};
use levada_model::{LeaderEpoch, Offset, Str, TopicId};
use levada_protocol::ErrorCode;
use std::sync::Arc;

/// A topic as the client names it: by name up to version 12, by id from 13 on; the other is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct TopicKey {
    pub(crate) name: Str,
    pub(crate) id: TopicId,
}

/// What a client asks of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(crate) index: i32,
    pub(crate) fetch_offset: Offset,
    pub(crate) size_max: usize,
    /// The leader epoch that the client knows, if any.
    pub(crate) current_leader_epoch: Option<LeaderEpoch>,
    /// The epoch of the last record that the client has, if any.
    pub(crate) last_fetched_epoch: Option<LeaderEpoch>,
}

/// How one look at a partition reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// How many bytes at most.
    pub(crate) size_max: usize,
    /// Whether the first batch comes even where it is larger.
    pub(crate) at_least_one: bool,
    pub(crate) until: ReadUntil,
    pub(crate) wait: Wait,
}

/// Whether a look may wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It may not: the thread has other connections to serve.
    Never,
    /// It may.
    ForDisk,
}

/// A partition's reader, or why there is none.
pub(crate) type Found = Result<PartitionReader, ErrorCode>;

#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) topic: TopicKey,
    pub(crate) spec: Spec,
    pub(crate) is_queued: bool,
    /// What was found for the response that is being made.
    pub(crate) outcome: Option<Outcome>,
    reader: Option<PartitionReader>,
    watch: Option<WatchGuard>,
    /// High watermark and log start as the client was told them last.
    told: Option<(Offset, Offset)>,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) fetched: Result<Fetched, ErrorCode>,
    pub(crate) size: usize,
    /// Bytes of it in memory.
    pub(crate) held_size: usize,
    /// There are records, and no room for them was left.
    is_left_over: bool,
}

impl Outcome {
    const fn failed(error: ErrorCode) -> Self {
        Self { fetched: Err(error), size: 0, held_size: 0, is_left_over: false }
    }

    /// Whether the client should hear of it without delay.
    pub(crate) fn is_urgent(&self) -> bool {
        self.fetched.as_ref().map_or(true, |fetched| fetched.diverging.is_some())
    }

    /// Whether the next request finds something here even if nothing happens until then.
    pub(crate) fn has_more(&self) -> bool {
        self.is_urgent() || self.size > 0 || self.is_left_over
    }
}

impl Partition {
    pub(crate) const fn new(topic: TopicKey, spec: Spec) -> Self {
        Self { topic, spec, is_queued: false, outcome: None, reader: None, watch: None, told: None }
    }

    /// Looks at the partition, which `find` finds where it is not known or gone since.
    ///
    /// `None` where it would have to wait for the disk and may not.
    pub(crate) fn look(&mut self, look: Look, find: &mut impl FnMut(&TopicKey, i32) -> Found) -> Option<Outcome> {
        if self.reader.as_ref().is_none_or(PartitionReader::is_closed) {
            self.watch = None;
            self.reader = None;
            match find(&self.topic, self.spec.index) {
                Ok(reader) => self.reader = Some(reader),
                Err(error) => return Some(Outcome::failed(error)),
            }
        }
        let reader = self.reader.as_ref()?;
        let request = self.request(look);
        let fetched = match look.wait {
            Wait::Never => reader.fetch_cached(&request).transpose()?,
            Wait::ForDisk => reader.fetch(&request),
        };
        Some(match fetched {
            Err(error) => Outcome::failed(errors::fetch(&error)),
            Ok(fetched) => self.found(fetched, look.until),
        })
    }

    fn found(&self, fetched: Fetched, until: ReadUntil) -> Outcome {
        let end = match until {
            ReadUntil::HighWatermark => fetched.high_watermark,
            ReadUntil::LastStable => fetched.last_stable_offset,
        };
        let (size, is_behind) = (fetched.size, self.spec.fetch_offset < end);
        let held_size = if fetched.slice.is_some() { 0 } else { size };
        Outcome { fetched: Ok(fetched), size, held_size, is_left_over: size == 0 && is_behind }
    }

    const fn request(&self, look: Look) -> FetchPartition {
        let Spec { index, fetch_offset, size_max, current_leader_epoch, last_fetched_epoch } = self.spec;
        FetchPartition {
            partition: index,
            offset: fetch_offset,
            max_bytes: if size_max < look.size_max { size_max } else { look.size_max },
            current_leader_epoch,
            last_fetched_epoch,
            isolation: look.until,
            at_least_one: look.at_least_one,
        }
    }

    /// Has the log wake `waiter` with `token`; returns whether it moved since it was looked at.
    pub(crate) fn watch(&mut self, waiter: &Arc<Waiter>, token: u32) -> bool {
        let Some(reader) = &self.reader else { return false };
        if self.watch.is_some() {
            return false;
        }
        self.watch = Some(reader.watch(waiter, token));
        let seen = self.outcome.as_ref().and_then(|outcome| outcome.fetched.as_ref().ok());
        seen.is_none_or(|fetched| (fetched.high_watermark, fetched.last_stable_offset) != reader.ends())
    }

    pub(crate) fn unwatch(&mut self) {
        self.watch = None;
    }

    pub(crate) const fn is_watched(&self) -> bool {
        self.watch.is_some()
    }

    /// The log moved: it may wake the fetch again.
    pub(crate) fn rearm(&self) {
        if let Some(watch) = &self.watch {
            watch.rearm();
        }
    }

    /// Whether an incremental response says anything about the partition; remembers what it says.
    ///
    /// Source: KIP-227.
    pub(crate) fn tell(&mut self, outcome: &Outcome) -> bool {
        let news = outcome.fetched.as_ref().ok().map(|fetched| (fetched.high_watermark, fetched.log_start_offset));
        let is_new = self.told != news || outcome.is_urgent() || outcome.size > 0;
        // After an error the client is told again as soon as there is none.
        self.told = news;
        is_new
    }
}
