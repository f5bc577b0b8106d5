//! Columns that are computed from others of their row.

use super::{Table, TableError};
use crate::{
    changes::Changes,
    dataflow::RunError,
    plan::{self, Planner, physical},
    statement::StatementError,
};
use datafusion::{
    arrow::{
        array::{Array as _, ArrayRef, BooleanArray, RecordBatch, UInt32Array},
        compute::{filter_record_batch, take},
        datatypes::{Field, Schema, SchemaRef},
    },
    common::tree_node::{TreeNode as _, TreeNodeRecursion},
    logical_expr::{Expr, LogicalPlan},
    physical_expr::{
        PhysicalExpr,
        utils::{collect_columns, reassign_expr_columns},
    },
};
use levada_sql_syntax::{Statement, ast, parse_statement};
use std::{collections::BTreeSet, sync::Arc};

/// A column that is computed from others, which are not computed themselves.
#[derive(Clone, Debug)]
pub(crate) struct Computed {
    expr: Arc<dyn PhysicalExpr>,
    /// The columns of the table that it is computed from.
    inputs: Vec<usize>,
}

/// A computed column as it is declared.
pub(super) struct Definition<'a> {
    pub(super) place: usize,
    pub(super) name: &'a ast::Ident,
    pub(super) expr: &'a ast::Expr,
}

/// The field and the computation of each of these columns, over those that are stored, with their places in the table.
pub(super) fn planned(
    stored: &[(usize, Field)],
    definitions: &[Definition<'_>],
) -> Result<Vec<(Field, Computed)>, TableError> {
    let schema = Arc::new(Schema::new(stored.iter().map(|(_, field)| field.clone()).collect::<Vec<_>>()));
    let table = plan::Table { name: "t".to_owned(), schema, rows: Vec::new(), upsert_key: None };
    let planner = Planner::new(vec![table]).map_err(|error| TableError::Declaration(error.to_string()))?;
    definitions.iter().map(|definition| one(&planner, stored, definition)).collect()
}

fn one(
    planner: &Planner,
    stored: &[(usize, Field)],
    definition: &Definition<'_>,
) -> Result<(Field, Computed), TableError> {
    let Definition { name, expr, .. } = definition;
    let wrong = |reason: String| TableError::Declaration(format!("computed column `{}`: {reason}", name.value));
    let query = projection(name, expr)?;
    let plan = planner.simplified(&query).map_err(|error| wrong(error.to_string()))?;
    let beyond = || wrong("it can be computed from columns of its row that are not computed themselves".to_owned());
    let LogicalPlan::Projection(projection) = plan else { return Err(beyond()) };
    let [expr] = projection.expr.as_slice() else { return Err(beyond()) };
    let is_query = |expr: &Expr| {
        matches!(expr, Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::OuterReferenceColumn(..))
    };
    let mut has_query = false;
    let walked = expr.apply(|expr| {
        has_query |= is_query(expr);
        Ok(TreeNodeRecursion::Continue)
    });
    if has_query || walked.is_err() || !matches!(&*projection.input, LogicalPlan::TableScan(_)) {
        return Err(beyond());
    }
    let expr = physical(expr, projection.input.schema()).map_err(|error| wrong(error.to_string()))?;
    let inputs: BTreeSet<usize> = collect_columns(&expr)
        .iter()
        .filter_map(|column| stored.get(column.index()))
        .map(|(place, _)| *place)
        .collect();
    let field = projection.schema.field(0).as_ref().clone().with_name(&name.value);
    Ok((field, Computed { expr, inputs: inputs.into_iter().collect() }))
}

/// `SELECT expr AS name FROM t`.
fn projection(name: &ast::Ident, expr: &ast::Expr) -> Result<Box<ast::Query>, TableError> {
    let parsed = parse_statement("SELECT 1 FROM t").map(|parsed| parsed.statement);
    let Ok(Statement::Query(mut query)) = parsed else {
        return Err(TableError::Declaration("no query to compute columns with".to_owned()));
    };
    if let ast::SetExpr::Select(select) = &mut *query.body {
        select.projection = vec![ast::SelectItem::ExprWithAlias { expr: expr.clone(), alias: name.clone() }];
    }
    Ok(query)
}

/// Brings the stored columns of a table to those that are wanted of it.
pub(crate) struct Computing {
    /// The columns of the table that are needed, ascending; none of them is computed.
    pub(crate) stored: Vec<usize>,
    input: SchemaRef,
    output: SchemaRef,
    columns: Vec<Column>,
    is_identity: bool,
}

enum Column {
    /// At this place of the input.
    Stored(usize),
    Computed(Arc<dyn PhysicalExpr>),
}

impl Computing {
    /// For these columns of a table, ascending.
    pub(crate) fn new(table: &Table, wanted: &[usize]) -> Result<Self, StatementError> {
        let mut stored = BTreeSet::new();
        for place in wanted {
            match table.computed.get(place) {
                Some(computed) => stored.extend(computed.inputs.iter().copied()),
                None => drop(stored.insert(*place)),
            }
        }
        let stored: Vec<usize> = stored.into_iter().collect();
        let input = Arc::new(table.schema.project(&stored)?);
        let output = Arc::new(table.schema.project(wanted)?);
        let column = |place: &usize| match table.computed.get(place) {
            Some(computed) => {
                let expr = reassign_expr_columns(Arc::clone(&computed.expr), &input);
                Ok(Column::Computed(expr.map_err(RunError::from)?))
            }
            None => Ok::<_, StatementError>(Column::Stored(stored.iter().take_while(|at| *at < place).count())),
        };
        let columns = wanted.iter().map(column).collect::<Result<Vec<_>, _>>()?;
        let is_identity = stored == wanted;
        Ok(Self { stored, input, output, columns, is_identity })
    }

    /// The columns that are needed.
    pub(crate) const fn input(&self) -> &SchemaRef {
        &self.input
    }

    /// The columns that are wanted of rows; a row that goes has no computed values.
    pub(crate) fn changes(&self, changes: &Changes) -> Result<Changes, RunError> {
        if self.is_identity {
            return Ok(changes.clone());
        }
        let live: Option<Vec<bool>> = changes.weights().map(|weights| weights.iter().map(|it| *it > 0).collect());
        let column = |column: &Column| match column {
            Column::Stored(place) => Ok(Arc::clone(changes.rows().column(*place))),
            Column::Computed(expr) => match &live {
                None => evaluated(expr, changes.rows()),
                Some(live) => evaluated_where(expr, changes.rows(), live),
            },
        };
        let columns = self.columns.iter().map(column).collect::<Result<_, RunError>>()?;
        Ok(changes.with_columns(Arc::clone(&self.output), columns)?)
    }
}

fn evaluated(expr: &Arc<dyn PhysicalExpr>, rows: &RecordBatch) -> Result<ArrayRef, RunError> {
    Ok(expr.evaluate(rows).and_then(|value| value.into_array(rows.num_rows()))?)
}

/// Values of the rows that are `live`, and NULL for the others.
fn evaluated_where(expr: &Arc<dyn PhysicalExpr>, rows: &RecordBatch, live: &[bool]) -> Result<ArrayRef, RunError> {
    let kept = filter_record_batch(rows, &BooleanArray::from(live.to_vec()))?;
    let values = evaluated(expr, &kept)?;
    let mut next = 0..;
    let places = UInt32Array::from_iter(live.iter().map(|live| if *live { next.next() } else { None }));
    debug_assert!(places.null_count() < places.len() || values.is_empty(), "each that is live has a value");
    Ok(take(&values, &places, None)?)
}
