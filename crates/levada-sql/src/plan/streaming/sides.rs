//! A join as the planner has it: the columns and keys of its sides, its condition over both, and what is shown of them.

use super::{Builder, Stream, numbered};
use crate::{
    operator::{describe::text, join as join_operator, project::Project},
    plan::{PlanError, expressions::physical, session::arrow_schema},
};
use datafusion::{
    arrow::datatypes::{Field, Schema, SchemaRef},
    common::{JoinType, NullEquality},
    logical_expr::{self as logical, Expr, LogicalPlan},
    physical_expr::{PhysicalExpr, expressions::Column as PhysicalColumn},
};
use std::sync::Arc;

impl Builder<'_> {
    pub(super) fn join(&mut self, join: &logical::Join) -> Result<Stream, PlanError> {
        if join.null_aware {
            let hint = "write NOT EXISTS (SELECT … WHERE …), or filter out nulls on both sides";
            return Err(PlanError::unsupported("NOT IN over columns that may be null", Some(hint)));
        }
        if matches!(join.join_type, JoinType::LeftMark | JoinType::RightMark) {
            let hint = "write the condition as a join";
            return Err(PlanError::unsupported("a sub-query in an OR", Some(hint)));
        }
        let (left, left_keys) = self.keyed(&join.left, join.on.iter().map(|(left, _)| left))?;
        let (right, right_keys) = self.keyed(&join.right, join.on.iter().map(|(_, right)| right))?;
        let (left_schema, right_schema) = (arrow_schema(join.left.schema()), arrow_schema(join.right.schema()));
        let (wide_left, wide_right) = (left.1, right.1);
        // The keys that had to be computed lie behind each side's columns.
        let pair_fields = wide_left.fields().iter().chain(wide_right.fields().iter()).cloned();
        let pair: SchemaRef = Arc::new(Schema::new(pair_fields.collect::<Vec<_>>()));
        let filter = match &join.filter {
            Some(filter) => Some(pair_filter(filter, join, wide_left.fields().len())?),
            None => None,
        };
        let nullable = |schema: &SchemaRef| {
            let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
            fields.collect::<Vec<_>>()
        };
        let wide: SchemaRef = match join.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti => Arc::clone(&wide_left),
            JoinType::RightSemi | JoinType::RightAnti => Arc::clone(&wide_right),
            _ => Arc::new(Schema::new([nullable(&wide_left), nullable(&wide_right)].concat())),
        };
        let kept = match join.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti => (0..left_schema.fields().len()).collect(),
            JoinType::RightSemi | JoinType::RightAnti => (0..right_schema.fields().len()).collect(),
            _ => {
                let right_start = wide_left.fields().len();
                let right = right_start..right_start + right_schema.fields().len();
                (0..left_schema.fields().len()).chain(right).collect::<Vec<_>>()
            }
        };
        let spec = join_operator::Spec {
            kind: join.join_type,
            sides: [(wide_left, left_keys), (wide_right, right_keys)],
            nulls_are_equal: join.null_equality == NullEquality::NullEqualsNull,
            filter,
            pair,
            output: Arc::clone(&wide),
        };
        let joined = self.joined(join, spec, &left.0, &right.0)?;
        let (output, is_append_only) = (arrow_schema(&join.schema), joined.is_append_only);
        Ok(self.chain(joined, Box::new(Project::columns(numbered(&wide, kept), output)), is_append_only))
    }

    /// A side of a join, with its keys as columns behind its own where they are not columns of it.
    fn keyed<'a>(
        &mut self,
        plan: &LogicalPlan,
        keys: impl Iterator<Item = &'a Expr>,
    ) -> Result<((Stream, SchemaRef), Vec<usize>), PlanError> {
        let stream = self.build(plan)?;
        let schema = arrow_schema(plan.schema());
        let mut columns = numbered(&schema, 0..schema.fields().len());
        let mut fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone()).collect();
        let mut places = Vec::new();
        for key in keys {
            let place = match key {
                Expr::Column(column) => plan.schema().index_of_column(column)?,
                computed => {
                    let column = physical(computed, plan.schema())?;
                    fields.push(Field::new(text(&column), column.data_type(&schema)?, true));
                    columns.push(column);
                    columns.len() - 1
                }
            };
            places.push(place);
        }
        if columns.len() == schema.fields().len() {
            return Ok(((stream, schema), places));
        }
        let wide: SchemaRef = Arc::new(Schema::new(fields));
        let is_append_only = stream.is_append_only;
        let stream = self.chain(stream, Box::new(Project::columns(columns, Arc::clone(&wide))), is_append_only);
        Ok(((stream, wide), places))
    }
}

/// A join's condition over the left columns, then, from `right_start` on, the right.
fn pair_filter(filter: &Expr, join: &logical::Join, right_start: usize) -> Result<Arc<dyn PhysicalExpr>, PlanError> {
    let both = join.left.schema().join(join.right.schema())?;
    Ok(shifted(physical(filter, &both)?, join.left.schema().fields().len(), right_start)?)
}

/// An expression whose columns from `left_count` on begin at `right_start`.
pub(super) fn shifted(
    expr: Arc<dyn PhysicalExpr>,
    left_count: usize,
    right_start: usize,
) -> datafusion::common::Result<Arc<dyn PhysicalExpr>> {
    use datafusion::common::tree_node::{Transformed, TreeNode as _};
    let moved = expr.transform(|expr| {
        Ok(match expr.downcast_ref::<PhysicalColumn>() {
            Some(column) if column.index() >= left_count => {
                let place = column.index() - left_count + right_start;
                Transformed::yes(Arc::new(PhysicalColumn::new(column.name(), place)) as _)
            }
            _ => Transformed::no(expr),
        })
    })?;
    Ok(moved.data)
}
