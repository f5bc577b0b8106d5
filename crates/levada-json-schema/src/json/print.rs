//! Writing: minified, strings escaped no more than JSON asks.

use super::{Json, Object};
use std::fmt::{self, Display, Formatter, Write};

impl Display for Json {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write(self, Order::Written, f)
    }
}

#[derive(Clone, Copy)]
enum Order {
    Written,
    ByKey,
}

/// A document with the keys of each object sorted.
pub(crate) struct Sorted<'a>(&'a Json);

impl Json {
    /// To be written with the keys of each object sorted as Java sorts strings: by UTF-16 units.
    pub(crate) const fn sorted(&self) -> Sorted<'_> {
        Sorted(self)
    }
}

impl Display for Sorted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write(self.0, Order::ByKey, f)
    }
}

fn write(json: &Json, order: Order, f: &mut Formatter<'_>) -> fmt::Result {
    match json {
        Json::Null => f.write_str("null"),
        Json::Bool(value) => write!(f, "{value}"),
        Json::Number(number) => f.write_str(&number.text),
        Json::String(text) => write_string(text, f),
        Json::Array(items) => {
            f.write_char('[')?;
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    f.write_char(',')?;
                }
                write(item, order, f)?;
            }
            f.write_char(']')
        }
        Json::Object(object) => write_object(object, order, f),
    }
}

fn write_object(object: &Object, order: Order, f: &mut Formatter<'_>) -> fmt::Result {
    let mut entries: Vec<(&str, &Json)> = object.iter().collect();
    if matches!(order, Order::ByKey) {
        entries.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    }
    f.write_char('{')?;
    for (index, (key, value)) in entries.into_iter().enumerate() {
        if index > 0 {
            f.write_char(',')?;
        }
        write_string(key, f)?;
        f.write_char(':')?;
        write(value, order, f)?;
    }
    f.write_char('}')
}

fn write_string(text: &str, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\u{8}' => f.write_str("\\b")?,
            '\u{c}' => f.write_str("\\f")?,
            c if c < ' ' => write!(f, "\\u{:04X}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}
