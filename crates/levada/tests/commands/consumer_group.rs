//! A group of KIP-848 as the commands show it.

use crate::broker::Broker;
use levada_protocol::{
    Decoder, Message, Request, RequestHeader, ResponseHeader, encode_request,
    messages::{ConsumerGroupHeartbeatRequest, FindCoordinatorRequest},
};
use serde_json::json;
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

fn call<R: Request>(stream: &mut TcpStream, version: i16, request: &R) -> R::Response {
    let header = RequestHeader {
        api_key: R::KEY.code(),
        api_version: version,
        correlation_id: 1,
        client_id: Some("by-hand".into()),
    };
    stream.write_all(&encode_request(&header, request).unwrap().into_bytes()).unwrap();
    let mut size = [0; 4];
    stream.read_exact(&mut size).unwrap();
    let mut frame = vec![0; usize::try_from(i32::from_be_bytes(size)).unwrap()];
    stream.read_exact(&mut frame).unwrap();
    let mut decoder = Decoder::new(frame.into());
    ResponseHeader::decode(&mut decoder, R::KEY, version).unwrap();
    R::Response::decode(&mut decoder, version).unwrap()
}

fn joins(stream: &mut TcpStream, member: &str) {
    let join = ConsumerGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: member.into(),
        rebalance_timeout_ms: 60_000,
        subscribed_topic_names: Some(vec!["t".into()]),
        topic_partitions: Some(Vec::new()),
        ..ConsumerGroupHeartbeatRequest::default()
    };
    assert_eq!(call(stream, 1, &join).error_code, 0);
}

#[test]
fn epochs_and_targets_are_shown_and_the_kind_of_the_group() {
    // Members that come one after the other are assigned at once.
    let broker = Broker::start(&["--set", "group.consumer.assignment.interval.ms=0"]);
    broker.run(&["topic", "create", "t", "--partitions", "2"]);
    let mut stream = TcpStream::connect(&broker.address).unwrap();
    let find = FindCoordinatorRequest { coordinator_keys: vec!["g".into()], ..FindCoordinatorRequest::default() };
    call(&mut stream, 4, &find);
    joins(&mut stream, "a");
    joins(&mut stream, "b");
    let listed = broker.json(&["group", "list"]);
    assert_eq!(json!([listed[0]["kind"], listed[0]["protocol"]]), json!(["consumer", "consumer"]));
    let group = broker.json(&["group", "describe", "g"]);
    assert_eq!(json!([group["kind"], group["state"]]), json!(["consumer", "Reconciling"]));
    assert_eq!(json!([group["epoch"], group["assignment_epoch"], group["assignor"]]), json!([3, 3, "uniform"]));
    let (first, second) = (&group["members"][0], &group["members"][1]);
    assert_eq!(json!([first["epoch"], second["epoch"]]), json!([2, 3]));
    assert_eq!(json!([first["partitions"], first["target"]]), json!([["t:0", "t:1"], ["t:0"]]));
    assert_eq!(json!([second["partitions"], second["target"]]), json!([[], ["t:1"]]));
    let shown = broker.run(&["group", "describe", "g"]);
    assert!(shown.contains("kind         consumer\nepoch        3, assigned for 3\n"), "{shown}");
    let rows: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(rows.contains(&vec!["b", "3", "by-hand", "/127.0.0.1", "-", "t:1"]), "{shown}");
}
