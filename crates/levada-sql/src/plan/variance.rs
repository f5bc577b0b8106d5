//! `VAR_POP`, `VAR_SAMP`, `STDDEV_POP` and `STDDEV_SAMP`: what sums and a count come to, as in Flink.
//!
//! Sums of doubles are exact in streams, so that a row that goes takes from them what it brought.

use super::functions;
use datafusion::{
    arrow::datatypes::DataType,
    common::{Column, Result, ScalarValue, exec_err, plan_err, tree_node::Transformed},
    functions::math,
    functions_aggregate::count::count_udaf,
    logical_expr::{
        Accumulator, Aggregate, AggregateUDF, AggregateUDFImpl, Expr, LogicalPlan, Projection, Signature, Volatility,
        expr::{AggregateFunction, AggregateFunctionParams},
        function::AccumulatorArgs,
        lit, when,
    },
    prelude::cast,
};
use std::sync::Arc;

const NAMES: [&str; 5] = ["var_pop", "var_samp", "variance", "stddev_pop", "stddev_samp"];

/// The functions by name. They are put as sums before anything runs.
pub(super) fn all() -> impl Iterator<Item = Arc<AggregateUDF>> {
    let signature = Signature::user_defined(Volatility::Immutable);
    NAMES.into_iter().map(move |name| Arc::new(AggregateUDF::from(Moment { name, signature: signature.clone() })))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Moment {
    name: &'static str,
    signature: Signature,
}

impl AggregateUDFImpl for Moment {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [DataType::Float64 | DataType::Null] => Ok(vec![DataType::Float64]),
            [other] => {
                let name = self.name.to_uppercase();
                let other = functions::named(other);
                plan_err!("{name} of {other} is not supported, whose result Flink cuts off; cast it to DOUBLE")
            }
            _ => plan_err!("{} takes one argument", self.name.to_uppercase()),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Float64)
    }

    fn accumulator(&self, _: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        exec_err!("{} is sums", self.name)
    }
}

/// Puts sums in the place of these functions.
pub(super) fn expanded(plan: LogicalPlan) -> Result<LogicalPlan> {
    let node = |plan: LogicalPlan| match plan {
        LogicalPlan::Aggregate(aggregate) if aggregate.aggr_expr.iter().any(|expr| moment(expr).is_some()) => {
            Ok(Transformed::yes(with_sums(&aggregate)?))
        }
        other => Ok(Transformed::no(other)),
    };
    plan.transform_up_with_subqueries(node).map(|transformed| transformed.data)
}

/// The call, where it is one of these functions.
fn moment(expr: &Expr) -> Option<&AggregateFunction> {
    match expr {
        Expr::Alias(alias) => moment(&alias.expr),
        Expr::AggregateFunction(call) if NAMES.contains(&call.func.name()) => Some(call),
        _ => None,
    }
}

fn with_sums(aggregate: &Aggregate) -> Result<LogicalPlan> {
    let key_count = aggregate.schema.fields().len() - aggregate.aggr_expr.len();
    let mut calls: Vec<Expr> = Vec::new();
    // Of each call: the places of what it is put as.
    let mut places = Vec::new();
    for expr in &aggregate.aggr_expr {
        let parts = match moment(expr) {
            Some(call) => sums(call)?.to_vec(),
            None => vec![expr.clone()],
        };
        let mut place = |part: Expr| {
            calls.iter().position(|known| *known == part).unwrap_or_else(|| {
                calls.push(part);
                calls.len() - 1
            })
        };
        places.push(parts.into_iter().map(&mut place).collect::<Vec<_>>());
    }
    let summed = Aggregate::try_new(Arc::clone(&aggregate.input), aggregate.group_expr.clone(), calls)?;
    let column = |at: usize| Expr::Column(Column::from(summed.schema.qualified_field(at)));
    let mut columns: Vec<Expr> = (0..key_count).map(column).collect();
    for (place, (expr, parts)) in aggregate.aggr_expr.iter().zip(&places).enumerate() {
        let parts: Vec<Expr> = parts.iter().map(|part| column(key_count + part)).collect();
        columns.push(match (moment(expr), parts.as_slice()) {
            (Some(call), [squares, sum, count]) => {
                let (qualifier, field) = aggregate.schema.qualified_field(key_count + place);
                formula(call.func.name(), squares, sum, count)?.alias_qualified(qualifier.cloned(), field.name())
            }
            (_, [same, ..]) => same.clone(),
            _ => return exec_err!("an aggregation without calls"),
        });
    }
    let input = Arc::new(LogicalPlan::Aggregate(summed));
    Ok(LogicalPlan::Projection(Projection::try_new(columns, input)?))
}

/// The sum of squares, the sum, and how many there are.
fn sums(call: &AggregateFunction) -> Result<[Expr; 3]> {
    let AggregateFunction { func, params } = call;
    let name = func.name().to_uppercase();
    let [argument] = params.args.as_slice() else { return plan_err!("{name} takes one argument") };
    if params.distinct {
        return plan_err!("{name} of DISTINCT values is not supported");
    }
    let of = |func: Arc<AggregateUDF>, argument: Expr| {
        let params = AggregateFunctionParams { args: vec![argument], ..params.clone() };
        Expr::AggregateFunction(AggregateFunction { func, params })
    };
    let square = argument.clone() * argument.clone();
    Ok([of(functions::sum(), square), of(functions::sum(), argument.clone()), of(count_udaf(), argument.clone())])
}

fn formula(name: &str, squares: &Expr, sum: &Expr, count: &Expr) -> Result<Expr> {
    let number = |count: Expr| cast(count, DataType::Float64);
    let spread = squares.clone() - sum.clone() * sum.clone() / number(count.clone());
    let divisor = match name {
        "var_pop" | "stddev_pop" => number(count.clone()),
        // Of one value it is not known.
        _ => when(count.clone().eq(lit(1_i64)), lit(ScalarValue::Float64(None)))
            .otherwise(number(count.clone() - lit(1_i64)))?,
    };
    let variance = spread / divisor;
    Ok(if name.starts_with("stddev") { math::sqrt().call(vec![variance]) } else { variance })
}
