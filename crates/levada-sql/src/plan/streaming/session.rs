//! Sessions: aggregated as rows come where the aggregation is by session, or shown row by row.

use super::{Builder, Stream, call, internal, numbered};
use crate::{
    operator::{
        Clock,
        aggregate::{Call, Function},
        describe::text,
        project::Project,
        session::{Key, Sessions, Show, Spec},
    },
    plan::{PlanError, expressions::physical, session::arrow_schema, windows::session::SessionWindows},
};
use datafusion::{
    arrow::datatypes::{DataType, Field, Schema, SchemaRef},
    common::{
        Column, DFSchema, Result,
        tree_node::{Transformed, TreeNode as _},
    },
    logical_expr::{
        self as logical, Expr, LogicalPlan, Operator,
        utils::{conjunction, split_conjunction_owned},
    },
    physical_expr::{
        PhysicalExpr,
        expressions::{Column as PhysicalColumn, binary, lit as physical_lit},
    },
};
use std::sync::Arc;

/// An aggregation by session in terms of the session's input.
struct BySession<'a> {
    session: &'a SessionWindows,
    keys: Vec<Key>,
    calls: Vec<Call>,
    /// The partition, the time, and what the calls refer to.
    columns: Vec<Expr>,
    /// Which partitions are wanted.
    of_partition: Option<Expr>,
    /// Whether only some rows count: the last call says then how many do.
    counts_some: bool,
}

impl Builder<'_> {
    /// Sessions row by row.
    pub(super) fn sessions(&mut self, session: &SessionWindows) -> Result<Stream, PlanError> {
        let own = session.input.schema().columns().into_iter().map(Expr::Column);
        let columns = session.keys.iter().cloned().chain([session.time.clone()]).chain(own).collect::<Vec<_>>();
        let plan = logical::UserDefinedLogicalNodeCore::schema(session);
        self.session(session, None, &columns, Show::Rows, arrow_schema(plan))
    }

    /// An aggregation, where it is one by session: nothing is remembered of rows then, but what they come to.
    pub(super) fn aggregate_by_session(&mut self, aggregate: &logical::Aggregate) -> Result<Option<Stream>, PlanError> {
        let Some(by_session) = by_session(aggregate)? else { return Ok(None) };
        let BySession { session, keys, calls, columns, of_partition, counts_some } = by_session;
        let output = arrow_schema(&aggregate.schema);
        let show = Show::Aggregates(keys, calls);
        if !counts_some {
            return self.session(session, of_partition, &columns, show, output).map(Some);
        }
        let count = Field::new("rows that count", DataType::Int64, false);
        let fields = output.fields().iter().map(|field| field.as_ref().clone());
        let wide: SchemaRef = Arc::new(Schema::new(fields.chain([count.clone()]).collect::<Vec<_>>()));
        let stream = self.session(session, of_partition, &columns, show, Arc::clone(&wide))?;
        // A session of which no row counts is not shown.
        let at: Arc<dyn PhysicalExpr> = Arc::new(PhysicalColumn::new(count.name(), output.fields().len()));
        let some = binary(at, Operator::Gt, physical_lit(0_i64), &wide)?;
        let stream = self.chain(stream, Box::new(Project::filter(some)), true);
        let columns = numbered(&wide, 0..output.fields().len());
        Ok(Some(self.chain(stream, Box::new(Project::columns(columns, output)), true)))
    }

    fn session(
        &mut self,
        session: &SessionWindows,
        of_partition: Option<Expr>,
        columns: &[Expr],
        show: Show,
        output: SchemaRef,
    ) -> Result<Stream, PlanError> {
        let mut stream = self.build(&session.input)?;
        if let Some(condition) = of_partition {
            let condition = physical(&condition, session.input.schema())?;
            let is_append_only = stream.is_append_only;
            stream = self.chain(stream, Box::new(Project::filter(condition)), is_append_only);
        }
        let is_append_only = stream.is_append_only;
        let clock = stream.clock()?;
        let (columns, input) = computed(columns, session.input.schema())?;
        let projection = Box::new(Project::columns(columns, Arc::clone(&input)));
        let stream = self.chain(stream, projection, is_append_only);
        let partition_count = session.keys.len();
        let spec = Spec { partition_count, gap_ms: session.gap_ms, show, input, output, clock, is_append_only };
        let operator = Box::new(Sessions::new(spec).map_err(internal)?);
        let stream = self.chain(stream, operator, true);
        // What rows that went have left behind may have ended long before it is shown.
        let delay_ms = stream.delay_ms.filter(|_| is_append_only);
        Ok(Stream { delay_ms, ..stream })
    }
}

impl Stream {
    /// The watermark of its rows.
    pub(super) fn clock(&self) -> Result<Clock, PlanError> {
        let Some(delay_ms) = self.delay_ms else {
            let hint = "bound a join in time, `a.ts BETWEEN b.ts - INTERVAL … AND b.ts + INTERVAL …`, or join windows; \
                        group by the window of a table, and not by its time";
            return Err(PlanError::unsupported("event time of rows that may come at any time", Some(hint)));
        };
        Ok(Clock { sources: self.sources.clone(), delay_ms })
    }
}

/// Expressions over rows of `from`, numbered.
pub(super) fn computed(exprs: &[Expr], from: &DFSchema) -> Result<(Vec<Arc<dyn PhysicalExpr>>, SchemaRef)> {
    let columns: Vec<_> = exprs.iter().map(|expr| physical(expr, from)).collect::<Result<_>>()?;
    let field = |column: &Arc<dyn PhysicalExpr>| Ok(Field::new(text(column), column.data_type(from.as_arrow())?, true));
    let fields = columns.iter().map(field).collect::<Result<Vec<_>>>()?;
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
    let is_bound = |column: &Column| schema.index_of_column(column).is_ok_and(|at| at >= own_count);
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
        calls.push(call(&through(&aggregate.input, expr.clone())?, field, &mut columns, called)?);
    }
    let of_session = |of: &[Expr]| of.iter().all(|expr| expr.column_refs().iter().all(|column| !is_bound(column)));
    let (of_partition, of_rows): (Vec<Expr>, Vec<Expr>) =
        conditions(&aggregate.input)?.into_iter().partition(|it| is_of_partition(it, session));
    // The bounds of a session are not known before its end.
    if !of_session(&columns[called..]) || !of_session(&of_rows) {
        return Ok(None);
    }
    let kept = conjunction(of_rows);
    let counts_some = kept.is_some();
    if let Some(kept) = kept {
        count_some(&kept, &mut calls, &mut columns);
    }
    Ok(Some(BySession { session, keys, calls, columns, of_partition: conjunction(of_partition), counts_some }))
}

/// Lets only those rows count for which a condition holds, and counts them.
fn count_some(kept: &Expr, calls: &mut Vec<Call>, columns: &mut Vec<Expr>) {
    columns.push(kept.clone());
    let place = columns.len() - 1;
    for call in &mut *calls {
        call.filter = match call.filter {
            None => Some(place),
            Some(own) => {
                columns.push(columns[own].clone().and(kept.clone()));
                Some(columns.len() - 1)
            }
        };
    }
    let (function, output) = (Function::Count, DataType::Int64);
    calls.push(Call { function, argument: None, distinct: false, filter: Some(place), output });
}

/// The conditions on rows of sessions, in terms of the session.
fn conditions(plan: &LogicalPlan) -> Result<Vec<Expr>> {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => conditions(&alias.input),
        LogicalPlan::Projection(projection) => conditions(&projection.input),
        LogicalPlan::Filter(filter) => {
            let own = split_conjunction_owned(through(&filter.input, filter.predicate.clone())?);
            Ok([conditions(&filter.input)?, own].concat())
        }
        _ => Ok(Vec::new()),
    }
}

/// Whether a condition is met by all rows of a partition or by none.
fn is_of_partition(condition: &Expr, session: &SessionWindows) -> bool {
    let is_key = |column: &Column| session.keys.iter().any(|key| *key == Expr::Column(column.clone()));
    !condition.is_volatile() && condition.column_refs().iter().all(|column| is_key(column))
}

/// The sessions right beneath, but for conditions, and other names and orders of columns.
fn beneath(plan: &LogicalPlan) -> Option<&SessionWindows> {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => beneath(&alias.input),
        LogicalPlan::Projection(projection) => beneath(&projection.input),
        LogicalPlan::Filter(filter) => beneath(&filter.input),
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
        LogicalPlan::Filter(filter) => return through(&filter.input, expr),
        _ => return Ok(expr),
    };
    let replaced = expr.transform(|expr| match &expr {
        Expr::Column(column) => Ok(Transformed::yes(of(plan.schema().index_of_column(column)?))),
        _ => Ok(Transformed::no(expr)),
    })?;
    through(input, replaced.data)
}
