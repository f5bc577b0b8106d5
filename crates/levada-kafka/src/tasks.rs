//! [`Tasks`]: the only way to start a task. A panic is reported, and shutdown waits for what still runs.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Notify, watch};

/// Starts tasks, tells them to stop, and waits for them.
#[derive(Clone, Debug)]
pub struct Tasks {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    running: AtomicUsize,
    idle: Notify,
    stop: watch::Sender<bool>,
}

/// Resolves when everything is told to stop.
#[derive(Clone, Debug)]
pub struct StopSignal {
    stop: watch::Receiver<bool>,
}

impl StopSignal {
    /// Waits for the signal. A signal whose sender is gone counts as given.
    pub async fn given(&mut self) {
        while !*self.stop.borrow_and_update() {
            if self.stop.changed().await.is_err() {
                return;
            }
        }
    }

    /// Whether the signal was given.
    #[must_use]
    pub fn is_given(&self) -> bool {
        *self.stop.borrow()
    }
}

impl Default for Tasks {
    fn default() -> Self {
        let (stop, _) = watch::channel(false);
        Self { shared: Arc::new(Shared { running: AtomicUsize::new(0), idle: Notify::new(), stop }) }
    }
}

impl Tasks {
    /// Runs `task` until it ends. `name` is what a panic is reported under.
    #[expect(clippy::disallowed_methods, reason = "the one place that starts tasks")]
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let running = Running::new(name, &self.shared);
        tokio::spawn(async move {
            // Moved in, so that it is dropped with the task, however it ends.
            let mut running = running;
            task.await;
            running.ended = true;
        });
    }

    /// A signal that [`Self::stop`] gives.
    #[must_use]
    pub fn signal(&self) -> StopSignal {
        StopSignal { stop: self.shared.stop.subscribe() }
    }

    /// Tells everything to stop.
    pub fn stop(&self) {
        self.shared.stop.send_replace(true);
    }

    /// How many tasks run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.shared.running.load(Ordering::Acquire)
    }

    /// Waits until no task runs, at most `grace`. Returns how many still do.
    pub async fn join(&self, grace: Duration) -> usize {
        let all_ended = async {
            loop {
                let idle = self.shared.idle.notified();
                if self.running() == 0 {
                    return;
                }
                idle.await;
            }
        };
        match tokio::time::timeout(grace, all_ended).await {
            Ok(()) => 0,
            Err(_) => self.running(),
        }
    }
}

impl levada_broker::Runtime for Tasks {
    fn spawn(&self, name: &'static str, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        Self::spawn(self, name, task);
    }

    fn spawn_blocking(&self, name: &'static str, work: Box<dyn FnOnce() + Send>) {
        let running = Running::new(name, &self.shared);
        // Nobody waits for the handle: `running` reports how it ended.
        drop(tokio::task::spawn_blocking(move || {
            let mut running = running;
            work();
            running.ended = true;
        }));
    }

    fn sleep(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(span))
    }
}

struct Running {
    name: &'static str,
    ended: bool,
    shared: Arc<Shared>,
}

impl Running {
    fn new(name: &'static str, shared: &Arc<Shared>) -> Self {
        shared.running.fetch_add(1, Ordering::AcqRel);
        Self { name, ended: false, shared: Arc::clone(shared) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended && std::thread::panicking() {
            tracing::error!(task = self.name, "task panicked; this is a defect of Levada, please report it");
        }
        if self.shared.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn join_waits_for_tasks_that_heard_the_signal() {
        let tasks = Tasks::default();
        let mut signal = tasks.signal();
        tasks.spawn("waits", async move { signal.given().await });
        assert_eq!(tasks.join(Duration::from_millis(1)).await, 1);
        tasks.stop();
        assert_eq!(tasks.join(Duration::from_secs(10)).await, 0);
        assert!(tasks.signal().is_given());
    }

    #[tokio::test]
    async fn a_panicking_task_ends_alone() {
        let tasks = Tasks::default();
        tasks.spawn("panics", async { panic!("on purpose") });
        assert_eq!(tasks.join(Duration::from_secs(10)).await, 0);
    }
}
