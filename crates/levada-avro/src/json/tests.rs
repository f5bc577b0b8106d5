//! What is written is what Jackson writes.

use super::{Json, read};

fn again(text: &str) -> String {
    read(text).unwrap_or_else(|error| panic!("`{text}`: {error}")).to_string()
}

#[test]
fn numbers_are_written_as_java_writes_them() {
    let pairs = [
        ("0", "0"),
        ("-0", "0"),
        ("-12", "-12"),
        ("9223372036854775807", "9223372036854775807"),
        ("9223372036854775808", "9223372036854775808"),
        ("1.0", "1.0"),
        ("-0.0", "-0.0"),
        ("0.10", "0.1"),
        ("1e3", "1000.0"),
        ("1E7", "1.0E7"),
        ("12345678.9", "1.23456789E7"),
        ("0.001", "0.001"),
        ("0.00012", "1.2E-4"),
        ("1e400", "\"Infinity\""),
    ];
    for (text, expected) in pairs {
        assert_eq!(again(text), expected, "{text}");
    }
}

#[test]
fn strings_are_escaped_as_jackson_escapes() {
    assert_eq!(again(r#""a\/\u0041\u00e9\u001f\n\"\\\ud83d\ude00""#), "\"a/Aé\\u001F\\n\\\"\\\\😀\"");
}

#[test]
fn an_object_keeps_the_order_and_the_last_of_two_members() {
    assert_eq!(again(r#"{"b":1,"a":2,"b":{"z":0}}"#), r#"{"b":{"z":0},"a":2}"#);
    let sorted = read(r#"{"b":[{"d":1,"c":2}],"a":2}"#).unwrap().sorted();
    assert_eq!(sorted.to_string(), r#"{"a":2,"b":[{"c":2,"d":1}]}"#);
}

#[test]
fn comments_are_skipped_but_not_behind_the_value() {
    assert_eq!(again("// one\n[1, /* two * / */ 2]\n\t "), "[1,2]");
    assert!(read("[1] // two").is_err());
    assert!(read("[1 /* two").is_err());
}

#[test]
fn what_is_no_json_is_refused_with_its_place() {
    for text in ["", "string", "01", "+1", "1.", ".5", "1e", "\"a", "\"\t\"", "\"\\x\"", "[1,]", "{\"a\":}", "[1 2]"] {
        assert!(read(text).is_err(), "{text}");
    }
    for text in ["{a:1}", "nul", "truex", "[", "{\"a\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "1 2", "'a'", "\u{feff}1"]
    {
        assert!(read(text).is_err(), "{text}");
    }
    assert_eq!(read("[1,\n  x]").unwrap_err().to_string(), "not JSON at line 2, column 3: a value was expected");
}

#[test]
fn nesting_is_bounded_before_it_is_followed() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(matches!(read(&nested(super::reader::DEPTH_MAX)), Ok(Json::Array(_))));
    let error = read(&nested(1_000_000)).unwrap_err();
    assert!(error.to_string().contains("nested deeper than 300"), "{error}");
}
