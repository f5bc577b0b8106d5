//! Tags within schemas, by which rules find what they are about: which parts have which, and changing them.
//!
//! Paths to parts are each language's own: `levada-avro`, `levada-json-schema` and `levada-protobuf` tell them.

use crate::{
    contract::{CONFLUENT_VERSION, Metadata, RuleSet},
    error::Error,
    format::Parsed,
    register::{Register, Registered},
    registry::{Deleted, Registry, VersionId},
    schema::Schema,
    subject::{Context, Subject},
};
use levada_tags::{Missing, Part, Retag, Tagged, Tags};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};

/// So many parts of a schema are tagged in one request, those of the previous version among them.
const PARTS_MAX: usize = 1_000;
/// Every tag, where tags are looked for.
const ANY: &str = "*";

/// What can have tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EntityType {
    /// A record, the schema of an object, a message.
    #[serde(rename = "sr_record")]
    Record,
    /// A field or a property.
    #[serde(rename = "sr_field")]
    Field,
}

/// A part of a schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Entity {
    /// Where it is.
    pub entity_path: String,
    /// What it is.
    pub entity_type: EntityType,
}

/// Tags of a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SchemaTags {
    /// Which.
    pub schema_entity: Entity,
    /// Its tags.
    pub tags: Vec<String>,
}

/// A new version of a schema with other tags.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TagSchema {
    /// The version that it must become; none: the next one.
    pub new_version: Option<i32>,
    /// Tags that parts get.
    pub tags_to_add: Option<Vec<SchemaTags>>,
    /// Tags that parts lose.
    pub tags_to_remove: Option<Vec<SchemaTags>>,
    /// Its metadata; none: those that it has.
    pub metadata: Option<Metadata>,
    /// Its rules; none: the previous version's.
    pub rule_set: Option<RuleSet>,
    /// Rules that come to the previous version's, or stand in their place where the names are equal.
    pub rules_to_merge: Option<RuleSet>,
    /// Names of rules that the previous version has, and this one is not to have.
    pub rules_to_remove: Option<Vec<String>>,
}

impl From<Part> for EntityType {
    fn from(part: Part) -> Self {
        match part {
            Part::Record => Self::Record,
            Part::Field => Self::Field,
        }
    }
}

impl From<EntityType> for Part {
    fn from(entity_type: EntityType) -> Self {
        match entity_type {
            EntityType::Record => Self::Record,
            EntityType::Field => Self::Field,
        }
    }
}

impl From<Tagged> for SchemaTags {
    fn from(Tagged { part, path, tags }: Tagged) -> Self {
        Self { schema_entity: Entity { entity_path: path, entity_type: part.into() }, tags }
    }
}

/// What is to be done to the parts of a schema, by where they are.
type Changes<'a> = BTreeMap<(&'a str, EntityType), Change>;

#[derive(Default)]
struct Change {
    add: Vec<String>,
    remove: Vec<String>,
}

/// All that is to be done to a part, together.
fn changes<'a>(add: &'a [SchemaTags], remove: &'a [SchemaTags]) -> Changes<'a> {
    let mut changes = Changes::new();
    for (tags, is_added) in add.iter().map(|tags| (tags, true)).chain(remove.iter().map(|tags| (tags, false))) {
        let change = changes.entry((tags.schema_entity.path(), tags.schema_entity.entity_type)).or_default();
        let list = if is_added { &mut change.add } else { &mut change.remove };
        list.extend(tags.tags.iter().cloned());
    }
    changes
}

impl Entity {
    /// The path as schemas have it: it may be given with a dot in front.
    fn path(&self) -> &str {
        self.entity_path.strip_prefix('.').unwrap_or(&self.entity_path)
    }
}

impl Parsed {
    fn tags(&self) -> &dyn Tags {
        match self {
            Self::Avro(schema) => &**schema,
            Self::Json(schema) => &**schema,
            Self::Protobuf(schema) => &**schema,
        }
    }

    /// All parts that have tags.
    fn tagged(&self) -> Result<Vec<SchemaTags>, Error> {
        let found = self.tags().tagged().map_err(|error| Error::InvalidSchema(error.to_string()))?;
        Ok(found.into_iter().map(SchemaTags::from).collect())
    }

    /// The text with other tags.
    fn retagged(&self, changes: &Changes<'_>, missing: Missing) -> Result<String, Error> {
        let changes = changes.iter().map(|((path, entity_type), change)| {
            let part = Part::from(*entity_type);
            Retag { part, path, add: &change.add, remove: &change.remove, missing }
        });
        let retagged = self.tags().retagged(&changes.collect::<Vec<_>>());
        retagged.map_err(|error| Error::InvalidSchema(error.to_string()))
    }
}

impl Registry {
    /// The parts of a schema of `context` that have one of these tags, each with all that it has; `*` is any tag.
    ///
    /// # Errors
    /// [`Error::InvalidSchema`].
    pub fn find_tags(&self, context: &Context, schema: &Schema, wanted: &[String]) -> Result<Vec<SchemaTags>, Error> {
        let mut found = self.parse(context, schema)?.tagged()?;
        let wanted: HashSet<&str> = wanted.iter().map(String::as_str).collect();
        let is_any = wanted.contains(ANY);
        found.retain(|part| is_any || part.tags.iter().any(|tag| wanted.contains(tag.as_str())));
        Ok(found)
    }

    /// The schema with the tags that a request asks for: the previous version's first, then its own changes.
    pub(crate) fn with_tags(
        &self,
        context: &Context,
        mut schema: Schema,
        request: &Register,
        previous: Option<&Schema>,
    ) -> Result<Schema, Error> {
        if let Some(previous) = previous.filter(|_| request.propagates_tags) {
            let tags = self.parse(context, previous)?.tagged()?;
            // What a part was told goes with the part.
            schema = self.retagged(context, schema, (&tags, &[]), Missing::Skip)?;
        }
        self.retagged(context, schema, (&request.tags_to_add, &request.tags_to_remove), Missing::Refuse)
    }

    fn retagged(
        &self,
        context: &Context,
        schema: Schema,
        (add, remove): (&[SchemaTags], &[SchemaTags]),
        missing: Missing,
    ) -> Result<Schema, Error> {
        if add.is_empty() && remove.is_empty() {
            return Ok(schema);
        }
        let changes = changes(add, remove);
        if changes.len() > PARTS_MAX {
            return Err(Error::TooLarge(format!("tags are given to more than {PARTS_MAX} parts")));
        }
        let text = self.parse(context, &schema)?.retagged(&changes, missing)?;
        Ok(Schema { text: text.into(), ..schema })
    }

    /// Registers a version of a subject anew, with other tags, metadata and rules.
    ///
    /// # Errors
    /// [`Error::SubjectNotFound`] or [`Error::VersionNotFound`] where there is no such version in the subject's own
    /// context; [`Error::InvalidSchema`] where a part is not there; those of [`Registry::register`].
    pub fn tag(&self, subject: &Subject, version: VersionId, request: &TagSchema) -> Result<Registered, Error> {
        let (found, version) = self.must_get(subject, version, Deleted::No)?;
        if found != *subject {
            return Err(Error::SubjectNotFound(subject.clone()));
        }
        let mut metadata = request.metadata.clone().or_else(|| version.schema.metadata.clone()).unwrap_or_default();
        // Registering puts the number of the version here.
        metadata.properties.insert(CONFLUENT_VERSION.to_owned(), String::new());
        let rule_set = self.changed_rules(subject, request)?;
        let schema = Schema { metadata: Some(metadata), rule_set, ..version.schema.clone() };
        let register = Register {
            schema,
            version: request.new_version.unwrap_or(0),
            tags_to_add: request.tags_to_add.clone().unwrap_or_default(),
            tags_to_remove: request.tags_to_remove.clone().unwrap_or_default(),
            ..Register::default()
        };
        self.register(subject, &register)
    }

    fn changed_rules(&self, subject: &Subject, request: &TagSchema) -> Result<Option<RuleSet>, Error> {
        if request.rules_to_merge.is_none() && request.rules_to_remove.is_none() {
            return Ok(request.rule_set.clone());
        }
        if let Some(merged) = &request.rules_to_merge {
            merged.check()?;
        }
        let previous = match request.new_version {
            Some(version) if version > 1 => VersionId::Number(version - 1),
            _ => VersionId::Latest,
        };
        let previous = self.get(subject, previous, Deleted::No).and_then(|version| version.schema.rule_set.as_ref());
        let merged = crate::contract::merge(previous, request.rules_to_merge.as_ref(), RuleSet::merged);
        let removed = request.rules_to_remove.as_deref().unwrap_or_default();
        Ok(merged.map(|rules| rules.without(removed)))
    }
}
