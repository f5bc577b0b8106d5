//! Tags within a schema: found, added, taken away.

use levada_protobuf::{Schema, parse};
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

const ORDER: &str = r#"syntax = "proto3"; package shop;
    message Order { string id = 1; message Line { string sku = 1 [json_name = "s"]; }
        oneof paid { string card = 2; int64 cash = 3; } repeated Line lines = 4; }"#;

#[test]
fn tags_are_added_as_clients_expect_them() {
    let changed = retag(&schema(ORDER), Part::Field, "Order.id", &["TAG1", "TAG2"], &[]).unwrap();
    let expected =
        "  string id = 1 [(confluent.field_meta) = {\n    tags: [\n      \"TAG1\",\n      \"TAG2\"\n    ]\n  }];\n";
    assert!(changed.contains(expected), "{changed}");
    let message = retag(&schema(&changed), Part::Record, "Order", &["ALL"], &[]).unwrap();
    let expected = "  option (confluent.message_meta) = {\n    tags: [\n      \"ALL\"\n    ]\n  };\n";
    assert!(message.contains(expected), "{message}");
    assert_eq!(schema(&message).canonical(), message, "it is printed as it is kept");
    let sku = retag(&schema(&message), Part::Field, "Order.Line.sku", &["S"], &[]).unwrap();
    assert!(sku.contains("      },\n      json_name = \"s\"\n"), "{sku}");
    let expected = [
        (Part::Record, "Order".to_owned(), texts(&["ALL"])),
        (Part::Field, "Order.id".to_owned(), texts(&["TAG1", "TAG2"])),
        (Part::Field, "Order.Line.sku".to_owned(), texts(&["S"])),
    ];
    assert_eq!(found(&schema(&sku)), expected);
}

#[test]
fn the_name_of_a_oneof_may_stand_between() {
    let short = retag(&schema(ORDER), Part::Field, "Order.card", &["CARD"], &[]).unwrap();
    assert_eq!(retag(&schema(ORDER), Part::Field, "Order.paid.card", &["CARD"], &[]).unwrap(), short);
    assert_eq!(found(&schema(&short)), [(Part::Field, "Order.paid.card".to_owned(), texts(&["CARD"]))]);
}

#[test]
fn tags_are_read_however_they_are_written_and_what_is_beside_them_stays() {
    let text = r#"syntax = "proto3"; message M {
        option (confluent.message_meta).doc = "d";
        option (confluent.message_meta).tags = "A";
        option (confluent.message_meta).tags = "B";
        option deprecated = true;
        string one = 1 [(.confluent.field_meta) = { tags: "X" tags: "Y" params: { key: "k" value: "v" } }]; }"#;
    let written = schema(text);
    let expected =
        [(Part::Record, "M".to_owned(), texts(&["A", "B"])), (Part::Field, "M.one".to_owned(), texts(&["X", "Y"]))];
    assert_eq!(found(&written), expected);
    let more = schema(&retag(&written, Part::Record, "M", &["B", "C"], &["A"]).unwrap());
    assert_eq!(found(&more)[0].2, texts(&["B", "C"]));
    assert!(more.canonical().contains("doc: \"d\""), "{}", more.canonical());
    let fewer = schema(&retag(&more, Part::Field, "M.one", &[], &["X", "Y"]).unwrap());
    assert_eq!(found(&fewer).len(), 1);
    assert!(fewer.canonical().contains("key: \"k\""), "{}", fewer.canonical());
}

#[test]
fn the_last_tag_takes_the_option_along() {
    let once = retag(&schema(ORDER), Part::Record, "Order.Line", &["L"], &[]).unwrap();
    assert_eq!(retag(&schema(&once), Part::Record, "Order.Line", &[], &["L"]).unwrap(), schema(ORDER).canonical());
}

#[test]
fn what_is_not_there_is_refused_or_passed_over() {
    let plain = schema(ORDER);
    for (part, path) in [
        (Part::Field, "Order.gone"),
        (Part::Field, "Order"),
        (Part::Field, "id"),
        (Part::Record, "Line"),
        (Part::Record, "Order.paid"),
        (Part::Record, "shop.Order"),
        (Part::Field, "Order.paid.id"),
        (Part::Field, "Order.paid.card.x"),
        (Part::Record, ""),
    ] {
        let error = retag(&plain, part, path, &["A"], &[]).unwrap_err();
        assert_eq!(error, TagError::NoSuchPart { part, path: path.to_owned() });
        let change = Retag { part, path, add: &texts(&["A"]), remove: &[], missing: Missing::Skip };
        assert_eq!(plain.retagged(&[change]).unwrap(), plain.canonical());
    }
    assert!(plain.has_top_level_field("cash") && plain.has_top_level_field("lines"));
    assert!(!plain.has_top_level_field("sku") && !plain.has_top_level_field("paid"));
}

#[test]
fn extensions_can_be_left_out() {
    let text = r#"syntax = "proto2"; import "google/protobuf/descriptor.proto";
        extend google.protobuf.FieldOptions { optional string mine = 50000; }
        message M { extensions 100 to 200; extend M { optional int32 more = 100; }
          optional string id = 1 [(mine) = "x", deprecated = true, (confluent.field_meta).doc = "d"]; }"#;
    let plain = schema(text).without_extensions();
    assert!(!plain.contains("mine") && !plain.contains("extend") && !plain.contains("more"), "{plain}");
    assert!(plain.contains("deprecated = true") && plain.contains("(confluent.field_meta).doc"), "{plain}");
    assert_eq!(schema(&plain).canonical(), plain);
}
