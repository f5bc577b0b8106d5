//! What is read, what is refused, and how it is said.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use base64::{Engine, engine::general_purpose::STANDARD};
use levada_protobuf::{ParseError, Reference, Schema, limits, parse};

fn refused(text: &str) -> String {
    match parse(text, &[]) {
        Ok(schema) => panic!("it was read: {}", schema.canonical()),
        Err(error) => error.to_string(),
    }
}

fn read(text: &str) -> Schema {
    parse(text, &[]).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn an_error_says_what_is_wrong_and_where() {
    assert_eq!(
        refused("syntax = \"proto3\";\nmessage M {\n  int32 a 1;\n}"),
        "line 3, column 11: expected `=`, found `1`"
    );
    assert_eq!(refused("message {}"), "line 1, column 9: expected a name, found `{`");
    assert_eq!(refused("message M {"), "line 1, column 12: expected a name, found the end");
    assert_eq!(refused("syntax = \"proto4\";"), "line 1, column 10: the syntax is `proto2` or `proto3`");
    assert_eq!(refused("import \"a.proto"), "line 1, column 8: the string does not end");
    assert_eq!(refused("/* open"), "line 1, column 1: the comment does not end");
    assert!(refused("edition = \"2023\"; message M {}").contains("editions are not supported"));
    assert_eq!(refused("syntax = \"proto3\"; message M { N n = 1; }"), "name 'N' is not defined, in `N n = 1;`");
    let references = [Reference { name: "a.proto", text: "syntax = \"proto3\"; message A { B b = 1; }" }];
    assert_eq!(
        parse("import \"a.proto\"; message M {}", &references).unwrap_err().to_string(),
        "reference `a.proto`: name 'B' is not defined, in `B b = 1;`"
    );
    assert!(refused("syntax = \"proto3\"; message M { int32 a = 1; int32 b = 1; }").contains('1'));
    assert!(refused("syntax = \"proto3\"; message M { required int32 a = 1; }").contains("required"));
    assert!(refused("message M { int32 a = 1; }").contains("label"));
    assert!(refused("syntax = \"proto3\"; enum E { A = 1; }").contains("not 0"));
    assert!(refused("syntax = \"proto3\"; message M { int32 a = 536870912; }").contains("number"));
    let within = parse("message M {}", &[Reference { name: "a.proto", text: "message" }]).unwrap_err();
    assert_eq!(within.to_string(), "reference `a.proto`: line 1, column 8: expected a name, found the end");
}

#[test]
fn files_that_import_each_other_are_refused() {
    let references = [
        Reference { name: "a.proto", text: "import \"b.proto\"; message A {}" },
        Reference { name: "b.proto", text: "import \"a.proto\"; message B {}" },
    ];
    let error = parse("import \"a.proto\"; message M {}", &references).unwrap_err();
    assert!(error.to_string().contains("cycle"), "{error}");
}

#[test]
fn words_of_the_language_may_be_names() {
    let text = "syntax = \"proto3\"; message message { string message = 1; enum = 2; }";
    assert!(parse(text, &[]).is_err());
    let schema = read(
        "syntax = \"proto3\"; message M { string message = 1; bool syntax = 2; string stream = 3; string package = 4; \
         string returns = 5; string option = 6; string reserved = 7; } \
         service S { rpc rpc (M) returns (stream M); }",
    );
    assert!(schema.canonical().contains("rpc rpc (M) returns (stream M);"), "{}", schema.canonical());
}

#[test]
fn every_well_known_type_and_both_of_the_registry_s_files_need_no_reference() {
    let files = "any api descriptor duration empty field_mask source_context struct timestamp type wrappers";
    let mut text = String::from("syntax = \"proto3\";");
    for file in files.split(' ') {
        text.push_str(&format!("import \"google/protobuf/{file}.proto\";"));
    }
    text.push_str("import \"confluent/meta.proto\"; import \"confluent/type/decimal.proto\";");
    text.push_str("message M { google.protobuf.Struct a = 1; confluent.type.Decimal b = 2; confluent.Meta c = 3; }");
    assert_eq!(read(&text).name().as_deref(), Some("M"));
}

#[test]
fn the_name_is_that_of_the_first_message() {
    assert_eq!(read("package a.b; enum E { A = 1; } message M {} message N {}").name().as_deref(), Some("a.b.M"));
    assert_eq!(read("enum E { A = 1; }").name(), None);
    assert_eq!(read("").name(), None);
}

#[test]
fn deep_nesting_is_refused_before_it_is_followed() {
    let nested = |depth: usize| format!("{}{}", "message M { ".repeat(depth), "} ".repeat(depth));
    read(&nested(limits::NESTING_MAX));
    let error = parse(&nested(limits::NESTING_MAX + 1), &[]).unwrap_err();
    assert!(matches!(error, ParseError::TooLarge { limit: limits::NESTING_MAX, .. }), "{error}");
    assert!(refused(&nested(40_000)).contains("nesting"));
    assert!(refused(&"message M { ".repeat(80_000)).contains("nesting"));
    assert!(refused(&format!("option (o) = {}", "{ a: ".repeat(150_000))).contains("nesting"));
    assert!(refused(&format!("option (o) = {{ a: {}", "[".repeat(500_000))).contains("nesting"));
    assert!(refused(&format!("option (o) = {{ a {}", "< a".repeat(200_000))).contains("nesting"));
    assert!(refused(&format!("message M {{ {}", "optional group G = 1 { ".repeat(40_000))).contains("nesting"));
    refused(&"(".repeat(1_000_000));
    refused(&format!("option {}", "(a).".repeat(200_000)));
}

#[test]
fn every_limit_is_kept() {
    assert!(refused(&" ".repeat(limits::TEXT_BYTES_MAX + 1)).contains("bytes"));
    let name = "n".repeat(limits::NAME_CHARS_MAX);
    read(&format!("message {name} {{}}"));
    assert!(refused(&format!("message {name}n {{}}")).contains("characters"));
    let mut deep = String::new();
    for _ in 0..5 {
        deep.push_str(&format!("message {name} {{ "));
    }
    assert!(refused(&deep).contains("full name"));
    let types: String = (0..=limits::TYPES_MAX).map(|index| format!("message M{index} {{}} ")).collect();
    assert!(refused(&types).contains("types"));
    let values: String = (0..=limits::MEMBERS_MAX).map(|index| format!("V{index} = {index}; ")).collect();
    assert!(refused(&format!("enum E {{ {values} }}")).contains("fields, values"));
    let references = vec![Reference { name: "a", text: "" }; limits::REFERENCES_MAX + 1];
    assert!(parse("", &references).unwrap_err().to_string().contains("references"));
    let large = " ".repeat(limits::TEXT_BYTES_MAX);
    let references = vec![Reference { name: "a", text: &large }; 5];
    assert!(parse("", &references).unwrap_err().to_string().contains("references"));
    // Indentation makes text grow.
    let members = "f: 1 ".repeat(30_000);
    let (open, close) = ("a { ".repeat(25), "} ".repeat(25));
    assert!(refused(&format!("option (o) = {{ {open} {members} {close} }};")).contains("printed"));
}

#[test]
fn what_is_normalised_may_be_registered_again() {
    let package = ["p"; 100].map(|part| part.repeat(9)).join(".");
    let text = |count: i32| {
        let fields: String = (1..=count).map(|number| format!("M f{number} = {number};")).collect();
        format!("syntax = \"proto3\"; package {package}; message M {{ {fields} }}")
    };
    let (small, large) = (read(&text(900)), read(&text(1_100)));
    assert_ne!(small.normalized(), small.canonical());
    assert_eq!(read(&small.normalized()).normalized(), small.normalized());
    assert_eq!(large.normalized(), large.canonical());
}

#[test]
fn the_largest_schemas_are_read() {
    let fields: String = (1..=18_000).map(|number| format!("int32 f{number} = {number};")).collect();
    assert!(read(&format!("syntax = \"proto3\"; message M {{ {fields} }}")).canonical().len() > 100_000);
    let types: String = (0..4_000).map(|index| format!("message M{index} {{ M0 a = 1; }} ")).collect();
    let schema = read(&format!("syntax = \"proto3\"; {types}"));
    assert_eq!(levada_protobuf::differences(&schema, &schema), []);
}

#[test]
fn a_descriptor_in_base64_is_a_schema() {
    let text = "syntax = \"proto3\";\npackage p;\n\nmessage M {\n  repeated .p.M b = 2;\n  .p.E c = 3;\n}\nenum E {\n  A = 0;\n}\n";
    let schema = read(text);
    let again = read(&schema.serialized());
    assert_eq!(again.canonical(), text);
    assert_eq!(again.serialized(), schema.serialized());
    assert_eq!(read(&format!("{}\n", schema.serialized())).canonical(), text);
    assert!(refused("bm90aGluZw==").contains("line 1"));
}

#[test]
fn a_descriptor_cannot_smuggle_text() {
    // A file whose message is called `M{} message N`.
    let message = b"\x0a\x0dM{} message N";
    let mut file = b"\x0a\x01f\x22".to_vec();
    file.push(u8::try_from(message.len()).unwrap());
    file.extend_from_slice(message);
    let error = refused(&STANDARD.encode(&file));
    assert!(error.contains("name") || error.contains("text"), "{error}");
}

#[test]
fn options_of_ones_own_go_through_a_descriptor() {
    let text = "syntax = \"proto3\";

import \"confluent/meta.proto\";

message M {
  option (confluent.message_meta) = {
    doc: \"a\\nb\",
    params: [
      {
        key: \"k\",
        value: \"v\"
      }
    ],
    tags: [
      \"PII\",
      \"x\"
    ]
  };

  int32 a = 1 [
    deprecated = true,
    (confluent.field_meta) = {
      tags: [
        \"PII\"
      ]
    }
  ];
}
";
    for text in [text, &text.replace("import \"confluent/meta.proto\";\n\n", "")] {
        let schema = read(text);
        assert_eq!(schema.canonical(), text);
        assert_eq!(read(&schema.serialized()).canonical(), text);
    }
    assert!(refused("option (gone.by) = 1;").contains("gone.by"));
}
