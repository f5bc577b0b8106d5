//! The whole store on a disk that ends at any call: what was answered is there after the next start.
//!
//! The store's threads race, so that a seed does not repeat a run to the call; whatever they do, the promise holds.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use levada_log::disk::{SimDisk, sim::Fault};
use levada_model::{
    LogId, Offset, Rng, SeededRng, SystemClock, TopicId, TopicName, Uuid,
    batch::{Batch, PATCHED_SIZE, split},
    record::{BatchBuilder, NewRecord},
};
use levada_store::{
    Acks, AppendEntry, AppendSet, Change, Durability, Log, LogSettings, Origin, ReadUntil, Store, StoreConfig,
    local::StoreParts,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// What clients know, over several lives of the disk.
#[derive(Clone, Debug, Default)]
struct Clients {
    /// Topics whose creation was answered, by name.
    topics: BTreeMap<String, TopicId>,
    /// Topics whose creation or deletion was asked for and not answered.
    unsure_topics: BTreeSet<String>,
    logs: BTreeMap<LogId, Known>,
    next_topic: u64,
    /// The power was cut since logs that do not ask for durability were read.
    power_was_cut: bool,
}

/// What clients know of one partition.
#[derive(Clone, Debug, Default)]
struct Known {
    /// Batches that were answered, or read after a restart, by offset: what follows their heads.
    answered: BTreeMap<Offset, Vec<u8>>,
    /// Batches that were sent and not answered.
    unsure: Vec<Vec<u8>>,
    /// The first offset that nobody has seen.
    unseen: Offset,
    /// Batches of a log without durability that a power cut took, by offset: the next one may give them back.
    taken: BTreeMap<Offset, Vec<u8>>,
}

/// What ends lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Faults {
    /// The process, at one call: until then nothing fails.
    Deaths,
    /// Single calls fail: afterwards anything may be refused, and nothing may be lost.
    Errors,
}

/// One life of the disk, and what to call it.
struct Life<'a> {
    disk: &'a SimDisk,
    faults: Faults,
    what: &'a str,
}

impl Life<'_> {
    /// Whether something may be refused by now.
    fn may_fail(&self) -> bool {
        self.faults == Faults::Errors || self.disk.is_dead()
    }
}

/// How a life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    ByItself,
    WithTheDisk,
}

fn config(seed: u64) -> StoreConfig {
    StoreConfig {
        data_dir: "/data".into(),
        journal_file_size: 64 << 10,
        journal_files_max: 3,
        checkpoint_bytes: 90 << 10,
        checkpoint_direct_bytes: 50 << 10,
        // No batch goes to its segment first, or large ones, or all that have most of a round.
        placed_bytes_min: [usize::MAX, 1_200, 1][usize::try_from(seed % 3).expect("small")],
        flush_bytes: 6 << 10,
        unflushed_bytes_max: 40 << 10,
        tail_bytes_max: 4 << 10,
        file_delete_delay: Duration::from_millis(1),
        ..StoreConfig::default()
    }
}

fn parts(disk: &SimDisk, seed: u64) -> StoreParts {
    let resolve = |_: &TopicName, configs: &BTreeMap<String, String>| {
        let durability = configs.get("durability").and_then(|name| Durability::by_name(name)).unwrap_or_default();
        LogSettings { durability, segment_bytes: 4_000, ..LogSettings::default() }
    };
    StoreParts {
        disk: Arc::new(disk.clone()),
        clock: Arc::new(SystemClock),
        rng: Arc::new(SeededRng::new(seed)),
        resolve: Arc::new(resolve),
    }
}

fn batch(rng: &SeededRng) -> Batch {
    let mut builder = BatchBuilder::new();
    for _ in 0..1 + rng.next_u64() % 3 {
        let mut value = vec![0; 16 + usize::try_from(rng.next_u64() % 900).expect("small")];
        rng.fill(&mut value);
        builder.push(&NewRecord { timestamp: 1_000_000, value: Some(&value), ..NewRecord::default() });
    }
    Batch::check(builder.finish()).expect("sound")
}

fn body(batch: &Batch) -> Vec<u8> {
    batch.bytes().slice(PATCHED_SIZE..).to_vec()
}

fn is_direct(log: &Log) -> bool {
    log.settings().durability != Durability::Fsync
}

/// All batches of a log, by offset. `None` where the disk ended while they were read.
fn read_all(log: &Log, life: &Life<'_>) -> Option<BTreeMap<Offset, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let (mut offset, end) = (log.tail().log_start_offset, log.tail().high_watermark);
    while offset < end {
        let out = match log.read(offset, 3_000, ReadUntil::HighWatermark, true) {
            Ok(out) => out,
            Err(_) if life.may_fail() => return None,
            Err(error) => panic!("{}: {} {} at {offset}: {error}", life.what, log.topic(), log.partition()),
        };
        if out.size == 0 && is_direct(log) {
            break;
        }
        assert!(out.size > 0, "something stands between {offset} and {end}");
        for item in split(out.pieces.concat().into()) {
            let (header, bytes) = item.expect("whole batches");
            Batch::check(bytes.clone()).expect("a sound batch");
            // What a power cut took of a log without durability stays a gap.
            let follows = header.base_offset == offset || is_direct(log) && header.base_offset > offset;
            let place = (log.topic(), log.partition(), log.tail());
            assert!(follows, "{}: {} stands where {offset} was due in {place:?}", life.what, header.base_offset);
            offset = header.next_offset();
            assert!(found.insert(header.base_offset, bytes.slice(PATCHED_SIZE..).to_vec()).is_none());
        }
    }
    Some(found)
}

/// What was answered is there and nothing was made up. What is there now counts as answered, the rest never was.
fn check(store: &Store, life: &Life<'_>, clients: &mut Clients) -> Ended {
    let what = life.what;
    let image = store.image();
    let there: BTreeSet<&str> = image.topics.keys().map(TopicName::as_str).collect();
    for name in clients.topics.keys().filter(|name| !clients.unsure_topics.contains(*name)) {
        assert!(there.contains(name.as_str()), "{what}: topic {name} is lost");
    }
    for name in &there {
        let known = clients.topics.contains_key(*name) || clients.unsure_topics.contains(*name);
        assert!(known, "{what}: topic {name} was deleted and came back");
    }
    clients.topics = image.topics.values().map(|topic| (topic.name.as_str().to_owned(), topic.id)).collect();
    clients.unsure_topics.clear();
    for log in image.logs() {
        if log.quarantine().is_some() && life.may_fail() {
            return Ended::WithTheDisk;
        }
        assert_eq!(log.quarantine(), None, "{what}: {} {}", log.topic(), log.partition());
        let Some(found) = read_all(log, life) else { return Ended::WithTheDisk };
        let known = clients.logs.entry(log.id()).or_default();
        let mut taken = std::mem::take(&mut known.taken);
        for (offset, body) in &known.answered {
            if is_direct(log) && clients.power_was_cut && !found.contains_key(offset) {
                taken.insert(*offset, body.clone());
                continue;
            }
            let name = (log.topic(), log.partition(), log.settings().durability, clients.power_was_cut);
            let there = (log.tail(), found.keys());
            assert!(found.get(offset) == Some(body), "{what}: {name:?} lost {offset}, has {there:?}");
        }
        // A batch's offset lies outside its checksum: where a cut keeps an old head before a new body of the same size,
        // the body stands at the old offset.
        let moved = |body: &Vec<u8>| {
            let mut before = known.answered.values().chain(taken.values());
            is_direct(log) && clients.power_was_cut && before.any(|answered| answered == body)
        };
        let is_new = |(offset, body): &(&Offset, &Vec<u8>)| !known.answered.contains_key(offset) && !moved(body);
        for (offset, body) in found.iter().filter(is_new).collect::<Vec<_>>() {
            let sent = known.unsure.iter().position(|unsure| unsure == body);
            let sent = sent.unwrap_or_else(|| panic!("{what}: nobody sent what stands at {offset}"));
            known.unsure.swap_remove(sent);
        }
        // Offsets that someone has seen are never given to others, whatever became of their records.
        let unseen = known.unseen.max(log.tail().high_watermark);
        *known = Known { answered: found, unsure: Vec::new(), unseen, taken };
    }
    clients.power_was_cut = false;
    Ended::ByItself
}

fn logs_of(store: &Store) -> Vec<Arc<Log>> {
    store.image().logs().cloned().collect()
}

/// Several requests at once, each for some partitions; waits for all answers.
fn append(store: &Store, life: &Life<'_>, rng: &SeededRng, clients: &mut Clients) -> Ended {
    let logs = logs_of(store);
    if logs.is_empty() {
        return Ended::ByItself;
    }
    let mut tickets = Vec::new();
    for _ in 0..1 + rng.next_u64() % 3 {
        let mut entries = Vec::new();
        for _ in 0..1 + rng.next_u64() % 3 {
            let log = Arc::clone(&logs[usize::try_from(rng.next_u64()).expect("64 bits") % logs.len()]);
            entries.push(AppendEntry { log, batch: batch(rng), origin: Origin::Client });
        }
        let sent: Vec<(LogId, Vec<u8>)> = entries.iter().map(|entry| (entry.log.id(), body(&entry.batch))).collect();
        for (log, body) in &sent {
            clients.logs.entry(*log).or_default().unsure.push(body.clone());
        }
        tickets.push((store.append(AppendSet { entries, acks: Acks::Durable }), sent));
    }
    let mut ended = Ended::ByItself;
    for (ticket, sent) in tickets {
        let Some(outcomes) = ticket.wait() else {
            ended = Ended::WithTheDisk;
            continue;
        };
        for (outcome, (log, body)) in outcomes.into_iter().zip(sent) {
            let known = clients.logs.entry(log).or_default();
            match outcome {
                Ok(appended) => {
                    let sent = known.unsure.iter().position(|unsure| *unsure == body).expect("noted before");
                    known.unsure.swap_remove(sent);
                    let (again, unseen) = (appended.base_offset, known.unseen);
                    assert!(again >= unseen, "{}: {log:?} gives {again} again, {unseen} was due", life.what);
                    let before = known.answered.insert(appended.base_offset, body);
                    assert!(before.is_none(), "two batches were given offset {}", appended.base_offset);
                }
                Err(error) => {
                    assert!(life.may_fail(), "{}: {error}", life.what);
                    ended = Ended::WithTheDisk;
                }
            }
        }
    }
    ended
}

fn create_topic(store: &Store, rng: &SeededRng, clients: &mut Clients) -> Ended {
    let name = format!("topic-{}", clients.next_topic);
    clients.next_topic += 1;
    let id = Uuid::random(rng);
    let durability = [Durability::Fsync, Durability::Fsync, Durability::Os, Durability::Interval];
    let durability = durability[usize::try_from(rng.next_u64() % 4).expect("small")];
    let change = Change::CreateTopic {
        id,
        name: TopicName::new(&name).expect("legal"),
        partitions: 1 + i32::try_from(rng.next_u64() % 2).expect("small"),
        configs: BTreeMap::from([("durability".to_owned(), durability.name().to_owned())]),
    };
    clients.unsure_topics.insert(name.clone());
    match store.commit(vec![change]).wait() {
        Some(Ok(())) => {
            clients.unsure_topics.remove(&name);
            clients.topics.insert(name, id);
            Ended::ByItself
        }
        _ => Ended::WithTheDisk,
    }
}

fn delete_topic(store: &Store, clients: &mut Clients) -> Ended {
    let Some((name, id)) = clients.topics.iter().next().map(|(name, id)| (name.clone(), *id)) else {
        return Ended::ByItself;
    };
    clients.unsure_topics.insert(name.clone());
    match store.commit(vec![Change::DeleteTopic { id }]).wait() {
        Some(Ok(())) => {
            clients.unsure_topics.remove(&name);
            clients.topics.remove(&name);
            clients.logs.retain(|log, _| log.topic != id);
            Ended::ByItself
        }
        _ => Ended::WithTheDisk,
    }
}

/// One life of the store: opens, checks, works.
fn live(life: &Life<'_>, seed: u64, rounds: u64, clients: &mut Clients) -> Ended {
    let disk = life.disk;
    let store = match Store::open(config(seed), parts(disk, seed)) {
        Ok((store, _)) => store,
        Err(_) if life.may_fail() => return Ended::WithTheDisk,
        Err(error) => panic!("{}: {error}", life.what),
    };
    let rng = SeededRng::new(seed);
    let mut ended = check(&store, life, clients);
    let mut rounds_left = rounds;
    while ended == Ended::ByItself && rounds_left > 0 {
        rounds_left -= 1;
        ended = match rng.next_u64() % 12 {
            0 | 1 => create_topic(&store, &rng, clients),
            2 => delete_topic(&store, clients),
            3 => {
                drop(store.checkpoint());
                Ended::ByItself
            }
            _ => append(&store, life, &rng, clients),
        };
    }
    if rng.next_u64().is_multiple_of(4) {
        // Checkpoints that were asked for before an error must not say more than is so.
        drop(store.checkpoint());
        store.close();
    } else {
        // The process is gone: its threads find a disk on which nothing works.
        disk.fail_at(disk.calls() + 1, Fault::Kill);
        store.close();
    }
    ended
}

/// Lives on one disk after the other, each with a fault within it; the last one without. Returns how many were ended.
fn lives(seed: u64, faults: Faults) -> u32 {
    let rng = SeededRng::new(seed);
    let mut disk = SimDisk::new();
    let mut clients = Clients::default();
    let mut ended_by_disk = 0;
    for number in 0..4 {
        let fault = match faults {
            Faults::Deaths => Fault::TornWrite,
            Faults::Errors => Fault::Error(std::io::ErrorKind::Other),
        };
        disk.fail_at(1 + rng.next_u64() % 500, fault);
        let what = format!("seed {seed}, life {number}");
        let life = Life { disk: &disk, faults, what: &what };
        ended_by_disk += u32::from(live(&life, seed * 10 + number, 40, &mut clients) == Ended::WithTheDisk);
        let is_kill = rng.next_u64().is_multiple_of(3);
        clients.power_was_cut |= !is_kill;
        disk = if is_kill { disk.restart() } else { disk.power_cut(rng.next_u64()) };
    }
    let what = format!("seed {seed}, the end");
    let life = Life { disk: &disk, faults: Faults::Deaths, what: &what };
    assert_eq!(live(&life, seed, 5, &mut clients), Ended::ByItself, "{what}");
    ended_by_disk
}

#[test]
fn what_was_answered_survives_kills_and_power_cuts() {
    let ended: u32 = (0..150).map(|seed| lives(seed, Faults::Deaths)).sum();
    assert!(ended > 100, "{ended} lives ended within");
}

#[test]
fn what_was_answered_survives_errors_of_the_disk() {
    let ended: u32 = (0..150).map(|seed| lives(seed, Faults::Errors)).sum();
    assert!(ended > 30, "{ended} lives ended within");
}
