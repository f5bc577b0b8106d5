//! `/subjects`: versions, registration, lookup and deletion.

use super::{
    Shared,
    answer::{Body, Page, Query, Refusal, off_the_loop},
    context::Asked,
    shapes::{self, Extras, Format, SentSchema, flag},
};
use axum::{
    Json, Router,
    extract::Path,
    routing::{get, post},
};
use levada_broker::auth::op;
use levada_schema::{Deleted, Error, Registered, Registry, Subject, TagSchema, Version, VersionId};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/subjects", get(list))
        .route("/subjects/{subject}", post(look_up).delete(delete))
        .route("/subjects/{subject}/metadata", get(latest_with))
        .route("/subjects/{subject}/versions", get(versions).post(register))
        .route("/subjects/{subject}/versions/{version}", get(version).delete(delete_version))
        .route("/subjects/{subject}/versions/{version}/schema", get(text))
        .route("/subjects/{subject}/versions/{version}/referencedby", get(referenced_by))
        .route("/subjects/{subject}/versions/{version}/tags", post(tag))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ListParams {
    subject_prefix: Option<String>,
    #[serde(deserialize_with = "flag")]
    deleted: bool,
    #[serde(deserialize_with = "flag")]
    deleted_only: bool,
    #[serde(deserialize_with = "flag")]
    deleted_as_negative: bool,
    #[serde(flatten)]
    page: Page,
}

impl ListParams {
    const fn deleted(&self) -> Deleted {
        match (self.deleted_only, self.deleted || self.deleted_as_negative) {
            (true, _) => Deleted::Only,
            (false, true) => Deleted::Too,
            (false, false) => Deleted::No,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Params {
    #[serde(deserialize_with = "flag")]
    deleted: bool,
    #[serde(deserialize_with = "flag")]
    normalize: bool,
    #[serde(deserialize_with = "flag")]
    permanent: bool,
    format: String,
}

impl Params {
    const fn deleted(&self) -> Deleted {
        if self.deleted { Deleted::Too } else { Deleted::No }
    }
}

async fn list(asked: Asked, Query(params): Query<ListParams>) -> Result<Json<Value>, Refusal> {
    let registry = asked.registry()?;
    asked.may::<op::Describe>(None)?;
    let filter = shapes::filter(&asked.context, params.subject_prefix.as_deref());
    let subjects = registry.subjects(&filter, params.deleted());
    let names: Vec<String> = params.page.of(subjects).iter().map(Subject::qualified).collect();
    Ok(Json(json!(names)))
}

async fn versions(
    asked: Asked,
    Path(name): Path<String>,
    Query(params): Query<ListParams>,
) -> Result<Json<Value>, Refusal> {
    let (registry, subject) = asked.about::<op::Describe>(&name)?;
    let which = params.deleted();
    if !registry.has_subjects(&subject, if which == Deleted::No { Deleted::No } else { Deleted::Too }) {
        return Err(Error::SubjectNotFound(subject).into());
    }
    let sign = |version: &Version| if params.deleted_as_negative && version.deleted { -1 } else { 1 };
    let numbers = registry.versions(&subject, which).map(|version| sign(version) * version.version);
    Ok(Json(json!(params.page.of(numbers))))
}

/// A version that the path names.
fn found(
    registry: &Registry,
    subject: &Subject,
    version: &str,
    deleted: Deleted,
) -> Result<(Subject, Arc<Version>), Refusal> {
    Ok(registry.must_get(subject, VersionId::parse(version)?, deleted)?)
}

async fn version(
    asked: Asked,
    Path((name, number)): Path<(String, String)>,
    Query(params): Query<Params>,
    Query(others): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, Refusal> {
    let (registry, subject) = asked.about::<op::Read>(&name)?;
    let (subject, version) = found(&registry, &subject, &number, params.deleted())?;
    let (format, extras) = (Format::named(&params.format)?, Extras::of(&others)?);
    let is_quick = format == Format::Kept && !extras.finds_tags();
    let work = move || {
        let text = format.text(&registry, &subject, &version.schema)?;
        let mut shown = shapes::version_members(&subject, &version, &text);
        extras.put(&registry, &subject, &version.schema, &mut shown)?;
        Ok(Json(Value::Object(shown)))
    };
    if is_quick { work() } else { off_the_loop(work).await }
}

/// The schema alone: JSON where it is JSON, text where it is not.
async fn text(
    asked: Asked,
    Path((name, number)): Path<(String, String)>,
    Query(params): Query<Params>,
) -> Result<axum::response::Response, Refusal> {
    let (registry, subject) = asked.about::<op::Read>(&name)?;
    let (subject, version) = found(&registry, &subject, &number, params.deleted())?;
    let text = Format::named(&params.format)?.text(&registry, &subject, &version.schema)?;
    Ok(super::answer::schema_text(version.schema.schema_type, text))
}

async fn referenced_by(
    asked: Asked,
    Path((name, number)): Path<(String, String)>,
    Query(params): Query<ListParams>,
) -> Result<Json<Value>, Refusal> {
    let (registry, subject) = asked.about::<op::Describe>(&name)?;
    let (subject, version) = found(&registry, &subject, &number, Deleted::Too)?;
    let ids = registry.referenced_by(&subject, version.version);
    Ok(Json(json!(params.page.of(ids))))
}

async fn register(
    asked: Asked,
    Path(name): Path<String>,
    Query(params): Query<Params>,
    Body(sent): Body<SentSchema>,
) -> Result<Json<Value>, Refusal> {
    let (_, subject) = asked.about::<op::Write>(&name)?;
    let (request, format, at) = (sent.register(params.normalize)?, Format::named(&params.format)?, subject.clone());
    let change = move |registry: &Registry| {
        let registered = registry.register(&subject, &request)?;
        Ok((registered.records.clone(), registered))
    };
    let registered = asked.shared.service.change(change).await?;
    if format == Format::Kept || !registered.is_completed {
        return Ok(Json(shapes::registered(&registered, &registered.version.schema.text)));
    }
    let registry = asked.registry()?;
    let work = move || {
        let text = format.text(&registry, &at, &registered.version.schema)?;
        Ok(Json(shapes::registered(&registered, &text)))
    };
    off_the_loop(work).await
}

/// The version anew, with other tags.
async fn tag(
    asked: Asked,
    Path((name, number)): Path<(String, String)>,
    Body(request): Body<TagSchema>,
) -> Result<Json<Value>, Refusal> {
    let (_, subject) = asked.about::<op::Write>(&name)?;
    let version = VersionId::parse(&number)?;
    let change = move |registry: &Registry| {
        let registered = registry.tag(&subject, version, &request)?;
        // All of it is told: what was sent is not what it is.
        Ok((registered.records.clone(), Registered { is_completed: true, ..registered }))
    };
    let registered = asked.shared.service.change(change).await?;
    Ok(Json(shapes::registered(&registered, &registered.version.schema.text)))
}

async fn look_up(
    asked: Asked,
    Path(name): Path<String>,
    Query(params): Query<Params>,
    Body(sent): Body<SentSchema>,
) -> Result<Json<Value>, Refusal> {
    let (registry, subject) = asked.about::<op::Read>(&name)?;
    let schema = sent.read()?;
    let work = move || match registry.lookup_anywhere(&subject, &schema, params.normalize, params.deleted())? {
        Some((subject, version)) => {
            let text = Format::named(&params.format)?.text(&registry, &subject, &version.schema)?;
            Ok(Json(shapes::version(&subject, &version, &text)))
        }
        None if registry.has_subjects(&subject, params.deleted()) => Err(Error::SchemaNotFound(None).into()),
        None => Err(Error::SubjectNotFound(subject).into()),
    };
    off_the_loop(work).await
}

async fn latest_with(
    asked: Asked,
    Path(name): Path<String>,
    Query(params): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, Refusal> {
    let (registry, subject) = asked.about::<op::Read>(&name)?;
    let all = |wanted: &str| {
        params.iter().filter(move |(name, _)| name == wanted).map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    let properties: Vec<(String, String)> = all("key").into_iter().zip(all("value")).collect();
    let is_deleted_too = all("deleted").iter().any(|value| value.eq_ignore_ascii_case("true"));
    let deleted = if is_deleted_too { Deleted::Too } else { Deleted::No };
    if !registry.has_subjects(&subject, deleted) {
        return Err(Error::SubjectNotFound(subject).into());
    }
    let found = registry.latest_with(&subject, &properties, deleted).ok_or(Error::SchemaNotFound(None))?;
    let format = Format::named(all("format").first().map_or("", String::as_str))?;
    let text = format.text(&registry, &subject, &found.schema)?;
    Ok(Json(shapes::version(&subject, found, &text)))
}

async fn delete(asked: Asked, Path(name): Path<String>, Query(params): Query<Params>) -> Result<Json<Value>, Refusal> {
    let (_, subject) = asked.about::<op::Delete>(&name)?;
    let change = move |registry: &Registry| registry.delete_subject(&subject, params.permanent);
    Ok(Json(json!(asked.shared.service.change(change).await?)))
}

async fn delete_version(
    asked: Asked,
    Path((name, number)): Path<(String, String)>,
    Query(params): Query<Params>,
) -> Result<Json<Value>, Refusal> {
    let (_, subject) = asked.about::<op::Delete>(&name)?;
    let version = VersionId::parse(&number)?;
    let change = move |registry: &Registry| registry.delete_version(&subject, version, params.permanent);
    Ok(Json(json!(asked.shared.service.change(change).await?)))
}
