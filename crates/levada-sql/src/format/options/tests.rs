use super::*;

fn options(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn json_of(prefix: &str, given: &BTreeMap<String, String>) -> JsonOptions {
    match Format::from_options("json", prefix, given).unwrap() {
        Format::Json(json) => json,
        other => panic!("{other:?}"),
    }
}

fn refused(name: &str, prefix: &str, pairs: &[(&str, &str)]) -> String {
    Format::from_options(name, prefix, &options(pairs)).unwrap_err().to_string()
}

#[test]
fn options_of_json_are_those_of_flink() {
    let given = options(&[
        ("connector", "kafka"),
        ("json.ignore-parse-errors", "TRUE"),
        ("json.timestamp-format.standard", "ISO-8601"),
        ("json.map-null-key.mode", "literal"),
        ("json.map-null-key.literal", "none"),
        ("json.encode.decimal-as-plain-number", "true"),
        ("json.encode.ignore-null-fields", "true"),
    ]);
    let json = json_of("", &given);
    let expected = JsonOptions {
        fail_on_missing_field: false,
        ignore_parse_errors: true,
        timestamp_format: TimestampFormat::Iso8601,
        encode_decimal_as_plain_number: true,
        encode_ignore_null_fields: true,
    };
    assert_eq!(json, expected);
}

#[test]
fn a_prefix_tells_the_key_from_the_value() {
    let given = options(&[("key.json.ignore-parse-errors", "true"), ("value.json.fail-on-missing-field", "true")]);
    let json = json_of("key.", &given);
    assert!(json.ignore_parse_errors && !json.fail_on_missing_field);
}

#[test]
fn what_is_unknown_is_refused_with_the_nearest_name() {
    assert_eq!(refused("jsn", "", &[]), "there is no format `jsn`; did you mean `json`?");
    assert_eq!(
        refused("json", "value.", &[("value.json.ignore-parse-error", "true")]),
        "`json` has no option `value.json.ignore-parse-error`; did you mean `value.json.ignore-parse-errors`?"
    );
    assert_eq!(refused("json", "", &[("json.zzz", "1")]), "`json` has no option `json.zzz`");
}

#[test]
fn values_that_an_option_cannot_have_are_refused() {
    assert_eq!(
        refused("json", "", &[("json.fail-on-missing-field", "yes")]),
        "`json.fail-on-missing-field` is `yes`; it can be `true` or `false`"
    );
    let both = [("json.fail-on-missing-field", "true"), ("json.ignore-parse-errors", "true")];
    assert!(refused("json", "", &both).contains("exclude each other"));
    assert!(refused("json", "", &[("json.timestamp-format.standard", "RFC")]).contains("ISO-8601"));
}

#[test]
fn options_of_raw_and_of_registries_are_those_of_flink() {
    let given = options(&[("raw.charset", "utf-8"), ("raw.endianness", "little-endian")]);
    let Format::Raw(raw) = Format::from_options("raw", "", &given).unwrap() else { panic!("not raw") };
    assert_eq!(raw.endianness, Endianness::Little);
    assert_eq!(refused("raw", "", &[("raw.charset", "latin1")]), "`raw.charset` is `latin1`; it can be `UTF-8`");
    let given = options(&[("value.avro-confluent.subject", "s")]);
    let Format::Avro(avro) = Format::from_options("avro-confluent", "value.", &given).unwrap() else {
        panic!("no Avro")
    };
    assert_eq!(avro.subject.as_deref(), Some("s"));
    assert_eq!(
        refused("protobuf", "key.", &[("key.protobuf.url", "http://r")]),
        "tables use this server's schema registry: leave `key.protobuf.url` out"
    );
    let password = [("avro-confluent.basic-auth.user-info", "u:p")];
    assert!(refused("avro-confluent", "", &password).contains("has no option `avro-confluent.basic-auth.user-info`"));
}
