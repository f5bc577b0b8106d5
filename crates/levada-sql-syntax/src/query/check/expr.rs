//! Expressions.

use super::{Flow, ident, quoting, unknown};
use crate::{
    SyntaxError,
    dialect::{is_comparison, is_known},
    limits,
    query::{TABLE_ARGUMENT, is_named, refused},
};
use sqlparser::ast::{
    AccessExpr, CastKind, CeilFloorKind, DataType, DateTimeField, Expr, ExtractSyntax, Function, FunctionArguments,
    Spanned as _, Subscript, TimezoneInfo, TypedString, UnaryOperator,
};

/// Looks at one expression, not at those within. `tables` is how many `TABLE t` are to come.
pub(super) fn check(expr: &Expr, tables: &mut usize) -> Flow {
    match expr {
        Expr::Identifier(column) => ident(column),
        Expr::CompoundIdentifier(parts) => parts.iter().try_for_each(ident),
        Expr::CompoundFieldAccess { access_chain, .. } => access_chain.iter().try_for_each(access),
        Expr::InList { list, .. } if list.len() > limits::LIST_MAX => {
            let message = format!("{} values are more than {} in one `IN (…)`", list.len(), limits::LIST_MAX);
            refused(SyntaxError::new(start(expr), message).with_hint("join with a table of the values"))
        }
        Expr::BinaryOp { op, .. } if !is_known(op) => unknown(expr.span(), &op.to_string(), ""),
        Expr::AnyOp { compare_op, right, .. } | Expr::AllOp { compare_op, right, .. } => {
            match is_comparison(compare_op) && matches!(right.as_ref(), Expr::Subquery(_)) {
                true => Flow::Continue(()),
                false => unknown(expr.span(), "ANY, SOME or ALL of values", "write `IN (…)`, or a query in brackets"),
            }
        }
        Expr::Like { any: true, .. } => unknown(expr.span(), "LIKE ANY", "join several `LIKE` with `OR`"),
        Expr::UnaryOp { op, .. } => match op {
            UnaryOperator::Plus | UnaryOperator::Minus | UnaryOperator::Not => Flow::Continue(()),
            other => unknown(expr.span(), &other.to_string(), ""),
        },
        Expr::Cast { kind, .. } => match kind {
            CastKind::Cast | CastKind::TryCast => Flow::Continue(()),
            CastKind::SafeCast => unknown(expr.span(), "SAFE_CAST", "write `TRY_CAST`"),
            CastKind::DoubleColon => unknown(expr.span(), "::", "write `CAST(x AS type)`"),
        },
        Expr::Convert { .. } => unknown(expr.span(), "CONVERT", "write `CAST(x AS type)`"),
        Expr::Extract { field, syntax, .. } => match syntax {
            ExtractSyntax::From => unit(expr, field),
            ExtractSyntax::Comma => unknown(expr.span(), "EXTRACT(unit, x)", "write `EXTRACT(unit FROM x)`"),
        },
        Expr::Ceil { field, .. } | Expr::Floor { field, .. } => match field {
            CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) => Flow::Continue(()),
            CeilFloorKind::DateTimeField(field) => unit(expr, field),
            CeilFloorKind::Scale(_) => unknown(expr.span(), "a scale in CEIL and FLOOR", "write `ROUND(x, n)`"),
        },
        Expr::Trim { trim_characters: Some(_), .. } => {
            unknown(expr.span(), "TRIM(x, y)", "write `TRIM(BOTH y FROM x)`, or `BTRIM(x, y)`")
        }
        Expr::TypedString(typed) => typed_string(typed),
        Expr::Function(call) => function(call, tables),
        Expr::Array(array) if !array.named => unknown(expr.span(), "[…]", "write `ARRAY[…]`"),
        Expr::Array(array) if array.elem.is_empty() => {
            let error = SyntaxError::new(start(expr), "an array without values has no type");
            refused(error.with_hint("write `CAST(NULL AS ARRAY<INT>)` or give it a value"))
        }
        other => known(other),
    }
}

/// The rest: what is as it should be, and what other databases have.
fn known(expr: &Expr) -> Flow {
    match expr {
        Expr::IsFalse(_)
        | Expr::IsNotFalse(_)
        | Expr::IsTrue(_)
        | Expr::IsNotTrue(_)
        | Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotUnknown(_)
        | Expr::IsDistinctFrom(..)
        | Expr::IsNotDistinctFrom(..)
        | Expr::InList { .. }
        | Expr::InSubquery { .. }
        | Expr::Between { .. }
        | Expr::BinaryOp { .. }
        | Expr::Like { .. }
        | Expr::SimilarTo { .. }
        | Expr::Position { .. }
        | Expr::Substring { .. }
        | Expr::Trim { .. }
        | Expr::Overlay { .. }
        | Expr::Nested(_)
        | Expr::Value(_)
        | Expr::Case { .. }
        | Expr::Exists { .. }
        | Expr::Subquery(_)
        | Expr::GroupingSets(_)
        | Expr::Cube(_)
        | Expr::Rollup(_)
        | Expr::Tuple(_)
        | Expr::Map(_)
        | Expr::Array(_)
        | Expr::Interval(_) => Flow::Continue(()),
        Expr::Collate { .. } => unknown(expr.span(), "COLLATE", "text is compared by its characters' numbers"),
        Expr::ILike { .. } => unknown(expr.span(), "ILIKE", "write `LOWER(x) LIKE LOWER(y)`"),
        Expr::RLike { .. } => unknown(expr.span(), "RLIKE", "write `REGEXP(x, y)`"),
        Expr::AtTimeZone { .. } => unknown(expr.span(), "AT TIME ZONE", ""),
        Expr::Wildcard(_) | Expr::QualifiedWildcard(..) => {
            refused(SyntaxError::new(start(expr), "`*` has no place here").with_hint("name the columns"))
        }
        _ => unknown(expr.span(), &crate::error::quoted(&expr.to_string()), ""),
    }
}

fn start(expr: &Expr) -> crate::Position {
    expr.span().start.into()
}

fn access(access: &AccessExpr) -> Flow {
    match access {
        AccessExpr::Dot(Expr::Identifier(field)) => ident(field),
        AccessExpr::Subscript(Subscript::Index { .. }) => Flow::Continue(()),
        AccessExpr::Dot(other) => {
            refused(SyntaxError::new(start(other), "only the name of a field can be behind a point"))
        }
        AccessExpr::Subscript(subscript) => {
            let lower = match subscript {
                Subscript::Slice { lower_bound: Some(bound), .. } => bound.span(),
                _ => sqlparser::tokenizer::Span::empty(),
            };
            unknown(lower, "a part of an array", "write `ARRAY_SLICE(a, 1, 2)`")
        }
    }
}

fn unit(expr: &Expr, field: &DateTimeField) -> Flow {
    use DateTimeField as F;
    match field {
        F::Year
        | F::Quarter
        | F::Month
        | F::Week(None)
        | F::Day
        | F::Doy
        | F::Dow
        | F::Hour
        | F::Minute
        | F::Second
        | F::Millisecond
        | F::Microsecond
        | F::Nanosecond
        | F::Epoch
        | F::Decade
        | F::Century
        | F::Millennium
        | F::Isodow
        | F::Isoyear => Flow::Continue(()),
        other => unknown(expr.span(), &other.to_string(), "write a unit such as `DAY`, `HOUR` or `MINUTE`"),
    }
}

fn typed_string(typed: &TypedString) -> Flow {
    let is_known = matches!(
        typed.data_type,
        DataType::Date | DataType::Time(None, TimezoneInfo::None) | DataType::Timestamp(None, TimezoneInfo::None)
    );
    if is_known && !typed.uses_odbc_syntax {
        return Flow::Continue(());
    }
    let what = format!("a literal of type {}", typed.data_type);
    unknown(typed.value.span, &what, "write `DATE '…'`, `TIME '…'`, `TIMESTAMP '…'`, or `CAST('…' AS type)`")
}

fn function(function: &Function, tables: &mut usize) -> Flow {
    function.name.0.iter().filter_map(|part| part.as_ident()).try_for_each(quoting)?;
    let at = function.name.span();
    if is_named(&function.name, TABLE_ARGUMENT) {
        let Some(rest) = tables.checked_sub(1) else {
            let hint = "it is for `TUMBLE`, `HOP`, `CUMULATE` and `SESSION` in the place of a table";
            return unknown(at, "TABLE t", hint);
        };
        *tables = rest;
        return Flow::Continue(());
    }
    if function.uses_odbc_syntax || !matches!(function.parameters, FunctionArguments::None) {
        return unknown(at, "this form of a call", "write `f(a, b)`");
    }
    match &function.args {
        FunctionArguments::Subquery(_) => unknown(at, "a query as an argument", "put it in brackets"),
        FunctionArguments::None | FunctionArguments::List(_) => Flow::Continue(()),
    }
}
