//! The simple way to ask, settings, transactions, and how connections begin and end.

use crate::rig::{ORDERS, Rig};

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_answered_statement_by_statement() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let made = "notice table `orders` is created, and its topic `orders`";
    assert_eq!(client.ask(ORDERS).await, [made, "CREATE TABLE", "I"]);
    rig.produce("orders", &[r#"{"customer":"ada","amount":3}"#, r#"{"customer":null,"amount":4}"#]).await;
    let answer = client.ask("SELECT \"customer\", amount FROM \"orders\" ORDER BY amount; SHOW TABLES;").await;
    let first = ["customer:25:0 amount:20:0", "ada|3", "-|4", "SELECT 2"];
    assert_eq!(answer[..4], first);
    assert_eq!(answer[4..], ["table name:25:0", "orders", "SHOW", "I"]);
    assert_eq!(client.ask(" -- nothing\n;").await, ["I", "I"]);
    let answer = client.ask("SELECT 1 AS a; SELECT b FROM orders; SELECT 2").await;
    assert_eq!(answer[..3], ["a:23:0", "1", "SELECT 1"]);
    assert!(answer[3].starts_with("42703 ") && answer[4] == "I", "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_a_number_a_place_and_a_hint() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    client.ask(ORDERS).await;
    let refused = async |client: &mut crate::rig::Client, sql: &str| {
        let error = client.refused(sql).await;
        let field = |field| error.field(field).unwrap_or_default();
        (field(b'S'), field(b'C'), field(b'P'), field(b'H'))
    };
    let error = refused(&mut client, "SELECT 1;\nSELECT 'é', amount FROM odrers").await;
    let wanted = ("ERROR", "42P01", "35", "did you mean `orders`?");
    assert_eq!((error.0.as_str(), error.1.as_str(), error.2.as_str(), error.3.as_str()), wanted);
    let error = refused(&mut client, "SELECT amount FROM orders WHERE").await;
    assert_eq!((error.1.as_str(), error.2.as_str()), ("42601", "32"));
    for (sql, code) in [
        (ORDERS, "42P07"),
        ("UPDATE orders SET amount = 1", "0A000"),
        ("SELECT 'x", "42601"),
        ("SELECT $1", "42703"),
        ("DROP VIEW nothing", "42P01"),
        ("SELECT * FROM pg_catalog.nothing", "42000"),
        ("SET nothing = 1", "42704"),
        ("SET client_encoding = 'LATIN1'", "22023"),
    ] {
        assert_eq!(client.refused(sql).await.field(b'C').unwrap(), code, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_only_reads_and_ends_with_its_first_error() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    assert_eq!(client.ask("BEGIN").await, ["BEGIN", "T"]);
    assert_eq!(client.ask("SELECT 1 AS a").await.last().unwrap(), "T");
    let answer = client.ask(ORDERS).await;
    assert!(answer[0].starts_with("25001 ") && answer[1] == "E", "{answer:?}");
    let answer = client.ask("SELECT 1").await;
    assert!(answer[0].starts_with("25P02 ") && answer[1] == "E", "{answer:?}");
    assert_eq!(client.ask("COMMIT").await, ["ROLLBACK", "I"]);
    assert_eq!(client.ask("SHOW TABLES").await, ["table name:25:0", "SHOW", "I"]);
    client.ask("BEGIN; SAVEPOINT a").await;
    assert_eq!(client.ask("SELECT nothing").await.last().unwrap(), "E");
    assert_eq!(client.ask("ROLLBACK TO SAVEPOINT a").await, ["ROLLBACK", "T"]);
    assert_eq!(client.ask("COMMIT").await, ["COMMIT", "I"]);
    assert_eq!(client.ask("COMMIT").await, ["notice no transaction is open", "COMMIT", "I"]);
    assert!(client.refused("BEGIN ISOLATION LEVEL REPEATABLE READ").await.field(b'H').is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_transaction_would_not_keep_is_refused() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    for begin in ["BEGIN READ ONLY", "START TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE"] {
        assert_eq!(client.ask(begin).await, ["BEGIN", "T"]);
        assert_eq!(client.ask("COMMIT AND NO CHAIN").await, ["COMMIT", "I"]);
    }
    for (sql, code) in [
        ("COMMIT AND CHAIN", "0A000"),
        ("ROLLBACK PREPARED 'x'", "0A000"),
        ("BEGIN IMMEDIATE", "42601"),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE", "0A000"),
    ] {
        assert_eq!(client.refused(sql).await.field(b'C').unwrap(), code, "{sql}");
    }
    assert_eq!(client.ask("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY").await, ["S", "SET", "I"]);
    assert_eq!(client.refused(ORDERS).await.field(b'C').unwrap(), "25006");
    assert_eq!(client.ask("SHOW TABLES").await, ["table name:25:0", "SHOW", "I"]);
    client.ask("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE").await;
    assert_eq!(client.ask(ORDERS).await[1], "CREATE TABLE");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_shown_told_and_taken_back() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    assert_eq!(client.ask("SHOW server_version").await[1], "15.0 (Levada 0)");
    assert_eq!(client.ask("SHOW TRANSACTION ISOLATION LEVEL").await[1], "read committed");
    // The client is told before the statement is done.
    assert_eq!(client.ask("SET application_name TO 'me'").await, ["S", "SET", "I"]);
    assert_eq!(client.ask("SHOW application_name").await[1], "me");
    assert_eq!(client.ask("RESET ALL").await, ["S", "RESET", "I"]);
    assert_eq!(client.ask("SHOW application_name").await[1], "");
    let version = client.ask("SELECT version(), current_user, current_database()").await;
    assert_eq!(version[1], "PostgreSQL 15.0 (Levada 0)|ann|levada");
    client.ask("SET client_min_messages = warning").await;
    assert_eq!(client.ask(ORDERS).await, ["CREATE TABLE", "I"]);
    client.ask("SET 'pipeline.name' = 'copy'").await;
    client.ask("CREATE TABLE copies (customer STRING) WITH ('format' = 'json')").await;
    client.ask("INSERT INTO copies SELECT customer FROM orders").await;
    assert!(client.ask("SHOW STATEMENTS").await[1].starts_with("copy|running|0|"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_begins_after_its_wishes_are_declined() {
    let rig = Rig::new().await;
    let mut client = rig.stranger().await;
    for wish in [80_877_104_i32, 80_877_103] {
        client.bytes(&[&8_i32.to_be_bytes()[..], &wish.to_be_bytes()].concat()).await;
        assert_eq!(client.byte().await, b'N');
    }
    client.startup(&[("user", "ann"), ("options", "-c statement_timeout=5s --application-name=x")]).await;
    client.until_ready().await;
    assert_eq!(client.ask("SHOW statement_timeout").await[1], "5s");
    assert_eq!(client.ask("SELECT current_database()").await[1], "ann");
    for (pairs, code) in [
        (vec![("database", "x")], "28000"),
        (vec![("user", "ann"), ("nothing", "x")], "42704"),
        (vec![("user", "ann"), ("replication", "true")], "0A000"),
    ] {
        let mut other = rig.stranger().await;
        other.startup(&pairs).await;
        let error = other.message().await.unwrap();
        assert_eq!((error.field(b'S').unwrap().as_str(), error.field(b'C').unwrap().as_str()), ("FATAL", code));
        assert_eq!(other.message().await, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_cancelled_by_whoever_knows_the_secret() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    client.ask(ORDERS).await;
    let rows = vec![r#"{"customer":"a","amount":1}"#; 3_000];
    rig.produce("orders", &rows).await;
    let endless = "SELECT COUNT(*) FROM orders a, orders b, orders c WHERE a.amount + b.amount > c.amount";
    client.send(b'Q', &[endless.as_bytes(), &[0]].concat()).await;
    let mut guess = client.key.clone();
    guess[7] ^= 1;
    let request = |key: &[u8]| [&16_i32.to_be_bytes()[..], &80_877_102_i32.to_be_bytes(), key].concat();
    for (key, is_right) in [(guess, false), (client.key.clone(), true)] {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        let mut other = rig.stranger().await;
        other.bytes(&request(&key)).await;
        assert_eq!(other.message().await, None);
        if !is_right {
            let answer = tokio::time::timeout(std::time::Duration::from_millis(200), client.message()).await;
            assert!(answer.is_err(), "{answer:?}");
        }
    }
    let answer = client.answer().await;
    assert!(answer[0].starts_with("57014 ") && answer[1] == "I", "{answer:?}");
    client.ask("SET statement_timeout = 200").await;
    assert_eq!(client.refused(endless).await.field(b'C').unwrap(), "57014");
    assert_eq!(client.ask("SELECT 1 AS a").await[1], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn psqls_questions_are_answered() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    client.ask(ORDERS).await;
    client.ask("CREATE VIEW large AS SELECT customer FROM orders WHERE amount > 9").await;
    rig.base.create("raw", 1, &[]).await;
    let list = "SELECT n.nspname as \"Schema\", c.relname as \"Name\", CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN \
                'view' END as \"Type\" FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = \
                c.relnamespace WHERE c.relkind IN ('r','v') AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1,2";
    let answer = client.ask(list).await;
    assert_eq!(answer[0], "Schema:25:0 Name:25:0 Type:25:0");
    assert_eq!(answer[1..5], ["public|large|view", "public|orders|table", "public|raw|table", "SELECT 3"]);
    let columns = "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute a \
                   WHERE a.attrelid = 'raw'::regclass AND a.attnum > 0 ORDER BY a.attnum";
    let answer = client.ask(columns).await;
    assert_eq!(answer[1..3], ["key|bytea", "val|bytea"]);
    let large = columns.replace("raw", "large");
    assert_eq!(client.ask(&large).await[1..3], ["customer|text", "SELECT 1"]);
    client.ask("DROP VIEW large; CREATE VIEW large AS SELECT amount, customer FROM orders").await;
    assert_eq!(client.ask(&large).await[1..3], ["amount|bigint", "customer|text"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_told_of_the_end() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    rig.service.close().await;
    let error = client.message().await.unwrap();
    assert_eq!((error.field(b'S').unwrap().as_str(), error.field(b'C').unwrap().as_str()), ("FATAL", "57P01"));
    assert_eq!(client.message().await, None);
}
