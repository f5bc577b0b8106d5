//! Options of a descriptor, in the notation of `.proto` text.

use crate::{
    ast::{OptionElement, OptionValue},
    error::ParseError,
    limits::NESTING_MAX,
};
use prost_reflect::{DynamicMessage, Kind, MapKey, ReflectMessage, Value};

/// What a message of options sets, in the order of its fields; options that are defined elsewhere come last.
pub(super) fn options_of(message: &DynamicMessage) -> Result<Vec<OptionElement>, ParseError> {
    let mut options = Vec::new();
    for (name, kind, value) in parts(message, ('(', ')'))? {
        match value {
            Value::List(values) => {
                for value in values {
                    options.push(OptionElement { name: name.clone(), value: written(&kind, value, 0)? });
                }
            }
            value => options.push(OptionElement { name, value: written(&kind, value, 0)? }),
        }
    }
    Ok(options)
}

type Part<'a> = (String, Kind, &'a Value);

/// Fields and extension fields that are set; the latter's names are put between `brackets`.
fn parts(message: &DynamicMessage, brackets: (char, char)) -> Result<Vec<Part<'_>>, ParseError> {
    if let Some(unknown) = message.unknown_fields().next() {
        let (number, name) = (unknown.number(), message.descriptor().full_name().to_owned());
        return Err(ParseError::invalid(format_args!("no import defines the option {number} of `{name}`")));
    }
    let fields = message.fields().map(|(field, value)| (field.name().to_owned(), field.kind(), value));
    let extensions = message
        .extensions()
        .map(|(field, value)| (format!("{}{}{}", brackets.0, field.full_name(), brackets.1), field.kind(), value));
    Ok(fields.chain(extensions).collect())
}

fn written(kind: &Kind, value: &Value, depth: usize) -> Result<OptionValue, ParseError> {
    if depth > NESTING_MAX {
        return Err(ParseError::too_large("levels of nesting", NESTING_MAX));
    }
    Ok(match value {
        Value::Bool(value) => OptionValue::Word(value.to_string()),
        Value::I32(value) => OptionValue::Word(value.to_string()),
        Value::I64(value) => OptionValue::Word(value.to_string()),
        Value::U32(value) => OptionValue::Word(value.to_string()),
        Value::U64(value) => OptionValue::Word(value.to_string()),
        Value::F32(value) => OptionValue::Word(format!("{value:?}").to_lowercase()),
        Value::F64(value) => OptionValue::Word(format!("{value:?}").to_lowercase()),
        Value::String(text) => OptionValue::Text(text.clone().into_bytes()),
        Value::Bytes(bytes) => OptionValue::Text(bytes.to_vec()),
        Value::EnumNumber(number) => {
            let named = kind.as_enum().and_then(|declared| declared.get_value(*number));
            OptionValue::Word(named.map_or_else(|| number.to_string(), |value| value.name().to_owned()))
        }
        Value::Message(message) => {
            let mut fields = Vec::new();
            for (name, kind, value) in parts(message, ('[', ']'))? {
                fields.push((name, written(&kind, value, depth + 1)?));
            }
            OptionValue::Message(fields)
        }
        Value::List(values) => {
            OptionValue::List(values.iter().map(|value| written(kind, value, depth + 1)).collect::<Result<_, _>>()?)
        }
        Value::Map(entries) => {
            let mut entries: Vec<(&MapKey, &Value)> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| key_text(key));
            let value_kind = kind.as_message().map(|entry| entry.map_entry_value_field().kind());
            let value_kind = value_kind.ok_or_else(|| ParseError::invalid("a map has no entries"))?;
            let mut written_entries = Vec::new();
            for (key, value) in entries {
                let key = match key {
                    MapKey::String(text) => OptionValue::Text(text.clone().into_bytes()),
                    other => OptionValue::Word(key_text(other)),
                };
                let value = written(&value_kind, value, depth + 2)?;
                written_entries.push(OptionValue::Message(vec![("key".to_owned(), key), ("value".to_owned(), value)]));
            }
            OptionValue::List(written_entries)
        }
    })
}

fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::Bool(value) => value.to_string(),
        MapKey::I32(value) => value.to_string(),
        MapKey::I64(value) => value.to_string(),
        MapKey::U32(value) => value.to_string(),
        MapKey::U64(value) => value.to_string(),
        MapKey::String(text) => text.clone(),
    }
}
