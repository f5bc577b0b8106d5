//! Tags within a schema: found, added, taken away.

use levada_avro::{Reference, Schema, parse};
use levada_tags::{Missing, Part, Retag, TagError, Tags as _};

fn schema(text: &str) -> Schema {
    parse(text, &[]).expect("the schema is one")
}

fn texts(tags: &[&str]) -> Vec<String> {
    tags.iter().map(ToString::to_string).collect()
}

/// Adds and removes tags of one part.
fn retag(schema: &Schema, part: Part, path: &str, add: &[&str], remove: &[&str]) -> Result<String, TagError> {
    schema.retagged(&[Retag { part, path, add: &texts(add), remove: &texts(remove), missing: Missing::Refuse }])
}

fn found(schema: &Schema) -> Vec<(Part, String, Vec<String>)> {
    schema
        .tagged()
        .expect("the paths are short")
        .into_iter()
        .map(|tagged| (tagged.part, tagged.path, tagged.tags))
        .collect()
}

const NESTED: &str = r#"{"type":"record","name":"User","namespace":"n","fields":[{"name":"id","type":"long"},{"name":"home","type":["null",{"type":"record","name":"Address","fields":[{"name":"street","type":"string"}]}]},{"name":"more","type":{"type":"array","items":{"type":"map","values":{"type":"record","name":"Note","namespace":"x","fields":[{"name":"text","type":"string"}]}}}}]}"#;

#[test]
fn tags_are_added_where_the_path_leads_and_found_there() {
    let plain = schema(NESTED);
    assert!(found(&plain).is_empty());
    let once = retag(&plain, Part::Field, "n.User.id", &["PII", "ID"], &[]).unwrap();
    assert_eq!(
        once,
        NESTED.replacen(
            r#"{"name":"id","type":"long"}"#,
            r#"{"name":"id","type":"long","confluent:tags":["PII","ID"]}"#,
            1
        )
    );
    let twice = retag(&schema(&once), Part::Record, "x.Note", &["FREE"], &[]).unwrap();
    let thrice = retag(&schema(&twice), Part::Field, "n.Address.street", &["PII"], &[]).unwrap();
    let expected = vec![
        (Part::Field, "n.User.id".to_owned(), texts(&["PII", "ID"])),
        (Part::Field, "n.Address.street".to_owned(), texts(&["PII"])),
        (Part::Record, "x.Note".to_owned(), texts(&["FREE"])),
    ];
    assert_eq!(found(&schema(&thrice)), expected);
}

#[test]
fn a_tag_is_there_once_and_the_last_one_takes_the_property_along() {
    let once = retag(&schema(NESTED), Part::Record, "User", &["A"], &[]).unwrap();
    let again = retag(&schema(&once), Part::Record, "n.User", &["A", "B"], &[]).unwrap();
    assert_eq!(found(&schema(&again)), [(Part::Record, "n.User".to_owned(), texts(&["A", "B"]))]);
    let none = retag(&schema(&again), Part::Record, "n.User", &[], &["B", "A", "C"]).unwrap();
    assert_eq!(none, NESTED);
}

#[test]
fn a_name_without_a_namespace_means_the_first_of_that_name() {
    assert_eq!(
        retag(&schema(NESTED), Part::Field, "Note.text", &["T"], &[]),
        retag(&schema(NESTED), Part::Field, "x.Note.text", &["T"], &[])
    );
    assert!(retag(&schema(NESTED), Part::Field, "Address.street", &[], &[]).is_ok());
    for path in ["y.Note.text", "id", ""] {
        assert!(retag(&schema(NESTED), Part::Field, path, &[], &[]).is_err(), "{path}");
    }
}

#[test]
fn what_is_not_there_or_elsewhere_is_refused() {
    let address = r#"{"type":"record","name":"Address","namespace":"n","fields":[{"name":"street","type":"string","confluent:tags":["PII"]}]}"#;
    let user = r#"{"type":"record","name":"User","namespace":"n","fields":[{"name":"home","type":"Address"}]}"#;
    let user = parse(user, &[Reference { name: "n.Address", text: address }]).unwrap();
    // They are found, for rules count them; the text that has them is another subject's.
    assert_eq!(found(&user), [(Part::Field, "n.Address.street".to_owned(), texts(&["PII"]))]);
    for (part, path) in [(Part::Field, "n.Address.street"), (Part::Record, "n.Other"), (Part::Field, "n.User.x")] {
        let error = retag(&user, part, path, &["A"], &[]).unwrap_err();
        assert_eq!(error, TagError::NoSuchPart { part, path: path.to_owned() });
    }
    let odd = schema(r#"{"type":"record","name":"R","fields":[],"confluent:tags":"PII"}"#);
    assert!(found(&odd).is_empty());
    let error = retag(&odd, Part::Record, "R", &["A"], &[]).unwrap_err();
    assert_eq!(error.to_string(), "`confluent:tags` of `R` is not a list of strings");
}

#[test]
fn a_part_that_is_gone_can_be_passed_over() {
    let add = texts(&["A"]);
    let change = |path| Retag { part: Part::Field, path, add: &add, remove: &[], missing: Missing::Skip };
    let changed = schema(NESTED).retagged(&[change("n.User.gone"), change("n.User.id")]).unwrap();
    assert_eq!(found(&schema(&changed)), [(Part::Field, "n.User.id".to_owned(), add.clone())]);
}

#[test]
fn a_type_that_contains_itself_is_walked_once() {
    let list =
        r#"{"type":"record","name":"List","fields":[{"name":"next","type":["null","List"],"confluent:tags":["A"]}]}"#;
    let list = schema(list);
    assert_eq!(found(&list), [(Part::Field, "List.next".to_owned(), texts(&["A"]))]);
    assert!(list.has_top_level_field("next") && !list.has_top_level_field("List"));
    assert!(retag(&list, Part::Record, "Other", &[], &[]).is_err());
}

#[test]
fn paths_are_bounded_together() {
    let fields: Vec<String> =
        (0..50).map(|index| format!(r#"{{"name":"f{index}","type":"int","confluent:tags":["A"]}}"#)).collect();
    let name = "N".repeat(100_000);
    let large = schema(&format!(r#"{{"type":"record","name":"{name}","fields":[{}]}}"#, fields.join(",")));
    assert_eq!(large.tagged(), Err(TagError::TooLong { limit: levada_tags::PATHS_BYTES_MAX }));
}
