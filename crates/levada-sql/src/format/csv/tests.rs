use super::*;
use crate::format::{DecodeError, Decoded, JsonOptions, json};
use proptest::prelude::*;

fn fields_of(of: &[(&str, Type)]) -> Fields {
    of.iter().map(|(name, of)| of.clone().nullable().field(name)).collect()
}

/// Records as JSON, by way of columns; an error as its text, `-` for what is skipped.
fn shown(options: &CsvOptions, fields: &Fields, records: &[&str]) -> Vec<String> {
    let wanted = (0..fields.len()).collect();
    let mut decoder = decoder(options, &Columns { fields: fields.clone(), wanted }).unwrap();
    let outcomes: Vec<_> = records.iter().map(|record| decoder.decode(Some(record.as_bytes()))).collect();
    let columns = decoder.finish().unwrap();
    let mut json = json::encoder(&JsonOptions::default(), fields).unwrap();
    let mut rows = 0..;
    let text = |outcome: Result<Decoded, DecodeError>| match outcome {
        Err(error) => error.to_string(),
        Ok(Decoded::Skipped) => "-".to_owned(),
        Ok(Decoded::Row) => {
            let mut out = Vec::new();
            json.encode(&columns, rows.next().unwrap(), &mut out).unwrap();
            String::from_utf8(out).unwrap()
        }
    };
    outcomes.into_iter().map(text).collect()
}

/// JSON records as CSV.
fn written(options: &CsvOptions, fields: &Fields, record: &str) -> String {
    let wanted = (0..fields.len()).collect();
    let columns = Columns { fields: fields.clone(), wanted };
    let mut reader = json::decoder(&JsonOptions::default(), &columns).unwrap();
    reader.decode(Some(record.as_bytes())).unwrap();
    let mut out = Vec::new();
    match encoder(options, fields).unwrap().encode(&reader.finish().unwrap(), 0, &mut out) {
        Ok(_) => String::from_utf8(out).unwrap(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn fields_are_columns_in_their_order() {
    let row = Type::Row(vec![("x".to_owned(), Type::Int.nullable()), ("y".to_owned(), Type::String.nullable())]);
    let array = Type::Array(Box::new(Type::Int.nullable()));
    let fields = fields_of(&[("a", Type::Int), ("b", Type::String), ("l", array), ("r", row), ("t", Type::Time(3))]);
    let options = CsvOptions { null_literal: Some("n/a".to_owned()), allow_comments: true, ..CsvOptions::default() };
    let records = [" 1 ,\"x, \"\"y\"\"\n\",1;n/a;3,7;z,12:13", "n/a,,,n/a,12:13:14.5678\r\n", "# nothing", ""];
    assert_eq!(
        shown(&options, &fields, &records),
        [
            r#"{"a":1,"b":"x, \"y\"\n","l":[1,null,3],"r":{"x":7,"y":"z"},"t":"12:13:00"}"#,
            r#"{"a":null,"b":"","l":[],"r":null,"t":"12:13:14.567"}"#,
            "-",
            "-",
        ]
    );
}

#[test]
fn what_is_wrong_is_told_with_its_place_or_ignored() {
    let row = Type::Row(vec![("x".to_owned(), Type::Int.nullable()), ("y".to_owned(), Type::Int.nullable())]);
    let fields = fields_of(&[("a", Type::Int), ("r", row)]);
    let records = ["x,1;2", "1,1;2;3", "1", "1,1;2,3", "\"1,2", "\"1\"x,2", "1,2;3\n4", "1,2;x", ",1;2"];
    assert_eq!(
        shown(&CsvOptions::default(), &fields, &records),
        [
            "field `a`: `x` is no INT, at byte 0",
            "field `r`: 3 fields for 2 columns, at byte 2",
            "1 fields for 2 columns",
            "3 fields for 2 columns",
            "the record ends early, at byte 4",
            "a delimiter is expected here, at byte 3",
            "there is more after the end of the value, at byte 5",
            "field `r`: `x` is no INT, at byte 2",
            "field `a`: `` is no INT, at byte 0",
        ]
    );
    let ignoring = CsvOptions { ignore_parse_errors: true, ..CsvOptions::default() };
    assert_eq!(
        shown(&ignoring, &fields, &records),
        [
            r#"{"a":null,"r":{"x":1,"y":2}}"#,
            r#"{"a":1,"r":{"x":1,"y":2}}"#,
            r#"{"a":1,"r":null}"#,
            r#"{"a":1,"r":{"x":1,"y":2}}"#,
            "-",
            "-",
            "-",
            r#"{"a":1,"r":{"x":2,"y":null}}"#,
            r#"{"a":null,"r":{"x":1,"y":2}}"#,
        ]
    );
}

#[test]
fn rows_are_quoted_where_jackson_quotes_them() {
    let decimal = Type::Decimal { precision: 20, scale: 9 };
    let fields = fields_of(&[("a", Type::Int), ("b", Type::String), ("d", decimal), ("t", Type::Timestamp(3))]);
    let record = r#"{"a":-1,"b":"x\"y","d":"0.000000027","t":"2020-01-01 00:00:00.5"}"#;
    assert_eq!(written(&CsvOptions::default(), &fields, record), "-1,\"x\"\"y\",2.7E-8,\"2020-01-01 00:00:00.5\"");
    let plain = CsvOptions {
        write_bigdecimal_in_scientific_notation: false,
        null_literal: Some("NULL".to_owned()),
        field_delimiter: b'|',
        ..CsvOptions::default()
    };
    assert_eq!(written(&plain, &fields, r#"{"b":"~","d":"0.000000027"}"#), "NULL|~|0.000000027|NULL");
    let unquoted = CsvOptions { quote_character: None, ..CsvOptions::default() };
    assert_eq!(
        written(&unquoted, &fields, r#"{"b":"a,b"}"#),
        "column `b`: `a,b` does not fit a field without quotes: set `csv.quote-character`"
    );
}

#[test]
fn types_that_csv_has_no_form_for_are_refused() {
    let nested = Type::Array(Box::new(Type::Array(Box::new(Type::Int.nullable())).nullable()));
    for of in [nested, Type::Time(6), Type::Map(Box::new(Type::String.not_null()), Box::new(Type::Int.nullable()))] {
        assert!(encoder(&CsvOptions::default(), &fields_of(&[("a", of)])).is_err());
    }
}

proptest! {
    #[test]
    fn rows_are_read_as_they_are_written(
        texts in prop::collection::vec(".{0,30}", 3), elements in prop::collection::vec("[^;]{1,5}", 0..3),
        number: i64, has_escape: bool,
    ) {
        let array = Type::Array(Box::new(Type::String.nullable()));
        let text = || Type::String;
        let fields = fields_of(&[("a", text()), ("n", Type::BigInt), ("b", text()), ("c", text()), ("l", array)]);
        let escape_character = has_escape.then_some(b'\\');
        let options = CsvOptions { escape_character, ..CsvOptions::default() };
        let json = serde_json::json!({ "a": texts[0], "n": number, "b": texts[1], "c": texts[2], "l": elements });
        let csv = written(&options, &fields, &json.to_string());
        let read = shown(&options, &fields, &[&csv]).remove(0);
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&read).unwrap(), json, "{}", csv);
    }

    #[test]
    fn no_text_panics(text in "[a0\",;\\\\\r\n#\u{e9}]{0,20}", ignore_parse_errors: bool) {
        let options = CsvOptions { ignore_parse_errors, escape_character: Some(b'\\'), ..CsvOptions::default() };
        let array = Type::Array(Box::new(Type::Int.not_null()));
        shown(&options, &fields_of(&[("a", Type::Int), ("l", array)]), &[&text]);
    }
}
