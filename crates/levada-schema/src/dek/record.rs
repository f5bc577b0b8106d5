//! The records of the `_dek_registry_keys` topic, in Confluent's own format: JSON keys, whose members have a fixed
//! order, and JSON values, or none where a key is gone for good.

use super::{Algorithm, Dek, DekId, DekPlace, Error, Kek, KekName, KmsProps, WrappedKey};
use crate::subject::Subject;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

/// Whose keys they are; a registry has one tenant.
const TENANT: &str = "default";

/// One record. It says when it was written by itself: `ts` in it is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A KEK is so.
    Kek(Kek),
    /// A KEK is gone for good.
    KekGone(KekName),
    /// A DEK is so.
    Dek(Dek),
    /// A DEK is gone for good.
    DekGone(DekId),
}

/// Why a record is not understood. What it says of its place is all that it says of the record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Not JSON, or without what it must have.
    #[error("{what} of a record cannot be read, from line {line}, column {column} on")]
    Json {
        /// Key or value.
        what: &'static str,
        /// Where.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// No key of ours.
    #[error(transparent)]
    Invalid(#[from] Error),
    /// Another tenant's, or of a kind that is not known here.
    #[error("records of this tenant or this type are not known")]
    Unknown,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawKey {
    tenant: String,
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    kek_name: Option<String>,
    subject: Option<String>,
    algorithm: Option<String>,
    version: Option<i32>,
}

#[derive(Serialize)]
struct KekKey<'a> {
    tenant: &'static str,
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DekKey<'a> {
    tenant: &'static str,
    kek_name: &'a str,
    subject: String,
    algorithm: &'static str,
    version: i32,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KekValue<'a> {
    name: &'a str,
    kms_type: &'a str,
    kms_key_id: &'a str,
    kms_props: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    doc: Option<&'a str>,
    shared: bool,
    deleted: bool,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawKek {
    kms_type: String,
    kms_key_id: String,
    kms_props: Option<BTreeMap<String, Option<String>>>,
    doc: Option<String>,
    #[serde(default)]
    shared: bool,
    #[serde(default)]
    deleted: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DekValue<'a> {
    kek_name: &'a str,
    subject: String,
    algorithm: &'static str,
    version: i32,
    encrypted_key_material: &'a str,
    deleted: bool,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDek {
    encrypted_key_material: String,
    #[serde(default)]
    deleted: bool,
}

/// What serde says of an error may hold parts of the text: it is left out.
fn read<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, RecordError> {
    serde_json::from_slice(bytes).map_err(|error| RecordError::Json {
        what,
        line: error.line(),
        column: error.column(),
    })
}

fn bytes(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts and numbers can be written as JSON")
}

fn dek_key(id: &DekId) -> Vec<u8> {
    let DekId { place: DekPlace { kek, subject, algorithm }, version } = id;
    let (subject, algorithm) = (subject.qualified(), algorithm.name());
    bytes(&DekKey { tenant: TENANT, kek_name: kek.as_str(), subject, algorithm, version: *version, kind: "DEK" })
}

fn kek_key(name: &KekName) -> Vec<u8> {
    bytes(&KekKey { tenant: TENANT, name: name.as_str(), kind: "KEK" })
}

impl Record {
    /// Reads a record; when it was written is not part of it.
    ///
    /// # Errors
    /// [`RecordError`]; the topic may hold what a later registry wrote.
    pub fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Self, RecordError> {
        let key: RawKey = read("key", key)?;
        if key.tenant != TENANT {
            return Err(RecordError::Unknown);
        }
        match key.kind.as_str() {
            "KEK" => {
                let name = KekName::parse(key.name.as_deref().unwrap_or_default())?;
                let raw: Option<RawKek> = value.map(|value| read("value", value)).transpose()?;
                Ok(raw.map_or_else(|| Self::KekGone(name.clone()), |raw| Self::Kek(raw.named(name.clone()))))
            }
            "DEK" => {
                let id = key.dek()?;
                let raw: Option<RawDek> = value.map(|value| read("value", value)).transpose()?;
                Ok(raw.map_or_else(|| Self::DekGone(id.clone()), |raw| Self::Dek(raw.named(id.clone()))))
            }
            _ => Err(RecordError::Unknown),
        }
    }

    /// Key and value as they are written.
    ///
    /// # Panics
    /// Never: texts and numbers can be written as JSON.
    #[must_use]
    pub fn encode(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        match self {
            Self::Kek(kek) => {
                let value = KekValue {
                    name: kek.name.as_str(),
                    kms_type: &kek.kms_type,
                    kms_key_id: &kek.kms_key_id,
                    kms_props: kek.kms_props.as_map(),
                    doc: kek.doc.as_deref(),
                    shared: kek.shared,
                    deleted: kek.deleted,
                    kind: "KEK",
                };
                (kek_key(&kek.name), Some(bytes(&value)))
            }
            Self::KekGone(name) => (kek_key(name), None),
            Self::Dek(dek) => {
                let DekId { place: DekPlace { kek, subject, algorithm }, version } = &dek.id;
                let value = DekValue {
                    kek_name: kek.as_str(),
                    subject: subject.qualified(),
                    algorithm: algorithm.name(),
                    version: *version,
                    encrypted_key_material: dek.wrapped.as_str(),
                    deleted: dek.deleted,
                    kind: "DEK",
                };
                (dek_key(&dek.id), Some(bytes(&value)))
            }
            Self::DekGone(id) => (dek_key(id), None),
        }
    }
}

impl RawKey {
    fn dek(&self) -> Result<DekId, RecordError> {
        let missing = RecordError::Json { what: "key", line: 0, column: 0 };
        let (Some(subject), Some(version)) = (self.subject.as_deref(), self.version) else { return Err(missing) };
        let place = DekPlace {
            kek: KekName::parse(self.kek_name.as_deref().unwrap_or_default())?,
            subject: Subject::parse(subject),
            algorithm: Algorithm::parse(self.algorithm.as_deref().unwrap_or_default())?,
        };
        Ok(DekId { place, version })
    }
}

impl RawKek {
    fn named(self, name: KekName) -> Kek {
        let props = self.kms_props.unwrap_or_default();
        let props = props.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        Kek {
            name,
            kms_type: self.kms_type.into(),
            kms_key_id: self.kms_key_id.into(),
            kms_props: KmsProps::kept(props),
            doc: self.doc.map(Into::into),
            shared: self.shared,
            deleted: self.deleted,
            ts: 0,
        }
    }
}

impl RawDek {
    fn named(self, id: DekId) -> Dek {
        Dek { id, wrapped: WrappedKey::kept(self.encrypted_key_material), deleted: self.deleted, ts: 0 }
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

    fn kek(doc: Option<&str>, props: &[(&str, &str)]) -> Kek {
        let props = props.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Kek {
            name: KekName::parse("k-1").unwrap(),
            kms_type: "aws-kms".into(),
            kms_key_id: "arn:1".into(),
            kms_props: KmsProps::kept(props),
            doc: doc.map(Into::into),
            shared: false,
            deleted: false,
            ts: 0,
        }
    }

    fn id(subject: &str) -> DekId {
        let (kek, subject) = (KekName::parse("k-1").unwrap(), Subject::parse(subject));
        DekId { place: DekPlace { kek, subject, algorithm: Algorithm::Aes256Siv }, version: 2 }
    }

    #[test]
    fn records_have_their_golden_bytes() {
        let key = r#"{"tenant":"default","name":"k-1","type":"KEK"}"#;
        check(
            &Record::Kek(kek(Some("\"ours\""), &[("b", "2"), ("a", "1")])),
            key,
            Some(
                r#"{"name":"k-1","kmsType":"aws-kms","kmsKeyId":"arn:1","kmsProps":{"a":"1","b":"2"},"doc":"\"ours\"","shared":false,"deleted":false,"type":"KEK"}"#,
            ),
        );
        check(
            &Record::Kek(Kek { deleted: true, ..kek(None, &[]) }),
            key,
            Some(
                r#"{"name":"k-1","kmsType":"aws-kms","kmsKeyId":"arn:1","kmsProps":{},"shared":false,"deleted":true,"type":"KEK"}"#,
            ),
        );
        check(&Record::KekGone(KekName::parse("k-1").unwrap()), key, None);
        let key = r#"{"tenant":"default","kekName":"k-1","subject":":.m:s","algorithm":"AES256_SIV","version":2,"type":"DEK"}"#;
        let wrapped = WrappedKey::kept("q83v".to_owned());
        check(
            &Record::Dek(Dek { id: id(":.m:s"), wrapped, deleted: false, ts: 0 }),
            key,
            Some(
                r#"{"kekName":"k-1","subject":":.m:s","algorithm":"AES256_SIV","version":2,"encryptedKeyMaterial":"q83v","deleted":false,"type":"DEK"}"#,
            ),
        );
        check(&Record::DekGone(id(":.m:s")), key, None);
    }

    #[test]
    fn what_another_registry_wrote_is_read() {
        let key = br#"{"type":"KEK","name":"k-1","tenant":"default","new":1}"#;
        let value =
            br#"{"name":"k-1","kmsType":"t","kmsKeyId":"i","kmsProps":{"a":"1","b":null},"doc":null,"shared":true,
            "type":"KEK","offset":3,"ts":5,"new":{}}"#;
        let Record::Kek(found) = Record::decode(key, Some(value)).unwrap() else { panic!() };
        assert_eq!((found.shared, found.deleted, found.doc.as_deref()), (true, false, None));
        assert_eq!(found.kms_props.as_map().len(), 1);
    }

    #[test]
    fn what_is_not_understood_says_nothing_of_what_it_holds() {
        let dek =
            r#"{"tenant":"default","kekName":"k","subject":"s","algorithm":"AES256_GCM","version":1,"type":"DEK"}"#;
        let kek = r#"{"tenant":"default","name":"k","type":"KEK"}"#;
        for (key, value) in [
            ("", "{}"),
            ("[]", "{}"),
            (r#"{"tenant":"default","type":"hush"}"#, "{}"),
            (r#"{"tenant":"hush","name":"k","type":"KEK"}"#, "{}"),
            (r#"{"tenant":"default","name":"hush/hush","type":"KEK"}"#, "{}"),
            (r#"{"tenant":"default","kekName":"k","subject":"s","algorithm":"hush","version":1,"type":"DEK"}"#, "{}"),
            (r#"{"tenant":"default","kekName":"k","algorithm":"AES256_GCM","version":1,"type":"DEK"}"#, "{}"),
            (dek, r#"{"encryptedKeyMaterial":["hush"]}"#),
            (dek, r#"{"encryptedKeyMaterial":"AA==","deleted":"hush"}"#),
            (dek, "{}"),
            (kek, r#"{"kmsType":"t","kmsKeyId":"i","kmsProps":"hush"}"#),
            (kek, r#""hush""#),
        ] {
            let error = Record::decode(key.as_bytes(), Some(value.as_bytes())).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hush"), "{key} {value}: {error}");
        }
    }
}
