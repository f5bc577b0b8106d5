//! Rows of a table or view, by the values of columns.

use super::{answer::Asker, shown::ShownAnswer};
use crate::{Refusal, service::Service, settings::Settings};
use axum::{
    Json, Router,
    extract::{Path, Query, State},
    routing::get,
};
use std::sync::Arc;

/// What stands beside columns in a path's query.
const READ_AFTER: (&str, &str) = ("read_after", "sql.read-after");
const TIMEOUT: (&str, &str) = ("timeout", "sql.read-after.timeout");

pub(super) fn routes() -> Router<Arc<Service>> {
    Router::new().route("/v1/views/{name}", get(rows))
}

async fn rows(
    State(service): State<Arc<Service>>,
    Path(name): Path<String>,
    Query(pairs): Query<Vec<(String, String)>>,
    Asker(caller): Asker,
) -> Result<Json<ShownAnswer>, Refusal> {
    let (mut settings, mut values) = (Settings::default(), Vec::new());
    for (key, value) in pairs {
        match [READ_AFTER, TIMEOUT].into_iter().find(|(short, _)| *short == key) {
            Some((_, setting)) => settings.set(setting, &value)?,
            None => values.push((key, value)),
        }
    }
    let work = |service: Arc<Service>| async move { service.rows_with(&name, values, &settings, &caller).await };
    service.apart(work).await?.and_then(ShownAnswer::try_from).map(Json)
}
