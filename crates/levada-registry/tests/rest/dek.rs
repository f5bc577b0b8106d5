//! Keys, as clients ask for them.

use super::rig::{Rig, caller, refused};
use levada_broker::auth::{Authorizer, Caller, Operation, Resource, op, res};
use levada_log::disk::SimDisk;
use levada_model::Str;
use levada_registry::{Readiness, Service, router};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};

const KEKS: &str = "/dek-registry/v1/keks";

fn at(rest: &str) -> String {
    format!("{KEKS}{rest}")
}

fn kek(name: &str) -> Option<Value> {
    Some(json!({ "name": name, "kmsType": "local-kms", "kmsKeyId": "id", "kmsProps": { "region": "here" } }))
}

fn dek(subject: &str, wrapped: &str) -> Option<Value> {
    Some(json!({ "subject": subject, "algorithm": "AES256_GCM", "encryptedKeyMaterial": wrapped }))
}

async fn with_kek() -> Rig {
    let rig = Rig::new().await;
    let (status, made) = rig.ask("POST", KEKS, kek("k")).await;
    assert_eq!(status, 200, "{made}");
    rig
}

#[tokio::test]
async fn a_kek_and_its_deks_are_made_found_and_given_back() {
    let rig = Rig::new().await;
    assert_eq!(rig.get(KEKS).await, (200, json!([])));
    let (status, made) = rig.ask("POST", KEKS, kek("k")).await;
    let expected = json!({
        "name": "k", "kmsType": "local-kms", "kmsKeyId": "id", "kmsProps": { "region": "here" }, "shared": false,
        "ts": 1_800_000_000_000_i64,
    });
    assert_eq!((status, &made), (200, &expected));
    assert_eq!(rig.get(&at("/k")).await, (200, made));
    // As clients do it today, and as they did it before.
    let (status, made) = rig.ask("POST", &at("/k/deks/users%2Fvalue"), dek("users/value", "AAAA")).await;
    let expected = json!({
        "kekName": "k", "subject": "users/value", "version": 1, "algorithm": "AES256_GCM",
        "encryptedKeyMaterial": "AAAA", "ts": 1_800_000_000_000_i64,
    });
    assert_eq!((status, &made), (200, &expected));
    let older = json!({ "subject": "users/value", "version": 2, "encryptedKeyMaterial": "BBBB" });
    assert_eq!(rig.ask("POST", &at("/k/deks"), Some(older)).await.1["version"], json!(2));
    assert_eq!(rig.get(&at("/k/deks/users%2Fvalue")).await, (200, made), "the first where none is named");
    for version in ["-1", "latest", "2"] {
        let (status, found) = rig.get(&at(&format!("/k/deks/users%2Fvalue/versions/{version}"))).await;
        assert_eq!((status, &found["version"]), (200, &json!(2)));
    }
    assert_eq!(rig.get(&at("/k/deks/users%2Fvalue/versions")).await.1, json!([1, 2]));
    assert_eq!(rig.get(&at("/k/deks/users%2Fvalue/versions?offset=1&limit=1")).await.1, json!([2]));
    assert_eq!(rig.get(&at("/k/deks/users%2Fvalue/versions?algorithm=AES256_SIV")).await.1, json!([]));
    assert_eq!(rig.get(&at("/k/deks")).await.1, json!(["users/value"]));
    let (_, media_type, _) = rig.ask_as("GET", KEKS, None, "*/*").await;
    assert_eq!(media_type, "application/vnd.schemaregistry.v1+json");
}

#[tokio::test]
async fn lists_of_keks_are_cut_and_by_subject() {
    let rig = with_kek().await;
    rig.ask("POST", KEKS, kek("l")).await;
    rig.ask("POST", &at("/k/deks/so"), dek("so", "AAAA")).await;
    rig.ask("POST", &at("/l/deks/su"), dek("su", "AAAA")).await;
    assert_eq!(rig.get(&at("?limit=1")).await.1, json!(["k"]));
    assert_eq!(rig.get(&at("?offset=1")).await.1, json!(["l"]));
    assert_eq!(rig.get(&at("?subjectPrefix=so")).await.1, json!(["k"]));
    assert_eq!(rig.get(&at("?subjectPrefix=so&subjectPrefix=su&offset=1&limit=1")).await.1, json!(["l"]));
}

#[tokio::test]
async fn what_is_not_there_or_not_understood_has_its_code() {
    let rig = with_kek().await;
    rig.ask("POST", &at("/k/deks/s"), dek("s", "AAAA")).await;
    for (method, path, code) in [
        ("GET", "/x", 40470),
        ("GET", "/x/deks", 40470),
        ("GET", "/x/deks/s", 40470),
        ("GET", "/x/deks/s/versions", 40470),
        ("GET", "/k/deks/x", 40470),
        ("GET", "/k/deks/s?algorithm=AES128_GCM", 40470),
        ("GET", "/k/deks/s?algorithm=ROT13", 42271),
        ("GET", "/k/deks/s/versions/2", 40470),
        ("GET", "/k/deks/s/versions/0", 42202),
        ("GET", "/k/deks/s/versions/x", 42202),
        ("GET", "/1k", 42271),
        ("GET", "/a%2Fb", 42271),
        ("GET", "/k?limit=many", 400),
        ("DELETE", "/x", 40470),
        ("DELETE", "/k", 42272),
        ("DELETE", "/k/deks/s?permanent=true", 40471),
        ("DELETE", "/k/deks/s/versions/1?permanent=true", 40471),
        ("DELETE", "/k/deks/s/versions/x", 42202),
        ("POST", "/x/undelete", 40470),
        ("POST", "/k/deks/x/undelete", 40470),
        ("POST", "/k/deks/s/versions/2/undelete", 40470),
        ("POST", "/x/test", 40470),
        ("POST", "/k/test", 42271),
        ("PATCH", "/k", 405),
        ("GET", "/k/nothing", 404),
    ] {
        let (status, found) = refused(rig.ask(method, &at(path), None).await);
        let expected = if code > 999 { code / 100 } else { code };
        assert_eq!((i64::from(status), found), (expected, code), "{method} {path}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_understood_is_refused_whole() {
    let rig = with_kek().await;
    let long = "A".repeat(100 << 10);
    let kek_with = |name: &str, value: Value| {
        let Some(Value::Object(mut members)) = kek("new") else { return json!(null) };
        members.insert(name.to_owned(), value);
        Value::Object(members)
    };
    for (body, code) in [
        (json!([]), 400),
        (json!(["new", "local-kms", "id"]), 400),
        (json!({}), 42271),
        (kek_with("name", json!("")), 42271),
        (kek_with("name", json!("a.b")), 42271),
        (kek_with("name", json!("a".repeat(257))), 42271),
        (kek_with("kmsType", json!(null)), 42271),
        (kek_with("kmsKeyId", json!("")), 42271),
        (kek_with("kmsKeyId", json!(long)), 42271),
        (kek_with("doc", json!(long)), 42271),
        (kek_with("kmsProps", json!({ "p": long })), 42271),
        (kek_with("kmsProps", json!({ "p": 1 })), 400),
        (kek_with("kmsProps", json!("p")), 400),
        (kek_with("shared", json!("yes")), 400),
        (kek_with("shared", json!(true)), 42271),
        (kek_with("sharde", json!(true)), 400),
    ] {
        assert_eq!(refused(rig.ask("POST", KEKS, Some(body.clone())).await).1, code, "{body}");
    }
    let refusal = rig.ask("POST", &at("?testSharing=true"), kek("new")).await;
    assert!(refusal.1["message"].as_str().unwrap().contains("does not call a KMS"), "{}", refusal.1);
    for (body, code) in [
        (json!({}), 42271),
        (json!({ "encryptedKeyMaterial": "" }), 42271),
        (json!({ "encryptedKeyMaterial": "?" }), 42271),
        (json!({ "encryptedKeyMaterial": long }), 42271),
        (json!({ "encryptedKeyMaterial": "AAAA", "algorithm": "aes" }), 42271),
        (json!({ "encryptedKeyMaterial": "AAAA", "version": 0 }), 42271),
        (json!({ "encryptedKeyMaterial": "AAAA", "version": 1_i64 << 40 }), 400),
        (json!({ "encryptedKeyMaterial": "AAAA", "keyMaterial": "AAAA" }), 400),
        (json!({ "encryptedKeyMaterial": "AAAA", "subject": "other" }), 400),
        (json!({ "encryptedKeyMaterial": "AAAA", "kekName": "other" }), 400),
        (json!({ "encryptedKeyMaterial": "AAAA", "nothing": 1 }), 400),
    ] {
        assert_eq!(refused(rig.ask("POST", &at("/k/deks/s"), Some(body.clone())).await).1, code, "{body}");
    }
    assert_eq!(refused(rig.ask("POST", &at("/k/deks/%00"), dek("\0", "AAAA")).await).1, 42271);
    assert_eq!(
        refused(rig.ask("POST", &at("/k/deks"), Some(json!({ "encryptedKeyMaterial": "AAAA" }))).await).1,
        42271
    );
    assert_eq!(refused(rig.ask("PUT", &at("/k"), Some(json!({ "kmsKeyId": "elsewhere" }))).await).1, 400);
    assert_eq!(refused(rig.ask("PUT", &at("/k"), Some(json!({ "shared": true }))).await).1, 42271);
    assert_eq!((rig.get(KEKS).await.1, rig.get(&at("/k/deks")).await.1), (json!(["k"]), json!([])));
    let copied =
        json!({ "kekName": "k", "encryptedKeyMaterial": "AAAA", "keyMaterial": null, "deleted": false, "ts": 1 });
    let (status, made) = rig.ask("POST", &at("/k/deks/s"), Some(copied)).await;
    assert_eq!((status, &made["ts"]), (200, &json!(1_800_000_000_000_i64)), "a DEK that was copied; its time is ours");
}

#[tokio::test]
async fn keys_are_changed_deleted_and_undeleted() {
    let rig = with_kek().await;
    let (status, changed) = rig.ask("PUT", &at("/k"), Some(json!({ "doc": "ours", "kmsProps": null }))).await;
    assert_eq!((status, &changed["doc"], &changed["kmsProps"]), (200, &json!("ours"), &json!({})));
    rig.ask("POST", &at("/k/deks/s"), dek("s", "AAAA")).await;
    let gone = (204, json!(""));
    assert_eq!(rig.ask("DELETE", &at("/k/deks/s/versions/1"), None).await, gone);
    assert_eq!(refused(rig.get(&at("/k/deks/s")).await), (404, 40470));
    assert_eq!(rig.get(&at("/k/deks/s?deleted=true")).await.1["deleted"], json!(true));
    assert_eq!(rig.ask("POST", &at("/k/deks/s/versions/-1/undelete"), None).await, gone);
    assert_eq!(rig.get(&at("/k/deks/s")).await.1["deleted"], json!(null));
    assert_eq!(rig.ask("DELETE", &at("/k/deks/s"), None).await, gone);
    assert_eq!(rig.ask("DELETE", &at("/k"), None).await, gone);
    assert_eq!((rig.get(KEKS).await.1, rig.get(&at("?deleted=true")).await.1), (json!([]), json!(["k"])));
    assert_eq!(refused(rig.ask("POST", &at("/k/deks/s/undelete"), None).await), (404, 40472));
    assert_eq!(rig.ask("POST", &at("/k/undelete"), None).await, gone);
    assert_eq!(rig.ask("POST", &at("/k/deks/s/undelete"), None).await, gone);
    let rewrapped = rig.ask("POST", &at("/k/deks/s?rewrap=true"), dek("s", "BBBB")).await;
    assert_eq!(rewrapped.1["encryptedKeyMaterial"], json!("BBBB"));
    for path in ["/k/deks/s", "/k/deks/s?permanent=true", "/k", "/k?permanent=true"] {
        assert_eq!(rig.ask("DELETE", &at(path), None).await, gone, "{path}");
    }
    assert_eq!(rig.get(&at("?deleted=true")).await.1, json!([]));
}

#[tokio::test]
async fn of_clients_that_race_for_a_dek_one_wins_and_all_see_it() {
    let rig = Arc::new(with_kek().await);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 10..60 {
        let rig = Arc::clone(&rig);
        tasks.spawn(async move {
            let (status, made) = rig.ask("POST", &at("/k/deks/s"), dek("s", &format!("AA{number}"))).await;
            if status == 200 { Ok(made["encryptedKeyMaterial"].clone()) } else { Err(refused((status, made))) }
        });
    }
    let outcomes = tasks.join_all().await;
    let won: Vec<&Value> = outcomes.iter().flatten().collect();
    assert_eq!(won.len(), 1, "{outcomes:?}");
    assert!(outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).all(|code| *code == (409, 40971)));
    assert_eq!(rig.get(&at("/k/deks/s")).await.1["encryptedKeyMaterial"], *won[0]);
    assert_eq!(rig.after_power_cut(1).await.get(&at("/k/deks/s")).await.1["encryptedKeyMaterial"], *won[0]);
}

#[tokio::test]
async fn deks_of_a_context_are_its_own() {
    let rig = with_kek().await;
    rig.ask("POST", &at("/k/deks/s"), dek("s", "AAAA")).await;
    let there = |rest: &str| format!("/contexts/.m{KEKS}{rest}");
    // The body names the subject as the client knows it.
    let (status, made) = rig.ask("POST", &there("/k/deks/s"), dek("s", "BBBB")).await;
    assert_eq!((status, &made["subject"]), (200, &json!(":.m:s")), "{made}");
    assert_eq!(rig.ask("POST", &there("/k/deks"), dek("t", "CCCC")).await.1["subject"], json!(":.m:t"));
    assert_eq!(rig.get(&there("/k/deks/s")).await.1["encryptedKeyMaterial"], json!("BBBB"));
    assert_eq!(rig.get(&at("/k/deks/%3A.m%3As")).await.1["encryptedKeyMaterial"], json!("BBBB"));
    assert_eq!(rig.get(&at("/k/deks/s")).await.1["encryptedKeyMaterial"], json!("AAAA"));
    assert_eq!(rig.get(&at("/k/deks")).await.1, json!([":.m:s", ":.m:t", "s"]));
    assert_eq!(rig.get(&there("")).await.1, json!(["k"]), "KEKs are of all contexts");
    assert_eq!(rig.get(&there("?subjectPrefix=t")).await.1, json!(["k"]));
    assert_eq!(rig.get(&at("?subjectPrefix=t")).await.1, json!([]));
}

#[tokio::test]
async fn an_alias_holds_for_keys_where_it_says_so() {
    let rig = with_kek().await;
    rig.ask("POST", &at("/k/deks/users"), dek("users", "AAAA")).await;
    rig.ask("PUT", "/config/people", Some(json!({ "alias": "users" }))).await;
    assert_eq!(rig.get(&at("/k/deks/people")).await.0, 404);
    rig.ask("PUT", "/config/people", Some(json!({ "aliasForDeks": true }))).await;
    let (status, found) = rig.get(&at("/k/deks/people")).await;
    assert_eq!((status, &found["subject"]), (200, &json!("users")));
    rig.ask("POST", &at("/k/deks/people"), Some(json!({ "version": 2, "encryptedKeyMaterial": "BBBB" }))).await;
    assert_eq!(rig.get(&at("/k/deks/users/versions")).await.1, json!([1, 2]));
}

#[tokio::test]
async fn what_was_answered_survives_a_kill_and_a_power_cut() {
    let rig = with_kek().await;
    rig.ask("POST", &at("/k/deks/s"), dek("s", "AAAA")).await;
    rig.ask("POST", &at("/k/deks/t"), dek("t", "AAAA")).await;
    rig.ask("DELETE", &at("/k/deks/t"), None).await;
    rig.ask("DELETE", &at("/k/deks/t?permanent=true"), None).await;
    rig.ask("POST", KEKS, kek("l")).await;
    rig.ask("DELETE", &at("/l"), None).await;
    let paths = ["/k", "/k/deks/s", "/k/deks?deleted=true", "/l?deleted=true", "?deleted=true"];
    for after in [rig.after_kill().await, rig.after_power_cut(1).await, rig.after_power_cut(2).await] {
        assert_eq!(after.keys.readiness(), Readiness::Writer);
        for path in paths {
            assert_eq!(after.get(&at(path)).await, rig.get(&at(path)).await, "{path}, to the millisecond of its `ts`");
        }
        assert_eq!(after.ask("POST", &at("/k/deks/u"), dek("u", "AAAA")).await.0, 200);
    }
}

#[tokio::test]
async fn another_registrys_keys_are_followed_until_they_are_claimed() {
    let rig = Rig::new().await;
    let topic = Str::from_static("_dek_registry_keys");
    let create = rig.broker.authorize::<op::Create, res::Topic>(&caller(), &topic).unwrap();
    rig.broker.create_automatically(create).await.unwrap();
    let kek_key = r#"{"tenant":"default","name":"theirs","type":"KEK"}"#;
    let value = r#"{"name":"theirs","kmsType":"aws-kms","kmsKeyId":"arn","kmsProps":{},"shared":true,"deleted":false,"type":"KEK"}"#;
    assert!(rig.produce(&topic, kek_key, value).await);
    let dek_key =
        r#"{"tenant":"default","kekName":"theirs","subject":"s","algorithm":"AES256_GCM","version":1,"type":"DEK"}"#;
    let value = r#"{"kekName":"theirs","subject":"s","algorithm":"AES256_GCM","version":1,"encryptedKeyMaterial":"AAAA","deleted":false,"type":"DEK"}"#;
    assert!(rig.produce(&topic, dek_key, value).await);
    assert!(rig.produce(&topic, r#"{"tenant":"default","type":"XEK"}"#, "{}").await, "of a later registry");
    rig.wait_for(&at("/theirs/deks"), &json!(["s"])).await;
    assert_eq!((rig.keys.readiness(), rig.service.readiness()), (Readiness::Follower, Readiness::Writer));
    assert_eq!(rig.get(&at("/theirs")).await.1["shared"], json!(true));
    let found = rig.get(&at("/theirs/deks/s")).await.1;
    assert_eq!((&found["encryptedKeyMaterial"], &found["keyMaterial"]), (&json!("AAAA"), &json!(null)));
    assert_eq!(refused(rig.ask("POST", KEKS, kek("mine")).await), (422, 42205));
    let configs = [("levada.registry.writer".to_owned(), "true".to_owned())].into();
    let id = rig.store.image().topic(&topic).unwrap().id;
    rig.store.commit(vec![levada_store::Change::SetTopicConfigs { id, configs }]).await.unwrap().unwrap();
    assert_eq!(rig.ask("POST", KEKS, kek("mine")).await.0, 200, "once it is claimed");
    let wanted = Some(json!({ "algorithm": "AES128_GCM" }));
    let refusal = rig.ask("POST", &at("/theirs/deks/s"), wanted).await;
    assert!(refusal.1["message"].as_str().unwrap().contains("does not call a KMS"), "{}", refusal.1);
    assert!(!rig.produce(&topic, kek_key, value).await, "nobody else writes it now");
}

#[tokio::test(start_paused = true)]
async fn while_keys_are_being_read_every_answer_is_503() {
    let mut rig = Rig::new().await;
    // One that never begins to read.
    let keys = Service::start(&rig.broker, drop);
    rig.router = router(Arc::clone(&rig.service), keys, Arc::clone(&rig.broker));
    for (method, path, body) in [
        ("GET", "", None),
        ("POST", "", kek("k")),
        ("GET", "/k", None),
        ("DELETE", "/k", None),
        ("POST", "/k/test", None),
        ("GET", "/k/deks", None),
        ("POST", "/k/deks/s", dek("s", "AAAA")),
        ("GET", "/k/deks/s/versions/1", None),
        ("POST", "/k/deks/s/undelete", None),
    ] {
        assert_eq!(refused(rig.ask(method, &at(path), body).await), (503, 503), "{method} {path}");
    }
    assert_eq!(rig.get("/subjects").await.0, 200, "schemas do not wait for keys");
}

/// Remembers what it is asked, and denies what its word is part of.
struct Watching {
    denies: &'static str,
    asked: Mutex<Vec<String>>,
}

impl Authorizer for Watching {
    fn allows(&self, _: &Caller, operation: Operation, resource: &Resource) -> bool {
        let asked = format!("{operation:?} {:?} {}", resource.kind, resource.name);
        let is_allowed = !asked.contains(self.denies);
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        is_allowed
    }
}

#[tokio::test]
async fn each_request_names_the_key_and_the_subject_that_it_is_about() {
    let watching = Arc::new(Watching { denies: "Subject secret", asked: Mutex::default() });
    let rig = Rig::guarded(SimDisk::new(), Arc::clone(&watching) as _).await;
    let context = format!("/contexts/.m{KEKS}/k/deks/s");
    for (method, path, body, expected) in [
        ("GET", at(""), None, vec!["Describe Kek *"]),
        ("POST", at(""), kek("k"), vec!["Write Kek k"]),
        ("GET", at("/k"), None, vec!["Read Kek k"]),
        ("PUT", at("/k"), Some(json!({ "doc": "d" })), vec!["Write Kek k"]),
        ("POST", at("/k/test"), None, vec!["Write Kek k"]),
        ("GET", at("/k/deks"), None, vec!["Describe Kek k"]),
        ("POST", at("/k/deks"), dek("s", "AAAA"), vec!["Describe Kek k", "Write Subject s"]),
        ("POST", context.clone(), dek("s", "AAAA"), vec!["Describe Kek k", "Write Subject :.m:s"]),
        ("GET", context, None, vec!["Describe Kek k", "Read Subject :.m:s"]),
        ("GET", at("/k/deks/s/versions"), None, vec!["Describe Kek k", "Describe Subject s"]),
        ("GET", at("/k/deks/s/versions/1"), None, vec!["Describe Kek k", "Read Subject s"]),
        ("DELETE", at("/k/deks/s"), None, vec!["Describe Kek k", "Delete Subject s"]),
        ("DELETE", at("/k/deks/s/versions/1"), None, vec!["Describe Kek k", "Delete Subject s"]),
        ("POST", at("/k/deks/s/undelete"), None, vec!["Describe Kek k", "Write Subject s"]),
        ("POST", at("/k/deks/s/versions/1/undelete"), None, vec!["Describe Kek k", "Write Subject s"]),
        ("POST", at("/k/undelete"), None, vec!["Write Kek k"]),
        ("DELETE", at("/k"), None, vec!["Delete Kek k"]),
    ] {
        watching.asked.lock().unwrap().clear();
        assert_ne!(rig.ask(method, &path, body).await.0, 403, "{method} {path}");
        assert_eq!(*watching.asked.lock().unwrap(), expected, "{method} {path}");
    }
    assert_eq!(refused(rig.ask("POST", &at("/k/deks/secret"), dek("secret", "AAAA")).await), (403, 40301));
    assert_eq!(refused(rig.get(&at("/k/deks/secret")).await), (403, 40301));
    assert_eq!(rig.get(&at("/k/deks?deleted=true")).await.1, json!([":.m:s", "s"]), "what was denied was not done");
    let rig = Rig::guarded(SimDisk::new(), Arc::new(Watching { denies: "Kek", asked: Mutex::default() })).await;
    for (method, path, body) in [("GET", "", None), ("POST", "", kek("k")), ("GET", "/k/deks/s", None)] {
        assert_eq!(refused(rig.ask(method, &at(path), body).await), (403, 40301), "{method} {path}");
    }
}
