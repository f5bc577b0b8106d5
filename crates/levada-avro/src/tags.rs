//! Tags within a schema: the property `confluent:tags` of a record or a field.
//!
//! A record is named by its full name, a field by that, a dot and its own. A name without a namespace means the first
//! record of that name, in whichever namespace.
//!
//! Source: `AvroSchema` of Confluent's registry 8.x, whose paths and order these are.

use crate::canonical;
use crate::error::Problem;
use crate::json::Json;
use crate::schema::{Kind, Record, Schema, TypeId};
use levada_tags::{Found, Part, Retag, TagError, Tagged, Tags, each_once};
use std::collections::{HashMap, HashSet, VecDeque};

/// The property that holds tags.
const TAGS: &str = "confluent:tags";

/// Where a part is in the list of types.
#[derive(Clone, Copy)]
enum Place {
    Record(TypeId),
    Field(TypeId, usize),
}

impl Tags for Schema {
    /// Those of references are among them.
    fn tagged(&self) -> Result<Vec<Tagged>, TagError> {
        enum Step {
            Type(TypeId),
            Field(TypeId, usize),
        }
        let mut found = Found::default();
        let mut seen = HashSet::new();
        let mut left = vec![Step::Type(self.root)];
        while let Some(step) = left.pop() {
            match step {
                Step::Type(id) => {
                    let Some(record) = self.record(id) else {
                        left.extend(self.kind(id).children().into_iter().rev().map(Step::Type));
                        continue;
                    };
                    if !seen.insert(id) {
                        continue;
                    }
                    let tags = tags_of(&self.node(id).properties).unwrap_or_default();
                    found.note(Part::Record, tags, || record.name.full().to_owned())?;
                    left.extend((0..record.fields.len()).rev().map(|index| Step::Field(id, index)));
                }
                Step::Field(id, index) => {
                    let Some(record) = self.record(id) else { continue };
                    let Some(field) = record.fields.get(index) else { continue };
                    let path = || format!("{}.{}", record.name.full(), field.name);
                    found.note(Part::Field, tags_of(&field.properties).unwrap_or_default(), path)?;
                    left.push(Step::Type(field.schema));
                }
            }
        }
        Ok(found.into_list())
    }

    fn retagged(&self, changes: &[Retag<'_>]) -> Result<String, TagError> {
        let mut schema = self.clone();
        let records = self.own_records();
        for change in changes {
            let place = self.find(&records, change.part, change.path);
            match place.and_then(|place| schema.properties_mut(place)) {
                Some(properties) => apply(properties, change)?,
                None => change.without_part()?,
            }
        }
        let line = canonical::line(&schema, schema.referenced.iter().map(String::as_str));
        line.map_err(|error| TagError::Text { reason: Problem::from(error).to_string() })
    }
}

impl Schema {
    /// Whether the outermost type is a record that has this field.
    #[must_use]
    pub fn has_top_level_field(&self, name: &str) -> bool {
        self.record(self.root).is_some_and(|record| record.fields.iter().any(|field| field.name == name))
    }

    fn record(&self, id: TypeId) -> Option<&Record> {
        match self.kind(id) {
            Kind::Record(record) => Some(record),
            _ => None,
        }
    }

    /// The records that the schema's own line defines, by full name, and by simple name the nearest to the outermost
    /// type.
    fn own_records(&self) -> HashMap<&str, TypeId> {
        let elsewhere: HashSet<&str> = self.referenced.iter().map(String::as_str).collect();
        let (mut records, mut shortened) = (HashMap::new(), HashMap::new());
        let mut seen = HashSet::new();
        let mut left = VecDeque::from([self.root]);
        while let Some(id) = left.pop_front() {
            let kind = self.kind(id);
            let is_known = kind.name().is_some_and(|name| elsewhere.contains(name.full()) || !seen.insert(id));
            if is_known {
                continue;
            }
            if let Kind::Record(record) = kind {
                records.insert(record.name.full(), id);
                shortened.entry(record.name.simple()).or_insert(id);
            }
            left.extend(kind.children());
        }
        // A simple name that is some record's full name means that one only if it is the nearest.
        records.extend(shortened);
        records
    }

    fn find(&self, records: &HashMap<&str, TypeId>, part: Part, path: &str) -> Option<Place> {
        match part {
            Part::Record => records.get(path).copied().map(Place::Record),
            Part::Field => {
                let (name, field) = path.rsplit_once('.')?;
                let id = *records.get(name)?;
                let index = self.record(id)?.fields.iter().position(|known| known.name == field)?;
                Some(Place::Field(id, index))
            }
        }
    }

    fn properties_mut(&mut self, place: Place) -> Option<&mut Vec<(String, Json)>> {
        match place {
            Place::Record(id) => Some(&mut self.nodes.get_mut(id.index())?.properties),
            Place::Field(id, index) => match &mut self.nodes.get_mut(id.index())?.kind {
                Kind::Record(record) => Some(&mut record.fields.get_mut(index)?.properties),
                _ => None,
            },
        }
    }
}

/// The tags among properties; none where there is something else in their place.
fn tags_of(properties: &[(String, Json)]) -> Option<Vec<String>> {
    let Some((_, value)) = properties.iter().find(|(name, _)| name == TAGS) else { return Some(Vec::new()) };
    let Json::Array(items) = value else { return None };
    let texts: Option<Vec<&str>> = items.iter().map(Json::as_str).collect();
    texts.map(each_once)
}

fn apply(properties: &mut Vec<(String, Json)>, change: &Retag<'_>) -> Result<(), TagError> {
    let mut tags = tags_of(properties).ok_or_else(|| TagError::NotTags { path: change.path.to_owned() })?;
    change.change(&mut tags);
    let value = Json::Array(tags.into_iter().map(Json::String).collect());
    let is_empty = value == Json::Array(Vec::new());
    match properties.iter_mut().find(|(name, _)| name == TAGS) {
        _ if is_empty => properties.retain(|(name, _)| name != TAGS),
        Some((_, known)) => *known = value,
        None => properties.push((TAGS.to_owned(), value)),
    }
    Ok(())
}
