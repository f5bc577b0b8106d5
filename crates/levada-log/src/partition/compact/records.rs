//! Records of one batch as they lie in its uncompressed block, and a batch put together again from some of them.
//!
//! A record is copied as it is; only where the batch gets another base timestamp, its delta is written anew.

use bytes::{BufMut, BytesMut};
use levada_model::{
    NO_TIMESTAMP, Timestamp,
    batch::{Attributes, BatchHeader, CRC_FROM, Codec, HEADER_SIZE, LOG_OVERHEAD, MAGIC},
    crc::crc32c,
    record::{RecordError, RecordSlice, RecordSlices},
    writer::{WriteVarint, varlong_size},
};

/// Why the records of a batch cannot be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RecordsError {
    #[error("a record ends too early")]
    Torn,
    #[error("offset deltas do not rise within the batch")]
    Offsets,
    #[error("bytes are left over after the records")]
    LeftOver,
}

/// Reads the records of `header`'s uncompressed `block`, whose offsets have to rise; ends after an error.
pub(super) struct RisingRecords<'a> {
    records: RecordSlices<'a>,
    last_delta: i32,
    delta_max: i32,
}

impl<'a> RisingRecords<'a> {
    pub(super) const fn new(header: &BatchHeader, block: &'a [u8]) -> Self {
        let records = RecordSlices::new(block, header.record_count);
        Self { records, last_delta: -1, delta_max: header.last_offset_delta }
    }
}

impl<'a> Iterator for RisingRecords<'a> {
    type Item = Result<RecordSlice<'a>, RecordsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = match self.records.next()? {
            Ok(record) if (self.last_delta + 1..=self.delta_max).contains(&record.offset_delta) => Ok(record),
            Ok(_) => Err(RecordsError::Offsets),
            Err(RecordError::LeftOver(_)) => Err(RecordsError::LeftOver),
            Err(_) => Err(RecordsError::Torn),
        };
        match &record {
            Ok(record) => self.last_delta = record.offset_delta,
            Err(_) => self.records = RecordSlices::new(&[], 0),
        }
        Some(record)
    }
}

/// Collects the records that stay of one batch.
pub(super) struct Kept {
    block: BytesMut,
    count: i32,
    max_timestamp: Timestamp,
    base_timestamp: Timestamp,
    horizon: Option<Timestamp>,
}

impl Kept {
    /// Of the batch of `header`, which gets the delete horizon `horizon`, if any.
    pub(super) fn new(header: &BatchHeader, horizon: Option<Timestamp>, size: usize) -> Self {
        let block = BytesMut::with_capacity(size);
        Self { block, count: 0, max_timestamp: NO_TIMESTAMP, base_timestamp: header.base_timestamp, horizon }
    }

    pub(super) fn push(&mut self, record: &RecordSlice<'_>) {
        let timestamp = self.base_timestamp.wrapping_add(record.timestamp_delta);
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.count += 1;
        let Some(horizon) = self.horizon.filter(|horizon| *horizon != self.base_timestamp) else {
            self.block.put_slice(record.bytes);
            return;
        };
        let delta = timestamp.wrapping_sub(horizon);
        let size = 1 + varlong_size(delta) + record.rest.len();
        self.block.put_varint(i32::try_from(size).expect("a record grows by nine bytes at most"));
        self.block.put_u8(record.attributes);
        self.block.put_varlong(delta);
        self.block.put_slice(record.rest);
    }

    /// The block, to be compressed by the batch's codec.
    pub(super) fn block(&self) -> &[u8] {
        &self.block
    }

    /// The header of the batch that they make.
    pub(super) fn header(&self, before: &BatchHeader) -> BatchHeader {
        let is_append_time = before.attributes.is_log_append_time();
        let bits = if self.horizon.is_some() { Attributes::DELETE_HORIZON } else { 0 };
        BatchHeader {
            attributes: Attributes(before.attributes.0 & !Attributes::DELETE_HORIZON | bits),
            base_timestamp: self.horizon.unwrap_or(before.base_timestamp),
            max_timestamp: if is_append_time { before.max_timestamp } else { self.max_timestamp },
            record_count: self.count,
            ..*before
        }
    }
}

/// The header of a batch of which no record stays: offsets and producer fields are what it is kept for.
pub(super) const fn emptied(before: &BatchHeader) -> BatchHeader {
    let kept = Attributes::LOG_APPEND_TIME | Attributes::TRANSACTIONAL | Attributes::CONTROL;
    BatchHeader {
        attributes: Attributes(before.attributes.0 & kept | Codec::None.id()),
        base_timestamp: NO_TIMESTAMP,
        record_count: 0,
        ..*before
    }
}

/// Appends the batch of `header` and its (compressed) `block` to `target`; length and checksum are set here.
///
/// `None` where it would be too large for a batch.
pub(super) fn put_batch(target: &mut Vec<u8>, header: &BatchHeader, block: &[u8]) -> Option<()> {
    let size = HEADER_SIZE + block.len();
    let start = target.len();
    target.put_i64(header.base_offset);
    target.put_i32(i32::try_from(size - LOG_OVERHEAD).ok()?);
    target.put_i32(header.partition_leader_epoch);
    target.put_i8(MAGIC);
    target.put_u32(0);
    target.put_i16(header.attributes.0);
    target.put_i32(header.last_offset_delta);
    target.put_i64(header.base_timestamp);
    target.put_i64(header.max_timestamp);
    target.put_i64(header.producer_id);
    target.put_i16(header.producer_epoch);
    target.put_i32(header.base_sequence);
    target.put_i32(header.record_count);
    target.put_slice(block);
    let crc = crc32c(target.get(start + CRC_FROM..)?);
    target.get_mut(start + 17..start + CRC_FROM)?.copy_from_slice(&crc.to_be_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use levada_model::{
        batch::Batch,
        record::{BatchBuilder, NewRecord},
    };

    fn sample() -> Batch {
        let mut builder = BatchBuilder::new();
        for (index, key) in [Some("a"), None, Some("b")].into_iter().enumerate() {
            let timestamp = 1_000 + i64::try_from(index).unwrap();
            let value = (index != 2).then_some(&b"value"[..]);
            builder.push(&NewRecord { timestamp, key: key.map(str::as_bytes), value, headers: &[] });
        }
        Batch::check(builder.finish()).unwrap()
    }

    /// Offset delta, timestamp, key, whether there is a value.
    type Parts = (i32, i64, Option<Vec<u8>>, bool);

    fn read(header: &BatchHeader, block: &[u8]) -> Result<Vec<Parts>, RecordsError> {
        let parts = |record: RecordSlice<'_>| {
            let RecordSlice { offset_delta, timestamp_delta, key, value, .. } = record;
            (offset_delta, header.base_timestamp + timestamp_delta, key.map(<[u8]>::to_vec), value.is_some())
        };
        RisingRecords::new(header, block).map(|record| record.map(parts)).collect()
    }

    #[test]
    fn records_are_told_apart_and_put_together_again() {
        let batch = sample();
        let header = batch.header();
        let found = read(header, &batch.records()).unwrap();
        let expected = [(0, 1_000, Some(b"a".to_vec()), true), (1, 1_001, None, true)];
        assert_eq!(found[..2], expected);
        assert_eq!(found[2], (2, 1_002, Some(b"b".to_vec()), false));
        for horizon in [None, Some(1_000_000_000_000)] {
            let mut kept = Kept::new(header, horizon, 0);
            let block = batch.records();
            RisingRecords::new(header, &block).skip(1).for_each(|record| kept.push(&record.unwrap()));
            let after = kept.header(header);
            assert_eq!((after.record_count, after.last_offset_delta, after.max_timestamp), (2, 2, 1_002));
            assert_eq!(after.attributes.has_delete_horizon(), horizon.is_some());
            assert_eq!(read(&after, kept.block()).unwrap(), found[1..]);
        }
    }

    #[test]
    fn what_is_no_record_is_refused_wherever_it_is_cut() {
        let batch = sample();
        let block = batch.records();
        for size in 0..block.len() {
            assert!(read(batch.header(), &block[..size]).is_err(), "{size} bytes");
        }
        let longer = [&block[..], &[0]].concat();
        assert_eq!(read(batch.header(), &longer), Err(RecordsError::LeftOver));
        let short = BatchHeader { last_offset_delta: 1, ..*batch.header() };
        assert_eq!(read(&short, &block), Err(RecordsError::Offsets));
    }
}
