//! [`Connection`]: one client, from its first question to its last.

use crate::{
    budget::Budget,
    cancel::Entry,
    encode::Row,
    extended::Prepared,
    out::Transaction,
    portals::Portals,
    problem::{Problem, Severity},
    settings::Settings,
    startup::Started,
    stop::Stop,
    wire::{Io, Message, SEND_SIZE, WireError},
};
use bytes::BufMut as _;
use levada_sql::{Answer, Cell, StatementError};
use levada_sql_server::{Refusal, Session};
use std::{collections::BTreeMap, sync::Arc};
use tokio::time::{Instant, sleep_until};

/// Rows that are written before it is looked whether the statement is stopped.
const ROWS_AT_ONCE: usize = 64;

/// See the module.
pub(crate) struct Connection {
    pub(crate) io: Io,
    pub(crate) session: Session,
    pub(crate) settings: Settings,
    pub(crate) user: String,
    pub(crate) database: String,
    pub(crate) backend: i32,
    pub(crate) stop: Stop,
    pub(crate) budget: Budget,
    pub(crate) transaction: Transaction,
    pub(crate) prepared: BTreeMap<String, Arc<Prepared>>,
    pub(crate) portals: Portals,
}

/// Why an answer was not given wholly.
pub(crate) enum Broken {
    /// The client is told, and goes on.
    Problem(Problem),
    /// The client is gone.
    Wire(WireError),
}

impl From<Problem> for Broken {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<WireError> for Broken {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

/// Why no further row is written.
enum Unwritten {
    Problem(Problem),
    /// First, what there is has to be sent.
    Full,
}

impl From<StatementError> for Unwritten {
    fn from(error: StatementError) -> Self {
        Self::Problem(Problem::refused(Refusal::from(error), "", 0))
    }
}

fn shutting_down() -> Problem {
    Problem::fatal("57P01", "the server is shutting down")
}

impl Connection {
    pub(crate) fn new(io: Io, session: Session, started: Started, entry: &Entry) -> Self {
        let Started { user, database, mut settings } = started;
        settings.begin(&user);
        Self {
            io,
            session,
            settings,
            user,
            database,
            backend: entry.backend,
            stop: Stop::new(entry.cancel.clone()),
            budget: Budget::default(),
            transaction: Transaction::default(),
            prepared: BTreeMap::new(),
            portals: Portals::default(),
        }
    }

    /// Answers until the client goes, or breaks the protocol, or the service ends.
    pub(crate) async fn serve(mut self, entry: &Entry) -> Result<(), WireError> {
        self.io.out.authenticated();
        for (name, value) in self.settings.told() {
            self.io.out.setting(name, value);
        }
        self.io.out.message(b'K', |body| {
            body.put_i32(entry.backend);
            body.put_i32(entry.secret);
        });
        self.io.out.ready(self.transaction);
        self.io.flush().await?;
        let session = self.session.clone();
        let closed = session.closed();
        tokio::pin!(closed);
        // After an error of the extended protocol all is passed over up to its end.
        let mut is_skipping = false;
        loop {
            self.portals.forget(Instant::now());
            let end = self.portals.end();
            let forgotten = async {
                match end {
                    Some(end) => sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            let message = tokio::select! {
                message = self.io.message() => message,
                () = forgotten => continue,
                () = &mut closed => {
                    self.io.out.problem(&shutting_down());
                    return self.io.flush().await;
                }
            };
            let message = match message {
                Ok(Some(Message::Terminate) | None) => return Ok(()),
                Ok(Some(message)) => message,
                Err(WireError::Protocol(what)) => {
                    self.io.out.problem(&Problem::fatal("08P01", what.clone()));
                    self.io.flush().await?;
                    return Err(WireError::Protocol(what));
                }
                Err(error) => return Err(error),
            };
            if is_skipping && !matches!(message, Message::Sync | Message::Query(_)) {
                continue;
            }
            is_skipping = false;
            match self.message(message).await {
                Ok(()) => {}
                Err(Broken::Wire(error)) => return Err(error),
                Err(Broken::Problem(problem)) => {
                    is_skipping = true;
                    self.failed(&problem);
                    if problem.severity == Severity::Fatal {
                        return self.io.flush().await;
                    }
                }
            }
            self.io.flush_much().await?;
        }
    }

    async fn message(&mut self, message: Message) -> Result<(), Broken> {
        match message {
            Message::Query(text) => {
                self.simple(&text).await?;
                self.io.flush().await?;
            }
            Message::Parse { name, sql, types } => self.parse(name, &sql, types).await?,
            Message::Bind(bind) => self.bind(bind)?,
            Message::Describe(target) => self.describe_target(&target)?,
            Message::Execute { portal, rows_max } => self.execute(&portal, rows_max).await?,
            Message::Close(target) => self.close(&target),
            Message::Sync => {
                // Portals live as long as the transaction.
                if self.transaction == Transaction::None {
                    self.portals.clear();
                }
                self.io.out.ready(self.transaction);
                self.io.flush().await?;
            }
            Message::Flush => self.io.flush().await?,
            Message::Terminate | Message::Ignored => {}
        }
        Ok(())
    }

    /// Waits for something that may be stopped: on demand, or because it takes too long, or nobody is there any more.
    pub(crate) async fn stoppable<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Broken> {
        let session = self.session.clone();
        tokio::select! {
            done = work => Ok(done),
            problem = self.stop.reason() => Err(problem.into()),
            () = self.io.gone() => Err(WireError::Gone.into()),
            () = session.closed() => Err(shutting_down().into()),
        }
    }

    /// Tells of an error, which the transaction does not survive.
    pub(crate) fn failed(&mut self, problem: &Problem) {
        self.io.out.problem(problem);
        if self.transaction == Transaction::Open {
            self.transaction = Transaction::Failed;
        }
    }

    /// Writes up to `count` rows from the row `from` on.
    pub(crate) async fn rows(&mut self, answer: &Answer, row: &Row, from: usize, count: usize) -> Result<(), Broken> {
        let end = from.saturating_add(count).min(answer.row_count());
        let mut at = from;
        while at < end {
            self.stop.check()?;
            let mut written = 0;
            let out = &mut self.io.out;
            let mut take = |cells: &[Cell<'_>]| {
                row.write(cells, out).map_err(Unwritten::Problem)?;
                written += 1;
                if out.bytes.len() < SEND_SIZE { Ok(()) } else { Err(Unwritten::Full) }
            };
            match answer.each(at, ROWS_AT_ONCE.min(end - at), &mut take) {
                Ok(()) | Err(Unwritten::Full) => at += written,
                Err(Unwritten::Problem(problem)) => return Err(problem.into()),
            }
            if self.io.out.bytes.len() >= SEND_SIZE {
                self.send().await?;
            }
        }
        Ok(())
    }

    /// Sends what is gathered of a statement, unless it is stopped.
    async fn send(&mut self) -> Result<(), Broken> {
        let session = self.session.clone();
        tokio::select! {
            sent = self.io.flush() => Ok(sent?),
            problem = self.stop.reason() => Err(problem.into()),
            () = session.closed() => Err(shutting_down().into()),
        }
    }
}
