//! What ends a statement before its time, and what one connection may keep from others.

use crate::rig::{Client, ORDERS, Rig};
use std::time::Duration;
use tokio::time::timeout;

/// Queries that are asked at once.
const ROOMS: usize = 64;

/// A query that waits for a record that never comes.
async fn waiting(rig: &Rig) -> Client {
    let mut client = rig.client().await;
    client.ask("SET statement_timeout = '10 min'; SET levada.read_after = 'orders:0:999999'").await;
    client.send(b'Q', b"SELECT COUNT(*) AS n FROM orders\0").await;
    client
}

/// What is said first to any of them.
async fn first(clients: &mut [Client]) -> String {
    loop {
        for client in &mut *clients {
            if let Ok(message) = timeout(Duration::from_millis(5), client.message()).await {
                return message.unwrap().shown();
            }
        }
    }
}

/// Asks until the answer begins like that.
async fn until(client: &mut Client, sql: &str, wanted: &str) {
    while !client.ask(sql).await.iter().any(|line| line.starts_with(wanted)) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_end_with_their_clients() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    client.ask(ORDERS).await;
    for is_pipelined in [false, true] {
        let mut others = Vec::new();
        for _ in 0..=ROOMS {
            let mut other = waiting(&rig).await;
            if is_pipelined {
                // More than is taken in while a query runs.
                other.send(b'Q', &[&b"SELECT 1 -- "[..], &[b'x'; 100 << 10], &[0]].concat()).await;
            }
            others.push(other);
        }
        assert!(first(&mut others).await.starts_with("53000 "));
        assert!(client.refused("SELECT 1 AS a").await.shown().starts_with("53000 "));
        drop(others);
        until(&mut client, "SELECT 1 AS a", "SELECT 1").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_a_query_runs_is_answered_behind_it() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    client.ask(ORDERS).await;
    client.ask("SET levada.read_after = 'orders:0:0'").await;
    client.send(b'Q', b"SELECT COUNT(*) AS n FROM orders\0").await;
    client.send(b'Q', b"SHOW TABLES\0").await;
    let mut other = rig.client().await;
    assert_eq!(other.ask("SELECT 1 AS a").await[1], "1");
    rig.produce("orders", &[r#"{"amount":1}"#]).await;
    assert_eq!(client.answer().await, ["n:20:0", "1", "SELECT 1", "I"]);
    assert_eq!(client.answer().await, ["table name:25:0", "orders", "SHOW", "I"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_whose_rows_are_being_sent_is_cancelled() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    client.ask(ORDERS).await;
    let row = format!(r#"{{"customer":"{}","amount":1}}"#, "x".repeat(60));
    rig.produce("orders", &vec![row.as_str(); 500]).await;
    client.send(b'Q', b"SELECT a.customer AS a, b.customer AS b FROM orders a, orders b\0").await;
    // More than the network holds is still to be sent.
    assert_eq!(client.message().await.unwrap().tag, b'T');
    let key = client.key.clone();
    rig.stranger().await.cancel(&key).await;
    let answer = client.answer().await;
    let [.., error, ready] = answer.as_slice() else { panic!("no answer") };
    assert!(error.starts_with("57014 ") && ready == "I", "{error}");
    assert!(answer.len() < 250_000, "{}", answer.len());
    assert_eq!(client.ask("SELECT 1 AS a").await[1], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_rows_arrive_whole() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    client.ask(ORDERS).await;
    let texts: Vec<String> = (0..20).map(|number| number.to_string().repeat(40 << 10)).collect();
    let rows: Vec<String> = texts.iter().map(|text| format!(r#"{{"customer":"{text}","amount":1}}"#)).collect();
    for some in rows.chunks(5) {
        rig.produce("orders", &some.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    let answer = client.ask("SELECT customer FROM orders").await;
    assert!(answer[1..21] == texts);
    assert_eq!(answer[21..], ["SELECT 20", "I"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_keeps_few_answers() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    client.ask("BEGIN").await;
    client.parse("s", "SELECT oid FROM pg_type", &[]).await;
    for number in 0..8 {
        client.bind(&number.to_string(), "s", &[], [0, 0]).await;
        client.execute(&number.to_string(), 1).await;
    }
    assert_eq!(client.sync().await.last().unwrap(), "T");
    client.bind("more", "s", &[], [0, 0]).await;
    client.execute("more", 1).await;
    let answer = client.sync().await;
    assert!(answer[1].starts_with("53000 rows of 8 portals"), "{answer:?}");
    client.ask("ROLLBACK").await;
    client.bind("", "s", &[], [0, 0]).await;
    client.execute("", 1).await;
    assert_eq!(client.sync().await[2], "s");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_connection_keeps_is_bounded() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    for sql in ["SELECT $65535", "SELECT $2 AS a FROM pg_am", "INSERT INTO t SELECT $3"] {
        client.parse("", sql, &[]).await;
        let answer = client.sync().await;
        assert!(answer[0].starts_with("42P18 "), "{sql}: {answer:?}");
    }
    client.parse("", "SELECT CAST($2 AS INT) AS a", &[25]).await;
    assert_eq!(client.sync().await, ["1", "I"]);
    client.parse("s", "SELECT CAST($1 AS STRING) AS a", &[25]).await;
    let large = vec![b'x'; 15 << 20];
    for number in 0..5 {
        client.bind(&number.to_string(), "s", &[Some(&large)], [0, 0]).await;
    }
    let answer = client.sync().await;
    assert_eq!(answer[..5], ["1", "2", "2", "2", "2"]);
    assert!(answer[5].starts_with("53000 "), "{}", answer[5]);
    // They are given back.
    client.bind("", "s", &[Some(b"x")], [0, 0]).await;
    client.execute("", 0).await;
    assert_eq!(client.sync().await[1], "x");
    let text = format!("SELECT '{}' AS a", "x".repeat(1_000 << 10));
    let mut refused = None;
    for number in 0..50 {
        client.parse(&format!("t{number}"), &text, &[]).await;
        let answer = client.sync().await;
        if answer[0] != "1" {
            refused = Some(answer[0].clone());
            break;
        }
    }
    assert!(refused.unwrap().starts_with("53000 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_query_of_the_catalog_ends_the_server() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    for link in ["+1", "::text", " COLLATE \"C\"", " AT TIME ZONE 'UTC'", "=1"] {
        let error = client.refused(&format!("SELECT 1{} FROM pg_am", link.repeat(2_000))).await;
        assert!(error.field(b'M').unwrap().contains("than"), "{link}: {}", error.shown());
        let sql = format!("SELECT 1{} FROM pg_am", link.repeat(20_000));
        client.parse("", &sql, &[]).await;
        assert!(client.sync().await[0].contains("than"), "{link}");
    }
    let deepest = format!("SELECT {}1{}{} AS a FROM pg_am", "(".repeat(60), ")".repeat(60), "+1".repeat(180));
    let answer = client.ask(&deepest).await;
    assert_eq!(answer[1], "181", "{answer:?}");
    let error = client.refused("SELECT repeat('x', 1000000000) FROM pg_am").await;
    assert_eq!(error.field(b'C').unwrap(), "0A000");
    assert!(error.field(b'M').unwrap().contains("`repeat`"), "{}", error.shown());
    client.parse("", "SELECT $99999999999 FROM pg_am", &[]).await;
    assert!(client.sync().await[0].starts_with("0A000 "));
    assert_eq!(client.ask("SELECT 1 AS a").await[1], "1");
}
