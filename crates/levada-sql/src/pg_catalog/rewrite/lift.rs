//! Queries in the places of values. The planner beneath takes those that give one row at most by their form, so
//!
//! | a query in the place of a value | here |
//! |---|---|
//! | over a table that is always empty | NULL |
//! | that finds one row at most, see [`unique`] | a join, where it can be one, otherwise `max` of its value |
//! | with `ORDER BY … LIMIT 1` | `first_value` of its value in that order |
//! | `ARRAY (SELECT a … ORDER BY b)` | the text of an array, of an aggregate in that order |
//!
//! What may find more rows is refused: PostgreSQL fails where it does.

mod unique;

#[cfg(test)]
pub(in super::super) use unique::KEYS;

use super::{PlanError, call, last};
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Distinct, DuplicateTreatment, Expr, Function, FunctionArgumentClause, FunctionArguments,
    GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, LimitClause, OrderByExpr, OrderByKind, Query, Select,
    SelectItem, SetExpr, TableAlias, TableFactor, TableWithJoins, Value, Visitor, VisitorMut,
};
use levada_sql_syntax::{walk, walk_mut};
use std::{collections::BTreeMap, convert::Infallible, ops::ControlFlow};

/// Functions that come to one row.
const AGGREGATES: [&str; 12] = [
    "count",
    "max",
    "min",
    "sum",
    "avg",
    "string_agg",
    "array_agg",
    "bool_or",
    "bool_and",
    "first_value",
    "last_value",
    "pg_array",
];

/// Lifts what can be lifted of a `SELECT`. `number` names what is lifted, and goes on.
pub(super) fn lift(select: &mut Select, number: &mut usize) -> Result<(), PlanError> {
    if gives_nothing(select) {
        // No row shows what stands in their places.
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                let ControlFlow::Continue(()) = walk_mut(expr, &mut Nothing);
            }
        }
    }
    let is_column = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
    let can = !select.from.is_empty() && !is_grouped(select) && select.projection.iter().all(is_column);
    if can {
        let mut lifting = Lifting { joins: Vec::new(), number };
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                let ControlFlow::Continue(()) = walk_mut(expr, &mut lifting);
            }
        }
        let joins = lifting.joins;
        if !joins.is_empty() {
            join(select, joins);
        }
    }
    match walk_mut(select, &mut Single) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
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
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => has_aggregate(expr),
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
    if let Some(mut all) = joined(std::mem::take(&mut select.from)) {
        all.joins.extend(joins);
        select.from = vec![all];
    }
}

/// Tables with commas between them as one, joined.
fn joined(tables: Vec<TableWithJoins>) -> Option<TableWithJoins> {
    let mut tables = tables.into_iter();
    let mut first = tables.next()?;
    for TableWithJoins { relation, joins } in tables {
        let join_operator = JoinOperator::CrossJoin(JoinConstraint::None);
        first.joins.push(Join { relation, global: false, join_operator });
        first.joins.extend(joins);
    }
    Some(first)
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
        && !matches!(limit(query), Limit::Other)
        && !is_grouped(select)
        && select.having.is_none()
        && select.distinct.is_none();
    let ([SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. }], true) =
        (select.projection.as_slice(), is_plain)
    else {
        return None;
    };
    // Of several rows each would be one of the answer.
    if has_aggregate(value) || has_plain_names(select) || !unique::is_unique(select) {
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
    let ControlFlow::Continue(()) = walk_mut(&mut value, &mut renaming);
    let ControlFlow::Continue(()) = walk_mut(&mut on, &mut renaming);
    let ControlFlow::Continue(()) = walk_mut(&mut from, &mut renaming);
    let first = joined(from)?;
    let relation = match first.joins.is_empty() {
        true => first.relation,
        false => TableFactor::NestedJoin { table_with_joins: Box::new(first), alias: None },
    };
    let join_operator = JoinOperator::LeftOuter(JoinConstraint::On(on));
    Some((value, Join { relation, global: false, join_operator }))
}

/// Whether an expression is over all rows, and not over each.
fn has_aggregate(expr: &Expr) -> bool {
    struct Aggregates {
        /// Within how many queries of its own.
        depth: usize,
    }
    impl Visitor for Aggregates {
        type Break = ();

        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.depth += 1;
            ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.depth -= 1;
            ControlFlow::Continue(())
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Function(function) if self.depth == 0 && is_aggregate(function) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    walk(expr, &mut Aggregates { depth: 0 }).is_break()
}

fn is_aggregate(function: &Function) -> bool {
    let is_known = |name: &str| AGGREGATES.iter().any(|known| known.eq_ignore_ascii_case(name));
    function.over.is_none() && last(&function.name).is_some_and(is_known)
}

/// Whether columns are named without their tables, which may then be anybody's, or with schemas.
fn has_plain_names(select: &Select) -> bool {
    struct Plain;
    impl Visitor for Plain {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(_) | Expr::Subquery(_) => ControlFlow::Break(()),
                Expr::CompoundIdentifier(parts) if parts.len() != 2 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    walk(select, &mut Plain).is_break()
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

/// Makes queries as values give one row, or refuses them.
struct Single;

impl VisitorMut for Single {
    type Break = PlanError;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<PlanError> {
        let Expr::Subquery(query) = expr else { return ControlFlow::Continue(()) };
        if let SetExpr::Select(select) = query.body.as_ref()
            && query.with.is_none()
            && gives_nothing(select)
        {
            *expr = Expr::Value(Value::Null.into());
            return ControlFlow::Continue(());
        }
        match single(query) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

/// How many rows a query gives at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    None,
    /// The first that there is.
    One,
    /// So many that one is among them.
    Some,
    /// None, or not the first.
    Other,
}

fn limit(query: &Query) -> Limit {
    if query.fetch.is_some() {
        return Limit::Other;
    }
    match &query.limit_clause {
        None | Some(LimitClause::LimitOffset { limit: None, offset: None, .. }) => Limit::None,
        Some(LimitClause::LimitOffset { limit: Some(Expr::Value(count)), offset: None, limit_by })
            if limit_by.is_empty() =>
        {
            match &count.value {
                Value::Number(digits, _) => match digits.parse::<u64>() {
                    Ok(1) => Limit::One,
                    Ok(2..) => Limit::Some,
                    _ => Limit::Other,
                },
                _ => Limit::Other,
            }
        }
        Some(_) => Limit::Other,
    }
}

fn single(query: &mut Query) -> Result<(), PlanError> {
    let limit = limit(query);
    let SetExpr::Select(select) = query.body.as_mut() else { return Ok(()) };
    // Whether these give one row, the planner beneath decides.
    if is_grouped(select) || select.from.is_empty() {
        return Ok(());
    }
    let [item] = select.projection.as_mut_slice() else { return Ok(()) };
    let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = &*item else { return Ok(()) };
    let mut expr = expr.clone();
    if has_aggregate(&expr) {
        if limit != Limit::Other {
            query.order_by = None;
            query.limit_clause = None;
        }
        return Ok(());
    }
    let hint = Some("compare all columns of a key with `=`, or write LIMIT 1");
    let refused = || PlanError::unsupported("a query in the place of a value that may find several rows", hint);
    let single = match (limit, unique::is_unique(select)) {
        (Limit::Other, _) => {
            return Err(PlanError::unsupported("OFFSET or such a LIMIT of a query in the place of a value", None));
        }
        (_, true) => call("max", vec![expr]),
        (Limit::One, false) => {
            let order = order_of(query, &expr)?;
            let mut first = call("first_value", vec![std::mem::replace(&mut expr, Expr::Value(Value::Null.into()))]);
            put_order(&mut first, order);
            first
        }
        (Limit::None | Limit::Some, false) => return Err(refused()),
    };
    put(query, single);
    query.order_by = None;
    query.limit_clause = None;
    Ok(())
}

/// Puts a value in the place of the one of a `SELECT`.
fn put(query: &mut Query, value: Expr) {
    if let SetExpr::Select(select) = query.body.as_mut()
        && let [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] =
            select.projection.as_mut_slice()
    {
        *expr = value;
    }
}

/// The order of a query's rows, with `value` in the places of what names its one column.
fn order_of(query: &Query, value: &Expr) -> Result<Vec<OrderByExpr>, PlanError> {
    let Some(order) = &query.order_by else { return Ok(Vec::new()) };
    let OrderByKind::Expressions(by) = &order.kind else {
        return Err(PlanError::unsupported("ORDER BY ALL", None));
    };
    let alias = match query.body.as_ref() {
        SetExpr::Select(select) => match select.projection.as_slice() {
            [SelectItem::ExprWithAlias { alias, .. }] => Some(alias.value.as_str()),
            _ => None,
        },
        _ => None,
    };
    let named = |by: &OrderByExpr| {
        let is_column = match &by.expr {
            Expr::Identifier(name) => Some(name.value.as_str()) == alias,
            Expr::Value(number) => matches!(&number.value, Value::Number(digits, _) if digits == "1"),
            _ => false,
        };
        let expr = if is_column { value.clone() } else { by.expr.clone() };
        OrderByExpr { expr, ..by.clone() }
    };
    Ok(by.iter().map(named).collect())
}

/// Gives an aggregate the order of what it is over.
fn put_order(aggregate: &mut Expr, order: Vec<OrderByExpr>) {
    if let Expr::Function(Function { args: FunctionArguments::List(list), .. }) = aggregate
        && !order.is_empty()
    {
        list.clauses.push(FunctionArgumentClause::OrderBy(order));
    }
}

/// The values of a query in one text.
pub(super) fn array_of(mut query: Box<Query>) -> Result<Expr, PlanError> {
    let refused = || PlanError::unsupported("ARRAY over a query with LIMIT, GROUP BY, UNION or several columns", None);
    let is_whole = limit(&query) == Limit::None;
    let SetExpr::Select(select) = query.body.as_mut() else { return Err(refused()) };
    if gives_nothing(select) {
        return Ok(Expr::Value(Value::SingleQuotedString("{}".to_owned()).into()));
    }
    let [SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }] = select.projection.as_slice() else {
        return Err(refused());
    };
    let expr = expr.clone();
    if !is_whole || is_grouped(select) || has_aggregate(&expr) {
        return Err(refused());
    }
    let duplicates = match select.distinct.take() {
        None | Some(Distinct::All) => None,
        Some(Distinct::Distinct) => Some(DuplicateTreatment::Distinct),
        Some(Distinct::On(_)) => return Err(refused()),
    };
    let text = |expr: Expr| Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(expr),
        data_type: DataType::Text,
        array: false,
        format: None,
    };
    let order = order_of(&query, &expr)?;
    let comma = Expr::Value(Value::SingleQuotedString(",".to_owned()).into());
    let mut all = call("string_agg", vec![text(expr), comma]);
    if let Expr::Function(Function { args: FunctionArguments::List(list), .. }) = &mut all {
        list.duplicate_treatment = duplicates;
    }
    put_order(&mut all, order);
    put(&mut query, call("pg_array", vec![all]));
    query.order_by = None;
    Ok(Expr::Subquery(query))
}
