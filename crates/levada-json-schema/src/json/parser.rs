//! Reading, within bounds: how long the text is, and how deep it nests, which is also how deep reading recurses.

use super::{Json, Number, Object};
use crate::decimal::Decimal;

/// What is read at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) bytes_max: usize,
    pub(crate) depth_max: usize,
}

/// Why a text is not read as JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// It is not JSON.
    #[error("line {line}, column {column}: {reason}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// What was expected.
        reason: &'static str,
    },
    /// It is too long.
    #[error("the text has {size} bytes; at most {limit} are read")]
    TooLong {
        /// Its bytes.
        size: usize,
        /// How many are read at most.
        limit: usize,
    },
    /// It nests too deep.
    #[error("line {line}, column {column}: arrays and objects nest more than {limit} deep")]
    TooDeep {
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// How deep they may nest.
        limit: usize,
    },
}

/// Reads one document.
pub(crate) fn parse(text: &str, bounds: Bounds) -> Result<Json, JsonError> {
    if text.len() > bounds.bytes_max {
        return Err(JsonError::TooLong { size: text.len(), limit: bounds.bytes_max });
    }
    let mut parser = Parser { text, position: 0, depth_max: bounds.depth_max };
    let json = parser.value(0)?;
    parser.skip_space();
    if parser.peek().is_some() { Err(parser.error("nothing may follow the document")) } else { Ok(json) }
}

struct Parser<'a> {
    text: &'a str,
    /// In bytes, on the border of a character.
    position: usize,
    depth_max: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.position..).unwrap_or("")
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.position).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.position += 1;
        }
    }

    /// Whether `byte` is next, which is then taken.
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.position += usize::from(is_next);
        is_next
    }

    fn place(&self) -> (usize, usize) {
        let before = self.text.get(..self.position).unwrap_or(self.text);
        let line = before.rsplit('\n').next().unwrap_or("");
        (before.matches('\n').count() + 1, line.chars().count() + 1)
    }

    fn error(&self, reason: &'static str) -> JsonError {
        let (line, column) = self.place();
        JsonError::Syntax { line, column, reason }
    }

    fn value(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.skip_space();
        match self.peek() {
            Some(b'{' | b'[') if depth >= self.depth_max => {
                let (line, column) = self.place();
                Err(JsonError::TooDeep { line, column, limit: self.depth_max })
            }
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Json::String),
            Some(b'-' | b'0'..=b'9') => self.number().map(Json::Number),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            Some(_) => Err(self.error("a value was expected")),
            None => Err(self.error("the text ends where a value was expected")),
        }
    }

    fn word(&mut self, word: &str, json: Json) -> Result<Json, JsonError> {
        if !self.rest().starts_with(word) {
            return Err(self.error("a value was expected"));
        }
        self.position += word.len();
        Ok(json)
    }

    fn array(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.position += 1;
        let mut items = Vec::new();
        self.skip_space();
        if self.take(b']') {
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.skip_space();
            if self.take(b']') {
                return Ok(Json::Array(items));
            }
            if !self.take(b',') {
                return Err(self.error("`,` or `]` was expected"));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.position += 1;
        let mut entries = Vec::new();
        self.skip_space();
        if self.take(b'}') {
            return Ok(Json::Object(Object::new(entries)));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.error("a key in quotes was expected"));
            }
            let key = self.string()?;
            self.skip_space();
            if !self.take(b':') {
                return Err(self.error("`:` was expected"));
            }
            entries.push((key, self.value(depth + 1)?));
            self.skip_space();
            if self.take(b'}') {
                return Ok(Json::Object(Object::new(entries)));
            }
            if !self.take(b',') {
                return Err(self.error("`,` or `}` was expected"));
            }
        }
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.position += 1;
        let mut text = String::new();
        loop {
            let rest = self.rest();
            let Some(end) = rest.find(|c: char| c == '"' || c == '\\' || c < ' ') else {
                self.position = self.text.len();
                return Err(self.error("the text ends within a string"));
            };
            text.push_str(rest.get(..end).unwrap_or(""));
            self.position += end;
            if self.take(b'"') {
                return Ok(text);
            }
            if !self.take(b'\\') {
                return Err(self.error("control characters in strings are to be escaped"));
            }
            text.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let escaped = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.position += 1;
                return self.unicode();
            }
            _ => return Err(self.error("an escape was expected after `\\`")),
        };
        self.position += 1;
        Ok(escaped)
    }

    fn unicode(&mut self) -> Result<char, JsonError> {
        let high = self.hex()?;
        if !(0xd800..0xe000).contains(&high) {
            return char::from_u32(high).ok_or_else(|| self.error("an escape names no character"));
        }
        if high >= 0xdc00 || !(self.take(b'\\') && self.take(b'u')) {
            return Err(self.error("half of a surrogate pair stands alone"));
        }
        let low = self.hex()?;
        if !(0xdc00..0xe000).contains(&low) {
            return Err(self.error("half of a surrogate pair stands alone"));
        }
        let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        char::from_u32(code).ok_or_else(|| self.error("an escape names no character"))
    }

    fn hex(&mut self) -> Result<u32, JsonError> {
        let digits = self.rest().get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let Some(code) = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) else {
            return Err(self.error("four hexadecimal digits were expected"));
        };
        self.position += 4;
        Ok(code)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.position;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.position += 1;
        }
        if self.position == start { Err(self.error("a digit was expected")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<Number, JsonError> {
        let start = self.position;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        let text = self.text.get(start..self.position).unwrap_or("");
        match Decimal::parse(text) {
            Some(value) => Ok(Number { text: text.to_owned(), value }),
            None => Err(self.error("a number has too many digits or too large an exponent")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { bytes_max: 100, depth_max: 3 };

    fn message(text: &str) -> String {
        parse(text, BOUNDS).unwrap_err().to_string()
    }

    #[test]
    fn a_document_is_written_as_it_was_read_without_its_spaces() {
        let text =
            "{ \"b\" : [ 1.50 , -0, 1E3, true,\nfalse, null ],\t\"a\": \"\\u00e9\\/\\ud83d\\ude00\\u001f\\\"\" }";
        let json = parse(text, BOUNDS).unwrap();
        assert_eq!(json.to_string(), r#"{"b":[1.50,-0,1E3,true,false,null],"a":"é/😀\u001F\""}"#);
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        assert_eq!(message("[1,\n 2 3]"), "line 2, column 4: `,` or `]` was expected");
        assert_eq!(message("{\"a\" 1}"), "line 1, column 6: `:` was expected");
        assert_eq!(message("{a:1}"), "line 1, column 2: a key in quotes was expected");
        assert_eq!(message(""), "line 1, column 1: the text ends where a value was expected");
        for text in ["01", "1.", "-", "1e", "\"\\x\"", "\"\\ud800\"", "\"a", "tru", "[1,]", "{}}", "\"\u{1}\"", "NaN"] {
            assert!(matches!(parse(text, BOUNDS), Err(JsonError::Syntax { .. })), "{text}");
        }
    }

    #[test]
    fn length_and_depth_are_bounded() {
        assert_eq!(message(&" ".repeat(101)), "the text has 101 bytes; at most 100 are read");
        assert!(parse("[[[]]]", BOUNDS).is_ok());
        assert_eq!(message("[[[[]]]]"), "line 1, column 4: arrays and objects nest more than 3 deep");
    }
}
