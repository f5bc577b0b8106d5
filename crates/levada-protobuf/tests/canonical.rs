//! How schemas are printed.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use levada_protobuf::{Reference, parse};

#[track_caller]
fn prints(text: &str, expected: &str) {
    let schema = parse(text, &[]).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(schema.canonical(), expected);
    assert_eq!(parse(expected, &[]).unwrap().canonical(), expected, "it is no fixed point");
}

#[test]
fn a_file_is_laid_out_as_wire_does() {
    prints(
        r#"// about
        syntax = 'proto3' ; package shop . orders;
        option java_package="com.shop"; option java_multiple_files = true;
        import public "google/protobuf/any.proto"; import "google/protobuf/timestamp.proto";
        enum Kind { UNKNOWN = 0; LARGE = 0x10 [deprecated = true]; option allow_alias = false; reserved 3, 20 to max; }
        /* order */ message Order {
          message Line { string sku = 1; ; int32 count = 2; message Note { } }
          option deprecated = true;
          string id = 1 [json_name = "ID", deprecated = true]; // trailing
          repeated Line lines = 2; optional int64 total = 3; map < string,  Line.Note > notes = 4;
          reserved 10, 12 to 14; reserved "old", 'older';
          oneof payment { string card = 5; .shop.orders.Order.Line cash = 6 [deprecated=true]; }
          enum State { OPEN = 0; }
          google.protobuf.Timestamp at = 7;
        }
        service Orders { rpc Get (Order) returns (stream Order); rpc Put(stream Order)returns(Order) {
          option deprecated = true; } option deprecated = false; }
        "#,
        "syntax = \"proto3\";
package shop.orders;

import \"google/protobuf/timestamp.proto\";
import public \"google/protobuf/any.proto\";

option java_package = \"com.shop\";
option java_multiple_files = true;

message Order {
  reserved 10, 12 to 14;
  reserved \"old\", \"older\";

  option deprecated = true;

  string id = 1 [
    deprecated = true,
    json_name = \"ID\"
  ];
  repeated Line lines = 2;
  optional int64 total = 3;
  map<string, Line.Note> notes = 4;
  google.protobuf.Timestamp at = 7;

  oneof payment {
    string card = 5;
    .shop.orders.Order.Line cash = 6 [deprecated = true];
  }

  message Line {
    string sku = 1;
    int32 count = 2;
  
    message Note {}
  }
  enum State {
    OPEN = 0;
  }
}
enum Kind {
  reserved 3, 20 to 2147483647;
  option allow_alias = false;
  UNKNOWN = 0;
  LARGE = 16 [deprecated = true];
}

service Orders {
  option deprecated = false;

  rpc Get (Order) returns (stream Order);
  rpc Put (stream Order) returns (Order) {
    option deprecated = true;
  };
}
",
    );
}

#[test]
fn proto2_has_groups_extensions_and_defaults() {
    prints(
        r#"package p; message M { required int32 a = 1 [default = -5]; optional bytes b = 2 [default = "\001\xff\"'"];
        extensions 100 to 199, 300 to max; optional group Inner = 3 { optional string c = 4; }
        oneof o { group Other = 5 { } float f = 6; } extend M { optional M deeper = 100; }
        optional double d = 7 [default = inf]; repeated int32 e = 8 [packed = true, deprecated = false]; }
        extend M { optional string s = 101 [default = 'x']; }"#,
        "package p;

message M {
  required int32 a = 1 [default = -5];
  optional bytes b = 2 [default = \"\\001\\377\\\"\\'\"];
  optional double d = 7 [default = inf];
  repeated int32 e = 8 [
    packed = true,
    deprecated = false
  ];

  oneof o {
    float f = 6;
  
    group Other = 5 {}
  }

  optional group Inner = 3 {
    optional string c = 4;
  }

  extensions 100 to 199, 300 to max;

  extend M {
    optional M deeper = 100;
  }
}

extend M {
  optional string s = 101 [default = \"x\"];
}
",
    );
}

#[test]
fn options_of_ones_own_keep_their_shape() {
    prints(
        r#"syntax = "proto3"; import "confluent/meta.proto"; import "confluent/type/decimal.proto";
        option (confluent.file_meta).doc = "all" " of it";
        message M {
          option (confluent.message_meta) = { doc: 'line\nbreak', tags: ["PII", "x"] params { key: "k" value: "v" }
            params: <key: "l"; value: "w"> };
          confluent.type.Decimal a = 1 [(confluent.field_meta) = { params: [{ key: "precision", value: "8" }] },
            (.confluent.field_meta).doc = "ä"];
        }"#,
        "syntax = \"proto3\";

import \"confluent/meta.proto\";
import \"confluent/type/decimal.proto\";

option (confluent.file_meta).doc = \"all of it\";

message M {
  option (confluent.message_meta) = {
    doc: \"line\\nbreak\",
    tags: [
      \"PII\",
      \"x\"
    ],
    params: [
      {
        key: \"k\",
        value: \"v\"
      },
      {
        key: \"l\",
        value: \"w\"
      }
    ]
  };

  confluent.type.Decimal a = 1 [
    (confluent.field_meta) = {
      params: [
        {
          key: \"precision\",
          value: \"8\"
        }
      ]
    },
    (.confluent.field_meta).doc = \"ä\"
  ];
}
",
    );
}

#[test]
fn normalising_sorts_and_spells_names_out() {
    let text = r#"syntax = "proto3"; package p;
        import "google/protobuf/timestamp.proto"; import "google/protobuf/any.proto"; import "google/protobuf/duration.proto";
        option java_package = "x"; option java_multiple_files = true;
        message M { reserved "z", "a"; reserved 30 to 40, 20;
          google.protobuf.Timestamp t = 9; N n = 2 [jstype = JS_NORMAL, deprecated = true]; map<string, N> m = 1;
          oneof late { int32 y = 8; E x = 7; } oneof early { google.protobuf.Any z = 3; }
          message N { M up = 1; google.protobuf.Duration d = 2; } }
        enum E { ZERO = 0; NINE = 9; THREE = 3; }
        service S { rpc Get (M) returns (M.N); }"#;
    let text = text.replace("jstype = JS_NORMAL, deprecated", "json_name = \"nn\", deprecated");
    let schema = parse(&text, &[]).unwrap();
    let expected = "syntax = \"proto3\";
package p;

import \"google/protobuf/any.proto\";
import \"google/protobuf/duration.proto\";
import \"google/protobuf/timestamp.proto\";

option java_multiple_files = true;
option java_package = \"x\";

message M {
  reserved 20;
  reserved 30 to 40;
  reserved \"a\";
  reserved \"z\";

  map<string, .p.M.N> m = 1;
  .p.M.N n = 2 [
    deprecated = true,
    json_name = \"nn\"
  ];
  .google.protobuf.Timestamp t = 9;

  oneof early {
    .google.protobuf.Any z = 3;
  }
  oneof late {
    .p.E x = 7;
    int32 y = 8;
  }

  message N {
    .p.M up = 1;
    .google.protobuf.Duration d = 2;
  }
}
enum E {
  ZERO = 0;
  THREE = 3;
  NINE = 9;
}

service S {
  rpc Get (.p.M) returns (.p.M.N);
}
";
    assert_eq!(schema.normalized(), expected);
    assert_eq!(parse(expected, &[]).unwrap().normalized(), expected);
}

#[test]
fn normalising_gathers_extensions_and_spells_options_out() {
    let text = r#"syntax = "proto2"; package a.b; import "google/protobuf/descriptor.proto";
        extend google.protobuf.FieldOptions { optional string note = 50001; }
        message M { extensions 100 to 199; optional int32 a = 1 [(note) = "x", deprecated = true];
          message N { extend M { optional N z = 103; } extend b.M { optional E y = 102; } } }
        extend M { optional string x = 101 [(.a.b.note) = "y"]; }
        enum E { B = 1; A = 1; C = 0; option allow_alias = true; }
        enum F { F_B = 1; F_A = 1; F_C = 2; option allow_alias = true; }"#;
    let expected = "package a.b;

import \"google/protobuf/descriptor.proto\";

message M {
  optional int32 a = 1 [
    (a.b.note) = \"x\",
    deprecated = true
  ];

  extensions 100 to 199;

  message N {
    extend .a.b.M {
      optional .a.b.E y = 102;
      optional .a.b.M.N z = 103;
    }
  }
}
enum E {
  option allow_alias = true;
  B = 1;
  C = 0;
  A = 1;
}
enum F {
  option allow_alias = true;
  F_A = 1;
  F_B = 1;
  F_C = 2;
}

extend .a.b.M {
  optional string x = 101 [(a.b.note) = \"y\"];
}
extend .google.protobuf.FieldOptions {
  optional string note = 50001;
}
";
    assert_eq!(parse(text, &[]).unwrap().normalized(), expected);
    assert_eq!(parse(expected, &[]).unwrap().normalized(), expected);
}

#[test]
fn the_default_of_an_enum_survives_normalising() {
    let schema = parse("syntax = \"proto3\"; enum E { ZERO = 0; BELOW = -1; }", &[]).unwrap();
    assert_eq!(parse(&schema.normalized(), &[]).unwrap().normalized(), schema.normalized());
    assert!(schema.normalized().contains("  ZERO = 0;\n  BELOW = -1;\n"));
}

#[test]
fn maps_that_clients_print_as_messages_are_maps() {
    let text = "syntax = \"proto3\";
package p;

message M {
  repeated .p.M.CountsEntry counts = 1;
  string id = 2;

  message Before {}
  message CountsEntry {
    option map_entry = true;
  
    string key = 1;
    .p.M.Before value = 2;
  }
  message After {}
}
";
    prints(text, text);
    let written = parse(
        "syntax = \"proto3\"; package p; message M { map<string, Before> counts = 1; string id = 2; \
                         message Before {} message After {} }",
        &[],
    )
    .unwrap();
    let printed = parse(text, &[]).unwrap();
    assert_eq!(printed.normalized(), written.normalized());
    assert_eq!(levada_protobuf::differences(&printed, &written), []);
    // Back from its descriptor the messages count as they did.
    let again = parse(&printed.serialized(), &[]).unwrap();
    assert_eq!(again.canonical(), text);
}

#[test]
fn a_reference_is_known_by_the_name_it_is_imported_by() {
    let reference = Reference { name: "dir/a.proto", text: "syntax = \"proto3\"; package a; message A {}" };
    let text = "syntax = \"proto3\";\n\nimport \"dir/a.proto\";\n\nmessage M {\n  a.A a = 1;\n}\n";
    assert_eq!(parse(text, &[reference]).unwrap().canonical(), text);
    let error = parse(text, &[]).unwrap_err();
    assert!(error.to_string().contains("dir/a.proto"), "{error}");
}

#[test]
fn what_an_import_passes_on_is_seen() {
    let references = [
        Reference { name: "c.proto", text: "syntax = \"proto3\"; message C {}" },
        Reference { name: "b.proto", text: "syntax = \"proto3\"; import public \"c.proto\"; message B {}" },
        Reference { name: "a.proto", text: "syntax = \"proto3\"; import public \"b.proto\"; message A {}" },
    ];
    let text = "syntax = \"proto3\";\n\nimport \"a.proto\";\n\nmessage M {\n  .C c = 1;\n}\n";
    let schema = parse(text, &references).unwrap();
    assert_eq!(schema.canonical(), text);
    assert_eq!(parse(&schema.serialized(), &references).unwrap().canonical(), text);
    let plain = references.map(|reference| match reference.name {
        "b.proto" => Reference { text: "syntax = \"proto3\"; import \"c.proto\"; message B {}", ..reference },
        _ => reference,
    });
    let error = parse(text, &plain).unwrap_err();
    assert!(error.to_string().contains('C'), "{error}");
}

#[test]
fn imports_go_through_a_descriptor() {
    let references = ["a.proto", "b.proto", "c.proto"].map(|name| Reference { name, text: "syntax = \"proto3\";" });
    let text = "syntax = \"proto3\";\n\nimport \"a.proto\";\nimport public \"b.proto\";\nimport weak \"c.proto\";\n";
    let schema = parse(text, &references).unwrap();
    assert_eq!(schema.canonical(), text);
    assert_eq!(parse(&schema.serialized(), &references).unwrap().canonical(), text);
}

#[test]
fn a_reference_may_have_any_name_that_leads_nowhere_else() {
    let texts = |name: &str| format!("syntax = \"proto3\"; import \"{name}\"; message M {{ A a = 1; }}");
    for name in ["a", "default", "a b/c", "ä.proto", "C:a"] {
        let reference = [Reference { name, text: "syntax = \"proto3\"; message A {}" }];
        let schema = parse(&texts(name), &reference).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(parse(&schema.serialized(), &reference).unwrap().normalized(), schema.normalized(), "{name}");
    }
    for name in ["", "/a.proto", "../a.proto", "a/./b.proto", "a//b.proto", "a/", "a\\\\b.proto"] {
        let error = parse(&texts(name), &[Reference { name, text: "" }]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 1, column 27: the name of a file is made of names with `/` between",
            "{name}"
        );
    }
}
