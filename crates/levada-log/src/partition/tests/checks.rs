use super::*;
use crate::disk::sim::{Call, Rule};
use std::io;

#[test]
fn a_full_disk_refuses_the_rest_and_takes_it_when_there_is_room() {
    let disk = disk();
    let mut log = create(&disk, config(2_000));
    let mut source = Source::new(1);
    let first = source.batches(10);
    log.append(&first, 0).unwrap();
    let used: u64 = crate::Disk::list(&disk, &dir()).unwrap().iter().map(|entry| entry.size).sum();
    disk.set_capacity(Some(used + 1_500));
    let rest = source.batches(40);
    let next_offset = match log.append(&rest, 0) {
        Err(AppendError::NoSpace { next_offset, .. }) => next_offset,
        other => panic!("{other:?}"),
    };
    let reader = log.reader();
    assert_eq!(reader.next_offset(), next_offset);
    let appended = rest.iter().position(|batch| batch.base_offset == next_offset).unwrap();
    let there = [&first[..], &rest[..appended]].concat();
    check_bytes(&read_all(&reader), &bytes_of(&there), "reads go on");
    let active = reader.segments().last().copied().unwrap();
    let path = segment_path(&dir(), active.base_offset, FileKind::Log);
    let size = crate::Disk::open(&disk, &path, OpenMode::Read).unwrap().len().unwrap();
    assert_eq!(size, active.size_bytes, "nothing torn is left");
    sync(&mut log).unwrap();
    disk.set_capacity(None);
    log.append(&rest[appended..], 0).unwrap();
    let checkpoint = log.close().unwrap();
    let log = PartitionLog::open_clean(&files(&disk), dir(), id(), config(2_000), &checkpoint).unwrap();
    check_bytes(&read_all(&log.reader()), &bytes_of(&[first, rest].concat()), "");
}

#[test]
fn an_error_of_the_disk_poisons_the_log_and_reads_go_on() {
    let disk = disk();
    let mut log = create(&disk, config(1 << 20));
    let mut source = Source::new(2);
    let all = source.batches(5);
    log.append(&all, 0).unwrap();
    disk.add_rule(Rule { call: Call::Write, path_contains: ".log".into(), after: 0, error: io::ErrorKind::Other });
    assert!(matches!(log.append(&source.batches(1), 0), Err(AppendError::Poisoned(_))));
    disk.clear_rules();
    assert!(matches!(log.append(&source.batches(1), 0), Err(AppendError::Poisoned(_))));
    assert!(log.reader().poisoned().is_some());
    check_bytes(&read_all(&log.reader()), &bytes_of(&all), "");
    assert!(log.close().is_err(), "a poisoned log has no clean end");
}

#[test]
fn one_failed_sync_stops_all_later_ones() {
    let disk = disk();
    let mut log = create(&disk, config(1_024));
    log.append(&Source::new(3).batches(30), 0).unwrap();
    let dirty = log.dirty_files();
    assert!(dirty.len() > 3);
    disk.add_rule(Rule { call: Call::Sync, path_contains: ".log".into(), after: 0, error: io::ErrorKind::Other });
    assert!(matches!(dirty[0].sync(), Err(SyncError::Disk(_))));
    let calls = disk.calls();
    assert!(dirty.iter().all(|file| matches!(file.sync(), Err(SyncError::Poisoned(_)))));
    assert_eq!(disk.calls(), calls, "the disk is not asked again");
}

#[test]
fn what_was_handed_out_and_not_synced_is_handed_out_again() {
    let disk = disk();
    let mut log = create(&disk, config(2_000));
    let mut source = Source::new(9);
    let mut all = source.batches(20);
    log.append(&all, 0).unwrap();
    let first = log.dirty_files();
    first[0].sync().unwrap();
    all.extend(source.batches(1));
    log.append(&all[20..], 0).unwrap();
    let checkpoint = sync(&mut log).unwrap();
    let calls = disk.calls();
    first.iter().try_for_each(DirtyFile::sync).unwrap();
    assert_eq!(disk.calls(), calls, "the other caller did it");
    assert!(log.dirty_files().is_empty());
    for seed in 0..4 {
        let after = recover(&disk.power_cut(seed), config(2_000), &checkpoint, RecoverMode::CutAtCheckpoint).unwrap();
        check_bytes(&read_all(&after.log.reader()), &bytes_of(&all), "nothing was missed");
    }
}

#[test]
fn verify_finds_nothing_in_a_sound_log_and_each_planted_defect() {
    let disk = disk();
    let mut log = create(&disk, config(3_000));
    let all = Source::new(4).batches(60);
    log.append(&all, 0).unwrap();
    log.close().unwrap();
    let look = |disk: &SimDisk| {
        let mut bytes = Vec::new();
        let report = verify::verify(&files(disk), &dir(), &mut |batch| bytes.extend_from_slice(batch.bytes)).unwrap();
        (report, bytes)
    };
    let (report, bytes) = look(&disk);
    assert_eq!(bytes, bytes_of(&all));
    assert_eq!(report.iter().map(|segment| segment.batch_count).sum::<u64>(), 60);
    assert!(report.iter().all(|segment| segment.defects.is_empty() && segment.index_defect_count == 0));
    let second = report[1].base_offset;

    let rotten = disk.restart();
    rotten.rot(&segment_path(&dir(), second, FileKind::Log), 65).unwrap();
    let (report, bytes) = look(&rotten);
    assert!(matches!(report[1].defects[..], [Corruption { position: 0, defect: Defect::Crc { .. }, .. }]));
    assert_eq!(bytes.len(), bytes_of(&all).len(), "it goes on behind a bad checksum");

    let headless = disk.restart();
    headless.rot(&segment_path(&dir(), second, FileKind::Log), 16).unwrap();
    assert!(matches!(look(&headless).0[1].defects[..], [Corruption { position: 0, defect: Defect::Magic(_), .. }]));

    for kind in [FileKind::OffsetIndex, FileKind::TimeIndex] {
        let misled = disk.restart();
        misled.rot(&segment_path(&dir(), second, kind), 7).unwrap();
        assert!(look(&misled).0[1].index_defect_count > 0, "{kind:?}");
    }
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let good = LogConfig::default();
    assert_eq!(good.validate(), Ok(()));
    for bad in [
        LogConfig { segment_bytes: 1_023, ..good.clone() },
        LogConfig { segment_bytes: 1 << 31, ..good.clone() },
        LogConfig { segment_age_max: std::time::Duration::ZERO, ..good.clone() },
        LogConfig { index_interval_bytes: 1, ..good.clone() },
        LogConfig { producers_max: 0, ..good.clone() },
    ] {
        assert!(bad.validate().is_err(), "{bad:?}");
        let created = PartitionLog::create(&files(&disk()), dir(), id(), bad, 0);
        assert!(matches!(created, Err(OpenError::Config(_))));
    }
}

/// A file of which so many bytes from its start are in memory.
#[derive(Debug)]
struct HalfCached {
    file: Arc<dyn DiskFile>,
    cached_size: u64,
}

impl DiskFile for HalfCached {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }

    fn read_cached_at(&self, buffer: &mut [u8], position: u64) -> io::Result<Option<usize>> {
        let cached = usize::try_from(self.cached_size.saturating_sub(position)).unwrap().min(buffer.len());
        if cached == 0 { Ok(None) } else { self.file.read_at(&mut buffer[..cached], position).map(Some) }
    }

    fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, position)
    }

    fn write_vectored_all_at(&self, parts: &[io::IoSlice<'_>], position: u64) -> io::Result<()> {
        self.file.write_vectored_all_at(parts, position)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn set_len(&self, size: u64) -> io::Result<()> {
        self.file.set_len(size)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn allocate(&self, size: u64) -> io::Result<()> {
        self.file.allocate(size)
    }
}

#[test]
fn a_file_that_is_half_in_memory_gives_whole_batches_or_asks_to_wait() {
    let disk = disk();
    let mut log = create(&disk, config(1 << 20));
    let all = Source::new(9).batches(12);
    log.append(&all, 0).unwrap();
    let files = files(&disk);
    let segment = &log.reader().snapshot()[0];
    for cached_size in 0..=segment.size() {
        let file = HalfCached { file: segment.file(&files).unwrap(), cached_size };
        let source = source::Source { segment, file: &file, files: &files, wait: source::Wait::Never };
        let start = source::Start { position: 0, exactness: source::Exactness::Before { by_bytes: 512 } };
        for from in [0, 4] {
            let read = Read { upper_offset: log.next_offset(), ..wanted(all[from].base_offset) };
            let whole = (0..=all.len()).rev().find(|&count| bytes_of(&all[..count]).len() as u64 <= cached_size);
            match source.read(&read, start).unwrap() {
                source::SegmentRead::Found { batches, end_position } => {
                    let whole = whole.unwrap();
                    check_bytes(&batches.bytes, &bytes_of(&all[from..whole]), "what is in memory");
                    assert_eq!(end_position, bytes_of(&all[..whole]).len() as u64);
                }
                source::SegmentRead::WouldWait => assert!(whole.unwrap() <= from, "{cached_size} bytes cached"),
                _ => panic!("{cached_size} bytes cached, from batch {from}"),
            }
        }
    }
}
