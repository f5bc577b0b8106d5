//! A group's life over the wire: joining, a second member, heartbeats, leaving.

use crate::client::{Client, TestServer};
use bytes::Bytes;
use levada_model::Str;
use levada_protocol::{
    ErrorCode,
    messages::{
        DescribeGroupsRequest, FindCoordinatorRequest, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse,
        LeaveGroupRequest, ListGroupsRequest, SyncGroupRequest, join_group_request::JoinGroupRequestProtocol,
        leave_group_request::MemberIdentity, sync_group_request::SyncGroupRequestAssignment,
    },
};

fn join(member_id: &Str) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 30_000,
        member_id: member_id.clone(),
        protocol_type: "consumer".into(),
        protocols: vec![JoinGroupRequestProtocol { name: "range".into(), metadata: Bytes::from_static(b"says") }],
        ..Default::default()
    }
}

/// The id that the group gives a new member.
async fn member_id(client: &mut Client) -> Str {
    let response = client.call(6, &join(&Str::new())).await;
    assert_eq!(response.error_code, ErrorCode::MemberIdRequired.code());
    assert!(response.member_id.starts_with("test-"), "{}", response.member_id);
    response.member_id
}

fn sync(joined: &JoinGroupResponse, assignments: &[(&Str, &'static [u8])]) -> SyncGroupRequest {
    let assignment = |(member_id, assignment): &(&Str, &'static [u8])| SyncGroupRequestAssignment {
        member_id: Str::clone(member_id),
        assignment: Bytes::from_static(assignment),
    };
    SyncGroupRequest {
        group_id: "g".into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        assignments: assignments.iter().map(assignment).collect(),
        ..Default::default()
    }
}

fn heartbeat(joined: &JoinGroupResponse) -> HeartbeatRequest {
    HeartbeatRequest {
        group_id: "g".into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_second_member_makes_the_first_join_again() {
    let server = TestServer::start().await;
    let (mut one, mut two) = (server.client().await, server.client().await);
    one.call(4, &FindCoordinatorRequest { coordinator_keys: vec!["g".into()], ..Default::default() }).await;
    let first_id = member_id(&mut one).await;
    let alone = one.call(6, &join(&first_id)).await;
    assert_eq!((alone.error_code, alone.generation_id, alone.members.len()), (0, 1, 1));
    let synced = one.call(4, &sync(&alone, &[(&first_id, b"all")])).await;
    assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"all"[..]));
    assert_eq!(one.call(4, &heartbeat(&alone)).await.error_code, 0);

    let second_id = member_id(&mut two).await;
    two.send(6, &join(&second_id)).await;
    let mut told = one.call(4, &heartbeat(&alone)).await.error_code;
    for _ in 0..1_000 {
        if told != 0 {
            break;
        }
        tokio::task::yield_now().await;
        told = one.call(4, &heartbeat(&alone)).await.error_code;
    }
    assert_eq!(told, ErrorCode::RebalanceInProgress.code());
    let first = one.call(6, &join(&first_id)).await;
    let (_, second) = two.receive::<JoinGroupRequest>(6).await;
    assert_eq!((first.generation_id, second.generation_id), (2, 2));
    assert_eq!((first.members.len(), second.members.len()), (2, 0), "only the leader hears of the members");
    assert_eq!((&first.leader, &second.leader), (&first_id, &first_id));

    // The follower waits for the leader's assignments.
    two.send(4, &sync(&second, &[])).await;
    let mine = one.call(4, &sync(&first, &[(&first_id, b"half"), (&second_id, b"other half")])).await;
    let (_, theirs) = two.receive::<SyncGroupRequest>(4).await;
    assert_eq!((&mine.assignment[..], &theirs.assignment[..]), (&b"half"[..], &b"other half"[..]));

    let request = DescribeGroupsRequest { groups: vec!["g".into()], ..Default::default() };
    let described = one.call(5, &request).await;
    assert_eq!((described.groups[0].group_state.as_str(), described.groups[0].members.len()), ("Stable", 2));
    assert!(described.groups[0].members.iter().all(|member| member.client_host == "/127.0.0.1"));
    let leave = LeaveGroupRequest {
        group_id: "g".into(),
        members: [&first_id, &second_id, &"nobody".into()]
            .map(|member_id| MemberIdentity { member_id: Str::clone(member_id), ..Default::default() })
            .into(),
        ..Default::default()
    };
    let left = one.call(4, &leave).await;
    let codes: Vec<i16> = left.members.iter().map(|member| member.error_code).collect();
    assert_eq!(codes, [0, 0, ErrorCode::UnknownMemberId.code()]);
    let listed = two.call(5, &ListGroupsRequest { states_filter: vec!["empty".into()], ..Default::default() }).await;
    assert_eq!((listed.groups.len(), listed.groups[0].group_type.as_str()), (1, "classic"));
    assert_eq!(server.stop().await, 0);
}
