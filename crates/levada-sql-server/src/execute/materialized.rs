//! Materialized tables: a table, and the statement that keeps it up to date, both or neither.
//!
//! Its topic is made with it and goes with it: nobody else writes it, and its rows mean nothing without its query.

use super::{
    Outcome,
    define::missing,
    filled::{Filled, declared_columns},
    may_change, named,
};
use crate::{
    Refusal,
    catalog::{Catalog, Materialized},
    service::Service,
    settings::Settings,
};
use levada_sql::{Table, table::Changelog};
use levada_sql_syntax::{CreateMaterializedTable, CreateTable, RefreshMode, ast};
use levada_stream::{Caller, HandleError};
use std::{sync::Arc, time::Duration};

/// What its statement is named like, before the table's name.
pub(super) const PREFIX: &str = "refresh-";

/// So long a new table's statement is waited for.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(3);

impl Service {
    pub(super) async fn create_materialized(
        self: &Arc<Self>,
        create: CreateMaterializedTable,
        text: String,
        settings: &Settings,
        caller: &Caller,
    ) -> Result<Outcome, Refusal> {
        let alone = self.tasks().lock().await;
        let (name, at) = named(&create.name)?;
        if create.or_alter
            && let Some(entry) = self.catalog().tables.get(&name)
        {
            let before = entry.table.topic().unwrap_or(&name).to_owned();
            check_refreshed(&create).map_err(|refusal| refusal.at(at))?;
            let altered = self.alter(create, &name, text, settings, caller).await.map_err(|refusal| refusal.at(at))?;
            drop(alone);
            return Ok(self.altered(&name, altered, &before).await);
        }
        let planned = self.planned(create, &name, text, settings, caller).map_err(|refusal| refusal.at(at))?;
        let topic = planned.table.topic().unwrap_or(&name);
        self.check_filled(&planned, &self.catalog(), caller).map_err(|refusal| refusal.at(at))?;
        self.check_fresh(topic, &planned.table, caller).map_err(|refusal| refusal.at(at))?;
        self.create_filled(&planned, caller).await.map_err(|refusal| refusal.at(at))?;
        drop(alone);
        self.caught_up_as(&planned.statement, &|| false).await;
        let kept = format!("statement `{}` keeps it up to date in topic `{topic}`", planned.statement);
        Ok(Outcome::done(format!("materialized table `{name}` is created; {kept}")))
    }

    /// Waits a little until a statement has read what is there, or it `is_so` where its rows take the place of others:
    /// whoever asks right away finds it.
    pub(super) async fn caught_up_as(&self, statement: &str, is_so: &(dyn Fn() -> bool + Sync)) {
        let Some(running) = self.running(statement) else { return };
        let (mut progress, mut replaced) = (running.watch(), self.replaced());
        let is_next = self.catalog().next_of(statement).is_some();
        let there = async {
            if is_next {
                while !is_so() && replaced.changed().await.is_ok() {}
            } else {
                drop(progress.wait_for(|progress| progress.is_recovered && progress.lag == 0).await);
            }
        };
        tokio::select! {
            () = there => {}
            // Where its task ends, its state says why.
            () = running.ended() => {}
            () = (self.sleep())(CAUGHT_UP_WITHIN) => {}
        }
    }

    fn planned(
        &self,
        create: CreateMaterializedTable,
        name: &str,
        text: String,
        settings: &Settings,
        caller: &Caller,
    ) -> Result<Filled, Refusal> {
        check_refreshed(&create)?;
        let statement = free_statement(&self.catalog(), name)?;
        let materialized = Some(Materialized { sql: text, statement: statement.clone(), next: None });
        let (declared, query) = self.declared(create, caller)?;
        self.filled(declared, query, statement, materialized, settings, caller)
    }

    /// The table as `CREATE TABLE` would declare it, and its query. The key is the one that is declared, or what the
    /// query groups by; a table with a key is compacted, without one rows only come.
    pub(super) fn declared(
        &self,
        create: CreateMaterializedTable,
        caller: &Caller,
    ) -> Result<(CreateTable, Box<ast::Query>), Refusal> {
        let CreateMaterializedTable { name, primary_key, comment, mut options, query, .. } = create;
        let asked = self.query_of(query.clone(), caller)?;
        let columns = asked.columns()?;
        let ident = |name: &str| ast::Ident::with_quote('`', name);
        let is_declared = primary_key.is_some();
        let primary_key = match primary_key {
            Some(key) => Some(key),
            None => asked.key()?.map(|key| key.iter().map(|column| ident(&columns[*column].name)).collect::<Vec<_>>()),
        };
        if primary_key.is_none() && !asked.is_append_only()? {
            let refusal =
                Refusal::invalid("rows of this query change later on, and nothing says which of them is which");
            return Err(refusal.with_hint(
                "write all columns behind GROUP BY behind SELECT, too, or declare the key: (PRIMARY KEY (…) NOT ENFORCED)",
            ));
        }
        if let Some(connector) = options.get("connector") {
            let refusal =
                Refusal::invalid(format!("a materialized table has no 'connector', but '{connector}' is given"));
            return Err(refusal.with_hint("leave it out: with a key it is compacted, without one rows only come"));
        }
        if primary_key.is_some() {
            options.insert("connector".to_owned(), "upsert-kafka".to_owned());
        }
        let is_key = |name: &str| primary_key.iter().flatten().any(|key| key.value == name);
        // What the query groups by may be null.
        let columns = declared_columns(columns, |name| is_declared && is_key(name))?;
        let table = CreateTable {
            name,
            if_not_exists: false,
            columns,
            primary_key,
            watermark: None,
            comment,
            options,
            as_query: None,
        };
        Ok((table, query))
    }

    /// That a table's topic is missing, or as good as new: a broker that ended too early leaves such.
    pub(super) fn check_fresh(&self, topic: &str, table: &Table, caller: &Caller) -> Result<(), Refusal> {
        let topic = match self.handle().topic(caller, topic) {
            Ok(topic) => topic,
            Err(HandleError::UnknownTopic(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let is_empty =
            self.handle().inputs(caller, std::slice::from_ref(&topic.name))?.end().iter().all(|end| *end == 0);
        // Where old rows go, it would have others after a restart.
        if is_empty && topic.is_compacted == (table.changelog == Changelog::Upsert) {
            return Ok(());
        }
        let why = if is_empty { "has another `cleanup.policy`" } else { "has records already" };
        let refusal = Refusal::exists(format!("topic `{}` {why}", topic.name));
        Err(refusal.with_hint("name another one: WITH ('topic' = '…')"))
    }

    pub(super) async fn drop_materialized(
        self: &Arc<Self>,
        name: &ast::ObjectName,
        if_exists: bool,
        caller: &Caller,
    ) -> Result<Outcome, Refusal> {
        let (name, at) = named(name)?;
        let catalog = self.catalog();
        let found = catalog.tables.get(&name).and_then(|entry| Some((entry, entry.materialized()?)));
        let Some((entry, materialized)) = found else {
            let known = catalog.tables.iter().filter(|(_, entry)| entry.materialized().is_some()).map(|(name, _)| name);
            missing("materialized table", &name, if_exists, known).map_err(|refusal| refusal.at(at))?;
            return Ok(Outcome::done(format!("there is no materialized table `{name}`")));
        };
        may_change(caller, &entry.definition.owner, &format!("materialized table `{name}`"))
            .map_err(|refusal| refusal.at(at))?;
        let statement = materialized.statement.clone();
        let unused = |catalog: &Catalog| super::define::check_unused(catalog, &name, Some(&statement));
        unused(&catalog).map_err(|refusal| refusal.at(at))?;
        self.drop_running(&statement, unused).await?;
        let topic = entry.table.topic().unwrap_or(&name);
        Ok(Outcome::done(format!("materialized table `{name}` is dropped, and its topic `{topic}`")))
    }
}

/// The name of a new table's statement: one that an altered table's has is passed over.
fn free_statement(catalog: &Catalog, name: &str) -> Result<String, Refusal> {
    let numbered = (2_u64..).map(|number| format!("{PREFIX}{name}-{number}"));
    let mut names = std::iter::once(format!("{PREFIX}{name}")).chain(numbered).take(catalog.statements.len() + 1);
    let free = names.find(|name| !catalog.statements.contains_key(name));
    free.ok_or_else(|| Refusal::internal("no name is free"))
}

/// That a table is not to be made anew again and again.
fn check_refreshed(create: &CreateMaterializedTable) -> Result<(), Refusal> {
    if create.refresh_mode != Some(RefreshMode::Full) {
        return Ok(());
    }
    let refusal = Refusal::invalid("materialized tables are kept up to date all the time, not refreshed as a whole");
    Err(refusal.with_hint("leave REFRESH_MODE out"))
}
