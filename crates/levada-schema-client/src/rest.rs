//! [`RegistryClient`]: the requests.

use crate::{
    error::ClientError,
    shapes::{Checked, Content, Registered},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::time::Duration;
use ureq::{
    Agent, Body,
    http::{Request, Response, Uri},
    tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem},
};

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";
/// No answer is longer.
const ANSWER_SIZE_MAX: u64 = 256 << 20;
/// What stands for itself in a path.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Where a registry is, and who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryConfig {
    /// `http://host:port`, or `https`, with a path where it has one.
    pub url: String,
    /// `name:password`.
    pub user: Option<String>,
    /// Certificates in PEM of those who may vouch for it, instead of those that the web knows.
    pub authorities: Option<Vec<u8>>,
    /// How long a request may take.
    pub timeout: Duration,
}

/// Which versions of a subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// Those that are deleted softly, too.
    pub deleted: bool,
}

/// Whose settings: a subject's, or those of the whole registry.
type Whose<'a> = Option<&'a str>;

/// A schema registry, as it is asked.
#[derive(Clone, Debug)]
pub struct RegistryClient {
    agent: Agent,
    url: String,
    authorization: Option<String>,
}

#[derive(Deserialize)]
struct Fault {
    error_code: i64,
    message: String,
}

impl RegistryClient {
    /// A client; nothing is asked yet.
    ///
    /// # Errors
    /// [`ClientError::Address`].
    pub fn new(config: &RegistryConfig) -> Result<Self, ClientError> {
        let given = config.url.trim_end_matches('/');
        let wrong = |reason: String| ClientError::Address { url: config.url.clone(), reason };
        let uri: Uri = given.parse().map_err(|error| wrong(format!("{error}")))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(wrong("it begins with `http://` or `https://`".to_owned()));
        }
        let mut tls = TlsConfig::builder();
        if let Some(pem) = &config.authorities {
            tls = tls.root_certs(RootCerts::new_with_certs(&certificates(pem).map_err(wrong)?));
        }
        let agent = Agent::config_builder()
            .timeout_global(Some(config.timeout))
            .tls_config(tls.build())
            .http_status_as_error(false)
            .user_agent(concat!("levada/", env!("CARGO_PKG_VERSION")))
            .build();
        let authorization = config.user.as_ref().map(|user| format!("Basic {}", BASE64_STANDARD.encode(user)));
        Ok(Self { agent: agent.into(), url: given.to_owned(), authorization })
    }

    /// Registers a schema and answers its id.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn register(&self, subject: &str, schema: &Content, normalize: bool) -> Result<i32, ClientError> {
        #[derive(Deserialize)]
        struct Id {
            id: i32,
        }
        let path = format!("/subjects/{}/versions?normalize={normalize}", escaped(subject));
        Ok(self.ask::<Id>("POST", &path, Some(&json!(schema)))?.id)
    }

    /// Under which version a schema is registered with a subject.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn look_up(&self, subject: &str, schema: &Content, normalize: bool) -> Result<Registered, ClientError> {
        let path = format!("/subjects/{}?normalize={normalize}", escaped(subject));
        self.ask("POST", &path, Some(&json!(schema)))
    }

    /// A version of a subject; `latest` is one, too.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn version(&self, subject: &str, version: &str, which: Versions) -> Result<Registered, ClientError> {
        let path = format!("/subjects/{}/versions/{}?deleted={}", escaped(subject), escaped(version), which.deleted);
        self.ask("GET", &path, None)
    }

    /// The versions of a subject.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn versions(&self, subject: &str, which: Versions) -> Result<Vec<i32>, ClientError> {
        self.ask("GET", &format!("/subjects/{}/versions?deleted={}", escaped(subject), which.deleted), None)
    }

    /// All versions of all subjects that begin with `prefix`, or only the latest of each.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn schemas(&self, prefix: &str, latest: bool, which: Versions) -> Result<Vec<Registered>, ClientError> {
        let prefix = escaped(prefix);
        let path = format!("/schemas?subjectPrefix={prefix}&latestOnly={latest}&deleted={}", which.deleted);
        self.ask("GET", &path, None)
    }

    /// The schema of an id.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn by_id(&self, id: i32) -> Result<Content, ClientError> {
        self.ask("GET", &format!("/schemas/ids/{id}"), None)
    }

    /// The schema of a GUID.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn by_guid(&self, guid: &str) -> Result<Content, ClientError> {
        self.ask("GET", &format!("/schemas/guids/{}", escaped(guid)), None)
    }

    /// Whether a schema may follow what the subject has, as its level asks.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn check(&self, subject: &str, schema: &Content, normalize: bool) -> Result<Checked, ClientError> {
        let subject = escaped(subject);
        let path = format!("/compatibility/subjects/{subject}/versions?verbose=true&normalize={normalize}");
        self.ask("POST", &path, Some(&json!(schema)))
    }

    /// Deletes a version, or a subject with all of its versions; softly first, then for good. Answers what is deleted.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn delete(&self, subject: &str, version: Option<&str>, permanent: bool) -> Result<Vec<i32>, ClientError> {
        let subject = escaped(subject);
        match version {
            None => self.ask("DELETE", &format!("/subjects/{subject}?permanent={permanent}"), None),
            Some(version) => {
                let path = format!("/subjects/{subject}/versions/{}?permanent={permanent}", escaped(version));
                self.ask("DELETE", &path, None).map(|version| vec![version])
            }
        }
    }

    /// The settings of a subject, with all that it inherits, or of the registry.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn config(&self, whose: Whose<'_>) -> Result<Value, ClientError> {
        self.ask("GET", &format!("/config{}?defaultToGlobal=true", of(whose)), None)
    }

    /// Replaces the settings; answers them as they are then.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn set_config(&self, whose: Whose<'_>, config: &Value) -> Result<Value, ClientError> {
        self.ask("PUT", &format!("/config{}", of(whose)), Some(config))
    }

    /// Takes the settings back.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn delete_config(&self, whose: Whose<'_>) -> Result<Value, ClientError> {
        self.ask("DELETE", &format!("/config{}", of(whose)), None)
    }

    /// Who may write to a subject, or to the registry.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn mode(&self, whose: Whose<'_>) -> Result<Value, ClientError> {
        self.ask("GET", &format!("/mode{}?defaultToGlobal=true", of(whose)), None)
    }

    /// Says who may write.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn set_mode(&self, whose: Whose<'_>, mode: &str, force: bool) -> Result<Value, ClientError> {
        self.ask("PUT", &format!("/mode{}?force={force}", of(whose)), Some(&json!({ "mode": mode })))
    }

    /// Takes that back.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn delete_mode(&self, whose: Whose<'_>) -> Result<Value, ClientError> {
        self.ask("DELETE", &format!("/mode{}", of(whose)), None)
    }

    fn ask<T: DeserializeOwned>(&self, method: &str, path: &str, body: Option<&Value>) -> Result<T, ClientError> {
        let url = format!("{}{path}", self.url);
        let unreachable = |error: ureq::Error| {
            let reason = error.to_string();
            ClientError::Unreachable { url: self.url.clone(), reason }
        };
        let malformed = |reason: String| ClientError::Malformed { url: url.clone(), reason };
        let mut request = Request::builder().method(method).uri(&url).header("accept", MEDIA_TYPE);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let wrong = |error: ureq::http::Error| ClientError::Address { url: url.clone(), reason: error.to_string() };
        let mut response: Response<Body> = match body {
            None => self.agent.run(request.body(()).map_err(wrong)?),
            Some(body) => {
                self.agent.run(request.header("content-type", MEDIA_TYPE).body(body.to_string()).map_err(wrong)?)
            }
        }
        .map_err(unreachable)?;
        let status = response.status();
        let bytes = response.body_mut().with_config().limit(ANSWER_SIZE_MAX).read_to_vec().map_err(unreachable)?;
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()));
        }
        match serde_json::from_slice(&bytes) {
            Ok(Fault { error_code: code, message }) => {
                Err(ClientError::Refused { status: status.as_u16(), code, message })
            }
            Err(_) => Err(malformed(format!("status {status}"))),
        }
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, String> {
    let mut found = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| error.to_string())? {
            found.push(certificate);
        }
    }
    if found.is_empty() { Err("there is no certificate in the file of its authorities".to_owned()) } else { Ok(found) }
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

fn of(whose: Whose<'_>) -> String {
    whose.map_or_else(String::new, |subject| format!("/{}", escaped(subject)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(url: &str) -> Result<RegistryClient, ClientError> {
        RegistryClient::new(&RegistryConfig {
            url: url.to_owned(),
            user: None,
            authorities: None,
            timeout: Duration::from_millis(500),
        })
    }

    #[test]
    fn an_address_has_a_scheme() {
        assert!(client("http://127.0.0.1:8081/").is_ok());
        assert!(client("https://registry.example.com/path").is_ok());
        for url in ["127.0.0.1:8081", "localhost", "ftp://localhost", "", "http://"] {
            assert!(matches!(client(url), Err(ClientError::Address { .. })), "{url}");
        }
    }

    #[test]
    fn authorities_are_certificates() {
        let config = |pem: &[u8]| RegistryConfig {
            url: "https://localhost".to_owned(),
            user: None,
            authorities: Some(pem.to_vec()),
            timeout: Duration::from_secs(1),
        };
        let sound = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(RegistryClient::new(&config(sound)).is_ok());
        for pem in [b"".as_slice(), b"nonsense", b"-----BEGIN CERTIFICATE-----\n%%%%\n-----END CERTIFICATE-----\n"] {
            assert!(matches!(RegistryClient::new(&config(pem)), Err(ClientError::Address { .. })), "{pem:?}");
        }
    }

    #[test]
    fn who_does_not_answer_is_named() {
        // Nobody listens on the port that is the first of all.
        let error = client("http://127.0.0.1:1").unwrap().versions("a", Versions::default()).unwrap_err();
        assert!(error.to_string().starts_with("the schema registry at http://127.0.0.1:1 does not answer"), "{error}");
    }

    #[test]
    fn names_are_escaped() {
        assert_eq!(escaped(":.ctx:a/b c"), "%3A.ctx%3Aa%2Fb%20c");
        assert_eq!(of(Some("a")), "/a");
        assert_eq!(of(None), "");
    }
}
