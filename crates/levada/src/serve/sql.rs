//! Streaming SQL: its threads, its listener, and its end.

use super::{schemas::SchemasOfSql, wiring};
use crate::{http::BoundedListener, settings::Settings};
use anyhow::Context as _;
use axum::{
    extract::{ConnectInfo, Request, connect_info::Connected},
    middleware::{Next, from_fn},
    serve::IncomingStream,
};
use levada_broker::Broker;
use levada_kafka::{StopSignal, Tasks};
use levada_model::Rng;
use levada_registry::RegisteredSchemas;
use levada_sql_server::{Parts, Peer, Service};
use levada_stream::Handle;
use std::{
    net::SocketAddr,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::net::TcpListener;

/// A connection without traffic for this long is closed.
const IDLE_MAX: Duration = Duration::from_secs(60);

/// What queries nest is bounded; what the planner takes of it for each level is not ours to say.
const STACK_SIZE: usize = 8 << 20;

/// Streaming SQL at work.
pub(super) struct Sql {
    pub(super) address: SocketAddr,
    /// Where clients of PostgreSQL connect.
    pub(super) pgwire: Option<SocketAddr>,
    service: Arc<Service>,
    runtime: tokio::runtime::Runtime,
}

/// Listeners for those who ask.
pub(super) struct Listeners {
    http: TcpListener,
    pgwire: Option<TcpListener>,
}

/// Listens for those who ask, unless it is off.
pub(super) async fn listen(settings: &Settings) -> anyhow::Result<Option<Listeners>> {
    let is_off = |name| settings.text(name) == Some("off");
    if is_off("sql") {
        anyhow::ensure!(is_off("pgwire"), "`pgwire` is a door to SQL, and `sql` is off: give --sql an address");
        return Ok(None);
    }
    let http = wiring::listen(settings, "sql").await?;
    let pgwire = if is_off("pgwire") { None } else { Some(wiring::listen(settings, "pgwire").await?) };
    Ok(Some(Listeners { http, pgwire }))
}

/// Where a connection comes from.
#[derive(Clone, Copy)]
struct From(SocketAddr);

impl Connected<IncomingStream<'_, BoundedListener>> for From {
    fn connect_info(stream: IncomingStream<'_, BoundedListener>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Starts the statements, and serves those who ask until the tasks are told to stop.
pub(super) async fn start(
    tasks: &Tasks,
    listeners: Listeners,
    broker: &Arc<Broker>,
    (rng, schemas): (&Arc<dyn Rng>, Option<Weak<RegisteredSchemas>>),
    settings: &Settings,
) -> anyhow::Result<Sql> {
    let Listeners { http: listener, pgwire } = listeners;
    let address = listener.local_addr()?;
    // Threads of their own: a statement that computes keeps no client of the broker waiting. Two more than there are
    // processors, so that whoever wants to stop one is heard.
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) + 2;
    let mut threads_of_sql = tokio::runtime::Builder::new_multi_thread();
    threads_of_sql.worker_threads(threads).thread_name("levada-sql").thread_stack_size(STACK_SIZE);
    let runtime = threads_of_sql.enable_all().build();
    let runtime = runtime.context("cannot start the threads of SQL")?;
    let (on, spawned) = (runtime.handle().clone(), tasks.clone());
    let parts = Parts {
        handle: Handle::new(Arc::clone(broker)),
        spawn: Arc::new(move |name, task| {
            let _there = on.enter();
            spawned.spawn(name, task);
        }),
        sleep: Arc::new(|span| Box::pin(tokio::time::sleep(span))),
        state_size_max: settings.size("sql.state.bytes.max"),
        schemas: schemas.map(|schemas| SchemasOfSql::of(schemas, broker)),
    };
    let spawn = Arc::clone(&parts.spawn);
    let service = Service::start(parts).await.context("SQL does not start; `--sql off` starts without it")?;
    let router = levada_sql_server::router(Arc::clone(&service)).layer(from_fn(
        |ConnectInfo(from): ConnectInfo<From>, mut request: Request, next: Next| async move {
            request.extensions_mut().insert(Peer(from.0));
            next.run(request).await
        },
    ));
    let mut stop: StopSignal = tasks.signal();
    tasks.spawn("sql-http", async move {
        let listener = BoundedListener::new(listener, IDLE_MAX);
        let served = axum::serve(listener, router.into_make_service_with_connect_info::<From>());
        if let Err(error) = served.with_graceful_shutdown(async move { stop.given().await }).await {
            tracing::error!(%error, "the listener of SQL failed");
        }
    });
    let at = pgwire.as_ref().map(TcpListener::local_addr).transpose()?;
    if let Some(listener) = pgwire {
        let (service, rng, version) = (Arc::clone(&service), Arc::clone(rng), env!("CARGO_PKG_VERSION"));
        let parts = levada_pgwire::Parts { service, spawn, rng, version };
        tasks.spawn("sql-pgwire-accept", levada_pgwire::serve(listener, parts));
    }
    Ok(Sql { address, pgwire: at, service, runtime })
}

impl Sql {
    /// Ends statements after their epochs, in `grace` at most.
    pub(super) async fn close(&self, grace: Duration) {
        if tokio::time::timeout(grace, self.service.close()).await.is_err() {
            tracing::warn!("statements of SQL were cut at the end of the grace time; they go on where they were");
        }
    }

    /// Ends the threads, whatever they do.
    pub(super) fn end(self) {
        self.runtime.shutdown_background();
    }
}
