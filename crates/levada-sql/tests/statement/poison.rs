//! Records that are no rows of their table.

use super::{
    made::run_until,
    rig::{Rig, caller},
    sql::{insert, run_with, surroundings, tables},
};
use bytes::Bytes;
use levada_model::{
    Str, TopicName,
    record::{BatchBuilder, NewRecord, RecordHeader},
};
use levada_sql::{
    Statement, StatementError,
    statement::{OnError, Progress, Stop, Surroundings},
};
use levada_stream::ReadError;
use tokio::sync::watch;

const TABLES: &str = "
    CREATE TABLE keyed (k BIGINT, id BIGINT) WITH ('format' = 'json', 'key.format' = 'json', 'key.fields' = 'k');
    CREATE TABLE plain (id BIGINT, offs BIGINT METADATA FROM 'offset') WITH ('topic' = 'orders', 'format' = 'json');
    CREATE TABLE copies (id BIGINT) WITH ('format' = 'json');
    CREATE TABLE named (name STRING, times INT, id AS CAST(name AS BIGINT)) WITH ('format' = 'json');";

fn copy(on_error: OnError) -> Statement {
    Statement { on_error, ..insert("copy", &tables(TABLES), "INSERT INTO copies SELECT id FROM plain WHERE offs >= 0") }
}

const RECORDS: [&str; 5] = [r#"{"id":1}"#, "no json", r#"{"id":2}"#, r#"{"id":"x"}"#, r#"{"id":3}"#];

async fn rig() -> Rig {
    let rig = Rig::new();
    for topic in ["orders", "copies", "dead"] {
        rig.create(topic, 1, &[]).await;
    }
    rig.produce("orders", 0, &RECORDS).await.unwrap();
    rig
}

fn ids(rig: &Rig) -> Vec<String> {
    rig.rows("copies")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_no_row_fails_its_statement_where_nothing_is_said() {
    let rig = rig().await;
    let error = run_with(&rig, &copy(OnError::Fail), async || {}).await.0.unwrap_err();
    assert!(matches!(error, StatementError::Record { offset: 1, .. }), "{error}");
    assert_eq!(ids(&rig), [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_are_no_rows_are_left_out_and_counted() {
    let rig = rig().await;
    let (run, progress) = run_with(&rig, &copy(OnError::Skip), async || {}).await;
    run.unwrap();
    assert_eq!(ids(&rig), [r#"{"id":1}"#, r#"{"id":2}"#, r#"{"id":3}"#]);
    assert_eq!((progress.undecodable_records, progress.rows_read), (2, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_none_takes_its_record_with_it() {
    let rig = rig().await;
    rig.create("keyed", 1, &[]).await;
    let mut builder = BatchBuilder::new();
    for (key, id) in [(r#"{"k":1}"#, 1), ("no json", 2), (r#"{"k":3}"#, 3)] {
        let value = format!("{{\"id\":{id}}}");
        let (key, value) = (Some(key.as_bytes()), Some(value.as_bytes()));
        builder.push(&NewRecord { timestamp: super::rig::START_MS, key, value, headers: &[] });
    }
    rig.send("keyed", 0, builder.finish(), None).await.unwrap();
    let sums = insert("sums", &tables(TABLES), "INSERT INTO copies SELECT id + k FROM keyed");
    let error = run_with(&rig, &sums, async || {}).await.0.unwrap_err();
    assert!(matches!(error, StatementError::Record { offset: 1, side: "key", .. }), "{error}");
    let sums = Statement { on_error: OnError::Skip, ..sums };
    let (run, progress) = run_with(&rig, &sums, async || {}).await;
    run.unwrap();
    assert_eq!((ids(&rig), progress.undecodable_records), (vec![r#"{"id":2}"#.into(), r#"{"id":6}"#.into()], 1));
}

/// Values and headers of a topic's records.
pub(super) fn records(rig: &Rig, topic: &str) -> Vec<(String, Vec<(String, String)>)> {
    let inputs = rig.handle.inputs(&caller(), &[TopicName::new(topic).unwrap()]).unwrap();
    let (cut, mut found) = (inputs.cut(&[]).unwrap(), Vec::new());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut next = 0;
    while next < cut[0] {
        let read = inputs.read(0, next, cut[0], 1 << 20).unwrap();
        for batch in &read.batches {
            let opened = batch.open().unwrap();
            let each = batch.each::<ReadError>(&opened, |_, _, record| {
                let headers = record.headers().map(|header| {
                    let (name, value) = header.unwrap();
                    (name.to_owned(), text(value.unwrap_or_default()))
                });
                found.push((record.value.map_or("none".to_owned(), text), headers.collect()));
                Ok(())
            });
            each.unwrap();
        }
        next = read.next;
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_are_no_rows_are_kept_once_each_with_where_they_were() {
    let mut rig = rig().await;
    let statement = copy(OnError::DeadLetter("dead".to_owned()));
    for life in 0..3 {
        run_with(&rig, &statement, async || {}).await.0.unwrap();
        let kept = records(&rig, "dead");
        let values: Vec<&str> = kept.iter().map(|(value, _)| value.as_str()).collect();
        assert_eq!(values, ["no json", r#"{"id":"x"}"#, "neither"][..2 + usize::from(life > 0)], "life {life}");
        let headers: Vec<(&str, &str)> =
            kept[0].1.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let where_it_was =
            [("sql.table", "plain"), ("sql.topic", "orders"), ("sql.partition", "0"), ("sql.offset", "1")];
        assert_eq!(headers[..4], where_it_was);
        assert!(headers[4].0 == "sql.error" && headers[4].1.starts_with("value: "), "{headers:?}");
        rig = rig.power_cut(life);
        if life == 0 {
            rig.produce("orders", 0, &["neither"]).await.unwrap();
        }
    }
    assert_eq!(ids(&rig).len(), 3);
    for topic in ["orders", "copies"] {
        let error = copy(OnError::DeadLetter(topic.to_owned())).check().unwrap_err();
        assert!(error.to_string().contains("cannot be the topic of dead letters"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_are_no_rows_are_kept_once_each_where_epochs_are_replayed() {
    let mut rig = rig().await;
    let statement = copy(OnError::DeadLetter("dead".to_owned()));
    for life in 1..5_u64 {
        let id = format!("{{\"id\":{}}}", 10 * life);
        let poison = format!("neither {life}");
        // Nothing stops it in good order: what it did since it began is replayed from its journal.
        for rows in [[id.as_str(), "no json"], [poison.as_str(), id.as_str()]] {
            let epochs =
                run_until(&rig, &statement, |progress| progress.is_recovered && progress.lag == 0).await.epochs;
            rig.produce("orders", 0, &rows).await.unwrap();
            let progress = run_until(&rig, &statement, |progress| progress.epochs > epochs && progress.lag == 0).await;
            assert_eq!(progress.undecodable_records, 1, "those of a replay were counted before: {progress:?}");
        }
        assert_eq!(records(&rig, "dead").len(), 2 + 2 * usize::try_from(life).unwrap());
        assert_eq!(ids(&rig).len(), 3 + 2 * usize::try_from(life).unwrap());
        rig = rig.power_cut(life);
    }
    let progress = run_until(&rig, &statement, |progress| progress.is_recovered).await;
    assert_eq!((progress.epochs, progress.undecodable_records), (9, 0));
    let kept: Vec<String> = records(&rig, "dead").into_iter().map(|(value, _)| value).collect();
    let expected = ["no json", r#"{"id":"x"}"#, "no json", "neither 1", "no json", "neither 2", "no json", "neither 3"];
    assert_eq!(kept[..8], expected);
    assert_eq!(kept.len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_its_topic_of_dead_letters_does_not_take_is_kept_without_its_value() {
    let rig = Rig::new();
    rig.create("orders", 1, &[]).await;
    rig.create("copies", 1, &[]).await;
    rig.create("dead", 1, &[("max.message.bytes", "1000")]).await;
    let (short, long) = ("x".repeat(300), "y".repeat(1_500));
    rig.produce("orders", 0, &[&short, &long, RECORDS[0]]).await.unwrap();
    let statement = copy(OnError::DeadLetter("dead".to_owned()));
    run_with(&rig, &statement, async || {}).await.0.unwrap();
    let kept = records(&rig, "dead");
    assert_eq!(kept.iter().map(|(value, _)| value.as_str()).collect::<Vec<_>>(), [short.as_str(), "none"]);
    assert_eq!(kept[1].1.last().unwrap(), &("sql.value.dropped".to_owned(), "1500".to_owned()));
    assert_eq!(kept[1].1[3], ("sql.offset".to_owned(), "1".to_owned()));
    assert_eq!(ids(&rig), [RECORDS[0]]);
    // Neither key nor headers of a producer stand in the way.
    let mut builder = BatchBuilder::new();
    let header = RecordHeader { key: Str::from("sql.error"), value: Some(Bytes::from("h".repeat(1_200))) };
    let (key, value) = (Some(long.as_bytes()), Some(&b"no json"[..]));
    builder.push(&NewRecord { timestamp: super::rig::START_MS, key, value, headers: &[header] });
    rig.send("orders", 0, builder.finish(), None).await.unwrap();
    run_with(&rig, &statement, async || {}).await.0.unwrap();
    let (value, headers) = records(&rig, "dead").pop().unwrap();
    let dropped: Vec<&str> = headers.iter().filter_map(|(name, _)| name.strip_suffix(".dropped")).collect();
    assert_eq!((value.as_str(), dropped), ("none", vec!["sql.value", "sql.headers", "sql.key"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_are_no_rows_take_no_more_memory_than_their_statement_may_have() {
    let rig = rig().await;
    let large = "x".repeat(100_000);
    for _ in 0..4 {
        rig.produce("orders", 0, &[&large, &large, &large]).await.unwrap();
    }
    let run = async |on_error: OnError| {
        let surroundings = Surroundings { state_size_max: 1 << 20, ..surroundings(&rig) };
        let (stop, progress) = (Stop::default(), watch::Sender::new(Progress::default()));
        let statement = copy(on_error);
        let done = async {
            while !(progress.borrow().is_recovered && progress.borrow().lag == 0) {
                tokio::task::yield_now().await;
            }
            stop.give();
            std::future::pending().await
        };
        tokio::select! {
            run = statement.run(&surroundings, &stop, &progress) => run,
            () = done => unreachable!("it goes on for ever"),
        }
    };
    let error = run(OnError::DeadLetter("dead".to_owned())).await.unwrap_err();
    assert!(matches!(error, StatementError::DeadLetters { limit: 1_048_576, .. }), "{error}");
    assert!(error.to_string().contains("`sql.state.bytes.max`"), "{error}");
    assert_eq!(records(&rig, "dead"), []);
    run(OnError::Skip).await.unwrap();
    assert_eq!(ids(&rig).len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_which_an_expression_has_no_value_are_treated_like_records_that_are_no_rows() {
    let mut rig = Rig::new();
    for topic in ["named", "copies", "dead"] {
        rig.create(topic, 1, &[]).await;
    }
    let named = |name: &str, times: i64| format!(r#"{{"name":"{name}","times":{times}}}"#);
    let large = named("7", 20_000_000);
    let rows = [named("1", 1), named("x", 1), large.clone(), named("4", 2), "no json".to_owned()];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    rig.produce("named", 0, &rows).await.unwrap();
    // One cannot be computed in the table, one in the query.
    let sql = "INSERT INTO copies SELECT id FROM named WHERE CHAR_LENGTH(REPEAT(name, times)) > 0";
    let statement = |name: &str, on_error: OnError| Statement { on_error, ..insert(name, &tables(TABLES), sql) };
    let error = run_with(&rig, &statement("fails", OnError::Fail), async || {}).await.0.unwrap_err();
    assert!(error.to_string().contains('x'), "{error}");
    let (run, progress) = run_with(&rig, &statement("skips", OnError::Skip), async || {}).await;
    run.unwrap();
    assert_eq!((ids(&rig), progress.undecodable_records), (vec![r#"{"id":1}"#.into(), r#"{"id":4}"#.into()], 3));
    let keeps = statement("keeps", OnError::DeadLetter("dead".to_owned()));
    for life in 0..3_u64 {
        let is_done = |progress: &Progress| progress.is_recovered && progress.lag == 0 && progress.epochs > life;
        run_until(&rig, &keeps, is_done).await;
        let kept = records(&rig, "dead");
        assert_eq!(kept.len(), if life == 0 { 3 } else { 4 }, "{kept:?}");
        let value = |at: usize| serde_json::from_str::<serde_json::Value>(&kept[at].0).unwrap();
        assert_eq!((kept[0].0.as_str(), value(1)["name"].as_str()), ("no json", Some("x")));
        assert_eq!((value(2)["name"].as_str(), value(2)["times"].as_i64()), (Some("7"), Some(20_000_000)));
        let [(name, error)] = kept[2].1.as_slice() else { panic!("{kept:?}") };
        let expected = "REPEAT gives a text of 20000000 bytes, and 16777216 are the most";
        assert!(name == "sql.error" && error.contains(expected), "{name}: {error}");
        assert_eq!(ids(&rig).len(), 4);
        rig = rig.power_cut(life);
        if life == 0 {
            rig.produce("named", 0, &[&large]).await.unwrap();
        } else {
            rig.produce("named", 0, &["{}"]).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_size_of_dead_letters_their_topic_takes_them_also_compressed() {
    let rig = Rig::new();
    rig.create("orders", 1, &[]).await;
    rig.create("copies", 1, &[]).await;
    // What cannot be compressed.
    let mut state = 7_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(2_000)
    .collect();
    for size in (1_400..2_000).step_by(3) {
        let mut builder = BatchBuilder::new();
        let value = Some(&noise[..size]);
        builder.push(&NewRecord { timestamp: super::rig::START_MS, key: None, value, headers: &[] });
        rig.send("orders", 0, builder.finish(), None).await.unwrap();
    }
    for compression in ["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"] {
        let topic = format!("dead-{compression}");
        rig.create(&topic, 1, &[("max.message.bytes", "2000"), ("compression.type", compression)]).await;
        let keeps = copy(OnError::DeadLetter(topic.clone()));
        run_with(&rig, &Statement { name: topic.clone(), ..keeps }, async || {}).await.0.unwrap();
        let kept = records(&rig, &topic);
        assert_eq!(kept.len(), 200, "{compression}");
        let whole =
            kept.iter().filter(|(_, headers)| headers.iter().all(|(name, _)| name != "sql.value.dropped")).count();
        assert!((60..180).contains(&whole), "{compression}: {whole} have their value");
    }
}
