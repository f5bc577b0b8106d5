//! `FOR SYSTEM_TIME AS OF`: a join with what a table had at the time of a row.
//!
//! The planner of SQL passes such a table through as [`AsOf`]; behind it, the joins whose right side it is become
//! [`TemporalJoin`]s. It is a join of streams: in batch a table has no versions any more.

use super::{PlanError, marks::is_event_time};
use crate::table::ROWTIME_KEY;
use datafusion::{
    arrow::datatypes::Field,
    common::{
        DFSchema, DFSchemaRef, DataFusionError, JoinType, Result, TableReference, plan_err,
        tree_node::{Transformed, TreeNodeRecursion},
    },
    logical_expr::{
        Expr, Extension, Join, LogicalPlan, SubqueryAlias, UserDefinedLogicalNodeCore, build_join_schema,
        planner::{PlannedRelation, RelationPlannerContext, RelationPlanning},
        utils::conjunction,
    },
    prelude::Column,
    sql::sqlparser::ast::{self, TableFactor, TableVersion},
};
use std::{cmp::Ordering, fmt, sync::Arc};

/// A table as it was at a time that is a column of the other side of its join.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct AsOf {
    table: LogicalPlan,
    /// The parts of the column's name.
    time: Vec<String>,
}

impl PartialOrd for AsOf {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

/// Each row of the left side with the version that a table had for its key at the row's time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct TemporalJoin {
    pub(super) left: LogicalPlan,
    pub(super) right: LogicalPlan,
    /// Inner or left.
    pub(super) kind: JoinType,
    pub(super) left_time: Expr,
    pub(super) right_time: Expr,
    pub(super) condition: Expr,
    schema: DFSchemaRef,
}

impl PartialOrd for TemporalJoin {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

const NO_TIME: &str = "write FOR SYSTEM_TIME AS OF and the event time of the table on the left, as in \
                       `JOIN rates FOR SYSTEM_TIME AS OF o.ts AS r ON o.currency = r.currency`";

/// Plans a table that has a version.
pub(super) fn relation(relation: TableFactor, context: &mut dyn RelationPlannerContext) -> Result<RelationPlanning> {
    let TableFactor::Table { name, alias, args, version: Some(version), .. } = &relation else {
        return Ok(RelationPlanning::Original(Box::new(relation)));
    };
    if args.is_some() {
        return plan_err!("a hint on a table with FOR SYSTEM_TIME AS OF is not supported");
    }
    let parts = |parts: &[ast::Ident]| parts.iter().map(|part| part.value.clone()).collect::<Vec<_>>();
    let time = match version {
        TableVersion::ForSystemTimeAsOf(ast::Expr::Identifier(column)) => parts(std::slice::from_ref(column)),
        TableVersion::ForSystemTimeAsOf(ast::Expr::CompoundIdentifier(column)) => parts(column),
        TableVersion::ForSystemTimeAsOf(ast::Expr::Function(_)) => {
            return plan_err!("a join with what a table has now, as of PROCTIME(), is not supported; {NO_TIME}");
        }
        other => return plan_err!("`{other}` is not supported; {NO_TIME}"),
    };
    let plain = super::windows::named_table(name.clone());
    // Without an alias columns are qualified by the table's name all the same.
    let table = context.plan(plain)?;
    let plan = LogicalPlan::Extension(Extension { node: Arc::new(AsOf { table, time }) });
    Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias.clone()))))
}

/// Makes temporal joins of the joins whose right side has a version.
pub(super) fn with_temporal_joins(plan: LogicalPlan) -> Result<LogicalPlan> {
    let node = |plan: LogicalPlan| match plan {
        LogicalPlan::Join(join) => match versioned(&join.right)? {
            Some((right, time)) => temporal(&join, right, &time).map(Transformed::yes),
            None => Ok(Transformed::no(LogicalPlan::Join(join))),
        },
        other => Ok(Transformed::no(other)),
    };
    let plan = plan.transform_up_with_subqueries(node)?.data;
    plan.apply_with_subqueries(|node| match as_of(node) {
        Some(_) => plan_err!("FOR SYSTEM_TIME AS OF is for the table on the right of a JOIN"),
        None => Ok(TreeNodeRecursion::Continue),
    })?;
    Ok(plan)
}

fn as_of(plan: &LogicalPlan) -> Option<&AsOf> {
    let LogicalPlan::Extension(extension) = plan else { return None };
    extension.node.as_any().downcast_ref()
}

/// A table without its version, and that.
fn versioned(plan: &LogicalPlan) -> Result<Option<(LogicalPlan, Vec<String>)>> {
    if let Some(AsOf { table, time }) = as_of(plan) {
        return Ok(Some((table.clone(), time.clone())));
    }
    let LogicalPlan::SubqueryAlias(alias) = plan else { return Ok(None) };
    let Some((table, time)) = versioned(&alias.input)? else { return Ok(None) };
    let table = SubqueryAlias::try_new(Arc::new(table), alias.alias.clone())?;
    Ok(Some((LogicalPlan::SubqueryAlias(table), time)))
}

fn temporal(join: &Join, right: LogicalPlan, time: &[String]) -> Result<LogicalPlan> {
    if !matches!(join.join_type, JoinType::Inner | JoinType::Left) {
        return plan_err!("a join FOR SYSTEM_TIME AS OF is JOIN or LEFT JOIN");
    }
    let left = join.left.as_ref().clone();
    let left_time = match time {
        [table, column] => Column::new(Some(TableReference::bare(table.clone())), column),
        [column] => {
            let (table, field) = left.schema().qualified_field_with_unqualified_name(column)?;
            Column::new(table.cloned(), field.name())
        }
        _ => return plan_err!("a time with so many names is not supported; {NO_TIME}"),
    };
    if !is_event_time(&left, left.schema().index_of_column(&left_time)?) {
        return plan_err!("`{}` is no event time of the table on the left; {NO_TIME}", left_time.name);
    }
    let marked = right.schema().iter().find(|(_, field)| field.metadata().contains_key(ROWTIME_KEY));
    let Some((table, field)) = marked else {
        return plan_err!("a table has versions by its event time: declare a WATERMARK in the table on the right");
    };
    let right_time = Expr::Column(Column::new(table.cloned(), field.name()));
    let pairs = join.on.iter().map(|(left, right)| left.clone().eq(right.clone()));
    let Some(condition) = conjunction(pairs.chain(join.filter.clone())) else {
        return plan_err!("a join FOR SYSTEM_TIME AS OF is ON the primary key of the table on the right");
    };
    let left_time = Expr::Column(left_time);
    let node = TemporalJoin::new(left, right, join.join_type, [left_time, right_time, condition])?;
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
}

/// Refuses such joins where a table has no versions.
pub(super) fn refuse_in_batch(plan: &LogicalPlan) -> Result<(), PlanError> {
    let mut is_there = false;
    plan.apply_with_subqueries(|node| {
        is_there |= TemporalJoin::of(node).is_some();
        Ok(TreeNodeRecursion::Continue)
    })?;
    let hint = "watch the query, or let a statement write its rows to a table";
    let what = "FOR SYSTEM_TIME AS OF in a query that is answered once";
    if is_there { Err(PlanError::unsupported(what, Some(hint))) } else { Ok(()) }
}

impl TemporalJoin {
    pub(super) fn of(plan: &LogicalPlan) -> Option<&Self> {
        let LogicalPlan::Extension(extension) = plan else { return None };
        extension.node.as_any().downcast_ref()
    }

    fn new(
        left: LogicalPlan,
        right: LogicalPlan,
        kind: JoinType,
        [left_time, right_time, condition]: [Expr; 3],
    ) -> Result<Self> {
        let joined = build_join_schema(left.schema(), right.schema(), &kind)?;
        // The time of a version may lie as far back as it likes.
        let left_count = left.schema().fields().len();
        let fields = joined.iter().enumerate().map(|(at, (table, field))| {
            let field = if at < left_count { field.as_ref().clone() } else { without_time(field) };
            (table.cloned(), Arc::new(field))
        });
        let schema = Arc::new(DFSchema::new_with_metadata(fields.collect(), joined.metadata().clone())?);
        Ok(Self { left, right, kind, left_time, right_time, condition, schema })
    }
}

fn without_time(field: &Field) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.remove(ROWTIME_KEY);
    field.clone().with_metadata(metadata)
}

impl UserDefinedLogicalNodeCore for AsOf {
    fn name(&self) -> &'static str {
        "AsOf"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.table]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.table.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AsOf: {}", self.time.join("."))
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        match inputs.into_iter().next() {
            Some(table) => Ok(Self { table, time: self.time.clone() }),
            None => plan_err!("a version is one of a table"),
        }
    }
}

impl UserDefinedLogicalNodeCore for TemporalJoin {
    fn name(&self) -> &'static str {
        "TemporalJoin"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.left, &self.right]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![self.left_time.clone(), self.right_time.clone(), self.condition.clone()]
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, left_time, right_time, condition, .. } = self;
        write!(f, "TemporalJoin: {kind} on {condition}, versions by {right_time} as of {left_time}")
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let exprs: Result<[Expr; 3], _> = exprs.try_into();
        let inputs: Result<[LogicalPlan; 2], _> = inputs.try_into();
        let (Ok(exprs), Ok([left, right])) = (exprs, inputs) else {
            return Err(DataFusionError::Internal("a temporal join has two sides".to_owned()));
        };
        Self::new(left, right, self.kind, exprs)
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let left_count = self.left.schema().fields().len();
        let (left, right): (Vec<usize>, Vec<usize>) = output_columns.iter().partition(|column| **column < left_count);
        Some(vec![left, right.into_iter().map(|column| column - left_count).collect()])
    }
}
