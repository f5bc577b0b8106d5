//! Sessions: aggregated as rows come where the aggregation is by session, or shown row by row.

use super::{Builder, Stream, call, internal};
use crate::{
    operator::{
        Clock,
        project::Project,
        session::{Key, Sessions, Show, Spec},
    },
    plan::{PlanError, expressions::physical, session::arrow_schema, windows::session::SessionWindows},
};
use datafusion::{
    arrow::datatypes::{Field, Schema, SchemaRef},
    common::{
        DFSchema, Result,
        tree_node::{Transformed, TreeNode as _},
    },
    logical_expr::{self as logical, Expr, LogicalPlan},
    physical_expr::PhysicalExpr,
};
use std::sync::Arc;

/// An aggregation by session in terms of the session's input.
struct BySession<'a> {
    session: &'a SessionWindows,
    keys: Vec<Key>,
    calls: Vec<crate::operator::aggregate::Call>,
    /// The partition, the time, and what the calls refer to.
    columns: Vec<Expr>,
}

impl Builder<'_> {
    /// Sessions row by row.
    pub(super) fn sessions(&mut self, session: &SessionWindows) -> Result<Stream, PlanError> {
        let own = session.input.schema().columns().into_iter().map(Expr::Column);
        let columns = session.keys.iter().cloned().chain([session.time.clone()]).chain(own).collect::<Vec<_>>();
        let plan = logical::UserDefinedLogicalNodeCore::schema(session);
        self.session(session, &columns, Show::Rows, arrow_schema(plan))
    }

    /// An aggregation, where it is one by session: nothing is remembered of rows then, but what they come to.
    pub(super) fn aggregate_by_session(&mut self, aggregate: &logical::Aggregate) -> Result<Option<Stream>, PlanError> {
        let Some(BySession { session, keys, calls, columns }) = by_session(aggregate)? else { return Ok(None) };
        let output = arrow_schema(&aggregate.schema);
        self.session(session, &columns, Show::Aggregates(keys, calls), output).map(Some)
    }

    fn session(
        &mut self,
        session: &SessionWindows,
        columns: &[Expr],
        show: Show,
        output: SchemaRef,
    ) -> Result<Stream, PlanError> {
        let stream = self.build(&session.input)?;
        if !stream.is_append_only {
            let hint = Some("aggregate the windows of the table first");
            return Err(PlanError::unsupported("a window over rows that change", hint));
        }
        let clock = stream.clock()?;
        let (columns, input) = computed(columns, session.input.schema())?;
        let projection = Box::new(Project::columns(columns, Arc::clone(&input)));
        let stream = self.chain(stream, projection, true);
        let partition_count = session.keys.len();
        let spec = Spec { partition_count, gap_ms: session.gap_ms, show, input, output, clock };
        let operator = Box::new(Sessions::new(spec).map_err(internal)?);
        Ok(self.chain(stream, operator, true))
    }
}

impl Stream {
    /// The watermark of its rows.
    pub(super) fn clock(&self) -> Result<Clock, PlanError> {
        let Some(delay_ms) = self.delay_ms else {
            let hint =
                "bound the join in time, `a.ts BETWEEN b.ts - INTERVAL … AND b.ts + INTERVAL …`, or join windows";
            return Err(PlanError::unsupported("event time of rows that may come at any time", Some(hint)));
        };
        Ok(Clock { sources: self.sources.clone(), delay_ms })
    }
}

/// Expressions over rows of `from`, numbered.
pub(super) fn computed(exprs: &[Expr], from: &DFSchema) -> Result<(Vec<Arc<dyn PhysicalExpr>>, SchemaRef)> {
    let columns: Vec<_> = exprs.iter().map(|expr| physical(expr, from)).collect::<Result<_>>()?;
    let field = |(place, column): (usize, &Arc<dyn PhysicalExpr>)| {
        Ok(Field::new(place.to_string(), column.data_type(from.as_arrow())?, true))
    };
    let fields = columns.iter().enumerate().map(field).collect::<Result<Vec<_>>>()?;
    Ok((columns, Arc::new(Schema::new(fields))))
}

fn by_session(aggregate: &logical::Aggregate) -> Result<Option<BySession<'_>>, PlanError> {
    let Some(session) = beneath(&aggregate.input) else { return Ok(None) };
    let own_count = session.input.schema().fields().len();
    let schema = logical::UserDefinedLogicalNodeCore::schema(session);
    let place = |expr: &Expr| match expr {
        Expr::Column(column) => schema.index_of_column(column).ok(),
        _ => None,
    };
    let mut keys = Vec::new();
    for expr in &aggregate.group_expr {
        let expr = through(&aggregate.input, expr.clone())?;
        let partition = session.keys.iter().position(|key| *key == expr);
        let bound = place(&expr).and_then(|at| [Key::Start, Key::End, Key::Time].get(at.checked_sub(own_count)?));
        match (partition, bound) {
            (Some(key), _) => keys.push(Key::Partition(key)),
            (None, Some(bound)) => keys.push(*bound),
            (None, None) => return Ok(None),
        }
    }
    let is_whole = (0..session.keys.len()).all(|key| keys.contains(&Key::Partition(key)));
    if !is_whole || !keys.contains(&Key::End) {
        return Ok(None);
    }
    let mut columns: Vec<Expr> = session.keys.iter().cloned().chain([session.time.clone()]).collect();
    let called = columns.len();
    let mut calls = Vec::new();
    let output = arrow_schema(&aggregate.schema);
    for (expr, field) in aggregate.aggr_expr.iter().zip(output.fields().iter().skip(keys.len())) {
        calls.push(call(&through(&aggregate.input, expr.clone())?, field, &mut columns)?);
    }
    // The bounds of a session are not known before its end.
    let is_bound =
        |column: &&datafusion::prelude::Column| schema.index_of_column(column).is_ok_and(|at| at >= own_count);
    if columns[called..].iter().any(|expr| expr.column_refs().iter().any(|column| is_bound(column))) {
        return Ok(None);
    }
    Ok(Some(BySession { session, keys, calls, columns }))
}

/// The sessions right beneath, but for other names and orders of columns.
fn beneath(plan: &LogicalPlan) -> Option<&SessionWindows> {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => beneath(&alias.input),
        LogicalPlan::Projection(projection) => beneath(&projection.input),
        LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref(),
        _ => None,
    }
}

/// An expression over `plan` as one over what is beneath its names and projections.
fn through(plan: &LogicalPlan, expr: Expr) -> Result<Expr> {
    let (input, of): (_, Box<dyn Fn(usize) -> Expr>) = match plan {
        LogicalPlan::SubqueryAlias(alias) => {
            let columns = alias.input.schema().columns();
            (&alias.input, Box::new(move |at| Expr::Column(columns[at].clone())))
        }
        LogicalPlan::Projection(projection) => {
            (&projection.input, Box::new(|at| projection.expr[at].clone().unalias()))
        }
        _ => return Ok(expr),
    };
    let replaced = expr.transform(|expr| match &expr {
        Expr::Column(column) => Ok(Transformed::yes(of(plan.schema().index_of_column(column)?))),
        _ => Ok(Transformed::no(expr)),
    })?;
    through(input, replaced.data)
}
