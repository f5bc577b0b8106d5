//! Appending, reading, closing, reopening.

use super::*;
use crate::append::{AppendError, Appended};
use levada_log::disk::sim::{Call, Rule, SimDisk};
use std::io;

fn sim() -> (SimDisk, Arc<dyn Disk>) {
    let sim = SimDisk::new();
    (sim.clone(), Arc::new(sim))
}

fn fill(store: &Store, log: &Arc<Log>, range: std::ops::Range<i64>) {
    for (offset, value) in numbered(range) {
        assert_eq!(append(store, log, &[&value]).unwrap().base_offset, offset);
    }
}

#[test]
fn what_was_appended_is_read_back_from_memory_and_from_segments() {
    let (_, disk) = sim();
    let (store, recovery) = open_on(&disk);
    assert!(recovery.first_start);
    let log = create(&store, 1, "orders", &[]);
    fill(&store, &log, 0..300);
    assert_eq!(read_all(&log), numbered(0..300));
    store.checkpoint().wait().unwrap();
    fill(&store, &log, 300..400);
    assert_eq!(read_all(&log), numbered(0..400));
    store.close();
}

#[test]
fn a_clean_close_leaves_nothing_to_replay() {
    let (_, disk) = sim();
    let (store, _) = open_on(&disk);
    let log = create(&store, 1, "orders", &[]);
    fill(&store, &log, 0..200);
    let epoch = log.leader_epoch();
    let cluster = store.image().cluster_id;
    store.close();
    drop((store, log));
    let (store, recovery) = open_on(&disk);
    assert!(recovery.clean);
    assert_eq!((recovery.batches, recovery.torn_bytes), (0, 0));
    let log = super::log(&store, "orders");
    assert_eq!(read_all(&log), numbered(0..200));
    assert_eq!(log.leader_epoch(), epoch + 1);
    assert_eq!(log.epoch_end_offset(epoch), Some((epoch, 200)));
    assert_eq!(store.image().cluster_id, cluster);
    fill(&store, &log, 200..210);
    assert_eq!(log.epoch_end_offset(epoch), Some((epoch, 200)));
    store.close();
}

#[test]
fn after_a_kill_the_epoch_before_ends_where_that_life_ended() {
    let (sim, disk) = sim();
    let (store, _) = open_on(&disk);
    let log = create(&store, 1, "orders", &[]);
    fill(&store, &log, 0..200);
    let epoch = log.leader_epoch();
    drop((store, log));
    let killed: Arc<dyn Disk> = Arc::new(sim.restart());
    let (store, recovery) = open_on(&killed);
    assert!(!recovery.clean);
    let log = super::log(&store, "orders");
    assert_eq!(log.leader_epoch(), epoch + 1);
    assert_eq!(log.epoch_end_offset(epoch), Some((epoch, 200)));
    fill(&store, &log, 200..210);
    assert_eq!(log.epoch_end_offset(epoch), Some((epoch, 200)));
    store.checkpoint().wait().unwrap();
    assert_eq!(log.epoch_end_offset(epoch), Some((epoch, 200)));
    store.close();
}

#[test]
fn a_retried_batch_is_answered_with_its_first_offset_also_after_a_restart() {
    let (sim, disk) = sim();
    let (store, _) = open_on(&disk);
    let log = create(&store, 1, "orders", &[]);
    let send = |store: &Store, log: &Arc<Log>, sequence| {
        store.append(set(log, batch(&["a", "b"], stamp(sequence)))).wait().unwrap().pop().unwrap()
    };
    for index in 0..20 {
        assert_eq!(send(&store, &log, index * 2), Ok(Appended::at(i64::from(index) * 2, 0)));
    }
    assert_eq!(send(&store, &log, 36), Ok(Appended::at(36, 0)));
    assert!(matches!(send(&store, &log, 50), Err(AppendError::OutOfOrderSequence { expected: 40, .. })));
    drop((store, log));
    let killed: Arc<dyn Disk> = Arc::new(sim.restart());
    let (store, recovery) = open_on(&killed);
    assert!(!recovery.clean);
    let log = super::log(&store, "orders");
    assert_eq!(send(&store, &log, 38), Ok(Appended::at(38, 0)));
    assert_eq!(send(&store, &log, 40), Ok(Appended::at(40, 0)));
    assert_eq!(log.tail().high_watermark, 42);
}

#[test]
fn a_deleted_topic_is_gone_and_its_name_is_free() {
    let (sim, disk) = sim();
    let (store, _) = open_on(&disk);
    let log = create(&store, 1, "orders", &[]);
    fill(&store, &log, 0..100);
    store.checkpoint().wait().unwrap();
    store.commit(vec![Change::DeleteTopic { id: log.id().topic }]).wait().unwrap().unwrap();
    assert_eq!(append(&store, &log, &["late"]), Err(AppendError::Closed));
    let again = create(&store, 2, "orders", &[]);
    assert_eq!(read_all(&again), []);
    fill(&store, &again, 0..50);
    store.checkpoint().wait().unwrap();
    drop((store, log, again));
    let killed: Arc<dyn Disk> = Arc::new(sim.restart());
    let (store, _) = open_on(&killed);
    assert_eq!(read_all(&super::log(&store, "orders")), numbered(0..50));
    store.close();
    let names = killed.list(std::path::Path::new("/data/logs")).unwrap();
    let names: Vec<&str> = names.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["orders-0"], "the old directory is gone");
}

#[test]
fn replaying_the_life_of_a_deleted_topic_spares_the_one_that_has_its_name() {
    for (before, is_known) in [("os", true), ("os", false), ("fsync", true), ("fsync", false)] {
        let (sim, disk) = sim();
        let (store, _) = open_on(&disk);
        let log = create(&store, 1, "clicks", &[("durability", before)]);
        fill(&store, &log, 0..10);
        if is_known {
            store.checkpoint().wait().unwrap();
        }
        store.commit(vec![Change::DeleteTopic { id: log.id().topic }]).wait().unwrap().unwrap();
        drop((store, log));
        let killed = sim.restart();
        let (store, _) = open_on(&(Arc::new(killed.clone()) as Arc<dyn Disk>));
        let log = create(&store, 2, "clicks", &[("durability", "os")]);
        fill(&store, &log, 0..20);
        drop((store, log));
        let (store, _) = open_on(&(Arc::new(killed.restart()) as Arc<dyn Disk>));
        assert_eq!(read_all(&super::log(&store, "clicks")), numbered(0..20), "{before}");
        store.close();
    }
}

#[test]
fn retention_and_delete_records_move_the_start_for_good() {
    let (sim, disk) = sim();
    let (store, _) = open_on(&disk);
    let log = create(&store, 1, "orders", &[("retention.bytes", "10000")]);
    fill(&store, &log, 0..400);
    store.expire().wait().unwrap();
    let start = log.tail().log_start_offset;
    assert!(start > 100, "{start}");
    assert_eq!(read_all(&log), numbered(start..400));
    let change = Change::SetLogStart { id: log.id().topic, partition: 0, offset: 350 };
    store.commit(vec![change]).wait().unwrap().unwrap();
    assert_eq!(read_all(&log), numbered(350..400));
    store.checkpoint().wait().unwrap();
    drop((store, log));
    let killed: Arc<dyn Disk> = Arc::new(sim.restart());
    let (store, recovery) = open_on(&killed);
    assert_eq!(recovery.quarantined, []);
    assert_eq!(read_all(&super::log(&store, "orders")), numbered(350..400));
}

#[test]
fn a_full_disk_refuses_and_later_takes_again() {
    let (sim, disk) = sim();
    let (store, _) = open_on(&disk);
    let log = create(&store, 1, "orders", &[]);
    fill(&store, &log, 0..50);
    store.checkpoint().wait().unwrap();
    sim.set_capacity(Some(0));
    let mut next = 50;
    let refused = loop {
        match append(&store, &log, &[&format!("value-{next}")]) {
            Ok(appended) => {
                assert_eq!(appended.base_offset, next);
                next += 1;
            }
            Err(error) => break error,
        }
        assert!(next < 100_000, "the disk never filled");
    };
    assert_eq!(refused, AppendError::NoSpace);
    assert!(!store.health().writable);
    assert_eq!(read_all(&log), numbered(0..next), "reads go on");
    sim.set_capacity(None);
    let resumed = (0..200).find_map(|_| {
        std::thread::sleep(Duration::from_millis(10));
        append(&store, &log, &[&format!("value-{next}")]).ok()
    });
    assert_eq!(resumed, Some(Appended::at(next, 0)));
    assert!(store.health().writable);
    store.close();
    let (store, _) = open_on(&disk);
    assert_eq!(read_all(&super::log(&store, "orders")), numbered(0..next + 1));
}

#[test]
fn a_failed_sync_is_final_and_loses_nothing_acknowledged() {
    let (sim, disk) = sim();
    let (store, _) = open_on(&disk);
    let log = create(&store, 1, "orders", &[]);
    fill(&store, &log, 0..50);
    let (call, error) = (Call::Sync, io::ErrorKind::Other);
    sim.add_rule(Rule { call, path_contains: "journal".to_owned(), after: 0, error });
    assert!(matches!(append(&store, &log, &["lost"]), Err(AppendError::Poisoned(_))));
    sim.clear_rules();
    assert!(matches!(append(&store, &log, &["late"]), Err(AppendError::Poisoned(_))), "no later sync is tried");
    assert!(!store.health().writable);
    assert_eq!(read_all(&log), numbered(0..50), "reads go on");
    store.close();
    let (store, _) = open_on(&(Arc::new(sim.power_cut(3)) as Arc<dyn Disk>));
    let found = read_all(&super::log(&store, "orders"));
    assert_eq!(found[..50], numbered(0..50));
}

#[test]
fn a_second_store_on_the_same_directory_is_refused() {
    let (_, disk) = sim();
    let (store, _) = open_on(&disk);
    let refused = Store::open(small_config(), parts(Arc::clone(&disk)));
    assert!(matches!(refused, Err(StoreError::InUse { .. })));
    store.close();
}

#[test]
fn a_direct_log_keeps_its_offsets_apart_after_a_power_cut() {
    let (sim, disk) = sim();
    let (store, _) = open_on(&disk);
    let log = create(&store, 1, "clicks", &[("durability", "os")]);
    fill(&store, &log, 0..100);
    assert_eq!(read_all(&log), numbered(0..100));
    drop((store, log));
    for seed in 0..20 {
        let cut: Arc<dyn Disk> = Arc::new(sim.power_cut(seed));
        let (store, _) = open_on(&cut);
        let log = super::log(&store, "clicks");
        let found = read_all(&log);
        let kept = i64::try_from(found.len()).unwrap();
        assert_eq!(found, numbered(0..kept), "what is left is a prefix");
        let next = append(&store, &log, &["after"]).unwrap().base_offset;
        assert!(next >= 100, "offset {next} may have been seen before the cut");
        assert_eq!(read_all(&log).last(), Some(&(next, "after".to_owned())));
        store.close();
    }
}

#[test]
fn durability_can_change_while_a_topic_is_written() {
    let (sim, disk) = sim();
    let (store, _) = open_on(&disk);
    let log = create(&store, 1, "orders", &[]);
    let mut next = 0;
    for mode in ["os", "fsync", "os", "fsync", "interval", "fsync"] {
        fill(&store, &log, next..next + 40);
        next += 40;
        let configs = BTreeMap::from([("durability".to_owned(), mode.to_owned())]);
        store.commit(vec![Change::SetTopicConfigs { id: log.id().topic, configs }]).wait().unwrap().unwrap();
        fill(&store, &log, next..next + 40);
        next += 40;
        store.checkpoint().wait().unwrap();
    }
    fill(&store, &log, next..next + 40);
    next += 40;
    assert_eq!(read_all(&log), numbered(0..next));
    drop((store, log));
    let (store, recovery) = open_on(&(Arc::new(sim.restart()) as Arc<dyn Disk>));
    assert_eq!(recovery.quarantined, []);
    assert_eq!(read_all(&super::log(&store, "orders")), numbered(0..next));
}

#[test]
fn many_threads_append_to_many_logs_without_loss() {
    let (_, disk) = sim();
    let (store, _) = open_on(&disk);
    let logs: Vec<Arc<Log>> = (0..8)
        .map(|number| {
            create(
                &store,
                number + 1,
                &format!("topic-{number}"),
                &[("durability", if number % 2 == 0 { "fsync" } else { "os" })],
            )
        })
        .collect();
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let (store, logs) = (store.clone(), logs.clone());
            std::thread::spawn(move || {
                for index in 0..200 {
                    let entries =
                        logs.iter().map(|log| set(log, batch(&[&format!("{thread}-{index}")], None)).entries.remove(0));
                    let outcomes =
                        store.append(AppendSet { entries: entries.collect(), acks: Acks::Durable }).wait().unwrap();
                    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    for log in &logs {
        let found = read_all(log);
        assert_eq!(found.len(), 800);
        for thread in 0..4 {
            let prefix = format!("{thread}-");
            let mine: Vec<&str> = found.iter().filter_map(|(_, value)| value.strip_prefix(&prefix)).collect();
            assert!(mine.iter().enumerate().all(|(index, value)| **value == index.to_string()), "{}", log.topic());
        }
    }
    store.close();
}

#[test]
fn a_hold_keeps_what_its_cut_needs_and_no_more() {
    let (_, disk) = sim();
    let (store, _) = open_on(&disk);
    let log = create(&store, 1, "orders", &[("retention.bytes", "4000")]);
    fill(&store, &log, 0..200);
    let hold = store.cut([Arc::clone(&log)]).unwrap().hold();
    fill(&store, &log, 200..600);
    store.expire().wait().unwrap();
    let start = log.tail().log_start_offset;
    assert!((1..=200).contains(&start), "what is below the cut goes, the cut stays: {start}");
    assert_eq!(read_all(&log), numbered(start..600));
    drop(hold);
    store.expire().wait().unwrap();
    assert!(log.tail().log_start_offset > 400);
    store.close();
}

#[test]
fn bytes_that_pass_the_journal_by_bring_a_checkpoint_about() {
    let sim = SimDisk::new();
    let (store, _) = open_on(&(Arc::new(sim.clone()) as Arc<dyn Disk>));
    let log = create(&store, 1, "clicks", &[("durability", "os")]);
    for offset in 0..200 {
        append(&store, &log, &[&format!("value-{offset}"), "filler of a segment".repeat(50).as_str()]).unwrap();
    }
    // The clock stands still, nobody asked: what is durable is so because of its size.
    let kept = || {
        let (after, _) = open_on(&(Arc::new(sim.power_cut(3)) as Arc<dyn Disk>));
        read_all(&super::log(&after, "clicks")).len()
    };
    let is_durable = || {
        std::thread::sleep(Duration::from_millis(5));
        kept() >= 180
    };
    assert!((0..2_000).any(|_| is_durable()), "no checkpoint was taken");
    store.close();
}
