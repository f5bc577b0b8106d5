//! [`ServerConfig`]: what the Kafka listener may be told, with limits that are safe as they stand.

use std::{fmt, net::SocketAddr, time::Duration};

/// The host and port that clients are told to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Everything the Kafka listener needs to know besides the broker.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where to listen; port 0 picks a free port.
    pub listen: Vec<SocketAddr>,
    /// What clients are told instead of the address at which they reached us.
    pub advertise: Option<Endpoint>,
    /// Whether a listener beyond loopback may serve clients without authentication.
    pub allow_anonymous: bool,
    /// The largest request. Kafka: `socket.request.max.bytes`.
    pub request_size_max: usize,
    /// What all requests together may hold in memory. One single larger request is let through at a time.
    pub request_memory_size_max: usize,
    /// What all fetch responses together may hold in memory before they shrink to a batch each.
    pub response_memory_size_max: usize,
    /// Connections beyond this many are closed at once. Kafka: `max.connections`.
    pub connection_count_max: usize,
    /// A connection without traffic for this long is closed. Kafka: `connections.max.idle.ms`.
    pub connection_idle_max: Duration,
    /// Requests of one connection that are worked on or wait for their turn to be answered.
    pub pipelined_count_max: usize,
    /// The largest fetch response, single large batches aside. Kafka: `fetch.max.bytes`.
    pub fetch_size_max: usize,
    /// Incremental fetch sessions that are remembered. Kafka: `max.incremental.fetch.session.cache.slots`.
    pub fetch_session_count_max: usize,
    /// How long requests in flight may take to finish once the server is told to stop.
    pub shutdown_grace: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 9092))],
            advertise: None,
            allow_anonymous: false,
            request_size_max: 100 << 20,
            request_memory_size_max: 64 << 20,
            response_memory_size_max: 128 << 20,
            connection_count_max: 20_000,
            connection_idle_max: Duration::from_secs(10 * 60),
            pipelined_count_max: 128,
            fetch_size_max: 55 << 20,
            fetch_session_count_max: 1_000,
            shutdown_grace: Duration::from_secs(10),
        }
    }
}

/// Why a [`ServerConfig`] cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Nowhere to listen.
    #[error("no address to listen on")]
    NoListener,
    /// Strangers could reach it.
    #[error(
        "`{0}` can be reached from other machines and clients are not authenticated; say `--allow-anonymous` to allow that"
    )]
    Exposed(SocketAddr),
    /// A limit under which nothing works.
    #[error("`{name}` is {value}, it must be at least {min}")]
    TooSmall {
        /// The setting.
        name: &'static str,
        /// What it is.
        value: usize,
        /// The least.
        min: usize,
    },
}

impl ServerConfig {
    /// Refuses what could not work, or what would be unsafe without having been asked for.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.listen.is_empty() {
            return Err(ConfigError::NoListener);
        }
        if let Some(exposed) = self.listen.iter().find(|address| !address.ip().to_canonical().is_loopback())
            && !self.allow_anonymous
        {
            return Err(ConfigError::Exposed(*exposed));
        }
        for (name, value, min) in [
            ("socket.request.max.bytes", self.request_size_max, 1024),
            ("request_memory_size_max", self.request_memory_size_max, 64 << 10),
            ("response_memory_size_max", self.response_memory_size_max, 64 << 10),
            ("max.connections", self.connection_count_max, 1),
            ("pipelined_count_max", self.pipelined_count_max, 1),
            ("fetch.max.bytes", self.fetch_size_max, 1024),
        ] {
            if value < min {
                return Err(ConfigError::TooSmall { name, value, min });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_beyond_loopback_needs_to_be_allowed() {
        let exposed = SocketAddr::from(([0, 0, 0, 0], 9092));
        let mut config = ServerConfig { listen: vec![exposed], ..ServerConfig::default() };
        assert_eq!(config.validate(), Err(ConfigError::Exposed(exposed)));
        config.allow_anonymous = true;
        assert_eq!(config.validate(), Ok(()));
        config.listen = vec!["[::1]:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap()];
        config.allow_anonymous = false;
        assert_eq!(config.validate(), Ok(()));
    }

    #[test]
    fn an_endpoint_prints_as_clients_write_it() {
        assert_eq!(Endpoint { host: "::1".into(), port: 9092 }.to_string(), "[::1]:9092");
        assert_eq!(Endpoint { host: "localhost".into(), port: 1 }.to_string(), "localhost:1");
    }
}
