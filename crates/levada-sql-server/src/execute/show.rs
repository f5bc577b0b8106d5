//! `SHOW` and `DESCRIBE`: what there is, as Flink shows it.

use super::{Outcome, named};
use crate::{
    Refusal,
    catalog::{Catalog, State, TableEntry, ViewEntry},
    service::Service,
    views,
};
use levada_sql::{Query, Table};
use levada_sql_syntax::{ColumnDef, CreateTable, DataType, ObjectKind, Show, ast};
use levada_stream::Caller;

/// A line of `DESCRIBE`.
struct Described {
    name: String,
    data_type: String,
    is_nullable: bool,
    key: Option<String>,
    extras: Option<String>,
    watermark: Option<String>,
}

impl Service {
    pub(super) fn show(&self, show: &Show, caller: &Caller) -> Result<Outcome, Refusal> {
        let catalog = self.catalog();
        match show {
            Show::Tables => {
                let names = catalog.tables.keys().chain(catalog.views.keys()).cloned();
                names_as("table name", names.chain(self.undeclared_topics(&catalog, caller)))
            }
            Show::Views => names_as("view name", catalog.views.keys().cloned()),
            Show::Statements => {
                let row = |shown: crate::rest::ShownStatement| {
                    // Of one that does not run nothing is known.
                    let figure = |figure: String| (shown.state == State::Running.name()).then_some(figure);
                    [
                        Some(shown.name),
                        Some(shown.state.clone()),
                        figure(shown.lag.to_string()),
                        figure(format!("{:.1}", shown.rows_per_second)),
                        shown.watermark_text,
                        figure(shown.late_rows.to_string()),
                        figure(shown.state_bytes.to_string()),
                        shown.error,
                        Some(shown.sql),
                    ]
                };
                let columns = [
                    "statement name",
                    "state",
                    "lag",
                    "rows per second",
                    "watermark",
                    "late rows",
                    "state bytes",
                    "error",
                    "sql",
                ];
                Outcome::texts(columns, self.shown_statements().into_iter().map(row))
            }
            Show::Columns(name) => self.describe(name, caller),
            Show::Create(kind, name) => self.show_create(&catalog, *kind, name, caller),
            Show::MaterializedTables => {
                let tables = catalog.tables.iter().filter(|(_, entry)| entry.materialized().is_some());
                names_as("materialized table name", tables.map(|(name, _)| name.clone()))
            }
            Show::Functions => names_as("function name", levada_sql::plan::function_names().into_iter()),
        }
    }

    /// Topics that clients write and nobody declared, as tables.
    pub(crate) fn undeclared_topics(&self, catalog: &Catalog, caller: &Caller) -> Vec<String> {
        let topics = self.handle().topics(caller).into_iter().filter(|topic| !topic.is_own);
        let names = topics.map(|topic| topic.name.to_string());
        let is_declared = |name: &String| {
            catalog.tables.contains_key(name)
                || catalog.views.contains_key(name)
                || catalog.tables.values().any(|entry| {
                    let next = entry.next().and_then(|(_, table)| table.topic());
                    [entry.table.topic(), next].contains(&Some(name.as_str()))
                })
        };
        names.filter(|name| !name.starts_with("__") && !is_declared(name)).collect()
    }

    pub(super) fn describe(&self, name: &ast::ObjectName, caller: &Caller) -> Result<Outcome, Refusal> {
        let (name, at) = named(name)?;
        let catalog = self.catalog();
        let described = match (catalog.tables.get(&name), catalog.views.get(&name)) {
            (Some(entry), _) => of_table(&entry.create, &entry.table, entry.materialized().is_some()),
            (None, Some(entry)) => self.of_view(entry, &catalog, caller).map_err(|refusal| refusal.at(at))?,
            (None, None) => {
                let topic = self.undeclared_as(&name, &catalog, caller).map_err(|refusal| refusal.at(at))?;
                of_table(&topic.create, &topic.table, false)
            }
        };
        let row = |column: Described| {
            let null = if column.is_nullable { "TRUE" } else { "FALSE" };
            let Described { name, data_type, key, extras, watermark, .. } = column;
            [Some(name), Some(data_type), Some(null.to_owned()), key, extras, watermark]
        };
        Outcome::texts(["name", "type", "null", "key", "extras", "watermark"], described.into_iter().map(row))
    }

    fn show_create(
        &self,
        catalog: &Catalog,
        kind: ObjectKind,
        name: &ast::ObjectName,
        caller: &Caller,
    ) -> Result<Outcome, Refusal> {
        let (name, at) = named(name)?;
        let text = match kind {
            ObjectKind::Table => match catalog.tables.get(&name) {
                Some(entry) => Some(entry.definition.sql.clone()),
                // As somebody could have declared the topic.
                None if self.handle().topic(caller, &name).is_ok() => {
                    Some(self.undeclared_as(&name, catalog, caller).map_err(|refusal| refusal.at(at))?.text)
                }
                None => None,
            },
            ObjectKind::View => catalog.views.get(&name).map(|entry| entry.definition.sql.clone()),
            ObjectKind::MaterializedTable => {
                let entry = catalog.tables.get(&name).and_then(TableEntry::materialized);
                entry.map(|materialized| materialized.sql.clone())
            }
            ObjectKind::Statement => None,
        };
        let known = catalog.tables.keys().chain(catalog.views.keys()).map(String::as_str);
        let unknown = || Refusal::unknown(format!("nobody created a {} `{name}`", kind_name(kind)));
        let text = text.ok_or_else(|| unknown().with_nearest(&name, known).at(at))?;
        Outcome::texts(["result"], [[Some(text)]])
    }

    fn of_view(&self, entry: &ViewEntry, catalog: &Catalog, caller: &Caller) -> Result<Vec<Described>, Refusal> {
        let mut query = entry.create.query.clone();
        views::expand(&mut query, &catalog.view_queries())?;
        let tables = self.tables_for(&query, catalog, caller)?;
        let columns = Query { query, tables }.columns()?;
        let mut described: Vec<_> =
            columns.into_iter().map(|column| plain(column.name, column.of.to_string())).collect();
        for (column, named) in described.iter_mut().zip(&entry.create.columns) {
            column.name.clone_from(&named.name.value);
        }
        Ok(described)
    }
}

fn plain(name: String, data_type: String) -> Described {
    Described { name, data_type, is_nullable: true, key: None, extras: None, watermark: None }
}

fn names_as(column: &str, names: impl Iterator<Item = String>) -> Result<Outcome, Refusal> {
    let mut names: Vec<String> = names.collect();
    names.sort();
    Outcome::texts([column], names.into_iter().map(|name| [Some(name)]))
}

fn of_table(create: &CreateTable, table: &Table, is_materialized: bool) -> Vec<Described> {
    let key = create.primary_key.as_ref().map(|key| {
        let names: Vec<&str> = key.iter().map(|name| name.value.as_str()).collect();
        format!("PRI({})", names.join(", "))
    });
    let is_key = |name: &ast::Ident| create.primary_key.iter().flatten().any(|key| key.value == name.value);
    let watermark = |name: &ast::Ident| create.watermark.as_ref().filter(|it| it.column.value == name.value);
    let described = |column: &ColumnDef| {
        let name = column.name();
        let rowtime = if watermark(name).is_some() { " *ROWTIME*" } else { "" };
        let (data_type, is_nullable, extras) = match column {
            ColumnDef::Physical { data_type, not_null, .. } => (type_text(data_type), !not_null, None),
            ColumnDef::Metadata { data_type, not_null, from, is_virtual, .. } => {
                let from = from.as_ref().map_or_else(String::new, |from| format!(" FROM '{from}'"));
                let is_virtual = if *is_virtual { " VIRTUAL" } else { "" };
                (type_text(data_type), !not_null, Some(format!("METADATA{from}{is_virtual}")))
            }
            ColumnDef::Computed { expr, .. } => {
                let (of, is_nullable) = table.column_type(&name.value).unwrap_or_default();
                (of, is_nullable, Some(format!("AS {expr}")))
            }
        };
        Described {
            name: name.value.clone(),
            data_type: data_type + rowtime,
            // What a query groups by may be null.
            is_nullable: is_nullable && (!is_key(name) || is_materialized),
            key: key.clone().filter(|_| is_key(name)),
            extras,
            watermark: watermark(name).map(|watermark| watermark.expr.to_string()),
        }
    };
    create.columns.iter().map(described).collect()
}

fn type_text(data_type: &DataType) -> String {
    data_type.to_string()
}

const fn kind_name(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Table => "table",
        ObjectKind::View => "view",
        ObjectKind::MaterializedTable => "materialized table",
        ObjectKind::Statement => "statement",
    }
}
