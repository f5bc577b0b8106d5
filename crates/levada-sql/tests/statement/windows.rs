//! Event time: windows close when the watermark has passed them, late rows are counted and left out.

use super::{
    rig::{Rig, START_MS},
    sql::{insert, query, run_with, surroundings, tables},
};
use levada_model::Clock as _;
use levada_sql::{
    StatementError,
    statement::{Stop, Surroundings},
};
use std::{ops::ControlFlow, sync::Arc};

const TABLES: &str = "
    CREATE TABLE bids (auction BIGINT, price BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND)
        WITH ('format' = 'json');
    CREATE TABLE sums (window_start TIMESTAMP(3), window_end TIMESTAMP(3), auction BIGINT, bids BIGINT, total BIGINT)
        WITH ('format' = 'json');";

fn bid(second: u32, auction: i64, price: i64) -> String {
    format!("{{\"auction\":{auction},\"price\":{price},\"ts\":\"2026-01-01 00:00:{second:02}.000\"}}")
}

const TUMBLE: &str = "INSERT INTO sums SELECT window_start, window_end, auction, COUNT(*) AS bids, SUM(price) AS total
    FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECONDS))
    GROUP BY window_start, window_end, auction";

fn row(start: u32, end: u32, rest: &str) -> String {
    let at = |second: u32| format!("2026-01-01 00:00:{second:02}");
    format!(r#"{{"window_start":"{}","window_end":"{}",{rest}}}"#, at(start), at(end))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_is_shown_once_when_the_watermark_has_passed_it_also_over_restarts() {
    let mut rig = Rig::new();
    rig.create("bids", 1, &[]).await;
    rig.create("sums", 1, &[]).await;
    let tables = tables(TABLES);
    let tumble = insert("tumble", &tables, TUMBLE);
    for (life, bids) in [
        vec![bid(1, 1, 10), bid(8, 2, 5)],
        vec![bid(9, 1, 30), bid(11, 1, 7)],
        // The watermark comes to 00:00:10: the first window is closed.
        vec![bid(12, 2, 1), bid(4, 1, 1_000)],
        // What comes for it now is late.
        vec![bid(3, 1, 5_000), bid(22, 2, 2)],
    ]
    .into_iter()
    .enumerate()
    {
        let bids: Vec<&str> = bids.iter().map(String::as_str).collect();
        rig.produce("bids", 0, &bids).await.unwrap();
        let (run, progress) = run_with(&rig, &tumble, async || {}).await;
        run.unwrap();
        assert_eq!(progress.late_rows, u64::from(life == 3));
        rig = rig.power_cut(u64::try_from(life).unwrap());
    }
    let mut rows = rig.rows("sums");
    rows.sort();
    // Rows that come in one epoch with the one that closes their window are not late.
    let expected = [
        row(0, 10, r#""auction":1,"bids":3,"total":1040"#),
        row(0, 10, r#""auction":2,"bids":1,"total":5"#),
        row(10, 20, r#""auction":1,"bids":1,"total":7"#),
        row(10, 20, r#""auction":2,"bids":1,"total":1"#),
    ];
    assert_eq!(rows, expected);
}

const COUNTS: &str = "SELECT window_end, COUNT(*) AS bids
    FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECONDS)) GROUP BY window_start, window_end";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_that_gets_nothing_keeps_no_window_from_whoever_watches() {
    let rig = Rig::new();
    rig.create("bids", 2, &[]).await;
    let tables = tables(TABLES);
    rig.produce("bids", 1, &[&bid(1, 1, 10), &bid(25, 1, 5)]).await.unwrap();
    // Time passes where somebody sleeps.
    let clock = Arc::clone(&rig.clock);
    let sleep = move |span| {
        clock.advance(span);
        Box::pin(std::future::ready(())) as _
    };
    let surroundings = Surroundings { sleep: Arc::new(sleep), ..surroundings(&rig) };
    let mut seen = Vec::new();
    let mut take = |_: u64, rows: levada_sql::query::Rows| {
        seen.extend(rows.rows);
        if seen.is_empty() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let (watched, stop) = (query(&tables, COUNTS), Stop::default());
    let going_on = async {
        // Both partitions were silent for so long that nobody waits for them; then one goes on.
        while rig.clock.wall_ms() < START_MS + 5_000 {
            tokio::task::yield_now().await;
        }
        rig.produce("bids", 1, &[&bid(26, 1, 5)]).await.unwrap();
    };
    let (watched, ()) = tokio::join!(watched.watch(&surroundings, &stop, &mut take), going_on);
    watched.unwrap();
    assert_eq!(seen, [(1, r#"{"window_end":"2026-01-01 00:00:10","bids":1}"#.into())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_does_not_go_on_with_the_state_of_another_query() {
    let rig = Rig::new();
    rig.create("bids", 1, &[]).await;
    rig.create("sums", 1, &[]).await;
    let tables = tables(TABLES);
    rig.produce("bids", 0, &[&bid(1, 1, 10)]).await.unwrap();
    run_with(&rig, &insert("s", &tables, TUMBLE), async || {}).await.0.unwrap();
    let other = TUMBLE.replace("SUM(price)", "MAX(price)");
    let error = run_with(&rig, &insert("s", &tables, &other), async || {}).await.0.unwrap_err();
    assert!(matches!(error, StatementError::OtherPlan), "{error}");
    run_with(&rig, &insert("s", &tables, TUMBLE), async || {}).await.0.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_an_outer_join_of_windows_leaves_without_a_window_are_counted_too() {
    let rig = Rig::new();
    let tables =
        tables(&format!("{TABLES} {}", TABLES.replace("TABLE bids", "TABLE asks").replace("TABLE sums", "TABLE s")));
    for (topic, rows) in
        [("bids", [bid(1, 1, 10), bid(2, 2, 5), bid(25, 9, 1)]), ("asks", [bid(1, 1, 7), bid(2, 3, 7), bid(25, 9, 1)])]
    {
        rig.create(topic, 1, &[]).await;
        rig.produce(topic, 0, &rows.each_ref().map(String::as_str)).await.unwrap();
    }
    let windowed = |table: &str| {
        format!(
            "(SELECT window_start, window_end, auction
            FROM TABLE(TUMBLE(TABLE {table}, DESCRIPTOR(ts), INTERVAL '10' SECONDS)))"
        )
    };
    let sql = format!(
        "SELECT a.window_end AS closed, COUNT(*) AS n FROM {} AS b LEFT JOIN {} AS a
         ON b.window_start = a.window_start AND b.window_end = a.window_end AND b.auction = a.auction
         GROUP BY a.window_start, a.window_end",
        windowed("bids"),
        windowed("asks"),
    );
    let mut seen = Vec::new();
    let mut take = |_: u64, rows: levada_sql::query::Rows| {
        seen.extend(rows.rows);
        ControlFlow::Break(())
    };
    query(&tables, &sql).watch(&surroundings(&rig), &Stop::default(), &mut take).await.unwrap();
    seen.sort();
    let expected = [r#"{"closed":"2026-01-01 00:00:10","n":1}"#, r#"{"closed":null,"n":1}"#];
    assert_eq!(seen, expected.map(|row| (1, row.into())));
}
