//! Large batches that are written once: to their segment.

use super::*;
use crate::AppendError;
use levada_log::{
    disk::{OpenMode, sim::SimDisk},
    partition::Defect,
};
use std::path::Path;

const LARGE: usize = 3_000;

/// Large batches are placed; checkpoints are taken when a test says so.
fn open_on(disk: &Arc<dyn Disk>) -> (Store, Recovery) {
    let config = StoreConfig {
        placed_bytes_min: LARGE,
        journal_file_size: 4 << 20,
        checkpoint_bytes: 10 << 20,
        checkpoint_direct_bytes: 10 << 20,
        ..small_config()
    };
    Store::open(config, parts(Arc::clone(disk))).unwrap()
}

fn open(sim: &SimDisk) -> (Store, Recovery) {
    open_on(&(Arc::new(sim.clone()) as Arc<dyn Disk>))
}

fn large(number: usize) -> String {
    format!("{number:04}-").repeat(LARGE / 5)
}

/// What stands at the offsets from 0 on.
fn expected(values: &[String]) -> Vec<(Offset, String)> {
    (0..).zip(values.iter().cloned()).collect()
}

fn append_all(store: &Store, log: &Arc<Log>, values: &[String]) {
    for value in values {
        append(store, log, &[value]).unwrap();
    }
}

#[test]
fn large_batches_are_written_once_and_survive_all_the_same() {
    let sim = SimDisk::new();
    let (store, _) = open(&sim);
    let log = create(&store, 1, "orders", &[]);
    // Now small, now large ones: the journal's come first in the segment.
    let values: Vec<String> =
        (0..30).map(|number| if number % 5 < 2 { format!("small-{number}") } else { large(number) }).collect();
    append_all(&store, &log, &values);
    let stats = store.stats();
    assert!(stats.placed_bytes > 18 * 3_000 && stats.journal_bytes < 2_000, "{stats:?}");
    assert_eq!(read_all(&log), expected(&values));
    for after in [sim.restart(), sim.power_cut(1), sim.power_cut(2)] {
        let (store, recovery) = open(&after);
        assert_eq!(recovery.quarantined, []);
        let log = super::log(&store, "orders");
        assert_eq!(read_all(&log), expected(&values));
        append_all(&store, &log, &[large(30), "small-31".to_owned()]);
        let more = [values.clone(), vec![large(30), "small-31".to_owned()]].concat();
        for again in [after.power_cut(3), after.power_cut(4)] {
            let (store, recovery) = open(&again);
            assert_eq!((recovery.quarantined, read_all(&super::log(&store, "orders"))), (vec![], expected(&more)));
            store.close();
            let (store, recovery) = open(&again);
            assert!(recovery.clean);
            assert_eq!(read_all(&super::log(&store, "orders")), expected(&more));
            store.close();
        }
        store.close();
    }
    store.close();
}

#[test]
fn a_sync_of_its_own_is_only_for_what_is_most_of_a_round() {
    let (store, _) = open(&SimDisk::new());
    let logs: Vec<_> = (1..=4).map(|number| create(&store, number, &format!("topic-{number}"), &[])).collect();
    // One request: a round of its own.
    let entry = |log: &Arc<Log>, value: &str| AppendEntry {
        log: Arc::clone(log),
        batch: batch(&[value], None),
        origin: Origin::Client,
    };
    let values: Vec<String> = (0..4).map(large).collect();
    let entries = logs.iter().zip(&values).map(|(log, value)| entry(log, value)).collect();
    let outcomes = store.append(AppendSet { entries, acks: Acks::Durable }).wait().unwrap();
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(store.stats().placed_bytes, 0);
    // A small one before it keeps the order: both are journalled. Behind it, it is.
    let entries = vec![entry(&logs[0], "small"), entry(&logs[0], &large(5))];
    store.append(AppendSet { entries, acks: Acks::Durable }).wait().unwrap();
    assert_eq!(store.stats().placed_bytes, 0);
    let entries = vec![entry(&logs[0], &large(6)), entry(&logs[0], "behind"), entry(&logs[1], "another")];
    store.append(AppendSet { entries, acks: Acks::Durable }).wait().unwrap();
    assert!(store.stats().placed_bytes > 3_000);
    let found: Vec<String> = read_all(&logs[0]).into_iter().map(|(_, value)| value).collect();
    assert_eq!(found, [large(0), "small".to_owned(), large(5), large(6), "behind".to_owned()]);
    assert_eq!(read_all(&logs[1]).len(), 2);
    store.close();
}

#[test]
fn what_was_placed_and_is_gone_is_named_until_a_repair_gives_it_up() {
    let sim = SimDisk::new();
    let (store, _) = open(&sim);
    let log = create(&store, 1, "orders", &[]);
    append_all(&store, &log, &["small".to_owned()]);
    store.checkpoint().wait().unwrap();
    let values: Vec<String> = (0..4).map(large).collect();
    append_all(&store, &log, &values);
    append_all(&store, &log, &["journalled".to_owned()]);
    let mut disk = sim.power_cut(1);
    store.close();
    let path = Path::new("/data/logs/orders-0/00000000000000000004.log");
    let segment = disk.open(path, OpenMode::Write).unwrap();
    segment.set_len(100).unwrap();
    segment.sync_data().unwrap();
    // The journal, which says how far the segments went, is let go and used by others.
    for life in 0..3_u64 {
        let (store, recovery) = open(&disk);
        assert_eq!(recovery.quarantined.len(), 1, "life {life}");
        let other = if life == 0 { create(&store, 2, "other", &[]) } else { super::log(&store, "other") };
        append_all(&store, &other, &vec!["x".repeat(1_000); 100]);
        store.checkpoint().wait().unwrap();
        let cut = disk.power_cut(life);
        store.close();
        disk = cut;
    }
    let repair = || Repair::open(Arc::new(disk.clone()), Path::new("/data"), "orders", 0).unwrap();
    let rot = repair().rot().unwrap().unwrap();
    assert_eq!((rot.at.offset_from, rot.offset_to), (4, 5));
    assert!(!matches!(rot.at.defect, Defect::Missing), "{rot:?}");
    repair().cut(&rot).unwrap();
    for after in [disk.restart(), disk.power_cut(5)] {
        let (store, recovery) = open(&after);
        assert_eq!(recovery.quarantined, []);
        let log = super::log(&store, "orders");
        let kept = ["small".to_owned()].into_iter().chain(values[..3].iter().cloned()).collect::<Vec<_>>();
        let journalled = [(5, "journalled".to_owned())];
        assert_eq!(read_all(&log), [expected(&kept), journalled.to_vec()].concat());
        let next = append(&store, &log, &[&large(9)]).unwrap().base_offset;
        assert_eq!(next, 6, "no offset is given again");
        let again = after.power_cut(6);
        store.close();
        let (store, recovery) = open(&again);
        assert_eq!(recovery.quarantined, []);
        assert_eq!(read_all(&super::log(&store, "orders")).last(), Some(&(6, large(9))));
        store.close();
    }
}

#[test]
fn a_full_disk_refuses_them_and_takes_them_again() {
    let sim = SimDisk::new();
    sim.set_capacity(Some((8 << 20) + (4 << 20) + (1 << 20)));
    let (store, _) = open(&sim);
    let log = create(&store, 1, "orders", &[]);
    let mut values = Vec::new();
    let refused = (0..2_000).find_map(|number| {
        let error = append(&store, &log, &[&large(number)]).err();
        values.extend(error.is_none().then(|| large(number)));
        error
    });
    assert_eq!(refused, Some(AppendError::NoSpace));
    assert_eq!(read_all(&log), expected(&values));
    let (after, recovery) = open(&sim.restart());
    assert_eq!((recovery.quarantined, read_all(&super::log(&after, "orders"))), (vec![], expected(&values)));
    after.close();
    sim.set_capacity(None);
    let taken = (0..500).find_map(|_| {
        std::thread::sleep(Duration::from_millis(10));
        append(&store, &log, &[&large(9_999)]).ok()
    });
    assert_eq!(taken.unwrap().base_offset, i64::try_from(values.len()).unwrap());
    values.push(large(9_999));
    assert_eq!(read_all(&log), expected(&values));
    store.close();
    let (store, recovery) = open(&sim);
    assert!(recovery.clean);
    assert_eq!(read_all(&super::log(&store, "orders")), expected(&values));
    store.close();
}

#[test]
fn a_topic_of_the_name_of_one_that_was_deleted_has_its_place_for_itself() {
    for configs in [&[][..], &[("durability", "os")]] {
        let sim = SimDisk::new();
        let (store, _) = open(&sim);
        let log = create(&store, 1, "orders", configs);
        append_all(&store, &log, &[large(1), large(2)]);
        // The writer, which removes directories, is held up by another log.
        let other = create(&store, 2, "other", &[]);
        let held = other.files.lock();
        append_all(&store, &other, &vec!["x".repeat(1_000); 10]);
        std::thread::sleep(Duration::from_millis(50));
        store.commit(vec![Change::DeleteTopic { id: log.id().topic }]).wait().unwrap().unwrap();
        let log = create(&store, 3, "orders", configs);
        append_all(&store, &log, &[large(3), large(4)]);
        drop(held);
        store.checkpoint().wait().unwrap();
        assert_eq!(read_all(&log), expected(&[large(3), large(4)]));
        for after in [sim.restart(), sim.power_cut(1)] {
            let (store, recovery) = open(&after);
            let found = read_all(&super::log(&store, "orders"));
            assert_eq!((recovery.quarantined, found), (vec![], expected(&[large(3), large(4)])), "{configs:?}");
            store.close();
        }
        store.close();
    }
}
