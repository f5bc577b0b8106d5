//! The journal on a disk that loses, tears, fills and fails.

mod crash;
mod recovery;

use super::*;
use crate::disk::{OpenMode, RealDisk, SimDisk, read_exact_at};
use crate::error::ErrorKind;
use bytes::Bytes;
use levada_model::{LogId, Uuid};
use std::collections::BTreeMap;

fn log() -> LogId {
    LogId { topic: Uuid::from_bytes([7; 16]), partition: 3 }
}

fn batch(body: &[u8]) -> Entry {
    Entry::Batch { log: log(), head: [1; 16], body: Bytes::copy_from_slice(body) }
}

/// An entry that can be told from all others, of about `size` bytes.
fn numbered(number: u64, size: usize) -> Entry {
    let mut body = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().repeat(size / 8 + 2);
    body.truncate(size + 8);
    body[..8].copy_from_slice(&number.to_be_bytes());
    batch(&body)
}

fn number_of(entry: &Entry) -> u64 {
    let number = u64::from_be_bytes(entry.body()[..8].try_into().expect("eight bytes"));
    assert_eq!(*entry, numbered(number, entry.body().len() - 8), "entry {number} is whole");
    number
}

fn small() -> JournalConfig {
    JournalConfig { file_size: 64 << 10, files_max: 3, key: 77 }
}

fn dir() -> &'static Path {
    Path::new("/data/journal")
}

fn try_open(disk: &SimDisk, from: u64) -> Result<(Journal, Replay), JournalError> {
    Journal::open(Arc::new(disk.clone()), dir(), JournalPosition(from), small())
}

fn open(disk: &SimDisk, from: u64) -> (Journal, Replay) {
    try_open(disk, from).expect("opens")
}

fn new_disk() -> SimDisk {
    let disk = SimDisk::new();
    disk.create_dir_all(Path::new("/data")).expect("created");
    disk.sync_dir(Path::new("/")).expect("synced");
    disk
}

fn entries_of(replay: Replay) -> Vec<(u64, Entry)> {
    replay.map(|item| item.map(|(position, entry)| (position.0, entry)).expect("readable")).collect()
}

fn numbers_of(replay: Replay) -> Vec<u64> {
    entries_of(replay).iter().map(|(_, entry)| number_of(entry)).collect()
}

fn file(number: u64) -> PathBuf {
    walk::file_path(dir(), number)
}

/// Appends and syncs one entry of `size` bytes; gives its frame's position.
fn add(journal: &mut Journal, number: u64, size: usize) -> u64 {
    let position = journal.append(&[numbered(number, size)]).expect("appended");
    journal.sync().expect("synced");
    position.0
}

#[test]
fn entries_come_back_in_order_after_a_restart() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let dir = dir.path().join("journal");
    let config = JournalConfig { file_size: 1 << 20, ..JournalConfig::default() };
    let open = || Journal::open(Arc::new(RealDisk), &dir, JournalPosition::START, config.clone()).expect("opens");
    let (mut journal, replay) = open();
    assert_eq!(entries_of(replay), []);
    let first = [batch(b"one"), Entry::OffsetLease { log: log(), ceiling: 5 }];
    let second = [Entry::OffsetLease { log: log(), ceiling: 9 }, batch(&[2; 10_000]), batch(b"")];
    let (one, two) = (journal.append(&first).expect("appended"), journal.append(&second).expect("appended"));
    assert_eq!(journal.durable_position(), JournalPosition(2));
    journal.sync().expect("synced");
    assert_eq!((one, two, journal.position()), (JournalPosition(2), JournalPosition(3), JournalPosition(4)));
    assert_eq!(journal.durable_position(), JournalPosition(4));
    let (_, replay) = open();
    assert_eq!(replay.summary(), ReplaySummary { frames: 2, bytes: 47 + 36 + 36 + 10_044 + 44, torn_bytes: 0 });
    let expected: Vec<_> =
        first.into_iter().map(|entry| (2, entry)).chain(second.into_iter().map(|entry| (3, entry))).collect();
    assert_eq!(entries_of(replay), expected);
}

/// What `testdata/journal-frame-v1.bin` holds, after an opening frame.
fn one_of_each() -> [Entry; 3] {
    [
        batch(b"body"),
        Entry::OffsetLease { log: log(), ceiling: -1 },
        Entry::Meta { bytes: Bytes::from_static(b"changes") },
    ]
}

#[test]
fn a_frame_has_the_bytes_that_the_format_says() {
    let disk = new_disk();
    let (mut journal, _) = open(&disk, 0);
    journal.append(&one_of_each()).expect("appended");
    let golden: &[u8] = include_bytes!("../../testdata/journal-frame-v1.bin");
    let file = disk.open(&file(1), OpenMode::Read).expect("opens");
    let mut written = vec![0; 8_192];
    read_exact_at(&*file, &mut written, 0).expect("read");
    assert!(written == golden, "an opening frame and one with an entry of each kind: {:02x?}", &written[4_096..4_280]);
}

#[test]
fn the_golden_frame_is_still_read() {
    let disk = new_disk();
    disk.create_dir_all(dir()).expect("created");
    let golden = include_bytes!("../../testdata/journal-frame-v1.bin");
    disk.open(&file(1), OpenMode::Create).expect("opens").write_all_at(golden, 0).expect("written");
    let (_, replay) = open(&disk, 0);
    let entries: Vec<Entry> = entries_of(replay).into_iter().map(|(_, entry)| entry).collect();
    assert_eq!(entries, one_of_each());
}

#[test]
fn what_the_journal_says_of_segments_is_known_before_the_replay() {
    let disk = new_disk();
    let (mut journal, replay) = open(&disk, 0);
    assert_eq!(*replay.placed(), BTreeMap::new());
    let other = LogId { partition: 9, ..log() };
    let first = [Entry::Placed { log: log(), end: 7 }, batch(b"one"), Entry::Placed { log: other, end: 0x0102 }];
    journal.append(&first).expect("appended");
    journal.append(&[Entry::Placed { log: log(), end: 20 }]).expect("appended");
    journal.sync().expect("synced");
    let mut bytes = vec![0; 64];
    let file = disk.open(&file(1), OpenMode::Read).expect("opens");
    // Behind the opening frame, the frame's head and the entries before: 36 bytes and 47.
    read_exact_at(&*file, &mut bytes, 4_096 + 56 + 36 + 47).expect("read");
    let topic = other.topic;
    let golden = [&[5, 0, 0, 0, 0, 0, 0, 28][..], topic.as_bytes(), &[0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 1, 2]].concat();
    assert_eq!(bytes[..36], golden[..]);
    let (_, replay) = open(&disk, 0);
    assert_eq!(*replay.placed(), BTreeMap::from([(log(), 20), (other, 0x0102)]));
    assert_eq!(entries_of(replay).len(), 4);
}

#[test]
fn a_large_round_is_split_between_entries() {
    let disk = new_disk();
    let config = JournalConfig { file_size: 16 << 20, ..small() };
    let open = |from| Journal::open(Arc::new(disk.clone()), dir(), JournalPosition(from), config.clone());
    let (mut journal, _) = open(0).expect("opens");
    let round: Vec<Entry> = (0..7).map(|number| numbered(number, 3 << 20)).collect();
    let before = disk.calls();
    let first = journal.append(&round).expect("appended");
    assert_eq!(journal.position().0 - first.0, 4, "two entries of 3 MiB a frame");
    assert_eq!(disk.calls() - before, 4 + 3, "one write a frame; open, allocate and sync of the second file's name");
    journal.sync().expect("synced");
    let (_, replay) = open(0).expect("opens");
    assert_eq!(numbers_of(replay), [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn an_entry_larger_than_a_file_is_refused() {
    let (mut journal, _) = open(&new_disk(), 0);
    let error = journal.append(&[numbered(1, 64 << 10)]).expect_err("too large");
    assert!(matches!(error, JournalError::TooLarge { limit: 65_480, .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    add(&mut journal, 2, 65_000);
}

#[test]
fn a_full_journal_refuses_until_something_is_released() {
    let disk = new_disk();
    let (mut journal, _) = open(&disk, 0);
    let mut positions = Vec::new();
    let error = loop {
        match journal.append(&[numbered(positions.len() as u64, 10_000)]) {
            Ok(position) => positions.push(position),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, JournalError::Full { capacity: 196_608, .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(positions.len(), 5 * 3, "frames of 12 KiB, five a file beside the opening frame");
    assert!(journal.bytes_used() > journal.capacity() * 9 / 10);
    journal.sync().expect("synced");
    journal.release_before(positions[4]).expect("released");
    assert!(journal.append(&[numbered(15, 10_000)]).is_err(), "the first file is needed for its last frame");
    journal.release_before(positions[5]).expect("released");
    add(&mut journal, 15, 10_000);
    let names: Vec<String> = disk.list(dir()).expect("listed").into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["00000001.journal", "00000002.journal", "00000003.journal"], "the first is used again");
    let (_, replay) = open(&disk, positions[5].0);
    assert_eq!(numbers_of(replay), (5..=15).collect::<Vec<_>>());
}

#[test]
fn an_append_that_leaves_room_is_refused_before_others() {
    for is_full in [true, false] {
        let disk = new_disk();
        let (mut journal, _) = open(&disk, 0);
        disk.set_capacity(is_full.then_some(128 << 10));
        let mut last = 0;
        let refused = (1..100).find_map(|number| {
            let appended = journal.append_leaving(20 << 10, &[numbered(number, 10_000)]);
            appended.map(|position| last = position.0).err()
        });
        let expected = matches!(refused, Some(JournalError::NoSpace(_))) == is_full;
        assert!(expected && matches!(refused.unwrap().kind(), ErrorKind::Unavailable));
        for number in 100..105 {
            journal.append(&[numbered(number, 100)]).expect("the room that was left");
        }
        assert!(journal.append(&[numbered(105, 10_000)]).is_err(), "it is used up");
        assert!(journal.ensure_spare(20 << 10).is_err());
        journal.sync().expect("synced");
        journal.release_before(JournalPosition(last)).expect("released");
        journal.ensure_spare(20 << 10).expect("there is room again");
        add(&mut journal, 106, 10_000);
    }
}

#[test]
fn an_entry_as_large_as_a_file_is_taken_whatever_is_to_be_left() {
    let config = JournalConfig { files_max: 2, ..small() };
    let (mut journal, _) = Journal::open(Arc::new(new_disk()), dir(), JournalPosition::START, config).expect("opens");
    for number in 0..4 {
        let position = journal.append_leaving(20 << 10, &[numbered(number, 60_000)]).expect("nothing can be released");
        journal.sync().expect("synced");
        journal.release_before(position).expect("released");
    }
}

#[test]
fn frames_of_a_former_use_of_a_file_never_come_back() {
    let disk = new_disk();
    let (mut journal, _) = open(&disk, 0);
    let mut kept_from = 0;
    for number in 0..200 {
        let position = add(&mut journal, number, 3_000 + usize::try_from(number % 7).expect("small") * 2_000);
        if number % 5 == 4 {
            journal.release_before(JournalPosition(kept_from)).expect("released");
            let (_, replay) = try_open(&disk.restart(), kept_from).expect("opens");
            let numbers = numbers_of(replay);
            assert_eq!(numbers.last(), Some(&number));
            assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
            kept_from = position;
        }
    }
    assert_eq!(disk.list(dir()).expect("listed").len(), 3);
}

#[test]
fn settings_outside_their_bounds_are_named() {
    for (config, name) in [
        (JournalConfig { file_size: 65_537, ..small() }, "file_size"),
        (JournalConfig { file_size: 4_096, ..small() }, "file_size"),
        (JournalConfig { files_max: 1, ..small() }, "files_max"),
    ] {
        let error = Journal::open(Arc::new(new_disk()), dir(), JournalPosition::START, config).expect_err("refused");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn an_idle_owner_prepares_the_next_file() {
    let disk = new_disk();
    let (mut journal, _) = open(&disk, 0);
    journal.prepare().expect("prepared");
    assert_eq!(disk.list(dir()).expect("listed").len(), 1, "not needed soon");
    add(&mut journal, 1, 40_000);
    journal.prepare().expect("prepared");
    journal.prepare().expect("prepared");
    assert_eq!(disk.list(dir()).expect("listed").len(), 2);
    let before = disk.calls();
    add(&mut journal, 2, 40_000);
    assert_eq!(disk.calls() - before, 2, "one write, one sync");
}

#[test]
fn a_failed_sync_poisons_for_good() {
    let disk = new_disk();
    let (mut journal, _) = open(&disk, 0);
    add(&mut journal, 1, 10);
    journal.append(&[numbered(2, 10)]).expect("appended");
    disk.fail_at(disk.calls() + 1, crate::disk::sim::Fault::Error(std::io::ErrorKind::Other));
    let error = journal.sync().expect_err("fails");
    assert!(matches!(error, JournalError::Poisoned { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Closed);
    let calls = disk.calls();
    assert!(journal.sync().is_err() && journal.append(&[numbered(3, 10)]).is_err() && journal.prepare().is_err());
    assert_eq!(disk.calls(), calls, "the disk is not touched again");
    assert_eq!(journal.durable_position(), JournalPosition(3));
}

#[test]
fn a_failed_write_poisons_unless_the_disk_is_full() {
    let disk = new_disk();
    let (mut journal, _) = open(&disk, 0);
    disk.fail_at(disk.calls() + 1, crate::disk::sim::Fault::Error(std::io::ErrorKind::Other));
    let error = journal.append(&[numbered(1, 10)]).expect_err("fails");
    assert!(matches!(error, JournalError::Poisoned { .. }), "{error}");
}
