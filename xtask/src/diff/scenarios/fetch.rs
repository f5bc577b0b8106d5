//! Reading records: in all versions, within sizes, and in sessions.

use levada_protocol::ApiKey;
use serde_json::{Value, json};

use crate::diff::script::{Scenario, batch};

const THEN: i64 = 1_700_000_000_000;
/// From this version on topics have ids.
const IDS_FROM: i16 = 13;

/// A topic of the scenario with partitions, as `version` names it.
fn topic(name: &str, version: i16, partitions: &Value) -> Value {
    if version >= IDS_FROM {
        json!({ "topic_id": format!("${name}"), "partitions": partitions })
    } else {
        json!({ "topic": name, "partitions": partitions })
    }
}

fn partition(index: i32, offset: i64) -> Value {
    json!({ "partition": index, "fetch_offset": offset, "partition_max_bytes": 1 << 20 })
}

fn request(topics: &[Value]) -> Value {
    json!({ "max_wait_ms": 0, "min_bytes": 0, "max_bytes": 1 << 20, "topics": topics })
}

pub(in crate::diff) fn versions() -> Scenario {
    let name = "fetch-versions";
    let mut s = Scenario::new(name);
    s.topic(name, 2);
    for index in 0..3 {
        s.append(name, &json!([batch(4, THEN + index * 1_000)]));
    }
    for version in ApiKey::Fetch.versions() {
        for offset in [0, 5, 8, 11, 12, 13, -1, i64::MAX] {
            let body = request(&[topic(name, version, &json!([partition(0, offset)]))]);
            s.call(ApiKey::Fetch, version, body).about(&format!("from {offset}"));
        }
        for isolation in [1, 2, -1] {
            let mut body = request(&[topic(name, version, &json!([partition(0, 4)]))]);
            body["isolation_level"] = json!(isolation);
            s.call(ApiKey::Fetch, version, body).about(&format!("isolation {isolation}"));
        }
        let all = json!([partition(1, 0), partition(0, 8), partition(7, 0)]);
        s.call(ApiKey::Fetch, version, request(&[topic(name, version, &all)])).about("several partitions");
        for epoch in [json!("$fetch-versions.epoch"), json!(99), json!(-2)] {
            let mut one = partition(0, 8);
            one["current_leader_epoch"] = epoch.clone();
            let body = request(&[topic(name, version, &json!([one]))]);
            s.call(ApiKey::Fetch, version, body).about(&format!("current leader epoch {epoch}"));
        }
        for epoch in [json!("$fetch-versions.epoch"), json!(99)] {
            let mut one = partition(0, 8);
            one["last_fetched_epoch"] = epoch.clone();
            let body = request(&[topic(name, version, &json!([one]))]);
            s.call(ApiKey::Fetch, version, body).about(&format!("last fetched epoch {epoch}"));
        }
        let unknown = if version >= IDS_FROM {
            json!({ "topic_id": "1".repeat(32), "partitions": [partition(0, 0)] })
        } else {
            json!({ "topic": "fetch-unknown", "partitions": [partition(0, 0)] })
        };
        s.call(ApiKey::Fetch, version, request(&[unknown])).about("no such topic");
        s.call(ApiKey::Fetch, version, request(&[])).about("nothing");
        let mut negative = request(&[topic(name, version, &json!([partition(0, 8)]))]);
        negative["max_wait_ms"] = json!(-1);
        s.call(ApiKey::Fetch, version, negative).about("a negative wait");
    }
    s
}

pub(in crate::diff) fn sizes() -> Scenario {
    let name = "fetch-sizes";
    let mut s = Scenario::new(name);
    s.topic(name, 2);
    for index in 0..4 {
        s.append(name, &json!([batch(10, THEN + index)]));
    }
    for version in [4, 11, 12, 17] {
        for (max, partition_max) in
            [(1 << 20, 1), (1 << 20, 0), (1, 1 << 20), (0, 1 << 20), (1 << 20, 200), (1 << 20, 400), (400, 1 << 20)]
        {
            let mut one = partition(0, 0);
            one["partition_max_bytes"] = json!(partition_max);
            let mut body = request(&[topic(name, version, &json!([one]))]);
            body["max_bytes"] = json!(max);
            s.call(ApiKey::Fetch, version, body).about(&format!("max {max}, of a partition {partition_max}"));
        }
        let mut waits = request(&[topic(name, version, &json!([partition(0, 40)]))]);
        waits["max_wait_ms"] = json!(50);
        waits["min_bytes"] = json!(1);
        s.call(ApiKey::Fetch, version, waits.clone()).about("waits in vain");
        waits["min_bytes"] = json!(-1);
        s.call(ApiKey::Fetch, version, waits).about("a negative least size");
    }
    s
}

pub(in crate::diff) fn sessions() -> Scenario {
    let name = "fetch-sessions";
    let mut s = Scenario::new(name);
    s.topic(name, 3);
    s.append(name, &json!([batch(2, THEN)]));
    for version in [7, 11, 12, 13, 18] {
        let id = format!("session-{version}");
        let ask = |epoch: i32, topics: &[Value], forgotten: Value| {
            let mut body = request(topics);
            body["session_id"] = if epoch == 0 { json!(0) } else { json!(format!("$session-{version}")) };
            body["session_epoch"] = json!(epoch);
            body["forgotten_topics_data"] = forgotten;
            body
        };
        let of = |partitions: Value| topic(name, version, &partitions);
        s.call(ApiKey::Fetch, version, ask(0, &[of(json!([partition(0, 0), partition(1, 0)]))], json!([])))
            .bind(&id, "session_id")
            .about("begins a session");
        s.call(ApiKey::Fetch, version, ask(1, &[of(json!([partition(0, 1 << 30)]))], json!([]))).about("out of range");
        s.call(ApiKey::Fetch, version, ask(2, &[of(json!([partition(0, 0)]))], json!([]))).about("moves back");
        s.call(ApiKey::Fetch, version, ask(3, &[], json!([]))).about("the same again");
        s.call(ApiKey::Fetch, version, ask(4, &[of(json!([partition(2, 0)]))], json!([]))).about("one more");
        let forgotten = |index: i32| {
            let mut topic = of(json!([index]));
            topic["partitions"] = json!([index]);
            json!([topic])
        };
        s.call(ApiKey::Fetch, version, ask(5, &[], forgotten(0))).about("forgets one");
        s.call(ApiKey::Fetch, version, ask(6, &[], forgotten(9))).about("forgets what it never asked for");
        s.call(ApiKey::Fetch, version, ask(9, &[], json!([]))).about("a wrong epoch");
        s.call(ApiKey::Fetch, version, ask(7, &[of(json!([partition(9, 0)]))], json!([]))).about("no such partition");
        s.call(ApiKey::Fetch, version, ask(-1, &[of(json!([partition(0, 0)]))], json!([]))).about("ends the session");
        s.call(ApiKey::Fetch, version, ask(8, &[], json!([]))).about("after its end");
        for (session, epoch) in [(77, 1), (77, 0), (0, 1), (0, -2), (-1, 3)] {
            let mut body = ask(0, &[of(json!([partition(0, 0)]))], json!([]));
            body["session_id"] = json!(session);
            body["session_epoch"] = json!(epoch);
            let about = format!("session {session}, epoch {epoch}");
            s.call(ApiKey::Fetch, version, body)
                .about(&about)
                .bind(&format!("other-{version}-{session}-{epoch}"), "session_id");
        }
    }
    s
}
