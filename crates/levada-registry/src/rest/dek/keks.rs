//! `/keks`: KEKs.

use super::{
    super::{
        Shared,
        answer::{Body, Query, Refusal},
        context::Asked,
    },
    about_kek,
    shapes::{self, Params, SentKek, SentKekUpdate},
};
use axum::{
    Json, Router,
    extract::Path,
    http::StatusCode,
    routing::{get, post},
};
use levada_broker::auth::op;
use levada_schema::dek::{Error, KekName, Keys};
use serde_json::{Value, json};

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/dek-registry/v1/keks", get(list).post(create))
        .route("/dek-registry/v1/keks/{name}", get(kek).put(update).delete(delete))
        .route("/dek-registry/v1/keks/{name}/undelete", post(undelete))
        .route("/dek-registry/v1/keks/{name}/test", post(test))
}

async fn list(
    asked: Asked,
    Query(params): Query<Params>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, Refusal> {
    let keys = asked.keys()?;
    asked.may_kek::<op::Describe>(None)?;
    let prefixes = pairs.into_iter().filter(|(name, _)| name == "subjectPrefix");
    // A name without a context is of the request's, and so is a prefix.
    let qualified = |prefix: String| if prefix.starts_with(":.") { prefix } else { asked.named(&prefix).qualified() };
    let prefixes: Vec<String> = prefixes.map(|(_, prefix)| qualified(prefix)).collect();
    let names: Vec<String> = if prefixes.is_empty() {
        keys.kek_names(params.deleted()).map(KekName::to_string).collect()
    } else {
        keys.kek_names_by_subject(&prefixes, params.deleted()).iter().map(KekName::to_string).collect()
    };
    Ok(Json(json!(params.page.of(names))))
}

async fn kek(asked: Asked, Path(name): Path<String>, Query(params): Query<Params>) -> Result<Json<Value>, Refusal> {
    let (keys, name) = about_kek::<op::Read>(&asked, &name)?;
    Ok(Json(shapes::kek(keys.kek(&name, params.deleted())?)))
}

async fn create(asked: Asked, Query(params): Query<Params>, Body(sent): Body<SentKek>) -> Result<Json<Value>, Refusal> {
    let (_, name) = about_kek::<op::Write>(&asked, sent.name.as_deref().unwrap_or_default())?;
    if params.test_sharing {
        return Err(Error::NoKms.into());
    }
    let new = sent.read(name)?;
    let made = asked.shared.keys.change_at(|keys: &Keys, now| keys.create_kek(new, now)).await?;
    Ok(Json(shapes::kek(&made)))
}

async fn update(
    asked: Asked,
    Path(name): Path<String>,
    Query(params): Query<Params>,
    Body(sent): Body<SentKekUpdate>,
) -> Result<Json<Value>, Refusal> {
    let (_, name) = about_kek::<op::Write>(&asked, &name)?;
    if params.test_sharing {
        return Err(Error::NoKms.into());
    }
    let change = sent.read()?;
    let changed = asked.shared.keys.change_at(move |keys: &Keys, now| keys.update_kek(&name, change, now)).await?;
    Ok(Json(shapes::kek(&changed)))
}

async fn delete(asked: Asked, Path(name): Path<String>, Query(params): Query<Params>) -> Result<StatusCode, Refusal> {
    let (_, name) = about_kek::<op::Delete>(&asked, &name)?;
    let change = move |keys: &Keys| Ok((keys.delete_kek(&name, params.permanent)?, ()));
    asked.shared.keys.change(change).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn undelete(asked: Asked, Path(name): Path<String>) -> Result<StatusCode, Refusal> {
    let (_, name) = about_kek::<op::Write>(&asked, &name)?;
    asked.shared.keys.change(move |keys: &Keys| Ok((keys.undelete_kek(&name)?, ()))).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether the KMS can be got at from here: never, for nobody asks it.
async fn test(asked: Asked, Path(name): Path<String>) -> Result<StatusCode, Refusal> {
    let (keys, name) = about_kek::<op::Write>(&asked, &name)?;
    keys.kek(&name, levada_schema::Deleted::No)?;
    Err(Error::NoKms.into())
}
