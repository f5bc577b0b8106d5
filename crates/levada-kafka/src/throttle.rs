//! Quotas at the wire: what a request is charged for, and how long its client is muted after the answer.
//!
//! The answer goes first and says how long; then nothing more of the connection is begun until that time is over.
//! A fetch that is too much is answered without records.
//!
//! Source: KIP-124, KIP-219, KIP-599.

use crate::call::{Answer, Context};
use levada_broker::quotas::usage::{Admission, Used};
use levada_protocol::{ApiKey, ErrorCode, Response};
use std::{pin::pin, task::Poll, time::Duration};
use tokio::time::Instant;

/// A number of bytes, carried as seconds: a float has no checked conversion to an integer, only one to a duration.
fn whole(size: Duration) -> usize {
    usize::try_from(size.as_secs()).unwrap_or(usize::MAX)
}

/// APIs that create and delete partitions, each with the version from which clients understand a refusal.
const MUTATING: [(ApiKey, i16); 3] =
    [(ApiKey::CreateTopics, 6), (ApiKey::DeleteTopics, 5), (ApiKey::CreatePartitions, 3)];

/// Drives `work`, and tells how long its thread was busy with it, `before` included; with no `before` nobody asks.
pub(crate) async fn timed<F: Future>(work: F, before: Option<Duration>) -> (F::Output, Option<Duration>) {
    let Some(mut busy) = before else { return (work.await, None) };
    let mut work = pin!(work);
    let output = std::future::poll_fn(|context| {
        let started = Instant::now();
        let polled = work.as_mut().poll(context);
        busy += started.elapsed();
        polled
    })
    .await;
    (output, Some(busy))
}

impl Context {
    /// Charges the client with what it `used`, writes into `response` for how long it is muted, and answers that.
    pub(crate) fn throttle<R: Response>(&self, response: &mut R, used: Option<(Used, f64)>) -> Duration {
        if !self.broker().has_quotas() {
            return Duration::ZERO;
        }
        let of_api = MUTATING.iter().any(|(key, _)| *key == R::KEY).then_some((Used::Mutations, 0.0));
        // What the request itself took is known only when it is answered: it counts for the next.
        let of_time = Some((Used::RequestTime, 0.0));
        let uses = [used, of_api, of_time].into_iter().flatten();
        let mute = uses.map(|(used, amount)| self.broker().use_quota(&self.caller, used, amount)).max();
        let mute = mute.unwrap_or_default();
        response.set_throttle_time_ms(i32::try_from(mute.as_millis()).unwrap_or(i32::MAX));
        mute
    }

    /// The most bytes of records that the client may fetch at once.
    pub(crate) fn fetch_size_max(&self) -> usize {
        let most =
            if self.broker().has_quotas() { self.broker().most_at_once(&self.caller, Used::Fetched) } else { None };
        most.map_or(usize::MAX, |most| Duration::try_from_secs_f64(most).map_or(usize::MAX, whole))
    }

    /// Charges the client with a fetch of `size` bytes, or charges nothing and says for how long it is muted instead.
    ///
    /// Source: KIP-219.
    pub(crate) fn admit_fetch(&self, size: usize) -> Admission {
        if !self.broker().has_quotas() {
            return Admission::Taken(Duration::ZERO);
        }
        let of_time = self.broker().use_quota(&self.caller, Used::RequestTime, 0.0);
        if !of_time.is_zero() {
            return Admission::Refused(of_time);
        }
        self.broker().admit(&self.caller, Used::Fetched, f64::from(u32::try_from(size).unwrap_or(u32::MAX)))
    }

    /// Charges the client with the time for which it kept a thread busy.
    pub(crate) fn charge_time(&self, busy: Option<Duration>) {
        if let Some(busy) = busy {
            let percent = busy.as_secs_f64() * 100.0;
            let _mute_of_the_next = self.broker().use_quota(&self.caller, Used::RequestTime, percent);
        }
    }

    /// Lets the client create or delete `count` partitions, or refuses where it understands that.
    pub(crate) fn admit_mutations(&self, api: ApiKey, count: i32) -> Result<(), ErrorCode> {
        if !self.broker().has_quotas() {
            return Ok(());
        }
        let understands = MUTATING.iter().any(|(key, from)| *key == api && self.version >= *from);
        if understands && !self.broker().use_quota(&self.caller, Used::Mutations, 0.0).is_zero() {
            return Err(ErrorCode::ThrottlingQuotaExceeded);
        }
        let _mute = self.broker().use_quota(&self.caller, Used::Mutations, f64::from(count.max(1)));
        Ok(())
    }
}

impl Answer {
    /// The same, and then mutes the client.
    pub(crate) fn muting(self, span: Duration) -> Self {
        match self {
            Self::Reply { segments, charge, mute } => Self::Reply { segments, charge, mute: mute.max(span) },
            Self::Silence { mute } => Self::Silence { mute: mute.max(span) },
            Self::Close(reason) => Self::Close(reason),
        }
    }
}

/// A connection that may be muted.
#[derive(Debug, Default)]
pub(crate) struct Mute {
    timer: Option<std::pin::Pin<Box<tokio::time::Sleep>>>,
}

impl Mute {
    /// Mutes for `span`, at least.
    pub(crate) fn begin(&mut self, span: Duration) {
        let until = Instant::now() + span;
        if !span.is_zero() && self.timer.as_ref().is_none_or(|timer| timer.deadline() < until) {
            self.timer = Some(Box::pin(tokio::time::sleep_until(until)));
        }
    }

    /// Whether it is muted; the task is woken when that ends.
    pub(crate) fn is_on(&mut self, context: &mut std::task::Context<'_>) -> bool {
        let Some(timer) = &mut self.timer else { return false };
        if let Poll::Ready(()) = timer.as_mut().poll(context) {
            self.timer = None;
        }
        self.timer.is_some()
    }
}
