//! Interval literals, and what they come to.

use crate::{
    Position, SyntaxError,
    cursor::{Cursor, Read},
    words,
};
use sqlparser::{
    ast::{DateTimeField, Expr, Interval, Value, ValueWithSpan},
    tokenizer::{Span as TokenSpan, Token},
};

/// How long an interval is: calendar months have no fixed length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntervalValue {
    /// Years, quarters and months, in months.
    Months(i64),
    /// Weeks, days and what is smaller, in milliseconds.
    Milliseconds(i64),
}

/// A unit: its names, how many of the base unit it has, and how many of it the next larger one of a literal has.
struct Unit {
    field: DateTimeField,
    names: [&'static str; 2],
    size: i64,
    below: i64,
    is_months: bool,
}

const DAY: i64 = 86_400_000;
/// Those that a literal can have together lie side by side.
const UNITS: [Unit; 8] = [
    Unit { field: DateTimeField::Quarter, names: ["QUARTER", "QUARTERS"], size: 3, below: i64::MAX, is_months: true },
    Unit { field: DateTimeField::Year, names: ["YEAR", "YEARS"], size: 12, below: i64::MAX, is_months: true },
    Unit { field: DateTimeField::Month, names: ["MONTH", "MONTHS"], size: 1, below: 12, is_months: true },
    Unit {
        field: DateTimeField::Week(None),
        names: ["WEEK", "WEEKS"],
        size: 7 * DAY,
        below: i64::MAX,
        is_months: false,
    },
    Unit { field: DateTimeField::Day, names: ["DAY", "DAYS"], size: DAY, below: i64::MAX, is_months: false },
    Unit { field: DateTimeField::Hour, names: ["HOUR", "HOURS"], size: 3_600_000, below: 24, is_months: false },
    Unit { field: DateTimeField::Minute, names: ["MINUTE", "MINUTES"], size: 60_000, below: 60, is_months: false },
    Unit { field: DateTimeField::Second, names: ["SECOND", "SECONDS"], size: 1_000, below: 60, is_months: false },
];
const NAMES: &str = "`YEAR`, `MONTH`, `DAY`, `HOUR`, `MINUTE` or `SECOND`";

/// What is behind the word `INTERVAL`.
pub(crate) fn parse(cursor: &mut Cursor<'_, '_>) -> Read<Interval> {
    let is_negated = cursor.eat_token(&Token::Minus);
    if !is_negated {
        cursor.eat_token(&Token::Plus);
    }
    let span = cursor.peek().span;
    let text = cursor.text("a number in quotes")?;
    let text = match (is_negated, text.strip_prefix('-')) {
        (true, Some(positive)) => positive.to_owned(),
        (true, None) => format!("-{}", text.trim_start_matches('+')),
        (false, _) => text,
    };
    let from = unit(cursor)?;
    let mut precisions = precisions(cursor)?.into_iter();
    let leading_precision = precisions.next();
    let mut fractional_seconds_precision = precisions.next();
    let at = cursor.position();
    let to = if cursor.eat("TO") { Some(unit(cursor)?) } else { None };
    let is_pair = |from: &Unit, to: &Unit| {
        let is_plain = |unit: &Unit| !matches!(unit.field, DateTimeField::Quarter | DateTimeField::Week(_));
        is_plain(from) && is_plain(to) && from.is_months == to.is_months && from.size > to.size
    };
    if let Some(to) = to {
        if !is_pair(from, to) {
            let message = format!("an interval cannot be `{} TO {}`", from.names[0], to.names[0]);
            return Err(SyntaxError::new(at, message));
        }
        fractional_seconds_precision = precisions_of(cursor, to)?;
    }
    let value = Value::SingleQuotedString(text).with_span(span);
    let interval = Interval {
        value: Box::new(Expr::Value(value)),
        leading_field: Some(from.field.clone()),
        leading_precision,
        last_field: to.map(|to| to.field.clone()),
        fractional_seconds_precision,
    };
    interval_value(&interval)?;
    Ok(interval)
}

fn unit(cursor: &mut Cursor<'_, '_>) -> Read<&'static Unit> {
    match UNITS.iter().find(|unit| unit.names.iter().any(|name| cursor.is(name))) {
        Some(unit) => {
            cursor.next();
            Ok(unit)
        }
        None => cursor.expected(NAMES),
    }
}

/// `(3)`, and for seconds `(3, 2)`.
fn precisions(cursor: &mut Cursor<'_, '_>) -> Read<Vec<u64>> {
    if cursor.peek().token != Token::LParen {
        return Ok(Vec::new());
    }
    let at = cursor.position();
    let numbers = cursor.bracketed(|cursor| cursor.number("a number from 1 to 10"))?;
    match numbers.as_slice() {
        [1..=10] | [1..=10, 1..=9] => Ok(numbers.into_iter().map(u64::from).collect()),
        _ => Err(SyntaxError::new(at, "the digits of an interval must be between 1 and 10, those behind the point 9")),
    }
}

fn precisions_of(cursor: &mut Cursor<'_, '_>, to: &Unit) -> Read<Option<u64>> {
    if to.field != DateTimeField::Second {
        return Ok(None);
    }
    Ok(precisions(cursor)?.first().copied())
}

/// How long an interval of a query is.
///
/// # Errors
/// Where the text is no such interval, or more than 64 bits hold. Those of a parsed statement were looked at.
pub fn interval_value(interval: &Interval) -> Result<IntervalValue, SyntaxError> {
    let (text, at) = match interval.value.as_ref() {
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), span }) => (text, *span),
        _ => return Err(SyntaxError::new(Position::START, "an interval is a number in quotes")),
    };
    let find = |field: &DateTimeField| UNITS.iter().position(|unit| unit.field == *field);
    let Some(first) = interval.leading_field.as_ref().and_then(find) else {
        return Err(SyntaxError::new(at.start, format!("an interval has a unit: {NAMES}")));
    };
    let last = interval.last_field.as_ref().and_then(find).unwrap_or(first);
    let units = UNITS.get(first..=last).unwrap_or_default();
    let digits = usize::try_from(interval.leading_precision.unwrap_or(2)).unwrap_or(usize::MAX);
    let total = amount(text, units).ok_or_else(|| malformed(text, units, at))?;
    let leading = text.trim_start_matches(['-', '+']).split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    if let Some(unit) = units.first()
        && leading.trim_start_matches('0').len() > digits
    {
        let name = unit.names[0];
        let message = format!("`{}` has more digits than `{name}({digits})`", crate::error::quoted(text));
        let hint = format!("write `{name}({})`", leading.len().min(10));
        return Err(SyntaxError::new(at.start, message).with_hint(hint));
    }
    match units.first() {
        Some(unit) if unit.is_months => Ok(IntervalValue::Months(total)),
        _ => Ok(IntervalValue::Milliseconds(total)),
    }
}

fn malformed(text: &str, units: &[Unit], at: TokenSpan) -> SyntaxError {
    let example = match units {
        [unit] if unit.field == DateTimeField::Second => "'10' or '1.5'",
        [_] => "'10'",
        [first, ..] if first.is_months => "'1-6'",
        [first, ..] if first.field == DateTimeField::Day => "'2 10:30' for days, hours and so on",
        _ => "'1:30'",
    };
    let names: Vec<&str> = units.iter().map(|unit| unit.names[0]).collect();
    let message = format!("`{}` is no interval of {}", crate::error::quoted(text), names.join(", "));
    SyntaxError::new(at.start, message).with_hint(format!("write {example}"))
}

/// The text as so many of the base unit; nothing where it has another form or is too large.
fn amount(text: &str, units: &[Unit]) -> Option<i64> {
    let text = text.trim();
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut total = 0_i64;
    for (index, unit) in units.iter().enumerate() {
        if index > 0 {
            let between = match unit.field {
                DateTimeField::Month => '-',
                DateTimeField::Hour => ' ',
                _ => ':',
            };
            rest = rest.strip_prefix(between)?;
        }
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: i64 = rest.get(..end)?.parse().ok()?;
        rest = rest.get(end..)?;
        if index > 0 && number >= unit.below {
            return None;
        }
        total = total.checked_add(number.checked_mul(unit.size)?)?;
        if unit.field == DateTimeField::Second
            && let Some(fraction) = rest.strip_prefix('.')
        {
            total = total.checked_add(milliseconds(fraction)?)?;
            rest = "";
        }
    }
    rest.is_empty().then_some(total.checked_mul(sign)?)
}

/// Up to nine digits behind a point; what is less than a millisecond must be nothing.
fn milliseconds(fraction: &str) -> Option<i64> {
    let is_sound = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let below = fraction.get(3..).unwrap_or_default();
    (is_sound && below.bytes().all(|byte| byte == b'0')).then_some(())?;
    format!("{fraction:0<3}").get(..3)?.parse().ok()
}

/// Whether a word is a unit, for hints.
pub(crate) fn is_unit(token: &Token) -> bool {
    UNITS.iter().any(|unit| unit.names.iter().any(|name| words::is(token, name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<IntervalValue, String> {
        let dialect = crate::FlinkDialect::default();
        let tokens = crate::script::split(text).unwrap().remove(0).tokens;
        let mut parser = sqlparser::parser::Parser::new(&dialect).with_tokens_with_locations(tokens);
        let mut cursor = Cursor::new(&mut parser, &dialect);
        parse(&mut cursor).and_then(|interval| interval_value(&interval)).map_err(|error| error.to_string())
    }

    #[test]
    fn intervals_come_to_months_or_milliseconds() {
        use IntervalValue::{Milliseconds, Months};
        for (text, expected) in [
            ("'10' MINUTE", Milliseconds(600_000)),
            ("'5' SECONDS", Milliseconds(5_000)),
            ("'1.5' SECOND", Milliseconds(1_500)),
            ("'-1' DAY", Milliseconds(-DAY)),
            ("-'1' DAY", Milliseconds(-DAY)),
            ("-'-1' DAY", Milliseconds(DAY)),
            ("'100' DAY(3)", Milliseconds(100 * DAY)),
            ("'1:30' MINUTE TO SECOND", Milliseconds(90_000)),
            ("'2 10:30:00.250' DAY TO SECOND(3)", Milliseconds(2 * DAY + 37_800_250)),
            ("'1' WEEK", Milliseconds(7 * DAY)),
            ("'1-6' YEAR TO MONTH", Months(18)),
            ("'2' QUARTERS", Months(6)),
        ] {
            assert_eq!(value(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_interval_is_refused() {
        for (text, message) in [
            ("'100' SECOND", "line 1, column 1: `100` has more digits than `SECOND(2)`; write `SECOND(3)`"),
            ("'x' DAY", "line 1, column 1: `x` is no interval of DAY; write '10'"),
            ("'1:60' MINUTE TO SECOND", "line 1, column 1: `1:60` is no interval of MINUTE, SECOND; write '1:30'"),
            ("'1' DAY TO YEAR", "line 1, column 9: an interval cannot be `DAY TO YEAR`"),
            (
                "'1' DAY(11)",
                "line 1, column 8: the digits of an interval must be between 1 and 10, those behind the point 9",
            ),
        ] {
            assert_eq!(value(text), Err(message.to_owned()));
        }
        assert!(value("'1.0001' SECOND").is_err());
        assert!(value("'9999999999999999999' DAY(10)").is_err());
        assert!(value("'9999999999' DAY(10)").is_ok());
    }
}
