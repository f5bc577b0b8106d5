//! Reading while segments are replaced: whoever began in an old one goes on in it.

use super::{
    compact::{Make, keyed, pass, pass_with, records, request, settle, table},
    slices::{on_disk, sent, tells_what_is_cached},
    *,
};
use crate::partition::{Progress, Retention};
use levada_model::batch::BatchHeader;

/// Sixty records of ten keys, a batch each, in segments of a few.
fn filled(disk: &SimDisk) -> PartitionLog {
    let mut log = create(disk, config(1_024));
    for base in 0..60 {
        let (key, value) = (format!("key-{}", base % 10), format!("value-{base}").repeat(8));
        log.append(&[keyed(base, &[(&key, Some(&value))], Make { timestamp: base, ..Make::default() })], 60).unwrap();
    }
    log.roll(60).unwrap();
    settle(disk, &mut log).unwrap();
    log
}

#[test]
fn a_reader_sees_every_key_wherever_it_stands_when_segments_are_replaced() {
    for place in 0..60 {
        let disk = disk();
        let mut log = filled(&disk);
        let reader = log.reader();
        let original = table(&records(&read_all(&reader)));
        // It has read up to `place`, and its cursor is remembered.
        let mut seen = Vec::new();
        let mut offset = 0;
        while offset < place {
            let batches = reader.read(&Read { bytes_max: 1, ..wanted(offset) }).unwrap();
            seen.extend_from_slice(&batches.bytes);
            offset = batches.next_offset;
        }
        let (mut step, stand) = (0, offset);
        pass_with(&mut log, Progress::default(), request(1_000), &mut |log| {
            step += 1;
            let rest = read_from(&log.reader(), stand, 1 << (6 + step % 5));
            let all = records(&[&seen[..], &rest].concat());
            assert_eq!(table(&all), original, "from {stand}, step {step}");
        })
        .unwrap();
        assert!(step >= 2);
        settle(&disk, &mut log).unwrap();
        let rest = read_from(&reader, stand, 1 << 20);
        assert_eq!(table(&records(&[&seen[..], &rest].concat())), original);
    }
}

#[test]
fn a_segment_that_a_reader_holds_is_what_it_was_after_it_was_replaced_and_unlinked() {
    let disk = disk();
    let mut log = filled(&disk);
    let reader = log.reader();
    let before = reader.snapshot();
    let whole = read_all(&reader);
    let old: Vec<_> = before.iter().cloned().collect();
    pass(&mut log, Progress::default(), request(1_000));
    settle(&disk, &mut log).unwrap();
    assert!(reader.size_bytes() < u64::try_from(whole.len()).unwrap() / 2);
    let mut bytes = Vec::new();
    for segment in &old {
        let file = segment.file(&reader.files).unwrap();
        let mut all = vec![0; usize::try_from(segment.size()).unwrap()];
        crate::disk::read_exact_at(&*file, &mut all, 0).unwrap();
        bytes.extend_from_slice(&all);
        for offset in segment.base()..segment.next_offset() {
            let position = usize::try_from(segment.position_for(&reader.files, offset).unwrap()).unwrap();
            assert!(position == all.len() || BatchHeader::parse(&all[position..]).is_ok(), "its indexes are its own");
        }
    }
    check_bytes(&bytes, &whole, "");
}

#[test]
fn retention_leaves_alone_what_is_being_replaced_and_takes_it_afterwards() {
    let disk = disk();
    let mut log = filled(&disk);
    let keep = Retention { age_max_ms: Some(0), bytes_max: None, upper_offset: Offset::MAX };
    let mut compaction = log.compaction(Progress::default(), request(1_000)).unwrap();
    let pace: &mut dyn FnMut(u64) -> std::ops::ControlFlow<()> = &mut |_| std::ops::ControlFlow::Continue(());
    compaction.map(pace).unwrap();
    let rewritten = compaction.rewrite(pace).unwrap().unwrap();
    assert!(log.claim(&rewritten));
    assert!(log.expire(i64::MAX, &keep).unwrap().segments.is_empty());
    rewritten.commit().unwrap();
    log.show(rewritten).unwrap();
    // Another one comes too late: retention was there.
    log.append(&[keyed(60, &[("key-1", Some("newest"))], Make::default())], 60).unwrap();
    log.roll(61).unwrap();
    settle(&disk, &mut log).unwrap();
    let mut compaction = log.compaction(Progress::default(), request(1_000)).unwrap();
    compaction.map(pace).unwrap();
    let rewritten = compaction.rewrite(pace).unwrap().unwrap();
    assert!(!log.expire(i64::MAX, &keep).unwrap().segments.is_empty());
    assert!(!log.claim(&rewritten));
    rewritten.discard();
    assert_eq!(log.reader().log_start_offset(), 61);
    assert!(names(&disk).iter().all(|name| !name.ends_with(".cleaned")));
}

#[test]
fn a_compacted_segment_that_retention_took_does_not_count_as_missing() {
    let disk = disk();
    let mut log = filled(&disk);
    let before = settle(&disk, &mut log).unwrap();
    pass(&mut log, Progress::default(), request(1_000));
    let keep = Retention { age_max_ms: Some(0), bytes_max: None, upper_offset: Offset::MAX };
    assert!(!log.expire(i64::MAX, &keep).unwrap().segments.is_empty());
    let killed = disk.restart();
    let log = recover(&killed, config(1_024), &before, RecoverMode::CutAtCheckpoint).unwrap().log;
    assert_eq!((log.reader().log_start_offset(), log.next_offset()), (60, 60));
}

#[test]
fn what_is_being_sent_from_a_file_is_sent_as_it_was_and_gaps_are_sent_over() {
    let rng = SeededRng::new(3);
    let batch = |base: Offset| {
        let mut noise = [0; 64];
        rng.fill(&mut noise);
        let value: String = noise.iter().map(|byte| char::from(b'a' + byte % 26)).collect();
        keyed(base, &[(&format!("key-{}", base % 3_000), Some(&value))], Make::default())
    };
    let all: Vec<_> = (0..9_000).map(batch).collect();
    let (_dir, mut log) = on_disk(&all, 400_000);
    log.roll(9_000).unwrap();
    let checkpoint = sync(&mut log).unwrap();
    log.reader().note_checkpoint(checkpoint.active.base_offset);
    let reader = log.reader();
    if !tells_what_is_cached(&reader) {
        return;
    }
    let read = Read { bytes_max: 100_000, ..wanted(0) };
    let slice = reader.slice(&read).unwrap();
    let size = slice.size();
    pass(&mut log, Progress::default(), request(1_000));
    sync(&mut log).unwrap();
    for leftover in log.take_leftovers() {
        // The store unlinks it, and does not cut it short as long as somebody may read it.
        let is_read = leftover.readers.is_some_and(|readers| readers.strong_count() > 0);
        if leftover.path.to_string_lossy().ends_with("00000000000000000000.log.replaced.deleted") {
            assert!(is_read);
        }
        drop(reader.files.disk().remove_file(&leftover.path));
    }
    check_bytes(&sent(slice), &bytes_of(&all)[..size], "the old segment");
    // The rest, in slices where there are some: every offset that is left, in order.
    let (mut bytes, mut offset, mut slice_count) = (Vec::new(), 0, 0);
    while offset < reader.next_offset() {
        let next = match reader.slice(&Read { offset, ..read }) {
            Some(slice) => {
                slice_count += 1;
                sent(slice)
            }
            None => reader.read(&Read { offset, ..read }).unwrap().bytes.to_vec(),
        };
        offset = super::compact::headers(&next).last().unwrap().next_offset();
        bytes.extend(next);
    }
    let seen = records(&bytes);
    assert_eq!((seen.len(), table(&seen)), (3_000, table(&records(&bytes_of(&all)))));
    assert!(slice_count > 2, "{slice_count} slices");
}
