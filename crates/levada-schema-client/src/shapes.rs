//! What registries are sent and answer, as JSON.
//!
//! Source: Confluent Schema Registry's REST API.

use levada_schema::{Reference, SchemaType};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A schema as it is sent and answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Content {
    /// Its language; Avro where nothing is said.
    #[serde(default)]
    pub schema_type: SchemaType,
    /// What it refers to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
    /// What is said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    /// The rules that come with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_set: Option<Value>,
    /// Its text.
    pub schema: String,
}

/// A version of a subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// The subject.
    pub subject: String,
    /// Counted from 1.
    pub version: i32,
    /// The schema's id.
    pub id: i32,
    /// The schema.
    #[serde(flatten)]
    pub content: Content,
    /// Deleted, softly.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
}

/// Whether a schema may follow those that are there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// It may.
    #[serde(alias = "compatible")]
    pub is_compatible: bool,
    /// All that is in the way.
    #[serde(default)]
    pub messages: Vec<String>,
}
