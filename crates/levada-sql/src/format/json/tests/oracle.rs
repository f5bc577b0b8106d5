//! Random records, decoded here and by `serde_json`. `PROPTEST_CASES=1000000` makes it a long run.

use super::{Decoded, JsonOptions, all, decoder, row};
use crate::format::{Columns, Decoder};
use crate::types::{Item, Type};
use ::arrow::array::{Array as _, AsArray as _, RecordBatch};
use ::arrow::datatypes::Int64Type;
use proptest::prelude::*;
use proptest::strategy::Union;
use serde_json::Value;
use std::fmt::Write as _;

/// Names that are columns, and some that are none.
const NAMES: [&str; 8] = ["a", "b", "auction", "é", "q\"", "", "x", "long name that is no column"];

/// A document as text, piece by piece, so that whitespace and escapes are anything that JSON allows.
fn documents() -> impl Strategy<Value = String> {
    let space = || "[ \n\t\r]{0,2}";
    let string = || {
        let piece = Union::new([
            "[a-zA-Z0-9 éß漢😀/']{0,12}".boxed(),
            "(\\\\[\"\\\\/bfnrt]){1,2}".boxed(),
            any::<char>().prop_map(escaped).boxed(),
        ]);
        prop::collection::vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
    };
    let number = Union::new([
        any::<i64>().prop_map(|number| number.to_string()).boxed(),
        "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,5})?([eE][-+]?[0-9]{1,2})?".boxed(),
    ]);
    let leaf = Union::new([
        Just("null".to_owned()).boxed(),
        Just("true".to_owned()).boxed(),
        Just("false".to_owned()).boxed(),
        number.boxed(),
        string().boxed(),
        "\"-?[0-9]{1,20}\"".boxed(),
    ]);
    let name = Union::new([prop::sample::select(NAMES.as_slice()).prop_map(quoted).boxed(), string().boxed()]);
    let name = name.boxed();
    let object = move |inner: BoxedStrategy<String>| {
        let member = (space(), name.clone(), space(), inner, space());
        let member = member.prop_map(|(a, name, b, value, c)| format!("{a}{name}{b}:{value}{c}"));
        prop::collection::vec(member, 0..7).prop_map(|members| format!("{{{}}}", members.join(",")))
    };
    let nested = object.clone();
    let value = leaf.prop_recursive(4, 24, 5, move |inner| {
        let element = (space(), inner.clone(), space()).prop_map(|(a, value, b)| format!("{a}{value}{b}"));
        let array = prop::collection::vec(element, 0..5).prop_map(|elements| format!("[{}]", elements.join(",")));
        Union::new([array.boxed(), nested(inner).boxed()])
    });
    (space(), object(value.boxed()), space()).prop_map(|(a, object, b)| format!("{a}{object}{b}"))
}

fn escaped(c: char) -> String {
    let mut units = [0; 2];
    c.encode_utf16(&mut units).iter().fold(String::new(), |mut text, unit| {
        write!(text, "\\u{unit:04x}").unwrap();
        text
    })
}

fn quoted(name: &str) -> String {
    Value::from(name).to_string()
}

/// What `serde_json` makes of a record; it is asked without what Flink allows and it does not.
fn by_serde(record: &[u8]) -> Option<Result<Value, serde_json::Error>> {
    let mut strict = Vec::new();
    let (mut is_within, mut is_escaped) = (false, false);
    for &byte in record.strip_prefix(b"\xef\xbb\xbf").unwrap_or(record) {
        match byte {
            0..=0x1f if is_within && !is_escaped => strict.extend(format!("\\u{byte:04x}").bytes()),
            _ => strict.push(byte),
        }
        is_within ^= byte == b'"' && !is_escaped;
        is_escaped = is_within && !is_escaped && byte == b'\\';
    }
    let value = serde_json::from_slice::<Value>(&strict);
    match &value {
        // A number that is no double is one all the same.
        Err(error) if error.to_string().contains("number out of range") => None,
        Ok(value) if !value.is_object() => Some(serde_json::from_str("no object")),
        _ => Some(value),
    }
}

fn batch(decoder: &mut dyn Decoder, columns: &Columns) -> RecordBatch {
    let fields: Vec<_> = columns.wanted.iter().map(|at| columns.fields[*at].clone()).collect();
    let options = ::arrow::array::RecordBatchOptions::new().with_row_count(Some(decoder.len()));
    let schema = ::arrow::datatypes::Schema::new(fields);
    RecordBatch::try_new_with_options(schema.into(), decoder.finish().unwrap(), &options).unwrap()
}

/// Whether a column of text is what `serde_json` has there; numbers are compared by their values.
fn is_same(text: Option<&str>, value: Option<&Value>) -> bool {
    match (text, value) {
        (None, None | Some(Value::Null)) => true,
        (Some(text), Some(Value::String(value))) => text == value,
        (Some(text), Some(value)) => serde_json::from_str::<Value>(text).is_ok_and(|read| is_alike(&read, value)),
        _ => false,
    }
}

fn is_alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_alike(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, one)| other.get(name).is_some_and(|other| is_alike(one, other)))
        }
        _ => one == other,
    }
}

fn check(records: &[Vec<u8>], wanted: Vec<usize>) -> Result<(), TestCaseError> {
    let fields: Vec<(&str, Item)> = NAMES[..6].iter().map(|name| (*name, Type::String.nullable())).collect();
    let columns = Columns { fields: row(&fields), wanted };
    let mut decoder = decoder(&JsonOptions::default(), &columns).unwrap();
    let mut expected = Vec::new();
    for record in records {
        let outcome = decoder.decode(Some(record));
        let shown = String::from_utf8_lossy(record);
        match by_serde(record) {
            Some(Ok(value)) => {
                prop_assert_eq!(outcome, Ok(Decoded::Row), "{}", shown);
                expected.push(Some(value));
            }
            Some(Err(error)) => {
                prop_assert!(outcome != Ok(Decoded::Row), "{}: {}", shown, error);
            }
            None if outcome == Ok(Decoded::Row) => expected.push(None),
            None => {}
        }
    }
    let batch = batch(decoder.as_mut(), &columns);
    prop_assert_eq!(batch.num_rows(), expected.len());
    for (place, wanted) in columns.wanted.iter().enumerate() {
        let texts = batch.column(place).as_string::<i32>();
        for (row, value) in expected.iter().enumerate() {
            let Some(value) = value else { continue };
            let text = texts.is_valid(row).then(|| texts.value(row));
            prop_assert!(is_same(text, value.get(NAMES[*wanted])), "{:?} in {}", text, value);
        }
    }
    Ok(())
}

fn wanted() -> impl Strategy<Value = Vec<usize>> {
    prop::sample::subsequence((0..6).collect::<Vec<usize>>(), 0..=6).prop_shuffle()
}

/// A value as a column of another type has it, from what `serde_json` read: enough to tell rows from each other.
fn is_bigint(value: Option<&Value>) -> Result<Option<i64>, ()> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => text.trim_matches(|c| c <= ' ').parse().map(Some).map_err(|_| ()),
        Some(Value::Number(number)) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => Ok(Some(number)),
            (None, None, Some(float)) if float.abs() < 9e15 => {
                format!("{:.0}", float.trunc()).parse().map(Some).map_err(|_| ())
            }
            _ => Err(()),
        },
        Some(_) => Err(()),
    }
}

proptest! {
    #[test]
    fn records_are_what_serde_json_reads(records in prop::collection::vec(documents(), 1..6), wanted in wanted()) {
        let records: Vec<Vec<u8>> = records.into_iter().map(String::into_bytes).collect();
        check(&records, wanted)?;
    }

    #[test]
    fn broken_records_fail_where_serde_json_fails(
        records in prop::collection::vec(documents(), 1..6),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4), 1..4),
        wanted in wanted(),
    ) {
        let mut broken = Vec::new();
        for record in records {
            let mut record = record.into_bytes();
            for (at, byte, manner) in &damage {
                let at = at.index(record.len() + 1);
                match manner {
                    0 => record.truncate(at),
                    1 => record.insert(at, *byte),
                    2 => record.insert(at, b"{}[]\",:\\0-.eu"[usize::from(*byte) % 13]),
                    _ if at < record.len() => record[at] = *byte,
                    _ => {}
                }
            }
            broken.push(record);
        }
        check(&broken, wanted)?;
    }

    #[test]
    fn numbers_are_what_serde_json_reads(record in documents()) {
        let Some(Ok(value)) = by_serde(record.as_bytes()) else { return Ok(()) };
        let columns = all(row(&[("a", Type::BigInt.nullable())]));
        let options = JsonOptions { ignore_parse_errors: true, ..JsonOptions::default() };
        let mut decoder = decoder(&options, &columns).unwrap();
        prop_assert_eq!(decoder.decode(Some(record.as_bytes())), Ok(Decoded::Row));
        let batch = batch(decoder.as_mut(), &columns);
        let numbers = batch.column(0).as_primitive::<Int64Type>();
        let number = numbers.is_valid(0).then(|| numbers.value(0));
        // A double may be too coarse to tell.
        if let Ok(expected) = is_bigint(value.get("a")) {
            prop_assert_eq!(number, expected, "{}", record);
        }
    }

    #[test]
    fn no_types_and_bytes_panic(records in prop::collection::vec(documents(), 1..3), cut: prop::sample::Index) {
        let named = |name: &str, of: Type| (name.to_owned(), of.nullable());
        let nested = Type::Row(vec![named("a", Type::Double), named("b", Type::Date)]);
        let types = [
            Type::Array(Box::new(nested.clone().nullable())),
            Type::Map(Box::new(Type::String.not_null()), Box::new(nested.nullable())),
            Type::Decimal { precision: 38, scale: 18 },
            Type::Bytes,
            Type::Boolean,
            Type::Timestamp(9),
        ];
        let fields: Vec<(&str, Item)> = NAMES.iter().zip(types).map(|(name, of)| (*name, of.nullable())).collect();
        let columns = all(row(&fields));
        for ignore_parse_errors in [false, true] {
            let options = JsonOptions { ignore_parse_errors, ..JsonOptions::default() };
            let mut decoder = decoder(&options, &columns).unwrap();
            let mut rows = 0;
            for record in &records {
                let whole = decoder.decode(Some(record.as_bytes()));
                rows += usize::from(whole == Ok(Decoded::Row));
                prop_assert!(!ignore_parse_errors || whole == Ok(Decoded::Row), "{}", record);
                let record = record.trim_end().as_bytes();
                let half = decoder.decode(Some(&record[..cut.index(record.len())]));
                prop_assert!(half != Ok(Decoded::Row));
            }
            prop_assert_eq!(batch(decoder.as_mut(), &columns).num_rows(), rows);
        }
    }
}
