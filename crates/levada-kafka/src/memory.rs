//! [`RequestMemory`]: how many bytes the requests of all connections may hold together.
//!
//! Bytes are charged as they arrive. When all is taken, connections stop reading and wait in line, and one
//! of them at a time may finish its request on the *overdraft*, so that requests which each hold a part of
//! the memory cannot wait for each other for ever, and a single request may be larger than the whole memory.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The memory for requests, shared by all connections.
#[derive(Debug)]
pub(crate) struct RequestMemory {
    bytes: Arc<Semaphore>,
    overdraft: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// Memory that a connection or a request holds; dropping it gives it back.
#[derive(Debug, Default)]
pub(crate) struct Charge {
    bytes: Option<OwnedSemaphorePermit>,
    overdraft: Option<OwnedSemaphorePermit>,
}

/// A connection that waits for its bytes to be charged.
pub(crate) type Charging = Pin<Box<dyn Future<Output = Charge> + Send>>;

impl RequestMemory {
    pub(crate) fn new(size: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes: Arc::new(Semaphore::new(size.min(Semaphore::MAX_PERMITS))),
            overdraft: Arc::new(Semaphore::new(1)),
            waiting: AtomicUsize::new(0),
        })
    }

    /// Whether somebody waits for memory.
    pub(crate) fn is_short(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Whether `size` bytes are free.
    pub(crate) fn has_room(&self, size: usize) -> bool {
        self.bytes.available_permits() >= size
    }

    /// Charges `size` bytes if there are as many and nobody waits.
    pub(crate) fn try_charge(&self, size: usize) -> Option<Charge> {
        let size = u32::try_from(size).ok()?;
        let bytes = Arc::clone(&self.bytes).try_acquire_many_owned(size).ok()?;
        Some(Charge { bytes: Some(bytes), overdraft: None })
    }

    /// Waits until `size` bytes are free, or the overdraft is.
    pub(crate) fn charge(self: &Arc<Self>, size: usize) -> Charging {
        let memory = Arc::clone(self);
        Box::pin(async move {
            let _waiting = Waiting::new(&memory);
            let size = u32::try_from(size).unwrap_or(u32::MAX);
            tokio::select! {
                biased;
                Ok(bytes) = Arc::clone(&memory.bytes).acquire_many_owned(size) =>
                    Charge { bytes: Some(bytes), overdraft: None },
                Ok(overdraft) = Arc::clone(&memory.overdraft).acquire_owned() =>
                    Charge { bytes: None, overdraft: Some(overdraft) },
                else => Charge::default(),
            }
        })
    }
}

struct Waiting<'a>(&'a RequestMemory);

impl<'a> Waiting<'a> {
    fn new(memory: &'a RequestMemory) -> Self {
        memory.waiting.fetch_add(1, Ordering::Relaxed);
        Self(memory)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Charge {
    /// Bytes held, the overdraft aside.
    pub(crate) fn size(&self) -> usize {
        self.bytes.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    /// Whether this holds the overdraft: what it covers need not be charged.
    pub(crate) const fn is_overdrawn(&self) -> bool {
        self.overdraft.is_some()
    }

    /// Adds `other` to this.
    pub(crate) fn merge(&mut self, other: Self) {
        match (&mut self.bytes, other.bytes) {
            (Some(mine), Some(more)) => mine.merge(more),
            (mine @ None, more) => *mine = more,
            (Some(_), None) => {}
        }
        if other.overdraft.is_some() {
            self.overdraft = other.overdraft;
        }
    }

    /// Takes everything beyond `keep` bytes away, the overdraft included.
    pub(crate) fn split_beyond(&mut self, keep: usize) -> Self {
        let surplus = self.size().saturating_sub(keep);
        let bytes = if surplus == 0 { None } else { self.bytes.as_mut().and_then(|bytes| bytes.split(surplus)) };
        Self { bytes, overdraft: self.overdraft.take() }
    }
}

/// Polls `charging`, if there is one, and adds what it brings to `charge`.
pub(crate) fn poll_charging(
    charging: &mut Option<Charging>,
    charge: &mut Charge,
    context: &mut Context<'_>,
) -> Poll<()> {
    if let Some(future) = charging {
        match future.as_mut().poll(context) {
            Poll::Ready(more) => charge.merge(more),
            Poll::Pending => return Poll::Pending,
        }
        *charging = None;
    }
    Poll::Ready(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time_goes_on_when_all_memory_is_taken() {
        let memory = RequestMemory::new(100);
        let mut first = memory.try_charge(100).expect("all is free");
        assert!(memory.try_charge(1).is_none());
        let second = memory.charge(50).await;
        assert!(second.is_overdrawn());
        let mut third = memory.charge(50);
        assert!(futures_pending(&mut third).await, "the overdraft is one");
        assert!(memory.is_short());
        drop(first.split_beyond(40));
        assert_eq!(first.size(), 40);
        assert_eq!(third.await.size(), 50);
        assert!(!memory.is_short());
    }

    #[tokio::test]
    async fn what_a_request_held_comes_back() {
        let memory = RequestMemory::new(100);
        let mut inbox = memory.try_charge(80).expect("free");
        let request = inbox.split_beyond(30);
        assert_eq!((inbox.size(), request.size()), (30, 50));
        drop(request);
        drop(inbox);
        assert_eq!(memory.try_charge(100).expect("all came back").size(), 100);
    }

    async fn futures_pending(charging: &mut Charging) -> bool {
        std::future::poll_fn(|context| Poll::Ready(charging.as_mut().poll(context).is_pending())).await
    }
}
