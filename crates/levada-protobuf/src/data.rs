//! Messages of a schema, between their binary form and JSON.
//!
//! Bounded: a message has [`MESSAGE_BYTES_MAX`] bytes at most in either form, lies 100 levels deep at most, and packs
//! `google.protobuf.Any` in each other [`ANY_NESTING_MAX`] times at most.
//!
//! Source: <https://protobuf.dev/programming-guides/json/>.

use crate::{
    Schema,
    limits::{ANY_NESTING_MAX, MESSAGE_BYTES_MAX},
};
use prost_reflect::{
    Cardinality, DynamicMessage, MessageDescriptor, ReflectMessage, SerializeOptions, Value, prost::Message,
};
use std::io;

/// Why bytes or JSON are no message of the schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// The schema and what it imports have no such message.
    #[error("there is no message `{name}`")]
    UnknownMessage {
        /// Its name.
        name: String,
    },
    /// The message is larger than the limit, in one of its forms.
    #[error("the message has more than {limit} bytes")]
    TooLarge {
        /// How large it may be.
        limit: usize,
    },
    /// The bytes are no such message.
    #[error("no `{name}`: {reason}")]
    Binary {
        /// The message that was expected.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The JSON is no such message.
    #[error("no `{name}`: {reason}")]
    Json {
        /// The message that was expected.
        name: String,
        /// What is wrong and where.
        reason: String,
    },
    /// A required field is not set.
    #[error("the required field `{field}` is not set")]
    MissingRequired {
        /// Its full name.
        field: String,
    },
    /// `google.protobuf.Any` is packed in itself too often.
    #[error("`google.protobuf.Any` lies in itself more than {limit} times")]
    AnyTooDeep {
        /// How often it may.
        limit: usize,
    },
}

impl Schema {
    /// The binary form of `json`, a message `name` (its full name).
    ///
    /// # Errors
    /// [`DataError`] when there is no such message, a limit is passed, or the JSON does not fit it.
    pub fn json_to_binary(&self, name: &str, json: &str) -> Result<Vec<u8>, DataError> {
        let descriptor = self.message(name)?;
        check_size(json.len())?;
        let failed = |error: serde_json::Error| DataError::Json { name: name.to_owned(), reason: error.to_string() };
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let message = DynamicMessage::deserialize(descriptor, &mut deserializer).map_err(failed)?;
        deserializer.end().map_err(failed)?;
        check_message(&message, 0)?;
        check_size(message.encoded_len())?;
        Ok(message.encode_to_vec())
    }

    /// The JSON of `bytes`, a message `name` (its full name); fields that are not set show their defaults.
    ///
    /// # Errors
    /// [`DataError`] when there is no such message, a limit is passed, or the bytes are none.
    pub fn binary_to_json(&self, name: &str, bytes: &[u8]) -> Result<String, DataError> {
        let message = self.decode(name, bytes)?;
        let mut output = Bounded { bytes: Vec::new(), is_full: false };
        let written = message.serialize_with_options(
            &mut serde_json::Serializer::new(&mut output),
            &SerializeOptions::new().skip_default_fields(false),
        );
        if output.is_full {
            return Err(DataError::TooLarge { limit: MESSAGE_BYTES_MAX });
        }
        let failed = |reason: String| DataError::Binary { name: name.to_owned(), reason };
        written.map_err(|error| failed(error.to_string()))?;
        String::from_utf8(output.bytes).map_err(|error| failed(error.to_string()))
    }

    /// Checks that `bytes` are a message `name` (its full name) with all that is required.
    ///
    /// # Errors
    /// [`DataError`] when there is no such message, a limit is passed, or the bytes are none.
    pub fn validate(&self, name: &str, bytes: &[u8]) -> Result<(), DataError> {
        self.decode(name, bytes).map(drop)
    }

    /// The descriptor of the message of that full name, from the schema or what it imports.
    ///
    /// # Errors
    /// [`DataError::UnknownMessage`].
    pub fn message(&self, name: &str) -> Result<MessageDescriptor, DataError> {
        let found = self.compiled.pool.get_message_by_name(name.strip_prefix('.').unwrap_or(name));
        found.ok_or_else(|| DataError::UnknownMessage { name: name.to_owned() })
    }

    /// Reads `bytes` as a message `name` (its full name) with all that is required.
    ///
    /// # Errors
    /// [`DataError`] when there is no such message, a limit is passed, or the bytes are none.
    pub fn decode(&self, name: &str, bytes: &[u8]) -> Result<DynamicMessage, DataError> {
        let descriptor = self.message(name)?;
        check_size(bytes.len())?;
        let message = DynamicMessage::decode(descriptor, bytes)
            .map_err(|error| DataError::Binary { name: name.to_owned(), reason: error.to_string() })?;
        check_message(&message, 0)?;
        Ok(message)
    }
}

const fn check_size(size: usize) -> Result<(), DataError> {
    if size > MESSAGE_BYTES_MAX { Err(DataError::TooLarge { limit: MESSAGE_BYTES_MAX }) } else { Ok(()) }
}

/// Looks for required fields that are not set and for `Any` that lies in itself too often. Messages lie as deep in each
/// other as they were decoded, so that recursion has an end.
fn check_message(message: &DynamicMessage, any_depth: usize) -> Result<(), DataError> {
    let descriptor = message.descriptor();
    for field in descriptor.fields() {
        if field.cardinality() == Cardinality::Required && !message.has_field(&field) {
            return Err(DataError::MissingRequired { field: field.full_name().to_owned() });
        }
    }
    if descriptor.full_name() == "google.protobuf.Any" {
        return check_any(message, any_depth);
    }
    let fields = message.fields().map(|(_, value)| value);
    fields.chain(message.extensions().map(|(_, value)| value)).try_for_each(|value| check_value(value, any_depth))
}

fn check_value(value: &Value, any_depth: usize) -> Result<(), DataError> {
    match value {
        Value::Message(message) => check_message(message, any_depth),
        Value::List(values) => values.iter().try_for_each(|value| check_value(value, any_depth)),
        Value::Map(entries) => entries.values().try_for_each(|value| check_value(value, any_depth)),
        _ => Ok(()),
    }
}

fn check_any(any: &DynamicMessage, any_depth: usize) -> Result<(), DataError> {
    if any_depth >= ANY_NESTING_MAX {
        return Err(DataError::AnyTooDeep { limit: ANY_NESTING_MAX });
    }
    let (url, packed) = (any.get_field_by_number(1), any.get_field_by_number(2));
    let url = url.as_deref().and_then(Value::as_str).unwrap_or_default();
    let Some(packed) = packed.as_deref().and_then(Value::as_bytes) else { return Ok(()) };
    let name = url.rsplit('/').next().unwrap_or_default();
    // Of a type that is not known here, nothing is unpacked either.
    let Some(descriptor) = any.descriptor().parent_pool().get_message_by_name(name) else { return Ok(()) };
    let message = DynamicMessage::decode(descriptor, packed.clone())
        .map_err(|error| DataError::Binary { name: name.to_owned(), reason: error.to_string() })?;
    check_message(&message, any_depth + 1)
}

/// Bytes up to the limit of a message.
struct Bounded {
    bytes: Vec<u8>,
    is_full: bool,
}

impl io::Write for Bounded {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + part.len() > MESSAGE_BYTES_MAX {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
