//! Which rule is broken where, and what registries say of it.

use levada_avro::{CompatibilityError, Incompatibility, IncompatibilityKind, incompatibilities, parse};

fn compare(reader: &str, writer: &str) -> Result<Vec<Incompatibility>, CompatibilityError> {
    let (reader, writer) = (parse(reader, &[]).expect(reader), parse(writer, &[]).expect(writer));
    incompatibilities(&reader, &writer)
}

fn told(reader: &str, writer: &str) -> Vec<String> {
    compare(reader, writer).expect("comparable").iter().map(ToString::to_string).collect()
}

#[test]
fn each_rule_is_told_as_a_registry_tells_it() {
    let record = |fields: &str| format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
    let cases = [
        (
            record(r#"{"name":"a","type":"int"},{"name":"b","type":"string"}"#),
            record(r#"{"name":"a","type":"int"}"#),
            "{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'b' at path '/fields/1' in the %s schema has no default value and is missing in the %s schema', additionalInfo:'b'}",
        ),
        (
            record(r#"{"name":"a","type":"int"}"#),
            record(r#"{"name":"a","type":"string"}"#),
            "{errorType:'TYPE_MISMATCH', description:'The type (path '/fields/0/type') of a field in the %s schema does not match with the %s schema', additionalInfo:'reader type: INT not compatible with writer type: STRING'}",
        ),
        (
            r#"{"type":"fixed","name":"F","size":2}"#.to_owned(),
            r#"{"type":"fixed","name":"F","size":3}"#.to_owned(),
            "{errorType:'FIXED_SIZE_MISMATCH', description:'The size of FIXED type field at path '/size' in the %s schema does not match with the %s schema', additionalInfo:'expected: 3, found: 2'}",
        ),
        (
            r#"{"type":"enum","name":"E","symbols":["A"]}"#.to_owned(),
            r#"{"type":"enum","name":"E","symbols":["C","A","B"]}"#.to_owned(),
            "{errorType:'MISSING_ENUM_SYMBOLS', description:'The %s schema is missing enum symbols '[B, C]' at path '/symbols' in the %s schema', additionalInfo:'[B, C]'}",
        ),
        (
            r#"{"type":"enum","name":"n.E","symbols":["A"]}"#.to_owned(),
            r#"{"type":"enum","name":"n.D","symbols":["A"]}"#.to_owned(),
            "{errorType:'NAME_MISMATCH', description:'The name of the schema has changed (path '/name')', additionalInfo:'expected: n.D'}",
        ),
        (
            r#"["null","int"]"#.to_owned(),
            r#"["null","string"]"#.to_owned(),
            "{errorType:'MISSING_UNION_BRANCH', description:'The %s schema is missing a type inside a union field at path '/1' in the %s schema', additionalInfo:'reader union lacking writer type: STRING'}",
        ),
    ];
    for (reader, writer, expected) in cases {
        assert_eq!(told(&reader, &writer), [expected]);
    }
    let one = &compare("\"int\"", "\"string\"").unwrap()[0];
    assert_eq!((one.kind, one.path.as_str()), (IncompatibilityKind::TypeMismatch, "/"));
    assert!(one.describe("new", "old").contains("in the new schema does not match with the old schema"));
}

#[test]
fn all_incompatibilities_are_told_in_order() {
    let reader = r#"{"type":"record","name":"R","fields":[
        {"name":"a","type":{"type":"array","items":"int"}},{"name":"b","type":{"type":"map","values":"int"}},{"name":"c","type":"int"}]}"#;
    let writer = r#"{"type":"record","name":"S","fields":[
        {"name":"a","type":{"type":"array","items":"string"}},{"name":"b","type":{"type":"map","values":["int","string"]}}]}"#;
    let found: Vec<String> =
        compare(reader, writer).unwrap().iter().map(|one| format!("{} {}", one.kind.name(), one.path)).collect();
    assert_eq!(
        found,
        [
            "NAME_MISMATCH /name",
            "TYPE_MISMATCH /fields/0/type/items",
            "TYPE_MISMATCH /fields/1/type/values/1",
            "READER_FIELD_MISSING_DEFAULT_VALUE /fields/2"
        ]
    );
}

#[test]
fn what_evolves_as_it_should_is_compatible() {
    let cases = [
        ("\"double\"", "\"int\""),
        ("\"string\"", "\"bytes\""),
        ("[\"null\",\"long\"]", "\"int\""),
        ("\"long\"", "[\"int\",\"long\"]"),
        (
            r#"{"type":"enum","name":"E","symbols":["A"],"default":"A"}"#,
            r#"{"type":"enum","name":"E","symbols":["B"]}"#,
        ),
        (
            r#"{"type":"record","name":"New","aliases":["n.Old"],"fields":[{"name":"x","aliases":["y"],"type":"int"},{"name":"z","type":"int","default":0}]}"#,
            r#"{"type":"record","name":"n.Old","fields":[{"name":"y","type":"int"},{"name":"w","type":"string"}]}"#,
        ),
        (
            r#"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]},{"name":"v","type":"long"}]}"#,
            r#"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]},{"name":"v","type":"int"}]}"#,
        ),
    ];
    for (reader, writer) in cases {
        assert_eq!(told(reader, writer), [""; 0], "{reader} {writer}");
    }
}

#[test]
fn a_field_that_could_be_two_is_an_error() {
    let reader = r#"{"type":"record","name":"R","fields":[{"name":"a","aliases":["b"],"type":"int"}]}"#;
    let writer = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"int"}]}"#;
    let error = compare(reader, writer).unwrap_err();
    assert_eq!(error.to_string(), "reader's field `a` matches several fields of the writer's record `R`");
}
