//! The words of a `.proto` text. Comments and white space lie between them and are dropped.
//!
//! Source: the language specification of proto2 and proto3, <https://protobuf.dev/reference/protobuf/proto3-spec/>.

use crate::{
    error::{ParseError, Position},
    limits::NAME_CHARS_MAX,
};
use std::{fmt, iter::Peekable, str::CharIndices};

/// One word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// A name or a keyword.
    Word(String),
    /// A number as written, without a sign.
    Number(String),
    /// The bytes that a quoted string stands for.
    Text(Vec<u8>),
    /// Anything else, one character at a time.
    Symbol(char),
    /// The text is over.
    End,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(text) | Self::Number(text) => write!(f, "`{text}`"),
            Self::Text(_) => f.write_str("a string"),
            Self::Symbol(symbol) => write!(f, "`{symbol}`"),
            Self::End => f.write_str("the end"),
        }
    }
}

/// Cuts a text into words, one at a time.
pub(crate) struct Lexer<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
    position: Position,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        // An editor's mark of the encoding is no part of the text.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self { text, chars: text.char_indices().peekable(), position: Position { line: 1, column: 1 } }
    }

    /// The next word and where it begins.
    pub(crate) fn next(&mut self) -> Result<(Token, Position), ParseError> {
        self.skip_blank()?;
        let at = self.position;
        let Some(first) = self.peek() else { return Ok((Token::End, at)) };
        let token = match first {
            'a'..='z' | 'A'..='Z' | '_' => Token::Word(self.word(at)?),
            '0'..='9' => Token::Number(self.number(at)?),
            '.' if self.second().is_some_and(|next| next.is_ascii_digit()) => Token::Number(self.number(at)?),
            '"' | '\'' => Token::Text(self.string(first, at)?),
            _ => {
                self.advance();
                Token::Symbol(first)
            }
        };
        Ok((token, at))
    }

    fn peek(&mut self) -> Option<char> {
        self.chars.peek().map(|(_, c)| *c)
    }

    fn second(&mut self) -> Option<char> {
        let start = self.chars.peek()?.0;
        self.text.get(start..)?.chars().nth(1)
    }

    fn advance(&mut self) -> Option<char> {
        let (_, c) = self.chars.next()?;
        if c == '\n' {
            self.position = Position { line: self.position.line + 1, column: 1 };
        } else {
            self.position.column += 1;
        }
        Some(c)
    }

    fn skip_blank(&mut self) -> Result<(), ParseError> {
        loop {
            match (self.peek(), self.second()) {
                (Some(c), _) if c.is_whitespace() => drop(self.advance()),
                (Some('/'), Some('/')) => while self.advance().is_some_and(|c| c != '\n') {},
                (Some('/'), Some('*')) => self.skip_comment()?,
                _ => return Ok(()),
            }
        }
    }

    fn skip_comment(&mut self) -> Result<(), ParseError> {
        let at = self.position;
        self.advance();
        self.advance();
        while let Some(c) = self.advance() {
            if c == '*' && self.peek() == Some('/') {
                self.advance();
                return Ok(());
            }
        }
        Err(syntax(at, "the comment does not end"))
    }

    fn word(&mut self, at: Position) -> Result<String, ParseError> {
        let mut word = String::new();
        while let Some(c) = self.peek().filter(|c| c.is_ascii_alphanumeric() || *c == '_') {
            word.push(c);
            self.advance();
        }
        if word.len() > NAME_CHARS_MAX {
            return Err(syntax(at, format_args!("a name has {NAME_CHARS_MAX} characters at most")));
        }
        Ok(word)
    }

    fn number(&mut self, at: Position) -> Result<String, ParseError> {
        let mut number = String::new();
        while let Some(c) = self.peek() {
            let is_hexadecimal = number.starts_with("0x") || number.starts_with("0X");
            let is_sign_of_exponent = matches!(c, '+' | '-') && number.ends_with(['e', 'E']) && !is_hexadecimal;
            if !(c.is_ascii_alphanumeric() || c == '.' || is_sign_of_exponent) {
                break;
            }
            number.push(c);
            self.advance();
        }
        if number.len() > NAME_CHARS_MAX {
            return Err(syntax(at, format_args!("a number has {NAME_CHARS_MAX} characters at most")));
        }
        Ok(number)
    }

    fn string(&mut self, quote: char, at: Position) -> Result<Vec<u8>, ParseError> {
        self.advance();
        let mut bytes = Vec::new();
        while let Some(c) = self.advance() {
            match c {
                '\n' | '\0' => return Err(syntax(at, "the string does not end on its line")),
                '\\' => self.escape(&mut bytes)?,
                _ if c == quote => return Ok(bytes),
                _ => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        Err(syntax(at, "the string does not end"))
    }

    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), ParseError> {
        let at = self.position;
        let escaped = self.advance().ok_or_else(|| syntax(at, "the string does not end"))?;
        let byte = match escaped {
            'a' => 7,
            'b' => 8,
            't' => b'\t',
            'n' => b'\n',
            'v' => 11,
            'f' => 12,
            'r' => b'\r',
            '\\' | '\'' | '"' | '?' => u8::try_from(escaped).map_err(|error| syntax(at, error))?,
            '0'..='7' => {
                let value = self.digits(8, 2, escaped.to_digit(8));
                u8::try_from(value).map_err(|_| syntax(at, "an octal escape is 377 at most"))?
            }
            'x' | 'X' => {
                let value = self.digits(16, 2, None);
                u8::try_from(value).map_err(|_| syntax(at, "an escape `\\x` is followed by hexadecimal digits"))?
            }
            'u' | 'U' => {
                let count = if escaped == 'u' { 4 } else { 8 };
                let decoded = char::from_u32(self.digits(16, count, None));
                let decoded = decoded.ok_or_else(|| syntax(at, "the escape is no character of Unicode"))?;
                bytes.extend_from_slice(decoded.encode_utf8(&mut [0; 4]).as_bytes());
                return Ok(());
            }
            _ => return Err(syntax(at, format_args!("`\\{escaped}` is no escape"))),
        };
        bytes.push(byte);
        Ok(())
    }

    /// Up to `count` digits more; `u32::MAX` where there is none at all.
    fn digits(&mut self, radix: u32, count: usize, first: Option<u32>) -> u32 {
        let mut value = first;
        for _ in 0..count {
            let Some(digit) = self.peek().and_then(|c| c.to_digit(radix)) else { break };
            value = Some(value.unwrap_or(0).saturating_mul(radix).saturating_add(digit));
            self.advance();
        }
        value.unwrap_or(u32::MAX)
    }
}

pub(crate) fn syntax(at: Position, reason: impl fmt::Display) -> ParseError {
    ParseError::Syntax { file: None, at, reason: reason.to_string() }
}
