//! The bank: debit and credit of a transfer go to two topics in one transaction, so that no answer ever sees only one.

use super::{
    rig::{Rig, START_MS, Teller},
    sql::{insert, query, run_with, surroundings, tables},
};
use levada_log::disk::sim::Fault;
use levada_model::{
    Outcome,
    record::{BatchBuilder, NewRecord},
};
use levada_sql::{Table, query::ReadAfter};
use std::{collections::BTreeMap, sync::Arc};

const TABLES: &str = "
    CREATE TABLE debits (amount BIGINT) WITH ('format' = 'json');
    CREATE TABLE credits (amount BIGINT) WITH ('format' = 'json');
    CREATE TABLE totals (k INT, credited BIGINT, balance BIGINT, PRIMARY KEY (k) NOT ENFORCED)
        WITH ('connector' = 'upsert-kafka', 'key.format' = 'json', 'value.format' = 'json');
    CREATE TABLE moves (credited BIGINT, debited BIGINT) WITH ('format' = 'json');";

const TOTALS: &str = "INSERT INTO totals
    SELECT 1 AS k, SUM(credit) AS credited, SUM(credit) - SUM(debit) AS balance
    FROM (SELECT amount AS credit, CAST(0 AS BIGINT) AS debit FROM credits
          UNION ALL SELECT CAST(0 AS BIGINT), amount FROM debits) AS moves";

const MOVES: &str = "INSERT INTO moves
    SELECT amount AS credited, CAST(0 AS BIGINT) AS debited FROM credits UNION ALL SELECT CAST(0 AS BIGINT), amount FROM debits";

async fn bank(rig: &Rig) -> BTreeMap<String, Arc<Table>> {
    for topic in ["debits", "credits"] {
        rig.create(topic, 3, &[]).await;
    }
    rig.create("totals", 1, &[]).await;
    rig.create("moves", 3, &[]).await;
    tables(TABLES)
}

async fn transfers(rig: &Rig, count: i64, first: i64) -> i64 {
    let mut teller = Teller::new(rig, "teller").await;
    let mut committed = 0;
    for number in first..first + count {
        let (from, to) = ((number % 3) as i32, (number / 3 % 3) as i32);
        let outcome = if number % 7 == 3 { Outcome::Abort } else { Outcome::Commit };
        teller.write("debits", from, &format!("{{\"amount\":{number}}}")).await;
        teller.write("credits", to, &format!("{{\"amount\":{number}}}")).await;
        teller.end(outcome).await;
        committed += if outcome == Outcome::Commit { number } else { 0 };
        tokio::task::yield_now().await;
    }
    committed
}

/// Keys and values, for partition 0.
pub(crate) async fn produce_keyed(rig: &Rig, topic: &str, records: &[(String, Option<String>)]) {
    let mut builder = BatchBuilder::new();
    for (key, value) in records {
        let (key, value) = (Some(key.as_bytes()), value.as_ref().map(String::as_bytes));
        builder.push(&NewRecord { timestamp: START_MS, key, value, headers: &[] });
    }
    rig.send(topic, 0, builder.finish(), None).await.unwrap();
}

fn number(json: &str, member: &str) -> i64 {
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    value[member].as_i64().unwrap_or_else(|| panic!("no {member} in {json}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_shows_half_of_a_transfer() {
    let rig = Rig::new();
    let tables = bank(&rig).await;
    let statement = insert("totals", &tables, TOTALS);
    let mut total = 0;
    let (run, progress) = run_with(&rig, &statement, async || total = transfers(&rig, 200, 1).await).await;
    run.unwrap();
    let rows = rig.rows("totals");
    assert!(rows.len() > 1, "epochs went by meanwhile: {progress:?}");
    assert!(rows.iter().all(|row| number(row, "balance") == 0), "{rows:?}");
    assert_eq!(number(rows.last().unwrap(), "credited"), total);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_before_a_power_cut_is_neither_lost_nor_written_twice() {
    let mut rig = Rig::new();
    let tables = bank(&rig).await;
    let moves = insert("moves", &tables, MOVES);
    let totals = insert("totals", &tables, TOTALS);
    let mut total = 0;
    for life in 0..6 {
        total += transfers(&rig, 20, 1 + 20 * life).await;
        // Half of the work of this life is done twice over by two statements, then the power goes.
        let (run, _) = run_with(&rig, &moves, async || total += transfers(&rig, 10, 1_000 + 10 * life).await).await;
        run.unwrap();
        let (run, progress) = run_with(&rig, &totals, async || {}).await;
        run.unwrap();
        assert!(progress.epochs > 0);
        rig = rig.power_cut(u64::try_from(life).unwrap());
    }
    for statement in [&moves, &totals] {
        let (run, progress) = run_with(&rig, statement, async || {}).await;
        run.unwrap();
        assert_eq!(progress.lag, 0);
    }
    let moves = rig.rows("moves");
    let sum = |member: &str| moves.iter().map(|row| number(row, member)).sum::<i64>();
    assert_eq!((sum("credited"), sum("debited")), (total, total));
    let totals = rig.rows("totals");
    assert!(totals.iter().all(|row| number(row, "balance") == 0), "{totals:?}");
    assert_eq!(number(totals.last().unwrap(), "credited"), total);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_goes_on_wherever_its_power_was_cut() {
    let mut interrupted = 0;
    for at in 0..40 {
        let rig = Rig::new();
        let tables = bank(&rig).await;
        let moves = insert("moves", &tables, MOVES);
        let total = transfers(&rig, 12, 1).await;
        // The disk dies at some call of the statement's, and the statement with it.
        rig.disk.fail_at(rig.disk.calls() + 3 * at, Fault::TornWrite);
        interrupted += i32::from(run_with(&rig, &moves, async || {}).await.0.is_err());
        let rig = rig.power_cut(at);
        let (run, _) = run_with(&rig, &moves, async || {}).await;
        run.unwrap();
        let rows = rig.rows("moves");
        let sum = |member: &str| rows.iter().map(|row| number(row, member)).sum::<i64>();
        assert_eq!((sum("credited"), sum("debited")), (total, total), "died at call {at}");
    }
    assert!(interrupted > 3, "{interrupted} of 40 were interrupted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_is_answered_as_of_now_in_the_order_that_it_asks_for() {
    let rig = Rig::new();
    let tables = bank(&rig).await;
    let total = transfers(&rig, 9, 1).await;
    let asked = query(&tables, "SELECT amount FROM credits WHERE amount > 2 ORDER BY amount DESC LIMIT 2");
    assert_eq!(asked.columns().unwrap()[0].of.to_string(), "BIGINT");
    let rows = asked.once(&surroundings(&rig), &mut ReadAfter::default()).await.unwrap();
    assert_eq!(rows.rows, [(1, r#"{"amount":9}"#.into()), (1, r#"{"amount":8}"#.into())]);
    let sum = query(&tables, "SELECT SUM(amount) AS s, COUNT(*) AS c FROM credits");
    let rows = sum.once(&surroundings(&rig), &mut ReadAfter::default()).await.unwrap();
    assert_eq!(rows.rows, [(1, format!("{{\"s\":{total},\"c\":8}}").into())]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_table_with_a_key_the_last_row_of_each_key_counts() {
    let rig = Rig::new();
    for topic in ["prices", "sums"] {
        rig.create(topic, 1, &[]).await;
    }
    let upsert = "WITH ('connector' = 'upsert-kafka', 'key.format' = 'json', 'value.format' = 'json')";
    let tables = tables(&format!(
        "CREATE TABLE prices (item STRING, price BIGINT, PRIMARY KEY (item) NOT ENFORCED) {upsert};
         CREATE TABLE sums (k INT, total BIGINT, items BIGINT, PRIMARY KEY (k) NOT ENFORCED) {upsert};"
    ));
    let price = |item: &str, price: Option<i64>| {
        let value = price.map(|price| format!("{{\"item\":\"{item}\",\"price\":{price}}}"));
        (format!("{{\"item\":\"{item}\"}}"), value)
    };
    let sum = insert("sums", &tables, "INSERT INTO sums SELECT 1, SUM(price), COUNT(*) FROM prices");
    let mut rows = Vec::new();
    for prices in [
        vec![price("a", Some(1)), price("b", Some(10)), price("a", Some(2))],
        vec![price("b", None), price("c", Some(5)), price("never", None)],
        vec![price("b", Some(100)), price("a", Some(2))],
    ] {
        produce_keyed(&rig, "prices", &prices).await;
        run_with(&rig, &sum, async || {}).await.0.unwrap();
        rows.push(rig.rows("sums").pop().unwrap());
    }
    let shown =
        [(12, 2), (7, 2), (107, 3)].map(|(total, items)| format!("{{\"k\":1,\"total\":{total},\"items\":{items}}}"));
    assert_eq!(rows, shown);
    let all = query(&tables, "SELECT item, price FROM prices ORDER BY item");
    let all = all.once(&surroundings(&rig), &mut ReadAfter::default()).await.unwrap();
    let row = |item: &str, price: i64| (1, format!("{{\"item\":\"{item}\",\"price\":{price}}}").into());
    assert_eq!(all.rows, [row("a", 2), row("b", 100), row("c", 5)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_watches_a_query_sees_each_epochs_net_change() {
    let rig = Rig::new();
    let tables = bank(&rig).await;
    let total = transfers(&rig, 5, 1).await;
    let watched = query(&tables, "SELECT SUM(amount) AS s FROM credits");
    let (stop, surroundings) = (levada_sql::statement::Stop::default(), surroundings(&rig));
    let mut seen = Vec::new();
    let mut take = |epoch: u64, rows: levada_sql::query::Rows| {
        seen.push((epoch, rows.rows));
        std::ops::ControlFlow::Break(())
    };
    watched.watch(&surroundings, &stop, &mut take).await.unwrap();
    assert_eq!(seen, [(1, vec![(1, format!("{{\"s\":{total}}}").into())])]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_a_table_does_not_take_stops_the_statement_and_says_why() {
    let rig = Rig::new();
    for topic in ["a", "b"] {
        rig.create(topic, 1, &[]).await;
    }
    let tables = tables(
        "CREATE TABLE a (n BIGINT) WITH ('format' = 'json'); CREATE TABLE b (n BIGINT NOT NULL) WITH ('format' = 'json')",
    );
    let copy = insert("copy", &tables, "INSERT INTO b SELECT n FROM a");
    rig.produce("a", 0, &["{\"n\":1}", "{\"n\":null}"]).await.unwrap();
    let error = run_with(&rig, &copy, async || {}).await.0.unwrap_err();
    assert_eq!(error.to_string(), "a row has NULL for `n`, which is NOT NULL in table `b`");
    assert!(rig.rows("b").is_empty(), "an epoch is written wholly or not at all");
    rig.create("c", 1, &[]).await;
    let tables = super::sql::tables(
        "CREATE TABLE c (n BIGINT) WITH ('format' = 'json'); CREATE TABLE b (n BIGINT NOT NULL) WITH ('format' = 'json')",
    );
    let copy = insert("copy-c", &tables, "INSERT INTO b SELECT COALESCE(n, 0) FROM c");
    rig.produce("c", 0, &["{\"n\":1}", "no json"]).await.unwrap();
    let error = run_with(&rig, &copy, async || {}).await.0.unwrap_err().to_string();
    assert!(error.starts_with("value of the record at offset 1 of partition 0 of table `c`"), "{error}");
    let select = "INSERT INTO b SELECT n, 1 FROM c";
    let error = run_with(&rig, &insert("wide", &tables, select), async || {}).await.0.unwrap_err();
    assert_eq!(error.to_string(), "the query gives 2 columns, and table `b` takes 1");
    let select = "INSERT INTO b SELECT SUM(n) FROM c";
    let error = run_with(&rig, &insert("sum", &tables, select), async || {}).await.0.unwrap_err().to_string();
    assert!(error.contains("'connector' = 'upsert-kafka' and a PRIMARY KEY"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_multiplies_rows_stops_at_its_limit() {
    let rig = Rig::new();
    let tables = bank(&rig).await;
    transfers(&rig, 60, 1).await;
    let asked =
        query(&tables, "SELECT a.amount, b.amount AS b, c.amount AS c FROM credits AS a, credits AS b, credits AS c");
    let small = levada_sql::statement::Surroundings { state_size_max: 200_000, ..surroundings(&rig) };
    let error = asked.once(&small, &mut ReadAfter::default()).await.unwrap_err().to_string();
    assert!(error.contains("sql.state.bytes.max") || error.contains("memory"), "{error}");
    assert!(asked.once(&surroundings(&rig), &mut ReadAfter::default()).await.unwrap().rows.len() > 100_000);
}

#[test]
fn a_table_that_cannot_be_read_is_not_declared() {
    for (options, why) in [
        (
            "'format' = 'avro-confluent', 'avro-confluent.url' = 'http://registry'",
            "tables use this server's schema registry: leave `avro-confluent.url` out",
        ),
        ("'connector' = 'upsert-kafka'", "needs a PRIMARY KEY"),
        ("'format' = 'json', 'topik' = 'x'", "there is no option `topik`"),
        ("'properties.bootstrap.servers' = 'x:9092'", "tables are topics of this broker"),
    ] {
        let sql = format!("CREATE TABLE t (a INT) WITH ({options})");
        let Ok(levada_sql_syntax::Parsed { statement: levada_sql_syntax::Statement::CreateTable(create), .. }) =
            levada_sql_syntax::parse_statement(&sql)
        else {
            panic!("{sql}")
        };
        let error = Table::declared(&create).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}
