//! What members of the classic protocol say to each other inside JoinGroup and SyncGroup, of which a broker that
//! assigns has to understand a part: the `consumer` embedded protocol.
//!
//! ```text
//! subscription   i16 version · i32 count · topics · bytes? user data
//!                · from 1 on: i32 count · owned partitions · from 2 on: i32 generation · from 3 on: string? rack
//! assignment     i16 version · i32 count · assigned partitions · bytes? user data
//! partitions     string topic · i32 count · i32 each
//! ```
//!
//! Strings and bytes as elsewhere in Kafka's older messages: an i16 or i32 size, −1 for null. Versions above 3 are
//! read as 3. Source: KIP-415, KIP-429, KIP-792, KIP-881.

use bytes::{BufMut, Bytes, BytesMut};
use levada_model::{
    PartitionIndex, Str,
    reader::{ReadError, Reader},
};

/// The protocol type of ordinary consumers.
pub const CONSUMER: &str = "consumer";
/// The newest version.
const VERSION_MAX: i16 = 3;

/// What a member subscribes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    /// The version it was written in.
    pub version: i16,
    /// Topics by name.
    pub topics: Vec<Str>,
    /// What it has, by name.
    pub owned: Vec<(Str, Vec<PartitionIndex>)>,
    /// Where it says that it stands.
    pub rack_id: Option<Str>,
}

/// What a member was assigned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assigned {
    /// Partitions by the name of their topic.
    pub partitions: Vec<(Str, Vec<PartitionIndex>)>,
    /// Whether the assignor of a client left notes of its own.
    pub has_user_data: bool,
}

/// Reads a subscription.
///
/// # Errors
/// [`ReadError`], also for text that is not UTF-8.
pub fn read_subscription(bytes: Bytes) -> Result<Subscription, ReadError> {
    let mut reader = Reader::new(bytes);
    let version = reader.i16()?;
    if version < 0 {
        return Err(ReadError::NegativeLength(i64::from(version)));
    }
    let mut topics = Vec::new();
    for _ in 0..count(&mut reader)? {
        topics.push(string(&mut reader)?);
    }
    user_data(&mut reader)?;
    let owned = if version >= 1 { partitions(&mut reader)? } else { Vec::new() };
    if version >= 2 {
        reader.i32()?;
    }
    let rack_id = if version >= 3 { nullable(&mut reader)? } else { None };
    Ok(Subscription { version: version.min(VERSION_MAX), topics, owned, rack_id })
}

/// Reads an assignment; none at all is an empty one.
///
/// # Errors
/// [`ReadError`].
pub fn read_assignment(bytes: Bytes) -> Result<Assigned, ReadError> {
    if bytes.is_empty() {
        return Ok(Assigned::default());
    }
    let mut reader = Reader::new(bytes);
    let version = reader.i16()?;
    if version < 0 {
        return Err(ReadError::NegativeLength(i64::from(version)));
    }
    Ok(Assigned { partitions: partitions(&mut reader)?, has_user_data: user_data(&mut reader)? })
}

/// Writes an assignment in `version`.
#[must_use]
pub fn assignment(version: i16, partitions: &[(Str, Vec<PartitionIndex>)]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(version);
    bytes.put_i32(size(partitions.len()));
    for (topic, indexes) in partitions {
        bytes.put_i16(i16::try_from(topic.len()).expect("names of topics are short"));
        bytes.put_slice(topic.as_bytes());
        bytes.put_i32(size(indexes.len()));
        indexes.iter().for_each(|&index| bytes.put_i32(index));
    }
    bytes.put_i32(-1);
    bytes.freeze()
}

fn size(count: usize) -> i32 {
    i32::try_from(count).expect("partitions are counted in 31 bits")
}

fn count(reader: &mut Reader) -> Result<i32, ReadError> {
    let count = reader.i32()?;
    if count < 0 { Err(ReadError::NegativeLength(i64::from(count))) } else { Ok(count) }
}

fn partitions(reader: &mut Reader) -> Result<Vec<(Str, Vec<PartitionIndex>)>, ReadError> {
    let mut partitions = Vec::new();
    for _ in 0..count(reader)? {
        let topic = string(reader)?;
        let mut indexes = Vec::new();
        for _ in 0..count(reader)? {
            indexes.push(reader.i32()?);
        }
        partitions.push((topic, indexes));
    }
    Ok(partitions)
}

/// Whether there are any.
fn user_data(reader: &mut Reader) -> Result<bool, ReadError> {
    let size = reader.i32()?;
    let Ok(size) = usize::try_from(size) else { return Ok(false) };
    reader.skip(size)?;
    Ok(size > 0)
}

fn nullable(reader: &mut Reader) -> Result<Option<Str>, ReadError> {
    let size = reader.i16()?;
    let Ok(size) = usize::try_from(size) else { return Ok(None) };
    let text = Str::from_utf8(Bytes::copy_from_slice(&reader.take(size)?));
    text.map(Some).map_err(|_| ReadError::Truncated { wanted: size, left: 0 })
}

fn string(reader: &mut Reader) -> Result<Str, ReadError> {
    nullable(reader)?.ok_or(ReadError::NegativeLength(-1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_is_read_in_each_version() {
        let topics = b"\0\0\0\x02\0\x01a\0\x02bc\xff\xff\xff\xff";
        let owned = b"\0\0\0\x01\0\x01a\0\0\0\x02\0\0\0\x03\0\0\0\x04";
        let read = |version: i16, rest: &[&[u8]]| {
            let bytes: Vec<u8> = version.to_be_bytes().into_iter().chain(rest.concat()).collect();
            read_subscription(bytes.into())
        };
        let plain = Subscription { topics: vec!["a".into(), "bc".into()], ..Subscription::default() };
        assert_eq!(read(0, &[topics]), Ok(plain.clone()));
        let with_owned = Subscription { version: 1, owned: vec![("a".into(), vec![3, 4])], ..plain };
        assert_eq!(read(1, &[topics, owned]), Ok(with_owned.clone()));
        let newest = Subscription { version: 3, rack_id: Some("r".into()), ..with_owned };
        assert_eq!(read(3, &[topics, owned, b"\0\0\0\x07", b"\0\x01r"]), Ok(newest));
        assert!(read(1, &[topics]).is_err());
        assert!(read(-1, &[topics]).is_err());
        assert!(read(0, &[b"\x7f\xff\xff\xff"]).is_err());
    }

    #[test]
    fn an_assignment_is_written_as_clients_read_it() {
        let golden = b"\0\x01\0\0\0\x01\0\x01t\0\0\0\x02\0\0\0\0\0\0\0\x05\xff\xff\xff\xff";
        let partitions = vec![("t".into(), vec![0, 5])];
        assert_eq!(assignment(1, &partitions), Bytes::from_static(golden));
        assert_eq!(read_assignment(Bytes::from_static(golden)), Ok(Assigned { partitions, has_user_data: false }));
        assert_eq!(read_assignment(Bytes::new()), Ok(Assigned::default()));
        let noted = b"\0\0\0\0\0\0\0\0\0\x01x";
        assert!(read_assignment(Bytes::from_static(noted)).is_ok_and(|assigned| assigned.has_user_data));
    }
}
