//! Tags within a schema: `(confluent.message_meta).tags` of a message and `(confluent.field_meta).tags` of a field.
//!
//! A message is named by its own name and those of the messages around it, without the package; a field by that, a dot
//! and its own. The name of its oneof may stand between.
//!
//! Source: `ProtobufSchema` and `ProtobufSchemaUtils` of Confluent's registry 8.x, whose paths these are.

use crate::ast::{self, Field, File, Message, OptionElement, OptionValue};
use crate::{Schema, print};
use levada_tags::{Found, Part, Retag, TagError, Tagged, Tags, each_once};

const MESSAGE_META: &str = "confluent.message_meta";
const FIELD_META: &str = "confluent.field_meta";
const TAGS: &str = "tags";

impl Tags for Schema {
    /// What is imported is not looked at.
    fn tagged(&self) -> Result<Vec<Tagged>, TagError> {
        let mut found = Found::default();
        ast::messages(&self.file.types).try_for_each(|message| note_message(&mut found, message, ""))?;
        Ok(found.into_list())
    }

    fn retagged(&self, changes: &[Retag<'_>]) -> Result<String, TagError> {
        let mut file = self.file.clone();
        for change in changes {
            match options_of(&mut file, change) {
                Some(options) => apply(options, change),
                None => change.without_part()?,
            }
        }
        Ok(print::print(&file))
    }
}

impl Schema {
    /// Whether the first message has a field of that name.
    #[must_use]
    pub fn has_top_level_field(&self, name: &str) -> bool {
        let first = ast::messages(&self.file.types).next();
        first.is_some_and(|message| {
            let within = message.oneofs.iter().flat_map(|oneof| &oneof.fields);
            message.fields.iter().chain(within).any(|field| field.name == name)
        })
    }
}

/// Recurses as deep as messages nest: boundedly.
fn note_message(found: &mut Found, message: &Message, scope: &str) -> Result<(), TagError> {
    let path = ast::full_name(scope, &message.name);
    found.note(Part::Record, tags_of(&message.options, MESSAGE_META), || path.clone())?;
    message.fields.iter().try_for_each(|field| note_field(found, field, &path))?;
    for oneof in &message.oneofs {
        let scope = format!("{path}.{}", oneof.name);
        oneof.fields.iter().try_for_each(|field| note_field(found, field, &scope))?;
    }
    message.messages().try_for_each(|nested| note_message(found, nested, &path))
}

fn note_field(found: &mut Found, field: &Field, scope: &str) -> Result<(), TagError> {
    found.note(Part::Field, tags_of(&field.options, FIELD_META), || format!("{scope}.{}", field.name))
}

const fn meta(part: Part) -> &'static str {
    match part {
        Part::Record => MESSAGE_META,
        Part::Field => FIELD_META,
    }
}

/// What follows the option `meta` in an option's name: nothing, or a field within.
fn within<'a>(option: &'a OptionElement, meta: &str) -> Option<&'a str> {
    let (name, rest) = option.name.strip_prefix('(')?.split_once(')')?;
    (name.strip_prefix('.').unwrap_or(name) == meta).then(|| rest.strip_prefix('.').unwrap_or(rest))
}

fn tags_of(options: &[OptionElement], meta: &str) -> Vec<String> {
    let mut values = Vec::new();
    for option in options {
        match (within(option, meta), &option.value) {
            (Some(""), OptionValue::Message(fields)) => {
                values.extend(fields.iter().filter(|(name, _)| name == TAGS).map(|(_, value)| value));
            }
            (Some(TAGS), value) => values.push(value),
            _ => {}
        }
    }
    let texts = values.into_iter().flat_map(|value| match value {
        OptionValue::List(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    });
    let texts = texts.filter_map(|value| match value {
        OptionValue::Text(bytes) => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    });
    each_once(texts)
}

fn options_of<'a>(file: &'a mut File, change: &Retag<'_>) -> Option<&'a mut Vec<OptionElement>> {
    let mut names: Vec<&str> = change.path.split('.').collect();
    let last = if change.part == Part::Field { names.pop() } else { None };
    let mut names = names.into_iter().peekable();
    let mut message = nested(&mut file.types, names.next()?)?;
    while let Some(name) = names.next() {
        let is_there = message.messages().any(|nested| nested.name == name);
        if is_there {
            message = nested(&mut message.types, name)?;
        } else if names.peek().is_none() {
            let oneof = message.oneofs.iter_mut().find(|oneof| oneof.name == name)?;
            return named(&mut oneof.fields, last?);
        } else {
            return None;
        }
    }
    let Some(field) = last else { return Some(&mut message.options) };
    if message.fields.iter().any(|known| known.name == field) {
        return named(&mut message.fields, field);
    }
    message.oneofs.iter_mut().find_map(|oneof| named(&mut oneof.fields, field))
}

fn nested<'a>(types: &'a mut [ast::Type], name: &str) -> Option<&'a mut Message> {
    types.iter_mut().find_map(|declared| match declared {
        ast::Type::Message(message) if message.name == name => Some(message),
        _ => None,
    })
}

fn named<'a>(fields: &'a mut [Field], name: &str) -> Option<&'a mut Vec<OptionElement>> {
    fields.iter_mut().find(|field| field.name == name).map(|field| &mut field.options)
}

/// Writes the tags in one option, together with what else the option says.
fn apply(options: &mut Vec<OptionElement>, change: &Retag<'_>) {
    let meta = meta(change.part);
    let mut tags = tags_of(options, meta);
    change.change(&mut tags);
    let place = options.iter().position(|option| within(option, meta).is_some());
    // `default` and `json_name` stay last.
    let is_last = |option: &&OptionElement| matches!(option.name.as_str(), "default" | "json_name");
    let end = options.len() - options.iter().rev().take_while(is_last).count();
    let mut fields: Vec<(String, OptionValue)> = Vec::new();
    for option in options.extract_if(.., |option| within(option, meta).is_some()) {
        let path = within(&option, meta).unwrap_or_default();
        match (path, &option.value) {
            ("", OptionValue::Message(members)) => fields.extend(members.iter().cloned()),
            ("", _) => {}
            (path, value) => put(&mut fields, path, value.clone()),
        }
    }
    let written = OptionValue::List(tags.iter().map(|tag| OptionValue::Text(tag.clone().into_bytes())).collect());
    let known = fields.iter().position(|(name, _)| name == TAGS);
    fields.retain(|(name, _)| name != TAGS);
    if !tags.is_empty() {
        fields.insert(known.unwrap_or(fields.len()).min(fields.len()), (TAGS.to_owned(), written));
    }
    if !fields.is_empty() {
        let option = OptionElement { name: format!("({meta})"), value: OptionValue::Message(fields) };
        options.insert(place.unwrap_or(end), option);
    }
}

/// Sets a field within, however deep.
fn put(fields: &mut Vec<(String, OptionValue)>, path: &str, value: OptionValue) {
    match path.split_once('.') {
        None => fields.push((path.to_owned(), value)),
        Some((name, rest)) => {
            let known = fields.iter_mut().find_map(|(known, value)| match value {
                OptionValue::Message(inner) if known == name => Some(inner),
                _ => None,
            });
            if let Some(inner) = known {
                return put(inner, rest, value);
            }
            let mut inner = Vec::new();
            put(&mut inner, rest, value);
            fields.push((name.to_owned(), OptionValue::Message(inner)));
        }
    }
}
