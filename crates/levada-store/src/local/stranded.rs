//! What the journal holds of a quarantined partition, put beside before the journal is let go.
//!
//! `quarantine/<topic id>-<partition>.log` is batches, one after the other, as in a segment. A start adds what the
//! journal has and the file has not; `levada log repair` brings them back to the log.

use levada_log::{
    Disk, DiskFile,
    disk::{OpenMode, read_exact_at},
};
use levada_model::{
    LogId, Offset,
    batch::{Batch, BatchHeader, HEADER_SIZE},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The files of all quarantined partitions that got a batch in this start.
#[derive(Debug, Default)]
pub(super) struct Stranded {
    open: BTreeMap<LogId, StrandedFile>,
}

#[derive(Debug)]
struct StrandedFile {
    file: Arc<dyn DiskFile>,
    size: u64,
    next_offset: Offset,
}

/// Where the batches of `id` are.
pub(super) fn path_of(data_dir: &Path, id: LogId) -> PathBuf {
    data_dir.join("quarantine").join(format!("{}-{}.log", id.topic, id.partition))
}

/// Gives the batches of a file up to its end, or to the first that is not whole; returns where that is.
pub(super) fn read(file: &dyn DiskFile, on_batch: &mut dyn FnMut(Batch)) -> io::Result<u64> {
    let end = file.len()?;
    let mut position = 0;
    while let Some(batch) = read_one(file, position, end)? {
        position += u64::try_from(batch.bytes().len()).unwrap_or(u64::MAX);
        on_batch(batch);
    }
    Ok(position)
}

fn read_one(file: &dyn DiskFile, position: u64, end: u64) -> io::Result<Option<Batch>> {
    let left = usize::try_from(end.saturating_sub(position)).unwrap_or(usize::MAX);
    if left < HEADER_SIZE {
        return Ok(None);
    }
    let mut head = [0; HEADER_SIZE];
    read_exact_at(file, &mut head, position)?;
    let size = BatchHeader::parse(&head).ok().and_then(|header| header.size()).filter(|size| *size <= left);
    let Some(size) = size else { return Ok(None) };
    let mut bytes = vec![0; size];
    read_exact_at(file, &mut bytes, position)?;
    Ok(Batch::check(bytes.into()).ok())
}

impl Stranded {
    /// Adds a batch, unless the file has it; durable after [`Self::sync`].
    pub(super) fn add(&mut self, disk: &dyn Disk, data_dir: &Path, id: LogId, batch: &Batch) -> io::Result<()> {
        let header = batch.header();
        let target = match self.open.entry(id) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => entry.insert(StrandedFile::open(disk, data_dir, id)?),
        };
        if header.base_offset >= target.next_offset {
            target.file.write_all_at(batch.bytes(), target.size)?;
            target.size += u64::try_from(batch.bytes().len()).unwrap_or(u64::MAX);
            target.next_offset = header.next_offset();
        }
        Ok(())
    }

    /// Makes durable what was added; removes files of topics that are not in `known`.
    pub(super) fn settle(&self, disk: &dyn Disk, data_dir: &Path, known: &BTreeSet<LogId>) -> io::Result<()> {
        let dir = data_dir.join("quarantine");
        if !disk.exists(&dir) {
            return Ok(());
        }
        self.open.values().try_for_each(|file| file.file.sync_data())?;
        let wanted: BTreeSet<PathBuf> = known.iter().map(|id| path_of(data_dir, *id)).collect();
        for entry in disk.list(&dir)? {
            let path = dir.join(&entry.name);
            if !wanted.contains(&path) {
                disk.remove_file(&path)?;
            }
        }
        disk.sync_dir(&dir)?;
        disk.sync_dir(data_dir)
    }
}

impl StrandedFile {
    /// Cut behind its last whole batch: a start that was cut short may have left less.
    fn open(disk: &dyn Disk, data_dir: &Path, id: LogId) -> io::Result<Self> {
        let path = path_of(data_dir, id);
        path.parent().map_or(Ok(()), |dir| disk.create_dir_all(dir))?;
        let file = disk.open(&path, OpenMode::Create)?;
        let mut next_offset = 0;
        let size = read(&*file, &mut |batch| next_offset = batch.header().next_offset())?;
        file.set_len(size)?;
        Ok(Self { file, size, next_offset })
    }
}
