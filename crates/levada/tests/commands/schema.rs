//! Schemas at the command line, and records that are encoded by them.

use crate::broker::{Broker, levada_fails, lines};
use std::path::PathBuf;
use tempfile::TempDir;

const ORDER_1: &str = r#"{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"long"}]}"#;
const ORDER_2: &str = r#"{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"long"},{"name":"note","type":"string","default":""}]}"#;
const ORDER_BAD: &str = r#"{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"id","type":"long"},{"name":"sum","type":"double"}]}"#;

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path: PathBuf = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

#[test]
fn a_schema_is_registered_shown_compared_and_deleted() {
    let (broker, files) = (Broker::start(&[]), Files::new());
    let first = files.write("one.avsc", ORDER_1);
    let second = files.write("two.avsc", ORDER_2);
    let bad = files.write("bad.avsc", ORDER_BAD);
    let register = |file: &str| broker.run(&["schema", "register", "orders-value", file]);
    assert_eq!(register(&first), "registered version 1 of `orders-value`, id 1\n");
    assert_eq!(register(&first), "it is there already as version 1 of `orders-value`, id 1\n");
    assert_eq!(broker.run(&["schema", "check", "orders-value", &second]), "`orders-value` would take it\n");
    assert_eq!(register(&second), "registered version 2 of `orders-value`, id 2\n");

    let refused = broker.fails(&["schema", "register", "orders-value", &bad]);
    assert!(refused.contains("try: `levada schema check` lists all that is in the way"), "{refused}");
    let refused = broker.fails(&["schema", "check", "orders-value", &bad]);
    assert!(refused.contains("would refuse it"), "{refused}");

    let list = "SUBJECT       VERSION  ID  TYPE\norders-value        2   2  AVRO\n";
    assert_eq!(broker.run(&["schema", "list"]), list);
    let versions = broker.json(&["schema", "list", "orders", "--versions"]);
    assert_eq!((versions[0]["version"].as_i64(), versions[1]["version"].as_i64()), (Some(1), Some(2)));
    let text = broker.run(&["schema", "get", "orders-value", "1"]);
    assert!(text.starts_with("{\n  \"type\": \"record\",\n  \"name\": \"Order\",\n"), "{text}");
    assert_eq!(broker.json(&["schema", "get", "--id", "1"])["schema"], ORDER_1);

    let deleted = broker.run(&["schema", "delete", "orders-value", "1"]);
    assert_eq!(deleted, "deleted version 1 of `orders-value`\n");
    let deleted = broker.run(&["schema", "delete", "orders-value"]);
    assert_eq!(deleted, "deleted version 2 of `orders-value`\n");
    let gone = broker.fails(&["schema", "get", "orders-value"]);
    assert!(gone.contains("`levada schema list`"), "{gone}");
    let forever = broker.run(&["schema", "delete", "orders-value", "--permanent"]);
    assert_eq!(forever, "deleted versions 1, 2 of `orders-value` for good\n");
}

#[test]
fn a_diff_says_what_changed_and_who_breaks() {
    let (broker, files) = (Broker::start(&[]), Files::new());
    broker.run(&["schema", "register", "orders-value", &files.write("one.avsc", ORDER_1)]);
    broker.run(&["schema", "register", "orders-value", &files.write("two.avsc", ORDER_2)]);
    let said = broker.run(&["schema", "diff", "orders-value"]);
    assert!(said.starts_with("`orders-value`: version 1 → version 2\n"), "{said}");
    assert!(said.contains("  +       \"name\": \"note\",\n"), "{said}");
    assert!(said.contains("  readers with version 1, of records written with version 2: fine\n"), "{said}");
    assert!(said.ends_with("The subject's compatibility is BACKWARD: it allows this.\n"), "{said}");

    let bad = files.write("bad.avsc", ORDER_BAD);
    let said = broker.run(&["schema", "diff", "orders-value", "1", "--file", &bad]);
    let breaks = format!("  readers with `{bad}`, of records written with version 1: break\n    · The field 'sum'");
    assert!(said.contains(&breaks), "{said}");
    assert!(said.ends_with("BACKWARD: it refuses this.\n"), "{said}");
    let same = broker.run(&["schema", "diff", "orders-value", "--file", &files.write("two.avsc", ORDER_2)]);
    assert!(same.ends_with("\n  nothing changed\n"), "{same}");
    let review = broker.json(&["schema", "diff", "orders-value", "1", "--file", &bad]);
    assert_eq!((review["allowed"].as_bool(), review["old_reads_new"].as_array().map(Vec::len)), (Some(false), Some(0)));
}

#[test]
fn settings_and_modes_are_shown_and_changed() {
    let (broker, files) = (Broker::start(&[]), Files::new());
    let shown = broker.run(&["schema", "config"]);
    assert_eq!(shown, "SETTING             VALUE\ncompatibilityLevel  BACKWARD\n");
    broker.run(&["schema", "config", "orders-value", "--set", "compatibility=FULL", "--set", "normalize=true"]);
    let settings = broker.json(&["schema", "config", "orders-value"]);
    assert_eq!((settings["compatibilityLevel"].as_str(), settings["normalize"].as_bool()), (Some("FULL"), Some(true)));
    broker.run(&["schema", "config", "orders-value", "--unset", "normalize"]);
    assert!(broker.json(&["schema", "config", "orders-value"])["normalize"].is_null());
    broker.run(&["schema", "config", "orders-value", "--reset"]);
    assert_eq!(broker.json(&["schema", "config", "orders-value"])["compatibilityLevel"], "BACKWARD");
    broker.run(&["schema", "mode", "--set", "READONLY"]);
    let refused = broker.fails(&["schema", "register", "orders-value", &files.write("one.avsc", ORDER_1)]);
    assert!(refused.contains("`levada schema mode` shows who may write"), "{refused}");
}

#[test]
fn records_are_encoded_and_decoded_in_every_language() {
    let (broker, files) = (Broker::start(&[]), Files::new());
    let json = r#"{"title":"Order","type":"object","properties":{"id":{"type":"integer"}},"required":["id"]}"#;
    let money = "syntax = \"proto3\"; package shop; message Money { int64 cents = 1; }";
    let proto = "syntax = \"proto3\"; package shop; import \"money.proto\"; message Other { int32 x = 1; } \
                 message Order { int32 id = 1; Money sum = 2; }";
    broker.run(&["schema", "register", "a-value", &files.write("a.avsc", ORDER_2)]);
    broker.run(&["schema", "register", "j-value", &files.write("j.json", json)]);
    broker.run(&["schema", "register", "money", &files.write("money.proto", money)]);
    let reference = ["--reference", "money.proto=money:1"];
    broker.run(&[["schema", "register", "p-value", &files.write("p.proto", proto)].as_slice(), &reference].concat());
    broker.run(&["schema", "register", "k", &files.write("k.avsc", "\"string\"")]);
    let cases: [(&str, &[&str], &str); 3] = [
        ("avro", &[], r#"{"id":7,"note":"x"}"#),
        ("json-schema", &[], r#"{"id":7,"note":"x"}"#),
        ("protobuf", &["--message", "shop.Order"], r#"{"id":7,"sum":{"cents":"250"}}"#),
    ];
    for (topic, (language, more, value)) in ["a", "j", "p"].into_iter().zip(cases) {
        let options = ["--value-format", language, "--key-format", "avro"];
        let subject = ["--key-schema-subject", "k", "--format", "json"];
        let produce = [&["produce", topic], options.as_slice(), &subject, more].concat();
        let line = format!("{{\"key\":\"me\",\"value\":{value}}}\n{{\"key\":\"gone\",\"value\":null}}\n");
        assert_eq!(broker.feed(&produce, line.as_bytes()), format!("produced 2 records to `{topic}`\n"));
        let consume = ["consume", topic, "--from-beginning", "--exit-at-end"];
        let read = broker.run(&[&consume, ["--format", "key-value"].as_slice(), &options].concat());
        let mut shown = lines(&read);
        shown.sort_unstable();
        assert_eq!(shown, ["\"gone\"\t", &format!("\"me\"\t{value}")], "{language}");
        let json = broker.run(&[&consume, ["--format", "json"].as_slice(), &options].concat());
        let copied = [&["produce", topic], options.as_slice(), &subject, more].concat();
        assert_eq!(broker.feed(&copied, json.as_bytes()), format!("produced 2 records to `{topic}`\n"));
        let raw = broker.run(&[&consume, ["--format", "json"].as_slice()].concat());
        assert!(lines(&raw)[0].contains("_base64") || lines(&raw)[0].contains("\\u0000"), "{raw}");
    }
}

#[test]
fn what_does_not_fit_is_refused_with_its_place() {
    let (broker, files) = (Broker::start(&[]), Files::new());
    let missing = broker.feed_fails(&["produce", "a", "--value-format", "avro"], b"{}\n");
    assert!(missing.contains("Subject 'a-value' not found"), "{missing}");
    broker.run(&["schema", "register", "a-value", &files.write("a.avsc", ORDER_1)]);
    let other = broker.feed_fails(&["produce", "a", "--value-format", "protobuf"], b"{}\n");
    assert!(other.contains("the latest schema of subject `a-value` is AVRO, not PROTOBUF"), "{other}");
    let wrong = broker.feed_fails(&["produce", "a", "--value-format", "avro"], b"{\"id\":1}\n{\"id\":\"x\"}\n");
    assert!(wrong.contains("error: line 2: value: not data of schema 1"), "{wrong}");
    broker.feed(&["produce", "a"], b"plain\n");
    let consume = ["consume", "a", "--from-beginning", "--exit-at-end", "--partition", "0", "--value-format", "avro"];
    let undecodable = broker.fails(&consume);
    assert!(undecodable.contains("of partition 0"), "{undecodable}");
    let read = broker.run(&[consume.as_slice(), &["--skip-undecodable"]].concat());
    assert_eq!(read, "{\"id\":1}\n");
}

#[test]
fn a_topic_can_ask_for_schemas() {
    let (broker, files) = (Broker::start(&[]), Files::new());
    broker.run(&["topic", "create", "a", "--partitions", "1", "--config", "confluent.value.schema.validation=true"]);
    let refused = broker.feed_fails(&["produce", "a"], b"plain\n");
    assert!(refused.contains("1 of 1 records are refused; record 0: its value names no schema"), "{refused}");
    broker.run(&["schema", "register", "a-value", &files.write("a.avsc", ORDER_1)]);
    let said = broker.feed(&["produce", "a", "--value-format", "avro"], b"{\"id\":1}\n");
    assert_eq!(said, "produced 1 record to `a`\n");
}

#[test]
fn a_registry_that_is_not_there_is_named() {
    let said = levada_fails(&["schema", "list", "--schema-registry", "http://127.0.0.1:1"]);
    assert!(said.contains("the schema registry at http://127.0.0.1:1 does not answer"), "{said}");
    assert!(said.contains("try: is a registry running there?"), "{said}");
    let said = levada_fails(&["schema", "list", "--schema-registry", "localhost:8081"]);
    assert!(said.contains("`localhost:8081` is no address of a schema registry"), "{said}");
}
