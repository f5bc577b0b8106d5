//! `EXPLAIN` as it was looked at and found right. `LEVADA_GOLDEN=write` writes what there is.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use levada_sql::{
    Query, Statement, Table,
    statement::{LateRows, OnError},
};
use levada_sql_syntax as syntax;
use std::{collections::BTreeMap, path::Path, sync::Arc};

const TABLES: &str = "
    CREATE TABLE orders (id BIGINT, customer STRING, amount BIGINT, at TIMESTAMP(3),
        WATERMARK FOR at AS at - INTERVAL '2' SECOND) WITH ('format' = 'json');
    CREATE TABLE customers (name STRING, country STRING, PRIMARY KEY (name) NOT ENFORCED)
        WITH ('connector' = 'upsert-kafka');
    CREATE TABLE totals (customer STRING, total BIGINT, PRIMARY KEY (customer) NOT ENFORCED)
        WITH ('connector' = 'upsert-kafka');
    CREATE TABLE raises (customer STRING, rate INT, at TIMESTAMP(3), WATERMARK FOR at AS at) WITH ('format' = 'json');
    CREATE TABLE rates (customer STRING, rate INT, at TIMESTAMP(3), WATERMARK FOR at AS at,
        PRIMARY KEY (customer) NOT ENFORCED) WITH ('connector' = 'upsert-kafka');
    CREATE TABLE copies (id BIGINT, customer STRING) WITH ('format' = 'json');
    CREATE TABLE made (k INT, twice AS k * 2) WITH ('connector' = 'datagen');
    CREATE TABLE hole (k INT, n BIGINT) WITH ('connector' = 'blackhole');";

const EXPLAINED: &[&str] = &[
    "SELECT id FROM orders WHERE amount > 10 AND customer LIKE 'a%'",
    "INSERT INTO copies SELECT id, UPPER(customer) FROM orders",
    "SELECT customer, COUNT(*) AS n, SUM(amount) AS total FROM orders GROUP BY customer",
    "INSERT INTO totals SELECT customer, SUM(amount) FROM orders GROUP BY customer",
    "SELECT MAX(amount) AS most, COUNT(DISTINCT customer) FILTER (WHERE amount > 0) AS n FROM orders",
    "SELECT customer, MIN(amount) AS least, MAX(amount) AS most FROM orders GROUP BY customer",
    "SELECT MAX(total) AS most FROM (SELECT customer, SUM(amount) AS total FROM orders GROUP BY customer) AS t",
    "SELECT COUNT(*) AS n FROM orders",
    "SELECT DISTINCT customer FROM orders",
    "SELECT o.id, c.country FROM orders AS o JOIN customers AS c ON o.customer = c.name AND o.amount > 5",
    "SELECT a.id, b.id AS other FROM orders AS a LEFT JOIN orders AS b ON a.amount + 1 = b.amount AND a.id < b.id",
    "SELECT customer FROM orders WHERE EXISTS (SELECT 1 FROM customers WHERE name = customer)",
    "SELECT customer FROM orders UNION ALL SELECT name FROM customers",
    "SELECT customer FROM orders INTERSECT SELECT name FROM customers",
    "SELECT customer, id FROM (SELECT customer, id, ROW_NUMBER() OVER (PARTITION BY customer ORDER BY amount DESC) AS n
     FROM orders) AS t WHERE n <= 3",
    "SELECT name, n FROM (SELECT name, ROW_NUMBER() OVER (ORDER BY country) AS n FROM customers) AS t WHERE n = 1",
    "SELECT window_end, customer, SUM(amount) AS total
     FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(at), INTERVAL '10' SECONDS)) GROUP BY window_start, window_end, customer",
    "SELECT window_end, id FROM (SELECT window_end, id,
     ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY amount) AS n
     FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(at), INTERVAL '10' SECONDS))) AS t WHERE n <= 2",
    "SELECT window_end, customer, COUNT(*) AS n
     FROM TABLE(HOP(TABLE orders, DESCRIPTOR(at), INTERVAL '5' SECONDS, INTERVAL '10' SECONDS))
     GROUP BY window_start, window_end, customer",
    "WITH counts AS (SELECT customer, COUNT(*) AS n FROM orders GROUP BY customer)
     SELECT customer FROM counts JOIN (SELECT MAX(n) AS most FROM counts) AS m ON n = most",
    "INSERT INTO hole SELECT MOD(twice, 3), COUNT(*) FROM made GROUP BY MOD(twice, 3)",
    "SELECT customer, window_end, COUNT(*) AS n
     FROM TABLE(SESSION(TABLE orders PARTITION BY customer, DESCRIPTOR(at), INTERVAL '5' SECOND))
     GROUP BY customer, window_start, window_end",
    "SELECT o.id, r.rate FROM orders AS o JOIN raises AS r
     ON o.customer = r.customer AND r.at BETWEEN o.at - INTERVAL '1' SECOND AND o.at + INTERVAL '5' SECOND",
    "SELECT o.id, r.rate FROM orders AS o LEFT JOIN rates FOR SYSTEM_TIME AS OF o.at AS r ON o.customer = r.customer",
    "SELECT o.window_end, o.n, r.n AS raises
     FROM (SELECT window_start, window_end, COUNT(*) AS n
           FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(at), INTERVAL '10' SECOND))
           GROUP BY window_start, window_end) AS o
     JOIN (SELECT window_start, window_end, COUNT(*) AS n
           FROM TABLE(TUMBLE(TABLE raises, DESCRIPTOR(at), INTERVAL '10' SECOND))
           GROUP BY window_start, window_end) AS r
     ON o.window_start = r.window_start AND o.window_end = r.window_end",
    "SELECT window_end, MAX(rate) AS most FROM TABLE(TUMBLE(TABLE rates, DESCRIPTOR(at), INTERVAL '10' SECOND))
     GROUP BY window_start, window_end",
    "SELECT customer, window_end, COUNT(*) AS n
     FROM TABLE(SESSION(TABLE rates PARTITION BY customer, DESCRIPTOR(at), INTERVAL '5' SECOND))
     GROUP BY customer, window_start, window_end",
    "SELECT a.rate, b.rate AS other FROM rates AS a JOIN rates FOR SYSTEM_TIME AS OF a.at AS b ON a.customer = b.customer",
];

fn tables() -> BTreeMap<String, Arc<Table>> {
    let declared = |parsed: syntax::Parsed| {
        let syntax::Statement::CreateTable(create) = parsed.statement else { panic!("no table: {}", parsed.text) };
        let table = Table::declared(&create).unwrap();
        (table.name.clone(), Arc::new(table))
    };
    syntax::parse_script(TABLES).unwrap().into_iter().map(declared).collect()
}

fn explained(sql: &str) -> Vec<String> {
    let tables = tables();
    let lines = match syntax::parse_statement(sql).unwrap().statement {
        syntax::Statement::Query(query) => Query { query, tables }.explain(),
        syntax::Statement::Insert(insert) => {
            let sink = Arc::clone(&tables[&insert.table.to_string()]);
            let (columns, on_error) = (Vec::new(), OnError::default());
            Statement {
                name: "s".to_owned(),
                query: insert.query,
                columns,
                tables,
                sink,
                on_error,
                writers: Default::default(),
                late_rows: LateRows::default(),
                view: None,
            }
            .explain()
        }
        other => panic!("{other}"),
    };
    lines.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

#[test]
fn explanations_are_those_that_were_found_right() {
    let text = |sql: &&str| format!("{sql}\n\n{}\n", explained(sql).join("\n"));
    let found = EXPLAINED.iter().map(text).collect::<Vec<_>>().join("\n----\n\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/explain/plans.txt");
    if std::env::var("LEVADA_GOLDEN").is_ok_and(|value| value == "write") {
        std::fs::write(&path, &found).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    for (found, golden) in found.split("----").zip(golden.split("----")) {
        assert_eq!(found, golden);
    }
    assert_eq!(found, golden);
}
