//! Confluent Schema Registry's REST API.
//!
//! | module | paths |
//! |---|---|
//! | `schemas` | `/schemas…` |
//! | `subjects` | `/subjects…` |
//! | `compatibility` | `/compatibility…` |
//! | `settings` | `/config…`, `/mode…` |
//! | `associations` | `/associations…` |
//! | `server` | `/`, `/contexts`, `/v1/metadata/…` |
//! | `dek` | `/dek-registry/v1/…` |
//!
//! Any path may begin with `/contexts/NAME`: subjects without a context are then of that one (`context`). Handlers
//! check and translate; what requests mean is `levada-schema`'s.

mod answer;
mod associations;
mod compatibility;
mod context;
mod dek;
mod schemas;
mod server;
mod settings;
mod shapes;
mod subjects;

pub use context::Peer;

use crate::service::Service;
use axum::{Router, extract::DefaultBodyLimit};
use levada_broker::Broker;
use levada_schema::dek::Keys;
use std::sync::Arc;
use tower::ServiceExt as _;

/// A request's body has at most so many bytes.
const BODY_SIZE_MAX: usize = 8 << 20;

/// What handlers work with.
#[derive(Clone)]
struct Shared {
    service: Arc<Service>,
    keys: Arc<Service<Keys>>,
    broker: Arc<Broker>,
}

/// The API over a registry of schemas and one of keys. `broker` says who may do what.
pub fn router(service: Arc<Service>, keys: Arc<Service<Keys>>, broker: Arc<Broker>) -> Router {
    let routes = Router::new()
        .merge(schemas::routes())
        .merge(subjects::routes())
        .merge(compatibility::routes())
        .merge(settings::routes())
        .merge(associations::routes())
        .merge(server::routes())
        .merge(dek::routes())
        .fallback(answer::missing)
        .method_not_allowed_fallback(answer::wrong_method)
        .layer(DefaultBodyLimit::max(BODY_SIZE_MAX))
        .layer(axum::middleware::from_fn(answer::with_media_type))
        .with_state(Shared { service, keys, broker });
    // Before routes are matched.
    Router::new().fallback_service(routes.map_request(context::taken_out))
}
