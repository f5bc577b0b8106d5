//! Types from text.

use super::{
    DECIMAL_PRECISION_MAX, DataType, Field, IntervalType, IntervalUnit, LENGTH_MAX, NullableType, SECOND_PRECISION_MAX,
    limits,
};
use crate::{
    SyntaxError,
    cursor::{Cursor, Read},
    words,
};
use sqlparser::tokenizer::Token;
use std::{collections::BTreeSet, ops::RangeInclusive};

/// A type, without `NOT NULL` behind it.
pub(crate) fn parse(cursor: &mut Cursor<'_, '_>) -> Read<DataType> {
    nested(cursor, limits::TYPE_DEPTH_MAX)
}

/// A type and whether it may be null.
pub(crate) fn parse_nullable(cursor: &mut Cursor<'_, '_>) -> Read<NullableType> {
    nullable(cursor, limits::TYPE_DEPTH_MAX)
}

fn nullable(cursor: &mut Cursor<'_, '_>, depth: usize) -> Read<NullableType> {
    let data_type = nested(cursor, depth)?;
    let nullable = !cursor.eat("NOT NULL");
    if nullable {
        cursor.eat("NULL");
    }
    Ok(NullableType { data_type, nullable })
}

fn nested(cursor: &mut Cursor<'_, '_>, depth: usize) -> Read<DataType> {
    let mut data_type = simple(cursor, depth)?;
    let mut depth = depth;
    // Flink's other form: `INT ARRAY`.
    loop {
        let wrap: fn(Box<NullableType>) -> DataType = match () {
            () if cursor.eat("ARRAY") => DataType::Array,
            () if cursor.eat("MULTISET") => DataType::Multiset,
            () => return Ok(data_type),
        };
        depth = deeper(cursor, depth)?;
        data_type = wrap(Box::new(NullableType { data_type, nullable: true }));
    }
}

fn deeper(cursor: &Cursor<'_, '_>, depth: usize) -> Read<usize> {
    depth.checked_sub(1).ok_or_else(|| {
        SyntaxError::new(cursor.position(), format!("types nested deeper than {}", limits::TYPE_DEPTH_MAX))
    })
}

fn simple(cursor: &mut Cursor<'_, '_>, depth: usize) -> Read<DataType> {
    let depth = deeper(cursor, depth)?;
    let at = cursor.position();
    let Some(word) = words::of(&cursor.peek().token) else { return cursor.expected("a type") };
    cursor.next();
    Ok(match word.as_str() {
        "CHAR" => DataType::Char(length(cursor)?),
        "VARCHAR" => DataType::VarChar(length(cursor)?),
        "STRING" => DataType::STRING,
        "BOOLEAN" => DataType::Boolean,
        "BINARY" => DataType::Binary(length(cursor)?),
        "VARBINARY" => DataType::VarBinary(length(cursor)?),
        "BYTES" => DataType::BYTES,
        "DECIMAL" | "NUMERIC" | "DEC" => decimal(cursor)?,
        "TINYINT" => DataType::TinyInt,
        "SMALLINT" => DataType::SmallInt,
        "INT" | "INTEGER" => DataType::Int,
        "BIGINT" => DataType::BigInt,
        "FLOAT" => DataType::Float,
        "DOUBLE" => {
            cursor.eat("PRECISION");
            DataType::Double
        }
        "DATE" => DataType::Date,
        "TIME" => {
            let precision = in_range(cursor, 0..=SECOND_PRECISION_MAX, 0, "the digits of a second")?;
            cursor.eat("WITHOUT TIME ZONE");
            DataType::Time(precision)
        }
        "TIMESTAMP" => timestamp(cursor)?,
        "TIMESTAMP_LTZ" => DataType::TimestampLtz(second_precision(cursor)?),
        "INTERVAL" => DataType::Interval(interval(cursor)?),
        "ARRAY" => DataType::Array(Box::new(angled(cursor, |cursor| nullable(cursor, depth))?)),
        "MULTISET" => DataType::Multiset(Box::new(angled(cursor, |cursor| nullable(cursor, depth))?)),
        "MAP" => angled(cursor, |cursor| {
            let key = Box::new(nullable(cursor, depth)?);
            cursor.expect_token(&Token::Comma)?;
            Ok(DataType::Map(key, Box::new(nullable(cursor, depth)?)))
        })?,
        "ROW" => row(cursor, depth)?,
        _ => {
            let error = SyntaxError::new(at, format!("`{}` is no type", crate::error::quoted(&word)));
            return Err(match instead_of(&word) {
                Some(instead) => error.with_hint(format!("write `{instead}`")),
                None => error,
            });
        }
    })
}

/// What Flink calls a type of other databases.
fn instead_of(word: &str) -> Option<&'static str> {
    Some(match word {
        "TEXT" | "LONGTEXT" | "MEDIUMTEXT" | "VARCHAR2" | "NVARCHAR" | "CLOB" | "JSON" | "JSONB" | "UUID" => "STRING",
        "BLOB" | "BYTEA" => "BYTES",
        "BOOL" => "BOOLEAN",
        "INT8" | "LONG" | "SERIAL" | "BIGSERIAL" | "INT64" => "BIGINT",
        "INT4" | "INT32" | "MEDIUMINT" => "INT",
        "INT2" | "INT16" | "SHORT" => "SMALLINT",
        "BYTE" => "TINYINT",
        "REAL" | "FLOAT4" => "FLOAT",
        "FLOAT8" | "FLOAT64" => "DOUBLE",
        "NUMBER" | "MONEY" => "DECIMAL(38, 9)",
        "DATETIME" | "TIMESTAMP_NTZ" => "TIMESTAMP(3)",
        "TIMESTAMPTZ" | "TIMESTAMP_TZ" => "TIMESTAMP_LTZ(3)",
        "STRUCT" => "ROW<…>",
        "LIST" => "ARRAY<…>",
        _ => return None,
    })
}

/// A number in brackets where there is one.
fn in_range(cursor: &mut Cursor<'_, '_>, range: RangeInclusive<u32>, default: u32, what: &str) -> Read<u32> {
    if !cursor.eat_token(&Token::LParen) {
        return Ok(default);
    }
    let number = limited(cursor, range, what)?;
    cursor.expect_token(&Token::RParen)?;
    Ok(number)
}

fn limited(cursor: &mut Cursor<'_, '_>, range: RangeInclusive<u32>, what: &str) -> Read<u32> {
    let at = cursor.position();
    let number = cursor.number(&format!("a number from {} to {}", range.start(), range.end()))?;
    if range.contains(&number) {
        return Ok(number);
    }
    Err(SyntaxError::new(at, format!("{what} must be between {} and {}: `{number}`", range.start(), range.end())))
}

fn length(cursor: &mut Cursor<'_, '_>) -> Read<u32> {
    in_range(cursor, 1..=LENGTH_MAX, 1, "a length")
}

fn second_precision(cursor: &mut Cursor<'_, '_>) -> Read<u32> {
    in_range(cursor, 0..=SECOND_PRECISION_MAX, 6, "the digits of a second")
}

fn decimal(cursor: &mut Cursor<'_, '_>) -> Read<DataType> {
    if !cursor.eat_token(&Token::LParen) {
        return Ok(DataType::Decimal { precision: 10, scale: 0 });
    }
    let precision = limited(cursor, 1..=DECIMAL_PRECISION_MAX, "the digits of a decimal")?;
    let scale = match cursor.eat_token(&Token::Comma) {
        true => limited(cursor, 0..=precision, "the digits behind the point")?,
        false => 0,
    };
    cursor.expect_token(&Token::RParen)?;
    Ok(DataType::Decimal { precision, scale })
}

fn timestamp(cursor: &mut Cursor<'_, '_>) -> Read<DataType> {
    let precision = second_precision(cursor)?;
    if cursor.eat("WITH LOCAL TIME ZONE") {
        return Ok(DataType::TimestampLtz(precision));
    }
    if cursor.is("WITH") && words::is(cursor.peek_at(1), "TIME") {
        return cursor.not_supported("TIMESTAMP WITH TIME ZONE", "write `TIMESTAMP_LTZ(3)`");
    }
    cursor.eat("WITHOUT TIME ZONE");
    Ok(DataType::Timestamp(precision))
}

fn unit(cursor: &mut Cursor<'_, '_>) -> Read<IntervalUnit> {
    use IntervalUnit as Unit;
    let units = [Unit::Year, Unit::Month, Unit::Day, Unit::Hour, Unit::Minute, Unit::Second];
    match units.into_iter().find(|unit| cursor.is(&unit.to_string())) {
        Some(unit) => {
            cursor.next();
            Ok(unit)
        }
        None => cursor.expected("`YEAR`, `MONTH`, `DAY`, `HOUR`, `MINUTE` or `SECOND`"),
    }
}

fn interval(cursor: &mut Cursor<'_, '_>) -> Read<IntervalType> {
    use IntervalUnit as Unit;
    let optional = |cursor: &mut Cursor<'_, '_>, range, what| match cursor.peek().token {
        Token::LParen => in_range(cursor, range, 0, what).map(Some),
        _ => Ok(None),
    };
    let from = unit(cursor)?;
    let precision = match from {
        Unit::Year => optional(cursor, 1..=4, "the digits of a year")?,
        Unit::Day => optional(cursor, 1..=6, "the digits of a day")?,
        Unit::Month | Unit::Hour | Unit::Minute | Unit::Second => None,
    };
    let at = cursor.position();
    let to = if from != Unit::Second && cursor.eat("TO") { Some(unit(cursor)?) } else { None };
    if let Some(to) = to
        && (to <= from || (from <= Unit::Month) != (to <= Unit::Month))
    {
        return Err(SyntaxError::new(at, format!("an interval cannot be `{from} TO {to}`")));
    }
    let second_precision = match to.unwrap_or(from) {
        Unit::Second => optional(cursor, 0..=SECOND_PRECISION_MAX, "the digits of a second")?,
        _ => None,
    };
    Ok(IntervalType { from, to, precision, second_precision })
}

fn angled<T>(cursor: &mut Cursor<'_, '_>, read: impl FnOnce(&mut Cursor<'_, '_>) -> Read<T>) -> Read<T> {
    cursor.expect_token(&Token::Lt)?;
    let within = read(cursor)?;
    cursor.expect_token(&Token::Gt)?;
    Ok(within)
}

/// `ROW<a t, …>` or `ROW(a t, …)`.
fn row(cursor: &mut Cursor<'_, '_>, depth: usize) -> Read<DataType> {
    let closing = match cursor.peek().token {
        Token::Lt => Token::Gt,
        Token::LParen => Token::RParen,
        _ => return cursor.expected("`<`"),
    };
    cursor.next();
    let mut names = BTreeSet::new();
    let fields = cursor.list(|cursor| {
        let name = cursor.ident("the name of a field")?;
        if !names.insert(name.value.clone()) {
            return Err(SyntaxError::new(name.span.start, format!("`{}` is a field already", name.value)));
        }
        let data_type = nullable(cursor, depth)?;
        let comment = match cursor.peek().token.clone() {
            // Flink has it with the word and without.
            Token::SingleQuotedString(text) => {
                cursor.next();
                Some(text)
            }
            _ if cursor.eat("COMMENT") => Some(cursor.text("the comment in quotes")?),
            _ => None,
        };
        Ok(Field { name: name.value, data_type, comment })
    })?;
    if fields.len() > limits::COLUMNS_MAX {
        return Err(SyntaxError::new(cursor.position(), format!("more than {} fields", limits::COLUMNS_MAX)));
    }
    cursor.expect_token(&closing)?;
    Ok(DataType::Row(fields))
}
