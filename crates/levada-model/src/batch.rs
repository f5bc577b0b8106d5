//! The record batch, version 2: its 61-byte header, and the checks that need no decompression.
//!
//! Records inside are [`crate::record`]'s business.
//!
//! ```text
//! offset size field
//!      0    8 base offset               outside the CRC, set by the broker
//!      8    4 batch length              bytes after this field
//!     12    4 partition leader epoch    outside the CRC, set by the broker
//!     16    1 magic                     2
//!     17    4 CRC-32C                   of everything from 21 on
//!     21    2 attributes                0–2 codec, 3 LogAppendTime, 4 transactional, 5 control, 6 delete horizon
//!     23    4 last offset delta
//!     27    8 base timestamp            milliseconds
//!     35    8 max timestamp
//!     43    8 producer id               −1: none
//!     51    2 producer epoch
//!     53    4 base sequence
//!     57    4 record count
//!     61    … records, possibly compressed as one block
//! ```
//!
//! Source: KIP-98, KIP-534.

use crate::{
    LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp,
    crc::crc32c,
    reader::{ReadError, Reader},
};
use bytes::{Bytes, BytesMut};

/// Bytes before the first record.
pub const HEADER_SIZE: usize = 61;
/// Bytes up to and including the batch length field.
pub const LOG_OVERHEAD: usize = 12;
/// Bytes that the broker sets: base offset, length, leader epoch.
pub const PATCHED_SIZE: usize = 16;
/// Where the CRC's coverage begins.
pub const CRC_FROM: usize = 21;
/// The only magic that Kafka 4 writes.
pub const MAGIC: i8 = 2;

/// How the records of a batch are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// Not at all.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// Snappy in xerial's blocks.
    Snappy,
    /// LZ4 frames.
    Lz4,
    /// Zstandard, RFC 8878.
    Zstd,
}

impl Codec {
    /// Every codec.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// Kafka's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The codec of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.name() == name)
    }

    /// The number in a batch's attributes.
    #[must_use]
    pub const fn id(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    const fn from_id(id: i16) -> Option<Self> {
        match id {
            0 => Some(Self::None),
            1 => Some(Self::Gzip),
            2 => Some(Self::Snappy),
            3 => Some(Self::Lz4),
            4 => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// The attribute bits of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub i16);

impl Attributes {
    /// Bit 3: timestamps are the broker's.
    pub const LOG_APPEND_TIME: i16 = 1 << 3;
    /// Bit 4: part of a transaction.
    pub const TRANSACTIONAL: i16 = 1 << 4;
    /// Bit 5: holds control records.
    pub const CONTROL: i16 = 1 << 5;
    /// Bit 6: the base timestamp is a delete horizon.
    pub const DELETE_HORIZON: i16 = 1 << 6;

    /// The codec, if it is one that exists.
    #[must_use]
    pub const fn codec(self) -> Option<Codec> {
        Codec::from_id(self.0 & 7)
    }

    /// Whether timestamps are the broker's.
    #[must_use]
    pub const fn is_log_append_time(self) -> bool {
        self.0 & Self::LOG_APPEND_TIME != 0
    }

    /// Whether the batch is part of a transaction.
    #[must_use]
    pub const fn is_transactional(self) -> bool {
        self.0 & Self::TRANSACTIONAL != 0
    }

    /// Whether the batch holds control records.
    #[must_use]
    pub const fn is_control(self) -> bool {
        self.0 & Self::CONTROL != 0
    }

    /// Whether the base timestamp is a delete horizon.
    #[must_use]
    pub const fn has_delete_horizon(self) -> bool {
        self.0 & Self::DELETE_HORIZON != 0
    }
}

/// The header of a batch, field by field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record.
    pub base_offset: Offset,
    /// Bytes after the length field.
    pub batch_length: i32,
    /// Set by the broker.
    pub partition_leader_epoch: LeaderEpoch,
    /// Checksum of everything from the attributes on.
    pub crc: u32,
    /// Codec and flags.
    pub attributes: Attributes,
    /// Offset of the last record less the base offset.
    pub last_offset_delta: i32,
    /// Timestamp to which records' deltas are added.
    pub base_timestamp: Timestamp,
    /// The largest timestamp.
    pub max_timestamp: Timestamp,
    /// The producer, or −1.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: ProducerEpoch,
    /// Sequence number of the first record.
    pub base_sequence: i32,
    /// How many records.
    pub record_count: i32,
}

/// What is wrong with a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Fewer bytes than a header.
    #[error("batch header: {0}")]
    Truncated(#[from] ReadError),
    /// The length field and the bytes disagree.
    #[error("batch says {claimed} bytes, {actual} are there")]
    Length {
        /// What the length field implies.
        claimed: i64,
        /// What is there.
        actual: usize,
    },
    /// A format that Kafka 4 no longer writes.
    #[error("record batch has magic {0}, only 2 is supported")]
    Magic(i8),
    /// The bytes are not what was sent.
    #[error("batch checksum is {actual:#010x}, its header says {claimed:#010x}")]
    Crc {
        /// In the header.
        claimed: u32,
        /// Of the bytes.
        actual: u32,
    },
    /// A codec number that means nothing.
    #[error("compression codec {0} does not exist")]
    Codec(i16),
    /// Count and last offset delta disagree.
    #[error("batch has {count} records but a last offset delta of {delta}")]
    Count {
        /// The record count.
        count: i32,
        /// The delta.
        delta: i32,
    },
    /// Producer id, epoch and sequence do not fit together.
    #[error("producer id {id}, epoch {epoch} and base sequence {sequence} contradict each other")]
    Producer {
        /// The id.
        id: i64,
        /// The epoch.
        epoch: ProducerEpoch,
        /// The sequence.
        sequence: i32,
    },
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`; checks only that it is there.
    ///
    /// # Errors
    /// [`BatchError::Truncated`], [`BatchError::Magic`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        let left = bytes.len();
        let Some(fixed) = bytes.first_chunk::<HEADER_SIZE>() else {
            return Err(ReadError::Truncated { wanted: HEADER_SIZE, left }.into());
        };
        let mut reader = FixedReader { bytes: fixed };
        let base_offset = i64::from_be_bytes(reader.take());
        let batch_length = i32::from_be_bytes(reader.take());
        let partition_leader_epoch = i32::from_be_bytes(reader.take());
        let magic = i8::from_be_bytes(reader.take());
        if magic != MAGIC {
            return Err(BatchError::Magic(magic));
        }
        Ok(Self {
            base_offset,
            batch_length,
            partition_leader_epoch,
            crc: u32::from_be_bytes(reader.take()),
            attributes: Attributes(i16::from_be_bytes(reader.take())),
            last_offset_delta: i32::from_be_bytes(reader.take()),
            base_timestamp: i64::from_be_bytes(reader.take()),
            max_timestamp: i64::from_be_bytes(reader.take()),
            producer_id: i64::from_be_bytes(reader.take()),
            producer_epoch: i16::from_be_bytes(reader.take()),
            base_sequence: i32::from_be_bytes(reader.take()),
            record_count: i32::from_be_bytes(reader.take()),
        })
    }

    /// Bytes of the whole batch, the 12 before the length's coverage included.
    ///
    /// `None` where the length field is too small to hold a header.
    #[must_use]
    pub fn size(&self) -> Option<usize> {
        let size = usize::try_from(self.batch_length).ok()?.checked_add(LOG_OVERHEAD)?;
        (size >= HEADER_SIZE).then_some(size)
    }

    /// Offset of the last record.
    #[must_use]
    pub fn last_offset(&self) -> Offset {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    /// Offset after the last record.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        self.last_offset().saturating_add(1)
    }

    /// The producer, if the batch has one.
    #[must_use]
    pub fn producer(&self) -> Option<ProducerId> {
        (self.producer_id >= 0).then_some(ProducerId(self.producer_id))
    }

    /// Sequence number of the last record; sequences go from `i32::MAX` to 0.
    #[must_use]
    pub fn last_sequence(&self) -> i32 {
        add_sequence(self.base_sequence, self.last_offset_delta)
    }
}

/// `sequence` moved on by `count`, from `i32::MAX` to 0.
#[must_use]
pub fn add_sequence(sequence: i32, count: i32) -> i32 {
    let sum = i64::from(sequence) + i64::from(count);
    let wrapped = if sum > i64::from(i32::MAX) { sum - i64::from(i32::MAX) - 1 } else { sum };
    i32::try_from(wrapped).unwrap_or(0)
}

struct FixedReader<'a> {
    bytes: &'a [u8],
}

impl FixedReader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (head, rest) = self.bytes.split_first_chunk::<N>().expect("the 61 bytes were checked");
        self.bytes = rest;
        *head
    }
}

/// One whole batch whose header was checked: length, magic, checksum, counts, codec, producer fields.
#[derive(Clone, Debug)]
pub struct Batch {
    header: BatchHeader,
    bytes: Bytes,
}

impl Batch {
    /// Checks that `bytes` are exactly one sound batch. Nothing is decompressed.
    ///
    /// # Errors
    /// [`BatchError`] names the first rule that is broken.
    pub fn check(bytes: Bytes) -> Result<Self, BatchError> {
        let header = BatchHeader::parse(&bytes)?;
        if header.size() != Some(bytes.len()) {
            let claimed = i64::from(header.batch_length).saturating_add(12);
            return Err(BatchError::Length { claimed, actual: bytes.len() });
        }
        check_fields(&header)?;
        let actual = crc32c(bytes.get(CRC_FROM..).unwrap_or_default());
        if actual != header.crc {
            return Err(BatchError::Crc { claimed: header.crc, actual });
        }
        Ok(Self { header, bytes })
    }

    /// The header as it was sent.
    #[must_use]
    pub const fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// All bytes as they were sent.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The records, compressed as the header says.
    #[must_use]
    pub fn records(&self) -> Bytes {
        self.bytes.slice(HEADER_SIZE..)
    }

    /// The first 16 bytes as the broker stores them: with its offset and leader epoch.
    #[must_use]
    pub fn patched_head(&self, base_offset: Offset, leader_epoch: LeaderEpoch) -> [u8; PATCHED_SIZE] {
        patched_head(base_offset, self.header.batch_length, leader_epoch)
    }

    /// A copy whose timestamps are the broker's: attribute bit 3 set, max timestamp `now`, a new checksum.
    ///
    /// The base timestamp stays: the deltas of the records count from it. Source: KIP-32.
    #[must_use]
    pub fn with_log_append_time(&self, now: Timestamp) -> Self {
        let mut bytes = BytesMut::from(&self.bytes[..]);
        let attributes = self.header.attributes.0 | Attributes::LOG_APPEND_TIME;
        write_at(&mut bytes, 21, &attributes.to_be_bytes());
        write_at(&mut bytes, 35, &now.to_be_bytes());
        let crc = crc32c(bytes.get(CRC_FROM..).unwrap_or_default());
        write_at(&mut bytes, 17, &crc.to_be_bytes());
        let header = BatchHeader { attributes: Attributes(attributes), max_timestamp: now, crc, ..self.header };
        Self { header, bytes: bytes.freeze() }
    }
}

fn write_at(bytes: &mut BytesMut, at: usize, value: &[u8]) {
    if let Some(target) = bytes.get_mut(at..at + value.len()) {
        target.copy_from_slice(value);
    }
}

/// The first 16 bytes of a stored batch.
#[must_use]
pub fn patched_head(base_offset: Offset, batch_length: i32, leader_epoch: LeaderEpoch) -> [u8; PATCHED_SIZE] {
    let mut head = [0; PATCHED_SIZE];
    let fields =
        base_offset.to_be_bytes().into_iter().chain(batch_length.to_be_bytes()).chain(leader_epoch.to_be_bytes());
    for (target, byte) in head.iter_mut().zip(fields) {
        *target = byte;
    }
    head
}

fn check_fields(header: &BatchHeader) -> Result<(), BatchError> {
    if header.attributes.codec().is_none() {
        return Err(BatchError::Codec(header.attributes.0 & 7));
    }
    let (count, delta) = (header.record_count, header.last_offset_delta);
    if count < 1 || delta < 0 || i64::from(count) != i64::from(delta) + 1 {
        return Err(BatchError::Count { count, delta });
    }
    let (id, epoch, sequence) = (header.producer_id, header.producer_epoch, header.base_sequence);
    let idempotent = id >= 0 && epoch >= 0 && (sequence >= 0 || header.attributes.is_control());
    let plain = id == -1 && (epoch == -1 || epoch == 0) && sequence == -1;
    let unnumbered = id == -1 && !header.attributes.is_transactional();
    if idempotent || plain || unnumbered { Ok(()) } else { Err(BatchError::Producer { id, epoch, sequence }) }
}

/// Splits `bytes` into whole batches by their length fields; stops at the first that is incomplete.
///
/// Yields each batch's header and bytes; checks nothing beyond [`BatchHeader::parse`] and the length.
pub fn split(bytes: Bytes) -> impl Iterator<Item = Result<(BatchHeader, Bytes), BatchError>> {
    let mut rest = Reader::new(bytes);
    std::iter::from_fn(move || {
        if rest.remaining() < HEADER_SIZE {
            return None;
        }
        let header = match BatchHeader::parse(rest.peek()) {
            Ok(header) => header,
            Err(error) => {
                rest = Reader::new(Bytes::new());
                return Some(Err(error));
            }
        };
        let Some(size) = header.size() else {
            let actual = rest.remaining();
            rest = Reader::new(Bytes::new());
            return Some(Err(BatchError::Length { claimed: i64::from(header.batch_length) + 12, actual }));
        };
        rest.take(size).ok().map(|batch| Ok((header, batch)))
    })
}

#[cfg(test)]
mod tests;
