//! Names of columns that a query leaves without one: `EXPR$n`, by their places from 0 on, as Flink has it.

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, JoinConstraint, ObjectName, ObjectNamePart, OrderBy, OrderByKind, Query, Select, SelectItem, SetExpr,
    TableFactor, TableWithJoins, VisitorMut,
};
use levada_sql_syntax::{join_constraint, walk_mut};
use std::{collections::BTreeMap, convert::Infallible, ops::ControlFlow};

/// Names all columns that are computed and have no name. `width` says how many columns a table has.
pub(super) fn give(query: &mut Query, width: &dyn Fn(&str) -> Option<usize>) {
    let ControlFlow::Continue(()) = walk_mut(query, &mut Naming { width, with: BTreeMap::new() });
}

struct Naming<'a> {
    width: &'a dyn Fn(&str) -> Option<usize>,
    /// What `WITH` names, and how many columns each has, where that is known.
    with: BTreeMap<String, Option<usize>>,
}

impl VisitorMut for Naming<'_> {
    type Break = Infallible;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Infallible> {
        for table in query.with.iter().flat_map(|with| &with.cte_tables) {
            let name = table.alias.name.value.clone();
            let width = match table.alias.columns.len() {
                0 => self.of_query(&table.query),
                count => Some(count),
            };
            let is_known = self.with.contains_key(&name);
            self.with.insert(name, width.filter(|_| !is_known));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Infallible> {
        order_by_names(query);
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<Infallible> {
        let all = self.of_all(&select.from);
        let mut place = 0;
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) = item
                && !has_name(expr)
            {
                let alias = Ident::with_quote('`', format!("EXPR${place}"));
                let expr = std::mem::replace(expr, Expr::Identifier(alias.clone()));
                *item = SelectItem::ExprWithAlias { expr, alias };
            }
            // Where nobody knows how many they are, they are counted as one.
            place += self.of_item(item, all).unwrap_or(1);
        }
        ControlFlow::Continue(())
    }
}

/// Where each row is to come once, it is ordered by columns of the answer: what is written as such a column is one.
fn order_by_names(query: &mut Query) {
    let SetExpr::Select(select) = &*query.body else { return };
    let Some(OrderBy { kind: OrderByKind::Expressions(order), .. }) = &mut query.order_by else { return };
    if select.distinct.is_none() {
        return;
    }
    for by in order {
        let named = select.projection.iter().find_map(|item| match item {
            SelectItem::ExprWithAlias { expr, alias } if *expr == by.expr => Some(alias.clone()),
            _ => None,
        });
        if let Some(name) = named {
            by.expr = Expr::Identifier(name);
        }
    }
}

/// Whether an expression is a column, whose name is its own.
fn has_name(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => true,
        Expr::Nested(inner) => has_name(inner),
        _ => false,
    }
}

fn plain(name: &ObjectName) -> Option<&str> {
    match name.0.last()? {
        ObjectNamePart::Identifier(name) => Some(&name.value),
        ObjectNamePart::Function(_) => None,
    }
}

/// How many columns there are.
impl Naming<'_> {
    fn of_query(&self, query: &Query) -> Option<usize> {
        self.of_body(&query.body)
    }

    fn of_body(&self, body: &SetExpr) -> Option<usize> {
        match body {
            SetExpr::Select(select) => {
                let all = self.of_all(&select.from);
                select.projection.iter().map(|item| self.of_item(item, all)).sum()
            }
            SetExpr::Query(query) => self.of_query(query),
            SetExpr::SetOperation { left, .. } => self.of_body(left),
            _ => None,
        }
    }

    fn of_item(&self, item: &SelectItem, all: Option<usize>) -> Option<usize> {
        match item {
            SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. } => Some(1),
            SelectItem::Wildcard(_) => all,
            _ => None,
        }
    }

    fn of_all(&self, from: &[TableWithJoins]) -> Option<usize> {
        let joined = |from: &TableWithJoins| {
            let joins = from.joins.iter().map(|join| match join_constraint(&join.join_operator) {
                Some(JoinConstraint::On(_) | JoinConstraint::None) => self.of_factor(&join.relation),
                // Of columns that are named in USING only one is left.
                _ => None,
            });
            std::iter::once(self.of_factor(&from.relation)).chain(joins).sum::<Option<usize>>()
        };
        from.iter().map(joined).sum()
    }

    fn of_factor(&self, factor: &TableFactor) -> Option<usize> {
        match levada_sql_syntax::window_function(factor) {
            Some(Ok(function)) => return Some(self.of_table(&function.table)? + 3),
            Some(Err(_)) => return None,
            None => {}
        }
        match factor {
            TableFactor::Table { name, args: None, .. } => self.of_table(name),
            TableFactor::Derived { subquery, .. } => self.of_query(subquery),
            TableFactor::NestedJoin { table_with_joins, .. } => self.of_all(std::slice::from_ref(table_with_joins)),
            _ => None,
        }
    }

    fn of_table(&self, name: &ObjectName) -> Option<usize> {
        let name = plain(name)?;
        match self.with.get(name) {
            Some(width) => *width,
            None => (self.width)(name),
        }
    }
}
