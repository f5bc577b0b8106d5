//! What there is, as `PostgreSQL`'s catalog has it.

use crate::{catalog::Catalog, service::Service, views};
use levada_sql::{
    Query, Table,
    pg_catalog::{Attribute, Relation, RelationKind},
};
use levada_stream::Caller;
use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

/// The columns of views over declared tables alone, each planned once for as long as no definition changes.
#[derive(Debug, Default)]
pub(crate) struct ViewColumns {
    /// The definitions that they are of.
    of: Weak<Catalog>,
    known: BTreeMap<String, Vec<Attribute>>,
}

impl ViewColumns {
    fn get(&self, catalog: &Arc<Catalog>, name: &str) -> Option<Vec<Attribute>> {
        self.known.get(name).filter(|_| self.of.ptr_eq(&Arc::downgrade(catalog))).cloned()
    }

    fn put(&mut self, catalog: &Arc<Catalog>, name: &str, columns: &[Attribute]) {
        let of = Arc::downgrade(catalog);
        if !self.of.ptr_eq(&of) {
            *self = Self { of, known: BTreeMap::new() };
        }
        self.known.insert(name.to_owned(), columns.to_vec());
    }
}

impl Service {
    /// Tables, views and topics that were not declared, by name. A view that means nothing any more has no columns.
    pub(super) fn relations(&self, caller: &Caller) -> Vec<Relation> {
        let catalog = self.catalog();
        let tables = catalog.tables.iter().map(|(name, entry)| Relation {
            definition: Some(entry.definition.sql.clone()),
            owner: owner(&entry.definition.owner),
            ..of_table(name, &entry.table)
        });
        let views = catalog.views.iter().map(|(name, entry)| Relation {
            name: name.clone(),
            kind: RelationKind::View,
            attributes: self.attributes_of_view(name, &catalog, caller).unwrap_or_default(),
            primary_key: Vec::new(),
            definition: Some(levada_sql_syntax::query_text(&entry.create.query)),
            owner: owner(&entry.definition.owner),
        });
        let topics = self.undeclared_topics(&catalog, caller).into_iter().map(|name| {
            let of_topic = match self.undeclared(&name, &catalog, caller) {
                Ok(table) => of_table(&name, &table),
                // One whose schemas make no table is there all the same.
                Err(_) => without_columns(name),
            };
            Relation { kind: RelationKind::Topic, ..of_topic }
        });
        let mut relations: Vec<Relation> = tables.chain(views).chain(topics).collect();
        relations.sort_by(|a, b| a.name.cmp(&b.name));
        relations
    }

    fn attributes_of_view(&self, name: &str, catalog: &Arc<Catalog>, caller: &Caller) -> Option<Vec<Attribute>> {
        if let Some(known) = self.view_columns().lock().get(catalog, name) {
            return Some(known);
        }
        let entry = catalog.views.get(name)?;
        let mut query = entry.create.query.clone();
        views::expand(&mut query, &catalog.view_queries()).ok()?;
        let tables = self.tables_for(&query, catalog, caller).ok()?;
        // A topic may go without anybody's saying so here.
        let is_declared = tables.keys().all(|table| catalog.tables.contains_key(table));
        let columns = Query { query, tables }.columns().ok()?;
        let named = entry.create.columns.iter().map(|column| Some(column.name.value.clone()));
        let attribute = |(column, name): (levada_sql::query::Column, Option<String>)| Attribute {
            name: name.unwrap_or(column.name),
            of: column.of.nullable(),
        };
        let columns: Vec<_> = columns.into_iter().zip(named.chain(std::iter::repeat(None))).map(attribute).collect();
        if is_declared {
            self.view_columns().lock().put(catalog, name, &columns);
        }
        Some(columns)
    }

    /// The most bytes that a query may take.
    pub(super) fn state_size_max(&self) -> usize {
        self.parts().state_size_max
    }
}

fn of_table(name: &str, table: &Table) -> Relation {
    let attributes = table.attributes().into_iter().map(|(name, of)| Attribute { name, of }).collect();
    Relation { attributes, primary_key: table.primary_key.clone(), ..without_columns(name.to_owned()) }
}

fn without_columns(name: String) -> Relation {
    Relation {
        name,
        kind: RelationKind::Table,
        attributes: Vec::new(),
        primary_key: Vec::new(),
        definition: None,
        owner: "ANONYMOUS".to_owned(),
    }
}

/// The name of a principal.
fn owner(principal: &str) -> String {
    principal.split_once(':').map_or(principal, |(_, name)| name).to_owned()
}
