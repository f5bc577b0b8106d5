//! Hints, which come as comments: `/*+ OPTIONS('key'='value') */` behind the name of a table.
//!
//! The parser beneath does not see comments. So a hint becomes a part of the name, of a form that nobody can write,
//! and is taken from there once the name's place is known. Where it has no place, the odd name is refused.

use super::comment_of_hint;
use crate::{FlinkDialect, SyntaxError, limits, words};
use sqlparser::{
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace, Word},
};
use std::collections::BTreeMap;

/// Keys and values in quotes.
pub(crate) type Options = BTreeMap<String, String>;

const PLACE: &str = "`/*+ OPTIONS('key' = 'value') */` comes directly behind the name of a table";
const OPENS: &str = "/*+";

/// Puts the tokens of a hint behind the name before it; any other whitespace comes to nothing.
pub(super) fn splice(
    whitespace: &Whitespace,
    token: &TokenWithSpan,
    tokens: &mut Vec<TokenWithSpan>,
) -> Result<(), SyntaxError> {
    let Some(text) = comment_of_hint(whitespace) else { return Ok(()) };
    let at = token.span.start;
    let follows_name = matches!(tokens.last().map(|token| &token.token), Some(Token::Word(word))
        if word.keyword != Keyword::SELECT);
    if !follows_name {
        return Err(SyntaxError::new(at, "a hint has no place here").with_hint(PLACE));
    }
    let options = read(text).ok_or_else(|| SyntaxError::new(at, "this hint is not supported").with_hint(PLACE))?;
    if options.len() > limits::OPTIONS_MAX {
        return Err(SyntaxError::new(at, format!("more than {} options", limits::OPTIONS_MAX)));
    }
    let word = Word { value: hint_text(&options), quote_style: None, keyword: Keyword::NoKeyword };
    tokens.push(TokenWithSpan::new(Token::Period, token.span));
    tokens.push(TokenWithSpan::new(Token::Word(word), token.span));
    Ok(())
}

/// The options that a part of a name stands for, if it is a hint and no name.
pub(crate) fn options_of(part: &str) -> Option<Options> {
    read(part.strip_prefix(OPENS)?.strip_suffix("*/")?)
}

/// A hint in Flink's form.
pub(crate) fn hint_text(options: &Options) -> String {
    let pairs: Vec<String> =
        options.iter().map(|(key, value)| format!("{} = {}", words::literal(key), words::literal(value))).collect();
    format!("{OPENS} OPTIONS({}) */", pairs.join(", "))
}

/// What is between `/*+` and `*/`; nothing where that is not options.
fn read(text: &str) -> Option<Options> {
    let dialect = FlinkDialect::default();
    let tokens = Tokenizer::new(&dialect, text).tokenize().ok()?;
    let mut tokens = tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_)));
    if !words::is(&tokens.next()?, "OPTIONS") || tokens.next()? != Token::LParen {
        return None;
    }
    let mut options = Options::new();
    loop {
        let (Token::SingleQuotedString(key), Token::Eq, Token::SingleQuotedString(value)) =
            (tokens.next()?, tokens.next()?, tokens.next()?)
        else {
            return None;
        };
        options.insert(key, value).is_none().then_some(())?;
        match tokens.next()? {
            Token::Comma => {}
            Token::RParen => return tokens.next().is_none().then_some(options),
            _ => return None,
        }
    }
}
