//! Queries in the places of columns, as joins: `SELECT (SELECT d.x FROM d WHERE d.a = t.a) FROM t` is
//! `SELECT d.x FROM t LEFT JOIN d ON d.a = t.a` where there is one row at most, and otherwise it is an error.
//!
//! What is not of this form gets an aggregate in its place, which comes to the same.

use super::{call, last};
use datafusion::sql::sqlparser::ast::{
    Expr, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, Query, Select, SelectItem, SetExpr, TableAlias,
    TableFactor, TableWithJoins, Value, Visit, VisitMut, Visitor, VisitorMut,
};
use std::{collections::BTreeMap, convert::Infallible, ops::ControlFlow};

/// Functions that come to one row.
const AGGREGATES: [&str; 10] =
    ["count", "max", "min", "sum", "avg", "string_agg", "array_agg", "bool_or", "bool_and", "pg_array"];

/// Lifts what can be lifted of a `SELECT`. `number` names what is lifted, and goes on.
pub(super) fn lift(select: &mut Select, number: &mut usize) {
    if gives_nothing(select) {
        // No row shows what stands in their places.
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                let ControlFlow::Continue(()) = VisitMut::visit(expr, &mut Nothing);
            }
        }
    }
    let is_column = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
    let can = !select.from.is_empty() && !is_grouped(select) && select.projection.iter().all(is_column);
    if can {
        let mut lifting = Lifting { joins: Vec::new(), number };
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                let ControlFlow::Continue(()) = VisitMut::visit(expr, &mut lifting);
            }
        }
        let joins = lifting.joins;
        if !joins.is_empty() {
            join(select, joins);
        }
    }
    let ControlFlow::Continue(()) = VisitMut::visit(select, &mut Single);
}

/// Whether a `SELECT` never has a row, whatever there is.
pub(super) fn gives_nothing(select: &Select) -> bool {
    let is_empty = |table: &TableWithJoins| {
        let keeps_empty = |join: &Join| {
            use JoinOperator as J;
            matches!(join.join_operator, J::Join(_) | J::Inner(_) | J::CrossJoin(_) | J::Left(_) | J::LeftOuter(_))
        };
        let is_known = matches!(&table.relation, TableFactor::Table { name, args: None, .. }
            if last(name).is_some_and(super::super::tables::is_always_empty));
        is_known && table.joins.iter().all(keeps_empty)
    };
    let is_one_row = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => is_aggregate(expr),
        _ => false,
    };
    select.from.iter().any(is_empty) && !select.projection.iter().any(is_one_row)
}

/// Puts NULL in the places of queries.
struct Nothing;

impl VisitorMut for Nothing {
    type Break = Infallible;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        if let Expr::Subquery(_) = expr {
            *expr = Expr::Value(Value::Null.into());
        }
        ControlFlow::Continue(())
    }
}

fn is_grouped(select: &Select) -> bool {
    !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty())
}

/// Puts joins behind all tables.
fn join(select: &mut Select, joins: Vec<Join>) {
    let mut tables = std::mem::take(&mut select.from).into_iter();
    let Some(mut first) = tables.next() else { return };
    for TableWithJoins { relation, joins } in tables {
        first.joins.push(Join {
            relation,
            global: false,
            join_operator: JoinOperator::CrossJoin(JoinConstraint::None),
        });
        first.joins.extend(joins);
    }
    first.joins.extend(joins);
    select.from = vec![first];
}

struct Lifting<'a> {
    joins: Vec<Join>,
    number: &'a mut usize,
}

impl VisitorMut for Lifting<'_> {
    type Break = Infallible;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        if let Expr::Subquery(query) = expr
            && let Some((value, join)) = lifted(query, *self.number)
        {
            *self.number += 1;
            self.joins.push(join);
            *expr = Expr::Nested(Box::new(value));
        }
        ControlFlow::Continue(())
    }
}

/// The value of a query, and the join that brings it.
fn lifted(query: &Query, number: usize) -> Option<(Expr, Join)> {
    let SetExpr::Select(select) = query.body.as_ref() else { return None };
    let is_plain = query.with.is_none()
        && query.limit_clause.is_none()
        && query.fetch.is_none()
        && !is_grouped(select)
        && select.having.is_none()
        && select.distinct.is_none();
    let ([SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. }], true) =
        (select.projection.as_slice(), is_plain)
    else {
        return None;
    };
    if is_aggregate(value) || has_plain_names(select) {
        return None;
    }
    let (mut from, mut value) = (select.from.clone(), value.clone());
    let mut on = select.selection.clone().unwrap_or_else(|| Expr::Value(Value::Boolean(true).into()));
    let mut names = BTreeMap::new();
    for table in from.iter_mut().flat_map(|table| {
        std::iter::once(&mut table.relation).chain(table.joins.iter_mut().map(|join| &mut join.relation))
    }) {
        rename_table(table, number, &mut names)?;
    }
    let mut renaming = Renaming(&names);
    let ControlFlow::Continue(()) = VisitMut::visit(&mut value, &mut renaming);
    let ControlFlow::Continue(()) = VisitMut::visit(&mut on, &mut renaming);
    let ControlFlow::Continue(()) = VisitMut::visit(&mut from, &mut renaming);
    let mut tables = from.into_iter();
    let mut first = tables.next()?;
    for TableWithJoins { relation, joins } in tables {
        first.joins.push(Join {
            relation,
            global: false,
            join_operator: JoinOperator::CrossJoin(JoinConstraint::None),
        });
        first.joins.extend(joins);
    }
    let relation = match first.joins.is_empty() {
        true => first.relation,
        false => TableFactor::NestedJoin { table_with_joins: Box::new(first), alias: None },
    };
    let join_operator = JoinOperator::LeftOuter(JoinConstraint::On(on));
    Some((value, Join { relation, global: false, join_operator }))
}

fn is_aggregate(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(function) if last(&function.name).is_some_and(|name| AGGREGATES.contains(&name)))
}

/// Whether columns are named without their tables, which may then be anybody's.
fn has_plain_names(select: &Select) -> bool {
    struct Plain;
    impl Visitor for Plain {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(_) | Expr::Subquery(_) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    Visit::visit(select, &mut Plain).is_break()
}

fn rename_table(table: &mut TableFactor, number: usize, names: &mut BTreeMap<String, String>) -> Option<()> {
    let TableFactor::Table { name, alias, args: None, .. } = table else { return None };
    let known = alias.as_ref().map_or_else(|| last(name).unwrap_or_default(), |alias| alias.name.value.as_str());
    let own = format!("lifted{number}_{known}");
    names.insert(known.to_owned(), own.clone());
    let columns = alias.as_ref().map(|alias| alias.columns.clone()).unwrap_or_default();
    *alias = Some(TableAlias { explicit: true, name: Ident::new(own), columns, at: None });
    Some(())
}

struct Renaming<'a>(&'a BTreeMap<String, String>);

impl VisitorMut for Renaming<'_> {
    type Break = Infallible;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        if let Expr::CompoundIdentifier(parts) = expr
            && let [table, _] = parts.as_mut_slice()
            && let Some(own) = self.0.get(&table.value)
        {
            *table = Ident::new(own.clone());
        }
        ControlFlow::Continue(())
    }
}

/// Makes queries as values give one row, whatever they find.
struct Single;

impl VisitorMut for Single {
    type Break = Infallible;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        if let Expr::Subquery(query) = expr {
            single(query);
        }
        ControlFlow::Continue(())
    }
}

fn single(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    let is_grouped = is_grouped(select) || select.from.is_empty();
    let [item] = select.projection.as_mut_slice() else { return };
    let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else { return };
    if is_grouped || is_aggregate(expr) {
        return;
    }
    *expr = call("max", vec![expr.clone()]);
    query.order_by = None;
    query.limit_clause = None;
}
