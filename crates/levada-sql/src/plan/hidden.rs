//! `$rowtime`, the column that `*` leaves out, as Confluent's Flink has it: a query has it where it is named.

use super::PlanError;
use datafusion::sql::sqlparser::ast::{
    ExcludeSelectItem, Ident, Join, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, TableAlias, TableFactor, TableWithJoins, VisitorMut,
    WildcardAdditionalOptions,
};
use levada_sql_syntax::{join_constraint, walk_mut};
use std::{collections::BTreeSet, ops::ControlFlow};

/// The column.
pub(super) const ROWTIME: &str = "$rowtime";

/// Takes the column out of every `*`. `has_it` says whether a table has it.
pub(super) fn leave_out(query: &mut Query, has_it: &dyn Fn(&str) -> bool) -> Result<(), PlanError> {
    match walk_mut(query, &mut Hiding { has_it, with: BTreeSet::new() }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Hiding<'a> {
    has_it: &'a dyn Fn(&str) -> bool,
    /// What `WITH` names.
    with: BTreeSet<String>,
}

impl VisitorMut for Hiding<'_> {
    type Break = PlanError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<PlanError> {
        self.with.extend(query.with.iter().flat_map(|with| &with.cte_tables).map(|cte| cte.alias.name.value.clone()));
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<PlanError> {
        let mut relations = Relations::default();
        select.from.iter().for_each(|from| relations.add(self, from));
        let hiding: Vec<&Relation> = relations.all.iter().filter(|relation| relation.has_it).collect();
        if hiding.is_empty() {
            return ControlFlow::Continue(());
        }
        if relations.is_natural {
            return ControlFlow::Break(unsupported("a NATURAL JOIN of topics"));
        }
        for item in std::mem::take(&mut select.projection) {
            match item {
                SelectItem::Wildcard(options) if hiding.len() == 1 => {
                    select.projection.push(SelectItem::Wildcard(without(options)));
                }
                SelectItem::Wildcard(_) if relations.merges => {
                    return ControlFlow::Break(unsupported("`*` of topics that are joined with USING"));
                }
                SelectItem::Wildcard(_) => {
                    let all = relations.all.iter().map(Relation::wildcard);
                    let Some(all) = all.collect::<Option<Vec<_>>>() else {
                        return ControlFlow::Break(unsupported("`*` of several topics, and of a query without a name"));
                    };
                    select.projection.extend(all);
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options)
                    if hiding.iter().any(|relation| relation.name.as_ref() == last(&name)) =>
                {
                    let kind = SelectItemQualifiedWildcardKind::ObjectName(name);
                    select.projection.push(SelectItem::QualifiedWildcard(kind, without(options)));
                }
                other => select.projection.push(other),
            }
        }
        ControlFlow::Continue(())
    }
}

fn unsupported(what: &str) -> PlanError {
    PlanError::unsupported(what, Some("name the columns: `$rowtime` is one of several topics"))
}

fn without(options: WildcardAdditionalOptions) -> WildcardAdditionalOptions {
    let name = ObjectName::from(vec![Ident::with_quote('`', ROWTIME)]);
    WildcardAdditionalOptions { opt_exclude: Some(ExcludeSelectItem::Single(name)), ..options }
}

fn last(name: &ObjectName) -> Option<&Ident> {
    name.0.last().and_then(ObjectNamePart::as_ident)
}

/// Something whose columns `*` has.
struct Relation {
    /// What it is called in the query.
    name: Option<Ident>,
    has_it: bool,
}

impl Relation {
    /// All of its columns, but for the one.
    fn wildcard(&self) -> Option<SelectItem> {
        let kind = SelectItemQualifiedWildcardKind::ObjectName(ObjectName::from(vec![self.name.clone()?]));
        let options = WildcardAdditionalOptions::default();
        Some(SelectItem::QualifiedWildcard(kind, if self.has_it { without(options) } else { options }))
    }
}

/// All that a `FROM` names.
#[derive(Default)]
struct Relations {
    all: Vec<Relation>,
    /// Columns of one name are one column of the answer.
    merges: bool,
    is_natural: bool,
}

impl Relations {
    fn add(&mut self, hiding: &Hiding<'_>, from: &TableWithJoins) {
        self.add_factor(hiding, &from.relation);
        for Join { relation, join_operator, .. } in &from.joins {
            match join_constraint(join_operator) {
                Some(JoinConstraint::Using(_)) => self.merges = true,
                Some(JoinConstraint::Natural) => self.is_natural = true,
                _ => {}
            }
            // Of these only the left side is in the answer.
            if !matches!(join_operator, JoinOperator::LeftSemi(_) | JoinOperator::LeftAnti(_)) {
                self.add_factor(hiding, relation);
            }
        }
    }

    fn add_factor(&mut self, hiding: &Hiding<'_>, factor: &TableFactor) {
        let named = |alias: &Option<TableAlias>| alias.as_ref().map(|alias| alias.name.clone());
        let table = |name: &ObjectName, alias: &Option<TableAlias>| {
            let table = last(name);
            let has_it = table.is_some_and(|it| !hiding.with.contains(&it.value) && (hiding.has_it)(&it.value));
            Relation { name: named(alias).or_else(|| table.cloned()), has_it }
        };
        let relation = match (levada_sql_syntax::window_function(factor), factor) {
            // Without a name of its own nothing can say whose columns are meant.
            (Some(Ok(function)), _) => {
                Relation { name: named(&function.alias), ..table(&function.table, &function.alias) }
            }
            (_, TableFactor::Table { name, alias, .. }) => table(name, alias),
            (_, TableFactor::NestedJoin { table_with_joins, .. }) => return self.add(hiding, table_with_joins),
            (_, TableFactor::Derived { alias, .. }) => Relation { name: named(alias), has_it: false },
            _ => Relation { name: None, has_it: false },
        };
        self.all.push(relation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use levada_sql_syntax::{Statement, parse_statement};

    fn left_out(sql: &str) -> String {
        let Statement::Query(mut query) = parse_statement(sql).unwrap().statement else { panic!("{sql} is no query") };
        match leave_out(&mut query, &|table| table != "plain") {
            Ok(()) => query.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn each_topic_of_a_join_gives_its_own_columns() {
        for (sql, expected) in [
            ("SELECT * FROM a JOIN b ON a.k = b.k", "SELECT a.* EXCLUDE `$rowtime`, b.* EXCLUDE `$rowtime` FROM"),
            ("SELECT * FROM a, plain, b AS c", "SELECT a.* EXCLUDE `$rowtime`, plain.*, c.* EXCLUDE `$rowtime` FROM"),
            ("SELECT * FROM a JOIN plain USING (k)", "SELECT * EXCLUDE `$rowtime` FROM"),
            ("SELECT * FROM a JOIN (SELECT 1 AS k) AS t ON a.k = t.k", "SELECT * EXCLUDE `$rowtime` FROM"),
            ("SELECT plain.*, a.* FROM a, plain", "SELECT plain.*, a.* EXCLUDE `$rowtime` FROM"),
            (
                "SELECT * FROM TABLE(TUMBLE(TABLE a, DESCRIPTOR(ts), INTERVAL '1' SECOND))",
                "SELECT * EXCLUDE `$rowtime` FROM",
            ),
            ("WITH a AS (SELECT 1 AS k) SELECT * FROM a", "WITH a AS (SELECT 1 AS k) SELECT * FROM a"),
            ("SELECT * FROM a JOIN b USING (k)", "`*` of topics that are joined with USING is not supported"),
            ("SELECT k FROM a NATURAL JOIN plain", "a NATURAL JOIN of topics is not supported"),
            ("SELECT * FROM a, b, (SELECT 1)", "`*` of several topics, and of a query without a name is not supported"),
        ] {
            let found = left_out(sql);
            assert!(found.starts_with(expected), "{sql}: {found}");
        }
    }
}
