//! The records of the `_schemas` topic, in Confluent's own format: JSON keys, whose members have a fixed order, and
//! JSON values.
//!
//! | key type | value | what it says |
//! |---|---|---|
//! | `SCHEMA` | schema | a version of a subject; without a value it is gone for good |
//! | `DELETE_SUBJECT` | version | the versions up to this one are deleted, softly |
//! | `CLEAR_SUBJECT` | – | what is deleted softly is gone for good |
//! | `CONFIG`, `MODE` | settings | of a subject, a context or the registry |
//! | `CONTEXT` | context | it is there |
//! | `ASSOC` | association | a resource has its schemas under a subject; without a value it has not |
//! | `NOOP` | largest ids | nothing to others; here, ids that were given and whose schemas are gone for good |

mod associations;

use crate::{
    association::{Association, AssociationKey},
    contract::{Metadata, RuleSet},
    schema::{Reference, Schema, SchemaType},
    settings::{Config, Mode},
    subject::{Context, Subject},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The tenant of contexts: there is one.
const TENANT: &str = "default";

/// Version and content of a subject's schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Counted from 1.
    pub version: i32,
    /// The schema's id in its context.
    pub id: i32,
    /// The schema.
    pub schema: Schema,
    /// Deleted, softly.
    pub deleted: bool,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A version of a subject.
    Schema {
        /// The subject.
        subject: Subject,
        /// Its version.
        version: Box<Version>,
    },
    /// A version is gone for good.
    SchemaGone {
        /// The subject.
        subject: Subject,
        /// Which version.
        version: i32,
    },
    /// Versions up to this one are deleted, softly.
    DeleteSubject {
        /// The subject.
        subject: Subject,
        /// Up to which version.
        version: i32,
    },
    /// What is deleted softly is gone for good.
    ClearSubject {
        /// The subject, or a context.
        subject: Subject,
    },
    /// Settings; `None` takes them away. Of the registry where there is no subject.
    Config {
        /// Whose.
        subject: Option<Subject>,
        /// Which.
        config: Option<Box<Config>>,
    },
    /// Who may write; `None` takes it away. Of the registry where there is no subject.
    Mode {
        /// Whose.
        subject: Option<Subject>,
        /// Who.
        mode: Option<Mode>,
    },
    /// A context is there, or not any more.
    Context {
        /// Which.
        context: Context,
        /// Whether it is.
        present: bool,
    },
    /// A resource has its schemas under a subject.
    Association {
        /// Which under which.
        association: Box<Association>,
    },
    /// A resource has no schemas there any more.
    AssociationGone {
        /// Which.
        key: AssociationKey,
    },
    /// Up to where ids were given, by context: compaction may take the record that had the largest. Other registries do
    /// not look at the value.
    Noop {
        /// The largest ids.
        id_max: BTreeMap<Context, i32>,
    },
}

/// Why a record is not understood.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Not JSON, or without what it must have.
    #[error("{what} of a record cannot be read: {error}")]
    Json {
        /// Key or value.
        what: &'static str,
        /// Why.
        error: serde_json::Error,
    },
    /// A kind of record that is not known here.
    #[error("records of type `{0}` are not known")]
    UnknownType(String),
}

#[derive(Deserialize)]
struct RawKey {
    keytype: String,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    version: Option<i32>,
    #[serde(default)]
    context: Option<String>,
    #[serde(flatten)]
    resource: associations::RawResource,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSchema {
    subject: String,
    version: i32,
    id: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    md5: Option<String>,
    #[serde(default, skip_serializing_if = "SchemaType::is_avro", deserialize_with = "type_or_avro")]
    schema_type: SchemaType,
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    references: Vec<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule_set: Option<RuleSet>,
    schema: String,
    #[serde(default)]
    deleted: bool,
}

#[derive(Deserialize)]
struct RawVersion {
    version: i32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawNoop {
    id_max: BTreeMap<String, i32>,
}

#[derive(Serialize, Deserialize)]
struct RawMode {
    mode: Mode,
}

fn nullable<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Reference>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn type_or_avro<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SchemaType, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn missing(what: &'static str) -> RecordError {
    let error = serde::de::Error::custom("a member is missing");
    RecordError::Json { what, error }
}

fn value_of<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, RecordError> {
    serde_json::from_slice(bytes).map_err(|error| RecordError::Json { what: "value", error })
}

impl Record {
    /// A record that says nothing.
    const fn nothing() -> Self {
        Self::Noop { id_max: BTreeMap::new() }
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`RecordError`]; the topic may hold what a later registry wrote.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Self, RecordError> {
        let key: RawKey = serde_json::from_slice(key).map_err(|error| RecordError::Json { what: "key", error })?;
        let subject = key.subject.as_deref().filter(|name| !name.is_empty()).map(Subject::parse);
        let named = || subject.clone().ok_or_else(|| missing("key"));
        Ok(match key.keytype.as_str() {
            "SCHEMA" => {
                let (subject, number) = (named()?, key.version.ok_or_else(|| missing("key"))?);
                match value {
                    None => Self::SchemaGone { subject, version: number },
                    Some(value) => {
                        let version = Box::new(Version::decode(value_of(value)?, number));
                        Self::Schema { subject, version }
                    }
                }
            }
            "DELETE_SUBJECT" => match value {
                None => Self::nothing(),
                Some(value) => {
                    Self::DeleteSubject { subject: named()?, version: value_of::<RawVersion>(value)?.version }
                }
            },
            "CLEAR_SUBJECT" if value.is_none() => Self::nothing(),
            "CLEAR_SUBJECT" => Self::ClearSubject { subject: named()? },
            "CONFIG" => {
                let config = value.map(value_of::<Value>).transpose()?.map(config_of).transpose()?;
                Self::Config { subject, config: config.map(Box::new) }
            }
            "MODE" => {
                let mode = value.map(value_of::<RawMode>).transpose()?.map(|raw| raw.mode);
                Self::Mode { subject, mode }
            }
            "CONTEXT" => {
                let context = Context::named(&key.context.ok_or_else(|| missing("key"))?);
                Self::Context { context, present: value.is_some() }
            }
            "ASSOC" => match value {
                None => Self::AssociationGone { key: key.resource.key(named()?)? },
                Some(value) => Self::Association { association: Box::new(associations::decode(value_of(value)?)?) },
            },
            "NOOP" => match value.and_then(|value| value_of::<RawNoop>(value).ok()) {
                None => Self::nothing(),
                Some(raw) => {
                    let id_max = raw.id_max.into_iter().map(|(name, id)| (Context::named(&name), id)).collect();
                    Self::Noop { id_max }
                }
            },
            other => return Err(RecordError::UnknownType(other.to_owned())),
        })
    }

    /// Key and value as they are written.
    ///
    /// # Panics
    /// Never: texts and numbers can be written as JSON.
    #[must_use]
    pub fn encode(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        let key = |keytype, subject| bytes(&SubjectKey { keytype, subject, magic: 0 });
        let name = |subject: &Option<Subject>| subject.as_ref().map(Subject::qualified);
        match self {
            Self::Schema { subject, version } => {
                (schema_key(subject, version.version), Some(bytes(&version.encode(subject))))
            }
            Self::SchemaGone { subject, version } => (schema_key(subject, *version), None),
            Self::DeleteSubject { subject, version } => {
                let subject = subject.qualified();
                let value = bytes(&DeletedValue { subject: subject.clone(), version: Some(*version) });
                (key("DELETE_SUBJECT", Some(subject)), Some(value))
            }
            Self::ClearSubject { subject } => {
                let subject = subject.qualified();
                let value = bytes(&DeletedValue { subject: subject.clone(), version: None });
                (key("CLEAR_SUBJECT", Some(subject)), Some(value))
            }
            Self::Config { subject, config } => {
                let value = config.as_ref().map(|rest| bytes(&OfSubject { subject: name(subject), rest }));
                (key("CONFIG", name(subject)), value)
            }
            Self::Mode { subject, mode } => {
                let value = mode.map(|mode| bytes(&OfSubject { subject: name(subject), rest: RawMode { mode } }));
                (key("MODE", name(subject)), value)
            }
            Self::Context { context, present } => {
                let context = context.as_str();
                let key = bytes(&ContextKey { keytype: "CONTEXT", tenant: TENANT, context, magic: 0 });
                (key, present.then(|| bytes(&ContextValue { tenant: TENANT, context })))
            }
            Self::Association { association } => {
                (associations::encode_key(&association.key), Some(associations::encode(association)))
            }
            Self::AssociationGone { key } => (associations::encode_key(key), None),
            Self::Noop { id_max } => {
                let ids = id_max.iter().map(|(context, &id)| (context.to_string(), id)).collect();
                let value = (!id_max.is_empty()).then(|| bytes(&RawNoop { id_max: ids }));
                (bytes(&NoopKey { keytype: "NOOP", magic: 0 }), value)
            }
        }
    }
}

/// The order of members is the format's: others compare keys byte by byte, and so does compaction.
fn bytes(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts and numbers can be written as JSON")
}

fn schema_key(subject: &Subject, version: i32) -> Vec<u8> {
    bytes(&SchemaKey { keytype: "SCHEMA", subject: subject.qualified(), version, magic: 1 })
}

#[derive(Serialize)]
struct SchemaKey {
    keytype: &'static str,
    subject: String,
    version: i32,
    magic: i32,
}

#[derive(Serialize)]
struct SubjectKey {
    keytype: &'static str,
    subject: Option<String>,
    magic: i32,
}

#[derive(Serialize)]
struct ContextKey<'a> {
    keytype: &'static str,
    tenant: &'static str,
    context: &'a str,
    magic: i32,
}

#[derive(Serialize)]
struct NoopKey {
    keytype: &'static str,
    magic: i32,
}

#[derive(Serialize)]
struct DeletedValue {
    subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<i32>,
}

#[derive(Serialize)]
struct ContextValue<'a> {
    tenant: &'static str,
    context: &'a str,
}

#[derive(Serialize)]
struct OfSubject<T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(flatten)]
    rest: T,
}

fn config_of(value: Value) -> Result<Config, RecordError> {
    let Value::Object(mut members) = value else { return Err(missing("value")) };
    members.remove("subject");
    serde_json::from_value(Value::Object(members)).map_err(|error| RecordError::Json { what: "value", error })
}

impl Version {
    fn decode(raw: RawSchema, version: i32) -> Self {
        let RawSchema { id, schema_type, references, metadata, rule_set, schema, deleted, .. } = raw;
        let schema = Schema { schema_type, text: schema.into(), references, metadata, rule_set };
        Self { version, id, schema, deleted }
    }

    fn encode(&self, subject: &Subject) -> RawSchema {
        let Schema { schema_type, text, references, metadata, rule_set } = &self.schema;
        RawSchema {
            subject: subject.qualified(),
            version: self.version,
            id: self.id,
            md5: Some(self.schema.guid().to_base64()),
            schema_type: *schema_type,
            references: references.clone(),
            metadata: metadata.clone(),
            rule_set: rule_set.clone(),
            schema: text.to_string(),
            deleted: self.deleted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(record: &Record, key: &str, value: Option<&str>) {
        let (found_key, found_value) = record.encode();
        assert_eq!(String::from_utf8(found_key.clone()).unwrap(), key);
        assert_eq!(found_value.as_deref().map(|bytes| std::str::from_utf8(bytes).unwrap()), value);
        assert_eq!(Record::decode(&found_key, found_value.as_deref()).unwrap(), *record);
    }

    #[test]
    fn records_have_their_golden_bytes() {
        let schema = Schema { text: "\"string\"".into(), ..Schema::default() };
        let version = Box::new(Version { version: 1, id: 7, schema, deleted: false });
        let subject = Subject::parse("s");
        check(
            &Record::Schema { subject: subject.clone(), version },
            r#"{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}"#,
            Some(
                r#"{"subject":"s","version":1,"id":7,"md5":"CV1xzxJVa51eMwrVdbPfXQ==","schema":"\"string\"","deleted":false}"#,
            ),
        );
        let gone = Record::SchemaGone { subject: subject.clone(), version: 1 };
        check(&gone, r#"{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}"#, None);
        check(
            &Record::DeleteSubject { subject: subject.clone(), version: 3 },
            r#"{"keytype":"DELETE_SUBJECT","subject":"s","magic":0}"#,
            Some(r#"{"subject":"s","version":3}"#),
        );
        check(&Record::nothing(), r#"{"keytype":"NOOP","magic":0}"#, None);
        let id_max = BTreeMap::from([(Context::default_context(), 7), (Context::named("m"), 2)]);
        let value = r#"{"idMax":{".":7,".m":2}}"#;
        check(&Record::Noop { id_max }, r#"{"keytype":"NOOP","magic":0}"#, Some(value));
        let config = Config { compatibility_level: Some(crate::settings::Compatibility::Full), ..Config::default() };
        check(
            &Record::Config { subject: None, config: Some(Box::new(config)) },
            r#"{"keytype":"CONFIG","subject":null,"magic":0}"#,
            Some(r#"{"compatibilityLevel":"FULL"}"#),
        );
        check(
            &Record::Mode { subject: Some(subject), mode: Some(Mode::Readonly) },
            r#"{"keytype":"MODE","subject":"s","magic":0}"#,
            Some(r#"{"subject":"s","mode":"READONLY"}"#),
        );
        check(
            &Record::Context { context: Context::named("mobile"), present: true },
            r#"{"keytype":"CONTEXT","tenant":"default","context":".mobile","magic":0}"#,
            Some(r#"{"tenant":"default","context":".mobile"}"#),
        );
    }

    #[test]
    fn associations_have_their_golden_bytes() {
        let key = AssociationKey {
            resource_name: "orders".to_owned(),
            resource_namespace: "lkc-1".to_owned(),
            resource_type: "topic".to_owned(),
            association_type: "value".to_owned(),
            subject: Subject::parse(":.lkc-1:orders-value"),
        };
        let key_bytes = r#"{"keytype":"ASSOC","tenant":"default","resourceName":"orders","resourceNamespace":"lkc-1","resourceType":"topic","associationType":"value","subject":":.lkc-1:orders-value","magic":0}"#;
        let association = Association {
            key: key.clone(),
            guid: "g".to_owned(),
            resource_id: "id-1".to_owned(),
            lifecycle: crate::association::Lifecycle::Strong,
            frozen: true,
        };
        check(
            &Record::Association { association: Box::new(association) },
            key_bytes,
            Some(
                r#"{"subject":":.lkc-1:orders-value","guid":"g","tenant":"default","resourceName":"orders","resourceNamespace":"lkc-1","resourceId":"id-1","resourceType":"topic","associationType":"value","lifecycle":"STRONG","frozen":true}"#,
            ),
        );
        check(&Record::AssociationGone { key }, key_bytes, None);
    }

    #[test]
    fn what_another_registry_wrote_is_read_without_loss() {
        let key = br#"{"keytype":"SCHEMA","subject":":.m:s","version":2,"magic":1}"#;
        let value = br#"{"subject":":.m:s","version":2,"id":3,"schemaType":"PROTOBUF","references":[{"name":"a.proto",
            "subject":"a","version":1}],"metadata":{"properties":{"owner":"x"},"new":1},"schema":"syntax","deleted":true,
            "offset":4,"ts":5}"#;
        let Record::Schema { subject, version } = Record::decode(key, Some(value)).unwrap() else { panic!() };
        assert_eq!((subject.qualified().as_str(), version.id, version.deleted), (":.m:s", 3, true));
        assert_eq!(version.schema.schema_type, SchemaType::Protobuf);
        assert_eq!(version.schema.references[0].name, "a.proto");
        assert_eq!(version.schema.metadata.unwrap().other["new"], 1);
        let old = br#"{"subject":"s","version":1,"id":1,"schema":"\"int\""}"#;
        let key = br#"{"keytype":"SCHEMA","subject":"s","version":1,"magic":0}"#;
        assert!(matches!(Record::decode(key, Some(old)), Ok(Record::Schema { .. })));
        let error = Record::decode(br#"{"keytype":"LATER"}"#, None).unwrap_err();
        assert_eq!(error.to_string(), "records of type `LATER` are not known");
        for key in ["", "{}", "[]", r#"{"keytype":"SCHEMA","subject":"s"}"#, r#"{"keytype":"ASSOC","subject":"s"}"#] {
            assert!(Record::decode(key.as_bytes(), None).is_err(), "{key:?}");
        }
    }
}
