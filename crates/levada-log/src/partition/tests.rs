//! What the tests of this module share: a log on a simulated disk, and the batches that should be in it.

mod append_and_read;
mod checks;
mod compact;
mod compact_cuts;
mod compact_reads;
mod formats;
mod place;
mod power;
mod recover;
mod retain;
mod slices;
mod transactions;

use super::*;
use crate::disk::sim::SimDisk;
use levada_model::{
    LeaderEpoch, ProducerId, Rng, SeededRng, Uuid,
    batch::Batch,
    record::{BatchBuilder, NewRecord, ProducerStamp, StoredBatch},
};
use std::path::Path;

fn testdata() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

/// Compares with a file in `testdata/`; `LEVADA_BLESS=1` writes files that are missing.
pub(crate) fn check_golden(name: &str, bytes: &[u8]) {
    let path = testdata().join(name);
    if std::env::var_os("LEVADA_BLESS").is_some() && !path.exists() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
    }
    let golden = std::fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(bytes, golden, "{name}");
}

fn id() -> LogId {
    LogId { topic: Uuid::from_bytes([7; 16]), partition: 3 }
}

fn dir() -> PathBuf {
    PathBuf::from("/data/orders-3")
}

fn config(segment_bytes: u32) -> LogConfig {
    LogConfig { segment_bytes, index_interval_bytes: 512, ..LogConfig::default() }
}

/// A disk with the directory above the partition's.
fn disk() -> SimDisk {
    let disk = SimDisk::new();
    crate::Disk::create_dir_all(&disk, Path::new("/data")).unwrap();
    crate::Disk::sync_dir(&disk, Path::new("/")).unwrap();
    disk
}

fn files(disk: &SimDisk) -> Arc<LogFiles> {
    LogFiles::new(Arc::new(disk.clone()))
}

fn create(disk: &SimDisk, config: LogConfig) -> PartitionLog {
    PartitionLog::create(&files(disk), dir(), id(), config, 0).unwrap()
}

/// Makes batches whose bytes, sizes and gaps come from a seed.
struct Source {
    rng: SeededRng,
    next_offset: Offset,
    next_sequence: i32,
    timestamp: i64,
    epoch: LeaderEpoch,
    gaps: bool,
}

impl Source {
    fn new(seed: u64) -> Self {
        Self { rng: SeededRng::new(seed), next_offset: 0, next_sequence: 0, timestamp: 1_000, epoch: 1, gaps: false }
    }

    fn below(&self, limit: u64) -> u64 {
        self.rng.next_u64() % limit
    }

    fn batch(&mut self) -> StoredBatch {
        let count = 1 + self.below(4);
        let stamp = ProducerStamp { id: ProducerId(5), epoch: 0, base_sequence: self.next_sequence };
        let mut builder = BatchBuilder::new().with_producer(stamp);
        for _ in 0..count {
            let mut value = vec![0; usize::try_from(self.below(150)).unwrap()];
            self.rng.fill(&mut value);
            self.timestamp += i64::try_from(self.below(20)).unwrap() - 5;
            builder.push(&NewRecord { timestamp: self.timestamp, value: Some(&value), ..NewRecord::default() });
        }
        if self.gaps && self.below(3) == 0 {
            self.next_offset += i64::try_from(self.below(30)).unwrap();
        }
        let batch = Batch::check(builder.finish()).unwrap();
        let stored = StoredBatch::new(&batch, self.next_offset, self.epoch);
        self.next_offset = stored.next_offset();
        self.next_sequence += i32::try_from(count).unwrap();
        stored
    }

    fn batches(&mut self, count: usize) -> Vec<StoredBatch> {
        (0..count).map(|_| self.batch()).collect()
    }
}

fn bytes_of(batches: &[StoredBatch]) -> Vec<u8> {
    batches.iter().flat_map(|batch| batch.to_bytes()).collect()
}

/// Compares bytes and prints none.
#[track_caller]
fn check_bytes(found: &[u8], expected: &[u8], what: &str) {
    let common = found.iter().zip(expected).take_while(|(found, expected)| found == expected).count();
    assert!(found == expected, "{what}: {} bytes instead of {}, {common} agree", found.len(), expected.len());
}

fn wanted(offset: Offset) -> Read {
    Read { offset, upper_offset: Offset::MAX, bytes_max: 1 << 20, at_least: AtLeast::OneBatch }
}

/// All bytes from `from` on, read by one who follows `next_offset`.
fn read_from(reader: &LogReader, from: Offset, bytes_max: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut offset = from;
    loop {
        let batches = reader.read(&Read { bytes_max, ..wanted(offset) }).unwrap();
        if batches.bytes.is_empty() {
            assert_eq!(offset, reader.next_offset(), "a read that finds nothing stands at the end");
            return bytes;
        }
        assert!(batches.next_offset > offset, "a read makes progress");
        bytes.extend_from_slice(&batches.bytes);
        offset = batches.next_offset;
    }
}

fn read_all(reader: &LogReader) -> Vec<u8> {
    read_from(reader, reader.log_start_offset(), 1 << 20)
}

/// Syncs all that is dirty and returns the checkpoint that this made true.
fn sync(log: &mut PartitionLog) -> Result<LogCheckpoint, SyncError> {
    let dirty = log.dirty_files();
    let checkpoint = log.checkpoint();
    dirty.iter().try_for_each(DirtyFile::sync)?;
    Ok(checkpoint)
}

fn recover(
    disk: &SimDisk,
    config: LogConfig,
    checkpoint: &LogCheckpoint,
    mode: RecoverMode,
) -> Result<Recovered, OpenError> {
    PartitionLog::recover(&files(disk), dir(), id(), config, checkpoint, mode, &mut |_| {})
}

fn corruption(error: OpenError) -> Corruption {
    match error {
        OpenError::Corrupt(corruption) => corruption,
        other => panic!("{other}"),
    }
}

/// Overwrites bytes of a file, as nobody should.
fn tamper(disk: &SimDisk, path: &Path, position: u64, bytes: &[u8]) {
    crate::Disk::open(disk, path, OpenMode::Write).unwrap().write_all_at(bytes, position).unwrap();
}

fn names(disk: &SimDisk) -> Vec<String> {
    crate::Disk::list(disk, &dir()).unwrap().into_iter().map(|entry| entry.name).collect()
}
