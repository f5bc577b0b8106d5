//! Rows as messages.

use super::read::described;
use crate::format::clock;
use crate::format::column::Scalar;
use crate::format::derive::{TIMESTAMP, wrapped};
use crate::format::error::{EncodeError, FormatError, shown};
use crate::format::leaf::{Leaf, units_of_second};
use crate::format::{Encoded, Encoder, row};
use crate::types::{Item, Type};
use arrow::array::{Array, ArrayRef, AsArray as _};
use arrow::datatypes::{DataType, Fields};
use levada_model::schema_id::SchemaId;
use levada_protobuf::Schema;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value, prost::Message as _};
use std::collections::HashMap;

/// Writes rows as one message.
pub(super) struct Protobuf {
    /// The id and the message's place, as every record begins.
    head: Vec<u8>,
    types: Vec<DataType>,
    message: MessageDescriptor,
    members: Vec<Member>,
}

/// A column and the field that it is.
struct Member {
    name: String,
    field: FieldDescriptor,
    write: Write,
}

enum Write {
    Leaf(Kind, Leaf),
    Timestamp(MessageDescriptor, u8),
    /// In a message that wraps one value.
    Wrapped(MessageDescriptor, FieldDescriptor, Box<Write>),
    Array(Box<Write>),
    Map(Box<Write>, Box<Write>),
    Row(MessageDescriptor, Vec<Member>),
}

impl Protobuf {
    pub(super) fn new(
        id: SchemaId,
        schema: &Schema,
        message: Option<&str>,
        fields: &Fields,
    ) -> Result<Self, FormatError> {
        let refused = |reason: String| FormatError::Schema { reason };
        let first = schema.name();
        let name = message.or(first.as_deref()).ok_or_else(|| refused("it has no message".to_owned()))?;
        let message = schema.message(name).map_err(|error| refused(error.to_string()))?;
        let indexes = schema.message_indexes(name).ok_or_else(|| refused(format!("`{name}` is not its own")))?;
        let mut head = Vec::new();
        id.write(&mut head);
        head.extend(indexes.encode());
        let items = fields.iter().map(|field| Ok((field.name().clone(), row::item(field)?)));
        let items: Vec<(String, Item)> = items.collect::<Result<_, FormatError>>()?;
        let types = fields.iter().map(|field| field.data_type().clone()).collect();
        Ok(Self { head, types, members: members(&message, &items)?, message })
    }
}

fn members(message: &MessageDescriptor, items: &[(String, Item)]) -> Result<Vec<Member>, FormatError> {
    let member = |(name, item): &(String, Item)| {
        let missing = || FormatError::Schema { reason: format!("`{}` has no field `{name}`", message.full_name()) };
        let field = message.get_field_by_name(name).ok_or_else(missing)?;
        Ok(Member { name: name.clone(), write: field_of(&field, &item.value, name)?, field })
    };
    items.iter().map(member).collect()
}

fn field_of(field: &FieldDescriptor, of: &Type, column: &str) -> Result<Write, FormatError> {
    let refused = || FormatError::Schema {
        reason: format!("column `{column}` is {of}, the schema has {}", described(&field.kind())),
    };
    match (of, field.kind()) {
        (Type::Map(key, value), Kind::Message(entry)) if field.is_map() => {
            let key = element(&entry.map_entry_key_field().kind(), &key.value, column)?;
            let value = element(&entry.map_entry_value_field().kind(), &value.value, column)?;
            Ok(Write::Map(Box::new(key), Box::new(value)))
        }
        (Type::Array(item), kind) if field.is_list() => {
            Ok(Write::Array(Box::new(element(&kind, &item.value, column)?)))
        }
        (_, kind) if !field.is_list() && !field.is_map() => element(&kind, of, column),
        _ => Err(refused()),
    }
}

fn element(kind: &Kind, of: &Type, column: &str) -> Result<Write, FormatError> {
    match (kind, of, Leaf::of(of)) {
        (Kind::Message(message), _, Some(Leaf::Timestamp { precision, .. })) if message.full_name() == TIMESTAMP => {
            Ok(Write::Timestamp(message.clone(), precision))
        }
        (Kind::Message(message), Type::Row(fields), _) => Ok(Write::Row(message.clone(), members(message, fields)?)),
        (Kind::Message(message), ..) if wrapped(message).is_some() => {
            let field = wrapped(message).ok_or_else(|| refused(kind, of, column))?;
            let inner = element(&field.kind(), of, column)?;
            Ok(Write::Wrapped(message.clone(), field, Box::new(inner)))
        }
        (_, _, Some(leaf)) if is_written_as(leaf, kind) => Ok(Write::Leaf(kind.clone(), leaf)),
        _ => Err(refused(kind, of, column)),
    }
}

fn refused(kind: &Kind, of: &Type, column: &str) -> FormatError {
    FormatError::Schema { reason: format!("column `{column}` is {of}, the schema has {}", described(kind)) }
}

/// Whether values of a column have a place in a field, or are refused where they have none.
fn is_written_as(leaf: Leaf, kind: &Kind) -> bool {
    let is_small = matches!(leaf, Leaf::I8 | Leaf::I16 | Leaf::I32);
    match kind {
        Kind::Bool => leaf == Leaf::Boolean,
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => is_small,
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 | Kind::Uint32 | Kind::Fixed32 => is_small || leaf == Leaf::I64,
        Kind::Uint64 | Kind::Fixed64 => is_small || matches!(leaf, Leaf::I64 | Leaf::Decimal { scale: 0, .. }),
        Kind::Float => leaf == Leaf::F32,
        Kind::Double => matches!(leaf, Leaf::F32 | Leaf::F64),
        Kind::String | Kind::Enum(_) => leaf == Leaf::Text,
        Kind::Bytes => leaf == Leaf::Bytes,
        Kind::Message(_) => false,
    }
}

impl Encoder for Protobuf {
    fn encode(&mut self, columns: &[ArrayRef], row: usize, out: &mut Vec<u8>) -> Result<Encoded, EncodeError> {
        row::check(&self.types, columns, row)?;
        let message = message(&self.message, &self.members, columns, row)?;
        out.extend_from_slice(&self.head);
        out.extend(message.encode_to_vec());
        Ok(Encoded::Bytes)
    }
}

fn message(
    descriptor: &MessageDescriptor,
    members: &[Member],
    columns: &[ArrayRef],
    row: usize,
) -> Result<DynamicMessage, EncodeError> {
    let mut message = DynamicMessage::new(descriptor.clone());
    for (member, column) in members.iter().zip(columns) {
        if column.is_null(row) {
            if member.field.cardinality() == prost_reflect::Cardinality::Required {
                return Err(EncodeError::Null { column: member.name.clone() });
            }
            continue;
        }
        let value = value(&member.write, column, row, &member.name)?;
        set(&mut message, &member.field, value, &member.name)?;
    }
    Ok(message)
}

fn set(message: &mut DynamicMessage, field: &FieldDescriptor, value: Value, name: &str) -> Result<(), EncodeError> {
    message.try_set_field(field, value).map_err(|error| EncodeError::Columns { reason: format!("`{name}`: {error}") })
}

/// A value that is not NULL.
fn value(write: &Write, array: &dyn Array, row: usize, name: &str) -> Result<Value, EncodeError> {
    if array.is_null(row) {
        return Err(EncodeError::Null { column: name.to_owned() });
    }
    Ok(match write {
        Write::Leaf(kind, leaf) => {
            let scalar = row::scalar(array, row).ok_or_else(|| EncodeError::Columns { reason: name.to_owned() })?;
            leaf_value(kind, *leaf, scalar, name)?
        }
        Write::Timestamp(descriptor, precision) => {
            let Some(Scalar::I64(value)) = row::scalar(array, row) else {
                return Err(EncodeError::Columns { reason: format!("`{name}` is no timestamp") });
            };
            let (days, nanos) = clock::split(value, units_of_second(*precision));
            let seconds = days * 86_400 + nanos / clock::NANOS_OF_SECOND;
            let fraction = i32::try_from(nanos % clock::NANOS_OF_SECOND).unwrap_or_default();
            let mut message = DynamicMessage::new(descriptor.clone());
            for (number, part) in [(1, Value::I64(seconds)), (2, Value::I32(fraction))] {
                if let Some(field) = descriptor.get_field(number) {
                    set(&mut message, &field, part, name)?;
                }
            }
            Value::Message(message)
        }
        Write::Wrapped(descriptor, field, inner) => {
            let mut message = DynamicMessage::new(descriptor.clone());
            set(&mut message, field, value(inner, array, row, name)?, name)?;
            Value::Message(message)
        }
        Write::Array(inner) => {
            let elements = array.as_list::<i32>().value(row);
            let values = (0..elements.len()).map(|at| value(inner, &elements, at, name));
            Value::List(values.collect::<Result<_, _>>()?)
        }
        Write::Map(key, inner) => {
            let entries = array.as_map().value(row);
            let mut map = HashMap::new();
            for at in 0..entries.len() {
                let key = map_key(value(key, entries.column(0), at, name)?).ok_or_else(|| EncodeError::Columns {
                    reason: format!("`{name}` has keys that no map of Protobuf has"),
                })?;
                map.insert(key, value(inner, entries.column(1), at, name)?);
            }
            Value::Map(map)
        }
        Write::Row(descriptor, members) => {
            Value::Message(message(descriptor, members, array.as_struct().columns(), row)?)
        }
    })
}

fn map_key(value: Value) -> Option<MapKey> {
    Some(match value {
        Value::Bool(value) => MapKey::Bool(value),
        Value::I32(value) => MapKey::I32(value),
        Value::I64(value) => MapKey::I64(value),
        Value::U32(value) => MapKey::U32(value),
        Value::U64(value) => MapKey::U64(value),
        Value::String(value) => MapKey::String(value),
        _ => return None,
    })
}

fn leaf_value(kind: &Kind, leaf: Leaf, scalar: Scalar<'_>, name: &str) -> Result<Value, EncodeError> {
    let misfit =
        |found: &[u8]| EncodeError::Value { column: name.to_owned(), found: shown(found), expected: described(kind) };
    let whole = match scalar {
        Scalar::I8(value) => Some(i128::from(value)),
        Scalar::I16(value) => Some(i128::from(value)),
        Scalar::I32(value) => Some(i128::from(value)),
        Scalar::I64(value) => Some(i128::from(value)),
        Scalar::I128(value) => Some(value),
        _ => None,
    };
    if let Some(whole) = whole {
        let value = match kind {
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => i32::try_from(whole).ok().map(Value::I32),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => i64::try_from(whole).ok().map(Value::I64),
            Kind::Uint32 | Kind::Fixed32 => u32::try_from(whole).ok().map(Value::U32),
            Kind::Uint64 | Kind::Fixed64 => u64::try_from(whole).ok().map(Value::U64),
            _ => None,
        };
        return value.ok_or_else(|| misfit(whole.to_string().as_bytes()));
    }
    Ok(match (kind, scalar) {
        (Kind::Bool, Scalar::Boolean(value)) => Value::Bool(value),
        (Kind::Float, Scalar::F32(value)) => Value::F32(value),
        (Kind::Double, Scalar::F32(value)) => Value::F64(f64::from(value)),
        (Kind::Double, Scalar::F64(value)) => Value::F64(value),
        (Kind::Bytes, Scalar::Bytes(bytes)) => Value::Bytes(bytes.to_vec().into()),
        (Kind::String, Scalar::Bytes(text)) => Value::String(String::from_utf8_lossy(text).into_owned()),
        (Kind::Enum(of), Scalar::Bytes(text)) => {
            let named = std::str::from_utf8(text).ok().and_then(|text| of.get_value_by_name(text));
            Value::EnumNumber(named.ok_or_else(|| misfit(text))?.number())
        }
        (_, scalar) => return Err(EncodeError::Columns { reason: format!("`{name}` is {scalar:?}, not {leaf}") }),
    })
}
