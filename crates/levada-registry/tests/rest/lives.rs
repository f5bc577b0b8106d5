//! What survives, and who may write the topic.

use super::{
    USER_1, USER_2,
    rig::{Rig, caller, refused},
};
use levada_broker::{
    auth::{op, res},
    topics::AdminError,
};
use levada_model::Str;
use levada_registry::Readiness;
use serde_json::json;
use std::collections::BTreeSet;

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
async fn who_asks_while_schemas_are_read_waits_for_them() {
    let rig = Rig::new().await;
    rig.register("a", USER_1).await;
    let after = Rig::starting_on(rig.disk.restart());
    assert_eq!(after.service.readiness(), Readiness::Loading);
    assert_eq!(after.get("/subjects").await, (200, json!(["a"])));
    let after = Rig::starting_on(rig.disk.restart());
    assert_eq!(after.register("a", USER_2).await, 2);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever_for_schemas() {
    let rig = Rig::stuck();
    assert_eq!(refused(rig.get("/subjects").await), (503, 503));
    assert_eq!(rig.get("/").await.0, 200);
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

#[tokio::test]
async fn large_schemas_at_once_are_no_trouble_to_each_other() {
    let rig = std::sync::Arc::new(Rig::new().await);
    let schema = |number: usize, size: usize| {
        let doc = "x".repeat(size);
        format!(r#"{{"type":"enum","name":"E{number}","doc":"{doc}","symbols":["A"]}}"#)
    };
    let mut tasks = tokio::task::JoinSet::new();
    // Together they are more than a file of the journal, which is 4 MiB here.
    for number in 0..12 {
        let (rig, schema) = (std::sync::Arc::clone(&rig), schema(number, 700 << 10));
        tasks.spawn(async move { rig.register(&format!("s{number}"), &schema).await });
    }
    let ids: BTreeSet<i64> = tasks.join_all().await.into_iter().collect();
    assert_eq!((ids.len(), ids.last()), (12, Some(&12)));
    let sent = Some(json!({ "schema": schema(99, 1 << 20) }));
    assert_eq!(refused(rig.ask("POST", "/subjects/huge/versions", sent).await), (422, 42209));
    let metadata = json!({ "properties": { "note": "x".repeat(5 << 20) } });
    let sent = Some(json!({ "schema": schema(98, 1), "metadata": metadata }));
    assert_eq!(refused(rig.ask("POST", "/subjects/noted/versions", sent).await), (422, 42209));
    let after = rig.after_power_cut(4).await;
    assert_eq!(after.get("/schemas/ids/12").await.0, 200);
    assert_eq!(after.register("next", USER_1).await, 13);
}

async fn produce(rig: &Rig, key: &str, value: &str) -> bool {
    rig.produce(&Str::from_static("_schemas"), key, value).await
}

#[tokio::test]
async fn nobody_else_writes_the_topic() {
    let rig = Rig::new().await;
    rig.register("a", USER_1).await;
    assert!(!produce(&rig, r#"{"keytype":"NOOP","magic":0}"#, "{}").await);
    let name = Str::from_static("_schemas");
    let grant = rig.broker.authorize::<op::Delete, res::Topic>(&caller(), &name).unwrap();
    assert!(matches!(rig.broker.delete_topic(&grant).await, Err(AdminError::InternalTopic(_))));
    assert!(rig.broker.delete_records(&grant, 0, -1).await.is_err());
    assert_eq!(rig.get("/schemas/ids/1").await.0, 200);
}

#[tokio::test]
async fn what_anothers_topic_had_goes_with_it() {
    let rig = Rig::new().await;
    let name = Str::from_static("_schemas");
    let create = rig.broker.authorize::<op::Create, res::Topic>(&caller(), &name).unwrap();
    rig.broker.create_automatically(create.clone()).await.unwrap();
    let value = r#"{"subject":"theirs","version":1,"id":17,"schema":"\"string\"","deleted":false}"#;
    assert!(produce(&rig, r#"{"keytype":"SCHEMA","subject":"theirs","version":1,"magic":1}"#, value).await);
    rig.wait_for("/subjects", &json!(["theirs"])).await;
    let delete = rig.broker.authorize::<op::Delete, res::Topic>(&caller(), &name).unwrap();
    rig.broker.delete_topic(&delete).await.unwrap();
    rig.wait_for("/subjects", &json!([])).await;
    assert_eq!(rig.register("mine", USER_1).await, 1, "a topic of our own");
    assert_eq!(rig.after_kill().await.get("/subjects").await.1, json!(["mine"]));
}

#[tokio::test]
async fn another_registrys_topic_is_followed_and_not_written() {
    let rig = Rig::new().await;
    let grant = rig.broker.authorize::<op::Create, res::Topic>(&caller(), &Str::from_static("_schemas")).unwrap();
    rig.broker.create_automatically(grant).await.unwrap();
    let key = |number: i32| format!(r#"{{"keytype":"SCHEMA","subject":"theirs","version":{number},"magic":1}}"#);
    let value = r#"{"subject":"theirs","version":1,"id":17,"schema":"\"string\"","deleted":false}"#;
    assert!(produce(&rig, &key(1), value).await);
    rig.wait_for("/subjects", &json!(["theirs"])).await;
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
