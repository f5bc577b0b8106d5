//! Whether a query finds one row at most, because it compares all columns of a key of each of its tables.

use super::super::last;
use crate::pg_catalog::tables::has_column;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Join, JoinConstraint, JoinOperator, Select, TableFactor, Visitor,
};
use levada_sql_syntax::walk;
use std::{collections::BTreeSet, ops::ControlFlow};

/// Columns of which no two rows of a table have the same values.
pub(in crate::pg_catalog) const KEYS: [(&str, &[&[&str]]); 21] = [
    ("pg_namespace", &[&["oid"], &["nspname"]]),
    ("pg_class", &[&["oid"], &["relname", "relnamespace"]]),
    ("pg_attribute", &[&["attrelid", "attnum"], &["attrelid", "attname"]]),
    ("pg_type", &[&["oid"], &["typname", "typnamespace"]]),
    ("pg_constraint", &[&["oid"], &["conindid"]]),
    ("pg_index", &[&["indexrelid"]]),
    ("pg_database", &[&["oid"], &["datname"]]),
    ("pg_roles", &[&["oid"], &["rolname"]]),
    ("pg_user", &[&["usesysid"], &["usename"]]),
    ("pg_am", &[&["oid"], &["amname"]]),
    ("pg_tablespace", &[&["oid"], &["spcname"]]),
    ("pg_settings", &[&["name"]]),
    ("pg_tables", &[&["schemaname", "tablename"]]),
    ("pg_views", &[&["schemaname", "viewname"]]),
    ("pg_indexes", &[&["schemaname", "indexname"]]),
    ("pg_stat_user_tables", &[&["relid"]]),
    ("schemata", &[&["schema_name"]]),
    ("tables", &[&["table_schema", "table_name"]]),
    ("columns", &[&["table_schema", "table_name", "column_name"]]),
    ("views", &[&["table_schema", "table_name"]]),
    ("table_constraints", &[&["constraint_schema", "constraint_name"]]),
];

/// A table that a query names.
struct Named<'a> {
    name: &'a str,
    alias: &'a str,
}

/// Whether a `SELECT` finds one row at most, whatever there is.
pub(super) fn is_unique(select: &Select) -> bool {
    let (mut tables, mut equal) = (Vec::new(), Vec::new());
    let mut is_known = select.selection.as_ref().is_none_or(|filter| conjuncts(filter, &mut equal));
    for table in &select.from {
        is_known &= named(&table.relation, &mut tables);
        is_known &= table.joins.iter().all(|join| joined(join, &mut tables, &mut equal));
    }
    if !is_known {
        return false;
    }
    let mut found = BTreeSet::new();
    loop {
        let is_found = |at: &usize| !found.contains(at) && is_determined(*at, &tables, &equal, &found);
        match (0..tables.len()).find(is_found) {
            Some(at) => drop(found.insert(at)),
            None => return found.len() == tables.len(),
        }
    }
}

fn named<'a>(factor: &'a TableFactor, tables: &mut Vec<Named<'a>>) -> bool {
    let TableFactor::Table { name, alias, args: None, .. } = factor else { return false };
    let name = last(name).unwrap_or_default();
    let has_other_columns = alias.as_ref().is_some_and(|alias| !alias.columns.is_empty());
    tables.push(Named { name, alias: alias.as_ref().map_or(name, |alias| alias.name.value.as_str()) });
    !has_other_columns
}

fn joined<'a>(join: &'a Join, tables: &mut Vec<Named<'a>>, equal: &mut Vec<(&'a Expr, &'a Expr)>) -> bool {
    use JoinOperator as J;
    let is_known = match &join.join_operator {
        J::Join(on) | J::Inner(on) | J::CrossJoin(on) | J::Left(on) | J::LeftOuter(on) => match on {
            JoinConstraint::On(on) => conjuncts(on, equal),
            JoinConstraint::None => true,
            JoinConstraint::Using(_) | JoinConstraint::Natural => false,
        },
        _ => false,
    };
    is_known && named(&join.relation, tables)
}

/// What `=` says of both its sides in all rows.
fn conjuncts<'a>(expr: &'a Expr, equal: &mut Vec<(&'a Expr, &'a Expr)>) -> bool {
    match expr {
        Expr::Nested(expr) => return conjuncts(expr, equal),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            return conjuncts(left, equal) && conjuncts(right, equal);
        }
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => equal.push((left, right)),
        _ => {}
    }
    true
}

/// Whether there is one row at most of a table for each of those that were found.
fn is_determined(at: usize, tables: &[Named<'_>], equal: &[(&Expr, &Expr)], found: &BTreeSet<usize>) -> bool {
    let Some(table) = tables.get(at) else { return false };
    let is_given = |column: &&str| {
        let is_column = |expr: &Expr| column_of(expr, tables) == Some((at, *column));
        let is_known = |expr: &Expr| tables_of(expr, tables).is_some_and(|used| used.is_subset(found));
        equal.iter().any(|(a, b)| is_column(a) && is_known(b) || is_column(b) && is_known(a))
    };
    let keys = KEYS.iter().find(|(known, _)| *known == table.name).map_or(&[] as &[&[&str]], |(_, keys)| keys);
    keys.iter().any(|key| key.iter().all(is_given))
}

/// The table of a column, and its name.
fn column_of<'a>(expr: &'a Expr, tables: &[Named<'_>]) -> Option<(usize, &'a str)> {
    match expr {
        Expr::Nested(expr) => column_of(expr, tables),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            // A schema may stand before them.
            [table, column] | [_, table, column] => {
                Some((tables.iter().position(|named| named.alias == table.value)?, column.value.as_str()))
            }
            _ => None,
        },
        Expr::Identifier(column) => {
            let mut having = (0..tables.len()).filter(|at| has_column(tables[*at].name, &column.value));
            match (having.next(), having.next()) {
                (Some(at), None) => Some((at, column.value.as_str())),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The tables whose columns are in an expression; none where that is not known.
fn tables_of(expr: &Expr, tables: &[Named<'_>]) -> Option<BTreeSet<usize>> {
    struct Used<'a> {
        tables: &'a [Named<'a>],
        found: BTreeSet<usize>,
    }
    impl Visitor for Used<'_> {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
                    self.found.extend(column_of(expr, self.tables).map(|(at, _)| at));
                }
                Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => return ControlFlow::Break(()),
                _ => {}
            }
            ControlFlow::Continue(())
        }
    }
    let mut used = Used { tables, found: BTreeSet::new() };
    match walk(expr, &mut used) {
        ControlFlow::Continue(()) => Some(used.found),
        ControlFlow::Break(()) => None,
    }
}
