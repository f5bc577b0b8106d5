//! Settings: shown, replaced, changed one by one.

use levada_protocol::ApiKey;
use serde_json::{Value, json};

use crate::diff::script::Scenario;

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

fn describe_of(kind: i8, name: &str, keys: &Value) -> Value {
    let resource = json!({ "resource_type": kind, "resource_name": name, "configuration_keys": keys });
    json!({ "resources": [resource], "include_synonyms": true })
}

/// Waits until a setting of a topic is shown with this value.
fn settle(s: &mut Scenario, topic: &str, name: &str, value: &str) {
    let body = describe_of(TOPIC, topic, &json!([name]));
    s.call(ApiKey::DescribeConfigs, 4, body).until("results[0].configs[0].value", value).about("waits for the value");
}

pub(in crate::diff) fn describe() -> Scenario {
    let mut s = Scenario::new("configs-describe");
    let configs = [("retention.ms", "60000"), ("cleanup.policy", "compact,delete"), ("compression.type", "gzip")];
    s.topic_with("configs-describe", 1, &configs);
    s.topic("configs-describe-plain", 1);
    for version in ApiKey::DescribeConfigs.versions() {
        for keys in [Value::Null, json!([]), json!(["retention.ms"]), json!(["no.such.setting", "cleanup.policy"])] {
            for synonyms in [true, false] {
                let mut body = describe_of(TOPIC, "configs-describe", &keys);
                body["include_synonyms"] = json!(synonyms);
                body["include_documentation"] = json!(synonyms);
                s.call(ApiKey::DescribeConfigs, version, body);
            }
        }
        s.call(ApiKey::DescribeConfigs, version, describe_of(TOPIC, "configs-describe-plain", &Value::Null));
        for (kind, name) in [
            (TOPIC, "configs-describe-unknown"),
            (TOPIC, ""),
            (TOPIC, "a b"),
            (BROKER, "7"),
            (BROKER, "odd"),
            (BROKER_LOGGER, "7"),
            (GROUP, ""),
            (0, "x"),
            (1, "x"),
            (3, "x"),
            (77, "x"),
        ] {
            let about = format!("resource {kind} `{name}`");
            s.call(ApiKey::DescribeConfigs, version, describe_of(kind, name, &json!(["x"]))).about(&about);
        }
        let names = json!([
            "num.partitions",
            "auto.create.topics.enable",
            "message.max.bytes",
            "compression.type",
            "default.replication.factor",
            "log.retention.ms",
            "delete.topic.enable",
            "group.max.size",
            "offsets.retention.minutes",
            "min.insync.replicas",
            "log.cleanup.policy",
            "no.such.setting",
        ]);
        s.call(ApiKey::DescribeConfigs, version, describe_of(BROKER, "1", &names)).about("the broker's");
        s.call(ApiKey::DescribeConfigs, version, describe_of(BROKER, "", &names)).about("all brokers'");
        s.call(ApiKey::DescribeConfigs, version, json!({ "resources": [] })).about("nothing");
        let twice = describe_of(TOPIC, "configs-describe", &json!(["retention.ms"]));
        let twice = json!({ "resources": [twice["resources"][0], twice["resources"][0]] });
        s.call(ApiKey::DescribeConfigs, version, twice).about("twice");
    }
    s.call(ApiKey::DescribeConfigs, 4, describe_of(CLIENT_METRICS, "configs-describe", &Value::Null));
    s
}

/// Resources that cannot be changed so, with a setting and its value.
const REFUSED: [(i8, &str, &str, Option<&str>); 19] = [
    (TOPIC, "configs-unknown", "retention.ms", Some("1")),
    (TOPIC, "", "retention.ms", Some("1")),
    (TOPIC, "a b", "retention.ms", Some("1")),
    (TOPIC, "$topic", "no.such.setting", Some("1")),
    (TOPIC, "$topic", "retention.ms", Some("odd")),
    (TOPIC, "$topic", "retention.ms", Some("-2")),
    (TOPIC, "$topic", "retention.ms", None),
    (TOPIC, "$topic", "cleanup.policy", Some("odd")),
    (TOPIC, "$topic", "cleanup.policy", Some("compact,compact")),
    (TOPIC, "$topic", "", Some("1")),
    (TOPIC, "$topic", "max.message.bytes", Some("99999999999")),
    (TOPIC, "$topic", "message.timestamp.type", Some("createtime")),
    (BROKER, "7", "num.partitions", Some("2")),
    (BROKER, "odd", "num.partitions", Some("2")),
    (BROKER, "1", "group.max.size", Some("2")),
    (BROKER, "", "no.such.setting", Some("2")),
    (BROKER_LOGGER, "7", "x", Some("INFO")),
    (1, "x", "x", Some("x")),
    (77, "x", "x", Some("x")),
];

pub(in crate::diff) fn alter() -> Scenario {
    let mut s = Scenario::new("configs-alter");
    s.topic_with("configs-alter", 1, &[("retention.ms", "60000"), ("segment.ms", "70000")]);
    for version in ApiKey::AlterConfigs.versions() {
        let body = |kind: i8, name: &str, configs: Value, validate_only: bool| {
            let resource = json!({ "resource_type": kind, "resource_name": name, "configs": configs });
            json!({ "resources": [resource], "validate_only": validate_only })
        };
        for (kind, name, setting, value) in REFUSED {
            let name = if name == "$topic" { "configs-alter" } else { name };
            let configs = json!([{ "name": setting, "value": value }]);
            let about = format!("resource {kind} `{name}`: {setting} = {value:?}");
            s.call(ApiKey::AlterConfigs, version, body(kind, name, configs, true)).about(&about);
        }
        let value = (80_000 + i32::from(version)).to_string();
        let configs = json!([{ "name": "retention.ms", "value": value }]);
        s.call(ApiKey::AlterConfigs, version, body(TOPIC, "configs-alter", configs.clone(), true))
            .about("validates only");
        s.call(ApiKey::AlterConfigs, version, body(TOPIC, "configs-alter", configs, false));
        settle(&mut s, "configs-alter", "retention.ms", &value);
        s.call(ApiKey::DescribeConfigs, 4, describe_of(TOPIC, "configs-alter", &json!(["segment.ms"])))
            .about("what was set");
        let configs = json!([{ "name": "retention.ms", "value": "1" }, { "name": "retention.ms", "value": "2" }]);
        s.call(ApiKey::AlterConfigs, version, body(TOPIC, "configs-alter", configs, true)).about("a setting twice");
    }
    s
}

pub(in crate::diff) fn incremental() -> Scenario {
    let mut s = Scenario::new("configs-incremental");
    let topic = "configs-incremental";
    s.topic_with(topic, 1, &[("retention.ms", "60000"), ("segment.ms", "70000")]);
    for version in ApiKey::IncrementalAlterConfigs.versions() {
        let body = |kind: i8, name: &str, configs: Value, validate_only: bool| {
            let resource = json!({ "resource_type": kind, "resource_name": name, "configs": configs });
            json!({ "resources": [resource], "validate_only": validate_only })
        };
        for (kind, name, setting, value) in REFUSED {
            let name = if name == "$topic" { topic } else { name };
            // What is fixed cannot be changed in any way.
            let is_fixed = setting == "group.max.size";
            for operation in [0, 1, 2, 3, 4].into_iter().filter(|operation| *operation == 0 || !is_fixed) {
                let configs = json!([{ "name": setting, "config_operation": operation, "value": value }]);
                let about = format!("resource {kind} `{name}`: {setting} = {value:?} ({operation})");
                s.call(ApiKey::IncrementalAlterConfigs, version, body(kind, name, configs, true)).about(&about);
            }
        }
        for (setting, operation, value, shown) in [
            ("retention.ms", 0, json!("90000"), "90000"),
            ("retention.ms", 1, json!(null), ""),
            ("cleanup.policy", 2, json!("compact"), "delete,compact"),
            ("cleanup.policy", 2, json!("compact"), "delete,compact"),
            ("cleanup.policy", 3, json!("delete"), "compact"),
            ("cleanup.policy", 3, json!("compact"), ""),
            ("cleanup.policy", 0, json!("delete"), "delete"),
            ("cleanup.policy", 1, json!(null), ""),
        ] {
            let configs = json!([{ "name": setting, "config_operation": operation, "value": value }]);
            s.call(ApiKey::IncrementalAlterConfigs, version, body(TOPIC, topic, configs.clone(), true))
                .about("validates");
            s.call(ApiKey::IncrementalAlterConfigs, version, body(TOPIC, topic, configs, false)).about("changes");
            if operation == 1 {
                // The value may be the default's, too: what is waited for is where it comes from.
                let body = describe_of(TOPIC, topic, &json!([setting]));
                s.call(ApiKey::DescribeConfigs, 4, body).until("results[0].configs[0].config_source", 5);
            } else {
                settle(&mut s, topic, setting, shown);
            }
        }
        let twice = json!([
            { "name": "retention.ms", "config_operation": 0, "value": "1" },
            { "name": "retention.ms", "config_operation": 0, "value": "2" },
        ]);
        s.call(ApiKey::IncrementalAlterConfigs, version, body(TOPIC, topic, twice, true)).about("a setting twice");
    }
    s.call(ApiKey::DescribeConfigs, 4, describe_of(TOPIC, topic, &json!(["segment.ms"]))).about("what nobody changed");
    s
}
