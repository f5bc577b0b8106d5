//! Validation of instances: every keyword, with the place and the reason of what is wrong.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use levada_json_schema::{JsonError, ValidateError, Violation, parse};

fn violations(schema: &str, instance: &str) -> Vec<String> {
    match parse(schema, &[]).unwrap().validate(instance) {
        Ok(()) => Vec::new(),
        Err(ValidateError::Invalid(violations)) => violations.iter().map(Violation::to_string).collect(),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn each_violation_is_told_with_its_place() {
    let schema = r#"{"type":"object","required":["id","at"],"properties":{"id":{"type":"integer","minimum":1},"tags":{"type":"array","items":{"type":"string","maxLength":3},"uniqueItems":true},"a/b~c":{"const":1}},"additionalProperties":false}"#;
    assert_eq!(violations(schema, r#"{"id":1,"at":2,"tags":["a","b"]}"#), ["at `#/at`: nothing is allowed here"]);
    let expected = [
        "at `#`: the property `at` is missing",
        "at `#/id`: 0 is below the minimum",
        "at `#/tags`: an item is there twice",
        "at `#/tags/1`: a text of 4 characters is too long",
        "at `#/tags/3`: the type is another",
        "at `#/a~1b~0c`: the value is not one that `const` allows",
    ];
    assert_eq!(violations(schema, r#"{"id":0,"tags":["a","long","a",1],"a/b~c":2}"#), expected);
}

#[test]
fn numbers_are_exact() {
    let schema = r#"{"multipleOf":0.1,"exclusiveMaximum":9007199254740993}"#;
    assert!(violations(schema, "0.3").is_empty());
    assert!(violations(schema, "9007199254740992.9").is_empty());
    assert_eq!(violations(schema, "9007199254740993").len(), 1);
    assert_eq!(violations(schema, "0.35"), ["at `#`: 0.35 is no multiple of what `multipleOf` says"]);
    assert!(violations(r#"{"const":1}"#, "1.0").is_empty());
    assert!(violations(r#"{"type":"integer"}"#, "1e2").is_empty());
}

#[test]
fn combined_schemas_say_how_many_hold() {
    let schema =
        r#"{"anyOf":[{"type":"null"},{"minimum":5}],"oneOf":[{"maximum":10},{"minimum":7}],"not":{"const":6}}"#;
    assert_eq!(violations(schema, "8"), ["at `#`: 2 of the schemas of `oneOf` hold, not one"]);
    assert_eq!(violations(schema, "6"), ["at `#`: what `not` excludes holds"]);
    assert_eq!(violations(schema, "1"), ["at `#`: none of the 2 schemas of `anyOf` holds"]);
    let schema = r#"{"if":{"required":["a"]},"then":{"required":["b"]},"else":{"required":["c"]}}"#;
    assert_eq!(violations(schema, r#"{"a":1}"#), ["at `#`: the property `b` is missing"]);
    assert_eq!(violations(schema, "{}"), ["at `#`: the property `c` is missing"]);
}

#[test]
fn what_is_evaluated_elsewhere_is_not_unevaluated() {
    let latest = r#""$schema":"https://json-schema.org/draft/2020-12/schema""#;
    let schema = format!(
        r#"{{{latest},"allOf":[{{"properties":{{"a":true}}}}],"anyOf":[{{"properties":{{"b":{{"const":1}}}},"required":["b"]}},true],"unevaluatedProperties":false}}"#
    );
    assert!(violations(&schema, r#"{"a":1,"b":1}"#).is_empty());
    assert_eq!(violations(&schema, r#"{"a":1,"b":2}"#), ["at `#/b`: nothing is allowed here"]);
    let schema =
        format!(r#"{{{latest},"prefixItems":[true],"contains":{{"const":9}},"unevaluatedItems":{{"type":"string"}}}}"#);
    assert!(violations(&schema, r#"[1,9,"a",9]"#).is_empty());
    assert_eq!(violations(&schema, "[1,9,2]"), ["at `#/2`: the type is another"]);
}

#[test]
fn dependencies_and_names_are_checked() {
    let schema = r#"{"dependencies":{"a":["b"],"c":{"required":["d"]}},"propertyNames":{"maxLength":1},"minProperties":1,"maxProperties":2}"#;
    assert_eq!(violations(schema, r#"{"a":1}"#), ["at `#`: where `a` is, the property `b` is missing"]);
    assert_eq!(violations(schema, r#"{"c":1}"#), ["at `#`: the property `d` is missing"]);
    assert_eq!(violations(schema, r#"{"xy":1}"#), ["at `#`: `xy` is not a name that `propertyNames` allows"]);
    assert_eq!(violations(schema, "{}"), ["at `#`: 0 properties are too few"]);
    assert_eq!(violations(schema, r#"{"x":1,"y":2,"z":3}"#), ["at `#`: 3 properties are too many"]);
}

#[test]
fn a_pattern_is_searched_for_and_format_is_an_annotation() {
    assert!(violations(r#"{"pattern":"b","format":"email"}"#, r#""abc""#).is_empty());
    assert_eq!(violations(r#"{"pattern":"^b"}"#, r#""abc""#), ["at `#`: the text does not match `^b`"]);
    assert!(violations(r#"{"pattern":"^(?=.*[0-9])[a-z0-9]+$"}"#, r#""a1""#).is_empty());
}

#[test]
fn validation_is_bounded() {
    // Each level asks for both of two copies of itself: 2^60 in the end.
    let schema = r##"{"definitions":{"d":{"items":{"anyOf":[{"$ref":"#/definitions/d"},{"$ref":"#/definitions/d"}]},"not":{"const":1}}},"$ref":"#/definitions/d"}"##;
    let instance = format!("{}1{}", "[".repeat(60), "]".repeat(60));
    assert_eq!(parse(schema, &[]).unwrap().validate(&instance), Err(ValidateError::TooComplex));
    let deep = format!("{}{}", "[".repeat(101), "]".repeat(101));
    assert!(matches!(parse("true", &[]).unwrap().validate(&deep), Err(ValidateError::Json(JsonError::TooDeep { .. }))));
    let many = format!("[{}]", vec!["1"; 1_000].join(","));
    let Err(ValidateError::Invalid(found)) = parse(r#"{"items":{"type":"string"}}"#, &[]).unwrap().validate(&many)
    else {
        panic!()
    };
    assert_eq!(found.len(), levada_json_schema::VIOLATIONS_MAX);
}
