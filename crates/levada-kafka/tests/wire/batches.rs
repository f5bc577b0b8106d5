//! Record batches as producers write them.

use bytes::{BufMut, Bytes, BytesMut};
use levada_model::{
    batch::{BatchHeader, CRC_FROM, HEADER_SIZE},
    crc::crc32c,
    writer::WriteVarint,
};

/// Who produces, for idempotent batches.
#[derive(Clone, Copy)]
pub(crate) struct Producer {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
    pub(crate) sequence: i32,
}

pub(crate) const NOBODY: Producer = Producer { id: -1, epoch: -1, sequence: -1 };

/// One uncompressed batch of these values, stamped now.
pub(crate) fn batch(values: &[&str]) -> Bytes {
    batch_of(NOBODY, values)
}

pub(crate) fn batch_of(producer: Producer, values: &[&str]) -> Bytes {
    let now = levada_model::Clock::wall_ms(&levada_model::SystemClock);
    batch_at(producer, now, values)
}

pub(crate) fn batch_at(producer: Producer, timestamp: i64, values: &[&str]) -> Bytes {
    let mut records = BytesMut::new();
    for (index, value) in values.iter().enumerate() {
        let mut record = BytesMut::new();
        record.put_i8(0);
        record.put_varlong(0);
        record.put_varint(i32::try_from(index).unwrap());
        record.put_varint(-1);
        record.put_varint(i32::try_from(value.len()).unwrap());
        record.put_slice(value.as_bytes());
        record.put_varint(0);
        records.put_varint(i32::try_from(record.len()).unwrap());
        records.put_slice(&record);
    }
    let count = i32::try_from(values.len()).unwrap();
    let mut body = BytesMut::new();
    body.put_i16(0);
    body.put_i32(count - 1);
    body.put_i64(timestamp);
    body.put_i64(timestamp);
    body.put_i64(producer.id);
    body.put_i16(producer.epoch);
    body.put_i32(producer.sequence);
    body.put_i32(count);
    body.put_slice(&records);
    let mut bytes = BytesMut::new();
    bytes.put_i64(0);
    bytes.put_i32(i32::try_from(body.len() + CRC_FROM - 12).unwrap());
    bytes.put_i32(-1);
    bytes.put_i8(2);
    bytes.put_u32(crc32c(&body));
    bytes.put_slice(&body);
    assert!(bytes.len() >= HEADER_SIZE);
    bytes.freeze()
}

/// The headers of the batches in a response.
pub(crate) fn headers(records: &levada_protocol::Records) -> Vec<BatchHeader> {
    let bytes = records.clone().into_bytes().unwrap_or_default();
    levada_model::batch::split(bytes).map(|batch| batch.unwrap().0).collect()
}

/// Base offset and count of each batch in a response.
pub(crate) fn offsets(records: &levada_protocol::Records) -> Vec<(i64, i32)> {
    headers(records).iter().map(|header| (header.base_offset, header.record_count)).collect()
}
