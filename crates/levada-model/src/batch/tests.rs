use super::*;
use crate::{
    Str,
    record::{BatchBuilder, NewRecord, ProducerStamp, RecordHeader, Records, StoredBatch},
};

fn sample() -> Bytes {
    let headers = [
        RecordHeader { key: Str::from("trace"), value: Some(Bytes::from_static(b"1")) },
        RecordHeader { key: Str::from("trace"), value: None },
    ];
    let mut builder =
        BatchBuilder::new().with_producer(ProducerStamp { id: ProducerId(42), epoch: 3, base_sequence: 7 });
    builder.push(&NewRecord { timestamp: 1_000, key: Some(b"k"), value: Some(b"v"), headers: &headers });
    builder.push(&NewRecord { timestamp: 1_005, key: None, value: None, headers: &[] });
    builder.push(&NewRecord { timestamp: 990, key: Some(b""), value: Some(b""), headers: &[] });
    builder.finish()
}

#[test]
fn a_built_batch_passes_the_check_and_reads_back() {
    let batch = Batch::check(sample()).unwrap();
    let header = batch.header();
    assert_eq!((header.record_count, header.last_sequence(), header.max_timestamp), (3, 9, 1_005));
    let records: Vec<_> = Records::new(batch.records(), 3).collect::<Result<_, _>>().unwrap();
    assert_eq!(records[0].headers.len(), 2, "duplicate header names survive");
    assert_eq!(records[0].headers[1].value, None);
    assert_eq!((records[1].key.clone(), records[1].value.clone(), records[1].timestamp_delta), (None, None, 5));
    assert_eq!((records[2].key.as_deref(), records[2].timestamp_delta), (Some(&b""[..]), -10));
}

#[test]
fn the_bytes_are_kafkas() {
    let mut builder = BatchBuilder::new();
    builder.push(&NewRecord { timestamp: 0, key: None, value: Some(b"a"), headers: &[] });
    let bytes = builder.finish();
    assert_eq!(bytes.len(), 69);
    // length 57, epoch −1, magic 2 | attributes 0, delta 0 | record: 7 bytes, no key, "a", no headers
    assert_eq!(bytes[8..17], [0, 0, 0, 57, 0xff, 0xff, 0xff, 0xff, 2]);
    assert_eq!(bytes[21..27], [0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes[61..], [14, 0, 0, 0, 1, 2, b'a', 0]);
}

#[test]
fn every_flipped_bit_behind_the_head_is_noticed() {
    let good = sample();
    for index in 16..good.len() {
        let mut bad = good.to_vec();
        bad[index] ^= 1;
        assert!(Batch::check(Bytes::from(bad)).is_err(), "byte {index}");
    }
    for size in 0..good.len() {
        assert!(Batch::check(good.slice(..size)).is_err(), "{size} bytes");
    }
}

#[test]
fn log_append_time_changes_the_timestamp_and_keeps_the_batch_sound() {
    let stamped = Batch::check(sample()).unwrap().with_log_append_time(5_000);
    let again = Batch::check(stamped.bytes().clone()).unwrap();
    assert!(again.header().attributes.is_log_append_time());
    assert_eq!(again.header().max_timestamp, 5_000);
}

#[test]
fn a_stored_batch_has_the_brokers_offset_and_still_passes() {
    let batch = Batch::check(sample()).unwrap();
    let stored = StoredBatch::new(&batch, 1_000, 5);
    let again = Batch::check(stored.to_bytes()).unwrap();
    assert_eq!((again.header().base_offset, again.header().partition_leader_epoch), (1_000, 5));
    assert_eq!(stored.next_offset(), 1_003);
}

#[test]
fn split_finds_whole_batches_and_stops_at_a_torn_one() {
    let one = sample();
    let mut many = BytesMut::new();
    many.extend_from_slice(&one);
    many.extend_from_slice(&one);
    many.extend_from_slice(&one[..one.len() - 1]);
    assert_eq!(split(many.freeze()).filter(Result::is_ok).count(), 2);
}

#[test]
fn sequences_wrap_to_zero() {
    assert_eq!(add_sequence(i32::MAX, 1), 0);
    assert_eq!(add_sequence(i32::MAX - 1, 1), i32::MAX);
    assert_eq!(add_sequence(i32::MAX, 5), 4);
}
