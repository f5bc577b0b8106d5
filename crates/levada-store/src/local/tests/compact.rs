//! Compaction beside everything else that a store does.

use super::*;
use levada_log::disk::sim::{Fault, SimDisk};
use levada_model::Rng;
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

type Table = BTreeMap<String, Option<String>>;

fn compacting(disk: &Arc<dyn Disk>, clock: &Arc<ManualClock>) -> StoreParts {
    StoreParts {
        clock: Arc::clone(clock) as _,
        resolve: Arc::new(|_, configs| {
            let number = |name: &str, default| configs.get(name).map_or(default, |text| text.parse().unwrap());
            LogSettings {
                durability: configs.get("durability").and_then(|name| Durability::by_name(name)).unwrap_or_default(),
                segment_bytes: 4 << 10,
                compacts: true,
                deletes: false,
                compaction_lag_max_ms: number("max.compaction.lag.ms", u64::MAX),
                compaction_lag_min_ms: number("min.compaction.lag.ms", 0),
                ..LogSettings::default()
            }
        }),
        ..parts(Arc::clone(disk))
    }
}

fn open(disk: &Arc<dyn Disk>) -> Store {
    open_with(disk, small_config(), &Arc::new(ManualClock::new(1_700_000_000_000)))
}

fn open_with(disk: &Arc<dyn Disk>, config: StoreConfig, clock: &Arc<ManualClock>) -> Store {
    Store::open(config, compacting(disk, clock)).unwrap().0
}

fn keyed(key: &str, value: Option<&str>) -> Batch {
    let mut builder = BatchBuilder::new();
    builder.push(&NewRecord { timestamp: 5, key: Some(key.as_bytes()), value: value.map(str::as_bytes), headers: &[] });
    Batch::check(builder.finish()).unwrap()
}

fn put(store: &Store, log: &Arc<Log>, key: &str, value: &str) -> AppendOutcome {
    store.append(set(log, keyed(key, Some(value)))).wait().unwrap().pop().unwrap()
}

/// `count` records over `keys` keys.
fn fill(store: &Store, log: &Arc<Log>, count: usize, keys: usize) -> Table {
    let mut table = Table::new();
    for index in 0..count {
        let (key, value) = (format!("key-{}", index % keys), format!("value-{index}").repeat(5));
        put(store, log, &key, &value).unwrap();
        table.insert(key, Some(value));
    }
    table
}

/// Every record, read in steps; and how many there are.
fn read(log: &Log) -> (Table, usize) {
    let (mut table, mut count) = (Table::new(), 0);
    let mut offset = log.tail().log_start_offset;
    while offset < log.tail().high_watermark {
        let out = log.read(offset, 2_000, ReadUntil::HighWatermark, true).unwrap();
        let bytes = Bytes::from(out.pieces.concat());
        let before = offset;
        for batch in levada_model::batch::split(bytes) {
            let (header, batch) = batch.unwrap();
            assert!(header.base_offset >= before, "offsets rise");
            for record in Records::new(batch.slice(HEADER_SIZE..), header.record_count) {
                let record = record.unwrap();
                let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
                table.insert(record.key.map(text).unwrap(), record.value.map(text));
                count += 1;
            }
            offset = header.next_offset();
        }
        // Of a lease that an unclean start skipped there are no records before the end.
        if offset == before {
            break;
        }
    }
    (table, count)
}

/// Everything sealed that can be; then one pass.
fn compact(store: &Store) {
    store.checkpoint().wait().unwrap();
    store.compact().wait().unwrap();
}

fn sim() -> (SimDisk, Arc<dyn Disk>) {
    let sim = SimDisk::new();
    (sim.clone(), Arc::new(sim))
}

#[test]
fn many_records_over_few_keys_shrink_and_starts_find_the_same() {
    for durability in ["fsync", "os"] {
        let (sim, disk) = sim();
        let store = open(&disk);
        let log = create(&store, 1, "state", &[("durability", durability)]);
        let table = fill(&store, &log, 600, 7);
        compact(&store);
        // The newest segment is being written, and memory has the newest batches.
        let stats = store.stats();
        assert!(stats.compaction_records_dropped > 400 && stats.compactions == 1, "{stats:?}");
        assert!(stats.compaction_read_bytes > stats.compaction_written_bytes && stats.compaction_troubled == 0);
        let before = log.size_bytes();
        for _ in 0..2 {
            compact(&store);
        }
        assert!(log.size_bytes() <= before && before < 12_000, "{before} bytes");
        assert_eq!(read(&log).0, table);
        // Neither old files nor what described them are left once they are not needed.
        store.checkpoint().wait().unwrap();
        store.checkpoint().wait().unwrap();
        let names = disk.list(std::path::Path::new("/data/logs/state-0")).unwrap();
        let left: Vec<_> = names.iter().filter(|entry| entry.name.contains("replace")).collect();
        assert!(left.is_empty(), "{left:?}");
        drop((store, log));
        let cut = (durability == "fsync").then(|| sim.power_cut(3));
        for restarted in [sim.restart()].into_iter().chain(cut) {
            let disk: Arc<dyn Disk> = Arc::new(restarted);
            let store = open(&disk);
            let log = super::log(&store, "state");
            let (after, count) = read(&log);
            assert!(after == table && count < 150, "{durability}: {count} records");
            put(&store, &log, "key-0", "newest").unwrap();
            store.close();
            let store = open(&disk);
            assert_eq!(read(&super::log(&store, "state")).0["key-0"].as_deref(), Some("newest"));
            store.close();
        }
    }
}

#[test]
fn producers_and_readers_go_on_beside() {
    for durability in ["fsync", "os"] {
        let (_, disk) = sim();
        let config = StoreConfig { compaction_interval: Duration::from_millis(1), ..small_config() };
        let store = open_with(&disk, config, &Arc::new(ManualClock::new(1_700_000_000_000)));
        let log = create(&store, 1, "state", &[("durability", durability)]);
        let ends = AtomicBool::new(false);
        let table = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !ends.load(Ordering::Acquire) {
                    store.checkpoint().wait().unwrap();
                    store.compact().wait().unwrap();
                }
            });
            scope.spawn(|| {
                let mut last = BTreeMap::new();
                while !ends.load(Ordering::Acquire) {
                    // No key goes back to what it was before.
                    for (key, value) in read(&log).0 {
                        let number: u64 = value.as_ref().unwrap()["value-".len()..][..8].parse().unwrap();
                        let before = last.insert(key, number).unwrap_or(0);
                        assert!(before <= number, "{before} came after {number}");
                    }
                }
            });
            let mut table = Table::new();
            for index in 0.. {
                // However long it takes until all that is to go on beside has had its turn.
                if index >= 1_500 && store.stats().compactions > 1 {
                    break;
                }
                let (key, value) = (format!("key-{}", index % 11), format!("value-{index:08}-").repeat(4));
                put(&store, &log, &key, &value).unwrap();
                table.insert(key, Some(value));
            }
            ends.store(true, Ordering::Release);
            table
        });
        compact(&store);
        let (after, count) = read(&log);
        assert_eq!(after, table, "{durability}");
        assert!(count < 300, "{count} records");
        store.close();
    }
}

#[test]
fn a_store_that_ends_at_any_call_while_it_compacts_loses_nothing() {
    let rng = SeededRng::new(11);
    for run in 0..24_u64 {
        let (sim, disk) = sim();
        let store = open(&disk);
        let durability = if run % 2 == 0 { "fsync" } else { "os" };
        let log = create(&store, 1, "state", &[("durability", durability)]);
        let mut table = fill(&store, &log, 150, 5);
        store.checkpoint().wait().unwrap();
        sim.fail_at(sim.calls() + 1 + rng.next_u64() % 260, if run % 3 == 0 { Fault::TornWrite } else { Fault::Kill });
        let mut unsure = None;
        for index in 0..60 {
            if index % 12 == 3 {
                drop(store.compact());
            }
            if index % 12 == 9 {
                drop(store.checkpoint());
            }
            let (key, value) = (format!("key-{}", index % 5), format!("later-{index}").repeat(4));
            if put(&store, &log, &key, &value).is_err() {
                unsure = Some((key, Some(value)));
                break;
            }
            table.insert(key, Some(value));
        }
        store.compact().wait().unwrap_or_default();
        drop((store, log));
        let mut after = vec![sim.restart()];
        if durability == "fsync" {
            after.extend((0..2).map(|seed| sim.power_cut(seed)));
        }
        for (index, disk) in after.into_iter().enumerate() {
            let disk: Arc<dyn Disk> = Arc::new(disk);
            let (store, recovery) =
                Store::open(small_config(), compacting(&disk, &Arc::new(ManualClock::new(1_700_000_000_000)))).unwrap();
            assert_eq!(recovery.quarantined, [], "run {run}, cut {index}");
            let log = super::log(&store, "state");
            let check = |found: Table, what: &str| {
                let sure = found.iter().all(|(key, value)| {
                    table.get(key) == Some(value)
                        || unsure.as_ref().is_some_and(|(other, sent)| key == other && value == sent)
                });
                assert!(sure && found.len() == table.len(), "run {run}, cut {index}, {what}: {found:?}");
            };
            check(read(&log).0, "at start");
            compact(&store);
            compact(&store);
            check(read(&log).0, "compacted");
            store.close();
        }
    }
}

#[test]
fn enough_dirty_bytes_or_age_are_due_by_themselves() {
    let (_, disk) = sim();
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let config = StoreConfig { compaction_interval: Duration::from_millis(2), ..small_config() };
    let store = open_with(&disk, config, &clock);
    let log = create(&store, 1, "state", &[]);
    let table = fill(&store, &log, 300, 3);
    let old = create(&store, 2, "old", &[("max.compaction.lag.ms", "60000")]);
    let few = fill(&store, &old, 10, 2);
    let wait_for = |what: &str, until: &dyn Fn() -> bool| {
        let mut tries = 0;
        while !until() {
            tries += 1;
            assert!(tries < 10_000, "{what}: {:?}", store.stats());
            store.checkpoint().wait().unwrap();
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    wait_for("the dirty ratio", &|| log.size_bytes() < 6_000);
    assert_eq!(read(&log).0, table);
    // The age of a segment counts from when it was written.
    store.checkpoint().wait().unwrap();
    let size = old.size_bytes();
    clock.advance(Duration::from_secs(61));
    wait_for("the age", &|| old.size_bytes() < size);
    assert_eq!(read(&old).0, few);
    // At rest, nothing is compacted again and again.
    wait_for("rest", &|| store.stats().compaction_dirty_ppm <= 500_000);
    let passes = store.stats().compactions;
    std::thread::sleep(Duration::from_millis(50));
    assert!(store.stats().compactions <= passes + 1);
    store.close();
}

#[test]
fn what_is_held_or_young_stays() {
    let (_, disk) = sim();
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let store = open_with(&disk, small_config(), &clock);
    let log = create(&store, 1, "state", &[]);
    fill(&store, &log, 200, 4);
    let cut = store.cut([Arc::clone(&log)]).unwrap();
    let hold = cut.hold();
    let count = read(&log).1;
    fill(&store, &log, 200, 4);
    compact(&store);
    let (first, kept) = (read(&log).1, store.stats().compaction_records_dropped);
    assert!(first < count + 200 && kept > 100, "below the hold it is compacted");
    compact(&store);
    compact(&store);
    assert!(read(&log).1 >= 200, "beyond the hold nothing went");
    drop(hold);
    compact(&store);
    assert!(read(&log).1 < 200);
    let young = create(&store, 2, "young", &[("min.compaction.lag.ms", "1000")]);
    // Their timestamps are old: the broker's clock says when they came.
    fill(&store, &young, 100, 4);
    compact(&store);
    assert_eq!(read(&young).1, 100, "records have timestamps of 1970, and are young to nobody else");
    store.close();
}
