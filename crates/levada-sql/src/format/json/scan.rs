//! [`Scanner`]: JSON text, token by token.
//!
//! A record is JSON or is not, whichever of its values are wanted: what is skipped is checked as what is read. As in
//! Flink, control characters may stand in strings as they are.

use crate::format::error::{DecodeError, Problem};

/// How deep arrays and objects may nest in a record; one bit for each.
pub(super) const DEPTH_MAX: usize = 64;

pub(super) type Outcome<T> = Result<T, Box<DecodeError>>;

/// Where in a record the next token is.
#[derive(Clone, Copy)]
pub(super) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// A string between its quotes.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) raw: &'a [u8],
    pub(super) has_escapes: bool,
}

/// A number as it is written.
#[derive(Clone, Copy)]
pub(super) struct Number<'a> {
    pub(super) text: &'a [u8],
    /// Without fraction and exponent.
    pub(super) is_integer: bool,
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = ONES << 7;

/// Sets the high bit of the first byte of `word` that is 0, and perhaps of some behind it.
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

impl<'a> Scanner<'a> {
    /// `bytes` are UTF-8.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    pub(super) fn rewind(&mut self, at: usize) {
        self.at = at;
    }

    /// What was passed since `start`.
    pub(super) fn since(&self, start: usize) -> &'a [u8] {
        &self.bytes[start..self.at]
    }

    #[cold]
    pub(super) fn fail(&self, problem: Problem) -> Box<DecodeError> {
        Box::new(DecodeError::at(problem, self.at))
    }

    #[cold]
    pub(super) fn expected(&self, expected: &'static str) -> Box<DecodeError> {
        let is_over = self.at >= self.bytes.len();
        self.fail(if is_over { Problem::Ended } else { Problem::Syntax { expected } })
    }

    /// The next byte behind any whitespace.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    /// Passes the byte that was just peeked.
    #[inline]
    pub(super) fn pass(&mut self) {
        self.at += 1;
    }

    /// Passes `byte` if it is next.
    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Passes `prefix` if it is next, with no whitespace before it.
    #[inline]
    pub(super) fn take_prefix(&mut self, prefix: &[u8]) -> bool {
        let is_next = self.bytes[self.at..].starts_with(prefix);
        if is_next {
            self.at += prefix.len();
        }
        is_next
    }

    pub(super) fn end(&mut self) -> Outcome<()> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.fail(Problem::Trailing)),
        }
    }

    pub(super) fn literal(&mut self, word: &'static [u8]) -> Outcome<()> {
        if self.take_prefix(word) { Ok(()) } else { Err(self.expected("a value")) }
    }

    /// The string that begins here.
    #[inline]
    pub(super) fn string(&mut self) -> Outcome<Text<'a>> {
        if !self.take(b'"') {
            return Err(self.expected("a string"));
        }
        let start = self.at;
        let mut has_escapes = false;
        loop {
            self.at = self.special(self.at);
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    let raw = &self.bytes[start..self.at];
                    self.at += 1;
                    return Ok(Text { raw, has_escapes });
                }
                Some(_) => {
                    has_escapes = true;
                    self.escape()?;
                }
                None => return Err(self.fail(Problem::Ended)),
            }
        }
    }

    /// Where the next quote or backslash is, or the end.
    #[inline]
    fn special(&self, from: usize) -> usize {
        let mut at = from;
        for _ in 0..8 {
            let Some(chunk) = self.bytes[at..].first_chunk::<8>() else {
                return self.bytes[at..]
                    .iter()
                    .position(|byte| matches!(byte, b'"' | b'\\'))
                    .map_or(self.bytes.len(), |found| at + found);
            };
            let word = u64::from_le_bytes(*chunk);
            let found = zeros(word ^ (ONES * 0x22)) | zeros(word ^ (ONES * 0x5c));
            if found != 0 {
                // At most 7: there are 64 bits.
                return at + usize::try_from(found.trailing_zeros() / 8).unwrap_or_default();
            }
            at += 8;
        }
        memchr::memchr2(b'"', b'\\', &self.bytes[at..]).map_or(self.bytes.len(), |found| at + found)
    }

    /// Passes an escape.
    fn escape(&mut self) -> Outcome<char> {
        let start = self.at;
        let escaped = self.bytes.get(start + 1).copied();
        self.at += 2;
        let plain = match escaped {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(start),
            Some(_) => {
                self.at = start;
                return Err(self.expected("an escape that JSON knows"));
            }
            None => {
                self.at = self.bytes.len();
                return Err(self.fail(Problem::Ended));
            }
        };
        Ok(plain)
    }

    /// What follows `\u`, with the second half of a surrogate pair.
    fn unicode(&mut self, start: usize) -> Outcome<char> {
        let first = self.hex()?;
        let code = match first {
            0xd800..=0xdbff => {
                let second = if self.take_prefix(b"\\u") { self.hex()? } else { 0 };
                if !(0xdc00..=0xdfff).contains(&second) {
                    self.at = start;
                    return Err(self.expected("a pair of surrogates"));
                }
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            code => code,
        };
        char::from_u32(code).ok_or_else(|| {
            self.at = start;
            self.expected("a pair of surrogates")
        })
    }

    fn hex(&mut self) -> Outcome<u32> {
        let digits = self.bytes[self.at..].first_chunk::<4>();
        let value = digits.and_then(|digits| {
            digits.iter().try_fold(0, |value, digit| Some(value * 16 + char::from(*digit).to_digit(16)?))
        });
        let value = value.ok_or_else(|| self.expected("four hexadecimal digits"))?;
        self.at += 4;
        Ok(value)
    }

    /// The number that begins here.
    pub(super) fn number(&mut self) -> Outcome<Number<'a>> {
        let start = self.at;
        self.at += usize::from(self.bytes.get(start) == Some(&b'-'));
        let first = self.at;
        if self.digits()? > 1 && self.bytes.get(first) == Some(&b'0') {
            self.at = start;
            return Err(self.expected("a number without leading zeros"));
        }
        let mut is_integer = true;
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            is_integer = false;
            self.digits()?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            is_integer = false;
            self.at += usize::from(matches!(self.bytes.get(self.at), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(Number { text: &self.bytes[start..self.at], is_integer })
    }

    /// Passes digits, of which there must be one.
    fn digits(&mut self) -> Outcome<usize> {
        let rest = &self.bytes[self.at..];
        let count = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
        self.at += count;
        if count == 0 { Err(self.expected("a digit")) } else { Ok(count) }
    }

    /// An integer of at most 18 digits, if one is next; otherwise nothing is passed.
    #[inline]
    pub(super) fn small_integer(&mut self) -> Option<i64> {
        let is_negative = self.bytes.get(self.at) == Some(&b'-');
        let first = self.at + usize::from(is_negative);
        let rest = self.bytes.get(first..)?;
        let mut value: i64 = 0;
        for (count, byte) in rest.iter().enumerate().take(19) {
            let digit = byte.wrapping_sub(b'0');
            if digit <= 9 {
                value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
                continue;
            }
            let has_leading_zero = count > 1 && rest.first() == Some(&b'0');
            if count == 0 || has_leading_zero || matches!(byte, b'.' | b'e' | b'E') {
                return None;
            }
            self.at = first + count;
            return Some(if is_negative { -value } else { value });
        }
        None
    }

    /// Passes the value that begins here, within `depth` arrays and objects.
    pub(super) fn skip_value(&mut self, depth: usize) -> Outcome<()> {
        match self.peek() {
            Some(b'"') => self.string().map(drop),
            Some(b'{' | b'[') => self.skip_nested(depth),
            Some(b'-' | b'0'..=b'9') => self.number().map(drop),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            _ => Err(self.expected("a value")),
        }
    }

    /// Passes an array or an object. Which of those that are open are objects is kept in the bits of a word.
    fn skip_nested(&mut self, depth: usize) -> Outcome<()> {
        let mut objects: u64 = 0;
        let mut open: usize = 0;
        loop {
            // A value begins here.
            match self.peek() {
                Some(byte @ (b'{' | b'[')) => {
                    if depth + open >= DEPTH_MAX {
                        return Err(self.fail(Problem::TooDeep { limit: DEPTH_MAX }));
                    }
                    self.pass();
                    let is_object = byte == b'{';
                    objects = (objects << 1) | u64::from(is_object);
                    open += 1;
                    if self.take(if is_object { b'}' } else { b']' }) {
                        objects >>= 1;
                        open -= 1;
                    } else {
                        if is_object {
                            self.skip_key()?;
                        }
                        continue;
                    }
                }
                _ => self.skip_value(DEPTH_MAX)?,
            }
            // A value ends here.
            loop {
                if open == 0 {
                    return Ok(());
                }
                let is_object = objects & 1 == 1;
                match self.peek() {
                    Some(b',') => {
                        self.pass();
                        if is_object {
                            self.skip_key()?;
                        }
                        break;
                    }
                    Some(byte) if byte == if is_object { b'}' } else { b']' } => {
                        self.pass();
                        objects >>= 1;
                        open -= 1;
                    }
                    _ => return Err(self.expected(if is_object { "`,` or `}`" } else { "`,` or `]`" })),
                }
            }
        }
    }

    fn skip_key(&mut self) -> Outcome<()> {
        self.string()?;
        self.colon()
    }

    #[inline]
    pub(super) fn colon(&mut self) -> Outcome<()> {
        if self.take(b':') { Ok(()) } else { Err(self.expected("`:`")) }
    }
}

impl Text<'_> {
    /// Appends the text with its escapes resolved.
    pub(super) fn unescape(self, out: &mut Vec<u8>) -> Outcome<()> {
        let mut scanner = Scanner::new(self.raw);
        while scanner.at < self.raw.len() {
            let next = memchr::memchr(b'\\', &self.raw[scanner.at..]).map_or(self.raw.len(), |at| scanner.at + at);
            out.extend_from_slice(&self.raw[scanner.at..next]);
            scanner.at = next;
            if next == self.raw.len() {
                break;
            }
            let plain = scanner.escape()?;
            out.extend_from_slice(plain.encode_utf8(&mut [0; 4]).as_bytes());
        }
        Ok(())
    }
}
