//! The JSON of requests and answers that several paths share.

use super::answer::{Problem, Refusal};
use levada_schema::{
    Metadata, Parsed, Reference, Register, Registry, RuleSet, Schema, SchemaType, Subject, SubjectFilter, Version,
};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

/// `true` and nothing else switches on.
pub(super) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(String::deserialize(deserializer)?.eq_ignore_ascii_case("true"))
}

/// A schema as it is sent to be registered, looked up or checked.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SentSchema {
    schema: Option<String>,
    schema_type: Option<String>,
    references: Option<Vec<Reference>>,
    metadata: Option<Metadata>,
    rule_set: Option<RuleSet>,
    version: Option<i32>,
    id: Option<i32>,
    schema_tags_to_add: Option<Value>,
    schema_tags_to_remove: Option<Value>,
    propagate_schema_tags: Option<bool>,
}

impl SentSchema {
    /// What was sent, in the registry's terms.
    pub(super) fn read(self) -> Result<Schema, Refusal> {
        let asks_for_tags = self.schema_tags_to_add.is_some()
            || self.schema_tags_to_remove.is_some()
            || self.propagate_schema_tags == Some(true);
        if asks_for_tags {
            let message = "tags within schemas are not supported: put them into `metadata.tags`";
            return Err(Problem::Malformed(message.to_owned()).into());
        }
        let name = self.schema_type.as_deref().filter(|name| !name.is_empty()).unwrap_or(SchemaType::Avro.name());
        let schema_type = SchemaType::named(name).ok_or_else(|| {
            Refusal::from(levada_schema::Error::InvalidSchema(format!(
                "there are no schemas of type `{name}`: it is AVRO, JSON or PROTOBUF"
            )))
        })?;
        Ok(Schema {
            schema_type,
            text: self.schema.unwrap_or_default().into(),
            references: self.references.unwrap_or_default(),
            metadata: self.metadata,
            rule_set: self.rule_set,
        })
    }

    /// What is to be registered.
    pub(super) fn register(self, normalize: bool) -> Result<Register, Refusal> {
        let (version, id) = (self.version.unwrap_or(0), self.id.filter(|id| *id >= 0));
        Ok(Register { schema: self.read()?, version, id, normalize })
    }
}

/// Which of a schema's shapes is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    /// As it is kept.
    #[default]
    Kept,
    /// A Protobuf file's descriptor.
    Serialized,
    /// An Avro schema with what it refers to.
    Resolved,
}

impl Format {
    /// Reads the parameter of that name.
    pub(super) fn named(name: &str) -> Result<Self, Refusal> {
        match name {
            "" | "default" => Ok(Self::Kept),
            "serialized" => Ok(Self::Serialized),
            "resolved" => Ok(Self::Resolved),
            other => Err(Problem::Malformed(format!("schemas are not given in the format `{other}`")).into()),
        }
    }

    /// The text of a version in this shape.
    pub(super) fn text(self, registry: &Registry, subject: &Subject, schema: &Schema) -> Result<String, Refusal> {
        if self == Self::Kept {
            return Ok(schema.text.to_string());
        }
        match (self, registry.parse(subject.context(), schema)?) {
            (Self::Serialized, Parsed::Protobuf(parsed)) => Ok(parsed.serialized()),
            (Self::Resolved, Parsed::Avro(parsed)) => {
                Ok(parsed.resolved().map_err(|problem| Problem::Malformed(problem.to_string()))?)
            }
            _ => {
                let language = schema.schema_type.name();
                Err(Problem::Malformed(format!("schemas of type {language} are not given in this format")).into())
            }
        }
    }
}

/// What is the same about a schema wherever it is shown.
pub(super) fn content(schema: &Schema, text: &str) -> Map<String, Value> {
    let mut members = Map::new();
    let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
    put("guid", json!(schema.guid().to_string()));
    if !schema.schema_type.is_avro() {
        put("schemaType", json!(schema.schema_type.name()));
    }
    if !schema.references.is_empty() {
        put("references", json!(schema.references));
    }
    if let Some(metadata) = &schema.metadata {
        put("metadata", json!(metadata));
    }
    if let Some(rule_set) = &schema.rule_set {
        put("ruleSet", json!(rule_set));
    }
    put("schema", json!(text));
    members
}

/// A version of a subject.
pub(super) fn version(subject: &Subject, version: &Version, text: &str) -> Value {
    let mut members = Map::new();
    members.insert("subject".to_owned(), json!(subject.qualified()));
    members.insert("version".to_owned(), json!(version.version));
    members.insert("id".to_owned(), json!(version.id));
    members.extend(content(&version.schema, text));
    if version.deleted {
        members.insert("deleted".to_owned(), json!(true));
    }
    Value::Object(members)
}

/// Which subjects a list is to have: those that begin so, of the request's context where it names one.
pub(super) fn filter(context: &levada_schema::Context, prefix: Option<&str>) -> SubjectFilter {
    match prefix {
        // Without a prefix all contexts are meant, unless the path names one.
        None if context.is_default() => SubjectFilter::prefix_in(context, ":*:"),
        prefix => SubjectFilter::prefix_in(context, prefix.unwrap_or("")),
    }
}
