//! What goes into each topology, decided by a seed, and what must come out of it, by a few lines of arithmetic that
//! share nothing with Kafka Streams. Where the order of updates may differ between runs, only what it cannot change
//! is due.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Result;
use levada_model::{Rng, SeededRng};

use super::Topology;
use super::outcome::{Outcome, Reading, line};

pub(super) const PARTITIONS: i32 = 4;
/// The size of a window, and half of the one in which two streams meet.
const WINDOW_MS: i64 = 10_000;
/// How late a record comes at most: less than the grace of 5 s, so that none is ever too late.
const LATENESS_MS: u64 = 4_000;
const HOUR_MS: i64 = 3_600_000;
const MODULUS: i64 = 1_000_003;

/// One record of an input topic.
pub(super) struct Record {
    topic: String,
    /// The partition, where not the key decides it.
    partition: Option<i32>,
    timestamp_ms: i64,
    key: String,
    value: Option<String>,
}

/// What one topology is given and what it owes.
pub(super) struct Case {
    /// Input topics.
    pub(super) topics: Vec<String>,
    /// What is there before the topology runs.
    pub(super) before: Vec<Record>,
    /// What comes while it runs.
    pub(super) during: Vec<Record>,
    /// How its output is read.
    pub(super) reading: Reading,
    /// What its output must be.
    pub(super) due: Outcome,
}

/// What decides a case.
pub(super) struct Maker {
    pub(super) seed: u64,
    /// The time at which records begin: some hours ago, as brokers refuse times that are yet to come.
    pub(super) base_ms: i64,
    pub(super) records: i64,
}

impl Maker {
    /// The input of `topology` and what is due for it.
    pub(super) fn case(&self, topology: Topology) -> Case {
        let draft = Draft { maker: self, rng: SeededRng::new(self.seed), name: topology.name() };
        match topology {
            Topology::Count => draft.count(),
            Topology::Suppress => draft.suppress(),
            Topology::StreamTable => draft.stream_table(),
            Topology::StreamStream => draft.stream_stream(),
            Topology::ForeignKey => draft.foreign_key(),
        }
    }
}

struct Draft<'a> {
    maker: &'a Maker,
    rng: SeededRng,
    name: &'static str,
}

impl Draft<'_> {
    /// No cache holds updates back, so each record makes exactly one: a word that comes n times gives 1, 2, … n, each
    /// once, in whatever order the topic for repartition has. A record that is lost ends the row early, one that is
    /// counted twice makes it longer, an update that is told twice is there twice. Which record made which update, and
    /// so the update's time, depends on the order and is not compared.
    fn count(&self) -> Case {
        let (mut during, mut counts, mut due) = (Vec::new(), BTreeMap::new(), Outcome::new());
        for number in 0..self.maker.records {
            let word = format!("w{}", self.below(300));
            let count: &mut u64 = counts.entry(word.clone()).or_default();
            *count += 1;
            owe(&mut due, line(&word, &count.to_string(), None));
            during.push(self.record("in", self.time(number * 10), &format!("k{number}"), Some(word)));
        }
        self.case(&["in"], Vec::new(), during, Reading::Every, due)
    }

    /// A key's records stay in one partition and their order, so that what a window folds is exact, to the order of
    /// what came in; none is too late for its window. Windows close when the time of their partition has passed, to
    /// which the last record in each partition sees; each closed window is told of exactly once, with the time of its
    /// latest record.
    fn suppress(&self) -> Case {
        let (mut during, mut windows) = (Vec::new(), BTreeMap::<(String, i64), (u64, i64, i64)>::new());
        for number in 0..self.maker.records {
            let (key, value) = (format!("k{}", self.below(40)), self.below(1_000));
            let time = self.time(WINDOW_MS + number * 100 - self.below(LATENESS_MS));
            let (count, folded, latest) = windows.entry((key.clone(), time - time % WINDOW_MS)).or_default();
            *count += 1;
            *folded = (*folded * 31 + value) % MODULUS;
            *latest = time.max(*latest);
            during.push(self.record("in", time, &key, Some(value.to_string())));
        }
        for partition in 0..PARTITIONS {
            let last = self.record("in", self.time(5 * HOUR_MS), "last", Some("0".to_owned()));
            during.push(Record { partition: Some(partition), ..last });
        }
        let mut due = Outcome::new();
        for ((key, window), (count, folded, latest)) in windows {
            owe(&mut due, line(&format!("{key}@{window}"), &format!("{count}:{folded}"), Some(latest)));
        }
        self.case(&["in"], Vec::new(), during, Reading::EveryWithItsTime, due)
    }

    /// The table is complete before the first event, by the log and by its times, and Streams takes of the partitions
    /// of a task what is older first: each event meets the last row of its key, or none, and gives one result.
    fn stream_table(&self) -> Case {
        const ROWS: i64 = 1_000;
        let (mut before, mut during, mut table) = (Vec::new(), Vec::new(), BTreeMap::new());
        let mut due = Outcome::new();
        for number in 0..ROWS * 4 {
            let key = format!("c{}", self.below(1_000));
            let value = (self.below(10) > 0).then(|| format!("r{number}"));
            table.insert(key.clone(), value.clone());
            before.push(self.record("table", self.time(number), &key, value));
        }
        for number in 0..self.maker.records {
            // Some have no row.
            let key = format!("c{}", self.below(1_100));
            let (event, time) = (format!("e{number}"), self.time(HOUR_MS + number * 10));
            let row = table.get(&key).cloned().flatten().unwrap_or_else(|| "null".to_owned());
            owe(&mut due, line(&key, &format!("{event}|{row}"), Some(time)));
            during.push(self.record("in", time, &key, Some(event)));
        }
        self.case(&["in", "table"], before, during, Reading::EveryWithItsTime, due)
    }

    /// Each key comes once on either side, and the two meet where their times are near enough, whichever came first;
    /// the grace is longer than the whole input, so that neither is too late. A result has the later of their times.
    fn stream_stream(&self) -> Case {
        let (mut ordered, mut due) = (Vec::new(), Outcome::new());
        for number in 0..self.maker.records / 2 {
            let key = format!("k{number}");
            let left = self.time(2 * WINDOW_MS + number * 20);
            let right = left - 15_000 + self.below(30_001);
            if (left - right).abs() <= WINDOW_MS {
                owe(&mut due, line(&key, &format!("L{number}|R{number}"), Some(left.max(right))));
            }
            for (side, time, value) in [("left", left, format!("L{number}")), ("right", right, format!("R{number}"))] {
                ordered.push((number * 2 + self.below(400), self.record(side, time, &key, Some(value))));
            }
        }
        ordered.sort_by_key(|(place, _)| *place);
        let during = ordered.into_iter().map(|(_, record)| record).collect();
        self.case(&["left", "right"], Vec::new(), during, Reading::EveryWithItsTime, due)
    }

    /// Two tables change at once, and which of the states between is told of depends on who comes first. In the end,
    /// though, the table of results is the join of both tables as they ended, and the last update of each key says so.
    ///
    /// An order that was removed never comes back under its key: Streams answers the removal by way of the customer,
    /// drops the answer where the order is back by then, and tells nothing of the new order where it has no customer.
    /// The old result would stay, whatever the broker does.
    fn foreign_key(&self) -> Case {
        let mut during = Vec::new();
        let (mut orders, mut customers, mut lives) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for number in 0..self.maker.records {
            let (time, dies) = (self.time(number * 10), self.below(10) == 0);
            if self.below(5) == 0 {
                let (customer, row) = (format!("c{}", self.below(200)), format!("n{number}"));
                customers.insert(customer.clone(), (!dies).then(|| row.clone()));
                during.push(self.record("customers", time, &customer, (!dies).then_some(row)));
            } else {
                let (place, customer) = (self.below(3_000), format!("c{}", self.below(220)));
                let life: &mut u64 = lives.entry(place).or_default();
                let (order, row) = (format!("o{place}.{life}"), format!("{customer}/v{number}"));
                *life += u64::from(dies);
                orders.insert(order.clone(), (!dies).then(|| (customer, row.clone())));
                during.push(self.record("orders", time, &order, (!dies).then_some(row)));
            }
        }
        let mut due = Outcome::new();
        for (order, row) in orders {
            let Some((customer, row)) = row else { continue };
            if let Some(Some(name)) = customers.get(&customer) {
                owe(&mut due, line(&order, &format!("{row}|{name}"), None));
            }
        }
        self.case(&["orders", "customers"], Vec::new(), during, Reading::LastOfEachKey, due)
    }

    fn case(&self, topics: &[&str], before: Vec<Record>, during: Vec<Record>, reading: Reading, due: Outcome) -> Case {
        let topics = topics.iter().map(|topic| format!("{}-{topic}", self.name)).collect();
        Case { topics, before, during, reading, due }
    }

    fn record(&self, topic: &str, timestamp_ms: i64, key: &str, value: Option<String>) -> Record {
        let topic = format!("{}-{topic}", self.name);
        Record { topic, partition: None, timestamp_ms, key: key.to_owned(), value }
    }

    fn time(&self, offset_ms: i64) -> i64 {
        self.maker.base_ms + offset_ms
    }

    fn below(&self, limit: u64) -> i64 {
        i64::try_from(self.rng.next_u64() % limit).unwrap_or_default()
    }
}

fn owe(due: &mut Outcome, line: String) {
    *due.entry(line).or_default() += 1;
}

/// Writes the file that the feeder reads.
pub(super) fn write(records: &[Record], path: &Path) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for Record { topic, partition, timestamp_ms, key, value } in records {
        let partition = partition.map_or_else(|| "-".to_owned(), |partition| partition.to_string());
        write!(file, "{topic}\t{partition}\t{timestamp_ms}\t{key}")?;
        match value {
            Some(value) => writeln!(file, "\t{value}")?,
            None => writeln!(file)?,
        }
    }
    Ok(file.flush()?)
}
