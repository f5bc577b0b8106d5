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
use levada_tags::{Found, Part, Retag, TagError, Tagged, Tags, each_once};
use order::{Facet, facets, in_order, types};

/// The keyword that holds tags.
const TAGS: &str = "confluent:tags";
/// Where schemas are defined for others.
const DEFINITIONS: [&str; 2] = ["definitions", "$defs"];

impl Tags for Schema {
    /// What other texts have is not looked at.
    fn tagged(&self) -> Result<Vec<Tagged>, TagError> {
        let mut walk = Walk { path: String::new(), found: Found::default() };
        walk.schema(&self.json()?, Within::Nothing)?;
        Ok(walk.found.into_list())
    }

    fn retagged(&self, changes: &[Retag<'_>]) -> Result<String, TagError> {
        let mut json = self.json()?;
        for change in changes {
            let steps = find::find(&json, change.part, change.path);
            match steps.and_then(|steps| json.at_mut(&steps)) {
                Some(Json::Object(object)) => apply(object, change)?,
                _ => change.without_part()?,
            }
        }
        Ok(json.to_string())
    }
}

impl Schema {
    /// What the canonical text says.
    fn json(&self) -> Result<Json, TagError> {
        parse_json(self.canonical(), BOUNDS).map_err(|error| TagError::Text { reason: error.to_string() })
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
    found: Found,
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
        let tags = json.as_object().and_then(tags_of).unwrap_or_default();
        self.found.note(part, tags, || format!("{}{last}", self.path))
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
    texts.map(each_once)
}

fn apply(object: &mut Object, change: &Retag<'_>) -> Result<(), TagError> {
    let mut tags = tags_of(object).ok_or_else(|| TagError::NotTags { path: change.path.to_owned() })?;
    change.change(&mut tags);
    let value = (!tags.is_empty()).then(|| Json::Array(tags.into_iter().map(Json::String).collect()));
    object.set(TAGS, value);
    Ok(())
}
