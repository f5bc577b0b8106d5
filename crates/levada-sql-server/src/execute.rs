//! Carrying out a text of SQL, one statement after the other.

mod alter;
mod create_as;
mod dead_letters;
mod define;
mod explain;
mod filled;
mod insert;
mod lookup;
mod materialized;
mod show;
mod statements;

pub(crate) use lookup::Answered;

use crate::{
    Refusal, RefusalKind,
    read_after::until,
    rest::Shown,
    service::Service,
    settings::{Mode, Settings},
    views,
};
use levada_sql::{
    Answer, Value, View,
    query::{Column, Query, ReadAfter},
    view::Version,
};
use levada_sql_syntax::{DropObject, Insert, ObjectKind, Parsed, Position, Statement, ast, parse_script};
use levada_stream::Caller;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tokio::sync::OwnedSemaphorePermit;

/// Statements of one request.
const STATEMENTS_MAX: usize = 1_000;

/// What somebody asks for.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) sql: String,
    pub(crate) settings: Settings,
    pub(crate) caller: Caller,
}

/// What a statement came to.
#[derive(Debug)]
pub enum Outcome {
    /// An answer.
    Rows(Answer),
    /// It is done.
    Done {
        /// What was done.
        message: String,
    },
    /// Rows are in a table.
    Inserted {
        /// How many.
        row_count: u64,
        /// The table.
        table: String,
    },
    /// A statement runs from now on.
    Statement {
        /// Its name.
        name: String,
    },
}

impl Outcome {
    fn done(message: impl Into<String>) -> Self {
        Self::Done { message: message.into() }
    }

    /// Rows of texts.
    fn texts<const N: usize>(
        columns: [&str; N],
        rows: impl IntoIterator<Item = [Option<String>; N]>,
    ) -> Result<Self, Refusal> {
        let rows: Vec<Vec<Option<String>>> = rows.into_iter().map(Vec::from).collect();
        Ok(Self::Rows(Answer::texts(&columns, &rows)?))
    }
}

/// What a request came to, up to the first statement that was refused.
#[derive(Debug)]
pub(crate) struct Executed {
    pub(crate) outcomes: Vec<Shown>,
    /// As they are after it.
    pub(crate) settings: Settings,
    pub(crate) refused: Option<Refusal>,
}

/// A materialized table that is watched.
pub(crate) struct WatchedView {
    pub(crate) view: Arc<View>,
    pub(crate) columns: Vec<Column>,
    /// When it was created: another one of its name was so at another time.
    pub(crate) created_ms: i64,
    /// Room for it.
    pub(crate) permit: OwnedSemaphorePermit,
}

/// A query that can be asked.
pub(crate) struct Asked {
    pub(crate) query: Query,
    pub(crate) columns: Vec<Column>,
    /// Room for it.
    pub(crate) permit: OwnedSemaphorePermit,
}

impl Service {
    /// Carries out a text. Not to be dropped half way.
    pub(crate) async fn execute(self: &Arc<Self>, request: Request) -> Executed {
        let Request { sql, settings, caller } = request;
        let mut executed = Executed { outcomes: Vec::new(), settings, refused: None };
        let parsed = match parse_script(&sql) {
            Ok(parsed) if parsed.len() > STATEMENTS_MAX => {
                let message = format!("a text has {STATEMENTS_MAX} statements at most");
                executed.refused = Some(Refusal::invalid(message));
                return executed;
            }
            Ok(parsed) => parsed,
            Err(error) => {
                executed.refused = Some(error.into());
                return executed;
            }
        };
        for parsed in parsed {
            let at = parsed.span.start;
            let outcome = self.carry_out(parsed, &mut executed.settings, &caller).await;
            match outcome.and_then(Shown::try_from) {
                Ok(outcome) => executed.outcomes.push(outcome),
                Err(refusal) => {
                    executed.refused = Some(refusal.at(at));
                    break;
                }
            }
        }
        executed
    }

    pub(crate) async fn carry_out(
        self: &Arc<Self>,
        parsed: Parsed,
        settings: &mut Settings,
        caller: &Caller,
    ) -> Result<Outcome, Refusal> {
        if self.is_closing() {
            return Err(Refusal::new(RefusalKind::Busy, "the server is shutting down"));
        }
        let text = parsed.text;
        match parsed.statement {
            Statement::Query(query) => self.answer(query, settings, caller).await,
            Statement::Insert(insert) => {
                if let Some(inserted) = self.insert_at_once(&insert, caller).await? {
                    return Ok(inserted);
                }
                let names = self.insert(vec![(insert, text)], settings, caller).await?;
                Ok(Outcome::Statement { name: names.concat() })
            }
            Statement::CreateTable(mut create) => match create.as_query.take() {
                Some(query) => self.create_table_as(*create, query, settings, caller).await,
                None => self.create_table(*create, text, caller).await,
            },
            Statement::CreateView(create) => self.create_view(create, text, caller).await,
            Statement::Drop(DropObject { kind: ObjectKind::Table, if_exists, name }) => {
                self.drop_table(&name, if_exists, caller).await
            }
            Statement::Drop(DropObject { kind: ObjectKind::View, if_exists, name }) => {
                self.drop_view(&name, if_exists, caller).await
            }
            Statement::Drop(DropObject { kind: ObjectKind::Statement, if_exists, name }) => {
                let name = levada_sql::table::name_of(&name)?;
                self.drop_statement(&name, if_exists, caller).await
            }
            Statement::Show(show) => self.show(&show, caller),
            Statement::Describe(name) => self.describe(&name, caller),
            Statement::Set(None) => Self::show_settings(settings),
            Statement::Set(Some((key, value))) => {
                settings.set(&key, &value)?;
                Ok(Outcome::done(format!("`{key}` is `{value}`")))
            }
            Statement::Reset(key) => {
                settings.reset(key.as_deref())?;
                Ok(Outcome::done(
                    key.map_or_else(|| "all settings are reset".to_owned(), |key| format!("`{key}` is reset")),
                ))
            }
            Statement::StartStatement(name) => self.start_statement(&name.value, caller).await,
            Statement::StopStatement(name) => self.stop_statement(&name.value, caller).await,
            Statement::StatementSet(inserts) => {
                self.check_continuous(&inserts, caller)?;
                let with_text = |insert: Insert| (insert.clone(), Statement::Insert(insert).to_string());
                let names = self.insert(inserts.into_iter().map(with_text).collect(), settings, caller).await?;
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                Ok(Outcome::done(format!("statements {} run", names.join(", "))))
            }
            Statement::CreateMaterializedTable(create) => {
                self.create_materialized(*create, text, settings, caller).await
            }
            Statement::Drop(DropObject { kind: ObjectKind::MaterializedTable, if_exists, name }) => {
                self.drop_materialized(&name, if_exists, caller).await
            }
            Statement::Explain(explain) => self.explain(explain, settings, caller),
        }
    }

    /// Answers a query once.
    async fn answer(&self, query: Box<ast::Query>, settings: &Settings, caller: &Caller) -> Result<Outcome, Refusal> {
        if settings.mode == Some(Mode::Streaming) {
            let refusal = Refusal::invalid("in streaming mode the answer to a query has no end");
            return Err(refusal.with_hint("ask /v1/sql/live, or SET 'execution.runtime-mode' = 'batch'"));
        }
        let _room = self.room()?;
        let query = self.query_of(query, caller)?;
        let (answer, _) = self.rows_of(&query, &[], settings.read_after(self.sleep()), caller).await?;
        Ok(Outcome::Rows(answer))
    }

    /// The answer to a query, of one version of a materialized table where it reads nothing else and a statement has
    /// that in memory, with the statement's epoch, and otherwise of one cut through the topics.
    pub(crate) async fn rows_of(
        &self,
        query: &Query,
        values: &[Value],
        mut read_after: ReadAfter,
        caller: &Caller,
    ) -> Result<(Answer, Option<u64>), Refusal> {
        self.check_places(&read_after, caller)?;
        let surroundings = self.surroundings(caller);
        let topics: BTreeSet<String> =
            query.tables.values().filter_map(|table| table.topic()).map(str::to_owned).collect();
        if let Some((name, view)) = self.view_of(query, caller)? {
            let mut versions = view.versions();
            if versions.borrow().is_some() {
                self.behind_statements(topics.clone(), &mut read_after).await?;
                let read = |version: &Option<Arc<Version>>| version.as_ref().map(|it| it.read().clone());
                let offsets = read_after.offsets.clone();
                until(&mut versions, &offsets, &mut read_after, read).await?;
                let version = versions.borrow().clone();
                if let Some(version) = version {
                    let epoch = Some(version.epoch());
                    let answer = query.of(&name, version, values, surroundings.state_size_max).await?;
                    return Ok((answer, epoch));
                }
            }
        }
        self.behind_statements(topics, &mut read_after).await?;
        let answer = query.answer(&surroundings, values, &mut read_after).await;
        match answer.is_err().then(|| self.replaced_one(&query.tables)).flatten() {
            Some(table) => {
                Err(Refusal::new(RefusalKind::Busy, format!("materialized table `{table}` was altered meanwhile"))
                    .with_hint("ask again"))
            }
            None => Ok((answer?, None)),
        }
    }

    /// That there is what is waited for.
    fn check_places(&self, read_after: &ReadAfter, caller: &Caller) -> Result<(), Refusal> {
        for (topic, partition) in read_after.offsets.keys() {
            if *partition >= self.handle().topic(caller, topic.as_str())?.partition_count {
                return Err(Refusal::invalid(format!("topic `{topic}` has no partition {partition} to be read after")));
            }
        }
        Ok(())
    }

    /// A materialized table that is watched from version to version.
    pub(crate) fn watched_view(&self, name: &str, caller: &Caller) -> Result<WatchedView, Refusal> {
        let Asked { query, columns, permit } = self.asked(lookup::all(name)?, caller)?;
        let Some((_, view)) = self.view_of(&query, caller)? else {
            let refusal = Refusal::invalid(format!("`{name}` is not kept in memory"));
            return Err(refusal.with_hint(format!("POST /v1/sql/live with SELECT * FROM `{name}`")));
        };
        let created_ms = self.catalog().tables.get(name).map_or(0, |entry| entry.definition.created_ms);
        Ok(WatchedView { view, columns, created_ms, permit })
    }

    /// The one table that a query reads, with its name, where it is a materialized one.
    fn view_of(&self, query: &Query, caller: &Caller) -> Result<Option<(String, Arc<View>)>, Refusal> {
        let Some((name, table)) = query.tables.first_key_value().filter(|_| query.tables.len() == 1) else {
            return Ok(None);
        };
        let catalog = self.catalog();
        // One that was altered since has other columns.
        let entry = catalog.tables.get(name).filter(|entry| entry.table.topic() == table.topic());
        let materialized = entry.and_then(|entry| entry.materialized());
        let running = materialized.and_then(|materialized| self.running(&materialized.statement));
        let Some(view) = running.and_then(|running| running.view().cloned()) else { return Ok(None) };
        // Whoever may read the topic may read what is in it.
        let Some(topic) = table.topic() else { return Ok(None) };
        self.handle().inputs(caller, &[self.handle().topic(caller, topic)?.name])?;
        Ok(Some((name.clone(), view)))
    }

    /// Room for a query, if there is some.
    pub(crate) fn room(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(self.queries()).try_acquire_owned().map_err(|_| {
            let refusal = Refusal::new(RefusalKind::Busy, "as many queries are asked as can be at once");
            refusal.with_hint("try again when others have ended")
        })
    }

    /// A query with the tables that it names, its views put in their places.
    pub(crate) fn query_of(&self, mut query: Box<ast::Query>, caller: &Caller) -> Result<Query, Refusal> {
        let catalog = self.catalog();
        views::expand(&mut query, &catalog.view_queries())?;
        let tables = self.tables_for(&query, &catalog, caller)?;
        Ok(Query { query, tables })
    }

    /// A query as it can be asked, if there is room.
    pub(crate) fn asked(&self, query: Box<ast::Query>, caller: &Caller) -> Result<Asked, Refusal> {
        let permit = self.room()?;
        let query = self.query_of(query, caller)?;
        let columns = query.columns()?;
        Ok(Asked { query, columns, permit })
    }

    /// The one query of a text, to be watched.
    pub(crate) fn watched(&self, request: &Request) -> Result<Asked, Refusal> {
        let parsed = levada_sql_syntax::parse_statement(&request.sql)?;
        let at = parsed.span.start;
        let Statement::Query(query) = parsed.statement else {
            return Err(Refusal::invalid("only a query can be watched").with_hint("ask /v1/sql").at(at));
        };
        self.asked(query, &request.caller).map_err(|refusal| refusal.at(at))
    }

    fn show_settings(settings: &Settings) -> Result<Outcome, Refusal> {
        let pairs: BTreeMap<String, String> = settings.pairs();
        Outcome::texts(["key", "value"], pairs.into_iter().map(|(key, value)| [Some(key), Some(value)]))
    }
}

/// Whether `caller` may change what `owner` defined.
pub(crate) fn may_change(caller: &Caller, owner: &str, what: &str) -> Result<(), Refusal> {
    if caller.principal.to_string() == owner {
        return Ok(());
    }
    Err(Refusal::new(RefusalKind::Denied, format!("{what} is `{owner}`'s, and only they may change it")))
}

/// A name of one part, with its place.
pub(crate) fn named(name: &ast::ObjectName) -> Result<(String, Position), Refusal> {
    let at = views::position(name);
    let read = levada_sql::table::name_of(name).map_err(|error| Refusal::from(error).at(at))?;
    Ok((read, at))
}
