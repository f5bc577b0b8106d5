//! The journal on a disk that loses, tears, fills and fails.

use super::*;
use crate::disk::RealDisk;
use bytes::Bytes;
use levada_model::{LogId, Uuid};

fn log() -> LogId {
    LogId { topic: Uuid::from_bytes([7; 16]), partition: 3 }
}

fn batch(body: &[u8]) -> Entry {
    Entry::Batch { log: log(), head: [1; 16], body: Bytes::copy_from_slice(body) }
}

fn entries_of(replay: Replay) -> Vec<(u64, Entry)> {
    replay.map(|item| item.map(|(position, entry)| (position.0, entry)).expect("readable")).collect()
}

#[test]
fn entries_come_back_in_order_after_a_restart() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let dir = dir.path().join("journal");
    let config = JournalConfig { file_size: 1 << 20, ..JournalConfig::default() };
    let open = || Journal::open(Arc::new(RealDisk), &dir, JournalPosition::START, config.clone()).expect("opens");
    let (mut journal, replay) = open();
    assert_eq!(entries_of(replay), []);
    let first = [batch(b"one"), Entry::StartOffset { log: log(), offset: 5 }];
    let second = [Entry::OffsetLease { log: log(), ceiling: 9 }, batch(&[2; 10_000]), batch(b"")];
    let (one, two) = (journal.append(&first).expect("appended"), journal.append(&second).expect("appended"));
    journal.sync().expect("synced");
    assert_eq!((one, two, journal.position()), (JournalPosition(2), JournalPosition(3), JournalPosition(4)));
    let (_, replay) = open();
    assert_eq!(replay.summary().frames, 2);
    let expected: Vec<_> =
        first.iter().map(|entry| (2, entry.clone())).chain(second.iter().map(|entry| (3, entry.clone()))).collect();
    assert_eq!(entries_of(replay), expected);
}
