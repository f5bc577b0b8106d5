//! A `.proto` file as it is written: what the parser reads, the printer prints, and normalisation rearranges.
//!
//! Names of types stay as they were written; what they resolve to, `compile` knows. Comments are not kept.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

/// A file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) syntax: Option<Syntax>,
    pub(crate) package: Option<String>,
    pub(crate) imports: Vec<String>,
    pub(crate) public_imports: Vec<String>,
    pub(crate) weak_imports: Vec<String>,
    pub(crate) options: Vec<OptionElement>,
    pub(crate) types: Vec<Type>,
    pub(crate) extends: Vec<Extend>,
    pub(crate) services: Vec<Service>,
}

impl File {
    /// All that it imports, each once.
    pub(crate) fn all_imports(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        let all = self.imports.iter().chain(&self.public_imports).chain(&self.weak_imports);
        let mut known = HashSet::new();
        names.extend(all.map(String::as_str).filter(|name| known.insert(*name)));
        names
    }
}

/// The language that a file is written in; where none is named, it is proto2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syntax {
    Proto2,
    Proto3,
}

impl fmt::Display for Syntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Proto2 => "proto2",
            Self::Proto3 => "proto3",
        })
    }
}

/// The name of something within `scope`, which is empty for a file without a package.
pub(crate) fn full_name(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

/// A message or an enum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Message(Message),
    Enum(Enum),
}

/// A message, or what stands between the braces of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) name: String,
    /// One a statement.
    pub(crate) reserved: Vec<Vec<Reserved>>,
    pub(crate) options: Vec<OptionElement>,
    pub(crate) fields: Vec<Field>,
    pub(crate) oneofs: Vec<Oneof>,
    pub(crate) groups: Vec<Group>,
    pub(crate) extensions: Vec<Extensions>,
    pub(crate) types: Vec<Type>,
    pub(crate) extends: Vec<Extend>,
}

impl Message {
    /// The messages within, in order.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &Message> {
        messages(&self.types)
    }

    /// Whether it stands for the entries of a map, as clients print the schemas that they compiled.
    pub(crate) fn is_map_entry(&self) -> bool {
        let is_set =
            |option: &OptionElement| option.name == "map_entry" && option.value == OptionValue::Word("true".to_owned());
        self.options.iter().any(is_set)
    }

    /// For each field the entry message of the map that it is, where it is written as clients print what they
    /// compiled: `repeated Outer.NameEntry name`, with `NameEntry` among the messages within. `scope` is the full name
    /// of this message.
    pub(crate) fn maps(&self, scope: &str) -> Vec<Option<MapEntry<'_>>> {
        let entries = self.messages().enumerate().filter(|(_, message)| message.is_map_entry());
        let entries: HashMap<&str, MapEntry<'_>> = entries
            .filter_map(|(place, message)| Some((message.name.as_str(), MapEntry::of(place, message)?)))
            .collect();
        if entries.is_empty() {
            return vec![None; self.fields.len()];
        }
        let of = |field: &Field| {
            let (Some(Label::Repeated), FieldType::Named(written)) = (field.label, &field.kind) else { return None };
            let last = written.rsplit('.').next().unwrap_or_default();
            let full = format!(".{scope}.{last}");
            let is_meant = if written.starts_with('.') {
                full == *written
            } else {
                full.strip_suffix(written.as_str()).is_some_and(|before| before.ends_with('.'))
            };
            entries.get(last).copied().filter(|_| is_meant)
        };
        self.fields.iter().map(of).collect()
    }
}

/// The entries of a map, as a message of their own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MapEntry<'a> {
    /// Its place among the messages next to it.
    pub(crate) place: usize,
    key: &'a str,
    value: &'a str,
}

impl<'a> MapEntry<'a> {
    fn of(place: usize, entry: &'a Message) -> Option<Self> {
        let member = |number: i32| match entry.fields.iter().find(|member| member.number == number).map(|it| &it.kind) {
            Some(FieldType::Named(name)) => Some(name.as_str()),
            _ => None,
        };
        let (key, value) = (member(1)?, member(2)?);
        (entry.fields.len() == 2).then_some(Self { place, key, value })
    }

    /// The map that `field` is.
    pub(crate) fn written(&self, field: &Field) -> Field {
        let kind = FieldType::Map { key: self.key.to_owned(), value: self.value.to_owned() };
        Field { label: None, kind, ..field.clone() }
    }
}

/// The messages among `types`, in order.
pub(crate) fn messages(types: &[Type]) -> impl Iterator<Item = &Message> {
    types.iter().filter_map(|declared| match declared {
        Type::Message(message) => Some(message),
        Type::Enum(_) => None,
    })
}

/// A number, a range or a name that must not be used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reserved {
    Number(i32),
    /// From and to, both within.
    Range(i32, i32),
    Name(Vec<u8>),
}

/// Numbers that others may extend a message with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extensions {
    pub(crate) ranges: Vec<Reserved>,
    pub(crate) options: Vec<OptionElement>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    Optional,
    Required,
    Repeated,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Optional => "optional",
            Self::Required => "required",
            Self::Repeated => "repeated",
        })
    }
}

/// A field, of a message, a oneof or an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) label: Option<Label>,
    pub(crate) kind: FieldType,
    pub(crate) name: String,
    pub(crate) number: i32,
    /// `default` and `json_name` last.
    pub(crate) options: Vec<OptionElement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FieldType {
    Named(String),
    Map { key: String, value: String },
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::Map { key, value } => write!(f, "map<{key}, {value}>"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Oneof {
    pub(crate) name: String,
    pub(crate) options: Vec<OptionElement>,
    pub(crate) fields: Vec<Field>,
    pub(crate) groups: Vec<Group>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) label: Option<Label>,
    pub(crate) number: i32,
    pub(crate) options: Vec<OptionElement>,
    pub(crate) body: Message,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Enum {
    pub(crate) name: String,
    pub(crate) reserved: Vec<Vec<Reserved>>,
    pub(crate) options: Vec<OptionElement>,
    pub(crate) values: Vec<EnumValue>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EnumValue {
    pub(crate) name: String,
    pub(crate) number: i32,
    pub(crate) options: Vec<OptionElement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extend {
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
    pub(crate) groups: Vec<Group>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) options: Vec<OptionElement>,
    pub(crate) methods: Vec<Method>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Method {
    pub(crate) name: String,
    pub(crate) request: MethodType,
    pub(crate) response: MethodType,
    pub(crate) options: Vec<OptionElement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MethodType {
    pub(crate) is_stream: bool,
    pub(crate) name: String,
}

/// `name = value`; the name with its parentheses, as in `(confluent.field_meta).doc`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OptionElement {
    pub(crate) name: String,
    pub(crate) value: OptionValue,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OptionValue {
    /// A number, a boolean or a value of an enum, as written.
    Word(String),
    /// The bytes that a string stands for.
    Text(Vec<u8>),
    /// Each name once; what is written more than once is a list.
    Message(Vec<(String, OptionValue)>),
    List(Vec<OptionValue>),
}
