//! Topics and settings.

use crate::rig::{Rig, batch, caller};
use levada_broker::{
    ValidateOnly,
    admin::{AlterConfigsError, DeleteRecordsError},
    auth::{op, res},
    config::{AlterConfigs, BrokerConfig, ConfigError, ConfigOp, ConfigSource},
    topics::{AdminError, CreatePartitionsError, CreateTopicError},
};

#[tokio::test]
async fn topics_outlive_a_power_cut_with_their_settings() {
    let rig = Rig::new();
    let created = rig.create("orders", 3, &[("retention.ms", "1000")]).await.unwrap();
    let grant = rig.grant::<op::AlterConfigs, res::Topic>("orders");
    let change = AlterConfigs::Incremental(vec![("segment.ms".into(), ConfigOp::Set, Some("5000".into()))]);
    rig.broker.alter_topic_configs(&grant, &change, ValidateOnly::No).await.unwrap();
    let change = AlterConfigs::Incremental(vec![("num.partitions".into(), ConfigOp::Set, Some("7".into()))]);
    let cluster = rig.broker.authorize_cluster::<op::AlterConfigs>(&caller()).unwrap();
    rig.broker.alter_broker_configs(&cluster, &change, ValidateOnly::No).await.unwrap();

    let rig = rig.power_cut(0);
    let view = rig.broker.topic(&rig.grant("orders")).unwrap();
    assert_eq!((view.id, view.partitions), (created.id, 3));
    let shown = rig.broker.describe_topic_configs(&rig.grant("orders"), None).unwrap();
    let set: Vec<_> = shown.iter().filter(|config| config.source == ConfigSource::DynamicTopic).collect();
    let set: Vec<_> = set.iter().map(|config| (config.name, config.value.as_str())).collect();
    assert_eq!(set, [("retention.ms", "1000"), ("segment.ms", "5000")]);
    rig.broker.create_automatically(rig.broker.authorize_create(&caller(), &"auto".into()).unwrap()).await.unwrap();
    assert_eq!(rig.broker.topic(&rig.grant("auto")).unwrap().partitions, 7);
}

#[tokio::test]
async fn topics_that_cannot_be_are_refused() {
    let rig = Rig::new();
    rig.create("a.b", 1, &[]).await.unwrap();
    assert!(matches!(rig.create("a.b", 1, &[]).await, Err(CreateTopicError::AlreadyExists(_))));
    assert!(matches!(rig.create("a_b", 1, &[]).await, Err(CreateTopicError::Collision { .. })));
    assert!(matches!(rig.create("a/b", 1, &[]).await, Err(CreateTopicError::InvalidName(_))));
    assert!(matches!(rig.create("none", 0, &[]).await, Err(CreateTopicError::InvalidPartitions(_))));
    assert!(matches!(rig.create("many", 1_000_000, &[]).await, Err(CreateTopicError::InvalidPartitions(_))));
    let unknown = rig.create("t", 1, &[("no.such", "1")]).await;
    assert!(matches!(unknown, Err(CreateTopicError::Config(ConfigError::Unknown { .. }))));
    let mut replicated = rig.new_topic("r", 1, &[]);
    replicated.replication_factor = 3;
    let outcome = rig.broker.create_topics(vec![replicated.clone()], ValidateOnly::No).await.pop().unwrap();
    assert_eq!(outcome, Err(CreateTopicError::InvalidReplicationFactor { sent: 3 }));
    let clamp =
        AlterConfigs::Incremental(vec![("replication.factor.clamp".into(), ConfigOp::Set, Some("true".into()))]);
    let cluster = rig.broker.authorize_cluster::<op::AlterConfigs>(&caller()).unwrap();
    rig.broker.alter_broker_configs(&cluster, &clamp, ValidateOnly::No).await.unwrap();
    let outcome = rig.broker.create_topics(vec![replicated], ValidateOnly::Yes).await.pop().unwrap();
    assert_eq!(outcome.unwrap().replication_factor, 1);
    assert!(rig.broker.topic(&rig.grant("r")).is_none(), "it was only checked");
}

#[tokio::test]
async fn twins_in_one_request_are_not_both_created() {
    let rig = Rig::new();
    let twins = vec![rig.new_topic("t", 1, &[]), rig.new_topic("t", 1, &[])];
    let outcomes = rig.broker.create_topics(twins, ValidateOnly::No).await;
    assert!(outcomes[0].is_ok() && matches!(outcomes[1], Err(CreateTopicError::AlreadyExists(_))));
}

#[tokio::test]
async fn replicas_can_be_assigned_to_the_one_broker_only() {
    let rig = Rig::new();
    let node_id = rig.broker.cluster().node_id;
    let mut topic = rig.new_topic("t", -1, &[]);
    topic.assignments = vec![(1, vec![node_id]), (0, vec![node_id])];
    let created = rig.broker.create_topics(vec![topic.clone()], ValidateOnly::No).await.pop().unwrap();
    assert_eq!(created.unwrap().partitions, 2);
    topic.topic = rig.new_topic("u", -1, &[]).topic;
    topic.assignments[0].1 = vec![node_id + 1];
    let refused = rig.broker.create_topics(vec![topic], ValidateOnly::No).await.pop().unwrap();
    assert!(matches!(refused, Err(CreateTopicError::InvalidAssignment(_))));
}

#[tokio::test]
async fn a_topic_grows_but_does_not_shrink() {
    let rig = Rig::new();
    rig.create("t", 2, &[]).await.unwrap();
    let grant = rig.grant::<op::Alter, res::Topic>("t");
    let shrunk = rig.broker.create_partitions(&grant, 2, None, ValidateOnly::No).await;
    assert!(matches!(shrunk, Err(CreatePartitionsError::InvalidPartitions(_))));
    rig.broker.create_partitions(&grant, 5, None, ValidateOnly::No).await.unwrap();
    assert!(rig.produce("t", 4, batch(&[(None, "a")])).await.is_ok());
    let rig = rig.power_cut(2);
    assert_eq!(rig.broker.topic(&rig.grant("t")).unwrap().partitions, 5);
}

#[tokio::test]
async fn a_deleted_topic_is_another_when_it_comes_again() {
    let rig = Rig::new();
    let first = rig.create("t", 1, &[]).await.unwrap();
    rig.produce("t", 0, batch(&[(None, "a")])).await.unwrap();
    assert_eq!(rig.broker.delete_topic(&rig.grant("t")).await, Ok(first.id));
    assert_eq!(rig.broker.delete_topic(&rig.grant("t")).await, Err(AdminError::UnknownTopic));
    let second = rig.create("t", 1, &[]).await.unwrap();
    assert_ne!(first.id, second.id);
    assert_eq!(rig.produce("t", 0, batch(&[(None, "b")])).await.unwrap().base_offset, 0);
}

#[tokio::test]
async fn deleted_records_stay_deleted() {
    let rig = Rig::new();
    rig.create("t", 1, &[]).await.unwrap();
    rig.create("state", 1, &[("cleanup.policy", "compact")]).await.unwrap();
    for value in ["a", "b", "c"] {
        rig.produce("t", 0, batch(&[(None, value)])).await.unwrap();
    }
    let grant = rig.grant::<op::Delete, res::Topic>("t");
    let beyond = rig.broker.delete_records(&grant, 0, 4).await;
    assert_eq!(beyond, Err(DeleteRecordsError::OffsetOutOfRange { offset: 4, high_watermark: 3 }));
    assert_eq!(rig.broker.delete_records(&grant, 0, 2).await, Ok(2));
    assert_eq!(rig.broker.delete_records(&grant, 0, 1).await, Ok(2));
    let compacted = rig.broker.delete_records(&rig.grant("state"), 0, -1).await;
    assert_eq!(compacted, Err(DeleteRecordsError::OnlyCompacted));
    let rig = rig.power_cut(3);
    assert_eq!(rig.broker.delete_records(&rig.grant("t"), 0, 0).await, Ok(2));
    assert_eq!(rig.broker.delete_records(&rig.grant("t"), 0, -1).await, Ok(3));
}

#[tokio::test]
async fn what_is_refused_changes_nothing() {
    let rig = Rig::new();
    rig.create("t", 1, &[]).await.unwrap();
    let steps = vec![
        ("retention.ms".into(), ConfigOp::Set, Some("5".into())),
        ("segment.bytes".into(), ConfigOp::Set, Some("1".into())),
    ];
    let grant = rig.grant::<op::AlterConfigs, res::Topic>("t");
    let refused = rig.broker.alter_topic_configs(&grant, &AlterConfigs::Incremental(steps), ValidateOnly::No).await;
    assert!(matches!(refused, Err(AlterConfigsError::Config(ConfigError::Invalid { name: "segment.bytes", .. }))));
    let shown = rig.broker.describe_topic_configs(&rig.grant("t"), Some(&["retention.ms".into()])).unwrap();
    assert_eq!(shown[0].source, ConfigSource::Default);
}

#[tokio::test]
async fn batches_that_the_journal_cannot_hold_are_refused_as_a_setting() {
    let rig = Rig::new();
    let limit = rig.store.batch_size_max();
    let over = (limit + 1).to_string();
    let shown = format!(
        "`max.message.bytes` cannot be `{over}`: a file of the journal holds batches of at most {limit} bytes; \
         raise `journal-file-size` in the configuration file and start again"
    );
    let created = rig.create("t", 1, &[("max.message.bytes", &over)]).await.unwrap_err();
    assert_eq!(created.to_string(), shown);
    rig.create("t", 1, &[("max.message.bytes", &limit.to_string())]).await.unwrap();
    let grant = rig.grant::<op::AlterConfigs, res::Topic>("t");
    let replace = AlterConfigs::Replace(vec![("max.message.bytes".into(), Some(over.as_str().into()))]);
    let step = ("max.message.bytes".into(), ConfigOp::Set, Some(over.as_str().into()));
    for change in [replace, AlterConfigs::Incremental(vec![step])] {
        for validate_only in [ValidateOnly::Yes, ValidateOnly::No] {
            let refused = rig.broker.alter_topic_configs(&grant, &change, validate_only).await;
            assert_eq!(refused.unwrap_err().to_string(), shown);
        }
    }
    let largest = "x".repeat(limit - 100);
    assert!(rig.produce("t", 0, batch(&[(None, &largest)])).await.is_ok());
    let config = BrokerConfig::from_settings([("message.max.bytes", over.as_str())]).unwrap();
    let refused = config.check_batch_size(limit).unwrap_err().to_string();
    assert!(refused.starts_with(&format!("`message.max.bytes` cannot be `{over}`")), "{refused}");
    assert!(BrokerConfig::default().check_batch_size(1 << 10).is_ok(), "nobody asked for the default");
}

#[tokio::test]
async fn records_can_be_deleted_before_they_reach_their_segment() {
    for seed in 0..3 {
        let rig = Rig::new();
        rig.create("t", 1, &[]).await.unwrap();
        for value in ["a", "b", "c"] {
            rig.produce("t", 0, batch(&[(None, value)])).await.unwrap();
        }
        let copy = |rig: &Rig| rig.copy_after_power_cut(seed);
        assert_eq!(rig.broker.delete_records(&rig.grant("t"), 0, 2).await, Ok(2));
        let before_checkpoint = copy(&rig);
        rig.store.checkpoint().await;
        let after_checkpoint = copy(&rig);
        for rig in [rig, before_checkpoint, after_checkpoint] {
            assert_eq!(rig.produce("t", 0, batch(&[(None, "d")])).await.unwrap().base_offset, 3);
            rig.store.checkpoint().await;
            assert!(rig.broker.health().writable);
            assert_eq!(rig.broker.delete_records(&rig.grant("t"), 0, 0).await, Ok(2));
        }
    }
}
