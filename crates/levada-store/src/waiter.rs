//! Waiting for a log to grow, without a runtime: [`Waiter`] is woken by any of the logs it watches, and told
//! by which, so that one who watches a thousand need not look at all of them.

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
    moved: Mutex<Vec<u32>>,
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

    /// The tokens of the watches that fired since they were set or rearmed; each at most once.
    pub fn take_moved(&self) -> Vec<u32> {
        std::mem::take(&mut *self.moved.lock())
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

/// One waiter's interest in one log.
#[derive(Debug)]
pub(crate) struct Watch {
    waiter: Weak<Waiter>,
    token: u32,
    fired: AtomicBool,
}

/// The watches on one log.
#[derive(Debug, Default)]
pub(crate) struct WaiterList {
    watches: Mutex<Vec<Arc<Watch>>>,
}

/// Keeps a [`Waiter`] on the list of a log that it watches.
#[derive(Debug)]
pub struct WatchGuard {
    log: Arc<crate::log::Log>,
    watch: Arc<Watch>,
}

impl WatchGuard {
    pub(crate) const fn new(log: Arc<crate::log::Log>, watch: Arc<Watch>) -> Self {
        Self { log, watch }
    }

    /// Has the watch fire again. Call it before looking at the log, or a move in between is missed.
    pub fn rearm(&self) {
        self.watch.fired.store(false, Ordering::Release);
    }
}

impl Drop for WatchGuard {
    fn drop(&mut self) {
        self.log.waiters().remove(&self.watch);
    }
}

impl WaiterList {
    pub(crate) fn add(&self, waiter: &Arc<Waiter>, token: u32) -> Arc<Watch> {
        let watch = Arc::new(Watch { waiter: Arc::downgrade(waiter), token, fired: AtomicBool::new(false) });
        self.watches.lock().push(Arc::clone(&watch));
        watch
    }

    fn remove(&self, gone: &Arc<Watch>) {
        let mut watches = self.watches.lock();
        if let Some(index) = watches.iter().position(|watch| Arc::ptr_eq(watch, gone)) {
            watches.swap_remove(index);
        }
    }

    /// Wakes all whose watch has not fired yet; they stay until their guards are dropped.
    pub(crate) fn wake(&self) {
        // Waking may poll at once on some executors: not under the lock.
        let woken: Vec<_> = {
            let watches = self.watches.lock();
            if watches.is_empty() {
                return;
            }
            let fires = |watch: &&Arc<Watch>| !watch.fired.swap(true, Ordering::AcqRel);
            watches.iter().filter(fires).filter_map(|watch| Some((watch.waiter.upgrade()?, watch.token))).collect()
        };
        for (waiter, token) in woken {
            waiter.moved.lock().push(token);
            waiter.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_fires_once_until_it_is_rearmed_and_says_which_it_is() {
        let (waiter, list) = (Waiter::new(), WaiterList::default());
        let seven = list.add(&waiter, 7);
        let _nine = list.add(&waiter, 9);
        list.wake();
        list.wake();
        assert!(waiter.poll_woken(&mut Context::from_waker(Waker::noop())).is_ready());
        assert!(waiter.poll_woken(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(waiter.take_moved(), [7, 9]);
        seven.fired.store(false, Ordering::Release);
        list.wake();
        assert_eq!(waiter.take_moved(), [7]);
        list.remove(&seven);
        list.wake();
        assert_eq!(waiter.take_moved(), [] as [u32; 0]);
    }
}
