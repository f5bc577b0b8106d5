//! The records of `__consumer_offsets`, as Kafka 4.3 writes and reads them.
//!
//! ```text
//! offset key     i16 1 · string group · string topic · i32 partition
//! offset value   i16 4 · i64 offset · i32 leader epoch · compact string metadata · i64 commit time · tagged fields
//!                i16 3 · i64 offset · i32 leader epoch · string metadata · i64 commit time         (read only)
//!                i16 1 · i64 offset · string metadata · i64 commit time · i64 expiry      (client set an expiry)
//! group key      i16 2 · string group
//! group value    i16 3 · string protocol type · i32 generation · string? protocol · string? leader
//!                · i64 state since · i32 count · members
//! member         string id · string? instance · string client · string host · i32 rebalance timeout
//!                · i32 session timeout · bytes subscription · bytes assignment
//! ```
//!
//! A string is an i16 size and UTF-8, null is −1; a compact one has its size plus one as a varint; bytes are an
//! i32 size and the bytes. Of the tagged fields, Kafka's 0 (the topic's id) is read past and not written. A key
//! without a value is a tombstone. Source: KIP-211, KIP-320, KIP-345, KIP-915.

use crate::{
    coordinator::consumer_records::{self, ConsumerKey},
    group::{
        GroupSnapshot, MemberSnapshot,
        offsets::{CommittedOffset, TopicPartition},
    },
};
use bytes::{BufMut, Bytes, BytesMut};
use levada_model::{
    Str, TopicName,
    reader::{ReadError, Reader},
    writer::WriteVarint,
};
use std::time::Duration;

/// What a key names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// A position of a group.
    Offset {
        /// The group.
        group: Str,
        /// Where.
        partition: TopicPartition,
    },
    /// A group.
    Group(Str),
    /// A part of a group of KIP-848.
    Consumer(Str, ConsumerKey),
}

/// Why a record is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes end too early.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A string is not UTF-8, or a name is not legal.
    #[error("a name is not legal")]
    Name,
    /// A version that is not written here.
    #[error("version {0} is not known")]
    Version(i16),
}

/// Kafka's place for a group: the absolute value of Java's hash of its id.
#[must_use]
pub fn java_hash(text: &str) -> i32 {
    let hash = text.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    // The smallest number has no absolute value; Kafka takes 0.
    hash.checked_abs().unwrap_or(0)
}

/// The key of a position.
#[must_use]
pub fn offset_key(group: &str, partition: &TopicPartition) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(1);
    put_str(&mut bytes, group);
    put_str(&mut bytes, partition.topic.as_str());
    bytes.put_i32(partition.partition);
    bytes.freeze()
}

/// The value of a position.
#[must_use]
pub fn offset_value(committed: &CommittedOffset) -> Bytes {
    let mut bytes = BytesMut::new();
    if let Some(expires_ms) = committed.expires_ms {
        bytes.put_i16(1);
        bytes.put_i64(committed.offset);
        put_str(&mut bytes, &committed.metadata);
        bytes.put_i64(committed.committed_ms);
        bytes.put_i64(expires_ms);
    } else {
        bytes.put_i16(4);
        bytes.put_i64(committed.offset);
        bytes.put_i32(committed.leader_epoch.unwrap_or(-1));
        let size = u32::try_from(committed.metadata.len()).expect("notes are below 32 KiB");
        bytes.put_unsigned_varint(size + 1);
        bytes.put_slice(committed.metadata.as_bytes());
        bytes.put_i64(committed.committed_ms);
        bytes.put_unsigned_varint(0);
    }
    bytes.freeze()
}

/// The key of a group.
#[must_use]
pub fn group_key(group: &str) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(2);
    put_str(&mut bytes, group);
    bytes.freeze()
}

/// The value of a group.
#[must_use]
pub fn group_value(snapshot: &GroupSnapshot) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(3);
    put_str(&mut bytes, &snapshot.protocol_type);
    bytes.put_i32(snapshot.generation);
    put_nullable(&mut bytes, snapshot.protocol.as_ref());
    put_nullable(&mut bytes, snapshot.leader.as_ref());
    bytes.put_i64(snapshot.state_since_ms);
    bytes.put_i32(i32::try_from(snapshot.members.len()).unwrap_or(i32::MAX));
    for member in &snapshot.members {
        put_str(&mut bytes, &member.id);
        put_nullable(&mut bytes, member.instance_id.as_ref());
        put_str(&mut bytes, &member.client_id);
        put_str(&mut bytes, &member.client_host);
        bytes.put_i32(milliseconds(member.rebalance_timeout));
        bytes.put_i32(milliseconds(member.session_timeout));
        put_bytes(&mut bytes, &member.subscription);
        put_bytes(&mut bytes, &member.assignment);
    }
    bytes.freeze()
}

/// Reads a key; `None` for kinds that are not kept here.
///
/// # Errors
/// [`RecordError`].
pub fn read_key(key: Bytes) -> Result<Option<Key>, RecordError> {
    let mut reader = Reader::new(key);
    match reader.i16()? {
        0 | 1 => {
            let group = string(&mut reader)?;
            let topic = TopicName::new(&string(&mut reader)?).map_err(|_| RecordError::Name)?;
            Ok(Some(Key::Offset { group, partition: TopicPartition { topic, partition: reader.i32()? } }))
        }
        2 => Ok(Some(Key::Group(string(&mut reader)?))),
        kind => Ok(consumer_records::read_key(kind, &mut reader)?.map(|(group, key)| Key::Consumer(group, key))),
    }
}

/// Reads the value of a position.
///
/// # Errors
/// [`RecordError`].
pub fn read_offset(value: Bytes) -> Result<CommittedOffset, RecordError> {
    let mut reader = Reader::new(value);
    let version = reader.i16()?;
    if !(0..=4).contains(&version) {
        return Err(RecordError::Version(version));
    }
    let offset = reader.i64()?;
    let leader_epoch = if version >= 3 { Some(reader.i32()?).filter(|&epoch| epoch >= 0) } else { None };
    let metadata = if version >= 4 { compact(&mut reader)? } else { string(&mut reader)? };
    let committed_ms = reader.i64()?;
    let expires_ms = if version == 1 { Some(reader.i64()?).filter(|&expires_ms| expires_ms >= 0) } else { None };
    Ok(CommittedOffset { offset, leader_epoch, metadata, committed_ms, expires_ms })
}

/// Reads the value of a group.
///
/// # Errors
/// [`RecordError`].
pub fn read_group(value: Bytes) -> Result<GroupSnapshot, RecordError> {
    let mut reader = Reader::new(value);
    let version = reader.i16()?;
    if !(0..=3).contains(&version) {
        return Err(RecordError::Version(version));
    }
    let protocol_type = string(&mut reader)?;
    let generation = reader.i32()?;
    let protocol = nullable(&mut reader)?;
    let leader = nullable(&mut reader)?;
    let state_since_ms = if version >= 2 { reader.i64()? } else { -1 };
    let count = reader.i32()?;
    let mut members = Vec::new();
    for _ in 0..count {
        members.push(read_member(&mut reader, version)?);
    }
    Ok(GroupSnapshot { protocol_type, generation, protocol, leader, state_since_ms, members })
}

fn read_member(reader: &mut Reader, version: i16) -> Result<MemberSnapshot, RecordError> {
    let id = string(reader)?;
    let instance_id = if version >= 3 { nullable(reader)? } else { None };
    let client_id = string(reader)?;
    let client_host = string(reader)?;
    let rebalance_timeout = if version >= 1 { Some(duration(reader.i32()?)) } else { None };
    let session_timeout = duration(reader.i32()?);
    let rebalance_timeout = rebalance_timeout.unwrap_or(session_timeout);
    let (subscription, assignment) = (bytes_field(reader)?, bytes_field(reader)?);
    Ok(MemberSnapshot {
        id,
        instance_id,
        client_id,
        client_host,
        rebalance_timeout,
        session_timeout,
        subscription,
        assignment,
    })
}

pub(super) fn put_str(bytes: &mut BytesMut, text: &str) {
    // Every text that comes this far was bounded when it came in.
    let size = i16::try_from(text.len()).expect("names and notes are below 32 KiB");
    bytes.put_i16(size);
    bytes.put_slice(text.as_bytes());
}

fn put_nullable(bytes: &mut BytesMut, text: Option<&Str>) {
    match text {
        None => bytes.put_i16(-1),
        Some(text) => put_str(bytes, text),
    }
}

fn put_bytes(bytes: &mut BytesMut, field: &Bytes) {
    bytes.put_i32(i32::try_from(field.len()).expect("metadata and assignments are bounded"));
    bytes.put_slice(field);
}

pub(super) fn milliseconds(span: Duration) -> i32 {
    i32::try_from(span.as_millis()).unwrap_or(i32::MAX)
}

pub(super) fn duration(milliseconds: i32) -> Duration {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
}

fn compact(reader: &mut Reader) -> Result<Str, RecordError> {
    let size = reader.unsigned_varint()?.checked_sub(1).ok_or(RecordError::Name)?;
    let size = usize::try_from(size).map_err(|_| RecordError::Name)?;
    Str::from_utf8(Bytes::copy_from_slice(&reader.take(size)?)).map_err(|_| RecordError::Name)
}

fn nullable(reader: &mut Reader) -> Result<Option<Str>, RecordError> {
    let size = reader.i16()?;
    if size < 0 {
        return Ok(None);
    }
    let size = usize::try_from(size).unwrap_or(0);
    Str::from_utf8(Bytes::copy_from_slice(&reader.take(size)?)).map(Some).map_err(|_| RecordError::Name)
}

pub(super) fn string(reader: &mut Reader) -> Result<Str, RecordError> {
    nullable(reader)?.ok_or(RecordError::Name)
}

fn bytes_field(reader: &mut Reader) -> Result<Bytes, RecordError> {
    let size = reader.i32()?;
    let size = usize::try_from(size).map_err(|_| ReadError::NegativeLength(i64::from(size)))?;
    Ok(Bytes::copy_from_slice(&reader.take(size)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition() -> TopicPartition {
        TopicPartition { topic: TopicName::new("t").unwrap(), partition: 7 }
    }

    fn committed(expires_ms: Option<i64>) -> CommittedOffset {
        let leader_epoch = if expires_ms.is_none() { Some(3) } else { None };
        CommittedOffset { offset: 42, leader_epoch, metadata: "m".into(), committed_ms: 1_000, expires_ms }
    }

    #[test]
    fn groups_are_placed_as_java_hashes_them() {
        assert_eq!(java_hash("hello"), 99_162_322);
        assert_eq!(java_hash(""), 0);
        assert_eq!(java_hash("polygenelubricants"), 0);
        assert_eq!(java_hash("fencing"), 967_719_762);
    }

    #[test]
    fn an_offset_is_written_as_kafka_does() {
        assert_eq!(offset_key("g", &partition()), Bytes::from_static(b"\0\x01\0\x01g\0\x01t\0\0\0\x07"));
        let golden = b"\0\x04\0\0\0\0\0\0\0\x2a\0\0\0\x03\x02m\0\0\0\0\0\0\x03\xe8\0";
        assert_eq!(offset_value(&committed(None)), Bytes::from_static(golden));
        let golden = b"\0\x01\0\0\0\0\0\0\0\x2a\0\x01m\0\0\0\0\0\0\x03\xe8\0\0\0\0\0\0\x07\xd0";
        assert_eq!(offset_value(&committed(Some(2_000))), Bytes::from_static(golden));
    }

    #[test]
    fn a_group_is_written_as_kafka_does() {
        let member = MemberSnapshot {
            id: "i".into(),
            instance_id: None,
            client_id: "c".into(),
            client_host: "/h".into(),
            rebalance_timeout: Duration::from_millis(5),
            session_timeout: Duration::from_millis(6),
            subscription: Bytes::from_static(b"s"),
            assignment: Bytes::from_static(b"as"),
        };
        let snapshot = GroupSnapshot {
            protocol_type: "consumer".into(),
            generation: 2,
            protocol: Some("range".into()),
            leader: Some("i".into()),
            state_since_ms: 9,
            members: vec![member],
        };
        let golden = b"\0\x03\0\x08consumer\0\0\0\x02\0\x05range\0\x01i\0\0\0\0\0\0\0\x09\0\0\0\x01\
            \0\x01i\xff\xff\0\x01c\0\x02/h\0\0\0\x05\0\0\0\x06\0\0\0\x01s\0\0\0\x02as";
        assert_eq!(group_value(&snapshot), Bytes::from_static(golden));
        assert_eq!(group_key("g"), Bytes::from_static(b"\0\x02\0\x01g"));
        assert_eq!(read_group(group_value(&snapshot)), Ok(snapshot));
    }

    #[test]
    fn what_older_and_other_brokers_wrote_is_read() {
        let older = b"\0\x03\0\0\0\0\0\0\0\x2a\0\0\0\x03\0\x01m\0\0\0\0\0\0\x03\xe8";
        assert_eq!(read_offset(Bytes::from_static(older)), Ok(committed(None)));
        let mut with_topic_id = offset_value(&committed(None)).to_vec();
        *with_topic_id.last_mut().unwrap() = 1;
        with_topic_id.extend([0, 16]);
        with_topic_id.extend([9; 16]);
        assert_eq!(read_offset(with_topic_id.into()), Ok(committed(None)));
    }

    #[test]
    fn what_is_written_is_read_back() {
        for expires_ms in [None, Some(2_000)] {
            assert_eq!(read_offset(offset_value(&committed(expires_ms))), Ok(committed(expires_ms)));
        }
        let key = Key::Offset { group: "g".into(), partition: partition() };
        assert_eq!(read_key(offset_key("g", &partition())), Ok(Some(key)));
        assert_eq!(read_key(group_key("g")), Ok(Some(Key::Group("g".into()))));
        assert_eq!(read_key(Bytes::from_static(b"\0\x0b\0\x01g")), Ok(None), "kinds of other protocols are left alone");
        for cut in 0..8 {
            assert!(read_key(offset_key("g", &partition()).slice(..cut)).is_err());
        }
    }
}
