//! Rewrites of plans: which of DataFusion's are carried out.

use datafusion::{
    common::{Result, tree_node::Transformed},
    logical_expr::LogicalPlan,
    optimizer::{
        ApplyOrder, Optimizer, OptimizerConfig, OptimizerRule, common_subexpr_eliminate::CommonSubexprEliminate,
        decorrelate_predicate_subquery::DecorrelatePredicateSubquery, eliminate_cross_join::EliminateCrossJoin,
        eliminate_duplicated_expr::EliminateDuplicatedExpr, eliminate_filter::EliminateFilter,
        eliminate_group_by_constant::EliminateGroupByConstant, eliminate_outer_join::EliminateOuterJoin,
        extract_equijoin_predicate::ExtractEquijoinPredicate, optimize_projections::OptimizeProjections,
        push_down_filter::PushDownFilter, replace_distinct_aggregate::ReplaceDistinctWithAggregate,
        scalar_subquery_to_join::ScalarSubqueryToJoin, simplify_expressions::SimplifyExpressions,
    },
};
use std::{collections::BTreeSet, sync::Arc};

/// Those of DataFusion's rewrites that hold for unbounded input that changes, too.
pub(super) fn streaming() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    vec![
        Arc::new(SimplifyExpressions::new()),
        Arc::new(ReplaceDistinctWithAggregate::new()),
        Arc::new(DecorrelatePredicateSubquery::new()),
        Arc::new(ScalarSubqueryToJoin::new()),
        Arc::new(ExtractEquijoinPredicate::new()),
        Arc::new(EliminateDuplicatedExpr::new()),
        Arc::new(EliminateFilter::new()),
        Arc::new(EliminateCrossJoin::new()),
        Arc::new(EliminateOuterJoin::new()),
        Arc::new(PushDownFilter::new()),
        Arc::new(GroupByConstant::default()),
        Arc::new(CommonSubexprEliminate::new()),
        Arc::new(OptimizeProjections::new()),
    ]
}

/// All of DataFusion's.
pub(super) fn batch() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let own = Arc::new(GroupByConstant::default());
    let rules = Optimizer::new().rules.into_iter();
    rules.map(|rule| if rule.name() == own.name() { Arc::clone(&own) as _ } else { rule }).collect()
}

/// DataFusion's rule, but for groupings of which two have one name, as a column and a cast of it: it fails there.
#[derive(Debug, Default)]
struct GroupByConstant(EliminateGroupByConstant);

impl OptimizerRule for GroupByConstant {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        if let LogicalPlan::Aggregate(aggregate) = &plan {
            let mut names = BTreeSet::new();
            if !aggregate.group_expr.iter().all(|expr| names.insert(expr.schema_name().to_string())) {
                return Ok(Transformed::no(plan));
            }
        }
        self.0.rewrite(plan, config)
    }
}
