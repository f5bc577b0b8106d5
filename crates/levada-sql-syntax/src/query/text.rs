//! Queries printed in Flink's form.

use super::{BETWEEN_SYMMETRIC, TABLE_ARGUMENT, arguments, is_named, table_options};
use crate::{script, walk_mut, words};
use sqlparser::ast::{
    Array, BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, Query,
    TableFactor, UnaryOperator, Value, ValueWithSpan, VisitorMut, WindowType,
};
use std::ops::ControlFlow;

/// The query as text that Flink reads, on one line, and that comes to the same query when it is parsed.
#[must_use]
pub fn query_text(query: &Query) -> String {
    let mut query = query.clone();
    let ControlFlow::Continue(()) = walk_mut(&mut query, &mut Printed);
    query.to_string()
}

/// The same for an expression.
pub(crate) fn expr_text(expr: &Expr) -> String {
    let mut expr = expr.clone();
    let ControlFlow::Continue(()) = walk_mut(&mut expr, &mut Printed);
    expr.to_string()
}

/// Makes of what the parser beneath does not have something that prints as Flink writes it.
struct Printed;

impl VisitorMut for Printed {
    type Break = std::convert::Infallible;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        let printed = match expr {
            Expr::Map(map) => {
                let elem = map.entries.drain(..).flat_map(|entry| [*entry.key, *entry.value]).collect();
                Some(prefixed("MAP", Expr::Array(Array { elem, named: false })))
            }
            // Two of them side by side would begin a comment.
            Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } if begins_with_sign(inner) => {
                Some(prefixed("-", taken(inner)))
            }
            Expr::UnaryOp { op: UnaryOperator::Not, expr: inner } => not_between(inner),
            Expr::Function(function) if is_named(&function.name, TABLE_ARGUMENT) => table(function),
            Expr::Function(function) if is_named(&function.name, BETWEEN_SYMMETRIC) => between(function),
            _ => None,
        };
        if let Some(printed) = printed {
            *expr = printed;
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        if let Some(options) = table_options(factor)
            && let TableFactor::Table { name, args, .. } = factor
        {
            *args = None;
            put_behind(name, &script::hint_text(&options));
        }
        ControlFlow::Continue(())
    }

    /// The parser beneath prints this behind the alias, where Flink does not have it.
    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        if let TableFactor::Table { name, version, .. } = factor
            && let Some(version) = version.take()
        {
            put_behind(name, &version.to_string());
        }
        ControlFlow::Continue(())
    }

    /// The parser beneath takes some quotes within a text for doubled ones, so what is printed is already text.
    fn post_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<Self::Break> {
        if let Value::SingleQuotedString(text) = &value.value {
            value.value = Value::Number(words::literal(text), false);
        }
        ControlFlow::Continue(())
    }
}

/// Makes what is behind a name a part of it.
fn put_behind(name: &mut ObjectName, text: &str) {
    if let Some(ObjectNamePart::Identifier(last)) = name.0.last_mut() {
        *last = Ident::new(format!("{last} {text}"));
    }
}

fn prefixed(prefix: &str, value: Expr) -> Expr {
    Expr::Prefixed { prefix: Ident::new(prefix), value: Box::new(value) }
}

fn operator(left: Expr, text: &str, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op: BinaryOperator::Custom(text.to_owned()), right: Box::new(right) }
}

/// `TABLE t PARTITION BY (a, b)`.
fn table(function: &Function) -> Option<Expr> {
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::CompoundIdentifier(parts))), hint @ ..] = arguments(function)
    else {
        return None;
    };
    let name = ObjectName::from(parts.clone()).to_string();
    let name = hint.iter().fold(name, |name, hint| format!("{name} /*+ {hint} */"));
    let table = prefixed("TABLE", Expr::Identifier(Ident::new(name)));
    match &function.over {
        Some(WindowType::WindowSpec(spec)) => {
            Some(operator(table, "PARTITION BY", Expr::Tuple(spec.partition_by.clone())))
        }
        _ => Some(table),
    }
}

fn begins_with_sign(expr: &Expr) -> bool {
    matches!(expr, Expr::UnaryOp { .. }) || matches!(expr, Expr::Prefixed { prefix, .. } if prefix.value == "-")
}

fn taken(expr: &mut Expr) -> Expr {
    std::mem::replace(expr, Expr::Tuple(vec![]))
}

/// `NOT` before what [`between`] printed goes into it.
fn not_between(inner: &mut Expr) -> Option<Expr> {
    match inner {
        Expr::BinaryOp { left, op: BinaryOperator::Custom(text), right } if text == BETWEEN_SYMMETRIC => {
            Some(operator(taken(left), &format!("NOT {text}"), taken(right)))
        }
        _ => None,
    }
}

fn between(function: &Function) -> Option<Expr> {
    let mut args = arguments(function).iter().filter_map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    });
    let (expr, low, high) = (args.next()?, args.next()?, args.next()?);
    Some(operator(expr, BETWEEN_SYMMETRIC, operator(low, "AND", high)))
}
