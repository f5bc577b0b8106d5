use super::*;

/// A log with a checkpoint in its middle: the disk, the checkpoint, batches below it and above.
fn half_synced(seed: u64, segment_bytes: u32) -> (SimDisk, LogCheckpoint, Vec<StoredBatch>, Vec<StoredBatch>) {
    let disk = disk();
    let mut log = create(&disk, config(segment_bytes));
    let mut source = Source::new(seed);
    let below = source.batches(12);
    log.append(&below, 1_000).unwrap();
    let checkpoint = sync(&mut log).unwrap();
    let above = source.batches(6);
    log.append(&above, 2_000).unwrap();
    (disk, checkpoint, below, above)
}

fn log_path(base: Offset) -> PathBuf {
    segment_path(&dir(), base, FileKind::Log)
}

#[test]
fn a_journalled_log_is_cut_at_its_checkpoint_and_filled_again() {
    for segment_bytes in [1_024, 2_000, 1 << 20] {
        let (disk, checkpoint, below, above) = half_synced(1, segment_bytes);
        let config = config(segment_bytes);
        let recovered = recover(&disk.restart(), config.clone(), &checkpoint, RecoverMode::CutAtCheckpoint).unwrap();
        let mut log = recovered.log;
        assert_eq!(recovered.cut_bytes, bytes_of(&above).len() as u64);
        assert_eq!(log.next_offset(), above[0].base_offset);
        check_bytes(&read_all(&log.reader()), &bytes_of(&below), "");
        assert_eq!(log.checkpoint().producers, checkpoint.producers);
        log.append(&above, 3_000).unwrap();
        let all = [below, above].concat();
        check_bytes(&read_all(&log.reader()), &bytes_of(&all), "");
        assert_eq!(log.producers().get(ProducerId(5)).unwrap().batches.len(), 5);
    }
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_behind_its_last_whole_batch() {
    let (disk, checkpoint, below, above) = half_synced(2, 1 << 20);
    let start = bytes_of(&below).len();
    let end = start + bytes_of(&above).len();
    for size in start..=end {
        let disk = disk.restart();
        crate::Disk::open(&disk, &log_path(0), OpenMode::Write).unwrap().set_len(size as u64).unwrap();
        let mut seen = 0;
        let recovered = PartitionLog::recover(
            &files(&disk),
            dir(),
            id(),
            config(1 << 20),
            &checkpoint,
            RecoverMode::ScanBeyond,
            &mut |_| seen += 1,
        )
        .unwrap();
        let whole = (0..=above.len()).rev().find(|&count| start + bytes_of(&above[..count]).len() <= size).unwrap();
        let expected = [below.clone(), above[..whole].to_vec()].concat();
        check_bytes(&read_all(&recovered.log.reader()), &bytes_of(&expected), &format!("{size} bytes"));
        assert_eq!((seen, recovered.kept_batch_count), (whole, whole as u64));
        assert_eq!(recovered.cut_bytes, (size - bytes_of(&expected).len()) as u64);
    }
}

#[test]
fn any_flipped_byte_above_the_checkpoint_ends_the_log_there() {
    let (disk, checkpoint, below, above) = half_synced(3, 1 << 20);
    let start = bytes_of(&below).len();
    let mut position = start;
    for (index, batch) in above.iter().enumerate() {
        // The head's base offset and leader epoch lie outside the checksum; offsets are checked otherwise.
        for at in (17..batch.size()).step_by(5) {
            let disk = disk.restart();
            disk.rot(&log_path(0), (position + at) as u64).unwrap();
            let recovered = recover(&disk, config(1 << 20), &checkpoint, RecoverMode::ScanBeyond).unwrap();
            let expected = [below.clone(), above[..index].to_vec()].concat();
            check_bytes(&read_all(&recovered.log.reader()), &bytes_of(&expected), &format!("batch {index}, byte {at}"));
            assert_eq!(recovered.cut_at.unwrap().position, position as u64);
        }
        position += batch.size();
    }
}

#[test]
fn junk_and_zeros_behind_the_last_batch_are_cut() {
    let (disk, checkpoint, below, above) = half_synced(4, 1 << 20);
    let all = bytes_of(&[below, above].concat());
    for (tail, is_defect) in
        [(vec![0; 5_000], false), (vec![0; 10], false), (vec![0xab; 5_000], true), (vec![1; 9], true)]
    {
        let disk = disk.restart();
        tamper(&disk, &log_path(0), all.len() as u64, &tail);
        let recovered = recover(&disk, config(1 << 20), &checkpoint, RecoverMode::ScanBeyond).unwrap();
        check_bytes(&read_all(&recovered.log.reader()), &all, "");
        assert_eq!((recovered.cut_bytes, recovered.cut_at.is_some()), (tail.len() as u64, is_defect));
        let path = log_path(0);
        assert_eq!(crate::Disk::open(&disk, &path, OpenMode::Read).unwrap().len().unwrap(), all.len() as u64);
    }
}

#[test]
fn a_scan_goes_on_through_segments_that_were_rolled_after_the_checkpoint() {
    let (disk, checkpoint, below, above) = half_synced(5, 1_024);
    let disk = disk.restart();
    let recovered = recover(&disk, config(1_024), &checkpoint, RecoverMode::ScanBeyond).unwrap();
    let mut log = recovered.log;
    let all = [below, above].concat();
    assert!(log.reader().segments().len() > checkpoint.sealed.len() + 1);
    check_bytes(&read_all(&log.reader()), &bytes_of(&all), "");
    let end = log.close().unwrap();
    log = PartitionLog::open_clean(&files(&disk), dir(), id(), config(1_024), &end).unwrap();
    check_bytes(&read_all(&log.reader()), &bytes_of(&all), "");
    assert_eq!(log.producers().get(ProducerId(5)).unwrap().batches.len(), 5);
}

#[test]
fn what_a_scan_keeps_survives_a_power_cut_even_where_a_sync_failed_before() {
    for seed in 0..40 {
        let disk = disk();
        let mut log = create(&disk, config(2_000));
        let mut source = Source::new(seed);
        let mut all = source.batches(8);
        log.append(&all, 0).unwrap();
        let checkpoint = sync(&mut log).unwrap();
        all.extend(source.batches(8));
        log.append(&all[8..], 0).unwrap();
        // The pages of the tail are given up, yet read back clean.
        let rule = crate::disk::sim::Rule {
            call: crate::disk::sim::Call::Sync,
            path_contains: ".log".to_owned(),
            after: 0,
            error: std::io::ErrorKind::Other,
        };
        disk.add_rule(rule);
        let dirty = log.dirty_files();
        assert!(dirty.iter().filter(|file| file.sync().is_err()).count() > 0);
        assert!(matches!(log.append(&[source.batch()], 0), Err(AppendError::Poisoned(_))));
        disk.clear_rules();
        let calls = disk.calls();
        let again: Vec<_> = dirty.iter().filter_map(|file| file.sync().err()).collect();
        assert!(!again.is_empty() && again.iter().all(|error| matches!(error, SyncError::Poisoned(_))));
        assert_eq!(disk.calls(), calls, "never synced again");
        let disk = disk.restart();
        let recovered = recover(&disk, config(2_000), &checkpoint, RecoverMode::ScanBeyond).unwrap();
        check_bytes(&read_all(&recovered.log.reader()), &bytes_of(&all), "");
        let after = disk.power_cut(seed);
        let again = recover(&after, config(2_000), &checkpoint, RecoverMode::ScanBeyond).unwrap();
        check_bytes(&read_all(&again.log.reader()), &bytes_of(&all), &format!("seed {seed}"));
    }
}

#[test]
fn missing_and_short_files_below_the_checkpoint_are_rot() {
    for mode in [RecoverMode::CutAtCheckpoint, RecoverMode::ScanBeyond] {
        let (disk, checkpoint, ..) = half_synced(6, 1_024);
        for mark in checkpoint.segments().filter(|mark| mark.size_bytes > 0) {
            let path = log_path(mark.base_offset);
            let short = disk.restart();
            let file = crate::Disk::open(&short, &path, OpenMode::Write).unwrap();
            file.set_len(mark.size_bytes - 1).unwrap();
            let found = corruption(recover(&short, config(1_024), &checkpoint, mode).unwrap_err());
            let defect = Defect::Short { actual: mark.size_bytes - 1, synced: mark.size_bytes };
            assert_eq!((found.segment_base, found.defect), (mark.base_offset, defect));
            let missing = disk.restart();
            crate::Disk::remove_file(&missing, &path).unwrap();
            let found = corruption(recover(&missing, config(1_024), &checkpoint, mode).unwrap_err());
            assert_eq!((found.segment_base, found.defect), (mark.base_offset, Defect::Missing));
        }
    }
}

#[test]
fn rot_below_the_checkpoint_is_named_when_it_is_read() {
    let (disk, checkpoint, below, _) = half_synced(7, 1 << 20);
    let disk = disk.restart();
    let position = below[0].size() as u64;
    disk.rot(&log_path(0), position + 16).unwrap();
    let log = recover(&disk, config(1 << 20), &checkpoint, RecoverMode::CutAtCheckpoint).unwrap().log;
    let reader = log.reader();
    assert_eq!(reader.read(&wanted(0)).unwrap().bytes, below[0].to_bytes(), "what is sound is served");
    match reader.read(&wanted(below[1].base_offset)) {
        Err(ReadError::Corrupt(found)) => {
            assert_eq!((found.position, found.offset_from), (position, below[1].base_offset));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_log_without_a_checkpoint_is_built_again_from_its_batches() {
    for segment_bytes in [1_024, 3_000, 1 << 20] {
        let disk = disk();
        let mut log = create(&disk, config(segment_bytes));
        let mut source = Source::new(8);
        let all = source.batches(40);
        log.append(&all, 1_000).unwrap();
        let before = log.reader();
        let (marks, epochs, producers) = (before.segments(), before.epochs(), log.producers().clone());
        let disk = disk.restart();
        let recovered = PartitionLog::rebuild(&files(&disk), dir(), id(), config(segment_bytes)).unwrap();
        let reader = recovered.log.reader();
        check_bytes(&read_all(&reader), &bytes_of(&all), "");
        assert_eq!(reader.epochs(), epochs);
        let batches = |table: &ProducerTable| table.get(ProducerId(5)).unwrap().batches.clone();
        assert_eq!(batches(recovered.log.producers()), batches(&producers));
        let facts = |mark: &SegmentMark| (mark.base_offset, mark.size_bytes, mark.next_offset, mark.max_timestamp);
        assert!(reader.segments().iter().map(facts).eq(marks.iter().map(facts)));
    }
}

#[test]
fn a_bad_batch_before_the_last_segment_is_rot_when_there_is_no_checkpoint() {
    let (disk, checkpoint, ..) = half_synced(9, 1_024);
    let disk = disk.restart();
    let first = checkpoint.sealed[0];
    disk.rot(&log_path(first.base_offset), 70).unwrap();
    let found = corruption(PartitionLog::rebuild(&files(&disk), dir(), id(), config(1_024)).unwrap_err());
    assert_eq!((found.segment_base, found.position), (first.base_offset, 0));
    assert!(matches!(found.defect, Defect::Crc { .. }));
    let log_count = names(&disk).iter().filter(|name| name.ends_with(".log")).count();
    assert!(log_count > 1, "nothing was removed");
}

#[test]
fn a_directory_of_another_topic_is_refused() {
    let (disk, checkpoint, ..) = half_synced(10, 1 << 20);
    let other = LogId { topic: Uuid::from_bytes([9; 16]), partition: 3 };
    let opened = PartitionLog::open_clean(&files(&disk), dir(), other, config(1 << 20), &checkpoint);
    assert!(matches!(opened, Err(OpenError::WrongTopic { .. })));
}

#[test]
fn an_open_after_a_clean_close_writes_and_syncs_nothing() {
    let disk = disk();
    let mut log = create(&disk, config(2_000));
    let all = Source::new(11).batches(40);
    log.append(&all, 0).unwrap();
    let checkpoint = log.close().unwrap();
    let disk = disk.restart();
    for call in [crate::disk::sim::Call::Write, crate::disk::sim::Call::Sync, crate::disk::sim::Call::Name] {
        let error = std::io::ErrorKind::Other;
        disk.add_rule(crate::disk::sim::Rule { call, path_contains: String::new(), after: 0, error });
    }
    let calls = disk.calls();
    let log = PartitionLog::open_clean(&files(&disk), dir(), id(), config(2_000), &checkpoint).unwrap();
    assert!(disk.calls() - calls < 10, "{} calls", disk.calls() - calls);
    check_bytes(&read_all(&log.reader()), &bytes_of(&all), "");
    assert_eq!(log.close().unwrap(), checkpoint);
}

#[test]
fn a_log_that_is_created_anew_has_nothing_of_the_one_before() {
    let (disk, _, below, _) = half_synced(12, 1_024);
    let mut log = create(&disk, config(1_024));
    assert_eq!(names(&disk), ["00000000000000000000.log", "partition.metadata"]);
    log.append(&below[..1], 0).unwrap();
    check_bytes(&read_all(&log.reader()), &below[0].to_bytes(), "");
}

#[test]
fn readers_of_the_tail_do_not_wait_for_the_index_of_what_lies_before() {
    let disk = disk();
    let mut log = create(&disk, LogConfig { segment_bytes: 1 << 24, ..LogConfig::default() });
    let mut source = Source::new(13);
    let mut builder = BatchBuilder::new();
    builder.push(&NewRecord { value: Some(&vec![1; 100_000]), ..NewRecord::default() });
    let large = Batch::check(builder.finish()).unwrap();
    for _ in 0..50 {
        log.append(&[StoredBatch::new(&large, source.next_offset, 1)], 0).unwrap();
        source.next_offset += 1;
    }
    let checkpoint = sync(&mut log).unwrap();
    let disk = disk.restart();
    let config = LogConfig { segment_bytes: 1 << 24, ..LogConfig::default() };
    let mut log = recover(&disk, config, &checkpoint, RecoverMode::CutAtCheckpoint).unwrap().log;
    let tail = source.batches(20);
    log.append(&tail, 0).unwrap();
    let reader = log.reader();
    let calls = disk.calls();
    check_bytes(&read_from(&reader, tail[0].base_offset, 1 << 20), &bytes_of(&tail), "");
    assert!(disk.calls() - calls <= 2, "{} calls", disk.calls() - calls);
    assert_eq!(reader.read(&Read { bytes_max: 0, ..wanted(25) }).unwrap().bytes.len(), large.bytes().len());
    assert!(disk.calls() - calls > 40, "what lies before is walked when it is asked for");
}

#[test]
fn damage_anywhere_is_cut_or_named_and_never_believed() {
    let rng = SeededRng::new(99);
    let (disk, checkpoint, below, above) = half_synced(14, 2_000);
    let all = bytes_of(&[below, above].concat());
    for _ in 0..300 {
        let disk = disk.restart();
        for _ in 0..1 + rng.next_u64() % 3 {
            let logs: Vec<_> = names(&disk).into_iter().filter(|name| name.ends_with(".log")).collect();
            let path = dir().join(&logs[usize::try_from(rng.next_u64()).unwrap() % logs.len()]);
            let size = crate::Disk::open(&disk, &path, OpenMode::Read).unwrap().len().unwrap();
            // What the checksum does not cover, base offset and leader epoch, shows by its order alone.
            let position = rng.next_u64() % size.max(1);
            let mut junk = [0; 40];
            rng.fill(&mut junk);
            tamper(&disk, &path, position, &junk);
        }
        let mode = RecoverMode::ScanBeyond;
        let opened = [
            recover(&disk.restart(), config(2_000), &checkpoint, mode),
            PartitionLog::rebuild(&files(&disk), dir(), id(), config(2_000)),
        ];
        for recovered in opened.into_iter().flatten() {
            let reader = recovered.log.reader();
            let mut offset = reader.log_start_offset();
            // Below the checkpoint nothing was read; what a reader meets there is a batch, or an error.
            while let Ok(batches) = reader.read(&wanted(offset)) {
                if batches.bytes.is_empty() {
                    break;
                }
                assert!(batches.next_offset > offset);
                offset = batches.next_offset;
            }
            assert!(reader.size_bytes() <= all.len() as u64 + 40);
        }
        verify::verify(&files(&disk), &dir(), &mut |_| {}).unwrap();
    }
}
