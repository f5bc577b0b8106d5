//! Values in bytes and back, and what a reader makes of what another schema wrote.

use levada_avro::datum::{Decoder, Limits, decode, encode};
use levada_avro::{Schema, parse};
use serde_json::{Value, json};

fn schema(text: &str) -> Schema {
    parse(text, &[]).expect(text)
}

fn resolve(reader: &str, writer: &str, value: &Value) -> Result<Value, String> {
    let (reader, writer) = (schema(reader), schema(writer));
    let bytes = encode(&writer, value).map_err(|error| error.to_string())?;
    Decoder::new(&reader, &writer).decode(&bytes, &Limits::default()).map_err(|error| error.to_string())
}

#[test]
fn values_have_the_bytes_of_the_specification() {
    let record =
        r#"{"type":"record","name":"test","fields":[{"name":"a","type":"long"},{"name":"b","type":"string"}]}"#;
    let cases: [(&str, Value, &[u8]); 16] = [
        ("\"null\"", json!(null), &[]),
        ("\"boolean\"", json!(true), &[1]),
        ("\"int\"", json!(-64), &[0x7f]),
        ("\"int\"", json!(64), &[0x80, 0x01]),
        ("\"int\"", json!(i32::MIN), &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        ("\"long\"", json!(i64::MIN), &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        ("\"float\"", json!(-2.5), &[0, 0, 0x20, 0xc0]),
        ("\"double\"", json!("-Infinity"), &[0, 0, 0, 0, 0, 0, 0xf0, 0xff]),
        ("\"string\"", json!("foo"), &[0x06, 0x66, 0x6f, 0x6f]),
        ("\"bytes\"", json!("\u{ff}\u{0}"), &[0x04, 0xff, 0]),
        (record, json!({"a": 27, "b": "foo"}), &[0x36, 0x06, 0x66, 0x6f, 0x6f]),
        (r#"{"type":"enum","name":"E","symbols":["A","B","C","D"]}"#, json!("D"), &[0x06]),
        (r#"{"type":"array","items":"long"}"#, json!([3, 27]), &[0x04, 0x06, 0x36, 0]),
        (r#"{"type":"map","values":"int"}"#, json!({"k": 1}), &[0x02, 0x02, 0x6b, 0x02, 0]),
        (r#"["null","string"]"#, json!({"string": "a"}), &[0x02, 0x02, 0x61]),
        (r#"[{"type":"fixed","name":"n.F","size":2},"null"]"#, json!({"n.F": "ab"}), &[0, 0x61, 0x62]),
    ];
    for (text, value, bytes) in cases {
        let schema = schema(text);
        assert_eq!(encode(&schema, &value).unwrap(), bytes, "{text}");
        assert_eq!(decode(&schema, bytes, &Limits::default()).unwrap(), value, "{text}");
    }
}

#[test]
fn blocks_may_tell_their_size() {
    let array = schema(r#"{"type":"array","items":"long"}"#);
    assert_eq!(
        decode(&array, &[0x03, 0x04, 0x06, 0x36, 0x02, 0x02, 0], &Limits::default()).unwrap(),
        json!([3, 27, 1])
    );
    let writer = schema(
        r#"{"type":"record","name":"R","fields":[{"name":"skipped","type":{"type":"array","items":"long"}},{"name":"a","type":"int"}]}"#,
    );
    let reader = schema(r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#);
    let value = Decoder::new(&reader, &writer).decode(&[0x03, 0x04, 0x06, 0x36, 0, 0x08], &Limits::default());
    assert_eq!(value.unwrap(), json!({"a": 4}));
}

#[test]
fn a_value_of_another_type_is_refused_with_its_place() {
    let record =
        r#"{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"array","items":["null","int"]}}]}"#;
    let cases = [
        (record, json!({"a": [null, {"int": "x"}]}), "not a value of int at `/a/1/int`"),
        (record, json!({"a": [1]}), "a union's value is `null` or an object with one member, its branch at `/a/0`"),
        (record, json!({"a": [{"long": 1}]}), "the union has no branch `long` at `/a/0`"),
        (record, json!({}), "field `a` of R is missing, for the whole value"),
        (record, json!({"a": [], "b": 1}), "R has no field `b`, for the whole value"),
        ("\"int\"", json!(2_147_483_648_i64), "not a value of int, for the whole value"),
        ("\"bytes\"", json!("\u{100}"), "not a value of bytes, for the whole value"),
        (r#"{"type":"enum","name":"E","symbols":["A"]}"#, json!("B"), "`B` is no symbol of E, for the whole value"),
        (r#"{"type":"fixed","name":"F","size":1}"#, json!("ab"), "not a value of F, for the whole value"),
    ];
    for (text, value, expected) in cases {
        assert_eq!(encode(&schema(text), &value).unwrap_err().to_string(), expected, "{text}");
    }
}

#[test]
fn a_reader_takes_what_evolved() {
    let writer = r#"{"type":"record","name":"w.R","fields":[
        {"name":"old","type":"int"},{"name":"gone","type":{"type":"map","values":["null",{"type":"fixed","name":"F","size":3}]}},
        {"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}},{"name":"u","type":["string","int"]}]}"#;
    let reader = r#"{"type":"record","name":"r.R","fields":[
        {"name":"u","type":["null","double","bytes"]},
        {"name":"e","type":{"type":"enum","name":"E","symbols":["B","Z"],"default":"Z"}},
        {"name":"new","type":"double","aliases":["old"]},
        {"name":"added","type":["null",{"type":"array","items":["string","long"]}],"default":["x",1]},
        {"name":"nothing","type":["null","int"],"default":null}]}"#;
    let value = json!({"old": 7, "gone": {"k": null, "l": {"w.F": "abc"}}, "e": "A", "u": {"string": "é"}});
    let expected = json!({"u": {"bytes": "\u{c3}\u{a9}"}, "e": "Z", "new": 7.0,
        "added": {"array": [{"string": "x"}, {"long": 1}]}, "nothing": null});
    assert_eq!(resolve(reader, writer, &value).unwrap(), expected);
    let value = json!({"old": 7, "gone": {}, "e": "B", "u": {"int": 5}});
    let resolved = resolve(reader, writer, &value).unwrap();
    assert_eq!((&resolved["u"], &resolved["e"]), (&json!({"double": 5.0}), &json!("B")));
}

#[test]
fn a_float_is_told_as_the_double_that_it_is() {
    assert_eq!(resolve("\"float\"", "\"float\"", &json!(1.1)).unwrap(), json!(1.100_000_023_841_858));
    assert_eq!(resolve("\"double\"", "\"float\"", &json!(1.1)).unwrap(), json!(1.100_000_023_841_858));
    assert_eq!(resolve("\"float\"", "\"long\"", &json!(16_777_217)).unwrap(), json!(16_777_216.0));
}

#[test]
fn what_a_reader_cannot_take_is_told() {
    let of = |fields: &str| format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
    let cases = [
        ("\"int\"".to_owned(), "\"string\"".to_owned(), json!("a"), "string is not read as int, at byte 0"),
        (
            r#"{"type":"enum","name":"E","symbols":["A"]}"#.to_owned(),
            r#"{"type":"enum","name":"E","symbols":["A","B"]}"#.to_owned(),
            json!("B"),
            "`B` is no symbol of the reader's E, which has no default, at byte 1",
        ),
        (
            of(r#"{"name":"a","type":"int"}"#),
            of(""),
            json!({}),
            "field `a` of R is not written, and has no default that is a value of it, at byte 0",
        ),
    ];
    for (reader, writer, value, expected) in cases {
        assert_eq!(resolve(&reader, &writer, &value).unwrap_err(), expected);
    }
    let string = schema("\"string\"");
    let error = |bytes: &[u8]| decode(&string, bytes, &Limits::default()).unwrap_err().to_string();
    assert_eq!(error(&[0x04, 0x61]), "the value ends early, at byte 1");
    assert_eq!(error(&[0x02, 0xff]), "a string is not UTF-8, at byte 2");
    assert_eq!(error(&[0x00, 0x00]), "the value is over, 1 bytes are left, at byte 1");
    assert_eq!(error(&[0x01]), "a length is negative, at byte 1");
}

#[test]
fn a_value_may_take_so_much_memory_and_no_more() {
    let strings = schema(r#"{"type":"array","items":"string"}"#);
    let bytes = encode(&strings, &json!(vec!["x".repeat(100); 100])).unwrap();
    assert!(decode(&strings, &bytes, &Limits { value_bytes_max: 20_000 }).is_ok());
    let error = decode(&strings, &bytes, &Limits { value_bytes_max: 10_000 }).unwrap_err();
    assert!(error.to_string().starts_with("the value takes more memory than it may"));
}
