//! Runs a query both ways over the same random rows.

use datafusion::{
    arrow::{
        array::{
            ArrayRef, AsArray as _, BooleanArray, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch,
            StringArray, TimestampMillisecondArray,
        },
        datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMillisecondType},
        util::display::{ArrayFormatter, FormatOptions},
    },
    sql::sqlparser::ast,
};
use levada_model::{Rng as _, SeededRng};
use levada_sql::{
    changes::Changes,
    epoch::Time,
    plan::{Plan, Planner, Source, Table},
    snapshot::{Reader, Writer},
};
use std::{collections::BTreeMap, sync::Arc};

/// Rows by how often they are there.
pub(crate) type Answer = BTreeMap<String, i64>;

/// A small source of random numbers.
pub(crate) struct Dice(SeededRng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(SeededRng::new(seed))
    }

    /// Below `end`.
    pub(crate) fn below(&self, end: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % u64::try_from(end).unwrap()).unwrap()
    }
}

pub(crate) fn query(sql: &str) -> Box<ast::Query> {
    let Ok(levada_sql_syntax::Parsed { statement: levada_sql_syntax::Statement::Query(query), .. }) =
        levada_sql_syntax::parse_statement(sql)
    else {
        panic!("not a query: {sql}")
    };
    query
}

fn time(name: &str) -> Field {
    Field::new(name, DataType::Timestamp(TimeUnit::Millisecond, None), false)
}

/// The middle of the times of rows, and up to where windows are closed.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    now: i64,
    closed: i64,
}

const START: Times = Times { now: 1_800_000_000_000, closed: 0 };

/// Every table has the same columns: a small key, numbers of each kind, a text; all may be null.
pub(crate) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int32, true),
        Field::new("g", DataType::Utf8, true),
        Field::new("n", DataType::Int64, true),
        Field::new("d", DataType::Decimal128(10, 2), true),
        Field::new("f", DataType::Float64, true),
        Field::new("b", DataType::Boolean, true),
        time("ts").with_metadata([("levada.rowtime".to_owned(), "true".to_owned())].into()),
        // Up to where windows were closed when the row came.
        time("closed"),
    ]))
}

/// Skewed: small keys are frequent.
pub(crate) fn rows(dice: &Dice, count: usize, times: Times) -> RecordBatch {
    let maybe = |value: usize| (dice.below(8) > 0).then_some(value);
    let number = |end: usize| (0..count).map(|_| maybe(dice.below(dice.below(end) + 1))).collect::<Vec<_>>();
    let i64s = |values: Vec<Option<usize>>| values.into_iter().map(|it| it.map(|it| i64::try_from(it).unwrap() - 3));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from_iter(number(6).into_iter().map(|it| it.map(|it| i32::try_from(it).unwrap())))),
        Arc::new(StringArray::from_iter(number(4).into_iter().map(|it| it.map(|it| format!("g{it}"))))),
        Arc::new(Int64Array::from_iter(i64s(number(20)))),
        Arc::new(
            Decimal128Array::from_iter(i64s(number(500)).map(|it| it.map(i128::from)))
                .with_precision_and_scale(10, 2)
                .unwrap(),
        ),
        // Such numbers add up exactly in any order.
        Arc::new(Float64Array::from_iter(i64s(number(40)).map(|it| it.map(|it| it as f64 / 4.0)))),
        Arc::new(BooleanArray::from_iter(number(3).into_iter().map(|it| it.map(|it| it == 0)))),
        Arc::new(TimestampMillisecondArray::from_iter_values(
            (0..count).map(|_| times.now + i64::try_from(dice.below(12_000)).unwrap() - 6_000),
        )),
        Arc::new(TimestampMillisecondArray::from(vec![times.closed; count])),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn texts(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<_> =
        batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap()).collect();
    let row = |row: usize| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|");
    (0..batch.num_rows()).map(row).collect()
}

pub(crate) fn apply(answer: &mut Answer, changes: &Changes) {
    for (place, row) in texts(changes.rows()).into_iter().enumerate() {
        let count = answer.entry(row.clone()).or_default();
        *count += changes.weight(place);
        if *count == 0 {
            answer.remove(&row);
        }
    }
}

fn tables(rows: &BTreeMap<String, Vec<RecordBatch>>) -> Vec<Table> {
    let table = |(name, rows): (&String, &Vec<RecordBatch>)| Table {
        name: name.clone(),
        schema: schema(),
        rows: rows.clone(),
        upsert_key: None,
    };
    rows.iter().map(table).collect()
}

pub(crate) fn in_batch(sql: &str, rows: &BTreeMap<String, Vec<RecordBatch>>) -> Answer {
    let planner = Planner::new(tables(rows)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let query = query(sql);
    let batch = runtime.block_on(planner.batch(&query, &[], 1 << 30));
    let (_, batches) = batch.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let mut answer = Answer::new();
    batches.into_iter().for_each(|batch| apply(&mut answer, &Changes::inserted(batch)));
    answer
}

/// Runs `sql` in epochs of random sizes, with restarts, and compares each epoch's answer with the batch's.
pub(crate) fn compare(sql: &str, seed: u64, epochs: usize, rows_max: usize) {
    let dice = Dice::new(seed);
    let mut seen: BTreeMap<String, Vec<RecordBatch>> =
        ["a", "b", "c"].map(|name| (name.to_owned(), vec![RecordBatch::new_empty(schema())])).into();
    let planner = Planner::new(tables(&seen)).unwrap();
    let plan = || planner.streaming(&query(sql)).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let mut running = plan();
    let mut answer = Answer::new();
    for epoch in 0..epochs {
        let mut pushes = dice.below(6) + 1;
        while pushes > 0 {
            pushes -= 1;
            let source = dice.below(running.sources.len());
            let batch = rows(&dice, dice.below(rows_max) + 1, START);
            seen.get_mut(&running.sources[source].table).unwrap().push(batch.clone());
            running.dataflow.push(source, &inserted(&running.sources[source], &batch)).unwrap();
        }
        let outputs = running.dataflow.end_epoch(&Time::default()).unwrap();
        for changes in outputs.iter().flatten() {
            let goes = changes.weights().is_some_and(|weights| weights.iter().any(|weight| *weight < 0));
            assert!(!running.is_append_only || !goes, "{sql}: something goes");
            assert_eq!(changes.rows().schema().fields(), running.schema.fields(), "{sql}");
            apply(&mut answer, changes);
        }
        assert_eq!(answer, in_batch(sql, &seen), "{sql}: seed {seed}, epoch {epoch}");
        if dice.below(3) == 0 {
            running = restarted(&running, plan());
        }
    }
}

/// The columns of rows that a plan reads.
fn inserted(source: &Source, batch: &RecordBatch) -> Changes {
    Changes::inserted(batch.project(&source.columns).unwrap())
}

fn restarted(running: &Plan, mut next: Plan) -> Plan {
    let mut saved = Writer::default();
    running.dataflow.save(&mut saved);
    let bytes = saved.finish();
    let mut reader = Reader::open(&bytes).unwrap();
    next.dataflow.load(&mut reader).unwrap();
    reader.end().unwrap();
    next
}

/// As [`compare`], of windows: what is shown are those that the watermark has passed. `{in time}` in the query stands
/// for the condition that batch needs to leave out what is late. Answers with how many rows were late.
pub(crate) fn compare_windows(sql: &str, seed: u64, epochs: usize) -> u64 {
    const DELAY: i64 = 3_000;
    let dice = Dice::new(seed);
    let mut seen = BTreeMap::from([("a".to_owned(), vec![RecordBatch::new_empty(schema())])]);
    let planner = Planner::new(tables(&seen)).unwrap();
    let (stream, batch) = (sql.replace("{in time}", "TRUE"), sql.replace("{in time}", "window_end > closed"));
    let plan = || planner.streaming(&query(&stream)).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let mut running = plan();
    let mut answer = Answer::new();
    let (mut times, mut watermark) = (START, None);
    for epoch in 0..epochs {
        for _ in 0..=dice.below(3) {
            times.now += i64::try_from(dice.below(4_000)).unwrap();
            let batch = rows(&dice, dice.below(9) + 1, times);
            let latest =
                batch.column_by_name("ts").unwrap().as_primitive::<TimestampMillisecondType>().values().iter().max();
            watermark = watermark.max(latest.map(|latest| latest - DELAY));
            seen.get_mut("a").unwrap().push(batch.clone());
            running.dataflow.push(0, &inserted(&running.sources[0], &batch)).unwrap();
        }
        let time = Time { processing_ms: 0, watermarks: vec![watermark] };
        for changes in running.dataflow.end_epoch(&time).unwrap().iter().flatten() {
            assert!(changes.weights().is_none(), "{sql}: a window is shown once");
            apply(&mut answer, changes);
        }
        times.closed = watermark.unwrap() + 1;
        let closed = TimestampMillisecondArray::from(vec![times.closed]);
        let options = FormatOptions::default();
        let closed = ArrayFormatter::try_new(&closed, &options).unwrap().value(0).to_string();
        let mut expected = in_batch(&batch, &seen);
        expected.retain(|row, _| row.split('|').next().unwrap() <= closed.as_str());
        assert_eq!(answer, expected, "{sql}: seed {seed}, epoch {epoch}, closed up to {closed}");
        if dice.below(3) == 0 {
            running = restarted(&running, plan());
        }
    }
    running.dataflow.stats().late_rows
}

/// How many rows an epoch touches that comes behind so many batches of other keys.
pub(crate) fn touched(sql: &str, batches: usize) -> u64 {
    let numbered = |first: usize| {
        let count = 100;
        let dice = Dice::new(7);
        let batch = rows(&dice, count, START);
        let numbers = (first..first + count).map(|number| i64::try_from(number).unwrap());
        let mut columns = batch.columns().to_vec();
        let key = schema().index_of("k").unwrap();
        columns[key] = Arc::new(Int32Array::from_iter_values(numbers.clone().map(|it| i32::try_from(it).unwrap())));
        columns[schema().index_of("n").unwrap()] = Arc::new(Int64Array::from_iter_values(numbers));
        RecordBatch::try_new(schema(), columns).unwrap()
    };
    let names = ["a", "b"].map(|name| (name.to_owned(), vec![RecordBatch::new_empty(schema())]));
    let planner = Planner::new(tables(&names.into())).unwrap();
    let Plan { sources, mut dataflow, .. } = planner.streaming(&query(sql)).unwrap();
    let mut epoch = |first: usize| {
        for (number, source) in sources.iter().enumerate() {
            dataflow.push(number, &inserted(source, &numbered(first))).unwrap();
        }
        dataflow.end_epoch(&Time::default()).unwrap();
        dataflow.stats().rows_touched
    };
    // The rows of the last epoch are those of the first: it meets as many partners, however much lies between.
    let before = (0..batches).map(|batch| epoch(100 * batch)).last().unwrap();
    epoch(0) - before
}
