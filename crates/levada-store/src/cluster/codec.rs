//! Bytes of [`Change`]s, as they stand in the journal and in the checkpoint.
//!
//! ```text
//! u8  kind · fields
//!   1 CreateTopic      uuid id · text name · i32 partitions · map configs
//!   2 DeleteTopic      uuid id
//!   3 SetPartitions    uuid id · i32 partitions
//!   4 SetTopicConfigs  uuid id · map configs
//!   5 SetBrokerConfigs map configs
//!   6 SetNextProducerId i64 next
//!   7 SetLeaderEpoch   i32 epoch
//!   8 SetLogStart      uuid id · i32 partition · i64 offset
//!  20 SetClientQuotas  name user · name client id · name ip · u32 count · (text key · f64 value)…
//!  21 SetScramCredential text user · i8 mechanism · u8 1 · i32 iterations · bytes salt · bytes salted password
//!                      text user · i8 mechanism · u8 0, where it is taken away
//!  22 SetGroupConfigs  text group id · map configs
//! text: u32 length · UTF-8;  map: u32 count · (text key · text value)…;  bytes: u32 length · bytes
//! name: u8 0 none, 1 everybody else, 2 and then a text
//! ```

use super::{Change, EntityName, QuotaEntity, QuotaValue, Quotas, ScramCredential};
use bytes::{BufMut, Bytes, BytesMut};
use levada_model::{
    Str, TopicName, Uuid,
    reader::{ReadError, Reader},
};
use std::collections::BTreeMap;

/// Why the bytes of a change cannot be read. They are our own: this is damage, or a newer version's file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The bytes end too early.
    #[error("cluster change: {0}")]
    Read(#[from] ReadError),
    /// A kind that this version does not know.
    #[error("cluster change of kind {0} is unknown; a newer version wrote it")]
    Kind(u8),
    /// A text that is no UTF-8, or no topic name.
    #[error("cluster change holds a broken name")]
    Name,
}

/// Writes `changes` one after the other, a count in front.
#[must_use]
pub fn encode(changes: &[Change]) -> Bytes {
    let mut target = BytesMut::new();
    put_count(&mut target, changes.len());
    for change in changes {
        put_change(&mut target, change);
    }
    target.freeze()
}

/// Reads what [`encode`] wrote.
///
/// # Errors
/// [`ChangeError`].
pub fn decode(bytes: Bytes) -> Result<Vec<Change>, ChangeError> {
    let mut reader = Reader::new(bytes);
    let count = reader.u32()?;
    // No allocation from the count: each change takes at least one byte.
    (0..count).map(|_| read_change(&mut reader)).collect()
}

fn put_change(target: &mut BytesMut, change: &Change) {
    match change {
        Change::CreateTopic { id, name, partitions, configs } => {
            target.put_u8(1);
            target.put_slice(id.as_bytes());
            put_text(target, name.as_str());
            target.put_i32(*partitions);
            put_map(target, configs);
        }
        Change::DeleteTopic { id } => {
            target.put_u8(2);
            target.put_slice(id.as_bytes());
        }
        Change::SetPartitions { id, partitions } => {
            target.put_u8(3);
            target.put_slice(id.as_bytes());
            target.put_i32(*partitions);
        }
        Change::SetTopicConfigs { id, configs } => {
            target.put_u8(4);
            target.put_slice(id.as_bytes());
            put_map(target, configs);
        }
        Change::SetBrokerConfigs { configs } => {
            target.put_u8(5);
            put_map(target, configs);
        }
        Change::SetNextProducerId { next } => {
            target.put_u8(6);
            target.put_i64(*next);
        }
        Change::SetLeaderEpoch { epoch } => {
            target.put_u8(7);
            target.put_i32(*epoch);
        }
        Change::SetLogStart { id, partition, offset } => {
            target.put_u8(8);
            target.put_slice(id.as_bytes());
            target.put_i32(*partition);
            target.put_i64(*offset);
        }
        Change::SetClientQuotas { entity, quotas } => {
            target.put_u8(20);
            put_quotas(target, entity, quotas);
        }
        Change::SetScramCredential { key: (user, mechanism), credential } => {
            target.put_u8(21);
            put_text(target, user);
            target.put_i8(*mechanism);
            target.put_u8(u8::from(credential.is_some()));
            if let Some(ScramCredential { iterations, salt, salted_password }) = credential {
                target.put_i32(*iterations);
                put_bytes(target, salt);
                put_bytes(target, salted_password);
            }
        }
        Change::SetGroupConfigs { group_id, configs } => {
            target.put_u8(22);
            put_text(target, group_id);
            put_map(target, configs);
        }
    }
}

fn read_change(reader: &mut Reader) -> Result<Change, ChangeError> {
    Ok(match reader.u8()? {
        1 => Change::CreateTopic {
            id: read_id(reader)?,
            name: TopicName::new(&read_text(reader)?).map_err(|_| ChangeError::Name)?,
            partitions: reader.i32()?,
            configs: read_map(reader)?,
        },
        2 => Change::DeleteTopic { id: read_id(reader)? },
        3 => Change::SetPartitions { id: read_id(reader)?, partitions: reader.i32()? },
        4 => Change::SetTopicConfigs { id: read_id(reader)?, configs: read_map(reader)? },
        5 => Change::SetBrokerConfigs { configs: read_map(reader)? },
        6 => Change::SetNextProducerId { next: reader.i64()? },
        7 => Change::SetLeaderEpoch { epoch: reader.i32()? },
        8 => Change::SetLogStart { id: read_id(reader)?, partition: reader.i32()?, offset: reader.i64()? },
        20 => {
            let entity =
                QuotaEntity { user: read_name(reader)?, client_id: read_name(reader)?, ip: read_name(reader)? };
            Change::SetClientQuotas { entity, quotas: read_quotas(reader)? }
        }
        21 => Change::SetScramCredential {
            key: (read_text(reader)?, reader.i8()?),
            credential: if reader.u8()? == 0 { None } else { Some(read_credential(reader)?) },
        },
        22 => Change::SetGroupConfigs { group_id: read_text(reader)?, configs: read_map(reader)? },
        kind => return Err(ChangeError::Kind(kind)),
    })
}

fn put_quotas(target: &mut BytesMut, entity: &QuotaEntity, quotas: &Quotas) {
    for name in [&entity.user, &entity.client_id, &entity.ip] {
        match name {
            None => target.put_u8(0),
            Some(EntityName::Default) => target.put_u8(1),
            Some(EntityName::Named(name)) => {
                target.put_u8(2);
                put_text(target, name);
            }
        }
    }
    put_count(target, quotas.len());
    for (key, value) in quotas {
        put_text(target, key);
        target.put_f64(value.get());
    }
}

fn read_name(reader: &mut Reader) -> Result<Option<EntityName>, ChangeError> {
    match reader.u8()? {
        0 => Ok(None),
        1 => Ok(Some(EntityName::Default)),
        2 => read_text(reader).map(EntityName::Named).map(Some),
        _ => Err(ChangeError::Name),
    }
}

fn read_quotas(reader: &mut Reader) -> Result<Quotas, ChangeError> {
    let count = reader.u32()?;
    (0..count).map(|_| Ok((read_text(reader)?, QuotaValue::new(reader.f64()?)))).collect()
}

fn read_credential(reader: &mut Reader) -> Result<ScramCredential, ChangeError> {
    let iterations = reader.i32()?;
    Ok(ScramCredential { iterations, salt: read_bytes(reader)?, salted_password: read_bytes(reader)? })
}

fn put_bytes(target: &mut BytesMut, bytes: &Bytes) {
    put_count(target, bytes.len());
    target.put_slice(bytes);
}

fn read_bytes(reader: &mut Reader) -> Result<Bytes, ChangeError> {
    let size = usize::try_from(reader.u32()?).map_err(|_| ChangeError::Name)?;
    Ok(reader.take(size)?)
}

fn read_id(reader: &mut Reader) -> Result<Uuid, ReadError> {
    reader.array().map(Uuid::from_bytes)
}

fn put_count(target: &mut BytesMut, count: usize) {
    target.put_u32(u32::try_from(count).expect("counted in 32 bits"));
}

fn put_text(target: &mut BytesMut, text: &str) {
    put_count(target, text.len());
    target.put_slice(text.as_bytes());
}

fn read_text(reader: &mut Reader) -> Result<String, ChangeError> {
    let size = usize::try_from(reader.u32()?).map_err(|_| ChangeError::Name)?;
    Str::from_utf8(reader.take(size)?).map(String::from).map_err(|_| ChangeError::Name)
}

fn put_map(target: &mut BytesMut, map: &BTreeMap<String, String>) {
    put_count(target, map.len());
    for (key, value) in map {
        put_text(target, key);
        put_text(target, value);
    }
}

fn read_map(reader: &mut Reader) -> Result<BTreeMap<String, String>, ChangeError> {
    let count = reader.u32()?;
    (0..count).map(|_| Ok((read_text(reader)?, read_text(reader)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Change> {
        let id = Uuid::from_bytes([7; 16]);
        let configs = BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]);
        vec![
            Change::CreateTopic {
                id,
                name: TopicName::new("orders").unwrap(),
                partitions: 3,
                configs: configs.clone(),
            },
            Change::SetPartitions { id, partitions: 5 },
            Change::SetTopicConfigs { id, configs: configs.clone() },
            Change::SetBrokerConfigs { configs },
            group_configs(),
            Change::SetNextProducerId { next: 1_000 },
            Change::SetLeaderEpoch { epoch: 4 },
            Change::SetLogStart { id, partition: 2, offset: 99 },
            Change::DeleteTopic { id },
            quotas(),
            Change::SetScramCredential { key: ("alice".to_owned(), 1), credential: Some(credential()) },
            Change::SetScramCredential { key: ("bob".to_owned(), 2), credential: None },
        ]
    }

    fn quotas() -> Change {
        Change::SetClientQuotas {
            entity: QuotaEntity {
                user: Some(EntityName::Named("alice".to_owned())),
                client_id: Some(EntityName::Default),
                ip: None,
            },
            quotas: Quotas::from([("producer_byte_rate".to_owned(), QuotaValue::new(1024.5))]),
        }
    }

    fn group_configs() -> Change {
        let configs = BTreeMap::from([("consumer.session.timeout.ms".to_owned(), "50000".to_owned())]);
        Change::SetGroupConfigs { group_id: "app".to_owned(), configs }
    }

    fn credential() -> ScramCredential {
        ScramCredential {
            iterations: 4096,
            salt: Bytes::from_static(b"salt"),
            salted_password: Bytes::from_static(b"salted"),
        }
    }

    #[test]
    fn the_bytes_of_quotas_and_credentials_never_change() {
        let golden =
            b"\0\0\0\x01\x14\x02\0\0\0\x05alice\x01\0\0\0\0\x01\0\0\0\x12producer_byte_rate\x40\x90\x02\0\0\0\0\0";
        assert_eq!(&encode(&[quotas()])[..], &golden[..]);
        let change = Change::SetScramCredential { key: ("alice".to_owned(), 1), credential: Some(credential()) };
        let golden = b"\0\0\0\x01\x15\0\0\0\x05alice\x01\x01\0\0\x10\0\0\0\0\x04salt\0\0\0\x06salted";
        assert_eq!(&encode(&[change])[..], &golden[..]);
    }

    #[test]
    fn the_bytes_of_the_settings_of_groups_never_change() {
        let golden = b"\0\0\0\x01\x16\0\0\0\x03app\0\0\0\x01\0\0\0\x1bconsumer.session.timeout.ms\0\0\0\x0550000";
        assert_eq!(&encode(&[group_configs()])[..], &golden[..]);
    }

    #[test]
    fn every_change_round_trips() {
        assert_eq!(decode(encode(&all())), Ok(all()));
    }

    #[test]
    fn the_bytes_of_a_topic_creation_never_change() {
        let bytes = encode(&all()[..1]);
        let golden = b"\0\0\0\x01\x01\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\x07\
            \0\0\0\x06orders\0\0\0\x03\0\0\0\x01\0\0\0\x0cretention.ms\0\0\0\x02-1";
        assert_eq!(&bytes[..], &golden[..]);
    }

    #[test]
    fn a_cut_change_is_an_error() {
        let bytes = encode(&all());
        for size in 0..bytes.len() {
            assert!(decode(bytes.slice(..size)).is_err(), "{size} bytes");
        }
    }
}
