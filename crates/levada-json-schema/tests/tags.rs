//! Tags within a schema: found, added, taken away.

use levada_json_schema::{Schema, parse};
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

/// One tag each in many places.
const EVERYWHERE: &str = r#"{"type":"object","confluent:tags":["ROOT"],"properties":{
    "list":{"type":"array","confluent:tags":["L"],"items":{"type":"object","confluent:tags":["ITEM"],
        "properties":{"a.b":{"type":"string","confluent:tags":["DOTTED"]}}}},
    "either":{"oneOf":[{"type":"string"},{"type":"object","properties":{"x":{"type":"integer","confluent:tags":["X"]}}},
        {"type":"null"}]},
    "maybe":{"type":["object","null"],"confluent:tags":["M"],"properties":{"y":{"confluent:tags":["Y"]}}},
    "never":{"not":{"type":"object","properties":{"z":{"type":"string","confluent:tags":["Z"]}}}},
    "both":{"type":"object","properties":{"p":{"type":"string","confluent:tags":["P"]}},
        "oneOf":[{"properties":{"q":{"confluent:tags":["Q"]}}},{"required":["r"]}]}},
    "definitions":{"D":{"type":"object","properties":{"d":{"type":"string","confluent:tags":["DEFINED"]}}}}}"#;

#[test]
fn every_tag_has_a_path_and_every_path_leads_back() {
    let schema_with = schema(EVERYWHERE);
    let all = found(&schema_with);
    let paths: Vec<(Part, &str, &str)> =
        all.iter().map(|(part, path, tags)| (*part, path.as_str(), tags[0].as_str())).collect();
    let expected = [
        (Part::Record, "object", "ROOT"),
        (Part::Field, "object.list", "L"),
        (Part::Record, "object.list.array.object", "ITEM"),
        (Part::Field, "object.list.array.object.a.b", "DOTTED"),
        // `null` comes before `object`, which comes before `string`.
        (Part::Field, "object.either.oneof.1.object.x", "X"),
        (Part::Field, "object.maybe", "M"),
        (Part::Field, "object.maybe.anyof.1.object.y", "Y"),
        (Part::Field, "object.never.not.object.z", "Z"),
        (Part::Field, "object.both.allof.0.oneof.1.object.q", "Q"),
        (Part::Field, "object.both.allof.1.object.p", "P"),
        (Part::Field, "object.definitions.D.object.d", "DEFINED"),
    ];
    assert_eq!(paths, expected);
    for (part, path, tags) in &all {
        let more = schema(&retag(&schema_with, *part, path, &["MORE"], &[]).unwrap());
        let changed: Vec<_> = found(&more).into_iter().filter(|it| !all.contains(it)).collect();
        assert_eq!(changed, [(*part, path.clone(), vec![tags[0].clone(), "MORE".to_owned()])], "{path}");
    }
}

#[test]
fn a_tag_is_there_once_and_the_last_one_takes_the_keyword_along() {
    let plain = r#"{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"number","maximum":1.50}}}"#;
    let once = retag(&schema(plain), Part::Field, "object.b", &["PII"], &[]).unwrap();
    let expected = plain.replace(r#"{"type":"string"}"#, r#"{"type":"string","confluent:tags":["PII"]}"#);
    assert_eq!(once, expected, "nothing else moves");
    let again = retag(&schema(&once), Part::Field, "object.b", &["PII", "ID"], &[]).unwrap();
    assert_eq!(found(&schema(&again)), [(Part::Field, "object.b".to_owned(), texts(&["PII", "ID"]))]);
    assert_eq!(retag(&schema(&again), Part::Field, "object.b", &[], &["PII", "ID", "X"]).unwrap(), plain);
}

#[test]
fn what_is_not_there_is_refused_or_passed_over() {
    let text = r#"{"type":"object","properties":{"a":true,"b":{},"odd":{"confluent:tags":"PII"}}}"#;
    let plain = schema(text);
    for (part, path) in [
        (Part::Field, "object.c"),
        (Part::Field, "object"),
        (Part::Record, "object.b"),
        (Part::Field, "a"),
        (Part::Field, ""),
        // A boolean has room for nothing.
        (Part::Field, "object.a"),
        (Part::Field, "object.b.oneof.0.object.x"),
        (Part::Field, "object.b.anyof.x.object.x"),
    ] {
        let error = retag(&plain, part, path, &["A"], &[]).unwrap_err();
        assert_eq!(error, TagError::NoSuchPart { part, path: path.to_owned() });
        let change = Retag { part, path, add: &texts(&["A"]), remove: &[], missing: Missing::Skip };
        assert_eq!(plain.retagged(&[change]).unwrap(), text);
    }
    assert!(found(&plain).is_empty());
    let error = retag(&plain, Part::Field, "object.odd", &["A"], &[]).unwrap_err();
    assert_eq!(error.to_string(), "`confluent:tags` of `object.odd` is not a list of strings");
}

#[test]
fn alternatives_are_counted_by_what_they_are() {
    let alternatives = [
        r#"{"type":"array","items":{"type":"string"}}"#,
        r#"{"type":"boolean"}"#,
        r#"{"const":1}"#,
        r#"{"enum":["a"]}"#,
        r#"{"type":"null"}"#,
        r#"{"type":"integer"}"#,
        r#"{"type":"object","properties":{"a":{}}}"#,
        r#"{"type":"object","properties":{"b":{"confluent:tags":["B"]}}}"#,
        r#"{"type":"object","title":"T","properties":{}}"#,
        r#"{"type":"string"}"#,
    ];
    let written: Vec<&str> = alternatives.iter().rev().copied().collect();
    let schema = schema(&format!(r#"{{"oneOf":[{}]}}"#, written.join(",")));
    assert_eq!(found(&schema), [(Part::Field, "oneof.7.object.b".to_owned(), texts(&["B"]))]);
}

#[test]
fn paths_are_bounded_together() {
    let properties: Vec<String> = (0..1_100).map(|index| format!(r#""p{index}":{{"confluent:tags":["A"]}}"#)).collect();
    let name = "n".repeat(4_000);
    let inner = format!(r#"{{"type":"object","properties":{{{}}}}}"#, properties.join(","));
    let large = schema(&format!(r#"{{"type":"object","properties":{{"{name}":{inner}}}}}"#));
    assert_eq!(large.tagged(), Err(TagError::TooLong { limit: levada_tags::PATHS_BYTES_MAX }));
}

#[test]
fn a_stack_of_1_mib_is_enough_for_the_deepest_schema() {
    let nested = |open: &str, close: &str| {
        let inner = r#"{"type":"object","confluent:tags":["DEEP"]}"#;
        format!("{}{inner}{}", open.repeat(48), close.repeat(48))
    };
    let texts = [
        nested(r#"{"type":"object","properties":{"a":"#, "}}"),
        nested(r#"{"anyOf":[{"type":"string"},"#, "]}"),
        nested(r#"{"type":"object","definitions":{"a":"#, "}}"),
    ];
    let work = move || {
        for text in texts {
            let deep = schema(&text);
            let all = found(&deep);
            assert_eq!(all.len(), 1, "{text}");
            let (part, path, tags) = &all[0];
            assert_eq!(tags, &["DEEP"]);
            let none = schema(&retag(&deep, *part, path, &[], &["DEEP"]).unwrap());
            assert!(found(&none).is_empty());
        }
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(work).unwrap().join().unwrap();
}
