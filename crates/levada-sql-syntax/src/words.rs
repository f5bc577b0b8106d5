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

/// Words that are no names without backticks: those that something of a query begins with.
const RESERVED: [&str; 46] = [
    "ALL",
    "AND",
    "ANY",
    "ARRAY",
    "AS",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "CROSS",
    "DISTINCT",
    "ELSE",
    "END",
    "EXCEPT",
    "EXISTS",
    "FETCH",
    "FOR",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "IN",
    "INNER",
    "INTERSECT",
    "INTERVAL",
    "INTO",
    "IS",
    "JOIN",
    "LEFT",
    "LIKE",
    "LIMIT",
    "NATURAL",
    "NOT",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "RIGHT",
    "SELECT",
    "TABLE",
    "THEN",
    "UNION",
    "USING",
    "WHEN",
    "WHERE",
    "WITH",
];
/// Those of them that an expression begins with.
const BEGINNING: [&str; 8] = ["ARRAY", "CASE", "CAST", "EXISTS", "INTERVAL", "NOT", "TABLE", "ANY"];

/// Whether a word is reserved.
pub(crate) fn is_reserved(word: &str) -> bool {
    RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(word))
}

/// Whether a word is reserved and no expression begins with it, but for a call of `LEFT` or `RIGHT`.
pub(crate) fn ends_expression(word: &str) -> bool {
    is_reserved(word) && !BEGINNING.iter().any(|beginning| beginning.eq_ignore_ascii_case(word))
}

/// Text as a literal of SQL.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
