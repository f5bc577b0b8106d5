//! Expressions that the parser beneath does not know, or knows otherwise: `CAST` to Flink's types, intervals,
//! `MAP […]`, and `TABLE t` as an argument.

use super::FlinkDialect;
use crate::{TABLE_ARGUMENT, cursor::Cursor, data_type, interval, query, words};
use sqlparser::{
    ast::{CastKind, Expr, Ident, Map, MapEntry, ObjectName, WindowSpec, WindowType},
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::Token,
};

type Read = Result<Expr, ParserError>;

/// The expression that begins here, if it is one of ours.
pub(super) fn parse(dialect: &FlinkDialect, parser: &mut Parser) -> Option<Read> {
    let Token::Word(word) = &parser.peek_token_ref().token else { return None };
    let keyword = word.keyword;
    let next = &parser.peek_nth_token_ref(1).token;
    let read: fn(&FlinkDialect, &mut Parser) -> Read = match (keyword, next) {
        (Keyword::CAST, Token::LParen) => |dialect, parser| cast(dialect, parser, CastKind::Cast),
        (Keyword::TRY_CAST, Token::LParen) => |dialect, parser| cast(dialect, parser, CastKind::TryCast),
        (Keyword::INTERVAL, _) => interval,
        (Keyword::MAP, Token::LBracket) => map,
        (Keyword::TABLE, _) => table,
        // The parser beneath would read a query.
        (Keyword::ARRAY, Token::LParen) | (Keyword::MAP, Token::LParen) => |_, parser| {
            parser.next_token();
            parser.expected_ref("`[`", parser.peek_token_ref())
        },
        // The parser beneath would read `a + FROM t` as a sum with a column `FROM`.
        (_, next) if word.quote_style.is_none() && words::ends_expression(&word.value) => match (keyword, next) {
            (Keyword::LEFT | Keyword::RIGHT, Token::LParen) => return None,
            _ => |_, parser| parser.expected_ref("an expression", parser.peek_token_ref()),
        },
        _ => return None,
    };
    Some(read(dialect, parser))
}

fn cast(dialect: &FlinkDialect, parser: &mut Parser, kind: CastKind) -> Read {
    parser.next_token();
    parser.expect_token(&Token::LParen)?;
    let expr = Box::new(parser.parse_expr()?);
    parser.expect_keyword_is(Keyword::AS)?;
    let span = parser.peek_token_ref().span;
    match data_type::parse(&mut Cursor::new(parser, dialect)) {
        Ok(data_type) => {
            parser.expect_token(&Token::RParen)?;
            Ok(Expr::Cast { kind, expr, data_type: data_type.to_ast(span), array: false, format: None })
        }
        Err(error) => dialect.fail(error),
    }
}

fn interval(dialect: &FlinkDialect, parser: &mut Parser) -> Read {
    parser.next_token();
    let is_signed = matches!(parser.peek_token_ref().token, Token::Plus | Token::Minus);
    let text = parser.peek_nth_token_ref(usize::from(is_signed));
    if !matches!(text.token, Token::SingleQuotedString(_)) {
        // Not certain: it may still be a column behind a point.
        return parser.expected_ref("a number in quotes, as in `INTERVAL '10' MINUTE`", parser.peek_token_ref());
    }
    match interval::parse(&mut Cursor::new(parser, dialect)) {
        Ok(interval) => Ok(Expr::Interval(interval)),
        Err(error) => dialect.fail(error),
    }
}

fn map(_: &FlinkDialect, parser: &mut Parser) -> Read {
    parser.next_token();
    parser.expect_token(&Token::LBracket)?;
    let entries = parser.parse_comma_separated(|parser| {
        let key = Box::new(parser.parse_expr()?);
        parser.expect_token(&Token::Comma)?;
        Ok(MapEntry { key, value: Box::new(parser.parse_expr()?) })
    })?;
    parser.expect_token(&Token::RBracket)?;
    Ok(Expr::Map(Map { entries }))
}

/// `TABLE t [PARTITION BY a, b]`.
fn table(dialect: &FlinkDialect, parser: &mut Parser) -> Read {
    let span = parser.next_token().span;
    let name = parser.peek_token_ref().span;
    let (table, options) = match Cursor::new(parser, dialect).name_with_options("the name of a table") {
        Ok(named) => named,
        Err(_) => return parser.expected_ref("the name of a table", parser.peek_token_ref()),
    };
    let parts: Vec<Ident> = table.0.iter().filter_map(|part| part.as_ident().cloned()).collect();
    let hint = options.map(|(_, options)| query::options_argument(options, name));
    let args = std::iter::once(Expr::CompoundIdentifier(parts)).chain(hint).collect();
    let mut call = query::function(TABLE_ARGUMENT, args);
    call.name = ObjectName::from(vec![Ident::with_span(span, TABLE_ARGUMENT)]);
    if parser.parse_keywords(&[Keyword::PARTITION, Keyword::BY]) {
        let partition_by = keys(parser)?.into_iter().map(Expr::Identifier).collect();
        let spec = WindowSpec { window_name: None, partition_by, order_by: vec![], window_frame: None };
        call.over = Some(WindowType::WindowSpec(spec));
    }
    Ok(Expr::Function(call))
}

/// `a`, `(a, b)` or, up to the next argument, `a, b`.
fn keys(parser: &mut Parser) -> Result<Vec<Ident>, ParserError> {
    if parser.consume_token(&Token::LParen) {
        let keys = parser.parse_comma_separated(Parser::parse_identifier)?;
        parser.expect_token(&Token::RParen)?;
        return Ok(keys);
    }
    let mut keys = vec![parser.parse_identifier()?];
    while parser.peek_token_ref().token == Token::Comma
        && matches!(parser.peek_nth_token_ref(1).token, Token::Word(_))
        && matches!(parser.peek_nth_token_ref(2).token, Token::Comma | Token::RParen)
    {
        parser.next_token();
        keys.push(parser.parse_identifier()?);
    }
    Ok(keys)
}
