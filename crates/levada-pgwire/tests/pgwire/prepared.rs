//! The extended way to ask: prepared statements, values, portals.

use crate::rig::{Client, ORDERS, Rig};

/// A rig with ten orders, 1 to 10.
async fn ten() -> (Rig, Client) {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    client.ask(ORDERS).await;
    let orders: Vec<String> =
        (1..=10).map(|amount| format!(r#"{{"customer":"c{amount}","amount":{amount}}}"#)).collect();
    rig.produce("orders", &orders.iter().map(String::as_str).collect::<Vec<_>>()).await;
    (rig, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_described_before_it_has_values() {
    let (_rig, mut client) = ten().await;
    let sql = "SELECT customer, amount FROM orders WHERE amount > $1 AND customer <> $2 ORDER BY amount";
    client.parse("s", sql, &[]).await;
    client.describe(b'S', "s").await;
    client.send(b'S', &[]).await;
    let messages = client.until_ready().await;
    assert_eq!(messages[0].tag, b'1');
    // Their types are those of what stands beside them.
    assert_eq!(messages[1].body, [0, 2, 0, 0, 0, 20, 0, 0, 0, 25]);
    assert_eq!(messages[2].shown(), "customer:25:0 amount:20:0");
    for (low, count) in [("8", 2), ("9", 1), ("100", 0)] {
        client.bind("", "s", &[Some(low.as_bytes()), Some(b"x")], [0, 0]).await;
        client.execute("", 0).await;
        let answer = client.sync().await;
        assert_eq!(answer[1 + count], format!("SELECT {count}"), "{answer:?}");
    }
    client.bind("", "s", &[None, Some(b"x")], [0, 0]).await;
    client.execute("", 0).await;
    assert_eq!(client.sync().await, ["2", "SELECT 0", "I"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_and_answers_may_be_binary() {
    let (_rig, mut client) = ten().await;
    client.parse("", "SELECT amount, $2 AS t, $3 AS b FROM orders WHERE amount = $1", &[21, 25, 16]).await;
    client.bind("", "", &[Some(&[0, 7]), Some(b"text"), Some(&[1])], [1, 1]).await;
    client.describe(b'P', "").await;
    client.execute("", 0).await;
    client.send(b'S', &[]).await;
    let messages = client.until_ready().await;
    assert_eq!(messages[2].shown(), "amount:20:1 t:25:1 b:16:1");
    let row = [&[0, 3, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 4][..], b"text", &[0, 0, 0, 1, 1]].concat();
    assert_eq!(messages[3].body, row);
    client.parse("", "SELECT CAST($1 AS INT) AS a, COUNT(*) AS n FROM orders", &[]).await;
    client.bind("", "", &[Some(b"41")], [0, 0]).await;
    client.execute("", 0).await;
    assert_eq!(client.sync().await[2], "41|10");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_gives_some_rows_at_a_time() {
    let (_rig, mut client) = ten().await;
    client.ask("BEGIN").await;
    client.parse("s", "SELECT amount FROM orders ORDER BY amount", &[]).await;
    client.bind("p", "s", &[], [0, 0]).await;
    client.execute("p", 4).await;
    assert_eq!(client.sync().await, ["1", "2", "1", "2", "3", "4", "s", "T"]);
    client.execute("p", 4).await;
    client.execute("p", 4).await;
    assert_eq!(client.sync().await, ["5", "6", "7", "8", "s", "9", "10", "SELECT 2", "T"]);
    client.execute("p", 1).await;
    assert!(client.sync().await[0].starts_with("55000 "));
    client.ask("ROLLBACK").await;
    // It lives no longer than the transaction.
    client.execute("p", 0).await;
    assert!(client.sync().await[0].starts_with("34000 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_error_all_is_passed_over_up_to_the_end() {
    let (_rig, mut client) = ten().await;
    client.parse("a", "SELECT nothing FROM orders", &[]).await;
    client.bind("", "a", &[], [0, 0]).await;
    client.execute("", 0).await;
    let answer = client.sync().await;
    assert!(answer[0].starts_with("42703 ") && answer[1..] == ["I"], "{answer:?}");
    for (sql, oids, values, code) in [
        ("SELECT 1; SELECT 2", &[][..], &[][..], "42601"),
        ("SELECT $1", &[1007], &[], "0A000"),
        ("SELECT amount FROM orders WHERE amount = $1", &[20], &[Some(&b"x"[..])], "22P02"),
        ("SELECT amount FROM orders WHERE amount = $1", &[20], &[], "08P01"),
        ("SELECT $70000", &[], &[], "42703"),
        ("SELECT $65535", &[], &[], "42P18"),
    ] {
        client.parse("", sql, oids).await;
        client.bind("", "", values, [0, 0]).await;
        client.execute("", 0).await;
        let answer = client.sync().await;
        let error = answer.iter().find(|line| line.len() > 6 && line.as_bytes()[5] == b' ').unwrap();
        assert!(error.starts_with(code), "{sql}: {answer:?}");
        assert_eq!(answer.last().unwrap(), "I");
    }
    client.bind("", "nobody", &[], [0, 0]).await;
    assert!(client.sync().await[0].starts_with("26000 "));
    assert_eq!(client.ask("SELECT 1 AS a").await[1], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_statements_are_prepared_too() {
    let (_rig, mut client) = ten().await;
    for (sql, wanted) in [
        ("BEGIN", vec!["1", "2", "n", "BEGIN", "T"]),
        ("SHOW server_version", vec!["1", "2", "server_version:25:0", "15.0 (Levada 0)", "SHOW", "T"]),
        ("COMMIT", vec!["1", "2", "n", "COMMIT", "I"]),
        ("SHOW TABLES", vec!["1", "2", "table name:25:0", "orders", "SHOW", "I"]),
        ("", vec!["1", "2", "n", "I", "I"]),
        ("DISCARD PLANS", vec!["1", "2", "n", "DISCARD PLANS", "I"]),
        ("SELECT current_schema()", vec!["1", "2", "current_schema:25:0", "public", "SELECT 1", "I"]),
        (
            "DROP TABLE orders",
            vec!["1", "2", "n", "notice table `orders` is dropped; its topic `orders` is kept", "DROP TABLE", "I"],
        ),
    ] {
        client.parse("", sql, &[]).await;
        client.bind("", "", &[], [0, 0]).await;
        client.describe(b'P', "").await;
        client.execute("", 0).await;
        assert_eq!(client.sync().await, wanted, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_are_explained_to_whoever_prepares_the_statement() {
    let (_rig, mut client) = ten().await;
    client.parse("", "EXPLAIN SELECT amount FROM orders", &[]).await;
    client.bind("", "", &[], [0, 0]).await;
    client.describe(b'P', "").await;
    client.execute("", 0).await;
    let answer = client.sync().await;
    let simple = client.ask("EXPLAIN SELECT amount FROM orders").await;
    assert_eq!(answer[2..], simple, "{answer:?}");
    assert_eq!(simple[simple.len() - 2..], ["EXPLAIN", "I"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_become_part_of_a_statement_that_is_kept() {
    let (_rig, mut client) = ten().await;
    client.ask("CREATE TABLE copies (customer STRING, amount BIGINT) WITH ('format' = 'json')").await;
    client
        .parse("", "INSERT INTO copies SELECT customer, amount FROM orders WHERE amount > $1 AND customer <> $2", &[])
        .await;
    client.bind("", "", &[Some(b"8"), Some(b"it's")], [0, 0]).await;
    client.execute("", 0).await;
    let answer = client.sync().await;
    assert_eq!(answer[2..], ["notice statement `insert-into-copies-1` runs", "INSERT 0 0", "I"], "{answer:?}");
    let shown = client.ask("SHOW STATEMENTS").await;
    assert!(shown[1].contains("amount > CAST(8 AS BIGINT) AND customer <> 'it''s'"), "{shown:?}");
    client.parse("", "INSERT INTO copies SELECT customer, amount FROM orders WHERE amount > $1", &[701]).await;
    client.bind("", "", &[Some(b"8.5")], [0, 0]).await;
    client.execute("", 0).await;
    let answer = client.sync().await;
    assert_eq!(answer[2..], ["notice statement `insert-into-copies-2` runs", "INSERT 0 0", "I"], "{answer:?}");
    client.parse("", "INSERT INTO copies SELECT customer, amount FROM orders WHERE $1 IS NULL", &[1083]).await;
    client.bind("", "", &[Some(b"12:00:00")], [0, 0]).await;
    client.execute("", 0).await;
    let answer = client.sync().await;
    assert!(answer[2].starts_with("42000 no literal means the value of $1"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_many_types_are_inserted() {
    let (_rig, mut client) = ten().await;
    client
        .ask(
            "CREATE TABLE odds (yes BOOLEAN, small SMALLINT, single FLOAT, real DOUBLE, exact DECIMAL(10, 3), words STRING, \
             raw BYTES, `day` DATE, local_time TIMESTAMP(6), moment TIMESTAMP_LTZ(6)) WITH ('format' = 'json')",
        )
        .await;
    let types = [16, 21, 700, 701, 1700, 25, 17, 1082, 1114, 1184];
    client.parse("", "INSERT INTO odds VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)", &types).await;
    let values = [
        "t",
        "-7",
        "0.1",
        "-2.25e-300",
        "-12.340",
        "it's",
        "\\x00ff",
        "2024-02-29",
        "1969-12-31 23:59:59.999999",
        "2024-02-29 12:34:56.5+00",
    ];
    let values = values.map(|value| Some(value.as_bytes()));
    client.bind("", "", &values, [0, 0]).await;
    client.execute("", 0).await;
    let answer = client.sync().await;
    assert_eq!(answer[2..], ["INSERT 0 1", "I"], "{answer:?}");
    let answer = client.ask("SELECT * FROM odds").await;
    let wanted =
        "t|-7|0.1|-2.25e-300|-12.340|it's|\\x00ff|2024-02-29|1969-12-31 23:59:59.999999|2024-02-29 12:34:56.5+00";
    assert_eq!(answer[1], wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_inserted_at_once_are_counted() {
    let (_rig, mut client) = ten().await;
    client.ask("CREATE TABLE copies (customer STRING, amount BIGINT) WITH ('format' = 'json')").await;
    let answer = client.ask("INSERT INTO copies VALUES ('ada', 1), ('bob', 2), ('eve', NULL)").await;
    assert_eq!(answer, ["INSERT 0 3", "I"]);
    client.parse("", "INSERT INTO copies VALUES ($1, $2)", &[0, 20]).await;
    client.bind("", "", &[Some(b"zoe"), Some(b"9")], [0, 0]).await;
    client.execute("", 0).await;
    let answer = client.sync().await;
    assert_eq!(answer[2..], ["INSERT 0 1", "I"], "{answer:?}");
    let answer = client.ask("SELECT COUNT(*) AS n, SUM(amount) AS total FROM copies").await;
    assert!(answer.iter().any(|line| line.contains('4') && line.contains("12")), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_prepared_is_counted_and_taken_back() {
    let (_rig, mut client) = ten().await;
    for number in 0..1_000 {
        client.parse(&format!("s{number}"), "SELECT 1", &[]).await;
    }
    client.parse("one too many", "SELECT 1", &[]).await;
    let answer = client.sync().await;
    assert!(answer[1_000].starts_with("53000 "), "{}", answer[1_000]);
    client.parse("s5", "SELECT 1", &[]).await;
    assert!(client.sync().await[0].starts_with("42P05 "));
    assert_eq!(client.ask("DEALLOCATE s5").await, ["DEALLOCATE", "I"]);
    client.parse("s5", "SELECT 1", &[]).await;
    client.send(b'C', b"Ss6\0").await;
    assert_eq!(client.sync().await, ["1", "3", "I"]);
    assert_eq!(client.ask("DISCARD ALL").await, ["DISCARD ALL", "I"]);
    client.bind("", "s7", &[], [0, 0]).await;
    assert!(client.sync().await[0].starts_with("26000 "));
    client.parse("s7", "SELECT 1 AS a", &[]).await;
    client.sync().await;
    client.ask("SET application_name = 'me'; SET 'pipeline.name' = 'mine'").await;
    for what in ["PLANS", "SEQUENCES", "TEMP"] {
        assert_eq!(client.ask(&format!("DISCARD {what}")).await, [format!("DISCARD {what}"), "I".to_owned()]);
    }
    client.bind("", "s7", &[], [0, 0]).await;
    client.execute("", 0).await;
    assert_eq!(client.sync().await[1], "1");
    assert_eq!(client.ask("SHOW application_name").await[1], "me");
    assert!(client.ask("SET").await.contains(&"pipeline.name|mine".to_owned()));
    client.ask("DISCARD ALL").await;
    assert_eq!(client.ask("SHOW application_name").await[1], "");
    assert!(!client.ask("SET").await.contains(&"pipeline.name|mine".to_owned()));
}
