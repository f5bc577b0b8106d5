//! A table with the columns of a query, and the statement that fills it: both or neither.

use super::{
    define::{check_new, check_settled, made_topic},
    statements::check_new_statement,
};
use crate::{
    Refusal,
    catalog::{Catalog, Definition, Key, Kind, Materialized, Record, State},
    service::Service,
    settings::{Aside, Settings, check_name},
};
use levada_sql::{Table, query::Column};
use levada_sql_syntax::{ColumnDef, CreateTable, Insert, Statement, SyntaxError, ast};
use levada_stream::Caller;
use std::sync::Arc;

/// What is to be created.
pub(super) struct Filled {
    pub(super) table: Table,
    pub(super) statement: String,
    pub(super) insert: Insert,
    pub(super) aside: Aside,
    /// The table's, and the statement's.
    pub(super) records: [Record; 2],
}

impl Service {
    /// Nothing is changed yet.
    pub(super) fn filled(
        &self,
        create: CreateTable,
        query: Box<ast::Query>,
        statement: String,
        materialized: Option<Materialized>,
        settings: &Settings,
        caller: &Caller,
    ) -> Result<Filled, Refusal> {
        check_name(&statement)?;
        let table = Table::declared(&create)?;
        let insert = Insert { table: create.name.clone(), options: [].into(), columns: Vec::new(), query };
        let created = self.definition(Statement::CreateTable(Box::new(create)).to_string(), caller)?;
        let inserted = self.definition(Statement::Insert(insert.clone()).to_string(), caller)?;
        let (kept, aside) = (settings.kept(), Aside::of(&settings.kept())?);
        let record = |kind, name: &String, value| Record { key: Key { kind, name: name.clone() }, value: Some(value) };
        let records = [
            record(Kind::Table, &table.name, Definition { materialized, ..created }),
            record(Kind::Statement, &statement, Definition { state: Some(State::Running), settings: kept, ..inserted }),
        ];
        Ok(Filled { table, statement, insert, aside, records })
    }

    /// That both can be created where these definitions are.
    pub(super) fn check_filled(&self, filled: &Filled, catalog: &Catalog, caller: &Caller) -> Result<(), Refusal> {
        let Filled { table, statement, insert, aside, records: [record, _] } = filled;
        check_new(catalog, &table.name, false)?;
        check_new_statement(catalog, statement)?;
        check_settled(catalog, &insert.query)?;
        self.check_aside(catalog, aside, table, caller)?;
        let mut after = catalog.clone();
        after.apply(record).map_err(Refusal::invalid)?;
        let statement = self.statement(statement, insert, &after, caller)?;
        aside.with(statement).check().map_err(Refusal::from)
    }

    /// Creates both, and starts the statement. To be called with nobody else starting or ending statements.
    pub(super) async fn create_filled(self: &Arc<Self>, filled: &Filled, caller: &Caller) -> Result<(), Refusal> {
        self.check_filled(filled, &self.catalog(), caller)?;
        // What a statement of this name had, whose end was not kept, is not this one's.
        self.handle().drop_journal(&filled.statement).await?;
        made_topic(self, &filled.table, caller).await?;
        self.made_aside(&filled.aside, caller).await?;
        let decide = |catalog: &Catalog| {
            self.check_filled(filled, catalog, caller)?;
            Ok(filled.records.to_vec())
        };
        self.change(decide).await?;
        self.launch_kept(&filled.statement).await;
        Ok(())
    }
}

/// Columns of an answer as a table declares them.
pub(super) fn declared_columns(
    columns: Vec<Column>,
    is_not_null: impl Fn(&str) -> bool,
) -> Result<Vec<ColumnDef>, Refusal> {
    let declared = |Column { name, of }: Column| {
        let data_type = of.to_string().parse().map_err(|error: SyntaxError| {
            Refusal::invalid(format!("column `{name}` is {of}, which no table can have: {}", error.message))
        })?;
        let not_null = is_not_null(&name);
        Ok(ColumnDef::Physical { name: ast::Ident::with_quote('`', name), data_type, not_null, comment: None })
    };
    columns.into_iter().map(declared).collect()
}
