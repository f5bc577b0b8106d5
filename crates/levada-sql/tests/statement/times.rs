//! Joins in event time and sessions, as statements that die and go on.

use super::{
    bank::produce_keyed,
    rig::{Rig, START_MS},
    sql::{insert, query, run_with, surroundings, tables},
};
use levada_model::Clock as _;
use levada_sql::{
    query::ReadAfter,
    statement::{Stop, Surroundings},
};
use std::{ops::ControlFlow, sync::Arc};

const TABLES: &str = "
    CREATE TABLE orders (id BIGINT, currency STRING, at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL '2' SECOND)
        WITH ('format' = 'json');
    CREATE TABLE rates (currency STRING, rate BIGINT, since TIMESTAMP(3), WATERMARK FOR since AS since,
        PRIMARY KEY (currency) NOT ENFORCED)
        WITH ('connector' = 'upsert-kafka', 'key.format' = 'json', 'value.format' = 'json');
    CREATE TABLE rated (id BIGINT, rate BIGINT) WITH ('format' = 'json');
    CREATE TABLE shipped (id BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at) WITH ('format' = 'json');
    CREATE TABLE arrived (id BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at) WITH ('format' = 'json');
    CREATE TABLE trips (id BIGINT, seconds STRING) WITH ('format' = 'json');
    CREATE TABLE visits (window_start TIMESTAMP(3), window_end TIMESTAMP(3), currency STRING, orders BIGINT)
        WITH ('format' = 'json');";

fn at(second: u32) -> String {
    format!("2026-01-01 00:00:{second:02}.000")
}

fn order(id: u32, currency: &str, second: u32) -> String {
    format!("{{\"id\":{id},\"currency\":\"{currency}\",\"at\":\"{}\"}}", at(second))
}

fn rate(currency: &str, rate: Option<(u32, u32)>) -> (String, Option<String>) {
    let value = rate
        .map(|(rate, second)| format!("{{\"currency\":\"{currency}\",\"rate\":{rate},\"since\":\"{}\"}}", at(second)));
    (format!("{{\"currency\":\"{currency}\"}}"), value)
}

async fn produce(rig: &Rig, topic: &str, rows: &[String]) {
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    rig.produce(topic, 0, &rows).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_gets_the_rate_of_its_time_also_over_restarts() {
    let mut rig = Rig::new();
    for topic in ["orders", "rates", "rated"] {
        rig.create(topic, 1, &[]).await;
    }
    let tables = tables(TABLES);
    let join = "INSERT INTO rated SELECT o.id, r.rate FROM orders AS o
        LEFT JOIN rates FOR SYSTEM_TIME AS OF o.at AS r ON o.currency = r.currency";
    let rated = insert("rated", &tables, join);
    for (life, (orders, rates)) in [
        (vec![order(1, "EUR", 10), order(2, "EUR", 20), order(3, "CHF", 20)], vec![rate("EUR", Some((100, 5)))]),
        // A rate that comes late for nobody: the watermark of rates is at 5.
        (vec![order(4, "EUR", 25)], vec![rate("EUR", Some((110, 15))), rate("CHF", Some((90, 21)))]),
        // The end of a key takes its last version away: for order 5 there is none.
        (vec![order(5, "CHF", 22), order(6, "EUR", 40)], vec![rate("CHF", None), rate("EUR", Some((120, 30)))]),
        (vec![order(7, "EUR", 58)], vec![rate("USD", Some((1, 50)))]),
    ]
    .into_iter()
    .enumerate()
    {
        produce_keyed(&rig, "rates", &rates).await;
        produce(&rig, "orders", &orders).await;
        run_with(&rig, &rated, async || {}).await.0.unwrap();
        rig = rig.power_cut(u64::try_from(life).unwrap());
    }
    let mut rows = rig.rows("rated");
    rows.sort();
    let expected = [(1, "100"), (2, "110"), (3, "null"), (4, "110"), (5, "null"), (6, "120")];
    assert_eq!(rows, expected.map(|(id, rate)| format!("{{\"id\":{id},\"rate\":{rate}}}")));
    let asked = query(
        &tables,
        "SELECT o.id, r.rate FROM orders AS o \
                                JOIN rates FOR SYSTEM_TIME AS OF o.at AS r ON o.currency = r.currency",
    );
    let error = asked.once(&surroundings(&rig), &mut ReadAfter::default()).await.unwrap_err().to_string();
    assert!(error.contains("in a query that is answered once is not supported; watch the query"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_arrive_in_time_is_shown_without_an_arrival_also_over_restarts() {
    let mut rig = Rig::new();
    for topic in ["shipped", "arrived", "trips"] {
        rig.create(topic, 1, &[]).await;
    }
    let tables = tables(TABLES);
    let join = "INSERT INTO trips SELECT s.id, CASE WHEN a.id IS NULL THEN 'lost' ELSE 'here' END FROM shipped AS s
        LEFT JOIN arrived AS a ON s.id = a.id AND a.at BETWEEN s.at AND s.at + INTERVAL '10' SECOND";
    let trips = insert("trips", &tables, join);
    let row = |id: u32, second: u32| format!("{{\"id\":{id},\"at\":\"{}\"}}", at(second));
    for (life, (shipped, arrived, late)) in [
        (vec![row(1, 1), row(2, 2)], vec![row(1, 4)], 0),
        (vec![row(3, 20)], vec![row(9, 11)], 0),
        // Both watermarks are at 20: nobody waits for 2 any more, who arrives late.
        (vec![row(4, 21)], vec![row(8, 20)], 0),
        (vec![row(5, 41)], vec![row(2, 12), row(3, 29), row(8, 41)], 1),
    ]
    .into_iter()
    .enumerate()
    {
        produce(&rig, "shipped", &shipped).await;
        produce(&rig, "arrived", &arrived).await;
        let (run, progress) = run_with(&rig, &trips, async || {}).await;
        run.unwrap();
        assert_eq!(progress.late_rows, late, "life {life}");
        rig = rig.power_cut(u64::try_from(life).unwrap());
    }
    let mut rows = rig.rows("trips");
    rows.sort();
    let expected = [(1, "here"), (2, "lost"), (3, "here"), (4, "lost")];
    assert_eq!(rows, expected.map(|(id, what)| format!("{{\"id\":{id},\"seconds\":\"{what}\"}}")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_shown_once_also_over_restarts_and_asked_for_once() {
    let mut rig = Rig::new();
    for topic in ["orders", "visits"] {
        rig.create(topic, 1, &[]).await;
    }
    let tables = tables(TABLES);
    let sessions = "SELECT window_start, window_end, currency, COUNT(*) AS orders
        FROM TABLE(SESSION(TABLE orders PARTITION BY currency, DESCRIPTOR(at), INTERVAL '5' SECONDS))
        GROUP BY currency, window_start, window_end";
    let visits = insert("visits", &tables, &format!("INSERT INTO visits {sessions}"));
    for (life, (orders, late)) in [
        (vec![order(1, "EUR", 2), order(2, "EUR", 8), order(3, "CHF", 3)], 0),
        // What lies between makes one session of two.
        (vec![order(4, "EUR", 6), order(5, "EUR", 12)], 0),
        (vec![order(6, "EUR", 30)], 0),
        (vec![order(7, "CHF", 1), order(8, "CHF", 40)], 1),
    ]
    .into_iter()
    .enumerate()
    {
        produce(&rig, "orders", &orders).await;
        let (run, progress) = run_with(&rig, &visits, async || {}).await;
        run.unwrap();
        assert_eq!(progress.late_rows, late, "life {life}");
        rig = rig.power_cut(u64::try_from(life).unwrap());
    }
    let row = |start: u32, end: u32, currency: &str, orders: u32| {
        let at = |second: u32| format!("2026-01-01 00:00:{second:02}");
        let (start, end) = (at(start), at(end));
        format!(r#"{{"window_start":"{start}","window_end":"{end}","currency":"{currency}","orders":{orders}}}"#)
    };
    let mut rows = rig.rows("visits");
    rows.sort();
    assert_eq!(rows, [row(2, 17, "EUR", 4), row(3, 8, "CHF", 1), row(30, 35, "EUR", 1)]);
    // Whoever asks once sees what there is, open or not, and late or not.
    let asked = query(&tables, &format!("{sessions} ORDER BY window_start, currency"));
    let rows = asked.once(&surroundings(&rig), &mut ReadAfter::default()).await.unwrap().rows;
    let expected = [row(1, 8, "CHF", 2), row(2, 17, "EUR", 4), row(30, 35, "EUR", 1), row(40, 45, "CHF", 1)];
    assert_eq!(rows, expected.map(|row| (1, row.into())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_gets_nothing_keeps_no_row_of_a_join_from_whoever_watches() {
    let rig = Rig::new();
    for topic in ["orders", "rates"] {
        rig.create(topic, 1, &[]).await;
    }
    let tables = tables(TABLES);
    produce_keyed(&rig, "rates", &[rate("EUR", Some((100, 5)))]).await;
    produce(&rig, "orders", &[order(1, "EUR", 10)]).await;
    // Time passes where somebody sleeps.
    let clock = Arc::clone(&rig.clock);
    let sleep = move |span| {
        clock.advance(span);
        Box::pin(std::future::ready(())) as _
    };
    let surroundings = Surroundings { sleep: Arc::new(sleep), ..surroundings(&rig) };
    let watched = query(
        &tables,
        "SELECT o.id, r.rate FROM orders AS o JOIN rates FOR SYSTEM_TIME AS OF o.at AS r ON o.currency = r.currency",
    );
    let mut seen = Vec::new();
    let mut take = |_: u64, rows: levada_sql::query::Rows| {
        seen.extend(rows.rows);
        if seen.is_empty() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let stop = Stop::default();
    let going_on = async {
        // Both tables were silent for so long that nobody waits for them; then one goes on.
        while rig.clock.wall_ms() < START_MS + 5_000 {
            tokio::task::yield_now().await;
        }
        produce(&rig, "orders", &[order(2, "EUR", 30)]).await;
    };
    let (watched, ()) = tokio::join!(watched.watch(&surroundings, &stop, &mut take), going_on);
    watched.unwrap();
    assert_eq!(seen, [(1, r#"{"id":1,"rate":100}"#.into())]);
}
