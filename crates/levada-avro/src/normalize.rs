//! Schemas that mean the same, made the same: properties, aliases and members of defaults sorted, numbers written as
//! their type has them, empty docs of types left out, errors as records.
//!
//! Confluent's registry does more than it means to: a type of no namespace falls into the one around it, and a default
//! that is no value of a union's first branch is lost. Here every type keeps its name, and every field its default.
//!
//! Source: `AvroSchema.normalize` of Confluent's registry 8.x, whose behaviour this follows.

use crate::canonical;
use crate::json::{Json, sort_as_java};
use crate::logical;
use crate::name::Name;
use crate::schema::{Kind, Node, Schema, TypeId};
use std::collections::HashMap;

impl Schema {
    /// The schema with all that is a matter of taste taken out of it.
    #[must_use]
    pub fn normalize(&self) -> Self {
        let nodes = self.nodes.iter().map(|node| normalized(&self.nodes, node)).collect();
        let mut schema = Self { nodes, root: self.root, referenced: self.referenced.clone(), canonical: String::new() };
        // Nothing was nested deeper than it was.
        schema.canonical = canonical::line(&schema, schema.referenced.iter().map(String::as_str)).unwrap_or_default();
        schema
    }
}

fn normalized(nodes: &[Node], node: &Node) -> Node {
    let mut properties = sorted(&node.properties);
    if logical::of(node).is_some() {
        // Java prints the logical type with its attributes before the other properties.
        let rank = |name: &str| ["logicalType", "precision", "scale"].iter().position(|first| *first == name);
        let is_decimal = logical::of(node) == Some("decimal");
        let leads = |name: &str| match rank(name) {
            Some(0) => 0,
            Some(1) if is_decimal => 1,
            Some(2) if is_decimal && scale(node) != 0 => 2,
            _ => usize::MAX,
        };
        properties.sort_by_key(|(name, _)| leads(name));
    }
    let mut kind = node.kind.clone();
    match &mut kind {
        Kind::Record(record) => {
            record.is_error = false;
            tidy(&mut record.doc, &mut record.aliases);
            for field in &mut record.fields {
                sort_as_java(&mut field.aliases, |alias| alias);
                field.properties = sorted(&field.properties);
                field.default = field.default.as_ref().map(|default| typed(nodes, field.schema, default).sorted());
            }
        }
        Kind::Enum(symbols) => tidy(&mut symbols.doc, &mut symbols.aliases),
        Kind::Fixed(fixed) => tidy(&mut fixed.doc, &mut fixed.aliases),
        _ => {}
    }
    Node { kind, properties }
}

fn scale(node: &Node) -> i64 {
    match node.properties.iter().find(|(name, _)| name == "scale") {
        Some((_, Json::Integer(scale))) => *scale,
        _ => 0,
    }
}

fn tidy(doc: &mut Option<String>, aliases: &mut [Name]) {
    *doc = doc.take().filter(|doc| !doc.is_empty());
    aliases.sort_by(|left, right| left.full().encode_utf16().cmp(right.full().encode_utf16()));
}

fn sorted(properties: &[(String, Json)]) -> Vec<(String, Json)> {
    let mut properties: Vec<(String, Json)> =
        properties.iter().map(|(name, value)| (name.clone(), value.sorted())).collect();
    sort_as_java(&mut properties, |(name, _)| name);
    properties
}

/// A default with its numbers as its type has them; a union's is of the first branch.
fn typed(nodes: &[Node], id: TypeId, default: &Json) -> Json {
    let Some(node) = nodes.get(id.index()) else { return default.clone() };
    match (&node.kind, default) {
        (Kind::Union(branches), _) => match branches.first() {
            Some(&branch) => typed(nodes, branch, default),
            None => default.clone(),
        },
        (Kind::Double, &Json::Integer(value)) => Json::Float(lossy(value)),
        (Kind::Float, &Json::Integer(value)) => Json::Float(single(lossy(value))),
        (Kind::Float, &Json::Float(value)) => Json::Float(single(value)),
        (Kind::Array(element), Json::Array(elements)) => {
            Json::Array(elements.iter().map(|value| typed(nodes, *element, value)).collect())
        }
        (Kind::Map(inner), Json::Object(members)) => {
            Json::Object(members.iter().map(|(name, value)| (name.clone(), typed(nodes, *inner, value))).collect())
        }
        (Kind::Record(record), Json::Object(members)) => {
            let fields: HashMap<&str, TypeId> =
                record.fields.iter().map(|field| (field.name.as_str(), field.schema)).collect();
            let member = |(name, value): &(String, Json)| {
                let value =
                    fields.get(name.as_str()).map_or_else(|| value.clone(), |&field| typed(nodes, field, value));
                (name.clone(), value)
            };
            Json::Object(members.iter().map(member).collect())
        }
        _ => default.clone(),
    }
}

fn lossy(value: i64) -> f64 {
    value as f64
}

/// The double that is written with the digits of the nearest float.
fn single(value: f64) -> f64 {
    #[allow(clippy::cast_possible_truncation, reason = "to the nearest float is meant")]
    let single = value as f32;
    single.to_string().parse().unwrap_or(value)
}
