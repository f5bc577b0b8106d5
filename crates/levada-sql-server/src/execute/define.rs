//! Tables and views: created and dropped.

use super::{Outcome, may_change, named};
use crate::{
    Refusal,
    catalog::{Catalog, Definition, Key, Kind, Record, State, StatementEntry, TableEntry},
    read_after,
    service::Service,
    views,
};
use levada_sql::{Query, Table, table::Changelog};
use levada_sql_syntax::{CreateTable, CreateView, ast};
use levada_stream::{Caller, HandleError};

/// The largest text of a definition.
const TEXT_SIZE_MAX: usize = 256 << 10;

impl Service {
    pub(super) async fn create_table(
        &self,
        create: CreateTable,
        text: String,
        caller: &Caller,
    ) -> Result<Outcome, Refusal> {
        let (name, at) = named(&create.name)?;
        if let Some(outcome) = check_new(&self.catalog(), &name, create.if_not_exists).map_err(|it| it.at(at))? {
            return Ok(outcome);
        }
        let table = Table::declared(&create).map_err(|error| Refusal::from(error).at(at))?;
        self.check_registry(&table).map_err(|refusal| refusal.at(at))?;
        let made = made_topic(self, &table, caller).await.map_err(|refusal| refusal.at(at))?;
        let definition = self.definition(text, caller)?;
        let key = Key { kind: Kind::Table, name: name.clone() };
        let decide = move |catalog: &Catalog| {
            check_new(catalog, &key.name, false)?;
            Ok(vec![Record { key, value: Some(definition) }])
        };
        self.change(decide).await.map_err(|refusal| refusal.at(at))?;
        Ok(Outcome::done(match (table.topic(), made) {
            (Some(topic), true) => format!("table `{name}` is created, and its topic `{topic}`"),
            (Some(topic), false) => format!("table `{name}` is created over topic `{topic}`"),
            (None, _) => format!("table `{name}` is created"),
        }))
    }

    pub(super) async fn create_view(
        &self,
        create: CreateView,
        text: String,
        caller: &Caller,
    ) -> Result<Outcome, Refusal> {
        let (name, at) = named(&create.name)?;
        let if_not_exists = create.if_not_exists;
        let definition = self.definition(text, caller)?;
        let key = Key { kind: Kind::View, name: name.clone() };
        // Decided with nobody else changing anything: what the view names stays until it is kept.
        let mut is_there = false;
        let decide = |catalog: &Catalog| {
            if check_new(catalog, &key.name, if_not_exists)?.is_some() {
                is_there = true;
                return Ok(Vec::new());
            }
            check_settled(catalog, &create.query)?;
            self.check_view(&create, catalog, caller)?;
            Ok(vec![Record { key, value: Some(definition) }])
        };
        self.change(decide).await.map_err(|refusal| refusal.at(at))?;
        Ok(if is_there { exists(&name) } else { Outcome::done(format!("view `{name}` is created")) })
    }

    /// That a view's query means something, and has as many columns as the view names.
    pub(super) fn check_view(&self, create: &CreateView, catalog: &Catalog, caller: &Caller) -> Result<(), Refusal> {
        let mut query = create.query.clone();
        views::expand(&mut query, &catalog.view_queries())?;
        let tables = self.tables_for(&query, catalog, caller)?;
        let (named, given) = (create.columns.len(), Query { query, tables }.columns()?.len());
        if named > 0 && named != given {
            return Err(Refusal::invalid(format!("the view names {named} columns, and its query gives {given}")));
        }
        Ok(())
    }

    pub(super) async fn drop_table(
        &self,
        name: &ast::ObjectName,
        if_exists: bool,
        caller: &Caller,
    ) -> Result<Outcome, Refusal> {
        let (name, at) = named(name)?;
        let topic = |catalog: &Catalog| {
            let entry = catalog.tables.get(&name)?;
            Some((entry.definition.owner.clone(), entry.table.topic().map(str::to_owned)))
        };
        let dropped = self.drop_defined(Kind::Table, &name, if_exists, caller, topic).await;
        Ok(Outcome::done(match dropped.map_err(|refusal| refusal.at(at))? {
            Some(Some(topic)) => format!("table `{name}` is dropped; its topic `{topic}` is kept"),
            Some(None) => format!("table `{name}` is dropped"),
            None => format!("there is no table `{name}`"),
        }))
    }

    pub(super) async fn drop_view(
        &self,
        name: &ast::ObjectName,
        if_exists: bool,
        caller: &Caller,
    ) -> Result<Outcome, Refusal> {
        let (name, at) = named(name)?;
        let view = |catalog: &Catalog| Some((catalog.views.get(&name)?.definition.owner.clone(), ()));
        let dropped = self.drop_defined(Kind::View, &name, if_exists, caller, view).await;
        Ok(Outcome::done(match dropped.map_err(|refusal| refusal.at(at))? {
            Some(()) => format!("view `{name}` is dropped"),
            None => format!("there is no view `{name}`"),
        }))
    }

    /// Drops what `found` finds with its owner, where nothing names it; answers with the rest of what was found.
    async fn drop_defined<T: Send>(
        &self,
        kind: Kind,
        name: &str,
        if_exists: bool,
        caller: &Caller,
        found: impl Fn(&Catalog) -> Option<(String, T)> + Sync,
    ) -> Result<Option<T>, Refusal> {
        let mut dropped = None;
        let decide = |catalog: &Catalog| {
            let (word, known): (_, Vec<&String>) = match kind {
                Kind::View => ("view", catalog.views.keys().collect()),
                _ => ("table", catalog.tables.keys().collect()),
            };
            let Some((owner, rest)) = found(catalog) else {
                return missing(word, name, if_exists, known.into_iter());
            };
            may_change(caller, &owner, &format!("{word} `{name}`"))?;
            if catalog.tables.get(name).is_some_and(|entry| entry.materialized().is_some()) {
                let refusal = Refusal::invalid(format!("`{name}` is a materialized table"));
                return Err(refusal.with_hint(format!("DROP MATERIALIZED TABLE `{name}`")));
            }
            check_unused(catalog, name, None)?;
            dropped = Some(rest);
            Ok(vec![Record { key: Key { kind, name: name.to_owned() }, value: None }])
        };
        self.change(decide).await?;
        Ok(dropped)
    }

    /// What is kept of something that is defined now.
    pub(super) fn definition(&self, sql: String, caller: &Caller) -> Result<Definition, Refusal> {
        if sql.len() > TEXT_SIZE_MAX {
            return Err(Refusal::invalid(format!("a definition has {TEXT_SIZE_MAX} bytes at most")));
        }
        let (owner, created_ms) = (caller.principal.to_string(), self.handle().now_ms());
        Ok(Definition::of(sql, owner, created_ms))
    }
}

/// Makes a table's topic where there is none; says whether it did.
pub(super) async fn made_topic(service: &Service, table: &Table, caller: &Caller) -> Result<bool, Refusal> {
    let Some(topic) = table.topic() else { return Ok(false) };
    let configs: &[(&str, &str)] = match table.changelog {
        Changelog::Append => &[],
        Changelog::Upsert => &[("cleanup.policy", "compact")],
    };
    made_if_missing(service, topic, configs, caller).await
}

/// Makes a topic where there is none; says whether it did.
pub(super) async fn made_if_missing(
    service: &Service,
    topic: &str,
    configs: &[(&str, &str)],
    caller: &Caller,
) -> Result<bool, Refusal> {
    match service.handle().topic(caller, topic) {
        Ok(_) => Ok(false),
        Err(HandleError::UnknownTopic(_)) => {
            service.handle().create_topic(caller, topic, -1, configs).await?;
            Ok(true)
        }
        Err(error) => Err(error.into()),
    }
}

fn exists(name: &str) -> Outcome {
    Outcome::done(format!("`{name}` exists already"))
}

/// That no table or view has the name; where that is no matter, what to answer.
pub(super) fn check_new(catalog: &Catalog, name: &str, if_not_exists: bool) -> Result<Option<Outcome>, Refusal> {
    let kind = match (catalog.tables.contains_key(name), catalog.views.contains_key(name)) {
        (false, false) => return Ok(None),
        (true, _) => "table",
        (false, true) => "view",
    };
    if if_not_exists {
        return Ok(Some(exists(name)));
    }
    Err(Refusal::exists(format!("{kind} `{name}` exists already")))
}

pub(super) fn missing<'a>(
    kind: &str,
    name: &str,
    if_exists: bool,
    known: impl Iterator<Item = &'a String>,
) -> Result<Vec<Record>, Refusal> {
    if if_exists {
        return Ok(Vec::new());
    }
    Err(Refusal::unknown(format!("there is no {kind} `{name}`")).with_nearest(name, known.map(String::as_str)))
}

/// That nothing which a query reads is about to be replaced: what is defined over it would mean something else then.
pub(super) fn check_settled(catalog: &Catalog, query: &ast::Query) -> Result<(), Refusal> {
    let topics = read_after::topics_of(catalog, query);
    let is_read = |(_, entry): &(&String, &TableEntry)| {
        entry.next().is_some() && entry.table.topic().is_some_and(|topic| topics.contains(topic))
    };
    match catalog.tables.iter().find(is_read).and_then(|(name, entry)| Some((name, entry.next()?.0))) {
        None => Ok(()),
        Some((table, next)) => {
            let refusal = Refusal::exists(format!("materialized table `{table}` is being altered"));
            Err(refusal.with_hint(format!("wait until statement `{}` has read what there is", next.statement)))
        }
    }
}

/// That no view and no statement, but for one, names a table or view.
pub(super) fn check_unused(catalog: &Catalog, name: &str, but_for: Option<&str>) -> Result<(), Refusal> {
    let names_it = |query: &ast::Query| views::names(query).is_ok_and(|names| names.tables.contains_key(name));
    let view = catalog.views.iter().find(|(_, view)| names_it(&view.create.query));
    if let Some((view, _)) = view {
        return Err(Refusal::exists(format!("view `{view}` uses `{name}`")).with_hint("drop that first"));
    }
    let uses_it = |(other, entry): &(&String, &StatementEntry)| {
        let Some(insert) = entry.insert.as_deref() else { return false };
        // What is to take the table's place goes with it.
        let fills_it = || {
            let is_sink = levada_sql::table::name_of(&insert.table).is_ok_and(|sink| sink == name);
            is_sink && catalog.next_of(other).is_none()
        };
        but_for != Some(other.as_str()) && entry.state() != State::Dropping && (names_it(&insert.query) || fills_it())
    };
    let statement = catalog.statements.iter().find(uses_it);
    match statement {
        Some((statement, _)) => {
            Err(Refusal::exists(format!("statement `{statement}` uses `{name}`")).with_hint("drop that first"))
        }
        None => Ok(()),
    }
}
