//! What settings ask of schemas and rules.

use crate::rig::{Rig, USER_1, USER_2, avro, of, subject, with_property};
use levada_schema::{Against, CONFLUENT_RESERVED, Mode, Register, SchemaType};
use serde_json::{Value, json};

const JSON_1: &str = r#"{"type":"object","properties":{"id":{"type":"integer"}}}"#;

#[test]
fn reserved_fields_stay_reserved_and_are_not_used() {
    let two = [
        (SchemaType::Avro, USER_1, USER_2),
        (SchemaType::Json, JSON_1, r#"{"type":"object","properties":{"id":{"type":"integer"},"mail":{}}}"#),
        (
            SchemaType::Protobuf,
            "syntax = \"proto3\"; message User { int64 id = 1; }",
            "syntax = \"proto3\"; message User { int64 id = 1; string mail = 2; }",
        ),
    ];
    for (kind, one, with_mail) in two {
        let mut rig = Rig::default();
        rig.configure(Some("a"), json!({ "validateFields": true, "compatibility": "NONE" })).unwrap();
        rig.register("a", &with_property(of(kind, one), CONFLUENT_RESERVED, "mail, phone")).unwrap();
        let conflict = rig.register("a", &of(kind, with_mail)).unwrap_err();
        assert_eq!(conflict.code(), 409, "{kind:?}: the metadata are the previous version's");
        assert!(conflict.to_string().contains("mail"), "{conflict}");
        let checked = rig.registry.check(&subject("a"), &of(kind, with_mail).schema, Against::Subject, false).unwrap();
        assert!(!checked.is_compatible(), "{kind:?}: a check says what registering would");
        let removed = with_property(of(kind, one), CONFLUENT_RESERVED, "mail");
        let removed = rig.register("a", &removed).unwrap_err();
        assert!(removed.to_string().contains("phone"), "{removed}");
        rig.configure(Some("a"), json!({ "validateFields": false })).unwrap();
        rig.register("a", &of(kind, with_mail)).unwrap();
    }
}

#[test]
fn a_property_may_not_be_named_as_those_that_are_kept_for_others() {
    let mut rig = Rig::default();
    let odd = of(SchemaType::Json, r#"{"type":"object","properties":{"$$x":{}}}"#);
    rig.register("a", &odd).unwrap();
    rig.configure(None, json!({ "validateFields": true })).unwrap();
    assert_eq!(rig.register("b", &odd).unwrap_err().code(), 42201);
    let found = rig.registry.lookup(&subject("a"), &odd.schema, false, levada_schema::Deleted::No).unwrap();
    assert!(found.is_some(), "what is there is found");
}

#[test]
fn new_schemas_are_held_to_more_and_known_ones_are_not() {
    let bad_default = r#"{"type":"record","name":"R","fields":[{"name":"n","type":"int","default":"text"}]}"#;
    let mut rig = Rig::default();
    rig.register("old", &avro(bad_default)).unwrap();
    rig.configure(None, json!({ "validateNewSchemas": true })).unwrap();
    let error = rig.register("new", &avro(bad_default)).unwrap_err();
    assert_eq!(error.code(), 42201);
    assert!(error.to_string().contains("default"), "{error}");
    let checked = rig.registry.check(&subject("new"), &avro(bad_default).schema, Against::Subject, false);
    assert_eq!(checked.unwrap_err().code(), 42201);
    let found = rig.registry.lookup(&subject("old"), &avro(bad_default).schema, false, levada_schema::Deleted::No);
    assert!(found.unwrap().is_some());
    rig.set_mode("copy", Mode::Import);
    rig.register("copy", &Register { id: Some(77), ..avro(bad_default) }).unwrap();
}

fn with_rule(rule: &Value) -> Register {
    let mut request = avro(USER_1);
    request.schema.rule_set = Some(serde_json::from_value(json!({ "domainRules": [rule] })).unwrap());
    request
}

#[test]
fn rules_are_judged_without_being_run() {
    let mut rig = Rig::default();
    let no_expression = json!({ "name": "r", "kind": "CONDITION", "mode": "WRITE", "type": "CEL" });
    rig.register("before", &with_rule(&no_expression)).unwrap();
    rig.configure(None, json!({ "validateRules": true })).unwrap();
    let invalid = [
        no_expression,
        json!({ "name": "not one", "mode": "WRITE", "type": "X" }),
        json!({ "name": "r", "kind": "CONDITION", "mode": "WRITE", "type": "ENCRYPT", "tags": ["PII"],
            "params": { "encrypt.kek.name": "k" } }),
        json!({ "name": "r", "kind": "TRANSFORM", "mode": "WRITE", "type": "ENCRYPT", "tags": ["PII"] }),
        json!({ "name": "r", "kind": "TRANSFORM", "mode": "WRITE", "type": "ENCRYPT",
            "params": { "encrypt.kek.name": "k" } }),
        json!({ "name": "r", "mode": "WRITE", "type": "CEL", "expr": "true", "onFailure": "ERROR,NONE" }),
        json!({ "name": "r", "mode": "WRITEREAD", "type": "CEL", "expr": "true", "onFailure": "ERROR," }),
    ];
    for rule in invalid {
        let error = rig.register("a", &with_rule(&rule)).unwrap_err();
        assert_eq!(error.code(), 42210, "{rule}");
    }
    let valid = [
        json!({ "name": "r-1", "kind": "CONDITION", "mode": "WRITEREAD", "type": "CEL", "expr": "message.id > 0",
            "onFailure": "ERROR,NONE" }),
        json!({ "name": "r_2", "kind": "TRANSFORM", "mode": "WRITEREAD", "type": "ENCRYPT", "tags": ["PII"],
            "params": { "encrypt.kek.name": "k" } }),
        json!({ "name": "own", "mode": "READ", "type": "OURS" }),
    ];
    for rule in valid {
        rig.register("a", &with_rule(&rule)).unwrap();
    }
    let bad = json!({ "defaultRuleSet": { "domainRules": [{ "name": "r", "mode": "WRITE", "type": "CEL" }] } });
    assert_eq!(rig.configure(Some("a"), bad.clone()).unwrap_err().code(), 42210);
    let mut off = bad;
    off["validateRules"] = json!(false);
    rig.configure(Some("a"), off).unwrap();
}

#[test]
fn modes_of_a_context_go_together_where_that_is_asked_for() {
    let mut rig = Rig::default();
    for name in [":.m:", ":.m:a", ":.n:a", "a"] {
        rig.set_mode(name, Mode::Readonly);
    }
    let (records, mode) = rig.registry.delete_mode(Some(&subject(":.m:")), true).unwrap();
    assert_eq!(mode, Mode::Readonly);
    rig.write(records);
    let of = |rig: &Rig, name: &str| rig.registry.mode(Some(&subject(name)));
    assert_eq!((of(&rig, ":.m:"), of(&rig, ":.m:a"), of(&rig, ":.n:a").is_some()), (None, None, true));
    let (records, _) = rig.registry.delete_mode(None, true).unwrap();
    rig.write(records);
    assert_eq!((of(&rig, "a"), of(&rig, ":.n:a").is_some()), (None, true), "the default context alone");
    assert_eq!(rig.registry.delete_mode(Some(&subject("a")), false).unwrap_err().code(), 40401);
}
