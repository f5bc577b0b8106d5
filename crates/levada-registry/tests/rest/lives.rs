//! What survives, and who may write the topic.

use super::{
    USER_1, USER_2,
    rig::{Rig, refused},
};
use levada_broker::{
    auth::{Caller, Principal, op, res},
    produce::{Acks, ProducePartition, ProduceTopic},
};
use levada_model::{
    Str,
    record::{BatchBuilder, NewRecord},
};
use levada_registry::Readiness;
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};

#[tokio::test]
async fn what_was_answered_survives_a_kill_and_a_power_cut() {
    let rig = Rig::new().await;
    rig.register("a", USER_1).await;
    rig.register("a", USER_2).await;
    rig.ask("PUT", "/config/a", Some(json!({ "compatibility": "FULL" }))).await;
    for after in [rig.after_kill().await, rig.after_power_cut(1).await, rig.after_power_cut(2).await] {
        assert_eq!(after.service.readiness(), Readiness::Writer);
        assert_eq!(after.get("/subjects/a/versions").await.1, json!([1, 2]));
        assert_eq!(after.get("/schemas/ids/2").await.1["schema"], json!(USER_2));
        assert_eq!(after.get("/config/a").await.1, json!({ "compatibilityLevel": "FULL" }));
        assert_eq!(after.register("b", r#""long""#).await, 3);
    }
}

#[tokio::test]
async fn many_at_once_get_ids_of_their_own() {
    let rig = std::sync::Arc::new(Rig::new().await);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..200 {
        let rig = std::sync::Arc::clone(&rig);
        tasks.spawn(async move {
            let schema = format!(r#"{{"type":"enum","name":"E{number}","symbols":["A"]}}"#);
            rig.register(&format!("s{number}"), &schema).await
        });
    }
    let ids: BTreeSet<i64> = tasks.join_all().await.into_iter().collect();
    assert_eq!((ids.len(), ids.first(), ids.last()), (200, Some(&1), Some(&200)));
    let after = rig.after_power_cut(3).await;
    for id in ids {
        assert_eq!(after.get(&format!("/schemas/ids/{id}")).await.0, 200, "{id}");
    }
}

fn caller() -> Caller {
    Caller {
        principal: Principal::anonymous(),
        client_id: Str::from_static("mirror"),
        client_host: Str::from_static("/127.0.0.1"),
    }
}

async fn produce(rig: &Rig, key: &str, value: &str) -> bool {
    let grant = rig.broker.authorize::<op::Write, res::Topic>(&caller(), &Str::from_static("_schemas")).unwrap();
    let mut builder = BatchBuilder::new();
    builder.push(&NewRecord {
        timestamp: 1_800_000_000_000,
        key: Some(key.as_bytes()),
        value: Some(value.as_bytes()),
        headers: &[],
    });
    let partition = ProducePartition { partition: 0, records: Some(builder.finish()) };
    let topics = vec![ProduceTopic { topic: grant, partitions: vec![partition] }];
    rig.broker.produce(Acks::All, None, topics).await.pop().unwrap().pop().unwrap().is_ok()
}

#[tokio::test]
async fn nobody_else_writes_the_topic() {
    let rig = Rig::new().await;
    rig.register("a", USER_1).await;
    assert!(!produce(&rig, r#"{"keytype":"NOOP","magic":0}"#, "{}").await);
}

#[tokio::test]
async fn another_registrys_topic_is_followed_and_not_written() {
    let rig = Rig::new().await;
    let grant = rig.broker.authorize::<op::Create, res::Topic>(&caller(), &Str::from_static("_schemas")).unwrap();
    rig.broker.create_automatically(grant).await.unwrap();
    let key = |number: i32| format!(r#"{{"keytype":"SCHEMA","subject":"theirs","version":{number},"magic":1}}"#);
    let value = r#"{"subject":"theirs","version":1,"id":17,"schema":"\"string\"","deleted":false}"#;
    assert!(produce(&rig, &key(1), value).await);
    let found = async {
        while rig.get("/subjects").await.1 != json!(["theirs"]) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), found).await.expect("it follows");
    assert_eq!(rig.service.readiness(), Readiness::Follower);
    assert_eq!(rig.get("/schemas/ids/17").await.1["schema"], json!("\"string\""));
    let refusal = rig.ask("POST", "/subjects/mine/versions", Some(json!({ "schema": USER_1 }))).await;
    assert_eq!(refused(refusal), (422, 42205));
    let after = rig.after_kill().await;
    assert_eq!(after.service.readiness(), Readiness::Follower, "also after a restart");
    let configs = [("levada.registry.writer".to_owned(), "true".to_owned())].into();
    let id = after.store.image().topic("_schemas").unwrap().id;
    let change = levada_store::Change::SetTopicConfigs { id, configs };
    after.store.commit(vec![change]).await.unwrap().unwrap();
    assert_eq!(after.service.readiness(), Readiness::Writer, "once it is claimed");
    assert_eq!(after.register("mine", USER_1).await, 18, "ids go on behind theirs");
    assert!(!produce(&after, &key(2), value).await);
}
