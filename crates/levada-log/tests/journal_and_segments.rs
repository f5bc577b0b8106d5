//! The journal and the segments behind it, together, as a store drives them: whatever is cut off and whenever, each
//! partition comes back with every record that was acknowledged, once and in order.

use bytes::BytesMut;
use levada_log::{
    Disk, Journal, JournalConfig, JournalPosition, LogConfig, LogFiles, PartitionLog,
    disk::{OpenMode, SimDisk, read_exact_at, sim::Fault},
    journal::{Entry, JournalError},
    partition::{AtLeast, LogCheckpoint, Read, RecoverMode},
};
use levada_model::{
    LogId, Offset, Rng, SeededRng, Uuid,
    batch::Batch,
    reader::Reader,
    record::{BatchBuilder, NewRecord, StoredBatch},
};
use std::{
    error::Error,
    path::{Path, PathBuf},
    sync::Arc,
};

const PARTITIONS: usize = 3;
const CHECKPOINT: &str = "/data/checkpoint";

type Outcome<T> = Result<T, Box<dyn Error>>;

/// One partition as its clients know it, over several lives of the disk.
#[derive(Clone, Debug, Default)]
struct Promised {
    /// What was given to the journal, in order.
    tried: Vec<StoredBatch>,
    /// How many of them were acknowledged.
    acknowledged: usize,
}

/// The checkpoint of all partitions, as a store writes it.
struct Checkpoint {
    position: JournalPosition,
    logs: Vec<LogCheckpoint>,
}

fn id(partition: usize) -> LogId {
    LogId { topic: Uuid::from_bytes([7; 16]), partition: i32::try_from(partition).expect("few") }
}

fn dir(partition: usize) -> PathBuf {
    PathBuf::from(format!("/data/logs/orders-{partition}"))
}

fn log_config() -> LogConfig {
    LogConfig { segment_bytes: 3_000, index_interval_bytes: 512, ..LogConfig::default() }
}

fn batch(rng: &SeededRng, base: Offset) -> StoredBatch {
    let mut builder = BatchBuilder::new();
    for _ in 0..1 + rng.next_u64() % 3 {
        let mut value = vec![0; usize::try_from(rng.next_u64() % 900).expect("small")];
        rng.fill(&mut value);
        builder.push(&NewRecord { timestamp: 1_000, value: Some(&value), ..NewRecord::default() });
    }
    StoredBatch::new(&Batch::check(builder.finish()).expect("sound"), base, 1)
}

fn read_checkpoint(disk: &SimDisk) -> Outcome<Option<Checkpoint>> {
    if !disk.exists(Path::new(CHECKPOINT)) {
        return Ok(None);
    }
    let file = disk.open(Path::new(CHECKPOINT), OpenMode::Read)?;
    let mut bytes = vec![0; usize::try_from(file.len()?)?];
    read_exact_at(&*file, &mut bytes, 0)?;
    let mut reader = Reader::new(bytes.into());
    let position = JournalPosition(reader.i64()?.cast_unsigned());
    let mut logs = Vec::new();
    for _ in 0..PARTITIONS {
        logs.push(LogCheckpoint::decode(&mut reader)?);
    }
    Ok(Some(Checkpoint { position, logs }))
}

fn write_checkpoint(disk: &SimDisk, checkpoint: &Checkpoint) -> Outcome<()> {
    let mut bytes = BytesMut::new();
    bytes.extend_from_slice(&checkpoint.position.0.to_be_bytes());
    checkpoint.logs.iter().for_each(|log| log.encode(&mut bytes));
    let written = PathBuf::from(format!("{CHECKPOINT}.tmp"));
    let file = disk.open(&written, OpenMode::Create)?;
    file.set_len(0)?;
    file.write_all_at(&bytes, 0)?;
    file.sync_data()?;
    disk.rename(&written, Path::new(CHECKPOINT))?;
    Ok(disk.sync_dir(Path::new("/data"))?)
}

/// A store, as small as it can be.
struct Store {
    disk: SimDisk,
    journal: Journal,
    logs: Vec<PartitionLog>,
    /// Acknowledged, not yet in segments: the frame, the partition, the batch.
    behind: Vec<(JournalPosition, usize, StoredBatch)>,
}

impl Store {
    fn open(disk: &SimDisk) -> Outcome<Self> {
        disk.create_dir_all(Path::new("/data/logs"))?;
        disk.sync_dir(Path::new("/data"))?;
        disk.sync_dir(Path::new("/"))?;
        let files = LogFiles::new(Arc::new(disk.clone()));
        let found = read_checkpoint(disk)?;
        let position = found.as_ref().map_or(JournalPosition::START, |checkpoint| checkpoint.position);
        let mut logs = Vec::new();
        for partition in 0..PARTITIONS {
            let (dir, id, config) = (dir(partition), id(partition), log_config());
            logs.push(match found.as_ref().and_then(|checkpoint| checkpoint.logs.get(partition)) {
                Some(checkpoint) => {
                    let mode = RecoverMode::CutAtCheckpoint;
                    PartitionLog::recover(&files, dir, id, config, checkpoint, mode, &mut |_| {})?.log
                }
                None => {
                    if disk.exists(&dir) {
                        disk.remove_dir_all(&dir)?;
                    }
                    PartitionLog::create_dirty(&files, dir, id, config, 0)?
                }
            });
        }
        let config = JournalConfig { file_size: 64 << 10, files_max: 3, key: 5 };
        let (journal, replay) = Journal::open(Arc::new(disk.clone()), Path::new("/data/journal"), position, config)?;
        let mut store = Self { disk: disk.clone(), journal, logs, behind: Vec::new() };
        for item in replay {
            let (_, entry) = item?;
            store.replay(&entry)?;
        }
        store.checkpoint()?;
        Ok(store)
    }

    fn replay(&mut self, entry: &Entry) -> Outcome<()> {
        let Entry::Batch { log, head, body } = entry else { return Err("an entry that was never appended".into()) };
        let log = self.logs.get_mut(usize::try_from(log.partition)?).ok_or("a partition that never was")?;
        let batch = Batch::check([&head[..], body].concat().into())?;
        let stored = StoredBatch::new(&batch, batch.header().base_offset, batch.header().partition_leader_epoch);
        if stored.base_offset >= log.next_offset() {
            assert_eq!(stored.base_offset, log.next_offset(), "no gap between segments and journal");
            log.append(&[stored], 1_000)?;
        }
        Ok(())
    }

    /// One round: batches of some partitions, one sync, acknowledged.
    fn round(&mut self, rng: &SeededRng, promised: &mut [Promised]) -> Outcome<()> {
        let mut taken = Vec::new();
        let mut entries = Vec::new();
        for _ in 0..1 + rng.next_u64() % 5 {
            let partition = usize::try_from(rng.next_u64())? % PARTITIONS;
            let next = promised[partition].tried.last().map_or(0, StoredBatch::next_offset);
            let batch = batch(rng, next);
            entries.push(Entry::Batch { log: id(partition), head: batch.head, body: batch.body.clone() });
            promised[partition].tried.push(batch.clone());
            taken.push((partition, batch));
        }
        let position = match self.journal.append(&entries) {
            Ok(position) => position,
            Err(JournalError::Full { .. }) => {
                self.checkpoint()?;
                self.journal.append(&entries)?
            }
            Err(error) => return Err(error.into()),
        };
        self.journal.sync()?;
        promised.iter_mut().for_each(|promised| promised.acknowledged = promised.tried.len());
        self.behind.extend(taken.into_iter().map(|(partition, batch)| (position, partition, batch)));
        Ok(())
    }

    /// Brings the first `count` batches to their segments.
    fn write_behind(&mut self, count: usize) -> Outcome<()> {
        for (_, partition, batch) in self.behind.drain(..count) {
            self.logs[partition].append(&[batch], 1_000)?;
        }
        Ok(())
    }

    /// Makes durable what is in segments, and lets go of the journal before the first batch that is not.
    fn checkpoint(&mut self) -> Outcome<()> {
        let position = self.behind.first().map_or(self.journal.durable_position(), |(position, ..)| *position);
        let mut logs = Vec::new();
        for log in &mut self.logs {
            let dirty = log.dirty_files();
            logs.push(log.checkpoint());
            dirty.iter().try_for_each(|file| file.sync())?;
        }
        write_checkpoint(&self.disk, &Checkpoint { position, logs })?;
        Ok(self.journal.release_before(position)?)
    }

    fn bytes_of(&self, partition: usize) -> Outcome<Vec<u8>> {
        let reader = self.logs[partition].reader();
        let mut bytes = Vec::new();
        let mut offset = 0;
        loop {
            let read = Read { offset, upper_offset: Offset::MAX, bytes_max: 4_096, at_least: AtLeast::OneBatch };
            let batches = reader.read(&read)?;
            if batches.bytes.is_empty() {
                return Ok(bytes);
            }
            bytes.extend_from_slice(&batches.bytes);
            offset = batches.next_offset;
        }
    }
}

/// Each partition holds what was acknowledged and a beginning of what else was tried. What it lacks never was.
fn check(store: &Store, promised: &mut [Promised], what: &str) -> Outcome<()> {
    for (partition, promised) in promised.iter_mut().enumerate() {
        let next = store.logs[partition].next_offset();
        let kept = promised.tried.iter().take_while(|batch| batch.next_offset() <= next).count();
        assert!(kept >= promised.acknowledged, "{what}: {kept} of {} acknowledged batches", promised.acknowledged);
        promised.tried.truncate(kept);
        promised.acknowledged = kept;
        let expected: Vec<u8> = promised.tried.iter().flat_map(|batch| batch.to_bytes()).collect();
        assert!(store.bytes_of(partition)? == expected, "{what}: partition {partition} holds other bytes");
    }
    Ok(())
}

/// Opens, checks, and works until `rounds` are done or the disk ends it.
fn live(disk: &SimDisk, seed: u64, rounds: u64, promised: &mut [Promised], what: &str) -> Outcome<()> {
    let rng = SeededRng::new(seed);
    let mut store = Store::open(disk)?;
    check(&store, promised, what)?;
    for _ in 0..rounds {
        store.round(&rng, promised)?;
        let behind = u64::try_from(store.behind.len())?;
        store.write_behind(usize::try_from(rng.next_u64() % (behind + 1))?)?;
        if rng.next_u64().is_multiple_of(4) {
            store.checkpoint()?;
        }
    }
    Ok(())
}

fn nothing_promised() -> Vec<Promised> {
    vec![Promised::default(); PARTITIONS]
}

#[test]
fn a_kill_or_a_power_cut_at_any_call_loses_nothing_acknowledged() {
    let whole = SimDisk::new();
    live(&whole, 3, 16, &mut nothing_promised(), "no fault").expect("no fault");
    assert!(whole.calls() > 200, "{}", whole.calls());
    for call in 1..=whole.calls() {
        let disk = SimDisk::new();
        disk.fail_at(call, Fault::TornWrite);
        let mut promised = nothing_promised();
        assert!(live(&disk, 3, 16, &mut promised, "before the fault").is_err());
        let mut after_kill = promised.clone();
        let restarted = disk.restart();
        let what = format!("killed at call {call}");
        live(&restarted, call, 2, &mut after_kill, &what).expect(&what);
        let what = format!("killed at call {call}, then cut");
        live(&restarted.power_cut(call), call, 0, &mut after_kill, &what).expect(&what);
        let what = format!("cut at call {call}");
        live(&disk.power_cut(call), call, 1, &mut promised, &what).expect(&what);
    }
}

#[test]
fn life_after_life_under_power_cuts_loses_nothing_acknowledged() {
    for seed in 0..40 {
        let rng = SeededRng::new(seed);
        let mut disk = SimDisk::new();
        let mut promised = nothing_promised();
        for life in 0..5 {
            let what = format!("seed {seed}, life {life}");
            disk.fail_at(1 + rng.next_u64() % 400, Fault::TornWrite);
            let ended = live(&disk, seed * 10 + life, 60, &mut promised, &what);
            assert!(ended.is_err(), "the fault comes before the end");
            disk = if rng.next_u64().is_multiple_of(4) { disk.restart() } else { disk.power_cut(rng.next_u64()) };
        }
        let what = format!("seed {seed}, the end");
        live(&disk, seed, 1, &mut promised, &what).expect(&what);
    }
}
