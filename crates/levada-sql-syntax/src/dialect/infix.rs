//! Operators between expressions: those that Flink has, and no other.

use super::FlinkDialect;
use crate::{BETWEEN_SYMMETRIC, query};
use sqlparser::{
    ast::{BinaryOperator, Expr, UnaryOperator},
    dialect::{Dialect as _, Precedence},
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::Token,
};

/// How tight the next token binds; 0 where it is no operator, which ends the expression.
pub(super) fn precedence(dialect: &FlinkDialect, parser: &Parser) -> u8 {
    let keyword_at = |index| match &parser.peek_nth_token_ref(index).token {
        Token::Word(word) => word.keyword,
        _ => Keyword::NoKeyword,
    };
    let precedence = match &parser.peek_token_ref().token {
        Token::Word(word) => match word.keyword {
            Keyword::OR => Precedence::Or,
            Keyword::AND => Precedence::And,
            Keyword::IS => Precedence::Is,
            Keyword::IN | Keyword::BETWEEN => Precedence::Between,
            Keyword::OVERLAPS => Precedence::Eq,
            Keyword::LIKE | Keyword::SIMILAR => Precedence::Like,
            Keyword::NOT => match keyword_at(1) {
                Keyword::IN | Keyword::BETWEEN => Precedence::Between,
                Keyword::LIKE | Keyword::SIMILAR => Precedence::Like,
                _ => return 0,
            },
            _ => return 0,
        },
        Token::Period => Precedence::Period,
        Token::Eq | Token::Neq | Token::Lt | Token::LtEq | Token::Gt | Token::GtEq => Precedence::Eq,
        Token::Plus | Token::Minus => Precedence::PlusMinus,
        Token::Mul | Token::Div | Token::Mod | Token::StringConcat => Precedence::MulDivModOp,
        _ => return 0,
    };
    dialect.prec_value(precedence)
}

/// Operators that the parser beneath reads otherwise, or not at all.
pub(super) fn parse(dialect: &FlinkDialect, parser: &mut Parser, left: &Expr) -> Option<Result<Expr, ParserError>> {
    if parser.parse_keywords(&[Keyword::IS, Keyword::DISTINCT, Keyword::FROM]) {
        return Some(distinct(dialect, parser, left, Expr::IsDistinctFrom));
    }
    if parser.parse_keywords(&[Keyword::IS, Keyword::NOT, Keyword::DISTINCT, Keyword::FROM]) {
        return Some(distinct(dialect, parser, left, Expr::IsNotDistinctFrom));
    }
    let is_negated = parser.peek_keyword(Keyword::NOT);
    let between = usize::from(is_negated);
    let is_between =
        matches!(&parser.peek_nth_token_ref(between).token, Token::Word(w) if w.keyword == Keyword::BETWEEN);
    let kind = match &parser.peek_nth_token_ref(between + 1).token {
        Token::Word(word) if is_between => word.keyword,
        _ => return None,
    };
    match kind {
        Keyword::SYMMETRIC | Keyword::ASYMMETRIC => {
            (0..between + 2).for_each(|_| drop(parser.next_token()));
            Some(bounds(dialect, parser).map(|(low, high)| ranged(left, low, high, kind, is_negated)))
        }
        _ => None,
    }
}

/// The parser beneath would take all that follows for the right side, `AND` included.
fn distinct(
    dialect: &FlinkDialect,
    parser: &mut Parser,
    left: &Expr,
    with: fn(Box<Expr>, Box<Expr>) -> Expr,
) -> Result<Expr, ParserError> {
    let right = parser.parse_subexpr(dialect.prec_value(Precedence::Eq))?;
    Ok(with(Box::new(left.clone()), Box::new(right)))
}

fn bounds(dialect: &FlinkDialect, parser: &mut Parser) -> Result<(Expr, Expr), ParserError> {
    let low = parser.parse_subexpr(dialect.prec_value(Precedence::Between))?;
    parser.expect_keyword_is(Keyword::AND)?;
    Ok((low, parser.parse_subexpr(dialect.prec_value(Precedence::Between))?))
}

fn ranged(left: &Expr, low: Expr, high: Expr, kind: Keyword, is_negated: bool) -> Expr {
    if kind == Keyword::ASYMMETRIC {
        let (low, high) = (Box::new(low), Box::new(high));
        return Expr::Between { expr: Box::new(left.clone()), negated: is_negated, low, high };
    }
    let call = query::call(BETWEEN_SYMMETRIC, vec![left.clone(), low, high]);
    match is_negated {
        true => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(call) },
        false => call,
    }
}

/// Whether Flink has this operator.
pub(crate) fn is_known(operator: &BinaryOperator) -> bool {
    use BinaryOperator as B;
    matches!(
        operator,
        B::Plus | B::Minus | B::Multiply | B::Divide | B::Modulo | B::StringConcat | B::And | B::Or | B::Overlaps
    ) || is_comparison(operator)
}

/// Whether it compares.
pub(crate) fn is_comparison(operator: &BinaryOperator) -> bool {
    use BinaryOperator as B;
    matches!(operator, B::Eq | B::NotEq | B::Lt | B::LtEq | B::Gt | B::GtEq)
}
