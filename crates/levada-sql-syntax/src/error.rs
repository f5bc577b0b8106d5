//! What is wrong with a text, and where.

mod hint;

pub(crate) use hint::hint;

use sqlparser::{
    parser::ParserError,
    tokenizer::{Location, Span as TokenSpan, Token, TokenWithSpan},
};
use std::fmt;

/// A place in a text: line and column, both counted from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, from 1.
    pub line: u64,
    /// The character within the line, from 1.
    pub column: u64,
}

impl Position {
    /// Where a text begins.
    pub const START: Self = Self { line: 1, column: 1 };
    /// Stands for the end of the statement until that is known; the parser's own mark for it.
    pub(crate) const END: Self = Self { line: 0, column: 0 };
}

impl From<Location> for Position {
    fn from(location: Location) -> Self {
        Self { line: location.line, column: location.column }
    }
}

/// A part of a text: from its first character to the one behind its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first character.
    pub start: Position,
    /// The character behind the last.
    pub end: Position,
}

impl From<TokenSpan> for Span {
    fn from(span: TokenSpan) -> Self {
        Self { start: span.start.into(), end: span.end.into() }
    }
}

/// A text that is not understood: the place, what is wrong there, and what to write instead where that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// Where in the whole text, also in a script of many statements.
    pub position: Position,
    /// What is wrong, in lower case and without a period.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl std::error::Error for SyntaxError {}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { line, column } = self.position;
        write!(f, "line {line}, column {column}: {}", self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, "; {hint}"))
    }
}

/// No more of a line is shown than this many characters.
const SHOWN_MAX: usize = 120;
/// What a message quotes is cut here.
const QUOTED_MAX: usize = 40;

impl SyntaxError {
    pub(crate) fn new(position: impl Into<Position>, message: impl Into<String>) -> Self {
        Self { position: position.into(), message: message.into(), hint: None }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn not_supported(position: impl Into<Position>, what: &str) -> Self {
        // Words of the language are quoted, descriptions are not.
        match what.contains('`') || what.starts_with(char::is_lowercase) {
            true => Self::new(position, format!("{what} is not supported")),
            false => Self::new(position, format!("`{what}` is not supported")),
        }
    }

    pub(crate) fn expected(what: &str, found: &TokenWithSpan) -> Self {
        let position = Position::from(found.span.start);
        Self::new(position, format!("expected {what}, {}", found_text(&found.token.to_string(), position)))
    }

    /// Puts an error that is at the end of a statement where that is.
    pub(crate) fn ending_at(mut self, end: Position) -> Self {
        if self.position == Position::END {
            self.position = end;
        }
        self
    }

    /// Puts it on the token that it names where that is the one before, and finds the text that it quotes.
    pub(crate) fn among(mut self, tokens: &[TokenWithSpan]) -> Self {
        let names = |token: &TokenWithSpan| self.message.ends_with(&format!("found `{}`", quoted(&token.to_string())));
        let at = tokens.iter().position(|token| Position::from(token.span.start) == self.position);
        let place = match (at, self.position) {
            (Some(at), _) if !tokens.get(at).is_some_and(names) => {
                at.checked_sub(1).and_then(|before| tokens.get(before)).filter(|token| names(token))
            }
            (None, Position::END) => tokens.iter().find(|token| match &token.token {
                Token::SingleQuotedString(text) => self.message.starts_with(&format!("`'{}'`", quoted(text))),
                _ => false,
            }),
            _ => None,
        };
        if let Some(token) = place {
            self.position = token.span.start.into();
        }
        self
    }

    /// What the parser beneath says, in our words. `at` is where it stood, for errors that do not say where.
    pub(crate) fn from_parser(error: &ParserError, at: Position) -> Self {
        let text = match error {
            ParserError::RecursionLimitExceeded => {
                return Self::new(at, "nested too deeply").with_hint("split it with `WITH` or views");
            }
            ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
        };
        let (text, position) = located(text);
        // At the end of the text there is no place in the message.
        let is_end = text.ends_with(", found: EOF");
        let position = position.unwrap_or(if is_end { Position::END } else { at });
        let rest = text.strip_prefix("Expected").map(|rest| rest.trim_start_matches([':', ' ']));
        match rest.and_then(|rest| rest.split_once(", found: ")) {
            Some((expected, found)) => {
                Self::new(position, format!("expected {}, {}", wanted(expected), found_text(found, position)))
            }
            None => Self::new(position, lower(text)),
        }
    }

    /// The error with the line of `text` that it is about and a caret under the place.
    ///
    /// `text` is what was parsed. Of a long line the part around the place is shown.
    #[must_use]
    pub fn render(&self, text: &str) -> String {
        let Position { line, column } = self.position;
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        let index = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
        let before = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
        let shown = text.split('\n').nth(index).unwrap_or_default();
        let skipped = before.saturating_sub(SHOWN_MAX - SHOWN_MAX / 4);
        let part = shown.chars().skip(skipped).take(SHOWN_MAX).map(|c| if c.is_control() { ' ' } else { c });
        let part = part.collect::<String>();
        let caret = " ".repeat(before.saturating_sub(skipped).min(SHOWN_MAX));
        let mut out =
            format!("error: {}\n{margin} |\n{number} | {}\n{margin} | {caret}^", self.message, part.trim_end());
        if let Some(hint) = &self.hint {
            out.push_str(&format!("\n{margin} = {hint}"));
        }
        out
    }
}

/// A message of the parser beneath without the place at its end, and that.
fn located(text: &str) -> (&str, Option<Position>) {
    let Some((message, place)) = text.rsplit_once(" at Line: ") else { return (text, None) };
    let numbers = place.split_once(", Column: ").map(|(line, column)| (line.parse(), column.parse()));
    match numbers {
        Some((Ok(line), Ok(column))) => (message, Some(Position { line, column })),
        _ => (text, None),
    }
}

fn found_text(found: &str, position: Position) -> String {
    if position == Position::END || found == "EOF" {
        return "but the statement ends".to_owned();
    }
    format!("found `{}`", quoted(found))
}

/// A text as a message quotes it: one line, and not long.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(QUOTED_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(QUOTED_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// What the parser beneath expects, in our words.
fn wanted(expected: &str) -> String {
    match expected {
        "SELECT, VALUES, or a subquery in the query body" => "a query".to_owned(),
        "identifier" => "a name".to_owned(),
        "joined table" => "a join".to_owned(),
        word if !word.contains(' ') && !word.chars().any(char::is_lowercase) => format!("`{word}`"),
        text => lower(text),
    }
}

/// With a small first letter, but for words that are all capitals.
fn lower(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            first.to_lowercase().chain(text.chars().skip(1)).collect()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_the_parser_loses_its_place_and_its_capital() {
        let error =
            ParserError::ParserError("Expected: end of x, found: at Line: 3, Column: 4 at Line: 1, Column: 9".into());
        let error = SyntaxError::from_parser(&error, Position::START);
        assert_eq!(error.to_string(), "line 1, column 9: expected end of x, found `at Line: 3, Column: 4`");
    }

    #[test]
    fn the_caret_stands_under_the_place_also_in_a_long_line() {
        let text = format!("SELECT 1;\n{}x", "é".repeat(400));
        let error = SyntaxError::new(Position { line: 2, column: 401 }, "unknown");
        let rendered = error.render(&text);
        let lines: Vec<&str> = rendered.lines().collect();
        assert_eq!(lines[2].chars().position(|c| c == 'x'), lines[3].chars().position(|c| c == '^'));
        assert!(lines[2].chars().count() < 140);
    }

    #[test]
    fn a_place_beyond_the_text_is_no_panic() {
        let error = SyntaxError::new(Position { line: u64::MAX, column: u64::MAX }, "x");
        assert!(error.render("a").contains('^'));
    }
}
