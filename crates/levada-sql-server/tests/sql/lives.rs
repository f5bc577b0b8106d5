//! What a restart leaves: definitions, and statements that go on.

use super::rig::{ORDERS, Rig, order};
use serde_json::{Value, json};

const COPY: &str =
    "SET 'pipeline.name' = 'copy'; INSERT INTO copies SELECT customer, amount FROM orders WHERE amount > 0";
const SUM: &str = "INSERT INTO totals SELECT customer, SUM(amount) FROM orders GROUP BY customer";

async fn produce(rig: &Rig, numbers: std::ops::Range<i64>) {
    let orders: Vec<String> =
        numbers.map(|number| order(if number % 2 == 0 { "ada" } else { "bob" }, number)).collect();
    rig.produce("orders", &orders.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

/// Waits until a statement has read everything.
async fn caught_up(rig: &Rig, name: &str, epochs_min: u64) {
    rig.wait(async || {
        let shown = rig.statement(name).await;
        assert_eq!(shown["state"], "running", "{shown}");
        shown["lag"] == 0 && shown["epochs"].as_u64().unwrap() >= epochs_min
    })
    .await;
}

fn copied(numbers: std::ops::Range<i64>) -> Vec<String> {
    numbers.map(|number| order(if number % 2 == 0 { "ada" } else { "bob" }, number)).collect()
}

fn sorted(mut values: Vec<String>) -> Vec<String> {
    values.sort();
    values
}

fn as_written(values: Vec<String>) -> Vec<String> {
    let read = |value: String| serde_json::from_str::<serde_json::Value>(&value).unwrap().to_string();
    sorted(values.into_iter().map(read).collect())
}

#[tokio::test]
async fn statements_go_on_exactly_once_after_kills_power_cuts_and_stops() {
    let mut rig = Rig::new().await;
    rig.sql(ORDERS).await;
    assert_eq!(rig.sql(COPY).await, json!({ "kind": "statement", "name": "copy" }));
    assert_eq!(rig.sql(SUM).await["name"], "insert-into-totals-1");
    for life in 0..6_i64 {
        produce(&rig, life * 10 + 1..life * 10 + 11).await;
        caught_up(&rig, "copy", u64::try_from(life).unwrap() + 1).await;
        caught_up(&rig, "insert-into-totals-1", u64::try_from(life).unwrap() + 1).await;
        assert_eq!(as_written(rig.values("copies")), sorted(copied(1..life * 10 + 11)));
        rig = match life % 3 {
            0 => rig.after_kill().await,
            1 => rig.after_power_cut(u64::try_from(life).unwrap()).await,
            _ => rig.after_stop().await,
        };
    }
    caught_up(&rig, "insert-into-totals-1", 6).await;
    let sum = |parity: i64| (1..61).filter(|number| number % 2 == parity).sum::<i64>();
    let totals = as_written(rig.values("totals"));
    for (customer, total) in [("ada", sum(0)), ("bob", sum(1))] {
        let last = json!({ "customer": customer, "total": total }).to_string();
        assert!(totals.contains(&last), "{totals:?}");
    }
    let shown = rig.statement("copy").await;
    assert!(shown["sql"].as_str().unwrap().starts_with("INSERT INTO copies"));
    assert_eq!(shown["owner"], "User:ANONYMOUS");
}

#[tokio::test]
async fn a_stopped_statement_stays_so_and_goes_on_where_it_was() {
    let rig = Rig::new().await;
    rig.sql(ORDERS).await;
    rig.sql(COPY).await;
    produce(&rig, 1..4).await;
    caught_up(&rig, "copy", 1).await;
    let (status, _) = rig.ask("POST", "/v1/statements/copy/stop", None).await;
    assert_eq!((status, rig.statement("copy").await["state"].clone()), (200, json!("stopped")));
    let rig = rig.after_kill().await;
    assert_eq!(rig.statement("copy").await["state"], "stopped");
    produce(&rig, 4..6).await;
    rig.sql("START STATEMENT copy").await;
    caught_up(&rig, "copy", 2).await;
    assert_eq!(as_written(rig.values("copies")), sorted(copied(1..6)));
    let shown = rig.rows("SHOW STATEMENTS").await.remove(0);
    let figures = ["statement name", "state", "lag", "late rows", "watermark", "error"].map(|it| shown[it].clone());
    assert_eq!(figures, [json!("copy"), json!("running"), json!("0"), json!("0"), Value::Null, Value::Null]);
    rig.sql("STOP STATEMENT copy").await;
    let stopped = rig.rows("SHOW STATEMENTS").await.remove(0);
    assert_eq!((&stopped["state"], &stopped["lag"]), (&json!("stopped"), &Value::Null));
}

#[tokio::test]
async fn a_dropped_statement_leaves_no_journal_and_another_begins_anew() {
    let rig = Rig::new().await;
    rig.sql(ORDERS).await;
    rig.sql(COPY).await;
    produce(&rig, 1..3).await;
    caught_up(&rig, "copy", 1).await;
    let journal = |rig: &Rig| rig.handle().topic(&super::rig::caller(), "_sql_copy").is_ok();
    assert!(journal(&rig));
    assert_eq!(rig.refused("DROP TABLE copies").await.0, 409);
    let (status, body) = rig.ask("DELETE", "/v1/statements/copy", None).await;
    assert_eq!((status, body["message"].as_str()), (200, Some("statement `copy` is dropped")));
    assert!(!journal(&rig));
    let rig = rig.after_kill().await;
    assert_eq!(rig.ask("GET", "/v1/statements/copy", None).await.0, 404);
    assert_eq!(rig.ask("GET", "/v1/statements", None).await.1, json!([]));
    rig.sql(COPY).await;
    caught_up(&rig, "copy", 1).await;
    assert_eq!(rig.values("copies").len(), 4);
    rig.sql("DROP STATEMENT copy; DROP TABLE copies").await;
}

#[tokio::test]
async fn a_statement_that_fails_says_why_and_does_not_run_again_by_itself() {
    let rig = Rig::new().await;
    rig.sql(ORDERS).await;
    rig.sql(COPY).await;
    rig.produce("orders", &["no json"]).await;
    rig.wait(async || rig.statement("copy").await["state"] == "failed").await;
    let error = rig.statement("copy").await["error"].as_str().unwrap().to_owned();
    assert!(error.contains("offset 0 of partition 0 of table `orders`"), "{error}");
    let rig = rig.after_kill().await;
    let shown = rig.statement("copy").await;
    assert_eq!((shown["state"].as_str(), shown["error"].as_str()), (Some("failed"), Some(error.as_str())));
}

#[tokio::test]
async fn definitions_last() {
    let rig = Rig::new().await;
    rig.sql(ORDERS).await;
    rig.sql("CREATE VIEW large AS SELECT customer, amount FROM orders WHERE amount > 10").await;
    rig.sql("CREATE TABLE IF NOT EXISTS orders (a INT)").await;
    let rig = rig.after_kill().await;
    let names: Vec<_> = rig.rows("SHOW TABLES").await.into_iter().map(|row| row["table name"].clone()).collect();
    assert_eq!(names, ["copies", "large", "orders", "totals"]);
    produce(&rig, 9..14).await;
    let found = rig.rows("SELECT customer, amount AS n FROM large ORDER BY amount DESC").await;
    let expected = [("bob", 13), ("ada", 12), ("bob", 11)].map(|(customer, n)| json!({ "customer": customer, "n": n }));
    assert_eq!(found, expected);
    assert_eq!(rig.refused("DROP TABLE orders").await.1["message"], "view `large` uses `orders`");
    rig.sql("DROP VIEW large; DROP TABLE orders").await;
    let rig = rig.after_kill().await;
    assert_eq!(rig.rows("SHOW VIEWS").await, [] as [serde_json::Value; 0]);
}

#[tokio::test]
async fn a_table_is_created_as_a_query_and_filled_from_then_on() {
    let rig = Rig::new().await;
    rig.sql(ORDERS).await;
    produce(&rig, 1..4).await;
    let sql = "CREATE TABLE sums (PRIMARY KEY (customer) NOT ENFORCED) WITH ('connector' = 'upsert-kafka')
      AS SELECT customer, SUM(amount) AS total FROM orders GROUP BY customer";
    assert_eq!(rig.sql(sql).await["name"], "insert-into-sums-1");
    caught_up(&rig, "insert-into-sums-1", 1).await;
    let rig = rig.after_kill().await;
    produce(&rig, 4..5).await;
    caught_up(&rig, "insert-into-sums-1", 2).await;
    let last = json!({ "customer": "ada", "total": 6 }).to_string();
    assert_eq!(as_written(rig.values("sums")).into_iter().filter(|row| *row == last).count(), 1);
    assert_eq!(rig.rows("DESCRIBE sums").await[1]["type"], "BIGINT");
    assert_eq!(rig.refused(sql).await.0, 409);
    let append =
        "CREATE TABLE bad WITH ('format' = 'json') AS SELECT customer, SUM(amount) AS n FROM orders GROUP BY customer";
    assert_eq!(rig.refused(append).await.0, 400);
    assert_eq!(rig.rows("SHOW TABLES").await.len(), 4, "nothing is left of a table that was refused");
}

#[tokio::test]
async fn a_set_of_statements_is_created_wholly_or_not_at_all() {
    let rig = Rig::new().await;
    rig.sql(ORDERS).await;
    let set = |second: &str| {
        format!("EXECUTE STATEMENT SET BEGIN INSERT INTO copies SELECT customer, amount FROM orders; {second}; END")
    };
    assert_eq!(rig.refused(&set("INSERT INTO copies SELECT customer FROM orders")).await.0, 400);
    assert_eq!(rig.ask("GET", "/v1/statements", None).await.1, json!([]));
    let said = rig.sql(&set("INSERT INTO copies SELECT customer, 0 - amount FROM orders")).await;
    assert_eq!(said["message"], "statements `insert-into-copies-1`, `insert-into-copies-2` run");
    produce(&rig, 1..3).await;
    caught_up(&rig, "insert-into-copies-1", 1).await;
    caught_up(&rig, "insert-into-copies-2", 1).await;
    assert_eq!(rig.values("copies").len(), 4);
}

#[tokio::test]
async fn a_statement_whose_journal_somebody_else_opened_takes_it_back() {
    let rig = Rig::new().await;
    rig.sql(ORDERS).await;
    rig.sql(COPY).await;
    produce(&rig, 1..3).await;
    caught_up(&rig, "copy", 1).await;
    drop(rig.handle().journal(&super::rig::caller(), "copy").await.unwrap());
    produce(&rig, 3..5).await;
    rig.wait(async || rig.values("copies").len() >= 4).await;
    caught_up(&rig, "copy", 2).await;
    assert_eq!(as_written(rig.values("copies")), sorted(copied(1..5)));
    assert_eq!(rig.statement("copy").await["error"], json!(null));
}

#[tokio::test]
async fn what_becomes_of_records_that_are_no_rows_is_kept_with_the_statement() {
    let rig = Rig::new().await;
    rig.sql(ORDERS).await;
    let (_, error) = rig.refused(&format!("SET 'sql.on-error' = 'dead-letter'; {COPY}")).await;
    assert_eq!(error["hint"], "SET 'sql.dead-letter.topic' = 'topic'");
    rig.sql(&format!("SET 'sql.on-error' = 'dead-letter'; SET 'sql.dead-letter.topic' = 'dead'; {COPY}")).await;
    rig.sql(&format!("SET 'sql.on-error' = 'skip'; {SUM}")).await;
    for life in 1..4_u64 {
        rig.produce("orders", &["no json", &order("ada", 1)]).await;
        caught_up(&rig, "copy", life).await;
        caught_up(&rig, "insert-into-totals-1", life).await;
    }
    assert_eq!(rig.statement("copy").await["undecodable_records"], 3);
    let rig = rig.after_kill().await;
    rig.produce("orders", &["neither"]).await;
    caught_up(&rig, "copy", 4).await;
    caught_up(&rig, "insert-into-totals-1", 4).await;
    assert_eq!(rig.values("dead"), ["no json", "no json", "no json", "neither"]);
    assert_eq!(rig.values("copies").len(), 3);
    assert_eq!(rig.statement("insert-into-totals-1").await["undecodable_records"], 1);
}

#[tokio::test]
async fn dead_letters_are_kept_where_no_statement_writes_rows() {
    let rig = Rig::new().await;
    rig.sql(ORDERS).await;
    rig.sql("CREATE MATERIALIZED TABLE sums AS SELECT customer, SUM(amount) AS total FROM orders GROUP BY customer")
        .await;
    rig.sql(SUM).await;
    let letters = |topic: &str| format!("SET 'sql.on-error' = 'dead-letter'; SET 'sql.dead-letter.topic' = '{topic}';");
    let filled = "CREATE TABLE filled AS SELECT amount FROM orders";
    for (topic, why) in [
        ("sums", "materialized table `sums` is there"),
        ("totals", "statement `insert-into-totals-1` writes rows there"),
        ("_sql_catalog", "the platform itself writes it"),
    ] {
        for sql in [COPY, filled] {
            let (status, error) = rig.refused(&format!("{} {sql}", letters(topic))).await;
            let message = format!("`{topic}` cannot be the topic of dead letters: {why}");
            assert_eq!((status, error["message"].as_str()), (400, Some(&*message)));
        }
    }
    let set = "EXECUTE STATEMENT SET BEGIN INSERT INTO copies SELECT customer, amount FROM orders; \
               INSERT INTO more SELECT amount FROM orders; END";
    rig.sql("CREATE TABLE more (amount BIGINT) WITH ('format' = 'json')").await;
    let (_, error) = rig.refused(&format!("{} {set}", letters("more"))).await;
    assert!(error["message"].as_str().unwrap().contains("rows of table `more` go there"), "{error}");
    // Nor do rows go where dead letters are kept already; whoever wants to read these may.
    rig.sql(&format!("{} {COPY}", letters("dead"))).await;
    rig.sql("CREATE TABLE dead (amount BIGINT) WITH ('format' = 'json')").await;
    for sql in [
        "INSERT INTO dead SELECT amount FROM orders",
        "CREATE TABLE others WITH ('topic' = 'dead') AS SELECT amount FROM orders",
        "CREATE MATERIALIZED TABLE others WITH ('topic' = 'dead') AS SELECT amount FROM orders",
    ] {
        let (status, error) = rig.refused(sql).await;
        let message = "rows cannot go to topic `dead`: statement `copy` keeps dead letters there";
        assert_eq!((status, error["message"].as_str()), (400, Some(message)), "{sql}");
    }
    rig.sql("INSERT INTO more SELECT amount FROM dead").await;
}

#[tokio::test]
async fn where_late_rows_go_is_said_when_a_statement_is_created_and_stays_with_it() {
    let rig = Rig::new().await;
    rig.sql(
        "CREATE TABLE bids (id BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at) WITH ('format' = 'json');
         CREATE TABLE counts (id BIGINT, n BIGINT) WITH ('format' = 'json')",
    )
    .await;
    let count = "INSERT INTO counts SELECT id, COUNT(*) AS n
      FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(at), INTERVAL '10' SECONDS)) GROUP BY window_start, window_end, id";
    let (_, error) = rig.refused(&format!("SET 'sql.late-rows' = 'topic'; {count}")).await;
    assert_eq!(error["hint"], "SET 'sql.late-rows.topic' = 'topic'");
    let late = |topic: &str| format!("SET 'sql.late-rows' = 'topic'; SET 'sql.late-rows.topic' = '{topic}';");
    let said = |rows: Vec<serde_json::Value>| rows.last().unwrap()["result"].as_str().unwrap().to_owned();
    let explained = said(rig.rows(&format!("{} EXPLAIN {count}", late("tardy"))).await);
    assert!(explained.contains("writes to topic `tardy` rows of what"), "{explained}");
    let explained = said(rig.rows(&format!("EXPLAIN {count}")).await);
    assert!(explained.contains("leaves out, and counts as late, rows of what"), "{explained}");
    rig.sql(&format!("{} {count}", late("tardy"))).await;
    let name = "insert-into-counts-1";
    let bid = |id: i64, second: u32| json!({ "id": id, "at": format!("2026-01-01 00:00:{second:02}") }).to_string();
    rig.produce("bids", &[&bid(1, 5), &bid(2, 40)]).await;
    caught_up(&rig, name, 1).await;
    let rig = rig.after_kill().await;
    caught_up(&rig, name, 1).await;
    rig.produce("bids", &[&bid(3, 4)]).await;
    caught_up(&rig, name, 2).await;
    let rows: Vec<serde_json::Value> =
        rig.values("tardy").iter().map(|row| serde_json::from_str(row).unwrap()).collect();
    assert_eq!((rows.len(), &rows[0]["id"]), (1, &json!(3)), "{rows:?}");
    assert_eq!(rig.statement(name).await["late_rows"], 1);
    // They are mixed with nobody's rows.
    for (topic, why) in
        [("counts", "rows of table `counts` go there"), ("_sql_catalog", "the platform itself writes it")]
    {
        let (status, error) = rig.refused(&format!("{} {count}", late(topic))).await;
        let message = format!("`{topic}` cannot be the topic of late rows: {why}");
        assert_eq!((status, error["message"].as_str()), (400, Some(&*message)));
    }
    rig.sql("CREATE TABLE tardy (id BIGINT, n BIGINT) WITH ('format' = 'json')").await;
    let (_, error) = rig.refused(&count.replace("counts", "tardy")).await;
    assert_eq!(
        error["message"],
        "rows cannot go to topic `tardy`: statement `insert-into-counts-1` keeps late rows there"
    );
}
