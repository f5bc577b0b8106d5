//! Names in queries: which tables a query reads, and views put in their place.
//!
//! A view is its query, wherever it is named. The names of a `WITH` are the query's own: where one of them would be
//! taken for another's table, or a table of a view for it, the query is refused.

use crate::Refusal;
use levada_sql_syntax::{
    CreateView, Position, Statement,
    ast::{
        Ident, ObjectName, ObjectNamePart, Query, SetExpr, TableAlias, TableFactor, TableWithJoins, Visitor, VisitorMut,
    },
    parse_statement, walk, walk_mut, window_function,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    ops::ControlFlow,
    sync::Arc,
};

/// Views within views within views.
const DEPTH_MAX: usize = 16;
/// Views that a query comes to, all in all.
const COUNT_MAX: usize = 256;

/// Queries of views by name.
pub(crate) type Views = BTreeMap<String, Arc<CreateView>>;

/// What a query names.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Tables and views, each once, with the first place.
    pub(crate) tables: BTreeMap<String, Position>,
    /// What its `WITH` names.
    pub(crate) with: BTreeSet<String>,
    /// The first name of several parts.
    of_parts: Option<ObjectName>,
    /// A table with a hint.
    hint: Option<Position>,
}

/// What a query names.
///
/// # Errors
/// Where it names something of another catalog or database, or gives a hint, which nothing obeys.
pub(crate) fn names(query: &Query) -> Result<Names, Refusal> {
    let mut names = Names::default();
    let ControlFlow::Continue(()) = walk(query, &mut names);
    if let Some(name) = &names.of_parts {
        let message = format!("`{name}` has several parts; there is one catalog with one database");
        return Err(Refusal::invalid(message).at(position(name)));
    }
    if let Some(at) = names.hint {
        let refusal = Refusal::invalid("a hint behind a table's name is not supported");
        return Err(refusal.with_hint("declare another table with these options over the same topic").at(at));
    }
    Ok(names)
}

impl Names {
    fn add(&mut self, name: &ObjectName) {
        match name.0.as_slice() {
            [ObjectNamePart::Identifier(ident)] => {
                self.tables.entry(ident.value.clone()).or_insert_with(|| ident.span.start.into());
            }
            _ => {
                self.of_parts.get_or_insert_with(|| name.clone());
            }
        }
    }
}

impl Visitor for Names {
    type Break = Infallible;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Infallible> {
        self.with.extend(query.with.iter().flat_map(|with| &with.cte_tables).map(|cte| cte.alias.name.value.clone()));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Infallible> {
        if let Some(Ok(function)) = window_function(factor) {
            self.add(&function.table);
        } else if let TableFactor::Table { name, .. } = factor {
            self.add(name);
            if levada_sql_syntax::table_options(factor).is_some() {
                self.hint.get_or_insert_with(|| position(name));
            }
        }
        ControlFlow::Continue(())
    }
}

/// Where a name is.
pub(crate) fn position(name: &ObjectName) -> Position {
    let ident = name.0.first().and_then(ObjectNamePart::as_ident);
    ident.map_or(Position::START, |ident| ident.span.start.into())
}

/// Puts the queries of views where their names are.
///
/// # Errors
/// Where that comes to too much, or names would mean something else.
pub(crate) fn expand(query: &mut Query, views: &Views) -> Result<(), Refusal> {
    expand_within(query, views, DEPTH_MAX, &mut 0)
}

fn expand_within(query: &mut Query, views: &Views, depth: usize, count: &mut usize) -> Result<(), Refusal> {
    let Names { tables, with, .. } = names(query)?;
    if !tables.keys().any(|name| views.contains_key(name)) {
        return Ok(());
    }
    if let Some(name) = with.iter().find(|name| views.contains_key(*name)) {
        let refusal = Refusal::invalid(format!("`{name}` is a view, and a name of the query's WITH"));
        return Err(refusal.with_hint("give the query's WITH another name"));
    }
    let mut expansion = Expansion { views, with, depth, count };
    match walk_mut(query, &mut expansion) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(refusal) => Err(*refusal),
    }
}

struct Expansion<'a> {
    views: &'a Views,
    with: BTreeSet<String>,
    depth: usize,
    count: &'a mut usize,
}

impl Expansion<'_> {
    fn replaced(&mut self, factor: &TableFactor) -> Result<Option<TableFactor>, Refusal> {
        if let Some(Ok(function)) = window_function(factor) {
            let Some(name) = single(&function.table) else { return Ok(None) };
            let Some(view) = self.views.get(&name.value) else { return Ok(None) };
            let of_view = self.of_view(name, view, None);
            let windowed = of_view.and_then(|(query, name)| windowed(query, name, factor));
            return windowed.map(Some).map_err(|refusal| refusal.at(name.span.start.into()));
        }
        let TableFactor::Table { name, alias, .. } = factor else { return Ok(None) };
        let Some(ident) = single(name) else { return Ok(None) };
        let Some(view) = self.views.get(&ident.value) else { return Ok(None) };
        let of_view = self.of_view(ident, view, alias.as_ref());
        let (subquery, alias) = of_view.map_err(|refusal| refusal.at(ident.span.start.into()))?;
        Ok(Some(TableFactor::Derived { lateral: false, subquery, alias: Some(alias), sample: None }))
    }

    /// What a view stands for, and its name.
    fn of_view(
        &mut self,
        name: &Ident,
        view: &CreateView,
        alias: Option<&TableAlias>,
    ) -> Result<(Box<Query>, TableAlias), Refusal> {
        *self.count += 1;
        if self.depth == 0 || *self.count > COUNT_MAX {
            let message =
                format!("views go {DEPTH_MAX} deep at most, and a query comes to {COUNT_MAX} of them at most");
            return Err(Refusal::invalid(message));
        }
        let mut query = view.query.clone();
        let place = |mut refusal: Refusal| {
            // It would be a place in another text.
            refusal.position = None;
            refusal.message = format!("in view `{}`: {}", name.value, refusal.message);
            refusal
        };
        expand_within(&mut query, self.views, self.depth - 1, self.count).map_err(place)?;
        let inner = names(&query)?;
        if let Some(hidden) = inner.tables.keys().find(|table| self.with.contains(*table)) {
            let message = format!("`{hidden}` is a table of view `{}`, and a name of the query's WITH", name.value);
            return Err(Refusal::invalid(message).with_hint("give the query's WITH another name"));
        }
        let mut renamed = alias.cloned().unwrap_or_else(|| TableAlias {
            explicit: true,
            name: name.clone(),
            columns: Vec::new(),
            at: None,
        });
        if renamed.columns.is_empty() {
            renamed.columns = view.columns.iter().map(|column| column_alias(&column.name)).collect();
        }
        Ok((query, renamed))
    }
}

impl VisitorMut for Expansion<'_> {
    type Break = Box<Refusal>;

    // What was put in is expanded already, and is not looked at again.
    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Box<Refusal>> {
        match self.replaced(factor) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(replaced)) => {
                *factor = replaced;
                ControlFlow::Continue(())
            }
            Err(refusal) => ControlFlow::Break(Box::new(refusal)),
        }
    }
}

/// A window function over a view. It takes nothing but a name: `WITH` gives one to the view's query.
fn windowed(query: Box<Query>, name: TableAlias, function: &TableFactor) -> Result<TableFactor, Refusal> {
    let Statement::Query(mut named) = parse_statement("WITH v AS (SELECT 1) SELECT * FROM v")?.statement else {
        return Err(Refusal::internal("a query is one"));
    };
    let (mut function, mut outside) = (function.clone(), None);
    if let TableFactor::TableFunction { alias, .. } | TableFactor::Table { alias, .. } = &mut function {
        outside = alias.take();
    }
    if let Some(cte) = named.with.as_mut().and_then(|with| with.cte_tables.first_mut()) {
        (cte.alias, cte.query) = (TableAlias { explicit: false, ..name }, query);
    }
    if let SetExpr::Select(select) = named.body.as_mut() {
        select.from = vec![TableWithJoins { relation: function, joins: Vec::new() }];
    }
    Ok(TableFactor::Derived { lateral: false, subquery: named, alias: outside, sample: None })
}

fn column_alias(name: &Ident) -> levada_sql_syntax::ast::TableAliasColumnDef {
    levada_sql_syntax::ast::TableAliasColumnDef { name: name.clone(), data_type: None }
}

fn single(name: &ObjectName) -> Option<&Ident> {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => Some(ident),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use levada_sql_syntax::query_text;

    fn query(sql: &str) -> Box<Query> {
        let Statement::Query(query) = parse_statement(sql).unwrap().statement else { panic!("no query: {sql}") };
        query
    }

    fn views(texts: &[&str]) -> Views {
        let view = |text: &&str| {
            let Statement::CreateView(view) = parse_statement(text).unwrap().statement else {
                panic!("no view: {text}")
            };
            (view.name.to_string(), Arc::new(view))
        };
        texts.iter().map(view).collect()
    }

    fn expanded(sql: &str, texts: &[&str]) -> Result<String, String> {
        let mut query = query(sql);
        expand(&mut query, &views(texts)).map_err(|refusal| refusal.to_string())?;
        Ok(query_text(&query))
    }

    #[test]
    fn a_view_is_its_query_under_its_name_or_its_alias() {
        let views = ["CREATE VIEW v (x) AS SELECT a FROM t", "CREATE VIEW w AS SELECT x FROM v"];
        assert_eq!(
            expanded("SELECT * FROM v", &views).unwrap(),
            query_text(&query("SELECT * FROM (SELECT a FROM t) AS v (x)"))
        );
        assert_eq!(
            expanded("SELECT * FROM w AS o JOIN u ON o.x = u.x", &views).unwrap(),
            query_text(&query("SELECT * FROM (SELECT x FROM (SELECT a FROM t) AS v (x)) AS o JOIN u ON o.x = u.x"))
        );
        assert_eq!(
            expanded("SELECT * FROM u WHERE a IN (SELECT y FROM v AS z (y))", &views).unwrap(),
            query_text(&query("SELECT * FROM u WHERE a IN (SELECT y FROM (SELECT a FROM t) AS z (y))"))
        );
    }

    #[test]
    fn a_window_over_a_view_is_one_over_its_query() {
        let texts = ["CREATE VIEW v (x, at) AS SELECT a, b FROM t", "CREATE VIEW w AS SELECT at FROM v"];
        let window = |of: &str| format!("TABLE(TUMBLE(TABLE {of}, DESCRIPTOR(at), INTERVAL '1' MINUTE))");
        let of_w = "WITH w AS (SELECT at FROM (SELECT a, b FROM t) AS v (x, at)) SELECT * FROM";
        assert_eq!(
            expanded(&format!("SELECT o.at FROM {} AS o", window("w")), &texts).unwrap(),
            query_text(&query(&format!("SELECT o.at FROM ({of_w} {}) AS o", window("w"))))
        );
        let refused = expanded(&format!("WITH t AS (SELECT 1 AS a) SELECT * FROM {}", window("v")), &texts);
        assert_eq!(refused.unwrap_err(), "`t` is a table of view `v`, and a name of the query's WITH");
        let mut of_view = query(&format!("SELECT * FROM {}", window("v")));
        expand(&mut of_view, &views(&texts)).unwrap();
        let Names { tables, with, .. } = names(&of_view).unwrap();
        assert_eq!(tables.keys().filter(|name| !with.contains(*name)).collect::<Vec<_>>(), ["t"]);
    }

    #[test]
    fn names_of_a_with_and_of_views_are_not_confused() {
        let views = ["CREATE VIEW v AS SELECT a FROM t"];
        let refused = expanded("WITH t AS (SELECT 1 AS a) SELECT * FROM v", &views).unwrap_err();
        assert_eq!(refused, "`t` is a table of view `v`, and a name of the query's WITH");
        let refused = expanded("WITH v AS (SELECT 1 AS a) SELECT * FROM v", &views).unwrap_err();
        assert_eq!(refused, "`v` is a view, and a name of the query's WITH");
        assert!(expanded("WITH u AS (SELECT a FROM v) SELECT * FROM u", &views).is_ok());
    }

    #[test]
    fn views_that_come_to_too_much_are_refused() {
        let texts: Vec<String> = (1..20)
            .map(|n| format!("CREATE VIEW v{n} AS SELECT a.x FROM v{0} AS a JOIN v{0} AS b ON a.x = b.x", n - 1))
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert!(expanded("SELECT * FROM v19", &texts).unwrap_err().contains("at most"));
        assert!(expanded("SELECT * FROM v3", &texts).is_ok());
    }

    #[test]
    fn tables_are_found_wherever_they_are() {
        let found = names(&query("WITH c AS (SELECT * FROM a) SELECT * FROM c WHERE x IN (SELECT y FROM b)")).unwrap();
        assert_eq!(found.tables.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(found.with.iter().collect::<Vec<_>>(), ["c"]);
        assert_eq!(found.tables["b"], Position { line: 1, column: 71 });
        let refused = names(&query("SELECT * FROM d.t")).unwrap_err();
        assert_eq!(refused.position, Some(Position { line: 1, column: 15 }));
        assert!(names(&query("SELECT * FROM t /*+ OPTIONS('a' = 'b') */")).is_err());
    }
}
