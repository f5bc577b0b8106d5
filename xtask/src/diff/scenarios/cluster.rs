//! What a broker says of itself and of all that it has.

use levada_protocol::ApiKey;
use serde_json::{Value, json};

use crate::diff::script::{Scenario, batch};

const THEN: i64 = 1_700_000_000_000;

pub(in crate::diff) fn describe() -> Scenario {
    let mut s = Scenario::new("cluster-describe");
    s.topic("cluster-describe-a", 3);
    s.topic("cluster-describe-b", 1);
    s.append("cluster-describe-a", &json!([batch(3, THEN)]));
    for version in ApiKey::DescribeCluster.versions() {
        for operations in [true, false] {
            s.call(ApiKey::DescribeCluster, version, json!({ "include_cluster_authorized_operations": operations }));
        }
        for kind in [0, 1, 2, 3, -1] {
            if version >= 1 {
                s.call(ApiKey::DescribeCluster, version, json!({ "endpoint_type": kind }))
                    .about(&format!("type {kind}"));
            }
        }
    }
    s.call(ApiKey::DescribeCluster, 2, json!({ "include_fenced_brokers": true }));
    for version in ApiKey::DescribeLogDirs.versions() {
        for topics in [
            json!([{ "topic": "cluster-describe-a", "partitions": [0, 2] }]),
            json!([{ "topic": "cluster-describe-a", "partitions": [9] }]),
            json!([{ "topic": "cluster-describe-unknown", "partitions": [0] }]),
            json!([]),
        ] {
            s.call(ApiKey::DescribeLogDirs, version, json!({ "topics": topics })).about(&topics.to_string());
        }
    }
    for kinds in
        [json!([2]), json!([4]), json!([8]), json!([16]), json!([32]), json!([1]), json!([77]), json!([4, 8, 16])]
    {
        s.call(ApiKey::ListConfigResources, 1, json!({ "resource_types": kinds })).about(&kinds.to_string());
    }
    s.call(ApiKey::ListConfigResources, 0, json!({}));
    let ask = |topics: &[&str], limit: i32, cursor: Value| {
        let topics: Vec<_> = topics.iter().map(|name| json!({ "name": name })).collect();
        json!({ "topics": topics, "response_partition_limit": limit, "cursor": cursor })
    };
    let at = |name: &str, index: i32| json!({ "topic_name": name, "partition_index": index });
    let (a, b, unknown) = ("cluster-describe-a", "cluster-describe-b", "cluster-describe-unknown");
    for (topics, limit, cursor) in [
        (&[a, b][..], 2_000, Value::Null),
        (&[b, a], 2_000, Value::Null),
        (&[a, a], 2_000, Value::Null),
        (&[unknown, a], 2_000, Value::Null),
        (&[a, b], 2, Value::Null),
        (&[a, b], 3, Value::Null),
        (&[a, b], 1, at(a, 1)),
        (&[a, b], 2_000, at(a, 2)),
        (&[a, b], 2_000, at(a, 3)),
        (&[a, b], 2_000, at(b, 0)),
        (&[a, b], 2_000, at(unknown, 0)),
        (&[a, b], 2_000, at(a, -1)),
        (&[a, b], 0, Value::Null),
        (&[a, b], -1, Value::Null),
    ] {
        let about = format!("{topics:?}, at most {limit}, from {cursor}");
        s.call(ApiKey::DescribeTopicPartitions, 0, ask(topics, limit, cursor)).about(&about);
    }
    s
}
