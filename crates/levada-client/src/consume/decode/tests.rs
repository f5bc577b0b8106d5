use super::*;
use levada_model::{
    ProducerId,
    batch::Attributes,
    record::{BatchBuilder, NewRecord, ProducerStamp},
};

const LIMIT: usize = 1 << 20;

fn partition() -> TopicPartition {
    TopicPartition::new("orders", 0)
}

/// A batch at `base` with one record per value.
fn batch(base: i64, values: &[&str], codec: Codec, producer: Option<i64>, attributes: i16) -> Vec<u8> {
    let mut builder = BatchBuilder::new().with_attributes(attributes);
    if let Some(id) = producer {
        builder = builder.with_producer(ProducerStamp { id: ProducerId(id), epoch: 0, base_sequence: 0 });
    }
    for (index, value) in values.iter().enumerate() {
        let timestamp = 1_000 + i64::try_from(index).unwrap();
        // Control records carry their meaning in the key.
        let (key, value) = if attributes & Attributes::CONTROL != 0 {
            (Some(value.as_bytes()), None)
        } else {
            (None, Some(value.as_bytes()))
        };
        builder.push(&NewRecord { timestamp, key, value, ..NewRecord::default() });
    }
    let block = levada_compress::compress(codec, builder.records()).unwrap();
    let mut bytes = builder.finish_with(codec, &block).to_vec();
    bytes[..8].copy_from_slice(&base.to_be_bytes());
    bytes
}

fn read(bytes: Vec<u8>, aborted: &[(i64, i64)], position: i64) -> Result<(Vec<(i64, String)>, i64), ClientError> {
    let transaction = |&(producer_id, first_offset): &(i64, i64)| AbortedTransaction { producer_id, first_offset };
    let batches = Batches::new(Bytes::from(bytes), aborted.iter().map(transaction).collect());
    let passed = batches.read(position, LIMIT, &partition())?;
    let text = |record: ConsumedRecord| (record.offset, String::from_utf8(record.value.unwrap().to_vec()).unwrap());
    Ok((passed.records.into_iter().map(text).collect(), passed.next_offset))
}

#[test]
fn records_before_the_position_are_left_out() {
    for codec in Codec::ALL {
        let (records, next) = read(batch(10, &["a", "b", "c"], codec, None, 0), &[], 11).unwrap();
        assert_eq!((records, next), (vec![(11, "b".to_owned()), (12, "c".to_owned())], 13), "{codec:?}");
    }
}

#[test]
fn timestamps_are_the_records_or_the_brokers() {
    let passed = |attributes| {
        let bytes = Bytes::from(batch(0, &["a", "b"], Codec::None, None, attributes));
        Batches::new(bytes, vec![]).read(0, LIMIT, &partition()).unwrap()
    };
    let stamps = |passed: Passed| passed.records.iter().map(|record| record.timestamp).collect::<Vec<_>>();
    assert_eq!(stamps(passed(0)), [1_000, 1_001]);
    assert_eq!(stamps(passed(Attributes::LOG_APPEND_TIME)), [1_001, 1_001]);
}

#[test]
fn a_batch_cut_at_the_end_is_left_for_the_next_fetch() {
    let mut bytes = batch(0, &["a"], Codec::None, None, 0);
    let second = batch(1, &["b"], Codec::None, None, 0);
    bytes.extend(&second[..second.len() - 1]);
    assert_eq!(read(bytes, &[], 0).unwrap(), (vec![(0, "a".to_owned())], 1));
}

#[test]
fn aborted_transactions_and_control_records_are_left_out() {
    let transactional = Attributes::TRANSACTIONAL;
    let marker = transactional | Attributes::CONTROL;
    let mut bytes = batch(0, &["aborted"], Codec::None, Some(7), transactional);
    bytes.extend(batch(1, &["committed"], Codec::None, Some(8), transactional));
    bytes.extend(batch(2, &["\0\0\0\0"], Codec::None, Some(7), marker));
    bytes.extend(batch(3, &["\0\0\0\x01"], Codec::None, Some(8), marker));
    bytes.extend(batch(4, &["afterwards"], Codec::None, Some(7), transactional));
    let expected = vec![(1, "committed".to_owned()), (4, "afterwards".to_owned())];
    assert_eq!(read(bytes.clone(), &[(7, 0)], 0).unwrap(), (expected, 5));
    let (all, _) = read(bytes, &[], 0).unwrap();
    assert_eq!(all.len(), 3);
}

#[test]
fn flipped_bytes_are_named_with_their_place() {
    let mut bytes = batch(5, &["a"], Codec::None, None, 0);
    *bytes.last_mut().unwrap() ^= 1;
    let error = read(bytes, &[], 5).unwrap_err().to_string();
    assert!(error.starts_with("batch at offset 5 of `orders` partition 0: batch checksum is"), "{error}");
}

#[test]
fn a_bomb_is_given_up() {
    let zeros = "\0".repeat(LIMIT + 1);
    let error = read(batch(0, &[&zeros], Codec::Zstd, None, 0), &[], 0).unwrap_err();
    assert!(matches!(error, ClientError::Batch { cause: BatchFault::Decompress(_), .. }), "{error}");
}
