//! Each documented kind of difference, where it is, and whether data is read across it.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use levada_protobuf::{DifferenceKind, Reference, Schema, differences, incompatibilities, parse};
use std::collections::BTreeSet;

struct Case {
    what: &'static str,
    old: &'static str,
    new: &'static str,
    /// Kinds with their paths, sorted.
    expected: &'static [&'static str],
}

const fn case(what: &'static str, old: &'static str, new: &'static str, expected: &'static [&'static str]) -> Case {
    Case { what, old, new, expected }
}

/// Bodies are proto3 unless they say something else.
fn schema(text: &str) -> Schema {
    let text = if text.starts_with("syntax") { text.to_owned() } else { format!("syntax = \"proto3\"; {text}") };
    parse(&text, &[]).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn proto2(body: &str) -> String {
    format!("syntax = \"proto2\"; {body}")
}

fn listed(reader: &Schema, writer: &Schema) -> Vec<String> {
    let mut listed: Vec<String> =
        differences(reader, writer).iter().map(|found| format!("{} {}", found.kind.name(), found.path)).collect();
    listed.sort();
    listed
}

const MESSAGES: [Case; 13] = [
    case("nothing", "message M { int32 a = 1; }", "message M { int32 a = 1; }", &[]),
    case("package", "package a; message M {}", "package b; message M {}", &["PACKAGE_CHANGED #/"]),
    case("package given", "message M {}", "package b; message M {}", &["PACKAGE_CHANGED #/"]),
    case("message added", "message M {}", "message M {} message N {}", &["MESSAGE_ADDED #/N"]),
    case("message removed", "message M {} message N {}", "message M {}", &["MESSAGE_REMOVED #/N"]),
    case(
        "messages moved",
        "message M {} message N {}",
        "message N {} message M {}",
        &["MESSAGE_MOVED #/M", "MESSAGE_MOVED #/N"],
    ),
    case(
        "nested message added and moved",
        "message M { message A {} }",
        "message M { message B {} message A {} }",
        &["MESSAGE_ADDED #/M/B", "MESSAGE_MOVED #/M/A"],
    ),
    case(
        "message nested",
        "message M { N n = 1; } message N {}",
        "message M { N n = 1; message N {} }",
        &["FIELD_NAMED_TYPE_CHANGED #/M/1", "MESSAGE_ADDED #/M/N", "MESSAGE_REMOVED #/N"],
    ),
    case("enum added", "message M {}", "message M {} enum E { A = 0; }", &["ENUM_ADDED #/E"]),
    case("nested enum removed", "message M { enum E { A = 0; } }", "message M {}", &["ENUM_REMOVED #/M/E"]),
    case("value added", "enum E { A = 0; }", "enum E { A = 0; B = 5; }", &["ENUM_CONST_ADDED #/E/5"]),
    case("value removed", "enum E { A = 0; B = 5; }", "enum E { A = 0; }", &["ENUM_CONST_REMOVED #/E/5"]),
    case("value renamed", "enum E { A = 0; }", "enum E { B = 0; }", &["ENUM_CONST_CHANGED #/E/0"]),
];

const FIELDS: [Case; 25] = [
    case("added", "message M {}", "message M { int32 a = 1; }", &["FIELD_ADDED #/M/1"]),
    case("removed", "message M { int32 a = 1; }", "message M {}", &["FIELD_REMOVED #/M/1"]),
    case("renamed", "message M { int32 a = 1; }", "message M { int32 b = 1; }", &["FIELD_NAME_CHANGED #/M/1"]),
    case(
        "renumbered",
        "message M { int32 a = 1; }",
        "message M { int32 a = 2; }",
        &["FIELD_ADDED #/M/2", "FIELD_REMOVED #/M/1"],
    ),
    case("widened", "message M { int32 a = 1; }", "message M { uint64 a = 1; }", &[]),
    case(
        "enum to number",
        "message M { E a = 1; } enum E { A = 0; }",
        "message M { bool a = 1; } enum E { A = 0; }",
        &[],
    ),
    case("sint", "message M { sint32 a = 1; }", "message M { sint64 a = 1; }", &[]),
    case("fixed32", "message M { fixed32 a = 1; }", "message M { sfixed32 a = 1; }", &[]),
    case("fixed64", "message M { fixed64 a = 1; }", "message M { sfixed64 a = 1; }", &[]),
    case("text", "message M { string a = 1; }", "message M { bytes a = 1; }", &[]),
    case(
        "int to sint",
        "message M { int32 a = 1; }",
        "message M { sint32 a = 1; }",
        &["FIELD_SCALAR_KIND_CHANGED #/M/1"],
    ),
    case(
        "fixed sizes",
        "message M { fixed32 a = 1; }",
        "message M { fixed64 a = 1; }",
        &["FIELD_SCALAR_KIND_CHANGED #/M/1"],
    ),
    case("float", "message M { float a = 1; }", "message M { double a = 1; }", &["FIELD_SCALAR_KIND_CHANGED #/M/1"]),
    case(
        "float fixed",
        "message M { float a = 1; }",
        "message M { fixed32 a = 1; }",
        &["FIELD_SCALAR_KIND_CHANGED #/M/1"],
    ),
    case("scalar to message", "message M { int32 a = 1; }", "message M { M a = 1; }", &["FIELD_KIND_CHANGED #/M/1"]),
    case("bytes to message", "message M { bytes a = 1; }", "message M { M a = 1; }", &["FIELD_KIND_CHANGED #/M/1"]),
    case(
        "message to map",
        "message M { repeated M a = 1; }",
        "message M { map<int32, M> a = 1; }",
        &["FIELD_KIND_CHANGED #/M/1"],
    ),
    case("map widened", "message M { map<int32, string> a = 1; }", "message M { map<int64, bytes> a = 1; }", &[]),
    case(
        "map's value",
        "message M { map<int32, int32> a = 1; }",
        "message M { map<int32, string> a = 1; }",
        &["FIELD_SCALAR_KIND_CHANGED #/M/1"],
    ),
    case(
        "map's key",
        "message M { map<int32, M> a = 1; }",
        "message M { map<string, M> a = 1; }",
        &["FIELD_SCALAR_KIND_CHANGED #/M/1"],
    ),
    case(
        "another message",
        "message M { A a = 1; } message A {} message B {}",
        "message M { B a = 1; } message A {} message B {}",
        &["FIELD_NAMED_TYPE_CHANGED #/M/1"],
    ),
    case(
        "text repeated",
        "message M { string a = 1; }",
        "message M { repeated string a = 1; }",
        &["FIELD_STRING_OR_BYTES_LABEL_CHANGED #/M/1"],
    ),
    case(
        "number repeated",
        "message M { int32 a = 1; }",
        "message M { repeated int32 a = 1; }",
        &["FIELD_NUMERIC_LABEL_CHANGED #/M/1"],
    ),
    case("message repeated", "message M { M a = 1; }", "message M { repeated M a = 1; }", &[]),
    case("presence", "message M { int32 a = 1; }", "message M { optional int32 a = 1; }", &[]),
];

const ONEOFS: [Case; 13] = [
    case(
        "one field moves in",
        "message M { string a = 1; }",
        "message M { oneof o { string a = 1; int32 b = 2; } }",
        &["ONEOF_ADDED #/M/o", "ONEOF_FIELD_ADDED #/M/o/2"],
    ),
    case(
        "two fields move in",
        "message M { string a = 1; int32 b = 2; }",
        "message M { oneof o { string a = 1; int32 b = 2; } }",
        &["MULTIPLE_FIELDS_MOVED_TO_ONEOF #/M/o", "ONEOF_ADDED #/M/o"],
    ),
    case(
        "a field joins others",
        "message M { int32 c = 3; oneof o { string a = 1; int32 b = 2; } }",
        "message M { oneof o { string a = 1; int32 b = 2; int32 c = 3; } }",
        &["FIELD_MOVED_TO_EXISTING_ONEOF #/M/o"],
    ),
    case(
        "two oneofs become one",
        "message M { oneof o { string a = 1; } oneof p { int32 b = 2; } }",
        "message M { oneof o { string a = 1; int32 b = 2; } }",
        &["FIELD_MOVED_TO_EXISTING_ONEOF #/M/o", "ONEOF_REMOVED #/M/p"],
    ),
    case(
        "field added",
        "message M { oneof o { string a = 1; } }",
        "message M { oneof o { string a = 1; int32 b = 2; } }",
        &["ONEOF_FIELD_ADDED #/M/o/2"],
    ),
    case(
        "field removed",
        "message M { oneof o { string a = 1; int32 b = 2; } }",
        "message M { oneof o { string a = 1; } }",
        &["ONEOF_FIELD_REMOVED #/M/o/2"],
    ),
    case("removed", "message M { oneof o { string a = 1; } }", "message M {}", &["ONEOF_REMOVED #/M/o"]),
    case(
        "removed in part",
        "message M { oneof o { string a = 1; int32 b = 2; } }",
        "message M { string a = 1; }",
        &["ONEOF_FIELD_MOVED_TO_TOP_LEVEL #/M/1", "ONEOF_FIELD_REMOVED #/M/o/2", "ONEOF_REMOVED #/M/o"],
    ),
    case(
        "field leaves",
        "message M { oneof o { string a = 1; int32 b = 2; } }",
        "message M { int32 b = 2; oneof o { string a = 1; } }",
        &["ONEOF_FIELD_MOVED_TO_TOP_LEVEL #/M/2"],
    ),
    case(
        "renamed",
        "message M { oneof o { string a = 1; int32 b = 2; } }",
        "message M { oneof p { string a = 1; int32 b = 2; } }",
        &["ONEOF_ADDED #/M/p", "ONEOF_REMOVED #/M/o"],
    ),
    case(
        "type changes on the way in",
        "message M { string a = 1; }",
        "message M { oneof o { int32 a = 1; } }",
        &["FIELD_SCALAR_KIND_CHANGED #/M/o/1", "ONEOF_ADDED #/M/o"],
    ),
    case(
        "type changes on the way out",
        "message M { oneof o { string a = 1; } }",
        "message M { M a = 1; }",
        &["FIELD_KIND_CHANGED #/M/1", "ONEOF_FIELD_MOVED_TO_TOP_LEVEL #/M/1", "ONEOF_REMOVED #/M/o"],
    ),
    case("optional is no oneof", "message M { optional int32 a = 1; }", "message M { int32 a = 1; }", &[]),
];

#[test]
fn each_difference_is_found_where_it_is_and_nothing_else() {
    for Case { what, old, new, expected } in MESSAGES.iter().chain(&FIELDS).chain(&ONEOFS) {
        assert_eq!(listed(&schema(new), &schema(old)), *expected, "{what}");
    }
}

#[test]
fn required_fields_and_labels_are_compared() {
    let cases: [(&str, &str, &[&str]); 9] = [
        ("", "required int32 a = 1;", &["REQUIRED_FIELD_ADDED #/M/1"]),
        ("", "optional int32 a = 1;", &["FIELD_ADDED #/M/1"]),
        ("required int32 a = 1;", "", &["REQUIRED_FIELD_REMOVED #/M/1"]),
        ("optional int32 a = 1;", "repeated int32 a = 1;", &["FIELD_NUMERIC_LABEL_CHANGED #/M/1"]),
        (
            "optional bytes a = 1;",
            "required bytes a = 1;",
            &["FIELD_STRING_OR_BYTES_LABEL_CHANGED #/M/1", "REQUIRED_FIELD_ADDED #/M/1"],
        ),
        ("required bytes a = 1;", "optional bytes a = 1;", &["FIELD_STRING_OR_BYTES_LABEL_CHANGED #/M/1"]),
        ("optional M a = 1;", "required M a = 1;", &["REQUIRED_FIELD_ADDED #/M/1"]),
        ("optional M a = 1;", "repeated M a = 1;", &[]),
        (
            "optional int32 a = 1;",
            "required uint32 a = 1;",
            &["FIELD_NUMERIC_LABEL_CHANGED #/M/1", "REQUIRED_FIELD_ADDED #/M/1"],
        ),
    ];
    for (old, new, expected) in cases {
        let schemas = [old, new].map(|fields| schema(&proto2(&format!("message M {{ {fields} }}"))));
        assert_eq!(listed(&schemas[1], &schemas[0]), expected, "{old} to {new}");
    }
}

#[test]
fn groups_and_extensions_are_compared_like_fields() {
    let group = |inner: &str| schema(&proto2(&format!("message M {{ optional group G = 1 {{ {inner} }} }}")));
    let numbers = group("optional int32 a = 2;");
    assert_eq!(listed(&group("optional int64 a = 2;"), &numbers), [""; 0]);
    assert_eq!(listed(&group("optional string a = 2;"), &numbers), ["FIELD_SCALAR_KIND_CHANGED #/M/G/2"]);
    let message = schema(&proto2("message M { optional G g = 1; message G { optional int32 a = 2; } }"));
    assert!(listed(&message, &numbers).contains(&"FIELD_KIND_CHANGED #/M/1".to_owned()));
    let extended =
        |kind: &str| schema(&proto2(&format!("message M {{ extensions 5; }} extend M {{ optional {kind} a = 5; }}")));
    assert_eq!(listed(&extended("int64"), &extended("int32")), [""; 0]);
    assert_eq!(listed(&extended("string"), &extended("int32")), ["FIELD_SCALAR_KIND_CHANGED #/M/5"]);
}

#[test]
fn every_kind_is_met_and_judged_as_documented() {
    let mut met = BTreeSet::new();
    for Case { old, new, .. } in MESSAGES.iter().chain(&FIELDS).chain(&ONEOFS) {
        let (old, new) = (schema(old), schema(new));
        let all = differences(&new, &old);
        let bad = incompatibilities(&new, &old);
        assert!(bad.iter().all(|found| all.contains(found) && !found.kind.is_compatible()));
        assert_eq!(bad.len(), all.iter().filter(|found| !found.kind.is_compatible()).count());
        met.extend(all.iter().map(|found| found.kind));
    }
    let required = schema(&proto2("message M { required int32 a = 1; }"));
    let empty = schema(&proto2("message M {}"));
    met.extend(differences(&required, &empty).iter().map(|found| found.kind));
    met.extend(differences(&empty, &required).iter().map(|found| found.kind));
    assert_eq!(met, DifferenceKind::ALL.into_iter().collect());
    let compatible: Vec<&str> =
        DifferenceKind::ALL.iter().filter(|kind| kind.is_compatible()).map(|kind| kind.name()).collect();
    let expected = "MESSAGE_ADDED MESSAGE_MOVED ENUM_ADDED ENUM_REMOVED ENUM_CONST_ADDED ENUM_CONST_CHANGED \
                    ENUM_CONST_REMOVED FIELD_ADDED FIELD_REMOVED FIELD_NAME_CHANGED \
                    FIELD_STRING_OR_BYTES_LABEL_CHANGED ONEOF_ADDED ONEOF_REMOVED ONEOF_FIELD_ADDED \
                    ONEOF_FIELD_MOVED_TO_TOP_LEVEL";
    assert_eq!(compatible.join(" "), expected);
}

const USER: &str =
    "syntax = \"proto3\"; import \"home.proto\"; message M { home.Home a = 1; map<int32, home.Home> b = 2; }";

fn with_home(text: &str, home: &str) -> Schema {
    parse(text, &[Reference { name: "home.proto", text: home }]).unwrap()
}

#[test]
fn imported_messages_are_compared_where_they_are_used() {
    let home = |body: &str| format!("syntax = \"proto3\"; package home; {body}");
    let old = with_home(USER, &home("message Home { int32 id = 1; }"));
    let same = with_home(USER, &home("message Home { int64 id = 1; } message Unused {}"));
    assert_eq!(listed(&same, &old), [""; 0]);
    let changed = with_home(USER, &home("message Home { string id = 1; }"));
    assert_eq!(
        listed(&changed, &old),
        ["FIELD_NAMED_TYPE_CHANGED #/M/1", "FIELD_NAMED_TYPE_CHANGED #/M/2", "FIELD_SCALAR_KIND_CHANGED #/Home/1"]
    );
    // Through another import, within a circle.
    let circle = |kind: &str| {
        home(&format!("message Home {{ Room room = 1; }} message Room {{ Home home = 1; {kind} size = 2; }}"))
    };
    let (numbers, texts) = (with_home(USER, &circle("int32")), with_home(USER, &circle("string")));
    assert_eq!(listed(&numbers, &numbers), [""; 0]);
    assert_eq!(
        listed(&texts, &numbers),
        [
            "FIELD_NAMED_TYPE_CHANGED #/Home/1",
            "FIELD_NAMED_TYPE_CHANGED #/M/1",
            "FIELD_NAMED_TYPE_CHANGED #/M/2",
            "FIELD_NAMED_TYPE_CHANGED #/Room/1",
            "FIELD_SCALAR_KIND_CHANGED #/Room/2"
        ]
    );
}

#[test]
fn a_message_may_move_to_an_import_of_another_package_only_as_the_registry_allows() {
    let local = schema("message M { Home a = 1; } message Home { int32 id = 1; }");
    let text = "syntax = \"proto3\"; import \"home.proto\"; message M { home.Home a = 1; }";
    let imported = with_home(text, "syntax = \"proto3\"; package home; message Home { int32 id = 1; }");
    assert_eq!(listed(&imported, &local), ["MESSAGE_REMOVED #/Home"]);
    assert_eq!(listed(&local, &imported), ["MESSAGE_ADDED #/Home"]);
}

#[test]
fn recursive_messages_are_compared_once() {
    let old = schema("message M { M a = 1; repeated M b = 2; map<int32, M> c = 3; int32 d = 4; }");
    let new = schema("message M { M a = 1; repeated M b = 2; map<int32, M> c = 3; string d = 4; }");
    assert_eq!(listed(&new, &old), ["FIELD_SCALAR_KIND_CHANGED #/M/4"]);
}

#[test]
fn a_difference_reads_like_an_entry_of_a_verbose_answer() {
    let old = schema("message M { int32 a = 1; }");
    let new = schema("message M { string a = 1; }");
    let found = incompatibilities(&new, &old);
    let message = found[0].message("new", "old");
    assert!(message.starts_with("{errorType:\"FIELD_SCALAR_KIND_CHANGED\", description:\""), "{message}");
    assert!(
        message.contains("path '#/M/1'") && message.contains("new schema") && message.ends_with("\"}"),
        "{message}"
    );
    assert!(found[0].to_string().contains("reader schema"));
    for kind in DifferenceKind::ALL {
        let difference = levada_protobuf::Difference { kind, path: "#/M".to_owned() };
        let description = difference.description("new", "old");
        assert!(description.contains("'#/M'") && description.contains("new") && description.contains("old"));
    }
}
