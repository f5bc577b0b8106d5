//! Tables of no topic: rows that are made up, and rows that are gone.

use super::{
    rig::Rig,
    sql::{insert, query, surroundings, tables},
};
use levada_sql::{
    Statement, StatementError,
    query::{ReadAfter, Rows},
    statement::{Progress, Stop, Surroundings},
};
use std::{ops::ControlFlow, sync::Arc};
use tokio::sync::watch;

const TABLES: &str = "
    CREATE TABLE made (id BIGINT, amount INT, name STRING, at TIMESTAMP(3), WATERMARK FOR at AS at) WITH (
        'connector' = 'datagen', 'rows-per-second' = '1000', 'number-of-rows' = '700', 'fields.id.kind' = 'sequence',
        'fields.id.start' = '1', 'fields.id.end' = '500', 'fields.amount.min' = '-5', 'fields.amount.max' = '5',
        'fields.name.length' = '4');
    CREATE TABLE endless (k INT, at TIMESTAMP(3), WATERMARK FOR at AS at)
        WITH ('connector' = 'datagen', 'rows-per-second' = '50', 'fields.k.min' = '0', 'fields.k.max' = '3');
    CREATE TABLE copies (id BIGINT, amount INT, name STRING) WITH ('format' = 'json');
    CREATE TABLE hole (k INT, n BIGINT) WITH ('connector' = 'blackhole');";

/// Where somebody sleeps, time passes.
fn passing(rig: &Rig) -> Surroundings {
    let clock = Arc::clone(&rig.clock);
    let sleep = move |span| {
        clock.advance(span);
        Box::pin(tokio::task::yield_now()) as _
    };
    Surroundings { sleep: Arc::new(sleep), ..surroundings(rig) }
}

/// Runs a statement until `is_enough`, and lets it fall where it is.
pub(crate) async fn run_until(rig: &Rig, statement: &Statement, is_enough: impl Fn(&Progress) -> bool) -> Progress {
    let (stop, progress) = (Stop::default(), watch::Sender::new(Progress::default()));
    let surroundings = passing(rig);
    let enough = async {
        while !is_enough(&progress.borrow()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        run = statement.run(&surroundings, &stop, &progress) => panic!("it goes on until it is stopped: {run:?}"),
        () = enough => {}
    }
    progress.borrow().clone()
}

#[tokio::test]
async fn rows_that_are_made_up_come_once_each_whatever_breaks_off() {
    let mut rig = Rig::new();
    rig.create("copies", 1, &[]).await;
    let tables = tables(TABLES);
    let copy = insert("copy", &tables, "INSERT INTO copies SELECT id, amount, name FROM made");
    for life in 0..4 {
        run_until(&rig, &copy, |progress| progress.is_recovered && progress.rows_written > 0).await;
        rig = rig.power_cut(life);
    }
    let progress = run_until(&rig, &copy, |progress| progress.is_recovered && rig.rows("copies").len() >= 500).await;
    assert!(progress.epochs >= 5, "a second has ten epochs at most: {progress:?}");
    let found = rig.rows("copies");
    let whole = query(&tables, "SELECT id, amount, name FROM made ORDER BY id");
    let whole = whole.once(&surroundings(&rig), &mut ReadAfter::default()).await.unwrap();
    let expected: Vec<String> = whole.rows.iter().map(|(_, row)| String::from_utf8(row.to_vec()).unwrap()).collect();
    assert_eq!(expected.len(), 500, "the sequence ends the table");
    assert_eq!(found, expected, "each once, in order, and as they are made at any time");
}

#[tokio::test]
async fn rows_that_are_made_up_have_a_rate_and_a_time() {
    let rig = Rig::new();
    let tables = tables(TABLES);
    let sql = "SELECT window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE endless, DESCRIPTOR(at), INTERVAL '1' SECOND))
        GROUP BY window_start, window_end";
    let mut seen: Vec<String> = Vec::new();
    let mut take = |_: u64, rows: Rows| {
        seen.extend(rows.rows.iter().map(|(_, row)| String::from_utf8(row.to_vec()).unwrap()));
        if seen.len() < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    query(&tables, sql).watch(&passing(&rig), &Stop::default(), &mut take).await.unwrap();
    assert!(seen[1].ends_with(r#""n":50}"#) && seen[2].ends_with(r#""n":50}"#), "{seen:?}");
    let error =
        query(&tables, "SELECT k FROM endless").once(&surroundings(&rig), &mut ReadAfter::default()).await.unwrap_err();
    assert!(error.to_string().contains("'number-of-rows'"), "{error}");
}

#[tokio::test]
async fn windows_are_closed_when_the_last_row_was_made() {
    let rig = Rig::new();
    let tables = tables(TABLES);
    let sql = "SELECT window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE made, DESCRIPTOR(at), INTERVAL '1' HOUR))
        GROUP BY window_start, window_end";
    let mut seen: Vec<String> = Vec::new();
    let mut take = |_: u64, rows: Rows| {
        seen.extend(rows.rows.iter().map(|(_, row)| String::from_utf8(row.to_vec()).unwrap()));
        if seen.is_empty() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    query(&tables, sql).watch(&passing(&rig), &Stop::default(), &mut take).await.unwrap();
    assert!(seen.len() == 1 && seen[0].ends_with(r#""n":500}"#), "{seen:?}");
}

#[tokio::test]
async fn a_blackhole_takes_any_rows_and_gives_none() {
    let rig = Rig::new();
    let tables = tables(TABLES);
    let counts = insert("counts", &tables, "INSERT INTO hole SELECT k, COUNT(*) FROM endless GROUP BY k");
    let progress = run_until(&rig, &counts, |progress| progress.epochs >= 3).await;
    assert!(progress.rows_written >= 4, "{progress:?}");
    let epochs = progress.epochs;
    let rig = rig.power_cut(1);
    run_until(&rig, &counts, |progress| progress.epochs > epochs).await;
    for sql in ["SELECT k FROM hole", "SELECT h.k FROM endless AS h JOIN hole AS o ON h.k = o.k"] {
        let error = query(&tables, sql).columns().unwrap_err();
        assert!(error.to_string().contains("`hole` is a blackhole"), "{error}");
    }
    let error = insert("s", &tables, "INSERT INTO endless SELECT k, at FROM endless").check().unwrap_err();
    assert!(matches!(&error, StatementError::Columns(text) if text.contains("can only be read")), "{error}");
}
