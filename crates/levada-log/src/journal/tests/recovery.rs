//! What opening finds: torn tails, rot, full disks, other releases.

use super::*;
use crate::disk::sim::{Call, Fault, Rule};
use std::io::ErrorKind as IoErrorKind;

fn overwrite(disk: &SimDisk, path: &Path, bytes: &[u8], position: u64) {
    let file = disk.open(path, OpenMode::Write).expect("opens");
    file.write_all_at(bytes, position).expect("written");
    file.sync_data().expect("synced");
}

fn read(disk: &SimDisk, path: &Path, position: u64, size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    read_exact_at(&*disk.open(path, OpenMode::Read).expect("opens"), &mut bytes, position).expect("read");
    bytes
}

fn names(disk: &SimDisk) -> Vec<String> {
    disk.list(dir()).expect("listed").into_iter().map(|entry| entry.name).collect()
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_only_the_tail() {
    let disk = new_disk();
    let (mut journal, _) = open(&disk, 0);
    add(&mut journal, 1, 100);
    let start = journal.bytes_used();
    let position = add(&mut journal, 2, 600);
    let size = usize::try_from(journal.bytes_used() - start).expect("small");
    let whole = read(&disk, &file(1), start, size);
    let frame_end = whole.iter().rposition(|&byte| byte != 0).expect("written") + 1;
    assert!((600..800).contains(&frame_end));
    for cut in 0..frame_end {
        let torn = disk.restart();
        let mut bytes = whole.clone();
        bytes[cut..].fill(0);
        overwrite(&torn, &file(1), &bytes, start);
        let (mut journal, replay) = open(&torn, 0);
        let header_is_whole = cut >= 56;
        assert_eq!(replay.summary().torn_bytes > 0, header_is_whole, "cut at {cut}");
        assert_eq!(names(&torn).contains(&format!("torn-{position}.bin")), header_is_whole, "cut at {cut}");
        assert_eq!(numbers_of(replay), [1], "cut at {cut}");
        add(&mut journal, 3, 50);
        assert_eq!(numbers_of(open(&torn, 0).1), [1, 3], "cut at {cut}");
    }
    let padding_only = disk.restart();
    let mut bytes = whole;
    bytes[frame_end..].fill(0xee);
    overwrite(&padding_only, &file(1), &bytes, start);
    assert_eq!(open(&padding_only, 0).1.summary().frames, 2, "what pads a frame does not matter");
}

#[test]
fn the_torn_bytes_are_kept_beside() {
    let disk = new_disk();
    let (mut journal, _) = open(&disk, 0);
    add(&mut journal, 1, 100);
    let start = journal.bytes_used();
    journal.append(&[numbered(2, 9_000)]).expect("appended");
    overwrite(&disk, &file(1), &[0], start + 5_000);
    let torn = read(&disk, &file(1), start, 12_288);
    let (_, replay) = open(&disk, 0);
    assert_eq!(replay.summary(), ReplaySummary { frames: 1, bytes: 152, torn_bytes: 12_288 });
    assert_eq!(read(&disk, &dir().join("torn-3.bin"), 0, 12_288), torn);
}

#[test]
fn few_torn_tails_are_kept() {
    let disk = new_disk();
    for round in 0..10 {
        let (mut journal, _) = open(&disk, 0);
        let start = journal.bytes_used();
        journal.append(&[numbered(round, 10)]).expect("appended");
        overwrite(&disk, &file(1), &[0xff; 8], start + 60);
    }
    drop(open(&disk, 0));
    let kept: Vec<String> = names(&disk).into_iter().filter(|name| name.starts_with("torn")).collect();
    assert_eq!(kept, ["torn-10.bin", "torn-11.bin", "torn-8.bin", "torn-9.bin"]);
}

#[test]
fn a_durable_frame_that_does_not_read_back_is_rot() {
    let disk = new_disk();
    let (mut journal, _) = open(&disk, 0);
    let mut starts = Vec::new();
    for number in 0..4 {
        starts.push(journal.bytes_used());
        add(&mut journal, number, 5_000);
    }
    let last = 3;
    for (index, &start) in starts.iter().enumerate() {
        for byte in [0, 5, 20, 56, 70, 5_000] {
            let rotten = disk.restart();
            rotten.rot(&file(1), start + byte).expect("rots");
            match try_open(&rotten, 0) {
                Ok((_, replay)) => {
                    assert_eq!(index, last, "byte {byte}");
                    assert_eq!(numbers_of(replay), [0, 1, 2], "the last one cannot be told from a torn one");
                }
                Err(JournalError::Corrupt { path, position, sequence }) => {
                    assert!(index < last, "byte {byte}");
                    assert_eq!((path, position, sequence), (file(1), start, 2 + index as u64));
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn rot_is_seen_across_files_and_at_their_start() {
    let disk = new_disk();
    let (mut journal, _) = open(&disk, 0);
    let positions: Vec<u64> = (0..8).map(|number| add(&mut journal, number, 20_000)).collect();
    let starts: Vec<u64> = journal.live.iter().map(|file| file.first.expect("used").sequence).collect();
    assert_eq!(starts, [1, positions[3], positions[6]]);
    drop(open(&disk, 0));
    for (number, sequence) in [(1, 1), (2, starts[1]), (3, starts[2])] {
        for byte in [3, 60] {
            let rotten = disk.restart();
            rotten.rot(&file(number), byte).expect("rots");
            let error = match try_open(&rotten, 0) {
                // The opening frame has no payload that could rot.
                Ok(_) if number == 1 && byte == 60 => continue,
                opened => opened.expect_err("rot"),
            };
            assert_eq!(error.kind(), ErrorKind::Corrupt, "file {number}: {error}");
            assert!(error.to_string().contains(&format!("frame {sequence} ")), "{error}");
        }
    }
}

#[test]
fn unsynced_frames_beyond_a_hole_are_torn_not_rot() {
    let disk = new_disk();
    let (mut journal, _) = open(&disk, 0);
    add(&mut journal, 1, 100);
    let hole = journal.bytes_used();
    for number in 2..6 {
        journal.append(&[numbered(number, 100)]).expect("appended");
    }
    overwrite(&disk, &file(1), &[0; 512], hole);
    let (mut journal, replay) = open(&disk, 0);
    assert_eq!(replay.summary().torn_bytes, 4 * 4_096);
    assert_eq!(numbers_of(replay), [1]);
    // The new frame lies where the torn one was; what followed that one still lies behind.
    add(&mut journal, 7, 100);
    let (mut journal, replay) = open(&disk, 0);
    assert_eq!(numbers_of(replay), [1, 7]);
    add(&mut journal, 8, 100);
    assert_eq!(numbers_of(open(&disk, 0).1), [1, 7, 8]);
}

#[test]
fn an_unsynced_file_beyond_a_torn_one_is_not_taken_up_later() {
    let disk = new_disk();
    let (mut journal, _) = open(&disk, 0);
    add(&mut journal, 1, 30_000);
    let hole = journal.bytes_used();
    for number in 2..5 {
        journal.append(&[numbered(number, 20_000)]).expect("appended");
    }
    overwrite(&disk, &file(1), &[0; 512], hole);
    let (mut journal, replay) = open(&disk, 0);
    assert!(replay.summary().torn_bytes > 40_000);
    assert_eq!(numbers_of(replay), [1]);
    let mut last = 0;
    for number in 10..15 {
        last = journal.append(&[numbered(number, 100)]).expect("appended").0;
    }
    journal.sync().expect("synced");
    assert_eq!(numbers_of(open(&disk, 0).1), [1, 10, 11, 12, 13, 14]);
    assert_eq!(numbers_of(open(&disk, last).1), [14], "a checkpoint beyond the torn file's first frame");
}

#[test]
fn frames_before_the_checkpoint_are_passed_over() {
    let disk = new_disk();
    let (mut journal, _) = open(&disk, 0);
    let positions: Vec<u64> = (0..9).map(|number| add(&mut journal, number, 15_000)).collect();
    for (index, &position) in positions.iter().enumerate() {
        let (_, replay) = open(&disk.restart(), position);
        assert_eq!(numbers_of(replay), (index as u64..9).collect::<Vec<_>>());
    }
    let end = journal.durable_position().0;
    let (_, replay) = open(&disk.restart(), end);
    assert_eq!((replay.summary().frames, numbers_of(replay)), (0, Vec::new()));
}

#[test]
fn a_journal_without_what_the_checkpoint_needs_is_refused() {
    let disk = new_disk();
    let (mut journal, _) = open(&disk, 0);
    let positions: Vec<u64> = (0..9).map(|number| add(&mut journal, number, 15_000)).collect();
    let end = journal.durable_position().0;
    let error = try_open(&disk.restart(), end + 1).expect_err("beyond the end");
    let expected = format!("journal in `/data/journal` lacks frame {}: it holds 9 to {}", end + 1, end - 1);
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let gone = disk.restart();
    (1..4).for_each(|number| gone.remove_file(&file(number)).expect("removed"));
    assert!(matches!(try_open(&gone, 2).expect_err("gone"), JournalError::Missing { found: None, .. }));
    let beginning_gone = disk.restart();
    beginning_gone.remove_file(&file(1)).expect("removed");
    for from in [0, 2] {
        let error = try_open(&beginning_gone, from).expect_err("gone");
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    }
    assert_eq!(numbers_of(open(&beginning_gone, positions[8]).1), [8]);
}

#[test]
fn a_full_disk_is_survived() {
    let disk = new_disk();
    let (mut journal, _) = open(&disk, 0);
    disk.set_capacity(Some(100 << 10));
    let mut added = 0;
    let error = loop {
        match journal.append(&[numbered(added, 10_000)]) {
            Ok(_) => added += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, JournalError::NoSpace(_)), "{error}");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!((added, names(&disk)), (5, vec!["00000001.journal".to_owned()]), "the unfinished file is gone");
    assert!(journal.append(&[numbered(added, 10_000)]).is_err(), "still full");
    disk.set_capacity(None);
    add(&mut journal, added, 10_000);
    assert_eq!(numbers_of(open(&disk, 0).1), [0, 1, 2, 3, 4, 5]);
}

/// On file systems that never overwrite in place, writes within a file can find no room.
#[test]
fn a_write_that_finds_no_room_is_cut_back_to_the_last_whole_frame() {
    for failing_write in [0, 1, 2] {
        let disk = new_disk();
        let (mut journal, _) = open(&disk, 0);
        add(&mut journal, 1, 100);
        let rule = |after| Rule {
            call: Call::Write,
            path_contains: ".journal".into(),
            after,
            error: IoErrorKind::StorageFull,
        };
        disk.add_rule(rule(failing_write));
        let position = journal.position();
        let round: Vec<Entry> = (50..53).map(|number| numbered(number, 40_000)).collect();
        let error = journal.append(&round).expect_err("no room");
        assert!(matches!(error, JournalError::NoSpace(_)) || failing_write > 0, "{error}");
        assert_eq!(journal.position(), position);
        assert!(journal.append(&round[..1]).is_err(), "still no room");
        disk.clear_rules();
        add(&mut journal, 60, 9_000);
        add(&mut journal, 61, 50_000);
        for seed in 0..20 {
            assert_eq!(numbers_of(open(&disk.power_cut(seed), 0).1), [1, 60, 61], "seed {seed}");
        }
    }
}

#[test]
fn a_disk_too_full_to_keep_the_torn_bytes_does_not_stop_the_start() {
    let disk = new_disk();
    let (mut journal, _) = open(&disk, 0);
    journal.append(&[numbered(1, 9_000)]).expect("appended");
    overwrite(&disk, &file(1), &[0; 2], 4_096 + 5_000);
    disk.set_capacity(Some((64 << 10) + 1));
    let (_, replay) = open(&disk, 0);
    assert_eq!(replay.summary().torn_bytes, 12_288);
}

#[test]
fn bytes_of_a_later_release_are_named() {
    let disk = new_disk();
    drop(open(&disk, 0));
    let entry = [9_u8, 0, 0, 0, 0, 0, 0, 0];
    let header = FrameHeader {
        opens: false,
        entry_count: 1,
        sequence: 2,
        epoch: 1,
        durable: 1,
        key: 77,
        payload_size: 8,
        payload_crc: levada_model::crc::crc32c(&entry),
    };
    overwrite(&disk, &file(1), &[&header.encode()[..], &entry].concat(), 4_096);
    let error = open(&disk.restart(), 0).1.next().expect("an item").expect_err("unknown");
    let expected = "journal frame 2 has an entry of unknown kind 9 (this release reads format version 1)";
    assert_eq!(error.to_string(), expected);
    let bad = FrameHeader { payload_crc: levada_model::crc::crc32c(&[1; 8]), ..header };
    overwrite(&disk, &file(1), &[&bad.encode()[..], &[1; 8]].concat(), 4_096);
    let mut replay = open(&disk.restart(), 0).1;
    assert!(matches!(replay.next(), Some(Err(JournalError::BadEntries { sequence: 2 }))));
    assert!(replay.next().is_none(), "after an error there is no more");
    let mut later = header.encode();
    later[9] = 2;
    let crc = levada_model::crc::crc32c(&later[8..]).to_be_bytes();
    later[4..8].copy_from_slice(&crc);
    overwrite(&disk, &file(1), &later, 4_096);
    assert!(matches!(try_open(&disk, 0), Err(JournalError::UnsupportedVersion { version: 2, .. })));
}

#[test]
fn a_record_that_holds_the_image_of_a_frame_is_not_taken_for_one() {
    let disk = new_disk();
    let (mut journal, _) = open(&disk, 0);
    // Images of frames of any sequence and epoch that could matter, at the start of each block.
    let heads = 4_096 + HEADER_SIZE + 44;
    let mut body = vec![0; 57_000];
    let mut images = 0;
    for start in (0..body.len()).filter(|start| (start + heads).is_multiple_of(4_096)) {
        let forged = FrameHeader {
            opens: images % 2 == 0,
            entry_count: 0,
            sequence: 6 + images % 3,
            epoch: 1 + images % 2,
            durable: u64::MAX,
            key: 0,
            payload_size: 0,
            payload_crc: 0,
        };
        body[start..start + HEADER_SIZE].copy_from_slice(&forged.encode());
        images += 1;
    }
    assert!(images > 10);
    journal.append(&[Entry::Batch { log: log(), head: [0; 16], body: body.into() }]).expect("appended");
    journal.append(&[numbered(1, 60_000)]).expect("appended");
    journal.append(&[numbered(2, 60_000)]).expect("appended");
    journal.sync().expect("synced");
    journal.release_before(journal.durable_position()).expect("released");
    let from = add(&mut journal, 3, 5_000);
    assert_eq!((from, journal.present().number), (5, 1), "the file with the images is used again");
    let (journal, replay) = open(&disk, from);
    assert_eq!(journal.position(), JournalPosition(7), "what follows is a new opening frame, not an image");
    assert_eq!((replay.summary().torn_bytes, numbers_of(replay)), (0, vec![3]));
}

#[test]
fn an_error_while_opening_is_no_corruption() {
    let disk = new_disk();
    let (mut journal, _) = open(&disk, 0);
    add(&mut journal, 1, 10);
    let whole = disk.restart();
    drop(open(&whole, 0));
    for call in 1..=whole.calls() {
        let failing = disk.restart();
        failing.fail_at(call, Fault::Error(IoErrorKind::PermissionDenied));
        if let Err(error) = try_open(&failing, 0) {
            assert_ne!(error.kind(), ErrorKind::Corrupt, "call {call}: {error}");
        }
        assert_eq!(numbers_of(open(&failing.restart(), 0).1), [1], "call {call}");
    }
}

/// After a failed sync pages and sizes read back from memory, and no sync brings them to the disk.
#[test]
fn what_was_replayed_after_a_failed_sync_survives_a_power_cut() {
    for synced_before in [1, 2] {
        let disk = new_disk();
        let (mut journal, _) = open(&disk, 0);
        for number in 1..=3 {
            journal.append(&[numbered(number, 40_000)]).expect("appended");
            if number <= synced_before {
                journal.sync().expect("synced");
            }
        }
        disk.fail_at(disk.calls() + 1, Fault::Error(IoErrorKind::Other));
        assert!(journal.sync().is_err());
        let disk = disk.restart();
        assert_eq!(numbers_of(open(&disk, 0).1), [1, 2, 3]);
        for seed in 0..100 {
            assert_eq!(numbers_of(open(&disk.power_cut(seed), 0).1), [1, 2, 3], "seed {seed}");
        }
    }
}

#[test]
fn looking_at_a_journal_shows_what_a_start_would_find_and_changes_nothing() {
    let disk = new_disk();
    let (mut journal, _) = open(&disk, 0);
    let from = add(&mut journal, 1, 5_000);
    for number in 2..9 {
        add(&mut journal, number, 20_000);
    }
    let written = journal.append(&[numbered(9, 3_000)]).is_ok();
    drop(journal);
    assert!(written);
    for seed in 0..20 {
        let after = disk.power_cut(seed);
        let calls = after.calls();
        let looked = Journal::inspect(&after, dir(), JournalPosition(from)).expect("sound");
        let (summary, looked) = (looked.summary(), numbers_of(looked));
        assert!(after.calls() > calls);
        let again = Journal::inspect(&after, dir(), JournalPosition(from)).expect("sound");
        assert_eq!((again.summary(), numbers_of(again)), (summary, looked.clone()), "nothing was changed");
        let (_, replay) = open(&after, from);
        assert_eq!((replay.summary(), numbers_of(replay)), (summary, looked));
    }
    let nothing = new_disk();
    nothing.create_dir_all(dir()).expect("created");
    assert!(Journal::inspect(&nothing, dir(), JournalPosition::START).expect("empty").next().is_none());
    assert_eq!(nothing.list(dir()).expect("listed"), [], "nothing was created");
}
