//! Text to [`Json`]: strict as Jackson is, with the comments that Avro's parser lets pass.

use super::Json;
use std::collections::BTreeMap;

/// How deep arrays and objects may be nested: a hundred records within each other, in a stack of 1 MiB.
pub(crate) const DEPTH_MAX: usize = 300;

/// Where a text stops being JSON, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not JSON at line {line}, column {column}: {reason}")]
pub struct JsonError {
    /// Counts from 1.
    pub line: usize,
    /// Counts characters from 1.
    pub column: usize,
    /// What is wrong there.
    pub reason: String,
}

/// Reads a text that is one value.
///
/// # Errors
/// [`JsonError`] where it is none, or is nested too deep.
pub(crate) fn read(text: &str) -> Result<Json, JsonError> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    reader.value().and_then(|value| reader.end().map(|()| value)).map_err(|reason| reader.error(reason))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

type Outcome<T> = Result<T, String>;

impl Reader<'_> {
    fn error(&self, reason: String) -> JsonError {
        let before = self.text.get(..self.at).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |index| index + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        JsonError { line: before.matches('\n').count() + 1, column, reason }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Skips whitespace and comments.
    fn space(&mut self) -> Outcome<()> {
        loop {
            while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
                self.at += 1;
            }
            if self.rest().starts_with("//") {
                self.at += self.rest().find('\n').unwrap_or(self.rest().len());
            } else if self.rest().starts_with("/*") {
                let inside = self.rest().get(2..).unwrap_or_default();
                let length = inside.find("*/").ok_or("a comment does not end")?;
                self.at += length + 4;
            } else {
                return Ok(());
            }
        }
    }

    fn end(&mut self) -> Outcome<()> {
        let rest = self.rest();
        match rest.find(|c| c > ' ') {
            None => Ok(()),
            Some(index) => {
                self.at += index;
                Err("the value is over, but the text is not".to_owned())
            }
        }
    }

    fn value(&mut self) -> Outcome<Json> {
        self.space()?;
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => Ok(Json::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Outcome<Json>) -> Outcome<Json> {
        if self.depth >= DEPTH_MAX {
            return Err(format!("nested deeper than {DEPTH_MAX}"));
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn word(&mut self) -> Outcome<Json> {
        let rest = self.rest();
        let length = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
        let value = match rest.get(..length) {
            Some("null") => Json::Null,
            Some("true") => Json::Bool(true),
            Some("false") => Json::Bool(false),
            _ => return Err("a value was expected".to_owned()),
        };
        self.at += length;
        Ok(value)
    }

    fn array(&mut self) -> Outcome<Json> {
        let mut elements = Vec::new();
        self.space()?;
        if self.take(b']') {
            return Ok(Json::Array(elements));
        }
        loop {
            elements.push(self.value()?);
            self.space()?;
            if self.take(b']') {
                return Ok(Json::Array(elements));
            }
            if !self.take(b',') {
                return Err("`,` or `]` was expected".to_owned());
            }
        }
    }

    fn object(&mut self) -> Outcome<Json> {
        let mut members = Vec::new();
        self.space()?;
        if self.take(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            self.space()?;
            if self.peek() != Some(b'"') {
                return Err("the name of a member was expected".to_owned());
            }
            let name = self.string()?;
            self.space()?;
            if !self.take(b':') {
                return Err("`:` was expected".to_owned());
            }
            members.push((name, self.value()?));
            self.space()?;
            if self.take(b'}') {
                return Ok(Json::Object(last_of_each(members)));
            }
            if !self.take(b',') {
                return Err("`,` or `}` was expected".to_owned());
            }
        }
    }

    fn string(&mut self) -> Outcome<String> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = self.rest();
            let length = rest.find(|c| c == '"' || c == '\\' || c < ' ').ok_or("a string does not end")?;
            text.push_str(rest.get(..length).unwrap_or_default());
            self.at += length;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escape()?),
                _ => return Err("a control character stands in a string".to_owned()),
            }
        }
    }

    fn escape(&mut self) -> Outcome<char> {
        const UNKNOWN: &str = "an unknown escape";
        let escaped = self.rest().chars().nth(1).ok_or(UNKNOWN)?;
        let character = match escaped {
            '"' | '\\' | '/' => escaped,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.unicode(),
            _ => return Err(UNKNOWN.to_owned()),
        };
        self.at += 2;
        Ok(character)
    }

    fn unicode(&mut self) -> Outcome<char> {
        const LONE: &str = "half of a surrogate pair";
        let first = self.hex()?;
        if let Some(character) = char::from_u32(first) {
            return Ok(character);
        }
        if !(0xd800..0xdc00).contains(&first) || !self.rest().starts_with("\\u") {
            return Err(LONE.to_owned());
        }
        let second = self.hex()?;
        if !(0xdc00..0xe000).contains(&second) {
            return Err(LONE.to_owned());
        }
        char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)).ok_or_else(|| LONE.to_owned())
    }

    /// The number in `\uXXXX`.
    fn hex(&mut self) -> Outcome<u32> {
        let digits = self.text.get(self.at + 2..self.at + 6).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let value = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += 6;
        value.ok_or_else(|| "`\\u` without four hexadecimal digits".to_owned())
    }

    fn number(&mut self) -> Outcome<Json> {
        let start = self.at;
        let _ = self.take(b'-');
        let leads_with_zero = self.peek() == Some(b'0');
        let digits = self.digits()?;
        if leads_with_zero && digits > 1 {
            return Err("a number begins with a superfluous zero".to_owned());
        }
        let mut is_integer = true;
        if self.take(b'.') {
            is_integer = false;
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            is_integer = false;
            let _ = self.take(b'-') || self.take(b'+');
            self.digits()?;
        }
        if self.rest().starts_with(|c: char| c.is_alphanumeric() || c == '.') {
            return Err("a number is followed by letters".to_owned());
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        if !is_integer {
            return text.parse().map(Json::Float).map_err(|_| "not a number".to_owned());
        }
        Ok(text.parse().map_or_else(|_| Json::LargeInteger(text.to_owned()), Json::Integer))
    }

    fn digits(&mut self) -> Outcome<usize> {
        let rest = self.rest();
        let length = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        self.at += length;
        if length == 0 { Err("a digit was expected".to_owned()) } else { Ok(length) }
    }
}

/// Of two members with one name, the place of the first and the value of the last: what Jackson makes of them.
fn last_of_each(members: Vec<(String, Json)>) -> Vec<(String, Json)> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let target: Vec<usize> =
        members.iter().enumerate().map(|(index, (name, _))| *places.entry(name.as_str()).or_insert(index)).collect();
    if places.len() == members.len() {
        return members;
    }
    let mut kept: BTreeMap<usize, (String, Json)> = BTreeMap::new();
    for (member, place) in members.into_iter().zip(target) {
        kept.insert(place, member);
    }
    kept.into_values().collect()
}
