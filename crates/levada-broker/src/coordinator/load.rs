//! Reading all groups back from `__consumer_offsets` at start.

use crate::{
    any_group::AnyGroup,
    consumer_group::{ConsumerGroup, Image},
    coordinator::{Coordinator, consumer_records, records, records::Key, shard::Slot},
    group::{
        Group, GroupSnapshot, Now,
        offsets::{CommittedOffset, Offsets, TopicPartition},
    },
    internal_log::{self, Item},
};
use bytes::Bytes;
use levada_model::{Outcome, ProducerId, Str};
use levada_store::Log;
use std::{collections::BTreeMap, sync::Arc, sync::atomic::Ordering};

/// What the records of one partition come to.
#[derive(Default)]
struct Replay {
    groups: BTreeMap<Str, GroupSnapshot>,
    consumers: BTreeMap<Str, Image>,
    offsets: BTreeMap<Str, BTreeMap<TopicPartition, CommittedOffset>>,
    /// Positions in transactions that have not ended, in the order of their records.
    pending: BTreeMap<ProducerId, Vec<(Str, TopicPartition, CommittedOffset)>>,
    skipped: u64,
}

impl Coordinator {
    /// Reads all groups back; until then every request is put off. Blocks.
    pub(super) fn load(&self) {
        let started = self.clock.monotonic();
        let image = self.store.image();
        let logs: Vec<Arc<Log>> = image.topic(self.topic.as_str()).map_or_else(Vec::new, |topic| topic.logs.clone());
        let mut count = 0;
        for log in logs {
            if self.is_closed() {
                return;
            }
            let mut replay = Replay::default();
            if let Err(reason) = replay.read(&log) {
                tracing::error!(partition = log.partition(), %reason, "groups of this partition cannot be read");
                self.unreadable.lock().insert(log.partition(), reason);
                continue;
            }
            if replay.skipped > 0 {
                tracing::warn!(partition = log.partition(), records = replay.skipped, "records are not understood");
            }
            count += self.install(replay, &log, self.now());
        }
        // A crash may have come between a topic's deletion and that of its offsets.
        drop(self.forget_topics(|topic| self.store.image().topic(topic.as_str()).is_none()));
        self.loaded.store(true, Ordering::Release);
        self.load_ended.notify_waiters();
        self.earlier.notify_one();
        let took = self.clock.monotonic().saturating_sub(started);
        tracing::info!(groups = count, ?took, "groups are loaded");
    }

    fn install(&self, replay: Replay, log: &Log, now: Now) -> usize {
        let Replay { mut groups, mut consumers, mut offsets, pending, .. } = replay;
        // What has no epoch is what a tombstone left of a group, or of its last members.
        consumers.retain(|_, image| image.group.is_some());
        let in_transactions = pending.values().flatten().map(|(group_id, ..)| group_id);
        for group_id in offsets.keys().chain(in_transactions) {
            if !groups.contains_key(group_id) && !consumers.contains_key(group_id) {
                groups.insert(group_id.clone(), simple());
            }
        }
        let classic = groups.into_iter().map(|(id, snapshot)| {
            let group = Group::restore(id.clone(), snapshot, now);
            (id, AnyGroup::Classic(group), Image::default())
        });
        let cluster = self.store.image();
        let consumers: Vec<_> = consumers.into_iter().collect();
        let consumers = consumers.into_iter().map(|(id, image)| {
            let pace = self.pace(&cluster, &id);
            let group = ConsumerGroup::restore(id.clone(), image.clone(), now, pace);
            (id, AnyGroup::Consumer(group), image)
        });
        let partitions = cluster.topic(self.topic.as_str()).map_or(0, |topic| topic.logs.len());
        let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
        let mut count = 0;
        for (group_id, group, kept) in classic.chain(consumers) {
            count += 1;
            self.places.found(&group_id, log.partition(), partitions);
            let mut positions = Offsets::default();
            for (partition, committed) in offsets.remove(&group_id).unwrap_or_default() {
                positions.apply(partition, Some(committed));
            }
            let mut shard = self.shard(&group_id).lock();
            let mut slot = Slot::new(group, positions, kept);
            for (producer, positions) in &pending {
                let of_group = positions.iter().filter(|(of, ..)| *of == group_id);
                slot.pending
                    .add(*producer, of_group.map(|(_, at, committed)| (at.clone(), committed.clone())).collect());
            }
            shard.groups.insert(group_id.clone(), slot);
            self.refresh(shard, &group_id);
        }
        self.remember_transactions(&pending);
        count
    }
}

/// A group that only keeps offsets.
const fn simple() -> GroupSnapshot {
    GroupSnapshot {
        protocol_type: Str::new(),
        generation: 0,
        protocol: None,
        leader: None,
        state_since_ms: -1,
        members: Vec::new(),
    }
}

impl Replay {
    fn read(&mut self, log: &Log) -> Result<(), String> {
        internal_log::read(log, &mut |item| match item {
            Item::Record { transaction_of: None, key, value, .. } => {
                self.skipped += u64::from(self.take(key, value).is_none());
            }
            Item::Record { transaction_of: Some(producer), key, value, .. } => {
                self.skipped += u64::from(self.take_pending(producer, key, value).is_none());
            }
            Item::End { producer, outcome } => {
                let pending = self.pending.remove(&producer).unwrap_or_default();
                for (group, partition, committed) in pending.into_iter().filter(|_| outcome == Outcome::Commit) {
                    self.offsets.entry(group).or_default().insert(partition, committed);
                }
            }
        })
    }

    fn take_pending(&mut self, producer: ProducerId, key: Option<Bytes>, value: Option<Bytes>) -> Option<()> {
        let Key::Offset { group, partition } = records::read_key(key?).ok()?? else { return None };
        let committed = records::read_offset(value?).ok()?;
        self.pending.entry(producer).or_default().push((group, partition, committed));
        Some(())
    }

    /// Takes one record over; `None` if it is not understood.
    fn take(&mut self, key: Option<Bytes>, value: Option<Bytes>) -> Option<()> {
        match (records::read_key(key?).ok()??, value) {
            (Key::Group(id), Some(value)) => {
                self.groups.insert(id, records::read_group(value).ok()?);
            }
            (Key::Group(id), None) => {
                self.groups.remove(&id);
            }
            (Key::Consumer(group, key), value) => {
                if let Some(record) = consumer_records::read(key, value).ok()? {
                    self.consumers.entry(group).or_default().apply(&record);
                }
            }
            (Key::Offset { group, partition }, Some(value)) => {
                self.offsets.entry(group).or_default().insert(partition, records::read_offset(value).ok()?);
            }
            (Key::Offset { group, partition }, None) => {
                if let Some(positions) = self.offsets.get_mut(&group) {
                    positions.remove(&partition);
                    if positions.is_empty() {
                        self.offsets.remove(&group);
                    }
                }
            }
        }
        Some(())
    }
}
