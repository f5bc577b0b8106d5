//! What is a schema and what is none, as Java's parser has it.

use levada_avro::{Kind, Problem, Reference, Validation, parse, parse_with};

fn canonical(text: &str) -> String {
    parse(text, &[]).expect(text).canonical().to_owned()
}

fn refusal(text: &str) -> String {
    parse(text, &[]).expect_err(text).to_string()
}

#[test]
fn a_primitive_is_a_word_in_quotes_or_an_object() {
    assert_eq!(canonical("\"string\""), "\"string\"");
    assert_eq!(canonical(" {\"type\": \"string\"} "), "\"string\"");
    // Java's parser reads JSON, where a bare word is none.
    assert!(refusal("string").starts_with("not JSON at line 1, column 1"));
}

#[test]
fn a_type_may_be_used_before_it_is_defined_and_within_itself() {
    let text = r#"{"type":"record","name":"n.A","fields":[
        {"name":"next","type":["null","A"]},
        {"name":"late","type":"B"},
        {"name":"b","type":{"type":"record","name":"B","fields":[{"name":"a","type":"n.A"}]}}]}"#;
    let schema = parse(text, &[]).unwrap();
    assert_eq!(schema.name().as_deref(), Some("n.A"));
    assert_eq!(
        schema.canonical(),
        r#"{"type":"record","name":"A","namespace":"n","fields":[{"name":"next","type":["null","A"]},{"name":"late","type":{"type":"record","name":"B","fields":[{"name":"a","type":"A"}]}},{"name":"b","type":"B"}]}"#
    );
    assert_eq!(refusal(r#"{"type":"array","items":"n.Gone"}"#), "`n.Gone` is not defined");
}

#[test]
fn references_are_found_by_the_names_in_their_texts() {
    let references = [
        Reference { name: "one", text: r#"{"type":"enum","name":"n.E","symbols":["A"]}"# },
        Reference { name: "two", text: r#"{"type":"record","name":"n.R","fields":[{"name":"e","type":"n.E"}]}"# },
    ];
    let text = r#"{"type":"record","name":"n.S","fields":[{"name":"r","type":"R"},{"name":"e","type":"n.E"}]}"#;
    let schema = parse(text, &references).unwrap();
    let by_name =
        r#"{"type":"record","name":"S","namespace":"n","fields":[{"name":"r","type":"R"},{"name":"e","type":"E"}]}"#;
    assert_eq!(schema.canonical(), by_name);
    assert_eq!(schema.normalized(), by_name);
    assert_eq!(
        schema.resolved().unwrap(),
        r#"{"type":"record","name":"S","namespace":"n","fields":[{"name":"r","type":{"type":"record","name":"R","fields":[{"name":"e","type":{"type":"enum","name":"E","symbols":["A"]}}]}},{"name":"e","type":"E"}]}"#
    );
    let error = parse(text, &references[1..]).unwrap_err();
    assert_eq!(error.to_string(), "`n.E` is not defined in reference `two`");
}

#[test]
fn a_name_that_a_namespace_has_not_is_looked_for_in_none() {
    let references = [Reference { name: "r", text: r#"{"type":"fixed","name":"F","size":1}"# }];
    let text = r#"{"type":"record","name":"n.R","fields":[{"name":"f","type":"F"}]}"#;
    assert!(parse(text, &references).is_ok());
    assert_eq!(refusal(text), "`n.F` is not defined");
}

#[test]
fn two_definitions_of_a_name_must_be_alike() {
    let twice = |second: &str| {
        format!(
            r#"{{"type":"record","name":"R","fields":[
            {{"name":"a","type":{{"type":"enum","name":"E","symbols":["A"],"doc":"one"}}}},{{"name":"b","type":{second}}}]}}"#
        )
    };
    let alike = twice(r#"{"type":"enum","name":"E","symbols":["A"],"doc":"two"}"#);
    assert!(canonical(&alike).ends_with(r#"{"name":"b","type":"E"}]}"#));
    let different = twice(r#"{"type":"enum","name":"E","symbols":["A","B"]}"#);
    assert_eq!(refusal(&different), "`E` is defined twice, and not alike at `/fields/1/type`");
}

#[test]
fn what_is_no_schema_is_refused_with_its_place() {
    let cases = [
        ("", "not JSON at line 1, column 1: a value was expected"),
        ("12", "`12` is no type"),
        ("{}", "type has no `type` that is a string"),
        (r#"{"type":{"type":"string"}}"#, "type has no `type` that is a string"),
        (r#"{"type":"array"}"#, "array has no `items` that is a type"),
        (r#"["int","int"]"#, "union has two branches `int`"),
        (r#"["int",["string"]]"#, "union is a branch of a union"),
        (r#"{"type":"enum","name":"E","symbols":["A","A"]}"#, "enum `E` has symbol `A` twice"),
        (r#"{"type":"enum","name":"E","symbols":["A"],"default":"B"}"#, "default `B` is no symbol of enum `E`"),
        (r#"{"type":"fixed","name":"F","size":-1}"#, "fixed has no `size` that is a number of bytes"),
        (r#"{"type":"fixed","name":"int","size":1}"#, "`int` is a primitive type, nothing else may be called so"),
        (r#"{"type":"record","name":"R"}"#, "record has no `fields` that is an array"),
        (
            r#"{"type":"record","name":"R","fields":[{"name":"1a","type":"int"}]}"#,
            "`1a` is no name: letters, digits and underscores, no digit first at `/fields/0`",
        ),
        (
            r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}"#,
            "record `R` has two fields `a` at `/fields/1`",
        ),
        (
            r#"{"type":"map","values":{"type":"record","name":"R","fields":[{"name":"a","type":"int","order":"up"}]}}"#,
            "`\"up\"` is no order at `/values/fields/0`",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(refusal(text), expected, "{text}");
    }
}

#[test]
fn defaults_and_namespaces_are_checked_where_a_schema_is_new() {
    let field = |of_type: &str, default: &str| {
        format!(r#"{{"type":"record","name":"R","fields":[{{"name":"a","type":{of_type},"default":{default}}}]}}"#)
    };
    let valid = [
        ("[\"null\",\"string\"]", "null"),
        ("[\"null\",\"string\"]", "\"any branch\""),
        ("\"long\"", "9007199254740993"),
        ("\"float\"", "1"),
        ("\"double\"", "\"NaN\""),
        ("{\"type\":\"array\",\"items\":\"int\"}", "[1,2]"),
        ("{\"type\":\"record\",\"name\":\"S\",\"fields\":[{\"name\":\"b\",\"type\":\"int\",\"default\":1}]}", "{}"),
        ("\"bytes\"", "\"\\u00ff\""),
    ];
    for (of_type, default) in valid {
        let text = field(of_type, default);
        assert!(parse_with(&text, &[], Validation::NewSchema).is_ok(), "{text}");
    }
    let invalid = [
        ("\"string\"", "null"),
        ("\"int\"", "2147483648"),
        ("\"int\"", "1.0"),
        ("{\"type\":\"map\",\"values\":\"int\"}", "{\"k\":\"v\"}"),
        ("{\"type\":\"record\",\"name\":\"S\",\"fields\":[{\"name\":\"b\",\"type\":\"int\"}]}", "{}"),
    ];
    for (of_type, default) in invalid {
        let text = field(of_type, default);
        assert!(parse(&text, &[]).is_ok(), "{text}");
        let error = parse_with(&text, &[], Validation::NewSchema).unwrap_err();
        assert!(matches!(*error.problem, Problem::InvalidDefault { .. }), "{text}: {error}");
    }
    let text = r#"{"type":"fixed","name":"F","namespace":"a.b-c","size":1}"#;
    assert!(parse(text, &[]).is_ok());
    let error = parse_with(text, &[], Validation::NewSchema).unwrap_err();
    assert_eq!(error.to_string(), "`b-c` is no name, but a part of the namespace of `a.b-c.F`");
}

#[test]
fn the_model_can_be_walked() {
    let schema = parse(r#"{"type":"record","name":"R","fields":[{"name":"t","type":{"type":"long","logicalType":"timestamp-millis"}}]}"#, &[]).unwrap();
    let Kind::Record(record) = schema.kind(schema.root()) else { panic!("no record") };
    let node = schema.node(record.fields[0].schema);
    assert!(matches!(node.kind, Kind::Long));
    assert_eq!(node.properties[0].1.as_str(), Some("timestamp-millis"));
}
