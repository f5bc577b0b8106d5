//! Tags within a schema: the keyword `confluent:tags` of an object's schema or of a property's.
//!
//! | step of a path | leads to |
//! |---|---|
//! | `object` | the schema itself, taken as that of an object; ends the path of a record |
//! | a property's name, behind `object` | that property; its name may have dots |
//! | `definitions`, `$defs`, and a name, behind `object` | what is defined there |
//! | `array` | `items` |
//! | `allof`, `anyof`, `oneof`, and a number | an alternative, counted in [`order`]'s order |
//! | `not` | `not` |
//! | `conditional`, and `if`, `then` or `else` | that part |
//!
//! `allof` and `anyof` lead nowhere else where there is no such keyword: so paths tell apart what one schema says of a
//! type, of a list of types, and beside that.
//!
//! Source: `JsonSchema` and `JsonSchemaUtils` of Confluent's registry 8.x, whose paths these are. It has other ones for
//! what stands beside `allOf`, which it does not find again.

mod find;
mod order;

use crate::json::parser::parse as parse_json;
use crate::json::{Json, Object};
use crate::schema::{BOUNDS, Schema};
use order::{Facet, facets, in_order, types};
use std::collections::HashSet;

/// The keyword that holds tags.
const TAGS: &str = "confluent:tags";
/// How many bytes the paths of all parts with tags may have together.
pub const PATHS_BYTES_MAX: usize = 4 << 20;
/// Where schemas are defined for others.
const DEFINITIONS: [&str; 2] = ["definitions", "$defs"];

/// What can have tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The schema of an object.
    Record,
    /// A property.
    Field,
}

/// A part that has tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// What it is.
    pub part: Part,
    /// Where it is.
    pub path: String,
    /// Its tags in the order of the text, each once.
    pub tags: Vec<String>,
}

/// A change of the tags of a part.
#[derive(Clone, Copy, Debug)]
pub struct Retag<'a> {
    /// What it is.
    pub part: Part,
    /// Where it is.
    pub path: &'a str,
    /// Tags that it gets, behind those that it has.
    pub add: &'a [String],
    /// Tags that it loses, those that it gets among them.
    pub remove: &'a [String],
    /// What to do where there is no such part.
    pub missing: Missing,
}

/// What to do where a part is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Change nothing at all.
    Refuse,
    /// Go on with the others.
    Skip,
}

/// Why tags are not found, or not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// The schema's own text has no such part, or it is `true` or `false`, which can have no tags.
    #[error("the schema has no {} `{path}` that can have tags", word(*part))]
    NoSuchPart {
        /// What was looked for.
        part: Part,
        /// Where.
        path: String,
    },
    /// What stands in the place of tags would be lost.
    #[error("`confluent:tags` of `{path}` is no list of texts")]
    NotTags {
        /// Where.
        path: String,
    },
    /// The paths of all parts with tags are too long together.
    #[error("the paths of all parts with tags have more than {limit} bytes together")]
    TooLong {
        /// How many bytes they may have.
        limit: usize,
    },
}

const fn word(part: Part) -> &'static str {
    match part {
        Part::Record => "object",
        Part::Field => "property",
    }
}

impl Schema {
    /// All parts that have tags, in the order of the text; what other texts have is not looked at.
    ///
    /// # Errors
    /// [`TagError::TooLong`].
    pub fn tagged(&self) -> Result<Vec<Tagged>, TagError> {
        let json = self.json();
        let mut walk = Walk { path: String::new(), found: Vec::new(), paths_bytes: 0 };
        walk.schema(&json, Within::Nothing)?;
        Ok(walk.found)
    }

    /// The canonical text of the schema with other tags.
    ///
    /// # Errors
    /// [`TagError`]; parts of references cannot be changed here.
    pub fn retagged(&self, changes: &[Retag<'_>]) -> Result<String, TagError> {
        let mut json = self.json();
        for change in changes {
            let steps = find::find(&json, change.part, change.path);
            match (steps.and_then(|steps| json.at_mut(&steps)), change.missing) {
                (Some(Json::Object(object)), _) => apply(object, change)?,
                (_, Missing::Skip) => {}
                (_, Missing::Refuse) => {
                    return Err(TagError::NoSuchPart { part: change.part, path: change.path.to_owned() });
                }
            }
        }
        Ok(json.to_string())
    }

    /// What the canonical text says.
    fn json(&self) -> Json {
        // It was read within the same bounds, and is not longer than what it was printed of.
        parse_json(self.canonical(), BOUNDS).unwrap_or(Json::Bool(true))
    }
}

/// What a schema describes, as tags count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    /// A property, whose tags are noted already.
    Property,
    /// Anything else.
    Nothing,
}

struct Walk {
    /// Up to what is looked at; ends in a dot.
    path: String,
    found: Vec<Tagged>,
    paths_bytes: usize,
}

impl Walk {
    /// Goes one step down. Recurses as deep as the text nests: boundedly.
    fn under(
        &mut self,
        step: std::fmt::Arguments<'_>,
        walk: impl FnOnce(&mut Self) -> Result<(), TagError>,
    ) -> Result<(), TagError> {
        let end = self.path.len();
        self.path.push_str(&step.to_string());
        self.path.push('.');
        walk(self)?;
        self.path.truncate(end);
        Ok(())
    }

    fn note(&mut self, part: Part, last: &str, json: &Json) -> Result<(), TagError> {
        let Some(tags) = json.as_object().and_then(tags_of).filter(|tags| !tags.is_empty()) else { return Ok(()) };
        self.paths_bytes += self.path.len() + last.len();
        if self.paths_bytes > PATHS_BYTES_MAX {
            return Err(TagError::TooLong { limit: PATHS_BYTES_MAX });
        }
        self.found.push(Tagged { part, path: format!("{}{last}", self.path), tags });
        Ok(())
    }

    fn schema(&mut self, json: &Json, within: Within) -> Result<(), TagError> {
        let facets = facets(json);
        // Where a schema says several things, they are alternatives all of which hold.
        let is_wrapped = facets.len() > 1 && json.get("allOf").is_none();
        for (index, facet) in facets.into_iter().enumerate() {
            if is_wrapped {
                self.under(format_args!("allof.{index}"), |walk| walk.facet(json, facet, within))?;
            } else {
                self.facet(json, facet, within)?;
            }
        }
        Ok(())
    }

    fn facet(&mut self, json: &Json, facet: Facet, within: Within) -> Result<(), TagError> {
        match facet {
            Facet::Combined(keyword) => {
                let alternatives = json.get(keyword).and_then(Json::as_array).unwrap_or_default();
                for (index, (_, alternative)) in in_order(alternatives).into_iter().enumerate() {
                    let step = format_args!("{}.{index}", keyword.to_ascii_lowercase());
                    self.under(step, |walk| walk.schema(alternative, Within::Nothing))?;
                }
                Ok(())
            }
            Facet::Conditional => {
                for keyword in ["if", "then", "else"] {
                    let Some(part) = json.get(keyword) else { continue };
                    self.under(format_args!("conditional.{keyword}"), |walk| walk.schema(part, Within::Nothing))?;
                }
                Ok(())
            }
            Facet::Not => match json.get("not") {
                Some(inner) => self.under(format_args!("not"), |walk| walk.schema(inner, Within::Nothing)),
                None => Ok(()),
            },
            Facet::Types => {
                for (index, name) in types(json).into_iter().enumerate() {
                    if json.get("anyOf").is_some() {
                        self.of_type(json, name, within)?;
                    } else {
                        self.under(format_args!("anyof.{index}"), |walk| walk.of_type(json, name, within))?;
                    }
                }
                Ok(())
            }
            Facet::Type(name) => self.of_type(json, name, within),
            Facet::Const | Facet::Enum | Facet::Reference => Ok(()),
        }
    }

    fn of_type(&mut self, json: &Json, name: &str, within: Within) -> Result<(), TagError> {
        match (name, json.get("items")) {
            ("array", Some(items)) => self.under(format_args!("array"), |walk| walk.schema(items, Within::Nothing)),
            ("object", _) => self.object(json, within),
            _ => Ok(()),
        }
    }

    fn object(&mut self, json: &Json, within: Within) -> Result<(), TagError> {
        if within == Within::Nothing {
            self.note(Part::Record, "object", json)?;
        }
        self.under(format_args!("object"), |walk| {
            for (name, property) in json.get("properties").and_then(Json::as_object).into_iter().flat_map(Object::iter)
            {
                walk.note(Part::Field, name, property)?;
                walk.under(format_args!("{name}"), |walk| walk.schema(property, Within::Property))?;
            }
            for keyword in DEFINITIONS {
                let defined = json.get(keyword).and_then(Json::as_object).into_iter().flat_map(Object::iter);
                for (name, schema) in defined {
                    walk.under(format_args!("{keyword}.{name}"), |walk| walk.schema(schema, Within::Nothing))?;
                }
            }
            Ok(())
        })
    }
}

/// The tags of a schema; none where there is something else in their place.
fn tags_of(object: &Object) -> Option<Vec<String>> {
    let Some(value) = object.get(TAGS) else { return Some(Vec::new()) };
    let texts: Option<Vec<&str>> = value.as_array()?.iter().map(Json::as_str).collect();
    let mut seen = HashSet::new();
    Some(texts?.into_iter().filter(|tag| seen.insert(*tag)).map(str::to_owned).collect())
}

fn apply(object: &mut Object, change: &Retag<'_>) -> Result<(), TagError> {
    let mut tags = tags_of(object).ok_or_else(|| TagError::NotTags { path: change.path.to_owned() })?;
    change_tags(&mut tags, change);
    let value = (!tags.is_empty()).then(|| Json::Array(tags.into_iter().map(Json::String).collect()));
    object.set(TAGS, value);
    Ok(())
}

/// Adds and removes tags, each once, however many there are.
fn change_tags(tags: &mut Vec<String>, change: &Retag<'_>) {
    let mut known: HashSet<String> = tags.iter().cloned().collect();
    tags.extend(change.add.iter().filter(|tag| known.insert((*tag).clone())).cloned());
    let removed: HashSet<&String> = change.remove.iter().collect();
    tags.retain(|tag| !removed.contains(tag));
}
