//! The three languages, as one.

use crate::{
    schema::{Reference, Schema, SchemaType},
    settings::{Compatibility, CompatibilityPolicy},
};
use std::sync::Arc;

/// A schema that was understood. Clones share it.
#[derive(Clone, Debug)]
pub enum Parsed {
    /// Apache Avro.
    Avro(Arc<levada_avro::Schema>),
    /// JSON Schema.
    Json(Arc<levada_json_schema::Schema>),
    /// Protocol Buffers.
    Protobuf(Arc<levada_protobuf::Schema>),
}

/// What a schema is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// What makes it a schema.
    AsKept,
    /// All that its language asks of a new one.
    AsNew,
}

/// A schema that another one refers to.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Under which name.
    pub name: String,
    /// Its text.
    pub text: Arc<str>,
}

impl Parsed {
    /// Understands a schema. `references` has all that it refers to, dependencies first.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(schema_type: SchemaType, text: &str, references: &[Resolved]) -> Result<Self, String> {
        Self::parse_held(schema_type, text, references, Held::AsKept)
    }

    /// As [`Self::parse`], held to more where it is new.
    pub(crate) fn parse_held(
        schema_type: SchemaType,
        text: &str,
        references: &[Resolved],
        held: Held,
    ) -> Result<Self, String> {
        match schema_type {
            SchemaType::Avro => {
                let references: Vec<_> = references
                    .iter()
                    .map(|reference| levada_avro::Reference { name: &reference.name, text: &reference.text })
                    .collect();
                let validation = match held {
                    Held::AsKept => levada_avro::Validation::Names,
                    Held::AsNew => levada_avro::Validation::NewSchema,
                };
                let schema =
                    levada_avro::parse_with(text, &references, validation).map_err(|error| error.to_string())?;
                Ok(Self::Avro(Arc::new(schema)))
            }
            SchemaType::Json => {
                let references: Vec<_> = references
                    .iter()
                    .map(|reference| levada_json_schema::Reference { name: &reference.name, text: &reference.text })
                    .collect();
                let schema = levada_json_schema::parse(text, &references).map_err(|error| error.to_string())?;
                Ok(Self::Json(Arc::new(schema)))
            }
            SchemaType::Protobuf => {
                let references: Vec<_> = references
                    .iter()
                    .map(|reference| levada_protobuf::Reference { name: &reference.name, text: &reference.text })
                    .collect();
                let schema = levada_protobuf::parse(text, &references).map_err(|error| error.to_string())?;
                Ok(Self::Protobuf(Arc::new(schema)))
            }
        }
    }

    /// Its text as it is kept: equal schemas have equal texts.
    #[must_use]
    pub fn text(&self, normalized: bool) -> String {
        match (self, normalized) {
            (Self::Avro(schema), false) => schema.canonical().to_owned(),
            (Self::Avro(schema), true) => schema.normalized(),
            (Self::Json(schema), false) => schema.canonical().to_owned(),
            (Self::Json(schema), true) => schema.normalized().to_owned(),
            (Self::Protobuf(schema), false) => schema.canonical().to_owned(),
            (Self::Protobuf(schema), true) => schema.normalized(),
        }
    }

    /// The full name of its record or message, or its title.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        match self {
            Self::Avro(schema) => schema.name(),
            Self::Json(schema) => schema.name().map(str::to_owned),
            Self::Protobuf(schema) => schema.name(),
        }
    }

    /// All that keeps one from reading what was written with the other, in words that call them by these names.
    #[must_use]
    pub fn incompatibilities(
        (reader, reader_name): (&Self, &str),
        (writer, writer_name): (&Self, &str),
        policy: CompatibilityPolicy,
    ) -> Vec<String> {
        let policy = match policy {
            CompatibilityPolicy::Strict => levada_json_schema::Policy::Strict,
            CompatibilityPolicy::Lenient => levada_json_schema::Policy::Lenient,
        };
        match (reader, writer) {
            (Self::Avro(reader), Self::Avro(writer)) => {
                let found = levada_avro::incompatibilities(reader, writer);
                in_words(found, |one| one.describe(reader_name, writer_name))
            }
            (Self::Json(reader), Self::Json(writer)) => {
                in_words(levada_json_schema::incompatibilities(reader, writer, policy), ToString::to_string)
            }
            (Self::Protobuf(reader), Self::Protobuf(writer)) => {
                let found = levada_protobuf::incompatibilities(reader, writer);
                found.iter().map(|one| one.message(reader_name, writer_name)).collect()
            }
            _ => vec!["Incompatible because of different schema type".to_owned()],
        }
    }
}

/// What cannot be judged is not let pass.
fn in_words<T, E: ToString>(found: Result<Vec<T>, E>, in_words: impl Fn(&T) -> String) -> Vec<String> {
    match found {
        Ok(found) => found.iter().map(in_words).collect(),
        Err(error) => vec![error.to_string()],
    }
}

/// One earlier schema of a subject.
pub(crate) struct Earlier<'a> {
    pub(crate) version: i32,
    pub(crate) schema: &'a Schema,
    pub(crate) parsed: Parsed,
}

/// What of `level` keeps `new` from following `earlier`, in words.
pub(crate) fn against(
    level: Compatibility,
    policy: CompatibilityPolicy,
    new: &Parsed,
    earlier: &Earlier<'_>,
) -> Vec<String> {
    let mut found = Vec::new();
    if level.is_backward() {
        found.extend(Parsed::incompatibilities((new, "new"), (&earlier.parsed, "old"), policy));
    }
    if level.is_forward() {
        found.extend(Parsed::incompatibilities((&earlier.parsed, "old"), (new, "new"), policy));
    }
    if !found.is_empty() {
        found.push(format!("{{oldSchemaVersion: {}}}", earlier.version));
        found.push(format!("{{oldSchema: '{}'}}", earlier.schema.text));
    }
    found
}

/// A name for errors.
pub(crate) fn describe(reference: &Reference) -> String {
    format!("{} (subject {}, version {})", reference.name, reference.subject, reference.version)
}
