//! [`Type`]: the types of SQL as Flink names them, and which Arrow type holds each.
//!
//! Arrow's types say less: `TIMESTAMP(1)` and `TIMESTAMP(3)` both count milliseconds, a `VARCHAR(10)` is any text. What
//! is lost is noted in the field's metadata under [`TYPE_KEY`], so that [`Type::of`] gets back what [`Item::field`] was
//! made of; a field without the note has the widest type that its Arrow type can stand for.
//!
//! | SQL | Arrow |
//! |---|---|
//! | `BOOLEAN` | `Boolean` |
//! | `TINYINT`, `SMALLINT`, `INT`, `BIGINT` | `Int8`, `Int16`, `Int32`, `Int64` |
//! | `FLOAT`, `DOUBLE` | `Float32`, `Float64` |
//! | `DECIMAL(p, s)` | `Decimal128(p, s)` |
//! | `CHAR(n)`, `VARCHAR(n)`, `STRING` | `Utf8` |
//! | `BINARY(n)`, `VARBINARY(n)`, `BYTES` | `Binary` |
//! | `DATE` | `Date32` |
//! | `TIME(p)` | `Time32` in milliseconds up to 3, `Time64` in microseconds up to 6, in nanoseconds up to 9 |
//! | `TIMESTAMP(p)` | `Timestamp` without zone, units as above |
//! | `TIMESTAMP_LTZ(p)` | `Timestamp` in `UTC`, units as above |
//! | `ARRAY`, `MAP`, `ROW` | `List`, `Map`, `Struct` |

mod arrow;
mod text;

pub use self::arrow::{TYPE_KEY, UnsupportedType};

/// How deep types may nest.
pub const TYPE_DEPTH_MAX: usize = 32;
/// The largest precision of a `DECIMAL`.
pub const DECIMAL_PRECISION_MAX: u8 = 38;
/// The largest precision of times and timestamps: nanoseconds.
pub const TIME_PRECISION_MAX: u8 = 9;

/// A type of SQL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// True or false.
    Boolean,
    /// 8 bits, signed.
    TinyInt,
    /// 16 bits, signed.
    SmallInt,
    /// 32 bits, signed.
    Int,
    /// 64 bits, signed.
    BigInt,
    /// 32 bits, IEEE 754.
    Float,
    /// 64 bits, IEEE 754.
    Double,
    /// An exact number.
    Decimal {
        /// Digits in all, from 1 to 38.
        precision: u8,
        /// Digits behind the point, from 0 to `precision`.
        scale: u8,
    },
    /// Text of so many characters.
    Char(u32),
    /// Text of at most so many characters.
    Varchar(u32),
    /// Text.
    String,
    /// So many bytes.
    Binary(u32),
    /// At most so many bytes.
    Varbinary(u32),
    /// Any bytes.
    Bytes,
    /// A day.
    Date,
    /// A time of day with so many digits of a second's fraction.
    Time(u8),
    /// A day and a time of day with so many digits of a second's fraction, nowhere in particular.
    Timestamp(u8),
    /// A moment with so many digits of a second's fraction.
    TimestampLtz(u8),
    /// Any number of values.
    Array(Box<Item>),
    /// Values under distinct keys.
    Map(Box<Item>, Box<Item>),
    /// Fields.
    Row(Vec<(String, Item)>),
}

/// A type, and whether NULL is among its values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    /// The type.
    pub value: Type,
    /// Whether a value may be NULL.
    pub is_nullable: bool,
}

impl Type {
    /// This type, NULL included.
    #[must_use]
    pub const fn nullable(self) -> Item {
        Item { value: self, is_nullable: true }
    }

    /// This type without NULL.
    #[must_use]
    pub const fn not_null(self) -> Item {
        Item { value: self, is_nullable: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::arrow::datatypes::{DataType, Field, TimeUnit};

    fn all() -> Vec<(Type, &'static str)> {
        let decimal = Type::Decimal { precision: 10, scale: 2 };
        let row = vec![("a".to_owned(), Type::Int.nullable()), ("b`".to_owned(), Type::String.not_null())];
        vec![
            (Type::Boolean, "BOOLEAN"),
            (Type::TinyInt, "TINYINT"),
            (Type::SmallInt, "SMALLINT"),
            (Type::Int, "INT"),
            (Type::BigInt, "BIGINT"),
            (Type::Float, "FLOAT"),
            (Type::Double, "DOUBLE"),
            (decimal, "DECIMAL(10, 2)"),
            (Type::Char(3), "CHAR(3)"),
            (Type::Varchar(20), "VARCHAR(20)"),
            (Type::String, "STRING"),
            (Type::Binary(4), "BINARY(4)"),
            (Type::Varbinary(9), "VARBINARY(9)"),
            (Type::Bytes, "BYTES"),
            (Type::Date, "DATE"),
            (Type::Time(0), "TIME(0)"),
            (Type::Time(5), "TIME(5)"),
            (Type::Timestamp(3), "TIMESTAMP(3)"),
            (Type::Timestamp(7), "TIMESTAMP(7)"),
            (Type::TimestampLtz(6), "TIMESTAMP_LTZ(6)"),
            (Type::TimestampLtz(1), "TIMESTAMP_LTZ(1)"),
            (Type::Array(Box::new(Type::Char(1).not_null())), "ARRAY<CHAR(1) NOT NULL>"),
            (Type::Map(Box::new(Type::String.not_null()), Box::new(Type::Int.nullable())), "MAP<STRING NOT NULL, INT>"),
            (Type::Row(row), "ROW<`a` INT, `b``` STRING NOT NULL>"),
        ]
    }

    #[test]
    fn types_are_written_as_flink_writes_them() {
        for (of, text) in all() {
            assert_eq!(of.to_string(), text);
        }
        assert_eq!(Type::BigInt.not_null().to_string(), "BIGINT NOT NULL");
    }

    #[test]
    fn a_field_gives_back_the_type_that_it_was_made_of() {
        for (of, text) in all() {
            for item in [of.clone().nullable(), of.clone().not_null()] {
                assert_eq!(Item::of(&item.field("f")).unwrap(), item, "{text}");
            }
        }
    }

    #[test]
    fn a_field_without_a_note_has_the_widest_type() {
        let of = |data_type: DataType| Type::of(&Field::new("f", data_type, true)).unwrap();
        assert_eq!(of(DataType::Timestamp(TimeUnit::Millisecond, None)), Type::Timestamp(3));
        assert_eq!(of(DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))), Type::TimestampLtz(9));
        assert_eq!(of(DataType::Utf8View), Type::String);
        assert_eq!(of(DataType::Time64(TimeUnit::Microsecond)), Type::Time(6));
    }

    #[test]
    fn what_sql_has_no_type_for_is_refused_by_name() {
        for data_type in [DataType::UInt64, DataType::Decimal128(10, -2), DataType::Time32(TimeUnit::Second)] {
            let error = Type::of(&Field::new("f", data_type.clone(), true)).unwrap_err();
            assert!(error.to_string().contains(&data_type.to_string()), "{error}");
        }
    }

    #[test]
    fn a_note_that_does_not_fit_the_arrow_type_is_not_believed() {
        let noted = |note: &str| {
            let metadata = [(TYPE_KEY.to_owned(), note.to_owned())].into();
            Type::of(&Field::new("f", DataType::Timestamp(TimeUnit::Millisecond, None), true).with_metadata(metadata))
        };
        for note in ["TIMESTAMP(9)", "TIMESTAMP_LTZ(2)", "CHAR(3)", "TIMESTAMP(", "TIMESTAMP(-1)", ""] {
            assert_eq!(noted(note).unwrap(), Type::Timestamp(3), "{note}");
        }
        assert_eq!(noted("TIMESTAMP(2)").unwrap(), Type::Timestamp(2));
    }
}
