//! Confluent's REST API, as clients use it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod contracts;
mod dek;
mod lives;
mod records;
mod rig;

use rig::{Rig, refused};
use serde_json::json;

const USER_1: &str = r#"{"type":"record","name":"User","fields":[{"name":"id","type":"long"}]}"#;
const USER_2: &str = r#"{"type":"record","name":"User","fields":[{"name":"id","type":"long"},{"name":"mail","type":"string","default":""}]}"#;
const USER_BAD: &str =
    r#"{"type":"record","name":"User","fields":[{"name":"id","type":"long"},{"name":"mail","type":"string"}]}"#;

#[tokio::test]
async fn a_schema_is_registered_found_and_given_back() {
    let rig = Rig::new().await;
    assert_eq!(rig.get("/subjects").await, (200, json!([])));
    assert_eq!(rig.register("orders-value", USER_1).await, 1);
    assert_eq!(rig.register("orders-value", USER_1).await, 1);
    assert_eq!(rig.register("orders-value", USER_2).await, 2);
    assert_eq!(rig.register("users-value", USER_1).await, 1);
    assert_eq!(rig.get("/subjects").await.1, json!(["orders-value", "users-value"]));
    assert_eq!(rig.get("/subjects?subjectPrefix=u").await.1, json!(["users-value"]));
    assert_eq!(rig.get("/subjects?offset=1&limit=1").await.1, json!(["users-value"]));
    assert_eq!(rig.get("/subjects/orders-value/versions").await.1, json!([1, 2]));
    let (status, latest) = rig.get("/subjects/orders-value/versions/latest").await;
    assert_eq!((status, &latest["version"], &latest["id"]), (200, &json!(2), &json!(2)));
    assert_eq!(latest["schema"], json!(USER_2));
    assert_eq!(latest.get("schemaType"), None, "Avro is what is meant where nothing is said");
    assert_eq!(rig.get("/schemas/ids/1").await.1["schema"], json!(USER_1));
    assert_eq!(rig.get("/schemas/ids/1?fetchMaxId=true").await.1["maxId"], json!(2));
    assert_eq!(rig.get("/schemas/ids/1/schema").await.1["name"], json!("User"));
    assert_eq!(rig.get("/schemas/ids/1/subjects").await.1, json!(["orders-value", "users-value"]));
    let places = json!([{ "subject": "orders-value", "version": 1 }, { "subject": "users-value", "version": 1 }]);
    assert_eq!(rig.get("/schemas/ids/1/versions").await.1, places);
    let guid = latest["guid"].as_str().unwrap().to_owned();
    assert_eq!(rig.get(&format!("/schemas/guids/{guid}")).await.1["schema"], json!(USER_2));
    assert_eq!(rig.get(&format!("/schemas/guids/{guid}/ids")).await.1, json!([{ "context": ".", "id": 2 }]));
    let (status, found) = rig.ask("POST", "/subjects/orders-value", Some(json!({ "schema": USER_1 }))).await;
    assert_eq!((status, &found["version"], &found["id"]), (200, &json!(1), &json!(1)));
    assert_eq!(rig.get("/schemas?latestOnly=true").await.1.as_array().unwrap().len(), 2);
    assert_eq!(rig.get("/schemas/types").await.1, json!(["JSON", "PROTOBUF", "AVRO"]));
}

#[tokio::test]
async fn what_is_not_there_has_its_code() {
    let rig = Rig::new().await;
    rig.register("a", USER_1).await;
    for (path, code) in [
        ("/subjects/b/versions", 40401),
        ("/subjects/b/versions/1", 40401),
        ("/subjects/a/versions/9", 40402),
        ("/subjects/a/versions/0", 42202),
        ("/subjects/a/versions/x", 42202),
        ("/schemas/ids/9", 40403),
        ("/schemas/ids/x", 40403),
        ("/schemas/guids/00000000-0000-0000-0000-000000000000", 40403),
        ("/config/a", 40408),
        ("/mode/a", 40409),
        ("/nowhere", 404),
        ("/subjects/a/versions/1?format=pretty", 400),
    ] {
        let (status, found) = refused(rig.get(path).await);
        let expected = if code > 999 { code / 100 } else { code };
        assert_eq!((i64::from(status), found), (expected, code), "{path}");
    }
    let (status, code) = refused(rig.ask("POST", "/subjects/a", Some(json!({ "schema": USER_2 }))).await);
    assert_eq!((status, code), (404, 40403));
    let (status, code) = refused(rig.ask("POST", "/subjects/b", Some(json!({ "schema": USER_2 }))).await);
    assert_eq!((status, code), (404, 40401));
    let (status, code) = refused(rig.ask("POST", "/subjects/a/versions", Some(json!({ "schema": "{" }))).await);
    assert_eq!((status, code), (422, 42201));
    let sent = json!({ "schema": "x", "schemaType": "XML" });
    assert_eq!(refused(rig.ask("POST", "/subjects/a/versions", Some(sent)).await).1, 42201);
    assert_eq!(refused(rig.ask("POST", "/subjects/a/versions", Some(json!("x"))).await), (400, 400));
    assert_eq!(refused(rig.ask("POST", "/subjects/a/versions", Some(json!([USER_1]))).await), (400, 400));
    assert_eq!(refused(rig.ask("PUT", "/subjects", None).await), (405, 405));
}

#[tokio::test]
async fn an_incompatible_schema_is_stopped_and_the_answer_says_why() {
    let rig = Rig::new().await;
    rig.register("a", USER_1).await;
    let (status, body) = rig.ask("POST", "/subjects/a/versions", Some(json!({ "schema": USER_BAD }))).await;
    assert_eq!((status, &body["error_code"]), (409, &json!(409)));
    assert!(body["message"].as_str().unwrap().contains("mail"), "{body}");
    let check = "/compatibility/subjects/a/versions/latest";
    assert_eq!(rig.ask("POST", check, Some(json!({ "schema": USER_2 }))).await.1, json!({ "is_compatible": true }));
    let path = format!("{check}?verbose=true");
    let (_, body) = rig.ask("POST", &path, Some(json!({ "schema": USER_BAD }))).await;
    assert_eq!(body["is_compatible"], json!(false));
    assert!(body["messages"][0].as_str().unwrap().contains("mail"), "{body}");
    let all = "/compatibility/subjects/a/versions";
    assert_eq!(rig.ask("POST", all, Some(json!({ "schema": USER_BAD }))).await.1, json!({ "is_compatible": false }));
}

#[tokio::test]
async fn settings_are_set_shown_and_taken_away() {
    let rig = Rig::new().await;
    assert_eq!(rig.get("/config").await.1, json!({ "compatibilityLevel": "BACKWARD" }));
    let (_, set) = rig.ask("PUT", "/config", Some(json!({ "compatibility": "FULL" }))).await;
    assert_eq!(set, json!({ "compatibility": "FULL" }));
    assert_eq!(rig.get("/config").await.1, json!({ "compatibilityLevel": "FULL" }));
    assert_eq!(rig.get("/config/a?defaultToGlobal=true").await.1, json!({ "compatibilityLevel": "FULL" }));
    rig.ask("PUT", "/config/a", Some(json!({ "compatibility": "NONE" }))).await;
    assert_eq!(rig.get("/config/a").await.1, json!({ "compatibilityLevel": "NONE" }));
    assert_eq!(rig.ask("DELETE", "/config/a", None).await.1, json!({ "compatibilityLevel": "NONE" }));
    assert_eq!(refused(rig.get("/config/a").await).1, 40408);
    let (status, code) = refused(rig.ask("PUT", "/config", Some(json!({ "compatibility": "SIDEWARD" }))).await);
    assert_eq!((status, code), (422, 42203));
    assert_eq!(rig.get("/mode").await.1, json!({ "mode": "READWRITE" }));
    assert_eq!(rig.ask("PUT", "/mode/a", Some(json!({ "mode": "readonly" }))).await.1, json!({ "mode": "READONLY" }));
    let refusal = rig.ask("POST", "/subjects/a/versions", Some(json!({ "schema": USER_1 }))).await;
    assert_eq!(refused(refusal), (422, 42205));
    assert_eq!(rig.ask("DELETE", "/mode/a", None).await.1, json!({ "mode": "READONLY" }));
    assert_eq!(refused(rig.ask("PUT", "/mode", Some(json!({ "mode": "OPEN" }))).await).1, 42204);
}

#[tokio::test]
async fn deletion_is_soft_and_then_for_good() {
    let rig = Rig::new().await;
    rig.register("a", USER_1).await;
    rig.register("a", USER_2).await;
    assert_eq!(rig.ask("DELETE", "/subjects/a/versions/1", None).await, (200, json!(1)));
    assert_eq!(rig.get("/subjects/a/versions").await.1, json!([2]));
    assert_eq!(rig.get("/subjects/a/versions?deleted=true").await.1, json!([1, 2]));
    assert_eq!(rig.get("/subjects/a/versions?deletedAsNegative=true").await.1, json!([-1, 2]));
    assert_eq!(rig.get("/subjects/a/versions/1?deleted=true").await.1["deleted"], json!(true));
    assert_eq!(rig.get("/schemas/ids/1").await.0, 200, "what was written with it is still read");
    assert_eq!(refused(rig.ask("DELETE", "/subjects/a?permanent=true", None).await), (404, 40405));
    assert_eq!(rig.ask("DELETE", "/subjects/a", None).await, (200, json!([2])));
    assert_eq!(rig.get("/subjects").await.1, json!([]));
    assert_eq!(rig.get("/subjects?deletedOnly=true").await.1, json!(["a"]));
    assert_eq!(rig.ask("DELETE", "/subjects/a?permanent=true", None).await, (200, json!([1, 2])));
    assert_eq!(refused(rig.get("/schemas/ids/1").await), (404, 40403));
}

#[tokio::test]
async fn a_context_has_subjects_and_ids_of_its_own() {
    let rig = Rig::new().await;
    rig.register("a", USER_1).await;
    assert_eq!(rig.register(":.m:b", USER_2).await, 1);
    let sent = Some(json!({ "schema": USER_1 }));
    let (_, body) = rig.ask("POST", "/contexts/.m/subjects/c/versions", sent).await;
    assert_eq!(body["id"], json!(2));
    assert_eq!(rig.get("/contexts").await.1, json!([".", ".m"]));
    assert_eq!(rig.get("/contexts/.m/subjects").await.1, json!([":.m:b", ":.m:c"]));
    assert_eq!(rig.get("/contexts/.m/schemas/ids/1").await.1["schema"], json!(USER_2));
    assert_eq!(rig.get("/schemas/ids/2?subject=:.m:c").await.1["schema"], json!(USER_1));
    rig.ask("PUT", "/contexts/.m/config", Some(json!({ "compatibility": "NONE" }))).await;
    let sent = Some(json!({ "schema": USER_BAD }));
    assert_eq!(rig.ask("POST", "/contexts/.m/subjects/c/versions", sent.clone()).await.0, 200);
    assert_eq!(rig.ask("POST", "/subjects/a/versions", sent).await.0, 409, "the default context has its own");
    assert_eq!(refused(rig.ask("DELETE", "/contexts/.m", None).await), (422, 42211));
}

#[tokio::test]
async fn names_may_have_any_letters_and_answers_have_the_media_type_that_was_asked_for() {
    let rig = Rig::new().await;
    assert_eq!(rig.register("a%2Fb%20c", USER_1).await, 1);
    assert_eq!(rig.get("/subjects").await.1, json!(["a/b c"]));
    assert_eq!(rig.get("/subjects/a%2Fb%20c/versions/1").await.1["subject"], json!("a/b c"));
    for (accept, expected) in [
        ("*/*", "application/vnd.schemaregistry.v1+json"),
        ("application/json", "application/json"),
        ("text/html, application/vnd.schemaregistry+json; q=0.9", "application/vnd.schemaregistry+json"),
    ] {
        let (_, media_type, _) = rig.ask_as("GET", "/subjects", None, accept).await;
        assert_eq!(media_type, expected, "{accept}");
    }
}

#[tokio::test]
async fn schemas_are_given_in_the_format_that_is_asked_for() {
    let rig = Rig::new().await;
    rig.register("id", r#"{"type":"record","name":"Id","fields":[{"name":"n","type":"long"}]}"#).await;
    let user = r#"{"type":"record","name":"User","fields":[{"name":"id","type":"Id"}]}"#;
    let references = json!([{ "name": "Id", "subject": "id", "version": 1 }]);
    let sent = json!({ "schema": user, "references": references });
    assert_eq!(rig.ask("POST", "/subjects/user/versions", Some(sent)).await.0, 200);
    assert_eq!(rig.get("/subjects/user/versions/1").await.1["references"], references);
    let (_, resolved) = rig.get("/subjects/user/versions/1?format=resolved").await;
    let inlined = r#"{"type":"record","name":"User","fields":[{"name":"id","type":{"type":"record","name":"Id","fields":[{"name":"n","type":"long"}]}}]}"#;
    assert_eq!(resolved["schema"], json!(inlined));
    assert_eq!(rig.get("/subjects/id/versions/1/referencedby").await.1, json!([2]));
    assert_eq!(refused(rig.ask("DELETE", "/subjects/id", None).await), (422, 42206));
    let proto = "syntax = \"proto3\";\nmessage Paid { int64 cents = 1; }";
    let sent = json!({ "schema": proto, "schemaType": "PROTOBUF" });
    assert_eq!(rig.ask("POST", "/subjects/paid/versions", Some(sent)).await.0, 200);
    let (_, found) = rig.get("/subjects/paid/versions/1").await;
    assert_eq!(found["schemaType"], json!("PROTOBUF"));
    assert!(found["schema"].as_str().unwrap().contains("message Paid {\n  int64 cents = 1;\n}"), "{found}");
    let (_, serialized) = rig.get("/subjects/paid/versions/1?format=serialized").await;
    let again = json!({ "schema": serialized["schema"], "schemaType": "PROTOBUF" });
    assert_eq!(rig.ask("POST", "/subjects/paid", Some(again)).await.1["id"], found["id"], "it is the same schema");
    assert_eq!(refused(rig.get("/subjects/paid/versions/1?format=resolved").await), (400, 400));
    let json_schema =
        r#"{"type": "object", "properties": {"cents": {"type": "integer"}}, "additionalProperties": false}"#;
    let sent = json!({ "schema": json_schema, "schemaType": "JSON" });
    assert_eq!(rig.ask("POST", "/subjects/paid-json/versions", Some(sent)).await.0, 200);
    let (_, found) = rig.get("/subjects/paid-json/versions/1").await;
    assert_eq!(found["schema"], json!(json_schema.replace(": ", ":").replace(", ", ",")));
    let narrower = r#"{"type":"object","properties":{"cents":{"type":"string"}},"additionalProperties":false}"#;
    let sent = json!({ "schema": narrower, "schemaType": "JSON" });
    let (status, body) = rig.ask("POST", "/subjects/paid-json/versions", Some(sent)).await;
    assert_eq!((status, body["message"].as_str().unwrap().contains("TYPE_CHANGED")), (409, true), "{body}");
}

#[tokio::test]
async fn metadata_and_rules_are_kept_word_for_word() {
    let rig = Rig::new().await;
    let rule = json!({ "name": "pii", "kind": "TRANSFORM", "mode": "WRITEREAD", "type": "ENCRYPT", "tags": ["PII"],
        "params": { "encrypt.kek.name": "k" }, "onFailure": "ERROR,NONE", "disabled": false });
    let sent = json!({ "schema": USER_1, "metadata": { "properties": { "owner": "me" } },
        "ruleSet": { "domainRules": [rule] } });
    assert_eq!(rig.ask("POST", "/subjects/a/versions", Some(sent.clone())).await.0, 200);
    let (_, found) = rig.get("/subjects/a/versions/1").await;
    assert_eq!((&found["metadata"], &found["ruleSet"]), (&sent["metadata"], &sent["ruleSet"]));
    let (_, found) = rig.get("/subjects/a/metadata?key=owner&value=me").await;
    assert_eq!(found["version"], json!(1));
    assert_eq!(refused(rig.get("/subjects/a/metadata?key=owner&value=you").await), (404, 40403));
    assert_eq!(rig.get("/schemas?ruleType=ENCRYPT").await.1.as_array().unwrap().len(), 1);
    let odd = json!({ "schema": USER_1, "ruleSet": { "domainRules": [{ "name": "x", "mode": "WRITE", "type": "CEL", "if": 1 }] } });
    assert_eq!(refused(rig.ask("POST", "/subjects/a/versions", Some(odd)).await), (422, 42210));
}
