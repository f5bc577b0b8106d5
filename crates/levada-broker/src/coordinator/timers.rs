//! What time brings about: sessions that end, rebalances that are due, offsets that expire.

use crate::{Runtime, coordinator::Coordinator, group::Now};
use levada_model::Str;
use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

/// How expired offsets are looked for; asked each time, because both can change.
pub(crate) struct ExpirySettings {
    /// How often.
    pub(crate) interval: Box<dyn Fn() -> Duration + Send + Sync>,
    /// How long offsets of an unused group are kept.
    pub(crate) retention: Box<dyn Fn() -> Duration + Send + Sync>,
}

/// Wakes at least this often, so that a wall clock that jumps is noticed.
const NAP_MAX: Duration = Duration::from_secs(60);

impl Coordinator {
    pub(super) async fn run_timers(self: &Arc<Self>, runtime: &dyn Runtime, settings: ExpirySettings) {
        let mut expiry_due = self.clock.monotonic() + (settings.interval)();
        while !self.is_closed() {
            let now = self.now();
            let mut next = self.tick(now).unwrap_or(now.monotonic + NAP_MAX).min(now.monotonic + NAP_MAX);
            expiry_due = expiry_due.min(now.monotonic + (settings.interval)());
            if expiry_due <= now.monotonic {
                if self.check_loaded().is_ok() {
                    self.expire(now, (settings.retention)());
                }
                expiry_due = now.monotonic + (settings.interval)();
            }
            next = next.min(expiry_due);
            let nap = next.saturating_sub(self.clock.monotonic());
            let mut slept = runtime.sleep(nap);
            let mut woken = pin!(self.earlier.notified());
            poll_fn(|context| {
                let woken = woken.as_mut().poll(context).is_ready();
                if woken || slept.as_mut().poll(context).is_ready() { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
    }

    /// Does what is due in any group, and says when something will be next.
    pub(crate) fn tick(&self, now: Now) -> Option<Duration> {
        let mut next: Option<Duration> = None;
        for index in &self.shards {
            loop {
                let mut shard = index.lock();
                let Some((deadline, group_id)) = shard.timers.first().cloned() else { break };
                if deadline > now.monotonic {
                    next = Some(next.map_or(deadline, |next| next.min(deadline)));
                    break;
                }
                self.tick_group(&mut shard, now, &group_id);
                self.refresh(shard, &group_id);
            }
        }
        next
    }

    fn tick_group(&self, shard: &mut super::shard::Shard, now: Now, group_id: &Str) {
        let topics = self.topics();
        if let Some(slot) = shard.groups.get_mut(group_id) {
            let effects = slot.group.tick(self.sight(&topics, group_id, now));
            self.carry_out(shard, group_id, now, effects);
        }
    }
}
