//! What there is: the server itself, and its contexts.

use super::{
    Shared,
    answer::{Page, Query, Refusal},
    context::Asked,
};
use axum::{Json, Router, extract::Path, routing::get};
use levada_broker::auth::op;
use levada_schema::{Context, Registry, Subject};
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/", get(root).post(root))
        .route("/contexts", get(contexts))
        .route("/contexts/{context}", axum::routing::delete(delete_context))
        .route("/v1/metadata/id", get(id))
        .route("/v1/metadata/version", get(version))
        .route("/v1/metadata/deployment", get(deployment))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Params {
    context_prefix: String,
    #[serde(flatten)]
    page: Page,
}

async fn root() -> Json<Value> {
    Json(json!({}))
}

async fn contexts(asked: Asked, Query(params): Query<Params>) -> Result<Json<Value>, Refusal> {
    let registry = asked.registry()?;
    asked.may::<op::Describe>(None)?;
    let names = registry.contexts().into_iter().map(|context| context.to_string());
    let found: Vec<String> = names.filter(|name| name.starts_with(&params.context_prefix)).collect();
    Ok(Json(json!(params.page.of(found))))
}

async fn delete_context(asked: Asked, Path(name): Path<String>) -> Result<axum::http::StatusCode, Refusal> {
    asked.registry()?;
    let context = Context::named(name.trim_matches(':'));
    asked.may::<op::Delete>(Some(&Subject::of_context(context.clone())))?;
    let change = move |registry: &Registry| Ok((registry.delete_context(&context)?, ()));
    asked.shared.service.change(change).await?;
    Ok(axum::http::StatusCode::NO_CONTENT)
}

async fn id(asked: Asked) -> Result<Json<Value>, Refusal> {
    let cluster = asked.shared.broker.cluster().cluster_id;
    let scope = json!({ "path": [], "clusters": { "kafka-cluster": cluster.to_string(), "schema-registry-cluster": "schema-registry" } });
    Ok(Json(json!({ "scope": scope, "id": "" })))
}

async fn version() -> Json<Value> {
    // Clients ask which dialect is spoken, and take what they know of it.
    Json(json!({ "version": "8.0.0", "commitId": concat!("levada-", env!("CARGO_PKG_VERSION")) }))
}

async fn deployment() -> Json<Value> {
    Json(json!({ "attributes": ["opensource"] }))
}
