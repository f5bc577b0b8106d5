//! Statements that run: created, stopped, started, dropped.

use super::{
    Outcome,
    dead_letters::check_together,
    define::{check_settled, missing},
    may_change, named,
};
use crate::{
    Refusal,
    catalog::{Catalog, Definition, Key, Kind, Record, State, StatementEntry, TableEntry},
    service::{Service, with_state},
    settings::{Aside, Settings, check_name},
};
use levada_sql::Statement;
use levada_sql_syntax::Insert;
use levada_stream::Caller;
use std::sync::Arc;

/// A statement that is created.
struct Created {
    name: String,
    insert: Insert,
    definition: Definition,
}

impl Service {
    /// Creates statements with their texts, all or none, and starts them; answers their names.
    pub(super) async fn insert(
        self: &Arc<Self>,
        inserts: Vec<(Insert, String)>,
        settings: &Settings,
        caller: &Caller,
    ) -> Result<Vec<String>, Refusal> {
        let _alone = self.tasks().lock().await;
        let names = names(&self.catalog(), &inserts, settings)?;
        let aside = Aside::of(&settings.kept())?;
        let mut created = Vec::with_capacity(inserts.len());
        for ((insert, text), name) in inserts.into_iter().zip(&names) {
            created.push(self.defined(insert, text, name, settings, caller).await?);
        }
        let statements = self.checked(&self.catalog(), &created, &aside, caller)?;
        // Nothing is registered for statements that are refused.
        for (created, statement) in created.iter_mut().zip(&statements) {
            let writers = statement.writers(&self.surroundings(caller)).await;
            let at = named(&created.insert.table)?.1;
            created.definition.schemas = writers.map_err(|error| Refusal::from(error).at(at))?;
        }
        let decide = |catalog: &Catalog| {
            self.checked(catalog, &created, &aside, caller)?;
            let record = |Created { name, definition, .. }: Created| Record {
                key: Key { kind: Kind::Statement, name },
                value: Some(definition),
            };
            Ok(created.into_iter().map(record).collect())
        };
        self.made_aside(&aside, caller).await?;
        self.change(decide).await?;
        for name in &names {
            self.launch_kept(name).await;
        }
        Ok(names)
    }

    /// What is kept of a statement, but for the schemas that it writes with.
    async fn defined(
        &self,
        insert: Insert,
        text: String,
        name: &str,
        settings: &Settings,
        caller: &Caller,
    ) -> Result<Created, Refusal> {
        let (_, at) = named(&insert.table)?;
        check_hints(&insert).map_err(|refusal| refusal.at(at))?;
        check_name(name).map_err(|refusal| refusal.at(at))?;
        // What a statement of this name had, whose end was not kept, is not this one's. One that runs stays.
        if !self.catalog().statements.contains_key(name) {
            self.handle().drop_journal(name).await?;
        }
        let definition = self.definition(text, caller)?;
        let (state, settings) = (Some(State::Running), settings.kept());
        let topics = self.kept_for(&insert, &self.catalog(), caller)?;
        Ok(Created { name: name.to_owned(), insert, definition: Definition { state, settings, topics, ..definition } })
    }

    /// The statements, where all of them can be created beside these definitions.
    fn checked(
        &self,
        catalog: &Catalog,
        created: &[Created],
        aside: &Aside,
        caller: &Caller,
    ) -> Result<Vec<Statement>, Refusal> {
        let inserts: Vec<&Insert> = created.iter().map(|created| &created.insert).collect();
        check_together(catalog, aside, &inserts)?;
        let one = |Created { name, insert, definition }: &Created| {
            let (sink, at) = named(&insert.table)?;
            check_new_statement(catalog, name)?;
            check_sink(catalog, &sink)
                .and_then(|()| check_settled(catalog, &insert.query))
                .map_err(|refusal| refusal.at(at))?;
            let statement = self.statement(name, insert, catalog, (caller, Some(&definition.topics)))?;
            self.check_aside(catalog, aside, &statement.sink, caller)?;
            let statement = aside.with(statement);
            statement.check()?;
            Ok(statement)
        };
        created.iter().map(one).collect()
    }

    pub(super) async fn launch_kept(self: &Arc<Self>, name: &str) {
        let entry: Option<StatementEntry> = self.catalog().statements.get(name).cloned();
        if let Some(entry) = entry {
            self.launch(name, &entry, None).await;
        }
    }

    pub(crate) async fn stop_statement(self: &Arc<Self>, name: &str, caller: &Caller) -> Result<Outcome, Refusal> {
        let _alone = self.tasks().lock().await;
        self.owned(name, caller)?;
        self.end(name).await;
        let decide = |catalog: &Catalog| match catalog.statements.get(name).map(StatementEntry::state) {
            // Why it failed stays.
            Some(State::Running) => Ok(with_state(catalog, name, State::Stopped, None).into_iter().collect()),
            _ => Ok(Vec::new()),
        };
        self.change(decide).await?;
        Ok(Outcome::done(format!("statement `{name}` is stopped")))
    }

    pub(crate) async fn start_statement(self: &Arc<Self>, name: &str, caller: &Caller) -> Result<Outcome, Refusal> {
        let _alone = self.tasks().lock().await;
        let entry = self.owned(name, caller)?;
        let is_alive = self.running(name).is_some_and(|running| !running.has_ended());
        if entry.state() == State::Running && is_alive {
            return Ok(Outcome::done(format!("statement `{name}` runs already")));
        }
        if entry.state() == State::Dropping || entry.insert.is_none() {
            return Err(Refusal::exists(format!("statement `{name}` cannot be started")).with_hint("drop it"));
        }
        self.end(name).await;
        self.change(|catalog| Ok(with_state(catalog, name, State::Running, None).into_iter().collect())).await?;
        self.launch_kept(name).await;
        Ok(Outcome::done(format!("statement `{name}` is started")))
    }

    pub(crate) async fn drop_statement(
        self: &Arc<Self>,
        name: &str,
        if_exists: bool,
        caller: &Caller,
    ) -> Result<Outcome, Refusal> {
        let _alone = self.tasks().lock().await;
        let catalog = self.catalog();
        if !catalog.statements.contains_key(name) {
            missing("statement", name, if_exists, catalog.statements.keys())?;
            return Ok(Outcome::done(format!("there is no statement `{name}`")));
        }
        self.owned(name, caller)?;
        if let Some(table) = catalog.table_of(name) {
            let table = &table.table.name;
            let refusal = Refusal::invalid(format!("statement `{name}` keeps materialized table `{table}` up to date"));
            return Err(refusal.with_hint(format!("DROP MATERIALIZED TABLE `{table}`, or STOP STATEMENT `{name}`")));
        }
        self.drop_kept(name, |_| Ok(())).await?;
        Ok(Outcome::done(format!("statement `{name}` is dropped")))
    }

    /// Drops a statement, and what it keeps up to date, where `may_go` says so while nobody else changes anything.
    pub(super) async fn drop_running(
        &self,
        name: &str,
        may_go: impl FnOnce(&Catalog) -> Result<(), Refusal> + Send,
    ) -> Result<(), Refusal> {
        let _alone = self.tasks().lock().await;
        self.drop_kept(name, may_go).await
    }

    async fn drop_kept(
        &self,
        name: &str,
        may_go: impl FnOnce(&Catalog) -> Result<(), Refusal> + Send,
    ) -> Result<(), Refusal> {
        // Kept before the journal goes: what is left of it is never another statement's.
        let decide = |catalog: &Catalog| {
            may_go(catalog)?;
            Ok(with_state(catalog, name, State::Dropping, None).into_iter().collect())
        };
        self.change(decide).await?;
        self.finish_drop(name).await
    }

    /// A statement that `caller` may change.
    fn owned(&self, name: &str, caller: &Caller) -> Result<StatementEntry, Refusal> {
        let catalog = self.catalog();
        let Some(entry) = catalog.statements.get(name) else {
            missing("statement", name, false, catalog.statements.keys())?;
            return Err(Refusal::unknown(format!("there is no statement `{name}`")));
        };
        may_change(caller, &entry.definition.owner, &format!("statement `{name}`"))?;
        Ok(entry.clone())
    }
}

/// That no hint is given, which nothing obeys.
pub(super) fn check_hints(insert: &Insert) -> Result<(), Refusal> {
    if insert.options.is_empty() {
        return Ok(());
    }
    let refusal = Refusal::invalid("a hint behind a table's name is not supported");
    Err(refusal.with_hint("declare another table with these options over the same topic"))
}

/// That no statement has this name.
pub(super) fn check_new_statement(catalog: &Catalog, name: &str) -> Result<(), Refusal> {
    if !catalog.statements.contains_key(name) {
        return Ok(());
    }
    let refusal = Refusal::exists(format!("statement `{name}` exists already"));
    Err(refusal.with_hint("drop it, or SET 'pipeline.name' to another"))
}

/// That rows can go into something of this name.
pub(super) fn check_sink(catalog: &Catalog, sink: &str) -> Result<(), Refusal> {
    match catalog.tables.get(sink) {
        Some(entry) if entry.materialized().is_some() => {
            let refusal = Refusal::invalid(format!("`{sink}` is a materialized table: its query alone fills it"));
            return Err(refusal.with_hint("insert into the tables that it reads"));
        }
        Some(entry) => return check_free(catalog, sink, entry),
        None => {}
    }
    if catalog.views.contains_key(sink) {
        return Err(Refusal::invalid(format!("`{sink}` is a view: rows go into tables")));
    }
    let refusal = Refusal::unknown(format!("there is no table `{sink}`"));
    let near = refusal.with_nearest(sink, catalog.tables.keys().map(String::as_str));
    match near.hint {
        Some(_) => Err(near),
        None => Err(near.with_hint(format!("CREATE TABLE `{sink}` (column1 STRING, …) WITH ('format' = 'json')"))),
    }
}

/// That no query alone fills a table's topic, under another name.
fn check_free(catalog: &Catalog, sink: &str, entry: &TableEntry) -> Result<(), Refusal> {
    let Some(topic) = entry.table.topic() else { return Ok(()) };
    let is_filled = |(_, entry): &(&String, &TableEntry)| {
        let next = entry.next().and_then(|(_, table)| table.topic());
        entry.materialized().is_some() && [entry.table.topic(), next].contains(&Some(topic))
    };
    match catalog.tables.iter().find(is_filled) {
        None => Ok(()),
        Some((table, _)) => {
            let message =
                format!("rows of `{sink}` are those of materialized table `{table}`: its query alone fills it");
            Err(Refusal::invalid(message).with_hint("insert into the tables that it reads"))
        }
    }
}

/// The names of statements: those that were set, numbered where there are several, or free ones.
fn names(catalog: &Catalog, inserts: &[(Insert, String)], settings: &Settings) -> Result<Vec<String>, Refusal> {
    let mut names: Vec<String> = Vec::with_capacity(inserts.len());
    for (insert, _) in inserts {
        let name = match &settings.name {
            Some(name) if inserts.len() == 1 => name.clone(),
            Some(name) => format!("{name}-{}", names.len() + 1),
            None => free_name(catalog, &named(&insert.table)?.0, &names)?,
        };
        names.push(name);
    }
    Ok(names)
}

/// `insert-into-<table>-<n>`, with the first number that is free, and not among `taken`.
pub(super) fn free_name(catalog: &Catalog, sink: &str, taken: &[String]) -> Result<String, Refusal> {
    let is_sound = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    let sink: String = sink.chars().take(150).map(|letter| if is_sound(letter) { letter } else { '-' }).collect();
    let mut names = (1_u64..).map(|number| format!("insert-into-{sink}-{number}"));
    let is_free = |name: &String| !catalog.statements.contains_key(name) && !taken.contains(name);
    let free = names.by_ref().take(catalog.statements.len() + taken.len() + 1).find(is_free);
    free.ok_or_else(|| Refusal::internal("no name is free"))
}
