//! Flink's types, with its limits and printed in its form.

mod read;

pub(crate) use read::{parse, parse_nullable};

use crate::{FlinkDialect, SyntaxError, cursor::Cursor, limits, script};
use sqlparser::{
    ast::{self, Ident, ObjectName},
    parser::Parser,
    tokenizer::{Span as TokenSpan, Token},
};
use std::{fmt, str::FromStr};

/// The length of `STRING` and `BYTES`, and the largest there is.
pub const LENGTH_MAX: u32 = 2_147_483_647;
/// The most digits of a `DECIMAL`.
pub const DECIMAL_PRECISION_MAX: u32 = 38;
/// The most digits of a second in `TIME` and both kinds of `TIMESTAMP`.
pub const SECOND_PRECISION_MAX: u32 = 9;

/// A type of Flink SQL, without whether it may be null.
///
/// `Display` prints Flink's own form, which [`FromStr`] reads again.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DataType {
    /// `CHAR(n)`: text of exactly so many characters, 1 by default.
    Char(u32),
    /// `VARCHAR(n)`: text of up to so many characters; [`LENGTH_MAX`] is `STRING`.
    VarChar(u32),
    /// `BOOLEAN`.
    Boolean,
    /// `BINARY(n)`: exactly so many bytes, 1 by default.
    Binary(u32),
    /// `VARBINARY(n)`: up to so many bytes; [`LENGTH_MAX`] is `BYTES`.
    VarBinary(u32),
    /// `DECIMAL(p, s)`: `p` digits, up to 38, of which `s` are behind the point; `(10, 0)` by default.
    Decimal {
        /// All digits, from 1 to 38.
        precision: u32,
        /// Digits behind the point, no more than all.
        scale: u32,
    },
    /// `TINYINT`, 8 bits.
    TinyInt,
    /// `SMALLINT`, 16 bits.
    SmallInt,
    /// `INT`, 32 bits.
    Int,
    /// `BIGINT`, 64 bits.
    BigInt,
    /// `FLOAT`, 32 bits.
    Float,
    /// `DOUBLE`, 64 bits.
    Double,
    /// `DATE`.
    Date,
    /// `TIME(p)`, `p` digits of a second, 0 by default.
    Time(u32),
    /// `TIMESTAMP(p)`, without a time zone, `p` digits of a second, 6 by default.
    Timestamp(u32),
    /// `TIMESTAMP_LTZ(p)`, a moment, `p` digits of a second, 6 by default.
    TimestampLtz(u32),
    /// `INTERVAL …`.
    Interval(IntervalType),
    /// `ARRAY<t>`.
    Array(Box<NullableType>),
    /// `MAP<k, v>`.
    Map(Box<NullableType>, Box<NullableType>),
    /// `MULTISET<t>`.
    Multiset(Box<NullableType>),
    /// `ROW<a t, …>`.
    Row(Vec<Field>),
}

/// A type within another, with whether it may be null.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NullableType {
    /// The type.
    pub data_type: DataType,
    /// Whether it may be null; `NOT NULL` says that it may not.
    pub nullable: bool,
}

/// A field of a `ROW`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Field {
    /// Its name, without quotes.
    pub name: String,
    /// Its type.
    pub data_type: NullableType,
    /// What is said about it.
    pub comment: Option<String>,
}

/// A unit of intervals, from large to small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IntervalUnit {
    /// `YEAR`.
    Year,
    /// `MONTH`.
    Month,
    /// `DAY`.
    Day,
    /// `HOUR`.
    Hour,
    /// `MINUTE`.
    Minute,
    /// `SECOND`.
    Second,
}

/// The type of an interval: years and months, or days and what is smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IntervalType {
    /// The largest unit.
    pub from: IntervalUnit,
    /// The smallest, where it is another.
    pub to: Option<IntervalUnit>,
    /// Digits of a leading `YEAR`, 1 to 4, or `DAY`, 1 to 6; 2 where nothing is said.
    pub precision: Option<u32>,
    /// Digits of a second, 0 to 9; 6 where nothing is said.
    pub second_precision: Option<u32>,
}

impl DataType {
    /// `STRING`.
    pub const STRING: Self = Self::VarChar(LENGTH_MAX);
    /// `BYTES`.
    pub const BYTES: Self = Self::VarBinary(LENGTH_MAX);

    /// The type that a `CAST` or another place in a parsed query names.
    ///
    /// # Errors
    /// Where Flink has no such type; types of a `CAST` were looked at when it was parsed.
    pub fn from_ast(data_type: &ast::DataType) -> Result<Self, SyntaxError> {
        let at = match data_type {
            ast::DataType::Custom(name, _) => name.0.first().and_then(|part| part.as_ident()).map(|ident| ident.span),
            _ => None,
        };
        data_type.to_string().parse().map_err(|error: SyntaxError| match at {
            Some(span) => SyntaxError { position: span.start.into(), ..error },
            None => error,
        })
    }

    /// The type as queries have it: a name that reads as the type does.
    pub(crate) fn to_ast(&self, span: TokenSpan) -> ast::DataType {
        ast::DataType::Custom(ObjectName::from(vec![Ident::with_span(span, self.to_string())]), vec![])
    }
}

impl FromStr for DataType {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        let tokens = script::split(text)?.into_iter().flat_map(|piece| piece.tokens).collect();
        let dialect = FlinkDialect::default();
        let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
        let mut cursor = Cursor::new(&mut parser, &dialect);
        let data_type = parse(&mut cursor)?;
        match cursor.peek().token {
            Token::EOF => Ok(data_type),
            _ => cursor.expected("the end of the type"),
        }
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Char(length) => write!(f, "CHAR({length})"),
            Self::VarChar(LENGTH_MAX) => f.write_str("STRING"),
            Self::VarChar(length) => write!(f, "VARCHAR({length})"),
            Self::Boolean => f.write_str("BOOLEAN"),
            Self::Binary(length) => write!(f, "BINARY({length})"),
            Self::VarBinary(LENGTH_MAX) => f.write_str("BYTES"),
            Self::VarBinary(length) => write!(f, "VARBINARY({length})"),
            Self::Decimal { precision, scale } => write!(f, "DECIMAL({precision}, {scale})"),
            Self::TinyInt => f.write_str("TINYINT"),
            Self::SmallInt => f.write_str("SMALLINT"),
            Self::Int => f.write_str("INT"),
            Self::BigInt => f.write_str("BIGINT"),
            Self::Float => f.write_str("FLOAT"),
            Self::Double => f.write_str("DOUBLE"),
            Self::Date => f.write_str("DATE"),
            Self::Time(precision) => write!(f, "TIME({precision})"),
            Self::Timestamp(precision) => write!(f, "TIMESTAMP({precision})"),
            Self::TimestampLtz(precision) => write!(f, "TIMESTAMP_LTZ({precision})"),
            Self::Interval(interval) => write!(f, "{interval}"),
            Self::Array(element) => write!(f, "ARRAY<{element}>"),
            Self::Map(key, value) => write!(f, "MAP<{key}, {value}>"),
            Self::Multiset(element) => write!(f, "MULTISET<{element}>"),
            Self::Row(fields) => {
                for (index, field) in fields.iter().enumerate() {
                    write!(f, "{}{field}", if index == 0 { "ROW<" } else { ", " })?;
                }
                f.write_str(">")
            }
        }
    }
}

impl fmt::Display for NullableType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.data_type, if self.nullable { "" } else { " NOT NULL" })
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.name, self.data_type)?;
        self.comment.iter().try_for_each(|comment| write!(f, " COMMENT {}", crate::words::literal(comment)))
    }
}

impl fmt::Display for IntervalUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Year => "YEAR",
            Self::Month => "MONTH",
            Self::Day => "DAY",
            Self::Hour => "HOUR",
            Self::Minute => "MINUTE",
            Self::Second => "SECOND",
        })
    }
}

impl fmt::Display for IntervalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "INTERVAL {}", self.from)?;
        self.precision.iter().try_for_each(|precision| write!(f, "({precision})"))?;
        self.to.iter().try_for_each(|to| write!(f, " TO {to}"))?;
        self.second_precision.iter().try_for_each(|precision| write!(f, "({precision})"))
    }
}

#[cfg(test)]
mod tests;
