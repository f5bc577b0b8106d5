//! The options of `datagen`, by Flink's names.

use super::{
    DataGen,
    values::{Rule, Values},
};
use crate::{
    format::{Rounding, parse_decimal},
    table::TableError,
    types::{Item, Type},
};
use datafusion::arrow::datatypes::Field;
use std::{collections::BTreeMap, str::FromStr};

/// Rows a second where nothing is said, as in Flink.
const ROWS_PER_SECOND: i64 = 10_000;
/// The length of texts and bytes where neither their type nor an option says it, as in Flink.
const LENGTH: usize = 100;
/// The most of that.
const LENGTH_MAX: usize = 1 << 16;
/// Two hundred years: nanoseconds reach back farther, to 1677.
const PAST_DAYS_MAX: i64 = 73_000;

/// The options, each taken once.
struct Options<'a>(BTreeMap<&'a str, &'a str>);

impl Options<'_> {
    fn take<T: FromStr>(&mut self, key: &str, what: &str) -> Result<Option<T>, TableError> {
        let Some(text) = self.0.remove(key) else { return Ok(None) };
        let read = text.trim().parse();
        read.map(Some).map_err(|_| TableError::Option(format!("`{key}` is {what}, not `{text}`")))
    }

    fn number(&mut self, key: &str) -> Result<Option<i64>, TableError> {
        self.take(key, "a whole number")
    }

    fn at_least_one(&mut self, key: &str) -> Result<Option<i64>, TableError> {
        match self.number(key)? {
            Some(number) if number < 1 => Err(TableError::Option(format!("`{key}` is 1 at least, not {number}"))),
            number => Ok(number),
        }
    }
}

impl DataGen {
    /// The rules for the columns of a table.
    ///
    /// Of each: whether it is made up at all.
    pub(crate) fn read<'a>(
        options: &BTreeMap<String, String>,
        fields: impl Iterator<Item = (&'a Field, bool)>,
    ) -> Result<Self, TableError> {
        let mut options = Options(options.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect());
        options.0.remove("connector");
        let rows_per_second = options.at_least_one("rows-per-second")?.unwrap_or(ROWS_PER_SECOND);
        let mut row_count = options.at_least_one("number-of-rows")?;
        let (mut columns, mut names) = (Vec::new(), Vec::new());
        for (field, is_made) in fields {
            if !is_made {
                columns.push(None);
                continue;
            }
            let (values, length) = column(field, &mut options)?;
            // The shortest sequence ends the table.
            row_count = [row_count, length].into_iter().flatten().min();
            columns.push(Some(values));
            names.push(field);
        }
        match options.0.into_keys().next() {
            None => Ok(Self { rows_per_second, row_count, columns }),
            Some(key) => Err(TableError::Option(left_over(key, &names))),
        }
    }
}

/// What is wrong with an option that nothing asked for.
fn left_over(key: &str, fields: &[&Field]) -> String {
    let Some(rest) = key.strip_prefix("fields.") else {
        return format!("there is no option `{key}` for `datagen`");
    };
    match fields.iter().find(|field| rest.strip_prefix(field.name().as_str()).is_some_and(|it| it.starts_with('.'))) {
        None => format!("`{key}` is of no column"),
        Some(field) => {
            let of = Type::of(field).map_or_else(|_| field.data_type().to_string(), |of| of.to_string());
            format!("`{key}` is not for {of} made up in this way")
        }
    }
}

/// How a column is made up, and how many values it has at most.
fn column(field: &Field, options: &mut Options<'_>) -> Result<(Values, Option<i64>), TableError> {
    let name = field.name();
    let key = |option: &str| format!("fields.{name}.{option}");
    let Item { value: of, is_nullable } = Item::of(field)?;
    let kind = options.0.remove(key("kind").as_str()).unwrap_or("random");
    let (rule, length) = match kind {
        "random" => (random(&of, &key, options)?, None),
        "sequence" => {
            let (start, count) = sequence(&of, &key, options)?;
            (Rule::Sequence { start }, Some(count))
        }
        other => {
            return Err(TableError::Option(format!("`{}` is `random` or `sequence`, not `{other}`", key("kind"))));
        }
    };
    let null_rate = if length.is_some() { None } else { options.take::<f64>(&key("null-rate"), "a number")? };
    let null_rate = null_rate.unwrap_or(0.0);
    if !(0.0..=1.0).contains(&null_rate) {
        return Err(TableError::Option(format!("`{}` is from 0 to 1, not {null_rate}", key("null-rate"))));
    }
    if null_rate > 0.0 && !is_nullable {
        return Err(TableError::Option(format!("`{}` makes NULLs of a column that is NOT NULL", key("null-rate"))));
    }
    Ok((Values::new(name, rule, null_rate), length))
}

/// The first value of a sequence, and how many there are.
fn sequence(of: &Type, key: &dyn Fn(&str) -> String, options: &mut Options<'_>) -> Result<(i64, i64), TableError> {
    let mut bound = |option: &str| {
        let missing = || TableError::Option(format!("`{}` is missing: a sequence has a start and an end", key(option)));
        options.number(&key(option))?.ok_or_else(missing)
    };
    let (start, end) = (bound("start")?, bound("end")?);
    let (least, most) = match of {
        Type::TinyInt => (i64::from(i8::MIN), i64::from(i8::MAX)),
        Type::SmallInt => (i64::from(i16::MIN), i64::from(i16::MAX)),
        // As Flink has it: their bounds are INT.
        Type::Int | Type::Float | Type::Double => (i64::from(i32::MIN), i64::from(i32::MAX)),
        Type::BigInt | Type::String => (i64::MIN, i64::MAX),
        // A sign takes a character.
        Type::Char(length) | Type::Varchar(length) => (-below_power_of_ten(*length - 1), below_power_of_ten(*length)),
        Type::Decimal { precision, scale } => {
            let most = below_power_of_ten(u32::from(*precision - *scale));
            (-most, most)
        }
        other => return Err(TableError::Option(format!("`{}`: there is no sequence of {other}", key("kind")))),
    };
    if start > end {
        return Err(TableError::Option(format!("`{}`, {start}, is above `{}`, {end}", key("start"), key("end"))));
    }
    if end > most || start < least {
        return Err(TableError::Option(format!("`{}` and `{}` do not fit {of}", key("start"), key("end"))));
    }
    Ok((start, end.saturating_sub(start).saturating_add(1)))
}

/// The largest number of so many digits.
fn below_power_of_ten(digits: u32) -> i64 {
    10_i64.checked_pow(digits).map_or(i64::MAX, |power| power - 1)
}

fn random(of: &Type, key: &dyn Fn(&str) -> String, options: &mut Options<'_>) -> Result<Rule, TableError> {
    let whole = |least: i64, most: i64, options: &mut Options<'_>| {
        let bounds = bounds(key, options, |options, key| options.number(key), (least, most))?;
        Ok::<_, TableError>(Rule::Whole { min: bounds.0, max: bounds.1 })
    };
    Ok(match of {
        Type::Boolean => Rule::Boolean,
        Type::TinyInt => whole(i64::from(i8::MIN), i64::from(i8::MAX), options)?,
        Type::SmallInt => whole(i64::from(i16::MIN), i64::from(i16::MAX), options)?,
        Type::Int => whole(i64::from(i32::MIN), i64::from(i32::MAX), options)?,
        Type::BigInt => whole(i64::MIN, i64::MAX, options)?,
        // Flink's least value is the smallest that is more than nothing.
        Type::Float => real(key, options, (f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX)))?,
        Type::Double => real(key, options, (f64::MIN_POSITIVE, f64::MAX))?,
        Type::Decimal { precision, scale } => decimal(key, options, *precision, *scale)?,
        Type::Char(length) => Rule::Text { length: bounded(key, *length)?, varies: false },
        Type::Binary(length) => Rule::Bytes { length: bounded(key, *length)?, varies: false },
        Type::Varchar(length) => {
            let (length, varies) = length_of(key, options, Some(*length))?;
            Rule::Text { length, varies }
        }
        Type::String => {
            let (length, varies) = length_of(key, options, None)?;
            Rule::Text { length, varies }
        }
        Type::Varbinary(length) => {
            let (length, varies) = length_of(key, options, Some(*length))?;
            Rule::Bytes { length, varies }
        }
        Type::Bytes => {
            let (length, varies) = length_of(key, options, None)?;
            Rule::Bytes { length, varies }
        }
        Type::Timestamp(_) | Type::TimestampLtz(_) => {
            let key = key("max-past");
            Rule::Past { max_ms: options.0.remove(key.as_str()).map_or(Ok(0), |text| past_ms(&key, text))? }
        }
        Type::Date => Rule::Today,
        other => return Err(TableError::Option(format!("`datagen` does not make up columns of {other}"))),
    })
}

/// `min` and `max`, within what is possible, which is also what they are where nothing is said.
fn bounds<T: Copy + PartialOrd + std::fmt::Display>(
    key: &dyn Fn(&str) -> String,
    options: &mut Options<'_>,
    read: impl Fn(&mut Options<'_>, &str) -> Result<Option<T>, TableError>,
    (least, most): (T, T),
) -> Result<(T, T), TableError> {
    let mut bound = |option: &str, default: T| {
        let bound = read(options, &key(option))?.unwrap_or(default);
        match bound >= least && bound <= most {
            true => Ok(bound),
            false => Err(TableError::Option(format!("`{}` is from {least} to {most}, not {bound}", key(option)))),
        }
    };
    let (min, max) = (bound("min", least)?, bound("max", most)?);
    match min <= max {
        true => Ok((min, max)),
        false => Err(TableError::Option(format!("`{}`, {min}, is above `{}`, {max}", key("min"), key("max")))),
    }
}

fn real(
    key: &dyn Fn(&str) -> String,
    options: &mut Options<'_>,
    (least, most): (f64, f64),
) -> Result<Rule, TableError> {
    let read = |options: &mut Options<'_>, key: &str| options.take::<f64>(key, "a number");
    // What is not said is the least that is more than nothing; what is said may be less.
    let min = options.0.get(key("min").as_str()).map_or(least, |_| -most);
    let (min, max) = bounds(key, options, read, (min, most))?;
    Ok(Rule::Real { min, max })
}

fn decimal(
    key: &dyn Fn(&str) -> String,
    options: &mut Options<'_>,
    precision: u8,
    scale: u8,
) -> Result<Rule, TableError> {
    let most = 10_i128.pow(u32::from(precision)) - 1;
    // A bound between two decimals leaves out the one beyond it.
    let mut bound = |option: &str, beyond_zero: [Rounding; 2], default: i128| {
        let key = key(option);
        let Some(text) = options.0.remove(key.as_str()).map(str::trim) else { return Ok(default) };
        let rounding = beyond_zero[usize::from(text.starts_with('-'))];
        match parse_decimal(text.as_bytes(), precision, scale, rounding) {
            Some(Ok(bound)) => Ok(bound),
            Some(Err(_)) => Err(TableError::Option(format!("`{key}` does not fit DECIMAL({precision}, {scale})"))),
            None => Err(TableError::Option(format!("`{key}` is a number, not `{text}`"))),
        }
    };
    let min = bound("min", [Rounding::Up, Rounding::Down], 0)?;
    let max = bound("max", [Rounding::Down, Rounding::Up], most)?;
    if min > max {
        let (min, max) = (key("min"), key("max"));
        return Err(TableError::Option(format!("there is no DECIMAL({precision}, {scale}) from `{min}` to `{max}`")));
    }
    Ok(Rule::Decimal { min, max, precision, scale })
}

fn bounded(key: &dyn Fn(&str) -> String, length: u32) -> Result<usize, TableError> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    match length <= LENGTH_MAX {
        true => Ok(length),
        false => Err(TableError::Option(format!("`{}` is {LENGTH_MAX} at most here, not {length}", key("length")))),
    }
}

/// The length of texts or bytes, and whether it varies.
fn length_of(
    key: &dyn Fn(&str) -> String,
    options: &mut Options<'_>,
    declared: Option<u32>,
) -> Result<(usize, bool), TableError> {
    let varies = options.take::<bool>(&key("var-len"), "`true` or `false`")?.unwrap_or(false);
    let length = options.take::<u32>(&key("length"), "a whole number")?;
    if let (Some(length), Some(declared)) = (length, declared)
        && length > declared
    {
        return Err(TableError::Option(format!(
            "`{}` is {length}, and the column has {declared} at most",
            key("length")
        )));
    }
    let length = match length.or(declared) {
        Some(length) => bounded(key, length)?,
        None => LENGTH,
    };
    if length == 0 {
        return Err(TableError::Option(format!("`{}` is 1 at least", key("length"))));
    }
    Ok((length, varies))
}

/// How long before it comes a row may be, so that all types of time have the moment.
fn past_ms(key: &str, text: &str) -> Result<i64, TableError> {
    match span_ms(key, text)? {
        span if span <= PAST_DAYS_MAX * 86_400_000 => Ok(span),
        _ => Err(TableError::Option(format!("`{key}` is {PAST_DAYS_MAX} days at most, not `{text}`"))),
    }
}

/// A span as Flink's options have it, such as `10 s`; a bare number counts milliseconds.
fn span_ms(key: &str, text: &str) -> Result<i64, TableError> {
    let span = levada_model::span_ms(text).and_then(|span| i64::try_from(span).ok());
    span.ok_or_else(|| TableError::Option(format!("`{key}` is a span, as `10 s`, not `{text}`")))
}
