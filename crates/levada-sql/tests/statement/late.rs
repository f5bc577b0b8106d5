//! Rows that come too late, and where they go.

use super::{
    bank::produce_keyed,
    made::run_until,
    poison::records,
    rig::Rig,
    sql::{insert, run_with, surroundings, tables},
};
use levada_sql::{
    Statement, StatementError,
    dataflow::RunError,
    statement::{LateRows, Progress, Stop, Surroundings},
};
use tokio::sync::watch;

const TABLES: &str = "
    CREATE TABLE a (id BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at) WITH ('format' = 'json');
    CREATE TABLE b (id BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at) WITH ('format' = 'json');
    CREATE TABLE v (id BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at, PRIMARY KEY (id) NOT ENFORCED)
        WITH ('connector' = 'upsert-kafka', 'key.format' = 'json', 'value.format' = 'json');
    CREATE TABLE gone (id BIGINT) WITH ('connector' = 'blackhole');
    CREATE TABLE counts (id BIGINT, n BIGINT) WITH ('format' = 'json');";

const COUNTS: &str = "INSERT INTO counts SELECT id, COUNT(*) AS n
    FROM TABLE(TUMBLE(TABLE a, DESCRIPTOR(at), INTERVAL '10' SECONDS)) GROUP BY window_start, window_end, id";

fn row(id: u32, second: u32) -> String {
    format!("{{\"id\":{id},\"at\":\"2026-01-01 00:00:{second:02}\"}}")
}

async fn rig() -> Rig {
    let rig = Rig::new();
    for topic in ["a", "b", "counts", "late"] {
        rig.create(topic, 1, &[]).await;
    }
    rig.create("v", 1, &[("cleanup.policy", "compact")]).await;
    rig
}

fn with_topic(name: &str, sql: &str) -> Statement {
    Statement { late_rows: LateRows::Topic("late".to_owned()), ..insert(name, &tables(TABLES), sql) }
}

/// 2026-01-01 00:00:40 in milliseconds since 1970.
const WATERMARK: &str = "1767225640000";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_are_too_late_for_whatever_waits_are_written_with_what_they_were_too_late_for() {
    let tumbled = "FROM TABLE(TUMBLE(TABLE a, DESCRIPTOR(at), INTERVAL '10' SECONDS))";
    let queries = [
        (format!("SELECT id {tumbled} GROUP BY window_start, window_end, id"), "WindowAggregate(groupBy=[", "a"),
        (
            "SELECT id FROM TABLE(SESSION(TABLE a PARTITION BY id, DESCRIPTOR(at), INTERVAL '5' SECONDS))
             GROUP BY id, window_start, window_end"
                .to_owned(),
            "SessionWindow(",
            "a",
        ),
        (
            format!(
                "SELECT id FROM (SELECT id, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY at) AS n
                 {tumbled}) WHERE n <= 1"
            ),
            "WindowRank(",
            "a",
        ),
        (
            format!(
                "SELECT x.id FROM (SELECT id, window_start, window_end {tumbled}) AS x
                 JOIN (SELECT id, window_start, window_end
                       FROM TABLE(TUMBLE(TABLE b, DESCRIPTOR(at), INTERVAL '10' SECONDS))) AS y
                 ON x.id = y.id AND x.window_start = y.window_start AND x.window_end = y.window_end"
            ),
            "WindowJoin(key=[id = id",
            "a,b",
        ),
        (
            "SELECT a.id FROM a JOIN b ON a.id = b.id AND b.at BETWEEN a.at AND a.at + INTERVAL '9' SECOND".to_owned(),
            "IntervalJoin(key=[id = id",
            "a,b",
        ),
        ("SELECT a.id FROM a JOIN v FOR SYSTEM_TIME AS OF a.at AS v ON a.id = v.id".to_owned(), "TemporalJoin(", "a,v"),
    ];
    for (number, (query, operator, table)) in queries.iter().enumerate() {
        let mut rig = rig().await;
        let statement = with_topic("late-rows", &format!("INSERT INTO gone {query}"));
        // The last one of each life is late; what was before comes again in a replay.
        for life in 0..3_u64 {
            if life == 0 {
                for topic in ["a", "b"] {
                    rig.produce(topic, 0, &[&row(1, 5), &row(2, 40)]).await.unwrap();
                }
                let versions = [(1, 5), (2, 40)].map(|(id, at)| (format!("{{\"id\":{id}}}"), Some(row(id, at))));
                produce_keyed(&rig, "v", &versions).await;
            }
            let is_level = |progress: &Progress| progress.is_recovered && progress.lag == 0;
            let epochs = run_until(&rig, &statement, is_level).await.epochs;
            let id = 7 + u32::try_from(life).unwrap();
            rig.produce("a", 0, &[&row(id, 3)]).await.unwrap();
            let progress = run_until(&rig, &statement, |progress| progress.epochs > epochs && is_level(progress)).await;
            assert_eq!(progress.late_rows, life + 1, "{query}");
            let found = records(&rig, "late");
            assert_eq!(found.len(), usize::try_from(life).unwrap() + 1, "{query}: {found:?}");
            let (value, headers) = found.last().unwrap();
            assert!(value.contains(&format!("\"id\":{id}")), "{value}");
            let header = |name: &str| headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value);
            assert!(header("sql.operator").starts_with(operator), "{headers:?}");
            assert_eq!((header("sql.watermark"), header("sql.table")), (WATERMARK, *table), "{query}");
            rig = rig.power_cut(u64::try_from(number).unwrap() * 3 + life);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_rows_are_dropped_where_nothing_is_said_and_go_where_no_rows_are() {
    let rig = rig().await;
    rig.produce("a", 0, &[&row(1, 5), &row(2, 40)]).await.unwrap();
    let dropped = insert("dropped", &tables(TABLES), COUNTS);
    run_with(&rig, &dropped, async || {}).await.0.unwrap();
    rig.produce("a", 0, &[&row(3, 3)]).await.unwrap();
    let (run, progress) = run_with(&rig, &dropped, async || {}).await;
    run.unwrap();
    assert_eq!((progress.late_rows, records(&rig, "late").len()), (1, 0));
    for topic in ["a", "counts"] {
        let statement = Statement { late_rows: LateRows::Topic(topic.to_owned()), ..dropped.clone() };
        let error = statement.check().unwrap_err().to_string();
        assert!(error.contains("cannot be the topic of late rows"), "{error}");
    }
    let lines = with_topic("explained", COUNTS).explain().unwrap();
    let late = lines.iter().skip_while(|line| *line != "== Late Rows ==").nth(1).unwrap();
    assert!(late.contains("leaves out, counts as late, and writes to topic `late` rows of what"), "{late}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_rows_that_are_more_than_a_statement_may_remember_fail_it() {
    let rig = rig().await;
    rig.produce("a", 0, &[&row(2, 40)]).await.unwrap();
    let statement = with_topic("many", COUNTS);
    run_with(&rig, &statement, async || {}).await.0.unwrap();
    let rows: Vec<String> = (0..2_000).map(|id| row(id, 3)).collect();
    rig.produce("a", 0, &rows.iter().map(String::as_str).collect::<Vec<_>>()).await.unwrap();
    let small = Surroundings { state_size_max: 20_000, ..surroundings(&rig) };
    let progress = watch::Sender::new(Progress::default());
    let error = statement.run(&small, &Stop::default(), &progress).await.unwrap_err();
    assert!(matches!(error, StatementError::Run(RunError::StateTooLarge { .. })), "{error}");
    assert!(records(&rig, "late").is_empty());
    run_with(&rig, &statement, async || {}).await.0.unwrap();
    assert_eq!(records(&rig, "late").len(), 2_000);
}
