//! Queries that are made to do harm, or of which a planner has nothing sensible to say.

use crate::{failed, failed_in_a_stream, query, refused, value};
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use levada_sql::plan::{Planner, Table};
use std::sync::Arc;

#[test]
fn errors_say_nothing_of_what_the_planner_is_made_of() {
    for (expression, what) in [
        ("RTRIM(TIMESTAMP '2020-01-01 00:00:00')", "Function 'rtrim' requires String, but received Timestamp"),
        ("TRIM(TRAILING ' ' FROM DATE '2020-01-01')", "Function 'rtrim' requires String, but received Date"),
        (
            "DATE '2020-01-01' BETWEEN DATE '2020-01-01' AND CAST(1 AS DOUBLE)",
            "Failed to coerce types Date32 and Float64",
        ),
    ] {
        let error = refused(&format!("SELECT {expression} FROM t"));
        assert!(error.starts_with(what), "{expression}: {error}");
        assert!(!error.contains("nternal error") && !error.contains("bug"), "{expression}: {error}");
    }
}

#[test]
fn a_row_that_falls_into_many_windows_makes_no_deep_plan() {
    let time = Field::new("ts", DataType::Timestamp(TimeUnit::Millisecond, None), false)
        .with_metadata([("levada.rowtime".to_owned(), "true".to_owned())].into());
    let schema = Arc::new(Schema::new(vec![time]));
    let table = Table { name: "w".to_owned(), schema, rows: Vec::new(), upsert_key: None };
    let planner = Planner::new(vec![table]).unwrap();
    let hop = "HOP(TABLE w, DESCRIPTOR(ts), INTERVAL '1' SECOND, INTERVAL '1' MINUTE)";
    let sql = format!("SELECT window_end, COUNT(*) AS c FROM TABLE({hop}) GROUP BY window_start, window_end");
    let plan = planner.logical(&query(&sql)).unwrap().display_indent().to_string();
    let unions = plan.lines().filter(|line| line.trim_start().starts_with("Union")).count();
    assert_eq!((unions, plan.matches("TableScan").count()), (1, 60), "{plan}");
}

#[test]
fn sums_do_not_wrap_around() {
    let of_two = |call: &str, number: &str| {
        let rows = format!("SELECT {number} AS x, one FROM t UNION ALL SELECT {number} AS x, one + 1 AS one FROM t");
        format!("(SELECT {call} FROM ({rows}) AS u)")
    };
    let (whole, least) = ("9223372036854775807", "-9223372036854775807");
    let decimal = "99999999999999999999999999999999999999";
    assert_eq!(value(&of_two("AVG(x)", whole)), format!("{whole} BIGINT"));
    assert_eq!(value(&of_two("AVG(x)", least)), format!("{least} BIGINT"));
    assert_eq!(value(&of_two("SUM(DISTINCT x)", whole)), format!("{whole} BIGINT"));
    assert_eq!(value(&of_two("SUM(DISTINCT x)", decimal)), format!("{decimal} DECIMAL(38, 0)"));
    for (call, number) in [("SUM(x)", whole), ("SUM(x)", least), ("SUM(x)", decimal), ("AVG(x)", decimal)] {
        let sql = of_two(call, number);
        for error in [failed(&sql), failed_in_a_stream(&sql)] {
            assert!(error.contains("a sum is too large for its type"), "{call} of {number}: {error}");
        }
    }
}

#[test]
fn infinity_is_among_what_a_group_has_least_and_most_of() {
    for (infinity, shown) in [("-LN(x)", "inf"), ("LN(x)", "-inf")] {
        for call in ["MIN", "MAX"] {
            let rows = "SELECT one, CAST(0 AS DOUBLE) * one AS x FROM t";
            let group = format!("SELECT one, {call}({infinity}) AS v FROM ({rows}) AS u GROUP BY one");
            let expression = format!("(SELECT MAX(v) FROM ({group}) AS w)");
            assert_eq!(value(&expression), format!("{shown} DOUBLE"), "{call}({infinity})");
        }
    }
}
