//! [`ClientConfig`]: how a client reaches its cluster, and how long it tries.

use levada_model::{Clock, Rng, SeededRng, SystemClock};
use std::{fmt, sync::Arc, time::Duration};

/// How a client reaches its cluster.
#[derive(Clone)]
pub struct ClientConfig {
    /// `HOST:PORT`, several separated by commas; any broker will do.
    pub bootstrap_servers: String,
    /// What the client calls itself.
    pub client_id: String,
    /// How long one connection attempt may take.
    pub connect_timeout: Duration,
    /// How long one answer may take, beyond what the request itself allows.
    pub request_timeout: Duration,
    /// How long a call is tried again after failures that pass.
    pub retry_limit: Duration,
    /// The pause after the first failure; doubled after each, up to ten times as long.
    pub retry_backoff: Duration,
    /// The largest answer that is read.
    pub frame_bytes_max: usize,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for jitter, and for spreading records without a key.
    pub rng: Arc<dyn Rng>,
}

impl ClientConfig {
    /// Defaults for the cluster at `bootstrap_servers`, on the machine's clock.
    #[must_use]
    pub fn new(bootstrap_servers: &str) -> Self {
        let clock = SystemClock;
        let seed = clock.wall_ms().unsigned_abs() ^ (u64::from(std::process::id()) << 32);
        Self {
            bootstrap_servers: bootstrap_servers.to_owned(),
            client_id: "levada".to_owned(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            retry_limit: Duration::from_secs(30),
            retry_backoff: Duration::from_millis(50),
            frame_bytes_max: 128 << 20,
            clock: Arc::new(clock),
            rng: Arc::new(SeededRng::new(seed)),
        }
    }

    /// The pause before try number `attempt`, counted from 0, with a fifth of jitter.
    pub(crate) fn backoff(&self, attempt: u32) -> Duration {
        let pause = self.retry_backoff.saturating_mul(1 << attempt.min(4)).min(self.retry_backoff * 10);
        let percent = u32::try_from(self.rng.next_u64() % 21).unwrap_or(0);
        pause * (90 + percent) / 100
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}
