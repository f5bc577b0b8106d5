//! Runs a query both ways over the same random rows.

use datafusion::{
    arrow::{
        array::{ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray},
        datatypes::{DataType, Field, Schema, SchemaRef},
        util::display::{ArrayFormatter, FormatOptions},
    },
    sql::sqlparser::{ast, dialect::GenericDialect, parser::Parser},
};
use levada_model::{Rng as _, SeededRng};
use levada_sql::{
    changes::Changes,
    epoch::Time,
    plan::{Planner, Table},
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
    let mut statements = Parser::parse_sql(&GenericDialect, sql).unwrap();
    let Some(ast::Statement::Query(query)) = statements.pop() else { panic!("not a query: {sql}") };
    query
}

/// Every table has the same columns: a small key, numbers of each kind, a text; all may be null.
pub(crate) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int32, true),
        Field::new("g", DataType::Utf8, true),
        Field::new("n", DataType::Int64, true),
        Field::new("d", DataType::Decimal128(10, 2), true),
        Field::new("f", DataType::Float64, true),
        Field::new("b", DataType::Boolean, true),
    ]))
}

/// Skewed: small keys are frequent.
pub(crate) fn rows(dice: &Dice, count: usize) -> RecordBatch {
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
    let table = |(name, rows): (&String, &Vec<RecordBatch>)| Table { name: name.clone(), schema: schema(), rows: rows.clone() };
    rows.iter().map(table).collect()
}

pub(crate) fn in_batch(sql: &str, rows: &BTreeMap<String, Vec<RecordBatch>>) -> Answer {
    let planner = Planner::new(tables(rows)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let batches = runtime.block_on(planner.batch(&query(sql))).unwrap_or_else(|error| panic!("{sql}: {error}"));
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
            let batch = rows(&dice, dice.below(rows_max) + 1);
            seen.get_mut(&running.sources[source].table).unwrap().push(batch.clone());
            running.dataflow.push(source, &Changes::inserted(batch)).unwrap();
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
            let mut saved = Writer::default();
            running.dataflow.save(&mut saved);
            let bytes = saved.finish();
            running = plan();
            let mut reader = Reader::open(&bytes).unwrap();
            running.dataflow.load(&mut reader).unwrap();
            reader.end().unwrap();
        }
    }
}
