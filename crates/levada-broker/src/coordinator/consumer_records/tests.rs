//! What is written is what Kafka's schema says, byte for byte, and is read back.

use super::*;
use crate::coordinator::records::{Key, read_key};
use levada_protocol::{
    Message,
    message::RecordKey,
    messages::{
        ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue,
        ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataKey,
        ConsumerGroupMetadataValue, ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue,
        ConsumerGroupTargetAssignmentMemberKey, ConsumerGroupTargetAssignmentMemberValue,
        ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue,
        consumer_group_current_member_assignment_value::TopicPartitions,
        consumer_group_member_metadata_value::{ClassicMemberMetadata, ClassicProtocol},
        consumer_group_target_assignment_member_value::TopicPartition,
    },
};

fn topic(number: u8) -> TopicId {
    Uuid::from_bytes([number; 16])
}

fn member(classic: Option<ClassicMetadata>) -> MemberMetadata {
    MemberMetadata {
        instance_id: Some("i".into()),
        rack_id: None,
        client_id: "c".into(),
        client_host: "/h".into(),
        topics: ["a".into(), "b".into()].into(),
        pattern: Some("x.*".into()),
        rebalance_timeout: Some(Duration::from_millis(300)),
        assignor: Some("uniform".into()),
        classic,
    }
}

fn current() -> Current {
    Current {
        epoch: 7,
        previous_epoch: 6,
        state: MemberState::UnrevokedPartitions,
        assigned: [(topic(1), 0, 5), (topic(1), 2, 7)].into_iter().collect(),
        revoking: [(topic(2), 3, 6)].into_iter().collect(),
    }
}

/// One of each kind.
fn all() -> Vec<Record> {
    let classic = ClassicMetadata {
        session_timeout: Duration::from_millis(9),
        protocols: vec![("range".into(), Bytes::from_static(b"says"))],
    };
    let target: Assignment = [(topic(1), 0), (topic(1), 2), (topic(2), 3)].into_iter().collect();
    let resolved = Resolved { topics: ["x1".into()].into(), version: 4, at_ms: 5 };
    vec![
        Record::Group(Some(GroupEpoch { epoch: 7, metadata_hash: 0x0102_0304_0506_0708 })),
        Record::Group(Some(GroupEpoch { epoch: 1, metadata_hash: 0 })),
        Record::Member("m".into(), Some(Arc::new(member(None)))),
        Record::Member("m".into(), Some(Arc::new(member(Some(classic))))),
        Record::Member("n".into(), Some(Arc::new(MemberMetadata::default()))),
        Record::AssignmentEpoch(Some(AssignmentEpoch { epoch: 7, at_ms: 99 })),
        Record::Target("m".into(), Some(Arc::new(target))),
        Record::Target("n".into(), Some(Arc::default())),
        Record::Current("m".into(), Some(Arc::new(current()))),
        Record::Current("n".into(), Some(Arc::new(Current { epoch: -2, ..Current::default() }))),
        Record::Resolved("x.*".into(), Some(Arc::new(resolved))),
        Record::Group(None),
        Record::Member("m".into(), None),
        Record::AssignmentEpoch(None),
        Record::Target("m".into(), None),
        Record::Current("m".into(), None),
        Record::Resolved("x.*".into(), None),
    ]
}

#[test]
fn what_is_written_is_read_back_and_nothing_short_of_it() {
    for record in all() {
        let (key, value) = write("g", &record);
        let Ok(Some(Key::Consumer(group, read))) = read_key(key) else { panic!("{record:?}") };
        assert_eq!(group, "g");
        assert_eq!(super::read(read.clone(), value.clone()), Ok(Some(record)));
        let Some(value) = value else { continue };
        for cut in 0..value.len() {
            assert!(super::read(read.clone(), Some(value.slice(..cut))).is_err(), "{read:?} cut at {cut}");
        }
    }
}

#[test]
fn golden_bytes() {
    let group = Record::Group(Some(GroupEpoch { epoch: 7, metadata_hash: 9 }));
    let golden = b"\0\0\0\0\0\x07\x01\0\x08\0\0\0\0\0\0\0\x09";
    assert_eq!(write("g", &group), (Bytes::from_static(b"\0\x03\0\x01g"), Some(Bytes::from_static(golden))));
    let says = MemberMetadata { topics: ["t".into()].into(), ..MemberMetadata::default() };
    let golden = b"\0\0\0\0\x01\x01\x02\x02t\0\xff\xff\xff\xff\0\x01\0\x01\0";
    let written = write("g", &Record::Member("m".into(), Some(Arc::new(says))));
    assert_eq!(written, (Bytes::from_static(b"\0\x05\0\x01g\0\x01m"), Some(Bytes::from_static(golden))));
    let owned = [(topic(9), 4, 2)].into_iter().collect();
    let current = Current { epoch: 3, previous_epoch: 2, assigned: owned, ..Current::default() };
    let golden = b"\0\0\0\0\0\x03\0\0\0\x02\0\x02\
        \x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\x02\0\0\0\x04\x01\0\x05\x02\0\0\0\x02\x01\0";
    let written = write("g", &Record::Current("m".into(), Some(Arc::new(current))));
    assert_eq!(written, (Bytes::from_static(b"\0\x08\0\x01g\0\x01m"), Some(Bytes::from_static(golden))));
}

/// A key and value as the schema writes them.
fn by_schema(record: &Record) -> (Bytes, Option<Bytes>) {
    let group_id = Str::from("g");
    match record {
        Record::Classic(_) => panic!("not of this protocol"),
        Record::Group(value) => {
            let epoch = |group: &GroupEpoch| ConsumerGroupMetadataValue {
                epoch: group.epoch,
                metadata_hash: group.metadata_hash.cast_signed(),
            };
            let key = ConsumerGroupMetadataKey { group_id }.to_key_bytes().unwrap();
            (key, value.as_ref().map(|group| epoch(group).to_versioned_bytes(0).unwrap()))
        }
        Record::AssignmentEpoch(value) => {
            let key = ConsumerGroupTargetAssignmentMetadataKey { group_id }.to_key_bytes().unwrap();
            let of = |one: &AssignmentEpoch| ConsumerGroupTargetAssignmentMetadataValue {
                assignment_epoch: one.epoch,
                assignment_timestamp: one.at_ms,
            };
            (key, value.as_ref().map(|one| of(one).to_versioned_bytes(0).unwrap()))
        }
        Record::Member(id, value) => {
            let key = ConsumerGroupMemberMetadataKey { group_id, member_id: id.clone() }.to_key_bytes().unwrap();
            (key, value.as_ref().map(|member| schema_member(member).to_versioned_bytes(0).unwrap()))
        }
        Record::Target(id, value) => {
            let key = ConsumerGroupTargetAssignmentMemberKey { group_id, member_id: id.clone() };
            let of = |target: &Assignment| ConsumerGroupTargetAssignmentMemberValue {
                topic_partitions: target
                    .topics()
                    .map(|(topic_id, partitions)| TopicPartition {
                        topic_id,
                        partitions: partitions.iter().copied().collect(),
                    })
                    .collect(),
            };
            (key.to_key_bytes().unwrap(), value.as_ref().map(|target| of(target).to_versioned_bytes(0).unwrap()))
        }
        Record::Current(id, value) => {
            let key = ConsumerGroupCurrentMemberAssignmentKey { group_id, member_id: id.clone() };
            let value = value.as_ref().map(|current| schema_current(current).to_versioned_bytes(0).unwrap());
            (key.to_key_bytes().unwrap(), value)
        }
        Record::Resolved(pattern, value) => {
            let key = ConsumerGroupRegularExpressionKey { group_id, regular_expression: pattern.clone() };
            let of = |resolved: &Resolved| ConsumerGroupRegularExpressionValue {
                topics: resolved.topics.iter().cloned().collect(),
                version: i64::try_from(resolved.version).unwrap(),
                timestamp: resolved.at_ms,
            };
            (key.to_key_bytes().unwrap(), value.as_ref().map(|one| of(one).to_versioned_bytes(0).unwrap()))
        }
    }
}

fn schema_member(member: &MemberMetadata) -> ConsumerGroupMemberMetadataValue {
    let protocol = |(name, metadata): &(Str, Bytes)| ClassicProtocol { name: name.clone(), metadata: metadata.clone() };
    ConsumerGroupMemberMetadataValue {
        instance_id: member.instance_id.clone(),
        rack_id: member.rack_id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        subscribed_topic_names: member.topics.iter().cloned().collect(),
        subscribed_topic_regex: member.pattern.clone(),
        rebalance_timeout_ms: member.rebalance_timeout.map_or(-1, milliseconds),
        server_assignor: member.assignor.clone(),
        classic_member_metadata: member.classic.as_ref().map(|classic| ClassicMemberMetadata {
            session_timeout_ms: milliseconds(classic.session_timeout),
            supported_protocols: classic.protocols.iter().map(protocol).collect(),
        }),
    }
}

fn schema_current(current: &Current) -> ConsumerGroupCurrentMemberAssignmentValue {
    let partitions = |owned: &Owned| {
        let of =
            |(topic_id, partitions): (TopicId, &std::collections::BTreeMap<PartitionIndex, i32>)| TopicPartitions {
                topic_id,
                partitions: partitions.keys().copied().collect(),
                assignment_epochs: Some(partitions.values().copied().collect()),
            };
        owned.topics().map(of).collect()
    };
    ConsumerGroupCurrentMemberAssignmentValue {
        member_epoch: current.epoch,
        previous_member_epoch: current.previous_epoch,
        state: current.state.code(),
        assigned_partitions: partitions(&current.assigned),
        partitions_pending_revocation: partitions(&current.revoking),
    }
}

#[test]
fn the_schema_writes_the_same() {
    for record in all() {
        assert_eq!(write("g", &record), by_schema(&record), "{record:?}");
    }
}

#[test]
fn what_kafka_wrote_before_4_3_is_read() {
    // Without epochs of assignment, and with what 4.0 kept of topics.
    let partitions = TopicPartitions { topic_id: topic(1), partitions: vec![4], ..TopicPartitions::default() };
    let value = ConsumerGroupCurrentMemberAssignmentValue {
        member_epoch: 3,
        assigned_partitions: vec![partitions],
        ..ConsumerGroupCurrentMemberAssignmentValue::default()
    };
    let read = read(ConsumerKey::Current("m".into()), Some(value.to_versioned_bytes(0).unwrap())).unwrap().unwrap();
    let Record::Current(_, Some(current)) = read else { panic!("{read:?}") };
    assert_eq!(current.assigned.epoch(topic(1), 4), Some(3));
    assert_eq!(super::read(ConsumerKey::Topics, Some(Bytes::from_static(b"\0\0\x01\0"))), Ok(None));
    assert_eq!(
        read_key(Bytes::from_static(b"\0\x04\0\x01g")),
        Ok(Some(Key::Consumer("g".into(), ConsumerKey::Topics)))
    );
    let later = super::read(ConsumerKey::Group, Some(Bytes::from_static(b"\0\x01")));
    assert_eq!(later, Err(RecordError::Version(1)));
}
