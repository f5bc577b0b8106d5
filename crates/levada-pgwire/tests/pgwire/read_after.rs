//! Who wrote something sees it in what they ask next.

use crate::rig::{ORDERS, Rig};
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread")]
async fn a_query_waits_for_a_record_that_is_still_to_come() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    client.ask(ORDERS).await;
    client.ask("SET levada.read_after = 'orders:0:1'").await;
    client.send(b'Q', b"SELECT COUNT(*) AS n FROM orders\0").await;
    rig.produce("orders", &[r#"{"amount":1}"#]).await;
    let early = tokio::time::timeout(Duration::from_millis(300), client.message()).await;
    assert!(early.is_err(), "{early:?}");
    rig.produce("orders", &[r#"{"amount":2}"#]).await;
    assert_eq!(client.answer().await[1], "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_setting_of_statements_is_obeyed_too() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    client.ask(ORDERS).await;
    rig.produce("orders", &[r#"{"amount":1}"#]).await;
    client.ask("SET 'sql.read-after' = 'orders:0:1'; SET 'sql.read-after.timeout' = '50 ms'").await;
    let error = client.refused("SELECT COUNT(*) AS n FROM orders").await;
    assert!(error.field(b'M').unwrap().contains("offset 1 of partition 0 of topic `orders`"), "{}", error.shown());
    client.ask("SET 'sql.read-after.timeout' = '1 min'").await;
    client.send(b'Q', b"SELECT COUNT(*) AS n FROM orders\0").await;
    rig.produce("orders", &[r#"{"amount":2}"#]).await;
    assert_eq!(client.answer().await[1], "2");
    // The connection's own comes first.
    client.ask("SET levada.read_after = 'orders:0:0'; SET 'sql.read-after' = 'orders:0:9999'").await;
    assert_eq!(client.ask("SELECT COUNT(*) AS n FROM orders").await[1], "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_statements_made_of_it_is_waited_for_through_all_of_them() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    client.ask(ORDERS).await;
    for table in ["a", "b"] {
        client.ask(&format!("CREATE TABLE {table} (customer STRING, amount BIGINT) WITH ('format' = 'json')")).await;
    }
    let totals = "CREATE TABLE totals (customer STRING, total BIGINT, PRIMARY KEY (customer) NOT ENFORCED) WITH \
                  ('connector' = 'upsert-kafka')";
    client.ask(totals).await;
    client.ask("INSERT INTO a SELECT customer, amount FROM orders").await;
    client.ask("INSERT INTO b SELECT customer, amount FROM a").await;
    client.ask("INSERT INTO totals SELECT customer, SUM(amount) AS total FROM b GROUP BY customer").await;
    for round in 0..20 {
        rig.produce("orders", &[r#"{"customer":"ada","amount":1}"#]).await;
        client.ask(&format!("SET levada.read_after = 'orders:0:{round}'")).await;
        assert_eq!(client.ask("SELECT total FROM totals").await[1], (round + 1).to_string(), "round {round}");
    }
    client.ask("STOP STATEMENT `insert-into-b-1`").await;
    rig.produce("orders", &[r#"{"customer":"ada","amount":1}"#]).await;
    client.ask("SET statement_timeout = 400; SET levada.read_after = 'orders:0:20'").await;
    let error = client.refused("SELECT total FROM totals").await;
    assert_eq!(error.field(b'C').unwrap(), "53000");
    // What is before the one that is stopped is there.
    assert_eq!(client.ask("SELECT COUNT(*) AS n FROM a").await[1], "21");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_comes_is_not_waited_for_longer_than_said() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    client.ask(ORDERS).await;
    client.ask("CREATE TABLE others (amount BIGINT) WITH ('format' = 'json')").await;
    client.ask("SET statement_timeout = '500ms'; SET levada.read_after = 'orders:0:7'").await;
    let begun = Instant::now();
    let error = client.refused("SELECT * FROM orders").await;
    assert!(error.field(b'M').unwrap().contains("offset 7 of partition 0 of topic `orders`"), "{}", error.shown());
    assert!(begun.elapsed() > Duration::from_millis(350), "{:?}", begun.elapsed());
    // Who asks for something else does not wait.
    assert_eq!(client.ask("SELECT COUNT(*) AS n FROM others").await[1], "0");
    client.ask("SET levada.read_after = 'orders:99:7'").await;
    assert!(client.refused("SELECT * FROM orders").await.field(b'M').unwrap().contains("no partition 99"));
    assert_eq!(client.refused("SET levada.read_after = 'orders'").await.field(b'C').unwrap(), "42000");
    client.ask("RESET levada.read_after").await;
    assert_eq!(client.ask("SELECT COUNT(*) AS n FROM orders").await[1], "0");
}
