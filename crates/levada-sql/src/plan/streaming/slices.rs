//! Windows that overlap, of which nothing is asked but how many rows of a kind they have: rows that fall into the same
//! windows are counted first, once, and go into each of them together.

use super::{Builder, Stream, internal, plain};
use crate::{
    operator::{consolidate::Consolidate, project::Project},
    plan::{
        PlanError,
        expressions::physical,
        session::arrow_schema,
        windows::{gives_window, slice_of},
    },
};
use datafusion::{
    logical_expr::{self as logical, Expr, LogicalPlan, expr::AggregateFunction},
    prelude::cast,
};
use std::sync::Arc;

impl Builder<'_> {
    /// What an aggregation reads, where it is such windows.
    pub(super) fn sliced(&mut self, aggregate: &logical::Aggregate) -> Result<Option<Stream>, PlanError> {
        if !aggregate.aggr_expr.iter().all(counts_rows) {
            return Ok(None);
        }
        let LogicalPlan::Union(union) = plain(&aggregate.input) else { return Ok(None) };
        let Some((input, exprs)) = slices(union) else { return Ok(None) };
        let stream = self.build(input)?;
        let (from, is_append_only) = (input.schema(), stream.is_append_only);
        let schema = arrow_schema(from);
        let columns = exprs.iter().map(|expr| physical(expr, from)).collect::<Result<_, _>>()?;
        let stream = self.chain(stream, Box::new(Project::columns(columns, Arc::clone(&schema))), is_append_only);
        let counted = Consolidate::new(schema).map_err(internal)?;
        let stream = self.chain(stream, Box::new(counted), is_append_only);
        self.union(union, Some(&stream)).map(Some)
    }
}

/// Whether it is `COUNT(*)` of all rows.
fn counts_rows(expr: &Expr) -> bool {
    let Expr::AggregateFunction(AggregateFunction { func, params }) = expr.clone().unalias() else { return false };
    let is_literal = |arg: &Expr| matches!(arg, Expr::Literal(value, _) if !value.is_null());
    func.name() == "count" && !params.distinct && params.filter.is_none() && params.args.iter().all(is_literal)
}

/// What all windows are given to, and its columns with the first moment of a slice in the place of the time.
fn slices(union: &logical::Union) -> Option<(&LogicalPlan, Vec<Expr>)> {
    let pieces = || {
        union.inputs.iter().map(|piece| match plain(piece) {
            LogicalPlan::Projection(piece) => Some(piece),
            _ => None,
        })
    };
    let input = &pieces().next()??.input;
    let mut found = None;
    for piece in pieces() {
        let piece = piece.filter(|piece| piece.input == *input)?;
        for expr in &piece.expr {
            let slice = if gives_window(expr) { Some(slice_of(expr)?) } else { None };
            match (&found, slice) {
                (None, slice) => found = slice,
                (Some(found), Some(slice)) if *found == slice => {}
                (_, None) => {}
                _ => return None,
            }
        }
    }
    let (time, start) = found.filter(|_| union.inputs.len() > 1)?;
    let Expr::Column(at) = &time else { return None };
    // Whoever asks for the time itself is to see it.
    let shows_time = |expr: &Expr| !gives_window(expr) && expr.column_refs().contains(at);
    if pieces().flatten().any(|piece| piece.expr.iter().any(shows_time)) {
        return None;
    }
    let schema = input.schema();
    let sliced = |column: Expr| match column {
        Expr::Column(it) if it == *at => {
            let data_type = schema.field(schema.index_of_column(at).ok()?).data_type().clone();
            Some(cast(start.call(vec![time.clone()]), data_type).alias(at.name()))
        }
        column => Some(column),
    };
    let exprs = schema.columns().into_iter().map(|column| sliced(Expr::Column(column))).collect::<Option<Vec<_>>>()?;
    Some((input, exprs))
}
