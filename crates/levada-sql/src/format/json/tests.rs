mod oracle;

use super::*;
use crate::format::{Decoded, Problem};

fn row(fields: &[(&str, Item)]) -> Fields {
    fields.iter().map(|(name, item)| item.field(name)).collect()
}

fn all(fields: Fields) -> Columns {
    let wanted = (0..fields.len()).collect();
    Columns { fields, wanted }
}

fn one(of: Type) -> Fields {
    row(&[("a", of.nullable())])
}

/// What becomes of records: each row as JSON again, an error as its text, `-` for what is skipped.
fn decoded(fields: &Fields, options: &JsonOptions, records: &[&str]) -> Vec<String> {
    let mut decoder = decoder(options, &all(fields.clone())).unwrap();
    let mut outcomes = Vec::new();
    for record in records {
        outcomes.push(match decoder.decode(Some(record.as_bytes())) {
            Ok(Decoded::Row) => None,
            Ok(Decoded::Skipped) => Some("-".to_owned()),
            Err(error) => Some(error.to_string()),
        });
    }
    let columns = decoder.finish().unwrap();
    let mut encoder = encoder(options, fields).unwrap();
    let mut rows = 0..;
    let mut shown = |outcome: Option<String>| {
        outcome.unwrap_or_else(|| {
            let mut out = Vec::new();
            encoder.encode(&columns, rows.next().unwrap(), &mut out).unwrap();
            String::from_utf8(out).unwrap()
        })
    };
    outcomes.into_iter().map(&mut shown).collect()
}

fn value(of: &Type, json: &str) -> String {
    let record = format!("{{\"a\":{json}}}");
    let shown = decoded(&one(of.clone()), &JsonOptions::default(), &[&record]).remove(0);
    shown.strip_prefix("{\"a\":").and_then(|rest| rest.strip_suffix('}')).map_or(shown.clone(), str::to_owned)
}

#[test]
fn values_are_coerced_as_flink_does_it() {
    let decimal = Type::Decimal { precision: 5, scale: 2 };
    let array = Type::Array(Box::new(Type::Int.nullable()));
    let map = Type::Map(Box::new(Type::String.not_null()), Box::new(Type::Int.nullable()));
    let nested = Type::Row(vec![("x".to_owned(), Type::Int.nullable()), ("y".to_owned(), Type::String.nullable())]);
    for (of, json, expected) in [
        (Type::Int, "1", "1"),
        (Type::Int, "\" -12 \"", "-12"),
        (Type::Int, "\"+12\"", "12"),
        (Type::Int, "1.9", "1"),
        (Type::Int, "-1.9e1", "-19"),
        (Type::BigInt, "9223372036854775807", "9223372036854775807"),
        (Type::BigInt, "-9223372036854775808", "-9223372036854775808"),
        (Type::BigInt, "9007199254740993.0", "9007199254740993"),
        (Type::TinyInt, "-128", "-128"),
        (Type::SmallInt, "\"32767\"", "32767"),
        (Type::Boolean, "true", "true"),
        (Type::Boolean, "\" TRUE\"", "true"),
        (Type::Boolean, "\"yes\"", "false"),
        (Type::Boolean, "1", "false"),
        (Type::Double, "1", "1.0"),
        (Type::Double, "\"1e3\"", "1000.0"),
        (Type::Double, "1e400", "\"Infinity\""),
        (Type::Double, "\"NaN\"", "\"NaN\""),
        (Type::Float, "0.1", "0.1"),
        (Type::String, "1.50", "\"1.50\""),
        (Type::String, "true", "\"true\""),
        (Type::String, "{ \"b\" : [ 1 , 1.50, \"\\u00e9\\n\" ], \"b\":{}, \"c\":null }", r#""{\"b\":{},\"c\":null}""#),
        (Type::String, "[1e1,\"\\u001f\"]", r#""[10.0,\"\\u001F\"]""#),
        (Type::String, "\"\\ud83d\\ude00\\/\"", "\"😀/\""),
        (Type::String, "\"a\nb\"", "\"a\\nb\""),
        (Type::Bytes, "\"AQI=\"", "\"AQI=\""),
        (decimal.clone(), "1.005", "1.01"),
        (decimal.clone(), "\" 12 \"", "12.00"),
        (decimal, "1000", "null"),
        (Type::Date, "\"2020-02-29\"", "\"2020-02-29\""),
        (Type::Time(0), "\"12:13:14.567\"", "\"12:13:14\""),
        (Type::Time(6), "\"12:13:14.1234567\"", "\"12:13:14.123456\""),
        (Type::Timestamp(3), "\"2020-02-29 12:13:14.12345\"", "\"2020-02-29 12:13:14.123\""),
        (Type::Timestamp(0), "\"1969-12-31 23:59:59.9\"", "\"1969-12-31 23:59:59\""),
        (Type::TimestampLtz(9), "\"2020-02-29 12:13:14.123456789Z\"", "\"2020-02-29 12:13:14.123456789Z\""),
        (array.clone(), " [ 1 , null , \"3\" ] ", "[1,null,3]"),
        (array, "[]", "[]"),
        (map, "{\"x\":1,\"y\":null,\"x\":2}", "{\"y\":null,\"x\":2}"),
        (nested, "{\"z\":[{}],\"y\":2,\"y\":3}", "{\"x\":null,\"y\":\"3\"}"),
        (Type::Char(1), "\"longer\"", "\"longer\""),
    ] {
        assert_eq!(value(&of, json), expected, "{json} as {of}");
    }
}

#[test]
fn what_is_no_value_of_its_type_is_an_error_that_says_where() {
    let array = Type::Array(Box::new(Type::Int.not_null()));
    for (of, json, expected) in [
        (Type::Int, "\"x\"", "field `a`: `\"x\"` is no INT, at byte 8"),
        (Type::Int, "2147483648", "field `a`: `2147483648` is no INT, at byte 15"),
        (Type::Int, "true", "field `a`: `true` is no INT, at byte 9"),
        (Type::TinyInt, "1.0", "field `a`: `1.0` is no TINYINT, at byte 8"),
        (Type::BigInt, "1e19", "field `a`: `1e19` is no BIGINT, at byte 9"),
        (Type::Boolean, "[]", "field `a`: `[]` is no BOOLEAN, at byte 7"),
        (Type::Bytes, "12", "field `a`: `12` is no BYTES, at byte 7"),
        (Type::Bytes, "true", "field `a`: `true` is no BYTES, at byte 9"),
        (Type::Bytes, "\"A\"", "field `a`: `\"A\"` is no BYTES, at byte 8"),
        (Type::Date, "\"2021-02-29\"", "field `a`: `\"2021-02-29\"` is no DATE, at byte 17"),
        (
            Type::Timestamp(9),
            "\"2500-01-01 00:00:00\"",
            "field `a`: `\"2500-01-01 00:00:00\"` is no TIMESTAMP(9), at byte 26",
        ),
        (Type::Timestamp(3), "1577836800000", "field `a`: `1577836800000` is no TIMESTAMP(3), at byte 18"),
        (array.clone(), "{\"b\":1}", "field `a`: `{\"b\":1}` is no ARRAY, at byte 12"),
        (array, "[1,null]", "field `a`: it is NULL, and its column is NOT NULL, at byte 12"),
    ] {
        assert_eq!(value(&of, json), expected, "{json}");
    }
}

#[test]
fn a_record_is_json_or_is_not_whichever_columns_are_wanted() {
    let nested = "[".repeat(63) + &"]".repeat(63);
    let deeper = "[".repeat(64) + &"]".repeat(64);
    let bottomless = "[".repeat(1_000_000);
    for (rest, expected) in [
        ("1}", "row"),
        ("\"\\u0041\\ud83d\\ude00\"} \n\t", "row"),
        ("{\"b\":[{},[],\"\",-0.0e+1,true,false,null]}}", "row"),
        (&format!("{nested}}}"), "row"),
        (&format!("{deeper}}}"), "values nest deeper than 64 levels, at byte 68"),
        (&bottomless, "values nest deeper than 64 levels, at byte 68"),
        ("", "the record ends early, at byte 5"),
        ("1", "the record ends early, at byte 6"),
        ("1}}", "there is more after the end of the value, at byte 7"),
        ("01}", "a number without leading zeros is expected here, at byte 5"),
        ("1.}", "a digit is expected here, at byte 7"),
        ("-}", "a digit is expected here, at byte 6"),
        ("1e}", "a digit is expected here, at byte 7"),
        ("+1}", "a value is expected here, at byte 5"),
        ("tru}", "a value is expected here, at byte 5"),
        ("\"x}", "the record ends early, at byte 8"),
        ("\"\\x\"}", "an escape that JSON knows is expected here, at byte 6"),
        ("\"\\u12g4\"}", "four hexadecimal digits is expected here, at byte 8"),
        ("\"\\ud83d\"}", "a pair of surrogates is expected here, at byte 6"),
        ("\"\\ude00\"}", "a pair of surrogates is expected here, at byte 6"),
        ("[1,]}", "a value is expected here, at byte 8"),
        ("[1}", "`,` or `]` is expected here, at byte 7"),
        ("{\"b\"}}", "`:` is expected here, at byte 9"),
        ("{b:1}}", "a string is expected here, at byte 6"),
        ("1,}", "a string is expected here, at byte 7"),
        ("NaN}", "a value is expected here, at byte 5"),
    ] {
        let record = format!("{{\"a\":{rest}");
        for wanted in [vec![], vec![0]] {
            let columns = Columns { fields: one(Type::String), wanted };
            let mut decoder = decoder(&JsonOptions::default(), &columns).unwrap();
            let outcome = decoder.decode(Some(record.as_bytes())).map(|_| "row".to_owned());
            let outcome = outcome.unwrap_or_else(|error| error.to_string());
            assert_eq!(outcome.trim_start_matches("field `a`: "), expected, "{}", &record[..record.len().min(80)]);
        }
    }
}

#[test]
fn what_is_no_object_is_no_record() {
    let fields = one(Type::Int);
    for record in ["1", "[]", "null", " ", "\"{}\""] {
        let shown = decoded(&fields, &JsonOptions::default(), &[record]).remove(0);
        assert!(shown.starts_with("an object is expected") || shown.starts_with("the record ends"), "{shown}");
    }
    let mut decoder = decoder(&JsonOptions::default(), &all(fields)).unwrap();
    assert_eq!(decoder.decode(Some(b"{\"a\":\"\xff\"}")).unwrap_err().problem, Problem::NotUtf8);
    assert_eq!(decoder.decode(Some(b"\xef\xbb\xbf{\"a\":1}")), Ok(Decoded::Row));
    assert_eq!(decoder.decode(None), Ok(Decoded::Skipped));
    assert_eq!(decoder.decode(Some(b"")), Ok(Decoded::Skipped));
    assert_eq!(decoder.len(), 1);
}

#[test]
fn missing_members_are_null_unless_told_otherwise() {
    let fields = row(&[("a", Type::Int.nullable()), ("b", Type::Int.nullable())]);
    let records = ["{\"b\":1}", "{}", "{\"b\":2,\"a\":3}"];
    let nulls = decoded(&fields, &JsonOptions::default(), &records);
    assert_eq!(nulls, ["{\"a\":null,\"b\":1}", "{\"a\":null,\"b\":null}", "{\"a\":3,\"b\":2}"]);
    let strict = JsonOptions { fail_on_missing_field: true, ..JsonOptions::default() };
    let failed = decoded(&fields, &strict, &records);
    assert_eq!(
        failed,
        ["the field `a` is missing, at byte 7", "the field `a` is missing, at byte 2", "{\"a\":3,\"b\":2}"]
    );
}

#[test]
fn a_column_that_is_not_null_is_never_null() {
    let fields = row(&[("a", Type::Int.not_null()), ("b", Type::Int.nullable())]);
    let records = ["{\"b\":1}", "{\"a\":null}", "{\"a\":null,\"a\":1}", "{\"a\":1,\"a\":null}"];
    let shown = decoded(&fields, &JsonOptions::default(), &records);
    let refused = "field `a`: it is NULL, and its column is NOT NULL";
    assert!(shown[0].starts_with(refused) && shown[1].starts_with(refused) && shown[3].starts_with(refused));
    assert_eq!(shown[2], "{\"a\":1,\"b\":null}");
    let ignoring = JsonOptions { ignore_parse_errors: true, ..JsonOptions::default() };
    assert_eq!(decoded(&fields, &ignoring, &["{\"a\":\"x\"}", "{\"a\":2}"]), ["-", "{\"a\":2,\"b\":null}"]);
}

#[test]
fn what_does_not_parse_is_null_or_skipped_if_that_is_asked_for() {
    let nested = Type::Row(vec![("x".to_owned(), Type::Int.not_null()), ("y".to_owned(), Type::Int.nullable())]);
    let array = Type::Array(Box::new(Type::Int.nullable()));
    let fields = row(&[("a", Type::Int.nullable()), ("n", nested.nullable()), ("l", array.nullable())]);
    let ignoring = JsonOptions { ignore_parse_errors: true, ..JsonOptions::default() };
    let records = [
        "{\"a\":\"x\",\"n\":{\"x\":1,\"y\":\"?\"},\"l\":[1,\"?\",{\"a\":[]},4]}",
        "{\"a\":1,\"n\":{\"x\":\"?\",\"y\":2},\"l\":{}}",
        "{\"a\":1",
        "{\"a\":{\"b\":[1,2]},\"l\":null}",
        "{\"a\":{\"b\":[1,2},\"l\":null}",
        "3",
    ];
    let expected = [
        "{\"a\":null,\"n\":{\"x\":1,\"y\":null},\"l\":[1,null,null,4]}",
        "{\"a\":1,\"n\":null,\"l\":null}",
        "-",
        "{\"a\":null,\"n\":null,\"l\":null}",
        "-",
        "-",
    ];
    assert_eq!(decoded(&fields, &ignoring, &records), expected);
}

#[test]
fn a_record_that_fails_leaves_no_trace() {
    let array = Type::Array(Box::new(Type::String.nullable()));
    let fields = row(&[("a", array.nullable()), ("b", Type::Int.nullable())]);
    let records = ["{\"a\":[\"x\"],\"b\":1}", "{\"a\":[\"y\",\"z\"],\"b\":\"?\"}", "{\"a\":null,\"b\":2}"];
    let shown = decoded(&fields, &JsonOptions::default(), &records);
    assert_eq!((shown[0].as_str(), shown[2].as_str()), ("{\"a\":[\"x\"],\"b\":1}", "{\"a\":null,\"b\":2}"));
    assert!(shown[1].starts_with("field `b`"));
}

#[test]
fn members_are_found_in_any_order_and_however_they_are_escaped() {
    let fields =
        row(&[("auction", Type::Int.nullable()), ("b\"\\", Type::Int.nullable()), ("é", Type::Int.nullable())]);
    let records = [
        r#"{"auction":1,"b\"\\":2,"é":3}"#,
        r#"{"é":3,"auction":1,"b\"\\":2}"#,
        r#"{ "\u00e9" : 3 , "x" : 0, "au\u0063tion":1,"b\u0022\u005c":2}"#,
        r#"{"é":3,"auctions":7,"auctio":8,"auction":1,"b\"\\":2}"#,
    ];
    for shown in decoded(&fields, &JsonOptions::default(), &[records, records].concat()) {
        assert_eq!(shown, r#"{"auction":1,"b\"\\":2,"é":3}"#);
    }
}

#[test]
fn keys_that_are_no_columns_do_not_pile_up() {
    let mut decoder = decoder(&JsonOptions::default(), &all(one(Type::Int))).unwrap();
    for number in 0..10_000 {
        let record = format!("{{\"k{number}\":[],\"a\":{number}}}");
        decoder.decode(Some(record.as_bytes())).unwrap();
    }
    assert_eq!(decoder.len(), 10_000);
}

#[test]
fn wanted_columns_come_in_the_order_in_which_they_are_wanted() {
    let fields = row(&[("a", Type::Int.nullable()), ("b", Type::String.nullable()), ("c", Type::Date.nullable())]);
    let mut decoder = decoder(&JsonOptions::default(), &Columns { fields, wanted: vec![2, 0] }).unwrap();
    decoder.decode(Some(b"{\"a\":1,\"b\":2,\"c\":\"1970-01-02\"}")).unwrap();
    decoder.blank();
    let columns = decoder.finish().unwrap();
    let types: Vec<String> = columns.iter().map(|column| column.data_type().to_string()).collect();
    assert_eq!(types, ["Date32", "Int32"]);
    assert!(columns.iter().all(|column| column.len() == 2 && column.is_null(1)));
}

#[test]
fn a_row_without_values_is_null_where_it_may_be() {
    let fields = row(&[("a", Type::String.not_null()), ("b", Type::Int.nullable())]);
    let mut decoder = decoder(&JsonOptions::default(), &all(fields.clone())).unwrap();
    decoder.blank();
    let batch =
        ::arrow::array::RecordBatch::try_new(::arrow::datatypes::Schema::new(fields).into(), decoder.finish().unwrap());
    assert_eq!(batch.unwrap().column(1).null_count(), 1);
    assert!(decoder.is_empty());
}

#[test]
fn types_that_json_has_no_form_for_are_refused() {
    let map = Type::Map(Box::new(Type::Int.not_null()), Box::new(Type::Int.nullable()));
    let error = decoder(&JsonOptions::default(), &all(one(map))).err().unwrap().to_string();
    assert!(error.starts_with("`json` cannot hold column `a` of type MAP<INT NOT NULL, INT>"), "{error}");
    let twice = row(&[("a", Type::Int.nullable()), ("a", Type::Int.nullable())]);
    assert!(decoder(&JsonOptions::default(), &all(twice)).err().unwrap().to_string().contains("twice"));
}

#[test]
fn rows_are_written_as_flink_writes_them() {
    let decimal = Type::Decimal { precision: 20, scale: 9 };
    let fields = row(&[
        ("d", decimal.nullable()),
        ("t", Type::Timestamp(6).nullable()),
        ("z", Type::TimestampLtz(3).nullable()),
        ("f", Type::Double.nullable()),
    ]);
    let record = "{\"d\":0.000000027,\"t\":\"2020-01-01 00:00:00.1200\",\"z\":null,\"f\":1e10}";
    let plain = decoded(&fields, &JsonOptions::default(), &[record]);
    assert_eq!(plain, ["{\"d\":2.7E-8,\"t\":\"2020-01-01 00:00:00.12\",\"z\":null,\"f\":1.0E10}"]);
    let options = JsonOptions {
        encode_decimal_as_plain_number: true,
        encode_ignore_null_fields: true,
        timestamp_format: TimestampFormat::Iso8601,
        ..JsonOptions::default()
    };
    let record = record.replace("01 00", "01T00");
    let shown = decoded(&fields, &options, &[&record]);
    assert_eq!(shown, ["{\"d\":0.000000027,\"t\":\"2020-01-01T00:00:00.12\",\"f\":1.0E10}"]);
}
