//! The shapes of answers and of errors.

use super::rig::{ORDERS, Rig, order};
use axum::{
    body::{Body, HttpBody as _},
    http::Request,
};
use serde_json::{Value, json};
use std::{pin::Pin, time::Duration};

#[tokio::test]
async fn a_text_is_carried_out_up_to_the_first_error() {
    let rig = Rig::new().await;
    rig.sql(ORDERS).await;
    rig.produce("orders", &[&order("ada", 3), &order("bob", 4), &order("ada", 5)]).await;
    let sql = "SET 'execution.runtime-mode' = 'batch';
SELECT customer, SUM(amount) AS total FROM orders GROUP BY customer ORDER BY customer;
SELECT * FROM
  ordrs;
DROP TABLE orders";
    let (status, body) = rig.ask("POST", "/v1/sql", Some(json!({ "sql": sql }))).await;
    assert_eq!(status, 404);
    let expected = json!({
        "results": [
            { "kind": "done", "message": "`execution.runtime-mode` is `batch`" },
            {
                "kind": "rows",
                "columns": [{ "name": "customer", "type": "STRING" }, { "name": "total", "type": "BIGINT" }],
                "rows": [{ "customer": "ada", "total": 8 }, { "customer": "bob", "total": 4 }],
            },
        ],
        "settings": { "execution.runtime-mode": "batch" },
        "error": {
            "message": "there is no table `ordrs`",
            "line": 4,
            "column": 3,
            "hint": "did you mean `orders`?",
            "statement_index": 2,
        },
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn what_is_wrong_is_refused_with_its_place_and_a_status() {
    let rig = Rig::new().await;
    rig.sql(ORDERS).await;
    let place = |error: &Value| (error["line"].as_u64(), error["column"].as_u64());
    let (status, error) = rig.refused("SELECT 1;\nSELEC 2").await;
    assert_eq!((status, place(&error)), (400, (Some(2), Some(1))), "{error}");
    let (status, error) = rig.refused("SELECT nothing FROM orders").await;
    assert_eq!((status, error["line"].as_u64()), (400, Some(1)), "{error}");
    for (sql, expected) in [
        ("CREATE TABLE orders (a INT)", 409),
        ("CREATE VIEW totals AS SELECT 1 AS a", 409),
        ("DROP TABLE nothing", 404),
        ("DROP VIEW orders", 404),
        ("STOP STATEMENT nothing", 404),
        ("DESCRIBE nothing", 404),
        ("INSERT INTO nothing SELECT customer FROM orders", 404),
        ("INSERT INTO copies SELECT customer FROM orders", 400),
        ("SET 'pipeline.name' = 'catalog'", 400),
        ("SET 'pipeline.nam' = 'a'", 400),
        ("EXPLAIN SELECT 1", 400),
        ("EXPLAIN ESTIMATED_COST SELECT customer FROM orders", 400),
        ("EXPLAIN INSERT INTO nothing SELECT customer FROM orders", 404),
        ("CREATE TABLE t (a INT) WITH ('format' = 'jsn')", 400),
        ("CREATE TABLE t (a INT) WITH ('connector' = 'jdbc')", 400),
        ("SELECT * FROM a.b", 400),
        ("SELECT * FROM orders /*+ OPTIONS('a' = 'b') */", 400),
        ("SET 'execution.runtime-mode' = 'streaming'; SELECT 1", 400),
    ] {
        let (status, error) = rig.refused(sql).await;
        assert_eq!(status, expected, "{sql}: {error}");
        assert!(error["line"].is_u64(), "{sql}: {error}");
    }
    assert!(rig.handle().topic(&super::rig::caller(), "t").is_err(), "nothing was made for a table that was refused");
    for body in [json!([]), json!({}), json!({ "sql": "SELECT 1", "more": 1 }), json!({ "sql": 1 })] {
        assert_eq!(rig.ask("POST", "/v1/sql", Some(body)).await.0, 400);
    }
    assert_eq!(rig.ask("POST", "/v1/sql", Some(json!({ "sql": " ".repeat(1 << 20) }))).await.0, 400);
    assert_eq!(rig.ask("GET", "/v1/nothing", None).await.0, 404);
    assert_eq!(rig.ask("GET", "/v1/sql", None).await.0, 405);
}

#[tokio::test]
async fn a_table_is_described_as_flink_does() {
    let rig = Rig::new().await;
    rig.sql(
        "CREATE TABLE bids (
           id BIGINT NOT NULL, price DECIMAL(10, 2), at TIMESTAMP_LTZ(3), `offset` BIGINT METADATA VIRTUAL,
           WATERMARK FOR at AS at - INTERVAL '5' SECOND
         ) WITH ('format' = 'json')",
    )
    .await;
    let rows = rig.rows("DESCRIBE bids").await;
    assert_eq!(rows[0]["name"], "id");
    assert_eq!((rows[0]["type"].clone(), rows[0]["null"].clone()), (json!("BIGINT"), json!("FALSE")));
    assert_eq!(rows[2]["type"], "TIMESTAMP_LTZ(3) *ROWTIME*");
    assert!(rows[2]["watermark"].as_str().unwrap().contains("INTERVAL '5' SECOND"), "{rows:?}");
    assert_eq!(rows[3]["extras"], "METADATA VIRTUAL");
    let shown = rig.rows("SHOW CREATE TABLE bids").await;
    assert!(shown[0]["result"].as_str().unwrap().starts_with("CREATE TABLE bids"));
}

#[tokio::test]
async fn a_topic_that_nobody_declared_is_a_table_of_keys_and_values() {
    let rig = Rig::new().await;
    rig.handle().create_topic(&super::rig::caller(), "plain", 1, &[]).await.unwrap();
    rig.produce("plain", &["hello"]).await;
    let rows = rig.rows("SELECT * FROM plain").await;
    // Bytes are base64 in JSON.
    assert_eq!(rows, [json!({ "key": null, "val": "aGVsbG8=" })]);
    let described = rig.rows("DESCRIBE plain").await;
    assert_eq!((described[0]["name"].clone(), described[1]["type"].clone()), (json!("key"), json!("BYTES")));
    let tables = rig.ask("GET", "/v1/tables", None).await.1;
    assert_eq!(
        tables[0],
        json!({ "name": "plain", "kind": "topic", "topic": "plain", "columns": ["key", "val", "$rowtime"] })
    );
}

/// The next event that is no sign of life: its name and data.
async fn next(body: &mut Body, rest: &mut String) -> (String, Value) {
    let (name, _, data) = next_with_id(body, rest).await;
    (name, data)
}

/// The next event that is no sign of life: its name, id and data.
pub(crate) async fn next_with_id(body: &mut Body, rest: &mut String) -> (String, Option<String>, Value) {
    loop {
        if let Some(end) = rest.find("\n\n") {
            let event: String = rest.drain(..end + 2).collect();
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            if let (Some(name), Some(data)) = (field("event: "), field("data: ")) {
                return (name, field("id: "), serde_json::from_str(&data).unwrap());
            }
            continue;
        }
        let frame = std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await.unwrap().unwrap();
        rest.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
    }
}

#[tokio::test]
async fn a_watched_query_shows_each_epoch_and_ends_with_the_server() {
    let rig = Rig::new().await;
    rig.sql(ORDERS).await;
    rig.produce("orders", &[&order("ada", 3)]).await;
    let sql = json!({ "sql": "SELECT customer, SUM(amount) AS total FROM orders GROUP BY customer" });
    let response = rig.response("POST", "/v1/sql/live", Some(sql)).await;
    assert_eq!(response.status(), 200);
    let (mut body, mut rest) = (response.into_body(), String::new());
    let columns = json!([{ "name": "customer", "type": "STRING" }, { "name": "total", "type": "BIGINT" }]);
    assert_eq!(next(&mut body, &mut rest).await, ("columns".to_owned(), columns));
    let change = |op: &str, total: i64| json!({ "op": op, "row": { "customer": "ada", "total": total } });
    let first = json!({ "epoch": 1, "changes": [change("+I", 3)] });
    assert_eq!(next(&mut body, &mut rest).await, ("epoch".to_owned(), first));
    rig.produce("orders", &[&order("ada", 4)]).await;
    let (name, second) = next(&mut body, &mut rest).await;
    assert_eq!((name.as_str(), second["epoch"].as_u64()), ("epoch", Some(2)));
    let mut changes = second["changes"].as_array().unwrap().clone();
    changes.sort_by_key(|change| change["op"].as_str().unwrap().to_owned());
    assert_eq!(changes, [change("+I", 7), change("-D", 3)]);
    rig.service.close().await;
    assert_eq!(next(&mut body, &mut rest).await.0, "error");
    let refused = rig.ask("POST", "/v1/sql/live", Some(json!({ "sql": "SHOW TABLES" }))).await;
    assert_eq!(refused.0, 400, "{refused:?}");
}

#[tokio::test]
async fn explain_shows_how_a_query_or_statement_would_run() {
    let rig = Rig::new().await;
    rig.sql(ORDERS).await;
    let lines = |rows: Vec<Value>| {
        let line = |row: &Value| row["result"].as_str().unwrap().to_owned();
        rows.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    rig.sql("CREATE VIEW large AS SELECT customer, amount FROM orders WHERE amount > 10").await;
    let shown = lines(rig.rows("EXPLAIN SELECT customer FROM large").await);
    assert!(shown.contains("TableSourceScan(table=[orders], fields=[customer, amount], changelogMode=[I])"), "{shown}");
    let sum = "INSERT INTO totals SELECT customer, SUM(amount) FROM orders GROUP BY customer";
    let shown = lines(rig.rows(&format!("EXPLAIN {sum}")).await);
    let sink = "Sink(table=[totals], fields=[customer, total], key=[customer], changelogMode=[I,UA,D])";
    assert!(shown.contains(sink), "{shown}");
    assert!(shown.contains("this grows without bound, and stops at sql.state.bytes.max"), "{shown}");
    assert_eq!(lines(rig.rows(&format!("EXPLAIN CHANGELOG_MODE {sum}")).await), shown);
    let set = format!("EXPLAIN STATEMENT SET BEGIN {sum}; {sum}; END");
    assert_eq!(lines(rig.rows(&set).await), format!("{shown}\n\n{shown}"));
    assert_eq!(rig.rows("SHOW STATEMENTS").await, [] as [Value; 0], "nothing runs of what is explained");
    rig.refused("SET 'execution.runtime-mode' = 'batch'; EXPLAIN SELECT customer FROM orders").await;
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let rig = Rig::new().await;
    let asked = |origin: &str| {
        let request = Request::post("/v1/sql").header("host", "127.0.0.1:8088").header("origin", origin);
        request.body(Body::from(json!({ "sql": "CREATE TABLE t (a INT)" }).to_string())).unwrap()
    };
    assert_eq!(rig.send(asked("https://elsewhere.example")).await.status(), 403);
    assert_eq!(rig.send(asked("null")).await.status(), 403);
    assert_eq!(rig.rows("SHOW TABLES").await, [] as [Value; 0]);
    assert_eq!(rig.send(asked("http://127.0.0.1:8088")).await.status(), 200);
}

#[tokio::test]
async fn tables_are_made_up_computed_and_gone() {
    let rig = Rig::new().await;
    rig.sql(
        "CREATE TABLE made (id INT, twice AS id * 2) WITH ('connector' = 'datagen', 'fields.id.kind' = 'sequence',
           'fields.id.start' = '1', 'fields.id.end' = '3');
         CREATE TABLE hole (id INT) WITH ('connector' = 'blackhole')",
    )
    .await;
    let rows = rig.rows("SELECT id, twice FROM made ORDER BY id DESC").await;
    assert_eq!(rows[0], json!({ "id": 3, "twice": 6 }));
    assert_eq!(rows.len(), 3);
    let described = rig.rows("DESCRIBE made").await;
    assert_eq!((described[1]["type"].clone(), described[1]["extras"].clone()), (json!("INT"), json!("AS id * 2")));
    rig.sql("SET 'pipeline.name' = 'fall'; INSERT INTO hole SELECT twice FROM made").await;
    let has_fallen = async || {
        rig.pass(Duration::from_millis(100));
        rig.statement("fall").await["rows_written"] == 3
    };
    rig.wait(has_fallen).await;
    assert_eq!(rig.ask("GET", "/v1/tables", None).await.1[1]["topic"], json!(null));
    let functions = rig.rows("SHOW FUNCTIONS").await;
    for name in ["abs", "split_index", "sum", "tumble", "var_pop"] {
        assert!(functions.contains(&json!({ "function name": name })), "{name}: {functions:?}");
    }
    assert_eq!(rig.refused("SELECT * FROM hole").await.0, 400);
    assert_eq!(rig.sql("DROP STATEMENT fall; DROP TABLE hole").await["message"], "table `hole` is dropped");
}

#[tokio::test]
async fn columns_that_nobody_named_have_flinks_names_in_views_and_tables_too() {
    let rig = Rig::new().await;
    rig.sql(ORDERS).await;
    rig.produce("orders", &[&order("ada", 1)]).await;
    let columns = "SELECT customer, CAST(amount AS BIGINT), UPPER(customer) FROM orders";
    let answer = rig.sql(&format!("SET 'execution.runtime-mode' = 'batch'; {columns}")).await;
    let names = |answer: &Value| {
        let columns = answer["columns"].as_array().unwrap();
        columns.iter().map(|column| column["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&answer), ["customer", "EXPR$1", "EXPR$2"]);
    rig.sql(&format!("CREATE VIEW seen AS {columns}; CREATE TABLE kept AS {columns}")).await;
    for table in ["seen", "kept"] {
        let sql = format!("SET 'execution.runtime-mode' = 'batch'; SELECT `EXPR$1`, `EXPR$2` FROM {table}");
        rig.wait(async || !rig.rows(&sql).await.is_empty()).await;
        assert_eq!(rig.rows(&sql).await, [json!({ "EXPR$1": 1, "EXPR$2": "ADA" })], "{table}");
    }
}
