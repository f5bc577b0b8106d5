//! The tokens of one statement and how far they are read.

use crate::{FlinkDialect, Position, SyntaxError, parse::Parameters, script, words};
use sqlparser::{
    ast::{Expr, Ident, ObjectName, Query},
    parser::{Parser, ParserError},
    tokenizer::{Token, TokenWithSpan},
};

pub(crate) type Read<T> = Result<T, SyntaxError>;

/// Reads what the parser beneath does not know, and hands it the rest.
pub(crate) struct Cursor<'c, 'p> {
    parser: &'c mut Parser<'p>,
    dialect: &'c FlinkDialect,
}

impl<'c, 'p> Cursor<'c, 'p> {
    pub(crate) fn new(parser: &'c mut Parser<'p>, dialect: &'c FlinkDialect) -> Self {
        Self { parser, dialect }
    }

    /// Whether `$1` may be in the place of a value.
    pub(crate) const fn parameters(&self) -> Parameters {
        self.dialect.parameters()
    }

    pub(crate) fn peek(&self) -> &TokenWithSpan {
        self.parser.peek_token_ref()
    }

    pub(crate) fn peek_at(&self, index: usize) -> &Token {
        &self.parser.peek_nth_token_ref(index).token
    }

    pub(crate) fn next(&mut self) -> TokenWithSpan {
        self.parser.next_token()
    }

    /// Where the next token is.
    pub(crate) fn position(&self) -> Position {
        self.peek().span.start.into()
    }

    pub(crate) fn is(&self, word: &str) -> bool {
        words::is(&self.peek().token, word)
    }

    /// Takes these words if they are all there.
    pub(crate) fn eat(&mut self, expected: &str) -> bool {
        let all = expected.split(' ').enumerate().all(|(index, word)| words::is(self.peek_at(index), word));
        if all {
            expected.split(' ').for_each(|_| drop(self.next()));
        }
        all
    }

    pub(crate) fn expect(&mut self, expected: &str) -> Read<()> {
        expected.split(' ').try_for_each(|word| match self.eat(word) {
            true => Ok(()),
            false => self.expected(&format!("`{expected}`")),
        })
    }

    pub(crate) fn eat_token(&mut self, token: &Token) -> bool {
        self.parser.consume_token(token)
    }

    pub(crate) fn expect_token(&mut self, token: &Token) -> Read<()> {
        match self.eat_token(token) {
            true => Ok(()),
            false => self.expected(&format!("`{token}`")),
        }
    }

    pub(crate) fn expected<T>(&self, what: &str) -> Read<T> {
        Err(SyntaxError::expected(what, self.peek()))
    }

    pub(crate) fn not_supported<T>(&self, what: &str, hint: &str) -> Read<T> {
        let error = SyntaxError::not_supported(self.position(), what);
        Err(if hint.is_empty() { error } else { error.with_hint(hint) })
    }

    /// One word, or a name in backticks.
    pub(crate) fn ident(&mut self, what: &str) -> Read<Ident> {
        match &self.peek().token {
            Token::Word(word) if word.quote_style.is_none() && words::is_reserved(&word.value) => self.expected(what),
            Token::Word(_) => self.beneath(Parser::parse_identifier),
            _ => self.expected(what),
        }
    }

    /// A name of up to three parts, which has no hint behind it.
    pub(crate) fn name(&mut self, what: &str) -> Read<ObjectName> {
        let (name, hint) = self.name_with_options(what)?;
        match hint {
            Some((at, _)) => Err(SyntaxError::new(at, "a hint has no place here")),
            None => Ok(name),
        }
    }

    /// A name of up to three parts, and the options of a hint behind it.
    pub(crate) fn name_with_options(&mut self, what: &str) -> Read<(ObjectName, Option<(Position, script::Options)>)> {
        let mut parts = vec![self.ident(what)?];
        let mut hint = None;
        while hint.is_none() && self.eat_token(&Token::Period) {
            let part = self.ident("a name")?;
            match part.quote_style.is_none().then(|| script::options_of(&part.value)).flatten() {
                Some(options) => hint = Some((part.span.start.into(), options)),
                None => parts.push(part),
            }
        }
        match parts.get(3) {
            Some(part) => Err(SyntaxError::new(part.span.start, "a name has at most three parts")
                .with_hint("they are catalog, database and table")),
            None => Ok((ObjectName::from(parts), hint)),
        }
    }

    /// Text in quotes.
    pub(crate) fn text(&mut self, what: &str) -> Read<String> {
        match self.peek().token.clone() {
            Token::SingleQuotedString(text) => {
                self.next();
                Ok(text)
            }
            _ => self.expected(what),
        }
    }

    /// A number without a fraction.
    pub(crate) fn number(&mut self, what: &str) -> Read<u32> {
        match &self.peek().token {
            Token::Number(digits, false) => {
                let Ok(number) = digits.parse() else { return self.expected(what) };
                self.next();
                Ok(number)
            }
            _ => self.expected(what),
        }
    }

    /// What `read` reads one or more times, with commas between.
    pub(crate) fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let mut items = vec![read(self)?];
        while self.eat_token(&Token::Comma) {
            items.push(read(self)?);
        }
        Ok(items)
    }

    /// The same between round brackets.
    pub(crate) fn bracketed<T>(&mut self, read: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        self.expect_token(&Token::LParen)?;
        let items = self.list(read)?;
        self.expect_token(&Token::RParen)?;
        Ok(items)
    }

    /// An expression, which is not checked yet.
    pub(crate) fn expr(&mut self) -> Read<Expr> {
        self.beneath(Parser::parse_expr)
    }

    /// A query, which is not checked yet.
    pub(crate) fn query(&mut self) -> Read<Box<Query>> {
        self.beneath(Parser::parse_query)
    }

    fn beneath<T>(&mut self, read: impl FnOnce(&mut Parser<'p>) -> Result<T, ParserError>) -> Read<T> {
        let read = read(self.parser);
        match (self.dialect.take_certain(), read) {
            (Some(error), _) => Err(error),
            (None, Ok(read)) => Ok(read),
            (None, Err(error)) => Err(SyntaxError::from_parser(&error, self.position())),
        }
    }
}
