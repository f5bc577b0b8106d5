//! The defaults of fields that were not written, in the JSON encoding of values: there, a union's value names its
//! branch.

use super::cursor::Cursor;
use super::decode::Problem;
use super::encode::bytes_of;
use super::{DEPTH_MAX, number, wrap};
use crate::json::Json;
use crate::schema::{Kind, Schema, TypeId};
use serde_json::{Map, Value};

/// What a value of a default counts as.
const VALUE_BYTES: usize = 80;

pub(super) struct Maker<'a, 'c, 'b> {
    pub(super) schema: &'a Schema,
    pub(super) cursor: &'c mut Cursor<'b>,
}

impl Maker<'_, '_, '_> {
    /// The value of that type, if the default is one: a union's is of the first branch that it is a value of.
    pub(super) fn value(&mut self, id: TypeId, json: &Json, depth: usize) -> Result<Option<Value>, Problem> {
        if depth > DEPTH_MAX {
            return Err(Problem::TooDeep);
        }
        self.cursor.charge(VALUE_BYTES)?;
        let schema = self.schema;
        Ok(match (schema.kind(id), json) {
            (Kind::Union(branches), _) => {
                for &branch in branches {
                    if let Some(value) = self.value(branch, json, depth + 1)? {
                        return Ok(Some(wrap(schema, branch, value)));
                    }
                }
                None
            }
            (Kind::Array(element), Json::Array(elements)) => {
                let mut values = Vec::new();
                for json in elements {
                    let Some(value) = self.value(*element, json, depth + 1)? else { return Ok(None) };
                    values.push(value);
                }
                Some(Value::Array(values))
            }
            (Kind::Map(inner), Json::Object(members)) => {
                let mut values = Map::new();
                for (name, json) in members {
                    self.cursor.charge(name.len())?;
                    let Some(value) = self.value(*inner, json, depth + 1)? else { return Ok(None) };
                    values.insert(name.clone(), value);
                }
                Some(Value::Object(values))
            }
            (Kind::Record(record), Json::Object(members)) => {
                let mut values = Map::new();
                for field in &record.fields {
                    self.cursor.charge(field.name.len() + members.len())?;
                    let Some(json) = json.get(&field.name).or(field.default.as_ref()) else { return Ok(None) };
                    let Some(value) = self.value(field.schema, json, depth + 1)? else { return Ok(None) };
                    values.insert(field.name.clone(), value);
                }
                Some(Value::Object(values))
            }
            (kind, json) => self.primitive(kind, json)?,
        })
    }

    fn primitive(&mut self, kind: &Kind, json: &Json) -> Result<Option<Value>, Problem> {
        Ok(match (kind, json) {
            (Kind::Null, Json::Null) => Some(Value::Null),
            (Kind::Boolean, &Json::Bool(value)) => Some(Value::Bool(value)),
            (Kind::Int, &Json::Integer(value)) => i32::try_from(value).ok().map(Value::from),
            (Kind::Long, &Json::Integer(value)) => Some(value.into()),
            (Kind::Double, _) => double(json).map(number),
            #[allow(clippy::cast_possible_truncation, reason = "to the nearest float is meant")]
            (Kind::Float, _) => double(json).map(|value| number(f64::from(value as f32))),
            (Kind::Enum(symbols), Json::String(text)) if !symbols.symbols.contains(text) => None,
            (Kind::Bytes, Json::String(text)) if bytes_of(text).is_none() => None,
            (Kind::Fixed(fixed), Json::String(text))
                if bytes_of(text).is_none_or(|bytes| bytes.len() != fixed.size) =>
            {
                None
            }
            (Kind::String | Kind::Enum(_) | Kind::Bytes | Kind::Fixed(_), Json::String(text)) => {
                self.cursor.charge(text.len())?;
                Some(Value::String(text.clone()))
            }
            _ => None,
        })
    }
}

fn double(json: &Json) -> Option<f64> {
    match json {
        &Json::Integer(value) => Some(value as f64),
        Json::LargeInteger(digits) => digits.parse().ok(),
        &Json::Float(value) => Some(value),
        _ => None,
    }
}
