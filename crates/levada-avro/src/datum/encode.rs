//! JSON to bytes.

use super::cursor::put_long;
use super::{DEPTH_MAX, INFINITY, NAN, NEGATIVE_INFINITY};
use crate::schema::{Enum, Kind, Record, Schema, TypeId};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Why a JSON value is no value of a schema, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}{}", if pointer.is_empty() { ", for the whole value".to_owned() } else { format!(" at `{pointer}`") })]
pub struct EncodeError {
    /// What is wrong.
    problem: String,
    /// Where in the value, as a JSON pointer; empty is the whole.
    pub pointer: String,
}

impl EncodeError {
    fn new(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), pointer: String::new() }
    }

    fn under(mut self, step: impl std::fmt::Display) -> Self {
        self.pointer.insert_str(0, &format!("/{step}"));
        self
    }
}

/// Writes `value`, which is in Avro's JSON encoding, in the binary encoding.
///
/// A record has all its fields and no others: defaults are for readers.
///
/// # Errors
/// [`EncodeError`] where it is no value of `schema`.
pub fn encode(schema: &Schema, value: &Value) -> Result<Vec<u8>, EncodeError> {
    let mut encoder = Encoder { schema, choices: HashMap::new(), out: Vec::new() };
    encoder.value(schema.root(), value, 0)?;
    Ok(encoder.out)
}

struct Encoder<'a> {
    schema: &'a Schema,
    /// Of the enums and unions that were met, which choice has which name.
    choices: HashMap<TypeId, HashMap<&'a str, usize>>,
    out: Vec<u8>,
}

type Outcome = Result<(), EncodeError>;

impl<'a> Encoder<'a> {
    fn value(&mut self, id: TypeId, value: &Value, depth: usize) -> Outcome {
        if depth > DEPTH_MAX {
            return Err(EncodeError::new(format!("nested deeper than {DEPTH_MAX}")));
        }
        let schema = self.schema;
        match (schema.kind(id), value) {
            (Kind::Union(branches), _) => self.union(id, branches, value, depth),
            (Kind::Record(record), Value::Object(members)) => self.record(record, members, depth),
            (Kind::Array(element), Value::Array(elements)) => self.array(*element, elements, depth),
            (Kind::Map(inner), Value::Object(members)) => self.map(*inner, members, depth),
            (Kind::Enum(symbols), Value::String(symbol)) => self.symbol(id, symbols, symbol),
            (kind, _) => match self.primitive(kind, value) {
                Some(()) => Ok(()),
                None => Err(EncodeError::new(format!("not a value of {}", schema.full_name(id)))),
            },
        }
    }

    fn primitive(&mut self, kind: &Kind, value: &Value) -> Option<()> {
        match (kind, value) {
            (Kind::Null, Value::Null) => {}
            (Kind::Boolean, Value::Bool(value)) => self.out.push(u8::from(*value)),
            (Kind::Int, Value::Number(number)) => {
                put_long(i64::from(i32::try_from(number.as_i64()?).ok()?), &mut self.out);
            }
            (Kind::Long, Value::Number(number)) => put_long(number.as_i64()?, &mut self.out),
            (Kind::Float, _) => {
                #[allow(clippy::cast_possible_truncation, reason = "to the nearest float is meant")]
                let value = double(value)? as f32;
                self.out.extend(value.to_le_bytes());
            }
            (Kind::Double, _) => self.out.extend(double(value)?.to_le_bytes()),
            (Kind::String, Value::String(text)) => self.sized(text.as_bytes()),
            (Kind::Bytes, Value::String(text)) => {
                let bytes = bytes_of(text)?;
                self.sized(&bytes);
            }
            (Kind::Fixed(fixed), Value::String(text)) => {
                let bytes = bytes_of(text).filter(|bytes| bytes.len() == fixed.size)?;
                self.out.extend(bytes);
            }
            _ => return None,
        }
        Some(())
    }

    fn count(&mut self, count: usize) {
        put_long(i64::try_from(count).unwrap_or(i64::MAX), &mut self.out);
    }

    fn sized(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.out.extend(bytes);
    }

    /// The choice of that name, of an enum or a union.
    fn choice(&mut self, id: TypeId, name: &str) -> Option<usize> {
        let schema = self.schema;
        let choices = self.choices.entry(id).or_insert_with(|| {
            let names: Vec<&'a str> = match schema.kind(id) {
                Kind::Enum(symbols) => symbols.symbols.iter().map(String::as_str).collect(),
                Kind::Union(branches) => branches.iter().map(|&branch| schema.full_name(branch)).collect(),
                _ => Vec::new(),
            };
            names.into_iter().enumerate().map(|(index, name)| (name, index)).collect()
        });
        choices.get(name).copied()
    }

    fn symbol(&mut self, id: TypeId, symbols: &Enum, symbol: &str) -> Outcome {
        match self.choice(id, symbol) {
            Some(index) => self.count(index),
            None => return Err(EncodeError::new(format!("`{symbol}` is no symbol of {}", symbols.name.full()))),
        }
        Ok(())
    }

    fn array(&mut self, element: TypeId, elements: &[Value], depth: usize) -> Outcome {
        if !elements.is_empty() {
            self.count(elements.len());
        }
        for (index, value) in elements.iter().enumerate() {
            self.value(element, value, depth + 1).map_err(|error| error.under(index))?;
        }
        self.count(0);
        Ok(())
    }

    fn map(&mut self, inner: TypeId, members: &Map<String, Value>, depth: usize) -> Outcome {
        if !members.is_empty() {
            self.count(members.len());
        }
        for (name, value) in members {
            self.sized(name.as_bytes());
            self.value(inner, value, depth + 1).map_err(|error| error.under(name))?;
        }
        self.count(0);
        Ok(())
    }

    fn record(&mut self, record: &Record, members: &Map<String, Value>, depth: usize) -> Outcome {
        for field in &record.fields {
            let Some(value) = members.get(&field.name) else {
                return Err(EncodeError::new(format!("field `{}` of {} is missing", field.name, record.name.full())));
            };
            self.value(field.schema, value, depth + 1).map_err(|error| error.under(&field.name))?;
        }
        if members.len() > record.fields.len() {
            let known: std::collections::HashSet<&String> = record.fields.iter().map(|field| &field.name).collect();
            let unknown = members.keys().find(|name| !known.contains(name)).map_or("", String::as_str);
            return Err(EncodeError::new(format!("{} has no field `{unknown}`", record.name.full())));
        }
        Ok(())
    }

    fn union(&mut self, id: TypeId, branches: &[TypeId], value: &Value, depth: usize) -> Outcome {
        let (name, inner) = match value {
            Value::Null => ("null", value),
            Value::Object(members) if members.len() == 1 => {
                members.iter().next().map_or(("", value), |(name, inner)| (name.as_str(), inner))
            }
            _ => return Err(EncodeError::new("a union's value is `null` or an object with one member, its branch")),
        };
        let choice = self.choice(id, name).and_then(|index| branches.get(index).map(|&branch| (index, branch)));
        let Some((index, branch)) = choice else {
            return Err(EncodeError::new(format!("the union has no branch `{name}`")));
        };
        self.count(index);
        self.value(branch, inner, depth + 1).map_err(|error| if value.is_null() { error } else { error.under(name) })
    }
}

/// A number, or a string for what JSON has none for.
fn double(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            NAN => Some(f64::NAN),
            INFINITY => Some(f64::INFINITY),
            NEGATIVE_INFINITY => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

/// The bytes that the characters of `text` are.
pub(super) fn bytes_of(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}
