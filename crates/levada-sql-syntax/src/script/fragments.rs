//! [`fragments`]: a text cut into statements that are not read yet, for whoever has statements of their own beside
//! those of the language.

use super::{Growing, Places, limits, tokens, unreadable};
use crate::{Position, SyntaxError};
use sqlparser::tokenizer::Token;

/// A statement that is not read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// As it was written, without the semicolon.
    pub text: String,
    /// The same with names in backticks that were in double quotes, as the language has them.
    pub in_backticks: String,
    /// Where it begins in the whole text.
    pub start: Position,
    /// Its parts, without comments.
    pub lexemes: Vec<Lexeme>,
}

/// A part of a text that is not taken apart further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lexeme {
    /// A word without quotes, as it was written.
    Word(String),
    /// A name in double quotes or backticks, without these.
    Name(String),
    /// A text in single quotes, without these.
    Text(String),
    /// A number, as it was written.
    Number(String),
    /// An operator, a bracket, or a comma.
    Sign(String),
}

impl Lexeme {
    /// Whether it is this word, in whatever case, without quotes.
    #[must_use]
    pub fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(written) if written.eq_ignore_ascii_case(word))
    }

    fn of(token: &Token) -> Self {
        match token {
            Token::Word(word) if word.quote_style.is_some() => Self::Name(word.value.clone()),
            Token::Word(word) => Self::Word(word.value.clone()),
            Token::DoubleQuotedString(name) => Self::Name(name.clone()),
            Token::SingleQuotedString(text) => Self::Text(text.clone()),
            Token::Number(digits, _) => Self::Number(digits.clone()),
            sign => Self::Sign(sign.to_string()),
        }
    }
}

/// Cuts `text` at its semicolons, but for those within a statement set. Names may be in double quotes.
///
/// # Errors
/// Where a text, a name or a comment has no end, or beyond one of the [`limits`].
pub fn fragments(text: &str) -> Result<Vec<Fragment>, SyntaxError> {
    limits::check_size(text)?;
    let (tokens, error) = tokens(text);
    if let Some(error) = error {
        return Err(unreadable(&error));
    }
    let mut fragments = Vec::new();
    let mut places = Places::new(text);
    let mut growing = Growing::default();
    let mut written = Written::default();
    for token in tokens {
        let bytes = places.pass(&token);
        if token.token == Token::SemiColon && !growing.is_open_set() {
            fragments.extend(written.finish(text, &std::mem::take(&mut growing)));
            written = Written::default();
            if fragments.len() > limits::STATEMENTS_MAX {
                let message = format!("more than {} statements", limits::STATEMENTS_MAX);
                return Err(SyntaxError::new(token.span.start, message).with_hint("send them in parts"));
            }
            continue;
        }
        if let Token::Whitespace(_) = &token.token {
            continue;
        }
        if token.token == Token::SemiColon {
            growing.last = growing.tokens.len() + 1;
        }
        if growing.tokens.is_empty() {
            growing.bytes.start = bytes.start;
            written.upto = bytes.start;
        }
        growing.bytes.end = bytes.end;
        if let Token::DoubleQuotedString(name) = &token.token {
            written.in_backticks.push_str(text.get(written.upto..bytes.start).unwrap_or_default());
            // A name with a backtick in it is refused where it is read.
            written.in_backticks.extend(["`", &name.replace('`', "``"), "`"]);
            written.upto = bytes.end;
        }
        growing.tokens.push(token);
    }
    fragments.extend(written.finish(text, &growing));
    Ok(fragments)
}

/// What is written of a fragment in backticks.
#[derive(Default)]
struct Written {
    in_backticks: String,
    /// Up to where in the text.
    upto: usize,
}

impl Written {
    fn finish(mut self, text: &str, growing: &Growing) -> Option<Fragment> {
        let start = growing.tokens.first()?.span.start.into();
        let own = text.get(growing.bytes.clone()).unwrap_or_default().to_owned();
        self.in_backticks.push_str(text.get(self.upto..growing.bytes.end).unwrap_or_default());
        let lexemes = growing.tokens.iter().map(|token| Lexeme::of(&token.token)).collect();
        Some(Fragment { text: own, in_backticks: self.in_backticks, start, lexemes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_and_its_names_are_put_in_backticks() {
        let text = "BEGIN;\n SELECT \"a\", 'x;\"y\"' /* ; */ FROM \"T 1\" ; ; SET x TO 'y'";
        let cut = fragments(text).unwrap();
        let texts: Vec<&str> = cut.iter().map(|fragment| fragment.in_backticks.as_str()).collect();
        assert_eq!(texts, ["BEGIN", "SELECT `a`, 'x;\"y\"' /* ; */ FROM `T 1`", "SET x TO 'y'"]);
        assert_eq!(cut[1].text, "SELECT \"a\", 'x;\"y\"' /* ; */ FROM \"T 1\"");
        assert_eq!(cut[1].start, Position { line: 2, column: 2 });
        assert_eq!(cut[1].lexemes[1], Lexeme::Name("a".to_owned()));
        assert_eq!(cut[2].lexemes.last(), Some(&Lexeme::Text("y".to_owned())));
        assert!(cut[0].lexemes[0].is("begin") && !cut[1].lexemes[1].is("a"));
    }

    #[test]
    fn a_statement_set_is_one_fragment_and_what_has_no_end_is_refused() {
        let cut =
            fragments("EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; INSERT INTO b SELECT 2; END; SELECT 1");
        assert_eq!(cut.unwrap().len(), 2);
        assert!(fragments("").unwrap().is_empty() && fragments(" ;; -- nothing\n").unwrap().is_empty());
        assert!(fragments("SELECT 'x").is_err());
        assert!(fragments(&"x".repeat(limits::TEXT_SIZE_MAX + 1)).is_err());
    }
}
