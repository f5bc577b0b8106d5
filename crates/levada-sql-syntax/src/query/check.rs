//! What the parser beneath reads and Flink does not have is refused here, with its place.
//!
//! Whatever is not in the lists of this module never reaches a planner, which therefore need not look for it: hints,
//! locks, samples, pivots, operators and literals of other databases. What a function makes of its clauses (`FILTER`,
//! `OVER`, `WITHIN GROUP`, `IGNORE NULLS`, named arguments) is the planner's business.

mod expr;
mod factor;

use super::refused;
use crate::{Position, SyntaxError, join_constraint, limits, parse::Parameters};
use sqlparser::{
    ast::{
        Distinct, Expr, GroupByExpr, Ident, Join, JoinOperator, LimitClause, ObjectName, OrderByKind, Query, Select,
        SelectFlavor, SelectItem, SetExpr, SetOperator, SetQuantifier, Spanned as _, TableFactor, TableWithJoins,
        Value, ValueWithSpan, VisitorMut,
    },
    tokenizer::Span,
};
use std::ops::ControlFlow;

type Flow = ControlFlow<SyntaxError>;

/// Looks at every part of a query, and puts hints where they belong.
pub(super) struct Check {
    /// How many `TABLE t` are to come that have their place.
    tables: usize,
    /// The last place that was seen, for what has none of its own.
    seen: Position,
    parameters: Parameters,
}

impl Check {
    pub(super) const fn new(parameters: Parameters) -> Self {
        Self { tables: 0, seen: Position::END, parameters }
    }

    fn see(&mut self, at: Span) {
        if Position::from(at.start) != Position::END {
            self.seen = at.start.into();
        }
    }
}

impl VisitorMut for Check {
    type Break = SyntaxError;

    fn pre_visit_query(&mut self, query: &mut Query) -> Flow {
        if let Some(with) = &query.with {
            if with.recursive {
                return unknown(with.with_token.0.span, "WITH RECURSIVE", "");
            }
            with.cte_tables.iter().try_for_each(|cte| factor::alias(&cte.alias))?;
        }
        body(&query.body)?;
        let at = || start(query);
        if let Some(order_by) = &query.order_by {
            match &order_by.kind {
                OrderByKind::All(_) => return unknown(at(), "ORDER BY ALL", "name the columns"),
                OrderByKind::Expressions(_) if order_by.interpolate.is_some() => {
                    return unknown(at(), "INTERPOLATE", "");
                }
                OrderByKind::Expressions(_) => {}
            }
        }
        match &query.limit_clause {
            Some(LimitClause::OffsetCommaLimit { offset, .. }) => {
                return unknown(offset.span(), "LIMIT a, b", "write `LIMIT b OFFSET a`");
            }
            Some(LimitClause::LimitOffset { limit_by, .. }) if !limit_by.is_empty() => {
                return unknown(at(), "LIMIT … BY", "rank with `ROW_NUMBER()`");
            }
            _ => {}
        }
        match &query.fetch {
            Some(fetch) if fetch.with_ties => return unknown(at(), "FETCH … WITH TIES", "rank with `RANK()`"),
            Some(fetch) if fetch.percent => return unknown(at(), "FETCH … PERCENT", ""),
            _ => {}
        }
        if !query.locks.is_empty() || query.for_clause.is_some() {
            return unknown(at(), "FOR UPDATE", "leave it out: a query always sees one state of its tables");
        }
        let others = query.settings.is_some() || query.format_clause.is_some() || !query.pipe_operators.is_empty();
        if others { unknown(at(), "this form of a query", "") } else { Flow::Continue(()) }
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> Flow {
        let at = select.select_token.0.span;
        self.see(at);
        let found = [
            (matches!(select.distinct, Some(Distinct::On(_))), "DISTINCT ON", "number the rows with `ROW_NUMBER()`"),
            (select.top.is_some(), "TOP", "write `LIMIT n` behind the query"),
            (select.into.is_some(), "SELECT … INTO", "write `INSERT INTO t SELECT …` or `CREATE TABLE t AS SELECT …`"),
            (!select.lateral_views.is_empty(), "LATERAL VIEW", "write `CROSS JOIN UNNEST(a) AS t (x)`"),
            (select.prewhere.is_some(), "PREWHERE", "write `WHERE`"),
            (!select.connect_by.is_empty(), "CONNECT BY", ""),
            (!select.cluster_by.is_empty(), "CLUSTER BY", ""),
            (!select.distribute_by.is_empty(), "DISTRIBUTE BY", ""),
            (!select.sort_by.is_empty(), "SORT BY", "write `ORDER BY`"),
            (select.value_table_mode.is_some(), "SELECT AS", ""),
            (select.exclude.is_some() || select.select_modifiers.is_some(), "this form of `SELECT`", ""),
            (select.flavor != SelectFlavor::Standard, "FROM before SELECT", "write `SELECT * FROM t`"),
            (!select.optimizer_hints.is_empty(), "this hint", ""),
            (
                !matches!(&select.group_by, GroupByExpr::Expressions(_, modifiers) if modifiers.is_empty()),
                "this form of `GROUP BY`",
                "name the columns, or write `GROUP BY ROLLUP (a, b)`",
            ),
        ];
        if let Some((_, what, hint)) = found.into_iter().find(|(is_there, ..)| *is_there) {
            return unknown(at, what, hint);
        }
        select.projection.iter().try_for_each(item)?;
        select.named_window.iter().try_for_each(|window| ident(&window.0))?;
        select.from.iter().try_for_each(joins)
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> Flow {
        self.tables += factor::check(factor)?;
        Flow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> Flow {
        name(relation)
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> Flow {
        match expr {
            Expr::Identifier(ident) => self.see(ident.span),
            Expr::CompoundIdentifier(parts) => parts.iter().take(1).for_each(|part| self.see(part.span)),
            Expr::Function(function) => self.see(function.name.span()),
            Expr::Value(value) => self.see(value.span),
            _ => {}
        }
        // A text where a name belongs has no place here, and is looked for among the tokens.
        expr::check(expr, &mut self.tables).map_break(|error| match error.message.starts_with("`'") {
            true => error,
            false => error.ending_at(self.seen),
        })
    }

    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> Flow {
        let hint = match &value.value {
            Value::Number(_, false) | Value::SingleQuotedString(_) | Value::Boolean(_) | Value::Null => {
                return Flow::Continue(());
            }
            Value::HexStringLiteral(digits) => {
                if digits.len() % 2 == 0 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    return Flow::Continue(());
                }
                return refused(SyntaxError::new(value.span.start, "bytes are an even number of hexadecimal digits"));
            }
            Value::Placeholder(_) if self.parameters == Parameters::Allowed => return Flow::Continue(()),
            Value::Placeholder(_) => "write the value itself",
            _ => "text is written '…', bytes X'…', a number with digits alone",
        };
        let message = format!("`{}` is no literal", crate::error::quoted(&value.value.to_string()));
        refused(SyntaxError::new(value.span.start, message).with_hint(hint))
    }
}

/// Refuses something that Flink, or this engine, does not have.
fn unknown(at: Span, what: &str, hint: &str) -> Flow {
    let error = SyntaxError::not_supported(at.start, what);
    refused(if hint.is_empty() { error } else { error.with_hint(hint) })
}

/// Where a query begins, near enough.
fn start(query: &Query) -> Span {
    match (&query.with, query.body.as_ref()) {
        (Some(with), _) => with.with_token.0.span,
        (None, body) => first(body),
    }
}

fn first(mut body: &SetExpr) -> Span {
    while let SetExpr::SetOperation { left, .. } = body {
        body = left;
    }
    match body {
        SetExpr::Select(select) => select.select_token.0.span,
        SetExpr::Query(query) => start(query),
        other => other.span(),
    }
}

/// What a query is made of, but for queries within.
fn body(body: &SetExpr) -> Flow {
    let mut rest = vec![body];
    while let Some(body) = rest.pop() {
        match body {
            SetExpr::Select(_) | SetExpr::Query(_) => {}
            SetExpr::SetOperation { left, op, set_quantifier, right } => {
                rest.extend([left.as_ref(), right.as_ref()]);
                if *op == SetOperator::Minus {
                    return unknown(first(right), "MINUS", "write `EXCEPT`");
                }
                match set_quantifier {
                    SetQuantifier::All | SetQuantifier::Distinct | SetQuantifier::None => {}
                    SetQuantifier::ByName | SetQuantifier::AllByName | SetQuantifier::DistinctByName => {
                        return unknown(first(right), "BY NAME", "name the columns in their order");
                    }
                }
            }
            SetExpr::Values(values) => {
                let at = values.rows.first().map_or(Span::empty(), |row| row.opening_token.0.span);
                if values.value_keyword {
                    return unknown(at, "VALUE", "write `VALUES`");
                }
                if values.rows.len() > limits::LIST_MAX {
                    let message = format!("{} rows are more than {}", values.rows.len(), limits::LIST_MAX);
                    return refused(SyntaxError::new(at.start, message).with_hint("insert them in parts"));
                }
            }
            SetExpr::Table(_) => return unknown(body.span(), "TABLE t", "write `SELECT * FROM t`"),
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                return unknown(body.span(), "a change behind `WITH`", "write `INSERT INTO t WITH … SELECT …`");
            }
        }
    }
    Flow::Continue(())
}

fn item(item: &SelectItem) -> Flow {
    match item {
        SelectItem::UnnamedExpr(_) => Flow::Continue(()),
        SelectItem::ExprWithAlias { alias, .. } => ident(alias),
        SelectItem::ExprWithAliases { aliases, .. } => {
            unknown(aliases.first().map_or(Span::empty(), |alias| alias.span), "AS (…)", "name one column")
        }
        SelectItem::QualifiedWildcard(_, options) | SelectItem::Wildcard(options) => {
            let is_plain = options.opt_ilike.is_none()
                && options.opt_exclude.is_none()
                && options.opt_except.is_none()
                && options.opt_replace.is_none()
                && options.opt_rename.is_none()
                && options.opt_alias.is_none();
            match is_plain {
                true => Flow::Continue(()),
                false => unknown(options.wildcard_token.0.span, "* with changes", "name the columns"),
            }
        }
    }
}

fn joins(tables: &TableWithJoins) -> Flow {
    tables.joins.iter().try_for_each(join)
}

fn join(join: &Join) -> Flow {
    let unknown = |what, hint| unknown(join.relation.span(), what, hint);
    let semi = "write `WHERE EXISTS (…)` or `WHERE a IN (…)`";
    let anti = "write `WHERE NOT EXISTS (…)`";
    let lateral = "write `CROSS JOIN LATERAL (…)` or `LEFT JOIN LATERAL (…) ON TRUE`";
    match &join.join_operator {
        of if join_constraint(of).is_some() && !join.global => Flow::Continue(()),
        JoinOperator::Semi(_) | JoinOperator::LeftSemi(_) | JoinOperator::RightSemi(_) => unknown("SEMI JOIN", semi),
        JoinOperator::Anti(_) | JoinOperator::LeftAnti(_) | JoinOperator::RightAnti(_) => unknown("ANTI JOIN", anti),
        JoinOperator::CrossApply | JoinOperator::OuterApply => unknown("APPLY", lateral),
        JoinOperator::AsOf { .. } => unknown("ASOF JOIN", "write `JOIN t FOR SYSTEM_TIME AS OF o.ts AS r ON …`"),
        _ => unknown("this join", ""),
    }
}

/// Names are words or in backticks; the parser beneath also takes texts for them.
fn ident(ident: &Ident) -> Flow {
    let at = Position::from(ident.span.start);
    match ident.quote_style {
        None if crate::words::is_reserved(&ident.value) => {
            let error = SyntaxError::new(at, format!("`{}` is a reserved word", ident.value));
            refused(error.with_hint("put it in backticks where it is a name"))
        }
        _ => quoting(ident),
    }
}

/// The same for the name of a function, which can be a word such as `LEFT`.
fn quoting(ident: &Ident) -> Flow {
    let at = Position::from(ident.span.start);
    match ident.quote_style {
        None if ident.value.starts_with("/*+") => refused(SyntaxError::new(at, "a hint has no place here")),
        None | Some('`') => Flow::Continue(()),
        Some(_) => {
            let shown = crate::error::quoted(&ident.value);
            let error = SyntaxError::new(at, format!("`'{shown}'` is a text where a name belongs"));
            refused(error.with_hint(format!("write it without quotes or as `{shown}` in backticks")))
        }
    }
}

fn name(name: &ObjectName) -> Flow {
    for part in &name.0 {
        match part.as_ident() {
            Some(part) => ident(part)?,
            None => return unknown(name.span(), "a function for a name", ""),
        }
    }
    match name.0.get(3) {
        Some(part) => refused(SyntaxError::new(part.span().start, "a name has at most three parts")),
        None => Flow::Continue(()),
    }
}
