//! Tags within schemas.

use crate::rig::{Rig, USER_1, USER_2, avro, field, of, record, subject};
use levada_schema::{Context, Metadata, Register, RuleSet, SchemaTags, SchemaType, TagSchema, VersionId};
use serde_json::json;

fn found(rig: &Rig, name: &str, wanted: &[&str]) -> Vec<SchemaTags> {
    let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    rig.registry.find_tags(&Context::default_context(), &rig.latest(name).schema, &wanted).unwrap()
}

fn rules(names: &[&str]) -> RuleSet {
    let rules: Vec<_> = names.iter().map(|name| json!({ "name": name, "mode": "WRITE", "type": "CEL" })).collect();
    serde_json::from_value(json!({ "domainRules": rules })).unwrap()
}

#[test]
fn a_schema_is_registered_with_tags_as_a_new_version_that_its_metadata_name() {
    let mut rig = Rig::default();
    let request = Register { tags_to_add: vec![field("User.id", &["PII"])], ..avro(USER_1) };
    let registered = rig.register("a", &request).unwrap();
    assert!(registered.is_completed, "what was sent is not what it is");
    assert_eq!(found(&rig, "a", &["*"]), [field("User.id", &["PII"])]);
    assert_eq!(rig.latest("a").schema.metadata.as_ref().and_then(Metadata::confluent_version), Some("1"));
    let next = rig.register("a", &request).unwrap();
    assert_eq!(next.version.version, 2, "it is asked for as the next version");
    let fewer = Register {
        tags_to_add: vec![record(".User", &["ALL"])],
        tags_to_remove: vec![field("User.id", &["PII"])],
        schema: rig.latest("a").schema.clone(),
        ..Register::default()
    };
    rig.register("a", &fewer).unwrap();
    assert_eq!(found(&rig, "a", &["*"]), [record("User", &["ALL"])]);
    assert!(found(&rig, "a", &["PII"]).is_empty());
}

#[test]
fn tags_are_looked_for_by_name() {
    let mut rig = Rig::default();
    let tags = vec![field("User.id", &["PII", "ID"]), field("User.mail", &["PII"])];
    rig.register("a", &Register { tags_to_add: tags.clone(), ..avro(USER_2) }).unwrap();
    assert_eq!(found(&rig, "a", &["PII"]), tags);
    assert_eq!(found(&rig, "a", &["ID", "OTHER"]), [field("User.id", &["PII", "ID"])]);
    assert!(found(&rig, "a", &["OTHER"]).is_empty() && found(&rig, "a", &[]).is_empty());
}

#[test]
fn a_part_that_is_not_there_is_refused() {
    let mut rig = Rig::default();
    for tags in [field("User.gone", &["A"]), record("Other", &["A"])] {
        let error = rig.register("a", &Register { tags_to_add: vec![tags], ..avro(USER_1) }).unwrap_err();
        assert_eq!(error.code(), 42201);
    }
    let many = (0..1_001).map(|index| field(&format!("User.f{index}"), &["A"])).collect();
    let error = rig.register("a", &Register { tags_to_add: many, ..avro(USER_1) }).unwrap_err();
    assert_eq!(error.code(), 42209);
}

#[test]
fn tags_of_the_previous_version_come_along_where_that_is_asked_for() {
    let mut rig = Rig::default();
    let tags = vec![field("User.id", &["PII"]), field("User.mail", &["PII", "MAIL"])];
    rig.register("a", &Register { tags_to_add: tags, ..avro(USER_2) }).unwrap();
    rig.configure(None, json!({ "compatibility": "NONE" })).unwrap();
    rig.register("a", &avro(USER_1)).unwrap();
    assert!(found(&rig, "a", &["*"]).is_empty(), "it was not asked for");
    rig.delete_version("a", 2, false).unwrap();
    let next = Register { propagates_tags: true, ..avro(USER_1) };
    rig.register("a", &next).unwrap();
    assert_eq!(found(&rig, "a", &["*"]), [field("User.id", &["PII"])], "those of the field that is gone are gone");
    let removed = Register { tags_to_remove: vec![field("User.id", &["PII"])], ..next };
    rig.register("a", &removed).unwrap();
    assert!(found(&rig, "a", &["*"]).is_empty(), "what a request takes away stays away");
}

#[test]
fn each_language_has_its_tags() {
    let mut rig = Rig::default();
    let json = Register {
        tags_to_add: vec![field("object.id", &["PII"])],
        ..of(SchemaType::Json, r#"{"type":"object","properties":{"id":{"type":"integer"}}}"#)
    };
    rig.register("j", &json).unwrap();
    assert_eq!(found(&rig, "j", &["PII"]), [field("object.id", &["PII"])]);
    let protobuf = Register {
        tags_to_add: vec![field("User.id", &["PII"])],
        ..of(SchemaType::Protobuf, "syntax = \"proto3\"; message User { int64 id = 1; }")
    };
    rig.register("p", &protobuf).unwrap();
    assert_eq!(found(&rig, "p", &["PII"]), [field("User.id", &["PII"])]);
    let text = rig.latest("p").schema.text.to_string();
    assert!(text.contains("(confluent.field_meta)"), "{text}");
}

#[test]
fn a_version_is_tagged_and_keeps_what_it_has() {
    let mut rig = Rig::default();
    let mut first = avro(USER_1);
    first.schema.rule_set = Some(rules(&["a", "b"]));
    rig.register("a", &first).unwrap();
    let request = TagSchema {
        tags_to_add: Some(vec![field("User.id", &["PII"])]),
        rules_to_merge: Some(rules(&["c"])),
        rules_to_remove: Some(vec!["a".to_owned()]),
        ..TagSchema::default()
    };
    let tagged = rig.registry.tag(&subject("a"), VersionId::Latest, &request).unwrap();
    rig.write(tagged.records.clone());
    assert_eq!(tagged.version.version, 2);
    let schema = &rig.latest("a").schema;
    assert_eq!(schema.metadata.as_ref().and_then(Metadata::confluent_version), Some("2"));
    assert_eq!(schema.rule_set, Some(rules(&["b", "c"])));
    assert_eq!(found(&rig, "a", &["PII"]).len(), 1);
    let wrong = TagSchema { new_version: Some(9), ..request.clone() };
    assert_eq!(rig.registry.tag(&subject("a"), VersionId::Latest, &wrong).unwrap_err().code(), 42201);
    let error = rig.registry.tag(&subject("a"), VersionId::Number(7), &request).unwrap_err();
    assert_eq!(error.code(), 40402);
    assert_eq!(rig.registry.tag(&subject("z"), VersionId::Latest, &request).unwrap_err().code(), 40401);
}
