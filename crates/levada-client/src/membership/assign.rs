//! Who reads what: Kafka's range assignor, and the bytes that members exchange through the coordinator.
//!
//! Source: `ConsumerProtocolSubscription` and `ConsumerProtocolAssignment`, each after its two-byte version.

use crate::{ClientError, TopicPartition};
use bytes::{BufMut, Bytes, BytesMut};
use levada_model::Str;
use levada_protocol::{
    ApiKey, Decoder, Message,
    messages::{
        ConsumerProtocolAssignment, ConsumerProtocolSubscription, consumer_protocol_assignment::TopicPartition as Part,
    },
};
use std::collections::BTreeMap;

/// Written in version 0, which every client reads.
const VERSION: i16 = 0;

/// What a member of `topic` tells the leader.
pub(super) fn subscription(topic: &str) -> Result<Bytes, ClientError> {
    let subscription = ConsumerProtocolSubscription { topics: vec![Str::from(topic)], ..Default::default() };
    versioned(&subscription, ApiKey::JoinGroup)
}

/// What the leader tells a member.
pub(super) fn assignment(partitions: &[TopicPartition]) -> Result<Bytes, ClientError> {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for key in partitions {
        topics.entry(&key.topic).or_default().push(key.partition);
    }
    let parts = topics.into_iter().map(|(topic, partitions)| Part { topic: Str::from(topic), partitions });
    let assignment = ConsumerProtocolAssignment { assigned_partitions: parts.collect(), ..Default::default() };
    versioned(&assignment, ApiKey::SyncGroup)
}

fn versioned<M: Message>(message: &M, api: ApiKey) -> Result<Bytes, ClientError> {
    let body = message.to_bytes(VERSION).map_err(|cause| ClientError::Encode { api, cause })?;
    let mut bytes = BytesMut::with_capacity(2 + body.len());
    bytes.put_i16(VERSION);
    bytes.put_slice(&body);
    Ok(bytes.freeze())
}

/// What stands after the version; `None` where the bytes are no such message. Members wrote them: nothing is promised.
fn read<M: Message>(bytes: &Bytes) -> Option<M> {
    let (version, body) = bytes.split_first_chunk::<2>()?;
    // Later versions only add fields at the end.
    let version = i16::from_be_bytes(*version).min(*M::VERSIONS.end());
    M::decode(&mut Decoder::new(bytes.slice_ref(body)), version).ok()
}

/// The topics that a member wants.
pub(super) fn topics(metadata: &Bytes) -> Vec<String> {
    let subscription: Option<ConsumerProtocolSubscription> = read(metadata);
    subscription.map_or_else(Vec::new, |subscription| subscription.topics.into_iter().map(String::from).collect())
}

/// The partitions that a member was given, in order.
pub(crate) fn partitions(bytes: &Bytes) -> Vec<TopicPartition> {
    let Some(assignment) = read::<ConsumerProtocolAssignment>(bytes) else { return Vec::new() };
    let parts = assignment.assigned_partitions.iter();
    let mut partitions: Vec<TopicPartition> = parts
        .flat_map(|part| part.partitions.iter().map(|&partition| TopicPartition::new(&part.topic, partition)))
        .collect();
    partitions.sort();
    partitions
}

/// Gives each member a run of each topic's partitions; the first members get one more where it does not come out even.
pub(super) fn range(
    members: &[(Str, Vec<String>)],
    counts: &BTreeMap<String, usize>,
) -> BTreeMap<Str, Vec<TopicPartition>> {
    let mut assigned: BTreeMap<Str, Vec<TopicPartition>> =
        members.iter().map(|(member, _)| (member.clone(), Vec::new())).collect();
    for (topic, &count) in counts {
        let mut readers: Vec<&Str> =
            members.iter().filter(|(_, topics)| topics.contains(topic)).map(|(member, _)| member).collect();
        readers.sort();
        let mut next = 0;
        for (index, reader) in readers.iter().enumerate() {
            let size = count / readers.len() + usize::from(index < count % readers.len());
            let run = (next..next + size).filter_map(|partition| i32::try_from(partition).ok());
            assigned.entry((*reader).clone()).or_default().extend(run.map(|index| TopicPartition::new(topic, index)));
            next += size;
        }
    }
    assigned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &'static str, topics: &[&str]) -> (Str, Vec<String>) {
        (Str::from_static(name), topics.iter().map(|&topic| topic.to_owned()).collect())
    }

    #[test]
    fn every_partition_goes_to_one_of_its_readers_in_runs() {
        let members = [member("b", &["x", "y"]), member("a", &["x"]), member("c", &["z"])];
        let counts = BTreeMap::from([("x".to_owned(), 5), ("y".to_owned(), 2)]);
        let assigned = range(&members, &counts);
        let of =
            |name: &str| assigned[name].iter().map(|key| format!("{}{}", key.topic, key.partition)).collect::<Vec<_>>();
        assert_eq!(of("a"), ["x0", "x1", "x2"]);
        assert_eq!(of("b"), ["x3", "x4", "y0", "y1"]);
        assert!(of("c").is_empty());
    }

    #[test]
    fn what_members_exchange_round_trips() {
        assert_eq!(topics(&subscription("orders").unwrap()), ["orders"]);
        let given = [TopicPartition::new("orders", 0), TopicPartition::new("orders", 2), TopicPartition::new("z", 1)];
        assert_eq!(partitions(&assignment(&given).unwrap()), given);
    }

    #[test]
    fn bytes_that_are_no_assignment_assign_nothing() {
        for bytes in [&b""[..], b"\0", b"\0\0", b"\0\0\x7f\xff\xff\xff", b"\xff\xff\0\0\0\0"] {
            assert!(partitions(&Bytes::copy_from_slice(bytes)).is_empty(), "{bytes:?}");
        }
    }
}
