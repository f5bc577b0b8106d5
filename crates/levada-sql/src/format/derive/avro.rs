//! Columns of an Avro schema.
//!
//! | Avro | SQL |
//! |---|---|
//! | `boolean`, `int`, `long`, `float`, `double` | `BOOLEAN`, `INT`, `BIGINT`, `FLOAT`, `DOUBLE` |
//! | `string`, `enum` | `STRING` |
//! | `bytes`; `fixed` of n bytes | `BYTES`; `BINARY(n)` |
//! | `decimal` up to 38 digits | `DECIMAL(p, s)`, with more digits as without the logical type |
//! | `date`; `time-millis`, `time-micros` | `DATE`; `TIME(3)`, `TIME(6)` |
//! | `timestamp-millis`, `-micros`, `-nanos` | `TIMESTAMP_LTZ(3)`, `(6)`, `(9)` |
//! | `local-timestamp-millis`, `-micros`, `-nanos` | `TIMESTAMP(3)`, `(6)`, `(9)` |
//! | `array`, `map`, `record` | `ARRAY`, `MAP` with keys `STRING`, `ROW` |
//! | a union of `null` and one other | that, and NULL |
//!
//! Timestamps are what Flink makes of them with `timestamp_mapping.legacy` off.

use super::{ColumnsError, Walk, fields};
use crate::types::{DECIMAL_PRECISION_MAX, Item, Type};
use arrow::datatypes::Fields;
use levada_avro::{Kind, Node, Record, Schema, TypeId};

/// The columns of an Avro schema: the fields of a record, or for any other type one column called `unnamed`.
///
/// # Errors
/// [`ColumnsError`].
pub fn columns_of_avro(schema: &Schema, unnamed: &str) -> Result<Fields, ColumnsError> {
    let mut walk = Walk::new();
    let root = schema.root();
    if let Kind::Record(record) = schema.kind(root) {
        let columns = walk.enter(root, record.name.full(), |walk| row(schema, record, walk))?;
        return Ok(fields(&columns));
    }
    Ok(fields(&[(unnamed.to_owned(), item(schema, root, &mut walk)?)]))
}

fn row(schema: &Schema, record: &Record, walk: &mut Walk<TypeId>) -> Result<Vec<(String, Item)>, ColumnsError> {
    let column = |field: &levada_avro::Field| {
        let item = item(schema, field.schema, walk).map_err(|error| error.under(&field.name))?;
        Ok((field.name.clone(), item))
    };
    record.fields.iter().map(column).collect()
}

fn item(schema: &Schema, id: TypeId, walk: &mut Walk<TypeId>) -> Result<Item, ColumnsError> {
    let node = schema.node(id);
    let name = node.kind.name().map_or(node.kind.word(), |name| name.full());
    walk.enter(id, name, |walk| match &node.kind {
        Kind::Union(branches) => {
            let is_null = |id: &&TypeId| matches!(schema.kind(**id), Kind::Null);
            let mut others = branches.iter().filter(|id| !is_null(id));
            let (Some(only), None) = (others.next(), others.next()) else {
                return Err(ColumnsError::no_type(union(schema, branches)));
            };
            let inner = item(schema, *only, walk)?;
            Ok(Item { is_nullable: inner.is_nullable || branches.iter().any(|id| is_null(&id)), ..inner })
        }
        Kind::Array(element) => Ok(Type::Array(Box::new(item(schema, *element, walk)?)).not_null()),
        Kind::Map(value) => {
            let key = Box::new(Type::String.not_null());
            Ok(Type::Map(key, Box::new(item(schema, *value, walk)?)).not_null())
        }
        Kind::Record(record) => Ok(Type::Row(row(schema, record, walk)?).not_null()),
        _ => leaf(node).map(Type::not_null).ok_or_else(|| ColumnsError::no_type("a value that is always `null`")),
    })
}

fn union(schema: &Schema, branches: &[TypeId]) -> String {
    const SHOWN_MAX: usize = 6;
    let words: Vec<&str> = branches.iter().take(SHOWN_MAX).map(|id| schema.kind(*id).word()).collect();
    let more = if branches.len() > SHOWN_MAX { ", …" } else { "" };
    format!("the union of [{}{more}]", words.join(", "))
}

fn leaf(node: &Node) -> Option<Type> {
    let logical = node.logical_type();
    Some(match (&node.kind, logical) {
        (Kind::Bytes | Kind::Fixed(_), Some("decimal")) => match node.decimal().and_then(decimal) {
            Some(decimal) => decimal,
            None => plain(&node.kind)?,
        },
        (Kind::Int, Some("date")) => Type::Date,
        (Kind::Int, Some("time-millis")) => Type::Time(3),
        (Kind::Long, Some("time-micros")) => Type::Time(6),
        (Kind::Long, Some("timestamp-millis")) => Type::TimestampLtz(3),
        (Kind::Long, Some("timestamp-micros")) => Type::TimestampLtz(6),
        (Kind::Long, Some("timestamp-nanos")) => Type::TimestampLtz(9),
        (Kind::Long, Some("local-timestamp-millis")) => Type::Timestamp(3),
        (Kind::Long, Some("local-timestamp-micros")) => Type::Timestamp(6),
        (Kind::Long, Some("local-timestamp-nanos")) => Type::Timestamp(9),
        (kind, _) => plain(kind)?,
    })
}

fn decimal((precision, scale): (u32, u32)) -> Option<Type> {
    let precision = u8::try_from(precision).ok().filter(|digits| (1..=DECIMAL_PRECISION_MAX).contains(digits))?;
    let scale = u8::try_from(scale).ok().filter(|scale| *scale <= precision)?;
    Some(Type::Decimal { precision, scale })
}

fn plain(kind: &Kind) -> Option<Type> {
    Some(match kind {
        Kind::Boolean => Type::Boolean,
        Kind::Int => Type::Int,
        Kind::Long => Type::BigInt,
        Kind::Float => Type::Float,
        Kind::Double => Type::Double,
        Kind::String | Kind::Enum(_) => Type::String,
        Kind::Bytes => Type::Bytes,
        Kind::Fixed(fixed) => u32::try_from(fixed.size).map_or(Type::Bytes, Type::Binary),
        Kind::Null | Kind::Array(_) | Kind::Map(_) | Kind::Union(_) | Kind::Record(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(text: &str) -> String {
        let schema = levada_avro::parse(text, &[]).unwrap();
        match columns_of_avro(&schema, "value") {
            Ok(fields) => {
                let shown =
                    |field: &arrow::datatypes::FieldRef| format!("{} {}", field.name(), Item::of(field).unwrap());
                fields.iter().map(shown).collect::<Vec<_>>().join(", ")
            }
            Err(error) => error.to_string(),
        }
    }

    fn column(of: &str) -> String {
        columns(&format!(r#"{{"type":"record","name":"R","fields":[{{"name":"f","type":{of}}}]}}"#))
    }

    #[test]
    fn each_type_has_its_column() {
        for (of, expected) in [
            (r#""boolean""#, "f BOOLEAN NOT NULL"),
            (r#"["null","int"]"#, "f INT"),
            (r#"["long","null"]"#, "f BIGINT"),
            (r#"["long"]"#, "f BIGINT NOT NULL"),
            (r#"{"type":"enum","name":"E","symbols":["A"]}"#, "f STRING NOT NULL"),
            (r#"{"type":"fixed","name":"F","size":3}"#, "f BINARY(3) NOT NULL"),
            (r#"{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}"#, "f DECIMAL(10, 2) NOT NULL"),
            (r#"{"type":"bytes","logicalType":"decimal","precision":50}"#, "f BYTES NOT NULL"),
            (r#"{"type":"int","logicalType":"date"}"#, "f DATE NOT NULL"),
            (r#"{"type":"int","logicalType":"time-millis"}"#, "f TIME(3) NOT NULL"),
            (r#"{"type":"long","logicalType":"timestamp-micros"}"#, "f TIMESTAMP_LTZ(6) NOT NULL"),
            (r#"{"type":"long","logicalType":"local-timestamp-millis"}"#, "f TIMESTAMP(3) NOT NULL"),
            (r#"{"type":"array","items":["null","string"]}"#, "f ARRAY<STRING> NOT NULL"),
            (r#"{"type":"map","values":"double"}"#, "f MAP<STRING NOT NULL, DOUBLE NOT NULL> NOT NULL"),
            (
                r#"["null",{"type":"record","name":"S","fields":[{"name":"x","type":"float"}]}]"#,
                "f ROW<`x` FLOAT NOT NULL>",
            ),
            (
                r#"["null","int","string"]"#,
                "field `f`: the union of [null, int, string] has no type in SQL: \
                 declare the table with the columns that you need",
            ),
            (r#"["null","R"]"#, "field `f`: `R` lies within itself: declare the table with the columns that you need"),
        ] {
            assert_eq!(column(of), expected, "{of}");
        }
        assert_eq!(columns(r#""string""#), "value STRING NOT NULL");
    }

    #[test]
    fn schemas_that_unfold_without_end_are_bounded() {
        let mut text = r#"{"type":"record","name":"R0","fields":[{"name":"x","type":"int"}]}"#.to_owned();
        for level in 1..20 {
            text = format!(
                r#"{{"type":"record","name":"R{level}","fields":
                    [{{"name":"a","type":{text}}},{{"name":"b","type":"R{}"}}]}}"#,
                level - 1
            );
        }
        assert!(columns(&text).starts_with("more than 10000 types"));
    }
}
