//! Records inside a batch: reading them one by one, and building batches.
//!
//! Compression is the caller's: these functions see the records block uncompressed.
//!
//! ```text
//! varint  length of what follows
//! i8      attributes, unused
//! varlong timestamp delta
//! varint  offset delta
//! varint  key length, −1 null      · key
//! varint  value length, −1 null    · value
//! varint  header count             · per header: varint key length · key · varint value length · value
//! ```
//!
//! Source: KIP-98.

mod slices;

pub use slices::{HeaderSlices, RecordSlice, RecordSlices};

use crate::{
    LeaderEpoch, NO_TIMESTAMP, Offset, ProducerEpoch, ProducerId, Str, Timestamp,
    batch::{Attributes, BatchHeader, Codec, HEADER_SIZE, LOG_OVERHEAD, MAGIC, PATCHED_SIZE},
    crc::crc32c,
    reader::ReadError,
    writer::{WriteVarint, varint_size, varlong_size},
};
use bytes::{Buf, BufMut, Bytes, BytesMut};

/// A record header: names may repeat, values may be null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// The name.
    pub key: Str,
    /// The value.
    pub value: Option<Bytes>,
}

/// One record of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Its offset less the batch's base offset.
    pub offset_delta: i32,
    /// Its timestamp less the batch's base timestamp.
    pub timestamp_delta: i64,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; null is a tombstone in compacted topics.
    pub value: Option<Bytes>,
    /// The headers in order.
    pub headers: Vec<RecordHeader>,
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes end too early, or a varint is malformed.
    #[error("record: {0}")]
    Read(#[from] ReadError),
    /// A header's name is not UTF-8.
    #[error("record header name is not UTF-8")]
    HeaderName,
    /// More headers than bytes could hold.
    #[error("record says it has {0} headers")]
    HeaderCount(i32),
    /// Bytes are left after the last field of a record, or after the last record.
    #[error("{0} bytes are left over after a record")]
    LeftOver(usize),
}

/// Reads the records of an uncompressed block; stops after an error.
#[derive(Clone, Debug)]
pub struct Records {
    block: Bytes,
    left: i32,
}

impl Records {
    /// Reads `count` records from `block`.
    #[must_use]
    pub const fn new(block: Bytes, count: i32) -> Self {
        Self { block, left: count }
    }
}

impl Iterator for Records {
    type Item = Result<Record, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        let block = self.block.clone();
        let mut slices = RecordSlices::new(&block, self.left);
        let record = slices.next()?.and_then(|slice| {
            self.left -= 1;
            self.block.advance(slice.bytes.len());
            Record::of(&block, &slice)
        });
        if record.is_err() {
            (self.left, self.block) = (0, Bytes::new());
        }
        Some(record)
    }
}

impl Record {
    /// A record that shares the memory of its block.
    fn of(block: &Bytes, slice: &RecordSlice<'_>) -> Result<Self, RecordError> {
        let part = |part: Option<&[u8]>| part.map(|part| block.slice_ref(part));
        let header = |header: Result<(&str, Option<&[u8]>), RecordError>| -> Result<RecordHeader, RecordError> {
            let (key, value) = header?;
            let key = Str::from_utf8(block.slice_ref(key.as_bytes())).map_err(|_| RecordError::HeaderName)?;
            Ok(RecordHeader { key, value: part(value) })
        };
        Ok(Self {
            offset_delta: slice.offset_delta,
            timestamp_delta: slice.timestamp_delta,
            key: part(slice.key),
            value: part(slice.value),
            headers: slice.headers().map(header).collect::<Result<_, RecordError>>()?,
        })
    }
}

/// A record as it is handed to a [`BatchBuilder`].
#[derive(Clone, Debug, Default)]
pub struct NewRecord<'a> {
    /// Milliseconds since 1970.
    pub timestamp: Timestamp,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value.
    pub value: Option<&'a [u8]>,
    /// The headers in order.
    pub headers: &'a [RecordHeader],
}

/// Who produces a batch, for idempotence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerStamp {
    /// The id.
    pub id: ProducerId,
    /// Its epoch.
    pub epoch: ProducerEpoch,
    /// Sequence number of the first record.
    pub base_sequence: i32,
}

/// Builds one record batch, base offset 0.
#[derive(Debug, Default)]
pub struct BatchBuilder {
    records: BytesMut,
    count: i32,
    base_timestamp: Option<Timestamp>,
    max_timestamp: Timestamp,
    attributes: i16,
    producer: Option<ProducerStamp>,
}

impl BatchBuilder {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self { max_timestamp: NO_TIMESTAMP, ..Self::default() }
    }

    /// Names the producer.
    #[must_use]
    pub const fn with_producer(mut self, producer: ProducerStamp) -> Self {
        self.producer = Some(producer);
        self
    }

    /// Sets attribute bits, [`Attributes::CONTROL`] say.
    #[must_use]
    pub const fn with_attributes(mut self, bits: i16) -> Self {
        self.attributes |= bits;
        self
    }

    /// Adds a record; offsets count from 0.
    pub fn push(&mut self, record: &NewRecord<'_>) {
        let base = *self.base_timestamp.get_or_insert(record.timestamp);
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        write_record(&mut self.records, self.count, record.timestamp.wrapping_sub(base), record);
        self.count += 1;
    }

    /// How many records it has.
    #[must_use]
    pub const fn count(&self) -> i32 {
        self.count
    }

    /// Bytes that the records take uncompressed.
    #[must_use]
    pub fn records_size(&self) -> usize {
        self.records.len()
    }

    /// The uncompressed records block, for [`Self::finish_with`].
    #[must_use]
    pub fn records(&self) -> &[u8] {
        &self.records
    }

    /// The batch, uncompressed.
    #[must_use]
    pub fn finish(self) -> Bytes {
        let records = self.records.clone();
        self.finish_with(Codec::None, &records)
    }

    /// The batch, its records block already compressed by `codec` into `block`.
    #[must_use]
    pub fn finish_with(self, codec: Codec, block: &[u8]) -> Bytes {
        let size = HEADER_SIZE + block.len();
        let mut bytes = BytesMut::with_capacity(size);
        bytes.put_i64(0);
        bytes.put_i32(i32::try_from(size - LOG_OVERHEAD).expect("a batch is below 2 GiB"));
        bytes.put_i32(-1);
        bytes.put_i8(MAGIC);
        bytes.put_u32(0);
        bytes.put_i16(self.attributes | codec.id());
        bytes.put_i32(self.count - 1);
        bytes.put_i64(self.base_timestamp.unwrap_or(NO_TIMESTAMP));
        bytes.put_i64(self.max_timestamp);
        let (id, epoch, sequence) =
            self.producer.map_or((-1, -1, -1), |stamp| (stamp.id.0, stamp.epoch, stamp.base_sequence));
        bytes.put_i64(id);
        bytes.put_i16(epoch);
        bytes.put_i32(sequence);
        bytes.put_i32(self.count);
        bytes.put_slice(block);
        let crc = crc32c(bytes.get(21..).unwrap_or_default());
        if let Some(field) = bytes.get_mut(17..21) {
            field.copy_from_slice(&crc.to_be_bytes());
        }
        bytes.freeze()
    }
}

fn write_record(target: &mut BytesMut, offset_delta: i32, timestamp_delta: i64, record: &NewRecord<'_>) {
    let nullable_size = |bytes: Option<&[u8]>| bytes.map_or(1, |bytes| varint_size(size_of_field(bytes)) + bytes.len());
    let count = i32::try_from(record.headers.len()).expect("headers are counted in 31 bits");
    let headers_size: usize = record
        .headers
        .iter()
        .map(|header| nullable_size(Some(header.key.as_bytes())) + nullable_size(header.value.as_deref()))
        .sum();
    let size = 1
        + varlong_size(timestamp_delta)
        + varint_size(offset_delta)
        + nullable_size(record.key)
        + nullable_size(record.value)
        + varint_size(count)
        + headers_size;
    target.reserve(size + 5);
    target.put_varint(i32::try_from(size).expect("a record is below 2 GiB"));
    target.put_i8(0);
    target.put_varlong(timestamp_delta);
    target.put_varint(offset_delta);
    write_nullable(target, record.key);
    write_nullable(target, record.value);
    target.put_varint(count);
    for header in record.headers {
        write_nullable(target, Some(header.key.as_bytes()));
        write_nullable(target, header.value.as_deref());
    }
}

fn size_of_field(bytes: &[u8]) -> i32 {
    i32::try_from(bytes.len()).expect("a field is below 2 GiB")
}

fn write_nullable(target: &mut BytesMut, bytes: Option<&[u8]>) {
    match bytes {
        None => target.put_varint(-1),
        Some(bytes) => {
            target.put_varint(size_of_field(bytes));
            target.put_slice(bytes);
        }
    }
}

/// A batch as it is stored: the 16 bytes that the broker set, and the rest as the producer sent it.
#[derive(Clone, Debug)]
pub struct StoredBatch {
    /// Base offset, length, leader epoch.
    pub head: [u8; PATCHED_SIZE],
    /// From the magic on.
    pub body: Bytes,
    /// Offset of the first record.
    pub base_offset: Offset,
    /// Offset of the last record.
    pub last_offset: Offset,
    /// The largest timestamp.
    pub max_timestamp: Timestamp,
    /// The leader epoch under which it was appended.
    pub leader_epoch: LeaderEpoch,
}

impl StoredBatch {
    /// Stores `batch` at `base_offset`. Shares its memory.
    #[must_use]
    pub fn new(batch: &crate::batch::Batch, base_offset: Offset, leader_epoch: LeaderEpoch) -> Self {
        let header = batch.header();
        Self {
            head: batch.patched_head(base_offset, leader_epoch),
            body: batch.bytes().slice(PATCHED_SIZE..),
            base_offset,
            last_offset: base_offset.saturating_add(i64::from(header.last_offset_delta)),
            max_timestamp: header.max_timestamp,
            leader_epoch,
        }
    }

    /// Bytes of the whole batch.
    #[must_use]
    pub fn size(&self) -> usize {
        PATCHED_SIZE + self.body.len()
    }

    /// Offset after the last record.
    #[must_use]
    pub const fn next_offset(&self) -> Offset {
        self.last_offset.saturating_add(1)
    }

    /// The bytes in one piece. Copies.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(self.size());
        bytes.put_slice(&self.head);
        bytes.put_slice(&self.body);
        bytes.freeze()
    }

    /// Its header, which lies in two pieces; `None` where the batch is none.
    #[must_use]
    pub fn header(&self) -> Option<BatchHeader> {
        let mut bytes = [0; HEADER_SIZE];
        let (head, rest) = bytes.split_first_chunk_mut::<PATCHED_SIZE>()?;
        *head = self.head;
        rest.copy_from_slice(self.body.get(..HEADER_SIZE - PATCHED_SIZE)?);
        BatchHeader::parse(&bytes).ok()
    }

    /// What it says where it is a transaction marker.
    #[must_use]
    pub fn marker(&self) -> Option<crate::Marker> {
        let records = self.attributes().is_control().then(|| self.body.slice(HEADER_SIZE - PATCHED_SIZE..))?;
        crate::Marker::read(records)
    }

    /// Whether the codec of the stored attributes exists; batches are checked before they are stored.
    #[must_use]
    pub fn attributes(&self) -> Attributes {
        let high = self.body.get(5).copied().unwrap_or(0);
        let low = self.body.get(6).copied().unwrap_or(0);
        Attributes(i16::from_be_bytes([high, low]))
    }
}
