//! Regular expressions. A pattern is Java's where it means the same here; others are refused.

use super::scalar::{Call, Function, TEXT_SIZE_MAX, Wanted, int_at, take, text_at};
use datafusion::{
    arrow::{array::ArrayRef, datatypes::DataType},
    common::{Result, ScalarValue, exec_err, plan_err},
    logical_expr::ScalarUDF,
};
use regex::{Regex, RegexBuilder};
use std::sync::Arc;

/// Bytes of a compiled pattern, at most.
const COMPILED_SIZE_MAX: usize = 1 << 20;

/// Bytes that are looked at for all matches of a pattern in one text, at most. Each match may take that all of the rest
/// is looked at, as of `a*b|a` where there is no `b`.
const LOOKED_AT_MAX: usize = 1 << 32;

pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    vec![
        Function::define("regexp_replace", replace_types, text, replace),
        Function::define("regexp_extract", extract_types, text, extract),
    ]
}

fn replace_types(name: &'static str, types: &[DataType]) -> Result<Vec<DataType>> {
    take(name, types, &[Wanted::Text; 3], 0)
}

fn extract_types(name: &'static str, types: &[DataType]) -> Result<Vec<DataType>> {
    take(name, types, &[Wanted::Text, Wanted::Text, Wanted::Int], 1)
}

/// The pattern is checked where it is known.
fn text(_: &[DataType], constants: &[Option<&ScalarValue>]) -> Result<DataType> {
    if let Some(Some(ScalarValue::Utf8(Some(pattern)))) = constants.get(1) {
        match translated(pattern) {
            Ok(_) => {}
            Err(wrong) => return plan_err!("the pattern `{pattern}`: {wrong}"),
        }
    }
    Ok(DataType::Utf8)
}

/// The last pattern that was compiled: it is the same for all rows, most often.
#[derive(Default)]
struct Compiled(Option<(String, Regex)>);

impl Compiled {
    fn of(&mut self, pattern: &str) -> Result<&Regex> {
        if self.0.as_ref().is_none_or(|(known, _)| known != pattern) {
            match translated(pattern) {
                Ok(regex) => self.0 = Some((pattern.to_owned(), regex)),
                Err(wrong) => return exec_err!("the pattern `{pattern}`: {wrong}"),
            }
        }
        match &self.0 {
            Some((_, regex)) => Ok(regex),
            None => exec_err!("there is no pattern"),
        }
    }
}

fn replace(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, patterns, replacements) = (call.texts(0)?, call.texts(1)?, call.texts(2)?);
    let mut compiled = Compiled::default();
    call.each_text(|row| {
        let all = text_at(texts, row).zip(text_at(patterns, row)).zip(text_at(replacements, row));
        let Some(((text, pattern), replacement)) = all else { return Ok(None) };
        let Some((replaced, size)) = replaced(compiled.of(pattern)?, text, replacement, LOOKED_AT_MAX) else {
            return exec_err!(
                "REGEXP_REPLACE finds too many matches of `{pattern}` in a text of {} bytes: give it shorter texts",
                text.len()
            );
        };
        call.check_text(size)?;
        Ok(Some(replaced))
    })
}

/// A text with `replacement` for each match, as Java's `Matcher` finds them: an empty match may lie right behind
/// another. Its size comes with it; one that is too large is not there as a whole. `None`: it might take too long.
fn replaced(regex: &Regex, text: &str, replacement: &str, looked_at_max: usize) -> Option<(String, usize)> {
    let (mut replaced, mut size) = (String::new(), 0_usize);
    let mut add = |part: &str| {
        size = size.saturating_add(part.len());
        if size <= TEXT_SIZE_MAX {
            replaced.push_str(part);
        }
    };
    let (mut from, mut rest, mut looked_at) = (0, 0, 0_usize);
    while let Some(found) = regex.find_at(text, from) {
        looked_at = looked_at.saturating_add(text.len() - from);
        if looked_at > looked_at_max {
            return None;
        }
        add(text.get(rest..found.start()).unwrap_or_default());
        add(replacement);
        (from, rest) = (found.end(), found.end());
        if found.is_empty() {
            let Some(letter) = text.get(from..).and_then(|rest| rest.chars().next()) else { break };
            from += letter.len_utf8();
        }
    }
    add(text.get(rest..).unwrap_or_default());
    Some((replaced, size))
}

/// NULL where nothing matches, or the group is not there or matches nothing.
fn extract(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, patterns) = (call.texts(0)?, call.texts(1)?);
    let groups = if call.arguments.len() > 2 { Some(call.ints(2)?) } else { None };
    let mut compiled = Compiled::default();
    call.each_text(|row| {
        let group = groups.map_or(Some(0), |groups| int_at(groups, row));
        let all = text_at(texts, row).zip(text_at(patterns, row)).zip(group);
        let Some(((text, pattern), group)) = all else { return Ok(None) };
        let Ok(group) = usize::try_from(group) else { return Ok(None) };
        let captures = compiled.of(pattern)?.captures(text);
        Ok(captures.and_then(|captures| captures.get(group).map(|found| found.as_str().to_owned())))
    })
}

/// What is wrong with a pattern.
type Wrong = String;

/// Java's pattern as one of ours.
fn translated(pattern: &str) -> std::result::Result<Regex, Wrong> {
    let mut reading = Reading { letters: pattern.chars().peekable(), out: String::with_capacity(pattern.len()) };
    reading.all().map_err(|wrong| {
        let place = pattern.chars().count() - reading.letters.clone().count();
        format!("{wrong}, at character {place}")
    })?;
    let built = RegexBuilder::new(&reading.out).size_limit(COMPILED_SIZE_MAX).build();
    built.map_err(|error| {
        let text = error.to_string();
        format!("it is not understood: {}", text.lines().last().unwrap_or_default().trim())
    })
}

struct Reading<'a> {
    letters: std::iter::Peekable<std::str::Chars<'a>>,
    out: String,
}

const DIGITS: &str = "0-9";
const WORDS: &str = "0-9A-Za-z_";
const SPACES: &str = r" \t\n\x0B\x0C\r";

impl Reading<'_> {
    fn all(&mut self) -> std::result::Result<(), Wrong> {
        while let Some(letter) = self.letters.next() {
            match letter {
                '\\' => {
                    let escaped = self.escape()?;
                    self.out.push_str(&escaped.outside());
                }
                '[' => self.class()?,
                '(' => {
                    self.out.push('(');
                    if self.letters.peek() == Some(&'?') {
                        self.letters.next();
                        match self.letters.next() {
                            Some(':') => self.out.push_str("?:"),
                            _ => return Err("groups that begin with `(?` are not supported, but for `(?:`".to_owned()),
                        }
                    }
                }
                '.' => self.out.push_str(r"[^\n\r\x{85}\x{2028}\x{2029}]"),
                '$' => return Err(r"`$` is not supported; write `\z` for the end of the text".to_owned()),
                '*' | '+' | '?' | '}' => {
                    self.out.push(letter);
                    if self.letters.peek() == Some(&'+') {
                        return Err("possessive quantifiers, as `*+`, are not supported".to_owned());
                    }
                }
                '{' | '^' | '|' | ')' => self.out.push(letter),
                '&' | '~' | '#' | '-' | ']' | ' ' => {
                    self.out.push('\\');
                    self.out.push(letter);
                }
                plain => self.out.push(plain),
            }
        }
        Ok(())
    }

    fn escape(&mut self) -> std::result::Result<Escape, Wrong> {
        let Some(letter) = self.letters.next() else { return Err("it ends with a backslash".to_owned()) };
        Ok(match letter {
            'd' => Escape::Set { set: DIGITS, is_negated: false },
            'D' => Escape::Set { set: DIGITS, is_negated: true },
            'w' => Escape::Set { set: WORDS, is_negated: false },
            'W' => Escape::Set { set: WORDS, is_negated: true },
            's' => Escape::Set { set: SPACES, is_negated: false },
            'S' => Escape::Set { set: SPACES, is_negated: true },
            't' => Escape::Letter('\t'),
            'n' => Escape::Letter('\n'),
            'r' => Escape::Letter('\r'),
            'f' => Escape::Letter('\u{c}'),
            'A' => Escape::Place(r"\A"),
            'z' => Escape::Place(r"\z"),
            letter if letter.is_ascii_alphanumeric() => return Err(format!(r"`\{letter}` is not supported")),
            plain => Escape::Letter(plain),
        })
    }

    /// What is between square brackets, behind the first.
    fn class(&mut self) -> std::result::Result<(), Wrong> {
        self.out.push('[');
        if self.letters.peek() == Some(&'^') {
            self.letters.next();
            self.out.push('^');
        }
        let mut is_first = true;
        loop {
            let first = match self.letters.next() {
                None => return Err("a `]` is missing".to_owned()),
                Some(']') if !is_first => break,
                Some(']' | '[') => {
                    return Err("brackets within brackets are not supported: write a backslash".to_owned());
                }
                Some('&') if self.letters.peek() == Some(&'&') => return Err("`&&` is not supported".to_owned()),
                Some(letter) => self.in_class(letter)?,
            };
            is_first = false;
            match first {
                // What follows is no range then: a `-` stands for itself.
                InClass::Set(set) => self.out.push_str(set),
                InClass::Letter(first) => {
                    push_in_class(first, &mut self.out);
                    if let Some(last) = self.range_end(first)? {
                        self.out.push('-');
                        push_in_class(last, &mut self.out);
                    }
                }
            }
        }
        self.out.push(']');
        Ok(())
    }

    /// What a letter between brackets, or the escape that it begins, stands for.
    fn in_class(&mut self, letter: char) -> std::result::Result<InClass, Wrong> {
        if letter != '\\' {
            return Ok(InClass::Letter(letter));
        }
        match self.escape()? {
            Escape::Set { set, is_negated: false } => Ok(InClass::Set(set)),
            Escape::Letter(letter) => Ok(InClass::Letter(letter)),
            _ => Err("such an escape within brackets is not supported".to_owned()),
        }
    }

    /// The last letter of a range that begins with `first`, if one does: behind it is a `-`, and then no bracket.
    fn range_end(&mut self, first: char) -> std::result::Result<Option<char>, Wrong> {
        let mut ahead = self.letters.clone();
        if ahead.next() != Some('-') || matches!(ahead.peek(), None | Some(']' | '[')) {
            return Ok(None);
        }
        self.letters = ahead;
        let Some(last) = self.letters.next() else { return Ok(None) };
        match self.in_class(last)? {
            InClass::Letter(last) if last >= first => Ok(Some(last)),
            InClass::Letter(last) => Err(format!("the range `{first}-{last}` ends before it begins")),
            InClass::Set(_) => Err(format!("the range from `{first}` on ends with no single character")),
        }
    }
}

/// What stands between square brackets.
enum InClass {
    Letter(char),
    Set(&'static str),
}

fn push_in_class(letter: char, out: &mut String) {
    if letter.is_ascii_punctuation() && !matches!(letter, '<' | '>') {
        out.push('\\');
    }
    out.push(letter);
}

enum Escape {
    Letter(char),
    Set { set: &'static str, is_negated: bool },
    Place(&'static str),
}

impl Escape {
    fn outside(&self) -> String {
        match self {
            Self::Letter(letter) => regex::escape(&letter.to_string()),
            Self::Set { set, is_negated } => format!("[{}{set}]", if *is_negated { "^" } else { "" }),
            Self::Place(place) => (*place).to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_java() {
        let finds =
            |pattern: &str, text: &str| translated(pattern).unwrap().find(text).map(|it| it.as_str().to_owned());
        for (pattern, text, found) in [
            ("a.c", "a\rc abc", Some("abc")),
            (r"\d+", "٣ 42", Some("42")),
            (r"\w+", "é_x9", Some("_x9")),
            (r"[^\d-]+", "1-ab2", Some("ab")),
            ("(?:a|b){2,3}?", "abab", Some("ab")),
            (r"\.x\z", "a.x", Some(".x")),
            ("a-b#c&d~e f", "a-b#c&d~e f", Some("a-b#c&d~e f")),
            ("^b", "a\nb", None),
            (r"[a\]]+", "]a", Some("]a")),
            (r"[\w-z]+", "~a-z~", Some("a-z")),
            (r"[\w-z]", "{|}~`", None),
            (r"[\s-a]+", "x -ax", Some(" -a")),
            (r"[\s-a]", "!@AZ", None),
            ("[+--]+", "*+,-.", Some("+,-")),
            ("[--0]+", ",-./01", Some("-./0")),
            ("[a-c-e]+", "dab-ec", Some("ab-ec")),
            ("[-a]+", "b-a", Some("-a")),
            ("[a-]+", "b-a", Some("-a")),
            (r"[\t-\r]+", "\u{8}\t\u{b}\r", Some("\t\u{b}\r")),
            (r"[a\-z]+", "b-z", Some("-z")),
            ("[!-&b]+", "'!%b", Some("!%b")),
            ("[^^-a]+", "_b`", Some("b")),
        ] {
            assert_eq!(finds(pattern, text).as_deref(), found, "{pattern}");
        }
        for pattern in
            ["a$", "(?i)a", "(?=a)", r"\1", r"\p{L}", "a*+", "[a&&b]", "[[a]]", "[]a]", "(", r"\b", "[a", r"\"]
        {
            assert!(translated(pattern).is_err(), "{pattern}");
        }
        for (pattern, wrong) in [
            (r"x[a-\d]", "ends with no single character, at character 6"),
            ("x[z-a]", "the range `z-a` ends before it begins, at character 5"),
            ("[a-&&b]", "the range `a-&` ends before it begins, at character 4"),
            ("ab$", "`$` is not supported"),
        ] {
            let error = translated(pattern).unwrap_err();
            assert!(error.contains(wrong), "{pattern}: {error}");
        }
    }

    #[test]
    fn matches_are_replaced_as_java_finds_them() {
        for (pattern, text, expected) in [
            ("a*", "baac", "XbXXcX"),
            ("a|", "aab", "XXXbX"),
            ("(?:ab)*?", "abab", "XaXbXaXbX"),
            ("a*", "", "X"),
            ("^|a", "xay", "XxXy"),
            ("å*", "båc", "XbXXcX"),
            ("b", "abc", "aXc"),
        ] {
            assert_eq!(
                replaced(&translated(pattern).unwrap(), text, "X", LOOKED_AT_MAX).unwrap().0,
                expected,
                "{pattern} in {text}"
            );
        }
    }

    #[test]
    fn a_pattern_that_looks_at_all_of_a_long_text_for_each_match_is_given_up() {
        let replaced = |pattern: &str, text: &str| replaced(&translated(pattern).unwrap(), text, "_", 10_000_000);
        assert_eq!(replaced("a*b|a", &"a".repeat(10_000)), None);
        assert_eq!(replaced("a*b|a", &"a".repeat(1_000)).unwrap().0, "_".repeat(1_000));
        assert_eq!(replaced("b", &"a".repeat(100_000)).unwrap().0.len(), 100_000);
    }
}
