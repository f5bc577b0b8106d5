//! Queries: read by the parser beneath, then checked for what Flink does not have.

mod check;
mod text;
mod window;

pub(crate) use text::expr_text;
pub use text::query_text;
pub use window::{WindowFunction, WindowKind, window_function};

use crate::{
    SyntaxError, Walk,
    cursor::{Cursor, Read},
    parse::Parameters,
    script, walk_mut,
};
use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    JoinConstraint, JoinOperator, ObjectName, Query, TableFactor, Value,
};
use std::{collections::BTreeMap, ops::ControlFlow};

/// The function that `TABLE t` is in a query, as an argument of a window function: its argument is the table's
/// name, and what it is `OVER` is what it is partitioned by. Without quotes nobody can write a function of this
/// name.
pub const TABLE_ARGUMENT: &str = "TABLE";
/// The function that `a BETWEEN SYMMETRIC b AND c` is in a query. Without quotes nobody can write its name.
pub const BETWEEN_SYMMETRIC: &str = "BETWEEN SYMMETRIC";
/// The function that a hint behind a table's name is in a query: the one argument of the table, with `'key' =
/// 'value'` as arguments of its own. Whoever takes a table with arguments for a function refuses it, and no hint is
/// lost.
pub const OPTIONS_HINT: &str = "OPTIONS";

/// A query, in Flink's terms.
pub(crate) fn parse(cursor: &mut Cursor<'_, '_>) -> Read<Box<Query>> {
    let mut query = cursor.query()?;
    checked(query.as_mut(), cursor.parameters())?;
    Ok(query)
}

/// An expression, in Flink's terms.
pub(crate) fn parse_expr(cursor: &mut Cursor<'_, '_>) -> Read<Expr> {
    let mut expr = cursor.expr()?;
    checked(&mut expr, Parameters::Refused)?;
    Ok(expr)
}

fn checked(read: &mut impl Walk, parameters: Parameters) -> Read<()> {
    match walk_mut(read, &mut check::Check::new(parameters)) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// What a join is made by that has the columns of both sides; nothing of others.
#[must_use]
pub const fn join_constraint(join: &JoinOperator) -> Option<&JoinConstraint> {
    match join {
        JoinOperator::Join(of)
        | JoinOperator::Inner(of)
        | JoinOperator::Left(of)
        | JoinOperator::LeftOuter(of)
        | JoinOperator::Right(of)
        | JoinOperator::RightOuter(of)
        | JoinOperator::FullOuter(of)
        | JoinOperator::CrossJoin(of) => Some(of),
        _ => None,
    }
}

/// The options of the hint behind a table's name, as in `orders /*+ OPTIONS('key' = 'value') */`.
///
/// Nothing where `factor` has no hint. Such a table has `args` that are no arguments of a function.
#[must_use]
pub fn table_options(factor: &TableFactor) -> Option<BTreeMap<String, String>> {
    let TableFactor::Table { args: Some(args), .. } = factor else { return None };
    match args.args.as_slice() {
        [hint] => hint_options(hint),
        _ => None,
    }
}

/// The options of a hint that is an argument.
fn hint_options(arg: &FunctionArg) -> Option<BTreeMap<String, String>> {
    let FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Function(function))) = arg else { return None };
    is_named(&function.name, OPTIONS_HINT).then_some(())?;
    arguments(function).iter().map(option).collect()
}

fn option(arg: &FunctionArg) -> Option<(String, String)> {
    let text = |expr: &Expr| match expr {
        Expr::Value(value) => value.clone().into_string(),
        _ => None,
    };
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::BinaryOp { left, right, .. })) => {
            Some((text(left)?, text(right)?))
        }
        _ => None,
    }
}

/// The hint as an argument.
pub(crate) fn options_argument(options: script::Options, at: sqlparser::tokenizer::Span) -> Expr {
    let text = |text| Box::new(Expr::Value(Value::SingleQuotedString(text).with_span(at)));
    let pairs = options.into_iter();
    let pairs = pairs.map(|(k, v)| Expr::BinaryOp { left: text(k), op: BinaryOperator::Eq, right: text(v) });
    call(OPTIONS_HINT, pairs.collect())
}

/// Whether this is the one word, without quotes.
fn is_named(name: &ObjectName, word: &str) -> bool {
    match name.0.as_slice() {
        [part] => part.as_ident().is_some_and(|ident| is_word(ident, word)),
        _ => false,
    }
}

fn is_word(ident: &Ident, word: &str) -> bool {
    ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case(word)
}

fn arguments(function: &Function) -> &[FunctionArg] {
    match &function.args {
        FunctionArguments::List(list) => &list.args,
        FunctionArguments::None | FunctionArguments::Subquery(_) => &[],
    }
}

/// A call of a function.
pub(crate) fn function(name: &str, args: Vec<Expr>) -> Function {
    let args = args.into_iter().map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))).collect();
    Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: vec![] }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    }
}

/// The same as an expression.
pub(crate) fn call(name: &str, args: Vec<Expr>) -> Expr {
    Expr::Function(function(name, args))
}

fn refused<T>(error: SyntaxError) -> ControlFlow<SyntaxError, T> {
    ControlFlow::Break(error)
}
