//! Settings of groups: shown, replaced, changed one by one, obeyed.

use levada_protocol::ApiKey;
use serde_json::{Value, json};

use crate::diff::script::Scenario;

const GROUP: i8 = 32;
/// Where a value stands that was set for the group.
const OF_GROUP: i8 = 8;

fn describe_of(group: &str, keys: &Value) -> Value {
    let resource = json!({ "resource_type": GROUP, "resource_name": group, "configuration_keys": keys });
    json!({ "resources": [resource], "include_synonyms": true, "include_documentation": true })
}

fn alteration(group: &str, configs: &Value, validate_only: bool) -> Value {
    let resource = json!({ "resource_type": GROUP, "resource_name": group, "configs": configs });
    json!({ "resources": [resource], "validate_only": validate_only })
}

/// Sets one setting of a group and waits until it is shown.
pub(super) fn set(s: &mut Scenario, group: &str, name: &str, value: &str) {
    let configs = json!([{ "name": name, "config_operation": 0, "value": value }]);
    s.call(ApiKey::IncrementalAlterConfigs, 1, alteration(group, &configs, false)).about(&format!("{name}={value}"));
    s.call(ApiKey::DescribeConfigs, 4, describe_of(group, &json!([name])))
        .until("results[0].configs[0].value", value)
        .about("waits for the value");
}

/// Settings that a group cannot have, or can.
const TRIED: [(&str, Option<&str>); 18] = [
    ("consumer.session.timeout.ms", Some("45000")),
    ("consumer.session.timeout.ms", Some(" 46000 ")),
    ("consumer.session.timeout.ms", Some("44999")),
    ("consumer.session.timeout.ms", Some("60001")),
    ("consumer.session.timeout.ms", Some("0")),
    ("consumer.session.timeout.ms", Some("odd")),
    ("consumer.session.timeout.ms", Some("")),
    ("consumer.session.timeout.ms", None),
    ("consumer.heartbeat.interval.ms", Some("4999")),
    ("consumer.heartbeat.interval.ms", Some("15001")),
    ("consumer.heartbeat.interval.ms", Some("99999999999")),
    ("consumer.assignment.interval.ms", Some("0")),
    ("consumer.assignment.interval.ms", Some("15001")),
    ("consumer.assignment.interval.ms", Some("-1")),
    ("group.consumer.session.timeout.ms", Some("45000")),
    ("retention.ms", Some("1")),
    ("no.such.setting", Some("1")),
    ("", Some("1")),
];

pub(in crate::diff) fn describe() -> Scenario {
    let mut s = Scenario::new("group-configs-describe");
    let group = "group-configs-describe";
    for version in ApiKey::DescribeConfigs.versions() {
        for keys in [Value::Null, json!([]), json!(["consumer.session.timeout.ms", "odd"])] {
            s.call(ApiKey::DescribeConfigs, version, describe_of(group, &keys)).about("nothing is set");
        }
        s.call(ApiKey::DescribeConfigs, version, describe_of("", &Value::Null)).about("no name");
        s.call(ApiKey::DescribeConfigs, version, describe_of("a b/\u{e9}", &Value::Null)).about("an odd name");
    }
    set(&mut s, group, "consumer.session.timeout.ms", "50000");
    set(&mut s, group, "consumer.heartbeat.interval.ms", "6000");
    for version in ApiKey::DescribeConfigs.versions() {
        s.call(ApiKey::DescribeConfigs, version, describe_of(group, &Value::Null)).about("two are set");
    }
    for version in ApiKey::ListConfigResources.versions() {
        let types = if version == 0 { json!([]) } else { json!([GROUP]) };
        s.call(ApiKey::ListConfigResources, version, json!({ "resource_types": types }));
    }
    s
}

pub(in crate::diff) fn alter() -> Scenario {
    let mut s = Scenario::new("group-configs-alter");
    let group = "group-configs-alter";
    for version in ApiKey::AlterConfigs.versions() {
        for (name, value) in TRIED {
            let configs = json!([{ "name": name, "value": value }]);
            s.call(ApiKey::AlterConfigs, version, alteration(group, &configs, true))
                .about(&format!("{name} = {value:?}"));
        }
        let configs = json!([
            { "name": "consumer.session.timeout.ms", "value": "51000" },
            { "name": "consumer.heartbeat.interval.ms", "value": "7000" },
        ]);
        s.call(ApiKey::AlterConfigs, version, alteration("", &configs, true)).about("no name");
        s.call(ApiKey::AlterConfigs, version, alteration(group, &configs, true)).about("validates only");
        s.call(ApiKey::AlterConfigs, version, alteration(group, &configs, false)).about("both");
        let body = describe_of(group, &json!(["consumer.heartbeat.interval.ms"]));
        s.call(ApiKey::DescribeConfigs, 4, body.clone()).until("results[0].configs[0].value", "7000");
        let configs = json!([{ "name": "consumer.session.timeout.ms", "value": "52000" }]);
        s.call(ApiKey::AlterConfigs, version, alteration(group, &configs, false)).about("only one");
        s.call(ApiKey::DescribeConfigs, 4, body)
            .until("results[0].configs[0].value", "5000")
            .about("the other is gone");
        s.call(ApiKey::DescribeConfigs, 4, describe_of(group, &Value::Null)).about("what is left");
    }
    s
}

pub(in crate::diff) fn incremental() -> Scenario {
    let mut s = Scenario::new("group-configs-incremental");
    let group = "group-configs-incremental";
    for version in ApiKey::IncrementalAlterConfigs.versions() {
        for (name, value) in TRIED {
            for operation in 0..=4 {
                let configs = json!([{ "name": name, "config_operation": operation, "value": value }]);
                s.call(ApiKey::IncrementalAlterConfigs, version, alteration(group, &configs, true))
                    .about(&format!("{name} = {value:?} ({operation})"));
            }
        }
        let configs = json!([{ "name": "consumer.session.timeout.ms", "config_operation": 0, "value": "53000" }]);
        s.call(ApiKey::IncrementalAlterConfigs, version, alteration("", &configs, true)).about("no name");
        set(&mut s, group, "consumer.session.timeout.ms", "53000");
        set(&mut s, group, "consumer.assignment.interval.ms", "0");
        let configs = json!([{ "name": "consumer.session.timeout.ms", "config_operation": 1, "value": null }]);
        s.call(ApiKey::IncrementalAlterConfigs, version, alteration(group, &configs, false)).about("back");
        let body = describe_of(group, &json!(["consumer.session.timeout.ms"]));
        s.call(ApiKey::DescribeConfigs, 4, body).until("results[0].configs[0].value", "45000");
        let body = describe_of(group, &json!(["consumer.assignment.interval.ms"]));
        s.call(ApiKey::DescribeConfigs, 4, body).until("results[0].configs[0].config_source", OF_GROUP);
    }
    s
}
