//! `CREATE TABLE … AS`.

use super::{Outcome, define::check_new, filled::declared_columns, named, statements::free_name};
use crate::{Refusal, service::Service, settings::Settings};
use levada_sql_syntax::{CreateTable, ast};
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
        let (table, at) = named(&create.name)?;
        if let Some(outcome) = check_new(&self.catalog(), &table, create.if_not_exists)? {
            return Ok(outcome);
        }
        if !create.columns.is_empty() || create.watermark.is_some() {
            let refusal = Refusal::invalid("columns and a watermark beside AS are not supported yet").at(at);
            return Err(refusal.with_hint("write CREATE TABLE and INSERT INTO"));
        }
        let is_key = |name: &str| create.primary_key.iter().flatten().any(|key| key.value == name);
        create.columns = declared_columns(self.query_of(query.clone(), caller)?.columns()?, is_key)?;
        let name = match &settings.name {
            Some(name) => name.clone(),
            None => free_name(&self.catalog(), &table, &[])?,
        };
        let filled = self.filled(create, query, name, None, settings, caller).map_err(|refusal| refusal.at(at))?;
        self.create_filled(&filled, caller).await.map_err(|refusal| refusal.at(at))?;
        Ok(Outcome::Statement { name: filled.statement })
    }
}
