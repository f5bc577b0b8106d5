//! Views that statements keep in memory.

use super::{
    rig::Rig,
    sql::{insert, surroundings, tables},
};
use levada_sql::{
    View,
    statement::{Progress, Stop, Surroundings},
};
use tokio::sync::watch;

#[tokio::test]
async fn a_view_that_grows_too_large_stops_its_statement_before_anything_of_the_epoch_is_written() {
    let rig = Rig::new();
    let tables = tables(
        "CREATE TABLE entries (id BIGINT, amount BIGINT) WITH ('format' = 'json');
         CREATE TABLE kept (id BIGINT, amount BIGINT, PRIMARY KEY (id) NOT ENFORCED) \
           WITH ('connector' = 'upsert-kafka');",
    );
    for topic in ["entries", "kept"] {
        rig.create(topic, 1, &[]).await;
    }
    let rows: Vec<String> = (0..1_000).map(|id| format!(r#"{{"id": {id}, "amount": 1}}"#)).collect();
    rig.produce("entries", 0, &rows.iter().map(String::as_str).collect::<Vec<_>>()).await.unwrap();
    let mut statement = insert("kept", &tables, "INSERT INTO kept SELECT id, amount FROM entries");
    assert!(statement.view.is_none());
    statement.view = View::of(&tables["kept"]).unwrap();
    let small = Surroundings { state_size_max: 64 << 10, ..surroundings(&rig) };
    let (stop, progress) = (Stop::default(), watch::Sender::new(Progress::default()));
    let error = statement.run(&small, &stop, &progress).await.unwrap_err().to_string();
    assert!(error.contains("sql.state.bytes.max"), "{error}");
    assert!(rig.rows("kept").is_empty());
}
