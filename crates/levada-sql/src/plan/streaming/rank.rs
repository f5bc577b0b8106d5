//! Top-N and deduplication: `ROW_NUMBER()` in a sub-query, and a condition outside that bounds it.

use super::{Builder, Stream, call_window, internal};
use crate::{
    operator::{
        describe::text,
        project::Project,
        top_n::{self, TopN},
    },
    plan::{PlanError, expressions::physical, session::arrow_schema},
};
use datafusion::{
    arrow::{
        compute::SortOptions,
        datatypes::{Field, Schema},
    },
    common::ScalarValue,
    logical_expr::{
        BinaryExpr, Expr, Filter, LogicalPlan, Operator, Window, WindowFunctionDefinition, expr::WindowFunction,
        utils::split_conjunction,
    },
    physical_expr::{PhysicalExpr, expressions::Column as PhysicalColumn},
};
use std::{collections::BTreeMap, sync::Arc};

/// The most rows of a partition that are numbered.
const LIMIT_MAX: i64 = 100_000;

/// How far each `ROW_NUMBER()` of a plan is asked for, by where its node is.
pub(super) type Limits = BTreeMap<usize, usize>;

fn address(window: &Window) -> usize {
    std::ptr::from_ref(window).addr()
}

/// Looks for conditions that bound a number.
pub(super) fn limits(plan: &LogicalPlan, found: &mut Limits) {
    if let LogicalPlan::Filter(filter) = plan {
        for (column, limit) in split_conjunction(&filter.predicate).into_iter().filter_map(|it| bound(it, filter)) {
            if let Some(window) = numbered(&filter.input, column) {
                let limit = limit.clamp(0, LIMIT_MAX);
                found.insert(address(window), usize::try_from(limit).unwrap_or(0));
            }
        }
    }
    plan.inputs().into_iter().for_each(|input| limits(input, found));
}

/// A column, by its place, and the largest value that a condition lets through.
fn bound(condition: &Expr, filter: &Filter) -> Option<(usize, i64)> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = condition else { return None };
    let (column, op, value) = match (&**left, &**right) {
        (Expr::Column(column), Expr::Literal(value, _)) => (column, *op, value),
        (Expr::Literal(value, _), Expr::Column(column)) => (column, op.swap()?, value),
        _ => return None,
    };
    let ScalarValue::Int64(Some(value)) = value.cast_to(&datafusion::arrow::datatypes::DataType::Int64).ok()? else {
        return None;
    };
    let limit = match op {
        Operator::LtEq | Operator::Eq => value,
        Operator::Lt => value.checked_sub(1)?,
        _ => return None,
    };
    Some((filter.input.schema().index_of_column(column).ok()?, limit))
}

/// The node whose number a column is.
fn numbered(plan: &LogicalPlan, column: usize) -> Option<&Window> {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => numbered(&alias.input, column),
        LogicalPlan::Projection(projection) => {
            let expr = projection.expr.get(column)?.clone().unalias();
            let Expr::Column(inner) = expr else { return None };
            numbered(&projection.input, projection.input.schema().index_of_column(&inner).ok()?)
        }
        LogicalPlan::Filter(filter) => numbered(&filter.input, column),
        LogicalPlan::Window(window) if column == window.input.schema().fields().len() => Some(window),
        _ => None,
    }
}

impl Builder<'_> {
    pub(super) fn rank(&mut self, window: &Window) -> Result<Stream, PlanError> {
        let Some(limit) = self.limits.get(&address(window)).copied() else {
            let hint = "number rows in a sub-query, and keep those WHERE the number is <= some literal";
            return Err(PlanError::unsupported("OVER without a bound", Some(hint)));
        };
        let [expr] = window.window_expr.as_slice() else {
            return Err(PlanError::unsupported("several functions with OVER", None));
        };
        let Expr::WindowFunction(function) = expr.clone().unalias() else {
            return Err(PlanError::unsupported(expr.to_string(), None));
        };
        let WindowFunction { fun, params } = *function;
        if !matches!(&fun, WindowFunctionDefinition::WindowUDF(function) if function.name() == "row_number") {
            return Err(PlanError::unsupported("a function with OVER, other than ROW_NUMBER()", None));
        }
        if params.order_by.is_empty() {
            return Err(PlanError::unsupported("ROW_NUMBER() without ORDER BY", None));
        }
        let input = self.build(&window.input)?;
        let from = window.input.schema();
        let rows = arrow_schema(from);
        let order = params.order_by.iter().map(|sort| &sort.expr);
        let computed: Vec<Arc<dyn PhysicalExpr>> =
            params.partition_by.iter().chain(order).map(|expr| physical(expr, from)).collect::<Result<_, _>>()?;
        let mut fields: Vec<Field> = rows.fields().iter().map(|field| field.as_ref().clone()).collect();
        for column in &computed {
            fields.push(Field::new(text(column), column.data_type(&rows)?, true));
        }
        let own = (0..rows.fields().len()).map(|at| Arc::new(PhysicalColumn::new(rows.field(at).name(), at)) as _);
        let columns: Vec<Arc<dyn PhysicalExpr>> = own.chain(computed).collect();
        let wide = Arc::new(Schema::new(fields));
        let is_append_only = input.is_append_only;
        let call = call_window(&params.partition_by, &window.input, &input);
        let stream = self.chain(input, Box::new(Project::columns(columns, Arc::clone(&wide))), is_append_only);
        let options = |sort: &datafusion::logical_expr::SortExpr| SortOptions {
            descending: !sort.asc,
            nulls_first: sort.nulls_first,
        };
        let is_windowed = call.is_some();
        let spec = top_n::Spec {
            row_count: rows.fields().len(),
            partition_count: params.partition_by.len(),
            order: params.order_by.iter().map(options).collect(),
            limit,
            forgets: is_append_only,
            input: wide,
            output: arrow_schema(&window.schema),
            window: call,
        };
        // The number tells those rows apart that are there more than once; where there is one row, it is always 1.
        let net = (0..if limit == 1 { spec.row_count } else { spec.row_count + 1 }).collect();
        let operator = Box::new(TopN::new(spec).map_err(internal)?);
        Ok(Stream { net: Some(net), ..self.chain(stream, operator, is_windowed) })
    }
}
