//! Statements that run, and tables, as they are shown.

use super::{answer::Asker, shown::Shown};
use crate::{Refusal, catalog::State as Meant, service::Service};
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use levada_sql::statement::Progress;
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new()
        .route("/v1/statements", get(list))
        .route("/v1/statements/{name}", get(one).delete(delete))
        .route("/v1/statements/{name}/stop", post(stop))
        .route("/v1/statements/{name}/start", post(start))
        .route("/v1/tables", get(tables))
}

/// A statement as it is shown.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ShownStatement {
    pub(crate) name: String,
    pub(crate) sql: String,
    /// `running`, `stopped`, `failed`, or `dropping`.
    pub(crate) state: String,
    /// Why it failed, or waits to try again.
    pub(crate) error: Option<String>,
    owner: String,
    created_ms: i64,
    rows_read: u64,
    /// Rows read, over the last ten seconds.
    pub(crate) rows_per_second: f64,
    rows_written: u64,
    pub(crate) lag: i64,
    watermark: Option<i64>,
    /// The same as SQL shows times.
    #[serde(skip)]
    pub(crate) watermark_text: Option<String>,
    pub(crate) late_rows: u64,
    undecodable_records: u64,
    pub(crate) state_bytes: usize,
    epochs: u64,
}

impl Service {
    /// All statements, by name.
    pub(crate) fn shown_statements(&self) -> Vec<ShownStatement> {
        self.catalog().statements.keys().filter_map(|name| self.shown_statement(name)).collect()
    }

    fn shown_statement(&self, name: &str) -> Option<ShownStatement> {
        let catalog = self.catalog();
        let entry = catalog.statements.get(name)?;
        let running = self.running(name);
        let (mut state, mut error) = (entry.state(), entry.definition.error.clone());
        if state == Meant::Running {
            match &running {
                Some(running) if !running.has_ended() => error = running.trouble(),
                // It is being started, or the server ends.
                _ if self.tasks().try_lock().is_err() || self.is_closing() => {}
                // Its task is gone, and had no time to say why.
                _ => {
                    state = Meant::Failed;
                    error = Some("it ended without a reason; the server's log may say why".to_owned());
                }
            }
        }
        let progress = running.map_or_else(Progress::default, |running| running.progress());
        Some(ShownStatement {
            name: name.to_owned(),
            sql: entry.definition.sql.clone(),
            state: state.name().to_owned(),
            error,
            owner: entry.definition.owner.clone(),
            created_ms: entry.definition.created_ms,
            rows_read: progress.rows_read,
            rows_per_second: progress.rate.per_second(self.handle().now_ms()),
            rows_written: progress.rows_written,
            lag: progress.lag,
            watermark: progress.watermark,
            watermark_text: progress.watermark_text(),
            late_rows: progress.late_rows,
            undecodable_records: progress.undecodable_records,
            state_bytes: progress.state_bytes,
            epochs: progress.epochs,
        })
    }
}

async fn list(State(service): State<Arc<Service>>) -> Json<Vec<ShownStatement>> {
    Json(service.shown_statements())
}

async fn one(State(service): State<Arc<Service>>, Path(name): Path<String>) -> Result<Json<ShownStatement>, Refusal> {
    let shown = service.shown_statement(&name);
    shown.map(Json).ok_or_else(|| {
        let catalog = service.catalog();
        let known = catalog.statements.keys().map(String::as_str);
        Refusal::unknown(format!("there is no statement `{name}`")).with_nearest(&name, known)
    })
}

async fn delete(
    State(service): State<Arc<Service>>,
    Asker(caller): Asker,
    Path(name): Path<String>,
) -> Result<Json<Shown>, Refusal> {
    let work = |service: Arc<Service>| async move { service.drop_statement(&name, false, &caller).await };
    service.apart(work).await?.and_then(Shown::try_from).map(Json)
}

async fn stop(
    State(service): State<Arc<Service>>,
    Asker(caller): Asker,
    Path(name): Path<String>,
) -> Result<Json<Shown>, Refusal> {
    let work = |service: Arc<Service>| async move { service.stop_statement(&name, &caller).await };
    service.apart(work).await?.and_then(Shown::try_from).map(Json)
}

async fn start(
    State(service): State<Arc<Service>>,
    Asker(caller): Asker,
    Path(name): Path<String>,
) -> Result<Json<Shown>, Refusal> {
    let work = |service: Arc<Service>| async move { service.start_statement(&name, &caller).await };
    service.apart(work).await?.and_then(Shown::try_from).map(Json)
}

async fn tables(State(service): State<Arc<Service>>, Asker(caller): Asker) -> Json<Vec<Value>> {
    service.settled().await;
    let catalog = service.catalog();
    let table = catalog.tables.iter().map(|(name, entry)| {
        let columns: Vec<&str> = entry.create.columns.iter().map(|column| column.name().value.as_str()).collect();
        json!({ "name": name, "kind": "table", "topic": entry.table.topic(), "columns": columns, "sql": entry.definition.sql })
    });
    let views = catalog.views.iter();
    let view = views.map(|(name, entry)| json!({ "name": name, "kind": "view", "sql": entry.definition.sql }));
    let undeclared = service.undeclared_topics(&catalog, &caller).into_iter();
    let topic = undeclared.map(|name| {
        // One whose schemas make no table is there all the same.
        let table = service.undeclared(&name, &catalog, &caller);
        let attributes = table.as_ref().map(|table| table.attributes()).unwrap_or_default();
        let columns: Vec<String> = attributes.into_iter().map(|(column, _)| column).collect();
        let error = table.err().map(|refusal| refusal.message);
        let mut shown = json!({ "name": name, "kind": "topic", "topic": name, "columns": columns });
        if let Some((error, Value::Object(members))) = error.zip(Some(&mut shown)) {
            members.insert("error".to_owned(), error.into());
        }
        shown
    });
    Json(table.chain(view).chain(topic).collect())
}
