//! Random messages, and what has to become of them when another schema reads them.

use crate::{
    draw::Draw,
    model::{FileModel, IMPORT},
};
use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage,
    Value, prost::bytes::Bytes,
};
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};
use std::collections::HashMap;

struct Texts(Vec<(String, String)>);

impl FileResolver for Texts {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let text = self.0.iter().find(|(known, _)| known == name);
        text.map_or_else(|| Err(protox::Error::file_not_found(name)), |(_, text)| File::from_source(name, text))
    }
}

/// The descriptors of a text, straight from the compiler.
pub(crate) fn compiler(text: &str, import: &str) -> protox::Compiler {
    let texts = [("root.proto", text), (IMPORT, import)].map(|(name, text)| (name.to_owned(), text.to_owned()));
    let mut resolver = ChainFileResolver::new();
    resolver.add(Texts(texts.to_vec()));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true);
    compiler.open_file("root.proto").unwrap_or_else(|error| panic!("{error}\n{text}\n---\n{import}"));
    compiler
}

pub(crate) fn pool(file: &FileModel) -> DescriptorPool {
    let (text, import) = file.texts(&Draw::new(0));
    compiler(&text, &import).descriptor_pool()
}

/// A message of `writer` for `reader`, `depth` levels deep at most. It has what the documentation lets a reader of
/// another type see unchanged or cast: text in bytes, one message or none where a list becomes a single message.
pub(crate) fn message(
    writer: &MessageDescriptor,
    reader: &MessageDescriptor,
    draw: &Draw,
    depth: usize,
) -> DynamicMessage {
    let mut message = DynamicMessage::new(writer.clone());
    for field in writer.fields() {
        let is_required = field.cardinality() == Cardinality::Required;
        if !is_required && draw.once_in(4) {
            continue;
        }
        if let Some(value) = value(&field, reader.get_field(field.number()).as_ref(), draw, depth) {
            message.set_field(&field, value);
        } else if is_required {
            let Kind::Message(nested) = field.kind() else { continue };
            // Required messages may lie in each other without an end; a message of which nothing is said ends it.
            message.set_field(&field, Value::Message(DynamicMessage::new(nested)));
        }
    }
    message
}

fn value(field: &FieldDescriptor, reader: Option<&FieldDescriptor>, draw: &Draw, depth: usize) -> Option<Value> {
    if field.is_map() {
        let Kind::Message(entry) = field.kind() else { return None };
        let other = reader.filter(|reader| reader.is_map()).map(|reader| reader.kind());
        let other = other.as_ref().and_then(Kind::as_message).map(MessageDescriptor::map_entry_value_field);
        let key = match scalar(&entry.map_entry_key_field().kind(), draw) {
            Value::Bool(key) => MapKey::Bool(key),
            Value::I32(key) => MapKey::I32(key),
            Value::I64(key) => MapKey::I64(key),
            Value::U32(key) => MapKey::U32(key),
            Value::U64(key) => MapKey::U64(key),
            Value::String(key) => MapKey::String(key),
            other => panic!("{other:?} is no key"),
        };
        let value = single(&entry.map_entry_value_field(), other.as_ref(), draw, depth)?;
        return Some(Value::Map(HashMap::from([(key, value)])));
    }
    if !field.is_list() {
        return single(field, reader, draw, depth);
    }
    let becomes_single = reader.is_some_and(|reader| !reader.is_list());
    let is_message = matches!(field.kind(), Kind::Message(_));
    let count = if becomes_single && is_message { draw.below(2) } else { draw.below(4) };
    Some(Value::List((0..count).filter_map(|_| single(field, reader, draw, depth)).collect()))
}

fn single(field: &FieldDescriptor, reader: Option<&FieldDescriptor>, draw: &Draw, depth: usize) -> Option<Value> {
    let Kind::Message(nested) = field.kind() else { return Some(scalar(&field.kind(), draw)) };
    if depth == 0 {
        return None;
    }
    let other = reader.map(|reader| reader.kind());
    let other = other.as_ref().and_then(Kind::as_message).unwrap_or(&nested);
    Some(Value::Message(message(&nested, other, draw, depth - 1)))
}

fn scalar(kind: &Kind, draw: &Draw) -> Value {
    let bytes = match draw.below(4) {
        0 => 0,
        1 => draw.any() % 3,
        2 => draw.any() % 1_000,
        _ => draw.any(),
    }
    .to_le_bytes();
    let [a, b, c, d, ..] = bytes;
    let text: String = (0..draw.below(4)).map(|_| *draw.of(&['a', 'ä', '\0', '𝄞'])).collect();
    match kind {
        Kind::Double => Value::F64(f64::from(u32::from_le_bytes([a, b, c, d])) / 8.0),
        Kind::Float => Value::F32(f32::from(u16::from_le_bytes([a, b])) / 8.0),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(i32::from_le_bytes([a, b, c, d])),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(i64::from_le_bytes(bytes)),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(u32::from_le_bytes([a, b, c, d])),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(u64::from_le_bytes(bytes)),
        Kind::Bool => Value::Bool(a & 1 == 1),
        Kind::String => Value::String(text),
        Kind::Bytes => Value::Bytes(Bytes::from(text.into_bytes())),
        Kind::Enum(declared) => {
            let numbers: Vec<i32> = declared.values().map(|value| value.number()).collect();
            Value::EnumNumber(*draw.of(&numbers))
        }
        Kind::Message(_) => panic!("a message is no scalar"),
    }
}

/// What is wrong with `read`, which was read from the bytes of `written`: a field that both know has another value than
/// the documentation promises, a field is set that was not written, or one that is required was not.
pub(crate) fn witness(written: &DynamicMessage, read: &DynamicMessage) -> Option<String> {
    let (writer, reader) = (written.descriptor(), read.descriptor());
    for field in reader.fields() {
        let was_written = writer.get_field(field.number()).is_some_and(|field| written.has_field(&field));
        if read.has_field(&field) && !was_written {
            return Some(format!("{} was not written", field.full_name()));
        }
        if field.cardinality() == Cardinality::Required && !read.has_field(&field) {
            // Of a message within which nothing was said, nothing is asked.
            let is_filled = writer.fields().any(|field| written.has_field(&field));
            if is_filled || writer.get_field(field.number()).is_none_or(|it| it.cardinality() != Cardinality::Required)
            {
                return Some(format!("{} is required and was not written", field.full_name()));
            }
        }
    }
    for field in writer.fields().filter(|field| written.has_field(field)) {
        let Some(other) = reader.get_field(field.number()) else { continue };
        let (value, seen) = (written.get_field(&field), read.get_field(&other));
        if let Some(wrong) = field_witness(&field, &value, &other, &seen) {
            return Some(format!("{}: {wrong}", field.full_name()));
        }
    }
    None
}

fn field_witness(field: &FieldDescriptor, value: &Value, other: &FieldDescriptor, seen: &Value) -> Option<String> {
    let wrong = || Some(format!("{} was read as {}", shown(value), shown(seen)));
    match (value, seen) {
        (Value::Map(values), Value::Map(seen)) => {
            let (entry, other) = (entry(field), entry(other));
            let (key, value) = values.iter().next()?;
            let (seen_key, seen_value) = seen.iter().next()?;
            let keys = (entry.map_entry_key_field(), other.map_entry_key_field());
            field_witness(&keys.0, &key.clone().into(), &keys.1, &seen_key.clone().into()).or_else(|| {
                field_witness(&entry.map_entry_value_field(), value, &other.map_entry_value_field(), seen_value)
            })
        }
        (Value::List(values), Value::List(seen)) if values.len() == seen.len() => {
            values.iter().zip(seen).find_map(|(value, seen)| field_witness(field, value, other, seen))
        }
        (Value::List(_), Value::List(_)) => wrong(),
        (Value::List(values), seen) => field_witness(field, values.last()?, other, seen),
        (value, Value::List(list)) => match list.as_slice() {
            [seen] => field_witness(field, value, other, seen),
            _ => wrong(),
        },
        (Value::Message(value), Value::Message(seen)) => witness(value, seen),
        (value, seen) => match cast(&field.kind(), value, &other.kind()) {
            Some(expected) if expected == *seen => None,
            _ => wrong(),
        },
    }
}

/// A message that may hold itself has no end when it is printed with its descriptor.
fn shown(value: &Value) -> String {
    match value {
        Value::Message(message) => format!("a {}", message.descriptor().full_name()),
        Value::List(values) => format!("{:?}", values.iter().map(shown).collect::<Vec<_>>()),
        Value::Map(values) => format!("{:?}", values.values().map(shown).collect::<Vec<_>>()),
        scalar => format!("{scalar:?}"),
    }
}

fn entry(field: &FieldDescriptor) -> MessageDescriptor {
    field.kind().as_message().unwrap().clone()
}

/// What the documentation makes of a value of kind `from` in a field of kind `to`.
fn cast(from: &Kind, value: &Value, to: &Kind) -> Option<Value> {
    Some(match value {
        Value::String(text) => match to {
            Kind::String => value.clone(),
            Kind::Bytes => Value::Bytes(Bytes::from(text.clone().into_bytes())),
            _ => return None,
        },
        Value::Bytes(bytes) => match to {
            Kind::String => Value::String(String::from_utf8(bytes.to_vec()).ok()?),
            Kind::Bytes => value.clone(),
            _ => return None,
        },
        Value::F32(_) if *to == Kind::Float => value.clone(),
        Value::F64(_) if *to == Kind::Double => value.clone(),
        Value::F32(_) | Value::F64(_) | Value::Message(_) | Value::List(_) | Value::Map(_) => return None,
        number => return cast_number(from, wide(number), to),
    })
}

/// The 64 bits, with the sign in front.
fn wide(value: &Value) -> i64 {
    match value {
        Value::Bool(value) => i64::from(*value),
        Value::I32(value) | Value::EnumNumber(value) => i64::from(*value),
        Value::I64(value) => *value,
        Value::U32(value) => i64::from(*value),
        Value::U64(value) => i64::from_le_bytes(value.to_le_bytes()),
        other => panic!("{other:?} is no integer"),
    }
}

fn cast_number(from: &Kind, value: i64, to: &Kind) -> Option<Value> {
    let bytes = value.to_le_bytes();
    let [a, b, c, d, ..] = bytes;
    let low = [a, b, c, d];
    Some(match (from, to) {
        (Kind::Sint32 | Kind::Sint64, Kind::Sint32) => {
            let zigzag = ((value << 1) ^ (value >> 63)).to_le_bytes();
            let zigzag = u32::from_le_bytes([zigzag[0], zigzag[1], zigzag[2], zigzag[3]]);
            let half = i32::from_le_bytes((zigzag >> 1).to_le_bytes());
            Value::I32(if zigzag & 1 == 1 { !half } else { half })
        }
        (Kind::Sint32 | Kind::Sint64, Kind::Sint64) => Value::I64(value),
        (Kind::Fixed32 | Kind::Sfixed32, Kind::Fixed32) => Value::U32(u32::from_le_bytes(low)),
        (Kind::Fixed32 | Kind::Sfixed32, Kind::Sfixed32) => Value::I32(i32::from_le_bytes(low)),
        (Kind::Fixed64 | Kind::Sfixed64, Kind::Fixed64) => Value::U64(u64::from_le_bytes(bytes)),
        (Kind::Fixed64 | Kind::Sfixed64, Kind::Sfixed64) => Value::I64(value),
        (Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Bool | Kind::Enum(_), to) => match to {
            Kind::Int32 => Value::I32(i32::from_le_bytes(low)),
            Kind::Int64 => Value::I64(value),
            Kind::Uint32 => Value::U32(u32::from_le_bytes(low)),
            Kind::Uint64 => Value::U64(u64::from_le_bytes(bytes)),
            Kind::Bool => Value::Bool(value != 0),
            Kind::Enum(_) => Value::EnumNumber(i32::from_le_bytes(low)),
            _ => return None,
        },
        _ => return None,
    })
}
