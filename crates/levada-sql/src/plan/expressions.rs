//! Expressions: which functions there are, that literals have Flink's types, and that nothing means something else here
//! than it does in Flink.

use super::{PlanError, functions};
use crate::types::Type;
use datafusion::{
    arrow::datatypes::{DataType, Field},
    common::{
        DFSchema, DataFusionError, Result, ScalarValue,
        tree_node::{Transformed, TreeNode as _, TreeNodeRecursion},
    },
    execution::context::ExecutionProps,
    functions::{core, math, string, unicode},
    logical_expr::{
        BinaryExpr, Cast, Expr, ExprSchemable as _, LogicalPlan, LogicalPlanBuilder, Operator, ScalarUDF, TryCast,
        Values,
    },
    physical_expr::{PhysicalExpr, create_physical_expr},
};
use std::{collections::BTreeMap, sync::Arc};

/// The scalar functions that mean here what they mean in Flink, by the names that Flink gives them.
pub(super) fn scalar_functions() -> BTreeMap<String, Arc<ScalarUDF>> {
    let own = functions::scalars().map(|function| (function.name().to_owned(), function));
    let known = [
        ("abs", math::abs()),
        ("char_length", unicode::character_length()),
        ("character_length", unicode::character_length()),
        ("coalesce", core::coalesce()),
        ("lower", string::lower()),
        ("ltrim", string::ltrim()),
        ("nullif", core::nullif()),
        ("rtrim", string::rtrim()),
        ("btrim", string::btrim()),
        ("trim", string::btrim()),
        ("sqrt", math::sqrt()),
        ("substr", unicode::substr()),
        ("substring", unicode::substr()),
        ("upper", string::upper()),
    ];
    known.into_iter().map(|(name, function)| (name.to_owned(), function)).chain(own).collect()
}

/// Whole numbers that fit are `INT`, as they are in Flink, and functions that stand for others are those.
pub(super) fn with_flink_literals(plan: LogicalPlan) -> Result<LogicalPlan> {
    let narrow = |expr: Expr| {
        let narrowed = match &expr {
            Expr::Literal(ScalarValue::Int64(Some(number)), _) => i32::try_from(*number).ok(),
            _ => None,
        };
        Ok::<_, DataFusionError>(match narrowed {
            Some(number) => Transformed::yes(Expr::Literal(ScalarValue::Int32(Some(number)), None)),
            None => Transformed::no(expr),
        })
    };
    let node = |plan: LogicalPlan| {
        if matches!(plan, LogicalPlan::Limit(_)) {
            return Ok(Transformed::no(plan));
        }
        let mut schema = DFSchema::empty();
        plan.inputs().iter().for_each(|input| schema.merge(input.schema()));
        let flinks = |expr: Expr| narrow(expr)?.transform_data(|expr| functions::rewritten(expr, &schema));
        let narrowed = plan.map_expressions(|expr| {
            let name = datafusion::logical_expr::expr_rewriter::NamePreserver::new_for_projection().save(&expr);
            expr.transform_up(flinks).map(|narrowed| narrowed.update_data(|expr| name.restore(expr)))
        })?;
        let recomputed = match narrowed.data {
            LogicalPlan::Values(values) => with_types(values)?,
            plan => plan.recompute_schema()?,
        };
        Ok(Transformed::yes(recomputed))
    };
    plan.transform_up_with_subqueries(node).map(|transformed| transformed.data)
}

/// `VALUES` whose columns have the types of their literals: NULL had got that of numbers before they were narrowed.
fn with_types(Values { values, .. }: Values) -> Result<LogicalPlan> {
    let untyped = |expr: Expr| match expr {
        Expr::Literal(value, _) if value.is_null() => Expr::Literal(ScalarValue::Null, None),
        expr => expr,
    };
    let rows = values.into_iter().map(|row| row.into_iter().map(untyped).collect()).collect();
    LogicalPlanBuilder::values(rows)?.build()
}

/// Refuses what would mean something else than in Flink.
pub(super) fn check(plan: &LogicalPlan) -> Result<(), PlanError> {
    let mut refused = None;
    plan.apply_with_subqueries(|node| {
        let inputs: Vec<&LogicalPlan> = node.inputs();
        let mut schema = DFSchema::empty();
        for input in &inputs {
            schema.merge(input.schema());
        }
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                refused = check_expression(expr, &schema);
                Ok(if refused.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
            })
        })
    })?;
    refused.map_or(Ok(()), Err)
}

fn check_expression(expr: &Expr, schema: &DFSchema) -> Option<PlanError> {
    match expr {
        Expr::Cast(Cast { expr, field }) | Expr::TryCast(TryCast { expr, field }) => {
            let from = expr.get_type(schema).ok()?;
            let to = field.data_type();
            let is_literal = matches!(**expr, Expr::Literal(..));
            if is_literal && from == DataType::Utf8 && matches!(to, DataType::Timestamp(_, None) | DataType::Date32) {
                // `TIMESTAMP '…'`, `DATE '…'`.
                return None;
            }
            let name = |of: &DataType| {
                let field = Field::new("", of.clone(), true);
                Type::of(&field).map_or_else(|_| of.to_string(), |of| of.to_string())
            };
            let cast = || format!("a cast from {} to {}", name(&from), name(to));
            let hint = (from == DataType::Utf8 && matches!(to, DataType::Timestamp(..)))
                .then_some("write TO_TIMESTAMP(text), and cast that");
            (!is_flinks_cast(&from, to)).then(|| PlanError::unsupported(cast(), hint))
        }
        Expr::Like(like) => {
            let is_plain = matches!(&*like.pattern, Expr::Literal(value, _) if !value.to_string().contains('\\'));
            let hint = Some("write the pattern as a text without backslashes, and without ESCAPE");
            let is_plain = is_plain && like.escape_char.is_none();
            (!is_plain || like.case_insensitive).then(|| PlanError::unsupported("LIKE with such a pattern", hint))
        }
        Expr::SimilarTo(_) => Some(PlanError::unsupported("SIMILAR TO", Some("write LIKE, or REGEXP_EXTRACT"))),
        Expr::ScalarFunction(call) if call.name() == "substr" => {
            let start = call.args.get(1).and_then(|start| match start {
                Expr::Cast(Cast { expr, .. }) => expr.as_literal(),
                other => other.as_literal(),
            });
            let start = start.and_then(|start| start.cast_to(&DataType::Int64).ok());
            let is_plain = matches!(start, Some(ScalarValue::Int64(Some(start))) if start > 0);
            let hint = Some("begin at a number from 1 on");
            (!is_plain).then(|| PlanError::unsupported("SUBSTRING from a place that is computed, or below 1", hint))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::Divide | Operator::Modulo), right }) => {
            let is_decimal = |side: &Expr| matches!(side.get_type(schema), Ok(DataType::Decimal128(..)));
            let what = if *op == Operator::Divide { "such a division of decimals" } else { "a remainder of decimals" };
            let hint = Some("cast one side to DOUBLE");
            (is_decimal(left) || is_decimal(right)).then(|| PlanError::unsupported(what, hint))
        }
        Expr::ScalarSubquery(query) if query.subquery.max_rows().is_none_or(|rows| rows > 1) => {
            let hint = Some("aggregate it, with MAX for instance, or write a join");
            Some(PlanError::unsupported("a sub-query as a value that may have several rows", hint))
        }
        _ => None,
    }
}

/// Whether a cast gives what Flink's gives.
fn is_flinks_cast(from: &DataType, to: &DataType) -> bool {
    use DataType::{Boolean, Date32, Decimal128, Float32, Float64, Null, Timestamp, Utf8};
    let is_exact = |of: &DataType| of.is_signed_integer() || matches!(of, Decimal128(..));
    let is_float = |of: &DataType| matches!(of, Float32 | Float64);
    match (from, to) {
        (from, to) if from == to => true,
        (Null, _) => true,
        (from, to) if is_exact(from) && (is_exact(to) || is_float(to)) => true,
        (from, to) if is_float(from) && is_float(to) => true,
        (from, Utf8) if from.is_signed_integer() => true,
        (Timestamp(_, a), Timestamp(_, b)) => a == b,
        (Date32, Timestamp(_, None)) | (Timestamp(_, None), Date32) | (Date32, Utf8) | (Utf8, Date32) => true,
        (Boolean, to) => to.is_signed_integer(),
        (Utf8, to) => to.is_signed_integer(),
        _ => false,
    }
}

/// An expression that can be evaluated over rows of `schema`.
pub(crate) fn physical(expr: &Expr, schema: &DFSchema) -> Result<Arc<dyn PhysicalExpr>> {
    create_physical_expr(expr, schema, &ExecutionProps::new(), &Default::default())
}
