//! Window functions: `TABLE(TUMBLE(TABLE orders, DESCRIPTOR(ts), INTERVAL '10' MINUTE))` and its kin.

use super::{TABLE_ARGUMENT, arguments, hint_options, is_named};
use crate::{IntervalValue, Position, SyntaxError, cursor::Read, interval_value};
use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, Ident, ObjectName, Spanned as _, TableAlias, TableFactor, WindowType,
};
use std::collections::BTreeMap;

/// A window function in the place of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowFunction {
    /// Which windows, and how long.
    pub kind: WindowKind,
    /// The table, view or query of a `WITH` whose rows are given windows.
    pub table: ObjectName,
    /// The options of a hint behind the table's name.
    pub options: BTreeMap<String, String>,
    /// The column that decides the window.
    pub time_column: Ident,
    /// By how much windows begin later than at the epoch; less than nothing for earlier.
    pub offset_ms: i64,
    /// The name in the query.
    pub alias: Option<TableAlias>,
}

/// The kinds of windows. All spans are in milliseconds and larger than nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum WindowKind {
    /// Windows that do not overlap.
    Tumble {
        /// How long each is.
        size_ms: i64,
    },
    /// Windows that overlap, if the slide is smaller than the size, which it divides.
    Hop {
        /// How much later each begins than the one before.
        slide_ms: i64,
        /// How long each is.
        size_ms: i64,
    },
    /// Windows that begin together and end step by step, up to the size, which the step divides.
    Cumulate {
        /// How much later each ends than the one before.
        step_ms: i64,
        /// How long the last is.
        size_ms: i64,
    },
    /// Windows as long as rows come close to each other.
    Session {
        /// Rows that are farther apart are in different windows.
        gap_ms: i64,
        /// Each value has windows of its own.
        partition_by: Vec<Ident>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Name {
    Tumble,
    Hop,
    Cumulate,
    Session,
}

/// The parameters behind the table and the column, by their order.
fn spans(name: Name) -> &'static [&'static str] {
    match name {
        Name::Tumble => &["SIZE", "OFFSET"],
        Name::Hop => &["SLIDE", "SIZE", "OFFSET"],
        Name::Cumulate => &["STEP", "SIZE", "OFFSET"],
        Name::Session => &["GAP"],
    }
}

fn name_of(name: &ObjectName) -> Option<Name> {
    let names =
        [("TUMBLE", Name::Tumble), ("HOP", Name::Hop), ("CUMULATE", Name::Cumulate), ("SESSION", Name::Session)];
    names.into_iter().find_map(|(word, kind)| is_named(name, word).then_some(kind))
}

/// The window function that stands in the place of a table, with or without `TABLE(…)` around it.
///
/// Nothing where `factor` is something else.
///
/// # Errors
/// [`SyntaxError`] where its arguments are not what Flink asks for. Those of a parsed statement were looked at.
#[must_use]
pub fn window_function(factor: &TableFactor) -> Option<Result<WindowFunction, SyntaxError>> {
    let (name, args, alias) = match factor {
        TableFactor::TableFunction { expr: Expr::Function(function), alias } => {
            (&function.name, arguments(function), alias)
        }
        TableFactor::Table { name, args: Some(args), alias, .. } => (name, args.args.as_slice(), alias),
        _ => return None,
    };
    let kind = name_of(name)?;
    let at = name.span().start.into();
    Some(read(kind, args, at).map(|function| WindowFunction { alias: alias.clone(), ..function }))
}

fn read(kind: Name, args: &[FunctionArg], at: Position) -> Read<WindowFunction> {
    let mut named = parameters(kind, args)?;
    let mut take = |name: &str| {
        named.remove(name).ok_or_else(|| {
            let error = SyntaxError::new(at, format!("`{}` is missing in this window", parameter(name)));
            error.with_hint(format!("write {}", example(kind)))
        })
    };
    let (table, options, partition_by) = table(take("DATA")?)?;
    let time_column = time_column(take("TIMECOL")?)?;
    let mut span = |name: &str| {
        let expr = take(name)?;
        let span_ms = milliseconds(expr)?;
        if span_ms > 0 {
            return Ok(span_ms);
        }
        Err(SyntaxError::new(place(expr, at), format!("`{}` of a window must be longer than nothing", parameter(name))))
    };
    let (size_name, kind) = match kind {
        Name::Tumble => ("", WindowKind::Tumble { size_ms: span("SIZE")? }),
        Name::Hop => ("SLIDE", WindowKind::Hop { slide_ms: span("SLIDE")?, size_ms: span("SIZE")? }),
        Name::Cumulate => ("STEP", WindowKind::Cumulate { step_ms: span("STEP")?, size_ms: span("SIZE")? }),
        Name::Session => ("", WindowKind::Session { gap_ms: span("GAP")?, partition_by: partition_by.clone() }),
    };
    match kind {
        WindowKind::Hop { slide_ms: part, size_ms } | WindowKind::Cumulate { step_ms: part, size_ms }
            if size_ms % part != 0 =>
        {
            let message =
                format!("the size of this window, {size_ms} ms, is no multiple of its {size_name}, {part} ms");
            return Err(SyntaxError::new(at, message.to_lowercase()));
        }
        WindowKind::Tumble { .. } | WindowKind::Hop { .. } | WindowKind::Cumulate { .. }
            if !partition_by.is_empty() =>
        {
            return Err(SyntaxError::new(at, "only `SESSION` has `PARTITION BY`"));
        }
        _ => {}
    }
    let offset_ms = named.remove("OFFSET").map_or(Ok(0), milliseconds)?;
    Ok(WindowFunction { kind, table, options, time_column, offset_ms, alias: None })
}

/// What a parameter is called in a message.
fn parameter(name: &str) -> &str {
    match name {
        "DATA" => "TABLE …",
        "TIMECOL" => "DESCRIPTOR(…)",
        other => other,
    }
}

fn example(kind: Name) -> &'static str {
    match kind {
        Name::Tumble => "`TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' MINUTE)`",
        Name::Hop => "`HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '10' MINUTE)`, slide before size",
        Name::Cumulate => {
            "`CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '10' MINUTE)`, step before size"
        }
        Name::Session => "`SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '10' MINUTE)`",
    }
}

/// Arguments by name, whichever way they are written.
fn parameters(kind: Name, args: &[FunctionArg]) -> Read<BTreeMap<&'static str, &Expr>> {
    let names: Vec<&'static str> = ["DATA", "TIMECOL"].iter().chain(spans(kind)).copied().collect();
    let mut found = BTreeMap::new();
    for (index, arg) in args.iter().enumerate() {
        let (name, value, at) = match arg {
            FunctionArg::Named { name, arg, .. } => {
                let known = names.iter().find(|known| known.eq_ignore_ascii_case(&name.value)).copied();
                let known = known.ok_or_else(|| {
                    let error = SyntaxError::new(name.span.start, format!("this window has no `{}`", name.value));
                    error.with_hint(format!("it has {}", names.join(", ")))
                })?;
                (Some(known), arg, name.span.start)
            }
            FunctionArg::Unnamed(arg) | FunctionArg::ExprNamed { arg, .. } => {
                (names.get(index).copied(), arg, arg.span().start)
            }
        };
        let (Some(name), FunctionArgExpr::Expr(value)) = (name, value) else {
            let error = SyntaxError::new(at, "this argument is too much for the window");
            return Err(error.with_hint(format!("write {}", example(kind))));
        };
        if found.insert(name, value).is_some() {
            return Err(SyntaxError::new(at, format!("`{name}` is there twice")));
        }
    }
    Ok(found)
}

fn table(expr: &Expr) -> Read<(ObjectName, BTreeMap<String, String>, Vec<Ident>)> {
    let wrong = || {
        let error = SyntaxError::new(expr.span().start, "the first argument of a window is `TABLE` and a name");
        error.with_hint("name a query with `WITH` or a view first")
    };
    let Expr::Function(function) = expr else { return Err(wrong()) };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::CompoundIdentifier(parts))), hint @ ..] = arguments(function)
    else {
        return Err(wrong());
    };
    if !is_named(&function.name, TABLE_ARGUMENT) {
        return Err(wrong());
    }
    let options = hint.first().and_then(hint_options).unwrap_or_default();
    let keys: &[Expr] = match &function.over {
        Some(WindowType::WindowSpec(spec)) => &spec.partition_by,
        _ => &[],
    };
    let partition_by = keys.iter().filter_map(|key| match key {
        Expr::Identifier(key) => Some(key.clone()),
        _ => None,
    });
    Ok((ObjectName::from(parts.clone()), options, partition_by.collect()))
}

fn time_column(expr: &Expr) -> Read<Ident> {
    if let Expr::Function(function) = expr
        && is_descriptor(function)
        && let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(column)))] = arguments(function)
    {
        return Ok(column.clone());
    }
    let error = SyntaxError::new(expr.span().start, "the column that decides the window is `DESCRIPTOR` and one name");
    Err(error.with_hint("write `DESCRIPTOR(ts)`"))
}

fn is_descriptor(function: &Function) -> bool {
    is_named(&function.name, "DESCRIPTOR")
}

fn place(expr: &Expr, or: Position) -> Position {
    let start = Position::from(expr.span().start);
    if start == Position::END { or } else { start }
}

fn milliseconds(expr: &Expr) -> Read<i64> {
    let at = expr.span().start;
    let Expr::Interval(interval) = expr else {
        let error = SyntaxError::new(at, "the spans of a window are intervals");
        return Err(error.with_hint("write `INTERVAL '10' MINUTE`"));
    };
    match interval_value(interval)? {
        IntervalValue::Milliseconds(milliseconds) => Ok(milliseconds),
        IntervalValue::Months(_) => {
            let error = SyntaxError::new(at, "a window cannot be months long, which are not alike");
            Err(error.with_hint("write days"))
        }
    }
}
