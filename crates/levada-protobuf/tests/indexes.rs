//! The message indexes before a record's bytes.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

use levada_protobuf::{IndexesError, MessageIndexes, limits, parse};

#[test]
fn indexes_are_golden() {
    let cases: [(&[u32], &[u8]); 6] = [
        (&[0], &[0]),
        (&[1], &[2, 2]),
        (&[0, 0], &[4, 0, 0]),
        (&[2, 1], &[4, 4, 2]),
        (&[64], &[2, 0x80, 1]),
        (&[0x7fff_ffff], &[2, 0xfe, 0xff, 0xff, 0xff, 0x0f]),
    ];
    for (places, bytes) in cases {
        let indexes = MessageIndexes::new(places.to_vec()).unwrap();
        assert_eq!(indexes.encode(), bytes, "{places:?}");
        let mut record = bytes.to_vec();
        record.extend_from_slice(b"rest");
        assert_eq!(MessageIndexes::decode(&record), Ok((indexes, b"rest".as_slice())), "{places:?}");
    }
    // The first message may be written at length, too.
    assert_eq!(MessageIndexes::decode(&[2, 0, 9]).unwrap().0.places(), [0]);
}

#[test]
fn what_is_no_path_is_refused() {
    let decode = |bytes: &[u8]| MessageIndexes::decode(bytes).unwrap_err();
    assert_eq!(decode(&[]), IndexesError::Truncated);
    assert_eq!(decode(&[4, 0]), IndexesError::Truncated);
    assert_eq!(decode(&[0x80]), IndexesError::Truncated);
    assert_eq!(decode(&[1]), IndexesError::Negative { value: -1 });
    assert_eq!(decode(&[2, 3]), IndexesError::Negative { value: -2 });
    assert_eq!(decode(&[0xff, 0xff, 0xff, 0xff, 0x7f]), IndexesError::Overlong);
    assert_eq!(decode(&[0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), IndexesError::Overlong);
    assert_eq!(decode(&[0xfe, 0xff, 0xff, 0xff, 0x0f]), IndexesError::Count { count: 0x7fff_ffff });
    let count = limits::NESTING_MAX + 1;
    assert_eq!(decode(&[u8::try_from(2 * count).unwrap(); 40]), IndexesError::Count { count });
    assert_eq!(MessageIndexes::new(Vec::new()), Err(IndexesError::Count { count: 0 }));
    assert_eq!(MessageIndexes::new(vec![1 << 31]), Err(IndexesError::Overlong));
    assert_eq!(
        MessageIndexes::new(vec![0; limits::NESTING_MAX + 1]),
        Err(IndexesError::Count { count: limits::NESTING_MAX + 1 })
    );
}

#[test]
fn every_message_of_a_schema_is_found_both_ways() {
    let text = "syntax = \"proto3\"; package a.b; enum E { Z = 0; } message M { message N { message O {} } message P {} } \
                message Q { map<string, M> m = 1; message R {} }";
    let schema = parse(text, &[]).unwrap();
    let cases: [(&[u32], &str); 6] = [
        (&[0], "a.b.M"),
        (&[0, 0], "a.b.M.N"),
        (&[0, 0, 0], "a.b.M.N.O"),
        (&[0, 1], "a.b.M.P"),
        (&[1], "a.b.Q"),
        (&[1, 0], "a.b.Q.R"),
    ];
    for (places, name) in cases {
        let indexes = MessageIndexes::new(places.to_vec()).unwrap();
        assert_eq!(schema.message_name(&indexes).as_deref(), Some(name));
        assert_eq!(schema.message_indexes(name), Some(indexes));
    }
    for name in ["M", "a.b", "a.b.", "a.b.E", "a.b.M.X", "a.bM", "", "."] {
        assert_eq!(schema.message_indexes(name), None, "{name}");
    }
    for places in [vec![2], vec![0, 2], vec![1, 0, 0], vec![u32::MAX >> 1]] {
        assert_eq!(schema.message_name(&MessageIndexes::new(places).unwrap()), None);
    }
}

#[test]
fn maps_that_are_written_as_messages_count() {
    let text = "syntax = \"proto3\"; message M { repeated M.AEntry a = 1; message AEntry { option map_entry = true; \
                string key = 1; string value = 2; } message N {} }";
    let schema = parse(text, &[]).unwrap();
    let indexes = schema.message_indexes("M.N").unwrap();
    assert_eq!(indexes.places(), [0, 1]);
    assert_eq!(schema.message_name(&indexes).as_deref(), Some("M.N"));
}
