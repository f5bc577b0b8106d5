//! The JSON of keys. Requests may hold what is secret, so they have no `Debug`.
//!
//! A member that is not known is refused. `ts` may be sent, as it is when a key is copied from elsewhere, and means
//! nothing: when a key is written is not the client's to say.

use super::super::{
    answer::{Problem, Refusal},
    shapes::flag,
};
use levada_schema::{
    Deleted,
    dek::{Algorithm, Dek, DekPlace, Kek, KekName, KekUpdate, KmsProps, NewDek, NewKek},
};
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What the paths' queries say.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Params {
    #[serde(deserialize_with = "flag")]
    deleted: bool,
    #[serde(deserialize_with = "flag")]
    pub(super) permanent: bool,
    #[serde(deserialize_with = "flag")]
    pub(super) rewrap: bool,
    #[serde(deserialize_with = "flag")]
    pub(super) test_sharing: bool,
    pub(super) algorithm: Option<String>,
    #[serde(flatten)]
    pub(super) page: super::super::answer::Page,
}

impl Params {
    pub(super) const fn deleted(&self) -> Deleted {
        if self.deleted { Deleted::Too } else { Deleted::No }
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct SentKek {
    pub(super) name: Option<String>,
    kms_type: Option<String>,
    kms_key_id: Option<String>,
    kms_props: Option<BTreeMap<String, String>>,
    doc: Option<String>,
    shared: Option<bool>,
    deleted: Option<bool>,
    #[serde(rename = "ts")]
    _ts: Option<IgnoredAny>,
}

impl SentKek {
    /// What is to be made.
    pub(super) fn read(self, name: KekName) -> Result<NewKek, Refusal> {
        Ok(NewKek {
            name,
            kms_type: self.kms_type,
            kms_key_id: self.kms_key_id,
            kms_props: KmsProps::new(self.kms_props.unwrap_or_default())?,
            doc: self.doc,
            shared: self.shared.unwrap_or(false),
            deleted: self.deleted.unwrap_or(false),
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct SentKekUpdate {
    #[serde(deserialize_with = "present")]
    kms_props: Option<Option<BTreeMap<String, String>>>,
    #[serde(deserialize_with = "present")]
    doc: Option<Option<String>>,
    shared: Option<bool>,
}

impl SentKekUpdate {
    /// What is to change: `null` empties, what is not there stays.
    pub(super) fn read(self) -> Result<KekUpdate, Refusal> {
        let kms_props = self.kms_props.map(|props| KmsProps::new(props.unwrap_or_default())).transpose()?;
        Ok(KekUpdate { kms_props, doc: self.doc, shared: self.shared })
    }
}

/// A member that is there, be it `null`.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct SentDek {
    kek_name: Option<String>,
    pub(super) subject: Option<String>,
    version: Option<i32>,
    pub(super) algorithm: Option<String>,
    encrypted_key_material: Option<String>,
    key_material: Option<IgnoredAny>,
    deleted: Option<bool>,
    #[serde(rename = "ts")]
    _ts: Option<IgnoredAny>,
}

impl SentDek {
    /// What is to be made, at `place`, which the path and this name.
    pub(super) fn read(self, place: DekPlace, rewrap: bool) -> Result<NewDek, Refusal> {
        if self.kek_name.is_some_and(|name| name != place.kek.as_str()) {
            return Err(Problem::Malformed("`kekName` is another than the path's".to_owned()).into());
        }
        if self.key_material.is_some() {
            let message = "`keyMaterial` is not to be sent: keys are kept as a KMS wrapped them";
            return Err(Problem::Malformed(message.to_owned()).into());
        }
        let DekPlace { kek, subject, algorithm } = place;
        let (version, wrapped) = (self.version, self.encrypted_key_material);
        Ok(NewDek { kek, subject, algorithm, version, wrapped, deleted: self.deleted.unwrap_or(false), rewrap })
    }
}

/// A KEK as it is shown.
pub(super) fn kek(kek: &Kek) -> Value {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
    put("name", json!(kek.name.as_str()));
    put("kmsType", json!(*kek.kms_type));
    put("kmsKeyId", json!(*kek.kms_key_id));
    put("kmsProps", json!(kek.kms_props.as_map()));
    if let Some(doc) = &kek.doc {
        put("doc", json!(**doc));
    }
    put("shared", json!(kek.shared));
    put("ts", json!(kek.ts));
    if kek.deleted {
        put("deleted", json!(true));
    }
    Value::Object(members)
}

/// A DEK as it is shown.
pub(super) fn dek(dek: &Dek) -> Value {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
    let DekPlace { kek, subject, algorithm } = &dek.id.place;
    put("kekName", json!(kek.as_str()));
    put("subject", json!(subject.qualified()));
    put("version", json!(dek.id.version));
    put("algorithm", json!(Algorithm::name(*algorithm)));
    put("encryptedKeyMaterial", json!(dek.wrapped.as_str()));
    put("ts", json!(dek.ts));
    if dek.deleted {
        put("deleted", json!(true));
    }
    Value::Object(members)
}
