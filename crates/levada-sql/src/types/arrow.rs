//! From [`Type`] to Arrow's fields and back.

use super::{DECIMAL_PRECISION_MAX, Item, TIME_PRECISION_MAX, TYPE_DEPTH_MAX, Type, text};
use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use std::sync::Arc;

/// Where a field's metadata notes what Arrow's type does not tell of the SQL type, such as `TIMESTAMP(1)`.
pub const TYPE_KEY: &str = "levada.type";

/// Arrow's type stands for none of SQL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsupportedType {
    /// There is none for it.
    #[error("`{name}` is of the Arrow type `{found}`, which no SQL type stands for")]
    Unknown {
        /// The field's name.
        name: String,
        /// Arrow's type.
        found: String,
    },
    /// It nests too deep.
    #[error("types nest deeper than {TYPE_DEPTH_MAX} levels")]
    TooDeep,
}

impl Item {
    /// Arrow's field of that name for values of this type.
    #[must_use]
    pub fn field(&self, name: &str) -> Field {
        let data_type = self.value.data_type();
        let field = Field::new(name, data_type.clone(), self.is_nullable);
        if widest(&data_type).as_ref().is_none_or(|widest| *widest == self.value) {
            return field;
        }
        field.with_metadata([(TYPE_KEY.to_owned(), self.value.to_string())].into())
    }

    /// The type of a field's values.
    ///
    /// # Errors
    /// [`UnsupportedType`].
    pub fn of(field: &Field) -> Result<Self, UnsupportedType> {
        item_of(field, TYPE_DEPTH_MAX)
    }
}

impl Type {
    /// The type of a field's values.
    ///
    /// # Errors
    /// [`UnsupportedType`].
    pub fn of(field: &Field) -> Result<Self, UnsupportedType> {
        Item::of(field).map(|item| item.value)
    }

    /// The Arrow type that holds it.
    #[must_use]
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::TinyInt => DataType::Int8,
            Self::SmallInt => DataType::Int16,
            Self::Int => DataType::Int32,
            Self::BigInt => DataType::Int64,
            Self::Float => DataType::Float32,
            Self::Double => DataType::Float64,
            Self::Decimal { precision, scale } => {
                DataType::Decimal128(*precision, i8::try_from(*scale).unwrap_or(i8::MAX))
            }
            Self::Char(_) | Self::Varchar(_) | Self::String => DataType::Utf8,
            Self::Binary(_) | Self::Varbinary(_) | Self::Bytes => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Time(precision) => match unit(*precision) {
                TimeUnit::Millisecond => DataType::Time32(TimeUnit::Millisecond),
                unit => DataType::Time64(unit),
            },
            Self::Timestamp(precision) => DataType::Timestamp(unit(*precision), None),
            Self::TimestampLtz(precision) => DataType::Timestamp(unit(*precision), Some("UTC".into())),
            Self::Array(element) => DataType::List(Arc::new(element.field(Field::LIST_FIELD_DEFAULT_NAME))),
            Self::Map(key, value) => {
                // A key of Arrow is never NULL, whatever SQL says.
                let key = Item { value: key.value.clone(), is_nullable: false };
                let entries = Fields::from(vec![key.field("key"), value.field("value")]);
                DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), false)
            }
            Self::Row(fields) => DataType::Struct(fields.iter().map(|(name, item)| item.field(name)).collect()),
        }
    }
}

/// The unit that holds so many digits of a second's fraction.
fn unit(precision: u8) -> TimeUnit {
    match precision {
        0..=3 => TimeUnit::Millisecond,
        4..=6 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}

/// The digits of a second's fraction that the unit holds.
fn digits(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => TIME_PRECISION_MAX,
    }
}

/// The widest type that an Arrow type without types in it stands for.
fn widest(data_type: &DataType) -> Option<Type> {
    Some(match data_type {
        DataType::Boolean => Type::Boolean,
        DataType::Int8 => Type::TinyInt,
        DataType::Int16 => Type::SmallInt,
        DataType::Int32 => Type::Int,
        DataType::Int64 => Type::BigInt,
        DataType::Float32 => Type::Float,
        DataType::Float64 => Type::Double,
        &DataType::Decimal128(precision @ 1..=DECIMAL_PRECISION_MAX, scale) => {
            let scale = u8::try_from(scale).ok().filter(|scale| *scale <= precision)?;
            Type::Decimal { precision, scale }
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Type::String,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => Type::Bytes,
        DataType::Date32 => Type::Date,
        DataType::Time32(TimeUnit::Millisecond) => Type::Time(3),
        DataType::Time64(unit @ (TimeUnit::Microsecond | TimeUnit::Nanosecond)) => Type::Time(digits(*unit)),
        DataType::Timestamp(unit, None) => Type::Timestamp(digits(*unit)),
        DataType::Timestamp(unit, Some(_)) => Type::TimestampLtz(digits(*unit)),
        _ => return None,
    })
}

fn item_of(field: &Field, depth_left: usize) -> Result<Item, UnsupportedType> {
    let depth_left = depth_left.checked_sub(1).ok_or(UnsupportedType::TooDeep)?;
    let inner = |field: &Field| item_of(field, depth_left).map(Box::new);
    let unknown = || UnsupportedType::Unknown { name: field.name().clone(), found: field.data_type().to_string() };
    let value = match field.data_type() {
        DataType::List(element) => Type::Array(inner(element)?),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => match fields.as_ref() {
                [key, value] => Type::Map(inner(key)?, inner(value)?),
                _ => return Err(unknown()),
            },
            _ => return Err(unknown()),
        },
        DataType::Struct(fields) => {
            let named = |field: &Arc<Field>| Ok((field.name().clone(), item_of(field, depth_left)?));
            Type::Row(fields.iter().map(named).collect::<Result<_, _>>()?)
        }
        data_type => {
            let widest = widest(data_type).ok_or_else(unknown)?;
            let noted = field.metadata().get(TYPE_KEY).and_then(|note| text::noted(note));
            noted.filter(|noted| noted.data_type() == widest.data_type()).unwrap_or(widest)
        }
    };
    Ok(Item { value, is_nullable: field.is_nullable() })
}
