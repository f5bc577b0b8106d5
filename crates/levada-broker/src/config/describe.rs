//! Showing settings: the value in force, where it comes from, and what it would be otherwise.

use crate::config::{
    ConfigKind, Scope, Setting, TopicDefaults, broker::BROKER, broker::BrokerConfig, group::GROUP, topic::TOPIC,
};
use levada_model::Str;
use std::collections::BTreeMap;

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// Set for the topic.
    DynamicTopic,
    /// Set for the group.
    DynamicGroup,
    /// Set for the broker while it ran.
    DynamicBroker,
    /// The broker's configuration file.
    StaticBroker,
    /// Nowhere: the default.
    Default,
}

/// One setting as clients see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedConfig {
    /// Kafka's name.
    pub name: &'static str,
    /// The value in force.
    pub value: String,
    /// Its type.
    pub kind: ConfigKind,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Whether it is fixed while the broker runs.
    pub read_only: bool,
    /// All values, the one in force first.
    pub synonyms: Vec<Synonym>,
    /// What it does.
    pub doc: &'static str,
}

/// A value that a setting has or would have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synonym {
    /// The name under which it is set.
    pub name: &'static str,
    /// The value.
    pub value: String,
    /// Where it comes from.
    pub source: ConfigSource,
}

/// Settings of topics for which Kafka's brokers have no default: it stands in another setting, or nowhere.
const WITHOUT_BROKER_DEFAULT: [&str; 9] = [
    "flush.ms",
    "follower.replication.throttled.replicas",
    "leader.replication.throttled.replicas",
    "remote.log.copy.disable",
    "remote.log.delete.on.disable",
    "remote.storage.enable",
    "retention.ms",
    "segment.jitter.ms",
    "segment.ms",
];

/// What Kafka's brokers call the default of a setting that only topics have here.
fn broker_name(name: &'static str) -> &'static str {
    match name {
        "file.delete.delay.ms" => "log.segment.delete.delay.ms",
        "index.interval.bytes" => "log.index.interval.bytes",
        "local.retention.bytes" => "log.local.retention.bytes",
        "local.retention.ms" => "log.local.retention.ms",
        "max.compaction.lag.ms" => "log.cleaner.max.compaction.lag.ms",
        "min.cleanable.dirty.ratio" => "log.cleaner.min.cleanable.ratio",
        "preallocate" => "log.preallocate",
        "segment.index.bytes" => "log.index.size.max.bytes",
        name => name,
    }
}

/// The settings of a topic, by name; of `names` only, where some are given.
#[must_use]
pub fn topic(configs: &BTreeMap<String, String>, broker: &BrokerConfig, names: Option<&[Str]>) -> Vec<DescribedConfig> {
    let defaults = TopicDefaults::of(broker);
    let wanted = TOPIC.iter().filter(|setting| is_wanted(setting, names));
    let describe = |setting: &'static Setting| {
        let mut synonyms = Vec::new();
        if let Some(value) = configs.get(setting.name) {
            let (name, value) = (setting.name, value.clone());
            synonyms.push(Synonym { name, value, source: ConfigSource::DynamicTopic });
        }
        if let (Scope::TopicWithDefault(name), Some(value)) = (setting.scope, defaults.get(setting.name)) {
            synonyms.push(Synonym { name, value: value.to_owned(), source: ConfigSource::StaticBroker });
        }
        let name = match setting.scope {
            Scope::TopicWithDefault(name) => name,
            Scope::Topic | Scope::Group(_) | Scope::Static | Scope::Dynamic => broker_name(setting.name),
        };
        if !WITHOUT_BROKER_DEFAULT.contains(&setting.name) {
            synonyms.push(Synonym { name, value: setting.default.to_owned(), source: ConfigSource::Default });
        }
        described(setting, synonyms, !setting.is_kept())
    };
    wanted.map(describe).collect()
}

/// The settings of the broker, by name; of `names` only, where some are given.
#[must_use]
pub fn broker(config: &BrokerConfig, names: Option<&[Str]>) -> Vec<DescribedConfig> {
    let wanted = BROKER.iter().filter(|setting| is_wanted(setting, names));
    let describe = |setting: &'static Setting| {
        let name = setting.name;
        let mut synonyms = Vec::new();
        if let Some(value) = config.dynamic().get(name) {
            synonyms.push(Synonym { name, value: value.clone(), source: ConfigSource::DynamicBroker });
        }
        if let Some(value) = config.fixed(name) {
            synonyms.push(Synonym { name, value: value.to_owned(), source: ConfigSource::StaticBroker });
        }
        synonyms.push(Synonym { name, value: setting.default.to_owned(), source: ConfigSource::Default });
        described(setting, synonyms, setting.scope == Scope::Static)
    };
    wanted.map(describe).collect()
}

/// The settings of a group, by name; of `names` only, where some are given.
#[must_use]
pub fn group(configs: &BTreeMap<String, String>, broker: &BrokerConfig, names: Option<&[Str]>) -> Vec<DescribedConfig> {
    let wanted = GROUP.iter().filter(|setting| is_wanted(setting, names));
    let describe = |setting: &'static Setting| {
        let of_group = configs.get(setting.name).map(|value| Synonym {
            name: setting.name,
            value: value.clone(),
            source: ConfigSource::DynamicGroup,
        });
        let Scope::Group(Some(name)) = setting.scope else {
            let value = setting.default.to_owned();
            let default = Synonym { name: setting.name, value, source: ConfigSource::Default };
            return described(setting, of_group.into_iter().chain([default]).collect(), !setting.is_kept());
        };
        let of_file = broker.fixed(name).map(|value| Synonym {
            name,
            value: value.to_owned(),
            source: ConfigSource::StaticBroker,
        });
        let default = Synonym { name, value: setting.default.to_owned(), source: ConfigSource::Default };
        let synonyms = of_group.into_iter().chain(of_file).chain([default]).collect();
        described(setting, synonyms, !setting.is_kept())
    };
    wanted.map(describe).collect()
}

fn is_wanted(setting: &Setting, names: Option<&[Str]>) -> bool {
    names.is_none_or(|names| names.iter().any(|name| name.as_str() == setting.name))
}

fn described(setting: &'static Setting, synonyms: Vec<Synonym>, read_only: bool) -> DescribedConfig {
    let (value, source) = synonyms.first().map_or_else(
        || (setting.default.to_owned(), ConfigSource::Default),
        |first| (first.value.clone(), first.source),
    );
    DescribedConfig {
        name: setting.name,
        value,
        kind: setting.rule.kind(),
        source,
        read_only,
        synonyms,
        doc: setting.doc,
    }
}
