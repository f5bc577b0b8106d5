//! `/associations`: which resources have their schemas under which subjects.

use super::{
    Shared,
    answer::{Body, Page, Problem, Query, Refusal},
    context::Asked,
    shapes::{self, SentSchema, flag},
};
use axum::{
    Json, Router,
    extract::Path,
    http::StatusCode,
    routing::{get, post},
};
use levada_broker::auth::op;
use levada_schema::{
    Associate, AssociateOne, Associated, Association, AssociationFilter, Context, Dissociate, Error, Lifecycle,
    Registry, Subject, Write,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// So many requests come in one batch, at most.
const BATCH_MAX: usize = 1_000;

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/associations", post(create))
        .route("/associations:batch", post(mutate))
        .route("/associations:batchMutate", post(mutate))
        .route("/associations:batchGet", post(get_many))
        .route("/associations/resources/{id}", get(of_resource).put(upsert).delete(delete))
        .route("/associations/resources/{namespace}/{name}", get(of_name))
        .route("/associations/subjects/{subject}", get(of_subject))
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Params {
    context: String,
    #[serde(deserialize_with = "flag")]
    dry_run: bool,
    #[serde(deserialize_with = "flag")]
    cascade_lifecycle: bool,
    #[serde(flatten)]
    page: Page,
}

impl Params {
    /// The context of subjects that name none.
    fn context(&self, asked: &Asked) -> Context {
        match self.context.trim_matches(':') {
            "" => asked.context.clone(),
            named => Context::named(named),
        }
    }
}

type Others = Query<Vec<(String, String)>>;

/// Subjects whose associations are asked for, and perhaps those that have none.
pub(super) struct Wanted {
    filter: AssociationFilter,
    /// Whether anything is asked for.
    is_any: bool,
    /// Whether those are asked for that have no such association.
    is_none: bool,
}

impl Wanted {
    /// Reads `resourceType`, `associationType`, which may be there several times, and `lifecycle`.
    pub(super) fn of(params: &[(String, String)]) -> Result<Self, Refusal> {
        let mut wanted = Self { filter: AssociationFilter::default(), is_any: false, is_none: false };
        for (name, value) in params.iter().filter(|(_, value)| !value.is_empty()) {
            match name.as_str() {
                "resourceType" => wanted.filter.resource_type = Some(value.clone()),
                "associationType" => wanted.filter.association_types.push(value.clone()),
                "lifecycle" if value == "NONE" => wanted.is_none = true,
                "lifecycle" => wanted.filter.lifecycle = Some(lifecycle(value)?),
                _ => continue,
            }
            wanted.is_any = true;
        }
        Ok(wanted)
    }

    /// Whether a subject is one of them.
    pub(super) fn admits(&self, registry: &Registry, subject: &Subject) -> bool {
        !self.is_any || registry.associations_of_subject(subject, &self.filter).is_empty() == self.is_none
    }

    /// What is asked for where there must be associations.
    fn filter(self) -> Result<AssociationFilter, Refusal> {
        if self.is_none {
            return Err(Problem::Malformed("the lifecycle of an association is STRONG or WEAK".to_owned()).into());
        }
        Ok(self.filter)
    }
}

fn lifecycle(name: &str) -> Result<Lifecycle, Refusal> {
    Lifecycle::named(name).ok_or_else(|| {
        let reason = "it must be `STRONG` or `WEAK`".to_owned();
        Error::InvalidAssociation { property: "lifecycle", reason }.into()
    })
}

/// What is to be done to associations of one resource.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Sent {
    resource_name: String,
    resource_namespace: String,
    resource_id: String,
    resource_type: Option<String>,
    associations: Vec<SentOne>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SentOne {
    /// In a batch: `CREATE`, `UPSERT` or `DELETE`.
    op_type: Option<String>,
    subject: Option<String>,
    association_type: Option<String>,
    lifecycle: Option<String>,
    frozen: Option<bool>,
    schema: Option<SentSchema>,
    normalize: Option<bool>,
    cascade_lifecycle: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SentMany<T> {
    requests: Vec<T>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SentQuery {
    resource_name: Option<String>,
    resource_namespace: Option<String>,
    resource_id: Option<String>,
    resource_type: Option<String>,
    association_types: Option<Vec<String>>,
    lifecycle: Option<String>,
}

impl SentOne {
    fn read(self) -> Result<AssociateOne, Refusal> {
        let schema = self.schema.map(|schema| schema.register(self.normalize == Some(true))).transpose()?;
        let lifecycle = self.lifecycle.as_deref().map(lifecycle).transpose()?;
        let Self { subject, association_type, frozen, .. } = self;
        Ok(AssociateOne { subject, association_type, lifecycle, frozen, schema })
    }
}

impl Sent {
    fn read(self, is_dry_run: bool) -> Result<Associate, Refusal> {
        let Self { resource_name, resource_namespace, resource_id, resource_type, associations } = self;
        let associations = associations.into_iter().map(SentOne::read).collect::<Result<_, _>>()?;
        Ok(Associate { resource_name, resource_namespace, resource_id, resource_type, associations, is_dry_run })
    }
}

/// The subjects that a request is about must be the caller's to write.
fn may_associate(asked: &Asked, registry: &Registry, context: &Context, request: &Associate) -> Result<(), Refusal> {
    for subject in request.subjects(registry, context) {
        asked.may::<op::Write>(Some(&subject))?;
    }
    Ok(())
}

/// Subjects go with a resource only where the caller may delete them.
fn may_dissociate(asked: &Asked, registry: &Registry, request: &Dissociate) -> Result<(), Refusal> {
    for association in registry.associations_of_resource(&request.resource_id, &request.filter) {
        asked.may::<op::Write>(Some(&association.key.subject))?;
        if request.cascade {
            asked.may::<op::Delete>(Some(&association.key.subject))?;
        }
    }
    Ok(())
}

async fn associate(asked: Asked, params: Params, sent: Sent, write: Write) -> Result<Json<Value>, Refusal> {
    let (registry, context) = (asked.registry()?, params.context(&asked));
    let request = sent.read(params.dry_run)?;
    may_associate(&asked, &registry, &context, &request)?;
    let of = [&request.resource_name, &request.resource_namespace, &request.resource_id].map(Clone::clone);
    let change = move |registry: &Registry| {
        let associated = registry.associate(&context, &request, write)?;
        Ok((associated.records.clone(), associated))
    };
    let Associated { associations, .. } = asked.shared.service.change(change).await?;
    let shown = associations.iter().map(|(association, version)| {
        let mut members = info(association);
        if let Some(version) = version {
            let subject = &association.key.subject;
            members.insert("schema".to_owned(), shapes::version(subject, version, &version.schema.text));
        }
        Value::Object(members)
    });
    Ok(Json(resource(of, shown.collect())))
}

async fn create(asked: Asked, Query(params): Query<Params>, Body(sent): Body<Sent>) -> Result<Json<Value>, Refusal> {
    associate(asked, params, sent, Write::Create).await
}

async fn upsert(
    asked: Asked,
    Path(id): Path<String>,
    Query(params): Query<Params>,
    Body(mut sent): Body<Sent>,
) -> Result<Json<Value>, Refusal> {
    if sent.resource_id.is_empty() {
        sent.resource_id = id;
    } else if sent.resource_id != id {
        let reason = "it is another one in the path".to_owned();
        return Err(Error::InvalidAssociation { property: "resourceId", reason }.into());
    }
    associate(asked, params, sent, Write::Upsert).await
}

async fn delete(
    asked: Asked,
    Path(resource_id): Path<String>,
    Query(params): Query<Params>,
    Query(others): Others,
) -> Result<StatusCode, Refusal> {
    let registry = asked.registry()?;
    let filter = Wanted::of(&others)?.filter()?;
    let filter = AssociationFilter { lifecycle: None, ..filter };
    let request = Dissociate { resource_id, filter, cascade: params.cascade_lifecycle, is_dry_run: params.dry_run };
    may_dissociate(&asked, &registry, &request)?;
    asked.shared.service.change(move |registry: &Registry| Ok((registry.dissociate(&request)?, ()))).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// One request after the other; each is carried out wholly or not at all.
async fn mutate(
    asked: Asked,
    Query(params): Query<Params>,
    Body(sent): Body<SentMany<Sent>>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let (registry, context) = (asked.registry()?, params.context(&asked));
    must_be_some(&sent.requests)?;
    let mut results = Vec::new();
    for request in sent.requests {
        let of = [&request.resource_name, &request.resource_namespace, &request.resource_id].map(Clone::clone);
        let steps = match steps(&asked, &registry, &context, request, params.dry_run) {
            Ok(steps) => steps,
            Err(refusal) => {
                results.push(json!({ "error": refusal.shown() }));
                continue;
            }
        };
        let (context, is_dry_run, [_, _, id]) = (context.clone(), params.dry_run, of.clone());
        let change = move |registry: &Registry| {
            let mut after = registry.clone();
            let mut records = Vec::new();
            for step in &steps {
                let decided = match step {
                    Step::Associate(request, write) => after.associate(&context, request, *write)?.records,
                    Step::Dissociate(request) => after.dissociate(request)?,
                };
                decided.iter().for_each(|record| after.apply(record));
                records.extend(decided);
            }
            let all = AssociationFilter::default();
            let there = if is_dry_run { Vec::new() } else { after.associations_of_resource(&id, &all) };
            Ok((records, there))
        };
        results.push(match asked.shared.service.change(change).await {
            Ok(there) => {
                let shown = there.iter().map(|association| Value::Object(info(association))).collect();
                json!({ "result": resource(of, shown) })
            }
            Err(error) => json!({ "error": Refusal::from(error).shown() }),
        });
    }
    Ok((StatusCode::MULTI_STATUS, Json(json!({ "results": results }))))
}

enum Step {
    Associate(Associate, Write),
    Dissociate(Dissociate),
}

/// What one request of a batch asks for, step by step.
fn steps(
    asked: &Asked,
    registry: &Registry,
    context: &Context,
    sent: Sent,
    is_dry_run: bool,
) -> Result<Vec<Step>, Refusal> {
    let Sent { resource_name, resource_namespace, resource_id, resource_type, associations } = sent;
    must_be_some(&associations)?;
    let mut steps = Vec::new();
    for one in associations {
        let write = match one.op_type.as_deref() {
            Some("CREATE") => Write::Create,
            Some("UPSERT") => Write::Upsert,
            Some("DELETE") => {
                let association_types = vec![one.association_type.unwrap_or_else(|| "value".to_owned())];
                let filter = AssociationFilter { association_types, ..AssociationFilter::default() };
                let cascade = one.cascade_lifecycle == Some(true);
                let request = Dissociate { resource_id: resource_id.clone(), filter, cascade, is_dry_run };
                may_dissociate(asked, registry, &request)?;
                steps.push(Step::Dissociate(request));
                continue;
            }
            _ => {
                let reason = "it must be `CREATE`, `UPSERT` or `DELETE`".to_owned();
                return Err(Error::InvalidAssociation { property: "opType", reason }.into());
            }
        };
        let sent = Sent {
            resource_name: resource_name.clone(),
            resource_namespace: resource_namespace.clone(),
            resource_id: resource_id.clone(),
            resource_type: resource_type.clone(),
            associations: vec![one],
        };
        let request = sent.read(is_dry_run)?;
        may_associate(asked, registry, context, &request)?;
        steps.push(Step::Associate(request, write));
    }
    Ok(steps)
}

fn must_be_some<T>(requests: &[T]) -> Result<(), Refusal> {
    let reason = match requests.len() {
        0 => "there is none".to_owned(),
        1..=BATCH_MAX => return Ok(()),
        _ => format!("there are more than {BATCH_MAX}"),
    };
    Err(Error::InvalidAssociation { property: "requests", reason }.into())
}

/// Associations that the caller may see, as they are shown.
fn shown(asked: &Asked, found: &[Arc<Association>]) -> Result<Vec<Value>, Refusal> {
    for association in found {
        asked.may::<op::Describe>(Some(&association.key.subject))?;
    }
    Ok(found.iter().map(|association| whole(association)).collect())
}

async fn of_subject(
    asked: Asked,
    Path(name): Path<String>,
    Query(params): Query<Params>,
    Query(others): Others,
) -> Result<Json<Value>, Refusal> {
    let (registry, subject) = asked.about::<op::Describe>(&name)?;
    let found = registry.associations_of_subject(&subject, &Wanted::of(&others)?.filter()?);
    Ok(Json(json!(params.page.of(shown(&asked, &found)?))))
}

async fn of_resource(
    asked: Asked,
    Path(id): Path<String>,
    Query(params): Query<Params>,
    Query(others): Others,
) -> Result<Json<Value>, Refusal> {
    let registry = asked.registry()?;
    let found = registry.associations_of_resource(&id, &Wanted::of(&others)?.filter()?);
    Ok(Json(json!(params.page.of(shown(&asked, &found)?))))
}

async fn of_name(
    asked: Asked,
    Path((namespace, name)): Path<(String, String)>,
    Query(params): Query<Params>,
    Query(others): Others,
) -> Result<Json<Value>, Refusal> {
    let registry = asked.registry()?;
    let found = registry.associations_of_name(&namespace, &name, &Wanted::of(&others)?.filter()?);
    Ok(Json(json!(params.page.of(shown(&asked, &found)?))))
}

async fn get_many(asked: Asked, Body(sent): Body<SentMany<SentQuery>>) -> Result<(StatusCode, Json<Value>), Refusal> {
    let registry = asked.registry()?;
    must_be_some(&sent.requests)?;
    let one = |query: SentQuery| -> Result<Value, Refusal> {
        let filter = AssociationFilter {
            resource_type: query.resource_type,
            association_types: query.association_types.unwrap_or_default(),
            lifecycle: query.lifecycle.as_deref().map(lifecycle).transpose()?,
        };
        let (name, namespace) = (query.resource_name.unwrap_or_default(), query.resource_namespace.unwrap_or_default());
        let id = query.resource_id.filter(|id| !id.is_empty());
        let found = match &id {
            Some(id) => registry.associations_of_resource(id, &filter),
            None => registry.associations_of_name(&namespace, &name, &filter),
        };
        // Whoever may not see them does not learn that they are there.
        shown(&asked, &found)?;
        let of = match (found.first(), id) {
            (Some(first), _) => {
                let key = &first.key;
                [&key.resource_name, &key.resource_namespace, &first.resource_id].map(Clone::clone)
            }
            (None, id) => [name, namespace, id.unwrap_or_default()],
        };
        let infos = found.iter().map(|association| Value::Object(info(association))).collect();
        Ok(json!({ "result": resource(of, infos) }))
    };
    let results = sent.requests.into_iter().map(|query| match one(query) {
        Ok(found) => found,
        Err(refusal) => json!({ "error": refusal.shown() }),
    });
    let results: Vec<Value> = results.collect();
    Ok((StatusCode::MULTI_STATUS, Json(json!({ "results": results }))))
}

/// An association by itself.
fn whole(association: &Association) -> Value {
    let mut members = info(association);
    let key = &association.key;
    members.insert("guid".to_owned(), json!(association.guid));
    members.insert("resourceName".to_owned(), json!(key.resource_name));
    members.insert("resourceNamespace".to_owned(), json!(key.resource_namespace));
    members.insert("resourceId".to_owned(), json!(association.resource_id));
    members.insert("resourceType".to_owned(), json!(key.resource_type));
    Value::Object(members)
}

/// An association of a resource that is named beside it.
fn info(association: &Association) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("subject".to_owned(), json!(association.key.subject.qualified()));
    members.insert("associationType".to_owned(), json!(association.key.association_type));
    members.insert("lifecycle".to_owned(), json!(association.lifecycle));
    members.insert("frozen".to_owned(), json!(association.frozen));
    members
}

/// A resource with its associations.
fn resource([name, namespace, id]: [String; 3], associations: Vec<Value>) -> Value {
    let mut members = Map::new();
    let named = [("resourceName", name), ("resourceNamespace", namespace), ("resourceId", id)];
    for (member, value) in named.into_iter().filter(|(_, value)| !value.is_empty()) {
        members.insert(member.to_owned(), json!(value));
    }
    members.insert("resourceType".to_owned(), json!("topic"));
    if !associations.is_empty() {
        members.insert("associations".to_owned(), Value::Array(associations));
    }
    Value::Object(members)
}
