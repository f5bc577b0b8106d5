//! The records of `__transaction_state`, as Kafka 4.3 writes and reads them.
//!
//! ```text
//! key    i16 0 · string transactional id
//! value  i16 1 · i64 producer id · i16 epoch · i32 timeout · i8 status · compact array? of
//!                (compact string topic · compact array of i32 · tagged) · i64 last update · i64 start · tagged
//!                tag 0: i64 previous producer id · tag 1: i64 next producer id · tag 2: i16 client's version
//!                tag 3: i16 next producer epoch
//!        i16 0 · the same with i32 counts, i16 string sizes and no tags          (read only)
//! ```
//!
//! The status is 0 empty, 1 ongoing, 2 prepare commit, 3 prepare abort, 4 complete commit, 5 complete abort, 6 dead.
//! Source: KIP-98, KIP-890.

use crate::{
    group::offsets::TopicPartition,
    transaction::{Generation, Producer, Status, Transaction},
};
use bytes::{BufMut, Bytes, BytesMut};
use levada_model::{
    Outcome, ProducerId, Str, TopicName,
    reader::{ReadError, Reader},
    writer::WriteVarint,
};
use std::collections::{BTreeMap, BTreeSet};

/// Why a record is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes end too early.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A string is not UTF-8, or a name is not legal.
    #[error("a name is not legal")]
    Name,
    /// A version or status that is not written here.
    #[error("`{0}` is not known")]
    Unknown(i16),
    /// More items than bytes could hold.
    #[error("a count is larger than what follows")]
    Count,
}

const PREVIOUS_ID: u32 = 0;
const CLIENT_VERSION: u32 = 2;
const STATUS_DEAD: i8 = 6;

/// The key of a transactional id.
#[must_use]
pub fn key(transactional_id: &str) -> Bytes {
    let mut bytes = BytesMut::with_capacity(4 + transactional_id.len());
    bytes.put_i16(0);
    bytes.put_i16(i16::try_from(transactional_id.len()).expect("transactional ids are bounded"));
    bytes.put_slice(transactional_id.as_bytes());
    bytes.freeze()
}

/// The transactional id in a key; `None` in keys of other kinds.
///
/// # Errors
/// [`RecordError`].
pub fn read_key(key: Bytes) -> Result<Option<Str>, RecordError> {
    let mut reader = Reader::new(key);
    if reader.i16()? != 0 {
        return Ok(None);
    }
    let size = usize::try_from(reader.i16()?).map_err(|_| RecordError::Count)?;
    Str::from_utf8(reader.take(size)?).map(Some).map_err(|_| RecordError::Name)
}

/// The value of a transaction.
#[must_use]
pub fn value(transaction: &Transaction) -> Bytes {
    let mut topics: BTreeMap<&TopicName, Vec<i32>> = BTreeMap::new();
    for partition in &transaction.partitions {
        topics.entry(&partition.topic).or_default().push(partition.partition);
    }
    let mut bytes = BytesMut::with_capacity(64 + 16 * transaction.partitions.len());
    bytes.put_i16(1);
    bytes.put_i64(transaction.producer.id.0);
    bytes.put_i16(transaction.producer.epoch);
    bytes.put_i32(transaction.timeout_ms);
    bytes.put_i8(status_id(transaction.status));
    put_count(&mut bytes, topics.len());
    for (topic, partitions) in topics {
        put_count(&mut bytes, topic.as_str().len());
        bytes.put_slice(topic.as_str().as_bytes());
        put_count(&mut bytes, partitions.len());
        partitions.into_iter().for_each(|partition| bytes.put_i32(partition));
        bytes.put_unsigned_varint(0);
    }
    bytes.put_i64(transaction.updated_ms);
    bytes.put_i64(transaction.started_ms);
    let previous = transaction.previous.map(|previous| previous.id.0);
    let version = i16::from(transaction.generation == Generation::Second) * 2;
    bytes.put_unsigned_varint(u32::from(previous.is_some()) + u32::from(version > 0));
    if let Some(previous) = previous {
        bytes.put_unsigned_varint(PREVIOUS_ID);
        bytes.put_unsigned_varint(8);
        bytes.put_i64(previous);
    }
    if version > 0 {
        bytes.put_unsigned_varint(CLIENT_VERSION);
        bytes.put_unsigned_varint(2);
        bytes.put_i16(version);
    }
    bytes.freeze()
}

/// Reads a value; `None` where the transactional id is on its way out.
///
/// # Errors
/// [`RecordError`].
pub fn read(value: Bytes) -> Result<Option<Transaction>, RecordError> {
    let mut reader = Reader::new(value);
    let version = reader.i16()?;
    let flexible = match version {
        0 => false,
        1 => true,
        other => return Err(RecordError::Unknown(other)),
    };
    let producer = Producer { id: ProducerId(reader.i64()?), epoch: reader.i16()? };
    let timeout_ms = reader.i32()?;
    let status = match reader.i8()? {
        STATUS_DEAD => return Ok(None),
        id => status_of(id).ok_or(RecordError::Unknown(i16::from(id)))?,
    };
    let mut partitions = BTreeSet::new();
    for _ in 0..count(&mut reader, flexible, 6)? {
        let size = if flexible { compact(&mut reader)? } else { usize::try_from(reader.i16()?).unwrap_or(usize::MAX) };
        let topic = Str::from_utf8(reader.take(size)?).map_err(|_| RecordError::Name)?;
        let topic = TopicName::new(topic.as_ref()).map_err(|_| RecordError::Name)?;
        for _ in 0..count(&mut reader, flexible, 4)? {
            partitions.insert(TopicPartition { topic: topic.clone(), partition: reader.i32()? });
        }
        if flexible {
            tags(&mut reader)?;
        }
    }
    let (updated_ms, started_ms) = (reader.i64()?, reader.i64()?);
    let tagged = if flexible { tags(&mut reader)? } else { BTreeMap::new() };
    let previous_id = match tagged.get(&PREVIOUS_ID) {
        Some(bytes) => Some(Reader::new(bytes.clone()).i64()?).filter(|id| *id >= 0),
        None => None,
    };
    let client = match tagged.get(&CLIENT_VERSION) {
        Some(bytes) => Reader::new(bytes.clone()).i16()?,
        None => 0,
    };
    let generation = if client >= 2 { Generation::Second } else { Generation::First };
    // Kafka does not keep the epoch: it follows from the rules by which epochs rise.
    let before = |id: i64| Producer { id: ProducerId(id), epoch: previous_epoch(id, producer) };
    let previous = previous_id.map(before);
    Ok(Some(Transaction { producer, previous, timeout_ms, status, partitions, started_ms, updated_ms, generation }))
}

fn previous_epoch(id: i64, current: Producer) -> i16 {
    if id == current.id.0 { current.epoch.saturating_sub(1) } else { super::EPOCH_MAX }
}

const fn status_id(status: Status) -> i8 {
    match status {
        Status::Empty => 0,
        Status::Ongoing => 1,
        Status::Prepare(Outcome::Commit) => 2,
        Status::Prepare(Outcome::Abort) => 3,
        Status::Complete(Outcome::Commit) => 4,
        Status::Complete(Outcome::Abort) => 5,
    }
}

fn status_of(id: i8) -> Option<Status> {
    Status::ALL.into_iter().find(|status| status_id(*status) == id)
}

fn put_count(bytes: &mut BytesMut, count: usize) {
    bytes.put_unsigned_varint(u32::try_from(count + 1).expect("counts are below four billion"));
}

fn compact(reader: &mut Reader) -> Result<usize, RecordError> {
    let size = reader.unsigned_varint()?;
    Ok(usize::try_from(size).unwrap_or(usize::MAX).saturating_sub(1))
}

/// How many items of at least `size` bytes follow.
fn count(reader: &mut Reader, flexible: bool, size: usize) -> Result<usize, RecordError> {
    let count = if flexible { compact(reader)? } else { usize::try_from(reader.i32()?.max(0)).unwrap_or(0) };
    if count > reader.remaining() / size.min(3) { Err(RecordError::Count) } else { Ok(count) }
}

fn tags(reader: &mut Reader) -> Result<BTreeMap<u32, Bytes>, RecordError> {
    let mut tags = BTreeMap::new();
    for _ in 0..reader.unsigned_varint()? {
        let tag = reader.unsigned_varint()?;
        let size = usize::try_from(reader.unsigned_varint()?).unwrap_or(usize::MAX);
        tags.insert(tag, reader.take(size)?);
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(generation: Generation) -> Transaction {
        let topic = |name| TopicName::new(name).unwrap();
        let partition = |name, partition| TopicPartition { topic: topic(name), partition };
        Transaction {
            producer: Producer { id: ProducerId(258), epoch: 3 },
            previous: (generation == Generation::Second).then_some(Producer { id: ProducerId(258), epoch: 2 }),
            timeout_ms: 60_000,
            status: Status::Ongoing,
            partitions: BTreeSet::from([partition("a", 0), partition("a", 2), partition("b", 1)]),
            started_ms: 5,
            updated_ms: 6,
            generation,
        }
    }

    #[test]
    fn a_transaction_is_written_as_kafka_does_and_read_back() {
        assert_eq!(&key("pay")[..], b"\0\0\0\x03pay");
        assert_eq!(read_key(key("pay")).unwrap().as_deref(), Some("pay"));
        let bytes = value(&sample(Generation::Second));
        let golden = b"\0\x01\0\0\0\0\0\0\x01\x02\0\x03\0\0\xea\x60\x01\x03\x02a\x03\0\0\0\0\0\0\0\x02\0\
            \x02b\x02\0\0\0\x01\0\0\0\0\0\0\0\0\x06\0\0\0\0\0\0\0\x05\x02\0\x08\0\0\0\0\0\0\x01\x02\x02\x02\0\x02";
        assert_eq!(&bytes[..], &golden[..]);
        for generation in [Generation::First, Generation::Second] {
            for status in Status::ALL {
                let transaction = Transaction { status, ..sample(generation) };
                assert_eq!(read(value(&transaction)), Ok(Some(transaction)));
            }
        }
    }

    #[test]
    fn the_older_version_is_read_and_rubbish_is_refused() {
        let old = b"\0\0\0\0\0\0\0\0\x01\x02\0\x03\0\0\xea\x60\x01\0\0\0\x01\0\x01a\0\0\0\x02\0\0\0\0\0\0\0\x02\
            \0\0\0\0\0\0\0\x06\0\0\0\0\0\0\0\x05";
        let read_back = read(Bytes::from_static(old)).unwrap().unwrap();
        assert_eq!((read_back.partitions.len(), read_back.generation), (2, Generation::First));
        for size in 0..old.len() {
            assert!(read(Bytes::copy_from_slice(&old[..size])).is_err(), "{size} bytes");
        }
        let whole = value(&sample(Generation::Second));
        for size in 0..whole.len() {
            assert!(read(whole.slice(..size)).is_err(), "{size} bytes");
        }
        assert_eq!(read(Bytes::from_static(b"\0\x09")), Err(RecordError::Unknown(9)));
    }
}
