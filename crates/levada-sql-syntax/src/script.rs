//! A text cut into statements, as tokens that know their place in the whole text.

mod fragments;
mod hints;

pub use fragments::{Fragment, Lexeme, fragments};
pub(crate) use hints::{Options, hint_text, options_of};

use crate::{FlinkDialect, Position, Span, SyntaxError, limits, words};
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, TokenizerError, Whitespace};
use std::ops::Range;

/// The tokens of one statement, without whitespace and without the semicolon behind it.
pub(crate) struct Piece {
    pub(crate) tokens: Vec<TokenWithSpan>,
    pub(crate) span: Span,
    /// Where its bytes are in the text.
    pub(crate) bytes: Range<usize>,
}

/// A piece as it grows.
#[derive(Default)]
struct Growing {
    tokens: Vec<TokenWithSpan>,
    bytes: Range<usize>,
    /// Where the last statement of a statement set begins.
    last: usize,
    count: usize,
}

/// Cuts `text` at its semicolons, but for those within a statement set.
pub(crate) fn split(text: &str) -> Result<Vec<Piece>, SyntaxError> {
    limits::check_size(text)?;
    let (tokens, error) = tokens(text);
    if let Some(error) = error {
        return Err(unreadable(&error));
    }
    let mut pieces = Vec::new();
    let mut growing = Growing::default();
    let mut places = Places::new(text);
    for (index, token) in tokens.iter().enumerate() {
        let bytes = places.pass(token);
        if let Token::Whitespace(whitespace) = &token.token {
            hints::splice(whitespace, token, &mut growing.tokens)?;
            continue;
        }
        if token.token == Token::SemiColon {
            growing.count += 1;
            if pieces.len() + growing.count > limits::STATEMENTS_MAX {
                let message = format!("more than {} statements", limits::STATEMENTS_MAX);
                return Err(SyntaxError::new(token.span.start, message).with_hint("send them in parts"));
            }
            if !growing.is_open_set() {
                pieces.extend(std::mem::take(&mut growing).finish());
                continue;
            }
            growing.last = growing.tokens.len() + 1;
        }
        if growing.tokens.is_empty() {
            growing.bytes.start = bytes.start;
        }
        growing.bytes.end = bytes.end;
        let next = tokens[index + 1..].iter().map(|token| &token.token).find(|t| !matches!(t, Token::Whitespace(_)));
        let token = readable(token, next)?;
        // No operator of the language: it closes two types, as in `ARRAY<ARRAY<INT>>`.
        if token.token == Token::ShiftRight {
            let middle = Location::new(token.span.start.line, token.span.start.column + 1);
            growing.tokens.push(TokenWithSpan::at(Token::Gt, token.span.start, middle));
            growing.tokens.push(TokenWithSpan::at(Token::Gt, middle, token.span.end));
        } else {
            growing.tokens.push(token);
        }
    }
    pieces.extend(growing.finish());
    Ok(pieces)
}

impl Growing {
    /// Whether this is a statement set of which the end has not come.
    fn is_open_set(&self) -> bool {
        let is = |at: usize, word| self.tokens.get(at).is_some_and(|token| words::is(&token.token, word));
        let is_set = |at: usize| is(at, "STATEMENT") && is(at + 1, "SET");
        let begins = is(0, "BEGIN") && is_set(1);
        // Between the two there may be what `EXPLAIN` is to show.
        let executes = (is(0, "EXECUTE") || is(0, "EXPLAIN")) && (1..16).any(|at| is_set(at) && is(at + 2, "BEGIN"));
        (begins || executes) && !is(self.last, "END")
    }

    fn finish(self) -> Option<Piece> {
        let span = Span { start: self.tokens.first()?.span.start.into(), end: self.tokens.last()?.span.end.into() };
        Some(Piece { tokens: self.tokens, span, bytes: self.bytes })
    }
}

/// Whether `text` ends where a statement does: with a semicolon that is part of no literal, comment or statement set.
pub(crate) fn is_complete(text: &str) -> bool {
    let (tokens, error) = tokens(text);
    if let Some(error) = error {
        // What is open can still be closed; anything else does not become better by typing on.
        return !is_unterminated(&error.message) && text.trim_end().ends_with(';');
    }
    let mut growing = Growing::default();
    let mut is_ended = false;
    for token in tokens {
        match &token.token {
            Token::Whitespace(_) => continue,
            Token::SemiColon if growing.is_open_set() => growing.last = growing.tokens.len() + 1,
            Token::SemiColon => {
                growing = Growing::default();
                is_ended = true;
                continue;
            }
            _ => {}
        }
        is_ended = false;
        growing.tokens.push(token);
    }
    is_ended
}

/// All tokens as far as they can be read.
fn tokens(text: &str) -> (Vec<TokenWithSpan>, Option<TokenizerError>) {
    let dialect = FlinkDialect::default();
    let mut tokens = Vec::new();
    let error = Tokenizer::new(&dialect, text).tokenize_with_location_into_buf(&mut tokens).err();
    (tokens, error)
}

fn is_unterminated(message: &str) -> bool {
    ["Unterminated", "EOF"].iter().any(|mark| message.contains(mark))
}

fn unreadable(error: &TokenizerError) -> SyntaxError {
    let position = Position::from(error.location);
    let (message, hint) = match error.message.as_str() {
        "Unterminated string literal" => {
            ("a text that begins with `'` has no end", "write `''` for a quote within a text")
        }
        text if text.contains("close delimiter") => ("a name that begins with a backtick has no end", "close it"),
        text if text.contains("comment") => ("a comment that begins with `/*` has no end", "close it with `*/`"),
        text => (text, "text is written '…', a name with other characters in backticks"),
    };
    let message = message.trim_end_matches('.');
    SyntaxError::new(position, message.to_owned()).with_hint(hint)
}

/// A token as Flink reads it, `next` the one behind it.
fn readable(token: &TokenWithSpan, next: Option<&Token>) -> Result<TokenWithSpan, SyntaxError> {
    const REFUSED: [&str; 7] =
        ["MATCH_RECOGNIZE", "PIVOT", "UNPIVOT", "JSON_TABLE", "XMLTABLE", "OPENJSON", "SEMANTIC_VIEW"];
    let at = token.span.start;
    let read = match &token.token {
        Token::UnicodeStringLiteral(text) => Token::SingleQuotedString(text.clone()),
        // The one place where Flink's own documentation has double quotes.
        Token::DoubleQuotedString(text) if next == Some(&Token::RArrow) && text == "OFFSET" => {
            Token::make_word(text, Some('`'))
        }
        Token::DoubleQuotedString(_) => {
            let hint = "text is written '…', a name with other characters in backticks";
            return Err(SyntaxError::new(at, "double quotes are not part of the language").with_hint(hint));
        }
        Token::Word(word) if word.quote_style.is_some() && (word.value.is_empty() || word.value.contains('`')) => {
            return Err(SyntaxError::new(at, "a name is neither empty nor has backticks in it"));
        }
        word if next == Some(&Token::LParen) => match REFUSED.iter().find(|refused| words::is(word, refused)) {
            Some(refused) => return Err(SyntaxError::not_supported(at, refused)),
            None => word.clone(),
        },
        other => other.clone(),
    };
    Ok(TokenWithSpan::new(read, token.span))
}

/// Follows the tokens through the text, for where their bytes are.
struct Places<'a> {
    rest: std::str::Chars<'a>,
    size: usize,
    at: Position,
}

impl<'a> Places<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.chars(), size: text.len(), at: Position::START }
    }

    fn pass(&mut self, token: &TokenWithSpan) -> Range<usize> {
        let start = self.size - self.rest.as_str().len();
        let end = Position::from(token.span.end);
        while self.at < end {
            match self.rest.next() {
                Some('\n') => self.at = Position { line: self.at.line + 1, column: 1 },
                Some(_) => self.at.column += 1,
                None => break,
            }
        }
        start..self.size - self.rest.as_str().len()
    }
}

/// The text of a comment that is a hint, which begins with a plus.
fn comment_of_hint(whitespace: &Whitespace) -> Option<&str> {
    match whitespace {
        Whitespace::MultiLineComment(comment) => comment.strip_prefix('+'),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
