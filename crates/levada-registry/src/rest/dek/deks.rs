//! `/keks/{name}/deks`: DEKs.

use super::{
    super::{
        Shared,
        answer::{Body, Problem, Query, Refusal},
        context::Asked,
    },
    about_dek, about_kek,
    shapes::{self, Params, SentDek},
};
use axum::{
    Json, Router,
    extract::Path,
    http::StatusCode,
    routing::{get, post},
};
use levada_broker::auth::op;
use levada_schema::{
    VersionId,
    dek::{Error, Keys},
};
use serde_json::{Value, json};

pub(super) fn routes() -> Router<Shared> {
    const DEKS: &str = "/dek-registry/v1/keks/{name}/deks";
    let at = |rest: &str| format!("{DEKS}{rest}");
    Router::new()
        .route(DEKS, get(subjects).post(create))
        .route(&at("/{subject}"), get(first).post(create_for).delete(delete_all))
        .route(&at("/{subject}/undelete"), post(undelete_all))
        .route(&at("/{subject}/versions"), get(versions))
        .route(&at("/{subject}/versions/{version}"), get(dek).delete(delete))
        .route(&at("/{subject}/versions/{version}/undelete"), post(undelete))
}

fn version(text: &str) -> Result<VersionId, Error> {
    VersionId::parse(text).map_err(Error::Version)
}

async fn subjects(
    asked: Asked,
    Path(name): Path<String>,
    Query(params): Query<Params>,
) -> Result<Json<Value>, Refusal> {
    let (keys, name) = about_kek::<op::Describe>(&asked, &name)?;
    keys.kek(&name, params.deleted())?;
    Ok(Json(json!(params.page.of(keys.subjects(&name, params.deleted())))))
}

async fn versions(
    asked: Asked,
    Path((kek, subject)): Path<(String, String)>,
    Query(params): Query<Params>,
) -> Result<Json<Value>, Refusal> {
    let (keys, place) = about_dek::<op::Describe>(&asked, &kek, &subject, params.algorithm.as_deref())?;
    keys.kek(&place.kek, params.deleted())?;
    let numbers = keys.versions(&place, params.deleted()).map(|dek| dek.id.version);
    Ok(Json(json!(params.page.of(numbers))))
}

fn shown(asked: &Asked, kek: &str, subject: &str, id: VersionId, params: &Params) -> Result<Json<Value>, Refusal> {
    let (keys, place) = about_dek::<op::Read>(asked, kek, subject, params.algorithm.as_deref())?;
    keys.kek(&place.kek, params.deleted())?;
    Ok(Json(shapes::dek(keys.dek(&place, id, params.deleted())?)))
}

/// The first version: what clients without a notion of versions have.
async fn first(
    asked: Asked,
    Path((kek, subject)): Path<(String, String)>,
    Query(params): Query<Params>,
) -> Result<Json<Value>, Refusal> {
    shown(&asked, &kek, &subject, VersionId::Number(1), &params)
}

async fn dek(
    asked: Asked,
    Path((kek, subject, number)): Path<(String, String, String)>,
    Query(params): Query<Params>,
) -> Result<Json<Value>, Refusal> {
    shown(&asked, &kek, &subject, version(&number)?, &params)
}

async fn create(
    asked: Asked,
    Path(kek): Path<String>,
    Query(params): Query<Params>,
    Body(sent): Body<SentDek>,
) -> Result<Json<Value>, Refusal> {
    let subject = sent.subject.clone().unwrap_or_default();
    made(&asked, &kek, &subject, &params, sent).await
}

async fn create_for(
    asked: Asked,
    Path((kek, subject)): Path<(String, String)>,
    Query(params): Query<Params>,
    Body(sent): Body<SentDek>,
) -> Result<Json<Value>, Refusal> {
    if sent.subject.as_ref().is_some_and(|name| asked.named(name) != asked.named(&subject)) {
        return Err(Problem::Malformed("`subject` is another than the path's".to_owned()).into());
    }
    made(&asked, &kek, &subject, &params, sent).await
}

async fn made(asked: &Asked, kek: &str, subject: &str, params: &Params, sent: SentDek) -> Result<Json<Value>, Refusal> {
    let (_, place) = about_dek::<op::Write>(asked, kek, subject, sent.algorithm.as_deref())?;
    let new = sent.read(place, params.rewrap)?;
    let made = asked.shared.keys.change_at(|keys: &Keys, now| keys.create_dek(new, now)).await?;
    Ok(Json(shapes::dek(&made)))
}

async fn delete_all(
    asked: Asked,
    Path((kek, subject)): Path<(String, String)>,
    Query(params): Query<Params>,
) -> Result<StatusCode, Refusal> {
    let (_, place) = about_dek::<op::Delete>(&asked, &kek, &subject, params.algorithm.as_deref())?;
    let change = move |keys: &Keys| Ok((keys.delete_deks(&place, params.permanent)?, ()));
    asked.shared.keys.change(change).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete(
    asked: Asked,
    Path((kek, subject, number)): Path<(String, String, String)>,
    Query(params): Query<Params>,
) -> Result<StatusCode, Refusal> {
    let (_, place) = about_dek::<op::Delete>(&asked, &kek, &subject, params.algorithm.as_deref())?;
    let id = version(&number)?;
    let change = move |keys: &Keys| Ok((keys.delete_dek(&place, id, params.permanent)?, ()));
    asked.shared.keys.change(change).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn undelete_all(
    asked: Asked,
    Path((kek, subject)): Path<(String, String)>,
    Query(params): Query<Params>,
) -> Result<StatusCode, Refusal> {
    let (_, place) = about_dek::<op::Write>(&asked, &kek, &subject, params.algorithm.as_deref())?;
    asked.shared.keys.change(move |keys: &Keys| Ok((keys.undelete_deks(&place)?, ()))).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn undelete(
    asked: Asked,
    Path((kek, subject, number)): Path<(String, String, String)>,
    Query(params): Query<Params>,
) -> Result<StatusCode, Refusal> {
    let (_, place) = about_dek::<op::Write>(&asked, &kek, &subject, params.algorithm.as_deref())?;
    let id = version(&number)?;
    asked.shared.keys.change(move |keys: &Keys| Ok((keys.undelete_dek(&place, id)?, ()))).await?;
    Ok(StatusCode::NO_CONTENT)
}
