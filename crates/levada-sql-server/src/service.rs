//! [`Service`]: the owner of the definitions, and of the tasks of statements.
//!
//! A change is decided on what is there, written, and taken in when it is durable; one at a time. Whoever asks for one
//! does so in a task of its own, which nobody drops half way.

mod building;
mod going;

use crate::{
    Refusal,
    catalog::{Catalog, Definition, Key, Kind, Record, State, StatementEntry},
    running::{Alive, Running},
    session::relations::ViewColumns,
    settings::Aside,
    undeclared::{self, Kept},
};
use levada_model::Str;
use levada_sql::{
    Statement, Table, View, Writers,
    format::SchemaSource,
    statement::{LateRows, OnError, Sleep, Surroundings},
};
use levada_sql_syntax::Insert;
use levada_stream::{Caller, Handle, HandleError, Hold, Principal, Writer};
use parking_lot::{Mutex, RwLock};
use std::{collections::BTreeMap, pin::Pin, sync::Arc, time::Duration};
use tokio::sync::{Semaphore, oneshot, watch};

/// Queries that are watched at once, or answered.
const QUERIES_MAX: usize = 64;
/// Statements, tables and views, of each kind.
const DEFINITIONS_MAX: usize = 10_000;

/// The pause until something is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// Starts a task on the threads of SQL, under a name.
pub type Spawn = Arc<dyn Fn(&'static str, Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync>;

/// What a service works with.
#[derive(Clone)]
pub struct Parts {
    /// The broker.
    pub handle: Handle,
    /// Starts tasks: each statement is one.
    pub spawn: Spawn,
    /// Time passes.
    pub sleep: Sleep,
    /// The most bytes that a statement or a query may remember.
    pub state_size_max: usize,
    /// Where schemas come from, and where they are registered, if there is a registry.
    pub schemas: Option<Arc<dyn SchemaSource>>,
}

/// Definitions of tables, views and statements, kept in a topic; and the statements, which run.
pub struct Service {
    parts: Parts,
    topic: levada_stream::Catalog,
    catalog: RwLock<Arc<Catalog>>,
    running: Mutex<BTreeMap<String, Arc<Running>>>,
    changing: tokio::sync::Mutex<()>,
    /// Held by who starts or ends a statement's task: of each there is one.
    tasks: tokio::sync::Mutex<()>,
    /// Writes rows that are inserted at once.
    writer: tokio::sync::Mutex<Writer>,
    /// How often another materialized table took the place of one.
    replaced: watch::Sender<u64>,
    closing: watch::Sender<bool>,
    queries: Arc<Semaphore>,
    view_columns: Mutex<ViewColumns>,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("statements", &self.catalog().statements.len()).finish_non_exhaustive()
    }
}

impl Service {
    /// Reads the definitions, and starts the statements that are to run.
    ///
    /// # Errors
    /// Where the definitions cannot be read.
    pub async fn start(parts: Parts) -> Result<Arc<Self>, HandleError> {
        // What running statements need is kept until each has seen to that itself.
        let hold = Arc::new(parts.handle.hold_all());
        let topic = parts.handle.catalog()?;
        let catalog = read(&topic).await?;
        let writer = tokio::sync::Mutex::new(parts.handle.writer());
        let service = Arc::new(Self {
            parts,
            topic,
            catalog: RwLock::new(Arc::new(catalog)),
            running: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            tasks: tokio::sync::Mutex::default(),
            writer,
            replaced: watch::Sender::new(0),
            closing: watch::Sender::new(false),
            queries: Arc::new(Semaphore::new(QUERIES_MAX)),
            view_columns: Mutex::default(),
        });
        let left = Arc::clone(&service);
        (service.parts.spawn)("sql-insert", Box::pin(async move { left.abort_what_is_left().await }));
        let names: Vec<String> = service.catalog().statements.keys().cloned().collect();
        for name in &names {
            // What is dropped may take others along.
            let Some(entry) = service.catalog().statements.get(name).cloned() else { continue };
            match entry.state() {
                State::Running => service.launch(name, &entry, Some(Arc::clone(&hold))).await,
                State::Dropping => {
                    if let Err(error) = service.finish_drop(name).await {
                        tracing::warn!(statement = name, %error, "a statement that was dropped is not gone yet");
                    }
                }
                State::Stopped | State::Failed => {}
            }
        }
        service.look_after_all();
        Ok(service)
    }

    /// Aborts an insertion that the last life ended in the middle of: it stands in the way of whoever reads.
    async fn abort_what_is_left(&self) {
        while !self.is_closing() {
            match self.writer.lock().await.abort_what_is_left().await {
                Ok(()) => return,
                Err(error) => tracing::debug!(%error, "what was inserted last is not looked after yet"),
            }
            (self.parts.sleep)(PAUSE).await;
        }
    }

    /// Ends all statements after their epochs; they run again at the next start.
    pub async fn close(&self) {
        self.closing.send_replace(true);
        let all = || self.running.lock().values().cloned().collect::<Vec<_>>();
        all().iter().for_each(|running| running.stop());
        // Who was about to start one has done so then, and nobody does later.
        let _alone = self.tasks.lock().await;
        let running = all();
        running.iter().for_each(|running| running.stop());
        for running in running {
            running.ended().await;
        }
    }

    /// Resolves when the service ends.
    pub async fn closed(&self) {
        // Whoever closes it is gone where it fails.
        drop(self.closing().wait_for(|closing| *closing).await);
    }

    pub(crate) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// Shows when the service ends.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog.read())
    }

    pub(crate) const fn parts(&self) -> &Parts {
        &self.parts
    }

    pub(crate) const fn handle(&self) -> &Handle {
        &self.parts.handle
    }

    pub(crate) const fn schemas(&self) -> Option<&Arc<dyn SchemaSource>> {
        self.parts.schemas.as_ref()
    }

    pub(crate) const fn sleep(&self) -> &Sleep {
        &self.parts.sleep
    }

    pub(crate) const fn spawner(&self) -> &Spawn {
        &self.parts.spawn
    }

    /// Does work on the threads of SQL, to its end, also where whoever asks goes away.
    pub(crate) async fn apart<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(Arc<Self>) -> F,
    ) -> Result<T, Refusal> {
        let (tell, told) = oneshot::channel();
        let (service, work) = (Arc::clone(self), work(Arc::clone(self)));
        (self.parts.spawn)(
            "sql-request",
            Box::pin(async move {
                service.settled().await;
                // Whoever asked may be gone.
                drop(tell.send(work.await));
            }),
        );
        told.await.map_err(|_| Refusal::internal("the request came to nothing; the server's log says why"))
    }

    /// The same of work that changes nothing, which ends where it can when nobody waits for it.
    pub(crate) async fn apart_while_asked<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(Arc<Self>) -> F,
    ) -> Result<T, Refusal> {
        let (mut tell, told) = oneshot::channel();
        let service = Arc::clone(self);
        let work = work(Arc::clone(self));
        let work = async move {
            service.settled().await;
            work.await
        };
        (self.parts.spawn)(
            "sql-request",
            Box::pin(async move {
                let done = tokio::select! {
                    done = work => Some(done),
                    () = tell.closed() => None,
                };
                if let Some(done) = done {
                    drop(tell.send(done));
                }
            }),
        );
        told.await.map_err(|_| Refusal::internal("the request came to nothing; the server's log says why"))
    }

    /// Room for queries.
    pub(crate) const fn queries(&self) -> &Arc<Semaphore> {
        &self.queries
    }

    pub(crate) const fn view_columns(&self) -> &Mutex<ViewColumns> {
        &self.view_columns
    }

    pub(crate) fn surroundings(&self, caller: &Caller) -> Surroundings {
        let Parts { handle, sleep, state_size_max, schemas, .. } = &self.parts;
        Surroundings {
            handle: handle.clone(),
            caller: caller.clone(),
            sleep: Arc::clone(sleep),
            state_size_max: *state_size_max,
            schemas: schemas.clone(),
        }
    }

    /// To be held while a statement's task is started or ended.
    pub(crate) const fn tasks(&self) -> &tokio::sync::Mutex<()> {
        &self.tasks
    }

    pub(crate) const fn writer(&self) -> &tokio::sync::Mutex<Writer> {
        &self.writer
    }

    /// The task of a statement, if it was started.
    pub(crate) fn running(&self, name: &str) -> Option<Arc<Running>> {
        self.running.lock().get(name).cloned()
    }

    /// Decides a change on what is there; resolves when it is durable. Not to be dropped half way.
    pub(crate) async fn change(
        &self,
        decide: impl FnOnce(&Catalog) -> Result<Vec<Record>, Refusal> + Send,
    ) -> Result<(), Refusal> {
        let _one_at_a_time = self.changing.lock().await;
        let mut after = Catalog::clone(&self.catalog());
        let records = decide(&after)?;
        let mut encoded = Vec::with_capacity(records.len());
        for record in &records {
            after.apply(record).map_err(Refusal::invalid)?;
            encoded.push(record.encode().map_err(|error| Refusal::internal(error.to_string()))?);
        }
        if [after.tables.len(), after.views.len(), after.statements.len()].iter().any(|&count| count > DEFINITIONS_MAX)
        {
            let refusal =
                Refusal::new(crate::RefusalKind::Busy, format!("there are {DEFINITIONS_MAX} of them already"));
            return Err(refusal.with_hint("drop some"));
        }
        if encoded.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.topic.write(encoded).await {
            // What is there after all shows only in the topic.
            match read(&self.topic).await {
                Ok(catalog) => *self.catalog.write() = Arc::new(catalog),
                Err(error) => tracing::error!(%error, "the definitions of SQL cannot be read back"),
            }
            return Err(Refusal::internal(format!("it could not be kept: {error}")));
        }
        *self.catalog.write() = Arc::new(after);
        Ok(())
    }

    /// Starts a statement's task; where it cannot even be set up, it is kept as failed.
    pub(crate) async fn launch(self: &Arc<Self>, name: &str, entry: &StatementEntry, hold: Option<Arc<Hold>>) {
        if self.is_closing() {
            return;
        }
        let catalog = self.catalog();
        let view = catalog.filled_by(name).and_then(|table| match View::of(table) {
            Ok(view) => view,
            Err(error) => {
                tracing::warn!(statement = name, %error, "what it writes is read from its topic");
                None
            }
        });
        let (running, alive) = Running::new(view.clone());
        self.running.lock().insert(name.to_owned(), Arc::clone(&running));
        let owner = owner(&entry.definition.owner);
        let statement = entry.insert.as_deref().map(|insert| {
            let Definition { settings, topics, schemas, .. } = &entry.definition;
            let statement = self.statement(name, insert, &catalog, (&owner, Some(topics)))?;
            Ok(Aside::of(settings)?.with(Statement { writers: *schemas, view, ..statement }))
        });
        match statement {
            Some(Ok(statement)) => {
                let task = supervise(Arc::clone(self), running, alive, statement, owner, hold);
                (self.parts.spawn)("sql-statement", Box::pin(task));
            }
            Some(Err::<_, Refusal>(refusal)) => {
                drop(alive);
                self.set_state(name, State::Failed, Some(refusal.to_string())).await;
            }
            // It is shown as failed already.
            None => drop(alive),
        }
    }

    /// A statement as the engine runs it, where nothing was set; with tables that nobody declared as they were kept.
    pub(crate) fn statement(
        &self,
        name: &str,
        insert: &Insert,
        catalog: &Catalog,
        (caller, kept): (&Caller, Option<&Kept>),
    ) -> Result<Statement, Refusal> {
        let mut query = insert.query.clone();
        crate::views::expand(&mut query, &catalog.view_queries())?;
        let sink = levada_sql::table::name_of(&insert.table)?;
        let unknown = || Refusal::unknown(format!("there is no table `{sink}`"));
        let sink = catalog.sink(name, insert).ok_or_else(unknown)?;
        let columns = insert.columns.iter().map(|column| column.value.clone()).collect();
        let tables = self.tables_kept(&query, catalog, (caller, kept))?;
        let (name, sink, writers) = (name.to_owned(), Arc::clone(sink), Writers::default());
        let (on_error, late_rows) = (OnError::default(), LateRows::default());
        Ok(Statement { name, query, columns, tables, sink, on_error, late_rows, writers, view: None })
    }

    /// The tables that a query of tables alone names: those that were declared, and topics as they are.
    pub(crate) fn tables_for(
        &self,
        query: &levada_sql_syntax::ast::Query,
        catalog: &Catalog,
        caller: &Caller,
    ) -> Result<BTreeMap<String, Arc<Table>>, Refusal> {
        self.tables_kept(query, catalog, (caller, None))
    }

    /// The same, where some were kept that nobody declared.
    fn tables_kept(
        &self,
        query: &levada_sql_syntax::ast::Query,
        catalog: &Catalog,
        (caller, kept): (&Caller, Option<&Kept>),
    ) -> Result<BTreeMap<String, Arc<Table>>, Refusal> {
        let names = crate::views::names(query)?;
        let mut tables = BTreeMap::new();
        for (name, position) in &names.tables {
            let text = kept.and_then(|kept| kept.get(name));
            let table = match (text, catalog.tables.get(name)) {
                (Some(text), _) => undeclared::kept_table(text),
                (None, Some(entry)) => Ok(Arc::clone(&entry.table)),
                (None, None) if names.with.contains(name) => continue,
                (None, None) if kept.is_some() => self.as_bytes(name, catalog, caller),
                (None, None) => self.undeclared(name, catalog, caller),
            };
            tables.insert(name.clone(), table.map_err(|refusal| refusal.at(*position))?);
        }
        Ok(tables)
    }

    /// Keeps a statement's state, if there still is such a statement.
    pub(crate) async fn set_state(&self, name: &str, state: State, error: Option<String>) {
        let changed = self.change(|catalog| Ok(with_state(catalog, name, state, error).into_iter().collect())).await;
        if let Err(error) = changed {
            tracing::error!(statement = name, %error, "the state of a statement is not kept");
        }
    }

    /// Ends a statement's task, and waits for that.
    pub(crate) async fn end(&self, name: &str) {
        if let Some(running) = self.running(name) {
            running.stop();
            running.ended().await;
        }
    }
}

/// All definitions that the topic has.
async fn read(topic: &levada_stream::Catalog) -> Result<Catalog, HandleError> {
    let mut catalog = Catalog::default();
    for (key, value) in topic.read().await? {
        let applied = match Record::decode(&key, value.as_deref()) {
            Ok(record) => catalog.apply(&record),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = applied {
            let key = String::from_utf8_lossy(&key);
            tracing::warn!(%key, error, "a definition of SQL is not understood");
        }
    }
    Ok(catalog)
}

/// Runs a statement to its end, and keeps why it failed.
async fn supervise(
    service: Arc<Service>,
    running: Arc<Running>,
    alive: Alive,
    statement: Statement,
    owner: Caller,
    hold: Option<Arc<Hold>>,
) {
    let surroundings = service.surroundings(&owner);
    tracing::info!(statement = statement.name, "a statement runs");
    match running.run(&statement, &surroundings, hold).await {
        Ok(()) => tracing::info!(statement = statement.name, "a statement ended"),
        Err(error) => {
            tracing::error!(statement = statement.name, %error, "a statement failed");
            service.set_state(&statement.name, State::Failed, Some(error.to_string())).await;
        }
    }
    // Only now: whoever waits for its end may change its state then.
    drop(alive);
}

/// The record that gives a statement another state; none where it is being dropped or not there.
pub(crate) fn with_state(catalog: &Catalog, name: &str, state: State, error: Option<String>) -> Option<Record> {
    let entry = catalog.statements.get(name).filter(|entry| entry.state() != State::Dropping)?;
    let value = Definition { state: Some(state), error, ..entry.definition.clone() };
    Some(Record { key: Key { kind: Kind::Statement, name: name.to_owned() }, value: Some(value) })
}

/// In whose name a statement runs.
pub(crate) fn owner(text: &str) -> Caller {
    let (kind, name) = text.split_once(':').unwrap_or(("User", text));
    let principal = Principal { kind: Str::from(kind.to_owned()), name: Str::from(name.to_owned()) };
    Caller { principal, client_id: "sql".into(), client_host: Str::default() }
}

/// A name as it stands in a text.
pub(crate) fn quoted(name: &str) -> String {
    format!("`{name}`")
}
