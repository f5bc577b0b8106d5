//! Joins with what a table had at a row's time.

use super::{Builder, Stream, internal, numbered, session::computed, sides::shifted};
use crate::{
    explain::Feed,
    operator::{
        consolidate::Consolidate,
        join,
        project::Project,
        temporal_join::{self, TemporalJoin as Operator},
    },
    plan::{PlanError, expressions::physical, session::arrow_schema, temporal::TemporalJoin},
};
use datafusion::{
    arrow::datatypes::{Field, Schema, SchemaRef},
    common::{DFSchema, Result},
    logical_expr::{
        BinaryExpr, Expr, LogicalPlan, Operator as Op, TableScan, UserDefinedLogicalNodeCore as _,
        utils::{conjunction, split_conjunction},
    },
    physical_expr::PhysicalExpr,
};
use std::sync::Arc;

/// A table of which the versions are asked for.
struct Versioned {
    stream: Stream,
    /// Of each column of the join's right side: its place among those that are read.
    shown: Vec<usize>,
    /// Of each column of the key: its place on the right side.
    key: Vec<usize>,
    version_key: Vec<usize>,
}

impl Builder<'_> {
    pub(super) fn temporal(&mut self, node: &TemporalJoin) -> Result<Stream, PlanError> {
        let left = self.build(&node.left)?;
        let is_append_only = left.is_append_only;
        left.clock()?;
        let right = self.versioned(&node.right)?;
        let (left_schema, right_schema) = (node.left.schema(), node.right.schema());
        let (key, rest) = keys(node, &right.key)?;
        let time_of = |expr: &Expr, schema: &DFSchema| match expr {
            Expr::Column(column) => Ok(schema.index_of_column(column)?),
            other => Err(PlanError::unsupported(format!("the event time `{other}`"), None)),
        };
        let times = [time_of(&node.left_time, left_schema)?, right.shown[time_of(&node.right_time, right_schema)?]];
        // The key lies behind the left columns.
        let own = left_schema.columns().into_iter().map(Expr::Column);
        let (columns, _) = computed(&own.chain(key).collect::<Vec<_>>(), left_schema)?;
        let wide_left = wide(left_schema, &columns)?;
        let left_count = left_schema.fields().len();
        let filter = match rest {
            Some(rest) => Some(shifted(physical(&rest, node.schema())?, left_count, columns.len())?),
            None => None,
        };
        let mut left = self.chain(left, Box::new(Project::columns(columns, Arc::clone(&wide_left))), is_append_only);
        if !is_append_only {
            // A row that goes and comes again as it was has met what it met.
            let net = Consolidate::new(Arc::clone(&wide_left)).map_err(internal)?;
            left = self.chain(left, Box::new(net), false);
        }
        let sides = [
            (Arc::clone(&wide_left), (left_count..wide_left.fields().len()).collect()),
            (arrow_schema(right_schema), right.key.clone()),
        ];
        let fields = |is_nullable: bool| {
            let right = right_schema.fields().iter().map(move |field| {
                let is_nullable = is_nullable || field.is_nullable();
                Arc::new(field.as_ref().clone().with_nullable(is_nullable))
            });
            Arc::new(Schema::new(wide_left.fields().iter().cloned().chain(right).collect::<Vec<_>>()))
        };
        let spec = join::Spec {
            kind: node.kind,
            sides,
            nulls_are_equal: false,
            filter,
            pair: fields(false),
            output: fields(true),
        };
        let output = Arc::clone(&spec.output);
        let (shown, version_key) = (right.shown, right.version_key);
        let mut sources = [left.sources.clone(), right.stream.sources.clone()].concat();
        sources.dedup();
        let clock = crate::operator::Clock { sources, delay_ms: left.delay_ms.unwrap_or(0) };
        let spec = temporal_join::Spec { join: spec, shown, version_key, times, clock, is_append_only };
        let operator = Box::new(Operator::new(spec).map_err(internal)?);
        let joined = self.add(&[&left, &right.stream], operator, is_append_only);
        let right_start = wide_left.fields().len();
        let kept = (0..left_count).chain(right_start..output.fields().len());
        let columns = numbered(&output, kept);
        Ok(self.chain(joined, Box::new(Project::columns(columns, arrow_schema(node.schema()))), is_append_only))
    }

    /// The records of a table with a key, without what makes of them its rows.
    fn versioned(&mut self, plan: &LogicalPlan) -> Result<Versioned, PlanError> {
        let (scan, columns) = scanned(plan)?;
        let table = scan.table_name.table().to_owned();
        let Some(key) = self.upsert_keys.get(&table) else {
            let what = format!("FOR SYSTEM_TIME AS OF of `{table}`, which has no versions,");
            let hint = "declare it with 'connector' = 'upsert-kafka', a PRIMARY KEY and a WATERMARK";
            return Err(PlanError::unsupported(what, Some(hint)));
        };
        let source = self.source_of(&table, &scan.source.schema())?;
        let read = &self.sources[source].columns;
        let place = |at: &usize| read.iter().position(|column| column == at);
        let missing = || PlanError::unsupported(format!("a column of `{table}` that is not read"), None);
        let shown = columns.iter().map(|at| place(at).ok_or_else(missing)).collect::<Result<_, _>>()?;
        let version_key = key.iter().map(|at| place(at).ok_or_else(missing)).collect::<Result<_, _>>()?;
        let on_right = |at: &usize| columns.iter().position(|column| column == at).ok_or_else(|| off_key(&table));
        let key = key.iter().map(on_right).collect::<Result<_, _>>()?;
        let stream = Stream {
            from: Feed::Source(source),
            is_append_only: true,
            sources: vec![source],
            delay_ms: Some(0),
            net: None,
        };
        Ok(Versioned { stream, shown, key, version_key })
    }
}

fn off_key(table: &str) -> PlanError {
    let what = format!("FOR SYSTEM_TIME AS OF without the whole primary key of `{table}` in ON");
    PlanError::unsupported(what, Some("compare each of its columns with `=`, cast to its type where it has another"))
}

/// The table, and of each column of `plan` its place in it.
fn scanned(plan: &LogicalPlan) -> Result<(&TableScan, Vec<usize>), PlanError> {
    match plan {
        LogicalPlan::TableScan(scan) if scan.filters.is_empty() && scan.fetch.is_none() => {
            let all = || (0..scan.source.schema().fields().len()).collect();
            Ok((scan, scan.projection.as_ref().map_or_else(all, |columns| columns.to_vec())))
        }
        LogicalPlan::SubqueryAlias(alias) => scanned(&alias.input),
        LogicalPlan::Projection(projection) => {
            let (scan, columns) = scanned(&projection.input)?;
            let column = |expr: &Expr| match expr.clone().unalias() {
                Expr::Column(column) => Ok(columns[projection.input.schema().index_of_column(&column)?]),
                other => Err(PlanError::unsupported(format!("FOR SYSTEM_TIME AS OF of `{other}`"), None)),
            };
            let columns = projection.expr.iter().map(column).collect::<Result<_, PlanError>>()?;
            Ok((scan, columns))
        }
        _ => {
            let hint = "name a table with 'connector' = 'upsert-kafka', a PRIMARY KEY and a WATERMARK";
            Err(PlanError::unsupported("FOR SYSTEM_TIME AS OF of anything but a table", Some(hint)))
        }
    }
}

/// What the left side has for each column of the key, and the rest of the condition.
fn keys(node: &TemporalJoin, key: &[usize]) -> Result<(Vec<Expr>, Option<Expr>), PlanError> {
    let (left, right) = (node.left.schema(), node.right.schema());
    let mut found: Vec<Option<Expr>> = vec![None; key.len()];
    let mut rest = Vec::new();
    for condition in split_conjunction(&node.condition) {
        let pair = key_pair(condition, left, right, key);
        match pair.and_then(|(at, value)| found[at].is_none().then_some((at, value))) {
            Some((at, value)) => found[at] = Some(value),
            None => rest.push(condition.clone()),
        }
    }
    let table = right.iter().next().and_then(|(table, _)| table).map_or("", |table| table.table());
    let found: Option<Vec<Expr>> = found.into_iter().collect();
    Ok((found.ok_or_else(|| off_key(table))?, conjunction(rest)))
}

/// Which column of the key a condition compares, and with what.
fn key_pair(condition: &Expr, left: &DFSchema, right: &DFSchema, key: &[usize]) -> Option<(usize, Expr)> {
    use datafusion::logical_expr::ExprSchemable as _;
    let Expr::BinaryExpr(BinaryExpr { left: a, op: Op::Eq, right: b }) = condition else { return None };
    [(a, b), (b, a)].into_iter().find_map(|(value, column)| {
        let Expr::Column(column) = column.as_ref() else { return None };
        let place = right.maybe_index_of_column(column)?;
        let at = key.iter().position(|key| *key == place)?;
        let is_left = value.column_refs().iter().all(|column| left.maybe_index_of_column(column).is_some());
        let is_alike = is_left && value.get_type(left).ok()? == *right.field(place).data_type();
        is_alike.then(|| (at, value.as_ref().clone()))
    })
}

/// The left columns with the key behind them.
fn wide(schema: &DFSchema, columns: &[Arc<dyn PhysicalExpr>]) -> Result<SchemaRef> {
    let mut fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone()).collect();
    for column in columns.iter().skip(fields.len()) {
        fields.push(Field::new(format!("key {}", fields.len()), column.data_type(schema.as_arrow())?, true));
    }
    Ok(Arc::new(Schema::new(fields)))
}
