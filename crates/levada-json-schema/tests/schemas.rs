//! What is read as a schema and how it is written; what is refused, and why.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use levada_json_schema::{Draft, JsonError, ParseError, Reference, SCHEMA_BYTES_MAX, parse};

fn error(text: &str) -> ParseError {
    parse(text, &[]).unwrap_err()
}

#[test]
fn the_canonical_text_keeps_the_order_and_the_normalized_one_sorts() {
    let text = "{ \"type\": \"object\",\n \"properties\": { \"b\": { \"maximum\": 1.50 }, \"a\": {\"minimum\": 1E2} },\"title\":\"T\\u00e9\" }";
    let schema = parse(text, &[]).unwrap();
    let canonical = r#"{"type":"object","properties":{"b":{"maximum":1.50},"a":{"minimum":1E2}},"title":"Té"}"#;
    assert_eq!(schema.canonical(), canonical);
    let normalized = r#"{"properties":{"a":{"minimum":1E2},"b":{"maximum":1.50}},"title":"Té","type":"object"}"#;
    assert_eq!(schema.normalized(), normalized);
    assert_eq!(parse(schema.canonical(), &[]).unwrap().canonical(), canonical);
    assert_eq!(parse(schema.normalized(), &[]).unwrap().normalized(), normalized);
    assert_eq!(schema.name(), Some("Té"));
    assert_eq!(schema.property_names().collect::<Vec<_>>(), ["b", "a"]);
    assert_eq!(parse("true", &[]).unwrap().canonical(), "true");
}

#[test]
fn a_schema_can_be_shared_between_threads() {
    let schema = std::sync::Arc::new(parse(r#"{"pattern":"a"}"#, &[]).unwrap());
    let other = std::sync::Arc::clone(&schema);
    assert!(std::thread::spawn(move || other.validate(r#""b""#).is_err()).join().unwrap());
    assert!(schema.validate(r#""a""#).is_ok());
}

#[test]
fn keys_sort_as_java_sorts_them() {
    // U+FF61 is above the surrogates of U+10000, by which Java sorts it.
    let schema = parse("{\"properties\":{\"\u{ff61}\":{},\"\u{10000}\":{}}}", &[]).unwrap();
    assert_eq!(schema.normalized(), "{\"properties\":{\"\u{10000}\":{},\"\u{ff61}\":{}}}");
}

#[test]
fn the_draft_decides_what_a_keyword_is() {
    let old = parse(r#"{"$schema":"http://json-schema.org/draft-04/schema#","const":1,"if":false,"then":false}"#, &[])
        .unwrap();
    assert_eq!(old.draft(), Draft::Draft4);
    assert!(old.validate("2").is_ok());
    let current = parse(r#"{"const":1}"#, &[]).unwrap();
    assert_eq!(current.draft(), Draft::Draft7);
    assert!(current.validate("2").is_err());
    // Beside `$ref`, nothing counts before 2019-09.
    let referring =
        r##"{"definitions":{"a":{"type":"string"}},"properties":{"x":{"$ref":"#/definitions/a","maxLength":1}}}"##;
    assert!(parse(referring, &[]).unwrap().validate(r#"{"x":"long"}"#).is_ok());
    let later = referring.replacen('{', r#"{"$schema":"https://json-schema.org/draft/2019-09/schema","#, 1);
    assert!(parse(&later, &[]).unwrap().validate(r#"{"x":"long"}"#).is_err());
}

#[test]
fn references_lead_by_name_by_id_and_by_anchor() {
    let references = [
        Reference {
            name: "b.json",
            text: r##"{"$id":"http://example.com/b","definitions":{"n":{"$id":"#n","type":"integer"}}}"##,
        },
        Reference {
            name: "folder/a-b.json",
            text: r##"{"properties":{"n":{"$ref":"http://example.com/b#n"}},"required":["n"]}"##,
        },
    ];
    for reference in ["folder/a-b.json", "./folder/a-b.json", "folder/a-b.json#"] {
        let text = format!(r#"{{"items":{{"$ref":"{reference}"}}}}"#);
        let schema = parse(&text, &references).unwrap();
        assert!(schema.validate(r#"[{"n":1}]"#).is_ok(), "{reference}");
        assert!(schema.validate(r#"[{"n":"1"}]"#).is_err());
        assert!(schema.validate("[{}]").is_err());
    }
    // Names are looked up beside the schema's own id, too.
    let text = r#"{"$id":"http://example.org/schemas/main.json","items":{"$ref":"other.json"}}"#;
    let schema = parse(text, &[Reference { name: "other.json", text: r#"{"type":"null"}"# }]).unwrap();
    assert!(schema.validate("[null]").is_ok() && schema.validate("[1]").is_err());
    let inner = r#"{"$id":"http://a/root","definitions":{"x":{"$id":"inner","type":"null"}},"items":{"$ref":"http://a/inner"}}"#;
    assert!(parse(inner, &[]).unwrap().validate("[1]").is_err());
}

#[test]
fn the_drafts_own_meta_schemas_can_be_referred_to() {
    for uri in [
        "http://json-schema.org/draft-04/schema#",
        "http://json-schema.org/draft-06/schema#",
        "http://json-schema.org/draft-07/schema#",
        "https://json-schema.org/draft/2019-09/schema",
        "https://json-schema.org/draft/2020-12/schema",
    ] {
        let schema = parse(&format!(r#"{{"items":{{"$ref":"{uri}"}}}}"#), &[]).unwrap();
        assert!(schema.validate(r#"[{"type":"object","properties":{"a":{"minLength":1}}}]"#).is_ok(), "{uri}");
        assert!(schema.validate(r#"[{"type":"object","properties":{"a":{"minLength":-1}}}]"#).is_err(), "{uri}");
    }
}

#[test]
fn dynamic_references_are_followed_where_they_lead_to_one_place() {
    let tree = r##"{"$schema":"https://json-schema.org/draft/2020-12/schema","$dynamicAnchor":"node","type":"object","properties":{"of":{"$dynamicRef":"#node"}}}"##;
    let schema = parse(tree, &[]).unwrap();
    assert!(schema.validate(r#"{"of":{"of":{}}}"#).is_ok());
    assert!(schema.validate(r#"{"of":{"of":1}}"#).is_err());
    let extending = r##"{"$schema":"https://json-schema.org/draft/2020-12/schema","$dynamicAnchor":"node","$ref":"tree","required":["of"]}"##;
    let error = parse(extending, &[Reference { name: "tree", text: tree }]).unwrap_err();
    assert!(matches!(error, ParseError::Unresolved { keyword: "$dynamicRef", .. }), "{error}");
    let recursive =
        r##"{"$schema":"https://json-schema.org/draft/2019-09/schema","items":{"$recursiveRef":"#"},"type":"array"}"##;
    assert!(parse(recursive, &[]).unwrap().validate("[[1]]").is_err());
}

#[test]
fn what_is_no_schema_is_refused_with_its_place() {
    assert!(matches!(error("[]"), ParseError::NotASchema { .. }));
    assert!(matches!(error("{"), ParseError::Json(JsonError::Syntax { .. })));
    let ParseError::MetaSchema { path, .. } = error(r#"{"properties":{"a":{"type":"text"}}}"#) else { panic!() };
    assert_eq!(path, "/properties/a/type");
    assert!(matches!(error(r#"{"minLength":-1}"#), ParseError::MetaSchema { .. }));
    assert!(matches!(error(r#"{"required":"a"}"#), ParseError::MetaSchema { .. }));
    let message = error(r#"{"properties":{"a":{"$ref":"http://example.com/x.json"}}}"#).to_string();
    let expected = "at `#/properties/a`: `$ref` `http://example.com/x.json` leads to nothing in the schema, in its references or in a meta-schema";
    assert_eq!(message, expected);
    assert!(matches!(error(r##"{"$ref":"#/definitions/a"}"##), ParseError::Unresolved { .. }));
    let wrong = parse("{}", &[Reference { name: "x", text: "{" }]).unwrap_err();
    assert!(wrong.to_string().starts_with("reference `x`: line 1"), "{wrong}");
    assert!(matches!(error(r#"{"pattern":"("}"#), ParseError::Pattern { .. } | ParseError::MetaSchema { .. }));
}

#[test]
fn a_schema_that_applies_itself_to_its_own_instance_is_refused() {
    for text in [
        r##"{"$ref":"#"}"##,
        r##"{"anyOf":[{"type":"string"},{"$ref":"#"}]}"##,
        r##"{"definitions":{"a":{"not":{"$ref":"#/definitions/b"}},"b":{"if":{"$ref":"#/definitions/a"}}},"$schema":"https://json-schema.org/draft/2020-12/schema","$ref":"#/definitions/a"}"##,
    ] {
        assert!(matches!(error(text), ParseError::Endless { .. }), "{text}");
    }
    assert!(parse(r##"{"items":{"$ref":"#"}}"##, &[]).is_ok());
}

#[test]
fn everything_is_bounded() {
    let long = format!(r#"{{"title":"{}"}}"#, "x".repeat(SCHEMA_BYTES_MAX));
    assert!(matches!(error(&long), ParseError::Json(JsonError::TooLong { .. })));
    let deep = format!("{}{}", r#"{"not":"#.repeat(200), "}".repeat(200));
    assert!(matches!(error(&deep), ParseError::Json(JsonError::TooDeep { .. })));
    let properties: Vec<String> = (0..10_001).map(|index| format!(r#""{index}":{{}}"#)).collect();
    let many = format!(r#"{{"properties":{{{}}}}}"#, properties.join(","));
    assert!(matches!(error(&many), ParseError::TooMany { what: "subschemas", .. }));
    let patterns: Vec<String> = (0..501).map(|index| format!(r#""{index}":{{"pattern":"{index}"}}"#)).collect();
    let many = format!(r#"{{"properties":{{{}}}}}"#, patterns.join(","));
    assert!(matches!(error(&many), ParseError::TooMany { what: "regular expressions", .. }));
    let big = "x".repeat(SCHEMA_BYTES_MAX - 100);
    let text = format!(r#"{{"title":"{big}"}}"#);
    let references = ["a", "b", "c", "d", "e"].map(|name| Reference { name, text: &text });
    assert!(matches!(parse("{}", &references), Err(ParseError::ReferencesTooLong { .. })));
    assert!(matches!(error(r#"{"multipleOf":0.1234567890123456789012345678901234567}"#), ParseError::Divisor { .. }));
    assert!(matches!(error(r#"{"maximum":1e20000}"#), ParseError::Json(JsonError::Syntax { .. })));
    // Each definition applies the next twice: 2^30 in the end.
    let doubling: Vec<String> = (0..30)
        .map(|index| {
            format!(
                r##""d{index}":{{"allOf":[{{"$ref":"#/definitions/d{0}"}},{{"$ref":"#/definitions/d{0}"}}]}}"##,
                index + 1
            )
        })
        .collect();
    let text =
        format!(r##"{{"allOf":[{{"$ref":"#/definitions/d0"}}],"definitions":{{{},"d30":{{}}}}}}"##, doubling.join(","));
    assert!(matches!(error(&text), ParseError::TooManyBranches { .. }));
    let chain: Vec<String> =
        (0..500).map(|index| format!(r##""d{index}":{{"$ref":"#/definitions/d{}"}}"##, index + 1)).collect();
    let text = format!(r##"{{"$ref":"#/definitions/d0","definitions":{{{},"d500":{{}}}}}}"##, chain.join(","));
    assert!(matches!(error(&text), ParseError::TooMany { what: "schemas within each other", .. }));
}
