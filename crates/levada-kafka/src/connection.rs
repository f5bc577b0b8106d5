//! [`Connection`]: one client's connection, one task. Requests are read ahead, begun in order, answered in order.
//!
//! What may run beside what: [`crate::apis::Manner`]. Cutting frames is the inbox's business, writing the
//! outbox's; nothing here knows an API.

mod inbox;
mod outbox;

use crate::{
    apis::Manner,
    call::{self, Answer, Begun, Ends, RefusedCall, Shared},
    memory::Charge,
    stream::Stream,
    tasks::StopSignal,
    throttle::Mute,
};
use inbox::{FrameError, Inbox};
use outbox::Outbox;
use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Sleep};

/// Requests are not begun while the client leaves more than this unread.
const OUTBOX_SIZE_MAX: usize = 1 << 20;
/// How often a connection is looked at while something about it may take too long.
const TICK: Duration = Duration::from_secs(1);
/// How long work goes on for a client that has closed its side.
const LAST_WORK: Duration = Duration::from_secs(30);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Closed {
    #[error("the client closed it")]
    ByPeer,
    #[error("the server stops")]
    Stopping,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Frame(#[from] FrameError),
    #[error("{0}")]
    Refused(#[from] RefusedCall),
    #[error("{0}")]
    Unanswerable(String),
    #[error("no traffic for `connections.max.idle.ms`")]
    Idle,
    #[error("a request arrives too slowly while memory for requests is short")]
    TooSlow,
}

impl Closed {
    /// Whether the client did something that its owner should hear about.
    const fn is_fault(&self) -> bool {
        match self {
            Self::Frame(_) | Self::Refused(_) | Self::Unanswerable(_) | Self::TooSlow => true,
            Self::ByPeer | Self::Stopping | Self::Io(_) | Self::Idle => false,
        }
    }
}

struct Slot {
    begun: Begun,
    /// Ready before its turn.
    answer: Option<Answer>,
    /// The memory of the request.
    charge: Charge,
    started: Instant,
}

pub(crate) struct Connection<S> {
    shared: Arc<Shared>,
    ends: Ends,
    stream: S,
    inbox: Inbox,
    slots: VecDeque<Slot>,
    outbox: Outbox,
    /// On while the client is over its quotas.
    mute: Mute,
    timer: Pin<Box<Sleep>>,
    last_traffic: Instant,
    /// When the client closed its side.
    ended: Option<Instant>,
    stopping: bool,
}

/// Serves a client until one side has had enough.
pub(crate) async fn serve<S: Stream>(shared: Arc<Shared>, ends: Ends, stream: S, mut stop: StopSignal) {
    shared.metrics.connection_opened();
    let (metrics, complaints) = (Arc::clone(&shared.metrics), Arc::clone(&shared.complaints));
    let peer = ends.peer;
    let mut connection = Connection::new(shared, ends, stream);
    let closed = tokio::select! {
        biased;
        closed = std::future::poll_fn(|context| connection.poll(context)) => closed,
        () = stop.given() => {
            connection.stopping = true;
            std::future::poll_fn(|context| connection.poll(context)).await
        }
    };
    metrics.connection_closed();
    if closed.is_fault() {
        complaints.about(peer, &closed);
    } else {
        tracing::debug!(%peer, reason = %closed, "connection closed");
    }
}

impl<S: Stream> Connection<S> {
    fn new(shared: Arc<Shared>, ends: Ends, stream: S) -> Self {
        let now = Instant::now();
        let inbox = Inbox::new(Arc::clone(&shared.request_memory), Charge::default(), shared.config.request_size_max);
        let timer = Box::pin(tokio::time::sleep_until(now + shared.config.connection_idle_max));
        Self {
            shared,
            ends,
            stream,
            inbox,
            slots: VecDeque::new(),
            outbox: Outbox::default(),
            mute: Mute::default(),
            timer,
            last_traffic: now,
            ended: None,
            stopping: false,
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Closed> {
        match self.poll_all(context) {
            Ok(()) => Poll::Pending,
            Err(closed) => Poll::Ready(closed),
        }
    }

    /// Does whatever can be done now. An error is the end.
    fn poll_all(&mut self, context: &mut Context<'_>) -> Result<(), Closed> {
        loop {
            let mut moved = self.poll_answers(context)?;
            moved |= self.poll_write(context)?;
            moved |= self.begin_next(context)?;
            moved |= self.poll_read(context)?;
            if !moved {
                break;
            }
        }
        self.check_end()?;
        self.inbox.release_if_empty();
        self.poll_timer(context)
    }

    /// Moves finished answers to the outbox, in order.
    fn poll_answers(&mut self, context: &mut Context<'_>) -> Result<bool, Closed> {
        let mut moved = false;
        while let Some(slot) = self.slots.front_mut() {
            let answer = match slot.answer.take() {
                Some(answer) => answer,
                None => match slot.begun.work.as_mut().poll(context) {
                    Poll::Ready(answer) => answer,
                    Poll::Pending => break,
                },
            };
            moved = true;
            self.shared.metrics.answered(slot.begun.api_index, slot.started.elapsed());
            drop(self.slots.pop_front().map(|slot| slot.charge));
            match answer {
                Answer::Reply { segments, charge, mute } => {
                    self.outbox.push(segments, charge);
                    self.mute.begin(mute);
                }
                Answer::Silence { mute } => self.mute.begin(mute),
                Answer::Close(reason) => return Err(Closed::Unanswerable(reason)),
            }
        }
        Ok(moved)
    }

    fn poll_write(&mut self, context: &mut Context<'_>) -> Result<bool, Closed> {
        let mut moved = false;
        while !self.outbox.is_empty() {
            match self.outbox.poll_write(&mut self.stream, context) {
                Poll::Ready(written) => {
                    self.shared.metrics.sent(written?);
                    self.last_traffic = Instant::now();
                    moved = true;
                }
                Poll::Pending => break,
            }
        }
        Ok(moved)
    }

    /// Begins requests whose turn it is.
    fn begin_next(&mut self, context: &mut Context<'_>) -> Result<bool, Closed> {
        if self.mute.is_on(context) {
            return Ok(false);
        }
        let mut moved = false;
        while !self.stopping
            && self.slots.len() < self.shared.config.pipelined_count_max
            && self.outbox.size() <= OUTBOX_SIZE_MAX
            && let Some(key) = self.inbox.next_key()?
        {
            let alone = self.slots.is_empty();
            let pipelined = crate::apis::is_pipelined(key)
                && self.slots.back().is_none_or(|slot| slot.begun.manner == Manner::Pipelined);
            if !alone && !pipelined {
                break;
            }
            let Some(frame) = self.inbox.take_frame() else { break };
            let started = Instant::now();
            let mut begun = call::begin(&self.shared, &self.ends, frame.bytes)?;
            // The first poll hands the work over; from then on only its turn to answer is waited for.
            let answer = match begun.work.as_mut().poll(context) {
                Poll::Ready(answer) => Some(answer),
                Poll::Pending => None,
            };
            self.slots.push_back(Slot { begun, answer, charge: frame.charge, started });
            moved = true;
        }
        Ok(moved)
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Result<bool, Closed> {
        // What is complete goes first: a client that only sends fills its own buffers, not ours.
        if self.stopping || self.ended.is_some() || self.inbox.next_key()?.is_some() {
            return Ok(false);
        }
        match self.inbox.poll_read(&mut self.stream, context) {
            Poll::Pending => Ok(false),
            Poll::Ready(size) => {
                let (size, now) = (size?, Instant::now());
                if size == 0 {
                    self.ended = Some(now);
                }
                self.shared.metrics.received(size);
                self.last_traffic = now;
                Ok(true)
            }
        }
    }

    /// Ends the connection if nothing is left to do for it.
    fn check_end(&self) -> Result<(), Closed> {
        let reason = match (self.stopping, self.ended.is_some()) {
            (true, _) => Closed::Stopping,
            (false, true) => Closed::ByPeer,
            (false, false) => return Ok(()),
        };
        let in_vain = self.slots.front().is_some_and(|slot| slot.begun.manner == Manner::Waiting);
        let nothing_left = (in_vain || self.slots.is_empty()) && self.outbox.is_empty();
        if nothing_left { Err(reason) } else { Ok(()) }
    }

    fn poll_timer(&mut self, context: &mut Context<'_>) -> Result<(), Closed> {
        let watched = self.inbox.is_partial() || self.ended.is_some();
        if watched {
            let soon = Instant::now() + TICK;
            if self.timer.deadline() > soon {
                self.timer.as_mut().reset(soon);
            }
        }
        while self.timer.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            self.check_times(now)?;
            let next = if watched { now } else { now.max(self.last_traffic + self.idle_max()) };
            self.timer.as_mut().reset(next.max(now + TICK));
        }
        Ok(())
    }

    fn check_times(&mut self, now: Instant) -> Result<(), Closed> {
        if self.inbox.is_too_slow(now) {
            return Err(Closed::TooSlow);
        }
        if self.ended.is_some_and(|ended| now.duration_since(ended) > LAST_WORK) {
            return Err(Closed::ByPeer);
        }
        let quiet = now.duration_since(self.last_traffic) >= self.idle_max();
        // A client that waits for an answer is not idle; one that does not take its answers is.
        if quiet && (self.slots.is_empty() || !self.outbox.is_empty()) {
            return Err(Closed::Idle);
        }
        Ok(())
    }

    fn idle_max(&self) -> Duration {
        self.shared.config.connection_idle_max
    }
}
