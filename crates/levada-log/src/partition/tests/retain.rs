use super::*;

fn filled(seed: u64) -> (SimDisk, PartitionLog, Vec<StoredBatch>) {
    let disk = disk();
    let mut log = create(&disk, config(2_000));
    let mut source = Source::new(seed);
    let mut all = Vec::new();
    for step in 0..60 {
        let batch = source.batch();
        log.append(std::slice::from_ref(&batch), 1_000 + step * 100).unwrap();
        all.push(batch);
    }
    sync(&mut log).unwrap();
    (disk, log, all)
}

const KEEP: Retention = Retention { age_max_ms: None, bytes_max: None, upper_offset: Offset::MAX };

#[test]
fn size_lets_go_of_the_oldest_segments_and_keeps_at_least_the_bytes_asked_for() {
    let (disk, mut log, all) = filled(1);
    let reader = log.reader();
    let total = reader.size_bytes();
    let removed = log.expire(0, &Retention { bytes_max: Some(total / 2), ..KEEP }).unwrap();
    assert!(!removed.segments.is_empty());
    assert!(reader.size_bytes() >= total / 2);
    let oldest = reader.segments()[0].size_bytes;
    assert!(reader.size_bytes() - oldest < total / 2, "one less would be too few");
    let start = reader.log_start_offset();
    assert_eq!(start, reader.segments()[0].base_offset);
    let kept: Vec<_> = all.into_iter().filter(|batch| batch.base_offset >= start).collect();
    check_bytes(&read_all(&reader), &bytes_of(&kept), "");
    assert!(matches!(reader.read(&wanted(start - 1)), Err(ReadError::OutOfRange { .. })));
    assert!(removed.paths.iter().all(|path| path.extension().is_some_and(|end| end == "deleted")));
    for path in &removed.paths {
        crate::Disk::remove_file(&disk, path).unwrap();
    }
    assert_eq!(names(&disk).iter().filter(|name| name.ends_with(".log")).count(), reader.segments().len());
}

#[test]
fn age_lets_go_by_record_time_and_a_last_old_segment_is_followed_by_an_empty_one() {
    let (_, mut log, _) = filled(2);
    let reader = log.reader();
    let marks = reader.segments();
    let retention = Retention { age_max_ms: Some(0), ..KEEP };
    let second = marks[1].retention_time();
    let removed = log.expire(second, &retention).unwrap();
    assert!(!removed.segments.is_empty() && removed.segments.len() < marks.len());
    assert!(removed.segments.iter().all(|mark| mark.retention_time() < second));
    let removed = log.expire(i64::MAX, &retention).unwrap();
    assert!(!removed.segments.is_empty());
    let end = reader.next_offset();
    assert_eq!((reader.log_start_offset(), reader.size_bytes(), reader.segments().len()), (end, 0, 1));
    assert_eq!(log.expire(i64::MAX, &retention).unwrap(), Removed::default(), "an empty log stays");
    assert_eq!(reader.read(&wanted(end)).unwrap().bytes, b""[..]);
}

#[test]
fn records_from_the_future_expire_by_the_brokers_append_time() {
    let mut log = create(&disk(), config(2_000));
    let mut source = Source::new(3);
    source.timestamp = i64::MAX / 2;
    log.append(&source.batches(30), 5_000).unwrap();
    let retention = Retention { age_max_ms: Some(1_000), ..KEEP };
    assert!(log.expire(6_000, &retention).unwrap().segments.is_empty());
    assert!(!log.expire(6_001, &retention).unwrap().segments.is_empty());
}

#[test]
fn the_append_time_survives_a_lost_checkpoint() {
    let disk = disk();
    let mut log = create(&disk, config(2_000));
    let mut source = Source::new(4);
    source.timestamp = i64::MAX / 2;
    log.append(&source.batches(30), 5_000).unwrap();
    log.close().unwrap();
    let mut log = PartitionLog::rebuild(&files(&disk), dir(), id(), config(2_000)).unwrap().log;
    let retention = Retention { age_max_ms: Some(1_000), ..KEEP };
    assert!(log.expire(6_000, &retention).unwrap().segments.is_empty());
    assert!(!log.expire(6_001, &retention).unwrap().segments.is_empty());
}

#[test]
fn nothing_at_or_beyond_the_upper_offset_goes() {
    let (_, mut log, _) = filled(5);
    let reader = log.reader();
    let upper_offset = reader.segments()[3].base_offset + 1;
    log.expire(i64::MAX, &Retention { age_max_ms: Some(0), upper_offset, ..KEEP }).unwrap();
    assert_eq!(reader.log_start_offset(), upper_offset - 1);
}

#[test]
fn deleted_records_are_gone_at_once_and_their_segments_with_the_next_pass() {
    let (_, mut log, _) = filled(6);
    let reader = log.reader();
    let marks = reader.segments();
    let start = marks[2].base_offset + 1;
    log.set_log_start(start).unwrap();
    assert!(matches!(reader.read(&wanted(start - 1)), Err(ReadError::OutOfRange { .. })));
    assert_eq!(reader.epochs().entries()[0].start_offset, start);
    assert_eq!(log.expire(0, &KEEP).unwrap().segments, marks[..2]);
    assert_eq!(reader.log_start_offset(), start);
    assert!(matches!(log.set_log_start(reader.next_offset() + 1), Err(ReadError::OutOfRange { .. })));
    log.set_log_start(0).unwrap();
    assert_eq!(reader.log_start_offset(), start, "it never goes back");
}

#[test]
fn segments_let_go_after_the_checkpoint_do_not_count_as_missing() {
    let (disk, mut log, all) = filled(7);
    let before = sync(&mut log).unwrap();
    log.expire(0, &Retention { bytes_max: Some(4_000), ..KEEP }).unwrap();
    let start = log.reader().log_start_offset();
    let kept: Vec<_> = all.iter().filter(|batch| batch.base_offset >= start).cloned().collect();
    let disk = disk.restart();
    let log = recover(&disk, config(2_000), &before, RecoverMode::CutAtCheckpoint).unwrap().log;
    assert_eq!(log.reader().log_start_offset(), start);
    assert_eq!(log.reader().epochs().entries()[0].start_offset, start);
    check_bytes(&read_all(&log.reader()), &bytes_of(&kept), "");
    let left: Vec<String> = names(&disk).into_iter().filter(|name| name.ends_with(".deleted")).collect();
    assert!(left.iter().all(|name| name.ends_with(".log.deleted")), "the next checkpoint lets them go: {left:?}");
}

#[test]
fn segments_that_come_back_after_a_power_cut_are_removed_again() {
    let (disk, mut log, all) = filled(8);
    let back = disk.restart();
    log.expire(0, &Retention { bytes_max: Some(4_000), ..KEEP }).unwrap();
    let checkpoint = sync(&mut log).unwrap();
    let start = checkpoint.log_start_offset;
    let log = recover(&back, config(2_000), &checkpoint, RecoverMode::CutAtCheckpoint).unwrap().log;
    let kept: Vec<_> = all.into_iter().filter(|batch| batch.base_offset >= start).collect();
    check_bytes(&read_all(&log.reader()), &bytes_of(&kept), "");
    assert_eq!(names(&back).iter().filter(|name| name.ends_with(".log")).count(), log.reader().segments().len());
}

#[test]
fn segments_that_were_let_go_are_not_missing_at_a_second_start_without_a_checkpoint_between() {
    let (disk, mut log, all) = filled(9);
    let before = sync(&mut log).unwrap();
    log.expire(0, &Retention { bytes_max: Some(4_000), ..KEEP }).unwrap();
    let start = log.reader().log_start_offset();
    let kept: Vec<_> = all.iter().filter(|batch| batch.base_offset >= start).cloned().collect();
    for seed in 0..8 {
        let mut disk = disk.power_cut(seed);
        for life in 0..3 {
            let log = recover(&disk, config(2_000), &before, RecoverMode::CutAtCheckpoint).unwrap().log;
            let reader = log.reader();
            assert!(reader.log_start_offset() <= start, "seed {seed}, life {life}");
            assert!(read_all(&reader).ends_with(&bytes_of(&kept)), "seed {seed}, life {life}");
            disk = disk.power_cut(seed + life);
        }
    }
    let disk = disk.restart();
    let mut log = recover(&disk, config(2_000), &before, RecoverMode::CutAtCheckpoint).unwrap().log;
    sync(&mut log).unwrap();
    let leftovers = log.take_leftovers();
    assert!(!leftovers.is_empty() && leftovers.iter().all(|leftover| leftover.is_awaited));
}
