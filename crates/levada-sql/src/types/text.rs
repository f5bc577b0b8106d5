//! Types as Flink writes them.

use super::{Item, TIME_PRECISION_MAX, Type};
use std::fmt;

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.value, if self.is_nullable { "" } else { " NOT NULL" })
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("BOOLEAN"),
            Self::TinyInt => f.write_str("TINYINT"),
            Self::SmallInt => f.write_str("SMALLINT"),
            Self::Int => f.write_str("INT"),
            Self::BigInt => f.write_str("BIGINT"),
            Self::Float => f.write_str("FLOAT"),
            Self::Double => f.write_str("DOUBLE"),
            Self::Decimal { precision, scale } => write!(f, "DECIMAL({precision}, {scale})"),
            Self::Char(length) => write!(f, "CHAR({length})"),
            Self::Varchar(length) => write!(f, "VARCHAR({length})"),
            Self::String => f.write_str("STRING"),
            Self::Binary(length) => write!(f, "BINARY({length})"),
            Self::Varbinary(length) => write!(f, "VARBINARY({length})"),
            Self::Bytes => f.write_str("BYTES"),
            Self::Date => f.write_str("DATE"),
            Self::Time(precision) => write!(f, "TIME({precision})"),
            Self::Timestamp(precision) => write!(f, "TIMESTAMP({precision})"),
            Self::TimestampLtz(precision) => write!(f, "TIMESTAMP_LTZ({precision})"),
            Self::Array(element) => write!(f, "ARRAY<{element}>"),
            Self::Map(key, value) => write!(f, "MAP<{key}, {value}>"),
            Self::Row(fields) => {
                f.write_str("ROW<")?;
                for (index, (name, item)) in fields.iter().enumerate() {
                    let separator = if index == 0 { "" } else { ", " };
                    write!(f, "{separator}`{}` {item}", name.replace('`', "``"))?;
                }
                f.write_str(">")
            }
        }
    }
}

/// The type that `note` names, if it is one that Arrow's type alone does not tell.
pub(super) fn noted(note: &str) -> Option<Type> {
    let (name, rest) = note.split_once('(')?;
    let number = rest.strip_suffix(')')?;
    let small = || number.parse::<u8>().ok().filter(|digits| *digits <= TIME_PRECISION_MAX);
    Some(match name {
        "CHAR" => Type::Char(number.parse().ok()?),
        "VARCHAR" => Type::Varchar(number.parse().ok()?),
        "BINARY" => Type::Binary(number.parse().ok()?),
        "VARBINARY" => Type::Varbinary(number.parse().ok()?),
        "TIME" => Type::Time(small()?),
        "TIMESTAMP" => Type::Timestamp(small()?),
        "TIMESTAMP_LTZ" => Type::TimestampLtz(small()?),
        _ => return None,
    })
}
