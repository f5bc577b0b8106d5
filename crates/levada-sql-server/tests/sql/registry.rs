//! Tables by the schemas of the registry, and in its formats.

use super::rig::{Rig, caller};
use levada_log::disk::SimDisk;
use levada_model::{
    TopicName,
    record::{BatchBuilder, NewRecord},
    schema_id::SchemaId,
};
use levada_schema::{Parsed, Schema, SchemaType};
use levada_sql::format::{RegisteredSchema, Registering, SchemaSource, SourceError};
use levada_stream::Caller;
use serde_json::{Value, json};
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

const ORDER_1: &str = r#"{"type":"record","name":"Order","fields":[{"name":"id","type":"long"}]}"#;
const ORDER_2: &str = r#"{"type":"record","name":"Order","fields":[
    {"name":"id","type":"long"},{"name":"note","type":["null","string"],"default":null},
    {"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[
        {"name":"sku","type":"string"},{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}}]}},"default":[]}]}"#;
const PROTO: &str = r#"syntax = "proto3"; message Seen { string page = 1; int64 times = 2; }"#;
const JSON: &str = r#"{"type":"object","required":["page"],"properties":{"page":{"type":"string"},
    "times":{"type":"integer"}},"additionalProperties":false}"#;

/// A schema as it was registered.
struct Known {
    id: i32,
    parsed: Parsed,
}

impl Known {
    async fn registered(rig: &Rig, subject: &str, schema_type: SchemaType, text: &str) -> Self {
        let schema = Schema { schema_type, text: text.into(), ..Schema::default() };
        let id = rig.schemas.register(subject, schema).await.unwrap();
        Self { id, parsed: Parsed::parse(schema_type, text, &[]).unwrap() }
    }

    fn bytes(&self, json: &Value) -> Vec<u8> {
        let mut bytes = Vec::new();
        SchemaId::Id(self.id.unsigned_abs()).write(&mut bytes);
        self.parsed.write_json(&json.to_string(), None, &mut bytes).unwrap();
        bytes
    }
}

async fn produce(rig: &Rig, topic: &str, key: Option<&[u8]>, value: Option<&[u8]>) {
    let mut builder = BatchBuilder::new();
    builder.push(&NewRecord { timestamp: 1_800_000_000_000, key, value, headers: &[] });
    rig.base().send(topic, 0, builder.finish(), None).await.unwrap();
}

/// All values of a topic by the schema that each names, with the schema's id.
async fn read(rig: &Rig, topic: &str) -> Vec<(i32, Value)> {
    let schemas = &rig.schemas;
    schemas.settled().await;
    let inputs = rig.handle().inputs(&caller(), &[TopicName::new(topic).unwrap()]).unwrap();
    let cut = inputs.cut(&[]).unwrap();
    let mut read = Vec::new();
    for (partition, (mut next, end)) in inputs.start().into_iter().zip(cut).enumerate() {
        while next < end {
            let stretch = inputs.read(partition, next, end, 1 << 20).unwrap();
            for batch in &stretch.batches {
                let opened = batch.open().unwrap();
                let mut take = |_, _, record: levada_model::record::RecordSlice<'_>| {
                    let (id, data) = SchemaId::split(record.value.unwrap()).unwrap();
                    let known = schemas.schema(id).unwrap();
                    let json = known.parsed.to_json(&known.parsed.data(None, data).unwrap()).unwrap();
                    read.push((known.id, serde_json::from_str(&json).unwrap()));
                    Ok::<_, levada_stream::ReadError>(())
                };
                batch.each(&opened, &mut take).unwrap();
            }
            next = stretch.next;
        }
    }
    read
}

async fn caught_up(rig: &Rig, name: &str, rows: u64) {
    rig.wait(async || {
        let shown = rig.statement(name).await;
        assert_eq!(shown["state"], "running", "{shown}");
        shown["lag"] == 0 && shown["rows_read"].as_u64().unwrap() >= rows
    })
    .await;
}

#[tokio::test]
async fn a_topic_that_nobody_declared_has_the_columns_of_its_schemas() {
    let rig = Rig::new().await;
    rig.base().create("orders", 1, &[]).await;
    let first = Known::registered(&rig, "orders-value", SchemaType::Avro, ORDER_1).await;
    let key = Known::registered(&rig, "orders-key", SchemaType::Avro, r#""string""#).await;
    produce(&rig, "orders", Some(&key.bytes(&json!("a"))), Some(&first.bytes(&json!({ "id": 1 })))).await;
    assert_eq!(rig.rows("SELECT * FROM orders").await, [json!({ "key": "a", "id": 1 })]);
    let second = Known::registered(&rig, "orders-value", SchemaType::Avro, ORDER_2).await;
    let lines = json!([{ "sku": "s", "at": 1_800_000_000_123_i64 }]);
    let value = second.bytes(&json!({ "id": 2, "note": { "string": "n" }, "lines": lines }));
    produce(&rig, "orders", None, Some(&value)).await;
    let rows = rig.rows("SELECT * FROM orders").await;
    let line = json!({ "sku": "s", "at": "2027-01-15 08:00:00.123Z" });
    assert_eq!(
        rows,
        [
            json!({ "key": "a", "id": 1, "note": null, "lines": null }),
            json!({ "key": null, "id": 2, "note": "n", "lines": [line] })
        ]
    );
    let described = rig.rows("DESCRIBE orders").await;
    assert_eq!(
        described[1],
        json!({ "name": "id", "type": "BIGINT", "null": "TRUE", "key": null, "extras": null, "watermark": null })
    );
    let created = rig.rows("SHOW CREATE TABLE orders").await[0]["result"].as_str().unwrap().to_owned();
    assert!(created.starts_with("CREATE TABLE `orders` ("), "{created}");
    assert!(
        created.contains("'key.fields' = 'key'") && created.contains("'value.format' = 'avro-confluent'"),
        "{created}"
    );
    // It is what somebody could have written.
    rig.sql(&created.replacen("`orders`", "`again`", 1).replace("WITH (", "WITH ('topic' = 'orders', ")).await;
    assert_eq!(rig.rows("SELECT * FROM again").await, rows);
    let (_, tables) = rig.ask("GET", "/v1/tables", None).await;
    let again = tables.as_array().unwrap().iter().find(|table| table["name"] == "again").unwrap();
    assert_eq!(again["columns"], json!(["key", "id", "note", "lines", "$rowtime"]));
}

#[tokio::test]
async fn a_column_of_key_and_value_is_the_values_and_of_a_compacted_topic_the_keys() {
    let rig = Rig::new().await;
    let key_text =
        r#"{"type":"record","name":"K","fields":[{"name":"id","type":"long"},{"name":"part","type":"int"}]}"#;
    let value_text =
        r#"{"type":"record","name":"V","fields":[{"name":"id","type":"string"},{"name":"sum","type":"double"}]}"#;
    for (topic, configs) in [("plain", &[][..]), ("kept", &[("cleanup.policy", "compact")][..])] {
        rig.base().create(topic, 1, configs).await;
        let key = Known::registered(&rig, &format!("{topic}-key"), SchemaType::Avro, key_text).await;
        let value = Known::registered(&rig, &format!("{topic}-value"), SchemaType::Avro, value_text).await;
        let key = |id: i64| key.bytes(&json!({ "id": id, "part": 7 }));
        for (id, sum) in [(1, Some(1.5)), (2, Some(2.5)), (1, None), (2, Some(4.5))] {
            let value = sum.map(|sum| value.bytes(&json!({ "id": "v", "sum": sum })));
            produce(&rig, topic, Some(&key(id)), value.as_deref()).await;
        }
    }
    let row = |id: Value, sum: f64| json!({ "part": 7, "id": id, "sum": sum });
    let rows = rig.rows("SELECT * FROM plain").await;
    assert_eq!(rows, [row("v".into(), 1.5), row("v".into(), 2.5), row("v".into(), 4.5)]);
    assert_eq!(rig.rows("SELECT * FROM kept").await, [row(2.into(), 4.5)]);
    assert_eq!(rig.rows("DESCRIBE kept").await[0]["key"], "PRI(id, part)");
    // Without schemas, the bytes of the key are the key.
    rig.base().create("bytes", 1, &[("cleanup.policy", "compact")]).await;
    for value in [Some(&b"1"[..]), Some(b"2"), None] {
        produce(&rig, "bytes", Some(b"gone"), value).await;
        produce(&rig, "bytes", Some(b"stays"), value.or(Some(b"3"))).await;
    }
    assert_eq!(rig.rows("SELECT * FROM bytes").await, [json!({ "key": "c3RheXM=", "val": "Mw==" })]);
}

#[tokio::test]
async fn a_schema_that_makes_no_columns_is_no_matter_until_its_topic_is_read() {
    let rig = Rig::new().await;
    rig.base().create("trees", 1, &[]).await;
    let tree = r#"{"type":"record","name":"T","fields":[{"name":"n","type":"int"},{"name":"l","type":["null","T"]}]}"#;
    let known = Known::registered(&rig, "trees-value", SchemaType::Avro, tree).await;
    produce(&rig, "trees", None, Some(&known.bytes(&json!({ "n": 4, "l": null })))).await;
    assert!(rig.rows("SHOW TABLES").await.contains(&json!({ "table name": "trees" })));
    let (status, tables) = rig.ask("GET", "/v1/tables", None).await;
    let shown = tables.as_array().unwrap().iter().find(|table| table["name"] == "trees").unwrap().clone();
    assert_eq!((status, shown["columns"].clone()), (200, json!([])));
    assert!(shown["error"].as_str().unwrap().contains("`T` lies within itself"), "{shown}");
    let (status, error) = rig.refused("SELECT * FROM trees").await;
    assert_eq!(status, 400);
    assert!(
        error["message"].as_str().unwrap().contains("subject `trees-value` makes no columns: field `l`"),
        "{error}"
    );
    assert_eq!(error["hint"], "CREATE TABLE `trees` (column1 STRING, …) WITH ('format' = 'avro-confluent')");
    rig.sql("CREATE TABLE trees (n INT) WITH ('format' = 'avro-confluent')").await;
    assert_eq!(rig.rows("SELECT * FROM trees").await, [json!({ "n": 4 })]);
}

#[tokio::test]
async fn a_statement_goes_on_with_the_columns_that_it_was_created_with() {
    let mut rig = Rig::new().await;
    rig.base().create("orders", 1, &[]).await;
    let first = Known::registered(&rig, "orders-value", SchemaType::Avro, ORDER_1).await;
    rig.sql("CREATE TABLE ids (`key` BYTES, id BIGINT) WITH ('format' = 'json')").await;
    rig.sql("SET 'pipeline.name' = 'copy'; INSERT INTO ids SELECT * FROM orders").await;
    produce(&rig, "orders", None, Some(&first.bytes(&json!({ "id": 1 })))).await;
    caught_up(&rig, "copy", 1).await;
    let second = Known::registered(&rig, "orders-value", SchemaType::Avro, ORDER_2).await;
    for life in 2..5_i64 {
        rig = match life {
            2 => rig.after_kill().await,
            3 => rig.after_power_cut(3).await,
            _ => rig.after_stop().await,
        };
        let value = second.bytes(&json!({ "id": life, "note": null, "lines": [] }));
        produce(&rig, "orders", None, Some(&value)).await;
        rig.wait(async || rig.values("ids").len() == usize::try_from(life).unwrap()).await;
        assert_eq!(rig.statement("copy").await["state"], "running");
    }
    assert_eq!(rig.values("ids")[3], r#"{"key":null,"id":4}"#);
    assert_eq!(rig.rows("SELECT COUNT(*) AS n FROM orders WHERE note IS NULL").await, [json!({ "n": 4 })]);
}

#[tokio::test]
async fn rows_are_written_with_a_schema_of_the_columns_which_is_registered() {
    let mut rig = Rig::new().await;
    rig.sql(
        "CREATE TABLE orders (customer STRING, amount BIGINT) WITH ('format' = 'json');
         CREATE TABLE totals (customer STRING, total BIGINT, PRIMARY KEY (customer) NOT ENFORCED) WITH (
           'connector' = 'upsert-kafka', 'key.format' = 'avro-confluent', 'value.format' = 'avro-confluent')",
    )
    .await;
    assert!(rig.schemas.latest("totals-value").unwrap().is_none());
    let sum =
        "SET 'pipeline.name' = 'sum'; INSERT INTO totals SELECT customer, SUM(amount) FROM orders GROUP BY customer";
    rig.sql(sum).await;
    let value = rig.schemas.latest("totals-value").unwrap().unwrap();
    let text = concat!(
        r#"{"type":"record","name":"record","namespace":"org.apache.flink.avro.generated","fields":["#,
        r#"{"name":"customer","type":["null","string"],"default":null},"#,
        r#"{"name":"total","type":["null","long"],"default":null}]}"#
    );
    let of_flink = Parsed::parse(SchemaType::Avro, text, &[]).unwrap();
    assert_eq!(value.parsed.text(true), of_flink.text(true));
    assert!(rig.schemas.latest("totals-key").unwrap().is_some());
    rig.produce("orders", &[r#"{"customer":"ada","amount":3}"#]).await;
    let row = |total: i64| json!({ "customer": { "string": "ada" }, "total": { "long": total } });
    rig.wait(async || read(&rig, "totals").await == [(value.id, row(3))]).await;
    // A later schema of the subject changes nothing for the statement, nor for its replay.
    let wider = text.replace("null}]}", r#"null},{"name":"x","type":["null","int"],"default":null}]}"#);
    let later = Known::registered(&rig, "totals-value", SchemaType::Avro, &wider).await;
    assert_ne!(later.id, value.id);
    for life in 1..4_i64 {
        rig = match life {
            1 => rig.after_kill().await,
            2 => rig.after_power_cut(2).await,
            _ => rig.after_stop().await,
        };
        rig.produce("orders", &[r#"{"customer":"ada","amount":1}"#]).await;
        let expected: Vec<_> = (3..=3 + life).map(|total| (value.id, row(total))).collect();
        rig.wait(async || read(&rig, "totals").await == expected).await;
    }
    assert_eq!(rig.rows("SELECT * FROM totals").await, [json!({ "customer": "ada", "total": 6 })]);
    rig.sql("CREATE MATERIALIZED TABLE big WITH ('format' = 'avro-confluent') AS SELECT customer, COUNT(*) AS n FROM orders GROUP BY customer").await;
    assert_eq!(rig.rows("SELECT * FROM big").await, [json!({ "customer": "ada", "n": 4 })]);
    assert!(rig.schemas.latest("big-value").unwrap().is_some());
}

#[tokio::test]
async fn an_insert_whose_schema_is_incompatible_is_refused_before_anything_is_made() {
    let rig = Rig::new().await;
    Known::registered(
        &rig,
        "out-value",
        SchemaType::Avro,
        r#"{"type":"record","name":"O","fields":[{"name":"id","type":"string"}]}"#,
    )
    .await;
    rig.base().create("orders", 1, &[]).await;
    Known::registered(&rig, "orders-value", SchemaType::Avro, ORDER_1).await;
    rig.sql("CREATE TABLE out (id BIGINT) WITH ('format' = 'avro-confluent')").await;
    let (status, error) = rig.refused("INSERT INTO out SELECT id FROM orders").await;
    let message = error["message"].as_str().unwrap();
    assert_eq!(status, 400);
    assert!(
        message.starts_with("the schema of the value cannot be registered under subject `out-value`: "),
        "{message}"
    );
    assert!(message.contains("TYPE_MISMATCH") || message.contains("incompatible"), "{message}");
    assert_eq!(rig.rows("SHOW STATEMENTS").await, Vec::<Value>::new());
    // Under a subject of its own, it is.
    rig.sql("CREATE TABLE other (id BIGINT) WITH ('topic' = 'out', 'format' = 'avro-confluent', 'avro-confluent.subject' = 'mine')").await;
    rig.sql("INSERT INTO other SELECT id FROM orders").await;
    assert!(rig.schemas.latest("mine").unwrap().is_some());
}

#[tokio::test]
async fn a_schema_that_says_the_very_columns_is_written_with_as_it_is() {
    let rig = Rig::new().await;
    rig.base().create("orders", 1, &[]).await;
    let known = Known::registered(&rig, "orders-value", SchemaType::Avro, ORDER_1).await;
    let copy = Known::registered(&rig, "copies-value", SchemaType::Avro, &ORDER_1.replace("Order", "Copy")).await;
    rig.sql("CREATE TABLE copies (id BIGINT NOT NULL) WITH ('format' = 'avro-confluent')").await;
    rig.sql("INSERT INTO copies SELECT id FROM orders").await;
    produce(&rig, "orders", None, Some(&known.bytes(&json!({ "id": 9 })))).await;
    rig.wait(async || read(&rig, "copies").await == [(copy.id, json!({ "id": 9 }))]).await;
    // Other columns make another version, called the same.
    rig.sql(
        "CREATE TABLE wider (id BIGINT NOT NULL, note STRING) WITH ('topic' = 'copies', 'format' = 'avro-confluent')",
    )
    .await;
    rig.sql("INSERT INTO wider SELECT id, 'x' FROM orders").await;
    let latest = rig.schemas.latest("copies-value").unwrap().unwrap();
    assert_eq!((latest.parsed.name().as_deref(), latest.id != copy.id), (Some("Copy"), true));
}

#[tokio::test]
async fn protobuf_and_json_are_read_and_written_with_the_latest_schema_of_the_subject() {
    let rig = Rig::new().await;
    for (format, schema_type, text) in
        [("protobuf", SchemaType::Protobuf, PROTO), ("json-registry", SchemaType::Json, JSON)]
    {
        let (topic, to) = (format!("seen-{format}"), format!("to-{format}"));
        rig.base().create(&topic, 1, &[]).await;
        let known = Known::registered(&rig, &format!("{topic}-value"), schema_type, text).await;
        produce(&rig, &topic, None, Some(&known.bytes(&json!({ "page": "/", "times": 3 })))).await;
        let expected = [json!({ "page": "/", "times": 3 })];
        assert_eq!(rig.rows(&format!("SELECT page, times FROM `{topic}`")).await, expected);
        rig.sql(&format!("CREATE TABLE `{to}` (page STRING, times BIGINT) WITH ('format' = '{format}')")).await;
        let insert = format!("INSERT INTO `{to}` SELECT page, times FROM `{topic}`");
        let (status, error) = rig.refused(&insert).await;
        let message = error["message"].as_str().unwrap();
        assert_eq!(status, 400);
        assert!(message.contains(&format!("the latest schema of subject `{to}-value`, and it has none")), "{message}");
        let written = Known::registered(&rig, &format!("{to}-value"), schema_type, text).await;
        rig.sql(&insert).await;
        let times = if format == "protobuf" { json!("3") } else { json!(3) };
        let shown = json!({ "page": "/", "times": times });
        rig.wait(async || read(&rig, &to).await == [(written.id, shown.clone())]).await;
        assert_eq!(rig.rows(&format!("SELECT page, times FROM `{to}`")).await, expected);
        rig.sql(&format!(
            "CREATE TABLE `odd-{format}` (page STRING, odd INT) WITH ('topic' = '{to}', 'format' = '{format}')"
        ))
        .await;
        let (_, error) = rig.refused(&format!("INSERT INTO `odd-{format}` SELECT page, 1 FROM `{topic}`")).await;
        assert!(error["message"].as_str().unwrap().contains("`odd`"), "{error}");
    }
}

#[tokio::test]
async fn without_a_registry_topics_are_bytes_and_its_formats_are_refused() {
    let rig = Rig::asking(SimDisk::new(), |_| None).await;
    rig.base().create("orders", 1, &[]).await;
    let known = Known::registered(&rig, "orders-value", SchemaType::Avro, ORDER_1).await;
    produce(&rig, "orders", None, Some(&known.bytes(&json!({ "id": 1 })))).await;
    assert_eq!(rig.rows("SELECT * FROM orders").await, [json!({ "key": null, "val": "AAAAAAEC" })]);
    for sql in [
        "CREATE TABLE t (id BIGINT) WITH ('format' = 'avro-confluent')",
        "CREATE TABLE t WITH ('format' = 'avro-confluent') AS SELECT key FROM orders",
    ] {
        let (status, error) = rig.refused(sql).await;
        assert_eq!(status, 400);
        assert_eq!(
            error["message"],
            "`avro-confluent` needs the schema registry, which is off: start the server with `--registry ADDR`"
        );
    }
    assert!(rig.rows("SHOW TABLES").await.iter().all(|table| table["table name"] != "t"));
}

/// A registry that does not answer until it is told to.
#[derive(Debug)]
struct Late {
    schemas: Arc<dyn SchemaSource>,
    answers: Arc<AtomicBool>,
}

impl Late {
    fn answers(&self) -> Result<(), SourceError> {
        let unavailable = || SourceError::Unavailable("it is being read".to_owned());
        self.answers.load(Ordering::Acquire).then_some(()).ok_or_else(unavailable)
    }
}

impl SchemaSource for Late {
    fn settled(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }

    fn schema(&self, id: SchemaId) -> Result<RegisteredSchema, SourceError> {
        self.answers().and_then(|()| self.schemas.schema(id))
    }

    fn latest(&self, caller: &Caller, subject: &str) -> Result<Option<(SchemaId, RegisteredSchema)>, SourceError> {
        self.answers().and_then(|()| self.schemas.latest(caller, subject))
    }

    fn register_avro<'a>(&'a self, caller: &'a Caller, subject: &'a str, text: String) -> Registering<'a> {
        self.schemas.register_avro(caller, subject, text)
    }
}

#[tokio::test]
async fn no_record_is_left_out_because_the_registry_does_not_answer_yet() {
    let answers = Arc::new(AtomicBool::new(true));
    let late = |answers: &Arc<AtomicBool>| {
        let answers = Arc::clone(answers);
        move |schemas| Some(Arc::new(Late { schemas, answers }) as Arc<dyn SchemaSource>)
    };
    let rig = Rig::asking(SimDisk::new(), late(&answers)).await;
    rig.base().create("orders", 1, &[]).await;
    let known = Known::registered(&rig, "orders-value", SchemaType::Avro, ORDER_1).await;
    rig.sql("CREATE TABLE copies (id BIGINT NOT NULL) WITH ('format' = 'avro-confluent')").await;
    rig.sql("SET 'sql.on-error' = 'skip'; SET 'pipeline.name' = 'copy'; INSERT INTO copies SELECT id FROM orders WHERE id IS NOT NULL").await;
    caught_up(&rig, "copy", 0).await;
    rig.service.close().await;
    produce(&rig, "orders", None, Some(b"no record")).await;
    produce(&rig, "orders", None, Some(&known.bytes(&json!({ "id": 1 })))).await;
    answers.store(false, Ordering::Release);
    rig.base().broker.close();
    rig.base().store.close();
    let rig = Rig::asking(rig.base().disk.restart(), late(&answers)).await;
    rig.wait(async || rig.statement("copy").await["error"] != Value::Null).await;
    let shown = rig.statement("copy").await;
    let error = "what the schema registry has is not known now: it is being read";
    assert_eq!((shown["state"].as_str(), shown["error"].as_str()), (Some("running"), Some(error)), "{shown}");
    let (status, refused) = rig.refused("SELECT * FROM orders").await;
    assert_eq!((status, refused["hint"].as_str()), (503, Some("ask again")));
    assert!(rig.rows("SHOW TABLES").await.contains(&json!({ "table name": "orders" })));
    answers.store(true, Ordering::Release);
    rig.wait(async || !read(&rig, "copies").await.is_empty()).await;
    rig.shows("copy", "undecodable_records", 1).await;
    assert_eq!(read(&rig, "copies").await.len(), 1);
}

#[tokio::test]
async fn a_statement_that_kept_no_tables_reads_topics_as_bytes_that_only_come() {
    let rig = Rig::new().await;
    rig.base().create("kept", 1, &[("cleanup.policy", "compact")]).await;
    rig.sql("CREATE TABLE copies (val BYTES) WITH ('format' = 'json')").await;
    // As it was written before there were other columns.
    let key = r#"{"kind":"statement","name":"old"}"#;
    let value = r#"{"sql":"INSERT INTO copies SELECT val FROM kept","owner":"User:ANONYMOUS","created_ms":1,"state":"running"}"#;
    rig.handle().catalog().unwrap().write(vec![(key.into(), Some(value.into()))]).await.unwrap();
    Known::registered(&rig, "kept-value", SchemaType::Avro, ORDER_1).await;
    let rig = rig.after_kill().await;
    for value in [&b"1"[..], b"2"] {
        produce(&rig, "kept", Some(b"key"), Some(value)).await;
    }
    rig.wait(async || rig.values("copies").len() == 2).await;
    assert_eq!(rig.statement("old").await["state"], "running");
}

#[tokio::test]
async fn a_statement_that_needs_the_registry_fails_where_that_is_off_and_goes_on_where_it_is_there_again() {
    let rig = Rig::new().await;
    rig.base().create("orders", 1, &[]).await;
    let known = Known::registered(&rig, "orders-value", SchemaType::Avro, ORDER_1).await;
    rig.sql("CREATE TABLE copies (id BIGINT) WITH ('format' = 'avro-confluent')").await;
    rig.sql("SET 'pipeline.name' = 'copy'; INSERT INTO copies SELECT id FROM orders").await;
    produce(&rig, "orders", None, Some(&known.bytes(&json!({ "id": 1 })))).await;
    rig.wait(async || read(&rig, "copies").await.len() == 1).await;
    rig.service.close().await;
    rig.base().broker.close();
    rig.base().store.close();
    let rig = Rig::asking(rig.base().disk.restart(), |_| None).await;
    rig.wait(async || rig.statement("copy").await["state"] == "failed").await;
    let error = rig.statement("copy").await["error"].as_str().unwrap().to_owned();
    assert!(error.contains("needs the schema registry, which is off"), "{error}");
    let (status, refused) = rig.refused("SELECT * FROM copies").await;
    assert_eq!((status, refused["message"].as_str()), (400, Some(error.as_str())));
    produce(&rig, "orders", None, Some(&known.bytes(&json!({ "id": 2 })))).await;
    let rig = rig.after_kill().await;
    rig.sql("START STATEMENT copy").await;
    rig.wait(async || read(&rig, "copies").await.len() == 2).await;
    assert_eq!(rig.rows("SELECT id FROM copies").await, [json!({ "id": 1 }), json!({ "id": 2 })]);
}

#[tokio::test]
async fn rows_that_are_inserted_at_once_have_a_schema_that_is_registered_with_them() {
    let rig = Rig::new().await;
    rig.sql("CREATE TABLE seen (page STRING, times BIGINT NOT NULL) WITH ('format' = 'avro-confluent')").await;
    assert_eq!(rig.refused("INSERT INTO seen VALUES ('a', NULL)").await.0, 400);
    let nothing = rig.schemas.latest("seen-value").unwrap().is_none();
    assert!(nothing, "rows that are refused register nothing");
    let done = rig.sql("INSERT INTO seen VALUES ('a', 1), (NULL, 2)").await;
    assert_eq!(done["message"], "2 rows are inserted into `seen`");
    let rows = rig.rows("SELECT page, times FROM seen ORDER BY times").await;
    assert_eq!(rows, [json!({ "page": "a", "times": 1 }), json!({ "page": null, "times": 2 })]);
    let ids: Vec<i32> = read(&rig, "seen").await.into_iter().map(|(id, _)| id).collect();
    assert!(ids.len() == 2 && ids[0] == ids[1], "{ids:?}");
}
