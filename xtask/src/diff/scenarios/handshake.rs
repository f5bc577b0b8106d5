//! What is spoken: ApiVersions, and versions that nobody speaks.

use levada_protocol::ApiKey;
use serde_json::json;

use crate::diff::script::Scenario;

pub(in crate::diff) fn versions() -> Scenario {
    let mut s = Scenario::new("handshake-versions");
    let client =
        |name: &str, version: &str| json!({ "client_software_name": name, "client_software_version": version });
    for version in ApiKey::ApiVersions.versions() {
        let body = if version < 3 { json!({}) } else { client("judge", "1.0") };
        s.call(ApiKey::ApiVersions, version, body);
    }
    for (name, version) in [("", "1"), ("judge", ""), ("a b", "1"), ("-a", "1"), ("a-b.c", "1-x"), ("a", "1.")] {
        s.call(ApiKey::ApiVersions, 4, client(name, version)).about("odd names");
    }
    for version in [5, 99, -1, i16::MAX] {
        s.call(ApiKey::ApiVersions, version, json!({})).about("a version that is not there");
    }
    s.call(ApiKey::ApiVersions, 4, client("judge", "1.0")).about("after a refused one");
    s
}

pub(in crate::diff) fn beyond() -> Scenario {
    let mut s = Scenario::new("handshake-beyond");
    for api in ApiKey::ALL.into_iter().filter(|api| *api != ApiKey::ApiVersions) {
        let versions = api.versions();
        s.call(api, versions.end() + 1, json!({})).about("above the last version");
        if *versions.start() > 0 {
            s.call(api, versions.start() - 1, json!({})).about("below the first version");
        }
    }
    s
}
