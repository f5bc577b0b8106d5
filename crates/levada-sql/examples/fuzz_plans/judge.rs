//! Asks one query both ways, and says what is wrong with how it went.

use super::tables::{TABLES, UPSERT, rows, schema};
use crate::mutation::Dice;
use datafusion::{
    arrow::{
        array::{AsArray as _, RecordBatch},
        compute::concat_batches,
        datatypes::Int32Type,
        util::display::{ArrayFormatter, FormatOptions},
    },
    sql::sqlparser::ast,
};
use levada_model::{Clock as _, SystemClock};
use levada_sql::{
    changes::Changes,
    epoch::Time,
    plan::{Plan, PlanError, Planner, Table},
    snapshot::{Reader, Writer},
};
use levada_sql_syntax::{Statement, parse_statement};
use std::{collections::BTreeMap, time::Duration};

/// Nothing may take longer: neither that a query is planned, nor one epoch, nor an answer. What is not optimised is
/// given more.
const SPAN_MAX: Duration = Duration::from_secs(if cfg!(debug_assertions) { 60 } else { 5 });
/// What a statement may remember, and an answer take.
const SIZE_MAX: usize = 64 << 20;
const EPOCHS: usize = 3;
/// What is of our own parts, and says nothing to who asked.
const BLUNDERS: [&str; 8] = [
    "Internal error",
    "bug in DataFusion",
    "should not happen",
    "panicked",
    "External error",
    "JoinError",
    "LogicalPlan",
    "PhysicalExpr",
];

/// How a query went, where nothing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is not understood, or not supported.
    Refused,
    /// Some row has no value.
    Failed,
    /// It has an answer.
    Answered,
}

/// Rows by how often they are there.
type Answer = BTreeMap<String, i64>;

/// What came of a query: its answer, or why there is none.
type Outcome = Result<Answer, String>;

/// What of a query is the same in a stream and in batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Same {
    Nothing,
    /// Its answer, where both have one: which rows an expression is evaluated for is up to the plan.
    Answer,
    /// Also whether it has one.
    Failure,
}

/// Asks a query, and compares a stream with batch.
pub(crate) fn judge(sql: &str, same: Same, dice: &mut Dice) -> Result<Verdict, String> {
    let Ok(parsed) = parse_statement(sql) else { return Ok(Verdict::Refused) };
    let Statement::Query(query) = parsed.statement else { return Ok(Verdict::Refused) };
    let arrivals = Arrivals::new(dice)?;
    let streamed = streamed(&query, &arrivals, dice)?;
    let answered = answered(&query, &arrivals)?;
    let outcomes = [&streamed, &answered];
    for outcome in outcomes.into_iter().flatten() {
        if let Err(error) = outcome {
            check_message(error)?;
        }
    }
    match (streamed, answered) {
        // Batch groups -0.0 with 0.0, and a stream does not.
        (Some(Ok(streamed)), Some(Ok(answered))) if has_negative_zero(&streamed) || has_negative_zero(&answered) => {
            Ok(Verdict::Answered)
        }
        (Some(Ok(streamed)), Some(Ok(answered))) if same != Same::Nothing && streamed != answered => {
            Err(format!("a stream comes to\n{}and batch to\n{}", shown(&streamed), shown(&answered)))
        }
        (Some(Err(error)), Some(Ok(_))) if same == Same::Failure => {
            Err(format!("a stream fails, and batch does not: {error}"))
        }
        (Some(Ok(_)), Some(Err(error))) if same == Same::Failure => {
            Err(format!("batch fails, and a stream does not: {error}"))
        }
        (None, None) => Ok(Verdict::Refused),
        (Some(Err(_)), _) | (_, Some(Err(_))) => Ok(Verdict::Failed),
        _ => Ok(Verdict::Answered),
    }
}

fn has_negative_zero(answer: &Answer) -> bool {
    answer.keys().any(|row| row.split('|').any(|value| value == "-0.0"))
}

fn shown(answer: &Answer) -> String {
    answer.iter().take(20).map(|(row, count)| format!("{count} × {row:.300}\n")).collect()
}

fn check_message(error: &str) -> Result<(), String> {
    let is_blunder = error.trim().is_empty() || BLUNDERS.iter().any(|text| error.contains(text));
    if is_blunder { Err(format!("an error says nothing to who asked: {error:?}")) } else { Ok(()) }
}

/// Does something that may not take long.
fn in_time<T>(what: &str, run: impl FnOnce() -> T) -> Result<T, String> {
    let begun = SystemClock.monotonic();
    let done = run();
    let took = SystemClock.monotonic().saturating_sub(begun);
    if took > SPAN_MAX { Err(format!("{what} took {:.1} s", took.as_secs_f64())) } else { Ok(done) }
}

/// The rows of every table, by epoch.
struct Arrivals(Vec<BTreeMap<&'static str, Changes>>);

fn unexpected(error: impl std::fmt::Display) -> String {
    format!("the fuzzer itself: {error}")
}

impl Arrivals {
    fn new(dice: &mut Dice) -> Result<Self, String> {
        let is_wild = dice.below(4) == 0;
        let count_max = if dice.below(10) == 0 { 100 } else { 8 };
        let mut epoch = || {
            let of = |table: &'static str| {
                let count = dice.below(count_max);
                let rows = rows(dice, count, is_wild).map_err(unexpected)?;
                // A row that goes is the end of its key.
                let weight = |dice: &mut Dice| if table == UPSERT && dice.below(5) == 0 { -1 } else { 1 };
                let weights = (0..rows.num_rows()).map(|_| weight(dice)).collect();
                Ok((table, Changes::weighted(rows, weights).map_err(unexpected)?))
            };
            TABLES.into_iter().map(of).collect::<Result<_, String>>()
        };
        (0..EPOCHS).map(|_| epoch()).collect::<Result<_, _>>().map(Self)
    }

    /// What there is at the end.
    fn tables(&self) -> Result<Vec<Table>, String> {
        let of = |name: &'static str| {
            let all: Vec<&Changes> = self.0.iter().filter_map(|epoch| epoch.get(name)).collect();
            let rows = concat_batches(&schema(), all.iter().map(|changes| changes.rows())).map_err(unexpected)?;
            let rows = if name == UPSERT { vec![last_of_each_key(&rows, &all)] } else { vec![rows] };
            Ok(Table { name: name.to_owned(), schema: schema(), rows, upsert_key: None })
        };
        TABLES.into_iter().map(of).collect()
    }
}

fn last_of_each_key(rows: &RecordBatch, all: &[&Changes]) -> RecordBatch {
    let weights = all.iter().flat_map(|changes| (0..changes.len()).map(|at| changes.weight(at)));
    let keys = rows.column(0).as_primitive::<Int32Type>().values();
    let mut last = BTreeMap::new();
    for ((at, key), weight) in keys.iter().enumerate().zip(weights) {
        last.remove(key);
        if weight > 0 {
            last.insert(*key, at);
        }
    }
    let kept = (0..rows.num_rows()).map(|at| Some(last.values().any(|kept| *kept == at))).collect();
    datafusion::arrow::compute::filter_record_batch(rows, &kept).unwrap_or_else(|_| rows.slice(0, 0))
}

/// The answer of a stream after some epochs, or why it has none; `None` where the query is refused.
fn streamed(query: &ast::Query, arrivals: &Arrivals, dice: &mut Dice) -> Result<Option<Outcome>, String> {
    let table = |name: &'static str| Table {
        name: name.to_owned(),
        schema: schema(),
        rows: Vec::new(),
        upsert_key: (name == UPSERT).then(|| vec![0]),
    };
    let planner = Planner::new(TABLES.map(table).to_vec()).map_err(unexpected)?;
    let plan = match in_time("planning a stream", || planner.streaming(query))? {
        Ok(plan) => plan,
        Err(error) => {
            check_message(&error.to_string())?;
            return Ok(None);
        }
    };
    let mut running = plan;
    let mut answer = Answer::new();
    for (number, epoch) in arrivals.0.iter().enumerate() {
        let is_last = number + 1 == EPOCHS;
        match in_time("an epoch", || one_epoch(&mut running, epoch, is_last, &mut answer))?? {
            None => {}
            Some(error) => return Ok(Some(Err(error))),
        }
        if dice.below(6) == 0 && !is_last {
            let next = planner.streaming(query).map_err(|error| format!("planned again it is refused: {error}"))?;
            running = restarted(&running, next)?;
        }
    }
    Ok(Some(Ok(answer)))
}

/// Why it failed, if it did.
fn one_epoch(
    running: &mut Plan,
    epoch: &BTreeMap<&'static str, Changes>,
    is_last: bool,
    answer: &mut Answer,
) -> Result<Option<String>, String> {
    for (number, source) in running.sources.iter().enumerate() {
        let Some(changes) = epoch.get(source.table.as_str()) else { continue };
        let rows = changes.rows().project(&source.columns).map_err(unexpected)?;
        let weights = (0..changes.len()).map(|at| changes.weight(at)).collect();
        let changes = Changes::weighted(rows, weights).map_err(unexpected)?;
        if let Err(error) = running.dataflow.push_within(SIZE_MAX, number, &changes) {
            return Ok(Some(error.to_string()));
        }
    }
    let watermarks = running.sources.iter().map(|_| is_last.then_some(i64::MAX)).collect();
    let outputs = match running.dataflow.end_epoch(&Time { watermarks, ..Time::default() }) {
        Ok(outputs) => outputs,
        Err(error) => return Ok(Some(error.to_string())),
    };
    for changes in outputs.iter().flatten() {
        if changes.rows().schema().fields() != running.schema.fields() {
            return Err(format!("its rows have other columns than it says: {}", changes.rows().schema()));
        }
        let goes = changes.weights().is_some_and(|weights| weights.iter().any(|weight| *weight < 0));
        if running.is_append_only && goes {
            return Err("it says that its rows only come, and one goes".to_owned());
        }
        add(answer, changes)?;
    }
    if answer.values().any(|count| *count < 0) {
        return Err(format!("rows go that never came:\n{}", shown(answer)));
    }
    Ok(None)
}

fn add(answer: &mut Answer, changes: &Changes) -> Result<(), String> {
    let options = FormatOptions::default().with_null("NULL");
    let columns = changes.rows().columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
    let columns = columns.collect::<Result<Vec<_>, _>>().map_err(unexpected)?;
    for at in 0..changes.len() {
        let row = columns.iter().map(|column| column.value(at).to_string()).collect::<Vec<_>>().join("|");
        let count = answer.entry(row.clone()).or_default();
        *count += changes.weight(at);
        if *count == 0 {
            answer.remove(&row);
        }
    }
    Ok(())
}

fn restarted(running: &Plan, mut next: Plan) -> Result<Plan, String> {
    let mut saved = Writer::default();
    running.dataflow.save(&mut saved);
    let bytes = saved.finish();
    let wrong = |error: &dyn std::fmt::Display| format!("what it remembers is not read back: {error}");
    if next.fingerprint != running.fingerprint {
        return Err("planned again it is another plan".to_owned());
    }
    let mut reader = Reader::open(&bytes).map_err(|error| wrong(&error))?;
    next.dataflow.load(&mut reader).map_err(|error| wrong(&error))?;
    reader.end().map_err(|error| wrong(&error))?;
    Ok(next)
}

/// The answer in batch over all rows; `None` where the query is refused.
fn answered(query: &ast::Query, arrivals: &Arrivals) -> Result<Option<Outcome>, String> {
    let planner = Planner::new(arrivals.tables()?).map_err(unexpected)?;
    if let Err(error) = in_time("its types", || planner.logical(query))? {
        check_message(&error.to_string())?;
        return Ok(None);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(unexpected)?;
    match in_time("the answer", || runtime.block_on(planner.batch(query, &[], SIZE_MAX)))? {
        Ok((_, batches)) => {
            let mut answer = Answer::new();
            batches.into_iter().try_for_each(|batch| add(&mut answer, &Changes::inserted(batch)))?;
            Ok(Some(Ok(answer)))
        }
        Err(PlanError::Unsupported { .. }) => Ok(None),
        Err(error) => Ok(Some(Err(error.to_string()))),
    }
}
