//! Looking at a stopped store's journal: for `levada log verify` and `levada log dump`. Changes nothing.

use super::{StoreError, checkpoint};
use crate::cluster::{Change, codec};
use bytes::Bytes;
use levada_log::{
    Disk,
    journal::{Entry, Journal, JournalPosition, ReplaySummary},
};
use levada_model::{LogId, Offset, PartitionIndex, TopicId, TopicName};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What the journal of a stopped store holds from the first frame on that its checkpoint needs.
#[derive(Debug)]
pub struct Inspection {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// The first frame that is needed.
    pub from: u64,
    /// Whether the store was closed in good order: then nothing is needed of the journal.
    pub clean: bool,
    /// Frames, their bytes, and what a start would cut.
    pub frames: ReplaySummary,
    /// Batches in them.
    pub batches: u64,
    /// How far logs were durable in their segments, past the journal.
    pub placed: BTreeMap<LogId, Offset>,
    /// Leases of offsets in them.
    pub leases: u64,
    /// Changes of cluster metadata in them.
    pub changes: u64,
    /// The topics that there are after it, and how many partitions they have.
    pub topics: BTreeMap<TopicName, (TopicId, PartitionIndex)>,
}

impl Inspection {
    /// Reads the checkpoint in `data_dir` and the journal behind it; `None` where no store has begun there.
    ///
    /// # Errors
    /// [`StoreError`] as a start would meet it.
    pub fn open(disk: Arc<dyn Disk>, data_dir: &Path) -> Result<Option<Self>, StoreError> {
        let dir = data_dir.join("journal");
        let Some(checkpoint) = checkpoint::read(&*disk, data_dir)? else {
            return Ok(None);
        };
        let mut inspection = Self {
            disk,
            dir,
            from: checkpoint.journal_position,
            clean: checkpoint.clean,
            frames: ReplaySummary::default(),
            batches: 0,
            placed: BTreeMap::new(),
            leases: 0,
            changes: 0,
            topics: BTreeMap::new(),
        };
        checkpoint.changes.iter().for_each(|change| inspection.apply(change));
        let replay = Journal::inspect(&*inspection.disk, &inspection.dir, JournalPosition(inspection.from))?;
        inspection.frames = replay.summary();
        inspection.placed.clone_from(replay.placed());
        for item in replay {
            match item?.1 {
                Entry::Batch { .. } => inspection.batches += 1,
                Entry::Unit(batches) => inspection.batches += u64::try_from(batches.len()).unwrap_or(0),
                Entry::Placed { .. } => {}
                Entry::OffsetLease { .. } => inspection.leases += 1,
                Entry::Meta { bytes } => {
                    let changes = codec::decode(bytes).map_err(|error| StoreError::Checkpoint {
                        path: inspection.dir.clone(),
                        reason: error.to_string(),
                    })?;
                    inspection.changes += u64::try_from(changes.len()).unwrap_or(0);
                    changes.iter().for_each(|change| inspection.apply(change));
                }
            }
        }
        Ok(Some(inspection))
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::CreateTopic { id, name, partitions, .. } => {
                self.topics.entry(name.clone()).or_insert((*id, *partitions));
            }
            Change::DeleteTopic { id } => self.topics.retain(|_, (other, _)| other != id),
            Change::SetPartitions { id, partitions } => {
                let topics = self.topics.values_mut().filter(|(other, _)| other == id);
                topics.for_each(|(_, count)| *count = *partitions.max(count));
            }
            Change::SetTopicConfigs { .. }
            | Change::SetBrokerConfigs { .. }
            | Change::SetGroupConfigs { .. }
            | Change::SetNextProducerId { .. }
            | Change::SetLeaderEpoch { .. }
            | Change::SetLogStart { .. }
            | Change::SetClientQuotas { .. }
            | Change::SetScramCredential { .. } => {}
        }
    }

    /// Gives every batch in the journal, in order, whole.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn each_batch(&self, on_batch: &mut dyn FnMut(LogId, Bytes)) -> Result<(), StoreError> {
        for item in Journal::inspect(&*self.disk, &self.dir, JournalPosition(self.from))? {
            if let Entry::Batch { log, head, body } = item?.1 {
                on_batch(log, [&head[..], &body].concat().into());
            }
        }
        Ok(())
    }
}
