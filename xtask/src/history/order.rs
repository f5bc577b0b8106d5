//! The version order of each log, put together from what was acknowledged and what was read, and the
//! first two invariants: one value an offset, one offset a value.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Anomaly, Log, Op, Outcome, Value};

/// One log's values in the order of their offsets.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Pairs of offset and value, sorted, each once.
    pub(super) versions: Vec<(i64, Value)>,
    /// Where a value lies in the order. Two values at one offset share a place.
    places: HashMap<Value, usize>,
}

impl Order {
    fn new(mut versions: Vec<(i64, Value)>) -> Self {
        versions.sort_unstable();
        versions.dedup();
        let mut places = HashMap::with_capacity(versions.len());
        let mut place = 0;
        let mut last = None;
        for &(offset, value) in &versions {
            if last.is_some_and(|last| last != offset) {
                place += 1;
            }
            last = Some(offset);
            places.entry(value).or_insert(place);
        }
        Self { versions, places }
    }

    /// The place of `value`, counted from 0 without gaps.
    pub(super) fn place(&self, value: Value) -> Option<usize> {
        self.places.get(&value).copied()
    }
}

/// What all checks look things up in.
#[derive(Debug)]
pub(super) struct Index {
    writers: HashMap<(Log, Value), usize>,
    read: HashSet<(Log, Value)>,
    orders: BTreeMap<Log, Order>,
    empty: Order,
}

impl Index {
    pub(super) fn new(ops: &[Op]) -> Self {
        let mut writers = HashMap::new();
        let mut read = HashSet::new();
        for (index, op) in ops.iter().enumerate() {
            writers.extend(op.sends().iter().map(|sent| ((sent.log, sent.value), index)));
            read.extend(op.reads().iter().filter_map(|read| Some((read.log, read.seen.ok()?))));
        }
        let mut index = Self { writers, read, orders: BTreeMap::new(), empty: Order::default() };
        let mut versions: BTreeMap<Log, Vec<(i64, Value)>> = BTreeMap::new();
        for op in ops {
            for read in op.reads() {
                if let Ok(value) = read.seen {
                    versions.entry(read.log).or_default().push((read.offset, value));
                }
            }
            if !index.took_place(op) {
                continue;
            }
            for sent in op.sends() {
                if let Some(offset) = sent.offset {
                    versions.entry(sent.log).or_default().push((offset, sent.value));
                }
            }
        }
        index.orders = versions.into_iter().map(|(log, versions)| (log, Order::new(versions))).collect();
        index
    }

    /// Whether the writes of `op` are known to have happened: acknowledged, or seen by someone.
    pub(super) fn took_place(&self, op: &Op) -> bool {
        match op.outcome {
            Outcome::Ok => true,
            Outcome::Fail => false,
            Outcome::Unknown => op.sends().iter().any(|sent| self.was_read(sent.log, sent.value)),
        }
    }

    /// The operation that sent `value`.
    pub(super) fn writer(&self, log: Log, value: Value) -> Option<usize> {
        self.writers.get(&(log, value)).copied()
    }

    /// Whether anyone read `value`.
    pub(super) fn was_read(&self, log: Log, value: Value) -> bool {
        self.read.contains(&(log, value))
    }

    /// The order of one log.
    pub(super) fn order(&self, log: Log) -> &Order {
        self.orders.get(&log).unwrap_or(&self.empty)
    }

    /// The orders of all logs.
    pub(super) fn orders(&self) -> impl Iterator<Item = (Log, &Order)> {
        self.orders.iter().map(|(&log, order)| (log, order))
    }
}

/// Invariants 1 and 2.
pub(super) fn check(index: &Index, found: &mut Vec<Anomaly>) {
    for (log, order) in index.orders() {
        for pair in order.versions.windows(2) {
            let [(offset, first), (next, second)] = *pair else { continue };
            if offset == next {
                found.push(Anomaly::TwoValues { log, offset, first, second });
            }
        }
        let mut offsets: HashMap<Value, i64> = HashMap::with_capacity(order.versions.len());
        for &(offset, value) in &order.versions {
            match offsets.get(&value) {
                Some(&first) => found.push(Anomaly::Duplicate { log, value, first, second: offset }),
                None => drop(offsets.insert(value, offset)),
            }
        }
    }
}
