//! `/dek-registry/v1`: keys for encryption at the clients.
//!
//! | module | paths |
//! |---|---|
//! | `keks` | `/keks`, `/keks/{name}…` |
//! | `deks` | `/keks/{name}/deks…` |
//! | `shapes` | the JSON of requests and answers |
//!
//! KEKs are of all contexts; a DEK's subject without a context is of the request's.

mod deks;
mod keks;
mod shapes;

use super::{Shared, answer::Refusal, context::Asked};
use axum::Router;
use levada_broker::auth::{Op, op};
use levada_schema::{
    Subject,
    dek::{Algorithm, DekPlace, KekName, Keys},
};
use std::sync::Arc;

/// What all of its paths begin with.
pub(super) const PREFIX: &str = "/dek-registry/";

pub(super) fn routes() -> Router<Shared> {
    keks::routes().merge(deks::routes())
}

/// The keys, and a KEK's name; to it the caller may do `O`.
fn about_kek<O: Op>(asked: &Asked, name: &str) -> Result<(Arc<Keys>, KekName), Refusal> {
    let keys = asked.keys()?;
    let name = KekName::parse(name)?;
    asked.may_kek::<O>(Some(&name))?;
    Ok((keys, name))
}

/// The keys, and where versions of a DEK are; to the subject the caller may do `O`, and see the KEK.
fn about_dek<O: Op>(
    asked: &Asked,
    kek: &str,
    subject: &str,
    algorithm: Option<&str>,
) -> Result<(Arc<Keys>, DekPlace), Refusal> {
    let (keys, kek) = about_kek::<op::Describe>(asked, kek)?;
    let subject: Subject = asked.registry()?.resolve_alias_for_deks(&asked.named(subject));
    asked.may::<O>(Some(&subject))?;
    let algorithm = algorithm.map(Algorithm::parse).transpose()?.unwrap_or_default();
    Ok((keys, DekPlace { kek, subject, algorithm }))
}
