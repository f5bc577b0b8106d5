//! `/schemas`: by id, by content, and lists across subjects.

use super::{
    Shared,
    answer::{Page, Query, Refusal, off_the_loop},
    associations,
    context::Asked,
    shapes::{self, Extras, Format, flag},
};
use axum::{Json, Router, extract::Path, response::Response, routing::get};
use levada_broker::auth::op;
use levada_schema::{Deleted, Error, Guid, Registry, SchemaType, Subject, Version, VersionId};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/schemas", get(list))
        .route("/schemas/types", get(types))
        .route("/schemas/ids/{id}", get(by_id))
        .route("/schemas/ids/{id}/schema", get(text_by_id))
        .route("/schemas/ids/{id}/subjects", get(subjects))
        .route("/schemas/ids/{id}/versions", get(versions))
        .route("/schemas/guids/{guid}", get(by_guid))
        .route("/schemas/guids/{guid}/ids", get(ids))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ListParams {
    subject_prefix: Option<String>,
    #[serde(deserialize_with = "flag")]
    aliases: bool,
    #[serde(deserialize_with = "flag")]
    deleted: bool,
    #[serde(deserialize_with = "flag")]
    latest_only: bool,
    rule_type: Option<String>,
    #[serde(flatten)]
    page: Page,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Params {
    subject: Option<String>,
    format: String,
    #[serde(deserialize_with = "flag")]
    fetch_max_id: bool,
    #[serde(deserialize_with = "flag")]
    deleted: bool,
    #[serde(flatten)]
    page: Page,
}

async fn types(asked: Asked) -> Result<Json<Value>, Refusal> {
    asked.registry()?;
    Ok(Json(json!(SchemaType::ALL.map(SchemaType::name))))
}

async fn list(
    asked: Asked,
    Query(params): Query<ListParams>,
    Query(others): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, Refusal> {
    let associated = associations::Wanted::of(&others)?;
    let registry = asked.registry()?;
    asked.may::<op::Read>(None)?;
    let filter = shapes::filter(&asked.context, params.subject_prefix.as_deref());
    let deleted = if params.deleted { Deleted::Too } else { Deleted::No };
    let mut found: Vec<(&Subject, &Arc<Version>)> =
        registry.all(deleted).filter(|(subject, _)| filter.admits(subject)).collect();
    if params.latest_only {
        let is_latest = |index: usize| {
            found.get(index + 1).is_none_or(|(next, _)| Some(*next) != found.get(index).map(|(it, _)| *it))
        };
        found =
            (0..found.len()).filter(|&index| is_latest(index)).filter_map(|index| found.get(index).copied()).collect();
    }
    if let Some(wanted) = &params.rule_type {
        found.retain(|(_, version)| version.schema.rule_set.as_ref().is_some_and(|rules| rules.has_type(wanted)));
    }
    found.retain(|(subject, _)| associated.admits(&registry, subject));
    let show = |(subject, version): (&Subject, &Arc<Version>)| {
        let mut shown = shapes::version(subject, version, &version.schema.text);
        let names: Vec<String> = if params.aliases {
            registry.aliases_of(subject).iter().map(Subject::qualified).collect()
        } else {
            Vec::new()
        };
        if let Some(members) = shown.as_object_mut().filter(|_| !names.is_empty()) {
            members.insert("aliases".to_owned(), json!(names));
        }
        shown
    };
    Ok(Json(Value::Array(params.page.of(found).into_iter().map(show).collect())))
}

/// The subject under which an id is looked for: the one that is named, or the context.
fn place(asked: &Asked, params: &Params) -> Subject {
    match params.subject.as_deref() {
        None | Some("") => Subject::of_context(asked.context.clone()),
        Some(name) => asked.named(name),
    }
}

fn with_id<'a>(registry: &'a Registry, id: &str, place: &Subject) -> Result<(&'a Subject, &'a Arc<Version>), Refusal> {
    let missing = || Error::SchemaNotFound(Some(id.to_owned()));
    let id: i32 = id.parse().map_err(|_| missing())?;
    Ok(registry.by_id(id, place).ok_or_else(missing)?)
}

async fn by_id(
    asked: Asked,
    Path(id): Path<String>,
    Query(params): Query<Params>,
    Query(others): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, Refusal> {
    let registry = asked.registry()?;
    let place = place(&asked, &params);
    asked.may::<op::Read>(Some(&place))?;
    let (format, extras) = (Format::named(&params.format)?, Extras::of(&others)?);
    let is_quick = format == Format::Kept && !extras.finds_tags();
    let work = move || {
        let (subject, version) = with_id(&registry, &id, &place)?;
        let text = format.text(&registry, subject, &version.schema)?;
        let mut shown = shapes::content(&version.schema, &text);
        if params.fetch_max_id {
            shown.insert("maxId".to_owned(), json!(registry.id_max(subject.context())));
        }
        extras.put(&registry, subject, &version.schema, &mut shown)?;
        Ok(Json(Value::Object(shown)))
    };
    if is_quick { work() } else { off_the_loop(work).await }
}

async fn text_by_id(asked: Asked, Path(id): Path<String>, Query(params): Query<Params>) -> Result<Response, Refusal> {
    let registry = asked.registry()?;
    let place = place(&asked, &params);
    asked.may::<op::Read>(Some(&place))?;
    let (subject, version) = with_id(&registry, &id, &place)?;
    let text = Format::named(&params.format)?.text(&registry, subject, &version.schema)?;
    Ok(super::answer::schema_text(version.schema.schema_type, text))
}

/// Subject and version of all places of an id that are asked for.
fn places(asked: &Asked, id: &str, params: &Params) -> Result<Vec<(Subject, i32)>, Refusal> {
    let registry = asked.registry()?;
    let place = place(asked, params);
    asked.may::<op::Describe>(Some(&place))?;
    let (subject, version) = with_id(&registry, id, &place)?;
    let deleted = if params.deleted { Deleted::Too } else { Deleted::No };
    let named = (!place.is_context()).then(|| place.moved_to(subject.context()));
    Ok(registry
        .places(subject.context(), version.id)
        .filter(|(subject, _)| named.as_ref().is_none_or(|named| named == *subject))
        .filter(|(subject, number)| registry.get(subject, VersionId::Number(*number), deleted).is_some())
        .map(|(subject, number)| (subject.clone(), number))
        .collect())
}

async fn subjects(asked: Asked, Path(id): Path<String>, Query(params): Query<Params>) -> Result<Json<Value>, Refusal> {
    let mut names: Vec<String> = places(&asked, &id, &params)?.iter().map(|(subject, _)| subject.qualified()).collect();
    names.dedup();
    Ok(Json(json!(params.page.of(names))))
}

async fn versions(asked: Asked, Path(id): Path<String>, Query(params): Query<Params>) -> Result<Json<Value>, Refusal> {
    let show = |(subject, version): (Subject, i32)| json!({ "subject": subject.qualified(), "version": version });
    let found = places(&asked, &id, &params)?.into_iter().map(show);
    Ok(Json(Value::Array(params.page.of(found))))
}

fn guid(text: &str) -> Result<Guid, Refusal> {
    Guid::parse(text).ok_or_else(|| Error::SchemaNotFound(Some(text.to_owned())).into())
}

async fn by_guid(asked: Asked, Path(text): Path<String>, Query(params): Query<Params>) -> Result<Json<Value>, Refusal> {
    let registry = asked.registry()?;
    asked.may::<op::Read>(None)?;
    let ids = registry.ids_of_guid(guid(&text)?);
    let first = ids.first().and_then(|(context, id)| registry.by_id(*id, &Subject::of_context(context.clone())));
    let (subject, version) = first.ok_or(Error::SchemaNotFound(Some(text)))?;
    let text = Format::named(&params.format)?.text(&registry, subject, &version.schema)?;
    Ok(Json(Value::Object(shapes::content(&version.schema, &text))))
}

async fn ids(asked: Asked, Path(text): Path<String>) -> Result<Json<Value>, Refusal> {
    let registry = asked.registry()?;
    asked.may::<op::Describe>(None)?;
    let found = registry.ids_of_guid(guid(&text)?);
    if found.is_empty() {
        return Err(Error::SchemaNotFound(Some(text)).into());
    }
    let shown = found.iter().map(|(context, id)| json!({ "context": context.as_str(), "id": id }));
    Ok(Json(Value::Array(shown.collect())))
}
