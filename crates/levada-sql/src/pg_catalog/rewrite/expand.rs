//! Functions that make a row of each element of an array. Clients ask so for the columns of keys. Here they are a join
//! with places:
//!
//! | PostgreSQL | here |
//! |---|---|
//! | `SELECT f(a) FROM t WHERE c` | `SELECT g(a, p.n) FROM t, p WHERE (c) AND p.n <= pg_places(a)` |
//!
//! where `p` has the numbers from 1 to [`PLACES_MAX`], and `f` and `g` are
//!
//! | | | |
//! |---|---|---|
//! | `information_schema._pg_expandarray(a)` | `pg_place(a, n)` | the element, `x`, and its place, `n`, in a row |
//! | `unnest(a)` | `pg_nth(a, n)` | the element |
//! | `generate_subscripts(a, 1)` | `pg_subscript(a, n, 1)` | where it is: vectors begin with 0 |
//!
//! Several of them in one `SELECT` go along together, as far as the longest array does. Larger arrays are refused.

use super::{PlanError, big_integer, call, derived, functions::PLACES_MAX, last};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Select, SelectItem, TableAlias,
    TableWithJoins, VisitorMut,
};
use levada_sql_syntax::walk_mut;
use std::{convert::Infallible, ops::ControlFlow};

/// Columns whose elements are numbers.
const NUMBERS: [&str; 6] = ["indkey", "indclass", "indcollation", "indoption", "conkey", "confkey"];

/// Whether it is one of these functions.
pub(super) fn is_expanded(name: &str) -> bool {
    ["_pg_expandarray", "unnest", "generate_subscripts"].iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Expands the arrays of a `SELECT`. `number` names what is joined, and goes on.
pub(super) fn expand(select: &mut Select, number: &mut usize) -> Result<(), PlanError> {
    let table = Ident::new(format!("expanded{number}"));
    let place = Expr::CompoundIdentifier(vec![table.clone(), Ident::new("n")]);
    let mut expanding = Expanding { place: &place, arrays: Vec::new() };
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            let ControlFlow::Continue(()) = walk_mut(expr, &mut expanding);
        }
    }
    let arrays = expanding.arrays;
    if arrays.is_empty() {
        return Ok(());
    }
    *number += 1;
    let alias = TableAlias { explicit: true, name: table, columns: Vec::new(), at: None };
    let relation = derived(&format!("SELECT value AS n FROM generate_series(1, {PLACES_MAX})"), alias)?;
    select.from.push(TableWithJoins { relation, joins: Vec::new() });
    let lengths = arrays.into_iter().map(|array| call("pg_places", vec![array])).collect();
    let is_there = binary(place, BinaryOperator::LtEq, call("greatest", lengths));
    select.selection = Some(match select.selection.take() {
        Some(condition) => binary(Expr::Nested(Box::new(condition)), BinaryOperator::And, is_there),
        None => is_there,
    });
    Ok(())
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

struct Expanding<'a> {
    place: &'a Expr,
    arrays: Vec<Expr>,
}

impl VisitorMut for Expanding<'_> {
    type Break = Infallible;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        let Expr::Function(function) = &*expr else { return ControlFlow::Continue(()) };
        let FunctionArguments::List(list) = &function.args else { return ControlFlow::Continue(()) };
        let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(array))) = list.args.first() else {
            return ControlFlow::Continue(());
        };
        let name = last(&function.name).unwrap_or_default().to_ascii_lowercase();
        let array = array.clone();
        let at_place = |name: &str| call(name, vec![array.clone(), self.place.clone()]);
        *expr = match (name.as_str(), list.args.len()) {
            ("_pg_expandarray", 1) => at_place("pg_place"),
            ("unnest", 1) if is_of_numbers(&array) => big_integer(&at_place("pg_nth")),
            ("unnest", 1) => at_place("pg_nth"),
            ("generate_subscripts", 2) => {
                let dimension = list.args.get(1).and_then(|arg| match arg {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(dimension)) => Some(dimension.clone()),
                    _ => None,
                });
                let args = [array.clone(), self.place.clone()].into_iter().chain(dimension).collect();
                call("pg_subscript", args)
            }
            _ => return ControlFlow::Continue(()),
        };
        if !self.arrays.contains(&array) {
            self.arrays.push(array);
        }
        ControlFlow::Continue(())
    }
}

fn is_of_numbers(array: &Expr) -> bool {
    let column = match array {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(parts) => parts.last(),
        _ => None,
    };
    column.is_some_and(|column| NUMBERS.iter().any(|known| known.eq_ignore_ascii_case(&column.value)))
}
