//! `EXPLAIN`: how a query or statement would run.

use super::{
    Outcome, named,
    statements::{check_hints, check_sink},
};
use crate::{
    Refusal,
    service::Service,
    settings::{Aside, Mode, Settings},
    views,
};
use levada_sql::Query;
use levada_sql_syntax::{Explain, ExplainDetail, Insert, Statement, ast};
use levada_stream::Caller;

impl Service {
    /// One row a line of text.
    pub(super) fn explain(&self, explain: Explain, settings: &Settings, caller: &Caller) -> Result<Outcome, Refusal> {
        let Explain { details, statement } = explain;
        let unknown = details.iter().find(|detail| **detail != ExplainDetail::ChangelogMode);
        if let Some(detail) = unknown {
            let name = match detail {
                ExplainDetail::EstimatedCost => "ESTIMATED_COST",
                ExplainDetail::ChangelogMode => "CHANGELOG_MODE",
                ExplainDetail::JsonExecutionPlan => "JSON_EXECUTION_PLAN",
                ExplainDetail::PlanAdvice => "PLAN_ADVICE",
            };
            let refusal = Refusal::invalid(format!("EXPLAIN {name} is not supported"));
            return Err(refusal.with_hint("write `EXPLAIN` or `EXPLAIN CHANGELOG_MODE`, which show the same"));
        }
        let lines = match *statement {
            Statement::Query(query) => self.explain_query(query, settings, caller)?,
            Statement::Insert(insert) => self.explain_insert(&insert, settings, caller)?,
            Statement::StatementSet(inserts) => {
                let each = inserts.iter().map(|insert| self.explain_insert(insert, settings, caller));
                each.collect::<Result<Vec<_>, _>>()?.join(&String::new())
            }
            _ => {
                let refusal = Refusal::invalid("EXPLAIN of what creates something is not supported");
                return Err(refusal.with_hint("explain its query"));
            }
        };
        Outcome::texts(["result"], lines.into_iter().map(|line| [Some(line)]))
    }

    fn explain_query(
        &self,
        mut query: Box<ast::Query>,
        settings: &Settings,
        caller: &Caller,
    ) -> Result<Vec<String>, Refusal> {
        if settings.mode == Some(Mode::Batch) {
            let refusal = Refusal::invalid("EXPLAIN shows how a query is kept up to date, not how it is answered once");
            return Err(refusal.with_hint("SET 'execution.runtime-mode' = 'streaming'"));
        }
        let catalog = self.catalog();
        views::expand(&mut query, &catalog.view_queries())?;
        let tables = self.tables_for(&query, &catalog, caller)?;
        Ok(Query { query, tables }.explain()?)
    }

    fn explain_insert(&self, insert: &Insert, settings: &Settings, caller: &Caller) -> Result<Vec<String>, Refusal> {
        let catalog = self.catalog();
        let (sink, at) = named(&insert.table)?;
        check_hints(insert).and_then(|()| check_sink(&catalog, &sink)).map_err(|refusal| refusal.at(at))?;
        let statement = self.statement("explained", insert, &catalog, (caller, None))?;
        Ok(Aside::of(&settings.kept())?.with(statement).explain()?)
    }
}
