//! Groups of KIP-848 over the wire: a hundred members, bad requests, and every request that looks at such a group.

use crate::client::{Client, TestServer};
use levada_kafka::ServerConfig;
use levada_model::{Str, TopicId};
use levada_protocol::{
    ErrorCode,
    messages::{
        ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
        DescribeGroupsRequest, FindCoordinatorRequest, ListGroupsRequest, OffsetCommitRequest, OffsetFetchRequest,
        consumer_group_heartbeat_request::TopicPartitions,
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics},
    },
};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

pub(crate) fn joining(member: &str, topics: &[&str]) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: member.into(),
        rebalance_timeout_ms: 60_000,
        subscribed_topic_names: Some(topics.iter().map(|&topic| topic.into()).collect()),
        topic_partitions: Some(Vec::new()),
        ..Default::default()
    }
}

fn beat(member: &str, member_epoch: i32, id: TopicId, owned: &BTreeSet<i32>) -> ConsumerGroupHeartbeatRequest {
    let partitions: Vec<i32> = owned.iter().copied().collect();
    let owned = if partitions.is_empty() { Vec::new() } else { vec![TopicPartitions { topic_id: id, partitions }] };
    ConsumerGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: member.into(),
        member_epoch,
        topic_partitions: Some(owned),
        ..Default::default()
    }
}

fn assigned(response: &ConsumerGroupHeartbeatResponse) -> Option<BTreeSet<i32>> {
    let assignment = response.assignment.as_ref()?;
    Some(assignment.topic_partitions.iter().flat_map(|topic| topic.partitions.iter().copied()).collect())
}

async fn find(client: &mut Client) {
    client.call(4, &FindCoordinatorRequest { coordinator_keys: vec!["g".into()], ..Default::default() }).await;
}

#[tokio::test]
async fn a_group_is_shown_by_the_requests_of_its_protocol_and_of_all() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    let id = client.create_topic("t", 2).await;
    find(&mut client).await;
    let joined = client.call(1, &joining("m", &["t"])).await;
    assert_eq!((joined.error_code, joined.member_epoch, joined.heartbeat_interval_ms), (0, 2, 5_000));
    assert_eq!((joined.member_id.as_deref(), assigned(&joined)), (Some("m"), Some([0, 1].into())));
    let quiet = client.call(1, &beat("m", 2, id, &[0, 1].into())).await;
    assert_eq!((quiet.error_code, quiet.assignment), (0, None));

    let request = ConsumerGroupDescribeRequest {
        group_ids: vec!["g".into(), "none".into()],
        include_authorized_operations: true,
    };
    let described = client.call(1, &request).await;
    let (group, missing) = (&described.groups[0], &described.groups[1]);
    let shown = (group.group_state.as_str(), group.group_epoch, group.assignment_epoch, group.assignor_name.as_str());
    assert_eq!((group.error_code, shown), (0, ("Stable", 2, 2, "uniform")));
    assert!(group.authorized_operations > 0);
    let member = &group.members[0];
    assert_eq!((member.member_id.as_str(), member.member_epoch, member.member_type), ("m", 2, 1));
    assert_eq!((member.client_host.as_str(), member.subscribed_topic_names[0].as_str()), ("/127.0.0.1", "t"));
    let assignment = &member.assignment.topic_partitions[0];
    assert_eq!(
        (assignment.topic_id, assignment.topic_name.as_str(), &assignment.partitions[..]),
        (id, "t", &[0, 1][..])
    );
    assert_eq!(member.target_assignment, member.assignment);
    assert_eq!(missing.error_code, ErrorCode::GroupIdNotFound.code());
    assert_eq!(missing.error_message.as_deref(), Some("Group none not found."));

    let classic = client.call(6, &DescribeGroupsRequest { groups: vec!["g".into()], ..Default::default() }).await;
    assert_eq!(classic.groups[0].error_code, ErrorCode::GroupIdNotFound.code());
    assert_eq!(classic.groups[0].error_message.as_deref(), Some("Group g is not a classic group."));
    for (types, states, count) in [("consumer", "STABLE", 1), ("Consumer", "empty", 0), ("classic", "stable", 0)] {
        let (types_filter, states_filter) = (vec![types.into()], vec![states.into()]);
        let listed = client.call(5, &ListGroupsRequest { types_filter, states_filter }).await;
        assert_eq!(listed.groups.len(), count, "{types} {states}");
    }
    let all = client.call(5, &ListGroupsRequest::default()).await;
    let listed = &all.groups[0];
    assert_eq!((listed.protocol_type.as_str(), listed.group_type.as_str()), ("consumer", "consumer"));
    assert_eq!(server.stop().await, 0);
}

fn commit(member: &str, epoch: i32, topic: &str, topic_id: TopicId) -> OffsetCommitRequest {
    let partition =
        OffsetCommitRequestPartition { committed_offset: 7, committed_leader_epoch: -1, ..Default::default() };
    OffsetCommitRequest {
        group_id: "g".into(),
        generation_id_or_member_epoch: epoch,
        member_id: member.into(),
        topics: vec![OffsetCommitRequestTopic { name: topic.into(), topic_id, partitions: vec![partition] }],
        ..Default::default()
    }
}

#[tokio::test]
async fn positions_are_taken_and_given_by_member_epoch() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    let id = client.create_topic("t", 1).await;
    find(&mut client).await;
    client.call(1, &joining("m", &["t"])).await;
    let cases = [
        (9, "m", 2, ErrorCode::None),
        (9, "m", 3, ErrorCode::StaleMemberEpoch),
        (9, "n", 2, ErrorCode::UnknownMemberId),
        (8, "m", 2, ErrorCode::UnsupportedVersion),
        (8, "n", 2, ErrorCode::UnknownMemberId),
    ];
    for (version, member, epoch, error) in cases {
        let committed = client.call(version, &commit(member, epoch, "t", TopicId::ZERO)).await;
        assert_eq!(committed.topics[0].partitions[0].error_code, error.code(), "{version} {member} {epoch}");
    }
    let by_id = client.call(10, &commit("m", 2, "", id)).await;
    assert_eq!(by_id.topics[0].partitions[0].error_code, 0);
    let missing = OffsetCommitRequest { group_id: "none".into(), ..commit("m", 1, "t", TopicId::ZERO) };
    let missing = client.call(9, &missing).await;
    assert_eq!(missing.topics[0].partitions[0].error_code, ErrorCode::GroupIdNotFound.code());
    for (member, epoch, error) in [
        (Some("m"), 2, ErrorCode::None),
        (Some("m"), 3, ErrorCode::StaleMemberEpoch),
        (Some("n"), 2, ErrorCode::UnknownMemberId),
        (None, -1, ErrorCode::None),
    ] {
        let topic = OffsetFetchRequestTopics { name: "t".into(), partition_indexes: vec![0], ..Default::default() };
        let group = OffsetFetchRequestGroup {
            group_id: "g".into(),
            member_id: member.map(Str::from),
            member_epoch: epoch,
            topics: Some(vec![topic]),
        };
        let fetched = client.call(9, &OffsetFetchRequest { groups: vec![group], ..Default::default() }).await;
        assert_eq!(fetched.groups[0].error_code, error.code(), "{member:?} {epoch}");
        if error == ErrorCode::None {
            assert_eq!(fetched.groups[0].topics[0].partitions[0].committed_offset, 7);
        }
    }
    assert_eq!(server.stop().await, 0);
}

#[tokio::test]
async fn requests_that_are_not_sound_are_refused_with_a_reason() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    let id = client.create_topic("t", 2).await;
    find(&mut client).await;
    let good = joining("m", &["t"]);
    let long = Str::from("x".repeat(20_000));
    let many: Vec<Str> = (0..60_000).map(|index| format!("topic-{index:020}").into()).collect();
    let invalid = [
        ConsumerGroupHeartbeatRequest { member_id: Str::new(), ..good.clone() },
        ConsumerGroupHeartbeatRequest { member_id: long.clone(), ..good.clone() },
        ConsumerGroupHeartbeatRequest { group_id: Str::new(), ..good.clone() },
        ConsumerGroupHeartbeatRequest { instance_id: Some(Str::new()), ..good.clone() },
        ConsumerGroupHeartbeatRequest { instance_id: Some(long.clone()), ..good.clone() },
        ConsumerGroupHeartbeatRequest { rack_id: Some(long.clone()), ..good.clone() },
        ConsumerGroupHeartbeatRequest { rebalance_timeout_ms: -1, ..good.clone() },
        ConsumerGroupHeartbeatRequest { rebalance_timeout_ms: i32::MIN, ..good.clone() },
        ConsumerGroupHeartbeatRequest { topic_partitions: None, ..good.clone() },
        ConsumerGroupHeartbeatRequest { subscribed_topic_names: None, ..good.clone() },
        ConsumerGroupHeartbeatRequest { subscribed_topic_names: Some(many), ..good.clone() },
        ConsumerGroupHeartbeatRequest { member_epoch: -2, ..good.clone() },
        ConsumerGroupHeartbeatRequest { member_epoch: -3, ..good.clone() },
        ConsumerGroupHeartbeatRequest { member_epoch: i32::MIN, ..good.clone() },
        ConsumerGroupHeartbeatRequest {
            member_epoch: 1,
            topic_partitions: Some(vec![TopicPartitions { topic_id: id, partitions: vec![-1; 200_000] }]),
            ..good.clone()
        },
    ];
    for request in invalid {
        let response = client.call(1, &request).await;
        assert_eq!(response.error_code, ErrorCode::InvalidRequest.code());
        assert!(response.error_message.is_some_and(|reason| reason.len() > 10));
    }
    let others = [
        (ConsumerGroupHeartbeatRequest { group_id: long.clone(), ..good.clone() }, ErrorCode::InvalidGroupId),
        (
            ConsumerGroupHeartbeatRequest { server_assignor: Some("x".into()), ..good.clone() },
            ErrorCode::UnsupportedAssignor,
        ),
        (ConsumerGroupHeartbeatRequest { member_epoch: i32::MAX, ..good.clone() }, ErrorCode::GroupIdNotFound),
        (ConsumerGroupHeartbeatRequest { member_epoch: -1, ..good.clone() }, ErrorCode::GroupIdNotFound),
    ];
    for (request, error) in others {
        assert_eq!(client.call(1, &request).await.error_code, error.code());
    }
    for pattern in ["(", "(?=a)", "(a{1000}){1000}", "a".repeat(30_000).as_str()] {
        let request = ConsumerGroupHeartbeatRequest { subscribed_topic_regex: Some(pattern.into()), ..good.clone() };
        let response = client.call(1, &request).await;
        assert_eq!(response.error_code, ErrorCode::InvalidRegularExpression.code());
        assert!(response.error_message.is_some_and(|reason| reason.len() < 400), "it repeats no more than a part");
    }
    assert_eq!(client.call(1, &good).await.error_code, 0, "none of it left a trace");
    // What a member says that it has is only looked up.
    let nonsense = beat("m", 2, TopicId::ZERO, &[-5, i32::MAX].into());
    assert_eq!(client.call(1, &nonsense).await.error_code, 0);
    let ahead = client.call(1, &beat("m", 3, id, &BTreeSet::new())).await;
    assert_eq!(ahead.error_code, ErrorCode::FencedMemberEpoch.code());
    assert!(ahead.error_message.is_some_and(|reason| reason.contains("greater member epoch (3)")));
    assert_eq!(server.stop().await, 0);
}

/// One of many members, which heartbeats as it is told until the others are done.
async fn member(address: std::net::SocketAddr, name: String, id: TopicId, crowd: Arc<Crowd>) {
    let mut client = Client::connect(address).await;
    let mut response = client.call(1, &joining(&name, &["t"])).await;
    crowd.joined.fetch_add(1, Ordering::SeqCst);
    let (mut owned, mut counted) = (BTreeSet::new(), 0);
    while !crowd.done.load(Ordering::SeqCst) {
        assert_eq!(response.error_code, 0, "{:?}", response.error_message);
        let interval = Duration::from_millis(u64::try_from(response.heartbeat_interval_ms).unwrap());
        let mut is_news = false;
        if let Some(target) = assigned(&response) {
            // What it has to give up it gives up at once, and says so; what it gets it takes.
            crowd.given_up.fetch_add(owned.difference(&target).count(), Ordering::SeqCst);
            is_news = !owned.is_subset(&target);
            owned = target;
        }
        crowd.held.fetch_add(owned.len(), Ordering::SeqCst);
        crowd.held.fetch_sub(counted, Ordering::SeqCst);
        counted = owned.len();
        if !is_news {
            tokio::time::sleep(interval).await;
        }
        response = client.call(1, &beat(&name, response.member_epoch, id, &owned)).await;
    }
    assert!((10..=11).contains(&owned.len()), "{name} has {}", owned.len());
}

#[derive(Default)]
struct Crowd {
    joined: AtomicUsize,
    held: AtomicUsize,
    given_up: AtomicUsize,
    done: AtomicBool,
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "it is the wall's time that is measured")]
async fn a_hundred_members_settle_over_a_thousand_partitions() {
    let settings = [
        ("group.consumer.min.heartbeat.interval.ms", "100"),
        ("group.consumer.heartbeat.interval.ms", "500"),
        ("group.consumer.assignment.interval.ms", "0"),
    ];
    let server = TestServer::with_broker(ServerConfig::default(), &settings).await;
    let mut client = server.client().await;
    let id = client.create_topic("t", 1_000).await;
    find(&mut client).await;
    let crowd = Arc::new(Crowd::default());
    let start = |index: usize| tokio::spawn(member(server.address, format!("m-{index:03}"), id, Arc::clone(&crowd)));
    let mut members: Vec<_> = (0..99).map(start).collect();
    settle(&mut client, &crowd, 99).await;
    // One more: everyone hears of it at their next heartbeat, and gives up no more than it has to.
    let before = crowd.given_up.load(Ordering::SeqCst);
    let began = std::time::Instant::now();
    members.push(start(99));
    settle(&mut client, &crowd, 100).await;
    let took = began.elapsed();
    let moved = crowd.given_up.load(Ordering::SeqCst) - before;
    println!("100 members over 1,000 partitions settled in {took:?} and moved {moved}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(moved, 10);
    crowd.done.store(true, Ordering::SeqCst);
    for member in members {
        member.await.unwrap();
    }
    assert_eq!(server.stop().await, 0);
}

/// Waits until the group has settled, and its members have heard of it.
async fn settle(client: &mut Client, crowd: &Crowd, count: usize) {
    let request = ConsumerGroupDescribeRequest { group_ids: vec!["g".into()], ..Default::default() };
    let patience = tokio::time::Duration::from_secs(30);
    let settled = tokio::time::timeout(patience, async {
        while !is_settled(client, &request, count).await || crowd.held.load(Ordering::SeqCst) != 1_000 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    settled.await.expect("it settles");
}

async fn is_settled(client: &mut Client, request: &ConsumerGroupDescribeRequest, count: usize) -> bool {
    let described = client.call(1, request).await;
    let group = &described.groups[0];
    let held: usize = group.members.iter().map(|member| partitions(&member.assignment)).sum();
    group.group_state == "Stable" && group.members.len() == count && held == 1_000
}

fn partitions(assignment: &levada_protocol::messages::consumer_group_describe_response::Assignment) -> usize {
    assignment.topic_partitions.iter().map(|topic| topic.partitions.len()).sum()
}
