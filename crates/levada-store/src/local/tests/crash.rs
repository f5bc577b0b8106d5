//! The process dies at every call of the disk in turn, and the power is cut: what was acknowledged is there.

use super::*;
use levada_log::disk::sim::{Fault, SimDisk};

/// What the workload was told is done.
#[derive(Debug, Default)]
struct Acknowledged {
    /// Topic by topic: values by offset.
    records: BTreeMap<String, Vec<(Offset, String)>>,
    /// What was tried and not answered may be there or not.
    unanswered_topics: Vec<String>,
    deleted: Vec<String>,
    starts: BTreeMap<String, Offset>,
}

/// Appends, rolls, checkpoints, creates, deletes, until the disk dies or all is done.
fn work(store: &Store, acknowledged: &mut Acknowledged) -> Option<()> {
    for (number, name) in [(1_u8, "alpha"), (2, "beta"), (3, "gamma")] {
        let (_, change) = topic_change(number, name, &[]);
        acknowledged.unanswered_topics.push(name.to_owned());
        store.commit(vec![change]).wait()?.ok()?;
        acknowledged.unanswered_topics.pop();
        acknowledged.records.insert(name.to_owned(), Vec::new());
    }
    for round in 0..12_i32 {
        for name in ["alpha", "beta", "gamma"] {
            let image = store.image();
            let Some(topic) = image.topic(name) else { continue };
            let log = Arc::clone(topic.log(0)?);
            let value = format!("{name}-{round}-{}", "x".repeat(600));
            let mut outcomes = store.append(set(&log, batch(&[&value, &value], stamp(round * 2)))).wait()?;
            let base = outcomes.pop()?.ok()?.base_offset;
            let records = acknowledged.records.get_mut(name)?;
            records.extend([(base, value.clone()), (base + 1, value)]);
        }
        match round {
            3 | 8 => store.checkpoint().wait()?,
            5 => {
                let image = store.image();
                let id = image.topic("beta")?.id;
                acknowledged.deleted.push("beta".to_owned());
                acknowledged.records.remove("beta");
                store.commit(vec![Change::DeleteTopic { id }]).wait()?.ok()?;
            }
            6 => {
                let id = store.image().topic("gamma")?.id;
                let change = Change::SetLogStart { id, partition: 0, offset: 4 };
                acknowledged.starts.insert("gamma".to_owned(), 0);
                store.commit(vec![change]).wait()?.ok()?;
                acknowledged.starts.insert("gamma".to_owned(), 4);
            }
            _ => {}
        }
    }
    store.close();
    Some(())
}

fn verify(disk: &Arc<dyn Disk>, acknowledged: &Acknowledged, what: &str) {
    let (store, recovery) = open_on(disk);
    assert_eq!(recovery.quarantined, [], "{what}");
    for (name, records) in &acknowledged.records {
        let log = log(&store, name);
        let found = read_all(&log);
        let start = log.tail().log_start_offset;
        let start_min = acknowledged.starts.get(name).copied().unwrap_or(0);
        assert!(
            start >= start_min && (start == start_min || acknowledged.starts.contains_key(name)),
            "{what}: {name} starts at {start}"
        );
        let kept: Vec<_> = records.iter().filter(|(offset, _)| *offset >= start).cloned().collect();
        assert!(found.len() >= kept.len(), "{what}: {name} has {} of {} records", found.len(), kept.len());
        assert_eq!(found[..kept.len()], kept[..], "{what}: {name}");
        assert!(found.len() <= kept.len() + 2, "{what}: {name} has records that nobody sent");
        // The next of the same producer goes on where the acknowledged ones end, or is recognised.
        let sequence = i32::try_from(records.len()).unwrap();
        let outcome = store.append(set(&log, batch(&["a", "b"], stamp(sequence)))).wait().unwrap().pop().unwrap();
        let next = i64::try_from(records.len()).unwrap();
        assert_eq!(outcome.unwrap().base_offset, next, "{what}: {name}");
    }
    for name in store.image().topics.keys() {
        let known = acknowledged.records.contains_key(name.as_str())
            || acknowledged.unanswered_topics.iter().any(|topic| topic == name.as_str())
            || acknowledged.deleted.iter().any(|topic| topic == name.as_str());
        assert!(known, "{what}: topic {name} came from nowhere");
    }
    store.close();
}

/// Batches of `placed_bytes_min` go to their segments first.
fn run(call: Option<(u64, Fault)>, placed_bytes_min: usize) -> (SimDisk, Acknowledged, u64) {
    let sim = SimDisk::new();
    if let Some((call, fault)) = call {
        sim.fail_at(call, fault);
    }
    let mut acknowledged = Acknowledged::default();
    let config = StoreConfig { placed_bytes_min, ..small_config() };
    if let Ok((store, _)) = Store::open(config, parts(Arc::new(sim.clone()))) {
        let done = work(&store, &mut acknowledged);
        assert!(call.is_some() || done.is_some(), "the workload must finish on a sound disk");
        store.close();
    }
    let calls = sim.calls();
    (sim, acknowledged, calls)
}

/// Dies at some calls of the disk, in steps of `step`.
fn die(placed_bytes_min: usize, step: usize) {
    let (sim, acknowledged, calls) = run(None, placed_bytes_min);
    verify(&(Arc::new(sim.restart()) as Arc<dyn Disk>), &acknowledged, "no fault");
    assert!(calls > 200, "{calls}");
    for call in (1..=calls).step_by(step) {
        for fault in [Fault::Kill, Fault::TornWrite] {
            let (sim, acknowledged, _) = run(Some((call, fault)), placed_bytes_min);
            let what = format!("{fault:?} at call {call}");
            verify(&(Arc::new(sim.restart()) as Arc<dyn Disk>), &acknowledged, &what);
            let cut: Arc<dyn Disk> = Arc::new(sim.power_cut(call));
            verify(&cut, &acknowledged, &format!("{what}, then a power cut"));
        }
    }
}

// Every call in turn takes minutes; coprime steps meet all phases of the workload.
#[test]
fn a_kill_at_calls_of_the_disk_loses_nothing_acknowledged() {
    die(usize::MAX, 19);
}

#[test]
fn nor_does_it_lose_what_went_to_its_segment_first() {
    die(1_000, 17);
}
