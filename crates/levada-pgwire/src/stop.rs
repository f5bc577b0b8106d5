//! [`Stop`]: what stops a statement, wherever it is: somebody who asks for it, or time.

use crate::problem::Problem;
use std::time::Duration;
use tokio::{sync::watch, time::Instant};

/// See the module.
pub(crate) struct Stop {
    cancel: watch::Receiver<u64>,
    /// When the time of the statement is over.
    end: Option<Instant>,
}

impl Stop {
    pub(crate) const fn new(cancel: watch::Receiver<u64>) -> Self {
        Self { cancel, end: None }
    }

    /// A statement begins: what came before was not meant for it.
    pub(crate) fn begin(&mut self, timeout: Option<Duration>) {
        self.cancel.mark_unchanged();
        self.end = timeout.map(|span| Instant::now() + span);
    }

    /// Refuses to go on, where there is a reason.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        if self.cancel.has_changed().unwrap_or(false) {
            return Err(cancelled());
        }
        match self.end {
            Some(end) if Instant::now() >= end => Err(too_long()),
            _ => Ok(()),
        }
    }

    /// Waits for a reason.
    pub(crate) async fn reason(&mut self) -> Problem {
        let end = self.end;
        let over = async {
            match end {
                Some(end) => tokio::time::sleep_until(end).await,
                None => std::future::pending().await,
            }
        };
        let asked = async {
            if self.cancel.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = asked => cancelled(),
            () = over => too_long(),
        }
    }
}

fn cancelled() -> Problem {
    Problem::new("57014", "the statement is cancelled, as somebody asked for")
}

fn too_long() -> Problem {
    Problem::new("57014", "the statement is cancelled: `statement_timeout` is over")
}
