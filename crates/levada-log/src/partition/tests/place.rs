//! Batches that are durable before they are part of the log.

use super::{super::repair, *};

/// Syncs what batches need to survive.
fn sync_data(log: &mut PartitionLog) {
    log.data_files().iter().for_each(|file| file.sync().unwrap());
}

fn last_sequence(log: &PartitionLog) -> i32 {
    log.producers().get(ProducerId(5)).unwrap().batches.back().unwrap().last_sequence
}

fn place(log: &mut PartitionLog, batches: &[StoredBatch]) -> Placement {
    log.place(batches, 0).unwrap().expect("one segment takes them")
}

#[test]
fn a_placement_counts_once_it_is_taken() {
    let disk = disk();
    let mut source = Source::new(1);
    let mut log = create(&disk, config(1 << 20));
    let first = source.batches(5);
    log.append(&first, 0).unwrap();
    let second = source.batches(3);
    let placement = place(&mut log, &second);
    assert_eq!(placement.next_offset(), source.next_offset);
    assert_eq!(log.next_offset(), first[4].next_offset());
    check_bytes(&read_all(&log.reader()), &bytes_of(&first), "before it is taken");
    log.take(placement);
    let third = source.batches(2);
    log.append(&third, 0).unwrap();
    let all = [first, second, third].concat();
    check_bytes(&read_all(&log.reader()), &bytes_of(&all), "afterwards");
    let checkpoint = log.close().unwrap();
    let again = PartitionLog::open_clean(&files(&disk), dir(), id(), config(1 << 20), &checkpoint).unwrap();
    check_bytes(&read_all(&again.reader()), &bytes_of(&all), "after a clean close");
    assert_eq!(last_sequence(&again), source.next_sequence - 1);
}

#[test]
fn a_placement_that_is_given_up_leaves_nothing() {
    let disk = disk();
    let mut source = Source::new(2);
    let mut log = create(&disk, config(1 << 20));
    let first = source.batches(5);
    log.append(&first, 0).unwrap();
    let size = crate::Disk::list(&disk, &dir()).unwrap().iter().map(|entry| entry.size).sum::<u64>();
    let batches = source.batches(3);
    let placement = place(&mut log, &batches);
    log.give_up(placement).unwrap();
    assert_eq!(crate::Disk::list(&disk, &dir()).unwrap().iter().map(|entry| entry.size).sum::<u64>(), size);
    log.append(&batches[..1], 0).unwrap();
    check_bytes(&read_all(&log.reader()), &bytes_of(&[first, batches[..1].to_vec()].concat()), "others in its place");
}

#[test]
fn what_one_segment_does_not_take_is_not_placed() {
    let disk = disk();
    let mut source = Source::new(3);
    let mut log = create(&disk, config(2_000));
    let batches = source.batches(30);
    assert!(log.place(&batches, 0).unwrap().is_none());
    log.append(&batches, 0).unwrap();
    check_bytes(&read_all(&log.reader()), &bytes_of(&batches), "appended instead");
}

/// Appends, places and takes checkpoints at random; gives all batches, and how far a start may rely on which.
fn work(disk: &SimDisk, seed: u64) -> (Vec<StoredBatch>, LogCheckpoint, Offset) {
    let mut source = Source::new(seed);
    let mut log = create(disk, config(2_000));
    let mut checkpoint = sync(&mut log).unwrap();
    let (mut all, mut placed_to) = (Vec::new(), 0);
    for _ in 0..20 {
        let count = 1 + usize::try_from(source.below(4)).unwrap();
        let batches = source.batches(count);
        all.extend(batches.clone());
        match source.below(5) {
            0 => {
                log.append(&batches, 0).unwrap();
                checkpoint = sync(&mut log).unwrap();
            }
            1 => drop(log.append(&batches, 0).unwrap()),
            choice => match log.place(&batches, 0).unwrap() {
                // Handed out, and durable only once the others are.
                Some(placement) if choice == 2 => {
                    drop(log.dirty_files());
                    sync_data(&mut log);
                    log.take(placement);
                    placed_to = log.next_offset();
                }
                Some(placement) => {
                    sync_data(&mut log);
                    log.take(placement);
                    placed_to = log.next_offset();
                }
                None => drop(log.append(&batches, 0).unwrap()),
            },
        }
    }
    (all, checkpoint, placed_to)
}

#[test]
fn what_was_placed_survives_power_cuts_and_the_rest_is_cut() {
    let mut beyond = 0;
    for seed in 0..120 {
        let whole = disk();
        let (all, checkpoint, placed_to) = work(&whole, seed);
        let end = placed_to.max(checkpoint.next_offset());
        beyond += u32::from(placed_to > checkpoint.next_offset());
        let kept: Vec<_> = all.iter().filter(|batch| batch.base_offset < end).cloned().collect();
        for disk in [whole.restart(), whole.power_cut(seed)] {
            let what = format!("seed {seed}");
            assert_eq!(repair::find_rot(&files(&disk), &dir(), &checkpoint, placed_to).unwrap(), None, "{what}");
            let mode = RecoverMode::ScanTo(placed_to);
            let mut log = recover(&disk, config(2_000), &checkpoint, mode).unwrap().log;
            check_bytes(&read_all(&log.reader()), &bytes_of(&kept), &what);
            log.append(&all[kept.len()..], 0).unwrap();
            let sequence = last_sequence(&log);
            check_bytes(&read_all(&log.reader()), &bytes_of(&all), &format!("{what}, with the rest"));
            let checkpoint = log.close().unwrap();
            let again = PartitionLog::open_clean(&files(&disk), dir(), id(), config(2_000), &checkpoint).unwrap();
            check_bytes(&read_all(&again.reader()), &bytes_of(&all), &format!("{what}, closed"));
            assert_eq!(last_sequence(&again), sequence);
        }
    }
    assert!(beyond > 60, "{beyond} of 120 runs placed something beyond the last checkpoint");
}

#[test]
fn what_was_placed_and_is_not_there_is_rot() {
    let disk = disk();
    let mut source = Source::new(4);
    let mut log = create(&disk, config(1 << 20));
    log.append(&source.batches(3), 0).unwrap();
    let checkpoint = sync(&mut log).unwrap();
    let batches = source.batches(4);
    let placement = place(&mut log, &batches);
    sync_data(&mut log);
    log.take(placement);
    let end = log.next_offset();
    let path = dir().join("00000000000000000000.log");
    let file = crate::Disk::open(&disk, &path, OpenMode::Write).unwrap();
    let size = file.len().unwrap();
    for (cut, whole) in [(1, 3), (u64::try_from(batches[3].size()).unwrap(), 3)] {
        file.set_len(size - cut).unwrap();
        let found = corruption(recover(&disk, config(1 << 20), &checkpoint, RecoverMode::ScanTo(end)).unwrap_err());
        assert_eq!(found.offset_from, batches[whole].base_offset, "{found}");
        let rot = repair::find_rot(&files(&disk), &dir(), &checkpoint, end).unwrap().unwrap();
        assert_eq!((rot.at.offset_from, rot.offset_to), (found.offset_from, end), "{rot:?}");
    }
}
