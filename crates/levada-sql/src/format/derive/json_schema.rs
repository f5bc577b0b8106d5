//! Columns of a JSON Schema.
//!
//! | JSON Schema | SQL |
//! |---|---|
//! | `boolean` | `BOOLEAN` |
//! | `integer` | `BIGINT`; `TINYINT`, `SMALLINT`, `INT` with a `connect.type` of `int8`, `int16`, `int32` |
//! | `number` | `DOUBLE`; `FLOAT` with a `connect.type` of `float32` |
//! | `string` | `STRING`; `BYTES` with a `connect.type` of `bytes` |
//! | `array` with `items` | `ARRAY` |
//! | `object` with `properties` | `ROW` |
//! | `object` with nothing but a schema as `additionalProperties` | `MAP` with keys `STRING` |
//! | other arrays and objects | `STRING`, which holds their JSON |
//! | `null` and one other, as types or in `oneOf` or `anyOf` | that, and NULL |
//!
//! A property that is not required is NULL where it is missing. A `format` is an annotation: a date is a `STRING`.

use super::{ColumnsError, Walk, fields};
use crate::types::{Item, Type};
use arrow::datatypes::Fields;
use levada_json_schema::{Reference, resolved};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// The columns of a JSON Schema, the properties of an object in the order of the text. `references` are all that it
/// refers to.
///
/// # Errors
/// [`ColumnsError`].
pub fn columns_of_json_schema(text: &str, references: &[Reference<'_>]) -> Result<Fields, ColumnsError> {
    let wrong = |reason: String| ColumnsError::Schema { reason };
    let text = resolved(text, references).map_err(|error| wrong(error.to_string()))?;
    let root: Json = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let Item { value: Type::Row(columns), .. } = (Schemas { root: &root }).item(&root, &mut Walk::new())? else {
        return Err(ColumnsError::no_type("a record that is no object with properties"));
    };
    Ok(fields(&columns))
}

/// JSON as far as schemas are made of it, with members in their order.
enum Json {
    Null,
    Bool,
    Number,
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            Self::Array(elements) => key.parse::<usize>().ok().and_then(|index| elements.get(index)),
            _ => None,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    fn elements(&self) -> &[Self] {
        match self {
            Self::Array(elements) => elements,
            _ => &[],
        }
    }
}

struct Schemas<'a> {
    root: &'a Json,
}

impl<'a> Schemas<'a> {
    fn item(&self, schema: &'a Json, walk: &mut Walk<*const Json>) -> Result<Item, ColumnsError> {
        let name = schema.get("title").and_then(Json::text).unwrap_or("a schema");
        walk.enter(std::ptr::from_ref(schema), name, |walk| self.entered(schema, walk))
    }

    fn entered(&self, schema: &'a Json, walk: &mut Walk<*const Json>) -> Result<Item, ColumnsError> {
        if let Some(reference) = schema.get("$ref").and_then(Json::text) {
            return self.item(self.target(reference)?, walk);
        }
        for keyword in ["oneOf", "anyOf", "allOf"] {
            if let Some(alternatives) = schema.get(keyword) {
                return self.one_of(keyword, alternatives.elements(), walk);
            }
        }
        let mut types: Vec<&str> = match schema.get("type") {
            Some(Json::Text(name)) => vec![name],
            Some(Json::Array(names)) => names.iter().filter_map(Json::text).collect(),
            _ => implied(schema),
        };
        let all = types.len();
        types.retain(|name| *name != "null");
        let is_nullable = types.len() < all;
        if types == ["integer", "number"] || types == ["number", "integer"] {
            types = vec!["number"];
        }
        let [only] = types.as_slice() else {
            let found = match types.as_slice() {
                [] if is_nullable => "a value that is always `null`".to_owned(),
                [] => "a value of any type".to_owned(),
                types => format!("a value that is one of [{}]", types.join(", ")),
            };
            return Err(ColumnsError::no_type(found));
        };
        Ok(Item { value: self.value(only, schema, walk)?, is_nullable })
    }

    fn value(&self, name: &str, schema: &'a Json, walk: &mut Walk<*const Json>) -> Result<Type, ColumnsError> {
        let connect = schema.get("connect.type").and_then(Json::text);
        Ok(match (name, connect) {
            ("boolean", _) => Type::Boolean,
            ("integer", Some("int8")) => Type::TinyInt,
            ("integer", Some("int16")) => Type::SmallInt,
            ("integer", Some("int32")) => Type::Int,
            ("integer", _) => Type::BigInt,
            ("number", Some("float32")) => Type::Float,
            ("number", _) => Type::Double,
            ("string", Some("bytes")) => Type::Bytes,
            ("string", _) => Type::String,
            ("array", _) => match schema.get("items") {
                Some(items @ Json::Object(_)) if schema.get("prefixItems").is_none() => {
                    Type::Array(Box::new(self.item(items, walk)?))
                }
                _ => Type::String,
            },
            ("object", _) => self.object(schema, walk)?,
            (other, _) => return Err(ColumnsError::Schema { reason: format!("`{other}` is no type") }),
        })
    }

    fn object(&self, schema: &'a Json, walk: &mut Walk<*const Json>) -> Result<Type, ColumnsError> {
        let required = schema.get("required").map(Json::elements).unwrap_or_default();
        let additional = schema.get("additionalProperties");
        match (schema.get("properties"), additional) {
            (Some(Json::Object(properties)), _) if !properties.is_empty() => {
                let column = |(name, schema): &'a (String, Json)| {
                    let mut item = self.item(schema, walk).map_err(|error| error.under(name))?;
                    item.is_nullable |= !required.iter().any(|required| required.text() == Some(name));
                    Ok((name.clone(), item))
                };
                Ok(Type::Row(properties.iter().map(column).collect::<Result<_, _>>()?))
            }
            (_, Some(values @ Json::Object(_))) if schema.get("patternProperties").is_none() => {
                Ok(Type::Map(Box::new(Type::String.not_null()), Box::new(self.item(values, walk)?)))
            }
            _ => Ok(Type::String),
        }
    }

    /// One alternative, beside `null` or not.
    fn one_of(
        &self,
        keyword: &str,
        alternatives: &'a [Json],
        walk: &mut Walk<*const Json>,
    ) -> Result<Item, ColumnsError> {
        let is_null = |schema: &&Json| schema.get("type").and_then(Json::text) == Some("null");
        let mut others = alternatives.iter().filter(|schema| !is_null(schema));
        let (Some(only), None) = (others.next(), others.next()) else {
            return Err(ColumnsError::no_type(format!("`{keyword}` of {} schemas", alternatives.len())));
        };
        let item = self.item(only, walk)?;
        let is_nullable =
            item.is_nullable || (keyword != "allOf" && alternatives.iter().any(|schema| is_null(&schema)));
        Ok(Item { is_nullable, ..item })
    }

    /// Where a reference within the text leads.
    fn target(&self, reference: &str) -> Result<&'a Json, ColumnsError> {
        let missing = || ColumnsError::Schema { reason: format!("`{reference}` leads nowhere within it") };
        let pointer = reference.strip_prefix('#').ok_or_else(missing)?;
        let mut at = self.root;
        for step in pointer.split('/').skip(1) {
            let step = percent_decoded(step).replace("~1", "/").replace("~0", "~");
            at = at.get(&step).ok_or_else(missing)?;
        }
        if pointer.is_empty() || pointer.starts_with('/') { Ok(at) } else { Err(missing()) }
    }
}

/// The type that a schema without `type` has all the same.
fn implied(schema: &Json) -> Vec<&'static str> {
    let of = |value: &Json| match value {
        Json::Null => "null",
        Json::Bool => "boolean",
        Json::Number => "number",
        Json::Text(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    };
    let mut types: Vec<&str> = match (schema.get("enum"), schema.get("const")) {
        (Some(values), _) => values.elements().iter().map(of).collect(),
        (None, Some(value)) => vec![of(value)],
        (None, None) if schema.get("properties").is_some() => vec!["object"],
        (None, None) => Vec::new(),
    };
    types.sort_unstable();
    types.dedup();
    types
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let hex = behind.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| byte == b'%') {
            Some(decoded) => {
                bytes.push(decoded);
                rest = &behind[2..];
            }
            None => {
                bytes.push(byte);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Bool)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Number)
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = access.next_element()? {
            elements.push(element);
        }
        Ok(Json::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = access.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(text: &str) -> String {
        let other = Reference { name: "other.json", text: r#"{"type":"integer"}"# };
        match columns_of_json_schema(text, &[other]) {
            Ok(fields) => {
                let shown =
                    |field: &arrow::datatypes::FieldRef| format!("{} {}", field.name(), Item::of(field).unwrap());
                fields.iter().map(shown).collect::<Vec<_>>().join(", ")
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn properties_are_columns_in_their_order() {
        let text = r#"{"type":"object","required":["z","e"],"properties":{
            "z":{"type":"string"},
            "a":{"type":"integer","connect.type":"int32"},
            "o":{"oneOf":[{"type":"null"},{"type":"number"}]},
            "n":{"type":["boolean","null"]},
            "e":{"enum":["x","y"]},
            "l":{"type":"array","items":{"type":"integer"}},
            "m":{"type":"object","additionalProperties":{"type":"string","connect.type":"bytes"}},
            "r":{"$ref":"\u0023/$defs/a~1b%20c"},
            "j":{"type":"object"},
            "x":{"$ref":"other.json"}},
            "$defs":{"a/b c":{"type":"object","properties":{"x":{"type":"number","connect.type":"float32"}}}}}"#;
        assert_eq!(
            columns(text),
            "z STRING NOT NULL, a INT, o DOUBLE, n BOOLEAN, e STRING NOT NULL, l ARRAY<BIGINT NOT NULL>, \
             m MAP<STRING NOT NULL, BYTES NOT NULL>, r ROW<`x` FLOAT>, j STRING, x BIGINT"
        );
    }

    #[test]
    fn what_no_column_can_hold_is_refused_with_its_place() {
        let refused =
            |of: &str| columns(&format!(r#"{{"title":"T","properties":{{"a":{{"properties":{{"b":{of}}}}}}}}}"#));
        for (of, expected) in [
            (
                r#"{"type":["string","integer"]}"#,
                "field `a.b`: a value that is one of [string, integer] has no type in SQL",
            ),
            ("{}", "field `a.b`: a value of any type has no type"),
            ("true", "field `a.b`: a value of any type has no type"),
            (r#"{"anyOf":[{"type":"string"},{"type":"integer"}]}"#, "field `a.b`: `anyOf` of 2 schemas has no type"),
            (r##"{"$ref":"#"}"##, "field `a.b`: `T` lies within itself"),
            (r##"{"$ref":"#/no"}"##, "no schema: "),
            (r#"{"$ref":"another.json"}"#, "no schema: "),
        ] {
            assert!(refused(of).starts_with(expected), "{of}: {}", refused(of));
        }
        assert!(columns(r#"{"type":"string"}"#).contains("no object with properties"));
        assert!(columns(&"[".repeat(100_000)).starts_with("no schema"));
    }
}
