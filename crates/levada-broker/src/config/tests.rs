use super::{
    alter::{Table, apply},
    broker::BROKER,
    topic::TOPIC,
    *,
};
use levada_model::{Str, TopicName};
use levada_store::Durability;
use std::collections::BTreeMap;

fn set(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn replace(pairs: &[(&str, &str)]) -> AlterConfigs {
    AlterConfigs::Replace(pairs.iter().map(|&(name, value)| (Str::from(name), Some(Str::from(value)))).collect())
}

fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

#[test]
fn tables_are_sorted_and_their_defaults_legal() {
    for table in [TOPIC, BROKER] {
        assert!(table.is_sorted_by_key(|setting| setting.name));
        for setting in table {
            setting.check(setting.default).unwrap();
        }
    }
    for setting in TOPIC {
        if let Scope::TopicWithDefault(synonym) = setting.scope {
            let broker = find(BROKER, synonym).unwrap();
            assert_eq!((broker.default, broker.rule), (setting.default, setting.rule), "{synonym}");
        }
    }
}

#[test]
fn a_topic_obeys_its_own_setting_before_the_brokers() {
    let broker = BrokerConfig::from_settings([("log.retention.hours", "1"), ("log.durability", "os")]).unwrap();
    let defaults = TopicDefaults::of(&broker);
    let plain = defaults.resolve(&topic("t"), &set(&[]));
    assert_eq!((plain.retention_ms, plain.durability), (Some(3_600_000), Durability::Os));
    let own = defaults.resolve(&topic("t"), &set(&[("retention.ms", "-1"), ("durability", "interval")]));
    assert_eq!((own.retention_ms, own.durability), (None, Durability::Interval));
    let internal = defaults.resolve(&topic("__consumer_offsets"), &set(&[("cleanup.policy", "compact")]));
    assert_eq!((internal.durability, internal.deletes), (Durability::Fsync, false));
}

#[test]
fn what_has_no_effect_is_refused_by_name() {
    let refused = apply(Table::Topic, &set(&[]), &replace(&[("preallocate", "true")]), |_| String::new());
    assert_eq!(refused.unwrap_err().to_string(), "`preallocate` has no effect here and can only be `false`");
    let taken = apply(Table::Topic, &set(&[]), &replace(&[("preallocate", "false")]), |_| String::new());
    assert_eq!(taken, Ok(set(&[])), "the default is taken, and not kept in vain");
    let unknown = apply(Table::Topic, &set(&[]), &replace(&[("retention.msx", "1")]), |_| String::new());
    assert_eq!(unknown.unwrap_err().to_string(), "unknown setting `retention.msx`, did you mean `retention.ms`?");
}

#[test]
fn illegal_values_are_refused() {
    for (name, value) in [
        ("retention.ms", "-2"),
        ("retention.ms", "soon"),
        ("segment.bytes", "1"),
        ("max.message.bytes", "2147483648"),
        ("cleanup.policy", "shred"),
        ("min.insync.replicas", "0"),
        ("compression.type", "brotli"),
        ("durability", "perhaps"),
        ("min.cleanable.dirty.ratio", "1.1"),
        ("min.cleanable.dirty.ratio", "half"),
        ("max.compaction.lag.ms", "0"),
    ] {
        assert!(topic::check(name, value).is_err(), "{name}={value}");
    }
}

#[test]
fn lists_grow_and_shrink_by_steps() {
    let step = |operation, value: &str| {
        AlterConfigs::Incremental(vec![(Str::from("cleanup.policy"), operation, Some(Str::from(value)))])
    };
    let default = |setting: &'static Setting| setting.default.to_owned();
    let both = apply(Table::Topic, &set(&[]), &step(ConfigOp::Append, "compact"), default).unwrap();
    assert_eq!(both, set(&[("cleanup.policy", "delete,compact")]));
    let one = apply(Table::Topic, &both, &step(ConfigOp::Subtract, "delete"), default).unwrap();
    assert_eq!(one, set(&[("cleanup.policy", "compact")]));
    let not_a_list = AlterConfigs::Incremental(vec![("retention.ms".into(), ConfigOp::Append, Some("1".into()))]);
    assert_eq!(apply(Table::Topic, &one, &not_a_list, default), Err(ConfigError::NotAList { name: "retention.ms" }));
}

#[test]
fn a_description_says_where_a_value_comes_from() {
    let broker = BrokerConfig::from_settings([("log.retention.ms", "5000")]).unwrap();
    let shown = describe::topic(&set(&[("retention.ms", "1000")]), &broker, Some(&["retention.ms".into()]));
    let [config] = &shown[..] else { panic!("{shown:?}") };
    assert_eq!((config.value.as_str(), config.source), ("1000", ConfigSource::DynamicTopic));
    let chain: Vec<_> = config.synonyms.iter().map(|synonym| (synonym.name, synonym.value.as_str())).collect();
    assert_eq!(chain, [("retention.ms", "1000"), ("log.retention.ms", "5000")], "Kafka has no default of that name");
}

#[test]
fn fixed_settings_of_the_broker_do_not_change_while_it_runs() {
    let refused = apply(Table::Broker, &set(&[]), &replace(&[("log.retention.ms", "1")]), |_| String::new());
    assert_eq!(refused, Err(ConfigError::ReadOnly { name: "log.retention.ms" }));
    let taken = apply(Table::Broker, &set(&[]), &replace(&[("num.partitions", "3")]), |_| String::new()).unwrap();
    assert_eq!(BrokerConfig::default().overlaid(&taken).default_partitions(), 3);
}

#[test]
fn lags_that_contradict_each_other_are_refused_in_kafkas_words() {
    let defaults = TopicDefaults::default();
    let check =
        |min, max| defaults.check_together(&set(&[("min.compaction.lag.ms", min), ("max.compaction.lag.ms", max)]));
    assert_eq!(check("1000", "1000"), Ok(()));
    let refused = check("1001", "1000").unwrap_err().to_string();
    assert_eq!(refused, "conflict topic config setting min.compaction.lag.ms (1001) > max.compaction.lag.ms (1000)");
    let broker = BrokerConfig::from_settings([("log.cleaner.min.compaction.lag.ms", "60000")]).unwrap();
    let against_default = TopicDefaults::of(&broker).check_together(&set(&[("max.compaction.lag.ms", "1000")]));
    assert!(matches!(against_default, Err(ConfigError::Conflict { smaller_value: 60_000, .. })));
    assert!(
        BrokerConfig::from_settings([
            ("log.cleaner.min.compaction.lag.ms", "2"),
            ("log.cleaner.max.compaction.lag.ms", "1")
        ])
        .is_err()
    );
}

#[test]
fn what_a_compacted_topic_sets_reaches_the_store() {
    let settings = [
        ("cleanup.policy", "compact,delete"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("min.compaction.lag.ms", "5"),
        ("max.compaction.lag.ms", "60000"),
        ("delete.retention.ms", "7"),
    ];
    let log = TopicDefaults::default().resolve(&topic("state"), &set(&settings));
    assert_eq!((log.compacts, log.deletes, log.dirty_ratio_min_ppm), (true, true, 10_000));
    assert_eq!((log.compaction_lag_min_ms, log.compaction_lag_max_ms, log.delete_retention_ms), (5, 60_000, 7));
    assert_eq!(log.segment_age_max_ms(), 60_000, "the active segment is not compacted before it rolls");
}
