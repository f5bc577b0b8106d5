//! Open and aborted transactions survive every way in which a log is opened.

use super::*;
use levada_model::{Marker, Outcome, batch::Attributes};

fn data(offset: Offset, producer: i64, sequence: i32) -> StoredBatch {
    let stamp = ProducerStamp { id: ProducerId(producer), epoch: 0, base_sequence: sequence };
    let mut builder = BatchBuilder::new().with_producer(stamp).with_attributes(Attributes::TRANSACTIONAL);
    for _ in 0..2 {
        builder.push(&NewRecord { timestamp: 5, key: None, value: Some(&[7; 300]), headers: &[] });
    }
    StoredBatch::new(&Batch::check(builder.finish()).unwrap(), offset, 0)
}

fn marker(offset: Offset, producer: i64, outcome: Outcome) -> StoredBatch {
    let marker = Marker { outcome, coordinator_epoch: 1 };
    StoredBatch::new(&marker.batch(ProducerId(producer), 0, 6), offset, 0)
}

fn aborted(producer: i64, first_offset: Offset, last_offset: Offset, stable: Offset) -> AbortedTransaction {
    AbortedTransaction { producer: ProducerId(producer), first_offset, last_offset, last_stable_offset: stable }
}

/// Producers 1 and 3 abort, 2 commits, 4 stays open; the segments are small.
fn history() -> Vec<StoredBatch> {
    vec![
        data(0, 1, 0),
        data(2, 2, 0),
        marker(4, 1, Outcome::Abort),
        data(5, 3, 0),
        data(7, 4, 0),
        marker(9, 2, Outcome::Commit),
        data(10, 3, 2),
        marker(12, 3, Outcome::Abort),
        data(13, 4, 2),
    ]
}

fn expected() -> Vec<AbortedTransaction> {
    vec![aborted(1, 0, 4, 2), aborted(3, 5, 12, 7)]
}

fn check(log: &PartitionLog, what: &str) {
    assert_eq!(log.aborted(), expected(), "{what}");
    assert_eq!(log.producers().first_open_transaction(), Some(7), "{what}");
}

/// A log of which the first `synced` batches are durable and in the checkpoint; the others are written.
fn written(synced: usize) -> (SimDisk, LogCheckpoint) {
    let disk = disk();
    let mut log = create(&disk, config(1_500));
    let batches = history();
    let (before, after) = batches.split_at(synced);
    log.append(before, 100).unwrap();
    log.dirty_files().iter().for_each(|file| file.sync().unwrap());
    let checkpoint = log.checkpoint();
    log.append(after, 101).unwrap();
    check(&log, "as written");
    (disk, checkpoint)
}

fn recover(disk: &SimDisk, checkpoint: &LogCheckpoint, mode: RecoverMode) -> PartitionLog {
    PartitionLog::recover(&files(disk), dir(), id(), config(1_500), checkpoint, mode, &mut |_| {}).unwrap().log
}

#[test]
fn transactions_survive_every_way_of_opening() {
    for synced in 0..=history().len() {
        let (disk, checkpoint) = written(synced);
        let log = recover(&disk, &checkpoint, RecoverMode::ScanBeyond);
        check(&log, "scanned beyond the checkpoint");
        let clean = log.close().unwrap();
        let log = PartitionLog::open_clean(&files(&disk), dir(), id(), config(1_500), &clean).unwrap();
        check(&log, "after a clean close");
        drop(log);
        let rebuilt = PartitionLog::rebuild(&files(&disk), dir(), id(), config(1_500)).unwrap();
        check(&rebuilt.log, "rebuilt");

        let (disk, checkpoint) = written(synced);
        let mut log = recover(&disk, &checkpoint, RecoverMode::CutAtCheckpoint);
        log.append(history().get(synced..).unwrap(), 102).unwrap();
        check(&log, "cut at the checkpoint and appended again");
    }
}

#[test]
fn producers_with_an_open_transaction_are_not_forgotten() {
    let mut producers = ProducerTable::new(2);
    let headers = [data(0, 1, 0), data(2, 2, 0)].map(|batch| batch.header().unwrap());
    for header in &headers {
        producers.apply(header, header.base_offset, 1);
    }
    for producer in 10..20 {
        let mut builder =
            BatchBuilder::new().with_producer(ProducerStamp { id: ProducerId(producer), epoch: 0, base_sequence: 0 });
        builder.push(&NewRecord { timestamp: 5, key: None, value: None, headers: &[] });
        producers.apply(Batch::check(builder.finish()).unwrap().header(), producer, 1);
    }
    assert!(producers.get(ProducerId(1)).is_some() && producers.get(ProducerId(2)).is_some());
    assert_eq!(producers.len(), 3, "the two, and the one that came last");
    assert_eq!(producers.first_open_transaction(), Some(0));
}
