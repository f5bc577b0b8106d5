//! A queue with one consumer that takes all that waits.

use parking_lot::{Condvar, Mutex};
use std::{collections::VecDeque, time::Duration};

/// Many push, one drains.
///
/// Its length is bounded by those who push: requests hold a share of the server's memory for requests in
/// flight while they wait here.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    items: Mutex<VecDeque<T>>,
    bell: Condvar,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { items: Mutex::new(VecDeque::new()), bell: Condvar::new() }
    }
}

impl<T> Queue<T> {
    pub(crate) fn push(&self, item: T) {
        let was_empty = {
            let mut items = self.items.lock();
            items.push_back(item);
            items.len() == 1
        };
        if was_empty {
            self.bell.notify_one();
        }
    }

    /// Moves all that waits to `target`; waits for something up to `timeout`.
    pub(crate) fn drain_into(&self, target: &mut VecDeque<T>, timeout: Option<Duration>) {
        let mut items = self.items.lock();
        if items.is_empty() {
            match timeout {
                None => self.bell.wait_while(&mut items, |items| items.is_empty()),
                Some(timeout) => {
                    self.bell.wait_while_for(&mut items, |items| items.is_empty(), timeout);
                }
            }
        }
        target.append(&mut items);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn everything_pushed_is_drained_in_order() {
        let queue = Arc::new(Queue::default());
        let pusher = Arc::clone(&queue);
        let thread = std::thread::spawn(move || (0..1_000).for_each(|item| pusher.push(item)));
        let mut drained = VecDeque::new();
        while drained.len() < 1_000 {
            queue.drain_into(&mut drained, None);
        }
        thread.join().unwrap();
        assert!(drained.into_iter().eq(0..1_000));
    }
}
