//! Columns that are computed from others.

use super::{
    rig::Rig,
    sql::{insert, query, run_with, surroundings, tables},
};
use levada_model::record::{BatchBuilder, NewRecord};
use levada_sql::{Table, query::ReadAfter};
use levada_sql_syntax as syntax;

const TABLES: &str = "
    CREATE TABLE orders (price BIGINT, cost AS price * quantity, quantity INT, at AS COALESCE(paid, ordered),
        ordered TIMESTAMP(3), paid TIMESTAMP(3), note STRING, WATERMARK FOR at AS at - INTERVAL '1' SECOND)
        WITH ('format' = 'json');
    CREATE TABLE sums (window_end TIMESTAMP(3), total BIGINT, half AS total / 2) WITH ('format' = 'json');
    CREATE TABLE stock (id INT, n INT, per AS 100 / COALESCE(n, 0), PRIMARY KEY (id) NOT ENFORCED)
        WITH ('connector' = 'upsert-kafka');";

fn order(price: i64, quantity: i64, ordered: u32, paid: Option<u32>) -> String {
    let time = |second: u32| format!("\"2026-01-01 00:00:{second:02}.000\"");
    let paid = paid.map_or_else(|| "null".to_owned(), time);
    format!("{{\"price\":{price},\"quantity\":{quantity},\"ordered\":{},\"paid\":{paid}}}", time(ordered))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_are_computed_for_queries_and_watermarks_and_not_written() {
    let rig = Rig::new();
    rig.create("orders", 1, &[]).await;
    rig.create("sums", 1, &[]).await;
    let tables = tables(TABLES);
    let orders = [order(2, 3, 1, Some(4)), order(10, 1, 8, None), order(1, 1, 2, Some(14)), order(5, 5, 30, None)];
    let orders: Vec<&str> = orders.iter().map(String::as_str).collect();
    rig.produce("orders", 0, &orders).await.unwrap();
    let sql = "INSERT INTO sums SELECT window_end, SUM(cost)
        FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(at), INTERVAL '10' SECONDS)) GROUP BY window_start, window_end";
    run_with(&rig, &insert("sums", &tables, sql), async || {}).await.0.unwrap();
    let mut rows = rig.rows("sums");
    rows.sort();
    let row = |end: &str, total: i64| format!(r#"{{"window_end":"2026-01-01 00:00:{end}","total":{total}}}"#);
    assert_eq!(rows, [row("10", 16), row("20", 1)]);
    let halves = query(&tables, "SELECT half FROM sums ORDER BY half")
        .once(&surroundings(&rig), &mut ReadAfter::default())
        .await
        .unwrap();
    assert_eq!(halves.rows, [(1, r#"{"half":0}"#.into()), (1, r#"{"half":8}"#.into())]);
    let error = insert("s", &tables, "INSERT INTO sums (window_end, half) SELECT at, cost FROM orders").check();
    assert!(error.unwrap_err().to_string().contains("`half` of table `sums` is not written"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_key_that_goes_nothing_is_computed() {
    let rig = Rig::new();
    rig.create("stock", 1, &[]).await;
    let tables = tables(TABLES);
    let mut builder = BatchBuilder::new();
    for (key, value) in [(1, Some(r#"{"id":1,"n":5}"#)), (2, Some(r#"{"id":2,"n":4}"#)), (1, None)] {
        let key = format!("{{\"id\":{key}}}");
        let (key, value) = (Some(key.as_bytes()), value.map(str::as_bytes));
        builder.push(&NewRecord { timestamp: super::rig::START_MS, key, value, headers: &[] });
    }
    rig.send("stock", 0, builder.finish(), None).await.unwrap();
    let found =
        query(&tables, "SELECT id, per FROM stock").once(&surroundings(&rig), &mut ReadAfter::default()).await.unwrap();
    assert_eq!(found.rows, [(1, r#"{"id":2,"per":25}"#.into())]);
}

#[test]
fn what_cannot_be_computed_is_refused_with_its_column() {
    for (columns, expected) in [
        ("a INT, b AS a + 1, c AS b + 1", "computed column `c`: "),
        ("a INT, b AS SUM(a)", "computed column `b`: "),
        ("a INT, b AS (SELECT 1)", "computed column `b`: "),
        ("a STRING, b AS CAST(a AS TIMESTAMP(3))", "computed column `b`: a cast from STRING to TIMESTAMP(3)"),
        ("a INT, b AS a, WATERMARK FOR b AS b", "event time is TIMESTAMP"),
        ("a INT, b AS a, PRIMARY KEY (b) NOT ENFORCED", "`b` is computed"),
    ] {
        let sql = format!("CREATE TABLE t ({columns}) WITH ('format' = 'json')");
        let syntax::Statement::CreateTable(create) = syntax::parse_statement(&sql).unwrap().statement else {
            panic!("{sql}")
        };
        let error = Table::declared(&create).unwrap_err().to_string();
        assert!(error.contains(expected), "{columns}: {error}");
    }
}
