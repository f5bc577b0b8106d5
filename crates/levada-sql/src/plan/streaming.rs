//! From a logical plan to a [`Dataflow`].

mod join;
mod rank;
mod session;
mod sides;
mod slices;
mod temporal;

use super::{
    PlanError,
    expressions::physical,
    marks::is_bound,
    session::arrow_schema,
    temporal::TemporalJoin,
    windows::{WINDOW_END, WINDOW_KEY, gives_window, session::SessionWindows},
};
use crate::{
    dataflow::{Dataflow, Node, Port},
    explain::{Feed, Noted, Notes},
    operator::{
        Clock, Operator,
        aggregate::{self, Aggregate},
        consolidate::Consolidate,
        project::Project,
        upsert::Upsert,
    },
};
use datafusion::{
    arrow::datatypes::{Field, SchemaRef},
    common::DFSchema,
    logical_expr::{self as logical, Distinct, Expr, ExprSchemable as _, LogicalPlan, expr::AggregateFunction},
    physical_expr::{PhysicalExpr, expressions::Column as PhysicalColumn},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use twox_hash::XxHash3_64;

/// What a statement reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The table.
    pub table: String,
    /// Its columns that are wanted, ascending.
    pub columns: Vec<usize>,
    /// These columns.
    pub schema: SchemaRef,
}

/// A query that can be run.
pub struct Plan {
    /// What it reads, in the order in which rows are handed to the dataflow.
    pub sources: Vec<Source>,
    /// The columns of its rows.
    pub schema: SchemaRef,
    /// Whether rows only come and never go.
    pub is_append_only: bool,
    /// The operators, without any state yet.
    pub dataflow: Dataflow,
    /// What the operators say of themselves.
    pub(crate) notes: Notes,
    /// Of the plan and its operators: what they remember is of use only to the same.
    pub fingerprint: u64,
}

/// Builds the dataflow of a plan.
pub(super) fn plan(plan: &LogicalPlan, upsert_keys: &BTreeMap<String, Vec<usize>>) -> Result<Plan, PlanError> {
    let (sources, readers, nodes, tables, aggregates, noted) = Default::default();
    let mut limits = rank::Limits::new();
    rank::limits(plan, &mut limits);
    let mut wanted = BTreeMap::new();
    wanted_columns(plan, upsert_keys, &mut wanted);
    let mut builder = Builder { upsert_keys, limits, wanted, tables, aggregates, sources, readers, nodes, noted };
    let mut stream = builder.build(plan)?;
    let schema = arrow_schema(plan.schema());
    if !stream.is_append_only && stream.net.is_none() {
        let net = Consolidate::new(Arc::clone(&schema)).map_err(internal)?;
        stream = builder.chain(stream, Box::new(net), false);
    }
    builder.connect(stream.from, Port::Output(0));
    let Builder { sources, readers, nodes, noted, .. } = builder;
    let is_upsert = sources.iter().map(|source: &Source| upsert_keys.contains_key(&source.table)).collect();
    let notes = Notes { nodes: noted, root: stream.from, is_upsert };
    let is_append_only = stream.is_append_only;
    let dataflow = Dataflow::new(nodes, readers, 1);
    let fingerprint = format!("{}\n{}", plan.display_indent_schema(), notes.kinds());
    let fingerprint = XxHash3_64::oneshot(fingerprint.as_bytes());
    Ok(Plan { sources, schema, is_append_only, dataflow, notes, fingerprint })
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn internal(error: crate::RunError) -> PlanError {
    PlanError::unsupported(error.to_string(), None)
}

/// Adds the columns of each table that a plan reads; those of keys are always read.
fn wanted_columns(
    plan: &LogicalPlan,
    upsert_keys: &BTreeMap<String, Vec<usize>>,
    wanted: &mut BTreeMap<String, BTreeSet<usize>>,
) {
    if let LogicalPlan::TableScan(scan) = plan {
        let (table, schema) = (scan.table_name.table(), scan.source.schema());
        let columns = wanted.entry(table.to_owned()).or_default();
        match &scan.projection {
            Some(projection) => columns.extend(projection),
            None => columns.extend(0..schema.fields().len()),
        }
        columns.extend(upsert_keys.get(table).into_iter().flatten());
    }
    plan.inputs().into_iter().for_each(|input| wanted_columns(input, upsert_keys, wanted));
}

/// A part of a plan.
#[derive(Clone, Debug)]
struct Stream {
    from: Feed,
    is_append_only: bool,
    /// The sources behind it.
    sources: Vec<usize>,
    /// By how much event times may be behind the watermark of the sources; `None` where they may be anywhere.
    delay_ms: Option<i64>,
    /// Columns by which rows of an epoch are told apart, where it is an epoch's net change that comes, those that go
    /// first, once it ends.
    net: Option<Vec<usize>>,
}

impl Stream {
    /// With the columns of `to` in the place of its own: each of them is one of these, or something else.
    fn net_of(&self, to: &[Option<usize>]) -> Option<Vec<usize>> {
        let place = |column: &usize| to.iter().position(|from| *from == Some(*column));
        self.net.as_ref()?.iter().map(place).collect()
    }
}

struct Builder<'a> {
    upsert_keys: &'a BTreeMap<String, Vec<usize>>,
    limits: rank::Limits,
    /// Of each table: its columns that are wanted.
    wanted: BTreeMap<String, BTreeSet<usize>>,
    /// Of each source that is read as a table: its rows as those who read it see them.
    tables: BTreeMap<usize, Stream>,
    /// Aggregations that are there already: what is asked for twice is computed once.
    aggregates: Vec<(logical::Aggregate, Stream)>,
    sources: Vec<Source>,
    readers: Vec<Vec<Port>>,
    nodes: Vec<Node>,
    /// Of each node.
    noted: Vec<Noted>,
}

impl Builder<'_> {
    fn connect(&mut self, from: Feed, to: Port) {
        match from {
            Feed::Source(source) => self.readers[source].push(to),
            Feed::Node(node) => self.nodes[node].consumers.push(to),
        }
    }

    fn add(&mut self, inputs: &[&Stream], operator: Box<dyn Operator>, is_append_only: bool) -> Stream {
        let node = self.nodes.len();
        let feeds = inputs.iter().map(|stream| stream.from).collect();
        self.noted.push(Noted::new(&*operator, feeds, is_append_only));
        self.nodes.push(Node { operator, consumers: Vec::new() });
        for (input, stream) in inputs.iter().enumerate() {
            self.connect(stream.from, Port::Node { node, input });
        }
        let mut sources: Vec<usize> = inputs.iter().flat_map(|stream| stream.sources.clone()).collect();
        sources.sort_unstable();
        sources.dedup();
        let delays: Option<Vec<i64>> = inputs.iter().map(|stream| stream.delay_ms).collect();
        let delay_ms = delays.and_then(|delays| delays.into_iter().max());
        Stream { from: Feed::Node(node), is_append_only, sources, delay_ms, net: None }
    }

    #[expect(clippy::needless_pass_by_value, reason = "a stream is read by who comes behind it")]
    fn chain(&mut self, input: Stream, operator: Box<dyn Operator>, is_append_only: bool) -> Stream {
        self.add(&[&input], operator, is_append_only)
    }

    fn build(&mut self, plan: &LogicalPlan) -> Result<Stream, PlanError> {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::SubqueryAlias(alias) => self.build(&alias.input),
            LogicalPlan::Filter(filter) => {
                let input = self.build(&filter.input)?;
                let condition = physical(&filter.predicate, filter.input.schema())?;
                let (is_append_only, net) = (input.is_append_only, input.net.clone());
                Ok(Stream { net, ..self.chain(input, Box::new(Project::filter(condition)), is_append_only) })
            }
            LogicalPlan::Projection(projection) => {
                let input = self.build(&projection.input)?;
                let schema = arrow_schema(&projection.schema);
                self.project(input, &projection.expr, projection.input.schema(), schema)
            }
            LogicalPlan::Union(union) => self.union(union, None),
            LogicalPlan::Aggregate(aggregate) => self.aggregate_once(aggregate),
            LogicalPlan::Distinct(Distinct::All(input)) => self.distinct(input),
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Window(window) => self.rank(window),
            LogicalPlan::Extension(extension) => {
                let node = extension.node.as_any();
                match (node.downcast_ref::<SessionWindows>(), node.downcast_ref::<TemporalJoin>()) {
                    (Some(session), _) => self.sessions(session),
                    (None, Some(join)) => self.temporal(join),
                    (None, None) => Err(refusal(plan)),
                }
            }
            other => Err(refusal(other)),
        }
    }

    fn scan(&mut self, scan: &logical::TableScan) -> Result<Stream, PlanError> {
        let table = scan.table_name.table().to_owned();
        let schema = scan.source.schema();
        if !scan.filters.is_empty() || scan.fetch.is_some() {
            return Err(PlanError::unsupported("a filter within a table", None));
        }
        let source = self.source_of(&table, &schema)?;
        let stream = match self.tables.get(&source) {
            Some(stream) => stream.clone(),
            None => self.table(source)?,
        };
        let Some(projection) = &scan.projection else { return Ok(stream) };
        let wanted = self.wanted.get(&table).cloned().unwrap_or_default();
        let place = |at: &usize| wanted.range(..at).count();
        let column = |at: &usize| Arc::new(PhysicalColumn::new(schema.field(*at).name(), place(at))) as _;
        let columns = projection.iter().map(column).collect();
        let projected = arrow_schema(&scan.projected_schema);
        let is_append_only = stream.is_append_only;
        Ok(self.chain(stream, Box::new(Project::columns(columns, projected)), is_append_only))
    }

    /// The source that a table's records come from.
    fn source_of(&mut self, table: &str, schema: &SchemaRef) -> Result<usize, PlanError> {
        if let Some(known) = self.sources.iter().position(|source| source.table == table) {
            return Ok(known);
        }
        let columns: Vec<usize> = self.wanted.get(table).into_iter().flatten().copied().collect();
        let schema = Arc::new(schema.project(&columns).map_err(crate::RunError::from).map_err(internal)?);
        self.sources.push(Source { table: table.to_owned(), columns, schema });
        self.readers.push(Vec::new());
        Ok(self.sources.len() - 1)
    }

    /// A table that is read for the first time.
    fn table(&mut self, source: usize) -> Result<Stream, PlanError> {
        let Source { table, columns, schema } = &self.sources[source];
        let place = |at: &usize| columns.iter().filter(|column| *column < at).count();
        let key = self.upsert_keys.get(table).map(|key| key.iter().map(place).collect::<Vec<_>>());
        let from = Feed::Source(source);
        let raw = Stream { from, is_append_only: true, sources: vec![source], delay_ms: Some(0), net: None };
        let stream = match key {
            None => raw,
            Some(key) => {
                let operator = Upsert::new(Arc::clone(schema), key).map_err(internal)?;
                self.chain(raw, Box::new(operator), false)
            }
        };
        self.tables.insert(source, stream.clone());
        Ok(stream)
    }

    fn project(&mut self, input: Stream, exprs: &[Expr], from: &DFSchema, to: SchemaRef) -> Result<Stream, PlanError> {
        let columns = exprs.iter().map(|expr| physical(expr, from)).collect::<Result<_, _>>()?;
        if exprs.iter().any(gives_window) {
            input.clock()?;
        }
        let column = |expr: &Expr| match expr.clone().unalias_nested().data {
            Expr::Column(column) => from.index_of_column(&column).ok(),
            _ => None,
        };
        let (is_append_only, net) = (input.is_append_only, input.net_of(&exprs.iter().map(column).collect::<Vec<_>>()));
        Ok(Stream { net, ..self.chain(input, Box::new(Project::columns(columns, to)), is_append_only) })
    }

    /// A union; where `from` is given, it is what the projections that it consists of read.
    fn union(&mut self, union: &logical::Union, from: Option<&Stream>) -> Result<Stream, PlanError> {
        let schema = arrow_schema(&union.schema);
        let mut inputs = Vec::new();
        for input in &union.inputs {
            let stream = match (from, plain(input)) {
                (Some(from), LogicalPlan::Projection(it)) => {
                    self.project(from.clone(), &it.expr, it.input.schema(), arrow_schema(&it.schema))?
                }
                _ => self.build(input)?,
            };
            let columns = numbered(&arrow_schema(input.schema()), 0..schema.fields().len());
            let is_append_only = stream.is_append_only;
            inputs.push(self.chain(stream, Box::new(Project::columns(columns, Arc::clone(&schema))), is_append_only));
        }
        let all = numbered(&schema, 0..schema.fields().len());
        let is_append_only = inputs.iter().all(|stream| stream.is_append_only);
        let inputs: Vec<&Stream> = inputs.iter().collect();
        Ok(self.add(&inputs, Box::new(Project::union(all, schema)), is_append_only))
    }

    fn distinct(&mut self, input: &LogicalPlan) -> Result<Stream, PlanError> {
        let stream = self.build(input)?;
        let schema = arrow_schema(input.schema());
        let spec = aggregate::Spec {
            key_count: schema.fields().len(),
            calls: Vec::new(),
            input: Arc::clone(&schema),
            output: schema,
            window: None,
            is_append_only: stream.is_append_only,
        };
        let (is_append_only, net) = (stream.is_append_only, Some((0..spec.key_count).collect()));
        let operator = Box::new(Aggregate::new(spec).map_err(internal)?);
        Ok(Stream { net, ..self.chain(stream, operator, is_append_only) })
    }

    fn aggregate_once(&mut self, aggregate: &logical::Aggregate) -> Result<Stream, PlanError> {
        if let Some((_, stream)) = self.aggregates.iter().find(|(known, _)| known == aggregate) {
            return Ok(stream.clone());
        }
        let stream = self.aggregate(aggregate)?;
        self.aggregates.push((aggregate.clone(), stream.clone()));
        Ok(stream)
    }

    fn aggregate(&mut self, aggregate: &logical::Aggregate) -> Result<Stream, PlanError> {
        if let Some(stream) = self.aggregate_by_session(aggregate)? {
            return Ok(stream);
        }
        let input = match self.sliced(aggregate)? {
            Some(sliced) => sliced,
            None => self.build(&aggregate.input)?,
        };
        let from = aggregate.input.schema();
        let output = arrow_schema(&aggregate.schema);
        let key_count = aggregate.group_expr.len();
        if aggregate.group_expr.iter().any(|expr| matches!(expr, Expr::GroupingSet(_))) {
            return Err(PlanError::unsupported(
                "GROUPING SETS, CUBE and ROLLUP",
                Some("write a UNION ALL of several GROUP BY"),
            ));
        }
        let mut exprs = aggregate.group_expr.clone();
        let mut calls = Vec::new();
        for (expr, field) in aggregate.aggr_expr.iter().zip(output.fields().iter().skip(key_count)) {
            calls.push(call(expr, field, &mut exprs, key_count)?);
        }
        let (columns, projected) = session::computed(&exprs, from)?;
        let is_append_only = input.is_append_only;
        let projection = Project::columns(columns, Arc::clone(&projected));
        let stream = self.chain(input, Box::new(projection), is_append_only);
        let window = call_window(&aggregate.group_expr, &aggregate.input, &stream);
        let width = output.fields().len();
        let spec = aggregate::Spec { key_count, calls, input: projected, output, window, is_append_only };
        let (is_windowed, is_distinct) = (spec.window.is_some(), spec.calls.is_empty() && key_count > 0);
        let operator = Box::new(Aggregate::new(spec).map_err(internal)?);
        let stream = self.chain(stream, operator, is_windowed || is_append_only && is_distinct);
        let delay_ms = stream.delay_ms.filter(|_| is_windowed || is_distinct);
        Ok(Stream { delay_ms, net: Some((0..width).collect()), ..stream })
    }
}

/// A plan without the names that it is given.
fn plain(plan: &LogicalPlan) -> &LogicalPlan {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => plain(&alias.input),
        other => other,
    }
}

/// The window whose end is among expressions.
fn call_window(keys: &[Expr], from: &LogicalPlan, stream: &Stream) -> Option<aggregate::Window> {
    let is_marked = |field: &Field| field.metadata().get(WINDOW_KEY).is_some_and(|mark| mark == WINDOW_END);
    let is_end = |key: &Expr| match key {
        Expr::Column(column) => {
            from.schema().maybe_index_of_column(column).is_some_and(|at| is_bound(from, at, WINDOW_END))
        }
        other => other.to_field(from.schema()).is_ok_and(|(_, field)| !field.is_nullable() && is_marked(&field)),
    };
    let end_key = keys.iter().position(is_end)?;
    let clock = Clock { sources: stream.sources.clone(), delay_ms: stream.delay_ms? };
    Some(aggregate::Window { end_key, clock })
}

/// Columns as they are, at these places.
fn numbered(schema: &SchemaRef, places: impl IntoIterator<Item = usize>) -> Vec<Arc<dyn PhysicalExpr>> {
    let column = |at: usize| Arc::new(PhysicalColumn::new(schema.field(at).name(), at)) as _;
    places.into_iter().map(column).collect()
}

/// An aggregate call; its argument and filter are computed as further columns, or are among those from `first` on.
fn call(expr: &Expr, field: &Field, columns: &mut Vec<Expr>, first: usize) -> Result<aggregate::Call, PlanError> {
    let expr = expr.clone().unalias();
    let Expr::AggregateFunction(AggregateFunction { func, params }) = expr else {
        return Err(PlanError::unsupported(expr.to_string(), None));
    };
    let function = match func.name() {
        "count" => aggregate::Function::Count,
        "sum" => aggregate::Function::Sum,
        "avg" => aggregate::Function::Avg,
        "min" => aggregate::Function::Min,
        "max" => aggregate::Function::Max,
        other => return Err(PlanError::unsupported(format!("{}()", other.to_uppercase()), None)),
    };
    if !params.order_by.is_empty() || params.null_treatment.is_some() {
        return Err(PlanError::unsupported("an order within an aggregate function", None));
    }
    let mut add = |expr: Expr| match columns.iter().skip(first).position(|known| *known == expr) {
        Some(place) => first + place,
        None => {
            columns.push(expr);
            columns.len() - 1
        }
    };
    let argument = match params.args.as_slice() {
        // Of `DISTINCT` ones there is one.
        [Expr::Literal(value, _)] if function == aggregate::Function::Count && !value.is_null() && !params.distinct => {
            None
        }
        [argument] => Some(add(argument.clone())),
        [] => None,
        _ => return Err(PlanError::unsupported("COUNT of several columns", Some("count one of them"))),
    };
    let filter = params.filter.map(|filter| add(*filter));
    Ok(aggregate::Call { function, argument, distinct: params.distinct, filter, output: field.data_type().clone() })
}

fn refusal(plan: &LogicalPlan) -> PlanError {
    match plan {
        LogicalPlan::Sort(_) => {
            PlanError::unsupported("ORDER BY in a continuous query", Some("order when you read the result"))
        }
        LogicalPlan::Limit(_) => {
            let hint = "number rows with ROW_NUMBER() and keep the first, or limit when you read the result";
            PlanError::unsupported("LIMIT in a continuous query", Some(hint))
        }
        LogicalPlan::Values(_) | LogicalPlan::EmptyRelation(_) => {
            PlanError::unsupported("a continuous query without a table", None)
        }
        other => PlanError::unsupported(other.display().to_string(), None),
    }
}
