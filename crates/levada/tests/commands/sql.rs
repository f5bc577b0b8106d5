//! SQL at the command line, and statements that go on after the server dies.

use crate::broker::{Broker, lines};

const TABLES: &str = "CREATE TABLE orders (customer STRING, amount BIGINT) WITH ('format' = 'json');
CREATE TABLE large (customer STRING, amount BIGINT) WITH ('format' = 'json');
INSERT INTO large SELECT customer, amount FROM orders WHERE amount >= 10;";
const BATCH: &str = "SET 'execution.runtime-mode' = 'batch';";

fn orders(numbers: std::ops::Range<i64>) -> String {
    numbers.map(|number| format!("{{\"customer\":\"c{}\",\"amount\":{number}}}\n", number % 3)).collect()
}

#[test]
fn an_insert_goes_on_after_the_server_was_killed() {
    let mut broker = Broker::start(&[]);
    let said = broker.run(&["sql", "-e", TABLES]);
    let expected = [
        "table `orders` is created, and its topic `orders`",
        "table `large` is created, and its topic `large`",
        "statement `insert-into-large-1` runs",
    ];
    assert_eq!(lines(&said), expected);
    broker.feed(&["produce", "orders"], orders(0..20).as_bytes());
    let count = |broker: &Broker| {
        let sql = format!("{BATCH} SELECT COUNT(*) AS n FROM large");
        let said = broker.run(&["sql", "--output", "json", "-e", &sql]);
        let row: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        row["n"].as_i64().unwrap()
    };
    let wait = |broker: &Broker, expected: i64| {
        for _ in 0..300 {
            if count(broker) == expected {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("`large` has {} rows after 30 s, not {expected}", count(broker));
    };
    wait(&broker, 10);
    broker.kill();
    broker.start_again();
    broker.feed(&["produce", "orders"], orders(20..40).as_bytes());
    wait(&broker, 30);
    broker.stop();
    broker.start_again();
    broker.feed(&["produce", "orders"], orders(40..41).as_bytes());
    wait(&broker, 31);
    let sql = format!("{BATCH} SELECT customer, SUM(amount) AS total FROM large GROUP BY customer ORDER BY customer");
    let csv = broker.run(&["sql", "--output", "csv", "-e", &sql]);
    let sum = |rest: i64| (10..41).filter(|number| number % 3 == rest).sum::<i64>();
    assert_eq!(csv, format!("customer,total\nc0,{}\nc1,{}\nc2,{}\n", sum(0), sum(1), sum(2)));
    let said = broker.run(&["sql", "-e", "INSERT INTO large VALUES ('c9', 5), ('c9', 6)"]);
    assert_eq!(lines(&said), ["2 rows are inserted into `large`"]);
    broker.kill();
    broker.start_again();
    wait(&broker, 33);
    broker.run(&["sql", "-e", "DROP STATEMENT `insert-into-large-1`; DROP TABLE large"]);
    assert!(broker.run(&["sql", "-e", "SHOW STATEMENTS"]).starts_with("statement name"));
}

#[test]
fn a_query_is_watched_for_a_while_and_errors_point_at_their_place() {
    let broker = Broker::start(&[]);
    broker.run(&["sql", "-e", "CREATE TABLE orders (customer STRING, amount BIGINT) WITH ('format' = 'json')"]);
    broker.feed(&["produce", "orders"], orders(0..4).as_bytes());
    let sql = "SELECT customer, SUM(amount) AS total FROM orders GROUP BY customer HAVING SUM(amount) > 1";
    let said = broker.run(&["sql", "--timeout", "3s", "-e", sql]);
    let mut shown = lines(&said);
    shown.sort_unstable();
    assert_eq!(shown, ["+I\tc0\t3", "+I\tc2\t2", "op\tcustomer\ttotal"]);
    let said = broker.run(&["sql", "-e", "EXPLAIN SELECT customer, COUNT(*) FROM orders GROUP BY customer"]);
    for line in
        ["== Optimized Physical Plan ==", "TableSourceScan(table=[orders], fields=[customer], changelogMode=[I])"]
    {
        assert!(said.contains(line), "{said}");
    }
    let said = broker.fails(&["sql", "-e", "SHOW TABLES;\nSELECT * FROM ordrs"]);
    let expected = "error: there is no table `ordrs`\n  2 | SELECT * FROM ordrs\n    |               ^\n  did you mean `orders`?\n";
    assert_eq!(said, expected);
    let said = broker.fails(&["sql", "-e", "SELEC 1"]);
    assert!(said.contains("1 | SELEC 1\n    | ^"), "{said}");
    let said = broker.fails(&["sql", "--server", "127.0.0.1:1", "-e", "SHOW TABLES"]);
    assert!(said.contains("`levada serve` starts it"), "{said}");
}

#[test]
fn a_topic_is_read_by_its_schemas_and_written_by_one_of_its_own() {
    const FIRST: &str = r#"{"type":"record","name":"Order","fields":[{"name":"customer","type":"string"},{"name":"amount","type":"long"}]}"#;
    const SECOND: &str = r#"{"type":"record","name":"Order","fields":[{"name":"customer","type":"string"},{"name":"amount","type":"long"},{"name":"note","type":["null","string"],"default":null}]}"#;
    let (mut broker, files) = (Broker::start(&[]), tempfile::TempDir::new().unwrap());
    let register = |broker: &Broker, text: &str| {
        let file = files.path().join("order.avsc");
        std::fs::write(&file, text).unwrap();
        broker.run(&["schema", "register", "orders-value", file.to_str().unwrap()]);
    };
    let produce = |broker: &Broker, record: &str| {
        broker.feed(&["produce", "orders", "--value-format", "avro"], format!("{record}\n").as_bytes());
    };
    let rows = |broker: &Broker, sql: &str| {
        let said = broker.run(&["sql", "--output", "csv", "-e", &format!("{BATCH} {sql}")]);
        said.split_once('\n').unwrap().1.to_owned()
    };
    register(&broker, FIRST);
    produce(&broker, r#"{"customer":"ada","amount":3}"#);
    assert_eq!(rows(&broker, "SELECT customer, amount FROM orders"), "ada,3\n");
    broker.run(&[
        "sql",
        "-e",
        "CREATE TABLE totals (customer STRING, total BIGINT, PRIMARY KEY (customer) NOT ENFORCED)
           WITH ('connector' = 'upsert-kafka', 'format' = 'avro-confluent');
         INSERT INTO totals SELECT customer, SUM(amount) FROM orders GROUP BY customer",
    ]);
    let schema = broker.run(&["schema", "get", "totals-value"]);
    assert!(schema.contains("\"name\": \"total\""), "{schema}");
    broker.wait_for_records("totals", 1);
    register(&broker, SECOND);
    broker.kill();
    broker.start_again();
    produce(&broker, r#"{"customer":"ada","amount":4,"note":{"string":"more"}}"#);
    broker.wait_for_records("totals", 2);
    broker.stop();
    broker.start_again();
    produce(&broker, r#"{"customer":"bob","amount":5,"note":null}"#);
    broker.wait_for_records("totals", 3);
    let notes = rows(&broker, "SELECT customer, amount, note FROM orders ORDER BY amount");
    assert_eq!(notes, "ada,3,\nada,4,more\nbob,5,\n");
    assert_eq!(rows(&broker, "SELECT customer, total FROM totals ORDER BY customer"), "ada,7\nbob,5\n");
    let consumed = broker.run(&["consume", "totals", "--from-beginning", "--exit-at-end", "--value-format", "avro"]);
    let mut consumed = lines(&consumed);
    consumed.sort_unstable();
    let row =
        |customer: &str, total: i64| format!(r#"{{"customer":{{"string":"{customer}"}},"total":{{"long":{total}}}}}"#);
    assert_eq!(consumed, [row("ada", 3), row("ada", 7), row("bob", 5)]);
    let listed = broker.run(&["schema", "list", "--versions"]);
    assert_eq!(lines(&listed).iter().filter(|line| line.starts_with("totals-value")).count(), 1, "{listed}");
}
