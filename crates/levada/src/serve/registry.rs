//! The schema registry's listener.

use super::wiring;
use crate::{http::BoundedListener, settings::Settings};
use axum::{
    extract::{ConnectInfo, Request, connect_info::Connected},
    middleware::{Next, from_fn},
    serve::IncomingStream,
};
use levada_broker::{Broker, schemas::Schemas};
use levada_kafka::{StopSignal, Tasks};
use levada_registry::{Peer, RegisteredSchemas, Service};
use std::{
    net::SocketAddr,
    sync::{Arc, Weak},
    time::Duration,
};

/// A connection without traffic for this long is closed.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// Listens for the registry's clients, unless it is off.
pub(super) async fn listen(settings: &Settings) -> anyhow::Result<Option<tokio::net::TcpListener>> {
    if settings.text("registry") == Some("off") {
        return Ok(None);
    }
    wiring::listen(settings, "registry").await.map(Some)
}

/// Where a connection comes from.
#[derive(Clone, Copy)]
struct From(SocketAddr);

impl Connected<IncomingStream<'_, BoundedListener>> for From {
    fn connect_info(stream: IncomingStream<'_, BoundedListener>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// The registry at work.
pub(super) struct Registry {
    pub(super) address: SocketAddr,
    /// What it has, for as long as it is served.
    pub(super) schemas: Weak<RegisteredSchemas>,
}

/// Starts the registry, and serves it until the tasks are told to stop.
pub(super) fn start(
    tasks: &Tasks,
    listener: tokio::net::TcpListener,
    broker: &Arc<Broker>,
) -> anyhow::Result<Registry> {
    let address = listener.local_addr()?;
    let service = Service::start(broker, |owner| tasks.spawn("registry", owner));
    let schemas = RegisteredSchemas::of(&service);
    let known: Weak<dyn Schemas> = Arc::downgrade(&schemas) as _;
    broker.serve_schemas(known);
    let served = Arc::downgrade(&schemas);
    let keys = Service::start(broker, |owner| tasks.spawn("dek-registry", owner));
    let router = levada_registry::router(service, keys, Arc::clone(broker)).layer(from_fn(
        |ConnectInfo(from): ConnectInfo<From>, mut request: Request, next: Next| async move {
            request.extensions_mut().insert(Peer(from.0));
            next.run(request).await
        },
    ));
    let mut stop: StopSignal = tasks.signal();
    tasks.spawn("registry-http", async move {
        let listener = BoundedListener::new(listener, IDLE_MAX);
        let service = router.into_make_service_with_connect_info::<From>();
        // The broker knows the schemas for as long as they are served.
        let _schemas = schemas;
        let ended = axum::serve(listener, service).with_graceful_shutdown(async move { stop.given().await }).await;
        if let Err(error) = ended {
            tracing::error!(%error, "the listener of the schema registry failed");
        }
    });
    Ok(Registry { address, schemas: served })
}
