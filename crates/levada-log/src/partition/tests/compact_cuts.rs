//! A power cut, or a kill, at any call of the disk while a log is compacted: what is read afterwards comes to the same
//! table, and each record is what it was.

use super::{
    compact::{pass_with, random_batches, records, request, settle, table},
    *,
};
use crate::{
    disk::sim::Fault,
    partition::{CompactRequest, Progress, Retention},
};

const SEGMENT_BYTES: u32 = 1_200;

/// What the journal and the store remember.
#[derive(Default)]
struct Promised {
    checkpoint: Option<LogCheckpoint>,
    all: Vec<StoredBatch>,
    /// Below this records may be compacted.
    sealed: Offset,
}

/// Appends, takes checkpoints, compacts, until done or dead.
fn work(disk: &SimDisk, seed: u64) -> Promised {
    let rng = SeededRng::new(seed);
    let mut promised = Promised::default();
    let Ok(mut log) = PartitionLog::create(&files(disk), dir(), id(), config(SEGMENT_BYTES), 0) else {
        return promised;
    };
    promised.checkpoint = Some(log.checkpoint());
    let mut progress = Progress::default();
    for round in 0..3 {
        let batches = random_batches(&rng, log.next_offset(), 14);
        promised.all.extend(batches.iter().cloned());
        if log.append(&batches, 1_000).is_err() {
            return promised;
        }
        let Ok(checkpoint) = settle(disk, &mut log) else { return promised };
        promised.sealed = checkpoint.active.base_offset;
        promised.checkpoint = Some(checkpoint);
        let request = CompactRequest { delete_retention_ms: 0, ..request(2_000 + round) };
        match pass_with(&mut log, progress, request, &mut |_| {}) {
            Ok((after, _)) => progress = after,
            Err(_) => return promised,
        }
        if round == 1 {
            // A checkpoint between, or none: both are to be found by a start.
            let Ok(checkpoint) = settle(disk, &mut log) else { return promised };
            promised.checkpoint = Some(checkpoint);
        }
        if round == 2 {
            let keep = Retention { age_max_ms: None, bytes_max: Some(2_000), upper_offset: promised.sealed };
            if log.expire(2_000, &keep).is_err() {
                return promised;
            }
        }
        // Until it is settled, it is not compacted again.
        let Ok(checkpoint) = settle(disk, &mut log) else { return promised };
        promised.checkpoint = Some(checkpoint);
    }
    promised
}

fn check_content(log: &PartitionLog, promised: &Promised, what: &str) {
    let reader = log.reader();
    let start = reader.log_start_offset();
    let bytes = read_all(&reader);
    let seen = records(&bytes);
    let original = records(&bytes_of(&promised.all));
    assert!(seen.iter().all(|seen| original.contains(seen)), "{what}: each record is what it was");
    let tail = |seen: &[super::compact::Seen]| {
        let after = seen.iter().filter(|seen| seen.offset >= promised.sealed.max(start));
        after.cloned().collect::<Vec<_>>()
    };
    assert_eq!(tail(&seen), tail(&original), "{what}: what was not compacted is whole");
    let kept: Vec<_> = original.iter().filter(|seen| seen.offset >= start).cloned().collect();
    if start == 0 {
        assert_eq!(table(&seen), table(&original), "{what}");
    } else {
        // What retention took may be missing; what is there is the last of its key.
        let whole = table(&original);
        let alive = table(&seen);
        assert!(alive.iter().all(|(key, value)| whole.get(key) == Some(value)), "{what}");
        assert!(table(&kept).iter().all(|(key, value)| alive.get(key) == Some(value)), "{what}");
    }
}

fn check_after(disk: &SimDisk, promised: &Promised, what: &str) {
    let Some(checkpoint) = &promised.checkpoint else { return };
    let recovered = recover(disk, config(SEGMENT_BYTES), checkpoint, RecoverMode::CutAtCheckpoint);
    let mut log = recovered.unwrap_or_else(|error| panic!("{what}: {error}")).log;
    let next = log.next_offset();
    assert_eq!(next, checkpoint.next_offset(), "{what}");
    let replay: Vec<_> = promised.all.iter().filter(|batch| batch.base_offset >= next).cloned().collect();
    log.append(&replay, 2_000).unwrap();
    check_content(&log, promised, what);
    assert!(names(disk).iter().all(|name| !name.ends_with(".cleaned") && !name.ends_with(".swap")), "{what}");
    // Cut again before any checkpoint, it opens as well.
    let again = disk.power_cut(17);
    let log_again = recover(&again, config(SEGMENT_BYTES), checkpoint, RecoverMode::CutAtCheckpoint);
    drop(log_again.unwrap_or_else(|error| panic!("{what}, again: {error}")));
    settle(disk, &mut log).unwrap();
    let dirty = Progress::read(&log.reader().files, &dir(), id().topic).unwrap();
    pass_with(&mut log, dirty, request(9_000), &mut |_| {}).unwrap();
    let sealed = log.reader().segments().pop().unwrap().base_offset;
    let promised = Promised { checkpoint: None, all: promised.all.clone(), sealed };
    check_content(&log, &promised, &format!("{what}, compacted again"));
    let checkpoint = log.close().unwrap();
    let log = PartitionLog::open_clean(&files(disk), dir(), id(), config(SEGMENT_BYTES), &checkpoint).unwrap();
    check_content(&log, &promised, &format!("{what}, after a clean close"));
}

#[test]
fn a_cut_at_any_call_changes_no_record_and_no_table() {
    let whole = disk();
    work(&whole, 1);
    let (begin, end) = (disk().calls(), whole.calls());
    assert!(end > 150, "the work makes {end} calls");
    for call in begin + 1..=end {
        let disk = disk();
        disk.fail_at(call, if call % 2 == 0 { Fault::Kill } else { Fault::TornWrite });
        let promised = work(&disk, 1);
        check_after(&disk.restart(), &promised, &format!("cut at {call}"));
        for cut in 0..5 {
            check_after(&disk.power_cut(cut), &promised, &format!("power cut {cut} at {call}"));
        }
    }
}

#[test]
fn a_start_that_is_killed_at_any_call_can_be_begun_again() {
    let rng = SeededRng::new(5);
    let begun = disk();
    let mut log = create(&begun, config(SEGMENT_BYTES));
    let all = random_batches(&rng, 0, 30);
    log.append(&all, 1_000).unwrap();
    let checkpoint = settle(&begun, &mut log).unwrap();
    let promised =
        Promised { sealed: checkpoint.active.base_offset, checkpoint: Some(checkpoint.clone()), all: all.clone() };
    // Cut between the commit of a segment and its coming in, and right behind.
    let mut cuts = Vec::new();
    pass_with(&mut log, Progress::default(), request(2_000), &mut |_| cuts.push(begun.power_cut(3))).unwrap();
    for (index, cut) in cuts.iter().enumerate() {
        check_tools(cut, &promised, &format!("cut {index}"));
        let whole = cut.restart();
        recover(&whole, config(SEGMENT_BYTES), &checkpoint, RecoverMode::CutAtCheckpoint).unwrap();
        for call in 1..=whole.calls() {
            let dying = cut.restart();
            dying.fail_at(call, Fault::Kill);
            drop(recover(&dying, config(SEGMENT_BYTES), &checkpoint, RecoverMode::CutAtCheckpoint));
            check_after(&dying.restart(), &promised, &format!("cut {index}, killed at {call}"));
            for seed in 0..3 {
                let what = format!("cut {index}, killed at {call}, power cut {seed}");
                check_after(&dying.power_cut(seed), &promised, &what);
            }
        }
    }
}

/// What looks at the files of a stopped broker sees the log as a start would.
fn check_tools(cut: &SimDisk, promised: &Promised, what: &str) {
    let (cut, checkpoint) = (cut.restart(), promised.checkpoint.as_ref().unwrap());
    let before = names(&cut);
    let mut bytes = Vec::new();
    let verified = verify::verify(&files(&cut), &dir(), &mut |batch| bytes.extend_from_slice(batch.bytes)).unwrap();
    assert!(verified.iter().all(|segment| segment.defects.is_empty() && segment.index_defect_count == 0), "{what}");
    let seen: Vec<_> = records(&bytes).into_iter().filter(|seen| seen.offset < promised.sealed).collect();
    let original: Vec<_> =
        records(&bytes_of(&promised.all)).into_iter().filter(|seen| seen.offset < promised.sealed).collect();
    assert_eq!(table(&seen), table(&original), "{what}");
    assert_eq!(names(&cut), before, "{what}: nothing is changed");
    assert_eq!(repair::find_rot(&files(&cut), &dir(), checkpoint, 0).unwrap(), None, "{what}");
}

#[test]
fn a_description_of_another_topics_segments_is_passed_over() {
    let disk = disk();
    let mut log = create(&disk, config(SEGMENT_BYTES));
    let all = random_batches(&SeededRng::new(6), 0, 30);
    log.append(&all, 1_000).unwrap();
    let checkpoint = settle(&disk, &mut log).unwrap();
    let mark = SegmentMark { next_offset: 9, size_bytes: 5, ..SegmentMark::empty(0) };
    let other = LogId { partition: 4, ..id() };
    let manifest = crate::partition::compact::manifest::Manifest { id: other, mark, end: 9 };
    let path = dir().join("00000000000000000000.replaces");
    crate::Disk::open(&disk, &path, OpenMode::Create).unwrap().write_all_at(&manifest.encode(), 0).unwrap();
    let log = recover(&disk, config(SEGMENT_BYTES), &checkpoint, RecoverMode::CutAtCheckpoint).unwrap().log;
    check_bytes(&read_all(&log.reader()), &bytes_of(&all), "");
    assert!(names(&disk).iter().all(|name| !name.ends_with(".replaces")));
}

#[test]
fn a_disk_that_fails_at_any_call_loses_no_record() {
    let whole = disk();
    work(&whole, 4);
    for error in [std::io::ErrorKind::Other, std::io::ErrorKind::StorageFull] {
        for call in disk().calls() + 1..=whole.calls() {
            let failing = disk();
            failing.fail_at(call, Fault::Error(error));
            let promised = work(&failing, 4);
            check_after(&failing.restart(), &promised, &format!("{error:?} at {call}"));
        }
    }
}

#[test]
fn a_description_that_rotted_is_named_and_nothing_is_removed() {
    let begun = disk();
    let mut log = create(&begun, config(SEGMENT_BYTES));
    log.append(&random_batches(&SeededRng::new(5), 0, 30), 1_000).unwrap();
    let checkpoint = settle(&begun, &mut log).unwrap();
    let mut cut = None;
    pass_with(&mut log, Progress::default(), request(2_000), &mut |_| {
        cut.get_or_insert_with(|| begun.restart());
    })
    .unwrap();
    let cut = cut.unwrap();
    let name = names(&cut).into_iter().find(|name| name.ends_with(".replaces")).unwrap();
    cut.rot(&dir().join(name), 20).unwrap();
    let before = names(&cut);
    let found = recover(&cut, config(SEGMENT_BYTES), &checkpoint, RecoverMode::CutAtCheckpoint).unwrap_err();
    assert!(matches!(corruption(found).defect, Defect::Replacement(_)));
    assert_eq!(names(&cut), before);
}
