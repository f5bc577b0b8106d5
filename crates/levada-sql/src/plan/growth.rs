//! How large expressions become where those of sub-queries are put in the place of their columns, as the optimizer does
//! with filters: each level may repeat what lies below it, so few words can come to very much.

use super::PlanError;
use datafusion::{
    common::{
        DFSchema, Result,
        tree_node::{TreeNode as _, TreeNodeRecursion},
    },
    logical_expr::{Expr, LogicalPlan, Union},
};

/// The most parts that an expression may come to.
const PARTS_MAX: u64 = 100_000;

/// Checks all expressions of a plan.
///
/// # Errors
/// Where one comes to too much.
pub(crate) fn check(plan: &LogicalPlan) -> Result<(), PlanError> {
    columns(plan).map(drop)
}

/// Of each column: how many parts it comes to.
fn columns(plan: &LogicalPlan) -> Result<Vec<u64>, PlanError> {
    let inputs = plan.inputs().into_iter().map(columns).collect::<Result<Vec<_>, _>>()?;
    within(plan)?;
    let first = || inputs.first().cloned().unwrap_or_default();
    let width = plan.schema().fields().len();
    Ok(match plan {
        LogicalPlan::Projection(projection) => {
            let of = |expr| parts(expr, projection.input.schema(), &first());
            projection.expr.iter().map(of).collect::<Result<_, _>>()?
        }
        LogicalPlan::Filter(filter) => {
            parts(&filter.predicate, filter.input.schema(), &first())?;
            first()
        }
        LogicalPlan::Aggregate(aggregate) => {
            let of = |expr| parts(expr, aggregate.input.schema(), &first());
            let groups = aggregate.group_expr.iter().map(of).collect::<Result<Vec<_>, _>>()?;
            aggregate.aggr_expr.iter().map(of).collect::<Result<Vec<_>, _>>()?;
            // What was summed up is put in nobody's place.
            padded(groups, width)
        }
        LogicalPlan::Join(join) => {
            let both = inputs.concat();
            let schema = join.left.schema().join(join.right.schema())?;
            for (left, right) in &join.on {
                parts(left, &schema, &both)?;
                parts(right, &schema, &both)?;
            }
            join.filter.iter().try_for_each(|filter| parts(filter, &schema, &both).map(drop))?;
            if width >= both.len() { padded(both, width) } else { vec![both.into_iter().max().unwrap_or(1); width] }
        }
        LogicalPlan::Union(Union { .. }) => (0..width)
            .map(|at| inputs.iter().filter_map(|input| input.get(at)).fold(0, |sum: u64, of| sum.saturating_add(*of)))
            .collect(),
        _ => padded(inputs.concat(), width),
    })
}

/// Columns that nothing is known of are what they are.
fn padded(mut columns: Vec<u64>, width: usize) -> Vec<u64> {
    columns.resize(width, 1);
    columns
}

/// Checks the queries within a plan's expressions.
fn within(plan: &LogicalPlan) -> Result<(), PlanError> {
    let mut checked = Ok(());
    plan.apply_expressions(|expr| {
        expr.apply(|expr| {
            let query = match expr {
                Expr::ScalarSubquery(query) => Some(query),
                Expr::Exists(exists) => Some(&exists.subquery),
                Expr::InSubquery(within) => Some(&within.subquery),
                _ => None,
            };
            if let Some(query) = query {
                checked = check(&query.subquery);
            }
            Ok(if checked.is_ok() { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
        })
    })?;
    checked
}

/// How many parts an expression comes to over columns that come to so many.
fn parts(expr: &Expr, schema: &DFSchema, columns: &[u64]) -> Result<u64, PlanError> {
    let mut count: u64 = 0;
    expr.apply(|expr| {
        let of = match expr {
            Expr::Column(column) => schema.maybe_index_of_column(column).and_then(|at| columns.get(at)).copied(),
            _ => None,
        };
        count = count.saturating_add(of.unwrap_or(1));
        Ok(TreeNodeRecursion::Continue)
    })?;
    if count <= PARTS_MAX {
        return Ok(count);
    }
    let message = format!("an expression of more than {PARTS_MAX} parts, those of its sub-queries put into it,");
    Err(PlanError::unsupported(message, Some("let fewer columns be computed from computed ones")))
}

#[cfg(test)]
mod tests {
    use crate::plan::{Planner, Table};
    use datafusion::arrow::datatypes::{DataType, Field, Schema};
    use levada_sql_syntax::{Statement, parse_statement};
    use std::sync::Arc;

    fn planned(sql: &str) -> Result<(), String> {
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Utf8, true)]));
        let table = Table { name: "t".to_owned(), schema, rows: Vec::new(), upsert_key: None };
        let Statement::Query(query) = parse_statement(sql).unwrap().statement else { panic!("no query") };
        Planner::new(vec![table]).unwrap().streaming(&query).map(drop).map_err(|error| error.to_string())
    }

    fn nested(levels: usize, expr: &str) -> String {
        (0..levels).fold("t".to_owned(), |from, level| format!("(SELECT {expr} AS a FROM {from}) AS s{level}"))
    }

    #[test]
    fn expressions_that_repeat_each_other_are_refused_before_they_are_put_together() {
        for (sql, is_taken) in [
            (format!("SELECT a FROM {} WHERE a <> 'x'", nested(5, "a || a")), true),
            (format!("SELECT a FROM {} WHERE a <> 'x'", nested(10, "UPPER(a)")), true),
            (format!("SELECT a FROM {} WHERE a <> 'x'", nested(10, "a || a || a || a")), false),
            (format!("SELECT a, COUNT(*) FROM {} GROUP BY a", nested(10, "a || a || a || a")), false),
            (format!("SELECT x.a FROM t AS x JOIN {} ON x.a = s9.a", nested(10, "a || a || a || a")), false),
            (format!("SELECT a FROM t WHERE a IN (SELECT a FROM {})", nested(11, "CONCAT(a, a, a)")), false),
        ] {
            let answer = planned(&sql);
            assert_eq!(answer.is_ok(), is_taken, "{sql}: {answer:?}");
            assert!(is_taken || answer.unwrap_err().contains("100000 parts"), "{sql}");
        }
    }
}
