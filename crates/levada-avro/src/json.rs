//! JSON as Avro's schemas need it: the order of an object's members is kept, and what is written is what Java's
//! Jackson writes, number for number.
//!
//! `serde_json::Value` keeps neither, short of features that would change it for every crate of the workspace.

mod number;
mod reader;

pub use reader::JsonError;
pub(crate) use reader::{DEPTH_MAX, read};

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number without fraction and exponent that fits.
    Integer(i64),
    /// A number without fraction and exponent that does not, in its digits.
    LargeInteger(String),
    /// A number with fraction or exponent.
    Float(f64),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object, its members in the order of the text, no name twice.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// The member of that name, if this is an object that has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text, if this is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Appends the value, without whitespace.
    pub(crate) fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Integer(value) => out.push_str(&value.to_string()),
            Self::LargeInteger(digits) => out.push_str(digits),
            Self::Float(value) => number::write(*value, out),
            Self::String(text) => write_string(text, out),
            Self::Array(elements) => {
                out.push('[');
                for (index, element) in elements.iter().enumerate() {
                    separate(index, out);
                    element.write(out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (index, (name, value)) in members.iter().enumerate() {
                    separate(index, out);
                    write_string(name, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// The same with each object's members sorted by name, as Java sorts strings.
    pub(crate) fn sorted(&self) -> Self {
        match self {
            Self::Array(elements) => Self::Array(elements.iter().map(Self::sorted).collect()),
            Self::Object(members) => {
                let mut members: Vec<(String, Self)> =
                    members.iter().map(|(name, value)| (name.clone(), value.sorted())).collect();
                sort_as_java(&mut members, |(name, _)| name);
                Self::Object(members)
            }
            other => other.clone(),
        }
    }
}

impl std::fmt::Display for Json {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        self.write(&mut text);
        f.write_str(&text)
    }
}

/// Sorts by UTF-16, which differs from Rust's order beyond the basic plane.
pub(crate) fn sort_as_java<T>(items: &mut [T], key: impl Fn(&T) -> &String) {
    items.sort_by(|left, right| key(left).encode_utf16().cmp(key(right).encode_utf16()));
}

/// Appends a comma before every element but the first.
pub(crate) fn separate(index: usize, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
}

/// Appends `text` in quotes, escaped as Jackson escapes.
pub(crate) fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            c if c < ' ' => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests;
