//! What stands in the place of a table.

use super::{Flow, ident, joins, unknown};
use crate::{
    SyntaxError,
    query::{OPTIONS_HINT, is_named, options_argument, refused, window_function},
    script,
};
use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, ObjectNamePart, Spanned as _, TableAlias, TableFactor, TableFunctionArgs,
    TableVersion,
};
use std::ops::ControlFlow;

/// Checks it, and gives how many `TABLE t` have their place in it.
pub(super) fn check(factor: &mut TableFactor) -> ControlFlow<SyntaxError, usize> {
    hint(factor)?;
    unnest(factor)?;
    match factor {
        TableFactor::Table { alias: name, .. } | TableFactor::TableFunction { alias: name, .. } => {
            name.iter().try_for_each(alias)?;
        }
        TableFactor::Derived { alias: name, sample, subquery, .. } => {
            name.iter().try_for_each(alias)?;
            if sample.is_some() {
                unknown(subquery.span(), "TABLESAMPLE", "")?;
            }
        }
        TableFactor::UNNEST { alias: name, with_offset, .. } => {
            name.iter().try_for_each(alias)?;
            if *with_offset {
                unknown(factor.span(), "WITH OFFSET", "write `WITH ORDINALITY`")?;
            }
        }
        TableFactor::NestedJoin { table_with_joins, alias: name } => {
            name.iter().try_for_each(alias)?;
            joins(table_with_joins)?;
        }
        TableFactor::Function { name, .. } => {
            unknown(name.span(), "LATERAL TABLE", "write `CROSS JOIN UNNEST(a) AS t (x)` or `LATERAL (SELECT …)`")?;
        }
        ref other => unknown(other.span(), "this kind of table", "")?,
    }
    plain(factor)?;
    match window_function(factor) {
        Some(Ok(_)) => ControlFlow::Continue(1),
        Some(Err(error)) => refused(error),
        None => match factor {
            TableFactor::TableFunction { expr, .. } if !matches!(expr, Expr::Function(_)) => {
                let error = SyntaxError::new(expr.span().start, "`TABLE(…)` has a function in it");
                refused(error.with_hint("write `TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' MINUTE))`"))
            }
            _ => ControlFlow::Continue(0),
        },
    }
}

/// Puts the hint that came as a part of the name where the options of a table are.
fn hint(factor: &mut TableFactor) -> Flow {
    let TableFactor::Table { name, args, .. } = factor else { return Flow::Continue(()) };
    let is_options = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Function(function))) => is_named(&function.name, OPTIONS_HINT),
        _ => false,
    };
    if args.iter().flat_map(|args| &args.args).any(is_options) {
        return unknown(name.span(), "OPTIONS(…)", "write it as a hint: `t /*+ OPTIONS('key' = 'value') */`");
    }
    let Some(ObjectNamePart::Identifier(last)) = name.0.last() else { return Flow::Continue(()) };
    if last.quote_style.is_some() {
        return Flow::Continue(());
    }
    let Some(options) = script::options_of(&last.value) else { return Flow::Continue(()) };
    let at = last.span;
    if args.is_some() || name.0.len() < 2 {
        return refused(SyntaxError::new(at.start, "a hint has no place here"));
    }
    name.0.pop();
    let hint = FunctionArg::Unnamed(FunctionArgExpr::Expr(options_argument(options, at)));
    *args = Some(TableFunctionArgs { args: vec![hint], settings: None });
    Flow::Continue(())
}

/// `UNNEST(a)`, which the parser beneath takes for some function.
fn unnest(factor: &mut TableFactor) -> Flow {
    let TableFactor::Table { name, args: Some(args), alias, with_ordinality, .. } = factor else {
        return Flow::Continue(());
    };
    if !is_named(name, "UNNEST") {
        return Flow::Continue(());
    }
    let exprs = args.args.iter().map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    });
    let Some(array_exprs) = exprs.collect::<Option<Vec<Expr>>>().filter(|exprs| exprs.len() == 1) else {
        return refused(SyntaxError::new(name.span().start, "`UNNEST` has one array, map or multiset"));
    };
    *factor = TableFactor::UNNEST {
        alias: alias.take(),
        array_exprs,
        with_offset: false,
        with_offset_alias: None,
        with_ordinality: *with_ordinality,
    };
    Flow::Continue(())
}

/// Without what other databases put behind a table.
fn plain(factor: &TableFactor) -> Flow {
    let TableFactor::Table {
        name,
        alias: _,
        args,
        with_hints,
        version,
        with_ordinality,
        partitions,
        json_path,
        sample,
        index_hints,
    } = factor
    else {
        return Flow::Continue(());
    };
    let at = name.span();
    let found = [
        (!with_hints.is_empty() || !index_hints.is_empty(), "this hint", "write `t /*+ OPTIONS('key' = 'value') */`"),
        (!partitions.is_empty(), "PARTITION (…)", "write `WHERE`"),
        (sample.is_some(), "TABLESAMPLE", "write `WHERE RAND() < 0.1`"),
        (json_path.is_some(), "this path", ""),
        (*with_ordinality, "WITH ORDINALITY", "only `UNNEST` has it"),
        (args.as_ref().is_some_and(|args| args.settings.is_some()), "SETTINGS", ""),
        (
            !matches!(version, None | Some(TableVersion::ForSystemTimeAsOf(_))),
            "this version of a table",
            "write `t FOR SYSTEM_TIME AS OF o.ts AS r`",
        ),
    ];
    match found.into_iter().find(|(is_there, ..)| *is_there) {
        Some((_, what, hint)) => unknown(at, what, hint),
        None => Flow::Continue(()),
    }
}

/// A table's name in the query, with names of its columns.
pub(super) fn alias(alias: &TableAlias) -> Flow {
    ident(&alias.name)?;
    for column in &alias.columns {
        ident(&column.name)?;
        if column.data_type.is_some() {
            return unknown(column.name.span, "a type in `AS t (…)`", "leave it out");
        }
    }
    match &alias.at {
        Some(at) => unknown(at.span, "AT", ""),
        None => Flow::Continue(()),
    }
}
