//! What a stopped broker's journal holds, for `verify` and `dump`.

use super::{Offline, Partition, verify::Verified};
use levada_log::{Disk as _, disk::RealDisk, partition::topic_of};
use levada_model::{LogId, batch::BatchHeader};
use levada_store::local::Inspection;
use serde::Serialize;
use std::{collections::BTreeMap, fmt, sync::Arc};

/// The journal, as far as it can be read.
pub(super) enum Journal {
    /// No broker has begun here.
    None,
    /// What it holds.
    Read(Inspection),
    /// A broker will not start on it.
    Broken(String),
}

/// What is said of it.
#[derive(Serialize)]
pub(super) struct JournalReport {
    /// Whether the broker was stopped in good order.
    clean: bool,
    first_frame: Option<u64>,
    frames: u64,
    bytes: u64,
    batches: u64,
    leases: u64,
    /// Partitions of which batches were synced in their segments past the journal.
    bypassed_partitions: usize,
    changes: u64,
    torn_bytes: u64,
    pub(super) defect: Option<String>,
}

impl Journal {
    pub(super) fn read(offline: &Offline) -> Self {
        match Inspection::open(Arc::new(RealDisk), &offline.data_dir) {
            Ok(Some(inspection)) => Self::Read(inspection),
            Ok(None) if RealDisk.exists(&offline.data_dir.join("journal")) => {
                Self::Broken("there is a journal, and no checkpoint that says where it begins".to_owned())
            }
            Ok(None) => Self::None,
            Err(error) => Self::Broken(error.to_string()),
        }
    }

    pub(super) const fn inspection(&self) -> Option<&Inspection> {
        match self {
            Self::Read(inspection) => Some(inspection),
            Self::None | Self::Broken(_) => None,
        }
    }

    pub(super) fn report(&self) -> Option<JournalReport> {
        let nothing = JournalReport {
            clean: false,
            first_frame: None,
            frames: 0,
            bytes: 0,
            batches: 0,
            leases: 0,
            bypassed_partitions: 0,
            changes: 0,
            torn_bytes: 0,
            defect: None,
        };
        match self {
            Self::None => None,
            Self::Broken(defect) => Some(JournalReport { defect: Some(defect.clone()), ..nothing }),
            Self::Read(inspection) => Some(JournalReport {
                clean: inspection.clean,
                first_frame: Some(inspection.from),
                frames: inspection.frames.frames,
                bytes: inspection.frames.bytes,
                batches: inspection.batches,
                leases: inspection.leases,
                bypassed_partitions: inspection.placed.len(),
                changes: inspection.changes,
                torn_bytes: inspection.frames.torn_bytes,
                ..nothing
            }),
        }
    }

    /// Gives the batches of `partition` from `end` on, where its segments end.
    pub(super) fn batches_beyond(
        &self,
        offline: &Offline,
        partition: &Partition,
        end: i64,
        on_batch: &mut dyn FnMut(&BatchHeader, &[u8]),
    ) -> anyhow::Result<()> {
        let Self::Read(inspection) = self else { return Ok(()) };
        let Some((id, end)) = partition.wanted(offline, inspection, end)? else { return Ok(()) };
        inspection.each_batch(&mut |log, bytes| {
            if let Some(header) =
                BatchHeader::parse(&bytes).ok().filter(|header| log == id && header.base_offset >= end)
            {
                on_batch(&header, &bytes);
            }
        })?;
        Ok(())
    }

    /// Counts what only the journal holds of each partition.
    pub(super) fn count_beyond(
        &self,
        offline: &Offline,
        partitions: &[Partition],
        verified: &mut [Verified],
    ) -> anyhow::Result<()> {
        let Self::Read(inspection) = self else { return Ok(()) };
        let mut wanted = BTreeMap::new();
        for (index, (partition, part)) in partitions.iter().zip(&*verified).enumerate() {
            let end = part.end_offset.unwrap_or(0);
            wanted.extend(partition.wanted(offline, inspection, end)?.map(|(id, end)| (id, (index, end))));
        }
        inspection.each_batch(&mut |log, bytes| {
            let Some(&(index, end)) = wanted.get(&log) else { return };
            let header = BatchHeader::parse(&bytes).ok().filter(|header| header.base_offset >= end);
            if let (Some(header), Some(part)) = (header, verified.get_mut(index)) {
                part.journal_batches += 1;
                part.journal_end_offset = Some(header.next_offset());
            }
        })?;
        Ok(())
    }
}

impl Partition {
    /// Its identity, and from which offset on only the journal has its batches; `None` where it was deleted.
    fn wanted(&self, offline: &Offline, journal: &Inspection, end: i64) -> anyhow::Result<Option<(LogId, i64)>> {
        let topic = journal.topics.iter().find(|(name, _)| name.as_str() == self.topic);
        let Some((_, (id, _))) = topic else { return Ok(None) };
        let is_its_own = topic_of(&offline.files, &self.dir)?.is_none_or(|found| found == *id);
        let id = LogId { topic: *id, partition: self.partition };
        // A directory that an earlier topic of that name left has nothing to say.
        Ok(Some((id, if is_its_own { end } else { 0 })))
    }
}

impl fmt::Display for JournalReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(defect) = &self.defect {
            return write!(f, "journal: {defect}");
        }
        let Self { frames, bytes, batches, leases, bypassed_partitions, changes, torn_bytes, .. } = self;
        let end = if self.clean { "a clean end" } else { "an unclean end" };
        write!(
            f,
            "journal: {frames} frames of {bytes} bytes after {end}: {batches} batches, {leases} leases, {changes} cluster changes"
        )?;
        if *bypassed_partitions > 0 {
            write!(f, "; {bypassed_partitions} partitions have large batches synced past it")?;
        }
        if *torn_bytes > 0 {
            write!(f, "; {torn_bytes} bytes of a torn end, never acknowledged, that the next start cuts")?;
        }
        Ok(())
    }
}
