//! The order in which paths count alternatives: by what they are, then by what they are called.
//!
//! Source: `JsonSchemaComparator` of Confluent's registry 8.x, over the schemas that its parser makes of a text.

use crate::json::Json;

/// How deep alternatives within alternatives are told apart; deeper ones keep the order of the text.
const DEPTH_MAX: usize = 8;
const OBJECT: [&str; 8] = [
    "properties",
    "required",
    "additionalProperties",
    "minProperties",
    "maxProperties",
    "dependencies",
    "patternProperties",
    "propertyNames",
];
const ARRAY: [&str; 6] = ["items", "additionalItems", "minItems", "maxItems", "uniqueItems", "contains"];
const NUMBER: [&str; 5] = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
const STRING: [&str; 4] = ["minLength", "maxLength", "pattern", "format"];

/// One of the things that a schema says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Facet {
    /// `allOf`, `anyOf` or `oneOf`.
    Combined(&'static str),
    /// One of several types.
    Types,
    /// `if`, `then`, `else`.
    Conditional,
    /// `const`.
    Const,
    /// `enum`.
    Enum,
    /// `not`.
    Not,
    /// `$ref`, beside which nothing counts.
    Reference,
    /// This type.
    Type(&'static str),
}

impl Facet {
    /// Its place among the others.
    fn rank(self) -> u8 {
        match self {
            Self::Type("array") => 0,
            Self::Type("boolean") => 1,
            Self::Combined(_) | Self::Types => 2,
            Self::Conditional => 3,
            Self::Const => 4,
            Self::Enum => 6,
            Self::Not => 8,
            Self::Type("null") => 9,
            Self::Type("number") => 10,
            Self::Type("object") => 11,
            Self::Reference => 12,
            Self::Type(_) => 13,
        }
    }
}

/// What a schema says, in order.
pub(super) fn facets(json: &Json) -> Vec<Facet> {
    let has = |keyword: &str| json.get(keyword).is_some();
    if has("$ref") {
        return vec![Facet::Reference];
    }
    let mut facets = Vec::new();
    facets.extend(["allOf", "anyOf", "oneOf"].into_iter().filter(|keyword| has(keyword)).map(Facet::Combined));
    let single = [("if", Facet::Conditional), ("const", Facet::Const), ("enum", Facet::Enum), ("not", Facet::Not)];
    facets.extend(single.into_iter().filter(|(keyword, _)| has(keyword)).map(|(_, facet)| facet));
    match types(json).as_slice() {
        [] => facets.extend(implied(json).map(Facet::Type)),
        [one] => facets.push(Facet::Type(one)),
        _ => facets.push(Facet::Types),
    }
    facets.sort_by_key(|facet| facet.rank());
    facets
}

/// The types that a schema names, in order.
pub(super) fn types(json: &Json) -> Vec<&'static str> {
    let named = |name: &Json| match name.as_str()? {
        "integer" | "number" => Some("number"),
        "array" => Some("array"),
        "boolean" => Some("boolean"),
        "null" => Some("null"),
        "object" => Some("object"),
        "string" => Some("string"),
        _ => None,
    };
    let value = json.get("type");
    let mut types: Vec<&'static str> = match value.and_then(Json::as_array) {
        Some(list) => list.iter().filter_map(named).collect(),
        None => value.and_then(named).into_iter().collect(),
    };
    types.sort_by_key(|name| Facet::Type(name).rank());
    types
}

/// The type that keywords are about where none is named.
fn implied(json: &Json) -> Option<&'static str> {
    let has = |keywords: &[&str]| keywords.iter().any(|keyword| json.get(keyword).is_some());
    let all = [("object", &OBJECT[..]), ("array", &ARRAY[..]), ("number", &NUMBER[..]), ("string", &STRING[..])];
    all.into_iter().find(|(_, keywords)| has(keywords)).map(|(name, _)| name)
}

/// Alternatives in order, each with its place in the text.
pub(super) fn in_order(alternatives: &[Json]) -> Vec<(usize, &Json)> {
    let mut sorted: Vec<(usize, &Json)> = alternatives.iter().enumerate().collect();
    sorted.sort_by_cached_key(|(_, alternative)| key(alternative, DEPTH_MAX));
    sorted
}

/// What an alternative is sorted by.
fn key(json: &Json, depth: usize) -> Vec<String> {
    let facets = facets(json);
    let rank = match (json, facets.as_slice()) {
        (Json::Bool(false), _) => 7,
        (Json::Bool(true), _) => 14,
        (_, []) => 5,
        (_, [one]) => one.rank(),
        // All of them hold.
        _ => 2,
    };
    let mut key = vec![format!("{rank:02}")];
    // What is not there comes first.
    let text = |keyword: &str| json.get(keyword).and_then(Json::as_str).map_or_else(String::new, |it| format!("+{it}"));
    key.extend([text("title"), text("description")]);
    key.push(json.get("default").map_or_else(String::new, |value| format!("+{value}")));
    let Some(depth) = depth.checked_sub(1) else { return key };
    match facets.as_slice() {
        [Facet::Const] => key.extend(json.get("const").map(ToString::to_string)),
        [Facet::Enum] => counted(&mut key, json.get("enum").and_then(Json::as_array).unwrap_or_default().iter()),
        [Facet::Combined(keyword)] => {
            let alternatives = json.get(keyword).and_then(Json::as_array).unwrap_or_default();
            key.extend([keyword.to_ascii_lowercase(), count(alternatives.len())]);
            let mut keys: Vec<Vec<String>> = alternatives.iter().map(|it| self::key(it, depth)).collect();
            keys.sort();
            key.extend(keys.into_iter().flatten());
        }
        [Facet::Not] => key.extend(json.get("not").map(|inner| self::key(inner, depth)).into_iter().flatten()),
        [Facet::Type("array")] => {
            key.extend(json.get("items").map(|items| self::key(items, depth)).into_iter().flatten());
        }
        [Facet::Type("object")] => {
            let properties = json.get("properties").and_then(Json::as_object);
            counted(&mut key, properties.into_iter().flat_map(|all| all.iter().map(|(name, _)| name)));
            counted(&mut key, json.get("required").and_then(Json::as_array).unwrap_or_default().iter());
        }
        _ => {}
    }
    key
}

/// How many there are, then what they are, sorted.
fn counted(key: &mut Vec<String>, values: impl Iterator<Item = impl ToString>) {
    let mut values: Vec<String> = values.map(|value| value.to_string()).collect();
    values.sort();
    key.push(count(values.len()));
    key.extend(values);
}

/// A number whose text sorts as it does.
fn count(number: usize) -> String {
    format!("{number:010}")
}
