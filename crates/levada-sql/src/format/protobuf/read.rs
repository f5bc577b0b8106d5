//! Messages into columns. They lie as deep in each other as they were decoded, and are looked at as deep as the
//! columns' types go.

use crate::format::clock;
use crate::format::column::{Column, Data, Scalar};
use crate::format::derive::{TIMESTAMP, wrapped};
use crate::format::error::{DecodeError, Problem};
use crate::format::leaf::Leaf;
use crate::types::{Item, Type};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage as _, Value};

type Outcome = Result<(), Box<DecodeError>>;

fn fault(problem: Problem) -> Box<DecodeError> {
    Box::new(DecodeError::new(problem))
}

/// Appends one value to each of `columns`, which have these names and types.
pub(super) fn message(message: &DynamicMessage, wanted: &[(String, Item)], columns: &mut [Column]) -> Outcome {
    let descriptor = message.descriptor();
    for (column, (name, item)) in columns.iter_mut().zip(wanted) {
        let outcome = match descriptor.get_field_by_name(name) {
            Some(field) if !field.supports_presence() || message.has_field(&field) => {
                value(&field.kind(), &message.get_field(&field), &item.value, column, Some(&field))
            }
            _ => {
                column.push_null();
                Ok(())
            }
        };
        outcome.and_then(|()| checked(item, column)).map_err(|mut error| {
            error.path.insert(0, name.clone());
            error
        })?;
    }
    Ok(())
}

/// Checks the last value of a column.
fn checked(item: &Item, column: &Column) -> Outcome {
    let is_null = column.len().checked_sub(1).is_some_and(|last| column.is_null(last));
    if is_null && !item.is_nullable { Err(fault(Problem::Null)) } else { Ok(()) }
}

/// Appends a value; `field` is the field that it is of, unless it is an element.
fn value(kind: &Kind, value_of: &Value, of: &Type, column: &mut Column, field: Option<&FieldDescriptor>) -> Outcome {
    match (value_of, of, &mut column.data) {
        (Value::List(elements), Type::Array(item), Data::List { element, .. }) => {
            for inner in elements {
                value(kind, inner, &item.value, element, None)?;
            }
            column.close().map_err(fault)
        }
        (Value::Map(entries), Type::Map(key_item, item), Data::Map { key, value: values, .. }) => {
            let entry = match field.map(FieldDescriptor::kind) {
                Some(Kind::Message(entry)) if entry.is_map_entry() => entry,
                _ => return Err(fault(Problem::Layout)),
            };
            let (key_kind, value_kind) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
            let mut entries: Vec<(&MapKey, &Value)> = entries.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            for (name, inner) in entries {
                value(&key_kind, &Value::from(name.clone()), &key_item.value, key, None)?;
                value(&value_kind, inner, &item.value, values, None)?;
            }
            column.close().map_err(fault)
        }
        (Value::Message(inner), _, _) => nested(inner, of, column),
        _ => match Leaf::of(of) {
            Some(leaf) => self::leaf(kind, value_of, leaf, column).map_err(fault),
            None => Err(mismatch(kind, of)),
        },
    }
}

fn mismatch(kind: &Kind, of: &Type) -> Box<DecodeError> {
    fault(Problem::Resolution { found: described(kind), expected: of.to_string() })
}

pub(super) fn described(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(of) => of.full_name().to_owned(),
        other => format!("{other:?}").to_ascii_lowercase(),
    }
}

fn nested(inner: &DynamicMessage, of: &Type, column: &mut Column) -> Outcome {
    let descriptor = inner.descriptor();
    let kind = Kind::Message(descriptor.clone());
    if let (Some(leaf @ Leaf::Timestamp { .. }), TIMESTAMP) = (Leaf::of(of), descriptor.full_name()) {
        let number = |at| inner.get_field_by_number(at).map(|value| value.as_ref().clone());
        let (seconds, nanos) = (number(1), number(2));
        let seconds = seconds.as_ref().and_then(Value::as_i64).unwrap_or_default();
        let nanos = i64::from(nanos.as_ref().and_then(Value::as_i32).unwrap_or_default());
        let (days, of_day) = clock::split(seconds, 1);
        let is_fraction = (0..clock::NANOS_OF_SECOND).contains(&nanos);
        let moment = leaf.timestamp(days, of_day + nanos).filter(|_| is_fraction);
        let shown = || Problem::mismatch(format!("{seconds}s {nanos}ns").as_bytes(), leaf);
        return column.push(moment.ok_or_else(|| fault(shown()))?).map_err(fault);
    }
    match (of, &mut column.data) {
        (Type::Row(fields), Data::Row { columns, .. }) => {
            message(inner, fields, columns)?;
            column.close().map_err(fault)
        }
        _ => match wrapped(&descriptor) {
            Some(field) => value(&field.kind(), &inner.get_field(&field), of, column, None),
            None => Err(mismatch(&kind, of)),
        },
    }
}

fn leaf(kind: &Kind, value: &Value, leaf: Leaf, column: &mut Column) -> Result<(), Problem> {
    let resolution = || Problem::Resolution { found: described(kind), expected: leaf.to_string() };
    let integer = |number: i64| {
        let is_integer = matches!(leaf, Leaf::I8 | Leaf::I16 | Leaf::I32 | Leaf::I64);
        if !is_integer {
            return Err(resolution());
        }
        leaf.integer(number).ok_or_else(|| Problem::mismatch(number.to_string().as_bytes(), leaf))
    };
    let scalar = match (value, leaf) {
        (Value::Bool(value), Leaf::Boolean) => Scalar::Boolean(*value),
        (Value::I32(value), _) => integer(i64::from(*value))?,
        (Value::U32(value), _) => integer(i64::from(*value))?,
        (Value::I64(value), _) => integer(*value)?,
        (Value::U64(value), Leaf::Decimal { precision, scale }) => {
            leaf.decimal(value.to_string().as_bytes(), precision, scale).ok_or_else(resolution)?
        }
        (Value::U64(value), _) => {
            let number = i64::try_from(*value).map_err(|_| Problem::mismatch(value.to_string().as_bytes(), leaf))?;
            integer(number)?
        }
        (Value::F32(value), Leaf::F32) => Scalar::F32(*value),
        (Value::F32(value), Leaf::F64) => Scalar::F64(f64::from(*value)),
        (Value::F64(value), Leaf::F64) => Scalar::F64(*value),
        (Value::String(text), Leaf::Text) => Scalar::Bytes(text.as_bytes()),
        (Value::Bytes(bytes), Leaf::Bytes) => Scalar::Bytes(bytes),
        (Value::EnumNumber(number), Leaf::Text) => {
            let Kind::Enum(of) = kind else { return Err(resolution()) };
            let Some(named) = of.get_value(*number) else {
                return Err(Problem::mismatch(number.to_string().as_bytes(), described(kind)));
            };
            return column.push(Scalar::Bytes(named.name().as_bytes()));
        }
        (Value::EnumNumber(number), _) => integer(i64::from(*number))?,
        _ => return Err(resolution()),
    };
    column.push(scalar)
}
