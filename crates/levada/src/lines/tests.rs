use super::*;

fn consumed(record: &LineRecord) -> ConsumedRecord {
    ConsumedRecord {
        offset: 7,
        timestamp: record.timestamp.unwrap_or(-1),
        key: record.key.clone(),
        value: record.value.clone(),
        headers: record.headers.clone(),
    }
}

fn line(record: &LineRecord, format: LineFormat) -> String {
    let mut text = Vec::new();
    let record = consumed(record);
    write(&mut text, &record, Part::of(&record), 2, format);
    String::from_utf8(text).unwrap().strip_suffix('\n').unwrap().to_owned()
}

fn read(text: &str, format: LineFormat) -> Result<LineRecord, LineError> {
    parse(Bytes::copy_from_slice(text.as_bytes()), format, Coded::default(), 1_000_000)
}

fn bytes(text: &'static [u8]) -> Option<Bytes> {
    Some(Bytes::from_static(text))
}

#[test]
fn lines_are_values() {
    assert_eq!(read("a\tb", LineFormat::Value).unwrap(), LineRecord { value: bytes(b"a\tb"), ..Default::default() });
    assert_eq!(read("", LineFormat::Value).unwrap().value, bytes(b""));
}

#[test]
fn the_first_tab_ends_the_key() {
    let record = read("k\tv\tw", LineFormat::KeyValue).unwrap();
    assert_eq!((record.key.clone(), record.value.clone()), (bytes(b"k"), bytes(b"v\tw")));
    assert_eq!(line(&record, LineFormat::KeyValue), "k\tv\tw");
    let record = read("v", LineFormat::KeyValue).unwrap();
    assert_eq!((record.key.clone(), line(&record, LineFormat::KeyValue)), (None, "v".to_owned()));
    assert_eq!(read("\tv", LineFormat::KeyValue).unwrap().key, bytes(b""));
}

#[test]
fn json_round_trips_everything_a_record_has() {
    let header = |key: &str, value| RecordHeader { key: Str::from(key), value };
    let full = LineRecord {
        key: bytes(b"\xff\x00"),
        value: bytes("tab\tline\nquote\" \u{1f30a}".as_bytes()),
        headers: vec![
            header("trace", bytes(b"1")),
            header("trace", bytes(b"2")),
            header("", None),
            header("raw", bytes(b"\xfe")),
        ],
        timestamp: Some(1_782_907_200_000),
        partition: Some(2),
    };
    let empty = LineRecord { key: bytes(b""), value: None, partition: Some(2), ..LineRecord::default() };
    for record in [full, empty] {
        let text = line(&record, LineFormat::Json);
        assert!(!text.contains('\n'), "{text}");
        assert_eq!(read(&text, LineFormat::Json).unwrap(), record, "{text}");
    }
}

#[test]
fn json_is_shown_in_a_fixed_order() {
    let record = LineRecord {
        key: bytes(b"k"),
        value: bytes(b"v"),
        headers: vec![RecordHeader { key: Str::from("h"), value: bytes(b"x") }],
        timestamp: Some(5),
        partition: None,
    };
    assert_eq!(
        line(&record, LineFormat::Json),
        r#"{"partition":2,"offset":7,"timestamp":5,"key":"k","value":"v","headers":[{"key":"h","value":"x"}]}"#
    );
    assert_eq!(line(&LineRecord::default(), LineFormat::Json), r#"{"partition":2,"offset":7,"key":null,"value":null}"#);
}

#[test]
fn json_values_that_are_no_strings_stand_for_themselves() {
    let record = read(r#"{"key":17,"value":{"b":1, "a":[2]}}"#, LineFormat::Json).unwrap();
    assert_eq!((record.key, record.value), (bytes(b"17"), bytes(br#"{"b":1, "a":[2]}"#)));
}

#[test]
fn json_timestamps_are_milliseconds_dates_or_ages() {
    let timestamp = |text| read(text, LineFormat::Json).unwrap().timestamp;
    assert_eq!(timestamp(r#"{"timestamp":12}"#), Some(12));
    assert_eq!(timestamp(r#"{"timestamp":"1970-01-01T00:00:01Z"}"#), Some(1_000));
    assert_eq!(timestamp(r#"{"timestamp":"10m"}"#), Some(400_000));
    assert_eq!(timestamp("{}"), None);
}

#[test]
fn lines_that_are_no_records_say_why() {
    let error = |text| read(text, LineFormat::Json).unwrap_err().to_string();
    assert!(error("plain").starts_with("not a record in JSON"));
    assert!(error(r#"{"vlaue":"x"}"#).contains("unknown field `vlaue`"));
    assert_eq!(error(r#"{"key_base64":"?"}"#), "`key` is not base64");
    assert_eq!(error(r#"{"value":"a","value_base64":"YQ=="}"#), "`value` and `value_base64` exclude each other");
    assert!(error(r#"{"timestamp":"soon"}"#).starts_with("`timestamp`: `soon` is not a time"));
}

#[test]
fn what_a_schema_encodes_is_json_on_its_line() {
    let coded = Coded { key: false, value: true };
    let read = |text: &'static str| parse(Bytes::from_static(text.as_bytes()), LineFormat::Json, coded, 0).unwrap();
    let text = r#"{"key":"k","value":"v"}"#;
    assert_eq!((read(text).key, read(text).value), (bytes(b"k"), bytes(b"\"v\"")));
    assert_eq!(read(r#"{"value":{"b":1,"a":2}}"#).value, bytes(br#"{"b":1,"a":2}"#));
    assert_eq!(read(r#"{"value":null}"#).value, None);
    let mut shown = Vec::new();
    let record = consumed(&LineRecord { key: bytes(b"k"), value: bytes(b"\0\0\0\0\x01..."), ..Default::default() });
    let parts = (Part::Bytes(record.key.as_ref()), Part::Json(r#"{"b":1}"#));
    write(&mut shown, &record, parts, 2, LineFormat::Json);
    assert_eq!(shown, b"{\"partition\":2,\"offset\":7,\"key\":\"k\",\"value\":{\"b\":1}}\n");
}
