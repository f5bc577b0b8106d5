use super::*;

/// The batch that a read at `offset` starts with: the one that contains it, or the first beyond.
fn first_at(batches: &[StoredBatch], offset: Offset) -> Option<&StoredBatch> {
    batches.iter().find(|batch| batch.last_offset >= offset)
}

#[test]
fn what_was_appended_reads_back_whatever_the_segment_size() {
    for seed in 0..40 {
        let mut source = Source::new(seed);
        source.gaps = seed % 2 == 0;
        let segment_bytes = u32::try_from(1_024 + source.below(6_000)).unwrap();
        let mut log = create(&disk(), config(segment_bytes));
        let mut all = Vec::new();
        while all.len() < 120 {
            let count = usize::try_from(1 + source.below(12)).unwrap();
            let batches = source.batches(count);
            log.append(&batches, 1_000).unwrap();
            all.extend(batches);
        }
        let reader = log.reader();
        let expected = bytes_of(&all);
        for bytes_max in [0, 1, 700, 5_000, 1 << 20] {
            check_bytes(
                &read_from(&reader, 0, bytes_max),
                &expected,
                &format!("seed {seed}, {bytes_max} bytes a read"),
            );
        }
        assert_eq!(reader.size_bytes(), expected.len() as u64);
        assert!(reader.segments().len() > 1, "seed {seed} rolls");
        for offset in 0..reader.next_offset() {
            let first = first_at(&all, offset).unwrap();
            let batches = reader.read(&wanted(offset)).unwrap();
            assert_eq!(batches.first_offset, first.base_offset, "seed {seed}, offset {offset}");
            assert!(batches.bytes.starts_with(&first.to_bytes()), "seed {seed}, offset {offset}");
        }
    }
}

#[test]
fn a_read_keeps_to_its_budget_and_to_the_upper_offset() {
    let mut log = create(&disk(), config(1 << 20));
    let all = Source::new(1).batches(20);
    log.append(&all, 0).unwrap();
    let reader = log.reader();
    let two = all[0].size() + all[1].size();
    let read = |bytes_max, at_least| reader.read(&Read { bytes_max, at_least, ..wanted(0) }).unwrap();
    assert_eq!(read(two, AtLeast::Nothing).bytes, bytes_of(&all[..2]));
    assert_eq!(read(two - 1, AtLeast::Nothing).bytes, bytes_of(&all[..1]));
    assert_eq!(read(all[0].size() - 1, AtLeast::Nothing).bytes, b""[..]);
    assert_eq!(read(0, AtLeast::OneBatch).bytes, bytes_of(&all[..1]));
    let below = |upper_offset| reader.read(&Read { upper_offset, ..wanted(0) }).unwrap();
    assert_eq!(below(all[3].base_offset).bytes, bytes_of(&all[..3]));
    assert_eq!(below(all[3].base_offset + 1).bytes, bytes_of(&all[..4]), "whole batches whose base is below");
    assert_eq!(below(0).bytes, b""[..]);
}

#[test]
fn a_batch_larger_than_any_buffer_is_read_whole() {
    let mut builder = BatchBuilder::new();
    let value = vec![7; 5 << 20];
    builder.push(&NewRecord { value: Some(&value), ..NewRecord::default() });
    let batch = Batch::check(builder.finish()).unwrap();
    let all = [StoredBatch::new(&batch, 0, 1), StoredBatch::new(&batch, 1, 1)];
    let mut log = create(&disk(), LogConfig::default());
    log.append(&all, 0).unwrap();
    for offset in [0, 1] {
        let batches = log.reader().read(&Read { bytes_max: 1_000, ..wanted(offset) }).unwrap();
        assert_eq!(batches.bytes, all[usize::try_from(offset).unwrap()].to_bytes());
    }
}

#[test]
fn offsets_out_of_range_are_refused_and_the_end_is_not() {
    let mut log = create(&disk(), config(4_096));
    log.append(&Source::new(1).batches(30), 0).unwrap();
    log.set_log_start(10).unwrap();
    let reader = log.reader();
    let end = reader.next_offset();
    for offset in [-1, 0, 9, end + 1, Offset::MAX] {
        assert!(matches!(reader.read(&wanted(offset)), Err(ReadError::OutOfRange { .. })), "{offset}");
    }
    assert_eq!(reader.read(&wanted(end)).unwrap().bytes, b""[..]);
    assert!(!reader.read(&wanted(10)).unwrap().bytes.is_empty());
}

#[test]
fn one_open_segment_at_a_time_is_enough_to_read_them_all() {
    let disk = disk();
    let files = LogFiles::with_open_max(Arc::new(disk), 1);
    let mut log = PartitionLog::create(&files, dir(), id(), config(1_500), 0).unwrap();
    let mut source = Source::new(9);
    let all = source.batches(100);
    log.append(&all, 0).unwrap();
    sync(&mut log).unwrap();
    let reader = log.reader();
    assert!(reader.segments().len() > 5);
    let open_count = || reader.snapshot().iter().filter(|segment| segment.is_open()).count();
    assert_eq!(open_count(), 2, "the active one and another");
    for _ in 0..2 {
        for offset in (0..reader.next_offset()).rev() {
            let first = first_at(&all, offset).unwrap();
            assert_eq!(reader.read(&wanted(offset)).unwrap().first_offset, first.base_offset);
        }
    }
    check_bytes(&read_all(&reader), &bytes_of(&all), "");
    assert_eq!(open_count(), 2);
}

#[test]
fn an_index_that_points_nowhere_costs_time_and_not_the_truth() {
    let disk = disk();
    let all = Source::new(2).batches(80);
    let mut log = create(&disk, config(6_000));
    log.append(&all, 0).unwrap();
    let checkpoint = log.close().unwrap();
    for mark in checkpoint.segments() {
        let path = segment_path(&dir(), mark.base_offset, FileKind::OffsetIndex);
        let size = crate::Disk::open(&disk, &path, OpenMode::Read).unwrap().len().unwrap();
        // Positions that increase, and lie in the middle of batches.
        for entry in 0..size / 8 {
            tamper(&disk, &path, entry * 8 + 4, &(u32::try_from(entry * 300 + 37).unwrap()).to_be_bytes());
        }
    }
    let log = PartitionLog::open_clean(&files(&disk), dir(), id(), config(6_000), &checkpoint).unwrap();
    let reader = log.reader();
    for offset in 0..reader.next_offset() {
        let first = first_at(&all, offset).unwrap();
        assert_eq!(reader.read(&wanted(offset)).unwrap().first_offset, first.base_offset, "offset {offset}");
    }
}

#[test]
fn segments_roll_by_age_in_the_brokers_time_and_by_offset_range() {
    let mut log = create(&disk(), LogConfig { segment_age_max: std::time::Duration::from_secs(10), ..config(1 << 20) });
    let mut source = Source::new(3);
    let mut append = |source: &mut Source, now_ms| log.append(&[source.batch()], now_ms).unwrap().rolled_count;
    assert_eq!(append(&mut source, 5_000), 0);
    assert_eq!(append(&mut source, 14_999), 0);
    assert_eq!(append(&mut source, 15_000), 1);
    source.next_offset += i64::from(i32::MAX);
    assert_eq!(append(&mut source, 15_001), 1);
    assert_eq!(log.reader().segments().len(), 3);
}

#[test]
fn offsets_never_go_back_and_head_and_body_agree() {
    let mut log = create(&disk(), config(1 << 20));
    let mut source = Source::new(4);
    let (one, two) = (source.batch(), source.batch());
    log.append(&[one.clone(), two.clone()], 0).unwrap();
    assert!(matches!(log.append(std::slice::from_ref(&two), 0), Err(AppendError::OutOfOrder { .. })));
    let three = source.batch();
    let mut lying = three.clone();
    lying.last_offset += 1;
    assert!(matches!(log.append(&[lying], 0), Err(AppendError::Malformed { .. })));
    let mut short = three.clone();
    short.body = short.body.slice(..short.body.len() - 1);
    assert!(matches!(log.append(&[short], 0), Err(AppendError::Malformed { .. })));
    log.append(std::slice::from_ref(&three), 0).unwrap();
    check_bytes(&read_all(&log.reader()), &bytes_of(&[one, two, three]), "");
}

#[test]
fn timestamps_lead_to_the_first_batch_that_reaches_them() {
    for seed in 0..10 {
        let disk = disk();
        let mut log = create(&disk, config(5_000));
        let mut source = Source::new(seed);
        let all = source.batches(150);
        log.append(&all, 0).unwrap();
        let check = |reader: &LogReader| {
            let largest = all.iter().map(|batch| batch.max_timestamp).max().unwrap();
            for timestamp in (0..=largest + 1).step_by(3) {
                let expected = all.iter().find(|batch| batch.max_timestamp >= timestamp);
                let hit = reader.batch_for_timestamp(timestamp, 0, Offset::MAX).unwrap();
                let found = hit.as_ref().map(|hit| (hit.header.base_offset, hit.batch.clone()));
                assert_eq!(found, expected.map(|batch| (batch.base_offset, batch.to_bytes())), "{timestamp}");
            }
            let latest = all.iter().rev().max_by_key(|batch| batch.max_timestamp).unwrap();
            assert_eq!(reader.max_timestamp(), Some((largest, latest.last_offset)));
            let upper = latest.base_offset;
            assert!(reader.batch_for_timestamp(largest, 0, upper).unwrap().is_none());
            let beyond = reader.batch_for_timestamp(0, upper, Offset::MAX).unwrap().unwrap();
            assert_eq!(beyond.header.base_offset, upper);
        };
        check(&log.reader());
        let checkpoint = log.close().unwrap();
        let log = PartitionLog::open_clean(&files(&disk), dir(), id(), config(5_000), &checkpoint).unwrap();
        check(&log.reader());
    }
}

#[test]
fn leader_epochs_are_taken_from_the_batches() {
    let mut log = create(&disk(), config(1 << 20));
    let mut source = Source::new(5);
    log.append(&source.batches(3), 0).unwrap();
    source.epoch = 4;
    let began = source.next_offset;
    log.append(&source.batches(3), 0).unwrap();
    let reader = log.reader();
    assert_eq!(reader.epoch_end_offset(1), Some((1, began)));
    assert_eq!(reader.epoch_end_offset(4), Some((4, reader.next_offset())));
    assert_eq!(reader.epoch_end_offset(5), None);
}

#[test]
fn readers_beside_the_writer_see_whole_batches_in_order() {
    let mut log = create(&disk(), config(20_000));
    let mut source = Source::new(6);
    let all = source.batches(1_500);
    let reader = log.reader();
    let end = all.last().unwrap().next_offset();
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let (mut bytes, mut offset) = (Vec::new(), 0);
                    while offset < end {
                        let batches = reader.read(&wanted(offset)).unwrap();
                        bytes.extend_from_slice(&batches.bytes);
                        offset = batches.next_offset;
                    }
                    bytes
                })
            })
            .collect();
        for chunk in all.chunks(7) {
            log.append(chunk, 0).unwrap();
            if log.unsynced_bytes() > 10_000 {
                sync(&mut log).unwrap();
            }
        }
        let expected = bytes_of(&all);
        for reader in readers {
            check_bytes(&reader.join().unwrap(), &expected, "");
        }
    });
}

#[test]
fn the_machines_own_disk_will_do() {
    let temporary = tempfile::tempdir().unwrap();
    let files = LogFiles::new(Arc::new(crate::disk::RealDisk));
    let dir = temporary.path().join("orders-3");
    let mut log = PartitionLog::create(&files, dir.clone(), id(), config(4_000), 0).unwrap();
    let mut source = Source::new(7);
    let mut all = source.batches(60);
    log.append(&all, 0).unwrap();
    sync(&mut log).unwrap();
    all.extend(source.batches(10));
    log.append(&all[60..], 0).unwrap();
    check_bytes(&read_all(&log.reader()), &bytes_of(&all), "as written");
    let checkpoint = log.close().unwrap();
    let mut log = PartitionLog::open_clean(&files, dir.clone(), id(), config(4_000), &checkpoint).unwrap();
    check_bytes(&read_all(&log.reader()), &bytes_of(&all), "after a clean close");
    let retention = Retention { age_max_ms: None, bytes_max: Some(4_000), upper_offset: Offset::MAX };
    let removed = log.expire(0, &retention).unwrap();
    assert!(removed.paths.iter().all(|path| path.exists()) && !removed.paths.is_empty());
    let checkpoint = sync(&mut log).unwrap();
    drop(log);
    let mode = RecoverMode::ScanBeyond;
    let recovered = PartitionLog::recover(&files, dir, id(), config(4_000), &checkpoint, mode, &mut |_| {}).unwrap();
    let start = recovered.log.reader().log_start_offset();
    let kept: Vec<_> = all.into_iter().filter(|batch| batch.base_offset >= start).collect();
    check_bytes(&read_all(&recovered.log.reader()), &bytes_of(&kept), "after recovery");
}

#[test]
fn a_read_from_memory_alone_gives_the_same_or_nothing() {
    let disk = disk();
    let mut log = create(&disk, config(5_000));
    let all = Source::new(8).batches(100);
    log.append(&all, 0).unwrap();
    let checkpoint = log.close().unwrap();
    let log = PartitionLog::open_clean(&files(&disk), dir(), id(), config(5_000), &checkpoint).unwrap();
    let reader = log.reader();
    let calls = disk.calls();
    assert_eq!(reader.read_cached(&wanted(3)).unwrap(), None, "nothing is open");
    assert_eq!(disk.calls(), calls);
    for offset in 0..=reader.next_offset() {
        let read = Read { bytes_max: 900, ..wanted(offset) };
        let waited = reader.read(&read).unwrap();
        assert_eq!(reader.read_cached(&read).unwrap(), Some(waited), "offset {offset}");
    }
    assert!(matches!(reader.read_cached(&wanted(-1)), Err(ReadError::OutOfRange { .. })));
}
