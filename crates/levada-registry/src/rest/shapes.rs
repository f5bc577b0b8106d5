//! The JSON of requests and answers that several paths share.

use super::answer::{Problem, Refusal};
use levada_schema::{
    Metadata, Parsed, Reference, Register, Registered, Registry, RuleSet, Schema, SchemaTags, SchemaType, Subject,
    SubjectFilter, Version,
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
    schema_tags_to_add: Option<Vec<SchemaTags>>,
    schema_tags_to_remove: Option<Vec<SchemaTags>>,
    propagate_schema_tags: Option<bool>,
}

impl SentSchema {
    /// What was sent to be looked up or checked, in the registry's terms.
    pub(super) fn read(self) -> Result<Schema, Refusal> {
        let asks_for_tags = self.schema_tags_to_add.is_some()
            || self.schema_tags_to_remove.is_some()
            || self.propagate_schema_tags == Some(true);
        if asks_for_tags {
            let message = "tags are given to schemas that are registered: these are neither looked up nor checked";
            return Err(Problem::Malformed(message.to_owned()).into());
        }
        self.content()
    }

    fn content(self) -> Result<Schema, Refusal> {
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
    pub(super) fn register(mut self, normalize: bool) -> Result<Register, Refusal> {
        let (version, id) = (self.version.unwrap_or(0), self.id.filter(|id| *id >= 0));
        let tags_to_add = self.schema_tags_to_add.take().unwrap_or_default();
        let tags_to_remove = self.schema_tags_to_remove.take().unwrap_or_default();
        let propagates_tags = self.propagate_schema_tags == Some(true);
        let schema = self.content()?;
        Ok(Register { schema, version, id, normalize, tags_to_add, tags_to_remove, propagates_tags })
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
    /// A Protobuf file without extensions.
    WithoutExtensions,
    /// An Avro or JSON Schema with what it refers to.
    Resolved,
}

impl Format {
    /// Reads the parameter of that name.
    pub(super) fn named(name: &str) -> Result<Self, Refusal> {
        match name {
            "" | "default" => Ok(Self::Kept),
            "serialized" => Ok(Self::Serialized),
            "ignore_extensions" => Ok(Self::WithoutExtensions),
            "resolved" => Ok(Self::Resolved),
            other => Err(Problem::Malformed(format!("schemas are not given in the format `{other}`")).into()),
        }
    }

    /// The text of a version in this shape.
    pub(super) fn text(self, registry: &Registry, subject: &Subject, schema: &Schema) -> Result<String, Refusal> {
        if self == Self::Kept {
            return Ok(schema.text.to_string());
        }
        let context = subject.context();
        match (self, schema.schema_type) {
            (Self::Resolved, SchemaType::Avro | SchemaType::Json) => Ok(registry.resolved(context, schema)?),
            (Self::Serialized | Self::WithoutExtensions, SchemaType::Protobuf) => {
                match registry.parse(context, schema)? {
                    Parsed::Protobuf(parsed) if self == Self::Serialized => Ok(parsed.serialized()),
                    Parsed::Protobuf(parsed) => Ok(parsed.without_extensions()),
                    Parsed::Avro(_) | Parsed::Json(_) => Ok(schema.text.to_string()),
                }
            }
            (_, language) => {
                let language = language.name();
                Err(Problem::Malformed(format!("schemas of type {language} are not given in this format")).into())
            }
        }
    }
}

/// What else is asked for of a schema that is shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Extras {
    /// Whether what it refers to is named with its context.
    qualifies_references: bool,
    /// Tags whose parts are shown; empty: none is.
    find_tags: Vec<String>,
}

impl Extras {
    /// Reads `referenceFormat` and `findTags`, which may be there several times.
    pub(super) fn of(params: &[(String, String)]) -> Result<Self, Refusal> {
        let mut extras = Self::default();
        for (name, value) in params {
            match (name.as_str(), value.as_str()) {
                ("referenceFormat", "" | "default") => {}
                ("referenceFormat", "qualified") => extras.qualifies_references = true,
                ("referenceFormat", other) => {
                    let message = format!("references are not given in the format `{other}`");
                    return Err(Problem::Malformed(message).into());
                }
                ("findTags", tag) if !tag.is_empty() => extras.find_tags.push(tag.to_owned()),
                _ => {}
            }
        }
        Ok(extras)
    }

    /// Whether the schema has to be read for them.
    pub(super) const fn finds_tags(&self) -> bool {
        !self.find_tags.is_empty()
    }

    /// Puts them with what is shown of a schema of `subject`. Takes its time where tags are looked for.
    pub(super) fn put(
        &self,
        registry: &Registry,
        subject: &Subject,
        schema: &Schema,
        members: &mut Map<String, Value>,
    ) -> Result<(), Refusal> {
        let context = subject.context();
        if self.qualifies_references && !schema.references.is_empty() {
            let qualified = |reference: &Reference| {
                let subject = Subject::parse_in(context, &reference.subject).qualified();
                Reference { subject, ..reference.clone() }
            };
            let references: Vec<Reference> = schema.references.iter().map(qualified).collect();
            members.insert("references".to_owned(), json!(references));
        }
        if self.find_tags.is_empty() {
            return Ok(());
        }
        let found = registry.find_tags(context, schema, &self.find_tags)?;
        if !found.is_empty() {
            members.insert("schemaTags".to_owned(), json!(found));
        }
        Ok(())
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
    Value::Object(version_members(subject, version, text))
}

/// As [`version`], to be added to.
pub(super) fn version_members(subject: &Subject, version: &Version, text: &str) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("subject".to_owned(), json!(subject.qualified()));
    members.insert("version".to_owned(), json!(version.version));
    members.insert("id".to_owned(), json!(version.id));
    members.extend(content(&version.schema, text));
    if version.deleted {
        members.insert("deleted".to_owned(), json!(true));
    }
    members
}

/// What registering a schema came to, with its text as it is given.
pub(super) fn registered(registered: &Registered, text: &str) -> Value {
    let (id, version) = (registered.version.id, registered.version.version);
    let mut answer = Map::new();
    answer.insert("id".to_owned(), json!(id));
    answer.insert("version".to_owned(), json!(version));
    let schema = &registered.version.schema;
    if registered.is_completed {
        answer.extend(content(schema, text));
    } else {
        answer.insert("guid".to_owned(), json!(schema.guid().to_string()));
    }
    Value::Object(answer)
}

/// Which subjects a list is to have: those that begin so, of the request's context where it names one.
pub(super) fn filter(context: &levada_schema::Context, prefix: Option<&str>) -> SubjectFilter {
    match prefix {
        // Without a prefix all contexts are meant, unless the path names one.
        None if context.is_default() => SubjectFilter::prefix_in(context, ":*:"),
        prefix => SubjectFilter::prefix_in(context, prefix.unwrap_or("")),
    }
}
