//! The schema text: messages, their versions and fields.
//!
//! One message starts with a line in column 0, its fields are indented by two blanks each level:
//!
//! ```text
//! request FetchRequest key 1 versions 4-18 flexible 12+
//!   cluster_id string? 12+ tag 0 = null ignorable
//!   topics []FetchTopic
//!     topic string 4-12 ignorable
//! ```
//!
//! A message is `request`, `response`, `record_key`, `record_value` (these have a `key`, the API key or the record
//! type) or `data`. A field is a name, a type (`[]` for arrays, `?` for nullable in all its versions, `?7+` from
//! version 7), its versions where they are not those of what it stands in, `tag N` for a tagged field, `= default`
//! where that is not the zero of the type, and `ignorable` where a version without the field may drop its value.
//! A struct's fields stand under its first use, or under `struct Name` where several fields share it.

use anyhow::{Context, Result, bail, ensure};

/// What a message is for; with the API key or the record type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Request(i16),
    Response(i16),
    RecordKey(i16),
    RecordValue(i16),
    Data,
}

/// The versions from `first` to `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Versions {
    pub(crate) first: i16,
    pub(crate) last: i16,
}

impl Versions {
    pub(crate) fn contains(self, version: i16) -> bool {
        (self.first..=self.last).contains(&version)
    }
}

/// The type of a field or of the elements of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint16,
    Float64,
    Uuid,
    String,
    Bytes,
    Records,
    Struct(String),
    Array(Box<Type>),
}

/// One field of a struct.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: Type,
    pub(crate) versions: Versions,
    /// The versions in which it may be null.
    pub(crate) nullable: Option<Versions>,
    pub(crate) tag: Option<u32>,
    /// As the schema spells it; `None` is the zero of the type.
    pub(crate) default: Option<String>,
    pub(crate) ignorable: bool,
}

/// A struct, the message itself or one inside it.
#[derive(Clone, Debug)]
pub(crate) struct Struct {
    pub(crate) name: String,
    pub(crate) versions: Versions,
    pub(crate) fields: Vec<Field>,
}

/// A message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) versions: Versions,
    pub(crate) flexible_from: Option<i16>,
    /// The message itself first, then what stands in it, in order of first use.
    pub(crate) structs: Vec<Struct>,
}

/// Reads the messages of one schema file.
pub(crate) fn parse(text: &str) -> Result<Vec<Message>> {
    let mut messages: Vec<Message> = Vec::new();
    // The struct that each level of indentation adds to, as an index into the message's structs.
    let mut open: Vec<usize> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let at = || format!("line {}: `{line}`", index + 1);
        let words: Vec<&str> = line.split_whitespace().collect();
        let indent = line.len() - line.trim_start().len();
        if words.is_empty() {
            continue;
        }
        if indent == 0 {
            messages.push(message(&words).with_context(at)?);
            open = vec![0];
            continue;
        }
        let message = messages.last_mut().with_context(at)?;
        ensure!(indent % 2 == 0 && indent / 2 <= open.len(), "indentation in {}", at());
        open.truncate(indent / 2);
        let owner = *open.last().with_context(at)?;
        if let ["struct", name] = words[..] {
            message.structs.push(Struct { name: name.to_owned(), versions: message.versions, fields: Vec::new() });
            open.push(message.structs.len() - 1);
            continue;
        }
        let field = field(&words, message.structs[owner].versions).with_context(at)?;
        if let Some(name) = struct_name(&field.kind) {
            // Fields may follow; where none do, the struct is a shared one.
            message.structs.push(Struct { name: name.to_owned(), versions: field.versions, fields: Vec::new() });
            open.push(message.structs.len() - 1);
        }
        message.structs[owner].fields.push(field);
    }
    messages.into_iter().map(finish).collect()
}

/// Drops the placeholders of shared structs and checks that every struct has its fields.
fn finish(mut message: Message) -> Result<Message> {
    let described: Vec<String> =
        message.structs.iter().filter(|one| !one.fields.is_empty()).map(|one| one.name.clone()).collect();
    for (index, name) in described.iter().enumerate() {
        ensure!(!described[..index].contains(name), "{}: struct {name} is described twice", message.name);
    }
    let mut first = true;
    message.structs.retain(|one| std::mem::take(&mut first) || !one.fields.is_empty());
    for field in message.structs.iter().flat_map(|one| &one.fields) {
        if let Some(name) = struct_name(&field.kind) {
            ensure!(described.iter().any(|one| one == name), "{}: struct {name} has no fields", message.name);
        }
    }
    Ok(message)
}

/// The struct that a type is or holds.
pub(crate) fn struct_name(kind: &Type) -> Option<&str> {
    match kind {
        Type::Struct(name) => Some(name),
        Type::Array(element) => struct_name(element),
        _ => None,
    }
}

fn message(words: &[&str]) -> Result<Message> {
    let (kind, name, rest) = match words {
        ["data", name, rest @ ..] => (Kind::Data, name, rest),
        [kind, name, "key", key, rest @ ..] => {
            let key = key.parse()?;
            let kind = match *kind {
                "request" => Kind::Request(key),
                "response" => Kind::Response(key),
                "record_key" => Kind::RecordKey(key),
                "record_value" => Kind::RecordValue(key),
                other => bail!("`{other}` is no kind of message"),
            };
            (kind, name, rest)
        }
        _ => bail!("a message starts with its kind and name"),
    };
    let ["versions", versions, "flexible", flexible] = rest else { bail!("`versions` and `flexible` are missing") };
    let all = Versions { first: 0, last: i16::MAX };
    let versions = self::versions(versions, all)?;
    let flexible_from = match *flexible {
        "none" => None,
        range => Some(self::versions(range, all)?.first),
    };
    let structs = vec![Struct { name: (*name).to_owned(), versions, fields: Vec::new() }];
    Ok(Message { name: (*name).to_owned(), kind, versions, flexible_from, structs })
}

fn field(words: &[&str], within: Versions) -> Result<Field> {
    let [name, kind, rest @ ..] = words else { bail!("a field has a name and a type") };
    let mut rest = rest;
    let mut range = within;
    if let [first, others @ ..] = rest
        && first.starts_with(|first: char| first.is_ascii_digit())
    {
        range = versions(first, within)?;
        rest = others;
    }
    let (kind, nullable) = match kind.split_once('?') {
        None => (*kind, None),
        Some((kind, "")) => (kind, Some(range)),
        Some((kind, from)) => (kind, Some(versions(from, range)?)),
    };
    let mut field = Field {
        name: (*name).to_owned(),
        kind: self::kind(kind)?,
        versions: range,
        nullable,
        tag: None,
        default: None,
        ignorable: false,
    };
    loop {
        match rest {
            [] => return Ok(field),
            ["tag", tag, others @ ..] => {
                field.tag = Some(tag.parse()?);
                rest = others;
            }
            ["=", default, others @ ..] => {
                field.default = Some((*default).to_owned());
                rest = others;
            }
            ["ignorable", others @ ..] => {
                field.ignorable = true;
                rest = others;
            }
            [other, ..] => bail!("`{other}` is not understood"),
        }
    }
}

fn versions(text: &str, within: Versions) -> Result<Versions> {
    let (first, last) = if let Some(first) = text.strip_suffix('+') {
        (first.parse()?, within.last)
    } else if let Some((first, last)) = text.split_once('-') {
        (first.parse()?, last.parse()?)
    } else {
        (text.parse()?, text.parse()?)
    };
    ensure!(within.first <= first && first <= last && last <= within.last, "versions `{text}` are out of range");
    Ok(Versions { first, last })
}

fn kind(text: &str) -> Result<Type> {
    if let Some(element) = text.strip_prefix("[]") {
        return Ok(Type::Array(Box::new(kind(element)?)));
    }
    Ok(match text {
        "bool" => Type::Bool,
        "int8" => Type::Int8,
        "int16" => Type::Int16,
        "int32" => Type::Int32,
        "int64" => Type::Int64,
        "uint16" => Type::Uint16,
        "float64" => Type::Float64,
        "uuid" => Type::Uuid,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "records" => Type::Records,
        name if name.starts_with(|first: char| first.is_ascii_uppercase()) => Type::Struct(name.to_owned()),
        other => bail!("`{other}` is no type"),
    })
}

#[cfg(test)]
mod tests;
