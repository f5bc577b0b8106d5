//! Columns of a message of Protobuf.
//!
//! | Protobuf | SQL |
//! |---|---|
//! | `bool`, `float`, `double`, `string`, `bytes` | `BOOLEAN`, `FLOAT`, `DOUBLE`, `STRING`, `BYTES` |
//! | `int32`, `sint32`, `sfixed32` | `INT` |
//! | `uint32`, `fixed32`, `int64`, `sint64`, `sfixed64` | `BIGINT` |
//! | `uint64`, `fixed64` | `DECIMAL(20, 0)` |
//! | an enum | `STRING`, the name of the value |
//! | `repeated`, `map`, a message | `ARRAY`, `MAP`, `ROW` |
//! | `google.protobuf.Timestamp` | `TIMESTAMP_LTZ(9)` |
//! | `google.protobuf.StringValue` and the like | what they wrap, and NULL |
//!
//! A field that knows whether it was set is NULL where it was not; another has its default.

use super::{ColumnsError, Walk, fields};
use crate::types::{Item, Type};
use arrow::datatypes::Fields;
use levada_protobuf::Schema;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

pub(in crate::format) const TIMESTAMP: &str = "google.protobuf.Timestamp";

/// The columns of the message of that full name, in the order of the text.
///
/// # Errors
/// [`ColumnsError`].
pub fn columns_of_protobuf(schema: &Schema, message: &str) -> Result<Fields, ColumnsError> {
    let descriptor = schema.message(message).map_err(|error| ColumnsError::Schema { reason: error.to_string() })?;
    Ok(fields(&row(&descriptor, &mut Walk::new())?))
}

/// What a message of the well-known types wraps, which is in its field `value`.
pub(in crate::format) fn wrapped(message: &MessageDescriptor) -> Option<FieldDescriptor> {
    let name = message.full_name().strip_prefix("google.protobuf.")?.strip_suffix("Value")?;
    let is_wrapper =
        ["Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes"].contains(&name);
    message.get_field_by_name("value").filter(|_| is_wrapper)
}

fn row(message: &MessageDescriptor, walk: &mut Walk<String>) -> Result<Vec<(String, Item)>, ColumnsError> {
    let name = message.full_name().to_owned();
    walk.enter(name.clone(), &name, |walk| {
        let mut fields: Vec<FieldDescriptor> = message.fields().collect();
        // Numbers grow, names come and go: but the text is what people wrote.
        let order = |field: &FieldDescriptor| {
            let protos = &message.descriptor_proto().field;
            protos.iter().position(|proto| proto.name() == field.name())
        };
        fields.sort_by_key(order);
        let column = |field: &FieldDescriptor| {
            let item = item(field, walk).map_err(|error| error.under(field.name()))?;
            Ok((field.name().to_owned(), item))
        };
        fields.iter().map(column).collect()
    })
}

fn item(field: &FieldDescriptor, walk: &mut Walk<String>) -> Result<Item, ColumnsError> {
    if let Kind::Message(entry) = field.kind()
        && field.is_map()
    {
        let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
        let (key, value) = (element(&key.kind(), walk)?, element(&value.kind(), walk)?);
        return Ok(Type::Map(Box::new(key.not_null()), Box::new(value.not_null())).not_null());
    }
    let value = element(&field.kind(), walk)?;
    if field.is_list() {
        return Ok(Type::Array(Box::new(value.not_null())).not_null());
    }
    Ok(Item {
        value,
        is_nullable: field.supports_presence() && field.cardinality() != prost_reflect::Cardinality::Required,
    })
}

fn element(kind: &Kind, walk: &mut Walk<String>) -> Result<Type, ColumnsError> {
    Ok(match kind {
        Kind::Bool => Type::Boolean,
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Type::Int,
        Kind::Uint32 | Kind::Fixed32 | Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Type::BigInt,
        Kind::Uint64 | Kind::Fixed64 => Type::Decimal { precision: 20, scale: 0 },
        Kind::Float => Type::Float,
        Kind::Double => Type::Double,
        Kind::String | Kind::Enum(_) => Type::String,
        Kind::Bytes => Type::Bytes,
        Kind::Message(message) if message.full_name() == TIMESTAMP => Type::TimestampLtz(9),
        Kind::Message(message) => match wrapped(message) {
            Some(field) => element(&field.kind(), walk)?,
            None => Type::Row(row(message, walk)?),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(text: &str, message: &str) -> String {
        let schema = levada_protobuf::parse(text, &[]).unwrap();
        match columns_of_protobuf(&schema, message) {
            Ok(fields) => {
                let shown =
                    |field: &arrow::datatypes::FieldRef| format!("{} {}", field.name(), Item::of(field).unwrap());
                fields.iter().map(shown).collect::<Vec<_>>().join(", ")
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn fields_are_columns_in_their_order() {
        let text = r#"syntax = "proto3"; package p;
            import "google/protobuf/timestamp.proto"; import "google/protobuf/wrappers.proto";
            message M {
              int64 z = 9; optional int32 a = 1; uint64 u = 2; repeated string l = 3; map<int32, Inner> m = 4;
              google.protobuf.Timestamp t = 5; google.protobuf.StringValue w = 6; Color c = 7;
              oneof o { bool x = 8; bytes y = 10; }
              message Inner { fixed32 f = 1; }
              enum Color { RED = 0; }
            }"#;
        assert_eq!(
            columns(text, "p.M"),
            "z BIGINT NOT NULL, a INT, u DECIMAL(20, 0) NOT NULL, l ARRAY<STRING NOT NULL> NOT NULL, \
             m MAP<INT NOT NULL, ROW<`f` BIGINT NOT NULL> NOT NULL> NOT NULL, t TIMESTAMP_LTZ(9), w STRING, \
             c STRING NOT NULL, x BOOLEAN, y BYTES"
        );
    }

    #[test]
    fn a_message_within_itself_and_one_that_is_not_there_are_refused() {
        let text = "syntax = \"proto3\"; message M { N n = 1; } message N { repeated M m = 1; }";
        assert!(columns(text, "M").starts_with("field `n.m`: `M` lies within itself"));
        assert_eq!(columns(text, "X"), "no schema: there is no message `X`");
    }
}
