//! Values in Avro's binary encoding, from and to Avro's JSON encoding.
//!
//! In the JSON encoding, as Avro's own tools have it, a union's value is `null` or `{"branch": value}`, with the full
//! name of a named branch; bytes and fixed are strings of the characters up to U+00FF. What JSON has no number for is
//! one of the strings `NaN`, `Infinity` and `-Infinity`. A float is written as the double that it is, as Java does it.

mod cursor;
mod decode;
mod default;
mod encode;
mod print;
mod record;

pub use decode::{DecodeError, Decoder, Problem, decode};
pub use encode::{EncodeError, encode};
pub use print::to_text;

use crate::schema::{Kind, Schema, TypeId};
use serde_json::Value;

/// What reading a value may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many bytes the value may take in memory, and each that is skipped as well; counted before they are taken.
    pub value_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { value_bytes_max: 64 << 20 }
    }
}

/// How deep values may be nested, each type that is passed counted, unions too.
const DEPTH_MAX: usize = 250;

const NAN: &str = "NaN";
const INFINITY: &str = "Infinity";
const NEGATIVE_INFINITY: &str = "-Infinity";

/// A double as JSON has it.
fn number(value: f64) -> Value {
    match serde_json::Number::from_f64(value) {
        Some(number) => Value::Number(number),
        None if value.is_nan() => NAN.into(),
        None => (if value > 0.0 { INFINITY } else { NEGATIVE_INFINITY }).into(),
    }
}

/// Bytes as JSON has them: each is a character.
fn text_of(bytes: &[u8]) -> Value {
    Value::String(bytes.iter().copied().map(char::from).collect())
}

/// A value of a union's branch as JSON has it.
fn wrap(schema: &Schema, branch: TypeId, value: Value) -> Value {
    match schema.kind(branch) {
        Kind::Null => Value::Null,
        _ => Value::Object(std::iter::once((schema.full_name(branch).to_owned(), value)).collect()),
    }
}
