//! The Avro schema of columns, as Flink makes it where a table's records are to be registered.

use super::super::error::FormatError;
use super::super::row;
use super::NAME;
use crate::types::{Item, Type};
use arrow::datatypes::Fields;
use serde_json::{Value, json};

/// The text of a schema for records of these columns: a record of that full name, each type that may be NULL a union
/// with `null` first. Records within it are named by the way that leads to them.
///
/// # Errors
/// [`FormatError`] where Avro has no form for a type, or no name for a column.
pub fn avro_schema_of(fields: &Fields, name: &str) -> Result<String, FormatError> {
    let items = fields.iter().map(|field| Ok((field.name().clone(), row::item(field)?)));
    let items: Vec<(String, Item)> = items.collect::<Result<_, FormatError>>()?;
    let text = record(&items, name)?.to_string();
    // What no name is allowed to be shows here.
    levada_avro::parse(&text, &[]).map_err(|error| FormatError::Schema { reason: error.to_string() })?;
    Ok(text)
}

fn record(items: &[(String, Item)], name: &str) -> Result<Value, FormatError> {
    let field = |(column, item): &(String, Item)| {
        let of = nullable(item, column, &format!("{name}_{column}"))?;
        let mut field = json!({ "name": column, "type": of });
        if let (true, Value::Object(members)) = (item.is_nullable, &mut field) {
            members.insert("default".to_owned(), Value::Null);
        }
        Ok(field)
    };
    let fields: Vec<Value> = items.iter().map(field).collect::<Result<_, FormatError>>()?;
    Ok(json!({ "type": "record", "name": name, "fields": fields }))
}

fn nullable(item: &Item, column: &str, name: &str) -> Result<Value, FormatError> {
    let of = value(&item.value, column, name)?;
    Ok(if item.is_nullable { json!(["null", of]) } else { of })
}

fn value(of: &Type, column: &str, name: &str) -> Result<Value, FormatError> {
    let refused =
        |reason| FormatError::ColumnType { format: NAME, column: column.to_owned(), found: of.to_string(), reason };
    Ok(match of {
        Type::Boolean => json!("boolean"),
        Type::TinyInt | Type::SmallInt | Type::Int => json!("int"),
        Type::BigInt => json!("long"),
        Type::Float => json!("float"),
        Type::Double => json!("double"),
        Type::Decimal { precision, scale } => {
            json!({ "type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale })
        }
        Type::Char(_) | Type::Varchar(_) | Type::String => json!("string"),
        Type::Binary(_) | Type::Varbinary(_) | Type::Bytes => json!("bytes"),
        Type::Date => json!({ "type": "int", "logicalType": "date" }),
        Type::Time(0..=3) => json!({ "type": "int", "logicalType": "time-millis" }),
        Type::Time(4..=6) => json!({ "type": "long", "logicalType": "time-micros" }),
        Type::Time(_) => return Err(refused("Avro's times have microseconds at most: cast it to TIME(6)")),
        Type::Timestamp(precision) => timestamp("local-timestamp", *precision),
        Type::TimestampLtz(precision) => timestamp("timestamp", *precision),
        Type::Array(element) => json!({ "type": "array", "items": nullable(element, column, name)? }),
        Type::Map(key, value) => match key.value {
            Type::Char(_) | Type::Varchar(_) | Type::String => {
                json!({ "type": "map", "values": nullable(value, column, name)? })
            }
            _ => return Err(refused("the keys of a map are strings in Avro: use MAP<STRING, …>")),
        },
        Type::Row(fields) => record(fields, name)?,
    })
}

fn timestamp(kind: &str, precision: u8) -> Value {
    let unit = match precision {
        0..=3 => "millis",
        4..=6 => "micros",
        _ => "nanos",
    };
    json!({ "type": "long", "logicalType": format!("{kind}-{unit}") })
}
