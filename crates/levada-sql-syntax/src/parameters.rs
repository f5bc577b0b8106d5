//! Statements with `$1`, `$2`, … in them, and the values that come in their places.

use crate::{Parsed, Statement, SyntaxError, parse, script, walk, walk_mut, words};
use sqlparser::{
    ast::{CastKind, Expr, Query, SelectItem, SetExpr, UnaryOperator, Value, ValueWithSpan, Visitor, VisitorMut},
    tokenizer::{Span as TokenSpan, Token},
};
use std::ops::ControlFlow;

/// The most parameters of one statement.
pub const PARAMETERS_MAX: usize = 65_535;

/// Reads a text that is one statement, or none, whose queries may have `$1`, `$2`, … in the places of values.
///
/// # Errors
/// As [`crate::parse_statement`].
pub fn parse_prepared(text: &str) -> Result<Option<Parsed>, SyntaxError> {
    let mut pieces = script::split(text)?.into_iter();
    let Some(mut piece) = pieces.next() else { return Ok(None) };
    if let Some(second) = pieces.next() {
        return Err(SyntaxError::new(second.span.start, "there is a second statement"));
    }
    for token in &mut piece.tokens {
        if let Token::Word(word) = &token.token
            && word.quote_style.is_none()
            && number(&word.value).is_some()
        {
            token.token = Token::Placeholder(word.value.clone());
        }
    }
    let (span, own) = (piece.span, text.get(piece.bytes.clone()).unwrap_or_default().to_owned());
    let statement = parse::parse_with(piece, parse::Parameters::Allowed)?;
    Ok(Some(Parsed { statement, span, text: own }))
}

/// Which parameter `$1` is, from 1.
fn number(written: &str) -> Option<usize> {
    let digits = written.strip_prefix('$')?;
    let is_sound = !digits.is_empty() && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|number| is_sound && *number <= PARAMETERS_MAX)
}

/// The queries of a statement that may have parameters.
fn queries(statement: &Statement) -> Vec<&Query> {
    match statement {
        Statement::Query(query) => vec![query],
        Statement::Insert(insert) => vec![&insert.query],
        Statement::StatementSet(inserts) => inserts.iter().map(|insert| insert.query.as_ref()).collect(),
        Statement::CreateView(create) => vec![&create.query],
        Statement::CreateTable(create) => create.as_query.as_deref().into_iter().collect(),
        _ => Vec::new(),
    }
}

/// The number of the last parameter of a query.
#[must_use]
pub fn parameter_count_of(query: &Query) -> usize {
    let mut last = Last(0);
    let ControlFlow::Continue(()) = walk(query, &mut last);
    last.0
}

/// The number of the last parameter of a statement.
#[must_use]
pub fn parameter_count(statement: &Statement) -> usize {
    queries(statement).into_iter().map(parameter_count_of).max().unwrap_or(0)
}

struct Last(usize);

impl Visitor for Last {
    type Break = std::convert::Infallible;

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<Self::Break> {
        if let Value::Placeholder(written) = &value.value {
            self.0 = self.0.max(number(written).unwrap_or(0));
        }
        ControlFlow::Continue(())
    }
}

/// Puts `values` in the places of a statement's parameters; those for which there is none stay.
pub fn bind(statement: &mut Statement, values: &[Option<Expr>]) {
    match statement {
        Statement::Query(query) => bind_query(query, values),
        Statement::Insert(insert) => bind_query(&mut insert.query, values),
        Statement::StatementSet(inserts) => inserts.iter_mut().for_each(|insert| bind_query(&mut insert.query, values)),
        Statement::CreateView(create) => bind_query(&mut create.query, values),
        Statement::CreateTable(create) => create.as_query.iter_mut().for_each(|query| bind_query(query, values)),
        _ => {}
    }
}

fn bind_query(query: &mut Query, values: &[Option<Expr>]) {
    let ControlFlow::Continue(()) = walk_mut(query, &mut Bind { values });
}

struct Bind<'a> {
    values: &'a [Option<Expr>],
}

impl VisitorMut for Bind<'_> {
    type Break = std::convert::Infallible;

    // Not before: what was put in is not looked at again.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        let Expr::Value(ValueWithSpan { value: Value::Placeholder(written), .. }) = expr else {
            return ControlFlow::Continue(());
        };
        let at = number(written).and_then(|number| number.checked_sub(1));
        if let Some(Some(value)) = at.and_then(|at| self.values.get(at)) {
            *expr = value.clone();
        }
        ControlFlow::Continue(())
    }
}

/// A value of a type that Flink's text names, as an expression: NULL, or what `text` reads as.
///
/// # Errors
/// Where there is no such type.
pub fn typed_value(data_type: &str, text: Option<&str>) -> Result<Expr, SyntaxError> {
    let text = text.map_or_else(|| "NULL".to_owned(), words::literal);
    one_expr(&format!("SELECT CAST({text} AS {data_type})"))
}

/// A text as an expression.
#[must_use]
pub fn text_value(text: &str) -> Expr {
    Expr::Value(Value::SingleQuotedString(text.to_owned()).with_span(TokenSpan::empty()))
}

/// Bytes as an expression.
#[must_use]
pub fn bytes_value(bytes: &[u8]) -> Expr {
    let digits: String = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(hex).collect();
    Expr::Value(Value::HexStringLiteral(digits).with_span(TokenSpan::empty()))
}

fn hex(digit: u8) -> char {
    char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase()
}

/// A whole number of that type as an expression.
///
/// # Errors
/// Where there is no such type.
pub fn number_value(data_type: &str, number: i128) -> Result<Expr, SyntaxError> {
    let digits = Value::Number(number.unsigned_abs().to_string(), false).with_span(TokenSpan::empty());
    let (digits, minus) = (Box::new(Expr::Value(digits)), UnaryOperator::Minus);
    let value = if number < 0 { Expr::UnaryOp { op: minus, expr: digits } } else { *digits };
    cast_value(value, data_type)
}

/// An expression as a value of that type.
///
/// # Errors
/// Where there is no such type.
pub fn cast_value(value: Expr, data_type: &str) -> Result<Expr, SyntaxError> {
    match typed_value(data_type, None)? {
        Expr::Cast { data_type, array, format, .. } => {
            Ok(Expr::Cast { kind: CastKind::Cast, expr: Box::new(value), data_type, array, format })
        }
        other => Ok(other),
    }
}

fn one_expr(sql: &str) -> Result<Expr, SyntaxError> {
    let Statement::Query(query) = crate::parse_statement(sql)?.statement else {
        return Err(SyntaxError::new(crate::Position::START, "no query"));
    };
    let item = match *query.body {
        SetExpr::Select(select) => select.projection.into_iter().next(),
        _ => None,
    };
    match item {
        Some(SelectItem::UnnamedExpr(expr)) => Ok(expr),
        _ => Err(SyntaxError::new(crate::Position::START, "no expression")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(sql: &str) -> Statement {
        parse_prepared(sql).unwrap().unwrap().statement
    }

    #[test]
    fn parameters_are_read_where_they_may_be_and_replaced() {
        let mut statement = prepared("SELECT a + $2 FROM t WHERE b = $1 AND c IN ($3, '$4') LIMIT $1");
        assert_eq!(parameter_count(&statement), 3);
        let values = [Some(number_value("INT", -7).unwrap()), None, Some(text_value("it's"))];
        bind(&mut statement, &values);
        let Statement::Query(query) = &statement else { panic!("no query") };
        assert_eq!(
            crate::query_text(query),
            "SELECT a + $2 FROM t WHERE b = CAST(-7 AS INT) AND c IN ('it''s', '$4') LIMIT CAST(-7 AS INT)"
        );
    }

    #[test]
    fn parameters_of_inserts_become_part_of_their_text() {
        let mut statement = prepared("INSERT INTO t VALUES ($1, $2)");
        bind(&mut statement, &[Some(bytes_value(&[0xab, 1])), Some(typed_value("DATE", Some("2020-01-02")).unwrap())]);
        let text = statement.to_string();
        assert_eq!(text, "INSERT INTO t VALUES (X'AB01', CAST('2020-01-02' AS DATE))");
        assert!(crate::parse_statement(&text).is_ok());
    }

    #[test]
    fn parameters_are_refused_elsewhere() {
        assert!(crate::parse_statement("SELECT $1").is_ok_and(|parsed| parameter_count(&parsed.statement) == 0));
        assert!(crate::parse_script("SELECT a FROM t WHERE a = ?").is_err());
        assert!(parse_prepared("SELECT 1; SELECT 2").is_err());
        assert_eq!(parse_prepared(" ; ").unwrap(), None);
        assert_eq!(parameter_count(&prepared("SELECT $0, $70000, a$1 FROM t")), 0);
    }
}
