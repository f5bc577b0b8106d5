//! Keeping `__consumer_offsets` short, so that a start reads little: what lives is written anew, and what lies
//! before is deleted.
//!
//! The cut is the durable end at the beginning of a pass. Each group of the partition is then written once more,
//! at a moment when none of its writes is under way and its membership is settled; when all of these writes are
//! durable, nothing before the cut is needed. A crash in between leaves both, the newer after the older.

use crate::{
    Runtime,
    any_group::AnyGroup,
    coordinator::{
        Coordinator, CoordinatorError,
        commits::Written,
        consumer_records,
        journal::{Completion, KeyValue},
        records,
        shard::{Shard, Slot},
    },
    group::GroupState,
    nap::nap,
};
use levada_model::{Offset, PartitionIndex, Str};
use levada_store::{Change, Log};
use std::{sync::Arc, time::Duration};
use tokio::sync::oneshot;

/// How often it is looked whether a partition is due.
const INTERVAL: Duration = Duration::from_secs(60);
/// A partition is due when it has this many records, and four times as many as live ones.
const RECORDS_MIN: i64 = 5_000;
/// How often a pass comes back to groups that were busy, and after how long.
const ATTEMPTS: u32 = 50;
const PATIENCE: Duration = Duration::from_millis(100);

impl Coordinator {
    pub(super) async fn run_trims(&self, runtime: &dyn Runtime) {
        self.loaded().await;
        while !self.is_closed() {
            nap(runtime, INTERVAL, &self.ending, &self.closed).await;
            self.trim(runtime).await;
        }
    }

    /// Shortens every partition that is due.
    pub(crate) async fn trim(&self, runtime: &dyn Runtime) {
        let image = self.store.image();
        let logs = image.topic(self.topic.as_str()).map_or_else(Vec::new, |topic| topic.logs.clone());
        for log in logs {
            let tail = log.tail();
            let count = tail.high_watermark - tail.log_start_offset;
            // What is part of an open transaction is nowhere else.
            let is_stable = tail.last_stable_offset == tail.high_watermark;
            if count < RECORDS_MIN
                || !is_stable
                || self.is_closed()
                || self.unreadable.lock().contains_key(&log.partition())
            {
                continue;
            }
            let live = self.live_records(log.partition());
            if count / 4 > live
                && let Err(error) = self.rewrite(&log, tail.high_watermark, runtime).await
            {
                tracing::warn!(partition = log.partition(), %error, "groups were not written anew");
            }
        }
    }

    fn groups_of(&self, partition: PartitionIndex) -> Vec<Str> {
        let is_here = |id: &Str| self.log(id).is_some_and(|log| log.partition() == partition);
        let of = |shard: &Shard| shard.groups.keys().filter(|id| is_here(id)).cloned().collect::<Vec<_>>();
        self.shards.iter().flat_map(|shard| of(&shard.lock())).collect()
    }

    fn live_records(&self, partition: PartitionIndex) -> i64 {
        let of_slot = |slot: &Slot| slot.group.records().len().max(1) + slot.offsets.iter().count();
        let count = |id: &Str| self.shard(id).lock().groups.get(id).map_or(0, of_slot);
        let count = self.groups_of(partition).iter().map(count).sum::<usize>();
        i64::try_from(count).unwrap_or(i64::MAX)
    }

    async fn rewrite(&self, log: &Arc<Log>, cut: Offset, runtime: &dyn Runtime) -> Result<(), CoordinatorError> {
        let mut left = self.groups_of(log.partition());
        for _ in 0..ATTEMPTS {
            let mut busy = Vec::new();
            let mut writes = Vec::new();
            for group_id in left {
                match self.write_anew(&group_id)? {
                    Anew::Busy => busy.push(group_id),
                    Anew::Nothing => {}
                    Anew::Writing(written) => writes.push(written),
                }
            }
            for written in writes {
                written.await.unwrap_or_else(|_| Err(CoordinatorError::not_available("the group is gone")))?;
            }
            if busy.is_empty() {
                let (id, partition) = (log.id().topic, log.partition());
                let changes = vec![Change::SetLogStart { id, partition, offset: cut }];
                let committed = self.store.commit(changes).await;
                let committed = committed.unwrap_or(Err(levada_store::CommitError::Closed));
                return committed.map_err(|error| CoordinatorError::NotAvailable(error.to_string()));
            }
            left = busy;
            runtime.sleep(PATIENCE).await;
        }
        // Its groups never were at rest together with their writes: another time.
        Ok(())
    }

    fn write_anew(&self, group_id: &Str) -> Result<Anew, CoordinatorError> {
        let mut shard = self.shard(group_id).lock();
        let Some(slot) = shard.groups.get_mut(group_id) else { return Ok(Anew::Nothing) };
        let is_settled = match &slot.group {
            AnyGroup::Classic(group) => matches!(group.state(), GroupState::Stable | GroupState::Empty),
            AnyGroup::Consumer(_) => true,
        };
        if slot.is_going || slot.written != slot.settled || !is_settled {
            return Ok(Anew::Busy);
        }
        let records = everything(group_id, slot);
        if records.is_empty() {
            return Ok(Anew::Nothing);
        }
        let (done, written) = oneshot::channel();
        let completion = Completion::Offsets { changes: Vec::new(), done };
        self.write(group_id, slot.written + 1, &records, completion)?;
        slot.written += 1;
        Ok(Anew::Writing(written))
    }
}

/// What came of writing a group anew.
enum Anew {
    Busy,
    Nothing,
    Writing(Written),
}

/// All that is kept of a group.
fn everything(group_id: &Str, slot: &Slot) -> Vec<KeyValue> {
    let positions = slot.offsets.iter().map(|(partition, committed)| {
        (records::offset_key(group_id, partition), Some(records::offset_value(committed)))
    });
    let group = slot.group.records().into_iter().map(|record| consumer_records::write(group_id, &record));
    group.chain(positions).collect()
}
