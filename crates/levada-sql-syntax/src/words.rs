//! Words of the language, which are those that no quotes are around.

use sqlparser::tokenizer::Token;

/// Whether `token` is this word, in whatever case; a name in backticks is none.
pub(crate) fn is(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
}

/// The word that a token is, in capitals.
pub(crate) fn of(token: &Token) -> Option<String> {
    match token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_uppercase()),
        _ => None,
    }
}

/// Text as a literal of SQL.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
