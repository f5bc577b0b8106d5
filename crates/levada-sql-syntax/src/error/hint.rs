//! What somebody probably meant who wrote something that is not understood.

use super::{Position, SyntaxError};
use crate::{interval, words};
use sqlparser::tokenizer::{Token, TokenWithSpan};

/// What to write instead, judged by what is at the place of the error.
pub(crate) fn hint(error: &SyntaxError, tokens: &[TokenWithSpan]) -> Option<String> {
    let index = match error.position {
        Position::END => tokens.len(),
        at => tokens.iter().position(|token| Position::from(token.span.start) >= at)?,
    };
    let at = |index: Option<usize>| index.and_then(|index| tokens.get(index)).map(|token| &token.token);
    let (before, found, next) = (at(index.checked_sub(1)), at(Some(index)), at(Some(index + 1)));
    if !error.message.starts_with("expected") {
        return None;
    }
    let hint = match (found, next) {
        (Some(Token::DoubleColon), _) => "write `CAST(x AS type)`",
        (Some(Token::DoubleEq), _) => "write `=`",
        (Some(Token::Arrow | Token::LongArrow | Token::HashArrow), _) => "write `JSON_VALUE(x, '$.field')`",
        (Some(Token::Caret), _) => "write `POWER(x, y)`",
        (Some(Token::Tilde | Token::TildeAsterisk), _) => "write `REGEXP(x, 'pattern')`",
        (Some(Token::Placeholder(_) | Token::AtSign | Token::AtAt), _) => "write the value itself",
        (Some(Token::Comma), Some(Token::Number(..))) if follows(tokens, index, "LIMIT") => "write `LIMIT b OFFSET a`",
        (Some(Token::Number(..)), Some(unit)) if interval::is_unit(unit) => "write `INTERVAL '10' MINUTE`, with quotes",
        (Some(Token::Comma | Token::RParen | Token::EOF) | None, _) if before == Some(&Token::Comma) => {
            "there is a comma too many before it"
        }
        (Some(word), _) if is_any(word, &["ILIKE"]) => "write `LOWER(x) LIKE LOWER(y)`",
        (Some(word), _) if is_any(word, &["RLIKE", "REGEXP", "SIMILAR"]) => "write `REGEXP(x, 'pattern')`",
        (Some(word), _) if is_any(word, &["RETURNING"]) => "nothing comes back from an `INSERT`",
        (Some(word), Some(time)) if is_any(word, &["AT"]) && is_any(time, &["TIME"]) => {
            "`AT TIME ZONE` is not supported"
        }
        (Some(word), _) if is_any(word, &["TIME"]) && before.is_some_and(|word| is_any(word, &["AT"])) => {
            "`AT TIME ZONE` is not supported"
        }
        (Some(Token::Word(_)), _) if before == Some(&Token::LParen) && follows(tokens, index, "EXCEPT") => {
            "`* EXCEPT (…)` is not supported: name the columns"
        }
        (Some(Token::Period), Some(Token::Word(word))) if word.value.starts_with("/*+") => {
            "a hint comes directly behind the name of a table, before `AS`"
        }
        (Some(word), _) if is_any(word, &["MATCH_RECOGNIZE"]) => "`MATCH_RECOGNIZE` is not supported",
        (Some(word), _) if before == Some(&Token::Comma) && is_any(word, &["FROM", "WHERE"]) => {
            "there is a comma too many before it"
        }
        (Some(word @ Token::Word(_)), _) if is_reserved(word) && wants_name(error) => {
            return Some(format!("`{word}` is a reserved word: put it in backticks where it is a name"));
        }
        _ if before.is_some_and(is_reserved_name) && found.is_some_and(|token| !matches!(token, Token::LParen)) => {
            let word = before.map(ToString::to_string).unwrap_or_default();
            return Some(format!("`{word}` is a reserved word: put it in backticks where it is a name"));
        }
        (Some(Token::Word(word)), _) if error.message.contains("in quotes") && word.quote_style.is_none() => {
            return Some(format!("write {}", words::literal(&super::quoted(&word.value))));
        }
        (Some(Token::Number(number, _)), _) if error.message.contains("in quotes") => {
            return Some(format!("write '{}'", super::quoted(number)));
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

fn wants_name(error: &SyntaxError) -> bool {
    ["an expression", "name"].iter().any(|word| error.message.contains(word))
}

fn is_any(token: &Token, among: &[&str]) -> bool {
    among.iter().any(|word| words::is(token, word))
}

fn is_reserved(token: &Token) -> bool {
    words::of(token).is_some_and(|word| words::is_reserved(&word))
}

/// Of those that begin nothing in the place of a name.
fn is_reserved_name(token: &Token) -> bool {
    is_any(token, &["INTERVAL", "ARRAY", "TABLE", "CASE", "CAST"])
}

/// Whether the word is one of the two before a number before `index`.
fn follows(tokens: &[TokenWithSpan], index: usize, word: &str) -> bool {
    index.checked_sub(2).and_then(|index| tokens.get(index)).is_some_and(|token| words::is(&token.token, word))
}
