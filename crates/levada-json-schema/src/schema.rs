//! [`Schema`], and what can be asked of it.

use crate::compare::{self, TooComplex};
use crate::compile::compile;
use crate::documents::Documents;
use crate::draft::Draft;
use crate::error::ParseError;
use crate::json::Json;
use crate::json::parser::{Bounds, parse as parse_json};
use crate::kind::{Difference, Kind, Policy};
use crate::node::Graph;
use crate::uri::resolve;
use crate::validate::{GaveUp, ValidateError, violations};
use std::collections::BTreeMap;

/// Bytes of one text.
pub const SCHEMA_BYTES_MAX: usize = 1 << 20;
/// Bytes of all references of a schema.
pub const REFERENCES_BYTES_MAX: usize = 4 << 20;
/// Bytes of an instance.
pub const INSTANCE_BYTES_MAX: usize = 16 << 20;
/// How deep arrays and objects nest in any of them.
const DEPTH_MAX: usize = 100;
/// What is read of a text.
pub(crate) const BOUNDS: Bounds = Bounds { bytes_max: SCHEMA_BYTES_MAX, depth_max: DEPTH_MAX };

/// A schema that others refer to.
#[derive(Clone, Copy, Debug)]
pub struct Reference<'a> {
    /// The name by which a `$ref` calls it.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
}

/// A schema that was read and found to be one.
#[derive(Debug)]
pub struct Schema {
    draft: Draft,
    canonical: String,
    normalized: String,
    title: Option<String>,
    properties: Vec<String>,
    graph: Graph,
}

/// Reads a schema and what it refers to; all of `references` are given, those of references included, in any order.
///
/// # Errors
/// [`ParseError`] where the text or one of the references is no schema, refers to what is not given, or is beyond one
/// of the bounds.
pub fn parse(text: &str, references: &[Reference<'_>]) -> Result<Schema, ParseError> {
    let (json, draft) = read(text)?;
    check(&json, draft)?;
    let (canonical, normalized) = (json.to_string(), json.sorted().to_string());
    let title = json.get("title").and_then(Json::as_str).map(str::to_owned);
    let named = json.get("properties").and_then(Json::as_object);
    let properties = named.into_iter().flat_map(|object| object.iter().map(|(name, _)| name.to_owned())).collect();
    let (mut documents, _) = documents_of(json, draft, references)?;
    let graph = compile(&mut documents, 0)?;
    Ok(Schema { draft, canonical, normalized, title, properties, graph })
}

/// A text, and which draft it follows.
pub(crate) fn read(text: &str) -> Result<(Json, Draft), ParseError> {
    let json = parse_json(text, BOUNDS)?;
    let draft = draft_of(&json).unwrap_or(Draft::Draft7);
    Ok((json, draft))
}

/// A schema and what it refers to: it is the first; and under which names the others were given.
pub(crate) fn documents_of(
    json: Json,
    draft: Draft,
    references: &[Reference<'_>],
) -> Result<(Documents, BTreeMap<usize, String>), ParseError> {
    let base = id_of(&json, draft).unwrap_or_default();
    let mut documents = Documents::default();
    documents.add(json, draft, std::slice::from_ref(&base));
    if references.iter().map(|reference| reference.text.len()).sum::<usize>() > REFERENCES_BYTES_MAX {
        return Err(ParseError::ReferencesTooLong { limit: REFERENCES_BYTES_MAX });
    }
    let mut names = BTreeMap::new();
    for reference in references {
        let json = parse_json(reference.text, BOUNDS).map_err(ParseError::Json);
        let json = json.map_err(|error| within(reference, error))?;
        let draft = draft_of(&json).unwrap_or(draft);
        check(&json, draft).map_err(|error| within(reference, error))?;
        let name = resolve(&base, reference.name);
        let plain = reference.name.strip_prefix("./").unwrap_or(reference.name);
        let document = documents.add(json, draft, &[name, plain.to_owned()]);
        names.insert(document, plain.to_owned());
    }
    Ok((documents, names))
}

fn within(reference: &Reference<'_>, error: ParseError) -> ParseError {
    ParseError::Reference { name: reference.name.to_owned(), error: Box::new(error) }
}

fn draft_of(json: &Json) -> Option<Draft> {
    json.get("$schema").and_then(Json::as_str).map(Draft::named)
}

fn id_of(json: &Json, draft: Draft) -> Option<String> {
    let id = json.get(draft.id_keyword())?.as_str()?;
    Some(crate::uri::split(id).0.to_owned())
}

/// Checks a text against its draft's meta-schema.
fn check(json: &Json, draft: Draft) -> Result<(), ParseError> {
    if !matches!(json, Json::Object(_) | Json::Bool(_)) {
        return Err(ParseError::NotASchema { path: "#".to_owned() });
    }
    if matches!(json, Json::Bool(_)) {
        return Ok(());
    }
    let value: serde_json::Value = serde_json::from_str(&json.to_string())
        .map_err(|error| ParseError::MetaSchema { path: String::new(), reason: error.to_string() })?;
    draft.check(&value).map_err(|(path, reason)| ParseError::MetaSchema { path, reason: shortened(reason) })
}

/// What is wrong may quote the whole schema.
fn shortened(reason: String) -> String {
    const CHARACTERS_MAX: usize = 300;
    if reason.chars().count() <= CHARACTERS_MAX {
        return reason;
    }
    let end: String = reason.chars().rev().take(CHARACTERS_MAX).collect();
    format!("…{}", end.chars().rev().collect::<String>())
}

impl Schema {
    /// Its draft.
    #[must_use]
    pub const fn draft(&self) -> Draft {
        self.draft
    }

    /// Its text, minified: keys in their own order, numbers as they were written.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// Its text, minified, with the keys of each object sorted.
    #[must_use]
    pub fn normalized(&self) -> &str {
        &self.normalized
    }

    /// Its `title`.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// The names of its properties, in their order.
    pub fn property_names(&self) -> impl Iterator<Item = &str> {
        self.properties.iter().map(String::as_str)
    }

    /// Applies it to an instance.
    ///
    /// # Errors
    /// [`ValidateError`] where the instance is not JSON, is not as the schema says, or takes too many steps.
    pub fn validate(&self, instance: &str) -> Result<(), ValidateError> {
        let json = parse_json(instance, Bounds { bytes_max: INSTANCE_BYTES_MAX, depth_max: DEPTH_MAX })?;
        let found = violations(&self.graph, 0, &json).map_err(|GaveUp| ValidateError::TooComplex)?;
        if found.is_empty() { Ok(()) } else { Err(ValidateError::Invalid(found)) }
    }
}

/// All that keeps `reader` from reading what was written with `writer`, in a fixed order; empty: compatible.
///
/// # Errors
/// [`TooComplex`] where the schemas are too large or nest too deep to be compared.
pub fn incompatibilities(reader: &Schema, writer: &Schema, policy: Policy) -> Result<Vec<Difference>, TooComplex> {
    let mut found = differences(reader, writer, policy)?;
    found.retain(|difference| !difference.kind.is_compatible(policy));
    Ok(found)
}

/// All that differs between `reader` and `writer`, compatible or not, in a fixed order.
///
/// # Errors
/// [`TooComplex`] where the schemas are too large or nest too deep to be compared.
pub fn differences(reader: &Schema, writer: &Schema, policy: Policy) -> Result<Vec<Difference>, TooComplex> {
    compare::differences(&reader.graph, &writer.graph, policy)
}

/// What differs in the properties that metadata reserves (`confluent:reserved`) for later: none may stop being so, and
/// the schema may describe none. Of those that stop, the path is the name alone.
#[must_use]
pub fn reserved_differences(reader: &Schema, reader_reserved: &[&str], writer_reserved: &[&str]) -> Vec<Difference> {
    let removed = writer_reserved.iter().filter(|name| !reader_reserved.contains(name));
    let removed = removed.map(|name| Difference { kind: Kind::ReservedPropertyRemoved, path: (*name).to_owned() });
    let used = reader.property_names().filter(|name| reader_reserved.contains(name));
    let used = used.map(|name| Difference {
        kind: Kind::ReservedPropertyConflictsWithProperty,
        path: format!("#/properties/{name}"),
    });
    removed.chain(used).collect()
}
