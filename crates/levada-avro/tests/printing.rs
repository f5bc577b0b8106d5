//! The canonical line, the normalised one, the one for parsing.

use levada_avro::parse;

#[test]
fn members_come_in_the_order_of_java() {
    let text = r#"{"zeta":[1,{"y":2.50}],"aliases":["Old","x.Older"],"fields":[
        {"type":{"logicalType":"date","type":"int","doc":"dropped"},"order":"DESCENDING","p":null,"name":"a","aliases":["b"],
         "default":1,"doc":"of a"},
        {"name":"e","type":{"symbols":["A"],"default":"A","name":"E","namespace":"","type":"enum","doc":"d"}},
        {"name":"f","type":{"size":2,"name":"F","type":"fixed","q":true}},
        {"name":"m","type":{"values":"F","type":"map","r":"s"},"order":"ascending"},
        {"name":"d","type":"double","default":"Infinity"}],
        "doc":"of R","name":"R","namespace":"n","type":"record","default":"kept"}"#;
    let schema = parse(text, &[]).unwrap();
    let expected = concat!(
        r#"{"type":"record","name":"R","namespace":"n","doc":"of R","fields":["#,
        r#"{"name":"a","type":{"type":"int","logicalType":"date"},"doc":"of a","default":1,"order":"descending","aliases":["b"],"p":null},"#,
        r#"{"name":"e","type":{"type":"enum","name":"E","namespace":"","doc":"d","symbols":["A"],"default":"A"}},"#,
        r#"{"name":"f","type":{"type":"fixed","name":"F","size":2,"q":true}},"#,
        r#"{"name":"m","type":{"type":"map","values":"F","r":"s"}},"#,
        r#"{"name":"d","type":"double","default":"Infinity"}],"#,
        r#""zeta":[1,{"y":2.5}],"default":"kept","aliases":["Old","x.Older"]}"#
    );
    assert_eq!(schema.canonical(), expected);
    let again = parse(expected, &[]).unwrap();
    assert_eq!(again.canonical(), expected);
}

#[test]
fn an_error_is_printed_as_one() {
    let text = r#"{"type":"error","name":"E","fields":[]}"#;
    let schema = parse(text, &[]).unwrap();
    assert_eq!(schema.canonical(), text);
    assert_eq!(schema.normalized(), r#"{"type":"record","name":"E","fields":[]}"#);
}

#[test]
fn what_is_a_matter_of_taste_is_normalised() {
    let left = r#"{"type":"record","name":"R","doc":"","namespace":"n","zeta":{"b":1,"a":2},"alpha":1,"aliases":["B","A"],"fields":[
        {"name":"d","type":{"type":"bytes","scale":2,"connect.name":"x","precision":4,"logicalType":"decimal"}},
        {"name":"f","doc":"","type":"double","default":0,"aliases":["y","x"]},
        {"name":"m","type":{"type":"map","values":"float"},"default":{"b":1.1,"a":2}},
        {"name":"w","type":{"type":"long","logicalType":"date","a":1}}]}"#;
    let expected = concat!(
        r#"{"type":"record","name":"R","namespace":"n","fields":["#,
        r#"{"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":4,"scale":2,"connect.name":"x"}},"#,
        r#"{"name":"f","type":"double","doc":"","default":0.0,"aliases":["x","y"]},"#,
        r#"{"name":"m","type":{"type":"map","values":"float"},"default":{"a":2.0,"b":1.1}},"#,
        r#"{"name":"w","type":{"type":"long","a":1,"logicalType":"date"}}],"#,
        r#""alpha":1,"zeta":{"a":2,"b":1},"aliases":["A","B"]}"#
    );
    let schema = parse(left, &[]).unwrap();
    assert_eq!(schema.normalized(), expected);
    assert_eq!(parse(expected, &[]).unwrap().normalized(), expected);
}

#[test]
fn the_line_for_parsing_and_its_fingerprint_are_those_of_the_specification() {
    // The fingerprints are those of Java's `SchemaNormalization`.
    let cases = [
        ("\"null\"", "\"null\"", 7_195_948_357_588_979_594_i64),
        ("{\"type\":\"int\",\"logicalType\":\"date\"}", "\"int\"", 8_247_732_601_305_521_295),
        (
            r#"{"namespace":"x.y","type":"fixed","name":"foo","size":15,"aliases":["b"]}"#,
            r#"{"name":"x.y.foo","type":"fixed","size":15}"#,
            8_973_436_725_417_971_441,
        ),
        (
            r#"{"type":"record","name":"n.S","fields":[{"name":"r","doc":"d","type":{"type":"record","name":"R","fields":[{"name":"e","type":{"type":"enum","name":"E","symbols":["A"]}}]}},{"name":"e","type":"n.E","default":"A"},{"name":"r2","type":"R"}]}"#,
            r#"{"name":"n.S","type":"record","fields":[{"name":"r","type":{"name":"n.R","type":"record","fields":[{"name":"e","type":{"name":"n.E","type":"enum","symbols":["A"]}}]}},{"name":"e","type":"n.E"},{"name":"r2","type":"n.R"}]}"#,
            115_704_178_349_728_746,
        ),
    ];
    for (text, form, fingerprint) in cases {
        let schema = parse(text, &[]).unwrap();
        assert_eq!(schema.parsing_canonical_form().unwrap(), form);
        assert_eq!(schema.fingerprint().unwrap().cast_signed(), fingerprint, "{text}");
    }
}

#[test]
fn what_only_looks_like_taste_stays() {
    let text = concat!(
        r#"{"type":"record","name":"R","namespace":"n","fields":["#,
        r#"{"name":"z","type":{"type":"fixed","name":"Z","namespace":"","size":2}},"#,
        r#"{"name":"u","type":["null","int"],"default":3}]}"#
    );
    assert_eq!(parse(text, &[]).unwrap().normalized(), text);
}
