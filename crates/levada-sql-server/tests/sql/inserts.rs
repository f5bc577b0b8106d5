//! `INSERT INTO … VALUES`: rows that are there when it is answered, all or none, wherever it ends.

use super::rig::{ORDERS, Rig, order};
use levada_log::disk::{SimDisk, sim::Fault};
use serde_json::json;

const KINDS: &str = "
    CREATE TABLE kinds (id INT NOT NULL, price DECIMAL(10, 2), at TIMESTAMP(3), cost AS id + 1, big BIGINT);
    CREATE TABLE nowhere (id BIGINT) WITH ('connector' = 'blackhole');
    CREATE TABLE made (id BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '3');";

#[tokio::test]
async fn rows_are_there_when_it_is_answered_and_nothing_stays_of_how_they_came() {
    let rig = Rig::new().await;
    rig.sql(ORDERS).await;
    rig.sql(KINDS).await;
    let done = rig.sql("INSERT INTO copies VALUES ('ada', 1), ('bob', 1 + 1), ('eve', NULL)").await;
    assert_eq!(done, json!({ "kind": "done", "message": "3 rows are inserted into `copies`" }));
    let rows = rig.rows("SELECT customer, amount FROM copies ORDER BY customer").await;
    assert_eq!(
        rows,
        [("ada", json!(1)), ("bob", json!(2)), ("eve", json!(null))].map(|(a, n)| json!({"customer": a, "amount": n}))
    );
    let done = rig.sql("INSERT INTO copies (customer) SELECT UPPER('zoe')").await;
    assert_eq!(done["message"], "1 row is inserted into `copies`");
    assert_eq!(rig.rows("SELECT amount FROM copies WHERE customer = 'ZOE'").await, [json!({ "amount": null })]);
    // Of equal keys the last one counts, here as in a topic that is compacted.
    rig.sql("INSERT INTO totals VALUES ('ada', 1), ('bob', 5), ('ada', 7)").await;
    let rows = rig.rows("SELECT customer, total FROM totals ORDER BY customer").await;
    assert_eq!(rows, [json!({ "customer": "ada", "total": 7 }), json!({ "customer": "bob", "total": 5 })]);
    rig.sql("INSERT INTO kinds VALUES (1, 2.50, TIMESTAMP '2020-01-02 03:04:05.678', 9)").await;
    let shown = json!({"id": 1, "price": 2.5, "at": "2020-01-02 03:04:05.678", "cost": 2, "big": 9});
    assert_eq!(rig.rows("SELECT * FROM kinds").await, [shown]);
    assert_eq!(rig.sql("INSERT INTO nowhere VALUES (1), (2)").await["message"], "2 rows are inserted into `nowhere`");
    assert_eq!(
        rig.sql("CREATE VIEW two AS VALUES (1), (2); INSERT INTO nowhere SELECT * FROM two").await["kind"],
        "done"
    );
    assert!(rig.rows("SHOW STATEMENTS").await.is_empty());
    let topics = rig.handle().topics(&super::rig::caller());
    let own: Vec<&str> =
        topics.iter().map(|topic| topic.name.as_str()).filter(|name| name.starts_with("_sql")).collect();
    assert_eq!(own, ["_sql_catalog"]);
}

#[tokio::test]
async fn rows_that_do_not_fit_are_refused_all_together() {
    let rig = Rig::new().await;
    rig.sql(ORDERS).await;
    rig.sql(KINDS).await;
    rig.sql("CREATE MATERIALIZED TABLE sums AS SELECT customer, SUM(amount) AS total FROM orders GROUP BY customer")
        .await;
    rig.sql("CREATE TABLE same (customer STRING, total BIGINT) WITH ('topic' = 'sums', 'format' = 'json')").await;
    for (sql, message) in [
        ("INSERT INTO same VALUES ('ada', 1)", "rows of `same` are those of materialized table `sums`"),
        ("INSERT INTO same SELECT customer, amount FROM orders", "rows of `same` are those of materialized"),
        ("INSERT INTO copies VALUES ('ada', 1), ('bob', CAST('x' AS BIGINT))", "`x` is no BIGINT"),
        ("INSERT INTO copies VALUES ('ada')", "the query gives 1 columns, and table `copies` takes 2"),
        ("INSERT INTO copies VALUES ('ada', 1.5)", "cast it to BIGINT"),
        ("INSERT INTO kinds (price) VALUES (1)", "`id` of table `kinds` is NOT NULL and gets no value"),
        ("INSERT INTO kinds (id) VALUES (1), (NULL)", "a row has NULL for `id`"),
        ("INSERT INTO kinds (id) VALUES (NULL)", "a row has NULL for `id`"),
        ("INSERT INTO kinds (id, cost) VALUES (1, 2)", "`cost` of table `kinds` is not written"),
        ("INSERT INTO made VALUES (1)", "it can only be read"),
        ("INSERT INTO sums VALUES ('ada', 1)", "its query alone fills it"),
        ("INSERT INTO copys VALUES ('ada', 1)", "there is no table `copys`"),
        ("INSERT INTO copies VALUES (REPEAT('x', 2000000), 1)", "takes not what is written"),
    ] {
        let (status, error) = rig.refused(sql).await;
        assert!(error["message"].as_str().unwrap().contains(message), "{sql}: {error}");
        assert!([400, 404].contains(&status), "{sql}: {status}");
    }
    let set = "EXECUTE STATEMENT SET BEGIN INSERT INTO copies SELECT customer, amount FROM orders; \
               INSERT INTO copies VALUES ('ada', 1); END";
    assert_eq!(rig.refused(set).await.1["hint"], "write that INSERT by itself, before the set");
    assert!(rig.rows("SELECT * FROM copies").await.is_empty());
    assert!(rig.rows("SELECT * FROM kinds").await.is_empty());
    // A statement keeps dead letters there.
    let letters = "SET 'sql.on-error' = 'dead-letter'; SET 'sql.dead-letter.topic' = 'dead';";
    rig.sql(&format!("{letters} INSERT INTO copies SELECT customer, amount FROM orders")).await;
    rig.sql("CREATE TABLE dead (amount BIGINT) WITH ('format' = 'json')").await;
    assert_eq!(rig.refused("INSERT INTO dead VALUES (1)").await.0, 400);
}

#[tokio::test]
async fn statements_read_what_was_inserted_and_views_show_it() {
    let rig = Rig::new().await;
    rig.sql(ORDERS).await;
    rig.sql("CREATE MATERIALIZED TABLE sums AS SELECT customer, SUM(amount) AS total FROM orders GROUP BY customer")
        .await;
    for number in 1..6_i64 {
        rig.sql(&format!("INSERT INTO orders VALUES ('ada', {number}), ('bob', -{number})")).await;
        let after =
            format!("SET 'sql.read-after' = 'orders:0:{}'; SET 'sql.read-after.timeout' = '10 min'", number * 3 - 2);
        let rows = rig.rows(&format!("{after}; SELECT total FROM sums ORDER BY total")).await;
        let total = number * (number + 1) / 2;
        assert_eq!(rows, [json!({ "total": -total }), json!({ "total": total })]);
    }
}

/// Enough for several requests of one transaction.
const LARGE: &str = "INSERT INTO copies VALUES (REPEAT('a', 600000), 1), (REPEAT('b', 600000), 2), \
                     (REPEAT('c', 600000), 3), (REPEAT('d', 600000), 4)";

/// How many rows there are, once that is known.
async fn count(rig: &Rig) -> u64 {
    let asked =
        || async { rig.ask("POST", "/v1/sql", Some(json!({ "sql": "SELECT COUNT(*) AS n FROM copies" }))).await };
    rig.wait(async || asked().await.0 == 200).await;
    asked().await.1["results"][0]["rows"][0]["n"].as_u64().unwrap()
}

#[tokio::test]
async fn wherever_it_ends_all_rows_are_there_or_none_and_nobody_waits_for_the_rest() {
    let (mut call, mut cut) = (0, 0);
    loop {
        call += 1;
        let disk = SimDisk::new();
        let rig = Rig::on(disk.clone()).await;
        rig.sql(ORDERS).await;
        rig.sql("INSERT INTO copies VALUES ('before', 0)").await;
        rig.produce("copies", &[&order("client", 0)]).await;
        disk.fail_at(disk.calls() + call, if call % 2 == 0 { Fault::Kill } else { Fault::TornWrite });
        let (status, _) = rig.ask("POST", "/v1/sql", Some(json!({ "sql": LARGE }))).await;
        if !disk.is_dead() {
            assert_eq!(status, 200);
            break;
        }
        let rig = if call % 3 == 0 { rig.after_kill().await } else { rig.after_power_cut(call).await };
        let found = count(&rig).await;
        assert!(found == 6 || (found == 2 && status != 200), "call {call}: {found} rows, {status}");
        cut += u64::from(found == 2);
        rig.sql(LARGE).await;
        assert_eq!(count(&rig).await, found + 4, "call {call}");
    }
    assert!(cut > 2, "it was cut {cut} times");
}
