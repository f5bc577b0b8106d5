//! The records of groups under KIP-848 in `__consumer_offsets`, as Kafka 4.3 writes and reads them.
//!
//! ```text
//! group key        i16 3 · string group              value  i16 0 · i32 epoch · tags (0: i64 hash of topics' metadata)
//! topics key       i16 4 · string group              (of Kafka 4.0; read past, only ever deleted)
//! member key       i16 5 · string group · string member
//! member value     i16 0 · text? instance · text? rack · text client · text host · list of text topics
//!                  · text? regular expression · i32 rebalance timeout · text? assignor
//!                  · tags (0: i8 0, or i8 1 · i32 session timeout · list of (text protocol · blob · tags) · tags)
//! targets key      i16 6 · string group              value  i16 0 · i32 epoch · tags (0: i64 when)
//! target key       i16 7 · string group · string member
//! target value     i16 0 · list of (16 bytes topic · list of i32 partitions · tags) · tags
//! assignment key   i16 8 · string group · string member
//! assignment value i16 0 · i32 epoch · i32 epoch before · i8 state · assigned · to be revoked · tags
//!                  each a list of (16 bytes topic · list of i32 partitions · tags (0: list of i32 epochs))
//! pattern key      i16 16 · string group · string regular expression
//! pattern value    i16 0 · list of text topics · i64 version · i64 when · tags
//! ```
//!
//! A string is an i16 size and UTF-8. The size of a text or blob and the count of a list are varints, one more than
//! they are; 0 is null. Tags are a varint count and for each a varint number, a varint size and so many bytes.
//! State: 0 stable, 1 to revoke, 2 waits for others. Source: KIP-848, KIP-1101, KIP-1251.

use crate::{
    consumer_group::{
        Assignment, AssignmentEpoch, ClassicMetadata, Current, GroupEpoch, MemberMetadata, MemberState, Owned, Record,
        Resolved,
    },
    coordinator::records::{self, RecordError, duration, milliseconds, put_str, string},
};
use bytes::{BufMut, Bytes, BytesMut};
use levada_model::{
    PartitionIndex, Str, TopicId, Uuid,
    reader::{ReadError, Reader},
    writer::WriteVarint,
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// What a key names, of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsumerKey {
    /// The group's epoch.
    Group,
    /// What Kafka 4.0 kept of topics.
    Topics,
    /// What a member says.
    Member(Str),
    /// For which epoch the targets hold.
    AssignmentEpoch,
    /// What a member is to have.
    Target(Str),
    /// What a member has.
    Current(Str),
    /// What a regular expression matched.
    Resolved(Str),
}

/// A record of `group` as it is written: key, and value or tombstone.
#[must_use]
pub fn write(group: &str, record: &Record) -> (Bytes, Option<Bytes>) {
    match record {
        Record::Classic(snapshot) => (records::group_key(group), snapshot.as_deref().map(records::group_value)),
        Record::Group(value) => (key(3, group, None), value.map(group_value)),
        Record::Member(id, value) => (key(5, group, Some(id)), value.as_deref().map(member_value)),
        Record::AssignmentEpoch(value) => (key(6, group, None), value.map(assignment_epoch_value)),
        Record::Target(id, value) => (key(7, group, Some(id)), value.as_deref().map(target_value)),
        Record::Current(id, value) => (key(8, group, Some(id)), value.as_deref().map(current_value)),
        Record::Resolved(pattern, value) => (key(16, group, Some(pattern)), value.as_deref().map(resolved_value)),
    }
}

/// Reads a key of `kind`, whose number was read; `None` for kinds that are not kept here.
pub(super) fn read_key(kind: i16, reader: &mut Reader) -> Result<Option<(Str, ConsumerKey)>, RecordError> {
    if !matches!(kind, 3..=8 | 16) {
        return Ok(None);
    }
    let group = string(reader)?;
    let key = match kind {
        3 => ConsumerKey::Group,
        4 => ConsumerKey::Topics,
        5 => ConsumerKey::Member(string(reader)?),
        6 => ConsumerKey::AssignmentEpoch,
        7 => ConsumerKey::Target(string(reader)?),
        8 => ConsumerKey::Current(string(reader)?),
        _ => ConsumerKey::Resolved(string(reader)?),
    };
    Ok(Some((group, key)))
}

/// Reads a value, or takes a tombstone; `None` where nothing is to be kept.
///
/// # Errors
/// [`RecordError`].
pub fn read(key: ConsumerKey, value: Option<Bytes>) -> Result<Option<Record>, RecordError> {
    let mut reader = value.map(Reader::new);
    if let Some(reader) = &mut reader {
        let version = reader.i16()?;
        if version != 0 {
            return Err(RecordError::Version(version));
        }
    }
    let reader = reader.as_mut();
    Ok(Some(match key {
        ConsumerKey::Topics => return Ok(None),
        ConsumerKey::Group => Record::Group(reader.map(read_group).transpose()?),
        ConsumerKey::Member(id) => Record::Member(id, reader.map(read_member).transpose()?.map(Arc::new)),
        ConsumerKey::AssignmentEpoch => Record::AssignmentEpoch(reader.map(read_assignment_epoch).transpose()?),
        ConsumerKey::Target(id) => Record::Target(id, reader.map(read_target).transpose()?.map(Arc::new)),
        ConsumerKey::Current(id) => Record::Current(id, reader.map(read_current).transpose()?.map(Arc::new)),
        ConsumerKey::Resolved(id) => Record::Resolved(id, reader.map(read_resolved).transpose()?.map(Arc::new)),
    }))
}

fn key(kind: i16, group: &str, name: Option<&Str>) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(kind);
    put_str(&mut bytes, group);
    if let Some(name) = name {
        put_str(&mut bytes, name);
    }
    bytes.freeze()
}

/// The start of a value.
fn value() -> BytesMut {
    let mut bytes = BytesMut::new();
    bytes.put_i16(0);
    bytes
}

fn group_value(group: GroupEpoch) -> Bytes {
    let mut bytes = value();
    bytes.put_i32(group.epoch);
    let hash = (group.metadata_hash != 0).then(|| Bytes::copy_from_slice(&group.metadata_hash.to_be_bytes()));
    put_tag(&mut bytes, hash.as_deref());
    bytes.freeze()
}

fn assignment_epoch_value(assignment: AssignmentEpoch) -> Bytes {
    let mut bytes = value();
    bytes.put_i32(assignment.epoch);
    let at = (assignment.at_ms != 0).then(|| assignment.at_ms.to_be_bytes());
    put_tag(&mut bytes, at.as_ref().map(|at| &at[..]));
    bytes.freeze()
}

fn member_value(member: &MemberMetadata) -> Bytes {
    let mut bytes = value();
    put_nullable_text(&mut bytes, member.instance_id.as_ref());
    put_nullable_text(&mut bytes, member.rack_id.as_ref());
    put_blob(&mut bytes, member.client_id.as_bytes());
    put_blob(&mut bytes, member.client_host.as_bytes());
    put_names(&mut bytes, &member.topics);
    put_nullable_text(&mut bytes, member.pattern.as_ref());
    bytes.put_i32(member.rebalance_timeout.map_or(-1, milliseconds));
    put_nullable_text(&mut bytes, member.assignor.as_ref());
    let mut classic = BytesMut::new();
    match &member.classic {
        None => classic.put_i8(0),
        Some(says) => {
            classic.put_i8(1);
            classic.put_i32(milliseconds(says.session_timeout));
            put_count(&mut classic, says.protocols.len());
            for (name, metadata) in &says.protocols {
                put_blob(&mut classic, name.as_bytes());
                put_blob(&mut classic, metadata);
                classic.put_u8(0);
            }
            classic.put_u8(0);
        }
    }
    put_tag(&mut bytes, Some(&classic));
    bytes.freeze()
}

fn target_value(target: &Assignment) -> Bytes {
    let mut bytes = value();
    put_count(&mut bytes, target.topics().count());
    for (topic, partitions) in target.topics() {
        bytes.put_slice(topic.as_bytes());
        put_numbers(&mut bytes, partitions.len(), partitions.iter().copied());
        bytes.put_u8(0);
    }
    bytes.put_u8(0);
    bytes.freeze()
}

fn current_value(current: &Current) -> Bytes {
    let mut bytes = value();
    bytes.put_i32(current.epoch);
    bytes.put_i32(current.previous_epoch);
    bytes.put_i8(current.state.code());
    for owned in [&current.assigned, &current.revoking] {
        put_count(&mut bytes, owned.topics().count());
        for (topic, partitions) in owned.topics() {
            bytes.put_slice(topic.as_bytes());
            put_numbers(&mut bytes, partitions.len(), partitions.keys().copied());
            let mut epochs = BytesMut::new();
            put_numbers(&mut epochs, partitions.len(), partitions.values().copied());
            put_tag(&mut bytes, Some(&epochs));
        }
    }
    bytes.put_u8(0);
    bytes.freeze()
}

fn resolved_value(resolved: &Resolved) -> Bytes {
    let mut bytes = value();
    put_names(&mut bytes, &resolved.topics);
    bytes.put_i64(i64::try_from(resolved.version).unwrap_or(i64::MAX));
    bytes.put_i64(resolved.at_ms);
    bytes.put_u8(0);
    bytes.freeze()
}

fn put_count(bytes: &mut BytesMut, count: usize) {
    // Whatever comes this far was bounded when it came in.
    bytes.put_unsigned_varint(u32::try_from(count + 1).expect("lists and texts are bounded"));
}

fn put_blob(bytes: &mut BytesMut, blob: &[u8]) {
    put_count(bytes, blob.len());
    bytes.put_slice(blob);
}

fn put_nullable_text(bytes: &mut BytesMut, text: Option<&Str>) {
    match text {
        None => bytes.put_u8(0),
        Some(text) => put_blob(bytes, text.as_bytes()),
    }
}

fn put_names(bytes: &mut BytesMut, names: &BTreeSet<Str>) {
    put_count(bytes, names.len());
    names.iter().for_each(|name| put_blob(bytes, name.as_bytes()));
}

fn put_numbers(bytes: &mut BytesMut, count: usize, numbers: impl Iterator<Item = i32>) {
    put_count(bytes, count);
    numbers.for_each(|number| bytes.put_i32(number));
}

/// Writes tags: number 0, or none.
fn put_tag(bytes: &mut BytesMut, field: Option<&[u8]>) {
    let Some(field) = field else { return bytes.put_u8(0) };
    bytes.put_u8(1);
    bytes.put_u8(0);
    bytes.put_unsigned_varint(u32::try_from(field.len()).expect("fields are bounded"));
    bytes.put_slice(field);
}

fn read_group(reader: &mut Reader) -> Result<GroupEpoch, RecordError> {
    let epoch = reader.i32()?;
    let hash = read_tag(reader)?.map(|bytes| Reader::new(bytes).u64()).transpose()?;
    Ok(GroupEpoch { epoch, metadata_hash: hash.unwrap_or(0) })
}

fn read_assignment_epoch(reader: &mut Reader) -> Result<AssignmentEpoch, RecordError> {
    let epoch = reader.i32()?;
    let at = read_tag(reader)?.map(|bytes| Reader::new(bytes).i64()).transpose()?;
    Ok(AssignmentEpoch { epoch, at_ms: at.unwrap_or(0) })
}

fn read_member(reader: &mut Reader) -> Result<MemberMetadata, RecordError> {
    let instance_id = nullable_text(reader)?;
    let rack_id = nullable_text(reader)?;
    let client_id = text(reader)?;
    let client_host = text(reader)?;
    let topics = names(reader)?;
    let pattern = nullable_text(reader)?;
    let rebalance_timeout = u64::try_from(reader.i32()?).ok().map(Duration::from_millis);
    let assignor = nullable_text(reader)?;
    let classic = read_tag(reader)?.map(Reader::new).map(|mut reader| read_classic(&mut reader)).transpose()?;
    Ok(MemberMetadata {
        instance_id,
        rack_id,
        client_id,
        client_host,
        topics,
        pattern,
        rebalance_timeout,
        assignor,
        classic: classic.flatten(),
    })
}

fn read_classic(reader: &mut Reader) -> Result<Option<ClassicMetadata>, RecordError> {
    if reader.i8()? <= 0 {
        return Ok(None);
    }
    let session_timeout = duration(reader.i32()?);
    let mut protocols = Vec::new();
    for _ in 0..count(reader)? {
        let name = text(reader)?;
        let size = count(reader)?;
        protocols.push((name, Bytes::copy_from_slice(&reader.take(size)?)));
        read_tag(reader)?;
    }
    read_tag(reader)?;
    Ok(Some(ClassicMetadata { session_timeout, protocols }))
}

fn read_target(reader: &mut Reader) -> Result<Assignment, RecordError> {
    let mut target = Assignment::default();
    for _ in 0..count(reader)? {
        let topic = topic(reader)?;
        for _ in 0..count(reader)? {
            target.insert(topic, reader.i32()?);
        }
        read_tag(reader)?;
    }
    read_tag(reader)?;
    Ok(target)
}

fn read_current(reader: &mut Reader) -> Result<Current, RecordError> {
    let (epoch, previous_epoch) = (reader.i32()?, reader.i32()?);
    let state = MemberState::of_code(reader.i8()?);
    let (assigned, revoking) = (read_owned(reader, epoch)?, read_owned(reader, epoch)?);
    read_tag(reader)?;
    Ok(Current { epoch, previous_epoch, state, assigned, revoking })
}

/// Partitions without epochs, as Kafka before 4.3 wrote them, count as assigned in the member's own.
fn read_owned(reader: &mut Reader, epoch: i32) -> Result<Owned, RecordError> {
    let mut owned = Owned::default();
    for _ in 0..count(reader)? {
        let topic = topic(reader)?;
        let partitions: Vec<PartitionIndex> = numbers(reader)?;
        let epochs = read_tag(reader)?.map(Reader::new).map(|mut reader| numbers(&mut reader)).transpose()?;
        let epochs = epochs.unwrap_or_default();
        for (index, partition) in partitions.into_iter().enumerate() {
            owned.insert(topic, partition, epochs.get(index).copied().unwrap_or(epoch));
        }
    }
    Ok(owned)
}

fn read_resolved(reader: &mut Reader) -> Result<Resolved, RecordError> {
    let topics = names(reader)?;
    let version = u64::try_from(reader.i64()?).unwrap_or(0);
    let at_ms = reader.i64()?;
    read_tag(reader)?;
    Ok(Resolved { topics, version, at_ms })
}

fn topic(reader: &mut Reader) -> Result<TopicId, ReadError> {
    reader.array::<16>().map(Uuid::from_bytes)
}

fn nullable_count(reader: &mut Reader) -> Result<Option<usize>, ReadError> {
    let count = usize::try_from(reader.unsigned_varint()?).unwrap_or(usize::MAX);
    Ok(count.checked_sub(1))
}

/// A count that is not null. Nothing is allocated for it: what it counts is read one by one.
fn count(reader: &mut Reader) -> Result<usize, ReadError> {
    nullable_count(reader).map(Option::unwrap_or_default)
}

fn numbers(reader: &mut Reader) -> Result<Vec<i32>, ReadError> {
    let mut numbers = Vec::new();
    for _ in 0..count(reader)? {
        numbers.push(reader.i32()?);
    }
    Ok(numbers)
}

fn nullable_text(reader: &mut Reader) -> Result<Option<Str>, RecordError> {
    let Some(size) = nullable_count(reader)? else { return Ok(None) };
    let bytes = Bytes::copy_from_slice(&reader.take(size)?);
    Str::from_utf8(bytes).map(Some).map_err(|_| RecordError::Name)
}

fn text(reader: &mut Reader) -> Result<Str, RecordError> {
    nullable_text(reader)?.ok_or(RecordError::Name)
}

fn names(reader: &mut Reader) -> Result<BTreeSet<Str>, RecordError> {
    let mut names = BTreeSet::new();
    for _ in 0..count(reader)? {
        names.insert(text(reader)?);
    }
    Ok(names)
}

/// Reads tags; number 0, if it is there.
fn read_tag(reader: &mut Reader) -> Result<Option<Bytes>, ReadError> {
    let mut found = None;
    for _ in 0..reader.unsigned_varint()? {
        let number = reader.unsigned_varint()?;
        let size = usize::try_from(reader.unsigned_varint()?).unwrap_or(usize::MAX);
        let field = reader.take(size)?;
        if number == 0 {
            found = Some(field);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
