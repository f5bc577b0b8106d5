//! The HTTP face: `/health/live`, `/health/ready` and `/metrics`.
//!
//! What is healthy and what is counted, others know: they hand in [`Faces`]. Everything else is a 404 in
//! JSON that says what there is.

mod listener;
mod metrics;

pub(crate) use metrics::{Metric, MetricKind, render};

pub(crate) use listener::BoundedListener;

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use std::{future::Future, sync::Arc, time::Duration};

/// A connection without traffic for this long is closed.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// Whether clients can be served, or why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// Clients are served.
    Ready,
    /// The reason, for operators.
    Unready(String),
}

/// What the HTTP face shows of the broker.
#[derive(Clone)]
pub(crate) struct Faces {
    /// Asked at each `/health/ready`.
    pub(crate) readiness: Arc<dyn Fn() -> Readiness + Send + Sync>,
    /// Asked at each `/metrics`, in Prometheus' text format.
    pub(crate) metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

/// Serves `listener` until `shutdown` resolves and the requests in flight are answered.
///
/// # Errors
/// What the listener fails with.
pub(crate) async fn serve(
    listener: tokio::net::TcpListener,
    faces: Faces,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let listener = BoundedListener::new(listener, IDLE_MAX);
    axum::serve(listener, router(faces)).with_graceful_shutdown(shutdown).await
}

fn router(faces: Faces) -> Router {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .fallback(missing)
        .method_not_allowed_fallback(wrong_method)
        .with_state(faces)
}

async fn live() -> Response {
    Json(json!({ "status": "live" })).into_response()
}

async fn ready(State(faces): State<Faces>) -> Response {
    match (faces.readiness)() {
        Readiness::Ready => Json(json!({ "status": "ready" })).into_response(),
        Readiness::Unready(reason) => {
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "status": "not ready", "reason": reason }))).into_response()
        }
    }
}

async fn metrics(State(faces): State<Faces>) -> Response {
    let text = (faces.metrics)();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

const HINT: &str = "GET /health/live, /health/ready or /metrics";

async fn missing(uri: Uri) -> Response {
    let error = format!("nothing is at `{}`", uri.path());
    (StatusCode::NOT_FOUND, Json(json!({ "error": error, "hint": HINT }))).into_response()
}

async fn wrong_method() -> Response {
    let body = json!({ "error": "this method is not allowed here", "hint": HINT });
    (StatusCode::METHOD_NOT_ALLOWED, Json(body)).into_response()
}

#[cfg(test)]
mod tests;
