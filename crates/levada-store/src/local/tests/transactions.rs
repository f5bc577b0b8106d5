//! Transactions as readers see them, and batches that go together.

use super::*;
use crate::append::{AppendError, Appended};
use levada_log::disk::sim::{Call, Fault, Rule, SimDisk};
use levada_model::{Marker, Outcome, batch::Attributes};
use std::io;

fn transactional(producer: i64, sequence: i32, value: &str) -> Batch {
    let stamp = ProducerStamp { id: ProducerId(producer), epoch: 0, base_sequence: sequence };
    let mut builder = BatchBuilder::new().with_producer(stamp).with_attributes(Attributes::TRANSACTIONAL);
    builder.push(&NewRecord { timestamp: 5, key: None, value: Some(value.as_bytes()), headers: &[] });
    Batch::check(builder.finish()).unwrap()
}

fn produce(store: &Store, log: &Arc<Log>, producer: i64, sequence: i32) -> AppendOutcome {
    store.append(set(log, transactional(producer, sequence, "value"))).wait().unwrap().pop().unwrap()
}

fn marker(log: &Arc<Log>, producer: i64, outcome: Outcome) -> AppendEntry {
    let batch = Marker { outcome, coordinator_epoch: 1 }.batch(ProducerId(producer), 0, 7);
    AppendEntry { log: Arc::clone(log), batch, origin: Origin::Coordinator }
}

fn together(store: &Store, entries: Vec<AppendEntry>) -> Vec<AppendOutcome> {
    store.append(AppendSet { entries, acks: Acks::Together }).wait().unwrap()
}

fn stable(log: &Log) -> (Offset, Offset) {
    (log.tail().last_stable_offset, log.tail().high_watermark)
}

fn aborted(log: &Log) -> Vec<(i64, Offset, Offset)> {
    let all = log.aborted_transactions(0, Offset::MAX);
    all.iter().map(|entry| (entry.producer.0, entry.first_offset, entry.last_offset)).collect()
}

#[test]
fn readers_of_committed_records_stop_at_the_first_open_transaction() {
    for durability in ["fsync", "os"] {
        let sim = SimDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        let (store, _) = open_on(&disk);
        let log = create(&store, 1, "orders", &[("durability", durability)]);
        append(&store, &log, &["plain"]).unwrap();
        produce(&store, &log, 1, 0).unwrap();
        produce(&store, &log, 2, 0).unwrap();
        append(&store, &log, &["plain"]).unwrap();
        assert_eq!(stable(&log), (1, 4));
        let out = log.read(0, 10_000, ReadUntil::LastStable, true).unwrap();
        assert_eq!(levada_model::batch::split(out.pieces.concat().into()).count(), 1);
        let end = |entries| store.append(AppendSet { entries, acks: Acks::Durable }).wait().unwrap();
        end(vec![marker(&log, 1, Outcome::Abort)]);
        assert_eq!(stable(&log), (2, 5));
        store.checkpoint().wait().unwrap();
        end(vec![marker(&log, 2, Outcome::Commit)]);
        assert_eq!(stable(&log), (6, 6));
        assert_eq!(aborted(&log), [(1, 1, 4)]);
        produce(&store, &log, 3, 0).unwrap();
        // Another life, after a kill and after a clean end.
        store.close();
        let (store, _) = open_on(&disk);
        let log = super::log(&store, "orders");
        assert_eq!((stable(&log), aborted(&log)), ((6, 7), vec![(1, 1, 4)]), "{durability}");
        let open = log.open_transactions();
        assert_eq!(open.iter().map(|open| (open.producer.0, open.first_offset)).collect::<Vec<_>>(), [(3, 6)]);
        store.close();
    }
}

#[test]
fn a_producer_in_a_transaction_writes_nothing_outside_of_it() {
    let (store, _) = open_on(&(Arc::new(SimDisk::new()) as Arc<dyn Disk>));
    let log = create(&store, 1, "orders", &[]);
    produce(&store, &log, 7, 0).unwrap();
    let outside = store.append(set(&log, batch(&["x"], stamp(1)))).wait().unwrap().pop().unwrap();
    assert_eq!(outside, Err(AppendError::OutsideTransaction { producer: ProducerId(7) }));
}

#[test]
fn batches_that_go_together_are_there_after_a_crash_or_none_is() {
    let build = |sim: &SimDisk| {
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        let (store, _) = open_on(&disk);
        let logs = ["a", "b", "c"].map(|name| name.to_owned());
        let logs: Vec<_> = (1..).zip(&logs).map(|(number, name)| create(&store, number, name, &[])).collect();
        for log in &logs {
            produce(&store, log, 1, 0).unwrap();
        }
        (store, logs)
    };
    let calls_until = |sim: &SimDisk| sim.calls();
    let sim = SimDisk::new();
    let (store, logs) = build(&sim);
    let before = calls_until(&sim);
    let entries = || logs.iter().map(|log| marker(log, 1, Outcome::Commit)).collect::<Vec<_>>();
    assert!(together(&store, entries()).iter().all(Result::is_ok));
    let after = calls_until(&sim);
    assert!(after > before);
    for seed in 0..40 {
        let (again, _) = open_on(&(Arc::new(sim.power_cut(seed)) as Arc<dyn Disk>));
        let open = ["a", "b", "c"].map(|name| super::log(&again, name).open_transactions().len());
        assert_eq!(open, [0, 0, 0], "it was acknowledged");
        again.close();
    }
    // A sync that fails: nobody knows, but all are of one mind after the restart.
    let sim = SimDisk::new();
    let (store, logs) = build(&sim);
    let error = io::ErrorKind::Other;
    sim.add_rule(Rule { call: Call::Sync, path_contains: "journal".to_owned(), after: 0, error });
    let entries = logs.iter().map(|log| marker(log, 1, Outcome::Commit)).collect::<Vec<_>>();
    assert!(together(&store, entries).iter().all(Result::is_err));
    sim.clear_rules();
    for seed in 0..40 {
        let (again, _) = open_on(&(Arc::new(sim.power_cut(seed)) as Arc<dyn Disk>));
        let open = ["a", "b", "c"].map(|name| super::log(&again, name).open_transactions().len());
        assert!(open == [0, 0, 0] || open == [1, 1, 1], "{open:?}");
        again.close();
    }
}

#[test]
fn batches_that_go_together_are_refused_together() {
    let (store, _) = open_on(&(Arc::new(SimDisk::new()) as Arc<dyn Disk>));
    let kept = create(&store, 1, "kept", &[]);
    let fast = create(&store, 2, "fast", &[("durability", "os")]);
    produce(&store, &kept, 1, 0).unwrap();
    let entries = vec![marker(&kept, 1, Outcome::Commit), marker(&fast, 1, Outcome::Commit)];
    let refused = Err(AppendError::NotJournalled);
    assert_eq!(together(&store, entries), [refused.clone(), refused]);
    assert_eq!(kept.open_transactions().len(), 1);
    assert_eq!(produce(&store, &kept, 1, 1), Ok(Appended::at(1, 0)), "its offset was given back");
}

/// A transaction of the model.
#[derive(Debug, Default)]
struct Modelled {
    firsts: BTreeMap<usize, Offset>,
    markers: BTreeMap<usize, Offset>,
}

fn check_cut(store: &Store, logs: &[Arc<Log>], ended: &[Modelled], open: &BTreeMap<i64, Modelled>) {
    let cut = store.cut(logs.iter().cloned()).unwrap();
    let offsets: Vec<Offset> = cut.offsets().map(|(_, offset)| offset).collect();
    for (log, offset) in logs.iter().zip(&offsets) {
        assert!(*offset <= log.tail().last_stable_offset);
    }
    for transaction in ended {
        let below = transaction.markers.iter().filter(|(log, marker)| **marker < offsets[**log]).count();
        let begun = transaction.firsts.iter().filter(|(log, first)| **first < offsets[**log]).count();
        let all = transaction.markers.len();
        assert!(below == begun && (below == 0 || below == all), "{transaction:?} is torn by {offsets:?}");
    }
    for transaction in open.values() {
        assert!(transaction.firsts.iter().all(|(log, first)| *first >= offsets[*log]), "{transaction:?} is open");
    }
    if open.is_empty() {
        let ends: Vec<Offset> = logs.iter().map(|log| log.tail().high_watermark).collect();
        assert_eq!(offsets, ends, "nothing holds the cut back");
    }
}

#[test]
fn a_cut_holds_each_transaction_wholly_or_not_at_all() {
    for seed in 0..60 {
        let rng = SeededRng::new(seed);
        let below = |limit: u64| rng.next_u64() % limit;
        let (store, _) = open_on(&(Arc::new(SimDisk::new()) as Arc<dyn Disk>));
        let logs: Vec<_> =
            (1..).zip(["a", "b", "c", "d"]).map(|(number, name)| create(&store, number, name, &[])).collect();
        let (mut open, mut ended): (BTreeMap<i64, Modelled>, Vec<Modelled>) = (BTreeMap::new(), Vec::new());
        let mut sequences: BTreeMap<(i64, usize), i32> = BTreeMap::new();
        for _ in 0..120 {
            let producer = i64::try_from(below(5)).unwrap();
            if below(10) < 7 {
                let index = usize::try_from(below(4)).unwrap();
                let sequence = sequences.entry((producer, index)).or_default();
                let appended = produce(&store, &logs[index], producer, *sequence).unwrap();
                *sequence += 1;
                open.entry(producer).or_default().firsts.entry(index).or_insert(appended.base_offset);
            } else if let Some(mut transaction) = open.remove(&producer) {
                let outcome = if below(2) == 0 { Outcome::Commit } else { Outcome::Abort };
                let places: Vec<usize> = transaction.firsts.keys().copied().collect();
                let markers = places.iter().map(|index| marker(&logs[*index], producer, outcome)).collect();
                let outcomes = together(&store, markers);
                let offsets = outcomes.into_iter().map(|appended| appended.unwrap().base_offset);
                transaction.markers = places.into_iter().zip(offsets).collect();
                ended.push(transaction);
            }
            check_cut(&store, &logs, &ended, &open);
        }
        store.close();
    }
}

#[test]
fn cuts_wait_for_transactions_that_were_open_at_the_start() {
    let sim = SimDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let (store, _) = open_on(&disk);
    let log = create(&store, 1, "a", &[]);
    produce(&store, &log, 1, 0).unwrap();
    store.close();
    let (store, _) = open_on(&disk);
    let log = super::log(&store, "a");
    assert!(store.cut([Arc::clone(&log)]).is_none());
    together(&store, vec![marker(&log, 1, Outcome::Abort)]);
    assert_eq!(store.cut([log]).unwrap().offsets().next().unwrap().1, 2);
}

#[test]
fn what_passes_the_journal_by_is_not_there_before_what_comes_first_in_its_request() {
    let begin = || {
        let sim = SimDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        let (store, _) = open_on(&disk);
        let (state, fast) = (create(&store, 1, "state", &[]), create(&store, 2, "fast", &[("durability", "os")]));
        assert!(fast.is_direct());
        append(&store, &fast, &["lease"]).unwrap();
        (sim, store, state, fast)
    };
    for call in 1..=8 {
        let (sim, store, state, fast) = begin();
        sim.fail_at(sim.calls() + call, Fault::Kill);
        let state = AppendEntry { log: state, batch: batch(&["ongoing"], None), origin: Origin::Coordinator };
        let record = AppendEntry { log: fast, batch: transactional(1, 0, "record"), origin: Origin::Client };
        let outcomes = store.append(AppendSet { entries: vec![state, record], acks: Acks::Durable }).wait();
        let after: Arc<dyn Disk> = Arc::new(sim.restart());
        let (store, _) = open_on(&after);
        let has = |name, value: &str| read_all(&super::log(&store, name)).iter().any(|(_, it)| it == value);
        let (begun, written) = (has("state", "ongoing"), has("fast", "record"));
        assert!(begun || !written, "call {call}: a record is there, and not the transaction that it is part of");
        let was_taken = outcomes.unwrap().iter().all(Result::is_ok);
        assert!(!was_taken || (begun && written), "call {call}: acknowledged");
    }
}
