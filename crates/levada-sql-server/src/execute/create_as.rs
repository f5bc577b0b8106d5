//! `CREATE TABLE … AS`: a table with the columns of a query, and the statement that fills it, both or neither.

use super::{
    Outcome,
    define::{check_new, made_if_missing, made_topic},
    named,
    statements::{check_new_statement, free_name},
};
use crate::{
    Refusal,
    catalog::{Catalog, Definition, Key, Kind, Record, State},
    service::Service,
    settings::{Settings, check_name, on_error},
    views,
};
use levada_sql::{Query, Table, query::Column, statement::OnError};
use levada_sql_syntax::{ColumnDef, CreateTable, Insert, Statement, SyntaxError, ast};
use levada_stream::Caller;
use std::sync::Arc;

impl Service {
    pub(super) async fn create_table_as(
        self: &Arc<Self>,
        mut create: CreateTable,
        query: Box<ast::Query>,
        settings: &Settings,
        caller: &Caller,
    ) -> Result<Outcome, Refusal> {
        let _alone = self.tasks().lock().await;
        let (table_name, at) = named(&create.name)?;
        if let Some(outcome) = check_new(&self.catalog(), &table_name, create.if_not_exists)? {
            return Ok(outcome);
        }
        if !create.columns.is_empty() || create.watermark.is_some() {
            let refusal = Refusal::invalid("columns and a watermark beside AS are not supported yet").at(at);
            return Err(refusal.with_hint("write CREATE TABLE and INSERT INTO"));
        }
        create.columns = self.columns_of(&create, &query, caller)?;
        let table = Table::declared(&create).map_err(|error| Refusal::from(error).at(at))?;
        let insert = Insert { table: create.name.clone(), options: [].into(), columns: Vec::new(), query };
        let name = match &settings.name {
            Some(name) => name.clone(),
            None => free_name(&self.catalog(), &table_name, &[])?,
        };
        check_name(&name)?;
        if !self.catalog().statements.contains_key(&name) {
            self.handle().drop_journal(&name).await?;
        }
        let created = self.definition(Statement::CreateTable(Box::new(create)).to_string(), caller)?;
        let inserted = self.definition(Statement::Insert(insert.clone()).to_string(), caller)?;
        let (kept, on_error) = (settings.kept(), on_error(&settings.kept())?);
        let inserted = Definition { state: Some(State::Running), settings: kept, ..inserted };
        let table_key = Key { kind: Kind::Table, name: table_name.clone() };
        let (table_record, key) =
            (Record { key: table_key, value: Some(created) }, Key { kind: Kind::Statement, name: name.clone() });
        let decided = |catalog: &Catalog| {
            check_new(catalog, &table_name, false)?;
            check_new_statement(catalog, &name)?;
            let mut after = catalog.clone();
            after.apply(&table_record).map_err(Refusal::invalid)?;
            let statement = self.statement(&name, &insert, &after, caller)?;
            levada_sql::Statement { on_error: on_error.clone(), ..statement }.check().map_err(Refusal::from)
        };
        decided(&self.catalog()).map_err(|refusal| refusal.at(at))?;
        made_topic(self, &table, caller).await?;
        if let OnError::DeadLetter(topic) = &on_error {
            made_if_missing(self, topic, &[], caller).await?;
        }
        let decide = |catalog: &Catalog| {
            decided(catalog)?;
            Ok(vec![table_record.clone(), Record { key, value: Some(inserted) }])
        };
        self.change(decide).await?;
        self.launch_kept(&name).await;
        Ok(Outcome::Statement { name })
    }

    /// The columns of a query as a table declares them.
    fn columns_of(&self, create: &CreateTable, query: &ast::Query, caller: &Caller) -> Result<Vec<ColumnDef>, Refusal> {
        let (mut query, catalog) = (Box::new(query.clone()), self.catalog());
        views::expand(&mut query, &catalog.view_queries())?;
        let tables = self.tables_for(&query, &catalog, caller)?;
        let is_key = |name: &str| create.primary_key.iter().flatten().any(|key| key.value == name);
        declared_columns(Query { query, tables }.columns()?, is_key)
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
