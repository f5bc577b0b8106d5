//! Every API in every version that is announced: each is answered by a frame that decodes.

use crate::{
    batches::batch,
    client::{Client, TestServer},
};
use levada_model::TopicId;
use levada_protocol::{ApiKey, Request, messages::*};

/// Calls `R` in every version that it has, with a request that says something.
async fn sweep<R: Request>(client: &mut Client, request: impl Fn(i16) -> R) {
    for version in R::VERSIONS {
        client.call(version, &request(version)).await;
    }
}

fn names(name: &str, id: TopicId, by_id: bool) -> (levada_model::Str, TopicId) {
    if by_id { (levada_model::Str::new(), id) } else { (name.into(), TopicId::ZERO) }
}

#[tokio::test]
async fn requests_about_records_and_topics_are_answered_in_every_version() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    let id = client.create_topic("t", 2).await;
    client.produce("t", 0, batch(&["a"])).await;
    sweep(&mut client, |version| FindCoordinatorRequest {
        key: if version < 4 { "g".into() } else { Default::default() },
        coordinator_keys: if version < 4 { Vec::new() } else { vec!["g".into()] },
        ..Default::default()
    })
    .await;
    sweep(&mut client, |version| FetchRequest {
        replica_id: -1,
        topics: vec![fetch_request::FetchTopic {
            topic: names("t", id, version >= 13).0,
            topic_id: names("t", id, version >= 13).1,
            partitions: vec![fetch_request::FetchPartition {
                fetch_offset: i64::from(version % 2) * 9,
                partition_max_bytes: 1_000,
                ..Default::default()
            }],
        }],
        ..Default::default()
    })
    .await;
    sweep(&mut client, |_| ListOffsetsRequest {
        replica_id: -1,
        topics: vec![list_offsets_request::ListOffsetsTopic {
            name: "t".into(),
            partitions: vec![list_offsets_request::ListOffsetsPartition {
                current_leader_epoch: -1,
                timestamp: -1,
                ..Default::default()
            }],
        }],
        ..Default::default()
    })
    .await;
    // There is no null list of topics before version 1.
    sweep(&mut client, |version| MetadataRequest { topics: (version == 0).then(Vec::new), ..Default::default() }).await;
    for version in 0..=13 {
        let response = client.metadata(version, Some(&["t", "missing", "in/valid"])).await;
        assert_eq!(response.topics.len(), 3, "version {version}");
    }
    sweep(&mut client, |_| OffsetForLeaderEpochRequest {
        replica_id: -1,
        topics: vec![offset_for_leader_epoch_request::OffsetForLeaderTopic {
            topic: "t".into(),
            partitions: vec![offset_for_leader_epoch_request::OffsetForLeaderPartition {
                current_leader_epoch: -1,
                leader_epoch: 0,
                ..Default::default()
            }],
        }],
    })
    .await;
    sweep(&mut client, |_| InitProducerIdRequest { producer_id: -1, producer_epoch: -1, ..Default::default() }).await;
    sweep(&mut client, |_| DescribeClusterRequest::default()).await;
    sweep(&mut client, |_| DescribeTopicPartitionsRequest::default()).await;
    sweep(&mut client, |_| DescribeLogDirsRequest { topics: None }).await;
    sweep(&mut client, |_| ListConfigResourcesRequest::default()).await;
}

#[tokio::test]
async fn requests_of_administrators_are_answered_in_every_version() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    client.create_topic("t", 1).await;
    sweep(&mut client, |version| CreateTopicsRequest {
        topics: vec![create_topics_request::CreatableTopic {
            name: format!("new-{version}").into(),
            num_partitions: 1,
            replication_factor: 1,
            ..Default::default()
        }],
        ..Default::default()
    })
    .await;
    sweep(&mut client, |version| DeleteTopicsRequest {
        topic_names: vec![format!("new-{version}").into()],
        topics: if version < 6 {
            Vec::new()
        } else {
            vec![delete_topics_request::DeleteTopicState { name: Some("new-6".into()), ..Default::default() }]
        },
        ..Default::default()
    })
    .await;
    sweep(&mut client, |version| CreatePartitionsRequest {
        topics: vec![create_partitions_request::CreatePartitionsTopic {
            name: "t".into(),
            count: i32::from(version) + 2,
            assignments: None,
        }],
        ..Default::default()
    })
    .await;
    sweep(&mut client, |_| DeleteRecordsRequest {
        topics: vec![delete_records_request::DeleteRecordsTopic {
            name: "t".into(),
            partitions: vec![delete_records_request::DeleteRecordsPartition { partition_index: 0, offset: -1 }],
        }],
        ..Default::default()
    })
    .await;
}

#[tokio::test]
async fn requests_about_settings_are_answered_in_every_version() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    client.create_topic("t", 1).await;
    for resource_type in [2, 4, 8] {
        let resource_name = if resource_type == 2 { "t" } else { "1" };
        sweep(&mut client, |_| DescribeConfigsRequest {
            resources: vec![describe_configs_request::DescribeConfigsResource {
                resource_type,
                resource_name: resource_name.into(),
                configuration_keys: None,
            }],
            include_synonyms: true,
            ..Default::default()
        })
        .await;
        sweep(&mut client, |_| AlterConfigsRequest {
            resources: vec![alter_configs_request::AlterConfigsResource {
                resource_type,
                resource_name: resource_name.into(),
                ..Default::default()
            }],
            ..Default::default()
        })
        .await;
        sweep(&mut client, |_| IncrementalAlterConfigsRequest {
            resources: vec![incremental_alter_configs_request::AlterConfigsResource {
                resource_type,
                resource_name: resource_name.into(),
                ..Default::default()
            }],
            ..Default::default()
        })
        .await;
    }
}

#[tokio::test]
async fn groups_are_joined_in_every_version() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    client.call(4, &FindCoordinatorRequest { coordinator_keys: vec!["g".into()], ..Default::default() }).await;
    for version in JoinGroupRequest::versions() {
        let join = JoinGroupRequest {
            group_id: format!("join-{version}").into(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 10_000,
            protocol_type: "consumer".into(),
            protocols: vec![join_group_request::JoinGroupRequestProtocol {
                name: "range".into(),
                metadata: vec![0].into(),
            }],
            ..Default::default()
        };
        let mut joined = client.call(version, &join).await;
        if version >= 4 {
            assert_eq!(joined.error_code, levada_protocol::ErrorCode::MemberIdRequired.code(), "version {version}");
            joined = client.call(version, &JoinGroupRequest { member_id: joined.member_id, ..join }).await;
        }
        assert_eq!((joined.error_code, joined.generation_id), (0, 1), "version {version}");
        assert_eq!((joined.members.len(), &joined.leader), (1, &joined.member_id));
    }
}

#[tokio::test]
async fn requests_of_strangers_to_a_group_are_answered_in_every_version() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    client.call(4, &FindCoordinatorRequest { coordinator_keys: vec!["g".into()], ..Default::default() }).await;
    let group_id = || levada_model::Str::from("g");
    let member_id = || levada_model::Str::from("nobody");
    sweep(&mut client, |_| SyncGroupRequest { group_id: group_id(), member_id: member_id(), ..Default::default() })
        .await;
    sweep(&mut client, |_| HeartbeatRequest { group_id: group_id(), member_id: member_id(), ..Default::default() })
        .await;
    sweep(&mut client, |version| LeaveGroupRequest {
        group_id: group_id(),
        member_id: if version < 3 { member_id() } else { Default::default() },
        members: if version < 3 {
            Vec::new()
        } else {
            vec![leave_group_request::MemberIdentity { member_id: member_id(), ..Default::default() }]
        },
    })
    .await;
    sweep(&mut client, |_| DescribeGroupsRequest { groups: vec![group_id()], ..Default::default() }).await;
    sweep(&mut client, |_| ListGroupsRequest::default()).await;
    sweep(&mut client, |_| OffsetDeleteRequest { group_id: group_id(), ..Default::default() }).await;
    sweep(&mut client, |_| DeleteGroupsRequest { groups_names: vec![group_id()] }).await;
    sweep(&mut client, |_| ConsumerGroupHeartbeatRequest {
        group_id: group_id(),
        member_id: member_id(),
        member_epoch: 1,
        ..Default::default()
    })
    .await;
    sweep(&mut client, |_| ConsumerGroupDescribeRequest { group_ids: vec![group_id()], ..Default::default() }).await;
}

#[tokio::test]
async fn offsets_are_committed_and_fetched_in_every_version() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    let id = client.create_topic("t", 1).await;
    let group_id = || levada_model::Str::from("g");
    for version in OffsetCommitRequest::versions() {
        let (name, topic_id) = names("t", id, version >= 10);
        let topic = offset_commit_request::OffsetCommitRequestTopic {
            name,
            topic_id,
            partitions: vec![offset_commit_request::OffsetCommitRequestPartition {
                committed_offset: i64::from(version),
                committed_leader_epoch: -1,
                committed_metadata: Some("note".into()),
                ..Default::default()
            }],
        };
        let commit = OffsetCommitRequest {
            group_id: group_id(),
            generation_id_or_member_epoch: -1,
            topics: vec![topic],
            ..Default::default()
        };
        let response = client.call(version, &commit).await;
        assert_eq!(response.topics[0].partitions[0].error_code, 0, "version {version}");
    }
    for version in OffsetFetchRequest::versions() {
        let (name, topic_id) = names("t", id, version >= 10);
        let request = if version < 8 {
            let topic = offset_fetch_request::OffsetFetchRequestTopic { name, partition_indexes: vec![0] };
            OffsetFetchRequest { group_id: group_id(), topics: Some(vec![topic]), ..Default::default() }
        } else {
            let topic = offset_fetch_request::OffsetFetchRequestTopics { name, topic_id, partition_indexes: vec![0] };
            let group = offset_fetch_request::OffsetFetchRequestGroup {
                group_id: group_id(),
                topics: Some(vec![topic]),
                ..Default::default()
            };
            OffsetFetchRequest { groups: vec![group], ..Default::default() }
        };
        let response = client.call(version, &request).await;
        let found = if version < 8 {
            response.topics[0].partitions[0].committed_offset
        } else {
            response.groups[0].topics[0].partitions[0].committed_offset
        };
        assert_eq!(found, 10, "version {version}");
        if (2..8).contains(&version) {
            let all = OffsetFetchRequest { group_id: group_id(), topics: None, ..Default::default() };
            assert_eq!(client.call(version, &all).await.topics[0].partitions[0].committed_offset, 10);
        }
    }
}

trait Versions: Request {
    fn versions() -> std::ops::RangeInclusive<i16> {
        Self::VERSIONS
    }
}

impl<R: Request> Versions for R {}

#[tokio::test]
async fn what_is_announced_is_kafkas_own_range_for_each_api() {
    let server = TestServer::start().await;
    let response = server
        .client()
        .await
        .call(3, &ApiVersionsRequest { client_software_name: "test".into(), client_software_version: "1".into() })
        .await;
    let rows: Vec<i16> = response.api_keys.iter().map(|row| row.api_key).collect();
    let expected = [
        0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 32, 33, 34, 35, 37,
        42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 55, 57, 60, 61, 64, 65, 66, 68, 69, 74, 75,
    ];
    assert_eq!(rows, expected);
    for row in &response.api_keys {
        let key = ApiKey::from_code(row.api_key).unwrap();
        assert_eq!(row.min_version..=row.max_version, key.announced_versions(), "{key}");
    }
    assert_eq!(response.api_keys[0].min_version, 0, "librdkafka takes a higher minimum for an ancient broker");
}

#[tokio::test]
async fn metadata_tells_the_address_at_which_the_client_came() {
    let server = TestServer::start().await;
    let response = server.client().await.metadata(12, None).await;
    let broker = &response.brokers[0];
    assert_eq!((broker.host.as_str(), broker.port), ("127.0.0.1", i32::from(server.address.port())));
    let advertise = levada_kafka::Endpoint { host: "broker.example".into(), port: 19_092 };
    let config = levada_kafka::ServerConfig { advertise: Some(advertise), ..Default::default() };
    let server = TestServer::with(config).await;
    let response = server.client().await.metadata(12, None).await;
    assert_eq!((response.brokers[0].host.as_str(), response.brokers[0].port), ("broker.example", 19_092));
}

#[tokio::test]
async fn a_topic_that_is_asked_for_is_created_if_the_client_wants_it() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    let unknown = levada_protocol::ErrorCode::UnknownTopicOrPartition.code();
    assert_eq!(client.metadata(9, Some(&["wanted"])).await.topics[0].error_code, unknown);
    let topic = metadata_request::MetadataRequestTopic { name: Some("wanted".into()), ..Default::default() };
    let request = MetadataRequest { topics: Some(vec![topic]), ..Default::default() };
    let created = client.call(12, &request).await;
    assert_eq!((created.topics[0].error_code, created.topics[0].partitions.len()), (0, 1));
    let by_id = metadata_request::MetadataRequestTopic { name: None, topic_id: created.topics[0].topic_id };
    let found = client.call(12, &MetadataRequest { topics: Some(vec![by_id]), ..Default::default() }).await;
    assert_eq!(found.topics[0].name.as_deref(), Some("wanted"));
    let nobody = metadata_request::MetadataRequestTopic { name: None, topic_id: TopicId::from_bytes([9; 16]) };
    let missing = client.call(12, &MetadataRequest { topics: Some(vec![nobody]), ..Default::default() }).await;
    assert_eq!(missing.topics[0].error_code, levada_protocol::ErrorCode::UnknownTopicId.code());
}
