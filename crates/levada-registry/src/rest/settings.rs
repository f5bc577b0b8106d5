//! `/config` and `/mode`: of the registry, of a context, of a subject.

use super::{
    Shared,
    answer::{Body, Query, Refusal},
    context::Asked,
    shapes::flag,
};
use axum::{Json, Router, extract::Path, routing::get};
use levada_broker::auth::op;
use levada_schema::{Compatibility, Config, Error, Mode, Registry, Subject};
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/config", get(config_of_all).put(set_config_of_all).delete(delete_config_of_all))
        .route("/config/{subject}", get(config).put(set_config).delete(delete_config))
        .route("/mode", get(mode_of_all).put(set_mode_of_all).delete(delete_mode_of_all))
        .route("/mode/{subject}", get(mode).put(set_mode).delete(delete_mode))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Params {
    #[serde(deserialize_with = "flag")]
    default_to_global: bool,
    #[serde(deserialize_with = "flag")]
    force: bool,
    #[serde(deserialize_with = "flag")]
    recursive: bool,
}

#[derive(Debug, Deserialize)]
struct SentMode {
    mode: String,
}

/// Whose settings a path without a subject is about: the registry's, or the context's.
fn of_all(asked: &Asked) -> Option<Subject> {
    (!asked.context.is_default()).then(|| Subject::of_context(asked.context.clone()))
}

/// Whose settings a path with a subject is about. Aliases are not followed: it is where they are set.
fn of(asked: &Asked, name: &str) -> Option<Subject> {
    let subject = asked.named(name);
    (!(subject.is_context() && subject.context().is_default())).then_some(subject)
}

/// Settings as they are shown; what is sent calls the level `compatibility`, what is got `compatibilityLevel`.
fn shown(config: &Config, level: &str) -> Value {
    let Value::Object(members) = json!(config) else { return Value::Null };
    let named = |name: String| if name == "compatibilityLevel" { level.to_owned() } else { name };
    Value::Object(members.into_iter().map(|(name, value)| (named(name), value)).collect())
}

fn get_config(registry: &Registry, subject: Option<&Subject>, in_scope: bool) -> Result<Json<Value>, Refusal> {
    let config = match (registry.config(subject), subject) {
        (_, Some(subject)) if in_scope => registry.config_in_scope(Some(subject)),
        (Some(config), _) => (**config).clone(),
        (None, Some(subject)) if !subject.is_context() => return Err(Error::NoSubjectConfig(subject.clone()).into()),
        (None, subject) => registry.config_in_scope(subject),
    };
    let level = Some(config.compatibility());
    let config = match subject {
        // A subject may set everything but the level; all others have one.
        Some(subject) if !in_scope && !subject.is_context() => config,
        _ => Config { compatibility_level: level, ..config },
    };
    Ok(Json(shown(&config, "compatibilityLevel")))
}

async fn config_of_all(asked: Asked) -> Result<Json<Value>, Refusal> {
    let (registry, subject) = (asked.registry()?, of_all(&asked));
    asked.may::<op::DescribeConfigs>(subject.as_ref())?;
    get_config(&registry, subject.as_ref(), false)
}

async fn config(asked: Asked, Path(name): Path<String>, Query(params): Query<Params>) -> Result<Json<Value>, Refusal> {
    let (registry, subject) = (asked.registry()?, of(&asked, &name));
    asked.may::<op::DescribeConfigs>(subject.as_ref())?;
    get_config(&registry, subject.as_ref(), params.default_to_global)
}

async fn change_config(
    asked: Asked,
    subject: Option<Subject>,
    sent: Map<String, Value>,
) -> Result<Json<Value>, Refusal> {
    asked.registry()?;
    asked.may::<op::AlterConfigs>(subject.as_ref())?;
    let change = move |registry: &Registry| registry.set_config(subject.as_ref(), sent);
    let config = asked.shared.service.change(change).await?;
    Ok(Json(shown(&config, "compatibility")))
}

async fn set_config_of_all(asked: Asked, Body(sent): Body<Map<String, Value>>) -> Result<Json<Value>, Refusal> {
    let subject = of_all(&asked);
    change_config(asked, subject, sent).await
}

async fn set_config(
    asked: Asked,
    Path(name): Path<String>,
    Body(sent): Body<Map<String, Value>>,
) -> Result<Json<Value>, Refusal> {
    let subject = of(&asked, &name);
    change_config(asked, subject, sent).await
}

async fn remove_config(asked: Asked, subject: Option<Subject>) -> Result<Json<Value>, Refusal> {
    asked.registry()?;
    asked.may::<op::AlterConfigs>(subject.as_ref())?;
    let change = move |registry: &Registry| registry.delete_config(subject.as_ref());
    let config = asked.shared.service.change(change).await?;
    let level = Some(config.compatibility_level.unwrap_or(Compatibility::default()));
    Ok(Json(shown(&Config { compatibility_level: level, ..config }, "compatibilityLevel")))
}

async fn delete_config_of_all(asked: Asked) -> Result<Json<Value>, Refusal> {
    let subject = of_all(&asked);
    remove_config(asked, subject).await
}

async fn delete_config(asked: Asked, Path(name): Path<String>) -> Result<Json<Value>, Refusal> {
    let subject = of(&asked, &name);
    remove_config(asked, subject).await
}

fn get_mode(registry: &Registry, subject: Option<&Subject>, in_scope: bool) -> Result<Json<Value>, Refusal> {
    let mode = match (registry.mode(subject), subject) {
        (Some(mode), _) if !in_scope => mode,
        (None, Some(subject)) if !in_scope && !subject.is_context() => {
            return Err(Error::NoSubjectMode(subject.clone()).into());
        }
        _ => registry.mode_in_scope(subject),
    };
    Ok(Json(json!({ "mode": mode.name() })))
}

async fn mode_of_all(asked: Asked) -> Result<Json<Value>, Refusal> {
    let (registry, subject) = (asked.registry()?, of_all(&asked));
    asked.may::<op::DescribeConfigs>(subject.as_ref())?;
    get_mode(&registry, subject.as_ref(), false)
}

async fn mode(asked: Asked, Path(name): Path<String>, Query(params): Query<Params>) -> Result<Json<Value>, Refusal> {
    let (registry, subject) = (asked.registry()?, of(&asked, &name));
    asked.may::<op::DescribeConfigs>(subject.as_ref())?;
    get_mode(&registry, subject.as_ref(), params.default_to_global)
}

async fn change_mode(
    asked: Asked,
    subject: Option<Subject>,
    sent: SentMode,
    force: bool,
) -> Result<Json<Value>, Refusal> {
    asked.registry()?;
    asked.may::<op::AlterConfigs>(subject.as_ref())?;
    let mode = Mode::named(&sent.mode).ok_or(Error::InvalidMode)?;
    let change = move |registry: &Registry| Ok((registry.set_mode(subject.as_ref(), mode, force)?, ()));
    asked.shared.service.change(change).await?;
    Ok(Json(json!({ "mode": mode.name() })))
}

async fn set_mode_of_all(
    asked: Asked,
    Query(params): Query<Params>,
    Body(sent): Body<SentMode>,
) -> Result<Json<Value>, Refusal> {
    let subject = of_all(&asked);
    change_mode(asked, subject, sent, params.force).await
}

async fn set_mode(
    asked: Asked,
    Path(name): Path<String>,
    Query(params): Query<Params>,
    Body(sent): Body<SentMode>,
) -> Result<Json<Value>, Refusal> {
    let subject = of(&asked, &name);
    change_mode(asked, subject, sent, params.force).await
}

async fn remove_mode(asked: Asked, subject: Option<Subject>, params: &Params) -> Result<Json<Value>, Refusal> {
    let whole = params.recursive;
    asked.registry()?;
    asked.may::<op::AlterConfigs>(subject.as_ref())?;
    let change = move |registry: &Registry| registry.delete_mode(subject.as_ref(), whole);
    let mode = asked.shared.service.change(change).await?;
    Ok(Json(json!({ "mode": mode.name() })))
}

async fn delete_mode_of_all(asked: Asked, Query(params): Query<Params>) -> Result<Json<Value>, Refusal> {
    let subject = of_all(&asked);
    remove_mode(asked, subject, &params).await
}

async fn delete_mode(
    asked: Asked,
    Path(name): Path<String>,
    Query(params): Query<Params>,
) -> Result<Json<Value>, Refusal> {
    let subject = of(&asked, &name);
    remove_mode(asked, subject, &params).await
}
