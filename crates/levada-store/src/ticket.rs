//! [`Ticket`]: a promise that the store keeps later, awaited on any executor.

use parking_lot::Mutex;
use std::{
    pin::Pin,
    sync::{Arc, Condvar, Mutex as StdMutex},
    task::{Context, Poll, Wake, Waker},
};

#[derive(Debug)]
struct State<T> {
    value: Option<T>,
    waker: Option<Waker>,
    abandoned: bool,
}

/// A value that comes later; `None` if the store ended before it came.
#[derive(Debug)]
pub struct Ticket<T> {
    state: Arc<Mutex<State<T>>>,
}

/// The store's end of a [`Ticket`]. Dropping it unfulfilled resolves the ticket to `None`.
#[derive(Debug)]
pub struct Promise<T> {
    state: Arc<Mutex<State<T>>>,
}

/// A promise and its ticket.
#[must_use]
pub fn pair<T>() -> (Promise<T>, Ticket<T>) {
    let state = Arc::new(Mutex::new(State { value: None, waker: None, abandoned: false }));
    (Promise { state: Arc::clone(&state) }, Ticket { state })
}

impl<T> Promise<T> {
    /// Resolves the ticket.
    pub fn fulfil(self, value: T) {
        let waker = {
            let mut state = self.state.lock();
            state.value = Some(value);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        let waker = {
            let mut state = self.state.lock();
            state.abandoned = true;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Ticket<T> {
    /// A ticket that is resolved already.
    #[must_use]
    pub fn ready(value: T) -> Self {
        let state = State { value: Some(value), waker: None, abandoned: true };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// The value, if it has come; afterwards the ticket is used up.
    pub fn try_take(&mut self) -> Option<T> {
        self.state.lock().value.take()
    }

    /// Blocks this thread until the value comes.
    #[must_use]
    pub fn wait(mut self) -> Option<T> {
        struct Unpark {
            woken: StdMutex<bool>,
            bell: Condvar,
        }
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                *self.woken.lock().expect("nobody panics with the lock held") = true;
                self.bell.notify_one();
            }
        }
        let unpark = Arc::new(Unpark { woken: StdMutex::new(false), bell: Condvar::new() });
        let waker = Waker::from(Arc::clone(&unpark));
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(value) = Pin::new(&mut self).poll(&mut context) {
                return value;
            }
            let mut woken = unpark.woken.lock().expect("nobody panics with the lock held");
            while !*woken {
                woken = unpark.bell.wait(woken).expect("nobody panics with the lock held");
            }
            *woken = false;
        }
    }
}

impl<T> Future for Ticket<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut state = self.state.lock();
        if let Some(value) = state.value.take() {
            return Poll::Ready(Some(value));
        }
        if state.abandoned {
            return Poll::Ready(None);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_resolves_across_threads() {
        let (promise, ticket) = pair();
        let thread = std::thread::spawn(move || promise.fulfil(7));
        assert_eq!(ticket.wait(), Some(7));
        thread.join().unwrap();
    }

    #[test]
    fn a_dropped_promise_resolves_to_nothing() {
        let (promise, ticket) = pair::<i32>();
        drop(promise);
        assert_eq!(ticket.wait(), None);
    }
}
