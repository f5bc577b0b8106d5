//! Materialized tables: kept by the server, asked at one epoch, by key or with SQL.

use super::{
    answers::next_with_id,
    rig::{ORDERS, Rig, order},
};
use axum::{body::Body, http::Request};
use serde_json::{Value, json};

const TOTALS: &str = "CREATE MATERIALIZED TABLE sums FRESHNESS = INTERVAL '1' SECOND AS
    SELECT customer, SUM(amount) AS total, COUNT(*) AS n FROM orders GROUP BY customer";

async fn produce(rig: &Rig, customer: &str, amount: i64) {
    rig.produce("orders", &[&order(customer, amount)]).await;
}

/// Rows of a view: the answer and its rows.
async fn ask(rig: &Rig, path: &str) -> (Value, Vec<Value>) {
    let (status, body) = rig.ask("GET", path, None).await;
    assert_eq!(status, 200, "{path}: {body}");
    let rows = body["rows"].as_array().unwrap().clone();
    (body, rows)
}

/// The view has read the first orders. Pauses are short here, and so are times to wait.
async fn has_read(rig: &Rig, orders: i64) {
    let path = format!("/v1/views/sums?timeout=10min&read_after=orders:0:{}", orders - 1);
    ask(rig, &path).await;
}

#[tokio::test]
async fn a_view_is_asked_by_key_and_with_sql_and_outlives_every_end() {
    let mut rig = Rig::new().await;
    rig.sql(ORDERS).await;
    let done = rig.sql(TOTALS).await;
    assert!(done["message"].as_str().unwrap().starts_with("materialized table `sums` is created"), "{done}");
    let mut bob = 0;
    for life in 0..6_i64 {
        produce(&rig, "ada", 2).await;
        produce(&rig, "bob", life).await;
        bob += life;
        has_read(&rig, life * 2 + 2).await;
        let (answer, rows) = ask(&rig, "/v1/views/sums?customer=bob").await;
        assert_eq!(rows, [json!({ "customer": "bob", "total": bob, "n": life + 1 })]);
        assert!(answer["epoch"].as_u64().unwrap() > 0, "{answer}");
        assert_eq!(answer["columns"][1], json!({ "name": "total", "type": "BIGINT" }));
        let sum = rig.rows("SELECT SUM(total) AS all_of_it FROM sums WHERE n > 0").await;
        assert_eq!(sum, [json!({ "all_of_it": bob + 2 * (life + 1) })]);
        let (_, none) = ask(&rig, "/v1/views/sums?customer=nobody").await;
        assert!(none.is_empty());
        rig = match life % 3 {
            0 => rig.after_kill().await,
            1 => rig.after_power_cut(u64::try_from(life).unwrap()).await,
            _ => rig.after_stop().await,
        };
    }
    has_read(&rig, 12).await;
    let (_, rows) = ask(&rig, "/v1/views/sums").await;
    assert_eq!(rows.len(), 2);
}

#[tokio::test]
async fn whoever_wrote_something_reads_it_in_views_of_views_too() {
    let rig = Rig::new().await;
    rig.sql(ORDERS).await;
    rig.sql(TOTALS).await;
    rig.sql("CREATE MATERIALIZED TABLE richest AS SELECT n, MAX(total) AS most FROM sums GROUP BY n").await;
    for number in 0..40_i64 {
        produce(&rig, "ada", 1).await;
        let after = format!("SET 'sql.read-after' = 'orders:0:{number}'; SET 'sql.read-after.timeout' = '10 min';");
        let total = json!([{ "most": number + 1 }]);
        assert_eq!(json!(rig.rows(&format!("{after} SELECT most FROM richest")).await), total);
        // Of more than one table: a cut through their topics.
        let both = format!("{after} SELECT richest.most FROM richest JOIN sums ON richest.most = sums.total");
        assert_eq!(json!(rig.rows(&both).await), total);
    }
    let refused = "SET 'sql.read-after' = 'orders:0:40'; SET 'sql.read-after.timeout' = '5 ms'; SELECT * FROM sums";
    let (status, error) = rig.refused(refused).await;
    assert_eq!(status, 503, "{error}");
    assert!(error["message"].as_str().unwrap().contains("offset 40 of partition 0 of topic `orders`"), "{error}");
    let (status, _) = rig.refused(&refused.replace("sums", "orders")).await;
    assert_eq!(status, 503);
    rig.sql("STOP STATEMENT `refresh-sums`").await;
    let (_, error) = rig.refused(&refused.replace("sums", "richest")).await;
    assert_eq!(error["hint"], "START STATEMENT `refresh-sums`", "{error}");
}

#[tokio::test]
async fn what_is_stopped_is_answered_from_its_topic_and_what_goes_is_gone() {
    let rig = Rig::new().await;
    rig.sql(ORDERS).await;
    rig.sql(TOTALS).await;
    produce(&rig, "ada", 5).await;
    produce(&rig, "ada", 6).await;
    has_read(&rig, 2).await;
    rig.sql("STOP STATEMENT `refresh-sums`").await;
    let (answer, rows) = ask(&rig, "/v1/views/sums?customer=ada").await;
    assert_eq!((&answer["epoch"], &rows[..]), (&Value::Null, &[json!({"customer": "ada", "total": 11, "n": 2})][..]));
    rig.sql("START STATEMENT `refresh-sums`").await;
    for (sql, hint) in [
        ("INSERT INTO sums SELECT customer, amount, 1 FROM orders", "insert into the tables that it reads"),
        ("DROP TABLE sums", "DROP MATERIALIZED TABLE `sums`"),
        ("DROP STATEMENT `refresh-sums`", "DROP MATERIALIZED TABLE `sums`, or STOP STATEMENT `refresh-sums`"),
        ("DROP MATERIALIZED TABLE summs", "did you mean `sums`?"),
        (
            "CREATE OR ALTER MATERIALIZED TABLE sums AS SELECT customer FROM orders",
            "DROP MATERIALIZED TABLE `sums`, and create it again",
        ),
    ] {
        assert_eq!(rig.refused(sql).await.1["hint"], hint, "{sql}");
    }
    assert_eq!(rig.rows("SHOW MATERIALIZED TABLES").await, [json!({ "materialized table name": "sums" })]);
    assert_eq!(rig.rows("SHOW CREATE MATERIALIZED TABLE sums").await, [json!({ "result": TOTALS })]);
    let described = rig.rows("DESCRIBE sums").await;
    assert_eq!((&described[0]["key"], &described[0]["null"]), (&json!("PRI(customer)"), &json!("TRUE")));
    rig.sql("CREATE MATERIALIZED TABLE more AS SELECT n, COUNT(*) AS c FROM sums GROUP BY n").await;
    assert_eq!(rig.refused("DROP MATERIALIZED TABLE sums").await.1["message"], "statement `refresh-more` uses `sums`");
    rig.sql("DROP MATERIALIZED TABLE more; DROP MATERIALIZED TABLE sums; DROP MATERIALIZED TABLE IF EXISTS sums").await;
    let rig = rig.after_kill().await;
    assert_eq!(rig.refused("SELECT * FROM sums").await.0, 404);
    assert!(rig.rows("SHOW STATEMENTS").await.is_empty());
    // Nothing of the old one is in the new one.
    rig.sql("CREATE MATERIALIZED TABLE sums AS SELECT customer, MAX(amount) AS most FROM orders GROUP BY customer")
        .await;
    assert_eq!(ask(&rig, "/v1/views/sums").await.1, [json!({ "customer": "ada", "most": 6 })]);
}

#[tokio::test]
async fn keys_come_from_the_query_or_are_declared_and_rows_without_any_only_come() {
    let rig = Rig::new().await;
    rig.sql(ORDERS).await;
    let (_, error) = rig.refused("CREATE MATERIALIZED TABLE n AS SELECT COUNT(*) AS n FROM orders").await;
    assert!(error["hint"].as_str().unwrap().contains("(PRIMARY KEY (…) NOT ENFORCED)"), "{error}");
    rig.sql(
        "CREATE MATERIALIZED TABLE n (PRIMARY KEY (id) NOT ENFORCED) AS SELECT 'all' AS id, COUNT(*) AS n FROM orders",
    )
    .await;
    rig.sql("CREATE MATERIALIZED TABLE large AS SELECT customer, amount FROM orders WHERE amount > 9").await;
    rig.sql(TOTALS).await;
    rig.produce("orders", &[r#"{"amount": 20}"#, r#"{"amount": 3}"#]).await;
    has_read(&rig, 2).await;
    let (_, rows) = ask(&rig, "/v1/views/sums").await;
    assert_eq!(rows, [json!({ "customer": null, "total": 23, "n": 2 })]);
    let (_, rows) = ask(&rig, "/v1/views/n?id=all&read_after=orders:0:1&timeout=10min").await;
    assert_eq!(rows, [json!({ "id": "all", "n": 2 })]);
    let (answer, rows) = ask(&rig, "/v1/views/large?amount=20&read_after=orders:0:1&timeout=10min").await;
    assert_eq!((&answer["epoch"], rows.len()), (&Value::Null, 1));
    for (path, status) in [
        ("/v1/views/large?amout=20", 404),
        ("/v1/views/large?amount=x", 400),
        ("/v1/views/larg", 404),
        ("/v1/views/large?read_after=x", 400),
    ] {
        assert_eq!(rig.ask("GET", path, None).await.0, status, "{path}");
    }
}

/// Watches a view from where it was seen last: its events after the columns.
async fn watch(rig: &Rig, seen: Option<&str>) -> impl AsyncFnMut() -> (Value, Option<String>) + use<> {
    let mut request = Request::get("/v1/views/sums/live");
    if let Some(seen) = seen {
        request = request.header("last-event-id", seen);
    }
    let response = rig.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), 200);
    let (mut body, mut rest) = (response.into_body(), String::new());
    assert_eq!(next_with_id(&mut body, &mut rest).await.0, "columns");
    async move || {
        let (name, id, data) = next_with_id(&mut body, &mut rest).await;
        assert_eq!(name, "epoch", "{data}");
        (data, id)
    }
}

#[tokio::test]
async fn whoever_watches_a_view_goes_on_where_they_were() {
    let rig = Rig::new().await;
    rig.sql(ORDERS).await;
    rig.sql(TOTALS).await;
    produce(&rig, "ada", 3).await;
    has_read(&rig, 1).await;
    let mut live = watch(&rig, None).await;
    let row = |total: i64, n: i64| json!({ "customer": "ada", "total": total, "n": n });
    let (first, seen) = live().await;
    assert_eq!((&first["from"], &first["changes"]), (&Value::Null, &json!([{ "op": "+I", "row": row(3, 1) }])));
    produce(&rig, "ada", 4).await;
    let (second, _) = live().await;
    let changes = json!([{ "op": "-D", "row": row(3, 1) }, { "op": "+I", "row": row(7, 2) }]);
    assert_eq!((&second["from"], &second["changes"]), (&first["epoch"], &changes));
    drop(live);
    // Two epochs while nobody looks.
    for number in 3..5 {
        produce(&rig, "ada", 1).await;
        has_read(&rig, number).await;
    }
    let mut live = watch(&rig, seen.as_deref()).await;
    let (next, seen) = live().await;
    let changes = json!([{ "op": "-D", "row": row(3, 1) }, { "op": "+I", "row": row(9, 4) }]);
    assert_eq!((&next["from"], &next["changes"]), (&first["epoch"], &changes));
    // The latest is known after a restart, what was before is not.
    let rig = rig.after_kill().await;
    has_read(&rig, 4).await;
    let mut live = watch(&rig, seen.as_deref()).await;
    produce(&rig, "ada", 1).await;
    let (next_but_one, _) = live().await;
    let changes = json!([{ "op": "-D", "row": row(9, 4) }, { "op": "+I", "row": row(10, 5) }]);
    assert_eq!((&next_but_one["from"], &next_but_one["changes"]), (&next["epoch"], &changes));
    for unknown in ["1-1", "x", "1-99999999999999999999999"] {
        assert_eq!(
            {
                let mut live = watch(&rig, Some(unknown)).await;
                live().await.0["from"].clone()
            },
            Value::Null,
            "{unknown}"
        );
    }
    rig.sql("CREATE MATERIALIZED TABLE large AS SELECT amount FROM orders").await;
    let (status, error) = rig.ask("GET", "/v1/views/large/live", None).await;
    assert_eq!((status, error["error"]["message"].as_str()), (400, Some("`large` is not kept in memory")));
    assert_eq!(rig.ask("GET", "/v1/views/smus/live", None).await.0, 404);
}

#[tokio::test]
async fn settings_of_statements_count_for_materialized_tables_and_their_topics_are_fresh() {
    let rig = Rig::new().await;
    rig.sql(ORDERS).await;
    rig.sql(&format!("SET 'sql.on-error' = 'dead-letter'; SET 'sql.dead-letter.topic' = 'letters'; {TOTALS}")).await;
    rig.produce("orders", &["no order", &order("ada", 1)]).await;
    has_read(&rig, 2).await;
    assert_eq!(ask(&rig, "/v1/views/sums").await.1, [json!({ "customer": "ada", "total": 1, "n": 1 })]);
    assert_eq!(rig.values("letters"), ["no order"]);
    rig.shows("refresh-sums", "undecodable_records", 1).await;
    // A topic whose old rows go is none for a table with a key; one with records is nobody's.
    rig.sql("CREATE TABLE plain (n BIGINT)").await;
    for (topic, why) in [("plain", "has another `cleanup.policy`"), ("orders", "has records already")] {
        let sql = format!(
            "CREATE MATERIALIZED TABLE more WITH ('topic' = '{topic}') AS SELECT n, COUNT(*) AS c FROM sums GROUP BY n"
        );
        let (status, error) = rig.refused(&sql).await;
        assert_eq!((status, error["message"].as_str()), (409, Some(&*format!("topic `{topic}` {why}"))));
    }
}

#[tokio::test]
async fn a_statement_that_cannot_run_keeps_nobody_from_reading_what_others_wrote() {
    let rig = Rig::new().await;
    rig.sql(ORDERS).await;
    rig.sql("CREATE TABLE gone (customer STRING); CREATE TABLE there (customer STRING)").await;
    rig.sql("INSERT INTO there SELECT customer FROM gone; STOP STATEMENT `insert-into-there-1`").await;
    let sink = rig.handle().delete_topic(&super::rig::caller(), "gone").await;
    assert!(sink.is_ok(), "{sink:?}");
    rig.sql(TOTALS).await;
    produce(&rig, "ada", 1).await;
    has_read(&rig, 1).await;
    assert_eq!(ask(&rig, "/v1/views/sums").await.1.len(), 1);
}
