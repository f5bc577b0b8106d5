//! Messages between binary and JSON.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use levada_protobuf::{DataError, Schema, limits, parse};

const TEXT: &str = r#"syntax = "proto3"; package p;
    import "google/protobuf/any.proto"; import "google/protobuf/timestamp.proto"; import "google/protobuf/struct.proto";
    message Order { string id = 1; int64 total = 2; repeated Line lines = 3; map<string, bytes> extra = 4;
      google.protobuf.Timestamp at = 5; State state = 6; oneof payment { string card = 7; bool cash = 8; }
      optional int32 discount = 9; double weight = 10; }
    message Line { string sku_code = 1; uint32 count = 2; Line sub = 3; }
    message Box { google.protobuf.Any any = 1; google.protobuf.Value value = 2; }
    enum State { OPEN = 0; PAID = 1; }"#;

fn schema() -> Schema {
    parse(TEXT, &[]).unwrap()
}

#[test]
fn json_becomes_the_documented_bytes() {
    let schema = schema();
    let bytes = schema.json_to_binary("p.Line", r#"{"skuCode": "a", "count": 300}"#).unwrap();
    assert_eq!(bytes, b"\x0a\x01a\x10\xac\x02");
    assert_eq!(schema.json_to_binary(".p.Line", r#"{"sku_code": "a", "count": 300}"#).unwrap(), bytes);
    let json = schema.binary_to_json("p.Line", &bytes).unwrap();
    assert_eq!(json, r#"{"skuCode":"a","count":300}"#);
}

#[test]
fn every_kind_of_field_goes_there_and_back() {
    let json = concat!(
        r#"{"id":"o-1","total":"-7","lines":[{"skuCode":"a","count":1},{"skuCode":"","count":0}],"#,
        r#""extra":{"k":"AAH/"},"at":"2026-01-02T03:04:05.600Z","state":"PAID","cash":true,"discount":0,"weight":1.5}"#
    );
    let schema = schema();
    let bytes = schema.json_to_binary("p.Order", json).unwrap();
    assert_eq!(schema.binary_to_json("p.Order", &bytes).unwrap(), json);
    assert_eq!(schema.validate("p.Order", &bytes), Ok(()));
}

#[test]
fn what_does_not_fit_is_refused_with_a_reason() {
    let schema = schema();
    let json = |name: &str, json: &str| schema.json_to_binary(name, json).unwrap_err();
    assert_eq!(json("p.Gone", "{}"), DataError::UnknownMessage { name: "p.Gone".to_owned() });
    assert!(json("p.Line", r#"{"colour": 1}"#).to_string().contains("colour"));
    assert!(matches!(json("p.Line", r#"{"count": -1}"#), DataError::Json { .. }));
    assert!(matches!(json("p.Line", r#"{"count": "x"}"#), DataError::Json { .. }));
    assert!(matches!(json("p.Line", r#"{} {}"#), DataError::Json { .. }));
    assert!(matches!(json("p.Line", "{"), DataError::Json { .. }));
    assert!(matches!(schema.binary_to_json("p.Line", b"\x0a\x05a"), Err(DataError::Binary { .. })));
    assert!(matches!(schema.validate("p.Line", b"\x0a\x01\xff"), Err(DataError::Binary { .. })));
    assert!(matches!(schema.validate("p.Line", b"\x08\x01"), Err(DataError::Binary { .. })));
}

#[test]
fn required_fields_are_required_at_any_depth() {
    let text = "message M { required int32 a = 1; optional M m = 2; repeated M l = 3; map<int32, M> n = 4; }";
    let schema = parse(text, &[]).unwrap();
    let missing = Err(DataError::MissingRequired { field: "M.a".to_owned() });
    assert_eq!(schema.validate("M", b"\x08\x00"), Ok(()));
    assert_eq!(schema.validate("M", b""), missing);
    assert_eq!(schema.validate("M", b"\x08\x00\x12\x00"), missing);
    assert_eq!(schema.validate("M", b"\x08\x00\x1a\x00"), missing);
    assert_eq!(schema.validate("M", b"\x08\x00\x22\x04\x08\x01\x12\x00"), missing);
    assert!(schema.json_to_binary("M", r#"{"a": 1, "l": [{}]}"#).is_err());
    assert!(schema.json_to_binary("M", r#"{"a": 1, "l": [{"a": 0}]}"#).is_ok());
}

/// `inner` as field `number` of another message.
fn wrapped(number: u8, inner: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut size = inner.len();
    while size >= 0x80 {
        bytes.push(u8::try_from(size & 0x7f).unwrap() | 0x80);
        size >>= 7;
    }
    bytes.push(u8::try_from(size).unwrap());
    bytes.extend_from_slice(inner);
    bytes
}

#[test]
fn depth_is_bounded_in_both_forms() {
    let schema = schema();
    let deep = |depth: usize| (0..depth).fold(Vec::new(), |inner, _| wrapped(3, &inner));
    assert!(schema.binary_to_json("p.Line", &deep(90)).is_ok());
    assert!(matches!(schema.binary_to_json("p.Line", &deep(20_000)), Err(DataError::Binary { .. })));
    // Groups that no field knows.
    assert!(matches!(schema.validate("p.Line", &[0x63].repeat(1_000_000)), Err(DataError::Binary { .. })));
    let groups = [[0x63].repeat(200_000), [0x64].repeat(200_000)].concat();
    assert!(matches!(schema.validate("p.Line", &groups), Err(DataError::Binary { .. })));
    let json = |depth: usize| format!("{}{{}}{}", "{\"sub\":".repeat(depth), "}".repeat(depth));
    assert!(schema.json_to_binary("p.Line", &json(90)).is_ok());
    assert!(matches!(schema.json_to_binary("p.Line", &json(100_000)), Err(DataError::Json { .. })));
    let lists = format!("{{\"value\": {}", "[".repeat(100_000));
    assert!(matches!(schema.json_to_binary("p.Box", &lists), Err(DataError::Json { .. })));
}

#[test]
fn any_is_unpacked_where_its_type_is_known_and_not_without_an_end() {
    let schema = schema();
    let json = r#"{"any":{"@type":"type.googleapis.com/p.Line","skuCode":"a","count":2},"value":[1.0,{"x":null}]}"#;
    let bytes = schema.json_to_binary("p.Box", json).unwrap();
    assert_eq!(schema.binary_to_json("p.Box", &bytes).unwrap(), json);
    let packed = |depth: usize| {
        (0..depth).fold(Vec::new(), |inner, _| {
            let any = [wrapped(1, b"t/p.Box"), wrapped(2, &inner)].concat();
            wrapped(1, &any)
        })
    };
    assert!(schema.binary_to_json("p.Box", &packed(limits::ANY_NESTING_MAX)).is_ok());
    let too_deep = Err(DataError::AnyTooDeep { limit: limits::ANY_NESTING_MAX });
    assert_eq!(schema.binary_to_json("p.Box", &packed(limits::ANY_NESTING_MAX + 1)), too_deep);
    assert_eq!(schema.binary_to_json("p.Box", &packed(20_000)), too_deep);
}

#[test]
fn size_is_bounded_in_both_forms() {
    let schema = schema();
    let too_large = DataError::TooLarge { limit: limits::MESSAGE_BYTES_MAX };
    let large = vec![0; limits::MESSAGE_BYTES_MAX + 1];
    assert_eq!(schema.validate("p.Line", &large), Err(too_large.clone()));
    let json = " ".repeat(limits::MESSAGE_BYTES_MAX + 1);
    assert_eq!(schema.json_to_binary("p.Line", &json), Err(too_large.clone()));
    // Two bytes in binary, some thirty in JSON.
    let lines = wrapped(3, b"").repeat(1_000_000);
    assert_eq!(schema.binary_to_json("p.Order", &lines), Err(too_large));
}
