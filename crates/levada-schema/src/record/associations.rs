//! `ASSOC` records.

use super::{RecordError, TENANT, bytes, missing};
use crate::{
    association::{Association, AssociationKey, Lifecycle},
    subject::Subject,
};
use serde::{Deserialize, Serialize};

/// What a key says of the resource.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawResource {
    #[serde(default)]
    resource_name: Option<String>,
    #[serde(default)]
    resource_namespace: Option<String>,
    #[serde(default)]
    resource_type: Option<String>,
    #[serde(default)]
    association_type: Option<String>,
}

impl RawResource {
    pub(super) fn key(self, subject: Subject) -> Result<AssociationKey, RecordError> {
        let Self { resource_name, resource_namespace, resource_type, association_type } = self;
        let named = |name: Option<String>| name.ok_or_else(|| missing("key"));
        Ok(AssociationKey {
            resource_name: named(resource_name)?,
            resource_namespace: named(resource_namespace)?,
            resource_type: named(resource_type)?,
            association_type: named(association_type)?,
            subject,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawAssociation {
    subject: String,
    guid: String,
    #[serde(default)]
    tenant: String,
    resource_name: String,
    resource_namespace: String,
    resource_id: String,
    resource_type: String,
    association_type: String,
    lifecycle: Lifecycle,
    #[serde(default)]
    frozen: bool,
}

pub(super) fn decode(raw: RawAssociation) -> Result<Association, RecordError> {
    if raw.subject.is_empty() {
        return Err(missing("value"));
    }
    let key = AssociationKey {
        resource_name: raw.resource_name,
        resource_namespace: raw.resource_namespace,
        resource_type: raw.resource_type,
        association_type: raw.association_type,
        subject: Subject::parse(&raw.subject),
    };
    Ok(Association { key, guid: raw.guid, resource_id: raw.resource_id, lifecycle: raw.lifecycle, frozen: raw.frozen })
}

pub(super) fn encode(association: &Association) -> Vec<u8> {
    let Association { key, guid, resource_id, lifecycle, frozen } = association;
    bytes(&RawAssociation {
        subject: key.subject.qualified(),
        guid: guid.clone(),
        tenant: TENANT.to_owned(),
        resource_name: key.resource_name.clone(),
        resource_namespace: key.resource_namespace.clone(),
        resource_id: resource_id.clone(),
        resource_type: key.resource_type.clone(),
        association_type: key.association_type.clone(),
        lifecycle: *lifecycle,
        frozen: *frozen,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Key<'a> {
    keytype: &'static str,
    tenant: &'static str,
    resource_name: &'a str,
    resource_namespace: &'a str,
    resource_type: &'a str,
    association_type: &'a str,
    subject: String,
    magic: i32,
}

pub(super) fn encode_key(key: &AssociationKey) -> Vec<u8> {
    bytes(&Key {
        keytype: "ASSOC",
        tenant: TENANT,
        resource_name: &key.resource_name,
        resource_namespace: &key.resource_namespace,
        resource_type: &key.resource_type,
        association_type: &key.association_type,
        subject: key.subject.qualified(),
        magic: 0,
    })
}
