//! [`Types`]: a set of JSON's types. A number is either an integer or a fraction, so that sets of types stay sets.

use crate::draft::Draft;
use crate::json::Json;

/// A set of types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Types(u8);

impl Types {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const NULL: Self = Self(1);
    pub(crate) const BOOLEAN: Self = Self(2);
    pub(crate) const STRING: Self = Self(4);
    pub(crate) const ARRAY: Self = Self(8);
    pub(crate) const OBJECT: Self = Self(16);
    pub(crate) const INTEGER: Self = Self(32);
    /// Numbers that are not integers.
    pub(crate) const FRACTION: Self = Self(64);
    pub(crate) const NUMBER: Self = Self(32 | 64);
    pub(crate) const ALL: Self = Self(127);

    /// The type of that name in a schema.
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "null" => Self::NULL,
            "boolean" => Self::BOOLEAN,
            "string" => Self::STRING,
            "array" => Self::ARRAY,
            "object" => Self::OBJECT,
            "integer" => Self::INTEGER,
            "number" => Self::NUMBER,
            _ => Self::NONE,
        }
    }

    /// The type of a value. To draft 4, `1.0` is no integer; to the later ones it is.
    pub(crate) fn of(json: &Json, draft: Draft) -> Self {
        match json {
            Json::Null => Self::NULL,
            Json::Bool(_) => Self::BOOLEAN,
            Json::String(_) => Self::STRING,
            Json::Array(_) => Self::ARRAY,
            Json::Object(_) => Self::OBJECT,
            Json::Number(number) if draft == Draft::Draft4 && number.text.contains(['.', 'e', 'E']) => Self::FRACTION,
            Json::Number(number) if number.value.is_integer() => Self::INTEGER,
            Json::Number(_) => Self::FRACTION,
        }
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) const fn is_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// The types one by one.
    pub(crate) fn each(self) -> impl Iterator<Item = Self> {
        (0..7).map(|bit| Self(1 << bit)).filter(move |one| self.meets(*one))
    }

    /// How many types a schema would name: a number counts once.
    pub(crate) fn count(self) -> u32 {
        let both = u32::from(Self::NUMBER.is_within(self));
        self.0.count_ones() - both
    }
}
