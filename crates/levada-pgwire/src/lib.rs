//! PostgreSQL's wire protocol (3.0) as a face of streaming SQL: `psql`, drivers and tools ask their questions here.
//!
//! | file | |
//! |---|---|
//! | `startup.rs` | who connects, and cancel requests |
//! | `wire.rs`, `out.rs` | messages read, each bounded before it is; messages written |
//! | `statement.rs` | whose a statement is: PostgreSQL's own (`BEGIN`, `SET x TO y`), its catalog's, or ours |
//! | `transaction.rs` | what stands behind `BEGIN` and `COMMIT` |
//! | `connection.rs`, `simple.rs`, `extended.rs` | one connection, and both ways to ask over it |
//! | `stop.rs` | what stops a statement |
//! | `portals.rs`, `budget.rs` | what a connection keeps, and how much that may be |
//! | `settings.rs` | what a connection has set |
//! | `encode.rs`, `decode.rs`, `numeric.rs`, `calendar.rs` | values as text and in binary |
//!
//! What a statement means and does is `levada-sql-server`'s. Nobody shows a password: whoever listens beyond this
//! machine says so on purpose. Of the protocol, TLS, `COPY`, function calls, notifications and replication are left
//! out.
//!
//! Source: the documentation of PostgreSQL, chapter «Frontend/Backend Protocol».

mod budget;
mod calendar;
mod cancel;
mod connection;
mod decode;
mod encode;
mod extended;
mod numeric;
mod out;
mod portals;
mod problem;
mod run;
mod settings;
mod simple;
mod startup;
mod statement;
mod stop;
mod transaction;
mod wire;

use cancel::Cancels;
use levada_model::Rng;
use levada_sql_server::{Service, Session, Spawn};
use socket2::{SockRef, TcpKeepalive};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

/// Connections beyond this many are refused.
const CONNECTIONS_MAX: usize = 256;
/// So many at once are about to say who they are, or cancel something.
const ARRIVING_MAX: usize = 256;
/// A connection over which nothing came for so long is asked whether it is there.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
/// How often it is asked again, and after how many times it is given up.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);
const KEEPALIVE_TIMES: u32 = 4;
/// Whoever does not say who they are for so long is cut off.
const STARTUP_MAX: Duration = Duration::from_secs(10);
/// The pause after `accept` failed, for want of file descriptors say.
const BACK_OFF: Duration = Duration::from_millis(100);

/// What the face works with.
#[derive(Clone)]
pub struct Parts {
    /// What carries statements out.
    pub service: Arc<Service>,
    /// Starts tasks: each connection is one.
    pub spawn: Spawn,
    /// Where the secrets of cancel requests come from.
    pub rng: Arc<dyn Rng>,
    /// This program's version.
    pub version: &'static str,
}

/// What all connections share.
struct Shared {
    parts: Parts,
    cancels: Cancels,
    room: Arc<Semaphore>,
    arriving: Arc<Semaphore>,
}

/// Serves those who connect until the service ends.
pub async fn serve(listener: TcpListener, parts: Parts) {
    let spawn = Arc::clone(&parts.spawn);
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let arriving = Arc::new(Semaphore::new(ARRIVING_MAX));
    let shared = Arc::new(Shared { parts, cancels: Cancels::default(), room, arriving });
    let closed = shared.parts.service.closed();
    tokio::pin!(closed);
    loop {
        let accepted = tokio::select! {
            () = &mut closed => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let shared = Arc::clone(&shared);
                spawn("sql-pgwire", Box::pin(async move { one(&shared, stream, peer).await }));
            }
            Err(error) => {
                tracing::debug!(%error, "a connection of PostgreSQL's protocol could not be accepted");
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
}

/// Answers are written whole, and the dead are noticed.
fn set_options(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
    SockRef::from(stream).set_tcp_keepalive(&keepalive.with_retries(KEEPALIVE_TIMES))
}

/// One connection, from its first byte to its last.
async fn one(shared: &Shared, stream: TcpStream, peer: SocketAddr) {
    if let Err(error) = set_options(&stream) {
        tracing::debug!(%peer, %error, "a connection has no options");
    }
    let mut io = wire::Io::new(stream);
    let Ok(arriving) = Arc::clone(&shared.arriving).try_acquire_owned() else {
        return refuse(io, format!("{ARRIVING_MAX} connections are about to begin already")).await;
    };
    let started = tokio::time::timeout(STARTUP_MAX, startup::startup(&mut io, shared)).await;
    let started = match started {
        Ok(Ok(Some(started))) => started,
        Ok(Ok(None)) => return,
        Ok(Err(error)) => return tracing::debug!(%peer, %error, "a connection did not start"),
        Err(_) => return tracing::debug!(%peer, "a connection was silent"),
    };
    // Whoever only cancelled something has taken no place.
    let Ok(_place) = Arc::clone(&shared.room).try_acquire_owned() else {
        return refuse(io, format!("there are {CONNECTIONS_MAX} connections already")).await;
    };
    drop(arriving);
    let session = Session::new(Arc::clone(&shared.parts.service), peer, started.settings.get("application_name"));
    let entry = shared.cancels.enter(shared.parts.rng.as_ref());
    let connection = connection::Connection::new(io, session, started, &entry);
    if let Err(error) = connection.serve(&entry).await {
        tracing::debug!(%peer, %error, "a connection of PostgreSQL's protocol ended");
    }
}

async fn refuse(mut io: wire::Io, why: String) {
    io.out.problem(&problem::Problem::fatal("53300", why));
    drop(tokio::time::timeout(STARTUP_MAX, io.flush()).await);
}
