//! A full disk: what goes on, and what brings space back.

use super::*;
use crate::append::{AppendError, Appended};
use levada_log::disk::sim::SimDisk;

const OS: &[(&str, &str)] = &[("durability", "os")];
/// The journal, the reserve, and some room for segments.
const CAPACITY: u64 = (1536 << 10) + (4 << 20) + (5 << 20);

fn open_on(disk: &Arc<dyn Disk>) -> (Store, Recovery) {
    let config = StoreConfig { journal_file_size: 512 << 10, checkpoint_bytes: 768 << 10, ..small_config() };
    Store::open(config, parts(Arc::clone(disk))).unwrap()
}

struct Filled {
    sim: SimDisk,
    disk: Arc<dyn Disk>,
    store: Store,
    bulk: Arc<Log>,
    orders: Arc<Log>,
    offsets: Arc<Log>,
}

/// A store on a disk that `bulk` has filled.
fn fill_up() -> Filled {
    let sim = SimDisk::new();
    sim.set_capacity(Some(CAPACITY));
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let (store, _) = open_on(&disk);
    let bulk = create(&store, 1, "bulk", &[]);
    let orders = create(&store, 2, "orders", &[]);
    let offsets = create(&store, 3, "__consumer_offsets", &[]);
    append(&store, &orders, &["value-0"]).unwrap();
    let value = "x".repeat(8 << 10);
    let refused = (0..10_000).find_map(|_| append(&store, &bulk, &[&value]).err());
    assert_eq!(refused, Some(AppendError::NoSpace));
    Filled { sim, disk, store, bulk, orders, offsets }
}

fn commit_offset(store: &Store, log: &Arc<Log>, value: &str) -> AppendOutcome {
    let entry = AppendEntry { log: Arc::clone(log), batch: batch(&[value], None), origin: Origin::Coordinator };
    let set = AppendSet { entries: vec![entry], acks: Acks::Durable };
    store.append(set).wait().unwrap().pop().unwrap()
}

/// Appends as a patient client does.
fn append_in_time(store: &Store, log: &Arc<Log>, value: &str) -> Option<Appended> {
    (0..500).find_map(|_| {
        std::thread::sleep(Duration::from_millis(10));
        append(store, log, &[value]).ok()
    })
}

impl Filled {
    /// Nothing of a client goes through, and all that should does.
    fn check_full(&self) {
        assert!(!self.store.health().writable);
        for offset in 0..20 {
            assert_eq!(append(&self.store, &self.orders, &["refused"]), Err(AppendError::NoSpace));
            let committed = commit_offset(&self.store, &self.offsets, &format!("value-{offset}"));
            assert_eq!(committed, Ok(Appended::at(offset, 0)));
        }
        let (_, more) = topic_change(9, "more", &[]);
        assert_eq!(self.store.commit(vec![more]).wait().unwrap(), Err(CommitError::NoSpace));
        let configs = BTreeMap::from([("retention.bytes".to_owned(), "1000000000".to_owned())]);
        let change = Change::SetTopicConfigs { id: self.orders.id().topic, configs };
        assert_eq!(self.store.commit(vec![change]).wait().unwrap(), Ok(()));
    }

    /// Writes resume by themselves; whatever was answered is there after a kill and after a power cut.
    fn check_resumed(self) {
        assert_eq!(append_in_time(&self.store, &self.orders, "value-1"), Some(Appended::at(1, 0)));
        assert!(self.store.health().writable);
        self.store.checkpoint().wait().unwrap();
        append(&self.store, &self.orders, &["value-2"]).unwrap();
        let bulk = self.store.image().topic("bulk").map(|_| self.bulk.tail());
        for disk in [self.sim.restart(), self.sim.power_cut(1), self.sim.power_cut(2)] {
            let (store, recovery) = open_on(&(Arc::new(disk) as Arc<dyn Disk>));
            assert_eq!(recovery.quarantined, []);
            assert_eq!(read_all(&log(&store, "orders")), numbered(0..3));
            assert_eq!(read_all(&log(&store, "__consumer_offsets")), numbered(0..20));
            let found = store.image().topic("bulk").map(|topic| topic.log(0).unwrap().tail());
            assert_eq!(found.map(|tail| tail.high_watermark), bulk.map(|tail| tail.high_watermark));
            store.close();
        }
        self.store.close();
        assert!(open_on(&self.disk).1.clean);
    }
}

#[test]
fn on_a_full_disk_offsets_are_committed_and_a_deleted_topic_makes_room() {
    let filled = fill_up();
    filled.check_full();
    let id = filled.bulk.id().topic;
    assert_eq!(filled.store.commit(vec![Change::DeleteTopic { id }]).wait().unwrap(), Ok(()));
    filled.check_resumed();
}

#[test]
fn on_a_full_disk_deleted_records_make_room() {
    let filled = fill_up();
    filled.check_full();
    let (id, end) = (filled.bulk.id().topic, filled.bulk.tail().high_watermark);
    let change = Change::SetLogStart { id, partition: 0, offset: end };
    assert_eq!(filled.store.commit(vec![change]).wait().unwrap(), Ok(()));
    filled.check_resumed();
}

#[test]
fn a_store_that_starts_on_a_full_disk_serves_and_makes_room() {
    let Filled { sim, store, bulk, .. } = fill_up();
    let after: Arc<dyn Disk> = Arc::new(sim.power_cut(5));
    drop((store, bulk));
    let (store, _) = open_on(&after);
    let (bulk, orders) = (log(&store, "bulk"), log(&store, "orders"));
    assert_eq!(read_all(&orders), numbered(0..1));
    let deleted = store.commit(vec![Change::DeleteTopic { id: bulk.id().topic }]).wait().unwrap();
    assert_eq!(deleted, Ok(()));
    assert_eq!(append_in_time(&store, &orders, "value-1"), Some(Appended::at(1, 0)));
    store.close();
}

#[test]
fn a_round_that_does_not_fit_loses_only_what_clients_sent() {
    let Filled { sim, store, orders, offsets, .. } = fill_up();
    sim.set_capacity(None);
    assert!(append_in_time(&store, &orders, "value-1").is_some());
    // From now on the journal cannot grow.
    let rule = levada_log::disk::sim::Rule {
        call: levada_log::disk::sim::Call::Resize,
        path_contains: "journal".to_owned(),
        after: 0,
        error: std::io::ErrorKind::StorageFull,
    };
    sim.add_rule(rule);
    let value = "x".repeat(30 << 10);
    let mut tickets = Vec::new();
    for offset in 0..40 {
        tickets.push((store.append(set(&orders, batch(&[&value], None))), None));
        let batch = batch(&[&format!("value-{offset}")], None);
        let entry = AppendEntry { log: Arc::clone(&offsets), batch, origin: Origin::Coordinator };
        tickets.push((store.append(AppendSet { entries: vec![entry], acks: Acks::Durable }), Some(offset)));
    }
    let mut end = 2;
    for (ticket, offset) in tickets {
        let outcome = ticket.wait().unwrap().pop().unwrap();
        match (offset, outcome) {
            (Some(offset), outcome) => assert_eq!(outcome, Ok(Appended::at(offset, 0))),
            (None, Ok(appended)) => {
                assert_eq!(appended.base_offset, end);
                end += 1;
            }
            (None, Err(error)) => assert_eq!(error, AppendError::NoSpace),
        }
    }
    sim.clear_rules();
    assert_eq!(append_in_time(&store, &orders, "last").map(|appended| appended.base_offset), Some(end));
    assert_eq!(read_all(&offsets), numbered(0..40));
    store.close();
}

#[test]
fn what_comes_behind_a_batch_without_room_does_not_keep_an_offset_that_others_get() {
    let sim = SimDisk::new();
    sim.set_capacity(Some(CAPACITY));
    let disk: Arc<dyn Disk> = Arc::new(sim.clone());
    let (store, _) = open_on(&disk);
    let orders = create(&store, 1, "orders", &[]);
    let value = "x".repeat(30 << 10);
    let entry =
        |value: &str, origin: Origin| AppendEntry { log: Arc::clone(&orders), batch: batch(&[value], None), origin };
    // A client's batch and, behind it in the same log, one of the broker's, as the marker of a transaction is.
    let both = || vec![entry(&value, Origin::Client), entry("marker", Origin::Coordinator)];
    let tickets: Vec<_> = (0..600).map(|_| store.append(AppendSet { entries: both(), acks: Acks::Durable })).collect();
    let outcomes: Vec<AppendOutcome> = tickets.into_iter().flat_map(|ticket| ticket.wait().unwrap()).collect();
    let appended = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).map(|appended| appended.base_offset);
    let appended: Vec<i64> = appended.collect();
    assert!(appended.len() < outcomes.len(), "some had no room");
    let expected: Vec<i64> = (0..i64::try_from(appended.len()).unwrap()).collect();
    assert_eq!(appended, expected, "each offset is given once");
    sim.set_capacity(None);
    let last = append_in_time(&store, &orders, "last").unwrap().base_offset;
    assert_eq!(read_all(&orders).len(), usize::try_from(last + 1).unwrap());
    store.close();
}

#[test]
fn the_first_batch_of_a_producer_keeps_its_place_while_there_is_no_space() {
    for (configs, refused_at_the_door) in [(&[][..], false), (&[], true), (OS, false), (OS, true)] {
        let sim = SimDisk::new();
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        let (store, _) = open_on(&disk);
        let log = create(&store, 1, "orders", configs);
        append(&store, &log, &["so that there are files and offsets"]).unwrap();
        let value = "x".repeat(100 << 10);
        let send = |id: i64, base_sequence: i32| {
            let stamp = ProducerStamp { id: ProducerId(id), epoch: 0, base_sequence };
            store.append(set(&log, batch(&[&value], Some(stamp)))).wait().unwrap().pop().unwrap()
        };
        sim.set_capacity(Some(0));
        let mut producer = (0..10_000).find(|&id| send(id, 0).is_err()).unwrap();
        if refused_at_the_door {
            producer += 1;
            assert_eq!(send(producer, 0), Err(AppendError::NoSpace));
        }
        sim.set_capacity(None);
        let end = append_in_time(&store, &log, "another's").unwrap().base_offset + 1;
        let early = send(producer, 1);
        assert!(matches!(early, Err(AppendError::OutOfOrderSequence { sent: 1, expected: 0, .. })), "{early:?}");
        assert_eq!(send(producer, 0), Ok(Appended::at(end, 0)));
        assert_eq!(send(producer, 1), Ok(Appended::at(end + 1, 0)));
        store.close();
    }
}
