use super::*;
use bytes::Bytes;
use levada_model::{
    batch::Batch,
    record::{BatchBuilder, NewRecord, ProducerStamp},
};

fn header(id: i64, epoch: i16, base_sequence: i32, count: usize) -> BatchHeader {
    let mut builder = BatchBuilder::new().with_producer(ProducerStamp { id: ProducerId(id), epoch, base_sequence });
    for _ in 0..count {
        builder.push(&NewRecord { timestamp: 77, ..NewRecord::default() });
    }
    *Batch::check(builder.finish()).unwrap().header()
}

fn refused(verdict: Verdict) -> ProducerError {
    match verdict {
        Verdict::Refused(error) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_next_sequence_is_appended_and_a_gap_is_refused() {
    let mut table = ProducerTable::new(10);
    assert_eq!(table.check(&header(1, 0, 42, 3)), Verdict::Append, "unknown producers may begin anywhere");
    table.apply(&header(1, 0, 42, 3), 100, 1);
    assert_eq!(table.check(&header(1, 0, 45, 1)), Verdict::Append);
    let error = refused(table.check(&header(1, 0, 46, 1)));
    assert_eq!(error, ProducerError::OutOfOrderSequence { producer: ProducerId(1), sent: 46, expected: 45 });
}

#[test]
fn what_was_refused_for_now_comes_before_what_was_sent_behind_it() {
    let mut table = ProducerTable::new(10);
    table.expect_again(&header(1, 0, 3, 2));
    table.expect_again(&header(1, 0, 5, 1));
    let error = refused(table.check(&header(1, 0, 5, 1)));
    assert_eq!(error, ProducerError::OutOfOrderSequence { producer: ProducerId(1), sent: 5, expected: 3 });
    assert_eq!(table.check(&header(1, 0, 0, 3)), Verdict::Append, "one before it may come");
    assert_eq!(table.check(&header(1, 1, 7, 1)), Verdict::Append, "the producer may give it up under a new epoch");
    assert_eq!(table.check(&header(2, 0, 5, 1)), Verdict::Append, "another producer may begin anywhere");
    assert_eq!(table.check(&header(1, 0, 3, 2)), Verdict::Append);
    table.apply(&header(1, 0, 3, 2), 0, 1);
    assert_eq!(table.check(&header(1, 0, 5, 1)), Verdict::Append);
    table.restore(ProducerId(1), None);
    assert_eq!(table.check(&header(1, 0, 9, 1)), Verdict::Append, "what came is not expected any more");
}

#[test]
fn only_what_unknown_producers_sent_is_expected_again_and_not_of_too_many() {
    let mut table = ProducerTable::new(2);
    table.apply(&header(1, 0, 0, 1), 0, 1);
    table.expect_again(&header(1, 0, 5, 1));
    assert_eq!(table.check(&header(1, 0, 1, 1)), Verdict::Append);
    for id in 2..5 {
        table.expect_again(&header(id, 0, 0, 1));
    }
    assert_eq!(table.check(&header(2, 0, 1, 1)), Verdict::Append, "the oldest producer is forgotten");
    refused(table.check(&header(3, 0, 1, 1)));
    refused(table.check(&header(4, 0, 1, 1)));
}

#[test]
fn any_of_the_last_five_batches_is_a_duplicate_with_its_first_offset() {
    let mut table = ProducerTable::new(10);
    for index in 0..7 {
        table.apply(&header(1, 0, index * 2, 2), 100 + i64::from(index) * 10, 1);
    }
    for index in 2..7 {
        let base_offset = 100 + i64::from(index) * 10;
        let duplicate = Verdict::Duplicate { base_offset, last_offset: base_offset + 1, timestamp: 77 };
        assert_eq!(table.check(&header(1, 0, index * 2, 2)), duplicate);
    }
    refused(table.check(&header(1, 0, 2, 2)));
    refused(table.check(&header(1, 0, 12, 1)));
}

#[test]
fn sequences_wrap_from_the_largest_to_zero() {
    let mut table = ProducerTable::new(10);
    table.apply(&header(1, 0, i32::MAX - 1, 2), 0, 1);
    assert_eq!(table.check(&header(1, 0, 0, 1)), Verdict::Append);
    let spanning = header(2, 0, i32::MAX, 3);
    table.apply(&spanning, 10, 1);
    let duplicate = Verdict::Duplicate { base_offset: 10, last_offset: 12, timestamp: 77 };
    assert_eq!(table.check(&spanning), duplicate);
    assert_eq!(table.check(&header(2, 0, 2, 1)), Verdict::Append);
}

#[test]
fn an_older_epoch_is_refused_and_a_newer_one_begins_at_zero() {
    let mut table = ProducerTable::new(10);
    table.apply(&header(1, 3, 0, 1), 0, 1);
    let error = refused(table.check(&header(1, 2, 1, 1)));
    assert_eq!(error, ProducerError::InvalidEpoch { producer: ProducerId(1), sent: 2, current: 3 });
    refused(table.check(&header(1, 4, 1, 1)));
    assert_eq!(table.check(&header(1, 4, 0, 1)), Verdict::Append);
    table.apply(&header(1, 4, 0, 1), 1, 1);
    assert_eq!(table.get(ProducerId(1)).unwrap().batches.len(), 1, "the old epoch's batches are forgotten");
    refused(table.check(&header(1, 3, 0, 1)));
}

#[test]
fn batches_without_a_producer_pass_and_leave_no_trace() {
    let mut builder = BatchBuilder::new();
    builder.push(&NewRecord::default());
    let plain = *Batch::check(builder.finish()).unwrap().header();
    let mut table = ProducerTable::new(10);
    assert_eq!(table.check(&plain), Verdict::Append);
    table.apply(&plain, 0, 1);
    assert!(table.is_empty());
}

#[test]
fn the_least_recently_active_producer_is_forgotten_first() {
    let mut table = ProducerTable::new(2);
    table.apply(&header(1, 0, 0, 1), 0, 1);
    table.apply(&header(2, 0, 0, 1), 1, 2);
    table.apply(&header(1, 0, 1, 1), 2, 3);
    table.apply(&header(3, 0, 0, 1), 3, 4);
    assert_eq!(table.iter().map(|(id, _)| id.0).collect::<Vec<_>>(), [1, 3]);
}

#[test]
fn old_producers_expire() {
    let mut table = ProducerTable::new(10);
    table.apply(&header(1, 0, 0, 1), 0, 1_000);
    table.apply(&header(2, 0, 0, 1), 1, 2_000);
    assert_eq!(table.expire(2_500, 1_000), 1);
    assert_eq!(table.iter().map(|(id, _)| id.0).collect::<Vec<_>>(), [2]);
}

fn busy_table() -> ProducerTable {
    let mut table = ProducerTable::new(100);
    for index in 0..8 {
        table.apply(&header(7, 1, index, 1), 10 + i64::from(index), 500 + i64::from(index));
    }
    table.apply(&header(9, 0, i32::MAX, 2), 20, 600);
    table
}

#[test]
fn all_five_batches_survive_the_encoding() {
    let table = busy_table();
    let again = ProducerTable::decode(table.encode(), 100).unwrap();
    assert!(again.iter().eq(table.iter()));
    assert_eq!(again.get(ProducerId(7)).unwrap().batches.len(), 5);
    let bytes = table.encode();
    for size in 1..bytes.len() {
        assert!(ProducerTable::decode(bytes.slice(..size), 100).is_err(), "{size} bytes");
    }
}

#[test]
fn the_encoding_has_golden_bytes() {
    crate::partition::tests::check_golden("producers.v1.bin", &busy_table().encode());
}

#[test]
fn the_snapshot_is_kafkas() {
    let mut table = ProducerTable::new(10);
    table.apply(&header(0x0102, 3, 4, 2), 9, 5);
    let bytes = snapshot::encode(&table);
    let mut expected = vec![0, 1];
    let entry: &[u8] = &[
        0, 0, 0, 1, // one producer
        0, 0, 0, 0, 0, 0, 1, 2, 0, 3, // id, epoch
        0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 1, // last sequence, last offset, delta
        0, 0, 0, 0, 0, 0, 0, 77, // timestamp
        0xff, 0xff, 0xff, 0xff, // coordinator epoch
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, // no transaction
    ];
    expected.extend_from_slice(&levada_model::crc::crc32c(entry).to_be_bytes());
    expected.extend_from_slice(entry);
    assert_eq!(bytes, expected);
    let again = snapshot::decode(bytes.clone(), 10).unwrap();
    assert_eq!(again.get(ProducerId(0x0102)).unwrap().batches, table.get(ProducerId(0x0102)).unwrap().batches);
    for index in 0..bytes.len() {
        let mut bad = bytes.to_vec();
        bad[index] ^= 1;
        assert!(snapshot::decode(Bytes::from(bad), 10).is_err(), "byte {index}");
    }
}
