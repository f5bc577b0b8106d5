//! Where a load stands: the broker that it talks to, whether it is to end, and what went wrong on the way. Shared by
//! the threads of either load.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::kafka_client::Connection;

/// How long a thread rests before it tries again.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct Course {
    pub(super) address: SocketAddr,
    started: Instant,
    finishing: AtomicBool,
    /// After it nobody tries again.
    give_up_at: Mutex<Option<Instant>>,
    problems: Mutex<Vec<String>>,
}

impl Course {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            started: Instant::now(),
            finishing: AtomicBool::new(false),
            give_up_at: Mutex::new(None),
            problems: Mutex::new(Vec::new()),
        }
    }

    pub(super) fn now_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// A connection, if the broker takes one now.
    pub(super) fn connect(&self) -> Option<Connection> {
        let connection = Connection::open(self.address).ok();
        if connection.is_none() {
            sleep(RETRY_INTERVAL);
        }
        connection
    }

    /// From now on threads end when they have nothing open.
    pub(super) fn begin_finishing(&self) {
        self.finishing.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_finishing(&self) -> bool {
        self.finishing.load(Ordering::SeqCst)
    }

    pub(super) fn give_up_in(&self, limit: Duration) {
        *self.give_up_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + limit);
    }

    /// Whether the time to finish in is over.
    pub(super) fn is_given_up(&self) -> bool {
        let give_up_at = *self.give_up_at.lock().unwrap_or_else(PoisonError::into_inner);
        give_up_at.is_some_and(|at| Instant::now() > at)
    }

    /// A broken promise that is not about records; the same one is told once.
    pub(super) fn problem(&self, text: String) {
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        if !problems.contains(&text) {
            problems.push(text);
        }
    }

    pub(super) fn problems(&self) -> Vec<String> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
