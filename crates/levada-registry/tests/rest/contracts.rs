//! Tags, switches, formats and associations over HTTP.

use crate::{
    USER_1, USER_2,
    rig::{Rig, refused},
};
use serde_json::{Value, json};

fn tagged(path: &str, tags: &[&str]) -> Value {
    json!({ "schemaEntity": { "entityPath": path, "entityType": "sr_field" }, "tags": tags })
}

#[tokio::test]
async fn schemas_are_registered_with_tags_tagged_and_found_by_them() {
    let rig = Rig::new().await;
    let sent = json!({ "schema": USER_1, "schemaTagsToAdd": [tagged("User.id", &["PII"])] });
    let (status, body) = rig.ask("POST", "/subjects/a/versions", Some(sent)).await;
    assert_eq!((status, &body["metadata"]["properties"]["confluent:version"]), (200, &json!("1")), "{body}");
    assert!(body["schema"].as_str().unwrap().contains("confluent:tags"), "{body}");
    let found = json!([tagged("User.id", &["PII"])]);
    assert_eq!(rig.get("/subjects/a/versions/1?findTags=PII").await.1["schemaTags"], found);
    assert_eq!(rig.get("/schemas/ids/1?findTags=X&findTags=*").await.1["schemaTags"], found);
    assert_eq!(rig.get("/subjects/a/versions/1?findTags=X").await.1.get("schemaTags"), None);
    assert_eq!(rig.get("/subjects/a/versions/1").await.1.get("schemaTags"), None);

    let more = json!({ "tagsToAdd": [tagged("User.id", &["ID"])], "tagsToRemove": [tagged("User.id", &["PII"])] });
    let (status, body) = rig.ask("POST", "/subjects/a/versions/latest/tags", Some(more.clone())).await;
    assert_eq!((status, &body["version"], &body["id"]), (200, &json!(2), &json!(2)), "{body}");
    let (_, latest) = rig.get("/subjects/a/versions/latest?findTags=*").await;
    assert_eq!(latest["schemaTags"], json!([tagged("User.id", &["ID"])]));
    assert_eq!(latest["schema"], body["schema"]);
    let lives_on = rig.after_power_cut(3).await;
    assert_eq!(lives_on.get("/subjects/a/versions/latest?findTags=*").await.1, latest);

    assert_eq!(refused(rig.ask("POST", "/subjects/a/versions/9/tags", Some(more.clone())).await), (404, 40402));
    assert_eq!(refused(rig.ask("POST", "/subjects/b/versions/1/tags", Some(more)).await), (404, 40401));
    let gone = json!({ "tagsToAdd": [tagged("User.gone", &["X"])] });
    assert_eq!(refused(rig.ask("POST", "/subjects/a/versions/1/tags", Some(gone)).await), (422, 42201));
    let odd = json!({ "tagsToAd": [] });
    assert_eq!(refused(rig.ask("POST", "/subjects/a/versions/1/tags", Some(odd)).await), (400, 400));
    let looked_up = json!({ "schema": USER_1, "schemaTagsToAdd": [tagged("User.id", &["PII"])] });
    assert_eq!(refused(rig.ask("POST", "/subjects/a", Some(looked_up)).await), (400, 400));
}

#[tokio::test]
async fn references_are_qualified_and_extensions_left_out_where_that_is_asked_for() {
    let rig = Rig::new().await;
    let id = r#"{"type":"record","name":"Id","fields":[{"name":"n","type":"long"}]}"#;
    rig.register(":.m:id", id).await;
    let user = r#"{"type":"record","name":"User","fields":[{"name":"id","type":"Id"}]}"#;
    let sent = json!({ "schema": user, "references": [{ "name": "Id", "subject": "id", "version": 1 }] });
    assert_eq!(rig.ask("POST", "/subjects/:.m:user/versions", Some(sent)).await.0, 200);
    let subject = |body: &Value| body["references"][0]["subject"].clone();
    let path = "/subjects/:.m:user/versions/1";
    assert_eq!(subject(&rig.get(path).await.1), json!("id"));
    assert_eq!(subject(&rig.get(&format!("{path}?referenceFormat=qualified")).await.1), json!(":.m:id"));
    let by_id = "/contexts/.m/schemas/ids/2?referenceFormat=qualified";
    assert_eq!(subject(&rig.get(by_id).await.1), json!(":.m:id"));
    assert_eq!(refused(rig.get(&format!("{path}?referenceFormat=short")).await), (400, 400));

    let proto = "syntax = \"proto2\"; message M { extensions 100 to 200; optional string id = 1; } \
        extend M { optional int32 more = 100; }";
    let sent = json!({ "schema": proto, "schemaType": "PROTOBUF" });
    assert_eq!(rig.ask("POST", "/subjects/p/versions", Some(sent)).await.0, 200);
    let (_, plain) = rig.get("/subjects/p/versions/1?format=ignore_extensions").await;
    assert_eq!(plain["schema"], json!("syntax = \"proto2\";\n\nmessage M {\n  optional string id = 1;\n}\n"));
    assert_eq!(refused(rig.get("/subjects/:.m:id/versions/1?format=ignore_extensions").await), (400, 400));
}

#[tokio::test]
async fn switches_are_obeyed() {
    let rig = Rig::new().await;
    let all = json!({ "validateFields": true, "validateNewSchemas": true, "validateRules": true });
    assert_eq!(rig.ask("PUT", "/config", Some(all.clone())).await, (200, all));
    let reserved = json!({ "schema": USER_1, "metadata": { "properties": { "confluent:reserved": "mail" } } });
    assert_eq!(rig.ask("POST", "/subjects/a/versions", Some(reserved)).await.0, 200);
    let (status, body) = rig.ask("POST", "/subjects/a/versions", Some(json!({ "schema": USER_2 }))).await;
    assert_eq!((status, body["message"].as_str().unwrap().contains("validateFields: 'true'")), (409, true), "{body}");
    let rule = json!({ "name": "r", "kind": "CONDITION", "mode": "WRITE", "type": "CEL" });
    let sent = json!({ "schema": USER_1, "ruleSet": { "domainRules": [rule] } });
    assert_eq!(refused(rig.ask("POST", "/subjects/b/versions", Some(sent)).await), (422, 42210));
    let bad = r#"{"type":"record","name":"R","fields":[{"name":"n","type":"int","default":"x"}]}"#;
    assert_eq!(refused(rig.ask("POST", "/subjects/b/versions", Some(json!({ "schema": bad }))).await), (422, 42201));
    assert_eq!(rig.get("/v1/metadata/deployment").await.1, json!({ "attributes": ["opensource"] }));
}

#[tokio::test]
async fn a_topic_is_associated_with_its_subject_and_parted_from_it() {
    let rig = Rig::new().await;
    rig.register("a", USER_1).await;
    let sent = json!({ "resourceName": "orders", "resourceNamespace": "lkc", "resourceId": "t-1",
        "associations": [{ "subject": "a", "lifecycle": "WEAK" }] });
    let (status, body) = rig.ask("POST", "/associations", Some(sent.clone())).await;
    let info = json!({ "subject": "a", "associationType": "value", "lifecycle": "WEAK", "frozen": false });
    let expected = json!({ "resourceName": "orders", "resourceNamespace": "lkc", "resourceId": "t-1",
        "resourceType": "topic", "associations": [info] });
    assert_eq!((status, &body), (200, &expected));
    let (_, found) = rig.get("/associations/resources/t-1").await;
    let guid = found[0]["guid"].as_str().unwrap().to_owned();
    let whole = json!([{ "subject": "a", "guid": guid, "resourceName": "orders", "resourceNamespace": "lkc",
        "resourceId": "t-1", "resourceType": "topic", "associationType": "value", "lifecycle": "WEAK",
        "frozen": false }]);
    assert_eq!(found, whole);
    for path in ["/associations/resources/lkc/orders", "/associations/resources/-/orders", "/associations/subjects/a"] {
        assert_eq!(rig.get(path).await, (200, whole.clone()), "{path}");
        assert_eq!(rig.get(&format!("{path}?associationType=key")).await.1, json!([]));
        assert_eq!(rig.get(&format!("{path}?lifecycle=STRONG")).await.1, json!([]));
        assert_eq!(rig.get(&format!("{path}?offset=1")).await.1, json!([]));
        assert_eq!(refused(rig.get(&format!("{path}?lifecycle=LOOSE")).await), (422, 42212));
    }
    let lives_on = rig.after_power_cut(5).await;
    assert_eq!(lives_on.get("/associations/subjects/a").await.1, whole);

    assert_eq!(refused(rig.ask("DELETE", "/subjects/a", None).await), (409, 40904));
    assert_eq!(refused(rig.ask("DELETE", "/subjects/a/versions/1", None).await), (409, 40907));
    let mut other = sent.clone();
    other["associations"][0]["subject"] = json!("b");
    rig.register("b", USER_1).await;
    assert_eq!(refused(rig.ask("POST", "/associations", Some(other)).await), (409, 40903));
    let mut elsewhere = sent.clone();
    elsewhere["resourceId"] = json!("t-9");
    assert_eq!(refused(rig.ask("PUT", "/associations/resources/t-1", Some(elsewhere)).await), (422, 42212));
    assert_eq!(rig.ask("DELETE", "/associations/resources/t-1?dryRun=true", None).await.0, 204);
    assert_eq!(rig.ask("DELETE", "/associations/resources/t-1", None).await.0, 204);
    assert_eq!(refused(rig.ask("DELETE", "/associations/resources/t-1", None).await), (404, 40410));
    assert_eq!(rig.ask("DELETE", "/subjects/a", None).await.0, 200);
}

#[tokio::test]
async fn a_schema_that_comes_with_a_topic_goes_with_it() {
    let rig = Rig::new().await;
    let sent = json!({ "resourceName": "orders", "resourceNamespace": "lkc", "resourceId": "t-1",
        "associations": [{ "schema": { "schema": USER_1 } }] });
    let (_, judged) = rig.ask("POST", "/associations?dryRun=true", Some(sent.clone())).await;
    assert_eq!(judged.get("associations"), None);
    assert_eq!(rig.get("/contexts").await.1, json!(["."]), "a dry run changes nothing");
    let (status, body) = rig.ask("POST", "/associations", Some(sent)).await;
    let association = &body["associations"][0];
    assert_eq!((status, &association["subject"]), (200, &json!(":.lkc:orders-value")), "{body}");
    assert_eq!((&association["frozen"], &association["schema"]["version"]), (&json!(true), &json!(1)));
    let names = |body: Value| body.as_array().unwrap().iter().map(|it| it["subject"].clone()).collect::<Vec<_>>();
    rig.register("free", USER_1).await;
    assert_eq!(names(rig.get("/schemas?lifecycle=STRONG").await.1), [json!(":.lkc:orders-value")]);
    assert_eq!(names(rig.get("/schemas?lifecycle=NONE").await.1), [json!("free")]);
    assert_eq!(rig.get("/schemas?associationType=key").await.1, json!([]));
    assert_eq!(rig.get("/schemas?resourceType=topic").await.1.as_array().unwrap().len(), 1);
    assert_eq!(refused(rig.ask("DELETE", "/associations/resources/t-1", None).await), (409, 40908));
    assert_eq!(rig.ask("DELETE", "/associations/resources/t-1?cascadeLifecycle=true", None).await.0, 204);
    assert_eq!(refused(rig.get("/subjects/:.lkc:orders-value/versions?deleted=true").await), (404, 40401));
}

#[tokio::test]
async fn a_batch_answers_request_by_request() {
    let rig = Rig::new().await;
    rig.register("a", USER_1).await;
    let of = |id: &str, association: Value| json!({ "resourceName": id, "resourceNamespace": "lkc", "resourceId": id, "associations": [association] });
    let batch = json!({ "requests": [
        of("t1", json!({ "opType": "CREATE", "subject": "a" })),
        of("t2", json!({ "opType": "CREATE", "subject": "missing" })),
        of("t3", json!({ "opType": "UPSERT", "schema": { "schema": USER_1 } })),
        of("t4", json!({ "subject": "a" })),
        of("t1", json!({ "opType": "DELETE" })),
    ] });
    for path in ["/associations:batch", "/associations:batchMutate"] {
        let (status, body) = rig.ask("POST", path, Some(batch.clone())).await;
        let results = body["results"].as_array().unwrap();
        assert_eq!((status, results.len()), (207, 5), "{body}");
        assert_eq!(results[0]["result"]["associations"][0]["subject"], json!("a"), "{body}");
        assert_eq!(results[1]["error"]["error_code"], json!(40907));
        let strong = &results[2]["result"]["associations"][0];
        assert_eq!((&strong["lifecycle"], &strong["frozen"]), (&json!("STRONG"), &json!(false)));
        assert_eq!(results[3]["error"]["error_code"], json!(42212));
        assert_eq!(results[4]["result"].get("associations"), None, "{body}");
    }
    let query = json!({ "requests": [{ "resourceId": "t3" }, { "resourceName": "t1", "resourceNamespace": "lkc" }] });
    let (status, body) = rig.ask("POST", "/associations:batchGet", Some(query)).await;
    assert_eq!((status, &body["results"][0]["result"]["resourceName"]), (207, &json!("t3")), "{body}");
    assert_eq!(body["results"][1]["result"].get("associations"), None);
    assert_eq!(refused(rig.ask("POST", "/associations:batch", Some(json!({ "requests": [] }))).await), (422, 42212));
}
