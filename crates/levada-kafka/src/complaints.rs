//! [`Complaints`]: log lines about clients, so many a second at most: who can open connections could fill a disk.

use parking_lot::Mutex;
use std::{fmt::Display, net::SocketAddr, time::Duration};
use tokio::time::Instant;

const WINDOW: Duration = Duration::from_secs(1);
const LINE_COUNT_MAX: u32 = 20;

/// What was said in the current second, and what was not.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    window: Option<Instant>,
    said: u32,
    unsaid: u64,
}

impl State {
    /// Whether one more line may be written, and how many were not since the last.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.window.is_none_or(|began| now.duration_since(began) >= WINDOW) {
            self.window = Some(now);
            self.said = 0;
        }
        if self.said >= LINE_COUNT_MAX {
            self.unsaid += 1;
            return None;
        }
        self.said += 1;
        Some(std::mem::take(&mut self.unsaid))
    }
}

impl Complaints {
    /// Says that the connection with `peer` was closed for `reason`.
    pub(crate) fn about(&self, peer: SocketAddr, reason: &dyn Display) {
        let admitted = self.state.lock().admit(Instant::now());
        match admitted {
            None => {}
            Some(0) => tracing::warn!(%peer, %reason, "connection closed"),
            Some(unsaid) => tracing::warn!(%peer, %reason, unsaid, "connection closed; so were others"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_limit_are_counted_and_told_with_the_next() {
        let (mut state, start) = (State::default(), Instant::now());
        for _ in 0..LINE_COUNT_MAX {
            assert_eq!(state.admit(start), Some(0));
        }
        assert_eq!((state.admit(start), state.admit(start)), (None, None));
        assert_eq!(state.admit(start + WINDOW), Some(2));
        assert_eq!(state.admit(start + WINDOW), Some(0));
    }
}
