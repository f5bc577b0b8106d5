//! Runs a query over tables with event time, whose watermarks follow what comes, and compares each epoch with what a
//! test says that it comes to.

use super::rig::{Answer, Dice, START, Times, apply, in_batch, inserted, query, restarted, rows, schema};
use datafusion::arrow::{
    array::{Array as _, AsArray as _, Int32Array, RecordBatch, StringArray, TimestampMillisecondArray},
    datatypes::{Float64Type, Int32Type, Int64Type, TimestampMillisecondType},
    util::display::{ArrayFormatter, FormatOptions},
};
use levada_sql::{
    changes::Changes,
    dataflow::Stats,
    epoch::Time,
    plan::{Plan, Planner, Table},
};
use std::collections::BTreeMap;

/// What is run.
#[derive(Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) sql: &'a str,
    /// The tables, and which of them keep the last row of each `k`.
    pub(crate) tables: &'a [(&'a str, bool)],
    pub(crate) seed: u64,
    pub(crate) epochs: usize,
    pub(crate) delay_ms: i64,
}

/// Some rows of a table. `closed` in them is one more than the watermark when they came.
pub(crate) struct Arrival {
    pub(crate) table: String,
    pub(crate) rows: RecordBatch,
    /// Of each row, as its source has it.
    pub(crate) weights: Vec<i64>,
    pub(crate) epoch: usize,
}

/// All that came up to the end of an epoch.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) arrivals: Vec<Arrival>,
    /// Of each epoch: the watermark at its end.
    pub(crate) watermarks: Vec<Option<i64>>,
}

impl Seen {
    /// The watermark.
    pub(crate) fn watermark(&self) -> Option<i64> {
        self.watermarks.last().copied().flatten()
    }

    /// What batch comes to over all rows of tables of which rows only come.
    pub(crate) fn in_batch(&self, sql: &str) -> Answer {
        let mut tables: BTreeMap<String, Vec<RecordBatch>> =
            ["a", "b"].map(|name| (name.to_owned(), vec![RecordBatch::new_empty(schema())])).into();
        for arrival in &self.arrivals {
            tables.get_mut(&arrival.table).unwrap().push(arrival.rows.clone());
        }
        in_batch(sql, &tables)
    }
}

/// A row, as tests look at it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) k: Option<i32>,
    pub(crate) g: Option<String>,
    pub(crate) n: Option<i64>,
    pub(crate) f: Option<f64>,
    pub(crate) ts: i64,
}

impl Arrival {
    pub(crate) fn each(&self) -> Vec<Row> {
        let column = |name: &str| self.rows.column_by_name(name).unwrap();
        let k = column("k").as_primitive::<Int32Type>();
        let g = column("g").as_any().downcast_ref::<StringArray>().unwrap();
        let (n, f) = (column("n").as_primitive::<Int64Type>(), column("f").as_primitive::<Float64Type>());
        let ts = column("ts").as_primitive::<TimestampMillisecondType>();
        let row = |at: usize| Row {
            k: k.is_valid(at).then(|| k.value(at)),
            g: g.is_valid(at).then(|| g.value(at).to_owned()),
            n: n.is_valid(at).then(|| n.value(at)),
            f: f.is_valid(at).then(|| f.value(at)),
            ts: ts.value(at),
        };
        (0..self.rows.num_rows()).map(row).collect()
    }

    /// The watermark when it came.
    pub(crate) fn watermark(&self) -> i64 {
        self.rows.column_by_name("closed").unwrap().as_primitive::<TimestampMillisecondType>().value(0) - 1
    }
}

/// A value as answers show it.
pub(crate) fn shown<T: std::fmt::Display>(value: Option<T>) -> String {
    value.map_or("NULL".to_owned(), |value| value.to_string())
}

/// A time as answers show it.
pub(crate) fn moment(ms: i64) -> String {
    let times = TimestampMillisecondArray::from(vec![ms]);
    ArrayFormatter::try_new(&times, &FormatOptions::default()).unwrap().value(0).to_string()
}

pub(crate) fn planner(tables: &[(&str, bool)]) -> Planner {
    let table = |(name, is_upsert): &(&str, bool)| Table {
        name: (*name).to_owned(),
        schema: schema(),
        rows: Vec::new(),
        upsert_key: is_upsert.then(|| vec![0]),
    };
    Planner::new(tables.iter().map(table).collect()).unwrap()
}

/// Runs it in epochs of random sizes with restarts, and compares each epoch's answer, whose rows only come.
pub(crate) fn compare(case: Case<'_>, expected: &mut dyn FnMut(&Seen) -> Answer) -> Stats {
    run(case, true, expected)
}

/// The same of an answer whose rows change.
pub(crate) fn compare_changing(case: Case<'_>, expected: &mut dyn FnMut(&Seen) -> Answer) -> Stats {
    run(case, false, expected)
}

fn run(case: Case<'_>, only_comes: bool, expected: &mut dyn FnMut(&Seen) -> Answer) -> Stats {
    let Case { sql, tables, seed, epochs, .. } = case;
    let planner = planner(tables);
    let plan = || planner.streaming(&query(sql)).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let (mut running, mut answer, mut seen) = (plan(), Answer::new(), Seen::default());
    assert_eq!(running.is_append_only, only_comes, "{sql}: rows only come");
    let mut feed = Feed::new(case, &running);
    for epoch in 0..epochs {
        for _ in 0..=feed.dice.below(3) {
            feed.push(&mut running, &mut seen, epoch);
        }
        let time = feed.time();
        for changes in running.dataflow.end_epoch(&time).unwrap().iter().flatten() {
            let goes = changes.weights().is_some_and(|weights| weights.iter().any(|weight| *weight < 0));
            assert!(!(goes && only_comes), "{sql}: something goes");
            assert_eq!(changes.rows().schema().fields(), running.schema.fields(), "{sql}");
            apply(&mut answer, changes);
        }
        seen.watermarks.push(feed.watermark());
        assert_eq!(answer, expected(&seen), "{sql}: seed {seed}, epoch {epoch}, watermark {:?}", feed.watermark());
        if feed.dice.below(3) == 0 {
            running = restarted(&running, plan());
        }
    }
    running.dataflow.stats()
}

/// Bytes that are remembered after so many epochs.
pub(crate) fn state_bytes(case: Case<'_>) -> usize {
    let mut running = planner(case.tables).streaming(&query(case.sql)).unwrap();
    let (mut feed, mut seen) = (Feed::new(case, &running), Seen::default());
    for epoch in 0..case.epochs {
        for _ in 0..6 {
            feed.push(&mut running, &mut seen, epoch);
        }
        running.dataflow.end_epoch(&feed.time()).unwrap();
        seen = Seen::default();
    }
    running.dataflow.stats().state_bytes
}

/// Before all times.
const NEVER: i64 = -4_000_000_000_000;

/// Where rows and watermarks come from.
struct Feed<'a> {
    case: Case<'a>,
    dice: Dice,
    times: Times,
    latest: Vec<Option<i64>>,
    /// The same at the end of the last epoch.
    ended: Vec<Option<i64>>,
}

impl<'a> Feed<'a> {
    fn new(case: Case<'a>, plan: &Plan) -> Self {
        let latest = vec![None; plan.sources.len()];
        Self { case, dice: Dice::new(case.seed), times: START, ended: latest.clone(), latest }
    }

    /// The watermark of all sources.
    fn watermark(&self) -> Option<i64> {
        self.latest.iter().map(|latest| latest.map(|latest| latest - self.case.delay_ms)).min().flatten()
    }

    fn time(&mut self) -> Time {
        self.ended.clone_from(&self.latest);
        let watermarks = self.latest.iter().map(|latest| latest.map(|latest| latest - self.case.delay_ms)).collect();
        Time { watermarks, ..Time::default() }
    }

    fn push(&mut self, running: &mut Plan, seen: &mut Seen, epoch: usize) {
        let dice = &self.dice;
        let source = dice.below(running.sources.len());
        let jump = if dice.below(8) == 0 { 20_000 } else { 3_000 };
        self.times.now += i64::try_from(dice.below(jump)).unwrap();
        let closed = |watermark: Option<i64>| watermark.map_or(NEVER, |watermark| watermark + 1);
        self.times.closed = closed(seen.watermarks.last().copied().flatten());
        self.times.own_closed = closed(self.ended[source].map(|latest| latest - self.case.delay_ms));
        let mut batch = rows(dice, dice.below(9) + 1, self.times);
        let table = running.sources[source].table.clone();
        let is_upsert = self.case.tables.iter().any(|(name, is_upsert)| *name == table && *is_upsert);
        let mut weights = vec![1; batch.num_rows()];
        if is_upsert {
            // A key is never null.
            let k = batch.column_by_name("k").unwrap().as_primitive::<Int32Type>();
            let k = Int32Array::from_iter_values(k.iter().map(|k| k.unwrap_or(7)));
            let mut columns = batch.columns().to_vec();
            columns[0] = std::sync::Arc::new(k);
            batch = RecordBatch::try_new(schema(), columns).unwrap();
            weights.iter_mut().for_each(|weight| *weight = if dice.below(5) == 0 { -1 } else { 1 });
        }
        let times = batch.column_by_name("ts").unwrap().as_primitive::<TimestampMillisecondType>();
        let come = times.values().iter().zip(&weights).filter(|(_, weight)| **weight > 0);
        self.latest[source] = self.latest[source].max(come.map(|(time, _)| *time).max());
        let changes = inserted(&running.sources[source], &batch);
        let changes = Changes::weighted(changes.rows().clone(), weights.clone()).unwrap();
        running.dataflow.push(source, &changes).unwrap();
        seen.arrivals.push(Arrival { table, rows: batch, weights, epoch });
    }
}
