//! [`Running`]: a statement's task. It opens its journal again where that may help, and tells why it ended.

use levada_sql::{
    RunError, Statement, StatementError, View,
    statement::{Progress, Stop, Surroundings},
};
use levada_stream::{CommitError, HandleError, Hold};
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// The pause before a journal is opened again; doubled each time, until something was committed.
const PAUSE_MIN: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// So often it is looked whether a statement holds what it needs by itself.
const HOLD_INTERVAL: Duration = Duration::from_millis(200);

/// A statement that runs, or ran.
#[derive(Debug)]
pub(crate) struct Running {
    stop: Stop,
    progress: watch::Sender<Progress>,
    /// What it writes, where that is shown.
    view: Option<Arc<View>>,
    /// Why it does not go on now, while it waits to try again.
    trouble: Mutex<Option<String>>,
    /// Its sender is gone when the task is.
    ended: watch::Receiver<()>,
}

/// Held by the task for as long as it lives.
pub(crate) struct Alive(#[expect(dead_code, reason = "what counts is that it goes")] watch::Sender<()>);

impl Running {
    pub(crate) fn new(view: Option<Arc<View>>) -> (Arc<Self>, Alive) {
        let (alive, ended) = watch::channel(());
        let (stop, progress) = (Stop::default(), watch::Sender::new(Progress::default()));
        let running = Self { stop, progress, view, trouble: Mutex::new(None), ended };
        (Arc::new(running), Alive(alive))
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// Watches its progress.
    pub(crate) fn watch(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// What it writes, where that is shown.
    pub(crate) fn view(&self) -> Option<&Arc<View>> {
        self.view.as_ref()
    }

    pub(crate) fn trouble(&self) -> Option<String> {
        let goes_on = self.progress.borrow().is_recovered;
        self.trouble.lock().clone().filter(|_| !goes_on)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.has_changed().is_err()
    }

    /// Tells it to end after its epoch.
    pub(crate) fn stop(&self) {
        self.stop.give();
    }

    /// Resolves when its task has ended.
    pub(crate) async fn ended(&self) {
        let mut ended = self.ended.clone();
        // Nothing is ever sent.
        while ended.changed().await.is_ok() {}
    }

    /// Runs until it is told to stop, or cannot go on. `hold` keeps what it needs until it does so itself.
    ///
    /// # Errors
    /// Why it cannot go on.
    pub(crate) async fn run(
        &self,
        statement: &Statement,
        surroundings: &Surroundings,
        mut hold: Option<Arc<Hold>>,
    ) -> Result<(), StatementError> {
        let mut pause = PAUSE_MIN;
        if let Some(schemas) = surroundings.schemas.as_ref().filter(|_| needs_registry(statement)) {
            self.stop.or(schemas.settled()).await;
        }
        loop {
            let before = self.progress.borrow().epochs;
            let run = statement.run(surroundings, &self.stop, &self.progress);
            let outcome = tokio::select! {
                outcome = run => outcome,
                never = self.held(hold.take(), surroundings) => match never {},
            };
            let error = match outcome {
                Err(error) if passes(&error) && !self.stop.is_given() => error,
                outcome => return outcome,
            };
            if self.progress.borrow().epochs > before {
                pause = PAUSE_MIN;
            }
            tracing::warn!(statement = statement.name, %error, ?pause, "a statement pauses, and tries again");
            *self.trouble.lock() = Some(error.to_string());
            // Where there is no space, retention has to go on.
            hold = (!wants_space(&error)).then(|| Arc::new(surroundings.handle.hold_all()));
            self.progress.send_modify(|progress| progress.is_recovered = false);
            self.stop.or((surroundings.sleep)(pause)).await;
            if self.stop.is_given() {
                return Ok(());
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Lets go of `hold` once the statement has its own; never resolves.
    async fn held(&self, hold: Option<Arc<Hold>>, surroundings: &Surroundings) -> std::convert::Infallible {
        while !self.progress.borrow().is_recovered {
            (surroundings.sleep)(HOLD_INTERVAL).await;
        }
        drop(hold);
        std::future::pending().await
    }
}

/// Whether its records have schemas of the registry.
fn needs_registry(statement: &Statement) -> bool {
    statement.tables.values().chain([&statement.sink]).any(|table| table.registry_format().is_some())
}

/// Whether the same may succeed later, with the journal opened again.
fn passes(error: &StatementError) -> bool {
    match error {
        StatementError::Commit(error) => match error {
            CommitError::NotKept(_) | CommitError::Fenced | CommitError::InDoubt(_) | CommitError::Unusable => true,
            CommitError::Denied(_) | CommitError::Refused { .. } | CommitError::TooLarge { .. } => false,
        },
        StatementError::Broker(error) => matches!(error, HandleError::Unavailable(_)),
        StatementError::Unavailable(_) => true,
        StatementError::Run(RunError::StateTooLarge { .. }) => false,
        _ => false,
    }
}

fn wants_space(error: &StatementError) -> bool {
    matches!(error, StatementError::Commit(CommitError::NotKept(_)))
}
