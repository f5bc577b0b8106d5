//! The tables that queries are asked over: columns of every type, and rows with values from their ends.

use crate::mutation::Dice;
use datafusion::{
    arrow::{
        array::{ArrayRef, RecordBatch},
        datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
    },
    common::{Result, ScalarValue, scalar::ScalarStructBuilder},
};
use levada_sql::types::Type;
use std::sync::Arc;

/// What an expression is of; precisions are left to the planner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Float,
    Double,
    Decimal,
    Text,
    Bytes,
    Date,
    Time,
    Timestamp,
    Ltz,
    Array,
    Row,
}

/// The columns of every table.
///
/// There is no -0.0: DataFusion groups it with 0.0, and streams, as Flink, do not. The doubles of `f` are added up
/// exactly, in whatever order. Those of `x` are not; and what is not a number has a sign when it comes of a sum, by
/// which it is less or more than all numbers. `id` is the key of the upsert table.
pub(crate) const COLUMNS: [(&str, Kind); 23] = [
    ("id", Kind::Int),
    ("k", Kind::Int),
    ("ti", Kind::TinyInt),
    ("si", Kind::SmallInt),
    ("n", Kind::BigInt),
    ("m", Kind::BigInt),
    ("fl", Kind::Float),
    ("f", Kind::Double),
    ("x", Kind::Double),
    ("d", Kind::Decimal),
    ("e", Kind::Decimal),
    ("s", Kind::Decimal),
    ("t", Kind::Text),
    ("bo", Kind::Boolean),
    ("bi", Kind::Bytes),
    ("dt", Kind::Date),
    ("tm", Kind::Time),
    ("ts", Kind::Timestamp),
    ("t6", Kind::Timestamp),
    ("t9", Kind::Timestamp),
    ("z", Kind::Ltz),
    ("arr", Kind::Array),
    ("ro", Kind::Row),
];

/// The tables of which rows only come, and the one of whose rows the last one of each `id` counts.
pub(crate) const TABLES: [&str; 3] = ["a", "b", UPSERT];
pub(crate) const UPSERT: &str = "u";

fn type_of(name: &str, kind: Kind) -> Type {
    let decimal = |precision, scale| Type::Decimal { precision, scale };
    match (kind, name) {
        (Kind::Boolean, _) => Type::Boolean,
        (Kind::TinyInt, _) => Type::TinyInt,
        (Kind::SmallInt, _) => Type::SmallInt,
        (Kind::Int, _) => Type::Int,
        (Kind::BigInt, _) => Type::BigInt,
        (Kind::Float, _) => Type::Float,
        (Kind::Double, _) => Type::Double,
        (Kind::Decimal, "d") => decimal(10, 2),
        (Kind::Decimal, "e") => decimal(38, 0),
        (Kind::Decimal, _) => decimal(38, 18),
        (Kind::Text, _) => Type::String,
        (Kind::Bytes, _) => Type::Bytes,
        (Kind::Date, _) => Type::Date,
        (Kind::Time, _) => Type::Time(3),
        (Kind::Timestamp, "t6") => Type::Timestamp(6),
        (Kind::Timestamp, "t9") => Type::Timestamp(9),
        (Kind::Timestamp, _) => Type::Timestamp(3),
        (Kind::Ltz, _) => Type::TimestampLtz(3),
        (Kind::Array, _) => Type::Array(Box::new(Type::Int.nullable())),
        (Kind::Row, _) => {
            Type::Row(vec![("p".to_owned(), Type::Int.nullable()), ("q".to_owned(), Type::String.nullable())])
        }
    }
}

fn is_never_null(name: &str) -> bool {
    matches!(name, "id" | "ts")
}

pub(crate) fn schema() -> SchemaRef {
    let field = |(name, kind): (&str, Kind)| -> Field {
        let field = type_of(name, kind).nullable().field(name).with_nullable(!is_never_null(name));
        match name {
            "ts" => field.with_metadata([("levada.rowtime".to_owned(), "true".to_owned())].into()),
            _ => field,
        }
    };
    Arc::new(Schema::new(COLUMNS.map(field).to_vec()))
}

/// Random rows. Event times are from the ends of all times only where they are `wild`.
pub(crate) fn rows(dice: &mut Dice, count: usize, is_wild: bool) -> Result<RecordBatch> {
    let schema = schema();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for field in schema.fields() {
        let mut values = Vec::new();
        for _ in 0..count.max(1) {
            let is_null = !is_never_null(field.name()) && dice.below(8) == 0;
            values.push(match is_null {
                true => ScalarValue::try_from(field.data_type())?,
                false => value(dice, field, is_wild),
            });
        }
        columns.push(ScalarValue::iter_to_array(values)?);
    }
    Ok(RecordBatch::try_new(schema, columns)?.slice(0, count))
}

fn one_of<T: Copy>(dice: &mut Dice, values: &[T]) -> T {
    values[dice.below(values.len())]
}

const MIDDLE_MS: i64 = 1_800_000_000_000;
/// Days and milliseconds of the years 1 and 9999, and of what a calendar has at its ends.
const DAYS: &[i32] = &[-719_162, 2_932_896, 0, -1, 18_321, 20_833, i32::MIN, i32::MAX, -96_465_292, 95_026_601];
const MILLISECONDS: &[i64] = &[
    -62_135_596_800_000,
    253_402_300_799_999,
    0,
    -1,
    MIDDLE_MS,
    i64::MIN,
    i64::MAX,
    i64::MIN / 1_000,
    i64::MAX / 1_000,
    -9_223_372_036_854,
    9_223_372_036_854,
];
const DECIMAL_38_MAX: i128 = 99_999_999_999_999_999_999_999_999_999_999_999_999;
const TEXTS: &[&str] = &[
    "",
    "g1",
    "g2",
    "G1 x-y",
    "å",
    "\u{1d11e}\u{10ffff}",
    "e\u{301}",
    "12",
    "-1",
    " 7 ",
    "9223372036854775807",
    "9223372036854775808",
    "1e400",
    "NaN",
    "2020-02-29",
    "2020-02-29 23:59:59.999",
    "+262143-01-01 00:00:00",
    "0000-00-00",
    "a,b,,c",
    "(",
    "[a-",
    "%_%",
    "a*b|a",
    "\\",
    "\0",
    "'",
    "true",
];

fn value(dice: &mut Dice, field: &Field, is_wild: bool) -> ScalarValue {
    let name = field.name().as_str();
    match field.data_type() {
        DataType::Boolean => ScalarValue::Boolean(Some(dice.below(2) == 0)),
        DataType::Int8 => ScalarValue::Int8(Some(one_of(dice, &[i8::MIN, i8::MAX, -1, 0, 1, 2]))),
        DataType::Int16 => ScalarValue::Int16(Some(one_of(dice, &[i16::MIN, i16::MAX, -1, 0, 1, 2]))),
        DataType::Int32 if matches!(name, "id" | "k") => ScalarValue::Int32(i32::try_from(dice.below(6)).ok()),
        DataType::Int32 => ScalarValue::Int32(Some(one_of(dice, &[i32::MIN, i32::MAX, -1, 0, 1, 2]))),
        DataType::Int64 if name == "m" => ScalarValue::Int64(i64::try_from(dice.below(30)).ok()),
        DataType::Int64 => ScalarValue::Int64(Some(one_of(dice, &[i64::MIN, i64::MAX, -1, 0, 1, 2, 3_000_000_000]))),
        DataType::Float32 => {
            ScalarValue::Float32(Some(one_of(dice, &[f32::MIN, f32::MAX, f32::NAN, f32::INFINITY, 0.0, 1.5, 0.1])))
        }
        DataType::Float64 if name == "f" => ScalarValue::Float64(Some(one_of(dice, &[0.0, 0.25, 7.5, -3.0, 1024.5]))),
        DataType::Float64 => {
            let values = [f64::MIN, f64::MAX, f64::NAN, f64::INFINITY, 0.0, 5e-324, 1e300, -1.5, 0.1];
            ScalarValue::Float64(Some(one_of(dice, &values)))
        }
        DataType::Decimal128(precision, scale) => {
            let most = if *precision == 38 { DECIMAL_38_MAX } else { 9_999_999_999 };
            ScalarValue::Decimal128(Some(one_of(dice, &[most, -most, 0, 1, -150, 250, 995])), *precision, *scale)
        }
        DataType::Utf8 if dice.below(20) == 0 => ScalarValue::Utf8(Some("aé".repeat(dice.below(3_000)))),
        DataType::Utf8 => ScalarValue::Utf8(Some(one_of(dice, TEXTS).to_owned())),
        DataType::Binary => ScalarValue::Binary(Some(one_of(dice, TEXTS).as_bytes().to_vec())),
        DataType::Date32 => ScalarValue::Date32(Some(one_of(dice, DAYS))),
        DataType::Time32(_) => ScalarValue::Time32Millisecond(Some(one_of(dice, &[0, 86_399_999, 43_200_000]))),
        DataType::Timestamp(unit, zone) => {
            let zone = zone.clone();
            let time = match name == "ts" && !is_wild || dice.below(2) == 0 {
                true => MIDDLE_MS + i64::try_from(dice.below(20_000)).unwrap_or(0) - 10_000,
                false => one_of(dice, MILLISECONDS),
            };
            match unit {
                TimeUnit::Microsecond => ScalarValue::TimestampMicrosecond(Some(time.saturating_mul(1_000)), zone),
                TimeUnit::Nanosecond => ScalarValue::TimestampNanosecond(Some(time.saturating_mul(1_000_000)), zone),
                _ => ScalarValue::TimestampMillisecond(Some(time), zone),
            }
        }
        DataType::List(_) => {
            let items: Vec<ScalarValue> =
                (0..dice.below(4)).map(|_| ScalarValue::Int32(Some(one_of(dice, &[i32::MIN, 0, 1])))).collect();
            ScalarValue::List(ScalarValue::new_list_nullable(&items, &DataType::Int32))
        }
        DataType::Struct(fields) => {
            let number = ScalarValue::Int32(Some(one_of(dice, &[0, 1])));
            let text = ScalarValue::Utf8(Some(one_of(dice, TEXTS).to_owned()));
            let mut row = ScalarStructBuilder::new();
            for (field, value) in fields.iter().zip([number, text]) {
                row = row.with_scalar(Arc::clone(field), value);
            }
            row.build().unwrap_or(ScalarValue::Null)
        }
        _ => ScalarValue::Null,
    }
}
