//! What people do to their schemas, and what the two policies say of it, in both directions.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use levada_json_schema::{Policy, Reference, Schema, incompatibilities, parse};

fn schema(text: &str) -> Schema {
    parse(text, &[]).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The kinds and places of what keeps `after` from reading `before`.
fn backward(before: &str, after: &str, policy: Policy) -> Vec<String> {
    let found = incompatibilities(&schema(after), &schema(before), policy).unwrap();
    found.iter().map(|difference| format!("{} {}", difference.kind, difference.path)).collect()
}

/// Whether a change is compatible backward and forward.
fn verdicts(before: &str, after: &str, policy: Policy) -> (bool, bool) {
    (backward(before, after, policy).is_empty(), backward(after, before, policy).is_empty())
}

const OPEN: &str = r#"{"type":"object","properties":{"id":{"type":"integer"}},"required":["id"]}"#;
const OPEN_AND_MORE: &str =
    r#"{"type":"object","properties":{"id":{"type":"integer"},"note":{"type":"string"}},"required":["id"]}"#;
const CLOSED: &str =
    r#"{"type":"object","properties":{"id":{"type":"integer"}},"required":["id"],"additionalProperties":false}"#;
const CLOSED_AND_MORE: &str = r#"{"type":"object","properties":{"id":{"type":"integer"},"note":{"type":"string"}},"required":["id"],"additionalProperties":false}"#;

#[test]
fn a_property_is_added_to_a_closed_model_and_removed_from_an_open_one() {
    assert_eq!(verdicts(CLOSED, CLOSED_AND_MORE, Policy::Strict), (true, false));
    assert_eq!(verdicts(OPEN, OPEN_AND_MORE, Policy::Strict), (false, true));
    let expected = ["OPTIONAL_PROPERTY_ADDED_TO_OPEN_CONTENT_MODEL #/properties/note"];
    assert_eq!(backward(OPEN, OPEN_AND_MORE, Policy::Strict), expected);
    let expected = ["PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL #/properties/note"];
    assert_eq!(backward(CLOSED_AND_MORE, CLOSED, Policy::Strict), expected);
}

#[test]
fn to_the_lenient_policy_optional_properties_come_and_go() {
    assert_eq!(verdicts(OPEN, OPEN_AND_MORE, Policy::Lenient), (true, true));
    assert_eq!(verdicts(CLOSED, CLOSED_AND_MORE, Policy::Lenient), (true, true));
    let required = OPEN_AND_MORE.replace(r#"["id"]"#, r#"["id","note"]"#);
    assert_eq!(verdicts(OPEN, &required, Policy::Lenient), (false, true));
}

#[test]
fn a_required_property_with_a_default_can_be_added_to_a_closed_model() {
    let with_default =
        CLOSED_AND_MORE.replace(r#"["id"]"#, r#"["id","note"]"#).replace(r#""string""#, r#""string","default":"""#);
    assert_eq!(verdicts(CLOSED, &with_default, Policy::Strict), (true, false));
    let without = CLOSED_AND_MORE.replace(r#"["id"]"#, r#"["id","note"]"#);
    let expected = ["REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL #/properties/note"];
    assert_eq!(backward(CLOSED, &without, Policy::Strict), expected);
    let wrong = with_default.replace(r#""default":"""#, r#""default":1"#);
    assert_eq!(backward(CLOSED, &wrong, Policy::Strict), expected);
}

#[test]
fn a_partially_open_model_takes_what_it_covers() {
    let before = r#"{"type":"object","additionalProperties":{"type":"string"},"properties":{"x_a":{"type":"string"}}}"#;
    let after = r#"{"type":"object","additionalProperties":{"type":"string"},"properties":{"b":{"type":"string"}}}"#;
    assert_eq!(verdicts(before, after, Policy::Strict), (true, true));
    let other = after.replace(r#""b":{"type":"string"}"#, r#""b":{"type":"integer"}"#);
    let expected =
        ["TYPE_CHANGED #/properties/b", "PROPERTY_ADDED_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL #/properties/b"];
    assert_eq!(backward(before, &other, Policy::Strict), expected);
    let patterns = r#"{"type":"object","patternProperties":{"^x_":{"type":"string"}},"additionalProperties":false}"#;
    let more = r#"{"type":"object","properties":{"x_a":{"type":"string"}},"patternProperties":{"^x_":{"type":"string"}},"additionalProperties":false}"#;
    assert_eq!(verdicts(patterns, more, Policy::Strict), (true, true));
}

#[test]
fn all_that_is_incompatible_is_told_at_once() {
    let before = r#"{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"array","items":{"type":"number"}},"c":{"enum":["x","y"]}}}"#;
    let after = r#"{"type":"object","properties":{"a":{"type":"string","maxLength":1},"b":{"type":"array","items":{"type":"integer"}},"c":{"enum":["x"]}},"required":["a"]}"#;
    let expected = [
        "REQUIRED_ATTRIBUTE_ADDED #/required/a",
        "MAX_LENGTH_ADDED #/properties/a/maxLength",
        "TYPE_NARROWED #/properties/b/items",
        "ENUM_ARRAY_NARROWED #/properties/c/enum",
    ];
    assert_eq!(backward(before, after, Policy::Strict), expected);
}

#[test]
fn unions_grow() {
    let text = r#"{"type":"string"}"#;
    assert_eq!(verdicts(text, r#"{"type":["null","string"]}"#, Policy::Strict), (true, false));
    assert_eq!(verdicts(text, r#"{"oneOf":[{"type":"null"},{"type":"string"}]}"#, Policy::Strict), (true, false));
    assert_eq!(
        verdicts(text, r#"{"anyOf":[{"type":"null"},{"type":"string","maxLength":9}]}"#, Policy::Strict),
        (false, false)
    );
    // The same, said in two ways.
    let (one, other) = (r#"{"type":["null","string"]}"#, r#"{"oneOf":[{"type":"null"},{"type":"string"}]}"#);
    assert_eq!(verdicts(one, other, Policy::Strict), (true, true));
}

#[test]
fn events_that_can_be_told_apart_are_added_to_one_of() {
    let event = |name: &str, more: &str| {
        format!(r#"{{"type":"object","properties":{{"kind":{{"const":"{name}"}}{more}}},"required":["kind"]}}"#)
    };
    let (made, paid) = (event("made", r#","by":{"type":"string"}"#), event("paid", ""));
    let before = format!(r#"{{"oneOf":[{made},{paid}]}}"#);
    let after = format!(r#"{{"oneOf":[{},{made},{paid}]}}"#, event("sent", r#","to":{"type":"string"}"#));
    assert_eq!(verdicts(&before, &after, Policy::Strict), (true, false));
    // Closed objects are told apart by what they require.
    let closed = |name: &str| {
        format!(
            r#"{{"type":"object","properties":{{"{name}":true}},"required":["{name}"],"additionalProperties":false}}"#
        )
    };
    let before = format!(r#"{{"oneOf":[{}]}}"#, closed("a"));
    let after = format!(r#"{{"oneOf":[{},{}]}}"#, closed("a"), closed("b"));
    assert_eq!(verdicts(&before, &after, Policy::Strict), (true, false));
    // Open ones are not: `{"a":1,"b":1}` is one of the first, and of both of the second.
    let open = |name: &str| format!(r#"{{"type":"object","required":["{name}"]}}"#);
    let before = format!(r#"{{"oneOf":[{}]}}"#, open("a"));
    let after = format!(r#"{{"oneOf":[{},{}]}}"#, open("a"), open("b"));
    assert_eq!(verdicts(&before, &after, Policy::Strict), (false, false));
}

#[test]
fn references_are_compared_by_what_they_lead_to() {
    let inline = r#"{"type":"object","properties":{"a":{"type":"string"}}}"#;
    let referring = r##"{"type":"object","properties":{"a":{"$ref":"#/definitions/text"}},"definitions":{"text":{"type":"string"}}}"##;
    assert_eq!(verdicts(inline, referring, Policy::Strict), (true, true));
    let narrowed = referring.replace(r#"{"type":"string"}"#, r#"{"type":"string","pattern":"x"}"#);
    assert_eq!(backward(referring, &narrowed, Policy::Strict), ["PATTERN_ADDED #/properties/a/pattern"]);

    let of = |text: &str| {
        let reference = Reference { name: "address.json", text };
        parse(r#"{"type":"object","properties":{"home":{"$ref":"address.json"}}}"#, &[reference]).unwrap()
    };
    let (before, after) = (of(r#"{"type":"object","required":["city"]}"#), of(r#"{"type":"object"}"#));
    assert_eq!(incompatibilities(&after, &before, Policy::Strict).unwrap(), []);
    let found = incompatibilities(&before, &after, Policy::Strict).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].path, "#/properties/home/required/city");
}

#[test]
fn recursive_schemas_are_compared_to_the_end() {
    let tree = |value: &str| {
        format!(
            r##"{{"$ref":"#/definitions/node","definitions":{{"node":{{"type":"object","additionalProperties":false,"properties":{{"value":{{"type":"{value}"}},"children":{{"type":"array","items":{{"$ref":"#/definitions/node"}}}}}}}}}}}}"##
        )
    };
    assert_eq!(verdicts(&tree("integer"), &tree("integer"), Policy::Strict), (true, true));
    assert_eq!(verdicts(&tree("integer"), &tree("number"), Policy::Strict), (true, false));
    assert_eq!(backward(&tree("number"), &tree("integer"), Policy::Strict), ["TYPE_NARROWED #/properties/value"]);
}

#[test]
fn a_closed_model_of_several_schemas_grows() {
    let schema = |more: &str, base: &str| {
        format!(
            r##"{{"$schema":"https://json-schema.org/draft/2020-12/schema","$ref":"#/$defs/base","properties":{{"a":{{"type":"string"}}{more}}},"unevaluatedProperties":false,"$defs":{{"base":{{"type":"object","properties":{{"id":{{"type":"integer"}}{base}}}}}}}}}"##
        )
    };
    let (before, after) = (schema("", ""), schema(r#","b":{"type":"null"}"#, ""));
    assert_eq!(verdicts(&before, &before, Policy::Strict), (true, true));
    assert_eq!(verdicts(&before, &after, Policy::Strict), (true, false));
    assert_eq!(verdicts(&before, &schema("", r#","b":{"type":"null"}"#), Policy::Strict), (true, false));
}

#[test]
fn a_schema_may_move_to_another_draft() {
    let (before, after) = (
        r#"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"a":{"items":[{"type":"string"}],"additionalItems":false}},"additionalProperties":false,"dependencies":{"a":["a"]}}"#,
        r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{"a":{"prefixItems":[{"type":"string"}],"items":false}},"additionalProperties":false,"dependentRequired":{"a":["a"]}}"#,
    );
    assert_eq!(verdicts(before, after, Policy::Strict), (true, true));
    let (old, new) = (
        r#"{"$schema":"http://json-schema.org/draft-04/schema#","type":"number","minimum":1,"exclusiveMinimum":true}"#,
        r#"{"type":"number","exclusiveMinimum":1}"#,
    );
    assert_eq!(verdicts(old, new, Policy::Strict), (true, true));
    // Draft 4 does not call `1.0` an integer.
    let (old, new) =
        (r#"{"$schema":"http://json-schema.org/draft-04/schema#","type":"integer"}"#, r#"{"type":"integer"}"#);
    assert_eq!(verdicts(old, new, Policy::Strict), (true, false));
}

#[test]
fn boolean_schemas_are_everything_and_nothing() {
    assert_eq!(verdicts("true", r#"{"type":"string"}"#, Policy::Strict), (false, true));
    assert_eq!(verdicts("false", r#"{"type":"string"}"#, Policy::Strict), (true, false));
    assert_eq!(verdicts("true", "{}", Policy::Strict), (true, true));
}

#[test]
fn conditions_must_be_the_same_or_follow() {
    let before = r#"{"type":"object","if":{"required":["a"]},"then":{"required":["b","c"]}}"#;
    let after = r#"{"type":"object","if":{"required":["a"]},"then":{"required":["b"]}}"#;
    assert_eq!(verdicts(before, after, Policy::Strict), (true, false));
    let other = r#"{"type":"object","if":{"required":["x"]},"then":{"required":["b"]}}"#;
    assert_eq!(backward(before, other, Policy::Strict), ["COMBINED_TYPE_CHANGED #/if"]);
    let following = r#"{"type":"object","required":["b"]}"#;
    assert_eq!(verdicts(following, after, Policy::Strict), (true, false));
}
