//! Carrying out a text of SQL, one statement after the other.

mod create_as;
mod define;
mod explain;
mod show;
mod statements;

use crate::{
    Refusal, RefusalKind,
    service::Service,
    settings::{Mode, Settings},
    views,
};
use bytes::Bytes;
use levada_sql::query::{Column, Query, Rows};
use levada_sql_syntax::{DropObject, Insert, ObjectKind, Parsed, Position, Statement, ast, parse_script};
use levada_stream::Caller;
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use std::{collections::BTreeMap, sync::Arc};
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
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// An answer.
    Rows { columns: Vec<ShownColumn>, rows: Vec<Box<RawValue>> },
    /// It is done.
    Done { message: String },
    /// A statement runs from now on.
    Statement { name: String },
}

/// A column of an answer.
#[derive(Debug, Serialize)]
pub(crate) struct ShownColumn {
    name: String,
    r#type: String,
}

impl From<Column> for ShownColumn {
    fn from(Column { name, of }: Column) -> Self {
        Self { name, r#type: of.to_string() }
    }
}

impl Outcome {
    fn done(message: impl Into<String>) -> Self {
        Self::Done { message: message.into() }
    }

    /// Rows of texts.
    fn texts<const N: usize>(columns: [&str; N], rows: impl IntoIterator<Item = [Option<String>; N]>) -> Self {
        let shown = |name: &str| ShownColumn { name: name.to_owned(), r#type: "STRING".to_owned() };
        let row = |cells: [Option<String>; N]| {
            let cells = columns
                .iter()
                .zip(cells)
                .map(|(name, cell)| ((*name).to_owned(), cell.map_or(Value::Null, Value::String)));
            serde_json::value::to_raw_value(&cells.collect::<serde_json::Map<_, _>>()).ok()
        };
        Self::Rows {
            columns: columns.iter().map(|name| shown(name)).collect(),
            rows: rows.into_iter().filter_map(row).collect(),
        }
    }
}

/// What a request came to, up to the first statement that was refused.
#[derive(Debug)]
pub(crate) struct Executed {
    pub(crate) outcomes: Vec<Outcome>,
    /// As they are after it.
    pub(crate) settings: Settings,
    pub(crate) refused: Option<Refusal>,
}

/// A query that can be asked.
pub(crate) struct Asked {
    pub(crate) query: Query,
    pub(crate) columns: Vec<ShownColumn>,
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
            match self.carry_out(parsed, &mut executed.settings, &caller).await {
                Ok(outcome) => executed.outcomes.push(outcome),
                Err(refusal) => {
                    executed.refused = Some(refusal.at(at));
                    break;
                }
            }
        }
        executed
    }

    async fn carry_out(
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
            Statement::Set(None) => Ok(Self::show_settings(settings)),
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
                let with_text = |insert: Insert| (insert.clone(), Statement::Insert(insert).to_string());
                let names = self.insert(inserts.into_iter().map(with_text).collect(), settings, caller).await?;
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                Ok(Outcome::done(format!("statements {} run", names.join(", "))))
            }
            Statement::CreateMaterializedTable(_)
            | Statement::Drop(DropObject { kind: ObjectKind::MaterializedTable, .. }) => {
                let refusal = Refusal::invalid("materialized tables are not supported yet");
                Err(refusal.with_hint("CREATE TABLE and INSERT INTO come to the same"))
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
        let Asked { query, columns, permit: _permit } = self.asked(query, caller)?;
        let Rows { rows } = query.once(&self.surroundings(caller)).await?;
        let mut shown = Vec::with_capacity(rows.len());
        for (weight, row) in rows {
            let row = raw(&row)?;
            (0..weight).for_each(|_| shown.push(row.clone()));
        }
        Ok(Outcome::Rows { columns, rows: shown })
    }

    /// A query as it can be asked, if there is room.
    pub(crate) fn asked(&self, mut query: Box<ast::Query>, caller: &Caller) -> Result<Asked, Refusal> {
        let permit = Arc::clone(self.queries()).try_acquire_owned().map_err(|_| {
            let refusal = Refusal::new(RefusalKind::Busy, "as many queries are asked as can be at once");
            refusal.with_hint("try again when others have ended")
        })?;
        let catalog = self.catalog();
        views::expand(&mut query, &catalog.view_queries())?;
        let tables = self.tables_for(&query, &catalog, caller)?;
        let query = Query { query, tables };
        let columns = query.columns()?.into_iter().map(ShownColumn::from).collect();
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

    fn show_settings(settings: &Settings) -> Outcome {
        let pairs: BTreeMap<String, String> = settings.pairs();
        Outcome::texts(["key", "value"], pairs.into_iter().map(|(key, value)| [Some(key), Some(value)]))
    }
}

/// A row as it was encoded.
pub(crate) fn raw(row: &Bytes) -> Result<Box<RawValue>, Refusal> {
    serde_json::from_slice(row).map_err(|error| Refusal::internal(format!("a row is no JSON: {error}")))
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
