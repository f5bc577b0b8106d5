//! What expressions come to, as Flink's documentation and behaviour have it; in batch and, the same, in a stream.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use datafusion::{
    arrow::{
        array::{ArrayRef, Int32Array, RecordBatch},
        datatypes::{DataType, Field, Schema},
        util::display::{ArrayFormatter, FormatOptions},
    },
    sql::sqlparser::ast,
};
use levada_sql::{
    changes::Changes,
    epoch::Time,
    plan::{PlanError, Planner, Table},
    types::Type,
};
use levada_sql_syntax as syntax;
use std::sync::Arc;

fn query(sql: &str) -> Box<ast::Query> {
    let syntax::Statement::Query(query) = syntax::parse_statement(sql).unwrap().statement else { panic!("{sql}") };
    query
}

fn one_row() -> RecordBatch {
    let schema =
        Schema::new(vec![Field::new("one", DataType::Int32, true), Field::new("nothing", DataType::Int32, true)]);
    let columns: Vec<ArrayRef> = vec![Arc::new(Int32Array::from(vec![1])), Arc::new(Int32Array::from(vec![None]))];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn planner(rows: Vec<RecordBatch>) -> Planner {
    Planner::new(vec![Table { name: "t".to_owned(), schema: one_row().schema(), rows, upsert_key: None }]).unwrap()
}

fn shown(batch: &RecordBatch) -> String {
    let options = FormatOptions::default().with_null("NULL");
    let text = ArrayFormatter::try_new(batch.column(0).as_ref(), &options).unwrap().value(0).to_string();
    format!("{text} {}", Type::of(batch.schema().field(0)).unwrap())
}

/// Value and type.
fn value(expression: &str) -> String {
    let query = query(&format!("SELECT {expression} AS v FROM t"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let batches = runtime.block_on(planner(vec![one_row()]).batch(&query, &[], 1 << 30));
    let batch = shown(&batches.unwrap_or_else(|error| panic!("{expression}: {error}")).1[0]);
    let mut plan = planner(Vec::new()).streaming(&query).unwrap();
    let columns = one_row().project(&plan.sources[0].columns).unwrap();
    plan.dataflow.push(0, &Changes::inserted(columns)).unwrap();
    let stream = plan.dataflow.end_epoch(&Time::default()).unwrap();
    assert_eq!(shown(stream[0][0].rows()), batch, "{expression}");
    batch
}

fn refused(sql: &str) -> String {
    let error: PlanError = planner(Vec::new()).logical(&query(sql)).unwrap_err();
    error.to_string()
}

#[test]
fn expressions_have_flinks_values_and_types() {
    for (expression, expected) in [
        ("1", "1 INT"),
        ("3000000000", "3000000000 BIGINT"),
        ("1.50", "1.50 DECIMAL(3, 2)"),
        ("7 / 2", "3 INT"),
        ("-7 / 2", "-3 INT"),
        ("7 % 4", "3 INT"),
        ("one + 1", "2 INT"),
        ("one + nothing", "NULL INT"),
        ("one + CAST(1 AS BIGINT)", "2 BIGINT"),
        ("CAST('12' AS INT)", "12 INT"),
        ("CAST(12 AS STRING)", "12 STRING"),
        ("CAST(1.55 AS DECIMAL(10, 1))", "1.6 DECIMAL(10, 1)"),
        ("CAST(7 AS DOUBLE) / 2", "3.5 DOUBLE"),
        ("TRY_CAST('x' AS INT)", "NULL INT"),
        ("ABS(-3)", "3 INT"),
        ("SQRT(CAST(4 AS DOUBLE))", "2.0 DOUBLE"),
        ("1.5 * 2.25", "3.375 DECIMAL(6, 3)"),
        ("1.5 + 2.25", "3.75 DECIMAL(4, 2)"),
        ("UPPER('ab')", "AB STRING"),
        ("CHARACTER_LENGTH('')", "0 INT"),
        ("BTRIM('  x ')", "x STRING"),
        ("LOWER('AB')", "ab STRING"),
        ("CHAR_LENGTH('åb')", "2 INT"),
        ("'a' || 'b'", "ab STRING"),
        ("REPLACE('hello', 'l', 'L')", "heLLo STRING"),
        ("SUBSTRING('hello' FROM 2 FOR 3)", "ell STRING"),
        ("SUBSTRING('hello', 2)", "ello STRING"),
        ("TRIM('  x ')", "x STRING"),
        ("LTRIM('  x')", "x STRING"),
        ("RTRIM('x  ')", "x STRING"),
        ("COALESCE(nothing, 2)", "2 INT"),
        ("NULLIF(1, 1)", "NULL INT"),
        ("CASE WHEN one > 0 THEN 'yes' ELSE 'no' END", "yes STRING"),
        ("CASE one WHEN 2 THEN 'two' END", "NULL STRING"),
        ("one BETWEEN 1 AND 3", "true BOOLEAN"),
        ("one IN (1, 2)", "true BOOLEAN"),
        ("nothing IS NULL", "true BOOLEAN"),
        ("nothing IS NOT DISTINCT FROM NULL", "true BOOLEAN"),
        ("'hello' LIKE 'h%o'", "true BOOLEAN"),
        ("NOT (one = 1)", "false BOOLEAN"),
    ] {
        assert_eq!(value(expression), expected, "{expression}");
    }
}

#[test]
fn what_has_no_meaning_is_refused_with_what_to_write() {
    let error = refused("SELECT one FROM tt");
    assert!(error.contains("there is no table `tt`; did you mean `t`?"), "{error}");
    let error = refused("SELECT oen FROM t");
    assert!(error.contains("oen") && error.contains("one"), "{error}");
    let error = refused("SELECT md5('a') FROM t");
    assert!(error.to_lowercase().contains("md5"), "{error}");
    let error = refused("SELECT CAST(TRUE AS STRING) FROM t");
    assert!(error.contains("a cast from BOOLEAN to STRING is not supported"), "{error}");
    for (expression, what) in [
        ("1.5 / 2", "a division of decimals is not supported; cast one side to DOUBLE"),
        ("SUBSTRING('hello', -2)", "SUBSTRING from a place that is computed, or below 1 is not supported"),
        ("SUBSTRING('hello', one)", "SUBSTRING from a place"),
        ("'a' LIKE 'a\\%'", "LIKE with such a pattern is not supported"),
        ("FLOOR(1.5)", "floor"),
    ] {
        let error = refused(&format!("SELECT {expression} FROM t"));
        assert!(error.to_lowercase().contains(&what.to_lowercase()), "{expression}: {error}");
    }
    let error = refused("SELECT one FROM t WHERE one = (SELECT one FROM t)");
    assert!(error.contains("several rows"), "{error}");
}
