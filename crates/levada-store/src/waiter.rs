//! Waiting for a log to grow, without a runtime: [`Waiter`] is woken by any of the logs it watches.

use parking_lot::Mutex;
use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

/// Something that waits for any of several logs.
#[derive(Debug, Default)]
pub struct Waiter {
    woken: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

impl Waiter {
    /// A waiter that watches nothing yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Wakes it.
    pub fn wake(&self) {
        self.woken.store(true, Ordering::Release);
        let waker = self.waker.lock().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ready once after each wake.
    pub fn poll_woken(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.woken.swap(false, Ordering::AcqRel) {
            return Poll::Ready(());
        }
        *self.waker.lock() = Some(context.waker().clone());
        // A wake between the swap and the store above found no waker.
        if self.woken.swap(false, Ordering::AcqRel) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// The waiters of one log.
#[derive(Debug, Default)]
pub(crate) struct WaiterList {
    waiters: Mutex<Vec<Weak<Waiter>>>,
}

/// Keeps a [`Waiter`] on the lists of the logs it watches.
#[derive(Debug)]
pub struct WatchGuard {
    log: Arc<crate::log::Log>,
    waiter: Arc<Waiter>,
}

impl WatchGuard {
    pub(crate) const fn new(log: Arc<crate::log::Log>, waiter: Arc<Waiter>) -> Self {
        Self { log, waiter }
    }
}

impl Drop for WatchGuard {
    fn drop(&mut self) {
        self.log.waiters().remove(&self.waiter);
    }
}

impl WaiterList {
    pub(crate) fn add(&self, waiter: &Arc<Waiter>) {
        self.waiters.lock().push(Arc::downgrade(waiter));
    }

    fn remove(&self, waiter: &Arc<Waiter>) {
        let gone = Arc::downgrade(waiter);
        let mut waiters = self.waiters.lock();
        if let Some(index) = waiters.iter().position(|other| other.ptr_eq(&gone)) {
            waiters.swap_remove(index);
        }
    }

    /// Wakes all; they stay until their guards are dropped.
    pub(crate) fn wake(&self) {
        // Waking may poll at once on some executors: not under the lock.
        let woken: Vec<_> = {
            let waiters = self.waiters.lock();
            if waiters.is_empty() {
                return;
            }
            waiters.iter().filter_map(Weak::upgrade).collect()
        };
        for waiter in woken {
            waiter.wake();
        }
    }
}
