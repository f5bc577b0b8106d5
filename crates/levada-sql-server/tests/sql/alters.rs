//! Materialized tables that get another query: seen as before until the new one has read what there is, then anew.

use super::{
    answers::next_with_id,
    rig::{ORDERS, Rig, caller, order},
};
use axum::{body::Body, http::Request};
use levada_log::disk::{SimDisk, sim::Fault};
use serde_json::{Value, json};

const SUMS: &str =
    "CREATE MATERIALIZED TABLE sums AS SELECT customer, SUM(amount) AS total FROM orders GROUP BY customer";
const MOST: &str = "CREATE OR ALTER MATERIALIZED TABLE sums AS
    SELECT customer, MAX(amount) AS most, COUNT(*) AS n FROM orders GROUP BY customer";
/// It fails at the first order.
const BAD: &str = "CREATE OR ALTER MATERIALIZED TABLE sums AS
    SELECT customer, SUM(CAST(customer AS INT)) AS total FROM orders GROUP BY customer";

async fn summed() -> Rig {
    let rig = Rig::new().await;
    fill(&rig).await;
    rig
}

async fn fill(rig: &Rig) {
    rig.sql(ORDERS).await;
    rig.produce("orders", &[&order("ada", 2), &order("bob", 3), &order("ada", 5)]).await;
    rig.sql(SUMS).await;
    read(rig, 3).await;
}

/// The view's rows by customer, when it has read so many orders.
async fn read(rig: &Rig, orders: i64) -> Value {
    let path = format!("/v1/views/sums?timeout=10min&read_after=orders:0:{}", orders - 1);
    let (status, body) = rig.ask("GET", &path, None).await;
    assert_eq!(status, 200, "{body}");
    let mut rows = body["rows"].as_array().unwrap().clone();
    rows.sort_by_key(|row| row["customer"].to_string());
    json!(rows)
}

fn sum(customer: &str, total: i64) -> Value {
    json!({ "customer": customer, "total": total })
}

fn most(customer: &str, most: i64, n: i64) -> Value {
    json!({ "customer": customer, "most": most, "n": n })
}

fn has_topic(rig: &Rig, name: &str) -> bool {
    rig.handle().topic(&caller(), name).is_ok()
}

async fn statements(rig: &Rig) -> Vec<String> {
    let names = rig.rows("SHOW STATEMENTS").await;
    names.iter().map(|row| row["statement name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn another_query_takes_the_place_of_the_one_that_there_is() {
    let rig = summed().await;
    rig.sql("CREATE VIEW names AS SELECT customer FROM sums").await;
    rig.sql(MOST).await;
    rig.wait(async || statements(&rig).await == ["refresh-sums-2"]).await;
    assert_eq!(read(&rig, 3).await, json!([most("ada", 5, 2), most("bob", 3, 1)]));
    assert_eq!(rig.rows("SELECT customer FROM names ORDER BY customer").await.len(), 2);
    rig.wait(async || !has_topic(&rig, "sums") && !has_topic(&rig, "_sql_refresh-sums")).await;
    assert!(has_topic(&rig, "sums-2"));
    let shown = rig.rows("SHOW CREATE TABLE sums").await;
    assert!(shown[0]["result"].as_str().unwrap().contains("'topic' = 'sums-2'"), "{shown:?}");
    assert_eq!(rig.rows("SHOW CREATE MATERIALIZED TABLE sums").await, [json!({ "result": MOST })]);
    let rig = rig.after_kill().await;
    rig.produce("orders", &[&order("bob", 9)]).await;
    assert_eq!(read(&rig, 4).await, json!([most("ada", 5, 2), most("bob", 9, 2)]));
    // And again, with the first query.
    let done = rig.sql(&SUMS.replace("CREATE", "CREATE OR ALTER")).await;
    assert!(done["message"].as_str().unwrap().contains("topic `sums-3`"), "{done}");
    rig.wait(async || statements(&rig).await == ["refresh-sums-3"]).await;
    assert_eq!(read(&rig, 4).await, json!([sum("ada", 7), sum("bob", 12)]));
    rig.sql("DROP VIEW names; DROP MATERIALIZED TABLE sums").await;
    let left = rig.handle().topics(&caller());
    let left: Vec<&str> = left.iter().map(|topic| topic.name.as_str()).filter(|name| name.contains("sums")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_query_that_means_the_same_keeps_its_rows() {
    let rig = summed().await;
    let epochs = rig.statement("refresh-sums").await["epochs"].as_u64().unwrap();
    let same = "CREATE OR ALTER MATERIALIZED TABLE sums COMMENT 'what they paid' AS
        SELECT customer, SUM(amount) AS total /* in cents */ FROM orders
        GROUP BY customer";
    let done = rig.sql(same).await;
    assert_eq!(done["message"], "materialized table `sums` has another text; its query means the same");
    assert_eq!(rig.rows("SHOW CREATE MATERIALIZED TABLE sums").await, [json!({ "result": same })]);
    assert!(rig.rows("SHOW CREATE TABLE sums").await[0]["result"].as_str().unwrap().contains("what they paid"));
    let rig = rig.after_kill().await;
    rig.produce("orders", &[&order("ada", 1)]).await;
    assert_eq!(read(&rig, 4).await, json!([sum("ada", 8), sum("bob", 3)]));
    assert_eq!(statements(&rig).await, ["refresh-sums"]);
    rig.shows("refresh-sums", "epochs", epochs + 1).await;
    // What stands beside the query counts, too.
    rig.sql(&format!("SET 'sql.on-error' = 'skip'; {same}")).await;
    rig.wait(async || statements(&rig).await == ["refresh-sums-2"]).await;
    rig.produce("orders", &["no order"]).await;
    assert_eq!(read(&rig, 5).await, json!([sum("ada", 8), sum("bob", 3)]));
}

#[tokio::test]
async fn what_is_not_ready_is_not_seen_and_can_be_given_up() {
    let rig = summed().await;
    let done = rig.sql(BAD).await;
    assert!(done["message"].as_str().unwrap().contains("as it was until statement `refresh-sums-2`"), "{done}");
    rig.wait(async || rig.statement("refresh-sums-2").await["state"] == "failed").await;
    for life in 0..2_i64 {
        rig.produce("orders", &[&order("bob", 1)]).await;
        assert_eq!(read(&rig, life + 4).await, json!([sum("ada", 7), sum("bob", 4 + life)]));
        if life == 0 {
            continue;
        }
        for (sql, hint) in [
            (MOST, "wait until statement `refresh-sums-2` has read what there is, or DROP STATEMENT `refresh-sums-2`"),
            ("INSERT INTO totals SELECT customer, total FROM sums", "wait until statement `refresh-sums-2`"),
            ("CREATE VIEW v AS SELECT * FROM sums", "wait until statement `refresh-sums-2`"),
            (
                "CREATE MATERIALIZED TABLE more AS SELECT total, COUNT(*) AS n FROM sums GROUP BY total",
                "wait until statement `refresh-sums-2`",
            ),
        ] {
            let (status, error) = rig.refused(sql).await;
            assert_eq!(status, 409, "{error}");
            assert!(error["hint"].as_str().unwrap().starts_with(hint), "{sql}: {error}");
        }
    }
    let rig = rig.after_kill().await;
    assert_eq!(statements(&rig).await, ["refresh-sums", "refresh-sums-2"]);
    let tables: Vec<Value> = rig.rows("SHOW TABLES").await;
    assert_eq!(tables.len(), 4, "{tables:?}");
    rig.sql("DROP STATEMENT `refresh-sums-2`").await;
    assert!(!has_topic(&rig, "sums-2") && !has_topic(&rig, "_sql_refresh-sums-2"));
    assert_eq!(read(&rig, 5).await, json!([sum("ada", 7), sum("bob", 5)]));
    // A table goes with what was to take its place.
    rig.sql(BAD).await;
    rig.sql("DROP MATERIALIZED TABLE sums").await;
    let rig = rig.after_kill().await;
    assert!(statements(&rig).await.is_empty());
    assert!(!has_topic(&rig, "sums") && !has_topic(&rig, "sums-2"));
}

#[tokio::test]
async fn whatever_would_mean_something_else_is_refused() {
    let rig = summed().await;
    rig.sql("CREATE VIEW totals_only AS SELECT total FROM sums; CREATE TABLE plain (a INT)").await;
    for (sql, message) in [
        (MOST, "view `totals_only` would mean nothing any more"),
        (
            "CREATE OR ALTER MATERIALIZED TABLE sums AS SELECT amount, COUNT(*) AS total FROM orders GROUP BY amount",
            "the key of materialized table `sums` is (customer STRING), and would be (amount BIGINT)",
        ),
        (
            "CREATE OR ALTER MATERIALIZED TABLE sums AS SELECT customer, amount AS total FROM orders",
            "the key of materialized table `sums` is (customer STRING), and would be none",
        ),
        (
            "CREATE OR ALTER MATERIALIZED TABLE sums AS
             SELECT customer, MAX(total) AS total FROM sums GROUP BY customer",
            "materialized table `sums` would read itself",
        ),
        ("CREATE OR ALTER MATERIALIZED TABLE plain AS SELECT 1 AS a FROM orders", "`plain` exists, and is no"),
    ] {
        let (_, error) = rig.refused(sql).await;
        assert!(error["message"].as_str().unwrap().starts_with(message), "{sql}: {error}");
    }
    rig.sql("DROP VIEW totals_only; INSERT INTO totals SELECT customer, total FROM sums").await;
    let (status, error) = rig.refused(MOST).await;
    assert_eq!((status, error["hint"].as_str()), (409, Some("drop that first, and create it again afterwards")));
    assert!(!has_topic(&rig, "sums-2"));
    assert_eq!(read(&rig, 3).await, json!([sum("ada", 7), sum("bob", 3)]));
}

#[tokio::test]
async fn only_its_owner_alters_a_table() {
    let rig = summed().await;
    let catalog = rig.handle().catalog().unwrap();
    let records = catalog.read().await.unwrap();
    let is_table = |key: &[u8]| key == br#"{"kind":"table","name":"sums"}"#;
    let (key, value) = records.into_iter().rfind(|(key, _)| is_table(key)).unwrap();
    let text = String::from_utf8(value.unwrap().to_vec()).unwrap();
    let of_ada = text.replace("User:ANONYMOUS", "User:ada");
    assert_ne!(of_ada, text);
    catalog.write(vec![(key, Some(of_ada.into()))]).await.unwrap();
    let rig = rig.after_stop().await;
    let (status, error) = rig.refused(MOST).await;
    assert_eq!(status, 403, "{error}");
    assert!(error["message"].as_str().unwrap().starts_with("materialized table `sums` is `User:ada`'s"), "{error}");
    assert_eq!(read(&rig, 3).await, json!([sum("ada", 7), sum("bob", 3)]));
}

#[tokio::test]
async fn whoever_watches_goes_on_with_the_new_one() {
    let rig = summed().await;
    let response = rig.send(Request::get("/v1/views/sums/live").body(Body::empty()).unwrap()).await;
    let (mut body, mut rest) = (response.into_body(), String::new());
    assert_eq!(next_with_id(&mut body, &mut rest).await.0, "columns");
    let (_, first, before) = next_with_id(&mut body, &mut rest).await;
    assert_eq!(before["changes"].as_array().unwrap().len(), 2);
    let query = json!({ "sql": "SELECT total FROM sums" });
    let asked = rig.response("POST", "/v1/sql/live", Some(query)).await;
    rig.sql(MOST).await;
    let (name, _, columns) = next_with_id(&mut body, &mut rest).await;
    assert_eq!((name.as_str(), columns[1]["name"].as_str()), ("columns", Some("most")));
    let (_, seen, all) = next_with_id(&mut body, &mut rest).await;
    let rows = [most("ada", 5, 2), most("bob", 3, 1)].map(|row| json!({ "op": "+I", "row": row }));
    assert_eq!((&all["from"], &all["changes"]), (&Value::Null, &json!(rows)));
    assert_ne!(first.unwrap().split('-').next(), seen.unwrap().split('-').next());
    rig.produce("orders", &[&order("bob", 4)]).await;
    let (_, _, step) = next_with_id(&mut body, &mut rest).await;
    assert_eq!(step["changes"][1]["row"], most("bob", 4, 2), "{step}");
    // What was asked of the topic ends.
    let (mut body, mut rest) = (asked.into_body(), String::new());
    let error = loop {
        let (name, _, data) = next_with_id(&mut body, &mut rest).await;
        if name == "error" {
            break data;
        }
    };
    assert_eq!(error["message"], "materialized table `sums` was altered", "{error}");
}

#[tokio::test]
async fn whoever_asks_meanwhile_sees_the_one_or_the_other_and_never_less_than_before() {
    let rig = summed().await;
    let (mut last, mut seen) = (3, 0);
    for number in 0..6_i64 {
        let query = if number % 2 == 0 { "SUM(amount) AS total, 1 AS one" } else { "SUM(amount) AS total" };
        let alter = format!(
            "CREATE OR ALTER MATERIALIZED TABLE sums AS SELECT customer, {query} FROM orders GROUP BY customer"
        );
        let statement = [format!("refresh-sums-{}", number + 2)];
        let produced = order("bob", number + 1);
        let (orders, asked) = ([produced.as_str()], json!({ "sql": alter }));
        let look = async {
            while statements(&rig).await != statement {
                let (status, body) = rig.ask("GET", "/v1/views/sums?customer=bob", None).await;
                if status != 503 {
                    assert_eq!((status, body["rows"].as_array().map(Vec::len)), (200, Some(1)), "{body}");
                    let now = body["rows"][0]["total"].as_i64().unwrap();
                    assert!(now >= last, "{last}, then {body}");
                    (last, seen) = (now, seen + 1);
                }
                tokio::task::yield_now().await;
            }
        };
        let alter = rig.ask("POST", "/v1/sql", Some(asked));
        let (_, (status, _), ()) = tokio::join!(rig.produce("orders", &orders), alter, look);
        assert_eq!(status, 200);
        rig.wait(async || read(&rig, number + 4).await[1]["total"] == 3 + (number + 1) * (number + 2) / 2).await;
    }
    assert!(seen >= 6, "it was looked at {seen} times");
    // A table may be named as one that is altered is numbered.
    let named = "CREATE MATERIALIZED TABLE `sums-7` WITH ('topic' = 'others') AS SELECT amount FROM orders";
    let done = rig.sql(named).await;
    assert!(done["message"].as_str().unwrap().contains("statement `refresh-sums-7-2`"), "{done}");
}

#[tokio::test]
async fn wherever_it_ends_there_is_the_one_or_the_other_and_nothing_else() {
    let (mut call, mut kept, mut changed) = (0, 0, 0);
    loop {
        call += 1;
        let disk = SimDisk::new();
        let rig = Rig::on(disk.clone()).await;
        fill(&rig).await;
        disk.fail_at(disk.calls() + call, if call % 2 == 0 { Fault::Kill } else { Fault::TornWrite });
        let (status, _) = rig.ask("POST", "/v1/sql", Some(json!({ "sql": MOST }))).await;
        // What it began goes on beside it.
        for _ in 0..200 {
            if disk.is_dead() || (status == 200 && statements(&rig).await == ["refresh-sums-2"]) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        let is_over = !disk.is_dead();
        let rig = if call % 2 == 0 { rig.after_kill().await } else { rig.after_power_cut(call).await };
        rig.wait(async || statements(&rig).await.len() == 1).await;
        let rows = read(&rig, 3).await;
        if statements(&rig).await == ["refresh-sums"] {
            assert_eq!(rows, json!([sum("ada", 7), sum("bob", 3)]), "call {call}");
            assert_ne!(status, 200, "call {call}");
            kept += 1;
            rig.sql(MOST).await;
            rig.wait(async || statements(&rig).await.len() == 1).await;
        } else {
            assert_eq!(rows, json!([most("ada", 5, 2), most("bob", 3, 1)]), "call {call}");
            changed += 1;
        }
        rig.produce("orders", &[&order("bob", 8)]).await;
        assert_eq!(read(&rig, 4).await, json!([most("ada", 5, 2), most("bob", 8, 2)]), "call {call}");
        rig.wait(async || !has_topic(&rig, "sums") && !has_topic(&rig, "_sql_refresh-sums")).await;
        rig.sql("DROP MATERIALIZED TABLE sums").await;
        let left = rig.handle().topics(&caller());
        let left: Vec<&str> = left.iter().map(|it| it.name.as_str()).filter(|name| name.contains("sums")).collect();
        assert!(left.is_empty(), "call {call}: {left:?}");
        if is_over {
            break;
        }
    }
    assert!(kept > 2 && changed > 2, "{kept} and {changed}");
}
