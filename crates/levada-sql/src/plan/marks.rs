//! Which columns of a plan are event time, or bounds of windows.
//!
//! Metadata of columns says so. A `UNION` has that of each branch in its columns, where it has to be true of all.

use super::{
    temporal::TemporalJoin,
    windows::{WINDOW_KEY, session::SessionWindows},
};
use crate::table::ROWTIME_KEY;
use datafusion::{
    arrow::datatypes::Field,
    common::{DFSchema, JoinType},
    logical_expr::{Distinct, Expr, LogicalPlan},
};

/// Whether a column is event time, as it is.
pub(super) fn is_event_time(plan: &LogicalPlan, at: usize) -> bool {
    is_marked(plan, at, &|field| field.metadata().contains_key(ROWTIME_KEY))
}

/// Whether a column is this bound of windows. One that may be NULL is none: rows of an outer join without a partner
/// belong to no window, and their group is never closed.
pub(super) fn is_bound(plan: &LogicalPlan, at: usize, bound: &str) -> bool {
    let field = plan.schema().fields().get(at);
    field.is_some_and(|field| !field.is_nullable())
        && is_marked(plan, at, &|field| field.metadata().get(WINDOW_KEY).is_some_and(|mark| mark == bound))
}

fn is_marked(plan: &LogicalPlan, at: usize, has_mark: &dyn Fn(&Field) -> bool) -> bool {
    // A column of an input; what a node adds behind them is as it is marked.
    let of = |input: &LogicalPlan, at: usize| at >= width(input.schema()) || is_marked(input, at, has_mark);
    // Some other expression is as it is marked, too.
    let behind = |expr: Option<&Expr>, input: &LogicalPlan| match expr.cloned().map(Expr::unalias) {
        Some(Expr::Column(column)) => input.schema().maybe_index_of_column(&column).is_some_and(|at| of(input, at)),
        _ => true,
    };
    plan.schema().fields().get(at).is_some_and(|field| has_mark(field))
        && match plan {
            LogicalPlan::Union(union) => union.inputs.iter().all(|input| of(input, at)),
            LogicalPlan::Projection(projection) => behind(projection.expr.get(at), &projection.input),
            LogicalPlan::Aggregate(aggregate) => behind(aggregate.group_expr.get(at), &aggregate.input),
            LogicalPlan::SubqueryAlias(alias) => of(&alias.input, at),
            LogicalPlan::Filter(filter) => of(&filter.input, at),
            LogicalPlan::Distinct(Distinct::All(input)) => of(input, at),
            LogicalPlan::Window(window) => of(&window.input, at),
            LogicalPlan::Join(join) => match join.join_type {
                JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => of(&join.right, at),
                _ => match at.checked_sub(width(join.left.schema())) {
                    None => of(&join.left, at),
                    Some(at) => of(&join.right, at),
                },
            },
            LogicalPlan::Extension(extension) => {
                let session: Option<&SessionWindows> = extension.node.as_any().downcast_ref();
                let input = session.map(|session| &session.input);
                input.or_else(|| TemporalJoin::of(plan).map(|join| &join.left)).is_none_or(|input| of(input, at))
            }
            _ => true,
        }
}

fn width(schema: &DFSchema) -> usize {
    schema.fields().len()
}
