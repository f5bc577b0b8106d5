//! `$rowtime`, the event time of topics that nobody declared.

use super::{broker::START_MS, rig::Rig};
use levada_model::record::{BatchBuilder, NewRecord};
use serde_json::json;

/// Topics `a` and `b` without any declaration.
async fn topics() -> Rig {
    let rig = Rig::new().await;
    for name in ["a", "b"] {
        rig.base().create(name, 1, &[]).await;
    }
    rig
}

/// Writes a record at so many seconds after the start.
async fn produce(rig: &Rig, topic: &str, key: &str, seconds: i64) {
    produce_value(rig, topic, key, "value", seconds).await;
}

async fn produce_value(rig: &Rig, topic: &str, key: &str, value: &str, seconds: i64) {
    let mut builder = BatchBuilder::new();
    let (timestamp, key) = (START_MS + seconds * 1_000, Some(key.as_bytes()));
    builder.push(&NewRecord { timestamp, key, value: Some(value.as_bytes()), headers: &[] });
    rig.base().send(topic, 0, builder.finish(), None).await.unwrap();
}

#[tokio::test]
async fn topics_that_nobody_declared_have_windows_of_their_records_timestamps() {
    let rig = topics().await;
    rig.sql(
        "CREATE MATERIALIZED TABLE counts AS SELECT window_start, COUNT(*) AS n
         FROM TABLE(TUMBLE(TABLE a, DESCRIPTOR(`$rowtime`), INTERVAL '10' SECOND)) GROUP BY window_start, window_end",
    )
    .await;
    for seconds in [1, 2, 11, 8, 15] {
        produce(&rig, "a", "k", seconds).await;
    }
    // The watermark is five seconds behind: it has passed the first window, and not the second.
    let rig = rig.after_kill().await;
    let shows = async |windows: &serde_json::Value| {
        // What is whole is not known while what the kill interrupted is not ended.
        let (status, answer) = rig.answer("SELECT * FROM counts").await;
        assert!([200, 503].contains(&status), "{answer}");
        answer["results"][0]["rows"] == *windows
    };
    let first = json!({ "window_start": "2027-01-15 08:00:00", "n": 3 });
    rig.wait(async || shows(&json!([first])).await).await;
    produce(&rig, "a", "k", 25).await;
    let second = json!({ "window_start": "2027-01-15 08:00:10", "n": 2 });
    rig.wait(async || shows(&json!([first, second])).await).await;
    let described = rig.rows("DESCRIBE a").await;
    assert_eq!(
        described[2],
        json!({
            "name": "$rowtime", "type": "TIMESTAMP_LTZ(3) *ROWTIME*", "null": "TRUE", "key": null,
            "extras": "METADATA FROM 'timestamp' VIRTUAL", "watermark": "`$rowtime` - INTERVAL '5' SECOND"
        })
    );
}

#[tokio::test]
async fn a_view_hands_the_time_on_to_windows_and_a_compacted_topic_has_versions_by_it() {
    let rig = topics().await;
    rig.base().create("r", 1, &[("cleanup.policy", "compact")]).await;
    rig.sql(
        "CREATE VIEW stamped (k, at) AS SELECT `key`, $rowtime FROM a;
         CREATE VIEW wanted AS SELECT * FROM stamped WHERE k IS NOT NULL;
         CREATE MATERIALIZED TABLE counts AS SELECT w.window_start, COUNT(*) AS n
         FROM TABLE(TUMBLE(TABLE wanted, DESCRIPTOR(at), INTERVAL '10' SECOND)) AS w
         GROUP BY w.window_start, w.window_end;
         CREATE MATERIALIZED TABLE met AS SELECT s.at, r.val
         FROM stamped AS s LEFT JOIN r FOR SYSTEM_TIME AS OF s.at AS r ON s.k = r.`key`",
    )
    .await;
    for (topic, value, seconds) in
        [("a", "x", 0), ("r", "v1", 1), ("a", "x", 5), ("r", "v2", 8), ("a", "x", 12), ("a", "x", 30), ("r", "v3", 30)]
    {
        produce_value(&rig, topic, "k", value, seconds).await;
    }
    let (at, first, second) = (|seconds: u32| format!("2027-01-15 08:00:{seconds:02}Z"), "djE=", "djI=");
    let met = json!([
        { "at": at(0), "val": null }, { "at": at(5), "val": first }, { "at": at(12), "val": second }
    ]);
    let counts = json!([
        { "window_start": "2027-01-15 08:00:00", "n": 2 }, { "window_start": "2027-01-15 08:00:10", "n": 1 }
    ]);
    for (sql, rows) in [("SELECT * FROM met ORDER BY at", met), ("SELECT * FROM counts ORDER BY window_start", counts)]
    {
        rig.wait(async || json!(rig.rows(sql).await) == rows).await;
    }
}

#[tokio::test]
async fn what_is_not_named_is_left_out_of_all_columns() {
    let rig = topics().await;
    produce(&rig, "a", "k", 1).await;
    produce(&rig, "b", "k", 2).await;
    let (key, val) = ("aw==", "dmFsdWU=");
    let at = |seconds: u32| format!("2027-01-15 08:00:{seconds:02}Z");
    let (plain, at_1) = (json!({ "key": key, "val": val }), at(1));
    for (sql, expected) in [
        ("SELECT * FROM a", plain.clone()),
        ("SELECT a.* FROM a JOIN b ON a.`key` = b.`key`", plain.clone()),
        ("SELECT x.*, x.`$rowtime` AS at FROM a AS x", json!({ "key": key, "val": val, "at": at_1 })),
        ("SELECT $rowtime, * FROM a", json!({ "key": key, "val": val, "$rowtime": at_1 })),
        ("SELECT * FROM (SELECT * FROM a) AS t WHERE val IS NOT NULL", plain.clone()),
        ("WITH a2 AS (SELECT * FROM a) SELECT * FROM a2", plain.clone()),
        ("SELECT * FROM a WHERE $rowtime > TO_TIMESTAMP_LTZ(0, 3)", plain.clone()),
        ("SELECT * FROM a WHERE EXISTS (SELECT * FROM b WHERE b.`$rowtime` > a.`$rowtime`)", plain),
        ("SELECT 1 AS one, * FROM (SELECT $rowtime AS at FROM a) AS t", json!({ "one": 1, "at": at_1 })),
        ("SELECT *, 1 + 1 FROM a", json!({ "key": key, "val": val, "EXPR$2": 2 })),
    ] {
        assert_eq!(rig.rows(sql).await, [expected], "{sql}");
    }
    for sql in ["SELECT * FROM a JOIN b USING (`key`)", "SELECT `key` FROM a NATURAL JOIN b"] {
        let (status, error) = rig.refused(sql).await;
        assert_eq!(status, 400);
        assert!(error["message"].as_str().unwrap().contains("name the columns"), "{sql}: {error}");
    }
}
