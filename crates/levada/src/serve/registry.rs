//! The schema registry's listener.

use super::wiring;
use crate::{http::BoundedListener, settings::Settings};
use levada_broker::Broker;
use levada_kafka::{StopSignal, Tasks};
use levada_registry::Service;
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// A connection without traffic for this long is closed.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// Listens for the registry's clients, unless it is off.
pub(super) async fn listen(settings: &Settings) -> anyhow::Result<Option<tokio::net::TcpListener>> {
    if settings.text("registry") == Some("off") {
        return Ok(None);
    }
    wiring::listen(settings, "registry").await.map(Some)
}

/// Starts the registry, and serves it until the tasks are told to stop.
pub(super) fn start(
    tasks: &Tasks,
    listener: tokio::net::TcpListener,
    broker: &Arc<Broker>,
) -> anyhow::Result<SocketAddr> {
    let address = listener.local_addr()?;
    let service = Service::start(broker, |owner| tasks.spawn("registry", owner));
    let router = levada_registry::router(service, Arc::clone(broker));
    let mut stop: StopSignal = tasks.signal();
    tasks.spawn("registry-http", async move {
        let listener = BoundedListener::new(listener, IDLE_MAX);
        let served = axum::serve(listener, router).with_graceful_shutdown(async move { stop.given().await }).await;
        if let Err(error) = served {
            tracing::error!(%error, "the listener of the schema registry failed");
        }
    });
    Ok(address)
}
