//! [`Server`]: binds the Kafka listeners, accepts connections, and stops in an orderly way.

use crate::{
    call::{Ends, Shared},
    config::{ConfigError, ServerConfig},
    connection,
    fetch::FetchSessions,
    memory::RequestMemory,
    metrics::Metrics,
    tasks::{StopSignal, Tasks},
};
use levada_broker::Broker;
use levada_model::{Clock, Rng};
use socket2::{Domain, Protocol, Socket, Type};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};

/// Connections that the kernel holds for us until they are accepted.
const BACKLOG: i32 = 1024;
const BACK_OFF_MIN: Duration = Duration::from_millis(10);
const BACK_OFF_MAX: Duration = Duration::from_secs(1);

/// Why the server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The configuration cannot be served.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An address cannot be listened on.
    #[error("cannot listen on `{address}`: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        error: io::Error,
    },
}

/// The Kafka listeners, bound and not yet served.
pub struct Server {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
}

impl Server {
    /// Binds every address of `config`. Clients that connect wait until [`Self::run`].
    ///
    /// # Errors
    /// [`BindError`]. Must be called within a tokio runtime.
    pub fn bind(
        config: ServerConfig,
        broker: Arc<Broker>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, BindError> {
        config.validate()?;
        let mut listeners = Vec::new();
        let mut addresses = Vec::new();
        for &address in &config.listen {
            let (listener, bound) = listen(address).map_err(|error| BindError::Listen { address, error })?;
            if bound.ip().is_unspecified() && config.advertise.is_none() {
                tracing::warn!(
                    "listening on every interface ({bound}) without `--advertise`: clients are told the address at \
                     which they reach this machine; behind NAT, in a container or behind a proxy that is the wrong \
                     one, so set `--advertise HOST:PORT` to what clients can reach"
                );
            }
            listeners.push(listener);
            addresses.push(bound);
        }
        let fetch_sessions = FetchSessions::new(config.fetch_session_count_max, clock, rng);
        let shared = Shared {
            broker,
            fetch_sessions,
            complaints: Arc::default(),
            metrics: Arc::new(Metrics::default()),
            request_memory: RequestMemory::new(config.request_memory_size_max),
            response_memory: RequestMemory::new(config.response_memory_size_max),
            config,
        };
        Ok(Self { listeners, addresses, shared: Arc::new(shared) })
    }

    /// Where it listens, in the order of the configuration, free ports filled in.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What it counts.
    #[must_use]
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.shared.metrics)
    }

    /// Serves clients until `stop` resolves; then finishes what is in flight, at most for the grace time.
    ///
    /// Returns how many connections had to be cut.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> usize {
        let tasks = Tasks::default();
        let room = Arc::new(Semaphore::new(self.shared.config.connection_count_max));
        for listener in self.listeners {
            let acceptor = Acceptor {
                listener,
                shared: Arc::clone(&self.shared),
                room: Arc::clone(&room),
                tasks: tasks.clone(),
                back_off: BACK_OFF_MIN,
            };
            tasks.spawn("accept", acceptor.run());
        }
        stop.await;
        tasks.stop();
        tasks.join(self.shared.config.shutdown_grace).await
    }
}

fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // One socket, one family: 0.0.0.0 and [::] can be bound side by side.
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

struct Acceptor {
    listener: TcpListener,
    shared: Arc<Shared>,
    room: Arc<Semaphore>,
    tasks: Tasks,
    back_off: Duration,
}

impl Acceptor {
    async fn run(mut self) {
        let mut stop = self.tasks.signal();
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.given() => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    self.back_off = BACK_OFF_MIN;
                    self.admit(stream, peer, &stop);
                }
                Err(error) => self.rest_after(&error).await,
            }
        }
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr, stop: &StopSignal) {
        let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else {
            self.shared.metrics.connection_refused();
            tracing::warn!(%peer, limit = self.shared.config.connection_count_max, "connection refused: `max.connections` reached");
            return;
        };
        let Ok(local) = stream.local_addr() else { return };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "connection closed before it was served");
            return;
        }
        let client_host = format!("/{}", peer.ip().to_canonical()).into();
        let ends = Ends { peer, local, client_host };
        let work = serve(Arc::clone(&self.shared), ends, stream, stop.clone(), place);
        self.tasks.spawn("connection", work);
    }

    /// Out of file descriptors, most likely: trying again at once would only spin.
    async fn rest_after(&mut self, error: &io::Error) {
        if matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
        ) {
            return;
        }
        tracing::warn!(%error, pause_ms = self.back_off.as_millis(), "cannot accept connections");
        tokio::time::sleep(self.back_off).await;
        self.back_off = (self.back_off * 2).min(BACK_OFF_MAX);
    }
}

async fn serve(shared: Arc<Shared>, ends: Ends, stream: TcpStream, mut stop: StopSignal, place: OwnedSemaphorePermit) {
    // An address that connects too often waits, its requests unread (KIP-612).
    let wait = shared.broker.use_connection(ends.peer.ip());
    if !wait.is_zero() {
        tokio::select! {
            biased;
            () = stop.given() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
    connection::serve(shared, ends, stream, stop).await;
    drop(place);
}
