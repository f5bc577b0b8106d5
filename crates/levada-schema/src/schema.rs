//! One schema as it is registered, and what identifies it.

use crate::contract::{Metadata, RuleSet};
use base64::{Engine, prelude::BASE64_STANDARD};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// The language of a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SchemaType {
    /// Apache Avro.
    #[default]
    Avro,
    /// JSON Schema.
    Json,
    /// Protocol Buffers.
    Protobuf,
}

impl SchemaType {
    /// All, as they are listed.
    pub const ALL: [Self; 3] = [Self::Json, Self::Protobuf, Self::Avro];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Avro => "AVRO",
            Self::Json => "JSON",
            Self::Protobuf => "PROTOBUF",
        }
    }

    /// By its name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether it is what is meant where nothing is said.
    #[must_use]
    pub fn is_avro(&self) -> bool {
        *self == Self::Avro
    }
}

/// Another schema that one refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reference {
    /// Under which name the schema's text has it.
    pub name: String,
    /// The subject of the other one.
    pub subject: String,
    /// Its version.
    pub version: i32,
}

/// What a schema is, apart from where it is registered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// Its language.
    pub schema_type: SchemaType,
    /// Its text, canonical once it is registered.
    pub text: Arc<str>,
    /// What it refers to.
    pub references: Vec<Reference>,
    /// What is said about it.
    pub metadata: Option<Metadata>,
    /// The rules that come with it.
    pub rule_set: Option<RuleSet>,
}

impl Schema {
    /// What identifies it everywhere: MD5 of text, references, metadata and rules.
    #[must_use]
    pub fn guid(&self) -> Guid {
        let mut hash = Md5::new();
        let mut feed = |bytes: &[u8]| hash.update(bytes);
        feed(self.text.as_bytes());
        for reference in &self.references {
            feed(reference.name.as_bytes());
            feed(reference.subject.as_bytes());
            feed(&reference.version.to_be_bytes());
        }
        if let Some(metadata) = &self.metadata {
            feed(&[1]);
            metadata.feed(&mut feed);
        }
        if let Some(rule_set) = &self.rule_set {
            feed(&[1]);
            rule_set.feed(&mut feed);
        }
        Guid(hash.finalize().into())
    }
}

/// Identifies a schema by its content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid(pub [u8; 16]);

impl Guid {
    /// Reads the usual text, with or without dashes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        if digits.len() != 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(&digits, 16).ok().map(|number| Self(number.to_be_bytes()))
    }

    /// As the `_schemas` topic has it.
    #[must_use]
    pub fn to_base64(self) -> String {
        BASE64_STANDARD.encode(self.0)
    }

    /// As the `_schemas` topic has it.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        BASE64_STANDARD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_counts_with_what_it_is_and_with_being_disabled() {
        let with = |rule: serde_json::Value| {
            let rule_set = serde_json::from_value(serde_json::json!({ "domainRules": [rule] })).unwrap();
            Schema { text: "\"string\"".into(), rule_set: Some(rule_set), ..Schema::default() }.guid().to_string()
        };
        let rule =
            serde_json::json!({ "name": "r", "kind": "CONDITION", "mode": "WRITE", "type": "CEL", "expr": "true" });
        // md5sum of `"string"`, a byte of 1, and `rCONDITIONWRITECELtrue`.
        assert_eq!(with(rule), "c4285ca7-9c3b-477a-93d8-bb0cfebb3d09");
        let rule = serde_json::json!({ "name": "r", "mode": "WRITE", "type": "CEL", "expr": "true", "disabled": true });
        // What is no CONDITION is a TRANSFORM; a byte of 1 for what is disabled.
        assert_eq!(with(rule), "1e67e143-2027-3dcd-7ae3-6fdca1aa0296");
    }

    #[test]
    fn the_guid_is_the_hash_of_what_the_schema_says() {
        let plain = Schema { text: "\"string\"".into(), ..Schema::default() };
        // md5sum of `"string"`.
        assert_eq!(plain.guid().to_string(), "095d71cf-1255-6b9d-5e33-0ad575b3df5d");
        let with_metadata = Schema { metadata: Some(Metadata::default()), ..plain.clone() };
        assert_ne!(with_metadata.guid(), plain.guid());
        let reference = Reference { name: "n".into(), subject: "s".into(), version: 1 };
        assert_ne!(Schema { references: vec![reference], ..plain.clone() }.guid(), plain.guid());
        let guid = plain.guid();
        assert_eq!(Guid::parse(&guid.to_string()), Some(guid));
        assert_eq!(Guid::from_base64(&guid.to_base64()), Some(guid));
        for text in ["", "095d71cf", "zz5d71cf-1255-6b9d-5e33-0ad575b3df5d"] {
            assert_eq!(Guid::parse(text), None, "{text:?}");
        }
    }
}
