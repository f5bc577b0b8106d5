//! [`SessionWindows`]: a node of the plan that gives each row the session that it falls into.
//!
//! A stream has an operator for it. In batch it is written with `LAG`, `SUM`, `MIN` and `MAX` over the rows of a
//! partition in the order of their times.

use super::{Bound, MILLISECONDS_IN_UTC, Span, WindowBound};
use datafusion::{
    arrow::datatypes::DataType,
    common::{DFSchema, DFSchemaRef, Result, plan_err, tree_node::Transformed},
    functions_aggregate::{
        min_max::{max_udaf, min_udaf},
        sum::sum_udaf,
    },
    functions_window::lead_lag::lag_udwf,
    logical_expr::{
        Expr, ExprFunctionExt as _, ExprSchemable as _, Extension, LogicalPlan, LogicalPlanBuilder, ScalarUDF,
        UserDefinedLogicalNodeCore, WindowFunctionDefinition, expr::WindowFunction,
    },
    prelude::{Column, cast, lit, when},
};
use std::{cmp::Ordering, collections::HashMap, fmt, sync::Arc};

/// Rows with the bounds of their sessions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::plan) struct SessionWindows {
    pub(in crate::plan) input: LogicalPlan,
    /// The event time.
    pub(in crate::plan) time: Expr,
    /// Each value has sessions of its own.
    pub(in crate::plan) keys: Vec<Expr>,
    pub(in crate::plan) gap_ms: i64,
    schema: DFSchemaRef,
}

impl PartialOrd for SessionWindows {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl SessionWindows {
    pub(super) fn new(input: LogicalPlan, time: Expr, keys: Vec<Expr>, gap_ms: i64) -> Result<Self> {
        let mut fields: Vec<_> = input.schema().iter().map(|(of, field)| (of.cloned(), Arc::clone(field))).collect();
        for which in [Bound::Start, Bound::End, Bound::Time] {
            let (_, field) = bound(which, gap_ms, time.clone()).to_field(input.schema())?;
            fields.push((None, Arc::new(field.as_ref().clone().with_name(which.name()))));
        }
        let schema = Arc::new(DFSchema::new_with_metadata(fields, HashMap::default())?);
        Ok(Self { input, time, keys, gap_ms, schema })
    }

    pub(super) fn plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(self) })
    }

    /// The same in terms that batch has.
    fn lowered(&self) -> Result<LogicalPlan> {
        let own: Vec<Expr> = self.input.schema().columns().into_iter().map(Expr::Column).collect();
        let column = |name: &str| Expr::Column(Column::new_unqualified(name));
        let with = |more: Vec<Expr>| [own.clone(), more].concat();
        let over = |function: WindowFunctionDefinition, args: Vec<Expr>, keys: Vec<Expr>, is_ordered: bool| {
            let call = Expr::from(WindowFunction::new(function, args)).partition_by(keys);
            if is_ordered { call.order_by(vec![column(TIME).sort(true, true)]).build() } else { call.build() }
        };
        let time = cast(cast(self.time.clone(), MILLISECONDS_IN_UTC), DataType::Int64).alias(TIME);
        let previous =
            over(WindowFunctionDefinition::WindowUDF(lag_udwf()), vec![column(TIME)], self.keys.clone(), true)?;
        let begins =
            when((column(TIME) - column(PREVIOUS)).lt_eq(lit(self.gap_ms)), lit(0_i64)).otherwise(lit(1_i64))?;
        let of = |function| WindowFunctionDefinition::AggregateUDF(function);
        let number = over(of(sum_udaf()), vec![column(BEGINS)], self.keys.clone(), true)?;
        let session = [self.keys.clone(), vec![column(NUMBER)]].concat();
        let first = over(of(min_udaf()), vec![self.time.clone()], session.clone(), false)?;
        let last = over(of(max_udaf()), vec![self.time.clone()], session, false)?;
        let bounds = vec![
            bound(Bound::Start, self.gap_ms, column(FIRST)).alias(Bound::Start.name()),
            bound(Bound::End, self.gap_ms, column(LAST)).alias(Bound::End.name()),
            bound(Bound::Time, self.gap_ms, column(LAST)).alias(Bound::Time.name()),
        ];
        LogicalPlanBuilder::from(self.input.clone())
            .project(with(vec![time]))?
            .window(vec![previous.alias(PREVIOUS)])?
            .project(with(vec![column(TIME), begins.alias(BEGINS)]))?
            .window(vec![number.alias(NUMBER)])?
            .window(vec![first.alias(FIRST), last.alias(LAST)])?
            .project(with(bounds))?
            .build()
    }
}

const TIME: &str = "levada session time";
const PREVIOUS: &str = "levada session previous";
const BEGINS: &str = "levada session begins";
const NUMBER: &str = "levada session number";
const FIRST: &str = "levada session first";
const LAST: &str = "levada session last";

/// A bound of the session whose first row, or last, has this time.
fn bound(which: Bound, gap_ms: i64, time: Expr) -> Expr {
    ScalarUDF::from(WindowBound::new(which, Span::hop(gap_ms, 1, 0))).call(vec![time])
}

/// A plan in which batch can find its way.
pub(in crate::plan) fn lowered(plan: LogicalPlan) -> Result<LogicalPlan> {
    let node = |plan: LogicalPlan| match &plan {
        LogicalPlan::Extension(extension) => match extension.node.as_any().downcast_ref::<SessionWindows>() {
            Some(session) => session.lowered().map(Transformed::yes),
            None => Ok(Transformed::no(plan)),
        },
        _ => Ok(Transformed::no(plan)),
    };
    Ok(plan.transform_up_with_subqueries(node)?.data)
}

impl UserDefinedLogicalNodeCore for SessionWindows {
    fn name(&self) -> &'static str {
        "SessionWindows"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        std::iter::once(&self.time).chain(&self.keys).cloned().collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionWindows: time={}, gap={} ms, keys=[", self.time, self.gap_ms)?;
        self.keys.iter().try_for_each(|key| write!(f, "{key} "))?;
        write!(f, "]")
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let (mut exprs, mut inputs) = (exprs.into_iter(), inputs.into_iter());
        let (Some(time), Some(input)) = (exprs.next(), inputs.next()) else {
            return plan_err!("a session has a time and an input");
        };
        Self::new(input, time, exprs.collect(), self.gap_ms)
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let count = self.input.schema().fields().len();
        Some(vec![output_columns.iter().copied().filter(|column| *column < count).collect()])
    }
}
