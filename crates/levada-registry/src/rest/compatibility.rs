//! `/compatibility`: whether a schema could be registered.

use super::{
    Shared,
    answer::{Body, Query, Refusal, off_the_loop},
    context::Asked,
    shapes::{SentSchema, flag},
};
use axum::{Json, Router, extract::Path, routing::post};
use levada_broker::auth::op;
use levada_schema::{Against, VersionId};
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/compatibility/subjects/{subject}/versions", post(against_subject))
        .route("/compatibility/subjects/{subject}/versions/{version}", post(against_version))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Params {
    #[serde(deserialize_with = "flag")]
    normalize: bool,
    #[serde(deserialize_with = "flag")]
    verbose: bool,
}

async fn against_subject(
    asked: Asked,
    Path(name): Path<String>,
    Query(params): Query<Params>,
    Body(sent): Body<SentSchema>,
) -> Result<Json<Value>, Refusal> {
    check(&asked, &name, Against::Subject, &params, sent).await
}

async fn against_version(
    asked: Asked,
    Path((name, version)): Path<(String, String)>,
    Query(params): Query<Params>,
    Body(sent): Body<SentSchema>,
) -> Result<Json<Value>, Refusal> {
    check(&asked, &name, Against::Version(VersionId::parse(&version)?), &params, sent).await
}

async fn check(
    asked: &Asked,
    name: &str,
    against: Against,
    params: &Params,
    sent: SentSchema,
) -> Result<Json<Value>, Refusal> {
    let (registry, subject) = asked.about::<op::Read>(name)?;
    let (schema, normalize) = (sent.read()?, params.normalize);
    let work = move || Ok(registry.check(&subject, &schema, against, normalize)?);
    let checked = off_the_loop(work).await?;
    let mut answer = json!({ "is_compatible": checked.is_compatible() });
    if let Some(members) = answer.as_object_mut().filter(|_| params.verbose) {
        members.insert("messages".to_owned(), json!(checked.messages));
    }
    Ok(Json(answer))
}
