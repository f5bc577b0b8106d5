//! A damaged partition is cut and served again.

use super::*;
use levada_log::disk::{OpenMode, sim::SimDisk};
use std::path::Path;

/// A journal so large that checkpoints are taken when the test says so.
fn open_on(disk: &Arc<dyn Disk>) -> (Store, Recovery) {
    let config = StoreConfig { journal_file_size: 4 << 20, checkpoint_bytes: 10 << 20, ..small_config() };
    Store::open(config, parts(Arc::clone(disk))).unwrap()
}

/// How a segment is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    Missing,
    Short,
    Rotten,
}

fn damage(disk: &SimDisk, segment: &Path, how: Damage) {
    match how {
        Damage::Missing => {
            disk.remove_file(segment).unwrap();
            disk.sync_dir(segment.parent().unwrap()).unwrap();
        }
        Damage::Short => {
            let file = disk.open(segment, OpenMode::Write).unwrap();
            file.set_len(1_000).unwrap();
            file.sync_data().unwrap();
        }
        Damage::Rotten => disk.rot(segment, 1_000).unwrap(),
    }
}

/// The `.log` files of orders-0, oldest first.
fn segments(disk: &SimDisk) -> Vec<PathBuf> {
    let dir = Path::new("/data/logs/orders-0");
    let names = disk.list(dir).unwrap().into_iter().map(|entry| entry.name);
    names.filter(|name| name.ends_with(".log")).map(|name| dir.join(name)).collect()
}

fn repair(disk: &SimDisk) -> Repair {
    Repair::open(Arc::new(disk.clone()), Path::new("/data"), "orders", 0).unwrap()
}

/// A store with 400 records in segments, and `more` behind them that only the journal holds.
fn filled(more: i64) -> SimDisk {
    let sim = SimDisk::new();
    let (store, _) = open_on(&(Arc::new(sim.clone()) as Arc<dyn Disk>));
    let log = create(&store, 1, "orders", &[]);
    for (_, value) in numbered(0..400) {
        append(&store, &log, &[&value]).unwrap();
    }
    if more == 0 {
        store.close();
        return sim;
    }
    store.checkpoint().wait().unwrap();
    for (_, value) in numbered(400..400 + more) {
        append(&store, &log, &[&value]).unwrap();
    }
    let killed = sim.restart();
    store.close();
    killed
}

#[test]
fn a_damaged_partition_is_cut_at_its_rot_and_served_again() {
    for (how, more, index) in [
        (Damage::Missing, 0, 3),
        (Damage::Short, 0, 3),
        (Damage::Rotten, 0, 3),
        (Damage::Missing, 20, 3),
        (Damage::Short, 20, 2),
        (Damage::Missing, 0, 0),
    ] {
        let disk = filled(more);
        let paths = segments(&disk);
        assert!(paths.len() > 6);
        damage(&disk, &paths[index], how);
        let rot = repair(&disk).rot().unwrap().unwrap();
        let there = paths.len() - usize::from(how == Damage::Missing);
        assert_eq!((segments(&disk).len(), rot.offset_to), (there, 400), "looking cuts nothing");
        let (kept, bytes) = (rot.at.offset_from, rot.bytes);
        let files = repair(&disk).cut(&rot).unwrap();
        let sizes = files.iter().map(|path| disk.open(path, OpenMode::Read).unwrap().len().unwrap());
        assert_eq!(sizes.sum::<u64>(), bytes, "every byte that was cut is kept");
        assert_eq!(repair(&disk).rot().unwrap(), None);
        for after in [disk.restart(), disk.power_cut(1), disk.power_cut(2)] {
            let (store, recovery) = open_on(&(Arc::new(after.clone()) as Arc<dyn Disk>));
            assert_eq!(recovery.quarantined, [], "{how:?}");
            let log = log(&store, "orders");
            let expected = [numbered(0..kept), numbered(400..400 + more)].concat();
            assert_eq!(read_all(&log), expected, "{how:?} {more}");
            let next = append(&store, &log, &["after"]).unwrap().base_offset;
            assert_eq!(next, 400 + more, "no offset is given again");
            store.checkpoint().wait().unwrap();
            assert_eq!(read_all(&log).last(), Some(&(next, "after".to_owned())));
            store.close();
            let (store, recovery) = open_on(&(Arc::new(after) as Arc<dyn Disk>));
            assert_eq!((recovery.quarantined.len(), recovery.clean), (0, true));
            store.close();
        }
    }
}

#[test]
fn a_repair_that_is_cut_short_is_done_again() {
    let disk = filled(0);
    damage(&disk, &segments(&disk)[4], Damage::Short);
    let calls = {
        let disk = disk.restart();
        let rot = repair(&disk).rot().unwrap().unwrap();
        let before = disk.calls();
        repair(&disk).cut(&rot).unwrap();
        disk.calls() - before
    };
    for call in (1..=calls).step_by(5) {
        let disk = disk.restart();
        let rot = repair(&disk).rot().unwrap().unwrap();
        disk.fail_at(disk.calls() + call, levada_log::disk::sim::Fault::Kill);
        drop(Repair::open(Arc::new(disk.clone()), Path::new("/data"), "orders", 0).map(|repair| repair.cut(&rot)));
        for after in [disk.restart(), disk.power_cut(call)] {
            let again = repair(&after);
            if let Some(left) = again.rot().unwrap() {
                assert_eq!(left.at.offset_from, rot.at.offset_from, "call {call}");
                again.cut(&left).unwrap();
            }
            drop(again);
            let (store, recovery) = open_on(&(Arc::new(after) as Arc<dyn Disk>));
            assert_eq!(recovery.quarantined, [], "call {call}");
            assert_eq!(read_all(&log(&store, "orders")), numbered(0..rot.at.offset_from), "call {call}");
            store.close();
        }
    }
}

#[test]
fn what_only_the_journal_had_of_a_quarantined_partition_comes_back_with_the_repair() {
    let mut disk = filled(20);
    damage(&disk, &segments(&disk)[2], Damage::Missing);
    for life in 0..3_u64 {
        let (store, recovery) = open_on(&(Arc::new(disk.clone()) as Arc<dyn Disk>));
        assert_eq!(recovery.quarantined.len(), 1);
        // The journal is let go, and used by others.
        let other = match life {
            0 => create(&store, 2, "other", &[]),
            _ => log(&store, "other"),
        };
        for _ in 0..100 {
            append(&store, &other, &["x".repeat(1_000).as_str()]).unwrap();
        }
        store.checkpoint().wait().unwrap();
        let cut = disk.power_cut(life);
        store.close();
        disk = if life == 2 { disk } else { cut };
    }
    let rot = repair(&disk).rot().unwrap().unwrap();
    repair(&disk).cut(&rot).unwrap();
    for after in [disk.restart(), disk.power_cut(3)] {
        let (store, recovery) = open_on(&(Arc::new(after.clone()) as Arc<dyn Disk>));
        assert_eq!(recovery.quarantined, []);
        let log = log(&store, "orders");
        assert_eq!(read_all(&log), [numbered(0..rot.at.offset_from), numbered(400..420)].concat());
        assert_eq!(append(&store, &log, &["after"]).unwrap().base_offset, 420);
        store.close();
    }
    assert_eq!(disk.list(Path::new("/data/quarantine")).unwrap(), [], "it is in the log now");
}

#[test]
fn a_sound_partition_and_one_of_a_running_store_are_left_alone() {
    let disk = filled(0);
    assert_eq!(repair(&disk).rot().unwrap(), None);
    let open = |name: &str| Repair::open(Arc::new(disk.clone()), Path::new("/data"), name, 0);
    assert!(matches!(open("nobody"), Err(RepairError::NoFiles(_))));
    let (store, _) = open_on(&(Arc::new(disk.clone()) as Arc<dyn Disk>));
    assert!(matches!(open("orders"), Err(RepairError::Store(StoreError::InUse { .. }))));
    store.close();
}
