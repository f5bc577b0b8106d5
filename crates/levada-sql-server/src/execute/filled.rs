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
    undeclared::Kept,
};
use levada_sql::{Table, Writers, query::Column};
use levada_sql_syntax::{ColumnDef, CreateTable, Insert, Statement, SyntaxError, ast};
use levada_stream::Caller;
use std::sync::Arc;

/// What is to be created.
pub(super) struct Filled {
    pub(super) table: Table,
    pub(super) statement: String,
    pub(super) insert: Insert,
    pub(super) aside: Aside,
    pub(super) topics: Kept,
    pub(super) table_definition: Definition,
    statement_definition: Definition,
}

impl Filled {
    fn table_record(&self) -> Record {
        let key = Key { kind: Kind::Table, name: self.table.name.clone() };
        Record { key, value: Some(self.table_definition.clone()) }
    }

    /// The statement's, where it writes with these schemas.
    pub(super) fn statement_record(&self, writers: Writers) -> Record {
        let key = Key { kind: Kind::Statement, name: self.statement.clone() };
        let (topics, schemas) = (self.topics.clone(), writers);
        let statement = Definition { topics, schemas, ..self.statement_definition.clone() };
        Record { key, value: Some(statement) }
    }
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
        self.check_registry(&table)?;
        let insert = Insert { table: create.name.clone(), options: [].into(), columns: Vec::new(), query };
        let created = self.definition(Statement::CreateTable(Box::new(create)).to_string(), caller)?;
        let inserted = self.definition(Statement::Insert(insert.clone()).to_string(), caller)?;
        let (kept, aside) = (settings.kept(), Aside::of(&settings.kept())?);
        let topics = self.kept_for(&insert, &self.catalog(), caller)?;
        let table_definition = Definition { materialized, ..created };
        let statement_definition = Definition { state: Some(State::Running), settings: kept, ..inserted };
        Ok(Filled { table, statement, insert, aside, topics, table_definition, statement_definition })
    }

    /// The statement, where both can be created beside these definitions.
    pub(super) fn check_filled(
        &self,
        filled: &Filled,
        catalog: &Catalog,
        caller: &Caller,
    ) -> Result<levada_sql::Statement, Refusal> {
        let Filled { table, statement, insert, aside, topics, .. } = filled;
        check_new(catalog, &table.name, false)?;
        check_new_statement(catalog, statement)?;
        check_settled(catalog, &insert.query)?;
        self.check_aside(catalog, aside, table, caller)?;
        let mut after = catalog.clone();
        after.apply(&filled.table_record()).map_err(Refusal::invalid)?;
        let statement = aside.with(self.statement(statement, insert, &after, (caller, Some(topics)))?);
        statement.check()?;
        Ok(statement)
    }

    /// Creates both, and starts the statement. To be called with nobody else starting or ending statements.
    pub(super) async fn create_filled(self: &Arc<Self>, filled: &Filled, caller: &Caller) -> Result<(), Refusal> {
        let statement = self.check_filled(filled, &self.catalog(), caller)?;
        let writers = statement.writers(&self.surroundings(caller)).await?;
        // What a statement of this name had, whose end was not kept, is not this one's.
        self.handle().drop_journal(&filled.statement).await?;
        made_topic(self, &filled.table, caller).await?;
        self.made_aside(&filled.aside, caller).await?;
        let decide = |catalog: &Catalog| {
            self.check_filled(filled, catalog, caller)?;
            Ok(vec![filled.table_record(), filled.statement_record(writers)])
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
